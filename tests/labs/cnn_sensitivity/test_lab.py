"""The lab on sensitivity: what it measures, of a tiny network and random pictures; and on the real photographs."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from labs.cnn_sensitivity import gallery as gallery_room
from labs.cnn_sensitivity import judged, lab
from labs.cnn_sensitivity.config import PRESETS, Config, Recipe
from labs.cnn_sensitivity.gallery import Gallery, Looker, choose, composed, load_data
from labs.cnn_sensitivity.measured import Measured
from mi204 import backbones, backend, packages, questions, results
from mi204.backbones import Backbone
from mi204.datasets.photographs import Photograph
from mi204.errors import DataError, SettingError
from mi204.explain import METHODS, explain, faithfulness
from mi204.explain.similarity import pearson
from mi204.explain.transformations import TRANSFORMATIONS
from mi204.language import Word

pytestmark = pytest.mark.backend

CLASSES = ("dog", "car", "bird")
TINY = Config(
    recipe=Recipe(backbone="cifar10"), methods=("saliency",), n_images=9, steps=4, n_variants=3, most_passes=60
)


SOME = ["gradcam", "scorecam", "sscam", "eigencam", "saliency", "guided_gradcam", "fullgrad", "occlusion", "rise"]


def network():
    """Build a network with the same weights on every backend."""
    rng = np.random.default_rng(3)
    model = keras.Sequential([
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="last"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ])
    model.set_weights([rng.normal(0, 0.4, weight.shape).astype(np.float32) for weight in model.get_weights()])
    return model


def photographs(n, masks=True):
    rng = np.random.default_rng(0)
    made = []
    for index in range(n):
        mask = np.zeros((16, 16), bool)
        row, column = rng.integers(1, 7, 2)
        mask[row : row + 7, column : column + 6] = True
        image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        image[mask] //= 3
        answers = (CLASSES[index % 3],)
        made.append(Photograph(f"#{index}", image, answers=answers, count=1, mask=mask if masks else None))
    return tuple(made)


@pytest.fixture(scope="module")
def backbone():
    return Backbone(
        "tiny", network(), CLASSES, lambda pictures: np.asarray(pictures, np.float32) / 127.5 - 1, source="nothing",
        licence="MIT", accuracy=0.4,
    )


@pytest.fixture(scope="module")
def tiny(backbone):
    return Gallery(backbone, "random", "sample", None, photographs(12))


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """Measure everything once, with some methods of each family."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "offered", lambda config: SOME)
        return folder, lab.run(TINY, tiny, folder)


def test_everything_is_measured(whole, tiny):
    _, measured = whole
    assert measured.studies == {"pictures", "explained", "variants", "marks"}
    assert (measured.data, measured.source, measured.runs) == ("random", "sample", [])
    assert (measured.setup.backbone, measured.setup.n_classes, measured.setup.side) == ("tiny", 3, [16, 16])
    assert measured.setup.parameters == tiny.backbone.model.count_params()
    assert (measured.setup.method, measured.setup.map_side) == ("Grad-CAM", [8, 8])
    assert measured.setup.layer.endswith("last")
    assert "6 maps" in measured.setup.reason["en"]
    assert "6 cartes" in measured.setup.reason["fr"]
    assert set(measured.variants) == set(measured.sweeps) == {"shear", "brightness"}
    assert list(measured.marks) == ["gradcam", "saliency", "random"]
    assert not measured.images.drawn
    for question in questions.of_lab("cnn_sensitivity").values():
        for language in ("en", "fr"):
            assert "{" not in question.render(measured, language)


def test_what_was_computed_equals_what_is_read_back(whole, tmp_path):
    _, measured = whole
    results.save(measured, tmp_path)
    assert results.load(Measured, tmp_path) == measured


