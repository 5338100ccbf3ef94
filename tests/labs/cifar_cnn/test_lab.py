"""The lab on CIFAR-10: network, data and training as the handout's, what is kept of a run, the claims on real data."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from labs.cifar_cnn import lab
from labs.cifar_cnn.config import PRESETS, Config, Recipe
from mi204 import preprocessing, results, training
from mi204.datasets import ImageDataset, cifar10
from mi204.errors import DataError, SettingError

pytestmark = pytest.mark.backend

RECIPE = Recipe(n_train=64, n_validation=40, n_test=40, epochs=2)
TINY = replace(
    PRESETS["quick"], recipe=RECIPE, deep_filters=(4, 8), batch_sizes=(32, 64), questions=("8.1", "8.2", "8.3"),
)


@pytest.fixture(scope="module")
def tiny_data():
    """Random images with the official sizes' proportions: the splits and shapes are tested, not the accuracy."""
    rng = np.random.default_rng(0)
    return ImageDataset(
        name="random", source="sample", notice=None, classes=cifar10.CLASSES,
        x_train=rng.integers(0, 256, (400, 32, 32, 3), dtype=np.uint8), y_train=rng.integers(0, 10, 400),
        x_test=rng.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8), y_test=rng.integers(0, 10, 100),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of all trainings below."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def tiny(tiny_data, folder):
    """Course, resumed and deeper network, trained once."""
    return lab.run(TINY, tiny_data, folder)


# --- network ---


def test_the_network_is_the_handouts():
    model = lab.build_model(Recipe())
    assert model.name == "sequential"
    assert [(layer.name, layer.output.shape[1:], layer.count_params()) for layer in model.layers] == [
        ("conv2d", (32, 32, 8), 224),
        ("dropout", (32, 32, 8), 0),
        ("max_pooling2d", (16, 16, 8), 0),
        ("flatten", (2048,), 0),
        ("dense", (64,), 131_136),
        ("dropout_1", (64,), 0),
        ("dense_1", (10,), 650),
        ("dropout_2", (10,), 0),
    ]
    assert model.count_params() == 132_010
    assert all(layer.rate == 0 for layer in model.layers if isinstance(layer, keras.layers.Dropout))
    lines = []
    model.summary(print_fn=lines.append)
    assert "132,010 (515.66 KB)" in "\n".join(lines)


def test_settings_reach_the_network():
    recipe = Recipe(filters=(4, 6), hidden_units=5, dropout=0.1, output_dropout=0.2, l2=0.3)
    model = lab.build_model(recipe)
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.1, 0.1, 0.1, 0.2]
    assert [tuple(w.shape) for w in model.trainable_weights[::2]] == [(3, 3, 3, 4), (3, 3, 4, 6), (384, 5), (5, 10)]
    penalised = [layer for layer in model.layers if getattr(layer, "kernel_regularizer", None)]
    assert [float(layer.kernel_regularizer.l2) for layer in penalised] == pytest.approx([0.3] * 4)
    assert [layer.activation.__name__ for layer in penalised] == ["relu", "relu", "relu", "softmax"]


