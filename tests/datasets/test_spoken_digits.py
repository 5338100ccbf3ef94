import hashlib
import io
import itertools
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mi204.datasets import AudioDataset, _voices, spoken_digits
from mi204.errors import DataError, SettingError, StorageError

soundfile = pytest.importorskip("soundfile")

NOWHERE = "http://127.0.0.1:9"
FILES = ("9_bea_0.wav", "0_bea_10.wav", "0_bea_2.wav", "0_ada_0.wav", "0_bea_0.wav")


def tone(digit: int, repetition: int, rate: int = 8000, channels: int = 1) -> np.ndarray:
    """Make a sound that tells its digit and its repetition: by its pitch and by its length at 8 kHz."""
    at = np.arange((800 + repetition) * rate // 8000) / rate
    return np.repeat(0.5 * np.sin(2 * np.pi * (200 + 100 * digit) * at)[:, None], channels, axis=1)


def wav(name: str, rate: int = 8000, channels: int = 1) -> bytes:
    digit, _, repetition = name.removesuffix(".wav").split("_")
    stream = io.BytesIO()
    soundfile.write(stream, tone(int(digit), int(repetition), rate, channels), rate, format="WAV")
    return stream.getvalue()


def put(folder: Path, *names: str, content: bytes | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(wav(name) if content is None else content)
    return folder


@pytest.fixture
def few(cache, monkeypatch):
    """Take a few files for the official ones; return their contents."""
    contents = {name: wav(name) for name in FILES}
    lines = (f"{hashlib.sha256(content).hexdigest()}  ./{name}\n" for name, content in sorted(contents.items()))
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    official = replace(spoken_digits.OFFICIAL, url=f"{NOWHERE}/recordings.tar.gz", files_sha256=digest)
    monkeypatch.setattr(spoken_digits, "OFFICIAL", official)
    return contents


ORDER = ("0_ada_0.wav", "0_bea_0.wav", "0_bea_2.wav", "0_bea_10.wav", "9_bea_0.wav")


def check(dataset: AudioDataset) -> None:
    """Check that each recording has the labels of its file, in order."""
    assert dataset.files == ORDER
    assert dataset.labels.tolist() == [0, 0, 0, 0, 9]
    assert dataset.speakers.tolist() == ["ada", "bea", "bea", "bea", "bea"]
    assert dataset.repetitions.tolist() == [0, 0, 2, 10, 0]
    assert dataset.labels.dtype == dataset.repetitions.dtype == np.int64
    assert dataset.classes == tuple("0123456789")
    assert dataset.sampling_rate == 8000
    assert len(dataset.waveforms) == 5
    for waveform, digit, repetition in zip(dataset.waveforms, dataset.labels, dataset.repetitions, strict=True):
        assert waveform.dtype == np.float32
        np.testing.assert_allclose(waveform, tone(digit, repetition)[:, 0], atol=1e-4)


@pytest.mark.parametrize("data", ["real", "auto"])
@pytest.mark.usefixtures("few")
def test_recordings_are_read_by_digit_speaker_and_number(data, cache):
    put(cache / "free-spoken-digit-dataset/recordings", *FILES)
    dataset = spoken_digits.load(data)
    assert (dataset.name, dataset.source, dataset.notice) == ("Free Spoken Digit Dataset", "real", None)
    assert dataset.remarks == {}
    check(dataset)


@pytest.mark.usefixtures("few")
def test_order_does_not_depend_on_the_file_system(cache, monkeypatch):
    put(cache / "free-spoken-digit-dataset/recordings", *FILES)
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *arguments: sorted(glob(*arguments), reverse=True))
    check(spoken_digits.load("real"))


def test_only_the_recordings_of_the_official_archive_are_kept(few, cache):
    top = "free-spoken-digit-dataset-26eb9aaf76e81b692f806f9140c2d2777410d7a1"
    members = {f"{top}/recordings/{name}": content for name, content in few.items()}
    members |= {f"{top}/README.md": b"", f"{top}/utils/trimmer.py": b""}
    cache.mkdir()
    with tarfile.open(cache / "free-spoken-digit-dataset.tar.gz", "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    check(spoken_digits.load("real"))
    assert sorted(path.name for path in (cache / "free-spoken-digit-dataset").rglob("*.*")) == sorted(FILES)


def _swap(folder: Path) -> None:
    (folder / "9_bea_0.wav").rename(folder / "other")
    (folder / "0_ada_0.wav").rename(folder / "9_bea_0.wav")
    (folder / "other").rename(folder / "0_ada_0.wav")


@pytest.mark.parametrize(
    "tamper",
    [
        _swap,
        lambda folder: (folder / "0_ada_0.wav").unlink(),
        lambda folder: put(folder, "1_bea_0.wav"),
        lambda folder: (folder / "1_bea_0.WAV").write_bytes(b""),
        lambda folder: (folder / "0_bea_2.wav").write_bytes(wav("0_bea_3.wav")),
    ],
    ids=["swapped", "missing", "additional", "additional, in capitals", "replaced"],
)
@pytest.mark.usefixtures("few")
def test_tampered_recordings_are_never_used(tamper, cache):
    folder = put(cache / "free-spoken-digit-dataset/recordings", *FILES)
    tamper(folder)
    with pytest.raises(DataError, match=f"recordings: expected SHA256 {spoken_digits.OFFICIAL.files_sha256}"):
        spoken_digits.load("real")
    dataset = spoken_digits.load("auto", n_repetitions=1)
    assert dataset.source == "sample"
    assert f"{folder}: recordings: expected SHA256" in dataset.notice.written("en")
    assert f"{folder} : recordings : SHA256" in dataset.notice.written("fr")


@pytest.mark.usefixtures("few")
def test_real_fails_with_the_places_tried_and_what_to_do(cache):
    with pytest.raises(DataError) as caught:
        spoken_digits.load("real")
    for part in (
        f"{cache}/free-spoken-digit-dataset.tar.gz: not there",
        f"{NOWHERE}/recordings.tar.gz: cannot be downloaded",
        "free-spoken-digit-dataset.tar.gz or its extracted folder free-spoken-digit-dataset/recordings",
        "MI204_MIRROR",
    ):
        assert part in str(caught.value)


@pytest.mark.usefixtures("few")
def test_auto_falls_back_to_the_sample_and_says_why_as_real_does():
    dataset = spoken_digits.load("auto", n_repetitions=2)
    assert (dataset.source, len(dataset.waveforms)) == ("sample", 120)
    with pytest.raises(DataError) as caught:
        spoken_digits.load("real")
    for language in ("en", "fr"):
        assert dataset.notice.written(language) == caught.value.written(language)


@pytest.mark.usefixtures("few")
def test_only_real_waits_again_for_a_server_that_was_silent(cache):
    cache.mkdir()
    (cache / ".no-answer-127.0.0.1_9").touch()
    assert "waited for in vain" in spoken_digits.load("auto", n_repetitions=1).notice.written("en")
    with pytest.raises(DataError, match="cannot be downloaded"):
        spoken_digits.load("real")


@pytest.mark.usefixtures("few")
def test_sample_is_given_when_asked_for(cache):
    dataset = spoken_digits.load("sample", n_repetitions=3)
    assert (dataset.name, dataset.source, dataset.notice) == ("Free Spoken Digit Dataset", "sample", None)
    assert dataset.classes == tuple("0123456789")
    assert dataset.sampling_rate == 8000
    assert dataset.remarks == {}
    spoken = _voices.speak(3)
    for given, expected in zip(dataset.waveforms, spoken.waveforms, strict=True):
        np.testing.assert_array_equal(given, expected)
    assert dataset.labels.tolist() == spoken.labels.tolist()
    assert dataset.speakers.tolist() == spoken.speakers.tolist()
    assert dataset.repetitions.tolist() == spoken.repetitions.tolist()
    parts = zip(spoken.labels, spoken.speakers, spoken.repetitions, strict=True)
    assert dataset.files == tuple(f"{digit}_{name}_{number}.wav" for digit, name, number in parts)
    assert not cache.exists()


def test_sample_is_as_large_as_the_real_data_unless_told_otherwise(monkeypatch):
    asked, speak = [], _voices.speak
    monkeypatch.setattr(_voices, "speak", lambda n: asked.append(n) or speak(1))
    spoken_digits.load("sample")
    assert asked == [50]


@pytest.mark.usefixtures("few")
def test_auto_does_not_hide_a_cache_that_cannot_be_written(cache):
    cache.write_bytes(b"")
    with pytest.raises(StorageError, match="MI204_DATASETS_CACHE"):
        spoken_digits.load("auto")


def test_unknown_choice_is_refused(tmp_path):
    for folder in (None, tmp_path):
        with pytest.raises(SettingError, match=r"auto, real, sample, received 'fake'") as caught:
            spoken_digits.load("fake", folder)
        assert "auto, real, sample ; reçu : 'fake'" in caught.value.written("fr")


@pytest.mark.parametrize("data", ["real", "auto"])
@pytest.mark.parametrize("inside", [".", "recordings"])
def test_own_recordings_are_read_instead(data, inside, cache, tmp_path):
    put(tmp_path / "our voices" / inside, *FILES)
    put(tmp_path / "our voices" / inside, "notes.txt", "0_ada_1.mp3", "._0_ada_0.wav", content=b"of no interest")
    dataset = spoken_digits.load(data, tmp_path / "our voices")
    assert (dataset.name, dataset.source, dataset.notice) == ("our voices", "real", None)
    assert dataset.remarks == {}
    check(dataset)
    assert not cache.exists()


def test_own_recordings_may_lie_in_both_folders(tmp_path):
    put(tmp_path, *FILES[:2])
    put(tmp_path / "recordings", *FILES[2:])
    check(spoken_digits.load("real", tmp_path))


@pytest.mark.parametrize("inside", [".", "recordings"])
def test_own_recordings_may_lie_in_one_folder_per_speaker(inside, tmp_path):
    for name in FILES[:4]:
        put(tmp_path / inside / name.split("_")[1], name)
    put(tmp_path, FILES[4])
    put(tmp_path / inside / "bea", "notes.txt", "._0_bea_1.wav", content=b"of no interest")
    put(tmp_path / inside / ".Trash", "7_cid_0.wav")
    check(spoken_digits.load("real", tmp_path))


def test_a_folder_and_its_files_may_spell_a_speaker_in_two_ways(tmp_path):
    put(tmp_path / "ZOE\u0301", "7_x_0.wav").joinpath("7_x_0.wav").rename(tmp_path / "ZOE\u0301" / "7_zo\u00e9_0.wav")
    assert spoken_digits.load("real", tmp_path).speakers.tolist() == ["zo\u00e9"]


@pytest.mark.parametrize(
    "name", ["ada/7_0.wav", "bea/7_ada_0.wav", "7/7_ada_0.wav", "7/ada_0.wav", "recordings/a/7_0.wav"]
)
def test_other_layouts_are_refused(name, tmp_path):
    put(tmp_path, *FILES)
    put((tmp_path / name).parent, Path(name).name, content=wav("7_ada_0.wav"))
    with pytest.raises(DataError, match=r"in a folder per speaker, ada/7_ada_0\.wav; received") as caught:
        spoken_digits.load("real", tmp_path)
    assert f"received {name}. Rename" in str(caught.value)
    assert f"dans un dossier par locuteur, ada/7_ada_0.wav ; reçu : {name}. Les" in caught.value.written("fr")


def test_folder_without_a_name_takes_that_of_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(put(tmp_path / "voices", *FILES))
    assert spoken_digits.load("real", Path()).name == "voices"


def test_speaker_is_all_between_digit_and_number(tmp_path):
    put(tmp_path, "7_x_0.wav")
    for name in ("7_Anne Marie_3.wav", "7_zoé_k_2_04.WAV"):
        (tmp_path / name).write_bytes(wav("7_x_0.wav"))
    dataset = spoken_digits.load("real", tmp_path)
    assert dataset.speakers.tolist() == ["Anne Marie", "x", "zoé_k_2"]
    assert dataset.repetitions.tolist() == [3, 0, 4]
    assert dataset.files == ("7_Anne Marie_3.wav", "7_x_0.wav", "7_zoé_k_2_04.WAV")


def test_what_was_done_to_own_recordings_is_told(tmp_path):
    pytest.importorskip("librosa")
    put(tmp_path, "1_a_0.wav")
    put(tmp_path, "2_a_0.wav", content=wav("2_a_0.wav", channels=2))
    put(tmp_path, "3_a_0.wav", content=wav("3_a_0.wav", rate=16000, channels=2))
    dataset = spoken_digits.load("real", tmp_path)
    assert dataset.remarks == {"2_a_0.wav": ("mixed_to_mono",), "3_a_0.wav": ("mixed_to_mono", "resampled")}
    assert [len(waveform) for waveform in dataset.waveforms] == [800, 800, 800]


@pytest.mark.parametrize(
    "name",
    ["zero_a_0.wav", "a_0.wav", "0_a.wav", "0__0.wav", "10_a_0.wav", "-1_a_0.wav", "0_a_x.wav", "0_a_-1.wav",
     "0_a_1 (copy).wav", "0-a-1.wav", "٣_a_0.wav", "0_a_٣.wav", "0_a_0.wav.wav",
     "0_a_1234567890.wav", f"0_a_{'9' * 30}.wav"],
)
@pytest.mark.parametrize("data", ["real", "auto"])
def test_misnamed_recordings_are_refused(data, name, tmp_path):
    put(tmp_path, *FILES)
    (tmp_path / name).write_bytes(wav("0_a_0.wav"))
    with pytest.raises(
        DataError, match=r"named digit_speaker_repetition\.wav, such as 7_ada_0\.wav or"
    ) as caught:
        spoken_digits.load(data, tmp_path)
    assert f"received {name}. Rename" in str(caught.value)
    assert f"Attendu dans {tmp_path} : des fichiers wav nommés " in caught.value.written("fr")
    assert f"reçu : {name}. Les renommer" in caught.value.written("fr")


def test_name_that_is_not_utf_8_is_refused(tmp_path):
    put(tmp_path, *FILES)
    try:
        (tmp_path / "7_caf\udce9_0.wav").write_bytes(wav("7_a_0.wav"))
    except (OSError, UnicodeError):
        pytest.skip("names are UTF-8 in this file system")
    with pytest.raises(DataError, match=r"received 7_caf\\udce9_0\.wav\. Rename"):
        spoken_digits.load("real", tmp_path)


def test_of_many_misnamed_recordings_some_are_named(tmp_path):
    put(tmp_path, *(f"take {number}.wav" for number in range(8)), content=b"")
    with pytest.raises(DataError, match=r"received take 0\.wav, .*, take 4\.wav and 3 more\.") as caught:
        spoken_digits.load("auto", tmp_path)
    assert ", take 4.wav et 3 de plus. Les renommer" in caught.value.written("fr")


@pytest.mark.parametrize("twin", ["0_bea_02.wav", "recordings/0_bea_2.wav", "0_bea_002.WAV"])
def test_two_recordings_of_the_same_are_refused(twin, tmp_path):
    put(tmp_path / "recordings")
    put(tmp_path, *FILES)
    (tmp_path / twin).write_bytes(wav("0_bea_2.wav"))
    with pytest.raises(DataError, match="two of the same") as caught:
        spoken_digits.load("auto", tmp_path)
    assert str(tmp_path / twin) in str(caught.value)
    assert str(tmp_path / "0_bea_2.wav") in str(caught.value)
    french = caught.value.written("fr")
    assert "deux pour les mêmes" in french
    assert str(tmp_path / twin) in french
    assert str(tmp_path / "0_bea_2.wav") in french


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada", "ada"), ("Zo\u00e9", "Zoe\u0301"), ("\u00c9va", "e\u0301va"), ("Strauß", "STRAUSS")],
    ids=["capital", "accent", "both", "ß"],
)
@pytest.mark.parametrize("data", ["real", "auto"])
def test_one_voice_under_two_spellings_is_refused(data, one, other, tmp_path):
    """A split by speaker would put it on both sides."""
    first, second = tmp_path / f"3_{one}_0.wav", tmp_path / f"4_{other}_1.wav"
    for file in (first, second):
        file.write_bytes(wav("3_a_0.wav"))
    with pytest.raises(DataError, match="differ by more than capitals or the encoding of their accents") as caught:
        spoken_digits.load(data, tmp_path)
    assert f"received {first} and {second}. Spell both alike" in str(caught.value)
    assert f"reçu : {first} et {second}. Les écrire de la même façon" in caught.value.written("fr")


def test_largest_number_of_a_repetition_is_read(tmp_path):
    put(tmp_path, "7_x_0.wav")
    (tmp_path / "7_x_0.wav").rename(tmp_path / "7_x_999999999.wav")
    assert spoken_digits.load("real", tmp_path).repetitions.tolist() == [999_999_999]


@pytest.mark.parametrize(
    "content",
    [b"", b"not a wav", wav("1_a_0.wav")[:300], wav("1_a_0.wav")[:44], None],
    ids=["empty", "no wav", "truncated", "header alone", "silent"],
)
@pytest.mark.parametrize("data", ["real", "auto"])
def test_unreadable_recording_is_named(data, content, tmp_path):
    put(tmp_path, *FILES)
    if content is None:
        soundfile.write(tmp_path / "1_a_0.wav", np.zeros(800), 8000)
    else:
        (tmp_path / "1_a_0.wav").write_bytes(content)
    with pytest.raises(DataError, match=r"1_a_0\.wav"):
        spoken_digits.load(data, tmp_path)


@pytest.mark.parametrize("data", ["real", "auto"])
def test_folder_without_recordings_is_refused(data, tmp_path):
    put(tmp_path, "notes.txt", content=b"")
    with pytest.raises(DataError, match="received no wav file") as caught:
        spoken_digits.load(data, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert f"Attendu dans {tmp_path} ou son dossier recordings" in caught.value.written("fr")
    assert "reçu : aucun fichier wav" in caught.value.written("fr")
    deeper = put(tmp_path / "deeper/still", "7_ada_0.wav") / "7_ada_0.wav"
    with pytest.raises(DataError, match=f"received wav files that lie deeper, such as {deeper}") as caught:
        spoken_digits.load(data, tmp_path)
    assert f"reçu : des fichiers wav rangés plus loin, tel {deeper}" in caught.value.written("fr")
    for none in (tmp_path / "elsewhere", tmp_path / "notes.txt"):
        with pytest.raises(DataError, match=f"Expected a folder of recordings, received {none}") as caught:
            spoken_digits.load(data, none)
        assert f"un dossier d'enregistrements ; reçu : {none}, qui n'en est pas un" in caught.value.written("fr")


def test_sample_and_own_recordings_contradict_each_other(tmp_path):
    put(tmp_path, *FILES)
    with pytest.raises(SettingError, match='data="sample" or a folder') as caught:
        spoken_digits.load("sample", tmp_path)
    assert f"reçu : les deux (dossier {tmp_path})" in caught.value.written("fr")


@pytest.mark.data
@pytest.mark.skipif("MI204_MIRROR" not in os.environ, reason="needs the real data in $MI204_MIRROR")
def test_real_data_has_its_published_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    official = replace(spoken_digits.OFFICIAL, url=f"{NOWHERE}/recordings.tar.gz")
    monkeypatch.setattr(spoken_digits, "OFFICIAL", official)
    dataset = spoken_digits.load("real")
    assert dataset.source == "real"
    speakers = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
    order = itertools.product(range(10), speakers, range(50))
    assert dataset.files == tuple(f"{digit}_{speaker}_{number}.wav" for digit, speaker, number in order)
    assert np.bincount(dataset.labels).tolist() == [300] * 10
    assert dict(zip(*np.unique(dataset.speakers, return_counts=True), strict=True)) == dict.fromkeys(speakers, 500)
    assert dataset.remarks == {}
    seconds = np.array([len(waveform) for waveform in dataset.waveforms]) / 8000
    assert 0.4 < seconds.mean() < 0.5
