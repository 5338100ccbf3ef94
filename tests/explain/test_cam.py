"""Class activation maps against their formulas, written out on plain numpy networks, and the defects of other packages.

That every map is the same on every backend stands in test_backends.py; only what it does not reach is tested on each.
A: maps of the layer; G: their gradient, by hand; c: the class.
"""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers, ops

from mi204.errors import SettingError
from mi204.explain import METHODS, Explainer, explain
from mi204.explain.maps import normalised, resized

SIDES = (9, 7)
TARGETS = [3, 0, 2, 4]
CAMS = [
    name
    for name, method in METHODS.items()
    if (method.place != "input" or name == "fullgrad") and name != "guided_gradcam"
]
DRAWN = ("smoothgradcam++", "sscam")


def numbers(weight) -> np.ndarray:
    return ops.convert_to_numpy(weight).astype(np.float64)


def give_weights(model: keras.Model, seed: int = 0) -> keras.Model:
    """Set weights that are the same on every backend; variances stay positive."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [np.abs(rng.normal(size=w.shape)) + 0.5 if "variance" in w.path else rng.normal(size=w.shape) * 0.5
         for w in model.weights]
    )
    return model


def images_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


IMAGES = images_of(4, *SIDES, 3)


def convolved(x):
    x = layers.Conv2D(5, 3, activation="relu", name="first")(x)
    return layers.Conv2D(6, 3, activation="relu", name="last")(x)


def pooled(head: str | None = "softmax", seed: int = 0) -> keras.Model:
    """Global average pooling and one dense layer."""
    inputs = keras.Input((*SIDES, 3))
    x = layers.GlobalAveragePooling2D()(convolved(inputs))
    return give_weights(keras.Model(inputs, layers.Dense(5, activation=head, name="classes")(x)), seed)


def flat(hidden: str = "relu", head: str | None = "softmax", seed: int = 1) -> keras.Model:
    """Two dense layers: the gradient is another at each pixel, of both signs."""
    inputs = keras.Input((*SIDES, 3))
    x = layers.Dense(8, activation=hidden, name="hidden")(layers.Flatten()(convolved(inputs)))
    return give_weights(keras.Model(inputs, layers.Dense(5, activation=head, name="classes")(x)), seed)


class Tail:
    """What follows the maps in ``flat``, and its derivatives, in double precision."""

    def __init__(self, model: keras.Model):
        self.kernel, self.bias, self.to_classes, self.class_bias = map(numbers, model.weights[-4:])
        self.curved = model.get_layer("hidden").activation is keras.activations.tanh

    def logits(self, maps: np.ndarray) -> np.ndarray:
        before = maps.reshape(len(maps), -1) @ self.kernel + self.bias
        return (np.tanh(before) if self.curved else np.maximum(before, 0)) @ self.to_classes + self.class_bias

    def gradient(self, maps: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        before = maps.reshape(len(maps), -1) @ self.kernel + self.bias
        slope = 1 - np.tanh(before) ** 2 if self.curved else before > 0
        return ((coefficients @ self.to_classes.T * slope) @ self.kernel.T).reshape(maps.shape)


def maps_of(model: keras.Model, images: np.ndarray, layer: str = "last") -> np.ndarray:
    return numbers(keras.Model(model.inputs[0], model.get_layer(layer).output)(images))


def one_hot(targets, classes: int = 5) -> np.ndarray:
    return np.eye(classes)[targets]


def close(found: np.ndarray, expected: np.ndarray, rtol: float = 1e-4) -> None:
    """Compare maps on the scale of their greatest value."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.fixture(scope="module")
def flat_network():
    model = flat()
    maps = maps_of(model, IMAGES)
    gradients = Tail(model).gradient(maps, one_hot(TARGETS))
    assert (gradients > 0.01).mean() > 0.2
    assert (gradients < -0.01).mean() > 0.2
    return Explainer(model), maps, gradients


@pytest.fixture(scope="module")
def pooled_network():
    model = pooled()
    maps = maps_of(model, IMAGES)
    weights, bias = numbers(model.get_layer("classes").kernel), numbers(model.get_layer("classes").bias)
    return Explainer(model), maps, weights[:, TARGETS].T, bias[TARGETS]


def plus_plus(A, G):
    sums = A.sum(axis=(1, 2), keepdims=True)
    alphas = G**2 / np.where(G == 0, 1, 2 * G**2 + sums * G**3)
    return weighted((alphas * np.maximum(G, 0)).sum(axis=(1, 2)), A)


def author(A, G):
    sums = A.sum(axis=(1, 2), keepdims=True)
    alphas = G**2 / np.where(G == 0, 1, 2 * G**2 + sums * G**3)
    alphas = alphas / alphas.sum(axis=(1, 2), keepdims=True)
    return weighted((alphas * np.maximum(G, 0)).sum(axis=(1, 2)), A)


def weighted(weights, A):
    return (weights[:, None, None] * A).sum(axis=-1)


def principal(maps):
    """By the eigenvectors of the covariance between maps, one image after the other."""
    found = []
    for one in maps.reshape(len(maps), -1, maps.shape[-1]):
        centred = one - one.mean(axis=0)
        direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
        projected = centred @ direction
        found.append(projected * np.sign(np.corrcoef(projected, one.sum(axis=1))[0, 1]))
    return np.reshape(found, maps.shape[:-1])


def peaks(A, deviations=2.0):
    found = np.zeros(A.shape[:-1])
    for i, k in np.ndindex(len(A), A.shape[-1]):
        one = A[i, ..., k]
        found[i] += one.mean() * (one > one.mean() + deviations * one.std())
    return found


