"""Which layers a network runs through, in which order, and which of them a map is best made at."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from mi204 import backend
from mi204.errors import SettingError
from mi204.explain._probe import Call, Key, Watch, watching
from mi204.language import Text

LayerChoice = str | keras.Operation | tuple[str | keras.Operation, int]
"""A layer by its path (``mobilenetv2/out_relu``), its name where no other has it, or itself; of a layer that is called
several times the last call, or the one that stands beside it, from 0."""


@dataclass(frozen=True)
class Seen:
    """One call of a layer or operation, with the shape of its answer."""

    operation: keras.Operation
    index: int
    """Which of its calls, from 0."""
    path: str
    leaf: bool
    """Whether it calls no other layer."""
    shape: tuple[int, ...] | None
    """Of one example's answer, channels last; None where it is not one tensor of numbers."""
    weighted: bool
    """Whether it, or what came before it, has weights."""
    answers: bool
    """Whether the network's chosen output is its own."""

    @property
    def key(self) -> Key:
        """Tell this call from the others."""
        return id(self.operation), self.index

    @property
    def sides(self) -> tuple[int, ...]:
        """Give the sides of its maps, without channels: ``(h, w)``."""
        return self.shape[:-1] if self.shape else ()

    @property
    def channels(self) -> int:
        """Count its maps."""
        return self.shape[-1] if self.shape else 0


@dataclass(frozen=True)
class Survey:
    """What one pass showed of a network, for inputs of one shape."""

    calls: tuple[Seen, ...]
    """In the order in which they ended."""
    channels_first: bool
    """Whether maps are ``(n, c, h, w)`` inside the network."""
    head: str | None
    """Softmax or sigmoid whose answer the chosen output is; None where it is none's."""
    output_shape: tuple[int, ...]
    """Of one example's chosen output."""
    rectifies: bool
    """Whether it calls a ReLU, under whatever name."""
    values: int
    """Numbers that all leaves answer for one example: what a pass may hold."""


def survey(answer: Callable, inputs: Any, select: Callable) -> Survey:
    """Have a network ``answer`` to inputs and note the calls that it makes; ``select`` picks one of its outputs."""
    seen: list[tuple[Call, tuple[int, ...] | None]] = []
    found = {}

    def note(call: Call) -> None:
        shape = getattr(call.output, "shape", None)
        number = shape is not None and keras.backend.is_float_dtype(keras.backend.standardize_dtype(call.output.dtype))
        seen.append((call, tuple(shape[1:]) if number else None))

    def run(tensors):
        watch = Watch(on_call=note)
        with watching(watch):
            output = select(answer(tensors))
        found["head"], _ = watch.logits(output)
        found["shape"] = tuple(output.shape[1:])
        found["rectifies"] = watch.rectifies
        found["answers"] = [call.output is output for call, _ in seen]
        for call, _ in seen:
            call.output = None  # what was computed is not needed any more

    backend.shape_pass(run, inputs)
    formats = [getattr(call.operation, "data_format", None) for call, _ in seen]
    channels_first = next((each for each in formats if each), keras.config.image_data_format()) == "channels_first"
    calls, weighted = [], False
    for (call, shape), answers in zip(seen, found["answers"], strict=True):
        weighted = weighted or bool(getattr(call.operation, "weights", ()))
        if shape and channels_first and len(shape) > 1:
            shape = (*shape[1:], shape[0])
        calls.append(Seen(call.operation, call.index, call.path, call.leaf, shape, weighted, answers))
    values = sum(math.prod(call.shape) for call in calls if call.leaf and call.shape)
    return Survey(tuple(calls), channels_first, found["head"], found["shape"], found["rectifies"], values)


def candidates(surveyed: Survey, sides: int) -> list[Seen]:
    """Give the calls at which a map can be made by default, first to last.

    They answer maps of as many sides as the input has, more than one pixel each, after the first layer with weights
    and before the answer of the network itself. Raises SettingError when there is none.
    """
    found = [
        call
        for call in surveyed.calls
        if call.leaf and call.weighted and not call.answers
        if len(call.sides) == sides and max(call.sides, default=1) > 1
    ]
    if not found:
        raise SettingError(
            "Expected the network to have a layer whose answer has spatial extent, found none among {layers}: "
            "choose a method that needs no layer, such as saliency or occlusion.",
            "Le réseau doit avoir une couche dont la réponse a une étendue spatiale, aucune trouvée parmi {layers} : "
            "choisir une méthode sans couche, comme saliency ou occlusion.",
            layers=", ".join(call.path for call in surveyed.calls if call.leaf and call.path),
        )
    return found


