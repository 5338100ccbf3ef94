"""Measures of a trained network, from arrays."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
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
    """Give the share of each true class that is recognised: diagonal / row sum; 0 for a class without examples.

    The handout calls it the precision of a class; the field's word is recall.
    """
    totals = matrix.sum(axis=1)
    return np.diag(matrix) / np.maximum(totals, 1)


def best_epoch(validation_loss: Sequence[float]) -> int:
    """Give the epoch, from 1, of the least validation loss; NaN counts as worse than any other."""
    return int(np.argmin(np.nan_to_num(validation_loss, nan=np.inf))) + 1


def overfitting_epoch(validation_loss: Sequence[float]) -> int | None:
    """Give the epoch (from 1) of the least validation loss, from which on it gets worse; None when that is the last.

    A loss that became NaN counts as worse than any other.
    """
    best = best_epoch(validation_loss) - 1
    return None if best == len(validation_loss) - 1 else best + 1


OVERFITTING = 0.05
"""Share by which a loss on unknown data may end above its least value before we call that overfitting: epoch for
epoch it goes up and down by less, once training has settled."""


def rise(loss: Sequence[float]) -> float:
    """Give by which share a loss ends above its least value: ``loss[-1] / min(loss) - 1``."""
    return float(loss[-1] / loss[best_epoch(loss) - 1] - 1)


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


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Give Pearson's correlation of two arrays of one shape; 0 when one of them is constant."""
    first, second = (np.asarray(array, dtype=np.float64).ravel() for array in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
