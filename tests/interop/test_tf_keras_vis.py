"""Maps by tf-keras-vis, against closed forms; what it cannot take is refused, and models stay as they are."""

import importlib.util

import keras
import numpy as np
import pytest

from mi204 import backend
from mi204.errors import SettingError
from mi204.interop import tf_keras_vis

needs_tf_keras_vis = pytest.mark.skipif(
    importlib.util.find_spec("tf_keras_vis") is None or backend.chosen() != "tensorflow",
    reason="tf-keras-vis is absent, or the backend is not tensorflow",
)
N_CLASSES = 5
TARGETS = [3, 1]
HEADS = ("dense", "softmax", "activation", "logits")


def rng(seed=0):
    return np.random.default_rng(seed)


IMAGES = rng().normal(size=(2, 12, 18, 3)).astype("float32")


def classifier(head="dense", activation="relu", scale=1.0):
    """Build a network of two convolutions, of strides 1 and 3, average pooling and one Dense, with random weights."""
    layers = [
        keras.Input((12, 18, 3)),
        keras.layers.Conv2D(6, 1, activation=activation, name="early"),
        keras.layers.Conv2D(4, 3, strides=3, activation=activation, name="late"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(N_CLASSES, activation="softmax" if head == "dense" else None, name="answer"),
    ]
    if head == "softmax":
        layers.append(keras.layers.Softmax())
    if head == "activation":
        layers.append(keras.layers.Activation("softmax"))
    model = keras.Sequential(layers)
    random = rng(3)
    model.set_weights([scale * random.normal(size=each.shape) for each in model.get_weights()])
    return model


def activations(model, name, images=IMAGES):
    return keras.ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer(name).output)(images)).astype(float)


def weights_of_targets(model):
    """Give the Dense kernel's columns of the targets ``(n, 1, 1, k)``."""
    return model.get_layer("answer").get_weights()[0].T[TARGETS][:, np.newaxis, np.newaxis].astype(float)


def resized_like_zoom(maps, size):
    """Interpolate maps so that corners meet corners."""
    for axis, new in zip((1, 2), size, strict=True):
        at = np.linspace(0, maps.shape[axis] - 1, new)
        below = np.minimum(at.astype(int), maps.shape[axis] - 2)
        share = (at - below).reshape([-1 if each == axis else 1 for each in range(3)])
        maps = np.take(maps, below, axis) * (1 - share) + np.take(maps, below + 1, axis) * share
    return maps


@needs_tf_keras_vis
@pytest.mark.parametrize("head", HEADS)
def test_gradcam_is_that_of_the_logit_for_each_images_class(head):
    model = classifier(head)
    answers = activations(model, "late")
    expected = np.maximum((weights_of_targets(model) / 24 * answers).sum(-1), 0)
    assert (expected > 0).any(axis=(1, 2)).all()
    found = tf_keras_vis.raw_maps(model, IMAGES, TARGETS, "gradcam", "late")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@needs_tf_keras_vis
def test_layercam_sums_what_the_positive_gradients_weigh():
    model = classifier()
    expected = (np.maximum(weights_of_targets(model), 0) / 24 * activations(model, "late")).sum(-1)
    found = tf_keras_vis.raw_maps(model, IMAGES, TARGETS, "layercam", "late")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@needs_tf_keras_vis
@pytest.mark.parametrize("scale", [1, 40])
def test_gradcam_plus_plus_is_that_of_its_authors_code_and_does_not_overflow(scale):
    model = classifier("logits", scale=scale)
    logits = model.predict(IMAGES, verbose=0)[np.arange(2), TARGETS]
    assert (np.abs(logits) > 88).any() == (scale > 1)
    answers, gradient = activations(model, "late"), weights_of_targets(model) / 24
    total = answers.sum(axis=(1, 2), keepdims=True)
    alphas = np.broadcast_to(1 / (2 + total * gradient), answers.shape)
    alphas = alphas / alphas.sum(axis=(1, 2), keepdims=True)
    weights = (np.maximum(gradient, 0) * alphas).sum(axis=(1, 2), keepdims=True)
    expected = np.maximum((weights * answers).sum(-1), 0)
    found = tf_keras_vis.raw_maps(model, IMAGES, TARGETS, "gradcam++", "late")
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@needs_tf_keras_vis
@pytest.mark.parametrize("head", HEADS)
def test_scorecam_weighs_a_channel_by_the_probability_that_its_masked_image_keeps(head):
    model = classifier(head)
    answers = activations(model, "late")
    probabilities = model if head != "logits" else keras.Sequential([model, keras.layers.Softmax()])
    expected = np.zeros(answers.shape[:3])
    for channel in range(answers.shape[-1]):
        mask = resized_like_zoom(answers[..., channel], (12, 18))
        low, high = mask.min(axis=(1, 2), keepdims=True), mask.max(axis=(1, 2), keepdims=True)
        masked = IMAGES * ((mask - low) / (high - low + 1e-7))[..., np.newaxis]
        weights = probabilities.predict(masked.astype("float32"), verbose=0)[np.arange(2), TARGETS]
        expected += weights[:, np.newaxis, np.newaxis] * answers[..., channel]
    found = tf_keras_vis.raw_maps(model, IMAGES, TARGETS, "scorecam", "late")
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@needs_tf_keras_vis
def test_saliency_is_the_greatest_of_the_channels_absolute_gradients():
    model = keras.Sequential([
        keras.Input((4, 6, 3)), keras.layers.Conv2D(7, 1), keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(N_CLASSES, activation="softmax"),
    ])
    kernel, _, last, _ = model.get_weights()
    expected = np.abs(kernel[0, 0] @ last[:, TARGETS] / 24).max(axis=0)
    found = tf_keras_vis.raw_maps(model, IMAGES[:, :4, :6], TARGETS, "saliency")
    np.testing.assert_allclose(found, np.broadcast_to(expected[:, np.newaxis, np.newaxis], (2, 4, 6)), rtol=1e-5)


