"""What is measured of the recordings without training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labs.audio_mnist.config import COURSE_MEL, TRUE_MEL
from labs.audio_mnist.measured import Bank, Layer, Recordings, Sound, Split
from mi204 import audio, packages
from mi204.datasets import AudioDataset
from mi204.errors import SettingError

PACKAGES = ("keras", "numpy", "pandas", "matplotlib", "librosa", "soundfile", "torch", "torchaudio")


def versions(backend: str) -> dict[str, str]:
    """Give the version of each package that the lab may use, the backend's among them."""
    return {name: packages.version(name) for name in (*PACKAGES, backend)}


def recordings(spoken: AudioDataset) -> Recordings:
    """Describe each recording."""
    seconds = np.array([len(waveform) for waveform in spoken.waveforms]) / spoken.sampling_rate
    return Recordings(spoken.labels, spoken.speakers, spoken.repetitions, seconds)


def banks() -> dict[str, Bank]:
    """Give the filters of the course's script, and those made for the recordings as they are."""
    return {
        name: Bank(audio.mel_filters(mel), audio.mel_frequencies(mel))
        for name, mel in (("course", COURSE_MEL), ("true", TRUE_MEL))
    }


def sounds(spoken: AudioDataset, names: Sequence[str]) -> dict[str, Sound]:
    """Give the recordings named, or three of them where none is, with their spectrograms.

    Raises SettingError for a name that is not among the files.
    """
    unknown = [name for name in names if name not in spoken.files]
    if unknown:
        raise SettingError(
            "Expected --show to name recordings such as {first} and {last}, received {unknown}: choose among the files "
            "of {data}.",
            "Noms d'enregistrements attendus pour --show, tels que {first} et {last}, {unknown} reçu : choisir parmi "
            "les fichiers de {data}.",
            first=spoken.files[0], last=spoken.files[-1], unknown=", ".join(unknown), data=spoken.name,
        )
    n = len(spoken.files)
    chosen = [spoken.files.index(name) for name in names] or [0, n // 3, 2 * n // 3]
    return {spoken.files[i]: _sound(spoken.waveforms[i]) for i in chosen}


def _sound(waveform: np.ndarray) -> Sound:
    course, true = (
        audio.decibels(audio.mel_spectrogram(waveform, mel)).astype(np.float32) for mel in (COURSE_MEL, TRUE_MEL)
    )
    return Sound(waveform, course, true)


def random_split(
    spoken: AudioDataset,
    sides: tuple[np.ndarray, np.ndarray],
    mean: float,
    centred: tuple[np.ndarray, np.ndarray],
    layers: list[dict],
) -> Split:
    """Describe the sides of a split, indices of recordings, and what the course's blocks make of them.

    ``mean`` is that of the training spectrograms, ``centred`` the spectrograms of both sides less it, in decibels;
    ``layers`` are those of the network, as ``models.describe`` lists them.
    """
    x_train, x_test = centred
    train, test = ([spoken.files[i] for i in side] for side in sides)
    n_train, n_test = (
        {str(name): int(np.sum(spoken.speakers[side] == name)) for name in np.unique(spoken.speakers)} for side in sides
    )
    return Split(
        train=train,
        test=test,
        n_train=n_train,
        n_test=n_test,
        mean_before=mean,
        mean_after=float(x_train.mean(dtype=np.float64)),
        test_mean_after=float(x_test.mean(dtype=np.float64)),
        deviation=float(x_train.std(dtype=np.float64)),
        silence=float(np.mean(x_train == x_train.min())),
        layers=[Layer(each["type"], each["settings"], each["output_shape"], each["parameters"]) for each in layers],
    )
