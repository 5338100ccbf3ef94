"""Class activation maps: what the maps of a layer, weighted, say of a class.

A: the layer's maps ``(n, h', w', k)``; y: the score of the class, by default its logit; G = dy / dA.
"""

from __future__ import annotations

import numpy as np

from mi204.explain.engine import Run
from mi204.explain.methods import method


def weighted_sum(weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
    """Sum maps ``(n, h, w, k)`` times weights ``(n, k)`` over k."""
    return np.einsum("nk,n...k->n...", weights, activations)


def mean_over_pixels(maps: np.ndarray) -> np.ndarray:
    """Average ``(n, h, w, k)`` over the pixels: ``(n, k)``."""
    return maps.mean(axis=tuple(range(1, maps.ndim - 1)))


@method("gradcam", "Grad-CAM", "Selvaraju et al., 2017, 1610.02391")
def gradcam(run: Run) -> np.ndarray:
    """Weight each map by the mean of its gradient: ``sum_k mean(G_k) A_k``."""
    return weighted_sum(mean_over_pixels(run.gradients), run.activations)
