"""Settings and what is compared: the handout's sizes, one change at a time, what is refused."""

from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest

from labs.cifar_cnn import config as lab
from labs.cifar_cnn.config import COMPARED, PRESETS, Config, Recipe
from mi204.errors import SettingError


def changed(first, second):
    return {each.name for each in fields(first) if getattr(first, each.name) != getattr(second, each.name)}


def test_the_settings_are_the_handouts():
    recipe, config = Recipe(), Config()
    assert (recipe.n_train, recipe.n_validation, recipe.n_test) == (5000, 1000, 1000)
    assert (recipe.optimizer, recipe.learning_rate) == ("sgd", 0.01)
    assert (recipe.batch_size, recipe.epochs, config.resume_batch_size, config.resume_epochs) == (32, 20, 8, 10)
    assert (recipe.filters, recipe.hidden_units) == ((8,), 64)
    assert (recipe.dropout, recipe.output_dropout, recipe.l2) == (0, 0, 0)


@pytest.mark.parametrize("name", COMPARED)
def test_settings_of_a_study_differ_by_one_thing(name):
    settings = COMPARED[name](Config(), Recipe())
    base = next(iter(settings.values()))
    for setting, recipe in settings.items():
        # Without normalisation or schedule, and with Adam, the learning rate must be smaller: the answers say so.
        rate = {"learning_rate"} if setting in ("without_normalization", "without_cosine", "Adam") else set()
        assert len(changed(base, recipe) - rate) == (setting != next(iter(settings))), setting


def test_what_each_study_compares():
    sizes = COMPARED["batch_size"](Config(batch_sizes=(4, 9)), Recipe(seed=3))
    assert {name: recipe.batch_size for name, recipe in sizes.items()} == {"4": 4, "9": 9}
    assert {recipe.seed for recipe in sizes.values()} == {3}
    optimizers = COMPARED["optimizer"](Config(), Recipe()).values()
    assert [(each.optimizer, each.learning_rate) for each in optimizers] == [
        ("sgd", 0.01), ("momentum", 0.01), ("adam", 0.001),
    ]
    assert [each.filters for each in COMPARED["depth"](Config(), Recipe()).values()] == [(8,), (8, 16), (8, 16, 32)]
    remedies = COMPARED["remedies"](Config(), Recipe())
    assert (remedies["dropout"].dropout, remedies["l2"].l2) == (0.3, 0.003)
    assert remedies["output_dropout"].output_dropout == 0.3
    assert (remedies["more_data"].n_train, remedies["more_data"].n_more) == (5000, 15_000)
    assert (remedies["augmentation"].augmentation, remedies["early_stopping"].patience) == (("flip", "crop"), 3)


def test_remedies_start_from_none():
    mended = Recipe(dropout=0.5, output_dropout=0.1, l2=0.1, augmentation=("flip",), patience=2)
    assert COMPARED["remedies"](Config(), mended)["none"] == Recipe()


def test_the_ablation_leaves_out_one_ingredient_of_half_the_network():
    config = Config(deep_filters=(8, 16), ablation_epochs=7)
    settings = COMPARED["ablation"](config, Recipe())
    everything = settings["everything"]
    assert changed(lab.deeper(config, Recipe()), everything) == {"filters", "epochs"}
    assert (everything.filters, everything.epochs) == ((4, 8), 7)
    for name in get_args(lab.Augmentation):
        assert set(everything.augmentation) - set(settings[f"without_{name}"].augmentation) == {name}
    assert len(settings) == 13


def test_the_deeper_network_takes_the_images_of_the_recipe_and_nothing_else():
    recipe = Recipe(seed=2, n_train=100, n_validation=50, n_test=40, epochs=3, dropout=0.5, patience=1, l2=0.1)
    deep = lab.deeper(Config(deep_epochs=9), recipe)
    assert (deep.seed, deep.n_train, deep.n_validation, deep.n_test, deep.epochs) == (2, 100, 50, 40, 9)
    assert (deep.batch_size, deep.dropout, deep.patience, deep.l2, deep.network) == (100, 0, None, 0, "residual")


