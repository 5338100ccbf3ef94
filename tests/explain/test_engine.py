"""One way to call every method, on every kind of network, which is left as it was found."""

import threading

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src import backend as keras_backend

from mi204.explain import DIAGNOSTICS, METHODS, Explainer, _probe, explain, passes
from mi204.explain._probe import Watch, watching
from mi204.explain.methods import method as enter_method

SIDES = (11, 8)


def give_weights(model: keras.Model, seed: int = 0) -> keras.Model:
    """Set weights that are the same on every backend; variances stay positive."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [np.abs(rng.normal(size=w.shape)) + 0.5 if "variance" in w.path else rng.normal(size=w.shape) * 0.5
         for w in model.weights]
    )
    return model


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, *SIDES, 3)).astype(np.float32)


def head(x, activation="softmax"):
    return layers.Dense(4, activation=activation, name="classes")(layers.GlobalAveragePooling2D(name="mean")(x))


def functional(activation="softmax") -> keras.Model:
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="first")(inputs)
    x = layers.BatchNormalization(name="normalization")(layers.Conv2D(6, 3, name="second")(x))
    return give_weights(keras.Model(inputs, head(layers.ReLU(name="last")(x), activation)))


def closed_form(maps: np.ndarray, model: keras.Model, targets: np.ndarray) -> np.ndarray:
    """Grad-CAM of global average pooling and a dense layer: the class's weights times the maps, over the pixels."""
    kernel = keras.ops.convert_to_numpy(model.get_layer("classes").kernel)
    pixels = np.prod(maps.shape[1:-1])
    return np.stack([maps[i] @ kernel[:, target] / pixels for i, target in enumerate(targets)])


def answer_of(model: keras.Model, name: str, images: np.ndarray) -> np.ndarray:
    part = keras.Model(model.inputs[0], model.get_layer(name).output)
    return ops.convert_to_numpy(part(images))


@pytest.mark.backend
def test_map_prediction_and_score_come_from_one_pass(images):
    model = functional()
    explained = explain(model, images)
    probabilities = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(explained.probabilities, probabilities, atol=1e-6)
    np.testing.assert_array_equal(explained.targets, probabilities.argmax(axis=1))
    expected = closed_form(answer_of(model, "last", images), model, explained.targets)
    np.testing.assert_allclose(explained.raw, expected, atol=1e-6)
    logits = answer_of(model, "mean", images) @ ops.convert_to_numpy(model.get_layer("classes").kernel)
    logits += ops.convert_to_numpy(model.get_layer("classes").bias)
    np.testing.assert_allclose(explained.scores, logits.max(axis=1), atol=1e-5)
    assert explained.maps.shape == images.shape[:3]
    assert explained.maps.min() == 0
    assert explained.maps.max() == 1
    assert explained.layers == ("last",)


def test_maps_are_scaled_each_by_its_own_range_after_they_are_enlarged(images):
    explained = explain(functional(), images)
    shown = np.maximum(explained.raw, 0)
    for one, raw in zip(explained.maps, shown, strict=True):
        larger = ops.convert_to_numpy(ops.image.resize(raw[..., None], SIDES, interpolation="bilinear"))[..., 0]
        expected = (larger - larger.min()) / (larger.max() - larger.min())
        np.testing.assert_allclose(one, expected, atol=1e-5)


class Subclassed(keras.Model):
    """Layers in a plain dict and functions: nothing that can be found by walking through the network."""

    def __init__(self):
        super().__init__()
        self.parts = {"first": layers.Conv2D(5, 3), "second": layers.Conv2D(6, 3, activation="relu", name="last")}
        self.classes = layers.Dense(4, name="classes")

    def call(self, x):
        x = self.parts["second"](ops.relu(self.parts["first"](x)))
        return ops.softmax(self.classes(ops.mean(x, axis=(1, 2))))


def sequential_without_input() -> keras.Model:
    model = keras.Sequential([
        layers.Conv2D(6, 3, name="last", activation="relu"), layers.GlobalAveragePooling2D(name="mean"),
        layers.Dense(4, activation="softmax", name="classes"),
    ])
    model(np.zeros((1, *SIDES, 3), dtype=np.float32))
    return give_weights(model)


def skip_connected() -> keras.Model:
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    return give_weights(keras.Model(inputs, head(layers.Add(name="last")([x, y]))))


