"""Every lab has the one shape: the same files, settings that explain themselves, texts in both languages."""

import importlib
import re
import string
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from mi204 import commands, questions, results
from mi204.settings import LabConfig

ROOT = Path(__file__).resolve().parents[1]
LABS = commands.labs()
MOST_LINES = {"audio_mnist": 450}
MORE_ROOMS = {"audio_mnist": ["description", "pairs"], "cnn_sensitivity": ["gallery", "judged"]}
"""Rooms that a lab has besides: seven questions, six networks, two kinds of data; pictures of four origins, and the
measures of every method."""


def part(lab, name):
    return importlib.import_module(f"labs.{lab}.{name}")


def texts(lab):
    """Give every text of a lab, by where it stands: both languages of each."""
    content = tomllib.loads((ROOT / "labs" / lab / "questions.toml").read_text(encoding="utf-8"))
    for question in content["question"]:
        yield f"{question['number']} question", {key: question[key] for key in ("en", "fr")}
        yield from ((f"{question['number']} {key}", text) for key, text in question.items() if isinstance(text, dict))
    yield from ((f"result {key}", text) for key, text in content["result"].items() if isinstance(text, dict))
    yield from ((key, {each: term[each] for each in ("en", "fr")}) for key, term in content["words"].items())


def test_labs_are_found_by_name():
    assert {"audio_mnist", "cifar_cnn", "cnn_sensitivity", "fashion_trainer", "mnist_losses"} <= set(LABS)


@pytest.mark.parametrize("lab", LABS)
def test_the_folder_has_the_same_files(lab):
    names = {path.name for path in (ROOT / "labs" / lab).iterdir() if path.name != "__pycache__"}
    modules = ["__init__", "__main__", "answers", "config", "figures", "lab", "measured", *MORE_ROOMS.get(lab, [])]
    assert names == {"questions.toml", *(f"{module}.py" for module in modules)}
    lines = len((ROOT / "labs" / lab / "lab.py").read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES.get(lab, 400)


@pytest.mark.parametrize("lab", LABS)
def test_settings_are_frozen_and_known(lab):
    config = part(lab, "config")
    assert issubclass(config.Config, LabConfig)
    assert set(config.PRESETS) == {"quick", "course", "full"}
    assert config.PRESETS["course"] == config.Config()
    for kind in (config.Config, config.Recipe, part(lab, "measured").Measured):
        assert is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
    assert issubclass(part(lab, "measured").Measured, results.Measured)
    for name, preset in config.PRESETS.items():
        assert preset.preset == name
        assert isinstance(hash(preset.recipe), int)


@pytest.mark.parametrize("lab", LABS)
def test_every_field_that_was_measured_says_what_it_is(lab):
    """A text under each field, with its shape or unit."""
    source = (ROOT / "labs" / lab / "measured.py").read_text(encoding="utf-8")
    described = re.findall(r'^    (\w+): .+\n    """', source, re.MULTILINE)
    every = re.findall(r"^    (\w+): ", source, re.MULTILINE)
    assert set(every) - set(described) <= {"config"}


def test_answers_and_figures_need_no_backend():
    program = (
        "import sys\n"
        "from importlib import import_module\n"
        f"for lab in {LABS!r}:\n"
        "    for part in ('config', 'measured', 'answers', 'figures'):\n"
        "        import_module(f'labs.{lab}.{part}')\n"
        "import mi204.commands\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert finished.stdout.strip() == "[]"


@pytest.mark.parametrize("lab", LABS)
def test_every_question_has_its_function_and_both_languages(lab):
    asked = questions.of_lab(lab)
    assert asked
    for question in asked.values():
        assert question.text["en"] != question.text["fr"]
        assert question.answers


@pytest.mark.parametrize("lab", LABS)
def test_both_languages_tell_the_same_numbers(lab):
    for place, text in texts(lab):
        assert set(text) == {"en", "fr"}, place
        filled = {
            language: {name for _, name, _, _ in string.Formatter().parse(each) if name}
            for language, each in text.items()
        }
        assert filled["en"] == filled["fr"], place


@pytest.mark.parametrize("lab", LABS)
def test_what_is_counted_is_not_written_with_a_plural_alone(lab):
    """``{epochs} epochs`` would say "1 epochs": ``{epochs:#epoch|epochs}``."""
    for place, text in texts(lab):
        found = re.search(r"\{\w+(:,)?\} (epochs|seeds|époques|graines)\b", text["en"] + text["fr"])
        assert not found, (place, found)


@pytest.mark.parametrize("lab", LABS)
def test_help_explains_every_setting_the_handouts_first(lab, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        commands.parse(lab, ["--help"])
    assert stop.value.code == 0
    help_text = capsys.readouterr().out
    assert f"python -m labs.{lab}" in help_text
    assert help_text.index("handout options") < help_text.index("lab options")
    config = part(lab, "config")
    for kind in (config.Recipe, config.Config):
        for field in fields(kind):
            if "Suppress" in str(field.type):
                continue
            option = f"--{field.name.replace('_', '-')}"
            text = re.split(rf"\s{option}\b", help_text, maxsplit=1)[1].split("\n │ --")[0]
            assert len(re.sub(r"[^A-Za-z]", "", text)) > 20, option


def test_the_readme_says_how_many_questions_the_first_command_answers():
    said = re.search(r"answers (\d+) of the (\d+) questions", (ROOT / "README.md").read_text(encoding="utf-8"))
    asked = questions.of_lab("cifar_cnn").values()
    answered = [each for each in asked if set(each.needs) <= {"course", "resumed"}]
    assert [int(number) for number in said.groups()] == [len(answered), len(asked)]
