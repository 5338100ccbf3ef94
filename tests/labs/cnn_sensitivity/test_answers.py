"""What the answers say, from measurements made by hand: every branch, every number."""

from dataclasses import replace

import numpy as np
import pytest

from labs.cnn_sensitivity import answers
from mi204 import questions
from mi204.language import Word

from .conftest import (
    CENTRE,
    EXPLAINED,
    IMAGES,
    MARKS,
    OUTLINE,
    RAMP,
    SETUP,
    SWEEPS,
    UNKNOWN,
    VARIANTS,
    N,
    around,
    method_marks,
    spot,
    swept,
)

QUESTIONS = questions.of_lab("cnn_sensitivity")


def said(number, measured, language="en"):
    return " ".join(QUESTIONS[number].render(measured, language).split()).replace("\u202f", " ")


def check(number, measured, sentences, absent=()):
    """Prove that an answer says these sentences and not those; in French something else, as complete."""
    text = said(number, measured)
    for sentence in sentences:
        assert sentence in text
    for sentence in absent:
        assert sentence not in text
    french = said(number, measured, "fr")
    assert french != text
    assert "{" not in french + text
    assert "nan" not in (french + text).replace("banan", "").split()


# --- 3.1 ---


def test_what_maps_show(measured):
    check("3.1", measured(), (
        "Here 5 methods explain the class “tabby cat” to mobilenet on the picture cat.jpg",
        "between 1.2 times a forward pass (Grad-CAM) and 130 times (Score-CAM)",
        "The same map as Grad-CAM (correlation of 0.999 or more): CAM.",
        "nearly the same map (correlation of 0.95 or more): Eigen-CAM.",
        "The map of Grad-CAM changes most (correlation 0.31)",
        "on 5.0 % of the pixels for maps made at the input (224 × 160 pixels), and on 23.0 % for maps made at the "
        "layer, "
        "which has 7 × 5 pixels",
        "The object takes 25 % of the picture; of the map of CAM, 66 % lie on it, the largest share.",
        "No more than its area, as a map that knows nothing would: Eigen-CAM.",
    ), ("Left out", "Not to be had", "Nothing to show"))


def test_the_table_of_methods(measured):
    table = QUESTIONS["3.1"].function(measured()).table
    assert list(table["method"]) == ["Grad-CAM", "CAM", "Eigen-CAM", "Score-CAM", "Gradient"]
    assert list(table["family"]) == ["family_layer", "family_layer", "family_any_class", "family_perturbed",
                                     "family_input"]
    assert list(table["map_side"]) == ["7 × 5"] * 4 + ["224 × 160"]
    assert list(table["cost"]) == [1.25, 1.3, 1.6, 130.0, 2.1]
    assert list(table["other_class"]) == [0.31, 0.32, 0.98, 0.43, 0.45]
    assert list(table["compactness"]) == [0.21, 0.23, 0.25, 0.27, 0.05]
    assert list(table["inside"]) == [0.63, 0.66, 0.24, 0.52, 0.41]


def methods(**changes):
    return {name: replace(each, **changes.get(name, {})) for name, each in EXPLAINED.items()}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"eigencam": {"other_class": 0.94}}, "each gives another map (none correlates at 0.95 or more); that of "
                                              "Grad-CAM"),
        ({name: {"other_class": 0.99} for name in EXPLAINED}, "all of them give nearly the same map (correlation of "
                                                              "0.95"),
        ({"cam": {"map": RAMP}}, "No other method gives the map of Grad-CAM again (correlation of 0.999 or more)"),
        ({"saliency": {"compactness": 0.6}}, "on this picture the former are no more concentrated"),
        ({"eigencam": {"inside": 0.26}}, "All others that show something put more on it than its area"),
        ({name: {"inside": 0.2} for name in EXPLAINED}, "no map puts more than that on it: that of Grad-CAM has 20 %"),
        ({name: {"inside": np.nan} for name in EXPLAINED}, "Nobody has drawn the outline of the object"),
        ({"saliency": {"map": np.zeros((8, 8), np.float32), "other_class": np.nan, "inside": np.nan,
                       "compactness": np.nan}}, "the map is the same everywhere: Gradient."),
        ({"gradcam": {"map": np.zeros((8, 8), np.float32)}}, "the map is the same everywhere: Grad-CAM."),
    ],
)
def test_what_maps_show_of_another_picture(changes, sentence, measured):
    every = (
        "each gives another map", "all of them give nearly", "No other method gives", "no more concentrated",
        "All others that show", "no map puts more", "Nobody has drawn", "the map is the same everywhere",
    )
    text = said("3.1", measured(explained=methods(**changes)))
    assert sentence in text
    assert [each for each in every if each in text] == [each for each in every if each in sentence]
    assert said("3.1", measured(explained=methods(**changes)), "fr")


