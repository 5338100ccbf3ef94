"""What the command line does: labs from settings to answers, records read again, homework graded, the page served."""

import argparse
import importlib
import importlib.util
import shlex
import time
from collections.abc import Sequence
from dataclasses import field, make_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import tyro
from tyro.conf import OmitArgPrefixes

from mi204 import backend, packages, paths, questions, results, terminal
from mi204.demo import serve
from mi204.errors import SettingError, UserError
from mi204.language import Language, fill, word
from mi204.questions import Question
from mi204.results import Kept, Measured
from mi204.terminal import show


def parse(lab: str, arguments: Sequence[str]) -> Any:
    """Read the settings of a lab: those of ``--preset``, changed by the other options; the handout's come first.

    Raises SettingError for an unknown preset or a value out of its range; an unknown option ends the program with
    tyro's message and exit code 2.
    """
    presets = _part(lab, "config").PRESETS
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--preset", default="course")
    name = finder.parse_known_args(arguments)[0].preset
    if name not in presets:
        raise SettingError(
            "Expected --preset to be one of {names}, received {name!r}: choose one of them.",
            "--preset attendu parmi {names}, {name!r} reçu : en choisir un.",
            names=", ".join(presets), name=name,
        )
    preset = presets[name]
    # Two groups of options, whose titles are the names of these fields.
    groups = make_dataclass(
        "Arguments",
        [
            ("handout", OmitArgPrefixes[type(preset.recipe)], field(default=preset.recipe)),
            ("lab", OmitArgPrefixes[type(preset)], field(default=preset)),
        ],
    )
    given = tyro.cli(
        groups, prog=f"python -m labs.{lab}", description=importlib.import_module(f"labs.{lab}").__doc__,
        args=list(arguments),
    )
    return replace(given.lab, recipe=given.handout)


def run_lab(lab: str, arguments: Sequence[str]) -> None:
    """Run a lab, save its results and figures, print its answers."""
    config = parse(lab, arguments)
    questions.needed(lab, config.questions)  # are there such questions?
    config.require_packages()
    folder = paths.writable_folder(paths.figures(lab), "MI204_FIGURES")
    started = time.time()
    try:
        with terminal.ended_by_ctrl_c(config.language):
            backend.prepare()
            science = _part(lab, "lab")
        data = science.load_data(config)
        for part in data if isinstance(data, tuple) else (data,):
            print_notice(part, config.language)
        networks = science.networks(config)
        for network in networks:
            network.summary()
        before = {path.parent.name for path in folder.glob("runs/*/run.json")}
        measured = science.run(config, data, folder / "runs", progress=True)
        kept = results.keep(measured, _part(lab, "config").PRESETS[config.preset], folder)
        drawing = _part(lab, "figures")
        figures = drawing.figures(kept.measured, config.language)
        written = results.save_figures(figures, kept.folder / config.language)
        files = drawing.files(kept.measured, kept.folder) if hasattr(drawing, "files") else []
        drawn = [_plot_model(network, kept.folder) for network in networks]
    except KeyboardInterrupt as stop:
        saved = any(path.stat().st_mtime >= started for path in folder.rglob("*.json"))
        stop.add_note(word("saved" if saved else "nothing_saved", config.language))
        raise
    chosen = [each for each in questions.of_lab(lab).values() if each.number in (config.questions or (each.number,))]
    print_answers(kept.measured, chosen, config.language)
    if not all(drawn):
        show(word("dot_missing", config.language))
    keys = {run.key for run in measured.runs}
    print_kept(lab, kept, chosen, len(keys - before), len(keys & before), config.language)
    print_paths(files, config.language)
    print_paths(written, config.language)
    print_end(lab, kept.measured, written, config.language)


def _part(lab: str, name: str) -> ModuleType:
    """Import a module of a lab's folder by name: the library stands below the labs and must not import them."""
    return importlib.import_module(f"labs.{lab}.{name}")


def _plot_model(network: Any, folder: Path) -> bool:
    from mi204 import models  # imports Keras

    return models.plot_model(network, folder / f"plot_model_{network.name}.png")


