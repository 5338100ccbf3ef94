"""torchaudio as the handout of Audio MNIST uses it, to compare with ``mi204.audio``; torch and numpy alone: no Keras.

torchaudio's wheel on PyPI is compiled for CUDA, and beside a torch for the processor it cannot be imported. What is
written in Python, which is all that a mel spectrogram needs, is then imported without the compiled part: ``lfilter``
and ``overdrive`` are slower, ``forced_align``, ``rnnt_loss`` and the CUDA decoder do not work.
"""

import sys
import types
import warnings
from pathlib import Path
from typing import Any

from mi204 import audio, packages
from mi204.audio import MelSettings


def load(path: Path) -> tuple[Any, int]:
    """Give the samples of a wav file, a float32 tensor (channels, n), and its sampling rate in Hz.

    As ``torchaudio.load(path)``, which needs torchcodec and FFmpeg: here the file is read by ``audio.decode``. Raises
    SettingError when torch is not installed, DataError when the file is not a whole wav.
    """
    packages.require("torch")
    import torch

    samples, sampling_rate, _ = audio.decode(path)
    return torch.from_numpy(samples.T.copy()), sampling_rate


def decibel_mel_spectrogram(settings: MelSettings) -> Any:
    """Give torchaudio's ``MelSpectrogram`` followed by ``AmplitudeToDB``: a module from (…, n) to (…, n_mels, frames).

    torchaudio's warning about empty filters is left to ``audio.mel_filters``, which shows them. Raises SettingError
    when torch or torchaudio is not installed.
    """
    packages.require("torch")
    packages.require("torchaudio")
    torchaudio = _torchaudio()
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "At least one mel filterbank has all zero values")
        spectrogram = torchaudio.transforms.MelSpectrogram(
            sample_rate=settings.sampling_rate,
            n_fft=settings.n_fft,
            win_length=settings.win_length,
            hop_length=settings.hop_length,
            n_mels=settings.n_mels,
            f_min=settings.f_min,
            f_max=settings.f_max,
        )
    return torch.nn.Sequential(spectrogram, torchaudio.transforms.AmplitudeToDB())


def _torchaudio() -> types.ModuleType:
    try:
        import torchaudio
    except (OSError, RuntimeError):
        # The compiled part finds no CUDA, or another one than torch's.
        extension = types.ModuleType("torchaudio._extension")
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
        extension.fail_if_no_align = lambda function: function
        sys.modules[extension.__name__] = extension
        import torchaudio
    return torchaudio
