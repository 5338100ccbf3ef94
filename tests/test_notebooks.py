"""Each lab is a notebook: its cells run from first to last in a kernel of their own."""

import os
from pathlib import Path

import pytest

from mi204 import commands

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.notebook
@pytest.mark.parametrize("lab", commands.labs())
def test_every_cell_runs_and_shows(lab, tmp_path, monkeypatch):
    import jupytext
    import nbclient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("MI204_FIGURES", str(tmp_path))
    notebook = jupytext.read(ROOT / "labs" / lab / "lab.py")
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 2  # images, a curve
    assert "text/markdown" in kinds  # the answers
    assert "Total params" in str(outputs)
    assert not list(tmp_path.iterdir())
