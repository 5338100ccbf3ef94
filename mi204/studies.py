"""Runs of a study: each known by all that it depends on, and trained once."""

import hashlib
import inspect
import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mi204 import paths, training
from mi204.errors import DataError
from mi204.results import Run


def json_ready(config: Any) -> dict[str, Any]:
    """Give the settings of a lab as JSON holds them."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(config).items()}


def seeded(config: Any, n_seeds: int) -> list[Any]:
    """Repeat settings with the seeds ``seed, seed + 1, …``."""
    return [replace(config, seed=config.seed + i) for i in range(n_seeds)]


def identity(
    config: Any,
    *,
    without: Collection[str],
    source: str,
    code: Sequence[Any],
    environment: dict[str, str],
    constants: Sequence[Any] = (),
    start: Path | None = None,
) -> dict[str, Any]:
    """Give all that a training depends on: settings, code, data, backend, the weights it starts from.

    ``without`` names the settings that change what is run or shown, not how one network is trained. ``code`` lists
    modules and functions: what other code has measured is another run. ``source`` says where the data came from,
    ``environment`` the versions and the machine, ``constants`` the values that the code reads from its module.
    """
    settings = {key: value for key, value in json_ready(config).items() if key not in without}
    text = "".join(inspect.getsource(part) for part in code)
    return {
        **settings,
        **environment,
        "source": source,
        "code": hashlib.sha256((text + repr(tuple(constants))).encode()).hexdigest()[:16],
        "start": hashlib.sha256(start.read_bytes()).hexdigest() if start else None,
    }


def run_key(identity: dict[str, Any]) -> str:
    """Name a run by its identity: equal settings, equal name."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]


def remembered(folder: Path, identity: dict[str, Any], train: Callable[[Path], Run]) -> Run:
    """Give the run of this identity: read from ``folder`` if it was finished there before, else trained.

    ``train`` receives a folder for its checkpoints, which is removed once the run is written as ``<key>.json``.
    """
    key = run_key(identity)
    record = folder / f"{key}.json"
    if record.exists():
        return read_run(record)
    run = train(folder / key)
    text = json.dumps(asdict(run), indent=1)
    paths.write_atomically(record, lambda path: path.write_text(text, encoding="utf-8"))
    shutil.rmtree(folder / key, ignore_errors=True)
    return run


def train_all(
    plan: Sequence[tuple[str, str, Any]],
    train: Callable[[Any, Path, Callable[[], Any]], Run],
    identity: Callable[[Any], dict[str, Any]],
    folder: Path,
    progress: bool,
) -> list[Run]:
    """Give the runs of a plan of ``(study, setting, config)``, in its order; what ``folder`` remembers is not trained.

    ``train(config, folder, on_epoch)`` trains one network with ``training.fit`` and calls ``on_epoch`` after each of
    its ``config.epochs``. ``progress`` shows one bar over the epochs of all runs.
    """
    runs, epochs = [], 0
    with tqdm(total=sum(config.epochs for *_, config in plan), unit="epoch", disable=not (progress and plan)) as bar:
        for study, setting, config in plan:
            bar.set_description(study if study == setting else f"{study} {setting}")

            def start(path: Path, config: Any = config) -> Run:
                # An interrupted run goes on: its earlier epochs count at once.
                bar.update(training.read_history(path).epochs)
                return train(config, path, bar.update)

            runs.append(replace(remembered(folder, identity(config), start), study=study, setting=setting))
            epochs += config.epochs
            bar.update(epochs - bar.n)
    return runs


def read_run(record: Path) -> Run:
    """Read a run written by ``remembered``; raises DataError when the file is damaged."""
    try:
        return Run(**json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"Expected a finished run in {record}, received something else ({error}). Delete the file to train again."
        ) from error
