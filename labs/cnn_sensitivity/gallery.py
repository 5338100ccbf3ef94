"""The network, what it is shown, and the maps of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Literal

import numpy as np

from labs.cnn_sensitivity.config import ROLES, SHIPPED, Config, Recipe
from mi204 import backbones, results
from mi204.backbones import Backbone
from mi204.datasets import DataChoice, cifar10, photographs, pictures, samples
from mi204.datasets.photographs import Photograph
from mi204.errors import DataError, SettingError
from mi204.explain import METHODS, Explainer, Explanation, faithfulness, similarity
from mi204.explain.maps import normalised, resized
from mi204.language import Text

IMAGENET = "mobilenet_v2_1.0"
POOL = 250
"""Test images, drawn at random, among which the handout's three are looked for."""


@dataclass(frozen=True, eq=False)
class Gallery:
    """A network, and what to show it."""

    backbone: Backbone
    name: str
    source: Literal["real", "sample"]
    notice: Text | None
    shown: tuple[Photograph, ...]
    """Pictures of the network's size, those for question 3.5 first."""
    drawn: tuple[Photograph, ...] = ()
    """Drawn scenes with outlines, where the pictures have none."""
    own: bool = False
    """Whether the first three are the user's: one object, several, none."""

    @cached_property
    def fingerprint(self) -> str:
        """Tell these weights, images and outlines from any others."""
        every = [(each.image, np.array(each.mask)) for each in (*self.shown, *self.drawn)]
        arrays = [array for pair in every for array in pair] + self.backbone.model.get_weights()
        names = [[each.name, each.answers] for each in (*self.shown, *self.drawn)]
        return results.digest(names, [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in arrays])


@cache
def load_backbone(name: str, data: DataChoice) -> tuple[Backbone, Text | None]:
    """Load the network, and say why where another stands in for it."""
    if name != "auto":
        return backbones.load(name, insist=data == "real"), None
    if data == "sample":
        return backbones.load(SHIPPED), None
    try:
        return backbones.load(IMAGENET, insist=data == "real"), None
    except DataError as error:
        if data == "real":
            raise
        return backbones.load(SHIPPED), error.text


def load_data(config: Config) -> Gallery:
    """Load the network and its pictures: the user's, known photographs, CIFAR-10 or drawn scenes."""
    backbone, notice = load_backbone(config.recipe.backbone, config.data)
    if config.images:
        own = photographs.own(config.images)
        if len(own) < len(ROLES):
            raise SettingError(
                "Expected at least three pictures in images, with one object of the class, several and none, in this "
                "order, received {n}: give more after --images.",
                "Au moins trois images attendues dans images, avec un objet de la classe, plusieurs et aucun, dans "
                "cet ordre, {n} reçu : en donner plus après --images.",
                n=len(own),
            )
        return Gallery(backbone, f"{len(own)} photos (--images)", "real", notice, _fitted(own, backbone), own=True)
    if backbone.name != SHIPPED:
        if config.data == "sample":
            raise SettingError(
                "Expected --backbone cifar10 with --data sample, received {name}: the drawn images show CIFAR-10's "
                "classes.",
                "--backbone cifar10 attendu avec --data sample, {name} reçu : les images dessinées montrent les "
                "classes de CIFAR-10.",
                name=backbone.name,
            )
        known = _photographs(config.data)
        return Gallery(backbone, f"{len(known)} photos", "real", notice, _fitted(known, backbone))
    n = max(POOL, config.n_images)
    data = cifar10.load(config.data, n_train=0, n_test=n)
    order = np.random.default_rng(config.recipe.seed).permutation(len(data.x_test))[:n]
    masks = data.masks_test if data.masks_test is not None else [None] * len(data.x_test)
    shown = tuple(
        Photograph(
            f"{data.name} #{index}", data.x_test[index], answers=(data.classes[data.y_test[index]],), count=1,
            mask=masks[index],
        )
        for index in order
    )
    drawn = ()
    if data.source == "real":
        scenes = samples.scenes(samples.TEST, config.n_images)
        drawn = tuple(
            Photograph(f"#{index}", image, answers=(data.classes[label],), count=1, mask=mask)
            for index, (image, label, mask) in enumerate(zip(*scenes, strict=True))
        )
    return Gallery(backbone, data.name, data.source, notice or data.notice, shown, drawn)


def _photographs(data: DataChoice) -> list[Photograph]:
    """Load the known photographs that are to be had, the one with an outline and a class first."""
    found = []
    for name in photographs.NAMES:
        try:
            found += photographs.load([name], insist=data == "real" and name in photographs.ONLINE)
        except DataError:
            if data == "real" and name in photographs.ONLINE:
                raise
    return sorted(found, key=lambda each: each.mask is None or not each.answers)


def _fitted(every: Iterable[Photograph], backbone: Backbone) -> tuple[Photograph, ...]:
    """Bring pictures and outlines to the network's size."""
    size = backbone.input_size
    return tuple(
        replace(
            each,
            image=pictures.resize(each.image, *size),
            mask=None if each.mask is None else pictures.resize(each.mask, *size),
        )
        for each in every
    )


