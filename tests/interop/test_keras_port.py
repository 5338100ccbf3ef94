"""The homework's networks in torch and in Keras, with the same weights, compute the same."""

from dataclasses import replace

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from labs.fashion_trainer import lab  # noqa: E402
from labs.fashion_trainer.config import Recipe  # noqa: E402
from mi204 import backend, losses, models, training  # noqa: E402
from mi204.architectures import NetworkConfiguration, count_parameters  # noqa: E402
from mi204.interop.torch_trainer import Trainer, keras_weights  # noqa: E402

pytestmark = pytest.mark.backend

NETWORKS = {
    "mlp": ("mlp", NetworkConfiguration(), "relu"),
    "cnn": ("cnn", NetworkConfiguration((16, 32, 45)), "relu"),
    "strides and paddings": ("cnn", NetworkConfiguration((5, 6), (4, 5), (1, 2), (1, 0), (20,)), "sigmoid"),
    "deep, one pixel": ("cnn", NetworkConfiguration((8, 16, 32, 64), (1,) * 4, (1,) * 4, (0,) * 4), "tanh"),
    "whole image": ("cnn", NetworkConfiguration((41,), (28,), (1,), (0,)), "relu"),
}


def networks(network_type, configuration, activation):
    """Give the torch network and its port, with the same weights."""
    module = Trainer.create_activation_function(activation)
    torch.manual_seed(3)
    if network_type == "mlp":
        original = Trainer.create_mlp(784, configuration, 10, module)
    else:
        original = Trainer.create_cnn(1, configuration, 10, module)
    port = models.configured_network(network_type, configuration, (28, 28, 1), 10, activation)
    port.set_weights(keras_weights(original))
    return original, port


@pytest.mark.parametrize("name", NETWORKS)
def test_equal_weights_give_equal_probabilities_loss_accuracy_and_gradient(name):
    original, port = networks(*NETWORKS[name])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 28, 28, 1)).astype("float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, 32)]
    trainer = Trainer.__new__(Trainer)
    trainer.network, trainer.epsilon = original, 1e-9
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    loss, accuracy = trainer.compute_loss_and_accuracy(images, torch.from_numpy(y))
    loss.backward()

    np.testing.assert_allclose(training.predict(port, x), original(images).detach().numpy(), atol=1e-5)
    assert lab.evaluate(port, x, y) == (
        pytest.approx(float(loss.detach()), rel=1e-4), pytest.approx(accuracy, rel=1e-4),
    )
    slopes = backend.weight_gradients(port, losses.clipped_cross_entropy, x, y)
    assert np.linalg.norm([np.linalg.norm(slope) for slope in slopes]) == pytest.approx(
        Trainer.compute_gradient_norm(original), rel=1e-4
    )
    assert port.count_params() == count_parameters(*NETWORKS[name][:2], (28, 28, 1), 10)


def test_the_port_starts_as_torch_does():
    original, _ = networks(*NETWORKS["cnn"])
    keras.utils.set_random_seed(0)
    port = models.configured_network(*NETWORKS["cnn"][:2], (28, 28, 1), 10)
    for ours, theirs in zip(port.get_weights(), keras_weights(original), strict=True):
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.5)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.5)
        if ours.size > 1000:
            assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)
            assert ours.std() == pytest.approx(theirs.std(), rel=0.1)


@pytest.mark.parametrize("network_type", ["mlp", "cnn"])
def test_both_engines_log_the_same_training(network_type, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)

    def subset(n):
        labels = rng.integers(0, 10, n)
        images = rng.uniform(0, 90, (n, 28, 28, 1)) + 16 * labels[:, None, None, None]
        return images.astype("float32"), labels

    subsets = {"train": subset(300), "validation": subset(40), "test": subset(40)}
    recipe = Recipe(
        network_type=network_type, network=NetworkConfiguration((4, 6), (3, 3), (1, 1), (0, 0), (16,)), n_train=300,
        n_validation=40, n_test=40, batch_size=64, epochs=3, learning_rate=1e-3,
    )
    expected = lab.train(replace(recipe, engine="torch"), subsets, tmp_path)
    build = lab.build_model

    def build_with_the_trainers_weights(recipe):
        model = build(recipe)
        torch.manual_seed(recipe.seed)
        module = Trainer.create_activation_function(recipe.activation)
        original = (
            Trainer.create_mlp(784, recipe.network, 10, module)
            if recipe.network_type == "mlp"
            else Trainer.create_cnn(1, recipe.network, 10, module)
        )
        model.set_weights(keras_weights(original))
        return model

    monkeypatch.setattr(lab, "build_model", build_with_the_trainers_weights)
    found = lab.train(recipe, subsets, tmp_path)
    assert found.history.keys() == expected.history.keys()
    for name, values in expected.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=2e-3, atol=1e-3, err_msg=name)
    assert found.measures["test_loss"] == pytest.approx(expected.measures["test_loss"], rel=2e-3)
    assert found.measures["test_acc"] == pytest.approx(expected.measures["test_acc"], rel=1e-6)
    assert found.parameters == expected.parameters
