"""Start page: one task to see how a check answers. Its points count nowhere."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task


def reference(scores: Tensor) -> Tensor:
    return torch.softmax(scores, dim=-1)


def one_row(generator: Generator) -> tuple[Tensor]:
    return (normal(generator, 1, *sizes(generator, 1)),)


def some_rows(generator: Generator) -> tuple[Tensor]:
    return (normal(generator, *sizes(generator, 2)),)


def with_heads(generator: Generator) -> tuple[Tensor]:
    return (normal(generator, *sizes(generator, 4)),)


def rows_sum_to_one(got: Tensor, *_: Tensor) -> str | None:
    sums = got.sum(-1)
    if ((sums - 1).abs() < 1e-5).all():
        return None
    return f"{sums.numel()} rows, whose sums run from {sums.min():.3f} to {sums.max():.3f}"


SOFTMAX = Task(
    parts=(
        Part(
            name="softmax",
            reference=reference,
            returns=("weights (…, S)",),
            cases=(
                Case(
                    "one row of scores becomes weights",
                    one_row,
                    "Each weight is exp(score), divided by the sum over its row.",
                    "Print `torch.exp(scores)` and its sum.",
                ),
                Case(
                    "every row sums to one",
                    some_rows,
                    "A row is one query; it shares out its own attention, whatever the other rows do.",
                    "Print `weights.sum(dim=-1)` for three rows. Then print the whole tensor's sum.",
                    judge=rows_sum_to_one,
                ),
                Case(
                    "the weights are right, for a batch with heads as well",
                    with_heads,
                    "Batch and heads stand in front; the softmax always runs over the last axis.",
                    "Compare with `torch.softmax(scores, dim=-1)` and look at which numbers differ.",
                ),
            ),
            misconceptions=(
                Misconception(
                    "sum-over-everything",
                    "You divide by the sum of the whole tensor",
                    lambda scores: scores.exp() / scores.exp().sum(),
                    "All rows together sum to one, so each row has only a share of its own attention.",
                    "With one row it works. What does `sum()` add up when there are two?",
                ),
                Misconception(
                    "softmax-over-rows",
                    "The softmax runs over the wrong axis",
                    lambda scores: scores.softmax(dim=-2),
                    "The columns sum to one: every key shares itself out among the queries.",
                    "Print `weights.sum(dim=-1)` and `weights.sum(dim=-2)`.",
                ),
                Misconception(
                    "no-exponential",
                    "The exponential is missing",
                    lambda scores: scores / scores.sum(dim=-1, keepdim=True),
                    "Scores can be negative; divided by their sum they are no weights.",
                    "Try it on the scores −1 and 1.",
                ),
            ),
        ),
    ),
    hints=(
        "A softmax shares out one whole in each row.",
        "`sum` takes an axis: `dim=-1` is the last one, the keys.",
        "Keep the axis you sum over (`keepdim=True`), so that the division finds each row's own sum.",
    ),
    forbidden=("torch.softmax", "torch.nn.functional.softmax"),
)

TASKS: dict[str, Task] = {"start.softmax": SOFTMAX}
