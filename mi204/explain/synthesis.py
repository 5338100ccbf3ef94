"""Pictures that show what a network looks for: they climb the gradient of a class, of maps, of a whole layer.

Nothing here knows how a network encodes images: pictures climb as shares u of the range of each channel, -1 at the
lower of its bounds and 1 at the upper one. All that is drawn is drawn by numpy, so that every backend sees the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import fft, optimize, sparse
from tqdm import tqdm

from mi204.errors import SettingError
from mi204.explain import layers as layer_room
from mi204.explain.engine import Explainer
from mi204.explain.inputs import array_of, checked
from mi204.explain.layers import LayerChoice, Seen
from mi204.explain.maps import resized
from mi204.explain.passes import Target
from mi204.explain.perturbation import windows
from mi204.language import Text

Bounds = tuple[Any, Any]
"""The least and the greatest value that the network may be given, each a number or one per channel, as it takes them:
``(0, 255)`` for raw pixels, ``(-1, 1)`` for pixels preprocessed so."""

Unit = int | tuple[int, ...]
"""A map of a layer by its number, from 0; or one number of it, by row, column and map."""

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From pictures u ``(n, h, w, c)`` to their scores (n,) and the gradients d score / du."""


@dataclass(frozen=True)
class Ascent:
    """How pictures climb.

    ``u <- clip(u + rate (g - total_variation dV/du - norm dN/du), -1, 1)``; g: the gradient of the score at the moved
    picture, moved back, the amplitudes of its frequencies f times ``f^-smoothness``, its colours muted, scaled to a
    root mean square of 1; ``V = sum |grad u|^2 / 2``; ``N = sum u^6 / 6``. At each step the picture is shifted, turned
    and enlarged by draws up to the given size in both directions, its opposite edges joined: what only shows where the
    pixels stand just so is noise. Raises SettingError for a number out of its range.
    """

    steps: int = 256
    rate: float = 0.05
    """Of the first step; it falls evenly to nothing."""
    smoothness: float = 1.0
    """0 leaves the gradient as it is; 1 gives all octaves the same say, as a Fourier basis does (Olah et al., 2017)."""
    saturation: float = 0.5
    """What is left of the gradient's differences between channels: 1 leaves all, 0 makes pictures grey."""
    total_variation: float = 0.5
    norm: float = 0.5
    jitter: float = 0.05
    """Share of the sides."""
    rotation: float = 5.0
    """Degrees, in the plane of the first two sides; none where there is but one."""
    scale: float = 0.05
    """Share."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        most = {"jitter": 0.5, "rotation": 180, "scale": 0.9}
        for name, value in vars(self).items():
            least, greatest = int(name == "steps"), most.get(name, math.inf)
            if not least <= value <= greatest:
                raise SettingError(
                    "Expected {name} of an ascent from {least:g} to {greatest:g}, received {value:g}.",
                    "{name} d'une montée de {least:g} à {greatest:g} attendu, {value:g} reçu.",
                    name=name, least=least, greatest=greatest, value=value,
                )


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures that have climbed."""

    images: np.ndarray
    """float32 ``(n, h, w, c)``, channels last, otherwise as the network takes them."""
    scores: np.ndarray
    """Of each finished picture, (n,): what has climbed, without penalties; of an inversion, the relative error."""
    curve: np.ndarray
    """The same at each step, ``(n, steps)``, of the picture as it was moved; NaN after it came to rest."""
    dead: np.ndarray
    """Whether no step found any gradient, bool (n,): such a picture says nothing."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came while pictures climbed; ``images`` holds those that were begun, ``(n, h, w, c)``."""

    def __init__(self, images: np.ndarray) -> None:
        """Take the pictures as the network takes them, channels last."""
        self.images = images
        self.text = Text("Interrupted while pictures climbed.", "Interrompu pendant la montée des images.")
        super().__init__(self.text.written("en"))


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """What a layer answers to images."""

    maps: np.ndarray
    """float32 ``(n, h', w', k)``."""
    layer: str
    """Its path."""
    dead: tuple[int, ...]
    """Numbers, from 0, of the maps that are the same at every pixel of every image."""