def test_weights_depend_on_the_seed():
    first, again, other = (lab.build_model(Recipe(seed=seed)).get_weights()[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_networks_to_summarise():
    assert [model.name for model in lab.networks(Config())] == ["sequential"]
    assert [model.name for model in lab.networks(TINY)] == ["sequential", "residual_network"]


def test_output_dropout_zeroes_probabilities_while_training():
    model = lab.build_model(Recipe(output_dropout=0.5))
    x = np.random.default_rng(0).normal(size=(20, 32, 32, 3)).astype("float32")
    trained = keras.ops.convert_to_numpy(model(x, training=True))
    assert (trained == 0).mean() == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(training.predict(model, x).sum(axis=1), 1, rtol=1e-5)


# --- data ---


def test_splits_are_drawn_from_the_right_sets_without_overlap(tiny_data):
    subsets = lab.split(replace(RECIPE, n_validation=50, n_test=50), tiny_data)
    drawn = {name: {image.tobytes() for image in subset.images} for name, subset in subsets.items()}
    assert drawn["train"] <= {image.tobytes() for image in tiny_data.x_train}
    assert len(drawn["train"]) == 64
    # 50 + 50 of 100: together they are the whole test set, so they have nothing in common.
    assert drawn["validation"] | drawn["test"] == {image.tobytes() for image in tiny_data.x_test}
    for subset in subsets.values():
        np.testing.assert_array_equal(subset.x, preprocessing.standardize(subset.images))
        np.testing.assert_array_equal(subset.y.argmax(axis=1), subset.labels)


def test_labels_stay_with_their_images(tiny_data):
    of_image = {
        image.tobytes(): label
        for images, labels in ((tiny_data.x_train, tiny_data.y_train), (tiny_data.x_test, tiny_data.y_test))
        for image, label in zip(images, labels, strict=True)
    }
    for subset in lab.split(replace(RECIPE, n_more=20), tiny_data).values():
        assert [of_image[image.tobytes()] for image in subset.images] == list(subset.labels)


def test_the_draw_depends_on_the_seed(tiny_data):
    first, again = (lab.split(RECIPE, tiny_data)["test"].images for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (lab.split(replace(RECIPE, seed=1), tiny_data)["test"].images != first).any()


def test_more_data_contain_the_others_and_leave_validation_and_test_as_they_are(tiny_data):
    base, more = (lab.split(replace(RECIPE, n_more=n_more), tiny_data) for n_more in (0, 192))
    np.testing.assert_array_equal(more["train"].images[:64], base["train"].images)
    assert len({image.tobytes() for image in more["train"].images}) == 256
    for name in ("validation", "test"):
        np.testing.assert_array_equal(more[name].images, base[name].images)


def test_more_images_than_there_are_is_refused(tiny_data):
    with pytest.raises(SettingError, match=r"60 \+ 60"):
        lab.split(replace(RECIPE, n_validation=60, n_test=60), tiny_data)
    with pytest.raises(SettingError, match="401"):
        lab.split(replace(RECIPE, n_train=401), tiny_data)


def test_standardization_by_set_uses_the_training_images_alone(tiny_data):
    subsets = lab.split(replace(RECIPE, standardization="set"), tiny_data)
    images = subsets["train"].images.astype("float64")
    mean, deviation = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    for subset in subsets.values():
        np.testing.assert_allclose(subset.x, (subset.images - mean) / deviation, atol=1e-5)


def test_the_sample_has_as_many_images_as_any_study_needs():
    config = Config(data="sample", recipe=Recipe(n_train=30, n_validation=7, n_test=5, batch_size=10))
    for questions in ((), ("2.1",), ("7.2",)):
        data = lab.load_data(replace(config, questions=questions))
        assert (len(data.x_train), len(data.x_test)) == (120, 12)


def test_channels_before_and_after_constant_ones_too(tiny_data):
    blank = replace(tiny_data, x_train=np.full_like(tiny_data.x_train, 255))
    measured = lab.run(replace(TINY, questions=("2.2",)), blank)
    assert measured.runs == []
    assert [(each.stage, each.channel) for each in measured.channels] == [
        (stage, f"{colour}_channel") for stage in ("before", "after") for colour in ("red", "green", "blue")
    ]
    before, after = measured.channels[0], measured.channels[5]
    assert (before.mean_smallest, before.mean_largest, before.deviation_largest) == (255, 255, 0)
    assert (after.mean_smallest, after.mean_largest, after.deviation_largest) == (0, 0, 0)
    assert np.isfinite(measured.train_x).all()
    images = lab.split(RECIPE, tiny_data)["train"].images
    green = lab.run(replace(TINY, questions=("2.2",)), tiny_data).channels[1]
    assert green.mean_smallest == images[..., 1].mean(axis=(1, 2)).min()
    assert green.mean_largest == images[..., 1].mean(axis=(1, 2)).max()
    assert green.deviation_smallest == images[..., 1].std(axis=(1, 2)).min()
    assert green.deviation_largest == images[..., 1].std(axis=(1, 2)).max()


# --- training ---


def test_settings_reach_the_training(tiny_data, tmp_path, monkeypatch):
    used = {}
    monkeypatch.setattr(lab.training, "fit", lambda model, *data, **given: used.update(given, model=model) or 1 / 0)
    recipe = replace(
        RECIPE, optimizer="nesterov", momentum=0.7, learning_rate=0.3, weight_decay=0.01, label_smoothing=0.2,
        batch_size=16, patience=4, seed=5, n_more=36, schedule="cosine",
    )
    with pytest.raises(ZeroDivisionError):
        lab.train(recipe, tiny_data, tmp_path)
    optimizer = used["model"].optimizer
    assert (optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == (0.7, True, 0.01)
    # 7 steps of 16 images for 100, two epochs.
    schedule = optimizer._learning_rate
    assert schedule.warmup_steps + schedule.decay_steps == 14
    assert used["model"].loss.label_smoothing == 0.2
    assert [used[name] for name in ("batch_size", "epochs", "seed", "patience")] == [16, 2, 5, 4]
    assert used["augmentation"] is None
    assert used["keep_epochs"] == (0, 1, 2, 5, 10, 20)
    with pytest.raises(ZeroDivisionError):
        lab.train(replace(recipe, augmentation=("erase",)), tiny_data, tmp_path)
    x = np.ones((1, 32, 32, 3), np.float32)
    assert (used["augmentation"](x, x[:, 0, 0], np.random.default_rng(0))[0] != x).any()


def test_accuracies_are_those_of_the_image_itself_and_of_all_its_views(tiny_data, tmp_path, monkeypatch):
    """Of every four images, three are right by themselves, one on average, none by the last view."""

    def views(recipe, model, subsets):
        given = {}
        for name, subset in subsets.items():
            right, wrong = np.eye(10)[subset.labels], np.eye(10)[(subset.labels + 1) % 10]
            number = np.arange(len(right))[:, None] % 4
            itself, shifted = (np.where(number < n_right, right, wrong) for n_right in (3, 1))
            given[name] = np.stack([itself, shifted, 0.9 * wrong])
        return given

    monkeypatch.setattr(lab, "predictions", views)
    measures = lab.train(replace(RECIPE, epochs=1), tiny_data, tmp_path).measures
    for name in ("train", "validation", "test"):
        assert (measures[f"{name}_acc_one_view"], measures[f"{name}_acc"]) == (0.75, 0.25)


def test_augmentations_are_chained_in_their_order():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 32, 32, 3)).astype(np.float32), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 40)]
    for name in ("flip", "crop", "colour", "erase", "cutmix"):
        changed, targets = lab.augmentation((name,))(x, y, np.random.default_rng(1))
        assert changed.shape == x.shape
        assert (changed != x).any(), name
        assert (targets != y).any() == (name == "cutmix")
    flipped = lab.augmentation(("flip", "crop"))(x, y, np.random.default_rng(1))[0]
    generator = np.random.default_rng(1)
    expected = lab.augment.crop(lab.augment.flip(x, generator), 4, generator)
    np.testing.assert_array_equal(flipped, expected)