def nested() -> keras.Model:
    """Transfer learning: a base with a dotted name, after preprocessing, before a head with dropout."""
    inner = keras.Input((*SIDES, 3))
    x = layers.Conv2D(5, 3, activation="relu")(inner)
    base = keras.Model(inner, layers.Conv2D(6, 3, activation="relu", name="last")(x), name="base_1.00_224")
    inputs = keras.Input((*SIDES, 3))
    x = layers.Rescaling(0.5, 0.1)(inputs)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(name="mean")(base(x, training=False)))
    return give_weights(keras.Model(inputs, layers.Dense(4, activation="softmax", name="classes")(x)))


@pytest.mark.backend
@pytest.mark.parametrize(
    ("build", "path"),
    [
        (sequential_without_input, "last"), (skip_connected, "last"), (nested, "base_1.00_224/last"),
        (Subclassed, "last"),
    ],
)
def test_any_kind_of_network_is_explained_as_it_is(build, path, images):
    model = build()
    if not model.built:
        model(images)
        give_weights(model)
    seen = {}
    watch = Watch(on_call=lambda call: seen.update({call.path: call.output}))
    with watching(watch):
        model(images, training=False)
    explained = explain(model, images, target=2)
    assert explained.layers == (path,)
    assert path in explained.reason.written("fr")
    maps = ops.convert_to_numpy(seen[path])
    kernel = ops.convert_to_numpy(next(w for w in model.weights if w.path.endswith("classes/kernel")))
    np.testing.assert_allclose(explained.raw, maps @ kernel[:, 2] / np.prod(maps.shape[1:3]), atol=1e-5)
    probabilities = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(explained.probabilities, probabilities, atol=1e-6)
    kernel_of_scores = ops.convert_to_numpy(next(w for w in model.weights if w.path.endswith("classes/bias")))
    np.testing.assert_allclose(explained.scores, maps.mean(axis=(1, 2)) @ kernel[:, 2] + kernel_of_scores[2], atol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("rank", [1, 3])
def test_maps_of_sequences_and_volumes(rank):
    convolution, pooling = {
        1: (layers.Conv1D, layers.GlobalAveragePooling1D), 3: (layers.Conv3D, layers.GlobalAveragePooling3D),
    }[rank]
    sides = (9, 7, 6)[:rank]
    inputs = keras.Input((*sides, 2))
    x = convolution(4, 3, activation="relu", name="last")(inputs)
    model = give_weights(keras.Model(inputs, layers.Dense(4, name="classes")(pooling()(x))))
    images = np.random.default_rng(2).normal(size=(3, *sides, 2)).astype(np.float32)
    explained = explain(model, images, target=[0, 1, 3])
    assert explained.maps.shape == (3, *sides)
    expected = closed_form(answer_of(model, "last", images), model, [0, 1, 3])
    np.testing.assert_allclose(explained.raw, expected, atol=1e-6)


def channels(data_format: str) -> keras.Model:
    sides = SIDES if data_format == "channels_last" else None
    inputs = keras.Input((*SIDES, 3) if sides else (3, *SIDES))
    x = layers.Conv2D(5, 3, activation="relu", data_format=data_format)(inputs)
    x = layers.Activation("relu", name="last")(layers.Conv2D(6, 3, data_format=data_format)(x))
    x = layers.GlobalAveragePooling2D(data_format=data_format)(x)
    return give_weights(keras.Model(inputs, layers.Dense(4, activation="softmax", name="classes")(x)))


@pytest.mark.backend
def test_channels_first_gives_the_same_maps(images):
    last = explain(channels("channels_last"), images)
    first = explain(channels("channels_first"), np.moveaxis(images, -1, 1))
    np.testing.assert_allclose(first.raw, last.raw, atol=1e-5)
    np.testing.assert_allclose(first.maps, last.maps, atol=1e-4)
    assert first.layers == last.layers == ("last",)


def state_of(model: keras.Model) -> list:
    """Everything that a network holds: its objects by identity, its weights by value."""
    parts = list(model._flatten_layers())
    objects = [(id(part), {name: id(value) for name, value in vars(part).items()}) for part in parts]
    compiled = id(model.optimizer), model.compiled, [v.numpy().tobytes() for v in model.optimizer.variables]
    weights = [ops.convert_to_numpy(w).tobytes() for w in model.weights]
    return [objects, weights, [part.trainable for part in parts], compiled, model.get_config()]


KERAS = (
    keras.Operation.__call__, keras_backend.nn.softmax, keras_backend.nn.sigmoid, keras_backend.nn.log_softmax,
    keras_backend.nn.relu, keras_backend.nn.relu6,
)


def keras_now() -> tuple:
    nn = keras_backend.nn
    return keras.Operation.__call__, nn.softmax, nn.sigmoid, nn.log_softmax, nn.relu, nn.relu6


@pytest.mark.backend
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_network_and_keras_are_left_as_they_were_whatever_happens(error, images):
    model = functional()
    model.get_layer("first").trainable = False
    model.compile("sgd", "categorical_crossentropy")
    model.train_on_batch(images, np.eye(4)[[0, 1, 2, 3, 0]])
    before = state_of(model)

    def score(logits):
        if error:
            raise error("struck inside")
        return logits[:, 0]

    for method in ("gradcam", "saliency_of_this_test"):
        if error:
            with pytest.raises(error, match="struck"):
                explain(model, images, method, target=score)
        else:
            explain(model, images, method, target=score)
    assert state_of(model) == before
    assert keras_now() == KERAS
    assert _probe._current() is None


@pytest.fixture(autouse=True)
def a_method_with_another_rectifier():
    """A method that needs all that replaces something in Keras."""

    @enter_method("saliency_of_this_test", "test", "none", place="input")
    def saliency(run):
        return run.passes(at_input=True, rectifier="guided").input_gradient

    yield
    del METHODS["saliency_of_this_test"]


HEADS = {
    "dense": lambda x: layers.Dense(4, activation="softmax", name="classes")(x),
    "activation": lambda x: layers.Activation("softmax")(layers.Dense(4, name="classes")(x)),
    "layer": lambda x: layers.Softmax()(layers.Dense(4, name="classes")(x)),
    "function": lambda x: ops.softmax(layers.Dense(4, name="classes")(x)),
    "log_softmax": lambda x: layers.Dense(4, activation="log_softmax", name="classes")(x),
    "dropout_after": lambda x: layers.Dropout(0.5)(layers.Dense(4, activation="softmax", name="classes")(x)),
    "none": lambda x: layers.Dense(4, name="classes")(x),
}


@pytest.mark.backend
@pytest.mark.parametrize("kind", HEADS)
def test_logits_are_found_behind_any_head(kind, images):
    inputs = keras.Input((*SIDES, 3))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(6, 3, activation="relu", name="last")(inputs))
    model = give_weights(keras.Model(inputs, HEADS[kind](x)))
    explained = explain(model, images, target=1)
    classes = model.get_layer("classes")
    logits = answer_of(model, "mean", images) @ ops.convert_to_numpy(classes.kernel)
    logits += ops.convert_to_numpy(classes.bias)
    np.testing.assert_allclose(explained.scores, logits[:, 1], atol=1e-5)
    np.testing.assert_allclose(explained.raw, closed_form(answer_of(model, "last", images), model, [1] * 5), atol=1e-6)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(explained.probabilities, expected, atol=1e-5)
    assert set(explained.diagnostics) <= {(), ("all_negative",)}


