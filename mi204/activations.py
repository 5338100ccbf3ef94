"""What the layers of a network answer to an image."""

from collections.abc import Sequence

import keras
import numpy as np


def layer_outputs(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Build a model with the same weights whose outputs are a dict: those of the named layers, by name.

    Raises ValueError, as Keras words it, when the model has no layer of that name.
    """
    return keras.Model(model.inputs, {name: model.get_layer(name).output for name in layers})


def summed_mask(maps: np.ndarray) -> np.ndarray:
    """Sum the positive parts of feature maps ``(n, h, w, c)`` over channels and divide by the maximum of each image.

    The result is ``(n, h, w)`` in [0, 1]; an image without any positive value gives zeros. Handout 002, part IV.
    """
    total = np.maximum(maps, 0).sum(axis=-1)
    peak = total.max(axis=(1, 2), keepdims=True)
    return total / np.where(peak > 0, peak, 1)
