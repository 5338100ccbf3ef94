"""One line per submission: what a teacher reads first."""

import sys
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from mi204.errors import DataError
from mi204.grading import grader
from mi204.language import Language


def table(folder: Path, language: Language) -> pd.DataFrame:
    """Grade every Python file of a folder and its folders: path, score, points of each question, and the notice.

    A notebook, and a folder without any Python file, have a line too. Ctrl-C gives the lines that are finished. Raises
    DataError for a folder without any submission.
    """
    submissions = _submissions(folder)
    if not submissions:
        raise DataError(
            "Expected a folder of submissions (.py), received {folder} without any. Check its path.",
            "Dossier de rendus (.py) attendu, {folder} reçu, qui n'en contient aucun. Vérifier son chemin.",
            folder=folder,
        )
    rows = []
    try:
        grades = tqdm(grader.grade_all(submissions, language), total=len(submissions), unit="file")
        for path, grade in zip(submissions, grades, strict=True):
            name = grader.printable(path.relative_to(folder).as_posix())
            rows.append({"file": name, "score": grade.score, **grade.by_item(), "notice": grade.notice})
    except KeyboardInterrupt:
        if not rows:
            raise
        stopped = grader.sentence("stopped", language, graded=len(rows), total=len(submissions))
        print(f"\n{stopped}", file=sys.stderr)
    return pd.DataFrame(rows)


def _submissions(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*.py") if path.is_file() and not _is_hidden(path.relative_to(folder))]
    students = [path for path in folder.glob("*") if path.is_dir() and not _is_hidden(path.relative_to(folder))]
    without = [student for student in students if not any(student in file.parents for file in files)]
    return sorted([*files, *without, *folder.glob("*.ipynb")])


def _is_hidden(path: Path) -> bool:
    """Tell what systems and editors leave behind from what a student hands in."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
