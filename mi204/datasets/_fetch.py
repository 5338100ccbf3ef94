"""Locate, download, verify and extract the files of a data set; nothing is used unverified."""

import difflib
import gzip
import hashlib
import logging
import os
import re
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pooch
import requests
from requests import exceptions
from tqdm import tqdm

from mi204 import paths
from mi204.errors import DataError, StorageError
from mi204.language import Word

_log = logging.getLogger(__name__)

_CACHE_VARIABLE = "MI204_DATASETS_CACHE"
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_RETRIES = 2
# A server whose silence was waited for so long is not waited for again so soon, unless the real data are insisted on.
_LONG_SECONDS = 2
_QUIET_MINUTES = 15
# A wrong value of one of them looks like a network that is down.
_NETWORK_SETTINGS = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
_SETTINGS_AT_FAULT = exceptions.ProxyError, exceptions.InvalidProxyURL, exceptions.InvalidSchema, exceptions.SSLError
# A copy that a browser numbers, "cifar-10-python (1).tar.gz", is as alike; one file of MNIST and another are not.
_NEARLY_THE_NAME = 0.88
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
    """An official file of a data set, what proves that it is the right one, and how else it may lie on a disk."""

    name: str
    """Its name in the cache and in a mirror, folders included: ``cifar-10-python.tar.gz``."""
    url: str
    """Its official address; empty where only a cache or mirror can have it."""
    sha256: str = ""
    """Its SHA-256; empty for an archive proved by ``files_sha256``, and for weights."""
    weights: bool = False
    """Whether it may be used with a remark where it is not proved to be the official one."""
    md5: str = ""
    """MD5 of weights, where one is published."""
    other_names: tuple[str, ...] = ()
    """Names that it has where other programs put it, folders included."""
    other_sha256s: tuple[str, ...] = ()
    """SHA-256 of other files that hold the same, whatever their name: unzipped, or packed by another program."""
    folder: str = ""
    """For a tar archive, the folder that it extracts to; empty for a file used as it is."""
    other_folders: tuple[str, ...] = ()
    """Where other programs put that folder; its own name stays."""
    md5s: Mapping[str, str] = field(default_factory=dict)
    """MD5 of each file of that folder that is read; a folder is used only if all of them agree."""
    files_sha256: str = ""
    """Instead, for an archive whose own bytes are not promised: one SHA-256 over all files that are read."""
    files: str = "*"
    """Pattern of their names in that folder."""
    archived_folder: str = ""
    """What that folder is called in such an archive."""
    keras_folder: str = "datasets"
    """Folder of ``~/.keras`` in which Keras puts such files."""


class FetchError(DataError):
    """No place holds the data set whole; the message says where it was looked for and how to provide it."""


class _AbsentError(DataError):
    """There is nothing of the kind, and nothing wrong with that."""


SUMS = "SHA256SUMS"
"""File beside weights, as ``sha256sum`` prints it, with which the keeper of a folder vouches for what lies there."""
SUMS_ALONE = Word("weights_sums_alone")
NOT_OFFICIAL = Word("weights_not_official")
NOT_VERIFIED = Word("weights_not_verified")


def fetch(remote: RemoteFile, first: Iterable[Path] = (), *, insist: bool = True) -> Path:
    """Give the verified file, or for an archive its extracted and verified folder, from the first place that has it.

    The places are the folders ``first``, the cache, Keras' own folder, ``$MI204_MIRROR`` and the official URL; in each
    folder, all names of the file are tried. What is whole on this machine is used where it is; downloads and extracted
    archives land in the cache. A server that was waited for in vain is tried again only after some minutes, or to
    ``insist``. Raises FetchError when no place has the data, StorageError when the cache cannot be written.
    """
    return fetch_with_remark(remote, first, insist=insist)[0]


