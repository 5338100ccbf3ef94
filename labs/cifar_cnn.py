"""CIFAR-10 by a small convolutional network (handout 002).

    python -m labs.cifar_cnn                          the course's notebook, and the questions it answers
    python -m labs.cifar_cnn --questions 4.2 7.2      the studies that these questions need
    python -m labs.cifar_cnn --preset quick           everything, very small: does it all run here?
    python -m labs.cifar_cnn --preset full            every study, three seeds: hours
    KERAS_BACKEND=jax python -m labs.cifar_cnn        the same on another backend

Results and figures go to figures/cifar_cnn. Ctrl-C stops; the same command goes on where it stopped.
"""

# %%
from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import keras
import numpy as np
import pandas as pd
from keras import layers
from matplotlib.figure import Figure
from tqdm import tqdm
from tyro.conf import Suppress

from mi204 import (
    activations,
    arithmetic,
    augment,
    backend,
    cli,
    metrics,
    models,
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
from mi204.datasets import DataChoice, ImageDataset, cifar10
from mi204.errors import SettingError
from mi204.language import Language, Word, translated, word
from mi204.preprocessing import one_hot, standardize, standardize_like
from mi204.questions import Answer, answers
from mi204.results import Results, Run, save_figures
from mi204.settings import Preset

# %%
Augmentation = Literal["flip", "crop", "colour", "erase", "cutmix"]
SUBSETS = ("train", "validation", "test")
N_SHOWN = 12
"""Images shown in a figure."""
N_MAPS = 32
"""Maps shown of a layer that has more."""
N_MAPS_PER_EPOCH = 12
"""The same where there is a row of maps per epoch."""


@dataclass(frozen=True)
class Config:
    """Settings of the lab; the defaults are the handout's."""

    preset: Preset = "course"
    """Size of the whole: quick (a minute), course (the handout's), full (every study, three seeds)."""
    questions: tuple[str, ...] = ()
    """Answer these questions only, such as 4.2 7.2, and run what they need."""
    data: DataChoice = "auto"
    """Real images or the procedural sample; auto takes the sample when the real ones cannot be had, and says so."""
    language: Language = "en"
    """Language of what is printed and drawn."""
    seed: int = 0
    """Seed of the choice of images, the weights and the batches."""
    n_seeds: int = 1
    """Repetitions, with seeds seed, seed + 1, …"""
    optimizer_seeds: int = 3
    """Repetitions of the comparison of optimisers (question 4.3), whose differences are small."""
    n_train: int = 5000
    """Training images, drawn from the official training set."""
    n_validation: int = 1000
    """Validation images, drawn from the official test set."""
    n_test: int = 1000
    """Test images, drawn from the rest of the official test set."""
    filters: tuple[int, ...] = (8,)
    """Filters of each convolution: one entry per convolution and pooling."""
    hidden_units: int = 64
    """Neurons of the hidden layer."""
    dropout: float = 0.0
    """Dropout rate after the convolutions and after the hidden layer."""
    output_dropout: float = 0.0
    """Dropout rate after the softmax, where the original has it: a trap, see question 7.2."""
    l2: float = 0.0
    """Weight of the L2 penalty on the kernels."""
    augmentation: tuple[Augmentation, ...] = ()
    """Random variants of the training images, in this order."""
    patience: int | None = None
    """Stop when the validation loss has not improved for this many epochs, and go back to the best accuracy."""
    optimizer: training.OptimizerName = "sgd"
    """Update rule: sgd, SGD with momentum or with Nesterov's variant of it, adam."""
    momentum: float = 0.9
    """Share of the previous step that momentum and nesterov add to the next."""
    learning_rate: float = 0.01
    """Step of the update rule."""
    schedule: training.ScheduleName = "constant"
    """Learning rate over time: constant, or cosine (rises over the first 15 % of the steps, then falls to zero)."""
    weight_decay: float = 0.0
    """Share of each weight removed per step, times the learning rate."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    batch_size: int = 32
    """Images per step."""
    epochs: int = 20
    """Passes over the training images."""
    resume_batch_size: int = 8
    """Images per step when training goes on from the best model (part II.5)."""
    resume_epochs: int = 10
    """Passes over the training images when training goes on (part II.5)."""
    checkpoint: Path | None = None
    """Go on from this .keras file instead of the best model of the run (part II.5)."""
    network: Suppress[Literal["course", "residual"]] = "course"
    """The handout's network, or the deeper one of question 6.1."""
    batch_normalization: Suppress[bool] = True
    """Normalise the maps over each batch (deeper network only)."""
    residual: Suppress[bool] = True
    """Add the input of a stage to its output (deeper network only)."""
    standardization: Suppress[Literal["image", "set"]] = "image"
    """Centre and scale each channel over each image (the handout's), or over all training images together."""
    test_views: Suppress[Literal[1, 2, 6]] = 1
    """Average the predictions for the image (1), its mirror image too (2), both shifted by a pixel too (6)."""
    batch_sizes: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Batch sizes compared by question 4.2."""
    deep_filters: Suppress[tuple[int, ...]] = (32, 64, 128, 256)
    """Filters of the deeper network's first convolution and of each of its stages."""
    deep_epochs: int = 60
    """Epochs of the deeper network (question 6.1)."""
    ablation_epochs: int = 40
    """Epochs of each run that measures what one ingredient of the deeper network brings (question 6.1); 0: none."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        unknown = set(self.augmentation) - set(get_args(Augmentation))
        if unknown:
            raise SettingError(
                f"Expected augmentation among {', '.join(get_args(Augmentation))}, received {', '.join(unknown)}."
            )
        settings.check_range(
            self, ("n_seeds", "optimizer_seeds", "n_train", "n_validation", "n_test", "hidden_units", "epochs",
                   "filters", "resume_epochs", "deep_epochs", "batch_size", "resume_batch_size", "batch_sizes"),
            least=1,
        )
        settings.check_range(self, ("dropout", "output_dropout", "label_smoothing", "momentum"), least=0, below=1)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        if self.patience is not None:
            settings.check_range(self, ("patience",), least=1)
        settings.check_range(self, ("l2", "weight_decay", "ablation_epochs"), least=0)
        settings.check_range(self, ("learning_rate",), least=1e-9)
        largest = max(self.batch_size, self.resume_batch_size)
        if largest > self.n_train:
            raise SettingError(
                f"Expected batch sizes of at most {self.n_train} (n_train, the size of the training set), "
                f"received {largest}: choose a smaller batch or more images."
            )
        if not 1 <= len(self.filters) <= 5:
            raise SettingError(
                f"Expected 1 to 5 numbers of filters (each pooling halves the 32 pixels), received {self.filters}."
            )


PRESETS = {
    "quick": Config(
        preset="quick", n_train=256, n_validation=250, n_test=250, epochs=2, resume_epochs=1,
        batch_sizes=(16, 128), deep_filters=(32, 64), deep_epochs=1, ablation_epochs=0,
        optimizer_seeds=1,
    ),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3, deep_epochs=200, ablation_epochs=80),
}


# %% [markdown]
# ## II.1 Data
# The validation and test images are drawn from the official test set, without any in common.


# %%
@dataclass(frozen=True)
class Subset:
    """Images for one use."""

    images: np.ndarray
    """As they are: uint8 ``(n, 32, 32, 3)``."""
    x: np.ndarray
    """As the network gets them: standardised."""
    y: np.ndarray
    """One-hot labels ``(n, 10)``."""
    labels: np.ndarray
    """Integer labels ``(n,)``."""


def load_data(config: Config) -> ImageDataset:
    """Load CIFAR-10, or its sample; downloads once into ``datasets_cache/``."""
    return cifar10.load(config.data)


def split(config: Config, data: ImageDataset) -> dict[str, Subset]:
    """Draw the training images from the training set, the validation and test images from the test set."""
    rng = np.random.default_rng(config.seed)
    (train,) = splits.draw(len(data.x_train), config.n_train, rng=rng)
    validation, test = splits.draw(len(data.x_test), config.n_validation, config.n_test, rng=rng)
    chosen = {
        "train": (data.x_train[train], data.y_train[train]),
        "validation": (data.x_test[validation], data.y_test[validation]),
        "test": (data.x_test[test], data.y_test[test]),
    }
    reference = data.x_train[train]

    def prepared(images: np.ndarray) -> np.ndarray:
        return standardize(images) if config.standardization == "image" else standardize_like(images, reference)

    return {
        name: Subset(images, prepared(images), one_hot(labels, len(data.classes)), labels)
        for name, (images, labels) in chosen.items()
    }


# %% [markdown]
# ## II.2 Network


# %%
def build_model(config: Config, n_classes: int = 10) -> keras.Model:
    """Build the network, not yet compiled: the handout's, or the deeper one."""
    keras.utils.set_random_seed(config.seed)
    if config.network == "residual":
        return models.residual_network(
            (32, 32, 3), n_classes, config.filters,
            batch_normalization=config.batch_normalization, residual=config.residual,
        )
    penalty = keras.regularizers.L2(config.l2)
    model = keras.Sequential([keras.Input((32, 32, 3))], name="sequential")
    for i, n_filters in enumerate(config.filters):
        suffix = f"_{i}" if i else ""
        model.add(
            layers.Conv2D(
                n_filters, 3, activation="relu", padding="same", kernel_regularizer=penalty, name=f"conv2d{suffix}"
            )
        )
        model.add(layers.Dropout(config.dropout, name=f"dropout{suffix}"))
        model.add(layers.MaxPooling2D(2, name=f"max_pooling2d{suffix}"))
    n = len(config.filters)
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(config.hidden_units, activation="relu", kernel_regularizer=penalty, name="dense"))
    model.add(layers.Dropout(config.dropout, name=f"dropout_{n}"))
    model.add(layers.Dense(n_classes, activation="softmax", kernel_regularizer=penalty, name="dense_1"))
    # The original has this layer too. With a rate above 0 it zeroes probabilities while training.
    model.add(layers.Dropout(config.output_dropout, name=f"dropout_{n + 1}"))
    return model


