"""Which packages are installed, in which version, and which extra of the project brings them; imports none of them."""

import importlib.metadata
import importlib.util

from mi204.errors import SettingError

_EXTRAS = {
    "jax": "jax",
    "torch": "torch",
    "librosa": "audio",
    "soundfile": "audio",
    "torchaudio": "torchaudio",
    "imgaug": "explain",
    "tf_keras_vis": "explain",
    "jupytext": "notebooks",
    "nbclient": "notebooks",
    "nbconvert": "notebooks",
    "gradio": "demo",
}
"""The extra of pyproject.toml that brings a package, by the name under which Python imports it."""


def installed(name: str) -> bool:
    """Say whether Python finds a package, by the name under which it is imported."""
    return importlib.util.find_spec(name) is not None


def require(name: str, alternative: str = "") -> None:
    """Prove that a package is installed, by the name under which it is imported.

    Raises SettingError saying which extra to install, or which ``alternative`` to choose, where there is one.
    """
    if installed(name):
        return
    raise SettingError(
        "Expected {name} to be installed, but Python does not find it. "
        "Install it with: pip install -e {extra} (in the project's folder)"
        + (", or choose another: {alternative}." if alternative else "."),
        "{name} attendu, mais Python ne le trouve pas. "
        "L'installer par : pip install -e {extra} (dans le dossier du projet)"
        + (", ou choisir autre chose : {alternative}." if alternative else "."),
        name=name,
        extra=f'".[{_EXTRAS[name]}]"' if name in _EXTRAS else ".",
        alternative=alternative,
    )


def version(name: str) -> str:
    """Give the version of an installed package; tensorflow's processor-only wheel has a name of its own."""
    for distribution in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
