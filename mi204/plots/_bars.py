"""Bars, one number per setting or per class; boxes, one distribution."""

import textwrap
from collections.abc import Sequence
from math import floor, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from mi204 import metrics
from mi204.language import Language, fill, word
from mi204.plots._frame import (
    CHARACTER,
    COLOURS,
    GREY,
    PAGE,
    SMALL,
    capital,
    drawable,
    finish,
    legend_below,
    localised,
    new_figure,
    styled,
)

_NARROW = {"color": GREY, "linewidth": 3}
_WIDE = {"color": "#bbbbbb", "linewidth": 9}
"""Interval of a bar that carries its seeds too."""


@styled
def bars(
    values: dict[str, list[float]],
    *,
    ylabel: str,
    xlabel: str = "",
    chance: float | None = None,
    counts: dict[str, int] | None = None,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw the mean over seeds of each setting, its standard deviation where there are several, and each seed's value.

    ``values`` holds, under the name of each setting, one number per seed, in the unit that ``ylabel`` states. Bars
    stand on their names, which ``xlabel`` sums up; where these have no room side by side, bars lie beside them.
    Accuracies in percent may have the line of ``chance``, a share, and the 95 % interval (Wilson) that follows from
    ``counts``: on how many examples each was measured.
    """
    names = [drawable(name) for name in values]
    upright = _wrapped(names) is not None
    figure = new_figure(4.0 if upright else 1.0 + 0.26 * len(names), title=title, footer=footer)
    axes = figure.add_subplot()
    draw_bar = axes.bar if upright else axes.barh
    several = False
    for position, (name, seeds) in enumerate(values.items()):
        seeds = np.asarray(seeds, float)
        mean, deviation = seeds.mean(), seeds.std(ddof=1) if len(seeds) > 1 else 0.0
        end = max(mean + deviation, seeds.max())
        decimals = max(0, 2 - floor(log10(abs(mean)))) if mean else 2
        text = localised(f"{mean:.{decimals}f}", language)
        draw_bar(position, mean, 0.6, color=COLOURS[6], edgecolor="black", linewidth=0.8)
        if counts:
            end = max(end, _draw_interval(axes, position, mean / 100, counts[name], upright, _WIDE))
        if len(seeds) > 1:
            several = True
            spread = {"yerr" if upright else "xerr": deviation}
            axes.errorbar(*_at(position, mean, upright), **spread, color="black", linewidth=1)
            beside = position + np.linspace(-0.2, 0.2, len(seeds))
            axes.plot(*_at(beside, seeds, upright), "o", color=COLOURS[1], markersize=3)
            text += ("\n" if upright else " ") + localised(f"± {deviation:.{decimals}f}", language)
        align = {"ha": "center"} if upright else {"va": "center"}
        offset = _at(0, 4, upright)
        axes.annotate(text, _at(position, end, upright), offset, textcoords="offset points", fontsize=8, **align)
    if upright:
        axes.set(xlabel=capital(xlabel), ylabel=capital(ylabel))
        axes.margins(y=0.18)
        _name_positions(axes, names)
    else:
        axes.set(xlabel=capital(ylabel), ylabel=capital(xlabel))
        axes.margins(x=0.18)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="x")
    handles = _explain(axes, chance, _WIDE if counts else None, upright, language)
    if several:
        deviation = {"color": "black", "linewidth": 1, "marker": "|", "label": word("deviation_of_seeds", language)}
        dot = {"color": COLOURS[1], "linestyle": "none", "marker": "o", "markersize": 3}
        handles += [Line2D([], [], **deviation), Line2D([], [], label=word("one_seed", language), **dot)]
    if handles:
        legend_below(figure, handles)
    return finish(figure, language)


def _at(position: ArrayLike, value: ArrayLike, upright: bool) -> tuple[ArrayLike, ArrayLike]:
    """Give x and y of a value over a bar that stands, or beside one that lies."""
    return (position, value) if upright else (value, position)


def _draw_interval(axes: Axes, position: float, share: float, n: int, upright: bool, look: dict) -> float:
    """Draw the interval of a share measured on ``n`` examples; give its upper end, in percent."""
    low, high = metrics.wilson_interval(share * n, n)
    ends = 100 * np.array([low, high])
    axes.plot(*_at([position, position], ends, upright), solid_capstyle="butt", **look)
    return ends[1]


def _explain(
    axes: Axes, chance: float | None, interval: dict | None, upright: bool, language: Language
) -> list[Line2D]:
    """Draw the line of ``chance``, a share; give what the legend says of it and of the intervals of a look."""
    handles = []
    if chance is not None:
        label = fill(word("chance", language), {"percent": 100 * chance}, language)
        draw = axes.axhline if upright else axes.axvline
        handles.append(draw(100 * chance, color="black", linestyle=":", linewidth=1.2, label=label))
    if interval:
        handles.append(Line2D([], [], label=word("interval_95", language), **interval))
    return handles


@styled
def class_accuracies(
    values: dict[str, np.ndarray],
    classes: list[str],
    *,
    counts: dict[str, Sequence[int]] | None = None,
    chance: float | None = None,
    xlabel: str = "",
    legend: str = "",
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw the accuracy of each class, one bar per subset.

    ``values`` holds, under the name of each subset, the accuracies (classes,) between 0 and 1; ``counts``, under the
    same names, on how many examples each was measured, which gives its 95 % interval (Wilson). A class without
    examples, or of accuracy NaN, has no bar and says so. ``chance`` is a share, drawn as a line; ``xlabel`` says what
    the classes are, ``legend`` what the subsets are.
    """
    figure = new_figure(3.8, title=title, footer=footer)
    axes = figure.add_subplot()
    width = 0.8 / len(values)
    handles = []
    for index, (name, accuracies) in enumerate(values.items()):
        positions = np.arange(len(classes)) + width * (index - (len(values) - 1) / 2)
        shares = np.array(accuracies, dtype=float)
        if counts:
            shares[np.equal(counts[name], 0)] = np.nan
        look = {"color": COLOURS[index], "edgecolor": "white", "hatch": ("", "////", "....", "xxxx")[index % 4]}
        handles.append(axes.bar(positions, 100 * shares, width, label=name, **look))
        for number, (position, share) in enumerate(zip(positions, shares, strict=True)):
            if np.isnan(share):
                look = {"size": SMALL, "color": GREY, "rotation": 90, "ha": "center", "va": "bottom"}
                axes.text(position, 100 * (chance or 0) + 2, word("no_example", language), **look)
            elif counts:
                _draw_interval(axes, position, share, counts[name][number], True, _NARROW)
    axes.set_xlabel(capital(xlabel))
    axes.set_ylabel(f"{word('accuracy', language).capitalize()} (%)")
    axes.set_ylim(0, 100)
    _name_positions(axes, [drawable(name) for name in classes])
    others = _explain(axes, chance, _NARROW if counts else None, True, language)
    if others:
        legend_below(figure, others)
    legend_below(figure, handles, heading=legend)
    return finish(figure, language)


@styled
def distributions(
    panels: Sequence[dict[str, np.ndarray]],
    *,
    ylabel: str,
    xlabels: Sequence[str] = (),
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw a box per name and panel: the quartiles of its values, whiskers to the least and the greatest.

    ``xlabels`` says what the names of each panel are.
    """
    figure = new_figure(3.4, title=title, footer=footer)
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, groups, xlabel in zip(row, panels, xlabels or [""] * len(panels), strict=True):
        look = {"boxprops": {"facecolor": COLOURS[6]}, "medianprops": {"color": "black"}}
        axes.boxplot(list(groups.values()), whis=(0, 100), widths=0.6, patch_artist=True, **look)
        names = [drawable(name) for name in groups]
        long = sum(map(len, names)) > 30
        look = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(range(1, len(groups) + 1), names, **look)
        axes.set_xlabel(capital(xlabel))
        axes.grid(axis="y")
    row[0].set_ylabel(capital(ylabel))
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
