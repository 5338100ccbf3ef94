# %% [markdown]
# # What a convolutional network looks at, and how sensitive it is
# Handout 000, part 3: maps of what counts for a class, on pictures with one object of it, several and none, on variants
# of a picture, and over many images and methods. Nothing is trained.

# %%
"""The science of the lab, from top to bottom: network, images, maps, what is compared; a notebook too."""

from __future__ import annotations

import contextlib
import inspect
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np
from tqdm import tqdm

from labs.cnn_sensitivity.config import ROLES, SHIPPED, Config
from labs.cnn_sensitivity.gallery import Gallery, Looker, choose, load_backbone, load_data
from labs.cnn_sensitivity.judged import judge, outlined_of, seen, shown_of, stacked, sweep
from labs.cnn_sensitivity.measured import Explained, Marks, Measured, Picture, Setup, Sweep, Variants
from mi204 import backend, paths, questions, results, studies
from mi204.errors import DataError, SettingError
from mi204.explain import DIAGNOSTICS, METHODS, Explanation, faithfulness, layers, similarity
from mi204.explain.transformations import TRANSFORMATIONS, Geometric, variants

# %% [markdown]
# ## Network and images
# MobileNetV2 with its ImageNet weights and photographs, where they can be had; otherwise, or if asked for, the small
# network that comes with the library, with CIFAR-10 or drawn scenes. Scenes know where their object is.
# `gallery.py` loads them, and makes the maps of what it is shown: `Looker`.


# %%
def networks(config: Config) -> list[keras.Model]:
    """Give the network to summarise, if it is the library's own: others would fill screens."""
    backbone, _ = load_backbone(config.recipe.backbone, config.data)
    return [backbone.model] if backbone.name == SHIPPED else []


# %% active="ipynb"
# %matplotlib inline
# from labs.cnn_sensitivity.config import PRESETS
# from mi204 import plots
#
# config = PRESETS["quick"]  # PRESETS["course"] for MobileNetV2 and photographs
# gallery = load_data(config)
# footing = {"title": "Twelve images", "footer": gallery.name, "language": "en"}
# twelve = gallery.shown[:12]
# plots.examples(np.stack([each.image for each in twelve]), [", ".join(each.answers) for each in twelve], **footing)

# %% active="ipynb"
# gallery.backbone.model.summary()

# %% [markdown]
# ## Maps
# `mi204.explain` looks on while the network answers: the layers' answers and the gradients there give the maps, with
# the scores of the same pass.


# %%
PER_MAP = ("ablationcam", "iscam", "scorecam", "sscam")
"""Methods that ask the network once for every map of the layer."""
PERTURBED = (*PER_MAP, "faster_scorecam", "occlusion", "rise")


def passes(method: str, channels: int) -> int:
    """Count the images that a method sends through the network for one map, by its own settings."""
    settings = inspect.signature(METHODS[method].function).parameters
    repeats = math.prod(settings[name].default for name in ("samples", "steps", "masks") if name in settings)
    return repeats * (channels if method in PER_MAP else 1)


def family(found: Explanation) -> str:
    """Name what a map is made of."""
    if found.method.name in PERTURBED:
        return "perturbed"
    if found.method.place == "input" or found.raw.ndim == 4:
        return "input"
    return "layer" if found.method.of_class else "any_class"


# %% active="ipynb"
# look = Looker(gallery.backbone, config.recipe)
# image = twelve[0].image
# found = look(image[None], "gradcam")
# named = gallery.backbone.classes[found.targets[0]]
# plots.overlays(image[None], found.maps, [named], **(footing | {"title": "What counts for the class named"}))

# %% [markdown]
# ## The handout's three pictures
# One object of the class; several, put together from four pictures where no photograph is at hand; none.


# %%
def three_pictures(config: Config, gallery: Gallery, look: Looker) -> tuple[int, dict[str, Picture], Explanation]:
    """Explain the handout's three pictures for the class."""
    target, chosen = choose(config, gallery)
    classes = gallery.backbone.classes
    found = look(np.stack([chosen[role].picture.image for role in ROLES]), config.recipe.method, target)
    raw = found.raw if found.raw.ndim == 3 else np.abs(found.raw).max(axis=-1)
    shown = {}
    for index, role in enumerate(ROLES):
        each = chosen[role]
        probabilities = found.probabilities[index]
        shown[role] = Picture(
            role=role, name=each.picture.name, remarks=list(each.picture.remarks), composed=each.composed,
            among=each.among, image=each.picture.image, objects=each.objects, outlined=each.picture.mask is not None,
            raw=raw[index], map=found.maps[index], score=float(found.scores[index]),
            probability=float(probabilities[target]), predicted=classes[probabilities.argmax()],
            confidence=float(probabilities.max()),
            diagnostics=[
                {language: DIAGNOSTICS[name].written(language) for language in ("en", "fr")}
                for name in found.diagnostics[index]
            ],
        )
    return target, shown, found


