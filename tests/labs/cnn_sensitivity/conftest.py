"""Measurements made by hand: every number differs from every other, so that none can be taken for another."""

from dataclasses import replace

import numpy as np
import pytest

from labs.cnn_sensitivity.config import ROLES, Config, Recipe
from labs.cnn_sensitivity.measured import Explained, Images, Marks, Measured, Picture, Setup, Sweep, Variants

SIDE = 8
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
OUTLINE = np.zeros((SIDE, SIDE), np.uint8)
OUTLINE[2:6, 2:6] = 1  # a quarter of the picture
RAMP = (np.arange(SIDE * SIDE, dtype=np.float32) / (SIDE * SIDE - 1)).reshape(SIDE, SIDE)
CENTRE = np.where(OUTLINE > 0, 1, 0.1).astype(np.float32)


def spot(row, column):
    """Make a map with one highest point."""
    one = np.full((SIDE, SIDE), 0.1, np.float32)
    one[row, column] = 1
    return one


QUARTERS = np.ones((SIDE, SIDE), np.uint8)
QUARTERS[:4, 4:], QUARTERS[4:, :4], QUARTERS[4:, 4:] = 2, 3, 4

SETUP = Setup(
    backbone="mobilenet", trained_on="ImageNet", remark=None, parameters=3_538_984, side=[224, 160],
    n_classes=1000, accuracy=0.887, method="Grad-CAM", paper="Selvaraju 2017", layer="out_relu", map_side=[7, 5],
    reason={"en": "Layer out_relu, the last.", "fr": "Couche out_relu, la dernière."}, target="tabby_cat",
)
PICTURES = {
    "one": Picture(
        role="one", name="cat.jpg", remarks=[], composed=False, among=5, image=IMAGE, objects=OUTLINE, outlined=True,
        raw=np.float32([[0.2, 4.2], [0.4, -0.6]]), map=CENTRE, score=9.3, probability=0.81, predicted="tabby_cat",
        confidence=0.82, diagnostics=[],
    ),
    "several": Picture(
        role="several", name="four.jpg", remarks=[], composed=True, among=1, image=255 - IMAGE,
        objects=QUARTERS, outlined=False,
        raw=np.float32([[0.1, 3.1], [0.3, 0.5]]), map=spot(1, 1), score=8.4, probability=0.71, predicted="tabby_cat",
        confidence=0.72, diagnostics=[],
    ),
    "none": Picture(
        role="none", name="crow.jpg", remarks=[], composed=False, among=1, image=IMAGE[::-1],
        objects=OUTLINE, outlined=True,
        raw=np.float32([[0.7, 0.1], [0.0, -0.2]]), map=spot(3, 3), score=-2.5, probability=0.0031,
        predicted="black_crow", confidence=0.64, diagnostics=[],
    ),
}


def one_method(label, family, shown, costs, other, compactness, inside, side=(7, 5)):
    return Explained(
        label=label, paper="somebody", family=family, map=shown, side=list(side), costs=costs, other_class=other,
        compactness=compactness, inside=inside,
    )


EXPLAINED = {
    "gradcam": one_method("Grad-CAM", "layer", CENTRE, [1.1, 1.25, 9.0], 0.31, 0.21, 0.63),
    "cam": one_method("CAM", "layer", CENTRE, [1.3], 0.32, 0.23, 0.66),
    "eigencam": one_method("Eigen-CAM", "any_class", RAMP, [1.6], 0.98, 0.25, 0.24),
    "scorecam": one_method("Score-CAM", "perturbed", RAMP[::-1].copy(), [130.0], 0.43, 0.27, 0.52),
    "saliency": one_method("Gradient", "input", spot(0, 7), [2.1], 0.45, 0.05, 0.41, (224, 160)),
}


def changed(transformation, geometric, unit, scores, still, moved, predicted=None):
    n = len(scores)
    return Variants(
        transformation=transformation, geometric=geometric, unit=unit,
        strengths=[-30.0 + 60 * i / (n - 1) for i in range(n)], changes=[0.01 * (i + 1) for i in range(n)],
        images=np.repeat(IMAGE[None], n, axis=0), maps=np.repeat(CENTRE[None], n, axis=0), scores=scores,
        predicted=predicted or ["tabby_cat"] * n, still=still, moved=moved,
    )


