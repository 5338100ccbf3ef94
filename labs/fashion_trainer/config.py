"""Settings of the lab: what one training depends on, the networks, what is compared, and what the whole runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from tyro.conf import Suppress

from mi204 import architectures, packages, settings
from mi204.architectures import ActivationName, NetworkConfiguration, NetworkType
from mi204.errors import SettingError
from mi204.language import Word
from mi204.results import Setting
from mi204.settings import LabConfig

Engine = Literal["keras", "torch"]
INPUT_SHAPE = (28, 28, 1)
N_CLASSES = 10
WIDE_MLP = NetworkConfiguration(dense_hiddens=(256, 256))
"""The homework's perceptron, which the other networks are compared with."""
N_LOGGED = 2000
"""Training images on which loss and accuracy are logged, the first ones; fewer where there are not as many."""


@dataclass(frozen=True)
class Recipe:
    """One training; the defaults are the homework's."""

    engine: Engine = "keras"
    """What trains: Keras on the chosen backend, or the homework's Trainer in torch."""
    seed: int = 0
    """Seed of the initial weights; the homework does not shuffle."""
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
    activation: ActivationName = "relu"
    """Activation of the hidden layers: relu, tanh or sigmoid."""
    normalization: Suppress[bool] = True
    """Centre and scale each pixel over the training images."""
    network_type: Suppress[NetworkType] = "mlp"
    """Perceptron or convolutional network."""
    network: Suppress[NetworkConfiguration] = WIDE_MLP
    """Hidden layers of the network."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        settings.check_range(self, ("n_train", "n_validation", "n_test", "epochs", "batch_size"), least=1)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        settings.check_range(self, ("learning_rate",), least=1e-12)
        if self.batch_size > self.n_train:
            raise SettingError(
                "Expected a batch size of at most {n_train:,} (n_train, the size of the training set), received "
                "{batch_size:,}: choose a smaller batch or more images.",
                "Taille de lot d'au plus {n_train:,} attendue (n_train, la taille de l'ensemble d'apprentissage), "
                "{batch_size:,} reçue : choisir un lot plus petit ou plus d'images.",
                n_train=self.n_train, batch_size=self.batch_size,
            )


# --- networks: the sizes that the homework leaves to find are those nearest in parameters to its perceptron ---


def parameters(network_type: NetworkType, network: NetworkConfiguration) -> int:
    """Count the parameters of a network, by hand."""
    return architectures.count_parameters(network_type, network, INPUT_SHAPE, N_CLASSES)


def nearest(network_type: NetworkType, candidates: Iterable[NetworkConfiguration]) -> NetworkConfiguration:
    """Give the candidate whose number of parameters is nearest to that of the homework's perceptron."""
    target = parameters("mlp", WIDE_MLP)
    return min(candidates, key=lambda network: abs(parameters(network_type, network) - target))


def convolutions(n_channels: tuple[int, ...], kernel_size: int) -> NetworkConfiguration:
    """Describe a CNN of equal kernels with stride 1, no padding and two hidden layers of 256."""
    n = len(n_channels)
    return NetworkConfiguration(n_channels, (kernel_size,) * n, (1,) * n, (0,) * n, (256, 256))


NETWORKS: dict[str, tuple[NetworkType, NetworkConfiguration]] = {
    "mlp": ("mlp", WIDE_MLP),
    "deep_mlp": ("mlp", nearest("mlp", (NetworkConfiguration(dense_hiddens=(64,) * n) for n in range(1, 200)))),
    "cnn": ("cnn", nearest("cnn", (convolutions((16, 32, 45), kernel_size) for kernel_size in (1, 2, 3, 4)))),
    "deep_cnn": ("cnn", convolutions((8, 16, 32, 64), 1)),
    "shallow_cnn": ("cnn", nearest("cnn", (convolutions((n,), 28) for n in range(1, 200)))),
}


# --- what is compared ---

STUDIES = {
    "raw": (),
    "normalised": (),
    "depth": ("mlp", "deep_mlp"),
    "cnn": ("mlp", "cnn"),
    "width": ("cnn", "deep_cnn", "shallow_cnn"),
}
"""The homework's comparisons, in its order, and the networks of each; the first two compare learning rates."""


def compared(study: str, recipe: Recipe, learning_rates: tuple[float, ...]) -> dict[Setting, Recipe]:
    """Give the recipes that a study compares, by setting."""
    if study in ("raw", "normalised"):
        network_type, network = NETWORKS["mlp"]
        mlp = replace(recipe, network_type=network_type, network=network, normalization=study == "normalised")
        return {f"{rate:g}": replace(mlp, learning_rate=rate) for rate in learning_rates}
    return {
        Word(name): replace(recipe, network_type=NETWORKS[name][0], network=NETWORKS[name][1])
        for name in STUDIES[study]
    }


@dataclass(frozen=True, kw_only=True)
class Config(LabConfig):
    """The lab as a whole."""

    recipe: Suppress[Recipe] = Recipe()
    """The training of the homework's perceptron."""
    learning_rates: tuple[float, ...] = (0.01, 1e-4, 1e-8)
    """Steps of Adam compared by question 2.2."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        super().__post_init__()
        settings.check_range(self, ("learning_rates",), least=1e-12)
        if len({f"{rate:g}" for rate in self.learning_rates}) < max(2, len(self.learning_rates)):
            raise SettingError(
                "Expected learning_rates to be two or more different rates, received {rates}: change "
                "--learning-rates.",
                "Deux taux différents ou plus attendus dans learning_rates, {rates} reçu : changer --learning-rates.",
                rates=str(self.learning_rates),
            )

    def require_packages(self) -> None:
        """The homework's Trainer needs torch, whatever the backend of Keras."""
        if self.recipe.engine == "torch":
            packages.require("torch", "--engine keras")


PRESETS = {
    "quick": Config(
        preset="quick", recipe=Recipe(n_train=1000, n_validation=200, n_test=200, epochs=2, batch_size=100)
    ),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3),
}
