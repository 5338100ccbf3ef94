"""Run a method over images: find the layer and the logits, keep to the memory, say what is wrong with a map."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from mi204.errors import SettingError
from mi204.explain import inputs as input_room
from mi204.explain import layers as layer_room
from mi204.explain._probe import Rectifier
from mi204.explain.explanation import Explanation
from mi204.explain.layers import LayerChoice, Seen
from mi204.explain.maps import normalised, resized
from mi204.explain.methods import METHODS, Method
from mi204.explain.passes import Passed, Passes, ScoreKind, Target, chunk_size, padded
from mi204.language import Text

_SATURATED = 1 - 1e-6


class Explainer(Passes):
    """Makes maps of one network's answers; keeps what it has compiled, so that the next maps are quick.

    Nothing in the network changes: it is only called, in inference mode, and looked at from outside. Weights are those
    of the moment of each call; who changes the network's layers makes another explainer.
    """

    def __init__(
        self,
        model: keras.Model,
        layer: LayerChoice | list[LayerChoice] | None = None,
        *,
        output: str | int | None = None,
        score: ScoreKind = "logit",
        chunk_size: int | None = None,
        progress: bool = False,
    ) -> None:
        """Take a network and where to look.

        ``layer``: where maps are made, several for the methods that fuse them; by default the last one with spatial
        extent. ``output``: of a network with several, the name or number of the one explained. ``score``: what of the
        class is explained. ``chunk_size``: images that go through the network at once; by default as many as ``BUDGET``
        allows; no number depends on it. ``progress``: show a bar over the passes of a method that needs many.
        Raises SettingError for a model that is none, an unknown score, or a chunk of no image.
        """
        super().__init__(model, output=output, score=score, chunk_size=chunk_size)
        self.layer, self.progress = layer, progress

    def __call__(
        self, images: Any, method: str = "gradcam", target: Target = None, *, seed: int = 0, **settings: Any
    ) -> Explanation:
        """Explain images ``(n, h, w, c)``, as the network takes them; several inputs as it takes them too.

        ``method``: a name of ``METHODS``; ``settings``: the method's own. ``seed``: of what a method draws, the same on
        every backend. Raises SettingError, a ValueError, that names the argument at fault.
        """
        chosen = _method(method, settings)
        inputs = input_room.checked(self.model, images)
        n = len(keras.tree.flatten(inputs)[0])
        surveyed = self.survey(inputs)
        places, why = self._places(chosen, inputs)
        coefficients, targets = self.coefficients_of(target, n, surveyed)
        parts = []
        size = chunk_size(n, self.images_at_once(surveyed))
        with tqdm(total=n, disable=not self.progress, desc=chosen.label, leave=False) as bar:
            for start in range(0, n, size):
                rows = min(size, n - start)
                chunk, sums = keras.tree.map_structure(
                    lambda x, start=start: padded(x[start : start + size], size),
                    (inputs, np.empty((n, 0)) if coefficients is None else coefficients),
                )
                score = target if callable(target) else None
                run = Run(self, chunk, score, places, seed, start, None if coefficients is None else sums)
                part = self._explained(chosen, run, settings)
                parts.append({name: values[:rows] for name, values in part.items()})
                bar.update(rows)
        diagnostics = tuple(each for part in parts for each in part.pop("diagnostics"))
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        numbers = {name: joined.pop(name) for name in parts[0].keys() - Explanation.__dataclass_fields__.keys()}
        return Explanation(
            method=chosen,
            targets=joined.pop("targets", targets),
            layers=tuple(call.path for call in places),
            reason=why,
            diagnostics=diagnostics,
            numbers=numbers,
            **joined,
        )

    def predict(self, images: Any) -> np.ndarray:
        """Give what the network answers, ``(n, classes)``: probabilities where the output is a class's."""
        inputs = input_room.checked(self.model, images)
        return self.passes(inputs, None, None).probabilities

    def scores(self, images: Any, target: Target) -> np.ndarray:
        """Give the score (n,) of the target of each image."""
        inputs = input_room.checked(self.model, images)
        coefficients, _ = self.coefficients_of(target, len(keras.tree.flatten(inputs)[0]), self.survey(inputs))
        return self.passes(inputs, target if callable(target) else None, coefficients).scores

    def _places(self, method: Method, inputs: Any) -> tuple[tuple[Seen, ...], Text]:
        """Choose the calls where a method looks, and say why there."""
        if method.place == "input":
            return (), Text("At the image itself.", "À l'image elle-même.")
        surveyed = self.survey(inputs)
        if self.layer is not None:
            choices = self.layer if isinstance(self.layer, list) else [self.layer]
            places = tuple(layer_room.find(surveyed, choice) for choice in choices)
            if method.place == "layer" and len(places) > 1:
                raise SettingError(
                    "Expected one layer for {method}, received {n}: choose one, or a method for several ({all}).",
                    "Une couche attendue pour {method}, {n} reçues : en choisir une, ou une méthode qui en prend "
                    "plusieurs ({all}).",
                    method=method.name, n=len(places),
                    all=", ".join(each.name for each in METHODS.values() if each.place == "layers"),
                )
            return places, layer_room.asked(places)
        flat = keras.tree.flatten(inputs)
        found = layer_room.candidates(surveyed, flat[self.image_index(flat)].ndim - 2)
        if self._several_outputs():
            found = self._connected(found, inputs) or found
        return (found[-1],), layer_room.reason(found[-1])

    def _several_outputs(self) -> bool:
        return len(getattr(self.model, "outputs", None) or [0]) > 1

    def _connected(self, found: list[Seen], inputs: Any) -> list[Seen]:
        """Leave out the layers on which the chosen output does not depend."""
        if self.output is None:
            return found
        one = keras.tree.map_structure(lambda x: x[:1], inputs)
        gradients = self.passes(one, None, None, places=found, gradient=True).gradients
        return [call for call, slope in zip(found, gradients, strict=True) if np.any(slope)]

    def _explained(self, method: Method, run: Run, settings: dict[str, Any]) -> dict[str, Any]:
        """Run a method over one chunk, and say what is wrong with its maps."""
        hidden = self.find_hidden_head(run.inputs, run.surveyed)
        result = method.function(run, **settings)
        raw, numbers = result if isinstance(result, tuple) else (result, {})
        raw = raw.astype(np.float32)
        first = run.passed
        diagnostics = [["hidden_head"] * hidden for _ in raw]
        finite = np.isfinite(raw.reshape(len(raw), -1)).all(axis=1) & np.isfinite(first.scores)
        shown = raw.copy()
        shown[~finite] = 0
        if raw.ndim == run.images.ndim:
            shown = np.abs(shown).max(axis=-1)
        elif method.rectified:
            shown = np.maximum(shown, 0)
        maps = normalised(resized(shown, run.images.shape[1:-1]))
        for i, names in enumerate(diagnostics):
            names += _wrong_with(method, run, first, i, raw[i], finite[i], maps[i], self.score)
        explained = {
            "maps": maps,
            "raw": raw,
            "probabilities": first.probabilities,
            "scores": first.scores,
            "diagnostics": [tuple(names) for names in diagnostics],
        }
        if run.score is None:
            explained["targets"] = run.targets
        return explained | numbers


