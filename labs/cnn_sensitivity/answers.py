"""From what was measured to the answers; the texts stand in questions.toml."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from labs.cnn_sensitivity.config import ROLES
from labs.cnn_sensitivity.measured import Explained, Marks, Measured, Picture, Sweep, Variants
from mi204 import metrics
from mi204.datasets import class_words
from mi204.language import Text, Word
from mi204.questions import Answer, answers

SAME = 0.999
"""Correlation from which on two maps are called the same."""
BLIND = 0.95
"""Correlation of the maps for two classes from which on a method is said hardly to depend on the class."""
STEADY, BROKEN = 0.8, 0.5
"""Correlations of two maps above which they are called alike, and below which they are not."""
LIT = 0.5
"""Height of a map, of its own maximum, from which on it is said to mark a place."""
FEWEST = 8
"""Images without which nothing is concluded from an interval."""
LEVEL = 0.05
"""Probability up to which a rank correlation is not put down to chance."""
MEASURES: dict[str, Callable[[Marks], np.ndarray]] = {
    "pointing": lambda marks: marks.pointing,
    "iou": lambda marks: marks.iou,
    "drop": lambda marks: marks.drop,
    "faithfulness": lambda marks: marks.insertion - marks.deletion,
    "geometric": lambda marks: marks.geometric,
    "photometric": lambda marks: marks.photometric,
}
"""The columns of question 3.5's table, by the words that name them; high is good but for the drop."""
RANDOM = "random"
"""Maps that know nothing, among the methods."""


def result(measured: Measured) -> Answer:
    """Tell in one line what the network names, and how far its answers and maps hold under transformations."""
    if measured.sweeps is None or measured.images is None:
        return Answer(texts=("result_in_answers",))
    recognised = measured.images.recognised
    kept = np.concatenate([sweep.kept for sweep in measured.sweeps.values()], axis=1).mean()
    alike = np.concatenate([sweep.similarity for sweep in measured.sweeps.values()], axis=1)
    values = {
        "backbone": measured.setup.backbone, "method": measured.setup.method, "recognised": _mean(recognised),
        "n_known": int((~np.isnan(recognised)).sum()), "n_transformations": len(measured.sweeps),
        "kept": float(kept), "similarity": _mean(alike),
    }
    texts = ["kept", "similarity" if math.isfinite(values["similarity"]) else "no_map"]
    return Answer(values, texts=tuple(texts) if np.isnan(recognised).all() else ("recognised", *texts))


def _mean(values: np.ndarray | Sequence[float]) -> float:
    """Give the mean of the values that are defined; NaN where none is."""
    defined = np.asarray(values, dtype=float)
    defined = defined[~np.isnan(defined)]
    return float(defined.mean()) if defined.size else math.nan


# --- 3.1 what maps show ---


@answers("3.1")
def what_maps_show(measured: Measured) -> Answer:
    """Compare what every method makes of one picture."""
    found, picture = measured.explained, measured.pictures["one"]
    costs = {each.label: float(np.median(each.costs)) for each in found.values()}
    cheapest, dearest = min(costs, key=costs.get), max(costs, key=costs.get)
    values = {
        "n_methods": len(found), "backbone": measured.setup.backbone, "target": _class(measured.setup.target),
        "picture": picture.name, "cheapest": cheapest, "least_cost": costs[cheapest], "dearest": dearest,
        "most_cost": costs[dearest], "same_from": SAME, "blind_from": BLIND,
        "left_out": measured.left_out, "refused": measured.refused,
        "most_passes": measured.config.most_passes,
    }
    texts = ["families", "measured", "cost"]
    if measured.left_out:
        texts.append("left_out")
    if measured.refused:
        texts.append("refused")
    empty = [each.label for each in found.values() if np.ptp(each.map) == 0]
    if empty:
        texts.append("empty")
    shown = {name: each for name, each in found.items() if np.ptp(each.map) > 0}
    values |= {"empty": empty, **_alike(measured, shown), **_blind(shown), **_grain(shown)}
    if "reference" in values:
        texts.append("same" if values["same"] else "none_same")
    texts += [f"blind_{_how_many(values['blind'], values['n_compared'])}"] if values["n_compared"] else []
    if "input_grain" in values:
        texts.append("finer" if values["input_grain"] < values["layer_grain"] else "no_finer")
    inside = {each.label: each.inside for each in shown.values() if math.isfinite(each.inside)}
    if inside:
        area = float((picture.objects > 0).mean())
        best = max(inside, key=inside.get)
        below = [label for label, share in inside.items() if share <= area]
        values |= {"area": area, "best": best, "best_inside": inside[best], "below": below}
        texts += ["inside", "inside_below" if below else "inside_above"] if best not in below else ["inside_nowhere"]
    else:
        texts.append("inside_unknown")
    return Answer(values, _methods_table(found), tuple(texts))


