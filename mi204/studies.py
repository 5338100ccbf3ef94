"""Runs of a study: each known by all that it depends on, trained once, its best model kept while something needs it."""

import ast
import importlib.util
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mi204 import backend, results, training
from mi204.results import Run, Setting, Trained

LIBRARY = "mi204"
NO_NUMBER_DEPENDS_ON = {
    f"mi204.{room}"
    for room in (
        "datasets", "errors", "language", "packages", "paths", "questions", "results", "settings", "studies",
        "terminal",
    )
}
"""Rooms that keep, name and say; the data are known by what they contain, not by the code that found them."""


@dataclass(frozen=True)
class Planned:
    """A training to do, and its place among the others."""

    study: str
    setting: Setting
    recipe: Any
    """All that the training depends on but code, data, backend and versions."""
    keep_model: bool = False
    """Whether something needs its models after training: ``best.keras``, ``final.keras``, those of single epochs."""


def seeded(recipe: Any, n_seeds: int) -> list[Any]:
    """Repeat a recipe with the seeds ``seed, seed + 1, …``."""
    return [replace(recipe, seed=recipe.seed + i) for i in range(n_seeds)]


def origin(lab: str, data: str, environment: dict[str, str] | None = None) -> str:
    """Name all that a lab's numbers depend on besides its settings: its code, its data, backend, versions, machine.

    ``lab`` is a module, such as ``labs.cifar_cnn.lab``; ``data`` the fingerprint of its data. The number of threads
    that a user asks for is not part of it: it changes how sums are rounded, which a training may carry further, as it
    does any rounding; a study may go on with another number.
    """
    return results.digest(code(lab), data, environment or backend.environment(), backend.keras_settings())


@cache
def code(module: str) -> str:
    """Name the code of a module and of all rooms that it stands on: their syntax trees, docstrings apart.

    Rooms on which no number depends do not count, so that editing a text, an answer or a figure changes nothing.
    """
    return results.digest({name: _without_docstrings(tree) for name, tree in rooms(module).items()})


def rooms(module: str) -> dict[str, ast.Module]:
    """Give the syntax trees, by name, of a module and of all modules of the library and its own package under it."""
    trees: dict[str, ast.Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in trees or any(name == room or name.startswith(f"{room}.") for room in NO_NUMBER_DEPENDS_ON):
            continue
        trees[name] = ast.parse(Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8"))
        waiting += _imported(trees[name], module.split(".")[0])
    return trees


def _imported(tree: ast.Module, own: str) -> Iterable[str]:
    """List the modules of the library, and of the lab's own package, that a module imports, at its top or later."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in (LIBRARY, own):
                # What is imported from a package is a module itself, or something that stands in it.
                yield name if _is_module(name) else name.rpartition(".")[0]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent is a module, not a package
        return False


def _without_docstrings(tree: ast.Module) -> str:
    """Write a syntax tree without positions, comments and texts that stand alone."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                kept = [each for each in statements if not _is_text(each)]
                setattr(node, name, kept or [ast.Pass()] if statements else [])
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def run_key(recipe: Any, origin: str) -> str:
    """Name a training by its recipe and origin: equal trainings, equal name."""
    return results.digest(asdict(recipe), origin)


def train_all(
    plan: Sequence[Planned],
    train: Callable[[Any, Path, Callable[[], Any]], Trained],
    origin: str,
    folder: Path,
    progress: bool = False,
) -> list[Run]:
    """Give the runs of a plan, in its order; what ``folder`` remembers is not trained.

    ``train(recipe, folder, on_epoch)`` trains one network with ``training.fit`` in its own folder, ``folder/<key>``,
    and calls ``on_epoch`` after each of its ``recipe.epochs``. Where the plan asks to keep its models, what ``fit``
    has written stays there, and a training whose models are missing is done again. ``progress`` shows one bar over the
    epochs of all runs.
    """
    keys = [run_key(each.recipe, origin) for each in plan]
    keep = {key for key, each in zip(keys, plan, strict=True) if each.keep_model}
    runs, epochs = [], 0
    total = sum(each.recipe.epochs for each in plan)
    with tqdm(total=total, unit="epoch", disable=not (progress and plan)) as bar:
        for key, each in zip(keys, plan, strict=True):
            bar.set_description(each.study if each.study == each.setting else f"{each.study} {each.setting}")
            trained = remembered(folder / key, key in keep)
            if trained is None:
                # An interrupted run goes on: its earlier epochs count at once.
                bar.update(training.read_history(folder / key).epochs)
                trained = train(each.recipe, folder / key, bar.update)
                _remember(trained, folder / key, key in keep)
                backend.give_back_memory()
            runs.append(Run(study=each.study, setting=each.setting, seed=each.recipe.seed, key=key, **vars(trained)))
            epochs += each.recipe.epochs
            bar.update(epochs - bar.n)
    return runs


def remembered(folder: Path, with_model: bool = False) -> Trained | None:
    """Read what a finished training measured; None where it is to be done, or done again because its model is gone."""
    trained = results.read_record(Trained, folder / "run.json")
    models = training.best_file(folder), training.final_file(folder)
    if trained is not None and with_model and not all(model.exists() for model in models):
        shutil.rmtree(folder)
        return None
    return trained


def _remember(trained: Trained, folder: Path, keep_model: bool) -> None:
    results.write_record(trained, folder / "run.json")
    if not keep_model:
        for path in folder.iterdir():
            if path.name != "run.json":
                path.unlink()
