"""Pairs of a written and a spoken digit."""

import numpy as np
import pytest

from labs.audio_mnist import pairs


@pytest.fixture
def sounds():
    """Three versions of sounds of two digits, the first without noise: each pixel tells version and recording."""
    images = np.arange(3)[:, None] + np.arange(6) / 10
    return np.broadcast_to(images[..., None, None, None], (3, 6, 28, 28, 1)), np.array([0, 0, 0, 1, 1, 1])


@pytest.fixture
def images():
    labels = np.tile([0, 1], 20)
    pixels = np.broadcast_to((100 + 3 * np.arange(40))[:, None, None, None], (40, 28, 28, 1))
    return pixels.astype(np.uint8), labels


def test_pairs_are_of_one_digit_and_degraded_as_said(images, sounds):
    drawn = pairs.draw(30, images, sounds, 10, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.written.max(axis=(1, 2, 3)), drawn.written.min(axis=(1, 2, 3)))
    assert len(np.unique(drawn.written[:, 0, 0, 0])) == 30  # without replacement
    spoken, noisy = drawn.spoken[:, 0, 0, 0], drawn.noisy[:, 0, 0, 0]
    np.testing.assert_array_equal((10 * spoken).round() >= 3, drawn.labels == 1)
    assert spoken.max() < 1
    np.testing.assert_allclose(noisy % 1, spoken)
    assert set((noisy // 1).astype(int)) == {1, 2}
    hidden = (drawn.occluded == 0).sum(axis=(1, 2, 3))
    assert hidden.min() > 0
    assert hidden.max() == 100
    np.testing.assert_array_equal(drawn.occluded[drawn.occluded > 0], drawn.written[drawn.occluded > 0])


def test_a_pair_is_seen_as_asked(images, sounds):
    drawn = pairs.draw(3, images, sounds, 28, np.random.default_rng(0))
    seen = drawn.seen(np.array([True, False, False]), np.array([False, True, False]))
    np.testing.assert_array_equal(seen[0, ..., 0], drawn.occluded[0, ..., 0])
    np.testing.assert_array_equal(seen[1:, ..., 0], drawn.written[1:, ..., 0])
    np.testing.assert_array_equal(seen[1, ..., 1], drawn.noisy[1, ..., 0])
    np.testing.assert_array_equal(seen[::2, ..., 1], drawn.spoken[::2, ..., 0])


def test_pairs_to_look_at_are_hidden_more_and_more(images, sounds):
    looked_at = pairs.to_look_at(images, sounds, 16, np.random.default_rng(1))
    assert looked_at.images.shape == (3, 4, 28, 28, 1)
    assert looked_at.n_recordings == 6
    first, second, third = (looked_at.images[:, 0].astype(int) - looked_at.images[:, 1]).sum(axis=(1, 2, 3))
    assert 0 < first <= second <= third
    assert first < third
