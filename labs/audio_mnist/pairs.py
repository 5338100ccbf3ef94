"""Pairs of a written and a spoken digit, whole and degraded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labs.audio_mnist.measured import Pairs
from mi204 import augment, splits

CONDITIONS = {
    "clean": (False, False),
    "noisy_sound": (False, True),
    "occluded_image": (True, False),
    "both_degraded": (True, True),
}
"""How pairs are tested: whether the images are occluded, whether the sounds are noisy."""
N_DRAWN_TO_LOOK_AT = 12

Labelled = tuple[np.ndarray, np.ndarray]
"""Images and their labels, (n,)."""


class DrawnPairs(NamedTuple):
    """Written and spoken digits of the same class, whole and degraded: images (n, 28, 28, 1) from 0 to 1."""

    written: np.ndarray
    occluded: np.ndarray
    spoken: np.ndarray
    noisy: np.ndarray
    labels: np.ndarray

    def seen(self, occluded: bool | np.ndarray, noisy: bool | np.ndarray) -> np.ndarray:
        """Give the pairs (n, 28, 28, 2), those images occluded and those sounds noisy that are asked for."""
        occluded, noisy = (np.reshape(asked, (-1, 1, 1, 1)) for asked in (occluded, noisy))
        written = np.where(occluded, self.occluded, self.written)
        return np.concatenate([written, np.where(noisy, self.noisy, self.spoken)], axis=3)


def draw(n: int, written: Labelled, spoken: Labelled, occlusion: int, rng: np.random.Generator) -> DrawnPairs:
    """Draw ``n`` written digits without replacement, and for each a recording of the same digit.

    ``written`` is of uint8 images (m, 28, 28, 1); ``spoken`` of images (versions, k, 28, 28, 1) from 0 to 1, the first
    ones without noise, the others among which the noisy one is drawn. ``occlusion`` is the side in pixels of the square
    that hides a part of each written digit. Raises SettingError when there are fewer written digits than asked for.
    """
    (chosen,) = splits.draw(len(written[1]), n, rng=rng)
    labels = written[1][chosen]
    partner = splits.partners(labels, spoken[1], rng)
    images = written[0][chosen] / np.float32(255)
    noisy = spoken[0][rng.integers(1, len(spoken[0]), n), partner]
    return DrawnPairs(images, augment.erase(images, occlusion, rng), spoken[0][0, partner], noisy, labels)


def to_look_at(written: Labelled, spoken: Labelled, occlusion: int, rng: np.random.Generator) -> Pairs:
    """Choose three pairs of twelve, whole and degraded: quartiles of how much the square hides."""
    drawn = draw(N_DRAWN_TO_LOOK_AT, written, spoken, occlusion, rng)
    chosen = np.argsort(np.sum(drawn.written - drawn.occluded, axis=(1, 2, 3)))[[3, 6, 9]]
    drawn = DrawnPairs(*(each[chosen] for each in drawn))
    images = np.stack([drawn.written, drawn.occluded, drawn.spoken[:, ::-1], drawn.noisy[:, ::-1]], axis=1)
    return Pairs(len(spoken[1]), drawn.labels, np.rint(255 * images).astype(np.uint8))
