"""What the answers say, from measurements made by hand: every branch, every number."""

from dataclasses import replace

import pytest

from labs.mnist_losses.config import EXPERIMENTS, Config
from mi204 import questions

QUESTIONS = questions.of_lab("mnist_losses")
FALLING, RISING = [0.3, 0.2, 0.1], [0.2, 0.1, 0.2]


def said(number, measured, language="en"):
    return " ".join(QUESTIONS[number].render(measured, language).split())


@pytest.mark.parametrize(
    ("number", "sentences"),
    [
        ("1.1", (
            "1,199,882 parameters, 6,000 training and 1,000 test images, batches of 50, 3 epochs",
            "from 0.5000 after the first epoch to 0.2100, the test loss from 0.4500 to 0.3400; 98.71 %",
            "is 0.2300 in the last one, 1.1 times",
            "least at epoch 3 (0.3400) and ends 0.0 % above, less than the 5 %",
        )),
        ("1.2", (
            "With 1,000 training images in place of 6,000 the test loss ends at 0.6400, 1.9 times that of the usual "
            "sets (0.3400); 95.32 % of the test images are recognised, with the usual sets 98.71 %",
            "An epoch is 20 steps in place of 120: the first one leaves the test loss at 0.7500",
            "ends at 0.2200, with the usual sets at 0.2100",
            "Fewer images are recognised",
        )),
        ("1.3", (
            "training loss ends at 0.1100 (with it 0.2200) and the test loss at 0.7300 (with it 0.6400); 94.13 % of "
            "the test images are recognised, with dropout 95.32 %",
            "least at epoch 2 (0.6100), then rises by 19.7 % (more than 5 %) while the training loss still falls",
            "fits its 1,000 images one by one",
            "Fewer images are recognised",
        )),
        ("1.4", (
            "With 6,000 training images and without dropout the training loss ends at 0.0900 (with dropout 0.2100), "
            "the test loss at 0.4000 (with dropout 0.3400); 98.84 % of the test images are recognised, with dropout "
            "98.71 %",
            "least at epoch 2 (0.3500), then rises by 14.3 % (more than 5 %)",
            "more parameters (1,199,882) than there are images, and in the end gets 87.65 % of them right",
            "no further apart than the choice of the test images",
        )),
        ("1.5", (
            "more than 5 % above its least value",
            "In 3 epochs that is so here: swapped sets, without dropout, usual sets, without dropout.",
            "14 % with the set of usually 6 times the size of the other, 20 % with the other one)",
            "dropout does (0.0 % and 0.0 %)",
            "with dropout from 0.6400 to 0.3400",
            "lowest, 0.0900 and 0.1100, exactly where the network overfits",
            "98.84 % with the usual sets, with dropout 98.71 %",
            "One seed each",
        )),
    ],
)
def test_every_number_stands_in_its_place(number, sentences, measured):
    text = said(number, measured())
    for sentence in sentences:
        assert sentence in text
    assert said(number, measured(), "fr") != text


@pytest.mark.parametrize(
    ("number", "study"), [("1.1", "base"), ("1.2", "swapped"), ("1.3", "swapped_no_dropout"), ("1.4", "no_dropout")]
)
@pytest.mark.parametrize(
    ("train", "test", "claim"),
    [
        (FALLING, RISING, "more than"),
        (FALLING, FALLING, "less than"),
        (FALLING, [0.3, 0.1, 0.104], "less than"),  # 4 % above
        ([0.3, 0.1, 0.2], RISING, "an unsteady training"),
        ([0.3], [0.4], "After a single epoch"),
        (FALLING, [0.3, float("nan"), 0.2], "diverged at epoch 2"),
        ([0.3, 0.2, float("inf")], FALLING, "diverged at epoch 3"),
    ],
)
def test_each_experiment_is_judged_by_its_own_losses(number, study, train, test, claim, run, measured):
    names = [name for name in EXPERIMENTS if name != study]
    runs = [run(study, train, test), *(run(name, FALLING[: len(train)], FALLING[: len(train)]) for name in names)]
    text = said(number, measured(runs))
    claims = ("more than", "less than", "an unsteady training", "After a single epoch", "diverged at epoch")
    assert [each for each in claims if each in text.replace("more than the", "more than")] == [
        each for each in claims if claim.startswith(each)
    ]
    assert claim in text
    assert "1 epochs" not in text


