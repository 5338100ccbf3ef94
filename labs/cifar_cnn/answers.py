"""From what was measured to the answers; the texts stand in questions.toml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from labs.cifar_cnn.config import MORE_DATA, OPTIMIZERS, SUBSETS, Recipe, ablations, deeper, remedies
from labs.cifar_cnn.measured import Evaluation, Measured
from mi204 import arithmetic, metrics, questions, tables
from mi204.language import Text, Word
from mi204.questions import Answer, answers
from mi204.results import Run, Setting

# --- what is read off runs ---


def test_accuracy(run: Run) -> float:
    """Give the accuracy of a run on the test images."""
    return run.measures["test_acc"]


def validation_accuracy(run: Run) -> float:
    """Give the accuracy of a run on the validation images, by which settings are chosen."""
    return run.measures["validation_acc"]


def train_accuracy(run: Run) -> float:
    """Give the accuracy of a run on the training images, measured after training."""
    return run.measures["train_acc"]


def running_accuracy(run: Run) -> float:
    """Give the training accuracy that the last epoch showed: mean over its steps, each before its own change."""
    return run.history["acc"][-1]


def least_validation_loss(run: Run) -> float:
    """Give the least validation loss of a run."""
    return run.history["val_loss"][tables.best_epoch(run) - 1]


def last_validation_loss(run: Run) -> float:
    """Give the validation loss of a run's last epoch."""
    return run.history["val_loss"][-1]


def gap(run: Run) -> float:
    """Give by how much more of the training images than of the test images a run recognises."""
    return train_accuracy(run) - test_accuracy(run)


def epochs(run: Run) -> int:
    """Give the number of epochs of a run."""
    return len(run.epoch_seconds)


def seconds(run: Run) -> float:
    """Give the time that a training took."""
    return sum(run.epoch_seconds)


def diverged(run: Run) -> int | None:
    """Give the first epoch where a loss of a run is no finite number; None where there is none."""
    found = [metrics.diverged_epoch(run.history[name]) for name in ("loss", "val_loss")]
    return min((epoch for epoch in found if epoch), default=None)


def best_epoch_kept(run: Run) -> int:
    """Give the epoch, from 1, of a run's best model: the first of the highest validation accuracy."""
    return int(np.argmax(run.history["val_acc"])) + 1


def first(measured: Measured, study: str) -> Run:
    """Give the run of a study with the first seed."""
    return measured.of_study(study)[0]


def n_seeds(runs: list[Run]) -> int:
    """Count the seeds of runs."""
    return len({run.seed for run in runs})


def settled(runs: list[Run]) -> tuple[list[Run], list[Setting]]:
    """Tell the runs of settings that never diverged, and the settings that did, with any seed."""
    lost = list(dict.fromkeys(run.setting for run in runs if diverged(run)))
    return [run for run in runs if run.setting not in lost], lost


# --- what is compared ---


def compared(accuracy: float, reference: float, n_tested: int) -> str:
    """Say whether an accuracy is ``better`` or ``worse`` than another, or ``alike``: within chance of the images."""
    if abs(accuracy - reference) <= metrics.chance_difference((accuracy + reference) / 2, n_tested):
        return "alike"
    return "better" if accuracy > reference else "worse"


def sorted_out(
    accuracies: dict[Setting, float], reference: float, n_tested: int, names: Iterable[Setting]
) -> dict[str, list[Setting]]:
    """List the settings that are ``better``, ``alike`` and ``worse`` than a reference."""
    found: dict[str, list[Setting]] = {"better": [], "alike": [], "worse": []}
    for name in names:
        found[compared(accuracies[name], reference, n_tested)].append(name)
    return found


def _lost(lost: list[Setting]) -> tuple[str, ...]:
    return ("settings_diverged",) if lost else ()


def _table(rows: Any) -> pd.DataFrame:
    # As objects: where pyarrow is installed, pandas' own type of text would make plain text of a Word.
    return pd.DataFrame(rows, dtype=object)


def result(measured: Measured) -> Answer:
    """Tell in one line what the course's network recognises, before and after going on."""
    if not {"course", "resumed"} <= measured.studies:
        return Answer(texts=("result_in_answers",))
    course, resumed = measured.of_study("course"), measured.of_study("resumed")
    values = {
        "test": float(np.mean([test_accuracy(run) for run in course])), "n_seeds": n_seeds(course),
        "resumed": float(np.mean([test_accuracy(run) for run in resumed])),
    }
    return Answer(values, texts=("diverged" if any(map(diverged, course + resumed)) else "measured",))



