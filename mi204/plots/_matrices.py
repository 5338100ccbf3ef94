"""Confusion matrices: rows are the truth, columns the prediction."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mi204.language import Language, word
from mi204.plots._frame import SMALL, drawable, finish, localised, new_figure, styled


@styled
def confusion_matrix(
    matrix: np.ndarray, classes: list[str], *, normalised: bool, title: str, footer: str, language: Language
) -> Figure:
    """Draw a confusion matrix (classes, classes) of counts, each row divided by its sum if ``normalised``.

    Each row gives the number of its images; divided by it, the row of a class without images has dashes.
    """
    matrix, classes = np.asarray(matrix), [drawable(name) for name in classes]
    totals = matrix.sum(axis=1)
    rows = [f"{name} ({localised(f'{n:,}', language)})" for name, n in zip(classes, totals, strict=True)]
    figure = new_figure(1.4 + 0.4 * len(classes), title=title, footer=footer)
    axes = figure.add_subplot()
    image = _draw(axes, _shares(matrix, totals) if normalised else matrix, rows, classes, language)
    axes.set_ylabel(f"{word('true_class', language).capitalize()} ({word('number_of_images', language)})")
    meaning = word("share_of_true_class", language) if normalised else word("number_of_images", language)
    figure.colorbar(image, label=meaning.capitalize())
    return finish(figure, language)


def _shares(matrix: np.ndarray, totals: np.ndarray) -> np.ndarray:
    shares = np.full(matrix.shape, np.nan)
    return np.divide(matrix, totals[:, None], out=shares, where=totals[:, None] > 0)


def _draw(axes: Axes, cells: np.ndarray, rows: list[str], columns: list[str], language: Language) -> AxesImage:
    most = np.nanmax(cells, initial=0)
    image = axes.imshow(cells, cmap="Blues", vmin=0, vmax=most or 1)
    for (row, column), value in np.ndenumerate(cells):
        text = "–" if np.isnan(value) else f"{value:.2f}" if cells.dtype.kind == "f" else f"{value}"
        colour = "white" if value > most / 2 else "black"
        axes.text(column, row, localised(text, language), color=colour, size=SMALL, ha="center", va="center")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.set_xlabel(word("predicted_class", language).capitalize())
    return image
