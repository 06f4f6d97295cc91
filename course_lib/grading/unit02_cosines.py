"""Unit 02: cosines of two sets of vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

FORBIDDEN = (
    "course_lib.objectives.info_nce",
    "course_lib.objectives.contrastive.info_nce",
    "course_lib.objectives.contrastive.cosine_matrix",
)

# ---- cosines ----


def unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def cosine_reference(first: Tensor, second: Tensor) -> Tensor:
    return F.cosine_similarity(first[:, None], second[None], dim=-1)


def two_sets(generator: Generator) -> tuple[Tensor, Tensor]:
    N, M, D = sizes(generator, 3, 3, 9)
    return 3 * normal(generator, N, D), 0.5 * normal(generator, M, D)


def one_parallel(generator: Generator) -> tuple[Tensor, Tensor]:
    """The first of both sets point the same way, so that every wrong length shows."""
    N, M = sizes(generator, 2, 2, 3)
    D = whole(generator, 7, 9)
    first, second = 3 * normal(generator, N, D), 0.5 * normal(generator, M, D)
    second[0] = first[0] / 3
    return first, second


def in_range(got: Tensor, *_: Tensor) -> str | None:
    top = float(got.abs().max())
    return None if top <= 1.00001 else f"the largest number is {top:.2f}"


def without_length(got: tuple[Tensor, Tensor], *_: Tensor) -> str | None:
    off = float((got[0] - got[1]).abs().max())
    return f"numbers change by up to {off:.2f}" if off > 1e-4 else None


def longer(answer: Callable, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    return answer(first, second), answer(7 * first, second / 3)


COSINES = Task(
    (
        Part(
            "cosine_matrix",
            cosine_reference,
            ("cosines (N, M)",),
            (
                Case(
                    "all cosines lie between -1 and 1",
                    one_parallel,
                    "A cosine is the dot product of two vectors of length one.",
                    "Print the largest entry, and `first.norm(dim=-1)`.",
                    judge=in_range,
                ),
                Case(
                    "the length of the vectors does not count",
                    two_sets,
                    "Only the direction does: twice as long is as similar.",
                    "Call it with `first` and with `10 * first`.",
                    judge=without_length,
                    call=longer,
                    names=("cosines", "cosines of longer vectors"),
                ),
                Case(
                    "right for every pair",
                    two_sets,
                    "Row i, column j: the cosine of first[i] and second[j].",
                    "Take two vectors of two numbers and do it by hand.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "dot-product",
                    "Dot products, not cosines",
                    lambda a, b: a @ b.T,
                    "Long vectors get large numbers whatever their direction.",
                    "Print `first.norm(dim=-1)`.",
                ),
                Misconception(
                    "one-side-normalised",
                    "Only the first set has length one",
                    lambda a, b: unit(a) @ b.T,
                    "A cosine divides by both lengths.",
                    "Call it with `second` ten times as long.",
                ),
                Misconception(
                    "second-side-normalised",
                    "Only the second set has length one",
                    lambda a, b: a @ unit(b).T,
                    "A cosine divides by both lengths.",
                    "Call it with `first` ten times as long.",
                ),
                Misconception(
                    "wrong-axis",
                    "Normalised over the sentences",
                    lambda a, b: F.normalize(a, dim=0) @ F.normalize(b, dim=0).T,
                    "Each column was given length one: a vector's length now depends on the other sentences.",
                    "Print `x.norm(dim=-1)` after your normalisation: are these ones?",
                ),
                Misconception(
                    "whole-matrix",
                    "Divided by the length of the whole matrix",
                    lambda a, b: (a / a.norm()) @ (b / b.norm()).T,
                    "`norm()` without an axis gives one number for all vectors together.",
                    "Print the shape of what you divide by.",
                ),
                Misconception(
                    "squared-length",
                    "Divided by the squared length",
                    lambda a, b: (
                        (a / a.square().sum(-1, keepdim=True)) @ (b / b.square().sum(-1, keepdim=True)).T
                    ),
                    "The root is missing: a vector of length 2 is divided by 4.",
                    "Print `x.norm(dim=-1)` after your normalisation.",
                ),
            ),
        ),
    ),
    (
        "Give every vector length one first; what is the dot product of two such vectors?",
        "`x.norm(dim=-1, keepdim=True)` is (N, 1): one length a vector, ready to divide by.",
        "Normalise both sets over their last axis, then one matrix product with the second transposed.",
    ),
    ("torch.nn.functional.cosine_similarity", "torch.cosine_similarity", *FORBIDDEN[2:]),
)
