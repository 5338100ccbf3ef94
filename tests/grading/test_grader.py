"""Whatever the file holds is a graded result; results.json, the zip for Gradescope, the summary, both languages."""

import json
import os
import re
import stat
import string
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from mi204 import cli, packages
from mi204.errors import DataError
from mi204.grading import __main__, bundle, grader, summary

TEXTS = tomllib.loads(Path(grader.__file__).with_name("texts.toml").read_text(encoding="utf-8"))

BAD = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\n", "the file is empty"),
    "syntax error": (b"def f(:\n", "not valid Python: invalid syntax (line 1: def f(:)"),
    "a tab too many": (b"x = 1\n\ty = 2\n", "unexpected indent (line 2"),
    "not UTF-8": ("x = 'é'\n".encode("latin-1"), "not in UTF-8"),
    "UTF-16": ("x = 'é'\n".encode("utf-16"), "in UTF-16: save it again in UTF-8"),
    "UTF-16, little end first": ("x = 'é'\n".encode("utf-16-le"), "in UTF-16"),
    "UTF-16, big end first": ("x = 'é'\n".encode("utf-16-be"), "in UTF-16"),
    "a mark alone": (b"\xef\xbb\xbf\n", "the file is empty"),
    "zeros": (b"x = 1\0\n", "a Python file is expected"),
    "a PDF": (b"%PDF-1.7\n1 0 obj\n", "not valid Python"),
    "a notebook": (b'{"cells": [], "nbformat": 4}', "this is a notebook"),
    "a notebook with a mark": (b'\xef\xbb\xbf{"cells": [], "nbformat": 4}', "this is a notebook"),
    "too large": (b"#" * 1_000_001, "larger than 1000000 bytes"),
    "too deep": (b"a" + b".b" * 200_000, "maximum recursion depth"),
    "absent package": (b"import an_absent_package.part\n", "The package an_absent_package is not installed"),
    "raises": (b"x = 1\nraise OSError('no data')\n", "OSError: no data (line 2: raise OSError('no data'))"),
    "fields of the later variant": (
        b"from typing import NamedTuple\nclass NetworkConfiguration(NamedTuple):\n    strides: tuple = (1,)\n",
        "later variant",
    ),
    "named tuple of the later variant": (
        b"from collections import namedtuple\n"
        b"NetworkConfiguration = namedtuple('NetworkConfiguration', 'n_channels kernel_sizes strides dense_hiddens')\n",
        "later variant",
    ),
    "loss of the later variant": (b"class Trainer:\n    def compute_loss_and_mae(self, X, y): pass\n", "later variant"),
}


@pytest.mark.parametrize(("source", "reason"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_file_that_cannot_be_graded_has_0_and_a_reason(grade, source, reason, language):
    result = grade(source, language)
    assert result.score == 0
    assert result.notice
    assert all(result.notice in outcome.message for outcome in result.outcomes)
    if language == "en":
        assert reason in result.notice


def test_another_kind_of_file_is_named(grade):
    assert "received report.pdf" in grade(b"%PDF", name="report.pdf").notice
    assert "notebook" in grade(b"{}", name="homework.ipynb").notice


def test_a_latin_1_file_that_says_so_is_python(grade):
    assert grade("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1")).notice == ""


@pytest.mark.parametrize(
    ("source", "missing"),
    [("x = 1", "Trainer is not in the file"), ("Trainer = 3", "Trainer is not in the file"),
     ("class Trainer: one_hot = 3\ngradient_norm = 3", "Trainer.one_hot is not in the file")],
)
def test_what_is_missing_is_named(grade, source, missing):
    result = grade(source)
    assert (result.score, result.notice) == (0, "")
    messages = {outcome.number: outcome.message for outcome in result.outcomes}
    assert missing in messages["7.1"]
    assert "gradient_norm is not in the file" in messages["1.1"]


def test_a_wrong_signature_shows_both(grade, reference):
    signature = "def gradient_norm(function: Callable, *tensor_list: Tensor)"
    result = grade(reference.replace(signature, "def gradient_norm(f)"))
    message = result.outcomes[0].message
    assert "Expected: gradient_norm(function, *tensor_list)\nReceived: gradient_norm(f)" in message


def test_a_file_that_is_not_there_is_the_users_error(tmp_path):
    with pytest.raises(DataError, match=r"Expected a Python file to grade at .*nothing\.py"):
        grader.grade(tmp_path / "nothing.py", "en")
    with pytest.raises(DataError, match="Expected a Python file"):
        grader.grade(tmp_path, "en")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(DataError, match="received another thing"):
        grader.grade(tmp_path / "pipe.py", "en")


def test_of_several_files_the_one_with_the_trainer_is_graded(tmp_path, monkeypatch):
    monkeypatch.setattr(grader, "grade", lambda path, language: path.name)
    (tmp_path / "solution.py").write_text("import helper\nclass Trainer:\n    pass\n", encoding="utf-8")
    (tmp_path / "helper.py").write_text("import Trainer\n", encoding="utf-8")
    assert grader.grade_folder(tmp_path, "en") == "solution.py"
    (tmp_path / "old.py").write_text("class Trainer(object): pass\n", encoding="utf-8")
    assert "received: helper.py, old.py, solution.py" in grader.grade_folder(tmp_path, "en").notice


def test_a_submission_folder_that_is_not_there_is_the_users_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["grading", str(tmp_path / "nope"), str(tmp_path / "results.json")])
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert "Expected the folder of a submission" in stop.value.code


