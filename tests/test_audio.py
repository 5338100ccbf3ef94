"""Recordings that are not what they should be, mel spectrograms against a transform written by hand, the cache."""

import dataclasses
import inspect
import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

soundfile = pytest.importorskip("soundfile")

from mi204 import audio, packages, paths  # noqa: E402
from mi204.audio import MelSettings  # noqa: E402
from mi204.errors import DataError, SettingError, StorageError  # noqa: E402

SINE = 0.5 * np.sin(np.arange(4000, dtype=np.float32) / 5)
SMALL = MelSettings(sampling_rate=8000, n_fft=32, hop_length=12, n_mels=6)


def noise(n, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


def assert_french(error, *values):
    """An error in French is not the English one, and says what was given, numbers as French print writes them."""
    french = error.value.written("fr").replace("\u202f", " ")
    assert "reçu" in french
    assert all(word not in french for word in ("Expected", "received"))
    assert all(str(value) in french for value in values)


def wav(tmp_path, samples=SINE, rate=8000, **options):
    path = tmp_path / "sound.wav"
    soundfile.write(path, samples, rate, **options)
    return path


# --- reading ---


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 1 / 128), ("PCM_16", 1 / 2**15), ("PCM_24", 1 / 2**23), ("PCM_32", 1e-7), ("FLOAT", 0), ("DOUBLE", 0)],
)
def test_samples_of_every_width_are_read_unaltered(tmp_path, subtype, step):
    recording = audio.read(wav(tmp_path, subtype=subtype), 8000)
    assert recording.waveform.dtype == np.float32
    assert recording.waveform.shape == SINE.shape
    assert recording.sampling_rate == 8000
    assert recording.remarks == ()
    np.testing.assert_allclose(recording.waveform, SINE, rtol=0, atol=step)


def test_full_scale_is_from_minus_one_to_one(tmp_path):
    integers = np.tile(np.array([-(2**15), 0, 2**14, 2**15 - 1], dtype=np.int16), 50)
    np.testing.assert_array_equal(audio.read(wav(tmp_path, integers), 8000).waveform, integers / np.float32(2**15))


def test_channels_are_mixed_by_their_mean_and_it_is_said(tmp_path):
    channels = np.stack([SINE, noise(4000), np.zeros(4000)], axis=1)
    recording = audio.read(wav(tmp_path, channels, subtype="FLOAT"), 8000)
    assert recording.remarks == ("mixed_to_mono",)
    np.testing.assert_allclose(recording.waveform, channels.mean(axis=1), rtol=0, atol=1e-7)


@pytest.mark.parametrize("offset", [0, 0.2])
@pytest.mark.parametrize(("weights", "loudest"), [((1, -1), 0), ((0.9, -1), 1), ((-0.5, 0.6, -0.05), 1)])
def test_channels_that_cancel_give_the_loudest_and_it_is_said(tmp_path, weights, loudest, offset):
    channels = np.outer(SINE, weights) + 0.01 * noise(4000)[:, None] + offset
    recording = audio.read(wav(tmp_path, channels, 8000, subtype="FLOAT"), 8000)
    assert recording.remarks == ("loudest_channel",)
    np.testing.assert_allclose(recording.waveform, channels[:, loudest], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "channels",
    [
        np.stack([SINE, 0 * SINE], axis=1),
        np.stack([noise(4000, seed) for seed in range(8)], axis=1),
        np.stack([SINE, -0.5 * SINE], axis=1),
        np.stack([SINE] + 7 * [0 * SINE], axis=1),
    ],
    ids=["one silent", "independent", "partly opposite", "seven silent"],
)
def test_channels_that_do_not_cancel_are_mixed(tmp_path, channels):
    recording = audio.read(wav(tmp_path, channels, subtype="FLOAT"), 8000)
    assert recording.remarks == ("mixed_to_mono",)
    np.testing.assert_allclose(recording.waveform, channels.mean(axis=1), rtol=0, atol=1e-7)


def test_another_rate_is_resampled_and_it_is_said(tmp_path):
    # 440 Hz at 22050 Hz: the same sound at 8000 Hz, but for what the filter does at the ends.
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    recording = audio.read(wav(tmp_path, np.stack([sine, sine], axis=1), 22050, subtype="FLOAT"), 8000)
    assert recording.remarks == ("mixed_to_mono", "resampled")
    assert recording.sampling_rate == 8000
    assert recording.waveform.dtype == np.float32
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    np.testing.assert_allclose(recording.waveform[500:-500], expected[500:-500], rtol=0, atol=1e-3)


