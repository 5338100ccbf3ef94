# %% [markdown]
# # Perceptrons and convolutional networks on Fashion-MNIST
# Homework 004, part 2: what a convolution commutes with, learning rates and normalisation, depth and width. Part 1, the
# homework's own Trainer in torch, stands in `mi204.interop.torch_trainer`; here it is one of two engines.

# %%
"""The science of the lab, from top to bottom: data, networks, training, comparisons; a notebook too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from labs.fashion_trainer.config import (
    INPUT_SHAPE,
    N_CLASSES,
    N_LOGGED,
    NETWORKS,
    STUDIES,
    Config,
    Recipe,
    compared,
)
from labs.fashion_trainer.measured import Equivariance, Measured
from mi204 import arithmetic, backend, losses, metrics, models, packages, paths, questions, studies, training
from mi204.datasets import ImageDataset, fashion_mnist
from mi204.errors import SettingError
from mi204.preprocessing import one_hot, standardize_pixels
from mi204.results import Trained

# %% [markdown]
# ## Data
# As the homework's `load_dataset`: all training images; the test set gives the validation and the test images.

# %%
Subsets = dict[str, tuple[np.ndarray, np.ndarray]]
"""``train``, ``validation`` and ``test``: images float32 (n, 28, 28, 1) from 0 to 255, labels int64 (n,)."""


def load_data(config: Config) -> ImageDataset:
    """Load Fashion-MNIST, or its sample; downloads once into ``datasets_cache/``."""
    recipe = config.recipe
    return fashion_mnist.load(config.data, n_train=recipe.n_train, n_test=recipe.n_validation + recipe.n_test)


def split(recipe: Recipe, data: ImageDataset) -> Subsets:
    """Take the first training images, the first test images for validation and those that follow for the test.

    Raises SettingError when there are not as many.
    """
    for name, wanted, there in (
        ("n_train", recipe.n_train, len(data.x_train)),
        ("n_validation + n_test", recipe.n_validation + recipe.n_test, len(data.x_test)),
    ):
        if wanted > there:
            raise SettingError(
                "Expected {name} of at most {there:,}, received {wanted:,}: ask for fewer images.",
                "{name} d'au plus {there:,} attendu, {wanted:,} reçu : demander moins d'images.",
                name=name, there=there, wanted=wanted,
            )
    train = slice(recipe.n_train)
    validation = slice(recipe.n_validation)
    test = slice(recipe.n_validation, recipe.n_validation + recipe.n_test)
    return {
        "train": (data.x_train[train].astype(np.float32), data.y_train[train]),
        "validation": (data.x_test[validation].astype(np.float32), data.y_test[validation]),
        "test": (data.x_test[test].astype(np.float32), data.y_test[test]),
    }


# %% active="ipynb"
# %matplotlib inline
# from labs.fashion_trainer.config import PRESETS
# from mi204 import plots
#
# config = PRESETS["quick"]  # PRESETS["course"] for the homework's sizes
# data = load_data(config)
# shown = {"title": "Twelve training images", "footer": data.name, "language": "en"}
# plots.examples(data.x_train[:12], [data.classes[label] for label in data.y_train[:12]], **shown)

# %% [markdown]
# ## Networks
# `Flatten, Dense, …` for a perceptron, `Conv2D, MaxPooling2D, …, Dense, …` for a convolutional network, as part 1
# builds them. `config.py` finds the sizes that the homework leaves to find: those nearest in parameters to its
# perceptron.


# %%
def build_model(recipe: Recipe) -> keras.Model:
    """Build the network, not yet compiled, with the weights of the seed."""
    keras.utils.set_random_seed(recipe.seed)
    return models.configured_network(recipe.network_type, recipe.network, INPUT_SHAPE, N_CLASSES, recipe.activation)


def networks(config: Config) -> list[keras.Model]:
    """Give the networks to summarise before training, each under its own name."""
    recipes = compared("depth", config.recipe, ()) | compared("width", config.recipe, ())
    built = {name: build_model(recipe) for name, recipe in recipes.items()}
    for name, model in built.items():
        model.name = str(name)
    return list(built.values())


# %% active="ipynb"
# for network in networks(config):
#     network.summary()

# %% [markdown]
# ## Training
# Batches are consecutive images, never shuffled, as the homework asks. Loss and accuracy are logged before training and
# after each epoch, on the first training images and on all validation images.


# %%
def train(recipe: Recipe, subsets: Subsets, folder: Path, on_epoch: Callable[[], None] = lambda: None) -> Trained:
    """Train the network of a recipe with its engine and measure it as the homework does."""
    engine = train_with_torch if recipe.engine == "torch" else train_with_keras
    return engine(recipe, subsets, folder, on_epoch)


def train_with_keras(recipe: Recipe, subsets: Subsets, folder: Path, on_epoch: Callable[[], None]) -> Trained:
    """Train on Keras."""
    x = {name: images for name, (images, _) in subsets.items()}
    if recipe.normalization:
        x = {name: standardize_pixels(images, x["train"]) for name, images in x.items()}
    y = {name: one_hot(labels, N_CLASSES) for name, (_, labels) in subsets.items()}
    model = build_model(recipe)
    model.compile(
        # As in torch: Keras' own epsilon is ten times larger.
        optimizer=keras.optimizers.Adam(recipe.learning_rate, epsilon=1e-8),
        loss=losses.clipped_cross_entropy,
        metrics=["acc"],
    )
    train_before = evaluate(model, x["train"][:N_LOGGED], y["train"][:N_LOGGED])
    validation_before = evaluate(model, x["validation"], y["validation"])
    history = training.fit(
        model,
        (x["train"], y["train"]),
        (x["validation"], y["validation"]),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        seed=recipe.seed,
        folder=folder,
        shuffle=False,
        callbacks=[
            HomeworkLogs(x["train"], y["train"], recipe.batch_size),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch()),
        ],
    )
    test_loss, test_accuracy = evaluate(model, x["test"], y["test"])
    logs = history.metrics
    return Trained(
        parameters=models.trainable_parameters(model),
        history={
            "train_loss": [train_before[0], *logs["train_loss"]],
            "train_accuracy": [train_before[1], *logs["train_accuracy"]],
            "validation_loss": [validation_before[0], *logs["val_loss"]],
            "validation_accuracy": [validation_before[1], *logs["val_acc"]],
            "train_gradient_norm": logs["train_gradient_norm"],
        },
        epoch_seconds=history.epoch_seconds,
        measures={"test_loss": test_loss, "test_acc": test_accuracy},
    )


class HomeworkLogs(keras.callbacks.Callback):
    """Log what the homework's Trainer logs: training loss and accuracy after each epoch, the last gradient's norm."""

    def __init__(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> None:
        """Take the training set, labels one-hot."""
        super().__init__()
        self.logged = x[:N_LOGGED], y[:N_LOGGED]
        self.last_step = arithmetic.steps_per_epoch(len(x), batch_size) - 1
        start = self.last_step * batch_size
        self.last_batch = x[start:], y[start:]

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Measure the gradient of the last batch, with the weights that it is about to change."""
        if batch == self.last_step:
            slopes = backend.weight_gradients(self.model, losses.clipped_cross_entropy, *self.last_batch)
            self.gradient_norm = float(np.sqrt(sum(np.sum(np.square(slope, dtype=np.float64)) for slope in slopes)))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add to the logs what ``training.fit`` records with its own."""
        logs["train_gradient_norm"] = self.gradient_norm
        logs["train_loss"], logs["train_accuracy"] = evaluate(self.model, *self.logged)


def evaluate(model: keras.Model, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Give mean loss and accuracy over a set, ``y`` one-hot."""
    probabilities = training.predict(model, x)
    loss = keras.ops.convert_to_numpy(losses.clipped_cross_entropy(y, probabilities)).mean(dtype=np.float64)
    return float(loss), metrics.accuracy(y.argmax(axis=1), probabilities.argmax(axis=1))


