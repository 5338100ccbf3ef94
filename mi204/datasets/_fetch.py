"""Locate, download, verify and extract the files of a data set; nothing is used unverified."""

import gzip
import hashlib
import logging
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
from requests import RequestException

from mi204 import paths
from mi204.errors import DataError, StorageError
from mi204.language import Text

_log = logging.getLogger(__name__)

_CACHE_VARIABLE = "MI204_DATASETS_CACHE"
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_RETRIES = 2
# Far more than any of the data sets, far less than what a small archive made to fill a disk can unpack to.
_LARGEST_UNPACKED = 2**30
_MOST_MEMBERS = 10_000
# A name that every system takes for a file of the folder it is written in: only a disk can fail to write it.
_PLAIN_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
# What tarfile and gzip raise, on purpose or not, about an archive that is damaged or was made to harm.
_ARCHIVE_ERRORS = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError, RecursionError, MemoryError,
)


@dataclass(frozen=True)
class RemoteFile:
    """An official file of a data set and what proves that it is the right one."""

    name: str
    """Its name in the cache and in a mirror, folders included: ``cifar-10-python.tar.gz``."""
    url: str
    """Its official address."""
    sha256: str = ""
    """Its SHA-256; empty for an archive proved by ``files_sha256``."""
    folder: str = ""
    """For a tar archive, the folder that it extracts to; empty for a file used as it is."""
    md5s: Mapping[str, str] = field(default_factory=dict)
    """MD5 of each file of that folder that is read; a folder is used only if all of them agree."""
    files_sha256: str = ""
    """Instead, for an archive whose own bytes are not promised: one SHA-256 over all files that are read."""
    files: str = "*"
    """Pattern of their names in that folder."""
    archived_folder: str = ""
    """What that folder is called in such an archive."""


class FetchError(DataError):
    """No place holds the data set whole."""

    notice: Text
    """One line for those who go on with the sample; names the files that were found damaged."""


class _DamagedError(DataError):
    """A file is there, but is not the official one."""

    def __init__(self, where: Path | str, english: str, french: str, **values: object) -> None:
        super().__init__(english, french, **values)
        self.where = str(where)


def fetch(remote: RemoteFile, first: Iterable[Path] = ()) -> Path:
    """Give the verified file, or for an archive its extracted and verified folder, from the first place that has it.

    The places are the paths ``first``, the cache, Keras' own folder, ``$MI204_MIRROR`` and the official URL. What is
    whole on this machine is used where it is; downloads and extracted archives land in the cache. Raises FetchError
    when no place has the data, StorageError when the cache cannot be written.
    """
    tried, damaged = [], []
    for place in chain(first, _places(remote)):
        try:
            return _obtain(place, remote)
        except _DamagedError as error:
            _log.warning("%s is not used. %s", error.where, error)
            damaged.append(error.where)
            tried.append((place, error.text))
        except DataError as error:
            tried.append((place, error.text))
        except OSError as error:
            tried.append((place, Text(str(error), str(error))))
    raise _fetch_error(remote, tried, damaged)


def _places(remote: RemoteFile) -> Iterator[Path | str]:
    """Give, in order, the paths (Path) and addresses (str) where the data may be."""
    keras = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"), "datasets")
    mirror = paths.mirror() or ""
    scheme = urlsplit(mirror).scheme
    folders = [paths.datasets_cache(), keras]
    if scheme == "file":
        folders.append(Path(url2pathname(urlsplit(mirror).path)))
    elif mirror and scheme not in ("http", "https"):
        folders.append(Path(mirror))
    for folder in folders:
        if remote.folder:
            yield folder / remote.folder
            if folder == keras:
                # Where recent versions of Keras extract.
                yield folder / f"{PurePosixPath(remote.folder).parts[0]}-target" / remote.folder
        yield folder / remote.name
    if scheme in ("http", "https"):
        yield f"{mirror.rstrip('/')}/{remote.name}"
    yield remote.url


def _obtain(place: Path | str, remote: RemoteFile) -> Path:
    if isinstance(place, Path):
        if not place.exists():
            raise DataError("not there", "absent")
        if remote.folder and place.name == PurePosixPath(remote.folder).name:
            _verify_folder(place, remote)
            return place
        if not remote.files_sha256:
            _verify(place, "sha256", remote.sha256)
    with _on_this_machine(place, remote) as file:
        if not remote.folder:
            return file
        try:
            return _extract(file, remote)
        except _DamagedError as error:
            # Nothing is left of what was extracted: the place it came from is the one to name.
            error.where = str(place)
            raise


