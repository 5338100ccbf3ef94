"""Questions, the functions that answer them, and how both are written."""

import importlib
import math
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import labs
from mi204 import questions
from mi204.errors import SettingError
from mi204.language import Text, Vocabulary, Word, word
from mi204.questions import Answer, Question


@dataclass
class Measured:
    n_images: int = 12_345
    accuracy: float = 0.425


CODE = """
from mi204.language import Word
from mi204.questions import Answer, answers


@answers("2.1")
def size(measured):
    return Answer({"n": measured.n_images, "stage": Word("early_end"), "both": [Word("validation"), Word("early_end")]})


@answers("1.2")
def accuracy(measured):
    accuracy = measured.accuracy
    return Answer({"accuracy": accuracy}, texts=("good", "too_small") if accuracy > 0.5 else ("answer",))


def helper(measured):
    return None
"""
TEXTS = """
[[question]]
number = "2.1"
needs = ["course", "deep"]
en = "How many images?"
fr = "Combien d'images ?"
[question.answer]
en = '''
There are {n:#image|images}, with {stage} ({both}).'''
fr = '''
Il y a {n:#image|images}, avec {stage} ({both}).
'''

[[question]]
number = "1.2"
en = "How good is it?"
fr = "Que vaut-il ?"
[question.answer]
en = "Poor: {accuracy:.1%}."
fr = "Peu : {accuracy:.1%}."
[question.good]
en = "Good: {accuracy:.2f}."
fr = "Bien : {accuracy:.2f}."

[words.early_end]
en = "an early end"
fr = "une fin précoce"
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Give a function that builds the lab ``toy`` from its code and its questions, beside the real ones."""
    monkeypatch.setattr(labs, "__path__", [*labs.__path__, str(tmp_path)])

    def forget():
        for module in [name for name in sys.modules if name.startswith("labs.toy")]:
            del sys.modules[module]
        questions._content.cache_clear()
        questions.vocabulary.cache_clear()

    def build(code=CODE, texts=TEXTS):
        (tmp_path / "toy").mkdir()
        (tmp_path / "toy" / "__init__.py").write_text("")
        (tmp_path / "toy" / "questions.toml").write_text(texts, encoding="utf-8")
        (tmp_path / "toy" / "answers.py").write_text(code, encoding="utf-8")
        importlib.invalidate_caches()
        return "toy"

    forget()
    yield build
    forget()


def test_each_question_finds_its_function(lab):
    found = questions.of_lab(lab())
    assert list(found) == ["2.1", "1.2"]  # the order of the handout
    assert [found[number].function.__name__ for number in found] == ["size", "accuracy"]
    assert [question.number for question in found.values()] == ["2.1", "1.2"]
    assert [question.needs for question in found.values()] == [("course", "deep"), ()]
    assert set(found["1.2"].answers) == {"answer", "good"}
    assert found["2.1"].text == {"en": "How many images?", "fr": "Combien d'images ?"}


def test_what_is_needed_is_read_without_the_answers(lab):
    name = lab(code="raise ImportError")
    assert questions.needed(name) == {"course", "deep"}
    assert questions.needed(name, ("1.2",)) == set()
    assert questions.needed(name, ("1.2", "2.1")) == {"course", "deep"}
    with pytest.raises(SettingError, match=r"among 2\.1, 1\.2, received 9\.9, 8: choose") as error:
        questions.needed(name, ("2.1", "9.9", "8"))
    assert "parmi 2.1, 1.2, 9.9, 8 reçu" in error.value.written("fr")


def test_a_question_without_function_is_a_bug(lab):
    with pytest.raises(ValueError, match=r"toy.questions\.toml.*'1\.2'"):
        questions.of_lab(lab(code=CODE.replace('@answers("1.2")', "")))


def test_a_function_without_question_is_a_bug(lab):
    with pytest.raises(ValueError, match=r"functions for .*'3\.9'"):
        questions.of_lab(lab(code=CODE + '\n@answers("3.9")\ndef more(measured):\n    return Answer()\n'))


def test_two_questions_of_one_number_are_a_bug(lab):
    with pytest.raises(ValueError, match=r"\['2\.1', '1\.2', '2\.1'\]"):
        questions.of_lab(lab(texts=TEXTS + '\n[[question]]\nnumber = "2.1"\nen = "?"\nfr = "?"\n'))


def test_two_functions_of_one_number_are_a_bug(lab):
    with pytest.raises(ValueError, match=r"2\.1"):
        questions.of_lab(lab(code=CODE + '\n@answers("2.1")\ndef more(measured):\n    return Answer()\n'))


