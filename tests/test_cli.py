"""The command line: settings, errors as messages, a session of commands that loses nothing."""

import json
import signal
import sys

import pytest

from mi204 import cli, training
from mi204.errors import DataError, SettingError
from mi204.language import word

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
    ("language", "message"), [("en", "Error: Expected data, received none."), ("fr", "Erreur : Données attendues.")]
)
def test_a_users_error_is_one_message_and_exit_code_1(language, message):
    def fail():
        raise DataError("Expected data, received none.", "Données attendues.")

    with pytest.raises(SystemExit) as stop:
        cli.guarded(fail, language)
    assert stop.value.code == message


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.guarded(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("error", "language", "message"),
    [
        (training.Interrupted(3, 20), "en", "Stopped: training interrupted after epoch 3 of 20. What was finished is"),
        (training.Interrupted(3, 20), "fr", "Arrêté : apprentissage interrompu après l'époque 3 sur 20. Ce qui était"),
        (KeyboardInterrupt(), "en", "Stopped. What was finished is saved; the same command goes on from there."),
        (KeyboardInterrupt(), "fr", "Arrêté. Ce qui était fini est enregistré ; la même commande reprend à cet"),
    ],
)
def test_ctrl_c_says_how_to_go_on(error, language, message, capsys):
    def interrupt():
        raise error

    with pytest.raises(SystemExit) as stop:
        cli.guarded(interrupt, language)
    assert stop.value.code == 130
    assert message in capsys.readouterr().err


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

    config = cli.parse("mnist_losses", ["--preset", "quick", "--epochs", "7", "--n-seeds", "2"])
    assert (config.preset, config.n_seeds) == ("quick", 2)
    assert (config.recipe.n_train, config.recipe.epochs) == (1000, 7)
    assert cli.parse("mnist_losses", []) == Config()
    assert cli.parse("mnist_losses", ["--questions", "1.1", "1.2"]).questions == ("1.1", "1.2")
    with pytest.raises(SettingError, match="received 'tiny'"):
        cli.parse("mnist_losses", ["--preset=tiny"])


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

    run(monkeypatch, *TINY, "--language", "fr")
    fourth, out = made(folder), capsys.readouterr().out
    assert numbers(out) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert fourth > third
    assert "ATTENTION" not in out  # the sample was asked for
    assert word("too_small", "fr") in out
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


@pytest.mark.backend
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
    assert "after epoch 3 of 5" in capsys.readouterr().err
    (saved,) = (folder / "mnist_losses" / "runs").iterdir()
    done = training.read_history(saved)
    assert done.epochs == 3
    assert not list(folder.glob("mnist_losses/*/results.json"))
    run(monkeypatch, *arguments)
    (record,) = folder.glob("mnist_losses/*/results.json")
    (trained,) = json.loads(record.read_text(encoding="utf-8"))["measured"]["runs"]
    assert len(trained["history"]["test_loss"]) == 5
    assert trained["history"]["test_loss"][:3] == done.metrics["val_loss"]
