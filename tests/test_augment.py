"""Random variants of training images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204 import augment

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.tuples(st.integers(1, 6), st.integers(2, 9), st.integers(2, 9), st.integers(1, 3))
TRANSFORMATIONS = {
    "flip": augment.flip,
    "crop": lambda images, rng: augment.crop(images, 2, rng),
    "colour": lambda images, rng: augment.colour(images, 0.3, rng),
    "erase": lambda images, rng: augment.erase(images, 3, rng),
    "cutmix": lambda images, rng: augment.cutmix(images, np.eye(len(images)), 1.0, rng)[0],
}


def generator(seed=0):
    return np.random.default_rng(seed)


def drawn(shape, seed=0):
    """Draw images without a zero, so that an erased pixel shows."""
    return generator(seed).integers(1, 256, shape, dtype=np.uint8)


def is_rectangle(mask):
    """Tell whether the marked pixels ``(h, w)`` are one filled rectangle (or none)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return not mask.any() or bool(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())


KINDS = [(name, dtype) for name in TRANSFORMATIONS for dtype in (np.uint8, np.float32)]


@pytest.mark.parametrize(("name", "dtype"), [kind for kind in KINDS if kind != ("colour", np.uint8)])
def test_shape_dtype_and_original_are_kept_and_the_seed_decides(name, dtype):
    images = drawn((20, 9, 7, 3)).astype(dtype)
    original = images.copy()
    results = [TRANSFORMATIONS[name](images, generator(seed)) for seed in (1, 1, 2)]
    assert (results[0].shape, results[0].dtype) == (images.shape, images.dtype)
    np.testing.assert_array_equal(images, original)
    assert not np.shares_memory(results[0], images)
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, seed=SEEDS)
def test_flipping_twice_with_one_seed_changes_nothing(shape, seed):
    images = drawn(shape, seed)
    once = augment.flip(images, generator(seed))
    np.testing.assert_array_equal(augment.flip(once, generator(seed)), images)


def test_flip_mirrors_about_half_of_the_images_left_to_right():
    images = drawn((400, 4, 5, 3))
    flipped = augment.flip(images, generator())
    mirrored = [np.array_equal(result, image[:, ::-1]) for result, image in zip(flipped, images, strict=True)]
    kept = [np.array_equal(result, image) for result, image in zip(flipped, images, strict=True)]
    assert sum(mirrored) + sum(kept) == 400
    assert 160 < sum(mirrored) < 240


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, seed=SEEDS)
def test_crop_without_padding_changes_nothing(shape, seed):
    images = drawn(shape, seed)
    np.testing.assert_array_equal(augment.crop(images, 0, generator(seed)), images)


def reflected_window(image, down, right):
    """Move an image by whole pixels; beyond its border, read it as in a mirror that stands on the last pixel."""

    def inside(position, size):
        while not 0 <= position < size:
            position = -position if position < 0 else 2 * (size - 1) - position
        return position

    height, width, _ = image.shape
    window = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            window[y, x] = image[inside(y + down, height), inside(x + right, width)]
    return window


def test_crop_gives_every_window_of_the_reflected_image():
    image = np.arange(6 * 5 * 2).reshape(6, 5, 2)
    windows = {
        (down, right): reflected_window(image, down, right).tobytes()
        for down in range(-2, 3) for right in range(-2, 3)
    }
    cropped = augment.crop(np.repeat(image[None], 400, axis=0), 2, generator())
    assert {result.tobytes() for result in cropped} == set(windows.values())


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, down=st.integers(-3, 3), right=st.integers(-3, 3), seed=SEEDS)
def test_shift_moves_down_and_right_over_a_reflected_border(shape, down, right, seed):
    images = drawn(shape, seed)
    shifted = augment.shift(images, down, right)
    assert not np.shares_memory(shifted, images)
    np.testing.assert_array_equal(shifted, [reflected_window(image, -down, -right) for image in images], strict=True)


def test_colour_changes_saturation_contrast_and_brightness_alone():
    images = generator().normal(size=(400, 6, 5, 3))
    changed = augment.colour(images, 0.25, generator(1))
    grey, changed_grey = (each.mean(axis=3) for each in (images, changed))
    # Brightness: how far the mean of an image moves.
    brightness = (changed_grey - grey).mean(axis=(1, 2))
    assert brightness.std() == pytest.approx(0.125, rel=0.15)
    assert abs(brightness.mean()) < 0.02
    # Contrast: one factor for all grey levels of an image.
    centred, changed_centred = (each - each.mean(axis=(1, 2), keepdims=True) for each in (grey, changed_grey))
    contrast = changed_centred / centred
    np.testing.assert_allclose(contrast, np.broadcast_to(contrast[:, :1, :1], contrast.shape), rtol=1e-6)
    assert 0.75 <= contrast.min() < 0.78
    assert 1.22 < contrast.max() <= 1.25
    # Saturation: one factor for all distances from grey, times the contrast.
    saturation = (changed - changed_grey[..., None]) / (images - grey[..., None]) / contrast[..., None]
    np.testing.assert_allclose(saturation, np.broadcast_to(saturation[:, :1, :1, :1], saturation.shape), rtol=1e-6)
    assert 0.5 <= saturation.min() < 0.55
    assert 1.45 < saturation.max() <= 1.5


