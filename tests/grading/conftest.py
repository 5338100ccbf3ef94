"""One process that has imported torch runs all the submissions of these tests."""

from pathlib import Path

import pytest

import mi204
from mi204 import packages
from mi204.grading import grader
from mi204.grading._run import Harness, Limits

OWN_SOLUTION = (Path(mi204.__file__).parent / "interop" / "torch_trainer.py").read_text(encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def needs_torch():
    """The grader knows torch alone, whatever the backend of Keras."""
    if not packages.installed("torch"):
        pytest.skip("torch is not installed")


@pytest.fixture(scope="session")
def harness():
    # What counts here is the verdict: a machine that stalls must not change it. The limits have their own tests.
    with Harness(Limits(import_seconds=100, probe_seconds=60, seconds=300)) as harness:
        yield harness


@pytest.fixture(scope="session")
def grade(harness):
    """Give a function that grades the text, or bytes, of a submission."""

    def graded(source, language="en", name="solution.py"):
        submission = grader.Submission(name, source if isinstance(source, bytes) else source.encode())
        submission.run(harness)
        return submission.judged(language)

    return graded


@pytest.fixture(scope="session")
def own_solution():
    """Give the source of our own solution."""
    return OWN_SOLUTION


@pytest.fixture(scope="session")
def reference():
    """Give our own solution without the import of what ``load_dataset``, which is not graded, needs.

    That import is most of the time of grading a file; no student's file has it.
    """
    line = "from mi204.datasets import fashion_mnist\n"
    assert line in OWN_SOLUTION
    return OWN_SOLUTION.replace(line, "")
