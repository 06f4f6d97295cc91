"""Look at what an answer returned: is it the right kind of thing, and are the numbers right?

Nothing here trusts the value: types are compared exactly, so an object with its own `==` decides nothing.
Messages say what was seen, never what was expected beyond what the task's text says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# float32 sums in another order differ by a few 1e-6; a real mistake by far more
RELATIVE, ABSOLUTE = 2e-5, 5e-6


def kind(value: Any) -> str:
    """The type's name, for a message. `type(value)` cannot lie; its name may be anything but is only text."""
    if value is None:
        return "None"
    try:
        return str(type.__dict__["__name__"].__get__(type(value)))[:60]
    except Exception:
        return "an object"


def is_tensor(value: Any) -> bool:
    """Exactly a tensor or a parameter; a subclass could lie about its values."""
    return type(value) in (Tensor, torch.nn.Parameter)


def frozen(value: Any) -> Any:
    """A copy that later changes cannot reach; tensors are cut off from their graph."""
    if is_tensor(value):
        return value.detach().clone()
    if type(value) in (tuple, list):
        return type(value)(frozen(item) for item in value[:20])
    if type(value) is dict:
        return {key: frozen(item) for key, item in list(value.items())[:100] if type(key) is str}
    return value


def unchanged(before: Any, after: Any) -> bool:
    """Whether arguments are still what they were, in value, shape and type."""
    if is_tensor(before):
        return (
            is_tensor(after)
            and before.shape == after.shape
            and before.dtype == after.dtype
            and torch.equal(before, after.detach())
        )
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(unchanged, before, after))
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    return before == after


def copy_of(value: Any) -> Any:
    if is_tensor(value):
        return value.clone()
    if isinstance(value, tuple | list):
        return type(value)(copy_of(item) for item in value)
    if isinstance(value, Mapping):
        return {key: copy_of(item) for key, item in value.items()}
    return value


def structure(got: Any, want: Any, returns: tuple[str, ...], strict: bool = True) -> str | None:
    """What is wrong with type, rank, shape or dtype of `got`; None when all are like `want`'s.

    Unless `strict`, any floating-point dtype will do where one is wanted.
    """
    if isinstance(want, tuple):
        returns = returns or _unnamed(want)
        if type(got) not in (tuple, list):
            return f"returned {a(got)}; wanted are {len(want)} values: {', '.join(returns)}"
        if len(got) != len(want):
            return f"returned {len(got)} values; wanted are {len(want)}: {', '.join(returns)}"
        wrong = [structure(*one, strict) for one in zip(got, want, zip(returns), strict=False)]
        if not any(wrong):
            return None
        if not any(structure(*one, strict) for one in zip(got[::-1], want, zip(returns), strict=False)):
            return f"the values are in another order; wanted is: {', '.join(returns)}"
        return next(f"{short(name)}: {one}" for name, one in zip(returns, wrong, strict=False) if one)
    if isinstance(want, dict):
        if type(got) is not dict:
            return f"returned {a(got)}; wanted is a dict: {returns[0]}"
        if missing := [key for key in want if key not in got]:
            return f"the dict has no key {missing[0]!r}"
        wrong = (f"{key}: {w}" for key in want if (w := structure(got[key], want[key], returns, strict)))
        return next(wrong, None)
    if isinstance(want, bool | int):
        return _whole_number(got, returns[0]) if type(got) is not type(want) else None
    if isinstance(want, float):
        return None if type(got) in (int, float) else f"returned {a(got)}; wanted is a number: {returns[0]}"
    if isinstance(want, str):
        return None if type(got) is str else f"returned {a(got)}; wanted is a string: {returns[0]}"
    if isinstance(want, list):
        if type(got) not in (list, tuple):
            return f"returned {a(got)}; wanted is a list: {returns[0]}"
        wrong = [one for one in got if want and type(one) is not type(want[0])]
        return f"the list holds {a(wrong[0])}; wanted is: {returns[0]}" if wrong else None
    return _tensor_structure(got, want, returns[0], strict)


def is_about_shape(wrong: str) -> bool:
    """Whether a complaint of `structure` is about a rank or a shape, not about the kind of value."""
    return "shape (" in wrong and "returned" not in wrong


def _unnamed(want: tuple) -> tuple[str, ...]:
    return tuple(f"value {i + 1}" for i in range(len(want)))


