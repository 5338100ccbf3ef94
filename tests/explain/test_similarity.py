"""How alike two maps are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mi204.explain import similarity
from mi204.explain.similarity import MEASURES, centre_shift, constant, normalised, overlap, pearson, spearman, ssim, top

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, n=2, shape=(9, 12), valid_share=0.7):
    rng = np.random.default_rng(seed)
    return *rng.random((2, n, *shape)), rng.random((n, *shape)) < valid_share


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_correlations_agree_with_scipy_on_the_valid_pixels(seed):
    first, second, valid = drawn(seed)
    second[0] = np.round(second[0], 1)  # ties
    for i in range(2):
        a, b = first[i][valid[i]], second[i][valid[i]]
        assert pearson(first, second, valid)[i] == pytest.approx(stats.pearsonr(a, b).statistic)
        assert spearman(first, second, valid)[i] == pytest.approx(stats.spearmanr(a, b).statistic)


def test_structural_similarity_agrees_with_a_loop_over_its_windows():
    first, second, valid = drawn(3, n=1)
    first, second, valid = first[0], second[0], valid[0]
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    values = []
    for row, column in np.argwhere(valid):
        inside = [
            (r, c, window[r - row + 5, c - column + 5]) for r, c in np.argwhere(valid)
            if abs(r - row) <= 5 and abs(c - column) <= 5
        ]  # fmt: skip
        weights = np.array([w for *_, w in inside])
        a, b = (np.array([maps[r, c] for r, c, _ in inside]) for maps in (first, second))
        mean_a, mean_b = np.average(a, weights=weights), np.average(b, weights=weights)
        spread_a, spread_b = (np.average((x - m) ** 2, weights=weights) for x, m in ((a, mean_a), (b, mean_b)))
        common = np.average((a - mean_a) * (b - mean_b), weights=weights)
        values.append(
            (2 * mean_a * mean_b + 0.0001) * (2 * common + 0.0009)
            / ((mean_a**2 + mean_b**2 + 0.0001) * (spread_a + spread_b + 0.0009))
        )  # fmt: skip
    assert ssim(first[None], second[None], valid[None])[0] == pytest.approx(np.mean(values))


@pytest.mark.parametrize("name", MEASURES)
@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_invalid_pixels_do_not_count_and_equal_maps_are_most_alike(name, seed):
    first, second, valid = drawn(seed)
    elsewhere = np.where(valid, second, 99.0)
    np.testing.assert_allclose(MEASURES[name](first, elsewhere, valid), MEASURES[name](first, second, valid))
    best = 0 if name == "centre_shift" else 1
    np.testing.assert_allclose(MEASURES[name](first, first, valid), best)
    np.testing.assert_allclose(MEASURES[name](first, second, valid), MEASURES[name](second, first, valid))


@pytest.mark.parametrize("name", MEASURES)
def test_a_constant_map_is_like_nothing(name):
    first, _, valid = drawn(0, n=4)
    second = first.copy()
    second[0] = 0.3 + 1e-8 * first[0]  # constant but for rounding
    second[1][valid[1]] = 0  # constant where it counts
    valid[2] = False
    np.testing.assert_array_equal(np.isnan(MEASURES[name](first, second, valid)), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(MEASURES[name](second, first, valid)), [True, True, True, False])


def test_constant_to_what_float32_resolves():
    maps = np.stack([np.zeros((3, 3)), np.full((3, 3), 7.0), np.eye(3), 1e-9 * np.eye(3), np.full((3, 3), np.nan)])
    np.testing.assert_array_equal(constant(maps), [True, True, False, False, True])


def test_normalised_spans_0_to_1_on_the_valid_pixels_alone():
    maps = np.array([[[1.0, 3, 5, 99]], [[2, 2, 2, 7]]])
    valid = np.array([[[True, True, True, False]]])
    np.testing.assert_array_equal(normalised(maps, valid), [[[0, 0.5, 1, 0]], [[0, 0, 0, 0]]])
    np.testing.assert_array_equal(normalised(np.array([[[0, 0.1, 0.1 + 1e-9, 1]]])), [[[0, 0.1, 0.1, 1]]])


def test_the_highest_pixels_and_ties_that_share_the_last_places():
    maps = np.array([[[5, 4, 4], [4, 1, 0]], [[5, 4, 4], [4, 1, 0]]])
    expected = [[[1, 2 / 3, 2 / 3], [2 / 3, 0, 0]], [[1, 1, 1], [1, 0, 0]]]
    np.testing.assert_allclose(top(maps, np.array([3, 4])), expected)
    valid = np.array([[False, True, True], [True, True, True]])
    np.testing.assert_allclose(top(maps[:1], np.array([2]), valid), [[[0, 2 / 3, 2 / 3], [2 / 3, 0, 0]]])


def test_overlap_by_hand():
    first, second = np.array([[[1, 1, 0]], [[0, 0, 0]]]), np.array([[[0, 1, 0.5]], [[0, 0, 0]]])
    np.testing.assert_allclose(overlap(first, second), [1 / 2.5, np.nan])


def test_overlap_of_the_highest_fifth_by_hand():
    first = np.arange(10.0).reshape(1, 2, 5)
    second = first.copy()
    second[0, 1, 3], second[0, 0, 0] = 0, 8  # of the pixels 8 and 9 only 9 is left among the two highest
    assert similarity.top_iou(first, second)[0] == pytest.approx(1 / 3)
    assert similarity.top_iou(first, second, share=0.1)[0] == 1
    assert similarity.top_iou(first, second, share=0.01)[0] == 1  # at least one pixel


def test_shift_of_the_centre_by_hand():
    first, second = np.zeros((2, 1, 30, 40))
    first[0, 10, 10] = second[0, 13, 14] = 1
    assert centre_shift(first, second)[0] == pytest.approx(5 / 50)
    second[0, 10, 10] = 3  # a quarter of the mass is 5 pixels away
    assert centre_shift(first, second)[0] == pytest.approx(5 / 50 / 4)
