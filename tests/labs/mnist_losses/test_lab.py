"""The lab on losses: network and optimiser as the handout's, true means, and the claims on real data."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from labs.mnist_losses import lab
from labs.mnist_losses.config import Config, Recipe, experiments
from mi204 import results
from mi204.datasets import ImageDataset, mnist
from mi204.errors import SettingError

pytestmark = pytest.mark.backend

TINY = Recipe(n_train=120, n_test=70, batch_size=50, epochs=2)


@pytest.fixture(scope="module")
def tiny_data():
    rng = np.random.default_rng(0)
    return ImageDataset(
        name="random", source="sample", notice=None, classes=mnist.CLASSES,
        x_train=rng.integers(0, 256, (130, 28, 28, 1), dtype=np.uint8), y_train=rng.integers(0, 10, 130),
        x_test=rng.integers(0, 256, (300, 28, 28, 1), dtype=np.uint8), y_test=rng.integers(0, 10, 300),
    )


# --- network and optimiser ---


def test_network_is_the_handouts():
    with_dropout, without = (lab.build_model(Recipe(dropout=dropout)) for dropout in (True, False))
    assert with_dropout.count_params() == without.count_params() == 1_199_882
    shapes = {layer.name.rstrip("_0123456789"): layer.output.shape[1:] for layer in with_dropout.layers}
    assert shapes["spatial_dropout2d"] == (12, 12, 64)
    assert shapes["flatten"] == (9216,)
    assert [layer.rate for layer in with_dropout.layers if hasattr(layer, "rate")] == [0.25, 0.5]
    assert not [layer for layer in without.layers if "dropout" in layer.name]


def test_weights_start_as_in_torch():
    model = lab.build_model(Recipe())
    for layer, fan_in in zip([layer for layer in model.layers if layer.weights], (9, 288, 9216, 128), strict=True):
        for weight in layer.get_weights():
            assert np.abs(weight).max() <= fan_in**-0.5
        kernel = layer.get_weights()[0]
        assert kernel.std() == pytest.approx(fan_in**-0.5 / 3**0.5, rel=0.1)


def adadelta(gradients, rates, rho=0.9, epsilon=1e-6):
    """Move from 0 as Zeiler's method does (2012), in torch's form: ``x -= rate sqrt(d + e) / sqrt(g + e) gradient``."""
    x, squares, deltas = np.zeros_like(gradients[0]), 0.0, 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        squares = rho * squares + (1 - rho) * gradient**2
        delta = np.sqrt(deltas + epsilon) / np.sqrt(squares + epsilon) * gradient
        deltas = rho * deltas + (1 - rho) * delta**2
        x = x - rate * delta
    return x


def test_optimizer_is_torchs_adadelta_with_a_rate_that_decays_by_epoch(tiny_data, tmp_path, monkeypatch):
    """Six steps with given gradients, three to an epoch, against the formula."""
    used = {}
    monkeypatch.setattr(lab.training, "fit", lambda model, *_, **__: used.update(optimizer=model.optimizer) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lab.train(TINY, tiny_data, tmp_path)
    gradients = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    variable = keras.Variable(np.zeros(5, np.float32))
    used["optimizer"].build([variable])
    for gradient in gradients:
        used["optimizer"].apply([keras.ops.convert_to_tensor(gradient)])
    expected = adadelta(gradients.astype(np.float64), [1, 1, 1, 0.7, 0.7, 0.7])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable.value), expected, rtol=1e-4)


# --- data ---


def test_images_are_centred_and_scaled_as_the_handout_does(tiny_data):
    subsets = lab.split(TINY, tiny_data)
    x, y = subsets["train"]
    np.testing.assert_allclose(x, (tiny_data.x_train[:120] / 255 - 0.1307) / 0.3081, rtol=1e-4, atol=1e-5)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(y.argmax(axis=1), tiny_data.y_train[:120])
    assert len(subsets["test"][0]) == 70


def test_swapped_sets_are_the_same_images_in_the_other_role(tiny_data):
    usual, swapped = (lab.split(replace(TINY, swapped=swapped), tiny_data) for swapped in (False, True))
    for name, other in (("train", "test"), ("test", "train")):
        for array, same in zip(usual[name], swapped[other], strict=True):
            np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("name", ["n_train", "n_test"])
def test_more_images_than_there_are(name, tiny_data):
    with pytest.raises(SettingError, match=f"Expected {name} of at most .*, received 1,000"):
        lab.run(Config(recipe=replace(TINY, **{name: 1000})), tiny_data)


def test_a_batch_larger_than_the_smaller_set():
    with pytest.raises(SettingError, match="at most 70"):
        replace(TINY, batch_size=71)


# --- losses ---


def test_measured_losses_are_means_over_whole_sets_without_dropout(tiny_data, tmp_path):
    """From the weights that training saves, in numpy; 280 images are measured in batches of 250 and 30."""
    config = replace(TINY, epochs=1, n_test=280)
    run = lab.train(config, tiny_data, tmp_path)
    model = lab.build_model(config)
    model.load_weights(tmp_path / "best.keras")
    for name, (x, y) in lab.split(config, tiny_data).items():
        logits = keras.ops.convert_to_numpy(model(x, training=False)).astype(np.float64)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(probabilities[np.arange(len(x)), y.argmax(axis=1)]))
        assert run.history[f"{name}_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert run.history["running_loss"] != run.history["train_loss"]


def test_questions_run_what_they_need(tiny_data, tmp_path):
    config = Config(recipe=TINY)
    first = lab.run(replace(config, questions=("1.3",)), tiny_data, tmp_path)
    assert [run.study for run in first.runs] == ["swapped", "swapped_no_dropout"]
    again = lab.run(replace(config, questions=("1.2",)), tiny_data, tmp_path)
    assert [run.study for run in again.runs] == ["base", "swapped"]
    assert again.runs[1].epoch_seconds == first.runs[0].epoch_seconds
    assert again.parameters == 1_199_882


def test_what_was_computed_equals_what_is_read_back(tiny_data, tmp_path):
    measured = lab.run(Config(recipe=TINY, questions=("1.1",)), tiny_data)
    results.save(measured, tmp_path)
    assert results.load(type(measured), tmp_path) == measured


def test_experiments_differ_by_sets_and_dropout_alone():
    kinds = {name: (each.swapped, each.dropout) for name, each in experiments(TINY).items()}
    assert kinds == {
        "base": (False, True),
        "swapped": (True, True),
        "swapped_no_dropout": (True, False),
        "no_dropout": (False, False),
    }
    assert {replace(each, swapped=False, dropout=True) for each in experiments(TINY).values()} == {TINY}


# --- the claims on real data ---


@pytest.mark.data
def test_real_digits_are_learnt():
    config = Config(recipe=Recipe(n_train=3000, n_test=1000, epochs=2), questions=("1.1",))
    (run,) = lab.run(config, mnist.load("real")).runs
    assert run.history["test_accuracy"][-1] > 0.88
    assert run.history["train_loss"][-1] < run.history["running_loss"][-1]
