"""What the figures show, from measurements made by hand."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labs.cifar_cnn.config import Config
from labs.cifar_cnn.figures import figures

CONFUSIONS = ["train", "train_normalised", "validation", "validation_normalised", "test", "test_normalised"]
ALWAYS = ["2.1_train_images", "2.2_standardize", "3.0_network"]
COURSE = ["7.1_curves_course", "8.3_maps_epochs"]
RESUMED = [
    "4.0_curves_resumed", *(f"4.0_confusion_resumed_{name}" for name in CONFUSIONS), "4.0_classes_resumed",
    "4.0_predictions_resumed", "8.1_summed_masks", "8.1_maps_image_1", "8.1_maps_image_2",
]
DEEP = [
    "6.2_curves_deep", *(f"6.2_confusion_deep_{name}" for name in CONFUSIONS), "6.2_classes_deep",
    "6.2_predictions_deep", "6.2_network_deep", "8.2_masks_deep_stage_0", "8.2_maps_deep_stage_0",
    "8.2_masks_deep_stage_1", "8.2_maps_deep_stage_1",
]
STUDIES = [
    "4.2_batch_size", "4.2_batch_size_accuracy", "4.2_batch_size_epoch", "4.2_batch_size_step", "4.3_optimizer",
    "4.3_optimizer_accuracy", "6.1_depth", "6.1_depth_accuracy", "6.1_ablation_accuracy", "7.2_remedies",
    "7.2_remedies_accuracy",
]
NOTHING = dict.fromkeys((
    "course_maps", "resumed", "resumed_masks", "resumed_maps", "deep", "deep_layers", "stages", "noise_confidence",
))


@pytest.fixture(scope="module")
def whole(measured):
    """Draw the figures of all studies, in both languages, once."""
    return {language: figures(measured(), language) for language in ("en", "fr")}


@pytest.fixture
def drawn(measured):
    """Draw the figures of measurements made by hand."""
    return lambda *arguments, language="en", **others: figures(measured(*arguments, **others), language)


def heights(axes):
    return [round(patch.get_height(), 6) for patch in axes.patches]


def labels(axes):
    return [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]


def legend(figure, number=-1):
    return [text.get_text() for text in figure.legends[number].get_texts()]


def titles_of_legends(figure):
    return {each.get_title().get_text() for each in figure.legends}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_all_figures(language, whole):
    found = whole[language]
    assert set(found) == {*ALWAYS, *COURSE, *RESUMED, *DEEP, *STUDIES}
    titles = [re.sub(r"\s+", " ", figure.get_suptitle()) for figure in found.values()]
    assert len(set(titles)) == len(titles)


def test_what_was_not_run_is_not_drawn(runs, drawn, measured):
    assert set(drawn([], **NOTHING)) == set(ALWAYS)
    maps = {"course_maps": measured().course_maps}
    assert set(drawn(runs("course"), **NOTHING | maps)) == {*ALWAYS, *COURSE}
    optimizer = {"4.3_optimizer", "4.3_optimizer_accuracy"}
    assert set(drawn(runs("optimizer"), **NOTHING)) == {*ALWAYS, *optimizer}


def test_learning_curves_count_epochs_on_from_the_best_model(whole, drawn):
    found = whole["en"]
    course, resumed = (found[name].axes[0] for name in ("7.1_curves_course", "4.0_curves_resumed"))
    assert list(course.lines[0].get_xdata()) == [1, 2, 3]
    assert list(course.lines[0].get_ydata()) == [2.11, 1.52, 0.83]
    assert list(course.lines[1].get_ydata()) == [1.91, 1.62, 1.87]
    # The best model is that of epoch 2; of the loss, epoch 2 of each is the least.
    assert list(resumed.lines[0].get_xdata()) == [3, 4, 5]
    assert list(course.lines[2].get_xdata()) == [2, 2]
    assert list(resumed.lines[2].get_xdata()) == [4, 4]
    found = drawn(config=Config(checkpoint=Path("own.keras")))
    assert list(found["4.0_curves_resumed"].axes[0].lines[0].get_xdata()) == [1, 2, 3]


def test_no_epoch_is_the_best_of_a_training_that_diverged(run, drawn):
    found = drawn([run("course", val_loss=[1.0, float("nan"), 1.0])], **NOTHING)
    assert not any("epoch" in text for text in legend(found["7.1_curves_course"]))


def test_confusion_matrices_have_names_and_numbers_of_images(whole):
    axes = whole["fr"]["6.2_confusion_deep_test"].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["avion (52)", "voiture (37)", "oiseau (40)"]
    assert [text.get_text() for text in axes.texts] == ["50", "0", "2", "7", "30", "0", "11", "8", "21"]
    shares = whole["en"]["6.2_confusion_deep_test_normalised"].axes[0]
    assert [text.get_text() for text in shares.texts][6:] == ["0.28", "0.20", "0.53"]
    train = whole["en"]["4.0_confusion_resumed_train"].axes[0]
    assert [text.get_text() for text in train.texts][:3] == ["40", "3", "0"]


def test_accuracy_by_class_has_chance_intervals_and_a_legend_with_a_title(whole):
    figure = whole["en"]["4.0_classes_resumed"]
    (axes,) = figure.axes
    expected = [40 / 43, 1, 1, 1, 31 / 36, 1, 50 / 52, 30 / 37, 21 / 40]
    assert heights(axes) == pytest.approx([100 * each for each in expected], abs=1e-5)
    assert labels(axes) == ["plane", "car", "bird"]
    assert legend(figure) == ["training", "validation", "test"]
    assert titles_of_legends(figure) == {"", "Images"}
    chance = next(line for line in axes.lines if line.get_linestyle() == ":")
    assert list(chance.get_ydata()) == pytest.approx([100 / 3] * 2)
    # The interval of 21 of 40 (Wilson).
    low, high = axes.lines[8].get_ydata()
    assert (low, high) == pytest.approx((37.5, 67.06), abs=0.1)


def test_predictions_say_the_truth_where_they_are_wrong(whole):
    titles = [axes.get_title() for axes in whole["en"]["6.2_predictions_deep"].axes]
    assert titles[:3] == ["plane", "car\ntrue: bird", "bird\ntrue: car"]
    assert whole["fr"]["6.2_predictions_deep"].axes[1].get_title() == "voiture\nvrai\xa0: oiseau"
    assert [axes.get_title() for axes in whole["en"]["2.1_train_images"].axes[:3]] == ["bird", "plane", "car"]


@pytest.mark.parametrize(
    ("name", "names", "expected", "title"),
    [
        ("4.2_batch_size_accuracy", ["8", "16", "128"], [44.4, 41.1, 36.3], "Batch size"),
        ("4.3_optimizer_accuracy", ["SGD", "SGD + momentum", "Adam"], [40.1, 51.3, 49.2], "Optimiser"),
        ("6.1_depth_accuracy", ["1 convolution", "2 convolutions", "3 convolutions", "deeper network"],
         [40.8, 50.6, 42.1, 68.3], "Network"),
    ],
)
def test_bars_of_accuracies(name, names, expected, title, whole):
    (axes,) = whole["en"][name].axes
    assert labels(axes) == names
    assert heights(axes) == expected
    assert axes.get_xlabel() == title
    assert axes.get_ylabel() == "Test accuracy (%)"
    assert any(list(line.get_ydata()) == pytest.approx([100 / 3] * 2) for line in axes.lines)


def test_intervals_count_the_images_of_all_seeds(run, drawn):
    def interval(seeds):
        given = [run("optimizer", "SGD", seed, test=0.5) for seed in range(seeds)]
        lines = drawn(given, **NOTHING)["4.3_optimizer_accuracy"].axes[0].lines
        low, high = next(line.get_ydata() for line in lines if line.get_linewidth() == 9)
        return high - low

    # 50 % on 800 images: 1.96 standard errors of 1.77 points on either side.
    assert interval(1) == pytest.approx(6.91, abs=0.05)
    assert interval(4) == pytest.approx(3.46, abs=0.05)


def test_times_by_batch_size(whole):
    found = whole["en"]
    assert heights(found["4.2_batch_size_epoch"].axes[0]) == pytest.approx([1.8, 1.9, 2.0])
    assert heights(found["4.2_batch_size_step"].axes[0]) == pytest.approx([3.6, 7.6, 62.5])
    assert "time per step" in found["4.2_batch_size_step"].axes[0].get_ylabel().lower()


def test_curves_of_the_remedies_leave_out_the_trap(whole):
    figure = whole["en"]["7.2_remedies"]
    loss, accuracy = figure.axes
    assert "dropout after softmax" in loss.get_title()
    assert len(loss.lines) == 12  # of seven settings, two curves each, one setting is not drawn
    assert len(accuracy.lines) == 14
    assert "Remedy" in titles_of_legends(figure)


def test_curves_of_the_optimisers(whole):
    figure = whole["en"]["4.3_optimizer"]
    loss, _ = figure.axes
    assert len(loss.lines) == 6
    assert loss.get_title() == ""
    assert [line.get_ydata()[-1] for line in loss.lines[1::2]] == pytest.approx([1.876, 1.877, 1.878])
    assert legend(figure) == ["SGD", "SGD + momentum", "Adam"]


def test_seeds_stand_under_the_figures(run, drawn):
    given = [run("optimizer", "SGD", seed) for seed in (0, 1)]
    found = drawn(given, **NOTHING)
    footers = {name: " ".join(text.get_text() for text in figure.texts) for name, figure in found.items()}
    for name in ("4.3_optimizer", "4.3_optimizer_accuracy"):
        assert "seeds 0–1" in footers[name]
    assert "seed 0" in footers["2.1_train_images"]


def test_maps_of_many_filters_are_cut(measured, drawn):
    maps = np.random.default_rng(0).random((2, 32, 32, 40))
    stage = measured().stages["stage_0"]
    many = {
        "resumed_maps": maps, "resumed_masks": stage.masks, "stages": {"stage_0": replace(stage, maps=maps[0])},
        "course_maps": {0: maps[0], 3: maps[1]},
    }
    found = drawn([], **NOTHING | many)
    assert len(found["8.1_maps_image_1"].axes) == 32 + 2  # the image, the colour bar
    assert len(found["8.2_maps_deep_stage_0"].axes) == 32 + 2
    assert len(found["8.3_maps_epochs"].axes) == 2 * 12 + 2
    shown = found["8.1_maps_image_2"].axes
    np.testing.assert_array_equal(shown[1].images[0].get_array(), maps[1, ..., 0])
    np.testing.assert_array_equal(shown[0].images[0].get_array(), measured().test_images[1])


def test_maps_over_epochs_are_labelled(whole):
    axes = whole["en"]["8.3_maps_epochs"].axes
    assert [each.get_ylabel() for each in axes if each.get_ylabel()] == ["Epoch 0", "Epoch 1", "Epoch 2"]
