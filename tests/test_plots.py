"""Figures: their structure and data, and that nobody has to squint at them."""

import io
import math
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from mi204 import plots
from mi204.language import Word
from mi204.results import Results, Run

CLASSES = {
    "en": ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    "fr": ["avion", "voiture", "oiseau", "chat", "cerf", "chien", "grenouille", "cheval", "bateau", "camion"],
}
SETTINGS = ["8", "16", "32", "64", "128", "SGD", "SGD + momentum 0,9", "Adam + augmentation"]
SUBSETS = ["apprentissage", "validation", "test"]
TITLE = "Comparaison de l’exactitude du réseau du cours sur les trois sous-ensembles, lots de 8 à 128 images, moyenne"
FOOTER = (
    "Données\u00a0: CIFAR-10, réelles (5000 images d’entraînement, 1000 de validation, 1000 de test) · "
    "tensorflow 2.21.0, keras 3.15.1 · graines 0, 1, 2 · moyenne ± écart type · 2 cœurs, Linux x86_64, 16 Gio"
)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
MAPS = RNG.random((32, 32, 64))
MATRIX = RNG.integers(0, 500, (10, 10))
MATRIX[3] = 0
ACCURACIES = {subset: RNG.random(10) for subset in SUBSETS}
SEEDS = {setting: [40.0 + index, 41.5, 43.25] for index, setting in enumerate(SETTINGS)}


def make_run(setting: str, seed: int, n_epochs: int) -> Run:
    """Make a run whose losses and accuracies are random."""
    rng = np.random.default_rng([seed, n_epochs])
    history = {name: list(rng.random(n_epochs)) for name in ("loss", "acc", "val_loss", "val_acc")}
    return Run("study", setting, seed, 32, 132010, history, [1.0] * n_epochs)


RUN = make_run("32", 0, 20)
RUNS = [make_run(setting, seed, 13 + index) for index, setting in enumerate(SETTINGS) for seed in range(3)]

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


def wrong_label(language: str) -> str:
    return {"en": "predicted frog, true horse", "fr": "prédit grenouille, vrai cheval"}[language]


# one entry per function, with the most that it must bear
WORST = {
    "learning_curves": lambda k: plots.learning_curves(RUN, best_epoch=12, **k),
    "study": lambda k: plots.study(RUNS, **k),
    "bars": lambda k: plots.bars(SEEDS, ylabel="Exactitude sur le test (%)", **k),
    "bars lying": lambda k: plots.bars(
        {f"{name}, {i}, sans normalisation": seeds for i in range(3) for name, seeds in SEEDS.items()},
        ylabel="Exactitude sur le test (%)",
        **k,
    ),
    "quantity": lambda k: plots.quantity(
        RUNS, {"acc": TITLE[:20], "val_acc": "validation"}, ylabel="Exactitude (%)", scale=100, first_epoch=0, **k
    ),
    "quantity logarithmic": lambda k: plots.quantity(
        RUNS, {"loss": "validation"}, ylabel="Norme du gradient", logarithmic=True, **k
    ),
    "train_and_test_losses": lambda k: plots.train_and_test_losses(LOSS_RUNS, best_epoch=7, **k),
    "sound": lambda k: plots.sound(
        WAVEFORM, 8000, [plots.Spectrogram(TITLE[:30], IMAGE_OF_SOUND, np.geomspace(40, 4000, 42), 0.4)] * 2, **k
    ),
    "filter_bank": lambda k: plots.filter_bank(
        [(TITLE[:30], np.eye(40), 4000.0), ("128 filtres", np.eye(40), 8000.0)], **k
    ),
    "distributions": lambda k: plots.distributions(
        [dict.fromkeys(CLASSES[k["language"]], WAVEFORM), {"a": WAVEFORM, "b": WAVEFORM}], ylabel="Durée (s)", **k
    ),
    "heat_map": lambda k: plots.heat_map(MAPS[..., 0], label="Différence absolue", **k),
    "class_accuracies": lambda k: plots.class_accuracies(ACCURACIES, CLASSES[k["language"]], **k),
    "confusion_matrix": lambda k: plots.confusion_matrix(MATRIX, CLASSES[k["language"]], normalised=True, **k),
    "examples": lambda k: plots.examples(IMAGES, [wrong_label(k["language"])] * 12, correct=np.arange(12) % 3 > 0, **k),
    "standardised": lambda k: plots.standardised(IMAGES[0], IMAGES[0] / 64 - 2, **k),
    "summed_masks": lambda k: plots.summed_masks(IMAGES, MAPS[..., :12].transpose(2, 0, 1), **k),
    "feature_maps": lambda k: plots.feature_maps(IMAGES[0], MAPS, **k),
    "maps_over_epochs": lambda k: plots.maps_over_epochs(
        IMAGES[0], {epoch: MAPS[..., :12] * epoch for epoch in (1, 10, 20)}, **k
    ),
    "model_graph": lambda k: plots.model_graph(make_layers(38), **k),
}


