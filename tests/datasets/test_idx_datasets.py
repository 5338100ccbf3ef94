"""The data sets of four idx files: what holds for all of them, and the folder that Fashion-MNIST may be given."""

import gzip
import hashlib
import importlib.util
import os
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mi204.datasets import _idx, fashion_mnist, mnist, samples
from mi204.errors import DataError, SettingError, StorageError

NOWHERE = "http://127.0.0.1:9"
MODULES = {"Fashion-MNIST": fashion_mnist, "MNIST": mnist}
DRAWN = {"Fashion-MNIST": "garments", "MNIST": "digits"}
NAMES = [Path(remote.name).name for remote in mnist.OFFICIAL]


@pytest.fixture(params=MODULES)
def title(request) -> str:
    return request.param


@pytest.fixture
def module(title):
    return MODULES[title]


@pytest.fixture
def folder(title) -> str:
    return title.lower()


def images(count: int) -> np.ndarray:
    """Make images that tell their number, row and column."""
    number, row, column = (axis.astype(np.uint8) for axis in np.ogrid[:count, :28, :28])
    return number + 7 * row + column


def labels(count: int) -> np.ndarray:
    return (np.arange(count) // 3 % 10).astype(np.uint8)


def packed(array: np.ndarray) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), compresslevel=1)


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    arrays = images(60_000), labels(60_000), images(10_000), labels(10_000)
    return {name: packed(array) for name, array in zip(NAMES, arrays, strict=True)}


@pytest.fixture
def place(module, folder, cache, monkeypatch):
    """Give a function that puts files in a folder, the cache's by default, as if they were the official ones."""

    def put(contents: dict[str, bytes], where: Path = cache / folder) -> None:
        where.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (where / name).write_bytes(content)
        described = tuple(
            replace(
                remote,
                url=f"{NOWHERE}/{name}",
                sha256=hashlib.sha256(contents[name]).hexdigest() if name in contents else remote.sha256,
            )
            for remote, name in zip(module.OFFICIAL, NAMES, strict=True)
        )
        monkeypatch.setattr(module, "OFFICIAL", described)

    put({}, cache.parent)
    return put


@pytest.mark.parametrize("data", ["real", "auto"])
def test_images_are_read_in_order_and_whole(data, title, module, contents, place):
    place(contents)
    dataset = module.load(data, n_train=3, n_test=2)
    assert (dataset.name, dataset.source, dataset.notice) == (title, "real", None)
    assert dataset.classes == module.CLASSES
    np.testing.assert_array_equal(dataset.x_train, images(60_000)[..., None])
    np.testing.assert_array_equal(dataset.y_train, labels(60_000))
    np.testing.assert_array_equal(dataset.x_test, images(10_000)[..., None])
    np.testing.assert_array_equal(dataset.y_test, labels(10_000))
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.uint8
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int64
    assert dataset.masks_train is dataset.masks_test is None


