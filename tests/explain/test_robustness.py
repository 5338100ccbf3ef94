"""Do maps follow their image: networks whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from mi204.errors import SettingError
from mi204.explain import robustness
from mi204.explain.similarity import MEASURES, pearson
from mi204.explain.transformations import TRANSFORMATIONS, Elastic, Geometric, Rotation, Scale

GEOMETRIC = [each for each in TRANSFORMATIONS.values() if isinstance(each, Geometric)]
PHOTOMETRIC = [each for each in TRANSFORMATIONS.values() if not isinstance(each, Geometric)]
SHAPE = (21, 21)
ONES = np.ones(3, dtype=int)


def images(n=3, shape=SHAPE, seed=0):
    """Smooth images of one channel, away from the ends of 0..255, so that nothing is clipped."""
    noise = np.random.default_rng(seed).random((n, *shape))
    smooth = ndimage.gaussian_filter(noise, 2, axes=(1, 2))
    smooth -= smooth.min(axis=(1, 2), keepdims=True)
    return (90 + 70 * smooth / smooth.max(axis=(1, 2), keepdims=True))[..., None].astype(np.float32)


def sure(x):
    """A network that always answers class 1 of two."""
    return np.tile([0.2, 0.8], (len(x), 1))


def image_itself(x, targets):
    return x[..., 0], sure(x)


def position_only(x, targets):
    ramp = np.broadcast_to(np.linspace(0, 1, x.shape[2]), x.shape[:3])
    return ramp.astype(np.float32), sure(x)


def convolved(kernel):
    return lambda x, targets: (ndimage.convolve(x[..., 0], kernel[None], mode="constant"), sure(x))


def values(table, name, target="original"):
    return table[(table["measure"] == name) & (table["target"] == target)]["value"].to_numpy()


@pytest.mark.parametrize("transformation", GEOMETRIC, ids=lambda each: each.name)
def test_a_linear_network_whose_map_is_the_image_is_exactly_equivariant(transformation):
    table = robustness.measure(image_itself, images(), [transformation], seed=0, n_strengths=3)
    for name in MEASURES:
        found = values(table, name)
        assert len(found) == 3 * len(transformation.strengths(3))
        np.testing.assert_allclose(found, 0 if name == "centre_shift" else 1, atol=1e-3)


def test_a_map_that_is_the_image_does_not_see_brightness_and_contrast_but_noise():
    table = robustness.measure(image_itself, images(), PHOTOMETRIC, seed=0, n_strengths=4)
    correlations = table[(table["measure"] == "pearson") & (table["target"] == "original")]
    least = correlations.groupby("transformation")["value"].min()
    assert least["brightness"] == pytest.approx(1, abs=1e-5)
    assert least["contrast"] == pytest.approx(1, abs=1e-5)
    ranks = table[(table["measure"] == "spearman") & (table["transformation"] == "gamma")]["value"]
    np.testing.assert_allclose(ranks, 1, atol=1e-3)
    assert least["noise"] < 0.95
    by_strength = correlations[correlations["transformation"] == "noise"].groupby("strength")["value"].mean()
    assert by_strength.is_monotonic_decreasing


def test_a_map_of_the_position_alone_does_not_follow():
    table = robustness.measure(
        position_only, images(), [TRANSFORMATIONS["flip"], Rotation(low=-90, high=90)], seed=0, n_strengths=2
    )
    flipped, turned = table[table["transformation"] == "flip"], table[table["transformation"] == "rotation"]
    np.testing.assert_allclose(values(flipped, "pearson"), -1, atol=1e-5)
    np.testing.assert_allclose(values(turned, "pearson"), 0, atol=1e-5)
    np.testing.assert_allclose(values(flipped, "top_iou"), 0)
    # The centre of mass of a ramp of 21 columns lies at 2/3 of 20 · 41/40; mirrored, as far on the other side.
    columns = np.arange(21)
    shift = 2 * ((columns * columns).sum() / columns.sum() - 10) / (21 * math.sqrt(2))
    np.testing.assert_allclose(values(flipped, "centre_shift"), shift, atol=1e-5)
    # To photometric transformations it is invariant: it sees nothing.
    blind = robustness.measure(position_only, images(), [TRANSFORMATIONS["brightness"]], seed=0, n_strengths=2)
    np.testing.assert_allclose(values(blind, "pearson"), 1)


def test_a_convolution_with_a_symmetric_kernel_follows_flips_and_quarter_turns_exactly():
    kernel = np.random.default_rng(0).normal(size=(3, 3))
    symmetric = sum(np.rot90(each, k) for each in (kernel, kernel[:, ::-1]) for k in range(4)) / 8
    given = [TRANSFORMATIONS["flip"], Rotation(low=-90, high=90)]
    exact = robustness.measure(convolved(symmetric), images(), given, seed=0, n_strengths=2)
    np.testing.assert_allclose(values(exact, "pearson"), 1, atol=1e-6)
    np.testing.assert_allclose(values(exact, "ssim"), 1, atol=1e-5)
    other = robustness.measure(convolved(kernel), images(), given, seed=0, n_strengths=2)
    assert values(other, "pearson").max() < 0.999


def test_only_pixels_from_inside_the_image_are_compared():
    def bright_border(x, targets):
        """The image, and 300 wherever a pixel is black: what came from outside."""
        return np.where(x[..., 0] < 1, 300, x[..., 0]), sure(x)

    table = robustness.measure(bright_border, images(), [Scale(low=-0.5, high=0), Rotation()], seed=0, n_strengths=2)
    np.testing.assert_allclose(values(table, "pearson"), 1, atol=1e-4)


def test_the_value_is_that_of_the_pixels_compared_by_hand():
    fixed = np.random.default_rng(0).random((1, *SHAPE))

    def noise_everywhere(x, targets):
        return fixed.repeat(len(x), axis=0), sure(x)

    half = Scale(low=-0.5, high=0)
    table = robustness.measure(noise_everywhere, images(1), [half], seed=0, n_strengths=1)
    # Shrunk by half, 21 pixels become the 11 in the middle.
    expected = half.warp(fixed, {"factor": 0.5})[0, 5:16, 5:16]
    assert values(table, "pearson")[0] == pytest.approx(np.corrcoef(expected.flat, fixed[0, 5:16, 5:16].flat)[0, 1])


def test_a_constant_map_has_no_value_and_is_counted():
    def constant_for_the_first(x, targets):
        maps = x[..., 0].copy()
        maps[0] = 0
        return maps, sure(x)

    def constant(x, targets):
        return np.zeros(x.shape[:3], dtype=np.float32), sure(x)

    table = robustness.measure(constant, images(), [TRANSFORMATIONS["shear"]], seed=0, n_strengths=2)
    assert table["value"].isna().all()
    row = robustness.summary(table, ["transformation"]).iloc[0]
    assert math.isnan(row["mean"])
    assert (row["n"], row["n_undefined"], row["kept"]) == (0, 6, 1)
    table = robustness.measure(constant_for_the_first, images(), [TRANSFORMATIONS["shear"]], seed=0, n_strengths=2)
    row = robustness.summary(table, ["transformation"]).iloc[0]
    assert row["mean"] == pytest.approx(1, abs=1e-3)
    assert (row["n"], row["n_undefined"]) == (2, 2)


def class_maps(calls):
    """A network that answers class 1 from a mean of 100; the map of class 0 is the image, of class 1 its mirror."""

    def maps_of(x, targets):
        mean = x.mean(axis=(1, 2, 3)) / 200
        probabilities = np.stack([1 - mean, mean], axis=1)
        given = probabilities.argmax(axis=1) if targets is None else targets
        calls.append((len(x), targets))
        return np.where(np.asarray(given)[:, None, None] == 0, x[..., 0], x[:, :, ::-1, 0]), probabilities

    return maps_of


def test_the_class_explained_stays_that_of_the_original_and_is_that_of_the_variant_beside_it():
    x = images(2)
    x[0] *= 90 / x[0].mean()  # class 0, and at 1.2 times the brightness class 1
    x[1] *= 130 / x[1].mean()  # class 1 always
    calls = []
    table = robustness.measure(class_maps(calls), x, [TRANSFORMATIONS["brightness"]], seed=0, n_strengths=4)
    first = table[(table["image"] == 0) & (table["measure"] == "pearson")].set_index(["strength", "target"])
    np.testing.assert_allclose(first.xs("original", level="target")["value"], 1, atol=1e-5)
    assert first.xs("original", level="target")["kept"].tolist() == [True, True, True, False]
    changed = first.xs("predicted", level="target")["value"]
    np.testing.assert_allclose(changed.iloc[:3], 1, atol=1e-5)
    assert changed.iloc[3] == pytest.approx(pearson(x[:1, ..., 0], x[:1, :, ::-1, 0])[0], abs=1e-4)
    # The probability is that of the original class: 1 - 0.45 times the factor.
    expected = 1 - 0.45 * np.array([0.8, 0.9, 1.1, 1.2])
    np.testing.assert_allclose(first.xs("original", level="target")["probability"], expected, rtol=1e-5)
    assert table[table["image"] == 1]["kept"].all()
    # Maps of the newly predicted class are asked for where it changed alone: one image, once.
    assert calls[0] == (2, None)
    assert [n for n, _ in calls] == [2, 2, 2, 2, 2, 1]
    assert calls[-1][1].tolist() == [1]
    assert all(targets.tolist() == [0, 1] for n, targets in calls[1:5])


def test_only_images_whose_prediction_is_kept_count_in_the_summary():
    x = images(2)
    x[0] *= 90 / x[0].mean()
    x[1] *= 130 / x[1].mean()
    table = robustness.measure(class_maps([]), x, [TRANSFORMATIONS["brightness"]], seed=0, n_strengths=4)
    strongest = robustness.summary(table)
    strongest = strongest[(strongest["strength"] == 0.2) & (strongest["measure"] == "pearson")].set_index("target")
    assert strongest["kept"].tolist() == [0.5, 0.5]
    assert strongest["n"].tolist() == [1, 1]
    assert strongest.loc["predicted", "mean"] == pytest.approx(1, abs=1e-5)
    everything = robustness.summary(table, kept_only=False)
    everything = everything[(everything["strength"] == 0.2) & (everything["measure"] == "pearson")].set_index("target")
    assert everything["n"].tolist() == [2, 2]
    assert everything.loc["predicted", "mean"] < 0.99


def test_summary_by_hand_images_count_not_variants():
    table = pd.DataFrame(
        {
            "transformation": "shear",
            "strength": 1.0,
            "variant": [0, 1, 2, 0, 1, 2, 0, 1, 2],
            "image": [0, 0, 0, 1, 1, 1, 2, 2, 2],
            "target": "original",
            "measure": "pearson",
            "value": [0.2, 0.4, math.nan, 0.6, 0.9, math.nan, 0.9, 0.9, 0.9],
            "kept": [True, True, True, True, False, False, True, True, True],
            "probability": 0.5,
        }
    )
    row = robustness.summary(table).iloc[0]
    means = [0.3, 0.6, 0.9]
    half = stats.t.ppf(0.975, 2) * np.std(means, ddof=1) / math.sqrt(3)
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([0.6, 0.6 - half, 0.6 + half])
    assert (row["n"], row["n_undefined"]) == (3, 1)
    assert row["kept"] == pytest.approx(7 / 9)
    assert row[["transformation", "strength", "target", "measure"]].tolist() == ["shear", 1.0, "original", "pearson"]
    table["kept"] = False
    none = robustness.summary(table).iloc[0]
    assert (none["n"], none["kept"]) == (0, 0)
    assert math.isnan(none["mean"])


def test_a_summary_has_a_row_for_each_combination_of_what_it_is_asked_by():
    given = [TRANSFORMATIONS["shear"], TRANSFORMATIONS["blur"]]
    table = robustness.measure(image_itself, images(), given, seed=0, n_strengths=3, n_variants=2)
    assert len(table) == 2 * 3 * 2 * 3 * 2 * len(MEASURES)
    assert not table.duplicated(["transformation", "strength", "variant", "image", "target", "measure"]).any()
    assert len(robustness.summary(table)) == 2 * 3 * 2 * len(MEASURES)
    assert len(robustness.summary(table, ["transformation"])) == 2 * 2 * len(MEASURES)
    assert robustness.summary(table)["n"].eq(3).all()


def test_draws_depend_on_seed_variant_and_image_and_on_nothing_else():
    seen = []

    def collecting(x, targets):
        seen.append(x)
        return x[..., 0], sure(x)

    def transformed(given, **settings):
        seen.clear()
        robustness.measure(collecting, given, [TRANSFORMATIONS["translation"], Elastic()], **settings)
        return seen[1:]

    same = np.repeat(images(1), 2, axis=0)
    table = transformed(same, seed=3, n_strengths=1, n_variants=2)
    translation, other_variant, elastic, other_elastic = table
    assert (translation[0] != translation[1]).any()
    assert (translation != other_variant).any()
    assert (elastic[0] != elastic[1]).any()
    assert (elastic != other_elastic).any()
    np.testing.assert_array_equal(transformed(same, seed=3, n_strengths=1)[1], elastic)
    assert (transformed(same, seed=4, n_strengths=1)[1] != elastic).any()
    # Another image, and other strengths, leave the draws as they are; so does what else is measured.
    np.testing.assert_array_equal(transformed(same[:1], seed=3, n_strengths=1)[1], elastic[:1])
    np.testing.assert_array_equal(transformed(same, seed=3, n_strengths=2)[3], elastic)
    seen.clear()
    robustness.measure(collecting, same, [Elastic()], seed=3, n_strengths=1)
    np.testing.assert_array_equal(seen[1], elastic)

    class Another(Elastic):
        name = "another"

    seen.clear()
    robustness.measure(collecting, same, [Another()], seed=3, n_strengths=1)
    assert (seen[1] != elastic).any()


def test_images_in_another_range():
    x = images() / 255
    table = robustness.measure(
        image_itself, x, [TRANSFORMATIONS["brightness"]], seed=0, n_strengths=2, value_range=(0, 1)
    )
    np.testing.assert_allclose(values(table, "pearson"), 1, atol=1e-5)
    with pytest.raises(SettingError, match="value_range"):
        robustness.measure(image_itself, x, [TRANSFORMATIONS["flip"]], seed=0, value_range=(10, 20))
    with pytest.raises(SettingError, match="value_range"):
        robustness.averaged_maps(image_itself, x, ONES, [(TRANSFORMATIONS["flip"], 1)], seed=0, value_range=(9, 10))


def test_no_image_is_refused():
    none = images()[:0]
    with pytest.raises(SettingError, match="at least one image"):
        robustness.measure(image_itself, none, [TRANSFORMATIONS["flip"]], seed=0)
    with pytest.raises(SettingError, match="at least one image"):
        robustness.averaged_maps(image_itself, none, np.ones(0), [(TRANSFORMATIONS["flip"], 1)], seed=0)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_maps_that_follow_exactly_are_their_own_average(seed):
    x = images(seed=seed)
    exact = [(TRANSFORMATIONS["translation"], 0.3), (TRANSFORMATIONS["flip"], 1), (Rotation(), 90)]
    averaged = robustness.averaged_maps(image_itself, x, ONES, exact, seed=seed)
    assert averaged.dtype == np.float32
    # Exactly, in the part that a translation leaves out too: there the other maps count alone.
    np.testing.assert_allclose(averaged, x[..., 0], rtol=1e-5)
    smooth = [(each, each.high) for each in GEOMETRIC]
    averaged = robustness.averaged_maps(image_itself, x, ONES, smooth, seed=seed)
    assert pearson(averaged, x[..., 0]).min() > 0.97


def test_averaged_over_a_group_any_map_becomes_equivariant():
    """Over flips, the average of a network's maps follows flips exactly, whatever the network (cf. 2304.06715)."""

    def averaged(x, targets):
        targets = np.ones(len(x), dtype=int) if targets is None else targets
        return robustness.averaged_maps(uneven, x, targets, [(TRANSFORMATIONS["flip"], 1)], seed=0), sure(x)

    def uneven(x, targets):
        return x[..., 0] * np.linspace(0, 1, x.shape[2]), sure(x)

    before, after = (
        values(robustness.measure(each, images(), [TRANSFORMATIONS["flip"]], seed=0), "pearson")
        for each in (uneven, averaged)
    )
    assert before.max() < 0.9
    np.testing.assert_allclose(after, 1, atol=1e-5)


def test_an_average_by_hand_of_the_class_asked_for():
    calls = []

    def ones_then_zeros(x, targets):
        calls.append(targets)
        return np.full(x.shape[:3], 1.0 if len(calls) == 1 else 0.0, dtype=np.float32), sure(x)

    targets = np.array([0, 1])
    variants = [(Scale(), -0.5), (TRANSFORMATIONS["brightness"], 0.2), (Scale(high=1), 1)]
    averaged = robustness.averaged_maps(ones_then_zeros, images(2), targets, variants, seed=0)
    # Shrunk, every pixel is inside; enlarged twice, the inner half of rows and columns: there 1 of 4, else 1 of 3.
    expected = np.full(SHAPE, 1 / 3)
    expected[5:16, 5:16] = 1 / 4
    np.testing.assert_allclose(averaged, np.stack([expected, expected]), rtol=1e-6)
    assert all(each is targets for each in calls)
