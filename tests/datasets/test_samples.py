"""The procedural stand-ins: their shapes, their masks, and how hard they are."""

import hashlib
from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mi204.datasets import _drawings, samples


@pytest.fixture(scope="module")
def dataset():
    return samples.cifar10()


@pytest.fixture(scope="module")
def garments():
    return samples.fashion_mnist()


@pytest.fixture(scope="module")
def digits():
    return samples.mnist()


@pytest.fixture(params=["dataset", "garments", "digits"])
def each(request):
    return request.getfixturevalue(request.param)


def _digest(dataset):
    parts = (dataset.x_train, dataset.y_train, dataset.masks_train, dataset.x_test, dataset.y_test, dataset.masks_test)
    return [part is not None and hashlib.sha256(part.tobytes()).hexdigest() for part in parts]


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


def test_has_the_shape_of_fashion_mnist(garments):
    assert (garments.name, garments.source, garments.notice) == ("Fashion-MNIST", "sample", "")
    assert len(garments.classes) == 10
    for x, y, masks, n in (
        (garments.x_train, garments.y_train, garments.masks_train, 60_000),
        (garments.x_test, garments.y_test, garments.masks_test, 10_000),
    ):
        assert (x.shape, x.dtype) == ((n, 28, 28, 1), np.uint8)
        assert (y.shape, y.dtype) == ((n,), np.int64)
        assert (masks.shape, masks.dtype) == ((n, 28, 28), np.bool_)
        assert x.flags.c_contiguous


def test_has_the_shape_of_mnist(digits):
    assert (digits.name, digits.source, digits.notice) == ("MNIST", "sample", "")
    assert digits.classes == tuple("0123456789")
    assert digits.masks_train is digits.masks_test is None
    for x, y, n in ((digits.x_train, digits.y_train, 60_000), (digits.x_test, digits.y_test, 10_000)):
        assert (x.shape, x.dtype) == ((n, 28, 28, 1), np.uint8)
        assert (y.shape, y.dtype) == ((n,), np.int64)
        assert x.flags.c_contiguous


