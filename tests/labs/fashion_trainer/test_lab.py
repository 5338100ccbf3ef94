"""The lab of homework 004: sizes computed, studies, what is refused, and the claims on real data."""

from dataclasses import replace

import numpy as np
import pytest

from labs import fashion_trainer
from labs.fashion_trainer import CNN, DEEP_MLP, PRESETS, SHALLOW_CNN, TARGET, Config
from mi204 import questions, tables
from mi204.datasets import ImageDataset, fashion_mnist
from mi204.errors import SettingError
from mi204.results import Results, Run

TINY = replace(
    PRESETS["quick"], n_train=120, n_validation=40, n_test=50, batch_size=50, epochs=2, learning_rates=(1e-3, 1e-4)
)


@pytest.fixture(scope="module")
def tiny_data():
    rng = np.random.default_rng(0)
    return ImageDataset(
        name="random", source="sample", notice="", classes=fashion_mnist.CLASSES,
        x_train=rng.integers(0, 256, (200, 28, 28, 1), dtype=np.uint8), y_train=rng.integers(0, 10, 200),
        x_test=rng.integers(0, 256, (100, 28, 28, 1), dtype=np.uint8), y_test=rng.integers(0, 10, 100),
    )  # fmt: skip


# --- sizes ---


def test_the_sizes_left_to_find_are_the_nearest():
    assert TARGET == 269_322
    assert DEEP_MLP.dense_hiddens == (64,) * 54
    assert CNN.kernel_sizes == (3, 3, 3)
    assert SHALLOW_CNN.n_channels == (41,)
    networks = fashion_trainer._networks()
    assert {name: network["difference"] for name, network in networks.items()} == {
        "mlp": 0, "deep_mlp": 2048, "cnn": 1421, "deep_cnn": 64_256, "shallow_cnn": -583,
    }  # fmt: skip


def test_the_networks_of_keras_have_the_sizes_counted_by_hand():
    for name, config in (fashion_trainer.study("depth", Config()) | fashion_trainer.study("width", Config())).items():
        model = fashion_trainer.build_model(config)
        assert model.count_params() == fashion_trainer.parameters(config.network_type, config.network), name


# --- data ---


def test_validation_and_test_are_parts_of_the_official_test_set(tiny_data):
    subsets = fashion_trainer.split(TINY, tiny_data)
    np.testing.assert_array_equal(subsets["train"].images, tiny_data.x_train[:120])
    np.testing.assert_array_equal(subsets["validation"].labels, tiny_data.y_test[:40])
    np.testing.assert_array_equal(subsets["test"].images, tiny_data.x_test[40:90])
    assert subsets["train"].images.dtype == np.float32


# --- studies ---


def test_runs_are_logged_as_the_homework_does_and_remembered(tiny_data, tmp_path):
    config = replace(TINY, questions=("2.2",))
    results = fashion_trainer.run(config, tiny_data, tmp_path)
    assert [(run.study, run.setting) for run in results.runs] == [
        ("raw", "0.001"), ("raw", "0.0001"), ("normalised", "0.001"), ("normalised", "0.0001"),
    ]  # fmt: skip
    for run in results.runs:
        assert {name: len(values) for name, values in run.history.items()} == {
            "train_loss": 3, "train_accuracy": 3, "validation_loss": 3, "validation_accuracy": 3,
            "train_gradient_norm": 2,
        }  # fmt: skip
        assert np.isfinite([value for values in run.history.values() for value in values]).all()
    # The homework's perceptron of question 2.3 is the one with normalised pixels and the usual learning rate.
    again = fashion_trainer.run(replace(config, questions=("2.4",)), tiny_data, tmp_path)
    assert again.of_study("cnn")[0].epoch_seconds == results.runs[3].epoch_seconds
    assert len(list(tmp_path.glob("*.json"))) == 5


