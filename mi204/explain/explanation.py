"""What is told of some images: maps, the prediction of the same pass, and what is wrong with a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mi204.explain.methods import Method
from mi204.language import Text


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of some images, and what the same pass told of them."""

    method: Method
    maps: np.ndarray
    """float32 ``(n, h, w)`` in [0, 1], of the size of the images: what is in favour of the target, each map scaled by
    its own range; zero where there is nothing to show."""
    raw: np.ndarray
    """What the method's formula gives, float32, in its own unit: ``(n, h', w')`` at a layer, ``(n, h, w, c)``, signed,
    at the input; no value is left out or scaled."""
    probabilities: np.ndarray
    """What the network answers, ``(n, classes)``: probabilities where the output is a class's, else its own numbers."""
    targets: np.ndarray | None
    """Class explained of each image, int64 (n,); None where the target is a function."""
    scores: np.ndarray
    """Score explained of each image, (n,): by default the logit of its target."""
    layers: tuple[str, ...]
    """Paths of the layers where the map was made; none at the input."""
    reason: Text
    """Why there."""
    diagnostics: tuple[tuple[str, ...], ...]
    """Of each image, what is wrong with its map, by the names of ``DIAGNOSTICS``."""
    numbers: dict[str, np.ndarray]
    """Numbers (n,) that the method gives beside its maps, such as ``completeness_gap``."""


DIAGNOSTICS: dict[str, Text] = {
    "all_negative": Text(
        "Nothing in the image speaks for this class at this layer: all that the map would show is negative.",
        "Rien dans l'image ne parle pour cette classe à cette couche : tout ce que montrerait la carte est négatif.",
    ),
    "constant": Text(
        "The map has the same value everywhere: it points nowhere.",
        "La carte a partout la même valeur : elle ne désigne rien.",
    ),
    "saturated": Text(
        "The probability of the class is 1 to the last digit: its gradient vanishes. Explain the logit instead.",
        "La probabilité de la classe vaut 1 au dernier chiffre : son gradient s'annule. Expliquer plutôt le logit.",
    ),
    "disconnected": Text(
        "The score does not depend on what the map is made at: all gradients are exactly zero.",
        "Le score ne dépend pas de ce où la carte est faite : tous les gradients sont exactement nuls.",
    ),
    "one_pixel": Text(
        "The layer's maps have one single pixel: they cannot say where.",
        "Les cartes de la couche n'ont qu'un pixel : elles ne peuvent dire où.",
    ),
    "dead": Text(
        "The layer answers nothing but zeros to this image.",
        "La couche ne répond à cette image que des zéros.",
    ),
    "not_finite": Text(
        "The network or the method gave numbers that are not finite; the map is left empty.",
        "Le réseau ou la méthode a donné des nombres non finis ; la carte est laissée vide.",
    ),
    "hidden_head": Text(
        "The network answers probabilities whose logits are not to be seen; their logarithms were explained instead, "
        "less their mean over the classes: the same differences between classes.",
        "Le réseau répond des probabilités dont les logits ne se voient pas ; leurs logarithmes, moins leur moyenne "
        "sur les classes, ont été expliqués à leur place : mêmes différences entre classes.",
    ),
}
"""What can be wrong with a map, by name."""
