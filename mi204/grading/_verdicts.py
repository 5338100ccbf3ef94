"""What the answers of a submission are worth: each is compared with our own solution or a closed form, in the parent.

Nothing here trusts an answer: it may have any type, shape or value. A wrong answer is compared with what the common
mistakes would give, so that the message can name the mistake.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from mi204.interop.torch_trainer import NetworkConfiguration, Trainer
from mi204.language import Word


@dataclass(frozen=True)
class Finding:
    """What a check found; a ``Word`` stands for a text of ``texts.toml``, other texts are code."""

    passed: bool
    expected: str = ""
    received: str = ""
    mistake: str = ""
    """Keys of the common mistakes that together explain the answer, where some do, with spaces between."""


def judge(number: str, inputs: dict, answer: dict) -> Finding:
    """Judge the answer of the case that check ``number`` looks at."""
    try:
        with torch.no_grad(), np.errstate(all="ignore"):
            return _VERDICTS[number](inputs, answer)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        # Not what the probe would send: the submission wrote on the child's pipe, or changed numpy or torch there.
        return Finding(False, received=Word("unreadable"))


# ------------------------------------------------------------------------------------------------ what came back


def show(value: Any) -> str:
    """Write a value as Python would, shortened."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        first = np.array2string(value.reshape(-1)[:6], precision=4, separator=", ")[1:-1]
        return first.strip() if value.ndim == 0 else f"{value.shape}: [{first}{', …' if value.size > 6 else ''}]"
    if isinstance(value, list):
        return f"({', '.join(map(show, value))})"
    if isinstance(value, dict) and value.get("type") == "NoneType":
        return "None"
    return f"{value['type']}: {value['text']}"