FORMULAS = {
    ("gradcam",): lambda A, G: weighted(G.mean(axis=(1, 2)), A),
    ("gradcam", "counterfactual", True): lambda A, G: -weighted(G.mean(axis=(1, 2)), A),
    ("gradcam+",): lambda A, G: weighted(np.maximum(G, 0).mean(axis=(1, 2)), A),
    ("gradcam++",): plus_plus,
    ("gradcam++", "variant", "author"): author,
    ("xgradcam",): lambda A, G: weighted((G * A).sum(axis=(1, 2)) / np.maximum(A.sum(axis=(1, 2)), 1e-9), A),
    ("layercam",): lambda A, G: (np.maximum(G, 0) * A).sum(axis=-1),
    ("hirescam",): lambda A, G: (G * A).sum(axis=-1),
    ("gradcam_elementwise",): lambda A, G: np.maximum(G * A, 0).sum(axis=-1),
    ("eigencam",): lambda A, G: principal(A),
    ("eigengradcam",): lambda A, G: principal(G * A),
    ("fem",): lambda A, G: peaks(A),
    ("fem", "deviations", 1): lambda A, G: peaks(A, 1),
}


@pytest.mark.parametrize("called", FORMULAS, ids=lambda called: "-".join(map(str, called)))
def test_formula(called, flat_network):
    explainer, A, G = flat_network
    name, *setting = called
    settings = {setting[0]: setting[1]} if setting else {}
    found = explainer(IMAGES, name, TARGETS, **settings)
    close(found.raw, FORMULAS[called](A, G), 1e-3 if setting == ["variant", "author"] else 1e-4)
    assert np.abs(found.raw).max() > 0.01


def test_global_average_pooling_and_one_dense_layer_have_closed_forms(pooled_network):
    explainer, A, weights, bias = pooled_network
    pixels, pooled_maps = A.shape[1] * A.shape[2], A.mean(axis=(1, 2))
    names = ["cam", "gradcam", "xgradcam", "hirescam", "layercam", "gradcam_elementwise", "ablationcam", "shapleycam"]
    made = {name: explainer(IMAGES, name, TARGETS) for name in names}
    raw = {name: each.raw for name, each in made.items()}
    close(raw["cam"], weighted(weights, A))
    np.testing.assert_allclose(raw["cam"].mean(axis=(1, 2)) + bias, made["cam"].scores, atol=1e-5)
    close(pixels * raw["gradcam"], raw["cam"], 1e-6)
    close(raw["xgradcam"], raw["gradcam"], 1e-5)
    close(raw["hirescam"], raw["gradcam"], 1e-5)
    np.testing.assert_allclose(raw["hirescam"].sum(axis=(1, 2)), made["hirescam"].scores - bias, atol=1e-5)
    close(raw["layercam"], weighted(np.maximum(weights, 0) / pixels, A))
    close(raw["gradcam_elementwise"], raw["layercam"], 1e-5)
    close(raw["ablationcam"], weighted(weights * pooled_maps, A))
    close(raw["shapleycam"], raw["gradcam"], 1e-6)


def headed(build) -> keras.Model:
    inputs = keras.Input((*SIDES, 3))
    return give_weights(keras.Model(inputs, build(convolved(inputs))))


def cnn_base(x):
    inner = keras.Input(x.shape[1:])
    return keras.Model(inner, layers.Conv2D(6, 1, activation="relu", name="inner")(inner), name="base")(x)


HEADS = {
    "convolution behind the pooling, as in MobileNet": lambda x: layers.Softmax()(layers.Reshape((5,))(
        layers.Conv2D(5, 1, name="classes")(
            layers.Dropout(0.1)(layers.GlobalAveragePooling2D(keepdims=True)(x))))),
    "pooling by a function": lambda x: layers.Dense(5, name="classes")(ops.mean(x, axis=(1, 2))),
    "without bias": lambda x: layers.Dense(5, use_bias=False, name="classes")(layers.GlobalAveragePooling2D()(x)),
    "nested": lambda x: layers.Dense(5, name="classes")(layers.GlobalAveragePooling2D()(cnn_base(x))),
}


@pytest.mark.parametrize("kind", HEADS)
def test_cam_finds_the_head_without_rebuilding_the_network(kind):
    model = headed(HEADS[kind])
    found = explain(model, IMAGES, "cam", TARGETS)
    classes = next(layer for layer in model._flatten_layers() if layer.name == "classes")
    kernel = numbers(classes.kernel).reshape(6, 5)
    A = explain(model, IMAGES, "hirescam", TARGETS)
    close(found.raw / np.prod(found.raw.shape[1:]), A.raw, 1e-5)
    bias = numbers(classes.bias)[TARGETS] if classes.use_bias else 0
    np.testing.assert_allclose(found.raw.mean(axis=(1, 2)) + bias, found.scores, atol=1e-5)
    if kind != "nested":
        close(found.raw, weighted(kernel[:, TARGETS].T, maps_of(model, IMAGES)))


def test_cam_of_a_convolution_before_the_pooling():
    """At its own maps, which are the classes', and at those before it."""
    model = headed(lambda x: layers.GlobalAveragePooling2D()(layers.Conv2D(5, 1, name="classes")(x)))
    classes = np.moveaxis(maps_of(model, IMAGES, "classes"), -1, 1)[np.arange(4), TARGETS]
    close(explain(model, IMAGES, "cam", TARGETS).raw, classes)
    bias = numbers(model.get_layer("classes").bias)[TARGETS]
    close(explain(model, IMAGES, "cam", TARGETS, layer="last").raw, classes - bias[:, None, None])


def test_cam_of_one_sigmoid_and_of_the_output_that_is_explained():
    one = headed(lambda x: layers.Dense(1, "sigmoid", name="classes")(layers.GlobalAveragePooling2D()(x)))
    weights = np.tile(numbers(one.get_layer("classes").kernel)[:, 0], (4, 1))
    for target, sign in ((1, 1), (0, -1)):
        close(explain(one, IMAGES, "cam", target).raw, sign * weighted(weights, maps_of(one, IMAGES)))
    two = headed(lambda x: [
        layers.Dense(5, name=name)(layers.GlobalAveragePooling2D()(x)) for name in ("beside", "asked")
    ])  # fmt: skip
    weights = numbers(two.get_layer("asked").kernel)[:, TARGETS].T
    close(explain(two, IMAGES, "cam", TARGETS, output=1).raw, weighted(weights, maps_of(two, IMAGES)))


