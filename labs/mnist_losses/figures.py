"""From what was measured to the figures, named by the question they answer."""

from __future__ import annotations

from matplotlib.figure import Figure

from labs.mnist_losses.answers import verdict
from labs.mnist_losses.config import EXPERIMENTS
from labs.mnist_losses.measured import Measured
from mi204 import plots, questions
from mi204.language import Language, Word


def figures(measured: Measured, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow."""
    album = plots.Album(measured, questions.vocabulary("mnist_losses"), language)
    for number, name in enumerate(EXPERIMENTS, start=1):
        if runs := measured.of_study(name):
            album.draw(
                f"1.{number}_losses", plots.train_and_test_losses, runs, subject=(Word(name),),
                best_epoch=verdict(runs).best_epoch, n_seeds=len(runs),
            )
    if set(EXPERIMENTS) <= measured.studies:
        names = album.names([Word(name) for name in EXPERIMENTS])
        for log, logarithmic in (("train_loss", True), ("test_loss", False)):
            album.draw(
                f"1.5_{log}", plots.quantity, measured.runs, {log: ""}, ylabel=album.word(log).capitalize(),
                logarithmic=logarithmic, names=names, n_seeds=measured.config.n_seeds,
            )
    return album.figures
