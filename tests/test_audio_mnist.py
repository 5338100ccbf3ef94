"""The lab on spoken digits: network and split of the course, what leaks and what does not, the claims on real data."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from labs import audio_mnist
from labs.audio_mnist import PRESETS, Config, Digits, Material
from mi204 import audio, models, preprocessing, questions
from mi204.datasets import AudioDataset, ImageDataset, mnist, spoken_digits
from mi204.errors import SettingError
from mi204.results import Results, Run

TINY = replace(
    PRESETS["quick"], epochs=2, our_epochs=1, pair_epochs=1, n_pairs=60, n_test_pairs=40, window=4000, batch_size=20
)
SPEAKERS = ("ada", "bob", "eve")


def tone(label: int, speaker: int, repetition: int) -> np.ndarray:
    n = 1600 + 100 * speaker + 10 * repetition
    return (0.5 * np.sin(2 * np.pi * (300 + 250 * label) * np.arange(n) / 8000) * np.hanning(n)).astype(np.float32)


def spoken(n_repetitions: int = 4) -> AudioDataset:
    known = [(label, s, r) for label in range(10) for s in range(3) for r in range(n_repetitions)]
    labels, numbers, repetitions = (np.array(column) for column in zip(*known, strict=True))
    return AudioDataset(
        name="tones", source="sample", notice="", classes=spoken_digits.CLASSES,
        waveforms=tuple(tone(*each) for each in known), sampling_rate=8000, labels=labels,
        speakers=np.array(SPEAKERS)[numbers], repetitions=repetitions,
        files=tuple(f"{label}_{SPEAKERS[s]}_{r}.wav" for label, s, r in known), remarks={},
    )  # fmt: skip


def written() -> ImageDataset:
    """Images whose first pixel tells their set, and whose label is the second."""
    images = np.zeros((200, 28, 28, 1), dtype=np.uint8)
    images[:100, 0, 0] = 51
    labels = np.arange(200) % 10
    images[:, 0, 1, 0] = labels
    return ImageDataset(
        name="dots", source="sample", notice="", classes=mnist.CLASSES,
        x_train=images[:100], y_train=labels[:100], x_test=images[100:], y_test=labels[100:],
    )  # fmt: skip


@pytest.fixture(scope="module")
def tiny_data():
    return Digits(spoken(), written())


@pytest.fixture
def material(tiny_data, tmp_path):
    return Material(tiny_data, TINY, tmp_path)


# --- network and images of the course ---


def test_network_is_the_courses():
    model = audio_mnist.build_model(Config())
    assert model.input_shape == (None, 128, 241, 1)
    shapes = [layer.output.shape[1:] for layer in model.layers]
    assert shapes == [(41, 79, 10), (19, 38, 10), (7220,), (10,)]
    assert model.count_params() == 75_220


def test_image_of_the_course_is_the_recording_at_the_wrong_rate_padded_with_silence(material):
    images = material.course_images
    assert images.shape == (120, 128, 21, 1)
    waveform = np.pad(material.digits.spoken.waveforms[7], (0, 4000 - len(material.digits.spoken.waveforms[7])))
    expected = audio.decibels(audio.mel_spectrogram(waveform, audio.MelSettings(sampling_rate=16000)))
    np.testing.assert_allclose(images[7, ..., 0], expected, atol=1e-3)


def test_images_are_centred_by_the_training_set_alone():
    images = np.arange(12, dtype=np.float32).reshape(4, 1, 3, 1)
    train, test = audio_mnist.centred(images, np.array([0, 1]), np.array([2, 3]))
    assert train.ravel().tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
    assert test.ravel().tolist() == [3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
    assert images[0, 0, 0, 0] == 0  # untouched


# --- splits ---


def test_random_split_mixes_speakers_and_the_other_does_not(material):
    labels, speakers = material.labels, material.digits.spoken.speakers
    train, test = material.split(TINY)
    assert len(train) == 90
    assert sorted([*train, *test]) == list(range(120))
    assert set(speakers[train]) == set(speakers[test]) == set(SPEAKERS)
    train, test = material.split(replace(TINY, left_out="bob"))
    assert set(speakers[test]) == {"bob"}
    assert set(speakers[train]) == {"ada", "eve"}
    assert set(labels[train]) == set(labels[test]) == set(range(10))


def test_repetitions_are_the_first_of_each_digit_and_speaker():
    chosen = audio_mnist.taken(replace(TINY, n_repetitions=2), spoken(4))
    assert len(chosen.files) == len(chosen.waveforms) == 60
    assert set(chosen.repetitions) == {0, 1}
    for waveform, label, speaker, repetition, file in zip(
        chosen.waveforms, chosen.labels, chosen.speakers, chosen.repetitions, chosen.files, strict=True
    ):
        assert file == f"{label}_{speaker}_{repetition}.wav"
        np.testing.assert_array_equal(waveform, tone(label, SPEAKERS.index(speaker), repetition))


def only(data: AudioDataset, chosen: np.ndarray) -> AudioDataset:
    (chosen,) = np.nonzero(chosen)
    return replace(
        data, waveforms=tuple(data.waveforms[i] for i in chosen), files=tuple(data.files[i] for i in chosen),
        labels=data.labels[chosen], speakers=data.speakers[chosen], repetitions=data.repetitions[chosen],
    )  # fmt: skip


def test_a_digit_that_one_speaker_alone_has_said_cannot_be_tested(tiny_data):
    data = tiny_data.spoken
    poor = tiny_data._replace(spoken=only(data, (data.labels != 4) | (data.speakers == "bob")))
    with pytest.raises(SettingError, match=r"every class in the test set, received none of 4"):
        audio_mnist.run(replace(TINY, n_left_out=3, questions=("2.4",)), poor)


def test_one_speaker_cannot_be_left_out(tiny_data):
    many = spoken(8)
    alone = tiny_data._replace(spoken=only(many, many.speakers == "eve"))
    with pytest.raises(SettingError, match="'eve' and at least one other"):
        audio_mnist.run(replace(TINY, n_repetitions=8, train_share=0.5, questions=("2.4",)), alone)


def test_a_few_recordings_can_be_looked_at(tiny_data):
    few = tiny_data._replace(spoken=only(tiny_data.spoken, tiny_data.spoken.labels < 2))
    results = audio_mnist.run(replace(TINY, questions=("2.2", "2.3")), few)
    assert len(audio_mnist.figures(results, "en")) == 5
    with pytest.raises(SettingError, match="every class in the training set, received none of 2, 3"):
        audio_mnist.run(replace(TINY, questions=("2.5",)), few)


def test_our_network_hears_changed_voices_in_training_and_true_ones_in_the_test(material):
    config = audio_mnist.study("ours", TINY, list(SPEAKERS))["ada"]
    task = audio_mnist.task(config, material)
    train, test = material.split(config)
    x, y = task.train
    np.testing.assert_array_equal(x, material.our_images[train])
    (x_test, _) = task.tests["clean"]
    np.testing.assert_array_equal(x_test, preprocessing.standardize_bands(material.our_images[test]))
    changed, same = task.augmentation(x, y, np.random.default_rng(0))
    np.testing.assert_array_equal(same, y)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(changed.std(axis=(1, 2, 3)), 1, atol=1e-3)
    distances = np.abs(changed - preprocessing.standardize_bands(x)).mean(axis=(1, 2, 3))
    assert distances.min() > 0.05
    again, _ = task.augmentation(x, y, np.random.default_rng(1))
    assert (again != changed).any(axis=(1, 2, 3)).all()


def test_what_the_blocks_do_is_measured(tiny_data, material):
    results = audio_mnist.run(replace(TINY, questions=("2.5",)), tiny_data)
    train, test = material.split(TINY)
    images = material.course_images
    measured = results.values["images"]
    assert measured["mean_before"] == pytest.approx(images[train].mean(dtype=np.float64), abs=1e-3)
    assert measured["mean_after"] == pytest.approx(0, abs=1e-3)
    assert measured["test_mean_after"] == pytest.approx(images[test].mean() - images[train].mean(), abs=1e-3)
    assert measured["deviation"] == pytest.approx(images[train].std(dtype=np.float64), abs=1e-3)
    assert measured["silence"] == pytest.approx((images[train] == -100).mean(), abs=1e-6)
    answer = audio_mnist.blocks(results)
    assert answer.values["by_hand"] == answer.values["by_keras"]
    assert answer.values["steps"] == 5


def test_spectrograms_are_drawn_in_true_and_in_believed_seconds_and_hertz(tiny_data):
    results = audio_mnist.run(replace(TINY, questions=("2.3",), show=("7_bob_1.wav",)), tiny_data)
    _, true, believed, _ = audio_mnist.figures(results, "en")["2.3_sound_7_bob_1"].axes
    seconds = len(tone(7, 1, 1)) / 8000
    assert true.get_xlim()[1] == pytest.approx(seconds)
    assert believed.get_xlim()[1] == pytest.approx(seconds / 2)
    for axes, factor in ((true, 1), (believed, 2)):
        names = [int(text.get_text().replace(",", "")) for text in axes.get_yticklabels()]
        named = dict(zip(names, axes.get_yticks(), strict=True))
        assert max(named) == 4000 * factor
        loudest = axes.images[0].get_array().max(axis=1).argmax()
        hertz = np.interp(loudest, list(named.values()), list(named))
        assert hertz == pytest.approx(factor * (300 + 250 * 7), rel=0.05)


# --- pairs ---


def test_pairs_are_of_one_class_and_nothing_tested_was_learnt(material):
    """The first pixel tells the set of an image, the second its label; a sound is found among the small images."""
    config = audio_mnist.study("pairs", TINY, list(SPEAKERS))["early"]
    task = audio_mnist.task(config, material)
    assert config.left_out == "eve"
    speakers = material.digits.spoken.speakers
    for (x, y), first_pixel, voices in (
        (task.train, 0.2, {"ada", "bob"}), *((test, 0.0, {"eve"}) for test in task.tests.values()),
    ):  # fmt: skip
        corner = x[:, 0, 0, 0]  # 0 where it is hidden
        assert np.isclose(corner, first_pixel).mean() > 0.7
        assert (np.isclose(corner, first_pixel) | (corner == 0)).all()
        labels = np.rint(255 * x[:, 0, 1, 0])  # 0 where it is hidden
        assert ((labels == y.argmax(axis=1)) | (labels == 0)).all()
        assert labels.any()
        sounds = material.small_images[..., 0].reshape(-1, 28 * 28)
        for sound, label in zip(x[:30, ..., 1], y[:30].argmax(axis=1), strict=True):
            _, index = np.divmod(np.flatnonzero((sounds == sound.ravel()).all(axis=1)), len(speakers))
            assert set(speakers[index]) <= voices
            assert label in material.labels[index]


def test_conditions_degrade_what_they_say(material):
    config = audio_mnist.study("pairs", TINY, list(SPEAKERS))["image"]
    tests = {name: x for name, (x, _) in audio_mnist.task(config, material).tests.items()}
    assert tuple(tests) == audio_mnist.CONDITIONS
    for name, image_differs, sound_differs in (
        ("noisy_sound", False, True), ("occluded_image", True, False), ("both_degraded", True, True)
    ):  # fmt: skip
        assert (tests[name][..., 0] != tests["clean"][..., 0]).any() == image_differs
        assert (tests[name][..., 1] != tests["clean"][..., 1]).any() == sound_differs


def test_pairs_to_look_at_are_hidden_more_and_more(tiny_data):
    white = replace(tiny_data.written, x_test=np.full_like(tiny_data.written.x_test, 255))
    results = audio_mnist.run(replace(TINY, questions=("2.7",)), tiny_data._replace(written=white))
    images = results.arrays["pair_images"].astype(int)
    assert images.shape == (3, 4, 28, 28, 1)
    first, second, third = (images[:, 0] - images[:, 1]).sum(axis=(1, 2, 3))
    assert 0 < first <= second <= third
    assert first < third


@pytest.mark.parametrize(("name", "uses"), [("image", (0,)), ("sound", (1,)), ("early", (0, 1)), ("late", (0, 1))])
def test_a_network_for_pairs_looks_at_its_modalities_alone(name, uses):
    model = audio_mnist.build_model(replace(TINY, model=name))
    rng = np.random.default_rng(0)
    pair = rng.random((1, 28, 28, 2), dtype=np.float32)
    before = keras.ops.convert_to_numpy(model(pair))
    for channel in (0, 1):
        changed = pair.copy()
        changed[..., channel] = rng.random((1, 28, 28))
        differs = np.abs(keras.ops.convert_to_numpy(model(changed)) - before).max() > 1e-6
        assert differs == (channel in uses)


def test_early_fusion_has_the_size_of_one_modality():
    sizes = {
        name: models.trainable_parameters(audio_mnist.build_model(replace(TINY, model=name)))
        for name in ("image", "sound", "early", "late")
    }
    assert sizes["image"] == sizes["sound"]
    assert sizes["early"] == sizes["image"] + 9 * 16
    assert sizes["late"] == 2 * sizes["image"] + (20 + 1) * 64 + (64 + 1) * 10


def test_more_pairs_than_images(tiny_data):
    with pytest.raises(SettingError, match=r"n_pairs of at most 100, .* received 101: change --n-pairs"):
        audio_mnist.run(replace(TINY, n_pairs=101, questions=("2.7",)), tiny_data)


# --- what is run, shown and said ---


def test_a_recording_to_show_is_one_of_them(tiny_data):
    config = replace(TINY, questions=("2.3",), show=("7_bob_1.wav",))
    results = audio_mnist.run(config, tiny_data)
    np.testing.assert_array_equal(results.arrays["waveform_7_bob_1.wav"], tone(7, 1, 1))
    assert results.runs == []
    with pytest.raises(SettingError, match=r"such as 0_ada_0\.wav .* received 7_dora_1\.wav"):
        audio_mnist.run(replace(config, show=("7_dora_1.wav",)), tiny_data)


def test_what_was_done_to_files_is_said(tiny_data):
    altered = replace(tiny_data.spoken, remarks={"3_bob_0.wav": ("mixed_to_mono", "resampled")})
    results = audio_mnist.run(replace(TINY, questions=("2.2",), window=3600), tiny_data._replace(spoken=altered))
    text = questions.of_lab(audio_mnist)["2.2"].render(results, "en")
    assert "3_bob_0.wav" in text
    assert "1 resampled" in text
    assert "longer than" not in text
    long = replace(tiny_data.spoken, waveforms=(np.tile(tone(0, 0, 0), 4), *tiny_data.spoken.waveforms[1:]))
    results = audio_mnist.run(replace(TINY, questions=("2.2",)), tiny_data._replace(spoken=long))
    assert "1 recording(s) are longer than 0.5 s" in questions.of_lab(audio_mnist)["2.2"].render(results, "en")


def test_own_recordings_are_another_run(tiny_data, tmp_path):
    """Remembered by the sounds themselves, not by the name of their folder."""
    config = replace(TINY, questions=("2.6",))
    first = audio_mnist.run(config, tiny_data, tmp_path)
    assert audio_mnist.run(config, tiny_data, tmp_path).runs[0].epoch_seconds == first.runs[0].epoch_seconds
    waveforms = tiny_data.spoken.waveforms
    louder = replace(tiny_data.spoken, waveforms=(1.5 * waveforms[0], *waveforms[1:]))
    again = audio_mnist.run(config, tiny_data._replace(spoken=louder), tmp_path)
    assert again.runs[0].epoch_seconds != first.runs[0].epoch_seconds


def test_written_digits_are_named_where_they_are_used(tiny_data):
    assert audio_mnist.run(replace(TINY, questions=("2.1",)), tiny_data._replace(written=None)).data == "tones"
    assert audio_mnist.run(replace(TINY, questions=("2.7",)), tiny_data).data == "tones + dots"


def made(study, setting, **measures):
    history = {name: [0.5, 0.4] for name in ("running_loss", "train_loss", "test_loss")} | {"train_accuracy": [0.5, 1]}
    return Run(study, setting, 0, 50, 75_220, history, [1.0, 1.0], measures)


@pytest.mark.parametrize(
    ("unseen", "text"), [(0.6, "flatters the network by 35.0 points"), (0.94, "1.0 points, is not above the")]
)
def test_the_leak_is_told_from_chance(unseen, text):
    runs = [made("random", "course", clean=0.95), made("speakers", "ada", clean=unseen), made("ours", "ada", clean=0.9)]
    values = {"split": {"train": {"ada": 75}, "test": {"ada": 500}}, "speakers": ["ada"]}
    results = Results("audio_mnist", {}, "tones", "real", {}, runs, values)
    assert text in questions.of_lab(audio_mnist)["2.4"].render(results, "en")


def test_a_network_that_has_not_started_says_nothing_about_voices():
    runs = [made("random", "course", clean=0.95), made("speakers", "ada", clean=0.1), made("ours", "ada", clean=0.9)]
    runs[1].history["train_accuracy"] = [0.1, 0.12]
    values = {"split": {"train": {"ada": 900}, "test": {"ada": 300}}, "speakers": ["ada"]}
    results = Results("audio_mnist", {}, "tones", "real", {}, runs, values)
    text = questions.of_lab(audio_mnist)["2.4"].render(results, "en")
    assert "1 of the 2 trainings of this network never left chance" in text
    assert "flatters" not in text
    runs[1].history["train_accuracy"] = [0.1, 0.2]
    assert "flatters the network by 85.0 points" in questions.of_lab(audio_mnist)["2.4"].render(results, "en")


def test_the_hardest_speaker_and_the_means(tiny_data):
    runs = [made("random", "course", clean=0.95)]
    runs += [made("speakers", name, clean=value) for name, value in zip(SPEAKERS, (0.6, 0.4, 0.5), strict=True)]
    runs += [made("ours", name, clean=value) for name, value in zip(SPEAKERS, (0.9, 0.8, 0.7), strict=True)]
    sides = {"train": dict.fromkeys(SPEAKERS, 75), "test": {"ada": 25, "bob": 25, "eve": 0}}
    results = Results("audio_mnist", {}, "tones", "real", {}, runs, {"split": sides, "speakers": list(SPEAKERS)})
    values = audio_mnist.split(results).values
    assert (values["hardest"], values["hardest_accuracy"]) == ("bob", 0.4)
    assert values["unseen"] == pytest.approx(0.5)
    assert values["ours"] == pytest.approx(0.8)
    assert values["ours_worst"] == 0.7
    assert values["n_both"] == 2


@pytest.mark.parametrize(
    ("loss", "rise", "text"), [([0.5, 0.2, 0.3], 0.5, "overfit"), ([0.5, 0.3, 0.2], 0, "no_overfit")]
)
def test_the_courses_curves_are_read(loss, rise, text):
    run = made("random", "course", clean=0.95)
    run.history.update({"test_loss": loss, "train_accuracy": [0.5, 0.9, 1.0], "test_accuracy": [0.4, 0.89, 0.9]})
    answer = audio_mnist.losses_and_score(Results("audio_mnist", {}, "tones", "real", {}, [run]))
    assert answer.values["rise"] == pytest.approx(rise)
    assert answer.values["early_epoch"] == 2
    assert answer.values["best_epoch"] == (2 if rise else 3)
    assert answer.texts == ("answer", text)


@pytest.mark.parametrize(
    ("fused", "text"), [(0.9, "exceeds the best single modality by 20.0"), (0.71, "does not show")]
)
def test_the_gain_of_fusion_is_told_from_chance(fused, text):
    alone = dict.fromkeys(audio_mnist.CONDITIONS, 0.7)
    both = dict.fromkeys(audio_mnist.CONDITIONS, fused)
    runs = [made("pairs", name, **alone) for name in ("image", "sound")]
    runs += [made("pairs", name, **both) for name in ("early", "late")]
    values = {"n_pair_recordings": 500, "speakers": ["ada"]}
    results = Results("audio_mnist", vars(Config()), "tones", "real", {}, runs, values)
    assert text in questions.of_lab(audio_mnist)["2.7"].render(results, "en")


@pytest.mark.parametrize(
    "changes", [{"train_share": 1.0}, {"train_share": 0.0}, {"window": 3599}, {"occlusion": 29}, {"n_pairs": 0}]
)
def test_settings_out_of_range(changes):
    with pytest.raises(SettingError, match=next(iter(changes))):
        replace(Config(), **changes)


# --- the claims on real data ---


@pytest.mark.data
def test_real_voices_leak_and_ours_hears_unknown_ones():
    """Less than the lab's course preset asks, and less is asked of it: one speaker, fewer recordings."""
    config = Config(n_repetitions=20, n_left_out=1, epochs=25, our_epochs=8, data="real", questions=("2.4",))
    results = audio_mnist.run(config)
    values = audio_mnist.split(results).values
    assert values["random"] > 0.75
    assert values["unseen"] < values["random"] - 0.2
    assert values["ours"] > values["unseen"] + 0.15


@pytest.mark.data
def test_fusion_gains_on_real_pairs():
    config = Config(n_repetitions=20, n_pairs=4000, n_test_pairs=1000, pair_epochs=10, data="real", questions=("2.7",))
    values = audio_mnist.multimodal(audio_mnist.run(config)).values
    assert max(values["early"], values["late"]) > max(values["image"], values["sound"])
    assert values["gain_occluded_image"] > 0
