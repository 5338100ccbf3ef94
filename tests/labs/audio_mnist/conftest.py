"""Measurements made by hand, every number different from every other, and tones in place of voices."""

from dataclasses import replace

import numpy as np
import pytest

from labs.audio_mnist.config import Config, Recipe
from labs.audio_mnist.measured import Bank, Layer, Measured, Pairs, Recordings, Sound, Split
from labs.audio_mnist.pairs import CONDITIONS
from mi204.datasets import AudioDataset, ImageDataset, mnist, spoken_digits
from mi204.language import Word
from mi204.results import Run

SPEAKERS = ("ada", "bob", "eve")
N_REPETITIONS = 40
COURSE = {"ada": 0.6123, "bob": 0.4234, "eve": 0.5345}
OURS = {"ada": 0.9134, "bob": 0.8845, "eve": 0.8056}
# In the order of CONDITIONS.
PAIRS = {
    "network_image": (0.9811, 0.9712, 0.8413, 0.8314),
    "network_sound": (0.7615, 0.4216, 0.7717, 0.4118),
    "network_early": (0.9851, 0.9742, 0.9133, 0.8924),
    "network_late": (0.9865, 0.9756, 0.9247, 0.9038),
}
CONFIG = Config(
    recipe=Recipe(epochs=4, batch_size=60, learning_rate=0.002, momentum=0.8), n_repetitions=N_REPETITIONS,
    n_left_out=3, n_pairs=1234, n_test_pairs=567, pair_epochs=3, signal_to_noise=6, occlusion=14,
)
HISTORY = {
    "running_loss": [1.95, 0.85, 0.35, 0.0812],
    "train_loss": [1.913, 0.8, 0.31, 0.0712],
    "test_loss": [1.724, 0.9, 0.61, 0.583],
    "running_accuracy": [0.3, 0.7, 0.9, 0.97],
    "train_accuracy": [0.4, 0.8, 0.95, 0.9987],
    "test_accuracy": [0.5016, 0.94, 0.93, 0.9512],
}


@pytest.fixture
def run():
    """Make one run; ``changes`` are entries of its history."""

    def make(study, setting, accuracy=0.9512, seed=0, parameters=75_220, measures=None, **changes):
        history = {name: log for name, log in (HISTORY | changes).items() if study != "ours" or "train_" not in name}
        return Run(
            study=study, setting=setting, seed=seed, key=f"{study}{setting}{seed}", parameters=parameters,
            history=history, epoch_seconds=[9.0, 2.0, 3.0, 4.0], measures=measures or {"clean": accuracy},
        )

    return make


@pytest.fixture
def voices(run):
    """Make the runs of question 2.4, with these accuracies."""

    def make(random=0.9512, course=COURSE, ours=OURS, seed=0, **changes):
        return [
            run("random", Word("course"), random, seed),
            *(run("speakers", name, value, seed, **changes) for name, value in course.items()),
            *(run("ours", name, value, seed, parameters=79_866) for name, value in ours.items()),
        ]

    return make


@pytest.fixture
def paired(run):
    """Make the runs of question 2.7, with these accuracies, condition by condition."""

    def make(accuracies=PAIRS, seed=0, **changes):
        return [
            run(
                "pairs", Word(name), seed=seed, parameters=100_000 + number,
                measures=dict(zip(CONDITIONS, values, strict=True)), **changes.get(name, {}),
            )
            for number, (name, values) in enumerate(accuracies.items())
        ]

    return make


def bank(n_mels, empty=()):
    """Make as many filters, each of one frequency; those that are empty have none."""
    filters = np.zeros((n_mels, 201))
    filters[np.arange(n_mels), np.arange(n_mels) + 3] = 1
    filters[list(empty)] = 0
    return Bank(filters, 55.0 + 10 * np.arange(n_mels))


