from itertools import pairwise

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from mi204.datasets import _voices


@pytest.fixture(scope="module")
def few():
    return _voices.speak(10)


def _picture(waveform: np.ndarray) -> np.ndarray:
    """Return the decibels of 16 bands of 250 Hz in the 50 frames of the first 0.8 s, (800,); silence is -90."""
    frames = np.pad(waveform[:6400], (0, max(6400 - len(waveform), 0))).reshape(50, 128) * np.hanning(128)
    power = np.abs(np.fft.rfft(frames)[:, :64]) ** 2
    return 10 * np.log10(power.reshape(50, 16, 4).mean(axis=2) + 1e-9).ravel()


@pytest.fixture(scope="module")
def pictures(few):
    return np.stack([_picture(waveform) for waveform in few.waveforms])


def _pitch(waveform: np.ndarray) -> float:
    """Return the pitch of the loudest 40 ms, in Hz: the highest autocorrelation between 70 and 270 Hz."""
    loudness = np.convolve(waveform**2, np.ones(320), mode="valid")
    frame = waveform[loudness.argmax() :][:320]
    correlation = np.correlate(frame, frame, mode="full")[319:]
    return 8000 / (np.argmax(correlation[30:115] / np.arange(290, 205, -1)) + 30)


def test_every_voice_says_every_digit_as_often_as_asked(few):
    assert few.labels.dtype == few.repetitions.dtype == np.int64
    assert len(few.waveforms) == 600
    speakers = sorted(set(few.speakers.tolist()))
    assert len(speakers) == 6
    assert not {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"} & set(speakers), "nobody's name is taken"
    expected = [(digit, name, number) for digit in range(10) for name in speakers for number in range(10)]
    assert list(zip(few.labels, few.speakers, few.repetitions, strict=True)) == expected


def test_recordings_are_short_sounds_of_16_bits(few):
    for waveform in few.waveforms:
        assert waveform.dtype == np.float32
        assert waveform.ndim == 1
        assert 0.15 < len(waveform) / 8000 < 1
        assert np.isfinite(waveform).all()
        assert 0.01 < np.abs(waveform).max() < 1
        np.testing.assert_array_equal(waveform * 32768, np.round(waveform * 32768))
    seconds = np.array([len(waveform) for waveform in few.waveforms]) / 8000
    assert 0.4 < seconds.mean() < 0.55


@pytest.mark.parametrize("n", [1, 3, 10])
def test_is_the_same_every_time_and_however_many_are_spoken(n, few):
    first = [waveform for waveform, number in zip(few.waveforms, few.repetitions, strict=True) if number < n]
    for waveform, kept in zip(_voices.speak(n).waveforms, first, strict=True):
        np.testing.assert_array_equal(waveform, kept)


def test_no_recording_comes_twice(few):
    assert len({waveform.tobytes() for waveform in few.waveforms}) == 600


def test_repetitions_vary_less_than_voices(few):
    seconds = np.array([len(waveform) for waveform in few.waveforms]).reshape(10, 6, 10) / 8000
    assert seconds.std(axis=2).min() > 0.003
    assert seconds.std(axis=2).mean() < 0.6 * seconds.mean(axis=2).std(axis=1).mean()


def test_every_voice_speaks_at_its_pitch(few):
    pitches = np.array([_pitch(waveform) for waveform in few.waveforms])
    for voice in _voices.VOICES:
        assert np.median(pitches[few.speakers == voice.name]) == pytest.approx(voice.pitch, rel=0.1)


@pytest.mark.parametrize(("phone", "first", "second"), [("iy", 290, 2250), ("aa", 730, 1200), ("ao", 560, 850)])
def test_a_vowel_is_loudest_at_its_formants(phone, first, second, monkeypatch):
    monkeypatch.setattr(_voices, "WORDS", (((phone, 800),),))
    monkeypatch.setattr(_voices, "VOICES", (_voices.VOICES[3]._replace(tract=1, noise=0),))
    monkeypatch.setattr(_voices, "ACCENT", 0)
    monkeypatch.setattr(_voices, "VARIATION", 0)
    (waveform,) = _voices.speak(1).waveforms
    middle = waveform[1500:5500] * np.hanning(4000)
    spectrum = np.abs(np.fft.rfft(middle))
    # Over 150 Hz, more than the distance of two harmonics of this voice.
    envelope = np.sqrt(np.convolve(spectrum**2, np.hanning(75), mode="same"))
    frequencies = np.fft.rfftfreq(4000, 1 / 8000)
    for formant in (first, second):
        near = np.abs(frequencies - formant) < 60
        for side in (-1, 1):
            away = np.abs(frequencies - formant - side * 170) < 30
            assert envelope[near].max() > envelope[away].max(), (phone, formant, side)


def test_hisses_are_high_and_vowels_low(few):
    """Of the pieces of 10 ms of six and seven, some lie above 2 kHz, others below."""
    for waveform in (few.waveforms[index] for index in np.flatnonzero(np.isin(few.labels, [6, 7]))):
        pieces = waveform[: len(waveform) // 80 * 80].reshape(-1, 80) * np.hanning(80)
        power = np.abs(np.fft.rfft(pieces)) ** 2
        loud = power[power.sum(axis=1) > power.sum(axis=1).max() / 100_000]
        high = loud[:, 20:].sum(axis=1) / loud.sum(axis=1)
        assert high.max() > 0.8
        assert high.min() < 0.1


def test_digits_are_told_apart_and_worse_in_an_unknown_voice(few, pictures):
    """What the lab shows: a model that has heard every voice seems better than it is."""
    model = KNeighborsClassifier(1)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    known = cross_val_score(model, pictures, few.labels, cv=folds).mean()
    unknown = cross_val_score(model, pictures, few.labels, groups=few.speakers, cv=LeaveOneGroupOut())
    assert known > 0.9
    assert 0.4 < unknown.mean() < known - 0.15
    assert unknown.min() > 0.2


def test_voices_are_told_apart(few, pictures):
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    assert cross_val_score(KNeighborsClassifier(1), pictures, few.speakers, cv=folds).mean() > 0.8


def test_shares_of_phones_sum_to_one_and_pass_in_order():
    times = np.linspace(-0.1, 0.5, 61)[None]
    shares = _voices._shares(times, np.array([[0.1, 0.2, 0.4]]), 0.05, endless=True)
    np.testing.assert_allclose(shares.sum(axis=-1), 1)
    assert np.diff(shares[0].argmax(axis=1)).min() == 0
    assert set(shares[0].argmax(axis=1)) == {0, 1, 2}
    bounded = _voices._shares(times, np.array([[0.1, 0.2, 0.4]]), 0.05, endless=False)
    np.testing.assert_array_equal(bounded[0, [0, -1]], 0)


def test_pulses_come_once_per_period():
    pulses = _voices._pulses(np.full((1, 8000), 123.4))[0]
    places = np.flatnonzero((pulses > 0) & (np.concatenate([[0], pulses[:-1]]) == 0))
    assert len(places) == pytest.approx(123.4, abs=1)
    assert all(abs(after - before - 8000 / 123.4) < 2 for before, after in pairwise(places))