class Looker:
    """Makes maps of pictures, uint8 or float32 (n, h, w, 3) from 0 to 255, by the setup's engine."""

    def __init__(self, backbone: Backbone, recipe: Recipe) -> None:
        """Take a network and a setup."""
        self.backbone, self.recipe = backbone, recipe
        self.explainer = Explainer(backbone.model, recipe.layer or None)

    def __call__(self, shown: np.ndarray, method: str, targets: np.ndarray | int | None = None) -> Explanation:
        """Explain pictures for their targets, by default the classes that the network names."""
        inputs = self.backbone.preprocess(shown)
        if self.recipe.engine == "native":
            return self.explainer(inputs, method, targets, seed=self.recipe.seed)
        from mi204.interop import tf_keras_vis

        seen = self.explainer(inputs, "gradcam", targets)  # scores and answers; the maps come from elsewhere
        layer = None if method == "saliency" else seen.layers[0]
        raw = tf_keras_vis.raw_maps(self.backbone.model, inputs, seen.targets, method, layer)
        maps = normalised(resized(raw, inputs.shape[1:3]))  # tf-keras-vis rectifies
        constant = tuple(("constant",) if flat else () for flat in similarity.constant(maps))
        return replace(seen, method=METHODS[method], raw=raw, maps=maps, diagnostics=constant)

    def maps_of(self, method: str) -> faithfulness.MapsOf:
        """Give the function from pictures and targets to maps and probabilities."""

        def maps_of(shown: np.ndarray, targets: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            found = self(shown, method, targets)
            return found.maps, found.probabilities

        return maps_of


@dataclass(frozen=True, eq=False)
class Chosen:
    """One of the handout's three pictures."""

    picture: Photograph
    objects: np.ndarray | None = None
    """Number of the object that each pixel belongs to, where it is known."""
    composed: bool = False
    among: int = 1
    """From how many pictures of the class it was chosen."""


def choose(config: Config, gallery: Gallery) -> tuple[int, dict[str, Chosen]]:
    """Choose the class and the handout's three pictures: of those with one object, the one named most surely.

    Raises SettingError for a class that the network does not have, or of which there is no picture.
    """
    classes, asked = gallery.backbone.classes, config.recipe.target_class
    if asked and asked not in classes:
        raise SettingError(
            "Expected target_class to be one of the {n:,} classes of {backbone}, such as {some}, received {asked!r}: "
            "change --target-class.",
            "target_class parmi les {n:,} classes de {backbone}, comme {some}, attendue, {asked!r} reçu : changer "
            "--target-class.",
            n=len(classes), backbone=gallery.backbone.name, some=", ".join(classes[:3]), asked=asked,
        )
    answers = look_at(gallery.backbone, gallery.shown)
    if gallery.own:
        target = classes.index(asked) if asked else int(answers[0].argmax())
        return target, {role: Chosen(each) for role, each in zip(ROLES, gallery.shown, strict=False)}
    if not asked:
        index = next(index for index, each in enumerate(gallery.shown) if each.answers)
        asked = max(gallery.shown[index].answers, key=lambda name: answers[index, classes.index(name)])
    target = classes.index(asked)
    having = [index for index, each in enumerate(gallery.shown) if asked in each.answers]
    if not having:
        known = sorted({name for each in gallery.shown for name in each.answers})
        raise SettingError(
            "Expected target_class to be one of which there is a picture, {known}, received {asked!r}: choose one of "
            "them, or give pictures of your own after --images.",
            "target_class dont il y a une image, {known}, attendue, {asked!r} reçu : en choisir une, ou donner ses "
            "propres images après --images.",
            known=", ".join(known), asked=asked,
        )
    having.sort(key=lambda index: -answers[index, target])
    same = [gallery.shown[index] for index in having]
    others = [each for each in gallery.shown if asked not in each.answers]
    none = next((each for each in others if each.mask is not None), others[0])
    return target, {
        "one": Chosen(same[0], _numbered(same[0]), among=len(same)),
        "several": Chosen(*composed(same), composed=True),
        "none": Chosen(none, _numbered(none)),
    }


def look_at(backbone: Backbone, shown: Sequence[Photograph]) -> np.ndarray:
    """Give what the network answers to pictures of its size: probabilities (n, classes)."""
    return Explainer(backbone.model).predict(backbone.preprocess(np.stack([each.image for each in shown])))


def _numbered(each: Photograph) -> np.ndarray | None:
    return None if each.mask is None else each.mask.astype(np.uint8)


def composed(same: Sequence[Photograph]) -> tuple[Photograph, np.ndarray]:
    """Put four pictures of one class together, mirrored where they come again, and number their objects from 1."""
    height, width = same[0].image.shape[:2]
    image, objects = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    for number in range(4):
        each = same[number % len(same)]
        step = -1 if number // len(same) % 2 else 1
        rows = slice(0, height // 2) if number < 2 else slice(height // 2, height)
        columns = slice(0, width // 2) if number % 2 == 0 else slice(width // 2, width)
        part = objects[rows, columns]
        image[rows, columns] = pictures.resize(each.image, *part.shape)[:, ::step]
        there = np.ones(part.shape, bool) if each.mask is None else pictures.resize(each.mask, *part.shape)[:, ::step]
        part[there] = number + 1
    outlined = all(each.mask is not None for each in same[:4])
    names = ", ".join(dict.fromkeys(each.name for each in same[:4]))
    return Photograph(names, image, mask=objects > 0 if outlined else None), objects