def print_notice(data: Any, language: Language) -> None:
    """Say, where it does, that the procedural sample replaces a data set, and why."""
    if data is not None and data.notice:
        show(fill(word("sample_used", language), {"data": data.name}, language))
        show(data.notice.written(language))


def print_answers(measured: Measured, chosen: Sequence[Question], language: Language) -> None:
    """Print where the numbers come from, and the answers that these results allow."""
    environment = ", ".join(f"{name} {value}" for name, value in measured.environment.items())
    show(f"\n{measured.provenance(language)} · {environment}")
    if measured.too_small:
        show(f"\n{word('too_small', language)}")
    print()
    for question in chosen:
        if set(question.needs) <= measured.studies:
            print(question.render(measured, language, terminal.width()))


def print_kept(
    lab: str, kept: Kept, chosen: Sequence[Question], n_trained: int, n_reused: int, language: Language
) -> None:
    """Say which trainings were reused, which other questions what is kept answers, and what was moved.

    Lines with paths and commands stay whole: they are copied.
    """
    if n_reused:
        print(fill(word("trainings_reused", language), {"n_trained": n_trained, "n_reused": n_reused}, language))
    numbers = [
        each.number for each in questions.of_lab(lab).values()
        if set(each.needs) <= kept.measured.studies and each not in chosen
    ]
    if numbers:
        values = {"numbers": ", ".join(numbers), "command": f"python -m mi204 answers {lab}"}
        print(fill(word("answers_kept", language), values, language))
    if kept.moved:
        values = {"folder": str(kept.folder), "moved": str(kept.moved)}
        print(fill(word("record_moved", language), values, language))


def print_paths(written: Sequence[Path], language: Language) -> None:
    """Say how many files were written, and where."""
    if written:
        print(fill(word("files_written", language), {"n": len(written), "folder": str(written[0].parent)}, language))


def print_end(lab: str, measured: Measured, figures: Sequence[Path], language: Language) -> None:
    """End with three lines: the result, how many questions are answered and how to have the others, what to open."""
    text = questions.result(lab, measured, language)
    if measured.too_small:
        text += f" {word('too_small', language)}"
    show(fill(word("result", language), {"text": text}, language))
    every = questions.of_lab(lab).values()
    missing = [each.number for each in every if not set(each.needs) <= measured.studies]
    counts = {"n": len(every) - len(missing), "total": len(every)}
    line = fill(word("answered", language), counts, language)
    if missing:
        command = f"python -m labs.{lab} {_options(lab, measured.config)}--questions {' '.join(missing)}"
        line += f" {fill(word('others_by', language), {'command': command}, language)}"
    print(line)
    if figures:
        first = next((path for path in figures if path.stem == questions.result_figure(lab)), figures[0])
        print(fill(word("open_first", language), {"file": str(first)}, language))


def _options(lab: str, config: Any) -> str:
    """Write the options that give these settings, but for the questions: what adds to the same record."""
    default = _part(lab, "config").PRESETS[config.preset]
    usual = type(config)()
    shown = {
        name: getattr(config, name) for name in ("preset", "data", "language")
        if getattr(config, name) != getattr(usual, name)
    }
    return "".join(
        f"--{name.replace('_', '-')} {shlex.join(map(str, value if isinstance(value, tuple) else (value,)))} "
        for name, value in (shown | results.changed(config, default)).items()
    )


def labs() -> list[str]:
    """List the labs by name, in alphabetical order."""
    folder = Path(importlib.util.find_spec("labs").origin).parent
    return sorted(path.parent.name for path in folder.glob("*/lab.py"))


def _record(lab: str, name: str | None, language: Language) -> tuple[Measured, Path]:
    """Read a record of a lab, the one written last unless it is named, and say which others there are."""
    if lab not in labs():
        raise SettingError(
            "Expected the name of a lab, one of {labs}, received {lab!r}: choose one of them.",
            "Nom d'un lab attendu parmi {labs}, {lab!r} reçu : en choisir un.",
            labs=", ".join(labs()), lab=lab,
        )
    there = results.records(paths.figures(lab))
    names = [folder.name for folder in there]
    if name is not None and name not in names:
        raise SettingError(
            "Expected --record to be one of {names}, received {name!r}: choose one of them.",
            "--record attendu parmi {names}, {name!r} reçu : en choisir un.",
            names=", ".join(names) or "-", name=name,
        )
    folder = there[names.index(name)] if name else (there or [paths.figures(lab)])[0]
    measured = results.load(_part(lab, "measured").Measured, folder)
    print(fill(word("results_in", language), {"folder": str(folder)}, language))
    if others := [each for each in names if each != folder.name]:
        print(fill(word("records_beside", language), {"names": ", ".join(others)}, language))
    return measured, folder