def _whole_number(got: Any, name: str) -> str | None:
    if type(got) is float:
        return f"returned the float {got:.6g}; wanted is an int: {name}. (`/` makes floats, `//` does not.)"
    return f"returned {a(got)}; wanted is an int: {name}"


def _tensor_structure(got: Any, want: Tensor, name: str, strict: bool) -> str | None:
    if not is_tensor(got):
        more = ""
        if isinstance(got, Tensor):
            more = ". Return a plain torch.Tensor, not a class of your own"
        elif type(got).__module__ == "numpy":
            more = ". Stay in torch: gradients do not flow through numpy"
        return f"returned {a(got)}; wanted is a tensor: {name}{more}"
    if got.layout != torch.strided or got.device.type == "meta":
        return "returned a tensor without ordinary storage (sparse or on the meta device)"
    if got.dim() != want.dim():
        return f"rank {got.dim()}, shape {tuple(got.shape)}; wanted is rank {want.dim()}: {name}"
    if got.shape != want.shape:
        return f"shape {tuple(got.shape)}; with these inputs wanted is {tuple(want.shape)}: {name}"
    alike = got.is_floating_point() and want.is_floating_point() and not strict
    if got.dtype != want.dtype and not alike:
        return f"the numbers are {_dtype(got)}; wanted are {_dtype(want)}: {name}"
    return None


def values(got: Any, want: Any, returns: tuple[str, ...] = ()) -> str | None:
    """Where numbers differ; None when all agree. Both have the same structure."""
    if isinstance(want, tuple):
        names = returns or _unnamed(want)
        found = (
            f"{short(name)}: {wrong}"
            for one, other, name in zip(got, want, names, strict=True)
            if (wrong := values(one, other))
        )
        return next(found, None)
    if isinstance(want, dict):
        wrong = [key for key in want if values(got[key], want[key])]
        return f"not right for {', '.join(map(str, wrong))}" if wrong else None
    if isinstance(want, bool | int):
        return None if got == want else f"returned {got:,}; that is {_direction(got, want)}"
    if isinstance(want, float):
        return None if math.isclose(got, want, rel_tol=RELATIVE) else f"returned {got:.6g}"
    if isinstance(want, str | list):
        return None if type(want)(got) == want else f"returned {repr(got)[:200]}"
    got, want = got.detach().to("cpu"), want.detach()
    if not want.is_floating_point():
        wrong = got != want
    else:
        got, want = got.double(), want.double()
        bad = ~got.isfinite() & want.isfinite()
        if bad.any():
            word = "NaN" if got[bad].isnan().any() else "infinite"
            if not got.dim():
                return f"returned {'NaN' if word == 'NaN' else 'an infinite number'}"
            return f"{int(bad.sum())} of {got.numel()} numbers are {word}, {_place(bad)}"
        wrong = far(got, want)
    if not wrong.any():
        return None
    if not got.dim():
        return f"returned {got.item():.6g}"
    return f"{int(wrong.sum())} of {wrong.numel()} {_things(want)} differ, {_place(wrong)}"


def far(one: Tensor, other: Tensor) -> Tensor:
    """Where two tensors of a shape differ by more than rounding; NaN is like NaN."""
    return ~torch.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


def same(one: Any, other: Any) -> bool:
    """Whether two answers did the same: equal values, or the same error with the same words."""
    if isinstance(one, BaseException) or isinstance(other, BaseException):
        return type(one) is type(other) and first_line(one) == first_line(other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if is_tensor(one) and is_tensor(other):
        return one.shape == other.shape and one.dtype == other.dtype and not far(one, other).any()
    if type(one) is float and type(other) is float:
        return math.isclose(one, other, rel_tol=RELATIVE)
    return type(one) is type(other) and type(one) in (int, bool, str) and one == other


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def a(value: Any) -> str:
    """A value in words, with its article."""
    if value is None:
        return "None (is a `return` missing?)"
    if type(value) in (int, float, bool):
        return f"{kind(value)} {value!r}"[:60]
    if is_tensor(value):
        return f"one tensor of shape {tuple(value.shape)}"
    return f"a {kind(value)}"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _things(tensor: Tensor) -> str:
    return "numbers" if tensor.is_floating_point() else "entries"


def _place(where: Tensor) -> str:
    first = where.nonzero()[0].tolist()
    return f"the first at [{', '.join(map(str, first))}]"


def _direction(got: int, want: int) -> str:
    return "too many" if got > want else "too few"


def short(name: str) -> str:
    """ "weights (…, T, S)" -> "weights"."""
    return name.partition(" (")[0]
