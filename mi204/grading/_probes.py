"""What runs in the child: call the functions of the submission on given inputs, and give back what came, unjudged.

Only torch and numpy are imported. Around the function that is probed stand others, so that the mistake of one function
shows in that function alone: ``Surroundings``, and for the last functions the correct ones of ``_neighbours``. Nothing
here answers a question: a submission can look at all that is in its process.
"""

import inspect
from collections import namedtuple
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

MAX_ELEMENTS = 50_000
"""A larger array is described, not sent; no probe needs a tenth of it."""

Configuration = namedtuple("Configuration", "n_channels kernel_sizes strides paddings dense_hiddens")


class MissingError(Exception):
    """The submission does not define a function that the homework asks for."""


class SignatureError(Exception):
    """A function of the submission does not take the arguments of the homework."""


class Surroundings:
    """What an ``__init__`` of one's own may call, in place of the submission's: right in kind, and worth no points."""

    @staticmethod
    def load_dataset(datapath: str = "") -> tuple:
        """Give a few random images: nothing is downloaded."""
        return tuple((torch.rand(n, 1, 28, 28) * 255, torch.arange(n) % 7) for n in (12, 6, 6))

    @staticmethod
    def normalize(train: tuple, valid: tuple, test: tuple) -> tuple:
        """Leave the sets as they are."""
        return train, valid, test

    @staticmethod
    def create_activation_function(activation_str: str) -> nn.Module:
        """Give an activation that the homework does not name."""
        return nn.ELU()

    @staticmethod
    def create_mlp(*arguments: Any) -> nn.Module:
        """Give some network."""
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(dim=1))

    create_cnn = create_mlp


_BUILDERS = ("create_mlp", "create_cnn")


def probe(module: ModuleType, name: str, inputs: dict, neighbours: dict[str, Callable]) -> dict:
    """Call the submission's function ``name`` as its item asks, among correct ``neighbours``; give what came back.

    When it fails among the neighbours, it is called among the submission's own functions: it may rely on what the
    handout leaves open, such as a norm that is a tensor.
    """
    at_init = {**methods(Surroundings), **neighbours}
    around = {key: value for key, value in at_init.items() if key != name}
    if name in _BUILDERS:  # one may call the other
        around = {key: value for key, value in around.items() if key not in _BUILDERS}
    alone = {"load_dataset": Surroundings.load_dataset}
    try:
        return _PROBES[name](_Submission(module, name, at_init, around), inputs)
    except (MissingError, SignatureError):
        raise
    except Exception as error:
        try:
            return _PROBES[name](_Submission(module, name, at_init, alone), inputs)
        except Exception:
            raise error from None


def methods(owner: type) -> dict[str, Callable]:
    """Give the public methods of a class as they stand in it, static ones too."""
    return {key: value for key, value in vars(owner).items() if not key.startswith("_")}


class _Submission:
    """The submission with one function in view: ``at_init`` and ``around`` replace the others while they last."""

    def __init__(
        self, module: ModuleType, name: str, at_init: dict[str, Callable], around: dict[str, Callable]
    ) -> None:
        self._module, self._name, self._at_init, self._around = module, name, at_init, around
        if not callable(getattr(self._owner(), name, None)):
            raise MissingError(name)

    def _owner(self) -> Any:
        if self._name in ("gradient_norm", "jacobian_norm"):
            return self._module
        if not isinstance(getattr(self._module, "Trainer", None), type):
            raise MissingError("Trainer")
        return self._module.Trainer

    def call(self, *arguments: Any, **attributes: Any) -> Any:
        """Call the function, as a method of a Trainer with these attributes where it is one."""
        owner = self._owner()
        if owner is self._module:
            return _call(getattr(owner, self._name), arguments)
        with mock.patch.multiple(owner, create=True, **self._at_init):
            try:
                trainer = owner()  # so that what an __init__ of one's own prepares is there
            except Exception:  # its fault is no question of the homework: __init__ is given
                trainer = owner.__new__(owner)
        vars(trainer).update(attributes)
        with mock.patch.multiple(owner, create=True, **self._around):
            return _call(getattr(trainer, self._name), arguments)


