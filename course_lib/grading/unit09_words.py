"""Unit 09: rows of words."""

from __future__ import annotations

import torch
from torch import Generator

WORDS = ["비", "가", "온다", "오늘", "도", "the", "rain", "falls", "on", "roofs", "and", "I", "read", "a"]
WORDS += ["book", "about", "old", "towns", "by", "lamp", "light"]


def text(generator: Generator, n: int) -> list[str]:
    return [WORDS[i] for i in torch.randperm(len(WORDS), generator=generator)[:n]]
