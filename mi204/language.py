"""The two languages of everything a lab prints, draws and reports."""

import numbers
import re
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

    def number_format(self, key: str) -> str:
        """Give the ``format`` of the numbers that the term names, such as ``.1%`` for shares; empty where it says none.

        Numbers are formatted by Python's rules, and then written as the language does.
        """
        return self._words[key].get("format", "")

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


PERCENT = "\u202f%"
"""A narrow space stands before the sign, in both languages: 47.3 %."""
_SIGN = re.compile(r"^[+ -]?")
_EXPONENT = re.compile(r"e([+-]\d+)$")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class _English(string.Formatter):
    """Format numbers, zero without a sign, powers of ten as such: 47.3 %, 1.2 × 10⁻⁷.

    ``{n:#epoch|epochs}`` counts things: 1 epoch, 1,200 epochs.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith("#"):
            singular, plural = format_spec[1:].split("|")
            return f"{self.format_field(value, ',')} {singular if self.one(value) else plural}"
        if not isinstance(value, numbers.Real):
            return super().format_field(value, format_spec)
        if format_spec and format_spec[-1] in "efg%":
            format_spec = _SIGN.sub(r"\g<0>z", format_spec)  # no -0.0
        text = super().format_field(value, format_spec)
        if format_spec:  # without one, as it was typed
            text = _EXPONENT.sub(lambda found: f" × 10{str(int(found[1])).translate(_SUPERSCRIPT)}", text)
            text = text.removeprefix("1 × ").replace("%", PERCENT).replace("inf", "∞")
        return self.localised(text)

    def localised(self, text: str) -> str:
        """Write a number as Python has formatted it, ``1,234.5``, with the signs of the language."""
        return text

    def one(self, value: float) -> bool:
        return value == 1


class _French(_English):
    """Format numbers as French print does: decimal comma, narrow space between thousands."""

    def localised(self, text: str) -> str:
        return text.replace(",", "\u202f").replace(".", ",")

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
