"""Pictures made by climbing: what they climb, how, and what is told of them."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from scipy import sparse

from mi204.errors import SettingError
from mi204.explain import Explainer, synthesis
from mi204.explain.synthesis import Ascent, Interrupted, activation_maps, deep_dream, filters, invert, maximise

backend = pytest.mark.backend
PLAIN = {"smoothness": 0, "saturation": 1, "total_variation": 0, "norm": 0, "jitter": 0, "rotation": 0, "scale": 0}
SHORT = Ascent(steps=4)
BOUNDS = (-1, 1)


@backend
def test_a_linear_network_is_maximised_at_the_bounds_of_each_channel(linear):
    look, w, b = linear
    low, high = np.array([-2, 0]), np.array([1, 5])
    made = maximise(look, [2, 0], bounds=(low, high), ascent=Ascent(steps=300, rate=0.2, **PLAIN))
    slopes = np.moveaxis(w, -1, 0)[[2, 0]]
    wanted = np.where(slopes > 0, high, low)
    steep = abs(slopes * (high - low)) > 0.3  # the others are still on their way
    assert steep.mean() > 0.85
    np.testing.assert_allclose(made.images[steep], wanted[steep], atol=1e-5)
    np.testing.assert_allclose(made.scores, (made.images * slopes).sum(axis=(1, 2, 3)) + b[[2, 0]], rtol=1e-5)
    assert made.images.dtype == np.float32
    assert made.curve.shape == (2, 300)
    assert (np.diff(made.curve) > -1e-4).all()
    np.testing.assert_array_equal(made.dead, False)


@backend
def test_one_step_by_hand(linear, monkeypatch):
    look, w, b = linear
    move = sparse.csr_array(np.random.default_rng(0).random((30, 30)))
    monkeypatch.setattr(synthesis, "_move", lambda sides, ascent, rng: move)
    start = np.random.default_rng(1).uniform(0, 4, (6, 5, 2)).astype(np.float32)
    ascent = Ascent(steps=1, rate=0.01, **PLAIN | {"total_variation": 0.3, "norm": 0.2, "saturation": 0.4})
    made = maximise(look, 1, bounds=(0, 4), start=start, ascent=ascent)
    u = start / 2 - 1
    moved = (move @ u.reshape(30, 2)).reshape(6, 5, 2)
    np.testing.assert_allclose(made.curve[0, 0], ((2 * moved + 2) * w[..., 1]).sum() + b[1], rtol=1e-4)
    back = (move.T @ w[..., 1].reshape(30, 2)).reshape(6, 5, 2)
    grey = back.mean(axis=-1, keepdims=True)
    back = grey + 0.4 * (back - grey)
    padded = np.pad(u, ((1, 1), (1, 1), (0, 0)), mode="edge")
    laplacian = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4 * u
    step = back / np.sqrt((back**2).mean()) + 0.3 * laplacian - 0.2 * u**5
    np.testing.assert_allclose(made.images[0] / 2 - 1, np.clip(u + 0.01 * step, -1, 1), atol=1e-5)


@backend
def test_the_rate_falls_evenly_to_nothing(linear):
    look, w, _ = linear
    made = maximise(look, 0, bounds=(-10, 10), start=np.zeros((6, 5, 2)), ascent=Ascent(steps=4, rate=0.01, **PLAIN))
    slope = w[..., 0] / np.sqrt((w[..., 0] ** 2).mean())
    np.testing.assert_allclose(made.images[0], 10 * 0.01 * (1 + 0.75 + 0.5 + 0.25) * slope, atol=1e-5)


@backend
def test_the_score_is_what_was_asked_for_of_the_finished_picture(network):
    look, twin = network
    made = maximise(look, [1, 2], bounds=BOUNDS, ascent=SHORT)
    np.testing.assert_allclose(made.scores, twin.forward(made.images)[[0, 1], [1, 2]], atol=1e-5)  # no probability
    made = maximise(look, lambda logits: logits[:, 2] - logits[:, 0], bounds=BOUNDS, ascent=SHORT)
    np.testing.assert_allclose(made.scores, np.diff(twin.forward(made.images)[:, [0, 2]])[:, 0], atol=1e-5)
    made = maximise(look, [3, 0], "second", bounds=BOUNDS, ascent=SHORT)
    twin.forward(made.images)
    np.testing.assert_allclose(made.scores, twin.last_maps.mean(axis=(1, 2))[[0, 1], [3, 0]], atol=1e-5)
    made = maximise(look, [(4, 2, 1), (0, 3, 4)], "second", bounds=BOUNDS, ascent=SHORT)
    twin.forward(made.images)
    wanted = [twin.last_maps[0, 4, 2, 1], twin.last_maps[1, 0, 3, 4]]
    np.testing.assert_allclose(made.scores, wanted, atol=1e-5)
    made = maximise(look, None, "second", bounds=BOUNDS, ascent=SHORT)
    twin.forward(made.images)
    np.testing.assert_allclose(made.scores, twin.last_maps.mean(axis=(1, 2, 3)), atol=1e-5)
    made = maximise(look, 1, "pool", bounds=BOUNDS, ascent=SHORT)  # a layer without sides
    twin.forward(made.images)
    np.testing.assert_allclose(made.scores, twin.last_maps.mean(axis=(1, 2))[:, 1], atol=1e-5)


@backend
def test_a_class_and_its_number_of_the_last_layer_climb_alike_where_channels_have_other_ranges(linear):
    climb = {"bounds": ([-2, 0], [1, 50]), "ascent": SHORT}
    made = maximise(linear[0], 1, "classes", **climb)
    np.testing.assert_allclose(made.images, maximise(linear[0], 1, **climb).images, atol=1e-4)


@backend
def test_pictures_climb_and_are_the_same_alone_in_chunks_and_again(network):
    look, _ = network
    ascent = Ascent(steps=15)
    together = maximise(look, [0, 1, 2], bounds=BOUNDS, ascent=ascent, seed=3)
    assert (together.scores > together.curve[:, 0] + 0.5).all()
    assert abs(together.images).max() <= 1
    alone = maximise(look, 1, bounds=BOUNDS, ascent=ascent, seed=3)
    np.testing.assert_allclose(alone.images[0], together.images[1], atol=1e-4)
    parts = maximise(Explainer(look.model, chunk_size=2), [0, 1, 2], bounds=BOUNDS, ascent=ascent, seed=3)
    np.testing.assert_allclose(parts.images, together.images, atol=1e-4)
    other = maximise(look, 1, bounds=BOUNDS, ascent=ascent, seed=4)
    assert abs(other.images - alone.images).max() > 0.1


@backend
def test_a_layer_is_traced_once_however_many_steps_and_filters(network, monkeypatch):
    traced = []
    weighted = synthesis._weighted

    def counted(answers, weights):
        traced.append(answers.shape)
        return weighted(answers, weights)

    monkeypatch.setattr(synthesis, "_weighted", counted)
    look = Explainer(network[0].model)
    for channel in (0, 1):
        maximise(look, channel, "first", bounds=BOUNDS, ascent=SHORT)
    assert len(look._compiled) == 1
    assert len(traced) == (2 * 5 if keras.backend.backend() == "torch" else 1)  # 4 steps and the finished picture


@backend
def test_what_follows_the_layer_need_not_be_there_and_needs_no_choice_of_output(network):
    model = network[0].model
    feature = keras.Model(model.inputs, model.get_layer("second").output)
    made = maximise(feature, 3, "second", bounds=BOUNDS, ascent=SHORT)
    there = maximise(model, 3, "second", bounds=BOUNDS, ascent=SHORT)
    np.testing.assert_allclose(made.images, there.images, atol=1e-5)


def test_shifts_turns_and_enlargements_are_exact_where_pixels_meet_pixels():
    x = np.random.default_rng(0).random((2, 7, 7, 3)).astype(np.float32)

    def moved(shifts, degrees, scale, x=x):
        drawn = iter([degrees, scale])
        shifts = iter(shifts)
        rng = SimpleNamespace(integers=lambda low, high: next(shifts), uniform=lambda low, high: next(drawn))
        return synthesis._moved(x, synthesis._move(x.shape[1:-1], Ascent(), rng))

    np.testing.assert_array_equal(moved([0, 0], 0, 0), x)
    np.testing.assert_array_equal(moved([2, -1], 0, 0), np.roll(x, (-2, 1), axis=(1, 2)))
    np.testing.assert_array_equal(moved([0, 0], 90, 0), np.rot90(x, -1, axes=(1, 2)))
    large = moved([0, 0], 0, 1.0)  # twice as large: every other pixel is one of the picture
    np.testing.assert_allclose(large[:, 1::2, 1::2], x[:, 2:5, 2:5], atol=1e-6)
    np.testing.assert_allclose(large[:, 2, 1], (x[:, 2, 2] + x[:, 3, 2]) / 2, atol=1e-6)


def test_draws_of_moves_have_the_size_that_is_said():
    rng = np.random.default_rng(0)
    seen = {"integers": [], "uniform": []}

    class Recorder:
        def integers(self, low, high):
            seen["integers"].append((low, high))
            return rng.integers(low, high)

        def uniform(self, low, high):
            seen["uniform"].append((low, high))
            return rng.uniform(low, high)

    synthesis._move((40, 20), Ascent(jitter=0.1, rotation=7, scale=0.2), Recorder())
    assert seen == {"integers": [(-4, 5), (-2, 3)], "uniform": [(-7, 7), (-0.2, 0.2)]}


def test_moves_in_one_and_three_dimensions_keep_what_is_constant():
    for sides in ((9,), (4, 5, 3)):
        move = synthesis._move(sides, Ascent(jitter=0.3, rotation=20, scale=0.3), np.random.default_rng(0))
        np.testing.assert_allclose(move.sum(axis=1), 1)
        np.testing.assert_allclose(synthesis._moved(np.full((1, *sides, 2), 3.0), move), 3, rtol=1e-6)


@pytest.mark.parametrize("exponent", [1.5, 2, 6])
@pytest.mark.parametrize("sides", [(5,), (4, 6), (3, 4, 2)])
@pytest.mark.parametrize("penalty", ["_variation", "_size"])
def test_penalties_in_closed_form_and_their_gradients(penalty, sides, exponent):
    function = getattr(synthesis, penalty)
    u = np.random.default_rng(0).uniform(-1, 1, (2, *sides, 2))
    values, gradient = function(u, exponent)
    if penalty == "_size":
        expected = [sum(abs(value) ** exponent for value in one.ravel()) / exponent for one in u]
    else:
        expected = []
        for one in u:
            total = 0.0
            for place in itertools.product(*map(range, sides)):
                for channel in range(2):
                    steps = [
                        one[(*place[:axis], place[axis] + 1, *place[axis + 1 :], channel)] - one[(*place, channel)]
                        for axis in range(len(sides))
                        if place[axis] + 1 < sides[axis]
                    ]
                    total += sum(step**2 for step in steps) ** (exponent / 2) / exponent
            expected.append(total)
    np.testing.assert_allclose(values, expected)
    direction = np.random.default_rng(1).normal(size=u.shape)
    ahead, behind = (function(u + sign * 1e-6 * direction, exponent)[0] for sign in (1, -1))
    along = (gradient * direction).reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose((ahead - behind) / 2e-6, along, rtol=1e-5, atol=1e-7)


def test_a_flat_picture_has_no_variation_and_no_gradient_of_it():
    values, gradient = synthesis._variation(np.full((1, 4, 4, 1), 0.3), 1.5)
    np.testing.assert_array_equal(values, 0)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("sides", [(16,), (16, 24), (15, 9), (4, 8, 6)])
def test_waves_are_damped_by_their_frequency(sides):
    places = np.indices(sides)
    last = places[-1] / sides[-1]
    wave = np.cos(2 * np.pi * 3 * last)[None, ..., None]
    damped = synthesis._smoothed(wave, 1.5)
    np.testing.assert_allclose(damped, wave * (3 / sides[-1]) ** -1.5, atol=1e-9)
    constant = np.ones((1, *sides, 1))
    np.testing.assert_allclose(synthesis._smoothed(constant, 1.0), constant * max(sides), rtol=1e-9)
    assert synthesis._smoothed(wave, 0) is wave
    both = np.concatenate([wave, 2 * wave], axis=-1)
    np.testing.assert_allclose(synthesis._smoothed(both, 1.5), np.concatenate([damped, 2 * damped], axis=-1), atol=1e-9)


def test_gradients_are_scaled_each_by_its_own_size_however_small():
    x = np.ones((3, 2, 2, 1), np.float32) * np.array([3, 1e-30, 0], np.float32)[:, None, None, None]
    np.testing.assert_allclose(synthesis._unit(x)[:, 0, 0, 0], [1, 1, 0])


@backend
def test_filters_are_shown_and_a_dead_one_is_flagged(network):
    _, twin = network
    model = keras.Sequential([keras.Input((9, 8, 3)), layers.Conv2D(4, 3, activation="relu", name="only")])
    bias = np.array([0.1, 0.1, -100, 0.1])  # the third filter never answers
    model.set_weights([twin.weights[0], bias])
    made = filters(model, "only", bounds=BOUNDS, ascent=SHORT, starts=2)
    np.testing.assert_array_equal(made.dead, bias < 0)
    np.testing.assert_array_equal(made.scores > 0, ~made.dead)
    assert made.images.shape == (4, 9, 8, 3)
    some = filters(model, "only", [3, 1], bounds=BOUNDS, ascent=SHORT, starts=2)
    np.testing.assert_allclose(some.images, made.images[[3, 1]], atol=1e-4)
    assert activation_maps(model, np.random.default_rng(0).normal(size=(2, 9, 8, 3)), "only").dead == (2,)


@backend
def test_a_filter_asleep_at_one_start_may_wake_at_a_stronger_one():
    model = keras.Sequential([keras.Input((12, 12, 1)), layers.Conv2D(1, 1, activation="relu", name="only")])
    model.set_weights([np.ones((1, 1, 1, 1)), np.array([-0.6])])  # answers above 0.6; the first start's noise has 0.1
    climb = {"bounds": BOUNDS, "ascent": Ascent(steps=3, **PLAIN)}
    asleep = filters(model, "only", starts=1, **climb)
    assert asleep.dead.tolist() == [True]
    assert asleep.scores.tolist() == [0]
    awake = filters(model, "only", starts=3, **climb)
    assert awake.dead.tolist() == [False]
    assert awake.scores[0] > 0


def test_of_two_pictures_the_better_one_and_a_dead_one_never():
    def pictures(values, dead):
        values = np.array(values, float)
        return synthesis.Pictures(values[:, None, None, None], values, values[:, None], np.array(dead))

    first, second = pictures([1, 2, 0, 0, -5], [0, 0, 1, 1, 0]), pictures([2, 1, -1, -2, 0], [0, 0, 0, 1, 1])
    best = synthesis._better(
        synthesis.Pictures(first.images, first.scores, first.curve, first.dead.astype(bool)),
        synthesis.Pictures(second.images, second.scores, second.curve, second.dead.astype(bool)),
    )
    assert best.scores.tolist() == [2, 2, -1, 0, -5]
    assert best.images.ravel().tolist() == best.curve.ravel().tolist() == best.scores.tolist()
    assert best.dead.tolist() == [False, False, False, True, False]


@backend
def test_activation_maps_are_the_layers_answers(network):
    look, twin = network
    x = np.random.default_rng(0).normal(size=(3, 9, 8, 3)).astype(np.float32)
    twin.forward(x)
    for name, wanted in (("first", twin.maps), ("second", twin.last_maps), ("pool", twin.last_maps.mean(axis=(1, 2)))):
        made = activation_maps(look, x, name)
        np.testing.assert_allclose(made.maps, wanted, atol=1e-5)
        assert made.layer == name
        assert made.dead == ()
    np.testing.assert_allclose(activation_maps(look.model, x, "first").maps, twin.maps, atol=1e-5)


@backend
def test_an_invertible_layer_gives_its_image_back():
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((5, 4, 2)), layers.Flatten(), layers.Dense(40, name="rotated")])
    model.set_weights([np.linalg.qr(rng.normal(size=(40, 40)))[0], rng.normal(size=40)])
    images = rng.uniform(0, 255, (2, 5, 4, 2)).astype(np.float32)
    made = invert(model, images, "rotated", bounds=(0, 255), total_variation=0, norm=0)
    np.testing.assert_allclose(made.images, images, atol=0.5)
    assert made.scores.max() < 1e-5
    assert (made.curve[:, 0] > 0.01).all()
    assert made.curve.shape == (2, 200)
    assert np.isnan(made.curve[:, -1]).all()  # it came to rest before
    last = [errors[~np.isnan(errors)][-1] for errors in made.curve]
    np.testing.assert_allclose(last, made.scores, atol=1e-5)
    np.testing.assert_array_equal(made.dead, False)


@backend
def test_an_inversion_is_the_least_of_error_and_penalties():
    # A(u) = u: the least of |u - u0|^2 / |u0|^2 + norm mean u^2 / 2, at every pixel.
    model = keras.Sequential([keras.Input((4, 3, 1)), layers.Conv2D(1, 1, use_bias=False, name="same")])
    model.set_weights([np.ones((1, 1, 1, 1))])
    x = np.random.default_rng(0).uniform(-1, 1, (1, 4, 3, 1)).astype(np.float32)
    made = invert(model, x, "same", bounds=BOUNDS, total_variation=0, norm=3.0, alpha=2)
    np.testing.assert_allclose(made.images, x / (1 + 3 * (x**2).sum() / 24), atol=1e-4)
    error = ((made.images - x) ** 2).sum() / (x**2).sum()
    np.testing.assert_allclose(made.scores, [error], rtol=1e-4)
    smooth = invert(model, x, "same", bounds=BOUNDS, total_variation=3.0, norm=0)
    rough = [synthesis._variation(each.astype(float), 2)[0][0] for each in (smooth.images, x)]
    assert rough[0] < 0.5 * rough[1]
    # Where its penalties balance the error, the gradient is nothing.
    _, slope = synthesis._variation(smooth.images.astype(float), 2)
    np.testing.assert_allclose(2 * (smooth.images - x) / (x**2).sum() + 3 * slope / 12, 0, atol=1e-4)


@backend
def test_a_dream_raises_the_mean_square_and_loses_no_detail(network):
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, activation="relu", name="first")])
    model.set_weights(network[1].weights[:2])
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 20, 30, 3)).astype(np.float32)
    look, seen = Explainer(model), []
    passes = look.passes

    def counted(inputs, *args, **kwargs):
        seen.append(inputs.shape)
        return passes(inputs, *args, **kwargs)

    look.passes = counted
    still = deep_dream(look, images, "first", bounds=BOUNDS, octaves=3, ratio=2, ascent=Ascent(steps=1, rate=0))
    np.testing.assert_allclose(still.images, images, atol=1e-6)
    assert list(dict.fromkeys(seen)) == [(2, 5, 8, 3), (2, 10, 15, 3), (2, 20, 30, 3)]
    before = (activation_maps(model, images, "first").maps ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(still.scores, before, rtol=1e-5)
    dreamt = deep_dream(look, images, "first", bounds=BOUNDS, octaves=3, ratio=2, ascent=Ascent(steps=5, **PLAIN))
    assert (dreamt.scores > 1.5 * before).all()
    assert dreamt.images.shape == images.shape
    assert dreamt.curve.shape == (2, 15)
    assert not dreamt.dead.any()
    # What the smaller octaves drew is there in the last one from its first step on.
    assert (dreamt.curve[:, 10] > 1.2 * before).all()


@backend
def test_a_network_of_one_size_dreams_of_larger_images_in_tiles(network):
    look, twin = network
    images = np.random.default_rng(0).uniform(-1, 1, (2, 13, 16, 3)).astype(np.float32)
    made = deep_dream(look, images, "first", bounds=BOUNDS, octaves=1, ascent=Ascent(steps=1, rate=0.001, **PLAIN))
    squares, gradient, covered = np.zeros(2), np.zeros(images.shape), np.zeros((13, 16, 1))
    for row, column in itertools.product((0, 4), (0, 8)):
        there = np.s_[:, row : row + 9, column : column + 8]
        twin.forward(images[there])
        squares += (twin.maps**2).mean(axis=(1, 2, 3)) / 4
        upstream = 2 * twin.maps / twin.maps[0].size * (twin.before_first > 0)
        for i, j in itertools.product(range(3), range(3)):
            gradient[there][:, i : i + 7, j : j + 6] += upstream @ twin.weights[0][i, j].T
        covered[there[1:]] += 1
    gradient /= covered
    expected = 0.001 * gradient / np.sqrt((gradient**2).mean(axis=(1, 2, 3), keepdims=True))
    np.testing.assert_allclose(made.curve[:, 0], squares, rtol=1e-4)
    np.testing.assert_allclose(made.images, np.clip(images + expected, -1, 1), atol=1e-5)
    # No octave is smaller than what the network takes.
    several = deep_dream(look, images, "first", bounds=BOUNDS, octaves=5, ascent=Ascent(steps=2))
    assert several.curve.shape == (2, 2 * 3)  # 13 x 16, 9 x 11, 9 x 8


@backend
def test_ctrl_c_hands_over_the_pictures_and_leaves_all_usable(network):
    look = Explainer(network[0].model)
    weights = look.model.get_weights()
    passes, calls = look.passes, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return passes(*args, **kwargs)

    look.passes = interrupted
    two_steps = Ascent(steps=4, rate=0.05, **PLAIN)
    with pytest.raises(Interrupted) as stop:
        maximise(look, [0, 1], bounds=BOUNDS, ascent=two_steps)
    assert isinstance(stop.value, KeyboardInterrupt)
    whole = maximise(look, [0, 1], bounds=BOUNDS, ascent=two_steps)
    assert stop.value.images.shape == whole.images.shape
    assert 0 < abs(stop.value.images - whole.images).max() < 0.5
    calls.clear()
    with pytest.raises(Interrupted) as stop:
        invert(look, whole.images, "first", bounds=BOUNDS)
    assert stop.value.images.shape == whole.images.shape
    calls.clear()
    finished = filters(look.model, "first", [0], bounds=BOUNDS, ascent=Ascent(steps=1), starts=1)
    with pytest.raises(Interrupted) as stop:  # during the second start
        filters(look, "first", [0], bounds=BOUNDS, ascent=Ascent(steps=1), starts=2)
    np.testing.assert_allclose(stop.value.images, finished.images, atol=1e-6)
    for before, after in zip(weights, look.model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@backend
@pytest.mark.parametrize(("sides", "convolution"), [((12,), layers.Conv1D), ((5, 6, 4), layers.Conv3D)])
def test_one_and_three_dimensions(sides, convolution):
    model = keras.Sequential([keras.Input((*sides, 2)), convolution(3, 3, activation="relu", name="only")])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    made = filters(model, "only", bounds=BOUNDS, ascent=SHORT, starts=1)
    assert made.images.shape == (3, *sides, 2)
    assert (made.scores > 0).any()
    images = rng.uniform(-1, 1, (1, *sides, 2))
    assert deep_dream(model, images, "only", bounds=BOUNDS, octaves=1).images.shape == images.shape
    assert invert(model, images, "only", bounds=BOUNDS, steps=2).images.shape == images.shape


@backend
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="no convolution of channels first on a CPU")
def test_channels_first_gives_the_same_pictures_channels_last(network):
    _, twin = network
    last = keras.Sequential([keras.Input((9, 8, 3)), layers.Conv2D(4, 3, activation="relu", name="only")])
    first = keras.Sequential(
        [keras.Input((3, 9, 8)), layers.Conv2D(4, 3, activation="relu", name="only", data_format="channels_first")]
    )
    for model in (last, first):
        model.set_weights(twin.weights[:2])
    images = np.random.default_rng(0).uniform(0, 1, (2, 9, 8, 3)).astype(np.float32)
    bounds = ([0, -1, -2], [1, 2, 3])
    for make in (
        lambda model, x: maximise(model, [(1, 2, 3), (0, 0, 1)], "only", start=x[0], bounds=bounds, ascent=SHORT),
        lambda model, x: deep_dream(model, x, "only", bounds=bounds, octaves=1),
        lambda model, x: invert(model, x, "only", bounds=bounds, steps=3),
    ):
        wanted, made = make(last, images), make(first, np.moveaxis(images, -1, 1))
        np.testing.assert_allclose(made.images, wanted.images, atol=1e-5)


@backend
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda look: maximise(look, 0, bounds=(1, 0)), r"least and the greatest value.*received \(1, 0\)"),
        (lambda look: maximise(look, 0, bounds=(0, np.inf)), "least and the greatest value"),
        (lambda look: maximise(look, 0, bounds=([0, 0], 1)), "numbers or 3 of them"),
        (lambda look: maximise(look, 0, bounds=5), "received 5"),
        (lambda look: maximise(look, 3, bounds=BOUNDS), "class of 0 to 2"),
        (lambda look: maximise(look, bounds=BOUNDS), "received neither"),
        (lambda look: maximise(look, 0, "third", bounds=BOUNDS), "received 'third'"),
        (lambda look: maximise(look, 5, "second", bounds=BOUNDS), "a map from 0 to 4"),
        (lambda look: maximise(look, -1, "second", bounds=BOUNDS), "a map from 0 to 4"),
        (lambda look: maximise(look, (5, 0, 0), "second", bounds=BOUNDS), r"answer, of shape \(5, 4, 5\)"),
        (lambda look: maximise(look, 1.5, "second", bounds=BOUNDS), r"received \[1.5\]"),
        (lambda look: maximise(look, [], "second", bounds=BOUNDS), r"received \[\]"),
        (lambda look: maximise(look, 0, bounds=BOUNDS, start=np.full((9, 8, 3), 2.0)), "within bounds.*from 2 to 2"),
        (lambda look: maximise(look, 0, bounds=BOUNDS, start=np.zeros((8, 8, 3))), r"one picture of shape \(9, 8, 3\)"),
        (lambda look: maximise(look, 0, bounds=BOUNDS, shape=(4, 4, 3)), "shape"),
        (lambda look: filters(look, "second", [9], bounds=BOUNDS), "a map from 0 to 4"),
        (lambda look: filters(look, "second", bounds=BOUNDS, starts=0), "at least 1 start"),
        (lambda look: deep_dream(look, np.zeros((1, 9, 8, 3)), "first", bounds=BOUNDS, octaves=0), "at least 1 octave"),
        (lambda look: deep_dream(look, np.zeros((1, 9, 8, 3)), "first", bounds=BOUNDS, ratio=1), "ratio above 1"),
        (lambda look: deep_dream(look, np.zeros((1, 9, 7, 3)), "first", bounds=BOUNDS), "enlarge them"),
        (lambda look: deep_dream(look, np.zeros((0, 9, 8, 3)), "first", bounds=BOUNDS), "at least one image"),
        (lambda look: deep_dream(look, np.full((1, 9, 8, 3), 9.0), "first", bounds=BOUNDS), "within bounds"),
        (lambda look: invert(look, np.zeros((1, 9, 8, 3)), "first", bounds=BOUNDS, steps=0), "at least 1 step"),
        (lambda look: invert(look, np.zeros((1, 9, 8, 3)), "first", bounds=BOUNDS, norm=-1), "norm = -1"),
        (lambda look: invert(look, np.full((1, 9, 8, 3), 2.0), "first", bounds=BOUNDS), "within bounds"),
        (lambda look: activation_maps(look, np.zeros((1, 9, 8, 3)), "third"), "received 'third'"),
        (lambda look: activation_maps(look, np.zeros((0, 9, 8, 3)), "first"), "at least one image"),
    ],
)
def test_what_cannot_be_is_refused(network, make, message):
    with pytest.raises(SettingError, match=message):
        make(network[0])


@backend
def test_an_image_to_which_a_layer_answers_nothing_has_no_inversion():
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(1, 1, activation="relu", name="only")])
    model.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    x = np.ones((2, 4, 4, 1)) * np.array([1, -1])[:, None, None, None]
    with pytest.raises(SettingError, match="zeros alone for image 1"):
        invert(model, x, "only", bounds=BOUNDS)


@backend
def test_a_network_whose_shape_is_open_asks_for_one():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 1, name="only")])
    with pytest.raises(SettingError, match="or shape, such as"):
        maximise(model, 0, "only", bounds=BOUNDS)
    assert maximise(model, 0, "only", bounds=BOUNDS, shape=(6, 7, 1), ascent=SHORT).images.shape == (1, 6, 7, 1)
    inputs = keras.Input((4, 4, 1)), keras.Input((3,))
    two = keras.Model(inputs, layers.Dense(2)(layers.concatenate([layers.Flatten()(inputs[0]), inputs[1]])))
    with pytest.raises(SettingError, match="one input"):
        maximise(two, 0, bounds=BOUNDS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("rate", -0.1), ("smoothness", -1), ("jitter", 0.6), ("rotation", 181), ("scale", 1),
     ("total_variation", -1), ("norm", float("nan")), ("saturation", -1)],
)  # fmt: skip
def test_an_ascent_that_cannot_be_is_refused(name, value):
    with pytest.raises(SettingError, match=f"Expected {name} of an ascent"):
        Ascent(**{name: value})
