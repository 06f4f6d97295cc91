"""Unit 05: one network, two ways to read: a mask and targets for each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task


def padded(generator: Generator) -> tuple[Tensor, int]:
    B, T, pad_id = 3, whole(generator, 6, 9), whole(generator, 3, 7)
    ids = torch.randint(10, 60, (B, T), generator=generator)
    ids[1, T - 2 :], ids[2, T - 3 :] = pad_id, pad_id
    return ids, pad_id


def reading(kind: str) -> Callable[[Generator], tuple[Tensor, int, str]]:
    return lambda generator: (*padded(generator), kind)


def reads_like(
    allowed: Callable[[int, int], bool] = lambda i, j: j <= i,
    real: Callable[[Tensor, int], Tensor] = lambda ids, pad: (ids != pad)[:, None, :],
    both: bool = True,
) -> Callable[[Tensor, int, str], Tensor]:
    def mask(ids: Tensor, pad_id: int, kind: str) -> Tensor:
        T = ids.shape[1]
        seen = torch.tensor(
            [[(both and kind == "both") or allowed(i, j) for j in range(T)] for i in range(T)]
        )
        return seen[None] & real(ids, pad_id)

    return mask


def no_pads(got: Tensor, ids: Tensor, pad_id: int, kind: str) -> str | None:
    seen = int((got & (ids == pad_id)[:, None, :]).sum())
    return f"{seen} looks at padding are allowed" if seen else None


READS = Part(
    "reads",
    reads_like(),
    ("boolean mask (B, T, T)",),
    (
        Case(
            "both ways: every real token may be looked at",
            reading("both"),
            "BERT's mask hides padding and nothing else.",
            "Print the mask of a batch without padding: is anything False?",
        ),
        Case(
            "left: a position sees itself and what came before",
            reading("left"),
            "Query i may look at key j when j ≤ i.",
            "Print `mask[0].int()` and read row 1 aloud.",
        ),
        Case(
            "nobody looks at padding",
            reading("left"),
            "Padding hides keys, the last axis, in both kinds.",
            "Print the columns where `ids == pad_id`.",
            judge=no_pads,
        ),
    ),
    (
        Misconception(
            "left-is-right",
            "Left-only sees the future",
            reads_like(allowed=lambda i, j: j >= i),
            "Rows and columns are swapped: each position sees itself and what comes after.",
            "What may the first token look at?",
        ),
        Misconception(
            "left-not-itself",
            "A position does not see itself",
            reads_like(allowed=lambda i, j: j < i),
            "Then the first token sees nothing at all.",
            "Print the diagonal.",
        ),
        Misconception(
            "padding-visible",
            "Padding is visible",
            reads_like(real=lambda ids, pad: torch.ones(len(ids), 1, ids.shape[1], dtype=torch.bool)),
            "Short sentences would be read with their filling.",
            "Print the columns where `ids == pad_id`.",
        ),
        Misconception(
            "padding-of-rows",
            "Rows are hidden instead of columns",
            reads_like(real=lambda ids, pad: (ids != pad)[:, :, None]),
            "That stops padding from looking; the words still look at padding.",
            "Which axis are the keys?",
        ),
        Misconception(
            "always-left",
            "Both kinds look to the left only",
            reads_like(both=False),
            "BERT reads both ways.",
            'Compare the masks for "both" and "left".',
        ),
    ),
)


def targets_like(
    shift: Callable[[Tensor, int], Tensor] = lambda ids, pad: torch.cat(
        [ids[:, 1:], torch.full_like(ids[:, :1], pad)], dim=1
    ),
    pads: bool = True,
) -> Callable[[Tensor, int], Tensor]:
    def targets(ids: Tensor, pad_id: int) -> Tensor:
        moved = shift(ids, pad_id)
        return moved.masked_fill(moved == pad_id, -100) if pads else moved

    return targets


TARGETS = Part(
    "next_targets",
    targets_like(),
    ("labels (B, T)",),
    (
        Case(
            "each position is to say the next token",
            padded,
            "labels[:, t] is ids[:, t + 1]; the last position has no next token: -100.",
            "Write ids and labels of one row below each other.",
            worth=2,
        ),
        Case(
            "padding is never a target",
            padded,
            "A model that is scored on padding learns to write padding.",
            "Print `labels[ids.roll(-1, 1) == pad_id]`.",
            judge=lambda got, ids, pad_id: (
                f"{int((got == pad_id).sum())} labels are padding" if (got == pad_id).any() else None
            ),
        ),
    ),
    (
        Misconception(
            "targets-not-shifted",
            "Each position is to say itself",
            targets_like(shift=lambda ids, pad: ids),
            "It sees itself under a causal mask: copying would be enough.",
            "Write ids and labels of one row below each other.",
        ),
        Misconception(
            "targets-shifted-back",
            "Each position is to say the previous token",
            targets_like(
                shift=lambda ids, pad: torch.cat([torch.full_like(ids[:, :1], pad), ids[:, :-1]], dim=1)
            ),
            "The past is known already.",
            "Write ids and labels of one row below each other.",
        ),
        Misconception(
            "targets-around-the-corner",
            "The last position is to say the first token",
            targets_like(shift=lambda ids, pad: ids.roll(-1, dims=1)),
            "`roll` brings the first token round to the end.",
            "Print the last label of a row without padding.",
        ),
        Misconception(
            "padding-scored",
            "Padding is a target",
            targets_like(
                shift=lambda ids, pad: torch.cat([ids[:, 1:], torch.full_like(ids[:, :1], -100)], dim=1),
                pads=False,
            ),
            "Where the next token is padding there is nothing to say: -100.",
            "Print the labels of a row with padding.",
        ),
    ),
)

READING = Task(
    (READS, TARGETS),
    (
        "Build two conditions, one on positions (T, T), one on keys (B, 1, T), and join them with `&`.",
        "`torch.arange(T)[:, None] >= torch.arange(T)` looks left; `(ids != pad_id)[:, None, :]` are keys.",
        "Targets: a tensor of -100 like ids; its columns up to the last but one become `ids[:, 1:]`; "
        "wherever a target is pad_id, -100.",
    ),
    (
        "course_lib.attention.causal_mask",
        "course_lib.attention.padding_mask",
        "course_lib.objectives.causal.causal_lm_loss",
    ),
)
