"""Time the course's network: our training against a bare Keras fit with the same arguments, side by side.

    KERAS_BACKEND=jax python tests/benchmark_training.py [rounds]

Not a test: times are noisy. Both train the same epochs by turns; the ratio of the medians is what counts.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from labs.cifar_cnn import Config, build_model
from mi204 import training
from mi204.backend import environment

EPOCHS = 5


def main(rounds: int) -> None:
    """Print the seconds per epoch of both, and their ratio."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 32, 32, 3)).astype("float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, 6000)]
    train, validation = (x[:5000], y[:5000]), (x[5000:], y[5000:])

    def bare(folder: Path) -> None:
        model = build_model(Config())
        model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=["acc"])
        start = time.perf_counter()
        model.fit(
            *train, batch_size=32, epochs=EPOCHS, validation_data=validation, validation_batch_size=250, verbose=0
        )
        seconds["bare"].append((time.perf_counter() - start) / EPOCHS)

    def ours(folder: Path) -> None:
        model = build_model(Config())
        start = time.perf_counter()
        training.fit(
            model, train, validation, optimizer=training.build_optimizer("sgd", 0.01), batch_size=32, epochs=EPOCHS,
            seed=0, folder=folder,
        )
        seconds["ours"].append((time.perf_counter() - start) / EPOCHS)

    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for number in range(rounds):
        for turn in (bare, ours) if number % 2 else (ours, bare):
            with tempfile.TemporaryDirectory() as folder:
                turn(Path(folder))
    print(environment())
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.3f} s per epoch (from {min(values):.3f} to {max(values):.3f})")
    ratios = [a / b for a, b in zip(seconds["ours"], seconds["bare"], strict=True)]
    print(f"ours / bare: median {statistics.median(ratios):.3f} of {rounds} rounds")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
