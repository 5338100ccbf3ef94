"""Runs of a study, known by all that they depend on."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mi204 import augment, metrics, studies
from mi204.errors import DataError
from mi204.results import Run


@dataclass(frozen=True)
class Config:
    seed: int = 0
    epochs: int = 3
    language: str = "en"
    checkpoint: Path | None = None


def identity(config=Config(), **changes):
    options = {"without": {"language"}, "source": "sample", "code": (augment,), "environment": {"backend": "jax"}}
    return studies.identity(config, **options | changes)


def test_a_run_is_known_by_settings_code_data_and_start(tmp_path):
    base = studies.run_key(identity())
    assert studies.run_key(identity()) == base
    assert studies.run_key(identity(Config(language="fr"))) == base
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    others = [
        identity(Config(epochs=4)),
        identity(source="real"),
        identity(code=(metrics,)),
        identity(constants=(0.5,)),
        identity(environment={"backend": "torch"}),
        identity(start=tmp_path / "a"),
        identity(start=tmp_path / "b"),
    ]
    assert len({base, *map(studies.run_key, others)}) == 8


def test_seeds_follow_one_another():
    assert studies.seeded(Config(seed=5), 2) == [Config(seed=5), Config(seed=6)]


def test_a_path_among_the_settings_is_text():
    assert studies.json_ready(Config(checkpoint=Path("a.keras")))["checkpoint"] == "a.keras"


def test_a_run_is_made_once(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder)
        folder.mkdir()
        return Run("study", "a", 0, 32, 10, {"loss": [0.5]}, [1.0], {"test_acc": 0.25})

    first = studies.remembered(tmp_path, {"a": 1, "b": (2, 3)}, make)
    assert studies.remembered(tmp_path, {"b": (2, 3), "a": 1}, make) == first
    assert len(calls) == 1
    assert not calls[0].exists()
    studies.remembered(tmp_path, {"a": 2, "b": (2, 3)}, make)
    assert len(calls) == 2


def test_a_plan_is_trained_in_its_order_and_remembered(tmp_path, capsys):
    trained = []

    def train(config, folder, on_epoch):
        trained.append(config.seed)
        for _ in range(config.epochs):
            on_epoch()
        folder.mkdir()
        return Run("", "", config.seed, 32, 10, {"loss": [0.5]}, [1.0])

    plan = [("a", "x", Config(seed=2)), ("a", "y", Config(seed=1)), ("b", "b", Config(seed=2))]
    for _ in range(2):
        runs = studies.train_all(plan, train, identity, tmp_path, True)
        assert [(run.study, run.setting, run.seed) for run in runs] == [("a", "x", 2), ("a", "y", 1), ("b", "b", 2)]
        assert trained == [2, 1]  # one training for the equal settings of two studies
        assert "9/9" in capsys.readouterr().err


def test_a_damaged_run_is_refused(tmp_path):
    key = studies.run_key({"a": 1})
    (tmp_path / f"{key}.json").write_text("{}")
    with pytest.raises(DataError, match="Delete the file"):
        studies.remembered(tmp_path, {"a": 1}, lambda folder: None)
