"""The methods by their names: each room of this package enters its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Place = Literal["layer", "layers", "input"]
"""Where a map is made: at one layer, at one or several, or at the input itself."""


@dataclass(frozen=True)
class Method:
    """A way to make maps."""

    name: str
    """As it is asked for: ``gradcam``."""
    label: str
    """As the field writes it: ``Grad-CAM``."""
    paper: str
    """Where it was published: authors, year, arXiv number or place."""
    place: Place
    rectified: bool
    """Whether what speaks against the class is left out of the map."""
    of_class: bool
    """Whether the map depends on the class."""
    function: Callable
    """From a ``Run`` and the method's own settings to raw maps ``(n, h', w')``, or to them and a dict of numbers (n,).

    At the input, raw maps are ``(n, h, w, c)``, signed.
    """


METHODS: dict[str, Method] = {}
"""Every method, by name, in the order in which they are taught."""


def method(
    name: str, label: str, paper: str, *, place: Place = "layer", rectified: bool = True, of_class: bool = True
) -> Callable[[Callable], Callable]:
    """Enter the function below into ``METHODS``."""

    def enter(function: Callable) -> Callable:
        METHODS[name] = Method(name, label, paper, place, rectified, of_class, function)
        return function

    return enter
