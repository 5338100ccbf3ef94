"""Speed beside a process that holds one core, and memory over a study, of this checkout and of an earlier one.

    python tests/benchmark_machine.py speed [rounds] [--before FOLDER]
    python tests/benchmark_machine.py memory [--before FOLDER]

Each measure is a child process per backend and checkout, by turns, so that what else the machine does falls on all
alike; medians are printed, as tables. FOLDER holds an earlier state of the project (``git archive``).
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
HERE = Path(__file__).parents[1]
N_FITS = 20


# --- in the child ---


def speed() -> dict[str, float]:
    """Give the milliseconds per step of each lab's networks, in the better of two short epochs."""
    from mi204 import backend

    backend.prepare()
    import keras
    import numpy as np

    from labs.audio_mnist import config as audio_config
    from labs.audio_mnist import lab as audio_mnist
    from labs.cifar_cnn import config as cifar_config
    from labs.cifar_cnn import lab as cifar_cnn
    from labs.fashion_trainer import config as fashion_config
    from labs.fashion_trainer import lab as fashion_trainer
    from labs.mnist_losses import config as mnist_config
    from labs.mnist_losses import lab as mnist_losses
    from mi204 import training

    fashion = fashion_config.compared("cnn", fashion_config.Recipe(), ())
    course = audio_config.Recipe()
    voices = audio_mnist.ours(audio_config.PRESETS["course"], course, "anyone")
    networks = {
        "cifar_cnn": (lambda: cifar_cnn.build_model(cifar_config.Recipe()), 32, 40),
        "fashion mlp": (lambda: fashion_trainer.build_model(fashion["mlp"]), 128, 40),
        "fashion cnn": (lambda: fashion_trainer.build_model(fashion["cnn"]), 128, 12),
        "mnist_losses": (lambda: mnist_losses.build_model(mnist_config.Recipe()), 64, 6),
        "audio course": (lambda: audio_mnist.build_model(course), 50, 10),
        "audio ours": (lambda: audio_mnist.build_model(voices), 32, 10),
    }
    rng, found = np.random.default_rng(0), {}
    for name, (build, batch_size, steps) in networks.items():
        model = build()
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(training.build_optimizer("adam", 0.001), loss, metrics=["acc"])
        n = batch_size * steps
        x = rng.normal(size=(n, *model.input_shape[1:])).astype(np.float32)
        y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, n)]
        with tempfile.TemporaryDirectory() as folder:
            history = training.fit(
                model, (x, y), (x[:10], y[:10]), batch_size=batch_size, epochs=3, seed=0, folder=Path(folder)
            )
        found[name] = 1000 * min(history.epoch_seconds[1:]) / steps
    return found


def memory() -> dict[str, float]:
    """Give the megabytes held before and after some of the trainings of a study of Fashion-MNIST's networks."""
    from mi204 import backend

    backend.prepare()
    from dataclasses import replace

    import numpy as np

    from labs.fashion_trainer import lab
    from labs.fashion_trainer.config import Recipe, compared
    from mi204 import studies

    rng, found = np.random.default_rng(0), {"fit 0": held()}
    subsets = {
        name: (rng.integers(0, 256, (n, 28, 28, 1)).astype(np.float32), rng.integers(0, 10, n))
        for name, n in (("train", 10_000), ("validation", 500), ("test", 500))
    }
    recipes = list(compared("cnn", Recipe(epochs=1, batch_size=500, n_train=10_000), ()).values())
    plan = [studies.Planned("memory", str(i), replace(recipes[i % 2], seed=i)) for i in range(N_FITS)]

    def train(recipe, folder, on_epoch):
        trained = lab.train(recipe, subsets, folder, on_epoch)
        if recipe.seed % 6 == 1:
            found[f"fit {recipe.seed + 1}"] = held()
        return trained

    with tempfile.TemporaryDirectory() as folder:
        studies.train_all(plan, train, "benchmark", Path(folder))
    import resource

    return found | {"highest": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def held() -> float:
    """Give the megabytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


# --- in the parent ---


def child(what: str, checkout: Path, backend: str) -> dict[str, float]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(checkout)}
    finished = subprocess.run(
        [sys.executable, __file__, what, "--child"],
        cwd=checkout, env=environment, capture_output=True, text=True, check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def speeds(checkouts: dict[str, Path], rounds: int) -> None:
    """Print the milliseconds per step, alone and beside a busy neighbour, in each checkout, and the ratios."""
    times = {}
    for number in range(rounds):
        for backend in BACKENDS:
            for busy in (False, True):
                for which in list(checkouts)[:: 1 if number % 2 else -1]:
                    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
                    try:
                        found = child("speed", checkouts[which], backend)
                    finally:
                        if neighbour:
                            neighbour.kill()
                            neighbour.wait()
                    for network, value in found.items():
                        times.setdefault((backend, network), {}).setdefault((which, busy), []).append(value)
                    print(number, backend, "busy" if busy else "alone", which, found, flush=True)
    for (backend, network), columns in times.items():
        middle = {key: median(values) for key, values in columns.items()}
        line = f"{backend:11}{network:14}"
        for busy in (False, True):
            values = [middle[which, busy] for which in checkouts]
            line += f"{'busy' if busy else 'alone':>8}" + "".join(f"{value:8.1f}" for value in values)
            line += f"  x{values[-1] / values[0]:.2f}" if len(values) > 1 else ""
        last = list(checkouts)[-1]
        print(line + f"   busy / alone, {last}: {middle[last, True] / middle[last, False]:.2f}")


def memories(checkouts: dict[str, Path]) -> None:
    """Print the megabytes held over a study, on each backend, in each checkout."""
    for backend in BACKENDS:
        for which, checkout in checkouts.items():
            found = child("memory", checkout, backend)
            print(f"{backend:11}{which:7}", *(f"{name} {value:.0f}" for name, value in found.items()), sep="  ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "memory"))
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--child", action="store_true")
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps({"speed": speed, "memory": memory}[chosen.what]()))
        return
    checkouts = {"before": chosen.before.resolve()} if chosen.before else {}
    checkouts["now"] = HERE
    if chosen.what == "speed":
        speeds(checkouts, chosen.rounds)
    else:
        memories(checkouts)


if __name__ == "__main__":
    main()