def test_cam_is_refused_where_there_is_no_such_head():
    with pytest.raises(ValueError, match=r"global average pooling of last and one dense layer.*choose gradcam"):
        explain(flat(), IMAGES, "cam")
    with pytest.raises(ValueError, match="pooling of first"):
        explain(pooled(), IMAGES, "cam", layer="first")
    behind_relu = headed(lambda x: layers.Dense(5)(layers.Dense(6, "relu")(layers.GlobalAveragePooling2D()(x))))
    with pytest.raises(ValueError, match="pooling of last"):
        explain(behind_relu, IMAGES, "cam")
    with pytest.raises(ValueError, match="target to be a class for cam, received a function"):
        explain(pooled(), IMAGES, "cam", lambda logits: logits[:, 0])


def test_cam_alone_shows_what_speaks_against_the_class(pooled_network):
    explainer, A, weights, _ = pooled_network
    shown = explainer(IMAGES, "cam", TARGETS)
    close(shown.maps, normalised(enlarged(weighted(weights, A))), 1e-4)
    assert shown.raw.min() < 0


def enlarged(maps: np.ndarray, sides=SIDES) -> np.ndarray:
    """Resize ``(n, h, w)`` by Keras."""
    return numbers(ops.image.resize(maps[..., None].astype(np.float32), sides, interpolation="bilinear"))[..., 0]


# What follows perturbs the image: written out image by image, map by map.


def with_constant_map(model: keras.Model) -> keras.Model:
    """Make the second map 0.7 everywhere."""
    kernel, bias = model.get_layer("last").get_weights()
    kernel[..., 1], bias[1] = 0, 0.7
    model.get_layer("last").set_weights([kernel, bias])
    return model


def score_weighted(A, targets, answer, masked, chosen=None):
    """``answer``: from images to numbers per class; ``masked``: from image i and mask to the images of one map."""
    found = []
    for i, (one, target) in enumerate(zip(A, targets, strict=True)):
        scores = {}
        for k in range(one.shape[-1]) if chosen is None else chosen[i]:
            mask = enlarged(one[None, ..., k])[0]
            if np.ptp(one[..., k]) > 0:
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                scores[k] = answer(np.stack(masked(i, mask[..., None])).astype(np.float32))[:, target].mean()
        total = sum(np.exp(score) for score in scores.values())
        found.append(sum(np.exp(score) / total * one[..., k] for k, score in scores.items()))
    return np.stack(found)


@pytest.fixture(scope="module")
def masked_network():
    model = with_constant_map(flat())
    A = maps_of(model, IMAGES)
    assert np.ptp(A[..., 1]) == 0
    return Explainer(model), A, lambda images: numbers(model(images))


def test_scorecam_is_the_loop_over_masked_images(masked_network):
    explainer, A, answer = masked_network
    expected = score_weighted(A, TARGETS, answer, lambda i, mask: [IMAGES[i] * mask])
    close(explainer(IMAGES, "scorecam", TARGETS).raw, expected)


def test_scorecam_of_logits(masked_network):
    explainer, A, _ = masked_network
    model = explainer.model
    logits = lambda images: Tail(model).logits(maps_of(model, images))  # noqa: E731
    expected = score_weighted(A, TARGETS, logits, lambda i, mask: [IMAGES[i] * mask])
    found = explainer(IMAGES, "scorecam", TARGETS, probability=False).raw
    close(found, expected)
    of_function = explainer(IMAGES, "scorecam", lambda logits: logits[:, 2]).raw
    close(of_function[2], found[2])  # whose target is 2


def test_scorecam_without_any_map_that_varies_is_empty_not_nan():
    model = pooled()
    model.get_layer("last").set_weights([0 * w for w in model.get_layer("last").get_weights()])
    explainer = Explainer(model)
    for name in ("scorecam", "faster_scorecam", "sscam", "iscam", "ablationcam", "xgradcam", "eigencam"):
        found = explainer(IMAGES, name, TARGETS)
        np.testing.assert_array_equal(found.raw, 0)
        assert all("dead" in names for names in found.diagnostics)
    one_lives = pooled()
    kernel, bias = one_lives.get_layer("last").get_weights()
    kernel[..., 1:], bias[1:] = 0, -1
    one_lives.get_layer("last").set_weights([kernel, bias])
    close(explain(one_lives, IMAGES, "scorecam", TARGETS).raw, maps_of(one_lives, IMAGES)[..., 0])


def test_faster_scorecam_takes_the_maps_that_vary_most(masked_network):
    explainer, A, answer = masked_network
    most = np.argsort(-A.std(axis=(1, 2)), axis=1)[:, :2]
    assert len(np.unique(most, axis=0)) > 1  # others for other images
    expected = score_weighted(A, TARGETS, answer, lambda i, mask: [IMAGES[i] * mask], most)
    close(explainer(IMAGES, "faster_scorecam", TARGETS, maps=2).raw, expected)
    everything = explainer(IMAGES, "faster_scorecam", TARGETS, maps=99).raw
    close(everything, explainer(IMAGES, "scorecam", TARGETS).raw, 1e-5)


def draws(i, samples, channels, seed=0):
    return np.random.default_rng([seed, i]).standard_normal((samples, *SIDES, channels), dtype=np.float32)


