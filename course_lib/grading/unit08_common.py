"""Unit 08: helpers of its checks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

from torch import Generator, Tensor

from course_lib.grading.compare import a, same
from course_lib.grading.task import Unfit


def all_different(make: Callable[[Generator], tuple], functions: list[Callable]) -> Callable[..., tuple]:
    """Inputs on which the functions all give different results: no mistake looks right, or like another."""

    def different(generator: Generator) -> tuple:
        for _ in range(10_000):
            given = make(generator)
            results = [function(*given) for function in functions]
            if not any(same(one, other) for one, other in combinations(results, 2)):
                return given
        raise RuntimeError("no inputs found that tell all mistakes apart")

    return different


def number(value: Any) -> Any:
    """A tensor without axes as the Python number it holds; all else as it is."""
    return value.item() if type(value) is Tensor and value.dim() == 0 else value


def several(got: Any, names: tuple[str, ...]) -> tuple:
    """What was returned, as a tuple of so many values.

    Raises:
        Unfit: they are not so many.
    """
    if type(got) not in (tuple, list) or len(got) != len(names):
        found = f"{len(got)} values" if type(got) in (tuple, list) else a(got)
        raise Unfit(f"returned {found}; wanted are {len(names)} values: {', '.join(names)}")
    return tuple(got)


def one_of(index: int, names: tuple[str, ...], plain: Callable[[Any], Any]) -> Callable[..., Any]:
    """A case's `call` that looks at one of several values, so that mistakes in two of them are told apart."""
    return lambda answer, *given: plain(several(answer(*given), names)[index])
