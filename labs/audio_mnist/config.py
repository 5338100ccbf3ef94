"""Settings of the lab: what one training depends on, and what the whole runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tyro.conf import Suppress

from mi204 import packages, settings
from mi204.audio import MelSettings
from mi204.language import Word
from mi204.settings import LabConfig

N_CLASSES = 10
SIDE = 28
"""Rows and columns of a written digit."""
COURSE_MEL = MelSettings()
"""As the course's script: torchaudio's defaults, made for sound at 16 kHz."""
TRUE_MEL = MelSettings(sampling_rate=8000, n_fft=400, hop_length=80, n_mels=64)
"""Made for the recordings as they are: windows of 50 ms, a frame every 10 ms."""
OUR_MEL = MelSettings(sampling_rate=8000, n_fft=256, win_length=200, hop_length=80, n_mels=40, f_min=60)
"""For our network: windows of 25 ms, a frame every 10 ms."""
LEAST_WINDOW = 3600
"""Samples that make 19 frames, the fewest that the course's two convolutions can take."""

Network = Literal["course", "ours", "image", "sound", "early", "late"]


@dataclass(frozen=True)
class Recipe:
    """One training; the defaults are the course's. What a network does not use is 0, or as the course has it."""

    seed: int = 0
    """Seed of the random split, the initial weights, the order of the recordings, the pairs and the noise."""
    train_share: float = 0.75
    """Share of the recordings that the random split trains on."""
    window: int = 48_000
    """Samples to which the course's network pads each recording, or cuts it; 48,000 are 6 s at 8 kHz."""
    epochs: int = 30
    """Passes of the course's network over its recordings."""
    batch_size: int = 50
    """Recordings per step."""
    learning_rate: float = 0.001
    """Step of the course's SGD."""
    momentum: float = 0.9
    """Momentum of the course's SGD."""
    network: Suppress[Network] = "course"
    """The course's; ours for voices; for pairs: the image or the sound alone, early or late fusion."""
    left_out: Suppress[str] = ""
    """Speaker to test on; none: the random split."""
    mel: Suppress[MelSettings] = COURSE_MEL
    """How spectrograms are made."""
    n_frames: Suppress[int] = 0
    """Frames to which the word alone is stretched; 0: the whole recording, in its window."""
    label_smoothing: Suppress[float] = 0.0
    """Share of the target that is spread over all classes, also in the losses that are logged."""
    n_pairs: Suppress[int] = 0
    """Pairs of a written and a spoken digit to train on."""
    n_test_pairs: Suppress[int] = 0
    """Pairs to test on."""
    signal_to_noise: Suppress[float] = 0.0
    """Power of the recording over that of the noise added to it, in decibels."""
    occlusion: Suppress[int] = 0
    """Side in pixels of the square that hides a part of an image."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        settings.check_range(self, ("epochs", "batch_size"), least=1)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        settings.check_range(self, ("learning_rate",), least=1e-12)
        settings.check_range(self, ("momentum",), least=0, below=1)
        if self.network == "course":
            settings.check_range(self, ("window",), least=LEAST_WINDOW)
        if not self.left_out:
            settings.check_range(self, ("train_share",), least=0.01, below=1)

    def n_train(self, n: int) -> int:
        """Count the recordings of ``n`` that the random split trains on."""
        return min(max(round(self.train_share * n), 1), n - 1)


@dataclass(frozen=True, kw_only=True)
class Config(LabConfig):
    """The lab as a whole."""

    recipe: Suppress[Recipe] = Recipe()
    """The training of the course's network on the random split."""
    recordings: Path | None = None
    """Folder of your own recordings, named digit_speaker_repetition.wav, in place of the official ones; all together or
    in one folder per speaker."""
    show: tuple[str, ...] = ()
    """File names of the recordings to draw, such as 7_lucas_3.wav; none named: three of them."""
    n_repetitions: int = 50
    """Recordings taken of each digit by each speaker, the first."""
    n_left_out: int = 6
    """Speakers left out of training in turn, the first in alphabetical order; fewer where there are fewer."""
    our_epochs: int = 40
    """Passes of our network over its recordings."""
    n_pairs: int = 20_000
    """Pairs of a written and a spoken digit to train on."""
    n_test_pairs: int = 2000
    """Pairs to test on: images of the test set, recordings of a speaker never heard in training."""
    pair_epochs: int = 8
    """Passes over the training pairs."""
    signal_to_noise: float = 0.0
    """Power of the recording over that of the noise added to it, in decibels."""
    occlusion: int = 16
    """Side in pixels of the square that hides a part of an image."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        super().__post_init__()
        settings.check_range(
            self, ("n_repetitions", "n_left_out", "our_epochs", "n_pairs", "n_test_pairs", "pair_epochs"), least=1
        )
        settings.check_range(self, ("signal_to_noise",), least=-100, below=100)
        settings.check_range(self, ("occlusion",), least=0, below=SIDE + 1)

    def require_packages(self) -> None:
        """Sound is read by soundfile; librosa changes its rate and makes its filters."""
        for name in ("soundfile", "librosa"):
            packages.require(name)


PRESETS = {
    "quick": Config(
        preset="quick", recipe=Recipe(epochs=4), n_repetitions=6, n_left_out=2, our_epochs=2, n_pairs=300,
        n_test_pairs=100, pair_epochs=1,
    ),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3),
}


def course(recipe: Recipe, speaker: str) -> Recipe:
    """Give the course's recipe with one speaker left out of training."""
    return replace(recipe, left_out=speaker, train_share=0)


def ours(config: Config, recipe: Recipe, speaker: str) -> Recipe:
    """Give the recipe of our network for voices, with one speaker left out of training."""
    return Recipe(
        network="ours", left_out=speaker, seed=recipe.seed, epochs=config.our_epochs, batch_size=recipe.batch_size,
        learning_rate=0.003, label_smoothing=0.1, mel=OUR_MEL, n_frames=32, train_share=0, window=0, momentum=0,
    )


def pairs(config: Config, recipe: Recipe, speaker: str) -> Recipe:
    """Give the recipe of the networks for pairs, with one speaker left out of training: early fusion's."""
    return Recipe(
        network="early", left_out=speaker, seed=recipe.seed, epochs=config.pair_epochs,
        batch_size=min(100, config.n_pairs), learning_rate=0.001, mel=replace(OUR_MEL, n_mels=SIDE), n_frames=SIDE,
        n_pairs=config.n_pairs, n_test_pairs=config.n_test_pairs, signal_to_noise=config.signal_to_noise,
        occlusion=config.occlusion, train_share=0, window=0, momentum=0,
    )


def experiments(config: Config, recipe: Recipe, speakers: list[str]) -> dict[str, dict[str, Recipe]]:
    """Give the recipes of each study by name: the random split; speakers left out in turn, with both networks; pairs.

    ``recipe`` is the course's, with the seed of all of them. Pairs are tested on the last of the speakers.
    """
    left_out, pair = speakers[: config.n_left_out], pairs(config, recipe, speakers[-1])
    return {
        "random": {Word("course"): recipe},
        "speakers": {speaker: course(recipe, speaker) for speaker in left_out},
        "ours": {speaker: ours(config, recipe, speaker) for speaker in left_out},
        "pairs": {
            Word(f"network_{name}"): replace(pair, network=name) for name in ("image", "sound", "early", "late")
        },
    }
