"""Perceptrons and convolutional networks on Fashion-MNIST (homework 004).

    python -m labs.fashion_trainer                       questions 2.1 to 2.5, as the homework asks
    python -m labs.fashion_trainer --questions 2.2       the study that this question needs
    python -m labs.fashion_trainer --engine torch        trained by the homework's Trainer in place of Keras
    python -m labs.fashion_trainer --preset quick        everything, very small: does it all run here?
    KERAS_BACKEND=jax python -m labs.fashion_trainer     the same on another backend
    python -m mi204 grade solution.py                    grade a solution of part 1

Results and figures go to figures/fashion_trainer. Ctrl-C stops; the same command goes on where it stopped.
"""

# %%
from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd
from keras import layers
from matplotlib.figure import Figure
from tyro.conf import Suppress

from mi204 import (
    architectures,
    arithmetic,
    backend,
    cli,
    losses,
    metrics,
    models,
    packages,
    paths,
    plots,
    preprocessing,
    questions,
    settings,
    studies,
    tables,
    training,
)
from mi204.architectures import ActivationName, NetworkConfiguration, NetworkType
from mi204.datasets import DataChoice, ImageDataset, fashion_mnist
from mi204.errors import SettingError
from mi204.language import Language, Word, fill, word
from mi204.preprocessing import one_hot
from mi204.questions import Answer, answers
from mi204.results import Results, Run, save_figures
from mi204.settings import Preset

# %%
Engine = Literal["keras", "torch"]
INPUT_SHAPE = (28, 28, 1)
N_CLASSES = 10
TOLERANCE = 10_000
"""Parameters by which "approximately as many" may differ, says the homework."""
N_LOGGED = 2000
"""Training images on which loss and accuracy are logged."""


