"""Measures of a trained network."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mi204 import metrics

SEEDS = st.integers(0, 2**32 - 1)
LABELS = np.array([0, 0, 0, 1, 1, 3])
PREDICTED = np.array([0, 1, 0, 1, 3, 3])


def test_accuracy_by_hand():
    assert metrics.accuracy(LABELS, PREDICTED) == pytest.approx(4 / 6)


def test_confusion_matrix_by_hand():
    expected = [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(metrics.confusion_matrix(LABELS, PREDICTED, 4), expected)


def test_recall_and_precision_by_hand_none_of_it_for_a_class_without_examples_or_never_given():
    matrix = metrics.confusion_matrix(LABELS, PREDICTED, 4)
    np.testing.assert_allclose(metrics.class_recall(matrix), [2 / 3, 1 / 2, math.nan, 1])
    np.testing.assert_allclose(metrics.class_precision(matrix), [1, 1 / 2, math.nan, 1 / 2])


def test_a_class_that_the_network_always_answers_is_recognised_but_not_precise():
    matrix = metrics.confusion_matrix(np.arange(10).repeat(5), np.full(50, 3), 10)
    assert metrics.class_recall(matrix)[3] == 1
    assert metrics.class_precision(matrix)[3] == pytest.approx(0.1)
    assert np.isnan(np.delete(metrics.class_precision(matrix), 3)).all()


def test_a_class_without_examples_is_neither_the_best_nor_the_worst():
    assert metrics.extreme_classes(np.array([math.nan, 0.5, 0.9, 0.2, math.nan])) == (2, 3)
    assert metrics.extreme_classes(np.array([0.4, math.nan])) == (0, 0)
    with pytest.raises(ValueError, match="NaN"):
        metrics.extreme_classes(np.full(3, math.nan))


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, n=st.integers(1, 60), n_classes=st.integers(2, 6))
def test_measures_agree_with_counting(seed, n, n_classes):
    labels, predicted = np.random.default_rng(seed).integers(0, n_classes, (2, n))
    counts = np.zeros((n_classes, n_classes), dtype=int)
    for label, answer in zip(labels, predicted, strict=True):
        counts[label, answer] += 1
    matrix = metrics.confusion_matrix(labels, predicted, n_classes)
    np.testing.assert_array_equal(matrix, counts)
    assert metrics.accuracy(labels, predicted) == pytest.approx(sum(labels == predicted) / n)
    for label, (recall, precision) in enumerate(
        zip(metrics.class_recall(matrix), metrics.class_precision(matrix), strict=True)
    ):
        right = np.sum((labels == label) & (predicted == label))
        for found, n_examples in ((recall, np.sum(labels == label)), (precision, np.sum(predicted == label))):
            assert found == pytest.approx(right / n_examples if n_examples else math.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("loss", "epoch"),
    [
        ([3, 2, 1], None), ([3, math.nan, 1], 2), ([3, 1, math.inf], 3), ([-math.inf, 1], 1),
        ([2, math.nan, math.inf], 2), (np.array([1.0]), None),
    ],
)
def test_a_training_diverged_at_the_first_epoch_whose_loss_is_not_finite(loss, epoch):
    assert metrics.diverged_epoch(loss) == epoch
    assert metrics.diverged(loss) == (epoch is not None)


@pytest.mark.parametrize(
    ("loss", "epoch"),
    [
        ([3, 1, 2], 2), ([1, 1], 1), ([3, 2, 1], 3), ([3, 1, math.nan], 2), ([math.nan, 2, 1], 3), ([-math.inf, 2], 2),
        ([math.nan, math.inf], 1),
    ],
)
def test_the_best_epoch_has_the_least_finite_loss(loss, epoch):
    assert metrics.best_epoch(loss) == epoch


@pytest.mark.parametrize(
    ("validation_loss", "epoch", "rise"),
    [
        ([3, 2, 1], None, 0), ([1], None, 0), ([3, 1, 2, 0.5], None, 0), ([3, 1, 2], 2, 1), ([1, 2, 3], 1, 2),
        ([3, 1, 2, 1.5, 1.2], 2, 0.2), ([3, 1, 2, 1.04], None, 0.04), ([3, 1, 1.06], 2, 0.06), ([1, 0, 0], None, 0),
        ([1, 0, 0.1], 2, math.inf), (np.array([2.0, 1.0, 1.5]), 2, 0.5),
    ],
)
def test_overfitting_is_a_loss_that_ends_more_than_5_percent_above_its_least(validation_loss, epoch, rise):
    assert metrics.overfitting_epoch(validation_loss) == epoch
    assert metrics.rise(validation_loss) == pytest.approx(rise)


@pytest.mark.parametrize("validation_loss", [[3, 1, math.nan], [3, 1, math.inf, 2], [math.nan, 3, 1]])
def test_of_a_diverged_training_nothing_is_concluded(validation_loss):
    epoch = metrics.diverged_epoch(validation_loss)
    with pytest.raises(ValueError, match=f"received (nan|inf) at epoch {epoch}: ask"):
        metrics.overfitting_epoch(validation_loss)
    assert math.isnan(metrics.rise(validation_loss))


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8))
def test_mean_and_sd_are_those_of_a_sample(values):
    mean, sd = metrics.mean_and_sd(values)
    assert mean == pytest.approx(statistics.mean(values), abs=1e-9)
    assert sd == pytest.approx(statistics.stdev(values), abs=1e-9)


def test_one_value_has_no_sd():
    mean, sd = metrics.mean_and_sd([0.25])
    assert mean == 0.25
    assert math.isnan(sd)


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, n=st.integers(3, 50), noise=st.floats(0, 10), slope=st.sampled_from([-1, 1]))
def test_correlation_agrees_with_numpy(seed, n, noise, slope):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=n)
    second = slope * first + noise * rng.normal(size=n)
    assume(second.std() > 1e-3)
    assert metrics.correlation(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-9)


def test_correlation_of_maps():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 4, 5), dtype=np.uint8)
    assert metrics.correlation(first, second) == pytest.approx(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    assert metrics.correlation(first, 255 - first) == pytest.approx(-1)


@pytest.mark.parametrize("constant", [0, 7, 0.1])
def test_correlation_with_a_constant_is_0(constant):
    values = np.arange(7)
    assert metrics.correlation(np.full(7, constant), values) == pytest.approx(0, abs=1e-9)
    assert metrics.correlation(values, np.full(7, constant)) == pytest.approx(0, abs=1e-9)


def test_two_constants_do_not_correlate():
    assert metrics.correlation(np.full(7, 0.1), np.full(7, 0.1)) == 0


@given(SEEDS, st.sampled_from([1e-3, 1.0, 30.0, 2000.0]))
def test_cross_entropy_is_that_of_softmax(seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = (scale * rng.normal(size=(7, 4))).astype(np.float32), rng.integers(0, 4, 7)
    exact = logits.astype(np.longdouble) - logits.max(axis=1, keepdims=True)
    expected = np.mean(np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(7), labels])
    assert metrics.cross_entropy(labels, logits) == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def test_chance_difference_is_rarely_exceeded_by_two_equal_networks():
    rng = np.random.default_rng(0)
    first, second = rng.binomial(1000, 0.8, (2, 20_000)) / 1000
    exceeded = np.mean(np.abs(first - second) > metrics.chance_difference(0.8, 1000))
    assert exceeded == pytest.approx(0.0455, abs=0.01)  # of a normal distribution, beyond 2 sd


@pytest.mark.parametrize(("accuracy", "above"), [(0.05, False), (0.1, False), (0.118, False), (0.12, True), (1, True)])
def test_above_chance_is_two_standard_errors_above(accuracy, above):
    """Of 1000 examples and 10 classes: 0.1 + 2 sqrt(0.1 * 0.9 / 1000) = 0.11897."""
    assert metrics.significantly_above_chance(accuracy, 1000, 10) is above


def test_a_network_that_draws_lots_is_rarely_above_chance():
    accuracies = np.random.default_rng(0).binomial(400, 1 / 4, 4000) / 400
    above = np.mean([metrics.significantly_above_chance(accuracy, 400, 4) for accuracy in accuracies])
    assert 0.01 < above < 0.035  # of a normal distribution, 0.023


@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_the_ends_of_wilsons_interval_lie_1_96_standard_errors_from_the_share(n, share):
    """An end is the true share ``q`` of which the measured one is just 1.96 standard errors away."""
    n_right = round(share * n)
    low, high = metrics.wilson_interval(n_right, n)
    assert 0 <= low <= n_right / n <= high <= 1
    for end, sign in ((low, 1), (high, -1)):
        if end not in (0, 1):
            error = math.sqrt(end * (1 - end) / n)
            assert n_right / n - end == pytest.approx(sign * 1.959964 * error, rel=1e-4, abs=1e-9)


def test_wilsons_interval_of_arrays_none_of_it_for_no_example():
    low, high = metrics.wilson_interval(np.array([0, 8, 10, 0]), np.array([10, 10, 10, 0]))
    np.testing.assert_allclose(low, [0, 0.4902, 0.7225, math.nan], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.9433, 1, math.nan], atol=1e-4)


def test_interval_of_a_mean_by_hand():
    # 4 values: t(0.975, 3) = 3.182446, s = sqrt(5 / 3), n = 4.
    mean, low, high, n = metrics.mean_interval(np.array([1.0, 2, math.nan, 3, 4]))
    assert (mean, n) == (2.5, 4)
    assert high - mean == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2, rel=1e-6)
    assert mean - low == pytest.approx(high - mean)


def test_one_value_or_none_has_no_interval():
    np.testing.assert_equal(metrics.mean_interval(np.array([0.5, math.nan])), (0.5, math.nan, math.nan, 1))
    np.testing.assert_equal(metrics.mean_interval(np.array([math.nan])), (math.nan, math.nan, math.nan, 0))
