import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from labs import cifar_cnn
from labs.cifar_cnn import PRESETS, Config
from mi204 import cli, preprocessing, questions, training
from mi204.datasets import ImageDataset, cifar10
from mi204.errors import DataError, SettingError
from mi204.results import Results, Run

ROOT = Path(__file__).resolve().parents[1]
TINY = replace(
    PRESETS["quick"], data="sample", n_train=64, n_validation=40, n_test=40, questions=("7.1",)
)


@pytest.fixture(scope="module")
def tiny_data():
    """Random images with the official sizes' proportions: the splits and shapes are tested, not the accuracy."""
    rng = np.random.default_rng(0)
    return ImageDataset(
        name="random", source="sample", notice="", classes=cifar10.CLASSES,
        x_train=rng.integers(0, 256, (400, 32, 32, 3), dtype=np.uint8), y_train=rng.integers(0, 10, 400),
        x_test=rng.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8), y_test=rng.integers(0, 10, 100),
    )


def command(*arguments, **environment):
    """Run the lab as its user would."""
    return subprocess.run(
        [sys.executable, "-m", "labs.cifar_cnn", *arguments],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment},
    )


# --- as the source specifies ---


def test_the_network_is_the_handouts():
    model = cifar_cnn.build_model(Config())
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


def test_the_settings_are_the_handouts():
    config = Config()
    assert (config.n_train, config.n_validation, config.n_test) == (5000, 1000, 1000)
    assert (config.optimizer, config.learning_rate) == ("sgd", 0.01)
    assert (config.batch_size, config.epochs, config.resume_batch_size, config.resume_epochs) == (32, 20, 8, 10)


def test_splits_are_drawn_from_the_right_sets_without_overlap(tiny_data):
    subsets = cifar_cnn.split(replace(TINY, n_validation=50, n_test=50), tiny_data)
    drawn = {name: {image.tobytes() for image in subset.images} for name, subset in subsets.items()}
    assert drawn["train"] <= {image.tobytes() for image in tiny_data.x_train}
    # 50 + 50 of 100: together they are the whole test set, so they have nothing in common.
    assert drawn["validation"] | drawn["test"] == {image.tobytes() for image in tiny_data.x_test}
    for subset in subsets.values():
        np.testing.assert_array_equal(subset.x, preprocessing.standardize(subset.images))
        np.testing.assert_array_equal(subset.y.argmax(axis=1), subset.labels)