@contextmanager
def _on_this_machine(place: Path | str, remote: RemoteFile) -> Iterator[Path]:
    if isinstance(place, Path):
        yield place
    elif not remote.files_sha256:
        yield _download(place, remote, paths.datasets_cache())
    else:
        # An archive that is proved only by what it holds never gets its name in the cache.
        cache = paths.writable_folder(paths.datasets_cache(), _CACHE_VARIABLE)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".downloading-") as temporary:
            yield _download(place, remote, Path(temporary))


def _verify_folder(folder: Path, remote: RemoteFile) -> None:
    for name, md5 in remote.md5s.items():
        _verify(folder / name, "md5", md5)
    if remote.files_sha256:
        # What `sha256sum` prints for the files in the order of the bytes of their names, as does, inside the folder:
        # find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum
        names = sorted(path.name for path in folder.glob(remote.files) if path.is_file())
        lines = [f"{pooch.file_hash(folder / name, 'sha256')}  ./{name}\n" for name in names]
        received = hashlib.sha256(os.fsencode("".join(lines))).hexdigest()
        if received != remote.files_sha256:
            raise _DamagedError(
                folder,
                "{name}: expected SHA256 {expected} over all its files, received {received} over {count} files",
                "{name} : SHA256 {expected} attendu sur tous ses fichiers, reçu : {received} sur {count} fichiers",
                name=folder.name, expected=remote.files_sha256, received=received, count=len(names),
            )


def _verify(file: Path, algorithm: str, expected: str) -> None:
    received = pooch.file_hash(file, algorithm) if file.exists() else ""
    if received != expected:
        raise _DamagedError(
            file,
            f"{file.name}: expected {algorithm.upper()} {expected}, received {received or 'no such file'}",
            f"{file.name} : {algorithm.upper()} {expected} attendu, reçu : {received or 'aucun fichier de ce nom'}",
        )