@dataclass(frozen=True)
class Config:
    """Settings of the lab; the defaults are the homework's."""

    preset: Preset = "course"
    """Size of the whole: quick (a minute), course (the homework's), full (three seeds)."""
    questions: tuple[str, ...] = ()
    """Answer these questions only, such as 2.2 2.4, and run what they need."""
    data: DataChoice = "auto"
    """Real images or the procedural sample; auto takes the sample when the real ones cannot be had, and says so."""
    language: Language = "en"
    """Language of what is printed and drawn."""
    engine: Engine = "keras"
    """What trains: Keras on the chosen backend, or the homework's Trainer in torch."""
    seed: int = 0
    """Seed of the initial weights; the homework does not shuffle."""
    n_seeds: int = 1
    """Repetitions, with seeds seed, seed + 1, …"""
    n_train: int = 60_000
    """Training images, the first of the official training set."""
    n_validation: int = 2000
    """Validation images, the first of the official test set."""
    n_test: int = 8000
    """Test images, the next of the official test set."""
    epochs: int = 50
    """Passes over the training images."""
    batch_size: int = 128
    """Images per step."""
    learning_rate: float = 0.0001
    """Step of Adam, except where question 2.2 compares others."""
    learning_rates: tuple[float, ...] = (0.01, 1e-4, 1e-8)
    """Steps of Adam compared by question 2.2."""
    activation: ActivationName = "relu"
    """Activation of the hidden layers: relu, tanh or sigmoid."""
    normalization: Suppress[bool] = True
    """Centre and scale each pixel over the training images."""
    network_type: Suppress[NetworkType] = "mlp"
    """Perceptron or convolutional network."""
    network: Suppress[NetworkConfiguration] = field(default=NetworkConfiguration())
    """Hidden layers of the network."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        settings.check_range(
            self, ("n_seeds", "n_train", "n_validation", "n_test", "epochs", "batch_size"), least=1
        )
        settings.check_range(self, ("seed",), least=0, below=2**31)
        settings.check_range(self, ("learning_rate", "learning_rates"), least=1e-12)
        if len({f"{rate:g}" for rate in self.learning_rates}) < max(2, len(self.learning_rates)):
            raise SettingError(
                f"Expected learning_rates to be two or more different rates, received {self.learning_rates}: change "
                "--learning-rates."
            )
        if self.batch_size > self.n_train:
            raise SettingError(
                f"Expected a batch size of at most {self.n_train} (n_train, the size of the training set), received "
                f"{self.batch_size}: choose a smaller batch or more images."
            )


PRESETS = {
    "quick": Config(preset="quick", n_train=1000, n_validation=200, n_test=200, epochs=2, batch_size=100),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3),
}


# %% [markdown]
# ## Data
# As the homework's `load_dataset`: all training images; the test set gives the validation and the test images.


# %%
@dataclass(frozen=True, eq=False)
class Subset:
    """Images of one use, before anything is done to them."""

    images: np.ndarray
    """float32 (n, 28, 28, 1), from 0 to 255."""
    labels: np.ndarray
    """int64 (n,)."""


def load_data(config: Config) -> ImageDataset:
    """Load Fashion-MNIST, or its sample; downloads once into ``datasets_cache/``."""
    return fashion_mnist.load(config.data)


def split(config: Config, data: ImageDataset) -> dict[str, Subset]:
    """Take the first training images, the first test images for validation and those that follow for the test.

    Raises SettingError when there are not as many.
    """
    for name, wanted, there in (
        ("n_train", config.n_train, len(data.x_train)),
        ("n_validation + n_test", config.n_validation + config.n_test, len(data.x_test)),
    ):
        if wanted > there:
            raise SettingError(f"Expected {name} of at most {there:,}, received {wanted:,}: ask for fewer images.")

    def subset(images: np.ndarray, labels: np.ndarray, start: int, n: int) -> Subset:
        return Subset(images[start : start + n].astype(np.float32), labels[start : start + n])

    return {
        "train": subset(data.x_train, data.y_train, 0, config.n_train),
        "validation": subset(data.x_test, data.y_test, 0, config.n_validation),
        "test": subset(data.x_test, data.y_test, config.n_validation, config.n_test),
    }


# %% [markdown]
# ## Networks
# The sizes that the homework leaves to find are those nearest in parameters to its perceptron.


# %%
def build_model(config: Config) -> keras.Model:
    """Build the network, not yet compiled, with the weights of the seed."""
    keras.utils.set_random_seed(config.seed)
    return models.configured_network(config.network_type, config.network, INPUT_SHAPE, N_CLASSES, config.activation)


def parameters(network_type: NetworkType, network: NetworkConfiguration) -> int:
    """Count the parameters of a network, by hand."""
    return architectures.count_parameters(network_type, network, INPUT_SHAPE, N_CLASSES)


WIDE_MLP = NetworkConfiguration()
TARGET = parameters("mlp", WIDE_MLP)


def nearest(network_type: NetworkType, candidates: Sequence[NetworkConfiguration]) -> NetworkConfiguration:
    """Give the candidate whose number of parameters is nearest to that of the homework's perceptron."""
    return min(candidates, key=lambda network: abs(parameters(network_type, network) - TARGET))


def convolutions(n_channels: tuple[int, ...], kernel_size: int) -> NetworkConfiguration:
    """Describe a CNN of equal kernels with stride 1, no padding and two hidden layers of 256."""
    n = len(n_channels)
    return NetworkConfiguration(n_channels, (kernel_size,) * n, (1,) * n, (0,) * n, (256, 256))


DEEP_MLP = nearest("mlp", [NetworkConfiguration(dense_hiddens=(64,) * n) for n in range(1, 200)])
CNN = nearest("cnn", [convolutions((16, 32, 45), kernel_size) for kernel_size in (1, 2, 3, 4)])
DEEP_CNN = convolutions((8, 16, 32, 64), 1)
SHALLOW_CNN = nearest("cnn", [convolutions((n,), 28) for n in range(1, 200)])


# %% [markdown]
# ## Training


# %%
class HomeworkLogs(keras.callbacks.Callback):
    """Log what the homework's Trainer logs: training loss and accuracy after each epoch, the last gradient's norm."""

    def __init__(self, x: np.ndarray, y: np.ndarray, batch_size: int, on_epoch: Callable[[], None]) -> None:
        """Take the training set, labels one-hot, and what to call after each epoch."""
        super().__init__()
        self.logged = x[:N_LOGGED], y[:N_LOGGED]
        self.last_step = arithmetic.steps_per_epoch(len(x), batch_size) - 1
        start = self.last_step * batch_size
        self.last_batch = x[start:], y[start:]
        self.on_epoch = on_epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Measure the gradient of the last batch, with the weights that it is about to change."""
        if batch == self.last_step:
            slopes = backend.weight_gradients(self.model, losses.clipped_cross_entropy, *self.last_batch)
            self.gradient_norm = float(np.sqrt(sum(np.sum(np.square(slope, dtype=np.float64)) for slope in slopes)))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add to the logs what ``training.fit`` records with its own."""
        logs["train_gradient_norm"] = self.gradient_norm
        logs["train_loss"], logs["train_accuracy"] = evaluate(self.model, *self.logged)
        self.on_epoch()


