"""What stands in the child for the packages of templates, reports and notebooks that are not installed there.

Part 1 needs none of them: a stand-in takes any call and computes nothing.
"""

import builtins
import sys
import types
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from typing import Any
from unittest import mock

import torch

called: set[str] = set()
"""The packages of which something has been called since this was cleared."""

_PACKAGES = ("google", "IPython", "matplotlib", "pandas", "PIL", "scipy", "seaborn", "sklearn", "torchvision", "tqdm")
_PYTHON_MAGICS = ("capture", "prun", "time", "timeit")
"""The magics of a notebook whose cell is Python."""


class AbsentPackage(mock.MagicMock):
    """All that an absent package holds; a progress bar, like any call, passes on what it is to go through."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Give one more stand-in."""
        if self.package != "IPython":  # packages that are there ask it whether this is a notebook
            called.add(self.package)
        result = super().__call__(*arguments, **options)
        if arguments and isinstance(arguments[0], Iterable) and isinstance(result, AbsentPackage):
            result.__iter__.return_value = arguments[0]
        return result


class Finder:
    """Import a stand-in where a package is absent: the last of the finders."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find these packages alone."""
        return ModuleSpec(name, Finder, is_package=True) if name.split(".")[0] in _PACKAGES else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> types.ModuleType:
        """Give a stand-in; all that is taken from it has its class."""
        kind = type("AbsentPackage", (AbsentPackage,), {"package": spec.name.split(".")[0]})
        return kind(name=spec.name, __name__=spec.name, __path__=[], __spec__=spec)

    @staticmethod
    def exec_module(module: types.ModuleType) -> None:
        """Nothing is left to do."""


def install(module: types.ModuleType) -> None:
    """Put the stand-ins in place, those too of what a notebook has without an import, and whose cells ``module`` runs.

    IPython itself is no help where there is no notebook, and torch's compiler takes longer than a submission may.
    """
    sys.meta_path.append(Finder)
    notebook = sys.modules["IPython"] = Finder.create_module(ModuleSpec("IPython", Finder, is_package=True))
    notebook.version_info = (9, 0, 0)  # matplotlib compares it
    builtins.get_ipython, builtins.display = notebook.get_ipython, notebook.display

    def run_cell(magic: str, line: str, cell: str) -> None:
        if magic in _PYTHON_MAGICS:
            exec(cell, vars(module))

    notebook.get_ipython.return_value.run_cell_magic.side_effect = run_cell
    torch.compile = _uncompiled


def _uncompiled(model: Any = None, **options: Any) -> Any:
    return _uncompiled if model is None else model
