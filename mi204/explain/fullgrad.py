"""FullGrad: what the image, and every bias of the network, adds to the score of a class, where it adds it.

x: an image; y: the logit of the class. A network of convolutions, dense layers, batch normalisation and ReLUs is linear
around each image: ``y = sum x dy/dx + sum_l sum b_l dy/db_l``, b_l all that its layers add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from mi204.errors import SettingError
from mi204.explain._probe import HEADS
from mi204.explain.engine import Run
from mi204.explain.layers import Seen
from mi204.explain.maps import normalised, resized
from mi204.explain.methods import method

_SLOPES: dict[str, Callable[[np.ndarray], Any]] = {
    "linear": lambda answer: 1,
    "relu": lambda answer: answer > 0,
    "relu6": lambda answer: (answer > 0) & (answer < 6),
    "leaky_relu": lambda answer: np.where(answer > 0, 1, 0.2),
}
"""Slopes of activation functions that a layer may end with, from their answer."""


@method("fullgrad", "FullGrad", "Srinivas and Fleuret, 2019, 1905.00780", place="input")
def fullgrad(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sum the magnitudes of what image and biases add, each channel in [0, 1]: ``N|x dy/dx| + sum_l sum_c N|b dy/db|``.

    Biases are those of convolutions and dense layers, what batch normalisation adds, ``beta - gamma mean / std``, what
    rescaling adds, and the limit of a ReLU that has one, where it is reached; those of layers without spatial extent
    add to the score, but to no place. ``completeness_gap``, ``y - sum x dy/dx - sum b dy/db``, is 0 but for rounding
    where that is all that adds; elsewhere, as with other activation functions, attention or products of layers, it says
    how much is missing. Raises SettingError for a score that is no class's logit, and where a layer with a bias ends
    with an activation function that is not piecewise linear.
    """
    if run.coefficients is None or run.explainer.score != "logit":
        raise SettingError(
            "Expected for fullgrad the logit of a class as the score, received another: take score='logit' and a class "
            "as target.",
            "Logit d'une classe attendu comme score pour fullgrad, un autre reçu : prendre score='logit' et une classe "
            "comme target.",
        )
    places = [call for call in run.surveyed.calls if call.leaf and call.shape and _adds(call.operation)]
    passed = run.passes(places=places, gradient=True, at_input=True)
    image = run.images * passed.input_gradient
    sides = run.images.shape[1:-1]
    explained, total = _shown(image), _summed(image)
    for call, answer, gradient in zip(places, passed.activations, passed.gradients, strict=True):
        added = _bias(call.operation) * _before_activation(run, call, answer, gradient)
        limit = _limit(call.operation)
        if limit is not None:
            added = added + limit * (answer >= limit) * gradient
        total += _summed(added)
        if len(call.sides) == len(sides):
            explained += resized(_shown(added), sides)
    return explained, {"completeness_gap": run.passed.scores - total}


def _adds(operation: keras.Operation) -> bool:
    return bool(np.any(_bias(operation)) or _limit(operation))


def _bias(operation: keras.Operation) -> np.ndarray | float:
    """Give what a layer adds to each of its channels, whatever it is given: (k,); 0 for one that adds nothing."""
    if isinstance(operation, keras.layers.BatchNormalization):
        deviation = np.sqrt(ops.convert_to_numpy(operation.moving_variance) + operation.epsilon)
        factor = ops.convert_to_numpy(operation.gamma) if operation.scale else 1
        added = ops.convert_to_numpy(operation.beta) if operation.center else 0
        return added - factor * ops.convert_to_numpy(operation.moving_mean) / deviation
    if isinstance(operation, keras.layers.Rescaling):
        return np.asarray(operation.offset, np.float32)
    bias = getattr(operation, "bias", None)
    return ops.convert_to_numpy(bias) if isinstance(bias, keras.Variable) else 0.0


def _limit(operation: keras.Operation) -> float | None:
    """Give the greatest answer of a layer that ends in a ReLU with one."""
    if getattr(operation, "activation", None) is keras.activations.relu6:
        return 6.0
    return operation.max_value if isinstance(operation, keras.layers.ReLU) else None


def _before_activation(run: Run, call: Seen, answer: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Give the gradient in what a layer answers before its activation function: where its bias is added."""
    activation = getattr(call.operation, "activation", None)
    name = getattr(activation, "__name__", type(activation).__name__)
    if call.answers and name in HEADS:  # the logit is before it
        one_sigmoid = answer.shape[1] < run.coefficients.shape[1]
        return run.coefficients[:, 1:] - run.coefficients[:, :1] if one_sigmoid else run.coefficients
    if activation is None or not np.any(gradient) or not np.any(_bias(call.operation)):
        return gradient
    if name in _SLOPES:
        return gradient * _SLOPES[name](answer)
    raise SettingError(
        "Expected for fullgrad layers that end with one of {known}, received {layer}, which ends with {name}: what its "
        "bias adds cannot be told; choose another method.",
        "fullgrad demande des couches finissant par {known}, {layer} finit par {name} : ce qu'ajoute son biais ne peut "
        "être dit ; choisir une autre méthode.",
        known=", ".join(_SLOPES), layer=call.path, name=name,
    )


def _summed(added: np.ndarray) -> np.ndarray:
    return added.reshape(len(added), -1).sum(axis=1, dtype=np.float64)


def _shown(added: np.ndarray) -> np.ndarray:
    """Scale the magnitudes of each channel of ``(n, h, w, c)`` to [0, 1] and sum them over the channels."""
    planes = np.abs(np.moveaxis(added, -1, 1))
    scaled = normalised(planes.reshape(-1, *planes.shape[2:]))
    return scaled.reshape(planes.shape).sum(axis=1)