def test_colour_of_strength_0_changes_nothing():
    images = generator().normal(size=(5, 6, 5, 3))
    np.testing.assert_allclose(augment.colour(images, 0.0, generator()), images, atol=1e-12)


def test_colour_refuses_images_that_are_not_standardised():
    with pytest.raises(ValueError, match="floating type, received uint8"):
        augment.colour(drawn((2, 4, 4, 3)), 0.3, generator())


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, side=st.integers(0, 12), seed=SEEDS)
def test_erase_zeroes_one_square_at_most_and_leaves_the_rest(shape, side, seed):
    images = drawn(shape, seed)
    for result, image in zip(augment.erase(images, side, generator(seed)), images, strict=True):
        erased = (result == 0).all(axis=-1)
        assert erased.sum() <= side**2
        assert is_rectangle(erased)
        np.testing.assert_array_equal(result[~erased], image[~erased])


def test_erase_takes_a_whole_square_where_the_border_does_not_cut_it():
    erased = (augment.erase(drawn((300, 9, 8, 3)), 3, generator()) == 0).all(axis=-1)
    assert erased.sum(axis=(1, 2)).max() == 9
    assert erased.sum(axis=(1, 2)).min() > 0
    assert erased.any(axis=0).all()  # every place has its turn


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, probability=st.floats(0, 1), seed=SEEDS)
def test_cutmix_targets_are_the_shares_of_the_pixels(shape, probability, seed):
    n = shape[0]
    images = np.broadcast_to(np.arange(n)[:, None, None, None], shape)
    mixed, targets = augment.cutmix(images, np.eye(n, dtype=np.float32), probability, generator(seed))
    shares = np.stack([(mixed == source).mean(axis=(1, 2, 3)) for source in range(n)], axis=1)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, shares, atol=1e-6)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    for source, image in enumerate(mixed):
        pasted = (image != source).any(axis=-1)
        assert is_rectangle(pasted)
        assert max(pasted.any(axis=0).sum(), pasted.any(axis=1).sum()) <= min(shape[1:3])


@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_cutmix_mixes_as_often_as_asked(probability):
    n = 1000
    images = np.broadcast_to(np.arange(n)[:, None, None, None], (n, 8, 8, 1))
    mixed, _ = augment.cutmix(images, np.eye(n, dtype=np.float32), probability, generator())
    share = (mixed != images).any(axis=(1, 2, 3)).mean()
    assert probability - 0.06 < share < probability + 0.04  # a square of less than a pixel may mark none


def test_cutmix_with_probability_0_changes_nothing():
    images, targets = drawn((20, 6, 5, 3)), generator().dirichlet(np.ones(4), 20)
    mixed, mixed_targets = augment.cutmix(images, targets, 0.0, generator())
    np.testing.assert_array_equal(mixed, images)
    np.testing.assert_array_equal(mixed_targets, targets)


def test_cutmix_leaves_the_original_targets_and_repeats_them():
    targets = np.eye(20, dtype=np.float32)
    first, second = (augment.cutmix(drawn((20, 6, 5, 3)), targets, 1.0, generator(3))[1] for _ in range(2))
    np.testing.assert_array_equal(targets, np.eye(20))
    np.testing.assert_array_equal(first, second)
    assert (first.max(axis=1) < 1).any()


# --- sounds ---

SOUNDS = -60 * np.random.default_rng(5).random((40, 12, 16, 1)).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.sampled_from([-10.0, 0.0, 20.0]))
@settings(max_examples=20, deadline=None)
def test_noise_has_the_power_asked_for(seed, ratio):
    waveform = np.sin(np.arange(8000) / 3).astype(np.float32)
    noisy = augment.noise(waveform, ratio, np.random.default_rng(seed))
    assert noisy.dtype == np.float32
    added = noisy.astype(np.float64) - waveform
    assert 10 * np.log10(np.mean(waveform**2) / np.mean(added**2)) == pytest.approx(ratio, abs=0.5)


@pytest.mark.parametrize(
    "change",
    [
        lambda x, rng: augment.stretch_frequencies(x, 0.0, rng),
        lambda x, rng: augment.stretch_time(x, 0.0, 0.0, rng),
        lambda x, rng: augment.equalize(x, (0.0, 0.0, 0.0), rng),
        lambda x, rng: augment.background(x, -200, -190, rng),
        lambda x, rng: augment.mask(x, 0, 0, rng),
    ],
)
def test_a_change_of_strength_zero_changes_nothing(change):
    changed = change(SOUNDS, np.random.default_rng(0))
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, SOUNDS, atol=1e-4)


