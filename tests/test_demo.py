"""What the page shows, computed and written, without a browser and without Gradio."""

import base64
import importlib.util
import io
import math
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from mi204 import backbones, cli
from mi204.backbones import Backbone
from mi204.datasets import cifar10, photographs
from mi204.datasets.photographs import Photograph
from mi204.demo import studio, view
from mi204.demo.studio import Studio
from mi204.errors import DataError, SettingError
from mi204.explain.transformations import TRANSFORMATIONS
from mi204.language import Text, Word, word

SIDE = 12


def network():
    """Build a network that sees every pixel alone: its maps follow each movement of the picture, and none is empty."""
    model = keras.Sequential([
        keras.Input((SIDE, SIDE, 3)),
        keras.layers.Conv2D(6, 1, activation="relu", name="early"),
        keras.layers.Conv2D(5, 1, activation="relu", name="late"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10, activation="softmax"),
    ])
    rng = np.random.default_rng(1)
    model.set_weights([np.abs(rng.normal(size=each.shape)) * (each.ndim > 1) for each in model.get_weights()])
    return model


def centred(pictures):
    return np.asarray(pictures, np.float32) / np.float32(255)


@pytest.fixture
def backbone(monkeypatch):
    backbone = Backbone("own", network(), cifar10.CLASSES, centred, source="", licence="")
    monkeypatch.setattr(backbones, "load", lambda name: replace(backbone, name=name))
    return backbone


def photograph(seed=0, **known):
    return Photograph("a_photo.jpg", np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8), **known)


@pytest.mark.backend
def test_a_picture_is_seen_once_and_its_likeliest_class_explained(backbone):
    rooms, picture = Studio(), photograph()
    seen = rooms.see(picture, "own", "gradcam")
    assert rooms.see(picture, "own", "gradcam") is seen
    assert rooms.see(picture, "own", "gradcam", "early") is not seen
    np.testing.assert_array_equal(seen.image, picture.image)
    expected = keras.ops.convert_to_numpy(backbone.model(centred(picture.image[np.newaxis])))[0]
    np.testing.assert_allclose(seen.probabilities, expected, atol=1e-5)
    assert seen.target == expected.argmax()
    assert [each for each, _ in seen.top()] == np.argsort(-expected)[:5].tolist()
    np.testing.assert_allclose([share for _, share in seen.top()], np.sort(expected)[::-1][:5], atol=1e-5)


@pytest.mark.backend
@pytest.mark.usefixtures("backbone")
def test_another_class_and_another_layer_can_be_asked_for():
    rooms, picture = Studio(), photograph()
    other = rooms.see(picture, "own", "gradcam", "early", 3)
    assert other.target == 3
    assert other.explanation.layers == ("early",)
    assert (other.map != rooms.see(picture, "own", "gradcam", "late", 3).map).any()


@pytest.mark.backend
@pytest.mark.usefixtures("backbone")
def test_the_last_layer_comes_first_and_is_the_librarys_choice():
    rooms = Studio()
    assert rooms.layers("own") == ["late", "early"]
    assert rooms.see(photograph(), "own", "gradcam").explanation.layers == ("late",)


