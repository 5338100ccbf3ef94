"""Randomisation of weights: which maps notice it, and that nobody else does."""

import keras
import numpy as np
import pytest
from keras import layers

from mi204.errors import SettingError
from mi204.explain import METHODS, explain, sanity
from mi204.explain.methods import method as enter_method
from mi204.explain.sanity import randomisation_check, randomised

pytestmark = pytest.mark.backend


@pytest.fixture
def images():
    return np.random.default_rng(1).normal(size=(3, 9, 8, 3)).astype(np.float32)


@pytest.fixture
def model(network):
    return network[0].model


def redrawn(weights, seed, number):
    rng = np.random.default_rng([seed, number])
    kernel, bias = weights
    return np.sqrt((kernel**2).mean()) * rng.standard_normal(kernel.shape), rng.permutation(bias)


@pytest.mark.parametrize("cascading", [True, False])
def test_each_stage_is_the_network_with_those_layers_redrawn(model, network, images, cascading):
    twin = network[1]
    before, stages = randomised(model, images, "saliency", [0, 2, 1], cascading=cascading, seed=4)
    np.testing.assert_allclose(before.raw, twin.gradient(images, [0, 2, 1]), atol=1e-5)
    assert list(stages) == ["classes", "second", "first"]
    kept = twin.weights
    for number, (path, first) in enumerate((("classes", 4), ("second", 2), ("first", 0))):
        weights = list(twin.weights if cascading else kept)
        weights[first : first + 2] = redrawn(kept[first : first + 2], 4, number)
        twin.weights = weights
        np.testing.assert_allclose(stages[path].raw, twin.gradient(images, [0, 2, 1]), atol=1e-4)
        np.testing.assert_allclose(stages[path].scores, twin.forward(images)[[0, 1, 2], [0, 2, 1]], atol=1e-4)
    twin.weights = kept


def test_the_class_stays_that_of_the_first_explanation(model, network, images):
    before, stages = randomised(model, images, "gradcam")
    predicted = network[1].forward(images).argmax(axis=1)
    np.testing.assert_array_equal(before.targets, predicted)
    assert any((after.probabilities.argmax(axis=1) != predicted).any() for after in stages.values())
    for after in stages.values():
        np.testing.assert_array_equal(after.targets, predicted)


def test_only_the_layers_asked_for_forget_and_the_same_way(model, images):
    _, all_of_them = randomised(model, images, "saliency", 0, cascading=False)
    _, one = randomised(model, images, "saliency", 0, cascading=False, forgetting=["second"])
    assert list(one) == ["second"]
    np.testing.assert_allclose(one["second"].raw, all_of_them["second"].raw, atol=1e-6)
    with pytest.raises(SettingError, match="received 'third'"):
        randomised(model, images, forgetting=["third"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_network_keeps_its_weights_also_under_ctrl_c(model, images, monkeypatch, error):
    monkeypatch.setattr("mi204.explain.methods.METHODS", METHODS)
    values = [variable._value for variable in model.variables]
    arrays = model.get_weights()
    plain = explain(model, images, "saliency", 0).raw
    seen = []

    def interrupted(run):
        """Look at the variables themselves, not at what Keras is told of them."""
        seen.append([keras.ops.convert_to_numpy(variable._value) for variable in model.variables])
        if len(seen) == 3:
            raise error
        return run.input_gradient

    enter_method("interrupted", "Interrupted", "none", place="input", rectified=False)(interrupted)
    try:
        with pytest.raises(error):
            randomised(model, images, "interrupted", 0)
    finally:
        del METHODS["interrupted"]
    assert len(seen) == 3
    for each in (*seen, model.get_weights()):
        for array, expected in zip(each, arrays, strict=True):
            np.testing.assert_array_equal(array, expected)
    for variable, value in zip(model.variables, values, strict=True):
        assert variable._value is value
    np.testing.assert_array_equal(explain(model, images, "saliency", 0).raw, plain)


def test_vectors_are_shuffled_kernels_drawn_anew_at_their_size():
    rng = np.random.default_rng(0)
    vector, kernel = rng.random(50).astype(np.float32), 5 + rng.random((9, 40, 40)).astype(np.float32)
    shuffled, drawn = sanity._redrawn(vector, rng), sanity._redrawn(kernel, rng)
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(vector))
    assert (shuffled != vector).any()
    assert drawn.dtype == np.float32
    assert np.sqrt((drawn**2).mean()) == pytest.approx(np.sqrt((kernel**2).mean()), rel=0.02)
    assert abs(drawn.mean()) < 0.1


def thresholds():
    """A network that counts, for class 0, how far each pixel lies above eight thresholds.

    Guided backprop adds up, at each pixel, what is positive of the weights of the thresholds passed: whatever the dense
    layer has learned, a brighter pixel never gets less. Grad-CAM subtracts what is negative.
    """
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 1, activation="relu", name="above"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, use_bias=False, name="classes"),
        ]
    )
    model.set_weights([np.ones((1, 1, 1, 8)), -np.linspace(0, 0.9, 8), np.ones((8, 2))])
    return model


SEEDS = (4, 6)  # with most of what is drawn for class 0 negative: Grad-CAM then shows the darkest pixels


def test_guided_backprop_hardly_notices_what_gradcam_must():
    model, x = thresholds(), np.random.default_rng(0).random((6, 16, 16, 1)).astype(np.float32)
    tables = {
        name: [randomisation_check(model, x, name, 0, forgetting=["classes"], seed=seed) for seed in SEEDS]
        for name in ("guided_backprop", "gradcam")
    }
    alike = {name: np.array([table["alike"].all() for table in of_method]) for name, of_method in tables.items()}
    spearman = {name: np.array([table["mean"][1] for table in of_method]) for name, of_method in tables.items()}
    assert alike["guided_backprop"].all()
    assert spearman["guided_backprop"].min() > 0.7
    assert not alike["gradcam"].any()
    assert np.nan_to_num(spearman["gradcam"]).max() < 0.3
    table = tables["gradcam"][0]
    assert table["measure"].tolist() == ["pearson", "spearman", "ssim"]
    assert set(table["layer"]) == {"classes"}