def describe(gallery: Gallery, target: int, found: Explanation) -> Setup:
    """Describe the setup."""
    backbone = gallery.backbone
    return Setup(
        backbone=backbone.name, trained_on=backbone.source, remark=backbone.remark,
        parameters=backbone.model.count_params(), side=list(backbone.input_size), n_classes=len(backbone.classes),
        accuracy=backbone.accuracy, method=found.method.label, paper=found.method.paper, layer=", ".join(found.layers),
        map_side=list(found.raw.shape[1:3]), target=backbone.classes[target],
        reason={language: found.reason.written(language) for language in ("en", "fr")},
    )


# %% [markdown]
# ## Every method on one picture
# What it shows, for this class and for the likeliest other one, and what it costs.

# %%
REPETITIONS, SECONDS = 11, 2.0
"""How often the cost of a map is measured, at least once, and after how many seconds no more."""


def explain_one(method: str, picture: Picture, target: int, look: Looker) -> Explained:
    """Make a method's map of the picture, measure it and its cost."""
    shown = picture.image[None]
    inputs = look.backbone.preprocess(shown)
    look.explainer.predict(inputs)  # compiles
    found = look(shown, method, target)  # compiles
    other = int(np.argsort(found.probabilities[0])[-1 if found.probabilities[0].argmax() != target else -2])
    elsewhere: list[Explanation] = []
    costs = _costs(
        lambda: elsewhere.append(look(shown, method, other)), lambda: look.explainer.predict(inputs)
    )
    own = found.maps[0]
    inside = math.nan
    if picture.outlined:
        inside = float(faithfulness.energy_inside(found.maps, picture.objects[None] > 0)[0])
    return Explained(
        label=found.method.label, paper=found.method.paper, family=family(found), map=own,
        side=list(found.raw.shape[1:3]), costs=costs,
        other_class=float(similarity.pearson(found.maps, elsewhere[0].maps)[0]),
        compactness=_compactness(own), inside=inside,
    )


def _costs(explain: Callable[[], object], answer: Callable[[], object]) -> list[float]:
    """Give the time of one call divided by that of the other just before: what slows the machine slows both."""
    costs: list[float] = []
    started = time.perf_counter()
    while len(costs) < REPETITIONS and (not costs or time.perf_counter() - started < SECONDS):
        times = [time.perf_counter()]
        for call in (answer, explain):
            call()
            times.append(time.perf_counter())
        costs.append((times[2] - times[1]) / (times[1] - times[0]))
    return costs


def _compactness(one: np.ndarray) -> float:
    """Give the share of the pixels, the strongest ones, that hold half of a map's sum."""
    strongest = np.cumsum(-np.sort(-one.ravel().astype(np.float64)))
    if strongest[-1] == 0:
        return math.nan
    return float((np.searchsorted(strongest, strongest[-1] / 2) + 1) / one.size)


# %% [markdown]
# ## Ten variants by two transformations
# Of the picture with one object; the map is compared with what it should become: where pixels move, with the map moved
# as they were, over those that come from inside the picture.


# %%
def vary(config: Config, name: str, picture: Picture, target: int, look: Looker) -> Variants:
    """Change the picture in n ways and make its maps."""
    transformation = TRANSFORMATIONS[name]
    recipe, size = config.recipe, picture.image.shape[:2]
    strengths, moved = None, None
    if config.augmenter == "imgaug":
        from mi204.interop import imgaug

        images = imgaug.variants(picture.image, name, config.n_variants, recipe.seed)
    else:
        drawn = variants(transformation, config.n_variants, size, recipe.seed)
        strengths = [strength for strength, _ in drawn]
        changed = [transformation.apply(picture.image[None].astype(np.float32), each)[0] for _, each in drawn]
        images = np.round(changed).astype(np.uint8)
    found = look(images, recipe.method, target)
    before = np.repeat(picture.map[None], len(images), axis=0)
    if strengths is not None:
        valid = np.stack([transformation.valid(each, size) for _, each in drawn])
        expected = np.stack([transformation.warp(picture.map[None], each)[0] for _, each in drawn])
        moved = similarity.pearson(found.maps, expected, valid).tolist()
    difference = (images.astype(np.float64) - picture.image) / 255
    return Variants(
        transformation=name, geometric=isinstance(transformation, Geometric), unit=transformation.unit,
        strengths=strengths, changes=np.sqrt((difference**2).mean(axis=(1, 2, 3))).tolist(), images=images,
        maps=found.maps, scores=found.scores.astype(float).tolist(),
        predicted=[look.backbone.classes[index] for index in found.probabilities.argmax(axis=1)],
        still=similarity.pearson(found.maps, before).tolist(), moved=moved,
    )


# %% [markdown]
# ## Many images
# `judged.py` judges each method's maps, explained for the class that the network names, by what the network uses (drop,
# insertion, deletion) and by whether they follow transformations; on images whose object is outlined, explained for
# their true class, by whether they lie on it.


