"""Give the real data or its procedural sample, as asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, get_args

from mi204.datasets import AudioDataset, DataChoice, ImageDataset
from mi204.datasets._fetch import FetchError
from mi204.errors import SettingError

Dataset = TypeVar("Dataset", ImageDataset, AudioDataset)


def choose(data: DataChoice, real: Callable[[], Dataset], sample: Callable[[], Dataset]) -> Dataset:
    """Load the real data or draw the sample; ``auto`` draws it, its notice set, only when ``real`` raises FetchError.

    Raises SettingError for another ``data``, and whatever else ``real`` raises.
    """
    if data not in get_args(DataChoice):
        raise SettingError(f"Expected data to be one of {', '.join(get_args(DataChoice))}, received {data!r}.")
    if data == "sample":
        return sample()
    try:
        return real()
    except FetchError as error:
        if data == "real":
            raise
        return replace(sample(), notice=error.notice)
