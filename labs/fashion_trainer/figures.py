"""From what was measured to the figures, named by the question they answer."""

from __future__ import annotations

from matplotlib.figure import Figure

from labs.fashion_trainer.config import STUDIES
from labs.fashion_trainer.measured import Measured
from mi204 import plots, questions
from mi204.language import Language, Word, fill

NUMBERS = {"raw": "2.2", "normalised": "2.2", "depth": "2.3", "cnn": "2.4", "width": "2.5"}
"""The question that each study answers."""


def figures(measured: Measured, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow."""
    album = plots.Album(measured, questions.vocabulary("fashion_trainer"), language)
    found = measured.equivariance
    for name, image in (
        ("original", found.image),
        ("features", found.features),
        ("shift_difference", found.shift_difference),
        ("rotation_difference", found.rotation_difference),
    ):
        album.draw(f"2.1_{name}", plots.heat_map, image, label=album.word(f"label_{name}"))
    for study in STUDIES:
        if study in measured.studies:
            _compare(album, study)
    return album.figures


def _compare(album: plots.Album, study: str) -> None:
    """Draw accuracies before training and after each epoch; of the two perceptrons, the norm of the gradient too."""
    runs, number = album.measured.of_study(study), NUMBERS[study]
    rates = number == "2.2"
    # Learning rates are written as the language does, networks translated.
    names = album.names([run.setting for run in runs if isinstance(run.setting, Word)]) or {
        run.setting: fill("{rate:g}", {"rate": float(run.setting)}, album.language) for run in runs
    }
    options = {
        "names": names,
        "legend": album.word("learning_rate" if rates else "networks"),
        "n_seeds": album.measured.config.n_seeds,
    }
    lines = {"validation_accuracy": album.word("validation")}
    if not rates:
        lines = {"train_accuracy": album.word("training")} | lines
    ylabel = f"{album.word('validation_accuracy' if rates else 'accuracy').capitalize()} (%)"
    album.draw(
        f"{number}_accuracy_{study}", plots.quantity, runs, lines, ylabel=ylabel, scale=100, first_epoch=0, **options
    )
    if study == "depth":
        album.draw(
            f"{number}_gradient_norm", plots.quantity, runs, {"train_gradient_norm": ""},
            ylabel=album.word("gradient_norm").capitalize(), logarithmic=True, **options,
        )