def test_correlations_of_empty_maps_are_not_spoken_of(measured):
    empty = {"map": np.zeros((8, 8), np.float32), "other_class": np.nan, "inside": np.nan, "compactness": np.nan}
    text = said("3.1", measured(explained=methods(gradcam=empty, saliency=empty)))
    assert "same everywhere: Grad-CAM, Gradient." in text
    assert "map as Grad-CAM" not in text  # nothing to compare with
    assert "made at the input" not in text
    assert "The map of CAM changes most (correlation 0.32)" in text


def test_maps_that_are_nearly_the_same_are_others(measured):
    nearly = np.float32(CENTRE + 0.1 * RAMP)
    assert 0.98 < np.corrcoef(nearly.ravel(), CENTRE.ravel())[0, 1] < 0.999
    assert "No other method gives the map" in said("3.1", measured(explained=methods(cam={"map": nearly})))


def test_methods_that_are_not_shown(measured):
    text = said("3.1", measured(config={"most_passes": 321}, left_out=["RISE", "SS-CAM"], refused=["FullGrad"]))
    assert "Left out because they need more than 321 passes (--most-passes): RISE, SS-CAM." in text
    assert "Not to be had of this network: FullGrad." in text


# --- 3.2 ---


def test_the_setup(measured):
    check("3.2", measured(), (
        "Network: mobilenet, 3,538,984 parameters, trained on ImageNet; it takes pictures of 224 × 160 pixels and "
        "tells "
        "1,000 classes apart.",
        "names 88.7 % of CIFAR-10's 10,000 test images right",
        "Method: Grad-CAM (Selvaraju 2017). Layer out_relu, the last. Its map has 7 × 5 pixels.",
        "Class: “tabby cat”.",
        "Of 5 pictures of the class, the first one is that",
        "names this class for the pictures that show it, and for them alone",
    ), ("tf-keras-vis",))
    assert "Couche out_relu, la dernière." in said("3.2", measured(), "fr")


def test_another_setup(measured, pictures):
    other = measured(
        setup=replace(SETUP, accuracy=None, layer=""), pictures=pictures(one={"among": 1}),
        recipe={"engine": "tf_keras_vis"},
    )
    check("3.2", other, ("7 × 5 pixels, those of the picture", "made by tf-keras-vis"), ("CIFAR-10", "surest"))


@pytest.mark.parametrize(
    ("answers_given", "sentence"),
    [
        (("tabby_cat", "tabby_cat", "dog"), "and for them alone"),
        (("tabby_cat", "dog", "dog"), "names it for one alone: one object."),
        (("dog", "tabby_cat", "dog"), "names it for one alone: several objects."),
        (("dog", "dog", "crow"), "names the class for none of the pictures"),
        (("tabby_cat", "tabby_cat", "tabby_cat"), "even for the picture that does not show it"),
        (("dog", "dog", "tabby_cat"), "even for the picture that does not show it"),
        (("tabby_cat", "dog", "tabby_cat"), "even for the picture that does not show it"),
    ],
)
def test_what_the_network_names(answers_given, sentence, measured, pictures):
    roles = dict(zip(("one", "several", "none"), ({"predicted": each} for each in answers_given), strict=True))
    text = said("3.2", measured(pictures=pictures(**roles)))
    every = ("and for them alone", "names it for one alone", "for none of the pictures", "even for the picture")
    assert sentence in text
    assert [each for each in every if each in text] == [each for each in every if each in sentence]


def test_the_table_of_predictions(measured):
    table = QUESTIONS["3.2"].function(measured()).table
    assert list(table["picture"]) == ["role_one", "role_several", "role_none"]
    assert list(table["name"]) == [["cat.jpg"], ["four.jpg"], ["crow.jpg"]]
    assert list(table["predicted_class"]) == ["tabby cat", "tabby cat", "black crow"]
    assert list(table["confidence"]) == [0.82, 0.72, 0.64]
    assert list(table["target_probability"]) == [0.81, 0.71, 0.0031]
    assert list(table["score"]) == [9.3, 8.4, -2.5]


