"""What a lab's run measured: typed, saved with its arrays, read back as it was, and never overwritten by another run.

A lab's own dataclass, a subclass of ``Measured``, says what there is, each field with its shape and unit. A folder
``figures/<lab>/<name>`` holds one such record: ``results.json``, the arrays it names, and the figures in each language.
"""

import contextlib
import hashlib
import json
import math
import re
import zipfile
import zlib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import cattrs
import numpy as np

from mi204 import paths
from mi204.errors import DataError
from mi204.language import Language, Text, Word, fill, word

Setting = str
"""Name of a setting: a ``Word`` where it is to be translated."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What one training of one network measured."""

    parameters: int
    """Trainable parameters."""
    history: dict[str, list[float]]
    """Losses and accuracies, by name: one value per epoch; NaN where the training diverged."""
    epoch_seconds: list[float]
    """Wall time of each epoch in seconds, validation included."""
    measures: dict[str, float] = field(default_factory=dict)
    """Scalars measured after training, such as ``test_accuracy``."""


@dataclass(frozen=True, kw_only=True)
class Run(Trained):
    """One training and the place that it has among the others."""

    study: str
    """What the run belongs to: ``course``, ``batch_size``, …"""
    setting: Setting
    """What distinguishes it inside its study: ``32``, a ``Word``, …"""
    seed: int
    """Seed of the data, the weights and the batches."""
    key: str
    """Name of its folder, which holds its best model where that is kept; the same for trainings that are the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """All that the answers and figures of a lab need; nothing in it needs a framework. Each lab adds its fields."""

    config: Any
    """The lab's settings."""
    data: str
    """Name of the data set, such as ``CIFAR-10``."""
    source: Literal["real", "sample"]
    """Where the data came from."""
    origin: str
    """Digest of what the numbers depend on besides the settings: code, data, backend, versions."""
    environment: dict[str, str]
    """Backend, versions, machine."""
    runs: list[Run]
    """Every training, study by study."""

    def __eq__(self, other: object) -> bool:
        """Say whether both hold the same, arrays and NaN included."""
        if type(self) is not type(other):
            return NotImplemented
        (text, arrays), (other_text, others) = _content(self), _content(other)
        return text == other_text and all(
            (array.dtype, array.shape, array.tobytes()) == (other.dtype, other.shape, other.tobytes())
            for array, other in zip(arrays.values(), others.values(), strict=True)
        )

    __hash__ = None

    def of_study(self, study: str) -> list[Run]:
        """Give the runs of one study, in the order they were made."""
        return [run for run in self.runs if run.study == study]

    @property
    def studies(self) -> set[str]:
        """Names of the studies that were run."""
        return {run.study for run in self.runs}

    @property
    def too_small(self) -> bool:
        """Whether this run only shows that everything works: nothing can be concluded from its numbers."""
        return self.config.preset == "quick"

    def provenance(self, language: Language) -> str:
        """Name the data set, or say that the sample stood in for it."""
        return self.data if self.source == "real" else fill(word("source_sample", language), vars(self), language)


Record = TypeVar("Record", bound=Measured)


