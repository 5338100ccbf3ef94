"""Runs of a study: known by all that they depend on, made once, their models kept while something needs them."""

import gc
import importlib
import sys
import weakref
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mi204 import studies
from mi204.language import Word
from mi204.results import Trained
from mi204.studies import Planned


@dataclass(frozen=True)
class Recipe:
    seed: int = 0
    epochs: int = 3
    filters: tuple[int, ...] = (8,)
    start: Path | None = None


# --- what the code is ---

LAB = '''
"""A lab."""
from labs_of_a_test import config
from mi204_of_a_test.rooms import optimiser, texts
from mi204_of_a_test.rooms.metric import accuracy


def train(recipe):
    """Train."""
    return optimiser.step(recipe), accuracy, config


def later():
    from mi204_of_a_test import hidden

    return hidden
'''
FILES = {
    "labs_of_a_test/__init__.py": "",
    "labs_of_a_test/lab.py": LAB,
    "labs_of_a_test/config.py": "EPOCHS = 3\n",
    "labs_of_a_test/answers.py": "ANSWER = 1\n",
    "mi204_of_a_test/__init__.py": "",
    "mi204_of_a_test/rooms/__init__.py": "",
    "mi204_of_a_test/rooms/optimiser.py": "from mi204_of_a_test.rooms import metric\n\n\ndef step(x):\n    return x\n",
    "mi204_of_a_test/rooms/metric.py": "accuracy = 0.5\n",
    "mi204_of_a_test/rooms/texts.py": 'TEXT = "hello"\n',
    "mi204_of_a_test/rooms/unused.py": "x = 1\n",
    "mi204_of_a_test/hidden.py": "y = 2\n",
}


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Write a small library and its lab, changed as asked, and give the digest of the lab's code."""
    monkeypatch.setattr(studies, "LIBRARY", "mi204_of_a_test")
    monkeypatch.setattr(studies, "NO_NUMBER_DEPENDS_ON", {"mi204_of_a_test.rooms.texts"})
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(**changed):
        for name, text in {**FILES, **{FILES_BY_NAME[name]: text for name, text in changed.items()}}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        for module in [name for name in sys.modules if "_of_a_test" in name]:
            del sys.modules[module]
        studies.code.cache_clear()
        return studies.code("labs_of_a_test.lab")

    yield digest
    studies.code.cache_clear()