def test_sscam_averages_scores_under_noise_on_the_mask_or_on_the_input(masked_network):
    explainer, A, answer = masked_network
    expected = score_weighted(
        A, TARGETS, answer, lambda i, mask: [IMAGES[i] * (mask + 0.3 * noise) for noise in draws(i, 3, 1, seed=5)]
    )
    found = explainer(IMAGES, "sscam", TARGETS, seed=5, samples=3, noise=0.3).raw
    close(found, expected)
    expected = score_weighted(A, TARGETS, answer, lambda i, mask: [
        IMAGES[i] * mask + 0.3 * np.ptp(IMAGES[i]) * noise for noise in draws(i, 3, 3, seed=5)
    ])  # fmt: skip
    other = explainer(IMAGES, "sscam", TARGETS, seed=5, samples=3, noise=0.3, variant="input").raw
    close(other, expected)
    assert np.abs(found - other).max() > 1e-3 * np.abs(other).max()
    still = explainer(IMAGES, "sscam", TARGETS, samples=2, noise=0).raw
    close(still, explainer(IMAGES, "scorecam", TARGETS).raw, 1e-5)


def test_iscam_averages_scores_while_the_mask_grows(masked_network):
    explainer, A, answer = masked_network
    growing = lambda i, mask: [IMAGES[i] * mask * share / 4 for share in (1, 2, 3, 4)]  # noqa: E731
    expected = score_weighted(A, TARGETS, answer, growing)
    close(explainer(IMAGES, "iscam", TARGETS, steps=4).raw, expected)
    close(explainer(IMAGES, "iscam", TARGETS, steps=1).raw, explainer(IMAGES, "scorecam", TARGETS).raw, 1e-5)


@pytest.mark.backend
def test_ablationcam_is_what_the_score_loses_without_each_map(flat_network):
    explainer, A, _ = flat_network
    tail = Tail(explainer.model)
    whole, rows = tail.logits(A), np.arange(len(A))
    weights = np.zeros((len(A), A.shape[-1]))
    for k in range(A.shape[-1]):
        without = A.copy()
        without[..., k] = 0
        weights[:, k] = (whole - tail.logits(without))[rows, TARGETS]
    close(explainer(IMAGES, "ablationcam", TARGETS).raw, weighted(weights, A))


@pytest.mark.parametrize("name", ["scorecam", "sscam", "iscam", "faster_scorecam", "ablationcam", "smoothgradcam++"])
def test_no_more_images_are_made_at_once_than_go_through_at_once(name, monkeypatch):
    seen, passes = [], Explainer.passes

    def counted(self, inputs, *arguments, **keywords):
        seen.append(len(inputs))
        return passes(self, inputs, *arguments, **keywords)

    monkeypatch.setattr(Explainer, "passes", counted)
    explain(pooled(), IMAGES, name, TARGETS, chunk_size=3)
    assert 1 < max(seen) <= 3
    assert len(seen) > 5


def test_scorecam_passes_once_per_map_that_varies(masked_network, monkeypatch):
    explainer, A, _ = masked_network
    seen, passes = [], Explainer.passes

    def counted(self, inputs, *arguments, **keywords):
        seen.append(len(inputs))
        return passes(self, inputs, *arguments, **keywords)

    monkeypatch.setattr(Explainer, "passes", counted)
    explainer(IMAGES, "scorecam", TARGETS)
    varied = np.ptp(A, axis=(1, 2)).any(axis=0).sum()
    assert varied < A.shape[-1]
    assert sum(seen) == len(IMAGES) * (1 + varied)  # with the pass that tells the class


# What follows differentiates more than once, or builds on other methods.


def noisy_moments(model, noise, samples, seed):
    """Moments of the gradients at noisy images, by hand."""
    tail, powers = Tail(model), []
    generators = [np.random.default_rng([seed, i]) for i in range(len(IMAGES))]
    for _ in range(samples):
        noisy = np.stack([
            image + noise * np.ptp(image) * generator.standard_normal(image.shape)
            for image, generator in zip(IMAGES, generators, strict=True)
        ]).astype(np.float32)  # fmt: skip
        G = tail.gradient(maps_of(model, noisy), one_hot(TARGETS))
        powers.append([G, G**2, G**3])
    return np.mean(powers, axis=0)


def test_smooth_gradcam_plus_plus_takes_the_moments_of_noisy_gradients(flat_network):
    explainer, A, _ = flat_network
    first, second, third = noisy_moments(explainer.model, 0.3, 3, seed=4)
    sums = A.sum(axis=(1, 2), keepdims=True)
    alphas = second / np.where(second > 0, 2 * second + sums * np.maximum(third, 0), 1)
    expected = weighted((alphas * np.maximum(first, 0)).sum(axis=(1, 2)), A)
    found = explainer(IMAGES, "smoothgradcam++", TARGETS, seed=4, samples=3, noise=0.3)
    close(found.raw, expected)
    other = explainer(IMAGES, "smoothgradcam++", TARGETS, seed=5, samples=3, noise=0.3)
    assert np.abs(other.raw - found.raw).max() > 1e-3 * np.abs(found.raw).max()
    still = explainer(IMAGES, "smoothgradcam++", TARGETS, samples=2, noise=0).raw
    close(still, explainer(IMAGES, "gradcam++", TARGETS).raw, 1e-5)


@pytest.mark.backend
def test_shapleycam_takes_half_of_how_the_gradient_changes_along_the_maps():
    model = flat("tanh")
    A, tail = maps_of(model, IMAGES), Tail(model)
    gradient = lambda scale: tail.gradient(scale * A, one_hot(TARGETS))  # noqa: E731
    curvature = (gradient(1 + 1e-4) - gradient(1 - 1e-4)) / 2e-4
    expected = weighted((gradient(1) - curvature / 2).mean(axis=(1, 2)), A)
    explainer = Explainer(model)
    found = explainer(IMAGES, "shapleycam", TARGETS).raw
    close(found, expected)
    assert np.abs(found - explainer(IMAGES, "gradcam", TARGETS).raw).max() > 0.1 * np.abs(found).max()


