"""What the figures show, from measurements made by hand."""

import re

import numpy as np
import pytest

from labs.fashion_trainer.figures import figures

NAMES = [
    "2.1_original", "2.1_features", "2.1_shift_difference", "2.1_rotation_difference", "2.2_accuracy_raw",
    "2.2_accuracy_normalised", "2.3_accuracy_depth", "2.3_gradient_norm", "2.4_accuracy_cnn", "2.5_accuracy_width",
]


@pytest.fixture(scope="module")
def legends():
    def read(figure):
        return [
            (legend.get_title().get_text(), [text.get_text() for text in legend.get_texts()])
            for legend in figure.legends
        ]

    return read


@pytest.mark.parametrize("language", ["en", "fr"])
def test_four_maps_and_one_figure_per_study(language, measured):
    drawn = figures(measured(), language)
    assert list(drawn) == NAMES
    titles = [re.sub(r"\s+", " ", figure.get_suptitle()) for figure in drawn.values()]
    assert len(set(titles)) == len(titles)


def test_what_was_not_run_is_not_drawn(run, measured):
    assert list(figures(measured([run("cnn", "mlp"), run("cnn", "cnn")]), "en")) == [*NAMES[:4], "2.4_accuracy_cnn"]


def test_maps_are_those_measured(measured):
    found = measured()
    drawn = figures(found, "en")
    for name, array in (
        ("original", found.equivariance.image), ("features", found.equivariance.features),
        ("shift_difference", found.equivariance.shift_difference),
        ("rotation_difference", found.equivariance.rotation_difference),
    ):
        np.testing.assert_array_equal(drawn[f"2.1_{name}"].axes[0].images[0].get_array(), array)


def test_rates_are_compared_on_the_validation_images_from_before_training_on(measured, legends):
    drawn = figures(measured(), "fr")
    (axes,) = drawn["2.2_accuracy_raw"].axes
    assert [list(line.get_ydata()) for line in axes.lines] == [
        pytest.approx(values) for values in ([8, 8.9, 8.8, 8.7], [8.1, 71, 82, 81], [8.2, 8.3, 8.5, 8.4])
    ]
    assert list(axes.lines[0].get_xdata()) == [0, 1, 2, 3]
    assert axes.get_ylabel() == "Exactitude de validation (%)"
    assert legends(drawn["2.2_accuracy_raw"]) == [("Taux d'apprentissage", ["0,01", "0,0001", "10⁻⁸"])]
    (axes,) = drawn["2.2_accuracy_normalised"].axes
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(89)


def test_networks_are_compared_on_training_and_validation_images(measured, legends):
    drawn = figures(measured(), "en")
    (axes,) = drawn["2.4_accuracy_cnn"].axes
    assert [line.get_ydata()[-1] for line in axes.lines] == [pytest.approx(value) for value in (96.2, 87.5, 95.1, 91)]
    assert axes.get_ylabel() == "Accuracy (%)"
    assert ("Network", ["wide perceptron", "convolutional network"]) in legends(drawn["2.4_accuracy_cnn"])
    (axes,) = drawn["2.5_accuracy_width"].axes
    assert [line.get_ydata()[-1] for line in axes.lines[1::2]] == [pytest.approx(value) for value in (91, 73, 85)]


def test_the_norm_of_the_gradient_begins_with_the_first_epoch(measured):
    found = measured()
    (axes,) = figures(found, "en")["2.3_gradient_norm"].axes
    assert axes.get_yscale() == "log"
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3]
    for line, run in zip(axes.lines, found.of_study("depth"), strict=True):
        assert list(line.get_ydata()) == run.history["train_gradient_norm"]