def test_decode_keeps_channels_and_rate(tmp_path):
    channels = np.stack([SINE, noise(4000)], axis=1)
    samples, rate, remarks = audio.decode(wav(tmp_path, channels, 11025, subtype="FLOAT"))
    assert (rate, remarks) == (11025, ())
    np.testing.assert_array_equal(samples, channels)


def with_length(content, length):
    return content[:40] + struct.pack("<I", length) + content[44:]


def with_chunk(content, body):
    return content[:36] + b"LIST" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) + content[36:]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: with_chunk(content, b"odd"),
        lambda content: with_chunk(content, b"even"),
        lambda content: content + b"LIST" + struct.pack("<I", 4) + b"text",
        lambda content: content + b"LIST" + struct.pack("<I", 400) + b"text",  # truncated, but not in the samples
    ],
    ids=["odd chunk", "even chunk", "trailing chunk", "truncated trailing chunk"],
)
def test_unusual_wavs_that_hold_all_their_samples_are_read(tmp_path, change):
    path = wav(tmp_path)
    expected = audio.read(path, 8000).waveform
    path.write_bytes(change(path.read_bytes()))
    recording = audio.read(path, 8000)
    np.testing.assert_array_equal(recording.waveform, expected)
    assert recording.remarks == ()


@pytest.mark.parametrize(
    "whole", [lambda length: length + 36, lambda length: 0, lambda length: 8036, lambda length: 0xFFFFFFFF]
)
@pytest.mark.parametrize("length", [0, 0x7FFF0000, 0x7FFFF000, 0x7FFFFFFF, 0xFFFF1000, 0xFFFFFFFF - 36, 0xFFFFFFFF])
@pytest.mark.parametrize("chunk", [b"", b"odd"])
def test_a_header_written_before_the_length_was_known_is_mended_and_it_is_said(tmp_path, length, whole, chunk):
    path = wav(tmp_path)
    expected = audio.read(path, 8000).waveform
    content = with_length(path.read_bytes(), length)
    content = content[:4] + struct.pack("<I", whole(length) & 0xFFFFFFFF) + content[8:]
    path.write_bytes(with_chunk(content, chunk) if chunk else content)
    recording = audio.read(path, 8000)
    np.testing.assert_array_equal(recording.waveform, expected)
    assert recording.remarks == ("length_unknown",)


def test_a_length_of_0_is_mended_though_the_samples_look_like_a_chunk(tmp_path):
    path = wav(tmp_path)
    content = with_length(path.read_bytes(), 0)
    for name, length in ((b"text", 99), (b"text", 7987), (b"text", 9000), (b"\0\0\0\0", 7992)):
        path.write_bytes(content[:44] + name + struct.pack("<I", length) + content[52:])
        assert len(audio.read(path, 8000).waveform) == 4000



