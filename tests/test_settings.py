"""Checks of a lab's settings."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from mi204.errors import SettingError
from mi204.settings import check_choices, check_range


@dataclass(frozen=True)
class Config:
    optimizer: Literal["sgd", "adam"] = "sgd"
    depth: Literal[1, 2] = 1
    batch_size: int = 32
    dropout_rate: float = 0.0
    filters: tuple[int, ...] = (8, 16)
    note: str = "free text"


def test_known_choices_pass():
    check_choices(Config())
    check_choices(Config(optimizer="adam", depth=2, note="anything"))


@pytest.mark.parametrize(
    ("changed", "message", "french"),
    [
        ({"optimizer": "rmsprop"}, "Expected optimizer to be one of sgd, adam, received 'rmsprop'",
         "optimizer parmi sgd, adam attendu, 'rmsprop' reçu"),
        ({"depth": 3}, "Expected depth to be one of 1, 2, received 3", "depth parmi 1, 2 attendu, 3 reçu"),
    ],
)
def test_an_unknown_choice_is_refused_in_both_languages(changed, message, french):
    with pytest.raises(SettingError, match=message) as refused:
        check_choices(replace(Config(), **changed))
    assert french in refused.value.written("fr")


def test_the_range_holds_its_least_value():
    check_range(Config(batch_size=1), ["batch_size"], 1)
    check_range(Config(), ["dropout_rate"], 0, 1)
    check_range(Config(), ["batch_size", "filters"], 8)


@pytest.mark.parametrize(
    ("changed", "least", "below", "message"),
    [
        ({"batch_size": 0}, 1, math.inf, "Expected batch_size to be at least 1, received 0: change --batch-size"),
        ({"dropout_rate": 1.0}, 0, 1, "dropout_rate to be at least 0 and less than 1, received 1.0: .* --dropout-rate"),
        ({"dropout_rate": math.nan}, 0, 1, "received nan"),
        ({"dropout_rate": math.inf}, 0, math.inf, "received inf"),
        ({"filters": (8, 0, 16)}, 1, math.inf, "Expected filters to be at least 1, received 0"),
    ],
)
def test_a_value_out_of_range_is_refused(changed, least, below, message):
    with pytest.raises(SettingError, match=message):
        check_range(replace(Config(), **changed), list(changed), least, below)


def test_a_range_is_said_in_french_too():
    for below, bounds in ((1, "d'au moins 0 et de moins de 1"), (math.inf, "d'au moins 0")):
        with pytest.raises(SettingError) as refused:
            check_range(Config(dropout_rate=-0.5), ["dropout_rate"], 0, below)
        assert refused.value.written("fr") == f"dropout_rate {bounds} attendu, -0,5 reçu : changer --dropout-rate."


def test_every_name_is_checked():
    with pytest.raises(SettingError, match="dropout_rate"):
        check_range(Config(dropout_rate=-1.0), ["batch_size", "dropout_rate"], 0)
