"""Class activation maps from what the maps hold: what is lost without one, what most of them share, where they peak.

A: the layer's maps ``(n, h', w', k)``; y: the score of the class, by default its logit; G = dy / dA.
"""

from __future__ import annotations

import numpy as np

from mi204.explain.cam import check_least, mean_over_pixels, over_pixels, weighted_sum
from mi204.explain.engine import Run
from mi204.explain.methods import method


@method("ablationcam", "Ablation-CAM", "Desai and Ramaswamy, WACV 2020")
def ablationcam(run: Run) -> np.ndarray:
    """Weight each map by what the score loses without it: ``w_k = y - y(A_k = 0)``.

    The paper divides by y, the same for all maps; not so here, as a negative logit would turn the map over. It needs a
    pass for each map that is not 0 itself.
    """
    activations, scores = run.activations, run.passed.scores
    n, maps = len(activations), np.any(activations, axis=(0, *over_pixels(activations))).nonzero()[0]
    weights = np.zeros((n, activations.shape[-1]))
    for part in run.slices(len(maps)) if len(maps) else ():
        owner, absent = np.repeat(np.arange(n), len(part)), np.tile(maps[part.start : part.stop], n)
        taken, rows = np.zeros((len(owner), *activations.shape[1:]), np.float32), np.arange(len(owner))
        taken[rows, ..., absent] = -np.moveaxis(activations, -1, 1)[owner, absent]
        without = run.passes(run.images[owner], owner, added=taken, gradient=False).scores
        weights[owner, absent] = scores[owner] - without
    return weighted_sum(weights, activations)


@method("eigencam", "Eigen-CAM", "Muhammad and Yeasin, 2020, 2008.00299", of_class=False)
def eigencam(run: Run) -> np.ndarray:
    """Project each pixel's values, less their mean over the pixels, on the direction in which they vary most.

    ``A v_1``, v_1 the first right singular vector of A as a matrix (pixels, k), each column less its mean; its sign is
    the one for which the map goes along with the sum of the maps. The same for every class.
    """
    return _principal(run.activations)


@method("eigengradcam", "EigenGrad-CAM", "Gildenblat et al., 2021, pytorch-grad-cam")
def eigengradcam(run: Run) -> np.ndarray:
    """Project as Eigen-CAM does, but each pixel of each map times its gradient: ``G A``."""
    return _principal(run.gradients * run.activations)


def _principal(maps: np.ndarray) -> np.ndarray:
    """Project the pixels of ``(n, h, w, k)`` on their first principal component, along with their sum over k."""
    n, *sides, k = maps.shape
    # In double precision, so that the backends' rounding stays as small as it was.
    matrices = maps.reshape(n, -1, k).astype(np.float64)
    matrices -= matrices.mean(axis=1, keepdims=True)
    transposed = matrices.swapaxes(1, 2)
    # Of the products of the matrix with itself, the smaller: a singular value decomposition takes far longer.
    if matrices.shape[1] <= k:
        values, vectors = np.linalg.eigh(matrices @ transposed)
        projected = vectors[:, :, -1] * np.sqrt(np.maximum(values[:, -1:], 0))
    else:
        projected = (matrices @ np.linalg.eigh(transposed @ matrices)[1][:, :, -1:])[:, :, 0]
    along = np.einsum("np,npk->n", projected, matrices)
    return (projected * np.where(along < 0, -1, 1)[:, None]).reshape(n, *sides)


@method("fem", "FEM", "Fuad et al., IPTA 2020", of_class=False)
def fem(run: Run, *, deviations: float = 2.0) -> np.ndarray:
    """Mark where each map is rarely strong, weighted by its mean: ``sum_k mean(A_k) [A_k > mean + d std]``.

    ``deviations``: d, in standard deviations over the pixels. The same for every class. Raises SettingError for a
    negative one.
    """
    check_least("deviations", deviations, 0)
    activations = run.activations.astype(np.float64)
    pixels = over_pixels(activations)
    threshold = activations.mean(axis=pixels, keepdims=True) + deviations * activations.std(axis=pixels, keepdims=True)
    return weighted_sum(mean_over_pixels(activations), activations > threshold)
