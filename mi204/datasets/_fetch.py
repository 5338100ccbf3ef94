"""Locate, download, verify and extract the files of a data set; nothing is used unverified."""

import gzip
import logging
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
from requests import RequestException

from mi204 import paths
from mi204.errors import DataError, StorageError

_log = logging.getLogger(__name__)

_CACHE_VARIABLE = "MI204_DATASETS_CACHE"
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_RETRIES = 2


@dataclass(frozen=True)
class RemoteFile:
    """An official file of a data set and what proves that it is the right one."""

    name: str
    """Its name in the cache and in a mirror, folders included: ``cifar-10-python.tar.gz``."""
    url: str
    """Its official address."""
    sha256: str
    folder: str = ""
    """For a tar archive, the folder that it extracts to; empty for a file used as it is."""
    md5s: Mapping[str, str] = field(default_factory=dict)
    """MD5 of each file of that folder that is read; a folder is used only if all of them agree."""


class FetchError(DataError):
    """No place holds the data set whole."""

    notice = ""
    """One line for those who go on with the sample; names the files that were found damaged."""


class _DamagedError(DataError):
    """A file is there, but is not the official one."""

    def __init__(self, where: Path | str, problem: str) -> None:
        super().__init__(problem)
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
            tried.append(f"{place}: {error}")
        except (DataError, OSError) as error:
            tried.append(f"{place}: {error}")
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
                yield folder / f"{remote.folder}-target" / remote.folder
        yield folder / remote.name
    if scheme in ("http", "https"):
        yield f"{mirror.rstrip('/')}/{remote.name}"
    yield remote.url


def _obtain(place: Path | str, remote: RemoteFile) -> Path:
    if isinstance(place, str):
        place = _download(place, remote)
    elif not place.exists():
        raise DataError("not there")
    elif remote.folder and place.name == remote.folder:
        _verify_folder(place, remote)
        return place
    else:
        _verify(place, "sha256", remote.sha256)
    return _extract(place, remote) if remote.folder else place


def _verify_folder(folder: Path, remote: RemoteFile) -> None:
    for name, md5 in remote.md5s.items():
        _verify(folder / name, "md5", md5)


def _verify(file: Path, algorithm: str, expected: str) -> None:
    received = pooch.file_hash(file, algorithm) if file.exists() else "no such file"
    if received != expected:
        raise _DamagedError(file, f"{file.name}: expected {algorithm.upper()} {expected}, received {received}")


def _download(url: str, remote: RemoteFile) -> Path:
    """Download to a temporary file of the cache, verify it, give it its name."""
    cache = paths.datasets_cache()
    downloads = pooch.create(
        path=cache,
        base_url="",
        registry={remote.name: f"sha256:{remote.sha256}"},
        urls={remote.name: url},
        retry_if_failed=_RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
    try:
        return Path(downloads.fetch(remote.name, downloader=downloader))
    except RequestException as error:
        raise DataError(f"cannot be downloaded: {error}") from error
    except ValueError as error:
        raise _DamagedError(url, str(error)) from error
    except OSError as error:
        raise _storage_error(f"download {url} into {cache}", error) from error


def _extract(archive: Path, remote: RemoteFile) -> Path:
    """Extract beside the final folder, verify, then rename: the final folder is whole or absent."""
    cache = paths.writable_folder(paths.datasets_cache(), _CACHE_VARIABLE)
    target = cache / remote.folder
    try:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".extracting-") as temporary:
            inside = Path(temporary, "inside")
            with tarfile.open(archive) as tar:
                _refuse_unsafe(tar, archive, inside)
                # Python 3.11 has the filter from 3.11.4 on; before, the check above stands alone.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(inside)
            _verify_folder(inside / remote.folder, remote)
            try:
                # Another process may have finished the same work meanwhile and be reading its files.
                _verify_folder(target, remote)
            except _DamagedError:
                if target.exists():
                    os.rename(target, Path(temporary, "damaged"))
                os.rename(inside / remote.folder, target)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _DamagedError(archive, f"expected a tar archive, received: {error}") from error
    except OSError as error:
        raise _storage_error(f"extract {archive} into {cache}", error) from error
    return target


def _fetch_error(remote: RemoteFile, tried: list[str], damaged: list[str]) -> FetchError:
    wanted, needed = remote.name, remote.name
    if remote.folder:
        wanted = needed = f"{remote.name} or its extracted folder {remote.folder}"
    elif "/" in remote.name:
        # One file of several: told about this one alone, people would come back for each of the others.
        needed = f"the folder {remote.name.rpartition('/')[0]} with all its files"
    error = FetchError(
        f"Expected {wanted} (SHA-256 of {remote.name}: {remote.sha256}) in one of these places, received:\n"
        + "".join(f"  - {line}\n" for line in tried)
        + f"Without internet, copy {needed} to {paths.datasets_cache()}, "
        "or set MI204_MIRROR to a folder or URL that holds it."
    )
    error.notice = f"The real data ({remote.name}) could not be reached or verified: the procedural sample replaces it."
    if damaged:
        error.notice += f" Found damaged: {', '.join(damaged)}."
    return error


def _refuse_unsafe(tar: tarfile.TarFile, archive: Path, folder: Path) -> None:
    for member in tar:
        if not (member.isreg() or member.isdir()):
            raise _DamagedError(archive, f"expected files and folders alone, received a link or device: {member.name}")
        if not (folder / member.name).resolve().is_relative_to(folder.resolve()):
            raise _DamagedError(archive, f"expected files inside {folder.name}, received one outside: {member.name}")


def _storage_error(task: str, error: OSError) -> StorageError:
    return StorageError(
        f"Expected to {task}, but the system answered: {error.strerror or error}. Nothing is left half-written. "
        f"Free some space or set {_CACHE_VARIABLE} to another folder, then run the same command again."
    )
