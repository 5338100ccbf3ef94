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
def _shared_words() -> dict[str, dict[Language, str]]:
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


class Word(str):
    """A text that stands for the term under its value, in the language of the reader."""


class Vocabulary:
    """Terms in both languages: those of ``words.toml``, and those of one lab."""

    def __init__(self, words: Mapping[str, Mapping[Language, str]] | None = None) -> None:
        """Take the lab's own terms.

        Raises ValueError when one of them stands in ``words.toml`` too: a term has one meaning.
        """
        twice = sorted(set(words or {}) & set(_shared_words()))
        if twice:
            raise ValueError(f"Expected the terms of a lab, received some that all labs share: {', '.join(twice)}.")
        self._words = {**_shared_words(), **(words or {})}

    def word(self, key: str, language: Language) -> str:
        """Give the term under ``key``, in English or French.

        Raises KeyError for a key that is not there: a missing translation is a bug.
        """
        return self._words[key][language]

    def translated(self, value: Any, language: Language) -> Any:
        """Give the term of a ``Word``, what a ``Text`` says, or a list of such; any other value as it is."""
        if isinstance(value, list):
            return ", ".join(str(self.translated(each, language)) for each in value)
        if isinstance(value, Text):
            return value.written(language)
        return self.word(value, language) if isinstance(value, Word) else value

    def fill(self, template: str, values: Mapping[str, Any], language: Language) -> str:
        """Fill ``{name:format}`` of a text with values, numbers written as the language does.

        A ``Word``, or a list of them, is translated; ``{n:#epoch|epochs}`` writes a number and what it counts.
        Raises KeyError when a value is missing.
        """
        values = {key: self.translated(value, language) for key, value in values.items()}
        return (_French() if language == "fr" else _English()).vformat(template, (), values)


class _English(string.Formatter):
    """Format numbers; ``{n:#epoch|epochs}`` counts things: 1 epoch, 1,200 epochs."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if not format_spec.startswith("#"):
            return super().format_field(value, format_spec)
        singular, plural = format_spec[1:].split("|")
        number = self.format_field(value, ",")
        return f"{number} {singular if self.one(value) else plural}"

    def one(self, value: float) -> bool:
        return value == 1


class _French(_English):
    """Format numbers as French print does: decimal comma, narrow space between thousands, space before %."""

    def format_field(self, value: Any, format_spec: str) -> str:
        text = super().format_field(value, format_spec)
        if isinstance(value, numbers.Real) and not format_spec.startswith("#"):
            text = text.replace(",", "\u202f").replace(".", ",").replace("%", "\u202f%")
        return text

    def one(self, value: float) -> bool:
        return abs(value) < 2


def word(key: str, language: Language) -> str:
    """Give a term that all labs share, as ``Vocabulary.word`` does."""
    return Vocabulary().word(key, language)


def fill(template: str, values: Mapping[str, Any], language: Language) -> str:
    """Fill a text, as ``Vocabulary.fill`` does."""
    return Vocabulary().fill(template, values, language)


@dataclass(frozen=True)
class Text:
    """A sentence in both languages, whose ``{name:format}`` are filled with ``values`` when it is written."""

    en: str
    fr: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def written(self, language: Language) -> str:
        """Write the sentence in a language; without values, its braces are braces."""
        template = self.fr if language == "fr" else self.en
        return fill(template, self.values, language) if self.values else template