@needs_tf_keras_vis
@pytest.mark.parametrize("method", tf_keras_vis.METHODS)
def test_maps_are_the_raw_ones_at_the_size_of_the_images_from_0_to_1(method):
    model = classifier()
    layer = None if method == "saliency" else "late"
    raw = tf_keras_vis.raw_maps(model, IMAGES, TARGETS, method, layer)
    expected = raw if method == "saliency" else resized_like_zoom(raw, (12, 18))
    expected -= expected.min(axis=(1, 2), keepdims=True)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    found = tf_keras_vis.maps(model, IMAGES, TARGETS, method, layer)
    assert (found.shape, found.dtype) == ((2, 12, 18), np.float32)
    assert (found.min(axis=(1, 2)) == 0).all()
    assert (found.max(axis=(1, 2)) == 1).all()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@needs_tf_keras_vis
def test_tiny_maps_are_normalised_as_others_are_and_constant_ones_are_zero():
    model = classifier("logits")
    kernel, bias = model.get_layer("answer").get_weights()
    expected = tf_keras_vis.maps(model, IMAGES, TARGETS, "gradcam", "late")
    model.get_layer("answer").set_weights([kernel * 1e-9, bias])
    np.testing.assert_allclose(tf_keras_vis.maps(model, IMAGES, TARGETS, "gradcam", "late"), expected, atol=1e-4)
    model.get_layer("answer").set_weights([kernel * 0, bias])
    assert (tf_keras_vis.maps(model, IMAGES, TARGETS, "gradcam", "late") == 0).all()


def state(model):
    answers = model.predict(IMAGES, verbose=0).tobytes()
    return {
        "answers": answers,
        "weights": [each.tobytes() for each in model.get_weights()],
        "activations": [getattr(each, "activation", None) for each in model.layers],
        "nodes": [(len(each._inbound_nodes), len(each._outbound_nodes)) for each in model.layers],
        "attributes": [set(vars(each)) for each in (model, *model.layers)],
        "trainable": [each.trainable for each in model.layers],
        "compiled": (model.compiled, vars(model).get("optimizer")),
    }


@needs_tf_keras_vis
@pytest.mark.parametrize(
    ("method", "head"), [*((method, "dense") for method in tf_keras_vis.METHODS), ("scorecam", "softmax")]
)
def test_the_model_is_afterwards_as_it_was(method, head):
    model = classifier(head)
    model.compile("sgd", "categorical_crossentropy")
    model.layers[1].trainable = False
    before = state(model)
    tf_keras_vis.raw_maps(model, IMAGES, TARGETS, method, "late")
    assert state(model) == before
    # Nor is anything compiled meanwhile for later.
    fresh = classifier(head)
    tf_keras_vis.raw_maps(fresh, IMAGES, TARGETS, method, "late")
    np.testing.assert_allclose(fresh.predict(IMAGES, verbose=0).sum(axis=1), 1, rtol=1e-5)


@needs_tf_keras_vis
def test_the_model_is_as_it_was_when_ctrl_c_strikes_inside(monkeypatch):
    from tf_keras_vis.gradcam import Gradcam

    def strike(self, *args, **settings):
        assert model.layers[-1].activation is keras.activations.linear
        raise KeyboardInterrupt

    model = classifier()
    before = state(model)
    monkeypatch.setattr(Gradcam, "__call__", strike)
    with pytest.raises(KeyboardInterrupt):
        tf_keras_vis.raw_maps(model, IMAGES, TARGETS, "gradcam", "late")
    assert state(model) == before


@needs_tf_keras_vis
def test_nothing_is_printed(capfd):
    tf_keras_vis.maps(classifier(), IMAGES, TARGETS, "scorecam", "late")
    assert capfd.readouterr().out == ""


def nested():
    inner = keras.Sequential([keras.Input((12, 18, 3)), keras.layers.Conv2D(4, 3, name="inside")], name="trunk")
    return keras.Sequential([
        keras.Input((12, 18, 3)), inner, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(N_CLASSES),
    ])


