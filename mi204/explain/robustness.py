"""Do maps follow their image: ``M(T x)`` against ``T M(x)``.

For a geometric transformation T that is equivariance, for a photometric one, which leaves a map where it is,
invariance (Crabbé and van der Schaar 2304.06715, COSE 2309.10989). Only pixels that come from inside the original image
are compared. The network is known as a function alone, and all draws are numpy's: every backend sees the same images.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mi204 import metrics
from mi204.errors import SettingError
from mi204.explain.faithfulness import MapsOf
from mi204.explain.similarity import MEASURES, normalised
from mi204.explain.transformations import Parameters, Transformation


def measure(
    maps_of: MapsOf,
    images: np.ndarray,
    transformations: Sequence[Transformation],
    *,
    seed: int,
    n_strengths: int = 10,
    n_variants: int = 1,
    value_range: tuple[float, float] = (0, 255),
) -> pd.DataFrame:
    """Transform images ``(n, h, w, c)`` more and more strongly, and compare their maps with what they should become.

    Each transformation has ``n_strengths`` strengths, evenly spread over its range without 0, and ``n_variants`` draws
    of each. A draw depends on the seed, the transformation, the variant and the image, not on the strength nor on what
    else is measured: along a curve one and the same change grows.

    One row for each transformation, ``strength``, ``variant``, ``image``, ``target`` and ``measure``, with its
    ``value``: ``target`` is ``original`` where the class explained is the one predicted for the original image, and
    ``predicted`` where it is the one predicted for the transformed image, as who has only this would see it. ``kept``
    says that the two are one; ``probability`` is that of the original class in the transformed image. Both maps are
    stretched to 0..1 over the pixels compared, by all of ``similarity.MEASURES``; ``value`` is NaN where one of the
    maps is constant there.

    Raises SettingError without an image, or for images beyond ``value_range``.
    """
    _check(images)
    maps, probabilities = maps_of(images, None)
    classes = probabilities.argmax(axis=1)
    parts = []
    for transformation in transformations:
        for strength in transformation.strengths(n_strengths):
            for variant in range(n_variants):
                drawn = _drawn(transformation, strength, variant, images, seed)
                parts.append(
                    _compared(maps_of, images, maps, classes, transformation, drawn, value_range).assign(
                        transformation=transformation.name, strength=strength, variant=variant
                    )
                )
    columns = ["transformation", "strength", "variant", "image", "target", "measure", "value", "kept", "probability"]
    return pd.concat(parts, ignore_index=True)[columns]


def _check(images: np.ndarray) -> None:
    if not len(images):
        raise SettingError(
            "Expected at least one image, received none: give some.",
            "Au moins une image attendue, aucune reçue : en donner.",
        )


def _drawn(
    transformation: Transformation, strength: float, variant: int, images: np.ndarray, seed: int
) -> list[Parameters]:
    """Draw the parameters of each image."""
    name = zlib.crc32(transformation.name.encode())
    generators = (np.random.default_rng([seed, name, variant, image]) for image in range(len(images)))
    return [transformation.draw(rng, strength, images.shape[1:3]) for rng in generators]


def _applied(
    transformation: Transformation, images: np.ndarray, drawn: list[Parameters], value_range: tuple[float, float]
) -> np.ndarray:
    return np.concatenate([transformation.apply(images[i : i + 1], each, value_range) for i, each in enumerate(drawn)])


def _compared(
    maps_of: MapsOf,
    images: np.ndarray,
    maps: np.ndarray,
    classes: np.ndarray,
    transformation: Transformation,
    drawn: list[Parameters],
    value_range: tuple[float, float],
) -> pd.DataFrame:
    """Compare the maps of images, each transformed by its own draw, with their transformed maps."""
    transformed = _applied(transformation, images, drawn, value_range)
    valid = np.stack([transformation.valid(each, images.shape[1:3]) for each in drawn])
    found, probabilities = maps_of(transformed, classes)
    predicted = probabilities.argmax(axis=1)
    kept = predicted == classes
    expected = normalised(
        np.concatenate([transformation.warp(maps[i : i + 1], each) for i, each in enumerate(drawn)]), valid
    )

    def similar(answer: np.ndarray, which: np.ndarray) -> dict[str, np.ndarray]:
        answer = normalised(answer, valid[which])
        return {name: each(expected[which], answer, valid[which]) for name, each in MEASURES.items()}

    everything = np.ones(len(images), dtype=bool)
    values = {"original": similar(found, everything)}
    values["predicted"] = {name: value.copy() for name, value in values["original"].items()}
    if not kept.all():
        changed, _ = maps_of(transformed[~kept], predicted[~kept])
        for name, value in similar(changed, ~kept).items():
            values["predicted"][name][~kept] = value
    parts = [
        pd.DataFrame(
            {
                "image": np.arange(len(images)),
                "target": target,
                "measure": name,
                "value": value,
                "kept": kept,
                "probability": probabilities[np.arange(len(images)), classes],
            }
        )
        for target, by_measure in values.items()
        for name, value in by_measure.items()
    ]
    return pd.concat(parts)


def summary(
    table: pd.DataFrame, by: Sequence[str] = ("transformation", "strength"), *, kept_only: bool = True
) -> pd.DataFrame:
    """Give the mean of each measure, with its 95 % interval over images, for each combination of the columns ``by``.

    A row for each combination, ``target`` and ``measure``. Each image counts once, with the mean of what was measured
    on it: variants of one image are no independent examples. ``mean``, ``low``, ``high`` (Student's t over images),
    ``n`` images; of transformed images whose prediction changed, none counts unless ``kept_only`` is False. ``kept`` is
    the share of the transformed images whose prediction was kept; ``n_undefined`` of those that count have no value, a
    map being constant. Without an image that counts, the mean is NaN.
    """
    keys = [*by, "target", "measure"]
    rows = []
    for group, found in table.groupby(keys, sort=False):
        counted = found[found["kept"]] if kept_only else found
        mean, low, high, n = metrics.mean_interval(counted.groupby("image")["value"].mean().to_numpy())
        rows.append(
            {
                **dict(zip(keys, group, strict=True)),
                "mean": mean,
                "low": low,
                "high": high,
                "n": n,
                "n_undefined": int(counted["value"].isna().sum()),
                "kept": found["kept"].mean(),
            }
        )
    return pd.DataFrame(rows)


def averaged_maps(
    maps_of: MapsOf,
    images: np.ndarray,
    targets: np.ndarray,
    variants: Sequence[tuple[Transformation, float]],
    *,
    seed: int,
    value_range: tuple[float, float] = (0, 255),
) -> np.ndarray:
    """Average the map of each image with those of its variants, led back to it: robust maps ``(n, h, w)`` in 0..1.

    ``variants`` are transformations and strengths, each drawn anew for every image. A pixel counts in those variants
    where it is still inside the image, and always in the original. The class explained stays ``targets`` ``(n,)``.

    Raises SettingError without an image, or for images beyond ``value_range``.
    """
    _check(images)
    maps, _ = maps_of(images, targets)
    total, count = maps.astype(np.float64), np.ones(maps.shape)
    for number, (transformation, strength) in enumerate(variants):
        drawn = _drawn(transformation, strength, number, images, seed)
        found, _ = maps_of(_applied(transformation, images, drawn, value_range), targets)
        for i, each in enumerate(drawn):
            inside = transformation.unwarp_valid(each, maps.shape[1:])
            total[i] += np.where(inside, transformation.unwarp(found[i : i + 1], each)[0], 0)
            count[i] += inside
    return (total / count).astype(np.float32)
