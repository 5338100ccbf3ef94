import gzip
import io
import re
import struct

import numpy as np
import pytest

from mi204.datasets import _idx
from mi204.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 9, 4], dtype=np.uint8)


def idx(array: np.ndarray, sizes: tuple[int, ...] | None = None, magic: bytes = b"\0\0\x08") -> bytes:
    sizes = array.shape if sizes is None else sizes
    return magic + struct.pack(f">B{len(sizes)}I", len(sizes), *sizes) + array.tobytes()


@pytest.fixture
def files(tmp_path):
    images, labels = tmp_path / "images.gz", tmp_path / "labels.gz"
    images.write_bytes(gzip.compress(idx(PIXELS)))
    labels.write_bytes(gzip.compress(idx(LABELS)))
    return images, labels


def test_images_and_labels_are_read_in_order(files):
    check(*_idx.read(*files, "train", 3))


def check(images: np.ndarray, labels: np.ndarray) -> None:
    np.testing.assert_array_equal(images, PIXELS[..., None])
    np.testing.assert_array_equal(labels, LABELS)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert images.flags.c_contiguous
    assert images.flags.writeable
    assert labels.flags.writeable


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_unzipped_files_are_read_whatever_they_are_called(name, files, tmp_path):
    """Some browsers unzip a file and keep its name."""
    images = tmp_path / name
    images.write_bytes(idx(PIXELS))
    check(*_idx.read(images, files[1], "train", 3))


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("subset", ["train", "test"])
def test_npz_file_is_read_by_the_names_in_it(subset, tmp_path):
    file = tmp_path / "all.npz"
    arrays = {f"{name}_{each}": np.zeros(0) for name in "xy" for each in ("train", "test")}
    file.write_bytes(npz(**arrays | {f"x_{subset}": PIXELS, f"y_{subset}": LABELS}))
    check(*_idx.read(file, file, subset, 3))


HOLE = npz(x_train=PIXELS, y_train=LABELS)[:300] + bytes(50) + npz(x_train=PIXELS, y_train=LABELS)[350:]


