"""Time the course's network: our training against Keras' own fit with the same arguments, side by side.

    KERAS_BACKEND=jax python -P tests/benchmark_training.py [rounds]

Not a test: times are noisy. All train the same epochs by turns; the median of the ratios is what counts. "bare" saves
nothing; "checkpoint" saves the best model as Keras does, as ours does too.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from labs.cifar_cnn.config import Recipe
from labs.cifar_cnn.lab import build_model
from mi204 import training
from mi204.backend import environment

EPOCHS = 20


def main(rounds: int) -> None:
    """Print the seconds per epoch of each, and the ratios."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 32, 32, 3)).astype("float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, 6000)]
    train, validation = (x[:5000], y[:5000]), (x[5000:], y[5000:])

    def keras_fit(name: str, callbacks: list[keras.callbacks.Callback]) -> None:
        model = build_model(Recipe())
        model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=["acc"])
        start = time.perf_counter()
        model.fit(
            *train,
            batch_size=32,
            epochs=EPOCHS,
            validation_data=validation,
            validation_batch_size=250,
            verbose=0,
            callbacks=callbacks,
        )
        seconds[name].append((time.perf_counter() - start) / EPOCHS)

    def bare(folder: Path) -> None:
        keras_fit("bare", [])

    def checkpoint(folder: Path) -> None:
        best = keras.callbacks.ModelCheckpoint(folder / "best.keras", "val_acc", save_best_only=True)
        keras_fit("checkpoint", [best])

    def ours(folder: Path) -> None:
        model = build_model(Recipe())
        model.compile(training.build_optimizer("sgd", 0.01), "categorical_crossentropy", metrics=["acc"])
        start = time.perf_counter()
        training.fit(
            model,
            train,
            validation,
            batch_size=32,
            epochs=EPOCHS,
            seed=0,
            folder=folder,
        )
        seconds["ours"].append((time.perf_counter() - start) / EPOCHS)

    seconds: dict[str, list[float]] = {"bare": [], "checkpoint": [], "ours": []}
    turns = [bare, checkpoint, ours]
    for number in range(rounds):
        for turn in turns[number % 3 :] + turns[: number % 3]:
            with tempfile.TemporaryDirectory() as folder:
                turn(Path(folder))
    print(environment())
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.3f} s per epoch (from {min(values):.3f} to {max(values):.3f})")
    for other in ("bare", "checkpoint"):
        ratios = [a / b for a, b in zip(seconds["ours"], seconds[other], strict=True)]
        print(f"ours / {other}: median {statistics.median(ratios):.3f} of {rounds} rounds")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