def _number(value: Any) -> float | None:
    """Read a float, a 0-d array, or an array of one number; None for anything else."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = float(value.reshape(()))
    return value if isinstance(value, float) else None


def _close(received: Any, expected: Any, rtol: float = 1e-3, atol: float = 1e-5) -> bool:
    received, expected = np.asarray(received), np.asarray(expected)
    return received.shape == expected.shape and np.allclose(received, expected, rtol=rtol, atol=atol)


def _nothing(value: Any) -> str:
    return "returns_nothing" if isinstance(value, dict) and value.get("type") == "NoneType" else ""


def _together(*mistakes: str) -> str:
    """Join the keys of mistakes made at once; ``""`` stands for none."""
    return " ".join(filter(None, mistakes))


def _explained(received: Any, mistakes: dict[str, Any], atol: float = 1e-5) -> str:
    """Give the mistakes that lead to what was received, the fewest that do."""
    # Nearer than a right answer must be: the more mistakes there are to compare with, the likelier is chance.
    found = [keys for keys, wrong in mistakes.items() if _close(received, wrong, rtol=2e-5, atol=atol)]
    return min(found, key=lambda keys: len(keys.split()), default="")


def _numeric(expected: float, value: Any, mistakes: dict[str, float]) -> Finding:
    """Compare a number with the expected one, then with what the mistakes give."""
    received = _number(value)
    if received is None:
        return Finding(False, show(float(expected)), show(value), _nothing(value) or "not_a_number")
    if _close(received, expected):
        return Finding(True)
    return Finding(False, show(float(expected)), show(received), _explained(received, mistakes))


def _array(expected: np.ndarray, value: Any, mistakes: dict[str, np.ndarray], atol: float = 1e-5) -> Finding:
    """Compare an array with the expected one, then with what the mistakes give."""
    if isinstance(value, np.ndarray):
        if _close(value, expected, atol=atol):
            return Finding(True)
        return Finding(False, show(np.asarray(expected)), show(value), _explained(value, mistakes, atol))
    return Finding(False, show(np.asarray(expected)), show(value), _nothing(value))


# --------------------------------------------------------------------------------------------------- 1, 2, 9: norms


def _norms(gradients: list[np.ndarray]) -> tuple[float, dict[str, float]]:
    """Give the Euclidean norm of all the gradients together, and what is taken for it."""
    norms = [float(np.linalg.norm(gradient)) for gradient in gradients]
    mistakes = {"sum_of_norms": sum(norms), "mean_of_norms": sum(norms) / len(norms)}
    for selection, chosen in (("", gradients), ("first_only", gradients[:1]), ("last_only", gradients[-1:])):
        values = np.concatenate([gradient.reshape(-1) for gradient in chosen]).astype("float64")
        mistakes |= {
            selection: float(np.linalg.norm(values)),
            _together(selection, "squared"): float((values**2).sum()),
            _together(selection, "sum_of_values"): float(values.sum()),
            _together(selection, "absolute_values"): float(np.abs(values).sum()),
        }
    return mistakes.pop(""), mistakes


def _gradient_norm(inputs: dict, answer: dict) -> Finding:
    gradients = [3 * w * t**2 for w, t in zip(inputs["weights"], inputs["tensors"], strict=True)]
    expected, mistakes = _norms(gradients)
    return _numeric(expected, answer["value"], mistakes)


def _jacobian_norm(inputs: dict, answer: dict) -> Finding:
    matrix, x = inputs["matrix"], inputs["x"].reshape(4, -1)
    # d(matrix @ x**3)[i, j] / dx[k, l] = matrix[i, k] * 3 x[k, l]**2 where j = l, and 0 elsewhere.
    blocks = [matrix * 3 * column**2 for column in x.T]
    expected = float(np.linalg.norm([np.linalg.norm(block) for block in blocks]))
    of_sum = float(np.linalg.norm([np.linalg.norm(block.sum(axis=0)) for block in blocks]))
    mistakes = {
        "gradient_of_sum": of_sum,
        "gradient_of_sum squared": of_sum**2,
        "squared": expected**2,
        "spectral": max(float(np.linalg.norm(block, 2)) for block in blocks),
        "absolute_values": float(sum(np.abs(block).sum() for block in blocks)),
    }
    return _numeric(expected, answer["value"], mistakes)


def _compute_gradient_norm(inputs: dict, answer: dict) -> Finding:
    expected, mistakes = _norms(inputs["gradients"])
    of_weights, others = _norms(inputs["weights"])
    for mistake, value in {"": of_weights, **others}.items():
        mistakes[_together("norm_of_weights", mistake)] = value
    return _numeric(expected, answer["value"], mistakes)


# ------------------------------------------------------------------------------------------------ 3: activations


def _activation(inputs: dict, answer: dict) -> Finding:
    x, value = torch.tensor(inputs["x"]), answer["value"]
    if answer["is_module"] is not True:
        is_class = isinstance(value, dict) and value.get("type") == "type"
        mistake = _nothing(value) or ("class_not_instance" if is_class else "not_a_module")
        return Finding(False, "torch.nn.Module", show(value), mistake)
    values = {name: Trainer.create_activation_function(name)(x).numpy() for name in ("relu", "tanh", "sigmoid")}
    finding = _array(values[inputs["name"]], value, {})
    if not finding.passed and any(_close(value, other) for other in values.values()):
        return replace(finding, mistake="other_activation")
    return finding


# --------------------------------------------------------------------------------------------------- 4, 5: networks


def _reference(inputs: dict) -> nn.Sequential:
    configuration = NetworkConfiguration(*map(tuple, inputs["configuration"]))
    if "larger" in inputs:
        return Trainer.create_cnn(inputs["x"].shape[1], configuration, inputs["n_classes"], nn.ELU())
    return Trainer.create_mlp(inputs["x"][0].size, configuration, inputs["n_classes"], nn.ELU())


def _layers_of(network: nn.Module, kind: type) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kind)]


def _described(kind: str, weight: np.ndarray, bias: Any, stride: Any, padding: Any) -> str:
    sizes = f"{weight.shape[1]}, {weight.shape[0]}"
    if kind == "Conv2d":
        sizes += f", kernel_size={tuple(weight.shape[2:])}, stride={tuple(stride)}, padding={padding}"
    return f"{kind}({sizes}{', bias=False' if bias is None else ''})"


def _layers(kind: type) -> Callable[[dict, dict], Finding]:
    """Compare the layers of one kind: how many, in which order, of which sizes."""
    name = kind.__name__

    def verdict(inputs: dict, answer: dict) -> Finding:
        if "network" in answer:
            return Finding(False, "torch.nn.Module", show(answer["network"]), _nothing(answer["network"]))
        expected = [
            _described(name, *(getattr(layer, key, None) for key in ("weight", "bias", "stride", "padding")))
            for layer in _layers_of(_reference(inputs), kind)
        ]
        received = [
            _described(name, *(layer.get(key) for key in ("weight", "bias", "stride")), _tuple(layer.get("padding")))
            for layer in answer["layers"]
            if layer["type"] == name
        ]
        return Finding(expected == received, "; ".join(expected), "; ".join(received)[:1000] or Word("no_such_layer"))

    return verdict


def _tuple(padding: Any) -> Any:
    return tuple(padding) if isinstance(padding, list) else padding


def _output(inputs: dict, answer: dict, which: int = 0) -> tuple[np.ndarray | None, Finding]:
    """Give the output of a network if it has the right shape; the finding says which shape came."""
    x = inputs["larger"] if which else inputs["x"]
    expected = (len(x), inputs["n_classes"])
    if "network" in answer:
        return None, Finding(False, "torch.nn.Module", show(answer["network"]), _nothing(answer["network"]))
    output = answer["outputs"][min(which, len(answer["outputs"]) - 1)]  # the last one where an error stopped them
    if isinstance(output, np.ndarray):
        finding = Finding(output.shape == expected, f"{expected}", f"{output.shape}")
        return (output.astype("float64") if finding.passed else None), finding
    if "error" not in output:
        return None, Finding(False, f"{expected}", show(output), _nothing(output))
    unflattened = "cannot be multiplied" in output["error"] and "Flatten" not in answer["kinds"]
    return None, Finding(False, f"{expected}", str(output["error"]), "flatten_missing" if unflattened else "")


def _output_shape(inputs: dict, answer: dict) -> Finding:
    return _output(inputs, answer)[1]


def _probabilities(inputs: dict, answer: dict) -> Finding:
    output, finding = _output(inputs, answer)
    if output is None:
        return finding
    rows = output.sum(axis=1)
    if np.allclose(rows, 1, atol=1e-4) and (output >= 0).all():
        return Finding(True)
    mistakes = {
        "softmax_axis": np.allclose(output.sum(axis=0), 1, atol=1e-4),
        "log_softmax": np.allclose(np.exp(output).sum(axis=1), 1, atol=1e-4),
        "sigmoid_output": bool(((output > 0) & (output < 1)).all()),
        "softmax_missing": True,
    }
    return Finding(False, show(np.ones(len(rows))), show(rows), next(name for name, found in mistakes.items() if found))


def _rebuilt(inputs: dict, answer: dict) -> nn.Sequential | None:
    """Give our network with the submission's weights, strides and paddings; None when the layers do not correspond."""
    network = _reference(inputs)
    layers = _layers_of(network, nn.Linear | nn.Conv2d)
    if [type(layer).__name__ for layer in layers] != [layer["type"] for layer in answer["layers"]]:
        return None
    for layer, received in zip(layers, answer["layers"], strict=True):
        if received["weight"].ndim != layer.weight.ndim or received["weight"].size == 0:
            return None
        layer.weight = nn.Parameter(torch.tensor(received["weight"]).float())
        layer.bias = None if received["bias"] is None else nn.Parameter(torch.tensor(received["bias"]).float())
        if isinstance(layer, nn.Conv2d):
            stride, padding = received["stride"], received["padding"]
            if not all(type(pixels) is int and 0 <= pixels <= 10 for pixels in [*stride, *padding]):
                return None
            layer.stride, layer.padding = tuple(stride), tuple(padding)
    return network