def activation_maps(model: keras.Model | Explainer, images: Any, layer: LayerChoice) -> ActivationMaps:
    """Give the maps that a layer makes of images ``(n, h, w, c)``, and name its dead filters.

    Raises SettingError for a layer that is not there, or images that the network does not take.
    """
    explainer = _explainer(model)
    inputs = checked(explainer.model, images)
    place = layer_room.find(explainer.survey(inputs), layer, spatial=False)
    maps = explainer.passes(inputs, None, None, places=(place,)).activations[0]
    constant = np.ptp(maps.reshape(-1, maps.shape[-1]), axis=0) == 0
    return ActivationMaps(maps, place.path, tuple(np.flatnonzero(constant).tolist()))


def maximise(
    model: keras.Model | Explainer,
    target: Target | Unit | Sequence[Unit] = None,
    layer: LayerChoice | None = None,
    *,
    bounds: Bounds,
    shape: Sequence[int] | None = None,
    start: Any | None = None,
    ascent: Ascent = Ascent(),
    seed: int = 0,
    progress: bool = False,
) -> Pictures:
    """Make the picture that a class, a map, a number of a layer or a whole layer answers most to (Erhan et al., 2009).

    Without ``layer``, ``target`` is a class, several, one picture each, or a function of the logits; the score is the
    logit. With it, ``target`` is a map, whose mean is the score, one number of the layer, several of these, or None for
    the mean of the layer. ``shape``: of a picture as the network takes it, by default its own. ``start``: the picture
    to begin with, as the network takes it; by default weak noise, the same for all. Raises SettingError for bounds, a
    start, a target or a layer that cannot be; Interrupted, with the pictures, on Ctrl-C.
    """
    canvas = _Canvas(_explainer(model), shape, bounds)
    evaluate, n = _subject(canvas, target, layer)
    rng = np.random.default_rng(seed)
    u = _noise(rng, canvas.shape, 0.1) if start is None else canvas.read(np.asarray(start)[None])[0]
    if u.shape != canvas.shape:
        raise SettingError(
            "Expected start to be one picture of shape {wanted}, channels last, received {shape}.",
            "start doit être une image de forme {wanted}, canaux en dernier, {shape} reçu.",
            wanted=str(canvas.shape), shape=str(u.shape),
        )
    with tqdm(total=ascent.steps, disable=not progress, leave=False) as bar:
        return _climbed(canvas, evaluate, np.repeat(u[None], n, axis=0), ascent, rng, bar)


def filters(
    model: keras.Model | Explainer,
    layer: LayerChoice,
    channels: Sequence[int] | None = None,
    *,
    bounds: Bounds,
    shape: Sequence[int] | None = None,
    starts: int = 3,
    ascent: Ascent = Ascent(),
    seed: int = 0,
    progress: bool = False,
) -> Pictures:
    """Make a picture of each filter of a layer, by default of all: what the mean of its map answers most to.

    The best of several ``starts``, each with twice the noise of the one before: a filter that answers nothing to one
    may answer to the next, and is dead where none moves it. The rest as in ``maximise``.
    """
    if starts < 1:
        raise SettingError(
            "Expected at least 1 start, received {starts}.",
            "Au moins 1 départ (starts) attendu, {starts} reçu.",
            starts=starts,
        )
    canvas = _Canvas(_explainer(model), shape, bounds)
    chosen = range(canvas.place(layer).channels) if channels is None else channels
    evaluate, n = _subject(canvas, list(chosen), layer)
    best = None
    with tqdm(total=starts * ascent.steps, disable=not progress, leave=False) as bar:
        for number in range(starts):
            rng = np.random.default_rng([seed, number])
            u = np.repeat(_noise(rng, canvas.shape, 0.1 * 2**number)[None], n, axis=0)
            try:
                pictures = _climbed(canvas, evaluate, u, ascent, rng, bar)
            except Interrupted as stop:
                raise stop if best is None else Interrupted(best.images) from None
            best = pictures if best is None else _better(best, pictures)
    return best


