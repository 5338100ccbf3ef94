"""How alike two maps are, on the pixels that count.

Every measure takes maps ``(n, h, w)`` and the pixels to compare, ``valid`` ``(n, h, w)`` of bool (all where None), and
gives ``(n,)``. It is NaN where one of the two maps is constant over these pixels: such a map points nowhere.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage, stats

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]

_PIXELS = (1, 2)
_WINDOW = 1.5
"""Standard deviation of SSIM's window, in pixels, and its reach: 11 x 11 pixels (Wang 2004)."""
_REACH = 5
_LUMINANCE, _STRUCTURE = 0.01**2, 0.03**2


def constant(maps: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Say of each map ``(n, h, w)`` whether it is the same at all valid pixels, to what float32 resolves: ``(n,)``.

    A map with NaN, or without a valid pixel, counts as constant.
    """
    where = np.broadcast_to(True if valid is None else valid, maps.shape)
    low = maps.min(axis=_PIXELS, where=where, initial=np.inf)
    high = maps.max(axis=_PIXELS, where=where, initial=-np.inf)
    return ~(high - low > 1e-6 * np.maximum(abs(low), abs(high)))


def normalised(maps: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Stretch each map ``(n, h, w)`` to 0..1 over its valid pixels, to six decimals; 0 elsewhere and where constant.

    Values closer than float32 resolves become ties, so that rounding in an interpolation makes no order of its own.
    """
    where = np.broadcast_to(True if valid is None else valid, maps.shape)
    maps = maps.astype(np.float64)
    low = maps.min(axis=_PIXELS, where=where, initial=np.inf, keepdims=True)
    spread = maps.max(axis=_PIXELS, where=where, initial=-np.inf, keepdims=True) - low
    usable = where & ~constant(maps, valid)[:, None, None]
    return np.round(np.divide(maps - low, spread, out=np.zeros_like(maps), where=usable), 6)


def top(maps: np.ndarray, counts: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Mark the ``counts`` ``(n,)`` highest valid pixels of each map ``(n, h, w)`` with 1, the others with 0.

    Pixels that tie for the last places share them, each with the same fraction: no pixel wins by its position.
    """
    where = np.broadcast_to(True if valid is None else valid, maps.shape)
    values = np.where(where, maps, -np.inf).reshape(len(maps), -1)
    counts = np.asarray(counts)[:, None]
    last = np.take_along_axis(-np.sort(-values, axis=1), np.maximum(counts, 1) - 1, axis=1)
    above, level = values > last, values == last
    left = (counts - above.sum(axis=1, keepdims=True)) / level.sum(axis=1, keepdims=True)
    return (above + level * left).reshape(maps.shape)


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give the intersection over union of sets of pixels ``(n, h, w)``, of bool or with fractions: ``(n,)``.

    ``sum min(a, b) / sum max(a, b)``; NaN where both are empty.
    """
    union = np.maximum(first, second).sum(axis=_PIXELS, dtype=np.float64)
    common = np.minimum(first, second).sum(axis=_PIXELS, dtype=np.float64)
    return np.divide(common, union, out=np.full(len(first), np.nan), where=union > 0)


def pearson(first: np.ndarray, second: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Give Pearson's correlation of the valid pixels of two maps: -1..1, ``(n,)``."""
    first, second, where = _compared(first, second, valid)
    count = np.maximum(where.sum(axis=_PIXELS, keepdims=True), 1)

    def centred(maps: np.ndarray) -> np.ndarray:
        return np.where(where, maps - maps.sum(axis=_PIXELS, where=where, keepdims=True) / count, 0)

    first, second = centred(first), centred(second)
    norms = np.sqrt((first**2).sum(axis=_PIXELS) * (second**2).sum(axis=_PIXELS))
    products = (first * second).sum(axis=_PIXELS)
    return np.divide(products, norms, out=np.full(len(norms), np.nan), where=norms > 0)


def spearman(first: np.ndarray, second: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Give Spearman's correlation, Pearson's of the ranks, of the valid pixels: -1..1, ties share a rank, ``(n,)``."""
    first, second, where = _compared(first, second, valid)

    def ranks(maps: np.ndarray) -> np.ndarray:
        ranked = np.zeros_like(maps)
        for each, values, counted in zip(ranked, maps, where, strict=True):
            each[counted] = stats.rankdata(values[counted])
        return ranked

    return pearson(ranks(first), ranks(second), where)


def ssim(first: np.ndarray, second: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Give the mean structural similarity of the valid pixels of two maps in 0..1: ``(n,)`` (Wang 2004).

    ``(2 m1 m2 + C1) (2 s12 + C2) / ((m1² + m2² + C1) (s1² + s2² + C2))`` of local means, variances and covariance in
    a Gaussian window of 11 x 11 pixels, of which only the valid ones count: at a border the window is what is left.
    """
    first, second, where = _compared(first, second, valid)

    def blurred(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, _WINDOW, mode="constant", radius=_REACH, axes=_PIXELS)

    weight = blurred(where.astype(np.float64))

    def local(values: np.ndarray) -> np.ndarray:
        return np.divide(blurred(np.where(where, values, 0)), weight, out=np.zeros_like(weight), where=where)

    mean_1, mean_2 = local(first), local(second)
    variances = local(first**2) - mean_1**2 + local(second**2) - mean_2**2
    covariance = local(first * second) - mean_1 * mean_2
    similarity = (2 * mean_1 * mean_2 + _LUMINANCE) * (2 * covariance + _STRUCTURE)
    similarity /= (mean_1**2 + mean_2**2 + _LUMINANCE) * (variances + _STRUCTURE)
    total, count = similarity.sum(axis=_PIXELS, where=where), where.sum(axis=_PIXELS)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def top_iou(first: np.ndarray, second: np.ndarray, valid: np.ndarray | None = None, share: float = 0.2) -> np.ndarray:
    """Give the intersection over union of the highest ``share`` of the valid pixels of two maps: 0..1, ``(n,)``."""
    first, second, where = _compared(first, second, valid)
    counts = np.maximum(np.round(share * where.sum(axis=_PIXELS)), 1).astype(int)
    iou = overlap(top(first, counts, where), top(second, counts, where))
    return np.where(where.any(axis=_PIXELS), iou, np.nan)


def centre_shift(first: np.ndarray, second: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Give the distance of the centres of mass of two maps, none of them negative: a share of the diagonal, ``(n,)``.

    0 for the same centre; in pixels, times ``sqrt(h² + w²)``.
    """
    first, second, where = _compared(first, second, valid)
    grid = np.stack(np.indices(first.shape[1:]), axis=-1).reshape(-1, 2)

    def centre(maps: np.ndarray) -> np.ndarray:
        masses = np.where(where, maps, 0).reshape(len(maps), -1)
        total = masses.sum(axis=1, keepdims=True)
        return np.divide(masses @ grid, total, out=np.full((len(maps), 2), np.nan), where=total > 0)

    return np.linalg.norm(centre(first) - centre(second), axis=1) / np.hypot(*first.shape[1:])


MEASURES: dict[str, Measure] = {
    "pearson": pearson,
    "spearman": spearman,
    "ssim": ssim,
    "top_iou": top_iou,
    "centre_shift": centre_shift,
}
"""All are 1 for equal maps, but the shift of the centre, which is 0."""


def _compared(
    first: np.ndarray, second: np.ndarray, valid: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give both maps as float64, and the pixels to compare: none where one of the two is constant over them."""
    where = np.broadcast_to(True if valid is None else valid, first.shape)
    where = where & ~(constant(first, where) | constant(second, where))[:, None, None]
    return first.astype(np.float64), second.astype(np.float64), where
