"""Unit 05: the loss of the chosen tokens only."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task


def scored_logits(generator: Generator, share: float = 0.4) -> tuple[Tensor, Tensor]:
    """logits (B, T, V) and labels (B, T), unevenly many in each row, none at some places."""
    V, T = whole(generator, 110, 130), whole(generator, 7, 9)
    logits = 2 * normal(generator, 3, T, V)
    labels = torch.randint(V, (3, T), generator=generator)
    labels[torch.rand(3, T, generator=generator) > share] = -100
    labels[0, :5], labels[1, :4], labels[2, 1:] = 7, -100, -100
    labels[1, 4], labels[2, 0] = 3, 5
    return logits, labels


def large(generator: Generator) -> tuple[Tensor, Tensor]:
    logits = torch.zeros(2, 4, 120)
    logits[..., 7], logits[..., 9] = 300, 299
    labels = torch.full((2, 4), -100)
    labels[0, whole(generator, 0, 3)] = 9  # a single one: its loss is the mean
    return logits, labels


def from_the_end(logits: Tensor, labels: Tensor) -> Tensor:
    rows = logits.log_softmax(-1).flatten(0, 1)
    return -rows[torch.arange(len(rows)), labels.flatten()].mean()


def loss_like(
    scores: Callable[[Tensor], Tensor] = lambda logits: logits.log_softmax(-1),
    pooled: Callable[[Tensor, Tensor], Tensor] = lambda each, scored: (
        each[scored].sum() / max(int(scored.sum()), 1)
    ),
) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        scored = labels != -100
        index = torch.where(scored, labels, torch.zeros_like(labels))
        each = -scores(logits).gather(-1, index[..., None])[..., 0]
        return pooled(each, scored)

    return loss


def row_by_row(each: Tensor, scored: Tensor) -> Tensor:
    per_row = (each * scored).sum(1) / scored.sum(1).clamp(min=1)
    return per_row.mean()


LOSS = Task(
    (
        Part(
            "mlm_loss",
            lambda logits, labels: (
                F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
                / max(int((labels != -100).sum()), 1)
            ),
            ("the loss, a tensor without axes ()",),
            (
                Case(
                    "what is not scored does not count",
                    lambda generator: scored_logits(generator, 0.2),
                    "Labels of -100 say: leave this place out, of the sum and of the count.",
                    "Change the logits at a place with label -100: does the loss move?",
                    worth=2,
                ),
                Case(
                    "right for many labels",
                    lambda generator: scored_logits(generator, 0.8),
                    "The mean over the chosen tokens of minus the log of the probability of the label.",
                    "Take one sentence with one label, and compute −log softmax by hand.",
                    worth=2,
                ),
                Case(
                    "large scores do not overflow",
                    large,
                    "exp(300) is infinite in float32. log_softmax works with differences.",
                    "Try `torch.tensor([300.0, 0.0]).exp()`.",
                ),
                Case(
                    "no label at all gives 0",
                    lambda generator: (normal(generator, 2, 5, 130), torch.full((2, 5), -100)),
                    "In a small batch perhaps nothing is chosen. 0/0 is NaN, and one NaN ends a training.",
                    "Call it with labels that are all -100.",
                ),
            ),
            (
                Misconception(
                    "divided-by-all-tokens",
                    "The sum is divided by the number of all tokens",
                    loss_like(pooled=lambda each, scored: each[scored].sum() / scored.numel()),
                    "Only the chosen are in the sum, so only they count below it.",
                    "Add padding to the batch: the loss should stay the same.",
                ),
                Misconception(
                    "scored-everywhere",
                    "Places without a label are scored as token 0",
                    loss_like(pooled=lambda each, scored: each.mean()),
                    "-100 became an ordinary id, such as 0 by clamping, and is asked for.",
                    "Change the logits where the label is -100: does the loss move?",
                ),
                Misconception(
                    "counted-from-the-end",
                    "-100 is used as an index",
                    from_the_end,
                    "Python counts negative indices from the end, without an error.",
                    "Which number is `x[-100]` for a row of 130?",
                ),
                Misconception(
                    "sum-not-mean",
                    "The loss is a sum",
                    loss_like(pooled=lambda each, scored: each[scored].sum()),
                    "It grows with the number of chosen tokens, and the learning rate would have to follow.",
                    "Give the same sentence twice: the loss should not change.",
                ),
                Misconception(
                    "mean-of-means",
                    "A mean over sentences of means",
                    loss_like(pooled=row_by_row),
                    "A chosen word in a sentence with few of them would weigh more.",
                    "Use one sentence with five labels and one with a single label.",
                ),
                Misconception(
                    "nan-without-labels",
                    "Without labels it is NaN",
                    loss_like(pooled=lambda each, scored: each[scored].mean()),
                    "The mean of nothing is 0/0.",
                    "Call it with labels that are all -100.",
                ),
                Misconception(
                    "softmax-over-tokens",
                    "The softmax runs over the positions",
                    loss_like(scores=lambda logits: logits.log_softmax(1)),
                    "The candidates are the tokens of the vocabulary, the last axis.",
                    "Print the sums of the probabilities over the last axis.",
                ),
                Misconception(
                    "no-logarithm",
                    "The logarithm is missing",
                    loss_like(scores=lambda logits: logits.softmax(-1)),
                    "Minus a probability is no cross-entropy: its gradient is tiny where the model is wrong.",
                    "What should the loss be when all tokens are alike likely?",
                ),
                Misconception(
                    "in-bits",
                    "The logarithm has base 2",
                    loss_like(scores=lambda logits: logits.log_softmax(-1) / math.log(2)),
                    "Bits are a fine unit; the task, like PyTorch, asks for nats.",
                    "Compare with log(V) for logits that are all zero.",
                ),
                Misconception(
                    "wrong-sign",
                    "The sign is lost",
                    loss_like(scores=lambda logits: -logits.log_softmax(-1)),
                    "A loss is large when the model is wrong. This one is largest when it is right.",
                    "Is the loss positive?",
                ),
                Misconception(
                    "overflowing-loss",
                    "Large scores overflow",
                    loss_like(
                        scores=lambda logits: (logits.exp() / logits.exp().sum(-1, keepdim=True)).log()
                    ),
                    "exp of a large score is infinite, and infinite over infinite is NaN.",
                    "Try logits of 300.",
                ),
            ),
        ),
    ),
    (
        "First find the places: `scored = labels != -100`. Then think of nothing else.",
        "`logits[scored]` is (N, V) and `labels[scored]` is (N,). The log of a softmax over the last axis, "
        "then for each row the entry of its label.",
        "`log_p = logits[scored].log_softmax(-1)`, pick with `log_p[torch.arange(N), labels[scored]]`; minus "
        "their sum, divided by N, or by 1 when N is 0.",
    ),
    (
        "torch.nn.functional.cross_entropy",
        "torch.nn.functional.nll_loss",
        "torch.nn.CrossEntropyLoss.forward",
        "torch.nn.NLLLoss.forward",
        "course_lib.models.common.score",
    ),
)
