"""Unit 09: rows of words, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator

WORDS = ["비", "가", "온다", "오늘", "도", "the", "rain", "falls", "on", "roofs", "and", "I", "read", "a"]
WORDS += ["book", "about", "old", "towns", "by", "lamp", "light"]


def text(generator: Generator, n: int) -> list[str]:
    return [WORDS[i] for i in torch.randperm(len(WORDS), generator=generator)[:n]]


def became(before: Sequence[str], after: Sequence[str]) -> str:
    """What was seen of a row of words that came out wrong: before and after."""
    return f"`{' '.join(before)}` became `{' '.join(after[:40])}`"