def _call(function: Callable, arguments: tuple) -> Any:
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin without a signature: the call will tell
        return function(*arguments)
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise SignatureError(str(signature)) from error
    return function(*arguments)


def plain(value: Any) -> Any:
    """Give a value as numbers, arrays and lists; anything else, or what is too large, by its type and text."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size <= MAX_ELEMENTS:
        return value
    if isinstance(value, list | tuple) and len(value) <= 10:
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return {"type": type(value).__name__, "text": f"{value.shape}, {value.dtype}"}
    return {"type": type(value).__name__, "text": repr(value)[:200]}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy())


def _cubes(weights: list[Tensor]) -> Callable:
    # Its gradient with respect to tensor i is 3 weights[i] tensor**2.
    return lambda *tensors: sum((w * t**3).sum() for w, t in zip(weights, tensors, strict=True))


def _gradient_norm(submission: _Submission, inputs: dict) -> dict:
    tensors = [_tensor(array).requires_grad_() for array in inputs["tensors"]]
    return {"value": plain(submission.call(_cubes([_tensor(array) for array in inputs["weights"]]), *tensors))}


def _jacobian_norm(submission: _Submission, inputs: dict) -> dict:
    matrix = _tensor(inputs["matrix"])
    return {"value": plain(submission.call(lambda x: matrix @ x**3, _tensor(inputs["x"]).requires_grad_()))}


def _create_activation_function(submission: _Submission, inputs: dict) -> dict:
    activation = submission.call(inputs["name"])
    answer = {"is_module": isinstance(activation, nn.Module), "value": plain(activation)}
    if callable(activation) and not isinstance(activation, type):
        answer["value"] = plain(activation(_tensor(inputs["x"])))
    return answer


def _layer(module: nn.Module) -> dict:
    layer = {"type": "Linear" if isinstance(module, nn.Linear) else "Conv2d", "weight": plain(module.weight)}
    layer["bias"] = None if module.bias is None else plain(module.bias)
    if isinstance(module, nn.Conv2d):
        padding = module.padding
        layer["stride"], layer["padding"] = list(module.stride), padding if isinstance(padding, str) else list(padding)
    return layer


def _spread(layer: nn.Module) -> None:
    """Give a layer weights whose sums are clearly negative for some outputs and positive for others.

    A fresh network's are so small that an activation more or less can hardly be seen.
    """
    if not nn.parameter.is_lazy(layer.weight):
        layer.weight.data = torch.randn(layer.weight.shape) / layer.weight[0].numel() ** 0.5
        if layer.bias is not None:
            layer.bias.data = torch.linspace(-3, 3, len(layer.bias))


def _describe(network: Any, images: list[Tensor]) -> dict:
    """Give the layers of a network in the order in which they are applied, and what it makes of each set of images."""
    if not isinstance(network, nn.Module):
        return {"network": plain(network)}
    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    applied: list[nn.Module] = []
    hooks = [layer.register_forward_hook(lambda module, *_: applied.append(module)) for layer in layers]
    for layer in layers:
        _spread(layer)
    answer: dict = {"outputs": [], "kinds": [type(module).__name__ for module in network.modules()][:100]}
    for x in images:
        applied.clear()
        try:
            answer["outputs"].append(plain(network(x)))
        except Exception as error:
            answer["outputs"].append({"error": f"{type(error).__name__}: {error}"[:300]})
            break
        layers = list(applied)
    for hook in hooks:
        hook.remove()
    return {**answer, "layers": [_layer(layer) for layer in layers]}


def _create_mlp(submission: _Submission, inputs: dict) -> dict:
    x, configuration = _tensor(inputs["x"]), Configuration(*map(tuple, inputs["configuration"]))
    return _describe(submission.call(x[0].numel(), configuration, inputs["n_classes"], nn.ELU()), [x])


def _create_cnn(submission: _Submission, inputs: dict) -> dict:
    x, configuration = _tensor(inputs["x"]), Configuration(*map(tuple, inputs["configuration"]))
    network = submission.call(x.shape[1], configuration, inputs["n_classes"], nn.ELU())
    return _describe(network, [x, _tensor(inputs["larger"])])


def _normalize(submission: _Submission, inputs: dict) -> dict:
    sets = [(_tensor(x), _tensor(y)) for x, y in inputs["sets"]]
    return {"value": plain(submission.call(*sets))}


def _one_hot(submission: _Submission, inputs: dict) -> dict:
    return {"value": plain(submission.call(_tensor(inputs["y"]), n_classes=inputs["n_classes"]))}


class _Scaled(nn.Module):
    """A network whose probabilities are its images, times a parameter that is 1."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_classes))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) * self.scale


