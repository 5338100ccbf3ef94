"""Class activation maps on top of others: with the curvature of the score, against similar classes, over layers.

A: the layer's maps ``(n, h', w', k)``; y: the score of the class, by default its logit; G = dy / dA.
"""

from __future__ import annotations

import numpy as np

from mi204.errors import SettingError
from mi204.explain.cam import check_least, mean_over_pixels, weighted_sum
from mi204.explain.engine import Run
from mi204.explain.maps import normalised, resized
from mi204.explain.methods import METHODS, method
from mi204.language import Text

_NO_BASES = ("finercam", "refinecam", "guided_gradcam")
"""Methods at a layer that no other is built upon: these here, and one whose map is the image's."""


@method("shapleycam", "ShapleyCAM", "Cai, 2025, 2501.06261")
def shapleycam(run: Run) -> np.ndarray:
    """Weight each map by its gradient, corrected for the curvature: ``sum_k mean(G - H A / 2)_k A_k``.

    H: the Hessian of the score in A. For a logit behind ReLUs it is 0, and the map that of Grad-CAM; the paper's ReST
    score, ``Explainer(model, score="rest")``, has one.
    """
    passed = run.passes(curvature=True)
    weights = mean_over_pixels(passed.gradients[0] - passed.curvatures[0] / 2)
    return weighted_sum(weights, passed.activations[0])


@method("finercam", "Finer-CAM", "Zhang et al., 2025, 2501.11309")
def finercam(
    run: Run, *, base: str = "gradcam", gamma: float = 0.6, similar: int = 3
) -> np.ndarray | tuple[np.ndarray, dict[str, np.ndarray]]:
    """Explain what tells the class from similar ones: ``y_c - gamma mean_d y_d``, by the method ``base``.

    d: the ``similar`` classes whose logits are nearest to the target's, all others where there are fewer. Raises
    SettingError for a target that is no class or the only one, a base that makes no map of a class at a layer, a
    negative gamma or no similar class.
    """
    _check_base(base, of_class=True)
    check_least("gamma", gamma, 0)
    check_least("similar", similar, 1, whole=True)
    if run.targets is None or run.coefficients.shape[1] < 2:
        raise SettingError(
            "Expected target to be one of several classes for finercam, received {received}: choose {base}.",
            "target doit être une classe parmi plusieurs pour finercam, {received} : choisir {base}.",
            received=Text("a function", "une fonction reçue") if run.targets is None
            else Text("the only one", "seule classe du réseau reçue"),
            base=base,
        )
    logits, rows = run.passed.logits, np.arange(len(run.targets))
    distances = np.abs(logits - logits[rows, run.targets][:, None])
    distances[rows, run.targets] = np.inf
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(int(similar), logits.shape[1] - 1)]
    others = np.zeros_like(run.coefficients)
    others[rows[:, None], nearest] = 1 / nearest.shape[1]
    return METHODS[base].function(run.but(coefficients=run.coefficients - gamma * others))


@method("refinecam", "RefineCAM", "2026, 2605.14641", place="layers")
def refinecam(run: Run, *, base: str = "gradcam++") -> np.ndarray:
    """Multiply the maps that the method ``base`` makes at several layers: each rectified, enlarged, and in [0, 1].

    Only what all layers agree on stays. Raises SettingError for a base that makes no map at a layer.
    """
    _check_base(base, of_class=False)
    product = np.ones(run.images.shape[:-1], np.float32)
    for place in run.places:
        made = METHODS[base].function(run.but(places=(place,)))
        raw = made[0] if isinstance(made, tuple) else made
        product *= normalised(resized(np.maximum(raw, 0).astype(np.float32), run.images.shape[1:-1]))
    return product


def _check_base(name: str, *, of_class: bool) -> None:
    """Raise SettingError for a method that cannot be built upon."""
    bases = [
        method.name
        for method in METHODS.values()
        if method.place != "input" and (method.of_class or not of_class) and method.name not in _NO_BASES
    ]
    if name not in bases:
        raise SettingError(
            "Expected base to be one of {bases}, received {name!r}.",
            "base parmi {bases} attendu, {name!r} reçu.",
            bases=", ".join(bases), name=name,
        )
