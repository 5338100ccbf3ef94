"""The two languages of everything a lab prints, draws and reports."""

import numbers
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["en", "fr"]


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def word(key: str, language: Language) -> str:
    """Give the term of ``words.toml`` under ``key``, in English or French.

    Raises KeyError for a key that is not there: a missing translation is a bug.
    """
    return _words()[key][language]


class Word(str):
    """A text that stands for the term of ``words.toml`` under its value."""


def translated(text: str, language: Language) -> str:
    """Give the term of a ``Word``; any other text as it is."""
    return word(text, language) if isinstance(text, Word) else text


class _French(string.Formatter):
    """Format numbers as French print does: decimal comma, narrow space between thousands, space before %."""

    def format_field(self, value: Any, format_spec: str) -> str:
        text = super().format_field(value, format_spec)
        if isinstance(value, numbers.Real):
            text = text.replace(",", "\u202f").replace(".", ",").replace("%", "\u202f%")
        return text


def fill(template: str, values: dict[str, Any], language: Language) -> str:
    """Fill ``{name:format}`` of a text with values, numbers written as the language does.

    A value that is a ``Word`` is translated. Raises KeyError when a value is missing.
    """
    values = {key: translated(value, language) for key, value in values.items()}
    return (_French() if language == "fr" else string.Formatter()).vformat(template, (), values)


@dataclass(frozen=True)
class Text:
    """A sentence in both languages, whose ``{name:format}`` are filled with ``values`` when it is written."""

    en: str
    fr: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def written(self, language: Language) -> str:
        """Write the sentence in a language; without values, its braces are braces."""
        template = self.fr if language == "fr" else self.en
        return fill(template, dict(self.values), language) if self.values else template
