"""FullGrad: what image and biases add is the whole score where the network is linear around the image."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from mi204.backend import gradient
from mi204.explain import Explainer, explain

SIDES = (9, 7)
IMAGES = 3 * np.random.default_rng(1).normal(size=(4, *SIDES, 3)).astype(np.float32)
TARGETS = [3, 0, 2, 4]


def network(*parts, head="softmax") -> keras.Model:
    """Chain layers to a dense layer of five classes, with weights that are the same on every backend."""
    inputs = x = keras.Input((*SIDES, 3))
    for part in parts:
        x = part(x)
    model = keras.Model(inputs, layers.Dense(5, activation=head, name="classes")(x))
    rng = np.random.default_rng(0)
    model.set_weights(
        [np.abs(rng.normal(size=w.shape)) + 0.5 if "variance" in w.path else rng.normal(size=w.shape) * 0.5
         for w in model.weights]
    )
    return model


def gaps(model, targets=TARGETS, **settings):
    explained = explain(model, IMAGES, "fullgrad", targets, **settings)
    return np.abs(explained.numbers["completeness_gap"]) / np.abs(explained.scores).max()


@pytest.mark.backend
def test_all_that_adds_to_the_logit_is_found_in_a_network_of_every_layer_with_a_bias():
    """Fused activations and others, batch normalisation with and without its parts, ReLU6 that saturates."""
    model = network(
        layers.Rescaling(2.0, 0.3),
        layers.Conv2D(5, 3, activation="relu", padding="same"),
        layers.BatchNormalization(scale=False),
        layers.DepthwiseConv2D(2, activation="relu6"),
        layers.BatchNormalization(center=False, epsilon=0.1),
        layers.ReLU(1.0),
        layers.SeparableConv2D(6, 2, activation="leaky_relu"),
        layers.MaxPooling2D(2),
        layers.Conv2DTranspose(4, 2),
        layers.Activation("relu6"),
        layers.Flatten(),
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(6, use_bias=False),
    )
    limited = next(layer for layer in model.layers if isinstance(layer, layers.ReLU))
    assert ops.max(keras.Model(model.inputs[0], limited.output)(IMAGES)) == 1
    assert gaps(model).max() < 1e-5


@pytest.mark.parametrize("head", [None, "softmax", "log_softmax", "sigmoid"])
def test_the_bias_of_the_last_layer_counts_whatever_its_head(head):
    model = network(layers.Conv2D(5, 3, activation="relu"), layers.GlobalAveragePooling2D(), head=head)
    assert gaps(model).max() < 1e-5
    kernel, bias = model.get_layer("classes").get_weights()
    explained = explain(model, IMAGES, "fullgrad", TARGETS)
    model.get_layer("classes").set_weights([kernel, bias + 7])
    raised = explain(model, IMAGES, "fullgrad", TARGETS)
    np.testing.assert_allclose(raised.scores, explained.scores + 7, atol=1e-4)
    np.testing.assert_allclose(raised.numbers["completeness_gap"], 0, atol=1e-4)
    np.testing.assert_allclose(raised.raw, explained.raw, atol=1e-4)  # it speaks for no place


def test_one_sigmoid_and_the_second_of_two_outputs():
    inputs = keras.Input((*SIDES, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, activation="relu")(inputs))
    outputs = {name: layers.Dense(1, activation="sigmoid", name=name)(x) for name in ("first", "second")}
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    for target in (0, 1):
        assert gaps(model, target, output="second").max() < 1e-5


def test_a_shared_layer_adds_each_time_it_is_called():
    shared = layers.Conv2D(3, 3, padding="same", activation="relu")
    assert gaps(network(shared, shared, layers.Flatten())).max() < 1e-5


def test_the_gap_says_how_much_a_network_adds_otherwise():
    model = network(layers.Conv2D(5, 3), layers.Activation("tanh"), layers.GlobalAveragePooling2D(), head=None)
    explained = explain(model, IMAGES, "fullgrad", TARGETS)
    inner = keras.Model(model.inputs[0], model.layers[1].output)
    before = ops.convert_to_numpy(inner(IMAGES)).astype(np.float64)
    kernel = ops.convert_to_numpy(model.get_layer("classes").kernel)[:, TARGETS].T
    # What tanh adds to its own linear part: tanh(z) - z tanh'(z).
    left = (np.tanh(before) - before * (1 - np.tanh(before) ** 2)).mean(axis=(1, 2))
    np.testing.assert_allclose(explained.numbers["completeness_gap"], (left * kernel).sum(axis=1), rtol=1e-4, atol=1e-5)
    assert np.abs(explained.numbers["completeness_gap"]).min() > 1e-3


def scaled(magnitudes):
    """Scale each map of ``(h, w, c)`` to [0, 1] and sum them."""
    low, high = magnitudes.min(axis=(0, 1)), magnitudes.max(axis=(0, 1))
    return ((magnitudes - low) / np.where(high > low, high - low, 1)).sum(axis=-1)


def test_the_map_sums_the_scaled_magnitudes_of_image_and_biases():
    """A convolution with a bias, then one whose bias is 0 and adds nothing, then batch normalisation."""
    model = network(
        layers.Conv2D(4, 3, activation="relu", name="first"), layers.Conv2D(3, 2, use_bias=False, name="second"),
        layers.BatchNormalization(name="normalization"), layers.ReLU(), layers.Flatten(), head=None,
    )  # fmt: skip
    explained = explain(model, IMAGES, "fullgrad", 2)
    from_first = keras.Sequential([keras.Input((7, 5, 4)), *model.layers[2:]])
    from_second = keras.Sequential([keras.Input((6, 4, 3)), *model.layers[4:]])
    parts = [keras.Model(model.inputs[0], model.get_layer(name).output) for name in ("first", "normalization")]
    first, second = (ops.convert_to_numpy(part(IMAGES)) for part in parts)
    of_image = IMAGES * gradient(lambda x: ops.sum(model(x)[:, 2]), IMAGES)
    bias = ops.convert_to_numpy(model.get_layer("first").bias)
    of_first = bias * (first > 0) * gradient(lambda x: ops.sum(from_first(x)[:, 2]), first)
    gamma, beta, mean, variance = model.get_layer("normalization").get_weights()
    of_second = (beta - gamma * mean / np.sqrt(variance + 1e-3)) * gradient(
        lambda x: ops.sum(from_second(x)[:, 2]), second
    )
    for i in range(len(IMAGES)):
        expected = scaled(np.abs(of_image[i]))
        for part in (of_first[i], of_second[i]):
            larger = ops.image.resize(scaled(np.abs(part))[None, ..., None].astype(np.float32), SIDES)
            expected = expected + ops.convert_to_numpy(larger)[0, ..., 0]
        np.testing.assert_allclose(explained.raw[i], expected, atol=1e-3)
    assert explained.maps.shape == (4, *SIDES)


def test_what_it_cannot_tell_is_refused():
    curved = network(layers.Conv2D(5, 3, activation="tanh", name="curved"), layers.Flatten())
    with pytest.raises(ValueError, match="received curved, which ends with tanh"):
        explain(curved, IMAGES, "fullgrad")
    plain = network(layers.Conv2D(5, 3), layers.Flatten())
    for refused in (
        lambda: explain(plain, IMAGES, "fullgrad", score="probability"),
        lambda: explain(plain, IMAGES, "fullgrad", lambda logits: logits[:, 0]),
    ):
        with pytest.raises(ValueError, match="logit of a class as the score"):
            refused()
    curved.get_layer("curved").bias.assign(np.zeros(5))
    assert np.isfinite(Explainer(curved)(IMAGES, "fullgrad").raw).all()
