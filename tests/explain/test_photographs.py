"""What the maps of a real network point at on real photographs."""

import numpy as np
import pytest

from mi204 import backbones
from mi204.datasets import photographs, pictures
from mi204.explain import Explainer, faithfulness


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "xgradcam", "layercam", "hirescam", "eigencam"])
def test_maps_lie_on_the_animal(method):
    backbone = backbones.load("mobilenet_v2_1.0")
    found = photographs.load(("samoyed", "crow"))
    inputs, shown = backbone.prepare([each.image for each in found])
    masks = np.stack([pictures.resize(each.mask, *shown.shape[1:3]) for each in found])
    maps = Explainer(backbone.model)(inputs, method).maps
    np.testing.assert_array_equal(faithfulness.pointing_game(maps, masks), [1, 1])
    area = masks.mean(axis=(1, 2))
    assert (faithfulness.iou_at_area(maps, masks) > 1.5 * area / (2 - area)).all()  # what as many pixels hit by chance
    assert (faithfulness.energy_inside(maps, masks) > 1.4 * area).all()