def test_shapleycam_of_the_rest_score_is_curved_behind_relus_too(flat_network):
    explainer, A, _ = flat_network
    close(explainer(IMAGES, "shapleycam", TARGETS).raw, explainer(IMAGES, "gradcam", TARGETS).raw, 1e-6)
    tail = Tail(explainer.model)

    def gradient(scale):
        """Of z_c + log softmax(z)_c: coefficients 2 at the class, less all probabilities."""
        logits = tail.logits(scale * A)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return tail.gradient(scale * A, 2 * one_hot(TARGETS) - shares / shares.sum(axis=1, keepdims=True))

    curvature = (gradient(1 + 1e-5) - gradient(1 - 1e-5)) / 2e-5
    expected = weighted((gradient(1) - curvature / 2).mean(axis=(1, 2)), A)
    close(explain(explainer.model, IMAGES, "shapleycam", TARGETS, score="rest").raw, expected, 1e-3)


BASES = [name for name in CAMS if METHODS[name].of_class and name not in ("fullgrad", "finercam", "refinecam")]


@pytest.mark.parametrize("base", BASES)
def test_finercam_that_subtracts_nothing_is_its_base(base, pooled_network):
    explainer = pooled_network[0]
    found = explainer(IMAGES, "finercam", TARGETS, base=base, gamma=0).raw
    np.testing.assert_array_equal(found, explainer(IMAGES, base, TARGETS).raw)


def test_finercam_hands_its_base_the_draws_of_each_image(flat_network):
    explainer = flat_network[0]
    drawn = explainer(IMAGES, "smoothgradcam++", TARGETS, seed=3).raw
    one_by_one = Explainer(explainer.model, chunk_size=1)
    close(one_by_one(IMAGES, "finercam", TARGETS, seed=3, base="smoothgradcam++", gamma=0).raw, drawn, 1e-5)
    assert np.abs(drawn - explainer(IMAGES, "gradcam++", TARGETS).raw).max() > 1e-3 * np.abs(drawn).max()


@pytest.mark.parametrize("similar", [1, 2, 3, 9])
def test_finercam_explains_the_class_less_the_nearest_others(similar, pooled_network):
    explainer, A, weights, _ = pooled_network
    kernel = numbers(explainer.model.get_layer("classes").kernel)
    probabilities = explainer.predict(IMAGES)
    expected = np.stack([(one @ (own - 0.4 * kernel[:, nearest_to(shares, target, similar)].mean(axis=1)))
                         for one, own, shares, target in zip(A, weights, probabilities, TARGETS, strict=True)])
    found = explainer(IMAGES, "finercam", TARGETS, gamma=0.4, similar=similar).raw
    close(found * A.shape[1] * A.shape[2], expected)


def nearest_to(shares, target, similar):
    others = [c for c in range(5) if c != target]
    return sorted(others, key=lambda c: abs(np.log(shares[c] / shares[target])))[:similar]


def test_finercam_of_probabilities_subtracts_them(masked_network):
    explainer, A, answer = masked_network
    finer = explainer(IMAGES, "finercam", TARGETS, base="scorecam", gamma=0.5, similar=9).raw
    less = 1.125 * np.eye(5) - 0.125  # the class itself less half the mean of the four others
    expected = score_weighted(A, TARGETS, lambda images: answer(images) @ less, lambda i, mask: [IMAGES[i] * mask])
    close(finer, expected)


def test_refinecam_multiplies_maps_in_0_1(flat_network):
    model = flat_network[0].model
    both = explain(model, IMAGES, "refinecam", TARGETS, layer=["first", "last"], base="gradcam")
    each = [explain(model, IMAGES, "gradcam", TARGETS, layer=layer).maps for layer in ("first", "last")]
    close(both.raw, each[0] * each[1], 1e-5)
    assert both.layers == ("first", "last")
    single = explain(model, IMAGES, "refinecam", TARGETS)
    close(single.raw, explain(model, IMAGES, "gradcam++", TARGETS).maps, 1e-5)


def test_layercam_of_several_layers_keeps_the_greatest_of_scaled_maps(flat_network):
    model = flat_network[0].model
    parts = {layer: explain(model, IMAGES, "layercam", TARGETS, layer=layer) for layer in ("first", "last")}
    scaled = {layer: enlarged(part.raw) for layer, part in parts.items()}
    scaled = {layer: part / part.max(axis=(1, 2), keepdims=True) for layer, part in scaled.items()}
    for order in (["first", "last"], ["last", "first"]):
        fused = explain(model, IMAGES, "layercam", TARGETS, layer=order, gamma=3).raw
        close(fused, np.maximum(np.tanh(3 * scaled["first"]), scaled["last"]), 1e-5)
    usual = explain(model, IMAGES, "layercam", TARGETS, layer=["first", "last"]).raw
    close(usual, np.maximum(np.tanh(2 * scaled["first"]), scaled["last"]), 1e-5)


def test_xgradcam_says_how_much_is_negative_and_divides_by_no_zero():
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(6, 3, name="last")(inputs)
    model = give_weights(keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x))))
    A = maps_of(model, IMAGES)
    expected = np.maximum(-A, 0).sum(axis=(1, 2, 3)) / np.abs(A).sum(axis=(1, 2, 3))
    found = explain(model, IMAGES, "xgradcam", TARGETS)
    np.testing.assert_allclose(found.numbers["negative_share"], expected, atol=1e-5)
    assert np.isfinite(explain(with_constant_zero(pooled()), IMAGES, "xgradcam", TARGETS).raw).all()
    np.testing.assert_array_equal(explain(pooled(), IMAGES, "xgradcam", TARGETS).numbers["negative_share"], 0)


def with_constant_zero(model):
    kernel, bias = model.get_layer("last").get_weights()
    kernel[..., 2], bias[2] = 0, -1
    model.get_layer("last").set_weights([kernel, bias])
    return model


@pytest.mark.parametrize("name", ["eigencam", "fem"])
def test_what_knows_no_class_is_the_same_for_all(name, flat_network):
    one, other = (flat_network[0](IMAGES, name, target).raw for target in (0, 1))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert not METHODS[name].of_class