@pytest.mark.backend
def test_softmax_that_cannot_be_seen_is_undone_by_the_logarithm_and_that_is_said(images):
    class Hidden(keras.layers.Layer):
        def call(self, x):
            raised = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
            return raised / ops.sum(raised, axis=-1, keepdims=True)

    inputs = keras.Input((*SIDES, 3))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(6, 3, activation="relu", name="last")(inputs))
    model = give_weights(keras.Model(inputs, Hidden()(layers.Dense(4, name="classes")(x))))
    explained = explain(model, images, target=1)
    kernel = ops.convert_to_numpy(model.get_layer("classes").kernel)
    maps = answer_of(model, "last", images)
    expected = maps @ (kernel[:, 1] - kernel.mean(axis=1)) / np.prod(maps.shape[1:3])
    np.testing.assert_allclose(explained.raw, expected, atol=1e-5)
    assert all(names[0] == "hidden_head" for names in explained.diagnostics)
    np.testing.assert_allclose(explained.probabilities.sum(axis=1), 1, atol=1e-5)


def binary(units: int, activation: str | None) -> keras.Model:
    inputs = keras.Input((*SIDES, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu", name="last")(inputs))
    return give_weights(keras.Model(inputs, layers.Dense(units, activation=activation, name="classes")(x)))


@pytest.mark.backend
def test_one_sigmoid_is_two_classes(images):
    model = binary(1, "sigmoid")
    yes, no, predicted = (explain(model, images, target=target) for target in (1, 0, None))
    np.testing.assert_allclose(yes.raw, -no.raw, atol=1e-7)
    np.testing.assert_allclose(yes.scores, -no.scores, atol=1e-6)
    answers = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(yes.probabilities, np.concatenate([1 - answers, answers], axis=1), atol=1e-6)
    np.testing.assert_array_equal(predicted.targets, (answers[:, 0] > 0.5).astype(int))
    with pytest.raises(ValueError, match="0 to 1"):
        explain(model, images, target=2)


def test_several_sigmoids_are_one_class_each(images):
    model = binary(3, "sigmoid")
    explained = explain(model, images, target=[0, 1, 2, 0, 1])
    np.testing.assert_allclose(explained.probabilities, ops.convert_to_numpy(model(images)), atol=1e-6)
    expected = closed_form(answer_of(model, "last", images), model, [0, 1, 2, 0, 1])
    np.testing.assert_allclose(explained.raw, expected, atol=1e-6)


def test_one_number_without_a_head_is_explained_as_it_is(images):
    model = binary(1, None)
    explained = explain(model, images)
    np.testing.assert_allclose(explained.scores, ops.convert_to_numpy(model(images))[:, 0], atol=1e-5)
    np.testing.assert_allclose(explained.probabilities, ops.convert_to_numpy(model(images)), atol=1e-5)
    with pytest.raises(ValueError, match="0 to 0"):
        explain(model, images, target=1)


def test_each_image_has_its_own_class_and_none_depends_on_the_others(images):
    model = functional()
    targets = [3, 0, 2, 1, 1]
    together = explain(model, images, target=targets)
    for i, target in enumerate(targets):
        alone = explain(model, images[i : i + 1], target=target)
        np.testing.assert_allclose(together.raw[i], alone.raw[0], atol=1e-6)
        np.testing.assert_allclose(together.maps[i], alone.maps[0], atol=1e-5)
        assert together.targets[i] == target
    counted = explain(model, images, target=np.array(targets))
    np.testing.assert_array_equal(counted.raw, together.raw)


@pytest.mark.backend
def test_a_function_of_the_logits_is_a_target_too(images):
    model = functional()
    difference = explain(model, images, target=lambda logits: logits[:, 2] - logits[:, 0])
    two, zero = (explain(model, images, target=target) for target in (2, 0))
    np.testing.assert_allclose(difference.raw, two.raw - zero.raw, atol=1e-6)
    np.testing.assert_allclose(difference.scores, two.scores - zero.scores, atol=1e-5)
    assert difference.targets is None


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 100])
def test_no_number_depends_on_the_chunks(chunk_size, images):
    model = functional()
    whole = explain(model, images, target=[0, 1, 2, 3, 0])
    chunks = explain(model, images, target=[0, 1, 2, 3, 0], chunk_size=chunk_size)
    np.testing.assert_allclose(chunks.raw, whole.raw, atol=1e-6)
    np.testing.assert_allclose(chunks.scores, whole.scores, atol=1e-6)
    np.testing.assert_array_equal(chunks.targets, whole.targets)
    assert len(chunks.diagnostics) == len(images)


