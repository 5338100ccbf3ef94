"""The network that comes with the library: a residual network that knows the ten classes of CIFAR-10."""

import hashlib
import io
from pathlib import Path

import keras
import numpy as np

from mi204 import models
from mi204.datasets import cifar10
from mi204.errors import DataError

CLASSES = cifar10.CLASSES
INPUT_SHAPE = (32, 32, 3)
FILTERS = (32, 64, 128)
MEAN = (125.307, 122.950, 113.865)
"""Means of the red, green and blue of the 50,000 training images, in grey levels from 0 to 255."""
DEVIATION = (62.993, 62.089, 66.705)
"""Their standard deviations."""
FILE = Path(__file__).with_name("cifar10.npz")
SHA256 = "cbe922df38f5b50bdec7f851ffb05b62eee719365802719ff7e934ffa0a67fc4"
TEST_ACCURACY = 0.9121
"""Of the weights as they are in the file, on all 10,000 test images; how it was trained stands in train_cifar10."""


def network() -> keras.Model:
    """Build the network, uncompiled, with random weights."""
    return models.residual_network(INPUT_SHAPE, len(CLASSES), FILTERS)


def preprocess(pictures: np.ndarray) -> np.ndarray:
    """Standardise pixels from 0 to 255 ``(n, h, w, 3)`` by the colours of the training set: float32, about -2 to 2."""
    return (np.asarray(pictures, np.float32) - np.float32(MEAN)) / np.float32(DEVIATION)


def load() -> keras.Model:
    """Build the network, uncompiled, with the weights that come with the library.

    Raises DataError when their file is missing or not the one that was published with the library.
    """
    try:
        content = FILE.read_bytes()
    except OSError as error:
        raise _not_whole(error.strerror or error) from error
    received = hashlib.sha256(content).hexdigest()
    if received != SHA256:
        raise _not_whole(f"SHA-256 {received}")
    return read(content)


def read(content: bytes) -> keras.Model:
    """Build the network, uncompiled, with the weights that ``write`` made these bytes of."""
    model = network()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for variable in model.variables:
            variable.assign(arrays[variable.path].astype(np.float32))
    return model


def _not_whole(received: object) -> DataError:
    return DataError(
        "Expected the weights of the shipped network in {file} (SHA-256 {sha256}), received: {received}. Install mi204 "
        "again.",
        "Poids du réseau fourni attendus dans {file} (SHA-256 {sha256}), reçu : {received}. Installer mi204 à nouveau.",
        file=FILE, sha256=SHA256, received=received,
    )


def write(model: keras.Model, file: Path) -> None:
    """Write the weights so that ``load`` reads them: kernels as float16, the few vectors as they are."""
    arrays = {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.variables}
    arrays = {path: array.astype(np.float16) if array.ndim > 1 else array for path, array in arrays.items()}
    np.savez_compressed(file, **arrays)