def _compute_loss_and_accuracy(submission: _Submission, inputs: dict) -> dict:
    X, y = _tensor(inputs["probabilities"])[:, :, None, None], _tensor(inputs["y"])
    network = _Scaled(y.shape[1])
    attributes = {"network": network, "epsilon": inputs["epsilon"], "n_classes": y.shape[1], "batch_size": len(y)}

    def called() -> Any:
        try:
            return submission.call(X, y, **attributes)
        except Exception as error:
            try:
                return submission.call(X, y.long(), **attributes)  # the handout does not say which numbers code one-hot
            except Exception:
                raise error from None

    with torch.inference_mode():  # so the template's log_metrics calls it; training_step does not
        value = plain(called())
    pair = called()
    if network.scale.grad is not None:
        return {"value": value, "gradient": None, "backward_inside": True}
    if isinstance(pair, tuple | list) and isinstance(pair[0], Tensor) and pair[0].requires_grad:
        pair[0].sum().backward()
    return {"value": value, "gradient": plain(network.scale.grad), "backward_inside": False}


def _compute_gradient_norm(submission: _Submission, inputs: dict) -> dict:
    if len(inputs["weights"]) == 1:
        network = nn.Sequential(nn.Linear(4, 3, bias=False))
    else:
        network = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(12, 5))
    for parameter, weight, gradient in zip(network.parameters(), inputs["weights"], inputs["gradients"], strict=True):
        parameter.data, parameter.grad = _tensor(weight), _tensor(gradient)
    return {"value": plain(submission.call(network))}


def _network(weights: list[np.ndarray]) -> nn.Module:
    hidden, inputs = weights[0].shape
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, len(weights[2])), nn.Softmax(dim=1)
    )
    for parameter, weight in zip(network.parameters(), weights, strict=True):
        parameter.data = _tensor(weight)
    return network


def _training_step(submission: _Submission, inputs: dict) -> dict:
    network = _network(inputs["weights"])
    # Plain descent, and another rate than the Trainer's: a step that is not the optimiser's shows.
    attributes = {
        "network": network,
        "optimizer": torch.optim.SGD(network.parameters(), lr=inputs["optimizer_lr"]),
        "lr": inputs["lr"],
        "epsilon": 1e-9,
        "n_classes": inputs["batches"][0][1].shape[1],
        "batch_size": len(inputs["batches"][0][0]),
    }
    answer: dict = {"values": [], "weights": []}
    for X, y in inputs["batches"]:
        answer["values"].append(plain(submission.call(_tensor(X), _tensor(y), **attributes)))
        answer["weights"].append([plain(parameter).copy() for parameter in network.parameters()])
    return answer


def _evaluate(submission: _Submission, inputs: dict) -> dict:
    attributes = {"epsilon": 1e-9, "n_classes": len(inputs["weights"][2]), "batch_size": inputs["batch_size"]}
    network = _network(inputs["weights"])
    return {"value": plain(submission.call(_tensor(inputs["X"]), _tensor(inputs["y"]), network=network, **attributes))}


_PROBES = {
    "gradient_norm": _gradient_norm,
    "jacobian_norm": _jacobian_norm,
    "create_activation_function": _create_activation_function,
    "create_mlp": _create_mlp,
    "create_cnn": _create_cnn,
    "normalize": _normalize,
    "one_hot": _one_hot,
    "compute_loss_and_accuracy": _compute_loss_and_accuracy,
    "compute_gradient_norm": _compute_gradient_norm,
    "training_step": _training_step,
    "evaluate": _evaluate,
}
