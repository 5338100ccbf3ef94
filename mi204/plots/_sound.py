"""Sounds: waveforms, spectrograms in hertz, and the filters that make them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mi204.language import Language, fill, word
from mi204.plots._frame import COLOURS, finish, legend_below, localised, new_figure, styled

_HERTZ = (0, 250, 500, 1000, 2000, 3000, 4000, 6000, 8000, 16000)
_SHOWN_RANGE = 80.0
"""Decibels under the loudest point that a spectrogram shows."""


class Spectrogram(NamedTuple):
    """A mel spectrogram and the axes on which it is drawn."""

    label: str
    decibels: np.ndarray
    """(n_mels, frames)"""
    frequencies: np.ndarray
    """In Hz: the lower edge of the first filter, the centre of each, the upper edge of the last, (n_mels + 2,)."""
    seconds: float
    """Duration of the sound."""


@styled
def sound(
    waveform: np.ndarray,
    sampling_rate: int,
    spectrograms: Sequence[Spectrogram],
    *,
    title: str,
    footer: str,
    language: Language,
) -> Figure:
    """Draw a waveform (n,) against time above its mel spectrograms, whose rows are named in hertz."""
    figure = new_figure(4.6, title=title, footer=footer)
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2))
    axes = above.add_subplot()
    axes.plot(np.arange(len(waveform)) / sampling_rate, waveform, color=COLOURS[0], linewidth=0.6)
    axes.set_xlim(0, len(waveform) / sampling_rate)
    axes.set_xlabel(word("seconds", language).capitalize())
    axes.set_ylabel(word("amplitude", language).capitalize())
    for panel, spectrogram in zip(below.subplots(1, len(spectrograms), squeeze=False)[0], spectrograms, strict=True):
        loudest = spectrogram.decibels.max()
        n_mels = len(spectrogram.decibels)
        look = {"origin": "lower", "aspect": "auto", "cmap": "inferno", "vmin": -_SHOWN_RANGE, "vmax": 0}
        extent = (0, spectrogram.seconds, -0.5, n_mels - 0.5)
        shown = panel.imshow(spectrogram.decibels - loudest, extent=extent, **look)
        panel.set_title(spectrogram.label)
        panel.set_xlabel(word("seconds", language).capitalize())
        panel.locator_params(axis="x", nbins=4)
        panel.set_ylabel(f"{word('frequency', language).capitalize()} (Hz)")
        _name_rows(panel, spectrogram.frequencies, language)
    below.colorbar(shown, ax=below.axes, label=word("decibels_under_loudest", language).capitalize())
    return finish(figure, language)


def _name_rows(axes: Axes, frequencies: np.ndarray, language: Language) -> None:
    """Put round frequencies where their filters are."""
    rows = np.array([-0.5, *range(len(frequencies) - 2), len(frequencies) - 2.5])
    named = [hertz for hertz in _HERTZ if frequencies[0] <= hertz <= frequencies[-1]]
    rows = np.interp(named, frequencies, rows)
    axes.set_yticks(rows, [localised(f"{hertz:,}", language) for hertz in named])


@styled
def filter_bank(
    banks: Sequence[tuple[str, np.ndarray, float]], *, title: str, footer: str, language: Language
) -> Figure:
    """Draw mel filters against frequency, every eighth in colour, one panel per bank.

    A bank is a label, the filters (n_mels, n_frequencies) and the highest frequency in Hz; the first is 0. A filter
    between two frequencies, which is zero at all, has a cross between its neighbours; each panel counts them.
    """
    figure = new_figure(2.2 * len(banks), title=title, footer=footer)
    cross = {"color": COLOURS[1], "marker": "x", "linestyle": "none", "markeredgewidth": 1.4}
    any_empty = False
    for axes, (label, filters, highest) in zip(figure.subplots(len(banks), squeeze=False)[:, 0], banks, strict=True):
        hertz = np.linspace(0, highest, filters.shape[1])
        for row, weights in enumerate(filters):
            if row % 8 == 0:
                axes.plot(hertz, weights, color=COLOURS[row // 8 % 6], linewidth=1.4, zorder=2)
            else:
                axes.plot(hertz, weights, color="#cccccc", linewidth=0.5, zorder=1)
        filled = filters.any(axis=1)
        if not filled.all():
            any_empty = True
            (rows,), (empty,) = np.nonzero(filled), np.nonzero(~filled)
            peaks = hertz[filters[rows].argmax(axis=1)]
            centres = np.interp(empty, [-1, *rows, len(filters)], [0, *peaks, highest])
            axes.plot(centres, np.zeros(len(empty)), clip_on=False, zorder=3, **cross)
        n_empty = fill(word("empty_filters", language), {"n": int(np.sum(~filled))}, language)
        axes.set_title(f"{label} ({n_empty})")
        axes.set_xlim(0, highest)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"{word('frequency', language).capitalize()} (Hz)")
        axes.set_ylabel(word("weight", language).capitalize())
    if any_empty:
        legend_below(figure, [Line2D([], [], label=word("empty_filter", language), **cross)])
    return finish(figure, language)