def test_the_draw_depends_on_the_seed(tiny_data):
    first, again = (cifar_cnn.split(TINY, tiny_data)["test"].images for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (cifar_cnn.split(replace(TINY, seed=1), tiny_data)["test"].images != first).any()


@pytest.mark.parametrize(
    ("changes", "size"), [({"n_train": 401}, "401"), ({"n_validation": 60, "n_test": 60}, "60 \\+ 60")]
)
def test_more_images_than_there_are_is_refused(tiny_data, changes, size):
    with pytest.raises(SettingError, match=size):
        cifar_cnn.split(replace(TINY, **changes), tiny_data)


def test_training_goes_on_from_the_best_model_with_small_batches(tiny_data, tmp_path):
    results = cifar_cnn.run(TINY, tiny_data, tmp_path)
    course, resumed = results.runs
    assert (course.study, course.batch_size, len(course.history["loss"])) == ("course", 32, 2)
    assert (resumed.study, resumed.batch_size, len(resumed.history["loss"])) == ("resumed", 8, 1)
    assert resumed.measures["steps"] == 8
    best = next(path for path in tmp_path.glob("*/best.keras") if (path.parent / "epoch_0.weights.h5").exists())
    x = cifar_cnn.split(TINY, tiny_data)["test"].x
    model = cifar_cnn.build_model(TINY)
    training.load_weights(model, best)
    # Epoch 2 or 1 of the course run, not the initial weights.
    initial = training.predict(cifar_cnn.build_model(TINY), x)
    assert np.abs(training.predict(model, x) - initial).max() > 1e-3


def test_the_confusion_matrices_count_the_images(tiny_data, tmp_path):
    results = cifar_cnn.run(TINY, tiny_data, tmp_path)
    for subset, n in (("train", 64), ("validation", 40), ("test", 40)):
        matrix = results.arrays[f"resumed_confusion_{subset}"]
        assert matrix.sum() == n
        resumed = results.of_study("resumed")[0]
        assert np.trace(matrix) / n == pytest.approx(resumed.measures[f"{subset}_acc"])


def test_only_what_a_question_needs_is_run(tiny_data):
    assert cifar_cnn.needed_studies(Config()) == ["course"]
    assert cifar_cnn.needed_studies(Config(questions=("2.1", "3.1"))) == []
    assert cifar_cnn.needed_studies(Config(questions=("7.2", "4.2"))) == ["batch_size", "remedies"]
    assert cifar_cnn.needed_studies(Config(questions=("6.1",))) == ["deep", "depth", "ablation"]
    assert cifar_cnn.needed_studies(Config(questions=("6.1",), ablation_epochs=0)) == ["deep", "depth"]
    assert cifar_cnn.needed_studies(PRESETS["full"]) == list(cifar_cnn.STUDIES)
    assert cifar_cnn.run(replace(TINY, questions=("2.2",)), tiny_data).runs == []


def test_studies_change_one_thing():
    for name in ("batch_size", "depth", "remedies", "ablation"):
        settings = cifar_cnn.study(name, Config())
        base = next(iter(settings.values()))
        for setting, config in settings.items():
            changed = {field for field in vars(base) if getattr(base, field) != getattr(config, field)}
            # Without normalisation or schedule, the learning rate must be smaller: the name of the setting says so.
            changed -= {"learning_rate"} if setting in ("without_normalization", "without_cosine") else set()
            assert len(changed) == (setting != next(iter(settings))), (name, setting, changed)


def test_remedies_start_from_none():
    assert cifar_cnn.study("remedies", Config(dropout=0.5, augmentation=("flip",)))["none"] == Config()


def test_what_would_stop_the_last_training_stops_before_the_first(tiny_data, tmp_path):
    with pytest.raises(SettingError, match=r"at most 100 .* received 128"):
        cifar_cnn.run(replace(TINY, n_train=100, questions=("4.2", "7.1")), tiny_data, tmp_path)
    with pytest.raises(SettingError, match="at most 400 training images, received 800"):
        cifar_cnn.run(replace(TINY, n_train=200, questions=("7.1", "7.2")), tiny_data, tmp_path)
    assert not list(tmp_path.iterdir())
    # 128 is not asked for by this question.
    assert cifar_cnn.run(replace(TINY, n_train=100), tiny_data).runs


def test_runs_are_remembered_by_all_that_they_depend_on(tiny_data, tmp_path):
    config = replace(TINY, batch_sizes=(16, 32), questions=("4.2",))
    first = cifar_cnn.run(config, tiny_data, tmp_path)
    again = cifar_cnn.run(replace(config, language="fr", resume_epochs=2), tiny_data, tmp_path)
    assert [run.epoch_seconds for run in again.runs] == [run.epoch_seconds for run in first.runs]
    # The network of batch size 32 is the one without remedies: trained once, under two names.
    remedies = cifar_cnn.run(replace(config, questions=("7.2",), n_train=64), tiny_data, tmp_path)
    assert remedies.runs[0].epoch_seconds == first.runs[1].epoch_seconds
    assert (remedies.runs[0].study, remedies.runs[0].setting) == ("remedies", "none")
    other = cifar_cnn.run(replace(config, learning_rate=0.02), tiny_data, tmp_path)
    assert other.runs[0].history != first.runs[0].history


def test_going_on_from_another_start_is_another_run(tiny_data, tmp_path):
    first = cifar_cnn.run(TINY, tiny_data, tmp_path)
    longer = cifar_cnn.run(replace(TINY, epochs=3, learning_rate=0.05), tiny_data, tmp_path)
    assert first.of_study("resumed")[0].history != longer.of_study("resumed")[0].history
    checkpoint = tmp_path / "mine.keras"
    cifar_cnn.build_model(replace(TINY, seed=5)).save(checkpoint)
    mine = cifar_cnn.run(replace(TINY, checkpoint=checkpoint), tiny_data, tmp_path)
    assert mine.of_study("course")[0].epoch_seconds == first.of_study("course")[0].epoch_seconds
    assert mine.of_study("resumed")[0].history != first.of_study("resumed")[0].history
    cifar_cnn.build_model(replace(TINY, seed=6)).save(checkpoint)
    replaced = cifar_cnn.run(replace(TINY, checkpoint=checkpoint), tiny_data, tmp_path)
    assert replaced.of_study("resumed")[0].history != mine.of_study("resumed")[0].history


def test_several_seeds_give_several_runs(tiny_data):
    results = cifar_cnn.run(replace(TINY, n_seeds=2), tiny_data)
    assert [(run.study, run.seed) for run in results.runs] == [
        ("course", 0), ("resumed", 0), ("course", 1), ("resumed", 1),
    ]
    assert results.runs[0].history != results.runs[2].history


def test_early_stopping_leaves_out_the_epochs_not_reached(tiny_data):
    results = cifar_cnn.run(replace(TINY, epochs=20, learning_rate=1.0, patience=1), tiny_data)
    assert len(results.runs[0].epoch_seconds) < 20
    assert max(results.values["map_epochs"]) < 20


def test_output_dropout_zeroes_probabilities_while_training():
    model = cifar_cnn.build_model(Config(output_dropout=0.5))
    x = np.random.default_rng(0).normal(size=(20, 32, 32, 3)).astype("float32")
    trained = keras.ops.convert_to_numpy(model(x, training=True))
    assert (trained == 0).mean() == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(training.predict(model, x).sum(axis=1), 1, rtol=1e-5)


def test_test_views_average_mirrored_and_shifted_images(tiny_data):
    model = cifar_cnn.build_model(TINY)
    x = cifar_cnn.split(TINY, tiny_data)["test"].x
    mirrored = (training.predict(model, x) + training.predict(model, x[:, :, ::-1])) / 2
    two, one = (cifar_cnn.predictions(replace(TINY, test_views=n), model, x) for n in (2, 1))
    np.testing.assert_allclose(two.mean(axis=0), mirrored, atol=1e-6)
    np.testing.assert_array_equal(two[0], training.predict(model, x))
    np.testing.assert_array_equal(one, two[:1])
    shifted = np.pad(x, ((0, 0), (2, 0), (2, 0), (0, 0)), mode="reflect")[:, 1:-1, 1:-1]
    back = np.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)), mode="reflect")[:, 1:-1, 1:-1]
    views = [view[:, :, ::step] for view in (x, shifted, back) for step in (1, -1)]
    expected = np.mean([training.predict(model, view) for view in views], axis=0)
    found = cifar_cnn.predictions(replace(TINY, test_views=6), model, x).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_standardization_by_set_uses_the_training_images_alone(tiny_data):
    config = replace(TINY, standardization="set")
    subsets = cifar_cnn.split(config, tiny_data)
    images = subsets["train"].images.astype("float64")
    mean, deviation = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    for subset in subsets.values():
        np.testing.assert_allclose(subset.x, (subset.images - mean) / deviation, atol=1e-5)