def test_an_unsteady_training_says_from_where_to_where(run, measured):
    text = said("1.1", measured([run("base", [0.3, 0.12, 0.23], [0.2, 0.11, 0.24])]))
    assert "least at epoch 2 (0.1100) and ends 118.2 % above" in text
    assert "from 0.1200 to 0.2300" in text


@pytest.mark.parametrize(
    ("running", "sentences"),
    [
        (0.5, ("2.4 times the loss of the same images", "unknown images are easier")),
        (0.25, ("1.2 times the loss of the same images",)),
        (0.1, ("here it is not",)),
    ],
)
def test_what_training_shows_of_itself(running, sentences, run, measured):
    text = said("1.1", measured([run("base", running=[0.9, 0.8, running])]))
    every = ("times the loss of the same images", "here it is not", "unknown images are easier")
    assert [each for each in every if each in text] == [each for each in every if any(each in s for s in sentences)]
    for sentence in sentences:
        assert sentence in text


@pytest.mark.parametrize(("number", "name"), [("1.2", "swapped"), ("1.3", "swapped_no_dropout"), ("1.4", "no_dropout")])
@pytest.mark.parametrize(
    ("accuracy", "claim"), [(0.80, "Fewer images"), (0.90, "no further apart"), (0.96, "More images")]
)
def test_accuracies_are_compared_beyond_chance(number, name, accuracy, claim, run, measured):
    runs = [run(each, accuracy=0.90) for each in EXPERIMENTS if each != name] + [run(name, accuracy=accuracy)]
    assert claim in said(number, measured(runs, n_train=1000, n_test=1000))


def test_chance_is_that_of_the_images_tested(run, measured):
    """The swapped sets are tested on n_train images: 1.2 points between 90 % may be chance on 3000, not on 30,000."""
    runs = [run("swapped", accuracy=0.90), run("swapped_no_dropout", accuracy=0.912)]
    assert "no further apart" in said("1.3", measured(runs, n_train=3000, n_test=30_000))
    assert "More images" in said("1.3", measured(runs, n_train=30_000, n_test=3000))
    both = [run("base", accuracy=0.90), run("swapped", accuracy=0.912)]  # tested on n_test and on n_train images
    assert "no further apart" in said("1.2", measured(both, n_train=3000, n_test=30_000))
    assert "no further apart" in said("1.2", measured(both, n_train=30_000, n_test=3000))


@pytest.mark.parametrize(
    ("curves", "claims"),
    [
        ((FALLING, FALLING, RISING, RISING), ("both experiments without dropout",)),
        ((FALLING,) * 4, ("that is so nowhere",)),
        ((FALLING, RISING, RISING, RISING), ("that is so here: swapped sets, with dropout,", "something else")),
        ((RISING, FALLING, FALLING, FALLING), ("that is so here: usual sets, with dropout.", "something else")),
        ((FALLING, FALLING, [0.2, float("nan"), 0.1], RISING), ("diverged (swapped sets, without dropout)",)),
    ],
)
def test_synthesis_says_what_was_measured(curves, claims, run, measured):
    runs = [run(name, FALLING, curve) for name, curve in zip(EXPERIMENTS, curves, strict=True)]
    text = said("1.5", measured(runs))
    every = (
        "both experiments without dropout", "that is so nowhere", "that is so here", "something else", "diverged (",
    )
    for each in every:
        assert (each in text.replace("in both experiments without dropout and in none with it; this", "")) == any(
            each in claim for claim in (*claims, *(("that is so here",) if "both" in claims[0] else ()))
        ), each
    for claim in claims:
        assert claim in text


