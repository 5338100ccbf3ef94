"""One line per submission: what a teacher reads first."""

from pathlib import Path

import pandas as pd

from mi204.errors import DataError
from mi204.grading import grader
from mi204.language import Language


def table(folder: Path, language: Language) -> pd.DataFrame:
    """Grade every Python file of a folder and its folders: path, score, points of each question, and the notice.

    Raises DataError for a folder without any.
    """
    files = sorted(path for path in folder.rglob("*.py") if path.is_file())
    if not files:
        raise DataError(f"Expected a folder of submissions (.py), received {folder} without any. Check its path.")
    rows = []
    for path, grade in zip(files, grader.grade_all(files, language), strict=True):
        row = {"file": path.relative_to(folder).as_posix(), "score": grade.score, **grade.by_item()}
        rows.append({**row, "notice": grade.notice})
    return pd.DataFrame(rows)
