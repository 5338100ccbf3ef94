"""Transformations of images and of their maps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mi204.errors import SettingError
from mi204.explain import transformations
from mi204.explain.transformations import TRANSFORMATIONS, Geometric

SEEDS = st.integers(0, 2**32 - 1)
ALL = pytest.mark.parametrize("transformation", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS)
GEOMETRIC = [each for each in TRANSFORMATIONS.values() if isinstance(each, Geometric)]
PHOTOMETRIC = [each for each in TRANSFORMATIONS.values() if not isinstance(each, Geometric)]


def images(n=2, shape=(20, 24), channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape, channels)).astype(np.float32)


def parameters(name, strength, shape=(20, 24), seed=0):
    return TRANSFORMATIONS[name].draw(np.random.default_rng(seed), strength, shape)


def applied(name, strength, given, **settings):
    return TRANSFORMATIONS[name].apply(given, parameters(name, strength, given.shape[1:3]), **settings)


def test_the_handouts_six_and_what_else_the_issue_asks_for():
    handout = {"brightness", "contrast", "shear", "elastic", "scale", "perspective"}
    assert handout | {"gamma", "noise", "blur", "rotation", "translation", "flip"} == set(TRANSFORMATIONS)
    ranges = {name: (each.low, each.high) for name, each in TRANSFORMATIONS.items()}
    assert ranges["brightness"] == (-0.2, 0.2)  # Multiply .8 to 1.2
    assert ranges["contrast"] == (-0.4, 0.4)
    assert ranges["shear"] == (-30, 30)
    assert ranges["elastic"] == (0, 40)
    assert ranges["scale"] == (-0.5, 0.5)
    assert ranges["perspective"] == (0, 0.06)


@ALL
def test_strength_0_changes_nothing(transformation):
    x = images()
    drawn = transformation.draw(np.random.default_rng(1), 0, x.shape[1:3])
    np.testing.assert_array_equal(transformation.apply(x, drawn), x)
    np.testing.assert_array_equal(transformation.warp(x[..., 0], drawn), x[..., 0])
    np.testing.assert_array_equal(transformation.unwarp(x[..., 0], drawn), x[..., 0])
    assert transformation.valid(drawn, (20, 24)).all()
    assert transformation.unwarp_valid(drawn, (20, 24)).all()


@ALL
def test_parameters_are_plain_and_the_same_draw_gives_the_same_image(transformation):
    x = images()
    first, again, other = (
        transformation.draw(np.random.default_rng(seed), transformation.high, (20, 24)) for seed in (5, 5, 6)
    )
    stored = json.loads(json.dumps(first))
    changed = transformation.apply(x, stored)
    assert changed.dtype == np.float32
    assert changed.shape == x.shape
    np.testing.assert_array_equal(changed, transformation.apply(x, again))
    assert (changed != x).mean() > 0.5
    if transformation.name in {"noise", "elastic", "perspective", "translation"}:
        assert (changed != transformation.apply(x, other)).mean() > 0.5


@ALL
def test_an_image_is_transformed_alike_alone_and_among_others_in_any_range(transformation):
    x = images()
    drawn = transformation.draw(np.random.default_rng(2), transformation.high, (20, 24))
    together = transformation.apply(x, drawn)
    np.testing.assert_array_equal(transformation.apply(x[1:], drawn), together[1:])
    centred = transformation.apply(x / 127.5 - 1, drawn, value_range=(-1, 1))
    np.testing.assert_allclose(centred, together / 127.5 - 1, atol=1e-5)
    assert together.min() >= 0
    assert together.max() <= 255
    assert transformation.apply(x[..., :1], drawn).shape == (2, 20, 24, 1)


def test_photometric_closed_forms():
    x = np.array([0, 51, 102, 255], dtype=np.float32).reshape(1, 1, 4, 1)
    np.testing.assert_allclose(applied("brightness", 0.5, x).ravel(), [0, 76.5, 153, 255])
    np.testing.assert_allclose(applied("brightness", -0.2, x).ravel(), [0, 40.8, 81.6, 204], rtol=1e-6)
    np.testing.assert_allclose(applied("contrast", -0.4, x).ravel(), [51, 81.6, 112.2, 204], rtol=1e-6)
    np.testing.assert_allclose(applied("contrast", 0.4, x).ravel(), [0, 20.4, 91.8, 255], rtol=1e-5)
    np.testing.assert_allclose(applied("gamma", 1, x).ravel(), [0, 10.2, 40.8, 255], rtol=1e-6)
    np.testing.assert_allclose(applied("gamma", -1, x).ravel(), 255 * np.sqrt([0, 0.2, 0.4, 1]), rtol=1e-6)


def test_noise_has_its_deviation_and_differs_between_pixels_and_channels():
    x = np.full((2, 100, 100, 3), 0.5)
    noise = applied("noise", 0.02, x, value_range=(0, 1)) - 0.5
    assert noise.std() == pytest.approx(0.02, rel=0.02)
    assert abs(noise.mean()) < 5e-4
    assert abs(np.corrcoef(noise[0, ..., 0].ravel(), noise[0, ..., 1].ravel())[0, 1]) < 0.05


def test_blur_is_a_gaussian_of_its_deviation_within_the_image():
    x = np.zeros((1, 31, 31, 2), dtype=np.float32)
    x[0, 15, 15, 0] = 255
    blurred = applied("blur", 2.0, x)
    assert blurred[..., 0].sum() == pytest.approx(255, rel=1e-4)
    assert (blurred[0, ..., 0].sum(axis=0) * (np.arange(31) - 15.0) ** 2).sum() / 255 == pytest.approx(4, rel=0.01)
    assert blurred[..., 1].max() == 0  # channels apart
    np.testing.assert_allclose(applied("blur", 3.0, np.full((1, 8, 8, 1), 200.0)), 200)


@pytest.mark.parametrize("transformation", PHOTOMETRIC, ids=lambda each: each.name)
def test_photometric_transformations_leave_a_map_where_it_is(transformation):
    maps = images()[..., 0]
    drawn = transformation.draw(np.random.default_rng(0), transformation.high, (20, 24))
    assert transformation.warp(maps, drawn) is maps
    assert transformation.unwarp(maps, drawn) is maps
    assert transformation.valid(drawn, (20, 24)).all()
    assert transformation.unwarp_valid(drawn, (20, 24)).all()


@pytest.mark.parametrize("turns", [-1, 1, 2, 3])
def test_quarter_turns_are_exact_and_anticlockwise(turns):
    x = images(shape=(15, 15))
    np.testing.assert_array_equal(applied("rotation", 90 * turns, x), np.rot90(x, turns, axes=(1, 2)))
    drawn = parameters("rotation", 90 * turns, (15, 15))
    assert TRANSFORMATIONS["rotation"].valid(drawn, (15, 15)).all()
    back = TRANSFORMATIONS["rotation"].unwarp(x[..., 0], drawn)
    np.testing.assert_array_equal(back, np.rot90(x[..., 0], -turns, axes=(1, 2)))


def test_a_rotation_leads_a_point_along_its_circle():
    maps = np.zeros((1, 41, 41))
    maps[0, 20, 35] = 1  # 15 pixels to the right of the middle
    turned = TRANSFORMATIONS["rotation"].warp(maps, parameters("rotation", 30, (41, 41)))
    centre = ndimage.center_of_mass(turned[0])
    np.testing.assert_allclose(centre, [20 - 7.5, 20 + 15 * np.sqrt(3) / 2], atol=0.3)


def test_flips_are_exact():
    x = images()
    np.testing.assert_array_equal(applied("flip", 1, x), x[:, :, ::-1])
    np.testing.assert_array_equal(TRANSFORMATIONS["flip"].warp(x[..., 0], parameters("flip", 1)), x[:, :, ::-1, 0])


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, strength=st.floats(-1, 1))
def test_translations_are_exact_and_the_opposite_below_0(seed, strength):
    x = images()
    drawn, opposite = parameters("translation", strength, seed=seed), parameters("translation", -strength, seed=seed)
    assert (drawn["down"], drawn["right"]) == (-opposite["down"], -opposite["right"])
    assert np.hypot(drawn["down"] / 20, drawn["right"] / 24) == pytest.approx(abs(strength), abs=0.05)
    expected = ndimage.shift(x, (0, drawn["down"], drawn["right"], 0), order=0, cval=0)
    np.testing.assert_array_equal(TRANSFORMATIONS["translation"].apply(x, drawn), expected)
    inside = ndimage.shift(np.ones((20, 24)), (drawn["down"], drawn["right"]), order=0, cval=0)
    np.testing.assert_array_equal(TRANSFORMATIONS["translation"].valid(drawn, (20, 24)), inside == 1)


def test_directions_of_translations_differ():
    shifts = [parameters("translation", 0.5, (100, 100), seed) for seed in range(20)]
    angles = np.arctan2([each["down"] for each in shifts], [each["right"] for each in shifts])
    assert np.ptp(angles) > 2
    assert angles.min() >= 0


def test_scale_and_shear_on_a_map_of_its_own_coordinates():
    rows, columns = np.indices((21, 31), dtype=float)
    for factor in (0.5, 1.5):
        drawn = parameters("scale", factor - 1, (21, 31))
        valid = TRANSFORMATIONS["scale"].valid(drawn, (21, 31))
        moved = TRANSFORMATIONS["scale"].warp(np.stack([rows, columns]), drawn)
        np.testing.assert_allclose(moved[0][valid], ((rows - 10) / factor + 10)[valid], atol=1e-5)
        np.testing.assert_allclose(moved[1][valid], ((columns - 15) / factor + 15)[valid], atol=1e-5)
        assert valid.mean() == pytest.approx(min(factor, 1) ** 2, abs=0.05)
    drawn = parameters("shear", 30, (21, 31))
    valid = TRANSFORMATIONS["shear"].valid(drawn, (21, 31))
    moved = TRANSFORMATIONS["shear"].warp(np.stack([rows, columns]), drawn)
    np.testing.assert_allclose(moved[0][valid], rows[valid], atol=1e-5)
    np.testing.assert_allclose(moved[1][valid], (columns - (rows - 10) / np.sqrt(3))[valid], atol=1e-5)


def test_perspective_leads_the_corners_inwards_by_draws_of_its_strength():
    transformation = TRANSFORMATIONS["perspective"]
    drawn = parameters("perspective", 0.06, (41, 61))
    inwards = np.array(drawn["inwards"])
    sources = transformation.sources(drawn, (41, 61))
    np.testing.assert_allclose(sources[:, 0, 0], inwards[0] * (40, 60), atol=1e-5)
    np.testing.assert_allclose(sources[:, 0, -1], [inwards[1, 0] * 40, 60 - inwards[1, 1] * 60], atol=1e-5)
    np.testing.assert_allclose(sources[:, -1, -1], (40, 60) - inwards[2] * (40, 60), atol=1e-5)
    np.testing.assert_allclose(sources[:, -1, 0], [40 - inwards[3, 0] * 40, inwards[3, 1] * 60], atol=1e-5)
    # A straight line stays straight: three points of the upper edge.
    first, middle, last = sources[:, 0, 0], sources[:, 0, 20], sources[:, 0, -1]
    assert np.linalg.det(np.column_stack([middle - first, last - first])) == pytest.approx(0, abs=1e-3)
    assert transformation.valid(drawn, (41, 61)).all()
    many = np.array([parameters("perspective", 0.06, seed=seed)["inwards"] for seed in range(200)])
    assert many.min() >= 0
    assert np.sqrt((many**2).mean()) == pytest.approx(0.06, rel=0.05)


def test_elastic_field_has_the_size_that_is_said_and_no_preferred_diagonal():
    transformation = TRANSFORMATIONS["elastic"]
    drawn = parameters("elastic", 40, (200, 200))
    down, right = transformation.sources(drawn, (200, 200)) - np.indices((200, 200))
    said = 40 / (2 * np.sqrt(3 * np.pi) * 6)
    assert said == pytest.approx(1.1, abs=0.05)
    assert np.sqrt((down**2 + right**2).mean() / 2) == pytest.approx(said, rel=0.1)
    # Keras' own elastic transformation draws both with one seed.
    assert abs(np.corrcoef(down.ravel(), right.ravel())[0, 1]) < 0.3
    weaker = transformation.sources({**drawn, "alpha": 20}, (200, 200)) - np.indices((200, 200))
    np.testing.assert_allclose(2 * weaker[0], down, atol=1e-9)


def smooth_maps(shape, seed):
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.random((2, *shape)), 4, axes=(1, 2), mode="reflect") * 4


@pytest.mark.parametrize("transformation", GEOMETRIC, ids=lambda each: each.name)
@settings(deadline=None, max_examples=10)
@given(seed=SEEDS, share=st.floats(0.1, 1), odd=st.booleans())
def test_there_and_back_inside_the_valid_pixels(transformation, seed, share, odd):
    shape = (33, 47) if odd else (32, 40)
    strength = share * transformation.strengths(2)[seed % 2 if transformation.low else -1]
    drawn = transformation.draw(np.random.default_rng(seed), strength, shape)
    maps = smooth_maps(shape, seed)
    back = transformation.unwarp(transformation.warp(maps, drawn), drawn)
    inside = transformation.unwarp_valid(drawn, shape)
    assert inside.mean() > 0.2
    np.testing.assert_allclose(back[:, inside], maps[:, inside], atol=0.06)


@pytest.mark.parametrize("transformation", GEOMETRIC, ids=lambda each: each.name)
@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_a_map_and_a_channel_of_an_image_move_alike_and_sources_are_found_again(transformation, seed):
    shape = (32, 40)
    drawn = transformation.draw(np.random.default_rng(seed), transformation.high, shape)
    x = images(shape=shape, seed=seed)
    np.testing.assert_allclose(transformation.apply(x, drawn)[..., 1], transformation.warp(x[..., 1], drawn), atol=1e-4)
    places, valid = transformation.places(drawn, shape), transformation.unwarp_valid(drawn, shape)
    sources = transformation.sources(drawn, shape)
    found = np.stack([ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in sources])
    np.testing.assert_allclose(found[:, valid], np.indices(shape)[:, valid], atol=0.02)
    ones = transformation.warp(np.ones((1, *shape)), drawn)[0]
    np.testing.assert_array_equal(ones[~transformation.valid(drawn, shape)], 0)
    np.testing.assert_allclose(ones[transformation.valid(drawn, shape)], 1)


def test_where_an_elastic_field_folds_the_image_there_is_no_way_back():
    strong = transformations.Elastic(high=400, sigma=2)
    drawn = strong.draw(np.random.default_rng(0), 400, (32, 32))
    assert strong.unwarp_valid(drawn, (32, 32)).mean() < 0.5
    back = strong.unwarp(np.ones((1, 32, 32)), drawn)[0]
    np.testing.assert_array_equal(back[~strong.unwarp_valid(drawn, (32, 32))], 0)


def test_what_comes_from_outside_is_the_least_of_the_range():
    moved = applied("scale", -0.5, np.full((1, 20, 20, 3), 2.0), value_range=(-3, 3))
    np.testing.assert_allclose(moved[0, 10, 10], 2)
    np.testing.assert_allclose(moved[0, 0, 0], -3)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 11])
def test_strengths_are_evenly_spread_of_both_signs_and_never_0(n):
    strengths = TRANSFORMATIONS["shear"].strengths(n)
    assert len(set(strengths)) == n
    assert strengths == sorted(strengths)
    assert 0 not in strengths
    assert strengths[-1] == 30
    assert sum(each < 0 for each in strengths) == n // 2
    if n > 1:
        assert strengths[0] == -30
    one_sided = TRANSFORMATIONS["blur"].strengths(n)
    np.testing.assert_allclose(one_sided, 3 * np.arange(1, n + 1) / n)
    assert transformations.Scale(low=-0.4, high=0).strengths(2) == [-0.4, -0.2]


def test_ten_strengths_by_hand():
    np.testing.assert_allclose(
        TRANSFORMATIONS["brightness"].strengths(10), [-0.2, -0.16, -0.12, -0.08, -0.04, 0.04, 0.08, 0.12, 0.16, 0.2]
    )


@ALL
def test_variants_are_as_many_as_asked_for_repeatable_and_sufficiently_different(transformation):
    x = images(n=1)
    drawn = transformations.variants(transformation, 10, (20, 24), seed=3)
    assert drawn == transformations.variants(transformation, 10, (20, 24), seed=3)
    assert [strength for strength, _ in drawn] == transformation.strengths(10)
    changed = np.concatenate([transformation.apply(x, each) for _, each in drawn])
    assert len(changed) == (1 if transformation.name == "flip" else 10)
    differences = abs(changed[:, None] - changed[None]).mean(axis=(2, 3, 4))[~np.eye(len(changed), dtype=bool)]
    assert differences.size == 0 or differences.min() > 0.5
    if "seed" in drawn[0][1]:
        assert len({each["seed"] for _, each in drawn}) == 10


def test_a_strength_or_a_range_that_cannot_be_is_refused():
    with pytest.raises(SettingError, match="'blur' from 0 to ∞, received -1"):
        parameters("blur", -1)
    with pytest.raises(SettingError, match="'shear' from -80 to 80"):
        parameters("shear", 90)
    with pytest.raises(SettingError, match="'shear' from -80 to 80"):
        parameters("shear", float("nan"))
    for low, high in [(-100, 30), (5, 30), (-30, -5), (0, 0), (30, -30)]:
        with pytest.raises(SettingError, match="choose low and high"):
            transformations.Shear(low=low, high=high)


def test_images_beyond_their_range_are_refused_not_clipped_unseen():
    with pytest.raises(SettingError, match=r"from 0 to 255, received -2\.1 to 2\.6: give the value_range"):
        applied("flip", 1, np.array([-2.1, 2.6]).reshape(1, 1, 2, 1))
    with pytest.raises(SettingError, match="received nan"):
        applied("flip", 1, np.array([0, np.nan]).reshape(1, 1, 2, 1))
