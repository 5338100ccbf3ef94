"""Perturbation: what the score loses when parts of the image are covered; only answers are needed, no gradient.

x: an image; b: what covers it; y: the score of the class, by default its logit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mi204.errors import SettingError
from mi204.explain.attribution import baseline_for
from mi204.explain.engine import Run
from mi204.explain.maps import resized
from mi204.explain.methods import method

Sides = int | Sequence[int] | None
"""Pixels along each side of the image, or the same along all."""


@method("occlusion", "Occlusion", "Zeiler and Fergus, 2013, 1311.2901", place="input")
def occlusion(run: Run, *, patch: Sides = None, stride: Sides = None, baseline: Any = 0.0) -> np.ndarray:
    """Average, over the patches that cover a pixel, what the score loses by them: ``y(x) - y(x with b there)``.

    ``patch``: by default an eighth of each side, rounded up; ``stride``: by default half a patch. The last patch of
    a side ends with it, nearer to the one before than the others. ``baseline``: as in ``integrated_gradients``. Raises
    SettingError for a patch larger than the image, or a stride that would leave gaps.
    """
    sides = run.images.shape[1:-1]
    patch = _along(sides, patch, "patch") if patch is not None else tuple(-(-side // 8) for side in sides)
    stride = _along(sides, stride, "stride") if stride is not None else tuple(-(-size // 2) for size in patch)
    if any(not 1 <= size <= side for size, side in zip(patch, sides, strict=True)):
        raise SettingError(
            "Expected a patch of at least 1 pixel and at most the image, {sides}, received {patch}.",
            "patch d'au moins 1 pixel et d'au plus l'image, {sides}, attendu, {patch} reçu.",
            sides=_times(sides), patch=_times(patch),
        )
    if any(not 1 <= step <= size for step, size in zip(stride, patch, strict=True)):
        raise SettingError(
            "Expected a stride of at least 1 pixel and at most the patch, {patch}, so that all is covered, received "
            "{stride}.",
            "stride d'au moins 1 pixel et d'au plus patch, {patch}, attendu, pour que tout soit couvert, {stride} "
            "reçu.",
            patch=_times(patch), stride=_times(stride),
        )
    places = list(itertools.product(*map(windows, sides, patch, stride)))
    cover = baseline_for(run.images, baseline)
    whole = run.passed.scores
    losses, covered = np.zeros((len(run.images), *sides)), np.zeros(sides)
    for part in run.slices(len(places)):
        variants = np.repeat(run.images[:, None], len(part), axis=1)
        for number, place in enumerate(part):
            variants[:, number, *places[place]] = cover[:, *places[place]]
        scores = _answers(run, variants)
        for number, place in enumerate(part):
            loss = whole - scores[:, number]
            losses[:, *places[place]] += loss.reshape(-1, *[1] * len(sides))
            covered[places[place]] += 1
    return losses / covered


def windows(side: int, size: int, step: int) -> list[slice]:
    """Cut a side into windows of one size; the last ends with the side."""
    starts = [*range(0, side - size, step), side - size]
    return [slice(start, start + size) for start in starts]


def _along(sides: Sequence[int], pixels: int | Sequence[int], name: str) -> tuple[int, ...]:
    """Give the pixels along each side."""
    along = np.atleast_1d(np.asarray(pixels))
    if along.dtype.kind not in "iu" or along.ndim != 1 or len(along) not in (1, len(sides)):
        raise SettingError(
            "Expected {name} to be a whole number, or one for each of the {n:#side|sides}, received {pixels!r}.",
            "{name} doit être un nombre entier, ou un par côté ({n}), {pixels!r} reçu.",
            name=name, n=len(sides), pixels=pixels,
        )
    return tuple(np.broadcast_to(along, len(sides)).tolist())


def _times(sides: Sequence[int]) -> str:
    return " × ".join(map(str, sides))


@method("rise", "RISE", "Petsiuk et al., 2018, 1806.07421", place="input", rectified=False)
def rise(run: Run, *, masks: int = 1000, cells: int = 7, keep: float = 0.5, baseline: Any = 0.0) -> np.ndarray:
    """Average random masks, each weighted by the score of what it lets through.

    ``sum_i y(b + m_i (x - b)) m_i / (keep masks)``. A mask m: ``cells`` cells along each side, each 1 with probability
    ``keep``, else 0, enlarged linearly and shifted by a part of a cell; the same masks for all images. ``baseline``: b,
    as in ``integrated_gradients``; the paper's is 0. Raises SettingError for no mask or cell, or a probability not
    between 0 and 1.
    """
    if masks < 1 or cells < 1 or not 0 < keep < 1:
        raise SettingError(
            "Expected at least 1 mask, at least 1 cell and keep between 0 and 1, received masks = {masks}, cells = "
            "{cells}, keep = {keep:g}.",
            "Au moins 1 masque (masks), au moins 1 case (cells) et keep entre 0 et 1 attendus, masks = {masks}, cells "
            "= {cells}, keep = {keep:g} reçu.",
            masks=masks, cells=cells, keep=keep,
        )
    sides = run.images.shape[1:-1]
    generator = np.random.default_rng(run.seed)
    hidden = baseline_for(run.images, baseline)
    total = np.zeros((len(run.images), *sides))
    for part in run.slices(masks):
        drawn = np.stack([_mask(generator, sides, cells, keep) for _ in part])
        variants = hidden[:, None] + drawn[..., None] * (run.images - hidden)[:, None]
        total += np.einsum("nm,m...->n...", _answers(run, variants), drawn)
    return total / (keep * masks)


def _mask(generator: np.random.Generator, sides: Sequence[int], cells: int, keep: float) -> np.ndarray:
    """Draw a mask of the size of the image."""
    grid = (generator.random((cells,) * len(sides)) < keep).astype(np.float32)
    pixels = [-(-side // cells) for side in sides]  # of a cell
    large = resized(grid[None], [(cells + 1) * size for size in pixels])[0]
    shifts = [generator.integers(size) for size in pixels]
    return large[tuple(slice(shift, shift + side) for shift, side in zip(shifts, sides, strict=True))]


def _answers(run: Run, variants: np.ndarray) -> np.ndarray:
    """Give the scores ``(n, m)`` of variants ``(n, m, h, w, c)`` of each image, of its target."""
    owner = np.repeat(np.arange(len(variants)), variants.shape[1])
    return run.answers(variants.reshape(-1, *variants.shape[2:]), owner).scores.reshape(variants.shape[:2])
