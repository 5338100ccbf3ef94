"""Checks of a lab's settings: what a dataclass' types do not enforce."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mi204.errors import SettingError

Preset = Literal["quick", "course", "full"]
"""Size of a lab's run: a minute, what the handout asks, everything."""


def check_choices(config: Any) -> None:
    """Check every field whose type is a ``Literal``.

    Raises SettingError for a value that is not among the choices.
    """
    for name, hint in get_type_hints(type(config)).items():
        if get_origin(hint) is Literal and getattr(config, name) not in get_args(hint):
            raise SettingError(
                f"Expected {name} to be one of {', '.join(map(str, get_args(hint)))}, "
                f"received {getattr(config, name)!r}: choose one of them."
            )


def check_range(config: Any, names: Iterable[str], least: float, below: float = float("inf")) -> None:
    """Check that ``least <= value < below`` for the named fields; a tuple is checked entry by entry.

    Raises SettingError naming the field, the range and the value received.
    """
    bounds = f"at least {least}" + (f" and less than {below}" if below < float("inf") else "")
    for name in names:
        value = getattr(config, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not least <= number < below:
                raise SettingError(f"Expected {name} to be {bounds}, received {number}: change --{_option(name)}.")


def _option(name: str) -> str:
    return name.replace("_", "-")
