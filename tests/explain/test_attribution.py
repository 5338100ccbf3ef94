"""Attributions: gradients at the image, and what is made of them."""

import keras
import numpy as np
import pytest
from keras import layers

from mi204.errors import SettingError
from mi204.explain import Explainer, explain

pytestmark = pytest.mark.backend

ALL_SPELLINGS = pytest.mark.parametrize(
    "network",
    ["activation='relu'", "layers.ReLU", "Activation('relu')", "ops.relu", "layers.ReLU(6)", "activation='relu6'"],
    indirect=True,
)
TARGETS = np.array([0, 2, 1])
NOISY = ["smoothgrad", "squaregrad", "vargrad"]


@pytest.fixture
def images():
    return np.random.default_rng(1).normal(size=(3, 9, 8, 3)).astype(np.float32)


def test_saliency_is_the_gradient_of_the_logit_and_shows_its_greatest_magnitude(network, images):
    look, twin = network
    explained = look(images, "saliency", TARGETS)
    expected = twin.gradient(images, TARGETS)
    np.testing.assert_allclose(explained.raw, expected, atol=1e-5)
    shown = np.abs(expected).max(axis=-1)
    least, most = shown.min(axis=(1, 2), keepdims=True), shown.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(explained.maps, (shown - least) / (most - least), atol=1e-5)
    assert explained.layers == ()


@ALL_SPELLINGS
@pytest.mark.parametrize(("method", "kind"), [("guided_backprop", "guided"), ("deconvolution", "deconvolution")])
def test_every_spelling_of_relu_hands_gradients_back_in_the_way_asked_for(network, images, method, kind):
    # tf-keras-vis' guided backprop is the plain gradient, unsaid, for every spelling but activation='relu'.
    look, twin = network
    raw = look(images, method, TARGETS).raw
    np.testing.assert_allclose(raw, twin.gradient(images, TARGETS, kind), atol=2e-5)
    for other in {"gradient", "guided", "deconvolution"} - {kind}:
        assert abs(raw - twin.gradient(images, TARGETS, other)).max() > 0.01
    np.testing.assert_allclose(look(images, "saliency", TARGETS).raw, twin.gradient(images, TARGETS),
                               atol=2e-5)  # fmt: skip


@pytest.mark.parametrize("network", ["layers.ReLU(6)"], indirect=True)
def test_the_relu6_of_these_tests_is_saturated_somewhere(network, images):
    _, twin = network
    twin.forward(images)
    assert (twin.before_first > 6).any()
    assert (twin.before_second > 6).any()


@pytest.mark.parametrize("method", ["guided_backprop", "deconvolution", "guided_gradcam"])
def test_a_network_without_relu_is_refused_where_its_gradient_is_to_be_changed(method):
    model = keras.Sequential(
        [keras.Input((9, 8, 3)), layers.Conv2D(4, 3, activation="tanh"), layers.Flatten(), layers.Dense(3)]
    )
    with pytest.raises(SettingError, match=r"with ReLU.*choose saliency"):
        explain(model, np.ones((1, 9, 8, 3)), method)


def test_input_x_gradient(network, images):
    look, twin = network
    expected = images * twin.gradient(images, TARGETS)
    np.testing.assert_allclose(look(images, "input_x_gradient", TARGETS).raw, expected, atol=1e-5)


def test_guided_gradcam_is_guided_backprop_where_gradcam_is_positive(network, images):
    look, twin = network
    there = Explainer(look.model, "second")
    explained = there(images, "guided_gradcam", TARGETS)
    guided = twin.gradient(images, TARGETS, "guided")
    where = np.maximum(there(images, "gradcam", TARGETS).raw, 0)
    weights = twin.last_gradient(images, TARGETS).mean(axis=(1, 2))
    np.testing.assert_allclose(where, np.maximum(np.einsum("nk,nhwk->nhw", weights, twin.last_maps), 0), atol=1e-5)
    # A map of 5 x 4 pixels over an image of 9 x 8: a pixel's centre lies at i + 1/2.
    rows, columns = ((np.arange(new) + 0.5) * old / new - 0.5 for old, new in ((5, 9), (4, 8)))
    along = np.stack([[np.interp(rows, np.arange(5), column) for column in one.T] for one in where])  # n, 4, 9
    large = np.stack([[np.interp(columns, np.arange(4), row) for row in one.T] for one in along])
    np.testing.assert_allclose(explained.raw, guided * large[..., None], atol=1e-5)
    assert explained.layers == ("second",)
    assert np.any(explained.raw)