def _replaced(layers: list[nn.Module], kind: type, new: Callable[[], nn.Module | None]) -> list[nn.Module]:
    made = [new() if isinstance(layer, kind) else layer for layer in layers]
    return [layer for layer in made if layer is not None]


def _on_maps(change: Callable[[list[nn.Module]], list[nn.Module]]) -> Callable[[list[nn.Module]], list[nn.Module]]:
    """Change the layers before the flattening, if there are any."""

    def changed(layers: list[nn.Module]) -> list[nn.Module]:
        flatten = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Flatten))
        return [*(change(layers[:flatten]) if flatten else []), *layers[flatten:]]

    return changed


_HIDDEN_MISTAKES: tuple[tuple[str, Callable[[list[nn.Module]], list[nn.Module]]], ...] = (
    ("activation_missing", lambda layers: _replaced(layers, nn.ELU, lambda: None)),
    ("activation_missing_convolutions", _on_maps(lambda maps: _replaced(maps, nn.ELU, lambda: None))),
    ("activation_missing_dense", lambda layers: [
        layer for i, layer in enumerate(layers)
        if not (isinstance(layer, nn.ELU) and any(isinstance(before, nn.Flatten) for before in layers[:i]))
    ]),
    *(
        ("activation_ignored", lambda layers, other=other: _replaced(layers, nn.ELU, other))
        for other in (nn.ReLU, nn.Tanh, nn.Sigmoid)
    ),
    ("activation_last", lambda layers: [*layers, nn.ELU()]),
    ("pool_last", _on_maps(lambda maps: [*maps[:-1], nn.MaxPool2d(2), maps[-1]])),
    ("pool_missing", lambda layers: _replaced(layers, nn.MaxPool2d, lambda: None)),
    ("pool_average", lambda layers: _replaced(layers, nn.MaxPool2d, lambda: nn.AvgPool2d(2))),
    ("adaptive_average", lambda layers: _replaced(
        layers, nn.AdaptiveMaxPool2d, lambda: nn.AdaptiveAvgPool2d((4, 4))
    )),
)
"""What is made of the layers below the softmax by mistake."""


