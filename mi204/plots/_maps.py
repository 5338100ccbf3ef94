"""Maps of what a network looks at: over their pictures, against what was done to the pictures, and as measures."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mi204.language import Language, word
from mi204.plots._frame import (
    CHARACTER,
    COLOURS,
    GREY,
    MARKERS,
    PAGE,
    SMALL,
    capital,
    drawable,
    finish,
    legend_below,
    new_figure,
    styled,
)
from mi204.plots.colours import COLOUR_MAP, blended, coloured

_LEAST, _MOST = "minimum_of_map", "maximum_of_map"


@dataclass(frozen=True, eq=False)
class PictureRow:
    """A picture with its map, and what to write beside it."""

    label: str
    image: np.ndarray
    """uint8 (h, w, 3)."""
    raw: np.ndarray
    """The map as it was made, (h', w')."""
    map: np.ndarray
    """The map at the size of the picture, in 0..1, (h, w)."""
    caption: str = ""
    """Under the picture."""
    outline: np.ndarray | None = None
    """Where the objects are, bool (h, w)."""


@dataclass(frozen=True, eq=False)
class Line:
    """One curve, or cloud of points, of a panel."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    """Ends of the interval of each value."""
    high: Sequence[float] | None = None
    hollow: Sequence[bool] | None = None
    """Points to leave unfilled."""
    joined: bool = True
    """Whether a line leads from point to point."""


@styled
def overlays(
    images: np.ndarray,
    maps: np.ndarray,
    labels: list[str],
    *,
    picture: np.ndarray | None = None,
    outlines: np.ndarray | None = None,
    columns: int = 6,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw maps (n, h, w) in 0..1 over their pictures, uint8 (n, h, w, 3), each under its label.

    ``picture``, where there is one, comes first and without a map. ``outlines``, bool (n, h, w), where they are given,
    are drawn around the objects, and a cross on the highest point of each map that shows something.
    """
    first = [] if picture is None else [(picture, None, word("image", language).capitalize())]
    panels = [*first, *zip(images, maps, labels, strict=True)]
    written = [_fitting(label, columns) for _, _, label in panels]
    figure, rows = _grid(len(panels), columns, written, title, footer)
    for index, ((image, one, _), label) in enumerate(zip(panels, written, strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        _show(axes, image if one is None else blended(image, one))
        axes.set_title(label, size=SMALL, pad=3)
        if outlines is not None and one is not None:
            _outline(axes, outlines[index - len(first)])
            if one.any():
                row, column = np.unravel_index(one.argmax(), one.shape)
                axes.plot(column, row, "x", color="white", markersize=11, markeredgewidth=4)
                axes.plot(column, row, "x", color="black", markersize=10, markeredgewidth=1.8)
    _explain_colours(figure, language)
    return finish(figure, language)


def _outline(axes: Axes, objects: np.ndarray) -> None:
    """Draw a line around objects, bool (h, w); none where there are none."""
    if objects.any() and not objects.all():
        axes.contour(objects, levels=[0.5], colors=["black"], linewidths=2.4)
        axes.contour(objects, levels=[0.5], colors=["white"], linewidths=1.2)


@styled
def picture_maps(
    rows: Sequence[PictureRow], *, headings: tuple[str, str, str], title: str, footer: str, language: Language
) -> Figure:
    """Draw each picture, its map as it was made, and the one over the other; ``headings`` are those of the columns.

    Objects whose outline is known are outlined in the picture. Each map has its own colours, from its least to its
    greatest value, which stand under it.
    """
    side = (PAGE - 0.6) / 3
    captions = [_fitting(row.caption, 3) for row in rows]
    lines = max(2, *(caption.count("\n") + 1 for caption in captions))
    figure = new_figure(len(rows) * (side + 0.16 * lines) + 0.75, title=title, footer=footer)
    panels = figure.subplots(len(rows), 3, squeeze=False)
    for line, row, caption in zip(panels, rows, captions, strict=True):
        _show(line[0], row.image)
        if row.outline is not None:
            _outline(line[0], row.outline)
        _show(line[1], _coloured(row.raw))
        _show(line[2], blended(row.image, row.map))
        line[0].set_ylabel(capital(row.label), size=9)
        line[0].set_xlabel(caption, size=SMALL)
        line[1].set_xlabel(f"{_number(row.raw.min(), language)} … {_number(row.raw.max(), language)}", size=SMALL)
    for axes, heading in zip(panels[0], headings, strict=True):
        axes.set_title(capital(heading))
    _explain_colours(figure, language)
    return finish(figure, language)


@styled
def variants(
    images: np.ndarray,
    maps: np.ndarray,
    labels: list[str],
    captions: list[str],
    *,
    columns: int = 5,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw pictures, uint8 (n, h, w, 3), each under its label and above itself with its map and a caption."""
    labels, captions = ([_fitting(text, columns) for text in texts] for texts in (labels, captions))
    pairs = ceil(len(images) / columns)
    lines = max(label.count("\n") + 1 for label in labels) + max(caption.count("\n") + 1 for caption in captions)
    figure = new_figure(pairs * (2 * PAGE / columns + 0.16 * lines) + 0.5, title=title, footer=footer)
    for index, (image, one) in enumerate(zip(images, maps, strict=True)):
        pair, column = divmod(index, columns)
        above = figure.add_subplot(2 * pairs, columns, 2 * pair * columns + column + 1)
        below = figure.add_subplot(2 * pairs, columns, (2 * pair + 1) * columns + column + 1)
        _show(above, image)
        _show(below, blended(image, one))
        above.set_title(labels[index], size=SMALL, pad=3)
        below.set_xlabel(captions[index], size=SMALL, labelpad=3)
    _explain_colours(figure, language)
    return finish(figure, language)


@styled
def panels(
    columns: dict[str, Sequence[Sequence[Line]]],
    *,
    ylabels: Sequence[str],
    limits: Sequence[tuple[float, float] | None],
    filled: tuple[str, str] | None = None,
    across: int = 3,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw curves side by side, a column under each name of its x axis, with a panel for each of ``ylabels``.

    ``columns`` gives the lines of each panel, from top to bottom; lines of one label look alike. ``limits`` are those
    of the y axes; ``filled`` says what filled and unfilled points are. After ``across`` columns the next begin below.
    """
    blocks = [list(columns)[start : start + across] for start in range(0, len(columns), across)]
    width = max(map(len, blocks))
    figure = new_figure(len(blocks) * 1.75 * len(ylabels) + 0.2, title=title, footer=footer)
    labels = list(dict.fromkeys(line.label for column in columns.values() for panel in column for line in panel))
    looks = {
        label: {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": ("-", "--", ":", "-.")[index % 4]}
        for index, label in enumerate(labels)
    }
    grid = figure.subplots(len(blocks) * len(ylabels), width, squeeze=False)
    for number, block in enumerate(blocks):
        for place, name in enumerate(block):
            for row, (ylabel, lines) in enumerate(zip(ylabels, columns[name], strict=True)):
                axes = grid[number * len(ylabels) + row, place]
                for line in lines:
                    _draw(axes, line, looks[line.label])
                axes.grid(axis="y")
                axes.locator_params(axis="x", nbins=5)
                if limits[row]:
                    axes.set_ylim(*limits[row])
                if place == 0:
                    axes.set_ylabel(capital(textwrap.fill(ylabel, 22)))
                if row == len(ylabels) - 1:
                    axes.set_xlabel(capital(_fitting(name, width, PAGE - 0.8)), size=SMALL)
                else:
                    axes.tick_params(labelbottom=False)
    for unused in grid[-len(ylabels) :, len(blocks[-1]) :].flat:
        unused.remove()
    _share_limits(grid, len(ylabels), limits)
    if filled:
        dot = {"linestyle": "none", "marker": "o", "color": GREY}
        handles = [Line2D([], [], label=filled[0], **dot), Line2D([], [], label=filled[1], mfc="white", **dot)]
        legend_below(figure, handles)
    legend_below(figure, [Line2D([], [], label=label, **look) for label, look in looks.items()])
    return finish(figure, language)


@styled
def intervals(
    names: list[str],
    measures: dict[str, np.ndarray],
    *,
    ylabel: str,
    interval: str,
    reference: str | None = None,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw the mean of each measure for each name, with its interval: ``measures`` holds rows (mean, low, high).

    ``ylabel`` says what the names are, ``interval`` what the intervals are. The ``reference``, one of the names, is
    drawn in grey, with a line through all others. NaN is left out.
    """
    names = [drawable(name) for name in names]
    figure = new_figure(0.9 + 0.24 * len(names), title=title, footer=footer)
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    width = PAGE - 0.4 - max(map(len, names)) * CHARACTER / 72
    for axes, (heading, values) in zip(grid, measures.items(), strict=True):
        for position, (name, (mean, low, high)) in enumerate(zip(names, values, strict=True)):
            look = {"color": GREY if name == reference else COLOURS[0], "marker": "s" if name == reference else "o"}
            if np.isfinite(mean):
                ends = [[max(0, mean - low)], [max(0, high - mean)]] if np.isfinite(low) else None
                axes.errorbar(mean, position, xerr=ends, capsize=2.5, linewidth=1.2, **look)
                if name == reference:
                    axes.axvline(mean, color=GREY, linestyle=":", linewidth=1)
        axes.set_xlabel(capital(_fitting(heading, len(measures), width)), size=SMALL)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="y")
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=2, steps=[1, 2, 5, 10])
    grid[0].set_yticks(range(len(names)), names)
    grid[0].set_ylabel(capital(ylabel))
    for axes in grid[1:]:
        axes.tick_params(labelleft=False)
    dot = Line2D([], [], color=COLOURS[0], marker="|", markersize=7, label=interval)
    legend_below(figure, [dot])
    return finish(figure, language)


def _draw(axes: Axes, line: Line, look: dict[str, str]) -> None:
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    style = look if line.joined else look | {"linestyle": "none"}
    axes.plot(x, y, **style)
    if line.low is not None and line.high is not None:
        axes.fill_between(x, line.low, line.high, color=look["color"], alpha=0.18, linewidth=0)
    if line.hollow is not None:
        where = np.asarray(line.hollow, dtype=bool)
        face = {"marker": look["marker"], "linestyle": "none", "markerfacecolor": "white", "color": look["color"]}
        axes.plot(x[where], y[where], **face)


def _share_limits(grid: np.ndarray, rows: int, limits: Sequence[tuple[float, float] | None]) -> None:
    """Give panels of one quantity the same limits; numbers stand at the first of a row alone."""
    for row in range(rows):
        shown = [axes for axes in grid[row::rows].flat if axes.figure]
        if limits[row] is None:
            low, high = min(axes.get_ylim()[0] for axes in shown), max(axes.get_ylim()[1] for axes in shown)
            for axes in shown:
                axes.set_ylim(low, high)
    for line in grid:
        for axes in line[1:]:
            axes.tick_params(labelleft=False)


def _grid(n: int, columns: int, labels: list[str], title: str, footer: str) -> tuple[Figure, int]:
    rows = ceil(n / columns)
    label_height = 0.16 * max(label.count("\n") + 1 for label in labels)
    return new_figure(rows * (PAGE / columns + label_height) + 0.5, title=title, footer=footer), rows


def _fitting(text: str, columns: int, width: float = PAGE) -> str:
    """Break a text into lines of a column of so many that share a ``width`` in inches; its own lines stay apart."""
    room = int(72 * (width / columns - 0.2) / CHARACTER)
    return "\n".join(textwrap.fill(line, room, break_on_hyphens=False) for line in drawable(text).split("\n"))


def _coloured(raw: np.ndarray) -> np.ndarray:
    """Give a map its colours, from its least to its greatest value; a constant one those of its least."""
    span = np.ptp(raw)
    return coloured((raw - raw.min()) / (span if span > 0 else 1))


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.imshow(image)


def _number(value: float, language: Language) -> str:
    text = f"{value:.2g}"
    return text.replace(".", ",") if language == "fr" else text


def _explain_colours(figure: Figure, language: Language) -> None:
    bar = figure.colorbar(
        ScalarMappable(cmap=COLOUR_MAP), ax=figure.axes, location="bottom", shrink=0.5, aspect=50, pad=0.02
    )
    bar.set_label(capital(word("scale_per_map", language)))
    bar.set_ticks([0, 1], labels=[word(_LEAST, language), word(_MOST, language)])
