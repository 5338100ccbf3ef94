"""Run a method over images: find the layer and the logits, keep to the memory, say what is wrong with a map."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from mi204 import backend
from mi204.errors import SettingError
from mi204.explain import layers as layer_room
from mi204.explain._probe import Rectifier, Watch, watching
from mi204.explain.layers import LayerChoice, Seen, Survey
from mi204.explain.maps import normalised, resized
from mi204.explain.methods import METHODS, Method
from mi204.language import Text

Target = int | Sequence[int] | np.ndarray | Callable | None
"""The class explained: one for all images, one for each, the predicted one (None), or a function from the logits, a
tensor ``(n, classes)``, to one score per image ``(n,)``."""

ScoreKind = Literal["logit", "probability", "log_probability", "margin", "rest"]
"""What of the class is explained: its logit z; softmax(z); log softmax(z); z less the greatest other logit; z + log
softmax(z), the ReST score of Shapley-CAM (2501.06261)."""

BUDGET = 512 * 2**20
"""Bytes that the answers of all layers may take in one pass, with their gradients; sets how many images go at once."""

_SATURATED = 1 - 1e-6
_KEPT = 32
"""Compiled passes that an explainer keeps."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of some images, and what the same pass told of them."""

    method: Method
    maps: np.ndarray
    """float32 ``(n, h, w)`` in [0, 1], of the size of the images: what is in favour of the target, each map scaled by
    its own range; zero where there is nothing to show."""
    raw: np.ndarray
    """What the method's formula gives, float32, in its own unit: ``(n, h', w')`` at a layer, ``(n, h, w, c)``, signed,
    at the input; no value is left out or scaled."""
    probabilities: np.ndarray
    """What the network answers, ``(n, classes)``: probabilities where the output is a class's, else its own numbers."""
    targets: np.ndarray | None
    """Class explained of each image, int64 (n,); None where the target is a function."""
    scores: np.ndarray
    """Score explained of each image, (n,): by default the logit of its target."""
    layers: tuple[str, ...]
    """Paths of the layers where the map was made; none at the input."""
    reason: Text
    """Why there."""
    diagnostics: tuple[tuple[str, ...], ...]
    """Of each image, what is wrong with its map, by the names of ``DIAGNOSTICS``."""
    numbers: dict[str, np.ndarray]
    """Numbers (n,) that the method gives beside its maps, such as ``completeness_gap``."""


DIAGNOSTICS: dict[str, Text] = {
    "all_negative": Text(
        "Nothing in the image speaks for this class at this layer: all that the map would show is negative.",
        "Rien dans l'image ne parle pour cette classe à cette couche : tout ce que montrerait la carte est négatif.",
    ),
    "constant": Text(
        "The map has the same value everywhere: it points nowhere.",
        "La carte a partout la même valeur : elle ne désigne rien.",
    ),
    "saturated": Text(
        "The probability of the class is 1 to the last digit: its gradient vanishes. Explain the logit instead.",
        "La probabilité de la classe vaut 1 au dernier chiffre : son gradient s'annule. Expliquer plutôt le logit.",
    ),
    "disconnected": Text(
        "The score does not depend on what the map is made at: all gradients are exactly zero.",
        "Le score ne dépend pas de ce où la carte est faite : tous les gradients sont exactement nuls.",
    ),
    "one_pixel": Text(
        "The layer's maps have one single pixel: they cannot say where.",
        "Les cartes de la couche n'ont qu'un pixel : elles ne peuvent dire où.",
    ),
    "dead": Text(
        "The layer answers nothing but zeros to this image.",
        "La couche ne répond à cette image que des zéros.",
    ),
    "not_finite": Text(
        "The network or the method gave numbers that are not finite; the map is left empty.",
        "Le réseau ou la méthode a donné des nombres non finis ; la carte est laissée vide.",
    ),
    "hidden_head": Text(
        "The network answers probabilities whose logits are not to be seen; their logarithms were explained instead, "
        "less their mean over the classes: the same differences between classes.",
        "Le réseau répond des probabilités dont les logits ne se voient pas ; leurs logarithmes, moins leur moyenne "
        "sur les classes, ont été expliqués à leur place : mêmes différences entre classes.",
    ),
}
"""What can be wrong with a map, by name."""


