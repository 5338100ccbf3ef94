"""What identifies a data set, and what its classes are called."""

from dataclasses import replace

import numpy as np
import pytest

from mi204.datasets import AudioDataset, ImageDataset, cifar10, class_words, fashion_mnist, mnist
from mi204.language import Text, Word, word


@pytest.fixture
def images() -> ImageDataset:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (8, 4, 4, 3), dtype=np.uint8), rng.integers(0, 10, 8)
    masks = rng.random((8, 4, 4)) < 0.5
    return ImageDataset("random", "sample", None, cifar10.CLASSES, x[:5], y[:5], x[5:], y[5:], masks[:5], masks[5:])


@pytest.fixture
def recordings() -> AudioDataset:
    rng = np.random.default_rng(0)
    return AudioDataset(
        name="random", source="sample", notice=None, classes=mnist.CLASSES,
        waveforms=tuple(rng.normal(size=size).astype(np.float32) for size in (5, 9, 7)), sampling_rate=8000,
        labels=np.array([0, 0, 1]), speakers=np.array(["ada", "bea", "ada"]), repetitions=np.array([0, 0, 4]),
        files=("0_ada_0.wav", "0_bea_0.wav", "1_ada_4.wav"), remarks={},
    )


def test_fingerprint_is_of_what_the_arrays_hold(images, recordings):
    assert len(images.fingerprint) == len(recordings.fingerprint) == 64
    assert images.fingerprint != recordings.fingerprint
    same = replace(
        images,
        x_train=np.asfortranarray(images.x_train), y_train=np.repeat(images.y_train, 2)[::2],
        name="another", source="real", notice=Text("some", "un"),
    )
    assert same.fingerprint == images.fingerprint
    same = replace(recordings, labels=recordings.labels.copy(), name="another")
    assert same.fingerprint == recordings.fingerprint


@pytest.mark.parametrize("field", ["x_train", "y_train", "x_test", "y_test", "masks_train", "masks_test"])
def test_fingerprint_changes_with_any_number_of_any_array(field, images):
    seen = {images.fingerprint}
    array = getattr(images, field)
    for place in range(array.size):
        changed = array.copy()
        changed.flat[place] ^= True
        seen.add(replace(images, **{field: changed}).fingerprint)
    assert len(seen) == array.size + 1


def test_fingerprint_changes_with_where_arrays_begin_and_what_their_bytes_mean(images):
    x, y = np.concatenate([images.x_train, images.x_test]), np.concatenate([images.y_train, images.y_test])
    seen = {images.fingerprint}
    seen.add(replace(images, x_train=x[:4], x_test=x[4:]).fingerprint)
    seen.add(replace(images, x_train=x[:4], x_test=x[4:], y_train=y[:4], y_test=y[4:]).fingerprint)
    seen.add(replace(images, x_train=images.x_train.reshape(5, 2, 8, 3)).fingerprint)
    seen.add(replace(images, x_train=images.x_train.view(np.int8)).fingerprint)
    seen.add(replace(images, masks_train=None, masks_test=None).fingerprint)
    seen.add(replace(images, masks_test=None).fingerprint)
    assert len(seen) == 7


def test_images_without_one_have_a_fingerprint(images):
    assert replace(images, x_train=images.x_train[:0]).fingerprint != images.fingerprint


def test_fingerprint_changes_with_any_part_of_a_recording(recordings):
    first, second, third = recordings.waveforms
    louder = second.copy()
    louder[-1] *= 2
    all_together = np.concatenate(recordings.waveforms)
    changes = (
        {"waveforms": (first, louder, third)},
        {"waveforms": (second, first, third)},
        {"waveforms": tuple(np.split(all_together, [6, 14]))},
        {"waveforms": (first, second), "labels": recordings.labels[:2]},
        {"labels": np.array([0, 0, 2])},
        {"speakers": np.array(["ada", "bea", "eva"])},
        {"repetitions": np.array([0, 0, 5])},
        {"files": ("0_ada_0.wav", "0_bea_0.wav", "1_ada_4.WAV")},
        {"sampling_rate": 16_000},
    )
    seen = {replace(recordings, **change).fingerprint for change in changes}
    assert len(seen | {recordings.fingerprint}) == len(changes) + 1


def test_fingerprint_is_computed_once(images, recordings, monkeypatch):
    first = images.fingerprint, recordings.fingerprint
    monkeypatch.setattr("mi204.datasets._digest", None)
    assert (images.fingerprint, recordings.fingerprint) == first


@pytest.mark.parametrize("module", [cifar10, fashion_mnist], ids=["CIFAR-10", "Fashion-MNIST"])
def test_every_class_has_a_name_in_french(module):
    words = class_words(module.CLASSES)
    assert all(isinstance(name, Word) for name in words)
    assert tuple(word(name, "en") for name in words) == module.CLASSES
    assert len({word(name, "fr") for name in words}) == 10


def test_words_of_classes_are_in_their_order():
    assert [word(name, "fr") for name in class_words(["truck", "ankle boot", "T-shirt"])] == [
        "camion", "bottine", "t-shirt",
    ]


def test_a_class_without_translation_keeps_its_name():
    names = class_words(["0", "9", "Axolotl"])
    assert names == ["0", "9", "Axolotl"]
    assert not any(isinstance(name, Word) for name in names)
