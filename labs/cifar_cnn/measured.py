"""What the lab measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labs.cifar_cnn.config import Config
from mi204 import results


@dataclass(frozen=True)
class Layer:
    """One layer of a network, as ``models.describe`` gives it."""

    name: str
    """Such as ``conv2d``."""
    type: str
    """Name of its class, such as ``Conv2D``."""
    output_shape: str
    """Height x width x depth, such as ``32x32x8``."""
    parameters: int
    """Trainable parameters."""
    settings: str
    """What shapes it, such as ``filters 8, kernel_size 3x3``."""
    inputs: list[str]
    """Names of the layers that feed it."""


@dataclass(frozen=True)
class Channel:
    """A colour channel of the training images: the extremes over the images of its mean and deviation in one image."""

    stage: str
    """``before`` or ``after`` standardisation."""
    channel: str
    """``red_channel``, …"""
    mean_smallest: float
    """Least of the means; like those below, in grey levels (0..255) before, in standard deviations after."""
    mean_largest: float
    """Greatest of the means."""
    deviation_smallest: float
    """Least of the standard deviations."""
    deviation_largest: float
    """Greatest of the standard deviations."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a trained network answers (first seed)."""

    confusion: dict[str, np.ndarray]
    """By subset (``train``, ``validation``, ``test``): number of images of each true class (rows) given each class
    (columns), int (n_classes, n_classes)."""
    predicted: np.ndarray
    """Labels it gives the test images shown, int (12,)."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What the last layer of a stage of the deeper network answers to the test images shown (first seed)."""

    masks: np.ndarray
    """Sum of the maps divided by its maximum, 0..1, (12, h, w)."""
    maps: np.ndarray
    """Maps of the first image, after ReLU, (h, w, n_filters)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(results.Measured):
    """What the answers and figures need.

    Each run has ``loss``, ``acc``, ``val_loss`` and ``val_acc``, epoch by epoch, and measures its network afterwards:
    ``train_acc``, ``validation_acc``, ``test_acc``, the same with ``_one_view`` for the images as they are, and
    ``steps`` per epoch.
    """

    config: Config
    classes: list[str]
    """Name of each label."""
    layers: list[Layer]
    """The course's network."""
    channels: list[Channel]
    """Three before standardisation, three after."""
    train_images: np.ndarray
    """The first training images, uint8 (12, 32, 32, 3)."""
    train_labels: np.ndarray
    """Their labels, int (12,)."""
    train_x: np.ndarray
    """The same standardised, float32 (12, 32, 32, 3)."""
    test_images: np.ndarray
    """The first test images, uint8 (12, 32, 32, 3): the same for every network."""
    test_labels: np.ndarray
    """Their labels, int (12,)."""
    course_maps: dict[int, np.ndarray] | None = None
    """Maps of the course network's first layer for the first test image, by epoch (0: before), (32, 32, n_filters)."""
    resumed: Evaluation | None = None
    """The course's network after part II.5."""
    resumed_masks: np.ndarray | None = None
    """Its first layer: sum of the maps divided by its maximum, 0..1, (12, 32, 32)."""
    resumed_maps: np.ndarray | None = None
    """Its first layer: maps of the first two test images, after ReLU, (2, 32, 32, n_filters)."""
    deep: Evaluation | None = None
    """The deeper network."""
    deep_layers: list[Layer] | None = None
    """Its layers."""
    stages: dict[str, Stage] | None = None
    """The deeper network's, by name, in its order."""
    noise_confidence: float | None = None
    """Largest probability that the deeper network gives pure noise, mean over 250 images."""