def named(name: str) -> str:
    """Give the name of a class as it is written: a word where there is one, as in the network's list elsewhere."""
    (word,) = class_words([name])
    return word if isinstance(word, Word) else name.replace("_", " ")


def _class(name: str) -> Text:
    """Quote the name of a class in a sentence."""
    return Text("“{name}”", "« {name} »", {"name": named(name)})


def _how_many(some: list, n: int) -> str:
    return "none" if not some else "all" if len(some) == n else "some"


def _alike(measured: Measured, shown: dict[str, Explained]) -> dict[str, object]:
    """Find the methods whose map is that of the setup's method."""
    own = shown.get(measured.config.recipe.method)
    if own is None:
        return {}
    same = [
        each.label for each in shown.values()
        if each is not own and metrics.correlation(own.map, each.map) >= SAME
    ]
    return {"reference": own.label, "same": same}


def _blind(shown: dict[str, Explained]) -> dict[str, object]:
    """Find the methods whose map is nearly that for another class, and the one whose map changes most."""
    other = {each.label: each.other_class for each in shown.values() if math.isfinite(each.other_class)}
    blind = [label for label, similarity in other.items() if similarity >= BLIND]
    changes = min(other, key=other.get) if other else ""
    return {
        "n_compared": len(other), "blind": blind, "changes_most": changes, "least_alike": other.get(changes, math.nan),
    }


def _grain(shown: dict[str, Explained]) -> dict[str, object]:
    """Compare how few pixels hold half of a map, made at a layer and at the input."""
    found = {}
    for place, families in (("layer", ("layer", "any_class")), ("input", ("input",))):
        maps = [each for each in shown.values() if each.family in families]
        if not maps:
            return {}
        found[f"{place}_grain"] = _mean([each.compactness for each in maps])
        found[f"{place}_side"] = _sides(maps[0].side)
    return found


def _sides(side: Sequence[int]) -> str:
    return " × ".join(map(str, side))


def _methods_table(found: dict[str, Explained]) -> pd.DataFrame:
    outlined = any(math.isfinite(each.inside) for each in found.values())
    rows = [
        {
            "method": each.label,
            "family": Word(f"family_{each.family}"),
            "map_side": _sides(each.side),
            "cost": float(np.median(each.costs)),
            "other_class": each.other_class,
            "compactness": each.compactness,
            **({"inside": each.inside} if outlined else {}),
        }
        for each in found.values()
    ]
    return pd.DataFrame(rows, dtype=object)


# --- 3.2 the setup ---


