"""Networks described by numbers, as homework 004 describes them: what they are, whether they can be, their weights."""

import math
from numbers import Integral
from typing import Literal, NamedTuple, get_args

from mi204.arithmetic import convolution_output_size, convolution_parameters, dense_parameters
from mi204.errors import SettingError

NetworkType = Literal["mlp", "cnn"]
ActivationName = Literal["relu", "tanh", "sigmoid"]

POOLED_SIDE = 4
"""Side of the maps that reach the dense layers of a CNN, whatever the size of the image."""


class NetworkConfiguration(NamedTuple):
    """Hidden layers of a network: the first four fields, of one length, are the convolutions of a CNN."""

    n_channels: tuple[int, ...] = (16, 32, 48)
    """Filters of each convolution."""
    kernel_sizes: tuple[int, ...] = (3, 3, 3)
    """Side of each square kernel, in pixels."""
    strides: tuple[int, ...] = (1, 1, 1)
    """Step of each convolution, in pixels."""
    paddings: tuple[int, ...] = (0, 0, 0)
    """Zeros added on each side before each convolution, in pixels."""
    dense_hiddens: tuple[int, ...] = (256, 256)
    """Neurons of each fully connected hidden layer."""


def check(network_type: str, configuration: NetworkConfiguration, input_shape: tuple[int, int, int]) -> None:
    """Check that the network can be built for images of ``input_shape`` ``(h, w, c)``.

    Raises SettingError naming the field and why: unknown type, fields of unequal length, numbers out of range, a
    kernel or a pooling larger than what it is applied to.
    """
    check_network_type(network_type)
    check_fields(network_type, configuration)
    if network_type == "cnn":
        for side in input_shape[:2]:
            sides(configuration, side)


def check_fields(network_type: NetworkType, configuration: NetworkConfiguration) -> None:
    """Check the types, ranges and lengths of the fields, whatever the images.

    Raises SettingError naming the field and why.
    """
    for name, values in configuration._asdict().items():
        least = 0 if name == "paddings" else 1
        if not isinstance(values, tuple | list) or not all(
            isinstance(value, Integral) and not isinstance(value, bool) and value >= least for value in values
        ):
            raise SettingError(
                "Expected {name} to be a tuple of integers of at least {least}, received {values!r}.",
                "{name} attendu sous forme de tuple d'entiers d'au moins {least}, {values!r} reçu.",
                name=name,
                least=least,
                values=values,
            )
    if network_type == "mlp":
        return
    lengths = {name: len(values) for name, values in configuration._asdict().items() if name != "dense_hiddens"}
    n_layers = lengths["n_channels"]
    for name, length in lengths.items():
        if length != n_layers or length == 0:
            raise SettingError(
                "Expected {name} to have one entry for each of the {expected} convolutions of n_channels, "
                "received {length} ({values}): give all four fields of the convolutions the same length.",
                "{name} attendu avec une entrée pour chaque convolution de n_channels, ici {expected}, "
                "{length} reçu ({values}) : donner la même longueur aux quatre champs des convolutions.",
                name=name,
                expected=max(n_layers, 1),
                length=length,
                values=getattr(configuration, name),
            )


def check_network_type(network_type: str) -> None:
    """Raise SettingError for a type of network that is neither ``mlp`` nor ``cnn``."""
    if network_type not in get_args(NetworkType):
        raise SettingError(
            "Network type not supported: expected one of {choices}, received {received!r}.",
            "Type de réseau inconnu : {choices} attendu, {received!r} reçu.",
            choices=", ".join(get_args(NetworkType)),
            received=network_type,
        )


def check_activation(name: str) -> None:
    """Raise SettingError for an activation that the homework does not name."""
    if name not in get_args(ActivationName):
        raise SettingError(
            "Activation not supported: expected one of {choices}, received {received!r}.",
            "Activation inconnue : {choices} attendu, {received!r} reçu.",
            choices=", ".join(get_args(ActivationName)),
            received=name,
        )


def sides(configuration: NetworkConfiguration, side: int) -> list[int]:
    """Follow one side of the image, in pixels: before, then after each convolution and each pooling by 2.

    The last convolution is not pooled by 2; the adaptive pooling to 4x4 after it is not listed. Raises SettingError
    naming the layer whose kernel, or pooling, is larger than its input.
    """
    followed = [side]
    layers = zip(configuration.kernel_sizes, configuration.strides, configuration.paddings, strict=True)
    for i, (kernel_size, stride, padding) in enumerate(layers):
        if kernel_size > followed[-1] + 2 * padding:
            raise SettingError(
                "Expected kernel_sizes[{i}] of at most {most} (the {pixels} pixels that reach convolution {number}, "
                "and paddings[{i}] = {padding} on each side), received {kernel_size}: "
                "take a smaller kernel, more padding or fewer layers.",
                "kernel_sizes[{i}] d'au plus {most} attendu (les {pixels} pixels qui atteignent la convolution "
                "{number}, et paddings[{i}] = {padding} de chaque côté), {kernel_size} reçu : "
                "prendre un noyau plus petit, plus de bordure ou moins de couches.",
                i=i,
                most=followed[-1] + 2 * padding,
                pixels=followed[-1],
                number=i + 1,
                padding=padding,
                kernel_size=kernel_size,
            )
        followed.append(convolution_output_size(followed[-1], kernel_size, stride, padding))
        if i < len(configuration.n_channels) - 1:
            if followed[-1] < 2:
                raise SettingError(
                    "Expected at least 2 pixels for the pooling after convolution {number}, received {pixels}: "
                    "take a smaller kernel_sizes[{i}] or strides[{i}], or fewer layers.",
                    "Au moins 2 pixels attendus pour le pooling après la convolution {number}, {pixels} reçu : "
                    "prendre un kernel_sizes[{i}] ou un strides[{i}] plus petit, ou moins de couches.",
                    number=i + 1,
                    pixels=followed[-1],
                    i=i,
                )
            followed.append(followed[-1] // 2)
    return followed


def count_parameters(
    network_type: NetworkType,
    configuration: NetworkConfiguration,
    input_shape: tuple[int, int, int],
    n_classes: int,
) -> int:
    """Count the weights and biases, by hand, of the network for images of ``input_shape`` ``(h, w, c)``."""
    total, features = 0, math.prod(input_shape)
    if network_type == "cnn":
        channels = input_shape[2]
        for filters, kernel_size in zip(configuration.n_channels, configuration.kernel_sizes, strict=True):
            total += convolution_parameters(kernel_size, channels, filters)
            channels = filters
        features = POOLED_SIDE**2 * channels
    for units in (*configuration.dense_hiddens, n_classes):
        total += dense_parameters(features, units)
        features = units
    return total