def test_going_on_changes_batch_epochs_and_start_alone():
    config = Config(recipe=Recipe(dropout=0.1), resume_batch_size=5, resume_epochs=6)
    assert lab.resumed(config, 4, "abc") == replace(config.recipe, seed=4, start="abc", batch_size=5, epochs=6)


def test_only_what_a_question_needs_is_run():
    def needed(*numbers, **others):
        return lab.needed_studies(Config(questions=numbers, **others))

    assert needed() == {"course", "resumed"}
    assert needed("2.1", "3.1", "4.1", "5.1") == set()
    assert needed("7.1", "8.3") == {"course"}
    assert needed("4.0") == needed("8.1") == {"course", "resumed"}
    assert needed("7.2", "4.2") == {"batch_size", "remedies"}
    assert needed("6.1") == {"deep", "depth", "ablation"}
    assert needed("6.1", ablation_epochs=0) == {"deep", "depth"}
    assert needed("6.2") == needed("6.3") == needed("8.2") == {"deep"}
    assert lab.needed_studies(PRESETS["full"]) == {"course", "resumed", "deep", *COMPARED}
    assert lab.needed_studies(PRESETS["quick"]) == {"course", "resumed", "deep", *COMPARED} - {"ablation"}
    with pytest.raises(SettingError, match=r"among 2\.1.*received 9\.9"):
        needed("9.9")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "lion"}, "optimizer to be one of sgd, momentum, nesterov, adam, received 'lion'"),
        ({"n_train": 0}, "n_train to be at least 1, received 0"),
        ({"n_test": -5}, "n_test to be at least 1, received -5"),
        ({"batch_size": 5001}, "at most 5,000 .* received 5,001"),
        ({"patience": 0}, "patience to be at least 1"),
        ({"seed": -1}, "seed to be at least 0"),
        ({"dropout": 1.0}, "dropout to be at least 0 and less than 1"),
        ({"filters": ()}, "1 to 5 numbers of filters"),
        ({"filters": (8,) * 6}, "1 to 5 numbers of filters"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"epochs": 0}, "epochs to be at least 1"),
        ({"l2": -1.0}, "l2 to be at least 0"),
        ({"augmentation": ("flip", "rotate")}, "flip, crop, colour, erase, cutmix, received rotate"),
    ],
)
def test_settings_of_a_training_out_of_range_are_refused(changes, message):
    with pytest.raises(SettingError, match=message) as error:
        Recipe(**changes)
    assert error.value.written("fr") != error.value.written("en")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, "preset to be one of quick, course, full"),
        ({"batch_sizes": (8, 0)}, "batch_sizes to be at least 1, received 0"),
        ({"resume_batch_size": 0}, "resume_batch_size to be at least 1"),
        ({"resume_epochs": 0}, "resume_epochs to be at least 1"),
        ({"deep_epochs": 0}, "deep_epochs to be at least 1"),
        ({"optimizer_seeds": 0}, "optimizer_seeds to be at least 1"),
        ({"ablation_epochs": -1}, "ablation_epochs to be at least 0"),
        ({"n_seeds": 0}, "n_seeds to be at least 1"),
    ],
)
def test_settings_of_the_lab_out_of_range_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        Config(**changes)


def test_more_training_images_than_there_are():
    lab.check_images([Recipe(n_train=100, n_more=300)], 400)
    with pytest.raises(SettingError, match=r"at most 399 training images, received 400 \(question 7.2 takes 4 times"):
        lab.check_images([Recipe(n_train=50), Recipe(n_train=100, n_more=300)], 399)


def test_every_field_of_a_recipe_can_be_hashed_and_has_a_type():
    assert set(get_type_hints(Recipe)) == {each.name for each in fields(Recipe)}
    assert hash(Recipe()) == hash(Recipe())
