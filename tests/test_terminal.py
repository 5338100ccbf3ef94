"""What is printed reaches its reader, whatever reads it."""

import io
import os
import signal
import subprocess
import sys

import pytest

from mi204 import terminal, training
from mi204.errors import DataError


def fail():
    raise DataError("Expected data, received none.", "Données attendues.")


USUAL = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Ctrl-C as Python has it, also where these tests run in the background."""


def child(code, *, output=subprocess.PIPE, **environment):
    """Run a command that ends as ``guarded`` says, with its own environment."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | environment
    return subprocess.run(
        [sys.executable, "-c", f"from mi204 import terminal\n{code}"], stdout=output, stderr=subprocess.PIPE,
        env=environment, timeout=60,
    )


# --- width ---


@pytest.mark.parametrize(("columns", "expected"), [("120", 120), ("10", terminal.NARROWEST), ("0", 80)])
def test_the_width_is_that_of_the_terminal_within_reason(columns, expected, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    assert terminal.width() == expected


def test_text_is_broken_between_words_line_by_line():
    assert terminal.wrapped("one two three\n\nfour", 8) == "one two\nthree\n\nfour"
    assert terminal.wrapped("a/very/long/path-of-a-file x", 8) == "a/very/long/path-of-a-file\nx"
    assert max(map(len, terminal.wrapped("word " * 100, 300).splitlines())) <= 100


def test_the_lines_of_an_item_stand_below_one_another():
    assert terminal.wrapped("Places:\n  - one two three\n- four five", 12) == (
        "Places:\n  - one two\n    three\n- four five"
    )


def test_no_line_begins_with_what_a_space_sets_off():
    text = "aaaa : « bb » ; 5 % ± 2 ? oui !"
    for columns in range(4, 20):
        lines = terminal.lines(text, columns)
        assert " ".join(lines) == text
        assert not any(line[0] in ":»;%±?!" or line.endswith("«") for line in lines)


def test_every_library_learns_the_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    seen = []
    terminal.guarded(lambda: seen.append(os.environ["COLUMNS"]))
    assert seen == [str(terminal.NARROWEST)]
    assert os.environ["COLUMNS"] == "10"


# --- encodings ---


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "12 345 +- 47.3 % - (ecart) 10^-7 +-+ |#| sigma_Li ..."),
        ("cp1252", "12 345 ± 47.3 % – (écart) 10^-7 +-+ |#| sigma_Li …"),
        ("utf-8", "12\u202f345 ± 47.3\u202f% – (écart) 10⁻⁷ ┏━┓ │█│ sigma_李 …"),
    ],
)
def test_what_an_encoding_lacks_is_written_otherwise(encoding, expected, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.guarded(lambda: print("12\u202f345 ± 47.3\u202f% – (écart) 10⁻⁷ ┏━┓ │█│ sigma_李 …", end=""))
    assert stream.buffer.getvalue().decode(encoding) == expected


def test_a_name_that_is_no_text_can_be_printed(monkeypatch):
    """Linux' file names are bytes: Python writes those that are no text as lone surrogates."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.guarded(lambda: print(os.fsdecode(b"d\xe9ception"), end=""))
    assert stream.buffer.getvalue() == b"d?ception"


def test_the_error_output_too_takes_every_character():
    ended = child("terminal.guarded(lambda: exit('Données ± 李'))", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr.strip()) == (1, b"Donnees +- Li")


# --- ends ---


@pytest.mark.parametrize(
    ("language", "message"), [("en", "Error: Expected data, received none."), ("fr", "Erreur : Données attendues.")]
)
def test_a_users_error_is_one_message_and_exit_code_1(language, message):
    with pytest.raises(SystemExit) as stop:
        terminal.guarded(fail, language)
    assert stop.value.code == message


def test_other_errors_keep_their_traceback():
    outputs = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError):
        terminal.guarded(lambda: 1 / 0)
    assert (sys.stdout, sys.stderr) == outputs


@pytest.fixture
def _handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_handler")
@pytest.mark.parametrize(
    ("error", "language", "message"),
    [
        (training.Interrupted(3, 20), "en", "Stopped. Training interrupted after epoch 3 of 20.\n"),
        (training.Interrupted(3, 20), "fr", "Arrêté. Apprentissage interrompu après l'époque 3 sur 20.\n"),
        (KeyboardInterrupt(), "en", "Stopped.\n"),
        (KeyboardInterrupt(), "fr", "Arrêté.\n"),
    ],
)
def test_ctrl_c_is_one_message(error, language, message, capsys):
    def interrupt():
        raise error

    with pytest.raises(SystemExit) as stop:
        terminal.guarded(interrupt, language)
    assert stop.value.code == 130
    assert capsys.readouterr().err == f"\n{message}"
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.usefixtures("_handler")
def test_ctrl_c_says_what_its_notes_say(capsys):
    def interrupt():
        stop = KeyboardInterrupt()
        stop.add_note("Nothing is lost.")
        raise stop

    with pytest.raises(SystemExit):
        terminal.guarded(interrupt)
    assert capsys.readouterr().err == "\nStopped. Nothing is lost.\n"


def test_ctrl_c_that_a_library_swallows_is_not_lost():
    code = USUAL + """
def action():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass
    terminal.raise_if_stopped()
terminal.raise_if_stopped()  # nothing was pressed
terminal.guarded(action)
"""
    assert child(code).returncode == 130


def test_ctrl_c_ends_an_import_at_once():
    """Nothing that stands around it sees an exception; what was printed is not lost."""
    code = USUAL + """
def action():
    print('before')
    try:
        with terminal.ended_by_ctrl_c('fr'):
            signal.raise_signal(signal.SIGINT)
    finally:
        print('never')
terminal.guarded(action, 'fr')
"""
    ended = child(code, PYTHONIOENCODING="utf-8")
    assert (ended.returncode, ended.stdout) == (130, b"before\n")
    said = "\nArrêté. Rien n'était encore fini ; la même commande recommence.\n"
    assert ended.stderr.decode().replace("\r", "") == said


@pytest.mark.usefixtures("_handler")
def test_ctrl_c_is_python_s_again_afterwards():
    terminal.guarded(lambda: None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("_handler")
def test_ctrl_c_that_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal.guarded(lambda: signal.raise_signal(signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.usefixtures("_handler")
def test_ctrl_c_stops_one_command_only():
    with pytest.raises(SystemExit):
        terminal.guarded(lambda: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    terminal.guarded(terminal.raise_if_stopped)


WORKS_ON = """
import sys
def action():
    for number in range(20_000):
        print('line', number)
    print('the work is done', file=sys.stderr)
terminal.guarded(action)
"""


def test_a_reader_that_leaves_does_not_end_the_work():
    reading, writing = os.pipe()
    os.close(reading)
    ended = child(WORKS_ON, output=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"the work is done\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
def test_a_full_disk_does_not_end_the_work():
    with open("/dev/full", "wb") as full:
        ended = child(WORKS_ON, output=full)
    assert ended.returncode == 1
    done, message = ended.stderr.decode().splitlines()
    assert done == "the work is done"
    assert message.startswith("Error: Expected to print everything, but the system answered: No space left on device.")


def test_a_users_error_comes_before_that_of_the_output():
    reading, writing = os.pipe()
    os.close(reading)
    code = "def action():\n print('x' * 10**6)\n exit('Error: no data')\nterminal.guarded(action)"
    ended = child(code, output=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"Error: no data\n")


def test_no_output_at_all(monkeypatch):
    """As under pythonw, or after ``>&-``."""
    monkeypatch.setattr(sys, "stdout", None)
    terminal.guarded(lambda: sys.stdout.write("nobody reads this"))
    assert sys.stdout is None