# --- data and network ---


@answers("2.1")
def why_three_subsets(measured: Measured) -> Answer:
    """Count the three subsets."""
    recipe = measured.config.recipe
    return Answer({"n_train": recipe.n_train, "n_validation": recipe.n_validation, "n_test": recipe.n_test})


@answers("2.2")
def what_standardize_does(measured: Measured) -> Answer:
    """Compare the statistics of the channels before and after."""
    table = _table(
        vars(each)
        | {name: round(value, 3) + 0.0 for name, value in vars(each).items() if isinstance(value, float)}
        | {"stage": Word(each.stage), "channel": Word(each.channel)}
        for each in measured.channels
    )
    before, after = table[table["stage"] == "before"], table[table["stage"] == "after"]
    everywhere = bool((after[["deviation_smallest", "deviation_largest"]] == 1).all(axis=None))
    return Answer(
        {"darkest": before["mean_smallest"].min(), "brightest": before["mean_largest"].max()}, table,
        ("answer", "everywhere" if everywhere else "but_constant", "purpose"),
    )


@answers("3.0")
def layer_by_layer(measured: Measured) -> Answer:
    """Tabulate role, output size and parameters of each layer."""
    table = _table(
        {
            "layer": layer.name, "settings": layer.settings, "output_shape": layer.output_shape,
            "parameters": layer.parameters, "role": Word(f"role_{layer.type}"),
        }
        for layer in measured.layers
    )
    return Answer({"n_classes": len(measured.classes)}, table)


@answers("3.1")
def trainable_parameters(measured: Measured) -> Answer:
    """Count the parameters by hand, layer by layer, beside Keras' count."""
    recipe, rows, channels, side = measured.config.recipe, [], 3, 32
    kernel = recipe.kernel_size
    for n_filters in recipe.filters:
        number = arithmetic.convolution_parameters(kernel, channels, n_filters)
        rows.append((f"({kernel} * {kernel} * {channels} + 1) * {n_filters}", number))
        channels = n_filters
        side = arithmetic.convolution_output_size(side, recipe.pool_size, stride=recipe.pool_size)
    inputs = channels * side * side
    for outputs in (recipe.hidden_units, len(measured.classes)):
        rows.append((f"({inputs} + 1) * {outputs}", arithmetic.dense_parameters(inputs, outputs)))
        inputs = outputs
    counted = [layer for layer in measured.layers if layer.parameters]
    table = _table(
        {"layer": layer.name, "by_hand": formula, "parameters": number, "by_keras": layer.parameters}
        for layer, (formula, number) in zip(counted, rows, strict=True)
    )
    total, by_keras = int(table["parameters"].sum()), int(table["by_keras"].sum())
    texts = ("answer", "equal" if total == by_keras else "unequal")
    return Answer({"total": total, "by_keras": by_keras}, table, texts)


# --- training ---


@answers("4.0")
def training_and_going_on(measured: Measured) -> Answer:
    """Tell what the course's training reached (II.4), what going on adds (II.5), and the accuracy by class (III)."""
    config, values = measured.config, {}
    course, resumed = first(measured, "course"), first(measured, "resumed")
    for prefix, run in (("", course), ("resumed_", resumed)):
        values |= {
            f"{prefix}epochs": epochs(run), f"{prefix}seconds": tables.epoch_seconds(run),
            f"{prefix}running": running_accuracy(run), f"{prefix}train": train_accuracy(run),
            f"{prefix}validation": validation_accuracy(run), f"{prefix}test": test_accuracy(run),
        }
    best = best_epoch_kept(course)
    seeds = n_seeds(measured.of_study("resumed"))
    before, after = (
        metrics.mean_and_sd([test_accuracy(run) for run in measured.of_study(name)]) for name in ("course", "resumed")
    )
    values |= {
        "batch_size": config.recipe.batch_size, "resumed_batch_size": config.resume_batch_size, "best_epoch": best,
        "best_validation": course.history["val_acc"][best - 1], "n_seeds": seeds, "epoch": diverged(course),
        "resumed_epoch": diverged(resumed), "mean": before[0], "sd": before[1], "resumed_mean": after[0],
        "resumed_sd": after[1], "file": config.checkpoint and config.checkpoint.name,
    }
    table = by_class(measured, measured.resumed)
    if values["epoch"]:
        return Answer(values, table, ("diverged_answer",))
    texts = ["answer", "from_file" if config.checkpoint else "from_best"]
    if values["resumed_epoch"]:
        return Answer(values, table, (*texts, "resumed_diverged", "original"))
    texts += ["resumed", f"gone_on_{compared(after[0], before[0], seeds * config.recipe.n_test)}"]
    texts += [*(["several_seeds"] if seeds > 1 else []), "two_accuracies", "original", "by_class"]
    return Answer(values, table, tuple(texts))


