"""Do maps depend on what the network has learned? Its layers forget, from the top down or one at a time.

After Adebayo et al., "Sanity checks for saliency maps" (2018, 1810.03292). The network itself forgets nothing: while a
map is made, Keras is told other values of its variables (``keras.StatelessScope``), which are never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from mi204.explain import faithfulness
from mi204.explain import layers as layer_room
from mi204.explain.engine import Explainer
from mi204.explain.explanation import Explanation
from mi204.explain.inputs import checked
from mi204.explain.layers import LayerChoice, Seen
from mi204.explain.passes import Target


def randomised(
    model: keras.Model,
    images: Any,
    method: str = "gradcam",
    target: Target = None,
    layer: LayerChoice | list[LayerChoice] | None = None,
    *,
    forgetting: Sequence[LayerChoice] | None = None,
    cascading: bool = True,
    seed: int = 0,
    **settings: Any,
) -> tuple[Explanation, dict[str, Explanation]]:
    """Explain images ``(n, h, w, c)`` by the network, and again after its layers have forgotten what they learned.

    Gives what the network's own maps are, and, by the path of the layer that forgot last, those of each stage, from the
    top of the network down: with ``cascading`` all layers above have forgotten too, else that one alone.
    ``forgetting``: which layers do, by default all with weights. Each kernel becomes normal noise of its own root mean
    square, each vector (biases, numbers of a normalisation) is shuffled, so that what runs through the network keeps
    its size. The classes explained are those of the first explanation. The rest, and what is raised, as in
    ``Explainer``.
    """
    own = Explainer(model, layer)
    before = own(images, method, target, seed=seed, **settings)
    surveyed = own.survey(checked(model, images))
    chosen = None if forgetting is None else [
        layer_room.find(surveyed, each, spatial=False).operation for each in forgetting
    ]
    stages = {}
    forgotten: list[tuple[Any, np.ndarray]] = []
    for number, call in enumerate(_from_the_top(surveyed.calls)):
        if chosen is not None and not any(call.operation is each for each in chosen):
            continue
        rng = np.random.default_rng([seed, number])
        weights = call.operation.weights
        values = [(each, _redrawn(keras.ops.convert_to_numpy(each), rng)) for each in weights]
        forgotten = [*forgotten, *values] if cascading else values
        # Traced inside: tensorflow's graphs hold the values of the time when they were made.
        with keras.StatelessScope(state_mapping=forgotten):
            stages[call.path] = Explainer(model, layer)(
                images, method, before.targets if target is None else target, seed=seed, **settings
            )
    return before, stages


def randomisation_check(
    model: keras.Model,
    images: Any,
    method: str = "gradcam",
    target: Target = None,
    layer: LayerChoice | list[LayerChoice] | None = None,
    *,
    forgetting: Sequence[LayerChoice] | None = None,
    cascading: bool = True,
    seed: int = 0,
    **settings: Any,
) -> pd.DataFrame:
    """Say how alike maps of images ``(n, h, w, c)`` stay while the network forgets what it has learned.

    The rows of ``faithfulness.randomisation`` for each stage of ``randomised``, with the ``layer`` that forgot last,
    compared with maps of 7 x 7 random cells. ``alike`` at a stage says that the method shows the image rather than what
    that layer, and with ``cascading`` those above, have learned.
    """
    before, stages = randomised(
        model, images, method, target, layer, forgetting=forgetting, cascading=cascading, seed=seed, **settings
    )
    n, *sides = before.maps.shape
    chance = faithfulness.random_maps(n, tuple(sides), tuple(min(7, side) for side in sides), seed=seed)
    tables = [
        faithfulness.randomisation(before.maps, after.maps, chance).assign(layer=path) for path, after in stages.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _from_the_top(calls: Sequence[Seen]) -> list[Seen]:
    """Give the layers with weights, the last called first, each once."""
    weighted = [call for call in reversed(calls) if call.leaf and call.path and getattr(call.operation, "weights", ())]
    return list({id(call.operation): call for call in weighted}.values())


def _redrawn(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw other weights of the same size: noise for a kernel, another order for a vector."""
    if values.ndim < 2:
        return rng.permutation(values)
    return (np.sqrt((values**2).mean()) * rng.standard_normal(values.shape)).astype(values.dtype)
