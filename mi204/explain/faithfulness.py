"""Measures of maps: is what they mark what the network used, and where the object is.

They know the network as a function alone: ``predict`` gives the probabilities ``(n, classes)`` of images
``(n, h, w, c)``. Maps are ``(n, h, w)`` in 0..1, targets ``(n,)`` the classes explained. Every measure is per image,
``(n,)``, NaN where it is not defined; means are the reader's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from mi204 import metrics
from mi204.errors import SettingError
from mi204.explain import similarity
from mi204.explain.maps import normalised, resized

Predict = Callable[[np.ndarray], np.ndarray]
MapsOf = Callable[[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""Images and the classes to explain (None: those predicted) → maps ``(n, h, w)``, probabilities ``(n, classes)``."""
Baseline = Literal["zero", "mean", "blur"]


def _check(images: np.ndarray, maps: np.ndarray, targets: np.ndarray) -> None:
    if maps.shape != images.shape[:3] or len(targets) != len(images):
        raise SettingError(
            "Expected a map of the size of its image and a target for each of the images {images}, received maps "
            "{maps} and {n_targets} targets: enlarge the maps, or choose the images they belong to.",
            "Une carte de la taille de son image et une cible pour chacune des images {images} attendues, cartes "
            "{maps} et {n_targets} cibles reçues : agrandir les cartes, ou choisir les images dont elles sont.",
            images=str(images.shape),
            maps=str(maps.shape),
            n_targets=len(targets),
        )
    if not (maps.min() >= 0 and maps.max() <= 1):
        raise SettingError(
            "Expected maps with values in 0..1, received {low:g} to {high:g}: normalise them first.",
            "Cartes de valeurs dans 0..1 attendues, de {low:g} à {high:g} reçu : les normaliser d'abord.",
            low=maps.min(),
            high=maps.max(),
        )