def evaluate(model: keras.Model, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Give mean loss and accuracy over a set, ``y`` one-hot."""
    probabilities = training.predict(model, x)
    loss = keras.ops.convert_to_numpy(losses.clipped_cross_entropy(y, probabilities)).mean(dtype=np.float64)
    return float(loss), metrics.accuracy(y.argmax(axis=1), probabilities.argmax(axis=1))


def train_with_keras(
    config: Config, subsets: dict[str, Subset], folder: Path, on_epoch: Callable[[], None] = lambda: None
) -> Run:
    """Train the network on Keras, over consecutive batches, and measure it as the homework does."""
    x = {name: subset.images for name, subset in subsets.items()}
    if config.normalization:
        x = {name: preprocessing.standardize_pixels(images, x["train"]) for name, images in x.items()}
    y = {name: one_hot(subset.labels, N_CLASSES) for name, subset in subsets.items()}
    model = build_model(config)
    before = {
        "train": evaluate(model, x["train"][:N_LOGGED], y["train"][:N_LOGGED]),
        "validation": evaluate(model, x["validation"], y["validation"]),
    }
    history = training.fit(
        model, (x["train"], y["train"]), (x["validation"], y["validation"]),
        # As in torch: Keras' own epsilon is ten times larger.
        optimizer=keras.optimizers.Adam(config.learning_rate, epsilon=1e-8),
        loss=losses.clipped_cross_entropy,
        batch_size=config.batch_size, epochs=config.epochs, seed=config.seed, folder=folder, shuffle=False,
        callbacks=[HomeworkLogs(x["train"], y["train"], config.batch_size, on_epoch)],
    )  # fmt: skip
    measured = history.metrics
    logs = {
        "train_loss": [before["train"][0], *measured["train_loss"]],
        "train_accuracy": [before["train"][1], *measured["train_accuracy"]],
        "validation_loss": [before["validation"][0], *measured["val_loss"]],
        "validation_accuracy": [before["validation"][1], *measured["val_acc"]],
        "train_gradient_norm": measured["train_gradient_norm"],
    }
    return _run(config, logs, history.epoch_seconds, evaluate(model, x["test"], y["test"]))


def train_with_torch(
    config: Config, subsets: dict[str, Subset], folder: Path, on_epoch: Callable[[], None] = lambda: None
) -> Run:
    """Train the network with the homework's Trainer; nothing is saved in ``folder`` before the end."""
    from mi204.interop import torch_trainer  # torch may not be installed

    trainer, epoch_seconds = torch_trainer.train(
        {name: (subset.images, subset.labels) for name, subset in subsets.items()},
        config.network_type, config.network, seed=config.seed, epochs=config.epochs, batch_size=config.batch_size,
        learning_rate=config.learning_rate, activation=config.activation, normalization=config.normalization,
        on_epoch=on_epoch,
    )  # fmt: skip
    return _run(config, trainer.train_logs, epoch_seconds, trainer.evaluate(*trainer.test))


def _run(config: Config, logs: dict[str, list[float]], epoch_seconds: list[float], test: tuple[float, float]) -> Run:
    count = parameters(config.network_type, config.network)
    measures = {"test_loss": test[0], "test_acc": test[1]}
    return Run("", "", config.seed, config.batch_size, count, logs, epoch_seconds, measures)


# %% [markdown]
# ## Studies
# Each setting of a study is a whole `Config`; a network that two studies compare is trained once.


# %%
STUDIES = ("raw", "normalised", "depth", "cnn", "width")


def study(name: str, config: Config) -> dict[str, Config]:
    """Give the settings that a study compares, by name."""
    networks = {
        "mlp": replace(config, network_type="mlp", network=WIDE_MLP),
        "deep_mlp": replace(config, network_type="mlp", network=DEEP_MLP),
        "cnn": replace(config, network_type="cnn", network=CNN),
        "deep_cnn": replace(config, network_type="cnn", network=DEEP_CNN),
        "shallow_cnn": replace(config, network_type="cnn", network=SHALLOW_CNN),
    }
    if name in ("raw", "normalised"):
        mlp = replace(networks["mlp"], normalization=name == "normalised")
        return {f"{rate:g}": replace(mlp, learning_rate=rate) for rate in config.learning_rates}
    chosen = {"depth": ("mlp", "deep_mlp"), "cnn": ("mlp", "cnn"), "width": ("cnn", "deep_cnn", "shallow_cnn")}[name]
    return {network: networks[network] for network in chosen}


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
    chosen = questions.choose(
        asked := questions.of_lab(sys.modules[__name__]), config.questions or tuple(asked)
    )
    needed = {name for question in chosen for name in question.needs}
    if config.engine == "torch":
        packages.require("torch", "--engine keras")
    data = load_data(config) if data is None else data
    subsets = split(config, data)
    results = Results(
        "fashion_trainer", studies.json_ready(config), data.name, data.source, _environment(config),
        values={"classes": list(data.classes), "networks": _networks()},
    )  # fmt: skip
    _equivariance(results, config, subsets["train"].images[0] / 255)
    plan = [
        (name, setting, changed)
        for name in STUDIES
        if name in needed
        for seeded in studies.seeded(config, config.n_seeds)
        for setting, changed in study(name, seeded).items()
    ]
    train = train_with_torch if config.engine == "torch" else train_with_keras

    def train_one(changed: Config, path: Path, on_epoch: Callable[[], None]) -> Run:
        return train(changed, subsets, path, on_epoch)

    results.runs = studies.train_all(plan, train_one, lambda changed: _identity(changed, data), folder, progress)
    return results


def _identity(config: Config, data: ImageDataset) -> dict:
    """Give all that a training depends on."""
    if config.engine == "torch":
        from mi204.interop import torch_trainer

        code = (architectures, arithmetic, torch_trainer, split, train_with_torch)
    else:
        code = (architectures, arithmetic, backend, losses, metrics, models, preprocessing, training, split,
                build_model, train_with_keras, HomeworkLogs, evaluate)  # fmt: skip
    return studies.identity(
        config,
        without={"preset", "questions", "data", "language", "n_seeds", "learning_rates"},
        source=data.source,
        code=code,
        environment=_environment(config),
    )


def _environment(config: Config) -> dict[str, str]:
    """Describe where numbers were measured; the Trainer needs torch, whatever the backend of Keras."""
    if config.engine == "keras":
        return backend.environment()
    return {**backend.environment(), "backend": "torch (Trainer)", "torch": packages.version("torch")}


def _networks() -> dict[str, dict]:
    """Describe the five networks by their sizes and parameters."""
    return {
        name: {
            "parameters": parameters(config.network_type, config.network),
            "difference": parameters(config.network_type, config.network) - TARGET,
            **config.network._asdict(),
        }
        for name, config in (study("depth", Config()) | study("width", Config())).items()
    }


def _equivariance(results: Results, config: Config, image: np.ndarray) -> None:
    """Compare what a small convolutional network makes of a moved image with its own output, moved (question 2.1).

    ``image`` is (28, 28, 1) from 0 to 1. The network applies one 3x3 convolution twice, each time with ReLU.
    """
    rng = np.random.default_rng(config.seed)
    convolution = layers.Conv2D(1, 3, activation="relu")
    convolution.build((None, None, None, 1))

    def network(x: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(convolution(convolution(x[None])))[0]

    features = np.zeros(1)
    while not features.any():  # with most weights negative, ReLU leaves nothing to look at
        # Torch's initial weights for nine inputs, from numpy: the same kernel on every backend.
        convolution.set_weights([rng.uniform(-1 / 3, 1 / 3, size).astype(np.float32) for size in ((3, 3, 1, 1), (1,))])
        features = network(image)

    def shift(x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((SHIFT, 0), (SHIFT, 0), (0, 0)))[:-SHIFT, :-SHIFT]

    def rotation(x: np.ndarray) -> np.ndarray:
        return np.rot90(x, -1)

    results.arrays |= {"original": image[..., 0], "features": features[..., 0]}
    for name, transformation in (("shift", shift), ("rotation", rotation)):
        difference = np.abs(transformation(features) - network(transformation(image)))
        results.arrays[f"{name}_difference"] = difference[..., 0]


SHIFT = 5
"""Pixels, right and down, by which question 2.1 moves the image."""


# %% [markdown]
# ## 2.1 Equivariance


# %%
@answers("2.1")
def equivariance(results: Results) -> Answer:
    """Measure where a convolution commutes with a shift, and that it does not with a rotation."""
    shift, rotation = results.arrays["shift_difference"], results.arrays["rotation_difference"]
    return Answer(
        {
            "largest": float(results.arrays["features"].max()),
            "inside": float(shift[SHIFT:, SHIFT:].max()),
            "border": float(max(shift[:SHIFT].max(), shift[:, :SHIFT].max())),
            "n_border": SHIFT,
            "rotation": float(rotation.max()),
            "rotation_share": float((rotation > 1e-3 * results.arrays["features"].max()).mean()),
        }
    )


# %% [markdown]
# ## 2.2 Learning rates and normalisation


# %%
def final(name: str) -> Callable[[Run], float]:
    """Give the function that reads the last value of a log."""
    return lambda each: each.history[name][-1]


def best_validation_accuracy(each: Run) -> float:
    """Give the highest validation accuracy of a run, at whatever epoch."""
    return max(each.history["validation_accuracy"])


def test_accuracy(each: Run) -> float:
    """Give the accuracy on the test images."""
    return each.measures["test_acc"]


def _comparison(runs: list[Run]) -> pd.DataFrame:
    return tables.comparison(
        runs,
        parameters=lambda each: each.parameters,
        train_accuracy=final("train_accuracy"),
        validation_accuracy=final("validation_accuracy"),
        best_validation_accuracy=best_validation_accuracy,
        test_accuracy=test_accuracy,
        epoch_seconds=tables.epoch_seconds,
    )


@answers("2.2", needs=("raw", "normalised"))
def learning_rates(results: Results) -> Answer:
    """Compare learning rates with and without normalised pixels."""
    parts, best, after_one = [], {}, {}
    for name in ("raw", "normalised"):
        runs = results.of_study(name)
        table = _comparison(runs)
        table.insert(0, "normalization", Word("with_normalization" if name == "normalised" else "no_normalization"))
        table["setting"] = table["setting"].map(float)
        parts.append(table.drop(columns="parameters"))
        best |= {(name, rate): value for rate, value in tables.means(runs, best_validation_accuracy).items()}
        first_epoch = tables.means(runs, lambda each: each.history["validation_accuracy"][1])
        after_one |= {(name, rate): value for rate, value in first_epoch.items()}
    name, rate = max(best, key=best.get)
    smallest, largest = min(results.config["learning_rates"]), max(results.config["learning_rates"])
    values = {
        "best_rate": float(rate),
        "best_normalization": Word("with_normalization" if name == "normalised" else "no_normalization"),
        "best": best[name, rate],
        "best_raw": best["raw", rate],
        "best_normalised": best["normalised", rate],
        "first_raw": after_one["raw", rate],
        "first_normalised": after_one["normalised", rate],
        "smallest": smallest,
        "smallest_raw": best["raw", f"{smallest:g}"],
        "smallest_normalised": best["normalised", f"{smallest:g}"],
        "largest": largest,
        "largest_raw": best["raw", f"{largest:g}"],
        "largest_normalised": best["normalised", f"{largest:g}"],
    }
    stuck = max(values["smallest_raw"], values["smallest_normalised"]) < values["best"] / 2
    overshooting = float(rate) < largest
    texts = ("answer", "small_stuck" if stuck else "small_slow", "large_worse" if overshooting else "large_best")
    saturated = [
        each for name in ("raw", "normalised") for each in results.of_study(name)
        if each.setting == f"{largest:g}" and each.history["train_gradient_norm"][-1] == 0
    ]  # fmt: skip
    if saturated:
        values["saturated"] = Word("with_normalization" if saturated[0].study == "normalised" else "no_normalization")
        values["saturated_loss"] = final("train_loss")(saturated[0])
        texts += ("large_saturated",)
    return Answer(values, pd.concat(parts, ignore_index=True), texts)


# %% [markdown]
# ## 2.3 A deep and narrow perceptron


# %%
GRADIENT_DIVISORS = {"relu": 6, "tanh": 3, "sigmoid": 48}
"""What one layer divides the variance of the gradient by at first: 3 by torch's weights, uniform in ±1/sqrt(inputs),
and 1 / slope² by the activation: half of the neurons have slope 0 with ReLU, all have about 1 with tanh, 1/4 with
sigmoid."""


@answers("2.3", needs=("depth",))
def deep_perceptron(results: Results) -> Answer:
    """Compare a perceptron with a narrow one of as many parameters and many layers."""
    networks, runs = results.values["networks"], results.of_study("depth")
    wide, deep = (
        [each for each in runs if each.setting == setting] for setting in ("mlp", "deep_mlp")
    )

    def mean(of: list[Run], value: Callable[[Run], float]) -> float:
        return float(np.mean([value(each) for each in of]))

    def norm(of: list[Run], statistic: Callable[[list[float]], float]) -> float:
        return mean(of, lambda each: float(statistic(each.history["train_gradient_norm"])))

    values = {
        "wide_parameters": networks["mlp"]["parameters"],
        "n_layers": len(networks["deep_mlp"]["dense_hiddens"]),
        "layer_parameters": arithmetic.dense_parameters(64, 64),
        "deep_parameters": networks["deep_mlp"]["parameters"],
        "wide": mean(wide, final("validation_accuracy")),
        "deep": mean(deep, final("validation_accuracy")),
        "wide_norm": norm(wide, np.median),
        "deep_norm": norm(deep, np.median),
        "wide_least_norm": norm(wide, min),
        "wide_most_norm": norm(wide, max),
        "deep_least_norm": norm(deep, min),
        "deep_most_norm": norm(deep, max),
        "activation": results.config["activation"],
        "divisor": GRADIENT_DIVISORS[results.config["activation"]],
        "first_loss": mean(deep, lambda each: each.history["train_loss"][0]),
        "last_loss": mean(deep, final("train_loss")),
    }
    learned = values["deep"] > 2 / N_CLASSES
    return Answer(values, _comparison(runs), ("answer", "learned" if learned else "not_learned"))


# %% [markdown]
# ## 2.4 A convolutional network of the same size


# %%
@answers("2.4", needs=("cnn",))
def convolutional_network(results: Results) -> Answer:
    """Compare the perceptron with a convolutional network of as many parameters."""
    runs, network = results.of_study("cnn"), results.values["networks"]["cnn"]
    validation, test = tables.means(runs, final("validation_accuracy")), tables.means(runs, test_accuracy)
    gap = tables.means(runs, _gap)
    values = {
        "kernel_size": network["kernel_sizes"][0],
        "parameters": network["parameters"],
        "difference": abs(network["difference"]),
        "mlp": validation["mlp"],
        "cnn": validation["cnn"],
        "mlp_test": test["mlp"],
        "cnn_test": test["cnn"],
        "lead": 100 * (test["cnn"] - test["mlp"]),
        "mlp_gap": gap["mlp"],
        "cnn_gap": gap["cnn"],
        "closer": Word(min(gap, key=gap.get)),
        **_chance(results, test),
    }
    ahead = "cnn_ahead" if values["lead"] > values["chance"] else "cnn_not_ahead"
    return Answer(values, _comparison(runs), ("answer", ahead))


def _chance(results: Results, accuracies: dict[str, float]) -> dict[str, float]:
    """Give how many test images there are, the same for all seeds, and the points they may make by chance."""
    n_measured = results.config["n_test"]
    mean = float(np.mean(list(accuracies.values())))
    return {"n_measured": n_measured, "chance": 100 * metrics.chance_difference(mean, n_measured)}


def _gap(each: Run) -> float:
    """Give the points by which training accuracy exceeds validation accuracy at the end."""
    return 100 * (each.history["train_accuracy"][-1] - each.history["validation_accuracy"][-1])


# %% [markdown]
# ## 2.5 Depth and width of convolutional networks


# %%
@answers("2.5", needs=("width",))
def depth_and_width(results: Results) -> Answer:
    """Compare kernels of one pixel, of three, and of the whole image."""
    runs, networks = results.of_study("width"), results.values["networks"]
    validation, test = tables.means(runs, final("validation_accuracy")), tables.means(runs, test_accuracy)
    gap = tables.means(runs, _gap)
    values = {
        "target": TARGET,
        "deep_parameters": networks["deep_cnn"]["parameters"],
        "deep_difference": abs(networks["deep_cnn"]["difference"]),
        "dense_parameters": architectures.count_parameters(
            "mlp", DEEP_CNN, (architectures.POOLED_SIDE, architectures.POOLED_SIDE, DEEP_CNN.n_channels[-1]), N_CLASSES
        ),
        "tolerance": TOLERANCE,
        "n_channels": networks["shallow_cnn"]["n_channels"][0],
        "shallow_parameters": networks["shallow_cnn"]["parameters"],
        "best": Word(max(test, key=test.get)),
        "worst": Word(min(test, key=test.get)),
        **_chance(results, test),
    }
    for name in validation:
        values |= {name: validation[name], f"{name}_gap": gap[name], f"{name}_test": test[name]}
    lead = 100 * (test["cnn"] - max(test["deep_cnn"], test["shallow_cnn"]))
    return Answer(values, _comparison(runs), ("answer", "cnn_first" if lead > values["chance"] else "cnn_not_first"))


# %% [markdown]
# ## Figures


# %%
def figures(results: Results, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow, named by the question it answers."""
    album = plots.Album(results, language)
    for name in ("original", "features", "shift_difference", "rotation_difference"):
        album.draw(f"2.1_{name}", plots.heat_map, results.arrays[name], label=word(f"label_{name}", language))
    accuracy = {"ylabel": f"{word('accuracy', language).capitalize()} (%)", "scale": 100, "first_epoch": 0}
    training_and_validation = {
        "train_accuracy": word("training", language), "validation_accuracy": word("validation", language)
    }  # fmt: skip
    numbers = {"raw": "2.2", "normalised": "2.2", "depth": "2.3", "cnn": "2.4", "width": "2.5"}
    for study_name, number in numbers.items():
        runs = results.of_study(study_name)
        if not runs:
            continue
        names = {each.setting: _setting(each.setting, language) for each in runs}
        options = {"names": names, "n_seeds": len({each.seed for each in runs})}
        if number == "2.2":
            lines = {"validation_accuracy": word("validation", language)}
            accuracy["ylabel"] = f"{word('validation_accuracy', language).capitalize()} (%)"
        else:
            lines = training_and_validation
            accuracy["ylabel"] = f"{word('accuracy', language).capitalize()} (%)"
        album.draw(f"{number}_accuracy_{study_name}", plots.quantity, runs, lines, **accuracy, **options)
        if study_name == "depth":
            album.draw(
                f"{number}_gradient_norm", plots.quantity, runs, {"train_gradient_norm": ""},
                ylabel=word("gradient_norm", language).capitalize(), logarithmic=True, **options,
            )  # fmt: skip
    return album.figures


def _setting(setting: str, language: Language) -> str:
    """Name a setting: a network is translated, a learning rate is written as the language does."""
    return word(setting, language) if setting[0].isalpha() else fill("{rate:g}", {"rate": float(setting)}, language)


# %% [markdown]
# ## Command line


# %% active="py"
def main(config: Config) -> None:
    """Run the lab, print its answers, save its results and figures."""
    folder = paths.writable_folder(paths.figures("fashion_trainer"), "MI204_FIGURES")
    asked = questions.of_lab(sys.modules[__name__])
    chosen = questions.choose(asked, config.questions or tuple(asked))
    data = load_data(config)
    cli.print_notice(data.name, data.notice, config.language)
    for setting in (study("depth", config) | study("width", config)).values():
        build_model(setting).summary()
    results = run(config, data, folder / "runs", progress=True)
    results.save(folder)
    cli.print_answers(results, chosen, config.language)
    cli.print_paths(save_figures(figures(results, config.language), folder), config.language)


if __name__ == "__main__":
    cli.start(Config, PRESETS, main)