# The defects of other packages, by their numbers in the list that this one was written against.


def test_defect_1_and_2_gradcam_plus_plus_divides_and_by_the_sum_of_the_maps(flat_network):
    explainer, A, G = flat_network
    found = explainer(IMAGES, "gradcam++", TARGETS).raw
    close(found, plus_plus(A, G))
    undivided = weighted((G**2 * np.maximum(G, 0)).sum(axis=(1, 2)), A)
    means = A.mean(axis=(1, 2), keepdims=True)
    by_mean = weighted((np.maximum(G, 0) / (2 + means * np.maximum(G, 0))).sum(axis=(1, 2)), A)
    pixelwise = weighted((np.maximum(G, 0) / (2 + (A * np.maximum(G, 0)).sum((1, 2), keepdims=True))).sum((1, 2)), A)
    for wrong in (undivided, by_mean, pixelwise):
        assert np.corrcoef(found.ravel(), wrong.ravel())[0, 1] < 0.9999


@pytest.mark.parametrize("variant", ["paper", "author"])
def test_defect_3_gradcam_plus_plus_of_a_logit_of_300_is_no_nan(variant):
    model = pooled()
    usual = explain(model, IMAGES, "gradcam++", TARGETS, variant=variant)
    kernel, bias = model.get_layer("classes").get_weights()
    model.get_layer("classes").set_weights([kernel, bias + 300])
    found = explain(model, IMAGES, "gradcam++", TARGETS, variant=variant)
    assert found.scores.min() > 250
    close(found.raw, usual.raw, 1e-5)
    assert found.diagnostics == usual.diagnostics


def test_defect_4_the_unstable_normalisation_of_alphas_is_not_the_default():
    """A gradient of -2 / S, at which the authors' alphas have a pole, moves their map and not the paper's."""
    inputs = keras.Input((2, 1, 1))
    x = layers.Conv2D(2, 1, activation="relu", name="last")(inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))
    maps = {}
    for near in (-0.9, -0.999):  # of the second pixel of the first map, whose S is 2
        slopes = np.array([[1.0], [0.5], [near], [0.5]], np.float32)
        model.set_weights([np.ones((1, 1, 1, 2), np.float32), np.zeros(2, np.float32), slopes, np.zeros(1, np.float32)])
        for variant in ("paper", "author"):
            maps[variant, near] = explain(model, np.ones((1, 2, 1, 1)), "gradcam++", variant=variant).raw
    np.testing.assert_allclose(maps["paper", -0.9], maps["paper", -0.999], rtol=1e-6)
    np.testing.assert_allclose(maps["paper", -0.9], 1 / 4 + 2 * 0.5 / 3, rtol=1e-6)
    assert abs(maps["author", -0.9] / maps["author", -0.999] - 1).max() > 0.05
    model = flat()
    close(explain(model, IMAGES, "gradcam++", 1).raw, explain(model, IMAGES, "gradcam++", 1, variant="paper").raw, 1e-7)


@pytest.mark.backend
@pytest.mark.parametrize("name", ["gradcam++", "smoothgradcam++"])
def test_defect_5_powers_of_tiny_gradients_do_not_vanish(name):
    """Gradients of about 1e-23, whose square is no float32; beside 2 then S G counts for nothing."""
    model = pooled(head=None)
    kernel, bias = model.get_layer("classes").get_weights()
    model.get_layer("classes").set_weights([kernel * 1e-22, bias])
    settings = {"samples": 2, "noise": 0} if name == "smoothgradcam++" else {}
    found = explain(model, IMAGES, name, TARGETS, **settings).raw
    weights = np.maximum(kernel.astype(np.float64)[:, TARGETS].T * 1e-22, 0) / 2
    close(found, weighted(weights, maps_of(model, IMAGES)))
    assert 0 < found.max() < 1e-19


def test_defect_6_ablation_of_a_negative_logit_turns_no_sign():
    model = pooled()
    usual = explain(model, IMAGES, "ablationcam", TARGETS)
    kernel, bias = model.get_layer("classes").get_weights()
    model.get_layer("classes").set_weights([kernel, bias - 100])
    found = explain(model, IMAGES, "ablationcam", TARGETS)
    assert found.scores.max() < 0
    np.testing.assert_allclose(found.raw, usual.raw, atol=1e-3 * np.abs(usual.raw).max())
    np.testing.assert_allclose(found.maps, usual.maps, atol=1e-3)


def test_defect_6_ablation_sets_a_map_to_zero_whatever_its_least_value():
    model = pooled()
    kernel, bias = model.get_layer("last").get_weights()
    model.get_layer("last").set_weights([kernel * 0.1, bias + 5])
    A = maps_of(model, IMAGES)
    assert A.min() > 0.5
    weights = numbers(model.get_layer("classes").kernel)[:, TARGETS].T * A.mean(axis=(1, 2))
    close(explain(model, IMAGES, "ablationcam", TARGETS).raw, weighted(weights, A))


def test_defect_7_scorecam_of_a_softmax_takes_no_second_one():
    """The same map whether the network ends in a softmax or in logits, which give the same probabilities."""
    with_softmax, without = flat(), flat(head=None)
    without.set_weights(with_softmax.get_weights())
    close(explain(with_softmax, IMAGES, "scorecam", 1).raw, explain(without, IMAGES, "scorecam", 1).raw, 1e-6)


def test_defect_8_gradcam_takes_the_plain_gradient_and_shows_what_is_positive(flat_network):
    explainer, A, G = flat_network
    found = explainer(IMAGES, "gradcam", TARGETS)
    plain = weighted(G.mean(axis=(1, 2)), A)
    close(found.raw, plain)
    guided = weighted((G * (G > 0) * (A > 0)).mean(axis=(1, 2)), A)
    assert np.abs(plain - guided).max() > 0.1 * np.abs(plain).max()
    close(found.maps, normalised(enlarged(np.maximum(plain, 0))), 1e-3)


