"""From what was measured to the answers; the texts stand in questions.toml."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labs.mnist_losses.config import EXPERIMENTS
from labs.mnist_losses.measured import Measured
from mi204 import arithmetic, metrics, tables
from mi204.language import Word
from mi204.questions import Answer, answers
from mi204.results import Run


@dataclass(frozen=True)
class Verdict:
    """What the losses of one experiment say, from the mean over its seeds."""

    epochs: int
    first_train: float
    """Training loss after the first epoch."""
    last_train: float
    first_test: float
    last_test: float
    best_epoch: int
    """Epoch, from 1, of the least test loss."""
    least_test: float
    rise: float
    """Share by which the test loss ends above its least value."""
    train_at_best: float
    """Training loss at that epoch."""
    train_accuracy: float
    test_accuracy: float
    diverged: int | None
    """First epoch where a loss of one of the seeds is no finite number."""

    @property
    def text(self) -> str:
        """Name of the text that holds."""
        if self.diverged:
            return "diverged_answer"
        if self.epochs == 1:
            return "one_epoch"
        if self.rise <= metrics.OVERFITTING:
            return "no_overfit"
        return "overfit" if self.last_train < self.train_at_best else "both_rise"

    @property
    def overfits(self) -> bool:
        """Whether the test loss rises by more than the tolerance while the training loss falls."""
        return self.text == "overfit"


def verdict(runs: list[Run]) -> Verdict:
    """Read the losses of one experiment."""
    log = {name: tables.mean_log(runs, name) for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy")}
    diverged = [
        epoch for run in runs for name in ("train_loss", "test_loss")
        if (epoch := metrics.diverged_epoch(run.history[name]))
    ]
    best = metrics.best_epoch(log["test_loss"])
    return Verdict(
        epochs=len(log["test_loss"]),
        first_train=float(log["train_loss"][0]),
        last_train=float(log["train_loss"][-1]),
        first_test=float(log["test_loss"][0]),
        last_test=float(log["test_loss"][-1]),
        best_epoch=best,
        least_test=float(log["test_loss"][best - 1]),
        rise=float("nan") if diverged else metrics.rise(log["test_loss"]),
        train_at_best=float(log["train_loss"][best - 1]),
        train_accuracy=float(log["train_accuracy"][-1]),
        test_accuracy=float(log["test_accuracy"][-1]),
        diverged=min(diverged, default=None),
    )


def _commented(
    measured: Measured, name: str, texts: tuple[str, ...], reference: str | None = None, **values: object
) -> Answer:
    """Answer with texts, then with what the experiment's verdict says; nothing is said of numbers that diverged."""
    found, recipe = verdict(measured.of_study(name)), measured.config.recipe
    if found.diverged:
        texts = ()
    elif reference and verdict(measured.of_study(reference)).diverged:
        texts, values = ("reference_diverged",), {"reference": Word(reference)}
    common = {"n_train": recipe.n_train, "n_test": recipe.n_test, "tolerance": metrics.OVERFITTING}
    common |= {"parameters": measured.parameters, "epoch": found.diverged}
    return Answer(vars(found) | common | values, texts=(*texts, found.text))


def _compared(accuracy: float, reference: float, n_tested: int) -> str:
    """Name the text that compares an accuracy with another, beyond what the choice of the images may do."""
    if abs(accuracy - reference) <= metrics.chance_difference((accuracy + reference) / 2, n_tested):
        return "as_many_right"
    return "more_right" if accuracy > reference else "fewer_right"


def result(measured: Measured) -> Answer:
    """Tell in one line what the handout's network recognises, and which of the trainings overfit."""
    found = {name: verdict(measured.of_study(name)) for name in EXPERIMENTS if name in measured.studies}
    if "base" not in found:
        return Answer(texts=("result_in_answers",))
    values = {
        "test_accuracy": found["base"].test_accuracy, "epochs": found["base"].epochs, "n_experiments": len(found),
        "overfitting": [Word(name) for name, each in found.items() if each.overfits],
        "diverged": [Word(name) for name, each in found.items() if each.diverged],
    }
    texts = ["accuracy"]
    if values["diverged"]:
        texts.append("some_diverged")
    elif found["base"].epochs > 1:
        texts.append("overfitting" if values["overfitting"] else "no_overfitting")
    return Answer(values, texts=tuple(texts))



@answers("1.1")
def base(measured: Measured) -> Answer:
    """Comment both losses of the handout's training."""
    runs = measured.of_study("base")
    found, running = verdict(runs), float(tables.mean_log(runs, "running_loss")[-1])
    texts = ["answer", "running_larger" if running > found.last_train else "running_smaller"]
    if running > found.last_test:
        texts.append("running_above")
    return _commented(
        measured, "base", tuple(texts), batch_size=measured.config.recipe.batch_size,
        last_running=running, times=running / found.last_train,
    )


