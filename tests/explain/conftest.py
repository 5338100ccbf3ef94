"""Small networks whose weights are the same on every backend, and what they compute, written out in numpy."""

import keras
import numpy as np
import pytest
from keras import layers

from mi204.explain import Explainer


class NumpyNetwork:
    """Two convolutions of 3 x 3 pixels, each with a ReLU up to ``limit``, global average pooling, three logits."""

    def __init__(self, limit: float = np.inf, scale: float = 0.5) -> None:
        rng = np.random.default_rng(0)
        shapes = ((3, 3, 3, 4), (4,), (3, 3, 4, 5), (5,), (5, 3), (3,))
        self.weights = [scale * rng.normal(size=shape) for shape in shapes]
        self.limit = limit

    def forward(self, x):
        first, first_bias, second, second_bias, dense, bias = self.weights
        self.before_first = convolved(x, first) + first_bias
        self.maps = self.before_first.clip(0, self.limit)
        self.before_second = convolved(self.maps, second) + second_bias
        self.last_maps = self.before_second.clip(0, self.limit)
        return self.last_maps.mean(axis=(1, 2)) @ dense + bias

    def back(self, upstream, before, kind):
        if kind == "gradient":
            passed = (before > 0) & (before < self.limit)
        elif kind == "deconvolution":
            passed = upstream > 0
        else:
            passed = (before > 0) & (before < self.limit) & (upstream > 0)
        return upstream * passed

    def last_gradient(self, x, targets):
        """d logit / d last maps."""
        self.forward(x)
        _, h, w, _ = self.last_maps.shape
        return np.broadcast_to(self.weights[4].T[targets][:, None, None] / (h * w), self.last_maps.shape)

    def gradient(self, x, targets, kind="gradient"):
        """d logit / dx, with the gradient of the ReLUs changed in the way of ``kind``."""
        upstream = self.back(self.last_gradient(x, targets), self.before_second, kind)
        upstream = self.back(transposed(upstream, self.weights[2]), self.before_first, kind)
        return transposed(upstream, self.weights[0])


def convolved(x, kernel):
    n, h, w, _ = x.shape
    out = np.zeros((n, h - 2, w - 2, kernel.shape[-1]))
    for i in range(3):
        for j in range(3):
            out += x[:, i : i + h - 2, j : j + w - 2] @ kernel[i, j]
    return out


def transposed(y, kernel):
    n, h, w, _ = y.shape
    x = np.zeros((n, h + 2, w + 2, kernel.shape[2]))
    for i in range(3):
        for j in range(3):
            x[:, i : i + h, j : j + w] += y @ kernel[i, j].T
    return x


class Subclassed(keras.Model):
    """The network of ``NumpyNetwork``, which calls ``ops.relu`` itself."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Conv2D(4, 3), layers.Conv2D(5, 3)
        self.pool, self.dense = layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, x):
        x = keras.ops.relu(self.second(keras.ops.relu(self.first(x))))
        return self.dense(self.pool(x))


def _sequential(*between, activation=None):
    first, second = between or ([], [])
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            layers.Conv2D(4, 3, activation=activation, name="first"),
            *first,
            layers.Conv2D(5, 3, activation=activation, name="second"),
            *second,
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax", name="classes"),
        ]
    )


SPELLINGS = {
    "activation='relu'": lambda: _sequential(activation="relu"),
    "layers.ReLU": lambda: _sequential([layers.ReLU()], [layers.ReLU()]),
    "Activation('relu')": lambda: _sequential([layers.Activation("relu")], [layers.Activation("relu")]),
    "ops.relu": Subclassed,
    "layers.ReLU(6)": lambda: _sequential([layers.ReLU(6)], [layers.ReLU(6)]),
    "activation='relu6'": lambda: _sequential(activation="relu6"),
}


@pytest.fixture(scope="module")
def network(request):
    """Give an explainer of the network in one spelling of ReLU, by default ``activation='relu'``, and its twin."""
    spelling = getattr(request, "param", "activation='relu'")
    twin = NumpyNetwork(limit=6, scale=1.5) if "6" in spelling else NumpyNetwork()
    model = SPELLINGS[spelling]()
    model(np.zeros((1, 9, 8, 3), np.float32))
    model.set_weights(twin.weights)
    return Explainer(model), twin


@pytest.fixture(scope="module")
def linear():
    """An explainer of three logits ``sum w x + b`` of images (6, 5, 2); w ``(6, 5, 2, 3)`` and b."""
    rng = np.random.default_rng(2)
    w, b = rng.normal(size=(6, 5, 2, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    model = keras.Sequential([keras.Input((6, 5, 2)), layers.Flatten(), layers.Dense(3, name="classes")])
    model.set_weights([w.reshape(60, 3), b])
    return Explainer(model), w, b
