"""Figures: arrays or runs in, a ``matplotlib.figure.Figure`` out; never trains, saves or shows.

Every function takes ``title`` and ``footer``, already in the language of the figure, and ``language`` for the axes.
Figures are 7 inches wide (a page) unless their function says otherwise, so that 8 points stay 8 points in print.
"""

from mi204.plots._album import Album
from mi204.plots._bars import bars, class_accuracies, distributions
from mi204.plots._curves import learning_curves, quantity, study, train_and_test_losses
from mi204.plots._graph import model_graph
from mi204.plots._images import examples, feature_maps, heat_map, maps_over_epochs, standardised, summed_masks
from mi204.plots._maps import Line, PictureRow, intervals, overlays, panels, picture_maps, variants
from mi204.plots._matrices import confusion_matrix
from mi204.plots._sound import Spectrogram, filter_bank, sound

__all__ = [
    "Album",
    "Line",
    "PictureRow",
    "Spectrogram",
    "bars",
    "class_accuracies",
    "confusion_matrix",
    "distributions",
    "examples",
    "feature_maps",
    "filter_bank",
    "heat_map",
    "intervals",
    "learning_curves",
    "maps_over_epochs",
    "model_graph",
    "overlays",
    "panels",
    "picture_maps",
    "quantity",
    "sound",
    "standardised",
    "study",
    "summed_masks",
    "train_and_test_losses",
    "variants",
]
