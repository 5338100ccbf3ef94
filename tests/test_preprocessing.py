"""Images before they enter a network."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204.preprocessing import one_hot, standardize, standardize_bands, standardize_like, standardize_pixels

RNG = np.random.default_rng(0)
# Each channel of each image has a mean and a deviation of its own.
IMAGES = RNG.normal(RNG.uniform(60, 200, (4, 1, 1, 3)), RNG.uniform(2, 40, (4, 1, 1, 3)), (4, 6, 5, 3))


def standardized_by_hand(images):
    result = np.empty(images.shape)
    for i in range(images.shape[0]):
        for k in range(images.shape[3]):
            pixels = [float(pixel) for row in images[i] for pixel in row[:, k]]
            mean = sum(pixels) / len(pixels)
            deviation = math.sqrt(sum((pixel - mean) ** 2 for pixel in pixels) / len(pixels))
            for y in range(images.shape[1]):
                for x in range(images.shape[2]):
                    result[i, y, x, k] = (float(images[i, y, x, k]) - mean) / deviation
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_standardize_is_the_formula(dtype):
    images = np.clip(IMAGES, 0, 255).astype(dtype) if dtype is np.uint8 else IMAGES.astype(dtype)
    result = standardize(images)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, standardized_by_hand(images), rtol=0, atol=1e-5)


def test_mean_0_and_deviation_1_per_image_and_channel():
    result = standardize(IMAGES).astype(np.float64)
    np.testing.assert_allclose(result.mean(axis=(1, 2)), np.zeros((4, 3)), atol=1e-6)
    np.testing.assert_allclose(result.std(axis=(1, 2)), np.ones((4, 3)), atol=1e-6)


def test_the_input_is_untouched():
    images = IMAGES.copy()
    standardize(images)
    np.testing.assert_array_equal(images, IMAGES)


# 0.1 and 1/3 have no exact mean in floating point: their deviation comes out as 1e-17, not 0.
@pytest.mark.parametrize(
    ("constant", "dtype"),
    [(0, np.uint8), (255, np.uint8), (255, np.float32), (0.1, np.float32), (0.1, np.float64), (1 / 3, np.float64),
     (-1e6 / 7, np.float64)],
)
@pytest.mark.parametrize("size", [(5, 7), (32, 32)])
def test_a_constant_image_gives_zeros(constant, dtype, size):
    result = standardize(np.full((2, *size, 3), constant, dtype=dtype))
    np.testing.assert_allclose(result, 0, atol=1e-6)


@pytest.mark.parametrize("constant", [0, 0.1, 255])
def test_one_constant_channel_leaves_the_others_alone(constant):
    images = IMAGES[:1].copy()
    images[..., 1] = constant
    result = standardize(images)
    np.testing.assert_allclose(result[..., 1], 0, atol=1e-6)
    np.testing.assert_array_equal(result[..., [0, 2]], standardize(IMAGES[:1])[..., [0, 2]])


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.01, 100),
    shift=st.floats(-1000, 1000),
    channel=st.integers(0, 2),
)
def test_brightness_and_contrast_of_a_channel_do_not_matter(seed, scale, shift, channel):
    images = np.random.default_rng(seed).integers(0, 256, (2, 6, 5, 3)).astype(np.float64)
    changed = images.copy()
    changed[..., channel] = scale * changed[..., channel] + shift
    np.testing.assert_allclose(standardize(changed), standardize(images), rtol=0, atol=1e-4)


def test_standardize_like_takes_one_mean_and_deviation_per_channel_from_the_reference():
    result = standardize_like(IMAGES[:1], IMAGES)
    assert result.dtype == np.float32
    for k in range(3):
        pixels = [float(pixel) for pixel in IMAGES[..., k].ravel()]
        mean = sum(pixels) / len(pixels)
        deviation = math.sqrt(sum((pixel - mean) ** 2 for pixel in pixels) / len(pixels))
        np.testing.assert_allclose(result[..., k], (IMAGES[:1, ..., k] - mean) / deviation, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "constant",
    [0, 255, 0.1],
)
def test_a_channel_constant_in_the_reference_is_only_centred(constant):
    reference = np.full((2, 5, 7, 3), constant, dtype=np.float64)
    np.testing.assert_allclose(standardize_like(reference + 2, reference), 2, rtol=1e-6)


def test_standardize_pixels_takes_a_mean_and_an_unbiased_deviation_per_pixel_from_the_reference():
    reference, images = IMAGES.copy(), IMAGES[:1]
    reference[:, 0, 0, 0] = 7  # constant: only centred
    result = standardize_pixels(images, reference)
    assert result.dtype == np.float32
    for place in np.ndindex(IMAGES.shape[1:]):
        pixels = [float(image[place]) for image in reference]
        mean = sum(pixels) / len(pixels)
        deviation = math.sqrt(sum((pixel - mean) ** 2 for pixel in pixels) / (len(pixels) - 1)) or 1.0
        assert result[0][place] == pytest.approx((float(images[0][place]) - mean) / deviation, rel=1e-4, abs=1e-5)


def test_one_hot_rows():
    coded = one_hot(np.array([2, 0, 1, 2]), 3)
    assert coded.dtype == np.float32
    np.testing.assert_array_equal(coded, [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_one_hot_keeps_a_column_for_an_absent_last_class():
    np.testing.assert_array_equal(one_hot(np.array([0, 1], dtype=np.uint8), 4), [[1, 0, 0, 0], [0, 1, 0, 0]])


@pytest.mark.parametrize("label", [-1, 3])
def test_one_hot_refuses_a_label_out_of_range(label):
    with pytest.raises(ValueError, match=f"from 0 to 2, received .*{label}"):
        one_hot(np.array([1, label]), 3)


def test_half_of_each_bands_mean_is_taken_off():
    sounds = -60 * np.random.default_rng(0).random((3, 5, 8, 1)).astype(np.float32)
    result = standardize_bands(sounds)
    halved = sounds.astype(np.float64) - sounds.mean(axis=2, keepdims=True, dtype=np.float64) / 2
    for sound, expected in zip(result, halved, strict=True):
        np.testing.assert_allclose(sound, (expected - expected.mean()) / expected.std(), atol=1e-5)
    assert result.dtype == np.float32


def test_a_louder_band_or_recording_changes_half_or_nothing():
    sounds = -60 * np.random.default_rng(0).random((1, 5, 8, 1))
    np.testing.assert_allclose(
        standardize_bands(sounds + 7), standardize_bands(sounds), atol=1e-5
    )
