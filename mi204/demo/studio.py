"""What the page shows, without the page: predictions, maps, and whether a map follows its transformed picture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mi204 import backbones
from mi204.datasets import cifar10, photographs
from mi204.datasets.photographs import Photograph
from mi204.errors import DataError
from mi204.explain import Explainer, Explanation
from mi204.explain.layers import candidates
from mi204.explain.similarity import MEASURES
from mi204.explain.transformations import TRANSFORMATIONS

N_TOP = 5
"""Classes that are named with their probabilities."""
_SEED = 0


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as a network sees it, and the explanation of what the network says of it."""

    image: np.ndarray
    """uint8 (h, w, 3), of the network's size."""
    explanation: Explanation
    """Of this one picture."""

    @property
    def map(self) -> np.ndarray:
        """Give the map, (h, w) in [0, 1]."""
        return self.explanation.maps[0]

    @property
    def target(self) -> int:
        """Give the class that is explained."""
        return int(self.explanation.targets[0])

    @property
    def probabilities(self) -> np.ndarray:
        """Give what the network answers, (classes,)."""
        return self.explanation.probabilities[0]

    def top(self) -> list[tuple[int, float]]:
        """Give the likeliest classes, the likeliest first, with their probabilities."""
        best = np.argsort(-self.probabilities, kind="stable")[:N_TOP]
        return [(int(each), float(self.probabilities[each])) for each in best]


@dataclass(frozen=True, eq=False)
class Followed:
    """A transformed picture, its map, and the map that was to be expected."""

    seen: Seen
    expected: np.ndarray
    """The map of the picture itself, moved as its pixels were, (h, w)."""
    similarities: dict[str, float]
    """Of the two maps, by the measures of ``mi204.explain.similarity``, where both have pixels; NaN if one is empty."""


class Studio:
    """Networks that stay loaded, and explanations that are not made twice; for one thread at a time."""

    def __init__(self) -> None:
        """Start without any network."""
        self.backbone = lru_cache(maxsize=2)(backbones.load)
        self._explainer = lru_cache(maxsize=8)(self._new_explainer)
        self.see = lru_cache(maxsize=16)(self._see)
        self.follow = lru_cache(maxsize=16)(self._follow)

    def layers(self, network: str) -> list[str]:
        """Give the paths of the layers where a map can be made, the last first."""
        backbone = self.backbone(network)
        prepared, _ = backbone.prepare([np.zeros((8, 8, 3), np.uint8)])
        found = candidates(self._explainer(network, None).survey(prepared), sides=2)
        return list(dict.fromkeys(call.path for call in reversed(found)))

    def _new_explainer(self, network: str, layer: str | None) -> Explainer:
        return Explainer(self.backbone(network).model, layer)

    def _see(
        self, photograph: Photograph, network: str, method: str, layer: str | None = None, target: int | None = None
    ) -> Seen:
        """Explain a photograph; by default the predicted class, at the layer that the library chooses.

        Raises what ``backbones.load`` and ``Explainer`` raise.
        """
        prepared, shown = self.backbone(network).prepare([photograph.image])
        return Seen(shown[0], self._explainer(network, layer)(prepared, method, target))

    def _follow(self, seen: Seen, network: str, layer: str | None, transformation: str, strength: float) -> Followed:
        """Transform what was seen, explain the same class by the same method, and compare the maps.

        Raises SettingError for a strength that the transformation cannot have.
        """
        chosen, shape = TRANSFORMATIONS[transformation], seen.image.shape[:2]
        parameters = chosen.draw(np.random.default_rng(_SEED), strength, shape)
        moved = chosen.apply(seen.image[np.newaxis], parameters)
        prepared = self.backbone(network).preprocess(moved)
        explanation = self._explainer(network, layer)(prepared, seen.explanation.method.name, seen.target)
        expected, valid = chosen.warp(seen.explanation.maps, parameters), chosen.valid(parameters, shape)[np.newaxis]
        similarities = {
            name: float(measure(explanation.maps, expected, valid)[0]) for name, measure in MEASURES.items()
        }
        return Followed(Seen(moved[0].round().astype(np.uint8), explanation), expected[0], similarities)


def examples() -> list[Photograph]:
    """Give the photographs that can be had, else the drawn sample: never nothing."""
    found = []
    for name in photographs.NAMES:
        try:
            found += photographs.load([name], insist=False)
        except DataError:
            continue
    if found:
        return found
    sample = cifar10.load("sample", n_train=len(cifar10.CLASSES), n_test=len(cifar10.CLASSES))
    return [
        Photograph(str(sample.classes[label]), image) for image, label in zip(sample.x_test, sample.y_test, strict=True)
    ]