def figures(lab: str, record: str | None, language: Language) -> None:
    """Draw the figures of a lab's last run again, without training."""
    measured, folder = _record(lab, record, language)
    drawn = _part(lab, "figures").figures(measured, language)
    print_paths(results.save_figures(drawn, folder / language), language)


def answers(lab: str, record: str | None, language: Language) -> None:
    """Print the answers of a lab's last run again, without training."""
    measured, folder = _record(lab, record, language)
    print_answers(measured, list(questions.of_lab(lab).values()), language)
    print_end(lab, measured, sorted((folder / language).glob("*.png")), language)


def grade(file: Path, output: Path | None, language: Language) -> None:
    """Grade a submission of homework 004, part 1: print the checks, and write Gradescope's results.json if asked."""
    from mi204.grading import __main__, grader

    packages.require("torch")
    outcome = grader.grade(file, language)
    print(outcome.report(terminal.width()))
    if output:
        __main__.write(outcome, output)


def grade_folder(folder: Path, output: Path | None, language: Language) -> None:
    """Grade every submission of a folder and its folders; write one CSV line each."""
    from mi204.grading import summary

    packages.require("torch")
    table = summary.table(folder, language)
    if not output:
        print(table.to_csv(index=False), end="")
        return
    try:
        paths.write_atomically(output, lambda path: table.to_csv(path, index=False), paths.OTHER_FILE)
    except UserError:
        print(table.to_csv(index=False), end="")  # the grading is not lost
        raise
    print_paths([output], language)


def bundle(path: Path, language: Language) -> None:
    """Write the zip that Gradescope runs."""
    from mi204.grading import bundle

    bundle.write(path, language)
    print_paths([path], language)


def demo(host: str, port: int, language: Language) -> None:
    """Show what a network looks at on a page in the browser: your pictures, every network and method."""
    if not 1 <= port <= 65535:
        raise SettingError(
            "Expected --port to be from 1 to 65535, received {port}: choose one above 1023.",
            "--port de 1 à 65535 attendu, {port} reçu : en choisir un au-dessus de 1023.",
            port=port,
        )
    serve(host, port, language)


def run(arguments: Sequence[str]) -> None:
    """Read and run ``python -m mi204 …``."""
    parser = argparse.ArgumentParser(
        prog="python -m mi204",
        description="Look again at what a lab produced, without training; grade submissions of the homework; show on a "
        "page what a network looks at.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (figures, answers):
        sub = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        sub.add_argument("lab", help=f"one of {', '.join(labs())}")
        sub.add_argument("--record", metavar="NAME", help="folder of another record of the lab than the last one")
        sub.set_defaults(run=lambda chosen, command=command: command(chosen.lab, chosen.record, chosen.language))
        _add_language(sub)
    _add_grade(commands)
    _add_demo(commands)
    chosen = parser.parse_args(arguments)
    chosen.run(chosen)


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


def _add_demo(commands: argparse._SubParsersAction) -> None:
    sub = commands.add_parser(
        "demo", help=demo.__doc__,
        description=f"{demo.__doc__} Needs Gradio (pip install -e '.[demo]'), and no internet. Ctrl-C ends it.",
    )
    sub.add_argument("--port", type=int, default=7860, help="port of the page's address (default: 7860)")
    sub.add_argument(
        "--host", default="127.0.0.1",
        help="address where the page is served: 127.0.0.1, this machine alone (default); 0.0.0.0, the whole network, "
        "where everybody can use it",
    )
    sub.set_defaults(run=lambda chosen: demo(chosen.host, chosen.port, chosen.language))
    _add_language(sub)
