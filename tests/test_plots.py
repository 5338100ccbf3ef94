"""Figures: their structure and data, and that nobody has to squint at them."""

import io
import math
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import combinations
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from mi204 import metrics, plots
from mi204.language import Vocabulary, Word
from mi204.plots import _frame
from mi204.results import Measured, Run

CLASSES = {
    "en": ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    "fr": ["avion", "voiture", "oiseau", "chat", "cerf", "chien", "grenouille", "cheval", "bateau", "camion"],
}
SETTINGS = ["8", "16", "32", "64", "128", "SGD", "SGD + momentum 0,9", "Adam + augmentation"]
SUBSETS = ["apprentissage", "validation", "test"]
TITLE = "Comparaison de l’exactitude du réseau du cours sur les trois sous-ensembles, lots de 8 à 128 images, moyenne"
FOOTER = (
    "Données\u00a0: CIFAR-10, réelles (5000 images d’entraînement, 1000 de validation, 1000 de test) · "
    "tensorflow 2.21.0, keras 3.15.1 · graines 0, 1, 2 · moyenne ± écart type · 2 cœurs, Linux x86_64, 16 Gio · "
    "Cette exécution est trop petite pour conclure\u00a0: le préréglage quick montre seulement que tout fonctionne."
)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
MAPS = RNG.random((32, 32, 64))
MATRIX = RNG.integers(0, 500, (10, 10))
MATRIX[3] = 0
ACCURACIES = {subset: RNG.random(10) for subset in SUBSETS}
COUNTS = {subset: np.arange(10) * 30 for subset in SUBSETS}  # none of the first class
SCALES = (1, 0.7, 0.5, 0.4, 9, 40)
MEANS = np.add.outer(RNG.random(31), [0, -0.1, 0.2])
CURVE = np.cos(np.arange(11) / 2)
FILTERS = np.eye(40)
FILTERS[[0, 3, 4]] = 0
SEEDS = {setting: [40.0 + index, 41.5, 43.25] for index, setting in enumerate(SETTINGS)}

LONG_NAMES = {f"{name}, {i}, sans normalisation": seeds for i in range(3) for name, seeds in SEEDS.items()}


def make_run(setting: str, seed: int, n_epochs: int) -> Run:
    """Make a run whose losses and accuracies are random, between 0 and 1."""
    rng = np.random.default_rng([seed, n_epochs])
    history = {name: list(rng.random(n_epochs)) for name in ("loss", "acc", "val_loss", "val_acc")}
    seconds = [1.0] * n_epochs
    return Run(
        study="study", setting=setting, seed=seed, key="", parameters=9, history=history, epoch_seconds=seconds
    )


def make_diverged(setting: str, seed: int = 0, n_epochs: int = 13) -> Run:
    """Make a run whose losses rise beyond all measure in its second epoch, and are no numbers from the third on."""
    run = make_run(setting, seed, n_epochs)
    for name, last in (("loss", math.nan), ("val_loss", math.inf)):
        run.history[name][1:] = [1e30] + [last] * (n_epochs - 2)
    return run


RUN = make_run("32", 0, 20)
RUNS = [make_run(setting, seed, 13 + index) for index, setting in enumerate(SETTINGS) for seed in range(3)]
WORST_RUNS = [*RUNS, *(make_diverged("SGD, taux 1", seed) for seed in range(3))]

LOSS_RUNS = [
    replace(run, history=dict(zip(("train_loss", "running_loss", "test_loss"), run.history.values(), strict=False)))
    for run in RUNS[:3]
]

WAVEFORM = np.sin(np.arange(3200) / 5) * np.hanning(3200)
IMAGE_OF_SOUND = -100 + 60 * np.random.default_rng(0).random((40, 30))


def make_layers(n_layers: int) -> list[dict]:
    """Make a chain of layers with a residual connection over every five of them."""
    layers = []
    for index in range(n_layers):
        sources = [index - 1] * (index > 0) + [index - 6] * (index > 6 and index % 6 == 1)
        layers.append(
            {
                "name": f"batch_normalization_{index}",
                "type": "BatchNormalization",
                "output_shape": "(None, 32, 32, 128)",
                "parameters": 147584,
                "inputs": [f"batch_normalization_{source}" for source in sources],
            }
        )
    return layers


def frame(language: str) -> dict[str, str]:
    """Give what every figure takes."""
    return {"title": TITLE, "footer": FOOTER, "language": language}


