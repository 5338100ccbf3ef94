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
