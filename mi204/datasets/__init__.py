"""The courses' data sets: the real files, verified, or a procedural sample that says so."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

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
    notice: str
    """Empty; or one line saying that the real data could not be reached and the procedural sample replaces it."""
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


@dataclass(frozen=True, eq=False)
class AudioDataset:
    """Labelled recordings of spoken words, sorted by label, speaker and repetition."""

    name: str
    """Name to show, such as ``Free Spoken Digit Dataset``."""
    source: Literal["real", "sample"]
    """Where the recordings came from."""
    notice: str
    """Empty; or one line saying that the real data could not be reached and the procedural sample replaces it."""
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