def test_loss_and_accuracy_logged_are_those_of_the_saved_network(tiny_data, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_trainer, "N_LOGGED", 30)  # of 120 for training; validation is logged whole
    subsets = fashion_trainer.split(TINY, tiny_data)
    run = fashion_trainer.train_with_keras(TINY, subsets, tmp_path)
    model = fashion_trainer.build_model(TINY)
    x = fashion_trainer.preprocessing.standardize_pixels(subsets["train"].images, subsets["train"].images)
    x, y = x[:30], fashion_trainer.one_hot(subsets["train"].labels[:30], 10)
    assert fashion_trainer.evaluate(model, x, y) == (run.history["train_loss"][0], run.history["train_accuracy"][0])
    x_validation = fashion_trainer.preprocessing.standardize_pixels(
        subsets["validation"].images, subsets["train"].images
    )
    y_validation = fashion_trainer.one_hot(subsets["validation"].labels, 10)
    assert fashion_trainer.evaluate(model, x_validation, y_validation)[0] == run.history["validation_loss"][0]
    best = int(np.argmax(run.history["validation_accuracy"][1:])) + 1
    model.load_weights(tmp_path / "best.keras")
    assert fashion_trainer.evaluate(model, x, y)[0] == pytest.approx(run.history["train_loss"][best], rel=1e-5)


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tiny_data, tmp_path):
    subsets = fashion_trainer.split(TINY, tiny_data)
    whole = fashion_trainer.train_with_keras(replace(TINY, epochs=3), subsets, tmp_path / "whole")
    ended = []

    def interrupt():
        ended.append(1)
        if len(ended) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fashion_trainer.train_with_keras(replace(TINY, epochs=3), subsets, tmp_path / "part", interrupt)
    resumed = fashion_trainer.train_with_keras(replace(TINY, epochs=3), subsets, tmp_path / "part")
    for name, values in whole.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-6, err_msg=name)


def test_the_torch_engine_answers_the_same_questions(tiny_data, tmp_path):
    pytest.importorskip("torch")
    results = fashion_trainer.run(replace(TINY, engine="torch", questions=("2.4",)), tiny_data, tmp_path)
    assert results.environment["backend"] == "torch (Trainer)"
    assert [run.parameters for run in results.runs] == [269_322, 270_743]
    assert "2.4" in questions.of_lab(fashion_trainer)["2.4"].render(results, "fr")


# --- equivariance ---


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_commutes_inside_and_a_rotation_does_not(tiny_data, seed):
    results = fashion_trainer.run(replace(TINY, seed=seed, questions=("2.1",)), tiny_data)
    arrays = results.arrays
    assert arrays["features"].shape == (24, 24)
    assert arrays["features"].max() > 0
    np.testing.assert_allclose(arrays["shift_difference"][5:, 5:], 0, atol=1e-6)
    assert arrays["rotation_difference"].max() > 0.01
    assert not results.runs


# --- answers ---


def results_of(studies, **config):
    """Results of runs that end at the given validation accuracies, by study and setting."""
    runs = [
        Run(study, setting, 0, 128, 10, {
            "train_loss": [2.3, 2.2, 2.1], "train_accuracy": [0.1, 0.3, 0.3], "validation_loss": [2.3, 2.2, 2.1],
            "validation_accuracy": [0.1, 0.2, accuracy], "train_gradient_norm": [0.25, 0.75],
        }, [1.0, 1.0], {"test_acc": accuracy})
        for study, accuracies in studies.items()
        for setting, accuracy in accuracies.items()
    ]  # fmt: skip
    config = {"n_seeds": 1, "n_test": 2000, "activation": "relu", "learning_rates": [1e-2, 1e-4]} | config
    values = {"networks": fashion_trainer._networks()}
    return Results("fashion_trainer", config, "Fashion-MNIST", "real", {}, runs, values)


@pytest.mark.parametrize(
    ("number", "studies", "texts", "french"),
    [
        ("2.2", {"raw": {"0.01": 0.8, "0.0001": 0.1}, "normalised": {"0.01": 0.9, "0.0001": 0.1}},
         ("answer", "small_stuck", "large_best"), "bougent à peine"),
        ("2.2", {"raw": {"0.01": 0.8, "0.0001": 0.7}, "normalised": {"0.01": 0.8, "0.0001": 0.9}},
         ("answer", "small_slow", "large_worse"), "au lieu de l'atteindre"),
        ("2.3", {"depth": {"mlp": 0.9, "deep_mlp": 0.1}}, ("answer", "not_learned"), "n'a pas appris"),
        ("2.3", {"depth": {"mlp": 0.9, "deep_mlp": 0.7}}, ("answer", "learned"), "entre 0,25 et 0,75"),
        ("2.4", {"cnn": {"mlp": 0.88, "cnn": 0.91}}, ("answer", "cnn_ahead"), "meilleur, de 3,0 points"),
        ("2.4", {"cnn": {"mlp": 0.88, "cnn": 0.89}}, ("answer", "cnn_not_ahead"), "ne montre pas"),
        ("2.5", {"width": {"cnn": 0.91, "deep_cnn": 0.8, "shallow_cnn": 0.88}}, ("answer", "cnn_first"), "font ce qu"),
        ("2.5", {"width": {"cnn": 0.88, "deep_cnn": 0.8, "shallow_cnn": 0.9}}, ("answer", "cnn_not_first"),
         "En tête : peu profond"),
    ],
)  # fmt: skip
def test_the_explanation_depends_on_what_was_measured(number, studies, texts, french):
    question = questions.of_lab(fashion_trainer)[number]
    results = results_of(studies)
    assert question.function(results).texts == texts
    assert french in question.render(results, "fr")


