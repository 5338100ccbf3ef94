"""Losses of the course as functions of targets and probabilities, on any backend."""

from keras import ops

EPSILON = 1e-9
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] (handout 004, question 1.8)."""


def clipped_cross_entropy(y_true, y_pred):
    """Give ``-sum_k y_k log p_k`` per example (n,), the probabilities ``y_pred`` (n, k) clipped away from 0 and 1."""
    return -ops.sum(ops.multiply(y_true, ops.log(ops.clip(y_pred, EPSILON, 1 - EPSILON))), axis=-1)
