"""See inside a network while it answers, without touching it.

All calls of Keras' layers and operations go through ``keras.Operation.__call__``, all rectifications and softmaxes
through Keras' functions of these names. For the length of one pass, and for the thread that asked, these are replaced
by ones that look on; the network's own objects never are, so that nothing can be left behind in it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest.mock import patch

import keras
from keras.src import backend as keras_backend

Rectifier = Literal["guided", "deconvolution"]
"""Another gradient of ReLU: see ``_rectifier``."""

Key = tuple[int, int]
"""The ``id`` of a layer or operation, and which of its calls in a pass, from 0."""

HEADS = ("softmax", "log_softmax", "sigmoid")
"""Functions that turn logits into what a classifier answers."""

RECTIFIERS = {"relu": float("inf"), "relu6": 6.0}
"""Keras' functions that let through what is positive, up to a limit."""


@dataclass
class Call:
    """One call of a layer or operation."""

    operation: keras.Operation
    index: int
    """Which of its calls in the pass, from 0."""
    path: str
    """Names from the network's own layers down to this one: ``mobilenetv2/Conv1``."""
    output: Any
    leaf: bool
    """Whether it called no other layer or operation."""

    @property
    def key(self) -> Key:
        """Tell this call from the others of a pass."""
        return id(self.operation), self.index


@dataclass
class Watch:
    """What to add to the answers of some calls, what to keep, and what was seen."""

    added: Mapping[Key, Any] = field(default_factory=dict)
    """Tensors added to answers; these calls' answers, after it, are kept in ``kept``."""
    on_call: Callable[[Call], None] | None = None
    """Told of every call when it ends."""
    kept: dict[Key, Any] = field(default_factory=dict)
    heads: list[tuple[str, Any, Any]] = field(default_factory=list)
    """Of each softmax or sigmoid: its name, what it was given, what it answered."""
    rectifies: bool = False
    """Whether a ReLU was called."""
    _stack: list[str] = field(default_factory=list)
    _counts: Counter = field(default_factory=Counter)
    _finished: int = 0

    def called(self, operation: keras.Operation, call: Callable[[], Any]) -> Any:
        """Let an operation answer, look at its answer, and hand it on with what is to be added to it."""
        index = self._counts[id(operation)]
        self._counts[id(operation)] += 1
        self._stack.append(operation.name)
        before = self._finished
        try:
            output = call()
            key = id(operation), index
            if key in self.added:
                changed = self.kept[key] = output + keras.ops.cast(self.added[key], output.dtype)
                self.heads += [(name, given, changed) for name, given, answer in self.heads if answer is output]
                output = changed
            if self.on_call:
                path = "/".join(self._stack[1:])  # the network itself comes first
                self.on_call(Call(operation, index, path, output, leaf=self._finished == before))
        finally:
            self._stack.pop()
        self._finished += 1
        return output

    def logits(self, answer: Any) -> tuple[str | None, Any]:
        """Find what went into the softmax or sigmoid whose answer this is; else (None, the answer itself)."""
        for name, given, answered in self.heads:
            if answered is answer:
                return name, given
        return None, answer


_REPLACING = threading.RLock()
_WATCHES = threading.local()


@contextmanager
def watching(watch: Watch, rectifier: Rectifier | None = None) -> Iterator[None]:
    """Have ``watch`` see all that this thread calls; with ``rectifier``, ReLU passes gradients back in its way.

    Passes of other threads wait; their calls outside of one are not seen.
    """
    with _REPLACING, ExitStack() as stack:
        _WATCHES.watch = watch
        stack.callback(setattr, _WATCHES, "watch", None)
        stack.enter_context(patch.object(keras.Operation, "__call__", _watched(keras.Operation.__call__)))
        for name in HEADS:
            stack.enter_context(patch.object(keras_backend.nn, name, _noted(name, getattr(keras_backend.nn, name))))
        for name, limit in RECTIFIERS.items():
            original = getattr(keras_backend.nn, name)
            changed = _rectifier(original, rectifier, limit) if rectifier else original
            stack.enter_context(patch.object(keras_backend.nn, name, _rectifying(original, changed)))
        yield


def _current() -> Watch | None:
    return getattr(_WATCHES, "watch", None)


def _watched(original: Callable) -> Callable:
    def __call__(self, *args, **kwargs):
        watch = _current()
        if watch is None:
            return original(self, *args, **kwargs)
        return watch.called(self, lambda: original(self, *args, **kwargs))

    return __call__


def _noted(name: str, original: Callable) -> Callable:
    def head(x, *args, **kwargs):
        answer = original(x, *args, **kwargs)
        if watch := _current():
            watch.heads.append((name, x, answer))
        return answer

    return head


def _rectifying(original: Callable, changed: Callable) -> Callable:
    def rectify(x):
        watch = _current()
        if watch is None:
            return original(x)
        watch.rectifies = True
        return changed(x)

    return rectify


def _rectifier(relu: Callable, kind: Rectifier, limit: float) -> Callable:
    """Change the gradient of a ReLU with an upper ``limit``.

    What comes back is g where g > 0, else 0, for ``deconvolution`` (Zeiler and Fergus, 1311.2901); for ``guided``, only
    where the ReLU let changes through as well, 0 < x < limit (Springenberg et al., 1412.6806).
    """

    @keras.ops.custom_gradient
    def changed(x):
        def gradient(*args, upstream=None):
            slope = args[0] if upstream is None else upstream
            passed = slope > 0
            if kind == "guided":
                passed = keras.ops.logical_and(passed, keras.ops.logical_and(x > 0, x < limit))
            return slope * keras.ops.cast(passed, slope.dtype)

        return relu(x), gradient

    return lambda x: changed(keras.ops.convert_to_tensor(x))