def deeper(config: Config) -> Config:
    """Give the settings of the deeper network of question 6.1."""
    return replace(
        config, network="residual", filters=config.deep_filters,
        augmentation=("flip", "crop", "colour", "erase", "cutmix"), optimizer="nesterov", learning_rate=0.2,
        schedule="cosine", weight_decay=5e-4, label_smoothing=0.1, batch_size=min(128, config.n_train),
        epochs=config.deep_epochs, standardization="set", test_views=6,
    )


# %% [markdown]
# ## II.3–II.5 Training


# %%
def augmentation(names: tuple[str, ...]) -> training.Augmentation | None:
    """Chain the named augmentations, each with the usual setting for 32x32 images."""

    def apply(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        for name in names:
            if name == "flip":
                x = augment.flip(x, rng)
            elif name == "crop":
                x = augment.crop(x, 4, rng)
            elif name == "colour":
                x = augment.colour(x, 0.3, rng)
            elif name == "erase":
                x = augment.erase(x, 8, rng)
            else:
                x, y = augment.cutmix(x, y, 0.5, rng)
        return x, y

    return apply if names else None


def train(
    config: Config, subsets: dict[str, Subset], folder: Path, *, start: Path | None = None,
    keep_epochs: tuple[int, ...] = (), verbose: int = 0,
) -> tuple[keras.Model, Run, dict[str, np.ndarray]]:
    """Build the network, train it in ``folder`` (from the weights of the file ``start``), measure it at the end.

    Besides the network and what was measured, gives the predicted labels of each subset.
    """
    model = build_model(config)
    if start:
        training.load_weights(model, start)
    steps = arithmetic.steps_per_epoch(config.n_train, config.batch_size) * config.epochs
    history = training.fit(
        model, (subsets["train"].x, subsets["train"].y), (subsets["validation"].x, subsets["validation"].y),
        optimizer=training.build_optimizer(
            config.optimizer, config.learning_rate, momentum=config.momentum, schedule=config.schedule, steps=steps,
            weight_decay=config.weight_decay or None,
        ),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        batch_size=config.batch_size, epochs=config.epochs, seed=config.seed, folder=folder,
        augmentation=augmentation(config.augmentation), patience=config.patience, keep_epochs=keep_epochs,
        verbose=verbose,
    )
    measures, predicted = {"steps": float(steps // config.epochs)}, {}
    # All subsets at once: each call of predict costs as much as hundreds of images.
    probabilities = predictions(config, model, np.concatenate([subset.x for subset in subsets.values()]))
    ends = np.cumsum([len(subset.x) for subset in subsets.values()])
    for (name, subset), views in zip(subsets.items(), np.split(probabilities, ends[:-1], axis=1), strict=True):
        predicted[name] = views.mean(axis=0).argmax(axis=1)
        measures[f"{name}_acc_one_view"] = metrics.accuracy(subset.labels, views[0].argmax(axis=1))
        measures[f"{name}_acc"] = metrics.accuracy(subset.labels, predicted[name])
    trained = Run(
        "", "", config.seed, config.batch_size, models.trainable_parameters(model),
        history.metrics, history.epoch_seconds, measures,
    )
    return model, trained, predicted


def predictions(config: Config, model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Give the probabilities ``(views, n, 10)`` for ``test_views`` views of each image, the image itself first."""
    views = [x]
    if config.test_views == 6:
        views += [augment.shift(x, 1, 1), augment.shift(x, -1, -1)]
    if config.test_views > 1:
        views += [view[:, :, ::-1] for view in views]
    return np.stack([training.predict(model, view) for view in views])


# %% [markdown]
# ## Studies
# Each setting of a study is a whole `Config`, so that what is compared can be read off it.


# %%
def study(name: str, config: Config) -> dict[str, Config]:
    """Give the settings that a study compares, by name."""
    if name == "batch_size":
        return {str(size): replace(config, batch_size=size) for size in config.batch_sizes}
    if name == "optimizer":
        return {
            "SGD": replace(config, optimizer="sgd", learning_rate=0.01),
            "SGD + momentum": replace(config, optimizer="momentum", learning_rate=0.01),
            "Adam": replace(config, optimizer="adam", learning_rate=0.001),
        }
    if name == "depth":
        return {
            "one_convolution": replace(config, filters=(8,)),
            "two_convolutions": replace(config, filters=(8, 16)),
            "three_convolutions": replace(config, filters=(8, 16, 32)),
        }
    if name == "remedies":
        none = replace(config, dropout=0.0, output_dropout=0.0, l2=0.0, augmentation=(), patience=None)
        return {
            "none": none,
            "dropout": replace(none, dropout=0.3),
            "l2": replace(none, l2=0.003),
            "augmentation": replace(none, augmentation=("flip", "crop")),
            "early_stopping": replace(none, patience=3),
            "more_data": replace(none, n_train=4 * config.n_train),
            "output_dropout": replace(none, output_dropout=0.3),
        }
    # The ablation has half the filters and fewer epochs: a fraction of the time for each ingredient left out.
    halved = tuple(n_filters // 2 for n_filters in config.deep_filters)
    deep = replace(deeper(config), filters=halved, epochs=config.ablation_epochs)
    return {
        "everything": deep,
        **{
            f"without_{name}": replace(deep, augmentation=tuple(other for other in deep.augmentation if other != name))
            for name in deep.augmentation
        },
        "without_augmentation": replace(deep, augmentation=()),
        "without_normalization": replace(deep, batch_normalization=False, learning_rate=0.02),
        "without_residual": replace(deep, residual=False),
        "without_cosine": replace(deep, schedule="constant", learning_rate=0.05),
        "without_set_statistics": replace(deep, standardization="image"),
        "without_label_smoothing": replace(deep, label_smoothing=0.0),
        "without_weight_decay": replace(deep, weight_decay=0.0),
    }


def needed_studies(config: Config) -> list[str]:
    """Give the studies that the chosen questions need, in order; without a choice, those of the preset."""
    if config.questions:
        chosen = questions.choose(questions.of_lab(sys.modules[__name__]), config.questions)
        needed = {name for question in chosen for name in question.needs}
    else:
        needed = {"course"} if config.preset == "course" else set(STUDIES)
    # The ablation belongs to question 6.1, which can be answered without it.
    needed = needed - {"ablation"} | ({"ablation"} if "depth" in needed and config.ablation_epochs else set())
    return [name for name in STUDIES if name in needed]


STUDIES = ("course", "deep", "batch_size", "optimizer", "depth", "remedies", "ablation")


def run(
    config: Config, data: ImageDataset | None = None, folder: Path | None = None, progress: bool = False
) -> Results:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers finished runs and the state of an interrupted one; without it
    nothing is written. ``progress`` shows Keras' bar for the networks, one bar for each study.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return run(config, data, Path(temporary), progress)
    data = load_data(config) if data is None else data
    needed = needed_studies(config)
    planned = {name: _plan(name, config) for name in needed if name not in ("course", "deep")}
    _check(config, [each for plan in planned.values() for _, each in plan], data)
    results = Results(
        "cifar_cnn", studies.json_ready(config), data.name, data.source, backend.environment(),
        values={
            "notice": data.notice, "classes": list(data.classes), "layers": models.describe(build_model(config)),
        },
    )
    _describe_images(results, split(config, data)["train"])
    for seeded in studies.seeded(config, config.n_seeds):
        if "course" in needed:
            _course(results, seeded, data, folder, verbose=int(progress))
        if "deep" in needed:
            _deep(results, deeper(seeded), data, folder, verbose=int(progress))
    for name, plan in planned.items():
        for setting, changed in tqdm(plan, desc=name, unit="run", disable=not progress):

            def train_setting(path: Path, changed=changed) -> Run:
                return train(changed, split(changed, data), path)[1]

            remembered = studies.remembered(folder, _identity(changed, data), train_setting)
            results.runs.append(replace(remembered, study=name, setting=setting))
    return results


def _plan(name: str, config: Config) -> list[tuple[str, Config]]:
    """List the runs of a study: its settings, once per seed."""
    n_seeds = max(config.n_seeds, config.optimizer_seeds) if name == "optimizer" else config.n_seeds
    return [pair for seeded in studies.seeded(config, n_seeds) for pair in study(name, seeded).items()]


def _check(config: Config, planned: list[Config], data: ImageDataset) -> None:
    """Find before the first training what would stop the last: too few images, a checkpoint that does not fit."""
    largest = max(each.n_train for each in [config, *planned])
    if largest > len(data.x_train):
        raise SettingError(
            f"Expected at most {len(data.x_train):,} training images, received {largest:,} (question 7.2 takes 4 times "
            "n_train): choose a smaller --n-train."
        )
    if config.checkpoint:
        training.load_weights(build_model(config), config.checkpoint)


def _identity(config: Config, data: ImageDataset, start: Path | None = None) -> dict:
    """Give all that a training depends on."""
    return studies.identity(
        config,
        without={
            "preset", "questions", "data", "language", "n_seeds", "optimizer_seeds", "batch_sizes", "deep_filters",
            "deep_epochs", "ablation_epochs", "resume_batch_size", "resume_epochs", "checkpoint",
        },
        source=data.source,
        code=(
            augment, backend, models, preprocessing, splits, training, split, build_model, augmentation, train,
            predictions,
        ),
        environment=backend.environment(),
        start=start,
    )


def _course(results: Results, config: Config, data: ImageDataset, folder: Path, verbose: int) -> None:
    """Train the handout's network (II.4), go on from its best model (II.5), measure and look inside (III, IV)."""
    subsets = split(config, data)
    checkpoints = folder / studies.run_key(_identity(config, data))
    epochs = tuple(epoch for epoch in (0, 1, 2, 5, 10, 20) if epoch <= config.epochs)
    _, first, _ = train(config, subsets, checkpoints, keep_epochs=epochs, verbose=verbose)
    resumed = replace(config, batch_size=config.resume_batch_size, epochs=config.resume_epochs)
    start = config.checkpoint or checkpoints / "best.keras"
    continued = folder / studies.run_key(_identity(resumed, data, start))
    model, second, predicted = train(resumed, subsets, continued, start=start, verbose=verbose)
    results.runs += [replace(first, study="course"), replace(second, study="resumed")]
    if config.seed != results.config["seed"]:
        return
    _keep_predictions(results, "resumed", predicted, subsets)
    shown = subsets["test"].x[:N_SHOWN]
    first_layer = activations.layer_outputs(model, ["conv2d"])
    maps = training.predict(first_layer, shown)["conv2d"]
    results.arrays |= {"resumed_masks": activations.summed_mask(maps), "resumed_maps": maps[:2]}
    # Early stopping may have ended before the last of them.
    reached = [epoch for epoch in epochs if training.epoch_file(checkpoints, epoch).exists()]
    for epoch in reached:
        training.load_weights(model, training.epoch_file(checkpoints, epoch))
        results.arrays[f"course_maps_epoch_{epoch}"] = training.predict(first_layer, shown)["conv2d"][0]
    results.values["map_epochs"] = reached


def _deep(results: Results, config: Config, data: ImageDataset, folder: Path, verbose: int) -> None:
    """Train the deeper network, measure it and look inside."""
    subsets = split(config, data)
    checkpoints = folder / studies.run_key(_identity(config, data))
    model, trained, predicted = train(config, subsets, checkpoints, verbose=verbose)
    results.runs.append(replace(trained, study="deep"))
    if config.seed != results.config["seed"]:
        return
    _keep_predictions(results, "deep", predicted, subsets)
    noise = np.random.default_rng(config.seed).normal(size=(250, 32, 32, 3)).astype(np.float32)
    stages = [f"stage_{i}" for i in range(len(config.filters))]
    results.values |= {
        "deep_layers": models.describe(model), "deep_config": studies.json_ready(config), "deep_stages": stages,
        "noise_confidence": float(training.predict(model, noise).max(axis=1).mean()),
    }
    maps = training.predict(activations.layer_outputs(model, stages), subsets["test"].x[:N_SHOWN])
    for stage in stages:
        results.arrays[f"deep_masks_{stage}"] = activations.summed_mask(maps[stage])
        results.arrays[f"deep_maps_{stage}"] = maps[stage][:1]


def _describe_images(results: Results, train: Subset) -> None:
    """Keep examples, and the statistics that ``standardize`` changes."""
    results.values["n_classes"] = int(train.y.shape[1])
    results.values["channel_statistics"] = [
        {
            "stage": stage,
            "channel": channel,
            "mean_smallest": float(images[..., i].mean(axis=(1, 2)).min()),
            "mean_largest": float(images[..., i].mean(axis=(1, 2)).max()),
            "deviation_smallest": float(images[..., i].std(axis=(1, 2)).min()),
            "deviation_largest": float(images[..., i].std(axis=(1, 2)).max()),
        }
        for stage, images in (("before", train.images), ("after", train.x))
        for i, channel in enumerate(("red_channel", "green_channel", "blue_channel"))
    ]
    results.arrays |= {
        "train_images": train.images[:N_SHOWN], "train_labels": train.labels[:N_SHOWN], "train_x": train.x[:N_SHOWN],
    }


def _keep_predictions(
    results: Results, name: str, predicted: dict[str, np.ndarray], subsets: dict[str, Subset]
) -> None:
    """Keep the confusion matrices of the subsets and the first predictions for test images."""
    for subset in SUBSETS:
        results.arrays[f"{name}_confusion_{subset}"] = metrics.confusion_matrix(
            subsets[subset].labels, predicted[subset], subsets[subset].y.shape[1]
        )
    results.arrays |= {
        "test_images": subsets["test"].images[:N_SHOWN],
        "test_labels": subsets["test"].labels[:N_SHOWN],
        f"{name}_test_predicted": predicted["test"][:N_SHOWN],
    }


# %% [markdown]
# ## Answers
# One function for each question of the handout; the texts stand in `questions/cifar_cnn.toml`.


# %%
def test_accuracy(each: Run) -> float:
    """Give the accuracy of a run on the test images."""
    return each.measures["test_acc"]


def first(results: Results, study: str) -> Run:
    """Give the run of a study with the first seed."""
    return results.of_study(study)[0]


def validation_accuracy(each: Run) -> float:
    """Give the accuracy of a run on the validation images, by which settings are chosen."""
    return each.measures["validation_acc"]


@answers("2.1")
def why_three_subsets(results: Results) -> Answer:
    """Count the three subsets."""
    return Answer({key: results.config[key] for key in ("n_train", "n_validation", "n_test")})


@answers("2.2")
def what_standardize_does(results: Results) -> Answer:
    """Compare the statistics of the channels before and after."""
    statistics = results.values["channel_statistics"]
    table = pd.DataFrame([{**row, "stage": Word(row["stage"]), "channel": Word(row["channel"])} for row in statistics])
    before = table[table["stage"] == "before"]
    return Answer({"darkest": before["mean_smallest"].min(), "brightest": before["mean_largest"].max()}, table)


@answers("3.0")
def layer_by_layer(results: Results) -> Answer:
    """Tabulate role, output size and parameters of each layer."""
    rows = [
        {
            "layer": layer["name"], "settings": layer["settings"], "output_shape": layer["output_shape"],
            "parameters": layer["parameters"], "role": Word(f"role_{layer['type']}"),
        }
        for layer in results.values["layers"]
    ]
    return Answer({"n_classes": results.values["n_classes"]}, pd.DataFrame(rows))


@answers("3.1")
def trainable_parameters(results: Results) -> Answer:
    """Count the parameters by hand, layer by layer, beside Keras' count."""
    config, rows, channels, side = results.config, [], 3, 32
    for n_filters in config["filters"]:
        number = arithmetic.convolution_parameters(3, channels, n_filters)
        rows.append((f"(3 * 3 * {channels} + 1) * {n_filters}", number))
        channels, side = n_filters, arithmetic.convolution_output_size(side, 2, stride=2)
    inputs = channels * side * side
    for outputs in (config["hidden_units"], results.values["n_classes"]):
        rows.append((f"({inputs} + 1) * {outputs}", arithmetic.dense_parameters(inputs, outputs)))
        inputs = outputs
    counted = [layer for layer in results.values["layers"] if layer["parameters"]]
    table = pd.DataFrame(
        {"layer": layer["name"], "by_hand": formula, "parameters": number, "by_keras": layer["parameters"]}
        for layer, (formula, number) in zip(counted, rows, strict=True)
    )
    return Answer({"total": int(table["parameters"].sum()), "by_keras": int(table["by_keras"].sum())}, table)


@answers("4.1")
def epoch_step_batch(results: Results) -> Answer:
    """Count the steps of an epoch, when training starts and when it goes on."""
    config, values = results.config, {}
    for prefix in ("", "resume_"):
        batch_size, epochs = config[f"{prefix}batch_size"], config[f"{prefix}epochs"]
        steps = arithmetic.steps_per_epoch(config["n_train"], batch_size)
        values |= {
            f"{prefix}batch_size": batch_size, f"{prefix}epochs": epochs, f"{prefix}steps": steps,
            f"{prefix}last": config["n_train"] - (steps - 1) * batch_size, f"{prefix}updates": steps * epochs,
        }
    return Answer(values | {"n_train": config["n_train"]})


@answers("4.2", needs=("batch_size",))
def batch_size_study(results: Results) -> Answer:
    """Compare batch sizes by time and by learning curves."""
    runs = results.of_study("batch_size")
    table = tables.comparison(
        runs, step_milliseconds=tables.step_milliseconds, epoch_seconds=tables.epoch_seconds,
        final_train_accuracy=lambda each: each.history["acc"][-1],
        best_validation_accuracy=lambda each: max(each.history["val_acc"]), test_accuracy=test_accuracy,
    )
    seconds = tables.means(runs, tables.epoch_seconds)
    trained = tables.means(runs, lambda each: each.history["acc"][-1])
    small, large = min(seconds, key=int), max(seconds, key=int)
    return Answer(
        {
            "small": small, "large": large, "ratio": seconds[small] / seconds[large],
            "small_train": trained[small], "large_train": trained[large],
        },
        table,
    )


@answers("4.3", needs=("optimizer",))
def optimizer_study(results: Results) -> Answer:
    """Compare SGD, SGD with momentum and Adam."""
    runs = results.of_study("optimizer")
    table = tables.comparison(
        runs, least_validation_loss=lambda each: min(each.history["val_loss"]), epoch_of_least_loss=tables.best_epoch,
        final_train_accuracy=lambda each: each.history["acc"][-1], validation_accuracy=validation_accuracy,
        test_accuracy=test_accuracy,
    )
    turns = tables.means(runs, tables.best_epoch)
    return Answer({"turns": ", ".join(f"{setting} {epoch:.1f}" for setting, epoch in turns.items())}, table)


@answers("5.1")
def hyperparameters(results: Results) -> Answer:
    """Tabulate the hyperparameters with their value, nature and influence."""
    return Answer({}, tables.hyperparameters(results.config, HYPERPARAMETERS))


HYPERPARAMETERS = {
    "nature_data": ("n_train", "standardization", "augmentation"),
    "nature_architecture": ("network", "filters", "hidden_units"),
    "nature_optimisation": ("optimizer", "learning_rate", "momentum", "schedule", "batch_size", "epochs"),
    "nature_regularisation": ("dropout", "output_dropout", "l2", "weight_decay", "label_smoothing", "patience"),
}
DEEP_HYPERPARAMETERS = HYPERPARAMETERS | {
    "nature_architecture": ("network", "filters", "batch_normalization", "residual"),
    "nature_regularisation": ("weight_decay", "label_smoothing"),
    "nature_prediction": ("test_views",),
}


@answers("6.1", needs=("depth", "deep"))
def deeper_network(results: Results) -> Answer:
    """Measure the deeper network and what each of its ingredients brings."""
    deep, ablation = results.of_study("deep"), results.of_study("ablation")
    mean, sd = metrics.mean_and_sd([test_accuracy(each) for each in deep])
    table = tables.comparison(
        results.of_study("depth") + ablation, parameters=lambda each: each.parameters,
        epochs=lambda each: len(each.epoch_seconds), minutes=minutes,
        validation_accuracy=validation_accuracy, test_accuracy=test_accuracy,
    )
    n_stages = len(results.values["deep_config"]["filters"]) - 1
    values = {
        "mean": mean, "sd": sd, "n_seeds": len(deep), "parameters": deep[0].parameters,
        "one_view": metrics.mean_and_sd([each.measures["test_acc_one_view"] for each in deep])[0],
        "minutes": metrics.mean_and_sd([minutes(each) for each in deep])[0], "epochs": len(deep[0].epoch_seconds),
        # One convolution, then three in each stage, which begins by a pooling.
        "n_convolutions": 1 + 3 * n_stages, "n_stages": n_stages,
    }
    texts = ("answer" if len(deep) > 1 else "one_seed", "architecture")
    if not ablation:
        return Answer(values, table, texts)
    accuracies = tables.means(ablation, test_accuracy)
    everything = accuracies["everything"]
    table["lost_points"] = [
        100 * (everything - accuracies[setting]) if setting in accuracies else "-" for setting in table["setting"]
    ]
    n_measured = results.config["n_seeds"] * results.config["n_test"]
    values |= {"n_measured": n_measured, "chance": 100 * metrics.chance_difference(everything, n_measured)}
    return Answer(values, table, (*texts, "ablation"))


def minutes(each: Run) -> float:
    """Give the time that a training took, in minutes."""
    return sum(each.epoch_seconds) / 60


@answers("6.2", needs=("deep",))
def deeper_network_summary(results: Results) -> Answer:
    """Recapitulate the hyperparameters and accuracies of the deeper network."""
    measures = first(results, "deep").measures
    values = {name: measures[f"{name}_acc"] for name in SUBSETS}
    return Answer(values, tables.hyperparameters(results.values["deep_config"], DEEP_HYPERPARAMETERS))


@answers("6.3", needs=("deep",))
def strengths_and_limits(results: Results) -> Answer:
    """Say what the deeper network does well and badly."""
    deep, classes = first(results, "deep"), results.values["classes"]
    matrix = results.arrays["deep_confusion_test"]
    recall = metrics.class_recall(matrix)
    wrong = matrix - np.diag(np.diag(matrix))
    true, given = np.unravel_index(wrong.argmax(), wrong.shape)
    return Answer({
        "best_class": classes[int(recall.argmax())], "best": float(recall.max()),
        "worst_class": classes[int(recall.argmin())], "worst": float(recall.min()),
        "true": classes[int(true)], "given": classes[int(given)], "confused": int(wrong.max()),
        "train": deep.measures["train_acc"], "test": deep.measures["test_acc"], "parameters": deep.parameters,
        "per_image": deep.parameters / results.config["n_train"], "minutes": minutes(deep),
        "noise": results.values["noise_confidence"],
    })


@answers("7.1", needs=("course",))
def overfitting_seen(results: Results) -> Answer:
    """Name the epoch where the validation loss turns."""
    history = first(results, "course").history
    epoch = metrics.overfitting_epoch(history["val_loss"])
    values = {
        "epochs": len(history["loss"]), "train_accuracy": history["acc"][-1], "accuracy": history["val_acc"][-1],
        "last": history["val_loss"][-1], "train_loss": history["loss"][-1],
    }
    if epoch is None:
        return Answer(values, texts=("none",))
    return Answer(values | {"epoch": epoch, "least": history["val_loss"][epoch - 1]})


@answers("7.2", needs=("remedies",))
def remedies(results: Results) -> Answer:
    """Compare the remedies against overfitting."""
    runs = results.of_study("remedies")

    def gap(each: Run) -> float:
        return each.measures["train_acc"] - test_accuracy(each)

    gaps, accuracies = tables.means(runs, gap), tables.means(runs, test_accuracy)
    chosen_by = tables.means(runs, validation_accuracy)
    table = tables.comparison(
        runs, train_accuracy=lambda each: each.measures["train_acc"], validation_accuracy=validation_accuracy,
        test_accuracy=test_accuracy, gap=gap,
        least_validation_loss=lambda each: min(each.history["val_loss"]),
        last_validation_loss=lambda each: each.history["val_loss"][-1],
    )
    best = max((setting for setting in chosen_by if setting != "none"), key=chosen_by.get)
    return Answer(
        {
            "best": Word(best), "best_accuracy": accuracies[best], "best_gap": 100 * gaps[best],
            "none_accuracy": accuracies["none"], "none_gap": 100 * gaps["none"],
        },
        table,
    )


@answers("8.1", needs=("course",))
def first_layer_maps(results: Results) -> Answer:
    """Relate each map of the first layer to brightness and to edges."""
    image, maps = results.arrays["test_images"][0], results.arrays["resumed_maps"][0]
    return Answer(table=pd.DataFrame(_likeness(image, maps)))


def _likeness(image: np.ndarray, maps: np.ndarray) -> list[dict]:
    """Correlate each map ``(h, w, c)`` with the brightness and with the edges (gradient magnitude) of an image."""
    brightness = image.mean(axis=-1)
    edges = np.hypot(*np.gradient(brightness))
    return [
        {
            "filter": i + 1, "with_brightness": metrics.correlation(maps[..., i], brightness),
            "with_edges": metrics.correlation(maps[..., i], edges), "active": float((maps[..., i] > 0).mean()),
        }
        for i in range(maps.shape[-1])
    ]


@answers("8.2", needs=("deep",))
def deeper_maps(results: Results) -> Answer:
    """Describe the maps of each stage: size, number, share of active positions."""
    rows = []
    for stage in results.values["deep_stages"]:
        maps = results.arrays[f"deep_maps_{stage}"][0]
        rows.append({
            "layer": stage, "output_shape": "x".join(map(str, maps.shape)), "active": float((maps > 0).mean()),
            "silent_filters": int((maps.max(axis=(0, 1)) <= 0).sum()),
        })
    return Answer({"sides": ", ".join(row["output_shape"] for row in rows)}, pd.DataFrame(rows))


@answers("8.3", needs=("course",))
def maps_during_training(results: Results) -> Answer:
    """Compare the maps of several epochs with those of the last."""
    epochs = results.values["map_epochs"]
    last = results.arrays[f"course_maps_epoch_{epochs[-1]}"]
    rows = [
        {"epoch": epoch, "like_last": metrics.correlation(results.arrays[f"course_maps_epoch_{epoch}"], last)}
        for epoch in epochs
    ]
    middle = rows[len(rows) // 2]
    return Answer(
        {
            "last": epochs[-1], "first": rows[0]["like_last"], "middle": middle["epoch"],
            "middle_likeness": middle["like_last"],
        },
        pd.DataFrame(rows),
    )


# %% [markdown]
# ## III Evaluation


# %%
def evaluation(results: Results) -> list[pd.DataFrame]:
    """Tabulate times and accuracies of the networks, and the accuracy by class of each on the test images."""
    trained = [each for each in results.runs if each.study in ("course", "resumed", "deep")]
    if not trained:
        return []
    by_class = pd.DataFrame({"class": results.values["classes"]})
    for study in ("resumed", "deep"):
        for subset in SUBSETS:
            if f"{study}_confusion_{subset}" in results.arrays:
                recall = metrics.class_recall(results.arrays[f"{study}_confusion_{subset}"])
                by_class[f"{subset}_accuracy_{study}"] = recall
    return [tables.summary(trained), by_class]


# %% [markdown]
# ## Figures


# %%
def figures(results: Results, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow, named by the question it answers."""
    classes = results.values["classes"]
    arrays = results.arrays
    album = plots.Album(results, language)
    draw = album.draw

    def named(labels: np.ndarray) -> list[str]:
        return [classes[int(label)] for label in labels]

    draw("2.1_train_images", plots.examples, arrays["train_images"], named(arrays["train_labels"]))
    draw("2.2_standardize", plots.standardised, arrays["train_images"][0], arrays["train_x"][0])
    draw("3.0_network", plots.model_graph, results.values["layers"])
    for study, number in (("course", "7.1"), ("resumed", "4"), ("deep", "6.2")):
        if results.of_study(study):
            each = first(results, study)
            epoch = metrics.overfitting_epoch(each.history["val_loss"])
            draw(f"{number}_curves_{study}", plots.learning_curves, each, best_epoch=epoch)
    for study, number in (("resumed", "4"), ("deep", "6.2")):
        if f"{study}_confusion_test" not in arrays:
            continue
        matrices = {subset: arrays[f"{study}_confusion_{subset}"] for subset in SUBSETS}
        for subset, matrix in matrices.items():
            for normalised in (False, True):
                draw(
                    f"{number}_confusion_{study}", plots.confusion_matrix, matrix, classes, normalised=normalised,
                    subject=[Word(subset), *([Word("normalised")] if normalised else [])],
                )
        recalls = {word(subset, language): metrics.class_recall(matrix) for subset, matrix in matrices.items()}
        draw(f"{number}_classes_{study}", plots.class_accuracies, recalls, classes)
        predicted = arrays[f"{study}_test_predicted"]
        draw(
            f"{number}_predictions_{study}", plots.examples, arrays["test_images"], named(predicted),
            correct=predicted == arrays["test_labels"],
        )
    for number, study in (
        ("4.2", "batch_size"), ("4.3", "optimizer"), ("6.1", "depth"), ("6.1", "ablation"), ("7.2", "remedies"),
    ):
        _draw_study(results, album, study, number)
    if "resumed_masks" in arrays:
        draw("8.1_summed_masks", plots.summed_masks, arrays["test_images"], arrays["resumed_masks"])
        for i, maps in enumerate(arrays["resumed_maps"]):
            shown = maps[..., :N_MAPS]
            draw("8.1_maps", plots.feature_maps, arrays["test_images"][i], shown, subject=[f"image {i + 1}"])
        by_epoch = {
            epoch: arrays[f"course_maps_epoch_{epoch}"][..., :N_MAPS_PER_EPOCH]
            for epoch in results.values["map_epochs"]
        }
        draw("8.3_maps_epochs", plots.maps_over_epochs, arrays["test_images"][0], by_epoch)
    for stage in results.values.get("deep_stages", ()):
        maps = arrays[f"deep_maps_{stage}"][0]
        masks = arrays[f"deep_masks_{stage}"]
        draw("8.2_masks_deep", plots.summed_masks, arrays["test_images"], masks, subject=[stage])
        draw("8.2_maps_deep", plots.feature_maps, arrays["test_images"][0], maps[..., :N_MAPS], subject=[stage])
    if "deep_layers" in results.values:
        draw("6.2_network_deep", plots.model_graph, results.values["deep_layers"])
    return album.figures


def _draw_study(results: Results, album: plots.Album, study: str, number: str) -> None:
    """Draw the curves of a study, the test accuracies, and for batch sizes the times."""
    runs = results.of_study(study)
    n_seeds = len({each.seed for each in runs})
    if not runs:
        return
    language = album.language
    names = {each.setting: translated(tables.setting_name(each.setting), language) for each in runs}
    if study != "ablation":  # the curves of so many settings cannot be told apart
        album.draw(f"{number}_{study}", plots.study, runs, names=names, n_seeds=n_seeds)
    measured = {"accuracy": (lambda each: 100 * test_accuracy(each), f"{word('test_accuracy', language)} (%)")}
    if study == "batch_size":
        measured |= {
            "epoch": (tables.epoch_seconds, word("epoch_seconds", language)),
            "step": (tables.step_milliseconds, word("step_milliseconds", language)),
        }
    for name, (value, label) in measured.items():
        values = {names[setting]: seeds for setting, seeds in tables.by_setting(runs, value).items()}
        album.draw(f"{number}_{study}_{name}", plots.bars, values, ylabel=label, n_seeds=n_seeds)


# %% [markdown]
# ## Command line


# %% active="py"
def main(config: Config) -> None:
    """Run the lab, print its answers, save its results and figures."""
    folder = paths.writable_folder(paths.figures("cifar_cnn"), "MI204_FIGURES")
    asked = questions.of_lab(sys.modules[__name__])
    questions.choose(asked, config.questions)
    data = load_data(config)
    cli.print_notice(data.name, data.notice, config.language)
    model = build_model(config, len(data.classes))
    model.summary()
    if not models.plot_model(model, folder / "plot_model.png"):
        print(word("dot_missing", config.language))
    results = run(config, data, folder / "runs", progress=True)
    results.save(folder)
    chosen = questions.choose(asked, config.questions or tuple(asked))
    cli.print_answers(results, chosen, config.language)
    for table in evaluation(results):
        print(questions.markdown(table, config.language), end="\n\n")
    cli.print_paths(save_figures(figures(results, config.language), folder), config.language)


if __name__ == "__main__":
    cli.start(Config, PRESETS, main)
