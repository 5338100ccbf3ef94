"""The questions of a handout and the functions that answer them.

The texts stand in ``labs/<lab>/questions.toml``: one table per question with ``number``, ``en`` and ``fr`` (the
question), ``needs`` (the studies whose runs the answer is computed from) and ``answer`` (or other texts, by name), each
with ``en`` and ``fr``, whose ``{name:format}`` are filled with the values that the answering function returns; a table
``result`` with the texts of the line that ends the lab and the ``figure`` to look at first; and a table ``words`` with
the terms of this lab alone. The functions stand in ``labs/<lab>/answers.py``.
"""

import importlib
import math
import numbers
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from mi204 import terminal
from mi204.errors import SettingError
from mi204.language import PERCENT, Language, Vocabulary, Word
from mi204.results import Measured


@dataclass(frozen=True)
class Answer:
    """What a function found out: values for the text, and a table where one says more."""

    values: dict[str, Any] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    """Its column names are terms of the vocabulary; a ``Word`` is translated, a tuple is written as mean ± sd."""
    texts: tuple[str, ...] = ("answer",)
    """Which texts of the question hold, in this order, where that depends on what was measured."""


@dataclass(frozen=True)
class Question:
    """One question of a handout, in our own words."""

    number: str
    text: dict[Language, str]
    answers: dict[str, dict[Language, str]]
    """Answer texts by name and language."""
    needs: tuple[str, ...]
    """The studies whose runs the answer is computed from."""
    function: Callable[[Any], Answer]
    vocabulary: Vocabulary

    def render(self, measured: Measured, language: Language, columns: int | None = None) -> str:
        """Write the question, its answer and its table as Markdown, or fitted to so many ``columns`` of a terminal."""
        answer = self.function(measured)
        parts = [f"## {self.number} {self.text[language].strip()}"]
        parts += _sentences(answer, self.answers, self.vocabulary, language)
        if columns is not None:
            parts = [terminal.wrapped(part, columns) for part in parts]
        if answer.table is not None:
            parts.append(markdown(answer.table, self.vocabulary, language, columns))
        return "\n\n".join(parts) + "\n"


def answers(number: str) -> Callable[[Callable], Callable]:
    """Mark the function that answers question ``number``."""

    def mark(function: Callable) -> Callable:
        function.question = number
        return function

    return mark


@cache
def _content(lab: str) -> dict[str, Any]:
    """Read the questions of a lab, without importing it."""
    # Found by name: the library stands below the labs and must not import them.
    folder = Path(importlib.util.find_spec(f"labs.{lab}").origin).parent
    return tomllib.loads((folder / "questions.toml").read_text(encoding="utf-8"))


@cache
def vocabulary(lab: str) -> Vocabulary:
    """Give the terms of a lab, in both languages, beside those that all labs share."""
    return Vocabulary(_content(lab).get("words"))


def of_lab(lab: str) -> dict[str, Question]:
    """Give the questions of a lab by number, in the handout's order.

    Raises ValueError when a question has no function or a function no question.
    """
    texts = _content(lab)["question"]
    marked = [each for each in vars(importlib.import_module(f"labs.{lab}.answers")).values() if _marked(each)]
    functions = {function.question: function for function in marked}
    numbers = [text["number"] for text in texts]
    if sorted(numbers) != sorted(function.question for function in marked):
        raise ValueError(
            f"Expected one function per question of labs/{lab}/questions.toml, received questions {numbers} "
            f"and functions for {sorted(function.question for function in marked)}."
        )
    return {
        text["number"]: Question(
            number=text["number"],
            text={"en": text["en"], "fr": text["fr"]},
            answers={key: value for key, value in text.items() if isinstance(value, dict)},
            needs=tuple(text.get("needs", ())),
            function=functions[text["number"]],
            vocabulary=vocabulary(lab),
        )
        for text in texts
    }


def result(lab: str, measured: Measured, language: Language) -> str:
    """Write in one line what a lab found out: its function ``result``, with the texts of its table ``result``."""
    texts = {key: value for key, value in _content(lab)["result"].items() if isinstance(value, dict)}
    answer = importlib.import_module(f"labs.{lab}.answers").result(measured)
    return " ".join(_sentences(answer, texts, vocabulary(lab), language))


def result_figure(lab: str) -> str:
    """Name the figure that shows what a lab found out."""
    return _content(lab)["result"]["figure"]


def _sentences(answer: Answer, texts: dict, vocabulary: Vocabulary, language: Language) -> list[str]:
    """Fill the texts that hold: those given, by name and language, or ones that all labs share."""
    templates = [texts[name][language] if name in texts else vocabulary.word(name, language) for name in answer.texts]
    return [vocabulary.fill(template, answer.values, language).strip() for template in templates]


def _marked(value: Any) -> bool:
    return callable(value) and hasattr(value, "question")


def needed(lab: str, numbers: tuple[str, ...] = ()) -> set[str]:
    """Give the studies that questions of a lab need; without numbers, those that any of them needs.

    Raises SettingError for a number that the lab does not have.
    """
    needs = {text["number"]: text.get("needs", ()) for text in _content(lab)["question"]}
    check_numbers(numbers, tuple(needs))
    return {study for number in numbers or needs for study in needs[number]}


