"""Random variants of images and sounds that keep their class: numpy only, one generator in, new arrays out.

Spectrograms are (n, bands, frames, 1) in decibels.
"""

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


def noise(waveform: np.ndarray, signal_to_noise: float, rng: np.random.Generator) -> np.ndarray:
    """Add white noise to a waveform ``(n,)``; ``signal_to_noise`` is the ratio of their powers in decibels."""
    power = np.mean(np.square(waveform, dtype=np.float64)) * 10 ** (-signal_to_noise / 10)
    return waveform + rng.normal(0, np.sqrt(power), waveform.shape).astype(waveform.dtype)


def stretch_frequencies(spectrograms: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Stretch the bands by a factor drawn from 1 ± ``strength``: another throat (Jaitly and Hinton, 2013)."""
    factors = rng.uniform(1 - strength, 1 + strength, (len(spectrograms), 1))
    return _moved(spectrograms, np.arange(spectrograms.shape[1]) * factors, axis=1)


def stretch_time(spectrograms: np.ndarray, strength: float, shift: float, rng: np.random.Generator) -> np.ndarray:
    """Stretch the frames about the middle by a factor drawn from 1 ± ``strength``; shift by ± ``shift`` frames."""
    n, n_frames = len(spectrograms), spectrograms.shape[2]
    factors = rng.uniform(1 - strength, 1 + strength, (n, 1))
    middle = (n_frames - 1) / 2
    positions = middle + (np.arange(n_frames) - middle) * factors + rng.uniform(-shift, shift, (n, 1))
    return _moved(spectrograms, positions, axis=2)


def _moved(spectrograms: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Read each spectrogram at ``positions`` (n, length) of an axis, by linear interpolation; the edges go on."""
    last = spectrograms.shape[axis] - 1
    positions = np.clip(positions, 0, last)
    before = np.minimum(positions.astype(int), last - 1)
    others = tuple(other for other in (1, 2, 3) if other != axis)
    share = np.expand_dims(positions - before, others).astype(spectrograms.dtype)
    lower, upper = (
        np.take_along_axis(spectrograms, np.expand_dims(index, others), axis) for index in (before, before + 1)
    )
    return lower + share * (upper - lower)


def equalize(spectrograms: np.ndarray, strengths: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Make bands louder or fainter along a smooth random curve, as another microphone or room would.

    A sum of a slope, a wave and a shorter wave over the bands; ``strengths`` are the standard deviations of their
    heights in decibels.
    """
    place = np.linspace(-1, 1, spectrograms.shape[1])
    shapes = np.stack([place, np.cos(np.pi * place), np.sin(1.5 * np.pi * place)])
    curves = rng.normal(0, strengths, (len(spectrograms), 3)) @ shapes
    return spectrograms + curves[:, :, None, None].astype(spectrograms.dtype)


def background(spectrograms: np.ndarray, faintest: float, loudest: float, rng: np.random.Generator) -> np.ndarray:
    """Add the power of a background noise whose level is drawn between two levels in decibels, and varies by 3 dB."""
    level = rng.uniform(faintest, loudest, (len(spectrograms), 1, 1, 1)) + rng.normal(0, 3, spectrograms.shape)
    return (10 * np.log10(10 ** (spectrograms / 10) + 10 ** (level / 10))).astype(spectrograms.dtype)


def mask(spectrograms: np.ndarray, bands: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Hide up to ``bands`` neighbouring bands and up to ``frames`` frames of each (SpecAugment, Park et al., 2019).

    What is hidden takes the mean of its band.
    """
    n, n_bands, n_frames, _ = spectrograms.shape

    def stripe(length: int, widest: int) -> np.ndarray:
        start, width = rng.integers(0, length, (n, 1)), rng.integers(0, widest + 1, (n, 1))
        return (np.arange(length) >= start) & (np.arange(length) < start + width)

    hidden = stripe(n_bands, bands)[:, :, None] | stripe(n_frames, frames)[:, None, :]
    return np.where(hidden[..., None], spectrograms.mean(axis=2, keepdims=True), spectrograms)
