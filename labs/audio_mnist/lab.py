# %% [markdown]
# # Spoken digits
# Handout 000, part 2: what a spectrogram shows, what a split hides, and a system that reads and listens.

# %%
"""The science of the lab, from top to bottom: data, networks, training, studies; a notebook too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import layers

from labs.audio_mnist import description, pairs
from labs.audio_mnist.config import N_CLASSES, SIDE, Config, Recipe, experiments, ours
from labs.audio_mnist.measured import Measured, Split
from mi204 import (
    arithmetic,
    audio,
    augment,
    backend,
    metrics,
    models,
    packages,
    paths,
    preprocessing,
    questions,
    splits,
    studies,
    training,
)
from mi204.datasets import AudioDataset, ImageDataset, mnist, spoken_digits
from mi204.errors import SettingError
from mi204.preprocessing import one_hot
from mi204.results import Trained

# %% [markdown]
# ## Data
# Recordings for all questions, written digits for the last one. The course's network sees the whole recording; the
# others see the word alone, without the silence around it, stretched to one length.

# %%
N_NOISES = 3
"""Noisy versions of each recording among which the pairs draw."""


class Digits(NamedTuple):
    """Spoken and written digits."""

    spoken: AudioDataset
    written: ImageDataset | None


def load_data(config: Config) -> Digits:
    """Load the recordings, and MNIST for question 2.7, or their samples; downloads once into ``datasets_cache/``."""
    spoken = spoken_digits.load(config.data, config.recordings, n_repetitions=config.n_repetitions)
    if "pairs" not in questions.needed("audio_mnist", config.questions):
        return Digits(spoken, None)
    n_test = max(config.n_test_pairs, pairs.N_DRAWN_TO_LOOK_AT)
    return Digits(spoken, mnist.load(config.data, n_train=config.n_pairs, n_test=n_test))


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
    )


def split(recipe: Recipe, spoken: AudioDataset) -> tuple[np.ndarray, np.ndarray]:
    """Give the indices of the recordings to train on and of those to test on.

    Raises SettingError when that leaves a digit without recordings.
    """
    if recipe.left_out:
        train, test = splits.leave_out(spoken.speakers, recipe.left_out)
    else:
        n = len(spoken.labels)
        n_train = recipe.n_train(n)
        train, test = splits.draw(n, n_train, n - n_train, rng=np.random.default_rng(recipe.seed))
    splits.check_classes(spoken.labels, spoken.classes, training=train, test=test)
    return train, test


class Material:
    """What the networks learn from; each kind of image is made when it is first needed."""

    def __init__(self, spoken: AudioDataset, written: ImageDataset | None, folder: Path) -> None:
        """Take the digits, and the folder where spectrograms are kept."""
        self.spoken, self.written, self._folder = spoken, written, folder
        self._made: dict[tuple, np.ndarray] = {}

    def images(self, recipe: Recipe) -> np.ndarray:
        """Give the spectrograms of all recordings as the network of a recipe sees them.

        For the course's in decibels, (n, 128, 241, 1) for 48,000 samples; for ours those of the words, (n, 40, 32, 1);
        for pairs those of the words, from 0 to 1: (1 + N_NOISES, n, 28, 28, 1), the first ones clean.
        """
        key = recipe.mel, recipe.window, recipe.n_frames, recipe.n_pairs > 0, recipe.signal_to_noise
        if key not in self._made:
            self._made[key] = self._make(recipe)
        return self._made[key]

    def _make(self, recipe: Recipe) -> np.ndarray:
        waveforms = self.spoken.waveforms
        if recipe.window:
            return audio.spectrograms(waveforms, recipe.mel, recipe.window, self._folder)
        if not recipe.n_pairs:
            return audio.word_images(waveforms, recipe.mel, recipe.n_frames)
        rng = np.random.default_rng(0)  # the same noise for all seeds
        versions = [waveforms]
        for _ in range(N_NOISES):
            versions.append([augment.noise(waveform, recipe.signal_to_noise, rng) for waveform in waveforms])
        images = np.stack([audio.word_images(version, recipe.mel, recipe.n_frames) for version in versions])
        return 1 - images / audio.SILENCE


# %% active="ipynb"
# %matplotlib inline
# from labs.audio_mnist.config import PRESETS
# from mi204 import plots
#
# config = PRESETS["quick"]  # PRESETS["course"] for the handout's sizes
# data = load_data(config)
# twelve = slice(None, None, len(data.spoken.files) // 11)
# words = Material(*data, Path()).images(ours(config, config.recipe, "anyone"))[twelve, ::-1]
# shown = {"title": "Twelve words, low frequencies at the bottom", "footer": data.spoken.name, "language": "en"}
# plots.examples(np.uint8(255 * (1 - words / audio.SILENCE)), list(data.spoken.files[twelve]), **shown)

# %% [markdown]
# ## Networks
# The course's (blocks 11 to 15); ours; and four for pairs, which all see the same two channels, the written digit and
# the spoken one, and use one of them or both.


# %%
def build_model(recipe: Recipe) -> keras.Model:
    """Build the network of a recipe, not yet compiled, with the weights of the seed; the ten outputs are logits."""
    keras.utils.set_random_seed(recipe.seed)
    if recipe.network == "course":
        return course_network(recipe)
    if recipe.network == "ours":
        return our_network(recipe)
    return pair_network(recipe)


def course_network(recipe: Recipe) -> keras.Model:
    """Build the course's network: two strided convolutions and a dense layer."""
    shape = (recipe.mel.n_mels, 1 + recipe.window // recipe.mel.hop_length, 1)
    output = arithmetic.convolution_output_size
    height, width = (output(output(side, 7, 3), 5, 2) for side in shape[:2])
    model = keras.Sequential([keras.Input(shape, name="spectrogram")], name="course")
    model.add(layers.Conv2D(10, 7, strides=3, activation="relu", **models.torch_initializers(7 * 7)))
    model.add(layers.Conv2D(10, 5, strides=2, activation="relu", **models.torch_initializers(5 * 5 * 10)))
    model.add(layers.Flatten())
    model.add(layers.Dense(N_CLASSES, **models.torch_initializers(height * width * 10)))
    return model


def our_network(recipe: Recipe) -> keras.Model:
    """Build our network: four convolutions, each followed by batch normalisation and pooling; it ends in a mean."""
    model = keras.Sequential([keras.Input((recipe.mel.n_mels, recipe.n_frames, 1), name="word")], name="ours")
    for filters in (16, 32, 64, 96):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(N_CLASSES))
    return model


