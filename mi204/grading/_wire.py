"""What parent and child say to each other: one line of JSON a message, arrays as bytes, never a pickle."""

import base64
import json
import math
from typing import Any

import numpy as np

MAX_BYTES = 4_000_000
"""The most that the answers of one attempt may weigh; an honest one needs a tenth."""

_DTYPES = ("float64", "float32", "int64", "bool")


def dump(message: dict) -> bytes:
    """Write a message as one line."""
    return json.dumps(message, default=_array).encode() + b"\n"


def _array(value: np.ndarray) -> dict:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"Expected what JSON can hold or an array, received {type(value).__name__}.")
    if value.dtype.name not in _DTYPES:
        value = value.astype("float64")
    data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    return {"dtype": value.dtype.name, "shape": value.shape, "data": data}


def load(line: bytes | str) -> dict:
    """Read a message; raises ValueError for anything that ``dump`` does not write, whoever wrote it."""
    try:
        message = json.loads(line, object_hook=_restored)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def _restored(content: dict) -> Any:
    if set(content) != {"dtype", "shape", "data"}:
        return content
    dtype, shape, data = content["dtype"], content["shape"], content["data"]
    if dtype not in _DTYPES or not isinstance(shape, list) or not isinstance(data, str) or len(shape) > 8:
        raise ValueError("not an array")
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("not a shape")
    array = np.frombuffer(base64.b64decode(data), dtype)
    if array.size != math.prod(shape):
        raise ValueError("the array does not fill its shape")
    return array.reshape(shape)
