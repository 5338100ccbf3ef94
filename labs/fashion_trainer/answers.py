"""From what was measured to the answers; the texts stand in questions.toml."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from labs.fashion_trainer.config import INPUT_SHAPE, N_CLASSES, N_LOGGED
from labs.fashion_trainer.measured import Measured
from mi204 import architectures, arithmetic, metrics, tables
from mi204.architectures import NetworkConfiguration
from mi204.language import Word
from mi204.questions import Answer, answers
from mi204.results import Run

TOLERANCE = 10_000
"""Parameters by which "approximately as many" may differ, says the homework."""
ROUNDING = 1e-4
"""Share of the largest output up to which two outputs differ by rounding."""
PIXELS = {"raw": Word("no_normalization"), "normalised": Word("with_normalization")}
"""What question 2.2 gives to the network, by study."""
GRADIENT_DIVISORS = {"relu": 6, "tanh": 3, "sigmoid": 48}
"""What one layer divides the variance of the gradient by at first: 3 by torch's weights, uniform in ±1/sqrt(inputs),
and 1 / slope² by the activation: half of the neurons have slope 0 with ReLU, all have about 1 with tanh, 1/4 with
sigmoid."""


# --- what several answers read off runs ---


def final(name: str) -> Callable[[Run], float]:
    """Give the function that reads the last value of a log."""
    return lambda run: run.history[name][-1]


def best_validation_accuracy(run: Run) -> float:
    """Give the highest validation accuracy of a run, after whatever epoch."""
    return max(run.history["validation_accuracy"][1:])


def test_accuracy(run: Run) -> float:
    """Give the accuracy on the test images."""
    return run.measures["test_acc"]


def first_lost_epoch(runs: Sequence[Run]) -> int | None:
    """Give the first epoch after which a loss of one of the runs is no finite number; None where there is none."""
    losses = [run.history[name] for run in runs for name in ("train_loss", "validation_loss")]
    # The first value of a log was measured before training.
    return min((epoch - 1 for loss in losses if (epoch := metrics.diverged_epoch(loss))), default=None)


def compared(first: float, second: float, n_images: int) -> str:
    """Name how an accuracy compares with another on as many images: ``better``, ``worse``, or ``equal`` by chance."""
    if abs(first - second) <= metrics.chance_difference((first + second) / 2, n_images):
        return "equal"
    return "better" if first > second else "worse"


def learnt(accuracy: float, n_images: int) -> bool:
    """Say whether an accuracy is beyond that of guessing."""
    return metrics.significantly_above_chance(accuracy, n_images, N_CLASSES)


def ends(values: dict[str, float], equal: Callable[[str, str], bool]) -> tuple[list[str], list[str]]:
    """Give the highest and the lowest, each with those that chance alone may set apart from it; none if all may be."""
    highest, lowest = max(values, key=values.get), min(values, key=values.get)
    if equal(highest, lowest):
        return [], []
    return [name for name in values if equal(name, highest)], [name for name in values if equal(name, lowest)]


@dataclass(frozen=True)
class Performance:
    """How the networks of a study perform: means over the seeds, by name."""

    train: dict[str, float]
    """Training accuracy at the end, on the images that are logged."""
    validation: dict[str, float]
    test: dict[str, float]
    n_logged: int
    """Training images on which accuracy is logged."""
    n_validation: int
    n_test: int

    @property
    def gap(self) -> dict[str, float]:
        """Points by which training accuracy exceeds validation accuracy at the end."""
        return {name: 100 * (self.train[name] - self.validation[name]) for name in self.train}

    def equal_gaps(self, first: str, second: str) -> bool:
        """Say whether chance may set two gaps apart, each the difference of two accuracies."""
        chances = (
            metrics.chance_difference((accuracy[first] + accuracy[second]) / 2, n)
            for accuracy, n in ((self.train, self.n_logged), (self.validation, self.n_validation))
        )
        return abs(self.gap[first] - self.gap[second]) <= 100 * math.hypot(*chances)

    @property
    def learnt(self) -> list[str]:
        """Networks that have learnt more than guessing."""
        return [name for name, accuracy in self.validation.items() if learnt(accuracy, self.n_validation)]

    @property
    def closest(self) -> list[Word]:
        """Of the networks that have learnt, those with the smallest gap; none where all may be equal."""
        gaps = {name: self.gap[name] for name in self.learnt}
        return [Word(name) for name in ends(gaps, self.equal_gaps)[1]] if gaps else []

    @property
    def gap_texts(self) -> tuple[str, ...]:
        """Name the text that compares the gaps, where there are two to compare."""
        if len(self.learnt) < 2:
            return ()
        return ("gap_smaller",) if self.closest else ("gaps_equal",)

    def values(self) -> dict[str, object]:
        """Name the numbers for the texts: ``cnn``, ``cnn_test``, ``cnn_gap``, …"""
        values: dict[str, object] = {"closest": self.closest}
        for name, accuracy in self.validation.items():
            values |= {name: accuracy, f"{name}_test": self.test[name], f"{name}_gap": self.gap[name]}
        return values


def performance(measured: Measured, study: str) -> Performance:
    """Read the runs of a study."""
    runs, recipe = measured.of_study(study), measured.config.recipe
    return Performance(
        train=tables.means(runs, final("train_accuracy")),
        validation=tables.means(runs, final("validation_accuracy")),
        test=tables.means(runs, test_accuracy),
        n_logged=min(N_LOGGED, recipe.n_train),
        n_validation=recipe.n_validation,
        n_test=recipe.n_test,
    )


def _table(runs: list[Run]) -> pd.DataFrame:
    return tables.comparison(
        runs,
        parameters=lambda run: run.parameters,
        train_accuracy=final("train_accuracy"),
        validation_accuracy=final("validation_accuracy"),
        best_validation_accuracy=best_validation_accuracy,
        test_accuracy=test_accuracy,
        epoch_seconds=tables.epoch_seconds,
    )


def _sizes(measured: Measured) -> dict[str, object]:
    """Give the settings that texts of every study name."""
    recipe = measured.config.recipe
    return {
        "n_seeds": measured.config.n_seeds,
        "epochs": recipe.epochs,
        "n_validation": recipe.n_validation,
        "n_test": recipe.n_test,
        "activation": recipe.activation,
        "tolerance": TOLERANCE,
        "guessing_loss": math.log(N_CLASSES),
    }


def _bearing(measured: Measured) -> tuple[str, ...]:
    """Name the texts that say how much the numbers can bear."""
    single_epoch = ("single_epoch",) if measured.config.recipe.epochs == 1 else ()
    return (*single_epoch, "single_seed" if measured.config.n_seeds == 1 else "several_seeds")


def _networks_compared(
    measured: Measured, study: str, values: dict[str, object], described: tuple[str, ...], found: tuple[str, ...]
) -> Answer:
    """Answer with how the networks are ``described`` and what was ``found``, unless some of the trainings diverged."""
    runs = measured.of_study(study)
    values |= _sizes(measured)
    if (epoch := first_lost_epoch(runs)) is not None:
        lost = {run.setting: None for run in runs if first_lost_epoch([run]) is not None}
        return Answer(values | {"lost": list(lost), "epoch": epoch}, _table(runs), (*described, "networks_diverged"))
    return Answer(values, _table(runs), (*described, *found, *_bearing(measured)))


def _of(runs: list[Run], setting: str) -> list[Run]:
    return [run for run in runs if run.setting == setting]


def _parameters(runs: list[Run], setting: str) -> int:
    return _of(runs, setting)[0].parameters


def _size(difference: int) -> str:
    """Name the text that says whether a network is as large as the homework wants it."""
    return "size_within" if abs(difference) <= TOLERANCE else "size_beyond"


def result(measured: Measured) -> Answer:
    """Tell in one line how the training does on the test images that ends best on the validation images."""
    if not measured.runs:
        return Answer(texts=("result_in_answers",))
    best = max(measured.runs, key=final("validation_accuracy"))
    values = {
        "n_trained": len(measured.runs), "validation": final("validation_accuracy")(best), "test": test_accuracy(best),
        "name": [best.setting, *([PIXELS[best.study]] if best.study in PIXELS else [])],
    }
    return Answer(values, texts=("measured",))



# --- 2.1 equivariance ---


@answers("2.1")
def equivariance(measured: Measured) -> Answer:
    """Measure where a convolution commutes with a shift, and that it does not with a rotation."""
    found = measured.equivariance
    n, largest = found.shift, float(found.features.max())
    inside, rotation = float(found.shift_difference[n:, n:].max()), float(found.rotation_difference.max())
    values = {
        "n_border": n,
        "largest": largest,
        "inside": inside,
        "border": float(max(found.shift_difference[:n].max(), found.shift_difference[:, :n].max())),
        "rotation": rotation,
        "rotation_share": float((found.rotation_difference > ROUNDING * largest).mean()),
    }
    shift = "shift_differs" if inside > ROUNDING * largest else "shift_commutes" if inside else "shift_equal"
    turn = "rotation_differs" if rotation > ROUNDING * largest else "rotation_commutes"
    return Answer(values, texts=(shift, turn, "use"))


# --- 2.2 learning rates and normalisation ---


@dataclass(frozen=True)
class Rate:
    """What one learning rate did with one kind of pixels: means over the seeds, validation accuracies as shares."""

    before: float
    """Before training."""
    first: float
    """After the first epoch."""
    best: float
    """After the best epoch of each seed."""
    end: float
    loss_before: float
    """Training loss before training."""
    loss_end: float
    """Training loss at the end."""
    lost: int | None
    """First epoch without a finite loss."""
    saturated: bool
    """Whether the gradient of one of the seeds is zero in the end."""


def rates(measured: Measured, study: str) -> dict[float, Rate]:
    """Read the runs of ``raw`` or ``normalised`` pixels, rate by rate."""
    found = {}
    for setting in dict.fromkeys(run.setting for run in measured.of_study(study)):
        runs = _of(measured.of_study(study), setting)
        validation, loss = tables.mean_log(runs, "validation_accuracy"), tables.mean_log(runs, "train_loss")
        found[float(setting)] = Rate(
            before=float(validation[0]),
            first=float(validation[1]),
            best=float(np.mean([best_validation_accuracy(run) for run in runs])),
            end=float(validation[-1]),
            loss_before=float(loss[0]),
            loss_end=float(loss[-1]),
            lost=first_lost_epoch(runs),
            saturated=any(run.history["train_gradient_norm"][-1] == 0 for run in runs),
        )
    return found


def verdict(rate: float, found: dict[float, Rate], n_images: int) -> Word:
    """Judge a rate among all those for the same pixels, at its best epoch and at the end."""
    one = found[rate]
    if one.lost is not None:
        return Word("diverged")
    if one.saturated:
        return Word("rate_saturated")
    if compared(one.best, one.before, n_images) != "better":
        return Word("rate_stuck")
    worse_at_best = compared(one.best, max(each.best for each in found.values()), n_images) == "worse"
    worse_at_end = compared(one.end, max(each.end for each in found.values()), n_images) == "worse"
    if worse_at_best:
        return Word("rate_worse" if worse_at_end else "rate_late")
    return Word("rate_not_kept" if worse_at_end else "rate_as_good")


@answers("2.2")
def learning_rates(measured: Measured) -> Answer:
    """Compare learning rates with and without normalised pixels."""
    recipe = measured.config.recipe
    n = recipe.n_validation
    found = {study: rates(measured, study) for study in PIXELS}
    verdicts = {study: {rate: verdict(rate, found[study], n) for rate in found[study]} for study in PIXELS}
    best_of = {(study, rate): one.best for study in PIXELS for rate, one in found[study].items()}
    (study, rate), best = max(best_of.items(), key=lambda item: item[1])
    steps = recipe.epochs * arithmetic.steps_per_epoch(recipe.n_train, recipe.batch_size)
    extremes = {"small": min(found["raw"]), "large": max(found["raw"])}
    values = _sizes(measured) | {
        "best_rate": rate,
        "best_pixels": PIXELS[study],
        "best": best,
        "n_equals": sum(compared(each, best, n) == "equal" for each in best_of.values()) - 1,
        "chance": 100 * metrics.chance_difference(best, n),
        "smallest": extremes["small"],
        "largest": extremes["large"],
        "steps": steps,
        "reach": steps * extremes["small"],
        "bound": math.prod(INPUT_SHAPE) ** -0.5,
    }
    for name in PIXELS:
        values |= {f"{name}_{key}": value for key, value in vars(found[name][rate]).items()}
        for size, extreme in extremes.items():
            values |= {f"{size}_{name}_{key}": value for key, value in vars(found[name][extreme]).items()}
            values[f"{size}_{name}"] = verdicts[name][extreme]
    texts = ["nothing_learnt"]
    if learnt(best, n):
        raw, normalised = (found[name][rate] for name in PIXELS)
        texts = [
            "best_tied" if values["n_equals"] else "best_alone",
            "normalisation",
            f"first_{compared(normalised.first, raw.first, n)}",
            f"best_{compared(normalised.best, raw.best, n)}",
        ]
    hardly_moves = values["reach"] < values["bound"] / 10
    texts += _smallest({verdicts[name][extremes["small"]] for name in PIXELS}, hardly_moves)
    texts += _largest({verdicts[name][extremes["large"]] for name in PIXELS})
    every = [one for name in PIXELS for one in found[name].values()]
    if losses := [one.loss_end for one in every if one.saturated and one.lost is None]:
        values |= {"n_saturated": len(losses), "saturated_loss": max(losses)}
        texts.append("saturated")
    if epochs := [one.lost for one in every if one.lost is not None]:
        values |= {"n_lost": len(epochs), "epoch": min(epochs)}
        texts.append("rates_diverged")
    return Answer(values, _rates_table(measured, verdicts), (*texts, *_bearing(measured)))


TOO_LARGE = {"rate_worse", "rate_late", "rate_not_kept", "rate_saturated", "diverged"}
"""Verdicts on a rate whose steps are too long, if it is the largest."""


def _smallest(verdicts: set[Word], hardly_moves: bool) -> list[str]:
    """Name the texts on the smallest rate, from its verdicts for both kinds of pixels."""
    if "rate_stuck" in verdicts:
        return ["smallest", "small_stuck"] if hardly_moves else ["smallest"]
    return ["smallest"] if verdicts & {"rate_saturated", "diverged"} else ["smallest", "small_learns"]


def _largest(verdicts: set[Word]) -> list[str]:
    """Name the texts on the largest rate, from its verdicts for both kinds of pixels."""
    if verdicts == {"rate_as_good"}:
        return ["largest", "large_as_good"]
    return ["largest", "large_too_large"] if verdicts & TOO_LARGE else ["largest"]


def _rates_table(measured: Measured, verdicts: dict[str, dict[float, Word]]) -> pd.DataFrame:
    parts = []
    for study, pixels in PIXELS.items():
        part = _table(measured.of_study(study)).drop(columns="parameters")
        part["setting"] = part["setting"].map(float)
        part.insert(0, "normalization", pd.Series([pixels] * len(part), dtype=object))
        part["verdict"] = pd.Series([verdicts[study][rate] for rate in part["setting"]], dtype=object)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


# --- 2.3 a deep and narrow perceptron ---


@answers("2.3")
def deep_perceptron(measured: Measured) -> Answer:
    """Compare a perceptron with a narrow one of about as many parameters and many layers."""
    runs, recipe = measured.of_study("depth"), measured.config.recipe
    wide, deep = (_of(runs, setting) for setting in ("mlp", "deep_mlp"))
    sizes = measured.networks["deep_mlp"].dense_hiddens
    target = wide[0].parameters
    depths = [n for n in range(1, 2 * len(sizes)) if abs(_perceptron(n * sizes[:1]) - target) <= TOLERANCE]
    divisor = GRADIENT_DIVISORS[recipe.activation]

    def mean(of: list[Run], value: Callable[[Run], float]) -> float:
        return float(np.mean([value(run) for run in of]))

    def norm(of: list[Run], statistic: Callable[[list[float]], float]) -> float:
        return mean(of, lambda run: float(statistic(run.history["train_gradient_norm"])))

    values = {
        "wide_parameters": target,
        "sum": _written_out(measured.networks["mlp"].dense_hiddens),
        "n_layers": len(sizes),
        "n_neurons": sizes[0],
        "deep_parameters": deep[0].parameters,
        "difference": abs(deep[0].parameters - target),
        "layer_parameters": arithmetic.dense_parameters(sizes[0], sizes[0]),
        "fewest": min(depths, default=None),
        "most": max(depths, default=None),
        "wide": mean(wide, final("validation_accuracy")),
        "deep": mean(deep, final("validation_accuracy")),
        "wide_norm": norm(wide, np.median),
        "deep_norm": norm(deep, np.median),
        "wide_least_norm": norm(wide, min),
        "wide_most_norm": norm(wide, max),
        "deep_least_norm": norm(deep, min),
        "deep_most_norm": norm(deep, max),
        "divisor": divisor,
        "exponent": len(sizes) / 2 * math.log10(divisor),
        "first_loss": mean(deep, lambda run: run.history["train_loss"][0]),
        "last_loss": mean(deep, final("train_loss")),
    }
    values["chance"] = 100 * metrics.chance_difference((values["wide"] + values["deep"]) / 2, recipe.n_validation)
    against = compared(values["deep"], values["wide"], recipe.n_validation)
    size = _size(values["difference"])
    described = ("answer", size, *(("other_depths",) if len(depths) > 1 else ()))
    explained = _gradient_explains(values, against, mean(deep, best_validation_accuracy), recipe.n_validation)
    return _networks_compared(measured, "depth", values, described, ("norms", f"deep_{against}", *explained))


def _perceptron(hidden: tuple[int, ...]) -> int:
    return architectures.count_parameters("mlp", NetworkConfiguration(dense_hiddens=hidden), INPUT_SHAPE, N_CLASSES)


def _written_out(hidden: tuple[int, ...]) -> str:
    """Write the parameters of a perceptron as a sum, layer by layer."""
    return " + ".join(f"{a}x{b}+{b}" for a, b in pairwise((math.prod(INPUT_SHAPE), *hidden, N_CLASSES)))


def _gradient_explains(values: dict[str, object], against: str, best: float, n_images: int) -> tuple[str, str]:
    """Name the texts on whether the gradient's norm explains how the deep one performs, given its best accuracy."""
    if not learnt(best, n_images):
        return "norm_smaller" if values["deep_norm"] < values["wide_norm"] else "norm_not_smaller", "vanishing"
    return "learnt_less" if against == "worse" else "learnt", "steepness"