def _hidden_variants(layers: list[nn.Module]) -> Iterator[tuple[str, list[nn.Module]]]:
    """Give the layers below the softmax, right, then with each common mistake, then with two at once."""
    for n_mistakes in range(3):
        for made in itertools.combinations(_HIDDEN_MISTAKES, n_mistakes):
            changed = layers
            for _, change in made:
                changed = change(changed)
            yield _together(*(name for name, _ in made)), changed


_OUTPUTS = (nn.Softmax(dim=1), nn.Softmax(dim=0), nn.Identity(), nn.LogSoftmax(dim=1), nn.Sigmoid())


def _matching(inputs: dict, answer: dict, output: np.ndarray) -> tuple[str, nn.Module] | None:
    """Find the mistake below the softmax, ``""`` for none, that gives this output, and the network of that mistake."""
    network = _rebuilt(inputs, answer)
    if network is None:
        return None
    x = torch.tensor(inputs["x"])
    for mistake, layers in _hidden_variants(list(network)[:-1]):
        try:
            logits = nn.Sequential(*layers)(x)
        except RuntimeError:  # sizes that this variant cannot take
            continue
        for last in _OUTPUTS:
            if _close(output, last(logits).numpy(), rtol=1e-4, atol=1e-6):
                return mistake, nn.Sequential(*layers, last)
    return None


