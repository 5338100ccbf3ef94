"""CIFAR-10: 50,000 training and 10,000 test images of ten classes, 32 x 32 pixels."""

import pickle
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from mi204.datasets import DataChoice, ImageDataset, samples
from mi204.datasets._choice import choose, sample_of
from mi204.datasets._fetch import RemoteFile, fetch
from mi204.errors import DataError

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

OFFICIAL = RemoteFile(
    name="cifar-10-python.tar.gz",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    # As versions of Keras name the archive.
    other_names=("cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"),
    folder="cifar-10-batches-py",
    # Where Keras extracts it, and what programs make that put an archive into a folder of its name.
    other_folders=("cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-python/cifar-10-batches-py"),
    md5s={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)


def load(data: DataChoice = "auto", *, n_train: int = 50_000, n_test: int = 10_000) -> ImageDataset:
    """Load CIFAR-10: uint8 images (n, 32, 32, 3) and int64 labels (n,), in the official order.

    ``auto`` gives the procedural sample, with its notice set, only when the real data cannot be reached or verified;
    ``real`` raises DataError then. The sample is of ``n_train`` and ``n_test`` images; the real data always come whole.
    Raises DataError when a verified file does not hold what it should, StorageError when the cache cannot be written,
    SettingError for another ``data``.
    """
    return choose(data, _real, lambda: sample_of("CIFAR-10", CLASSES, samples.scenes, n_train, n_test))


def _real(insist: bool) -> ImageDataset:
    folder = fetch(OFFICIAL, insist=insist)
    x_train, y_train = _read(*(folder / f"data_batch_{number}" for number in range(1, 6)))
    x_test, y_test = _read(folder / "test_batch")
    return ImageDataset("CIFAR-10", "real", None, CLASSES, x_train, y_train, x_test, y_test)


def _read(*files: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read batches into images (n, 32, 32, 3) and labels (n,)."""
    batches = [_read_batch(file) for file in files]
    pixels = np.concatenate([pixels for pixels, _ in batches])
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return images, np.concatenate([labels for _, labels in batches])


def _read_batch(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch into pixels (n, 3072) and labels (n,)."""
    try:
        with file.open("rb") as stream:
            batch = _TableUnpickler(stream, encoding="bytes").load()
    except Exception as error:  # a broken pickle can raise anything
        raise DataError(
            "Expected a pickled table of images in {file}, received: {error}. Delete this file and load it again.",
            "Attendu dans {file} : une table d'images sérialisée par pickle ; reçu : {error}. Supprimer ce fichier et "
            "le charger à nouveau.",
            file=file, error=error,
        ) from error
    match batch:
        case {b"data": np.ndarray(dtype=np.uint8, shape=(count, 3072)) as pixels, b"labels": list(labels)}:
            if len(labels) == count and all(isinstance(label, int) and 0 <= label < 10 for label in labels):
                return pixels, np.array(labels, dtype=np.int64)
    raise DataError(
        "Expected in {file} uint8 pixels (n, 3072) under 'data' and n labels from 0 to 9 under 'labels', "
        "received {batch}. Delete this file and load it again.",
        "Attendu dans {file} : des pixels uint8 (n, 3072) sous 'data' et n étiquettes de 0 à 9 sous 'labels' ; reçu : "
        "{batch}. Supprimer ce fichier et le charger à nouveau.",
        file=file, batch=reprlib.repr(batch),
    )


_CALLABLE: dict[tuple[str, str], Any] = {
    # The official files name numpy's modules as they were called before numpy 2.
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _TableUnpickler(pickle.Unpickler):
    """Rebuilds arrays, dictionaries, lists, numbers and bytes, and can call nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Give one of the allowed objects; raise UnpicklingError, naming it, for any other."""
        try:
            return _CALLABLE[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a call to {module}.{name}, which no table of numbers needs") from None