# %%
def channels_of(gallery: Gallery, look: Looker) -> int:
    """Count the maps of the layer where maps are made."""
    shown = gallery.shown[0].image[None]
    (path,) = look(shown, "gradcam").layers
    return layers.find(look.explainer.survey(gallery.backbone.preprocess(shown)), path).channels


def offered(config: Config) -> list[str]:
    """Give the methods that the engine has.

    Raises SettingError for a name in the settings that is none of them.
    """
    there = list(METHODS)
    if config.recipe.engine == "tf_keras_vis":
        from mi204.interop import tf_keras_vis

        there = [name for name in METHODS if name in tf_keras_vis.METHODS]
    for name in (config.recipe.method, *config.methods):
        if name not in there and not (name == "all" and name in config.methods):
            raise SettingError(
                "Expected method and methods among {names}, received {name!r}: change --method or --methods.",
                "method et methods parmi {names} attendues, {name!r} reçu : changer --method ou --methods.",
                names=", ".join(there), name=name,
            )
    return there


def chosen_methods(config: Config, channels: int) -> tuple[list[str], list[str], list[str]]:
    """Give the methods that question 3.1 shows, those that need too many passes, and those that 3.5 compares."""
    there = offered(config)
    dear = [name for name in there if passes(name, channels) > config.most_passes]
    shown = [name for name in there if name not in dear]
    asked = there if "all" in config.methods else [config.recipe.method, *config.methods]
    return shown, dear, [name for name in shown if name in asked]


def run(
    config: Config, data: Gallery | None = None, folder: Path | None = None, progress: bool = False
) -> Measured:
    """Measure all that the chosen questions need.

    ``data`` replaces the network and the download. ``folder`` remembers what is finished; without it nothing is
    written. ``progress`` shows one bar over what is measured.
    """
    config.require_packages()
    needed = questions.needed("cnn_sensitivity", config.questions)
    offered(config)  # before anything takes time
    gallery = load_data(config) if data is None else data
    look = Looker(gallery.backbone, config.recipe)
    target, pictures, found = three_pictures(config, gallery, look)
    channels = channels_of(gallery, look)
    origin = studies.origin("labs.cnn_sensitivity.lab", gallery.fingerprint)
    own = replace(config, questions=(), language="en", data="auto", preset="course", methods=(), most_passes=1)
    refused: dict[str, None] = {}

    plan: list[tuple[type, str, str, Callable[[], object]]] = []
    can, dear, compared = chosen_methods(config, channels)
    one = pictures["one"]
    if "explained" in needed:
        plan += [(Explained, "explained", name, lambda name=name: explain_one(name, one, target, look)) for name in can]
    if "variants" in needed:
        plan += [
            (Variants, "variants", name, lambda name=name: vary(config, name, one, target, look))
            for name in config.transformations
        ]
    shown, outlined = shown_of(config, gallery), outlined_of(config, gallery)
    if "marks" in needed:
        plan += [
            (Marks, "marks", name, lambda name=name: judge(name, config, shown, outlined, look))
            for name in [*compared, "random"]
        ]
        images = stacked(shown)
        plan += [
            (Sweep, "sweeps", name, lambda name=name: sweep(config, name, images, look))
            for name in config.transformations
        ]
    measured: dict[str, dict] = {}
    with paths.given_or_temporary(folder) as folder, tqdm(total=len(plan), disable=not (progress and plan)) as bar:
        for kind, study, name, measure in plan:
            bar.set_description(f"{study} {name}")
            key = results.digest(study, name, asdict(own), origin)
            try:
                measured.setdefault(study, {})[name] = remembered(kind, folder / key, measure)
            except SettingError:  # a network without ReLU, without a dense head: some methods cannot be had of it
                if name == config.recipe.method or name in config.transformations:
                    raise
                refused[name] = None
            bar.update()
    return Measured(
        config=config,
        data=gallery.name,
        source=gallery.source,
        origin=origin,
        environment=backend.environment(),
        runs=[],
        setup=describe(gallery, target, found),
        pictures=pictures,
        images=seen(shown, outlined, bool(gallery.drawn), config.recipe.method, look) if "marks" in needed else None,
        left_out=[METHODS[name].label for name in dear] if "explained" in needed else None,
        refused=[METHODS[name].label for name in refused] if "explained" in needed else None,
        **measured,
    )


Found = TypeVar("Found")


def remembered(kind: type[Found], folder: Path, measure: Callable[[], Found]) -> Found:
    """Read what an earlier run had measured; otherwise measure and write it."""
    with contextlib.suppress(DataError):
        return results.load(kind, folder)
    found = measure()
    results.save(found, folder)
    return found


# %% active="ipynb"
# from labs.cnn_sensitivity import answers, figures
#
# measured = run(config, gallery)
# drawn = figures.figures(measured, "en")
# drawn["3.3_pictures"]

# %% active="ipynb"
# from IPython.display import Markdown
#
# Markdown("\n\n".join(each.render(measured, "en") for each in questions.of_lab("cnn_sensitivity").values()))