def test_defect_9_maps_start_from_zero_and_keep_height_and_width(pooled_network):
    explainer, A, weights, _ = pooled_network
    found = explainer(IMAGES, "gradcam", TARGETS)
    close(found.raw, weighted(weights, A) / np.prod(A.shape[1:3]))
    assert found.maps.shape == (4, *SIDES)


def test_defect_11_iscam_shows_no_image_brighter_than_it_is(masked_network, monkeypatch):
    seen, passes = [], Explainer.passes

    def noted(self, inputs, *arguments, **keywords):
        seen.append(np.abs(inputs).max())
        return passes(self, inputs, *arguments, **keywords)

    monkeypatch.setattr(Explainer, "passes", noted)
    masked_network[0](IMAGES, "iscam", TARGETS)
    assert max(seen) <= np.abs(IMAGES).max()


def test_defect_11_smooth_gradcam_plus_plus_rectifies_the_mean_gradient_not_the_last(flat_network):
    explainer, A, _ = flat_network
    first, second, third = noisy_moments(explainer.model, 0.8, 2, seed=0)
    last = 2 * first - noisy_moments(explainer.model, 0.8, 1, seed=0)[0]
    sums = A.sum(axis=(1, 2), keepdims=True)
    alphas = second / np.where(second > 0, 2 * second + sums * np.maximum(third, 0), 1)
    found = explainer(IMAGES, "smoothgradcam++", TARGETS, samples=2, noise=0.8).raw
    close(found, weighted((alphas * np.maximum(first, 0)).sum(axis=(1, 2)), A))
    of_last = weighted((alphas * np.maximum(last, 0)).sum(axis=(1, 2)), A)
    assert np.abs(found - of_last).max() > 1e-2 * np.abs(found).max()


def test_defect_12_refinecam_makes_nothing_positive_of_two_negative_maps(flat_network):
    model = flat_network[0].model
    made = {layer: explain(model, IMAGES, "hirescam", TARGETS, layer=layer).raw for layer in ("first", "last")}
    against = (enlarged(made["first"]) < 0) & (enlarged(np.maximum(made["last"], 0)) == 0)
    assert against.sum() > 10
    found = explain(model, IMAGES, "refinecam", TARGETS, layer=["first", "last"], base="hirescam").raw
    np.testing.assert_array_equal(found[against], 0)
    assert found.min() == 0
    assert found.max() > 0.1


# What holds for all of them.


def rich(rank: int = 2, data_format: str = "channels_last", channels: int = 3, sides=(12, 10)):
    """Make a network of any rank whose gradient varies from pixel to pixel, and which sees no left and right."""
    convolution, pooling, averaging = (
        (layers.Conv1D, layers.AveragePooling1D, layers.GlobalAveragePooling1D),
        (layers.Conv2D, layers.AveragePooling2D, layers.GlobalAveragePooling2D),
        (layers.Conv3D, layers.AveragePooling3D, layers.GlobalAveragePooling3D),
    )[rank - 1]
    size = (lambda n: tuple(min(n, side) for side in sides)) if rank > 1 else (lambda n: n)
    first = data_format == "channels_first"
    inputs = keras.Input((channels, *sides) if first else (*sides, channels))
    x = convolution(5, size(3), activation="relu", data_format=data_format, name="early")(inputs)
    x = layers.BatchNormalization(axis=1 if first else -1)(x)
    x = convolution(6, size(3), activation="relu", data_format=data_format, name="middle")(x)
    x = pooling(size(2), data_format=data_format)(x)
    x = convolution(5, size(2), activation="relu", data_format=data_format, name="late")(x)
    x = averaging(data_format=data_format)(x)
    model = give_weights(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)))
    for name in ("early", "middle", "late"):
        kernel, bias = model.get_layer(name).get_weights()
        mirrored = np.flip(kernel, axis=max(axis for axis, side in enumerate(sides) if side > 1))
        model.get_layer(name).set_weights([kernel + mirrored, bias])
    return model


class Maker:
    """Makes every method's maps of one network, at the layer where each has most to tell."""

    def __init__(self, model, chunk_size=None):
        self.middle, self.several, self.last = (
            Explainer(model, layer, chunk_size=chunk_size) for layer in ("middle", ["early", "middle"], None)
        )

    def __call__(self, images, targets=TARGETS, **settings):
        found = {}
        for name in CAMS:
            several = self.several if METHODS[name].place == "layers" else self.middle
            explainer = self.last if name == "cam" else several
            found[name] = explainer(images, name, targets, **({"samples": 3} | settings if name in DRAWN else {}))
        return found


RICH_IMAGES = images_of(4, 12, 10, 3)


@pytest.fixture(scope="module")
def make():
    return Maker(rich())


@pytest.fixture(scope="module")
def reference(make):
    return make(RICH_IMAGES)


def assert_equal(found, reference, read=lambda maps: maps, rtol=1e-5):
    assert set(found) == set(reference) == set(CAMS)
    for name, one in found.items():
        close(read(one.raw), reference[name].raw, rtol)
        np.testing.assert_allclose(read(one.maps), reference[name].maps, atol=10 * rtol, err_msg=name)
        assert np.abs(one.raw).max() > 0, name


def test_no_map_depends_on_the_chunks(reference):
    """Nor on the images beside it and their classes."""
    in_chunks = Maker(rich(), chunk_size=3)
    assert_equal(in_chunks(RICH_IMAGES), reference)
    alone = in_chunks(RICH_IMAGES[:1], TARGETS[0])
    assert_equal(alone, {name: Part(one, slice(0, 1)) for name, one in reference.items()})


class Part:
    """Some images' maps of an explanation."""

    def __init__(self, explained, rows):
        self.raw, self.maps = explained.raw[rows], explained.maps[rows]


