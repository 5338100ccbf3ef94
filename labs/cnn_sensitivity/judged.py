"""Question 3.5: measures of maps over many images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labs.cnn_sensitivity.config import Config
from labs.cnn_sensitivity.gallery import Gallery, Looker, look_at
from labs.cnn_sensitivity.measured import Images, Marks, Sweep
from mi204.datasets.photographs import Photograph
from mi204.explain import METHODS, faithfulness, robustness
from mi204.explain.transformations import TRANSFORMATIONS, Geometric

EXAMPLES = 12
"""Images that are shown with their maps."""
JUDGED_STRENGTHS = 4
"""Strengths of each transformation by which methods are compared; the setup's own is swept over all variants."""


def shown_of(config: Config, gallery: Gallery) -> tuple[Photograph, ...]:
    """Give the images over which means are taken."""
    return gallery.shown[: config.n_images]


def outlined_of(config: Config, gallery: Gallery) -> tuple[Photograph, ...]:
    """Give the images whose object is outlined: drawn ones where the others have no outlines."""
    return gallery.drawn[: config.n_images] or tuple(
        each for each in shown_of(config, gallery) if each.mask is not None and each.mask.any()
    )


def stacked(every: Sequence[Photograph]) -> np.ndarray:
    """Give pictures as one array of floats from 0 to 255, (n, h, w, 3)."""
    return np.stack([each.image for each in every]).astype(np.float32)


def true_classes(every: Sequence[Photograph], probabilities: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Give the class of each picture: of several right ones the likeliest; where none is known, the one named."""
    return np.array([
        max((classes.index(name) for name in each.answers), key=lambda label: row[label], default=row.argmax())
        for each, row in zip(every, probabilities, strict=True)
    ])


def judge(method: str, config: Config, shown: Sequence[Photograph], outlined: Sequence[Photograph], look: Looker
) -> Marks:
    """Measure the maps of one method; ``random`` stands for maps that know nothing."""
    images, backbone = stacked(shown), look.backbone
    inputs, predict = backbone.preprocess(images), look.explainer.predict
    named = predict(inputs).argmax(axis=1)
    size, unknown = images.shape[1:3], np.full(len(images), np.nan)
    if method == "random":
        cells = look(images[:1], "gradcam").raw.shape[1:3]
        maps = faithfulness.random_maps(len(images), size, cells, seed=config.recipe.seed)
        on = faithfulness.random_maps(len(outlined), size, cells, seed=config.recipe.seed + 1) if outlined else None
        robust = {"geometric": unknown, "photometric": unknown}
    else:
        maps = look(images, method, named).maps
        if outlined:
            targets = true_classes(outlined, look_at(backbone, outlined), backbone.classes)
            on = look(stacked(outlined), method, targets).maps
        robust = held(config, method, images, look)
    masks = np.stack([each.mask for each in outlined]) if outlined else None
    steps = min(config.steps, math.prod(size))
    insertion = faithfulness.insertion(predict, inputs, maps, named, steps=steps).auc
    deletion = faithfulness.deletion(predict, inputs, maps, named, steps=steps).auc
    return Marks(
        label=METHODS[method].label if method in METHODS else method,
        of_class=method in METHODS and METHODS[method].of_class,
        pointing=faithfulness.pointing_game(on, masks) if outlined else np.empty(0),
        iou=faithfulness.iou_at_area(on, masks) if outlined else np.empty(0),
        drop=faithfulness.masking(predict, inputs, maps, named).drop,
        insertion=insertion, deletion=deletion, **robust,
    )


def held(config: Config, method: str, images: np.ndarray, look: Looker) -> dict[str, np.ndarray]:
    """Measure how alike M(Tx) and T M(x) are, image by image, where pixels move and where they do not."""
    found = {}
    for kind, moving in (("geometric", True), ("photometric", False)):
        chosen = [
            TRANSFORMATIONS[name] for name in config.transformations
            if isinstance(TRANSFORMATIONS[name], Geometric) == moving
        ]
        found[kind] = np.full(len(images), np.nan)
        if chosen:
            table = robustness.measure(
                look.maps_of(method), images, chosen, seed=config.recipe.seed, n_strengths=JUDGED_STRENGTHS
            )
            table = table[(table["target"] == "original") & (table["measure"] == "pearson")]
            found[kind] = table.groupby("image")["value"].mean().to_numpy()
    return found


def sweep(config: Config, name: str, images: np.ndarray, look: Looker) -> Sweep:
    """Transform all images more and more strongly; maps by the setup's method."""
    transformation = TRANSFORMATIONS[name]
    table = robustness.measure(
        look.maps_of(config.recipe.method), images, [transformation], seed=config.recipe.seed,
        n_strengths=config.n_variants,
    )
    table = table[(table["target"] == "original") & (table["measure"] == "pearson")]
    grids = {column: table.pivot(index="image", columns="strength", values=column) for column in ("value", "kept")}
    return Sweep(
        transformation=name, unit=transformation.unit, strengths=[float(each) for each in grids["value"].columns],
        similarity=grids["value"].to_numpy(float), kept=grids["kept"].to_numpy(bool),
    )


def seen(
    shown: Sequence[Photograph], outlined: Sequence[Photograph], drawn: bool, method: str, look: Looker
) -> Images:
    """Describe the images, which of them the network recognises, and what the setup's method shows of the first."""
    backbone = look.backbone

    def right(every: Sequence[Photograph], probabilities: np.ndarray) -> np.ndarray:
        named = [backbone.classes[index] for index in probabilities.argmax(axis=1)]
        return np.array([
            float(name in each.answers) if each.answers else math.nan for name, each in zip(named, every, strict=True)
        ])

    first = shown[:EXAMPLES]
    found = look(np.stack([each.image for each in first]), method)
    labels = found.probabilities.argmax(axis=1)
    nowhere = np.zeros(first[0].image.shape[:2], dtype=bool)
    return Images(
        examples=np.stack([each.image for each in first]), maps=found.maps,
        outlines=np.stack([nowhere if each.mask is None else each.mask for each in first]),
        named=[backbone.classes[label] for label in labels],
        confidence=found.probabilities.max(axis=1).astype(float).tolist(),
        recognised=right(shown, look_at(backbone, shown)), drawn=drawn,
        outlined_recognised=right(outlined, look_at(backbone, outlined)) if outlined else np.empty(0),
        area=np.array([each.mask.mean() for each in outlined]),
    )
