"""What the figures show, from measurements made by hand."""

import re

import pytest

from labs.mnist_losses.config import EXPERIMENTS
from labs.mnist_losses.figures import figures

NAMES = [
    "1.1_losses_base", "1.2_losses_swapped", "1.3_losses_swapped_no_dropout", "1.4_losses_no_dropout",
    "1.5_train_loss", "1.5_test_loss",
]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_one_figure_per_experiment_and_two_over_all(language, measured):
    drawn = figures(measured(), language)
    assert list(drawn) == NAMES
    titles = [re.sub(r"\s+", " ", figure.get_suptitle()) for figure in drawn.values()]
    assert len(set(titles)) == len(titles)


def test_what_was_not_run_is_not_drawn(run, measured):
    assert list(figures(measured([run("swapped")]), "en")) == ["1.2_losses_swapped"]


def test_curves_are_those_measured_and_the_least_test_loss_is_marked(measured):
    drawn = figures(measured(), "en")
    train_axes, test_axes = drawn["1.3_losses_swapped_no_dropout"].axes
    assert list(train_axes.lines[0].get_ydata()) == [0.52, 0.33, 0.11]
    assert list(test_axes.lines[0].get_ydata()) == [0.70, 0.61, 0.73]
    assert list(test_axes.lines[1].get_xdata()) == [2, 2]
    (axes,) = drawn["1.5_test_loss"].axes
    assert [line.get_ydata()[-1] for line in axes.lines[: len(EXPERIMENTS)]] == [0.34, 0.64, 0.73, 0.40]