def test_what_was_done_to_pictures_and_weights_is_said(measured, pictures):
    turned = pictures(one={"remarks": [Word("picture_turned"), Word("picture_cmyk")]})
    text = said("3.2", measured(pictures=turned, setup=replace(SETUP, remark=Word("weights_sums_alone"))))
    assert "cat.jpg, turned as its EXIF says, converted from CMYK" in text
    assert "The weights agree with the SHA256SUMS beside them" in text
    assert "weights" not in said("3.2", measured())


def test_classes_that_have_a_word_are_translated(measured, pictures):
    dog = measured(setup=replace(SETUP, target="dog"), pictures=pictures(none={"predicted": "truck"}))
    assert "Classe : « chien »" in said("3.2", dog, "fr")
    assert "camion" in said("3.2", dog, "fr")
    assert "“dog”" in said("3.2", dog)


# --- 3.3 ---


def test_one_several_none(measured):
    check("3.3", measured(), (
        "One object (cat.jpg): the network names “tabby cat”, with probability 0.82.",
        # 16 pixels of 1 and 48 of 0.1
        "The highest point of the map lies on the object, and 77 % of the map, 3.1 times the share of the picture that "
        "the object takes (25 %)",
        "Several objects (four.jpg): the network names “tabby cat”, with probability 0.72.",
        "put together from pictures of one object each",
        "marks 1 of the 4 (at least 50 % of its height)",
        "is 9.3 with one object, 8.4 with several and, lowest of all, -2.5 with none",
        "No object of the class (crow.jpg): the network names “black crow” (probability 0.64) and gives “tabby cat” "
        "0.0031",
        "a weak one: before it is stretched, its maximum is 0.7, 17 % of that with one object (4.2)",
        "Its highest point lies on the object of another class that is there (34 % of the map; the object takes 25 "
        "% of "
        "the picture)",
        "a map says where, never whether",
    ), ("Nobody", "empty"))


FLAT = np.zeros((8, 8), np.float32)
WHY = [{"en": "All is negative.", "fr": "Tout est négatif."}, {"en": "A pity.", "fr": "Dommage."}]
CHANGES = [
    ({"one": {"predicted": "dog", "probability": 0.021}},
     "the network names “dog” (probability 0.82), and gives “tabby cat” 0.021: the map shows"),
    ({"one": {"map": FLAT, "diagnostics": WHY}}, "Its map is empty. All is negative. A pity."),
    ({"one": {"map": spot(0, 0)}}, "does not lie on the object; 22 % of the map do, 0.9 times the share"),
    ({"one": {"objects": None}}, "Nobody has drawn the object's outline"),
    ({"several": {"predicted": "dog", "probability": 0.031}},
     "names “dog” (probability 0.72), and gives “tabby cat” 0.031."),
    ({"several": {"map": FLAT, "diagnostics": WHY}}, "Its map is empty. All is negative. A pity."),
    ({"several": {"objects": None}}, "Nobody has said where the objects are"),
    ({"several": {"map": np.ones((8, 8), np.float32) - spot(0, 0) / 9}}, "marks all 4 of them (at least 50 %"),
    ({"several": {"outlined": True}}, "lies on one of them, and 100 % of the map on them; they take 100 %"),
    ({"several": {"outlined": True, "objects": OUTLINE, "map": spot(0, 0)}},
     "lies on none of them; 22 % of the map do; they take 25 % of the picture"),
    ({"several": {"objects": OUTLINE, "map": spot(0, 0)}}, "marks none of the 1"),
    ({"none": {"score": 8.9}}, "9.3 with one object, 8.4 with several and 8.9 with none: one expects"),
    ({"none": {"predicted": "tabby_cat"}},
     "(crow.jpg), but the network names it, with probability 0.64"),
    ({"none": {"map": FLAT, "diagnostics": WHY}}, "The map is empty. All is negative. A pity."),
    ({"none": {"raw": np.float32([[2.2, 0.0]])}}, "no weak one: before it is stretched, its maximum is 2.2, 52 %"),
    ({"none": {"raw": np.float32([[4.6, 0.0]])}}, "even a stronger one: before it is stretched, its maximum is 4.6, "
                                                  "110 %"),
    ({"none": {"map": spot(0, 0)}}, "lies beside the object of another class that is there (22 % of the map on it; it "
     "takes 25 % of the picture)"),
    ({"none": {"outlined": False}}, "Nobody has drawn the outline of what it shows"),
    ({"none": {"objects": None}}, "Nobody has drawn the outline of what it shows"),
]


