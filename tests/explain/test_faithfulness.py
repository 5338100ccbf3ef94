"""Measures of maps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204.errors import SettingError
from mi204.explain import faithfulness, similarity
from mi204.explain.faithfulness import Curves, Masking, adcc, baseline_of, impute

SEEDS = st.integers(0, 2**32 - 1)
ONE = np.array([1])


def mean_of(images):
    """A network of two classes: the probability of class 1 is the mean of the image."""
    mean = images.mean(axis=(1, 2, 3))
    return np.stack([1 - mean, mean], axis=1)


def corner_of(images):
    """A network that sees the upper left pixel alone."""
    return np.stack([1 - images[:, 0, 0, 0], images[:, 0, 0, 0]], axis=1)


def drawn(seed=0, n=3, shape=(5, 6), channels=2):
    rng = np.random.default_rng(seed)
    return rng.random((n, *shape, channels)).astype(np.float32), rng.random((n, *shape)).astype(np.float32)


def test_drop_increase_and_gain_by_hand_and_where_there_is_nothing_to_lose_or_to_win():
    before, after = np.array([0.8, 0.5, 0.0, 0.0, 1.0, 1.0, 0.5]), np.array([0.2, 0.75, 0.0, 0.5, 1.0, 0.0, 0.5])
    measured = Masking(before, after, complexity=np.zeros(7), constant=np.zeros(7, dtype=bool))
    np.testing.assert_allclose(measured.drop, [0.75, 0, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(measured.increase, [False, True, False, True, False, False, False])
    np.testing.assert_allclose(measured.gain, [0, 0.5, 0, 0.5, 0, 0, 0])


def test_masking_multiplies_and_takes_the_probability_of_each_images_own_target():
    images, maps = drawn()
    maps[1], maps[2] = 1, 0
    targets = np.array([1, 0, 1])
    measured = faithfulness.masking(mean_of, images, maps, targets)
    means = images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(measured.before, [means[0], 1 - means[1], means[2]], rtol=1e-6)
    np.testing.assert_allclose(measured.after, [(images[0] * maps[0][..., None]).mean(), 1 - means[1], 0], rtol=1e-6)
    np.testing.assert_allclose(measured.complexity, [maps[0].mean(), 1, 0], rtol=1e-6)
    # The map of ones loses nothing: told by its complexity, and counted as constant.
    assert measured.drop[1] == 0
    np.testing.assert_array_equal(measured.constant, [False, True, True])


def test_maps_of_another_size_beyond_their_range_or_of_other_images_are_refused():
    images, maps = drawn()
    targets = np.zeros(3, dtype=int)
    with pytest.raises(SettingError, match=r"\(3, 5, 6, 2\), received maps \(3, 5, 5\) and 3 targets"):
        faithfulness.masking(mean_of, images, maps[:, :, :5], targets)
    with pytest.raises(SettingError, match="2 targets"):
        faithfulness.insertion(mean_of, images, maps, targets[:2])
    for broken in (2 * maps, maps - 1, np.full_like(maps, np.nan)):
        with pytest.raises(SettingError, match=r"0\.\.1, received"):
            faithfulness.deletion(mean_of, images, broken, targets)
        with pytest.raises(SettingError, match=r"0\.\.1, received"):
            faithfulness.road(mean_of, images, broken, targets, seed=0)
        with pytest.raises(SettingError, match=r"0\.\.1, received"):
            faithfulness.coherency(None, images, broken, targets)


def test_what_stands_for_absence():
    images, _ = drawn(shape=(20, 30))
    assert not baseline_of(images, "zero").any()
    np.testing.assert_allclose(baseline_of(images, "mean")[1, 3, 4], images[1].mean(axis=(0, 1)), rtol=1e-6)
    spot = np.zeros((1, 61, 41, 1))
    spot[0, 30, 20] = 1
    blurred = baseline_of(spot, "blur")[0, :, :, 0]
    assert np.sqrt((blurred.sum(axis=1) * (np.arange(61) - 30) ** 2).sum()) == pytest.approx(6.1, rel=0.05)
    np.testing.assert_allclose(baseline_of(np.full((1, 8, 8, 2), 3.0), "blur"), 3, rtol=1e-6)
    with pytest.raises(SettingError, match="received 'black'"):
        baseline_of(images, "black")


def test_insertion_and_deletion_of_a_sum_by_hand():
    # The probability is the sum over four pixels of 0.4, 0.3, 0.2, 0.1: inserted best first 0, .4, .7, .9, 1.
    image = 4 * np.array([[0.1, 0.4], [0.3, 0.2]]).reshape(1, 2, 2, 1)
    best_first = np.array([[[0.0, 1.0], [0.9, 0.5]]])
    inserted = faithfulness.insertion(mean_of, image, best_first, ONE, steps=4, baseline="zero")
    np.testing.assert_allclose(inserted.fractions, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(inserted.probabilities, [[0, 0.4, 0.7, 0.9, 1]], rtol=1e-6)
    np.testing.assert_allclose(inserted.auc, [(0 / 2 + 0.4 + 0.7 + 0.9 + 1 / 2) / 4], rtol=1e-6)
    deleted = faithfulness.deletion(mean_of, image, best_first, ONE, steps=4)
    np.testing.assert_allclose(deleted.probabilities, [[1, 0.6, 0.3, 0.1, 0]], atol=1e-7)
    worst_first = faithfulness.deletion(mean_of, image, 1 - best_first, ONE, steps=4)
    np.testing.assert_allclose(worst_first.probabilities, [[1, 0.9, 0.7, 0.4, 0]], atol=1e-7)
    assert worst_first.auc[0] > deleted.auc[0]


def test_the_defaults_are_those_of_the_paper_a_blurred_image_and_nothing():
    images, maps = drawn()
    targets = np.zeros(3, dtype=int)
    inserted = faithfulness.insertion(mean_of, images, maps, targets, steps=2)
    np.testing.assert_allclose(inserted.probabilities[:, 0], mean_of(baseline_of(images, "blur"))[:, 0])
    deleted = faithfulness.deletion(mean_of, images, maps, targets, steps=2)
    np.testing.assert_array_equal(deleted.probabilities[:, -1], 1)


@pytest.mark.parametrize("measure", [faithfulness.insertion, faithfulness.deletion])
@pytest.mark.parametrize("baseline", ["zero", "mean", "blur"])
def test_all_methods_share_the_ends_of_their_curves(measure, baseline):
    images, maps = drawn()
    targets = np.array([0, 1, 1])
    first, second = (measure(mean_of, images, each, targets, steps=7, baseline=baseline) for each in (maps, 1 - maps))
    np.testing.assert_array_equal(first.probabilities[:, [0, -1]], second.probabilities[:, [0, -1]])
    assert not np.allclose(first.probabilities, second.probabilities)
    ends = [mean_of(each)[np.arange(3), targets] for each in (baseline_of(images, baseline), images)]
    expected = np.stack(ends if measure is faithfulness.insertion else ends[::-1], axis=1)
    np.testing.assert_allclose(first.probabilities[:, [0, -1]], expected, rtol=1e-6)


def test_fractions_are_those_of_the_pixels_really_replaced():
    images, maps = drawn(n=1, shape=(3, 3))
    seen = []

    def counting(images):
        seen.append((images != 0).any(axis=3).mean(axis=(1, 2)))
        return mean_of(images)

    curves = faithfulness.insertion(counting, images, maps, ONE, steps=4, baseline="zero")
    np.testing.assert_array_equal(curves.fractions, np.concatenate(seen))
    np.testing.assert_allclose(curves.fractions, np.array([0, 2, 4, 7, 9]) / 9)


def test_pixels_of_equal_relevance_go_in_reading_order():
    images = np.ones((1, 20, 20, 1), dtype=np.float32)
    curves = faithfulness.insertion(corner_of, images, np.zeros((1, 20, 20)), ONE, steps=400, baseline="zero")
    np.testing.assert_array_equal(curves.probabilities[0], [0] + [1] * 400)


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS, chunk_size=st.integers(1, 50))
def test_memory_is_bounded_by_the_chunk_and_results_do_not_depend_on_it(seed, chunk_size):
    images, maps = drawn(seed)
    targets = np.array([0, 1, 0])
    sizes = []

    def watched(images):
        sizes.append(len(images))
        return mean_of(images)

    for measure, states in ((faithfulness.insertion, {"steps": 6}), (faithfulness.road, {"seed": 1})):
        parts = measure(watched, images, maps, targets, chunk_size=chunk_size, **states)
        whole = measure(mean_of, images, maps, targets, chunk_size=1000, **states)
        for name in vars(whole):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-6)
    assert max(sizes) <= chunk_size


def test_steps_without_a_pixel_each_are_refused():
    images, maps = drawn()
    for steps in (0, 31):
        with pytest.raises(SettingError, match=f"from 1 to the 30 pixels of an image, received {steps}"):
            faithfulness.insertion(mean_of, images, maps, np.zeros(3, dtype=int), steps=steps)


def test_area_by_the_trapezoidal_rule_over_unequal_steps():
    curves = Curves(np.array([0, 0.25, 1]), np.array([[0, 1, 1], [1.0, 0, 1]]))
    np.testing.assert_allclose(curves.auc, [0.125 + 0.75, 0.125 + 0.375])


def test_imputation_solves_the_papers_equations():
    image, _ = drawn(shape=(7, 8), n=1)
    removed = np.random.default_rng(1).random((7, 8)) < 0.6
    filled = impute(image[0], removed)
    np.testing.assert_array_equal(filled[~removed], image[0][~removed])
    for row, column in np.argwhere(removed):
        total, weights = 0, 0
        for r in range(max(row - 1, 0), min(row + 2, 7)):
            for c in range(max(column - 1, 0), min(column + 2, 8)):
                weight = 0 if (r, c) == (row, column) else 1 / 6 if r == row or c == column else 1 / 12
                total, weights = total + weight * filled[r, c], weights + weight
        np.testing.assert_allclose(filled[row, column], total / weights, atol=1e-6)


def test_imputation_of_one_pixel_of_a_plane_and_of_nothing():
    image = np.zeros((3, 3, 1))
    image[0, 1], image[0, 0] = 6, 12
    middle = np.zeros((3, 3), dtype=bool)
    middle[1, 1] = True
    assert impute(image, middle)[1, 1, 0] == pytest.approx(1 + 1)
    np.testing.assert_array_equal(impute(image, np.zeros((3, 3), dtype=bool)), image)
    # A plane is filled in by itself wherever it is held at its border.
    plane = np.indices((9, 9)).sum(axis=0, dtype=float)[..., None]
    inner = np.zeros((9, 9), dtype=bool)
    inner[1:-1, 1:-1] = True
    np.testing.assert_allclose(impute(plane, inner), plane, atol=1e-5)


def test_road_by_hand_on_a_network_that_sees_one_pixel():
    images, maps = np.zeros((2, 4, 5, 1), dtype=np.float32), np.zeros((2, 4, 5))
    images[:, 0, 0] = 1
    maps[0, 0, 0] = 1  # the right map
    maps[1, 3, 4] = 1
    maps[1, 0, 0] = -0.0
    maps[1] = np.where(np.indices((4, 5)).sum(axis=0) == 0, 0, np.maximum(maps[1], 0.5))  # the corner comes last
    measured = faithfulness.road(corner_of, images, maps, np.array([1, 1]), seed=0, fractions=(0.1, 0.5), noise=0)
    np.testing.assert_allclose(measured.fractions, [0.1, 0.5])
    np.testing.assert_allclose(measured.most, [[0, 0], [1, 1]], atol=1e-6)
    np.testing.assert_allclose(measured.least, [[1, 1], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(measured.combined, [0.5, -0.5], atol=1e-6)


def test_roads_noise_has_its_size_is_the_imputed_pixels_alone_and_the_same_for_all_maps():
    images, maps = drawn(n=2, shape=(40, 40), channels=3)
    images[:] = 100 * np.round(images)  # range 100
    seen = {}

    def collecting(name):
        def predict(images):
            seen[name] = images
            return mean_of(images / 100)

        return predict

    given = {"targets": np.array([0, 0]), "seed": 4, "fractions": (0.3,)}
    faithfulness.road(collecting("noisy"), images, maps, **given)
    faithfulness.road(collecting("noisy_again"), images, maps, **given)
    faithfulness.road(collecting("other_map"), images, 1 - maps, **given)
    faithfulness.road(collecting("clean"), images, maps, noise=0, **given)
    np.testing.assert_array_equal(seen["noisy"], seen["noisy_again"])
    noise = seen["noisy"] - seen["clean"]
    removed = (noise != 0).any(axis=3)
    np.testing.assert_allclose(removed.mean(axis=(1, 2)), 0.3, atol=1e-3)
    assert noise[removed].std() == pytest.approx(1, rel=0.05)  # 0.01 of the range
    both = removed[0] & removed[2]
    assert abs(np.corrcoef(noise[0][both].ravel(), noise[2][both].ravel())[0, 1]) < 0.3  # each image its own
    # The most relevant pixels of the one map are the least relevant of the other: the same image twice.
    np.testing.assert_allclose(seen["noisy"][0], seen["other_map"][1], atol=1e-4)


def test_road_needs_a_pixel_to_impute_from():
    images, maps = drawn()
    for fractions in ((0.5, 1.0), (-0.1,), (0.99,)):
        with pytest.raises(SettingError, match="less than 1"):
            faithfulness.road(mean_of, images, maps, np.zeros(3, dtype=int), seed=0, fractions=fractions)


def test_coherency_compares_with_the_maps_of_the_masked_images():
    images, maps = drawn(channels=1)
    targets = np.array([0, 1, 0])

    def first_channel(given, given_targets):
        assert given_targets is targets
        return given[..., 0], mean_of(given)

    correlations = [np.corrcoef(m.ravel(), (m * x[..., 0]).ravel())[0, 1] for x, m in zip(images, maps, strict=True)]
    expected = (1 + np.array(correlations)) / 2
    np.testing.assert_allclose(faithfulness.coherency(first_channel, images, maps, targets), expected, rtol=1e-5)
    maps[1] = 0.5
    images[2] = 0
    undefined = np.isnan(faithfulness.coherency(first_channel, images, maps, targets))
    np.testing.assert_array_equal(undefined, [False, True, True])


def test_adcc_is_the_harmonic_mean():
    measured = adcc(np.array([1, 0.5, 0, math.nan]), np.array([0, 0.5, 0.1, 0.1]), np.array([0, 0.75, 0.1, 0.1]))
    np.testing.assert_allclose(measured, [1, 3 / (2 + 2 + 4), 0, math.nan])


def test_sensitivity_of_a_map_that_is_the_image_is_that_of_the_noise():
    images, _ = drawn(n=4, shape=(30, 30), channels=1)
    images[1] = 10 * images[1]
    images[3] = 0
    calls = []

    def image_itself(given, targets):
        calls.append((given, targets))
        return given[..., 0], mean_of(given - 0.45)

    targets = np.array([0, 1, 0, 1])
    measured = faithfulness.sensitivity(image_itself, images, targets, seed=1, radius=0.1, n_draws=20)
    # sd of the noise: 0.1 range / sqrt 3; root mean square of uniform values in 0..1: 1 / sqrt 3.
    np.testing.assert_allclose(measured.mean[:3], 0.1, rtol=0.05)
    assert (measured.greatest[:3] > measured.mean[:3]).all()
    assert np.isnan(measured.mean[3])
    assert all(each is targets for _, each in calls)
    noise = np.concatenate([given[:2] - images[:2] for given, _ in calls[1:]])
    assert abs(noise[::2].mean()) < 0.001
    assert noise[::2].min() == pytest.approx(-0.1, rel=0.02)
    assert noise[::2].max() == pytest.approx(0.1, rel=0.02)
    assert noise[1::2].max() == pytest.approx(1, rel=0.02)
    again = faithfulness.sensitivity(image_itself, images, targets, seed=1, radius=0.1, n_draws=20)
    np.testing.assert_array_equal(again.mean, measured.mean)


def test_sensitivity_says_how_often_the_prediction_was_kept():
    images = np.array([0.49, 0.9]).reshape(2, 1, 1, 1) * np.ones((2, 6, 6, 1))
    images[:, 0, 0] += 0.05  # a range

    def network(given, targets):
        return given[..., 0], np.stack([0.5 - given[:, 1, 1, 0], given[:, 1, 1, 0] - 0.5], axis=1)

    explained = np.array([1, 1])  # not the class predicted for the first
    measured = faithfulness.sensitivity(network, images, explained, seed=0, radius=1.0, n_draws=200)
    # Noise in ±0.05 lifts 0.49 above 0.5 in 40 of 100 draws.
    assert measured.kept[0] == pytest.approx(0.6, abs=0.12)
    assert measured.kept[1] == 1


def test_random_maps_know_nothing_and_are_as_smooth_as_asked():
    maps = faithfulness.random_maps(50, (28, 42), (7, 7), seed=0)
    assert maps.shape == (50, 28, 42)
    np.testing.assert_array_equal(maps.min(axis=(1, 2)), 0)
    np.testing.assert_array_equal(maps.max(axis=(1, 2)), 1)
    assert abs(np.nanmean(similarity.pearson(maps[:25], maps[25:]))) < 0.1
    assert np.mean(similarity.pearson(maps[:, :-1], maps[:, 1:])) > 0.9
    fine = faithfulness.random_maps(50, (28, 42), (28, 42), seed=0)
    assert abs(np.mean(similarity.pearson(fine[:, :-1], fine[:, 1:]))) < 0.05
    np.testing.assert_array_equal(maps, faithfulness.random_maps(50, (28, 42), (7, 7), seed=0))


def test_randomisation_tells_maps_that_depend_on_the_weights_from_edge_detectors():
    before, after, chance = (faithfulness.random_maps(40, (16, 16), (5, 5), seed=seed) for seed in (1, 2, 3))
    depends = faithfulness.randomisation(before, after, chance)
    assert depends["measure"].tolist() == ["pearson", "spearman", "ssim"]
    assert not depends["alike"].any()
    edges = faithfulness.randomisation(before, 0.7 * before + 0.3 * after, chance)
    assert edges["alike"].all()
    row = edges.iloc[0]
    similar = similarity.pearson(before, 0.7 * before + 0.3 * after)
    assert row["mean"] == pytest.approx(similar.mean())
    assert row["high"] - row["low"] == pytest.approx(2 * 2.0227 * similar.std(ddof=1) / np.sqrt(40), rel=1e-3)
    assert row["chance_mean"] == pytest.approx(similarity.pearson(before, chance).mean())
    assert row["chance_low"] < row["chance_mean"] < row["chance_high"]
    assert row["n"] == 40


def test_a_constant_map_after_randomisation_is_counted_not_averaged():
    before, after, chance = (faithfulness.random_maps(5, (8, 8), (4, 4), seed=seed) for seed in (1, 2, 3))
    after[2] = 0
    table = faithfulness.randomisation(before, after, chance)
    assert table["n"].tolist() == [4, 4, 4]
    assert table["n_undefined"].tolist() == [1, 1, 1]
    assert np.isfinite(table["mean"]).all()


def test_pointing_game_by_hand_with_tolerance_ties_and_no_object():
    maps, masks = np.zeros((5, 9, 9)), np.zeros((5, 9, 9), dtype=bool)
    masks[:4, 2:4, 2:4] = True
    maps[0, 3, 3] = 1  # hit
    maps[1, 6, 7] = 1  # 3 down, 4 to the right of the object: 5 pixels
    maps[2, 2, 2] = maps[2, 8, 8] = 1  # one of two
    # maps[3] is constant: the object's share of the image
    np.testing.assert_allclose(faithfulness.pointing_game(maps, masks), [1, 0, 0.5, 4 / 81, math.nan])
    assert faithfulness.pointing_game(maps, masks, tolerance=4.9)[1] == 0
    assert faithfulness.pointing_game(maps, masks, tolerance=5)[1] == 1


def test_overlap_and_energy_by_hand():
    maps, masks = np.zeros((4, 4, 4)), np.zeros((4, 4, 4), dtype=bool)
    masks[:3, :2, :2] = True
    maps[0, :2, :2] = 0.9  # right
    maps[1, :2, 1:3] = [[0.9, 0.8], [0.4, 0.6]]  # one column off
    maps[3, 0, 0] = 1
    # Of four pixels each, two are common, six in the union; of the three from 0.5, one is common, six in the union.
    np.testing.assert_allclose(faithfulness.iou_at_area(maps, masks), [1, 2 / 6, 1 / (8 - 1), math.nan])
    np.testing.assert_allclose(faithfulness.iou_at(maps, masks), [1, 1 / 6, 0, math.nan])
    np.testing.assert_allclose(faithfulness.iou_at(maps, masks, threshold=0.4), [1, 2 / 6, 0, math.nan])
    np.testing.assert_allclose(faithfulness.energy_inside(maps, masks), [1, 1.3 / 2.7, math.nan, math.nan])