def test_an_answer_in_each_language(lab):
    question = questions.of_lab(lab())["2.1"]
    english = "## 2.1 How many images?\n\nThere are 12,345 images, with an early end (validation, an early end).\n"
    french = (
        "## 2.1 Combien d'images ?\n\nIl y a 12\u202f345 images, avec une fin précoce (validation, une fin précoce).\n"
    )
    assert question.render(Measured(), "en") == english
    assert question.render(Measured(), "fr") == french
    assert "There are 1 image, with" in question.render(Measured(n_images=1), "en")


def test_the_result_in_one_line(lab):
    code = CODE + """
def result(measured):
    if measured.accuracy > 0.5:
        return Answer(texts=("result_in_answers",))
    return Answer({"accuracy": measured.accuracy}, texts=("poor", "early"))
"""
    texts = TEXTS + """
[result]
figure = "2.1_size"
[result.poor]
en = "Only {accuracy:.1%}."
fr = "Seulement {accuracy:.1%}."
[result.early]
en = "Early."
fr = "Tôt."
"""
    name = lab(code, texts)
    assert questions.result(name, Measured(), "fr") == "Seulement 42,5\u202f%. Tôt."
    assert questions.result(name, Measured(accuracy=0.9), "en") == word("result_in_answers", "en")
    assert questions.result_figure(name) == "2.1_size"


def test_a_text_that_all_labs_share(lab):
    question = questions.of_lab(lab())["1.2"]
    assert word("too_small", "fr") in question.render(Measured(accuracy=0.9), "fr")
    assert word("too_small", "fr") not in question.render(Measured(accuracy=0.4), "fr")


@pytest.mark.parametrize(
    ("accuracy", "language", "text"),
    [
        (0.425, "en", "Poor: 42.5\u202f%."),
        (0.425, "fr", "Peu : 42,5\u202f%."),
        (0.875, "en", "Good: 0.88."),
        (0.875, "fr", "Bien : 0,88."),
    ],
)
def test_the_text_depends_on_what_was_measured(lab, accuracy, language, text):
    question = questions.of_lab(lab())["1.2"]
    assert question.render(Measured(accuracy=accuracy), language).split("\n\n")[1].strip() == text


def test_a_missing_value_is_a_bug(lab):
    question = questions.of_lab(lab(code=CODE.replace('"n":', '"m":')))["2.1"]
    with pytest.raises(KeyError, match="n"):
        question.render(Measured(), "en")


def written(table, language, columns=None):
    """Render a question that answers with a table; give the lines of the table."""
    text = {"en": "text", "fr": "texte"}
    question = Question("1", text, {"answer": text}, (), lambda measured: Answer(table=table), Vocabulary())
    return question.render(Measured(), language, columns).rstrip("\n").split("\n\n", 2)[2].splitlines()