def _better(first: Pictures, second: Pictures) -> Pictures:
    """Take of each pair of pictures the one with the higher score; a dead one only where both are."""
    second_wins = ~second.dead & (first.dead | (second.scores > first.scores))

    def chosen(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(second_wins.reshape(-1, *[1] * (a.ndim - 1)), b, a)

    return Pictures(*map(chosen, vars(first).values(), vars(second).values()))


def deep_dream(
    model: keras.Model | Explainer,
    images: Any,
    layer: LayerChoice,
    *,
    bounds: Bounds,
    octaves: int = 4,
    ratio: float = 1.4,
    ascent: Ascent | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Pictures:
    """Strengthen in images ``(n, h, w, c)`` what a layer sees in them: ``mean A^2`` climbs (Mordvintsev et al., 2015).

    First in the images made ``ratio^(octaves - 1)`` times smaller, then in larger ones, until their own size. What was
    drawn is enlarged and laid over the next octave of the image itself, whose details so come back. A network that
    takes images of one size sees larger ones in tiles, shifted at each step so that no seam stays, and none smaller
    than that. ``ascent``: by default 15 steps per octave, with shifts alone. Raises SettingError for images smaller
    than the network takes or beyond the bounds; the rest as in ``maximise``.
    """
    if octaves < 1 or ratio <= 1:
        raise SettingError(
            "Expected at least 1 octave and a ratio above 1, received octaves = {octaves}, ratio = {ratio:g}.",
            "Au moins 1 octave (octaves) et un rapport (ratio) supérieur à 1 attendus, octaves = {octaves}, ratio = "
            "{ratio:g} reçu.",
            octaves=octaves, ratio=ratio,
        )
    ascent = ascent or Ascent(
        steps=15, rate=0.03, smoothness=0.5, saturation=1, total_variation=0, norm=0, jitter=0.5, rotation=0, scale=0
    )
    explainer = _explainer(model)
    images = array_of(images)
    taken = _taken(explainer, images.shape[1:])
    canvas = _Canvas(explainer, taken, bounds)
    u = canvas.read(images)
    least = canvas.shape[:-1] if _one_size(explainer) else (1,) * (u.ndim - 2)
    if any(side < tile for side, tile in zip(u.shape[1:], canvas.shape, strict=False)):
        raise SettingError(
            "Expected images of at least the size that the network takes, {taken}, received {shape}: enlarge them.",
            "Images d'au moins la taille que prend le réseau, {taken}, attendues, {shape} reçu : les agrandir.",
            taken=str(taken), shape=str(images.shape[1:]),
        )
    smaller = [u]
    for number in range(1, octaves):
        size = [max(round(side / ratio**number), low) for side, low in zip(u.shape[1:-1], least, strict=True)]
        if size != [*smaller[-1].shape[1:-1]]:
            smaller.append(_resized(smaller[-1], size))
    evaluate = canvas.at(layer, _mean_square)
    if _one_size(explainer):
        evaluate = _in_tiles(evaluate, canvas.shape[:-1])
    rng = np.random.default_rng(seed)
    drawn, parts = np.zeros_like(smaller[-1]), []
    with tqdm(total=ascent.steps * len(smaller), disable=not progress, leave=False) as bar:
        for octave in reversed(smaller):
            begun = np.clip(octave + _resized(drawn, octave.shape[1:-1]), -1, 1)
            parts.append(_climbed(canvas, evaluate, begun, ascent, rng, bar))
            drawn = canvas.shares(parts[-1].images) - octave
    return Pictures(
        parts[-1].images,
        parts[-1].scores,
        np.concatenate([part.curve for part in parts], axis=1),
        np.all([part.dead for part in parts], axis=0),
    )


def invert(
    model: keras.Model | Explainer,
    images: Any,
    layer: LayerChoice,
    *,
    bounds: Bounds,
    steps: int = 200,
    total_variation: float = 3.0,
    norm: float = 0.01,
    alpha: float = 6.0,
    beta: float = 2.0,
    seed: int = 0,
    progress: bool = False,
) -> Pictures:
    """Make, of what a layer answers to images ``(n, h, w, c)``, images again (Mahendran and Vedaldi, 2014, 1412.0035).

    Minimises ``|A(u) - A|^2 / |A|^2 + total_variation V + norm N`` within the bounds, from weak noise, by at most
    ``steps`` steps of L-BFGS-B; ``V = mean |grad u|^beta / beta``, ``N = mean |u|^alpha / alpha``. What the pictures
    lack, the layer does not tell. Raises SettingError for an image to which the layer answers nothing but zeros; the
    rest as in ``maximise``.
    """
    if steps < 1 or min(total_variation, norm) < 0 or alpha < 1 or beta < 1:
        raise SettingError(
            "Expected at least 1 step, penalties of at least 0, alpha and beta of at least 1, received steps = "
            "{steps}, total_variation = {total_variation:g}, norm = {norm:g}, alpha = {alpha:g}, beta = {beta:g}.",
            "Au moins 1 pas (steps), pénalités d'au moins 0, alpha et beta d'au moins 1 attendus, steps = {steps}, "
            "total_variation = {total_variation:g}, norm = {norm:g}, alpha = {alpha:g}, beta = {beta:g} reçu.",
            steps=steps, total_variation=total_variation, norm=norm, alpha=alpha, beta=beta,
        )
    explainer = _explainer(model)
    inputs = checked(explainer.model, images)
    canvas = _Canvas(explainer, inputs.shape[1:], bounds)
    canvas.read(inputs)
    answers = explainer.passes(inputs, None, None, places=(canvas.place(layer),)).activations[0]
    silent = ~np.any(answers.reshape(len(answers), -1), axis=1)
    if silent.any():
        raise SettingError(
            "Expected a layer that answers something to each image, received zeros alone for image {index}.",
            "Couche qui réponde quelque chose à chaque image attendue, rien que des zéros pour l'image {index}.",
            index=int(silent.argmax()),
        )
    def penalty(u: np.ndarray) -> tuple[float, np.ndarray]:
        (variation,), variation_slope = _variation(u, beta)
        (size,), size_slope = _size(u, alpha)
        slope = total_variation * variation_slope + norm * size_slope
        return (total_variation * variation + norm * size) / u.size, slope / u.size

    made = np.repeat(_noise(np.random.default_rng(seed), (1, *canvas.shape), 0.1), len(inputs), axis=0)
    scores, curve, dead = np.empty(len(inputs)), np.full((len(inputs), steps), np.nan), np.empty(len(inputs), bool)
    with tqdm(total=steps * len(inputs), disable=not progress, leave=False) as bar:
        for picture, answer, errors in zip(range(len(inputs)), answers, curve, strict=True):
            evaluate = canvas.at(layer, _relative_error, answer[None])
            try:
                dead[picture] = _come_down(evaluate, penalty, made[picture : picture + 1], errors, bar)
                scores[picture] = evaluate(made[picture : picture + 1])[0][0]
            except KeyboardInterrupt:
                raise Interrupted(canvas.pictures(made)) from None
    return Pictures(canvas.pictures(made), scores, curve, dead)


def _come_down(evaluate: Evaluate, penalty: Callable, u: np.ndarray, errors: np.ndarray, bar: tqdm) -> bool:
    """Change one picture u ``(1, h, w, c)``, in place, until error and penalty are least; say whether it never moved.

    ``errors`` takes the error of each step.
    """
    found = {"steps": 0, "error": 0.0, "dead": True}

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        here = flat.reshape(u.shape).astype(np.float32)
        (found["error"],), slope = evaluate(here)
        found["dead"] &= not np.any(slope)
        value, penalty_slope = penalty(here)
        return float(found["error"] + value), (slope + penalty_slope).ravel().astype(np.float64)

    def after_step(flat: np.ndarray) -> None:
        u[:] = flat.reshape(u.shape)
        errors[found["steps"]] = found["error"]
        found["steps"] += 1
        bar.update()

    optimize.minimize(
        loss, u.ravel().astype(np.float64), jac=True, method="L-BFGS-B", bounds=optimize.Bounds(-1, 1),
        callback=after_step, options={"maxiter": len(errors), "maxfun": 10 * len(errors), "ftol": 0, "gtol": 1e-9},
    )  # fmt: skip
    return found["dead"]


class _Canvas:
    """Where pictures are made: between shares u, channels last, and what a network takes."""

    def __init__(self, explainer: Explainer, shape: Sequence[int] | None, bounds: Bounds) -> None:
        """Take the shape of a picture as the network takes it; raise SettingError where it or the bounds cannot be."""
        self.explainer = explainer
        self._blank = _blank(explainer, shape)
        self._channels_first = explainer.survey(self._blank).channels_first and self._blank.ndim > 2
        self.shape = self._channels_last(self._blank).shape[1:]
        channels = self.shape[-1]
        try:
            low, high = (np.broadcast_to(np.asarray(bound, np.float64), channels) for bound in bounds)
        except (TypeError, ValueError):
            low = high = np.zeros(channels)
        if not np.all(low < high) or not np.isfinite([low, high]).all():
            raise SettingError(
                "Expected bounds to be the least and the greatest value that the network may be given, numbers or "
                "{channels} of them each, as (0, 255), received {bounds!r}.",
                "bounds doit donner la plus petite et la plus grande valeur que le réseau puisse recevoir, un nombre "
                "ou {channels} chacune, comme (0, 255), {bounds!r} reçu.",
                channels=channels, bounds=bounds,
            )
        self._middle, self._half = (low + high) / 2, (high - low) / 2

    def pictures(self, u: np.ndarray) -> np.ndarray:
        """Give pictures in the network's encoding, channels last."""
        return (self._middle + self._half * u).astype(np.float32)

    def shares(self, pictures: np.ndarray) -> np.ndarray:
        """Give the shares u of pictures in the network's encoding, channels last."""
        return ((pictures - self._middle) / self._half).astype(np.float32)

    def read(self, images: np.ndarray) -> np.ndarray:
        """Give the shares u of images as the network takes them; raise SettingError for values beyond the bounds."""
        u = self.shares(self._channels_last(array_of(images)))
        if u.shape[-1] != self.shape[-1] or np.abs(u).max() > 1 + 1e-4:
            raise SettingError(
                "Expected images of {channels:#channel|channels} within bounds, received shape {shape}, values from "
                "{least:g} to {most:g}.",
                "Images de {channels:#canal|canaux}, dans les limites (bounds), attendues, forme {shape}, valeurs de "
                "{least:g} à {most:g} reçues.",
                channels=self.shape[-1], shape=str(images.shape), least=images.min(), most=images.max(),
            )
        return np.clip(u, -1, 1)

    def place(self, layer: LayerChoice, inputs: np.ndarray | None = None) -> Seen:
        """Find a layer, as it answers to pictures of this shape or to ``inputs``."""
        surveyed = self.explainer.survey(self._blank if inputs is None else inputs)
        return layer_room.find(surveyed, layer, spatial=False)

    def at(self, layer: LayerChoice, objective: Callable, reference: np.ndarray | None = None) -> Evaluate:
        """Give what evaluates pictures by the answers of a layer."""

        def evaluate(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            inputs = self._inputs(u)
            passed = self.explainer.passes(
                inputs, None, None, places=(self.place(layer, inputs),), at_input=True, objective=objective,
                reference=reference,
            )
            return passed.scores, passed.input_gradient * self._half

        return evaluate

    def classes(self, target: Target, n: int) -> Evaluate:
        """Give what evaluates ``n`` pictures by the score of a class each, or by a function of the logits."""
        coefficients, _ = self.explainer.coefficients_of(target, n, self.explainer.survey(self._blank))
        score = target if callable(target) else None

        def evaluate(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            passed = self.explainer.passes(self._inputs(u), score, coefficients, at_input=True)
            return passed.scores, passed.input_gradient * self._half

        return evaluate

    def _inputs(self, u: np.ndarray) -> np.ndarray:
        pictures = self.pictures(u)
        return np.moveaxis(pictures, -1, 1) if self._channels_first else pictures

    def _channels_last(self, images: np.ndarray) -> np.ndarray:
        return np.moveaxis(images, 1, -1) if self._channels_first else images


def _explainer(model: keras.Model | Explainer) -> Explainer:
    return model if isinstance(model, Explainer) else Explainer(model)


def _own_shape(explainer: Explainer) -> tuple[int | None, ...] | None:
    """Give the shape of an image that the network was made for, None for a side left open, or None where unknown."""
    shape = getattr(explainer.model, "input_shape", None) if explainer.model.built else None
    return shape[1:] if isinstance(shape, tuple) else None


def _one_size(explainer: Explainer) -> bool:
    """Say whether the network takes images of one size alone."""
    return None not in (_own_shape(explainer) or (None,))


def _taken(explainer: Explainer, shape: Sequence[int]) -> tuple[int, ...]:
    """Give the shape of an image that the network takes: what is left open, as in ``shape``."""
    own = _own_shape(explainer)
    if own is None or len(own) != len(shape):
        return tuple(shape)
    return tuple(given if side is None else side for side, given in zip(own, shape, strict=True))


def _blank(explainer: Explainer, shape: Sequence[int] | None) -> np.ndarray:
    """Give zeros as the network takes them, one image; raise SettingError where its shape is not known."""
    shape = _own_shape(explainer) if shape is None else tuple(shape)
    several = len(getattr(explainer.model, "inputs", None) or [0]) > 1
    if several or shape is None or None in shape or not shape or min(shape) < 1:
        raise SettingError(
            "Expected a network with one input whose shape is known, or shape, such as (96, 96, 3), received {shape}.",
            "Réseau d'une seule entrée de forme connue, ou shape, comme (96, 96, 3), attendu, {shape} reçu.",
            shape=str(shape),
        )
    return checked(explainer.model, np.zeros((1, *shape), np.float32))


def _subject(canvas: _Canvas, target: Any, layer: LayerChoice | None) -> tuple[Evaluate, int]:
    """Give what evaluates pictures of a target, and how many pictures there are to be."""
    if layer is None:
        if target is None:
            raise SettingError(
                "Expected target, a class, or layer, received neither.",
                "target, une classe, ou layer, une couche, attendu, ni l'un ni l'autre reçu.",
            )
        n = 1 if callable(target) else np.size(target)
        return canvas.classes(target, n), n
    shape = canvas.place(layer).shape
    if target is None:
        weights = np.full((1, *shape), 1 / math.prod(shape), np.float32)
    else:
        weights = _weights(list(target) if isinstance(target, list | np.ndarray) else [target], shape)
    return canvas.at(layer, _weighted, weights), len(weights)


def _weights(units: Sequence[Unit], shape: tuple[int, ...]) -> np.ndarray:
    """Give what a layer's answer is multiplied by in the score of each unit, to be broadcast to ``(n, h', w', k)``."""
    whole = [np.atleast_1d(unit) for unit in units]
    maps = all(len(unit) == 1 for unit in whole)
    sides = shape[-1:] if maps else shape
    if not whole or any(
        len(unit) != len(sides) or unit.dtype.kind not in "iu" or np.any((unit < 0) | (unit >= sides)) for unit in whole
    ):
        raise SettingError(
            "Expected target of a layer to be a map from 0 to {last}, or a number of its answer, of shape {shape}, by "
            "its place, or a list of these, received {units}.",
            "target d'une couche doit être une carte de 0 à {last}, ou un nombre de sa réponse, de forme {shape}, par "
            "sa place, ou une liste de ceux-ci, {units} reçu.",
            last=shape[-1] - 1, shape=str(shape), units=repr(units),
        )
    weights = np.zeros((len(whole), *([1] * (len(shape) - 1) + [shape[-1]] if maps else shape)), np.float32)
    for row, unit in enumerate(whole):
        weights[row, *([0] * (len(shape) - 1) if maps else []), *unit] = 1 / math.prod(shape[:-1]) if maps else 1
    return weights


def _of_each(x: Any) -> tuple[int, ...]:
    return tuple(range(1, len(x.shape)))


def _weighted(answers: Any, weights: Any) -> Any:
    """Sum the answers times weights."""
    return ops.sum(answers * weights, axis=_of_each(answers))


def _mean_square(answers: Any, _: None) -> Any:
    """Average the squares of the answers."""
    return ops.mean(ops.square(answers), axis=_of_each(answers))


def _relative_error(answers: Any, wanted: Any) -> Any:
    """Compare the answers with those wanted: ``|A - A0|^2 / |A0|^2``."""
    axes = _of_each(answers)
    return ops.sum(ops.square(answers - wanted), axis=axes) / ops.sum(ops.square(wanted), axis=axes)


def _in_tiles(evaluate: Evaluate, tile: tuple[int, ...]) -> Evaluate:
    """Evaluate pictures larger than the network takes by tiles: the mean score, the mean gradient where they meet."""

    def over_tiles(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tiles = list(itertools.product(*map(windows, u.shape[1:-1], tile, tile)))
        scores, slopes = evaluate(np.concatenate([u[:, *where] for where in tiles]))
        total, covered = np.zeros(u.shape), np.zeros(u.shape[1:])
        for where, slope in zip(tiles, np.split(slopes, len(tiles)), strict=True):
            total[:, *where] += slope
            covered[where] += 1
        return scores.reshape(len(tiles), -1).mean(axis=0), total / covered

    return over_tiles


def _climbed(
    canvas: _Canvas, evaluate: Evaluate, u: np.ndarray, ascent: Ascent, rng: np.random.Generator, bar: tqdm
) -> Pictures:
    """Have pictures u climb."""
    curve, dead = np.empty((len(u), ascent.steps)), np.ones(len(u), dtype=bool)
    sides = u.shape[1:-1]
    try:
        for step in range(ascent.steps):
            move = _move(sides, ascent, rng)
            curve[:, step], slope = evaluate(_moved(u, move))
            slope = _moved(slope, move.T)
            dead &= ~np.any(slope.reshape(len(u), -1), axis=1)
            direction = _unit(_muted(_smoothed(slope, ascent.smoothness), ascent.saturation))
            direction -= ascent.total_variation * _variation(u, 2)[1] + ascent.norm * _size(u, 6)[1]
            rate = ascent.rate * (1 - step / ascent.steps)
            u = np.clip(u + rate * direction, -1, 1).astype(np.float32)
            bar.update()
        scores, _ = evaluate(u)
    except KeyboardInterrupt:
        raise Interrupted(canvas.pictures(u)) from None
    return Pictures(canvas.pictures(u), scores, curve, dead)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    return np.clip(deviation * rng.standard_normal(shape), -1, 1).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    """Scale each picture to a root mean square of 1; zeros stay."""
    axes = _of_each(x)
    greatest = np.abs(x).max(axis=axes, keepdims=True)
    x = x / np.where(greatest > 0, greatest, 1)  # first, so that no square is too small for a float
    return x / np.sqrt(np.where(greatest > 0, (x**2).mean(axis=axes, keepdims=True), 1))


def _smoothed(x: np.ndarray, smoothness: float) -> np.ndarray:
    """Multiply the amplitudes of the frequencies f of pictures by ``f^-smoothness``; f is at least that of one wave."""
    if smoothness == 0:
        return x
    sides = x.shape[1:-1]
    axes = tuple(range(1, x.ndim - 1))
    along = [fft.fftfreq(side) for side in sides[:-1]] + [fft.rfftfreq(sides[-1])]
    frequencies = np.sqrt(sum(each**2 for each in np.meshgrid(*along, indexing="ij")))
    gains = np.maximum(frequencies, 1 / max(sides)) ** -smoothness
    return fft.irfftn(fft.rfftn(x, axes=axes) * gains[..., None], s=sides, axes=axes)


def _muted(x: np.ndarray, saturation: float) -> np.ndarray:
    """Bring the channels of pictures nearer to their mean."""
    grey = x.mean(axis=-1, keepdims=True)
    return grey + saturation * (x - grey)


def _variation(u: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Give ``sum |grad u|^beta / beta`` of each picture, (n,), and its gradient; differences to the next pixel."""
    axes = range(1, u.ndim - 1)
    steps = [np.diff(u, axis=axis, append=u.take([-1], axis=axis)) for axis in axes]
    squares = sum(step**2 for step in steps)
    factors = np.power(squares, beta / 2 - 1, out=np.zeros_like(squares), where=squares > 0)
    gradient = np.zeros_like(u)
    for axis, step in zip(axes, steps, strict=True):
        flow = step * factors  # what leaves one pixel enters the next
        gradient += np.roll(flow, 1, axis=axis) - flow
    return (squares * factors).reshape(len(u), -1).sum(axis=1) / beta, gradient


def _size(u: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Give ``sum |u|^alpha / alpha`` of each picture, (n,), and its gradient."""
    powers = np.abs(u) ** (alpha - 1)
    return (np.abs(u) * powers).reshape(len(u), -1).sum(axis=1) / alpha, np.sign(u) * powers


def _move(sides: tuple[int, ...], ascent: Ascent, rng: np.random.Generator) -> sparse.csr_array:
    """Draw a shift, a turn and an enlargement; give the matrix that so moves the pixels of a picture.

    Linear interpolation between pixels; opposite edges are joined. Its transpose moves gradients back.
    """
    shifts = [rng.integers(-most, most + 1) for most in (round(ascent.jitter * side) for side in sides)]
    angle = math.radians(rng.uniform(-ascent.rotation, ascent.rotation)) if len(sides) > 1 else 0.0
    matrix = np.eye(len(sides))
    matrix[:2, :2] = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])[
        : len(sides), : len(sides)
    ]
    matrix /= 1 + rng.uniform(-ascent.scale, ascent.scale)
    middle = (np.array(sides)[:, None] - 1) / 2
    pixels = np.indices(sides).reshape(len(sides), -1)
    sources = matrix @ (pixels - middle) + middle + np.array(shifts)[:, None]
    below = np.floor(np.round(sources, 6)).astype(int)
    above = np.round(sources, 6) - below
    count = pixels.shape[1]
    total = sparse.csr_array((count, count))
    for corner in itertools.product((0, 1), repeat=len(sides)):
        weights = np.prod([part if up else 1 - part for up, part in zip(corner, above, strict=True)], axis=0)
        columns = np.ravel_multi_index(below + np.array(corner)[:, None], sides, mode="wrap")
        used = weights > 0
        total += sparse.csr_array((weights[used], (np.arange(count)[used], columns[used])), shape=total.shape)
    return total


def _moved(x: np.ndarray, move: sparse.sparray) -> np.ndarray:
    """Move the pixels of pictures ``(n, h, w, c)`` by a matrix."""
    pixels = np.moveaxis(x, 0, -1).reshape(move.shape[0], -1)
    moved = (move @ pixels).reshape(*x.shape[1:], len(x))
    return np.moveaxis(moved, -1, 0).astype(np.float32)


def _resized(u: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Bring pictures ``(n, h, w, c)`` to another size by linear interpolation."""
    planes = np.moveaxis(u, -1, 1)
    resized_planes = resized(planes.reshape(-1, *planes.shape[2:]), size)
    return np.moveaxis(resized_planes.reshape(*planes.shape[:2], *size), 1, -1)
