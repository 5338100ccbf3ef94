import dataclasses
import hashlib
import importlib
import inspect
import shutil

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from mi204 import backbones, training
from mi204.backbones import cifar10, imagenet, train_cifar10
from mi204.datasets import ImageDataset, photographs, pretrained
from mi204.datasets._fetch import FetchError
from mi204.errors import DataError, SettingError
from mi204.preprocessing import one_hot

pytestmark = pytest.mark.backend


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Keep every place on this machine inside tmp_path; give the folder of the mirror's weights."""
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror/models").mkdir(parents=True)
    return tmp_path / "mirror/models"


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch):
    """Stop at Keras' own downloads, and at ours."""

    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", refuse)
    monkeypatch.setattr("requests.get", refuse)


@pytest.fixture(scope="module")
def shipped():
    return backbones.load("cifar10")


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def numpy_network(arrays, x):
    """Compute the shipped network's probabilities, written out in float64."""

    def convolution(x, name, pool=False):
        kernel = arrays[f"{name}_convolution/kernel"].astype(np.float64)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        n, h, w, _ = x.shape
        x = sum(padded[:, i : i + h, j : j + w] @ kernel[i, j] for i in range(3) for j in range(3))
        if pool:
            x = x.reshape(n, h // 2, 2, w // 2, 2, -1).max(axis=(2, 4))
        gamma, beta, mean, variance = (
            arrays[f"{name}_normalization/{each}"].astype(np.float64)
            for each in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return np.maximum(gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta, 0)

    x = convolution(x, "stage_0")
    for stage in (1, 2):
        x = convolution(x, f"stage_{stage}_a", pool=True)
        x = x + convolution(convolution(x, f"stage_{stage}_b"), f"stage_{stage}_c")
    logits = x.mean(axis=(1, 2)) @ arrays["classes/kernel"].astype(np.float64) + arrays["classes/bias"]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def test_shipped_network_answers_the_same_on_every_backend(shipped):
    x, shown = shipped.prepare(IMAGES)
    with np.load(cifar10.FILE, allow_pickle=False) as arrays:
        x_reference = (IMAGES - np.array([125.307, 122.950, 113.865])) / [62.993, 62.089, 66.705]
        expected = numpy_network(arrays, x_reference)
    np.testing.assert_allclose(training.predict(shipped.model, x), expected, atol=1e-5)
    np.testing.assert_array_equal(shown, IMAGES)


def test_shipped_network_is_described(shipped):
    assert shipped.input_size == (32, 32)
    assert len(shipped.classes) == 10
    assert not shipped.model.compiled
    assert shipped.remark is None
    assert 0.88 <= shipped.accuracy < 1
    assert "CIFAR-10" in shipped.source
    assert shipped.licence == "MIT"
    assert shipped.preprocess(IMAGES).dtype == np.float32


def test_shipped_file_is_small_and_holds_no_pickle():
    assert cifar10.FILE.stat().st_size <= 1_500_000
    with np.load(cifar10.FILE, allow_pickle=False) as arrays:
        assert {arrays[name].dtype for name in arrays if arrays[name].ndim > 1} == {np.dtype(np.float16)}


def test_preprocessing_takes_transformed_pictures_too(shipped):
    np.testing.assert_array_equal(shipped.preprocess(IMAGES.astype(np.float64)), shipped.preprocess(IMAGES))
    grey = np.full((1, 2, 2, 3), cifar10.MEAN)
    np.testing.assert_allclose(shipped.preprocess(grey), 0, atol=1e-6)
    np.testing.assert_allclose(shipped.preprocess(grey + cifar10.DEVIATION), 1, atol=1e-6)


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"")])
def test_shipped_file_that_is_not_whole_is_named(damage, tmp_path, monkeypatch):
    file = shutil.copy(cifar10.FILE, tmp_path / "cifar10.npz")
    monkeypatch.setattr(cifar10, "FILE", file)
    assert backbones.load("cifar10").name == "cifar10"
    damage(file)
    with pytest.raises(DataError, match="Install mi204 again") as caught:
        backbones.load("cifar10")
    assert str(file) in caught.value.written("fr")


