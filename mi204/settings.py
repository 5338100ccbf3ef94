"""The settings that all labs have, and checks of what a dataclass' types do not enforce."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mi204.datasets import DataChoice
from mi204.errors import SettingError
from mi204.language import Language

Preset = Literal["quick", "course", "full"]
"""Size of a lab's run: a minute, what the handout asks, everything."""
OptimizerName = Literal["sgd", "momentum", "nesterov", "adam"]
"""SGD, SGD with momentum or with Nesterov's variant of it, Adam."""
ScheduleName = Literal["constant", "cosine"]
"""Learning rate over time."""


@dataclass(frozen=True, kw_only=True)
class LabConfig:
    """Settings that all labs have; each lab adds its recipe and what it compares."""

    preset: Preset = "course"
    """Size of the whole: quick (a minute), course (the handout's), full (everything, three seeds)."""
    questions: tuple[str, ...] = ()
    """Answer these questions only, such as 4.2 7.2, and run what they need."""
    data: DataChoice = "auto"
    """Real data or the procedural sample; auto takes the sample when the real data cannot be had, and says so."""
    language: Language = "en"
    """Language of what is printed and drawn."""
    n_seeds: int = 1
    """Repetitions, with seeds seed, seed + 1, …"""

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        check_choices(self)
        check_range(self, ("n_seeds",), least=1)

    def require_packages(self) -> None:
        """Prove that what the lab needs beyond the default installation is there, before anything takes time.

        Raises SettingError saying which extra to install.
        """


def check_choices(config: Any) -> None:
    """Check every field whose type is a ``Literal``.

    Raises SettingError for a value that is not among the choices.
    """
    for name, hint in get_type_hints(type(config)).items():
        if get_origin(hint) is Literal and getattr(config, name) not in get_args(hint):
            raise SettingError(
                "Expected {name} to be one of {choices}, received {received!r}: choose one of them.",
                "{name} parmi {choices} attendu, {received!r} reçu : choisir l'un d'eux.",
                name=name,
                choices=", ".join(map(str, get_args(hint))),
                received=getattr(config, name),
            )


def check_range(config: Any, names: Iterable[str], least: float, below: float = float("inf")) -> None:
    """Check that ``least <= value < below`` for the named fields; a tuple is checked entry by entry.

    Raises SettingError naming the field, the range and the value received.
    """
    english, french = (" and less than {below}", " et de moins de {below}") if below < float("inf") else ("", "")
    for name in names:
        value = getattr(config, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not least <= number < below:
                raise SettingError(
                    "Expected {name} to be at least {least}" + english + ", received {number}: change --{option}.",
                    "{name} d'au moins {least}" + french + " attendu, {number} reçu : changer --{option}.",
                    name=name,
                    least=least,
                    below=below,
                    number=number,
                    option=name.replace("_", "-"),
                )
