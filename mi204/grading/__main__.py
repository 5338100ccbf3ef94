"""What Gradescope runs: grade the one file of a submission's folder, write its ``results.json``."""

import argparse
import json
import sys
from pathlib import Path

from mi204 import paths
from mi204.errors import UserError
from mi204.grading import grader


def main() -> None:
    """Read the folder and the file from the command line, Gradescope's own by default."""
    parser = argparse.ArgumentParser(prog="python -m mi204.grading", description=__doc__)
    parser.add_argument("submission", type=Path, nargs="?", default=Path("/autograder/submission"))
    parser.add_argument("results", type=Path, nargs="?", default=Path("/autograder/results/results.json"))
    parser.add_argument("--language", choices=("en", "fr"), default="en")
    arguments = parser.parse_args()
    try:
        write(grader.grade_folder(arguments.submission, arguments.language), arguments.results)
    except UserError as error:
        sys.exit(f"Error: {error.written(arguments.language)}")


def write(grade: grader.Grade, path: Path) -> None:
    """Write a grade in Gradescope's format; raises StorageError when it cannot be written."""
    text = json.dumps(grade.gradescope(), indent=1, ensure_ascii=False)
    paths.write_atomically(
        path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"), paths.OTHER_FILE
    )


if __name__ == "__main__":
    main()
