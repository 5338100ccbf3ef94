"""Tables of runs: one row per setting, mean and standard deviation over the seeds."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from mi204 import metrics
from mi204.results import Run


def by_setting(runs: list[Run], value: Callable[[Run], float]) -> dict[str, list[float]]:
    """Collect a value of each run by setting: one entry per seed, settings in the order of the runs."""
    collected: dict[str, list[float]] = {}
    for run in runs:
        collected.setdefault(run.setting, []).append(float(value(run)))
    return collected


def means(runs: list[Run], value: Callable[[Run], float]) -> dict[str, float]:
    """Give the mean of a value over the seeds, by setting."""
    return {setting: float(np.mean(values)) for setting, values in by_setting(runs, value).items()}


def mean_log(runs: list[Run], name: str) -> np.ndarray:
    """Give an entry of the runs' histories epoch by epoch, (epochs,), as the mean over the runs."""
    return np.mean([run.history[name] for run in runs], axis=0)


def comparison(runs: list[Run], **columns: Callable[[Run], float]) -> pd.DataFrame:
    """Tabulate values of runs by setting, as (mean, sd) over the seeds; the keywords name the columns."""
    counts = by_setting(runs, lambda run: run.seed)
    # As objects: where pyarrow is installed, pandas' own type of text would make plain text of a Word.
    table = pd.DataFrame(
        {"setting": list(counts), "n_seeds": [len(seeds) for seeds in counts.values()]}, dtype=object
    )
    for name, value in columns.items():
        table[name] = [metrics.mean_and_sd(values) for values in by_setting(runs, value).values()]
    return table


def epoch_seconds(run: Run) -> float:
    """Give the mean time of an epoch; the first one, which compiles, does not count unless it is the only one."""
    return float(np.mean(run.epoch_seconds[1:] or run.epoch_seconds))


def step_milliseconds(run: Run) -> float:
    """Give the mean time of a step, its share of the validation included; the first epoch does not count."""
    return 1000 * epoch_seconds(run) / run.measures["steps"]


def best_epoch(run: Run) -> int:
    """Give the epoch, from 1, of the least validation loss."""
    return metrics.best_epoch(run.history["val_loss"])
