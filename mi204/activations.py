"""What the layers of a network answer to an image."""

import keras
import numpy as np

from mi204.training import predict


def feature_maps(model: keras.Model, layer: str, images: np.ndarray) -> np.ndarray:
    """Give the output of one layer for images ``(n, h, w, c)``, without dropout.

    Raises ValueError, as Keras words it, when the model has no layer of that name.
    """
    return predict(keras.Model(model.inputs, model.get_layer(layer).output), images)


def summed_mask(maps: np.ndarray) -> np.ndarray:
    """Sum the positive parts of feature maps ``(n, h, w, c)`` over channels and divide by the maximum of each image.

    The result is ``(n, h, w)`` in [0, 1]; an image without any positive value gives zeros. Handout 002, part IV.
    """
    total = np.maximum(maps, 0).sum(axis=-1)
    peak = total.max(axis=(1, 2), keepdims=True)
    return total / np.where(peak > 0, peak, 1)
