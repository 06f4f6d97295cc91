"""Unit 09: what the decoder reads, and how it looks into the source."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- the decoder's input ----

PAD, EOS, START = 0, 1, 2


def shift_like(
    first: Callable[[Tensor, int], Tensor] = lambda labels, start: torch.full_like(labels[:, :1], start),
    rest: Callable[[Tensor], Tensor] = lambda labels: labels[:, :-1],
    filled: bool = True,
) -> Callable[..., Tensor]:
    def shift(labels: Tensor, start_id: int, pad_id: int) -> Tensor:
        shifted = torch.cat([first(labels, start_id), rest(labels)], dim=1)
        return shifted.masked_fill(shifted == -100, pad_id) if filled else shifted

    return shift


def labels_of(padded: bool) -> Callable[[Generator], tuple]:
    """Labels (B, T) of different lengths, each ended by eos and filled up with -100; start and pad ids."""

    def make(generator: Generator) -> tuple:
        B, T = whole(generator, 2, 4), whole(generator, 5, 8)
        labels = torch.randint(10, 99, (B, T), generator=generator)
        lengths = [T - 2 - i % 2 if padded and i else T for i in range(B)]
        for row, n in zip(labels, lengths):
            row[n - 1], row[n:] = EOS, -100
        return labels, START + whole(generator, 1, 5), PAD

    return make


SHIFT = Task(
    (
        Part(
            "shift_right",
            shift_like(),
            ("what the decoder reads (B, T)",),
            (
                Case(
                    "begins with the start token, then the labels one place later",
                    labels_of(padded=False),
                    "At place t the decoder has read all labels before t, and predicts label t.",
                    "Write labels and answer below each other: under each label stands the one before it.",
                    worth=2,
                ),
                Case(
                    "-100 becomes padding",
                    labels_of(padded=True),
                    "-100 is no token: an embedding has no row for it.",
                    "Print the smallest number in your answer.",
                ),
            ),
            (
                Misconception(
                    "not-shifted",
                    "The labels are not shifted",
                    shift_like(first=lambda labels, start: labels[:, :0], rest=lambda labels: labels),
                    "Then the decoder reads at place t what it is to predict there. Training looks perfect, "
                    "and it can write nothing.",
                    "Compare the first column with start_id.",
                ),
                Misconception(
                    "rolled-round",
                    "The last label comes round to the front",
                    shift_like(first=lambda labels, start: labels[:, -1:]),
                    "The first place has to be the start token; the last label is predicted and never read.",
                    "Print the first column.",
                ),
                Misconception(
                    "shifted-left",
                    "The labels are shifted to the left",
                    shift_like(first=lambda labels, start: labels[:, 1:], rest=lambda labels: labels[:, -1:]),
                    "Then the decoder reads what comes after.",
                    "What has a decoder read before it wrote its first word?",
                ),
                Misconception(
                    "minus-100-stays",
                    "-100 stays in what is read",
                    shift_like(filled=False),
                    "-100 means not scored; the model cannot look it up.",
                    "Give your answer to `nn.Embedding(100, 4)`.",
                ),
            ),
        ),
    ),
    (
        "What has the decoder read before it predicts the first label?",
        "A column of start_id in front, the last column of labels left out, then pad_id where it is -100.",
        "`torch.cat([torch.full_like(labels[:, :1], start_id), labels[:, :-1]], dim=1)`, then `masked_fill`.",
    ),
    ("course_lib.models.encoder_decoder.shift_right",),
)

# ---- cross-attention ----


def cross_like(
    swapped: bool = False, masked: bool = True, causal: bool = False, scaled: bool = True
) -> Callable[..., Tensor]:
    """`swapped`: the source asks, and the decoder's text answers."""

    def cross(
        x: Tensor, memory: Tensor, w_query: Tensor, w_key: Tensor, w_value: Tensor, is_real: Tensor
    ) -> Tensor:
        asks, answers = (memory, x) if swapped else (x, memory)
        query, key, value = asks @ w_query, answers @ w_key, answers @ w_value
        scores = torch.einsum("btd,bsd->bts", query, key)
        if scaled:
            scores = scores / math.sqrt(query.shape[-1])
        if masked and not swapped:
            scores = scores.masked_fill(~is_real[:, None, :], -torch.inf)
        if causal:
            later = torch.ones(scores.shape[1:]).triu(1).bool()
            scores = scores.masked_fill(later, -1e4)
        return scores.softmax(-1) @ value

    return cross