@dataclass(frozen=True, eq=False)
class Passed:
    """What one pass gave for some images."""

    logits: np.ndarray
    """``(n, classes)``, or the output's own numbers where it is no class's."""
    probabilities: np.ndarray
    scores: np.ndarray
    """(n,), what the gradients are those of."""
    activations: tuple[np.ndarray, ...] = ()
    """A: answers of the layers asked for, each float32 ``(n, h', w', k)``."""
    gradients: tuple[np.ndarray, ...] = ()
    """G: d score / d A, of the same shapes."""
    input_gradient: np.ndarray | None = None
    """d score / d image, ``(n, h, w, c)``."""
    curvatures: tuple[np.ndarray, ...] = ()
    """H A: how G changes along A, the second derivative of the score applied to A itself, of the same shapes."""


class Explainer:
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
        if not isinstance(model, keras.Model):
            raise SettingError(
                "Expected model to be a keras.Model, received {kind}.",
                "model doit être un keras.Model, {kind} reçu.",
                kind=type(model).__name__,
            )
        kinds = ScoreKind.__args__
        if score not in kinds:
            raise SettingError(
                "Expected score to be one of {kinds}, received {score!r}.",
                "score parmi {kinds} attendu, {score!r} reçu.",
                kinds=", ".join(kinds), score=score,
            )
        if chunk_size is not None and chunk_size < 1:
            raise SettingError(
                "Expected chunk_size to be at least 1 image, received {chunk_size}.",
                "chunk_size d'au moins 1 image attendu, {chunk_size} reçu.",
                chunk_size=chunk_size,
            )
        self.model, self.layer, self.output, self.score = model, layer, output, score
        self.chunk_size, self.progress = chunk_size, progress
        self._surveys: dict[tuple, Survey] = {}
        self._compiled: dict[tuple, Callable] = {}
        self._hidden_heads: dict[tuple, bool] = {}

    def __call__(
        self, images: Any, method: str = "gradcam", target: Target = None, *, seed: int = 0, **settings: Any
    ) -> Explanation:
        """Explain images ``(n, h, w, c)``, as the network takes them; several inputs as it takes them too.

        ``method``: a name of ``METHODS``; ``settings``: the method's own. ``seed``: of what a method draws, the same on
        every backend. Raises SettingError, a ValueError, that names the argument at fault.
        """
        chosen = _method(method, settings)
        inputs = self._inputs(images)
        n = len(keras.tree.flatten(inputs)[0])
        surveyed = self.survey(inputs)
        places, why = self._places(chosen, inputs)
        coefficients, targets = self._coefficients(target, n, surveyed)
        parts = []
        size = self._chunk(surveyed)
        bar = tqdm(total=n, disable=not self.progress, desc=chosen.label, leave=False)
        with bar:
            for start in range(0, n, size):
                rows = slice(start, start + size)
                chunk = keras.tree.map_structure(lambda x, rows=rows: x[rows], inputs)
                run = Run(
                    self, chunk, target if callable(target) else None, places, seed, start,
                    None if coefficients is None else coefficients[rows],
                )
                parts.append(self._explained(chosen, run, settings))
                bar.update(len(run.images))
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
        inputs = self._inputs(images)
        return self.passes(inputs, None, None).probabilities

    def scores(self, images: Any, target: Target) -> np.ndarray:
        """Give the score (n,) of the target of each image."""
        inputs = self._inputs(images)
        coefficients, _ = self._coefficients(target, len(keras.tree.flatten(inputs)[0]), self.survey(inputs))
        return self.passes(inputs, target if callable(target) else None, coefficients).scores

    def survey(self, inputs: Any) -> Survey:
        """Note, once for inputs of one shape, which layers the network calls."""
        flat = keras.tree.flatten(inputs)
        key = tuple((x.shape[1:], str(x.dtype)) for x in flat)
        if key not in self._surveys:
            one = keras.tree.map_structure(lambda x: x[:1], inputs)
            try:
                if not self.model.built:
                    self._answer(one)
                self._surveys[key] = layer_room.survey(self._answer, one, self._select)
            except SettingError:
                raise
            except (ValueError, TypeError, RuntimeError) as error:
                raise SettingError(
                    "Expected images that the network takes, {wanted}, received {shapes}. It says: {reason}",
                    "Images que le réseau accepte attendues, {wanted}, {shapes} reçu. Il dit : {reason}",
                    wanted=_shapes(getattr(self.model, "input_shape", None) if self.model.built else None),
                    shapes=_shapes([x.shape for x in flat]),
                    reason=str(error).splitlines()[0],
                ) from error
        return self._surveys[key]

    def passes(
        self,
        inputs: Any,
        score: Callable | None,
        coefficients: np.ndarray | None,
        *,
        places: Sequence[Seen] = (),
        gradient: bool = False,
        at_input: bool = False,
        curvature: bool = False,
        rectifier: Rectifier | None = None,
        added: np.ndarray | None = None,
        objective: Callable | None = None,
        reference: np.ndarray | None = None,
        progress: bool = False,
    ) -> Passed:
        """Send inputs through the network, in chunks, and give what was asked for.

        The score of an image is the sum of ``coefficients`` (n, classes) times its logits, by default the predicted
        class's, or what the function ``score`` makes of the logits. ``places``: the calls whose answers are kept, with
        ``gradient`` the score's gradients there; ``at_input`` the gradient at the first input with spatial extent.
        ``added``: what is added to the answer of the only place, of the shape of its answers, channels last.
        ``objective``: makes the score (n,), instead, of the answer A of the only place and of ``reference``, tensors of
        as many sides, one row per image, sides in the network's own order; there are no logits then, and what follows
        the place need not be computed.
        """
        surveyed = self.survey(inputs)
        flat = keras.tree.flatten(inputs)
        n = len(flat[0])
        key = (
            score, coefficients is None, tuple(call.key for call in places), gradient, at_input, curvature, rectifier,
            added is None, objective, reference is None, tuple(x.shape[1:] for x in flat),
        )
        if key not in self._compiled:
            while len(self._compiled) >= _KEPT:  # each function given as a target is a pass of its own
                del self._compiled[next(iter(self._compiled))]
            one_pass = self._pass(
                score, objective, places, gradient, at_input, curvature, rectifier, self._image_index(flat), surveyed
            )
            self._compiled[key] = backend.compiled(self.model, one_pass, traced=rectifier is None)
        given = {"inputs": inputs}
        if coefficients is not None:
            given["coefficients"] = coefficients
        if added is not None:
            given["added"] = np.moveaxis(added, -1, 1) if surveyed.channels_first else added
        if reference is not None:
            given["reference"] = np.moveaxis(reference, -1, 1) if surveyed.channels_first else reference
        size = -(-n // -(-n // self._chunk(surveyed)))  # chunks of equal size: one is filled up by a few rows at most
        parts = []
        for start in tqdm(range(0, n, size), disable=not progress, leave=False):
            chunk = keras.tree.map_structure(lambda x, start=start: x[start : start + size], given)
            rows = min(size, n - start)
            if rows < size:  # one shape, one compilation
                chunk = keras.tree.map_structure(lambda x, rows=rows: _padded(x, size - rows), chunk)
            parts.append(keras.tree.map_structure(lambda x, rows=rows: x[:rows], self._compiled[key](chunk)))
        joined = keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)

        def channels_last(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
            moved = [np.moveaxis(x, 1, -1) if surveyed.channels_first else x for x in arrays]
            return tuple(x.astype(np.float32, copy=False) for x in moved)

        input_gradient = channels_last(joined["input_gradient"])[0] if at_input else None
        return Passed(
            joined["logits"], joined["probabilities"], joined["scores"], channels_last(joined["activations"]),
            channels_last(joined["gradients"]), input_gradient, channels_last(joined["curvatures"]),
        )

    def _pass(
        self, score: Callable | None, objective: Callable | None, places: Sequence[Seen], gradient: bool,
        at_input: bool, curvature: bool, rectifier: Rectifier | None, image_index: int, surveyed: Survey,
    ) -> Callable:
        """Give the function of tensors that one pass is: called once per set of shapes, on torch at each pass."""

        def scored(given: dict, at: list) -> tuple[Any, dict]:
            """Answer with what ``at`` adds: to the answer of each place, then to the image."""
            inputs = given["inputs"]
            if at_input:
                flat = keras.tree.flatten(inputs)
                flat[image_index] = at[-1]
                inputs = keras.tree.pack_sequence_as(inputs, flat)
            deltas = dict(zip([call.key for call in places], at, strict=False)) if places else {}
            watch = Watch(added=deltas)
            with watching(watch, rectifier):
                outputs = self._answer(inputs)
            kept = [watch.kept[call.key] for call in places]
            if objective is not None:
                scores = objective(ops.cast(kept[0], "float32"), given.get("reference"))
                logits = probabilities = scores[:, None][:, :0]
            else:
                logits, probabilities = self._read(watch, outputs, surveyed)
                if score is not None:
                    scores = ops.reshape(score(watch.logits(self._select(outputs))[1]), (-1,))
                else:
                    scores = self._score(logits, given.get("coefficients"))
            seen = {"logits": logits, "probabilities": probabilities, "scores": scores, "activations": kept}
            return ops.sum(ops.cast(scores, "float32")), seen

        def run(given: dict) -> dict:
            flat = keras.tree.flatten(given["inputs"])
            n = flat[0].shape[0]
            if "added" in given:
                deltas = [ops.cast(given["added"], "float32")]
            else:
                deltas = [ops.zeros((n, *_inner(call.shape, surveyed.channels_first)), "float32") for call in places]
            at = [*deltas, ops.cast(flat[image_index], "float32")] if at_input else deltas
            slopes, curvatures = [], []
            if curvature:

                def along(at: list) -> tuple[Any, dict]:
                    (_, seen), slopes = backend.value_and_gradient(lambda at: scored(given, at), at, again=True)
                    products = [
                        ops.sum(slope * ops.stop_gradient(ops.cast(activation, "float32")))
                        for slope, activation in zip(slopes, seen["activations"], strict=True)
                    ]
                    return sum(products), (seen, slopes)

                (_, (seen, slopes)), curvatures = backend.value_and_gradient(along, at)
            elif gradient or at_input:
                (_, seen), slopes = backend.value_and_gradient(lambda at: scored(given, at), at)
            else:
                _, seen = scored(given, at)
            here = list(slopes[: len(places)])
            return seen | {
                "gradients": here,
                "input_gradient": list(slopes[len(places) :]),
                "curvatures": list(curvatures),
            }

        return run

    def _answer(self, inputs: Any) -> Any:
        """Call the network in inference mode, with its inputs nested as it was made with them."""
        nested = getattr(self.model, "_inputs_struct", None)
        if nested is not None:
            inputs = keras.tree.pack_sequence_as(nested, keras.tree.flatten(inputs))
        return self.model(inputs, training=False)

    def _select(self, outputs: Any) -> Any:
        """Pick the output that is explained. Raises SettingError where that is not clear."""
        flat = keras.tree.flatten(outputs)
        if len(flat) == 1:
            return flat[0]
        names = list(outputs) if isinstance(outputs, dict) else getattr(self.model, "output_names", None) or []
        if isinstance(outputs, dict) and self.output in outputs:
            return outputs[self.output]
        if self.output in names and len(names) == len(flat):
            return flat[names.index(self.output)]
        if isinstance(self.output, int) and 0 <= self.output < len(flat):
            return flat[self.output]
        raise SettingError(
            "Expected output to name one of the network's {n} outputs ({names}), received {output!r}: "
            "Explainer(model, output=…).",
            "output doit nommer une des {n} sorties du réseau ({names}), {output!r} reçu : Explainer(model, output=…).",
            n=len(flat), names=", ".join(map(str, names)) or f"0 … {len(flat) - 1}", output=self.output,
        )

    def _read(self, watch: Watch, outputs: Any, surveyed: Survey) -> tuple[Any, Any]:
        """Give logits and probabilities ``(n, classes)`` of the chosen output, whatever its head."""
        answer = self._select(outputs)
        head, logits = watch.logits(answer)
        logits, answer = (ops.cast(x, "float32") for x in (logits, answer))
        if len(answer.shape) == 1:
            logits, answer = logits[:, None], answer[:, None]
        if head == "sigmoid" and answer.shape[-1] == 1:  # two classes in one number
            return ops.concatenate([-logits, logits], -1), ops.concatenate([1 - answer, answer], -1)
        if head == "log_softmax":
            return logits, ops.exp(answer)
        if head is None and self._hidden_heads.get(surveyed.output_shape):
            logarithms = ops.log(ops.maximum(answer, 1e-37))
            return logarithms - ops.mean(logarithms, axis=-1, keepdims=True), answer
        if head is None and answer.shape[-1] > 1:
            return logits, ops.softmax(logits, axis=-1)
        return logits, answer

    def _score(self, logits: Any, coefficients: Any | None) -> Any:
        """Give the score of each image: of the predicted class where there are no coefficients."""
        if coefficients is None:
            coefficients = ops.one_hot(ops.argmax(logits, axis=-1), logits.shape[-1], dtype="float32")
        if self.score in ("probability", "log_probability", "rest"):
            logarithms = ops.log_softmax(logits, axis=-1)
            if self.score == "probability":
                return ops.sum(coefficients * ops.exp(logarithms), axis=-1)
            logarithms = logarithms + (logits if self.score == "rest" else 0)
            return ops.sum(coefficients * logarithms, axis=-1)
        scores = ops.sum(coefficients * logits, axis=-1)
        if self.score == "margin":
            scores = scores - ops.max(ops.where(coefficients > 0, -np.inf, logits), axis=-1)
        return scores

    def _coefficients(
        self, target: Target, n: int, surveyed: Survey
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Give one row of coefficients of the logits per image, and the classes; None where the pass finds them."""
        if target is None or callable(target):
            if target is None and len(surveyed.output_shape) > 1:
                raise SettingError(
                    "Expected target to be a function from the output, of shape {shape}, to one score per image: it is "
                    "not one number per class.",
                    "target doit être une fonction de la sortie, de forme {shape}, vers un score par image : ce n'est "
                    "pas un nombre par classe.",
                    shape=str(surveyed.output_shape),
                )
            return None, None
        classes = self._classes(surveyed)
        targets = np.asarray(target)
        whole = targets.dtype.kind in "iu"
        if targets.ndim == 0 and whole:
            targets = np.full(n, targets)
        if not whole or targets.shape != (n,) or targets.min() < 0 or targets.max() >= classes:
            raise SettingError(
                "Expected target to be a class of 0 to {last}, or one for each of the {n:#image|images}, received "
                "{target!r}.",
                "target doit être une classe de 0 à {last}, ou une par image ({n:,}), {target!r} reçu.",
                last=classes - 1, n=n, target=target,
            )
        return np.eye(classes, dtype=np.float32)[targets], targets.astype(np.int64)

    @staticmethod
    def _classes(surveyed: Survey) -> int:
        """Count the classes of the chosen output: two where one sigmoid tells them apart."""
        units = surveyed.output_shape[-1] if surveyed.output_shape else 1
        return 2 if units == 1 and surveyed.head == "sigmoid" else units

    def _inputs(self, images: Any) -> Any:
        """Check what is given as images, and make arrays of it.

        Raises SettingError for no image, another shape, values that are no numbers or not finite.
        """
        if isinstance(images, np.ndarray) or not isinstance(images, list | tuple | dict) or np.isscalar(images):
            images = _array(images)
        else:
            parts = keras.tree.flatten(images)
            several = isinstance(images, dict) or len(getattr(self.model, "inputs", None) or [0]) > 1
            images = keras.tree.map_structure(_array, images) if several and len(parts) > 1 else _array(images)
        lengths = {len(x) for x in keras.tree.flatten(images)}
        if len(lengths) > 1:
            raise SettingError(
                "Expected as many images for each input, received {lengths}.",
                "Autant d'images pour chaque entrée attendues, {lengths} reçu.",
                lengths=sorted(lengths),
            )
        wanted = getattr(self.model, "input_shape", None) if self.model.built else None
        if isinstance(wanted, tuple) and isinstance(images, np.ndarray) and (
            len(wanted) != images.ndim
            or any(side not in (None, given) for side, given in zip(wanted[1:], images.shape[1:], strict=True))
        ):
            raise SettingError(
                "Expected images of shape {wanted}, the first side counting them, received {shape}{hint}.",
                "Images de forme {wanted} attendues, le premier côté les compte, {shape} reçu{hint}.",
                wanted=_shapes(wanted), shape=_shapes(images.shape),
                hint=Text(": write images[None] for a single one", " : écrire images[None] pour une seule")
                if images.ndim == len(wanted) - 1
                else "",
            )
        return images

    def _chunk(self, surveyed: Survey) -> int:
        """Count the images that may go through the network at once."""
        return self.chunk_size or max(1, BUDGET // (2 * 4 * max(surveyed.values, 1)))

    @staticmethod
    def _image_index(flat: Sequence[np.ndarray]) -> int:
        """Find the input that maps are made for: the first with spatial extent, else the first."""
        return next((index for index, x in enumerate(flat) if x.ndim > 2), 0)

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
        found = layer_room.candidates(surveyed, flat[self._image_index(flat)].ndim - 2)
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

    def _find_hidden_head(self, inputs: Any, surveyed: Survey) -> bool:
        """Say whether the network answers probabilities, of which no softmax was seen."""
        shape = surveyed.output_shape
        if surveyed.head is not None or len(shape) != 1 or shape[0] < 2:
            return False
        if shape not in self._hidden_heads:
            answers = self.passes(inputs, None, None).logits
            self._hidden_heads[shape] = bool(
                np.all(answers >= 0) and np.allclose(answers.sum(axis=1), 1, atol=1e-4) and len(answers)
            )
            self._compiled.clear()
        return self._hidden_heads[shape]

    def _explained(self, method: Method, run: Run, settings: dict[str, Any]) -> dict[str, Any]:
        """Run a method over one chunk, and say what is wrong with its maps."""
        hidden = self._find_hidden_head(run.inputs, run.surveyed)
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
            names += _wrong(method, run, first, i, raw[i], finite[i], maps[i], self.score)
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
        self._image_index = explainer._image_index(self._flat)

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
        at_once = max(1, self.explainer._chunk(self.surveyed) // len(self.images))
        at_once = -(-variants // -(-variants // at_once))  # ranges of equal size
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


def _wrong(
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


def _array(images: Any) -> np.ndarray:
    """Make an array of images; raise SettingError where that is none of finite numbers."""
    if keras.ops.is_tensor(images):
        images = keras.ops.convert_to_numpy(images)
    try:
        array = np.asarray(images)
    except ValueError:  # rows of unequal length
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "uif" or array.ndim < 2 or not array.size:
        raise SettingError(
            "Expected images to be an array of numbers with at least one image, such as (n, h, w, c), received {kind} "
            "of shape {shape}.",
            "images doit être un tableau de nombres d'au moins une image, comme (n, h, w, c), {kind} de forme {shape} "
            "reçu.",
            kind=str(array.dtype), shape=_shapes(array.shape),
        )
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).argmax())
        raise SettingError(
            "Expected images of finite numbers, received NaN or infinity in image {index}.",
            "Images de nombres finis attendues, NaN ou infini reçu dans l'image {index}.",
            index=bad,
        )
    return array


def _padded(x: np.ndarray, rows: int) -> np.ndarray:
    """Repeat the last row."""
    return np.concatenate([x, np.repeat(x[-1:], rows, axis=0)])


def _inner(shape: tuple[int, ...], channels_first: bool) -> tuple[int, ...]:
    """Give a shape, known channels last, as it is inside the network."""
    return (shape[-1], *shape[:-1]) if channels_first and len(shape) > 1 else shape


def _shapes(shape: Any) -> str:
    if isinstance(shape, list):
        return "; ".join(map(_shapes, shape))
    if shape is None:
        return "–"
    return "(" + ", ".join("n" if side is None else str(side) for side in shape) + ")"
