"""What a lab's run leaves on the disk: read back as it was, never lost to another run."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from mi204 import results
from mi204.errors import DataError
from mi204.language import Word
from mi204.results import Run, Trained
from mi204.settings import LabConfig


class Sizes(NamedTuple):
    channels: tuple[int, ...] = (16, 32)
    kernel: int = 3


SIZES = Sizes()


@dataclass(frozen=True)
class Recipe:
    seed: int = 3
    learning_rate: float = 0.01
    filters: tuple[int, ...] = (8, 16)
    sizes: Sizes = SIZES


@dataclass(frozen=True, kw_only=True)
class Config(LabConfig):
    recipe: Recipe = Recipe()
    checkpoint: Path | None = None
    batch_sizes: tuple[int, ...] = (8, 16)


@dataclass(frozen=True, eq=False)
class Maps:
    kind: Literal["first", "last"]
    values: np.ndarray
    by_epoch: dict[int, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(results.Measured):
    config: Config
    noise: float
    images: np.ndarray
    maps: Maps | None = None
    texts: list[str] | None = None


def run(study="course", setting="32", seed=3, **changed):
    content = {
        "key": f"{study}{setting}{seed}", "parameters": 224, "history": {"loss": [2.1, 1.9]},
        "epoch_seconds": [1.5, 0.9], "measures": {"test_acc": 0.4},
    }
    return Run(study=study, setting=setting, seed=seed, **content | changed)


def made(config=Config(), **changed):
    content = {
        "data": "Numbers",
        "source": "real",
        "origin": "a",
        "environment": {"backend": "tensorflow", "machine": "2 cœurs"},
        "runs": [run(), run("remedies", Word("early_stopping"), history={"loss": [0.1 + 0.2, float("nan"), math.inf]})],
        "noise": float("nan"),
        "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "maps": Maps("last", np.array([0.1, np.nan], np.float32), {0: np.zeros(2), 20: np.ones((1, 2))}),
    }
    return Measured(config=config, **content | changed)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- one record ---


@pytest.mark.parametrize(
    "config",
    [Config(), Config(recipe=Recipe(sizes=Sizes((1,), 5)), checkpoint=Path("a") / "b.keras", questions=("4.2",))],
)
def test_what_was_computed_equals_what_is_read_back(config, tmp_path):
    measured = made(config)
    results.save(measured, tmp_path / "new")
    loaded = results.load(Measured, tmp_path / "new")
    assert loaded == measured
    assert loaded.config == config
    assert loaded.config.recipe.sizes == config.recipe.sizes
    assert loaded.images.dtype == np.uint8
    assert list(loaded.maps.by_epoch) == [0, 20]
    assert [type(each.setting) for each in loaded.runs] == [str, Word]
    assert loaded.runs[0] == measured.runs[0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=5), st.text(max_size=20), st.booleans())
def test_every_number_and_text_is_read_back(tmp_path_factory, numbers, text, word):
    folder = tmp_path_factory.mktemp("any")
    measured = made(runs=[run(setting=Word(text) if word else text, history={"loss": numbers})], texts=[text])
    results.save(measured, folder)
    loaded = results.load(Measured, folder)
    assert loaded == measured
    np.testing.assert_array_equal(loaded.runs[0].history["loss"], numbers)
    assert type(loaded.runs[0].setting) is (Word if word else str)


@pytest.mark.parametrize(
    "changed",
    [
        {"noise": 0.5}, {"images": np.zeros((2, 3, 4), np.uint8)}, {"maps": None}, {"runs": [run()]},
        {"source": "sample"}, {"images": np.arange(24, dtype=np.int64).reshape(2, 3, 4)},
        {"config": Config(recipe=Recipe(seed=4))},
    ],
)
def test_other_measurements_are_not_equal(changed):
    assert made() == made()
    assert made(**changed) != made()


def test_the_file_is_json_that_people_can_read(tmp_path):
    def refuse(constant):
        raise ValueError(constant)

    results.save(made(), tmp_path)
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    assert "2 cœurs" in text
    content = json.loads(text, parse_constant=refuse)  # NaN and Infinity are no JSON
    assert content["measured"]["runs"][0]["measures"] == {"test_acc": 0.4}


def test_saving_again_leaves_one_file_of_arrays(tmp_path):
    results.save(made(), tmp_path)
    results.save(made(noise=0.5), tmp_path)
    assert len(names(tmp_path)) == 2
    assert results.load(Measured, tmp_path).noise == 0.5


def test_a_save_that_stops_between_its_files_leaves_the_old_record(tmp_path, monkeypatch):
    results.save(made(), tmp_path)
    write = results.paths.write_atomically

    def stop_at_json(path, *arguments):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, *arguments)

    monkeypatch.setattr(results.paths, "write_atomically", stop_at_json)
    with pytest.raises(KeyboardInterrupt):
        results.save(made(images=np.zeros(5)), tmp_path)
    assert results.load(Measured, tmp_path) == made()


def halved(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [halved, lambda _: b"", lambda _: b"\xff\xfe[]", lambda _: b"null"])
@pytest.mark.parametrize("pattern", ["results.json", "*.npz"])
def test_a_damaged_file_says_how_to_make_it_anew(damage, pattern, tmp_path):
    results.save(made(), tmp_path)
    (path,) = tmp_path.glob(pattern)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"Run the lab to make them anew: python -m "):
        results.load(Measured, tmp_path)


@pytest.mark.parametrize("pattern", ["results.json", "*.npz", "nothing"])
def test_a_missing_file_says_how_to_make_it_anew(pattern, tmp_path):
    results.save(made(), tmp_path)
    for path in tmp_path.glob(pattern):
        path.unlink()
    with pytest.raises(DataError, match="anew") if pattern != "nothing" else pytest.raises(DataError):
        results.load(Measured, tmp_path if pattern != "nothing" else tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("noise",), "0.5"), (("noise",), None), (("runs", 0, "seed"), "3"), (("runs", 0, "seed"), True),
        (("data",), 5), (("config", "recipe", "filters"), "8"), (("images",), {"array": "77"}),
        (("maps", "kind"), "middle"), (("config", "recipe", "extra"), 1), (("runs", 0, "history", "loss"), [None]),
    ],
)
def test_a_value_of_another_type_is_refused(path, value, tmp_path):
    results.save(made(), tmp_path)
    content = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    place = content["measured"]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match="anew"):
        results.load(Measured, tmp_path)


def test_another_version_of_the_lab_is_told_by_its_fields(tmp_path):
    @dataclass(frozen=True, kw_only=True, eq=False)
    class Changed(Measured):
        noise: float | None

    results.save(made(), tmp_path)
    with pytest.raises(DataError, match="another version of the lab") as error:
        results.load(Changed, tmp_path)
    assert "autre version" in error.value.written("fr")


def test_nothing_in_the_arrays_is_executed(tmp_path):
    results.save(made(images=np.array([{}], dtype=object)), tmp_path)
    with pytest.raises(DataError, match="allow_pickle"):
        results.load(Measured, tmp_path)


def test_runs_of_one_study_in_their_order():
    measured = made(runs=[run(), run("depth"), run(seed=4)])
    assert [each.seed for each in measured.of_study("course")] == [3, 4]
    assert measured.of_study("batch_size") == []
    assert measured.studies == {"course", "depth"}


def test_the_sample_is_never_taken_for_the_data():
    assert made().provenance("fr") == "Numbers"
    assert made(source="sample").provenance("en") == "procedural sample, NOT Numbers"


def test_only_the_quick_preset_is_too_small_to_conclude():
    assert [made(Config(preset=preset)).too_small for preset in ("quick", "course", "full")] == [True, False, False]


def test_a_finished_training_is_read_back_or_not_at_all(tmp_path):
    trained = Trained(parameters=3, history={"loss": [1.0, float("nan")]}, epoch_seconds=[0.5], measures={"a": 1.0})
    results.write_record(trained, tmp_path / "run.json")
    loaded = results.read_record(Trained, tmp_path / "run.json")
    assert repr(loaded) == repr(trained)
    for content in ("", "{}", "[]", '{"version": "x"}'):
        (tmp_path / "run.json").write_text(content)
        assert results.read_record(Trained, tmp_path / "run.json") is None
    assert results.read_record(Trained, tmp_path / "nowhere.json") is None


# --- records side by side ---


def kept(measured, folder):
    return results.keep(measured, Config(preset=measured.config.preset), folder)


def test_a_run_with_the_same_settings_adds(tmp_path):
    first = kept(made(runs=[run(), run("depth")], texts=["first"]), tmp_path)
    config, runs = Config(questions=("4.2",), language="fr", data="real"), [run("batch_size"), run(key="new")]
    second = kept(made(config, runs=runs, maps=None, noise=1.0), tmp_path)
    assert second.folder == first.folder
    assert [(each.study, each.key) for each in second.measured.runs] == [
        ("depth", "depth323"), ("batch_size", "batch_size323"), ("course", "new"),
    ]
    assert (second.measured.texts, second.measured.noise) == (["first"], 1.0)
    assert second.measured.maps.kind == "last"
    assert second.moved is None
    assert results.load(Measured, second.folder) == second.measured


@pytest.mark.parametrize(
    "other",
    [
        made(Config(preset="quick")),
        made(Config(recipe=Recipe(learning_rate=0.1))),
        made(Config(batch_sizes=(4,))),
        made(Config(n_seeds=2)),
        made(source="sample"),
        made(environment={"backend": "jax"}),
    ],
)
def test_a_run_with_other_settings_is_kept_beside(other, tmp_path):
    first, second = kept(made(), tmp_path), kept(other, tmp_path)
    assert first.folder != second.folder
    assert results.load(Measured, first.folder) == made()
    assert results.load(Measured, second.folder) == other
    assert second.moved is None


def test_what_other_code_or_data_made_is_moved_aside(tmp_path):
    first = kept(made(), tmp_path)
    (first.folder / "fr").mkdir()
    (first.folder / "fr" / "1_a.png").write_bytes(b"png")
    second, third = kept(made(origin="b"), tmp_path), kept(made(origin="c"), tmp_path)
    assert [second.moved.name, third.moved.name] == [f"{first.folder.name}.1", f"{first.folder.name}.2"]
    assert (second.moved / "fr" / "1_a.png").exists()
    assert results.load(Measured, second.moved) == made()
    assert second.measured == made(origin="b")


def test_a_record_that_cannot_be_read_is_moved_aside_too(tmp_path):
    first = kept(made(), tmp_path)
    (first.folder / "results.json").write_text("{")
    second = kept(made(), tmp_path)
    assert (second.moved / "results.json").read_text() == "{"
    assert second.measured == made()


def test_records_are_named_by_what_differs():
    def name(measured):
        return results.record_name(measured, Config(preset=measured.config.preset))

    assert name(made()) == "course-tensorflow"
    assert name(made(Config(questions=("4.2",), language="fr", data="real"))) == "course-tensorflow"
    assert name(made(Config(preset="quick"), source="sample", environment={"backend": "jax"})) == "quick-jax-sample"
    changed = Config(recipe=Recipe(learning_rate=0.1, filters=(4, 8)), n_seeds=2)
    assert name(made(changed)) == "course-tensorflow-learning_rate=0.1,filters=4+8,n_seeds=2"
    odd = [Config(checkpoint=Path("/a b/c?.keras")), Config(checkpoint=Path("/a b/c*.keras"))]
    assert len({name(made(config)) for config in odd}) == 2
    assert all(set(name(made(config))) <= set("course-tensorflow-0123456789abcdef") for config in odd)
    long = Config(batch_sizes=tuple(range(100)))
    assert len(name(made(long))) < 60


def test_records_are_listed_the_last_one_first(tmp_path):
    import os

    folders = [kept(made(Config(n_seeds=n)), tmp_path).folder for n in (1, 2, 3)]
    for age, folder in enumerate(folders):
        os.utime(folder / "results.json", (1000 - age, 1000 - age))
    (tmp_path / "runs" / "a").mkdir(parents=True)
    assert results.records(tmp_path) == folders


# --- figures ---


def figure():
    drawn = Figure(figsize=(2, 1))
    drawn.subplots().plot([1, 3, 2], label="été")
    drawn.suptitle("été")
    return drawn


def test_figures_are_the_same_bytes_twice_and_leave_others_alone(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0_z.png").write_bytes(b"other")
    first, second = (results.save_figures({"1_a": figure(), "2_b": figure()}, tmp_path / name) for name in ("x", "y"))
    assert [path.name for path in first] == ["1_a.png", "1_a.pdf", "2_b.png", "2_b.pdf"]
    assert names(tmp_path / "x") == ["0_z.png", *sorted(path.name for path in first)]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    png, pdf = (path.read_bytes() for path in first[:2])
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
    # Both would still be equal within one second, or with one version of matplotlib.
    assert b"Date" not in pdf
    assert b"Software" not in png


def test_replace_keeps_the_type():
    assert type(replace(made(), noise=1.0)) is Measured