def test_classes_are_balanced_and_shuffled(each):
    for y in (each.y_train, each.y_test):
        np.testing.assert_array_equal(np.bincount(y), np.full(10, len(y) // 10))
        # A thousand shuffled labels hold about a hundred of each class; six standard deviations are 57.
        assert abs(np.bincount(y[:1000], minlength=10) - 100).max() < 57


@pytest.mark.parametrize(
    ("kept", "draw"),
    [("dataset", samples.cifar10), ("garments", samples.fashion_mnist), ("digits", samples.mnist)],
)
def test_is_the_same_every_time(kept, draw, request):
    assert _digest(draw()) == _digest(request.getfixturevalue(kept))


def test_no_image_comes_twice(each):
    images = np.concatenate([each.x_train, each.x_test])
    assert len({image.tobytes() for image in images}) == len(images)


def test_objects_are_neach_lost_nor_everything(dataset):
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


def test_garments_stand_on_black_and_their_masks_lie_on_them(garments):
    images, masks = garments.x_test[..., 0], garments.masks_test
    assert (images[masks] > 0).mean() > 0.99
    assert (images[~masks] == 0).mean() > 0.9
    around = masks.copy()
    for axis in (1, 2):
        around |= np.roll(masks, 1, axis) | np.roll(masks, -1, axis)
    assert (images[~around] == 0).mean() > 0.99

    def overlap(masks):
        return (masks & (images > 20)).sum() / (masks | (images > 20)).sum()

    assert overlap(masks) > 0.9
    assert overlap(np.roll(masks, 1, axis=1)) < 0.85
    assert overlap(np.roll(masks, 1, axis=2)) < 0.85


def test_garments_are_neach_lost_nor_all_as_large_as_the_image(garments):
    area = np.concatenate([garments.masks_train, garments.masks_test]).mean(axis=(1, 2))
    assert area.min() > 0.04
    assert (area > 0.9).mean() < 0.01
    assert 0.3 < area.mean() < 0.45


def test_every_pixel_of_the_garments_can_be_standardised(garments):
    assert garments.x_train.std(axis=0).min() > 5


def test_brightness_does_not_give_the_garment_away(garments):
    def brightness(images, masks):
        pixels = np.where(masks, images[..., 0], np.nan)
        return np.stack([np.nanmean(pixels, axis=(1, 2)), np.nanstd(pixels, axis=(1, 2))], axis=1)

    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(brightness(garments.x_train[:5000], garments.masks_train[:5000]), garments.y_train[:5000])
    features = brightness(garments.x_test[:3000], garments.masks_test[:3000])
    assert model.score(features, garments.y_test[:3000]) < 0.2


def test_no_two_classes_of_garments_are_the_same(garments):
    """Mean images differ by far more than the chance of 6000 garments explains: by 15 standard errors somewhere."""
    images = [garments.x_train[garments.y_train == label].astype(np.float32) for label in range(10)]
    means, errors = [np.mean(x, axis=0) for x in images], [np.var(x, axis=0) / len(x) for x in images]
    for a, b in combinations(range(10), 2):
        # A pixel that is black in both classes has no error of its own.
        apart = np.abs(means[a] - means[b]) / np.sqrt(errors[a] + errors[b] + 0.01)
        assert apart.max() > 15, (garments.classes[a], garments.classes[b])


def test_garments_are_told_apart_and_confused_as_real_ones_are(garments):
    """A linear model does well, best on trousers, worst on shirts, and takes tops for tops and shoes for shoes."""
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    model.fit(garments.x_train[:5000].reshape(5000, -1).astype(np.float32), garments.y_train[:5000])
    predicted = model.predict(garments.x_test[:3000].reshape(3000, -1).astype(np.float32))
    table = confusion_matrix(garments.y_test[:3000], predicted, normalize="true")
    assert 0.6 < np.diag(table).mean() < 0.8
    named = dict(zip(garments.classes, np.diag(table), strict=True))
    assert max(named, key=named.get) == "trouser"
    assert min(named, key=named.get) == "shirt"
    assert min(named.values()) > 0.2
    for kind in (("t-shirt", "pullover", "dress", "coat", "shirt"), ("sandal", "sneaker", "ankle boot")):
        members = [garments.classes.index(name) for name in kind]
        within = table[np.ix_(members, members)]
        wrong = within.sum() - np.trace(within)
        assert wrong > 0.8 * (len(members) - np.trace(within))


def test_digits_are_lines_on_black_in_the_middle_of_the_image(digits):
    images = digits.x_test[..., 0].astype(np.float32)
    ink = (images > 127).mean(axis=(1, 2))
    assert ink.min() > 0.02
    assert ink.max() < 0.4
    assert (images == 0).mean() > 0.75
    assert images.max(axis=(1, 2)).min() > 180
    # Few digits reach the edge of the image.
    edge = np.concatenate([images[:, [0, -1]], images[:, :, [0, -1]].transpose(0, 2, 1)], axis=2)
    assert (edge > 0).any(axis=(1, 2)).mean() < 0.05
    for axis in (1, 2):
        profile = images.sum(axis=axis)
        centre = (profile * np.arange(28)).sum(axis=1) / profile.sum(axis=1)
        assert abs(centre.mean() - 13.5) < 1
        assert 0.5 < centre.std() < 2


def test_brightness_does_not_give_the_digit_away(digits):
    assert _score(LogisticRegression(), lambda x: x.max(axis=(1, 2)) / 255, digits) < 0.14


def test_digits_are_told_apart_but_not_all(digits):
    """Close copies tell most digits, of every class, and leave the sloppy ones."""
    model = KNeighborsClassifier(3).fit(digits.x_train[:2000].reshape(2000, -1) / 255, digits.y_train[:2000])
    predicted = model.predict(digits.x_test[:2000].reshape(2000, -1) / 255)
    told = np.diag(confusion_matrix(digits.y_test[:2000], predicted, normalize="true"))
    assert 0.85 < told.mean() < 0.95
    assert told.min() > 0.6