def test_results_have_gradescopes_fields(grade, reference):
    content = json.loads(json.dumps(grade(reference + "\nprint('hello')\n").gradescope()))
    assert set(content) <= {
        "score", "execution_time", "output", "output_format", "test_output_format", "test_name_format", "visibility",
        "stdout_visibility", "extra_data", "tests", "leaderboard",
    }
    assert content["execution_time"] > 0
    assert "hello" in content["output"]
    assert sum(test["score"] for test in content["tests"]) == sum(test["max_score"] for test in content["tests"]) == 35
    for test in content["tests"]:
        assert set(test) == {
            "number", "name", "score", "max_score", "status", "output", "output_format", "visibility"
        }
        assert test["status"] == "passed"


def test_inputs_are_drawn_afresh():
    first, second = (grader.Submission("solution.py", b"x = 1") for _ in range(2))
    assert first.judged("en").seed != second.judged("en").seed


def test_every_text_is_in_both_languages_with_the_same_fields():
    def fields(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for entry in [*TEXTS["check"], *TEXTS["mistake"].values(), *TEXTS["text"].values()]:
        assert entry["en"].strip()
        assert entry["fr"].strip()
        assert fields(entry["en"]) == fields(entry["fr"]), entry
        assert not re.search(r"exactitude|\bmarge\b|\blots?\b", entry["fr"]), "not the handout's word"


def test_every_mistake_and_every_text_is_used():
    code = "".join(path.read_text(encoding="utf-8") for path in Path(grader.__file__).parent.glob("*.py"))
    assert not [key for table in ("mistake", "text") for key in TEXTS[table] if f'"{key}"' not in code]


def test_a_report_in_french(grade, reference):
    report = grade(reference.replace(", self.n_classes).float()", ").float()"), "fr").report()
    assert "le nombre de classes manque" in report
    assert "0,4/0,4" in report
    assert "Note : 34 / 35" in report


def test_a_report_fits_the_terminal(grade, reference):
    result = grade(reference.replace(", self.n_classes).float()", ").float()"))
    lines = result.report(60).splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).split()) == " ".join(result.report().split())
    assert {line[:16] for line in lines if not line[:8].strip() and line} == {" " * 16}  # below one another


@pytest.fixture(scope="module")
def unzipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autograder")
    bundle.write(folder / "autograder.zip", "fr")
    with zipfile.ZipFile(folder / "autograder.zip") as archive:
        archive.extractall(folder / "source")
        for entry in archive.infolist():
            (folder / "source" / entry.filename).chmod(stat.S_IMODE(entry.external_attr >> 16))
    (folder / "submission").mkdir()
    return folder