@pytest.mark.backend
@pytest.mark.usefixtures("backbone")
@pytest.mark.parametrize(("transformation", "strength"), [("flip", 1), ("rotation", 90), ("rotation", -90)])
def test_the_map_of_a_network_that_sees_pixels_alone_follows(transformation, strength):
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", None, 2)
    followed = rooms.follow(seen, "own", None, transformation, strength)
    assert rooms.follow(seen, "own", None, transformation, strength) is followed

    def moved(array):
        return array[:, ::-1] if transformation == "flip" else np.rot90(array, strength // 90)

    np.testing.assert_array_equal(followed.seen.image, moved(seen.image))
    np.testing.assert_allclose(followed.expected, moved(seen.map), atol=1e-5)
    np.testing.assert_allclose(followed.seen.map, followed.expected, atol=1e-5)
    assert followed.similarities["pearson"] == pytest.approx(1)
    assert followed.similarities["centre_shift"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(seen.image, photograph().image)


@pytest.mark.backend
@pytest.mark.usefixtures("backbone")
def test_the_class_method_and_layer_stay_when_the_picture_is_transformed():
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", "early", 4)
    followed = rooms.follow(seen, "own", "early", "brightness", -0.9)
    assert (followed.seen.target, followed.seen.explanation.layers) == (4, ("early",))
    np.testing.assert_array_equal(followed.expected, seen.map)
    assert followed.seen.image.max() <= 26
    # Its weights are positive: what is ten times darker scores ten times less, and looks the same on the map.
    np.testing.assert_allclose(followed.seen.explanation.scores, seen.explanation.scores / 10, rtol=1e-4)
    assert followed.similarities["pearson"] == pytest.approx(1)


@pytest.mark.backend
@pytest.mark.usefixtures("backbone")
def test_only_pixels_that_were_in_the_picture_are_compared():
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", None, 2)
    followed = rooms.follow(seen, "own", None, "scale", -0.5)
    valid = TRANSFORMATIONS["scale"].valid({"factor": 0.5}, (SIDE, SIDE))
    expected = np.corrcoef(followed.expected[valid], followed.seen.map[valid])[0, 1]
    assert followed.similarities["pearson"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.backend
@pytest.mark.usefixtures("backbone")
def test_the_map_found_is_compared_with_the_one_expected():
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", None, 2)
    followed = rooms.follow(seen, "own", None, "noise", 0.2)
    np.testing.assert_array_equal(followed.expected, seen.map)
    expected = np.corrcoef(seen.map.ravel(), followed.seen.map.ravel())[0, 1]
    assert expected < 0.99
    assert followed.similarities["pearson"] == pytest.approx(expected, abs=1e-5)


def test_examples_are_the_photographs_that_can_be_had(monkeypatch):
    def load(names, insist):
        assert not insist
        if names[0] != "crow":
            raise DataError("not there", "absent")
        return [photograph(credit="somebody")]

    monkeypatch.setattr(photographs, "load", load)
    assert [each.credit for each in studio.examples()] == ["somebody"]


def test_without_photographs_the_sample_is_drawn(monkeypatch):
    def load(names, insist):
        raise DataError("not there", "absent")

    monkeypatch.setattr(photographs, "load", load)
    drawn = studio.examples()
    assert sorted(each.name for each in drawn) == sorted(cifar10.CLASSES)
    assert {each.image.shape for each in drawn} == {(32, 32, 3)}
    assert not any(each.credit for each in drawn)


# --- written ---


def test_maps_have_jets_colours_and_the_overlay_is_half_of_each():
    heat = np.array([[0, 1, 0.5]])
    np.testing.assert_allclose(view.coloured(heat)[0], [[0, 0, 127], [127, 0, 0], [124, 255, 121]], atol=2)
    image = np.full((1, 3, 3), 200, np.uint8)
    mixed = [[100, 100, 163.5], [163.5, 100, 100], [162, 228, 161]]
    np.testing.assert_allclose(view.overlaid(image, heat)[0], mixed, atol=2)
    assert view.overlaid(image, heat).dtype == np.uint8


@pytest.mark.usefixtures("backbone")
def test_rows_of_pictures_have_captions_in_both_languages():
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", None, 2)
    (first,) = view.pictures(seen, None, "en")
    assert [caption for caption, _ in first] == [f"Input ({SIDE}\u00a0×\u00a0{SIDE})", "Map", "Overlay"]
    for (_, found), expected in zip(
        first, [seen.image, view.coloured(seen.map), view.overlaid(seen.image, seen.map)], strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    followed = rooms.follow(seen, "own", None, "noise", 0.2)
    _, second = view.pictures(seen, followed, "fr")
    assert [caption for caption, _ in second] == [
        "Entrée transformée", "La première carte, déplacée de même", "La carte trouvée",
    ]
    for (_, found), expected in zip(
        second, [followed.seen.image, view.overlaid(followed.seen.image, followed.expected),
                 view.overlaid(followed.seen.image, followed.seen.map)], strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_classes_have_names_in_the_readers_language_where_they_are_known(backbone):
    assert view.class_name(backbone, 3, "en") == "cat"
    assert view.class_name(backbone, 3, "fr") == "chat"
    imagenet = replace(backbone, classes=("great_white_shark", "tench"))
    assert view.class_name(imagenet, 0, "fr") == "great white shark"


def test_the_likeliest_classes_are_offered_first_then_all_others_by_name(backbone):
    seen = Studio().see(photograph(), "own", "gradcam")
    choices = view.class_choices(backbone, seen, "fr")
    assert sorted(each for _, each in choices) == list(range(10))
    assert [each for _, each in choices[:5]] == [each for each, _ in seen.top()]
    share = f"{100 * seen.top()[0][1]:.1f}".replace(".", ",")
    assert choices[0][0] == f"{view.class_name(backbone, seen.target, 'fr')} · {share}\u202f%"
    names = [name for name, _ in choices[5:]]
    assert names == sorted(names)
    assert "%" not in "".join(names)


def test_sentences_say_what_is_seen_explained_and_wrong(backbone):
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", None, 3)
    seen = replace(seen, explanation=replace(
        seen.explanation, reason=Text("Because.", "Parce que."), diagnostics=(("all_negative",),)
    ))
    marked = replace(backbone, remark=Word("weights_not_verified"))
    picture = photograph(remarks=(Word("picture_turned"), Word("picture_cmyk")))
    first, best = seen.top()[0]
    for language, name in (("en", "cat"), ("fr", "chat")):
        said = view.sentences(marked, picture, seen, None, language)
        assert said[0].startswith(("The network answers: ", "Le réseau répond : ")[language == "fr"])
        assert f"{view.class_name(backbone, first, language)} " in said[0]
        assert said[0].count("\u202f%") == 5
        assert f" {name} (" in said[1]
        assert "Grad-CAM (Selvaraju et al., 2017, 1610.02391)" in said[1]
        assert said[2] == ("Because.", "Parce que.")[language == "fr"]
        assert said[3].startswith(("Nothing in the image", "Rien dans l'image")[language == "fr"])
        assert said[4].endswith(f"{word('picture_turned', language)}, {word('picture_cmyk', language)}.")
        assert said[5] == word("weights_not_verified", language)
        assert len(said) == 6
    said = view.sentences(marked, picture, seen, None, "en")
    assert f"{best:.1%}".replace("%", "\u202f%") in said[0]
    assert first != 3
    assert f"cat ({seen.probabilities[3]:.1%})".replace("%", "\u202f%") in said[1]


def test_sentences_say_how_well_the_map_follows_or_that_nothing_can_be_said(backbone):
    rooms = Studio()
    seen = rooms.see(photograph(), "own", "gradcam", None, 3)
    followed = rooms.follow(seen, "own", None, "brightness", 0.1)
    followed = replace(followed, similarities={
        "pearson": 0.914, "spearman": 0.871, "ssim": 0.723, "top_iou": 0.645, "centre_shift": 0.0321,
    })
    likeliest = view.class_name(backbone, followed.seen.top()[0][0], "en")
    _, _, _, answer, similarity = view.sentences(backbone, photograph(), seen, followed, "en")
    assert answer.startswith(f"Transformed: the network answers {likeliest} (")
    assert re.findall(r"\d\.\d+", similarity) == ["0.91", "0.87", "0.72", "0.65", "3.2"]
    similarity = view.sentences(backbone, photograph(), seen, followed, "fr")[-1]
    assert re.findall(r"\d,\d+", similarity) == ["0,91", "0,87", "0,72", "0,65", "3,2"]
    empty = replace(followed, similarities=dict.fromkeys(followed.similarities, math.nan))
    assert "has no meaning" in view.sentences(backbone, photograph(), seen, empty, "en")[-1]
    assert "pas de sens" in view.sentences(backbone, photograph(), seen, empty, "fr")[-1]


def decoded(address):
    assert address.startswith("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))


def test_html_holds_the_pictures_the_sentences_and_the_file_to_save():
    large, small = np.full((200, 200, 3), 7, np.uint8), np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    saved = view.png([[("a", small)] * 3], ["said"])
    written = view.html([[("<b>", small), ("&", large)]], ["1 < 2", "<script>"], saved, '"x".png', "Save & go")
    assert "<b>" not in written
    assert "<script>" not in written
    assert "<figcaption>&lt;b&gt;</figcaption>" in written
    assert "<p>1 &lt; 2</p><p>&lt;script&gt;</p>" in written
    first, second = re.findall(r'<img([^>]*) src="([^"]+)" alt="[^"]+">', written)
    np.testing.assert_array_equal(np.asarray(decoded(first[1])), small)
    np.testing.assert_array_equal(np.asarray(decoded(second[1])), large)
    assert ("pixels" in first[0], "pixels" in second[0]) == (True, False)
    (name, address), = re.findall(r'download="([^"]+)" href="([^"]+)"', written)
    assert name == "&quot;x&quot;.png"
    assert base64.b64decode(address.split(",")[1]) == saved
    assert ">Save &amp; go</a>" in written


def test_the_saved_picture_shows_the_rows_and_grows_with_what_is_said():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    one = Image.open(io.BytesIO(view.png([[("a", red)] * 3], ["said"])))
    two = Image.open(io.BytesIO(view.png([[("a", red)] * 3] * 2, ["said"])))
    longer = Image.open(io.BytesIO(view.png([[("a", red)] * 3], ["a long sentence " * 60])))
    assert one.width == two.width == longer.width == 900
    assert one.height == 355
    assert two.height == 675
    assert longer.height == 355 + 15 * 7  # eight lines
    shares = [(np.asarray(each.convert("RGB")) == (255, 0, 0)).all(axis=-1).sum() / 280**2 for each in (one, two)]
    np.testing.assert_allclose(shares, [3, 6], rtol=0.1)


def test_an_error_is_written_in_the_readers_language_and_escaped():
    error = SettingError("Expected <{name}>.", "<{name}> attendu.", name="a&b")
    assert view.message(error, "en") == '<p class="mi204-error" role="alert">Expected &lt;a&amp;b&gt;.</p>'
    assert "&lt;a&amp;b&gt; attendu." in view.message(error, "fr")


def test_every_transformation_and_unit_has_a_name():
    for name, transformation in TRANSFORMATIONS.items():
        unit = "flip" if name == "flip" else transformation.unit
        for language in ("en", "fr"):
            assert word(f"page_with_{name}", language)
            assert word(f"page_unit_{unit}", language)


# --- the command ---


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_cannot_be_is_refused(port, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", "--port", port, "--language", "fr"])
    assert re.search(rf"--port de 1 à 65535 attendu, {port} reçu", str(stop.value.code))


def test_without_gradio_the_extra_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else find(name))
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo"])
    assert re.search(r'Expected gradio to be installed.*pip install -e "\.\[demo\]"', str(stop.value.code))


def test_help_says_how_the_page_is_served(capsys):
    with pytest.raises(SystemExit):
        cli.main(["demo", "--help"])
    said = capsys.readouterr().out
    assert "127.0.0.1" in said
    assert "7860" in said
