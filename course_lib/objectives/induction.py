"""Repeated segments: a task that can be solved only by looking it up in the text read so far.

A segment of distinct random tokens is repeated until the row is full. Nothing about it can be learned by
heart, so whoever predicts the repetitions has learned to *learn from the context*: find the last place where
the current token stood, and say what came after it (Elhage et al. 2021; Olsson et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.objectives.mlm import NOT_SCORED


def repeated_segments(
    n_rows: int,
    vocab_size: int,
    length: int = 64,
    shortest: int = 4,
    longest: int = 24,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Rows of one segment each, repeated to the end of the row.

    The segment's length is drawn anew for every row: were it fixed, looking back so many positions would do,
    and that takes one layer.

    Args:
        vocab_size: tokens to draw from; those of one segment are all different.
        length: tokens in a row.
        shortest, longest: the segment has at least and at most so many tokens.

    Returns:
        ids (n_rows, length) and the segments' lengths (n_rows,).

    Raises:
        ValueError: segments that do not fit the vocabulary, or are not repeated within a row.
    """
    if not 2 <= shortest <= longest <= vocab_size:
        raise ValueError(
            f"segments of {shortest} to {longest} distinct tokens from a vocabulary of {vocab_size}: choose "
            "2 <= shortest <= longest <= vocab_size"
        )
    if longest + 2 > length:
        raise ValueError(
            f"a segment of {longest} tokens is not repeated in a row of {length}: choose a length of at "
            f"least {longest + 2}"
        )
    device = generator.device if generator else None
    lengths = torch.randint(shortest, longest + 1, (n_rows,), generator=generator, device=device)
    shuffled = torch.rand(n_rows, vocab_size, generator=generator, device=device).argsort(dim=1)
    places = torch.arange(length, device=device) % lengths[:, None]  # (n_rows, length)
    return shuffled.gather(1, places), lengths


def times_seen(lengths: Tensor, length: int) -> Tensor:
    """How often each token was seen, behind the same token, before it has to be predicted: its *shots*.

    Args:
        lengths: (N,), of the segments.  length: tokens in a row.

    Returns:
        (N, length). 0 in the first segment and at the token after it: nobody can know these.
    """
    before = torch.arange(length, device=lengths.device) - 1
    return (before.clamp(min=0) // lengths[:, None]).clamp(min=0)


class RepeatedSegments:
    """Endless batches for a causal language model: "ids" and "labels", the latter only where shots > 0."""

    def __init__(
        self, vocab_size: int, batch_size: int = 64, length: int = 64, seed: int = 0, **segments: int
    ) -> None:
        self.vocab_size, self.batch_size, self.length, self.segments = (
            vocab_size,
            batch_size,
            length,
            segments,
        )
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return self

    def __next__(self) -> dict[str, Tensor]:
        ids, lengths = repeated_segments(
            self.batch_size, self.vocab_size, self.length, generator=self.generator, **self.segments
        )
        labels = ids.masked_fill(times_seen(lengths, self.length) == 0, NOT_SCORED)
        return {"ids": ids, "labels": labels}