# one entry per function, with the most that it must bear
WORST = {
    "learning_curves": lambda k: plots.learning_curves(make_diverged("32"), best_epoch=12, first_epoch=21, **k),
    "study": lambda k: plots.study(WORST_RUNS, legend="taille de lot ou optimiseur", left_out=SETTINGS[-3:], **k),
    "bars": lambda k: plots.bars(
        SEEDS, ylabel="Exactitude sur le test (%)", xlabel="réglage", chance=0.1,
        counts=dict.fromkeys(SETTINGS, 200), **k
    ),
    "bars lying": lambda k: plots.bars(
        LONG_NAMES, ylabel="Exactitude sur le test (%)", xlabel="réglage", chance=0.1,
        counts=dict.fromkeys(LONG_NAMES, 200), **k
    ),
    "quantity": lambda k: plots.quantity(
        WORST_RUNS, {"loss": TITLE[:20], "val_loss": "validation"}, ylabel="coût", first_epoch=0,
        legend="taille de lot ou optimiseur", left_out=SETTINGS[-3:], **k
    ),
    "quantity logarithmic": lambda k: plots.quantity(
        WORST_RUNS, {"loss": "validation"}, ylabel="Norme du gradient", logarithmic=True, **k
    ),
    "train_and_test_losses": lambda k: plots.train_and_test_losses(LOSS_RUNS, best_epoch=7, **k),
    "sound": lambda k: plots.sound(
        WAVEFORM, 8000, [plots.Spectrogram(TITLE[:30], IMAGE_OF_SOUND, np.geomspace(40, 4000, 42), 0.4)] * 2, **k
    ),
    "filter_bank": lambda k: plots.filter_bank(
        [(TITLE[:55], FILTERS, 4000.0), ("128 filtres", np.eye(40), 8000.0)], **k
    ),
    "distributions": lambda k: plots.distributions(
        [dict.fromkeys(CLASSES[k["language"]], WAVEFORM), {"a": WAVEFORM, "b": WAVEFORM}],
        ylabel="durée (s)", xlabels=("classe", "locuteur"), **k
    ),
    "heat_map": lambda k: plots.heat_map(MAPS[..., 0], label="Différence absolue", **k),
    "class_accuracies": lambda k: plots.class_accuracies(
        ACCURACIES, CLASSES[k["language"]], counts=COUNTS, chance=0.1, xlabel="classe", legend="sous-ensemble", **k
    ),
    "confusion_matrix": lambda k: plots.confusion_matrix(1000 * MATRIX, CLASSES[k["language"]], normalised=True, **k),
    "examples": lambda k: plots.examples(
        IMAGES, [CLASSES[k["language"]][6]] * 12, true_labels=[CLASSES[k["language"]][i % 10] for i in range(12)], **k
    ),
    "standardised": lambda k: plots.standardised(IMAGES[0], IMAGES[0] / 64 - 2, **k),
    "summed_masks": lambda k: plots.summed_masks(IMAGES, MAPS[..., :12].transpose(2, 0, 1), **k),
    "feature_maps": lambda k: plots.feature_maps(IMAGES[0], MAPS, **k),
    "maps_over_epochs": lambda k: plots.maps_over_epochs(
        IMAGES[0], {epoch: MAPS[..., :12] * epoch for epoch in (1, 10, 20)}, **k
    ),
    "overlays": lambda k: plots.overlays(
        IMAGES.repeat(3, axis=0), MAPS[..., :36].transpose(2, 0, 1), ["Grad-CAM par éléments\n1 234 ×"] * 36,
        picture=IMAGES[0], **k
    ),
    "picture_maps": lambda k: plots.picture_maps(
        [
            plots.PictureRow(
                "Plusieurs objets de la classe", IMAGES[i], 1000 * MAPS[:7, :7, i] - 300, MAPS[..., i],
                "chien de berger des Shetland (0,87)\nlogit de la classe -12,3", MAPS[..., i] > 0.5,
            )
            for i in range(3)
        ],
        headings=("Image de l'utilisateur", "Carte brute", "Superposition"), **k
    ),
    "variants": lambda k: plots.variants(
        IMAGES[:10], MAPS[..., :10].transpose(2, 0, 1), ["-30°\nchien de berger des Shetland"] * 10,
        ["logit -12,3\nr = -0,87"] * 10, **k
    ),
    "panels": lambda k: plots.panels(
        {
            f"{name} (variation quadratique moyenne)": [
                [plots.Line("logit de la classe", range(-5, 6), np.arange(11) - 20, hollow=[True, False] * 5 + [True])],
                [
                    plots.Line(f"corrélation {i} avec la carte déplacée comme les pixels", range(-5, 6), CURVE + i / 9,
                               CURVE - 1, CURVE + 1, joined=i > 0)
                    for i in range(2)
                ],
            ]
            for name in ("cisaillement", "perspective", "distorsion", "luminosité")
        },
        ylabels=["logit de la classe étudiée", "corrélation des cartes"], limits=[None, (-1, 1)],
        filled=("réponse comme pour l'image inchangée", "autre réponse"), **k
    ),
    "intervals": lambda k: plots.intervals(
        [f"Grad-CAM par éléments {i}" for i in range(31)],
        {
            f"tient quand la lumière {each}": scale * MEANS
            for each, scale in zip(("change", "monte", "baisse", "tombe", "vire", "dure"), SCALES, strict=True)
        },
        ylabel="méthode", interval="intervalle à 95 % sur les images", reference="Grad-CAM par éléments 30", **k
    ),
    "model_graph": lambda k: plots.model_graph(make_layers(38), **k),
}


@cache
def worst(name: str, language: str) -> Figure:
    """Give the figure of an entry, for tests that only look at it."""
    return WORST[name](frame(language))


