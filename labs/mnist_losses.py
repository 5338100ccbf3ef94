"""How the loss evolves on MNIST: training and test sets, normal and swapped, with and without dropout (handout 000, 1).

    python -m labs.mnist_losses                        questions 1.1 to 1.5: four trainings of 14 epochs
    python -m labs.mnist_losses --questions 1.1        the training that this question needs
    python -m labs.mnist_losses --preset quick         everything, very small: does it all run here?
    KERAS_BACKEND=torch python -m labs.mnist_losses    the same on another backend

Results and figures go to figures/mnist_losses. Ctrl-C stops; the same command goes on where it stopped.
"""

# %%
from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers
from matplotlib.figure import Figure
from tyro.conf import Suppress

from mi204 import (
    arithmetic,
    backend,
    cli,
    metrics,
    models,
    paths,
    plots,
    preprocessing,
    questions,
    settings,
    studies,
    tables,
    training,
)
from mi204.datasets import DataChoice, ImageDataset, mnist
from mi204.errors import SettingError
from mi204.language import Language, Word, word
from mi204.preprocessing import one_hot
from mi204.questions import Answer, answers
from mi204.results import Results, Run, save_figures
from mi204.settings import Preset

# %%
INPUT_SHAPE = (28, 28, 1)
N_CLASSES = 10
MEAN, DEVIATION = 0.1307, 0.3081
"""Of all pixels of the 60,000 training images, once divided by 255."""


@dataclass(frozen=True)
class Config:
    """Settings of the lab; the defaults are the handout's."""

    preset: Preset = "course"
    """Size of the whole: quick (a minute), course (the handout's), full (three seeds)."""
    questions: tuple[str, ...] = ()
    """Answer these questions only, such as 1.1 1.3, and run what they need."""
    data: DataChoice = "auto"
    """Real images or the procedural sample; auto takes the sample when the real ones cannot be had, and says so."""
    language: Language = "en"
    """Language of what is printed and drawn."""
    seed: int = 0
    """Seed of the initial weights, the order of the images and dropout."""
    n_seeds: int = 1
    """Repetitions, with seeds seed, seed + 1, …"""
    n_train: int = 60_000
    """Training images, the first of the official training set; the test images where the sets are swapped."""
    n_test: int = 10_000
    """Test images, the first of the official test set; the training images where the sets are swapped."""
    epochs: int = 14
    """Passes over the training images."""
    batch_size: int = 64
    """Images per step."""
    learning_rate: float = 1.0
    """What Adadelta's own step is multiplied by in the first epoch."""
    decay: float = 0.7
    """What the learning rate is multiplied by after each epoch."""
    dropout: Suppress[bool] = True
    """Leave out maps and neurons at random while training."""
    swapped: Suppress[bool] = False
    """Train on the test set, test on the training set."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        settings.check_range(self, ("n_seeds", "n_train", "n_test", "epochs", "batch_size"), least=1)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        settings.check_range(self, ("learning_rate", "decay"), least=1e-12)
        if self.batch_size > min(self.n_train, self.n_test):
            raise SettingError(
                f"Expected a batch size of at most {min(self.n_train, self.n_test)} (the smaller of n_train and "
                f"n_test: each trains a network), received {self.batch_size}: choose a smaller batch or more images."
            )


PRESETS = {
    "quick": Config(preset="quick", n_train=1000, n_test=300, epochs=3),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3),
}


# %% [markdown]
# ## Data
# As the handout's script: pixels are centred and scaled by the mean and standard deviation of the whole training set.


# %%
def load_data(config: Config) -> ImageDataset:
    """Load MNIST, or its sample; downloads once into ``datasets_cache/``."""
    return mnist.load(config.data)


def split(config: Config, data: ImageDataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give images (n, 28, 28, 1) and one-hot labels (n, 10) for ``train`` and ``test``, swapped if so configured.

    Raises SettingError when there are not as many as asked for.
    """
    subsets = {}
    for name, wanted, images, labels in (
        ("train", config.n_train, data.x_train, data.y_train),
        ("test", config.n_test, data.x_test, data.y_test),
    ):
        if wanted > len(images):
            raise SettingError(
                f"Expected n_{name} of at most {len(images):,}, received {wanted:,}: ask for fewer images."
            )
        x = ((images[:wanted] / np.float32(255) - MEAN) / DEVIATION).astype(np.float32)
        subsets[name] = x, one_hot(labels[:wanted], N_CLASSES)
    return {"train": subsets["test"], "test": subsets["train"]} if config.swapped else subsets


