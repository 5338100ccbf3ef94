import pytest

from mi204 import cli
from mi204.errors import DataError, SettingError


def test_a_users_error_is_one_message_and_exit_code_1(capsys):
    def fail():
        raise DataError("Expected data, received none: bring some.")

    with pytest.raises(SystemExit) as stop:
        cli.guarded(fail)
    assert stop.value.code == "Error: Expected data, received none: bring some."


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.guarded(lambda: 1 / 0)


def test_ctrl_c_says_how_to_go_on(capsys):
    def interrupt():
        raise KeyboardInterrupt("training interrupted after epoch 3 of 20")

    with pytest.raises(SystemExit) as stop:
        cli.guarded(interrupt)
    assert stop.value.code == 130
    errors = capsys.readouterr().err
    assert "Stopped: training interrupted after epoch 3 of 20. What" in errors
    assert "the same command goes on" in errors


def test_ctrl_c_outside_training_says_the_same(capsys):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        cli.guarded(interrupt)
    assert "Stopped. What was finished is saved" in capsys.readouterr().err


def test_labs_are_found_by_name():
    assert "cifar_cnn" in cli.labs()
    assert not any(name.startswith("_") for name in cli.labs())


def test_settings_of_a_preset_can_be_changed():
    from labs.cifar_cnn import PRESETS, Config

    config = cli.parse(Config, PRESETS, ["--preset", "quick", "--epochs", "7"])
    assert (config.preset, config.n_train, config.epochs) == ("quick", 256, 7)
    assert cli.parse(Config, PRESETS, []) == Config()
    assert cli.parse(Config, PRESETS, ["--questions", "4.2", "7.2"]).questions == ("4.2", "7.2")
    with pytest.raises(SettingError, match="received 'tiny'"):
        cli.parse(Config, PRESETS, ["--preset=tiny"])


@pytest.mark.parametrize("command", ["figures", "answers"])
def test_a_lab_never_run_says_what_to_run(command, monkeypatch, tmp_path):
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path))
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "cifar_cnn"])
    assert "Run the lab first: python -m labs.cifar_cnn" in stop.value.code


def test_an_unknown_lab_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path))
    with pytest.raises(SystemExit) as stop:
        cli.main(["figures", "cifar_nnc"])
    assert "one of audio_mnist, cifar_cnn" in stop.value.code
    assert "received 'cifar_nnc'" in stop.value.code


def test_help_says_what_the_commands_do(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    assert "without training" in capsys.readouterr().out
