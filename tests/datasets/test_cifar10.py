import hashlib
import io
import os
import pickle
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mi204.datasets import cifar10, samples
from mi204.datasets._fetch import RemoteFile
from mi204.errors import DataError, SettingError, StorageError

NOWHERE = "http://127.0.0.1:9"
FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")


def batch(seed: int, count: int = 4) -> dict[bytes, object]:
    generator = np.random.default_rng(seed)
    return {
        b"data": generator.integers(0, 256, (count, 3072), dtype=np.uint8),
        b"labels": generator.integers(0, 10, count).tolist(),
    }


def pickled(content: object) -> bytes:
    """Pickle as numpy before version 2 did: the official files name its modules so."""
    return pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")


def official() -> dict[str, bytes]:
    return {name: pickled(batch(seed)) for seed, name in enumerate(FILES)}


UNREACHABLE = replace(cifar10.OFFICIAL, url=f"{NOWHERE}/cifar-10-python.tar.gz")


@pytest.fixture
def place(cache, monkeypatch):
    """Give a function that puts files in the cache as if they were the official ones; until then, there are none."""
    monkeypatch.setattr(cifar10, "OFFICIAL", UNREACHABLE)
    return lambda files: monkeypatch.setattr(cifar10, "OFFICIAL", put(files, cache))


