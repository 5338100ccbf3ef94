"""The words of figures and reports."""

import ast
import tomllib
from pathlib import Path

import pytest

from mi204.language import word

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