def digest(*parts: object) -> str:
    """Name texts, numbers and what JSON can hold of them by 16 hexadecimal digits: equal parts, equal name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


# --- one record, one file ---


def save(measured: Measured, folder: Path) -> None:
    """Write ``results.json`` and the file of arrays that it names; what stood there before stays until both are."""
    text, arrays = _content(measured)
    # Named by its content: never the file of the record that stands there until the new one is whole.
    contents = hashlib.sha256(text.encode())
    for array in arrays.values():
        contents.update(array.tobytes())
    name = f"arrays_{contents.hexdigest()[:8]}.npz"
    content = json.dumps(
        {"version": _version(type(measured)), "arrays": name, "measured": json.loads(text)}, indent=1,
        ensure_ascii=False,
    )
    paths.write_atomically(folder / name, lambda path: np.savez_compressed(path, **arrays))
    paths.write_atomically(folder / "results.json", lambda path: path.write_text(content + "\n", encoding="utf-8"))
    for older in folder.glob("arrays_*.npz"):
        if older.name != name:
            older.unlink()


def load(kind: type[Record], folder: Path) -> Record:
    """Read what ``save`` wrote, by the types of ``kind``.

    Raises DataError when the folder holds no readable results, or those of another version of the lab.
    """
    try:
        content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        if content["version"] != _version(kind):
            raise _unreadable(kind, folder, _OTHER_VERSION)
        # Opened here, because numpy leaves a damaged file open.
        with (folder / Path(content["arrays"]).name).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        return _converter(arrays).structure(content["measured"], kind)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error,
        cattrs.BaseValidationError,
    ) as error:
        reasons = cattrs.transform_error(error) if isinstance(error, cattrs.BaseValidationError) else [str(error)]
        raise _unreadable(kind, folder, reasons[0]) from error


_OTHER_VERSION = Text("those of another version of the lab", "ceux d'une autre version du lab")


def _unreadable(kind: type, folder: Path, reason: str | Text) -> DataError:
    return DataError(
        "Expected the results of a lab in {folder}, received: {reason}. Run the lab to make them anew: python -m {lab}",
        "Résultats d'un lab attendus dans {folder}, reçu : {reason}. Relancer le lab pour les refaire : "
        "python -m {lab}",
        folder=folder, reason=reason, lab=kind.__module__.rpartition(".")[0],
    )


def write_record(value: Trained, path: Path) -> None:
    """Write a small dataclass without arrays as JSON, whole or not at all."""
    text = json.dumps({"version": _version(type(value))} | _converter({}).unstructure(value), indent=1)
    paths.write_atomically(path, lambda target: target.write_text(text + "\n", encoding="utf-8"))


def read_record(kind: type[Trained], path: Path) -> Trained | None:
    """Read what ``write_record`` wrote; None where there is none, or another version's, or a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("version") != _version(kind):
            return None
        return _converter({}).structure(content, kind)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, cattrs.BaseValidationError):
        return None


def _content(value: Any) -> tuple[str, dict[str, np.ndarray]]:
    """Give a record as JSON text and the arrays that the text names by their place."""
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_converter(arrays).unstructure(value), ensure_ascii=False, allow_nan=False)
    return text, arrays


def _converter(arrays: dict[str, np.ndarray]) -> cattrs.Converter:
    """Make the converter between typed records and JSON; arrays are collected in, or taken from, ``arrays``."""
    converter = cattrs.Converter(forbid_extra_keys=True)

    def name_array(array: np.ndarray) -> dict[str, str]:
        name = f"{len(arrays)}"
        arrays[name] = array
        return {"array": name}

    def exactly(value: Any, kind: type) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"{kind.__name__} expected, {value!r} received")
        return value

    def number(value: Any, _: type) -> float:
        if isinstance(value, bool) or (isinstance(value, str) and value not in ("nan", "inf", "-inf")):
            raise TypeError(f"a number expected, {value!r} received")
        return float(value)

    converter.register_unstructure_hook(np.ndarray, name_array)
    converter.register_structure_hook(np.ndarray, lambda value, _: arrays[value["array"]])
    # JSON has no NaN and no infinity.
    converter.register_unstructure_hook(float, lambda value: value if math.isfinite(value) else repr(float(value)))
    converter.register_structure_hook(float, number)
    converter.register_unstructure_hook(str, lambda value: {"word": str(value)} if isinstance(value, Word) else value)
    converter.register_structure_hook(
        str, lambda value, _: Word(value["word"]) if isinstance(value, dict) else exactly(value, str)
    )
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    for kind in (int, bool):
        converter.register_structure_hook(kind, exactly)
    # The keys of a JSON object are texts.
    converter.register_structure_hook_func(
        lambda kind: get_origin(kind) is dict and get_args(kind)[0] is int,
        lambda value, kind: {int(key): converter.structure(each, get_args(kind)[1]) for key, each in value.items()},
    )
    return converter