@pytest.mark.backend
def test_memory_is_bounded_by_the_budget(images, monkeypatch):
    sizes = []

    class Counting(layers.Layer):
        def call(self, x):
            sizes.append(x.shape[0])
            return x

    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(Counting()(inputs))
    model = give_weights(keras.Model(inputs, head(x)))
    explainer = Explainer(model)
    values = explainer.survey(images).values
    assert values == 11 * 8 * 3 + 2 * 9 * 6 * 6 - 9 * 6 * 6 + 6 + 4  # what the four leaves answer
    monkeypatch.setattr(passes, "BUDGET", 2 * 2 * 4 * values)  # two images with their gradients
    many = np.repeat(images, 3, axis=0)
    sizes.clear()
    explained = explainer(many)
    assert len(explained.maps) == len(many)
    assert max(sizes) <= 2


@pytest.mark.backend
def test_weights_are_those_of_the_moment(images):
    model = functional()
    explainer = Explainer(model)
    explainer(images)
    give_weights(model, seed=9)
    np.testing.assert_allclose(explainer(images, target=1).raw, explain(model, images, target=1).raw, atol=1e-7)
    assert not np.allclose(explain(functional(), images, target=1).raw, explain(model, images, target=1).raw)


def two_outputs() -> keras.Model:
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="shared")(inputs)
    a = layers.Conv2D(6, 3, activation="relu", name="of_first")(x)
    b = layers.Conv2D(6, 3, activation="relu", name="of_second")(x)
    first = layers.Dense(4, activation="softmax", name="first")(layers.GlobalAveragePooling2D()(a))
    second = layers.Dense(3, activation="softmax", name="second")(layers.GlobalAveragePooling2D()(b))
    return give_weights(keras.Model(inputs, {"first": first, "second": second}))