class Run:
    """One chunk of images with one target each, as the methods see them: all arrays numpy, channels last."""

    def __init__(
        self, explainer: Explainer, inputs: Any, score: Callable | None, places: tuple[Seen, ...], seed: int,
        first_index: int, coefficients: np.ndarray | None,
    ) -> None:
        """Take what ``Explainer.__call__`` has checked."""
        self.explainer, self.inputs, self.score, self.places = explainer, inputs, score, places
        self.seed, self.first_index, self._coefficients = seed, first_index, coefficients
        self.surveyed = explainer.survey(inputs)
        self._flat = keras.tree.flatten(inputs)
        self._image_index = explainer.image_index(self._flat)

    @cached_property
    def images(self) -> np.ndarray:
        """Give the images, float32 ``(n, h, w, c)``."""
        images = self._flat[self._image_index].astype(np.float32, copy=False)
        return np.moveaxis(images, 1, -1) if self.surveyed.channels_first and images.ndim > 2 else images

    @cached_property
    def passed(self) -> Passed:
        """Give answers, activations and gradients of the images, all from one pass."""
        return self.passes()

    @cached_property
    def input_gradient(self) -> np.ndarray:
        """Give d score / d image, ``(n, h, w, c)``, from the pass that gives the answers too."""
        self.passed = self.passes(at_input=True)
        return self.passed.input_gradient

    @property
    def coefficients(self) -> np.ndarray | None:
        """Give what the logits are multiplied by in each image's score, (n, classes); None for a score function."""
        if self._coefficients is None and self.score is None:
            classes = self.passed.logits.shape[1]
            self._coefficients = np.eye(classes, dtype=np.float32)[self.passed.logits.argmax(axis=1)]
        return self._coefficients

    @property
    def targets(self) -> np.ndarray | None:
        """Give the class explained of each image, (n,); None for a score function."""
        return None if self.coefficients is None else self.coefficients.argmax(axis=1).astype(np.int64)

    @property
    def activations(self) -> np.ndarray:
        """A of the only place, ``(n, h', w', k)``."""
        return self.passed.activations[0]

    @property
    def gradients(self) -> np.ndarray:
        """G of the only place, ``(n, h', w', k)``."""
        return self.passed.gradients[0]

    def slices(self, variants: int) -> Iterator[range]:
        """Cut the ``variants`` of each image into ranges of as many as may go through the network at once."""
        at_once = max(1, self.explainer.images_at_once(self.surveyed) // len(self.images))
        at_once = chunk_size(variants, at_once)
        return (range(start, min(start + at_once, variants)) for start in range(0, variants, at_once))

    def but(self, *, places: tuple[Seen, ...] | None = None, coefficients: np.ndarray | None = None) -> Run:
        """Give a run of the same images that looks at other places, or explains other sums of logits."""
        return Run(
            self.explainer, self.inputs, self.score, self.places if places is None else places, self.seed,
            self.first_index, self._coefficients if coefficients is None else coefficients,
        )

    def generator(self, i: int) -> np.random.Generator:
        """Give the random numbers of image ``i`` of this chunk, whatever the chunks and the backend."""
        return np.random.default_rng([self.seed, self.first_index + i])

    def passes(
        self,
        images: np.ndarray | None = None,
        owner: np.ndarray | None = None,
        *,
        coefficients: np.ndarray | None = None,
        gradient: bool | None = None,
        at_input: bool = False,
        places: Sequence[Seen] | None = None,
        added: np.ndarray | None = None,
        curvature: bool = False,
        rectifier: Rectifier | None = None,
    ) -> Passed:
        """Send images ``(m, h, w, c)``, by default the chunk's own, through the network.

        ``owner`` (m,): the image of the chunk whose target, and other inputs, each of them takes; by default they stand
        in its order. ``coefficients`` (m, classes) replace those of the target. ``gradient``: by default where there
        are places. The rest as in ``Explainer.passes``.
        """
        own = images is None
        if own:
            images = self.images
        owner = np.arange(len(images)) if owner is None else owner
        if coefficients is None and not (own and self._coefficients is None):
            coefficients = None if self.coefficients is None else self.coefficients[owner]
        moved = np.moveaxis(images, -1, 1) if self.surveyed.channels_first and images.ndim > 2 else images
        flat = [
            moved.astype(x.dtype if own else np.float32, copy=False) if index == self._image_index else x[owner]
            for index, x in enumerate(self._flat)
        ]
        places = self.places if places is None else places
        return self.explainer.passes(
            keras.tree.pack_sequence_as(self.inputs, flat),
            self.score,
            coefficients,
            places=places,
            gradient=bool(places) if gradient is None else gradient,
            at_input=at_input,
            curvature=curvature,
            rectifier=rectifier,
            added=added,
            progress=self.explainer.progress and not own,
        )

    def answers(self, images: np.ndarray, owner: np.ndarray) -> Passed:
        """Send perturbed images ``(m, h, w, c)`` through the network, without any gradient."""
        return self.passes(images, owner, places=(), gradient=False)


def explain(
    model: keras.Model,
    images: Any,
    method: str = "gradcam",
    target: Target = None,
    layer: LayerChoice | list[LayerChoice] | None = None,
    *,
    output: str | int | None = None,
    score: ScoreKind = "logit",
    chunk_size: int | None = None,
    progress: bool = False,
    seed: int = 0,
    **settings: Any,
) -> Explanation:
    """Make maps of what a network saw in images ``(n, h, w, c)`` for a class.

    ``explain(model, images)`` gives the Grad-CAM of each image's predicted class at the last layer with spatial extent,
    with the prediction of the same pass. ``method``: a name of ``METHODS``, with its ``settings``; ``target``: a class,
    one per image, or a function from the logits to scores. For the rest, and what is raised, see ``Explainer``, which
    is quicker where the same network is explained again.
    """
    explainer = Explainer(model, layer, output=output, score=score, chunk_size=chunk_size, progress=progress)
    return explainer(images, method, target, seed=seed, **settings)


def _wrong_with(
    method: Method, run: Run, passed: Passed, i: int, raw: np.ndarray, finite: bool, shown: np.ndarray, score: ScoreKind
) -> list[str]:
    """Name what is wrong with one map."""
    if not finite:
        return ["not_finite"]
    names = []
    if run.places and all(max(call.sides) == 1 for call in run.places):
        names.append("one_pixel")
    if run.places and not any(np.any(activations[i]) for activations in passed.activations):
        names.append("dead")
    gradients = passed.gradients or (() if passed.input_gradient is None else (passed.input_gradient,))
    if gradients and method.of_class and not any(np.any(each[i]) for each in gradients):
        target = run.targets[i] if run.targets is not None else None
        saturated = score != "logit" and target is not None and passed.probabilities[i, target] >= _SATURATED
        names.append("saturated" if saturated else "disconnected")
    elif method.rectified and raw.max() <= 0 and np.any(raw):
        names.append("all_negative")
    if not np.any(shown) and "all_negative" not in names:
        names.append("constant")
    return names


def _method(name: str, settings: dict[str, Any]) -> Method:
    """Find a method and check the names of its settings."""
    if name not in METHODS:
        raise SettingError(
            "Expected method to be one of {names}, received {name!r}.",
            "method parmi {names} attendu, {name!r} reçu.",
            names=", ".join(METHODS), name=name,
        )
    known = list(inspect.signature(METHODS[name].function).parameters)[1:]
    for setting in settings:
        if setting not in known:
            raise SettingError(
                "Expected settings of {method} among {known}, received {setting!r}.",
                "Réglages de {method} parmi {known} attendus, {setting!r} reçu.",
                method=name, known=", ".join(known) or "–", setting=setting,
            )
    return METHODS[name]