def test_shipped_file_with_one_other_bit_is_refused(tmp_path, monkeypatch):
    content = bytearray(cifar10.FILE.read_bytes())
    content[len(content) // 2] ^= 1
    file = tmp_path / "cifar10.npz"
    file.write_bytes(content)
    monkeypatch.setattr(cifar10, "FILE", file)
    with pytest.raises(DataError, match=f"{cifar10.SHA256}.*received: SHA-256"):
        backbones.load("cifar10")


def test_what_is_written_is_read_with_kernels_rounded(tmp_path):
    model, rng = cifar10.network(), np.random.default_rng(0)
    model.set_weights([rng.random(weight.shape) for weight in model.get_weights()])
    cifar10.write(model, tmp_path / "written.npz")
    read = cifar10.read((tmp_path / "written.npz").read_bytes())
    for ours, theirs in zip(read.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs.astype(np.float16) if theirs.ndim > 1 else theirs)


def test_training_ends_in_a_file_with_what_is_to_be_said_of_it(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 128)
    images = rng.integers(0, 20, (128, 32, 32, 3), dtype=np.uint8)
    images += (24 * labels).astype(np.uint8)[:, None, None, None]
    data = ImageDataset("tiny", "real", None, cifar10.CLASSES, images, labels, images[:50], labels[:50])
    monkeypatch.setattr(train_cifar10, "EPOCHS", 2)
    monkeypatch.setattr(train_cifar10, "BATCH_SIZE", 32)
    monkeypatch.setattr(cifar10, "FILTERS", (4,))
    monkeypatch.setattr(train_cifar10.cifar10, "load", {"real": data}.get)
    train_cifar10.main(tmp_path)
    file = tmp_path / "cifar10.npz"
    assert f"SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}" in (printed := capsys.readouterr().out)
    model = cifar10.read(file.read_bytes())
    right = training.predict(model, cifar10.preprocess(images[:50])).argmax(axis=1) == labels[:50]
    assert f"Test accuracy {right.mean():.4f}, before" in printed
    loss = training.read_history(tmp_path).metrics["loss"]
    assert len(loss) == 2
    assert loss[1] < loss[0]


def test_training_is_given_each_image_with_its_label(tmp_path, monkeypatch):
    labels = np.arange(1200) % 10
    images = np.broadcast_to(labels.astype(np.uint8)[:, None, None, None], (1200, 32, 32, 3))
    data = ImageDataset("tiny", "real", None, cifar10.CLASSES, images, labels, images[:0], labels[:0])
    given = {}
    monkeypatch.setattr(training, "fit", lambda model, train, validation, **_: given.update(t=train, v=validation))
    train_cifar10.train(data, tmp_path)
    for (x, y), shown in ((given["t"], images), (given["v"], cifar10.preprocess(images[:1000]))):
        np.testing.assert_array_equal(x, shown)
        np.testing.assert_array_equal(y.argmax(axis=1), labels[: len(x)])


def test_training_sees_standardised_variants():
    images = np.repeat(IMAGES, 20, axis=0)
    x, _ = train_cifar10._augmentation(images, one_hot(np.zeros(60, int), 10), np.random.default_rng(0))
    assert x.dtype == np.float32
    assert x.shape == images.shape
    assert len({each.tobytes() for each in x[:20]}) > 15
    np.testing.assert_allclose(x.std(), cifar10.preprocess(images).std(), rtol=0.05)


def test_unknown_network_is_refused():
    with pytest.raises(SettingError, match=r"one of cifar10, .*vgg16, received 'alexnet'"):
        backbones.load("alexnet")


def test_every_network_has_a_builder_and_a_file():
    assert set(imagenet.APPLICATIONS) == set(pretrained.WEIGHTS)
    assert set(backbones.NAMES) == {"cifar10", *pretrained.WEIGHTS}


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("efficientnet", ["efficientnet_b0"]),
        ("mobilenet", ["mobilenet_0.25", "mobilenet_0.5", "mobilenet_0.75", "mobilenet_1.0"]),
        ("mobilenet_v2", [f"mobilenet_v2_{alpha}" for alpha in ("0.35", "0.5", "0.75", "1.0", "1.3", "1.4")]),
        ("mobilenet_v3", ["mobilenet_v3_small"]),
        ("resnet", ["resnet50", "resnet50_v2"]),
        ("vgg16", ["vgg16"]),
    ],
)
def test_addresses_and_hashes_are_those_of_keras(module, names):
    source = inspect.getsource(importlib.import_module(f"keras.src.applications.{module}"))
    joined = source.replace('"\n    "', "")
    for name in names:
        remote = pretrained.WEIGHTS[name]
        folder, _, file = remote.url.rpartition("/")
        assert f"{folder}/" in joined
        assert remote.name == f"models/{file}"
        assert f'"{remote.md5}"' in source if remote.md5 else "file_hash" not in source


def tiny(**settings):
    """Stand in for a network of keras.applications."""
    tiny.built.append(settings)
    return keras.Sequential([keras.Input(settings["input_shape"]), layers.GlobalAveragePooling2D(),
                             layers.Dense(1000, activation="softmax", name="predictions")])


@pytest.fixture
def known(places, monkeypatch):
    """Know one small network ``mobilenet_0.25``, its weights in the mirror; give the network and their file."""
    tiny.built = []
    application = imagenet.APPLICATIONS["mobilenet_0.25"]
    monkeypatch.setitem(
        imagenet.APPLICATIONS, "mobilenet_0.25", imagenet.Application(tiny, application.preprocess, "A", {"alpha": 1})
    )
    monkeypatch.setattr(pretrained, "imagenet_classes", lambda **_: tuple(map(str, range(1000))))
    model = tiny(input_shape=(224, 224, 3))
    file = places / "mobilenet_2_5_224_tf.h5"
    with h5py.File(file, "w") as stream:
        legacy_h5_format.save_weights_to_hdf5_group(stream, model)
    return model, file


