"""Class activation maps without gradients: each map is weighted by what the class scores where it lets the image show.

A: the layer's maps ``(n, h', w', k)``; H_k: A_k enlarged to the image and scaled to [0, 1], the mask of map k; x: an
image. The weights are ``softmax_k(s_k)``, s_k the score of the masked image: what a baseline scores, the same for all
maps, cancels. A map that is constant hides and shows nothing: its weight is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from mi204.explain.cam import check_choice, check_least, over_pixels, weighted_sum
from mi204.explain.engine import Run
from mi204.explain.maps import normalised, resized
from mi204.explain.methods import method


@method("scorecam", "Score-CAM", "Wang et al., 2020, 1910.01279")
def scorecam(run: Run, *, probability: bool = True) -> np.ndarray:
    """Weight each map by the score of the image under its mask: ``s_k = y(x H_k)``.

    ``probability``: y is the probability that the network answers, as the paper prefers; else the score explained, by
    default the logit. It needs a pass for each map.
    """
    return _score_weighted(run, _varied(run.activations).any(axis=0).nonzero()[0], _masked, probability=probability)


@method("faster_scorecam", "Faster Score-CAM", "Wang et al., 2020, 1910.01279; tabayashi0117, 2020")
def faster_scorecam(run: Run, *, maps: int = 10, probability: bool = True) -> np.ndarray:
    """Make Score-CAM of those ``maps`` alone that vary most over the pixels, by their standard deviation.

    ``probability`` as in ``scorecam``. Raises SettingError for no map.
    """
    check_least("maps", maps, 1, whole=True)
    deviations = run.activations.std(axis=over_pixels(run.activations), dtype=np.float64)
    most = np.argsort(-deviations, axis=1, kind="stable")[:, : int(maps)]
    return _score_weighted(run, most, _masked, probability=probability)


@method("sscam", "SS-CAM", "Naidu and Michael, 2020, 2006.14255")
def sscam(
    run: Run,
    *,
    samples: int = 10,
    noise: float = 0.2,
    variant: Literal["mask", "input"] = "mask",
    probability: bool = True,
) -> np.ndarray:
    """Smooth the scores of Score-CAM over noise: ``s_k = mean_i y(x (H_k + d_i))``, or ``mean_i y(x H_k + d_i)``.

    ``variant``: noise on the mask, which covers [0, 1], or on the masked input; ``noise``: its deviation, for ``input``
    as a share of the range of the image's values. All maps of an image see the same ``samples`` draws, so that they
    differ by their masks alone. ``probability`` as in ``scorecam``. Raises SettingError for no sample, negative noise
    or another variant.
    """
    check_least("samples", samples, 1, whole=True)
    check_least("noise", noise, 0)
    check_choice("variant", variant, ("mask", "input"))
    images = run.images
    shape = (int(samples), *images.shape[1:-1], 1 if variant == "mask" else images.shape[-1])
    draws = noise * np.stack([run.generator(i).standard_normal(shape, dtype=np.float32) for i in range(len(images))])
    if variant == "input":
        draws *= np.ptp(images.reshape(len(images), -1), axis=1).reshape(-1, *[1] * (draws.ndim - 1))

    def noisy(images: np.ndarray, masks: np.ndarray, owner: np.ndarray, sample: np.ndarray) -> np.ndarray:
        if variant == "mask":
            return images * (masks + draws[owner, sample])
        return images * masks + draws[owner, sample]

    maps = _varied(run.activations).any(axis=0).nonzero()[0]
    return _score_weighted(run, maps, noisy, repeats=int(samples), probability=probability)


@method("iscam", "IS-CAM", "Naidu et al., 2020, 2010.03023")
def iscam(run: Run, *, steps: int = 10, probability: bool = True) -> np.ndarray:
    """Average the scores of Score-CAM while the mask grows from nothing: ``s_k = mean_i y(x (i / steps) H_k)``.

    i from 1 to ``steps``. ``probability`` as in ``scorecam``. Raises SettingError for no step.
    """
    check_least("steps", steps, 1, whole=True)

    def growing(images: np.ndarray, masks: np.ndarray, owner: np.ndarray, step: np.ndarray) -> np.ndarray:
        shares = ((step + 1) / steps).astype(np.float32)
        return images * masks * shares.reshape(-1, *[1] * (images.ndim - 1))

    maps = _varied(run.activations).any(axis=0).nonzero()[0]
    return _score_weighted(run, maps, growing, repeats=int(steps), probability=probability)


def _varied(activations: np.ndarray) -> np.ndarray:
    """Say of each map ``(n, k)`` whether it is other than constant."""
    return np.ptp(activations, axis=over_pixels(activations)) > 0


def _masked(images: np.ndarray, masks: np.ndarray, owner: np.ndarray, repeat: np.ndarray) -> np.ndarray:
    return images * masks


def _score_weighted(
    run: Run, maps: np.ndarray, perturbed: Callable, *, repeats: int = 1, probability: bool
) -> np.ndarray:
    """Sum ``maps``, numbers (m,) or of each image ``(n, m)``, weighted by the softmax of their scores.

    ``perturbed``: makes images ``(v, h, w, c)`` of images, their masks ``(v, h, w, 1)``, the numbers (v,) of the images
    in the chunk, and which of ``repeats`` each is: the score of a map is the mean over them. No more images are made
    at once than go through the network at once.
    """
    activations = np.moveaxis(run.activations, -1, 1)
    n = len(activations)
    maps = np.broadcast_to(maps, (n, maps.shape[-1]))
    scores = np.zeros((n, maps.shape[1] * repeats))
    for part in run.slices(scores.shape[1]) if scores.size else ():
        owner = np.repeat(np.arange(n), len(part))
        variant = np.tile(np.arange(part.start, part.stop), n)
        masks = normalised(resized(activations[owner, maps[owner, variant // repeats]], run.images.shape[1:-1]))
        images = perturbed(run.images[owner], masks[..., None], owner, variant % repeats)
        passed = run.answers(images.astype(np.float32, copy=False), owner)
        answers = passed.scores
        if probability and run.coefficients is not None:
            answers = (run.coefficients[owner] * passed.probabilities).sum(axis=1)
        scores[:, part.start : part.stop] = answers.reshape(n, len(part))
    varied = np.take_along_axis(_varied(run.activations), maps, axis=1)
    scores = np.where(varied, scores.reshape(n, maps.shape[1], repeats).mean(axis=2), -np.inf)
    # Where all maps are constant all weights are 0.
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True, initial=np.finfo(scores.dtype).min))
    totals = exponentials.sum(axis=1, keepdims=True)
    weights = np.zeros(activations.shape[:2])
    np.put_along_axis(weights, maps, exponentials / np.where(totals > 0, totals, 1), axis=1)
    return weighted_sum(weights, run.activations)
