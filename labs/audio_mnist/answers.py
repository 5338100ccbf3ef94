"""From what was measured to the answers; the texts stand in questions.toml."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labs.audio_mnist.config import COURSE_MEL, N_CLASSES, TRUE_MEL
from labs.audio_mnist.measured import Measured
from labs.audio_mnist.pairs import CONDITIONS
from mi204 import arithmetic, metrics, tables
from mi204.language import Word
from mi204.questions import Answer, answers
from mi204.results import Run

# --- what several answers ask of the runs ---


def accuracy(run: Run, condition: str = "clean") -> float:
    """Give the accuracy on what was tested, as it is or in a condition."""
    return run.measures[condition]


def diverged_epoch(runs: list[Run]) -> int | None:
    """Give the first epoch, from 1, at which a loss of one of the runs is no finite number; None where none is so."""
    epochs = [metrics.diverged_epoch(log) for run in runs for name, log in run.history.items() if name.endswith("loss")]
    return min((epoch for epoch in epochs if epoch), default=None)


def stuck(run: Run, n_train: int) -> bool:
    """Say whether a network never left chance on its own ``n_train`` training recordings."""
    return not metrics.significantly_above_chance(run.history["train_accuracy"][-1], n_train, N_CLASSES)


def lowest(accuracies: dict[str, float]) -> str:
    """Name the settings of the lowest accuracy."""
    return ", ".join(name for name, value in accuracies.items() if value == min(accuracies.values()))


def compared(first: float, second: float, n: int) -> tuple[int, float]:
    """Say whether the first accuracy is above (1), like (0) or below (-1) the second, beyond chance on ``n`` examples.

    Give also what chance may do, in points.
    """
    chance = metrics.chance_difference((first + second) / 2, n)
    return 0 if abs(first - second) <= chance else 1 if first > second else -1, 100 * chance


def seeds(measured: Measured) -> str:
    """Name the sentence on the number of seeds."""
    return "one_seed_each" if measured.config.n_seeds == 1 else "several_seeds"


def result(measured: Measured) -> Answer:
    """Tell in one line what both networks recognise of speakers never heard, and the course's of a random share."""
    if not {"random", "speakers", "ours"} <= measured.studies:
        return Answer(texts=("result_in_answers",))
    values = {
        name: float(np.mean(list(tables.means(measured.of_study(study), accuracy).values())))
        for name, study in (("random", "random"), ("unseen", "speakers"), ("ours", "ours"))
    }
    return Answer(values | {"n_seeds": measured.config.n_seeds}, texts=("measured",))



# --- 2.1 ---


@answers("2.1")
def environment(measured: Measured) -> Answer:
    """List the packages and their versions."""
    table = pd.DataFrame(
        [
            {"package": name, "version": Word("not_installed") if version == "unknown" else version}
            for name, version in measured.packages.items()
        ],
        dtype=object,
    )
    return Answer({name: measured.environment[name] for name in ("python", "backend")}, table)


# --- 2.2 ---


@answers("2.2")
def recordings(measured: Measured) -> Answer:
    """Count and measure the recordings."""
    each = measured.recordings
    frame = pd.DataFrame({"label": each.labels, "speaker": each.speakers, "seconds": each.seconds})
    counts = pd.crosstab(frame["label"], frame["speaker"]).to_numpy()
    table = frame.groupby("speaker")["seconds"].agg(["count", "mean", "std", "min", "max"]).reset_index()
    table = pd.DataFrame(
        {
            "speaker": table["speaker"],
            "recordings": table["count"],
            "duration": list(zip(table["mean"], table["std"], strict=True)),
            "shortest": table["min"],
            "longest": table["max"],
        },
        dtype=object,
    )
    numbers = sorted({int(each.repetitions.min()), int(each.repetitions.max())})
    values = {
        "n": len(frame),
        "n_speakers": frame["speaker"].nunique(),
        "n_digits": frame["label"].nunique(),
        "fewest": int(counts.min()),
        "most": int(counts.max()),
        "sampling_rate": measured.sampling_rate,
        "median": float(frame["seconds"].median()),
        "shortest": float(frame["seconds"].min()),
        "longest": float(frame["seconds"].max()),
        "repetitions": "–".join(map(str, numbers)),
        "shown": ", ".join(measured.sounds),
        "speaker_share": _explained(frame, "speaker"),
        "label_share": _explained(frame, "label"),
        "n_cut": measured.n_cut,
        "window_seconds": measured.config.recipe.window / measured.sampling_rate,
    }
    texts = ["counted" if values["fewest"] == values["most"] else "counted_unequally", "answer"]
    if values["n_speakers"] > 1 and values["shortest"] < values["longest"]:
        texts.append("shares")
    for remark in ("resampled", "mixed_to_mono", "loudest_channel", "length_unknown"):
        files = [file for file, remarks in measured.remarks.items() if remark in remarks]
        values |= {f"n_{remark}": len(files), remark: ", ".join([*files[:3], "…"] if len(files) > 3 else files)}
        texts += [remark] if files else []
    texts += ["was_cut"] if values["n_cut"] else []
    return Answer(values, table, tuple(texts))


