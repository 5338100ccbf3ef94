"""From what was measured to the figures, named by the question they answer."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from labs.cnn_sensitivity.answers import MEASURES, RANDOM, compared, interval, named, share_interval
from labs.cnn_sensitivity.config import ROLES
from labs.cnn_sensitivity.measured import Measured, Sweep, Variants
from mi204 import metrics, plots, questions
from mi204.language import Language, Word


def figures(measured: Measured, language: Language) -> dict[str, Figure]:
    """Draw every figure that these results allow."""
    album = plots.Album(measured, questions.vocabulary("cnn_sensitivity"), language)
    if measured.explained is not None:
        _maps(album)
    _pictures(album)
    if measured.variants is not None:
        for name, variants in measured.variants.items():
            _variants(album, name, variants)
        _curves(album)
    if measured.images is not None:
        _examples(album)
    if measured.sweeps is not None:
        _sweeps(album)
    if measured.marks is not None:
        _marks(album)
    return album.figures


def _filled(album: plots.Album, template: str, **values: object) -> str:
    return album.vocabulary.fill(template, values, album.language)


def _maps(album: plots.Album) -> None:
    """Draw every method's map of the picture, with its cost."""
    found, picture = album.measured.explained.values(), album.measured.pictures["one"]
    labels = [f"{each.label}\n{_cost(album, float(np.median(each.costs)))}" for each in found]
    maps = np.stack([each.map for each in found])
    images = np.repeat(picture.image[None], len(maps), axis=0)
    album.draw("3.1_maps", plots.overlays, images, maps, labels, picture=picture.image)


def _cost(album: plots.Album, cost: float) -> str:
    return _filled(album, "{cost:,.0f} ×" if cost >= 10 else "{cost:.1f} ×", cost=cost)


def _pictures(album: plots.Album) -> None:
    """Draw the handout's three pictures, their raw maps, and the maps over them."""
    rows = []
    for role in ROLES:
        each = album.measured.pictures[role]
        caption = _filled(
            album, "{named} ({confidence:.2f})", named=named(each.predicted), confidence=each.confidence
        )
        score = _filled(album, "{score:.1f}", score=each.score)
        rows.append(
            plots.PictureRow(
                album.word(f"role_{role}"), each.image, each.raw, each.map, f"{caption}\n{album.word('score')} {score}",
                each.objects > 0 if each.outlined else None,
            )
        )
    headings = tuple(album.word(key) for key in ("picture", "raw_map", "overlay"))
    album.draw("3.3_pictures", plots.picture_maps, rows, headings=headings)


def _variants(album: plots.Album, name: str, variants: Variants) -> None:
    """Draw the variants by one transformation, each with its map, score and similarity."""
    if variants.strengths is None:
        labels = [f"{album.word('variant')} {number}" for number in range(1, len(variants.images) + 1)]
    else:
        written = {"degrees": "{strength:+.3g}°", "share": "{strength:+.2f}", "alpha": "{strength:+.3g}"}[variants.unit]
        labels = [_filled(album, written, strength=each) for each in variants.strengths]
    answers = [album.vocabulary.translated(named(each), album.language) for each in variants.predicted]
    labels = [f"{label}\n{answer}" for label, answer in zip(labels, answers, strict=True)]
    captions = [
        _filled(album, "{logit} {score:.1f}\nr = {r}", logit=album.word("logit"), score=score, r=_similarity(album, r))
        for score, r in zip(variants.scores, compared(variants), strict=True)
    ]
    album.draw(
        "3.4_variants", plots.variants, variants.images, variants.maps, labels, captions, subject=(Word(name),)
    )


def _similarity(album: plots.Album, r: float) -> str:
    return "–" if math.isnan(r) else _filled(album, "{r:.2f}", r=r)


def _curves(album: plots.Album) -> None:
    """Draw score and map similarity of the one picture against the strength of each transformation."""
    measured = album.measured
    usual = measured.pictures["one"].predicted
    columns = {}
    for name, each in measured.variants.items():
        known = each.strengths is not None
        # The unchanged picture belongs to the curve: strength 0, nothing changed.
        strengths = np.array([0.0, *(each.strengths if known else each.changes)])
        order = np.argsort(strengths, kind="stable")
        changed = np.array([False, *(answer != usual for answer in each.predicted)])[order]

        def line(label, first, values, order=order, strengths=strengths, changed=changed, known=known):
            y = np.array([first, *values])[order]
            return plots.Line(label, strengths[order], y, hollow=changed, joined=known)

        alike = [line(album.word("still"), 1.0, each.still)]
        if each.moved is not None and each.geometric:
            alike.append(line(album.word("moved"), 1.0, each.moved))
        score = [line(album.word("score"), measured.pictures["one"].score, each.scores)]
        columns[_axis(album, name, each.unit if known else "change")] = [score, alike]
    album.draw(
        "3.4_curves", plots.panels, columns, ylabels=[album.word("score"), album.word("axis_similarity")],
        limits=[None, None], filled=(album.word("answer_kept"), album.word("answer_changed")),
    )


def _axis(album: plots.Album, name: str, unit: str) -> str:
    return f"{album.word(name)} ({album.word(f'unit_{unit}')})"


def _sweeps(album: plots.Album) -> None:
    """Draw how often the answer stays, and how alike the map, against the strength, over all images."""
    columns = {}
    for name, each in album.measured.sweeps.items():
        columns[_axis(album, name, each.unit)] = [
            [_interval_line(each, album.word("same_answer"), [share_interval(x) for x in each.kept.T.astype(float)])],
            [
                _interval_line(
                    each, f"{album.word('similarity_line')} ({album.measured.setup.method})",
                    [metrics.mean_interval(x) for x in each.similarity.T],
                )
            ],
        ]
    album.draw(
        "3.5_sweeps", plots.panels, columns, ylabels=[album.word("share_kept"), album.word("axis_similarity")],
        limits=[(-0.02, 1.02), None],
    )


def _examples(album: plots.Album) -> None:
    """Draw the first of the many images with their maps, where the highest point is and what the network names."""
    seen = album.measured.images
    answers = [album.vocabulary.translated(named(each), album.language) for each in seen.named]
    labels = [
        _filled(album, "{answer} ({confidence:.2f})", answer=answer, confidence=confidence)
        for answer, confidence in zip(answers, seen.confidence, strict=True)
    ]
    album.draw(
        "3.5_examples", plots.overlays, seen.examples, seen.maps, labels, outlines=seen.outlines, columns=4,
        subject=(album.measured.setup.method,),
    )


def _interval_line(sweep: Sweep, label: str, found: list[tuple[float, float, float, int]]) -> plots.Line:
    # At strength 0 everything is as it was.
    x = np.array([0.0, *sweep.strengths])
    mean, low, high = (np.array([1.0, *values]) for values in zip(*(each[:3] for each in found), strict=True))
    order = np.argsort(x, kind="stable")
    return plots.Line(label, x[order], mean[order], low[order], np.minimum(high, 1)[order])


def _marks(album: plots.Album) -> None:
    """Draw the measures of each method with their intervals."""
    marks = album.measured.marks
    names = [album.word("random_map") if name == RANDOM else each.label for name, each in marks.items()]
    measures = {}
    for measure, mark in MEASURES.items():
        values = np.array([interval(measure, mark(each))[:3] for each in marks.values()])
        if np.isfinite(values[:, 0]).any():
            measures[album.word(f"panel_{measure}")] = values
    reference = album.word("random_map") if RANDOM in marks else None
    album.draw(
        "3.5_marks", plots.intervals, names, measures, ylabel=album.word("method"), interval=album.word("interval"),
        reference=reference,
    )