def put(files: dict[str, bytes], cache: Path) -> RemoteFile:
    """Put an archive with these files in the cache and describe it as if it were the official one."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    cache.mkdir()
    (cache / "cifar-10-python.tar.gz").write_bytes(stream.getvalue())
    return replace(
        UNREACHABLE,
        sha256=hashlib.sha256(stream.getvalue()).hexdigest(),
        md5s={name: hashlib.md5(content).hexdigest() for name, content in files.items()},
    )


@pytest.mark.parametrize("data", ["real", "auto"])
def test_images_are_read_in_order_with_their_channels_last_and_whole(data, place):
    place(official())
    dataset = cifar10.load(data, n_train=3, n_test=2)
    assert (dataset.name, dataset.source, dataset.notice) == ("CIFAR-10", "real", None)
    assert dataset.x_train.shape == (20, 32, 32, 3)
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.uint8
    assert dataset.x_train.flags.c_contiguous
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int64
    second = batch(1)
    assert dataset.y_train[4:8].tolist() == second[b"labels"]
    image = second[b"data"][1]
    for row, column, channel in [(0, 0, 0), (3, 5, 1), (31, 30, 2)]:
        assert dataset.x_train[5, row, column, channel] == image[channel * 1024 + row * 32 + column]
    assert dataset.y_test.tolist() == batch(5)[b"labels"]
    assert dataset.x_test.shape == (4, 32, 32, 3)
    assert dataset.masks_train is dataset.masks_test is None


def test_files_written_by_numpy_2_are_read(place):
    files = {name: pickle.dumps(batch(seed), protocol=3) for seed, name in enumerate(FILES)}
    assert b"numpy._core" in files["test_batch"]
    place(files)
    assert cifar10.load("real").y_test.tolist() == batch(5)[b"labels"]


class Creates:
    """Unpickled without restriction, creates a file."""

    def __init__(self, path: Path, function=open):
        self.path, self.function = path, function

    def __reduce__(self):
        return self.function, (str(self.path), "w") if self.function is open else (f"touch {self.path}",)


@pytest.mark.parametrize(("function", "named"), [(open, "io.open"), (os.system, f"{os.name}.system")])
@pytest.mark.parametrize("data", ["real", "auto"])
def test_pickle_that_runs_code_is_refused_and_runs_nothing(function, named, data, place, tmp_path):
    evil = pickled(batch(0) | {b"filenames": Creates(tmp_path / "created", function)})
    opened = pickle.loads(evil, encoding="bytes")[b"filenames"]
    if function is open:
        opened.close()
    assert (tmp_path / "created").exists(), "the trap works"
    (tmp_path / "created").unlink()

    place(official() | {"data_batch_3": evil})
    with pytest.raises(DataError, match=rf"data_batch_3, received: a call to {named}") as caught:
        cifar10.load(data)
    assert f"reçu : a call to {named}" in caught.value.written("fr")
    assert not (tmp_path / "created").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickled(batch(0))[:-100],
        pickled([1, 2, 3]),
        pickled({}),
        pickled(batch(0) | {b"data": np.zeros((4, 3072), dtype=np.float32)}),
        pickled(batch(0) | {b"data": np.zeros((4, 3071), dtype=np.uint8)}),
        pickled(batch(0) | {b"data": np.zeros((4, 32, 32, 3), dtype=np.uint8)}),
        pickled(batch(0) | {b"data": [0] * 3072}),
        pickled(batch(0) | {b"labels": [0, 1, 2]}),
        pickled(batch(0) | {b"labels": [0, 1, 2, 10]}),
        pickled(batch(0) | {b"labels": [0, 1, 2, -1]}),
        pickled(batch(0) | {b"labels": [0, 1, 2, 3.0]}),
        pickled(batch(0) | {b"labels": None}),
    ],
)
def test_wrong_content_is_told_even_when_the_checksum_is_right(content, place):
    place(official() | {"test_batch": content})
    with pytest.raises(DataError, match=r"Expected .*test_batch.* received") as caught:
        cifar10.load("auto")
    assert re.search(r"Attendu dans .*test_batch : .* ; reçu : .* Supprimer ce fichier", caught.value.written("fr"))


@pytest.mark.usefixtures("place")
def test_real_fails_with_the_places_tried_and_what_to_do(cache):
    with pytest.raises(DataError) as caught:
        cifar10.load("real")
    for part in (str(cache), "keras", UNREACHABLE.url, "6d958be0", "copy cifar-10-python.tar.gz", "MI204_MIRROR"):
        assert part in str(caught.value)


@pytest.mark.usefixtures("place")
def test_only_real_waits_again_for_a_server_that_was_silent(cache):
    cache.mkdir()
    (cache / ".no-answer-127.0.0.1_9").touch()
    assert "waited for in vain" in cifar10.load("auto", n_train=10, n_test=10).notice.written("en")
    with pytest.raises(DataError, match="cannot be downloaded"):
        cifar10.load("real")


@pytest.mark.parametrize("name", ["cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"])
def test_archive_is_found_as_keras_names_it(name, place, cache, tmp_path):
    place(official())
    archive = tmp_path / "keras/datasets" / name
    archive.parent.mkdir(parents=True)
    (cache / "cifar-10-python.tar.gz").rename(archive)
    assert cifar10.load("real").y_test.tolist() == batch(5)[b"labels"]


@pytest.mark.parametrize("within", ["cifar-10-batches-py-target", "cifar-10-python"])
def test_folder_is_found_where_programs_extract_it(within, place, cache):
    place(official())
    cifar10.load("real")
    (cache / "cifar-10-python.tar.gz").unlink()
    (cache / within).mkdir()
    (cache / "cifar-10-batches-py").rename(cache / within / "cifar-10-batches-py")
    assert cifar10.load("real").y_test.tolist() == batch(5)[b"labels"]


def test_unknown_choice_is_refused():
    with pytest.raises(SettingError, match=r"auto, real, sample, received 'fake'") as caught:
        cifar10.load("fake")
    assert "auto, real, sample ; reçu : 'fake'" in caught.value.written("fr")


@pytest.mark.usefixtures("place")
def test_sample_is_given_when_asked_for(cache):
    dataset = cifar10.load("sample", n_train=30, n_test=20)
    assert (dataset.name, dataset.source, dataset.notice) == ("CIFAR-10", "sample", None)
    assert dataset.classes == cifar10.CLASSES
    train, test = samples.scenes(samples.TRAINING, 30), samples.scenes(samples.TEST, 20)
    for given, drawn in (
        ((dataset.x_train, dataset.y_train, dataset.masks_train), train),
        ((dataset.x_test, dataset.y_test, dataset.masks_test), test),
    ):
        for array, expected in zip(given, drawn, strict=True):
            np.testing.assert_array_equal(array, expected)
    assert not cache.exists()


def test_sample_is_as_large_as_the_real_data_unless_told_otherwise(monkeypatch):
    asked, draw = [], samples.scenes
    monkeypatch.setattr(samples, "scenes", lambda subset, n: asked.append((subset, n)) or draw(subset, 1))
    cifar10.load("sample")
    assert asked == [(samples.TRAINING, 50_000), (samples.TEST, 10_000)]


@pytest.mark.usefixtures("place")
def test_auto_falls_back_to_the_sample_and_says_why_as_real_does():
    dataset = cifar10.load("auto", n_train=30, n_test=20)
    assert (dataset.source, len(dataset.x_train), len(dataset.x_test)) == ("sample", 30, 20)
    with pytest.raises(DataError) as caught:
        cifar10.load("real")
    for language in ("en", "fr"):
        assert dataset.notice.written(language) == caught.value.written(language)


def test_auto_names_the_damaged_file_in_its_notice_once(place, cache, caplog):
    place(official())
    cifar10.load("real")
    damaged = cache / "cifar-10-batches-py" / "data_batch_2"
    damaged.write_bytes(b"")
    (cache / "cifar-10-python.tar.gz").unlink()
    dataset = cifar10.load("auto", n_train=10, n_test=10)
    assert dataset.source == "sample"
    assert f"{damaged.parent}: data_batch_2: expected MD5" in dataset.notice.written("en")
    assert f"{damaged.parent} : data_batch_2 : MD5" in dataset.notice.written("fr")
    assert not caplog.text


@pytest.mark.usefixtures("place")
def test_auto_does_not_hide_a_cache_that_cannot_be_written(cache):
    cache.write_bytes(b"")
    with pytest.raises(StorageError, match="MI204_DATASETS_CACHE"):
        cifar10.load("auto")


@pytest.mark.data
@pytest.mark.skipif("MI204_MIRROR" not in os.environ, reason="needs the real data in $MI204_MIRROR")
def test_real_data_has_its_published_shapes_counts_and_first_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(cifar10, "OFFICIAL", UNREACHABLE)
    dataset = cifar10.load("real")
    assert dataset.source == "real"
    assert dataset.x_train.shape == (50000, 32, 32, 3)
    assert dataset.x_test.shape == (10000, 32, 32, 3)
    assert np.bincount(dataset.y_train).tolist() == [5000] * 10
    assert np.bincount(dataset.y_test).tolist() == [1000] * 10
    assert dataset.classes[dataset.y_train[0]] == "frog"
    assert dataset.classes[dataset.y_test[0]] == "cat"
    # The published mean colour of the training images.
    np.testing.assert_allclose(dataset.x_train.mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)
