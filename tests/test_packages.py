"""What is installed, and which extra brings what is not."""

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from mi204 import packages
from mi204.errors import SettingError

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("jax", '".[jax]"'), ("torch", '".[torch]"'), ("librosa", '".[audio]"'), ("soundfile", '".[audio]"'),
        ("torchaudio", '".[torchaudio]"'), ("gradio", '".[demo]"'), ("tensorflow", "."),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch, name, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError) as refused:
        packages.require(name)
    command = re.escape(f"pip install -e {extra} (")
    assert re.search(rf"Expected {name} to be .* {command}in the project's folder\)\.$", refused.value.written("en"))
    assert re.search(rf"{name} attendu.* {command}dans le dossier du projet\)\.$", refused.value.written("fr"))


def test_what_to_choose_instead_is_said_in_both_languages(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError) as refused:
        packages.require("torch", "--engine keras")
    assert refused.value.written("en").endswith(", or choose another: --engine keras.")
    assert refused.value.written("fr").endswith(", ou choisir autre chose : --engine keras.")


def test_what_is_installed_passes():
    packages.require("numpy", "nothing else")
    assert packages.installed("numpy")
    assert not packages.installed("no_such_package")


def test_every_extra_brings_the_packages_that_it_is_named_for():
    for name, extra in packages._EXTRAS.items():
        wanted = PROJECT["optional-dependencies"][extra]
        assert any(re.match(rf"{name.replace('_', '-')}\b", requirement) for requirement in wanted), name


def test_version_is_that_of_the_distribution(monkeypatch):
    assert packages.version("numpy") == np.__version__
    assert packages.version("no-such-package") == "unknown"

    def version(name):
        if name != "tensorflow-cpu":
            raise importlib.metadata.PackageNotFoundError(name)
        return "9.8.7"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert packages.version("tensorflow") == "9.8.7"