@pytest.mark.parametrize("where", ["cache", "keras/datasets", "mirror"])
def test_files_are_used_where_they_are(where, module, folder, contents, place, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    place(contents, tmp_path / where / folder)
    assert module.load("real").source == "real"


LAYOUTS = {
    "Fashion-MNIST": ["fashion-mnist", "FashionMNIST/raw", "fashion-mnist/data/fashion", "."],
    "MNIST": ["mnist", "MNIST/raw", "."],
}


@pytest.mark.parametrize("unzipped", [str, lambda name: name[:-3], lambda name: name[:-3].replace("-idx", ".idx")])
@pytest.mark.parametrize(
    ("title", "layout"), [(title, layout) for title in LAYOUTS for layout in LAYOUTS[title]], indirect=["title"]
)
def test_files_are_used_as_other_programs_leave_them(unzipped, layout, module, contents, place, cache, monkeypatch):
    """Laid out by torchvision, unzipped by a browser, or both; here the files of one of the pairs are unzipped."""
    content = {name: gzip.decompress(contents[name]) for name in NAMES[2:]}
    place({unzipped(name): content.get(name, contents[name]) for name in NAMES}, cache / layout)
    described = [
        replace(
            remote,
            url=NOWHERE,
            sha256=hashlib.sha256(contents[name]).hexdigest(),
            other_sha256s=tuple(hashlib.sha256(content[name]).hexdigest() for name in NAMES[2:] if name in remote.name),
        )
        for remote, name in zip(module.OFFICIAL, NAMES, strict=True)
    ]
    monkeypatch.setattr(module, "OFFICIAL", described)
    dataset = module.load("real")
    np.testing.assert_array_equal(dataset.x_test, images(10_000)[..., None])
    np.testing.assert_array_equal(dataset.y_train, labels(60_000))


def test_keras_names_the_same_file_of_all():
    keras = Path(importlib.util.find_spec("keras").origin).parent
    source = (keras / "src/datasets/mnist.py").read_text()
    assert '"mnist.npz"' in source
    assert f'"{mnist.OFFICIAL[0].other_sha256s[-1]}"' in source
    for remote in mnist.OFFICIAL:
        assert (remote.other_names[-1], remote.other_sha256s[-1]) == ("mnist.npz", mnist.OFFICIAL[0].other_sha256s[-1])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("where", ["cache", "keras/datasets", "mirror"])
@pytest.mark.parametrize("title", ["MNIST"], indirect=True)
def test_keras_file_of_all_is_used_where_it_is(known, where, module, place, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    place({}, tmp_path / where)
    file = tmp_path / where / "mnist.npz"
    np.savez(
        file, x_train=images(60_000), y_train=labels(60_000), x_test=images(10_000)[::-1], y_test=labels(10_000)[::-1]
    )
    if not known:
        with pytest.raises(DataError, match=f"{file}: mnist.npz: expected SHA256 .* or 731c5ac6.*, received "):
            module.load("real")
        return
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    official = [replace(remote, other_sha256s=(*remote.other_sha256s[:-1], digest)) for remote in module.OFFICIAL]
    monkeypatch.setattr(module, "OFFICIAL", official)
    dataset = module.load("real")
    np.testing.assert_array_equal(dataset.x_train, images(60_000)[..., None])
    np.testing.assert_array_equal(dataset.y_train, labels(60_000))
    np.testing.assert_array_equal(dataset.x_test, images(10_000)[::-1, ..., None])
    np.testing.assert_array_equal(dataset.y_test, labels(10_000)[::-1])


@pytest.mark.parametrize("name", NAMES)
def test_all_four_files_are_needed(name, module, folder, contents, place, cache):
    place(contents)
    (cache / folder / name).unlink()
    with pytest.raises(DataError, match=f"Expected {folder}/{name}"):
        module.load("real")
    dataset = module.load("auto", n_train=10, n_test=10)
    assert dataset.source == "sample"
    assert name in dataset.notice.written("en")


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-9] + b"?" + content[-8:]])
@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_damaged_file_is_named_and_never_read(name, damage, module, folder, contents, place, cache, caplog):
    place(contents)
    damaged = cache / folder / name
    damaged.write_bytes(damage(contents[name]))
    with pytest.raises(DataError) as caught:
        module.load("real")
    received = hashlib.sha256(damage(contents[name])).hexdigest()
    expected = hashlib.sha256(contents[name]).hexdigest()
    assert re.search(f"{damaged}: {name}: expected SHA256 {expected} or .*, received {received}", str(caught.value))
    dataset = module.load("auto", n_train=10, n_test=10)
    assert dataset.source == "sample"
    assert dataset.notice.written("en").count(str(damaged)) == 1
    assert not caplog.text


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (NAMES[1], np.where(np.arange(60_000) == 59_999, 10, 0).astype(np.uint8), "labels from 0 to 9 .*received 10"),
        (NAMES[1], labels(10_000), r"\(60000,\) .*received \(10000,\)"),
        (NAMES[2], images(9_999), r"\(10000, 28, 28\) .*received \(9999, 28, 28\)"),
        (NAMES[3], labels(60_000), r"\(10000,\) .*received \(60000,\)"),
    ],
)
@pytest.mark.parametrize("data", ["real", "auto"])
def test_wrong_content_is_told_even_when_the_checksum_is_right(data, name, array, message, module, contents, place):
    place(contents | {name: packed(array)})
    with pytest.raises(DataError, match=message) as caught:
        module.load(data)
    assert name in str(caught.value)


@pytest.mark.usefixtures("place")
def test_real_fails_with_the_places_tried_and_what_to_do(module, folder, cache, tmp_path):
    with pytest.raises(DataError) as caught:
        module.load("real")
    for part in (
        f"{cache}/{folder}/train-images-idx3-ubyte.gz: not there",
        f"{tmp_path}/keras/datasets/{folder}/train-images-idx3-ubyte.gz: not there",
        f"{NOWHERE}/train-images-idx3-ubyte.gz: cannot be downloaded",
        module.OFFICIAL[0].sha256,
        f"copy the folder {folder} with all its files to {cache}",
        "MI204_MIRROR",
    ):
        assert part in str(caught.value)


@pytest.mark.usefixtures("place")
def test_only_real_waits_again_for_a_server_that_was_silent(module, cache):
    cache.mkdir()
    (cache / ".no-answer-127.0.0.1_9").touch()
    assert "waited for in vain" in module.load("auto", n_train=10, n_test=10).notice.written("en")
    with pytest.raises(DataError, match="cannot be downloaded"):
        module.load("real")


def test_one_file_is_not_taken_for_the_misspelling_of_another(module, folder, contents, place, cache):
    place({name: contents[name] for name in NAMES[1:]})
    with pytest.raises(DataError, match=f"{cache}/{folder}/{NAMES[0]}: not there\n"):
        module.load("real")


def test_unknown_choice_is_refused(module):
    with pytest.raises(SettingError, match=r"auto, real, sample, received 'fake'"):
        module.load("fake")


