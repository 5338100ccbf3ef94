"""Settings of the lab: what one training depends on, and what the whole compares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tyro.conf import Suppress

from mi204 import questions, settings
from mi204.errors import SettingError
from mi204.language import Word
from mi204.results import Setting
from mi204.settings import LabConfig, OptimizerName, ScheduleName

Augmentation = Literal["flip", "crop", "colour", "erase", "cutmix"]
SUBSETS = ("train", "validation", "test")


@dataclass(frozen=True)
class Recipe:
    """One training; the defaults are the handout's."""

    seed: int = 0
    """Seed of the choice of images, the weights and the batches."""
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
    optimizer: OptimizerName = "sgd"
    """Update rule: sgd, SGD with momentum or with Nesterov's variant of it, adam."""
    momentum: float = 0.9
    """Share of the previous step that momentum and nesterov add to the next."""
    learning_rate: float = 0.01
    """Step of the update rule."""
    schedule: ScheduleName = "constant"
    """Learning rate over time: constant, or cosine (rises over the first 15 % of the steps, then falls to zero)."""
    weight_decay: float = 0.0
    """Share of each weight removed per step, times the learning rate."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    batch_size: int = 32
    """Images per step."""
    epochs: int = 20
    """Passes over the training images."""
    n_more: Suppress[int] = 0
    """Training images drawn besides, after all others."""
    kernel_size: Suppress[int] = 3
    """Side of a convolution's kernels, in pixels."""
    pool_size: Suppress[int] = 2
    """Side of the squares of which pooling keeps the maximum, in pixels."""
    activation: Suppress[str] = "relu"
    """What follows every convolution, and the hidden layer."""
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
    start: Suppress[str] = ""
    """Key of the run whose best model it starts from, or digest of the file; empty for the weights of the seed."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        if unknown := set(self.augmentation) - set(get_args(Augmentation)):
            raise SettingError(
                "Expected augmentation among {there}, received {unknown}: choose among these.",
                "Augmentation parmi {there} attendue, {unknown} reçu : choisir parmi elles.",
                there=", ".join(get_args(Augmentation)), unknown=", ".join(sorted(unknown)),
            )
        settings.check_range(
            self, ("n_train", "n_validation", "n_test", "hidden_units", "epochs", "filters", "batch_size"), least=1
        )
        settings.check_range(self, ("dropout", "output_dropout", "label_smoothing", "momentum"), least=0, below=1)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        if self.patience is not None:
            settings.check_range(self, ("patience",), least=1)
        settings.check_range(self, ("l2", "weight_decay"), least=0)
        settings.check_range(self, ("learning_rate",), least=1e-9)
        if self.batch_size > self.n_train:
            raise SettingError(
                "Expected batch sizes of at most {n_train:,} (n_train, the size of the training set), received "
                "{batch_size:,}: choose a smaller batch or more images.",
                "Tailles de lot d'au plus {n_train:,} attendues (n_train, la taille de l'ensemble d'apprentissage), "
                "{batch_size:,} reçue : choisir un lot plus petit ou plus d'images.",
                n_train=self.n_train, batch_size=self.batch_size,
            )
        if not 1 <= len(self.filters) <= 5:
            raise SettingError(
                "Expected 1 to 5 numbers of filters (each pooling halves the 32 pixels), received {filters}: "
                "change --filters.",
                "De 1 à 5 nombres de filtres attendus (chaque pooling divise par deux les 32 pixels), {filters} reçu : "
                "changer --filters.",
                filters=self.filters,
            )


@dataclass(frozen=True, kw_only=True)
class Config(LabConfig):
    """The lab as a whole."""

    recipe: Suppress[Recipe] = Recipe()
    """The training of part II.4 of the notebook."""
    resume_batch_size: int = 8
    """Images per step when training goes on from the best model (part II.5)."""
    resume_epochs: int = 10
    """Passes over the training images when training goes on (part II.5)."""
    checkpoint: Path | None = None
    """Go on from this .keras file instead of the best model of the run (part II.5)."""
    batch_sizes: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Batch sizes compared by question 4.2."""
    optimizer_seeds: int = 3
    """Repetitions of the comparison of optimisers (question 4.3), whose differences are small."""
    deep_filters: Suppress[tuple[int, ...]] = (32, 64, 128, 256)
    """Filters of the deeper network's first convolution and of each of its stages."""
    deep_epochs: int = 60
    """Epochs of the deeper network (question 6.1)."""
    ablation_epochs: int = 40
    """Epochs of each run that measures what one ingredient of the deeper network brings (question 6.1); 0: none."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        super().__post_init__()
        settings.check_range(
            self, ("resume_batch_size", "resume_epochs", "batch_sizes", "optimizer_seeds", "deep_epochs"), least=1
        )
        settings.check_range(self, ("ablation_epochs",), least=0)


PRESETS = {
    "quick": Config(
        preset="quick", recipe=Recipe(n_train=256, n_validation=250, n_test=250, epochs=2), resume_epochs=1,
        batch_sizes=(16, 128), deep_filters=(32, 64), deep_epochs=1, ablation_epochs=0, optimizer_seeds=1,
    ),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3, deep_epochs=200, ablation_epochs=80),
}


# --- recipes: what is compared can be read off them ---


def resumed(config: Config, seed: int, start: str) -> Recipe:
    """Give the recipe of part II.5, which goes on from ``start`` with small batches."""
    return replace(
        config.recipe, seed=seed, start=start, batch_size=config.resume_batch_size, epochs=config.resume_epochs
    )


def deeper(config: Config, recipe: Recipe) -> Recipe:
    """Give the recipe of the deeper network of question 6.1, for the images of a recipe."""
    return Recipe(
        seed=recipe.seed, n_train=recipe.n_train, n_validation=recipe.n_validation, n_test=recipe.n_test,
        network="residual", filters=config.deep_filters, augmentation=("flip", "crop", "colour", "erase", "cutmix"),
        optimizer="nesterov", learning_rate=0.2, schedule="cosine", weight_decay=5e-4, label_smoothing=0.1,
        batch_size=min(128, recipe.n_train), epochs=config.deep_epochs, standardization="set", test_views=6,
    )


def batch_sizes(config: Config, recipe: Recipe) -> dict[Setting, Recipe]:
    """Give the recipes of question 4.2, by batch size."""
    return {str(size): replace(recipe, batch_size=size) for size in config.batch_sizes}


OPTIMIZERS: dict[Setting, tuple[OptimizerName, float]] = {
    "SGD": ("sgd", 0.01), "SGD + momentum": ("momentum", 0.01), "Adam": ("adam", 0.001),
}
"""Update rule and learning rate of each setting of question 4.3."""


def optimizers(config: Config, recipe: Recipe) -> dict[Setting, Recipe]:
    """Give the recipes of question 4.3, by optimiser."""
    return {
        name: replace(recipe, optimizer=optimizer, learning_rate=rate) for name, (optimizer, rate) in OPTIMIZERS.items()
    }


def depths(config: Config, recipe: Recipe) -> dict[Setting, Recipe]:
    """Give the recipes of question 6.1 for the course's network with one to three convolutions."""
    return {
        Word("one_convolution"): replace(recipe, filters=(8,)),
        Word("two_convolutions"): replace(recipe, filters=(8, 16)),
        Word("three_convolutions"): replace(recipe, filters=(8, 16, 32)),
    }