def train_with_torch(recipe: Recipe, subsets: Subsets, folder: Path, on_epoch: Callable[[], None]) -> Trained:
    """Train with the homework's Trainer; nothing is saved in ``folder`` before the end."""
    from mi204.interop import torch_trainer  # torch may not be installed

    trainer, epoch_seconds = torch_trainer.train(
        subsets,
        recipe.network_type,
        recipe.network,
        seed=recipe.seed,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        activation=recipe.activation,
        normalization=recipe.normalization,
        on_epoch=on_epoch,
    )
    test_loss, test_accuracy = trainer.evaluate(*trainer.test)
    return Trained(
        parameters=sum(parameter.numel() for parameter in trainer.network.parameters()),
        history=trainer.train_logs,
        epoch_seconds=epoch_seconds,
        measures={"test_loss": test_loss, "test_acc": test_accuracy},
    )


# %% active="ipynb"
# from mi204.results import Run
#
# with paths.given_or_temporary(None) as folder:
#     trained = train(config.recipe, split(config.recipe, data), folder)
# perceptron = Run(study="depth", setting="perceptron", seed=config.recipe.seed, key="", **vars(trained))
# lines = {"train_loss": "training", "validation_loss": "validation"}
# shown = {"title": "A short training", "footer": data.name, "language": "en"}
# plots.quantity([perceptron], lines, ylabel="loss", first_epoch=0, **shown)

