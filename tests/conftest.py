import importlib.util
import os

import numpy as np
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side: the threads of one would wait for those of the other at every step.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

# Keras' own advice: with the torch backend, torch comes first.
if importlib.util.find_spec("torch"):
    import torch  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name != "test_labs.py")


@pytest.fixture
def quadrants():
    """Images ``(300, 8, 8, 3)`` whose class is the brightest quadrant, and one-hot targets: easy to learn."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    x = rng.normal(size=(300, 8, 8, 3)).astype("float32")
    for image, label in zip(x, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 0.6
    return x, np.eye(4, dtype="float32")[labels]