def pair_network(recipe: Recipe) -> keras.Model:
    """Build a network for pairs (28, 28, 2), a written digit and a spoken one.

    ``image`` and ``sound`` use one channel. ``early`` fusion is the same network on both channels. ``late`` fusion is
    two of them, whose ten logits each go to a small network that weighs one against the other.
    """
    pair = keras.Input((SIDE, SIDE, 2), name="pair")
    written, spoken = pair[..., :1], pair[..., 1:]
    if recipe.network == "late":
        opinions = layers.Concatenate()([_reader(written), _reader(spoken)])
        logits = layers.Dense(N_CLASSES)(layers.Dense(64, activation="relu")(opinions))
    else:
        logits = _reader({"image": written, "sound": spoken, "early": pair}[recipe.network])
    return keras.Model(pair, logits, name=recipe.network)


def _reader(x):
    """Put a small convolutional network on an image (28, 28, c); its ten outputs are logits."""
    for filters in (16, 32):
        x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dropout(0.3)(layers.Dense(64, activation="relu")(x))
    return layers.Dense(N_CLASSES)(x)


def networks(config: Config) -> list[keras.Model]:
    """Give the networks to summarise before training: the course's and ours, where they are needed."""
    needed = questions.needed("audio_mnist", config.questions)
    recipes = [config.recipe] if needed & {"random", "speakers", "split"} else []
    recipes += [ours(config, config.recipe, "anyone")] if "ours" in needed else []
    return [build_model(recipe) for recipe in recipes]


# %% active="ipynb"
# build_model(config.recipe).summary()

# %% [markdown]
# ## Training
# The course's network sees its recordings as they are, less the mean of all of them (block 10). Ours never sees a word
# twice as it was: each is changed as another voice would. Half of the training pairs have a part of the image hidden,
# half, independently, noise in the sound.


# %%
class Task(NamedTuple):
    """What a network learns from and is tested on."""

    train: tuple[np.ndarray, np.ndarray]
    """Images (n, h, w, c) and one-hot labels (n, 10)."""
    tests: dict[str, tuple[np.ndarray, np.ndarray]]
    """The same to test on, by condition; the first is measured after each epoch."""
    augmentation: training.Augmentation | None = None


def task(recipe: Recipe, material: Material) -> Task:
    """Prepare what the network of a recipe learns from."""
    if recipe.n_pairs:
        return pair_task(recipe, material)
    train, test = split(recipe, material.spoken)
    images, y = material.images(recipe), one_hot(material.spoken.labels, N_CLASSES)
    if recipe.network == "ours":
        x_test = preprocessing.standardize_bands(images[test])
        return Task((images[train], y[train]), {"clean": (x_test, y[test])}, another_voice)
    x_train, x_test = centred(images, train, test)
    return Task((x_train, y[train]), {"clean": (x_test, y[test])})


