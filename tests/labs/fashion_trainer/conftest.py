"""Measurements made by hand: every number differs from every other, so that none can be taken for another."""

from dataclasses import replace

import numpy as np
import pytest

from labs.fashion_trainer.config import NETWORKS, STUDIES, Config, parameters
from labs.fashion_trainer.measured import Equivariance, Measured
from mi204.language import Word
from mi204.results import Run

# Validation accuracies before training, after two epochs and at the end; test and training accuracy at the end.
RATES = {
    "raw": {
        "0.01": [0.08, 0.089, 0.088, 0.087], "0.0001": [0.081, 0.71, 0.82, 0.81], "1e-08": [0.082, 0.083, 0.085, 0.084],
    },
    "normalised": {
        "0.01": [0.091, 0.84, 0.87, 0.86], "0.0001": [0.092, 0.78, 0.9, 0.89], "1e-08": [0.093, 0.094, 0.096, 0.095],
    },
}
NETS = {
    "mlp": ([0.101, 0.61, 0.88, 0.875], 0.871, 0.962),
    "deep_mlp": ([0.102, 0.103, 0.104, 0.105], 0.106, 0.107),
    "cnn": ([0.108, 0.62, 0.905, 0.91], 0.903, 0.951),
    "deep_cnn": ([0.109, 0.41, 0.71, 0.73], 0.741, 0.752),
    "shallow_cnn": ([0.112, 0.63, 0.83, 0.85], 0.846, 0.971),
}
COURSE = Config()
SIZES = {name: parameters(*network) for name, network in NETWORKS.items()}


@pytest.fixture
def run():
    """Make one run of a study."""

    def make(study, setting, validation=None, test=None, train=None, losses=None, norms=None, seed=0):
        rate = study in RATES
        usual = (RATES[study][setting], 0.5, 0.6) if rate else NETS[setting]
        validation = validation or usual[0]
        n = len(validation)
        offset = 0.001 * sum(map(ord, study + setting))
        history = {
            "train_loss": losses or [round(9 + offset - 0.5 * i, 3) for i in range(n)],
            "validation_loss": [7.0] * n,
            "train_accuracy": [0.01] * (n - 1) + [train or usual[2]],
            "validation_accuracy": validation,
            "train_gradient_norm": norms or [round(0.3 + offset + 0.05 * i, 4) for i in range(n - 1)],
        }
        return Run(
            study=study, setting=setting if rate else Word(setting), seed=seed, key=f"{study}{setting}{seed}",
            parameters=SIZES["mlp" if rate else setting], history=history,
            epoch_seconds=[9.0] + [1.5] * (n - 2), measures={"test_loss": 0.4, "test_acc": test or usual[1]},
        )

    return make


@pytest.fixture
def equivariance():
    """Make the four arrays of question 2.1; ``inside`` is the shift's difference beyond the border."""

    def make(inside=2e-7, rotation=0.37):
        shift, turned = np.zeros((24, 24), np.float32), np.zeros((24, 24), np.float32)
        shift[2, 20], shift[20, 1], shift[9, 9] = 0.41, 0.52, inside
        turned[:6] = rotation
        features = np.full((24, 24), 0.1, np.float32)
        features[4, 4] = 0.63
        return Equivariance(
            image=np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28), features=features, shift=5,
            shift_difference=shift, rotation_difference=turned,
        )

    return make


@pytest.fixture
def measured(run, equivariance):
    """Make measurements of all studies, or of the given runs."""

    def make(runs=None, config=COURSE, moved=None, networks=None, **recipe):
        sizes = {"n_train": 6000, "n_validation": 1800, "n_test": 7000, "epochs": 3, "batch_size": 50}
        if runs is None:
            runs = [run(study, setting) for study in RATES for setting in RATES[study]]
            runs += [run(study, setting) for study, settings in STUDIES.items() for setting in settings]
        return Measured(
            config=replace(config, recipe=replace(config.recipe, **sizes | recipe)),
            data="Fashion-MNIST", source="real", origin="x", runs=runs,
            environment={"backend": "jax", "keras": "3.15.1"},
            networks={name: network for name, (_, network) in NETWORKS.items()} | (networks or {}),
            equivariance=moved or equivariance(),
        )

    return make