@answers("3.2")
def setup(measured: Measured) -> Answer:
    """Describe the network, the method and the class, and what the network answers."""
    chosen = measured.setup
    values = {
        **vars(chosen), "side": _sides(chosen.side), "map_side": _sides(chosen.map_side),
        "target": _class(chosen.target), "reason": Text(chosen.reason["en"], chosen.reason["fr"]),
    }
    texts = ["network", *([chosen.remark] if chosen.remark else [])]
    if chosen.accuracy is not None:
        texts.append("accuracy")
    texts.append("at_layer" if chosen.layer else "at_input")
    texts.append("target")
    if measured.pictures["one"].among > 1:
        values["n_of_class"] = measured.pictures["one"].among
        texts.append("surest")
    right = [picture for picture in measured.pictures.values() if picture.predicted == chosen.target]
    with_object = [picture for picture in right if picture.role != "none"]
    if len(with_object) == 2 and len(right) == 2:
        texts.append("predicted_as_shown")
    elif any(picture.role == "none" for picture in right):
        texts.append("predicted_where_none_is")
    else:
        texts.append("predicted_in_one" if with_object else "predicted_in_none")
    values["seen_in"] = [Word(f"role_{picture.role}") for picture in with_object]
    table = pd.DataFrame(
        [
            {
                "picture": Word(f"role_{role}"),
                "name": [picture.name, *picture.remarks],
                "predicted_class": named(picture.predicted),
                "confidence": picture.confidence,
                "target_probability": picture.probability,
                "score": picture.score,
            }
            for role, picture in ((role, measured.pictures[role]) for role in ROLES)
        ],
        dtype=object,
    )
    if measured.config.recipe.engine == "tf_keras_vis":
        texts.append("other_engine")
    return Answer(values, table, tuple(texts))


# --- 3.3 one object, several, none ---


def lights(picture: Picture) -> dict[str, float]:
    """Say where a map lies: whether its highest point is on an object, its share there, the objects that it marks."""
    where = picture.objects > 0
    top = where[picture.map == picture.map.max()].mean()
    numbers = [number for number in np.unique(picture.objects) if number]
    total = picture.map.sum()
    return {
        "on": float(top),
        "inside": float(picture.map[where].sum() / total) if total > 0 else math.nan,
        "area": float(where.mean()),
        "n_objects": len(numbers),
        "n_marked": sum(picture.map[picture.objects == number].max() >= LIT for number in numbers),
    }


@answers("3.3")
def one_several_none(measured: Measured) -> Answer:
    """Compare the maps of pictures with one object of the class, several, and none."""
    one, several, none = (measured.pictures[role] for role in ROLES)
    values: dict[str, object] = {
        "method": measured.setup.method, "target": _class(measured.setup.target), "lit": LIT,
        **{f"{picture.role}_{key}": getattr(picture, key) for picture in (one, several, none)
           for key in ("score", "probability", "name", "confidence")},
        **{f"{picture.role}_predicted": _class(picture.predicted) for picture in (one, several, none)},
    }
    texts = []
    for picture in (one, several):
        texts += _with_objects(picture, measured.setup.target, values)
    lowest = min(one.score, several.score)
    texts.append("scores_as_expected" if none.score < lowest else "scores_against")
    texts += _without_object(one, none, measured.setup.target, values)
    return Answer(values, texts=(*texts, "stretched"))


def _empty(picture: Picture) -> bool:
    return bool(np.ptp(picture.map) == 0)


def _why(picture: Picture) -> Text:
    return Text(*(" ".join(each[language] for each in picture.diagnostics) for language in ("en", "fr")))


def _with_objects(picture: Picture, target: str, values: dict[str, object]) -> list[str]:
    """Name the texts on a picture with objects of the class, and add their numbers."""
    role = picture.role
    texts = [f"{role}_recognised" if picture.predicted == target else f"{role}_missed"]
    if picture.composed:
        texts.append("composed")
    if _empty(picture):
        values[f"{role}_why"] = _why(picture)
        return [*texts, f"{role}_empty"]
    if picture.objects is None:
        return [*texts, f"{role}_unknown"]
    found = lights(picture)
    values |= {f"{role}_{key}": value for key, value in found.items()}
    if picture.outlined:
        values[f"{role}_times"] = found["inside"] / found["area"]
        texts.append(f"{role}_on" if found["on"] > 0.5 else f"{role}_off")
    if role == "several":
        marked = found["n_marked"]
        texts.append("marks_all" if marked == found["n_objects"] else "marks_some" if marked else "marks_none")
    elif not picture.outlined:
        texts.append("one_unknown")
    return texts


