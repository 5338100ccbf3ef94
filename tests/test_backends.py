"""The same weights give the same network on every backend: compared with plain numpy, and with one another."""

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mi204.backend import BACKENDS

TESTS = Path(__file__).parent
INSTALLED = [name for name in BACKENDS if importlib.util.find_spec(name)]
LEARNING_RATE = 0.01


class NumpyNetwork:
    """The network of handout 002 and its training by SGD, written out."""

    def __init__(self, weights):
        self.weights = [weight.astype(np.float64) for weight in weights]

    def forward(self, x):
        kernel, bias, hidden, hidden_bias, output, output_bias = self.weights
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))  # n, 32, 32, c, 3, 3
        self.windows = windows.transpose(0, 1, 2, 4, 5, 3)
        self.maps = np.maximum(np.einsum("nhwijc,ijcf->nhwf", self.windows, kernel) + bias, 0)
        blocks = self.maps.reshape(len(x), 16, 2, 16, 2, 8)
        self.pooled = blocks.max(axis=(2, 4))
        self.flat = self.pooled.reshape(len(x), -1)
        self.activated = np.maximum(self.flat @ hidden + hidden_bias, 0)
        logits = self.activated @ output + output_bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def step(self, x, y):
        _, _, hidden, _, output, _ = self.weights
        d_logits = (self.forward(x) - y) / len(x)
        d_activated = (d_logits @ output.T) * (self.activated > 0)
        d_pooled = (d_activated @ hidden.T).reshape(self.pooled.shape)
        chosen = self.maps.reshape(len(x), 16, 2, 16, 2, 8) == self.pooled[:, :, None, :, None, :]
        d_maps = (chosen * d_pooled[:, :, None, :, None, :]).reshape(self.maps.shape) * (self.maps > 0)
        gradients = (
            np.einsum("nhwijc,nhwf->ijcf", self.windows, d_maps),
            d_maps.sum(axis=(0, 1, 2)),
            self.flat.T @ d_activated,
            d_activated.sum(axis=0),
            self.activated.T @ d_logits,
            d_logits.sum(axis=0),
        )
        self.weights = [w - LEARNING_RATE * g for w, g in zip(self.weights, gradients, strict=True)]

    def loss(self, x, y):
        return -np.log((self.forward(x) * y).sum(axis=1)).mean()


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Images, labels and weights for every backend."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 250)
    x = rng.normal(size=(250, 32, 32, 3))
    x[np.arange(250), labels] += 2  # a bright row per class
    shapes = ((3, 3, 3, 8), (8,), (2048, 64), (64,), (64, 10), (10,))
    scales = (0.2, 0.1, 0.03, 0.1, 0.15, 0.1)
    arrays = {"x": x.astype("float32"), "y": np.eye(10, dtype="float32")[labels]} | {
        f"weight_{i}": (scale * rng.normal(size=shape)).astype("float32")
        for i, (shape, scale) in enumerate(zip(shapes, scales, strict=True))
    }
    path = tmp_path_factory.mktemp("parity") / "given.npz"
    np.savez(path, **arrays)
    return path, arrays


@pytest.fixture(scope="module")
def answers(given):
    """What each installed backend makes of it, each in its own process, side by side."""
    paths = {backend: given[0].with_name(f"{backend}.npz") for backend in INSTALLED}
    children = [
        subprocess.Popen(
            [sys.executable, TESTS / "backend_child.py", given[0], path],
            env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS.parent)},
        )
        for backend, path in paths.items()
    ]
    assert [child.wait() for child in children] == [0] * len(children)
    return {backend: dict(np.load(path)) for backend, path in paths.items()}


@pytest.fixture(scope="module")
def expected_losses(given):
    """The loss of numpy's network after each of twenty steps."""
    arrays, network = given[1], numpy_network(given[1])
    x, y = arrays["x"].astype(np.float64), arrays["y"]
    batches = [slice(start, start + 32) for start in range(0, 250, 32)]  # the last one has 26 images
    losses = []
    for batch, _ in zip(itertools.cycle(batches), range(20), strict=False):
        network.step(x[batch], y[batch])
        losses.append(network.loss(x[:64], y[:64]))
    return losses


