"""Data sets of four idx files: MNIST, and those made to replace it."""

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from mi204.datasets import ImageDataset
from mi204.datasets._fetch import RemoteFile, fetch
from mi204.errors import DataError
from mi204.language import Text

_SIDE = 28
_CLASSES = 10


def described(
    address: str, folders: Sequence[str], sha256s: Mapping[str, tuple[str, str]], npz: Mapping[str, str]
) -> tuple[RemoteFile, ...]:
    """Describe the files of a data set by the SHA-256 of each, gzipped and not.

    ``folders`` are those that they may lie in, the first being ours; ``npz`` gives the SHA-256 of files that hold all.
    """
    return tuple(
        RemoteFile(
            name=f"{folders[0]}/{name}.gz",
            url=f"{address}/{name}.gz",
            sha256=gzipped,
            other_names=(*_names(name, folders)[1:], *npz),
            other_sha256s=(plain, *npz.values()),
        )
        for name, (gzipped, plain) in sha256s.items()
    )


def _names(name: str, folders: Sequence[str]) -> list[str]:
    """Give the paths of a file, gzipped, unzipped by a browser, and unzipped under the name that it had before."""
    names = (f"{name}.gz", name, name.replace("-idx", ".idx"))
    return [str(PurePosixPath(folder, each)) for folder in folders for each in names]


def load(
    name: str, classes: tuple[str, ...], remotes: Sequence[RemoteFile], insist: bool, folders: Sequence[Path] = ()
) -> ImageDataset:
    """Fetch and read the real data set: training images and labels, test images and labels, in this order.

    The files are looked for in ``folders`` first. ``insist`` as in ``fetch``.
    """
    files = [fetch(remote, folders, insist=insist) for remote in remotes]
    train, test = read(*files[:2], "train", 60_000), read(*files[2:], "test", 10_000)
    return ImageDataset(name, "real", None, classes, *train, *test)


def read(images: Path, labels: Path, subset: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read ``count`` images, uint8 (n, 28, 28, 1), and their labels, int64 (n,).

    The files are idx files, gzipped or not, or npz files with both under ``x_`` and ``y_`` and the name of the subset.
    Raises DataError when a file is damaged, holds another number or size of images, or a label that is not in 0..9.
    """
    pixels = _read(images, f"x_{subset}", (count, _SIDE, _SIDE))
    numbers = _read(labels, f"y_{subset}", (count,))
    if numbers.max() >= _CLASSES:
        expected = Text("labels from 0 to {most}", "des étiquettes de 0 à {most}", {"most": _CLASSES - 1})
        raise _error(labels, expected, _same(numbers.max()))
    return pixels[..., None], numbers.astype(np.int64)


def _read(file: Path, member: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read unsigned bytes of this shape and no other, from a file known by how it begins, not by its name."""
    try:
        with file.open("rb") as stream:
            start = stream.read(2)
    except OSError as error:
        raise _error(file, Text("a file", "un fichier"), _same(error)) from error
    return _read_npz(file, member, shape) if start == b"PK" else _read_idx(file, start == b"\x1f\x8b", shape)


def _read_npz(file: Path, member: str, shape: tuple[int, ...]) -> np.ndarray:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            array = arrays[member]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        expected = Text("an npz file with {member}", "un fichier npz avec {member}", {"member": member})
        raise _error(file, expected, _same(error)) from error
    if array.dtype != np.uint8 or array.shape != shape:
        expected = Text("uint8 {shape} in {member}", "uint8 {shape} dans {member}", {"shape": shape, "member": member})
        raise _error(file, expected, _same(f"{array.dtype} {array.shape}"))
    return array


def _read_idx(file: Path, gzipped: bool, shape: tuple[int, ...]) -> np.ndarray:
    magic = bytes([0, 0, 8, len(shape)])
    start = len(magic) + 4 * len(shape)
    end = start + math.prod(shape)
    try:
        with gzip.open(file) if gzipped else file.open("rb") as stream:
            # A byte more than there should be: enough to notice a longer file, however much it would unpack to.
            content = stream.read(end + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _error(file, Text("a whole gzip file", "un fichier gzip entier"), _same(error)) from error
    if content[:4] != magic:
        number = {"number": magic.hex()}
        expected = Text("the idx magic number {number}", "le nombre magique {number} du format idx", number)
        received = _same(content[:4].hex()) if content else Text("an empty file", "un fichier vide")
        raise _error(file, expected, received)
    sizes = content[4:start]
    if sizes != struct.pack(f">{len(shape)}I", *shape):
        received = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
        expected = Text("the sizes {shape}", "les tailles {shape}", {"shape": shape})
        raise _error(file, expected, _same(received))
    if len(content) != end:
        expected = Text("{count:,} values", "{count:,} valeurs", {"count": end - start})
        received = Text("{count:,}", "{count:,}", {"count": len(content) - start})
        raise _error(file, expected, received if len(content) < end else Text("more", "davantage"))
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _same(received: object) -> Text:
    return Text(str(received), str(received))


def _error(file: Path, expected: Text, received: Text) -> DataError:
    return DataError(
        f"Expected {expected.written('en')} in {file}, received {received.written('en')}. "
        "Delete this file and load it again.",
        f"Attendu dans {file} : {expected.written('fr')} ; reçu : {received.written('fr')}. "
        "Supprimer ce fichier et le charger à nouveau.",
    )