def _explained(frame: pd.DataFrame, column: str) -> float:
    """Give the share of the variance of the durations that lies between the groups of a column (0 to 1)."""
    means = frame.groupby(column)["seconds"].transform("mean")
    variance = frame["seconds"].var(ddof=0)
    return float(means.var(ddof=0) / variance) if variance else 0.0


# --- 2.3 ---


@answers("2.3")
def frequencies(measured: Measured) -> Answer:
    """Say which frequencies the course's image shows, and which it claims to show."""
    rate, believed = measured.sampling_rate, COURSE_MEL.sampling_rate
    empty = {name: ~bank.filters.any(axis=1) for name, bank in measured.banks.items()}
    values = {
        "sampling_rate": rate,
        "highest": rate / 2,
        "believed_rate": believed,
        "believed_highest": believed / 2,
        "ratio": believed / rate,
        "n_mels": COURSE_MEL.n_mels,
        "empty": int(empty["course"].sum()),
        "bin_width": rate / COURSE_MEL.n_fft,
        "believed_bin_width": believed / COURSE_MEL.n_fft,
        "frame_milliseconds": 1000 * COURSE_MEL.n_fft / rate,
        "hop_milliseconds": 1000 * COURSE_MEL.hop_length / rate,
        "true_mels": TRUE_MEL.n_mels,
        "true_empty": int(empty["true"].sum()),
        "linear_mel": 2595 * np.log10(1 + 1000 / 700),
    }
    if values["empty"]:
        values["believed_highest_empty"] = float(measured.banks["course"].frequencies[empty["course"]].max())
    return Answer(
        values,
        texts=(
            "answer",
            "some_empty" if values["empty"] else "none_empty",
            "true_some_empty" if values["true_empty"] else "true_none_empty",
        ),
    )


# --- 2.4 ---


@answers("2.4")
def split(measured: Measured) -> Answer:
    """Tell what the random split hides: the same speakers on both sides."""
    sides = measured.split
    n_each = {name: sides.n_train[name] + sides.n_test[name] for name in measured.speakers}
    random, speakers, ours = (measured.of_study(name) for name in ("random", "speakers", "ours"))
    course, our = tables.means(speakers, accuracy), tables.means(ours, accuracy)
    values = {
        "n_train": len(sides.train),
        "n_test": len(sides.test),
        "n_speakers": len(measured.speakers),
        "n_both": sum(sides.n_train[name] > 0 and sides.n_test[name] > 0 for name in measured.speakers),
        "n_left_out": len(course),
        "n_seeds": measured.config.n_seeds,
        "n_trained": len(random + speakers),
        "n_stuck": sum(stuck(run, len(sides.train)) for run in random)
        + sum(stuck(run, sum(n_each.values()) - n_each[run.setting]) for run in speakers),
        "n_diverged": sum(diverged_epoch([run]) is not None for run in random + speakers),
        "n_ours_diverged": sum(diverged_epoch([run]) is not None for run in ours),
        "epoch": diverged_epoch(random + speakers),
        "chance_level": 1 / N_CLASSES,
        "random": float(np.mean([accuracy(run) for run in random])),
        "unseen": float(np.mean(list(course.values()))),
        "hardest": lowest(course),
        "hardest_accuracy": min(course.values()),
        "ours": float(np.mean(list(our.values()))),
        "ours_hardest": lowest(our),
        "ours_worst": min(our.values()),
        "parameters": speakers[0].parameters,
        "our_parameters": ours[0].parameters,
    }
    n_unseen = sum(n_each[name] for name in course)
    leak, values["chance"] = compared(values["random"], values["unseen"], min(values["n_test"], n_unseen))
    better, values["lead_chance"] = compared(values["ours"], values["unseen"], n_unseen)
    values["apart"] = 100 * abs(values["random"] - values["unseen"])
    values["lead"] = 100 * abs(values["ours"] - values["unseen"])
    table = pd.DataFrame(
        [
            {
                "speaker": name,
                "in_training": sides.n_train[name],
                "in_test": sides.n_test[name],
                "left_out_course": course[name] if name in course else Word("not_left_out"),
                "left_out_ours": our[name] if name in our else Word("not_left_out"),
            }
            for name in measured.speakers
        ],
        dtype=object,
    )
    return Answer(values, table, _texts_of_split(measured, values, leak, better))