@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"", "received 0 bytes that do not start as one"),
        (lambda content: b"hello, world", "received 12 bytes that do not start as one"),
        (lambda content: b"RIFF\0\0\0\0WAVE" + noise(100).tobytes(), "Expected a wav file"),
        (lambda content: content[:30], "Expected a wav file"),
        (lambda content: content[:24] + bytes(4) + content[28:], "Expected a wav file"),  # 0 Hz
        (lambda content: content[:-1], "Expected 8,000 bytes of samples .* received 7,999: .* truncated"),
        (lambda content: content[:44], "Expected 8,000 bytes of samples .* received 0: .* truncated"),
        (lambda content: with_chunk(content, b"odd")[:-10], "received 7,990: .* truncated"),
        (lambda content: with_length(content, 0x7FFEFFFF), "Expected 2,147,418,111 bytes of samples .* truncated"),
        (lambda content: with_length(content[:44], 0), "without any"),
        (lambda content: with_length(content[:44], 0) + b"LIST" + struct.pack("<I", 4) + b"text", "without any"),
        (lambda content: with_length(content[:44], 0) + b"LIST" + struct.pack("<I", 3) + b"odd\0", "without any"),
        (lambda content: with_length(content[:44], 0xFFFFFFFF), "without any"),
    ],
    ids=[
        "empty",
        "text",
        "noise",
        "cut header",
        "0 Hz",
        "cut",
        "header alone",
        "cut after a chunk",
        "cut though long",
        "none",
        "none but a chunk",
        "none but an odd chunk",
        "none in a pipe",
    ],
)
def test_what_is_no_whole_wav_is_refused_by_name(tmp_path, change, message):
    path = wav(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message) as refused:
        audio.read(path, 8000)
    assert str(path) in str(refused.value)
    assert_french(refused, path)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(300), "silence .300 samples that all equal 0"),
        (np.full(300, 0.25), "silence .300 samples that all equal 0.25"),
        (np.full((300, 2), [0.25, -0.25]), "silence .300 samples that all equal 0"),
        (np.append(SINE, np.nan), "finite samples"),
        (np.append(SINE, -np.inf), "finite samples"),
        (np.full((300, 2), [np.inf, -np.inf]), "finite samples"),
        (2**15 * SINE, "from -1 to 1 .* 10 at the most, received 16,3[0-9][0-9].* 32,768 for 16 bits"),
        (np.append(SINE, -10.01), "received 10.01"),
        (np.outer(SINE, [6e38, 6e38]), "received 3"),
    ],
    ids=["zeros", "constant", "constants", "NaN", "infinity", "opposite infinities", "16 bits", "beyond", "enormous"],
)
@pytest.mark.parametrize("rate", [8000, 11025])
def test_samples_that_are_no_sound_are_refused_by_name(tmp_path, samples, message, rate):
    path = wav(tmp_path, samples, rate, subtype="FLOAT")
    with pytest.raises(DataError, match=message) as refused:
        audio.read(path, 8000)
    assert str(path) in str(refused.value)
    assert_french(refused, path)


def test_samples_beyond_full_scale_are_kept(tmp_path):
    recording = audio.read(wav(tmp_path, 19 * SINE, subtype="FLOAT"), 8000)
    assert recording.remarks == ()
    np.testing.assert_allclose(recording.waveform, 19 * SINE)


def test_what_resampling_leaves_is_refused_by_name(tmp_path):
    path = wav(tmp_path, 1e-45 * np.sin(np.arange(4000) / 5), 44100, subtype="FLOAT")
    with pytest.raises(DataError, match="silence") as refused:
        audio.read(path, 8000)
    assert str(path) in str(refused.value)
    assert_french(refused, path)


@pytest.mark.parametrize(("n", "rate"), [(199, 8000), (2, 44100), (1102, 44100), (50, 768_000)])
def test_a_recording_too_short_for_a_word_is_refused_by_name(tmp_path, n, rate):
    path = wav(tmp_path, noise(n), rate)
    with pytest.raises(DataError, match=f"at least 0.025 s .* received {n:,} samples at {rate:,} Hz") as refused:
        audio.read(path, 8000)
    assert str(path) in str(refused.value)
    assert_french(refused, path, "Au moins 0,025 s", f"{n:,} échantillons à {rate:,} Hz".replace(",", " "))


@pytest.mark.parametrize("rate", [1, 3999, 768_001, 2**31 - 1])
def test_a_rate_at_which_no_speech_is_recorded_is_refused_by_name(tmp_path, rate):
    path = wav(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:24] + struct.pack("<I", rate) + content[28:])
    with pytest.raises(DataError, match=f"at 4,000 to 768,000 Hz .* a header that says {rate:,} Hz") as refused:
        audio.read(path, 8000)
    assert_french(refused, path, "de 4 000 à 768 000 Hz", f"dit {rate:,} Hz".replace(",", " "))