class Surprise:
    """Unpickled, it would run code."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize(
    ("content", "expected", "received"),
    [
        (npz(x_train=PIXELS, y_train=LABELS)[:-30], "npz", "not a zip file"),
        (b"PK", "npz", ""),
        (HOLE, "npz", ""),
        (npz(x_test=PIXELS, y_train=LABELS), "npz file with x_train|npz avec x_train", "x_train is not a file"),
        (npz(x_train=np.array([Surprise()]), y_train=LABELS), "npz", "Object arrays cannot be loaded"),
        (npz(x_train=PIXELS[:2], y_train=LABELS), r"uint8 \(3, 28, 28\) (in|dans) x_train", r"uint8 \(2, 28, 28\)"),
        (npz(x_train=PIXELS.view(np.int8), y_train=LABELS), "uint8", r"int8 \(3, 28, 28\)"),
        (npz(x_train=PIXELS, y_train=LABELS[:, None]), r"uint8 \(3,\) (in|dans) y_train", r"uint8 \(3, 1\)"),
        (npz(x_train=PIXELS, y_train=LABELS + np.uint8(1)), "0 (to|à) 9", "10"),
    ],
    ids=["cut", "start", "hole", "other names", "pickle", "sizes", "type", "labels", "range"],
)
def test_broken_npz_file_is_refused(content, expected, received, tmp_path):
    file = tmp_path / "all.npz"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        _idx.read(file, file, "train", 3)
    assert re.search(f"Expected .*({expected}).* received .*{received}", str(caught.value))
    assert re.search(f"Attendu .*({expected}).* reçu : .*{received}", caught.value.written("fr"))
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx(PIXELS))[:-9], "Expected a whole gzip file"),
        (gzip.compress(idx(PIXELS))[:40], "Expected a whole gzip file"),
        (gzip.compress(idx(PIXELS))[:-8] + bytes(8), "Expected a whole gzip file"),
        (gzip.compress(idx(PIXELS))[:10] + b"\xff" * 30, "Expected a whole gzip file"),
        (idx(PIXELS)[:-1], "Expected 2,352 values .*received 2,351"),
        (idx(PIXELS) + b"1", "Expected 2,352 values .*received more"),
        (b"\x1f\x8b", "Expected a whole gzip file"),
        (b"1f8b", "magic number 00000803 .*received 31663862"),
        (b"", "received an empty file"),
        (gzip.compress(b""), "received an empty file"),
        (gzip.compress(b"\0\0"), "magic number 00000803 .*received 0000"),
        (gzip.compress(idx(PIXELS, magic=b"\0\0\x09")), "magic number 00000803 .*received 00000903"),
        (gzip.compress(idx(LABELS)), "magic number 00000803 .*received 00000801"),
        (gzip.compress(idx(PIXELS)[:10]), r"sizes \(3, 28, 28\) .*received \(3, 0\)"),
        (gzip.compress(idx(PIXELS[:2])), r"sizes \(3, 28, 28\) .*received \(2, 28, 28\)"),
        (gzip.compress(idx(PIXELS, sizes=(3, 14, 56))), r"sizes \(3, 28, 28\) .*received \(3, 14, 56\)"),
        (gzip.compress(idx(PIXELS, sizes=(2**32 - 1, 28, 28))), r"received \(4294967295, 28, 28\)"),
        (gzip.compress(idx(PIXELS)[:-1]), "Expected 2,352 values .*received 2,351"),
        (gzip.compress(idx(PIXELS)) + gzip.compress(bytes(10_000_000)), "Expected 2,352 values .*received more"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_broken_images_are_refused(content, message, files):
    files[0].write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        _idx.read(*files, "train", 3)
    assert str(files[0]) in str(caught.value)
    assert "Delete this file and load it again." in str(caught.value)
    french = caught.value.written("fr")
    assert french.startswith(f"Attendu dans {files[0]} : ")
    assert french.endswith("Supprimer ce fichier et le charger à nouveau.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(np.array([0, 10, 4], dtype=np.uint8)), "labels from 0 to 9 .*received 10"),
        (idx(LABELS[:2]), r"sizes \(3,\) .*received \(2,\)"),
        (idx(np.append(LABELS, LABELS)), r"sizes \(3,\) .*received \(6,\)"),
        (idx(LABELS)[:-1], "Expected 3 values .*received 2"),
        (idx(PIXELS), "magic number 00000801 .*received 00000803"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_broken_labels_are_refused(content, message, files):
    files[1].write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=message) as caught:
        _idx.read(*files, "train", 3)
    assert str(files[1]) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx(PIXELS))[:-9], "un fichier gzip entier ; reçu : Compressed file ended before"),
        (b"", "le nombre magique 00000803 du format idx ; reçu : un fichier vide."),
        (gzip.compress(idx(LABELS)), "le nombre magique 00000803 du format idx ; reçu : 00000801."),
        (gzip.compress(idx(PIXELS[:2])), "les tailles (3, 28, 28) ; reçu : (2, 28, 28)."),
        (gzip.compress(idx(PIXELS)[:-1]), "2\u202f352 valeurs ; reçu : 2\u202f351."),
        (gzip.compress(idx(PIXELS)) + gzip.compress(bytes(9)), "2\u202f352 valeurs ; reçu : davantage."),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_broken_images_are_told_in_french(content, message, files):
    files[0].write_bytes(content)
    with pytest.raises(DataError) as caught:
        _idx.read(*files, "train", 3)
    assert message in caught.value.written("fr")


def test_wrong_labels_are_told_in_french(files):
    files[1].write_bytes(gzip.compress(idx(np.array([0, 10, 4], dtype=np.uint8))))
    with pytest.raises(DataError) as caught:
        _idx.read(*files, "train", 3)
    assert "des étiquettes de 0 à 9 ; reçu : 10." in caught.value.written("fr")


def test_no_more_is_unpacked_than_there_should_be(files, monkeypatch):
    """A small file may unpack to more than the memory holds."""
    files[0].write_bytes(gzip.compress(idx(PIXELS)) + gzip.compress(bytes(10_000_000)))
    received = []
    read = gzip.GzipFile.read

    def counted(self, size=-1):
        received.append(read(self, size))
        return received[-1]

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(DataError, match="received more"):
        _idx.read(*files, "train", 3)
    assert sum(map(len, received)) < 3000


def test_missing_file_is_told(files):
    files[1].unlink()
    with pytest.raises(DataError, match=r"labels.gz, received .*No such file"):
        _idx.read(*files, "train", 3)
