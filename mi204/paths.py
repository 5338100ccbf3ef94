"""Where files are kept, and how they are written without ever leaving half a file behind."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from mi204.errors import StorageError

_PROJECT = Path(__file__).resolve().parents[1]


def _home() -> Path:
    """Give the project's folder when run from a checkout, else the current folder."""
    return _PROJECT if (_PROJECT / "pyproject.toml").is_file() else Path.cwd()


def datasets_cache() -> Path:
    """Give the folder of downloaded data: ``$MI204_DATASETS_CACHE``, else ``datasets_cache/``."""
    return Path(os.environ.get("MI204_DATASETS_CACHE") or _home() / "datasets_cache")


def figures(lab: str) -> Path:
    """Give the folder of a lab's results: ``$MI204_FIGURES/<lab>``, else ``figures/<lab>``."""
    return Path(os.environ.get("MI204_FIGURES") or _home() / "figures") / lab


def mirror() -> str | None:
    """Give ``$MI204_MIRROR``: a folder or URL base that holds the data sets' files, or None."""
    return os.environ.get("MI204_MIRROR") or None


def writable_folder(folder: Path, variable: str) -> Path:
    """Create a folder if need be and prove that it can be written.

    Raises StorageError naming the environment variable that puts it elsewhere.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise StorageError(
            f"Expected a folder that can be written, received {folder} ({error.strerror or error}). "
            f"Change its permissions, free some space, or set {variable} to another folder."
        ) from error


def write_atomically(
    path: Path,
    write: Callable[[Path], object],
    advice: str = "choose another folder with MI204_FIGURES (results) or MI204_DATASETS_CACHE (data)",
) -> None:
    """Call ``write(temporary)`` beside ``path``, then rename: ``path`` is whole or untouched.

    The temporary file's name ends as ``path`` does. Raises StorageError, with ``advice``, when the disk is full or the
    folder closed.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(
            f"Expected to write {path}, but the system answered: {error.strerror or error}. "
            f"What was there before is untouched. Free some space, or {advice}, then run the same command again."
        ) from error
    finally:
        # What cannot be removed, in a folder that is none, was not written either.
        with contextlib.suppress(OSError):
            temporary.unlink()
