"""Fresh inputs for the checks: sizes that all differ, so that a mixed-up axis cannot pass by chance."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def sizes(generator: Generator, count: int, low: int = 2, high: int = 8) -> list[int]:
    """`count` different whole numbers from `low` to `high`."""
    return (torch.randperm(high - low + 1, generator=generator)[:count] + low).tolist()


def whole(generator: Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator)


def some_allowed(generator: Generator, *shape: int) -> Tensor:
    """A random boolean mask over at least three keys; each row allows two or more and forbids one or more.

    Two, because the softmax of a single score is 1 whatever the score: a wrong scale would pass by chance.
    """
    order = torch.rand(*shape, generator=generator).argsort(dim=-1)
    allowed = torch.randint(2, shape[-1], (*shape[:-1], 1), generator=generator)
    return order < allowed