def test_maps_of_a_mirrored_image_are_mirrored_where_the_kernels_are_symmetric(make):
    straight, mirrored = (make(images, noise=0) for images in (RICH_IMAGES, RICH_IMAGES[:, :, ::-1]))
    assert_equal(mirrored, straight, lambda maps: maps[:, :, ::-1])
    assert not np.allclose(straight["gradcam"].raw, straight["gradcam"].raw[:, :, ::-1], atol=1e-2)


def test_channels_first_gives_the_same_maps(reference):
    assert_equal(Maker(rich(data_format="channels_first"))(np.moveaxis(RICH_IMAGES, -1, 1)), reference)


def test_volumes_one_pixel_deep_have_the_maps_of_images(reference):
    """Weights are the same numbers, in kernels of another rank."""
    found = Maker(rich(3, sides=(12, 1, 10)))(RICH_IMAGES[:, :, None])
    assert_equal(found, reference, lambda maps: maps[:, :, 0])


def test_sequences_have_the_maps_of_images_one_pixel_wide():
    """Of one channel."""
    images = images_of(4, 15, 1)
    of_images = Maker(rich(2, channels=1, sides=(15, 1)))(images[:, :, None])
    assert_equal(Maker(rich(1, channels=1, sides=(15,)))(images), of_images, lambda maps: maps[:, :, None])


def test_a_constant_map_is_shown_as_nothing_whatever_rounding_makes_of_it():
    """Interpolation of equal numbers gives almost equal ones, whose differences are no picture."""
    values = np.random.default_rng(0).normal(size=50).astype(np.float32)
    constant = resized(np.tile(values[:, None, None], (1, 7, 7)), (100, 61))
    assert (np.ptp(constant, axis=(1, 2)) > 0).sum() > 20
    np.testing.assert_array_equal(normalised(constant), 0)
    model = pooled(head=None)
    kernel, bias = model.get_layer("last").get_weights()
    model.get_layer("last").set_weights([0 * kernel, np.full_like(bias, 0.123)])
    found = explain(model, IMAGES, "cam", target=int(numbers(model.get_layer("classes").kernel).sum(axis=0).argmax()))
    assert found.raw.min() > 0
    np.testing.assert_array_equal(found.maps, 0)
    assert found.diagnostics == (("constant",),) * 4


BAD = [
    ("gradcam++", {"variant": "mine"}, "variant to be one of paper, author, received 'mine'"),
    ("smoothgradcam++", {"samples": 0}, "samples to be a whole number of at least 1, received 0"),
    ("smoothgradcam++", {"noise": -0.1}, "noise to be a number of at least 0, received -0.1"),
    ("smoothgradcam++", {"noise": float("nan")}, "noise to be a number of at least 0, received nan"),
    ("faster_scorecam", {"maps": 0}, "maps to be a whole number of at least 1"),
    ("sscam", {"samples": 2.5}, "samples to be a whole number of at least 1, received 2.5"),
    ("sscam", {"noise": "much"}, "noise to be a number of at least 0, received 'much'"),
    ("sscam", {"variant": "both"}, "variant to be one of mask, input"),
    ("iscam", {"steps": True}, "steps to be a whole number of at least 1, received True"),
    ("layercam", {"gamma": 0}, "gamma to be a number of at least"),
    ("fem", {"deviations": -1}, "deviations to be a number of at least 0"),
    ("finercam", {"gamma": -1}, "gamma to be a number of at least 0"),
    ("finercam", {"similar": 0}, "similar to be a whole number of at least 1"),
    ("finercam", {"base": "eigencam"}, "base to be one of cam, gradcam"),
    ("finercam", {"base": "saliency"}, "base to be one of cam, gradcam"),
    ("refinecam", {"base": "refinecam"}, "base to be one of cam, gradcam"),
]


@pytest.mark.parametrize(("name", "settings", "message"), BAD)
def test_settings_that_cannot_be_are_named(name, settings, message, pooled_network):
    with pytest.raises(ValueError, match=message):
        pooled_network[0](IMAGES, name, TARGETS, **settings)


def test_finercam_without_other_classes_is_refused(pooled_network):
    with pytest.raises(ValueError, match="one of several classes for finercam, received a function: choose gradcam"):
        pooled_network[0](IMAGES, "finercam", lambda logits: logits[:, 0])
    one_number = headed(lambda x: layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(ValueError, match="one of several classes for finercam, received the only one"):
        explain(one_number, IMAGES, "finercam")


def test_settings_that_cannot_be_are_named_in_french(pooled_network):
    with pytest.raises(SettingError) as raised:
        pooled_network[0](IMAGES, "iscam", TARGETS, steps=0)
    assert raised.value.text.written("fr") == "steps doit être un nombre entier d'au moins 1, 0 reçu."


def test_methods_are_listed_in_the_order_in_which_they_are_taught():
    handout = ["cam", "gradcam", "gradcam+", "gradcam++", "smoothgradcam++", "scorecam", "faster_scorecam", "sscam",
               "iscam", "xgradcam", "layercam"]  # fmt: skip
    assert list(METHODS)[: len(handout)] == handout


needs_tf_keras_vis = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow" or importlib.util.find_spec("tf_keras_vis") is None,
    reason="tf-keras-vis, on tensorflow alone",
)


@needs_tf_keras_vis
@pytest.mark.parametrize(
    ("name", "settings", "tolerance"),
    [("gradcam", {}, 1e-5), ("layercam", {}, 1e-6), ("gradcam++", {"variant": "author"}, 1e-3)],
)
def test_maps_are_those_of_tf_keras_vis(name, settings, tolerance):
    from mi204.interop import tf_keras_vis

    for model in (pooled(), flat()):
        theirs = tf_keras_vis.raw_maps(model, IMAGES, TARGETS, name, "last")
        ours = np.maximum(explain(model, IMAGES, name, TARGETS, layer="last", **settings).raw, 0)
        np.testing.assert_allclose(normalised(ours), normalised(theirs), atol=tolerance)