def test_a_network_whose_gradient_is_zero_is_told():
    results = results_of({"raw": {"0.01": 0.1, "0.0001": 0.8}, "normalised": {"0.01": 0.8, "0.0001": 0.9}})
    question = questions.of_lab(fashion_trainer)["2.2"]
    assert "norme du gradient est nulle" not in question.render(results, "fr")
    results.runs[0].history["train_gradient_norm"][-1] = 0.0
    assert question.function(results).texts[-1] == "large_saturated"
    assert "pixels bruts, la norme du gradient est nulle à la fin et le coût d'apprentissage reste à 2,10" in (
        question.render(results, "fr")
    )


def test_sizes_that_the_answers_name_are_counted():
    results = results_of(
        {"depth": {"mlp": 0.9, "deep_mlp": 0.1}, "width": {"cnn": 0.9, "deep_cnn": 0.8, "shallow_cnn": 0.8}}
    )
    asked = questions.of_lab(fashion_trainer)
    assert "adds 4,160," in asked["2.3"].render(results, "en")
    assert "alone hold 330,762." in asked["2.5"].render(results, "en")


@pytest.mark.parametrize(("activation", "divisor"), fashion_trainer.GRADIENT_DIVISORS.items())
def test_the_gradient_that_passes_a_layer_is_divided_as_the_answer_says(activation, divisor):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer, f = torch.nn.Linear(2000, 2000), {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
    x = (0.1 * torch.randn(20, 2000)).requires_grad_()
    slopes = torch.randn(20, 2000)
    (before,) = torch.autograd.grad(f[activation](layer(x)), x, slopes)
    assert float(slopes.var() / before.var()) == pytest.approx(divisor, rel=0.1)


def test_the_explanation_names_the_activation_trained():
    answer = questions.of_lab(fashion_trainer)["2.3"].render(
        results_of({"depth": {"mlp": 0.9, "deep_mlp": 0.1}}, activation="tanh"), "en"
    )
    assert "with tanh divides the variance of the gradient that passes through it by about 3" in answer


# --- what is refused ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "caffe"}, "engine to be one of keras, torch, received 'caffe'"),
        ({"activation": "gelu"}, "activation to be one of relu, tanh, sigmoid"),
        ({"n_train": 0}, "n_train to be at least 1"),
        ({"epochs": -1}, "epochs to be at least 1"),
        ({"learning_rates": (0.1, 0.0)}, "learning_rates"),
        ({"learning_rates": ()}, "learning_rates to be two or more different rates"),
        ({"learning_rates": (0.1, 0.01, 0.1)}, "two or more different rates"),
        ({"batch_size": 60_001}, "at most 60000"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        replace(Config(), **changes)


def test_more_images_than_there_are_is_refused_before_training(tiny_data):
    with pytest.raises(SettingError, match="n_train of at most 200, received 60,000"):
        fashion_trainer.run(Config(), tiny_data)
    with pytest.raises(SettingError, match=r"n_validation \+ n_test of at most 100, received 130"):
        fashion_trainer.run(replace(TINY, n_test=90), tiny_data)


def test_the_torch_engine_without_torch_says_what_to_install(tiny_data, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    with pytest.raises(SettingError, match=r'Expected torch to be installed.*"\.\[torch\]".*--engine keras'):
        fashion_trainer.run(replace(TINY, engine="torch"), tiny_data)


# --- on the real images ---


@pytest.mark.data
@pytest.mark.slow
def test_the_perceptron_passes_85_percent_in_a_few_epochs():
    config = Config(data="real", epochs=3, learning_rates=(1e-3, 1e-4), questions=("2.2",))
    results = fashion_trainer.run(config)
    best = tables.means(results.of_study("normalised"), fashion_trainer.best_validation_accuracy)
    assert best["0.001"] > 0.85