@pytest.mark.parametrize(("changes", "sentence"), CHANGES)
def test_other_pictures(changes, sentence, measured, pictures):
    check("3.3", measured(pictures=pictures(**changes)), (sentence,))


@pytest.mark.parametrize(("changes", "sentence"), CHANGES)
def test_only_one_sentence_of_a_kind(changes, sentence, measured, pictures):
    text = said("3.3", measured(pictures=pictures(**changes)))
    for one_of in (
        ("One object (cat.jpg): the network names “tabby cat”", "One object (cat.jpg): the network names “dog”"),
        ("marks all", "marks 1 of", "marks none", "Nobody has said", "Several objects", ),
        ("a weak one", "no weak one", "a stronger one", "The map is empty"),
        ("lies on the object of another", "lies beside the object of", "outline of what it shows", "The map is empty"),
        ("lowest of all", "one expects"),
    ):
        found = [each for each in one_of if each in text]
        assert 1 <= len(found) <= 2 if one_of[-1] == "Several objects" else len(found) == 1, (one_of, found)


def test_a_picture_of_ones_own_is_not_composed(measured, pictures):
    text = said("3.3", measured(pictures=pictures(several={"composed": False})))
    assert "put together" not in text


def test_where_the_map_of_one_object_is_not_positive_it_is_not_compared(measured, pictures):
    text = said("3.3", measured(pictures=pictures(one={"raw": np.float32([[-1.0, -2.0]])})))
    assert "before it is stretched" not in text


# --- 3.4 ---


def test_variants(measured):
    check("3.4", measured(), (
        "Unchanged, the picture is named “tabby cat”; the class “tabby cat” has the logit 9.3 and the probability "
        "0.81. "
        "Of 10 variants, 5 by each transformation, the table says how score and map (Grad-CAM) fare.",
        "stays the same in all variants of: brightness.",
        "changes in some of the variants of: shear.",
        "stays alike (correlation of 0.8 or more) in all variants of: brightness.",
        "another one (correlation under 0.5) in variants of: shear.",
        "suffers most from: shear (mean correlation 0.72), least from: brightness (0.96)",
        "Where pixels move (shear), 5 variants do not tell whether the map moves with them: 5 resemble the moved "
        "map more "
        "than the unmoved one (means 0.72 and 0.44).",  # 5 of 5 may be chance (p = 0.06)
        "The further the score moves, the less the map resembles (rank correlation -0.96)",
        "one picture",
    ), ("imgaug", "every variant"))


def test_the_table_of_variants(measured):
    table = QUESTIONS["3.4"].function(measured()).table
    assert list(table["transformation"]) == ["shear", "brightness"]
    assert list(table["unit"]) == ["unit_degrees", "unit_share"]
    assert list(table["least_strength"]) == [-30, -30]
    assert list(table["most_strength"]) == [30, 30]
    assert list(table["kept"]) == [0.6, 1.0]
    assert list(table["least_score"]) == [1.5, 9.1]
    assert list(table["most_score"]) == [8.5, 9.6]
    assert list(table["least_similarity"]) == [0.41, 0.91]
    assert table["mean_similarity"].to_list() == pytest.approx([0.716, 0.958])


def varied(**changes):
    return {name: replace(each, **changes.get(name, {})) for name, each in VARIANTS.items()}


def test_the_answer_may_never_stay_and_the_map_change_a_little(measured):
    found = varied(shear={"predicted": ["dog"] * 5, "moved": [0.6, 0.71, 0.82, 0.73, 0.64]})
    check("3.4", measured(variants=found), (
        "It changes in every variant of: shear.", "correlation down to between 0.5 and 0.8) in variants of: shear.",
    ), ("some of the variants", "another one"))


@pytest.mark.parametrize(
    ("n_more", "sentence"),
    [
        (8, "the map moves with them: in 8 of 8 variants it resembles the moved map more than the unmoved one "
            "(means 0.85"),
        (0, "does not move with them: in 8 of 8 variants it resembles the unmoved map more than the moved one "
            "(means 0.80"),
        (6, "8 variants do not tell whether the map moves with them: 6 resemble the moved map more"),
    ],
)
def test_whether_maps_move_with_the_pixels(n_more, sentence, measured):
    still = [0.80] * 8
    moved = [0.85] * n_more + [0.75] * (8 - n_more)
    found = varied(shear={"still": still, "moved": moved, "scores": [9.0] * 8, "predicted": ["dog"] * 8})
    assert sentence in said("3.4", measured(variants=found))


