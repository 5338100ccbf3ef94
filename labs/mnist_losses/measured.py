"""What the lab measured."""

from __future__ import annotations

from dataclasses import dataclass

from labs.mnist_losses.config import Config
from mi204 import results


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(results.Measured):
    """What the answers and figures need.

    Each run is one experiment (its study and setting): ``running_loss``, ``train_loss``, ``test_loss`` and the same
    accuracies, epoch by epoch.
    """

    config: Config
    parameters: int
    """Trainable parameters of the network."""