def fetch_with_remark(
    remote: RemoteFile, first: Iterable[Path] = (), *, insist: bool = True
) -> tuple[Path, Word | None]:
    """Do as ``fetch``, and say what is to be known of a file of weights that is not proved to be the official one.

    Weights whose MD5 is the published one need no remark. Others are used when a file SHA256SUMS beside them holds
    their SHA-256, and, only where no MD5 is published, when none beside them names them.
    """
    problems: list[tuple[Path | str, DataError]] = []
    for place in _places(remote, first):
        try:
            found = _obtain(place, remote, insist)
        except DataError as error:
            problems.append((place, error))
        except OSError as error:
            problems.append((place, DataError(str(error), str(error))))
        else:
            for passed_over, error in problems:
                if not isinstance(error, _AbsentError):
                    _log.warning("%s is not used: %s", passed_over, error)
            return found
    raise _fetch_error(remote, problems)


def _places(remote: RemoteFile, first: Iterable[Path]) -> Iterator[Path | str]:
    """Give, in order, the paths (Path) and addresses (str) where the data may be; of an empty folder, the main one."""
    keras = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))
    folders = [*first, paths.datasets_cache(), keras / remote.keras_folder]
    mirror = paths.mirror()
    if isinstance(mirror, Path):
        folders.append(mirror)
    names = [remote.folder, *remote.other_folders] if remote.folder else []
    names += [remote.name, *remote.other_names]
    for folder in folders:
        yield from [folder / name for name in names if os.path.exists(folder / name)] or [folder / remote.name]
    if isinstance(mirror, str):
        yield f"{mirror}/{remote.name}"
    if remote.url:
        yield remote.url


def _obtain(place: Path | str, remote: RemoteFile, insist: bool) -> tuple[Path, Word | None]:
    if isinstance(place, Path):
        if not place.exists():
            raise _absent(place)
        if remote.folder and place.name == PurePosixPath(remote.folder).name:
            _verify_folder(place, remote)
            return place, None
        if not (remote.files_sha256 or remote.weights):
            _verify(place, "sha256", remote.sha256, *remote.other_sha256s)
    elif not insist:
        _check_quiet(place)
    with _on_this_machine(place, remote) as file:
        remark = _verify_weights(file, remote) if remote.weights else None
        return (_extract(file, remote) if remote.folder else file), remark


def _verify_weights(file: Path, remote: RemoteFile) -> Word | None:
    """Prove a file by its published MD5, or else by the SHA256SUMS beside it, and say what was not proved."""
    if remote.md5 and pooch.file_hash(file, "md5") == remote.md5:
        return None
    vouched = _sums(file.with_name(SUMS)).get(file.name)
    if vouched:
        _verify(file, "sha256", vouched)
        return NOT_OFFICIAL if remote.md5 else SUMS_ALONE
    if remote.md5:
        _verify(file, "md5", remote.md5)
    return NOT_VERIFIED


