"""The command line: settings, errors as messages, a session of commands that loses nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mi204 import backend, cli, commands, packages, results, training
from mi204.errors import SettingError
from mi204.language import Word, word
from mi204.results import Run

ROOT = Path(__file__).resolve().parents[1]

TINY = [
    "--data", "sample", "--n-train", "60", "--n-test", "40", "--batch-size", "20", "--epochs", "2", "--preset", "quick",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Keep results in a folder of the test."""
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def run(monkeypatch, *arguments, lab="mnist_losses"):
    """Run a lab as ``python -m labs.…`` does."""
    monkeypatch.setattr(sys, "argv", [f"labs.{lab}", *arguments])
    cli.start(lab)


# --- errors ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge"], "Expected --preset to be one of quick, course, full, received 'huge'"),
        (["--preset", "huge", "--language", "fr"], "Erreur : --preset attendu parmi quick, course, full, 'huge' reçu"),
        (["--n-train", "0"], "n_train to be at least 1"),
        (["--preset", "quick", "--batch-size", "301"], "at most 300"),
        (["--questions", "9.9"], "question numbers among 1.1"),
        (["--questions", "9.9", "--language", "fr"], "Numéros de question attendus parmi 1.1"),
        (["--language", "de"], "invalid choice"),
        (["--epoch", "3"], "--epochs"),
        (["--epochs", "many"], "many"),
    ],
)
def test_the_command_line_says_what_is_wrong(arguments, message, folder, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *arguments)
    # Python ends with code 1 and prints the message where there is one in place of a code.
    assert stop.value.code == 2 or str(stop.value.code).startswith(("Error: ", "Erreur : "))
    printed = capsys.readouterr()
    assert message in " ".join(f"{stop.value.code}{printed.out}{printed.err}".replace("│", " ").split())
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path / "file"))
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "--preset", "quick")
    assert "set MI204_FIGURES to another folder" in stop.value.code


# --- settings ---


def test_settings_of_a_preset_can_be_changed():
    from labs.mnist_losses.config import Config

    config = commands.parse("mnist_losses", ["--preset", "quick", "--epochs", "7", "--n-seeds", "2"])
    assert (config.preset, config.n_seeds) == ("quick", 2)
    assert (config.recipe.n_train, config.recipe.epochs) == (1000, 7)
    assert commands.parse("mnist_losses", []) == Config()
    assert commands.parse("mnist_losses", ["--questions", "1.1", "1.2"]).questions == ("1.1", "1.2")
    with pytest.raises(SettingError, match="received 'tiny'"):
        commands.parse("mnist_losses", ["--preset=tiny"])


def test_the_command_for_the_other_questions_has_the_same_settings():
    given = ["--preset", "full", "--language", "fr", "--recordings", "/tmp/my voices", "--n-seeds", "2"]
    written = commands._options("audio_mnist", commands.parse("audio_mnist", given))
    assert written == "--preset full --language fr --n-seeds 2 --recordings '/tmp/my voices' "
    assert commands._options("cifar_cnn", commands.parse("cifar_cnn", [])) == ""
    given = ["--filters", "8", "16", "--learning-rate", "0.5", "--questions", "4.2"]
    assert commands._options("cifar_cnn", commands.parse("cifar_cnn", given)) == "--filters 8 16 --learning-rate 0.5 "


# --- what was made ---


@pytest.mark.parametrize("command", ["figures", "answers"])
def test_a_lab_never_run_says_what_to_run(command, folder):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "cifar_cnn"])
    assert "python -m labs.cifar_cnn" in stop.value.code


def test_an_unknown_lab_or_record_is_named(folder):
    with pytest.raises(SystemExit) as stop:
        cli.main(["figures", "cifar_nnc"])
    assert "one of audio_mnist, cifar_cnn" in stop.value.code
    assert "received 'cifar_nnc'" in stop.value.code
    with pytest.raises(SystemExit) as stop:
        cli.main(["answers", "cifar_cnn", "--record", "nothing", "--language", "fr"])
    assert "--record attendu parmi -, 'nothing' reçu" in stop.value.code