@pytest.mark.parametrize("rate", [4000, 768_000])
def test_the_slowest_and_the_fastest_rate_are_read(tmp_path, rate):
    assert len(audio.read(wav(tmp_path, noise(rate // 10), rate), 8000).waveform) == 800


@pytest.mark.parametrize(("n", "rate"), [(200, 8000), (1103, 44100)])
def test_the_shortest_recording_fills_a_frame(tmp_path, n, rate):
    assert len(audio.read(wav(tmp_path, noise(n), rate), 8000).waveform) in (200, 201)


def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"none\.wav, received: No such file") as refused:
        audio.read(tmp_path / "none.wav", 8000)
    assert_french(refused, tmp_path / "none.wav")
    with pytest.raises(DataError, match="received: "):
        audio.read(tmp_path, 8000)


# --- the transform ---


def mel(frequency):
    return 2595 * math.log10(1 + frequency / 700)


def filters_by_hand(setting):
    top = setting.sampling_rate / 2 if setting.f_max is None else setting.f_max
    low, high = mel(setting.f_min), mel(top)
    edges = [
        700 * (10 ** ((low + (high - low) * i / (setting.n_mels + 1)) / 2595) - 1) for i in range(setting.n_mels + 2)
    ]
    filters = np.zeros((setting.n_mels, setting.n_fft // 2 + 1))
    for i in range(setting.n_mels):
        for k in range(setting.n_fft // 2 + 1):
            f = k * setting.sampling_rate / setting.n_fft
            rise = (f - edges[i]) / (edges[i + 1] - edges[i])
            fall = (edges[i + 2] - f) / (edges[i + 2] - edges[i + 1])
            filters[i, k] = max(0.0, min(rise, fall))
    return filters, np.array(edges[1:-1])


def power_by_hand(waveform, setting):
    n, n_fft = len(waveform), setting.n_fft
    win_length = setting.win_length or n_fft
    hann = np.zeros(n_fft)
    for j in range(win_length):
        hann[(n_fft - win_length) // 2 + j] = 0.5 - 0.5 * math.cos(2 * math.pi * j / win_length)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) / n_fft)
    frames = []
    for t in range(1 + n // setting.hop_length):
        frame = np.zeros(n_fft)
        for j in range(n_fft):
            at = abs(t * setting.hop_length - n_fft // 2 + j)
            at = at if at < n else 2 * (n - 1) - at
            frame[j] = hann[j] * float(waveform[at])
        frames.append(np.abs(turns @ frame) ** 2)
    return filters_by_hand(setting)[0] @ np.stack(frames, axis=1)


SETTINGS = [
    SMALL,
    MelSettings(sampling_rate=8000),
    MelSettings(sampling_rate=8000, n_fft=64, win_length=50, hop_length=20, n_mels=8, f_min=60.0),
    MelSettings(sampling_rate=11025, n_fft=64, hop_length=100, n_mels=10, f_min=200.0, f_max=4000.0),
]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("n", [201, 612, 1000])
def test_mel_spectrogram_is_the_transform_by_hand(setting, n):
    found = audio.mel_spectrogram(noise(n), setting)
    assert found.shape == (setting.n_mels, 1 + n // setting.hop_length)
    np.testing.assert_allclose(found, power_by_hand(noise(n), setting), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("setting", [*SETTINGS, MelSettings()])
def test_filters_and_their_frequencies(setting):
    filters, centres = filters_by_hand(setting)
    np.testing.assert_allclose(audio.mel_filters(setting), filters, rtol=0, atol=1e-12)
    np.testing.assert_allclose(audio.mel_frequencies(setting), centres, rtol=1e-12)


def test_four_filters_are_empty_with_the_defaults_of_torchaudio():
    empty = np.flatnonzero(audio.mel_filters(MelSettings()).max(axis=1) == 0)
    np.testing.assert_array_equal(empty, [0, 3, 6, 13])
    decibels = audio.decibels(audio.mel_spectrogram(noise(1000), MelSettings()))
    assert (decibels[empty] == -100).all()
    assert (np.delete(decibels, empty, axis=0) > -60).all()


def test_a_waveform_too_short_to_reflect_is_padded_with_zeros():
    for n in (0, 1, 5, 16):
        padded = np.pad(noise(n), (0, 17 - n))
        np.testing.assert_array_equal(audio.mel_spectrogram(noise(n), SMALL), audio.mel_spectrogram(padded, SMALL))


@settings(deadline=None, max_examples=50)
@given(frequency=st.floats(100, 3600), phase=st.floats(0, 6.28))
def test_a_sine_is_strongest_in_the_filter_whose_centre_is_nearest(frequency, phase):
    setting = MelSettings(sampling_rate=8000, n_fft=512, hop_length=256, n_mels=20)
    distances = np.abs(audio.mel_frequencies(setting) - frequency)
    nearest, second = np.sort(distances)[:2]
    assume(second - nearest > 0.1 * (second + nearest))  # half way between two centres it may be either
    power = audio.mel_spectrogram(np.sin(2 * np.pi * frequency * np.arange(2048) / 8000 + phase), setting)
    assert power[:, 4].argmax() == distances.argmin()


def test_believing_twice_the_sampling_rate_doubles_all_frequencies():
    sine = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    for believed, heard in ((8000, 1000), (16000, 2000)):
        setting = MelSettings(sampling_rate=believed, n_mels=40)
        strongest = audio.mel_spectrogram(sine, setting)[:, 20].argmax()
        assert abs(audio.mel_frequencies(setting)[strongest] - heard) < 0.05 * heard


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), loudness=st.floats(1e-6, 1))
def test_twice_the_amplitude_is_six_decibels_more_above_silence(seed, loudness):
    waveform = loudness * noise(300, seed)
    once, twice = (audio.decibels(audio.mel_spectrogram(factor * waveform, SMALL)) for factor in (1, 2))
    heard = once > -100
    np.testing.assert_allclose(twice[heard], once[heard] + 6.0206, rtol=0, atol=1e-4)
    assert (twice[~heard] <= -100 + 6.0206).all()


def test_decibels():
    np.testing.assert_allclose(audio.decibels(np.array([0, 1e-12, 1e-10, 0.1, 1, 100])), [-100, -100, -100, -10, 0, 20])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampling_rate": 0}, "sampling_rate to be a whole number of at least 1, received 0"),
        ({"n_fft": 400.0}, r"n_fft to be a whole number of at least 1, received 400\.0"),
        ({"n_fft": 401}, "n_fft to be even, received 401"),
        ({"win_length": 0}, "win_length from 1 to n_fft = 400, received 0"),
        ({"win_length": 401}, "received 401"),
        ({"hop_length": -1}, "hop_length to be a whole number"),
        ({"n_mels": 0}, "n_mels to be a whole number"),
        ({"f_min": -1.0}, "0 <= f_min < f_max <= 8000 Hz"),
        ({"f_min": 8000.0}, "received f_min = 8000.0 and f_max = None"),
        ({"f_min": math.nan}, "received f_min = nan"),
        ({"f_max": 8001.0}, "f_max = 8001.0"),
        ({"sampling_rate": 8000, "f_max": 8000.0}, "<= 4000 Hz"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(SettingError, match=message) as refused:
        MelSettings(**change)
    assert_french(refused, "attendu")


# --- many recordings ---


def whole_window(waveform, setting, window):
    """Pad first, then transform the whole window."""
    padded = np.pad(waveform[:window], (0, max(window - len(waveform), 0)))
    return audio.decibels(audio.mel_spectrogram(padded, setting))[..., None]


@settings(deadline=None, max_examples=100)
@given(
    lengths=st.lists(st.integers(0, 400), max_size=4),
    window=st.integers(40, 300),
    n_fft=st.integers(1, 20),
    hop_length=st.integers(1, 60),
)
def test_spectrograms_are_those_of_the_padded_waveforms(lengths, window, n_fft, hop_length):
    setting = MelSettings(sampling_rate=8000, n_fft=2 * n_fft, hop_length=hop_length, n_mels=5)
    waveforms = [noise(n, n) for n in lengths]
    found = audio.spectrograms(waveforms, setting, window)
    assert found.dtype == np.float32
    assert found.shape == (len(lengths), 5, 1 + window // hop_length, 1)
    for image, waveform in zip(found, waveforms, strict=True):
        np.testing.assert_allclose(image, whole_window(waveform, setting, window), rtol=0, atol=1e-4)


def test_more_spectrograms_than_a_batch_stay_in_order():
    waveforms = [noise(20 + i, i) for i in range(2 * audio._BATCH + 7)]
    found = audio.spectrograms(waveforms, SMALL, 400)
    for image, waveform in zip(found, waveforms, strict=True):
        np.testing.assert_allclose(image, whole_window(waveform, SMALL, 400), rtol=0, atol=1e-4)


def test_the_waveforms_are_untouched():
    waveform = noise(500)
    audio.spectrograms([waveform], SMALL, 300)
    np.testing.assert_array_equal(waveform, noise(500))


def test_a_window_too_short_to_reflect_is_refused():
    with pytest.raises(SettingError, match=r"at least 17 samples, .* received 16") as refused:
        audio.spectrograms([SINE], SMALL, 16)
    assert_french(refused, "au moins 17 échantillons", "16 reçu")


# --- the cache ---

WAVEFORMS = [noise(100, 1), noise(250, 2)]


@pytest.fixture
def computed(monkeypatch):
    """Count how often spectrograms are computed."""
    calls = []
    filters = audio.mel_filters
    monkeypatch.setattr(audio, "mel_filters", lambda setting: calls.append(setting) or filters(setting))
    return calls


@pytest.fixture
def kept(tmp_path, computed):
    """Give the file that a first call leaves, and the numbers of that call."""
    expected = audio.spectrograms(WAVEFORMS, SMALL, 400, tmp_path)
    assert len(computed) == 1
    computed.clear()
    (path,) = tmp_path.iterdir()
    return path, expected


def test_a_second_call_reads_what_the_first_computed(kept, computed):
    path, expected = kept
    found = audio.spectrograms(WAVEFORMS, SMALL, 400, path.parent)
    assert computed == []
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, audio.spectrograms(WAVEFORMS, SMALL, 400))
    found[:] = 0  # the caller's own


@pytest.mark.parametrize(
    ("waveforms", "setting", "window"),
    [
        (WAVEFORMS, dataclasses.replace(SMALL, sampling_rate=16000), 400),
        (WAVEFORMS, dataclasses.replace(SMALL, f_min=10.0), 400),
        (WAVEFORMS, SMALL, 401),
        (WAVEFORMS[::-1], SMALL, 400),
        ([WAVEFORMS[0], np.nextafter(WAVEFORMS[1], 1)], SMALL, 400),
        ([np.concatenate(WAVEFORMS)[:99], np.concatenate(WAVEFORMS)[99:]], SMALL, 400),
    ],
    ids=["rate", "f_min", "window", "order", "one bit of each sample", "one sample on the other side"],
)
def test_what_changes_the_spectrograms_is_computed_again(kept, computed, waveforms, setting, window):
    found = audio.spectrograms(waveforms, setting, window, kept[0].parent)
    assert len(computed) == 1
    np.testing.assert_array_equal(found, audio.spectrograms(waveforms, setting, window))


@pytest.mark.parametrize(("module", "name"), [(packages, "version"), (inspect, "getsource")])
def test_other_versions_and_other_code_compute_again(kept, computed, monkeypatch, module, name):
    monkeypatch.setattr(module, name, lambda asked: "another")
    audio.spectrograms(WAVEFORMS, SMALL, 400, kept[0].parent)
    assert len(computed) == 1


def other_numbers(path):
    """Make the file of other waveforms of the same lengths."""
    audio.spectrograms([-waveform for waveform in WAVEFORMS], SMALL, 400, path.parent)
    (other,) = set(path.parent.iterdir()) - {path}
    return other.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: b"",
        lambda path: path.read_bytes()[:20],
        lambda path: path.read_bytes()[:-4],
        lambda path: path.read_bytes() + bytes(4),
        lambda path: bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:],
        lambda path: path.read_bytes()[:500] + bytes([path.read_bytes()[500] ^ 128]) + path.read_bytes()[501:],
        lambda path: b"PK\x03\x04 not ours",
        other_numbers,
    ],
    ids=["empty", "cut hash", "truncated", "longer", "bit of the hash", "bit of a number", "foreign", "another's"],
)
def test_a_damaged_or_foreign_file_is_computed_again_and_replaced(kept, computed, damage):
    path, expected = kept
    path.write_bytes(damage(path))
    computed.clear()
    np.testing.assert_array_equal(audio.spectrograms(WAVEFORMS, SMALL, 400, path.parent), expected)
    assert len(computed) == 1
    np.testing.assert_array_equal(audio.spectrograms(WAVEFORMS, SMALL, 400, path.parent), expected)
    assert len(computed) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Expected to write"):
        audio.spectrograms(WAVEFORMS, SMALL, 400, tmp_path / "file")


# --- without the packages ---


def python(program):
    root = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True).stdout


def test_neither_the_import_nor_the_use_brings_in_a_framework():
    loaded = "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'librosa', 'soundfile'} & set(sys.modules)))\n"
    use = "audio.spectrograms([numpy.ones(500)], audio.MelSettings(), 600)\n"
    found = python(f"import sys, numpy\nfrom mi204 import audio\n{loaded}{use}{loaded}").splitlines()
    assert found == ["[]", "['librosa', 'soundfile']"]


@pytest.mark.parametrize(
    ("package", "use"),
    [("librosa", "audio.mel_filters(audio.MelSettings())"), ("soundfile", "audio.read('sound.wav', 8000)")],
)
def test_the_first_use_without_a_package_names_the_extra(package, use):
    found = python(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name == {package!r} else find(name, *rest)\n"
        "from mi204 import audio, errors\n"
        f"try: {use}\n"
        "except errors.SettingError as error: print(error)"
    )
    assert f"Expected {package} to be installed" in found
    assert 'pip install -e ".[audio]"' in found


# --- real recordings ---


@pytest.mark.data
@pytest.mark.skipif(paths.mirror() is None, reason="MI204_MIRROR is not set")
def test_the_real_recordings_need_no_remark():
    files = sorted(Path(paths.mirror(), "free-spoken-digit-dataset", "recordings").glob("*.wav"))
    assert len(files) == 3000
    recordings = [audio.read(path, 8000) for path in files[::50]]
    assert all(recording.remarks == () for recording in recordings)
    images = audio.spectrograms([recording.waveform for recording in recordings], MelSettings(), 48000)
    for image, recording in zip(images[::10], recordings[::10], strict=True):
        np.testing.assert_allclose(image, whole_window(recording.waveform, MelSettings(), 48000), rtol=0, atol=1e-4)


# --- words ---


def sound(n: int, hertz: float, rate: int = 8000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(n) / rate)).astype(np.float32)


WORD_SETTINGS = MelSettings(sampling_rate=8000, n_fft=256, hop_length=80, n_mels=20)


def test_words_have_one_length_and_no_silence_around():
    """The same sound with more silence before and after gives the same image; a longer one has the same size."""
    word = np.concatenate([sound(1600, 500), sound(1600, 2000)])
    images = audio.word_images(
        [np.pad(word, (800, 800)), np.pad(word, (4000, 1600)), np.pad(np.concatenate([word, word]), 800)],
        WORD_SETTINGS, 30,
    )
    assert images.shape == (3, 20, 30, 1)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[0], images[1], atol=1e-3)
    assert images.max(axis=(1, 2, 3)) == pytest.approx([0, 0, 0], abs=1)  # a frame may lie between two
    assert images.min() >= audio.SILENCE
    low, high = (np.abs(audio.mel_frequencies(WORD_SETTINGS) - hertz).argmin() for hertz in (500, 2000))
    first, second = images[0, :, :12, 0].mean(axis=1), images[0, :, 18:, 0].mean(axis=1)
    assert first.argmax() == low
    assert second.argmax() == high


@pytest.mark.parametrize(("loudness", "kept"), [(10**-1.5, True), (10**-2.5, False)])
def test_a_word_goes_on_until_40_decibels_under_its_loudest(loudness, kept):
    """Its end, 30 dB fainter, belongs to it; 50 dB fainter, no longer."""
    word = np.concatenate([sound(1600, 500), loudness * sound(1600, 2000)])
    (image,) = audio.word_images([word], WORD_SETTINGS, 30)
    low, high = (np.abs(audio.mel_frequencies(WORD_SETTINGS) - hertz).argmin() for hertz in (500, 2000))
    assert (image[high, 20:, 0] > -35).all() == kept
    assert (image[low, 20:, 0] > -35).all() != kept
    assert image.min() == -60  # what is fainter counts as silence


@pytest.mark.parametrize("n_frames", [7, 50, 120])
def test_a_word_is_the_mean_power_under_each_filter_stretched_by_linear_interpolation(n_frames):
    waveform = noise(4000)  # 51 frames, none of them silent
    sums = audio.mel_filters(WORD_SETTINGS).sum(axis=1, keepdims=True)
    word = audio.decibels(audio.mel_spectrogram(waveform, WORD_SETTINGS) / sums)
    word = np.maximum(word - word.max(), -60)
    expected = [np.interp(np.linspace(0, 50, n_frames), np.arange(51), band) for band in word]
    (image,) = audio.word_images([waveform], WORD_SETTINGS, n_frames)
    np.testing.assert_allclose(image[..., 0], expected, rtol=0, atol=1e-4)


def test_words_are_as_loud_whatever_the_recording():
    word = np.pad(sound(2400, 700), 800)
    images = audio.word_images([word, word / 100], WORD_SETTINGS, 16)
    np.testing.assert_allclose(images[0], images[1], atol=1e-3)


def test_many_words_are_as_each_alone():
    words = [np.pad(sound(1600 + 8 * i, 300 + 20 * i), 400) for i in range(103)]  # more than are filtered together
    together = audio.word_images(words, WORD_SETTINGS, 8)
    for i in (0, 99, 100, 102):
        np.testing.assert_allclose(together[i], audio.word_images([words[i]], WORD_SETTINGS, 8)[0], atol=1e-3)