def test_network_with_two_outputs_says_which_it_wants_to_know(images):
    model = two_outputs()
    with pytest.raises(ValueError, match=r"output to name one of the network's 2 outputs \(first, second\)"):
        explain(model, images)
    with pytest.raises(ValueError, match="received 'third'"):
        explain(model, images, output="third")
    for name, classes in (("first", 4), ("second", 3)):
        explained = explain(model, images, output=name, target=classes - 1)
        assert explained.layers == (f"of_{name}",)  # not the last one called, but the last one that counts
        assert explained.probabilities.shape == (5, classes)
        with pytest.raises(ValueError, match="class of 0"):
            explain(model, images, output=name, target=classes)


def test_outputs_in_a_list_go_by_number(images):
    named = two_outputs()
    model = keras.Model(named.inputs[0], [named.output["first"], named.output["second"]])
    by_number = explain(model, images, output=1, target=2)
    assert by_number.layers == ("of_second",)
    np.testing.assert_allclose(by_number.raw, explain(named, images, output="second", target=2).raw, atol=1e-6)


@pytest.mark.backend
def test_network_with_two_inputs(images):
    picture, number = keras.Input((*SIDES, 3), name="picture"), keras.Input((2,), name="number")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu", name="last")(picture))
    x = layers.Concatenate()([layers.Dense(3)(number), x])
    model = give_weights(keras.Model([number, picture], layers.Dense(4, name="classes")(x)))
    numbers = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
    explained = explain(model, [numbers, images], target=1, chunk_size=2)
    assert explained.maps.shape == (5, *SIDES)
    kernel = ops.convert_to_numpy(model.get_layer("classes").kernel)[3:, 1]
    np.testing.assert_allclose(explained.raw, answer_of_two(model, [numbers, images]) @ kernel / 54, atol=1e-6)
    with pytest.raises(ValueError, match="as many images for each input"):
        explain(model, [numbers[:2], images])


def answer_of_two(model: keras.Model, inputs: list[np.ndarray]) -> np.ndarray:
    part = keras.Model(model.inputs, model.get_layer("last").output)
    return ops.convert_to_numpy(part(inputs))


