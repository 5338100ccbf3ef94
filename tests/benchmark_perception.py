"""Time an epoch of the networks of handout 000 on each backend, by turns: python -P tests/benchmark_perception.py

``-P``, for beside this file lies a folder ``labs`` too. Each round starts one process per installed backend, so that a
busy machine is busy for all. An epoch is 938 steps of 64 images (MNIST) and 45 steps of 50 spectrograms (spoken
digits), trained by ``training.fit``; the first, which compiles, is not timed. Of MNIST's 938 steps only 100 are run,
and the time is scaled.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROUNDS = 3
STEPS = 100


def child() -> None:
    from mi204 import backend

    backend.prepare()  # as the labs do
    import keras
    import numpy as np

    from labs.audio_mnist import config as audio_config
    from labs.audio_mnist import lab as audio_lab
    from labs.mnist_losses import config as mnist_config
    from labs.mnist_losses import lab as mnist_lab
    from mi204 import training

    rng = np.random.default_rng(0)
    adadelta = keras.optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-6)
    momentum = training.build_optimizer("momentum", 0.001, momentum=0.9)
    for model, optimizer, shape, n, batch_size, scale in (
        (mnist_lab.build_model(mnist_config.Recipe()), adadelta, (28, 28, 1), 64 * STEPS, 64, 938 / STEPS),
        (audio_lab.build_model(audio_config.Recipe()), momentum, (128, 241, 1), 2250, 50, 1),
    ):
        model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["acc"])
        x = rng.normal(size=(n, *shape)).astype(np.float32)
        y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, n)]
        with tempfile.TemporaryDirectory() as folder:
            history = training.fit(
                model, (x, y), (x[:10], y[:10]), batch_size=batch_size, epochs=2, seed=0, folder=Path(folder)
            )
        print(scale * history.epoch_seconds[-1])


def main() -> None:
    backends = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
    rounds = {name: [] for name in backends}
    for _ in range(ROUNDS):
        for name in backends:
            finished = subprocess.run(
                [sys.executable, "-P", __file__, "child"], env={**os.environ, "KERAS_BACKEND": name},
                capture_output=True, text=True, check=True,
            )
            rounds[name].append([float(line) for line in finished.stdout.split()])
            print(name, *(f"{seconds:.1f} s" for seconds in rounds[name][-1]), flush=True)
    print("\nmedian of", ROUNDS, "rounds: seconds per epoch, MNIST and spoken digits")
    for name, seconds in rounds.items():
        print(f"{name:12}", *(f"{median(column):8.1f}" for column in zip(*seconds, strict=True)))


if __name__ == "__main__":
    child() if sys.argv[1:] == ["child"] else main()
