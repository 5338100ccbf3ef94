"""Data sets of four idx files: MNIST, and those made to replace it."""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mi204.datasets import ImageDataset
from mi204.datasets._fetch import RemoteFile, fetch
from mi204.errors import DataError
from mi204.language import Text

_SIDE = 28
_CLASSES = 10


def load(
    name: str, classes: tuple[str, ...], remotes: Sequence[RemoteFile], paths: Sequence[Path] = ()
) -> ImageDataset:
    """Fetch and read the real data set: training images and labels, test images and labels, in this order.

    The files are looked for in the folders ``paths`` first.
    """
    files = [fetch(remote, [path / Path(remote.name).name for path in paths]) for remote in remotes]
    train, test = read(files[0], files[1], 60_000), read(files[2], files[3], 10_000)
    return ImageDataset(name, "real", None, classes, *train, *test)


def read(images: Path, labels: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read `count` images, uint8 (n, 28, 28, 1), and their labels, int64 (n,).

    Raises DataError when a file is damaged, holds another number or size of images, or a label that is not in 0..9.
    """
    pixels = _read(images, (count, _SIDE, _SIDE))
    numbers = _read(labels, (count,))
    if numbers.max() >= _CLASSES:
        expected = Text("labels from 0 to {most}", "des étiquettes de 0 à {most}", {"most": _CLASSES - 1})
        raise _error(labels, expected, _same(numbers.max()))
    return pixels[..., None], numbers.astype(np.int64)


def _read(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a gzipped idx file of unsigned bytes, of this shape and no other."""
    magic = bytes([0, 0, 8, len(shape)])
    start = len(magic) + 4 * len(shape)
    end = start + math.prod(shape)
    try:
        with gzip.open(file) as stream:
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