def numpy_network(arrays):
    return NumpyNetwork([arrays[f"weight_{i}"] for i in range(6)])


@pytest.mark.parametrize("backend", INSTALLED)
def test_predictions_equal_numpy(given, answers, backend):
    expected = numpy_network(given[1]).forward(given[1]["x"])
    np.testing.assert_allclose(answers[backend]["predictions"], expected, atol=1e-5)


@pytest.mark.parametrize("backend", INSTALLED)
def test_twenty_steps_equal_numpy(answers, expected_losses, backend):
    np.testing.assert_allclose(answers[backend]["losses"], expected_losses, atol=1e-3)
    assert expected_losses[-1] < expected_losses[0] - 0.05


@pytest.mark.parametrize("pair", list(itertools.combinations(INSTALLED, 2)), ids="-".join)
def test_backends_agree(answers, pair):
    first, second = (answers[backend] for backend in pair)
    np.testing.assert_allclose(first["predictions"], second["predictions"], atol=1e-5)
    np.testing.assert_allclose(first["losses"], second["losses"], atol=1e-3)
    np.testing.assert_allclose(first["gradient"], second["gradient"], atol=1e-6)


@pytest.mark.parametrize("pair", list(itertools.combinations(INSTALLED, 2)), ids="-".join)
def test_gradients_of_weights_agree(answers, pair):
    """Through batch normalisation, and zero for the six numbers on which the loss does not depend."""
    first, second = (answers[backend]["weight_slopes"] for backend in pair)
    assert np.abs(first).max() > 1e-2
    assert np.count_nonzero(first == 0) == np.count_nonzero(second == 0) == 6
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("pair", list(itertools.combinations(INSTALLED, 2)), ids="-".join)
def test_the_deeper_network_agrees_before_and_after_a_step(answers, pair):
    """Batch normalisation, padding, pooling and additions: what the course's network does not have."""
    first, second = (answers[backend] for backend in pair)
    assert first["deep_predictions"].std() > 1e-3
    np.testing.assert_allclose(first["deep_predictions"], second["deep_predictions"], atol=1e-5)
    np.testing.assert_allclose(first["deep_trained"], second["deep_trained"], atol=1e-3)


@pytest.mark.parametrize("pair", list(itertools.combinations(INSTALLED, 2)), ids="-".join)
def test_every_map_agrees(answers, pair):
    """Those with random draws too; raw maps on the scale of their greatest value."""
    first, second = (answers[backend] for backend in pair)
    names = [name.removeprefix("raw/") for name in first if name.startswith("raw/")]
    assert len(names) >= 32
    for name in names:
        raw, other = first[f"raw/{name}"], second[f"raw/{name}"]
        np.testing.assert_allclose(raw, other, atol=1e-5 * np.abs(raw).max(), err_msg=name)
        np.testing.assert_allclose(first[f"map/{name}"], second[f"map/{name}"], atol=1e-5, err_msg=name)
        assert first[f"map/{name}"].max() == 1


@pytest.mark.parametrize("pair", list(itertools.combinations(INSTALLED, 2)), ids="-".join)
def test_pictures_agree_however_long_they_climbed(answers, pair):
    """In shares of the range of 12 that they may take."""
    first, second = (answers[backend] for backend in pair)
    for name in ("class", "filters", "dream", "inverted"):
        picture, other = first[f"picture/{name}"], second[f"picture/{name}"]
        np.testing.assert_allclose(picture, other, atol=12e-4, err_msg=name)
        np.testing.assert_allclose(first[f"scores/{name}"], second[f"scores/{name}"], rtol=1e-3, err_msg=name)
        assert picture.std() > 0.5
