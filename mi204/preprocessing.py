"""Images before they enter a network."""

import numpy as np


def standardize(images: np.ndarray) -> np.ndarray:
    """Centre and scale each channel of each image: ``(x - mean) / std`` over its own pixels.

    ``images`` is ``(n, h, w, c)`` of any number type; the result is float32 of the same shape, each channel of mean 0
    and standard deviation 1. A constant channel gives zeros where the formula says 0/0. Handout 002, question 2.2.
    """
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    deviation = images.std(axis=(1, 2), keepdims=True, dtype=np.float64)
    return ((images - mean) / _divisor(mean, deviation)).astype(np.float32)


def standardize_like(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Centre and scale each channel by the mean and standard deviation of that channel over all ``reference`` images.

    Both are ``(n, h, w, c)``; the result is float32. Unlike ``standardize`` it keeps what distinguishes one image from
    another, such as its colour. A channel that is constant in the reference is only centred.
    """
    mean = reference.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = reference.std(axis=(0, 1, 2), dtype=np.float64)
    return ((images - mean) / _divisor(mean, deviation)).astype(np.float32)


def standardize_pixels(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Centre and scale each pixel by its mean and (unbiased) standard deviation over the ``reference`` images.

    Both are ``(n, h, w, c)``; the result is float32. A pixel that is constant in the reference is only centred.
    Handout 004, question 1.6.
    """
    mean = reference.mean(axis=0, dtype=np.float64)
    deviation = reference.std(axis=0, dtype=np.float64, ddof=1)
    # In float32: the images may be as large as all of Fashion-MNIST.
    centred = images - mean.astype(np.float32)
    return (centred / _divisor(mean, deviation).astype(np.float32)).astype(np.float32, copy=False)


def standardize_bands(spectrograms: np.ndarray) -> np.ndarray:
    """Take half of its mean off each band, then centre and scale each spectrogram (n, bands, frames, 1); float32.

    The mean of a band over the word belongs in part to the microphone and the room, in part to the word.
    """
    mean = spectrograms.mean(axis=2, keepdims=True, dtype=np.float64)
    return standardize(spectrograms - mean / 2)


def _divisor(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    # A constant channel deviates by the rounding of its mean: divide that by 1, not by something as small.
    return np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1.0), deviation, 1.0)


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Code integer labels ``(n,)`` as float32 rows ``(n, n_classes)`` with a single 1.

    Raises ValueError when a label is not in ``0 … n_classes - 1``.
    """
    labels = np.asarray(labels)
    if labels.size and not (labels.min() >= 0 and labels.max() < n_classes):
        raise ValueError(
            f"Expected labels from 0 to {n_classes - 1}, received {labels.min()} to {labels.max()}: "
            "give n_classes the number of classes of the whole set."
        )
    return np.eye(n_classes, dtype=np.float32)[labels]