def _without_object(one: Picture, none: Picture, target: str, values: dict[str, object]) -> list[str]:
    """Name the texts on the picture without the class, and add their numbers."""
    texts = ["none_mistaken" if none.predicted == target else "none_refused"]
    if _empty(none):
        values["none_why"] = _why(none)
        return [*texts, "none_empty"]
    usual, here = float(one.raw.max()), float(none.raw.max())
    values |= {"one_raw": usual, "none_raw": here, "raw_share": here / usual if usual > 0 else math.nan}
    if usual > 0:
        texts.append("none_weaker" if here < usual / 2 else "none_stronger" if here > usual else "none_as_strong")
    if none.objects is None or not none.outlined:
        return [*texts, "none_unknown"]
    found = lights(none)
    values |= {f"none_{key}": value for key, value in found.items()}
    return [*texts, "none_on" if found["on"] > 0.5 else "none_off"]


# --- 3.4 two transformations ---


@answers("3.4")
def transformed(measured: Measured) -> Answer:
    """Compare maps and scores of the variants of one picture."""
    found, one = measured.variants, measured.pictures["one"]
    n = measured.config.n_variants
    kept = {name: [each == one.predicted for each in variants.predicted] for name, variants in found.items()}
    values: dict[str, object] = {
        "n_variants": sum(map(len, kept.values())), "target": _class(measured.setup.target),
        "method": measured.setup.method, "score": one.score, "probability": one.probability, "each": n,
        "always": [Word(name) for name, answers in kept.items() if all(answers)],
        "sometimes": [Word(name) for name, answers in kept.items() if any(answers) and not all(answers)],
        "never": [Word(name) for name, answers in kept.items() if not any(answers)],
        "predicted": _class(one.predicted), "steady": STEADY, "broken": BROKEN,
    }
    texts = ["start"] + [text for text in ("always", "sometimes", "never") if values[text]]
    similar = {name: compared(variants) for name, variants in found.items()}
    least = {name: float(np.nanmin(each)) for name, each in similar.items() if not np.all(np.isnan(each))}
    if not least:
        return Answer(values, _variants_table(found, similar, kept), (*texts, "no_maps"))
    values |= {
        "alike": [Word(name) for name, value in least.items() if value >= STEADY],
        "changed": [Word(name) for name, value in least.items() if BROKEN <= value < STEADY],
        "lost": [Word(name) for name, value in least.items() if value < BROKEN],
    }
    texts += [text for text in ("alike", "changed", "lost") if values[text]]
    means = {name: _mean(each) for name, each in similar.items() if name in least}
    if len(means) > 1:
        low, high = min(means, key=means.get), max(means, key=means.get)
        values |= {
            "lowest": Word(low), "lowest_mean": means[low], "highest": Word(high), "highest_mean": means[high],
        }
        texts.append("means" if means[high] - means[low] > 0.02 else "means_equal")
    texts += _follows(found, values)
    texts += _together(found, similar, one.score, values)
    if measured.config.augmenter == "imgaug":
        texts.append("imgaug")
    return Answer(values, _variants_table(found, similar, kept), (*texts, "one_picture"))


def compared(variants: Variants) -> np.ndarray:
    """Give the similarity of maps that counts: with the map moved as the pixels were, where it is known; (n,)."""
    return np.array(variants.still if variants.moved is None else variants.moved)


def _follows(found: dict[str, Variants], values: dict[str, object]) -> list[str]:
    """Say whether the maps follow the pixels where a transformation moves them."""
    moving = [each for each in found.values() if each.geometric and each.moved is not None]
    if not moving:
        return []
    gain = np.concatenate([np.subtract(each.moved, each.still) for each in moving])
    gain = gain[(gain != 0) & ~np.isnan(gain)]
    n_more = int((gain > 0).sum())
    values |= {
        "n_moving": len(gain), "n_more": n_more, "n_less": len(gain) - n_more,
        "moved": _mean([x for each in moving for x in each.moved]),
        "still": _mean([x for each in moving for x in each.still]),
        "moving": [Word(each.transformation) for each in moving],
    }
    if not len(gain):
        return []
    if stats.binomtest(n_more, len(gain)).pvalue > LEVEL:
        return ["follows_undecided"]
    return ["follows" if n_more > len(gain) / 2 else "stays"]


