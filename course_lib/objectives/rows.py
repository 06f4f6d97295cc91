"""A row of tokens, ids or words, as a list or a tensor: what the noises of BART and T5 take and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

Row = Sequence[Any] | Tensor


def as_list(tokens: Row) -> list:
    """The tokens as a list."""
    if isinstance(tokens, str):
        raise TypeError(f"{tokens[:30]!r} is one string: give its tokens, such as text.split()")
    if isinstance(tokens, Tensor):
        if tokens.ndim != 1:
            raise ValueError(
                f"tokens of shape {tuple(tokens.shape)}: a noise takes one row (T,), as rows change length"
            )
        return tokens.tolist()
    return list(tokens)


def like(tokens: Row, changed: list) -> Row:
    """What became of them, as a tensor if they were one."""
    return tokens.new_tensor(changed) if isinstance(tokens, Tensor) else changed


def check_share(rate: float) -> None:
    """Refuse a rate that is no share."""
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: choose a share of the tokens, 0 to 1, such as 0.15")


def check_mean(mean_span: float) -> None:
    """Refuse a mean length that no span can have."""
    if not mean_span > 0:
        raise ValueError(f"mean_span is {mean_span}: spans of that mean length hide nothing; choose 3, say")
