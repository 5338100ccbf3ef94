import keras
import numpy as np
import pytest

from mi204 import activations
from mi204.training import predict

pytestmark = pytest.mark.backend


def test_layer_outputs_are_the_convolution_by_hand():
    model = keras.Sequential(
        [
            keras.Input((5, 6, 2)),
            keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="conv"),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    images = np.random.default_rng(0).normal(size=(2, 5, 6, 2)).astype("float32")
    kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in model.get_layer("conv").weights)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, 5, 6, 3))
    for row in range(5):
        for column in range(6):
            window = padded[:, row : row + 3, column : column + 3]
            expected[:, row, column] = np.einsum("nijc,ijcf->nf", window, kernel) + bias
    dropout = model.layers[1].name
    found = predict(activations.layer_outputs(model, ["conv", dropout]), images)
    np.testing.assert_allclose(found["conv"], np.maximum(expected, 0), atol=1e-5)
    # Dropout is off: the layer after gives the same maps.
    np.testing.assert_array_equal(found[dropout], found["conv"])


def test_layer_outputs_follow_the_weights_of_the_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="dense")])
    outputs = activations.layer_outputs(model, ["dense"])
    predict(outputs, np.ones((1, 2)))
    model.set_weights([np.full((2, 2), 3.0), np.ones(2)])
    np.testing.assert_allclose(predict(outputs, np.ones((1, 2)))["dense"], [[7, 7]])


def test_an_unknown_layer_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="conv9"):
        activations.layer_outputs(model, ["conv9"])


def test_summed_mask_adds_positive_parts_and_reaches_one():
    maps = np.array([[[[1.0, -5.0], [2.0, 3.0]], [[0.0, 0.0], [4.0, 6.0]]]])
    np.testing.assert_allclose(activations.summed_mask(maps), [[[0.1, 0.5], [0.0, 1.0]]])


def test_summed_mask_without_any_activation_is_zero():
    np.testing.assert_array_equal(activations.summed_mask(-np.ones((2, 3, 3, 4))), np.zeros((2, 3, 3)))
