"""One process that has imported torch runs all the submissions of these tests."""

from pathlib import Path

import pytest

import mi204
from mi204 import packages
from mi204.grading import grader
from mi204.grading._run import Harness, Limits

OWN_SOLUTION = Path(mi204.__file__).parent / "interop" / "torch_trainer.py"
IMPORTS = """\
from mi204 import architectures
from mi204.architectures import NetworkConfiguration
from mi204.arithmetic import steps_per_epoch
from mi204.datasets import fashion_mnist
"""
IN_THEIR_PLACE = """\
from types import SimpleNamespace
from typing import NamedTuple
CHECKS = ("check", "check_fields", "check_activation")
architectures = SimpleNamespace(POOLED_SIDE=4, **dict.fromkeys(CHECKS, lambda *_: None))
class NetworkConfiguration(NamedTuple):
    n_channels: tuple = (16, 32, 48); kernel_sizes: tuple = (3, 3, 3); strides: tuple = (1, 1, 1)
    paddings: tuple = (0, 0, 0); dense_hiddens: tuple = (256, 256)
"""


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
def reference():
    """Give our own solution as one file: a submission cannot import mi204."""
    source = OWN_SOLUTION.read_text(encoding="utf-8")
    assert IMPORTS in source
    return source.replace(IMPORTS, IN_THEIR_PLACE)
