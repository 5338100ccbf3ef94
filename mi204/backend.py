"""The seam between Keras' backends: all that differs between tensorflow, jax and torch stands here.

Nothing is imported before it is needed, so that a missing backend can be named before Keras stumbles over it.
"""

import atexit
import importlib.metadata
import importlib.util
import itertools
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mi204.errors import SettingError

BACKENDS = ("tensorflow", "jax", "torch")


def chosen() -> str:
    """Give the backend that Keras will use: ``$KERAS_BACKEND``, else Keras' own configuration, else tensorflow."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    configuration = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        return json.loads(configuration.read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError):
        return "tensorflow"


def prepare() -> None:
    """Prove that the chosen backend is known and installed, before Keras is imported, and keep its chatter down.

    Raises SettingError saying which backend to choose or which extra to install.
    """
    name = chosen()
    if name not in BACKENDS:
        raise SettingError(
            f"Expected the backend to be one of {', '.join(BACKENDS)}, received {name!r}. "
            "Set the environment variable KERAS_BACKEND to one of them, or unset it."
        )
    require(name, f"KERAS_BACKEND={' or '.join(other for other in BACKENDS if other != name)}")
    if name == "jax":
        # The networks of a study are often the same: XLA compiles each once for this process, not once per training.
        folder = tempfile.mkdtemp(prefix="mi204-jax-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # Start-up notices of tensorflow, and its advice about retracing: each network of a study must be traced once.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def require(name: str, alternative: str = "") -> None:
    """Prove that a package is installed: a backend, or one that an extra brings.

    Raises SettingError saying which extra to install, or which ``alternative`` to choose, where there is one.
    """
    if importlib.util.find_spec(name) is None:
        extra = {"tensorflow": ".", "librosa": '".[audio]"', "soundfile": '".[audio]"'}.get(name, f'".[{name}]"')
        raise SettingError(
            f"Expected {name} to be installed, but Python does not find it. "
            f"Install it with: pip install -e {extra} (in the project's folder)"
            + (f", or choose another: {alternative}." if alternative else ".")
        )


def gradient(function: Callable, x: np.ndarray) -> np.ndarray:
    """Differentiate a scalar function of one array: ``d function(x) / d x``, of the shape of ``x``.

    ``function`` takes a tensor of the backend and returns a scalar tensor made with ``keras.ops`` and Keras layers.
    A function that does not depend on ``x`` has gradient zero. Raises ValueError when its value is not a scalar.
    """
    import keras

    def scalar(tensor):
        value = function(tensor)
        if tuple(value.shape) != ():
            raise ValueError(f"Expected function(x) to be a scalar, received shape {tuple(value.shape)}: sum it first.")
        return value

    tensor = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        with tensorflow.GradientTape() as tape:
            tape.watch(tensor)
            value = scalar(tensor)
        slope = tape.gradient(value, tensor, unconnected_gradients=tensorflow.UnconnectedGradients.ZERO)
    elif keras.backend.backend() == "jax":
        import jax

        slope = jax.grad(scalar)(tensor)
    else:
        import torch

        with torch.enable_grad():
            tensor = tensor.detach().clone().requires_grad_()
            value = scalar(tensor)
            slope = torch.autograd.grad(value, tensor, allow_unused=True)[0] if value.requires_grad else None
        slope = torch.zeros_like(tensor) if slope is None else slope
    return keras.ops.convert_to_numpy(slope)


def weight_gradients(model: Any, loss: Callable, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Differentiate the mean of ``loss(y, model(x))`` with respect to each trainable weight of a Keras model.

    The model runs as in training. During ``Model.fit`` the weights are those of the last finished step.
    """
    import keras

    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    variables = model.trainable_variables
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        with tensorflow.GradientTape() as tape:
            value = keras.ops.mean(loss(y, model(x, training=True)))
        slopes = tape.gradient(value, [variable.value for variable in variables])
    elif keras.backend.backend() == "jax":
        import jax

        model.jax_state_sync()  # while it trains, the model's own variables are stale

        def value(weights):
            frozen = [variable.value for variable in model.non_trainable_variables]
            return keras.ops.mean(loss(y, model.stateless_call(weights, frozen, x, training=True)[0]))

        slopes = jax.grad(value)([variable.value for variable in variables])
    else:
        import torch

        value = keras.ops.mean(loss(y, model(x, training=True)))
        slopes = torch.autograd.grad(value, [variable.value for variable in variables])
    return [keras.ops.convert_to_numpy(slope) for slope in slopes]


def cut(chunks: Iterator[tuple[np.ndarray, np.ndarray]], batch_size: int) -> Any:
    """Cut pairs of arrays ``(n, …)`` into batches, the last of each pair maybe smaller, as ``Model.fit`` reads them.

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
    pairs = tensorflow.data.Dataset.from_generator(
        lambda: itertools.chain([first], chunks), output_signature=signature
    )
    return pairs.prefetch(1).flat_map(batches).prefetch(tensorflow.data.AUTOTUNE)


def seed_dropout(seed: int) -> None:
    """Make what dropout draws next depend on ``seed`` alone, where it does not depend on the model's own state.

    On torch dropout draws from the global generator, and so does the making of an iterator over batches. Elsewhere the
    model holds the state, and setting tensorflow's global seed would empty its caches.
    """
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def environment() -> dict[str, str]:
    """Describe where numbers were measured: backend, versions, machine."""
    import keras

    name = keras.backend.backend()
    return {
        "backend": name,
        "keras": keras.__version__,
        name: version(name),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }


def version(package: str) -> str:
    """Give the version of an installed package; tensorflow's processor-only wheel has a name of its own."""
    for distribution in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