MORE_DATA = 4
"""Times the training images that question 7.2 takes."""


def remedies(config: Config, recipe: Recipe) -> dict[Setting, Recipe]:
    """Give the recipes of question 7.2, by remedy against overfitting."""
    none = replace(recipe, dropout=0.0, output_dropout=0.0, l2=0.0, augmentation=(), patience=None)
    return {
        Word("none"): none,
        Word("dropout"): replace(none, dropout=0.3),
        Word("l2"): replace(none, l2=0.003),
        Word("augmentation"): replace(none, augmentation=("flip", "crop")),
        Word("early_stopping"): replace(none, patience=3),
        Word("more_data"): replace(none, n_more=(MORE_DATA - 1) * recipe.n_train),
        Word("output_dropout"): replace(none, output_dropout=0.3),
    }


def ablations(config: Config, recipe: Recipe) -> dict[Setting, Recipe]:
    """Give the recipes of question 6.1 that lack one ingredient of the deeper network each.

    They have half its filters and fewer epochs: a fraction of the time for each ingredient left out.
    """
    halved = tuple(n_filters // 2 for n_filters in config.deep_filters)
    deep = replace(deeper(config, recipe), filters=halved, epochs=config.ablation_epochs)
    return {
        Word("everything"): deep,
        **{
            Word(f"without_{name}"): replace(
                deep, augmentation=tuple(other for other in deep.augmentation if other != name)
            )
            for name in deep.augmentation
        },
        Word("without_augmentation"): replace(deep, augmentation=()),
        # Without these two, the learning rate must be smaller.
        Word("without_normalization"): replace(deep, batch_normalization=False, learning_rate=0.02),
        Word("without_residual"): replace(deep, residual=False),
        Word("without_cosine"): replace(deep, schedule="constant", learning_rate=0.05),
        Word("without_set_statistics"): replace(deep, standardization="image"),
        Word("without_label_smoothing"): replace(deep, label_smoothing=0.0),
        Word("without_weight_decay"): replace(deep, weight_decay=0.0),
    }


COMPARED = {
    "batch_size": batch_sizes, "optimizer": optimizers, "depth": depths, "remedies": remedies, "ablation": ablations,
}
"""The studies that compare settings, and the recipes of each."""


def needed_studies(config: Config) -> set[str]:
    """Give the studies that the chosen questions need; without a choice, those of the preset."""
    if config.preset == "course" and not config.questions:
        return {"course", "resumed"}
    needed = questions.needed("cifar_cnn", config.questions)
    # The ablation belongs to question 6.1, which can be answered without it.
    return needed | {"ablation"} if "depth" in needed and config.ablation_epochs else needed


def check_images(recipes: Iterable[Recipe], there: int) -> None:
    """Raise SettingError when a training asks for more training images than there are."""
    largest = max((recipe.n_train + recipe.n_more for recipe in recipes), default=0)
    if largest > there:
        raise SettingError(
            "Expected at most {there:,} training images, received {largest:,} (question 7.2 takes {times} times "
            "n_train): choose a smaller --n-train.",
            "Au plus {there:,} images d'apprentissage attendues, {largest:,} reçues (la question 7.2 en prend {times} "
            "fois n_train) : choisir un --n-train plus petit.",
            there=there, largest=largest, times=MORE_DATA,
        )