def _texts_of_split(measured: Measured, values: dict[str, object], leak: int, better: int) -> tuple[str, ...]:
    """Name the texts that hold together."""
    one = values["n_left_out"] == 1
    texts = ["answer", "both_sides" if values["n_both"] else "apart"]
    if values["n_diverged"]:
        texts.append("some_diverged")
    else:
        texts += ["one_left_out" if one else "left_out_in_turn", seeds(measured)]
        texts.append("stuck" if values["n_stuck"] else {1: "leaks", 0: "no_leak_shown", -1: "reversed"}[leak])
    texts.append("ours")
    if measured.spoken_source == "real" and measured.config.recordings is None:
        texts.append("tuned_on_them")
    if values["n_ours_diverged"]:
        return (*texts, "ours_diverged")
    texts.append("ours_one" if one else "ours_in_turn")
    if not values["n_diverged"] and not values["n_stuck"]:
        texts.append({1: "ours_better", 0: "ours_as_good", -1: "ours_worse"}[better])
    return tuple(texts)


# --- 2.5 ---


@answers("2.5")
def blocks(measured: Measured) -> Answer:
    """Explain normalisation and network, counted by hand and by Keras."""
    recipe, described = measured.config.recipe, measured.split
    output = arithmetic.convolution_output_size
    first, second = 7, 5
    height, width = recipe.mel.n_mels, 1 + recipe.window // recipe.mel.hop_length
    sides = [output(side, first, 3) for side in (height, width)]
    last_sides = [output(side, second, 2) for side in sides]
    features = 10 * last_sides[0] * last_sides[1]
    by_hand = {
        "Conv2D": [arithmetic.convolution_parameters(first, 1, 10), arithmetic.convolution_parameters(second, 10, 10)],
        "Dense": [arithmetic.dense_parameters(features, N_CLASSES)],
    }
    total = sum(map(sum, by_hand.values()))
    counted = {kind: iter(counts) for kind, counts in by_hand.items()}
    table = pd.DataFrame(
        [
            {
                "layer": layer.type,
                "settings": layer.settings or "-",
                "output_shape": layer.output_shape,
                "by_hand": next(counted[layer.type]) if layer.type in counted else 0,
                "by_keras": layer.parameters,
            }
            for layer in described.layers
        ],
        dtype=object,
    )
    values = {
        "height": height,
        "width": width,
        "first": "x".join(map(str, sides)),
        "second": "x".join(map(str, last_sides)),
        "features": features,
        "by_hand": total,
        "by_keras": int(table["by_keras"].sum()),
        "dense_share": by_hand["Dense"][0] / total,
        "mean_before": described.mean_before,
        # Never "-0.00".
        "mean_after": round(described.mean_after, 2) + 0.0,
        "test_mean_after": round(described.test_mean_after, 2) + 0.0,
        "deviation": described.deviation,
        "silence": described.silence,
        "steps": arithmetic.steps_per_epoch(len(described.train), recipe.batch_size),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "momentum": recipe.momentum,
    }
    return Answer(
        values, table, ("answer", "mostly_silence" if values["silence"] > 0.5 else "some_silence", "blocks")
    )


