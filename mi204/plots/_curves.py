"""Curves over the epochs: of one run, and of the runs of a study."""

from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mi204.language import Language, word
from mi204.plots._frame import (
    CHARACTER,
    COLOURS,
    MARKERS,
    PAGE,
    TRAINING,
    VALIDATION,
    finish,
    legend_below,
    new_figure,
    styled,
)
from mi204.results import Run


@styled
def learning_curves(run: Run, *, best_epoch: int | None = None, title: str, footer: str, language: Language) -> Figure:
    """Draw loss (left axis) and accuracy (right axis) of one run against the epochs.

    ``best_epoch``, counted from 1, is marked as the one where the validation loss is least.
    """
    figure = new_figure(4.4, title=title, footer=footer)
    loss_axes = figure.add_subplot()
    accuracy_axes = loss_axes.twinx()
    epochs = np.arange(1, len(run.history["loss"]) + 1)
    loss, accuracy = word("loss", language), word("accuracy", language)
    training, validation = word("training", language), word("validation", language)

    def curve(axes: Axes, name: str, quantity: str, subset: str, scale: float, **look) -> Line2D:
        look |= {"label": f"{quantity} ({subset})", "markevery": _marker_step(len(epochs))}
        return axes.plot(epochs, scale * np.array(run.history[name]), **look)[0]

    loss_look = {"color": COLOURS[1], "marker": "o"}
    accuracy_look = {"color": COLOURS[0], "marker": "s"}
    handles = [
        curve(loss_axes, "loss", loss, training, 1, linestyle=TRAINING, **loss_look),
        curve(loss_axes, "val_loss", loss, validation, 1, linestyle=VALIDATION, **loss_look),
        curve(accuracy_axes, "acc", accuracy, training, 100, linestyle=TRAINING, **accuracy_look),
        curve(accuracy_axes, "val_acc", accuracy, validation, 100, linestyle=VALIDATION, **accuracy_look),
    ]
    if best_epoch is not None:
        label = f"{word('least_validation_loss', language)} ({word('epoch', language)} {best_epoch})"
        # third of five handles: the legend's first column is about the loss, its second about the accuracy
        handles.insert(2, loss_axes.axvline(best_epoch, color="black", linestyle=":", label=label))
    loss_axes.set_ylabel(loss.capitalize(), color=COLOURS[1])
    accuracy_axes.set_ylabel(f"{accuracy.capitalize()} (%)", color=COLOURS[0])
    _epoch_axis(loss_axes, len(epochs), language)
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
        _mean_curve(axes, [run.history[name] for run in runs], 1, **look)
        handles.append(Line2D([], [], label=word(name, language).capitalize(), **look))
    label = f"{word('least_test_loss', language).capitalize()} ({word('epoch', language)} {best_epoch})"
    handles.append(test_axes.axvline(best_epoch, color="black", linestyle=":", label=label))
    for axes in (train_axes, test_axes):
        axes.set_ylim(bottom=0)
        axes.set_ylabel(word("loss", language).capitalize())
        _epoch_axis(axes, len(runs[0].history["test_loss"]), language)
    legend_below(figure, handles, columns=2)
    return finish(figure, language)


@styled
def study(
    runs: list[Run], *, names: dict[str, str] | None = None, title: str, footer: str, language: Language
) -> Figure:
    """Compare settings: training and validation loss in the left panel, accuracy in the right one.

    Each setting has a colour and a marker; its curves are the mean over its seeds, in a band of one standard
    deviation, over the epochs that all its seeds reached. ``names`` gives the settings' names in the language.
    """
    settings = list(dict.fromkeys(run.setting for run in runs))
    figure = new_figure(3.4 + 0.06 * len(settings), title=title, footer=footer)
    panels = figure.subplots(1, 2)
    handles = []
    for index, setting in enumerate(settings):
        look = _look(index)
        histories = [run.history for run in runs if run.setting == setting]
        for (axes, name, scale), (prefix, line) in product(
            ((panels[0], "loss", 1), (panels[1], "acc", 100)), (("", TRAINING), ("val_", VALIDATION))
        ):
            _mean_curve(axes, [history[prefix + name] for history in histories], scale, linestyle=line, **look)
        handles.append(Line2D([], [], label=(names or {}).get(setting, setting), **look))
    handles += [
        Line2D([], [], color="black", linestyle=TRAINING, label=word("training", language)),
        Line2D([], [], color="black", linestyle=VALIDATION, label=word("validation", language)),
    ]
    panels[0].set_ylabel(word("loss", language).capitalize())
    panels[1].set_ylabel(f"{word('accuracy', language).capitalize()} (%)")
    for axes in panels:
        _epoch_axis(axes, max(len(run.history["loss"]) for run in runs), language)
    legend_below(figure, handles, columns=_columns(handles))
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
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Compare one quantity between settings, against the epochs; mean over the seeds, in a band of one deviation.

    ``lines`` gives the entries of the runs' history and what to call each: one, or two told apart by the line style.
    ``first_epoch`` is that of their first value, 0 where it was measured before training too; values are multiplied by
    ``scale``. ``names`` gives the settings' names in the language.
    """
    settings = list(dict.fromkeys(run.setting for run in runs))
    figure = new_figure(3.8, title=title, footer=footer)
    axes = figure.add_subplot()
    styles = dict(zip(lines, (TRAINING, VALIDATION) if len(lines) == 2 else (VALIDATION,), strict=True))
    handles = []
    for index, setting in enumerate(settings):
        look = _look(index)
        for name, line in styles.items():
            values = [run.history[name] for run in runs if run.setting == setting]
            _mean_curve(axes, values, scale, first_epoch, linestyle=line, **look)
        handles.append(Line2D([], [], label=(names or {}).get(setting, setting), **look))
    if len(lines) > 1:
        handles += [Line2D([], [], color="black", linestyle=styles[name], label=lines[name]) for name in lines]
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylabel(ylabel)
    _epoch_axis(axes, max(len(run.history[next(iter(lines))]) for run in runs) + first_epoch - 1, language, first_epoch)
    legend_below(figure, handles, columns=_columns(handles))
    return finish(figure, language)


def _look(index: int) -> dict[str, str]:
    # beyond eight settings the colours come again, with other markers
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
    }


def _columns(handles: list[Line2D]) -> int:
    longest = max(len(handle.get_label()) for handle in handles)
    return max(1, min(4, int(72 * PAGE / (CHARACTER * longest + 50))))


def _mean_curve(axes: Axes, curves: list[list[float]], scale: float, first_epoch: int = 1, **look) -> None:
    n_epochs = min(map(len, curves))
    values = scale * np.array([curve[:n_epochs] for curve in curves])
    values[~np.isfinite(values)] = np.nan  # where a run diverged, its setting's curve stops
    epochs, mean = np.arange(first_epoch, first_epoch + n_epochs), values.mean(axis=0)
    axes.plot(epochs, mean, markevery=_marker_step(n_epochs), **look)
    if len(curves) > 1:
        deviation = values.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=look["color"], alpha=0.15, linewidth=0)


def _marker_step(n_epochs: int) -> int:
    return max(1, n_epochs // 8)


def _epoch_axis(axes: Axes, n_epochs: int, language: Language, first_epoch: int = 1) -> None:
    step = next(step for step in (1, 5, 10, 50, 100, 500, 1000, n_epochs) if n_epochs <= 10 * step)
    axes.set_xticks(sorted({first_epoch, *range(step, n_epochs + 1, step)}))
    axes.set_xlim(first_epoch - 0.5, n_epochs + 0.5)
    axes.set_xlabel(word("epoch", language).capitalize())
    axes.grid(axis="y")