def run(folder, python=sys.executable):
    environment = {"PATH": os.environ["PATH"], "AUTOGRADER": str(folder), "PYTHON": python}
    finished = subprocess.run([folder / "source" / "run_autograder"], env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return json.loads((folder / "results" / "results.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope runs Linux")
def test_the_bundle_grades_where_gradescope_unzips_it(unzipped, reference):
    assert os.access(unzipped / "source" / "setup.sh", os.X_OK)
    for script in ("setup.sh", "run_autograder"):
        assert subprocess.run(["bash", "-n", unzipped / "source" / script]).returncode == 0
    assert "un seul fichier .py est attendu, reçu : -" in run(unzipped)["output"]
    (unzipped / "submission" / "notes.txt").write_text("done", encoding="utf-8")
    (unzipped / "submission" / "solution.py").write_text(reference, encoding="utf-8")
    content = run(unzipped)
    assert sum(test["score"] for test in content["tests"]) == 35, content
    assert content["tests"][0]["output"] == "Juste."
    assert content["extra_data"]["isolation"]
    assert stat.S_IMODE((unzipped / "source" / "mi204").stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope runs Linux")
def test_a_grader_that_was_brought_down_leaves_no_result_of_another(unzipped):
    (unzipped / "results").mkdir(exist_ok=True)
    (unzipped / "results" / "results.json").write_text('{"score": 35}', encoding="utf-8")
    content = run(unzipped, "false")
    assert content["score"] == 0
    assert "Le correcteur a été interrompu" in content["output"]


@pytest.mark.skipif(sys.platform != "linux", reason="others refuse a file name that is not UTF-8")
def test_a_summary_has_one_line_per_file(tmp_path, reference):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "solution.py").write_text(reference.replace("return norm\n", "return 0\n"), encoding="utf-8")
    (tmp_path / "a.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / os.fsdecode(b"a\xe9.py")).write_text("", encoding="utf-8")
    for name in ("__MACOSX/b/._solution.py", "b/.ipynb_checkpoints/solution.py", "c/report.pdf", "d.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    table = summary.table(tmp_path, "en")
    assert list(table.columns) == ["file", "score", *map(str, range(1, 12)), "notice"]
    assert list(table["file"]) == ["a.py", "a\ufffd.py", "b/solution.py", "c", "d.ipynb"]
    assert list(table["score"]) == [0, 0, 33, 0, 0]
    assert list(table["10"]) == [0, 0, 4, 0, 0]
    for notice, part in zip(table["notice"], ["ZeroDivisionError", "empty", "", "report.pdf", "notebook"], strict=True):
        assert part in notice
    table.to_csv(tmp_path / "summary.csv")
    with pytest.raises(DataError, match="without any"):
        summary.table(tmp_path / "none", "en")


def test_a_summary_survives_what_cannot_be_read_and_an_interruption(tmp_path, monkeypatch, capsys):
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("", encoding="utf-8")
    read = grader.Submission.read

    def fail(path):
        if path.name == "c.py":
            raise KeyboardInterrupt
        if path.name == "a.py":
            raise DataError("no permission", "pas le droit")
        return read(path)

    monkeypatch.setattr(grader.Submission, "read", fail)
    table = summary.table(tmp_path, "en")
    assert list(table["file"]) == ["a.py", "b.py"]
    assert "cannot be read. no permission" in table["notice"][0]
    assert "Stopped: 2 of 3 submissions are graded" in capsys.readouterr().err
    assert "ne peut pas être lu. pas le droit" in summary.table(tmp_path, "fr")["notice"][0]
    assert "Arrêté : rendus notés, 2 sur 3" in capsys.readouterr().err


def test_the_command_prints_and_writes(tmp_path, capsys):
    (tmp_path / "solution.py").write_text("", encoding="utf-8")
    results = tmp_path / "results.json"
    cli.main(["grade", str(tmp_path / "solution.py"), "--output", str(results), "--language", "fr"])
    assert "Note : 0 / 35" in capsys.readouterr().out
    assert len(json.loads(results.read_text(encoding="utf-8"))["tests"]) == len(TEXTS["check"])
    cli.main(["grade", "--summary", str(tmp_path), "--output", str(tmp_path / "summary.csv")])
    assert list(pd.read_csv(tmp_path / "summary.csv")["score"]) == [0]
    capsys.readouterr()
    for arguments in ([str(tmp_path / "solution.py")], ["--summary", str(tmp_path)]):
        with pytest.raises(SystemExit) as stop:
            cli.main(["grade", *arguments, "--output", str(tmp_path / "solution.py" / "results")])
        assert "choose another" in stop.value.code
        assert "MI204" not in stop.value.code
        assert "solution.py,0" in (printed := capsys.readouterr().out) or "Score: 0 / 35" in printed
    cli.main(["grade", "--bundle", str(tmp_path / "autograder.zip")])
    assert zipfile.is_zipfile(tmp_path / "autograder.zip")
    with pytest.raises(SystemExit) as stop:
        cli.main(["grade", str(tmp_path / "nothing.py")])
    assert "Expected a Python file to grade" in stop.value.code
    with pytest.raises(SystemExit) as stop:
        cli.main(["grade"])
    assert stop.value.code == 2


def test_without_torch_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "installed", lambda name: name != "torch")
    with pytest.raises(SystemExit) as stop:
        cli.main(["grade", str(tmp_path / "solution.py")])
    assert 'pip install -e ".[torch]"' in stop.value.code