def test_constant_images_give_no_nan(tiny_data):
    blank = replace(tiny_data, x_train=np.full_like(tiny_data.x_train, 255))
    results = cifar_cnn.run(TINY, blank)
    assert all(np.isfinite(values).all() for run in results.runs for values in run.history.values())
    assert all(np.isfinite(array).all() for array in results.arrays.values())


def deep_results(**ablation: float) -> Results:
    """Results with one run of the deeper network (90 %) and one per setting of the ablation, of these accuracies."""
    accuracies = {("depth", "one_convolution"): 0.4, ("deep", ""): 0.9}
    accuracies |= {("ablation", setting): accuracy for setting, accuracy in ablation.items()}
    runs = [
        Run(study, setting, 0, 32, 10, {"acc": [0.5]}, [60.0, 60.0],
            dict.fromkeys(("validation_acc", "test_acc", "test_acc_one_view"), accuracy))
        for (study, setting), accuracy in accuracies.items()
    ]  # fmt: skip
    values = {"deep_config": {"filters": [32, 64, 128, 256]}}
    return Results("cifar_cnn", {"n_seeds": 1, "n_test": 1000}, "CIFAR-10", "real", {}, runs, values)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_ablation_tells_lost_points_and_what_may_be_chance(language):
    question = questions.of_lab(cifar_cnn)["6.1"]
    answer = cifar_cnn.deeper_network(deep_results(everything=0.8, without_flip=0.75))
    assert list(answer.table["lost_points"]) == ["-", 0, pytest.approx(5)]
    # The standard error of 80 % on 1000 images is 1.26 points; of a difference, times the root of 2.
    assert answer.values["chance"] == pytest.approx(2 * 2**0.5 * 1.2649, rel=1e-4)
    assert answer.values["n_convolutions"] == 10
    assert ("3.6" if language == "en" else "3,6") in question.render(
        deep_results(everything=0.8, without_flip=0.75), language
    )
    without = question.render(deep_results(), language)
    assert all(word not in without for word in ("chance", "(« complet »)", '("everything")'))