@answers("1.2")
def swapped(measured: Measured) -> Answer:
    """Comment both losses when training and test sets are swapped."""
    usual, found = (verdict(measured.of_study(name)) for name in ("base", "swapped"))
    recipe = measured.config.recipe
    n_tested = min(recipe.n_train, recipe.n_test)
    return _commented(
        measured, "swapped", ("answer", _compared(found.test_accuracy, usual.test_accuracy, n_tested)), "base",
        base_test=usual.last_test, base_accuracy=usual.test_accuracy, base_train=usual.last_train,
        times=found.last_test / usual.last_test,
        steps=arithmetic.steps_per_epoch(recipe.n_test, recipe.batch_size),
        base_steps=arithmetic.steps_per_epoch(recipe.n_train, recipe.batch_size),
    )


@answers("1.3")
def swapped_without_dropout(measured: Measured) -> Answer:
    """Comment both losses when the sets are swapped and nothing is dropped."""
    return _without_dropout(measured, "swapped_no_dropout", "swapped", measured.config.recipe.n_train)


@answers("1.4")
def without_dropout(measured: Measured) -> Answer:
    """Comment both losses of the usual sets when nothing is dropped."""
    return _without_dropout(measured, "no_dropout", "base", measured.config.recipe.n_test)


def _without_dropout(measured: Measured, name: str, reference: str, n_tested: int) -> Answer:
    found, usual = (verdict(measured.of_study(each)) for each in (name, reference))
    return _commented(
        measured, name, ("answer", _compared(found.test_accuracy, usual.test_accuracy, n_tested)), reference,
        dropout_train=usual.last_train, dropout_test=usual.last_test, dropout_accuracy=usual.test_accuracy,
    )


@answers("1.5")
def synthesis(measured: Measured) -> Answer:
    """Say in which of the four experiments the network overfits."""
    found = {name: verdict(measured.of_study(name)) for name in EXPERIMENTS}
    table = tables.comparison(
        [run for name in EXPERIMENTS for run in measured.of_study(name)],
        train_loss=lambda each: each.history["train_loss"][-1],
        least_test_loss=lambda each: float(np.nanmin(each.history["test_loss"])),
        test_loss=lambda each: each.history["test_loss"][-1],
        test_accuracy=lambda each: each.history["test_accuracy"][-1],
        epoch_seconds=tables.epoch_seconds,
    )
    verdicts = pd.DataFrame(
        [
            {
                "setting": Word(name),
                "least_at_epoch": each.best_epoch,
                "rise": each.rise,
                "overfitting": Word("diverged" if each.diverged else "yes" if each.overfits else "no"),
            }
            for name, each in found.items()
        ],
        dtype=object,
    )
    values = {f"{name}_{key}": value for name, each in found.items() for key, value in vars(each).items()}
    overfitting = [Word(name) for name, each in found.items() if each.overfits]
    values |= {
        "tolerance": metrics.OVERFITTING,
        "epochs": found["base"].epochs,
        "overfitting": overfitting,
        "n_seeds": measured.config.n_seeds,
        "diverged": [Word(name) for name, each in found.items() if each.diverged],
        "ratio": round(measured.config.recipe.n_train / measured.config.recipe.n_test, 1),
    }
    return Answer(values, table.merge(verdicts, on="setting"), _synthesis(found, overfitting, measured.config.n_seeds))


def _synthesis(found: dict[str, Verdict], overfitting: list[str], n_seeds: int) -> tuple[str, ...]:
    """Name the texts that hold together."""
    texts = ["answer", "one_seed_each" if n_seeds == 1 else "several_seeds"]
    if any(each.diverged for each in found.values()):
        return (*texts, "some_diverged")
    if found["base"].epochs == 1:
        return (*texts, "one_epoch")
    if not overfitting:
        return (*texts, "nowhere")
    texts.append("somewhere")
    if set(overfitting) != {"no_dropout", "swapped_no_dropout"}:
        return (*texts, "not_as_expected")
    texts.append("without_dropout_alone")
    more_images_help = found["base"].last_test < found["swapped"].last_test
    texts.append("images_lower" if more_images_help else "images_no_lower")
    dropped, whole = (
        [found[name].last_train for name in names]
        for names in (("base", "swapped"), ("no_dropout", "swapped_no_dropout"))
    )
    if max(whole) < min(dropped):
        texts.append("training_losses_mislead")
    return (*texts, "accuracy_is_another_matter")
