"""The command line: settings from a dataclass, errors as messages, results as text."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tyro

from mi204 import backend, paths, results
from mi204.errors import SettingError, UserError
from mi204.language import Language, fill, word
from mi204.questions import Question, of_lab


def parse(config: type, presets: dict[str, Any], arguments: Sequence[str]) -> Any:
    """Read the settings of a lab: those of ``--preset``, changed by the other options.

    Raises SettingError for an unknown preset or a value out of its range; an unknown option ends the program with
    tyro's message and exit code 2.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--preset", default="course")
    name = finder.parse_known_args(arguments)[0].preset
    if name not in presets:
        raise SettingError(
            f"Expected --preset to be one of {', '.join(presets)}, received {name!r}: choose one of them."
        )
    lab = sys.modules[config.__module__]
    return tyro.cli(
        config,
        prog=f"python -m {lab.__spec__.name}",
        description=lab.__doc__,
        default=presets[name],
        args=list(arguments),
    )


def start(config: type, presets: dict[str, Any], main: Callable[[Any], None]) -> None:
    """Run a lab's ``main`` with the settings of the command line; errors of the user's become one message.

    Exit code 1 for such an error, 2 for an unknown option, 130 after Ctrl-C.
    """
    guarded(lambda: main(parse(config, presets, sys.argv[1:])))


def guarded(action: Callable[[], None]) -> None:
    """Run ``action``; show a UserError as one message, and after Ctrl-C say how to go on."""
    try:
        action()
    except UserError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt as stop:
        print(
            f"\nStopped{f': {stop}' if str(stop) else ''}. What was finished is saved; "
            "the same command goes on from there.",
            file=sys.stderr,
        )
        sys.exit(130)


def print_notice(name: str, notice: str, language: Language) -> None:
    """Say, where it does, that the procedural sample replaces the data set ``name``, and why."""
    if notice:
        print(fill(word("sample_used", language), {"data": name}, language), notice, sep="\n")


def print_answers(outcome: results.Results, chosen: Sequence[Question], language: Language) -> None:
    """Print where the numbers come from, the answers that these results allow, and how to have the others."""
    measured = ", ".join(f"{name} {value}" for name, value in outcome.environment.items())
    print(f"\n{outcome.provenance(language)} · {measured}\n")
    done = {run.study for run in outcome.runs}
    for question in chosen:
        if set(question.needs) <= done:
            print(question.render(outcome, language))
    missing = [question.number for question in chosen if not set(question.needs) <= done]
    if missing:
        size = "" if outcome.config["preset"] == "course" else f" --preset {outcome.config['preset']}"
        print(word("not_run", language), f"python -m labs.{outcome.lab}{size} --questions {' '.join(missing)}\n")


def print_paths(written: Sequence[Path], language: Language) -> None:
    """Say how many files were written, and where."""
    if written:
        print(f"{len(written)} {word('files_in', language)} {written[0].parent}")


def labs() -> list[str]:
    """List the labs by name, in alphabetical order."""
    # By name: the library stands below the labs and must not import them.
    folder = Path(importlib.import_module("labs").__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def _lab(name: str):
    if name not in labs():
        raise SettingError(f"Expected the name of a lab, one of {', '.join(labs())}, received {name!r}.")
    return importlib.import_module(f"labs.{name}")


def figures(lab: str, language: Language) -> None:
    """Draw the figures of a lab's last run again, without training."""
    module, folder = _lab(lab), paths.figures(lab)
    print_paths(results.save_figures(module.figures(results.load(folder), language), folder), language)


def answers(lab: str, language: Language) -> None:
    """Print the answers of a lab's last run again, without training."""
    module = _lab(lab)
    print_answers(results.load(paths.figures(lab)), list(of_lab(module).values()), language)


def grade(file: Path, output: Path | None, language: Language) -> None:
    """Grade a submission of homework 004, part 1: print the checks, and write Gradescope's results.json if asked."""
    from mi204.grading import __main__, grader

    backend.require("torch")
    outcome = grader.grade(file, language)
    print(outcome.report())
    if output:
        __main__.write(outcome, output)


def grade_folder(folder: Path, output: Path | None, language: Language) -> None:
    """Grade every submission of a folder and its folders; write one CSV line each."""
    from mi204.grading import summary

    backend.require("torch")
    table = summary.table(folder, language)
    if not output:
        print(table.to_csv(index=False), end="")
        return
    try:
        paths.write_atomically(output, lambda path: table.to_csv(path, index=False), "choose another --output")
    except UserError:
        print(table.to_csv(index=False), end="")  # the grading is not lost
        raise
    print_paths([output], language)


def bundle(path: Path, language: Language) -> None:
    """Write the zip that Gradescope runs."""
    from mi204.grading import bundle

    bundle.write(path, language)
    print_paths([path], language)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read and run ``python -m mi204 …``."""
    parser = argparse.ArgumentParser(
        prog="python -m mi204",
        description="Look again at what a lab produced, without training; grade submissions of the homework.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (figures, answers):
        sub = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        sub.add_argument("lab", help=f"one of {', '.join(labs())}")
        sub.set_defaults(run=lambda chosen, command=command: command(chosen.lab, chosen.language))
        _add_language(sub)
    _add_grade(commands)
    chosen = parser.parse_args(arguments)
    guarded(lambda: chosen.run(chosen))


def _add_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", choices=("en", "fr"), default="en", help="language of what is written")


def _add_grade(commands: argparse._SubParsersAction) -> None:
    sub = commands.add_parser(
        "grade",
        help=grade.__doc__,
        description=f"{grade.__doc__} The file runs in a process of its own: at most 20 s to be imported, 8 s for each "
        "of its functions' calls, 60 s in all, 250 MB of data; what it answers is judged outside. Needs torch.",
    )
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("file", type=Path, nargs="?", help="the submission, a Python file")
    what.add_argument("--summary", type=Path, metavar="FOLDER", help=grade_folder.__doc__)
    what.add_argument("--bundle", type=Path, metavar="ZIP", help=bundle.__doc__)
    sub.add_argument("--output", type=Path, help="where to write results.json, or the CSV of --summary")
    _add_language(sub)

    def run(chosen: argparse.Namespace) -> None:
        if chosen.bundle:
            bundle(chosen.bundle, chosen.language)
        elif chosen.summary:
            grade_folder(chosen.summary, chosen.output, chosen.language)
        else:
            grade(chosen.file, chosen.output, chosen.language)

    sub.set_defaults(run=run)