# %% [markdown]
# ## Network
# The logits go to the loss as they are: `log_softmax` and the loss on it are one function in Keras.


# %%
def build_model(config: Config) -> keras.Model:
    """Build the handout's network, not yet compiled, with the weights of the seed; the ten outputs are logits."""
    keras.utils.set_random_seed(config.seed)
    model = keras.Sequential([keras.Input(INPUT_SHAPE, name="image")], name="mnist")
    model.add(layers.Conv2D(32, 3, activation="relu", **models.torch_initializers(9)))
    model.add(layers.Conv2D(64, 3, activation="relu", **models.torch_initializers(9 * 32)))
    model.add(layers.MaxPooling2D(2))
    if config.dropout:
        model.add(layers.SpatialDropout2D(0.25))  # whole maps: neighbouring pixels of one would give it away
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu", **models.torch_initializers(12 * 12 * 64)))
    if config.dropout:
        model.add(layers.Dropout(0.5))
    model.add(layers.Dense(N_CLASSES, **models.torch_initializers(128)))
    return model


# %% [markdown]
# ## Training
# Question 1.1 asks for the loss on the whole training set. Keras' own `loss` is the mean over the epoch's steps: each
# batch is measured before the step it causes, with dropout. Beside it the same images are measured again after the
# epoch, as the test images are: with the weights of that moment, without dropout.


# %%
def train(config: Config, data: ImageDataset, folder: Path, on_epoch: Callable[[], None] = lambda: None) -> Run:
    """Train the network and measure both losses after each epoch."""
    subsets = split(config, data)
    model = build_model(config)
    steps = arithmetic.steps_per_epoch(len(subsets["train"][0]), config.batch_size)
    learning_rate = keras.optimizers.schedules.ExponentialDecay(
        config.learning_rate, steps, config.decay, staircase=True
    )
    history = training.fit(
        model, subsets["train"], subsets["test"],
        # As in torch: Keras' own rho is 0.95, its epsilon ten times smaller.
        optimizer=keras.optimizers.Adadelta(learning_rate, rho=0.9, epsilon=1e-6),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        batch_size=config.batch_size, epochs=config.epochs, seed=config.seed, folder=folder,
        callbacks=[
            training.TrainingSetMeasures(*subsets["train"]),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch()),
        ],
    )  # fmt: skip
    logs = training.logs_of_test(history)
    parameters = models.trainable_parameters(model)
    return Run("", "", config.seed, config.batch_size, parameters, logs, history.epoch_seconds)


# %% [markdown]
# ## Experiments
# In the handout's order.


# %%
def experiments(config: Config) -> dict[str, Config]:
    """Give the settings of the four experiments, by name."""
    return {
        "base": replace(config, swapped=False, dropout=True),
        "swapped": replace(config, swapped=True, dropout=True),
        "swapped_no_dropout": replace(config, swapped=True, dropout=False),
        "no_dropout": replace(config, swapped=False, dropout=False),
    }


