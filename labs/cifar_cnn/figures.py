"""From what was measured to the figures, named by the question they answer."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from labs.cifar_cnn.answers import best_epoch_kept, diverged, first, n_seeds, test_accuracy
from labs.cifar_cnn.config import SUBSETS
from labs.cifar_cnn.measured import Evaluation, Layer, Measured
from mi204 import metrics, plots, questions, tables
from mi204.language import Language, Word
from mi204.results import Run

N_MAPS = 32
"""Maps shown of a layer that has more."""
N_MAPS_PER_EPOCH = 12
"""The same where there is a row of maps per epoch."""


def figures(measured: Measured, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow."""
    album = plots.Album(measured, questions.vocabulary("cifar_cnn"), language)
    album.draw("2.1_train_images", plots.examples, measured.train_images, _names(album, measured.train_labels))
    album.draw("2.2_standardize", plots.standardised, measured.train_images[0], measured.train_x[0])
    _draw_network(album, "3.0_network", measured.layers)
    for number, study in (("7.1", "course"), ("4.0", "resumed"), ("6.2", "deep")):
        if study in measured.studies:
            _draw_curves(album, f"{number}_curves_{study}", first(measured, study))
    for number, study, evaluation in (("4.0", "resumed", measured.resumed), ("6.2", "deep", measured.deep)):
        if evaluation:
            _draw_evaluation(album, number, study, evaluation)
    if measured.deep_layers:
        _draw_network(album, "6.2_network_deep", measured.deep_layers)
    _draw_batch_sizes(album, measured.of_study("batch_size"))
    _draw_study(album, "4.3", "optimizer", measured.of_study("optimizer"))
    depth, deep = measured.of_study("depth"), measured.of_study("deep")
    _draw_study(album, "6.1", "depth", depth)
    _draw_accuracies(album, "6.1", "depth", depth and depth + deep)
    # The curves of so many settings cannot be told apart.
    _draw_accuracies(album, "6.1", "ablation", measured.of_study("ablation"))
    # The training loss with dropout after the softmax is so large that it flattens all others.
    _draw_study(album, "7.2", "remedies", measured.of_study("remedies"), left_out=(Word("output_dropout"),))
    _draw_accuracies(album, "4.3", "optimizer", measured.of_study("optimizer"))
    _draw_accuracies(album, "7.2", "remedies", measured.of_study("remedies"))
    _draw_maps(album)
    return album.figures


def _names(album: plots.Album, labels: np.ndarray) -> list[str]:
    """Name the classes of labels in the language of the figures."""
    classes = album.measured.classes
    return [album.vocabulary.translated(classes[int(label)], album.language) for label in labels]


def _draw_network(album: plots.Album, name: str, layers: list[Layer]) -> None:
    album.draw(name, plots.model_graph, [vars(layer) for layer in layers])


def _draw_curves(album: plots.Album, name: str, run: Run) -> None:
    """Draw loss and accuracy; epochs count on where training went on from a model that had seen some."""
    measured, first_epoch = album.measured, 1
    if run.study == "resumed" and not measured.config.checkpoint:
        first_epoch += best_epoch_kept(first(measured, "course"))
    best = None if diverged(run) else tables.best_epoch(run)
    album.draw(name, plots.learning_curves, run, best_epoch=best, first_epoch=first_epoch)


def _draw_evaluation(album: plots.Album, number: str, study: str, evaluation: Evaluation) -> None:
    """Draw confusion matrices, accuracies by class and predictions."""
    measured = album.measured
    classes = _names(album, np.arange(len(measured.classes)))
    for subset in SUBSETS:
        for normalised in (False, True):
            subject = [Word(subset), *([Word("normalised")] if normalised else [])]
            album.draw(
                f"{number}_confusion_{study}", plots.confusion_matrix, evaluation.confusion[subset], classes,
                normalised=normalised, subject=subject,
            )
    matrices = {album.word(subset): evaluation.confusion[subset] for subset in SUBSETS}
    album.draw(
        f"{number}_classes_{study}", plots.class_accuracies,
        {name: metrics.class_recall(matrix) for name, matrix in matrices.items()}, classes,
        counts={name: matrix.sum(axis=1) for name, matrix in matrices.items()}, chance=1 / len(classes),
        xlabel=album.word("class"), legend=album.word("subset"),
    )
    album.draw(
        f"{number}_predictions_{study}", plots.examples, measured.test_images, _names(album, evaluation.predicted),
        true_labels=_names(album, measured.test_labels),
    )


def _draw_study(
    album: plots.Album, number: str, study: str, runs: list[Run], left_out: tuple[str, ...] = ()
) -> None:
    """Draw the curves of the settings of a study, where it was run."""
    if runs:
        album.draw(
            f"{number}_{study}", plots.study, runs, names=album.names([run.setting for run in runs]),
            legend=album.word(study), left_out=left_out, n_seeds=n_seeds(runs),
        )


def _draw_accuracies(album: plots.Album, number: str, study: str, runs: list[Run]) -> None:
    """Draw the test accuracy of each setting of a study, where it was run."""
    if not runs:
        return
    names, seeds = album.names([run.setting for run in runs]), n_seeds(runs)
    values = tables.by_setting(runs, lambda run: 100 * test_accuracy(run))
    n_test = album.measured.config.recipe.n_test
    album.draw(
        f"{number}_{study}_accuracy", plots.bars, {names[setting]: each for setting, each in values.items()},
        ylabel=f"{album.word('test_accuracy')} (%)", xlabel=album.word(study), n_seeds=seeds,
        chance=1 / len(album.measured.classes),
        counts={names[setting]: n_test * len(each) for setting, each in values.items()},
    )


def _draw_batch_sizes(album: plots.Album, runs: list[Run]) -> None:
    """Draw curves, accuracies and times by batch size."""
    _draw_study(album, "4.2", "batch_size", runs)
    _draw_accuracies(album, "4.2", "batch_size", runs)
    for name, value, label in (
        ("epoch", tables.epoch_seconds, "epoch_seconds"), ("step", tables.step_milliseconds, "step_milliseconds"),
    ):
        if runs:
            album.draw(
                f"4.2_batch_size_{name}", plots.bars, tables.by_setting(runs, value), ylabel=album.word(label),
                xlabel=album.word("batch_size"), n_seeds=n_seeds(runs),
            )


def _draw_maps(album: plots.Album) -> None:
    """Draw what the layers answer to test images."""
    measured = album.measured
    if measured.resumed_maps is not None:
        album.draw("8.1_summed_masks", plots.summed_masks, measured.test_images, measured.resumed_masks)
        for i, (image, maps) in enumerate(zip(measured.test_images, measured.resumed_maps, strict=False), start=1):
            album.draw("8.1_maps", plots.feature_maps, image, maps[..., :N_MAPS], subject=[f"image {i}"])
    if measured.course_maps:
        by_epoch = {epoch: maps[..., :N_MAPS_PER_EPOCH] for epoch, maps in measured.course_maps.items()}
        album.draw("8.3_maps_epochs", plots.maps_over_epochs, measured.test_images[0], by_epoch)
    for name, stage in (measured.stages or {}).items():
        album.draw("8.2_masks_deep", plots.summed_masks, measured.test_images, stage.masks, subject=[name])
        maps = stage.maps[..., :N_MAPS]
        album.draw("8.2_maps_deep", plots.feature_maps, measured.test_images[0], maps, subject=[name])
