"""The lab of homework 004: sizes, data, what is logged, what is refused, and the claims on real data."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from labs.fashion_trainer import lab
from labs.fashion_trainer.config import NETWORKS, Config, Recipe, compared, parameters
from labs.fashion_trainer.measured import Measured
from mi204 import preprocessing, results
from mi204.architectures import NetworkConfiguration
from mi204.datasets import ImageDataset, fashion_mnist
from mi204.errors import SettingError

pytestmark = pytest.mark.backend

TINY = Recipe(n_train=120, n_validation=40, n_test=50, batch_size=50, epochs=2)


@pytest.fixture(scope="module")
def tiny_data():
    rng = np.random.default_rng(0)
    return ImageDataset(
        name="random", source="sample", notice=None, classes=fashion_mnist.CLASSES,
        x_train=rng.integers(0, 256, (200, 28, 28, 1), dtype=np.uint8), y_train=rng.integers(0, 10, 200),
        x_test=rng.integers(0, 256, (100, 28, 28, 1), dtype=np.uint8), y_test=rng.integers(0, 10, 100),
    )


@pytest.fixture(scope="module")
def rates(tiny_data, tmp_path_factory):
    """Question 2.2, with two rates: the folder and what was measured."""
    folder = tmp_path_factory.mktemp("runs")
    config = Config(recipe=TINY, learning_rates=(1e-3, 1e-4), questions=("2.2",))
    return folder, lab.run(config, tiny_data, folder)


# --- sizes ---


def test_the_networks_of_keras_have_the_sizes_counted_by_hand():
    networks = lab.networks(Config())
    assert {model.name: model.count_params() for model in networks} == {
        name: parameters(*network) for name, network in NETWORKS.items()
    }


# --- data ---


def test_validation_and_test_are_parts_of_the_official_test_set(tiny_data):
    subsets = lab.split(TINY, tiny_data)
    assert list(subsets) == ["train", "validation", "test"]
    np.testing.assert_array_equal(subsets["train"][0], tiny_data.x_train[:120])
    np.testing.assert_array_equal(subsets["train"][1], tiny_data.y_train[:120])
    np.testing.assert_array_equal(subsets["validation"][0], tiny_data.x_test[:40])
    np.testing.assert_array_equal(subsets["validation"][1], tiny_data.y_test[:40])
    np.testing.assert_array_equal(subsets["test"][0], tiny_data.x_test[40:90])
    np.testing.assert_array_equal(subsets["test"][1], tiny_data.y_test[40:90])
    assert {images.dtype for images, _ in subsets.values()} == {np.dtype("float32")}


# --- training ---


def test_optimizer_and_loss_are_the_homeworks(tiny_data, tmp_path, monkeypatch):
    used = {}

    def fit(model, *_, **options):
        used.update(options, model=model)
        raise InterruptedError

    monkeypatch.setattr(lab.training, "fit", fit)
    with pytest.raises(InterruptedError):
        lab.train(replace(TINY, learning_rate=0.003), lab.split(TINY, tiny_data), tmp_path)
    optimizer = used["model"].optimizer
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert float(optimizer.learning_rate) == pytest.approx(0.003)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    assert used["model"].loss is lab.losses.clipped_cross_entropy
    assert (used["shuffle"], used["batch_size"], used["epochs"]) == (False, 50, 2)


def test_runs_are_logged_as_the_homework_does_and_remembered(rates, tiny_data):
    folder, measured = rates
    assert [(run.study, run.setting) for run in measured.runs] == [
        ("raw", "0.001"), ("raw", "0.0001"), ("normalised", "0.001"), ("normalised", "0.0001"),
    ]
    for run in measured.runs:
        assert {name: len(values) for name, values in run.history.items()} == {
            "train_loss": 3, "train_accuracy": 3, "validation_loss": 3, "validation_accuracy": 3,
            "train_gradient_norm": 2,
        }
        assert np.isfinite([value for values in run.history.values() for value in values]).all()
        assert run.parameters == 269_322
    # The homework's perceptron of question 2.3 is the one with normalised pixels and the usual learning rate.
    again = lab.run(replace(measured.config, questions=("2.4",)), tiny_data, folder)
    assert again.of_study("cnn")[0].epoch_seconds == measured.runs[3].epoch_seconds
    assert len(list(folder.glob("*/run.json"))) == 5
    assert again.of_study("cnn")[1].parameters == 270_743


def test_what_was_computed_equals_what_is_read_back(rates, tmp_path):
    _, measured = rates
    results.save(measured, tmp_path)
    again = results.load(Measured, tmp_path)
    assert again == measured
    assert again.config == measured.config
    assert isinstance(again.config.recipe.network, NetworkConfiguration)
    assert again.networks == {name: network for name, (_, network) in NETWORKS.items()}
    assert isinstance(again.networks["cnn"], NetworkConfiguration)


def test_loss_and_accuracy_logged_are_those_of_the_saved_network(tiny_data, tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "N_LOGGED", 30)  # of 120 for training; validation is logged whole
    subsets = lab.split(TINY, tiny_data)
    trained = lab.train(TINY, subsets, tmp_path)
    x = {name: preprocessing.standardize_pixels(images, subsets["train"][0]) for name, (images, _) in subsets.items()}
    y = {name: preprocessing.one_hot(labels, 10) for name, (_, labels) in subsets.items()}
    logged = x["train"][:30], y["train"][:30]
    model = lab.build_model(TINY)
    assert lab.evaluate(model, *logged) == (trained.history["train_loss"][0], trained.history["train_accuracy"][0])
    assert lab.evaluate(model, x["validation"], y["validation"]) == (
        trained.history["validation_loss"][0], trained.history["validation_accuracy"][0],
    )
    lab.training.load_weights(model, lab.training.final_file(tmp_path))
    loss, accuracy = lab.evaluate(model, *logged)
    assert loss == pytest.approx(trained.history["train_loss"][-1], rel=1e-5)
    assert accuracy == trained.history["train_accuracy"][-1]
    loss, accuracy = lab.evaluate(model, x["test"], y["test"])
    assert loss == pytest.approx(trained.measures["test_loss"], rel=1e-5)
    assert accuracy == trained.measures["test_acc"]


def test_raw_pixels_are_left_as_they_are(rates, tiny_data):
    _, measured = rates
    images, labels = lab.split(TINY, tiny_data)["validation"]
    loss, _ = lab.evaluate(lab.build_model(TINY), images, preprocessing.one_hot(labels, 10))
    assert [run.history["validation_loss"][0] == loss for run in measured.runs] == [True, True, False, False]


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(rates, tiny_data, tmp_path):
    whole = rates[1].runs[3]  # normalised pixels and the usual rate: TINY
    subsets = lab.split(TINY, tiny_data)
    ended = []

    def interrupt():
        ended.append(1)
        if len(ended) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.train(TINY, subsets, tmp_path, interrupt)
    resumed = lab.train(TINY, subsets, tmp_path)
    for name, values in whole.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-6, err_msg=name)


def test_the_torch_engine_trains_the_same_networks_elsewhere(rates, tiny_data, tmp_path):
    pytest.importorskip("torch")
    _, with_keras = rates
    config = Config(recipe=replace(TINY, engine="torch", epochs=1), questions=("2.4",), n_seeds=2)
    measured = lab.run(config, tiny_data, tmp_path)
    assert measured.environment["backend"] == "torch (Trainer)"
    assert [(run.seed, run.parameters) for run in measured.runs] == [
        (0, 269_322), (0, 270_743), (1, 269_322), (1, 270_743),
    ]
    assert measured.runs[0].history != measured.runs[2].history
    assert measured.origin != with_keras.origin
    assert {name: len(values) for name, values in measured.runs[0].history.items()} == {
        "train_accuracy": 2, "validation_accuracy": 2, "train_loss": 2, "validation_loss": 2, "train_gradient_norm": 1,
    }
    assert measured.runs[0].measures.keys() == {"test_loss", "test_acc"}
    kept = results.keep(measured, Config(recipe=TINY), tmp_path / "records")
    assert kept.folder.name == "course-torch_Trainer-sample-engine=torch,epochs=1,n_seeds=2"
    assert kept.measured == measured


# --- equivariance ---


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_commutes_inside_and_a_rotation_does_not(tiny_data, seed):
    image = tiny_data.x_train[0].astype(np.float32) / 255
    found = lab.equivariance(seed, image)
    np.testing.assert_array_equal(found.image, image[..., 0])
    assert found.features.shape == found.shift_difference.shape == found.rotation_difference.shape == (24, 24)
    assert found.features.max() > 0
    np.testing.assert_allclose(found.shift_difference[5:, 5:], 0, atol=1e-6)
    assert found.rotation_difference.max() > 0.01


def test_equivariance_is_measured_whatever_is_asked(rates, tiny_data):
    image = tiny_data.x_train[0] / np.float32(255)
    alone = lab.run(Config(recipe=replace(TINY, seed=3), questions=("2.1",)), tiny_data)
    assert not alone.runs
    for measured, seed in ((rates[1], 0), (alone, 3)):
        np.testing.assert_array_equal(measured.equivariance.image, image[..., 0])
        np.testing.assert_array_equal(measured.equivariance.features, lab.equivariance(seed, image).features)


# --- what is refused ---


def test_more_images_than_there_are_is_refused_before_training(tiny_data):
    with pytest.raises(SettingError, match="n_train of at most 200, received 60,000"):
        lab.run(Config(), tiny_data)
    with pytest.raises(SettingError, match=r"n_validation \+ n_test of at most 100, received 130") as refused:
        lab.run(Config(recipe=replace(TINY, n_test=90)), tiny_data)
    assert "d'au plus 100 attendu, 130 reçu" in refused.value.written("fr")


def test_the_torch_engine_without_torch_says_what_to_install(tiny_data, monkeypatch):
    monkeypatch.setattr(lab.packages, "installed", lambda name: name != "torch")
    with pytest.raises(SettingError, match=r'Expected torch to be installed.*"\.\[torch\]".*--engine keras'):
        lab.run(Config(recipe=replace(TINY, engine="torch")), tiny_data)


# --- on the real images ---


@pytest.mark.data
@pytest.mark.slow
def test_the_perceptron_passes_85_percent_in_a_few_epochs(tmp_path):
    recipe = compared("normalised", Recipe(epochs=3), (1e-3,))["0.001"]
    data = fashion_mnist.load("real")
    trained = lab.train(recipe, lab.split(recipe, data), tmp_path)
    assert max(trained.history["validation_accuracy"]) > 0.85