def test_network_of_keras_gets_the_weights_of_its_file(known):
    model, _ = known
    backbone = backbones.load("mobilenet_0.25")
    assert tiny.built[-1] == {"weights": None, "input_shape": (224, 224, 3), "alpha": 1}
    for ours, theirs in zip(backbone.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert backbone.remark == "weights_not_verified"
    assert (backbone.classes[386], len(backbone.classes), backbone.licence) == ("386", 1000, "A")
    assert backbone.accuracy is None
    assert not backbone.model.compiled


def test_truncated_weights_are_named(known):
    _, file = known
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"mobilenet_2_5_224_tf\.h5"):
        backbones.load("mobilenet_0.25")


def test_weights_of_another_network_are_named(known):
    _, file = known
    other = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with h5py.File(file, "w") as stream:
        legacy_h5_format.save_weights_to_hdf5_group(stream, other)
    with pytest.raises(DataError, match=r"mobilenet_2_5_224_tf\.h5"):
        backbones.load("mobilenet_0.25")


def test_missing_weights_are_asked_for(known, monkeypatch):
    _, file = known
    file.unlink()
    monkeypatch.setattr("requests.get", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(FetchError, match=r"(?s)Expected models/mobilenet_2_5_224_tf\.h5 .*no network.*copy models/"):
        backbones.load("mobilenet_0.25")
    assert len(tiny.built) == 1, "the network is not built in vain"


PIXELS = np.array([[[[0, 127.5, 255]]]], np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilenet_1.0", [-1, 0, 1]),
        ("mobilenet_v2_1.0", [-1, 0, 1]),
        ("resnet50_v2", [-1, 0, 1]),
        ("mobilenet_v3_small", [0, 127.5, 255]),
        ("resnet50", [255 - 103.939, 127.5 - 116.779, -123.68]),
        ("vgg16", [255 - 103.939, 127.5 - 116.779, -123.68]),
    ],
)
def test_pixels_are_what_the_network_was_trained_on(name, expected):
    given = PIXELS.copy()
    x = imagenet.APPLICATIONS[name].preprocess(given)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[0, 0, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(given, PIXELS, "the pictures are still to be shown")


def test_efficientnet_gets_what_keras_gives_it_only_when_it_downloads():
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = imagenet.APPLICATIONS["efficientnet_b0"].preprocess(PIXELS)
    assert x.dtype == np.float32
    normalised = (x / 255 - mean) / np.sqrt(deviation)  # by the network's own layers
    np.testing.assert_allclose(normalised, (PIXELS / 255 - mean) / deviation, rtol=1e-5)


def test_pictures_of_any_size_come_whole_to_the_size_of_the_network(shipped):
    wide = np.zeros((10, 80, 3), np.uint8)
    wide[:, 40:] = 250
    x, shown = shipped.prepare([wide, IMAGES[0]])
    assert x.shape == shown.shape == (2, 32, 32, 3)
    assert shown.dtype == np.uint8
    assert (shown[0, :, :14] == 0).all()
    assert (shown[0, :, 18:] == 250).all()
    np.testing.assert_array_equal(shown[1], IMAGES[0])
    np.testing.assert_array_equal(x, shipped.preprocess(shown))


def test_height_comes_before_width(shipped):
    upright = keras.Sequential([keras.Input((8, 4, 3)), layers.GlobalAveragePooling2D()])
    _, shown = dataclasses.replace(shipped, model=upright).prepare(IMAGES)
    assert shown.shape == (3, 8, 4, 3)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(image, shipped):
    with pytest.raises(SettingError, match=r"uint8 \(h, w, 3\), received (float64|uint8) \("):
        shipped.prepare([image])


def test_no_picture_at_all_is_refused(shipped):
    with pytest.raises(SettingError, match="at least one image"):
        shipped.prepare([])


@pytest.mark.data
@pytest.mark.slow
def test_shipped_network_is_as_good_as_it_says(shipped):
    data = cifar10.cifar10.load("real")
    right = training.predict(shipped.model, shipped.preprocess(data.x_test)).argmax(axis=1) == data.y_test
    assert abs(right.mean() - shipped.accuracy) <= 3e-4, "but for ties that rounding breaks"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "remark", "known"),
    [
        ("mobilenet_0.25", "weights_sums_alone", ["cat", "coffee", "elephants", "parrot", "dragonfly", "samoyed"]),
        (
            "mobilenet_v2_1.0", "weights_not_verified",
            ["cat", "coffee", "rocket", "elephants", "parrot", "hot_dog", "two_dogs", "dragonfly", "samoyed"],
        ),
    ],
)
def test_real_networks_know_the_photographs(name, remark, known):
    backbone = backbones.load(name)
    assert backbone.remark in (remark, "weights_sums_alone"), "as far as the mirror vouches for it"
    loaded = photographs.load(known)
    x, _ = backbone.prepare([photograph.image for photograph in loaded])
    best = training.predict(backbone.model, x).argmax(axis=1)
    for photograph, label in zip(loaded, best, strict=True):
        assert backbone.classes[label] in photograph.answers