def _sums(file: Path) -> dict[str, str]:
    """Read the SHA-256 by file name that ``sha256sum`` wrote; none where there is no such file."""
    if not file.exists():
        return {}
    lines = [line.split(maxsplit=1) for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return {line[1].lstrip("*").strip(): line[0].lower() for line in lines if len(line) == 2}


def _absent(path: Path) -> DataError:
    """Say that there is no such file: because of the mirror's name, or beside one of nearly the same name."""
    alike = _alike(path)
    english, french = ("; there is {alike}", " ; il y a {alike}") if alike else ("", "")
    mirror = paths.mirror()
    if isinstance(mirror, Path) and mirror in path.parents and not mirror.is_dir():
        return DataError(
            f"MI204_MIRROR names neither a folder nor an http(s) address{english}",
            f"MI204_MIRROR ne désigne ni un dossier ni une adresse http(s){french}",
            alike=alike,
        )
    return _AbsentError(f"not there{english}", f"absent{french}", alike=alike)


def _alike(path: Path) -> Path | None:
    """Give what may be meant in the first folder on the way to a path that is there."""
    for folder in path.parents:
        if folder.is_dir():
            missing = path.relative_to(folder).parts[0]
            names = {name.casefold(): name for name in os.listdir(folder) if name != missing}
            for match in difflib.get_close_matches(missing.casefold(), names, n=1, cutoff=_NEARLY_THE_NAME):
                return folder / names[match]
            return None
    return None


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
            raise DataError(
                "{name}: expected SHA256 {expected} over all its files, received {received} over {count} files",
                "{name} : SHA256 {expected} attendu sur tous ses fichiers, reçu : {received} sur {count} fichiers",
                name=folder.name, expected=remote.files_sha256, received=received, count=len(names),
            )


def _verify(file: Path, algorithm: str, *expected: str) -> None:
    received = pooch.file_hash(file, algorithm) if file.exists() else ""
    if received not in expected or not received:
        raise DataError(
            f"{file.name}: expected {algorithm.upper()} {' or '.join(expected)}, received {received or 'no such file'}",
            f"{file.name} : {algorithm.upper()} {' ou '.join(expected)} attendu, "
            f"reçu : {received or 'aucun fichier de ce nom'}",
        )


def _download(url: str, remote: RemoteFile, folder: Path) -> Path:
    """Download to a temporary file of the folder, verify it if its hash is known, give it its name."""
    known = f"md5:{remote.md5}" if remote.md5 else f"sha256:{remote.sha256}"
    if remote.files_sha256 or (remote.weights and not remote.md5):
        known = None
        # Only a refused file can be there: pooch, which knows no hash of it, would give it back.
        (folder / remote.name).unlink(missing_ok=True)
    downloads = pooch.create(
        path=folder,
        base_url="",
        registry={remote.name: known},
        urls={remote.name: url},
        retry_if_failed=_RETRIES,
    )
    try:
        return Path(downloads.fetch(remote.name, downloader=_receive))
    except requests.RequestException as error:
        raise _network_error(error) from error
    except ValueError as error:
        raise DataError(
            "{error}", "ce qui est téléchargé n'est pas le fichier officiel : {error}", error=error
        ) from error
    except OSError as error:
        raise _storage_error(
            error, "download {url} into {folder}", "de télécharger {url} dans {folder}", url=url, folder=folder
        ) from error


def _receive(url: str, file: str, _: pooch.Pooch) -> None:
    """Write what an address gives; pooch tries again when it breaks off (RequestException) or is another file.

    OSErrors that are no RequestException are those of the disk.
    """
    with _ask(url) as response, open(file, "wb") as stream:
        size = int(response.headers.get("Content-Length", 0))
        with tqdm(total=size or None, unit="B", unit_scale=True) as progress:
            for content in response.iter_content(2**16):
                stream.write(content)
                progress.update(len(content))


def _ask(url: str) -> requests.Response:
    """Open an address; what does not answer well is not asked again, and when it took long that is noted down.

    Raises DataError.
    """
    asked, note = time.monotonic(), _silence(url)
    try:
        response = requests.get(url, stream=True, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
        if not response.ok:
            response.close()
            response.raise_for_status()
    except (OSError, ValueError) as error:  # whatever settings and addresses lead to, such as certificates not there
        if time.monotonic() - asked > _LONG_SECONDS:
            with suppress(OSError):
                note.touch()
        raise _network_error(error) from error
    with suppress(OSError):
        note.unlink(missing_ok=True)
    return response


def _silence(url: str) -> Path:
    """Name the empty file whose date says when a server was waited for in vain; no password is part of the name."""
    server = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    return paths.datasets_cache() / f".no-answer-{re.sub('[^a-zA-Z0-9.-]', '_', server)}"


def _check_quiet(url: str) -> None:
    with suppress(OSError):
        # A date in the future is one of another clock.
        if 0 <= time.time() - _silence(url).stat().st_mtime < 60 * _QUIET_MINUTES:
            raise DataError(
                "was waited for in vain less than {minutes} minutes ago; --data real tries again at once",
                "attendu en vain il y a moins de {minutes} minutes ; --data real essaie à nouveau tout de suite",
                minutes=_QUIET_MINUTES,
            )


def _network_error(error: Exception) -> DataError:
    # Where requests wraps the reason in the address and its own doings, the reason alone.
    wrapped = getattr(next(iter(error.args), None), "reason", error)
    reason = error if wrapped is error else wrapped.args[-1]
    settings = ", ".join(sorted(name for name in os.environ if name.upper() in _NETWORK_SETTINGS))
    suspected = isinstance(error, _SETTINGS_AT_FAULT) or not isinstance(error, requests.RequestException)
    english, french = (" (check {settings})", " (vérifier {settings})") if suspected and settings else ("", "")
    return DataError(
        f"cannot be downloaded: {{reason}}{english}", f"le téléchargement est impossible : {{reason}}{french}",
        reason=reason, settings=settings,
    )


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
                    raise DataError(
                        "expected a tar.gz archive, received: {error!r}",
                        "une archive tar.gz est attendue, reçu : {error!r}",
                        error=error,
                    ) from error
                _verify_folder(extracted, remote)
                try:
                    # Another process may have finished the same work meanwhile and be reading its files.
                    _verify_folder(target, remote)
                except DataError:
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
                raise DataError(
                    "expected at most {most:,} bytes unpacked, received more",
                    "au plus {most:,} octets décompressés sont attendus, reçu : davantage",
                    most=_LARGEST_UNPACKED,
                )
            if count > _MOST_MEMBERS:
                raise DataError(
                    "expected at most {most:,} members, received more",
                    "au plus {most:,} membres sont attendus, reçu : davantage",
                    most=_MOST_MEMBERS,
                )
            path = PurePosixPath(member.name)
            wanted = path.parent == folder and path.match(remote.files) and _PLAIN_NAME.fullmatch(path.name)
            if member.isreg() and wanted:
                with tar.extractfile(member) as content, (into / path.name).open("wb") as file:
                    shutil.copyfileobj(content, file)


def _fetch_error(remote: RemoteFile, problems: list[tuple[Path | str, DataError]]) -> FetchError:
    name, cache = remote.name, paths.datasets_cache()
    wanted = needed = wanted_fr = needed_fr = name
    proof, proof_fr = f"SHA-256 of {name}: {remote.sha256}", f"SHA-256 de {name} : {remote.sha256}"
    if remote.weights:
        proof = f"MD5 {remote.md5}" if remote.md5 else "no hash of it is published"
        proof_fr = f"MD5 {remote.md5}" if remote.md5 else "aucune empreinte n'en est publiée"
    if remote.files_sha256:
        proof = f"SHA-256 over all files of that folder: {remote.files_sha256}"
        proof_fr = f"SHA-256 sur tous les fichiers de ce dossier : {remote.files_sha256}"
    if remote.folder:
        wanted = needed = f"{name} or its extracted folder {remote.folder}"
        wanted_fr = needed_fr = f"{name} ou son dossier extrait {remote.folder}"
    elif "/" in name and not remote.weights:
        # One file of several: told about this one alone, people would come back for each of the others.
        folder = name.rpartition("/")[0]
        needed, needed_fr = f"the folder {folder} with all its files", f"le dossier {folder} avec tous ses fichiers"
    return FetchError(
        f"Expected {wanted} ({proof}) in one of these places, received:\n"
        + "".join(f"  - {place}: {problem.written('en')}\n" for place, problem in problems)
        + f"Without internet, copy {needed} to {cache}, or set MI204_MIRROR to a folder or URL that holds it.",
        f"Attendu à l'un de ces endroits : {wanted_fr} ({proof_fr}) ; reçu :\n"
        + "".join(f"  - {place} : {problem.written('fr')}\n" for place, problem in problems)
        + f"Sans internet, copier {needed_fr} dans {cache}, ou donner à MI204_MIRROR un dossier ou une adresse web qui "
        "le contient.",
    )


def _storage_error(error: OSError, english: str, french: str, **values: object) -> StorageError:
    """Say what the system did not allow, given as templates of what comes after "Expected to" and "Impossible"."""
    return StorageError(
        f"Expected to {english}, but the system answered: {{problem}}. Nothing is left half-written. "
        f"Free some space or set {_CACHE_VARIABLE} to another folder, then run the same command again.",
        f"Impossible {french} ; le système répond : {{problem}}. Rien ne reste à moitié écrit. "
        f"Libérer de la place ou donner à {_CACHE_VARIABLE} un autre dossier, puis relancer la même commande.",
        problem=error.strerror or error, **values,
    )