def centred(images: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the training and test images less one number, the mean of all training images."""
    x_train, x_test = images[train], images[test]
    mean = np.float32(x_train.mean(dtype=np.float64))
    x_train -= mean
    x_test -= mean
    return x_train, x_test


def another_voice(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Change each word (n, 40, 32, 1) as another speaker, tempo, microphone or room would, then standardise it."""
    x = augment.stretch_time(x, 0.18, 3, rng)
    x = augment.stretch_frequencies(x, 0.1, rng)
    x = augment.equalize(x, (5, 4, 3), rng)
    x = augment.background(x, -90, -30, rng)
    x = augment.mask(x, 8, 5, rng)
    return preprocessing.standardize_bands(x), y


def sides_of_pairs(recipe: Recipe, material: Material) -> list[tuple[pairs.Labelled, pairs.Labelled]]:
    """Give the written and the spoken digits from which the training pairs are drawn, and those of the test."""
    images, written, spoken = material.images(recipe), material.written, material.spoken
    train, test = split(recipe, spoken)
    return [
        ((written.x_train, written.y_train), (images[:, train], spoken.labels[train])),
        ((written.x_test, written.y_test), (images[:, test], spoken.labels[test])),
    ]


def pair_task(recipe: Recipe, material: Material) -> Task:
    """Prepare pairs: those to learn from of the training set of each modality, those to test on of its test set."""
    rng = np.random.default_rng([recipe.seed, 2])
    to_learn, to_test = sides_of_pairs(recipe, material)
    known = pairs.draw(recipe.n_pairs, *to_learn, recipe.occlusion, rng)
    unknown = pairs.draw(recipe.n_test_pairs, *to_test, recipe.occlusion, rng)
    y_test = one_hot(unknown.labels, N_CLASSES)
    tests = {name: (unknown.seen(*degraded), y_test) for name, degraded in pairs.CONDITIONS.items()}
    occluded, noisy = rng.random((2, recipe.n_pairs)) < 0.5
    return Task((known.seen(occluded, noisy), one_hot(known.labels, N_CLASSES)), tests)


def train(recipe: Recipe, material: Material, folder: Path, on_epoch: Callable[[], None] = lambda: None) -> Trained:
    """Train the network of a recipe and measure it in every condition of its test."""
    todo = task(recipe, material)
    model = build_model(recipe)
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch())]
    if recipe.network == "course":
        optimizer = training.build_optimizer("momentum", recipe.learning_rate, momentum=recipe.momentum)
        callbacks.append(training.TrainingSetMeasures(*todo.train))
    else:
        steps = recipe.epochs * arithmetic.steps_per_epoch(len(todo.train[0]), recipe.batch_size)
        optimizer = training.build_optimizer("adam", recipe.learning_rate, schedule="cosine", steps=steps)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["acc"],
    )
    history = training.fit(
        model,
        todo.train,
        todo.tests["clean"],
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        seed=recipe.seed,
        folder=folder,
        augmentation=todo.augmentation,
        callbacks=callbacks,
    )
    return Trained(
        parameters=models.trainable_parameters(model),
        history=training.logs_of_test(history),
        epoch_seconds=history.epoch_seconds,
        measures={
            name: metrics.accuracy(y.argmax(axis=1), training.predict(model, x).argmax(axis=1))
            for name, (x, y) in todo.tests.items()
        },
    )


# %% active="ipynb"
# with paths.given_or_temporary(None) as folder:
#     trained = train(config.recipe, Material(*data, folder), folder)
# shown["title"] = "Losses of a short training of the course's network"
# plots.train_and_test_losses([trained], best_epoch=metrics.best_epoch(trained.history["test_loss"]), **shown)

# %% [markdown]
# ## Studies
# The random split; each speaker left out, with the course's network and with ours; and the pairs. Each setting is a
# whole `Recipe`, so that what is compared can be read off it.


# %%
def planned(config: Config, speakers: list[str], names: set[str]) -> list[studies.Planned]:
    """Give the trainings of the studies named, study by study and seed by seed."""
    seeds = [experiments(config, recipe, speakers) for recipe in studies.seeded(config.recipe, config.n_seeds)]
    return [
        studies.Planned(name, setting, recipe)
        for name in seeds[0] if name in names
        for seed in seeds
        for setting, recipe in seed[name].items()
    ]


