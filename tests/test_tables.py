"""Tables of runs."""

import math

import pytest

from mi204 import tables
from mi204.language import Word
from mi204.results import Run


def run(setting, seed=0, *, epoch_seconds=(9.0, 1.0, 2.0), val_loss=(3.0, 1.0, 2.0), **measures):
    history = {"val_loss": list(val_loss)}
    return Run(
        study="a_study", setting=setting, seed=seed, key="k", parameters=10, history=history,
        epoch_seconds=list(epoch_seconds), measures=measures,
    )


def test_acc(run):
    return run.measures["test_acc"]


test_acc.__test__ = False  # a column, not a test

RUNS = [
    run("SGD", 0, test_acc=0.5),
    run(Word("early_stopping"), 0, test_acc=0.6),
    run("SGD", 1, test_acc=0.75),
    run("128", 0, test_acc=0.25),
]


def test_by_setting_keeps_the_order_of_the_runs():
    assert list(tables.by_setting(RUNS, test_acc).items()) == [
        ("SGD", [0.5, 0.75]),
        ("early_stopping", [0.6]),
        ("128", [0.25]),
    ]


def test_means_over_the_seeds():
    assert tables.means(RUNS, test_acc) == {"SGD": 0.625, "early_stopping": 0.6, "128": 0.25}


def test_comparison_has_one_row_per_setting():
    table = tables.comparison(RUNS, test_accuracy=test_acc, epoch=tables.best_epoch)
    assert list(table.columns) == ["setting", "n_seeds", "test_accuracy", "epoch"]
    assert table["setting"].tolist() == ["SGD", "early_stopping", "128"]
    assert [isinstance(name, Word) for name in table["setting"]] == [False, True, False]
    assert table["n_seeds"].tolist() == [2, 1, 1]
    assert table["test_accuracy"][0] == (0.625, pytest.approx(0.125 * math.sqrt(2)))
    assert table["test_accuracy"][1][0] == 0.6
    assert math.isnan(table["test_accuracy"][1][1])
    assert table["epoch"][0] == (2, 0)


def test_the_first_epoch_which_compiles_is_not_timed():
    assert tables.epoch_seconds(run("32")) == 1.5
    assert tables.epoch_seconds(run("32", epoch_seconds=[9.0])) == 9.0


def test_step_milliseconds():
    assert tables.step_milliseconds(run("32", steps=150)) == pytest.approx(10)


def test_best_epoch_counts_from_1():
    assert tables.best_epoch(run("32")) == 2
    assert tables.best_epoch(run("32", val_loss=[1.0, 2.0])) == 1