@pytest.fixture
def banks():
    """Make the filters of both spectrograms, those of these rows empty."""
    return lambda course=(0, 2, 5, 9), true=(): {"course": bank(128, course), "true": bank(64, true)}


SPLIT = Split(
    train=[f"{i % 10}_ada_{i}.wav" for i in range(905)],
    test=[f"{i % 10}_bob_{i}.wav" for i in range(295)],
    n_train={"ada": 310, "bob": 304, "eve": 291},
    n_test={"ada": 90, "bob": 96, "eve": 109},
    mean_before=-94.47,
    mean_after=-0.001,
    test_mean_after=-0.304,
    deviation=19.83,
    silence=0.917,
    layers=[
        Layer("Conv2D", "filters 10", "41x79x10", 500),
        Layer("Conv2D", "filters 11", "19x38x10", 2510),
        Layer("Flatten", "", "7220", 0),
        Layer("Dense", "units 10", "10", 72_210),
    ],
)


@pytest.fixture
def measured(voices, paired, banks):
    """Make measurements of everything; ``changes`` are fields."""

    def make(runs=None, config=CONFIG, **changes):
        labels, speakers, repetitions = np.indices((10, 3, config.n_repetitions)).reshape(3, -1)
        waveform = np.sin(np.arange(2400)).astype(np.float32)
        made = Measured(
            config=config,
            data="voices",
            source="real",
            origin="x",
            environment={"backend": "jax", "keras": "3.15.1", "python": "3.11.7"},
            runs=voices() + paired() if runs is None else runs,
            spoken_source="real",
            written="MNIST",
            written_source="real",
            packages={"keras": "3.15.1", "torch": "unknown"},
            speakers=list(SPEAKERS),
            sampling_rate=8000,
            recordings=Recordings(
                labels, np.array(SPEAKERS)[speakers], repetitions,
                0.3 + 0.1 * speakers + 0.01 * labels + 0.001 * repetitions,
            ),
            remarks={},
            n_cut=0,
            banks=banks(),
            sounds={
                name: Sound(waveform, np.zeros((128, 13), np.float32), np.zeros((64, 31), np.float32))
                for name in ("7_bob_1.wav", "0_ada_3.wav")
            },
            split=SPLIT,
            pairs=Pairs(400, np.array([3, 1, 4]), np.arange(12 * 784, dtype=np.uint8).reshape(3, 4, 28, 28, 1)),
        )
        return replace(made, **changes)

    return make


# --- data ---


def tone(label, speaker, repetition):
    n = 1600 + 100 * speaker + 10 * repetition
    return (0.5 * np.sin(2 * np.pi * (300 + 250 * label) * np.arange(n) / 8000) * np.hanning(n)).astype(np.float32)


@pytest.fixture(scope="session")
def tones():
    """Make ten tones by three speakers, four times each."""
    known = [(label, s, r) for label in range(10) for s in range(3) for r in range(4)]
    labels, numbers, repetitions = (np.array(column) for column in zip(*known, strict=True))
    return AudioDataset(
        name="tones", source="sample", notice=None, classes=spoken_digits.CLASSES,
        waveforms=tuple(tone(*each) for each in known), sampling_rate=8000, labels=labels,
        speakers=np.array(SPEAKERS)[numbers], repetitions=repetitions,
        files=tuple(f"{label}_{SPEAKERS[s]}_{r}.wav" for label, s, r in known), remarks={},
    )


@pytest.fixture(scope="session")
def dots():
    """Make images whose first pixel tells their set, 51 in training, and whose label is the second."""
    images = np.zeros((200, 28, 28, 1), dtype=np.uint8)
    images[:100, 0, 0] = 51
    labels = np.arange(200) % 10
    images[:, 0, 1, 0] = labels
    return ImageDataset(
        name="dots", source="sample", notice=None, classes=mnist.CLASSES,
        x_train=images[:100], y_train=labels[:100], x_test=images[100:], y_test=labels[100:],
    )