def test_views_average_mirrored_and_shifted_images(tiny_data):
    model, subsets = lab.build_model(RECIPE), lab.split(RECIPE, tiny_data)
    two, one, six = (lab.predictions(replace(RECIPE, test_views=n), model, subsets) for n in (2, 1, 6))
    assert list(six) == ["train", "validation", "test"]
    for name, subset in subsets.items():
        x = subset.x
        mirrored = (training.predict(model, x) + training.predict(model, x[:, :, ::-1])) / 2
        np.testing.assert_allclose(two[name].mean(axis=0), mirrored, atol=1e-6)
        np.testing.assert_allclose(one[name][0], training.predict(model, x), atol=1e-6)
        assert (len(one[name]), len(six[name])) == (1, 6)
    x = subsets["test"].x
    shifted = np.pad(x, ((0, 0), (2, 0), (2, 0), (0, 0)), mode="reflect")[:, 1:-1, 1:-1]
    back = np.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)), mode="reflect")[:, 1:-1, 1:-1]
    views = [view[:, :, ::step] for view in (x, shifted, back) for step in (1, -1)]
    expected = np.mean([training.predict(model, view) for view in views], axis=0)
    np.testing.assert_allclose(six["test"].mean(axis=0), expected, atol=1e-6)


def test_going_on_starts_from_the_best_model_of_its_run(tiny_data, tmp_path):
    """With a learning rate of almost zero the weights stay where they began."""
    for name, seed in (("best.keras", 7), ("final.keras", 8)):
        (tmp_path / "course").mkdir(exist_ok=True)
        lab.build_model(replace(RECIPE, seed=seed)).save(tmp_path / "course" / name)
    still = replace(RECIPE, learning_rate=1e-9, epochs=1, start="course")
    lab.train(still, tiny_data, tmp_path / "resumed")
    lab.build_model(replace(RECIPE, seed=9)).save(tmp_path / "own.keras")
    lab.train(still, tiny_data, tmp_path / "own", checkpoint=tmp_path / "own.keras")
    for name, seed in (("resumed", 7), ("own", 9)):
        model = lab.build_model(RECIPE)
        training.load_weights(model, training.final_file(tmp_path / name))
        expected = lab.build_model(replace(RECIPE, seed=seed)).get_weights()
        for weight, same in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(weight, same, atol=1e-6)


