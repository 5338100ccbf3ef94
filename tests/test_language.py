"""The words of figures and reports."""

import ast
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from mi204.language import Text, Vocabulary, Word, fill, word

PROJECT = Path(__file__).resolve().parents[1]
WORDS = tomllib.loads((PROJECT / "mi204" / "words.toml").read_text(encoding="utf-8"))


LABS = {
    path.parent.name: tomllib.loads(path.read_text(encoding="utf-8"))
    for path in (PROJECT / "labs").glob("*/questions.toml")
}


def words_asked_for(path: Path) -> set[str]:
    """Find every key that a source file names: ``word("key", …)``, ``Word("key")``."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", None)) in ("word", "Word")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


@pytest.mark.parametrize("key", WORDS)
def test_every_word_has_both_languages(key):
    assert set(WORDS[key]) - {"format"} == {"en", "fr"}
    for language in ("en", "fr"):
        text = word(key, language)
        assert text
        assert text == text.strip()


def test_words_are_in_alphabetical_order():
    assert list(WORDS) == sorted(WORDS)


@pytest.mark.parametrize("lab", LABS)
def test_every_word_of_a_lab_has_both_languages(lab):
    words = LABS[lab]["words"]
    for key, term in words.items():
        assert set(term) - {"format"} == {"en", "fr"}, key
        assert all(text and text == text.strip() for text in term.values()), key
    assert list(words) == sorted(words)


@pytest.mark.parametrize("folder", ["mi204", *(f"labs/{lab}" for lab in LABS)])
def test_every_word_asked_for_exists(folder):
    there = set(WORDS) | set(LABS.get(folder.removeprefix("labs/"), {}).get("words", {}))
    # The grader's texts stand in a file of its own, which its tests check.
    files = [path for path in (PROJECT / folder).rglob("*.py") if path.parent.name != "grading"]
    asked = {(path.name, key) for path in files for key in words_asked_for(path)}
    assert {(name, key) for name, key in asked if key not in there} == set()


def keys_written(path: Path) -> set[str]:
    """Give every text of a source file, as a pattern: f-strings match what they may become."""
    texts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in node.values)
            texts.add("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 60:
            texts.add(re.escape(node.value))
    return texts - {r"\w+"}


@pytest.mark.parametrize("lab", LABS)
def test_every_word_of_a_lab_is_used(lab):
    folders = (PROJECT / "labs" / lab, PROJECT / "mi204", PROJECT / "mi204" / "plots")
    files = [path for folder in folders for path in folder.glob("*.py")]
    patterns = re.compile("|".join(sorted(set().union(*map(keys_written, files)))))
    unused = [key for key in LABS[lab]["words"] if not patterns.fullmatch(key)]
    assert unused == []


def test_a_word_of_two_labs_is_one_word():
    """The same key may stand in two labs only where it says the same: then it belongs in words.toml."""
    seen = {}
    for lab, content in LABS.items():
        for key, term in content["words"].items():
            assert term != seen.get(key), (lab, key)
            seen[key] = term


def test_the_scan_finds_words():
    assert "epoch" in words_asked_for(PROJECT / "mi204" / "plots" / "_curves.py")


def test_a_word_says_how_its_numbers_are_written():
    words = Vocabulary({"a_share": {"en": "share", "fr": "part", "format": ".2%"}})
    assert words.number_format("a_share") == ".2%"
    assert words.number_format("test_accuracy") == ".1%"
    assert words.number_format("test_loss") == ""


@pytest.mark.parametrize("file", ["mi204/words.toml", *(f"labs/{lab}/questions.toml" for lab in LABS)])
def test_a_narrow_space_stands_before_each_percent_sign(file):
    text = re.sub(r"\{\w+:[^{}]*%\}|format = .*", "", (PROJECT / file).read_text(encoding="utf-8"))
    assert re.findall(".{0,20}(?<!\u202f)%.{0,5}", text) == []


def test_an_unknown_word_is_a_bug():
    with pytest.raises(KeyError):
        word("no such word", "fr")


@pytest.mark.parametrize(
    ("template", "value", "english", "french"),
    [
        ("{x:.2f} s.", 1.5, "1.50 s.", "1,50 s."),
        ("{x:,}", 1234567, "1,234,567", "1\u202f234\u202f567"),
        ("{x:,.1f}", -1234.56, "-1,234.6", "-1\u202f234,6"),
        ("{x:.1%}", 0.125, "12.5\u202f%", "12,5\u202f%"),
        ("{x:.0%}", math.inf, "∞\u202f%", "∞\u202f%"),
        ("{x:.2f}", -0.001, "0.00", "0,00"),
        ("{x:+.2f}", -0.001, "+0.00", "+0,00"),
        ("{x:+.2f}", -0.01, "-0.01", "-0,01"),
        ("{x:.1%}", np.float32(-0.0001), "0.0\u202f%", "0,0\u202f%"),
        ("{x:.2g}", -1.24e-7, "-1.2 × 10⁻⁷", "-1,2 × 10⁻⁷"),
        ("{x:g}", 1e-5, "10⁻⁵", "10⁻⁵"),
        ("{x:.3g}", 2.5e12, "2.5 × 10¹²", "2,5 × 10¹²"),
        ("{x}", 1e-5, "1e-05", "1e-05"),
        ("{x}", math.inf, "inf", "inf"),
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
    term = WORDS["test_loss"][language]
    assert Vocabulary().translated(Word("test_loss"), language) == term
    assert Vocabulary().translated("test_loss", language) == "test_loss"
    filled = fill("{term}, {text}", {"term": Word("test_loss"), "text": "test_loss"}, language)
    assert filled == f"{term}, test_loss"


def test_a_list_is_translated_word_by_word():
    assert fill("{all}", {"all": [Word("validation"), "b", Text("c", "d")]}, "fr") == "validation, b, d"


def test_a_lab_adds_its_own_terms():
    words = Vocabulary({"a_toy": {"en": "a toy", "fr": "un jouet"}})
    assert words.word("a_toy", "fr") == "un jouet"
    assert words.word("test_loss", "fr") == word("test_loss", "fr")
    assert words.fill("{x}", {"x": Word("a_toy")}, "en") == "a toy"
    with pytest.raises(KeyError):
        word("a_toy", "en")


def test_a_term_has_one_meaning():
    with pytest.raises(ValueError, match="test_loss"):
        Vocabulary({"test_loss": {"en": "x", "fr": "y"}})


@pytest.mark.parametrize(
    ("n", "english", "french"),
    [(0, "0 epochs", "0 époque"), (1, "1 epoch", "1 époque"), (2, "2 epochs", "2 époques"),
     (1200, "1,200 epochs", "1\u202f200 époques"), (1.5, "1.5 epochs", "1,5 époque")],
)
def test_what_is_counted_agrees_with_its_number(n, english, french):
    assert fill("{n:#epoch|epochs}", {"n": n}, "en") == english
    assert fill("{n:#époque|époques}", {"n": n}, "fr") == french


def test_a_text_is_filled_in_its_language():
    text = Text("{n:,} of {what}", "{n:,} sur {what}", {"n": 1234, "what": Text("all", "tous")})
    assert (text.written("en"), text.written("fr")) == ("1,234 of all", "1\u202f234 sur tous")
    assert Text("{as it is}", "{tel quel}").written("fr") == "{tel quel}"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_missing_value_is_a_bug(language):
    with pytest.raises(KeyError, match="x"):
        fill("{x}", {"y": 1}, language)