@pytest.mark.parametrize(
    ("alike", "sentence"),
    [
        ([0.41, 0.83, 0.94, 0.87, 0.53], "the less the map resembles (rank correlation -0.96)"),
        # the score moves by 7.8, 3.8, 0.8, 1.8, 6.8 under shear, by up to 0.3 under brightness
        ([0.9999, 0.9996, 0.9994, 0.9995, 0.9998], "the more the map resembles (rank correlation 0."),
        ([0.92, 0.97, 0.93, 0.98, 0.945], "says nothing, beyond chance, of how far the map moves (rank correlation"),
    ],
)
def test_whether_score_and_map_move_together(alike, sentence, measured):
    text = said("3.4", measured(variants=varied(shear={"moved": alike})))
    assert sentence in text
    every = ("the less the map", "the more the map", "says nothing, beyond")
    assert sum(each in text for each in every) == 1


def test_few_variants_say_nothing_of_score_and_map(measured):
    text = said("3.4", measured(variants={"shear": VARIANTS["shear"]}, config={"n_variants": 5}))
    assert "The further" not in text
    assert "suffers" not in text
    assert "Of 5 variants" in text


def test_means_that_are_equal(measured):
    text = said("3.4", measured(variants=varied(shear={"moved": [0.95] * 5})))
    assert "suffers alike: mean correlation 0.95 (shear) to 0.96 (brightness)" in text


def test_imgaug_does_not_tell_where_pixels_went(measured):
    found = varied(
        shear={"strengths": None, "moved": None}, brightness={"strengths": None, "moved": None},
    )
    check("3.4", measured(variants=found, config={"augmenter": "imgaug"}), (
        "imgaug does not tell", "another one (correlation under 0.5) in variants of: shear",
        "shear (mean correlation 0.44)",
    ), ("Where pixels move",))


def test_empty_maps_are_not_compared(measured):
    nothing = {"still": [np.nan] * 5, "moved": [np.nan] * 5}
    check("3.4", measured(variants=varied(shear=nothing, brightness=nothing)), ("All maps are the same everywhere",),
          ("suffers", "Where pixels"))
    text = said("3.4", measured(variants=varied(shear=nothing)))
    assert "another one" not in text
    assert "Where pixels move" not in text


# --- 3.5 ---


def test_sensitivity(measured):
    check("3.5", measured(), (
        "Measured on 12 images, each explained for the class that mobilenet names.",
        "Of the 11 whose class is known it names 82 % right (95 % interval 52 % to 95 %).",
        "The objects of 12 images are outlined; on average they take 26 % of it.",
        "over 2 strengths of each transformation it stays in 77.1 % of the variants (68.9 % to 85.3 % over images)",
        "suffers most, beyond chance, from: shear (58 % stay)",
        "mean correlation with what they should become is 0.80 (0.78 to 0.82 over images): at these strengths they "
        "change",
        "On the 10 images whose answer stays in some variants and changes in others, maps change more where the answer "
        "does (0.65 against 0.85, beyond chance)",
        "On the object (IoU): Grad-CAM is first, 0.52, beyond chance before: Eigen-CAM, Gradient.",
        "(insertion - deletion): Grad-CAM is first, 0.31, beyond chance before: Eigen-CAM, Gradient.",
        "moved pixels: Grad-CAM is first, 0.83, beyond chance before: Eigen-CAM, Gradient.",
        "Each lies on the object beyond maps that know nothing (0.17).",
        "Each finds what the network uses beyond maps that know nothing (0.01).",
        "Eigen-CAM, which asks nothing of the class, lies less on the object than Grad-CAM, beyond chance",
        "No mark alone judges a map",
    ), ("drawn", "Over", "Fewer"))


def test_the_table_of_marks(measured):
    table = QUESTIONS["3.5"].function(measured()).table
    assert list(table["method"]) == ["Grad-CAM", "Eigen-CAM", "Gradient", "random_map"]
    for name, means in (
        ("pointing", [0.75, 8 / 12, 5 / 12, 2 / 12]), ("iou", [0.52, 0.41, 0.28, 0.17]), ("drop", [0.3] * 4),
        ("faithfulness", [0.31, 0.22, 0.11, 0.01]), ("geometric", [0.83, 0.74, 0.45, np.nan]),
        ("photometric", [0.93, 0.94, 0.81, np.nan]),
    ):
        assert [mean for mean, _ in table[name]] == pytest.approx(means, nan_ok=True), name
    half = table["iou"][0][1]
    assert half == pytest.approx(2.201 * np.std(around(0), ddof=1) / np.sqrt(N), rel=1e-3)  # Student's t, 11 degrees
    assert table["pointing"][3][1] == pytest.approx((0.4480 - 0.0470) / 2, abs=1e-3)  # Wilson, 2 of 12


