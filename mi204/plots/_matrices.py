"""Confusion matrices: rows are the truth, columns the prediction."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mi204.language import Language, word
from mi204.plots._frame import SMALL, finish, localised, new_figure, styled


@styled
def confusion_matrix(
    matrix: np.ndarray, classes: list[str], *, normalised: bool, title: str, footer: str, language: Language
) -> Figure:
    """Draw a confusion matrix (classes, classes) of counts, each row divided by its sum if ``normalised``."""
    figure = new_figure(1.4 + 0.4 * len(classes), title=title, footer=footer)
    axes = figure.add_subplot()
    cells = _shares(matrix) if normalised else np.asarray(matrix)
    image = _draw(axes, cells, classes, cells.max(), language)
    axes.set_ylabel(word("true_class", language).capitalize())
    meaning = word("share_of_true_class", language) if normalised else word("number_of_images", language)
    figure.colorbar(image, label=meaning.capitalize())
    return finish(figure, language)


def _shares(matrix: np.ndarray) -> np.ndarray:
    return matrix / np.maximum(np.sum(matrix, axis=1, keepdims=True), 1)  # a class without examples: zeros


def _draw(axes: Axes, cells: np.ndarray, classes: list[str], most: float, language: Language) -> AxesImage:
    image = axes.imshow(cells, cmap="Blues", vmin=0, vmax=most or 1)
    for (row, column), value in np.ndenumerate(cells):
        text = localised(f"{value:.2f}", language) if cells.dtype.kind == "f" else str(value)
        colour = "white" if value > most / 2 else "black"
        axes.text(column, row, text, color=colour, size=SMALL, ha="center", va="center")
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(length=0)
    axes.set_xlabel(word("predicted_class", language).capitalize())
    return image