def check_numbers(numbers: tuple[str, ...], there: tuple[str, ...]) -> None:
    """Raise SettingError for a question's number that is not among those that are there."""
    unknown = [number for number in numbers if number not in there]
    if unknown:
        raise SettingError(
            "Expected question numbers among {there}, received {unknown}: choose among these.",
            "Numéros de question attendus parmi {there}, {unknown} reçu : choisir parmi eux.",
            there=", ".join(there), unknown=", ".join(unknown),
        )


def markdown(table: pd.DataFrame, vocabulary: Vocabulary, language: Language, columns: int | None = None) -> str:
    """Write a table in Markdown that reads well in a terminal too, numbers to the right.

    Fitted to so many ``columns``, cells take several lines, and columns that find no place stand below, after those
    again that tell the rows apart. Raises ValueError for a column of pandas' own type of text, which makes plain text
    of a ``Word``.
    """
    texts = [name for name, kind in table.dtypes.items() if isinstance(kind, pd.StringDtype)]
    if texts:
        raise ValueError(f"Expected objects in the columns {', '.join(texts)}: build the table with dtype=object.")
    written = [
        _Column(
            [
                vocabulary.word(name, language),
                *(_cell(each, vocabulary.number_format(name), vocabulary, language) for each in column),
            ],
            any(map(_is_number, column)) and all(_is_number(each) or isinstance(each, Word) for each in column),
        )
        for name, column in table.astype(object).items()
    ]
    if columns is None:
        return _lines(written, [column.longest for column in written])
    return "\n\n".join(_lines(part, _widths(part, columns)) for part in _parts(written, columns))


def _is_number(cell: Any) -> bool:
    return isinstance(cell, tuple | numbers.Real)


_NARROWEST_TEXT = 16
"""Columns of a terminal that the texts of a table have, if they need them."""


@dataclass(frozen=True)
class _Column:
    """A column of a table as it is written."""

    cells: list[str]
    """The heading first."""
    numeric: bool

    @property
    def longest(self) -> int:
        return max(map(len, self.cells))

    @property
    def least(self) -> int:
        """Columns of a terminal below which words and numbers would be broken, and texts tedious to read."""
        heading, *cells = self.cells
        whole = max(map(len, cells), default=0)
        words = max(map(len, chain(heading.split(" "), " ".join(cells).split(" "))))
        return max(words, whole if self.numeric else min(whole, _NARROWEST_TEXT))


def _cell(cell: Any, spec: str, vocabulary: Vocabulary, language: Language) -> str:
    """Write one cell; ``spec`` is how the numbers of its column are written."""
    if isinstance(cell, tuple):
        mean, sd = (_cell(each, spec, vocabulary, language) for each in cell)
        if math.isnan(cell[1]) or cell[1] == 0:
            return mean
        if not spec:
            sd = vocabulary.fill("{x:,.0f}" if cell[1] >= 99.5 else "{x:.2g}", {"x": cell[1]}, language)
        return f"{mean.removesuffix(PERCENT)} ± {sd}"
    if not isinstance(cell, numbers.Real) or isinstance(cell, bool):
        return str(vocabulary.translated(cell, language))
    if math.isnan(cell):
        return "–"
    if isinstance(cell, numbers.Integral):
        spec = ","
    elif not spec:
        spec = ",.0f" if abs(cell) >= 1000 else ".4g"
    return vocabulary.fill(f"{{x:{spec}}}", {"x": cell}, language)


def _parts(written: list[_Column], columns: int) -> Iterator[list[_Column]]:
    """Divide the columns of a table into tables that find place, those in each that tell its rows apart."""
    rows = list(zip(*(column.cells for column in written), strict=True))
    n_names = next((n for n in range(1, len(written)) if len({row[:n] for row in rows}) == len(rows)), 1)
    names, part = written[:n_names], []
    for column in written[n_names:]:
        tried = [*names, *part, column]
        if part and _room(tried, columns) < sum(each.least for each in tried):
            yield names + part
            part = []
        part.append(column)
    yield names + part


def _room(part: list[_Column], columns: int) -> int:
    """Give what the bars and blanks of a table leave for its cells."""
    return columns - 3 * len(part) - 1


def _widths(part: list[_Column], columns: int) -> list[int]:
    """Make the widest columns narrower until the table finds place, none so narrow that a word breaks."""
    widths = [column.longest for column in part]
    while sum(widths) > _room(part, columns):
        loose = [i for i, column in enumerate(part) if widths[i] > column.least]
        if not loose:
            break
        widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


def _lines(part: list[_Column], widths: list[int]) -> str:
    """Write a table, its cells broken into lines of the widths given."""

    def row(cells: Iterable[str]) -> list[str]:
        broken = [terminal.lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
        return [bars(line) for line in zip_longest(*broken, fillvalue="")]

    def bars(cells: Iterable[str]) -> str:
        aligned = [
            cell.rjust(width) if column.numeric else cell.ljust(width)
            for cell, column, width in zip(cells, part, widths, strict=True)
        ]
        return f"| {' | '.join(aligned)} |"

    heading, *others = zip(*(column.cells for column in part), strict=True)
    rule = bars("-" * (width - 1) + ("-:"[column.numeric]) for column, width in zip(part, widths, strict=True))
    return "\n".join([*row(heading), rule, *chain.from_iterable(map(row, others))])