def test_few_images_have_no_interval(measured):
    fewer = {name: replace(each, iou=each.iou[:7], pointing=each.pointing[:8]) for name, each in MARKS.items()}
    table = QUESTIONS["3.5"].function(measured(marks=fewer)).table
    assert np.isnan([half for _, half in table["iou"]]).all()
    assert np.isfinite([half for _, half in table["pointing"]]).all()


def test_measures_that_nobody_has_are_left_out_of_the_table(measured):
    none = {name: replace(each, pointing=np.empty(0), iou=np.empty(0), photometric=UNKNOWN)
            for name, each in MARKS.items()}
    images = replace(IMAGES, area=np.empty(0), outlined_recognised=np.empty(0))
    text = said("3.5", measured(marks=none, images=images))
    table = QUESTIONS["3.5"].function(measured(marks=none, images=images)).table
    assert list(table) == ["method", "drop", "faithfulness", "geometric"]
    assert "Nobody has drawn the outlines" in text
    for absent in ("On the object", "Each lies", "asks nothing of the class"):
        assert absent not in text


@pytest.mark.parametrize(
    ("right", "sentence"),
    [
        (10, "Objects are outlined in 12 drawn images alone, where they take 26 %. The network has never seen such "
             "drawings, but names 83 % right (55 % to 95 %), beyond chance (0 %)"),
        (0, "it names 0 % right (0 % to 24 %), no better than chance (0 %)"),
    ],
)
def test_drawn_images(right, sentence, measured):
    images = replace(IMAGES, drawn=True, outlined_recognised=np.array([1.0] * right + [0.0] * (N - right)))
    check("3.5", measured(images=images), (sentence,), ("The objects of",))


def test_chance_is_that_of_the_networks_classes(measured):
    images = replace(IMAGES, drawn=True, outlined_recognised=np.array([1.0] * 3 + [0.0] * (N - 3)))
    assert "beyond chance (0 %)" in said("3.5", measured(images=images))
    ten = replace(SETUP, n_classes=10)
    assert "no better than chance (10 %)" in said("3.5", measured(images=images, setup=ten))


def test_images_whose_class_nobody_knows(measured):
    images = replace(IMAGES, recognised=UNKNOWN)
    check("3.5", measured(images=images), ("Nobody has said which classes are right.",), ("it names",))


def test_a_sample_is_called_drawn(measured):
    ten = replace(SETUP, n_classes=10)
    check("3.5", replace(measured(setup=ten), source="sample"), ("it recognises them beyond chance (10 %).",))
    few_right = replace(IMAGES, recognised=np.array([1.0] * 3 + [0.0] * 9))
    check("3.5", replace(measured(setup=ten, images=few_right), source="sample"),
          ("recognises them no better than chance (10 %): where its maps lie",))
    assert "They are drawn" not in said("3.5", measured())


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        ({"shear": 2, "brightness": 2, "scale": 2}, "harm it equally within chance"),
        ({"shear": 2, "brightness": 11, "scale": 3},
         "suffers most from: shear (58 % stay); not to be told from it: scale; milder beyond chance: brightness."),
        ({"brightness": 11, "shear": 2, "scale": 10}, "suffers most, beyond chance, from: shear (58 % stay)"),
        ({"shear": 2}, ""),
    ],
)
def test_which_transformation_harms_most(kept, sentence, measured):
    sweeps = {name: swept(name, "share", n, 0.9) for name, n in kept.items()}
    text = said("3.5", measured(sweeps=sweeps))
    assert sentence in text
    assert ("suffers most" in text or "harm it" in text) == bool(sentence)


@pytest.mark.parametrize(
    ("similar", "verdict"), [(0.95, "they hold (0.8 or more)"), (0.7, "not beyond recognition"), (0.45, "they do "
                                                                                                        "not hold")]
)
def test_how_alike_maps_stay(similar, verdict, measured):
    sweeps = {"shear": swept("shear", "degrees", 4, similar)}
    text = said("3.5", measured(sweeps=sweeps))
    assert f"is {similar - 0.1:.2f} (" in text
    assert [each for each in ("they hold", "not beyond", "do not hold") if each in text] == [
        each for each in ("they hold", "not beyond", "do not hold") if each in verdict
    ]


