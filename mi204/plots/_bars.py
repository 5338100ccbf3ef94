"""Bars, one number per setting or per class; boxes, one distribution."""

import textwrap
from collections.abc import Sequence
from math import floor, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mi204.language import Language, word
from mi204.plots._frame import CHARACTER, COLOURS, PAGE, finish, legend_below, localised, new_figure, styled


@styled
def bars(values: dict[str, list[float]], *, ylabel: str, title: str, footer: str, language: Language) -> Figure:
    """Draw the mean over seeds of each setting, its standard deviation where there are several, and each seed's value.

    ``values`` holds, under the name of each setting, one number per seed, in the unit that ``ylabel`` states. Bars
    stand on their names; where these have no room side by side, bars lie beside them.
    """
    names = list(values)
    upright = _wrapped(names) is not None
    figure = new_figure(3.8 if upright else 0.8 + 0.26 * len(names), title=title, footer=footer)
    axes = figure.add_subplot()
    draw_bar = axes.bar if upright else axes.barh
    for position, seeds in enumerate(np.asarray(seeds, float) for seeds in values.values()):
        mean, deviation = seeds.mean(), seeds.std(ddof=1) if len(seeds) > 1 else 0.0
        decimals = max(0, 2 - floor(log10(abs(mean)))) if mean else 2
        text = localised(f"{mean:.{decimals}f}", language)
        draw_bar(position, mean, 0.6, color=COLOURS[6], edgecolor="black", linewidth=0.8)
        if len(seeds) > 1:
            spread = {"yerr" if upright else "xerr": deviation}
            axes.errorbar(*_at(position, mean, upright), **spread, color="black", linewidth=1)
            beside = position + np.linspace(-0.2, 0.2, len(seeds))
            axes.plot(*_at(beside, seeds, upright), "o", color=COLOURS[1], markersize=3)
            text += ("\n" if upright else " ") + localised(f"± {deviation:.{decimals}f}", language)
        end = max(mean + deviation, seeds.max())
        align = {"ha": "center"} if upright else {"va": "center"}
        offset = _at(0, 4, upright)
        axes.annotate(text, _at(position, end, upright), offset, textcoords="offset points", fontsize=8, **align)
    if upright:
        axes.set_ylabel(ylabel)
        axes.margins(y=0.18)
        _name_positions(axes, names)
    else:
        axes.set_xlabel(ylabel)
        axes.margins(x=0.18)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="x")
    return finish(figure, language)


def _at(position: ArrayLike, value: ArrayLike, upright: bool) -> tuple[ArrayLike, ArrayLike]:
    """Give x and y of a value over a bar that stands, or beside one that lies."""
    return (position, value) if upright else (value, position)


@styled
def class_accuracies(
    values: dict[str, np.ndarray], classes: list[str], *, title: str, footer: str, language: Language
) -> Figure:
    """Draw the accuracy of each class, one bar per subset.

    ``values`` holds, under the name of each subset, the accuracies (classes,) between 0 and 1.
    """
    figure = new_figure(3.6, title=title, footer=footer)
    axes = figure.add_subplot()
    width = 0.8 / len(values)
    handles = [
        axes.bar(
            np.arange(len(classes)) + width * (index - (len(values) - 1) / 2),
            100 * np.asarray(accuracies),
            width=width,
            color=COLOURS[index],
            edgecolor="white",
            hatch=("", "////", "....", "xxxx")[index % 4],
            label=name,
        )
        for index, (name, accuracies) in enumerate(values.items())
    ]
    axes.set_ylabel(f"{word('accuracy', language).capitalize()} (%)")
    axes.set_ylim(0, 100)
    _name_positions(axes, classes)
    legend_below(figure, handles, columns=len(handles))
    return finish(figure, language)


@styled
def distributions(
    panels: Sequence[dict[str, np.ndarray]], *, ylabel: str, title: str, footer: str, language: Language
) -> Figure:
    """Draw a box per name and panel: the quartiles of its values, whiskers to the least and the greatest."""
    figure = new_figure(3.4, title=title, footer=footer)
    for axes, groups in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        axes.boxplot(
            list(groups.values()), whis=(0, 100), widths=0.6, patch_artist=True,
            boxprops={"facecolor": COLOURS[6]}, medianprops={"color": "black"},
        )  # fmt: skip
        long = sum(map(len, groups)) > 30
        look = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(range(1, len(groups) + 1), list(groups), **look)
        axes.grid(axis="y")
    figure.axes[0].set_ylabel(ylabel)
    return finish(figure, language)


def _wrapped(names: list[str]) -> list[str] | None:
    """Break names into lines that have room side by side; None when a word is too long for that."""
    room = int(72 * (PAGE - 0.8) / len(names) / CHARACTER) - 1
    wrapped = [textwrap.fill(name, room, break_long_words=False) for name in names]
    return wrapped if max(len(line) for name in wrapped for line in name.split("\n")) <= room else None


def _name_positions(axes: Axes, names: list[str]) -> None:
    wrapped = _wrapped(names)
    if wrapped:
        axes.set_xticks(range(len(names)), wrapped)
    else:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.grid(axis="y")