# --- 2.4 a convolutional network of the same size ---


@answers("2.4")
def convolutional_network(measured: Measured) -> Answer:
    """Compare the perceptron with a convolutional network of about as many parameters."""
    runs, network = measured.of_study("cnn"), measured.networks["cnn"]
    found = performance(measured, "cnn")
    mlp, cnn = found.test["mlp"], found.test["cnn"]
    difference = abs(_parameters(runs, "cnn") - _parameters(runs, "mlp"))
    values = found.values() | {
        "kernel_size": network.kernel_sizes[0],
        "parameters": _parameters(runs, "cnn"),
        "difference": difference,
        "lead": 100 * abs(cnn - mlp),
        "chance": 100 * metrics.chance_difference((cnn + mlp) / 2, found.n_test),
    }
    texts = ("none_learnt",)
    if learnt(max(mlp, cnn), found.n_test):
        texts = (f"cnn_{compared(cnn, mlp, found.n_test)}", *found.gap_texts)
    return _networks_compared(measured, "cnn", values, ("size", _size(difference), "performance"), texts)


# --- 2.5 depth and width of convolutional networks ---


@answers("2.5")
def depth_and_width(measured: Measured) -> Answer:
    """Compare kernels of one pixel, of three, and of the whole image."""
    runs, networks = measured.of_study("width"), measured.networks
    found = performance(measured, "width")
    deep, shallow = networks["deep_cnn"], networks["shallow_cnn"]
    target = _perceptron(networks["mlp"].dense_hiddens)
    side, filters = architectures.POOLED_SIDE, deep.n_channels[-1]
    dense = architectures.count_parameters("mlp", deep, (side, side, filters), N_CLASSES)

    def against(one: str, other: str) -> str:
        return compared(found.test[one], found.test[other], found.n_test)

    first, last = ends(found.test, lambda one, other: against(one, other) == "equal")
    values = found.values() | {
        "target": target,
        "deep_channels": list(deep.n_channels),
        "deep_hiddens": list(deep.dense_hiddens),
        "deep_parameters": _parameters(runs, "deep_cnn"),
        "difference": abs(_parameters(runs, "deep_cnn") - target),
        "side": side,
        "filters": filters,
        "dense_parameters": dense,
        "n_channels": shallow.n_channels[0],
        "shallow_parameters": _parameters(runs, "shallow_cnn"),
        "shallow_difference": abs(_parameters(runs, "shallow_cnn") - target),
        "copies": side**2,
        "first": [Word(name) for name in first],
        "last": [Word(name) for name in last],
        "ahead": [Word(name) for name in ("deep_cnn", "shallow_cnn") if against("cnn", name) == "worse"],
    } | {f"{name}_kernel": networks[name].kernel_sizes[0] for name in found.test}
    described = ("deep", _size(values["difference"]), *(("too_many",) if dense > target + TOLERANCE else ()), "shallow")
    texts = ("performance", "none_learnt")
    if learnt(max(found.test.values()), found.n_test):
        order = ("all_equal",) if not first else (
            "first_alone" if len(first) == 1 else "first_tied", "last_alone" if len(last) == 1 else "last_tied"
        )
        small_kernels = "cnn_behind" if values["ahead"] else "cnn_first" if first == ["cnn"] else "cnn_not_first"
        texts = ("performance", *order, *found.gap_texts, "expected", small_kernels)
    return _networks_compared(measured, "width", values, described, texts)
