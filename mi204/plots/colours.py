"""The colours of maps, in figures and on the page alike."""

import matplotlib
import numpy as np

COLOUR_MAP = "jet"
"""As on the handout's page: blue is the map's least value, red its greatest."""
OPACITY = 0.5


def coloured(one: np.ndarray) -> np.ndarray:
    """Give a map (h, w) in 0..1 its colours, from blue for 0 to red for 1: floats in 0..1, (h, w, 3)."""
    return matplotlib.colormaps[COLOUR_MAP](one)[..., :3]


def blended(image: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Lay a map (h, w) in 0..1, in colours, half transparent, over a picture, uint8 (h, w, 3): floats in 0..1."""
    return OPACITY * coloured(one) + (1 - OPACITY) * image.astype(np.float64) / 255
