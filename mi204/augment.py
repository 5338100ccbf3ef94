"""Random variants of training images that keep their class: numpy only, one generator in, new arrays out."""

import numpy as np


def flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each image ``(n, h, w, c)`` left to right with probability 1/2."""
    mirrored = rng.random(len(images)) < 0.5
    return np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


def crop(images: np.ndarray, padding: int, rng: np.random.Generator) -> np.ndarray:
    """Shift each image ``(n, h, w, c)`` by up to ``padding`` pixels each way; the border is filled by reflection."""
    n, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="reflect")
    rows = rng.integers(0, 2 * padding + 1, n)[:, None] + np.arange(height)
    columns = rng.integers(0, 2 * padding + 1, n)[:, None] + np.arange(width)
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def shift(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move each image ``(n, h, w, c)`` by whole pixels; the border is filled by reflection."""
    _, height, width, _ = images.shape
    padding = max(abs(down), abs(right))
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="reflect")
    return padded[:, padding - down : padding - down + height, padding - right : padding - right + width]


def colour(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change saturation, contrast and brightness of each standardised image ``(n, h, w, c)``, as another light would.

    The saturation is multiplied by a factor drawn from 1 ± 2 ``strength``, the contrast by one from 1 ± ``strength``;
    the brightness moves by a normal draw of standard deviation ``strength`` / 2. Raises ValueError for integer images,
    which are not standardised.
    """
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"Expected standardised images of a floating type, received {images.dtype}.")

    def drawn(half_width: float) -> np.ndarray:
        return rng.uniform(1 - half_width, 1 + half_width, (len(images), 1, 1, 1)).astype(images.dtype)

    grey = images.mean(axis=3, keepdims=True)
    images = grey + drawn(2 * strength) * (images - grey)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    brightness = rng.normal(0, strength / 2, (len(images), 1, 1, 1)).astype(images.dtype)
    return mean + drawn(strength) * (images - mean) + brightness


def _squares(n: int, height: int, width: int, sides: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mark one square per image, cut at the border, as a mask ``(n, h, w)``; ``sides`` in pixels, centres uniform."""
    centre_y, centre_x = rng.uniform(0, height, (n, 1)), rng.uniform(0, width, (n, 1))
    half = np.reshape(sides, (-1, 1)) / 2
    rows = np.abs(np.arange(height) + 0.5 - centre_y) < half
    columns = np.abs(np.arange(width) + 0.5 - centre_x) < half
    return rows[:, :, None] & columns[:, None, :]


def erase(images: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Set a square of ``side`` pixels at a random place of each image ``(n, h, w, c)`` to zero (Cutout, 2017)."""
    n, height, width, _ = images.shape
    mask = _squares(n, height, width, np.full(n, side), rng)
    return np.where(mask[..., None], images.dtype.type(0), images)


def cutmix(
    images: np.ndarray, targets: np.ndarray, probability: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a square of one image into another, and mix their one-hot targets by area (CutMix, 2019).

    ``images`` ``(n, h, w, c)``, ``targets`` ``(n, k)``. Each image receives a square with this ``probability``; the
    square's share of the area is drawn uniformly from [0, 1], what lies beyond the border is cut.
    """
    n, height, width, _ = images.shape
    partner = rng.permutation(n)
    sides = np.sqrt(rng.random(n)) * min(height, width) * (rng.random(n) < probability)
    mask = _squares(n, height, width, sides, rng)
    share = mask.mean(axis=(1, 2), dtype=np.float32)[:, None]
    return np.where(mask[..., None], images[partner], images), targets * (1 - share) + targets[partner] * share
