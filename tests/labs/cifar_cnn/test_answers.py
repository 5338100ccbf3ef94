"""What the answers say, from measurements made by hand: every branch, every number."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labs.cifar_cnn.answers import hyperparameters
from labs.cifar_cnn.config import PRESETS, Config, Recipe
from labs.cifar_cnn.measured import Channel, Evaluation, Layer, Stage
from mi204 import questions

QUESTIONS = questions.of_lab("cifar_cnn")
NAN = float("nan")


def said(number, measured, language="en"):
    return " ".join(QUESTIONS[number].render(measured, language).split())


def table(number, measured):
    return QUESTIONS[number].function(measured).table


def column(number, measured, name):
    """Give a column, the means alone where there is a spread."""
    return [cell[0] if isinstance(cell, tuple) else cell for cell in table(number, measured)[name]]


@pytest.mark.parametrize(
    ("number", "sentences"),
    [
        ("2.1", (
            "The 4,000 training images", "The 900 validation images", "The 800 test images",
        )),
        ("2.2", (
            "from 10 to 242 out of 255", "0 and the standard deviation 1, in every image",
        )),
        ("3.0", (
            "a vector of 3 zeros", "answers 3 positive numbers",
        )),
        ("3.1", (
            "By hand 131,555: Keras counts as many",
        )),
        ("4.0", (
            "Part II.4: 3 epochs with batches of 30, 1.50 s per epoch. Training accuracy 76.1 % during the last epoch "
            "and 61.2 % afterwards, validation 40.4 %, test 41.2 %",
            "of the highest validation accuracy, that of epoch 2 (44.2 %)",
            "3 epochs from there with batches of 8, 1.60 s per epoch: training accuracy 76.2 % during the last epoch "
            "and 68.8 % afterwards, validation 45.8 %, test 48.7 %",
            "More test images are recognised than after part II.4",
            "Two training accuracies, 76.1 % and 61.2 %",
            "The original notebook could not do this", "On Keras 3.15", "repeats one order of the images",
        )),
        ("4.1", (
            "images (30) whose mean", "see all 4,000 training images once: 134 steps, the last one with 10 images",
            "3 epochs make 402 updates", "with batches of 8, an epoch has 500 steps, the last one with 8 images",
            "10 epochs make 5,000 updates",
        )),
        ("4.2", (
            "Here it took 17.4 times as long with batches of 128 as with batches of 8, for 16 times as many images",
            "An epoch took 0.9 times as long with batches of 8 (500 steps) as with batches of 128 (32 steps)",
            "no further apart than chance may make them: 76.4 % with 8, 76.6 % with 128",
            "a small batch is better, beyond what their choice may do: 44.4 % with 8, 36.3 % with 128",
            "With every batch size the validation loss ends more than 5 % above",
            "leave out the first epoch",
        )),
        ("4.3", (
            "Momentum adds 0.9 of the previous step", "(0.01; 0.01 with momentum; 0.001 for Adam)",
            "least at the same epoch with all of them (2.0)",
            "By validation accuracy one would choose Adam (50.5 %), which recognises 49.2 % of the test images",
            "That is more than with SGD, beyond", "no further from the test accuracy with SGD + momentum than",
            "One seed each",
        )),
        ("5.1", (
            "the update rule chosen, SGD, has none",
        )),
        ("6.1", (
            "reaches 68.3 % on the test images (one seed; 66.6 % without averaging",
            "987,654 parameters, 3 epochs and 12 s",
            "27.5 points more than the course's network (40.8 %, 132,010 parameters)", "It took 0.9 times as long",
            "recognise more test images than with one, beyond what their choice may do: 2 convolutions.",
            "no further from one convolution than the choice of the test images may make them: 3 convolutions.",
            "has 10 convolutions 3x3", "(3 in all) while the number of maps goes from 32 to 256",
            '40 epochs ("everything", 62.4 %)',
            "learning rate is 0.02 instead of 0.2, without the cosine a constant 0.05",
            "On 800 test images, a difference below 4.8 points", "it is worse like this: without flips.",
            "it is better like this: without colour changes.", "One seed each",
        )),
        ("6.2", (
            "training 88.5 %, validation 67.1 %, test 68.3 %", "on distorted and mixed ones, it was 76.3 %",
            "3 epochs, 1.70 s per epoch", "below the validation accuracy in 1 of 3 epochs",
            "least at epoch 2 (1.62) and ends at 1.87, 16 % above, more than the 5 %",
        )),
        ("6.3", (
            "68.3 % of the 129 test images recognised (first seed), from 96 % of those of the class plane down to 52 % "
            "of those of the class bird. Of the 68 images it calls plane, 74 % are.",
            "removed to see what it brings (6.1); 12 s of training",
            "987,654 parameters, 246.9 for each training image",
            "the accuracy on the training images is 88.5 %", "knows 3 classes", "a probability of 73 % on average",
            "it gives the class plane to 11 of the 40 images of the class bird",
        )),
        ("7.1", (
            "least at epoch 2 (1.62) and ends at 1.87 at epoch 3, 15 % above, more than the 5 %",
            "goes from 1.52 to 0.83",
            "44.2 % at epoch 2 and 40.3 % at the end, no further apart than the choice of the 900 images",
            "(its highest, 44.2 %, at epoch 2)", "Two training accuracies, 76.1 % and 61.2 %",
        )),
        ("7.2", (
            "Without any remedy the network recognises 40.3 % of the test images", "minus that is 21.2 points",
            'the best remedy here is "more data": 52.8 % of the test images, 21.7 points',
            "It recognises more test images than without a remedy",
            "Better than without a remedy on the test images, beyond chance: flips and crops, more data.",
            "Worse than without a remedy on the test images, beyond chance: L2.",
            "(4 times as many images", "(rate 0.3) and L2 (0.003)", "ends training 3 epochs after",
            "Dropout after the softmax (rate 0.3)", "training loss ends at 0.85, without remedy at 0.84",
            "It recognises 27.3 % of the test images, fewer than without a remedy", "One seed each",
        )),
        ("8.1", (
            "looks at 3x3 pixels",
        )),
        ("8.2", (
            "smaller and more numerous (from 32x32x4 to 16x16x6)", "The last maps, 16 pixels wide",
        )),
        ("8.3", (
            "with the maps of epoch 2 is 0.32", "From epoch 1 on the correlation is 0.95 or more",
            "still goes from 2.11 to 1.52 at epoch 2",
        )),
    ],
)
def test_every_number_stands_in_its_place(number, sentences, measured):
    text = said(number, measured())
    for sentence in sentences:
        assert sentence in text
    french = said(number, measured(), "fr")
    assert french != text
    assert not re.search(r"\d\.\d", re.sub(rf"Keras 3\.15|\(6\.1\)|II\.\d|{number}", "", french.split("|")[0]))
    assert "nan" not in (text + french).lower().split()


def test_every_question_is_asked_above():
    assert len(QUESTIONS) == 17


# --- data and network ---


def test_statistics_by_channel(measured):
    found = table("2.2", measured())
    assert list(found["stage"]) == ["before"] * 3 + ["after"] * 3
    assert list(found["channel"]) == ["red_channel", "green_channel", "blue_channel"] * 2
    assert list(found["mean_smallest"]) == [10, 11, 12, 0, 0, 0]
    assert list(found["mean_largest"]) == [240, 241, 242, 0, 0, 0]
    assert list(found["deviation_smallest"]) == [5, 6, 7, 1, 1, 1]
    assert list(found["deviation_largest"]) == [100, 101, 102, 1, 1, 1]
    assert "-0" not in said("2.2", measured())


@pytest.mark.parametrize("changed", [{"deviation_smallest": 0.0}, {"deviation_largest": 0.0}])
def test_a_constant_channel_is_told(changed, measured):
    channels = measured().channels
    text = said("2.2", measured(channels=[*channels[:5], replace(channels[5], **changed)]))
    assert "but for constant channels" in text
    assert "in every image" not in text


def test_layers_have_their_role(measured):
    found = table("3.0", measured())
    assert list(found["layer"]) == ["conv2d", "flatten", "dense", "dense_1"]
    assert list(found["settings"]) == ["filters 8", "", "units 64", "units 3"]
    assert list(found["output_shape"]) == ["32x32x8", "2048", "64", "3"]
    assert list(found["parameters"]) == [224, 0, 131_136, 195]
    assert "halves height and width" in said("3.0", measured(layers=[Layer("pool", "MaxPooling2D", "16", 0, "", [])]))


def test_parameters_are_counted_by_hand_beside_keras(measured):
    found = table("3.1", measured())
    assert list(found["by_hand"]) == ["(3 * 3 * 3 + 1) * 8", "(2048 + 1) * 64", "(64 + 1) * 3"]
    assert list(found["parameters"]) == list(found["by_keras"]) == [224, 131_136, 195]
    layers = measured().layers
    text = said("3.1", measured(layers=[replace(layers[0], parameters=225), *layers[1:]]))
    assert "By hand 131,555; Keras counts 131,556: the formulas leave out something" in text


def test_parameters_of_two_convolutions(measured):
    layers = [
        Layer(name, kind, "", number, "", [])
        for name, kind, number in (
            ("conv2d", "Conv2D", 224), ("conv2d_1", "Conv2D", 1168), ("dense", "Dense", 51_250),
            ("dense_1", "Dense", 153),
        )
    ]
    found = table("3.1", measured(layers=layers, recipe={"filters": (8, 16), "hidden_units": 50}))
    assert list(found["by_hand"]) == [
        "(3 * 3 * 3 + 1) * 8", "(3 * 3 * 8 + 1) * 16", "(1024 + 1) * 50", "(50 + 1) * 3",
    ]
    assert list(found["parameters"]) == [224, 1168, 51_250, 153]


# --- training and going on ---


@pytest.mark.parametrize(
    ("test", "claim"),
    [(0.487, "More test images"), (0.413, "no further apart"), (0.3, "Fewer test images")],
)
def test_going_on_is_compared_beyond_chance(test, claim, run, measured):
    text = said("4.0", measured([run("course"), run("resumed", test=test)]))
    assert [each for each in ("More test images", "no further apart", "Fewer test images") if each in text] == [claim]


def test_several_seeds_are_told_and_make_chance_smaller(run, measured):
    """2.6 points between 41 and 44 % may be chance on 800 images, not on 4 times 800; the mean is compared."""
    tested = {"course": (0.41, 0.40, 0.42, 0.41), "resumed": (0.41, 0.44, 0.46, 0.45)}
    given = [run(name, seed=seed, test=test) for name, tests in tested.items() for seed, test in enumerate(tests)]
    text = said("4.0", measured(given))
    assert "More test images" in text
    assert "Over 4 seeds the test accuracy is 41.0 % ± 0.8 % after part II.4 and 44.0 % ± 2.2 % after part II.5" in text
    one = said("4.0", measured([run("course", test=0.41), run("resumed", test=0.44)]))
    assert "no further apart" in one
    assert "seeds" not in one


def test_the_best_epoch_is_the_first_of_the_highest_accuracy(run, measured):
    text = said("4.0", measured([run("course", val_acc=[0.3, 0.2, 0.35]), run("resumed")]))
    assert "that of epoch 3 (35.0 %)" in text
    text = said("4.0", measured([run("course", val_acc=[0.3, 0.4, 0.4]), run("resumed")]))
    assert "that of epoch 2 (40.0 %)" in text


def test_a_checkpoint_is_named(measured):
    text = said("4.0", measured(config=Config(checkpoint=Path("mine/own.keras"))))
    assert "goes on from the file given, own.keras" in text
    assert "highest validation accuracy" not in text


def test_the_table_by_class(measured):
    for number in ("4.0", "6.3"):
        found = table(number, measured())
        assert list(found["class"]) == ["class_plane", "class_car", "class_bird"]
        assert list(found["number_of_test_images"]) == [52, 37, 40]
        assert list(found["train_accuracy"]) == pytest.approx([40 / 43, 1, 1])
        assert list(found["validation_accuracy"]) == pytest.approx([1, 31 / 36, 1])
        assert list(found["test_accuracy"]) == pytest.approx([50 / 52, 30 / 37, 21 / 40])
        assert list(found["test_precision"]) == pytest.approx([50 / 68, 30 / 38, 21 / 23])
        assert "| avion" in said(number, measured(), "fr")


@pytest.mark.parametrize(
    ("course", "resumed", "claims"),
    [
        ({"val_loss": [1.0, NAN, 2.0]}, {}, ("The training diverged at epoch 2",)),
        ({"loss": [1.0, 1.0, float("inf")]}, {}, ("The training diverged at epoch 3",)),
        ({}, {"loss": [1.0, NAN, 2.0]}, ("Part II.4: 3 epochs", "From there the training diverged, at its epoch 2")),
    ],
)
def test_what_diverged_is_not_compared(course, resumed, claims, run, measured):
    text = said("4.0", measured([run("course", **course), run("resumed", **resumed)]))
    for claim in claims:
        assert claim in text
    assert "test images are recognised than after" not in text
    assert "48.7 %" not in text


def test_one_epoch_is_one(measured):
    config = replace(Config(), resume_epochs=1)
    once = measured(config=config, recipe={"epochs": 1, "n_train": 30})
    text = said("4.1", once)
    assert "1 step, the last one with 30 images. 1 epoch makes 1 update" in text
    assert "an epoch has 4 steps, the last one with 6 images, and 1 epoch makes 4 updates" in text
    assert "1 époque fait 1 mise à jour" in said("4.1", once, "fr")


# --- batch size ---


@pytest.mark.parametrize(
    ("seconds", "claim"),
    [
        ((1.8, 0.9), "less than in proportion, because the cost of starting it is shared: 7.8 times as long"),
        ((1.8, 0.11), "it took no longer: 0.95 times as long"),
        ((1.8, 2.0), "it took 17.4 times as long"),
    ],
)
def test_time_of_a_step(seconds, claim, run, measured):
    given = [run("batch_size", size, seconds=each) for size, each in zip(("8", "128"), seconds, strict=True)]
    text = said("4.2", measured(given))
    claims = ("is shared: ", "took no longer", "no less than in proportion")
    assert claim in text
    assert len([each for each in claims if each in text]) == 1


@pytest.mark.parametrize(
    ("last", "claim"),
    [(0.80, "learns the training images further: training accuracy of the last epoch 80.0 % with 8, 76.6 %"),
     (0.765, "than chance may make them: 76.5 % with 8"), (0.70, "here it learnt them less")],
)
def test_what_was_learnt_by_batch_size(last, claim, run, measured):
    given = [run("batch_size", "128"), run("batch_size", "8", acc=[0.1, 0.2, last])]
    assert claim in said("4.2", measured(given))


def test_chance_of_training_accuracies_is_that_of_the_training_images(run, measured):
    given = [run("batch_size", "128", acc=[0.1, 0.2, 0.75]), run("batch_size", "8", acc=[0.1, 0.2, 0.775])]
    assert "learns the training images further" in said("4.2", measured(given))
    assert "than chance may make them" in said("4.2", measured(given, recipe={"n_train": 1000}))


@pytest.mark.parametrize(
    ("tested", "claim"),
    [((0.45, 0.36), "a small batch is better"), ((0.40, 0.39), "the two are no further apart"),
     ((0.36, 0.45), "a small batch is worse")],
)
def test_accuracy_by_batch_size(tested, claim, run, measured):
    given = [run("batch_size", size, test=each) for size, each in zip(("8", "128"), tested, strict=True)]
    text = said("4.2", measured(given))
    assert claim in text
    assert f"{100 * tested[0]:.1f} % with 8, {100 * tested[1]:.1f} % with 128" in text


@pytest.mark.parametrize(
    ("small", "large", "claim"),
    [
        ([2.0, 1.0, 1.04], [2.0, 1.0, 1.0], "With no batch size does the validation loss end more than 5 %"),
        ([2.0, 1.0, 1.06], [2.0, 1.0, 1.04], "with batches of 8; it does not with batches of 128"),
        ([2.0, 1.0, 1.0], [2.0, 1.0, 2.0], "with batches of 128; it does not with batches of 8"),
        ([2.0, 1.0, 2.0], [2.0, 1.0, 2.0], "With every batch size"),
    ],
)
def test_overfitting_by_batch_size(small, large, claim, run, measured):
    given = [run("batch_size", "8", val_loss=small), run("batch_size", "128", val_loss=large)]
    assert claim in said("4.2", measured(given))


def test_batch_sizes_that_cannot_be_compared(run, measured):
    text = said("4.2", measured([run("batch_size", "8", loss=[1.0, NAN, 1.0]), run("batch_size", "128")]))
    assert "Diverged: 8." in text
    assert "nothing to compare" in text
    three = [run("batch_size", "128", val_loss=[1.0, NAN, 1.0]), run("batch_size", "8"), run("batch_size", "16")]
    text = said("4.2", measured(three))
    assert "Diverged: 128." in text
    assert "with batches of 8 (500 steps) as with batches of 16 (250 steps)" in text


def test_a_single_epoch_is_timed_with_the_compilation(run, measured):
    short = {name: [0.5] for name in ("loss", "acc", "val_loss", "val_acc")}
    text = said("4.2", measured([run("batch_size", size, **short) for size in ("8", "128")]))
    assert "there is only one epoch" in text
    assert "above its least value" not in text


def test_table_of_batch_sizes(measured):
    assert column("4.2", measured(), "setting") == ["8", "16", "128"]
    assert column("4.2", measured(), "step_milliseconds") == pytest.approx([3.6, 1900 / 250, 62.5])
    assert column("4.2", measured(), "epoch_seconds") == pytest.approx([1.8, 1.9, 2.0])
    assert column("4.2", measured(), "final_train_accuracy") == pytest.approx([0.764, 0.765, 0.766])
    assert column("4.2", measured(), "least_validation_loss") == [1.62] * 3
    assert column("4.2", measured(), "last_validation_loss") == pytest.approx([1.873, 1.874, 1.875])
    assert column("4.2", measured(), "best_validation_accuracy") == [0.442] * 3
    assert column("4.2", measured(), "test_accuracy") == [0.444, 0.411, 0.363]


# --- optimisers ---


def test_which_optimiser_arrives_first_and_last(run, measured):
    turns = {"SGD": [3.0, 2.0, 1.0], "SGD + momentum": [1.0, 2.0, 3.0], "Adam": [2.0, 1.0, 3.0]}
    text = said("4.3", measured([run("optimizer", name, val_loss=loss) for name, loss in turns.items()]))
    assert "least soonest with SGD + momentum (epoch 1.0) and last with SGD (epoch 3.0)" in text


def test_turns_are_means_over_the_seeds(run, measured):
    given = [
        run("optimizer", name, seed, val_loss=loss)
        for name, losses in (("SGD", ([3.0, 2.0, 1.0], [3.0, 1.0, 2.0])), ("Adam", ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])))
        for seed, loss in enumerate(losses)
    ]
    text = said("4.3", measured(given))
    assert "last with SGD (epoch 2.5)" in text
    assert "means over 2 seeds" in text


@pytest.mark.parametrize(
    ("tested", "claims"),
    [
        ((0.40, 0.40, 0.40), ("no further from the test accuracy with SGD, SGD + momentum than",)),
        ((0.40, 0.60, 0.50), ("more than with SGD,", "less than with SGD + momentum,")),
        ((0.60, 0.60, 0.50), ("less than with SGD, SGD + momentum,",)),
    ],
)
def test_the_optimiser_chosen_is_compared_with_the_others(tested, claims, run, measured):
    names = ("SGD", "SGD + momentum", "Adam")
    text = said("4.3", measured([run("optimizer", name, test=each) for name, each in zip(names, tested, strict=True)]))
    assert "one would choose Adam (50.5 %)" in text
    assert sum(each in text for each in ("That is more", "Yet it is less", "It is no further")) == len(claims)
    for claim in claims:
        assert claim in text


def test_an_optimiser_that_diverged_is_left_out(run, measured):
    given = [run("optimizer", "SGD"), run("optimizer", "Adam"), run("optimizer", "SGD + momentum", loss=[NAN] * 3)]
    text = said("4.3", measured(given))
    assert "Diverged: SGD + momentum." in text
    assert "than with SGD," in text
    assert "nothing to compare" in said("4.3", measured(given[1:]))


def test_learning_rates_and_momentum_are_those_set(measured):
    assert "Momentum adds 0.8 of" in said("4.3", measured(recipe={"momentum": 0.8}))


def test_table_of_optimisers(measured):
    assert column("4.3", measured(), "setting") == ["SGD", "SGD + momentum", "Adam"]
    assert column("4.3", measured(), "least_validation_loss") == [1.62] * 3
    assert column("4.3", measured(), "epoch_of_least_loss") == [2] * 3
    assert column("4.3", measured(), "final_train_accuracy") == pytest.approx([0.767, 0.768, 0.769])
    assert column("4.3", measured(), "validation_accuracy") == [0.394, 0.497, 0.505]
    assert column("4.3", measured(), "test_accuracy") == [0.401, 0.513, 0.492]


# --- hyperparameters ---


def test_what_the_issue_missed_is_listed_and_no_momentum_of_plain_sgd(measured):
    found = table("5.1", measured())
    listed = dict(zip(found["hyperparameter"], found["value"], strict=True))
    assert (listed["kernel_size"], listed["pool_size"], listed["activation"]) == (3, 2, "value_relu")
    assert (listed["loss"], listed["optimizer"]) == ("value_cross_entropy", "value_sgd")
    assert "momentum" not in listed
    assert [listed[name] for name in ("n_train", "batch_size", "epochs", "learning_rate")] == [4000, 30, 3, 0.01]
    assert listed["patience"] == "–"
    with_momentum = measured(recipe={"optimizer": "momentum", "momentum": 0.75})
    assert dict(table("5.1", with_momentum)[["hyperparameter", "value"]].values)["momentum"] == 0.75
    assert "has none" not in said("5.1", with_momentum)
    assert "chosen, Adam, has none" in said("5.1", measured(recipe={"optimizer": "adam"}))


def test_natures_of_hyperparameters(measured):
    found = table("5.1", measured()).set_index("hyperparameter")["nature"]
    assert (found["n_train"], found["filters"], found["loss"], found["l2"]) == (
        "nature_data", "nature_architecture", "nature_optimisation", "nature_regularisation",
    )


def test_values_are_written_in_the_language(measured):
    recipe = {"augmentation": ("flip", "crop"), "filters": (8, 16)}
    assert "| flips, crops" in said("5.1", measured(recipe=recipe))
    assert "| miroirs, recadrages" in said("5.1", measured(recipe=recipe), "fr")
    assert "| 8, 16" in said("5.1", measured(recipe=recipe))
    assert "| oui" in said("6.2", measured(), "fr")
    assert "| no |" in " ".join(questions.markdown(
        hyperparameters(Recipe(residual=False), {"nature_data": ("residual",)}), questions.vocabulary("cifar_cnn"), "en"
    ).split())


def test_the_deeper_network_lists_its_own(measured):
    found = table("6.2", measured())
    listed = dict(zip(found["hyperparameter"], found["value"], strict=True))
    assert (listed["learning_rate"], listed["batch_size"], listed["epochs"]) == (0.2, 128, 60)
    assert (listed["momentum"], listed["weight_decay"], listed["test_views"]) == (0.9, 5e-4, 6)
    assert "hidden_units" not in listed


# --- the deeper network ---


@pytest.mark.parametrize(
    ("test", "claim"),
    [(0.683, "27.5 points more than the course's"), (0.42, "the two are no further apart"),
     (0.30, "10.8 points less than the course's network (40.8 %, 132,010 parameters)")],
)
def test_the_deeper_network_is_compared_with_the_courses(test, claim, run, runs, measured):
    text = said("6.1", measured([*runs("depth"), run("deep", test=test)]))
    assert claim in text
    claims = ("points more than the course's", "the two are no further apart", "points less than the course's")
    assert sum(each in text for each in claims) == 1


@pytest.mark.parametrize(
    ("two", "three", "claims"),
    [
        (0.5, 0.6, ("more test images than with one, beyond what their choice may do: 2 convolutions, 3 conv",)),
        (0.41, 0.3, (
            "make them: 2 convolutions.", "fewer test images than with one, beyond what their choice may do: 3 conv",
        )),
    ],
)
def test_more_convolutions_are_compared_with_one(two, three, claims, run, measured):
    given = [run("depth", "one_convolution"), run("depth", "two_convolutions", test=two),
             run("depth", "three_convolutions", test=three), run("deep")]
    text = said("6.1", measured(given))
    for claim in claims:
        assert claim in text
    assert text.count("nothing else changed") == len(claims)


def test_several_seeds_of_the_deeper_network(run, runs, measured):
    given = [*runs("depth", seeds=(0, 1)), run("deep", test=0.60), run("deep", seed=1, test=0.64)]
    text = said("6.1", measured(given))
    assert "62.0 % ± 2.8 % on the test images (mean ± sd over 2 seeds; 60.3 % without" in text


def test_chance_counts_the_seeds_of_the_deeper_network(run, measured):
    accuracies = (("deep", "deep", 0.44), ("depth", "one_convolution", 0.41))
    one, four = (
        [run(study, name, seed, test=test) for study, name, test in accuracies for seed in range(n)] for n in (1, 4)
    )
    assert "no further apart" in said("6.1", measured(one))
    assert "3.0 points more" in said("6.1", measured(four))


def test_times_of_both_networks(run, measured):
    given = [run("depth", "one_convolution", seconds=1.0), run("depth", "two_convolutions"), run("deep", seconds=50.5)]
    text = said("6.1", measured(given))
    assert "110 s of training" in text
    assert "It took 10.0 times as long" in text


def test_the_ablation_tells_lost_points_and_what_may_be_chance(run, runs, measured):
    lost = column("6.1", measured(), "lost_points")
    assert lost[4:] == pytest.approx([0, 8.3, 0.7, -7.7])
    assert np.isnan(lost[:4]).all()
    # The standard error of 62.4 % on 800 images is 1.71 points; of a difference, times the root of 2.
    values = QUESTIONS["6.1"].function(measured()).values
    assert values["chance"] == pytest.approx(2 * 2**0.5 * 1.7125, rel=1e-4)
    assert values["without_alike"] == ["without_crop"]
    alike = [*runs("depth", "deep"), run("ablation", "everything"), run("ablation", "without_crop")]
    text = said("6.1", measured(alike))
    assert "Without no single ingredient is the difference larger" in text
    assert "like this" not in text
    for other, claim in (("without_colour", "it is better like this"), ("without_flip", "it is worse like this")):
        text = said("6.1", measured([*alike, run("ablation", other)]))
        assert claim in text
        assert "Without no single ingredient" not in text


def test_without_ablation_nothing_is_said_of_it(runs, run, measured):
    text = said("6.1", measured(runs("depth", "deep")))
    assert "everything" not in text
    assert "lost" not in text
    lost = [*runs("depth", "deep"), run("ablation", "everything", loss=[NAN] * 3), run("ablation", "without_flip")]
    assert "ingredient" not in said("6.1", measured(lost))


def test_an_ablation_that_diverged_is_told(runs, run, measured):
    given = [*runs("depth", "deep"), run("ablation", "everything"), run("ablation", "without_flip", loss=[NAN] * 3)]
    text = said("6.1", measured(given))
    assert "compared with nothing: without flips." in text
    assert "like this" not in text


def test_a_depth_that_diverged_is_told(runs, run, measured):
    given = [run("depth", "one_convolution"), run("depth", "two_convolutions", loss=[NAN] * 3), run("deep")]
    assert "Diverged: 2 convolutions." in said("6.1", measured(given))
    given = [run("depth", "one_convolution", loss=[NAN] * 3), run("depth", "two_convolutions"), run("deep")]
    text = said("6.1", measured(given))
    assert "Diverged: 1 convolution." in text
    assert "the course's network (" not in text


@pytest.mark.parametrize("number", ["6.1", "6.2", "6.3", "8.2"])
def test_a_deeper_network_that_diverged(number, runs, run, measured):
    text = said(number, measured([*runs("depth"), run("deep", loss=[1.0, NAN, NAN])]))
    assert "The training diverged at epoch 2" in text
    assert "68.3 %" not in text.partition("|")[0]


def test_table_of_the_deeper_network(measured):
    names = ["one_convolution", "two_convolutions", "three_convolutions", "deep", "everything", "without_flip"]
    assert column("6.1", measured(), "setting")[:6] == names
    assert column("6.1", measured(), "parameters")[2:5] == [132_010, 987_654, 132_010]
    assert column("6.1", measured(), "epochs")[3] == 3
    assert column("6.1", measured(), "seconds")[3] == pytest.approx(12.4)
    assert column("6.1", measured(), "validation_accuracy")[:5] == [0.409, 0.501, 0.419, 0.671, 0.621]
    assert column("6.1", measured(), "test_accuracy")[:5] == [0.408, 0.506, 0.421, 0.683, 0.624]


@pytest.mark.parametrize(
    ("acc", "claim"),
    [([0.1, 0.2, 0.3], "below the validation accuracy in 3 of 3 epochs"), ([0.9, 0.9, 0.9], "never lies below")],
)
def test_curves_of_the_deeper_network(acc, claim, run, measured):
    text = said("6.2", measured([run("deep", acc=acc)]))
    assert claim in text
    assert ("never lies below" in text) != ("lies below the validation accuracy in" in text)


def test_the_deeper_network_overfits_or_not(run, measured):
    text = said("6.2", measured([run("deep", val_loss=[2.0, 1.5, 1.56])]))
    assert "least at epoch 2 (1.50) and ends at 1.56, 4.0 % above, no more than the 5 %" in text
    assert "more than the 5 % from which" not in text.replace("no more", "")
    short = {name: [0.5] for name in ("loss", "acc", "val_loss", "val_acc")}
    assert "validation loss is least" not in said("6.2", measured([run("deep", **short)]))


def with_test_matrix(measured, matrix):
    matrix = np.array(matrix)
    return measured(deep=Evaluation(measured().deep.confusion | {"test": matrix}, np.zeros(12, int)))


def test_a_class_answered_too_often_is_no_strength(measured):
    text = said("6.3", with_test_matrix(measured, [[50, 0, 0], [40, 5, 0], [30, 0, 9]]))
    assert "from 100 % of those of the class plane down to 11 % of those of the class car" in text
    assert "Of the 120 images it calls plane, 42 % are" in text
    assert "most of the images it calls plane, 70 of 120, are something else" in text
    assert "no merit" not in said("6.3", measured())


def test_a_class_without_images_is_neither_best_nor_worst(measured):
    text = said("6.3", with_test_matrix(measured, [[50, 9, 0], [0, 0, 0], [10, 0, 30]]))
    assert "from 85 % of those of the class plane down to 75 % of those of the class bird" in text
    assert "gives the class plane to 10 of the 40 images of the class bird" in text


def test_a_network_at_chance_has_no_strength(run, measured):
    text = said("6.3", measured([run("deep", test=0.36)]))
    assert "36.0 % of the 129 test images (first seed), no more than answers at random may (33 % on average)" in text
    assert "Strengths" not in text
    assert "Limits: 987,654 parameters" in text


def test_a_network_without_error(measured):
    text = said("6.3", with_test_matrix(measured, np.diag([5, 6, 7])))
    assert "It makes no error on the test images" in text
    assert "most frequent error" not in text


# --- overfitting ---


@pytest.mark.parametrize(
    ("last", "claim"),
    [(0.60, "The validation accuracy tells another story: 44.2 % at epoch 2 and 60.0 % at the end"),
     (0.457, "The validation accuracy does not show it: 44.2 % at epoch 2 and 45.7 % at the end"),
     (0.30, "The validation accuracy falls too: 44.2 % at epoch 2 and 30.0 % at the end")],
)
def test_what_the_accuracy_does_after_the_loss_turned(last, claim, run, measured):
    text = said("7.1", measured([run("course", val_acc=[0.331, 0.442, last])]))
    assert claim in text
    assert text.count("The validation accuracy") == 1
    assert f"(its highest, {100 * max(0.442, last):.1f} %, at epoch {3 if last > 0.442 else 2})" in text


def test_chance_of_the_validation_images(run, measured):
    given = [run("course", val_acc=[0.331, 0.442, 0.480])]
    assert "does not show it" in said("7.1", measured(given))
    assert "tells another story" in said("7.1", measured(given, recipe={"n_validation": 4000}))


@pytest.mark.parametrize(
    ("history", "claim"),
    [
        ({"val_loss": [2.0, 1.5, 1.56]},
         "least at epoch 2 (1.50), it ends at 1.56 at epoch 3, 4.0 % above, no more than the 5 %"),
        ({"val_loss": [2.0, 1.5, 1.4]}, "least at epoch 3 (1.40), it ends at 1.40"),
        ({"loss": [2.0, 1.5, 1.7]}, "the training loss has not fallen since then either (1.50, then 1.70)"),
        ({"val_loss": [2.0, NAN, 1.4]}, "The training diverged at epoch 2"),
        ({"loss": [2.0, 1.4, float("inf")]}, "The training diverged at epoch 3"),
        ({name: [0.5] for name in ("loss", "acc", "val_loss", "val_acc")}, "After a single epoch"),
    ],
)
def test_what_is_not_overfitting_is_not_called_so(history, claim, run, measured):
    text = said("7.1", measured([run("course", **history)]))
    assert claim in text
    assert "The training loss goes on falling while the validation loss turns." not in text
    assert "1 epochs" not in text


def test_no_overfitting_tells_the_accuracies(run, measured):
    text = said("7.1", measured([run("course", val_loss=[2.0, 1.5, 1.56])]))
    assert "(training loss 0.83)" in text
    assert "training 76.1 %, validation 40.3 %" in text


@pytest.mark.parametrize(
    ("augmentation", "claim"),
    [(0.50, "It recognises more test images than without"), (0.41, "nothing shows that it helps"),
     (0.30, "Yet it recognises fewer test images than without")],
)
def test_the_best_remedy_is_compared_with_none(augmentation, claim, run, measured):
    given = [run("remedies", "none"), run("remedies", "l2"), run("remedies", "augmentation", test=augmentation)]
    text = said("7.2", measured(given))
    assert f'best remedy here is "flips and crops": {100 * augmentation:.1f} %' in text
    assert claim in text
    claims = ("more test images than without", "nothing shows", "fewer test images than without")
    assert sum(each in text for each in claims) == 1


def test_the_trap_is_no_remedy(run, measured):
    trap = run("remedies", "output_dropout", test=0.6, validation=0.6)
    text = said("7.2", measured([run("remedies", "none"), run("remedies", "l2"), trap]))
    assert 'best remedy here is "L2"' in text
    assert "Better than" not in text
    assert "Even so it recognises 60.0 % of the test images, more than without a remedy" in text


@pytest.mark.parametrize(
    ("trap", "claims"),
    [
        ({"loss": [6.0, 6.0, 5.5]}, ("ends at 5.50, without remedy at 0.84, through no fault",)),
        ({"loss": [1.0, 0.9, 0.8]},
         ("One expects that to raise the training loss; here it ends at 0.80, without remedy at 0.84",)),
        ({"test": 0.41}, ("41.0 % of the test images, no further from the network without a remedy",)),
        ({"loss": [6.0, NAN, 5.5]}, ("Diverged: dropout after softmax.",)),
    ],
)
def test_what_dropout_after_the_softmax_does(trap, claims, run, measured):
    given = [run("remedies", "none"), run("remedies", "l2"), run("remedies", "output_dropout", **trap)]
    text = said("7.2", measured(given))
    for claim in claims:
        assert claim in text
    assert ("is a trap" in text) != ("Diverged" in text)


def test_nothing_is_compared_with_no_remedy_that_diverged(run, measured):
    text = said("7.2", measured([run("remedies", "none", loss=[NAN] * 3), run("remedies", "l2")]))
    assert "Diverged: none." in text
    assert "nothing to compare" in text
    assert "Without any remedy" not in text


def test_remedies_over_seeds(run, measured):
    tested = (("none", 0.40), ("l2", 0.43))
    given = [run("remedies", name, seed, test=test) for name, test in tested for seed in range(4)]
    text = said("7.2", measured(given))
    assert "beyond chance: L2." in text
    assert "means over 4 seeds" in text
    assert "beyond chance" not in said("7.2", measured([each for each in given if each.seed == 0]))


def test_table_of_remedies(measured):
    assert column("7.2", measured(), "setting") == [
        "none", "dropout", "l2", "augmentation", "early_stopping", "more_data", "output_dropout",
    ]
    assert column("7.2", measured(), "epochs") == [3] * 7
    assert column("7.2", measured(), "train_accuracy")[:2] == pytest.approx([0.615, 0.629])
    assert column("7.2", measured(), "validation_accuracy")[:2] == [0.399, 0.415]
    assert column("7.2", measured(), "test_accuracy")[:2] == [0.403, 0.416]
    assert column("7.2", measured(), "gap")[:2] == pytest.approx([21.2, 21.3])
    assert column("7.2", measured(), "final_train_loss")[:2] == pytest.approx([0.842, 0.843])
    assert column("7.2", measured(), "least_validation_loss")[:2] == [1.62, 1.62]
    assert column("7.2", measured(), "last_validation_loss")[:2] == pytest.approx([1.882, 1.883])


# --- maps ---


def half(below=0.0, above=1.0):
    """Give a map (32, 32) whose lower half is brighter."""
    return np.repeat(np.repeat([[below], [above]], 16, axis=0), 32, axis=1)


@pytest.fixture
def shapes():
    """Give an image (32, 32, 3) whose lower half is brighter, a map of its brightness, and one of its edge."""
    brightness = half(40, 200)
    edge = np.hypot(*np.gradient(brightness))
    return np.repeat(brightness[..., None], 3, axis=-1).astype(np.uint8), half(), edge / edge.max()


def test_maps_of_the_first_layer_are_told_by_what_they_follow(shapes, measured):
    image, bright, edge = shapes
    noise = np.random.default_rng(0).random((32, 32))
    maps = np.stack([noise, edge + 0.1 * noise, 1 - bright + 0.1 * noise, 0 * noise], axis=-1)[None]
    given = {"test_images": image[None], "resumed_maps": maps, "resumed_masks": edge[None] + 0.01 * bright}
    found = table("8.1", measured(**given))
    assert list(found["filter"]) == [1, 2, 3, 4]
    assert found["with_brightness"][2] < -0.99
    assert found["with_edges"][1] > 0.99
    assert list(found["active"]) == [1, 1, 1, 0]
    text = said("8.1", measured(**given))
    assert "Filter 3 follows the brightness, or its negative, most (-1.00); filter 2 the edges, or their" in text
    assert "absence (0.99)" in text
    assert "come from filter: 4." in text
    assert "Here it follows the edges (correlation 1.00) more than the brightness (0.02)" in text
    given |= {"resumed_masks": bright[None], "resumed_maps": maps[..., :3]}
    text = said("8.1", measured(**given))
    assert "Here it follows the brightness (correlation 1.00) more than the edges (0.00)" in text
    assert "come from filter" not in text


def stage(map_, n):
    return Stage(map_[None], np.stack([map_] * n, axis=-1))


def test_maps_of_deeper_layers_resemble_the_image_less(shapes, measured):
    image, bright, edge = shapes
    noise = np.random.default_rng(0).random((32, 32))
    first, last = stage(bright + edge, 4), stage(noise[::2, ::2], 6)
    given = {"test_images": image[None], "stages": {"stage_0": first, "stage_1": last}}
    text = said("8.2", measured(**given))
    found = table("8.2", measured(**given))
    assert "less and less: the correlation" in text
    assert list(found["layer"]) == ["stage_0", "stage_1"]
    assert list(found["output_shape"]) == ["32x32x4", "16x16x6"]
    for kind, sentence in (("like_brightness", "{0:.2f} on average in the first stage and {1:.2f} in the last"),
                           ("like_edges", "with its edges {0:.2f} and {1:.2f}")):
        assert sentence.format(*found[kind]) in text
        assert found[kind][0] > 0.3 > found[kind][1]
    for kind, reference in (("like_brightness", bright), ("like_edges", edge)):
        assert found[kind][0] == pytest.approx(abs(np.corrcoef((bright + edge).ravel(), reference.ravel())[0, 1]))
    swapped = {"stage_0": stage(noise, 4), "stage_1": stage((bright + edge)[::2, ::2], 6)}
    assert "not so in both respects" in said("8.2", measured(**given | {"stages": swapped}))


def test_sizes_of_maps_that_do_not_shrink_or_grow_in_number(measured):
    noise = np.random.default_rng(0).random((32, 32))
    for stages in ([(noise, 4), (noise[::2, ::2], 4)], [(noise, 4), (noise, 6)]):
        text = said("8.2", measured(stages={f"stage_{i}": stage(*each) for i, each in enumerate(stages)}))
        assert "smaller and more numerous" not in text
        assert "The maps go from 32x32x4 in the first stage to " in text
    assert "a single stage, of maps 32x32x4" in said("8.2", measured(stages={"stage_0": stage(noise, 4)}))


def test_silent_filters_are_counted(measured):
    maps = np.ones((32, 32, 4))
    maps[..., 1:3] = 0
    maps[:16, :, 0] = 0
    found = table("8.2", measured(stages={"stage_0": Stage(maps.max(axis=-1)[None], maps)}))
    assert list(found["silent_filters"]) == [2]
    assert list(found["active"]) == [0.375]


@pytest.mark.parametrize("study", ["course", "resumed"])
def test_maps_of_a_network_that_diverged_say_nothing(study, run, runs, measured):
    other = "resumed" if study == "course" else "course"
    number = "8.3" if study == "course" else "8.1"
    text = said(number, measured([run(study, loss=[1.0, NAN, NAN]), *runs(other)]))
    assert "The training diverged at epoch 2" in text
    assert "|" not in text


def maps_like(likeness):
    """Give maps by epoch whose correlation with the last is about 1 for 1, 0.7 for 0."""
    last, other = (np.random.default_rng(seed).random((32, 32, 4)) for seed in (0, 1))
    return {epoch: (1 - weight) * last + weight * other for epoch, weight in likeness.items()}


@pytest.mark.parametrize(
    ("weights", "claims"),
    [
        ({0: 0.5, 1: 0.4, 2: 0.0}, ("Training has changed", "At none of the epochs before it")),
        ({0: 0.5, 1: 0.1, 2: 0.0}, ("Training has changed", "From epoch 1 on")),
        ({0: 0.1, 1: 0.1, 2: 0.0}, ("hardly moves.",)),
        ({0: 0.1, 1: 0.5, 2: 0.1, 3: 0.0}, ("Training has changed", "From epoch 2 on")),
    ],
)
def test_when_the_maps_settle(weights, claims, measured):
    text = said("8.3", measured(course_maps=maps_like(weights)))
    every = (
        "Training has changed", "At none of the epochs before it", "From epoch 1 on", "From epoch 2 on",
        "hardly moves.",
    )
    assert [each for each in every if each in text] == list(claims)


def test_what_training_changes_once_the_maps_settled(run, measured):
    maps = maps_like({0: 0.5, 1: 0.1, 3: 0.0})
    text = said("8.3", measured([run("course", loss=[2.0, 1.0, 0.5])], course_maps=maps))
    assert "still goes from 2.00 to 0.50 at epoch 3" in text
    text = said("8.3", measured([run("course", loss=[2.0, 1.0, 2.5])], course_maps=maps))
    assert "does not fall from then on either: 2.00, then 2.50 at epoch 3" in text
    assert "in the layers above" not in text


def test_likeness_to_the_maps_of_the_last_epoch(measured):
    found = table("8.3", measured(course_maps=maps_like({0: 0.5, 1: 0.1, 3: 0.0})))
    assert list(found["epoch"]) == [0, 1, 3]
    assert found["like_last"][0] == pytest.approx(0.707, abs=0.02)
    assert found["like_last"][1] == pytest.approx(0.994, abs=0.005)
    assert found["like_last"][2] == pytest.approx(1)


# --- the whole ---


def test_all_seventeen_stand_together_in_a_quick_run(measured):
    quick = measured(config=replace(PRESETS["quick"], ablation_epochs=1))
    assert quick.too_small
    for language in ("en", "fr"):
        for question in QUESTIONS.values():
            assert len(question.render(quick, language)) > 200


def test_french_settings_and_classes(measured):
    assert "flips" not in said("7.2", measured(), "fr")
    assert "« plus de données »" in said("7.2", measured(), "fr")
    assert "pour la classe avion à" in said("6.3", measured(), "fr")
    assert "canal rouge" in said("2.2", measured(channels=[Channel("before", "red_channel", 1, 2, 3, 4)]), "fr")


# --- the line that ends the lab ---


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "41.2 % of the test images recognised by the course's network, 48.7 % after going on (1 seed)."),
        (
            {"course": {"loss": [1.0, NAN, NAN]}},
            "the course's training diverged: its network recognises 41.2 % of the test images, 48.7 % after going on.",
        ),
        (
            {"resumed": {"val_loss": [1.0, NAN, NAN]}},
            "the course's training diverged: its network recognises 41.2 % of the test images, 48.7 % after going on.",
        ),
    ],
)
def test_the_result(given, said, run, measured):
    runs = [run(study, **given.get(study, {})) for study in ("course", "resumed")]
    assert questions.result("cifar_cnn", measured(runs), "en").replace("\u202f", " ") == said


def test_the_result_is_a_mean_over_the_seeds(run, measured):
    runs = [run("course", test=0.4), run("resumed", test=0.5), run("course", seed=1, test=0.5),
            run("resumed", seed=1, test=0.7)]
    said = questions.result("cifar_cnn", measured(runs), "fr").replace("\u202f", " ")
    assert said == "45,0 % des images de test reconnues par le réseau du cours, 60,0 % après la reprise (2 graines)."


def test_without_the_courses_training_the_result_is_in_the_answers(runs, measured):
    assert questions.result("cifar_cnn", measured(runs("depth")), "en") == "see the answers above."
