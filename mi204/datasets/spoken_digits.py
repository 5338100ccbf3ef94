"""Free Spoken Digit Dataset: 3000 recordings of English digits, six speakers saying each of them fifty times, 8 kHz."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mi204 import audio
from mi204.datasets import AudioDataset, DataChoice, _voices
from mi204.datasets._choice import choose
from mi204.datasets._fetch import RemoteFile, fetch
from mi204.errors import DataError, SettingError

NAME = "Free Spoken Digit Dataset"
CLASSES = tuple("0123456789")
SAMPLING_RATE = 8000

# Not the hidden files that macOS puts beside those of a USB stick.
_WAV = "[!.]*.[wW][aA][vV]"
# A speaker's name may hold underscores, but no bytes that are not UTF-8 (surrogates), which nothing can write. Nine
# digits fit every integer.
_NAME = re.compile(r"([0-9])_([^$\ud800-\udfff]+)_([0-9]{1,9})\.wav", re.IGNORECASE)
_MOST_NAMED = 5

_COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"

OFFICIAL = RemoteFile(
    name="free-spoken-digit-dataset.tar.gz",
    # GitHub makes this archive when asked and does not promise its bytes: the recordings in it are verified instead.
    url=f"https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/{_COMMIT}",
    folder="free-spoken-digit-dataset/recordings",
    # What GitHub packs when asked for the newest.
    other_folders=("free-spoken-digit-dataset-master/recordings",),
    files=_WAV,
    files_sha256="20fa8645e6a509544e3159c5c37586fbe63f053302ccb9877a0f8c56e39c5bca",
    archived_folder=f"free-spoken-digit-dataset-{_COMMIT}/recordings",
)


def load(data: DataChoice = "auto", folder: Path | None = None, *, n_repetitions: int = 50) -> AudioDataset:
    """Load the Free Spoken Digit Dataset, or one's own recordings of digits: 8 kHz, by digit, speaker and repetition.

    ``folder`` holds recordings to use instead of the official ones, directly or in a folder ``recordings``, all
    together or in one folder per speaker: wav files named ``digit_speaker_repetition.wav``, such as ``7_ada_0.wav`` or
    ``ada/7_ada_0.wav``; other files are ignored. ``auto`` gives the
    procedural sample, with its notice set, only when the official recordings cannot be reached or verified; ``real``
    raises DataError then. In the sample, each of six voices says each digit ``n_repetitions`` times; real recordings
    always come whole. Raises DataError also when ``folder`` has no recordings, misnamed or unreadable ones, two of
    the same digit, speaker and repetition, or speakers whose names differ only by capitals or the encoding of their
    accents: maybe one voice, which would be on both sides of a split by speaker. StorageError when the cache cannot be
    written, SettingError for another ``data``, or for ``sample`` with a ``folder``.
    """
    if data == "sample" and folder is not None:
        raise SettingError(
            'Expected either data="sample" or a folder of recordings, received both (folder {folder}): leave one out.',
            'Attendu : soit data="sample", soit un dossier d\'enregistrements ; reçu : les deux (dossier {folder}). '
            "Retirer l'un d'eux.",
            folder=folder,
        )
    return choose(data, lambda insist: _own(folder) if folder else _official(insist), lambda: _sample(n_repetitions))


def _official(insist: bool) -> AudioDataset:
    return _read(NAME, fetch(OFFICIAL, insist=insist).glob(_WAV))


def _sample(n_repetitions: int) -> AudioDataset:
    waveforms, labels, speakers, repetitions = _voices.speak(n_repetitions)
    names = zip(labels, speakers, repetitions, strict=True)
    return AudioDataset(
        name=NAME, source="sample", notice=None, classes=CLASSES, waveforms=waveforms,
        sampling_rate=_voices.SAMPLING_RATE, labels=labels, speakers=speakers, repetitions=repetitions,
        files=tuple(f"{digit}_{speaker}_{repetition}.wav" for digit, speaker, repetition in names), remarks={},
    )


def _own(folder: Path) -> AudioDataset:
    if not folder.is_dir():
        raise DataError(
            "Expected a folder of recordings, received {folder}, which is none. Check its name.",
            "Attendu : un dossier d'enregistrements ; reçu : {folder}, qui n'en est pas un. Vérifier son nom.",
            folder=folder,
        )
    together = folder, folder / "recordings"
    files = sorted({*folder.glob(_WAV), *(file for each in together for file in each.glob(f"[!.]*/{_WAV}"))})
    if not files:
        deeper = next(folder.rglob(_WAV), None)
        raise DataError(
            "Expected recordings named digit_speaker_repetition.wav in {folder} or its folder recordings, there "
            "together or in one folder per speaker, received "
            f"{'wav files that lie deeper, such as {deeper}' if deeper else 'no wav file'}. "
            "Put them there or name another folder.",
            "Attendu dans {folder} ou son dossier recordings : des enregistrements nommés "
            "chiffre_locuteur_répétition.wav, ensemble ou dans un dossier par locuteur ; reçu : "
            f"{'des fichiers wav rangés plus loin, tel {deeper}' if deeper else 'aucun fichier wav'}. "
            "Les y mettre ou indiquer un autre dossier.",
            folder=folder, deeper=deeper,
        )
    misnamed = [file.relative_to(folder).as_posix() for file in files if not _is_named(file, together)]
    misnamed = [name.encode(errors="backslashreplace").decode() for name in misnamed]
    if misnamed:
        many = len(misnamed) > _MOST_NAMED
        raise DataError(
            "Expected in {folder} wav files named digit_speaker_repetition.wav, such as 7_ada_0.wav or, in a folder "
            f"per speaker, ada/7_ada_0.wav; received {{names}}{' and {more} more' if many else ''}. "
            "Rename them or take them away.",
            "Attendu dans {folder} : des fichiers wav nommés chiffre_locuteur_répétition.wav, tel 7_ada_0.wav ou, dans "
            f"un dossier par locuteur, ada/7_ada_0.wav ; reçu : {{names}}{' et {more} de plus' if many else ''}. "
            "Les renommer ou les retirer.",
            folder=folder, names=", ".join(misnamed[:_MOST_NAMED]), more=len(misnamed) - _MOST_NAMED,
        )
    spellings: dict[str, Path] = {}
    known: dict[tuple[int, str, int], Path] = {}
    for file in files:
        speaker = _meaning(file)[1]
        first = spellings.setdefault(_spelling(speaker), file)
        if speaker != _meaning(first)[1]:
            raise DataError(
                "Expected speakers' names that differ by more than capitals or the encoding of their accents, received "
                "{first} and {file}. Spell both alike if they are of one speaker; else rename one of the speakers.",
                "Attendu : des noms de locuteurs qui diffèrent par plus que des majuscules ou le codage de leurs "
                "accents ; reçu : {first} et {file}. Les écrire de la même façon s'il s'agit d'un seul locuteur ; "
                "sinon, renommer l'un des deux.",
                first=first, file=file,
            )
        first = known.setdefault(_meaning(file), file)
        if first is not file:
            raise DataError(
                "Expected one recording of each digit, speaker and repetition, received two of the same: {first} and "
                "{file}. Number one of them anew or take it away.",
                "Attendu : un enregistrement par chiffre, locuteur et répétition ; reçu : deux pour les mêmes, {first} "
                "et {file}. Numéroter l'un d'eux autrement ou le retirer.",
                first=first, file=file,
            )
    return _read(folder.resolve().name, files)


def _is_named(file: Path, together: tuple[Path, ...]) -> bool:
    """Tell whether a file's name says all of it and, where it lies apart from the others, the folder's the same."""
    name = _NAME.fullmatch(file.name)
    return bool(name) and (file.parent in together or _spelling(file.parent.name) == _spelling(name[2]))


def _spelling(speaker: str) -> str:
    return unicodedata.normalize("NFC", speaker.casefold())


def _meaning(file: Path) -> tuple[int, str, int]:
    """Return the digit, the speaker and the repetition that a file's name says."""
    digit, speaker, repetition = _NAME.fullmatch(file.name).groups()
    return int(digit), speaker, int(repetition)


def _read(name: str, files: Iterable[Path]) -> AudioDataset:
    files = sorted(files, key=_meaning)
    recordings = [audio.read(file, SAMPLING_RATE) for file in files]
    labels, speakers, repetitions = zip(*map(_meaning, files), strict=True)
    return AudioDataset(
        name=name, source="real", notice=None, classes=CLASSES,
        waveforms=tuple(recording.waveform for recording in recordings), sampling_rate=SAMPLING_RATE,
        labels=np.array(labels, dtype=np.int64), speakers=np.array(speakers),
        repetitions=np.array(repetitions, dtype=np.int64), files=tuple(file.name for file in files),
        remarks={
            file.name: recording.remarks for file, recording in zip(files, recordings, strict=True) if recording.remarks
        },
    )
