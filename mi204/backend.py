"""The seam between Keras' backends: all that differs between tensorflow, jax and torch stands here.

Nothing is imported before it is needed, so that a missing backend can be named before Keras stumbles over it.
"""

import atexit
import ctypes
import gc
import importlib
import itertools
import json
import logging
import math
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from mi204 import packages
from mi204.errors import SettingError

BACKENDS = ("tensorflow", "jax", "torch")


SETTINGS = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": "1e-07", "dtype_policy": "float32"}
"""Keras' global settings as the labs need them, whatever a user's keras.json says."""


def chosen() -> str:
    """Give the backend that Keras will use: ``$KERAS_BACKEND``, else Keras' own configuration, else tensorflow.

    Raises SettingError for a configuration at which Keras would stop.
    """
    configured = _configuration().get("backend", "tensorflow")
    return os.environ.get("KERAS_BACKEND", "").strip() or configured


def _configuration() -> dict[str, Any]:
    """Give what stands in keras.json; nothing where there is none, or what is no JSON, as Keras takes it."""
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    accepted = {
        "floatx": lambda value: value in ("float16", "float32", "float64"),
        "epsilon": lambda value: isinstance(value, float),
        "image_data_format": lambda value: value in ("channels_first", "channels_last"),
    }
    if isinstance(found, dict) and all(accepts(found[name]) for name, accepts in accepted.items() if name in found):
        return found
    raise SettingError(
        "Expected in {path} the settings of Keras, such as {{\"backend\": \"jax\"}}, received {found}: "
        "correct or delete the file.",
        "Réglages de Keras, comme {{\"backend\": \"jax\"}}, attendus dans {path}, {found} reçu : "
        "corriger ou supprimer le fichier.",
        path=path,
        found=json.dumps(found),
    )


def prepare() -> None:
    """Import Keras and the chosen backend, once it is known to be one and to be installed, without its chatter.

    Raises SettingError saying which backend to choose, which extra to install, or why it cannot be used.
    """
    name = chosen()
    if name not in BACKENDS:
        raise SettingError(
            "Expected the backend to be one of {choices}, received {name!r}. "
            "Set the environment variable KERAS_BACKEND to one of them, or unset it.",
            "Backend parmi {choices} attendu, {name!r} reçu. "
            "Donner à la variable d'environnement KERAS_BACKEND l'un d'eux, ou la supprimer.",
            choices=", ".join(BACKENDS),
            name=name,
        )
    packages.require(name, ", ".join(f"KERAS_BACKEND={other}" for other in BACKENDS if other != name))
    os.environ["KERAS_BACKEND"] = name  # without the spaces that Keras would not forgive
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # notices of tensorflow
    _share_the_machine(name)
    # Keras seeds tensorflow too, and so imports it sooner or later, on every backend.
    chatty = ("tensorflow",) if packages.installed("tensorflow") else ()
    try:
        with _without_start_up_lines():
            for each in dict.fromkeys((name, *chatty, "keras")):
                importlib.import_module(each)
    except (ImportError, OSError) as error:
        raise SettingError(
            "Expected {name} to start, but Python says: {reason}. Install it anew, or choose another backend with "
            "KERAS_BACKEND.",
            "{name} devait démarrer, mais Python dit : {reason}. Le réinstaller ou choisir un autre backend par "
            "KERAS_BACKEND.",
            name=name, reason=str(error).rstrip("."),
        ) from error
    if name == "jax":
        _prepare_jax()


# Parameters of mallopt, from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def _share_the_machine(name: str) -> None:
    """Have torch leave the cores to others while its threads wait, and jax and torch keep the memory that they free.

    To be called before they are imported. What the user has set wins: ``OMP_WAIT_POLICY`` or ``GOMP_SPINCOUNT``, any
    ``MALLOC_…`` or a ``glibc.malloc`` in ``GLIBC_TUNABLES``. No number depends on it.
    """
    if name == "torch" and "OMP_WAIT_POLICY" not in os.environ:
        # Threads of GNU's OpenMP, which torch's wheels for Linux bring, turn in circles for milliseconds before they
        # sleep, on the core that the one they wait for may need.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    chosen = any(variable.startswith("MALLOC_") for variable in os.environ)
    if name == "tensorflow" or chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return  # tensorflow keeps its buffers itself
    mallopt = _c_function("mallopt")
    if mallopt:
        # glibc hands each large buffer back to the kernel, which clears it page by page when the next step needs it.
        # What is larger than 64 MB, such as a training set, still goes back at once.
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_MMAP_THRESHOLD, 2**26) or mallopt(_MMAP_THRESHOLD, 2**25)  # older ones refuse more than 32 MB
        mallopt(_ARENA_MAX, 1)  # the arenas of single threads give back more


