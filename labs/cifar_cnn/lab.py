# %% [markdown]
# # CIFAR-10 by a small convolutional network
# Handout 002: a network of one convolution learns ten classes from 5000 small images; what batch size, optimiser, depth
# and the remedies against overfitting change, and what its layers answer to an image.

# %%
"""The science of the lab, from top to bottom: data, network, training, studies; a notebook too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from labs.cifar_cnn.config import COMPARED, MORE_DATA, Config, Recipe, check_images, deeper, needed_studies, resumed
from labs.cifar_cnn.measured import Channel, Evaluation, Layer, Measured, Stage
from mi204 import activations, arithmetic, augment, backend, metrics, models, paths, results, splits, studies, training
from mi204.datasets import ImageDataset, cifar10, class_words
from mi204.language import Word
from mi204.preprocessing import one_hot, standardize, standardize_like
from mi204.results import Run, Trained

# %% [markdown]
# ## II.1 Data
# The validation and test images are drawn from the official test set, without any in common; they are the same for all
# trainings with one seed.

# %%
N_CLASSES = 10


@dataclass(frozen=True, eq=False)
class Subset:
    """Images for one use."""

    images: np.ndarray
    """As they are: uint8 (n, 32, 32, 3)."""
    x: np.ndarray
    """As the network gets them: standardised, float32."""
    labels: np.ndarray
    """Integer labels (n,)."""

    @property
    def y(self) -> np.ndarray:
        """One-hot labels (n, 10)."""
        return one_hot(self.labels, N_CLASSES)


def load_data(config: Config) -> ImageDataset:
    """Load CIFAR-10, or its sample; downloads once into ``datasets_cache/``."""
    recipe = config.recipe
    return cifar10.load(config.data, n_train=MORE_DATA * recipe.n_train, n_test=recipe.n_validation + recipe.n_test)


def split(recipe: Recipe, data: ImageDataset) -> dict[str, Subset]:
    """Draw the training images from the training set, the validation and test images from the test set.

    Raises SettingError when there are not as many as asked for.
    """
    rng = np.random.default_rng(recipe.seed)
    (train,) = splits.draw(len(data.x_train), recipe.n_train, rng=rng)
    validation, test = splits.draw(len(data.x_test), recipe.n_validation, recipe.n_test, rng=rng)
    if recipe.n_more:
        rest = np.setdiff1d(np.arange(len(data.x_train)), train)
        (more,) = splits.draw(len(rest), recipe.n_more, rng=rng)
        train = np.concatenate([train, rest[more]])
    reference = data.x_train[train]

    def subset(images: np.ndarray, labels: np.ndarray) -> Subset:
        x = standardize(images) if recipe.standardization == "image" else standardize_like(images, reference)
        return Subset(images, x, labels)

    return {
        "train": subset(reference, data.y_train[train]),
        "validation": subset(data.x_test[validation], data.y_test[validation]),
        "test": subset(data.x_test[test], data.y_test[test]),
    }


# %% active="ipynb"
# %matplotlib inline
# from labs.cifar_cnn.config import PRESETS
# from mi204 import plots, questions
#
# config = PRESETS["quick"]  # PRESETS["course"] for the handout's sizes
# data = load_data(config)
# train_images = split(config.recipe, data)["train"]
# names = [data.classes[label] for label in train_images.labels[:12]]
# shown = {"footer": data.name, "language": "en"}
# plots.examples(train_images.images[:12], names, title="Twelve training images", **shown)

# %% active="ipynb"
# plots.standardised(train_images.images[0], train_images.x[0], title="Before and after standardize", **shown)

# %% [markdown]
# ## II.2 Network


# %%
def build_model(recipe: Recipe) -> keras.Model:
    """Build the network, not yet compiled, with the weights of the seed: the handout's, or the deeper one."""
    keras.utils.set_random_seed(recipe.seed)
    if recipe.network == "residual":
        return models.residual_network(
            (32, 32, 3), N_CLASSES, recipe.filters,
            batch_normalization=recipe.batch_normalization, residual=recipe.residual,
        )
    penalty = keras.regularizers.L2(recipe.l2)
    model = keras.Sequential([keras.Input((32, 32, 3))], name="sequential")
    for i, n_filters in enumerate(recipe.filters):
        suffix = f"_{i}" if i else ""
        model.add(
            layers.Conv2D(
                n_filters, recipe.kernel_size, activation=recipe.activation, padding="same",
                kernel_regularizer=penalty, name=f"conv2d{suffix}",
            )
        )
        model.add(layers.Dropout(recipe.dropout, name=f"dropout{suffix}"))
        model.add(layers.MaxPooling2D(recipe.pool_size, name=f"max_pooling2d{suffix}"))
    n = len(recipe.filters)
    model.add(layers.Flatten(name="flatten"))
    model.add(
        layers.Dense(recipe.hidden_units, activation=recipe.activation, kernel_regularizer=penalty, name="dense")
    )
    model.add(layers.Dropout(recipe.dropout, name=f"dropout_{n}"))
    model.add(layers.Dense(N_CLASSES, activation="softmax", kernel_regularizer=penalty, name="dense_1"))
    # The original has this layer too. With a rate above 0 it zeroes probabilities while training.
    model.add(layers.Dropout(recipe.output_dropout, name=f"dropout_{n + 1}"))
    return model


