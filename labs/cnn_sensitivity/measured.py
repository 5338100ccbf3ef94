"""What the lab measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labs.cnn_sensitivity.config import Config
from mi204 import results


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Question 3.2: the network, the way of making maps and the class."""

    backbone: str
    """Name of the network, such as ``mobilenet_v2_1.0``."""
    trained_on: str
    """On what it was trained, and by whom."""
    remark: str | None
    """A word: what is to be known of weights that are not proved to be the official ones."""
    parameters: int
    """Its parameters."""
    side: list[int]
    """Height and width of the pictures that it takes, in pixels."""
    n_classes: int
    """Classes that it tells apart."""
    accuracy: float | None
    """Share of CIFAR-10's test images that it names right; None where it was not measured."""
    method: str
    """How maps are made, as the field writes it: ``Grad-CAM``."""
    paper: str
    """Where it was published."""
    layer: str
    """Where maps are made; empty at the input."""
    map_side: list[int]
    """Height and width of the maps, in pixels."""
    reason: dict[str, str]
    """Why there, by language."""
    target: str
    """Name of the class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """Question 3.3: one of the handout's three pictures, and its map for the class."""

    role: str
    """``one``, ``several`` or ``none``: how many objects of the class it shows."""
    name: str
    """What it is called: its file, or its number among the test images."""
    remarks: list[str]
    """Words: what was done to the user's file for it to be read."""
    composed: bool
    """Whether it was put together from other images."""
    among: int
    """From how many pictures of the class it was chosen; 1 where it was given."""
    image: np.ndarray
    """As the network gets it, uint8 (h, w, 3)."""
    objects: np.ndarray | None
    """Number, from 1, of the object that a pixel belongs to, 0 for none, uint8 (h, w); where they are known."""
    outlined: bool
    """Whether these are the objects' outlines, drawn by somebody; otherwise the parts of the picture they stand in."""
    raw: np.ndarray
    """What the method's formula gives, unscaled, float32 (h', w')."""
    map: np.ndarray
    """The map at the size of the image, stretched to 0..1, float32 (h, w)."""
    score: float
    """Logit of the class."""
    probability: float
    """Probability of the class."""
    predicted: str
    """Class that the network names."""
    confidence: float
    """Its probability."""
    diagnostics: list[dict[str, str]]
    """What is wrong with the map, sentence by sentence, by language."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """Question 3.1: what one method makes of the picture with one object."""

    label: str
    """The method, as the field writes it."""
    paper: str
    """Where it was published."""
    family: str
    """``layer``, ``any_class``, ``perturbed`` or ``input``."""
    map: np.ndarray
    """float32 (h, w) in 0..1."""
    side: list[int]
    """Height and width of the map before it was enlarged, in pixels."""
    costs: list[float]
    """Time of one map divided by that of one forward pass, each repetition."""
    other_class: float
    """Correlation with its map for the likeliest other class; NaN where one of them is constant."""
    compactness: float
    """Share of the picture, its strongest pixels, that holds half of the map; NaN where there is nothing."""
    inside: float
    """Share of the map that lies on the object; NaN where there is no outline, or nothing on the map."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Variants:
    """Question 3.4: the picture with one object, changed by one transformation, n times."""

    transformation: str
    """``shear``, …"""
    geometric: bool
    """Whether it moves pixels."""
    unit: str
    """Of the strengths."""
    strengths: list[float] | None
    """How strongly, in ``unit``, n values, negative ones first; None with imgaug, which does not tell."""
    changes: list[float]
    """Root mean square of what it changes in the pixels, as a share of their range, n values."""
    images: np.ndarray
    """uint8 (n, h, w, 3)."""
    maps: np.ndarray
    """float32 (n, h, w) in 0..1."""
    scores: list[float]
    """Logit of the class, n values."""
    predicted: list[str]
    """Class that the network names, n names."""
    still: list[float]
    """Correlation with the map of the unchanged picture as it is, n values; NaN where one of the maps is constant."""
    moved: list[float] | None
    """The same with that map moved as the pixels were, over the pixels that come from inside the picture, n values;
    None with imgaug, which does not tell where pixels went."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Marks:
    """Question 3.5: the measures of one method, each with one value per image; NaN where it is not defined."""

    label: str
    """The method, as the field writes it."""
    of_class: bool
    """Whether its maps depend on the class."""
    pointing: np.ndarray
    """Whether the highest point of the map lies on the object (1) or not (0), (n_outlined,)."""
    iou: np.ndarray
    """Overlap of the object with as many of the map's highest pixels: intersection over union, (n_outlined,)."""
    drop: np.ndarray
    """Share of the predicted class's probability that is lost when the image is multiplied by the map, (n_images,)."""
    insertion: np.ndarray
    """Area under its probability while pixels are put into the blurred image, the strongest first, (n_images,)."""
    deletion: np.ndarray
    """The same while they are taken out, (n_images,)."""
    geometric: np.ndarray
    """Mean correlation of M(Tx) with T M(x) over transformations that move pixels, (n_images,)."""
    photometric: np.ndarray
    """The same over transformations that leave pixels in their places, (n_images,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """Question 3.5: one transformation of all images, more and more strongly, by the setup's method."""

    transformation: str
    """``shear``, …"""
    unit: str
    """Of the strengths."""
    strengths: list[float]
    """s values, in ``unit``."""
    similarity: np.ndarray
    """Correlation of M(Tx) with T M(x), (n_images, s); NaN where one of them is constant."""
    kept: np.ndarray
    """Whether the network still names the same class, bool (n_images, s)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """The images of question 3.5."""

    recognised: np.ndarray
    """1 where the network names the right class, 0 where not, NaN where nobody has said which is right, (n_images,)."""
    drawn: bool
    """Whether the images with outlines are others: drawn ones."""
    outlined_recognised: np.ndarray
    """The same for the images whose objects are outlined, (n_outlined,)."""
    area: np.ndarray
    """Share of the image that the object takes: where a blind pointer would hit, (n_outlined,)."""
    examples: np.ndarray
    """The first of the images, as the network gets them, uint8 (m, h, w, 3)."""
    outlines: np.ndarray
    """Where their objects are, bool (m, h, w); nowhere where nobody has outlined them."""
    maps: np.ndarray
    """Their maps by the setup's method, for the class that the network names, in 0..1, float32 (m, h, w)."""
    named: list[str]
    """That class, m names."""
    confidence: list[float]
    """Its probability, m values."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(results.Measured):
    """What the answers and figures need. There are no runs: nothing is trained."""

    config: Config
    setup: Setup
    """The network, the method and the class."""
    pictures: dict[str, Picture]
    """The handout's three, by role."""
    explained: dict[str, Explained] | None = None
    """What each method makes of the first picture, by name."""
    left_out: list[str] | None = None
    """Methods, as the field writes them, that would have needed too many passes for that."""
    refused: list[str] | None = None
    """Methods, as the field writes them, that cannot be had of this network or engine."""
    variants: dict[str, Variants] | None = None
    """Its variants, by transformation."""
    images: Images | None = None
    """The images over which means are taken."""
    marks: dict[str, Marks] | None = None
    """Measures of each method compared, by name; ``random`` stands for maps that know nothing."""
    sweeps: dict[str, Sweep] | None = None
    """All images transformed more and more strongly, by transformation."""

    @property
    def studies(self) -> set[str]:
        """Names of what was measured."""
        found = {"explained": self.explained, "variants": self.variants, "marks": self.marks}
        return {"pictures", *(name for name, value in found.items() if value is not None)}
