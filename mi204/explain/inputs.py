"""Images as a network takes them: checked before it sees them, so that what is wrong is said in words."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from mi204.errors import SettingError
from mi204.language import Text


def checked(model: keras.Model, images: Any) -> Any:
    """Check what is given as images, and make arrays of it.

    Raises SettingError for no image, another shape, values that are no numbers or not finite.
    """
    if isinstance(images, np.ndarray) or not isinstance(images, list | tuple | dict) or np.isscalar(images):
        images = array_of(images)
    else:
        parts = keras.tree.flatten(images)
        several = isinstance(images, dict) or len(getattr(model, "inputs", None) or [0]) > 1
        images = keras.tree.map_structure(array_of, images) if several and len(parts) > 1 else array_of(images)
    lengths = {len(x) for x in keras.tree.flatten(images)}
    if len(lengths) > 1:
        raise SettingError(
            "Expected as many images for each input, received {lengths}.",
            "Autant d'images pour chaque entrée attendues, {lengths} reçu.",
            lengths=sorted(lengths),
        )
    wanted = getattr(model, "input_shape", None) if model.built else None
    if isinstance(wanted, tuple) and isinstance(images, np.ndarray) and (
        len(wanted) != images.ndim
        or any(side not in (None, given) for side, given in zip(wanted[1:], images.shape[1:], strict=True))
    ):
        raise SettingError(
            "Expected images of shape {wanted}, the first side counting them, received {shape}{hint}.",
            "Images de forme {wanted} attendues, le premier côté les compte, {shape} reçu{hint}.",
            wanted=shapes_of(wanted), shape=shapes_of(images.shape),
            hint=Text(": write images[None] for a single one", " : écrire images[None] pour une seule")
            if images.ndim == len(wanted) - 1
            else "",
        )
    return images


def array_of(images: Any) -> np.ndarray:
    """Make an array of images; raise SettingError where that is none of finite numbers."""
    if keras.ops.is_tensor(images):
        images = keras.ops.convert_to_numpy(images)
    try:
        array = np.asarray(images)
    except ValueError:  # rows of unequal length
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "uif" or array.ndim < 2 or not array.size:
        raise SettingError(
            "Expected images to be an array of numbers with at least one image, such as (n, h, w, c), received {kind} "
            "of shape {shape}.",
            "images doit être un tableau de nombres d'au moins une image, comme (n, h, w, c), {kind} de forme {shape} "
            "reçu.",
            kind=str(array.dtype), shape=shapes_of(array.shape),
        )
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).argmax())
        raise SettingError(
            "Expected images of finite numbers, received NaN or infinity in image {index}.",
            "Images de nombres finis attendues, NaN ou infini reçu dans l'image {index}.",
            index=bad,
        )
    return array


def shapes_of(shape: Any) -> str:
    """Write a shape, or a list of them, with n where any number may stand."""
    if isinstance(shape, list):
        return "; ".join(map(shapes_of, shape))
    if shape is None:
        return "–"
    return "(" + ", ".join("n" if side is None else str(side) for side in shape) + ")"