def _version(kind: type) -> str:
    """Name the fields and types of a record: a file with other ones is another version's."""

    def shape(hint: Any) -> object:
        if is_dataclass(hint):
            hints = get_type_hints(hint)
            return [hint.__name__, {each.name: shape(hints[each.name]) for each in fields(hint)}]
        return [str(get_origin(hint)), [shape(part) for part in get_args(hint)]] if get_args(hint) else str(hint)

    return digest(shape(kind))


# --- the records of one lab, side by side ---


@dataclass(frozen=True)
class Kept:
    """What stands on the disk after a run was added to the records of its lab."""

    measured: Any
    """The record as it is read back: this run, and what earlier runs with the same settings had measured."""
    folder: Path
    """Its folder."""
    moved: Path | None
    """Where the record that stood there was moved, because its code, data or versions were others."""


def keep(measured: Record, default: Any, folder: Path) -> Kept:
    """Add a run to the records in ``folder`` so that nothing measured earlier is lost.

    A record with the same settings and origin gains what this run measured; one with another origin, or that can no
    longer be read, is moved aside; one with other settings has a folder of its own, named after what differs from
    ``default``, the settings of its preset.
    """
    target = folder / record_name(measured, default)
    earlier, moved = None, None
    if (target / "results.json").exists():
        with contextlib.suppress(DataError):
            earlier = load(type(measured), target)
        if earlier is None or earlier.origin != measured.origin:
            earlier, moved = None, _moved_aside(target)
    merged = measured if earlier is None else _merged(earlier, measured)
    save(merged, target)
    return Kept(load(type(measured), target), target, moved)


def records(folder: Path) -> list[Path]:
    """List the folders of a lab's records, the one written last first."""
    found = [path.parent for path in folder.glob("*/results.json")]
    return sorted(found, key=lambda path: (path / "results.json").stat().st_mtime, reverse=True)


def record_name(measured: Measured, default: Any) -> str:
    """Name a record by its preset, its backend, the sample where it was used, and the settings that were changed."""
    backend = re.sub(r"\W+", "_", measured.environment["backend"]).strip("_")
    parts = [measured.config.preset, backend]
    if measured.source == "sample":
        parts.append("sample")
    written = {
        name: "+".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in changed(measured.config, default).items()
    }
    text = ",".join(f"{name}={value}" for name, value in written.items())
    plain = re.sub(r"[^\w=.,+-]+", "_", text)
    parts += [plain if plain and len(plain) <= 60 and plain == text else digest(text)] if text else []
    return "-".join(parts)


SHOWN_ONLY = ("questions", "language", "data", "recipe")
"""Fields of a lab's settings that change what is shown, not what is measured; the recipe is compared by its parts."""


def changed(config: Any, default: Any) -> dict[str, Any]:
    """Give the settings that differ from the default, those of the recipe among them."""
    found = {}
    for part, usual in ((config.recipe, default.recipe), (config, default)):
        for each in fields(part):
            value = getattr(part, each.name)
            if each.name not in SHOWN_ONLY and value != getattr(usual, each.name):
                found[each.name] = value
    return found


def _moved_aside(folder: Path) -> Path:
    """Rename a folder to its name and the first free number."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return folder.rename(aside)


def _merged(earlier: Record, measured: Record) -> Record:
    """Give all that either has measured; what both have is the later one's."""
    again = {(run.study, run.setting, run.seed) for run in measured.runs}
    kept = [run for run in earlier.runs if (run.study, run.setting, run.seed) not in again]
    values = {
        each.name: getattr(earlier, each.name) for each in fields(measured) if getattr(measured, each.name) is None
    }
    return replace(measured, **values, runs=kept + measured.runs)


# --- figures ---


def save_figures(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Write each figure as ``<name>.png`` and ``<name>.pdf``; the same results give the same bytes."""
    written = []
    for name, figure in figures.items():
        for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
            path = folder / f"{name}{suffix}"
            paths.write_atomically(path, lambda target, f=figure, m=metadata: f.savefig(target, dpi=150, metadata=m))
            # The panels stay where the first drawing put them: to place them takes half the time of drawing.
            figure.set_layout_engine("none")
            written.append(path)
    return written
