"""Attributions: what each number of the image, rather than each map of a layer, says of a class.

x: an image; y: the score of the class, by default its logit; raw attributions are signed, ``(n, h, w, c)``, and maps
show their greatest magnitude over the channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mi204.errors import SettingError
from mi204.explain import cam
from mi204.explain._probe import Rectifier
from mi204.explain.engine import Run
from mi204.explain.maps import resized
from mi204.explain.methods import method


@method("saliency", "Gradient", "Simonyan et al., 2013, 1312.6034", place="input", rectified=False)
def saliency(run: Run) -> np.ndarray:
    """Take the gradient: ``dy / dx``."""
    return run.input_gradient


@method("input_x_gradient", "Input x gradient", "Shrikumar et al., 2016, 1605.01713", place="input", rectified=False)
def input_x_gradient(run: Run) -> np.ndarray:
    """Multiply the image by the gradient: ``x dy / dx``; it depends on which number stands for black."""
    return run.images * run.input_gradient


@method("deconvolution", "Deconvolution", "Zeiler and Fergus, 2013, 1311.2901", place="input", rectified=False)
def deconvolution(run: Run) -> np.ndarray:
    """Take the gradient, of which each ReLU hands back what is positive, whatever it let through.

    Such maps hardly depend on what the upper layers have learned (Adebayo et al., 2018, 1810.03292). Raises
    SettingError for a network without ReLU.
    """
    return _through_rectifiers(run, "deconvolution")


@method("guided_backprop", "Guided backprop", "Springenberg et al., 2014, 1412.6806", place="input", rectified=False)
def guided_backprop(run: Run) -> np.ndarray:
    """Take the gradient, of which each ReLU hands back what is positive, where it let something through.

    Such maps hardly depend on what the upper layers have learned (Adebayo et al., 2018, 1810.03292). Raises
    SettingError for a network without ReLU.
    """
    return _through_rectifiers(run, "guided")


def _through_rectifiers(run: Run, rectifier: Rectifier) -> np.ndarray:
    """Give the gradient at the images with another gradient of ReLU."""
    if not run.surveyed.rectifies:
        raise SettingError(
            "Expected a network with ReLU, whose gradient this method changes, received one that calls none: it would "
            "be the plain gradient, choose saliency.",
            "Réseau avec ReLU attendu, cette méthode en change le gradient, aucun ReLU appelé dans celui reçu : elle "
            "serait le gradient simple, choisir saliency.",
        )
    return run.passes(places=(), at_input=True, rectifier=rectifier).input_gradient


@method("guided_gradcam", "Guided Grad-CAM", "Selvaraju et al., 2017, 1610.02391", rectified=False)
def guided_gradcam(run: Run) -> np.ndarray:
    """Multiply guided backprop by Grad-CAM, rectified and enlarged: fine lines, but only where the class is."""
    where = resized(np.maximum(cam.gradcam(run), 0), run.images.shape[1:-1])
    return _through_rectifiers(run, "guided") * where[..., None]


@method("smoothgrad", "SmoothGrad", "Smilkov et al., 2017, 1706.03825", place="input", rectified=False)
def smoothgrad(run: Run, *, samples: int = 50, noise: float = 0.15) -> np.ndarray:
    """Average the signed gradients at noisy copies of the image: ``mean_s dy/dx (x + e_s)``.

    e_s: normal noise, of a deviation of ``noise`` times the range of the image's values. Raises SettingError for no
    sample or negative noise.
    """
    return _moments(run, samples, noise)[0]


@method("squaregrad", "SquareGrad", "Hooker et al., 2018, 1806.10758", place="input", rectified=False)
def squaregrad(run: Run, *, samples: int = 50, noise: float = 0.15) -> np.ndarray:
    """Average the squared gradients at noisy copies of the image, as in ``smoothgrad``."""
    return _moments(run, samples, noise)[1]


@method("vargrad", "VarGrad", "Adebayo et al., 2018, 1810.03292", place="input", rectified=False)
def vargrad(run: Run, *, samples: int = 50, noise: float = 0.15) -> np.ndarray:
    """Give the variance of the gradients over noisy copies of the image, as in ``smoothgrad``."""
    mean, mean_of_squares = _moments(run, samples, noise)
    return np.maximum(mean_of_squares - mean**2, 0)


def _moments(run: Run, samples: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the means, over noisy copies, of the gradient and of its square, float64 ``(n, h, w, c)``."""
    if samples < 1 or noise < 0:
        raise SettingError(
            "Expected at least 1 sample and a noise of at least 0, a share of the image's range, received samples = "
            "{samples}, noise = {noise:g}.",
            "Au moins 1 tirage (samples) et un bruit (noise) d'au moins 0, part de l'étendue de l'image, attendus, "
            "samples = {samples}, noise = {noise:g} reçu.",
            samples=samples, noise=noise,
        )
    deviations = noise * np.ptp(run.images.reshape(len(run.images), -1), axis=1)
    generators = [run.generator(i) for i in range(len(run.images))]
    sums = np.zeros((2, *run.images.shape))
    for part in run.slices(samples):
        noisy = np.stack([
            image + deviation * generator.standard_normal((len(part), *image.shape))
            for image, deviation, generator in zip(run.images, deviations, generators, strict=True)
        ])  # fmt: skip
        gradients = _gradients(run, noisy)
        sums += gradients.sum(axis=1), (gradients**2).sum(axis=1)
    return tuple(sums / samples)


