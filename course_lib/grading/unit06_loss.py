"""Unit 06: the loss of a causal language model: each position is scored on the next token."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task


def whole_sentences(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """logits (B, T, V), ids (B, T), real (B, T): no padding."""
    B, T, V = 3, whole(generator, 6, 9), whole(generator, 14, 19)
    ids = torch.randint(V, (B, T), generator=generator)
    return 2 * normal(generator, B, T, V), ids, torch.ones(B, T, dtype=torch.bool)


def padded_sentences(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The same with padding on the right, a different number in each row."""
    logits, ids, real = whole_sentences(generator)
    T = ids.shape[1]
    real[0, T - 1 :], real[1, 2:] = False, False
    ids[~real] = whole(generator, 0, 5)
    logits[1] *= 2  # a short sentence with another loss than the long ones
    return logits, ids, real


def copying_model(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of a model that says what it has just read; neighbours differ."""
    _, ids, real = whole_sentences(generator)
    ids = ids[:, :1] + torch.arange(ids.shape[1])  # 0 1 2 3 …: never the same token twice in a row
    return 20.0 * F.one_hot(ids, 30), ids, real


def as_it_is(ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    return ids, real


def ahead(steps: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Targets and what is scored, moved by `steps`; what comes round the corner is not scored."""

    def moved(ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.arange(ids.shape[1]) + steps
        inside = (place >= 0) & (place < ids.shape[1])
        return ids.roll(-steps, dims=1), real.roll(-steps, dims=1) & inside

    return moved


the_next = ahead(1)


def mean(each: Tensor, scored: Tensor) -> Tensor:
    return each[scored].mean()


def loss_like(
    targets: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = the_next,
    pooled: Callable[[Tensor, Tensor], Tensor] = mean,
    axis: int = -1,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def loss(logits: Tensor, ids: Tensor, real: Tensor) -> Tensor:
        target, scored = targets(ids, real)
        each = -logits.log_softmax(axis).gather(-1, target[..., None])[..., 0]
        return pooled(each, scored)

    return loss


def not_along(ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """The mask stays where it was: the first padding after a sentence is scored."""
    target, scored = the_next(ids, torch.ones_like(real))
    return target, scored & real


def both_cut(ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and targets without their first: nothing is moved against each other."""
    return ids, real & (torch.arange(ids.shape[1]) > 0)


def row_by_row(each: Tensor, scored: Tensor) -> Tensor:
    return ((each * scored).sum(1) / scored.sum(1)).mean()


def reference(logits: Tensor, ids: Tensor, real: Tensor) -> Tensor:
    labels = ids.masked_fill(~real, -100)[:, 1:]
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=-100)


def found_out(got: Tensor, *_: Tensor) -> str | None:
    nats = round(float(got), 2) + 0.0  # no -0.00
    return f"a model that only copies has a loss of {nats:.2f} nats" if nats < 5 else None


LOSS = Task(
    (
        Part(
            "causal_loss",
            reference,
            ("the loss, a tensor without axes ()",),
            (
                Case(
                    "a model that only copies has a high loss",
                    copying_model,
                    "Saying the token one has just read is no art. The task is the next one.",
                    "Write the targets below the tokens: position 0 should be asked for token 1.",
                    judge=found_out,
                    telling=False,
                ),
                Case(
                    "each position is scored on the next token",
                    whole_sentences,
                    "T tokens give T − 1 predictions: position t is asked for token t + 1.",
                    "Take one sentence of two tokens: only the logits at position 0 and the token at "
                    "position 1 count.",
                    worth=2,
                ),
                Case(
                    "padding is not scored",
                    padded_sentences,
                    "A prediction counts when the token it is asked for is real; all that count weigh alike.",
                    "Count the predictions by hand: a sentence of two real tokens has one.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "not-shifted",
                    "Each position is scored on its own token",
                    loss_like(as_it_is),
                    "The model has just read that token: copying is enough for a loss of 0.",
                    "Write ids and your targets of one row below each other.",
                ),
                Misconception(
                    "both-cut",
                    "Logits and targets are cut at the same end",
                    loss_like(both_cut),
                    "Then position 1 is still asked for token 1, which it has just read. Nothing is shifted.",
                    "Cut the *last* logits and the *first* token.",
                ),
                Misconception(
                    "shifted-twice",
                    "Each position is scored on the token after the next",
                    loss_like(ahead(2)),
                    "The shift is done twice, for instance once in the targets and once more in the logits.",
                    "Write ids and your targets of one row below each other.",
                ),
                Misconception(
                    "shifted-back",
                    "Each position is scored on the token before it",
                    loss_like(ahead(-1)),
                    "The shift goes the wrong way: that token is the past.",
                    "Cut the *last* logits and the *first* token, not the other way round.",
                ),
                Misconception(
                    "around-the-corner",
                    "The last position is scored on the first token",
                    loss_like(lambda ids, real: (ids.roll(-1, 1), real.roll(-1, 1))),
                    "`roll` brings the first token round to the end. After the last token there is nothing.",
                    "Print the last target of a row.",
                ),
                Misconception(
                    "padding-scored",
                    "Padding is scored",
                    loss_like(lambda ids, real: the_next(ids, torch.ones_like(real))),
                    "The model would learn to write padding, and the mean would hang on the batch.",
                    "Add a column of padding: the loss should stay the same.",
                ),
                Misconception(
                    "mask-not-shifted",
                    "The padding mask is not shifted with the tokens",
                    loss_like(not_along),
                    "What counts is whether the *target* is real. The last real token is asked for padding.",
                    "Print targets and mask of a padded row below each other.",
                ),
                Misconception(
                    "sum-not-mean",
                    "The loss is a sum",
                    loss_like(pooled=lambda each, scored: each[scored].sum()),
                    "It grows with the length of the text, and the learning rate would have to follow.",
                    "Give the same sentence twice: the loss should not change.",
                ),
                Misconception(
                    "mean-of-means",
                    "A mean over sentences of means",
                    loss_like(pooled=row_by_row),
                    "A token of a short sentence would weigh more than one of a long sentence.",
                    "Use one sentence with one prediction and one with five.",
                ),
                Misconception(
                    "divided-by-all",
                    "The sum is divided by all places",
                    loss_like(pooled=lambda each, scored: each[scored].sum() / scored[:, 1:].numel()),
                    "Only scored places are in the sum, so only they count below it.",
                    "Add a column of padding: the loss should stay the same.",
                ),
                Misconception(
                    "softmax-over-positions",
                    "The softmax runs over the positions",
                    loss_like(axis=1),
                    "The candidates are the tokens of the vocabulary, the last axis.",
                    "Print the sums of the probabilities over the last axis.",
                ),
                Misconception(
                    "in-bits",
                    "The logarithm has base 2",
                    loss_like(pooled=lambda each, scored: mean(each, scored) / math.log(2)),
                    "Bits come in task 3; here, as in PyTorch, the unit is nats.",
                    "Compare with log(V) for logits that are all zero.",
                ),
                Misconception(
                    "wrong-sign",
                    "The sign is lost",
                    loss_like(pooled=lambda each, scored: -mean(each, scored)),
                    "A loss is large when the model is wrong.",
                    "Is the loss positive?",
                ),
            ),
        ),
    ),
    (
        "Write a sentence of four tokens on paper, and below each the token it is asked for. Which position "
        "has none? Which token is nobody asked for?",
        "The logits without their last position belong to the ids without their first. The mask goes with "
        "the ids.",
        "`scored = real[:, 1:]`. `logits[:, :-1][scored]` is (N, V), `ids[:, 1:][scored]` is (N,). "
        "Log-softmax, the entry of each id, minus the mean.",
    ),
    (
        "torch.nn.functional.cross_entropy",
        "torch.nn.functional.nll_loss",
        "torch.nn.CrossEntropyLoss.forward",
        "torch.nn.NLLLoss.forward",
        "course_lib.objectives.causal.causal_lm_loss",
        "course_lib.models.common.score",
    ),
)
