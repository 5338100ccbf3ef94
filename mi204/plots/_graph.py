"""A network as a chain of boxes, for machines without the ``dot`` program."""

from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.path import Path

from mi204.language import Language, word
from mi204.plots._frame import CHARACTER, COLOURS, GREY, PAGE, SMALL, finish, localised, new_figure, styled

# in points
_LINE = 1.2 * SMALL
_BOX = 3 * _LINE + 4
_GAP = 12
_GUTTER = 24
_ROWS = 13  # that fill a page


@styled
def model_graph(layers: list[dict], *, title: str, footer: str, language: Language) -> Figure:
    """Draw a network from its layers, in columns read downwards.

    Each layer has ``name``, ``type``, ``output_shape`` (text), ``parameters`` and ``inputs``: the names of the layers
    it reads. Connections that pass over layers run beside the boxes.
    """
    texts = []
    for layer in layers:
        parameters = localised(f"{layer['parameters']:,}", language)
        texts.append((layer["name"], layer["type"], f"{layer['output_shape']} · {parameters}"))
    columns = ceil(len(layers) / _ROWS)
    rows = ceil(len(layers) / columns)
    # The name is in bold, which is a fifth wider.
    box = CHARACTER * max(max(1.2 * len(name), len(kind), len(size)) for name, kind, size in texts) + 4
    width, height = columns * (box + _GUTTER) + _GUTTER, rows * (_BOX + _GAP) + 2 * _GAP
    figure = new_figure(height / 72 + 0.3, title=title, footer=footer, width=max(PAGE, width / 72 + 0.1))
    axes = figure.add_subplot(aspect="equal", xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    axes.set_title(word("what_a_box_says", language).capitalize(), size=SMALL, color=GREY)
    corners = {}
    for index, lines in enumerate(texts):
        column, row = divmod(index, rows)
        left, top = _GUTTER + column * (box + _GUTTER), 1.5 * _GAP + row * (_BOX + _GAP)
        corners[lines[0]] = left, top
        axes.add_patch(Rectangle((left, top), box, _BOX, facecolor="#eef4fa", edgecolor="black", linewidth=0.8))
        for number, (line, weight) in enumerate(zip(lines, ("bold", "normal", "normal"), strict=True)):
            middle = top + 2 + (number + 0.5) * _LINE
            axes.text(left + box / 2, middle, line, size=SMALL, weight=weight, ha="center", va="center_baseline")
    names = list(corners)
    for index, layer in enumerate(layers):
        for source in layer["inputs"]:
            _connect(axes, corners[source], corners[layer["name"]], box, index - names.index(source))
    return finish(figure, language)


def _connect(axes: Axes, source: tuple[float, float], target: tuple[float, float], box: float, distance: int) -> None:
    """Draw the arrow between two boxes, given by their upper left corners; the target comes ``distance`` later."""
    (source_left, source_top), (target_left, target_top) = source, target
    bottom, middle = (source_left + box / 2, source_top + _BOX), target_left + box / 2
    # at the side, arrows leave in the lower half of a box and arrive in its upper half
    leave, arrive = source_top + 0.65 * _BOX, target_top + 0.35 * _BOX
    if distance == 1 and source_left == target_left:
        path = Path([bottom, (middle, target_top)])
    elif distance == 1:
        below, above, gutter = bottom[1] + _GAP / 2, target_top - _GAP, source_left + box + 4
        path = Path(
            [bottom, (bottom[0], below), (gutter, below), (gutter, above), (middle, above), (middle, target_top)]
        )
    else:
        if source_left == target_left:
            start, reach = source_left, -4 / 3 * min(18, 6 + 2 * distance)
        else:
            start, reach = source_left + box, _GUTTER
        controls = [(start + reach, leave), (target_left - abs(reach), arrive)]
        path = Path(
            [(start, leave), *controls, (target_left, arrive)], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        )
    colour = "black" if distance == 1 else COLOURS[1]
    look = {"arrowstyle": "-|>", "mutation_scale": 8, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.0, "color": colour}
    # behind the boxes: a connection to a far column passes under those between
    axes.add_patch(FancyArrowPatch(path=path, zorder=0.5, capstyle="butt", joinstyle="round", **look))
