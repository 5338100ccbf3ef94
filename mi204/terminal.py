"""What a program prints reaches its reader: on any encoding, at any width, and no closed pipe or full disk ends it.

Imports little, so that it stands before all that takes seconds to import.
"""

import codecs
import io
import os
import re
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

from mi204.errors import UserError
from mi204.language import Language, fill, word

NARROWEST = 40
"""Columns that everything printed may count on, whatever the terminal says of itself."""
_WIDEST_PROSE = 100
_HELD = "\ue000"
"""Stands for a space where no line may end."""
_STOPPED, _READER_LEFT = 128 + 2, 128 + 13
"""Exit status after Ctrl-C, and of a program whose reader closed the pipe: 128 + the signal, as the shell counts."""


def width() -> int:
    """Give the columns of the terminal: ``$COLUMNS``, else its own, else 80."""
    return max(NARROWEST, shutil.get_terminal_size().columns)


def lines(text: str, columns: int) -> list[str]:
    """Break a paragraph between words into lines of at most ``columns``; a longer word has a line of its own.

    The lines of an item of a list, ``  - item``, stand below one another.
    """
    # No line begins with what French sets off by a space: deux points : « … », 47 %.
    held = re.sub(" (?=[:;!?»%±×·–])|(?<=«) ", _HELD, text)
    indent = " " * re.match(" *(- )?", text).end()
    broken = textwrap.wrap(
        held, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_HELD, " ") for line in broken]


def wrapped(text: str, columns: int) -> str:
    """Break every line of ``text`` so that it fits into ``columns``, and is no longer than is pleasant to read."""
    return "\n".join(
        part for line in text.splitlines() for part in lines(line, min(columns, _WIDEST_PROSE)) or [""]
    )


def show(text: str = "") -> None:
    """Print prose fitted to the terminal."""
    print(wrapped(text, width()))


def guarded(action: Callable[[], None], language: Language = "en") -> None:
    """Run ``action`` as a command: a UserError becomes one message, Ctrl-C another, with what its notes say.

    Exits with code 1 for a user's error or when what was printed could not be written, 130 after Ctrl-C, 141 when the
    reader of the output left before its end.
    """
    with _outputs() as outputs, _ctrl_c(_stop):
        status: str | int | None = None
        try:
            action()
        except UserError as error:
            status = fill(word("error", language), {"message": error.written(language)}, language)
        except KeyboardInterrupt as stop:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would only disturb the end
            reasons = [stop.text.written(language)] if hasattr(stop, "text") else []
            said = [word("interrupted", language), *reasons, *getattr(stop, "__notes__", ())]
            print("\n", " ".join(said), sep="", file=sys.stderr)
            status = _STOPPED
        except SystemExit as stop:
            status = stop.code
        for output in outputs:
            output.flush()
        failure = outputs[0].failure
        if isinstance(failure, BrokenPipeError):
            status = status or _READER_LEFT
        elif failure:
            status = status or fill(
                word("output_lost", language), {"reason": failure.strerror or str(failure)}, language
            )
    if status is not None:
        sys.exit(status)


class _Stop:
    """Ctrl-C, remembered until the program ends: libraries swallow the exception now and then."""

    pressed = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.pressed = True
        raise KeyboardInterrupt


_stop = _Stop()


def raise_if_stopped() -> None:
    """Raise KeyboardInterrupt where Ctrl-C was pressed and a library has swallowed it."""
    if _stop.pressed:
        raise KeyboardInterrupt


@contextmanager
def ended_by_ctrl_c(language: Language) -> Iterator[None]:
    """End the program at once on Ctrl-C: a library half imported crashes on the exception, or ignores it."""

    def end(signum: int, frame: FrameType | None) -> None:
        print(f"\n{word('interrupted', language)} {word('nothing_saved', language)}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(_STOPPED)

    with _ctrl_c(end):
        yield


@contextmanager
def _ctrl_c(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle Ctrl-C by ``handler``; afterwards as before, unless it is ignored by then.

    Where it is ignored already, as in a job in the background, it stays so.
    """
    _stop.pressed = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, before)


class _Output:
    """A text stream that takes every character, and whose end stops nothing but itself."""

    def __init__(self, stream: TextIO | None) -> None:
        self.failure: OSError | None = None
        # There is none under pythonw, or after `>&-`.
        self.stream = stream or io.StringIO()
        if hasattr(self.stream, "reconfigure"):
            self.stream.reconfigure(errors=_PLAIN)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._losing():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._losing():
            self.stream.flush()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error
            # What is still in the buffers, and what comes, goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


@contextmanager
def _outputs() -> Iterator[list[_Output]]:
    """Put ``_Output`` in the place of both standard outputs; every library learns the width that we count on."""
    streams = sys.stdout, sys.stderr
    columns = os.environ.get("COLUMNS")
    if shutil.get_terminal_size().columns < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)
    sys.stdout, sys.stderr = outputs = [_Output(stream) for stream in streams]
    try:
        yield outputs
    finally:
        sys.stdout, sys.stderr = streams
        if columns is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = columns


_PLAIN = "mi204-plain"
_SUPERSCRIPTS = re.compile("[⁻⁰¹²³⁴-⁹]+")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks with letters that every encoding has: ``±`` as ``+-``, a frame as ``+--+``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    # A power would be mistaken: 10⁻⁷ is not 10-7.
    from anyascii import anyascii  # rarely needed, and it would come before Ctrl-C is ours

    missing = _SUPERSCRIPTS.sub(r"^\g<0>", error.object[error.start : error.end])
    return anyascii(missing) or "?", error.end


codecs.register_error(_PLAIN, _plain)