def networks(config: Config) -> list[keras.Model]:
    """Give the networks to summarise before training: the course's, and the deeper one where it is trained."""
    recipes = [config.recipe]
    if "deep" in needed_studies(config):
        recipes.append(deeper(config, config.recipe))
    return [build_model(recipe) for recipe in recipes]


# %% active="ipynb"
# build_model(config.recipe).summary()

# %% [markdown]
# ## II.3–II.5 Training
# The best model, by validation accuracy, is kept after every epoch: part II.5 goes on from it. Images come in a new
# order in every epoch.

# %%
MAP_EPOCHS = (0, 1, 2, 5, 10, 20)
"""Epochs after which the course network's weights are kept, for question 8.3."""


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
    recipe: Recipe, data: ImageDataset, folder: Path, on_epoch: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train the network in its own folder and measure it at the end.

    It starts from the weights of the seed; where the recipe has a ``start``, from the best model of that run, whose
    folder lies beside, or from the file ``checkpoint``.
    """
    subsets = split(recipe, data)
    model = build_model(recipe)
    if recipe.start:
        training.load_weights(model, checkpoint or training.best_file(folder.parent / recipe.start))
    steps = arithmetic.steps_per_epoch(len(subsets["train"].x), recipe.batch_size)
    model.compile(
        optimizer=training.build_optimizer(
            recipe.optimizer, recipe.learning_rate, momentum=recipe.momentum, schedule=recipe.schedule,
            steps=steps * recipe.epochs, weight_decay=recipe.weight_decay or None,
        ),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["acc"],
    )
    history = training.fit(
        model,
        (subsets["train"].x, subsets["train"].y),
        (subsets["validation"].x, subsets["validation"].y),
        batch_size=recipe.batch_size, epochs=recipe.epochs, seed=recipe.seed, folder=folder,
        augmentation=augmentation(recipe.augmentation), patience=recipe.patience,
        keep_epochs=MAP_EPOCHS if recipe.network == "course" else (),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch())],
    )
    measures = {"steps": float(steps)}
    for name, views in predictions(recipe, model, subsets).items():
        labels = subsets[name].labels
        measures[f"{name}_acc_one_view"] = metrics.accuracy(labels, views[0].argmax(axis=1))
        measures[f"{name}_acc"] = metrics.accuracy(labels, views.mean(axis=0).argmax(axis=1))
    return Trained(
        parameters=models.trainable_parameters(model), history=history.metrics, epoch_seconds=history.epoch_seconds,
        measures=measures,
    )


def predictions(recipe: Recipe, model: keras.Model, subsets: dict[str, Subset]) -> dict[str, np.ndarray]:
    """Give by subset the probabilities (views, n, 10) for ``test_views`` views of each image, itself the first."""
    # All subsets at once: each call of predict costs as much as hundreds of images.
    x = np.concatenate([subset.x for subset in subsets.values()])
    views = [x]
    if recipe.test_views == 6:
        views += [augment.shift(x, 1, 1), augment.shift(x, -1, -1)]
    if recipe.test_views > 1:
        views += [view[:, :, ::-1] for view in views]
    ends = np.cumsum([len(subset.x) for subset in subsets.values()])
    probabilities = np.stack([training.predict(model, view) for view in views])
    return dict(zip(subsets, np.split(probabilities, ends[:-1], axis=1), strict=True))


# %% active="ipynb"
# with paths.given_or_temporary(None) as folder:
#     trained = train(config.recipe, data, folder)
# course = Run(study="course", setting="course", seed=0, key="", **vars(trained))
# plots.learning_curves(course, title="A short training", **shown)

# %% [markdown]
# ## Studies
# The course's network, and the same gone on from its best model (II.5); the deeper network; then the studies that
# compare settings, each a whole `Recipe`, so that what is compared can be read off it (`config.py`).


# %%
def plan_course(config: Config) -> list[studies.Planned]:
    """List the trainings of part II.4, whose models part II.5 needs."""
    recipes = studies.seeded(config.recipe, config.n_seeds)
    return [studies.Planned("course", Word("course"), recipe, keep_model=True) for recipe in recipes]


def plan_resumed(config: Config, course: list[Run]) -> list[studies.Planned]:
    """List the trainings of part II.5: from the best model of each run of part II.4, or from the given file."""
    file = results.digest(config.checkpoint.read_bytes().hex()) if config.checkpoint else ""
    recipes = [resumed(config, run.seed, file or run.key) for run in course]
    return [studies.Planned("resumed", Word("resumed"), each, each.seed == config.recipe.seed) for each in recipes]


def plan_others(config: Config, needed: set[str]) -> list[studies.Planned]:
    """List all other trainings of the needed studies."""
    recipes = [deeper(config, each) for each in studies.seeded(config.recipe, config.n_seeds) if "deep" in needed]
    planned = [studies.Planned("deep", Word("deep"), each, each.seed == config.recipe.seed) for each in recipes]
    for name in [name for name in COMPARED if name in needed]:
        n_seeds = max(config.n_seeds, config.optimizer_seeds) if name == "optimizer" else config.n_seeds
        for seeded in studies.seeded(config.recipe, n_seeds):
            planned += [studies.Planned(name, *each) for each in COMPARED[name](config, seeded).items()]
    return planned


def check(config: Config, planned: list[studies.Planned], data: ImageDataset) -> None:
    """Find before the first training what would stop the last: too few images, a batch or file that does not fit."""
    check_images([resumed(config, config.recipe.seed, ""), *(each.recipe for each in planned)], len(data.x_train))
    split(config.recipe, data)
    if config.checkpoint:
        training.load_weights(build_model(config.recipe), config.checkpoint)


# %% [markdown]
# ## III–IV Looking at what was trained
# From the models that training kept, those of the first seed.

# %%
N_SHOWN = 12
"""Images shown in a figure."""


def evaluate(recipe: Recipe, model: keras.Model, subsets: dict[str, Subset]) -> Evaluation:
    """Count what the network answers to the images of each subset."""
    views = predictions(recipe, model, subsets)
    predicted = {name: each.mean(axis=0).argmax(axis=1) for name, each in views.items()}
    counts = {name: metrics.confusion_matrix(subsets[name].labels, predicted[name], N_CLASSES) for name in subsets}
    return Evaluation(counts, predicted["test"][:N_SHOWN])


def look_inside_course(recipe: Recipe, data: ImageDataset, folder: Path) -> dict[str, object]:
    """Give the maps of the first layer for the first test image, by epoch; early stopping may have left some out."""
    model, x = build_model(recipe), split(recipe, data)["test"].x[:1]
    first_layer, maps = activations.layer_outputs(model, ["conv2d"]), {}
    for epoch in MAP_EPOCHS:
        if (path := training.epoch_file(folder, epoch)).exists():
            training.load_weights(model, path)
            maps[epoch] = training.predict(first_layer, x)["conv2d"][0]
    return {"course_maps": maps}


def look_inside_resumed(recipe: Recipe, data: ImageDataset, folder: Path) -> dict[str, object]:
    """Evaluate the network of part II.5 and give its first layer's maps."""
    model, subsets = build_model(recipe), split(recipe, data)
    training.load_weights(model, training.final_file(folder))
    maps = training.predict(activations.layer_outputs(model, ["conv2d"]), subsets["test"].x[:N_SHOWN])["conv2d"]
    masks = activations.summed_mask(maps)
    return {"resumed": evaluate(recipe, model, subsets), "resumed_masks": masks, "resumed_maps": maps[:2]}


