"""Span corruption: write only what is missing, behind sentinels (T5: Raffel et al. 2020, section 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from course_lib.objectives.rows import Row, as_list, check_mean, check_share, like


def span_corruption(
    tokens: Row,
    sentinels: Sequence[Any],
    rate: float = 0.15,
    mean_span: float = 3.0,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Row, Row]:
    """Hide spans, each behind a sentinel of its own; the target names each sentinel and what it stands for.

    *Thank you for inviting me to your party last week* may become *Thank you <0> me to your party <1> week*
    and the target *<0> for inviting <1> last <2>*: the last sentinel says that nothing follows (Figure 2).

    Args:
        tokens: a row of ids or words (T,), without special tokens.
        sentinels: what stands for the first span, the second …; one more than there are spans.
        rate: share of the tokens that is hidden, at least one and never all; 0.15 in the paper.
        mean_span: mean length of the spans; 3 in the paper.

    Returns:
        What is read, and what is to be written.

    Raises:
        ValueError: fewer than two tokens, too few sentinels, or one that stands in the text already.
    """
    row = as_list(tokens)
    spans = corrupted_spans(len(row), rate, mean_span, generator=generator)
    if len(sentinels) <= len(spans):
        raise ValueError(
            f"{len(spans)} spans and {len(sentinels)} sentinels: each span needs one, and the end one "
            "more; give more, cut the text, or raise mean_span"
        )
    used = set(sentinels)
    there = [token for token in row if token in used]
    if there:
        raise ValueError(
            f"{there[0]!r} stands in the text and is a sentinel: the two could not be told apart"
        )
    read, write, end = [], [], 0
    for sentinel, (start, length) in zip(sentinels, spans):
        read += [*row[end:start], sentinel]
        write += [sentinel, *row[start : start + length]]
        end = start + length
    return like(tokens, read + row[end:]), like(tokens, [*write, sentinels[len(spans)]])


def corrupted_spans(
    n_tokens: int, rate: float = 0.15, mean_span: float = 3.0, *, generator: torch.Generator | None = None
) -> list[tuple[int, int]]:
    """[(start, length)] in order: spans that hide `rate` of the tokens, none empty, none touching.

    The share is the same for every row of a length; how it is cut into spans, and where they lie, is drawn,
    all ways equally likely.
    """
    check_share(rate)
    check_mean(mean_span)
    if n_tokens < 2:
        raise ValueError(f"{n_tokens} tokens: one must go and one must stay; give at least 2")
    hidden = min(max(round(rate * n_tokens), 1), n_tokens - 1)
    kept = n_tokens - hidden
    n_spans = min(max(round(hidden / mean_span), 1), hidden, kept + 1)
    lengths = _parts(hidden, n_spans, generator)
    # Between two spans at least one token stays; before the first and after the last there may be none.
    gaps = _parts(kept + 2, n_spans + 1, generator)
    gaps[0] -= 1
    spans, start = [], 0
    for gap, length in zip(gaps, lengths):
        spans.append((start + gap, length))
        start += gap + length
    return spans


def restore_spans(read: Row, write: Row, sentinels: Sequence[Any]) -> Row:
    """Put what was written back where its sentinel stands: undoes `span_corruption`.

    What a model writes may be wrong: a sentinel that it leaves out stands for nothing, one that it
    says twice for the last.
    """
    used, found, current = set(sentinels), {}, None
    for token in as_list(write):
        if token in used:
            current = token
            found[current] = []
        elif current is not None:
            found[current].append(token)
    whole = []
    for token in as_list(read):
        whole += found.get(token, []) if token in used else [token]
    return like(read, whole)


def _parts(total: int, n: int, generator: torch.Generator | None) -> list[int]:
    """`total` as a sum of n numbers of at least 1, all ways equally likely."""
    cuts = (torch.randperm(total - 1, generator=generator)[: n - 1] + 1).sort().values.tolist()
    return [after - before for before, after in zip([0, *cuts], [*cuts, total])]
