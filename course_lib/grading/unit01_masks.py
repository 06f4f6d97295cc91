"""Unit 01: causal, padding and banded masks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task


def rule(allowed: Callable[[int, int, int], bool]) -> Callable[..., Tensor]:
    """The mask in which query i may look at key j when `allowed(i, j, width)`."""

    def mask(T: int, width: int = 0) -> Tensor:
        return torch.tensor([[allowed(i, j, width) for j in range(T)] for i in range(T)])

    return mask


def additive_causal(T: int) -> Tensor:
    return torch.full((T, T), -torch.inf).triu(1)


def padding_reference(ids: Tensor, pad_id: int) -> Tensor:
    return torch.tensor([[[[token != pad_id for token in sentence]]] for sentence in ids.tolist()])


def length(generator: Generator) -> tuple[int]:
    return (whole(generator, 5, 9),)


def padded_ids(generator: Generator) -> tuple[Tensor, int]:
    """Sentences of unlike length, padded with an id that is neither 0 nor the largest."""
    B, S, pad_id = 4, whole(generator, 6, 9), whole(generator, 3, 7)
    ids = torch.randint(0, 12, (B, S), generator=generator)
    ids[ids == pad_id] = pad_id + 1
    ids[0, :2] = torch.tensor([0, pad_id - 1])
    for row in range(1, B):
        ids[row, S - row :] = pad_id
    return ids, pad_id


def length_and_width(generator: Generator) -> tuple[int, int]:
    return whole(generator, 7, 10), whole(generator, 2, 4)


def sees_itself(got: Tensor, *_: int) -> str | None:
    own = got.diagonal()
    return None if own.all() else f"{int((~own).sum())} of {len(own)} positions do not see themselves"


def no_future(got: Tensor, *_: int) -> str | None:
    ahead = int(got.triu(1).sum())
    return f"{ahead} entries allow a look at a later key" if ahead else None


def never_pads(got: Tensor, ids: Tensor, pad_id: int) -> str | None:
    looked_at = int((got[:, 0, 0] & (ids == pad_id)).sum())
    return f"{looked_at} padding positions are allowed" if looked_at else None


CAUSAL = Part(
    "causal_mask",
    rule(lambda i, j, _: j <= i),
    ("boolean mask (T, T)",),
    (
        Case(
            "returns booleans of shape (T, T)",
            length,
            "A mask says yes or no for each query (row) and key (column). Adding minus infinity is another "
            "convention.",
            "Print `mask.dtype` and `mask.shape`.",
            judge=lambda got, T: None,
        ),
        Case(
            "a position sees itself",
            length,
            "What a position knows of itself is no secret of the future; without it the first one sees "
            "nothing.",
            "Print the mask for T = 3 and read its diagonal.",
            judge=sees_itself,
        ),
        Case(
            "no position sees the future",
            length,
            "Rows are queries, columns are keys: in row i every column after i is False.",
            "Print `causal_mask(4).int()` and read row 1 aloud: this query may look at …",
            judge=no_future,
        ),
        Case(
            "right for every entry",
            length,
            "Query i may look at key j when j ≤ i, at all of the past.",
            "Compare `i = torch.arange(T)[:, None]` with `j = torch.arange(T)`.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "mask-of-the-future",
            "The mask is True in the future",
            rule(lambda i, j, _: j > i),
            "This marks what must be hidden. Here True means allowed.",
            "Read the first row: what may the first token look at?",
        ),
        Misconception(
            "transposed-mask",
            "Rows and columns are swapped",
            rule(lambda i, j, _: j >= i),
            "Every position sees itself and what comes after. Rows are queries, columns are keys.",
            "Read the first row of the mask for T = 3.",
        ),
        Misconception(
            "blind-to-itself",
            "A position does not see itself",
            rule(lambda i, j, _: j < i),
            "The diagonal is False, so the first position may look at nothing.",
            "Print the first row.",
        ),
        Misconception(
            "one-ahead",
            "Every position sees one token too far",
            rule(lambda i, j, _: j <= i + 1),
            "The next token is visible: a language model trained so would simply copy it.",
            "Print the first row for T = 3: how many True?",
        ),
        Misconception(
            "additive-mask",
            "This is the additive kind of mask",
            additive_causal,
            "Zeros and minus infinity are added to scores. The course's masks are boolean, True where "
            "allowed.",
            "Print `mask.dtype`.",
        ),
    ),
)

PADDING = Part(
    "padding_mask",
    padding_reference,
    ("boolean mask (B, 1, 1, S)",),
    (
        Case(
            "returns booleans of shape (B, 1, 1, S)",
            padded_ids,
            "One answer a key; the two sizes of one broadcast over heads and queries.",
            "Print the shape. `x[:, None, None, :]` adds axes.",
            judge=lambda got, ids, pad_id: None,
        ),
        Case(
            "padding is never allowed",
            padded_ids,
            "Padding fills the batch up to a rectangle. It is no text, so nobody may look at it.",
            "Print `ids[1]` and the mask's row for it.",
            judge=never_pads,
        ),
        Case(
            "right for every entry",
            padded_ids,
            "True where `ids` is not `pad_id`, whatever number that is.",
            "Try pad_id = 5 with an id of 0 in the sentence.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "inverted-mask",
            "The mask is True at the padding",
            lambda ids, pad_id: (ids == pad_id)[:, None, None, :],
            "This marks the padding. Here True means allowed, so attention would look at nothing but "
            "padding.",
            "Count `mask.sum()` and the words in the batch.",
        ),
        Misconception(
            "padding-shape",
            "Two axes are missing",
            lambda ids, pad_id: ids != pad_id,
            "The entries are right. Without axes for heads and queries, (B, S) lines up with (T, S) of the "
            "scores: the batch is taken for the queries.",
            "Write (B, S) and (B, H, T, S) one above the other, aligned at the right.",
        ),
        Misconception(
            "padding-of-queries",
            "The mask hides queries instead of keys",
            lambda ids, pad_id: (ids != pad_id)[:, None, :, None],
            "The padding's own rows are hidden, yet every word still looks at padding.",
            "Which axis of the scores (B, H, T, S) are the keys?",
        ),
        Misconception(
            "pad-id-taken-for-zero",
            "The padding is taken to be id 0",
            lambda ids, pad_id: (ids != 0)[:, None, None, :],
            "Many tokenizers pad with 0, not all: GPT-2 has no padding id, RoBERTa's is 1.",
            "Call it with another `pad_id`: does anything change?",
        ),
    ),
)

BANDED = Part(
    "banded_mask",
    rule(lambda i, j, width: i - width < j <= i),
    ("boolean mask (T, T)",),
    (
        Case(
            "no position sees the future",
            length_and_width,
            "A band is a causal mask with a short memory.",
            "Print `banded_mask(5, 2).int()`.",
            judge=no_future,
        ),
        Case(
            "right for every entry",
            length_and_width,
            "Each position sees `width` positions: itself and the `width - 1` before it.",
            "Sum the rows: away from the start each should count `width`.",
            worth=2,
        ),
        Case(
            "a band as wide as the sentence is the causal mask",
            lambda generator: (whole(generator, 4, 6),) * 2,
            "With enough memory nothing is forgotten.",
            "Compare `banded_mask(4, 4)` with `causal_mask(4)`.",
        ),
    ),
    (
        Misconception(
            "band-too-wide",
            "The band is one too wide",
            rule(lambda i, j, width: i - width <= j <= i),
            "Each position sees `width` before it and itself, so `width + 1` in all.",
            "Sum the last row of `banded_mask(6, 2)`.",
        ),
        Misconception(
            "band-too-narrow",
            "The band is one too narrow",
            rule(lambda i, j, width: i - width + 1 < j <= i),
            "Each position sees `width - 1` in all; with a width of 1 it would not see itself.",
            "Sum the last row of `banded_mask(6, 2)`.",
        ),
        Misconception(
            "band-both-sides",
            "The band reaches into the future",
            rule(lambda i, j, width: abs(i - j) < width),
            "Keys after the query are allowed, too. In a decoder only the past is known.",
            "Print the first row: which keys come after the query?",
        ),
        Misconception(
            "band-outside",
            "The band hides what it should show",
            rule(lambda i, j, width: j <= i - width),
            "Only what lies further back than the band is allowed.",
            "Print the mask for T = 4 and width 2.",
        ),
    ),
)

MASKS = Task(
    (CAUSAL, PADDING, BANDED),
    (
        "Write the rule first: query i may look at key j when … Then compare a column of i with a row of j.",
        "`torch.arange(T)[:, None]` are the queries, `torch.arange(T)` the keys; a comparison of the two is "
        "(T, T). For padding compare `ids` with `pad_id` and add two axes.",
        "The causal rule is j ≤ i. The band adds one more condition on i - j, joined with `&`. Padding: "
        "True where the id differs from pad_id, indexed with `[:, None, None, :]`.",
    ),
    (
        "course_lib.attention.causal_mask",
        "course_lib.attention.padding_mask",
        "course_lib.attention.banded_mask",
        "course_lib.attention.prefix_mask",
        "course_lib.attention.permutation_mask",
        "torch.nn.Transformer.generate_square_subsequent_mask",
    ),
)
