"""What a lab's run leaves on the disk."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from matplotlib.figure import Figure

from mi204 import results
from mi204.errors import DataError
from mi204.results import Results, Run


def made(**changed):
    runs = [
        Run("course", "32", 0, 32, 224, {"loss": [2.1, 1.9], "val_loss": [2.0, 1.8]}, [1.5, 0.9], {"test_acc": 0.4}),
        Run("batch_size", "64", 1, 64, 224, {"loss": [0.1 + 0.2]}, [1.0]),
        Run("course", "32", 1, 32, 224, {"loss": [1.0]}, [1.0]),
    ]
    content = {
        "lab": "toy",
        "config": {"seed": 3, "filters": [8, 16], "patience": None},
        "data": "Numbers",
        "source": "sample",
        "environment": {"backend": "tensorflow", "machine": "2 cœurs"},
        "runs": runs,
        "values": {"layers": [{"name": "conv2d", "parameters": 224}]},
        "arrays": {
            "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
            "maps": np.array([0.1, np.nan], dtype=np.float32),
        },
    }
    return Results(**content | changed)


def test_the_sample_is_never_taken_for_the_data():
    assert made(source="real").provenance("fr") == "Numbers"
    assert made().provenance("en") == "procedural sample, NOT Numbers"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_read_back(tmp_path):
    made().save(tmp_path / "new" / "toy")
    loaded = results.load(tmp_path / "new" / "toy")
    expected = made()
    assert names(tmp_path / "new" / "toy") == ["arrays.npz", "results.json"]
    assert list(loaded.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], array, strict=True)
    assert loaded.runs == expected.runs
    loaded.arrays = expected.arrays = {}
    assert asdict(loaded) == asdict(expected)


def test_the_file_can_be_read_by_people(tmp_path):
    made().save(tmp_path)
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    assert "2 cœurs" in text
    assert json.loads(text)["runs"][0]["measures"] == {"test_acc": 0.4}


def test_the_runs_of_one_study_in_their_order():
    runs = made().runs
    assert made().of_study("course") == [runs[0], runs[2]]
    assert made().of_study("depth") == []


def test_a_missing_folder_says_which_lab_to_run(tmp_path):
    with pytest.raises(DataError, match=r"python -m labs\.toy$"):
        results.load(tmp_path / "toy")


@pytest.mark.parametrize("name", ["results.json", "arrays.npz"])
def test_a_missing_file_says_which_lab_to_run(tmp_path, name):
    made().save(tmp_path / "toy")
    (tmp_path / "toy" / name).unlink()
    with pytest.raises(DataError, match=rf"{name}.*python -m labs\.toy$"):
        results.load(tmp_path / "toy")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b'{"runs": 3}', b'{"runs": [{"seed": 1}]}', b'{"runs": []}'],
)
def test_damaged_results_say_which_lab_to_run(tmp_path, content):
    made().save(tmp_path / "toy")
    (tmp_path / "toy" / "results.json").write_bytes(content)
    with pytest.raises(DataError, match=r"python -m labs\.toy$"):
        results.load(tmp_path / "toy")


def halved(content):
    return content[: len(content) // 2]


def emptied(content):
    return b""


def overwritten(content):
    return b"not an archive"


def scratched(content):
    """Spoil the compressed bytes of the first array and leave the list of files whole."""
    return content[:60] + bytes(30) + content[90:]


@pytest.mark.parametrize("damage", [halved, emptied, overwritten, scratched])
def test_damaged_arrays_say_which_lab_to_run(tmp_path, damage):
    made().save(tmp_path / "toy")
    path = tmp_path / "toy" / "arrays.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"python -m labs\.toy$"):
        results.load(tmp_path / "toy")


def test_nothing_in_the_arrays_is_executed(tmp_path):
    made(arrays={"objects": np.array([{}], dtype=object)}).save(tmp_path / "toy")
    with pytest.raises(DataError, match="allow_pickle"):
        results.load(tmp_path / "toy")


class Interrupting:
    def __array__(self, dtype=None, copy=None):
        raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_old_arrays(tmp_path):
    made().save(tmp_path)
    before = (tmp_path / "arrays.npz").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        made(arrays={"written": np.zeros(1000), "not_written": Interrupting()}).save(tmp_path)
    assert (tmp_path / "arrays.npz").read_bytes() == before
    assert names(tmp_path) == ["arrays.npz", "results.json"]


def test_what_json_cannot_hold_leaves_the_old_results(tmp_path):
    made().save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TypeError):
        made(values={"accuracy": object()}).save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def figure():
    drawn = Figure(figsize=(2, 1))
    drawn.subplots().plot([1, 3, 2], label="été")
    drawn.suptitle("été")
    return drawn


def test_figures_are_the_same_bytes_twice(tmp_path):
    first, second = (results.save_figures({"1_a": figure(), "2_b": figure()}, tmp_path / name) for name in ("x", "y"))
    assert [path.name for path in first] == ["1_a.png", "1_a.pdf", "2_b.png", "2_b.pdf"]
    assert names(tmp_path / "x") == sorted(path.name for path in first)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    png, pdf = (path.read_bytes() for path in first[:2])
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
    # Both would still be equal within one second, or with one version of matplotlib.
    assert b"Date" not in pdf
    assert b"Software" not in png
