"""The words of figures and reports."""

import ast
import tomllib
from pathlib import Path

import numpy as np
import pytest

from mi204.language import Word, fill, translated, word

PROJECT = Path(__file__).resolve().parents[1]
WORDS = tomllib.loads((PROJECT / "mi204" / "words.toml").read_text(encoding="utf-8"))


def words_asked_for(path: Path) -> set[str]:
    """Find every key that a source file names in ``word("key", …)``."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", None)) == "word"
        and isinstance(node.args[0], ast.Constant)
    }


@pytest.mark.parametrize("key", WORDS)
def test_every_word_has_both_languages(key):
    assert set(WORDS[key]) == {"en", "fr"}
    for language in ("en", "fr"):
        text = word(key, language)
        assert text
        assert text == text.strip()


def test_words_are_in_alphabetical_order():
    assert list(WORDS) == sorted(WORDS)


@pytest.mark.parametrize("folder", ["mi204", "labs"])
def test_every_word_asked_for_exists(folder):
    asked = {(path.name, key) for path in (PROJECT / folder).rglob("*.py") for key in words_asked_for(path)}
    assert {(name, key) for name, key in asked if key not in WORDS} == set()


def test_the_scan_finds_words():
    assert "epoch" in words_asked_for(PROJECT / "mi204" / "plots" / "_curves.py")


def test_an_unknown_word_is_a_bug():
    with pytest.raises(KeyError):
        word("no such word", "fr")


@pytest.mark.parametrize(
    ("template", "value", "english", "french"),
    [
        ("{x:.2f} s.", 1.5, "1.50 s.", "1,50 s."),
        ("{x:,}", 1234567, "1,234,567", "1\u202f234\u202f567"),
        ("{x:,.1f}", -1234.56, "-1,234.6", "-1\u202f234,6"),
        ("{x:.1%}", 0.125, "12.5%", "12,5\u202f%"),
        ("{x}", 0.5, "0.5", "0,5"),
        ("{x}, 2.0", "v1.0, 5%", "v1.0, 5%, 2.0", "v1.0, 5%, 2.0"),
        ("{{{x}}}", 3, "{3}", "{3}"),
    ],
)
def test_numbers_are_written_as_the_language_does(template, value, english, french):
    assert fill(template, {"x": value, "unused": 1}, "en") == english
    assert fill(template, {"x": value, "unused": 1}, "fr") == french


def test_numbers_of_numpy_are_written_as_the_language_does():
    values = {"n": np.int64(1234), "x": np.float32(1.5), "y": np.float64(1.5)}
    assert fill("{n:,} {x:.2f} {y:.2f}", values, "fr") == "1\u202f234 1,50 1,50"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_only_a_word_is_translated(language):
    term = WORDS["early_stopping"][language]
    assert translated(Word("early_stopping"), language) == term
    assert translated("early_stopping", language) == "early_stopping"
    filled = fill("{term}, {text}", {"term": Word("early_stopping"), "text": "early_stopping"}, language)
    assert filled == f"{term}, early_stopping"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_missing_value_is_a_bug(language):
    with pytest.raises(KeyError, match="x"):
        fill("{x}", {"y": 1}, language)