def _download(url: str, remote: RemoteFile, folder: Path) -> Path:
    """Download to a temporary file of the folder, verify it if its hash is known, give it its name."""
    downloads = pooch.create(
        path=folder,
        base_url="",
        registry={remote.name: None if remote.files_sha256 else f"sha256:{remote.sha256}"},
        urls={remote.name: url},
        retry_if_failed=_RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
    try:
        return Path(downloads.fetch(remote.name, downloader=downloader))
    except RequestException as error:
        raise DataError(
            "cannot be downloaded: {error}", "le téléchargement est impossible : {error}", error=error
        ) from error
    except ValueError as error:
        raise _DamagedError(
            url, "{error}", "ce qui est téléchargé n'est pas le fichier officiel : {error}", error=error
        ) from error
    except OSError as error:
        raise _storage_error(
            error, "download {url} into {folder}", "de télécharger {url} dans {folder}", url=url, folder=folder
        ) from error


def _extract(archive: Path, remote: RemoteFile) -> Path:
    """Extract beside the final folder, verify, then rename: the final folder is whole or absent."""
    cache = paths.writable_folder(paths.datasets_cache(), _CACHE_VARIABLE)
    target = cache / remote.folder
    # An archive that cannot be opened is passed over: only what comes after can be the fault of the cache.
    with archive.open("rb") as stream:
        try:
            with tempfile.TemporaryDirectory(dir=cache, prefix=".extracting-") as temporary:
                extracted = Path(temporary, remote.folder)
                extracted.mkdir(parents=True)
                try:
                    _unpack(stream, remote, extracted)
                except _ARCHIVE_ERRORS as error:
                    raise _DamagedError(
                        archive,
                        "expected a tar.gz archive, received: {error!r}",
                        "une archive tar.gz est attendue, reçu : {error!r}",
                        error=error,
                    ) from error
                _verify_folder(extracted, remote)
                try:
                    # Another process may have finished the same work meanwhile and be reading its files.
                    _verify_folder(target, remote)
                except _DamagedError:
                    if target.exists():
                        os.rename(target, Path(temporary, "damaged"))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.rename(extracted, target)
        except OSError as error:
            raise _storage_error(
                error, "extract {archive} into {cache}", "d'extraire {archive} dans {cache}",
                archive=archive, cache=cache,
            ) from error
    return target


def _unpack(archive: BinaryIO, remote: RemoteFile, into: Path) -> None:
    """Write the files of the archive's folder into another, whatever else the archive holds."""
    folder = PurePosixPath(remote.archived_folder or remote.folder)
    unpacked = 0
    with tarfile.open(fileobj=archive, mode="r:gz") as tar:
        for count, member in enumerate(tar, start=1):
            unpacked += member.size
            if unpacked > _LARGEST_UNPACKED:
                raise _DamagedError(
                    archive.name,
                    "expected at most {most:,} bytes unpacked, received more",
                    "au plus {most:,} octets décompressés sont attendus, reçu : davantage",
                    most=_LARGEST_UNPACKED,
                )
            if count > _MOST_MEMBERS:
                raise _DamagedError(
                    archive.name,
                    "expected at most {most:,} members, received more",
                    "au plus {most:,} membres sont attendus, reçu : davantage",
                    most=_MOST_MEMBERS,
                )
            path = PurePosixPath(member.name)
            wanted = path.parent == folder and path.match(remote.files) and _PLAIN_NAME.fullmatch(path.name)
            if member.isreg() and wanted:
                with tar.extractfile(member) as content, (into / path.name).open("wb") as file:
                    shutil.copyfileobj(content, file)


def _fetch_error(remote: RemoteFile, tried: list[tuple[Path | str, Text]], damaged: list[str]) -> FetchError:
    name, cache = remote.name, paths.datasets_cache()
    wanted = needed = wanted_fr = needed_fr = name
    proof, proof_fr = f"SHA-256 of {name}: {remote.sha256}", f"SHA-256 de {name} : {remote.sha256}"
    if remote.files_sha256:
        proof = f"SHA-256 over all files of that folder: {remote.files_sha256}"
        proof_fr = f"SHA-256 sur tous les fichiers de ce dossier : {remote.files_sha256}"
    if remote.folder:
        wanted = needed = f"{name} or its extracted folder {remote.folder}"
        wanted_fr = needed_fr = f"{name} ou son dossier extrait {remote.folder}"
    elif "/" in name:
        # One file of several: told about this one alone, people would come back for each of the others.
        folder = name.rpartition("/")[0]
        needed, needed_fr = f"the folder {folder} with all its files", f"le dossier {folder} avec tous ses fichiers"
    error = FetchError(
        f"Expected {wanted} ({proof}) in one of these places, received:\n"
        + "".join(f"  - {place}: {problem.written('en')}\n" for place, problem in tried)
        + f"Without internet, copy {needed} to {cache}, or set MI204_MIRROR to a folder or URL that holds it.",
        f"Attendu à l'un de ces endroits : {wanted_fr} ({proof_fr}) ; reçu :\n"
        + "".join(f"  - {place} : {problem.written('fr')}\n" for place, problem in tried)
        + f"Sans internet, copier {needed_fr} dans {cache}, ou donner à MI204_MIRROR un dossier ou une adresse web qui "
        "le contient.",
    )
    notice = f"The real data ({name}) could not be reached or verified: the procedural sample replaces it."
    notice_fr = (
        f"Les données réelles ({name}) n'ont pu être atteintes ou vérifiées : l'échantillon procédural les remplace."
    )
    if damaged:
        notice += f" Found damaged: {', '.join(damaged)}."
        notice_fr += f" Endommagé : {', '.join(damaged)}."
    error.notice = Text(notice, notice_fr)
    return error


def _storage_error(error: OSError, english: str, french: str, **values: object) -> StorageError:
    """Say what the system did not allow, given as templates of what comes after "Expected to" and "Impossible"."""
    return StorageError(
        f"Expected to {english}, but the system answered: {{problem}}. Nothing is left half-written. "
        f"Free some space or set {_CACHE_VARIABLE} to another folder, then run the same command again.",
        f"Impossible {french} ; le système répond : {{problem}}. Rien ne reste à moitié écrit. "
        f"Libérer de la place ou donner à {_CACHE_VARIABLE} un autre dossier, puis relancer la même commande.",
        problem=error.strerror or error, **values,
    )
