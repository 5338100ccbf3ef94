"""Settings of the lab: what one training depends on, and what the whole runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tyro.conf import Suppress

from mi204 import settings
from mi204.errors import SettingError
from mi204.settings import LabConfig


@dataclass(frozen=True)
class Recipe:
    """One training; the defaults are the handout's."""

    seed: int = 0
    """Seed of the initial weights, the order of the images and dropout."""
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
        settings.check_range(self, ("n_train", "n_test", "epochs", "batch_size"), least=1)
        settings.check_range(self, ("seed",), least=0, below=2**31)
        settings.check_range(self, ("learning_rate", "decay"), least=1e-12)
        fewest = min(self.n_train, self.n_test)
        if self.batch_size > fewest:
            raise SettingError(
                "Expected a batch size of at most {fewest:,} (the smaller of n_train and n_test: each trains a "
                "network), received {batch_size:,}: choose a smaller batch or more images.",
                "Taille de lot d'au plus {fewest:,} attendue (le plus petit de n_train et n_test : chacun entraîne un "
                "réseau), {batch_size:,} reçue : choisir un lot plus petit ou plus d'images.",
                fewest=fewest, batch_size=self.batch_size,
            )


EXPERIMENTS = ("base", "swapped", "swapped_no_dropout", "no_dropout")
"""The handout's four trainings, in its order."""


def experiments(recipe: Recipe) -> dict[str, Recipe]:
    """Give the recipes of the four experiments, by name."""
    each = ((False, True), (True, True), (True, False), (False, False))
    return {
        name: replace(recipe, swapped=swapped, dropout=dropout)
        for name, (swapped, dropout) in zip(EXPERIMENTS, each, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class Config(LabConfig):
    """The lab as a whole."""

    recipe: Suppress[Recipe] = Recipe()
    """The training of the first experiment."""


PRESETS = {
    "quick": Config(preset="quick", recipe=Recipe(n_train=1000, n_test=300, epochs=3)),
    "course": Config(),
    "full": Config(preset="full", n_seeds=3),
}
