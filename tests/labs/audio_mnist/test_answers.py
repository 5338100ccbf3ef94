"""What the answers say, from measurements made by hand: every branch, every number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labs.audio_mnist.measured import Recordings
from mi204 import questions
from mi204.language import Word

QUESTIONS = questions.of_lab("audio_mnist")
NAN = float("nan")


def said(number, measured, language="en"):
    return " ".join(QUESTIONS[number].render(measured, language).split())


@pytest.mark.parametrize(
    ("number", "sentences"),
    [
        ("2.1", ("This run: Python 3.11.7, Keras on jax", "| keras | 3.15.1 |", "| torch | not installed |")),
        ("2.2", (
            "1,200 recordings of 10 digits by 3 speakers, 40 of each digit by each speaker, at 8,000 samples",
            "the median duration is 0.46 s, the shortest lasts 0.30 s, the longest 0.63 s",
            "(repetitions here: 0–39)", "Drawn for question 2.3: 7_bob_1.wav, 0_ada_3.wav.",
            "who speaks explains 87 % of their variance, the digit 11 %",
        )),
        ("2.3", (
            "Sound sampled 8,000 times per second holds frequencies from 0 to half of that, 4,000 Hz",
            "believes in its default, 16,000 Hz: its axis claims 0 to 8,000 Hz where the sound reaches 4,000, so that "
            "every frequency read from it is 2 times too high and every duration 2 times too short",
            "(here of 50 ms, one every 25 ms)", "(which is 1,000 mel)",
            "With 128 filters the script asks for more",
            "within the 40 Hz, as it believes, from one frequency to the next (in truth 20 Hz). 4 filters are empty, "
            "at up to 145 Hz on its axis",
            "Of our 64 filters, made for the true rate, none is empty.",
        )),
        ("2.4", (
            "It draws 905 files to train on and 295 to test on",
            "Voices of 3 of the 3 speakers are on both sides",
            "network of 75,220 parameters: 95.1 % of the test files are recognised with the random split, 52.3 % when "
            "the speaker tested was left out of training (mean over 3 speakers, each left out in turn; the least, "
            "42.3 %, for bob)",
            "One seed each",
            "The random split flatters the network by 42.8 points, more than the 7.2 that chance may make",
            "Our network (79,866 parameters)",
            "It recognises 86.8 % of the words of speakers left out of its training (mean over 3; the least, 80.6 %, "
            "for eve)",
            "That is 34.4 points more than the course's network, beyond the 3.8 that chance may make",
        )),
        ("2.5", (
            "from -94.5 dB the training mean goes to 0.00, the test mean to -0.30; the deviation, 19.8 dB, stays",
            "92 % of the values are the least of all", "So the mean is mostly that of silence",
            "on the 128x241 spectrogram", "to 41x79 then 19x38", "from 7,220 values to ten logits",
            "75,220 parameters by hand, 75,220 by Keras; 96 % of them are in the dense layer",
            "SGD with step 0.002 and momentum 0.8", "(batches of 60, 16 steps: prediction", "over 4 epochs",
        )),
        ("2.6", (
            "In 4 epochs the training loss goes from 1.913 to 0.0712, the test loss from 1.724 to 0.583; the score "
            "goes from 50.2 % to 95.1 % of the test recordings, and first reaches 98 % of that at epoch 2. 99.9 % of "
            "the training recordings",
            "The test loss is least at epoch 4 (0.583) and ends 0.0 % above, no more than 5 %: no overfitting",
            "One seed each",
        )),
        ("2.7", (
            "1,234 training pairs take images of MNIST's training set and recordings of all speakers but eve; 567 test "
            "pairs, images of its test set and recordings of eve alone",
            "(a square of 14 pixels)", "(as strong as the voice at 0 dB; here 6 dB)", "5. Training: 3 epochs, Adam",
            "the image alone has 83.1 %, the sound alone 41.2 %, early fusion 89.2 %, late fusion 90.4 % (best fusion: "
            "late fusion)",
            "exceeds the best single modality by 7.2 points; two accuracies on 400 independent examples may lie 4.8",
            "+0.4 points in noise alone, +8.3 where only the image suffers and +0.5 where nothing does, where the best "
            "network still makes 1.3 % of errors",
            "One seed each",
        )),
    ],
)
def test_every_number_stands_in_its_place(number, sentences, measured):
    text = " ".join(said(number, measured()).replace(" |", "|").replace("|", " |").split())
    for sentence in sentences:
        assert sentence in text


def test_numbers_are_french_in_french(measured):
    text = said("2.4", measured(), "fr")  # without the narrow spaces, which split() takes for others
    assert "52,3 % quand le locuteur testé" in text
    assert "75 220 paramètres" in text
    assert "de 42,8 points, plus que les 7,2" in text


# --- 2.2 ---


def recordings(labels=(0, 0, 1), speakers=("ada", "ada", "bob"), repetitions=(2, 5, 2), seconds=(0.5, 0.6, 0.9)):
    return Recordings(*map(np.array, (labels, speakers, repetitions, seconds)))


def test_digits_that_were_not_said_as_often(measured):
    text = said("2.2", measured(recordings=recordings()))
    assert "3 recordings of 2 digits by 2 speakers, from 0 to 2 of each digit by each speaker, at 8,000 samples" in text
    assert "the median duration is 0.60 s, the shortest lasts 0.50 s, the longest 0.90 s" in text
    assert "(repetitions here: 2–5)" in text


def test_one_recording(measured):
    one = recordings([3], ["ada"], [7], [0.5])
    text = said("2.2", measured(recordings=one))
    assert "1 recording of 1 digit by 1 speaker, 1 of each digit by each speaker" in text
    assert "(repetitions here: 7)" in text
    assert "variance" not in text
    assert "1 enregistrement de 1 chiffre par 1 locuteur" in said("2.2", measured(recordings=one), "fr")


@pytest.mark.parametrize(
    "other", [recordings(seconds=[0.5] * 3), recordings(speakers=["ada"] * 3, repetitions=[0, 1, 0])]
)
def test_what_cannot_vary_explains_nothing(other, measured):
    assert "variance" not in said("2.2", measured(recordings=other))


def test_what_was_done_to_files_is_said(measured):
    assert "resampled" not in said("2.2", measured())
    assert "mixed" not in said("2.2", measured())
    assert "channels" not in said("2.2", measured())
    assert "do not say" not in said("2.2", measured())
    remarks = {f"{digit}_ada_0.wav": ["resampled"] for digit in range(5)}
    remarks["3_bob_0.wav"] = ["mixed_to_mono", "resampled"]
    text = said("2.2", measured(remarks=remarks))
    assert "6 files were resampled to 8,000 Hz while read (0_ada_0.wav, 1_ada_0.wav, 2_ada_0.wav, …)" in text
    assert "1 file was mixed from several channels to one while read (3_bob_0.wav)" in text
    remarks = {"3_bob_0.wav": ["length_unknown", "loudest_channel"], "4_bob_0.wav": ["length_unknown"]}
    text = said("2.2", measured(remarks=remarks))
    assert "1 file has channels that cancel one another" in text
    assert "the loudest alone was read (3_bob_0.wav)" in text
    assert "2 files do not say how long the recording is" in text
    assert "anything is missing (3_bob_0.wav, 4_bob_0.wav)" in text


def test_recordings_that_are_cut(measured):
    assert "longer than" not in said("2.2", measured())
    assert "1 recording is longer than 6 s" in said("2.2", measured(n_cut=1))
    assert "12 recordings are longer than 6 s" in said("2.2", measured(n_cut=12))


def test_the_table_of_recordings(measured):
    table = QUESTIONS["2.2"].function(measured()).table
    assert table["speaker"].to_list() == ["ada", "bob", "eve"]
    assert table["recordings"].to_list() == [400] * 3
    np.testing.assert_allclose([mean for mean, _ in table["duration"]], [0.3645, 0.4645, 0.5645])
    np.testing.assert_allclose(table["shortest"].to_list(), [0.3, 0.4, 0.5])
    np.testing.assert_allclose(table["longest"].to_list(), [0.429, 0.529, 0.629])


# --- 2.3 ---


@pytest.mark.parametrize(
    ("course", "true", "sentences"),
    [
        ((), (), ("None of the script's 128 filters is empty.", "none is empty")),
        ((7,), (2,), ("1 filter is empty, at up to 125 Hz", "Of our 64 filters, made for the true rate, 1 is empty")),
        ((7, 11), (2, 3, 5), ("2 filters are empty, at up to 165 Hz", "made for the true rate, 3 are empty")),
    ],
)
def test_empty_filters_are_counted(course, true, sentences, measured, banks):
    text = said("2.3", measured(banks=banks(course, true)))
    for sentence in sentences:
        assert sentence in text
    assert ("a cross marks each" in text) == bool(course)


# --- 2.4 ---

VERDICTS = (
    "flatters the network", "does not show the leak", "recognised better", "never left chance", "diverged, the first"
)
COMPARED = ("points more than the course", "neither better nor worse", "points less than the course")


def found(claims, text):
    return [claim for claim in claims if claim in text]


@pytest.mark.parametrize(
    ("random", "unseen", "claim", "numbers"),
    [
        (0.95, 0.60, 0, "by 35.0 points, more than the 6.9"),
        (0.64, 0.60, 1, "4.0 points apart, not above the 8.0"),
        (0.60, 0.64, 1, "4.0 points apart, not above the 8.0"),
        (0.60, 0.60, 1, "0.0 points apart, not above the 8.1"),
        (0.60, 0.72, 2, "by 12.0 points, more than the 7.8"),
    ],
)
def test_the_leak_is_told_from_chance(random, unseen, claim, numbers, voices, measured):
    text = said("2.4", measured(voices(random, dict.fromkeys(("ada", "bob"), unseen))))
    assert found(VERDICTS, text) == [VERDICTS[claim]]
    assert numbers in text


def test_chance_is_that_of_the_fewer_files(voices, measured):
    """One speaker of 400 recordings and 295 files of the test: on 295 files, 8 points may be chance, on 400 not."""
    text = said("2.4", measured(voices(0.60, {"ada": 0.52})))
    assert "8.0 points apart, not above the 8.2" in text
    split = replace(measured().split, test=["0_ada_0.wav"] * 5000)
    assert "by 8.0 points, more than the 7.0" in said("2.4", measured(voices(0.60, {"ada": 0.52}), split=split))


@pytest.mark.parametrize(
    ("ours", "claim", "numbers"),
    [
        (0.70, 0, "That is 10.0 points more than the course's network, beyond the 4.8"),
        (0.62, 1, "That is 2.0 points from the course's network, not above the 4.9"),
        (0.58, 1, "That is 2.0 points from the course's network, not above the 4.9"),
        (0.50, 2, "That is 10.0 points less than the course's network, beyond the 5.0"),
    ],
)
def test_our_network_is_compared_beyond_chance(ours, claim, numbers, voices, measured):
    both = ("ada", "eve")
    text = said("2.4", measured(voices(0.9, dict.fromkeys(both, 0.6), dict.fromkeys(both, ours))))
    assert found(COMPARED, text) == [COMPARED[claim]]
    assert numbers in text


def test_one_speaker_left_out(voices, measured):
    text = said("2.4", measured(voices(course={"bob": 0.41}, ours={"bob": 0.84})))
    assert "of 75,220 parameters: 95.1 % of the test files are recognised with the random split" in text
    assert "41.0 % of those of bob, left out of training" in text
    assert "It recognises 84.0 % of the words of bob, left out of its training" in text
    assert "mean over" not in text


def test_speakers_who_are_as_hard_are_named_together(voices, measured):
    text = said("2.4", measured(voices(course={"ada": 0.4, "bob": 0.5, "eve": 0.4})))
    assert "the least, 40.0 %, for ada, eve" in text


@pytest.mark.parametrize(
    ("study", "last", "n_stuck"),
    [("speakers", 0.12, 3), ("speakers", 0.15, 0), ("random", 0.11, 1), ("random", 0.13, 0)],
)
def test_a_network_that_has_not_started_says_nothing_about_voices(study, last, n_stuck, voices, measured):
    """On 800 recordings 12.1 % are beyond chance, on 905 12.0 %."""
    runs = voices()
    for run in runs:
        if run.study == study:
            run.history["train_accuracy"] = [0.1, 0.1, 0.1, last]
    text = said("2.4", measured(runs))
    assert found(VERDICTS, text) == [VERDICTS[3 if n_stuck else 0]]
    if n_stuck:
        assert f"of 4 trainings of this network {n_stuck} never left chance (10 %)" in text
        assert "the 42.8 points between the two cannot be read" in text
        assert "It recognises 86.8 %" in text
    assert bool(found(COMPARED, text)) != bool(n_stuck)


def test_each_network_is_judged_on_its_own_training_recordings(voices, measured):
    """12.05 % on 905 recordings are beyond chance; on the 800 left when a speaker is left out they are not."""
    runs = voices(train_accuracy=[0.1, 0.1, 0.1, 0.1205])
    runs[0].history["train_accuracy"] = [0.1, 0.1, 0.1, 0.1205]
    assert "of 4 trainings of this network 3 never left chance" in said("2.4", measured(runs))


@pytest.mark.parametrize("name", ["train_loss", "test_loss", "running_loss"])
def test_nothing_is_compared_with_trainings_that_diverged(name, voices, measured):
    runs = voices()
    runs[1].history[name] = [1.0, 2.0, NAN, NAN]
    runs[3].history[name] = [1.0, float("inf"), NAN, NAN]
    text = said("2.4", measured(runs))
    assert found(VERDICTS, text) == [VERDICTS[4]]
    assert "of 4 trainings of this network 2 diverged, the first at epoch 2" in text
    assert "nan" not in text
    assert "It recognises 86.8 %" in text
    assert not found(COMPARED, text)
    assert "2 ont divergé" in said("2.4", measured(runs), "fr")


def test_our_network_that_diverged(voices, measured):
    runs = voices()
    runs[-1].history["test_loss"] = [1.0, NAN, NAN, NAN]
    text = said("2.4", measured(runs))
    assert "Here 1 of its trainings diverged" in text
    assert "It recognises" not in text
    assert not found(COMPARED, text)
    assert found(VERDICTS, text) == [VERDICTS[0]]


def test_settings_were_chosen_on_the_official_speakers(measured):
    assert "these same speakers" in said("2.4", measured())
    assert "these same speakers" not in said("2.4", measured(spoken_source="sample"))
    own = replace(measured().config, recordings=Path("mine"))
    assert "these same speakers" not in said("2.4", measured(config=own))


def test_speakers_on_both_sides_are_counted(measured):
    split = replace(measured().split, n_test={"ada": 90, "bob": 0, "eve": 109})
    assert "Voices of 2 of the 3 speakers are on both sides" in said("2.4", measured(split=split))
    apart = replace(measured().split, n_train={"ada": 0, "bob": 0, "eve": 1}, n_test={"ada": 1, "bob": 1, "eve": 0})
    text = said("2.4", measured(split=apart))
    assert "chance has put none of the 3 speakers on both sides" in text
    assert "forbids" not in text


def test_means_are_over_seeds_and_speakers(voices, measured):
    runs = voices(0.9) + voices(0.8, {"ada": 0.4, "bob": 0.5, "eve": 0.6}, {"ada": 0.7, "bob": 0.8, "eve": 0.9}, seed=1)
    text = said("2.4", measured(runs, config=replace(measured().config, n_seeds=2)))
    assert "85.0 % of the test files" in text
    assert "51.2 % when the speaker tested was left out" in text
    assert "46.2 %, for bob" in text
    assert "It recognises 83.4 %" in text
    assert "means over 2 seeds" in text
    assert "One seed" not in text


def test_the_table_of_speakers(voices, measured):
    table = QUESTIONS["2.4"].function(measured(voices(course={"ada": 0.61, "bob": 0.42}, ours={"bob": 0.88}))).table
    assert table["speaker"].to_list() == ["ada", "bob", "eve"]
    assert table["in_training"].to_list() == [310, 304, 291]
    assert table["in_test"].to_list() == [90, 96, 109]
    assert table["left_out_course"].to_list() == [0.61, 0.42, "not_left_out"]
    assert table["left_out_ours"].to_list() == ["not_left_out", 0.88, "not_left_out"]
    assert isinstance(table["left_out_course"][2], Word)


# --- 2.5 ---


def test_silence_that_is_the_smaller_part(measured):
    text = said("2.5", measured(split=replace(measured().split, silence=0.42)))
    assert "42 % of the values" in text
    assert "mostly" not in text


def test_parameters_are_counted_twice(measured):
    split = measured().split
    other = replace(split, layers=[*split.layers[:-1], replace(split.layers[-1], parameters=5)])
    assert "75,220 parameters by hand, 3,015 by Keras" in said("2.5", measured(split=other))
    table = QUESTIONS["2.5"].function(measured()).table
    assert table["layer"].to_list() == ["Conv2D", "Conv2D", "Flatten", "Dense"]
    assert table["settings"].to_list() == ["filters 10", "filters 11", "-", "units 10"]
    assert table["output_shape"].to_list() == ["41x79x10", "19x38x10", "7220", "10"]
    assert table["by_hand"].to_list() == table["by_keras"].to_list() == [500, 2510, 0, 72_210]


def test_another_window_is_another_network(measured):
    config = replace(measured().config, recipe=replace(measured().config.recipe, window=8000))
    text = said("2.5", measured(config=config))
    assert "on the 128x41 spectrogram" in text
    assert "to 41x12 then 19x4" in text
    assert "from 760 values" in text


# --- 2.6 ---

JUDGED = (
    "no overfitting", "the network overfits", "unsteady training", "has not left chance", "After one epoch",
    "diverged at",
)


@pytest.mark.parametrize(
    ("train", "test", "claim", "numbers"),
    [
        ([0.6, 0.4, 0.3], [0.5, 0.2, 0.3], 1, "least at epoch 2 (0.200) and ends 50 % above, more than 5 %, while the "
         "training loss still falls, from 0.4000 to 0.3000"),
        ([0.6, 0.4, 0.3], [0.5, 0.3, 0.2], 0, "least at epoch 3 (0.200) and ends 0.0 % above"),
        ([0.6, 0.4, 0.3], [0.5, 0.2, 0.208], 0, "least at epoch 2 (0.200) and ends 4.0 % above, no more than 5 %"),
        ([0.6, 0.3, 0.4], [0.5, 0.2, 0.3], 2, "least at epoch 2 (0.200) and ends 50 % above, but the training loss has "
         "risen since then too, from 0.3000 to 0.4000"),
        ([0.6, NAN, 0.3], [0.5, 0.3, 0.2], 5, "diverged at epoch 2"),
        ([0.6, 0.4, 0.3], [0.5, 0.3, float("inf")], 5, "diverged at epoch 3"),
    ],
)
def test_the_courses_curves_are_read(train, test, claim, numbers, run, measured):
    made = run("random", Word("course"), train_loss=train, test_loss=test)
    text = said("2.6", measured([made]))
    assert found(JUDGED, text) == [JUDGED[claim]]
    assert numbers in text


def test_one_epoch_has_no_course_to_read(run, measured):
    history = {
        "train_loss": [2.1], "test_loss": [2.2], "running_loss": [2.3],
        "train_accuracy": [0.4], "test_accuracy": [0.35],
    }
    text = said("2.6", measured([run("random", Word("course"), **history)]))
    assert found(JUDGED, text) == ["After one epoch"]
    assert "the training loss is 2.1000, the test loss 2.200, and the score 35.0 %" in text


def test_a_network_that_stays_at_chance_is_not_judged(run, measured):
    """Of 1200 recordings 900 are to train on, on which 12.0 % is beyond chance."""
    for last, claim in ((0.119, 3), (0.121, 0)):
        text = said("2.6", measured([run("random", Word("course"), train_accuracy=[0.1, 0.1, 0.1, last])]))
        assert found(JUDGED, text) == [JUDGED[claim]]
        assert ("has not left chance (10 %)" in text) == (claim == 3)


def test_curves_are_means_over_the_seeds(run, measured):
    runs = [run("random", Word("course")), run("random", Word("course"), seed=1, test_loss=[1.0, 0.2, 0.2, 0.4])]
    text = said("2.6", measured(runs, config=replace(measured().config, n_seeds=2)))
    assert "the test loss from 1.362 to 0.491" in text
    assert "least at epoch 3 (0.405) and ends 21 % above" in text
    assert "means over 2 seeds" in text


# --- 2.7 ---

GAINS = (
    "exceeds the best single", "does not show the gain", "the contrary of the gain", "Some of the trainings diverged"
)


def alike(image, sound, early, late):
    return {
        f"network_{name}": (value,) * 4
        for name, value in {"image": image, "sound": sound, "early": early, "late": late}.items()
    }


@pytest.mark.parametrize(
    ("accuracies", "claim", "numbers"),
    [
        ((0.7, 0.6, 0.8, 0.9), 0, "by 20.0 points; two accuracies on 400 independent examples may lie 5.7 apart"),
        ((0.6, 0.7, 0.9, 0.8), 0, "by 20.0 points"),
        ((0.7, 0.6, 0.6, 0.71), 1, "1.0 points apart, not above the 6.4 that chance may make on 400"),
        ((0.7, 0.6, 0.69, 0.6), 1, "1.0 points apart"),
        ((0.7, 0.6, 0.7, 0.6), 1, "0.0 points apart"),
        ((0.7, 0.6, 0.6, 0.5), 2, "stays 10.0 points below the best single modality, more than the 6.7 that chance "
         "may make on 400"),
    ],
)
def test_the_gain_of_fusion_is_told_from_chance(accuracies, claim, numbers, paired, measured):
    text = said("2.7", measured(paired(alike(*accuracies))))
    assert found(GAINS, text) == [GAINS[claim]]
    assert numbers in text


def test_chance_is_that_of_the_recordings_or_of_the_pairs(paired, measured):
    few = replace(measured().config, n_test_pairs=50)
    text = said("2.7", measured(paired(alike(0.7, 0.6, 0.71, 0.7)), few))
    assert "chance may make on 50 independent examples" in text


def test_fusions_that_are_as_good_are_named_together(paired, measured):
    assert "(best fusion: early fusion, late fusion)" in said("2.7", measured(paired(alike(0.7, 0.6, 0.8, 0.8))))
    assert "(best fusion: early fusion)" in said("2.7", measured(paired(alike(0.7, 0.6, 0.81, 0.8))))


def test_pairs_are_not_compared_where_a_training_diverged(paired, measured):
    lost = {"test_loss": [1.0, NAN, NAN, NAN]}
    text = said("2.7", measured(paired(network_late=lost, network_sound=lost)))
    assert found(GAINS, text) == [GAINS[3]]
    assert "diverged (sound alone, late fusion)" in text
    assert "nan" not in text
    assert "best fusion" not in text.lower()


def test_one_epoch_of_pairs(measured):
    config = replace(measured().config, pair_epochs=1)
    assert "5. Training: 1 epoch, Adam" in said("2.7", measured(config=config))
    assert "1 époque, Adam" in said("2.7", measured(config=config), "fr")


def test_the_table_of_pairs_is_of_means_over_the_seeds(paired, measured):
    other = alike(0.5, 0.4, 0.6, 0.8)
    config = replace(measured().config, n_seeds=2)
    answer = QUESTIONS["2.7"].function(measured(paired() + paired(other, seed=1), config))
    table = answer.table
    assert table["setting"].to_list() == ["network_image", "network_sound", "network_early", "network_late"]
    assert table["n_seeds"].to_list() == [2] * 4
    assert [mean for mean, _ in table["parameters"]] == [100_000, 100_001, 100_002, 100_003]
    np.testing.assert_allclose([mean for mean, _ in table["clean"]], [0.74055, 0.58075, 0.79255, 0.89325])
    np.testing.assert_allclose([mean for mean, _ in table["noisy_sound"]], [0.7356, 0.4108, 0.7871, 0.8878])
    np.testing.assert_allclose([mean for mean, _ in table["occluded_image"]], [0.67065, 0.58585, 0.75665, 0.86235])
    np.testing.assert_allclose([mean for mean, _ in table["both_degraded"]], [0.6657, 0.4059, 0.7462, 0.8519])
    assert [mean for mean, _ in table["epoch_seconds"]] == [3.0] * 4
    assert "means over 2 seeds" in said("2.7", measured(paired() + paired(other, seed=1), config))


# --- what was run ---


def test_the_split_is_something_that_was_measured(measured):
    assert measured().studies == {"random", "speakers", "ours", "pairs", "split"}
    assert measured(split=None).studies == {"random", "speakers", "ours", "pairs"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "voices + MNIST"),
        ({"written": None, "written_source": None}, "voices"),
        ({"spoken_source": "sample", "source": "sample"}, "procedural sample, NOT voices + MNIST"),
        ({"written_source": "sample", "source": "sample"}, "voices + procedural sample, NOT MNIST"),
    ],
)
def test_data_are_named_where_they_are_used(changes, text, measured):
    assert measured(**changes).provenance("en") == text


# --- the line that ends the lab ---


def test_the_result(voices, measured):
    assert questions.result("audio_mnist", measured(voices()), "en").replace("\u202f", " ") == (
        "of the digits of a speaker never heard, the course's network recognises 52.3 % and ours 86.8 %; of a random "
        "share, the course's 95.1 % (1 seed)."
    )


def test_the_result_is_a_mean_over_speakers_and_seeds(voices, measured):
    runs = voices(0.5, {"ada": 0.1, "bob": 0.3}, {"ada": 0.6}) + voices(0.7, {"ada": 0.2, "bob": 0.2}, {"ada": 0.8}, 1)
    said = questions.result("audio_mnist", measured(runs, replace(measured().config, n_seeds=2)), "fr")
    assert said.replace("\u202f", " ") == (
        "des chiffres d'un locuteur jamais entendu, le réseau du cours reconnaît 20,0 % et le nôtre 70,0 % ; d'une "
        "part tirée au hasard, celui du cours 60,0 % (2 graines)."
    )


def test_without_the_three_splits_the_result_is_in_the_answers(paired, measured):
    assert questions.result("audio_mnist", measured(paired()), "en") == "see the answers above."