def _together(
    found: dict[str, Variants], similar: dict[str, np.ndarray], score: float, values: dict[str, object]
) -> list[str]:
    """Say whether the map changes most where the score does."""
    shifts = np.concatenate([np.abs(np.subtract(each.scores, score)) for each in found.values()])
    alike = np.concatenate(list(similar.values()))
    defined = ~np.isnan(alike)
    if defined.sum() < FEWEST or np.ptp(shifts[defined]) == 0 or np.ptp(alike[defined]) == 0:
        return []
    correlation, probability = stats.spearmanr(shifts[defined], alike[defined])
    values["together"] = float(correlation)
    if probability > LEVEL:
        return ["unrelated"]
    return ["together" if correlation < 0 else "opposed"]


def _variants_table(
    found: dict[str, Variants], similar: dict[str, np.ndarray], kept: dict[str, list[bool]]
) -> pd.DataFrame:
    rows = []
    for name, each in found.items():
        alike = similar[name]
        undefined = bool(np.all(np.isnan(alike)))
        strengths = each.strengths if each.strengths is not None else [math.nan]
        rows.append(
            {
                "transformation": Word(name),
                "unit": Word(f"unit_{each.unit}"),
                "least_strength": min(strengths),
                "most_strength": max(strengths),
                "kept": float(np.mean(kept[name])),
                "least_score": min(each.scores),
                "most_score": max(each.scores),
                "least_similarity": math.nan if undefined else float(np.nanmin(alike)),
                "mean_similarity": _mean(alike),
            }
        )
    return pd.DataFrame(rows, dtype=object)


# --- 3.5 how sensitive ---


def share_interval(values: np.ndarray) -> tuple[float, float, float, int]:
    """Give the mean of values between 0 and 1, most of them 0 or 1, its 95 % interval by Wilson, and how many count."""
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan, math.nan, 0
    low, high = metrics.wilson_interval(values.sum(), len(values))
    return float(values.mean()), float(low), float(high), len(values)


def interval(measure: str, values: np.ndarray) -> tuple[float, float, float, int]:
    """Give mean, 95 % interval and number of a measure of question 3.5; without enough images, no interval."""
    mean, low, high, n = share_interval(values) if measure == "pointing" else metrics.mean_interval(values)
    return (mean, low, high, n) if n >= FEWEST else (mean, math.nan, math.nan, n)


@answers("3.5")
def sensitivity(measured: Measured) -> Answer:
    """Sum up over images and methods how far the network's answers and its maps hold."""
    images, setup = measured.images, measured.setup
    n, n_outlined = len(images.recognised), len(images.area)
    recognised, low, high, n_known = share_interval(images.recognised)
    values: dict[str, object] = {
        "n_images": n, "n_outlined": n_outlined, "backbone": setup.backbone, "method": setup.method,
        "recognised": recognised, "recognised_low": low, "recognised_high": high, "n_known": n_known,
        "area": _mean(images.area), "fewest": FEWEST,
    }
    texts = ["images", "recognised" if n_known else "recognised_unknown"]
    if measured.source == "sample" and n_known:
        values["chance"] = 1 / setup.n_classes
        beyond = metrics.significantly_above_chance(recognised, n_known, setup.n_classes)
        texts.append("sample_recognised" if beyond else "sample_not_recognised")
    if not n_outlined:
        texts.append("no_outlines")
    elif images.drawn:
        values |= _drawn(images.outlined_recognised, setup.n_classes)
        texts.append("drawn_recognised" if values["beyond_chance"] else "drawn_not_recognised")
    else:
        texts.append("outlined" if n_outlined >= FEWEST else "outlined_few")
    texts += _answers_hold(measured.sweeps, values)
    texts += _maps_hold(measured.sweeps, values)
    if n < FEWEST:
        return Answer(values, _marks_table(measured.marks), (*texts, "too_few"))
    texts += _methods_compared(measured.marks, n_outlined, values)
    return Answer(values, _marks_table(measured.marks), (*texts, "lesson"))