def noisy_gradients(twin, images, samples, noise, seed, first=0):
    """Gradients (samples, n, h, w, c) at noisy copies, drawn as the methods promise: per image, whatever the chunks."""
    copies = []
    for i, image in enumerate(images):
        rng = np.random.default_rng([seed, first + i])
        copies.append(image + noise * np.ptp(image) * rng.standard_normal((samples, *image.shape)))
    return np.stack([twin.gradient(np.stack(each), TARGETS[: len(images)]) for each in zip(*copies, strict=True)])


def test_smoothgrad_squaregrad_and_vargrad_agree_with_a_loop(network, images):
    # tf-keras-vis averages |g|, tf-explain differentiates the cross-entropy.
    look, twin = network
    settings = {"samples": 7, "noise": 0.3}
    gradients = noisy_gradients(twin, images, **settings, seed=4)
    expected = gradients.mean(axis=0), (gradients**2).mean(axis=0), gradients.var(axis=0)
    for name, wanted in zip(NOISY, expected, strict=True):
        np.testing.assert_allclose(look(images, name, TARGETS, seed=4, **settings).raw, wanted, atol=1e-5)
    assert abs(gradients.mean(axis=0) - abs(gradients).mean(axis=0)).max() > 0.1
    assert (expected[2] > 1e-4).any()


def test_noise_is_a_share_of_the_range_of_each_image(network, images):
    look, _ = network
    scaled = images * np.array([1, 10, 0.1], np.float32)[:, None, None, None]
    plain, noisy = (look(scaled, name, TARGETS).raw for name in ("saliency", "smoothgrad"))
    assert all(abs(plain[i] - noisy[i]).max() > 0.01 for i in range(3))
    constant = np.full((1, 9, 8, 3), 2.0)
    np.testing.assert_allclose(
        look(constant, "smoothgrad", 0).raw, look(constant, "saliency", 0).raw, atol=1e-6
    )
    # Its default is 50 copies with a noise of 0.15.
    again = look(scaled, "smoothgrad", TARGETS, samples=50, noise=0.15).raw
    np.testing.assert_array_equal(again, noisy)


def test_a_linear_network_in_closed_form(linear):
    look, w, _ = linear
    images = np.random.default_rng(0).normal(size=(2, 6, 5, 2)).astype(np.float32)
    targets = [2, 0]
    slope = np.moveaxis(w, -1, 0)[targets]
    for name in ("saliency", "smoothgrad"):
        np.testing.assert_allclose(look(images, name, targets).raw, slope, atol=1e-6)
    np.testing.assert_allclose(look(images, "squaregrad", targets).raw, slope**2, atol=1e-6)
    np.testing.assert_allclose(look(images, "vargrad", targets).raw, 0, atol=1e-10)
    np.testing.assert_allclose(look(images, "input_x_gradient", targets).raw, images * slope, atol=1e-6)
    baseline = np.array([0.5, -1], np.float32)  # per channel
    explained = look(images, "integrated_gradients", targets, steps=1, baseline=baseline)
    # tf-explain's lacks the difference to the baseline.
    np.testing.assert_allclose(explained.raw, (images - baseline) * slope, atol=1e-6)
    np.testing.assert_allclose(explained.numbers["completeness_gap"], 0, atol=1e-5)


def test_integrated_gradients_agree_with_a_fine_sum_and_are_complete_but_for_the_gap(network, images):
    look, twin = network
    baseline = np.random.default_rng(3).normal(size=(9, 8, 3)).astype(np.float32)
    explained = look(images, "integrated_gradients", TARGETS, steps=200, baseline=baseline)
    shares = (np.arange(400) + 0.5) / 400
    fine = np.mean([twin.gradient(baseline + t * (images - baseline), TARGETS) for t in shares], axis=0)
    np.testing.assert_allclose(explained.raw, (images - baseline) * fine, atol=0.01)
    gained = (twin.forward(images) - twin.forward(baseline[None]))[np.arange(3), TARGETS]
    sums = explained.raw.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(explained.numbers["completeness_gap"], sums - gained, atol=1e-4)
    assert abs(sums - gained).max() < 0.02
    coarse = look(images, "integrated_gradients", TARGETS, steps=2, baseline=baseline)
    assert abs(coarse.numbers["completeness_gap"]).max() > 0.02


def test_gauss_legendre_is_exact_for_a_polynomial():
    square = keras.Sequential([keras.Input((4, 3, 1)), layers.Lambda(lambda x: x**6), layers.Flatten(),
                               layers.Dense(2, use_bias=False)])  # fmt: skip
    w = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    square.set_weights([w])
    images = np.random.default_rng(1).uniform(-1, 1, (2, 4, 3, 1)).astype(np.float32)
    explained = explain(square, images, "integrated_gradients", 1, steps=3)
    np.testing.assert_allclose(explained.raw, images**6 * w[:, 1].reshape(4, 3, 1), atol=1e-6)