@pytest.mark.parametrize(
    ("shift", "sentence"),
    [
        (0.2, "maps change more where the answer does (0.65 against 0.85"),
        (-0.2, "maps change less where the answer changes (0.65 against 0.45, beyond chance)"),
        (0.0, "maps change alike in both (0.65 where it changes, 0.65 where it stays, equal within chance)"),
    ],
)
def test_whether_maps_change_with_the_answer(shift, sentence, measured):
    one = swept("shear", "degrees", 2, 0.85)
    similarity = np.stack([around(0.65 + shift, 0.04, phase=2), around(0.65, 0.04)], axis=1)
    text = said("3.5", measured(sweeps={"shear": replace(one, similarity=similarity)}))
    assert sentence in text
    assert "On the 10 images" in text
    few = measured(sweeps={"shear": replace(swept("shear", "degrees", 5, 0.85), similarity=similarity)})
    assert "Too few images (7)" in said("3.5", few)


def test_maps_that_are_the_same_everywhere(measured):
    sweeps = {name: replace(each, similarity=np.full((N, 2), np.nan)) for name, each in SWEEPS.items()}
    check("3.5", measured(sweeps=sweeps), ("The maps (Grad-CAM) are the same everywhere",), ("mean correlation",))


def few(n):
    """Give the measurements of the first n images."""
    marks = {
        name: replace(each, **{
            part: getattr(each, part)[:n]
            for part in ("pointing", "iou", "drop", "insertion", "deletion", "geometric", "photometric")
        })
        for name, each in MARKS.items()
    }
    sweeps = {
        name: replace(each, similarity=each.similarity[:n], kept=each.kept[:n])
        for name, each in SWEEPS.items()
    }
    images = replace(
        IMAGES, recognised=IMAGES.recognised[:n],
        outlined_recognised=IMAGES.outlined_recognised[:n], area=IMAGES.area[:n],
    )
    return {"marks": marks, "sweeps": sweeps, "images": images}


def test_too_few_images_to_conclude(measured):
    check("3.5", measured(**few(7)), ("Fewer than 8 images: the table is shown, nothing is concluded", "7 images"),
          ("is first", "Each lies", "No mark alone", "suffers"))
    assert "is first" in said("3.5", measured(**few(8)))


def test_a_single_image_has_no_interval(measured):
    text = said("3.5", measured(**few(1)))
    assert "stays in 100.0 % of the variants of one image" in text
    assert "on one image: at these strengths" in text
    assert "1 image," in text
    assert "nan" not in text


def test_outlines_of_too_few_images(measured):
    """As of the photographs, two of which have an outline."""
    found = few(N) | {"images": replace(IMAGES, area=IMAGES.area[:2], outlined_recognised=np.ones(2))}
    found["marks"] = {name: replace(each, iou=each.iou[:2], pointing=each.pointing[:2]) for name, each in MARKS.items()}
    text = said("3.5", measured(**found))
    assert "The objects of 2 images alone are outlined, 27 % of the picture on average: too few to conclude" in text
    assert "On the object" not in text
    assert "Each lies" not in text
    assert "asks nothing of the class" not in text
    assert "what the network uses (insertion - deletion): Grad-CAM" in text


def methods_of(**changes):
    return {name: replace(each, **changes.get(name, {})) for name, each in MARKS.items()}


RANKED = {
    "iou": "On the object (IoU)", "faithfulness": "(insertion - deletion)", "geometric": "ollowing moved pixels",
    "photometric": "when the light changes",
}


@pytest.mark.parametrize("measure", RANKED)
def test_methods_are_first_tied_or_equal(measure, measured):
    part = "insertion" if measure == "faithfulness" else measure
    add = 0.5 if measure == "faithfulness" else 0
    noise = np.where(np.arange(N) % 2, 0.06, -0.06)
    hidden = {"geometric": UNKNOWN} if measure == "photometric" else {}

    def with_means(first, second, third):
        means = {"gradcam": first, "eigencam": second, "saliency": third}
        return methods_of(**{
            name: {part: around(mean + add) + (noise if name == "eigencam" else 0), **hidden}
            for name, mean in means.items()
        })

    for means, sentence in (
        ((0.6, 0.4, 0.3), "Grad-CAM is first, 0.60, beyond chance before: Eigen-CAM, Gradient."),
        ((0.3, 0.31, 0.1), "Eigen-CAM is first, 0.31; not to be told from it: Grad-CAM; behind beyond chance: "
                           "Gradient."),
        ((0.3, 0.31, 0.3), "all are equal within chance; Eigen-CAM has 0.31."),
    ):
        text = said("3.5", measured(marks=with_means(*means)))
        assert f"{RANKED[measure]}{': ' if 'first' in sentence else ' '}{sentence}" in text
        assert RANKED[measure] in text


