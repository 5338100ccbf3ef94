"""Spoken digits: what a spectrogram shows, what a split hides, and a system that reads and listens (handout 000, 2).

    python -m labs.audio_mnist                                questions 2.1 to 2.7
    python -m labs.audio_mnist --questions 2.2 2.3            look at recordings; nothing is trained
    python -m labs.audio_mnist --questions 2.3 --show 7_lucas_3.wav
    python -m labs.audio_mnist --recordings my_voice          your own recordings in place of the official ones
    python -m labs.audio_mnist --preset quick                 everything, very small: does it all run here?
    KERAS_BACKEND=torch python -m labs.audio_mnist            the same on another backend

Needs librosa and soundfile: pip install -e ".[audio]"
Results and figures go to figures/audio_mnist. Ctrl-C stops; the same command goes on where it stopped.
"""

# %%
from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import layers
from matplotlib.figure import Figure
from tyro.conf import Suppress

from mi204 import (
    arithmetic,
    audio,
    augment,
    backend,
    cli,
    metrics,
    models,
    packages,
    paths,
    plots,
    preprocessing,
    questions,
    settings,
    splits,
    studies,
    tables,
    training,
)
from mi204.audio import MelSettings
from mi204.datasets import AudioDataset, DataChoice, ImageDataset, mnist, spoken_digits
from mi204.errors import SettingError
from mi204.language import Language, Word, fill, word
from mi204.preprocessing import one_hot
from mi204.questions import Answer, answers
from mi204.results import Results, Run, save_figures
from mi204.settings import Preset

# %%
ModelName = Literal["course", "ours", "image", "sound", "early", "late"]
N_CLASSES = 10
COURSE_MEL = MelSettings()
"""As the course's script: torchaudio's defaults, made for sound at 16 kHz."""
TRUE_MEL = MelSettings(sampling_rate=8000, n_fft=400, hop_length=80, n_mels=64)
"""Made for the recordings as they are: windows of 50 ms, a frame every 10 ms."""
OUR_MEL = MelSettings(sampling_rate=8000, n_fft=256, win_length=200, hop_length=80, n_mels=40, f_min=60)
"""For our network: windows of 25 ms, a frame every 10 ms."""
OUR_FRAMES = 32
"""Frames to which a word is stretched."""
SIDE = 28
SMALL_MEL = replace(OUR_MEL, n_mels=SIDE)
"""For pairs: as many filters as a written digit has rows."""
REMARKS = ("resampled", "mixed_to_mono")
LEAST_WINDOW = 3600
"""Samples that make 19 frames, the fewest that the course's two convolutions can take."""
OUR_LEARNING_RATE = 0.003
PAIR_BATCH, PAIR_LEARNING_RATE = 100, 0.001
N_NOISES = 3
"""Noisy versions of each recording among which the pairs draw."""
CONDITIONS = ("clean", "noisy_sound", "occluded_image", "both_degraded")
PACKAGES = ("keras", "numpy", "pandas", "matplotlib", "librosa", "soundfile", "torch", "torchaudio")


