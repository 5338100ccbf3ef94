"""Measurements made by hand: every number differs from every other, so that none can be taken for another."""

from dataclasses import replace

import pytest

from labs.mnist_losses.config import EXPERIMENTS, Config
from labs.mnist_losses.measured import Measured
from mi204.language import Word
from mi204.results import Run

# Train and test losses of the four experiments; the last two overfit.
LOSSES = {
    "base": ([0.50, 0.31, 0.21], [0.45, 0.36, 0.34]),
    "swapped": ([0.60, 0.41, 0.22], [0.75, 0.66, 0.64]),
    "swapped_no_dropout": ([0.52, 0.33, 0.11], [0.70, 0.61, 0.73]),
    "no_dropout": ([0.48, 0.29, 0.09], [0.42, 0.35, 0.40]),
}
USUAL = Config()
ACCURACIES = {"base": 0.9871, "swapped": 0.9532, "swapped_no_dropout": 0.9413, "no_dropout": 0.9884}


@pytest.fixture
def run():
    """Make one run of an experiment."""

    def make(name, train=None, test=None, seed=0, accuracy=None, running=None):
        train, test = train or LOSSES[name][0], test or LOSSES[name][1]
        history = {
            "train_loss": train,
            "test_loss": test,
            "running_loss": [0.02 + loss for loss in train] if running is None else running,
            "train_accuracy": [0.8765] * len(train),
            "test_accuracy": [0.5] * (len(test) - 1) + [accuracy or ACCURACIES[name]],
        }
        return Run(
            study=name, setting=Word(name), seed=seed, key=f"{name}{seed}", parameters=1_199_882, history=history,
            epoch_seconds=[9.0] + [1.5] * (len(train) - 1),
        )

    return make


@pytest.fixture
def measured(run):
    """Make measurements of all experiments, or of the given runs."""

    def make(runs=None, config=USUAL, **recipe):
        recipe = replace(config.recipe, **{"n_train": 6000, "n_test": 1000, "batch_size": 50, **recipe})
        return Measured(
            config=replace(config, recipe=recipe), data="MNIST", source="real", origin="x", parameters=1_199_882,
            environment={"backend": "jax", "keras": "3.15.1"},
            runs=[run(name) for name in EXPERIMENTS] if runs is None else runs,
        )

    return make
