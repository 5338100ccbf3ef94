"""imgaug as the handout's way to make variants of an image; numpy and imgaug alone: no Keras.

imgaug's last release, 0.4.0, is older than numpy 2. What it needs of numpy 1 to be imported, a table of types, is lent
to it meanwhile. Its elastic distortion works on numpy 2 where alpha is drawn, as here, and fails where it is a number:
only then are its maps float64, which OpenCV refuses.
"""

import types
from unittest import mock

import numpy as np

from mi204 import packages
from mi204.errors import SettingError

RANGES = {
    "brightness": {"mul": (0.8, 1.2)},
    "contrast": {"alpha": (0.6, 1.4)},
    "shear": {"shear": (-30, 30)},
    "elastic": {"alpha": (1, 40), "sigma": (4, 8)},
    "scale": {"scale": (0.5, 1.5)},
    "perspective": {"scale": (0, 0.06)},
}
"""imgaug's own parameters of the handout's six transformations: a variant draws each uniformly between two values.

Brightness multiplies the pixels; contrast, their differences from 127. The angle of shear is in degrees, the elastic
distortion's displacements and their smoothness are in pixels. In perspective, each coordinate of a corner moves inwards
by ``|N(0, scale²)|``, in parts of the image's side.
"""

_AUGMENTERS = {
    "brightness": "Multiply",
    "contrast": "LinearContrast",
    "shear": "ShearX",
    "elastic": "ElasticTransformation",
    "scale": "Affine",
    "perspective": "PerspectiveTransform",
}


def variants(image: np.ndarray, transformation: str, n: int, seed: int) -> np.ndarray:
    """Give variants of an image, uint8 ``(h, w, 3)``, by one transformation of ``RANGES``: uint8 ``(n, h, w, 3)``.

    What comes from outside of the image is black. The same seed gives the same variants; numpy's global generator is
    not touched. Raises SettingError when imgaug is not installed, for another image, transformation or number.
    """
    image = np.asarray(image)
    if transformation not in RANGES:
        raise SettingError(
            "Expected transformation to be one of {names}, received {transformation!r}: choose one of them.",
            "transformation attendue parmi {names}, {transformation!r} reçu : en choisir une.",
            names=", ".join(RANGES), transformation=transformation,
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise SettingError(
            "Expected image to be uint8 of shape (h, w, 3), received {dtype} of shape {shape}: convert it.",
            "image attendue en uint8, de forme (h, w, 3), {dtype} de forme {shape} reçu : la convertir.",
            dtype=str(image.dtype), shape=str(image.shape),
        )
    if n < 1:
        raise SettingError(
            "Expected n to be at least 1, received {n}: ask for one variant or more.",
            "n d'au moins 1 attendu, {n} reçu : demander une variante ou plus.",
            n=n,
        )
    if not 0 <= seed < 2**31:
        raise SettingError(
            "Expected seed to be from 0 to {most}, received {seed}: choose one of these.",
            "seed attendu de 0 à {most}, {seed} reçu : en choisir un parmi ceux-là.",
            most=2**31 - 1, seed=seed,
        )
    packages.require("imgaug")
    augmenter = getattr(_augmenters(), _AUGMENTERS[transformation])
    return augmenter(**RANGES[transformation], seed=seed)(images=np.repeat(image[np.newaxis], n, axis=0))


def _augmenters() -> types.ModuleType:
    """Import ``imgaug.augmenters``; numpy is afterwards as it was."""
    types_of_numpy_1 = {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64],
    }
    try:
        with mock.patch.object(np, "sctypes", types_of_numpy_1, create=True):
            from imgaug import augmenters
    except ImportError as error:
        # OpenCV's usual wheel wants the system's libGL, which a server may lack.
        raise SettingError(
            "Expected imgaug and its OpenCV to be imported, received: {error}. Install what is missing, or the OpenCV "
            "for machines without a screen: pip install --force-reinstall opencv-python-headless.",
            "Import d'imgaug et de son OpenCV attendu, reçu : {error}. Installer ce qui manque, ou l'OpenCV des "
            "machines sans écran : pip install --force-reinstall opencv-python-headless.",
            error=str(error),
        ) from error
    return augmenters
