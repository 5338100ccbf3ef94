"""Photographs whose objects are known, for maps to be held against, and photographs of one's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mi204.datasets import pictures
from mi204.datasets._fetch import RemoteFile, fetch
from mi204.errors import DataError, SettingError
from mi204.language import Word

_GITHUB = "https://raw.githubusercontent.com/"
_SKIMAGE = f"{_GITHUB}scikit-image/scikit-image/cd0a3d22b9f359f05618d75d5c7a29b91b4951ca/src/_skimage2/data/"
_CORAL = f"{_GITHUB}google-coral/test_data/104342d2d3480b3e66203073dac24f4e2dbb4c41/"
_CHOLLET = f"{_GITHUB}luyimin714/DeepLearningWithPython/895aa167fa1652c2f803db6e797f7609d35a0f35/"


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture, and what is known of it."""

    name: str
    """What to call it: ``parrot``, or the name of one's own file."""
    image: np.ndarray
    """Red, green and blue, uint8 (h, w, 3)."""
    credit: str = ""
    """Who made it known and under which licence; empty for one's own."""
    answers: tuple[str, ...] = ()
    """The names of ImageNet's classes that a good classifier may give; empty where it has no class for the object."""
    count: int | None = None
    """How many objects of these classes are to be seen; None for one's own."""
    mask: np.ndarray | None = None
    """Where the object is, bool (h, w), if somebody drew it; else None."""
    remarks: tuple[Word, ...] = ()
    """What was done to one's own file for it to be read."""


@dataclass(frozen=True)
class _Known:
    file: str
    sha256: str
    site: str
    """Where the file lies; empty for one that only a cache or mirror can have, since it was saved anew."""
    credit: str
    answers: tuple[str, ...]
    count: int
    mask_sha256: str = ""

    def remote(self) -> RemoteFile:
        return _remote(self.file, self.sha256, self.site)

    def remote_mask(self) -> RemoteFile:
        return _remote(self.file.replace(".png", "_mask.png"), self.mask_sha256, "")


def _remote(file: str, sha256: str, site: str) -> RemoteFile:
    return RemoteFile(f"photos/{file}", f"{site}{file}" if site else "", sha256)


_OF_CORAL = "google-coral/test_data, Apache-2.0"
_KNOWN = {
    "cat": _Known(
        "chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb", _SKIMAGE,
        "Stéfan van der Walt, scikit-image, CC0", ("tabby", "tiger_cat", "Egyptian_cat"), 1,
    ),
    "coffee": _Known(
        "coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", _SKIMAGE,
        "Rachel Michetti, scikit-image, CC0", ("espresso", "cup"), 1,
    ),
    "rocket": _Known(
        "rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c", _SKIMAGE,
        "SpaceX, scikit-image, public domain", ("missile", "projectile"), 1,
    ),
    "elephants": _Known(
        "creative_commons_elephant.jpg", "920dd73adff4627f5d4ef59a6f114fd88553931846730366a541feb1d1231038", _CHOLLET,
        "F. Chollet, Deep Learning with Python; Creative Commons by its name", ("African_elephant", "tusker"), 2,
    ),
    "parrot": _Known(
        "parrot.jpg", "a8fba9e7e29439fa414c13129aad661f2289ff891231920a7c33641b076f1833", _CORAL, _OF_CORAL,
        ("macaw",), 1,
    ),
    "hot_dog": _Known(
        "hot_dog.jpg", "ed6952e022eb71c0d0b1ff068dcee3abed056dfa1852f041c35f138c4ff15b2e", _CORAL, _OF_CORAL,
        ("hotdog",), 1,
    ),
    "two_dogs": _Known(
        "pets.jpg", "3d71034f8a910bc71c744d3191b652c6c09e9e9c703e4dcd97f1c5ef7adbfe82", _CORAL, _OF_CORAL,
        ("Boston_bull", "French_bulldog", "Great_Dane", "Staffordshire_bullterrier", "whippet"), 2,
    ),
    "dragonfly": _Known(
        "dragonfly.png", "13a06f41c850712cc2f0cb0c39e30880ae40d63b20d78251ee17ea778cd8a4aa", "", _OF_CORAL,
        ("dragonfly",), 1,
    ),
    "running_dog": _Known(
        "dog_running.png", "206c31420156cc0113d7ebdccd00ba906560f1f3ea98b8197609ac97ce78091f", "", _OF_CORAL,
        ("Labrador_retriever", "golden_retriever"), 1,
    ),
    "samoyed": _Known(
        "samoyed.png", "d513259abede2f5e3ca7c6fe816cf115b1da0f7dcf1e7d34c775f7a78597a91f", "", _OF_CORAL,
        ("Samoyed",), 1, "3a19938e3d2213b2e2233672ca78300fc3424745c8b7fa959f9e2400d52f953a",
    ),
    "crow": _Known(
        "crow.png", "79f5ffd38f86d906e48b8fc608c9ef0aa8c194b4fd29bd5b1a6e9ab11a571742", "", _OF_CORAL,
        (), 0, "1d9e740d25a8c7a64f89b613755dfccefe1d5bf82d8e7c609e51a9ddc143ce0b",
    ),
    "sunflower": _Known(
        "sunflower.png", "d254347f3500db16e2c0ddc8ff80ac65f180b195243f95ae50e8f7f27d3f7471", "", _OF_CORAL, (), 0,
    ),
}

NAMES = tuple(_KNOWN)
"""All of them. One object: ``parrot``; several: ``elephants``, ``two_dogs``; with masks: ``samoyed``, ``crow``."""
ONLINE = tuple(name for name, known in _KNOWN.items() if known.site)
"""Those that have an official address; the others come with a mirror only."""


def load(names: Sequence[str] = ONLINE, *, insist: bool = True) -> tuple[Photograph, ...]:
    """Load known photographs, by default those that can be downloaded, in the order of their names.

    They are looked for as ``photos/…`` in the cache, the mirror and at their addresses. Raises SettingError for an
    unknown name, FetchError when no place has one of them.
    """
    for name in names:
        if name not in _KNOWN:
            raise SettingError(
                "Expected the photographs to be among {names}, received {name!r}: choose among them.",
                "Photographies attendues parmi {names}, {name!r} reçu : choisir parmi elles.",
                names=", ".join(NAMES), name=name,
            )
    return tuple(_load(name, _KNOWN[name], insist) for name in names)


def _load(name: str, known: _Known, insist: bool) -> Photograph:
    picture = pictures.read(fetch(known.remote(), insist=insist))
    mask = None
    if known.mask_sha256:
        mask = pictures.read(fetch(known.remote_mask(), insist=insist)).image[..., 0] > 127
    return Photograph(name, picture.image, known.credit, known.answers, known.count, mask)


def own(places: Iterable[Path]) -> tuple[Photograph, ...]:
    """Read one's own pictures, from files and folders as ``pictures.find`` lists them, at most 1024 pixels a side.

    Raises what ``pictures.find`` and ``pictures.read`` raise, and DataError when no place is given.
    """
    files = pictures.find(places)
    if not files:
        raise DataError(
            "Expected at least one picture, received none: give a file or a folder.",
            "Au moins une image attendue, aucune reçue : donner un fichier ou un dossier.",
        )
    read = [(file.name, pictures.read(file, longest_side=pictures.LONGEST_SIDE)) for file in files]
    return tuple(Photograph(name, picture.image, remarks=picture.remarks) for name, picture in read)
