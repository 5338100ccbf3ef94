"""Settings of the lab: the setup that is kept for all questions, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tyro.conf import Fixed, Suppress

from mi204 import packages, settings
from mi204.errors import SettingError
from mi204.settings import LabConfig, Preset

Transformation = Literal["brightness", "contrast", "shear", "elastic", "scale", "perspective"]
"""The handout's six."""
SHIPPED = "cifar10"
"""The network that comes with the library."""
ROLES = ("one", "several", "none")
"""The handout's three pictures: one object of the class, several, none."""
FAMILIES = ("layer", "any_class", "perturbed", "input")
"""What a map is made of: a layer's maps and the class; a layer's maps alone; what changed images are answered; the
gradient at the pixels."""


@dataclass(frozen=True)
class Recipe:
    """The setup of question 3.2, which all others keep."""

    seed: int = 0
    """Seed of what is drawn: the images taken, transformations, the noise of some methods."""
    backbone: str = "auto"
    """Network to look into: cifar10, which comes with the library, or one of keras.applications, such as
    mobilenet_v2_1.0 or resnet50; auto takes MobileNetV2 where its weights and photographs can be had, else cifar10."""
    method: str = "gradcam"
    """Way to make maps: gradcam, layercam, scorecam, … (question 3.1 shows all)."""
    layer: str = ""
    """Name of the layer where maps are made; by default the last one whose answer has spatial extent."""
    target_class: str = ""
    """Name of the class to study, such as dog or Samoyed; by default that of the first picture."""
    engine: Literal["native", "tf_keras_vis"] = "native"
    """What makes the maps: this library, or tf-keras-vis, on tensorflow alone."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        settings.check_choices(self)
        settings.check_range(self, ("seed",), least=0, below=2**31)


@dataclass(frozen=True, kw_only=True)
class Config(LabConfig):
    """The lab as a whole."""

    preset: Preset = "course"
    """Size of the whole: quick (a minute), course (the handout's pictures and variants, a few methods compared), full
    (every method, all six transformations, more images)."""
    recipe: Suppress[Recipe] = Recipe()
    """The setup."""
    n_seeds: Suppress[Fixed[int]] = 1
    """Nothing is trained: intervals come from the images."""
    images: tuple[Path, ...] = ()
    """Pictures of your own, files or folders: the first shows one object of the class, the second several, the third
    none; further ones take part in question 3.5."""
    transformations: tuple[Transformation, ...] = ("shear", "brightness")
    """Transformations to try, the handout's two among brightness, contrast, shear, elastic, scale and perspective."""
    n_variants: int = 10
    """Variants of a picture by each transformation."""
    augmenter: Literal["native", "imgaug"] = "native"
    """What makes the variants of question 3.4: this library, whose strengths are known, or the handout's imgaug."""
    methods: tuple[str, ...] = (
        "gradcam", "gradcam++", "layercam", "faster_scorecam", "eigencam", "saliency", "guided_backprop"
    )
    """Methods that question 3.5 compares, or all; the setup's own is always among them."""
    n_images: int = 60
    """Images over which question 3.5 takes its means; of known photographs there are fewer."""
    steps: int = 32
    """Steps in which pixels are put in or taken out (insertion, deletion)."""
    most_passes: int = 4000
    """Methods that send more than so many changed images through the network for one map are left out."""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        super().__post_init__()
        settings.check_range(self, ("n_variants", "n_images", "most_passes"), least=1)
        settings.check_range(self, ("steps",), least=1, below=1025)
        names = get_args(Transformation)
        if not self.transformations or len(set(self.transformations)) < len(self.transformations) or not (
            set(self.transformations) <= set(names)
        ):
            raise SettingError(
                "Expected transformations to be one or more different ones of {names}, received {received}: change "
                "--transformations.",
                "Une ou plusieurs transformations différentes parmi {names} attendues, {received} reçu : changer "
                "--transformations.",
                names=", ".join(names), received=", ".join(self.transformations) or "–",
            )

    def require_packages(self) -> None:
        """The handout's imgaug, and tf-keras-vis, are extras."""
        if self.augmenter == "imgaug":
            packages.require("imgaug", "--augmenter native")
        if self.recipe.engine == "tf_keras_vis":
            packages.require("tf_keras_vis", "--engine native")


PRESETS = {
    "quick": Config(
        preset="quick", recipe=Recipe(backbone=SHIPPED), methods=("gradcam", "saliency"), n_images=6, steps=8,
        most_passes=300,
    ),
    "course": Config(),
    "full": Config(
        preset="full", transformations=get_args(Transformation), methods=("all",), n_images=200, most_passes=10**6
    ),
}
