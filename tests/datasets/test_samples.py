"""The procedural stand-ins: their shapes, their masks, and how hard they are."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mi204.datasets import _drawings, fashion_mnist, samples

DRAWN = {"scenes": samples.scenes, "garments": samples.garments, "digits": samples.digits}
GARMENTS = fashion_mnist.CLASSES


class Drawn(NamedTuple):
    train: samples.Sample
    test: samples.Sample


@pytest.fixture(scope="module")
def scenes():
    return Drawn(samples.scenes(samples.TRAINING, 5000), samples.scenes(samples.TEST, 3000))


@pytest.fixture(scope="module")
def garments():
    return Drawn(samples.garments(samples.TRAINING, 20_000), samples.garments(samples.TEST, 3000))


@pytest.fixture(scope="module")
def digits():
    return Drawn(samples.digits(samples.TRAINING, 5000), samples.digits(samples.TEST, 3000))


@pytest.fixture(params=DRAWN)
def each(request):
    return request.getfixturevalue(request.param)


def _score(model, features, drawn):
    model.fit(features(drawn.train.images[:5000]), drawn.train.labels[:5000])
    return model.score(features(drawn.test.images), drawn.test.labels)


@pytest.mark.parametrize(
    ("kind", "shape"), [("scenes", (32, 32, 3)), ("garments", (28, 28, 1)), ("digits", (28, 28, 1))]
)
@pytest.mark.parametrize("n", [0, 1, 7, 249, 250, 251, 600])
def test_as_many_as_asked_are_drawn_and_the_first_are_the_same(n, kind, shape, request):
    sample = DRAWN[kind](samples.TRAINING, n)
    kept = request.getfixturevalue(kind).train
    assert (sample.images.shape, sample.images.dtype) == ((n, *shape), np.uint8)
    assert (sample.labels.shape, sample.labels.dtype) == ((n,), np.int64)
    assert (sample.masks.shape, sample.masks.dtype) == ((n, *shape[:2]), np.bool_)
    assert sample.images.flags.c_contiguous
    for first, whole in zip(sample, kept, strict=True):
        np.testing.assert_array_equal(first, whole[:n])


def test_classes_are_balanced_however_many_there_are_and_shuffled(each):
    for labels in (each.train.labels, each.test.labels):
        tens = labels.reshape(-1, 10)
        np.testing.assert_array_equal(np.sort(tens, axis=1), np.tile(np.arange(10), (len(tens), 1)))
        assert len({row.tobytes() for row in tens}) > 0.99 * len(tens)
        # Each class comes equally often at each place among ten, but for six standard deviations.
        often = np.stack([np.bincount(column, minlength=10) for column in tens.T])
        assert abs(often - len(tens) / 10).max() < 6 * np.sqrt(len(tens) * 0.09)


def test_is_the_same_every_time_whatever_was_drawn_before(each, request):
    """Draw again as in a new process, the test set first."""
    for kept in (samples._texture, samples._object, samples._clutter):
        kept.cache_clear()
    draw = DRAWN[request.node.callspec.params["each"]]
    for subset, expected in ((samples.TEST, each.test), (samples.TRAINING, each.train)):
        for array, first in zip(draw(subset, 300), expected, strict=True):
            np.testing.assert_array_equal(array, first[:300])


def test_no_image_comes_twice(each):
    images = np.concatenate([each.train.images, each.test.images])
    assert len({image.tobytes() for image in images}) == len(images)


def test_no_two_drawings_of_a_class_are_the_same():
    for label in range(10):
        assert len({samples._object(label, variant).tobytes() for variant in range(samples.VARIANTS)}) == 48


def test_shapes_are_filled_inside_and_nothing_is_outside():
    shapes = (
        _drawings._polygon((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)),
        _drawings._ellipse(0, 0, 0.5, 0.5),
        _drawings._line(0.5, (-0.1, 0), (0.1, 0)),
    )
    for shape in shapes:
        picture = _drawings.picture(iter([(_drawings.SECOND, shape)]))
        paints = np.stack([(picture >> (8 * paint)) & 255 for paint in range(4)])
        assert paints[:, 32, 32].tolist() == [0, 208, 46, 0], "18 % of a paint is shade in the middle"
        assert (paints.sum(axis=0)[24:40, 24:40] >= 254).all()
        assert paints[:, :12].sum() == paints[:, 52:].sum() == 0
        assert paints[..., :8].sum() == paints[..., 56:].sum() == 0


def test_windows_leave_nothing_of_a_drawing_out(monkeypatch):
    def pictures():
        rng = np.random.default_rng(5)
        draws = [*_drawings.DRAWINGS, *5 * [_drawings.clutter]]
        return np.stack([_drawings.picture(draw(rng)) for draw in draws for _ in range(4)])

    drawn = pictures()
    monkeypatch.setattr(_drawings, "_window", lambda *bounds: (slice(None), slice(None)))
    np.testing.assert_array_equal(drawn, pictures())


def test_objects_are_neither_lost_nor_everything(scenes):
    area = np.concatenate([scenes.train.masks, scenes.test.masks]).mean(axis=(1, 2))
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
        images, masks = samples._scenes(np.random.default_rng(1), np.arange(200) % 10)
        return images.astype(int).mean(axis=-1), masks

    black, masks = repainted(0)
    white, masks_of_white = repainted(255)
    np.testing.assert_array_equal(masks, masks_of_white)
    # Grain, ten levels at most, is cut off at black and at white.
    assert (white - black)[masks].min() >= 128 - 20
    assert (white - black)[~masks].max() <= 128 + 20


def test_masks_lie_on_the_objects_of_their_images(scenes):
    """Colours change more across the border of a mask than elsewhere, and less so across a misplaced border."""
    images = scenes.test.images.astype(np.int16)
    steps = np.abs(np.diff(images, axis=2)).sum(axis=-1)

    def contrast(masks):
        border = np.diff(masks, axis=2)
        return steps[border].mean() / steps[~border].mean()

    assert contrast(scenes.test.masks) > 3
    assert contrast(np.roll(scenes.test.masks, 3, axis=2)) < 2
    assert contrast(np.roll(scenes.test.masks, 1, axis=0)) < 2


@pytest.mark.parametrize("model", [NearestCentroid(), LogisticRegression()], ids=lambda model: type(model).__name__)
def test_colours_do_not_give_the_class_away(scenes, model):
    def colours(x):
        return np.concatenate([x.mean(axis=(1, 2)), x.std(axis=(1, 2))], axis=1)

    assert _score(make_pipeline(StandardScaler(), model), colours, scenes) < 0.14


def test_pixels_do_not_give_the_class_away_one_by_one(scenes):
    assert _score(NearestCentroid(), lambda x: x.reshape(len(x), -1).astype(np.float32), scenes) < 0.25


def test_outlines_tell_the_class(scenes):
    """A linear model on where the edges are does far better than chance, and is far from perfect."""

    def edges(x):
        x = x.astype(np.float32)
        x = (x - x.mean(axis=(1, 2), keepdims=True)) / x.std(axis=(1, 2), keepdims=True)
        steps = [np.abs(np.diff(x, axis=axis, append=0)).sum(axis=-1) for axis in (1, 2)]
        blocks = np.stack(steps, axis=-1).reshape(len(x), 8, 4, 8, 4, 2).mean(axis=(2, 4))
        return blocks.reshape(len(x), -1)

    assert 0.4 < _score(make_pipeline(StandardScaler(), RidgeClassifier()), edges, scenes) < 0.75


def test_garments_stand_on_black_and_their_masks_lie_on_them(garments):
    images, masks = garments.test.images[..., 0], garments.test.masks
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


def test_garments_are_neither_lost_nor_all_as_large_as_the_image(garments):
    area = np.concatenate([garments.train.masks, garments.test.masks]).mean(axis=(1, 2))
    assert area.min() > 0.04
    assert (area > 0.9).mean() < 0.01
    assert 0.3 < area.mean() < 0.45


def test_every_pixel_of_the_garments_can_be_standardised(garments):
    assert garments.train.images.std(axis=0).min() > 5


def test_brightness_does_not_give_the_garment_away(garments):
    def brightness(images, masks):
        pixels = np.where(masks, images[..., 0], np.nan)
        return np.stack([np.nanmean(pixels, axis=(1, 2)), np.nanstd(pixels, axis=(1, 2))], axis=1)

    model = make_pipeline(StandardScaler(), LogisticRegression())
    train, test = (samples.Sample(*(array[:5000] for array in part)) for part in garments)
    model.fit(brightness(train.images, train.masks), train.labels)
    assert model.score(brightness(test.images, test.masks), test.labels) < 0.2


def test_no_two_classes_of_garments_are_the_same(garments):
    """Mean images differ by far more than the chance of 2000 garments explains: by 15 standard errors somewhere."""
    images = [garments.train.images[garments.train.labels == label].astype(np.float32) for label in range(10)]
    means, errors = [np.mean(x, axis=0) for x in images], [np.var(x, axis=0) / len(x) for x in images]
    for a, b in combinations(range(10), 2):
        # A pixel that is black in both classes has no error of its own.
        apart = np.abs(means[a] - means[b]) / np.sqrt(errors[a] + errors[b] + 0.01)
        assert apart.max() > 15, (GARMENTS[a], GARMENTS[b])


def test_garments_are_told_apart_and_confused_as_real_ones_are(garments):
    """A linear model does well, best on trousers, worst on shirts, and takes tops for tops and shoes for shoes."""
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    model.fit(garments.train.images[:5000].reshape(5000, -1).astype(np.float32), garments.train.labels[:5000])
    predicted = model.predict(garments.test.images.reshape(3000, -1).astype(np.float32))
    table = confusion_matrix(garments.test.labels, predicted, normalize="true")
    assert 0.6 < np.diag(table).mean() < 0.8
    named = dict(zip(GARMENTS, np.diag(table), strict=True))
    assert max(named, key=named.get) == "trouser"
    assert min(named, key=named.get) == "shirt"
    assert min(named.values()) > 0.2
    for kind in (("t-shirt", "pullover", "dress", "coat", "shirt"), ("sandal", "sneaker", "ankle boot")):
        members = [GARMENTS.index(name) for name in kind]
        within = table[np.ix_(members, members)]
        wrong = within.sum() - np.trace(within)
        assert wrong > 0.8 * (len(members) - np.trace(within))


def test_digits_are_lines_on_black_in_the_middle_of_the_image(digits):
    images = digits.test.images[..., 0].astype(np.float32)
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


def test_masks_of_digits_are_the_pixels_that_the_pen_covers_by_half(digits):
    images, masks = digits.test.images[..., 0], digits.test.masks
    # The faintest ink is 210, the brightest 255.
    assert images[masks].min() >= 104
    assert images[~masks].max() <= 127
    assert masks.any(axis=(1, 2)).all()


def test_digits_have_the_holes_of_their_shape(digits):
    """All but the 4, which is written open and closed."""
    paper = np.pad(digits.test.images[..., 0] < 100, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    holes = np.array([ndimage.label(image)[1] - 1 for image in paper])
    for digit, expected in {0: 1, 1: 0, 2: 0, 3: 0, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}.items():
        assert np.mean(holes[digits.test.labels == digit] == expected) > 0.5, digit


def test_brightness_does_not_give_the_digit_away(digits):
    assert _score(LogisticRegression(), lambda x: x.max(axis=(1, 2)) / 255, digits) < 0.14


def test_digits_are_told_apart_but_not_all(digits):
    """Close copies tell most digits, of every class, and leave the sloppy ones."""
    model = KNeighborsClassifier(3).fit(digits.train.images[:2000].reshape(2000, -1) / 255, digits.train.labels[:2000])
    predicted = model.predict(digits.test.images[:2000].reshape(2000, -1) / 255)
    told = np.diag(confusion_matrix(digits.test.labels[:2000], predicted, normalize="true"))
    assert 0.85 < told.mean() < 0.95
    assert told.min() > 0.6
