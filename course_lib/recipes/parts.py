"""What a recipe needs to train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from course_lib.tokenization.base import Tokenizer


@dataclass
class Parts:
    """What a recipe needs to train: made afresh for each seed.

    evaluate: called with the model while it trains; keep it short.
    report: called at the end, on all held-out text.
    """

    model: nn.Module
    tokenizer: Tokenizer
    batches: Iterator[dict[str, Tensor]]
    evaluate: Callable[[nn.Module], dict[str, float]]
    report: Callable[[nn.Module], dict[str, float]]
    loss_fn: Callable | None = None