def test_a_single_method_is_not_ranked(measured):
    alone = {name: MARKS[name] for name in ("gradcam", "random")}
    text = said("3.5", measured(marks=alone))
    assert "is first" not in text
    assert "asks nothing of the class" not in text
    assert "Each lies on the object" in text


@pytest.mark.parametrize(("measure", "sentences"), [
    ("iou", ("Not on the object beyond maps that know nothing (0.45): Eigen-CAM, Gradient.",
             "None lies on the object beyond maps that know nothing (0.60).")),
    ("insertion", ("Not finding what the network uses beyond maps that know nothing (0.25): Eigen-CAM, Gradient.",
                   "None finds what the network uses beyond maps that know nothing (0.40).")),
])
def test_maps_that_know_nothing(measure, sentences, measured):
    values = (0.45, 0.60) if measure == "iou" else (0.75, 0.90)
    for value, sentence in zip(values, sentences, strict=True):
        assert sentence in said("3.5", measured(marks=methods_of(random={measure: around(value)})))


@pytest.mark.parametrize(
    ("faithful", "sentence"),
    [
        ((0.5, 0.4, 0.3, 0.2, 0.1, 0.05), "those that lie on the object are those that find what the network uses "
                                          "(rank "
                                          "correlation 1.00)"),
        ((0.05, 0.1, 0.2, 0.3, 0.4, 0.5), "are not those that find what the network uses (rank correlation -1.00)"),
        ((0.2, 0.5, 0.05, 0.4, 0.1, 0.3), "are not related beyond chance (rank correlation 0.09)"),
    ],
)
def test_whether_two_marks_agree(faithful, sentence, measured):
    marks = {
        f"method{i}": method_marks(f"Method {i}", 0.6 - 0.05 * i, value, 0.5, 0.5) for i, value in enumerate(faithful)
    }
    text = said("3.5", measured(marks=marks))
    assert f"Over 6 methods, {'lying' if 'related' in sentence else 'those'}" in text
    assert sentence in text
    fewer = {name: marks[name] for name in list(marks)[:4]}
    assert "Over 4" not in said("3.5", measured(marks=fewer))


def test_a_method_that_asks_nothing_of_the_class_may_be_as_good(measured):
    text = said("3.5", measured(marks=methods_of(eigencam={"iou": around(0.52, phase=1)})))
    assert "Eigen-CAM, which asks nothing of the class, lies on the object no worse than Grad-CAM" in text
    assert "lies less" not in text


# --- the line that ends the lab ---


def test_the_result(measured):
    assert questions.result("cnn_sensitivity", measured(), "en").replace("\u202f", " ") == (
        "mobilenet names 82 % of 11 images right. Under 2 transformations it keeps its answer in 77 % of the variants; "
        "the Grad-CAM maps correlate at 0.80 with what they should become."
    )
    unknown = measured(images=replace(IMAGES, recognised=UNKNOWN))
    assert questions.result("cnn_sensitivity", unknown, "en").startswith("Under 2 transformations")
    nothing = {name: replace(each, similarity=np.full((N, 2), np.nan)) for name, each in SWEEPS.items()}
    assert "cannot be compared" in questions.result("cnn_sensitivity", measured(sweeps=nothing), "en")
    assert "82 % des images (11)" in questions.result("cnn_sensitivity", measured(), "fr").replace("\u202f", " ")


def test_without_many_images_the_result_is_in_the_answers(measured):
    alone = measured(sweeps=None, marks=None, images=None)
    assert questions.result("cnn_sensitivity", alone, "en") == "see the answers above."


def test_questions_are_answered_when_what_they_need_was_measured(measured):
    assert measured().studies == {"pictures", "explained", "variants", "marks"}
    assert measured(explained=None, variants=None, marks=None).studies == {"pictures"}
    for number, needed in (("3.1", "explained"), ("3.4", "variants"), ("3.5", "marks")):
        assert needed in QUESTIONS[number].needs
    assert answers.FEWEST == 8
    assert CENTRE.max() == 1