VARIANTS = {
    "shear": changed(
        "shear", True, "degrees", [1.5, 5.5, 8.5, 7.5, 2.5], [0.11, 0.52, 0.73, 0.64, 0.22],
        [0.41, 0.83, 0.94, 0.87, 0.53], ["dog", "tabby_cat", "tabby_cat", "tabby_cat", "dog"],
    ),
    "brightness": changed(
        "brightness", False, "share", [9.1, 9.2, 9.25, 9.4, 9.6], [0.91, 0.96, 0.99, 0.98, 0.95],
        [0.91, 0.96, 0.99, 0.98, 0.95],
    ),
}

N = 12


def around(mean, spread=0.05, n=N, phase=0):
    """Make n values of a mean, no two alike."""
    values = np.sin(np.arange(n) * 2.4 + phase)
    return mean + spread * (values - values.mean())


def method_marks(label, iou, faithful, geometric, photometric, pointing=9, of_class=True, n=N):
    return Marks(
        label=label, of_class=of_class, pointing=np.array([1.0] * pointing + [0.0] * (n - pointing)),
        iou=around(iou, n=n), drop=around(0.3, n=n), insertion=around(0.5 + faithful, n=n), deletion=around(0.5, n=n),
        geometric=around(geometric, n=n), photometric=around(photometric, n=n),
    )


UNKNOWN = np.full(N, np.nan)
MARKS = {
    "gradcam": method_marks("Grad-CAM", 0.52, 0.31, 0.83, 0.93),
    "eigencam": method_marks("Eigen-CAM", 0.41, 0.22, 0.74, 0.94, 8, of_class=False),
    "saliency": method_marks("Gradient", 0.28, 0.11, 0.45, 0.81, 5),
    "random": replace(method_marks("random", 0.17, 0.01, 0, 0, 2, of_class=False), geometric=UNKNOWN,
                      photometric=UNKNOWN),
}


def swept(transformation, unit, kept, similar, n=N):
    """Make a sweep over two strengths: the same answer for the first ``kept`` images at the second one."""
    same = np.ones((n, 2), bool)
    same[kept:, 1] = False
    return Sweep(
        transformation=transformation, unit=unit, strengths=[-20.0, 20.0], kept=same,
        similarity=np.stack([around(similar, n=n), around(similar - 0.2, n=n, phase=1)], axis=1),
    )


SWEEPS = {"shear": swept("shear", "degrees", 2, 0.85), "brightness": swept("brightness", "share", 11, 0.95)}
IMAGES = Images(
    recognised=np.array([1.0] * 9 + [0.0] * 2 + [np.nan]), drawn=False,
    outlined_recognised=np.array([1.0] * 10 + [0.0] * 2), area=around(0.26),
    examples=np.stack([IMAGE, IMAGE[::-1]]), maps=np.stack([CENTRE, RAMP]),
    outlines=np.stack([CENTRE > 0.5, np.zeros(CENTRE.shape, dtype=bool)]),
    named=["tabby_cat", "dog"], confidence=[0.87, 0.54],
)


@pytest.fixture
def pictures():
    """Give the three pictures, with changes by role."""

    def make(**changes):
        return {role: replace(PICTURES[role], **changes.get(role, {})) for role in ROLES}

    return make


@pytest.fixture(scope="session")
def measured():
    """Make measurements of everything, changed as asked; settings by ``config`` and ``recipe``."""

    def make(config=None, recipe=None, **changes):
        settings = replace(Config(n_variants=5), **(config or {}))
        settings = replace(settings, recipe=replace(Recipe(), **(recipe or {})))
        fields = {
            "setup": SETUP, "pictures": PICTURES, "explained": EXPLAINED, "left_out": [], "refused": [],
            "variants": VARIANTS, "images": IMAGES, "marks": MARKS, "sweeps": SWEEPS,
        }
        return Measured(
            config=settings, data="photographs", source="real", origin="x", runs=[],
            environment={"backend": "jax", "keras": "3.15.1"}, **(fields | changes),
        )

    return make
