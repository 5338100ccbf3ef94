"""The procedural stand-in for CIFAR-10: its shape, its masks, and how hard it is."""

import hashlib

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mi204.datasets import _drawings, samples


@pytest.fixture(scope="module")
def dataset():
    return samples.cifar10()


def _digest(dataset):
    parts = (dataset.x_train, dataset.y_train, dataset.masks_train, dataset.x_test, dataset.y_test, dataset.masks_test)
    return [hashlib.sha256(part.tobytes()).hexdigest() for part in parts]


def _score(model, features, dataset):
    model.fit(features(dataset.x_train[:5000]), dataset.y_train[:5000])
    return model.score(features(dataset.x_test[:3000]), dataset.y_test[:3000])


def test_has_the_shape_of_cifar10(dataset):
    assert (dataset.source, dataset.notice, len(dataset.classes)) == ("sample", "", 10)
    for x, y, masks, n in (
        (dataset.x_train, dataset.y_train, dataset.masks_train, 50_000),
        (dataset.x_test, dataset.y_test, dataset.masks_test, 10_000),
    ):
        assert (x.shape, x.dtype) == ((n, 32, 32, 3), np.uint8)
        assert (y.shape, y.dtype) == ((n,), np.int64)
        assert (masks.shape, masks.dtype) == ((n, 32, 32), np.bool_)


def test_classes_are_balanced_and_shuffled(dataset):
    for y in (dataset.y_train, dataset.y_test):
        np.testing.assert_array_equal(np.bincount(y), np.full(10, len(y) // 10))
        # A thousand shuffled labels hold about a hundred of each class; six standard deviations are 57.
        assert abs(np.bincount(y[:1000], minlength=10) - 100).max() < 57


def test_is_the_same_every_time(dataset):
    assert _digest(samples.cifar10()) == _digest(dataset)


def test_no_image_comes_twice(dataset):
    images = np.concatenate([dataset.x_train, dataset.x_test])
    assert len({image.tobytes() for image in images}) == len(images)


def test_objects_are_neither_lost_nor_everything(dataset):
    area = np.concatenate([dataset.masks_train, dataset.masks_test]).mean(axis=(1, 2))
    assert area.min() > 0.02
    assert area.max() < 0.5
    assert 0.1 < area.mean() < 0.25


def test_masks_are_the_pixels_that_the_object_paints(monkeypatch):
    """Draw the same scenes with black and with white objects: the pixels that change by half or more are the mask."""
    paints = samples._paints

    def repainted(level):
        calls = iter(range(4))

        def paint(rng, backdrops):
            colours = paints(rng, backdrops)
            is_object = next(calls) == 2  # after two things behind it
            return np.full_like(colours, level) if is_object else colours

        monkeypatch.setattr(samples, "_paints", paint)
        rng = np.random.default_rng(1)
        objects = np.stack(
            [_drawings.picture(draw(rng)) for draw in _drawings.DRAWINGS for _ in range(samples.VARIANTS)]
        )
        things = np.stack([_drawings.picture(_drawings.clutter(rng)) for _ in range(9)])
        images, masks = samples._scenes(rng, samples._texture(rng), objects, things, np.arange(200) % 10)
        return images.astype(int).mean(axis=-1), masks

    black, masks = repainted(0)
    white, masks_of_white = repainted(255)
    np.testing.assert_array_equal(masks, masks_of_white)
    # Grain, ten levels at most, is cut off at black and at white.
    assert (white - black)[masks].min() >= 128 - 20
    assert (white - black)[~masks].max() <= 128 + 20


def test_masks_lie_on_the_objects_of_their_images(dataset):
    """Colours change more across the border of a mask than elsewhere, and less so across a misplaced border."""
    images = dataset.x_test.astype(np.int16)
    steps = np.abs(np.diff(images, axis=2)).sum(axis=-1)

    def contrast(masks):
        border = np.diff(masks, axis=2)
        return steps[border].mean() / steps[~border].mean()

    assert contrast(dataset.masks_test) > 3
    assert contrast(np.roll(dataset.masks_test, 3, axis=2)) < 2
    assert contrast(np.roll(dataset.masks_test, 1, axis=0)) < 2


@pytest.mark.parametrize("model", [NearestCentroid(), LogisticRegression()], ids=lambda model: type(model).__name__)
def test_colours_do_not_give_the_class_away(dataset, model):
    def colours(x):
        return np.concatenate([x.mean(axis=(1, 2)), x.std(axis=(1, 2))], axis=1)

    assert _score(make_pipeline(StandardScaler(), model), colours, dataset) < 0.14


def test_pixels_do_not_give_the_class_away_one_by_one(dataset):
    assert _score(NearestCentroid(), lambda x: x.reshape(len(x), -1).astype(np.float32), dataset) < 0.25


def test_outlines_tell_the_class(dataset):
    """A linear model on where the edges are does far better than chance, and is far from perfect."""

    def edges(x):
        x = x.astype(np.float32)
        x = (x - x.mean(axis=(1, 2), keepdims=True)) / x.std(axis=(1, 2), keepdims=True)
        steps = [np.abs(np.diff(x, axis=axis, append=0)).sum(axis=-1) for axis in (1, 2)]
        blocks = np.stack(steps, axis=-1).reshape(len(x), 8, 4, 8, 4, 2).mean(axis=(2, 4))
        return blocks.reshape(len(x), -1)

    assert 0.4 < _score(make_pipeline(StandardScaler(), RidgeClassifier()), edges, dataset) < 0.75
