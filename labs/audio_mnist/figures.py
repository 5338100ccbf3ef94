"""From what was measured to the figures, named by the question they answer, and to the course's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labs.audio_mnist.answers import accuracy
from labs.audio_mnist.config import COURSE_MEL, N_CLASSES, SIDE, TRUE_MEL
from labs.audio_mnist.measured import Measured
from labs.audio_mnist.pairs import CONDITIONS
from mi204 import metrics, paths, plots, questions, tables
from mi204.language import Language
from mi204.plots import Album

MELS = {"true": TRUE_MEL, "course": COURSE_MEL}


def figures(measured: Measured, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow."""
    album = Album(measured, questions.vocabulary("audio_mnist"), language)
    _draw_recordings(album)
    if {"speakers", "ours"} & measured.studies:
        _draw_left_out(album)
    if "random" in measured.studies:
        _draw_course(album)
    if "pairs" in measured.studies:
        _draw_pairs(album)
    return album.figures


def _draw_recordings(album: Album) -> None:
    """Draw durations, some recordings, and the filters of their spectrograms."""
    measured = album.measured
    each = measured.recordings
    durations = [
        {str(name): each.seconds[column == name] for name in np.unique(column)}
        for column in (each.labels, each.speakers)
    ]
    xlabels = [album.word("digit"), album.word("speaker")]
    album.draw("2.2_durations", plots.distributions, durations, ylabel=album.word("duration"), xlabels=xlabels)
    for name, sound in measured.sounds.items():
        spectrograms = [
            plots.Spectrogram(
                _named(album, f"{kind}_image", rate=mel.sampling_rate),
                getattr(sound, kind),
                np.array([0, *measured.banks[kind].frequencies, mel.sampling_rate / 2]),
                len(sound.waveform) / mel.sampling_rate,
            )
            for kind, mel in MELS.items()
        ]
        subject = (Path(name).stem,)
        album.draw("2.3_sound", plots.sound, sound.waveform, measured.sampling_rate, spectrograms, subject=subject)
    banks = [
        (
            _named(album, f"{kind}_filters", n=mel.n_mels, rate=mel.sampling_rate),
            measured.banks[kind].filters,
            mel.sampling_rate / 2,
        )
        for kind, mel in MELS.items()
    ]
    album.draw("2.3_filters", plots.filter_bank, banks)


def _draw_left_out(album: Album) -> None:
    """Draw how well both networks hear each speaker left out."""
    measured = album.measured
    means = {
        album.word(name): tables.means(measured.of_study(study), accuracy)
        for name, study in (("course", "speakers"), ("network_ours", "ours"))
        if study in measured.studies
    }
    speakers = list(next(iter(means.values())))
    counts = [int(np.sum(measured.recordings.speakers == speaker)) for speaker in speakers]
    album.draw(
        "2.4_left_out", plots.class_accuracies, {name: list(each.values()) for name, each in means.items()}, speakers,
        counts=dict.fromkeys(means, counts), chance=1 / N_CLASSES, xlabel=album.word("speaker_left_out"),
        legend=album.word("network"), n_seeds=measured.config.n_seeds,
    )


def _draw_course(album: Album) -> None:
    """Draw the losses and the score of the course's network on the random split."""
    runs = album.measured.of_study("random")
    best = metrics.best_epoch(tables.mean_log(runs, "test_loss"))
    album.draw("2.6_losses", plots.train_and_test_losses, runs, best_epoch=best, n_seeds=len(runs))
    album.draw(
        "2.6_score", plots.quantity, runs,
        {"train_accuracy": album.word("training"), "test_accuracy": album.word("test")},
        ylabel=f"{album.word('accuracy')} (%)", scale=100, names=album.names([run.setting for run in runs]),
        n_seeds=len(runs),
    )


def _draw_pairs(album: Album) -> None:
    """Draw three pairs, whole and degraded, and how well each network reads and hears."""
    measured, runs = album.measured, album.measured.of_study("pairs")
    kinds = [album.word(name) for name in ("written", "occluded", "spoken", "noisy")]
    labels = [f"{label}, {kind}" for label in measured.pairs.labels for kind in kinds]
    album.draw("2.7_pairs", plots.examples, measured.pairs.images.reshape(-1, SIDE, SIDE, 1), labels, columns=4)
    means = {name: tables.means(runs, lambda run, name=name: accuracy(run, name)) for name in CONDITIONS}
    by_network = {
        name: [means[condition][setting] for condition in CONDITIONS]
        for setting, name in album.names(list(means["clean"])).items()
    }
    n_measured = min(measured.config.n_test_pairs, measured.pairs.n_recordings)
    album.draw(
        "2.7_fusion", plots.class_accuracies, by_network, [album.word(name) for name in CONDITIONS],
        counts=dict.fromkeys(by_network, [n_measured] * len(CONDITIONS)), chance=1 / N_CLASSES,
        xlabel=album.word("degraded"), legend=album.word("network"), n_seeds=measured.config.n_seeds,
    )


def _named(album: Album, key: str, **values: object) -> str:
    return album.vocabulary.fill(album.word(key), values, album.language)


def files(measured: Measured, folder: Path) -> list[Path]:
    """Write the random split as the course does: ``train.csv`` and ``test.csv``, lines of path and digit, no header."""
    written = []
    for name in ("train", "test") if measured.split else ():
        recordings = getattr(measured.split, name)
        table = pd.DataFrame({"path": [f"recordings/{file}" for file in recordings]})
        table["label"] = [file[0] for file in recordings]
        path = folder / f"{name}.csv"
        paths.write_atomically(path, lambda target, table=table: table.to_csv(target, header=False, index=False))
        written.append(path)
    return written
