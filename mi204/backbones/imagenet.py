"""Networks of ``keras.applications`` with their ImageNet weights; Keras builds them, and downloads nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import applications

from mi204 import training
from mi204.datasets import pretrained
from mi204.language import Word

INPUT_SHAPE = (224, 224, 3)


def _as_keras_does(module) -> Callable[[np.ndarray], np.ndarray]:
    """Give what the module of a network does to pixels from 0 to 255; on arrays, Keras does it in numpy."""
    # It works in place.
    return lambda pictures: module.preprocess_input(np.array(pictures, np.float32), data_format="channels_last")


_MEAN, _DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def _efficientnet(pictures: np.ndarray) -> np.ndarray:
    """Stand in for a layer that ``keras.applications`` adds only when it downloads the weights itself.

    The network's own layers make ``(x / 255 - mean) / sqrt(deviation)`` of pixels; its weights were trained on a
    division by the deviation.
    """
    return 255 * (_MEAN + (np.asarray(pictures, np.float32) / 255 - _MEAN) / np.sqrt(_DEVIATION))


@dataclass(frozen=True)
class Application:
    """How to build a network, and what its pixels and its licence are."""

    build: Callable[..., keras.Model]
    preprocess: Callable[[np.ndarray], np.ndarray]
    licence: str
    settings: dict = field(default_factory=dict)


_GOOGLE = "Apache-2.0 (Google)"
APPLICATIONS = {
    "efficientnet_b0": Application(applications.EfficientNetB0, _efficientnet, _GOOGLE),
    "mobilenet_v3_small": Application(
        applications.MobileNetV3Small, _as_keras_does(applications.mobilenet_v3), _GOOGLE
    ),
    "resnet50": Application(applications.ResNet50, _as_keras_does(applications.resnet), "MIT (Kaiming He)"),
    "resnet50_v2": Application(applications.ResNet50V2, _as_keras_does(applications.resnet_v2), "BSD (Facebook)"),
    "vgg16": Application(applications.VGG16, _as_keras_does(applications.vgg16), "CC BY 4.0 (VGG, Oxford)"),
}
for _alpha in (0.25, 0.5, 0.75, 1.0):
    APPLICATIONS[f"mobilenet_{_alpha}"] = Application(
        applications.MobileNet, _as_keras_does(applications.mobilenet), _GOOGLE, {"alpha": _alpha}
    )
for _alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4):
    APPLICATIONS[f"mobilenet_v2_{_alpha}"] = Application(
        applications.MobileNetV2, _as_keras_does(applications.mobilenet_v2), _GOOGLE, {"alpha": _alpha}
    )


def load(name: str, *, insist: bool = True) -> tuple[keras.Model, Word | None]:
    """Build a network, uncompiled, give it its weights, and say what is to be known of their file.

    Raises FetchError when no place has the file, DataError when it does not fit.
    """
    file, remark = pretrained.weights(name, insist=insist)
    application = APPLICATIONS[name]
    model = application.build(weights=None, input_shape=INPUT_SHAPE, **application.settings)
    training.load_weights(model, file)
    return model, remark
