import os
import sys

import keras
import numpy as np
import pytest

from mi204 import models
from mi204.architectures import NetworkConfiguration

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def network():
    return models.residual_network((32, 32, 3), 10, (8, 16, 16))


def test_residual_network_counts_as_by_hand(network):
    # convolutions without bias, two trainable numbers per normalised map, a dense layer
    kernels = 9 * (3 * 8 + (8 * 16 + 2 * 16 * 16) + (16 * 16 + 2 * 16 * 16))
    normalisations = 2 * (8 + 3 * 16 + 3 * 16)
    assert models.trainable_parameters(network) == kernels + normalisations + 16 * 10 + 10


def test_describe_counts_the_weights_that_training_changes(network):
    """Not the mean and the variance that batch normalisation keeps."""
    rows = {row["name"]: row["parameters"] for row in models.describe(network)}
    assert rows["stage_0_normalization"] == 2 * 8
    assert sum(rows.values()) == models.trainable_parameters(network) < network.count_params()


def test_stages_halve_the_image(network):
    shapes = {row["name"]: row["output_shape"] for row in models.describe(network)}
    assert [shapes[f"stage_{i}"] for i in range(3)] == ["32x32x8", "16x16x16", "8x8x16"]


def test_an_addition_reads_the_stage_input_and_its_branch(network):
    rows = {row["name"]: row for row in models.describe(network)}
    assert rows["stage_1"]["type"] == "Add"
    assert set(rows["stage_1"]["inputs"]) == {"stage_1_a", "stage_1_c"}


@pytest.mark.parametrize("options", [{"residual": False}, {"batch_normalization": False}])
def test_ingredients_can_be_left_out(options):
    changed = models.residual_network((32, 32, 3), 10, (8, 16), **options)
    kinds = {row["type"] for row in models.describe(changed)}
    assert ("Add" in kinds) == options.get("residual", True)
    assert ("BatchNormalization" in kinds) == options.get("batch_normalization", True)
    convolutions = [layer for layer in changed.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 4
    assert all(layer.use_bias != options.get("batch_normalization", True) for layer in convolutions)


def test_outputs_are_probabilities(network):
    outputs = network.predict(np.random.default_rng(0).normal(size=(3, 32, 32, 3)), verbose=0)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_describe_names_only_layers_it_lists():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")])
    assert models.describe(model) == [
        {"name": "a", "type": "Dense", "output_shape": "3", "parameters": 15, "inputs": [],
         "settings": "units 3, activation linear"},
        {"name": "b", "type": "Dense", "output_shape": "2", "parameters": 8, "inputs": ["a"],
         "settings": "units 2, activation linear"},
    ]


def test_a_configured_network_starts_as_torch_does():
    """Weights and biases uniform within one over the square root of a neuron's inputs."""
    keras.utils.set_random_seed(0)
    network = NetworkConfiguration((16, 32), (3, 5), (1, 1), (0, 0), (64,))
    model = models.configured_network("cnn", network, (28, 28, 1), 10)
    layers = [layer for layer in model.layers if layer.weights]
    for layer, fan_in in zip(layers, [9, 25 * 16, 16 * 32, 64], strict=True):
        for weight in layer.get_weights():
            assert 0.6 < np.abs(weight).max() * fan_in**0.5 <= 1


@pytest.mark.parametrize("end", ["echo no such layout >&2; exit 1", "kill -SEGV $$"])
@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_a_dot_that_fails_is_no_dot(end, network, tmp_path, monkeypatch, capfd):
    (tmp_path / "bin").mkdir()
    dot = tmp_path / "bin" / "dot"
    # Keras first asks whether there is one, with an empty graph.
    dot.write_text(f"#!/bin/sh\n{end}\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert not models.plot_model(network, tmp_path / "network.png")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
    assert capfd.readouterr() == ("", "")


def test_plot_model_without_dot_writes_nothing(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not models.plot_model(network, tmp_path / "network.png")
    assert not list(tmp_path.iterdir())
