"""Where files are kept, and how they are written without ever leaving half a file behind."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mi204.errors import StorageError
from mi204.language import Text

ELSEWHERE = Text(
    "choose another folder with MI204_FIGURES (results) or MI204_DATASETS_CACHE (data)",
    "choisir un autre dossier par MI204_FIGURES (résultats) ou MI204_DATASETS_CACHE (données)",
)

OTHER_FILE = Text("choose another file", "choisir un autre fichier")

_PROJECT = Path(__file__).resolve().parents[1]


def _home() -> Path:
    """Give the project's folder when run from a checkout, else the current folder."""
    return _PROJECT if (_PROJECT / "pyproject.toml").is_file() else Path.cwd()


def datasets_cache() -> Path:
    """Give the folder of downloaded data: ``$MI204_DATASETS_CACHE``, else ``datasets_cache/``."""
    return Path(_setting("MI204_DATASETS_CACHE") or _home() / "datasets_cache")


def figures(lab: str) -> Path:
    """Give the folder of a lab's results: ``$MI204_FIGURES/<lab>``, else ``figures/<lab>``."""
    return Path(_setting("MI204_FIGURES") or _home() / "figures") / lab


def mirror() -> Path | str | None:
    """Give ``$MI204_MIRROR``, which holds the data sets' files: a folder, the base of http(s) addresses, or None."""
    value = _setting("MI204_MIRROR")
    if value.lower().startswith(("http:", "https:")):
        return value.rstrip("/")
    if value.lower().startswith("file:"):
        return Path(url2pathname(urlsplit(value).path))
    return Path(value) if value else None


def _setting(variable: str) -> str:
    """Give what an environment variable names, without what shells leave: blanks and quotes around it, a ``~``."""
    return os.path.expanduser(os.environ.get(variable, "").strip(" \t\r\n\"'"))


@contextlib.contextmanager
def given_or_temporary(folder: Path | None) -> Iterator[Path]:
    """Give a folder, or where there is none a temporary one that is removed at the end."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


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
            "Expected a folder that can be written, received {folder} ({reason}). "
            "Change its permissions, free some space, or set {variable} to another folder.",
            "Dossier où écrire attendu, {folder} reçu ({reason}). "
            "Changer ses droits, libérer de la place ou donner un autre dossier par {variable}.",
            folder=folder, reason=error.strerror or error, variable=variable,
        ) from error


def write_atomically(
    path: Path,
    write: Callable[[Path], object],
    advice: Text = ELSEWHERE,
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
            f"Expected to write {{path}}, but the system answered: {{reason}}. What was there before is untouched. "
            f"Free some space, or {advice.en}, then run the same command again.",
            f"Écriture de {{path}} attendue, mais le système a répondu : {{reason}}. Ce qui s'y trouvait est intact. "
            f"Libérer de la place ou {advice.fr}, puis relancer la même commande.",
            path=path, reason=error.strerror or error,
        ) from error
    finally:
        # What cannot be removed, in a folder that is none, was not written either.
        with contextlib.suppress(OSError):
            temporary.unlink()
