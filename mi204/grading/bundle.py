"""The zip that Gradescope's autograder page takes: how to install the grader, how to run it, and its source."""

import json
import zipfile
from pathlib import Path

from mi204 import paths
from mi204.grading import grader
from mi204.language import Language

SETUP = """\
#!/usr/bin/env bash
# Ubuntu 22.04 or newer: mi204 needs Python 3.11 or newer, the grader torch and numpy, our own solution, to compare
# with, pooch.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y python3.11 python3.11-venv || apt-get install -y python3 python3-venv
"$(command -v python3.11 || command -v python3)" -m venv /autograder/venv
/autograder/venv/bin/pip install --index-url https://download.pytorch.org/whl/cpu 'torch>=2.8,<2.14' torchvision
/autograder/venv/bin/pip install 'numpy>=2.0' 'pooch>=1.8' 'requests>=2.31' matplotlib tqdm
"""
RUN = """\
#!/usr/bin/env bash
# Another folder than Gradescope's: AUTOGRADER=folder PYTHON=python ./run_autograder
set -euo pipefail
export AUTOGRADER="${{AUTOGRADER:-/autograder}}"
export PYTHONPATH="$AUTOGRADER/source"
cd "$AUTOGRADER"
mkdir -p results
chmod 700 "$PYTHONPATH/mi204"  # our own solution is not for submissions to read
# A submission that brings Python down has no say in the result.
"${{PYTHON:-$AUTOGRADER/venv/bin/python}}" -m mi204.grading \\
    "$AUTOGRADER/submission" "$AUTOGRADER/results/results.json" --language {language} ||
    cat > "$AUTOGRADER/results/results.json" <<'END'
{died}
END
"""

_EXECUTABLE = 0o100755
_READABLE = 0o100644


def write(path: Path, language: Language) -> None:
    """Write the zip, whose messages are in one language.

    Raises StorageError when it cannot be written.
    """
    paths.write_atomically(path, lambda temporary: _write(temporary, language), paths.OTHER_FILE)


def _write(path: Path, language: Language) -> None:
    package = Path(__file__).parents[1]
    sources = sorted(file for file in package.rglob("*") if file.suffix in {".py", ".toml"})
    died = json.dumps({"score": 0, "output": grader.sentence("died", language)}, ensure_ascii=False)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        _add(bundle, "setup.sh", SETUP, _EXECUTABLE)
        _add(bundle, "run_autograder", RUN.format(language=language, died=died), _EXECUTABLE)
        for source in sources:
            name = source.relative_to(package.parent).as_posix()
            _add(bundle, name, source.read_text(encoding="utf-8"), _READABLE)


def _add(bundle: zipfile.ZipFile, name: str, text: str, mode: int) -> None:
    entry = zipfile.ZipInfo(name)
    entry.external_attr, entry.compress_type, entry.create_system = mode << 16, zipfile.ZIP_DEFLATED, 3
    bundle.writestr(entry, text)
