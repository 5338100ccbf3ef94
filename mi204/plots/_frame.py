"""The look that all figures share: type, colours, title, footer, numbers."""

import textwrap
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import ceil

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, fontManager, get_font
from matplotlib.text import Text
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

_FONT = "DejaVu Sans"  # comes with matplotlib: the same figure everywhere, and it has every sign that we use
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
    title, footer = drawable(title), drawable(footer)
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
    for handle in handles:
        handle.set_label(drawable(handle.get_label()))
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
    """Write the numbers along the axes as the language does, and texts in fonts that have their characters."""
    for text in figure.findobj(Text):
        text.set_text(drawable(text.get_text()))
        others = {_family(character) for character in text.get_text()} - {_FONT, None}
        if others:
            text.set_fontfamily([_FONT, *sorted(others)])
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), ScalarFormatter):
                axis.set_major_formatter(_Numbers(language))
    return figure


def drawable(text: str) -> str:
    r"""Write what no font of this machine has, such as a name in another script, as Python escapes it: ``\u738b``.

    What is laid out by the length of its texts calls it first; ``finish`` does for all others.
    """
    return "".join(each if _family(each) else each.encode("unicode_escape").decode() for each in text)


@cache
def _family(character: str) -> str | None:
    """Give the family of a font that draws a character: ours, else the plainest on this machine, else None."""
    if character == "\n":
        return _FONT
    fonts = sorted(fontManager.ttflist, key=_ornateness)
    return next((font.name for font in fonts if _draws(font.fname, character)), None)


def _ornateness(font: FontEntry) -> tuple:
    return font.name != _FONT, "sans" not in font.name.lower(), font.style != "normal", font.weight != 400, font.fname


def _draws(path: str, character: str) -> bool:
    """Tell whether a font has an outline for a character: fonts of coloured pictures have none."""
    if "LastResort" in path:  # boxes for all characters
        return False
    try:
        font = get_font(path)
        index = font.get_char_index(ord(character))
        font.load_glyph(index)
    except (OSError, RuntimeError):
        return False
    invisible = unicodedata.category(character)[0] in "CMZ"
    return index > 0 and (invisible or len(font.get_path()[0]) > 0)


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
