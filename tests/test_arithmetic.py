"""The arithmetic of layers, against a kernel that slides and against Keras."""

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mi204.arithmetic import convolution_output_size, convolution_parameters, dense_parameters, steps_per_epoch


@settings(deadline=None)
@given(size=st.integers(1, 40), kernel_size=st.integers(1, 12), stride=st.integers(1, 6), padding=st.integers(0, 6))
def test_convolution_output_size_counts_the_places_of_a_sliding_kernel(size, kernel_size, stride, padding):
    assume(kernel_size <= size + 2 * padding)
    places = np.lib.stride_tricks.sliding_window_view(np.pad(np.zeros(size), padding), kernel_size)[::stride]
    assert convolution_output_size(size, kernel_size, stride, padding) == len(places)


@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "padding"), [(32, 3, 1, 0), (32, 3, 1, 1), (32, 5, 2, 2), (31, 4, 3, 0)]
)
def test_convolution_output_size_is_that_of_keras(size, kernel_size, stride, padding):
    images = keras.layers.ZeroPadding2D(padding)(np.zeros((1, size, size, 1), np.float32))
    expected = convolution_output_size(size, kernel_size, stride, padding)
    for layer in (
        keras.layers.Conv2D(2, kernel_size, strides=stride),
        keras.layers.MaxPooling2D(kernel_size, strides=stride),
    ):
        assert tuple(layer(images).shape[1:3]) == (expected, expected)


def test_same_is_a_padding_of_half_the_kernel():
    layer = keras.layers.Conv2D(2, 5, padding="same")
    assert layer(np.zeros((1, 9, 9, 1), np.float32)).shape[1] == convolution_output_size(9, 5, padding=2) == 9


@pytest.mark.parametrize("padding", [0, 1])
def test_a_kernel_may_be_as_large_as_its_padded_input_but_not_larger(padding):
    assert convolution_output_size(4, 4 + 2 * padding, padding=padding) == 1
    with pytest.raises(ValueError, match=f"kernel of {5 + 2 * padding} on 4"):
        convolution_output_size(4, 5 + 2 * padding, padding=padding)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"kernel_size": 0}, {"stride": 0}, {"padding": -1}])
def test_a_number_out_of_range_is_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"received .*{name}={value}"):
        convolution_output_size(**{"size": 8, "kernel_size": 3} | wrong)


@pytest.mark.parametrize(("kernel_size", "channels", "filters", "expected"), [(3, 3, 8, 224), (5, 2, 7, 357)])
def test_convolution_parameters_are_those_of_keras(kernel_size, channels, filters, expected):
    layer = keras.layers.Conv2D(filters, kernel_size)
    layer.build((None, 9, 9, channels))
    assert convolution_parameters(kernel_size, channels, filters) == layer.count_params() == expected


@pytest.mark.parametrize(("inputs", "outputs", "expected"), [(16 * 16 * 8, 64, 131_136), (64, 10, 650)])
def test_dense_parameters_are_those_of_keras(inputs, outputs, expected):
    layer = keras.layers.Dense(outputs)
    layer.build((None, inputs))
    assert dense_parameters(inputs, outputs) == layer.count_params() == expected


@pytest.mark.parametrize(("n_examples", "batch_size", "steps"), [(5000, 32, 157), (5000, 8, 625)])
def test_steps_of_the_handout(n_examples, batch_size, steps):
    assert steps_per_epoch(n_examples, batch_size) == steps


@settings(deadline=None)
@given(n_examples=st.integers(0, 10_000), batch_size=st.integers(1, 600))
def test_steps_per_epoch_counts_the_starts_of_batches(n_examples, batch_size):
    assert steps_per_epoch(n_examples, batch_size) == len(range(0, n_examples, batch_size))


def test_a_batch_holds_at_least_one_example():
    with pytest.raises(ValueError, match="batch_size of at least 1, received 0"):
        steps_per_epoch(10, 0)