# %% [markdown]
# ## Equivariance
# Question 2.1: a convolution commutes with a shift, away from the border, and not with a rotation.

# %%
SHIFT = 5
"""Pixels, right and down, by which the image is moved."""


def equivariance(seed: int, image: np.ndarray) -> Equivariance:
    """Compare what a small convolutional network makes of a moved image with its own output, moved.

    ``image`` is (28, 28, 1) from 0 to 1. The network applies one 3x3 convolution twice, each time with ReLU.
    """
    rng = np.random.default_rng(seed)
    convolution = layers.Conv2D(1, 3, activation="relu")
    convolution.build((None, None, None, 1))

    def network(x: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(convolution(convolution(x[None])))[0]

    def shift(x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((SHIFT, 0), (SHIFT, 0), (0, 0)))[:-SHIFT, :-SHIFT]

    def rotation(x: np.ndarray) -> np.ndarray:
        return np.rot90(x, -1)

    features = np.zeros(1)
    while not features.any():  # with most weights negative, ReLU leaves nothing to look at
        # Torch's initial weights for nine inputs, from numpy: the same kernel on every backend.
        convolution.set_weights([rng.uniform(-1 / 3, 1 / 3, size).astype(np.float32) for size in ((3, 3, 1, 1), (1,))])
        features = network(image)
    shift_difference, rotation_difference = (
        np.abs(move(features) - network(move(image)))[..., 0] for move in (shift, rotation)
    )
    return Equivariance(
        image=image[..., 0],
        features=features[..., 0],
        shift=SHIFT,
        shift_difference=shift_difference,
        rotation_difference=rotation_difference,
    )


# %% [markdown]
# ## Comparisons
# Each setting of a comparison is a whole `Recipe` (see `compared` in `config.py`); a network that two of them need is
# trained once.


# %%
def run(
    config: Config, data: ImageDataset | None = None, folder: Path | None = None, progress: bool = False
) -> Measured:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers finished runs and the state of an interrupted one; without it
    nothing is written. ``progress`` shows one bar over the epochs of all runs.
    """
    config.require_packages()
    needed = questions.needed("fashion_trainer", config.questions)
    environment = _environment(config.recipe)
    data = load_data(config) if data is None else data
    subsets = split(config.recipe, data)
    plan = [
        studies.Planned(study, setting, recipe)
        for study in STUDIES
        if study in needed
        for seeded in studies.seeded(config.recipe, config.n_seeds)
        for setting, recipe in compared(study, seeded, config.learning_rates).items()
    ]
    origin = studies.origin("labs.fashion_trainer.lab", data.fingerprint, environment)
    with paths.given_or_temporary(folder) as folder:
        runs = studies.train_all(
            plan, lambda recipe, path, on_epoch: train(recipe, subsets, path, on_epoch), origin, folder, progress
        )
    return Measured(
        config=config,
        data=data.name,
        source=data.source,
        origin=origin,
        environment=environment,
        runs=runs,
        networks={name: network for name, (_, network) in NETWORKS.items()},
        equivariance=equivariance(config.recipe.seed, subsets["train"][0][0] / 255),
    )


def _environment(recipe: Recipe) -> dict[str, str]:
    """Describe where numbers are measured: by the Trainer on torch, whatever the backend of Keras."""
    if recipe.engine == "keras":
        return backend.environment()
    return {**backend.environment(), "backend": "torch (Trainer)", "torch": packages.version("torch")}


# %% active="ipynb"
# from labs.fashion_trainer import answers, figures
#
# measured = run(config, data)
# drawn = figures.figures(measured, "en")
# drawn["2.2_accuracy_normalised"]

# %% active="ipynb"
# from IPython.display import Markdown
#
# Markdown("\n\n".join(each.render(measured, "en") for each in questions.of_lab("fashion_trainer").values()))