@pytest.mark.parametrize("name", [*NOISY, "integrated_gradients", "guided_gradcam", "deconvolution"])
def test_chunks_change_no_number_and_bound_what_is_sent_at_once(network, images, name):
    look, _ = network
    settings = {"samples": 7} if name in NOISY else {"steps": 7} if name == "integrated_gradients" else {}
    whole = look(images, name, TARGETS, seed=3, **settings)
    sent = []
    explainer = Explainer(look.model, chunk_size=2)
    passes = explainer.passes

    def counted(inputs, *args, **kwargs):
        sent.append(len(inputs))
        return passes(inputs, *args, **kwargs)

    explainer.passes = counted
    parts = explainer(images, name, TARGETS, seed=3, **settings)
    np.testing.assert_allclose(parts.raw, whole.raw, atol=1e-6)
    assert max(sent) <= 2
    another = look(images, name, TARGETS, seed=5, **settings).raw
    assert (abs(another - whole.raw).max() > 1e-3) == (name in NOISY)


def test_the_predicted_class_and_a_function_of_the_logits_are_explained(network, images):
    look, twin = network
    predicted = twin.forward(images).argmax(axis=1)
    explained = look(images, "saliency")
    np.testing.assert_allclose(explained.raw, twin.gradient(images, predicted), atol=1e-5)
    np.testing.assert_allclose(explained.scores, twin.forward(images).max(axis=1), atol=1e-5)
    difference = look(images, "integrated_gradients", lambda logits: logits[:, 2] - logits[:, 0], steps=4)
    each = [look(images, "integrated_gradients", target, steps=4).raw for target in (2, 0)]
    np.testing.assert_allclose(difference.raw, each[0] - each[1], atol=1e-5)


def test_one_and_three_dimensions_and_channels_first():
    rng = np.random.default_rng(0)
    for sides, convolution, pool in (
        ((12,), layers.Conv1D, layers.GlobalAveragePooling1D),
        ((5, 6, 4), layers.Conv3D, layers.GlobalAveragePooling3D),
    ):
        model = keras.Sequential([keras.Input((*sides, 2)), convolution(3, 3, activation="relu"), pool(),
                                  layers.Dense(2)])  # fmt: skip
        model.set_weights([rng.normal(size=w.shape) for w in model.weights])
        images = rng.normal(size=(2, *sides, 2))
        for name in ("guided_gradcam", "smoothgrad"):
            explained = explain(model, images, name, 1)
            assert explained.maps.shape == (2, *sides)
            assert explained.raw.shape == images.shape
            assert np.any(explained.raw)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="no convolution of channels first on a CPU")
def test_channels_first_gives_the_same_attributions_channels_last(network, images):
    look, twin = network
    turned = keras.Sequential(
        [
            keras.Input((3, 9, 8)),
            layers.Conv2D(4, 3, activation="relu", data_format="channels_first"),
            layers.Conv2D(5, 3, activation="relu", data_format="channels_first"),
            layers.GlobalAveragePooling2D(data_format="channels_first"),
            layers.Dense(3),
        ]
    )
    turned.set_weights(twin.weights)
    turned = Explainer(turned)
    for name in ("guided_backprop", "smoothgrad"):
        there = turned(np.moveaxis(images, -1, 1), name, TARGETS).raw
        np.testing.assert_allclose(there, look(images, name, TARGETS).raw, atol=1e-5)


def test_an_image_that_moves_no_score_is_said_to(network):
    look, twin = network
    look.model.set_weights([*twin.weights[:-2], 0 * twin.weights[-2], twin.weights[-1]])
    explained = look(np.ones((2, 9, 8, 3)), "saliency", 1)
    look.model.set_weights(twin.weights)
    assert explained.diagnostics == (("disconnected", "constant"),) * 2
    np.testing.assert_array_equal(explained.maps, 0)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("smoothgrad", {"samples": 0}, "at least 1 sample"),
        ("vargrad", {"noise": -0.1}, r"noise of at least 0.*noise = -0\.1"),
        ("integrated_gradients", {"steps": 0}, "at least 1 step, received 0"),
        ("integrated_gradients", {"baseline": np.zeros((9, 8))}, r"broadcast to an image of shape \(9, 8, 3\)"),
        ("saliency", {"samples": 3}, "settings of saliency among –"),
    ],
)
def test_settings_that_cannot_be_are_refused(network, images, method, settings, message):
    with pytest.raises(SettingError, match=message):
        network[0](images, method, 0, **settings)


def test_no_image_is_refused(network):
    with pytest.raises(SettingError, match="at least one image"):
        network[0](np.zeros((0, 9, 8, 3)), "saliency")