def run(
    config: Config, data: ImageDataset | None = None, folder: Path | None = None, progress: bool = False
) -> Results:
    """Train and measure all that the chosen questions need.

    ``data`` replaces the download. ``folder`` remembers finished runs and the state of an interrupted one; without it
    nothing is written. ``progress`` shows one bar over the epochs of all runs.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return run(config, data, Path(temporary), progress)
    asked = questions.of_lab(sys.modules[__name__])
    needed = {name for each in questions.choose(asked, config.questions or tuple(asked)) for name in each.needs}
    data = load_data(config) if data is None else data
    split(config, data)  # before the first training: are there enough images?
    plan = [
        (name, name, experiment)
        for seeded in studies.seeded(config, config.n_seeds)
        for name, experiment in experiments(seeded).items()
        if name in needed
    ]
    results = Results(
        "mnist_losses", studies.json_ready(config), data.name, data.source, backend.environment(),
        values={"parameters": models.trainable_parameters(build_model(config))},
    )  # fmt: skip
    results.runs = studies.train_all(
        plan,
        lambda experiment, path, on_epoch: train(experiment, data, path, on_epoch),
        lambda experiment: _identity(experiment, data),
        folder,
        progress,
    )
    return results


def _identity(config: Config, data: ImageDataset) -> dict:
    """Give all that a training depends on."""
    return studies.identity(
        config,
        without={"preset", "questions", "data", "language", "n_seeds"},
        source=data.source,
        code=(arithmetic, backend, metrics, models, preprocessing, training, split, build_model, train),
        constants=(MEAN, DEVIATION),
        environment=backend.environment(),
    )  # fmt: skip


# %% [markdown]
# ## 1.1 to 1.4 Two losses in four experiments


# %%
def verdict(runs: list[Run]) -> dict[str, float]:
    """Tell, from the mean over the seeds, where the test loss was least and how far above it ended."""
    train_loss, test_loss = tables.mean_log(runs, "train_loss"), tables.mean_log(runs, "test_loss")
    return {
        "epochs": len(test_loss),
        "first_train": float(train_loss[0]),
        "last_train": float(train_loss[-1]),
        "first_test": float(test_loss[0]),
        "last_test": float(test_loss[-1]),
        "best_epoch": metrics.best_epoch(test_loss),
        "least_test": float(test_loss.min()),
        "rise": metrics.rise(test_loss),
        "test_accuracy": float(tables.mean_log(runs, "test_accuracy")[-1]),
    }


def overfits(found: dict[str, float]) -> bool:
    """Say whether a verdict is overfitting: the test loss ends above its least value by more than 5 %."""
    return found["rise"] > metrics.OVERFITTING


def _commented(results: Results, name: str, texts: tuple[str, ...] = ("answer",), **values: object) -> Answer:
    """Answer with an experiment's verdict: the text ``overfit`` or ``no_overfit`` says which."""
    found = verdict(results.of_study(name))
    values = found | {"n_train": results.config["n_train"], "n_test": results.config["n_test"], **values}
    values["tolerance"] = metrics.OVERFITTING
    return Answer(values, texts=(*texts, "overfit" if overfits(found) else "no_overfit"))


@answers("1.1", needs=("base",))
def base(results: Results) -> Answer:
    """Comment both losses of the handout's training."""
    runs = results.of_study("base")
    running, measured = tables.mean_log(runs, "running_loss"), tables.mean_log(runs, "train_loss")
    misleads = running[-1] > verdict(runs)["last_test"]
    return _commented(
        results, "base", ("answer", "running_above") if misleads else ("answer",),
        parameters=results.values["parameters"], batch_size=results.config["batch_size"],
        last_running=float(running[-1]), times=float(running[-1] / measured[-1]),
    )  # fmt: skip


@answers("1.2", needs=("base", "swapped"))
def swapped(results: Results) -> Answer:
    """Comment both losses when training and test sets are swapped."""
    usual = verdict(results.of_study("base"))
    found = verdict(results.of_study("swapped"))
    config = results.config
    return _commented(
        results, "swapped", base_test=usual["last_test"], base_accuracy=usual["test_accuracy"],
        base_train=usual["last_train"], times=found["last_test"] / usual["last_test"],
        steps=arithmetic.steps_per_epoch(config["n_test"], config["batch_size"]),
        base_steps=arithmetic.steps_per_epoch(config["n_train"], config["batch_size"]),
    )  # fmt: skip


