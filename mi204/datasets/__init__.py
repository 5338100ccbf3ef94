"""The courses' data sets: the real files, verified, or a procedural sample that says so."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mi204.language import Text, Word, word

DataChoice = Literal["auto", "real", "sample"]
"""``real`` fails without the real data, ``sample`` asks for the stand-in, ``auto`` prefers the real data."""


# Arrays do not compare to one truth value, hence eq=False.
@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images, split into training and test as officially published."""

    name: str
    """Name to show, such as ``CIFAR-10``."""
    source: Literal["real", "sample"]
    """Where the images came from."""
    notice: Text | None
    """Of a sample that replaces the real data: where those were looked for, why in vain, what to do; else None."""
    classes: tuple[str, ...]
    """Name of each label, in the order of the labels."""
    x_train: np.ndarray
    """Training images, uint8 (n, h, w, c)."""
    y_train: np.ndarray
    """Training labels, int64 (n,)."""
    x_test: np.ndarray
    """Test images, uint8 (n, h, w, c)."""
    y_test: np.ndarray
    """Test labels, int64 (n,)."""
    masks_train: np.ndarray | None = None
    """True object masks of the sample's training images, bool (n, h, w); None for real data."""
    masks_test: np.ndarray | None = None
    """True object masks of the sample's test images, bool (n, h, w); None for real data."""

    @cached_property
    def fingerprint(self) -> str:
        """Tell these images, labels and masks from any others, in 64 hexadecimal digits; computed once."""
        arrays = (self.x_train, self.y_train, self.x_test, self.y_test, self.masks_train, self.masks_test)
        return _digest(array for array in arrays if array is not None)


@dataclass(frozen=True, eq=False)
class AudioDataset:
    """Labelled recordings of spoken words, sorted by label, speaker and repetition."""

    name: str
    """Name to show, such as ``Free Spoken Digit Dataset``."""
    source: Literal["real", "sample"]
    """Where the recordings came from."""
    notice: Text | None
    """Of a sample that replaces the real data: where those were looked for, why in vain, what to do; else None."""
    classes: tuple[str, ...]
    """Name of each label, in the order of the labels."""
    waveforms: tuple[np.ndarray, ...]
    """One waveform per recording, float32 (n_samples,) in -1..1; only own files of floats, or resampled, go beyond."""
    sampling_rate: int
    """Samples per second of every waveform, in Hz."""
    labels: np.ndarray
    """Labels, int64 (n,)."""
    speakers: np.ndarray
    """Name of each recording's speaker, str (n,)."""
    repetitions: np.ndarray
    """Number of each recording among those of the same label and speaker, int64 (n,)."""
    files: tuple[str, ...]
    """File name of each recording; of the sample, the name that a file would have."""
    remarks: dict[str, tuple[str, ...]]
    """What was done to a file for it to be read, such as ``resampled``; only the files to which something was done."""

    @cached_property
    def fingerprint(self) -> str:
        """Tell these recordings, their labels, speakers and file names from any others, in 64 hexadecimal digits."""
        files, rate = np.array(self.files), np.array(self.sampling_rate)
        return _digest([*self.waveforms, self.labels, self.speakers, self.repetitions, files, rate])


def _digest(arrays: Iterable[np.ndarray]) -> str:
    """Give the SHA-256 of arrays: of the numbers in them, and of where each begins."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        # Buffers of str are not read as such.
        digest.update(np.ascontiguousarray(array).view(np.uint8) if array.size else b"")
    return digest.hexdigest()


def class_words(classes: Iterable[str]) -> list[str]:
    """Give the name of each class as the ``Word`` that stands for it, or as it is where ``words.toml`` has none.

    The key of a class is its name in small letters, with ``_`` for all but letters and digits: ``class_ankle_boot``.
    """
    return [_class_word(name) for name in classes]


def _class_word(name: str) -> str:
    key = "class_" + re.sub("[^a-z0-9]", "_", name.lower())
    try:
        word(key, "en")
    except KeyError:
        return name
    return Word(key)