def _drawn(recognised: np.ndarray, n_classes: int) -> dict[str, object]:
    share, low, high, n = share_interval(recognised)
    return {
        "drawn_recognised": share, "drawn_low": low, "drawn_high": high, "chance": 1 / n_classes,
        "beyond_chance": metrics.significantly_above_chance(share, n, n_classes),
    }


def _answers_hold(sweeps: dict[str, Sweep], values: dict[str, object]) -> list[str]:
    """Say how often the network's answer stays, and under which transformation least."""
    kept = {name: sweep.kept.mean(axis=1) for name, sweep in sweeps.items()}
    mean, low, high, n = metrics.mean_interval(np.mean(list(kept.values()), axis=0))
    strengths = len(next(iter(sweeps.values())).strengths)
    # Student's interval may reach beyond what a share can be.
    values |= {"kept": mean, "kept_low": max(low, 0.0), "kept_high": min(high, 1.0), "strengths": strengths}
    texts = ["kept" if n > 1 else "kept_one_image"]
    if len(kept) > 1 and n >= FEWEST:
        means = {name: float(each.mean()) for name, each in kept.items()}
        worst = min(means, key=means.get)
        behind = [name for name in kept if name != worst and _beyond(kept[name], kept[worst])]
        values |= {"worst": Word(worst), "worst_kept": means[worst], "n_others": len(kept) - 1}
        tied = [name for name in kept if name != worst and name not in behind]
        values |= {"tied": [Word(name) for name in tied], "milder": [Word(name) for name in behind]}
        texts.append(f"worst_{_how_many(behind, len(kept) - 1)}")
    return texts


def _beyond(first: np.ndarray, second: np.ndarray) -> bool:
    """Say whether the first is greater, image by image, beyond the chance of which images there are."""
    difference = first - second
    defined = difference[~np.isnan(difference)]
    if len(defined) < FEWEST:
        return False
    if np.ptp(defined) == 0:
        return bool(defined[0] > 0)
    return metrics.mean_interval(defined)[1] > 0


def _maps_hold(sweeps: dict[str, Sweep], values: dict[str, object]) -> list[str]:
    """Say how alike maps stay, and whether less so where the answer changes."""
    similarity = np.concatenate([sweep.similarity for sweep in sweeps.values()], axis=1)
    kept = np.concatenate([sweep.kept for sweep in sweeps.values()], axis=1)
    per_image = np.array([_mean(row) for row in similarity])
    mean, low, high, n = metrics.mean_interval(per_image)
    values |= {"similarity": mean, "similarity_low": low, "similarity_high": min(high, 1.0)}
    if not n:
        return ["no_maps"]
    values["verdict"] = Word(f"verdict_{'steady' if mean >= STEADY else 'change' if mean >= BROKEN else 'break'}")
    texts = ["maps" if n > 1 else "maps_one_image"]
    both = [
        (_mean(row[same]), _mean(row[~same]))
        for row, same in zip(similarity, kept, strict=True) if same.any() and not same.all()
    ]
    difference = np.array([stayed - changed for stayed, changed in both])
    mean, low, high, n = metrics.mean_interval(difference)
    values |= {
        "n_both": n, "where_kept": _mean([stayed for stayed, _ in both]),
        "where_lost": _mean([changed for _, changed in both]),
    }
    if n < FEWEST:
        return [*texts, "both_too_few"]
    return [*texts, "changes_with_answer" if low > 0 else "changes_against" if high < 0 else "changes_alone"]


