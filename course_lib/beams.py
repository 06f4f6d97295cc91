"""Beam search: follow several candidates at once, and keep the likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course_lib.decoding import Ids, Text, check_penalty, penalise


class Beam(NamedTuple):
    """A finished candidate: its new tokens, eos included, and log p / length ** length_penalty."""

    ids: list[int]
    score: float


def beam_search(
    model: Any,
    ids: Ids,
    max_new_tokens: int = 20,
    *,
    num_beams: int,
    mask: Tensor | None = None,
    length_penalty: float = 1.0,
    early_stopping: bool = False,
    repetition_penalty: float = 1.0,
    eos_id: int | Sequence[int] | None = None,
) -> list[list[Beam]]:
    """Follow the `num_beams` likeliest texts at once; best first, one list a row.

    A candidate is finished when it ends with eos among the `num_beams` best of its step, or when
    `max_new_tokens` is reached. Scores are divided by length ** length_penalty (0: not at all; higher favours
    longer texts). A row is done when none of its running beams, at its present length, scores above its worst
    finished one; with `early_stopping`, as soon as `num_beams` are finished.

    The repetition penalty works on log-probabilities here, and other arguments are as in `generate`.
    """
    text = Text(model, ids, mask, max_new_tokens, eos_id, None)
    return follow_beams(text, num_beams, length_penalty, early_stopping, repetition_penalty)


def follow_beams(
    text: Text, num_beams: int, length_penalty: float, early_stopping: bool, repetition_penalty: float
) -> list[list[Beam]]:
    if num_beams < 1:
        raise ValueError(f"num_beams {num_beams}: follow at least one")
    check_penalty(repetition_penalty)
    B, K = len(text.ids), num_beams
    first_row = torch.arange(B, device=text.ids.device)[:, None] * K  # row b becomes rows bK to bK + K - 1
    logits = text.read(text.ids, text.mask).repeat_interleave(K, dim=0)
    text.select(torch.arange(B, device=text.ids.device).repeat_interleave(K))
    seen = text.seen(logits.shape[-1]).repeat_interleave(K, dim=0) if repetition_penalty != 1 else None
    scores = torch.full((B, K), -torch.inf, device=logits.device)  # log p of each running beam
    scores[:, 0] = 0  # all beams begin alike: only one of them may branch
    written = text.ids.new_empty(B * K, 0)
    finished: list[list[Beam]] = [[] for _ in range(B)]
    open_rows = set(range(B))
    n_candidates = K * (1 + max(1, len(text.eos_ids)))  # so many that K of them do not end
    for length in range(1, text.max_new_tokens + 1):
        log_p = logits.log_softmax(dim=-1)
        if seen is not None:
            log_p = penalise(log_p, seen, repetition_penalty)
        vocab_size = log_p.shape[-1]
        total = (scores.flatten()[:, None] + log_p).view(B, -1)  # (B, K · vocab_size)
        best, where = total.topk(min(n_candidates, total.shape[1]), dim=-1)
        token, parent = where % vocab_size, first_row + where // vocab_size
        ends = torch.isin(token, token.new_tensor(text.eos_ids))
        if length == text.max_new_tokens:
            ends[:] = True
        for b in open_rows:
            for k in ends[b, :K].nonzero().flatten().tolist():
                ids = [*written[parent[b, k]].tolist(), int(token[b, k])]
                finished[b].append(Beam(ids, float(best[b, k]) / length**length_penalty))
            finished[b] = sorted(finished[b], key=lambda beam: -beam.score)[:K]

        scores, kept = best.masked_fill(ends, -torch.inf).topk(K, dim=-1)
        rows, new = parent.gather(1, kept).flatten(), token.gather(1, kept).flatten()
        highest = (scores[:, 0] / length**length_penalty).tolist()
        for b in list(open_rows):
            if len(finished[b]) == K and (early_stopping or finished[b][-1].score >= highest[b]):
                open_rows.remove(b)
        if not open_rows or length == text.max_new_tokens:
            break
        written = torch.cat([written[rows], new[:, None]], dim=1)
        if seen is not None:
            seen = seen[rows]
            seen[torch.arange(len(new), device=new.device), new] = True
        text.select(rows)
        logits = text.read(new[:, None])
    return finished
