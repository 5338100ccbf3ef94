"""What a lab's run produced: numbers in ``results.json``, arrays in ``arrays.npz``, figures beside them."""

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mi204 import paths
from mi204.errors import DataError
from mi204.language import Language, fill, word


@dataclass(frozen=True)
class Run:
    """One training of one network."""

    study: str
    """What the run belongs to: ``course``, ``batch_size``, …"""
    setting: str
    """What distinguishes it inside its study: ``32``, ``adam``, …"""
    seed: int
    """Seed of the data, the weights and the batches."""
    batch_size: int
    parameters: int
    """Trainable parameters."""
    history: dict[str, list[float]]
    """``loss``, ``acc``, ``val_loss``, ``val_acc``: one value per epoch."""
    epoch_seconds: list[float]
    """Wall time of each epoch, validation included."""
    measures: dict[str, float] = field(default_factory=dict)
    """Scalars measured after training, such as ``test_acc``."""


@dataclass
class Results:
    """All that the answers and figures of a lab need; nothing in it needs a framework."""

    lab: str
    config: dict[str, Any]
    data: str
    """Name of the data set, such as ``CIFAR-10``."""
    source: str
    """``real`` or ``sample``: where the data came from."""
    environment: dict[str, str]
    """Backend, versions, machine."""
    runs: list[Run] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    """Numbers and tables that JSON can hold."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def of_study(self, study: str) -> list[Run]:
        """Give the runs of one study, in the order they were made."""
        return [run for run in self.runs if run.study == study]

    def provenance(self, language: Language) -> str:
        """Name the data set, or say that the sample stood in for it."""
        return self.data if self.source == "real" else fill(word("source_sample", language), vars(self), language)

    def save(self, folder: Path) -> None:
        """Write ``results.json`` and ``arrays.npz``, each whole or not at all."""
        content = asdict(self)
        del content["arrays"]
        text = json.dumps(content, indent=1, ensure_ascii=False)
        # The larger file first: where the disk is full, both stay as they were.
        paths.write_atomically(folder / "arrays.npz", lambda path: np.savez_compressed(path, **self.arrays))
        paths.write_atomically(folder / "results.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))


def load(folder: Path) -> Results:
    """Read what ``Results.save`` wrote.

    Raises DataError when the folder holds no readable results.
    """
    try:
        content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        # The file is opened here, because numpy leaves it open when it is damaged.
        with (folder / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Results(**{**content, "runs": [Run(**run) for run in content["runs"]]}, arrays=dict(arrays))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"Expected the results of a lab in {folder}, received: {error}. "
            f"Run the lab first: python -m labs.{folder.name}"
        ) from error


def save_figures(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as ``<name>.png`` and ``<name>.pdf``; the same results give the same bytes.

    The figures of an earlier run, whose names begin with a number too, are removed: they would not belong to these.
    """
    written = []
    for name, figure in figures.items():
        for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
            path = folder / f"{name}{suffix}"
            paths.write_atomically(path, lambda target, f=figure, m=metadata: f.savefig(target, dpi=150, metadata=m))
            # The panels stay where the first drawing put them: to place them takes half the time of drawing.
            figure.set_layout_engine("none")
            written.append(path)
    for path in folder.glob("[0-9]*_*"):
        if path.suffix in (".png", ".pdf") and path not in written:
            path.unlink()
    return written