def _confidence(predict: Predict, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Give the probability of each image's target: ``(n,)``."""
    return np.take_along_axis(predict(images), np.asarray(targets)[:, None], axis=1)[:, 0].astype(np.float64)


def baseline_of(images: np.ndarray, baseline: Baseline) -> np.ndarray:
    """Give what stands for absence in images ``(n, h, w, c)``: their like, float32.

    ``zero``, whatever that means to the network; ``mean``, of each image and channel; ``blur``, by a Gaussian of a
    standard deviation of a tenth of the longer side.
    """
    images = images.astype(np.float32)
    if baseline == "zero":
        return np.zeros_like(images)
    if baseline == "mean":
        return np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    if baseline == "blur":
        return ndimage.gaussian_filter(images, max(images.shape[1:3]) / 10, mode="nearest", axes=(1, 2))
    raise SettingError(
        "Expected baseline to be 'zero', 'mean' or 'blur', received {baseline!r}: choose one of them.",
        "baseline doit être 'zero', 'mean' ou 'blur', {baseline!r} reçu : choisir l'un des trois.",
        baseline=baseline,
    )


def masked(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Give images ``(n, h, w, c)`` times their maps ``(n, h, w)``: what the map does not mark becomes 0."""
    return images.astype(np.float32) * maps[..., None].astype(np.float32)


def complexity(maps: np.ndarray) -> np.ndarray:
    """Give the mean of each map, its L1 norm per pixel: 0..1, ``(n,)``; the less, the more it chooses (2104.10252)."""
    return maps.mean(axis=(1, 2), dtype=np.float64)


@dataclass(frozen=True)
class Masking:
    """What is left of the probability of the target when the image is multiplied by its map: all ``(n,)``.

    Read drop and increase beside ``complexity``: a map of ones loses nothing and says nothing. ``constant`` counts
    the maps that are the same everywhere; they are not left out.
    """

    before: np.ndarray
    after: np.ndarray
    complexity: np.ndarray
    constant: np.ndarray

    @property
    def drop(self) -> np.ndarray:
        """Give ``max(0, y - o) / y``, whose mean is the average drop (1710.11063); 0 where y = 0: nothing to lose."""
        lost = np.maximum(self.before - self.after, 0)
        return np.divide(lost, self.before, out=np.zeros_like(lost), where=self.before > 0)

    @property
    def increase(self) -> np.ndarray:
        """Say where ``o > y``; the share of these is the increase in confidence (1710.11063)."""
        return self.after > self.before

    @property
    def gain(self) -> np.ndarray:
        """Give ``max(0, o - y) / (1 - y)``, whose mean is the average gain (2301.07002); 0 where y = 1."""
        won, room = np.maximum(self.after - self.before, 0), 1 - self.before
        return np.divide(won, room, out=np.zeros_like(won), where=room > 0)


def masking(predict: Predict, images: np.ndarray, maps: np.ndarray, targets: np.ndarray) -> Masking:
    """Measure the probability of the targets with the images as they are, and multiplied by their maps.

    Raises SettingError for maps beyond 0..1 or of another size than the images.
    """
    _check(images, maps, targets)
    return Masking(
        before=_confidence(predict, images, targets),
        after=_confidence(predict, masked(images, maps), targets),
        complexity=complexity(maps),
        constant=similarity.constant(maps),
    )


def coherency(maps_of: MapsOf, images: np.ndarray, maps: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Give how alike maps and the maps of the images masked by them are: ``(1 + Pearson) / 2``, ``(n,)`` (2104.10252).

    NaN where one of the two is constant.
    """
    _check(images, maps, targets)
    again, _ = maps_of(masked(images, maps), targets)
    return (1 + similarity.pearson(maps, again)) / 2


def adcc(coherency: np.ndarray, complexity: np.ndarray, drop: np.ndarray) -> np.ndarray:
    """Give the harmonic mean of coherency, 1 - complexity and 1 - drop: 0..1, ``(n,)`` (2104.10252).

    0 where one of them is 0; NaN where the coherency is.
    """
    parts = np.stack([coherency, 1 - complexity, 1 - drop])
    with np.errstate(divide="ignore"):
        return len(parts) / (1 / parts).sum(axis=0)


@dataclass(frozen=True)
class Curves:
    """The probability of the target as pixels are replaced, the most relevant first.

    ``fractions`` ``(s,)`` are the exact shares of pixels replaced, from 0 to 1; ``probabilities`` ``(n, s)``.
    """

    fractions: np.ndarray
    probabilities: np.ndarray

    @property
    def auc(self) -> np.ndarray:
        """Give the area under each curve, by the trapezoidal rule: ``(n,)``."""
        return np.trapezoid(self.probabilities, self.fractions, axis=1)


def insertion(
    predict: Predict,
    images: np.ndarray,
    maps: np.ndarray,
    targets: np.ndarray,
    *,
    steps: int = 50,
    baseline: Baseline = "blur",
    chunk_size: int = 64,
) -> Curves:
    """Put the pixels of the images into the baseline, the most relevant first (1806.07421): a high area is good.

    The curve has ``steps`` + 1 points; its ends, the baseline and the image, are the same for all methods. Pixels of
    equal relevance go in reading order. ``chunk_size`` images are made at a time; the numbers do not depend on it.

    Raises SettingError for maps beyond 0..1 or of another size than the images, or ``steps`` without a pixel each.
    """
    _check(images, maps, targets)
    return _curves(predict, baseline_of(images, baseline), images, maps, targets, steps, chunk_size)


def deletion(
    predict: Predict,
    images: np.ndarray,
    maps: np.ndarray,
    targets: np.ndarray,
    *,
    steps: int = 50,
    baseline: Baseline = "zero",
    chunk_size: int = 64,
) -> Curves:
    """Replace the pixels of the images by the baseline, the most relevant first (1806.07421): a low area is good.

    Otherwise as ``insertion``.
    """
    _check(images, maps, targets)
    return _curves(predict, images, baseline_of(images, baseline), maps, targets, steps, chunk_size)


def _ranks(maps: np.ndarray) -> np.ndarray:
    """Give the place of each pixel in the order of falling relevance, from 0: ``(n, h, w)``; ties in reading order."""
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return ranks.reshape(maps.shape)


def _curves(
    predict: Predict,
    start: np.ndarray,
    end: np.ndarray,
    maps: np.ndarray,
    targets: np.ndarray,
    steps: int,
    chunk_size: int,
) -> Curves:
    n, height, width = maps.shape
    if not 1 <= steps <= height * width:
        raise SettingError(
            "Expected steps from 1 to the {pixels:,} pixels of an image, received {steps:,}: ask for fewer.",
            "steps doit aller de 1 aux {pixels:,} pixels d'une image, {steps:,} reçu : en demander moins.",
            pixels=height * width,
            steps=steps,
        )
    counts = np.round(np.linspace(0, height * width, steps + 1)).astype(int)
    ranks = _ranks(maps)

    def replaced(which: np.ndarray, step: np.ndarray) -> np.ndarray:
        done = ranks[which] < counts[step][:, None, None]
        return np.where(done[..., None], end[which], start[which])

    probabilities = _by_chunks(predict, replaced, targets, (n, steps + 1), chunk_size)
    return Curves(fractions=counts / (height * width), probabilities=probabilities)


def _by_chunks(
    predict: Predict,
    make: Callable[[np.ndarray, np.ndarray], np.ndarray],
    targets: np.ndarray,
    shape: tuple[int, int],
    chunk_size: int,
) -> np.ndarray:
    """Give the probability of the target of every image in every state, ``(n, states)``, some images at a time.

    ``make(images, states)`` makes the images of these two arrays of numbers.
    """
    pairs = np.indices(shape).reshape(2, -1)
    parts = []
    for begin in range(0, pairs.shape[1], chunk_size):
        which, state = pairs[:, begin : begin + chunk_size]
        parts.append(_confidence(predict, make(which, state), np.asarray(targets)[which]))
    return np.concatenate(parts).reshape(shape)


@cache
def _neighbours(height: int, width: int) -> sparse.csr_matrix:
    """Give the weights of the eight neighbours of every pixel: 1/6 beside, above and below, 1/12 aslant."""

    def line(length: int) -> sparse.spmatrix:
        return sparse.diags([1.0, 1.0], [-1, 1], shape=(length, length))

    rows, columns = line(height), line(width)
    direct = sparse.kron(sparse.identity(height), columns) + sparse.kron(rows, sparse.identity(width))
    return (direct / 6 + sparse.kron(rows, columns) / 12).tocsr()


def impute(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Fill the removed pixels ``(h, w)`` of an image ``(h, w, c)`` in: each becomes the mean of its neighbours.

    Weighted by 1/6 beside, above and below and 1/12 aslant; at a border, by those that there are (2202.00449). One
    sparse linear system. At least one pixel must be left.
    """
    height, width, channels = image.shape
    gone = removed.ravel()
    filled = image.reshape(-1, channels).astype(np.float64)
    if gone.any():
        weights = _neighbours(height, width)[gone]
        system = sparse.diags(np.asarray(weights.sum(axis=1)).ravel()) - weights[:, gone]
        known = weights[:, ~gone] @ filled[~gone]
        # The matrix is symmetric and its diagonal dominates: no pivoting, half the time of the general solver.
        solver = splu(
            system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        filled[gone] = solver.solve(known)
    return filled.reshape(image.shape).astype(np.float32)


@dataclass(frozen=True)
class Road:
    """The probability of the target with a share of the pixels imputed away: ``(n, f)`` for ``fractions`` ``(f,)``.

    ``most``: the most relevant first (MoRF; low is good). ``least``: the least relevant first (LeRF; high is good).
    """

    fractions: np.ndarray
    most: np.ndarray
    least: np.ndarray

    @property
    def combined(self) -> np.ndarray:
        """Give the mean over the fractions of ``(LeRF - MoRF) / 2``: ``(n,)``; high is good, 0 is a random map's."""
        return (self.least - self.most).mean(axis=1) / 2


def road(
    predict: Predict,
    images: np.ndarray,
    maps: np.ndarray,
    targets: np.ndarray,
    *,
    seed: int,
    fractions: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8),
    noise: float = 0.01,
    chunk_size: int = 64,
) -> Road:
    """Remove and debias (2202.00449): impute the most, and the least, relevant pixels from their neighbours.

    Normal ``noise``, a share of the range of each image's values, is added to what was imputed; it is the same for
    every map of an image, so that methods differ by their order alone. Pixels of equal relevance go in reading order.

    Raises SettingError for maps beyond 0..1 or of another size than the images, or fractions that leave no pixel.
    """
    _check(images, maps, targets)
    n, height, width = maps.shape
    counts = np.round(np.array(fractions) * height * width).astype(int)
    if not (counts.min() >= 0 and counts.max() < height * width):
        raise SettingError(
            "Expected fractions from 0 to less than 1, so that a pixel is left to impute from, received {fractions}: "
            "choose smaller ones.",
            "Fractions de 0 à moins de 1 attendues, pour qu'un pixel reste dont déduire les autres, {fractions} "
            "reçu : en choisir de plus petites.",
            fractions=", ".join(map(str, fractions)),
        )
    ranks = _ranks(maps)
    deviations = noise * (images.max(axis=(1, 2, 3)) - images.min(axis=(1, 2, 3)))

    def imputed(which: np.ndarray, state: np.ndarray) -> np.ndarray:
        made = []
        for i, number in zip(which, state, strict=True):
            least_first, count = number >= len(counts), counts[number % len(counts)]
            removed = ranks[i] >= height * width - count if least_first else ranks[i] < count
            field = np.random.default_rng([seed, i]).normal(0, deviations[i], images.shape[1:])
            made.append(impute(images[i], removed) + np.where(removed[..., None], field, 0))
        return np.stack(made).astype(np.float32)

    probabilities = _by_chunks(predict, imputed, targets, (n, 2 * len(counts)), chunk_size)
    most, least = np.split(probabilities, 2, axis=1)
    return Road(fractions=counts / (height * width), most=most, least=least)


@dataclass(frozen=True)
class Sensitivity:
    """How far the maps of an image and of its noisy copies lie apart: the mean and the greatest, ``(n,)``.

    ``kept`` ``(n,)`` is the share of the copies whose predicted class is that of the image.
    """

    mean: np.ndarray
    greatest: np.ndarray
    kept: np.ndarray


def sensitivity(
    maps_of: MapsOf,
    images: np.ndarray,
    targets: np.ndarray,
    *,
    seed: int,
    radius: float = 0.02,
    n_draws: int = 10,
) -> Sensitivity:
    """Measure ``||M(x + d) - M(x)|| / ||M(x)||`` over uniform noise d in ± ``radius`` (1901.09392, 2005.00631).

    ``radius`` is a share of the range of each image's values; the noise is symmetric and never clipped. The class
    explained stays the same. NaN where the map of the image is 0 everywhere.
    """
    maps, probabilities = maps_of(images, targets)
    predicted = probabilities.argmax(axis=1)
    reach = radius * (images.max(axis=(1, 2, 3), keepdims=True) - images.min(axis=(1, 2, 3), keepdims=True))
    norms = np.linalg.norm(maps.astype(np.float64), axis=(1, 2))
    distances, kept = [], []
    for rng in np.random.default_rng(seed).spawn(n_draws):
        noisy = (images + reach * rng.uniform(-1, 1, images.shape)).astype(np.float32)
        moved, answers = maps_of(noisy, targets)
        difference = np.linalg.norm(moved.astype(np.float64) - maps, axis=(1, 2))
        distances.append(np.divide(difference, norms, out=np.full(len(norms), np.nan), where=norms > 0))
        kept.append(answers.argmax(axis=1) == predicted)
    return Sensitivity(np.mean(distances, axis=0), np.max(distances, axis=0), np.mean(kept, axis=0))


def random_maps(n: int, shape: tuple[int, int], cells: tuple[int, int], *, seed: int) -> np.ndarray:
    """Draw maps ``(n, *shape)`` in 0..1 that know nothing: uniform at ``cells``, enlarged linearly as a CAM is.

    A measure of these is what a measure of a method must surpass.
    """
    drawn = np.random.default_rng(seed).random((n, *cells))
    return normalised(resized(drawn, shape))


def randomisation(before: np.ndarray, after: np.ndarray, by_chance: np.ndarray) -> pd.DataFrame:
    """Compare maps with those of the same network after its weights were randomised (1810.03292).

    All are ``(n, h, w)``; ``by_chance`` are maps that know nothing (``random_maps``). A row for each of ``pearson``,
    ``spearman``, ``ssim``: ``mean``, ``low``, ``high`` and ``n`` of the similarity of before and after, over images,
    and ``chance_mean``, ``chance_low``, ``chance_high`` of the similarity of before and ``by_chance``. ``alike`` says
    that even ``low`` lies above ``chance_high``: the maps do not depend on what the network has learned, or not on
    that alone. A pair with a constant map counts in ``n_undefined``, and nowhere else.
    """
    rows = []
    for name in ("pearson", "spearman", "ssim"):
        measure = similarity.MEASURES[name]
        mean, low, high, n = metrics.mean_interval(measure(before, after))
        chance = metrics.mean_interval(measure(before, by_chance))
        rows.append(
            {
                "measure": name,
                "mean": mean,
                "low": low,
                "high": high,
                "n": n,
                "n_undefined": len(before) - n,
                "chance_mean": chance[0],
                "chance_low": chance[1],
                "chance_high": chance[2],
                "alike": low > chance[2],
            }
        )
    return pd.DataFrame(rows)


def pointing_game(maps: np.ndarray, masks: np.ndarray, tolerance: float = 0) -> np.ndarray:
    """Say whether the highest pixel of each map lies on the object, ``masks`` ``(n, h, w)`` of bool: ``(n,)``.

    Or at most ``tolerance`` pixels from it (Zhang 2016). Of several highest pixels the share of hits counts, what one
    drawn at random would hit in the mean: a constant map has the share of the image that is the object, chance. NaN
    without an object.
    """
    rates = np.full(len(maps), np.nan)
    for i, (each, mask) in enumerate(zip(maps, masks, strict=True)):
        if mask.any():
            near = ndimage.distance_transform_edt(~mask) <= tolerance
            rates[i] = near[each == each.max()].mean()
    return rates


def iou_at_area(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Give the overlap of each mask with as many of the map's highest pixels: intersection over union, ``(n,)``.

    Ties share the last places. NaN without an object.
    """
    counts = masks.sum(axis=(1, 2))
    iou = similarity.overlap(similarity.top(maps, counts), masks.astype(np.float64))
    return np.where(counts > 0, iou, np.nan)


def iou_at(maps: np.ndarray, masks: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Give the overlap of each mask with the pixels of at least ``threshold``: intersection over union, ``(n,)``.

    NaN without an object.
    """
    return np.where(masks.any(axis=(1, 2)), similarity.overlap(maps >= threshold, masks), np.nan)


def energy_inside(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Give the share of the map's sum that lies on the object: ``sum(M mask) / sum M``, ``(n,)`` (1910.01279).

    NaN without an object, or for a map of zeros.
    """
    inside = maps.sum(axis=(1, 2), where=masks, dtype=np.float64)
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    defined = masks.any(axis=(1, 2)) & (total > 0)
    return np.divide(inside, total, out=np.full(len(total), np.nan), where=defined)