def look_inside_deep(recipe: Recipe, data: ImageDataset, folder: Path) -> dict[str, object]:
    """Evaluate the deeper network and give its stages' maps."""
    model, subsets = build_model(recipe), split(recipe, data)
    training.load_weights(model, training.final_file(folder))
    noise = np.random.default_rng(recipe.seed).normal(size=(250, 32, 32, 3)).astype(np.float32)
    names = [f"stage_{i}" for i in range(len(recipe.filters))]
    maps = training.predict(activations.layer_outputs(model, names), subsets["test"].x[:N_SHOWN])
    return {
        "deep": evaluate(recipe, model, subsets),
        "deep_layers": [Layer(**each) for each in models.describe(model)],
        "stages": {name: Stage(activations.summed_mask(maps[name]), maps[name][0]) for name in names},
        "noise_confidence": float(training.predict(model, noise).max(axis=1).mean()),
    }


LOOK_INSIDE = {"course": look_inside_course, "resumed": look_inside_resumed, "deep": look_inside_deep}
"""Each gives fields of ``Measured``."""


def describe_images(subsets: dict[str, Subset]) -> dict[str, object]:
    """Keep examples, and the statistics that ``standardize`` changes."""
    train, test, channels = subsets["train"], subsets["test"], []
    for stage, images in (("before", train.images), ("after", train.x)):
        means, deviations = images.mean(axis=(1, 2)), images.std(axis=(1, 2))
        for i, channel in enumerate(("red_channel", "green_channel", "blue_channel")):
            extremes = (each(values[:, i]) for values in (means, deviations) for each in (np.min, np.max))
            channels.append(Channel(stage, channel, *map(float, extremes)))
    return {
        "channels": channels, "train_images": train.images[:N_SHOWN], "train_labels": train.labels[:N_SHOWN],
        "train_x": train.x[:N_SHOWN], "test_images": test.images[:N_SHOWN], "test_labels": test.labels[:N_SHOWN],
    }