def _methods_compared(marks: dict[str, Marks], n_outlined: int, values: dict[str, object]) -> list[str]:
    """Rank the methods, against each other and against maps that know nothing."""
    methods = {name: each for name, each in marks.items() if name != RANDOM}
    robust = "geometric" if _any(methods, "geometric") else "photometric"
    texts = []
    for measure in (*(["iou"] if n_outlined >= FEWEST else []), "faithfulness", robust):
        texts += _ranked(measure, methods, values)
    if RANDOM in marks:
        for measure in ("iou", "faithfulness"):
            if measure == "iou" and n_outlined < FEWEST:
                continue
            mark = MEASURES[measure]
            no_better = [
                each.label for each in methods.values() if not _beyond(mark(each), mark(marks[RANDOM]))
            ]
            values |= {f"{measure}_no_better": no_better, f"{measure}_random": _mean(mark(marks[RANDOM]))}
            texts.append(f"{measure}_random_{_how_many(no_better, len(methods))}")
    return texts + _agreement(methods, n_outlined, values)


def _any(methods: dict[str, Marks], measure: str) -> bool:
    return any(not np.isnan(MEASURES[measure](each)).all() for each in methods.values())


def _ranked(measure: str, methods: dict[str, Marks], values: dict[str, object]) -> list[str]:
    """Name the text that says which method is first in a measure, and which ones cannot be told from it."""
    found = {name: MEASURES[measure](each) for name, each in methods.items()}
    means = {name: _mean(each) for name, each in found.items()}
    means = {name: mean for name, mean in means.items() if math.isfinite(mean)}
    if len(means) < 2:
        return []
    best = max(means, key=means.get)
    behind = [name for name in means if name != best and _beyond(found[best], found[name])]
    tied = [name for name in means if name != best and name not in behind]
    values |= {
        f"{measure}_best": methods[best].label, f"{measure}_mean": means[best],
        f"{measure}_tied": [methods[name].label for name in tied],
        f"{measure}_behind": [methods[name].label for name in behind],
    }
    return [f"{measure}_{'equal' if not behind else 'tied' if tied else 'alone'}"]


def _agreement(methods: dict[str, Marks], n_outlined: int, values: dict[str, object]) -> list[str]:
    """Say whether the methods that find the object are those that find what the network uses; and which need none."""
    texts = []
    if n_outlined >= FEWEST and len(methods) >= 5:
        place, use = ([_mean(MEASURES[name](each)) for each in methods.values()] for name in ("iou", "faithfulness"))
        if np.isfinite([*place, *use]).all() and np.ptp(place) > 0 and np.ptp(use) > 0:
            correlation, probability = stats.spearmanr(place, use)
            values |= {"agreement": float(correlation), "n_methods": len(methods)}
            texts.append("unrelated" if probability > LEVEL else "agree" if correlation > 0 else "disagree")
    agnostic = {name: each for name, each in methods.items() if not each.of_class}
    of_class = {name: each for name, each in methods.items() if each.of_class}
    if n_outlined >= FEWEST and agnostic and of_class:
        best = max(of_class, key=lambda name: _mean(of_class[name].iou))
        as_good = [each.label for each in agnostic.values() if not _beyond(of_class[best].iou, each.iou)]
        values |= {"agnostic": [each.label for each in agnostic.values()], "as_good": as_good,
                   "best_of_class": of_class[best].label}
        texts.append("agnostic_as_good" if as_good else "agnostic_behind")
    return texts


def _marks_table(marks: dict[str, Marks]) -> pd.DataFrame:
    """Tabulate mean and half the 95 % interval of each measure."""
    used = [name for name in MEASURES if _any(marks, name)]
    rows = []
    for name, each in marks.items():
        row: dict[str, object] = {"method": Word("random_map") if name == RANDOM else each.label}
        for measure in used:
            mean, low, high, _ = interval(measure, MEASURES[measure](each))
            row[measure] = (mean, (high - low) / 2)
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)
