"""The questions of a handout and the functions that answer them.

The texts stand in ``labs/<lab>/questions.toml``: one table per question with ``number``, ``en`` and ``fr`` (the
question), ``needs`` (the studies whose runs the answer is computed from) and ``answer`` (or other texts, by name), each
with ``en`` and ``fr``, whose ``{name:format}`` are filled with the values that the answering function returns; and a
table ``words`` with the terms of this lab alone. The functions stand in ``labs/<lab>/answers.py``.
"""

import importlib
import math
import numbers
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from mi204.errors import SettingError
from mi204.language import Language, Text, Vocabulary
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

    def render(self, measured: Measured, language: Language) -> str:
        """Write the question, its answer and its table as Markdown."""
        answer = self.function(measured)
        parts = [f"## {self.number} {self.text[language].strip()}"]
        parts += [
            self.vocabulary.fill(self._template(name, language), answer.values, language).strip()
            for name in answer.texts
        ]
        if answer.table is not None:
            parts.append(markdown(answer.table, self.vocabulary, language))
        return "\n\n".join(parts) + "\n"

    def _template(self, name: str, language: Language) -> str:
        """Give one of the question's texts, or one that all labs share."""
        return self.answers[name][language] if name in self.answers else self.vocabulary.word(name, language)


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


def markdown(table: pd.DataFrame, vocabulary: Vocabulary, language: Language) -> str:
    """Write a table in Markdown, aligned so that it reads well in a terminal too.

    Raises ValueError for a column of pandas' own type of text, which makes plain text of a ``Word``.
    """
    texts = [name for name, kind in table.dtypes.items() if isinstance(kind, pd.StringDtype)]
    if texts:
        raise ValueError(f"Expected objects in the columns {', '.join(texts)}: build the table with dtype=object.")

    def text(cell: Any) -> str:
        if isinstance(cell, tuple):
            mean, sd = cell
            if math.isnan(sd) or sd == 0:
                return text(mean)
            return f"{text(mean)} ± {vocabulary.fill('{x:,.0f}' if sd >= 99.5 else '{x:.2g}', {'x': sd}, language)}"
        if isinstance(cell, Text):
            return cell.written(language)
        if isinstance(cell, numbers.Real) and not isinstance(cell, numbers.Integral):
            if math.isnan(cell):
                return "–"
            return vocabulary.fill("{x:,.0f}" if abs(cell) >= 1000 else "{x:.4g}", {"x": cell}, language)
        if isinstance(cell, numbers.Integral) and not isinstance(cell, bool):
            return vocabulary.fill("{x:,}", {"x": cell}, language)
        return vocabulary.translated(cell if isinstance(cell, str) else str(cell), language)

    rows = [[vocabulary.word(column, language) for column in table.columns]]
    rows += [[text(cell) for cell in row] for row in table.astype(object).itertuples(index=False)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows)