# --- 2.6 ---

NEARLY = 0.98
"""Share of the last score from which the score is said to be nearly there."""


@answers("2.6")
def losses_and_score(measured: Measured) -> Answer:
    """Comment the losses and the score of the course's network."""
    runs = measured.of_study("random")
    logs = {name: tables.mean_log(runs, name) for name in runs[0].history}
    diverged = diverged_epoch(runs)
    test_loss, score = logs["test_loss"], logs["test_accuracy"]
    best = metrics.best_epoch(test_loss)
    values = {
        "epochs": len(test_loss),
        "epoch": diverged,
        **{f"first_{name}": float(log[0]) for name, log in logs.items()},
        **{f"last_{name}": float(log[-1]) for name, log in logs.items()},
        "best_epoch": best,
        "least": float(test_loss[best - 1]),
        "train_at_best": float(logs["train_loss"][best - 1]),
        "rise": metrics.rise(test_loss),
        "share": NEARLY,
        "early_epoch": int(np.argmax(score >= NEARLY * score[-1])) + 1,
        "tolerance": metrics.OVERFITTING,
        "chance_level": 1 / N_CLASSES,
        "n_seeds": measured.config.n_seeds,
    }
    n_train = measured.config.recipe.n_train(len(measured.recordings.labels))
    if diverged:
        return Answer(values, texts=("diverged_answer",))
    if values["epochs"] == 1:
        return Answer(values, texts=("after_one_epoch", "one_epoch", seeds(measured)))
    if any(stuck(run, n_train) for run in runs):
        verdict = "stuck"
    elif values["rise"] <= metrics.OVERFITTING:
        verdict = "no_overfit"
    else:
        verdict = "overfit" if values["last_train_loss"] < values["train_at_best"] else "both_rise"
    return Answer(values, texts=("answer", verdict, seeds(measured)))


# --- 2.7 ---

ALONE, FUSED = ("network_image", "network_sound"), ("network_early", "network_late")


@answers("2.7")
def multimodal(measured: Measured) -> Answer:
    """Compare early and late fusion with each modality alone, on clean and on degraded pairs."""
    runs, config = measured.of_study("pairs"), measured.config
    means = {name: tables.means(runs, lambda run, name=name: accuracy(run, name)) for name in CONDITIONS}
    table = tables.comparison(
        runs,
        parameters=lambda run: run.parameters,
        **{name: lambda run, name=name: accuracy(run, name) for name in CONDITIONS},
        epoch_seconds=tables.epoch_seconds,
    )
    alone, fused = (
        {name: max(means[name][network] for network in networks) for name in CONDITIONS} for networks in (ALONE, FUSED)
    )
    # Recordings tested are fewer than pairs: an accuracy on them is no more certain than on as many pairs.
    n_measured = min(config.n_test_pairs, measured.pairs.n_recordings)
    degraded = means["both_degraded"]
    gain, chance = compared(fused["both_degraded"], alone["both_degraded"], n_measured)
    diverged = [name for name in degraded if diverged_epoch([run for run in runs if run.setting == name])]
    values = {
        **{name.removeprefix("network_"): value for name, value in degraded.items()},
        **{name: 100 * (fused[name] - alone[name]) for name in CONDITIONS},
        "apart": 100 * abs(fused["both_degraded"] - alone["both_degraded"]),
        "errors": 1 - max(means["clean"].values()),
        "best": [Word(name) for name in FUSED if degraded[name] == fused["both_degraded"]],
        "diverged": [Word(name) for name in diverged],
        "chance": chance,
        "n_measured": n_measured,
        "n_seeds": config.n_seeds,
        "speaker": measured.speakers[-1],
        "n_pairs": config.n_pairs,
        "n_test_pairs": config.n_test_pairs,
        "pair_epochs": config.pair_epochs,
        "signal_to_noise": config.signal_to_noise,
        "occlusion": config.occlusion,
    }
    if diverged:
        return Answer(values, table, ("answer", "some_diverged"))
    verdict = {1: "gain", 0: "no_gain", -1: "loss"}[gain]
    return Answer(values, table, ("answer", "measured", verdict, "elsewhere", seeds(measured)))

