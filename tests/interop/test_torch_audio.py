"""Our mel spectrograms against torchaudio's, on signals and on real recordings."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
soundfile = pytest.importorskip("soundfile")

from mi204 import audio, paths  # noqa: E402
from mi204.audio import MelSettings  # noqa: E402
from mi204.errors import DataError, SettingError  # noqa: E402
from mi204.interop import torch_audio  # noqa: E402

needs_torchaudio = pytest.mark.skipif(importlib.util.find_spec("torchaudio") is None, reason="torchaudio is absent")
RATES = [16000, 8000]


def rng():
    return np.random.default_rng(0)


SIGNALS = {
    "noise": rng().uniform(-1, 1, 6000),
    "faint noise": 1e-3 * rng().uniform(-1, 1, 6000),
    "short": rng().uniform(-1, 1, 201),
    "sweep": 0.8 * np.sin(2 * np.pi * np.cumsum(np.linspace(50, 3900, 6000)) / 8000) + 0.1 * rng().normal(size=6000),
    "sound, then silence": np.pad(rng().uniform(-1, 1, 1500), (0, 4500)),
}


def ours(waveform, setting):
    return audio.decibels(audio.mel_spectrogram(waveform, setting))


def theirs(waveform, setting):
    return torch_audio.decibel_mel_spectrogram(setting)(torch.from_numpy(waveform)).numpy()


def in_double_precision(setting):
    """Give torchaudio's transform with what it rounds to float32, its window and filters, not rounded."""
    transform = torch_audio.decibel_mel_spectrogram(setting)
    transform[0].spectrogram.window = torch.hann_window(setting.n_fft, dtype=torch.float64)
    transform[0].mel_scale.fb = torch.from_numpy(audio.mel_filters(setting).T.copy())
    return transform


@needs_torchaudio
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", SIGNALS)
def test_decibels_equal_those_of_torchaudio(name, rate):
    waveform = SIGNALS[name].astype(np.float32)
    found, expected = ours(waveform, MelSettings(rate)), theirs(waveform, MelSettings(rate))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@needs_torchaudio
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", SIGNALS)
def test_decibels_equal_those_of_torchaudio_in_double_precision(name, rate):
    waveform = SIGNALS[name].astype(np.float32)
    expected = in_double_precision(MelSettings(rate))(torch.from_numpy(waveform).double()).numpy()
    np.testing.assert_allclose(ours(waveform, MelSettings(rate)), expected, rtol=0, atol=1e-7)


@needs_torchaudio
@pytest.mark.parametrize(
    "setting",
    [
        MelSettings(),
        MelSettings(8000),
        MelSettings(22050, n_fft=512, win_length=400, hop_length=160, n_mels=64, f_min=50, f_max=7600),
    ],
)
def test_filters_equal_those_of_torchaudio_as_far_as_it_computes_them(setting):
    filters = torch_audio.decibel_mel_spectrogram(setting)[0].mel_scale.fb.numpy().T
    np.testing.assert_allclose(audio.mel_filters(setting), filters, rtol=0, atol=3e-5)
    np.testing.assert_array_equal(audio.mel_filters(setting).max(axis=1) == 0, filters.max(axis=1) == 0)


@pytest.mark.data
@pytest.mark.skipif(paths.mirror() is None, reason="MI204_MIRROR is not set")
@needs_torchaudio
@pytest.mark.parametrize("rate", RATES)
def test_decibels_of_real_recordings_equal_those_of_torchaudio(rate):
    setting = MelSettings(rate)
    files = sorted(Path(paths.mirror(), "free-spoken-digit-dataset", "recordings").glob("*.wav"))[::100]
    transform, differences = in_double_precision(setting), []
    for path in files:
        waveform = audio.read(path, 8000).waveform
        found = ours(waveform, setting)
        np.testing.assert_allclose(
            found, transform(torch.from_numpy(waveform).double()).numpy(), rtol=0, atol=1e-7, err_msg=str(path)
        )
        differences.append(np.abs(found - theirs(waveform, setting)).ravel())
    differences = np.concatenate(differences)
    # Beside a frequency that is 50 dB louder, float32 rounds what is faint: few values, by little.
    assert np.mean(differences > 1e-3) < 1e-3
    assert differences.max() < 0.05


@needs_torchaudio
def test_the_transform_takes_a_batch_of_channels():
    setting = MelSettings(8000, n_fft=64, hop_length=20, n_mels=7)
    assert torch_audio.decibel_mel_spectrogram(setting)(torch.ones(3, 2, 500)).shape == (3, 2, 7, 26)


def test_load_gives_channels_first_and_the_rate(tmp_path):
    channels = rng().uniform(-1, 1, (300, 2)).astype(np.float32)
    soundfile.write(tmp_path / "sound.wav", channels, 11025, subtype="FLOAT")
    samples, rate = torch_audio.load(tmp_path / "sound.wav")
    assert rate == 11025
    assert samples.dtype == torch.float32
    torch.testing.assert_close(samples, torch.from_numpy(channels.T.copy()), rtol=0, atol=0)


def test_load_refuses_what_is_no_wav(tmp_path):
    (tmp_path / "sound.wav").write_bytes(b"")
    with pytest.raises(DataError, match="Expected a wav file"):
        torch_audio.load(tmp_path / "sound.wav")


def test_without_torchaudio_the_extra_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torchaudio" else find(name))
    with pytest.raises(SettingError, match=r'Expected torchaudio to be installed.*pip install -e "\.\[torchaudio\]"'):
        torch_audio.decibel_mel_spectrogram(MelSettings())
