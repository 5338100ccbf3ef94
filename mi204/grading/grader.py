"""Grade submissions: call their functions in the child, judge the answers, word the messages."""

import codecs
import re
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mi204 import terminal
from mi204.errors import DataError
from mi204.grading import _cases
from mi204.grading._run import Answers, Harness, Limits
from mi204.grading._signatures import SIGNATURES
from mi204.language import Language, Word, fill

MAX_BYTES = 1_000_000
"""The largest submission that is read."""

_RAISED = (
    (r"^\w+: NotImplementedError", "not_done"),
    (r"^\w*gradient_norm: .*(equal size|inhomogeneous shape|must match|same number of dim)", "stacked"),
    (r"^evaluate: .*expected one-hot labels", "labels_not_one_hot"),
    (r"^compute_loss_and_accuracy: .*does not require grad", "backward_inside"),
    (r"^(?!compute_loss_and_accuracy).*does not require grad", "loss_without_graph"),
    (r"compiled with CUDA|No CUDA GPUs|NVIDIA driver|linked with support for mps", "no_gpu"),
)
"""The common mistakes that an exception tells of: how ``function: type: message`` looks."""


@dataclass(frozen=True)
class Outcome:
    """One check of one submission."""

    number: str
    title: str
    points: float
    score: float
    message: str


@dataclass(frozen=True)
class Grade:
    """What a submission is worth, and why."""

    name: str
    """File name of the submission."""
    language: Language
    outcomes: tuple[Outcome, ...]
    notice: str
    """Why the file as a whole could not be graded, or only in part; empty when it could."""
    printed: str
    """The beginning of what the submission printed."""
    seconds: float
    """Wall time of its run."""
    seed: int
    """What the inputs were drawn from."""
    isolation: str
    """How the submission was kept from other processes: ``namespaces``, ``user`` (another one) or ``none``."""

    @property
    def score(self) -> float:
        """Give the sum of the points."""
        return round(sum(outcome.score for outcome in self.outcomes), 2)

    @property
    def total(self) -> float:
        """Give the points that can be had."""
        return round(sum(outcome.points for outcome in self.outcomes), 2)

    def by_item(self) -> dict[str, float]:
        """Give the points of each of the 11 questions."""
        items: dict[str, float] = {}
        for outcome in self.outcomes:
            item = outcome.number.split(".")[0]
            items[item] = round(items.get(item, 0) + outcome.score, 2)
        return items

    def gradescope(self) -> dict[str, Any]:
        """Give the content of Gradescope's ``results.json``."""
        return {
            "execution_time": round(self.seconds, 2),
            "output": "\n\n".join(self._remarks()),
            "output_format": "text",
            "test_output_format": "text",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "extra_data": {"file": self.name, "seed": self.seed, "isolation": self.isolation},
            "tests": [
                {
                    "number": outcome.number,
                    "name": outcome.title,
                    "score": outcome.score,
                    "max_score": outcome.points,
                    "status": "passed" if outcome.score == outcome.points else "failed",
                    "output": outcome.message,
                    "output_format": "text",
                    "visibility": "visible",
                }
                for outcome in self.outcomes
            ],
        }

    def _remarks(self) -> list[str]:
        printed = sentence("printed", self.language, text=self.printed) if self.printed else ""
        return [remark for remark in (self.notice, printed) if remark]

    def report(self, columns: int | None = None) -> str:
        """Write the checks as a table, each that failed with its message, and the score; fitted to ``columns``."""

        def fitted(text: str, indent: int = 0) -> list[str]:
            return (terminal.lines(text, columns - indent) or [""]) if columns else [text]

        lines = []
        for outcome in self.outcomes:
            points = fill("{score:g}/{points:g}", vars(outcome), self.language)
            failed = outcome.score < outcome.points and not (self.notice and self.notice in outcome.message)
            texts = [outcome.title, *(outcome.message.splitlines() if failed else [])]
            beside = [line for text in texts for line in fitted(text, 16)]
            lines += [f"{f'{outcome.number:>5}  {points:>7}':16}{beside[0]}", *(" " * 16 + line for line in beside[1:])]
        score = sentence("score", self.language, score=self.score, total=self.total)
        exposed = [sentence("exposed", self.language)] if self.isolation == "none" else []
        return "\n".join([*lines, "", *(line for text in (*self._remarks(), *exposed) for line in fitted(text)), score])


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))