@dataclass(frozen=True)
class Config:
    """Settings of the lab; the defaults are the handout's."""

    preset: Preset = "course"
    """Size of the whole: quick (a minute), course (the handout's sizes), full (three seeds)."""
    questions: tuple[str, ...] = ()
    """Answer these questions only, such as 2.3 2.4, and run what they need."""
    data: DataChoice = "auto"
    """Real recordings and images or procedural samples; auto takes a sample when the real ones cannot be had."""
    language: Language = "en"
    """Language of what is printed and drawn."""
    recordings: Path | None = None
    """Folder of your own recordings, named digit_speaker_repetition.wav, in place of the official ones."""
    show: tuple[str, ...] = ()
    """File names of the recordings to draw, such as 7_lucas_3.wav; none named: three of them."""
    seed: int = 0
    """Seed of the random split, the initial weights, the order of the recordings, the pairs and the noise."""
    n_seeds: int = 1
    """Repetitions, with seeds seed, seed + 1, …"""
    n_repetitions: int = 50
    """Recordings taken of each digit by each speaker, the first."""
    n_left_out: int = 6
    """Speakers left out of training in turn, the first in alphabetical order; fewer where there are fewer."""
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
    model: Suppress[ModelName] = "course"
    """Network to train."""
    left_out: Suppress[str] = ""
    """Speaker to test on; none: the random split."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        settings.check_range(
            self,
            ("n_seeds", "n_repetitions", "n_left_out", "epochs", "batch_size", "our_epochs", "n_pairs", "n_test_pairs",
             "pair_epochs"),
            least=1,
        )  # fmt: skip
        settings.check_range(self, ("window",), least=LEAST_WINDOW)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        settings.check_range(self, ("learning_rate",), least=1e-12)
        settings.check_range(self, ("train_share",), least=0.01, below=1)
        settings.check_range(self, ("momentum",), least=0, below=1)
        settings.check_range(self, ("signal_to_noise",), least=-100, below=100)
        settings.check_range(self, ("occlusion",), least=0, below=SIDE + 1)


PRESETS = {
    "quick": Config(
        preset="quick", n_repetitions=6, n_left_out=2, epochs=4, our_epochs=2, n_pairs=300, n_test_pairs=100,
        pair_epochs=1,
    ),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3),
}  # fmt: skip


# %% [markdown]
# ## Data
# Recordings for all questions, written digits for the last one.


# %%
class Digits(NamedTuple):
    """Spoken and written digits."""

    spoken: AudioDataset
    written: ImageDataset | None


def load_data(config: Config) -> Digits:
    """Load the recordings, and MNIST for question 2.7, or their samples; downloads once into ``datasets_cache/``."""
    spoken = spoken_digits.load(config.data, config.recordings)
    return Digits(spoken, mnist.load(config.data) if not config.questions or "2.7" in config.questions else None)


@dataclass(frozen=True, eq=False)
class Material:
    """What the networks learn from, each kind of image made when it is first needed."""

    digits: Digits
    config: Config
    folder: Path
    """Where spectrograms are kept."""

    @property
    def labels(self) -> np.ndarray:
        """Digits of the recordings, (n,)."""
        return self.digits.spoken.labels

    @cached_property
    def spoken_fingerprint(self) -> str:
        """What tells these recordings from others."""
        return _fingerprint("".join(self.digits.spoken.files).encode(), *self.digits.spoken.waveforms)

    @cached_property
    def written_fingerprint(self) -> str:
        """What tells these written digits from others."""
        written = self.digits.written
        return _fingerprint(written.x_train, written.y_train, written.x_test, written.y_test)

    @cached_property
    def course_images(self) -> np.ndarray:
        """Spectrograms in decibels as the course's network sees them, (n, 128, 241, 1) for 48,000 samples."""
        return audio.spectrograms(self.digits.spoken.waveforms, COURSE_MEL, self.config.window, self.folder)

    @cached_property
    def our_images(self) -> np.ndarray:
        """Spectrograms of the words alone, in decibels, all of one length, (n, 40, 32, 1)."""
        return audio.word_images(self.digits.spoken.waveforms, OUR_MEL, OUR_FRAMES)

    @cached_property
    def small_images(self) -> np.ndarray:
        """The same, as large as written digits and from 0 to 1: (1 + N_NOISES, n, 28, 28, 1), the first ones clean."""
        waveforms = self.digits.spoken.waveforms
        rng = np.random.default_rng(0)  # the same noise for all seeds
        versions = [waveforms]
        for _ in range(N_NOISES):
            versions.append([augment.noise(waveform, self.config.signal_to_noise, rng) for waveform in waveforms])
        return 1 - np.stack([audio.word_images(version, SMALL_MEL, SIDE) for version in versions]) / audio.SILENCE

    def split(self, config: Config) -> tuple[np.ndarray, np.ndarray]:
        """Give the indices of the recordings to train on and of those to test on.

        Raises SettingError when that leaves a digit without recordings.
        """
        spoken = self.digits.spoken
        if config.left_out:
            train, test = splits.leave_out(spoken.speakers, config.left_out)
        else:
            n = len(spoken.labels)
            n_train = min(max(round(config.train_share * n), 1), n - 1)
            train, test = splits.draw(n, n_train, n - n_train, rng=np.random.default_rng(config.seed))
        splits.check_classes(spoken.labels, spoken.classes, training=train, test=test)
        return train, test


