"""Unit 10: relative positions, from distance to bucket, and from bucket into the scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task


def far_bucket(distance: Tensor, near: int, furthest: int, count: int) -> Tensor:
    """Logarithmic buckets from `near` on; distances are at least 1."""
    share = (distance.double() / near).log() / math.log(furthest / near)
    return (near + (share * (count - near)).floor().long()).clamp(max=count - 1)


def bucket_like(
    right_is_far: bool = True,
    halved: bool = True,
    logarithm: bool = True,
    clamped_future: bool = True,
    near_share: int = 2,
) -> Callable[..., Tensor]:
    def bucket(distance: Tensor, n_buckets: int, furthest: int, both_ways: bool) -> Tensor:
        count, first = n_buckets, torch.zeros_like(distance)
        if both_ways:
            count = n_buckets // 2 if halved else n_buckets
            turned = distance > 0 if right_is_far else distance < 0
            first = turned.long() * (n_buckets // 2)
            distance = distance.abs()
        else:
            distance = (-distance).clamp(min=0) if clamped_future else distance.abs()
        near = count // near_share
        if not logarithm:
            return first + distance.clamp(max=count - 1)
        far = far_bucket(distance.clamp(min=1), near, furthest, count)
        return first + torch.where(distance < near, distance, far)

    return bucket


def at(low: int, high: int, both_ways: bool, *wrong: dict) -> Callable[[Generator], tuple]:
    """Distances of that size, to both sides, on which each of these wrong ways shows."""

    def make(generator: Generator) -> tuple:
        while True:
            count, furthest = (16, 24, 40)[whole(generator, 0, 2)], whole(generator, 80, 150)
            size = torch.randint(low, high + 1, (9,), generator=generator)
            made = size * torch.tensor([-1, 1]).repeat(5)[:9], count, furthest, both_ways
            right = bucket_like()(*made)
            if all((bucket_like(**way)(*made) != right).any() for way in wrong):
                return made

    return make


def near_by(generator: Generator) -> tuple:
    """All distances from -3 to 3 in any order; with 16 buckets each has its own."""
    return torch.randperm(7, generator=generator) - 3, 16, whole(generator, 80, 150), True


BUCKET = Part(
    "bucket",
    bucket_like(),
    ("buckets, int64, the shape of distance",),
    (
        Case(
            "near distances have a bucket each, left and right apart",
            near_by,
            "Half of the buckets are for the left, half for the right; of each half the lower half is exact.",
            "Print your buckets of -3 to 3, with 16 buckets: 3 2 1 0 9 10 11.",
        ),
        Case(
            "far distances share buckets that widen",
            at(12, 75, True, {"logarithm": False}, {"near_share": 4}, {"halved": False}),
            "From `near` on the bucket grows with the logarithm of the distance, and reaches the end at "
            "`furthest`.",
            "Print the share log(d / near) / log(furthest / near) for d = near and for d = furthest.",
            worth=2,
        ),
        Case(
            "beyond `furthest` all share the last one",
            at(160, 900, True),
            "The last bucket takes all that is further.",
            "Call it with a distance of a million.",
        ),
        Case(
            "a decoder: the past has all buckets, the future none of its own",
            at(0, 70, False, {"logarithm": False}, {"near_share": 4}, {"clamped_future": False}),
            "What comes later is masked anyway; it falls into bucket 0.",
            "With 16 buckets and both_ways=False, print the buckets of -5 and of 5.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "sides-exchanged",
            "Left and right are exchanged",
            bucket_like(right_is_far=False),
            "The distance is key minus query: above zero the key stands to the right, in the upper half.",
            "Print the buckets of -1 and of 1.",
        ),
        Misconception(
            "not-halved",
            "Each side has all the buckets",
            bucket_like(halved=False),
            "Left and right share the table: half for each. Otherwise the two overlap.",
            "Is the largest bucket below n_buckets?",
        ),
        Misconception(
            "no-logarithm",
            "Buckets do not widen",
            bucket_like(logarithm=False),
            "With one bucket a distance, 16 buckets end after 16 tokens.",
            "Print the buckets of 10, 20, 40 and 80.",
        ),
        Misconception(
            "future-has-buckets",
            "The decoder's future is counted like its past",
            bucket_like(clamped_future=False),
            "A key to the right is masked. In T5 it falls into bucket 0 with the token itself.",
            "With both_ways=False, print the buckets of 3 and -3.",
        ),
        Misconception(
            "a-quarter-exact",
            "Too few buckets are exact",
            bucket_like(near_share=4),
            "Half of a side's buckets are exact, the other half widen.",
            "From which distance on do two distances share a bucket?",
        ),
    ),
)

BUCKETS = Task(
    (BUCKET,),
    (
        "Three questions: which half of the table, near or far, and how far on the logarithm's way?",
        "Both ways: halve the buckets, add that half where the distance is above zero, and go on with the "
        "absolute value. One way: the past counts as -distance, the future as 0.",
        "near = count // 2; far = near + int(log(d / near) / log(furthest / near) · (count - near)), at most "
        "count - 1; `torch.where(distance < near, distance, far)`. Keep log away from 0.",
    ),
    ("course_lib.embeddings.RelativePositionBias.bucket",),
)


# ---- attention with a bias ----


def attend_like(
    divided: bool = False, after: bool = False, ignored: bool = False, turned: bool = False
) -> Callable[..., Tensor]:
    def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor | None = None) -> Tensor:
        scores = torch.einsum("bhtd,bhsd->bhts", query, key)
        if divided:
            scores = scores / math.sqrt(query.shape[-1])
        added = bias.transpose(-2, -1) if turned else bias
        if not after and not ignored:
            scores = scores + added
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        weights = scores.softmax(-1)
        if after:
            weights = weights + added
        return torch.einsum("bhts,bhsd->bhtd", weights, value)

    return attend


def parts(masked: bool, same: bool = False) -> Callable[[Generator], tuple]:
    """query, key (B, H, T, D), value (B, H, T, V), bias (1, H, T, T), and a causal mask or None."""

    def make(generator: Generator) -> tuple:
        B, H, T, D, V = sizes(generator, 5, 2, 9)
        T = max(T, 3)
        query, key = (normal(generator, B, H, T, D) for _ in range(2))
        bias = torch.full((1, H, T, T), 2.5) if same else 2 * normal(generator, 1, H, T, T)
        mask = torch.ones(T, T, dtype=torch.bool).tril() if masked else None
        return query, key, normal(generator, B, H, T, V), bias, mask

    return make


ATTEND = Part(
    "attend",
    attend_like(),
    ("output (B, H, T, V)",),
    (
        Case(
            "the same number everywhere changes nothing",
            parts(masked=False, same=True),
            "A softmax sees differences only. So a constant added before it is lost.",
            "Compare your output for a bias of zeros and one of ones.",
        ),
        Case(
            "right for a bias of each head",
            parts(masked=False),
            "Scores, plus bias, then the softmax over the keys. T5 divides by nothing.",
            "Let query be zeros: then the weights are the softmax of the bias alone.",
            worth=2,
        ),
        Case(
            "right with a causal mask",
            parts(masked=True),
            "What is not allowed gets no weight, whatever its bias.",
            "Print the weights of the first query: only its own may be above 0.",
        ),
    ),
    (
        Misconception(
            "after-the-softmax",
            "The bias is added after the softmax",
            attend_like(after=True),
            "Then rows no longer sum to one, and weights can be below zero.",
            "Print the sums of the rows of your weights.",
        ),
        Misconception(
            "divided-by-the-root",
            "The scores are divided by √D",
            attend_like(divided=True),
            "T5's initialisation takes care of the size. With released weights the division makes every "
            "head too flat.",
            "Which scale has `T5.from_hf`'s attention?",
        ),
        Misconception(
            "bias-not-used",
            "The bias is not used",
            attend_like(ignored=True),
            "Without it the model has no positions at all: any order of the keys gives the same.",
            "Change the bias: does your output move?",
        ),
        Misconception(
            "bias-turned",
            "Rows and columns of the bias are exchanged",
            attend_like(turned=True),
            "Rows are queries. Turned round, looking left becomes looking right.",
            "Let the bias be large in row 0, column 2: which query should look where?",
        ),
    ),
)

BIASED = Task(
    (ATTEND,),
    (
        "It is the attention of lesson 01, with one thing added and one thing left out.",
        "Scores of all pairs, the bias on top, what is not allowed to minus infinity, softmax over the last "
        "axis, then the mean of the values. No root.",
        "`scores = query @ key.transpose(-2, -1) + bias`, and the rest as you know it.",
    ),
    ("torch.nn.functional.scaled_dot_product_attention",),
)