class Fixed:
    """A generator whose every number is the middle or, where told, another place of its range."""

    def __init__(self, place):
        self.place = place

    def uniform(self, low, high, shape):
        return np.full(shape, low + self.place * (high - low))


def test_frequencies_are_stretched_by_interpolation():
    changed = augment.stretch_frequencies(SOUNDS, 0.1, Fixed(1.0))
    bands = np.arange(12)
    for sound, result in zip(SOUNDS[:3, ..., 0], changed[:3, ..., 0], strict=True):
        for frame in (0, 7):
            np.testing.assert_allclose(result[:, frame], np.interp(1.1 * bands, bands, sound[:, frame]), atol=1e-4)


def test_time_is_stretched_about_its_middle_and_shifted():
    frames = np.arange(16)
    changed = augment.stretch_time(SOUNDS, 0.2, 3, Fixed(0.0))
    positions = 7.5 + 0.8 * (frames - 7.5) - 3
    np.testing.assert_allclose(changed[4, 5, :, 0], np.interp(positions, frames, SOUNDS[4, 5, :, 0]), atol=1e-4)


def test_equalizing_adds_one_smooth_curve_to_all_frames():
    added = augment.equalize(SOUNDS, (4, 4, 4), np.random.default_rng(1)) - SOUNDS
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :, :1], added.shape), atol=1e-4)
    assert 2 < added.std() < 8
    # No step is as steep as the sum of the steepest that three such waves could have at once.
    assert np.abs(np.diff(added[:, :, 0, 0], axis=1)).max() < 3 * 4 * 1.5 * np.pi * 2 / 11 * 3


def test_background_never_makes_a_sound_fainter_and_fills_its_silence():
    changed = augment.background(SOUNDS, -40, -40, np.random.default_rng(1))
    assert (changed >= SOUNDS - 1e-4).all()
    assert np.median(changed[SOUNDS < -55]) == pytest.approx(-40, abs=2)
    assert np.abs(changed - SOUNDS)[SOUNDS > -10].max() < 1


def test_the_level_of_a_background_varies_by_3_decibels():
    silence = np.full((4, 40, 50, 1), -200, dtype=np.float32)
    levels = augment.background(silence, -40, -20, np.random.default_rng(1))
    assert levels.std(axis=(1, 2, 3)) == pytest.approx([3] * 4, rel=0.1)
    assert (np.abs(levels.mean(axis=(1, 2, 3)) + 30) < 11).all()
    assert np.ptp(levels.mean(axis=(1, 2, 3))) > 1


@pytest.mark.parametrize("wave", [0, 1, 2])
def test_a_microphone_is_a_slope_a_wave_and_a_shorter_wave(wave):
    strengths = tuple(4.0 if i == wave else 0.0 for i in range(3))
    added = augment.equalize(SOUNDS, strengths, np.random.default_rng(1)) - SOUNDS
    place = np.linspace(-1, 1, SOUNDS.shape[1])
    shape = (place, np.cos(np.pi * place), np.sin(1.5 * np.pi * place))[wave]
    heights = added[:, -1, 0, 0] / shape[-1]
    assert np.abs(heights).max() > 1
    np.testing.assert_allclose(added[:, :, 0, 0], heights[:, None] * shape, atol=1e-3)


def test_mask_hides_stripes_behind_the_mean_of_their_band():
    changed = augment.mask(SOUNDS, 4, 3, np.random.default_rng(2))
    means = np.broadcast_to(SOUNDS.mean(axis=2, keepdims=True), SOUNDS.shape)
    hidden = changed != SOUNDS
    np.testing.assert_array_equal(changed[hidden], means[hidden])
    whole_bands, whole_frames = hidden[..., 0].all(axis=2).sum(axis=1), hidden[..., 0].all(axis=1).sum(axis=1)
    assert whole_bands.max() == 4
    assert whole_frames.max() == 3
    assert 0 < hidden.mean() < 0.4


def test_changes_depend_on_the_generator_alone():
    for change in (
        lambda rng: augment.stretch_frequencies(SOUNDS, 0.1, rng),
        lambda rng: augment.stretch_time(SOUNDS, 0.2, 3, rng),
        lambda rng: augment.equalize(SOUNDS, (5, 4, 3), rng), lambda rng: augment.background(SOUNDS, -90, -30, rng),
        lambda rng: augment.mask(SOUNDS, 4, 3, rng),
    ):
        before = SOUNDS.copy()
        first, again, other = (change(np.random.default_rng(seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        np.testing.assert_array_equal(SOUNDS, before)
