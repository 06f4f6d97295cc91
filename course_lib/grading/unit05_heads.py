"""Unit 05: heads for a text and for each token."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- heads ----


def vectors(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """hidden (B, T, D), weight (C, D), bias (C,)"""
    B, T, D, C = sizes(generator, 4, 3, 9)
    return normal(generator, B, T, D), normal(generator, C, D), normal(generator, C)


def class_like(read: Callable[[Tensor], Tensor], bias: float = 1) -> Callable[..., Tensor]:
    return lambda hidden, weight, b: torch.einsum("bd,cd->bc", read(hidden), weight) + bias * b


TEXT = Part(
    "text_scores",
    class_like(lambda hidden: hidden[:, 0]),
    ("scores (B, C)",),
    (
        Case(
            "one row of scores a text",
            vectors,
            "A label for the whole text needs one vector for the whole text.",
            "Print the shape of what you return.",
            judge=lambda got, *given: None,
        ),
        Case(
            "they come from [CLS], and from nothing else",
            vectors,
            "[CLS] stands first. Pre-training taught it to look at the whole text; a head just reads it.",
            "Change `hidden[:, 1:]`: do the scores move?",
            worth=2,
        ),
    ),
    (
        Misconception(
            "mean-of-all-tokens",
            "The head reads the mean of all tokens",
            class_like(lambda hidden: hidden.mean(1)),
            "A fair choice elsewhere (MiniLM's); BERT's head reads [CLS], and padding would count here.",
            "Change `hidden[:, -1]`: do the scores move?",
        ),
        Misconception(
            "last-token",
            "The head reads the last token",
            class_like(lambda hidden: hidden[:, -1]),
            "That is GPT's choice: its last token has seen all. In a padded batch the last one is padding.",
            "Which token stands at position -1 of a short text?",
        ),
        Misconception(
            "second-token",
            "The head reads the first word",
            class_like(lambda hidden: hidden[:, 1]),
            "Positions count from 0, and [CLS] is the first.",
            "Which token stands at position 1?",
        ),
        Misconception(
            "largest-of-all",
            "The head reads the largest number over the tokens",
            class_like(lambda hidden: hidden.amax(1)),
            "Max pooling mixes words and padding.",
            "Change `hidden[:, -1]`: do the scores move?",
        ),
        Misconception(
            "no-head-bias",
            "The bias is missing",
            class_like(lambda hidden: hidden[:, 0], bias=0),
            "It is added to the scores of every text.",
            "What are the scores for a vector of zeros?",
        ),
    ),
)


def tags_of(generator: Generator) -> tuple[Tensor, Tensor]:
    """scores (B, T, C), labels (B, T) with -100 at markers and padding, unevenly many right."""
    B, T, C = 3, whole(generator, 7, 9), whole(generator, 4, 6)
    scores = normal(generator, B, T, C)
    labels = torch.randint(1, C, (B, T), generator=generator)
    scores[..., 0] = -9  # nobody answers 0
    copied = torch.rand(B, T, generator=generator) < 0.6
    labels[copied] = scores.argmax(-1)[copied]
    best = scores.argmax(-1)
    for b, t in ((0, 1), (0, 4), (0, 5), (1, 2), (1, 3), (2, 1), (2, 2)):  # right: never half of all
        labels[b, t] = best[b, t]
    for b, t in ((0, 2), (0, 3), (1, 1)):  # wrong: the shortest sentence is the best
        labels[b, t] = best[b, t] % (C - 1) + 1
    labels[:, 0] = labels[:, -1] = -100
    labels[1, 4:], labels[2, 3:] = -100, -100
    return scores, labels


def tag_like(
    right: Callable[[Tensor, Tensor], Tensor] = lambda scores, labels: (scores.argmax(-1) == labels).float(),
    pooled: Callable[[Tensor, Tensor], Tensor] = lambda right, real: right[real].mean(),
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda scores, labels: pooled(right(scores, labels), labels != -100)


TAGS = Part(
    "tag_accuracy",
    tag_like(),
    ("the share of right answers, a tensor without axes ()",),
    (
        Case(
            "markers and padding do not count",
            tags_of,
            "Their label is -100: leave them out, of the right answers and of all answers.",
            "Add a column with labels of -100: does the accuracy change?",
            worth=2,
        ),
    ),
    (
        Misconception(
            "padding-counts-as-wrong",
            "Padding counts as wrong",
            tag_like(pooled=lambda right, real: right.mean()),
            "No answer equals -100, so every padded place lowers the accuracy.",
            "Add a column with labels of -100: does the accuracy change?",
        ),
        Misconception(
            "padding-counts-as-right",
            "Padding counts as right",
            tag_like(pooled=lambda right, real: (right + (~real).float()).mean()),
            "A batch with much padding would look excellent.",
            "Compute the accuracy of a batch that is all padding but one wrong word.",
        ),
        Misconception(
            "mean-of-sentences",
            "A mean over sentences",
            tag_like(pooled=lambda right, real: ((right * real).sum(1) / real.sum(1)).mean()),
            "A word in a short sentence would count for more. The task asks for the share of all words.",
            "Use one sentence with six words and one with two.",
        ),
        Misconception(
            "number-not-share",
            "The number of right answers, not their share",
            tag_like(pooled=lambda right, real: right[real].sum()),
            "Divide by the number of words that have a label.",
            "Is the result at most 1?",
        ),
    ),
)

HEADS = Task(
    (TEXT, TAGS),
    (
        "Which position does each head read, and which labels say: leave this out?",
        "`hidden[:, 0]` are the vectors of [CLS], (B, D). `labels != -100` tells which tokens are words.",
        "`hidden[:, 0] @ weight.T + bias`. For tags: `(scores.argmax(-1) == labels)[labels != -100]`, as "
        "floats, and its mean.",
    ),
    ("torch.nn.functional.linear", "torch.nn.Linear.forward"),
)
