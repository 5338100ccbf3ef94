"""The settings of the lab of homework 004: sizes found, what is compared, what is refused; no backend needed."""

import re
from dataclasses import replace

import pytest

from labs.fashion_trainer.config import INPUT_SHAPE, NETWORKS, PRESETS, STUDIES, Config, Recipe, compared, parameters
from mi204 import architectures
from mi204.errors import SettingError
from mi204.language import Word


def test_the_sizes_left_to_find_are_the_nearest():
    assert parameters(*NETWORKS["mlp"]) == 269_322
    assert NETWORKS["deep_mlp"][1].dense_hiddens == (64,) * 54
    assert NETWORKS["cnn"][1].kernel_sizes == (3, 3, 3)
    assert NETWORKS["shallow_cnn"][1].n_channels == (41,)
    assert {name: parameters(*network) - 269_322 for name, network in NETWORKS.items()} == {
        "mlp": 0, "deep_mlp": 2048, "cnn": 1421, "deep_cnn": 64_256, "shallow_cnn": -583,
    }
    for network_type, network in NETWORKS.values():
        architectures.check(network_type, network, INPUT_SHAPE)


def test_the_courses_sizes_are_the_homeworks():
    assert PRESETS["course"] == Config()
    recipe = Config().recipe
    assert (recipe.n_train, recipe.n_validation, recipe.n_test) == (60_000, 2000, 8000)
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.activation) == (50, 128, 1e-4, "relu")
    assert Config().learning_rates == (0.01, 1e-4, 1e-8)
    assert (PRESETS["full"].n_seeds, PRESETS["full"].recipe) == (3, recipe)


def test_studies_differ_by_what_they_compare_alone():
    recipe = Recipe(seed=7, activation="tanh", engine="torch")
    for study, normalization in (("raw", False), ("normalised", True)):
        found = compared(study, recipe, (0.01, 1e-8))
        assert {name: each.learning_rate for name, each in found.items()} == {"0.01": 0.01, "1e-08": 1e-8}
        assert {replace(each, learning_rate=1e-4, normalization=True) for each in found.values()} == {recipe}
        assert {each.normalization for each in found.values()} == {normalization}
        assert not [name for name in found if isinstance(name, Word)]
    for study in ("depth", "cnn", "width"):
        found = compared(study, recipe, ())
        assert {name: (each.network_type, each.network) for name, each in found.items()} == {
            name: NETWORKS[name] for name in STUDIES[study]
        }
        assert [type(name) for name in found] == [Word] * len(found)
        assert list(found) == {
            "depth": ["mlp", "deep_mlp"], "cnn": ["mlp", "cnn"], "width": ["cnn", "deep_cnn", "shallow_cnn"],
        }[study]
        kept = {replace(each, network_type="mlp", network=recipe.network) for each in found.values()}
        assert kept == {recipe}


@pytest.mark.parametrize(
    ("kind", "changes", "english", "french"),
    [
        (Recipe, {"engine": "caffe"}, "engine to be one of keras, torch, received 'caffe'", "engine parmi keras, tor"),
        (Recipe, {"activation": "gelu"}, "activation to be one of relu, tanh, sigmoid", "parmi relu, tanh, sigmoid"),
        (Recipe, {"n_train": 0}, "n_train to be at least 1", "n_train d'au moins 1"),
        (Recipe, {"n_validation": 0}, "n_validation to be at least 1", "n_validation d'au moins 1"),
        (Recipe, {"n_test": 0}, "n_test to be at least 1", "n_test d'au moins 1"),
        (Recipe, {"epochs": -1}, "epochs to be at least 1", "epochs d'au moins 1"),
        (Recipe, {"seed": 2**31}, "seed to be at least 0 and less than", "seed d'au moins 0 et de moins de"),
        (Recipe, {"learning_rate": 0.0}, "learning_rate to be at least", "learning_rate d'au moins"),
        (Recipe, {"batch_size": 60_001}, "at most 60,000 .*received 60,001", "60\u202f000 attendue .*60\u202f001 re"),
        (Config, {"learning_rates": (0.1, 0.0)}, "learning_rates to be at least", "learning_rates d'au moins"),
        (Config, {"learning_rates": ()}, "learning_rates to be two or more different rates", "Deux taux différents"),
        (Config, {"learning_rates": (0.1, 0.01, 0.1)}, r"two or more different rates, received \(0.1", r"\(0.1, 0.01"),
        (Config, {"n_seeds": 0}, "n_seeds to be at least 1", "n_seeds d'au moins 1"),
    ],
)
def test_settings_out_of_range_are_refused(kind, changes, english, french):
    with pytest.raises(SettingError, match=english) as refused:
        kind(**changes)
    assert re.search(french, refused.value.written("fr"))
