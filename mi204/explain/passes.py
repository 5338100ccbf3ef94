"""Send images through a network, in chunks, and bring back what was seen: the seam between methods and backends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from mi204 import backend
from mi204.errors import SettingError
from mi204.explain import inputs as input_room
from mi204.explain import layers as layer_room
from mi204.explain._probe import Rectifier, Watch, watching
from mi204.explain.layers import Seen, Survey

Target = int | Sequence[int] | np.ndarray | Callable | None
"""The class explained: one for all images, one for each, the predicted one (None), or a function from the logits, a
tensor ``(n, classes)``, to one score per image ``(n,)``."""

ScoreKind = Literal["logit", "probability", "log_probability", "margin", "rest"]
"""What of the class is explained: its logit z; softmax(z); log softmax(z); z less the greatest other logit; z + log
softmax(z), the ReST score of Shapley-CAM (2501.06261)."""

BUDGET = 512 * 2**20
"""Bytes that the answers of all layers may take in one pass, with their gradients; sets how many images go at once."""


_KEPT = 32
"""Compiled passes that an explainer keeps."""


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


class Passes:
    """Sends images through one network and looks on; keeps what it has compiled, so that the next pass is quick.

    Nothing in the network changes: it is only called, in inference mode, and looked at from outside. Weights are those
    of the moment of each call; who changes the network's layers makes another of these.
    """

    def __init__(
        self, model: keras.Model, *, output: str | int | None, score: ScoreKind, chunk_size: int | None
    ) -> None:
        """Take a network, which of its outputs is explained, what of it, and how many images go at once.

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
        self.model, self.output, self.score, self.chunk_size = model, output, score, chunk_size
        self._surveys: dict[tuple, Survey] = {}
        self._compiled: dict[tuple, Callable] = {}
        self._hidden_heads: dict[tuple, bool] = {}

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
                    wanted=input_room.shapes_of(getattr(self.model, "input_shape", None) if self.model.built else None),
                    shapes=input_room.shapes_of([x.shape for x in flat]),
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
                score, objective, places, gradient, at_input, curvature, rectifier, self.image_index(flat), surveyed
            )
            self._compiled[key] = backend.compiled(self.model, one_pass, traced=rectifier is None)
        given = {"inputs": inputs}
        if coefficients is not None:
            given["coefficients"] = coefficients
        if added is not None:
            given["added"] = np.moveaxis(added, -1, 1) if surveyed.channels_first else added
        if reference is not None:
            given["reference"] = np.moveaxis(reference, -1, 1) if surveyed.channels_first else reference
        size = chunk_size(n, self.images_at_once(surveyed))
        parts = []
        for start in tqdm(range(0, n, size), disable=not progress, leave=False):
            chunk = keras.tree.map_structure(lambda x, start=start: x[start : start + size], given)
            chunk = keras.tree.map_structure(lambda x: padded(x, size), chunk)  # one shape, one compilation
            rows = min(size, n - start)
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

    def coefficients_of(
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

    def images_at_once(self, surveyed: Survey) -> int:
        """Count the images that may go through the network at once."""
        return self.chunk_size or max(1, BUDGET // (2 * 4 * max(surveyed.values, 1)))

    @staticmethod
    def image_index(flat: Sequence[np.ndarray]) -> int:
        """Find the input that maps are made for: the first with spatial extent, else the first."""
        return next((index for index, x in enumerate(flat) if x.ndim > 2), 0)

    def find_hidden_head(self, inputs: Any, surveyed: Survey) -> bool:
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


def chunk_size(n: int, most: int) -> int:
    """Cut ``n`` into as few chunks of at most ``most`` as can be, of equal size but for a few rows in the last."""
    return math.ceil(n / math.ceil(n / most))


def padded(x: np.ndarray, rows: int) -> np.ndarray:
    """Repeat the last row until there are ``rows``."""
    return np.concatenate([x, np.repeat(x[-1:], rows - len(x), axis=0)]) if len(x) < rows else x


def _inner(shape: tuple[int, ...], channels_first: bool) -> tuple[int, ...]:
    """Give a shape, known channels last, as it is inside the network."""
    return (shape[-1], *shape[:-1]) if channels_first and len(shape) > 1 else shape
