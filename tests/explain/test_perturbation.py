"""Perturbation: what covering parts of an image does to the score."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from mi204.errors import SettingError
from mi204.explain import Explainer, explain
from mi204.explain.perturbation import windows

backend = pytest.mark.backend


@pytest.fixture
def images():
    return np.random.default_rng(1).normal(size=(2, 6, 5, 2)).astype(np.float32)


@given(side=st.integers(1, 30), size=st.integers(1, 30), step=st.integers(1, 30))
def test_windows_cover_a_side_with_one_size_and_never_twice_the_same(side, size, step):
    size, step = min(size, side), min(step, size)
    cut = windows(side, size, step)
    covered = np.zeros(side)
    for each in cut:
        assert each.stop - each.start == size
        assert 0 <= each.start <= side - size
        covered[each] += 1
    assert covered.min() >= 1
    starts = [each.start for each in cut]
    assert len(set(starts)) == len(starts)
    assert starts[-1] == side - size
    assert starts[:-1] == list(range(0, side - size, step))


@backend
@pytest.mark.parametrize(
    ("patch", "stride", "rows", "columns"),
    [
        ((4, 2), (3, 2), [0, 2], [0, 2, 3]),
        (2, None, [0, 1, 2, 3, 4], [0, 1, 2, 3]),
        ((6, 5), (1, 1), [0], [0]),
        ((1, 1), 1, range(6), range(5)),
    ],
)
def test_occlusion_of_a_linear_network_is_what_the_patches_hold(linear, images, patch, stride, rows, columns):
    # tf-explain gives 1 - confidence, which is no difference: nothing in it can be negative.
    look, w, _ = linear
    baseline = np.array([0.5, -1], np.float32)
    targets = [2, 0]
    explained = look(images, "occlusion", targets, patch=patch, stride=stride, baseline=baseline)
    height, width = np.broadcast_to(patch, 2)
    held = ((images - baseline) * np.moveaxis(w, -1, 0)[targets]).sum(axis=-1)
    losses, covered = np.zeros((2, 6, 5)), np.zeros((6, 5))
    for row in rows:
        for column in columns:
            there = np.s_[row : row + height, column : column + width]
            losses[:, *there] += held[:, *there].sum(axis=(1, 2))[:, None, None]
            covered[there] += 1
    np.testing.assert_allclose(explained.raw, losses / covered, atol=1e-4)
    shown = np.maximum(explained.raw, 0)  # what speaks against the class is not shown
    ranges = np.maximum(np.ptp(shown, axis=(1, 2), keepdims=True), 1e-9)
    np.testing.assert_allclose(explained.maps, (shown - shown.min(axis=(1, 2), keepdims=True)) / ranges, atol=1e-5)


@backend
def test_by_default_a_patch_is_an_eighth_of_each_side_and_half_of_it_a_stride(network):
    look, _ = network
    x = np.random.default_rng(0).normal(size=(1, 9, 8, 3))
    by_default = look(x, "occlusion", 0).raw
    np.testing.assert_array_equal(look(x, "occlusion", 0, patch=(2, 1), stride=(1, 1), baseline=0.0).raw, by_default)


def drawn_masks(n, cells, keep, sides, seed):
    """Masks as the paper says: a grid enlarged to one cell more than the image, cut out at a random place."""
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(n):
        grid = (rng.random((cells,) * len(sides)) < keep).astype(float)
        pixels = [-(-side // cells) for side in sides]
        for axis, size in enumerate(pixels):
            places = (np.arange((cells + 1) * size) + 0.5) * cells / ((cells + 1) * size) - 0.5
            grid = np.apply_along_axis(lambda line, at=places: np.interp(at, np.arange(cells), line), axis, grid)
        for axis, (side, size) in enumerate(zip(sides, pixels, strict=True)):
            grid = grid.take(range(shift := rng.integers(size), shift + side), axis=axis)
        masks.append(grid)
    return np.stack(masks)


@backend
def test_rise_agrees_with_a_plain_loop(network):
    look, twin = network
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 3)).astype(np.float32)
    targets = np.array([2, 0])
    baseline = np.array([0.2, 0, -0.3], np.float32)
    explained = look(x, "rise", targets, masks=12, cells=3, keep=0.4, baseline=baseline, seed=5)
    expected = np.zeros((2, 9, 8))
    for mask in drawn_masks(12, 3, 0.4, (9, 8), 5):
        scores = twin.forward(baseline + mask[..., None] * (x - baseline))[np.arange(2), targets]
        expected += scores[:, None, None] * mask / (0.4 * 12)
    np.testing.assert_allclose(explained.raw, expected, atol=1e-5)
    # The least value is 0 on the map, though scores below 0 make it negative: nothing is left out.
    assert (explained.raw < 0).any()
    for shown, raw in zip(explained.maps, explained.raw, strict=True):
        np.testing.assert_allclose(shown, (raw - raw.min()) / np.ptp(raw), atol=1e-5)


@backend
def test_rise_finds_the_pixels_that_count():
    w = np.zeros((12, 16, 1), np.float32)
    w[2:5, 10:14] = 1
    model = keras.Sequential([keras.Input((12, 16, 1)), layers.Flatten(), layers.Dense(1, use_bias=False)])
    model.set_weights([w.reshape(-1, 1)])
    maps = explain(model, np.ones((1, 12, 16, 1)), "rise", lambda scores: scores[:, 0], masks=300).maps[0]
    row, column = np.unravel_index(maps.argmax(), maps.shape)
    assert 1 <= row <= 5
    assert 9 <= column <= 14
    assert maps[:, :5].mean() < 0.5 * maps[2:5, 10:14].mean()


@backend
@pytest.mark.parametrize(("name", "settings"), [("rise", {"masks": 11}), ("occlusion", {"patch": 3, "stride": 2})])
def test_chunks_change_no_number_and_bound_what_is_sent_at_once(network, name, settings):
    look, _ = network
    x = np.random.default_rng(0).normal(size=(3, 9, 8, 3))
    whole = look(x, name, [0, 1, 2], seed=3, **settings).raw
    explainer = Explainer(look.model, chunk_size=2)
    sent, passes = [], explainer.passes

    def counted(inputs, *args, **kwargs):
        sent.append(len(inputs))
        return passes(inputs, *args, **kwargs)

    explainer.passes = counted
    np.testing.assert_allclose(explainer(x, name, [0, 1, 2], seed=3, **settings).raw, whole, atol=1e-5)
    assert max(sent) <= 2
    another = look(x, name, [0, 1, 2], seed=4, **settings).raw
    assert np.array_equal(another, whole) == (name == "occlusion")


@backend
@pytest.mark.parametrize("sides", [(14,), (5, 6, 4)])
def test_one_and_three_dimensions(sides):
    inputs = keras.Input((*sides, 2))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    x = rng.normal(size=(1, *sides, 2)).astype(np.float32)
    held = (x[0].ravel() * model.get_weights()[0][:, 1]).reshape(*sides, 2).sum(axis=-1)
    np.testing.assert_allclose(explain(model, x, "occlusion", 1, patch=1).raw[0], held, atol=1e-4)
    scores = drawn_masks(5, 7, 0.5, sides, 0)
    expected = sum(mask * ((mask * held).sum() + model.get_weights()[1][1]) for mask in scores) / 2.5
    np.testing.assert_allclose(explain(model, x, "rise", 1, masks=5).raw[0], expected, atol=1e-4)


@backend
@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("occlusion", {"patch": 7}, "at most the image, 6 × 5, received 7 × 7"),
        ("occlusion", {"patch": 0}, "patch of at least 1 pixel"),
        ("occlusion", {"patch": (2, 2), "stride": (2, 3)}, "at most the patch, 2 × 2.*received 2 × 3"),
        ("occlusion", {"patch": 2, "stride": 0}, "stride of at least 1"),
        ("occlusion", {"patch": (2, 2, 2)}, "one for each of the 2 sides"),
        ("occlusion", {"patch": 2.5}, "patch to be a whole number"),
        ("occlusion", {"baseline": np.zeros(3)}, r"broadcast to an image of shape \(6, 5, 2\)"),
        ("rise", {"masks": 0}, "at least 1 mask"),
        ("rise", {"cells": 0}, "at least 1 cell"),
        ("rise", {"keep": 1.0}, "keep between 0 and 1.*keep = 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(linear, images, method, settings, message):
    with pytest.raises(SettingError, match=message):
        linear[0](images, method, 0, **settings)