def _c_function(name: str) -> Callable | None:
    """Find a function of Linux' C library; where it has none of this name, as musl, and on other systems, None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except OSError:  # a Python that can load no library
        return None


def give_back_memory() -> None:
    """Free what nobody holds any more, networks above all, whose parts hold each other, and tell the kernel."""
    gc.collect()
    trim = _c_function("malloc_trim")
    if trim:
        trim(0)


def _prepare_jax() -> None:
    """Find the device that JAX_PLATFORMS names, and have each network compiled once for this process.

    The networks of a study are often the same: without it, XLA compiles each of them once per training. Raises
    SettingError where there is no such device.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # a missing plug-in is an assertion
        raise SettingError(
            "Expected JAX_PLATFORMS to name a device that jax finds here, received {platforms!r}: unset it, or set it "
            "to cpu.",
            "JAX_PLATFORMS doit nommer un appareil que jax trouve ici, {platforms!r} reçu : la supprimer ou lui donner "
            "la valeur cpu.",
            platforms=jax.config.jax_platforms,
        ) from error
    if not jax.config.jax_compilation_cache_dir:
        folder = tempfile.mkdtemp(prefix="mi204-jax-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


_START_UP_LINE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|I\d{4} \d\d:\d\d:[\d.]+ +\d+ \S+\.cc:\d+\] .*"
)
"""What tensorflow logs for information while it is imported, before it reads any log level."""


@contextmanager
def _without_start_up_lines() -> Iterator[None]:
    """Hold back what is written to the error output's file descriptor; hand on what is not a start-up line.

    What Python itself writes there goes through at once.
    """
    try:
        outside = os.dup(2)
    except OSError:  # there is no error output
        yield
        return
    with (
        tempfile.TemporaryFile() as held,
        os.fdopen(os.dup(outside), "w", buffering=1, errors="backslashreplace") as of_python,
        os.fdopen(outside, "wb", buffering=0) as error_output,
        redirect_stderr(of_python),
    ):
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(error_output.fileno(), 2)
            held.seek(0)
            for line in held:
                if not _START_UP_LINE.fullmatch(line.rstrip(b"\r\n")):
                    error_output.write(line)


def use_our_settings() -> None:
    """Give Keras' global settings the values of ``SETTINGS``: a user's keras.json must not change a lab.

    tensorflow's advice about retracing is silenced: each network of a study must be traced once.
    """
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.config.set_image_data_format(SETTINGS["image_data_format"])
    keras.config.set_floatx(SETTINGS["floatx"])
    keras.config.set_epsilon(float(SETTINGS["epsilon"]))
    keras.config.set_dtype_policy(SETTINGS["dtype_policy"])


def keras_settings() -> dict[str, str]:
    """Read Keras' global settings, on which every network depends: the names of ``SETTINGS``, their present values."""
    import keras

    return {
        "image_data_format": keras.config.image_data_format(),
        "floatx": keras.config.floatx(),
        "epsilon": str(keras.config.epsilon()),
        "dtype_policy": keras.config.dtype_policy().name,
    }


def gradient(function: Callable, x: np.ndarray) -> np.ndarray:
    """Differentiate a scalar function of one array: ``d function(x) / d x``, of the shape of ``x``.

    ``function`` takes a tensor of the backend and returns a scalar tensor made with ``keras.ops`` and Keras layers.
    A function that does not depend on ``x`` has gradient zero. Raises ValueError when its value is not a scalar.
    """

    def scalar(tensors):
        value = function(tensors[0])
        if tuple(value.shape) != ():
            raise ValueError(f"Expected function(x) to be a scalar, received shape {tuple(value.shape)}: sum it first.")
        return value

    return _slopes(scalar, [x])[0]


