"""Class activation maps from one gradient: weights by what the maps hold, or a weight of its own for each pixel.

A: the layer's maps ``(n, h', w', k)``; y: the score of the class, by default its logit; G = dy / dA.
"""

from __future__ import annotations

import numpy as np

from mi204.explain.cam import check_least, over_pixels, weighted_sum
from mi204.explain.engine import Run
from mi204.explain.maps import resized
from mi204.explain.methods import method


@method("xgradcam", "XGrad-CAM", "Fu et al., 2020, 2008.02312")
def xgradcam(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Weight each map by its gradient, averaged where the map is strong: ``w_k = sum G_k A_k / sum A_k``.

    0 for a map that sums to 0. The quotient is an average only of maps without negative values: their share of all
    magnitudes, 0 to 1, is given as ``negative_share``, 0 after a ReLU.
    """
    activations, pixels = run.activations, over_pixels(run.activations)
    sums = activations.sum(axis=pixels)
    weights = (run.gradients * activations).sum(axis=pixels) / np.where(sums == 0, 1, sums)
    magnitudes = np.abs(activations).sum(axis=(*pixels, -1))
    negative = np.maximum(-activations, 0).sum(axis=(*pixels, -1))
    share = negative / np.where(magnitudes > 0, magnitudes, 1)
    return weighted_sum(np.where(sums == 0, 0, weights), activations), {"negative_share": share}


@method("layercam", "LayerCAM", "Jiang et al., TIP 2021", place="layers")
def layercam(run: Run, *, gamma: float = 2.0) -> np.ndarray:
    """Weight each pixel of each map by its own positive gradient: ``sum_k relu(G_k) A_k``.

    Maps M of several layers are rectified, enlarged to the image, and scaled: ``M / max M`` at the layer that the
    network calls last, ``tanh(gamma M / max M)`` at the earlier ones, whose values are few and great; their greatest
    value at each pixel is the map. Raises SettingError for a gamma that is not positive.
    """
    check_least("gamma", gamma, np.finfo(np.float32).eps)
    maps = [
        (np.maximum(gradients, 0) * activations).sum(axis=-1)
        for activations, gradients in zip(run.passed.activations, run.passed.gradients, strict=True)
    ]
    if len(maps) == 1:
        return maps[0]
    last = max(map(run.surveyed.calls.index, run.places))
    fused = []
    for place, one in zip(run.places, maps, strict=True):
        one = resized(np.maximum(one, 0), run.images.shape[1:-1])
        most = one.max(axis=over_pixels(one[..., None]), keepdims=True)
        scaled = one / np.where(most > 0, most, 1)
        fused.append(scaled if run.surveyed.calls.index(place) == last else np.tanh(gamma * scaled))
    return np.max(fused, axis=0)


@method("hirescam", "HiResCAM", "Draelos and Carin, 2020, 2011.08891")
def hirescam(run: Run) -> np.ndarray:
    """Weight each pixel of each map by its own gradient: ``sum_k G_k A_k``.

    Behind maps that one dense layer reads, its pixels sum to the logit less the bias.
    """
    return (run.gradients * run.activations).sum(axis=-1)


@method("gradcam_elementwise", "Element-wise Grad-CAM", "Pillai and Pirsiavash, AAAI 2021")
def gradcam_elementwise(run: Run) -> np.ndarray:
    """Sum what is positive of each pixel's product with its gradient: ``sum_k relu(G_k A_k)``."""
    return np.maximum(run.gradients * run.activations, 0).sum(axis=-1)
