"""What the figures show, from measurements made by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest

from labs.cnn_sensitivity.figures import figures

from .conftest import CENTRE, EXPLAINED, IMAGE, MARKS, PICTURES, RAMP, SWEEPS, VARIANTS

NAMES = [
    "3.1_maps", "3.3_pictures", "3.4_variants_shear", "3.4_variants_brightness", "3.4_curves",
    "3.5_examples_Grad-CAM", "3.5_sweeps", "3.5_marks",
]


RED = IMAGE[3, 3] / 510 + np.array([0.25, 0, 0])
"""A pixel of the picture under the greatest value of a map: half of it, and half of dark red."""


@pytest.fixture(scope="module")
def english(measured):
    """Draw everything once."""
    return figures(measured(), "en")


def texts(figure):
    """Give all that stands in a figure, in one line."""
    parts = [figure.get_suptitle(), *(text.get_text() for text in figure.texts)]
    for axes in figure.axes:
        parts += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        parts += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    for legend in figure.legends:
        parts += [text.get_text() for text in legend.get_texts()]
    return " | ".join(re.sub(r"\s+", " ", part) for part in parts if part)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_one_figure_per_question_and_transformation(language, measured, english):
    drawn = english if language == "en" else figures(measured(), "fr")
    assert list(drawn) == NAMES
    titles = [re.sub(r"\s+", " ", figure.get_suptitle()) for figure in drawn.values()]
    assert len(set(titles)) == len(titles)
    assert all("photographs · jax, keras 3.15.1 · " in texts(figure) for figure in drawn.values())


def test_what_was_not_measured_is_not_drawn(measured):
    alone = measured(explained=None, variants=None, sweeps=None, marks=None, images=None)
    assert list(figures(alone, "en")) == ["3.3_pictures"]


def test_each_method_has_its_map_and_its_cost(english):
    panels = english["3.1_maps"].axes[:6]
    labels = [axes.get_title() for axes in panels]
    assert labels == [
        "Image", "Grad-CAM\n1.2 ×", "CAM\n1.3 ×", "Eigen-CAM\n1.6 ×", "Score-CAM\n130 ×", "Gradient\n2.1 ×",
    ]
    shown = [axes.images[0].get_array() for axes in panels]
    np.testing.assert_array_equal(shown[0], IMAGE)
    # half the picture, half the colour of the map: dark red in the middle, blue at the border
    np.testing.assert_allclose(shown[1][3, 3], RED, atol=0.01)
    np.testing.assert_allclose(shown[1][0, 0], IMAGE[0, 0] / 510 + np.array([0, 0, 0.473]), atol=0.01)
    np.testing.assert_array_equal(shown[1], shown[2])
    assert not np.array_equal(shown[1], shown[3])


def test_many_images_show_where_their_maps_point(english):
    figure = english["3.5_examples_Grad-CAM"]
    first, second = figure.axes[:2]
    assert [axes.get_title() for axes in (first, second)] == ["tabby cat (0.87)", "dog (0.54)"]
    for axes, one in ((first, CENTRE), (second, RAMP)):
        places = {tuple(np.ravel(line.get_xydata())) for line in axes.lines}
        row, column = np.unravel_index(one.argmax(), one.shape)
        assert places == {(column, row)}
    assert len(first.collections) == 2  # its object is outlined, white on black
    assert not second.collections
    assert "(Grad-CAM)" in figure.get_suptitle()


def test_the_three_pictures(measured, english):
    figure = english["3.3_pictures"]
    first, raw, over = figure.axes[:3]
    assert [axes.get_title() for axes in (first, raw, over)] == ["Picture", "Raw map", "Overlay"]
    np.testing.assert_array_equal(first.images[0].get_array(), IMAGE)
    assert raw.images[0].get_array().shape == (2, 2, 3)
    np.testing.assert_allclose(raw.images[0].get_array()[0, 1], [0.5, 0, 0])  # 4.2, its greatest value
    assert raw.get_xlabel() == "-0.6 … 4.2"
    np.testing.assert_allclose(over.images[0].get_array()[3, 3], RED, atol=0.01)
    assert first.get_xlabel() == "tabby cat (0.82)\nlogit of the class 9.3"
    assert [figure.axes[3 * row].get_ylabel() for row in range(3)] == ["One object", "Several objects", "No object"]
    outlined = [bool(figure.axes[3 * row].collections) for row in range(3)]
    assert outlined == [True, False, True]  # parts of a composed picture are no outlines
    assert "-0,6 … 4,2" in texts(figures(measured(), "fr")["3.3_pictures"])


def test_variants_carry_strength_answer_score_and_similarity(english):
    figure = english["3.4_variants_shear"]
    tops, bottoms = figure.axes[0:10:2], figure.axes[1:10:2]
    assert [axes.get_title() for axes in tops] == [
        "-30°\ndog", "-15°\ntabby cat", "+0°\ntabby cat", "+15°\ntabby cat", "+30°\ndog",
    ]
    assert [axes.get_xlabel() for axes in bottoms] == [
        "logit 1.5\nr = 0.41", "logit 5.5\nr = 0.83", "logit 8.5\nr = 0.94", "logit 7.5\nr = 0.87", "logit 2.5\nr = "
        "0.53",
    ]
    np.testing.assert_array_equal(tops[0].images[0].get_array(), VARIANTS["shear"].images[0])
    np.testing.assert_allclose(bottoms[0].images[0].get_array()[3, 3], RED, atol=0.01)
    brightness = english["3.4_variants_brightness"]
    assert brightness.axes[0].get_title() == "-30.00\ntabby cat"  # a share


def test_variants_of_imgaug_have_numbers_and_points(measured):
    unknown = {name: replace(each, strengths=None, moved=None) for name, each in VARIANTS.items()}
    nothing = replace(unknown["shear"], still=[np.nan, *unknown["shear"].still[1:]])
    drawn = figures(measured(variants=unknown | {"shear": nothing}), "en")
    assert drawn["3.4_variants_shear"].axes[0].get_title() == "variant 1\ndog"
    assert drawn["3.4_variants_shear"].axes[1].get_xlabel() == "logit 1.5\nr = –"
    score = drawn["3.4_curves"].axes[0]
    assert score.lines[0].get_linestyle() == "None"
    assert list(score.lines[0].get_xdata()) == pytest.approx([0, 0.01, 0.02, 0.03, 0.04, 0.05])
    assert "Shear (rms change of the pixels)" in texts(drawn["3.4_curves"])


def test_curves_of_one_picture(english):
    figure = english["3.4_curves"]
    shear, brightness, alike, steady = figure.axes
    assert list(shear.lines[0].get_xdata()) == [-30, -15, 0, 0, 15, 30]
    assert list(shear.lines[0].get_ydata()) == [1.5, 5.5, 9.3, 8.5, 7.5, 2.5]  # the picture itself: 9.3
    assert list(shear.lines[1].get_xdata()) == [-30, 30]  # another answer
    assert shear.lines[1].get_markerfacecolor() == "white"
    assert list(alike.lines[0].get_ydata()) == [0.11, 0.52, 1, 0.73, 0.64, 0.22]
    assert list(alike.lines[2].get_ydata()) == [0.41, 0.83, 1, 0.94, 0.87, 0.53]
    assert len(steady.lines) == 2  # nothing moves
    assert shear.get_ylim() == brightness.get_ylim()
    assert alike.get_ylim() == steady.get_ylim()
    assert alike.get_xlabel() == "Shear (degrees)"
    said = texts(figure)
    for each in ("correlation with the unmoved map", "moved as the pixels were", "Logit of the class", "another "
                                                                                                       "answer"):
        assert each in said


def test_curves_of_all_images_have_intervals(english):
    figure = english["3.5_sweeps"]
    kept, _, alike, _ = figure.axes
    assert list(kept.lines[0].get_xdata()) == [-20, 0, 20]
    assert list(kept.lines[0].get_ydata()) == pytest.approx([1, 1, 2 / 12])
    band = kept.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == 20][:, 1].min() == pytest.approx(0.0470, abs=1e-3)  # Wilson, 2 of 12
    assert band[band[:, 0] == 20][:, 1].max() == pytest.approx(0.4480, abs=1e-3)
    assert list(alike.lines[0].get_ydata()) == pytest.approx([0.85, 1, 0.65])
    band = alike.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == -20][:, 1].min() == pytest.approx(0.85 - 0.0233, abs=1e-3)
    assert "(Grad-CAM)" in texts(figure)


def test_marks_have_intervals_and_a_reference(english):
    figure = english["3.5_marks"]
    headings = [re.sub(r"\s+", " ", axes.get_xlabel()) for axes in figure.axes]
    assert headings == [
        "Pointing game", "IoU with the object", "Drop (low is good)", "Insertion minus deletion",
        "Follows moved pixels", "Holds when light changes",
    ]
    pointing, iou, _, faithfulness, geometric, _ = figure.axes
    names = [label.get_text() for label in pointing.get_yticklabels()]
    assert names == ["Grad-CAM", "Eigen-CAM", "Gradient", "maps that know nothing"]

    def points(axes):
        return [line.get_xdata()[0] for line in axes.lines if line.get_marker() in ("o", "s") and len(line.get_xdata())]

    assert points(pointing) == pytest.approx([9 / 12, 8 / 12, 5 / 12, 2 / 12])
    assert points(iou) == pytest.approx([0.52, 0.41, 0.28, 0.17])
    assert points(faithfulness) == pytest.approx([0.31, 0.22, 0.11, 0.01])
    assert points(geometric) == pytest.approx([0.83, 0.74, 0.45])
    ends = [collection.get_segments()[0][:, 0] for collection in iou.collections]
    assert len(ends) == 4
    np.testing.assert_allclose(ends[0], [0.52 - 0.0233, 0.52 + 0.0233], atol=1e-3)  # Student's t
    ends = pointing.collections[3].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [0.0470, 0.4480], atol=1e-3)  # Wilson, 2 of 12
    reference = [line for line in iou.lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in reference] == pytest.approx([0.17])
    assert not [line for line in geometric.lines if line.get_linestyle() == ":"]


def test_measures_that_nobody_has_get_no_panel(measured):
    none = {name: replace(each, pointing=np.empty(0), iou=np.empty(0)) for name, each in MARKS.items()}
    assert len(figures(measured(marks=none), "en")["3.5_marks"].axes) == 4
    alone = {"gradcam": MARKS["gradcam"]}
    assert len(figures(measured(marks=alone), "en")["3.5_marks"].axes) == 6


def test_six_transformations_stand_in_two_blocks(measured):
    six = {name: replace(SWEEPS["shear"], transformation=name)
           for name in ("brightness", "contrast", "shear", "elastic", "scale", "perspective")}
    figure = figures(measured(sweeps=six), "en")["3.5_sweeps"]
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == 12
    assert "Perspective" in texts(figure)


def test_a_flat_map_has_the_colour_of_its_least_value(measured):
    flat = {role: replace(each, raw=np.zeros((2, 2), np.float32)) for role, each in PICTURES.items()}
    raw = figures(measured(pictures=flat), "en")["3.3_pictures"].axes[1]
    np.testing.assert_allclose(raw.images[0].get_array()[0, 0], [0, 0, 0.5])
    assert EXPLAINED["gradcam"].map is CENTRE
