"""The lab on spoken digits: network and split of the course, what the others learn from, what is run."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from labs.audio_mnist import lab, pairs
from labs.audio_mnist.config import PRESETS, Recipe, experiments, ours
from labs.audio_mnist.figures import figures
from labs.audio_mnist.lab import Digits, Material
from mi204 import audio, models, preprocessing, results
from mi204.errors import SettingError

pytestmark = pytest.mark.backend

COURSE = Recipe(epochs=2, window=4000, batch_size=20)
TINY = replace(
    PRESETS["quick"], recipe=COURSE, n_left_out=1, our_epochs=1, pair_epochs=1, n_pairs=60, n_test_pairs=40,
)
SPEAKERS = ["ada", "bob", "eve"]
RECIPES = {setting: each for study in experiments(TINY, COURSE, SPEAKERS).values() for setting, each in study.items()}


@pytest.fixture(scope="module")
def digits(tones, dots):
    return Digits(tones, dots)


@pytest.fixture(scope="module")
def material(digits, tmp_path_factory):
    return Material(*digits, tmp_path_factory.mktemp("spectrograms"))


@pytest.fixture(scope="module")
def everything(digits, tmp_path_factory):
    """What all questions need, and the folder that remembers it."""
    folder = tmp_path_factory.mktemp("runs")
    return lab.run(TINY, digits, folder), folder


# --- network and images of the course ---


def test_network_is_the_courses():
    model = lab.build_model(Recipe())
    assert model.input_shape == (None, 128, 241, 1)
    shapes = [layer.output.shape[1:] for layer in model.layers]
    assert shapes == [(41, 79, 10), (19, 38, 10), (7220,), (10,)]
    assert model.count_params() == 75_220


def test_image_of_the_course_is_the_recording_at_the_wrong_rate_padded_with_silence(material):
    images = material.images(COURSE)
    assert images.shape == (120, 128, 21, 1)
    waveform = np.pad(material.spoken.waveforms[7], (0, 4000 - len(material.spoken.waveforms[7])))
    expected = audio.decibels(audio.mel_spectrogram(waveform, audio.MelSettings(sampling_rate=16000)))
    np.testing.assert_allclose(images[7, ..., 0], expected, atol=1e-3)


def test_images_are_made_once_for_all_that_see_the_same(material):
    assert material.images(COURSE) is material.images(replace(COURSE, seed=3, left_out="bob", epochs=9))
    assert material.images(COURSE) is not material.images(replace(COURSE, window=4200))
    noisy, noisier = (material.images(replace(RECIPES["network_early"], signal_to_noise=noise)) for noise in (0, -20))
    np.testing.assert_array_equal(noisy[0], noisier[0])
    assert (noisy[1:] != noisier[1:]).any(axis=(2, 3, 4)).all()


def test_images_are_centred_by_the_training_set_alone():
    images = np.arange(12, dtype=np.float32).reshape(4, 1, 3, 1)
    train, test = lab.centred(images, np.array([0, 1]), np.array([2, 3]))
    assert train.ravel().tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
    assert test.ravel().tolist() == [3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
    assert images[0, 0, 0, 0] == 0  # untouched


# --- splits ---


def test_random_split_mixes_speakers_and_the_other_does_not(tones):
    labels, speakers = tones.labels, tones.speakers
    train, test = lab.split(COURSE, tones)
    assert len(train) == 90
    assert sorted([*train, *test]) == list(range(120))
    assert set(speakers[train]) == set(speakers[test]) == set(SPEAKERS)
    train, test = lab.split(replace(COURSE, left_out="bob"), tones)
    assert set(speakers[test]) == {"bob"}
    assert set(speakers[train]) == {"ada", "eve"}
    assert set(labels[train]) == set(labels[test]) == set(range(10))


def test_repetitions_are_the_first_of_each_digit_and_speaker(tones):
    remarks = {"3_bob_1.wav": ("resampled",), "3_bob_3.wav": ("resampled",)}
    chosen = lab.taken(replace(TINY, n_repetitions=2), replace(tones, remarks=remarks))
    assert len(chosen.files) == len(chosen.waveforms) == 60
    assert list(chosen.remarks) == ["3_bob_1.wav"]
    assert set(chosen.repetitions) == {0, 1}
    for waveform, label, speaker, repetition, file in zip(
        chosen.waveforms, chosen.labels, chosen.speakers, chosen.repetitions, chosen.files, strict=True
    ):
        assert file == f"{label}_{speaker}_{repetition}.wav"
        np.testing.assert_array_equal(waveform, tones.waveforms[tones.files.index(file)])


def only(data, chosen):
    (chosen,) = np.nonzero(chosen)
    return replace(
        data, waveforms=tuple(data.waveforms[i] for i in chosen), files=tuple(data.files[i] for i in chosen),
        labels=data.labels[chosen], speakers=data.speakers[chosen], repetitions=data.repetitions[chosen],
    )


def test_a_digit_that_one_speaker_alone_has_said_cannot_be_tested(tones):
    poor = Digits(only(tones, (tones.labels != 4) | (tones.speakers == "bob")), None)
    with pytest.raises(SettingError, match=r"every class in the test set, received none of 4"):
        lab.run(replace(TINY, n_left_out=3, questions=("2.4",)), poor)


def test_one_speaker_cannot_be_left_out(tones):
    alone = Digits(only(tones, tones.speakers == "eve"), None)
    # With this seed every digit is on both sides of the random split.
    config = replace(TINY, recipe=replace(COURSE, train_share=0.5, seed=1), questions=("2.4",))
    with pytest.raises(SettingError, match="'eve' and at least one other"):
        lab.run(config, alone)


def test_a_few_recordings_can_be_looked_at(tones):
    few = Digits(only(tones, tones.labels < 2), None)
    measured = lab.run(replace(TINY, questions=("2.2", "2.3")), few)
    assert measured.runs == []
    assert len(figures(measured, "en")) == 5
    with pytest.raises(SettingError, match="every class in the training set, received none of 2, 3"):
        lab.run(replace(TINY, questions=("2.5",)), few)


# --- what the others learn from ---


def test_our_network_hears_changed_voices_in_training_and_true_ones_in_the_test(material):
    recipe = RECIPES["ada"]
    assert recipe == ours(TINY, COURSE, "ada")
    task = lab.task(recipe, material)
    train, test = lab.split(recipe, material.spoken)
    words = material.images(recipe)
    x, y = task.train
    np.testing.assert_array_equal(x, words[train])
    (x_test, _) = task.tests["clean"]
    np.testing.assert_array_equal(x_test, preprocessing.standardize_bands(words[test]))
    changed, same = task.augmentation(x, y, np.random.default_rng(0))
    np.testing.assert_array_equal(same, y)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(changed.std(axis=(1, 2, 3)), 1, atol=1e-3)
    distances = np.abs(changed - preprocessing.standardize_bands(x)).mean(axis=(1, 2, 3))
    assert distances.min() > 0.05
    again, _ = task.augmentation(x, y, np.random.default_rng(1))
    assert (again != changed).any(axis=(1, 2, 3)).all()


def test_pairs_are_of_one_class_and_nothing_tested_was_learnt(material):
    """The first pixel tells the set of an image, the second its label; a sound is found among the small images."""
    recipe = RECIPES["network_early"]
    task = lab.task(recipe, material)
    assert recipe.left_out == "eve"
    speakers, labels = material.spoken.speakers, material.spoken.labels
    for (x, y), first_pixel, voices in (
        (task.train, 0.2, {"ada", "bob"}), *((test, 0.0, {"eve"}) for test in task.tests.values()),
    ):
        corner = x[:, 0, 0, 0]  # 0 where it is hidden
        assert np.isclose(corner, first_pixel).mean() > 0.7
        assert (np.isclose(corner, first_pixel) | (corner == 0)).all()
        seen = np.rint(255 * x[:, 0, 1, 0])  # 0 where it is hidden
        assert ((seen == y.argmax(axis=1)) | (seen == 0)).all()
        assert seen.any()
        sounds = material.images(recipe)[..., 0].reshape(-1, 28 * 28)
        for sound, label in zip(x[:30, ..., 1], y[:30].argmax(axis=1), strict=True):
            _, index = np.divmod(np.flatnonzero((sounds == sound.ravel()).all(axis=1)), len(speakers))
            assert set(speakers[index]) <= voices
            assert label in labels[index]


def test_half_of_the_training_pairs_are_degraded_in_each_modality_independently(material, tmp_path):
    white = replace(material.written, x_train=np.full_like(material.written.x_train, 255))
    other = Material(material.spoken, white, tmp_path)
    recipe = replace(RECIPES["network_early"], n_pairs=100)
    x, _ = lab.task(recipe, other).train
    clean = {image.tobytes() for image in other.images(recipe)[0, ..., 0]}
    hidden = (x[..., 0] == 0).any(axis=(1, 2))
    noisy = np.array([np.ascontiguousarray(image).tobytes() not in clean for image in x[..., 1]])
    for each in (hidden, noisy, hidden == noisy):
        assert 0.3 < each.mean() < 0.7


def test_conditions_degrade_what_they_say(material):
    tests = {name: x for name, (x, _) in lab.task(RECIPES["network_image"], material).tests.items()}
    assert tuple(tests) == tuple(pairs.CONDITIONS)
    for name, image_differs, sound_differs in (
        ("noisy_sound", False, True), ("occluded_image", True, False), ("both_degraded", True, True)
    ):
        assert (tests[name][..., 0] != tests["clean"][..., 0]).any() == image_differs
        assert (tests[name][..., 1] != tests["clean"][..., 1]).any() == sound_differs


@pytest.mark.parametrize(("name", "uses"), [("image", (0,)), ("sound", (1,)), ("early", (0, 1)), ("late", (0, 1))])
def test_a_network_for_pairs_looks_at_its_modalities_alone(name, uses):
    model = lab.build_model(RECIPES[f"network_{name}"])
    rng = np.random.default_rng(0)
    pair = rng.random((1, 28, 28, 2), dtype=np.float32)
    before = keras.ops.convert_to_numpy(model(pair))
    for channel in (0, 1):
        changed = pair.copy()
        changed[..., channel] = rng.random((1, 28, 28))
        differs = np.abs(keras.ops.convert_to_numpy(model(changed)) - before).max() > 1e-6
        assert differs == (channel in uses)


def test_early_fusion_has_the_size_of_one_modality(everything):
    measured, _ = everything
    sizes = {run.setting.removeprefix("network_"): run.parameters for run in measured.of_study("pairs")}
    assert sizes["image"] == sizes["sound"]
    assert sizes["early"] == sizes["image"] + 9 * 16
    assert sizes["late"] == 2 * sizes["image"] + (20 + 1) * 64 + (64 + 1) * 10


# --- how they learn ---


@pytest.mark.parametrize(
    ("setting", "rates", "smoothing"),
    [("course", [0.001, 0.001], 0.0), ("ada", [0.003, 0.0], 0.1), ("network_late", [0.001, 0.0], 0.0)],
)
def test_each_network_has_its_optimiser_and_its_loss(setting, rates, smoothing, material, tmp_path, monkeypatch):
    """The course's step stays as it is; ours rises within the first 15 % of the steps and falls to zero."""
    used = {}
    monkeypatch.setattr(lab.training, "fit", lambda model, *_, **options: used.update(options, model=model) or 1 / 0)
    recipe = replace(RECIPES[setting], epochs=10)
    with pytest.raises(ZeroDivisionError):
        lab.train(recipe, material, tmp_path)
    optimizer = used["model"].optimizer
    assert used["model"].loss.from_logits
    assert used["model"].loss.label_smoothing == smoothing
    if setting == "course":
        assert isinstance(optimizer, keras.optimizers.SGD)
        assert optimizer.momentum == 0.9
        assert float(optimizer.learning_rate) == pytest.approx(rates[0])
        return
    assert isinstance(optimizer, keras.optimizers.Adam)
    n_train = len(lab.task(recipe, material).train[0])
    steps = recipe.epochs * -(-n_train // recipe.batch_size)
    schedule = optimizer._learning_rate
    reached = [float(schedule(step)) for step in range(steps + 1)]
    assert max(reached) == pytest.approx(rates[0])
    assert reached.index(max(reached)) == max(1, round(0.15 * steps))
    assert reached[-1] == pytest.approx(rates[1], abs=1e-9)


# --- what is run ---


def test_all_questions_run_what_they_need(everything):
    measured, _ = everything
    assert [(run.study, run.setting) for run in measured.runs] == [
        ("random", "course"), ("speakers", "ada"), ("ours", "ada"), ("pairs", "network_image"),
        ("pairs", "network_sound"), ("pairs", "network_early"), ("pairs", "network_late"),
    ]
    assert measured.studies == {"random", "speakers", "ours", "pairs", "split"}
    assert (measured.data, measured.written) == ("tones", "dots")
    assert measured.speakers == SPEAKERS
    assert measured.pairs.n_recordings == 40
    assert measured.n_cut == 0
    course, speakers, our, *paired = measured.runs
    assert {"train_loss", "train_accuracy"} <= set(course.history)
    assert len(course.history["test_loss"]) == 2
    assert set(course.measures) == set(our.measures) == {"clean"}
    assert course.measures["clean"] == pytest.approx(course.history["test_accuracy"][-1])
    assert speakers.measures["clean"] == pytest.approx(speakers.history["test_accuracy"][-1])
    for run in paired:
        assert list(run.measures) == list(pairs.CONDITIONS)
        assert run.measures["clean"] == pytest.approx(run.history["test_accuracy"][-1])
    image, sound, *_ = (run.measures for run in paired)
    assert image["clean"] == image["noisy_sound"]
    assert sound["clean"] == sound["occluded_image"]


def test_what_the_blocks_do_is_measured(everything, material):
    measured, _ = everything
    train, test = lab.split(COURSE, material.spoken)
    images, split = material.images(COURSE), measured.split
    assert split.train == [material.spoken.files[i] for i in train]
    assert split.test == [material.spoken.files[i] for i in test]
    assert split.mean_before == pytest.approx(images[train].mean(dtype=np.float64), abs=1e-3)
    assert split.mean_after == pytest.approx(0, abs=1e-3)
    assert split.test_mean_after == pytest.approx(images[test].mean() - images[train].mean(), abs=1e-3)
    assert split.deviation == pytest.approx(images[train].std(dtype=np.float64), abs=1e-3)
    assert split.silence == pytest.approx((images[train] == -100).mean(), abs=1e-6)
    assert sum(layer.parameters for layer in split.layers) == models.trainable_parameters(lab.build_model(COURSE))


def test_what_was_computed_equals_what_is_read_back(everything, tmp_path):
    measured, _ = everything
    results.save(measured, tmp_path)
    assert results.load(type(measured), tmp_path) == measured


def test_a_question_alone_adds_to_the_record_and_repeats_nothing(everything, digits, tmp_path):
    measured, folder = everything
    again = lab.run(replace(TINY, questions=("2.6",)), digits._replace(written=None), folder)
    assert again.runs == measured.runs[:1]
    assert again.split is again.pairs is again.written is None
    assert again.origin == measured.origin
    results.keep(measured, PRESETS["quick"], tmp_path)
    kept = results.keep(again, PRESETS["quick"], tmp_path)
    assert kept.moved is None
    assert kept.measured.studies == measured.studies
    assert kept.measured.provenance("en") == measured.provenance("en")


def test_own_recordings_are_another_run(everything, digits):
    """Remembered by the sounds themselves, not by the name of their folder; pairs by the images too."""
    measured, folder = everything
    config = replace(TINY, questions=("2.6",))
    waveforms = digits.spoken.waveforms
    louder = digits._replace(spoken=replace(digits.spoken, waveforms=(1.5 * waveforms[0], *waveforms[1:])))
    again = lab.run(config, louder, folder)
    assert again.runs[0].key != measured.runs[0].key
    assert again.origin != measured.origin


def test_pairs_depend_on_both_sets_and_the_others_on_the_recordings_alone(everything, digits, monkeypatch):
    measured, folder = everything
    monkeypatch.setattr(lab.studies, "train_all", lambda plan, train, origin, *_: [origin] * len(plan))
    changed = digits.written.x_train.copy()
    changed[0, 5, 5] = 1
    origins = set()
    for images in (digits.written.x_train, changed):
        data = digits._replace(written=replace(digits.written, x_train=images))
        *voices, one, two, three, four = lab.run(TINY, data, folder).runs
        assert set(voices) == {measured.origin}
        assert one == two == three == four
        origins.add(one)
    assert len(origins | {measured.origin}) == 3


def test_the_source_of_each_set_is_kept(digits):
    real = digits._replace(spoken=replace(digits.spoken, source="real"))
    measured = lab.run(replace(TINY, questions=("2.1",)), real)
    assert (measured.source, measured.spoken_source, measured.written_source) == ("real", "real", None)
    assert measured.provenance("en") == "tones"


def test_written_digits_are_loaded_only_for_pairs(monkeypatch):
    asked = {}
    monkeypatch.setattr(lab.spoken_digits, "load", lambda *_, **sizes: asked.update(sizes) or "spoken")
    monkeypatch.setattr(lab.mnist, "load", lambda *_, **sizes: asked.update(sizes) or "written")
    config = replace(TINY, n_test_pairs=5, data="sample")
    assert lab.load_data(replace(config, questions=("2.1", "2.6"))) == ("spoken", None)
    assert asked == {"n_repetitions": 6}
    assert lab.load_data(config) == lab.load_data(replace(config, questions=("2.7",))) == ("spoken", "written")
    assert asked == {"n_repetitions": 6, "n_train": 60, "n_test": 12}


def test_networks_to_summarise():
    assert [model.name for model in lab.networks(TINY)] == ["course", "ours"]
    assert [model.name for model in lab.networks(replace(TINY, questions=("2.5",)))] == ["course"]
    assert lab.networks(replace(TINY, questions=("2.1", "2.3", "2.7"))) == []


def test_more_pairs_than_images(digits):
    for name in ("n_pairs", "n_test_pairs"):
        config = replace(TINY, questions=("2.7",), **{name: 101})
        option = name.replace("_", "-")
        with pytest.raises(SettingError, match=f"{name} of at most 100, .* received 101: change --{option}"):
            lab.run(config, digits)


def test_a_batch_larger_than_the_recordings(digits):
    config = replace(TINY, questions=("2.4",), recipe=replace(COURSE, batch_size=85))
    with pytest.raises(SettingError, match="at most 80, the recordings to train on, received 85"):
        lab.run(config, digits)


def test_a_recording_to_draw_that_is_missing_is_named_before_training(digits):
    with pytest.raises(SettingError, match=r"received 7_dora_1\.wav"):
        lab.run(replace(TINY, show=("7_dora_1.wav",)), digits)
