"""The claims on real recordings; they hold on every backend, and their dear trainings run on one alone."""

import pytest

from labs.audio_mnist import answers, lab
from labs.audio_mnist.config import Config, Recipe


@pytest.mark.data
def test_real_voices_leak_and_ours_hears_unknown_ones():
    """Less than the lab's course preset asks, and less is asked of it: one speaker, fewer recordings."""
    config = Config(
        recipe=Recipe(epochs=25), n_repetitions=20, n_left_out=1, our_epochs=8, data="real", questions=("2.4",)
    )
    values = answers.split(lab.run(config)).values
    assert values["random"] > 0.75
    assert values["unseen"] < values["random"] - 0.2
    assert values["ours"] > values["unseen"] + 0.15


@pytest.mark.data
def test_fusion_gains_on_real_pairs():
    config = Config(n_repetitions=20, n_pairs=4000, n_test_pairs=1000, pair_epochs=10, data="real", questions=("2.7",))
    values = answers.multimodal(lab.run(config)).values
    assert max(values["early"], values["late"]) > max(values["image"], values["sound"])
    assert values["occluded_image"] > 0