def table_of(table, language):
    """Give the cells of a table as it is written, by line."""
    lines = written(table, language)
    assert len({len(line) for line in lines}) == 1  # aligned
    assert set(lines[1]) <= set("| -:")
    return [[cell.strip(" ") for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


TABLE = pd.DataFrame(
    {
        "setting": [Word("validation"), "0.5", Text("two", "deux")],
        "n_seeds": [1234, 2, 3],
        "test_accuracy": [(0.51234, 0.0234), (0.5, math.nan), (0.6, 0.0)],
        "train_loss": [(0.51234, 0.0234), (0.5, math.nan), (1234.5, 12.3)],
        "loss": [1.23456, 123456.7, -0.5],
    },
    dtype=object,
)


def test_a_table_in_english():
    header = [word(column, "en") for column in TABLE.columns]
    assert table_of(TABLE, "en") == [
        header,
        [word("validation", "en"), "1,234", "51.2 ± 2.3\u202f%", "0.5123 ± 0.023", "1.235"],
        ["0.5", "2", "50.0\u202f%", "0.5", "123,457"],
        ["two", "3", "60.0\u202f%", "1,234 ± 12", "-0.5"],
    ]


def test_a_table_in_french():
    header = [word(column, "fr") for column in TABLE.columns]
    assert table_of(TABLE, "fr") == [
        header,
        [word("validation", "fr"), "1\u202f234", "51,2 ± 2,3\u202f%", "0,5123 ± 0,023", "1,235"],
        ["0.5", "2", "50,0\u202f%", "0,5", "123\u202f457"],
        ["deux", "3", "60,0\u202f%", "1\u202f234 ± 12", "-0,5"],
    ]


def test_numbers_stand_to_the_right():
    table = pd.DataFrame({"setting": ["a", "bcd"], "epoch": [7, 1234], "loss": [0.5, "none"]}, dtype=object)
    assert written(table, "en") == [
        "| setting | epoch | loss |",
        "| ------- | ----: | ---- |",
        "| a       |     7 | 0.5  |",  # not all of them numbers
        "| bcd     | 1,234 | none |",
    ]
    said = pd.DataFrame({"setting": ["a", "b"], "loss": [0.5, Word("diverged")]}, dtype=object)
    assert written(said, "en")[2:] == ["| a       |      0.5 |", "| b       | diverged |"]


def test_a_table_is_fitted_to_the_terminal():
    """Broken between words, never within a number."""
    name = "a longer name, and then some"
    table = pd.DataFrame({"setting": [name, "b"], "loss": [(1.234, 0.05), (2.0, 0.1)]}, dtype=object)
    assert written(table, "en", 37) == [
        "| setting            |         loss |",
        "| ------------------ | -----------: |",
        "| a longer name, and | 1.234 ± 0.05 |",
        "| then some          |              |",
        "| b                  |      2 ± 0.1 |",
    ]
    assert written(table, "en", 100) == written(table, "en")
    assert max(map(len, written(table, "en", 10))) == len(f"| {name[:16]} | 1.234 ± 0.05 |")


def test_the_widest_columns_give_way():
    texts = {"setting": ["quite a long name, this one"], "value": ["the other one is yet longer, and so much, is it?"]}
    lines = written(pd.DataFrame(texts, dtype=object), "en", 66)
    assert lines[0].index("| value") == len("| quite a long name, this one ")


def test_what_tells_the_rows_apart_stands_in_every_part():
    table = pd.DataFrame(
        {"setting": ["a", "a", "b"], "epoch": [1, 2, 1], "train_loss": [3, 4, 5], "test_loss": [6, 7, 8]}, dtype=object
    )
    lines = written(table, "en", 32)
    parts = [index for index, line in enumerate(lines) if line.startswith("| setting")]
    assert len(parts) == 2
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:4] in ("| a ", "| b ")]
    assert cells == [
        ["a", "1", "3"], ["a", "2", "4"], ["b", "1", "5"], ["a", "1", "6"], ["a", "2", "7"], ["b", "1", "8"],
    ]


def test_a_table_whose_rows_are_alike_is_divided_too():
    table = pd.DataFrame({"setting": ["a", "a"], "train_loss": [0.5, 0.5], "test_loss": [1, 1]}, dtype=object)
    assert sum("| a " in line for line in written(table, "en", 24)) == 4


def test_columns_without_a_place_stand_below():
    table = pd.DataFrame(
        {"setting": ["a", "b"], "train_accuracy": [0.5, 0.25], "test_accuracy": [0.125, 1.0], "loss": [7, 8]},
        dtype=object,
    )
    assert written(table, "en", 24) == [
        "| setting |   training |",
        "|         |   accuracy |",
        "| ------- | ---------: |",
        "| a       |     50.0\u202f% |",
        "| b       |     25.0\u202f% |",
        "",
        "| setting |       test |",
        "|         |   accuracy |",
        "| ------- | ---------: |",
        "| a       |     12.5\u202f% |",
        "| b       |    100.0\u202f% |",
        "",
        "| setting | loss |",
        "| ------- | ---: |",
        "| a       |    7 |",
        "| b       |    8 |",
    ]


def test_prose_is_fitted_to_the_terminal(lab):
    question = questions.of_lab(lab())["2.1"]
    lines = question.render(Measured(), "fr", 24).splitlines()
    assert max(map(len, lines)) <= 24
    assert " ".join(" ".join(lines).split()) == " ".join(question.render(Measured(), "fr").split())


def test_a_large_sd_is_written_out():
    assert table_of(pd.DataFrame({"epoch_seconds": [(200.0, 141.4)]}), "en")[1] == ["200 ± 141"]


def test_a_table_without_a_translated_column_is_a_bug():
    with pytest.raises(KeyError, match="no such column"):
        table_of(pd.DataFrame({"no such column": [1]}), "en")


def test_a_number_that_there_is_not():
    assert table_of(pd.DataFrame({"loss": [math.nan], "train_loss": [(math.nan, 0.1)]}), "en")[1][0] == "–"


def test_numbers_of_numpy_are_numbers():
    table = pd.DataFrame({"n_seeds": [np.int64(1234)], "loss": [np.float32(1.5)]}, dtype=object)
    assert table_of(table, "fr")[1] == ["1\u202f234", "1,5"]


def test_a_column_that_would_lose_its_words_is_a_bug():
    """Where pyarrow is installed, pandas' own type of text makes plain text of a Word."""
    with pytest.raises(ValueError, match="columns setting: build the table with dtype=object"):
        table_of(pd.DataFrame({"setting": [Word("validation")], "loss": [0.5]}), "en")