def test_help_says_what_the_commands_do(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    assert "without training" in capsys.readouterr().out


def made(folder):
    """List what answers and figures a folder holds, by record."""
    return {path.relative_to(folder).as_posix() for path in folder.glob("*/*/*/*.p*")}


@pytest.fixture
def record(folder):
    """Keep a record of mnist_losses that no training has made."""
    from labs.mnist_losses.config import EXPERIMENTS, Config
    from labs.mnist_losses.measured import Measured

    names = ("running_loss", "train_loss", "test_loss", "running_accuracy", "train_accuracy", "test_accuracy")
    runs = [
        Run(study=name, setting=Word(name), seed=0, key=name, parameters=12_345,
            history={each: [0.5, 0.4 + 0.01 * i, 0.45] for i, each in enumerate(names)}, epoch_seconds=[2.0, 1.0, 1.0])
        for name in EXPERIMENTS
    ]
    environment = {"backend": "jax", "keras": "3.15.1"}
    measured = Measured(
        config=Config(), data="MNIST", source="real", origin="x", parameters=12_345, environment=environment, runs=runs
    )
    results.save(measured, folder / "mnist_losses" / "course-jax")
    return folder / "mnist_losses" / "course-jax"


def command(*arguments, **environment):
    """Run ``python -m …`` in a process of its own, with an environment of its own."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, env=os.environ | environment, timeout=120, cwd=ROOT
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp850", "cp1252", "utf-8"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_answers_can_be_printed_on_any_encoding(encoding, language, record):
    ended = command("mi204", "answers", "mnist_losses", "--language", language, PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert numbers(ended.stdout.decode(encoding)) == ["1.1", "1.2", "1.3", "1.4", "1.5"]


@pytest.mark.parametrize("columns", ["10", "60", "100"])
def test_answers_fit_the_terminal(columns, record):
    ended = command("mi204", "answers", "mnist_losses", COLUMNS=columns, PYTHONIOENCODING="utf-8")
    assert ended.returncode == 0
    out = ended.stdout.decode()
    lines = [line for line in out.splitlines() if str(record.parent) not in line and "--questions" not in line]
    assert max(map(len, lines)) <= max(int(columns), 40)


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp850", "COLUMNS": "10"}])
def test_help_can_be_printed_anywhere(environment):
    ended = command("labs.cifar_cnn", "--help", **environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"--learning-rate" in ended.stdout


def test_figures_are_the_same_whatever_the_user_s_matplotlib_does(record, tmp_path):
    """One started from a notebook's cell, whose backend does not exist here; one with a style of their own."""
    style = "text.usetex: True\nfont.size: 20\naxes.facecolor: red\nsavefig.bbox: tight\n"
    (tmp_path / "matplotlibrc").write_text(style)
    drawn = []
    for environment in (
        {"MPLBACKEND": ""},
        {"MPLBACKEND": "module://ipympl.backend_nbagg", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")},
    ):
        ended = command("mi204", "figures", "mnist_losses", **environment)
        assert (ended.returncode, ended.stderr) == (0, b"")
        drawn.append({path.name: path.read_bytes() for path in (record / "en").glob("*.png")})
        shutil.rmtree(record / "en")
    assert len(drawn[0]) > 3
    assert drawn[0] == drawn[1]


def test_what_the_lab_lacks_is_said_first(monkeypatch, folder):
    """Before a backend is imported, and before anything is written."""
    monkeypatch.setattr(packages, "installed", lambda name: name not in ("soundfile", "torch"))
    monkeypatch.setattr(backend, "prepare", pytest.fail)
    for lab, arguments, said in (
        ("audio_mnist", [], 'Expected soundfile to be installed, but Python does not find it. Install it with: pip'),
        ("fashion_trainer", ["--engine", "torch"], "or choose another: --engine keras."),
    ):
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, *arguments, lab=lab)
        assert said in stop.value.code
    assert not list(folder.iterdir())


def test_ctrl_c_before_anything_is_trained_promises_nothing(folder, monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    earlier = folder / "mnist_losses" / "runs" / "another"
    earlier.mkdir(parents=True)
    (earlier / "run.json").write_text("{}")
    os.utime(earlier / "run.json", (1e9, 1e9))
    monkeypatch.setattr(backend, "prepare", interrupt)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *TINY, "--language", "fr")
    assert stop.value.code == 130
    assert capsys.readouterr().err == "\nArrêté. Rien n'était encore fini ; la même commande recommence.\n"


def numbers(text):
    return [line.split()[1] for line in text.splitlines() if line.startswith("## ")]


@pytest.mark.backend
def test_in_a_session_of_commands_nothing_is_lost(folder, monkeypatch, capsys):
    run(monkeypatch, *TINY, "--questions", "1.1", "1.2")
    first, out = made(folder), capsys.readouterr().out
    assert numbers(out) == ["1.1", "1.2"]
    assert len(first) == 2 * 2  # png and pdf

    run(monkeypatch, *TINY, "--questions", "1.4")
    second, out = made(folder), capsys.readouterr().out
    assert numbers(out) == ["1.4"]
    assert "1 trained now, 1 remembered" in out
    assert "Answered too by what is kept: 1.1, 1.2. All of them: python -m mi204 answers mnist_losses" in out
    assert second > first

    run(monkeypatch, *TINY, "--epochs", "3", "--questions", "1.1")  # other settings
    third, out = made(folder), capsys.readouterr().out
    assert third > second
    assert "Answered too" not in out
    assert "Answered: 1 of 5 questions. The others: python -m labs.mnist_losses --preset quick --data sample " in out
    assert "--n-train 60 --n-test 40 --batch-size 20 --questions 1.2 1.3 1.4 1.5\n" in out

    run(monkeypatch, *TINY, "--language", "fr")
    fourth, out = made(folder), capsys.readouterr().out
    assert numbers(out) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert fourth > third
    assert "ATTENTION" not in out  # the sample was asked for
    assert word("too_small", "fr") in " ".join(out.split())
    answered, first = out.splitlines()[-2:]
    assert "\nRésultat : " in out
    assert answered == "Répondu : 5 sur 5 questions."
    assert first.startswith("À ouvrir d'abord : ")
    assert first.endswith("fr/1.5_test_loss.png")
    (record,) = {path.split("/")[1] for path in fourth - third}
    assert sum(f"/{record}/fr/" in path for path in fourth) == 2 * 6

    for command in ("figures", "answers"):
        cli.main([command, "mnist_losses", "--language", "en"])
    fifth, out = made(folder), capsys.readouterr().out
    assert numbers(out) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert fifth >= fourth
    assert sum(f"/{record}/en/" in path for path in fifth) == 2 * 6
    (other,) = {path.split("/")[1] for path in fifth} - {record}
    assert f"choose one with --record NAME): {other}" in out
    cli.main(["answers", "mnist_losses", "--record", other])
    out = capsys.readouterr().out
    assert numbers(out) == ["1.1"]
    assert "--questions 1.2 1.3 1.4 1.5" in out


@pytest.fixture
def _ctrl_c():
    """Ctrl-C as Python has it, also where these tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.backend
@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_saves_and_the_same_command_goes_on(folder, monkeypatch, capsys):
    """The real signal, in the middle of an epoch."""
    arguments = [*TINY, "--epochs", "5", "--questions", "1.1"]
    begin = training._Recorder.on_train_batch_begin

    def press(self, batch, logs=None):
        begin(self, batch, logs)
        if (self.epoch, batch) == (3, 1):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(training._Recorder, "on_train_batch_begin", press)
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, *arguments)
    assert stop.value.code == 130
    said = capsys.readouterr().err
    assert "Training interrupted after epoch 3 of 5. What was finished is saved; the same command goes on" in said
    (saved,) = (folder / "mnist_losses" / "runs").iterdir()
    done = training.read_history(saved)
    assert done.epochs == 3
    assert not list(folder.glob("mnist_losses/*/results.json"))
    run(monkeypatch, *arguments)
    (record,) = folder.glob("mnist_losses/*/results.json")
    (trained,) = json.loads(record.read_text(encoding="utf-8"))["measured"]["runs"]
    assert len(trained["history"]["test_loss"]) == 5
    assert trained["history"]["test_loss"][:3] == done.metrics["val_loss"]
