"""What the page shows, written: pictures as PNG, and the HTML around them, in both languages."""

import base64
import io
import math
import textwrap
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from mi204.backbones import Backbone
from mi204.datasets import cifar10
from mi204.datasets.photographs import Photograph
from mi204.demo.studio import Followed, Seen
from mi204.errors import UserError
from mi204.explain import DIAGNOSTICS
from mi204.explain.methods import Method
from mi204.language import Language, fill, word
from mi204.plots import colours

_FEW_PIXELS = 100
"""Pictures with fewer pixels a side are enlarged without smoothing: every pixel is to be seen."""
_PAPER_WIDTH, _DPI = 9, 100
_COLUMNS = 120
"""Characters in a line under the saved picture."""


def coloured(heat: np.ndarray) -> np.ndarray:
    """Give a map (h, w) in [0, 1] its colours: uint8 (h, w, 3)."""
    return _whole(colours.coloured(heat))


def overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Mix an image, uint8 (h, w, 3), with the colours of a map (h, w): uint8 (h, w, 3)."""
    return _whole(colours.blended(image, heat))


def _whole(shares: np.ndarray) -> np.ndarray:
    """Write shares of the greatest value as whole numbers from 0 to 255."""
    return (255 * shares).round().astype(np.uint8)


def class_name(backbone: Backbone, index: int, language: Language) -> str:
    """Give the name of a class; those of ImageNet are English in both languages."""
    name = backbone.classes[index]
    return word(f"class_{name}", language) if backbone.classes == cifar10.CLASSES else name.replace("_", " ")


def class_choices(backbone: Backbone, seen: Seen, language: Language) -> list[tuple[str, int]]:
    """List the classes to choose from, with their indices: the likeliest with their probabilities, then all by name."""
    names = [class_name(backbone, each, language) for each in range(len(backbone.classes))]
    top = [(f"{names[each]} · {_percent(share, language)}", each) for each, share in seen.top()]
    likeliest = {each for _, each in top}
    return top + sorted((name, each) for each, name in enumerate(names) if each not in likeliest)


def method_name(method: Method) -> str:
    """Give a method's name with its paper."""
    return f"{method.label} ({method.paper})"


Rows = Sequence[Sequence[tuple[str, np.ndarray]]]
"""Rows of pictures, uint8 (h, w, 3), each with its caption."""


def pictures(seen: Seen, followed: Followed | None, language: Language) -> Rows:
    """Give the rows of pictures with their captions: input, map, overlay; below, those of the transformed picture."""
    height, width = seen.image.shape[:2]
    size = {"height": height, "width": width}
    rows = [[
        (fill(word("page_input", language), size, language), seen.image),
        (word("page_map", language), coloured(seen.map)),
        (word("page_overlay", language), overlaid(seen.image, seen.map)),
    ]]
    if followed:
        image, heat = followed.seen.image, followed.seen.map
        rows.append([
            (word("page_transformed", language), image),
            (word("page_expected", language), overlaid(image, followed.expected)),
            (word("page_found", language), overlaid(image, heat)),
        ])
    return rows


def sentences(
    backbone: Backbone, photograph: Photograph, seen: Seen, followed: Followed | None, language: Language
) -> list[str]:
    """Say what the network answers, what is explained and where, and what is to be known of the picture and the map."""
    explanation = seen.explanation
    top = ", ".join(
        f"{class_name(backbone, each, language)} {_percent(share, language)}" for each, share in seen.top()
    )
    values = {
        "top": top, "method": method_name(explanation.method), "name": class_name(backbone, seen.target, language),
        "share": seen.probabilities[seen.target],
    }
    said = [
        fill(word("page_prediction", language), values, language),
        fill(word("page_explained", language), values, language),
        explanation.reason.written(language),
        *(DIAGNOSTICS[name].written(language) for name in explanation.diagnostics[0]),
    ]
    if followed:
        said += _of_transformation(backbone, followed, language)
    if photograph.remarks:
        said.append(fill(word("page_remarks", language), {"remarks": list(photograph.remarks)}, language))
    if backbone.remark:
        said.append(word(backbone.remark, language))
    return said


def _of_transformation(backbone: Backbone, followed: Followed, language: Language) -> list[str]:
    (now, share), *_ = followed.seen.top()
    values = {"name": class_name(backbone, now, language), "share": share}
    said = [fill(word("page_prediction_transformed", language), values, language)]
    if any(math.isnan(each) for each in followed.similarities.values()):
        said.append(word("page_not_comparable", language))
    else:
        said.append(fill(word("page_similarity", language), followed.similarities, language))
    return said + [DIAGNOSTICS[name].written(language) for name in followed.seen.explanation.diagnostics[0]]


def html(rows: Rows, said: Sequence[str], saved: bytes, name: str, save: str) -> str:
    """Write the result: rows of pictures, the sentences below, a link that saves the PNG ``saved`` as ``name``."""
    written = "".join(
        f'<div class="mi204-row">{"".join(_figure(caption, image) for caption, image in row)}</div>' for row in rows
    )
    paragraphs = "".join(f"<p>{escape(each)}</p>" for each in said)
    link = f'<a class="mi204-save" download="{escape(name)}" href="{_address(saved)}">{escape(save)}</a>'
    return f'<div class="mi204-result">{written}{paragraphs}{link}</div>'


def message(error: UserError, language: Language) -> str:
    """Write what is wrong."""
    return f'<p class="mi204-error" role="alert">{escape(error.written(language))}</p>'


def png(rows: Rows, said: Sequence[str]) -> bytes:
    """Draw the rows of pictures with their captions, and the sentences below, as a PNG file."""
    lines = [line for each in said for line in textwrap.wrap(each, _COLUMNS)]
    below = 0.15 * len(lines) + 0.2  # inches
    height = 3.2 * len(rows) + below
    figure = Figure(figsize=(_PAPER_WIDTH, height), dpi=_DPI, facecolor="white")
    grid = figure.add_gridspec(
        len(rows), 3, left=0.02, right=0.98, bottom=below / height, top=1 - 0.3 / height, wspace=0.05, hspace=0.12
    )
    for row, shown in enumerate(rows):
        for column, (caption, image) in enumerate(shown):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(image, interpolation="nearest" if _small(image) else None)
            axes.set_title(caption, fontsize=9)
            axes.set_axis_off()
    figure.text(0.02, (below - 0.1) / height, "\n".join(lines), va="top", fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _figure(caption: str, image: np.ndarray) -> str:
    look = ' class="mi204-pixels"' if _small(image) else ""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return (
        f'<figure><img{look} src="{_address(file.getvalue())}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _small(image: np.ndarray) -> bool:
    return max(image.shape[:2]) < _FEW_PIXELS


def _address(file: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def _percent(share: float, language: Language) -> str:
    return fill("{share:.1%}", {"share": share}, language)