def text_of(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


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
    figure = WORST[name](frame(language))
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
    figure = WORST[name](frame("fr"))
    assert figure.get_suptitle().replace("\n", " ") == TITLE
    assert figure.texts[-1].get_text().replace("\n", " ") == FOOTER
    assert figure.texts[-1].get_position()[1] < 0.05


@pytest.mark.parametrize("name", WORST)
def test_same_input_same_bytes(name):
    def png() -> bytes:
        file = io.BytesIO()
        WORST[name](frame("fr")).savefig(file, dpi=30, metadata={"Software": None})
        return file.getvalue()

    assert png() == png()


def test_every_function_is_checked():
    assert {name.split()[0] for name in WORST} == set(plots.__all__) - {"Album", "Spectrogram"}


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


def test_a_users_settings_are_left_and_do_not_matter():
    plain, other = io.BytesIO(), io.BytesIO()
    plots.bars(SEEDS, ylabel="s", **frame("en")).savefig(plain, dpi=30)
    with matplotlib.rc_context({"font.size": 20, "legend.fontsize": 20, "lines.linewidth": 5}):
        before = matplotlib.rcParams.copy()
        plots.bars(SEEDS, ylabel="s", **frame("en")).savefig(other, dpi=30)
        assert matplotlib.rcParams.copy() == before
    assert plain.getvalue() == other.getvalue()


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


def test_learning_curves_of_one_epoch_and_of_a_diverged_run():
    figure = plots.learning_curves(make_run("32", 0, 1), **frame("en"))
    assert list(figure.axes[0].get_xticks()) == [1]
    assert len(figure.axes[0].lines) == 2
    run = make_run("sgd", 0, 3)
    run.history["loss"][1:] = [math.inf, math.nan]
    for drawn in (plots.learning_curves(run, **frame("en")), plots.study([run, run], **frame("en"))):
        FigureCanvasAgg(drawn).draw()
        assert drawn.axes[0].get_ylim()[1] < 2


@pytest.mark.parametrize(
    ("language", "labels"),
    [("en", ("Loss", "Accuracy (%)", "training")), ("fr", ("Coût", "Exactitude (%)", "apprentissage"))],
)
def test_study(language, labels):
    figure = plots.study(RUNS, names={"8": "huit"}, **frame(language))
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == labels[:2]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["huit", *SETTINGS[1:], labels[2], "validation"]
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


def test_quantity():
    lines = {"acc": "training", "val_acc": "validation"}
    figure = plots.quantity(
        RUNS[:6], lines, ylabel="Accuracy (%)", scale=100, first_epoch=0, names={"8": "eight"}, **frame("en")
    )
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Accuracy (%)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["eight", "16", "training", "validation"]
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
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["32"]
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
    }  # fmt: skip
    np.testing.assert_allclose(image.images[0].get_array(), IMAGE_OF_SOUND - IMAGE_OF_SOUND.max())
    assert image.images[0].origin == "lower"
    assert scale.get_ylabel() == "Décibels sous le plus fort"


def test_filter_bank():
    filters = np.eye(10)
    (axes,) = plots.filter_bank([("ten", filters, 4000.0)], **frame("en")).axes
    assert [line.get_xdata()[row] for row, line in enumerate(axes.lines)] == pytest.approx(np.linspace(0, 4000, 10))
    np.testing.assert_array_equal([line.get_ydata() for line in axes.lines], filters)


def test_distributions():
    panels = [{"0": np.array([1.0, 2.0, 9.0])}, {"a": np.array([3.0]), "b": np.array([4.0])}]
    first, second = plots.distributions(panels, ylabel="Duration (s)", **frame("en")).axes
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


def test_album_names_titles_and_says_where_the_numbers_come_from():
    results = Results("lab", {"seed": 3}, "CIFAR-10", "sample", {"backend": "jax", "keras": "3.15.1"})
    album = plots.Album(results, "fr")
    album.draw("4.3_optimizer", plots.study, RUNS, n_seeds=3)
    album.draw("4_confusion_deep", plots.confusion_matrix, MATRIX, CLASSES["fr"], normalised=True,
               subject=[Word("test"), Word("normalised")])  # fmt: skip
    assert list(album.figures) == ["4.3_optimizer", "4_confusion_deep_test_normalised"]
    study, matrix = (text_of(figure) for figure in album.figures.values())
    assert "échantillon procédural, PAS CIFAR-10 · jax, keras 3.15.1 · graines 3–5" in study
    assert any(text.endswith("(test, normalisée)") for text in matrix)
    assert any(text.endswith("graine 3") for text in matrix)


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