def _same_network(inputs: dict, answer: dict) -> Finding:
    """Compare what the network computes with ours of the same weights; its softmax is another check's."""
    output, finding = _output(inputs, answer)
    if output is None:
        return finding
    found = _matching(inputs, answer, output)
    varies = not np.allclose(output, output[0], rtol=1e-3, atol=0)  # a network of zeros would tell nothing
    if found is not None and found[0] == "" and varies:
        return Finding(True)
    network = _rebuilt(inputs, answer)
    if network is None:
        return Finding(False, Word("same_layers"), ", ".join(map(str, answer["kinds"]))[:500])
    expected = network(torch.tensor(inputs["x"])).numpy()
    return Finding(False, show(expected), show(output), found[0] if found else "")


def _other_size(inputs: dict, answer: dict) -> Finding:
    """Look at the output for images of another size."""
    output, finding = _output(inputs, answer, which=1)
    first, _ = _output(inputs, answer)
    if output is None or first is None:
        return finding
    found = _matching(inputs, answer, first)
    if found is None:
        return finding
    expected = found[1](torch.tensor(inputs["larger"])).numpy()
    return _array(expected, output, {})


# --------------------------------------------------------------------------------------------------- 6: normalize

_SCALINGS: dict[str, Callable[[np.ndarray, np.ndarray, int | None, int], np.ndarray]] = {
    "": lambda train, x, axis, ddof: (x - train.mean(axis)) / train.std(axis, ddof=ddof),
    "centred_only": lambda train, x, axis, ddof: x - train.mean(axis),
    "variance": lambda train, x, axis, ddof: (x - train.mean(axis)) / train.var(axis, ddof=ddof),
    "min_max": lambda train, x, axis, ddof: (x - train.min(axis)) / (train.max(axis) - train.min(axis)),
}
_NORMALISATIONS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    _together(statistics, name): lambda train, x, ddof, scaled=scaled, axis=axis: scaled(train, x, axis, ddof)
    for statistics, axis in (("", 0), ("global_statistics", None))
    for name, scaled in _SCALINGS.items()
}
"""What is made of ``x`` with the statistics of ``train``; the handout does not say which deviation, hence ``ddof``."""

_NORMALISED_ATOL = 1e-4
"""A pixel of 200 minus its mean keeps four decimals in float32."""


def _normalised(inputs: dict, answer: dict) -> tuple[list[np.ndarray], list[np.ndarray]] | Finding:
    sets, value = inputs["sets"], answer["value"]
    if not isinstance(value, list) or [len(part) if isinstance(part, list) else 0 for part in value] != [2, 2, 2]:
        return Finding(False, "(X_train, y_train), (X_valid, y_valid), (X_test, y_test)", show(value), _nothing(value))
    for (_, y), (_, received) in zip(sets, value, strict=True):
        if not isinstance(received, np.ndarray) or not np.array_equal(received, y):
            return Finding(False, show(y), show(received), "labels_changed")
    return [x.astype("float64") for x, _ in sets], [x for x, _ in value]


def _recipe(train: np.ndarray, received: Any) -> tuple[str, int] | None:
    """Say what was made of the training images, with which kind of deviation."""
    for name, make in _NORMALISATIONS.items():
        for ddof in (1, 0):
            if _close(received, make(train, train, ddof), atol=_NORMALISED_ATOL):
                return name, ddof
    return None


def _normalize_train(inputs: dict, answer: dict) -> Finding:
    sets = _normalised(inputs, answer)
    if isinstance(sets, Finding):
        return sets
    (train, *_), (received, *_) = sets
    recipe = _recipe(train, received)
    if recipe and recipe[0] == "":
        return Finding(True)
    mistake = recipe[0] if recipe else _explained(received, {"not_normalised": train}, _NORMALISED_ATOL)
    return Finding(False, show(_NORMALISATIONS[""](train, train, 1)), show(received), mistake)