def sides(padded: bool) -> Callable[[Generator], tuple]:
    """x (B, T, D), memory (B, S, D), three matrices, and which of the S tokens are real."""

    def make(generator: Generator) -> tuple:
        B, D, V, T = sizes(generator, 4, 2, 5)
        S = whole(generator, 6, 8)
        is_real = torch.ones(B, S, dtype=torch.bool)
        if padded:
            is_real[1:, -2:] = False
            is_real[0, -1] = False
        w_query, w_key = (normal(generator, D, D) for _ in range(2))
        return (
            normal(generator, B, T, D),
            normal(generator, B, S, D),
            w_query,
            w_key,
            normal(generator, D, V),
            is_real,
        )

    return make


def sees_the_end(answer: Callable[..., Tensor], x: Tensor, memory: Tensor, *rest: Tensor) -> bool:
    """Whether the first row of the output moves with the last token of the source."""
    other = memory.clone()
    other[:, -1] += 3
    first, second = answer(x, memory, *rest), answer(x, other, *rest)
    if type(first) is not Tensor or type(second) is not Tensor or first.shape[:2] != x.shape[:2]:
        raise Unfit("first the shape has to be right: a row for each place of the decoder")
    if first.isnan().any() or second.isnan().any():
        raise Unfit("some numbers are NaN: a row of scores is -inf throughout")
    return bool((first[:, 0] - second[:, 0]).abs().amax() > 1e-6)


CROSS = Task(
    (
        Part(
            "cross_attention",
            cross_like(),
            ("output (B, T, V)",),
            (
                Case(
                    "returns a vector for each place of the decoder",
                    sides(padded=False),
                    "The decoder asks, so there are T answers.",
                    "Which of the two texts has T tokens?",
                    judge=lambda got, x, memory, w_query, w_key, w_value, is_real: None,
                ),
                Case(
                    "the first word may look at the whole source",
                    sides(padded=False),
                    "The source is there in full before the first word is written.",
                    "Which source tokens may the first row see?",
                    judge=lambda got, *given: (
                        None if got else "the first row stays the same when the last source token changes"
                    ),
                    call=sees_the_end,
                    names=("whether the first row moves",),
                    telling=False,
                ),
                Case(
                    "right without padding",
                    sides(padded=False),
                    "Queries from x, keys and values from memory; scores divided by √D.",
                    "Write under each matrix which text it is applied to.",
                    worth=2,
                ),
                Case(
                    "padding of the source gets no weight",
                    sides(padded=True),
                    "is_real says which source tokens are there; the others take no part in the softmax.",
                    "Change a padded vector of memory: may the output move?",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "padding-attended",
                    "Padding of the source is attended to",
                    cross_like(masked=False),
                    "Then the same sentence has another meaning in a batch with a longer one.",
                    "Change a padded vector of memory: does the output move?",
                ),
                Misconception(
                    "roles-swapped",
                    "The source asks, and the decoder answers",
                    cross_like(swapped=True),
                    "Then there is an answer for each source token, and none for the word to be written.",
                    "Compare the rows of your output with T and S.",
                ),
                Misconception(
                    "causal-mask",
                    "A causal mask lies on the source",
                    cross_like(causal=True),
                    "Causal is the decoder towards its own text. The source was read to its end before.",
                    "Which source tokens may the first row see?",
                ),
                Misconception(
                    "not-scaled",
                    "The scores are not divided by √D",
                    cross_like(scaled=False),
                    "It is the attention of lesson 01, with two texts.",
                    "Compare with lesson 01's formula.",
                ),
            ),
        ),
    ),
    (
        "Who asks, and who is asked? Only one of the three matrices is applied to x.",
        "query = x W_q; key and value from memory; scores over √D; is_real (B, S) becomes (B, 1, S).",
        "`scores.masked_fill(~is_real[:, None, :], -torch.inf).softmax(-1) @ value`.",
    ),
    ("torch.nn.functional.scaled_dot_product_attention",),
)