# --- what is refused ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "lion"}, "optimizer to be one of sgd, momentum, nesterov, adam, received 'lion'"),
        ({"preset": "huge"}, "preset to be one of quick, course, full"),
        ({"n_train": 0}, "n_train to be at least 1, received 0"),
        ({"n_test": -5}, "n_test to be at least 1, received -5"),
        ({"batch_size": 5001}, "at most 5000"),
        ({"patience": 0}, "patience to be at least 1"),
        ({"seed": -1}, "seed to be at least 0"),
        ({"batch_sizes": (8, 0)}, "batch_sizes to be at least 1, received 0"),
        ({"dropout": 1.0}, "dropout to be at least 0 and less than 1"),
        ({"filters": ()}, "1 to 5 numbers of filters"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"epochs": 0}, "epochs to be at least 1"),
        ({"augmentation": ("rotate",)}, "rotate"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        Config(**changes)


def test_unknown_question_is_refused():
    with pytest.raises(SettingError, match=r"among 2\.1.*received 9\.9"):
        questions.choose(questions.of_lab(cifar_cnn), ("9.9",))


def test_checkpoint_of_another_architecture_is_refused(tiny_data, tmp_path):
    other = tmp_path / "other.keras"
    cifar_cnn.build_model(replace(TINY, hidden_units=32)).save(other)
    with pytest.raises(DataError, match=r"132,010 parameters.*other\.keras.*does not fit"):
        cifar_cnn.run(replace(TINY, checkpoint=other), tiny_data, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge"], "--preset to be one of quick, course, full, received 'huge'"),
        (["--n-train", "0"], "n_train to be at least 1"),
        (["--preset", "quick", "--batch-size", "257"], "at most 256"),
        (["--questions", "9.9"], "question numbers among"),
        (["--optimizer", "lion"], "invalid choice"),
        (["--preset", "quick", "--data", "sample", "--n-train", "60000"], "50,000"),
    ],
)
def test_the_command_line_says_what_is_wrong(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["labs.cifar_cnn", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.start(Config, PRESETS, cifar_cnn.main)
    # Python ends with code 1 and prints the message where there is one in place of a code.
    assert stop.value.code == 2 or str(stop.value.code).startswith("Error: ")
    printed = capsys.readouterr()
    assert message in f"{stop.value.code}{printed.out}{printed.err}"


def test_results_folder_that_cannot_be_written_is_named_without_a_traceback(tmp_path):
    (tmp_path / "file").write_text("")
    finished = command("--preset", "quick", "--data", "sample", MI204_FIGURES=str(tmp_path / "file"))
    assert finished.returncode == 1
    assert "set MI204_FIGURES to another folder" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path):
    arguments = [
        "--preset", "quick", "--data", "sample", "--questions", "7.1", "--epochs", "40", "--n-train", "2000",
    ]  # fmt: skip
    environment = {**os.environ, "MI204_FIGURES": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    # Where the tests run in the background, the shell has them, and what they start, ignore Ctrl-C; a program
    # started while a signal is handled gets that signal's default. (A preexec_fn would fork, of which jax warns.)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "labs.cifar_cnn", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=ROOT, env=environment,
    )
    signal.signal(signal.SIGINT, handler)
    best = tmp_path / "cifar_cnn" / "runs"
    deadline = time.monotonic() + 120
    # Epoch 1 is recorded by the time the weights of epoch 2 are kept.
    while not list(best.glob("*/epoch_2.weights.h5")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "after epoch" in errors
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    (saved,) = best.iterdir()
    done = training.read_history(saved)
    assert 1 <= done.epochs < 40
    finished = command(*arguments, MI204_FIGURES=str(tmp_path))
    assert finished.returncode == 0, finished.stderr
    history = training.read_history(saved)
    assert history.epochs == 40
    assert history.metrics["loss"][: done.epochs] == done.metrics["loss"]


# --- on the real images ---


@pytest.mark.data
@pytest.mark.slow
def test_the_course_run_on_cifar10_is_the_courses():
    """Means over three seeds: single seeds of 1000 test images spread by several points."""
    results = cifar_cnn.run(Config(data="real", questions=("7.1",), n_seeds=3))
    course, resumed = results.of_study("course"), results.of_study("resumed")
    assert [len(run.epoch_seconds) for run in course] == [20, 20, 20]
    assert 0.80 <= np.mean([run.history["acc"][-1] for run in course]) <= 0.92
    assert 0.34 <= np.mean([run.history["val_acc"][-1] for run in course]) <= 0.46
    assert 0.38 <= np.mean([run.measures["test_acc"] for run in resumed]) <= 0.48
    answer = cifar_cnn.overfitting_seen(results)
    assert answer.texts == ("answer",)
    assert 3 <= answer.values["epoch"] <= 16
