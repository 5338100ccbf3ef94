"""Recipes: in range, and equal where the trainings are."""

from dataclasses import replace

import pytest

from labs.audio_mnist.config import PRESETS, Config, Recipe, experiments
from mi204.errors import SettingError


@pytest.mark.parametrize(
    "changes",
    [{"train_share": 1.0}, {"train_share": 0.0}, {"window": 3599}, {"momentum": 1.0}, {"epochs": 0}, {"seed": -1}],
)
def test_a_recipe_out_of_range(changes):
    with pytest.raises(SettingError, match=next(iter(changes))):
        Recipe(**changes)


@pytest.mark.parametrize("changes", [{"occlusion": 29}, {"n_pairs": 0}, {"n_left_out": 0}, {"signal_to_noise": 100}])
def test_settings_out_of_range(changes):
    with pytest.raises(SettingError, match=next(iter(changes))):
        Config(**changes)


def test_equal_trainings_have_equal_recipes():
    """What only the course's network uses changes no other; what only pairs use changes nothing else."""
    config = PRESETS["quick"]
    usual = experiments(config, config.recipe, ["ada", "bob", "eve"])
    other = replace(config.recipe, window=8000, momentum=0.5, learning_rate=0.1, epochs=7, train_share=0.5)
    changed = experiments(config, other, ["ada", "bob", "eve"])
    assert changed["ours"] == usual["ours"]
    assert changed["pairs"] == usual["pairs"]
    assert changed["speakers"] != usual["speakers"]
    assert experiments(config, replace(config.recipe, train_share=0.5), ["ada", "bob"])["speakers"] == usual["speakers"]
    more = replace(config, n_pairs=77, n_test_pairs=5, signal_to_noise=3, occlusion=2, pair_epochs=9)
    changed = experiments(more, config.recipe, ["ada", "bob", "eve"])
    assert {name for name in usual if changed[name] != usual[name]} == {"pairs"}
    changed = experiments(replace(config, our_epochs=9), config.recipe, ["ada", "bob", "eve"])
    assert {name for name in usual if changed[name] != usual[name]} == {"ours"}


def test_studies_leave_speakers_out_in_turn():
    config = replace(PRESETS["quick"], n_left_out=2)
    studies = experiments(config, replace(config.recipe, seed=5), ["ada", "bob", "eve"])
    assert [list(each) for each in studies.values()] == [
        ["course"], ["ada", "bob"], ["ada", "bob"],
        ["network_image", "network_sound", "network_early", "network_late"],
    ]
    assert [each.left_out for each in studies["speakers"].values()] == ["ada", "bob"]
    assert [each.left_out for each in studies["ours"].values()] == ["ada", "bob"]
    assert {each.left_out for each in studies["pairs"].values()} == {"eve"}
    assert [each.network for each in studies["pairs"].values()] == ["image", "sound", "early", "late"]
    assert {each.seed for study in studies.values() for each in study.values()} == {5}


def test_a_share_of_the_recordings_is_trained_on_and_never_all():
    assert Recipe().n_train(3000) == 2250
    assert Recipe(train_share=0.99).n_train(10) == 9
    assert Recipe(train_share=0.01).n_train(10) == 1