@pytest.mark.usefixtures("place")
def test_sample_is_given_when_asked_for(title, module, cache):
    dataset = module.load("sample", n_train=30, n_test=20)
    assert (dataset.name, dataset.source, dataset.notice) == (title, "sample", None)
    assert dataset.classes == module.CLASSES
    draw = getattr(samples, DRAWN[title])
    for given, drawn in (
        ((dataset.x_train, dataset.y_train, dataset.masks_train), draw(samples.TRAINING, 30)),
        ((dataset.x_test, dataset.y_test, dataset.masks_test), draw(samples.TEST, 20)),
    ):
        for array, expected in zip(given, drawn, strict=True):
            np.testing.assert_array_equal(array, expected)
    assert not cache.exists()


def test_sample_is_as_large_as_the_real_data_unless_told_otherwise(title, module, monkeypatch):
    asked, draw = [], getattr(samples, DRAWN[title])
    monkeypatch.setattr(samples, DRAWN[title], lambda subset, n: asked.append((subset, n)) or draw(subset, 1))
    module.load("sample")
    assert asked == [(samples.TRAINING, 60_000), (samples.TEST, 10_000)]


@pytest.mark.usefixtures("place")
def test_auto_falls_back_to_the_sample_and_says_why_as_real_does(module):
    dataset = module.load("auto", n_train=30, n_test=20)
    assert (dataset.source, len(dataset.x_train), len(dataset.x_test)) == ("sample", 30, 20)
    with pytest.raises(DataError) as caught:
        module.load("real")
    for language in ("en", "fr"):
        assert dataset.notice.written(language) == caught.value.written(language)


@pytest.mark.usefixtures("place")
def test_auto_does_not_hide_a_cache_that_cannot_be_written(module, cache):
    cache.write_bytes(b"")
    with pytest.raises(StorageError, match="MI204_DATASETS_CACHE"):
        module.load("auto")


@pytest.mark.parametrize("title", ["Fashion-MNIST"], indirect=True)
@pytest.mark.parametrize("layout", [".", "FashionMNIST/raw"])
def test_folder_is_looked_in_first(layout, contents, place, cache, tmp_path, monkeypatch):
    place(contents)
    place(contents, tmp_path / "mine" / layout)
    read, opened = _idx.read, []

    def spy(images, labels, subset, count):
        opened.extend([images, labels])
        return read(images, labels, subset, count)

    monkeypatch.setattr(_idx, "read", spy)
    assert fashion_mnist.load("real", tmp_path / "mine").source == "real"
    assert opened == [tmp_path / "mine" / layout / name for name in NAMES]

    opened.clear()
    assert fashion_mnist.load("real", tmp_path / "no such folder").source == "real"
    assert opened == [cache / "fashion-mnist" / name for name in NAMES]


@pytest.mark.parametrize("title", ["Fashion-MNIST"], indirect=True)
@pytest.mark.usefixtures("place")
def test_files_missing_from_the_folder_are_told(tmp_path):
    with pytest.raises(DataError) as caught:
        fashion_mnist.load("real", tmp_path / "mine")
    assert f"{tmp_path}/mine/fashion-mnist/train-images-idx3-ubyte.gz: not there" in str(caught.value)


@pytest.mark.data
@pytest.mark.skipif("MI204_MIRROR" not in os.environ, reason="needs the real data in $MI204_MIRROR")
@pytest.mark.parametrize(
    ("title", "train", "test", "first_train", "first_test", "mean", "deviation"),
    [
        ("Fashion-MNIST", [6000] * 10, [1000] * 10, "9003027255", "9211614657", 0.2860, 0.3530),
        (
            "MNIST",
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
            "5041921314", "7210414959", 0.1307, 0.3081,
        ),
    ],
    ids=["Fashion-MNIST", "MNIST"],
    indirect=["title"],
)
def test_real_data_has_its_published_shapes_counts_and_first_labels(
    module, train, test, first_train, first_test, mean, deviation, tmp_path, monkeypatch
):
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    dataset = module.load("real")
    assert dataset.source == "real"
    assert dataset.x_train.shape == (60000, 28, 28, 1)
    assert dataset.x_test.shape == (10000, 28, 28, 1)
    assert np.bincount(dataset.y_train).tolist() == train
    assert np.bincount(dataset.y_test).tolist() == test
    assert "".join(map(str, dataset.y_train[:10])) == first_train
    assert "".join(map(str, dataset.y_test[:10])) == first_test
    # The published mean and standard deviation of the training pixels.
    assert dataset.x_train.mean() / 255 == pytest.approx(mean, abs=1e-4)
    assert dataset.x_train.std() / 255 == pytest.approx(deviation, abs=1e-4)


@pytest.mark.data
@pytest.mark.skipif("MI204_MIRROR" not in os.environ, reason="needs the real data in $MI204_MIRROR")
def test_real_files_unzipped_are_the_official_ones(module, folder, place, cache, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(cache))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    source, zipped = Path(os.environ["MI204_MIRROR"], folder), module.load("real")
    monkeypatch.delenv("MI204_MIRROR")
    place({name[:-3]: gzip.decompress((source / name).read_bytes()) for name in NAMES})
    monkeypatch.undo()
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(cache))
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "nothing"))
    assert module.load("real").fingerprint == zipped.fingerprint
