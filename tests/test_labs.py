"""Every lab has the one shape, answers every question in both languages, and can be redrawn without training."""

import importlib
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mi204 import cli, questions, results

ROOT = Path(__file__).resolve().parents[1]
LABS = cli.labs()


@pytest.fixture(scope="session", params=LABS)
def lab(request):
    return importlib.import_module(f"labs.{request.param}")


@pytest.fixture(scope="session")
def sample(lab):
    """The lab's procedural data, made once."""
    return lab.load_data(replace(lab.PRESETS["quick"], data="sample"))


@pytest.fixture(scope="session")
def quick(lab, sample, tmp_path_factory):
    """The results of a lab's quick preset on its sample, saved and read again."""
    config = replace(lab.PRESETS["quick"], data="sample")
    folder = tmp_path_factory.mktemp("results") / lab.__name__.rsplit(".", 1)[-1]
    lab.run(config, sample).save(folder)
    return results.load(folder)


def test_shape(lab):
    assert is_dataclass(lab.Config)
    assert lab.Config.__dataclass_params__.frozen
    assert set(lab.PRESETS) == {"quick", "course", "full"}
    assert lab.PRESETS["course"] == lab.Config()
    for name in ("load_data", "build_model", "run", "figures", "main"):
        assert callable(getattr(lab, name))


def test_every_setting_has_a_help_text(lab):
    finished = subprocess.run(
        [sys.executable, "-m", lab.__name__, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    for field in fields(lab.Config):
        if "Suppress" in str(field.type):
            continue
        option = f"--{field.name.replace('_', '-')}"
        text = re.split(rf"\s{option}\b", finished.stdout, maxsplit=1)[1].split("\n │ --")[0]
        assert len(re.sub(r"[^A-Za-z]", "", text)) > 20, option


def test_every_question_is_answered_in_both_languages(lab, quick):
    asked = questions.of_lab(lab)
    assert asked
    for question in asked.values():
        texts = {language: question.render(quick, language) for language in ("en", "fr")}
        assert texts["en"] != texts["fr"], question.number
        for text in texts.values():
            assert len(text) > 200, question.number
            assert "nan" not in text.lower().split(), question.number


def test_figures_exist_in_both_languages_for_what_was_run(lab, quick):
    drawn = {language: lab.figures(quick, language) for language in ("en", "fr")}
    assert list(drawn["en"]) == list(drawn["fr"])
    for name, figure in drawn["fr"].items():
        assert isinstance(figure, Figure)
        assert re.match(r"\d+(\.\d+)?_\w+$", name), name


def test_figures_are_the_same_bytes_twice(lab, quick, tmp_path):
    name = min(lab.figures(quick, "en"))
    for folder in ("a", "b"):
        results.save_figures({name: lab.figures(quick, "en")[name]}, tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_running_again_gives_the_same_numbers(lab, quick, sample, tmp_path):
    """Repeatable on one backend, and remembered: the second of two runs in one folder trains nothing."""
    config = replace(lab.PRESETS["quick"], data="sample", questions=tuple(questions.of_lab(lab))[-1:])
    first = lab.run(config, sample, tmp_path)
    second = lab.run(config, sample, tmp_path)
    assert [run.epoch_seconds for run in first.runs] == [run.epoch_seconds for run in second.runs]
    by_name = {(run.study, run.setting, run.seed): run for run in quick.runs}
    for run in first.runs:
        assert run.history == by_name[run.study, run.setting, run.seed].history
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name], err_msg=name)


def test_answers_and_figures_from_the_command_line(lab, quick, tmp_path):
    name = lab.__name__.rsplit(".", 1)[-1]
    quick.save(tmp_path / name)
    environment = {**os.environ, "MI204_FIGURES": str(tmp_path)}
    for command in ("answers", "figures"):
        finished = subprocess.run(
            [sys.executable, "-m", "mi204", command, name, "--language", "fr"],
            capture_output=True, text=True, cwd=ROOT, env=environment,
        )
        assert finished.returncode == 0, finished.stderr
    assert len(list((tmp_path / name).glob("*.png"))) == len(lab.figures(quick, "fr"))
