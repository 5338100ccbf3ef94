"""The questions of a handout and the functions that answer them.

The texts stand in ``labs/questions/<lab>.toml``: one table per question with ``number``, ``en`` and ``fr`` (the
question) and ``answer`` (or other texts, by name), each with ``en`` and ``fr``, whose ``{name:format}`` are filled
with the values that the answering function returns.
"""

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from mi204.errors import SettingError
from mi204.language import Language, fill, translated, word
from mi204.results import Results


@dataclass(frozen=True)
class Answer:
    """What a function found out: values for the text, and a table where one says more."""

    values: dict[str, Any] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    """Its column names are keys of ``words.toml``; a ``Word`` is translated, a tuple is written as mean ± sd."""
    texts: tuple[str, ...] = ("answer",)
    """Which texts of the question hold, in this order, where that depends on what was measured."""


@dataclass(frozen=True)
class Question:
    """One question of a handout, in our own words."""

    number: str
    text: dict[Language, str]
    answers: dict[str, dict[Language, str]]
    """Answer texts by name and language."""
    function: Callable[[Results], Answer]
    needs: tuple[str, ...]
    """The studies whose runs the answer is computed from."""

    def render(self, results: Results, language: Language) -> str:
        """Write the question, its answer and its table as Markdown."""
        answer = self.function(results)
        parts = [f"## {self.number} {self.text[language].strip()}"]
        parts += [fill(self.answers[name][language], answer.values, language).strip() for name in answer.texts]
        if answer.table is not None:
            parts.append(markdown(answer.table, language))
        return "\n\n".join(parts) + "\n"


def answers(number: str, *, needs: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
    """Mark the function that answers question ``number`` from the runs of the studies it ``needs``."""

    def mark(function: Callable) -> Callable:
        function.question, function.needs = number, needs
        return function

    return mark


def of_lab(lab: ModuleType) -> dict[str, Question]:
    """Give the questions of a lab by number, in the handout's order.

    Raises ValueError when a question has no function or a function no question.
    """
    name = lab.__spec__.name.rsplit(".", 1)[-1]  # run by ``python -m``, __name__ says __main__
    path = Path(lab.__file__).parent / "questions" / f"{name}.toml"
    texts = tomllib.loads(path.read_text(encoding="utf-8"))["question"]
    marked = [function for function in vars(lab).values() if hasattr(function, "question")]
    functions = {function.question: function for function in marked}
    numbers = [text["number"] for text in texts]
    if sorted(numbers) != sorted(function.question for function in marked):
        raise ValueError(
            f"Expected one function per question of {path.name}, received questions {numbers} "
            f"and functions for {sorted(function.question for function in marked)}."
        )
    return {
        text["number"]: Question(
            number=text["number"],
            text={"en": text["en"], "fr": text["fr"]},
            answers={key: value for key, value in text.items() if isinstance(value, dict)},
            function=functions[text["number"]],
            needs=functions[text["number"]].needs,
        )
        for text in texts
    }


def choose(questions: dict[str, Question], numbers: tuple[str, ...]) -> list[Question]:
    """Give the questions of these numbers.

    Raises SettingError for a number that the lab does not have.
    """
    unknown = [number for number in numbers if number not in questions]
    if unknown:
        raise SettingError(
            f"Expected question numbers among {', '.join(questions)}, received {', '.join(unknown)}: "
            "choose among these."
        )
    return [questions[number] for number in numbers]


def markdown(table: pd.DataFrame, language: Language) -> str:
    """Write a table in Markdown, aligned so that it reads well in a terminal too."""

    def text(cell: Any) -> str:
        if isinstance(cell, tuple):
            mean, sd = cell
            if math.isnan(sd) or sd == 0:
                return text(mean)
            return f"{text(mean)} ± {fill('{x:,.0f}' if sd >= 99.5 else '{x:.2g}', {'x': sd}, language)}"
        if isinstance(cell, float):
            return fill("{x:,.0f}" if abs(cell) >= 1000 else "{x:.4g}", {"x": cell}, language)
        if isinstance(cell, int) and not isinstance(cell, bool):
            return fill("{x:,}", {"x": cell}, language)
        return translated(str(cell) if not isinstance(cell, str) else cell, language)

    rows = [[word(column, language) for column in table.columns]]
    rows += [[text(cell) for cell in row] for row in table.astype(object).itertuples(index=False)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows)