def _normalize_others(inputs: dict, answer: dict) -> Finding:
    sets = _normalised(inputs, answer)
    if isinstance(sets, Finding):
        return sets
    (train, *others), (received, *received_others) = sets
    name, ddof = _recipe(train, received) or ("", 1)  # a wrong recipe is the other check's
    make = _NORMALISATIONS[name]
    for x, given in zip(others, received_others, strict=True):
        mistakes = {"own_statistics": make(x, x, ddof), "not_normalised": x}
        finding = _array(make(train, x, ddof), given, mistakes, _NORMALISED_ATOL)
        if not finding.passed:
            return finding
    return Finding(True)


# --------------------------------------------------------------------------------------------------- 7: one_hot


def _one_hot(inputs: dict, answer: dict) -> Finding:
    y, n_classes = inputs["y"], inputs["n_classes"]
    expected = np.eye(n_classes)[y]
    narrow = np.eye(int(y.max()) + 1)[y]
    distinct = np.eye(len(np.unique(y)))[np.unique(y, return_inverse=True)[1]]
    mistakes = {"one_hot_width": narrow, "one_hot_distinct": distinct}
    mistakes |= {_together(name, "transposed"): wrong.T for name, wrong in {"": expected, **mistakes}.items()}
    return _array(expected, answer["value"], mistakes)


# --------------------------------------------------------------------------------------------------- 8: loss


def _losses(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Give the mean cross-entropy, under ``""``, and what is taken for it."""
    softmax = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    terms = {
        "": -y * np.log(p),
        "loss_softmax_twice": -y * np.log(softmax),
        "loss_without_log": -y * p,
        "loss_binary": -(y * np.log(p) + (1 - y) * np.log(1 - p)),
        "loss_squared": (p - y) ** 2,
    }
    losses = {}
    for name, values in terms.items():
        if name in ("loss_binary", "loss_squared"):  # means over the classes too, which is no mistake of its own
            reduced = {"": values.mean()}
        else:
            reduced = {"": values.sum(axis=1).mean(), "loss_elements": values.mean()}
        for reduction, loss in (reduced | {"loss_sum": values.sum()}).items():
            losses |= {_together(name, reduction): loss, _together(name, reduction, "loss_sign"): -loss}
    return losses


def _pair(answer: dict) -> tuple[Any, Any] | Finding:
    value = answer["value"]
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    return Finding(False, Word("two_values"), show(value), _nothing(value))


def _loss(inputs: dict, answer: dict) -> Finding:
    pair = _pair(answer)
    if isinstance(pair, Finding):
        return pair
    losses = _losses(inputs["probabilities"].astype("float64"), inputs["y"])
    return _numeric(losses.pop(""), pair[0], losses)


def _accuracy(inputs: dict, answer: dict) -> Finding:
    pair = _pair(answer)
    if isinstance(pair, Finding):
        return pair
    p, y = inputs["probabilities"], inputs["y"]
    right = p.argmax(axis=1) == y.argmax(axis=1)
    compared = {
        "": right,
        "accuracy_error": ~right,
        "accuracy_axis": p.argmax(axis=0) == y.argmax(axis=0),
        "accuracy_elements": (p > 0.5) == y,
    }
    mistakes = {"accuracy_count": right.sum()}
    for name, found in compared.items():
        mistakes |= {name: found.mean(), _together(name, "accuracy_percent"): 100 * found.mean()}
    return _numeric(mistakes.pop(""), pair[1], mistakes)


def _graph(inputs: dict, answer: dict) -> Finding:
    """Ask for some gradient in the parameters, whichever loss it is."""
    pair = _pair(answer)
    if isinstance(pair, Finding):
        return pair
    if answer["backward_inside"] is not False:
        return Finding(False, Word("keeps_graph"), Word("used_graph"), "backward_inside")
    gradient = answer["gradient"]
    if isinstance(gradient, np.ndarray) and np.isfinite(gradient).all() and gradient.any():
        return Finding(True)
    return Finding(False, Word("keeps_graph"), Word("no_graph"), "loss_without_graph")


def _clipped(inputs: dict, answer: dict) -> Finding:
    """Compare the loss where probabilities are near 0 or 1; another recipe than the mean is another check's."""
    pair = _pair(answer)
    if isinstance(pair, Finding):
        return pair
    p, epsilon, y = inputs["probabilities"].astype("float64"), inputs["epsilon"], inputs["y"]
    losses = _losses(np.clip(p, epsilon, 1 - epsilon), y)
    received = _number(pair[0])
    if received is not None and (_close(received, losses[""]) or _explained(received, losses)):
        return Finding(True)
    if received is not None and not np.isfinite(received):
        return Finding(False, show(float(losses[""])), show(received), "not_clipped")
    exact = np.where(p == 0, epsilon, np.where(p == 1, 1 - epsilon, p))
    mistakes = {"clipped_exact": _losses(exact, y)[""], "not_clipped": _losses(p, y)[""]}
    finding = _numeric(losses[""], pair[0], mistakes)
    fixed = (_losses(np.clip(p, 10.0**-k, 1 - 10.0**-k), y)[""] for k in range(4, 16))
    if not finding.passed and not finding.mistake and any(_close(received, loss) for loss in fixed):
        return replace(finding, mistake="epsilon_fixed")
    return finding


# --------------------------------------------------------------------------------------------------- 10, 11: training


def _trainer(weights: list[np.ndarray], batch_size: int = 8) -> Trainer:
    """Give our Trainer of the network that the harness built."""
    hidden, inputs = weights[0].shape
    configuration = NetworkConfiguration(dense_hiddens=(hidden,))
    trainer = Trainer.__new__(Trainer)
    trainer.network = Trainer.create_mlp(inputs, configuration, len(weights[2]), nn.Tanh())
    for parameter, weight in zip(trainer.network.parameters(), weights, strict=True):
        parameter.data = torch.tensor(weight).float()
    trainer.n_classes, trainer.batch_size, trainer.epsilon = len(weights[2]), batch_size, 1e-9
    return trainer


def _flat(arrays: list) -> np.ndarray:
    return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])