@pytest.mark.backend
def test_shared_layer_is_explained_at_the_call_asked_for(images):
    inputs = keras.Input((*SIDES, 3))
    shared = layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    x = shared(shared(inputs))
    model = give_weights(keras.Model(inputs, head(x)))
    last, first = explain(model, images, target=0), explain(model, images, target=0, layer=("shared", 0))
    for same in (("shared", 1), "shared", shared):
        np.testing.assert_allclose(last.raw, explain(model, images, target=0, layer=same).raw, atol=1e-7)
    maps = ops.convert_to_numpy(shared(images))
    assert not np.allclose(first.raw, last.raw)
    # The gradient at the first call, by Keras' own layers after it.
    from mi204 import backend

    kernel = model.get_layer("classes").kernel

    def score(x):
        return ops.sum(ops.mean(shared(x), axis=(1, 2)) @ kernel[:, :1])

    gradient = backend.gradient(score, maps)
    np.testing.assert_allclose(first.raw, (gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(-1), atol=1e-6)
    with pytest.raises(ValueError, match="one of 0 to 1, received 2"):
        explain(model, images, layer=("shared", 2))


def test_layer_is_found_by_path_name_or_itself(images):
    model = nested()
    expected = explain(model, images, target=1).raw
    layer = model.get_layer("base_1.00_224").get_layer("last")
    for choice in ("base_1.00_224/last", "last", layer, model.get_layer("base_1.00_224"), "base_1.00_224"):
        np.testing.assert_allclose(explain(model, images, target=1, layer=choice).raw, expected, atol=1e-7)


def test_wrong_layers_are_named_with_what_would_do(images):
    model = functional()
    with pytest.raises(ValueError, match=r"received 'lasst'\. Alike: last"):
        explain(model, images, layer="lasst")
    with pytest.raises(ValueError, match="There are: first, second, normalization, last"):
        explain(model, images, layer="xyz")
    with pytest.raises(ValueError, match=r"spatial extent, received 'mean' of shape \(6,\).*such as last"):
        explain(model, images, layer="mean")
    with pytest.raises(ValueError, match="one layer for gradcam, received 2"):
        explain(model, images, layer=["first", "last"])
    inputs = keras.Input((*SIDES, 3))
    twins = [keras.Sequential([keras.Input((*SIDES, 3)), layers.Conv2D(6, 3, name="twin")], name=name) for name in "ab"]
    twice = keras.Model(inputs, head(layers.Add()([twins[0](inputs), twins[1](inputs)])))
    with pytest.raises(ValueError, match="name of several: give one of the paths a/twin, b/twin"):
        explain(twice, images, layer="twin")


def test_network_without_spatial_extent_is_told_what_to_use():
    model = give_weights(keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="softmax")]))
    with pytest.raises(ValueError, match=r"layer whose answer has spatial extent, found none.*occlusion"):
        explain(model, np.ones((2, 6), dtype=np.float32))


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((0, *SIDES, 3)), "at least one image"),
        (np.zeros((*SIDES, 3)), r"\(n, 11, 8, 3\), the first side counting them, received .*images\[None\]"),
        (np.zeros((2, 8, 11, 3)), r"\(n, 11, 8, 3\).*received \(2, 8, 11, 3\)"),
        (np.zeros((2, *SIDES, 1)), r"received \(2, 11, 8, 1\)"),
        (np.full((2, *SIDES, 3), "x"), "array of numbers"),
        (np.zeros((2, *SIDES, 3), dtype=bool), "array of numbers.*received bool"),
        (np.zeros((2, *SIDES, 3), dtype=complex), "array of numbers"),
        ([np.zeros((3, 2)), np.zeros((2, 2))], "array of numbers"),
        ("photograph.jpg", "array of numbers"),
        (None, "array of numbers"),
        (np.stack([np.zeros((*SIDES, 3)), np.full((*SIDES, 3), np.nan)]), "NaN or infinity in image 1"),
        (np.full((1, *SIDES, 3), np.inf), "in image 0"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(images, told):
    with pytest.raises(ValueError, match=told):
        explain(functional(), images)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"target": 4}, "class of 0 to 3.*received 4"),
        ({"target": -1}, "received -1"),
        ({"target": 1.0}, r"received 1\.0"),
        ({"target": [0, 1]}, "one for each of the 5 images"),
        ({"target": "cat"}, "received 'cat'"),
        ({"method": "gradcan"}, "method to be one of .*gradcam"),
        ({"method": "gradcam", "samples": 3}, "settings of gradcam among .*received 'samples'"),
        ({"score": "logits"}, "score to be one of logit"),
        ({"chunk_size": 0}, "at least 1 image, received 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, told, images):
    with pytest.raises(ValueError, match=told):
        explain(functional(), images, **arguments)


def test_what_is_no_model_is_refused(images):
    with pytest.raises(ValueError, match=r"keras\.Model, received function"):
        explain(functional, images)


def test_numbers_of_any_kind_are_images(images):
    model = functional()
    whole = np.clip(images * 50 + 100, 0, 255).astype(np.uint8)
    expected = explain(model, whole.astype(np.float32), target=1)
    kinds = whole, whole.astype(np.int32), whole.astype(np.float64), whole.tolist(), ops.convert_to_tensor(whole)
    for given in kinds:
        np.testing.assert_allclose(explain(model, given, target=1).raw, expected.raw, rtol=1e-5)


def with_classes(kernel: np.ndarray, bias: np.ndarray, relu: bool = True, stride: int = 1) -> keras.Model:
    """One convolution that copies the channels, pooling, and a dense layer of chosen weights."""
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(3, 1, strides=stride, activation="relu" if relu else None, name="last")(inputs)
    model = keras.Model(inputs, head(x))
    model.set_weights([np.eye(3)[None, None], np.zeros(3), kernel, bias])
    return model


def test_a_map_with_nothing_in_favour_says_so(images):
    kernel = -np.ones((3, 4))
    explained = explain(with_classes(kernel, np.zeros(4)), images, target=0)
    assert set(explained.diagnostics) == {("all_negative",)}
    assert not explained.maps.any()
    assert explained.raw.min() < 0  # what it would have shown is still there


def test_a_layer_that_answers_zeros_says_so(images):
    explained = explain(with_classes(np.ones((3, 4)), np.zeros(4)), -np.abs(images), target=0)
    assert set(explained.diagnostics) == {("dead", "constant")}


def test_a_score_that_does_not_depend_on_the_layer_says_so(images):
    explained = explain(with_classes(np.zeros((3, 4)), np.arange(4.0)), images, target=0)
    assert set(explained.diagnostics) == {("disconnected", "constant")}


def test_a_constant_map_says_so():
    flat = np.ones((1, *SIDES, 3), dtype=np.float32)
    explained = explain(with_classes(np.ones((3, 4)), np.zeros(4)), flat, target=0)
    assert explained.diagnostics == (("constant",),)
    assert not explained.maps.any()


def test_saturation_hurts_the_probability_and_not_the_logit(images):
    model = with_classes(np.eye(3, 4) * 5000, np.zeros(4))
    images = np.abs(images) * np.array([3, 0.1, 0.1])
    logit = explain(model, images, target=0)
    assert set(logit.diagnostics) == {()}
    assert np.all(logit.maps.max(axis=(1, 2)) == 1)
    probability = explain(model, images, target=0, score="probability")
    assert set(probability.diagnostics) == {("saturated", "constant")}
    assert np.all(probability.probabilities[:, 0] == 1)


def test_a_layer_of_one_pixel_says_so(images):
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(6, SIDES, activation="relu", name="last")(inputs)
    model = give_weights(keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x))))
    explained = explain(model, images, layer="last", target=0)
    assert all("one_pixel" in names for names in explained.diagnostics)


