"""Maps as arrays: made larger, scaled to 0..1, laid over a picture's size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


def normalised(maps: np.ndarray) -> np.ndarray:
    """Scale each map of ``(n, …)`` to [0, 1] by its own least and greatest value.

    A map that is constant, but for the rounding of interpolation, becomes 0.
    """
    axes = tuple(range(1, maps.ndim))
    least, most = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    # In double precision: the range of float32 values may be none of them.
    span = most.astype(np.float64) - least
    constant = span <= 1e-6 * np.maximum(np.abs(most), np.abs(least))
    return np.where(constant, 0, (maps - least.astype(np.float64)) / np.where(constant, 1, span)).astype(np.float32)


def resized(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Bring maps ``(n, h, w)``, or of any number of sides, to ``size`` by linear interpolation.

    Pixels are areas: the centre of pixel i lies at i + 1/2, and beyond the outermost centres the outermost values hold.
    The same numbers on every backend, for any number of dimensions.
    """
    for axis, (old, new) in enumerate(zip(maps.shape[1:], size, strict=True), start=1):
        if old != new:
            maps = np.moveaxis(np.moveaxis(maps, axis, -1) @ _weights(old, new).T, -1, axis)
    return maps


@lru_cache(maxsize=64)
def _weights(old: int, new: int) -> np.ndarray:
    """Give the matrix ``(new, old)`` of linear interpolation along one side."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    below = np.floor(centres).astype(int)
    above = np.minimum(below + 1, old - 1)
    weights = np.zeros((new, old))
    np.add.at(weights, (np.arange(new), below), 1 - (centres - below))
    np.add.at(weights, (np.arange(new), above), centres - below)
    return weights.astype(np.float32)
