"""What the lab measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from labs.audio_mnist.config import Config
from mi204 import results
from mi204.language import Language, fill, word

Source = Literal["real", "sample"]


@dataclass(frozen=True, eq=False)
class Recordings:
    """All recordings, in the order of the data set."""

    labels: np.ndarray
    """Digits, int64 (n,)."""
    speakers: np.ndarray
    """Names, str (n,)."""
    repetitions: np.ndarray
    """Numbers among those of the same digit and speaker, int64 (n,)."""
    seconds: np.ndarray
    """Durations, float64 (n,)."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Mel filters."""

    filters: np.ndarray
    """Weights, float64 (n_mels, n_frequencies)."""
    frequencies: np.ndarray
    """Centres of the filters in Hz, as the transform believes, float64 (n_mels,)."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A recording to draw."""

    waveform: np.ndarray
    """Samples, float32 (n,)."""
    course: np.ndarray
    """Its Mel spectrogram as the course's script makes it, in decibels, float32 (128, frames)."""
    true: np.ndarray
    """The same made for its true rate, in decibels, float32 (64, frames)."""


@dataclass(frozen=True)
class Layer:
    """A layer of the course's network, as Keras has it."""

    type: str
    """Such as ``Conv2D``."""
    settings: str
    """What shapes what it does, such as ``filters 10, kernel_size 7x7``; empty where nothing does."""
    output_shape: str
    """Such as ``41x79x10``."""
    parameters: int
    """Trainable parameters."""


@dataclass(frozen=True)
class Split:
    """The random split of the first seed, and what the course's blocks make of it."""

    train: list[str]
    """File names of the recordings to train on, in the order drawn."""
    test: list[str]
    """File names of the recordings to test on."""
    n_train: dict[str, int]
    """Recordings of each speaker to train on."""
    n_test: dict[str, int]
    """Recordings of each speaker to test on."""
    mean_before: float
    """Mean of the training spectrograms in decibels."""
    mean_after: float
    """The same once block 10 has centred them."""
    test_mean_after: float
    """Mean of the test spectrograms, less that of the training spectrograms, in decibels."""
    deviation: float
    """Standard deviation of the training spectrograms in decibels."""
    silence: float
    """Share of their values that are the least of all."""
    layers: list[Layer]
    """Of the course's network, in their order."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Three pairs of the test to look at, and how many recordings it draws from."""

    n_recordings: int
    """Recordings of the speaker never heard in training."""
    labels: np.ndarray
    """Digits, int64 (3,)."""
    images: np.ndarray
    """Written, occluded, spoken and noisy, low frequencies at the bottom, uint8 (3, 4, 28, 28, 1)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(results.Measured):
    """What the answers and figures need.

    Studies of the course's network: ``random`` (setting ``course``) and ``speakers`` (setting: the speaker left out),
    with ``running_loss``, ``train_loss``, ``test_loss`` and the same accuracies, epoch by epoch; of ours: ``ours`` (the
    same settings), without ``train_loss``; of four networks for pairs: ``pairs``. The accuracy on what is tested is the
    measure ``clean``, of pairs also ``noisy_sound``, ``occluded_image`` and ``both_degraded``.

    ``data`` names the recordings; ``source`` is ``sample`` where they or the written digits are one.
    """

    config: Config
    spoken_source: Source
    """Where the recordings came from."""
    written: str | None
    """Name of the data set of written digits; None without pairs."""
    written_source: Source | None
    """Where the written digits came from; None without pairs."""
    packages: dict[str, str]
    """Version of each package, ``unknown`` where it is not installed."""
    speakers: list[str]
    """Names, in alphabetical order."""
    sampling_rate: int
    """Samples per second of all recordings, in Hz."""
    recordings: Recordings
    """Labels, speakers, repetitions and durations of all recordings taken."""
    remarks: dict[str, list[str]]
    """What was done to a file for it to be read, such as ``resampled``; only those to which something was done."""
    n_cut: int
    """Recordings longer than the window of the course's network."""
    banks: dict[str, Bank]
    """The filters of the course's script (``course``) and those made for the true rate (``true``)."""
    sounds: dict[str, Sound]
    """The recordings to draw, by file name."""
    split: Split | None
    """None where neither question 2.4 nor 2.5 was asked."""
    pairs: Pairs | None
    """None where question 2.7 was not asked."""

    @property
    def studies(self) -> set[str]:
        """Names of what was run; ``split`` where the random split was described."""
        return super().studies | ({"split"} if self.split else set())

    def provenance(self, language: Language) -> str:
        """Name the recordings, and the written digits of the pairs, or say for which of them the sample stood in."""
        parts = [(self.data, self.spoken_source)]
        if self.written is not None:
            parts.append((self.written, self.written_source))
        return " + ".join(
            name if source == "real" else fill(word("source_sample", language), {"data": name}, language)
            for name, source in parts
        )