def test_numbers_that_are_not_finite_leave_one_map_empty(images):
    model = with_classes(np.eye(3, 4), np.zeros(4))
    images[2] = 3e38
    images[2, 0] = -3e38
    explained = explain(model, images, target=0)
    assert explained.diagnostics[2] == ("not_finite",)
    assert not explained.maps[2].any()
    assert np.isfinite(explained.maps).all()
    assert explained.maps[1].any()


def test_every_diagnostic_has_a_sentence_in_both_languages():
    for text in DIAGNOSTICS.values():
        assert text.written("en") != text.written("fr")


def numpy_scores(logits: np.ndarray, target: int) -> dict[str, np.ndarray]:
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    others = np.delete(logits, target, axis=1)
    return {
        "logit": logits[:, target],
        "probability": np.exp(logarithms[:, target]),
        "log_probability": logarithms[:, target],
        "margin": logits[:, target] - others.max(axis=1),
        "rest": logits[:, target] + logarithms[:, target],
    }


@pytest.mark.parametrize("kind", ["logit", "probability", "log_probability", "margin", "rest"])
def test_kinds_of_score(kind, images):
    model = functional()
    explainer = Explainer(model, score=kind)
    logits = explainer.passes(images, None, None).logits
    explained = explainer(images, target=2)
    np.testing.assert_allclose(explained.scores, numpy_scores(logits, 2)[kind], atol=1e-5)
    np.testing.assert_allclose(explainer.scores(images, 2), explained.scores, atol=1e-6)
    # Grad-CAM is linear in the score's gradient: that of the kind is a sum over those of the logits.
    step = 1e-3
    weights = np.stack([
        (numpy_scores(logits + step * np.eye(4)[c], 2)[kind] - numpy_scores(logits - step * np.eye(4)[c], 2)[kind])
        / (2 * step)
        for c in range(4)
    ])
    each = np.stack([explain(model, images, target=c).raw for c in range(4)])
    np.testing.assert_allclose(explained.raw, np.einsum("cn,cnhw->nhw", weights, each), atol=2e-4)


