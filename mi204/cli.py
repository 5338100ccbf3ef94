"""The doors of the command line: ``python -m labs.NAME`` and ``python -m mi204``.

What they lead to, ``commands``, is imported behind them, where Ctrl-C already ends in a message.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from mi204 import terminal
from mi204.language import Language

# Figures are written, never shown. The backend of a notebook, from one of whose cells a lab is started, may not exist
# here: matplotlib would then not even be imported.
os.environ["MPLBACKEND"] = "agg"


def start(lab: str) -> None:
    """Run the lab ``lab`` with the settings of the command line; ends as ``terminal.guarded`` says."""

    language = _language(sys.argv[1:])

    def run() -> None:
        with terminal.ended_by_ctrl_c(language):
            from mi204 import commands
        commands.run_lab(lab, sys.argv[1:])

    terminal.guarded(run, language)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``python -m mi204 …``; ends as ``terminal.guarded`` says."""
    given = sys.argv[1:] if arguments is None else arguments
    language = _language(given)

    def run() -> None:
        with terminal.ended_by_ctrl_c(language):
            from mi204 import commands
        commands.run(given)

    terminal.guarded(run, language)


def _language(arguments: Sequence[str]) -> Language:
    """Find the language in which even a mistake in the other arguments is to be explained."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--language", nargs="?")
    return "fr" if finder.parse_known_args(arguments)[0].language == "fr" else "en"
