"""Values on their way from a submission's process to the grader's: JSON, and nothing that could run code."""

from __future__ import annotations

import base64
import builtins
import math
from typing import Any

import numpy as np
import torch

from course_lib.grading import compare
from course_lib.grading.task import Unfit

LARGEST = 4_000_000  # bytes of one tensor
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}


class Strange:
    """Stands for a value that did not travel: an object of some class, or a tensor too large."""


class Malformed(ValueError):
    """What arrived is not what the worker writes."""


def packed(value: Any) -> Any:
    """A value as JSON can hold it. Types are compared exactly; what is not plain becomes its type's name."""
    if value is None or type(value) in (bool, str):
        return value if type(value) is not str else {"text": value[:100_000]}
    if type(value) is int:
        return {"int": hex(value)} if value.bit_length() < 4096 else {"strange": "int"}
    if type(value) is float:
        return {"float": value.hex() if math.isfinite(value) else str(value)}
    if type(value) in (tuple, list):
        return {type(value).__name__: [packed(item) for item in value]}
    if type(value) is dict:
        return {"dict": {key: packed(item) for key, item in value.items()}}
    if compare.is_tensor(value):
        return _packed_tensor(value.detach())
    if isinstance(value, BaseException):
        return packed_error(value)
    return {"strange": compare.kind(value)}


def _packed_tensor(value: torch.Tensor) -> dict:
    name = str(value.dtype).removeprefix("torch.")
    if value.layout != torch.strided or value.device.type != "cpu" or name not in DTYPES:
        return {"strange": "tensor without ordinary storage"}
    if value.numel() * value.element_size() > LARGEST:
        return {"strange": f"tensor of shape {tuple(value.shape)}, too large to judge"}
    data = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
    return {"tensor": name, "shape": list(value.shape), "data": base64.b64encode(data).decode("ascii")}


def packed_error(error: BaseException) -> dict:
    name = "Unfit" if type(error) is Unfit else compare.kind(error)
    return {"error": name, "text": str(error)[:300]}


def unpacked(value: Any) -> Any:
    """The value again, as a plain one.

    Raises:
        Malformed: it was not made by `packed`.
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is not dict:
        raise Malformed(f"a bare {type(value).__name__}")
    try:
        if "error" in value:
            return unpacked_error(value)
        if "tensor" in value:
            return _unpacked_tensor(value)
        ((kind, inside),) = value.items()
        if kind == "text":
            return str(inside)
        if kind == "int":
            return int(inside, 16)
        if kind == "float":
            return float.fromhex(inside)
        if kind in ("tuple", "list"):
            items = [unpacked(item) for item in inside]
            return tuple(items) if kind == "tuple" else items
        if kind == "dict":
            return {str(key): unpacked(item) for key, item in inside.items()}
        if kind == "strange":
            return type(str(inside)[:60], (Strange,), {})()
    except Malformed:
        raise
    except Exception as error:
        raise Malformed(f"{type(error).__name__}: {error}") from None
    raise Malformed(f"kind {kind!r}")


def _unpacked_tensor(value: dict) -> torch.Tensor:
    shape = [int(size) for size in value["shape"]]
    data = base64.b64decode(value["data"], validate=True)
    dtype = DTYPES[value["tensor"]]
    if len(data) > LARGEST or len(data) != math.prod(shape) * dtype.itemsize or min(shape, default=0) < 0:
        raise Malformed(f"{len(data)} bytes for shape {shape}")
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy()).view(dtype).reshape(shape)


def unpacked_error(value: dict) -> BaseException:
    name, text = str(value["error"]), str(value["text"])[:300]
    if name == "Unfit":
        return Unfit(text)
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(text)
        except Exception:
            pass
    return RuntimeError(text if text.startswith(name) else f"{name}: {text}")