def _fingerprint(*contents: np.ndarray | bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(np.ascontiguousarray(content))
    return digest.hexdigest()


def taken(config: Config, spoken: AudioDataset) -> AudioDataset:
    """Take the first ``n_repetitions`` recordings of each digit by each speaker."""
    frame = pd.DataFrame({"label": spoken.labels, "speaker": spoken.speakers})
    chosen = np.flatnonzero(frame.groupby(["label", "speaker"]).cumcount() < config.n_repetitions)
    files = tuple(spoken.files[i] for i in chosen)
    return replace(
        spoken,
        waveforms=tuple(spoken.waveforms[i] for i in chosen), files=files, labels=spoken.labels[chosen],
        speakers=spoken.speakers[chosen], repetitions=spoken.repetitions[chosen],
        remarks={file: remarks for file, remarks in spoken.remarks.items() if file in files},
    )  # fmt: skip


# %% [markdown]
# ## Networks
# The course's (blocks 11 to 15); ours; and four for pairs, which all see the same two channels, the written digit and
# the spoken one, and use one of them or both.


# %%
def build_model(config: Config) -> keras.Model:
    """Build the network ``config.model``, not yet compiled, with the weights of the seed; the outputs are logits."""
    keras.utils.set_random_seed(config.seed)
    if config.model == "course":
        return course_network(config)
    if config.model == "ours":
        return our_network()
    return pair_network(config.model)


def course_network(config: Config) -> keras.Model:
    """Build the course's network: two strided convolutions and a dense layer."""
    shape = (COURSE_MEL.n_mels, 1 + config.window // COURSE_MEL.hop_length, 1)
    output = arithmetic.convolution_output_size
    height, width = (output(output(side, 7, 3), 5, 2) for side in shape[:2])
    model = keras.Sequential([keras.Input(shape, name="spectrogram")], name="course")
    model.add(layers.Conv2D(10, 7, strides=3, activation="relu", **models.torch_initializers(7 * 7)))
    model.add(layers.Conv2D(10, 5, strides=2, activation="relu", **models.torch_initializers(5 * 5 * 10)))
    model.add(layers.Flatten())
    model.add(layers.Dense(N_CLASSES, **models.torch_initializers(height * width * 10)))
    return model


def our_network() -> keras.Model:
    """Build our network: four convolutions, each followed by batch normalisation and pooling; it ends in a mean."""
    model = keras.Sequential([keras.Input((OUR_MEL.n_mels, OUR_FRAMES, 1), name="word")], name="ours")
    for filters in (16, 32, 64, 96):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(N_CLASSES))
    return model


def pair_network(name: ModelName) -> keras.Model:
    """Build a network for pairs (28, 28, 2), a written digit and a spoken one.

    ``image`` and ``sound`` use one channel. ``early`` fusion is the same network on both channels. ``late`` fusion is
    two of them, whose ten logits each go to a small network that weighs one against the other.
    """
    pair = keras.Input((SIDE, SIDE, 2), name="pair")
    written, spoken = pair[..., :1], pair[..., 1:]
    if name == "late":
        opinions = layers.Concatenate()([_reader(written), _reader(spoken)])
        logits = layers.Dense(N_CLASSES)(layers.Dense(64, activation="relu")(opinions))
    else:
        logits = _reader({"image": written, "sound": spoken, "early": pair}[name])
    return keras.Model(pair, logits, name=name)


def _reader(x):
    """Put a small convolutional network on an image (28, 28, c); its ten outputs are logits."""
    for filters in (16, 32):
        x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dropout(0.3)(layers.Dense(64, activation="relu")(x))
    return layers.Dense(N_CLASSES)(x)


# %% [markdown]
# ## Training
# The course's network sees its recordings as they are, less the mean of all of them (block 10).


# %%
class Task(NamedTuple):
    """What a network learns from and how."""

    train: tuple[np.ndarray, np.ndarray]
    """Images (n, h, w, c) and one-hot labels (n, 10)."""
    tests: dict[str, tuple[np.ndarray, np.ndarray]]
    """The same to test on, by condition; the first is measured after each epoch."""
    optimizer: keras.optimizers.Optimizer
    augmentation: training.Augmentation | None = None
    label_smoothing: float = 0.0
    """Also of the losses that are logged."""


def task(config: Config, material: Material) -> Task:
    """Prepare what the network ``config.model`` learns from."""
    train, test = material.split(config)
    y = one_hot(material.labels, N_CLASSES)
    if config.model == "course":
        x_train, x_test = centred(material.course_images, train, test)
        optimizer = training.build_optimizer("momentum", config.learning_rate, momentum=config.momentum)
        return Task((x_train, y[train]), {"clean": (x_test, y[test])}, optimizer)
    if config.model == "ours":
        x, x_test = material.our_images[train], preprocessing.standardize_bands(material.our_images[test])
        optimizer = _adam(config, len(train))
        return Task((x, y[train]), {"clean": (x_test, y[test])}, optimizer, another_voice, label_smoothing=0.1)
    rng = np.random.default_rng([config.seed, 2])
    written, images = material.digits.written, material.small_images
    known = draw_pairs(
        config.n_pairs, (written.x_train, written.y_train), (images[:, train], material.labels[train]), config, rng
    )
    unknown = draw_pairs(
        config.n_test_pairs, (written.x_test, written.y_test), (images[:, test], material.labels[test]), config, rng
    )
    y_test = one_hot(unknown.labels, N_CLASSES)
    degraded = [(hidden, noisy) for hidden in (False, True) for noisy in (False, True)]
    tests = {name: (unknown.seen(*how), y_test) for name, how in zip(CONDITIONS, degraded, strict=True)}
    hidden, noisy = rng.random((2, config.n_pairs)) < 0.5
    y_train = one_hot(known.labels, N_CLASSES)
    return Task((known.seen(hidden, noisy), y_train), tests, _adam(config, config.n_pairs))


def _adam(config: Config, n_train: int) -> keras.optimizers.Optimizer:
    steps = config.epochs * arithmetic.steps_per_epoch(n_train, config.batch_size)
    return training.build_optimizer("adam", config.learning_rate, schedule="cosine", steps=steps)


def another_voice(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Change each word (n, 40, 32, 1) as another speaker, tempo, microphone or room would, then standardise it."""
    x = augment.stretch_time(x, 0.18, 3, rng)
    x = augment.stretch_frequencies(x, 0.1, rng)
    x = augment.equalize(x, (5, 4, 3), rng)
    x = augment.background(x, -90, -30, rng)
    x = augment.mask(x, 8, 5, rng)
    return preprocessing.standardize_bands(x), y


def centred(images: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the training and test images less one number, the mean of all training images."""
    x_train, x_test = images[train], images[test]
    mean = np.float32(x_train.mean(dtype=np.float64))
    x_train -= mean
    x_test -= mean
    return x_train, x_test


class Pairs(NamedTuple):
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


def draw_pairs(
    n: int,
    written: tuple[np.ndarray, np.ndarray],
    spoken: tuple[np.ndarray, np.ndarray],
    config: Config,
    rng: np.random.Generator,
) -> Pairs:
    """Draw ``n`` written digits without replacement, and for each a recording of the same digit.

    ``written`` is uint8 images (m, 28, 28, 1) and their labels; ``spoken`` images (1 + N_NOISES, k, 28, 28, 1), the
    first ones without noise, and their labels. Raises SettingError when there are fewer written digits than asked for.
    """
    (chosen,) = splits.draw(len(written[1]), n, rng=rng)
    labels = written[1][chosen]
    partner = splits.partners(labels, spoken[1], rng)
    images = written[0][chosen] / np.float32(255)
    noisy = spoken[0][rng.integers(1, len(spoken[0]), n), partner]
    return Pairs(images, augment.erase(images, config.occlusion, rng), spoken[0][0, partner], noisy, labels)


def train(config: Config, material: Material, folder: Path, on_epoch: Callable[[], None] = lambda: None) -> Run:
    """Train the network ``config.model`` and measure it in every condition of its test."""
    todo = task(config, material)
    model = build_model(config)
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch())]
    if config.model == "course":
        callbacks.append(training.TrainingSetMeasures(*todo.train))
    test, *_ = todo.tests.values()
    history = training.fit(
        model, todo.train, test, optimizer=todo.optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=todo.label_smoothing),
        batch_size=config.batch_size, epochs=config.epochs, seed=config.seed, folder=folder,
        augmentation=todo.augmentation, callbacks=callbacks,
    )  # fmt: skip
    measures = {
        name: metrics.accuracy(y.argmax(axis=1), training.predict(model, x).argmax(axis=1))
        for name, (x, y) in todo.tests.items()
    }
    parameters = models.trainable_parameters(model)
    logs = training.logs_of_test(history)
    return Run("", "", config.seed, config.batch_size, parameters, logs, history.epoch_seconds, measures)


