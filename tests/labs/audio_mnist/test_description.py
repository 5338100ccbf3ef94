"""What is measured of the recordings without training."""

import numpy as np
import pytest

from labs.audio_mnist import description
from mi204 import audio
from mi204.errors import SettingError


def test_recordings_are_measured(tones):
    each = description.recordings(tones)
    np.testing.assert_array_equal(each.labels, tones.labels)
    np.testing.assert_array_equal(each.speakers, tones.speakers)
    np.testing.assert_array_equal(each.repetitions, tones.repetitions)
    np.testing.assert_allclose(each.seconds[:5], [0.2, 0.20125, 0.2025, 0.20375, 0.2125])


def test_recordings_to_draw(tones):
    assert list(description.sounds(tones, ())) == ["0_ada_0.wav", "3_bob_0.wav", "6_eve_0.wav"]
    ((name, sound),) = description.sounds(tones, ("7_bob_1.wav",)).items()
    assert name == "7_bob_1.wav"
    waveform = tones.waveforms[tones.files.index(name)]
    np.testing.assert_array_equal(sound.waveform, waveform)
    for image, settings in (
        (sound.course, audio.MelSettings(sampling_rate=16000)),
        (sound.true, audio.MelSettings(sampling_rate=8000, n_fft=400, hop_length=80, n_mels=64)),
    ):
        np.testing.assert_allclose(image, audio.decibels(audio.mel_spectrogram(waveform, settings)), atol=1e-4)


def test_a_recording_to_draw_is_one_of_them(tones):
    with pytest.raises(SettingError, match=r"such as 0_ada_0\.wav .* received 7_dora_1\.wav, x\.wav") as error:
        description.sounds(tones, ("7_bob_1.wav", "7_dora_1.wav", "x.wav"))
    assert "tels que 0_ada_0.wav et 9_eve_3.wav, 7_dora_1.wav, x.wav reçu" in error.value.written("fr")


def test_four_filters_of_the_courses_script_are_empty():
    """As torchaudio warns; none of those made for the true rate is."""
    banks = description.banks()
    assert banks["course"].filters.shape == (128, 201)
    assert np.sum(~banks["course"].filters.any(axis=1)) == 4
    assert banks["course"].frequencies[[0, -1]] == pytest.approx([13.8, 7800], rel=0.02)
    assert banks["true"].filters.any(axis=1).all()
    assert len(banks["true"].filters) == len(banks["true"].frequencies) == 64


def test_packages_are_named_with_the_backends():
    versions = description.versions("jax")
    assert list(versions)[-1] == "jax"
    assert versions["numpy"] == np.__version__


def test_a_split_is_described(tones):
    train, test = np.array([0, 1, 4, 5, 119]), np.array([2, 118])
    centred = np.array([-3.0, -3.0, 6.0]), np.array([1.5, 2.5])
    layers = [{"type": "Dense", "settings": "units 10", "output_shape": "10", "parameters": 7}]
    split = description.random_split(tones, (train, test), -94.0, centred, layers)
    assert split.train == ["0_ada_0.wav", "0_ada_1.wav", "0_bob_0.wav", "0_bob_1.wav", "9_eve_3.wav"]
    assert split.test == ["0_ada_2.wav", "9_eve_2.wav"]
    assert split.n_train == {"ada": 2, "bob": 2, "eve": 1}
    assert split.n_test == {"ada": 1, "bob": 0, "eve": 1}
    assert (split.mean_before, split.mean_after, split.test_mean_after) == (-94, 0, 2)
    assert split.deviation == pytest.approx(18**0.5)
    assert split.silence == pytest.approx(2 / 3)
    (layer,) = split.layers
    assert (layer.type, layer.settings, layer.output_shape, layer.parameters) == ("Dense", "units 10", "10", 7)
