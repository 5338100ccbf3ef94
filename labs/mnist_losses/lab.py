# %% [markdown]
# # How the loss evolves on MNIST
# Handout 000, part 1: the same network learns from the usual training set and from the test set, with and without
# dropout; its losses are measured on both sets after every epoch.

# %%
"""The science of the lab, from top to bottom: data, network, training, experiments; a notebook too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from labs.mnist_losses.config import Config, Recipe, experiments
from labs.mnist_losses.measured import Measured
from mi204 import arithmetic, backend, models, paths, questions, studies, training
from mi204.datasets import ImageDataset, mnist
from mi204.errors import SettingError
from mi204.language import Word
from mi204.preprocessing import one_hot
from mi204.results import Trained

# %% [markdown]
# ## Data
# As the handout's script: pixels are centred and scaled by the mean and standard deviation of the whole training set.

# %%
N_CLASSES = 10
MEAN, DEVIATION = 0.1307, 0.3081
"""Of all pixels of the 60,000 training images, once divided by 255."""


def load_data(config: Config) -> ImageDataset:
    """Load MNIST, or its sample; downloads once into ``datasets_cache/``."""
    return mnist.load(config.data, n_train=config.recipe.n_train, n_test=config.recipe.n_test)


def split(recipe: Recipe, data: ImageDataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give images (n, 28, 28, 1) and one-hot labels (n, 10) for ``train`` and ``test``, swapped if so asked.

    Raises SettingError when there are not as many as asked for.
    """
    subsets = {}
    for name, wanted, images, labels in (
        ("train", recipe.n_train, data.x_train, data.y_train),
        ("test", recipe.n_test, data.x_test, data.y_test),
    ):
        if wanted > len(images):
            raise SettingError(
                "Expected n_{name} of at most {there:,}, received {wanted:,}: ask for fewer images.",
                "n_{name} d'au plus {there:,} attendu, {wanted:,} reçu : demander moins d'images.",
                name=name, there=len(images), wanted=wanted,
            )
        x = ((images[:wanted] / np.float32(255) - MEAN) / DEVIATION).astype(np.float32)
        subsets[name] = x, one_hot(labels[:wanted], N_CLASSES)
    return {"train": subsets["test"], "test": subsets["train"]} if recipe.swapped else subsets


# %% active="ipynb"
# %matplotlib inline
# from labs.mnist_losses.config import PRESETS
# from mi204 import metrics, plots
#
# config = PRESETS["quick"]  # PRESETS["course"] for the handout's sizes
# data = load_data(config)
# shown = {"title": "Twelve training images", "footer": data.name, "language": "en"}
# plots.examples(data.x_train[:12], [str(label) for label in data.y_train[:12]], **shown)

# %% [markdown]
# ## Network
# The logits go to the loss as they are: `log_softmax` and the loss on it are one function in Keras.


# %%
def build_model(recipe: Recipe) -> keras.Model:
    """Build the handout's network, not yet compiled, with the weights of the seed; the ten outputs are logits."""
    keras.utils.set_random_seed(recipe.seed)
    model = keras.Sequential([keras.Input((28, 28, 1), name="image")], name="mnist")
    model.add(layers.Conv2D(32, 3, activation="relu", **models.torch_initializers(9)))
    model.add(layers.Conv2D(64, 3, activation="relu", **models.torch_initializers(9 * 32)))
    model.add(layers.MaxPooling2D(2))
    if recipe.dropout:
        model.add(layers.SpatialDropout2D(0.25))  # whole maps: neighbouring pixels of one would give it away
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu", **models.torch_initializers(12 * 12 * 64)))
    if recipe.dropout:
        model.add(layers.Dropout(0.5))
    model.add(layers.Dense(N_CLASSES, **models.torch_initializers(128)))
    return model


def networks(config: Config) -> list[keras.Model]:
    """Give the networks to summarise before training."""
    return [build_model(config.recipe)]


# %% active="ipynb"
# build_model(config.recipe).summary()

# %% [markdown]
# ## Training
# Question 1.1 asks for the loss on the whole training set. Keras' own `loss` is the mean over the epoch's steps: each
# batch is measured before the step it causes, with dropout. Beside it the same images are measured again after the
# epoch, as the test images are: with the weights of that moment, without dropout.


# %%
def train(recipe: Recipe, data: ImageDataset, folder: Path, on_epoch: Callable[[], None] = lambda: None) -> Trained:
    """Train the network and measure both losses after each epoch."""
    subsets = split(recipe, data)
    model = build_model(recipe)
    steps = arithmetic.steps_per_epoch(len(subsets["train"][0]), recipe.batch_size)
    learning_rate = keras.optimizers.schedules.ExponentialDecay(
        recipe.learning_rate, steps, recipe.decay, staircase=True
    )
    model.compile(
        # As in torch: Keras' own rho is 0.95, its epsilon ten times smaller.
        optimizer=keras.optimizers.Adadelta(learning_rate, rho=0.9, epsilon=1e-6),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["acc"],
    )
    history = training.fit(
        model,
        subsets["train"],
        subsets["test"],
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        seed=recipe.seed,
        folder=folder,
        callbacks=[
            training.TrainingSetMeasures(*subsets["train"]),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch()),
        ],
    )
    return Trained(
        parameters=models.trainable_parameters(model),
        history=training.logs_of_test(history),
        epoch_seconds=history.epoch_seconds,
    )


# %% active="ipynb"
# with paths.given_or_temporary(None) as folder:
#     trained = train(config.recipe, data, folder)
# shown["title"] = "Losses of a short training"
# plots.train_and_test_losses([trained], best_epoch=metrics.best_epoch(trained.history["test_loss"]), **shown)

# %% [markdown]
# ## Experiments
# In the handout's order; each is a whole `Recipe`, so that what is compared can be read off it.


# %%
def run(
    config: Config, data: ImageDataset | None = None, folder: Path | None = None, progress: bool = False
) -> Measured:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers finished runs and the state of an interrupted one; without it
    nothing is written. ``progress`` shows one bar over the epochs of all runs.
    """
    needed = questions.needed("mnist_losses", config.questions)
    data = load_data(config) if data is None else data
    split(config.recipe, data)  # before the first training: are there enough images?
    plan = [
        studies.Planned(name, Word(name), recipe)
        for seeded in studies.seeded(config.recipe, config.n_seeds)
        for name, recipe in experiments(seeded).items()
        if name in needed
    ]
    origin = studies.origin("labs.mnist_losses.lab", data.fingerprint)
    with paths.given_or_temporary(folder) as folder:
        runs = studies.train_all(
            plan, lambda recipe, path, on_epoch: train(recipe, data, path, on_epoch), origin, folder, progress
        )
    return Measured(
        config=config,
        data=data.name,
        source=data.source,
        origin=origin,
        environment=backend.environment(),
        runs=runs,
        parameters=models.trainable_parameters(build_model(config.recipe)),
    )


# %% active="ipynb"
# from labs.mnist_losses import answers, figures
#
# measured = run(config, data)
# drawn = figures.figures(measured, "en")
# drawn["1.1_losses_base"]

# %% active="ipynb"
# from IPython.display import Markdown
#
# Markdown("\n\n".join(each.render(measured, "en") for each in questions.of_lab("mnist_losses").values()))