# %% [markdown]
# ## Studies
# The random split; each speaker left out, with the course's network and with ours; and the pairs.


# %%
STUDIES = ("random", "speakers", "ours", "pairs")


def study(name: str, config: Config, speakers: list[str]) -> dict[str, Config]:
    """Give the settings that a study compares, by name."""
    if name == "random":
        return {"course": replace(config, model="course", left_out="")}
    if name == "pairs":
        pair = replace(
            config, left_out=speakers[-1], epochs=config.pair_epochs,
            batch_size=min(PAIR_BATCH, config.n_pairs), learning_rate=PAIR_LEARNING_RATE,
        )  # fmt: skip
        return {model: replace(pair, model=model) for model in ("image", "sound", "early", "late")}
    trained = replace(config, model="course")
    if name == "ours":
        trained = replace(config, model="ours", epochs=config.our_epochs, learning_rate=OUR_LEARNING_RATE)
    return {speaker: replace(trained, left_out=speaker) for speaker in speakers[: config.n_left_out]}


def run(config: Config, data: Digits | None = None, folder: Path | None = None, progress: bool = False) -> Results:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers spectrograms, finished runs and the state of an interrupted
    one; without it nothing is written. ``progress`` shows one bar over the epochs of all runs.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return run(config, data, Path(temporary), progress)
    asked = questions.of_lab(sys.modules[__name__])
    chosen = questions.choose(asked, config.questions or tuple(asked))
    needed = {name for each in chosen for name in each.needs}
    digits = load_data(config) if data is None else data
    digits = digits._replace(spoken=taken(config, digits.spoken))
    material = Material(digits, config, folder / "spectrograms")
    speakers = sorted(set(digits.spoken.speakers.tolist()))
    plan = [
        (name, setting, changed)
        for name in STUDIES
        if name in needed
        for seeded in studies.seeded(config, config.n_seeds)
        for setting, changed in study(name, seeded, speakers).items()
    ]
    for *_, changed in plan:  # before the first training: can each of them be done?
        _check(changed, material)
    used = digits if "pairs" in needed else digits[:1]
    results = Results(
        "audio_mnist", studies.json_ready(config), " + ".join(each.name for each in used),
        "real" if all(each.source == "real" for each in used) else "sample", backend.environment(),
        values={"speakers": speakers, "classes": list(digits.spoken.classes)},
    )  # fmt: skip
    _describe(results, config, material)
    if {"2.4", "2.5"} & {each.number for each in chosen}:
        _describe_split(results, config, material)
    if "pairs" in needed:
        _show_pairs(results, study("pairs", config, speakers)["early"], material)
    results.runs = studies.train_all(
        plan,
        lambda changed, path, on_epoch: train(changed, material, path, on_epoch),
        lambda changed: _identity(changed, material),
        folder,
        progress,
    )
    return results


def _check(config: Config, material: Material) -> None:
    """Find before the first training what would stop the last: too few recordings of a digit, or too few images."""
    train, _ = material.split(config)
    if config.model in ("course", "ours"):
        if config.batch_size > len(train):
            raise SettingError(
                f"Expected a batch size of at most {len(train)}, the recordings to train on, received "
                f"{config.batch_size}: choose a smaller --batch-size or give more recordings."
            )
        return
    written = material.digits.written
    for name, images in (("n_pairs", written.x_train), ("n_test_pairs", written.x_test)):
        if getattr(config, name) > len(images):
            raise SettingError(
                f"Expected {name} of at most {len(images):,}, the images of {written.name}, received "
                f"{getattr(config, name):,}: change --{name.replace('_', '-')}."
            )


