"""Give the real data or its procedural sample, as asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, get_args

from mi204.datasets import AudioDataset, DataChoice, ImageDataset
from mi204.datasets._fetch import FetchError
from mi204.datasets.samples import TEST, TRAINING, Sample
from mi204.errors import SettingError

Dataset = TypeVar("Dataset", ImageDataset, AudioDataset)


def choose(data: DataChoice, real: Callable[[bool], Dataset], sample: Callable[[], Dataset]) -> Dataset:
    """Load the real data or draw the sample; ``auto`` draws it, its notice set, only when ``real`` raises FetchError.

    ``real`` is told whether to insist, as ``fetch`` is. Raises SettingError for another ``data``, and whatever else
    ``real`` raises.
    """
    if data not in get_args(DataChoice):
        raise SettingError(
            "Expected data to be one of {choices}, received {data!r}.",
            "Attendu pour data : {choices} ; reçu : {data!r}. En choisir un.",
            choices=", ".join(get_args(DataChoice)), data=data,
        )
    if data == "sample":
        return sample()
    try:
        return real(data == "real")
    except FetchError as error:
        if data == "real":
            raise
        return replace(sample(), notice=error.text)


def sample_of(
    name: str, classes: tuple[str, ...], draw: Callable[[int, int], Sample], n_train: int, n_test: int
) -> ImageDataset:
    """Draw the sample of a data set of images, of the size asked for."""
    train, test = draw(TRAINING, n_train), draw(TEST, n_test)
    return ImageDataset(
        name, "sample", None, classes, train.images, train.labels, test.images, test.labels, train.masks, test.masks
    )