def weight_gradients(model: Any, loss: Callable, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Differentiate the mean of ``loss(y, model(x))`` with respect to each trainable weight of a Keras model.

    The model runs as in training, but nothing in it changes: neither statistics nor random generators. A weight on
    which the loss does not depend has gradient zero. During ``Model.fit`` the weights are those of the last finished
    step.
    """
    import keras

    if keras.backend.backend() == "jax":
        model.jax_state_sync()  # while it trains, the model's own variables are stale
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    frozen = [variable.value for variable in model.non_trainable_variables]

    def value(weights):
        return keras.ops.mean(loss(y, model.stateless_call(weights, frozen, x, training=True)[0]))

    return _slopes(value, [variable.value for variable in model.trainable_variables])


def _slopes(function: Callable, arrays: Sequence) -> list[np.ndarray]:
    """Differentiate a scalar function of a list of tensors, at ``arrays``; zero where there is no path."""
    import keras

    # Dropout draws from torch's global generator, which is put back.
    with _generator_put_back():
        tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
        _, slopes = value_and_gradient(lambda tensors: (function(tensors), None), tensors)
    return [keras.ops.convert_to_numpy(slope) for slope in slopes]


@contextmanager
def _generator_put_back() -> Iterator[None]:
    """Leave torch's global generator as it was found; the other backends have none."""
    import keras

    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        yield


def value_and_gradient(function: Callable, at: Sequence, *, again: bool = False) -> tuple[tuple[Any, Any], list]:
    """Differentiate ``function(tensors) -> (scalar, anything)`` with respect to each tensor of the list ``at``.

    Gives what the function gives, and the gradients: tensors of the backend, zero where there is no path. ``again``
    keeps what is needed to differentiate these gradients in their turn, inside another ``value_and_gradient`` of the
    same tensors.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow

        with tensorflow.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(at)
            value = function(at)
        return value, tape.gradient(value[0], at, unconnected_gradients=tensorflow.UnconnectedGradients.ZERO)
    if keras.backend.backend() == "jax":
        import jax

        return jax.value_and_grad(function, has_aux=True)(list(at))
    import torch

    with torch.enable_grad():
        at = [tensor if tensor.requires_grad else tensor.detach().requires_grad_() for tensor in at]
        value = function(at)
        slopes = [None] * len(at)
        if value[0].requires_grad:  # it depends on one of them at least
            slopes = torch.autograd.grad(value[0], at, allow_unused=True, create_graph=again)
    return value, [torch.zeros_like(x) if slope is None else slope for slope, x in zip(slopes, at, strict=True)]


def compiled(model: Any, function: Callable, *, traced: bool = True) -> Callable:
    """Compile a function of arrays that calls ``model``; it takes and gives nested lists and dicts of numpy arrays.

    It is traced once for each set of shapes, by tensorflow and jax; the weights are those of the moment of each call.
    ``traced=False`` has tensorflow run it operation by operation, for what its graphs would keep for ever: operations
    with a gradient of their own.
    """
    import keras

    def to_tensors(arrays):
        return keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)

    def to_arrays(tensors):
        return keras.tree.map_structure(keras.ops.convert_to_numpy, tensors)

    if keras.backend.backend() == "tensorflow":
        import tensorflow

        if not traced:
            return lambda arrays: to_arrays(function(to_tensors(arrays)))
        graphs: dict[tuple, Any] = {}

        def in_graph(arrays):
            tensors = to_tensors(arrays)
            shapes = tuple((tensor.shape, tensor.dtype) for tensor in keras.tree.flatten(tensors))
            if shapes not in graphs:  # traced by hand: tensorflow would give advice about retracing
                graphs[shapes] = tensorflow.function(function, autograph=False).get_concrete_function(tensors)
            return to_arrays(graphs[shapes](tensors))

        return in_graph
    if keras.backend.backend() == "jax":
        import jax

        variables = model.variables

        def with_weights(weights, tensors):
            with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
                return function(tensors)

        run = jax.jit(with_weights)
        return lambda arrays: to_arrays(run([variable.value for variable in variables], to_tensors(arrays)))
    import torch

    def without_gradient(arrays):
        with torch.no_grad(), _generator_put_back():
            return to_arrays(function(to_tensors(arrays)))

    return without_gradient


def shape_pass(function: Callable, arrays: Any) -> None:
    """Run a function of arrays that calls a network, for what is seen on the way; on jax without computing anything."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        jax.eval_shape(lambda tensors: (function(tensors), None)[1], arrays)
    elif keras.backend.backend() == "torch":
        import torch

        with torch.no_grad(), _generator_put_back():
            function(keras.tree.map_structure(keras.ops.convert_to_tensor, arrays))
    else:
        function(keras.tree.map_structure(keras.ops.convert_to_tensor, arrays))


def cut(chunks: Iterator[tuple[np.ndarray, np.ndarray]], batch_size: int) -> Any:
    """Cut pairs of arrays ``(n, …)`` into batches, the last of each pair maybe smaller, as ``Model.fit`` reads them.

    They can be read once.

    tensorflow pays for each item that a Python generator yields: it gets many batches at once and cuts them itself.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return (
            (x[start : start + batch_size], y[start : start + batch_size])
            for x, y in chunks
            for start in range(0, len(x), batch_size)
        )
    import tensorflow

    def batches(x, y):
        starts = tensorflow.data.Dataset.range(0, tensorflow.shape(x, tensorflow.int64)[0], batch_size)
        return starts.map(lambda start: (x[start : start + batch_size], y[start : start + batch_size]))

    first = next(chunks)
    signature = tuple(tensorflow.TensorSpec((None, *array.shape[1:]), array.dtype) for array in first)
    # tensorflow keeps what it is given here for the life of the process: not the arrays, but where they are fetched,
    # once, and then are no longer.
    source = [itertools.chain([first], chunks)]
    pairs = tensorflow.data.Dataset.from_generator(source.pop, output_signature=signature)
    return pairs.prefetch(1).flat_map(batches).prefetch(tensorflow.data.AUTOTUNE)


def let_go_of_graphs(optimizer: Any) -> None:
    """Have tensorflow free, with a network, the graphs of its training steps, which it otherwise keeps for ever.

    Keras sums gradients over the devices by an operation with a gradient of its own, and tensorflow never forgets such
    an operation nor the graph around it. On a single device that sum is the gradients themselves.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow

    if tensorflow.distribute.get_strategy().num_replicas_in_sync == 1:
        optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars


def seed_dropout(seed: int) -> None:
    """Make what dropout draws next depend on ``seed`` alone, where it does not depend on the model's own state.

    On torch dropout draws from the global generator, and so does the making of an iterator over batches. Elsewhere the
    model holds the state, and setting tensorflow's global seed would empty its caches.
    """
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


SMALL_STEP = 100_000_000
"""Multiplications of a forward pass over a batch below which a second thread gains less than it may cost."""


@contextmanager
def threads_for(model: Any, batch_size: int) -> Iterator[None]:
    """Compute a small network on one thread while this lasts, on torch; ``OMP_NUM_THREADS`` wins where it is set.

    torch's threads wait for each other at every operation: where another program holds a core, all wait for the thread
    that shares it. Those of tensorflow and jax take what is left to do from each other. The number of threads
    changes how sums are rounded, and a training carries that further, so it depends on the network and the batch alone,
    never on what else runs.
    """
    import keras

    if (
        keras.backend.backend() != "torch"
        or "OMP_NUM_THREADS" in os.environ
        or batch_size * _multiplications(model) >= SMALL_STEP
    ):
        yield
        return
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _multiplications(model: Any) -> float:
    """Count those of a forward pass over one example, in dense layers and convolutions; infinite where it varies."""
    return sum(
        math.prod(layer.kernel.shape) * math.prod(side or math.inf for side in layer.output.shape[1:-1])
        for layer in model.layers
        if hasattr(layer, "kernel")
    )


def environment() -> dict[str, str]:
    """Describe where numbers were measured: backend, versions, machine."""
    import keras

    name = keras.backend.backend()
    return {
        "backend": name,
        "keras": keras.__version__,
        name: packages.version(name),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }
