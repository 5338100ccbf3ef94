"""Measurements made by hand: every number differs from every other, so that none can be taken for another."""

from dataclasses import replace

import numpy as np
import pytest

from labs.cifar_cnn.config import COMPARED, Config
from labs.cifar_cnn.measured import Channel, Evaluation, Layer, Measured, Stage
from mi204.datasets import class_words
from mi204.language import Word
from mi204.results import Run

CLASSES = ("plane", "car", "bird")
LOSS = {"loss": [2.11, 1.52, 0.83], "val_loss": [1.91, 1.62, 1.87]}
ACCURACY = {"acc": [0.312, 0.523, 0.761], "val_acc": [0.331, 0.442, 0.403]}

# Test and validation accuracy by study and setting.
ACCURACIES = {
    ("course", "course"): (0.412, 0.404), ("resumed", "resumed"): (0.487, 0.458), ("deep", "deep"): (0.683, 0.671),
    ("batch_size", "8"): (0.444, 0.431), ("batch_size", "16"): (0.411, 0.452), ("batch_size", "128"): (0.363, 0.374),
    ("optimizer", "SGD"): (0.401, 0.394), ("optimizer", "SGD + momentum"): (0.513, 0.497),
    ("optimizer", "Adam"): (0.492, 0.505),
    ("depth", "one_convolution"): (0.408, 0.409), ("depth", "two_convolutions"): (0.506, 0.501),
    ("depth", "three_convolutions"): (0.421, 0.419),
    ("remedies", "none"): (0.403, 0.399), ("remedies", "dropout"): (0.416, 0.415), ("remedies", "l2"): (0.314, 0.317),
    ("remedies", "augmentation"): (0.465, 0.462), ("remedies", "early_stopping"): (0.405, 0.406),
    ("remedies", "more_data"): (0.528, 0.524), ("remedies", "output_dropout"): (0.273, 0.278),
    ("ablation", "everything"): (0.624, 0.621), ("ablation", "without_flip"): (0.541, 0.543),
    ("ablation", "without_crop"): (0.617, 0.618), ("ablation", "without_colour"): (0.701, 0.702),
}


@pytest.fixture(scope="module")
def run():
    """Make one run of a study; accuracies, history and times may be given."""

    def make(study, setting=None, seed=0, *, test=None, validation=None, seconds=None, **history):
        setting = study if setting is None else setting
        (usual, validated), number = ACCURACIES[study, setting], list(ACCURACIES).index((study, setting))
        test, validation = usual if test is None else test, validated if validation is None else validation
        # No two runs end alike.
        every = {name: [*values[:-1], values[-1] + 0.001 * number] for name, values in (LOSS | ACCURACY).items()}
        every |= history
        batch_size = int(setting) if study == "batch_size" else 30
        measures = {
            "steps": float(-(-4000 // batch_size)), "train_acc": test + 0.2 + 0.001 * number,
            "validation_acc": validation, "test_acc": test, "test_acc_one_view": test - 0.017,
        }
        return Run(
            study=study, setting=setting if study in ("batch_size", "optimizer") else Word(setting), seed=seed,
            key=f"{study} {setting} {seed}", parameters=987_654 if study == "deep" else 132_010, history=every,
            epoch_seconds=[9.0] + [seconds or 1.5 + 0.1 * number] * (len(every["loss"]) - 1), measures=measures,
        )

    return make


@pytest.fixture(scope="module")
def runs(run):
    """Make the usual runs of some studies, or of all."""

    def make(*names, seeds=(0,)):
        wanted = names or ("course", "resumed", "deep", *COMPARED)
        return [run(study, setting, seed) for seed in seeds for study, setting in ACCURACIES if study in wanted]

    return make


def confusion(diagonal, wrong):
    """Give a matrix of three classes: right answers, and (true, given): number."""
    matrix = np.diag(diagonal)
    for place, number in wrong.items():
        matrix[place] = number
    return matrix


EVALUATION = Evaluation(
    {
        "train": confusion([40, 41, 42], {(0, 1): 3}),
        "validation": confusion([30, 31, 32], {(1, 2): 5}),
        "test": confusion([50, 30, 21], {(1, 0): 7, (2, 0): 11, (2, 1): 8, (0, 2): 2}),
    },
    np.array([0, 1, 2] * 4),
)


def stripes(sizes, seed):
    """Give positive maps (h, w, n) of numbers drawn at random."""
    return np.random.default_rng(seed).random(sizes).astype(np.float32)


@pytest.fixture(scope="module")
def measured(runs):
    """Make measurements of all studies, or of the given runs; other fields may be given."""

    def make(given=None, config=None, recipe=None, **others):
        config = config or Config()
        sizes = {"n_train": 4000, "n_validation": 900, "n_test": 800, "batch_size": 30, "epochs": 3}
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
        names = ("red_channel", "green_channel", "blue_channel")
        fields = {
            "classes": class_words(CLASSES),
            "layers": [
                Layer("conv2d", "Conv2D", "32x32x8", 224, "filters 8", []),
                Layer("flatten", "Flatten", "2048", 0, "", ["conv2d"]),
                Layer("dense", "Dense", "64", 131_136, "units 64", ["flatten"]),
                Layer("dense_1", "Dense", "3", 195, "units 3", ["dense"]),
            ],
            "channels": [
                *(Channel("before", name, 10.0 + i, 240.0 + i, 5.0 + i, 100.0 + i) for i, name in enumerate(names)),
                *(Channel("after", name, -1e-7, 1e-7, 1.0, 1.0) for name in names),
            ],
            "train_images": images, "train_labels": np.array([2, 0, 1] * 4),
            "train_x": rng.normal(size=(12, 32, 32, 3)).astype(np.float32),
            "test_images": images[::-1], "test_labels": np.array([0, 2, 1] * 4),
            "course_maps": {epoch: stripes((32, 32, 4), 1) + noise for epoch, noise in (
                (0, 3 * stripes((32, 32, 4), 2)), (1, 0.2 * stripes((32, 32, 4), 3)), (2, 0.0))},
            "resumed": EVALUATION, "resumed_masks": stripes((12, 32, 32), 4),
            "resumed_maps": stripes((2, 32, 32, 4), 5),
            "deep": EVALUATION, "deep_layers": [Layer("image", "InputLayer", "32x32x3", 0, "", [])],
            "stages": {
                "stage_0": Stage(stripes((12, 32, 32), 6), stripes((32, 32, 4), 7)),
                "stage_1": Stage(stripes((12, 16, 16), 8), stripes((16, 16, 6), 9)),
            },
            "noise_confidence": 0.7345,
        }
        return Measured(
            config=replace(config, recipe=replace(config.recipe, **(sizes | (recipe or {})))), data="CIFAR-10",
            source="real", origin="x", environment={"backend": "jax", "keras": "3.15.1"},
            runs=runs() if given is None else given, **(fields | others),
        )

    return make