def test_margin_of_the_predicted_class_is_the_lead_on_the_second(images):
    explained = explain(functional(), images, score="margin")
    logits = np.sort(Explainer(functional()).passes(images, None, None).logits, axis=1)
    np.testing.assert_allclose(explained.scores, logits[:, -1] - logits[:, -2], atol=1e-5)


def test_predictions_are_as_many_as_the_images_in_any_chunks(images):
    model = functional()
    answers = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(Explainer(model, chunk_size=2).predict(images), answers, atol=1e-6)


@pytest.mark.backend
def test_dropout_and_noise_are_off(images):
    inputs = keras.Input((*SIDES, 3))
    x = layers.Dropout(0.5)(layers.Conv2D(6, 3, activation="relu")(layers.GaussianNoise(1.0)(inputs)))
    model = give_weights(keras.Model(inputs, head(layers.SpatialDropout2D(0.5)(x))))
    np.testing.assert_array_equal(explain(model, images).raw, explain(model, images).raw)


@pytest.mark.backend
def test_half_precision(images):
    whole = functional()
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        half = functional()
    finally:
        keras.config.set_dtype_policy(before)
    expected, explained = explain(whole, images, target=1), explain(half, images, target=1)
    assert explained.raw.dtype == np.float32
    np.testing.assert_allclose(explained.raw, expected.raw, atol=0.02 * np.abs(expected.raw).max())


@pytest.mark.backend
def test_other_threads_are_neither_seen_nor_changed(images):
    model, other = functional(), functional("linear")
    expected = ops.convert_to_numpy(other(images))
    started, done = threading.Event(), threading.Event()
    answers = []

    def elsewhere():
        started.wait()
        answers.append(ops.convert_to_numpy(other(images)))
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    seen = []

    def note(call):
        seen.append(call.path)
        started.set()
        done.wait()

    key = id(other.get_layer("last")), 0
    with watching(Watch(added={key: 1e6}, on_call=note)):
        model(images)
    thread.join()
    np.testing.assert_allclose(answers[0], expected, atol=1e-6)
    assert seen == ["first", "second", "normalization", "last", "mean", "classes", ""]


def test_threads_that_explain_at_once_wait_for_each_other(images):
    models = [functional(), nested()]
    expected = [explain(model, images).raw for model in models]
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i, model=model: found.update({i: explain(model, images).raw}))
        for i, model in enumerate(models)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, raw in enumerate(expected):
        np.testing.assert_allclose(found[i], raw, atol=1e-6)


def test_progress_is_shown_where_it_is_asked_for(images, capsys):
    explain(functional(), images, progress=True)
    assert "Grad-CAM" in capsys.readouterr().err
    explain(functional(), images)
    assert capsys.readouterr().err == ""


def test_no_more_passes_are_kept_than_are_worth_it(images, monkeypatch):
    monkeypatch.setattr(passes, "_KEPT", 2)
    explainer = Explainer(functional())
    for c in range(4):
        explained = explainer(images, target=lambda logits, c=c: logits[:, c])
        np.testing.assert_allclose(explained.raw, explainer(images, target=c).raw, atol=1e-6)
    assert len(explainer._compiled) == 2


def test_a_target_for_an_output_with_sides_is_a_function(images):
    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="last")(inputs)
    model = give_weights(keras.Model(inputs, layers.Conv2D(4, 1, activation="softmax", name="classes")(x)))
    with pytest.raises(ValueError, match=r"function from the output, of shape \(11, 8, 4\)"):
        explain(model, images)
    explained = explain(model, images, target=lambda logits: logits[:, 5, 4, 2])
    assert explained.layers == ("last",)
    kernel = ops.convert_to_numpy(model.get_layer("classes").kernel)[0, 0, :, 2] / (11 * 8)
    np.testing.assert_allclose(explained.raw, answer_of(model, "last", images) @ kernel, atol=1e-6)