# --- a whole run ---


def test_course_and_resumption(tiny):
    course, resumed, deep = tiny.runs
    assert (course.study, len(course.history["loss"]), course.measures["steps"]) == ("course", 2, 2)
    assert (resumed.study, len(resumed.history["loss"]), resumed.measures["steps"]) == ("resumed", 1, 8)
    assert (deep.study, len(deep.history["loss"]), deep.measures["steps"]) == ("deep", 1, 1)
    assert (course.parameters, resumed.parameters) == (132_010, 132_010)
    assert lab.plan_resumed(TINY, [course])[0].recipe.start == course.key


def test_confusion_matrices_count_the_images(tiny):
    for name in ("resumed", "deep"):
        (run,) = tiny.of_study(name)
        for subset, n in (("train", 64), ("validation", 40), ("test", 40)):
            matrix = getattr(tiny, name).confusion[subset]
            assert matrix.sum() == n
            assert np.trace(matrix) / n == pytest.approx(run.measures[f"{subset}_acc"])


def test_confusion_has_the_truth_in_rows(tiny, tiny_data):
    labels = lab.split(RECIPE, tiny_data)["test"].labels
    np.testing.assert_array_equal(tiny.deep.confusion["test"].sum(axis=1), np.bincount(labels, minlength=10))