def test_the_table_says_from_which_epoch_and_by_how_much(measured):
    table = QUESTIONS["1.5"].function(measured()).table
    assert list(table["setting"]) == list(EXPERIMENTS)
    assert list(table["least_at_epoch"]) == [3, 3, 2, 2]
    assert table["rise"].to_list() == pytest.approx([0, 0, 0.73 / 0.61 - 1, 0.40 / 0.35 - 1])
    assert list(table["overfitting"]) == ["no", "no", "yes", "yes"]
    assert [mean for mean, _ in table["train_loss"]] == [0.21, 0.22, 0.11, 0.09]
    assert [mean for mean, _ in table["least_test_loss"]] == [0.34, 0.64, 0.61, 0.35]
    assert [mean for mean, _ in table["test_loss"]] == [0.34, 0.64, 0.73, 0.40]
    assert [mean for mean, _ in table["test_accuracy"]] == [0.9871, 0.9532, 0.9413, 0.9884]
    assert [mean for mean, _ in table["epoch_seconds"]] == [1.5] * 4


def test_more_images_or_training_losses_that_do_not_behave(run, measured):
    runs = [run(name, FALLING, RISING if "no_dropout" in name else FALLING) for name in EXPERIMENTS]
    text = said("1.5", measured(runs))
    assert "here it ends, with dropout, at 0.1000 for the usual sets and 0.1000 for the swapped ones" in text
    assert "exactly where the network overfits" not in text


def test_verdicts_are_of_the_mean_over_the_seeds(run, measured):
    runs = [run("base", FALLING, [0.3, 0.2, 0.1]), run("base", FALLING, [0.3, 0.2, 0.14], seed=1)]
    text = said("1.1", measured(runs, replace(Config(), n_seeds=2)))
    assert "to 0.1200" in text
    every = [run(name, seed=seed) for seed in (0, 1) for name in EXPERIMENTS]
    assert "All numbers are means over 2 seeds" in said("1.5", measured(every, replace(Config(), n_seeds=2)))


@pytest.mark.parametrize(("number", "reference"), [("1.2", "base"), ("1.3", "swapped"), ("1.4", "base")])
def test_nothing_is_compared_with_a_training_that_diverged(number, reference, run, measured):
    runs = [run(name, test=[0.3, float("nan"), 0.1] if name == reference else None) for name in EXPERIMENTS]
    text = said(number, measured(runs))
    assert "diverged: there is nothing to compare" in text
    assert "nan" not in text


# --- the line that ends the lab ---


def result(measured, language="en"):
    return questions.result("mnist_losses", measured, language).replace("\u202f", " ")


def test_the_result(run, measured):
    recognised = "98.71 % of the test images recognised by the handout's network after 3 epochs."
    words = questions.vocabulary("mnist_losses")
    both = ", ".join(words.word(name, "en") for name in EXPERIMENTS if "no_dropout" in name)
    assert result(measured()) == f"{recognised} Overfitting: {both}."
    assert result(measured([run("base"), run("swapped")])) == f"{recognised} Overfitting: in none of 2 trainings."
    diverged = words.word("swapped", "en")
    lost = [run("base"), run("swapped", test=[0.4, float("nan"), float("nan")])]
    assert result(measured(lost)) == f"{recognised} Diverged: {diverged}."


def test_the_result_of_one_epoch_says_nothing_of_overfitting(run, measured):
    one = [run("base", train=[0.5], test=[0.4])]
    said = "98,71 % des images de test reconnues par le réseau de l'énoncé après 1 époque."
    assert result(measured(one), "fr") == said


def test_without_the_handouts_training_the_result_is_in_the_answers(run, measured):
    assert result(measured([run("swapped")])) == "see the answers above."
