"""The look that all figures share: type, colours, title, footer, numbers."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from mi204.language import Language

PAGE = 7.0
"""Width of a figure in inches: the text of an A4 page."""
SMALL = 8
"""Smallest type, in points."""
CHARACTER = 4.6
"""Width of a character of small type in a line of text, in points, on the safe side."""
GREY = "#555555"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9", "#999999")
"""Okabe and Ito's palette; grey instead of its yellow, which white paper swallows."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
TRAINING, VALIDATION = "--", "-"

_FONT = "DejaVu Sans"  # comes with matplotlib: the same figure everywhere, and it has every sign we use
_TITLE = 11

_LOOK = {
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "errorbar.capsize": 3,
    "figure.titlesize": _TITLE,
    "font.family": _FONT,
    "font.size": 9,
    "grid.color": "#dddddd",
    "hatch.linewidth": 0.6,
    "image.interpolation": "nearest",
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "legend.title_fontsize": SMALL,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
}


@contextmanager
def _our_settings() -> Iterator[None]:
    """Put matplotlib's own defaults and our look in the place of the user's settings, which come back at the end."""
    with rc_context():
        rcdefaults()
        rcParams.update(_LOOK)
        yield


styled = _our_settings()
"""Decorator of every function that draws; matplotlib's settings are as before when it returns."""


class _Figure(Figure):
    """A figure in our look to the end: ticks and more are made only when it is drawn."""

    draw = styled(Figure.draw)
    savefig = styled(Figure.savefig)


def new_figure(height: float, *, title: str, footer: str, width: float = PAGE) -> Figure:
    """Make a figure with ``height`` inches for its panels between the title above and the footer below."""
    title = textwrap.fill(title, int(72 * width / (0.62 * _TITLE)), break_on_hyphens=False)
    # A dot between two parts stays at the end of a line, never at the beginning of the next.
    footer = textwrap.fill(footer.replace(" ·", "\u00a0·"), int(72 * width / CHARACTER) - 2, break_on_hyphens=False)
    footer = footer.replace("\u00a0·", " ·")
    top = 0.1 + (title.count("\n") + 1) * 1.3 * _TITLE / 72
    bottom = 0.15 + (footer.count("\n") + 1) * 1.3 * SMALL / 72
    height += top + bottom
    figure = _Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title)
    figure.text(0.05 / width, 0.05 / height, footer, color=GREY, size=SMALL, va="bottom")
    figure.get_layout_engine().set(h_pad=0.06, rect=(0, bottom / height, 1, 1 - bottom / height))
    return figure


def legend_below(figure: Figure, handles: list[Artist], *, heading: str = "", columns: int = 0) -> None:
    """Put a legend under its ``heading`` between the panels and the footer, at the expense of the panels.

    The next legend comes above this one. Without ``columns``, there are as many as its rows need.
    """
    if not columns:
        longest = max(len(handle.get_label()) for handle in handles)
        room = max(1, int(72 * PAGE / (CHARACTER * longest + 50)))
        columns = ceil(len(handles) / ceil(len(handles) / room))
    layout = figure.get_layout_engine()
    _, bottom, _, rest = layout.get()["rect"]
    figure.legend(
        handles=handles, title=capital(heading), ncols=columns,
        loc="lower center", bbox_to_anchor=(0.5, bottom), borderaxespad=0,
    )
    # matplotlib itself makes room for a legend only at the very edge of the figure, where the footer is
    rows = ceil(len(handles) / columns) + bool(heading)
    height = (1.5 * SMALL * rows + SMALL) / 72 / figure.get_figheight()
    layout.set(rect=(0, bottom + height, 1, rest - height))


def finish(figure: Figure, language: Language) -> Figure:
    """Write the numbers along the axes as the language does."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), ScalarFormatter):
                axis.set_major_formatter(_Numbers(language))
    return figure


def capital(text: str) -> str:
    """Begin a text with a capital; ``str.capitalize`` would write small the names within it."""
    return text[:1].upper() + text[1:]


def localised(number: str, language: Language) -> str:
    """Write a number formatted by Python (``1,234.5``) as the language does (French: ``1 234,5``)."""
    return number.translate(str.maketrans({",": "\u202f", ".": ","})) if language == "fr" else number


class _Numbers(ScalarFormatter):
    """Tick labels without powers of ten, with the decimal sign of the language."""

    def __init__(self, language: Language):
        super().__init__(useOffset=False)
        self.set_scientific(False)
        self.language = language

    def __call__(self, x: float, pos: int | None = None) -> str:
        return localised(super().__call__(x, pos), self.language)