def run(
    config: Config, data: ImageDataset | None = None, folder: Path | None = None, progress: bool = False
) -> Measured:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers finished runs and the state of an interrupted one; without it
    nothing is written. ``progress`` shows bars over the epochs: one for the course's training, one for all others.
    """
    needed = needed_studies(config)
    data = load_data(config) if data is None else data
    course, others = plan_course(config) if "course" in needed else [], plan_others(config, needed)
    check(config, others, data)
    origin = studies.origin("labs.cifar_cnn.lab", data.fingerprint)
    with paths.given_or_temporary(folder) as folder:

        def train_all(planned: list[studies.Planned]) -> list[Run]:
            return studies.train_all(
                planned, lambda recipe, path, on_epoch: train(recipe, data, path, on_epoch, config.checkpoint),
                origin, folder, progress,
            )

        runs = train_all(course)
        going_on = plan_resumed(config, runs) if "resumed" in needed else []
        runs += train_all(going_on + others)
        seen = {}
        for each, trained in zip(course + going_on + others, runs, strict=True):
            if each.study in LOOK_INSIDE and trained.seed == config.recipe.seed:
                seen |= LOOK_INSIDE[each.study](each.recipe, data, folder / trained.key)
    return Measured(
        config=config,
        data=data.name,
        source=data.source,
        origin=origin,
        environment=backend.environment(),
        runs=runs,
        classes=class_words(data.classes),
        layers=[Layer(**each) for each in models.describe(build_model(config.recipe))],
        **describe_images(split(config.recipe, data)),
        **seen,
    )


# %% active="ipynb"
# from labs.cifar_cnn import answers, figures
#
# measured = run(config, data)
# drawn = figures.figures(measured, "en")
# drawn["7.1_curves_course"]

# %% active="ipynb"
# from IPython.display import Markdown
#
# Markdown("\n\n".join(each.render(measured, "en") for each in questions.of_lab("cifar_cnn").values()))