@needs_tf_keras_vis
def test_a_layer_outside_of_the_nested_model_is_fine():
    model = nested()
    assert tf_keras_vis.raw_maps(model, IMAGES, TARGETS, "saliency").shape == (2, 12, 18)
    found = keras.Sequential([
        keras.Input((12, 18, 3)), model.layers[0], keras.layers.Conv2D(4, 3, name="outside"),
        keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(N_CLASSES),
    ])
    assert tf_keras_vis.raw_maps(found, IMAGES, TARGETS, "gradcam", "outside").shape == (2, 8, 14)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = classifier()

    def call(self, images):
        return self.inner(images)


def ends_in(*layers):
    return keras.Sequential([keras.Input((12, 18, 3)), keras.layers.Conv2D(4, 3, name="late"), *layers])


def called_twice():
    convolution, start = keras.layers.Conv2D(3, 1, name="late"), keras.Input((12, 18, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(convolution(convolution(start)))
    return keras.Model(start, keras.layers.Dense(N_CLASSES)(pooled))


def two_outputs():
    start = keras.Input((12, 18, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="late")(start))
    return keras.Model(start, [keras.layers.Dense(N_CLASSES)(pooled), keras.layers.Dense(2)(pooled)])


@needs_tf_keras_vis
@pytest.mark.parametrize(
    ("build", "changed", "words"),
    [
        (Subclassed, {}, "model to be functional.*received Subclassed"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), {}, "model to be functional.*received Sequential"),
        (two_outputs, {}, "one input and one output, received 1 and 2"),
        (lambda: keras.Sequential([keras.Input((12, 18, 3)), classifier()]), {}, "model to end in a layer of its own"),
        (ends_in, {}, "model to end in a layer of its own.*received the layer late"),
        (nested, {"layer": "inside"}, "Expected layer to be one of .*received 'inside'.*nested model"),
        (nested, {"layer": "trunk"}, "Expected layer to be one of .*received 'trunk'"),
        (called_twice, {}, "called once.*received 'late'"),
        (classifier, {"layer": None}, "such as early, late, received None"),
        (classifier, {"layer": "answer"}, "such as early, late, received 'answer'"),
        (classifier, {"method": "guided"}, "method to be one of gradcam, .*received 'guided'"),
        (classifier, {"images": IMAGES[:0], "targets": []}, r"shape \(n, 12, 18, 3\).*received \(0, 12, 18, 3\)"),
        (classifier, {"images": IMAGES[0]}, r"received \(12, 18, 3\)"),
        (classifier, {"images": IMAGES[:, :5]}, r"received \(2, 5, 18, 3\)"),
        (classifier, {"targets": [0]}, r"class from 0 to 4 for each of the images, 2, received \[0\]"),
        (classifier, {"targets": [0, 5]}, r"received \[0, 5\]"),
        (classifier, {"targets": [0, -1]}, r"received \[0, -1\]"),
    ],
)
def test_what_tf_keras_vis_cannot_take_is_refused(build, changed, words):
    given = {"images": IMAGES, "targets": TARGETS, "method": "gradcam", "layer": "late", **changed}
    with pytest.raises(SettingError, match=words):
        tf_keras_vis.raw_maps(build(), **given)


@needs_tf_keras_vis
def test_channels_first_and_scorecam_of_a_sigmoid_are_refused():
    channels_first = keras.Sequential([
        keras.Input((3, 12, 18)), keras.layers.Conv2D(4, 3, data_format="channels_first", name="late"),
        keras.layers.Flatten(), keras.layers.Dense(N_CLASSES),
    ])
    with pytest.raises(SettingError, match="channels last, received the layer late"):
        tf_keras_vis.raw_maps(channels_first, IMAGES.transpose(0, 3, 1, 2), TARGETS, "gradcam", "late")
    sigmoid = ends_in(keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(N_CLASSES, activation="sigmoid"))
    with pytest.raises(SettingError, match="received a sigmoid"):
        tf_keras_vis.raw_maps(sigmoid, IMAGES, TARGETS, "scorecam", "late")
    kernel = sigmoid.layers[-1].get_weights()[0].T[TARGETS][:, np.newaxis, np.newaxis]
    expected = np.maximum((kernel / 160 * activations(sigmoid, "late")).sum(-1), 0)
    np.testing.assert_allclose(
        tf_keras_vis.raw_maps(sigmoid, IMAGES, TARGETS, "gradcam", "late"), expected, atol=1e-6
    )


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_another_backend_is_refused(monkeypatch, name):
    monkeypatch.setenv("KERAS_BACKEND", name)
    with pytest.raises(SettingError, match=rf"backend to be tensorflow for tf-keras-vis, received {name}"):
        tf_keras_vis.maps(None, IMAGES, TARGETS, "gradcam", "late")


def test_without_tf_keras_vis_the_extra_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r'Expected tf_keras_vis to be installed.*pip install -e "\.\[explain\]"'):
        tf_keras_vis.maps(None, IMAGES, TARGETS, "gradcam", "late")