def reason(chosen: Seen) -> Text:
    """Say in words why a layer was chosen by default."""
    return Text(
        "Layer {path}: the last one whose answer still has spatial extent ({sides} pixels, {channels:#map|maps}), "
        "taken after its activation; later ones have lost where things are, earlier ones know less of what they are.",
        "Couche {path} : la dernière dont la réponse garde une étendue spatiale ({sides} pixels, "
        "{channels:#carte|cartes}), prise après son activation ; les suivantes ont perdu le lieu, les précédentes "
        "connaissent moins l'objet.",
        {"path": chosen.path, "sides": " × ".join(map(str, chosen.sides)), "channels": chosen.channels},
    )


def asked(chosen: Sequence[Seen]) -> Text:
    """Say in words that layers were asked for."""
    return Text(
        "Asked for: {paths}.",
        "Demandé : {paths}.",
        {
            "paths": ", ".join(
                f"{call.path} ({' × '.join(map(str, call.sides))}, {call.channels})" for call in chosen
            )
        },
    )


def find(surveyed: Survey, choice: LayerChoice, *, spatial: bool = True) -> Seen:
    """Find the call that is meant by a path, a name or a layer, with the number of the call beside it or not.

    Raises SettingError when there is none, naming those that are alike, when there are several of the name, or when
    its answer is no tensor of numbers or, where that is asked for, has no spatial extent.
    """
    layer, index = choice if isinstance(choice, tuple) else (choice, None)
    calls = [call for call in surveyed.calls if call.path]
    if isinstance(layer, keras.Operation):
        found = [call for call in calls if call.operation is layer]
        name = layer.name
    else:
        name = str(layer)
        found = [call for call in calls if call.path == name]
        found = found or [call for call in calls if call.path.rsplit("/", 1)[-1] == name]
    paths = list(dict.fromkeys(call.path for call in calls))
    if not found:
        alike = difflib.get_close_matches(name, [*paths, *(path.rsplit("/", 1)[-1] for path in paths)], n=3)
        raise SettingError(
            "Expected layer to be one that the network calls, received {name!r}. {hint}",
            "La couche doit être une de celles que le réseau appelle, {name!r} reçu. {hint}",
            name=name,
            hint=Text(
                "Alike: {names}." if alike else "There are: {names}.",
                "Ressemblantes : {names}." if alike else "Il y a : {names}.",
                {"names": ", ".join(alike or [call.path for call in calls if call.leaf and len(call.sides) > 0])},
            ),
        )
    if len({id(call.operation) for call in found}) > 1:
        raise SettingError(
            "Expected layer to name one layer, received {name!r}, the name of several: give one of the paths {paths}.",
            "La couche doit être seule de son nom, {name!r} reçu, nom de plusieurs : donner un des chemins {paths}.",
            name=name, paths=", ".join(call.path for call in found),
        )
    if index is not None and not -len(found) <= index < len(found):
        raise SettingError(
            "Expected the call of layer {name!r} to be one of 0 to {last}, received {index}.",
            "Appel de la couche {name!r} de 0 à {last} attendu, {index} reçu.",
            name=name, last=len(found) - 1, index=index,
        )
    chosen = found[-1 if index is None else index]
    if not chosen.shape or (spatial and not chosen.sides):
        raise SettingError(
            "Expected layer to be one whose answer has spatial extent, received {path!r} of shape {shape}: choose an "
            "earlier one, such as {earlier}.",
            "La réponse de la couche doit avoir une étendue spatiale, {path!r} de forme {shape} reçue : en choisir une "
            "avant elle, comme {earlier}.",
            path=chosen.path,
            shape=str(chosen.shape),
            earlier=next((call.path for call in reversed(calls) if call.leaf and call.sides), "–"),
        )
    return chosen