def _gradient(inputs: dict, weights: list[np.ndarray], batch: int) -> tuple[np.ndarray, float, float]:
    """Give the gradient of the loss on a batch, its norm, and the loss, by our Trainer."""
    trainer = _trainer(weights)
    with torch.enable_grad():
        loss, _ = trainer.compute_loss_and_accuracy(*map(torch.tensor, inputs["batches"][batch]))
        loss.backward()
    gradient = _flat([parameter.grad for parameter in trainer.network.parameters()])
    return gradient, trainer.compute_gradient_norm(trainer.network), loss.item()


def _weights(inputs: dict, answer: dict, step: int) -> list[np.ndarray]:
    weights = answer["weights"][step]
    if [weight.shape for weight in weights] != [weight.shape for weight in inputs["weights"]]:
        raise ValueError("not the weights of the network")
    return weights


def _steps(inputs: dict, before: np.ndarray, gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the weights after a step along the first gradient, under ``""``, and what is taken for it."""
    steps = {"no_step": before}
    for name, gradient in gradients.items():
        for rate_name, rate in (("", inputs["optimizer_lr"]), ("manual_step", inputs["lr"])):
            steps |= {
                _together(name, rate_name): before - rate * gradient,
                _together(name, rate_name, "ascent"): before + rate * gradient,
            }
    return steps


def _first_step(inputs: dict, answer: dict) -> Finding:
    before = _flat(inputs["weights"])
    gradient, _, _ = _gradient(inputs, inputs["weights"], 0)
    steps = _steps(inputs, before, {"": gradient})
    return _array(steps.pop(""), _flat(_weights(inputs, answer, 0)), steps)


def _second_step(inputs: dict, answer: dict) -> Finding:
    # From where the first step led, right or wrong.
    middle = _flat(_weights(inputs, answer, 0))
    gradient, _, _ = _gradient(inputs, _weights(inputs, answer, 0), 1)
    first_gradient, _, _ = _gradient(inputs, inputs["weights"], 0)
    steps = _steps(inputs, middle, {"": gradient, "gradients_not_zeroed": gradient + first_gradient})
    return _array(steps.pop(""), _flat(_weights(inputs, answer, 1)), steps)


def _returned_norm(inputs: dict, answer: dict) -> Finding:
    _, expected, loss = _gradient(inputs, inputs["weights"], 0)
    mistakes = {"norm_after_zeroing": 0.0, "loss_returned": loss, "squared": expected**2}
    return _numeric(expected, answer["values"][0], mistakes)


def _evaluated(inputs: dict) -> tuple[float, float, dict[str, tuple[float, float]]]:
    """Give loss and accuracy over the set, and what is taken for them, in both places."""
    trainer = _trainer(inputs["weights"])
    X, y = torch.tensor(inputs["X"]), torch.tensor(inputs["y"])
    loss, accuracy = trainer.evaluate(X, y)
    size = inputs["batch_size"]
    batches = [
        trainer.compute_loss_and_accuracy(X[i : i + size], trainer.one_hot(y[i : i + size]))
        for i in range(0, len(X), size)
    ]
    losses, accuracies = np.array([[float(loss), accuracy] for loss, accuracy in batches]).T
    averaged = {
        "": (loss, accuracy),
        "batch_means": (losses.mean(), accuracies.mean()),
        "batch_sums": (losses.sum(), accuracies.sum()),
        "last_batch": (losses[-1], accuracies[-1]),
        "first_batch": (losses[0], accuracies[0]),
        "whole_batches": (losses[: len(X) // size].mean(), accuracies[: len(X) // size].mean()),
    }
    mistakes = {}
    for name, (cost, share) in averaged.items():
        for scale_name, scaled in (("", share), ("accuracy_percent", 100 * share)):
            mistakes |= {
                _together(name, scale_name): (cost, scaled),
                _together(name, scale_name, "swapped"): (scaled, cost),
            }
    del mistakes[""]
    return loss, accuracy, mistakes


def _evaluate(which: int) -> Callable[[dict, dict], Finding]:
    def verdict(inputs: dict, answer: dict) -> Finding:
        pair = _pair(answer)
        if isinstance(pair, Finding):
            return pair
        *expected, mistakes = _evaluated(inputs)
        return _numeric(expected[which], pair[which], {name: values[which] for name, values in mistakes.items()})

    return verdict


def _evaluate_both(inputs: dict, answer: dict) -> Finding:
    findings = [_evaluate(which)(inputs, answer) for which in (0, 1)]
    return next((finding for finding in findings if not finding.passed), findings[0])


_VERDICTS: dict[str, Callable[[dict, dict], Finding]] = {
    "1.1": _gradient_norm,
    "1.2": _gradient_norm,
    "1.3": _gradient_norm,
    "2.1": _jacobian_norm,
    "2.2": _jacobian_norm,
    "3.1": _activation,
    "3.2": _activation,
    "3.3": _activation,
    "4.1": _layers(nn.Linear),
    "4.2": _output_shape,
    "4.3": _probabilities,
    "4.4": _same_network,
    "5.1": _layers(nn.Conv2d),
    "5.2": _layers(nn.Linear),
    "5.3": _probabilities,
    "5.4": _same_network,
    "5.5": _other_size,
    "6.1": _normalize_train,
    "6.2": _normalize_others,
    "7.1": _one_hot,
    "7.2": _one_hot,
    "8.1": _loss,
    "8.2": _accuracy,
    "8.3": _clipped,
    "8.4": _clipped,
    "8.5": _graph,
    "9.1": _compute_gradient_norm,
    "9.2": _compute_gradient_norm,
    "10.1": _first_step,
    "10.2": _second_step,
    "10.3": _returned_norm,
    "11.1": _evaluate(0),
    "11.2": _evaluate(1),
    "11.3": _evaluate_both,
}
