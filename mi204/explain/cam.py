"""Class activation maps: the maps of a layer, weighted by what they say of a class, and summed.

A: the layer's maps ``(n, h', w', k)``; y: the score of the class, by default its logit; G = dy / dA. Raw maps are given
before the rectification of what is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from keras import ops

from mi204.errors import SettingError
from mi204.explain.engine import Run
from mi204.explain.methods import method
from mi204.language import Text


def weighted_sum(weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
    """Sum maps ``(n, h, w, k)`` times weights ``(n, k)`` over k."""
    return np.einsum("nk,n...k->n...", weights, activations)


def over_pixels(maps: np.ndarray) -> tuple[int, ...]:
    """Name the axes of the pixels in ``(n, h, w, k)``."""
    return tuple(range(1, maps.ndim - 1))


def mean_over_pixels(maps: np.ndarray) -> np.ndarray:
    """Average ``(n, h, w, k)`` over the pixels: ``(n, k)``."""
    return maps.mean(axis=over_pixels(maps))


def check_least(name: str, value: Any, least: float, *, whole: bool = False) -> None:
    """Raise SettingError for a setting that is no number of at least ``least``, or no whole one where it must be."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if number and math.isfinite(value) and value >= least and not (whole and value != int(value)):
        return
    raise SettingError(
        "Expected {name} to be a {kind} of at least {least}, received {value!r}.",
        "{name} doit être un {kind} d'au moins {least}, {value!r} reçu.",
        name=name, least=least, value=value,
        kind=Text("whole number", "nombre entier") if whole else Text("number", "nombre"),
    )


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise SettingError for a setting that is none of the choices."""
    if value not in choices:
        raise SettingError(
            "Expected {name} to be one of {choices}, received {value!r}.",
            "{name} parmi {choices} attendu, {value!r} reçu.",
            name=name, choices=", ".join(choices), value=value,
        )


@method("cam", "CAM", "Zhou et al., 2016, 1512.04150", rectified=False)
def cam(run: Run) -> np.ndarray:
    """Weight each map by the class's weight in the layer behind the pooling: ``sum_k W[k, c] A_k``.

    For networks that end in global average pooling and one dense layer, or a 1 x 1 convolution before or behind the
    pooling: ``mean(map) + bias = logit``, by which the layer is found among those called after the maps. Raises
    SettingError for other networks, and for a target that is no class.
    """
    if run.coefficients is None:
        raise SettingError(
            "Expected target to be a class for cam, received a function: choose gradcam.",
            "target doit être une classe pour cam, une fonction reçue : choisir gradcam.",
        )
    pooled, logits = mean_over_pixels(run.activations), run.passed.logits
    for weights, bias in _heads(run):
        found = pooled @ weights + bias
        if found.shape == logits.shape and np.abs(found - logits).max() <= 1e-2 * np.abs(logits).max():
            return weighted_sum(run.coefficients @ weights.T, run.activations)
    raise SettingError(
        "Expected for cam a network that ends in global average pooling of {layer} and one dense layer, received one "
        "whose logits are not these: choose gradcam, which needs no such end, or another layer.",
        "cam demande un réseau qui finit par la moyenne globale de {layer} et une couche dense, les logits de celui "
        "reçu n'en sont pas : choisir gradcam, qui ne demande pas cette fin, ou une autre couche.",
        layer=run.places[0].path,
    )


def _heads(run: Run) -> Iterator[tuple[np.ndarray, np.ndarray | float]]:
    """Give weights ``(k, classes)`` and biases (classes,) that might make the logits of the pooled maps.

    Of each layer called after the maps that has a weight for each map and class; then none, where maps are classes.
    """
    place, classes = run.places[0], run.passed.logits.shape[1]
    calls = run.surveyed.calls
    for call in calls[calls.index(place) + 1 :]:
        kernel = getattr(call.operation, "kernel", None)
        if kernel is None or math.prod(kernel.shape[:-1]) != place.channels:
            continue
        weights = ops.convert_to_numpy(kernel).reshape(place.channels, -1)
        bias = getattr(call.operation, "bias", None)
        bias = np.zeros(weights.shape[1], np.float32) if bias is None else ops.convert_to_numpy(bias)
        if weights.shape[1] == 1 and classes == 2:  # one sigmoid tells two classes apart
            weights, bias = np.concatenate([-weights, weights], axis=1), np.concatenate([-bias, bias])
        yield weights, bias
    if place.channels == classes:
        yield np.eye(classes, dtype=np.float32), 0.0


@method("gradcam", "Grad-CAM", "Selvaraju et al., 2017, 1610.02391")
def gradcam(run: Run, *, counterfactual: bool = False) -> np.ndarray:
    """Weight each map by the mean of its gradient: ``sum_k mean(G_k) A_k``.

    ``counterfactual``: of -G, which shows what speaks against the class.
    """
    return weighted_sum((-1 if counterfactual else 1) * mean_over_pixels(run.gradients), run.activations)


@method("gradcam+", "Grad-CAM+", "Lerma and Lucas, 2022, 2205.10838")
def gradcam_plus(run: Run) -> np.ndarray:
    """Weight each map by the mean of its positive gradient: ``sum_k mean(relu(G_k)) A_k``."""
    return weighted_sum(mean_over_pixels(np.maximum(run.gradients, 0)), run.activations)


@method("gradcam++", "Grad-CAM++", "Chattopadhyay et al., 2018, 1710.11063")
def gradcam_plus_plus(run: Run, *, variant: Literal["paper", "author"] = "paper") -> np.ndarray:
    """Weight each map by its positive gradients, each pixel in its own measure: ``w_k = sum alpha relu(G_k)``.

    ``alpha = G^2 / (2 G^2 + S_k G^3)``, with ``S_k = sum A_k``, is 1 / (2 + S_k G): so it is reckoned, as powers of
    small gradients vanish in float32. S_k counts as 0 where it is negative, which no ReLU answers. ``author``: alphas
    of the authors' code, divided by their sum over all pixels; negative gradients bring it near a pole. Raises
    SettingError for another variant.
    """
    check_choice("variant", variant, ("paper", "author"))
    activations, gradients = run.activations, run.gradients.astype(np.float64)
    pixels = over_pixels(activations)
    sums = activations.sum(axis=pixels, keepdims=True, dtype=np.float64)
    positive = np.maximum(gradients, 0)
    if variant == "paper":
        weights = (positive / (2 + np.maximum(sums, 0) * positive)).sum(axis=pixels)
    else:
        alphas = np.where(gradients != 0, _divided(1, 2 + sums * gradients), 0)
        alphas = _divided(alphas, alphas.sum(axis=pixels, keepdims=True))
        weights = (alphas * positive).sum(axis=pixels)
    return weighted_sum(weights, activations)


def _divided(numerator: Any, denominator: np.ndarray) -> np.ndarray:
    """Divide; by 1 where the divisor is 0."""
    return numerator / np.where(denominator == 0, 1, denominator)


@method("smoothgradcam++", "Smooth Grad-CAM++", "Omeiza et al., 2019, 1908.01224")
def smooth_gradcam_plus_plus(run: Run, *, samples: int = 10, noise: float = 0.15) -> np.ndarray:
    """Make Grad-CAM++ of the gradients' moments over noisy copies of the image: ``w_k = sum alpha relu(D1)``.

    ``alpha = D2 / (2 D2 + S_k D3)``, Dp the mean of G^p over the copies, A and ``S_k = sum A_k`` of the image itself.
    (The paper writes D1 above the fraction bar; without noise only D2 gives Grad-CAM++.) Where S_k D3 is negative it
    counts as 0: alpha has a pole there. ``noise``: its deviation, as a share of the range of the image's values. Raises
    SettingError for no sample or negative noise.
    """
    check_least("samples", samples, 1, whole=True)
    check_least("noise", noise, 0)
    images, activations = run.images, run.activations
    deviations = noise * np.ptp(images.reshape(len(images), -1), axis=1)
    generators = [run.generator(i) for i in range(len(images))]
    # In double precision: the third power of a gradient of 1e-13 is no float32.
    moments = np.zeros((3, *activations.shape))
    for _ in range(samples):
        noisy = np.stack([
            image + deviation * generator.standard_normal(image.shape)
            for image, deviation, generator in zip(images, deviations, generators, strict=True)
        ])  # fmt: skip
        gradients = run.passes(noisy.astype(np.float32)).gradients[0].astype(np.float64)
        moments += gradients, gradients**2, gradients**3
    first, second, third = moments / samples
    pixels = over_pixels(activations)
    sums = activations.sum(axis=pixels, keepdims=True, dtype=np.float64)
    alphas = second / np.where(second > 0, 2 * second + np.maximum(sums * third, 0), 1)
    return weighted_sum((alphas * np.maximum(first, 0)).sum(axis=pixels), activations)
