"""Networks as uncompiled Keras models, and what can be told of a model without training it."""

import io
import math
from contextlib import redirect_stdout
from pathlib import Path

import keras
from keras import layers

from mi204 import architectures, paths
from mi204.architectures import ActivationName, NetworkConfiguration, NetworkType


def residual_network(
    input_shape: tuple[int, int, int],
    n_classes: int,
    filters: tuple[int, ...],
    *,
    batch_normalization: bool = True,
    residual: bool = True,
) -> keras.Model:
    """Build a convolutional classifier: a first convolution, then one stage per further entry of ``filters``.

    A stage halves the image (convolution, max-pooling), then adds to it what two more convolutions make of it:
    ``x + f(x)`` (He et al., 2016). All convolutions are 3x3 and end in batch normalisation (Ioffe and Szegedy, 2015)
    and ReLU; the layer that ends stage i is named ``stage_i``. The mean of the last maps over the image goes to a
    softmax over ``n_classes``. ``residual=False`` leaves out the additions,
    ``batch_normalization=False`` puts biases in place of the normalisations.
    """

    def convolution(x, n_filters: int, name: str, pool: bool = False):
        x = layers.Conv2D(
            n_filters,
            3,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer="he_normal",
            name=f"{name}_convolution",
        )(x)
        if pool:
            x = layers.MaxPooling2D(2, name=f"{name}_pooling")(x)
        if batch_normalization:
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(x)
        return layers.Activation("relu", name=name)(x)

    inputs = keras.Input(input_shape, name="image")
    x = convolution(inputs, filters[0], "stage_0")
    for stage, n_filters in enumerate(filters[1:], start=1):
        x = convolution(x, n_filters, f"stage_{stage}_a", pool=True)
        branch = convolution(x, n_filters, f"stage_{stage}_b")
        if residual:
            branch = convolution(branch, n_filters, f"stage_{stage}_c")
            x = layers.Add(name=f"stage_{stage}")([x, branch])
        else:
            x = convolution(branch, n_filters, f"stage_{stage}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    outputs = layers.Dense(n_classes, activation="softmax", name="classes")(x)
    return keras.Model(inputs, outputs, name="residual_network")


def torch_initializers(fan_in: int) -> dict[str, keras.initializers.Initializer]:
    """Start a layer as torch starts its own: weights and biases uniform in ``±1 / sqrt(fan_in)``.

    ``fan_in`` counts the inputs of one neuron: ``k * k * c`` for a convolution. Give the result to a layer as keywords.
    """
    bound = fan_in**-0.5
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
        "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
    }


def configured_network(
    network_type: NetworkType,
    configuration: NetworkConfiguration,
    input_shape: tuple[int, int, int],
    n_classes: int,
    activation: ActivationName = "relu",
) -> keras.Model:
    """Build the ``mlp`` or ``cnn`` of homework 004 for images of ``input_shape`` ``(h, w, c)``.

    MLP: ``Flatten, Dense*, Dense(n_classes, softmax)``. CNN: ``[Conv2D, MaxPooling2D(2)]*``, the last convolution
    pooled to 4x4 maps instead, then the same dense layers. Weights and biases start as torch starts them, uniform in
    ``±1 / sqrt(fan_in)``, so that deep networks train, or fail to, as the homework's do.
    Raises SettingError naming the field that cannot be built.
    """
    architectures.check(network_type, configuration, input_shape)
    architectures.check_activation(activation)

    model = keras.Sequential([keras.Input(input_shape, name="image")], name=network_type)
    features = math.prod(input_shape)
    if network_type == "cnn":
        channels = input_shape[2]
        fields = (configuration.n_channels, configuration.kernel_sizes, configuration.strides, configuration.paddings)
        for i, (filters, kernel_size, stride, padding) in enumerate(zip(*fields, strict=True)):
            if i:
                model.add(layers.MaxPooling2D(2))
            if padding:
                model.add(layers.ZeroPadding2D(padding))
            fan_in = kernel_size**2 * channels
            model.add(layers.Conv2D(filters, kernel_size, stride, activation=activation, **torch_initializers(fan_in)))
            channels = filters
        side = architectures.POOLED_SIDE
        # On tensorflow-cpu 2.21 the adaptive pooling of a single pixel kills the process: copy the pixel instead.
        copies = tuple(side if length == 1 else 1 for length in model.output_shape[1:3])
        if copies != (1, 1):
            model.add(layers.UpSampling2D(copies))
        model.add(layers.AdaptiveMaxPooling2D((side, side)))
        features = side * side * channels
    model.add(layers.Flatten())
    for units in configuration.dense_hiddens:
        model.add(layers.Dense(units, activation=activation, **torch_initializers(features)))
        features = units
    model.add(layers.Dense(n_classes, activation="softmax", **torch_initializers(features)))
    return model


def describe(model: keras.Model) -> list[dict]:
    """List the layers: name, type, output_shape, trainable parameters, settings, names of those that feed it."""
    names = {layer.name for layer in model.layers}
    return [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": "x".join(str(side) for side in layer.output.shape[1:]),
            "parameters": _count(layer.trainable_weights),
            "settings": _settings(layer),
            "inputs": [name for name in _input_names(layer) if name in names],
        }
        for layer in model.layers
    ]


def trainable_parameters(model: keras.Model) -> int:
    """Count the weights that training changes."""
    return _count(model.trainable_weights)


def _count(weights: list[keras.Variable]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _settings(layer: keras.Layer) -> str:
    """Write the settings that shape what the layer does, such as ``filters 8, kernel_size 3x3``."""
    config = layer.get_config()
    shown = ("filters", "kernel_size", "pool_size", "strides", "padding", "units", "rate", "activation")
    values = {name: config[name] for name in shown if config.get(name) is not None}
    return ", ".join(
        f"{name} {'x'.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in values.items()
    )


def _input_names(layer: keras.Layer) -> list[str]:
    if isinstance(layer, layers.InputLayer):
        return []
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(layer.input)]


def plot_model(model: keras.Model, path: Path) -> bool:
    """Write Keras' drawing of the network; give False, and write nothing, where no program ``dot`` does its work."""

    def draw(target: Path) -> None:
        with redirect_stdout(io.StringIO()):  # pydot prints what a failing `dot` said
            keras.utils.plot_model(model, target, show_shapes=True, show_layer_names=True, dpi=96)

    try:
        paths.write_atomically(path, draw)
    # ImportError without `dot`; where it fails, pydot asserts that it did not.
    except (ImportError, AssertionError):
        return False
    return True
