"""Trained classifiers to look into, by name: one that comes with the library, and those of ``keras.applications``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from mi204.backbones import cifar10, imagenet
from mi204.datasets import pictures, pretrained
from mi204.errors import SettingError
from mi204.language import Word

SHIPPED = "cifar10"
NAMES = (SHIPPED, *pretrained.WEIGHTS)


@dataclass(frozen=True, eq=False)
class Backbone:
    """A trained classifier, and what one needs to know to show it pictures."""

    name: str
    """One of ``NAMES``."""
    model: keras.Model
    """The network, uncompiled; probabilities (n, classes) come out."""
    classes: tuple[str, ...]
    """Name of each class, in the order of the outputs."""
    preprocess: Callable[[np.ndarray], np.ndarray]
    """Turn pictures (n, h, w, 3) of reds, greens and blues from 0 to 255 into what the network expects, float32; they
    stay as they are."""
    source: str
    """On what it was trained, and by whom."""
    licence: str
    """Licence of the weights."""
    accuracy: float | None = None
    """Of the shipped network: share of the 10,000 test images that it names right, measured once; else None."""
    remark: Word | None = None
    """To be shown where the weights are not proved to be the official ones; else None."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the pictures that it takes, in pixels."""
        return self.model.input_shape[1:3]

    def prepare(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Give the network's input (n, h, w, 3), and the pictures that it stands for, uint8, to be shown beside maps.

        ``images`` are uint8 (h, w, 3), each of its own size: an array of them, or a list. They are brought to the
        network's size whole, so that no object at the border is lost, with other proportions if need be. Raises
        SettingError for anything else.
        """
        shown = []
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
                raise SettingError(
                    "Expected images as uint8 (h, w, 3), received {dtype} {shape}: read them with "
                    "mi204.datasets.pictures.",
                    "Images uint8 (h, w, 3) attendues, {dtype} {shape} reçu : les lire avec mi204.datasets.pictures.",
                    dtype=str(image.dtype), shape=str(image.shape),
                )
            shown.append(pictures.resize(image, *self.input_size))
        if not shown:
            raise SettingError(
                "Expected at least one image, received none: give one.",
                "Au moins une image attendue, aucune reçue : en donner une.",
            )
        stacked = np.stack(shown)
        return self.preprocess(stacked), stacked


def load(name: str, *, insist: bool = True) -> Backbone:
    """Give a trained classifier by its name; ``cifar10`` needs nothing but the library.

    The weights of the others, and the names of ImageNet's classes, are looked for in the cache, Keras' own folder, the
    mirror and at their official address; ``insist`` as for any data. Raises SettingError for an unknown name,
    FetchError when no place has a file, DataError when one does not hold what it should.
    """
    if name == SHIPPED:
        return Backbone(
            name, cifar10.load(), cifar10.CLASSES, cifar10.preprocess, accuracy=cifar10.TEST_ACCURACY,
            source="CIFAR-10 (Krizhevsky, 2009), 50,000 training images; trained for this library", licence="MIT",
        )
    if name not in NAMES:
        raise SettingError(
            "Expected the network to be one of {names}, received {name!r}: choose one of them.",
            "Réseau attendu parmi {names}, {name!r} reçu : en choisir un.",
            names=", ".join(NAMES), name=name,
        )
    application = imagenet.APPLICATIONS[name]
    # First what may be missing, then the network, which takes seconds to build.
    classes = pretrained.imagenet_classes(insist=insist)
    model, remark = imagenet.load(name, insist=insist)
    return Backbone(
        name, model, classes, application.preprocess, source="ImageNet (ILSVRC 2012); keras.applications",
        licence=application.licence, remark=remark,
    )