def test_maps_are_those_of_the_models_kept(tiny, tiny_data, folder):
    course, resumed, _ = tiny.runs
    x = lab.split(RECIPE, tiny_data)["test"].x
    assert list(tiny.course_maps) == [0, 1, 2]
    untrained, trained = lab.build_model(RECIPE), lab.build_model(RECIPE)
    maps = lab.activations.layer_outputs(untrained, ["conv2d"])
    np.testing.assert_allclose(tiny.course_maps[0], training.predict(maps, x[:1])["conv2d"][0], atol=1e-6)
    training.load_weights(trained, training.final_file(folder / course.key))
    maps = lab.activations.layer_outputs(trained, ["conv2d"])
    np.testing.assert_allclose(tiny.course_maps[2], training.predict(maps, x[:1])["conv2d"][0], atol=1e-6)
    training.load_weights(trained, training.final_file(folder / resumed.key))
    found = training.predict(maps, x[:12])["conv2d"]
    np.testing.assert_allclose(tiny.resumed_maps, found[:2], atol=1e-6)
    total = found.sum(axis=-1)
    np.testing.assert_allclose(tiny.resumed_masks, total / total.max(axis=(1, 2), keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(tiny.resumed.predicted, training.predict(trained, x[:12]).argmax(axis=1))
    assert {name: stage.maps.shape for name, stage in tiny.stages.items()} == {
        "stage_0": (32, 32, 4), "stage_1": (16, 16, 8),
    }
    assert tiny.stages["stage_1"].masks.shape == (12, 16, 16)
    assert 0.1 <= tiny.noise_confidence <= 1


def test_images_shown_are_the_first_of_their_subset(tiny, tiny_data):
    subsets = lab.split(RECIPE, tiny_data)
    np.testing.assert_array_equal(tiny.train_images, subsets["train"].images[:12])
    np.testing.assert_array_equal(tiny.train_labels, subsets["train"].labels[:12])
    np.testing.assert_array_equal(tiny.train_x, subsets["train"].x[:12])
    np.testing.assert_array_equal(tiny.test_images, subsets["test"].images[:12])
    np.testing.assert_array_equal(tiny.test_labels, subsets["test"].labels[:12])
    assert tiny.classes[:2] == ["class_plane", "class_car"]
    assert sum(layer.parameters for layer in tiny.layers) == 132_010
    assert tiny.deep_layers[-1].name == "classes"


def test_what_was_computed_equals_what_is_read_back(tiny, tmp_path):
    results.save(tiny, tmp_path)
    assert results.load(type(tiny), tmp_path) == tiny


def test_runs_are_remembered_and_shared_between_studies(tiny, tiny_data, folder):
    assert lab.run(TINY, tiny_data, folder) == tiny
    config = replace(TINY, questions=("4.2",), language="fr", resume_epochs=3)
    batches = lab.run(config, tiny_data, folder)
    # The network of batch size 32 is the course's: trained once, under two names.
    assert [(run.study, run.setting) for run in batches.runs] == [("batch_size", "32"), ("batch_size", "64")]
    assert batches.runs[0].epoch_seconds == tiny.runs[0].epoch_seconds
    assert batches.runs[1].measures["steps"] == 1
    assert (batches.course_maps, batches.deep, batches.resumed) == (None, None, None)


def test_a_model_that_is_gone_is_trained_again(tiny, tiny_data, folder):
    deep = tiny.runs[2]
    training.final_file(folder / deep.key).unlink()
    again = lab.run(replace(TINY, questions=("8.2",)), tiny_data, folder)
    assert again.runs[0].history == deep.history
    assert again.deep.confusion["test"].tolist() == tiny.deep.confusion["test"].tolist()


def test_going_on_from_another_file_is_another_run(tiny, tiny_data, folder, tmp_path):
    config, histories = replace(TINY, checkpoint=tmp_path / "own.keras", questions=("4.0",)), []
    for seed in (5, 6):
        lab.build_model(replace(RECIPE, seed=seed)).save(config.checkpoint)
        measured = lab.run(config, tiny_data, folder)
        assert measured.of_study("course")[0].epoch_seconds == tiny.of_study("course")[0].epoch_seconds
        histories.append(measured.of_study("resumed")[0].history)
    assert tiny.of_study("resumed")[0].history not in histories
    assert histories[0] != histories[1]


def test_several_seeds_give_several_runs(tiny, tiny_data, folder):
    measured = lab.run(replace(TINY, n_seeds=2, questions=("8.1",)), tiny_data, folder)
    assert [(run.study, run.seed) for run in measured.runs] == [
        ("course", 0), ("course", 1), ("resumed", 0), ("resumed", 1),
    ]
    assert measured.runs[0].history == tiny.runs[0].history != measured.runs[1].history
    np.testing.assert_array_equal(measured.resumed_maps, tiny.resumed_maps)
    starts = [each.recipe.start for each in lab.plan_resumed(TINY, measured.of_study("course"))]
    assert starts == [run.key for run in measured.of_study("course")]
    assert len(set(starts)) == 2
    # Of the second seed nobody looks inside: its last model is not kept.
    assert [training.final_file(folder / run.key).exists() for run in measured.runs] == [True, True, True, False]


def test_optimisers_have_seeds_of_their_own():
    config = replace(TINY, n_seeds=2, optimizer_seeds=3)
    names = ("optimizer", "depth", "deep")
    plan = lab.plan_others(config, set(names))
    seeds = {name: sorted({each.recipe.seed for each in plan if each.study == name}) for name in names}
    assert seeds == {"optimizer": [0, 1, 2], "depth": [0, 1], "deep": [0, 1]}
    assert [each.keep_model for each in plan if each.study == "deep"] == [True, False]
    assert not any(each.keep_model for each in plan if each.study != "deep")


def test_early_stopping_leaves_out_the_epochs_not_reached(tiny_data):
    recipe = replace(RECIPE, epochs=20, learning_rate=1.0, patience=1)
    measured = lab.run(replace(TINY, recipe=recipe, questions=("8.3",)), tiny_data)
    assert len(measured.runs[0].epoch_seconds) < 20
    assert max(measured.course_maps) < 20


# --- what is refused ---


def test_what_would_stop_the_last_training_stops_before_the_first(tiny_data, tmp_path):
    def run(n_train, questions, **others):
        config = replace(TINY, recipe=replace(RECIPE, n_train=n_train), questions=questions, **others)
        return lab.run(config, tiny_data, tmp_path)

    with pytest.raises(SettingError, match=r"at most 100 .* received 128"):
        run(100, ("4.2", "7.1"), batch_sizes=(8, 128))
    with pytest.raises(SettingError, match=r"at most 100 .* received 101"):
        run(100, ("7.1",), resume_batch_size=101)
    with pytest.raises(SettingError, match="at most 400 training images, received 800"):
        run(200, ("7.1", "7.2"))
    with pytest.raises(SettingError, match="at most 400 training images, received 500"):
        run(500, ("7.1",))
    assert not list(tmp_path.iterdir())
    assert run(100, ("3.1",), batch_sizes=(8, 128)).runs == []  # 128 is not asked for by this question


def test_checkpoint_of_another_architecture_is_refused(tiny_data, tmp_path):
    other = tmp_path / "other.keras"
    lab.build_model(replace(RECIPE, hidden_units=32)).save(other)
    with pytest.raises(DataError, match=r"132,010 parameters.*other\.keras.*does not fit"):
        lab.run(replace(TINY, checkpoint=other), tiny_data, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


# --- on the real images ---


@pytest.mark.data
@pytest.mark.slow
def test_the_course_run_on_cifar10_is_the_courses():
    """Means over three seeds: single seeds of 1000 test images spread by several points."""
    measured = lab.run(Config(data="real", questions=("4.0", "7.1"), n_seeds=3))
    course, resumed = measured.of_study("course"), measured.of_study("resumed")
    assert [len(run.epoch_seconds) for run in course] == [20, 20, 20]
    assert 0.80 <= np.mean([run.history["acc"][-1] for run in course]) <= 0.92
    assert 0.34 <= np.mean([run.history["val_acc"][-1] for run in course]) <= 0.46
    assert 0.38 <= np.mean([run.measures["test_acc"] for run in resumed]) <= 0.48
    losses = course[0].history["val_loss"]
    assert lab.metrics.rise(losses) > lab.metrics.OVERFITTING
    assert 3 <= lab.metrics.best_epoch(losses) <= 16
