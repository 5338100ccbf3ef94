"""Questions, the functions that answer them, and how both are written."""

import importlib.util
import math

import pandas as pd
import pytest

from mi204 import questions
from mi204.errors import SettingError
from mi204.language import Word, word
from mi204.questions import Answer, Question
from mi204.results import Results

RESULTS = Results("toy", {}, "numbers", "sample", {}, values={"n_images": 12_345, "accuracy": 0.425})
CODE = """
from mi204.language import Word
from mi204.questions import Answer, answers


@answers("2.1", needs=("course", "deep"))
def size(results):
    return Answer({"n": results.values["n_images"], "stage": Word("early_stopping")})


@answers("1.2")
def accuracy(results):
    accuracy = results.values["accuracy"]
    return Answer({"accuracy": accuracy}, texts=("good",) if accuracy > 0.5 else ("answer",))


def helper(results):
    return None
"""
TEXTS = """
[[question]]
number = "2.1"
en = "How many images?"
fr = "Combien d'images ?"
[question.answer]
en = '''
There are {n:,}, with {stage}.'''
fr = '''
Il y en a {n:,}, avec {stage}.
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
"""


@pytest.fixture
def lab(tmp_path):
    """Give a function that builds a lab from its code and its questions."""

    def build(code=CODE, texts=TEXTS):
        (tmp_path / "questions").mkdir()
        (tmp_path / "questions" / "toy.toml").write_text(texts, encoding="utf-8")
        (tmp_path / "toy.py").write_text(code, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("labs.toy", tmp_path / "toy.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return build


def test_each_question_finds_its_function(lab):
    module = lab()
    found = questions.of_lab(module)
    assert list(found) == ["2.1", "1.2"]  # the order of the handout
    assert [found[number].function for number in found] == [module.size, module.accuracy]
    assert [question.number for question in found.values()] == ["2.1", "1.2"]
    assert [question.needs for question in found.values()] == [("course", "deep"), ()]
    assert set(found["1.2"].answers) == {"answer", "good"}
    assert found["2.1"].text == {"en": "How many images?", "fr": "Combien d'images ?"}


def test_a_lab_run_as_a_program_finds_its_questions(lab):
    module = lab()
    module.__name__ = "__main__"
    assert list(questions.of_lab(module)) == ["2.1", "1.2"]


def test_a_question_without_function_is_a_bug(lab):
    with pytest.raises(ValueError, match=r"toy\.toml.*'1\.2'"):
        questions.of_lab(lab(code=CODE.replace('@answers("1.2")', "")))


def test_a_function_without_question_is_a_bug(lab):
    with pytest.raises(ValueError, match=r"functions for .*'3\.9'"):
        questions.of_lab(lab(code=CODE + '\n@answers("3.9")\ndef more(results):\n    return Answer()\n'))


def test_two_questions_of_one_number_are_a_bug(lab):
    with pytest.raises(ValueError, match=r"\['2\.1', '1\.2', '2\.1'\]"):
        questions.of_lab(lab(texts=TEXTS + '\n[[question]]\nnumber = "2.1"\nen = "?"\nfr = "?"\n'))


def test_two_functions_of_one_number_are_a_bug(lab):
    with pytest.raises(ValueError, match=r"2\.1"):
        questions.of_lab(lab(code=CODE + '\n@answers("2.1")\ndef more(results):\n    return Answer()\n'))


def test_an_answer_in_each_language(lab):
    question = questions.of_lab(lab())["2.1"]
    stage = {language: word("early_stopping", language) for language in ("en", "fr")}
    assert stage["en"] != stage["fr"]
    english = f"## 2.1 How many images?\n\nThere are 12,345, with {stage['en']}.\n"
    french = f"## 2.1 Combien d'images ?\n\nIl y en a 12\u202f345, avec {stage['fr']}.\n"
    assert question.render(RESULTS, "en") == english
    assert question.render(RESULTS, "fr") == french


@pytest.mark.parametrize(
    ("accuracy", "language", "text"),
    [
        (0.425, "en", "Poor: 42.5%."),
        (0.425, "fr", "Peu : 42,5\u202f%."),
        (0.875, "en", "Good: 0.88."),
        (0.875, "fr", "Bien : 0,88."),
    ],
)
def test_the_text_depends_on_what_was_measured(lab, accuracy, language, text):
    question = questions.of_lab(lab())["1.2"]
    rendered = question.render(Results("toy", {}, "numbers", "sample", {}, values={"accuracy": accuracy}), language)
    assert rendered.endswith(f"\n\n{text}\n")


def test_a_missing_value_is_a_bug(lab):
    question = questions.of_lab(lab(code=CODE.replace('"n":', '"m":')))["2.1"]
    with pytest.raises(KeyError, match="n"):
        question.render(RESULTS, "en")


def table_of(answer_table, language):
    """Render a question that answers with a table; give its cells by line."""
    text = {"en": "text", "fr": "texte"}
    question = Question("1", text, {"answer": text}, lambda results: Answer(table=answer_table), ())
    lines = question.render(RESULTS, language).rstrip("\n").split("\n\n")[2].splitlines()
    assert len({len(line) for line in lines}) == 1  # aligned
    assert set(lines[1]) == {"|", " ", "-"}
    return [[cell.strip(" ") for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


TABLE = pd.DataFrame(
    {
        "setting": [Word("early_stopping"), "0.5", "SGD"],
        "n_seeds": [1234, 2, 3],
        "test_accuracy": [(0.51234, 0.0234), (0.5, math.nan), (1234.5, 12.3)],
        "loss": [1.23456, 123456.7, -0.5],
    }
)


def test_a_table_in_english():
    header = [word(column, "en") for column in TABLE.columns]
    assert table_of(TABLE, "en") == [
        header,
        [word("early_stopping", "en"), "1,234", "0.5123 ± 0.023", "1.235"],
        ["0.5", "2", "0.5", "123,457"],
        ["SGD", "3", "1,234 ± 12", "-0.5"],
    ]


def test_a_table_in_french():
    header = [word(column, "fr") for column in TABLE.columns]
    assert table_of(TABLE, "fr") == [
        header,
        [word("early_stopping", "fr"), "1\u202f234", "0,5123 ± 0,023", "1,235"],
        ["0.5", "2", "0,5", "123\u202f457"],
        ["SGD", "3", "1\u202f234 ± 12", "-0,5"],
    ]


def test_a_large_sd_is_written_out():
    assert table_of(pd.DataFrame({"step_milliseconds": [(200.0, 141.4)]}), "en")[1] == ["200 ± 141"]


def test_a_table_without_a_translated_column_is_a_bug():
    with pytest.raises(KeyError, match="no such column"):
        table_of(pd.DataFrame({"no such column": [1]}), "en")


def test_questions_are_chosen_by_number(lab):
    found = questions.of_lab(lab())
    assert questions.choose(found, ("1.2", "2.1")) == [found["1.2"], found["2.1"]]
    with pytest.raises(SettingError, match=r"among 2\.1, 1\.2, received 9\.9, 8: choose"):
        questions.choose(found, ("2.1", "9.9", "8"))