def by_class(measured: Measured, evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate by class the number of test images, the accuracy on each subset, and the precision on test images."""
    matrix = evaluation.confusion["test"]
    table = _table({"class": measured.classes, "number_of_test_images": matrix.sum(axis=1).tolist()})
    for subset in SUBSETS:
        table[f"{subset}_accuracy"] = metrics.class_recall(evaluation.confusion[subset])
    return table.assign(test_precision=metrics.class_precision(matrix))


@answers("4.1")
def epoch_step_batch(measured: Measured) -> Answer:
    """Count the steps of an epoch, when training starts and when it goes on."""
    config, recipe = measured.config, measured.config.recipe
    values = {"n_train": recipe.n_train}
    for prefix, batch_size, n_epochs in (
        ("", recipe.batch_size, recipe.epochs), ("resume_", config.resume_batch_size, config.resume_epochs),
    ):
        steps = arithmetic.steps_per_epoch(recipe.n_train, batch_size)
        values |= {
            f"{prefix}batch_size": batch_size, f"{prefix}epochs": n_epochs, f"{prefix}steps": steps,
            f"{prefix}last": recipe.n_train - (steps - 1) * batch_size, f"{prefix}updates": steps * n_epochs,
        }
    return Answer(values)


@answers("4.2")
def batch_size_study(measured: Measured) -> Answer:
    """Compare the smallest and the largest batch by time, by what is learnt, and by overfitting."""
    recipe, every = measured.config.recipe, measured.of_study("batch_size")
    table = tables.comparison(
        every, step_milliseconds=tables.step_milliseconds, epoch_seconds=tables.epoch_seconds,
        final_train_accuracy=running_accuracy, least_validation_loss=least_validation_loss,
        last_validation_loss=last_validation_loss,
        best_validation_accuracy=lambda run: max(run.history["val_acc"]), test_accuracy=test_accuracy,
    )
    runs, lost = settled(every)
    values: dict[str, Any] = {"diverged": lost, "tolerance": metrics.OVERFITTING}
    sizes = sorted({int(run.setting) for run in runs})
    if len(sizes) < 2:
        return Answer(values, table, (*_lost(lost), "nothing_to_compare"))
    for prefix, size in (("small", sizes[0]), ("large", sizes[-1])):
        same = [run for run in runs if run.setting == str(size)]
        values |= {prefix: size} | {
            f"{prefix}_{name}": float(np.mean([value(run) for run in same]))
            for name, value in (
                ("step", tables.step_milliseconds), ("epoch", tables.epoch_seconds), ("train", running_accuracy),
                ("test", test_accuracy), ("steps", lambda run: run.measures["steps"]),
            )
        }
    ratio = values["large_step"] / values["small_step"]
    values |= {
        "times_larger": values["large"] / values["small"], "step_ratio": ratio,
        "epoch_ratio": values["small_epoch"] / values["large_epoch"],
    }
    seeds = n_seeds(runs)
    step = "steps_no_longer" if ratio <= 1 else "steps_shared" if ratio < values["times_larger"] else "steps_longer"
    learnt = compared(values["small_train"], values["large_train"], seeds * recipe.n_train)
    tested = compared(values["small_test"], values["large_test"], seeds * recipe.n_test)
    timed = "first_epoch_counts" if max(map(epochs, runs)) == 1 else "first_epoch_left_out"
    texts = (step, "answer", f"learnt_{learnt}", f"tested_{tested}", *_overfitting(runs, values), timed)
    return Answer(values, table, (*_lost(lost), *texts))


def _overfitting(runs: list[Run], values: dict[str, Any]) -> tuple[str, ...]:
    """Name the text that says with which settings the validation loss rises again; put them into the values."""
    if max(map(epochs, runs)) == 1:
        return ()
    rises = tables.means(runs, lambda run: metrics.rise(run.history["val_loss"]))
    values["overfitting"] = [setting for setting, rise in rises.items() if rise > metrics.OVERFITTING]
    values["not_overfitting"] = [setting for setting, rise in rises.items() if rise <= metrics.OVERFITTING]
    if not values["overfitting"]:
        return ("overfit_nowhere",)
    return ("overfit_somewhere",) if values["not_overfitting"] else ("overfit_everywhere",)


@answers("4.3")
def optimizer_study(measured: Measured) -> Answer:
    """Compare SGD, SGD with momentum and Adam by when the validation loss is least, and by accuracy."""
    recipe, every = measured.config.recipe, measured.of_study("optimizer")
    table = tables.comparison(
        every, least_validation_loss=least_validation_loss, epoch_of_least_loss=tables.best_epoch,
        final_train_accuracy=running_accuracy, validation_accuracy=validation_accuracy, test_accuracy=test_accuracy,
    )
    runs, lost = settled(every)
    turns, tested = tables.means(runs, tables.best_epoch), tables.means(runs, test_accuracy)
    values = {
        "momentum": recipe.momentum, "sgd_rate": OPTIMIZERS["SGD"][1], "adam_rate": OPTIMIZERS["Adam"][1],
        "momentum_rate": OPTIMIZERS["SGD + momentum"][1], "diverged": lost, "n_seeds": n_seeds(every),
    }
    texts = ("answer", *_lost(lost))
    if len(turns) < 2:
        return Answer(values, table, (*texts, "nothing_to_compare"))
    soonest, latest = min(turns, key=turns.get), max(turns, key=turns.get)
    values |= {
        "soonest": soonest, "soonest_epoch": turns[soonest], "latest": latest, "latest_epoch": turns[latest],
    }
    texts += ("sooner",) if turns[soonest] < turns[latest] else ("no_sooner",)
    return Answer(values, table, (*texts, *_choice(runs, tested, recipe, values), _seeds(values["n_seeds"])))


def _choice(runs: list[Run], tested: dict[Setting, float], recipe: Recipe, values: dict[str, Any]) -> tuple[str, ...]:
    """Name the texts that say which setting validation chooses, and what its test accuracy is worth beside others."""
    validated = tables.means(runs, validation_accuracy)
    best = max(validated, key=validated.get)
    others = sorted_out(tested, tested[best], n_seeds(runs) * recipe.n_test, [name for name in tested if name != best])
    values |= {"best": best, "best_validation": validated[best], "best_test": tested[best], **others}
    return ("chosen", *(f"others_{name}" for name in ("worse", "alike", "better") if others[name]))


def _seeds(number: int) -> str:
    return "one_seed_for_all" if number == 1 else "several_seeds_for_all"


# --- hyperparameters ---

HYPERPARAMETERS = {
    "nature_data": ("n_train", "standardization", "augmentation"),
    "nature_architecture": ("network", "filters", "kernel_size", "pool_size", "activation", "hidden_units"),
    "nature_optimisation": ("loss", "optimizer", "learning_rate", "momentum", "schedule", "batch_size", "epochs"),
    "nature_regularisation": ("dropout", "output_dropout", "l2", "weight_decay", "label_smoothing", "patience"),
}
DEEP_HYPERPARAMETERS = HYPERPARAMETERS | {
    "nature_architecture": (
        "network", "filters", "kernel_size", "pool_size", "activation", "batch_normalization", "residual",
    ),
    "nature_regularisation": ("weight_decay", "label_smoothing", "patience"),
    "nature_prediction": ("test_views",),
}


def hyperparameters(recipe: Recipe, natures: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Tabulate the settings of a recipe by nature, with their value and influence; none that is without effect."""
    settings = vars(recipe) | {"loss": "cross_entropy"}
    return _table(
        {
            "hyperparameter": name, "value": _shown(settings[name]), "nature": Word(nature),
            "influence": Word(f"influence_{name}"),
        }
        for nature, names in natures.items()
        for name in names
        if name != "momentum" or uses_momentum(recipe)
    )


def uses_momentum(recipe: Recipe) -> bool:
    """Say whether the update rule has a momentum."""
    return recipe.optimizer in ("momentum", "nesterov")


def _shown(value: Any) -> Any:
    """Write the value of a setting: a choice by its name in the language, a list with commas."""
    if isinstance(value, tuple):
        shown = [_shown(each) for each in value]
        words = questions.vocabulary("cifar_cnn")
        return Text(*(words.translated(shown, language) or "–" for language in ("en", "fr")))
    if isinstance(value, bool):
        return Word("yes" if value else "no")
    if isinstance(value, str):
        return Word(f"value_{value}")
    return "–" if value is None else value


@answers("5.1")
def all_hyperparameters(measured: Measured) -> Answer:
    """Tabulate the hyperparameters with their value, nature and influence."""
    recipe = measured.config.recipe
    texts = ("answer",) if uses_momentum(recipe) else ("answer", "without_momentum")
    return Answer({"optimizer": _shown(recipe.optimizer)}, hyperparameters(recipe, HYPERPARAMETERS), texts)


# --- the deeper network ---


@answers("6.1")
def deeper_network(measured: Measured) -> Answer:
    """Compare the deeper network with the course's, and say what each of its ingredients brings."""
    config, recipe = measured.config, measured.config.recipe
    deep, depth, ablation = (measured.of_study(name) for name in ("deep", "depth", "ablation"))
    table = tables.comparison(
        depth + deep + ablation, parameters=lambda run: run.parameters, epochs=epochs, seconds=seconds,
        validation_accuracy=validation_accuracy, test_accuracy=test_accuracy,
    )
    n_tested = n_seeds(deep) * recipe.n_test
    (mean, sd), (one_view, _) = (
        metrics.mean_and_sd([run.measures[name] for run in deep]) for name in ("test_acc", "test_acc_one_view")
    )
    filters = config.deep_filters
    values = {
        "mean": mean, "sd": sd, "one_view": one_view, "n_seeds": n_seeds(deep), "parameters": deep[0].parameters,
        "epochs": epochs(deep[0]), "seconds": float(np.mean([seconds(run) for run in deep])), "n_test": recipe.n_test,
        # One convolution, then three in each stage, which begins by a pooling.
        "n_convolutions": 1 + 3 * (len(filters) - 1), "n_stages": len(filters) - 1, "first_maps": filters[0],
        "last_maps": filters[-1], "epoch": min((diverged(run) for run in deep if diverged(run)), default=None),
    }
    if values["epoch"]:
        return Answer(values, table, ("diverged_answer",))
    texts = ["answer" if n_seeds(deep) > 1 else "one_seed"]
    runs, lost = settled(depth)
    values["diverged"] = lost
    accuracies = tables.means(runs, test_accuracy)
    if "one_convolution" in accuracies:
        course = accuracies.pop(Word("one_convolution"))
        one = next(run for run in runs if run.setting == "one_convolution")
        values |= {
            "course": course, "points": 100 * abs(mean - course), "course_parameters": one.parameters,
            "times": float(np.mean([seconds(run) for run in deep]))
            / float(np.mean([seconds(run) for run in runs if run.setting == one.setting])),
        }
        found = sorted_out(accuracies, course, n_tested, accuracies)
        values |= {f"deeper_{name}": settings for name, settings in found.items()}
        texts.append(f"than_course_{compared(mean, course, n_tested)}")
        texts += [f"convolutions_{name}" for name, settings in found.items() if settings]
    texts += [*_lost(lost), "architecture"]
    return _with_ablation(ablation, Answer(values, table, tuple(texts)), n_tested, config)


def _with_ablation(runs: list[Run], answer: Answer, n_tested: int, config: Any) -> Answer:
    """Add to an answer what is lost without each ingredient; nothing where that was not measured."""
    kept, lost = settled(runs)
    accuracies = tables.means(kept, test_accuracy)
    if "everything" not in accuracies:
        return answer
    everything = accuracies[Word("everything")]
    table = answer.table.assign(
        lost_points=[
            100 * (everything - accuracies[setting]) if setting in accuracies else float("nan")
            for setting in answer.table["setting"]
        ]
    )
    found = sorted_out(
        accuracies, everything, n_tested, [setting for setting in accuracies if setting != "everything"]
    )
    recipes = ablations(config, config.recipe)
    values = answer.values | {f"without_{name}": settings for name, settings in found.items()} | {
        "n_measured": n_tested, "chance": 100 * metrics.chance_difference(everything, n_tested),
        "ablation_diverged": lost,
        "everything": everything, "ablation_epochs": recipes["everything"].epochs,
        "plain_rate": recipes["without_normalization"].learning_rate,
        "constant_rate": recipes["without_cosine"].learning_rate, "rate": recipes["everything"].learning_rate,
    }
    texts = ("ablation", *(f"without_{name}" for name in ("worse", "better") if found[name]))
    if not found["worse"] and not found["better"]:
        texts += ("without_alike",)
    return replace(
        answer, values=values, table=table,
        texts=(*answer.texts, *texts, *(("ablation_lost",) if lost else ()), _seeds(answer.values["n_seeds"])),
    )


@answers("6.2")
def deeper_network_summary(measured: Measured) -> Answer:
    """Recapitulate the hyperparameters, accuracies and curves of the deeper network."""
    run = first(measured, "deep")
    table = hyperparameters(deeper(measured.config, measured.config.recipe), DEEP_HYPERPARAMETERS)
    values = {
        "train": train_accuracy(run), "validation": validation_accuracy(run), "test": test_accuracy(run),
        "running": running_accuracy(run), "epochs": epochs(run), "epoch": diverged(run),
        "epoch_seconds": tables.epoch_seconds(run),
    }
    if values["epoch"]:
        return Answer(values, table, ("diverged_answer",))
    below = sum(np.less(run.history["acc"], run.history["val_acc"]))
    values |= {
        "below": int(below), "best_epoch": tables.best_epoch(run), "least": least_validation_loss(run),
        "last": last_validation_loss(run), "rise": metrics.rise(run.history["val_loss"]),
        "tolerance": metrics.OVERFITTING,
    }
    texts = ["answer", "below" if below else "never_below"]
    if values["epochs"] > 1:
        texts.append("curves_rise" if values["rise"] > metrics.OVERFITTING else "curves_stay")
    return Answer(values, table, tuple(texts))


@answers("6.3")
def strengths_and_limits(measured: Measured) -> Answer:
    """Say what the deeper network does well and badly."""
    run, matrix = first(measured, "deep"), measured.deep.confusion["test"]
    table, n_test, classes = by_class(measured, measured.deep), int(matrix.sum()), measured.classes
    values = {"epoch": diverged(run), "test": test_accuracy(run), "n_test": n_test, "chance": 1 / len(classes)}
    if values["epoch"]:
        return Answer(values, table, ("diverged_answer",))
    recall, precision = metrics.class_recall(matrix), metrics.class_precision(matrix)
    best, worst = metrics.extreme_classes(recall)
    wrong = matrix - np.diag(np.diag(matrix))
    true, given = (int(each) for each in np.unravel_index(wrong.argmax(), wrong.shape))
    values |= {
        "best_class": classes[best], "best": float(recall[best]), "precision": float(precision[best]),
        "mistaken": int(wrong[:, best].sum()), "n_given": int(matrix[:, best].sum()),
        "worst_class": classes[worst], "worst": float(recall[worst]),
        "true": classes[true], "given": classes[given], "confused": int(wrong.max()), "n_true": int(matrix[true].sum()),
        "train": train_accuracy(run), "parameters": run.parameters, "seconds": seconds(run),
        "per_image": run.parameters / measured.config.recipe.n_train, "noise": measured.noise_confidence,
        "n_classes": len(classes),
    }
    if not metrics.significantly_above_chance(values["test"], n_test, len(classes)):
        return Answer(values, table, ("at_chance", "limits", "by_class"))
    texts = ["answer"]
    if values["mistaken"] > matrix[best, best]:  # more often wrong than right where it names that class
        texts.append("answered_too_often")
    texts += ["means", "limits", "confusion" if values["confused"] else "no_error", "by_class"]
    return Answer(values, table, tuple(texts))


# --- overfitting ---


@answers("7.1")
def overfitting_seen(measured: Measured) -> Answer:
    """Name the epoch where the validation loss turns, and what the accuracy does meanwhile."""
    run = first(measured, "course")
    loss, validation, accuracy = (run.history[name] for name in ("loss", "val_loss", "val_acc"))
    epoch = tables.best_epoch(run)
    values = {
        "epoch": diverged(run) or epoch, "epochs": epochs(run), "least": validation[epoch - 1], "last": validation[-1],
        "rise": metrics.rise(validation), "tolerance": metrics.OVERFITTING, "train_loss": loss[-1],
        "train_at_least": loss[epoch - 1], "running": running_accuracy(run), "train": train_accuracy(run),
        "accuracy": accuracy[-1], "accuracy_at_least": accuracy[epoch - 1], "highest": max(accuracy),
        "highest_epoch": best_epoch_kept(run), "n_validation": measured.config.recipe.n_validation,
    }
    if diverged(run):
        return Answer(values, texts=("diverged_answer",))
    if values["epochs"] == 1:
        return Answer(values, texts=("one_epoch",))
    if values["rise"] <= metrics.OVERFITTING:
        return Answer(values, texts=("none", "two_accuracies"))
    if loss[-1] >= loss[epoch - 1]:
        return Answer(values, texts=("unsteady", "two_accuracies"))
    meanwhile = compared(accuracy[-1], accuracy[epoch - 1], values["n_validation"])
    return Answer(values, texts=("answer", f"accuracy_{meanwhile}", "two_accuracies"))


@answers("7.2")
def compare_remedies(measured: Measured) -> Answer:
    """Compare the remedies against overfitting with none, on the same test images."""
    recipe, every = measured.config.recipe, measured.of_study("remedies")
    table = tables.comparison(
        every, epochs=epochs, train_accuracy=train_accuracy, validation_accuracy=validation_accuracy,
        test_accuracy=test_accuracy, gap=lambda run: 100 * gap(run),
        final_train_loss=lambda run: run.history["loss"][-1],
        least_validation_loss=least_validation_loss, last_validation_loss=last_validation_loss,
    )
    planned = remedies(measured.config, recipe)
    runs, lost = settled(every)
    tested, validated = tables.means(runs, test_accuracy), tables.means(runs, validation_accuracy)
    values = {
        "dropout": planned["dropout"].dropout, "l2": planned["l2"].l2, "patience": planned["early_stopping"].patience,
        "more_data": MORE_DATA, "output_dropout": planned["output_dropout"].output_dropout, "diverged": lost,
    }
    remedy = [setting for setting in tested if setting not in ("none", "output_dropout")]
    if "none" not in tested or not remedy:
        return Answer(values, table, ("explanations", *_lost(lost), "nothing_to_compare"))
    n_tested, gaps = n_seeds(runs) * recipe.n_test, tables.means(runs, gap)
    none, best = Word("none"), max(remedy, key=validated.get)
    found = sorted_out(tested, tested[none], n_tested, remedy)
    values |= {
        "none_accuracy": tested[none], "none_gap": 100 * gaps[none], "best": best, "best_accuracy": tested[best],
        "best_gap": 100 * gaps[best], "n_seeds": n_seeds(runs), **found,
    }
    texts = ["answer", f"best_{compared(tested[best], tested[none], n_tested)}"]
    texts += [f"remedies_{name}" for name in ("better", "worse") if found[name]]
    texts += ["explanations", *_lost(lost), *_trap(runs, tested, n_tested, values), _seeds(n_seeds(runs))]
    return Answer(values, table, tuple(texts))


def _trap(runs: list[Run], tested: dict[Setting, float], n_tested: int, values: dict[str, Any]) -> tuple[str, ...]:
    """Name the texts that say what dropout after the softmax does; none where it diverged, which is said elsewhere."""
    if "output_dropout" not in tested:
        return ()
    losses = tables.means(runs, lambda run: run.history["loss"][-1])
    values |= {
        "trap_loss": losses["output_dropout"], "none_loss": losses["none"], "trap_accuracy": tested["output_dropout"],
    }
    return (
        "trap_higher" if values["trap_loss"] > values["none_loss"] else "trap_lower",
        f"trap_{compared(tested['output_dropout'], tested['none'], n_tested)}",
    )


# --- maps ---


def _likeness(maps: np.ndarray, reference: np.ndarray) -> list[float]:
    """Correlate each map (h, w, c) with an image (H, W) of one channel, averaged over squares to their size."""
    side = len(reference) // len(maps)
    small = reference.reshape(len(maps), side, maps.shape[1], side).mean(axis=(1, 3))
    return [metrics.correlation(maps[..., i], small) for i in range(maps.shape[-1])]


def _brightness_and_edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the brightness of an image (h, w, c) and its edges, the size of the gradient of the brightness."""
    brightness = image.mean(axis=-1)
    return brightness, np.hypot(*np.gradient(brightness))


@answers("8.1")
def first_layer_maps(measured: Measured) -> Answer:
    """Relate each map of the first layer to brightness and to edges."""
    run, maps = first(measured, "resumed"), measured.resumed_maps[0]
    if diverged(run):
        return Answer({"epoch": diverged(run)}, texts=("diverged_answer",))
    brightness, edges = _brightness_and_edges(measured.test_images[0])
    with_brightness, with_edges = _likeness(maps, brightness), _likeness(maps, edges)
    active = (maps > 0).mean(axis=(0, 1))
    table = _table({
        "filter": range(1, maps.shape[-1] + 1), "with_brightness": with_brightness, "with_edges": with_edges,
        "active": active,
    })
    brightest, sharpest = int(np.argmax(np.abs(with_brightness))), int(np.argmax(np.abs(with_edges)))
    mask = measured.resumed_masks[:1, :, :].transpose(1, 2, 0)
    (mask_brightness,), (mask_edges,) = _likeness(mask, brightness), _likeness(mask, edges)
    silent = [str(i + 1) for i, share in enumerate(active) if share == 0]
    values = {
        "brightest": brightest + 1, "brightest_likeness": with_brightness[brightest], "sharpest": sharpest + 1,
        "sharpest_likeness": with_edges[sharpest], "mask_brightness": mask_brightness, "mask_edges": mask_edges,
        "silent": silent, "kernel": measured.config.recipe.kernel_size,
    }
    mask_shows = "mask_edges" if abs(mask_edges) > abs(mask_brightness) else "mask_brightness"
    return Answer(values, table, ("answer", *(["silent"] if silent else []), "mask", mask_shows))


@answers("8.2")
def deeper_maps(measured: Measured) -> Answer:
    """Describe the maps of each stage: size, number, share of active positions, likeness to brightness and edges."""
    run = first(measured, "deep")
    if diverged(run):
        return Answer({"epoch": diverged(run)}, texts=("diverged_answer",))
    brightness, edges = _brightness_and_edges(measured.test_images[0])
    table = _table(
        {
            "layer": name, "output_shape": "x".join(map(str, stage.maps.shape)),
            "active": float((stage.maps > 0).mean()),
            "silent_filters": int((stage.maps.max(axis=(0, 1)) <= 0).sum()),
            "like_brightness": float(np.mean(np.abs(_likeness(stage.maps, brightness)))),
            "like_edges": float(np.mean(np.abs(_likeness(stage.maps, edges)))),
        }
        for name, stage in measured.stages.items()
    )
    shapes = [stage.maps.shape for stage in measured.stages.values()]
    values = {
        "first": table["output_shape"].iloc[0], "last": table["output_shape"].iloc[-1], "side": shapes[-1][0],
        "first_brightness": table["like_brightness"].iloc[0], "last_brightness": table["like_brightness"].iloc[-1],
        "first_edges": table["like_edges"].iloc[0], "last_edges": table["like_edges"].iloc[-1],
    }
    if len(shapes) == 1:
        return Answer(values, table, ("one_stage",))
    shrinks = all(after[0] < before[0] and after[-1] > before[-1] for before, after in pairwise(shapes))
    less = values["last_brightness"] < values["first_brightness"] and values["last_edges"] < values["first_edges"]
    return Answer(
        values, table,
        ("answer" if shrinks else "sizes", "less_like_image" if less else "no_less_like_image", "meaning"),
    )


ALIKE = 0.95
"""Correlation from which we call the maps of two epochs nearly the same."""


@answers("8.3")
def maps_during_training(measured: Measured) -> Answer:
    """Compare the maps of several epochs with those of the last of them."""
    run, maps = first(measured, "course"), measured.course_maps
    if diverged(run):
        return Answer({"epoch": diverged(run)}, texts=("diverged_answer",))
    last = max(maps)
    likeness = {epoch: metrics.correlation(each, maps[last]) for epoch, each in maps.items()}
    table = _table({"epoch": list(likeness), "like_last": list(likeness.values())})
    below = [epoch for epoch, value in likeness.items() if value < ALIKE]
    # The maps stay nearly the same from the first epoch after all that are not.
    same_from = min(epoch for epoch in likeness if epoch > max(below, default=-1))
    loss = run.history["loss"]
    values = {
        "last": last, "first": likeness[min(likeness)], "alike": ALIKE, "same_from": same_from,
        "loss_then": loss[max(same_from, 1) - 1], "loss_last": loss[last - 1],
    }
    texts = ["answer", "already_alike" if same_from == 0 else "changed"]
    if 0 < same_from < last:
        texts.append("settles_and_learns" if values["loss_last"] < values["loss_then"] else "settles")
    elif same_from == last:
        texts.append("never_settles")
    return Answer(values, table, tuple(texts))
