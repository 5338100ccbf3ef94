"""Curves over the epochs: of one run, and of the runs of a study."""

import textwrap
from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mi204.language import Language, fill, word
from mi204.plots._frame import (
    CHARACTER,
    COLOURS,
    GREY,
    MARKERS,
    PAGE,
    SMALL,
    TRAINING,
    VALIDATION,
    capital,
    finish,
    legend_below,
    new_figure,
    styled,
)
from mi204.results import Run


@styled
def learning_curves(
    run: Run,
    *,
    best_epoch: int | None = None,
    first_epoch: int = 1,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw loss (left axis) and accuracy (right axis) of one run against the epochs.

    ``first_epoch`` is that of the run's first values: 21 where it goes on after 20 epochs. ``best_epoch``, counted
    from 1 among the run's own, is marked as the one where the validation loss is least.
    """
    figure = new_figure(4.4, title=title, footer=footer)
    loss_axes = figure.add_subplot()
    accuracy_axes = loss_axes.twinx()
    loss, accuracy = word("loss", language), word("accuracy", language)
    handles = []
    for (axes, name, quantity, scale, colour, marker), (prefix, subset, line) in product(
        ((loss_axes, "loss", loss, 1, COLOURS[1], "o"), (accuracy_axes, "acc", accuracy, 100, COLOURS[0], "s")),
        (("", "training", TRAINING), ("val_", "validation", VALIDATION)),
    ):
        look = {"color": colour, "marker": marker, "linestyle": line}
        diverged = _mean_curve(axes, [run.history[prefix + name]], scale, first_epoch, **look)
        handles.append(_handle(f"{quantity} ({word(subset, language)})", diverged, language, **look))
    _epoch_axis(loss_axes, first_epoch, len(run.history["loss"]), language)
    _show_diverged(accuracy_axes)
    if best_epoch is not None:
        epoch = first_epoch + best_epoch - 1
        label = f"{word('least_validation_loss', language)} ({word('epoch', language)} {epoch})"
        # third of five handles: the legend's first column is about the loss, its second about the accuracy
        handles.insert(2, loss_axes.axvline(epoch, color="black", linestyle=":", label=label))
    loss_axes.set_ylabel(loss.capitalize(), color=COLOURS[1])
    accuracy_axes.set_ylabel(f"{accuracy.capitalize()} (%)", color=COLOURS[0])
    legend_below(figure, handles, columns=2)
    return finish(figure, language)


@styled
def train_and_test_losses(runs: list[Run], *, best_epoch: int, title: str, footer: str, language: Language) -> Figure:
    """Draw ``train_loss`` and ``running_loss`` in the left panel, ``test_loss`` in the right one, against the epochs.

    Mean over the runs, which are seeds of one setting, in a band of one deviation; ``best_epoch``, counted from 1, is
    marked as the one where the test loss is least.
    """
    figure = new_figure(3.2, title=title, footer=footer)
    train_axes, test_axes = figure.subplots(1, 2)
    handles = []
    for axes, name, line, colour in (
        (train_axes, "train_loss", VALIDATION, COLOURS[0]),
        (train_axes, "running_loss", TRAINING, COLOURS[6]),
        (test_axes, "test_loss", VALIDATION, COLOURS[1]),
    ):
        look = {"linestyle": line, "color": colour, "marker": MARKERS[len(handles)]}
        diverged = _mean_curve(axes, [run.history[name] for run in runs], **look)
        handles.append(_handle(word(name, language).capitalize(), diverged, language, **look))
    for axes in (train_axes, test_axes):
        _epoch_axis(axes, 1, len(runs[0].history["test_loss"]), language)
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])  # room for the marker of a loss that hardly moves
        axes.set_ylabel(word("loss", language).capitalize())
    label = f"{word('least_test_loss', language).capitalize()} ({word('epoch', language)} {best_epoch})"
    handles.append(test_axes.axvline(best_epoch, color="black", linestyle=":", label=label))
    legend_below(figure, handles, columns=2)
    return finish(figure, language)


@styled
def study(
    runs: list[Run],
    *,
    names: dict[str, str] | None = None,
    legend: str = "",
    left_out: Sequence[str] = (),
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Compare settings: training and validation loss in the left panel, accuracy in the right one.

    Each setting has a colour and a marker; its curves are the mean over its seeds, in a band of one standard
    deviation, over the epochs that all its seeds reached. ``names`` gives the settings' names in the language,
    ``legend`` what they are. The losses of the settings ``left_out``, which would flatten all others, are not drawn;
    the panel says so.
    """
    names = _all_names(runs, names)
    figure = new_figure(3.8 + 0.06 * len(names), title=title, footer=footer)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    handles = []
    for index, (setting, label) in enumerate(names.items()):
        look, diverged = _look(index), False
        histories = [run.history for run in runs if run.setting == setting]
        for (axes, name, scale), (prefix, line) in product(
            ((loss_axes, "loss", 1), (accuracy_axes, "acc", 100)), (("", TRAINING), ("val_", VALIDATION))
        ):
            if axes is accuracy_axes or setting not in left_out:
                curves = [history[prefix + name] for history in histories]
                diverged |= _mean_curve(axes, curves, scale, linestyle=line, **look)
        handles.append(_handle(label, diverged, language, **look))
    _say_left_out(loss_axes, names, left_out, PAGE / 2, language)
    loss_axes.set_ylabel(word("loss", language).capitalize())
    accuracy_axes.set_ylabel(f"{word('accuracy', language).capitalize()} (%)")
    for axes in (loss_axes, accuracy_axes):
        _epoch_axis(axes, 1, max(len(run.history["loss"]) for run in runs), language)
    styles = {word("training", language): TRAINING, word("validation", language): VALIDATION}
    legend_below(figure, [Line2D([], [], color="black", linestyle=styles[label], label=label) for label in styles])
    legend_below(figure, handles, heading=legend)
    return finish(figure, language)


@styled
def quantity(
    runs: list[Run],
    lines: dict[str, str],
    *,
    ylabel: str,
    scale: float = 1,
    first_epoch: int = 1,
    logarithmic: bool = False,
    names: dict[str, str] | None = None,
    legend: str = "",
    left_out: Sequence[str] = (),
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Compare one quantity between settings, against the epochs; mean over the seeds, in a band of one deviation.

    ``lines`` gives the entries of the runs' history and what to call each: one, or two told apart by the line style.
    ``first_epoch`` is that of their first value, 0 where it was measured before training too; values are multiplied by
    ``scale``. ``names`` gives the settings' names in the language, ``legend`` what they are; those ``left_out`` are not
    drawn, and the figure says so.
    """
    names = _all_names(runs, names)
    figure = new_figure(4.0, title=title, footer=footer)
    axes = figure.add_subplot()
    styles = dict(zip(lines, (TRAINING, VALIDATION) if len(lines) == 2 else (VALIDATION,), strict=True))
    handles = []
    for index, (setting, label) in enumerate(names.items()):
        look, diverged = _look(index), False
        if setting not in left_out:
            for name, line in styles.items():
                curves = [run.history[name] for run in runs if run.setting == setting]
                diverged |= _mean_curve(axes, curves, scale, first_epoch, linestyle=line, **look)
            handles.append(_handle(label, diverged, language, **look))
    _say_left_out(axes, names, left_out, PAGE, language)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylabel(capital(ylabel))
    _epoch_axis(axes, first_epoch, max(len(run.history[next(iter(lines))]) for run in runs), language)
    if len(lines) > 1:
        kinds = [Line2D([], [], color="black", linestyle=styles[name], label=lines[name]) for name in lines]
        legend_below(figure, kinds)
    legend_below(figure, handles, heading=legend)
    return finish(figure, language)


def _all_names(runs: list[Run], names: dict[str, str] | None) -> dict[str, str]:
    """Give the name of each setting, its own where there is no other, in the order of the runs."""
    return {run.setting: (names or {}).get(run.setting, run.setting) for run in runs}


def _look(index: int) -> dict[str, str]:
    # beyond eight settings the colours come again, with other markers
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
    }


def _handle(label: str, diverged: bool, language: Language, **look) -> Line2D:
    return Line2D([], [], label=f"{label} ({word('diverged', language)})" if diverged else label, **look)


def _say_left_out(
    axes: Axes, names: dict[str, str], left_out: Sequence[str], width: float, language: Language
) -> None:
    absent = [label for setting, label in names.items() if setting in left_out]
    if absent:
        text = fill(word("not_drawn", language), {"names": ", ".join(absent)}, language)
        axes.set_title(textwrap.fill(text, int(72 * (width - 0.8) / CHARACTER)), size=SMALL, color=GREY)


def _mean_curve(axes: Axes, curves: list[list[float]], scale: float = 1, first_epoch: int = 1, **look) -> bool:
    """Draw the mean of curves, in its band, over the epochs that all reached; tell whether one of them diverged.

    Where one is not finite, the mean stops; what comes before, which may be beyond all measure, has no part in the
    limits of the axes.
    """
    n_epochs = min(map(len, curves))
    values = scale * np.array([curve[:n_epochs] for curve in curves], dtype=float)
    finite = np.isfinite(values).all(axis=0)
    n_drawn = n_epochs if finite.all() else int(np.argmin(finite))
    diverged = n_drawn < n_epochs
    epochs, mean = np.arange(first_epoch, first_epoch + n_drawn), values[:, :n_drawn].mean(axis=0)
    limits = axes.dataLim.frozen()
    axes.plot(epochs, mean, markevery=max(1, n_epochs // 8), **look)
    if diverged:
        axes.dataLim.set(limits)
    elif len(curves) > 1:
        deviation = values.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=look["color"], alpha=0.15, linewidth=0)
    return diverged


def _epoch_axis(axes: Axes, first_epoch: int, n_epochs: int, language: Language) -> None:
    last_epoch = first_epoch + n_epochs - 1
    step = next(step for step in (1, 5, 10, 50, 100, 500, 1000, n_epochs) if n_epochs <= 10 * step)
    # The first multiple of the step has a number only where the number of the first epoch leaves it room.
    multiples = range(-(-(first_epoch + step // 2) // step) * step, last_epoch + 1, step)
    axes.set_xticks(sorted({first_epoch, *multiples}))
    axes.set_xlim(first_epoch - 0.5, last_epoch + 0.5)
    axes.set_xlabel(word("epoch", language).capitalize())
    axes.grid(axis="y")
    _show_diverged(axes)


def _show_diverged(axes: Axes) -> None:
    """Where no curve is left that the limits could follow, let them follow those that diverged, up to ten times."""
    if not np.isfinite(axes.dataLim.y0):
        for line in axes.lines:
            points = line.get_xydata()
            axes.update_datalim(points[np.abs(points[:, 1]) <= 10 * np.abs(points[:1, 1])])
        axes.autoscale_view(scalex=False)