def _identity(config: Config, material: Material) -> dict:
    """Give all that a training depends on."""
    without = {"preset", "questions", "data", "language", "recordings", "show", "n_seeds", "n_left_out", "our_epochs",
               "pair_epochs"}  # fmt: skip
    source = material.spoken_fingerprint
    if config.left_out:
        without |= {"train_share"}
    if config.model != "course":
        without |= {"window", "momentum"}
    if config.model in ("course", "ours"):
        without |= {"n_pairs", "n_test_pairs", "signal_to_noise", "occlusion"}
    else:
        source += material.written_fingerprint
    return studies.identity(
        config,
        without=without,
        source=source,
        code=(arithmetic, audio, augment, backend, metrics, models, preprocessing, splits, training, Material,
              build_model, course_network, our_network, pair_network, _reader, task, another_voice, centred, Pairs,
              draw_pairs, train),
        constants=(COURSE_MEL, OUR_MEL, OUR_FRAMES, SMALL_MEL, SIDE, N_NOISES),
        environment=backend.environment() | {"librosa": packages.version("librosa")},
    )  # fmt: skip


def _describe(results: Results, config: Config, material: Material) -> None:
    """Keep the packages, and the measures of all recordings and the images of some."""
    spoken = material.digits.spoken
    versions = {name: packages.version(name) for name in (*PACKAGES, results.environment["backend"])}
    results.values |= {
        "packages": versions,
        "recordings": [
            {"label": int(label), "speaker": str(speaker), "seconds": len(waveform) / spoken.sampling_rate}
            for label, speaker, waveform in zip(spoken.labels, spoken.speakers, spoken.waveforms, strict=True)
        ],
        "sampling_rate": spoken.sampling_rate,
        "remarks": {remark: sum(remark in each for each in spoken.remarks.values()) for remark in REMARKS},
        "altered": sorted(spoken.remarks),
        "n_cut": sum(len(waveform) > config.window for waveform in spoken.waveforms),
        "empty_filters": {
            name: int(np.count_nonzero(audio.mel_filters(mel).sum(axis=1) == 0))
            for name, mel in (("course", COURSE_MEL), ("true", TRUE_MEL))
        },
        "shown": _shown(config, spoken),
    }
    for name in results.values["shown"]:
        waveform = spoken.waveforms[spoken.files.index(name)]
        results.arrays |= {
            f"waveform_{name}": waveform,
            f"course_{name}": audio.decibels(audio.mel_spectrogram(waveform, COURSE_MEL)).astype(np.float32),
            f"true_{name}": audio.decibels(audio.mel_spectrogram(waveform, TRUE_MEL)).astype(np.float32),
        }


def _describe_split(results: Results, config: Config, material: Material) -> None:
    """Keep what the random split and the course's blocks make of the recordings."""
    spoken, (train, test) = material.digits.spoken, material.split(config)
    x_train, x_test = centred(material.course_images, train, test)
    results.values |= {
        "split": {
            name: {speaker: int(np.sum(spoken.speakers[side] == speaker)) for speaker in results.values["speakers"]}
            for name, side in (("train", train), ("test", test))
        },
        "files": {name: [spoken.files[i] for i in side] for name, side in (("train", train), ("test", test))},
        "images": {
            "mean_before": float(material.course_images[train].mean(dtype=np.float64)),
            "mean_after": float(x_train.mean(dtype=np.float64)),
            "test_mean_after": float(x_test.mean(dtype=np.float64)),
            "deviation": float(x_train.std(dtype=np.float64)),
            "silence": float(np.mean(x_train == x_train.min())),
        },
        "layers": models.describe(build_model(replace(config, model="course"))),
    }