def test_bars_lie_where_their_names_have_no_room_side_by_side():
    values = {f"a rather long setting {i}": [40.0 + i, 44.0 + i] for i in range(13)}
    (axes,) = plots.bars(values, ylabel="s", **frame("en")).axes
    assert axes.get_xlabel() == "s"
    assert [bar.get_width() for bar in axes.patches] == [42.0 + i for i in range(13)]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(values)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first setting above
    assert axes.texts[0].get_text() == "42.0 ± 2.8"
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert list(points[1].get_xdata()) == [41.0, 45.0]


def test_bars_of_zero():
    assert "0.00" in text_of(plots.bars({"a": [0.0]}, ylabel="s", **frame("en")))


def test_class_accuracies():
    figure = plots.class_accuracies(ACCURACIES, CLASSES["fr"], **frame("fr"))
    (axes,) = figure.axes
    heights = np.reshape([bar.get_height() for bar in axes.patches], (3, 10))
    np.testing.assert_allclose(heights, [100 * values for values in ACCURACIES.values()])
    assert axes.get_ylabel() == "Exactitude (%)"
    assert [text.get_text() for text in axes.get_xticklabels()] == CLASSES["fr"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == SUBSETS
    assert len({bars[0].get_hatch() for bars in axes.containers}) == 3
    starts = np.sort([bar.get_x() for bar in axes.patches])
    assert np.diff(starts).min() >= axes.patches[0].get_width() - 1e-9


@pytest.mark.parametrize(
    ("language", "labels", "shares"),
    [("en", ("Predicted class", "True class"), "0.25"), ("fr", ("Prédiction", "Vérité terrain"), "0,25")],
)
def test_confusion_matrix(language, labels, shares):
    matrix = np.array([[3, 1, 0], [0, 0, 0], [0, 2, 6]])
    counts = plots.confusion_matrix(matrix, ["a", "b", "c"], normalised=False, **frame(language))
    axes = counts.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == labels
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0", "0", "0", "0", "2", "6"]
    # white above half of the greatest, and 3 is not above
    assert [text.get_text() for text in axes.texts if text.get_color() == "white"] == ["6"]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {45}
    figure = plots.confusion_matrix(matrix, ["a", "b", "c"], normalised=True, **frame(language))
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), [[0.75, 0.25, 0], [0, 0, 0], [0, 0.25, 0.75]])
    assert figure.axes[0].texts[1].get_text() == shares
    assert len(figure.axes) == 2  # the matrix and its colour bar


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
        ("en", ("Pixel value (0–255)", "Standardised value (standard deviations)", "red channel")),
        ("fr", ("Valeur du pixel (0–255)", "Valeur standardisée (écarts types)", "canal rouge")),
    ],
)
def test_standardised(language, labels):
    image = IMAGES[0].astype(float)
    after = (image - image.mean((0, 1))) / image.std((0, 1))
    figure = plots.standardised(IMAGES[0], after, **frame(language))
    assert len(figure.axes) == 4
    assert tuple(axes.get_xlabel() for axes in figure.axes[2:]) == labels[:2]
    assert figure.legends[0].get_texts()[0].get_text() == labels[2]
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
def test_feature_maps_share_their_colours(n_filters):
    figure = plots.feature_maps(IMAGES[0], MAPS[..., :n_filters], **frame("en"))
    image, *panels = panels_with_images(figure)
    assert image.get_title() == "Image"
    assert [axes.get_title() for axes in panels] == [str(number) for number in range(1, n_filters + 1)]
    assert {axes.images[0].get_clim() for axes in panels} == {(0, MAPS[..., :n_filters].max())}
    np.testing.assert_array_equal(panels[-1].images[0].get_array(), MAPS[..., n_filters - 1])
    assert figure.axes[-1].get_xlabel() == f"Activation of filters 1–{n_filters}"


def test_maps_of_a_dead_layer():
    figure = plots.feature_maps(IMAGES[0], np.zeros((4, 4, 2)), **frame("fr"))
    FigureCanvasAgg(figure).draw()
    assert figure.axes[1].images[0].get_clim() == (0, 1)
    assert figure.axes[-1].get_xlabel() == "Activation des filtres 1–2"


def test_maps_over_epochs():
    maps = {1: MAPS[..., :3], 20: 2 * MAPS[..., :3]}
    figure = plots.maps_over_epochs(IMAGES[0], maps, **frame("fr"))
    panels = panels_with_images(figure)[1:]
    assert [axes.get_ylabel() for axes in panels] == ["Époque 1", "", "", "Époque 20", "", ""]
    assert [axes.get_title() for axes in panels] == ["1", "2", "3", "", "", ""]
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 2 * MAPS[..., :3].max())}
    np.testing.assert_array_equal(panels[4].images[0].get_array(), 2 * MAPS[..., 1])
    assert len(figure.axes) == 1 + 6 + 1


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
