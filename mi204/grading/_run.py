"""The parent's side of the child: start it, send submissions, receive answers, never more time or text than allowed."""

import base64
import importlib.util
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from mi204.grading import _wire
from mi204.grading._signatures import LAST, SIGNATURES

_FORKS = hasattr(os, "fork")
_START_SECONDS = 60
"""To import torch, on a machine that is slow and busy."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    import_seconds: float = 20
    """Of wall time, to be read and imported."""
    probe_seconds: float = 8
    """Of wall time, for each call or two of one of its functions."""
    seconds: float = 60
    """Of wall time, in all."""
    megabytes: int = 250
    """Of data beyond what torch itself takes; on Linux only."""


@dataclass
class Answers:
    """What the child sent; everything in it may be invented by the submission, but for ``source``."""

    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By case: what the probe gave, ``error``, ``missing``, ``signature``, or ``ended``; ``source`` and ``import``."""
    isolation: str = ""
    """How the submission was kept from other processes: ``namespaces``, ``user`` (another one) or ``none``."""
    printed: str = ""
    """The beginning of what the submission printed."""


class Harness:
    """A process that has imported torch and runs submissions; a context."""

    def __init__(self, limits: Limits) -> None:
        """Set the limits; the process starts with the first submission."""
        self._limits = limits
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Harness":
        """Give the harness."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process and what it started."""
        self._stop()

    def answers(self, source: bytes, cases: dict[str, tuple[str, dict]]) -> Answers:
        """Run a submission on the inputs of each case: ``(function, inputs)`` by name.

        Where a function hangs or takes the process down, its other cases are given up and the rest is run again.
        """
        answers = Answers()
        end = time.monotonic() + self._limits.seconds
        while remaining := {case: call for case, call in cases.items() if case not in answers.cases}:
            seconds = end - time.monotonic()
            if seconds <= 0:
                total = {"ended": {"why": "total_time", "seconds": self._limits.seconds}}
                answers.cases.update(dict.fromkeys(remaining, total))
                break
            received, ended, printed = self._attempt(source, remaining, seconds)
            answers.printed = answers.printed or printed
            # The first thing said, before the submission runs.
            answers.isolation = str(received.get("isolation", {}).get("kind", "none"))
            answers.cases.update({name: received[name] for name in ("source", *remaining) if name in received})
            imported = answers.cases["import"] = received.get("import", {"ended": ended})
            if {"syntax", "variant"} & received.get("source", {}).keys() or (imported and not imported.get("defined")):
                break
            lost = [case for case in remaining if case not in received]
            given_up = {cases[case][0] for case in lost[:1]}
            if "neighbours" in received:  # it has seen how the others are written
                given_up |= set(SIGNATURES) - set(LAST)
            answers.cases.update({case: {"ended": ended} for case in lost if cases[case][0] in given_up})
        return answers

    def _attempt(self, source: bytes, cases: dict, seconds: float) -> tuple[dict[str, dict], dict, str]:
        """Give the messages of one process by case, how it ended and what it printed."""
        request = _wire.dump(
            {
                "source": base64.b64encode(source).decode(),
                "cases": cases,
                "import_seconds": self._limits.import_seconds,
                "probe_seconds": self._limits.probe_seconds,
                "seconds": seconds,
                "megabytes": self._limits.megabytes,
            }
        )
        if not _FORKS:
            lines, code = _run_once(request, seconds)
            ended = {"why": "exit", "code": code}
            if code == 1:  # so its own watch ends it
                ended = {"why": "probe_time", "seconds": self._limits.probe_seconds}
            return _messages(lines, cases), ended, ""
        if self._process is None:
            self._process = subprocess.Popen(**_command("serve"))
        process = self._process
        # The child keeps to the time; this is for a child that was attacked.
        killer = threading.Timer(seconds + _START_SECONDS, process.kill)
        killer.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            reply = _wire.load(process.stdout.readline(3 * _wire.MAX_BYTES))
            return _messages(reply["lines"], cases), reply["ended"], reply["printed"]
        except (ValueError, KeyError, OSError):
            self._stop()
            return {}, {"why": "harness"}, ""
        finally:
            killer.cancel()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _run_once(request: bytes, seconds: float) -> tuple[list[bytes], int]:
    """Run one attempt in a process of its own, for a system that cannot fork; give its lines and exit code."""
    try:
        finished = subprocess.run(**_command("run_once"), input=request, timeout=seconds + _START_SECONDS)
        return finished.stdout[: _wire.MAX_BYTES].splitlines(), finished.returncode
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"")[: _wire.MAX_BYTES].splitlines(), 1


def _command(function: str) -> dict:
    """Give the arguments that start the child: isolated, so that no folder or variable of the caller's is seen."""
    # mi204 and torch may be where an isolated Python does not look: in this folder, among the user's own packages.
    found = [importlib.util.find_spec(name) for name in ("mi204", "torch", "numpy")]
    folders = [str(Path(spec.origin).resolve().parents[1]) for spec in found if spec and spec.origin]
    program = (
        f"import sys; sys.path += {folders!r}\n"
        f"from mi204.grading import _harness; _harness.{function}()"
    )
    # One thread: a process that has others must not fork, and the numbers are the same on every machine.
    environment = {"PATH": os.defpath, "MPLBACKEND": "Agg", "LC_ALL": "C.UTF-8"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment |= {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMPDIR") if name in os.environ}
    return {
        "args": [sys.executable, "-I", "-B", "-u", "-c", program],
        "env": environment,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.DEVNULL,
        **({} if function == "run_once" else {"stdin": subprocess.PIPE, "start_new_session": True}),
    }


def _messages(lines: list, cases: dict[str, tuple[str, dict]]) -> dict[str, dict]:
    """Read the child's lines by case, the first for each; what cannot be read was not said.

    Nor is heard what it says of the other functions once it has asked for the neighbours of the last ones.
    """
    messages: dict[str, dict] = {}
    for line in lines:
        try:
            message = _wire.load(line)
            case = str(message.pop("case"))
            if "neighbours" not in messages or cases[case][0] in LAST:
                messages.setdefault(case, _checked(message))
        except (ValueError, TypeError, KeyError):
            continue
    return messages


def _checked(message: dict) -> dict:
    """Give what was said about a failure its types and lengths, whoever said it."""
    message.pop("ended", None)  # not for the child to say
    for key in {"missing", "signature", "stand_ins"} & set(message):
        message[key] = str(message[key])[:200]
    if "error" in message:
        error = dict(message["error"])
        line = error.get("line")
        texts = {key: str(error.get(key, ""))[:500] for key in ("type", "message", "text")}
        message["error"] = {**texts, "line": line if isinstance(line, int) else 0}
    return message