@answers("1.3", needs=("swapped", "swapped_no_dropout"))
def swapped_without_dropout(results: Results) -> Answer:
    """Comment both losses when the sets are swapped and nothing is dropped."""
    return _without_dropout(results, "swapped_no_dropout", "swapped")


@answers("1.4", needs=("base", "no_dropout"))
def without_dropout(results: Results) -> Answer:
    """Comment both losses of the usual sets when nothing is dropped."""
    return _without_dropout(results, "no_dropout", "base")


def _without_dropout(results: Results, name: str, reference: str) -> Answer:
    usual = verdict(results.of_study(reference))
    return _commented(
        results, name, dropout_train=usual["last_train"], dropout_test=usual["last_test"],
        dropout_accuracy=usual["test_accuracy"],
    )  # fmt: skip


# %% [markdown]
# ## 1.5 Synthesis


# %%
@answers("1.5", needs=("base", "swapped", "swapped_no_dropout", "no_dropout"))
def synthesis(results: Results) -> Answer:
    """Say in which of the four experiments the network overfits."""
    names = list(experiments(Config()))
    found = {name: verdict(results.of_study(name)) for name in names}
    table = tables.comparison(
        results.runs,
        train_loss=lambda each: each.history["train_loss"][-1],
        least_test_loss=lambda each: min(each.history["test_loss"]),
        test_loss=lambda each: each.history["test_loss"][-1],
        test_accuracy=lambda each: each.history["test_accuracy"][-1],
        epoch_seconds=tables.epoch_seconds,
    )
    by_name = pd.DataFrame(
        {
            "setting": Word(name),
            "least_at_epoch": found[name]["best_epoch"],
            "rise_percent": 100 * found[name]["rise"],
            "overfitting": Word("yes" if overfits(found[name]) else "no"),
        }
        for name in names
    )
    table = table.merge(by_name, on="setting")
    overfitting = {name for name in names if overfits(found[name])}
    if overfitting == {"swapped_no_dropout", "no_dropout"}:
        text = "without_dropout_alone"
    else:
        text = "elsewhere" if overfitting else "nowhere"
    values = {f"{name}_{key}": value for name in names for key, value in found[name].items()}
    values |= {"tolerance": metrics.OVERFITTING, "n_overfitting": len(overfitting), "epochs": found["base"]["epochs"]}
    values["ratio"] = round(results.config["n_train"] / results.config["n_test"], 1)
    return Answer(values, table, ("answer", text))


# %% [markdown]
# ## Figures


# %%
def figures(results: Results, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow, named by the question it answers."""
    album = plots.Album(results, language)
    names = {name: word(name, language) for name in experiments(Config())}
    for number, name in enumerate(names, start=1):
        if runs := results.of_study(name):
            album.draw(
                f"1.{number}_losses", plots.train_and_test_losses, runs, subject=(Word(name),),
                best_epoch=verdict(runs)["best_epoch"], n_seeds=len(runs),
            )  # fmt: skip
    if len({each.study for each in results.runs}) == len(names):
        for log, scale in (("train_loss", True), ("test_loss", False)):
            album.draw(
                f"1.5_{log}", plots.quantity, results.runs, {log: ""}, ylabel=word(log, language).capitalize(),
                logarithmic=scale, names=names, n_seeds=results.config["n_seeds"],
            )  # fmt: skip
    return album.figures


# %% [markdown]
# ## Command line


# %% active="py"
def main(config: Config) -> None:
    """Run the lab, print its answers, save its results and figures."""
    folder = paths.writable_folder(paths.figures("mnist_losses"), "MI204_FIGURES")
    asked = questions.of_lab(sys.modules[__name__])
    chosen = questions.choose(asked, config.questions or tuple(asked))
    data = load_data(config)
    cli.print_notice(data.name, data.notice, config.language)
    build_model(config).summary()
    results = run(config, data, folder / "runs", progress=True)
    results.save(folder)
    cli.print_answers(results, chosen, config.language)
    cli.print_paths(save_figures(figures(results, config.language), folder), config.language)


if __name__ == "__main__":
    cli.start(Config, PRESETS, main)
