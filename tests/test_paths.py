"""Where files are kept, and how they are written."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mi204 import paths
from mi204.errors import StorageError

PROJECT = Path(__file__).resolve().parents[1]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("value", [None, ""])
def test_folders_of_a_checkout(monkeypatch, tmp_path, value):
    monkeypatch.chdir(tmp_path)
    for variable in ("MI204_DATASETS_CACHE", "MI204_FIGURES", "MI204_MIRROR"):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    assert paths.datasets_cache() == PROJECT / "datasets_cache"
    assert paths.figures("toy") == PROJECT / "figures" / "toy"
    assert paths.mirror() is None


def test_environment_variables_put_them_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("MI204_MIRROR", "https://mirror.example/data")
    assert paths.datasets_cache() == tmp_path / "cache"
    assert paths.figures("toy") == tmp_path / "figures" / "toy"
    assert paths.mirror() == "https://mirror.example/data"


@pytest.mark.parametrize("around", ['"{}"', "'{}'", " {}", "{} ", '" {} "', "{}\r\n"])
def test_blanks_and_quotes_that_a_shell_leaves_around_a_value_are_none_of_it(monkeypatch, tmp_path, around):
    folder = tmp_path / "my data's"
    for variable in ("MI204_DATASETS_CACHE", "MI204_FIGURES", "MI204_MIRROR"):
        monkeypatch.setenv(variable, around.format(folder))
    assert (paths.datasets_cache(), paths.figures("toy"), paths.mirror()) == (folder, folder / "toy", folder)
    monkeypatch.setenv("MI204_MIRROR", around.format("HTTPS://mirror.example/"))
    assert paths.mirror() == "HTTPS://mirror.example"


@pytest.mark.parametrize("value", ["~/data", '"~/data"', " ~/data"])
def test_the_home_folder_may_be_written_with_a_tilde(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("MI204_DATASETS_CACHE", "MI204_FIGURES", "MI204_MIRROR"):
        monkeypatch.setenv(variable, value)
    folder = tmp_path / "data"
    assert (paths.datasets_cache(), paths.figures("toy"), paths.mirror()) == (folder, folder / "toy", folder)


def test_a_mirror_is_a_folder_or_a_web_address(monkeypatch, tmp_path):
    for value, mirror in (
        ((tmp_path / "é è").as_uri(), tmp_path / "é è"),
        ("http://mirror.example:81//", "http://mirror.example:81"),
        ("http", Path("http")),
        ("relative/folder", Path("relative/folder")),
        ("C:\\usb", Path("C:\\usb")),
        (' "" ', None),
    ):
        monkeypatch.setenv("MI204_MIRROR", value)
        assert paths.mirror() == mirror


def test_an_installed_package_keeps_files_in_the_current_folder(tmp_path):
    package, here = tmp_path / "site" / "mi204", tmp_path / "here"
    package.mkdir(parents=True)
    here.mkdir()
    for name in ("__init__.py", "errors.py", "paths.py"):
        shutil.copy(PROJECT / "mi204" / name, package)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MI204_")}
    told = subprocess.run(
        [sys.executable, "-c", "from mi204.paths import *; print(datasets_cache(), figures('toy'), sep='\\n')"],
        cwd=here,
        env=environment | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [Path(line) for line in told.stdout.splitlines()] == [here / "datasets_cache", here / "figures" / "toy"]


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    folder = tmp_path / "a" / "b"
    assert paths.writable_folder(folder, "MI204_FIGURES") == folder
    assert paths.writable_folder(folder, "MI204_FIGURES") == folder
    assert names(folder) == []


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match=r"file.*set MI204_FIGURES to another folder"):
        paths.writable_folder(tmp_path / "file" / below, "MI204_FIGURES")
    assert (tmp_path / "file").read_text() == "kept"


def test_write_atomically_makes_the_folder_and_the_file(tmp_path):
    path = tmp_path / "a" / "b" / "figure.png"
    seen = []

    def write(temporary):
        seen.append((temporary.parent, temporary.suffix, temporary == path))
        temporary.write_text("new")

    paths.write_atomically(path, write)
    assert seen == [(path.parent, ".png", False)]
    assert path.read_text() == "new"
    assert names(path.parent) == ["figure.png"]


def test_write_atomically_replaces_the_old_content_only_at_the_end(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    during = []

    def write(temporary):
        temporary.write_text("new")
        during.append(path.read_text())

    paths.write_atomically(path, write)
    assert during == ["old"]
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("a bug stays a bug"), ValueError),
    ],
)
def test_a_write_that_fails_half_way_leaves_the_old_content(tmp_path, error, seen):
    path = tmp_path / "results.json"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("ne")
        raise error

    with pytest.raises(seen) as caught:
        paths.write_atomically(path, write)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["results.json"]
    if seen is StorageError:
        assert f"{path}, but the system answered: No space left on device" in str(caught.value)


def test_a_folder_in_the_place_of_the_file_is_left_alone(tmp_path):
    (tmp_path / "results.json").mkdir()
    with pytest.raises(StorageError, match=r"results\.json"):
        paths.write_atomically(tmp_path / "results.json", lambda path: path.write_text("new"))
    assert names(tmp_path) == ["results.json"]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path, below):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match=r"results\.json"):
        paths.write_atomically(tmp_path / "file" / below / "results.json", lambda path: path.write_text("new"))
    assert (tmp_path / "file").read_text() == "kept"
