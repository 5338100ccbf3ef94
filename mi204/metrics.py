"""Measures of a trained network, from arrays."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from scipy import stats
from sklearn import metrics


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Give the share of right answers: ``mean(labels == predicted)``, both ``(n,)``."""
    return float(metrics.accuracy_score(labels, predicted))


def cross_entropy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Give the mean cross-entropy ``mean(log sum_k exp z_k - z_label)`` of labels ``(n,)`` and logits ``(n, k)``."""
    logits = logits.astype(np.float64)
    chosen = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return float(np.mean(np.logaddexp.reduce(logits, axis=1) - chosen))


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Count the examples of each true class (rows) given each class (columns): ``(n_classes, n_classes)`` of int."""
    return metrics.confusion_matrix(labels, predicted, labels=np.arange(n_classes))


def class_recall(matrix: np.ndarray) -> np.ndarray:
    """Give the share of each true class that is recognised: diagonal / row sum; NaN for a class without examples.

    The handout calls it the precision of a class; the field's word is recall.
    """
    return _shares(np.diag(matrix), matrix.sum(axis=1))


def class_precision(matrix: np.ndarray) -> np.ndarray:
    """Give the share of right answers among those given as each class: diagonal / column sum; NaN if never given.

    A class recognised always (recall 1) because the network answers nothing else has a precision near chance.
    """
    return _shares(np.diag(matrix), matrix.sum(axis=0))


def _shares(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.divide(counts, totals, out=np.full(len(totals), np.nan), where=totals > 0)


def extreme_classes(recall: np.ndarray) -> tuple[int, int]:
    """Give the best and the worst class of ``class_recall`` ``(n_classes,)``; those without examples are neither.

    Raises ValueError when no class has examples.
    """
    return int(np.nanargmax(recall)), int(np.nanargmin(recall))


def diverged_epoch(loss: Sequence[float]) -> int | None:
    """Give the first epoch, from 1, at which a training had diverged: its loss is NaN or infinite; None where never."""
    lost = np.flatnonzero(~np.isfinite(loss))
    return int(lost[0]) + 1 if len(lost) else None


def diverged(loss: Sequence[float]) -> bool:
    """Say whether a training diverged: its loss is NaN or infinite at some epoch."""
    return diverged_epoch(loss) is not None


def best_epoch(validation_loss: Sequence[float]) -> int:
    """Give the epoch, from 1, of the least validation loss; one that is NaN or infinite is never the least.

    1 where none is finite.
    """
    return int(np.argmin(np.where(np.isfinite(validation_loss), validation_loss, np.inf))) + 1


OVERFITTING = 0.05
"""Share by which a loss on unknown data may end above its least value before we call that overfitting: epoch for
epoch it goes up and down by less, once training has settled."""


def rise(loss: Sequence[float]) -> float:
    """Give by which share a loss, never negative, ends above its least value: ``loss[-1] / min(loss) - 1``.

    NaN when the training diverged: that is neither overfitting nor none. Infinite for an end above a least value of 0.
    """
    if diverged(loss):
        return math.nan
    least, last = min(loss), loss[-1]
    if last == least:
        return 0.0
    return float(last / least - 1) if least > 0 else math.inf


def overfitting_epoch(validation_loss: Sequence[float]) -> int | None:
    """Give the epoch (from 1) of the least validation loss, where overfitting begins; None where there is none.

    Overfitting means that the loss ends more than ``OVERFITTING`` above its least value. Raises ValueError when the
    training diverged, from which nothing can be concluded: ask ``diverged`` first.
    """
    epoch = diverged_epoch(validation_loss)
    if epoch is not None:
        raise ValueError(
            f"Expected the loss of a training that did not diverge, received {validation_loss[epoch - 1]} at epoch "
            f"{epoch}: ask metrics.diverged first."
        )
    return best_epoch(validation_loss) if rise(validation_loss) > OVERFITTING else None


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Give the mean and the sample standard deviation (n - 1); the latter is NaN for a single value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def wilson_interval(n_right: np.ndarray | int, n: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Give the 95 % interval (low, high) of the share ``p = n_right / n``, by Wilson's score; numbers, or arrays.

    ``(p + z² / 2n ± z sqrt(p (1 - p) / n + z² / 4n²)) / (1 + z² / n)``, z = 1.96: within 0..1, also where ``n_right``
    is 0 or ``n``. NaN where ``n`` is 0.
    """
    n = np.asarray(n, dtype=np.float64)
    z = NormalDist().inv_cdf(0.975)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, squared = n_right / n, z**2 / n
        middle = (share + squared / 2) / (1 + squared)
        half = z * np.sqrt(share * (1 - share) / n + squared / (4 * n)) / (1 + squared)
    # Exact at the ends, where rounding would leave the share itself outside.
    return np.where(share == 0, 0.0, middle - half), np.where(share == 1, 1.0, middle + half)


def chance_difference(accuracy: float, n_images: int) -> float:
    """Give how far two accuracies near ``accuracy``, each measured on ``n_images``, may lie apart by chance.

    Two standard errors of the difference of two independent shares, ``2 sqrt(2 p (1 - p) / n)``.
    """
    return 2 * float(np.sqrt(2 * accuracy * (1 - accuracy) / n_images))


def significantly_above_chance(accuracy: float, n: int, n_classes: int) -> bool:
    """Say whether an accuracy on ``n`` examples is beyond chance, ``p = 1 / n_classes``, by two standard errors of it.

    ``accuracy - p > 2 sqrt(p (1 - p) / n)``.
    """
    chance = 1 / n_classes
    return bool(accuracy - chance > 2 * math.sqrt(chance * (1 - chance) / n))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Give Pearson's correlation of two arrays of one shape; 0 when one of them is constant."""
    first, second = (np.asarray(array, dtype=np.float64).ravel() for array in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def mean_interval(values: np.ndarray) -> tuple[float, float, float, int]:
    """Give the mean of values ``(n,)``, its 95 % interval (low, high) by Student's t, and how many count.

    ``m ± t(0.975, n - 1) s / sqrt(n)``. NaN does not count; without two values there is no interval: NaN.
    """
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return float(values[0]) if len(values) else math.nan, math.nan, math.nan, len(values)
    mean, deviation = mean_and_sd(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))
    return mean, mean - half, mean + half, len(values)