def test_what_is_finished_is_not_measured_again(whole, tiny, monkeypatch):
    folder, measured = whole
    monkeypatch.setattr(lab, "offered", lambda config: SOME)

    def fail(*_):
        raise AssertionError

    for name in ("explain_one", "vary", "judge", "sweep"):
        monkeypatch.setattr(lab, name, fail)
    assert lab.run(replace(TINY, language="fr", questions=("3.1", "3.4", "3.5")), tiny, folder) == replace(
        measured, config=replace(TINY, language="fr", questions=("3.1", "3.4", "3.5"))
    )
    with pytest.raises(AssertionError):
        lab.run(replace(TINY, n_variants=4), tiny, folder)
    with pytest.raises(AssertionError):
        lab.run(replace(TINY, recipe=replace(TINY.recipe, seed=1)), tiny, folder)


def test_an_interrupted_run_goes_on(tiny, tmp_path, monkeypatch):
    config = replace(TINY, questions=("3.4",))
    vary, done = lab.vary, []

    def interrupted(config, name, *rest):
        if name == "brightness" and len(done) == 1:
            done.append("stopped")
            raise KeyboardInterrupt
        done.append(name)
        return vary(config, name, *rest)

    monkeypatch.setattr(lab, "vary", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.run(config, tiny, tmp_path)
    measured = lab.run(config, tiny, tmp_path)
    assert done == ["shear", "stopped", "brightness"]
    assert list(measured.variants) == ["shear", "brightness"]


def test_questions_measure_what_they_need(tiny):
    measured = lab.run(replace(TINY, questions=("3.2", "3.3")), tiny)
    assert measured.studies == {"pictures"}
    assert measured.images is measured.left_out is measured.sweeps is None


# --- maps ---


def test_every_method_is_shown_but_the_dear_and_the_impossible(whole):
    _, measured = whole
    assert measured.left_out == ["RISE"]  # SS-CAM: ten passes for each of six maps
    assert list(measured.explained) == [name for name in SOME if name != "rise"]
    assert measured.refused == []
    families = {name: each.family for name, each in measured.explained.items()}
    assert families["gradcam"] == "layer"
    assert families["eigencam"] == "any_class"
    assert families["scorecam"] == families["occlusion"] == "perturbed"
    assert {families[name] for name in ("saliency", "fullgrad", "guided_gradcam")} == {"input"}


def test_the_map_is_that_of_the_class_on_the_picture(whole, tiny):
    _, measured = whole
    picture = measured.pictures["one"]
    target = CLASSES.index(measured.setup.target)
    inputs = tiny.backbone.preprocess(picture.image[None])
    for name in ("gradcam", "saliency"):
        expected = explain(tiny.backbone.model, inputs, name, target)
        other = np.argsort(expected.probabilities[0])
        other = other[-1] if other[-1] != target else other[-2]
        elsewhere = explain(tiny.backbone.model, inputs, name, int(other)).maps
        found = measured.explained[name]
        np.testing.assert_allclose(found.map, expected.maps[0], atol=1e-5)
        assert found.other_class == pytest.approx(pearson(expected.maps, elsewhere)[0], abs=1e-4)
        inside = faithfulness.energy_inside(expected.maps, picture.objects[None] > 0)[0]
        assert found.inside == pytest.approx(inside, abs=1e-4)
        assert all(cost > 0 for cost in found.costs)
        assert 1 <= len(found.costs) <= lab.REPETITIONS
    np.testing.assert_allclose(picture.map, measured.explained["gradcam"].map, atol=1e-5)
    expected = explain(tiny.backbone.model, inputs, "gradcam", target)
    np.testing.assert_allclose(picture.raw, expected.raw[0], atol=1e-5)
    assert picture.score == pytest.approx(expected.scores[0], abs=1e-4)
    assert picture.probability == pytest.approx(expected.probabilities[0, target], abs=1e-5)


def test_the_other_class_is_the_likeliest_but_the_one_studied(whole, tiny):
    picture, look = whole[1].pictures["one"], Looker(tiny.backbone, TINY.recipe)
    maps = [look(picture.image[None], "saliency", label).maps for label in range(3)]
    order = np.argsort(-look(picture.image[None], "gradcam").probabilities[0])
    for target, other in ((order[0], order[1]), (order[1], order[0]), (order[2], order[0])):
        found = lab.explain_one("saliency", picture, int(target), look)
        assert found.other_class == pytest.approx(pearson(maps[target], maps[other])[0], abs=1e-5)


@pytest.mark.parametrize(
    ("values", "share"),
    [([0, 0, 0, 1], 0.25), ([1, 1, 1, 1], 0.5), ([3, 1, 1, 1], 0.25), ([2, 2, 2, 4], 0.5), ([0, 0, 0, 0], np.nan)],
)
def test_compactness_is_the_share_of_pixels_that_holds_half(values, share):
    assert lab._compactness(np.float32([values])) == pytest.approx(share, nan_ok=True)


def test_passes_are_counted_by_the_methods_own_settings():
    assert lab.passes("gradcam", 1280) == 1
    assert lab.passes("scorecam", 1280) == lab.passes("ablationcam", 1280) == 1280
    assert lab.passes("sscam", 64) == lab.passes("iscam", 64) == 640
    assert lab.passes("rise", 64) == 1000
    assert lab.passes("smoothgrad", 64) == 50
    assert set(lab.PERTURBED) <= set(METHODS)


def test_methods_are_chosen_by_name(tiny):
    can, dear, compared = lab.chosen_methods(replace(TINY, methods=("layercam",)), 6)
    assert "gradcam" in can
    assert "rise" in dear
    assert compared == ["gradcam", "layercam"]
    can, dear, compared = lab.chosen_methods(replace(TINY, methods=("all",)), 6)
    assert compared == can
    assert set(can) | set(dear) == set(METHODS)
    for wrong in ({"methods": ("gradcamm",)}, {"recipe": replace(TINY.recipe, method="gradcamm")}):
        with pytest.raises(SettingError, match=r"received 'gradcamm'.*--methods") as refused:
            lab.run(replace(TINY, **wrong), tiny)
        assert "'gradcamm' reçu" in refused.value.written("fr")
    for preset in PRESETS.values():
        lab.chosen_methods(preset, 6)


def test_the_layer_can_be_chosen(tiny):
    recipe = replace(TINY.recipe, layer="max_pooling2d", method="layercam")
    with pytest.raises(SettingError, match="layer"):
        lab.run(replace(TINY, questions=("3.3",), recipe=replace(recipe, layer="nowhere")), tiny)
    first = tiny.backbone.model.layers[0].name
    measured = lab.run(replace(TINY, questions=("3.3",), recipe=replace(recipe, layer=first)), tiny)
    assert measured.setup.map_side == [16, 16]
    assert measured.setup.method == "LayerCAM"


def test_a_method_at_the_input_has_a_raw_map_of_one_channel(tiny):
    measured = lab.run(replace(TINY, questions=("3.3",), recipe=replace(TINY.recipe, method="saliency")), tiny)
    assert measured.pictures["one"].raw.shape == (16, 16)
    assert measured.setup.layer == ""
    assert "itself" in measured.setup.reason["en"]


def test_tf_keras_vis_makes_the_same_maps(tiny):
    pytest.importorskip("tf_keras_vis")
    config = replace(TINY, questions=("3.3",), recipe=replace(TINY.recipe, engine="tf_keras_vis"))
    if backend.chosen() != "tensorflow":
        with pytest.raises(SettingError, match="tensorflow"):
            lab.run(config, tiny)
        return
    measured = lab.run(config, tiny)
    ours = lab.run(replace(config, recipe=TINY.recipe), tiny)
    for role, picture in measured.pictures.items():
        np.testing.assert_allclose(picture.map, ours.pictures[role].map, atol=1e-4)
    assert set(lab.offered(config)) == {"gradcam", "gradcam++", "layercam", "scorecam", "saliency"}
    with pytest.raises(SettingError, match="received 'rise'"):
        lab.offered(replace(config, methods=("rise",)))


# --- the three pictures ---


def test_the_picture_named_most_surely_is_taken(tiny):
    target, chosen = choose(TINY, tiny)
    assert CLASSES[target] == tiny.shown[0].answers[0]
    having = [each for each in tiny.shown if CLASSES[target] in each.answers]
    answers = gallery_room.look_at(tiny.backbone, having)[:, target]
    assert chosen["one"].picture is having[answers.argmax()]
    assert chosen["one"].among == len(having) == 4
    np.testing.assert_array_equal(chosen["one"].objects, chosen["one"].picture.mask)
    assert chosen["several"].composed
    assert CLASSES[target] not in chosen["none"].picture.answers
    np.testing.assert_array_equal(chosen["none"].objects, chosen["none"].picture.mask)
    asked, chosen = choose(replace(TINY, recipe=replace(TINY.recipe, target_class="bird")), tiny)
    assert CLASSES[asked] == "bird"
    assert "bird" in chosen["one"].picture.answers


def test_a_class_without_network_or_picture_is_refused(tiny):
    with pytest.raises(SettingError, match="one of the 3 classes of tiny, such as dog, car, bird, received 'cow'"):
        choose(replace(TINY, recipe=replace(TINY.recipe, target_class="cow")), tiny)
    birdless = replace(tiny, shown=tuple(each for each in tiny.shown if each.answers != ("bird",)))
    with pytest.raises(SettingError, match="there is a picture, car, dog, received 'bird'") as refused:
        choose(replace(TINY, recipe=replace(TINY.recipe, target_class="bird")), birdless)
    assert "'bird' reçu" in refused.value.written("fr")


def test_of_several_right_classes_the_likeliest_is_studied(tiny):
    both = replace(tiny, shown=tuple(replace(each, answers=("dog", "car", "bird")) for each in tiny.shown))
    target, _ = choose(TINY, replace(both, shown=(*both.shown, replace(both.shown[0], answers=()))))
    assert target == gallery_room.look_at(tiny.backbone, both.shown)[0].argmax()


def test_own_pictures_come_in_their_order(tiny):
    own = replace(tiny, shown=tuple(replace(each, answers=(), mask=None) for each in tiny.shown), own=True)
    target, chosen = choose(TINY, own)
    assert [chosen[role].picture for role in ("one", "several", "none")] == list(own.shown[:3])
    assert target == gallery_room.look_at(tiny.backbone, own.shown)[0].argmax()
    assert not any(each.composed or each.objects is not None for each in chosen.values())
    assert choose(replace(TINY, recipe=replace(TINY.recipe, target_class="car")), own)[0] == 1
    measured = lab.run(replace(TINY, n_images=12, questions=("3.3", "3.5")), own)
    assert np.isnan(measured.images.recognised).all()
    assert len(measured.images.area) == 0
    assert "Nobody has said" in questions.of_lab("cnn_sensitivity")["3.5"].render(measured, "en")


def test_four_pictures_are_put_together():
    four = [
        Photograph(f"#{i}", np.full((8, 8, 3), 10 * (i + 1), np.uint8), mask=np.eye(8, dtype=bool)) for i in range(4)
    ]
    picture, objects = composed(four)
    assert picture.name == "#0, #1, #2, #3"
    assert [picture.image[r, c, 0] for r in (0, 7) for c in (0, 7)] == [10, 20, 30, 40]
    assert [int(objects[r, r]) for r in (0, 3, 4, 7)] == [1, 1, 4, 4]
    assert objects[0, 4] == 2
    assert objects[4, 0] == 3
    assert objects[0, 1] == 0
    np.testing.assert_array_equal(picture.mask, objects > 0)


def test_one_picture_is_mirrored_where_it_comes_again():
    ramp = np.repeat(np.arange(8, dtype=np.uint8)[None, :, None] * 30, 8, axis=0).repeat(3, axis=2)
    picture, objects = composed([Photograph("#0", ramp)])
    top, bottom = picture.image[0, :, 0].astype(int), picture.image[7, :, 0].astype(int)
    assert (np.diff(top[:4]) > 0).all()
    assert (np.diff(top[4:]) < 0).all()
    assert (np.diff(bottom[:4]) > 0).all()
    assert (np.diff(bottom[4:]) < 0).all()
    assert picture.mask is None
    assert picture.name == "#0"
    assert [int(objects[r, c]) for r in (0, 7) for c in (0, 7)] == [1, 2, 3, 4]


# --- variants ---


def test_variants_are_compared_with_what_the_map_should_become(whole, tiny):
    _, measured = whole
    picture, found = measured.pictures["one"], measured.variants["shear"]
    assert found.strengths == TRANSFORMATIONS["shear"].strengths(3) == [-30, 15, 30]
    assert (found.geometric, found.unit) == (True, "degrees")
    shear = TRANSFORMATIONS["shear"]
    for index, strength in enumerate(found.strengths):
        parameters = {"degrees": strength}
        image = shear.apply(picture.image[None].astype(np.float32), parameters)
        np.testing.assert_allclose(found.images[index], image[0], atol=0.51)
        moved = shear.warp(picture.map[None], parameters)
        valid = shear.valid(parameters, (16, 16))[None]
        one = found.maps[index][None]
        assert found.moved[index] == pytest.approx(pearson(one, moved, valid)[0], abs=1e-5)
        assert found.still[index] == pytest.approx(pearson(one, picture.map[None])[0], abs=1e-5)
        difference = (found.images[index].astype(float) - picture.image) / 255
        assert found.changes[index] == pytest.approx(np.sqrt((difference**2).mean()))
    inputs = tiny.backbone.preprocess(found.images)
    expected = explain(tiny.backbone.model, inputs, "gradcam", CLASSES.index(measured.setup.target))
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    assert found.predicted == [CLASSES[label] for label in expected.probabilities.argmax(axis=1)]


def test_light_moves_nothing(whole):
    found = whole[1].variants["brightness"]
    assert not found.geometric
    assert found.moved == found.still
    assert found.strengths == TRANSFORMATIONS["brightness"].strengths(3)


def test_imgaug_makes_the_variants(tiny):
    if not packages.installed("imgaug"):
        pytest.skip("imgaug is not installed")
    config = replace(TINY, questions=("3.4",), augmenter="imgaug", transformations=("scale", "contrast"), n_variants=4)
    measured = lab.run(config, tiny)
    found = measured.variants["scale"]
    assert found.strengths is found.moved is None
    assert found.images.shape == (4, 16, 16, 3)
    assert len({image.tobytes() for image in found.images}) == 4
    assert len(found.still) == len(found.changes) == 4


# --- many images ---


def test_methods_are_judged_on_the_class_named_and_on_the_true_one(whole, tiny):
    _, measured = whole
    shown, look = tiny.shown[:9], Looker(tiny.backbone, TINY.recipe)
    inputs = tiny.backbone.preprocess(judged.stacked(shown))
    predict = look.explainer.predict
    named = predict(inputs).argmax(axis=1)
    true = np.array([CLASSES.index(each.answers[0]) for each in shown])
    assert (named != true).any()
    masks = np.stack([each.mask for each in shown])
    marks = measured.marks["gradcam"]
    own, right = (explain(tiny.backbone.model, inputs, "gradcam", labels).maps for labels in (named, true))
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(marks.pointing, faithfulness.pointing_game(right, masks), **close)
    np.testing.assert_allclose(marks.iou, faithfulness.iou_at_area(right, masks), **close)
    np.testing.assert_allclose(marks.drop, faithfulness.masking(predict, inputs, own, named).drop, **close)
    for name in ("insertion", "deletion"):
        curves = getattr(faithfulness, name)(predict, inputs, own, named, steps=4)
        np.testing.assert_allclose(getattr(marks, name), curves.auc, **close)
    assert (marks.label, marks.of_class) == ("Grad-CAM", True)
    np.testing.assert_array_equal(measured.images.recognised, named == true)
    np.testing.assert_allclose(measured.images.area, masks.mean(axis=(1, 2)))
    np.testing.assert_array_equal(measured.images.outlines, masks)
    np.testing.assert_allclose(measured.images.maps, own, **close)
    assert measured.images.named == [CLASSES[label] for label in named]
    np.testing.assert_allclose(measured.images.confidence, predict(inputs).max(axis=1), **close)


def test_the_true_class_is_the_likeliest_right_one_or_where_nobody_knows_the_one_named():
    probabilities = np.array([[0.1, 0.3, 0.6], [0.1, 0.3, 0.6], [0.1, 0.3, 0.6]])
    every = [Photograph("", None, answers=answers) for answers in (("dog", "car"), ("dog",), ())]
    assert judged.true_classes(every, probabilities, CLASSES).tolist() == [1, 0, 2]


def test_maps_that_know_nothing_are_judged_too(whole):
    marks = whole[1].marks["random"]
    assert (marks.label, marks.of_class) == ("random", False)
    assert np.isfinite(marks.iou).all()
    assert np.isfinite(marks.insertion).all()
    assert np.isnan([marks.geometric, marks.photometric]).all()


def test_sweeps_go_from_weak_to_strong(whole, tiny):
    _, measured = whole
    for name, found in measured.sweeps.items():
        assert found.strengths == TRANSFORMATIONS[name].strengths(3)
        assert found.similarity.shape == found.kept.shape == (9, 3)
    found = measured.sweeps["shear"]
    look, images = Looker(tiny.backbone, TINY.recipe), judged.stacked(tiny.shown[:9])
    named = look.explainer.predict(tiny.backbone.preprocess(images)).argmax(axis=1)
    changed = TRANSFORMATIONS["shear"].apply(images, {"degrees": 30.0})
    answers = look.explainer.predict(tiny.backbone.preprocess(changed))
    np.testing.assert_array_equal(found.kept[:, 2], answers.argmax(axis=1) == named)
    held = judged.held(replace(TINY, transformations=("shear",)), "gradcam", images, look)
    assert np.isnan(held["photometric"]).all()
    np.testing.assert_allclose(whole[1].marks["gradcam"].geometric, held["geometric"], atol=1e-5)


def test_methods_are_judged_by_how_their_maps_hold(whole, tiny):
    """Pearson's correlation of M(Tx) with T M(x), mean over four strengths; light draws nothing and moves nothing."""
    look, images = Looker(tiny.backbone, TINY.recipe), judged.stacked(tiny.shown[:9])
    before = look(images, "saliency")
    brightness, shear = TRANSFORMATIONS["brightness"], TRANSFORMATIONS["shear"]
    photometric, geometric = [], []
    for strength in brightness.strengths(4):
        changed = brightness.apply(images, {"factor": 1 + strength})
        photometric.append(pearson(look(changed, "saliency", before.targets).maps, before.maps))
    for strength in shear.strengths(4):
        parameters = {"degrees": strength}
        found = look(shear.apply(images, parameters), "saliency", before.targets).maps
        valid = np.repeat(shear.valid(parameters, (16, 16))[None], 9, axis=0)
        geometric.append(pearson(found, shear.warp(before.maps, parameters), valid))
    marks = whole[1].marks["saliency"]
    np.testing.assert_allclose(marks.photometric, np.mean(photometric, axis=0), atol=1e-3)
    np.testing.assert_allclose(marks.geometric, np.mean(geometric, axis=0), atol=1e-3)


def test_drawn_images_are_outlined_where_the_others_are_not(tiny):
    plain = replace(tiny, shown=photographs(12, masks=False), drawn=photographs(5))
    measured = lab.run(replace(TINY, questions=("3.5",), n_images=4), plain)
    assert measured.images.drawn
    assert len(measured.images.area) == len(measured.marks["gradcam"].iou) == 4
    assert len(measured.marks["gradcam"].drop) == 4


def test_methods_that_cannot_be_had_are_named(tiny, monkeypatch):
    explain_one = lab.explain_one

    def some(method, *rest):
        if method in ("cam", "guided_backprop"):
            raise SettingError("not this one", "pas celle-ci")
        return explain_one(method, *rest)

    monkeypatch.setattr(lab, "explain_one", some)
    monkeypatch.setattr(lab, "offered", lambda config: ["cam", "gradcam", "guided_backprop"])
    measured = lab.run(replace(TINY, questions=("3.1",)), tiny)
    assert measured.refused == ["CAM", "Guided backprop"]
    assert "Not to be had of this network: CAM, Guided backprop." in questions.of_lab("cnn_sensitivity")["3.1"].render(
        measured, "en"
    )


# --- network and images ---


@pytest.fixture
def shipped(backbone, monkeypatch):
    """Have a tiny network stand in for the one that comes with the library."""
    other = replace(backbone, name="cifar10", classes=("plane", "car", "bird"))
    gallery_room.load_backbone.cache_clear()
    monkeypatch.setattr(backbones, "load", lambda name, insist=True: other if name == "cifar10" else _nowhere(name))
    yield other
    gallery_room.load_backbone.cache_clear()


def _nowhere(name):
    raise DataError("No place has {name}.", "Aucun endroit n'a {name}.", name=name)


def test_the_sample_knows_its_objects(shipped):
    config = replace(TINY, data="sample", recipe=Recipe())
    found = load_data(config)
    assert (found.source, found.name, found.notice, found.drawn) == ("sample", "CIFAR-10", None, ())
    assert len(found.shown) == gallery_room.POOL
    assert all(each.mask is not None and len(each.answers) == 1 for each in found.shown)
    again = load_data(replace(config, recipe=Recipe(seed=1)))
    assert [each.name for each in again.shown] != [each.name for each in found.shown]
    assert again.fingerprint != found.fingerprint
    assert found.fingerprint == load_data(config).fingerprint
    assert lab.networks(config) == [shipped.model]


def test_auto_takes_the_shipped_network_where_no_other_is_to_be_had(shipped):
    found, notice = gallery_room.load_backbone("auto", "auto")
    assert found is shipped
    assert "mobilenet_v2_1.0" in notice.written("fr")
    with pytest.raises(DataError, match="mobilenet"):
        gallery_room.load_backbone("auto", "real")
    assert gallery_room.load_backbone("cifar10", "real") == (shipped, None)


def test_large_networks_are_not_summarised(tiny, monkeypatch):
    monkeypatch.setattr(lab, "load_backbone", lambda name, data: (tiny.backbone, None))
    assert lab.networks(TINY) == []


def test_the_sample_is_not_for_imagenet(backbone, monkeypatch):
    gallery_room.load_backbone.cache_clear()
    monkeypatch.setattr(backbones, "load", lambda name, insist=True: backbone)
    with pytest.raises(SettingError, match="--backbone cifar10 with --data sample, received tiny"):
        load_data(Config(data="sample", recipe=Recipe(backbone="vgg16")))
    gallery_room.load_backbone.cache_clear()


def test_own_pictures_are_fitted_to_the_network(shipped, tmp_path):
    for index, size in enumerate(((40, 30), (16, 16), (9, 90))):
        Image.fromarray(np.full((*size, 3), 50 * index, np.uint8)).save(tmp_path / f"{index}.png")
    found = load_data(replace(TINY, images=(tmp_path,)))
    remarked = replace(found.shown[2], remarks=(Word("picture_turned"),))
    found = replace(found, backbone=replace(found.backbone, remark=Word("weights_sums_alone")))
    assert found.own
    assert [each.name for each in found.shown] == ["0.png", "1.png", "2.png"]
    assert all(each.image.shape == (16, 16, 3) for each in found.shown)
    measured = lab.run(replace(TINY, questions=("3.3",)), replace(found, shown=(*found.shown[:2], remarked)))
    assert measured.setup.remark == "weights_sums_alone"
    assert measured.pictures["none"].remarks == ["picture_turned"]
    assert measured.pictures["one"].remarks == []
    results.save(measured, tmp_path)
    assert results.load(Measured, tmp_path) == measured
    with pytest.raises(SettingError, match=r"at least three pictures in images.*received 2"):
        load_data(replace(TINY, images=(tmp_path / "0.png", tmp_path / "1.png")))


def test_settings_that_mean_nothing_are_refused(monkeypatch):
    for wrong in ((), ("shear", "shear"), ("rotation",)):
        with pytest.raises(SettingError, match="transformations"):
            Config(transformations=wrong)
    with pytest.raises(SettingError, match="engine"):
        Recipe(engine="captum")
    for extra, config in (
        ("imgaug", Config(augmenter="imgaug")), ("tf_keras_vis", Config(recipe=Recipe(engine="tf_keras_vis"))),
    ):
        monkeypatch.setattr("mi204.packages.installed", lambda name, extra=extra: name != extra)
        with pytest.raises(SettingError, match=rf'{extra} to be installed.*"\.\[explain\]".*native'):
            config.require_packages()
        Config().require_packages()