@method("integrated_gradients", "Integrated gradients", "Sundararajan et al., 2017, 1703.01365", place="input",
        rectified=False)  # fmt: skip
def integrated_gradients(
    run: Run, *, steps: int = 50, baseline: Any = 0.0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Integrate the gradient on the way from a baseline: ``(x - b) int_0^1 dy/dx (b + t (x - b)) dt``.

    By Gauss-Legendre quadrature at ``steps`` points. ``baseline``: b, an image without anything in it, or what can be
    broadcast to one, in the network's own encoding, channels last. The attributions sum to ``y(x) - y(b)`` but for an
    error of the quadrature, given as ``completeness_gap``. Raises SettingError for no step or another shape of b.
    """
    if steps < 1:
        raise SettingError(
            "Expected at least 1 step, received {steps}.", "Au moins 1 pas (steps) attendu, {steps} reçu.", steps=steps
        )
    start = baseline_for(run.images, baseline)
    change = run.images - start
    places, weights = np.polynomial.legendre.leggauss(steps)
    shares, weights = (1 + places) / 2, weights / 2  # from -1..1 to 0..1
    integral = np.zeros(run.images.shape)
    for part in run.slices(steps):
        between = start[:, None] + np.einsum("s,n...->ns...", shares[part.start : part.stop], change)
        integral += np.einsum("s,ns...->n...", weights[part.start : part.stop], _gradients(run, between))
    attributions = change * integral
    gained = run.passed.scores - run.answers(start, np.arange(len(start))).scores
    return attributions, {"completeness_gap": attributions.reshape(len(start), -1).sum(axis=1) - gained}


def baseline_for(images: np.ndarray, baseline: Any) -> np.ndarray:
    """Give the baseline of each image ``(n, h, w, c)``, in their shape; raise SettingError where it does not fit."""
    try:
        one = np.broadcast_to(np.asarray(baseline, dtype=np.float32), images.shape[1:])
    except ValueError as error:
        raise SettingError(
            "Expected baseline to be a number, or an array that can be broadcast to an image of shape {wanted}, "
            "received shape {shape}.",
            "baseline doit être un nombre ou un tableau diffusable vers une image de forme {wanted}, forme {shape} "
            "reçue.",
            wanted=str(images.shape[1:]), shape=str(np.shape(baseline)),
        ) from error
    return np.broadcast_to(one, images.shape)


def _gradients(run: Run, variants: np.ndarray) -> np.ndarray:
    """Give the gradients at variants ``(n, m, h, w, c)`` of each image, of the score of its target, float64."""
    owner = np.repeat(np.arange(len(variants)), variants.shape[1])
    images = variants.reshape(-1, *variants.shape[2:]).astype(np.float32)
    gradients = run.passes(images, owner, places=(), at_input=True).input_gradient
    return gradients.reshape(variants.shape).astype(np.float64)