FILES_BY_NAME = {Path(name).stem: name for name in FILES if "__init__" not in name}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lab", ("return optimiser.step(recipe)", "return -optimiser.step(recipe)")),
        ("config", ("3", "4")),
        ("optimiser", ("return x", "return x * 0.99")),
        ("metric", ("0.5", "0.6")),
        ("hidden", ("2", "3")),
    ],
)
def test_another_network_optimiser_or_metric_is_another_code(name, change, code):
    assert code() != code(**{name: FILES[FILES_BY_NAME[name]].replace(*change)})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lab", ('"""Train."""', '"""Train the network."""')),
        ("lab", ('"""Train."""\n', "")),
        ("lab", ("return optimiser", "# so\n    return  optimiser")),
        ("config", ("EPOCHS = 3", 'EPOCHS = 3\n"""Passes."""')),
        ("answers", ("1", "2")),
        ("texts", ("hello", "good day")),
        ("unused", ("1", "2")),
    ],
)
def test_another_text_answer_or_comment_is_the_same_code(name, change, code):
    assert code() == code(**{name: FILES[FILES_BY_NAME[name]].replace(*change)})


def test_a_lab_stands_on_the_rooms_that_train_and_measure():
    rooms = set(studies.rooms("labs.mnist_losses.lab"))
    assert {"labs.mnist_losses.lab", "labs.mnist_losses.config", "mi204.training", "mi204.backend", "mi204.metrics",
            "mi204.models", "mi204.preprocessing", "mi204.arithmetic"} <= rooms
    assert not {"mi204.language", "mi204.questions", "labs.mnist_losses.answers", "mi204.datasets.mnist"} & rooms


# --- what a run is ---


def test_equal_trainings_have_equal_names():
    base = studies.run_key(Recipe(), "origin")
    assert studies.run_key(Recipe(), "origin") == base
    others = [(Recipe(epochs=4), "origin"), (Recipe(filters=(8, 8)), "origin"), (Recipe(), "other"),
              (Recipe(start=Path("a")), "origin"), (Recipe(seed=1), "origin")]
    assert len({base, *(studies.run_key(*other) for other in others)}) == 6


@pytest.mark.backend
def test_an_origin_is_code_data_environment_and_keras_settings(monkeypatch):
    base = studies.origin("labs.mnist_losses.lab", "data")
    assert studies.origin("labs.mnist_losses.lab", "data") == base
    assert studies.origin("labs.mnist_losses.lab", "other data") != base
    assert studies.origin("labs.mnist_losses.lab", "data", {"backend": "other"}) != base
    with monkeypatch.context() as patch:
        patch.setattr(studies, "code", lambda lab: "other code")
        assert studies.origin("labs.mnist_losses.lab", "data") != base
    with monkeypatch.context() as patch:
        patch.setattr(studies.backend, "keras_settings", lambda: {"floatx": "float64"})
        assert studies.origin("labs.mnist_losses.lab", "data") != base


def test_seeds_follow_one_another():
    assert studies.seeded(Recipe(seed=5), 2) == [Recipe(seed=5), Recipe(seed=6)]


# --- what is trained ---


@pytest.fixture
def laboratory(tmp_path):
    """Give a function that trains a plan in one folder, and the list of what it has trained."""
    trained = []

    def train(recipe, folder, on_epoch):
        trained.append(recipe.seed)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("best.keras", "final.keras", "epoch_1.keras"):
            (folder / name).write_text(f"{recipe.seed}")
        for _ in range(recipe.epochs):
            on_epoch()
        return Trained(parameters=10, history={"loss": [0.5 + recipe.seed]}, epoch_seconds=[1.0])

    def run(plan, progress=False):
        return studies.train_all(plan, train, "origin", tmp_path, progress)

    return run, trained, tmp_path


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_plan_is_trained_in_its_order_and_remembered(laboratory, capsys):
    run, trained, _ = laboratory
    settings = (("a", Word("x"), 2), ("a", "y", 1), ("b", "b", 2))
    plan = [Planned(study, setting, Recipe(seed=seed)) for study, setting, seed in settings]
    for _ in range(2):
        runs = run(plan, progress=True)
        assert [(each.study, each.setting, each.seed) for each in runs] == list(settings)
        assert [each.history["loss"] for each in runs] == [[2.5], [1.5], [2.5]]
        assert isinstance(runs[0].setting, Word)
        assert trained == [2, 1]  # one training for the equal recipes of two studies
        assert "9/9" in capsys.readouterr().err
    assert runs[0].key == runs[2].key != runs[1].key


def test_models_are_kept_where_something_needs_them(laboratory):
    run, _, folder = laboratory
    kept, other = run([Planned("a", "x", Recipe(), keep_model=True), Planned("a", "y", Recipe(seed=1))])
    assert files(folder / kept.key) == ["best.keras", "epoch_1.keras", "final.keras", "run.json"]
    assert files(folder / other.key) == ["run.json"]


def test_one_of_two_equal_trainings_needs_the_model(laboratory):
    run, trained, folder = laboratory
    first, second = run([Planned("a", "x", Recipe()), Planned("b", "x", Recipe(), keep_model=True)])
    assert (first.key, trained) == (second.key, [0])
    assert "final.keras" in files(folder / first.key)


@pytest.mark.parametrize("deleted", [None, "final.keras", "best.keras"])
def test_a_missing_model_is_trained_again(laboratory, deleted):
    run, trained, folder = laboratory
    plan = [Planned("a", "x", Recipe(), keep_model=True)]
    (done,) = run([replace(plan[0], keep_model=deleted is not None)])
    if deleted:
        (folder / done.key / deleted).unlink()
    assert run(plan) == [done]
    assert trained == [0, 0]
    assert {"final.keras", "best.keras"} <= set(files(folder / done.key))
    run([replace(plan[0], keep_model=False)])
    assert trained == [0, 0]
    assert "final.keras" in files(folder / done.key)  # what is there stays for who needs it next


def test_a_damaged_record_is_trained_again(laboratory):
    run, trained, folder = laboratory
    (done,) = run([Planned("a", "x", Recipe())])
    (folder / done.key / "run.json").write_text("{")
    assert run([Planned("a", "x", Recipe())]) == [done]
    assert trained == [0, 0]


def test_what_a_training_leaves_behind_is_gone_before_the_next(tmp_path):
    class Network:
        """Its parts hold each other."""

        def __init__(self):
            self.itself = self

    left = []

    def train(recipe, folder, on_epoch):
        assert all(network() is None for network in left)
        left.append(weakref.ref(Network()))
        folder.mkdir()
        return Trained(parameters=1, history={}, epoch_seconds=[])

    gc.disable()
    try:
        studies.train_all([Planned("a", str(i), Recipe(seed=i)) for i in range(3)], train, "origin", tmp_path)
    finally:
        gc.enable()
    assert len(left) == 3