def text_of(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


def legends_of(figure: Figure) -> list[tuple[str, list[str]]]:
    """Give the title and the entries of each legend, from the top."""
    legends = sorted(figure.legends, key=lambda legend: -legend.get_bbox_to_anchor().y0)
    return [(legend.get_title().get_text(), [text.get_text() for text in legend.get_texts()]) for legend in legends]


def panels_with_images(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.images]


# ---- What the eye needs, for every figure


def corners(text: Text) -> np.ndarray:
    """Give the corners (4, 2) of a drawn text, in pixels; slanted text has a slanted box."""
    angle = text.get_rotation()
    if angle % 90 == 0:
        return text.get_window_extent().corners()[[0, 1, 3, 2]]
    assert text.get_rotation_mode() == "anchor"
    anchor = text.get_transform().transform(text.get_unitless_position())
    text.set_rotation(0)
    level = text.get_window_extent().corners()[[0, 1, 3, 2]] - anchor
    text.set_rotation(angle)
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return anchor + level @ np.array([[cosine, sine], [-sine, cosine]])


def overlap(a: np.ndarray, b: np.ndarray, tolerance: float = 1.0) -> bool:
    """Tell whether two rectangles (4, 2) share more than ``tolerance`` pixels along every one of their sides."""
    for side in (a[1] - a[0], a[2] - a[1], b[1] - b[0], b[2] - b[1]):
        along = side / np.linalg.norm(side)
        if min((a @ along).max(), (b @ along).max()) - max((a @ along).min(), (b @ along).min()) <= tolerance:
            return False
    return True


def test_overlap_sees_what_overlaps():
    square = np.array([[0, 0], [0, 10], [10, 10], [10, 0]], float)
    diamond = np.array([[0, 7], [7, 0], [0, -7], [-7, 0]], float)
    assert overlap(square, square + 5)
    assert not overlap(square, square + np.array([10, 0]))
    assert overlap(square, diamond)
    assert not overlap(square, diamond - 4)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", WORST)
def test_text_is_large_enough_and_overlaps_nothing(name, language, monkeypatch):
    figure = worst(name, language)
    drawn, draw = [], Text.draw

    def draw_and_note(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        draw(text, renderer)

    monkeypatch.setattr(Text, "draw", draw_and_note)
    FigureCanvasAgg(figure).draw()
    assert min(text.get_fontsize() for text in drawn) >= 8

    boxes = [corners(text) for text in drawn]
    page = figure.bbox
    for text, box in zip(drawn, boxes, strict=True):
        inside = (box >= -0.5).all() and (box[:, 0] <= page.x1 + 0.5).all() and (box[:, 1] <= page.y1 + 0.5).all()
        assert inside, f"{text.get_text()!r} leaves the figure"
    least, most = (np.array([reduce(box, axis=0) for box in boxes]) for reduce in (np.min, np.max))
    near = (least[:, None] < most[None]).all(-1) & (least[None] < most[:, None]).all(-1)
    collisions = [
        (drawn[i].get_text(), drawn[j].get_text())
        for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True)
        if overlap(boxes[i], boxes[j])
    ]
    assert not collisions

    panels = [axes.get_window_extent().corners()[[0, 1, 3, 2]] for axes in figure.axes]
    outside = [text.get_window_extent() for text in drawn if text.axes is None and text.figure is figure]
    outside += [legend.get_window_extent() for legend in figure.legends]
    for box in outside:
        assert not any(overlap(box.corners()[[0, 1, 3, 2]], panel) for panel in panels)
    for a, b in combinations(panels, 2):
        assert name == "learning_curves" or not overlap(a, b)


@pytest.mark.parametrize("name", WORST)
def test_title_and_footer_are_the_callers_words(name):
    figure = worst(name, "fr")
    assert figure.get_suptitle().replace("\n", " ") == TITLE
    assert figure.texts[-1].get_text().replace("\n", " ") == FOOTER
    assert figure.texts[-1].get_position()[1] < 0.05


USERS = {
    "axes.facecolor": "black", "axes.prop_cycle": matplotlib.cycler(color=["red"]), "axes.spines.top": False,
    "axes.unicode_minus": False, "axes.xmargin": 0.3, "boxplot.whiskerprops.color": "red", "figure.dpi": 50,
    "font.size": 20, "hatch.color": "red", "image.cmap": "gray", "legend.fontsize": 20, "lines.linewidth": 5,
    "patch.edgecolor": "red", "path.simplify": False, "savefig.bbox": "tight", "savefig.facecolor": "red",
    "text.antialiased": False, "text.color": "blue", "text.hinting": "none", "xtick.color": "red",
    "xtick.direction": "in", "xtick.labelsize": 20, "ytick.left": False, "ytick.major.size": 20,
}


@pytest.mark.parametrize("name", WORST)
def test_same_input_same_bytes_whatever_the_users_settings(name):
    def png() -> bytes:
        file = io.BytesIO()
        WORST[name](frame("fr")).savefig(file, dpi=30, metadata={"Software": None})
        return file.getvalue()

    plain = png()
    with matplotlib.rc_context(USERS):
        before = matplotlib.rcParams.copy()
        assert png() == plain
        assert matplotlib.rcParams.copy() == before


def test_a_figure_that_is_drawn_not_saved_is_in_our_look_too():
    def pixels() -> np.ndarray:
        canvas = FigureCanvasAgg(plots.bars(SEEDS, ylabel="s", **frame("fr")))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    plain = pixels()
    with matplotlib.rc_context(USERS):
        np.testing.assert_array_equal(pixels(), plain)


@pytest.mark.parametrize("name", WORST)
def test_every_axis_with_numbers_or_names_says_what_they_are(name):
    for axes in worst(name, "fr").axes:
        for axis in (axes.xaxis, axes.yaxis):
            written = [axis.get_tick_params().get(f"label{side}") for side in ("left", "right", "bottom", "top")]
            if axes.axison and axis.get_visible() and any(written) and len(axis.get_majorticklocs()):
                assert axis.get_label_text()[:1].isupper()


def test_a_long_footer_begins_no_line_with_the_dot_between_its_parts():
    assert worst("heat_map", "fr").texts[-1].get_text().count("\n") == 2
    long = "x" * 104  # with the words around it, longer than a line
    figure = plots.heat_map(MAPS[..., 0], label="", **{**frame("fr"), "footer": f"a {long} · y"})
    assert figure.texts[-1].get_text() == f"a\n{long} ·\ny"


# ---- Names in scripts that our font lacks


def make_font(path: str, family: str, characters: str) -> None:
    """Write a font that draws each character as a square, but a fox not at all, as fonts of coloured pictures do."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (700, 700), (700, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, nothing = pen.glyph(), TTGlyphPen(None).glyph()
    glyphs = {".notdef": square} | {f"u{ord(each):X}": nothing if each == "🦊" else square for each in characters}
    font = FontBuilder(1000)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord(each): f"u{ord(each):X}" for each in characters})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 100)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Leave no fonts on the machine but matplotlib's own; give the function that installs one."""
    monkeypatch.setattr(fontManager, "ttflist", [font for font in fontManager.ttflist if "mpl-data" in font.fname])

    def install(family: str, characters: str) -> None:
        make_font(f"{tmp_path}/{family}.ttf", family, characters)
        fontManager.addfont(f"{tmp_path}/{family}.ttf")
        _frame._family.cache_clear()

    _frame._family.cache_clear()
    yield install
    _frame._family.cache_clear()


FOREIGN = ["王小明", "अदि", "🦊", "zoé", "王", "\udce9", "a\tb"]
ESCAPED = [r"\u738b\u5c0f\u660e", r"\u0905\u0926\u093f", r"\U0001f98a", "zoé", r"\u738b", r"\udce9", r"a\tb"]
FOREIGN_FRAME = {"title": "Takes of 王小明", "footer": "seed 0 · 王", "language": "en"}
NAMED = {
    "bars": lambda names: plots.bars({each: [1.0, 2.0] for each in names}, ylabel="s", **FOREIGN_FRAME),
    "class_accuracies": lambda names: plots.class_accuracies({"all": [0.5] * 7}, names, **FOREIGN_FRAME),
    "subsets": lambda names: plots.class_accuracies({each: [0.5] for each in names}, ["a"], **FOREIGN_FRAME),
    "distributions": lambda names: plots.distributions([dict.fromkeys(names, WAVEFORM)], ylabel="s", **FOREIGN_FRAME),
    "confusion_matrix": lambda names: plots.confusion_matrix(np.eye(7), names, normalised=True, **FOREIGN_FRAME),
    "examples": lambda names: plots.examples(IMAGES[:7], names, true_labels=["a"] * 7, **FOREIGN_FRAME),
    "overlays": lambda names: plots.overlays(
        IMAGES[:7], MAPS[..., :7].transpose(2, 0, 1), names, columns=7, **FOREIGN_FRAME
    ),
    "banks": lambda names: plots.filter_bank([(name, FILTERS, 4000.0) for name in names], **FOREIGN_FRAME),
}


def drawn_texts(figure: Figure) -> list[Text]:
    """Give the texts of a drawn figure; a character that no font has would warn, and fail the test."""
    FigureCanvasAgg(figure).draw()
    return [text for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("name", NAMED)
def test_characters_without_a_font_are_escaped(name, install):
    figure = NAMED[name](FOREIGN)
    texts = " ".join(text.get_text() for text in drawn_texts(figure)).replace("\n", "")
    for foreign, escaped in zip(FOREIGN, ESCAPED, strict=True):
        assert escaped in texts
        assert foreign == escaped or foreign not in texts
    assert figure.get_suptitle() == r"Takes of \u738b\u5c0f\u660e"
    assert figure.texts[-1].get_text() == r"seed 0 · \u738b"


@pytest.mark.parametrize("name", NAMED)
def test_characters_of_another_font_are_drawn_in_it(name, install):
    install("Another Serif", "王小明अदि🦊")
    install("Foreign Sans", "王小明")
    figure = NAMED[name](FOREIGN)
    families = {"王": ["Foreign Sans"], "अ": ["Another Serif"]}
    texts = drawn_texts(figure)
    for text in texts:
        found = [family for each, family in families.items() if each in text.get_text()]
        assert text.get_fontfamily() == ["DejaVu Sans", *(found[0] if found else [])]
    written = " ".join(text.get_text() for text in texts)
    assert "王小明" in written
    assert "अदि" in written
    assert r"\U0001f98a" in written
    assert figure.get_suptitle() == "Takes of 王小明"


def test_what_is_escaped_is_wrapped(install):
    foreign = {"title": "王" * 40, "footer": "王" * 40, "language": "en"}
    figure = plots.bars(SEEDS, ylabel="s", **foreign)
    drawn_texts(figure)
    assert figure.get_suptitle().replace("\n", "") == figure.texts[-1].get_text().replace("\n", "") == r"\u738b" * 40
    for text in (figure._suptitle, figure.texts[-1]):
        assert text.get_window_extent().width < figure.bbox.width


def test_a_font_that_cannot_be_read_is_passed_over(install, tmp_path):
    install("Foreign Sans", "王")
    (tmp_path / "Foreign Sans.ttf").write_bytes(b"no font")
    assert _frame.drawable("王") == r"\u738b"
    (tmp_path / "Foreign Sans.ttf").unlink()
    _frame._family.cache_clear()
    assert _frame.drawable("王") == r"\u738b"


def test_escaped_names_are_slanted_as_long_ones_are(install):
    texts = drawn_texts(NAMED["distributions"](FOREIGN[:2]))
    names = [text for text in texts if text.get_text().startswith(r"\u")]
    assert {text.get_rotation() for text in names} == {45}


def test_every_function_is_checked():
    assert {name.split()[0] for name in WORST} == set(plots.__all__) - {"Album", "Line", "PictureRow", "Spectrogram"}


def test_the_rooms_stay_apart():
    code = """
import sys, matplotlib
before = matplotlib.rcParams.copy()
import mi204.plots
assert matplotlib.rcParams.copy() == before
print(*{"matplotlib.pyplot", "keras", "tensorflow", "torch", "jax"} & set(sys.modules))
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == []


# ---- Each figure


@pytest.mark.parametrize(
    ("language", "labels", "legend"),
    [
        (
            "en",
            ("Epoch", "Loss", "Accuracy (%)"),
            "loss (training)|loss (validation)|least validation loss (epoch 12)|"
            "accuracy (training)|accuracy (validation)",
        ),
        (
            "fr",
            ("Époque", "Coût", "Exactitude (%)"),
            "coût (apprentissage)|coût (validation)|coût de validation minimal (époque 12)|"
            "exactitude (apprentissage)|exactitude (validation)",
        ),
    ],
)
def test_learning_curves(language, labels, legend):
    figure = plots.learning_curves(RUN, best_epoch=12, **frame(language))
    loss, accuracy = figure.axes
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == labels
    assert [text.get_text() for text in figure.legends[0].get_texts()] == legend.split("|")
    for axes, names, scale in ((loss, ("loss", "val_loss"), 1), (accuracy, ("acc", "val_acc"), 100)):
        for line, name in zip(axes.lines, names, strict=False):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 21))
            np.testing.assert_allclose(line.get_ydata(), scale * np.array(RUN.history[name]))
    assert list(loss.lines[2].get_xdata()) == [12, 12]
    assert [line.get_linestyle() for line in loss.lines[:2]] == ["--", "-"]
    assert list(loss.get_xticks()) == [1, 5, 10, 15, 20]


def test_learning_curves_of_one_epoch():
    figure = plots.learning_curves(make_run("32", 0, 1), **frame("en"))
    assert list(figure.axes[0].get_xticks()) == [1]
    assert len(figure.axes[0].lines) == 2


@pytest.mark.parametrize(
    ("first_epoch", "n_epochs", "ticks"),
    [(21, 20, [21, 25, 30, 35, 40]), (24, 13, [24, 30, 35]), (9, 3, [9, 10, 11]), (2, 1, [2])],
)
def test_learning_curves_that_go_on_count_on(first_epoch, n_epochs, ticks):
    run = make_run("32", 0, n_epochs)
    figure = plots.learning_curves(run, best_epoch=n_epochs, first_epoch=first_epoch, **frame("en"))
    last = first_epoch + n_epochs - 1
    for axes in figure.axes:
        for line in axes.lines[:2]:
            assert list(line.get_xdata()) == list(range(first_epoch, last + 1))
        assert list(axes.get_xticks()) == ticks
        assert axes.get_xlim() == (first_epoch - 0.5, last + 0.5)
    assert list(figure.axes[0].lines[2].get_xdata()) == [last, last]
    assert f"least validation loss (epoch {last})" in text_of(figure)


@pytest.mark.parametrize(("language", "diverged"), [("en", "diverged"), ("fr", "a divergé")])
def test_a_setting_that_diverged_stops_says_so_and_stretches_nothing(language, diverged):
    gone, steady = make_diverged("gone"), make_run("steady", 0, 13)
    alone = plots.study([steady], **frame(language))
    figure = plots.study([gone, steady], names={"gone": "SGD"}, **frame(language))
    assert legends_of(figure)[0][1] == [f"SGD ({diverged})", "steady"]
    loss, accuracy = figure.axes
    assert [len(line.get_xdata()) for line in loss.lines] == [2, 2, 13, 13]
    assert [len(line.get_xdata()) for line in accuracy.lines] == [13] * 4
    assert loss.get_ylim() == alone.axes[0].get_ylim()
    figure = plots.quantity([steady, gone], {"loss": ""}, ylabel="", **frame(language))
    assert legends_of(figure)[0][1] == ["steady", f"gone ({diverged})"]
    assert figure.axes[0].get_ylim()[1] < 2


def test_a_run_that_diverged_is_shown_alone_up_to_ten_times_its_start():
    run = make_run("sgd", 0, 6)
    run.history["loss"][:] = [2.0, 3.0, 9.0, 1e20, math.nan, 1.0]
    run.history["val_loss"][:] = [math.inf] * 6
    run.history["acc"][:] = [0.1, 0.2, 0.3, math.nan, math.nan, math.nan]
    figure = plots.learning_curves(run, best_epoch=1, **frame("en"))
    loss, accuracy = figure.axes
    assert 9 < loss.get_ylim()[1] < 10
    assert [len(line.get_xdata()) for line in (*loss.lines, *accuracy.lines)] == [4, 0, 2, 3, 6]
    assert "loss (training) (diverged)|loss (validation) (diverged)" in "|".join(legends_of(figure)[0][1])
    assert "accuracy (training) (diverged)|accuracy (validation)" in "|".join(legends_of(figure)[0][1])
    FigureCanvasAgg(figure).draw()
    run.history["val_acc"][:] = run.history["acc"]
    assert 30 < plots.learning_curves(run, **frame("en")).axes[1].get_ylim()[1] < 33


def test_one_seed_that_diverged_ends_the_mean_and_its_band():
    figure = plots.study([make_run("a", 0, 13), make_diverged("a", 1)], **frame("en"))
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 2]
    assert not figure.axes[0].collections
    assert legends_of(figure)[0][1] == ["a (diverged)"]
    assert figure.axes[0].get_ylim()[1] < 10
    losses = replace(LOSS_RUNS[0], history={**LOSS_RUNS[0].history, "test_loss": [0.5, 1e30, math.nan]})
    figure = plots.train_and_test_losses([LOSS_RUNS[1], losses], best_epoch=1, **frame("en"))
    assert "Test loss (diverged)" in legends_of(figure)[0][1]
    assert figure.axes[1].get_ylim()[1] < 10


@pytest.mark.parametrize(
    ("language", "labels"),
    [("en", ("Loss", "Accuracy (%)", "training")), ("fr", ("Coût", "Exactitude (%)", "apprentissage"))],
)
def test_study(language, labels):
    figure = plots.study(RUNS, names={"8": "huit"}, **frame(language))
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == labels[:2]
    assert legends_of(figure) == [("", ["huit", *SETTINGS[1:]]), ("", [labels[2], "validation"])]
    assert len(loss.lines) == len(accuracy.lines) == len(loss.collections) == 16
    for setting, lines in zip(SETTINGS, np.reshape(accuracy.lines, (8, 2)), strict=True):
        for line, name, style in zip(lines, ("acc", "val_acc"), ("--", "-"), strict=True):
            values = [run.history[name] for run in RUNS if run.setting == setting]
            np.testing.assert_allclose(line.get_ydata(), 100 * np.mean(values, axis=0))
            assert line.get_linestyle() == style
    top = loss.collections[0].get_paths()[0].vertices[:, 1].max()
    losses = np.array([run.history["loss"] for run in RUNS[:3]])
    assert top == pytest.approx((losses.mean(0) + losses.std(0, ddof=1)).max())
    looks = {(to_hex(line.get_color()), line.get_marker()) for line in loss.lines}
    assert len(looks) == len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 8


def test_study_of_single_seeds_and_of_seeds_that_stopped_early():
    assert not plots.study([RUN], **frame("en")).axes[0].collections
    ragged = plots.study([make_run("a", 0, 5), make_run("a", 1, 3)], **frame("en"))
    assert [len(line.get_xdata()) for line in ragged.axes[0].lines] == [3, 3]


def test_study_tells_more_than_eight_settings_apart():
    figure = plots.study([make_run(str(setting), 0, 3) for setting in range(12)], **frame("en"))
    assert len({(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}) == 12


@pytest.mark.parametrize(("language", "note"), [("en", "not drawn: SGD"), ("fr", "hors du graphique : SGD")])
def test_what_would_flatten_all_others_is_left_out_in_words(language, note):
    runs = [make_run(setting, 0, 5) for setting in "abc"]
    for run in runs[1:2]:
        run.history["loss"][2] = 1e6
    options = {"names": {"b": "SGD"}, "left_out": ["b", "not run"], **frame(language)}
    figure = plots.study(runs, legend="optimiser", **options)
    loss, accuracy = figure.axes
    assert (loss.get_title(), accuracy.get_title()) == (note, "")
    assert [line.get_marker() for line in loss.lines] == ["o", "o", "^", "^"]
    assert [line.get_marker() for line in accuracy.lines] == ["o", "o", "s", "s", "^", "^"]
    assert loss.get_ylim()[1] < 2
    assert legends_of(figure)[0] == ("Optimiser", ["a", "SGD", "c"])
    figure = plots.quantity(runs, {"loss": ""}, ylabel="", legend="optimiser", **options)
    assert figure.axes[0].get_title() == note
    assert [line.get_marker() for line in figure.axes[0].lines] == ["o", "^"]
    assert legends_of(figure) == [("Optimiser", ["a", "c"])]
    options["left_out"] = []
    assert plots.study(runs, **options).axes[0].get_title() == ""


def test_quantity():
    lines = {"acc": "training", "val_acc": "validation"}
    figure = plots.quantity(
        RUNS[:6], lines, ylabel="accuracy (%)", scale=100, first_epoch=0, names={"8": "eight"}, legend="batch size",
        **frame("en")
    )
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Accuracy (%)"
    assert legends_of(figure) == [("Batch size", ["eight", "16"]), ("", ["training", "validation"])]
    assert [line.get_linestyle() for line in axes.lines] == ["--", "-"] * 2
    np.testing.assert_allclose(
        axes.lines[1].get_ydata(), 100 * np.mean([run.history["val_acc"] for run in RUNS[:3]], axis=0)
    )
    assert list(axes.lines[1].get_xdata()) == list(range(13))
    assert axes.get_xlim() == (-0.5, 13.5)


def test_quantity_of_one_line_per_setting():
    figure = plots.quantity([RUN], {"loss": "validation"}, ylabel="Norm", logarithmic=True, **frame("en"))
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert legends_of(figure) == [("", ["32"])]
    assert list(axes.lines[0].get_xdata()) == list(range(1, 21))
    assert axes.lines[0].get_linestyle() == "-"


def test_train_and_test_losses():
    figure = plots.train_and_test_losses(LOSS_RUNS, best_epoch=7, **frame("en"))
    train, test = figure.axes
    means = {name: np.mean([run.history[name] for run in LOSS_RUNS], axis=0) for name in LOSS_RUNS[0].history}
    np.testing.assert_allclose([line.get_ydata() for line in train.lines], [means["train_loss"], means["running_loss"]])
    np.testing.assert_allclose(test.lines[0].get_ydata(), means["test_loss"])
    assert list(test.lines[1].get_xdata()) == [7, 7]
    assert "Least test loss (epoch 7)" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_loss_that_hardly_moves_stays_below_the_top():
    still = replace(LOSS_RUNS[0], history={name: [2.3, 2.301] for name in LOSS_RUNS[0].history})
    for axes in plots.train_and_test_losses([still], best_epoch=1, **frame("en")).axes:
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > 1.03 * 2.301


def test_sound_is_drawn_on_axes_of_seconds_and_hertz():
    frequencies = np.linspace(0, 4100, 42)  # filters at 100, 200, … 4000 Hz
    spectrogram = plots.Spectrogram("true", IMAGE_OF_SOUND, frequencies, 0.4)
    figure = plots.sound(WAVEFORM, 8000, [spectrogram], **frame("fr"))
    wave, image, scale = figure.axes
    np.testing.assert_allclose(wave.lines[0].get_xdata()[[0, -1]], [0, 3199 / 8000])
    assert image.get_xlim() == (0, 0.4)
    assert dict(zip([text.get_text() for text in image.get_yticklabels()], image.get_yticks(), strict=True)) == {
        "0": -0.5, "250": pytest.approx(1.5), "500": pytest.approx(4), "1\u202f000": pytest.approx(9),
        "2\u202f000": pytest.approx(19), "3\u202f000": pytest.approx(29), "4\u202f000": pytest.approx(39),
    }
    np.testing.assert_allclose(image.images[0].get_array(), IMAGE_OF_SOUND - IMAGE_OF_SOUND.max())
    assert image.images[0].origin == "lower"
    assert scale.get_ylabel() == "Décibels sous le plus fort"


@pytest.mark.parametrize(
    ("language", "titles", "legend"),
    [
        ("en", ["full (empty filters: 0)", "four empty (empty filters: 4)"],
         "empty filter: no frequency of the spectrum lies inside"),
        ("fr", ["full (filtres vides : 0)", "four empty (filtres vides : 4)"],
         "filtre vide : aucune fréquence du spectre n'y tombe"),
    ],
)
def test_filter_bank(language, titles, legend):
    filters = np.eye(10)
    holes = np.eye(10)
    holes[[0, 3, 4, 9]] = 0
    figure = plots.filter_bank([("full", filters, 900.0), ("four empty", holes, 900.0)], **frame(language))
    full, empty = figure.axes
    assert [line.get_xdata()[row] for row, line in enumerate(full.lines)] == pytest.approx(np.linspace(0, 900, 10))
    np.testing.assert_array_equal([line.get_ydata() for line in full.lines], filters)
    assert [axes.get_title() for axes in figure.axes] == titles
    cross = empty.lines[-1]
    assert cross.get_marker() == "x"
    np.testing.assert_allclose(cross.get_xdata(), [50, 300, 400, 850])  # half-way to the end, or between neighbours
    assert set(cross.get_ydata()) == {0}
    assert legends_of(figure) == [("", [legend])]
    assert not plots.filter_bank([("full", filters, 900.0)], **frame(language)).legends


def test_distributions():
    panels = [{"0": np.array([1.0, 2.0, 9.0])}, {"a": np.array([3.0]), "b": np.array([4.0])}]
    options = {"ylabel": "duration (s)", **frame("en")}
    first, second = plots.distributions(panels, xlabels=["digit", "speaker"], **options).axes
    assert (first.get_xlabel(), second.get_xlabel()) == ("Digit", "Speaker")
    assert plots.distributions(panels, **options).axes[1].get_xlabel() == ""
    assert [text.get_text() for text in second.get_xticklabels()] == ["a", "b"]
    assert [2.0, 2.0] in [list(line.get_ydata()) for line in first.lines]
    assert first.get_ylabel() == "Duration (s)"


def test_heat_map():
    figure = plots.heat_map(MAPS[..., 0], label="Difference", **frame("fr"))
    axes, scale = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array(), MAPS[..., 0])
    assert axes.images[0].get_clim() == (0, MAPS[..., 0].max())
    assert (axes.get_xlabel(), axes.get_ylabel(), scale.get_ylabel()) == ("Colonne", "Ligne", "Difference")
    assert plots.heat_map(np.zeros((3, 3)), label="", **frame("fr")).axes[0].images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("preset", ["quick", "course"])
def test_album_names_titles_and_says_where_the_numbers_come_from(preset):
    measured = Measured(
        config=SimpleNamespace(recipe=SimpleNamespace(seed=3), preset=preset), data="CIFAR-10", source="sample",
        origin="", environment={"backend": "jax", "keras": "3.15.1"}, runs=RUNS,
    )
    words = {"title_pace": {"en": "Pace", "fr": "Rythme"}, "title_confusion": {"en": "", "fr": "Confusion"}}
    album = plots.Album(measured, Vocabulary(words), "fr")
    album.draw("4.3_pace", plots.study, RUNS, n_seeds=3)
    subject = [Word("test"), Word("normalised")]
    album.draw("4_confusion", plots.confusion_matrix, MATRIX, CLASSES["fr"], normalised=True, subject=subject)
    assert list(album.figures) == ["4.3_pace", "4_confusion_test_normalised"]
    assert [figure.get_suptitle() for figure in album.figures.values()] == ["Rythme", "Confusion (test, normalisée)"]
    study, matrix = (figure.texts[-1].get_text().replace("\n", " ") for figure in album.figures.values())
    assert "échantillon procédural, PAS CIFAR-10 · jax, keras 3.15.1 · graines 3–5" in study
    assert "graine 3" in matrix
    assert ("trop petite pour conclure" in matrix) == (preset == "quick")


def test_bars():
    figure = plots.bars({"8": [40.0, 44.0], "sgd": [0.00123]}, ylabel="Durée (s)", **frame("fr"))
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Durée (s)"
    assert [bar.get_height() for bar in axes.patches] == [42.0, 0.00123]
    assert [text.get_text() for text in axes.texts] == ["42,0\n± 2,8", "0,00123"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["8", "sgd"]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in points] == [[40.0, 44.0]]
    assert len(axes.containers) == 3  # two bars, one error bar
    assert legends_of(figure) == [("", ["écart type entre les graines", "une graine"])]
    assert not plots.bars({"8": [40.0]}, ylabel="s", **frame("fr")).legends


@pytest.mark.parametrize(
    ("language", "legend"),
    [
        ("en", ["chance (2.5\u202f%)", "95\u202f% interval (Wilson)"]),
        ("fr", ["hasard (2,5\u202f%)", "intervalle à 95\u202f% (Wilson)"]),
    ],
)
def test_bars_of_accuracies_have_chance_and_an_interval(language, legend):
    values, counts = {"8": [40.0, 44.0], "16": [0.0]}, {"16": 50, "8": 100}
    options = {"ylabel": "accuracy (%)", "xlabel": "batch size", "counts": counts, "chance": 0.025, **frame(language)}
    figure = plots.bars(values, **options)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Batch size", "Accuracy (%)")
    intervals = [line.get_ydata() for line in axes.lines if line.get_linewidth() == 9]
    np.testing.assert_allclose(intervals, 100 * np.array([metrics.wilson_interval(42, 100), (0, 0.0713)]), atol=0.01)
    assert [text.xy[1] for text in axes.texts] == [max(interval) for interval in intervals]
    assert [2.5, 2.5] in [list(line.get_ydata()) for line in axes.lines]
    assert legends_of(figure)[0][1][:2] == legend
    assert len(legends_of(figure)[0][1]) == 4
    options["counts"] = {name * 40: n for name, n in counts.items()}
    (axes,) = plots.bars({name * 40: seeds for name, seeds in values.items()}, **options).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Accuracy (%)", "Batch size")
    np.testing.assert_allclose([line.get_xdata() for line in axes.lines if line.get_linewidth() == 9], intervals)
    assert [2.5, 2.5] in [list(line.get_xdata()) for line in axes.lines]


def test_bars_lie_where_their_names_have_no_room_side_by_side():
    values = {f"a rather long setting {i}": [40.0 + i, 44.0 + i] for i in range(13)}
    (axes,) = plots.bars(values, ylabel="s", **frame("en")).axes
    assert axes.get_xlabel() == "S"
    assert [bar.get_width() for bar in axes.patches] == [42.0 + i for i in range(13)]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(values)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first setting above
    assert axes.texts[0].get_text() == "42.0 ± 2.8"
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert list(points[1].get_xdata()) == [41.0, 45.0]
    assert axes.get_ylabel() == ""


def test_bars_of_zero():
    assert "0.00" in text_of(plots.bars({"a": [0.0]}, ylabel="s", **frame("en")))


def test_class_accuracies():
    figure = plots.class_accuracies(ACCURACIES, CLASSES["fr"], **frame("fr"))
    (axes,) = figure.axes
    heights = np.reshape([bar.get_height() for bar in axes.patches], (3, 10))
    np.testing.assert_allclose(heights, [100 * values for values in ACCURACIES.values()])
    assert axes.get_ylabel() == "Exactitude (%)"
    assert [text.get_text() for text in axes.get_xticklabels()] == CLASSES["fr"]
    assert legends_of(figure) == [("", SUBSETS)]
    assert not axes.lines
    assert len({bars[0].get_hatch() for bars in axes.containers}) == 3
    starts = np.sort([bar.get_x() for bar in axes.patches])
    assert np.diff(starts).min() >= axes.patches[0].get_width() - 1e-9


@pytest.mark.parametrize(
    ("language", "nothing", "legend"),
    [
        ("en", "no example", ["chance (50\u202f%)", "95\u202f% interval (Wilson)"]),
        ("fr", "aucun exemple", ["hasard (50\u202f%)", "intervalle à 95\u202f% (Wilson)"]),
    ],
)
def test_class_accuracies_have_chance_and_an_interval_and_no_bar_without_examples(language, nothing, legend):
    values = {"validation": [0.0, 0.9], "test": [np.nan, 0.25]}
    options = {"chance": 0.5, "xlabel": "class", "legend": "images", **frame(language)}
    figure = plots.class_accuracies(values, ["a", "b"], counts={"validation": [0, 10], "test": [0, 40]}, **options)
    (axes,) = figure.axes
    np.testing.assert_array_equal([bar.get_height() for bar in axes.patches], [np.nan, 90, np.nan, 25])
    assert [text.get_text() for text in axes.texts] == [nothing] * 2
    empty = [bar.get_x() + bar.get_width() / 2 for bar in (axes.patches[0], axes.patches[2])]
    assert [text.get_position() for text in axes.texts] == [(x, 52) for x in empty]  # above the line of chance
    intervals = [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-"]
    expected = [metrics.wilson_interval(9, 10), metrics.wilson_interval(10, 40)]
    np.testing.assert_allclose(intervals, 100 * np.array(expected))
    assert [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == ":"] == [[50, 50]]
    assert legends_of(figure) == [("Images", ["validation", "test"]), ("", legend)]
    assert axes.get_xlabel() == "Class"
    unknown = plots.class_accuracies(values, ["a", "b"], **options)
    assert legends_of(unknown)[1] == ("", legend[:1])
    assert len(unknown.axes[0].texts) == 1  # NaN says itself that there was nothing


@pytest.mark.parametrize(
    ("language", "labels", "rows", "share"),
    [
        ("en", ("Predicted class", "True class (number of images)"), ["a (4)", "b (0)", "St. C (8,000)"], "0.25"),
        ("fr", ("Prédiction", "Vérité terrain (nombre d’images)"), ["a (4)", "b (0)", "St. C (8\u202f000)"], "0,25"),
    ],
)
def test_confusion_matrix(language, labels, rows, share):
    matrix, classes = np.array([[3, 1, 0], [0, 0, 0], [0, 2000, 6000]]), ["a", "b", "St. C"]
    counts = plots.confusion_matrix(matrix, classes, normalised=False, **frame(language))
    axes = counts.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == labels
    assert [label.get_text() for label in axes.get_yticklabels()] == rows
    assert [label.get_text() for label in axes.get_xticklabels()] == classes
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0", "0", "0", "0", "2000", "6000"]
    # white above half of the greatest
    assert [text.get_text() for text in axes.texts if text.get_color() == "white"] == ["6000"]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {45}
    figure = plots.confusion_matrix(matrix, classes, normalised=True, **frame(language))
    shown = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[0.75, 0.25, 0], [np.nan] * 3, [0, 0.25, 0.75]])
    assert [text.get_text() for text in figure.axes[0].texts[3:6]] == ["–"] * 3
    assert figure.axes[0].texts[1].get_text() == share
    assert len(figure.axes) == 2  # the matrix and its colour bar


def test_confusion_matrix_of_nothing():
    figure = plots.confusion_matrix(np.zeros((2, 2), int), ["a", "b"], normalised=True, **frame("en"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["–"] * 4


@pytest.mark.parametrize(("language", "label"), [("en", "cat\ntrue: dog"), ("fr", "cat\nvrai\u00a0: dog")])
def test_examples_say_the_truth_under_what_is_wrong(language, label):
    labels, true_labels = ["cat", "cat", "a b"], ["cat", "dog", "a b"]
    figure = plots.examples(IMAGES[:3], labels, true_labels=true_labels, **frame(language))
    assert [axes.get_title() for axes in figure.axes] == ["cat", label, "a b"]
    assert [len(axes.texts) for axes in figure.axes] == [0, 1, 0]
    assert [axes.spines["left"].get_linewidth() > 1 for axes in figure.axes] == [False, True, False]


def test_examples_mark_the_wrong_ones_by_sign_and_frame():
    figure = plots.examples(IMAGES[:7], list("abcdefg"), correct=np.arange(7) != 2, **frame("en"))
    assert [axes.get_title() for axes in figure.axes] == list("abcdefg")
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[], [], ["✗"], [], [], [], []]
    assert [axes.spines["left"].get_linewidth() > 1 for axes in figure.axes] == [index == 2 for index in range(7)]
    np.testing.assert_array_equal(figure.axes[4].images[0].get_array(), IMAGES[4])
    plain = plots.examples(IMAGES[:2, ..., :1], ["a", "b"], columns=2, **frame("en"))
    assert plain.axes[0].images[0].get_array().shape == (32, 32)
    assert plain.axes[0].images[0].get_clim() == (0, 255)


@pytest.mark.parametrize(
    ("language", "labels"),
    [
        ("en", ("Pixel value (0–255)", "Standardised value (standard deviations)", "red channel", "Channel")),
        ("fr", ("Valeur du pixel (0–255)", "Valeur standardisée (écarts types)", "canal rouge", "Canal")),
    ],
)
def test_standardised(language, labels):
    image = IMAGES[0].astype(float)
    after = (image - image.mean((0, 1))) / image.std((0, 1))
    figure = plots.standardised(IMAGES[0], after, **frame(language))
    assert len(figure.axes) == 4
    assert tuple(axes.get_xlabel() for axes in figure.axes[2:]) == labels[:2]
    assert legends_of(figure)[0][0] == labels[3]
    assert legends_of(figure)[0][1][0] == labels[2]
    shown = figure.axes[1].images[0].get_array()
    assert (shown.min(), shown.max()) == (0, 1)
    for axes in figure.axes[2:]:
        assert [stairs.get_data().values.sum() for stairs in axes.patches] == [32 * 32] * 3


def test_standardised_of_a_constant_image():
    plots.standardised(np.full((8, 8, 3), 7, np.uint8), np.zeros((8, 8, 3)), **frame("en"))


def test_summed_masks_stand_below_their_images():
    masks = MAPS[..., :12].transpose(2, 0, 1)
    figure = plots.summed_masks(IMAGES, masks, **frame("fr"))
    panels = panels_with_images(figure)
    assert len(panels) == 24
    assert len(figure.axes) == 25
    FigureCanvasAgg(figure).draw()
    for index in range(12):
        above, below = panels[2 * index : 2 * index + 2]
        np.testing.assert_array_equal(above.images[0].get_array(), IMAGES[index])
        np.testing.assert_array_equal(below.images[0].get_array(), masks[index])
        assert below.images[0].get_clim() == (0, 1)
        assert above.get_position().y0 > below.get_position().y0
        assert above.get_position().x0 == pytest.approx(below.get_position().x0)
    assert (panels[0].get_ylabel(), panels[1].get_ylabel()) == ("Image", "Masque")


@pytest.mark.parametrize("n_filters", [1, 8, 64])
def test_feature_maps_have_their_own_colours_each(n_filters):
    maps = MAPS[:4, :4, :n_filters] * np.arange(1, n_filters + 1) - 3
    figure = plots.feature_maps(IMAGES[0], maps, **frame("en"))
    image, *panels = panels_with_images(figure)
    assert image.get_title() == "Image"
    assert [axes.get_title() for axes in panels] == [str(number) for number in range(1, n_filters + 1)]
    for index, axes in enumerate(panels):
        shown = axes.images[0]
        np.testing.assert_array_equal(shown.get_array(), maps[..., index])
        assert shown.get_clim() == (maps[..., index].min(), maps[..., index].max())
    bar = figure.axes[-1]
    assert bar.get_xlabel() == f"Activation of filters 1–{n_filters}, one scale per map"
    assert dict(zip(bar.get_xticks(), [text.get_text() for text in bar.get_xticklabels()], strict=True)) == {
        0: "minimum of the map", 1: "maximum of the map"
    }


def test_maps_of_a_dead_layer():
    figure = plots.feature_maps(IMAGES[0], np.zeros((4, 4, 2)), **frame("fr"))
    FigureCanvasAgg(figure).draw()
    assert figure.axes[1].images[0].get_clim() == (0, 1)
    assert figure.axes[-1].get_xlabel() == "Activation des filtres 1–2, une échelle par carte"


def test_maps_over_epochs_share_their_colours_in_each_column():
    maps = {1: MAPS[:4, :4, :3], 20: MAPS[:4, :4, :3] * [2, 3, 4] - 1}
    figure = plots.maps_over_epochs(IMAGES[0], maps, **frame("fr"))
    panels = panels_with_images(figure)[1:]
    assert [axes.get_ylabel() for axes in panels] == ["Époque 1", "", "", "Époque 20", "", ""]
    assert [axes.get_title() for axes in panels] == ["1", "2", "3", "", "", ""]
    for index, axes in enumerate(panels):
        epoch, column = (1, 20)[index // 3], index % 3
        np.testing.assert_array_equal(axes.images[0].get_array(), maps[epoch][..., column])
        values = [then[..., column] for then in maps.values()]
        assert axes.images[0].get_clim() == (np.min(values), np.max(values))
    assert len(figure.axes) == 1 + 6 + 1
    assert figure.axes[-1].get_xlabel() == "Activation des filtres 1–3, une échelle par colonne"
    labels = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    assert labels == ["minimum de la colonne", "maximum de la colonne"]


@pytest.mark.parametrize(("language", "parameters"), [("en", "147,584"), ("fr", "147\u202f584")])
def test_model_graph(language, parameters):
    layers = make_layers(38)
    figure = plots.model_graph(layers, **frame(language))
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts[:3] == ["batch_normalization_0", "BatchNormalization", f"(None, 32, 32, 128) · {parameters}"]
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    boxes = [patch for patch in axes.patches if not isinstance(patch, FancyArrowPatch)]
    assert len(boxes) == 38
    assert len(arrows) == sum(len(layer["inputs"]) for layer in layers)
    assert len({box.get_x() for box in boxes}) == 3
    FigureCanvasAgg(figure).draw()
    for index, box in enumerate(boxes):
        inside = box.get_window_extent()
        for text in axes.texts[3 * index : 3 * index + 3]:
            extent = text.get_window_extent()
            assert inside.x0 < extent.x0
            assert extent.x1 < inside.x1
            assert inside.y0 - 1 < extent.y0
            assert extent.y1 < inside.y1 + 1


def test_model_graph_draws_the_connections_that_are_there():
    layers = make_layers(3)
    layers[2]["inputs"] = ["batch_normalization_0"]
    arrows = plots.model_graph(layers, **frame("en")).axes[0].patches[3:]
    assert len(arrows) == 2
    straight, curved = (arrow.get_path().vertices for arrow in arrows)
    assert np.ptp(straight[:2, 0]) == 0
    assert curved[1, 0] < 24  # beside the boxes, which begin there
