"""Time per epoch of the homework's Trainer, of a bare loop in torch that does the same, and of the Keras port.

    python -P tests/benchmark_trainer.py [rounds]      on the backend of KERAS_BACKEND

Rounds by turns in one process, so that what else the machine does falls on all alike; the first round, which compiles,
does not count.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import torch

from labs.fashion_trainer import lab
from labs.fashion_trainer.config import Config, Recipe, compared
from mi204.interop import torch_trainer

EPOCHS = 2


def bare_loop(subsets, recipe):
    """Train and log as the homework says, in one function; give the seconds per epoch."""
    (x, y), (x_valid, y_valid) = (torch_trainer._tensors(*subsets[name]) for name in ("train", "validation"))
    mean, deviation = x.mean(dim=0), x.std(dim=0)
    x, x_valid = (x - mean) / deviation, (x_valid - mean) / deviation
    y, y_valid = (torch.nn.functional.one_hot(labels, 10).float() for labels in (y, y_valid))
    module = torch.nn.ReLU()
    if recipe.network_type == "mlp":
        network = torch_trainer.Trainer.create_mlp(784, recipe.network, 10, module)
    else:
        network = torch_trainer.Trainer.create_cnn(1, recipe.network, 10, module)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    losses, norms = [], []
    start = time.perf_counter()
    for _ in range(EPOCHS):
        network.train()
        for batch, labels in zip(x.split(recipe.batch_size), y.split(recipe.batch_size), strict=True):
            optimizer.zero_grad()
            loss = -(labels * network(batch).clamp(1e-9, 1 - 1e-9).log()).sum(dim=1).mean()
            loss.backward()
            norms.append(torch.nn.utils.get_total_norm([p.grad for p in network.parameters()]).item())
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            for logged, labels in ((x[:2000], y[:2000]), (x_valid, y_valid)):
                probabilities = network(logged).clamp(1e-9, 1 - 1e-9)
                losses.append(-(labels * probabilities.log()).sum(dim=1).mean().item())
                losses.append((probabilities.argmax(dim=1) == labels.argmax(dim=1)).float().mean().item())
    return (time.perf_counter() - start) / EPOCHS


def main(rounds: int) -> None:
    """Print the seconds per epoch of each way to train, and their ratio to the bare loop."""
    config = Config(data="real", recipe=Recipe(epochs=EPOCHS))
    subsets = lab.split(config.recipe, lab.load_data(config))
    print(f"keras {keras.__version__} on {keras.backend.backend()}, torch {torch.__version__}, {rounds} rounds")
    for name, recipe in compared("cnn", config.recipe, ()).items():
        ways = {
            "bare torch loop": lambda recipe=recipe: bare_loop(subsets, recipe),
            "Trainer": lambda recipe=recipe: np.mean(epochs("torch", recipe, subsets)),
            # The first epoch compiles.
            "Keras port": lambda recipe=recipe: epochs("keras", recipe, subsets)[-1],
        }
        seconds = {way: [] for way in ways}
        for round_ in range(rounds + 1):
            for way, train in ways.items():
                took = train()
                if round_:
                    seconds[way].append(took)
        for way, times in seconds.items():
            ratios = np.divide(times, seconds["bare torch loop"])
            print(f"{name} {way:16} {np.median(times):6.2f} s/epoch, ratio {np.median(ratios):.3f} {ratios.round(2)}")


def epochs(engine: str, recipe: Recipe, subsets: lab.Subsets) -> list[float]:
    """Give the seconds of each epoch of a training with an engine."""
    with tempfile.TemporaryDirectory() as folder:
        return lab.train(replace(recipe, engine=engine), subsets, Path(folder)).epoch_seconds


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