def _shown(config: Config, spoken: AudioDataset) -> list[str]:
    """Choose the recordings to draw."""
    unknown = [name for name in config.show if name not in spoken.files]
    if unknown:
        raise SettingError(
            f"Expected --show to name recordings such as {spoken.files[0]} and {spoken.files[-1]}, received "
            f"{', '.join(unknown)}: choose among the files of {spoken.name}."
        )
    n = len(spoken.files)
    return list(config.show) or [spoken.files[i] for i in (0, n // 3, 2 * n // 3)]


def _show_pairs(results: Results, config: Config, material: Material) -> None:
    """Keep three test pairs of twelve, whole and degraded, to look at: quartiles of how much the square hides."""
    _, test = material.split(config)
    written, rng = material.digits.written, np.random.default_rng(config.seed)
    spoken = material.small_images[:, test], material.labels[test]
    pairs = draw_pairs(12, (written.x_test, written.y_test), spoken, config, rng)
    chosen = np.argsort(np.sum(pairs.written - pairs.occluded, axis=(1, 2, 3)))[[3, 6, 9]]
    pairs = Pairs(*(each[chosen] for each in pairs))
    images = np.stack([pairs.written, pairs.occluded, pairs.spoken[:, ::-1], pairs.noisy[:, ::-1]], axis=1)
    results.values["n_pair_recordings"] = len(test)
    results.arrays |= {"pair_images": np.rint(255 * images).astype(np.uint8), "pair_labels": pairs.labels}


# %% [markdown]
# ## 2.1 The environment


# %%
@answers("2.1")
def environment(results: Results) -> Answer:
    """List the packages and their versions."""
    versions = results.values["packages"]
    table = pd.DataFrame(
        {"package": name, "version": Word("not_installed") if version == "unknown" else version}
        for name, version in versions.items()
    )
    values = {"python": results.environment["python"], "backend": results.environment["backend"]}
    return Answer(values, table)


# %% [markdown]
# ## 2.2 The recordings


# %%
@answers("2.2")
def recordings(results: Results) -> Answer:
    """Count and measure the recordings."""
    frame = pd.DataFrame(results.values["recordings"])
    seconds = frame["seconds"]
    counts = pd.crosstab(frame["label"], frame["speaker"])
    table = frame.groupby("speaker")["seconds"].agg(["count", "mean", "std", "min", "max"]).reset_index()
    table = pd.DataFrame(
        {
            "speaker": table["speaker"],
            "recordings": table["count"],
            "duration": list(zip(table["mean"], table["std"], strict=True)),
            "shortest": table["min"],
            "longest": table["max"],
        }
    )
    remarks = results.values["remarks"]
    values = {
        "n": len(frame),
        "n_speakers": frame["speaker"].nunique(),
        "n_digits": frame["label"].nunique(),
        "fewest": int(counts.to_numpy().min()),
        "most": int(counts.to_numpy().max()),
        **{f"{column}_share": _explained(frame, column) for column in ("speaker", "label")},
        "sampling_rate": results.values["sampling_rate"],
        "median": float(seconds.median()),
        "shortest": float(seconds.min()),
        "longest": float(seconds.max()),
        "shown": ", ".join(results.values["shown"]),
        "altered": ", ".join(results.values["altered"][:3]),
        "n_altered": len(results.values["altered"]),
        "n_cut": results.values["n_cut"],
        "window_seconds": results.config["window"] / results.values["sampling_rate"],
        **remarks,
    }
    texts = ["answer"]
    if any(remarks.values()):
        texts.append("was_altered")
    if values["n_cut"]:
        texts.append("was_cut")
    return Answer(values, table, tuple(texts))


def _explained(frame: pd.DataFrame, column: str) -> float:
    """Give the share of the variance of the durations that lies between the groups of a column (0 to 1)."""
    means = frame.groupby(column)["seconds"].transform("mean")
    variance = frame["seconds"].var(ddof=0)
    return float(means.var(ddof=0) / variance) if variance else 0.0


# %% [markdown]
# ## 2.3 Frequencies


# %%
@answers("2.3")
def frequencies(results: Results) -> Answer:
    """Say which frequencies the course's image shows, and which it claims to show."""
    rate = results.values["sampling_rate"]
    return Answer(
        {
            "sampling_rate": rate,
            "highest": rate / 2,
            "believed_rate": COURSE_MEL.sampling_rate,
            "believed_highest": COURSE_MEL.sampling_rate / 2,
            "ratio": COURSE_MEL.sampling_rate / rate,
            "n_mels": COURSE_MEL.n_mels,
            "empty": results.values["empty_filters"]["course"],
            "bin_width": rate / COURSE_MEL.n_fft,
            "believed_bin_width": COURSE_MEL.sampling_rate / COURSE_MEL.n_fft,
            "frame_milliseconds": 1000 * COURSE_MEL.n_fft / rate,
            "hop_milliseconds": 1000 * COURSE_MEL.hop_length / rate,
            "true_mels": TRUE_MEL.n_mels,
            "true_empty": results.values["empty_filters"]["true"],
            "linear_mel": 2595 * np.log10(1 + 1000 / 700),
        }
    )


# %% [markdown]
# ## 2.4 The split


# %%
def accuracy(each: Run) -> float:
    """Give the accuracy on the recordings tested, as they are."""
    return each.measures["clean"]


def stuck(each: Run, n_train: int) -> bool:
    """Say whether a network never left chance on its own training recordings: it may start so badly that it stays."""
    chance = 1 / N_CLASSES
    return each.history["train_accuracy"][-1] - chance <= metrics.chance_difference(chance, n_train)


@answers("2.4", needs=("random", "speakers", "ours"))
def split(results: Results) -> Answer:
    """Tell what the random split hides: the same speakers on both sides."""
    sides = results.values["split"]
    random = tables.means(results.of_study("random"), accuracy)["course"]
    course, ours = (tables.means(results.of_study(name), accuracy) for name in ("speakers", "ours"))
    trained = results.of_study("random") + results.of_study("speakers")
    n_seeds = len({each.seed for each in trained})
    table = pd.DataFrame(
        {
            "speaker": name,
            "in_training": sides["train"][name],
            "in_test": sides["test"][name],
            "left_out_course": 100 * course[name] if name in course else Word("not_left_out"),
            "left_out_ours": 100 * ours[name] if name in ours else Word("not_left_out"),
        }
        for name in results.values["speakers"]
    )
    values = {
        "n_train": sum(sides["train"].values()),
        "n_test": sum(sides["test"].values()),
        "n_speakers": len(results.values["speakers"]),
        "n_both": sum(sides["train"][name] > 0 and sides["test"][name] > 0 for name in results.values["speakers"]),
        "n_left_out": len(course),
        "n_seeds": n_seeds,
        "n_trained": len(trained),
        "n_stuck": sum(stuck(each, sum(sides["train"].values())) for each in trained),
        "random": random,
        "unseen": float(np.mean(list(course.values()))),
        "hardest": min(course, key=course.get),
        "hardest_accuracy": min(course.values()),
        "ours": float(np.mean(list(ours.values()))),
        "ours_worst": min(ours.values()),
        "parameters": results.of_study("speakers")[0].parameters,
        "our_parameters": results.of_study("ours")[0].parameters,
    }
    values["gap"] = 100 * (values["random"] - values["unseen"])
    values["chance"] = 100 * metrics.chance_difference(random, values["n_test"])
    values["lead"] = 100 * (values["ours"] - values["unseen"])
    n_unseen = sum(sides["train"][name] + sides["test"][name] for name in course)
    values["lead_chance"] = 100 * metrics.chance_difference(values["ours"], n_unseen)
    leak = "leaks" if values["gap"] > values["chance"] else "no_leak_shown"
    if values["n_stuck"]:
        leak = "stuck"
    texts = ["answer", leak, "ours"]
    texts.append("ours_better" if values["lead"] > values["lead_chance"] else "ours_no_better")
    return Answer(values, table, tuple(texts))


# %% [markdown]
# ## 2.5 The blocks of the notebook


# %%
@answers("2.5")
def blocks(results: Results) -> Answer:
    """Explain normalisation and network, counted by hand and by Keras."""
    described = results.values["layers"]
    output = arithmetic.convolution_output_size
    first, second = 7, 5
    height, width = COURSE_MEL.n_mels, 1 + results.config["window"] // COURSE_MEL.hop_length
    sides = [output(side, first, 3) for side in (height, width)]
    last_sides = [output(side, second, 2) for side in sides]
    features = 10 * last_sides[0] * last_sides[1]
    by_hand = {
        "Conv2D": [arithmetic.convolution_parameters(first, 1, 10), arithmetic.convolution_parameters(second, 10, 10)],
        "Dense": [arithmetic.dense_parameters(features, N_CLASSES)],
    }
    total = sum(map(sum, by_hand.values()))
    counted = {kind: iter(counts) for kind, counts in by_hand.items()}
    table = pd.DataFrame(
        {
            "layer": layer["type"],
            "settings": layer["settings"] or "-",
            "output_shape": layer["output_shape"],
            "by_hand": next(counted[layer["type"]]) if layer["type"] in counted else 0,
            "by_keras": layer["parameters"],
        }
        for layer in described
    )
    config = results.config
    n_train = sum(results.values["split"]["train"].values())
    values = {
        "height": height, "width": width, "first": "x".join(map(str, sides)), "second": "x".join(map(str, last_sides)),
        "features": features, "by_hand": total, "by_keras": int(table["by_keras"].sum()),
        "dense_share": by_hand["Dense"][0] / total,
        **results.values["images"],
        **{name: config[name] for name in ("epochs", "batch_size", "learning_rate", "momentum")},
        "steps": arithmetic.steps_per_epoch(n_train, config["batch_size"]),
    }  # fmt: skip
    return Answer(values, table)


# %% [markdown]
# ## 2.6 Losses and score


# %%
@answers("2.6", needs=("random",))
def losses_and_score(results: Results) -> Answer:
    """Comment the losses and the score of the course's network."""
    runs = results.of_study("random")
    logs = {name: tables.mean_log(runs, name) for name in runs[0].history}
    values = {
        "epochs": len(logs["test_loss"]),
        **{f"first_{name}": float(log[0]) for name, log in logs.items()},
        **{f"last_{name}": float(log[-1]) for name, log in logs.items()},
        "best_epoch": metrics.best_epoch(logs["test_loss"]),
        "least": float(logs["test_loss"].min()),
        "rise": metrics.rise(logs["test_loss"]),
        "early_epoch": int(np.argmax(logs["test_accuracy"] >= 0.98 * logs["test_accuracy"][-1])) + 1,
        "tolerance": metrics.OVERFITTING,
    }
    return Answer(values, texts=("answer", "overfit" if values["rise"] > metrics.OVERFITTING else "no_overfit"))


# %% [markdown]
# ## 2.7 Reading and listening


# %%
@answers("2.7", needs=("pairs",))
def multimodal(results: Results) -> Answer:
    """Compare early and late fusion with each modality alone, on clean and on degraded pairs."""
    runs = results.of_study("pairs")
    means = {name: tables.means(runs, lambda each, name=name: each.measures[name]) for name in CONDITIONS}
    table = tables.comparison(
        runs,
        parameters=lambda each: each.parameters,
        **{name: lambda each, name=name: 100 * each.measures[name] for name in CONDITIONS},
        epoch_seconds=tables.epoch_seconds,
    )
    table["setting"] = [Word(f"network_{name}") for name in means["clean"]]
    gains = {}
    for name, accuracies in means.items():
        alone, fused = (max(accuracies[model] for model in pair) for pair in (("image", "sound"), ("early", "late")))
        gains[name] = 100 * (fused - alone)
    config = results.config
    # Recordings tested are fewer than pairs: an accuracy on them is no more certain than on as many pairs.
    n_measured = min(config["n_test_pairs"], results.values["n_pair_recordings"])
    chance = 100 * metrics.chance_difference(float(np.mean(list(means["both_degraded"].values()))), n_measured)
    values = {
        **means["both_degraded"],
        **{f"gain_{name}": gain for name, gain in gains.items()},
        "errors": 100 * (1 - max(means["clean"].values())),
        "best": Word(f"network_{max(('early', 'late'), key=means['both_degraded'].get)}"),
        "chance": chance, "n_measured": n_measured, "speaker": results.values["speakers"][-1],
        **{name: config[name] for name in ("n_pairs", "n_test_pairs", "pair_epochs", "signal_to_noise", "occlusion")},
    }  # fmt: skip
    return Answer(values, table, ("answer", "gain" if gains["both_degraded"] > chance else "no_gain"))


# %% [markdown]
# ## Figures


# %%
def figures(results: Results, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow, named by the question it answers."""
    album = plots.Album(results, language)
    frame = pd.DataFrame(results.values["recordings"])
    durations = [
        {str(name): group["seconds"].to_numpy() for name, group in frame.groupby(column)}
        for column in ("label", "speaker")
    ]
    album.draw("2.2_durations", plots.distributions, durations, ylabel=word("duration", language).capitalize())
    rate = results.values["sampling_rate"]
    for name in results.values["shown"]:
        waveform = results.arrays[f"waveform_{name}"]
        spectrograms = [
            plots.Spectrogram(
                fill(word(f"{kind}_image", language), {"rate": mel.sampling_rate}, language),
                results.arrays[f"{kind}_{name}"], np.array([0, *audio.mel_frequencies(mel), mel.sampling_rate / 2]),
                len(waveform) / mel.sampling_rate,
            )
            for kind, mel in (("true", TRUE_MEL), ("course", COURSE_MEL))
        ]  # fmt: skip
        album.draw("2.3_sound", plots.sound, waveform, rate, spectrograms, subject=(Path(name).stem,))
    banks = [
        (fill(word(f"{kind}_filters", language), {"n": mel.n_mels, "rate": mel.sampling_rate}, language),
         audio.mel_filters(mel), mel.sampling_rate / 2)
        for kind, mel in (("true", TRUE_MEL), ("course", COURSE_MEL))
    ]  # fmt: skip
    album.draw("2.3_filters", plots.filter_bank, banks)
    unseen = {
        word(f"network_{name}", language): list(tables.means(results.of_study(study), accuracy).values())
        for name, study in (("course", "speakers"), ("ours", "ours"))
        if results.of_study(study)
    }
    if unseen:
        speakers = list(tables.means(results.of_study("speakers"), accuracy))
        album.draw("2.4_left_out", plots.class_accuracies, unseen, speakers, n_seeds=results.config["n_seeds"])
    if runs := results.of_study("random"):
        best = metrics.best_epoch(tables.mean_log(runs, "test_loss"))
        album.draw("2.6_losses", plots.train_and_test_losses, runs, best_epoch=best, n_seeds=len(runs))
        album.draw(
            "2.6_score", plots.quantity, runs,
            {"train_accuracy": word("training", language), "test_accuracy": word("test", language)},
            ylabel=f"{word('accuracy', language).capitalize()} (%)", scale=100,
            names={"course": word("network_course", language)}, n_seeds=len(runs),
        )  # fmt: skip
    if runs := results.of_study("pairs"):
        kinds = [word(name, language) for name in ("written", "occluded", "spoken", "noisy")]
        labels = [f"{label}, {kind}" for label in results.arrays["pair_labels"] for kind in kinds]
        images = results.arrays["pair_images"].reshape(-1, SIDE, SIDE, 1)
        album.draw("2.7_pairs", plots.examples, images, labels, columns=4)
        means = [tables.means(runs, lambda each, name=name: each.measures[name]) for name in CONDITIONS]
        by_model = {word(f"network_{model}", language): [each[model] for each in means] for model in means[0]}
        conditions = [word(name, language) for name in CONDITIONS]
        album.draw("2.7_fusion", plots.class_accuracies, by_model, conditions, n_seeds=results.config["n_seeds"])
    return album.figures


# %% [markdown]
# ## Command line


# %% active="py"
def write_csv(results: Results, folder: Path) -> list[Path]:
    """Write the random split as the course does: ``train.csv`` and ``test.csv``, lines of path and digit, no header.

    Without a split in these results, the files of an earlier run are removed: they would not belong to them.
    """
    written = []
    for name in ("train", "test"):
        if "files" not in results.values:
            (folder / f"{name}.csv").unlink(missing_ok=True)
            continue
        files = results.values["files"][name]
        table = pd.DataFrame({"path": [f"recordings/{file}" for file in files], "label": [file[0] for file in files]})
        path = folder / f"{name}.csv"
        paths.write_atomically(path, lambda target, table=table: table.to_csv(target, header=False, index=False))
        written.append(path)
    return written


def main(config: Config) -> None:
    """Run the lab, print its answers, save its results, its figures and the random split."""
    folder = paths.writable_folder(paths.figures("audio_mnist"), "MI204_FIGURES")
    asked = questions.of_lab(sys.modules[__name__])
    chosen = questions.choose(asked, config.questions or tuple(asked))
    data = load_data(config)
    for part in data:
        if part:
            cli.print_notice(part.name, part.notice, config.language)
    if {"2.4", "2.5", "2.6"} & {each.number for each in chosen}:
        build_model(config).summary()
    results = run(config, data, folder / "runs", progress=True)
    results.save(folder)
    cli.print_answers(results, chosen, config.language)
    cli.print_paths(write_csv(results, folder), config.language)
    cli.print_paths(save_figures(figures(results, config.language), folder), config.language)


if __name__ == "__main__":
    cli.start(Config, PRESETS, main)
