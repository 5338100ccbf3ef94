"""Images and maps side by side."""

import textwrap
from math import ceil, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from mi204.language import Language, fill, word
from mi204.plots._frame import (
    CHARACTER,
    COLOURS,
    PAGE,
    SMALL,
    capital,
    drawable,
    finish,
    legend_below,
    new_figure,
    styled,
)

_WRONG = COLOURS[1]


@styled
def examples(
    images: np.ndarray,
    labels: list[str],
    *,
    columns: int = 6,
    correct: np.ndarray | None = None,
    true_labels: list[str] | None = None,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw uint8 images (n, h, w, c), each under its label.

    Where ``true_labels`` are given, an image whose label is another is framed and carries a cross, and its true label
    stands under the other. ``correct`` (n,), instead, says which are right without naming the truth.
    """
    rows = ceil(len(images) / columns)
    room = int(72 * PAGE / columns / CHARACTER)
    if true_labels is not None:
        correct = np.array(labels) == np.array(true_labels)
    lines = [[label] for label in labels]
    for index, true in enumerate(true_labels or ()):
        if not correct[index]:
            lines[index].append(fill(word("true_label", language), {"label": true}, language))
    labels = ["\n".join(textwrap.fill(drawable(line), room) for line in both) for both in lines]
    label_height = 0.15 * max(label.count("\n") + 1 for label in labels)
    figure = new_figure(rows * (PAGE / columns + label_height), title=title, footer=footer)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        _show(axes, image)
        axes.set_title(label, size=SMALL, pad=3)
        if correct is not None and not correct[index]:
            axes.title.set_color(_WRONG)
            axes.spines[:].set(color=_WRONG, linewidth=3)
            cross = {"color": _WRONG, "size": 11, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1}}
            axes.text(0.94, 0.94, "✗", ha="right", va="top", transform=axes.transAxes, **cross)
    return finish(figure, language)


@styled
def heat_map(image: np.ndarray, *, label: str, title: str, footer: str, language: Language) -> Figure:
    """Draw an array (h, w) in grey, with rows and columns numbered, beside the scale of its values, ``label``."""
    figure = new_figure(4.2, title=title, footer=footer)
    axes = figure.add_subplot()
    shown = axes.imshow(image, cmap="gray_r", vmin=0, vmax=image.max() or 1)
    axes.set_xlabel(word("column", language).capitalize())
    axes.set_ylabel(word("row", language).capitalize())
    figure.colorbar(shown, label=capital(label))
    return finish(figure, language)


@styled
def standardised(
    original_image: np.ndarray, standardised_image: np.ndarray, *, title: str, footer: str, language: Language
) -> Figure:
    """Draw an image (h, w, 3) before and after ``standardize``, above the histogram of its channels."""
    figure = new_figure(4.8, title=title, footer=footer)
    above, below = figure.subplots(2, 2)
    least, most = standardised_image.min(), standardised_image.max()
    rescaled = (standardised_image - least) / ((most - least) or 1)
    _show(above[0], original_image)
    _show(above[1], rescaled)
    above[0].set_title(word("original", language).capitalize())
    above[1].set_title(word("standardised_rescaled", language).capitalize())
    names = (word("red_channel", language), word("green_channel", language), word("blue_channel", language))
    looks = [
        {"color": colour, "linestyle": line, "label": name}
        for colour, line, name in zip((COLOURS[1], COLOURS[2], COLOURS[0]), ("-", "--", ":"), names, strict=True)
    ]
    for axes, image, xlabel in (
        (below[0], original_image, word("value_original", language)),
        (below[1], standardised_image, word("value_standardised", language)),
    ):
        edges = np.linspace(image.min(), image.max() if image.max() > image.min() else image.min() + 1, 33)
        for channel, look in enumerate(looks):
            axes.stairs(np.histogram(image[..., channel], edges)[0], edges, linewidth=1.4, **look)
        axes.set_xlabel(xlabel.capitalize())
        axes.set_ylabel(word("number_of_pixels", language).capitalize())
    legend_below(figure, [Line2D([], [], **look) for look in looks], heading=word("channel", language))
    return finish(figure, language)


@styled
def summed_masks(images: np.ndarray, masks: np.ndarray, *, title: str, footer: str, language: Language) -> Figure:
    """Draw images (n, h, w, c), six in a row, above their masks (n, h, w) between 0 and 1."""
    columns = 6
    rows = 2 * ceil(len(images) / columns)
    figure = new_figure(rows * PAGE / columns + 0.5, title=title, footer=footer)
    panels = []
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        pair, column = divmod(index, columns)
        above = figure.add_subplot(rows, columns, 2 * pair * columns + column + 1)
        below = figure.add_subplot(rows, columns, (2 * pair + 1) * columns + column + 1)
        _show(above, image)
        shown = _show(below, mask, vmin=0, vmax=1)
        panels += [above, below]
        if column == 0:
            above.set_ylabel(word("image", language).capitalize())
            below.set_ylabel(word("mask", language).capitalize())
    _colour_bar(figure, shown, panels, word("relative_activation", language))
    return finish(figure, language)


@styled
def feature_maps(image: np.ndarray, maps: np.ndarray, *, title: str, footer: str, language: Language) -> Figure:
    """Draw an image (h, w, c) and the maps (h, w, filters) of a layer, numbered from 1.

    The colours of each map go from its own minimum to its own maximum.
    """
    n_filters = maps.shape[-1]
    columns = min(9, ceil(sqrt(2 * (n_filters + 1))))
    rows = ceil((n_filters + 1) / columns)
    figure = new_figure(rows * (PAGE / columns + 0.2) + 0.5, title=title, footer=footer)
    panels = [figure.add_subplot(rows, columns, index + 1) for index in range(n_filters + 1)]
    _show(panels[0], image)
    panels[0].set_title(word("image", language).capitalize(), size=SMALL, pad=3)
    for index, axes in enumerate(panels[1:]):
        _show(axes, maps[..., index], **_limits(maps[..., index]))
        axes.set_title(str(index + 1), size=SMALL, pad=3)
    _relative_colour_bar(figure, panels, n_filters, "map", language)
    return finish(figure, language)


@styled
def maps_over_epochs(
    image: np.ndarray, maps: dict[int, np.ndarray], *, title: str, footer: str, language: Language
) -> Figure:
    """Draw the maps (h, w, filters) of a layer, one row per epoch, one column per filter.

    The colours of each column go from its filter's minimum to its maximum over the epochs.
    """
    n_filters = next(iter(maps.values())).shape[-1]
    figure = new_figure(len(maps) * (PAGE - 0.7) / (n_filters + 1) + 0.9, title=title, footer=footer)
    panels = figure.subplots(len(maps), n_filters + 1, squeeze=False)
    _show(panels[0, 0], image)
    panels[0, 0].set_title(word("image", language).capitalize(), size=SMALL, pad=3)
    for row, epoch in zip(panels, maps, strict=True):
        label = f"{word('epoch', language).capitalize()} {epoch}"
        row[1].set_ylabel(label, size=SMALL, rotation=0, ha="right", va="center")
    for index, column in enumerate(panels[:, 1:].T):
        limits = _limits(np.stack([maps_then[..., index] for maps_then in maps.values()]))
        for axes, maps_then in zip(column, maps.values(), strict=True):
            _show(axes, maps_then[..., index], **limits)
        column[0].set_title(str(index + 1), size=SMALL, pad=3)
    for axes in panels[1:, 0]:
        axes.remove()
    _relative_colour_bar(figure, figure.axes, n_filters, "column", language)
    return finish(figure, language)


def _show(axes: Axes, image: np.ndarray, **limits: float) -> AxesImage:
    axes.set_xticks([])
    axes.set_yticks([])
    if limits:
        return axes.imshow(image, cmap="viridis", **limits)
    if image.shape[-1] == 1:
        return axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    return axes.imshow(image)


def _limits(maps: np.ndarray) -> dict[str, float]:
    """Give the ends of the colours; a constant map is shown in the colour of the minimum."""
    least, most = maps.min(), maps.max()
    return {"vmin": least, "vmax": most if most > least else least + 1}


def _relative_colour_bar(figure: Figure, panels: list[Axes], n_filters: int, scale: str, language: Language) -> None:
    """Explain, without numbers, colours that mean other values in each ``scale``: ``map`` or ``column``."""
    label = f"{word('activation_of_filters', language)} 1–{n_filters}, {word(f'scale_per_{scale}', language)}"
    bar = _colour_bar(figure, ScalarMappable(cmap="viridis"), panels, label)
    bar.set_ticks([0, 1], labels=[word(f"minimum_of_{scale}", language), word(f"maximum_of_{scale}", language)])


def _colour_bar(figure: Figure, shown: ScalarMappable, panels: list[Axes], label: str) -> Colorbar:
    return figure.colorbar(shown, ax=panels, label=label.capitalize(), location="bottom", shrink=0.6, aspect=40)