def describe_split(recipe: Recipe, material: Material) -> Split:
    """Describe the random split of a recipe, and what the course's blocks make of the recordings."""
    sides, images = split(recipe, material.spoken), material.images(recipe)
    mean = float(images[sides[0]].mean(dtype=np.float64))
    network = models.describe(build_model(recipe))
    return description.random_split(material.spoken, sides, mean, centred(images, *sides), network)


def run(config: Config, data: Digits | None = None, folder: Path | None = None, progress: bool = False) -> Measured:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers spectrograms, finished runs and the state of an interrupted
    one; without it nothing is written. ``progress`` shows a bar over the epochs, and another one over those of pairs.
    """
    needed = questions.needed("audio_mnist", config.questions)
    digits = load_data(config) if data is None else data
    spoken, written = taken(config, digits.spoken), digits.written if "pairs" in needed else None
    speakers = sorted(set(spoken.speakers.tolist()))
    voices, paired = (planned(config, speakers, names) for names in (needed - {"pairs"}, needed & {"pairs"}))
    for each in voices + paired:  # before the first training: can each of them be done?
        check(each.recipe, spoken, written)
    sounds = description.sounds(spoken, config.show)
    environment = backend.environment() | {"librosa": packages.version("librosa")}
    origin = studies.origin("labs.audio_mnist.lab", spoken.fingerprint, environment)
    with paths.given_or_temporary(folder) as folder:
        material = Material(spoken, written, folder / "spectrograms")
        random_split = describe_split(config.recipe, material) if "split" in needed else None

        def learn(recipe: Recipe, path: Path, on_epoch: Callable[[], None]) -> Trained:
            return train(recipe, material, path, on_epoch)

        runs, looked_at = studies.train_all(voices, learn, origin, folder, progress), None
        if paired:
            _, tested = sides_of_pairs(paired[0].recipe, material)
            looked_at = pairs.to_look_at(*tested, config.occlusion, np.random.default_rng(config.recipe.seed))
            both = studies.origin("labs.audio_mnist.lab", spoken.fingerprint + written.fingerprint, environment)
            runs += studies.train_all(paired, learn, both, folder, progress)
    return Measured(
        config=config,
        data=spoken.name,
        source="sample" if "sample" in {each.source for each in (spoken, written) if each} else "real",
        origin=origin,
        environment=environment,
        runs=runs,
        spoken_source=spoken.source,
        written=written.name if written else None,
        written_source=written.source if written else None,
        packages=description.versions(environment["backend"]),
        speakers=speakers,
        sampling_rate=spoken.sampling_rate,
        recordings=description.recordings(spoken),
        remarks={file: list(remarks) for file, remarks in spoken.remarks.items()},
        n_cut=sum(len(waveform) > config.recipe.window for waveform in spoken.waveforms),
        banks=description.banks(),
        sounds=sounds,
        split=random_split,
        pairs=looked_at,
    )


def check(recipe: Recipe, spoken: AudioDataset, written: ImageDataset | None) -> None:
    """Find before the first training what would stop the last: too few recordings of a digit, or too few images.

    Raises SettingError.
    """
    known, _ = split(recipe, spoken)
    if recipe.batch_size > len(known) and not recipe.n_pairs:
        raise SettingError(
            "Expected a batch size of at most {n:,}, the recordings to train on, received {batch_size:,}: choose a "
            "smaller --batch-size or give more recordings.",
            "Taille de lot d'au plus {n:,} attendue, autant que d'enregistrements d'apprentissage, {batch_size:,} "
            "reçue : choisir un --batch-size plus petit ou donner plus d'enregistrements.",
            n=len(known), batch_size=recipe.batch_size,
        )
    for name, images in (("n_pairs", written.x_train), ("n_test_pairs", written.x_test)) if recipe.n_pairs else ():
        wanted, there = getattr(recipe, name), len(images)
        if wanted > there:
            raise SettingError(
                "Expected {name} of at most {there:,}, the images of {data}, received {wanted:,}: change --{option}.",
                "{name} d'au plus {there:,} attendu, les images de {data}, {wanted:,} reçu : changer --{option}.",
                name=name, there=there, data=written.name, wanted=wanted, option=name.replace("_", "-"),
            )


# %% active="ipynb"
# from labs.audio_mnist import answers, figures
#
# measured = run(config, data)
# drawn = figures.figures(measured, "en")
# drawn["2.4_left_out"]

# %% active="ipynb"
# from IPython.display import Markdown
#
# Markdown("\n\n".join(each.render(measured, "en") for each in questions.of_lab("audio_mnist").values()))