def sentence(key: str, language: Language, **values: Any) -> str:
    """Word a sentence of ``texts.toml``."""
    return fill(_texts()["text"][key][language], values, language)


def grade(path: Path, language: Language, limits: Limits = Limits()) -> Grade:  # noqa: B008 - immutable
    """Grade the submission in a file.

    Raises DataError when there is no such file; whatever the file holds is graded.
    """
    submission = Submission.read(path)
    with Harness(limits) as harness:
        submission.run(harness)
    # The child is gone before torch is imported here: both never take their memory together.
    return submission.judged(language)


def grade_folder(folder: Path, language: Language) -> Grade:
    """Grade the one Python file of a folder, or of several the one with a ``class Trainer``.

    A folder that does not hold just one is graded 0, with the reason. Raises DataError when there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(
            "Expected the folder of a submission, received {folder}. Check its path.",
            "Dossier d'un rendu attendu, {folder} reçu. Vérifier son chemin.",
            folder=folder,
        )
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    chosen = [path for path in files if path.suffix == ".py"] or files
    trainers = [path for path in chosen if re.search(rb"^class Trainer\b", path.read_bytes(), re.MULTILINE)]
    if len(chosen) > 1 and len(trainers) == 1:
        chosen = trainers
    return grade(chosen[0], language) if len(chosen) == 1 else Submission.several(chosen).judged(language)


def grade_all(paths: list[Path], language: Language) -> Iterator[Grade]:
    """Grade many files, with one process that imports torch for all; a folder among them counts as a missing file."""
    with Harness(Limits()) as harness:
        for path in paths:
            try:
                submission = Submission.several(sorted(path.iterdir())) if path.is_dir() else Submission.read(path)
            except (OSError, DataError) as error:
                reason = error.written(language) if isinstance(error, DataError) else error
                submission = Submission(path.name, b"", ("unreadable_file", {"reason": reason}))
            submission.run(harness)
            yield submission.judged(language)


class Submission:
    """A file that may be Python, the inputs drawn for it, and what it answered."""

    def __init__(self, name: str, source: bytes, unfit: tuple[str, dict[str, Any]] | None = None) -> None:
        """Draw the inputs from a fresh seed; ``unfit`` says why the file is not to be run."""
        self._name, self._source = name, source
        self._unfit = unfit or _unfit(name, source)
        self._seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._cases = _cases.draw(np.random.default_rng(self._seed))
        self._answers = Answers()
        self._seconds = 0.0

    @classmethod
    def read(cls, path: Path) -> "Submission":
        """Read a file; raises DataError when that cannot be."""
        try:
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise DataError(
                    "Expected a Python file to grade at {path}, received another thing. Check its path.",
                    "Fichier Python à noter attendu à {path}, reçu autre chose. Vérifier son chemin.",
                    path=path,
                )
            with path.open("rb") as file:
                return cls(path.name, file.read(MAX_BYTES + 1))
        except OSError as error:
            raise DataError(
                "Expected a Python file to grade at {path}, received: {reason}. Check its path.",
                "Fichier Python à noter attendu à {path}, reçu : {reason}. Vérifier son chemin.",
                path=path, reason=error.strerror,
            ) from error

    @classmethod
    def several(cls, files: list[Path]) -> "Submission":
        """Stand for files, or none, of which it is not clear which to grade."""
        names = ", ".join(path.name for path in files) or "-"
        return cls(names, b"", ("which_file", {"names": names}))

    def run(self, harness: Harness) -> None:
        """Let the submission answer, if it can be Python."""
        start = time.monotonic()
        if not self._unfit:
            self._answers = harness.answers(self._source, self._cases)
        self._seconds = time.monotonic() - start

    def judged(self, language: Language) -> Grade:
        """Judge the answers."""
        notice = self._notice(language)
        outcomes = []
        for check in _texts()["check"]:
            for case in check["cases"]:
                passed, message = self._judged_case(check["number"], case, notice, language)
                if not passed:
                    break
            score = check["points"] if passed else 0
            outcomes.append(Outcome(check["number"], check[language], check["points"], score, printable(message)))
        return Grade(
            printable(self._name),
            language,
            tuple(outcomes),
            printable(notice),
            printable(self._answers.printed),
            self._seconds,
            self._seed,
            self._answers.isolation,
        )

    def _judged_case(self, number: str, case: str, notice: str, language: Language) -> tuple[bool, str]:
        function, inputs = self._cases[case]
        answer = self._answers.cases.get(case)
        if answer is None:
            return False, sentence("not_run", language, reason=notice)
        failure = _failure(function, inputs, answer, language)
        passed, message = (False, failure) if failure else _judged(number, function, inputs, answer, language)
        return passed, message if passed else "\n".join([message, *_stand_ins(answer, language)])

    def _notice(self, language: Language) -> str:
        """Say why the file as a whole could not be graded."""
        if self._unfit:
            key, values = self._unfit
            return sentence(key, language, **values)
        source = self._answers.cases.get("source", {})
        if "variant" in source:
            return sentence("variant", language)
        if "syntax" in source:
            key = "encoding" if "codec can't decode" in source["syntax"]["message"] else "syntax"
            return sentence(key, language, **source["syntax"], where=_where(source["syntax"], language))
        answer = self._answers.cases.get("import", {})
        reason = " ".join([*_reason("import", answer, language), *_stand_ins(answer, language)])
        if answer.get("defined"):
            return sentence("import_stopped", language, reason=reason)
        if answer.get("ended", {}).get("why") == "probe_time":
            reason = sentence("import_time", language, **answer["ended"])
        package = re.search(r"No module named '([\w.]+)'", str(answer.get("error", {}).get("message")))
        if package:
            return sentence("absent_package", language, name=package[1], reason=reason)
        if reason:
            return sentence("import_failed", language, reason=reason)
        return sentence("magics", language) if source.get("magics") else ""


def _unfit(name: str, source: bytes) -> tuple[str, dict[str, Any]] | None:
    """Say why this cannot be a Python file, before anything reads it as one."""
    text = source.removeprefix(codecs.BOM_UTF8).strip()
    if not text:
        return "empty", {}
    if name.endswith(".ipynb") or (text.startswith(b"{") and b'"cells"' in text):
        return "notebook", {}
    # Without a mark too: of the two bytes of most characters one is 0, always the same.
    halves = source[::2], source[1::2]
    zeros = any(b"\0" not in one and 2 * other.count(0) > len(other) for one, other in (halves, halves[::-1]))
    if zeros or source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf_16", {}
    if not name.endswith(".py") or b"\0" in source:
        return "not_python", {"name": name}
    if len(source) > MAX_BYTES:
        return "too_large", {"size": MAX_BYTES}
    return None


def _judged(number: str, function: str, inputs: dict, answer: dict, language: Language) -> tuple[bool, str]:
    from mi204.grading import _verdicts

    finding = _verdicts.judge(number, inputs, answer)
    if finding.passed:
        return True, sentence("passed", language)
    lines = [sentence("called", language, call=_call(function, inputs))]
    for key in ("expected", "received"):
        value = getattr(finding, key)
        if value:
            text = sentence(value, language) if isinstance(value, Word) else value[:1500]
            lines.append(sentence(key, language, value=text))
    lines += _likely(finding.mistake.split(), language)
    return False, "\n".join(lines)


def _likely(mistakes: list[str], language: Language) -> list[str]:
    return [sentence("mistake", language, value=_texts()["mistake"][key][language]) for key in mistakes]


def _failure(function: str, inputs: dict, answer: dict, language: Language) -> str:
    """Word that a function did not answer; empty when it did."""
    name = function if function in ("gradient_norm", "jacobian_norm") else f"Trainer.{function}"
    call = name + SIGNATURES[function]
    if "missing" in answer:
        missing = "Trainer" if answer["missing"] == "Trainer" else name
        return sentence("missing", language, call=call, name=missing)
    if "signature" in answer:
        return sentence("signature", language, call=call, name=name, signature=answer["signature"])
    reason = _reason(function, answer, language)
    return "\n".join([sentence("called", language, call=_call(function, inputs)), *reason]) if reason else ""


def _reason(function: str, answer: dict, language: Language) -> list[str]:
    """Say what was raised, or how the process ended, and which mistake that tells of."""
    if "ended" in answer:
        ended = answer["ended"]
        return [sentence("received", language, value=sentence(ended["why"], language, **ended))]
    if "error" not in answer:
        return []
    error = answer["error"]
    raised = sentence("raised", language, **error, where=_where(error, language))
    told = f"{function}: {error['type']}: {error['message']}"
    mistakes = [key for pattern, key in _RAISED if re.search(pattern, told)]
    return [sentence("received", language, value=raised), *_likely(mistakes, language)]


def _stand_ins(answer: dict, language: Language) -> list[str]:
    names = answer.get("stand_ins")
    return [sentence("stand_ins", language, names=names)] if names else []


def _where(error: dict, language: Language) -> str:
    return sentence("where", language, **error) if error["line"] else ""


def _call(function: str, inputs: dict) -> str:
    """Write a call in Python."""

    def shape(array: np.ndarray) -> str:
        return f"tensor{array.shape}"

    if function == "gradient_norm":
        tensors = ", ".join(map(shape, inputs["tensors"]))
        return f"gradient_norm(lambda *x: sum((w_i * x_i**3).sum()), {tensors})"
    if function == "jacobian_norm":
        return f"jacobian_norm(lambda x: A @ x**3, {shape(inputs['x'])}), A: {shape(inputs['matrix'])}"
    if function == "create_activation_function":
        return f"trainer.create_activation_function({inputs['name']!r})({shape(inputs['x'])})"
    if function in ("create_mlp", "create_cnn"):
        names = ("n_channels", "kernel_sizes", "strides", "paddings", "dense_hiddens")
        values = dict(zip(names, map(tuple, inputs["configuration"]), strict=True))
        seen = names[-1:] if function == "create_mlp" else names
        fields, x = ", ".join(f"{name}={values[name]}" for name in seen), inputs["x"]
        first = x[0].size if function == "create_mlp" else x.shape[1]
        return f"trainer.{function}({first}, NetworkConfiguration({fields}), {inputs['n_classes']}, ELU())({shape(x)})"
    if function == "normalize":
        return f"trainer.normalize({', '.join(f'({shape(x)}, {shape(y)})' for x, y in inputs['sets'])})"
    if function == "one_hot":
        return f"trainer.one_hot(tensor({inputs['y'].tolist()})), n_classes={inputs['n_classes']}"
    if function == "compute_loss_and_accuracy":
        probabilities, y = inputs["probabilities"].astype(float).round(3), inputs["y"]
        return (
            f"trainer.compute_loss_and_accuracy(X, {shape(y)}), epsilon={inputs['epsilon']}, "
            f"network(X): {probabilities.tolist()}, classes: {y.argmax(1).tolist()}"
        )
    if function == "compute_gradient_norm":
        return f"trainer.compute_gradient_norm(network), .grad: {', '.join(map(shape, inputs['gradients']))}"
    if function == "training_step":
        X, y = inputs["batches"][0]
        return f"trainer.training_step({shape(X)}, {shape(y)}), twice, optimizer: SGD(lr={inputs['optimizer_lr']})"
    return f"trainer.evaluate({shape(inputs['X'])}, {shape(inputs['y'])}), batch_size={inputs['batch_size']}"


def printable(text: str) -> str:
    """Keep a submission's text from steering a terminal, and from what UTF-8 cannot write."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
