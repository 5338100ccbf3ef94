"""What the lab measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labs.fashion_trainer.config import Config
from mi204 import results
from mi204.architectures import NetworkConfiguration


@dataclass(frozen=True, kw_only=True, eq=False)
class Equivariance:
    """What a small convolutional network makes of an image, and of the same image moved (question 2.1)."""

    image: np.ndarray
    """The first training image, 0 to 1, (28, 28)."""
    features: np.ndarray
    """The network's output for it, (24, 24)."""
    shift: int
    """Pixels by which it is moved, right and down."""
    shift_difference: np.ndarray
    """Absolute difference of the output, shifted, and the output for the shifted image, (24, 24)."""
    rotation_difference: np.ndarray
    """The same for a quarter turn clockwise, (24, 24)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(results.Measured):
    """What the answers and figures need.

    Each run logs ``train_loss``, ``train_accuracy``, ``validation_loss`` and ``validation_accuracy`` before training
    and after each epoch (epochs + 1 values), and ``train_gradient_norm``, that of the last batch of each epoch; it
    measures ``test_loss`` and ``test_acc``. The studies ``raw`` and ``normalised`` compare learning rates, each setting
    written as ``0.01``, the others networks, each setting a word.
    """

    config: Config
    networks: dict[str, NetworkConfiguration]
    """Hidden layers of the networks compared, by the name of their setting."""
    equivariance: Equivariance
    """Question 2.1: what a small network makes of a moved image."""
