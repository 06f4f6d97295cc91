"""Unit 10: relative positions, from distance to bucket, and from bucket into the scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, some_allowed, whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit08_common import all_different

Share = Callable[[Tensor, int, int], Tensor]


def way(distance: Tensor, near: int, furthest: int) -> Tensor:
    """The logarithm's way from `near`, 0, to `furthest`, 1."""
    return (distance / near).log() / math.log(furthest / near)


def bucket_like(
    right: Callable[[Tensor], Tensor] = lambda distance: distance > 0,
    halved: bool = True,
    share: Share | None = way,
    past: Callable[[Tensor], Tensor] = lambda distance: (-distance).clamp(min=0),
    near_share: int = 2,
    whole_steps: Callable[[Tensor], Tensor] = torch.floor,
    over: float = -1,
    nudge: float = 0,
) -> Callable[..., Tensor]:
    """`right` is what gets the upper half, `past` what counts one way; the last bucket is count + `over`."""

    def bucket(distance: Tensor, n_buckets: int, furthest: int, both_ways: bool) -> Tensor:
        count, first = n_buckets, torch.zeros_like(distance)
        if both_ways:
            count = n_buckets // 2 if halved else n_buckets
            first = right(distance).long() * (n_buckets // 2)
            distance = distance.abs()
        else:
            distance = past(distance)
        if share is None:
            return first + distance.clamp(max=count - 1)
        near = count // near_share
        steps = share(distance.clamp(min=1).double(), near, furthest) * (count - near) + nudge
        far = (near + whole_steps(steps).long()).clamp(max=count + over)
        return first + torch.where(distance < near, distance, far.long())

    return bucket


RIGHT_WAY = bucket_like()
WRONG_WAYS = {
    "sides": {"right": lambda distance: distance < 0},
    "zero": {"right": lambda distance: distance >= 0},
    "full": {"halved": False},
    "straight": {"share": None},
    "both pasts": {"past": torch.abs},
    "future": {"past": lambda distance: distance.clamp(min=0)},
    "quarter": {"near_share": 4},
    "rounded": {"whole_steps": torch.round},
    "one more": {"over": 0},
    "no end": {"over": torch.inf},
    "whole log": {"share": lambda distance, near, furthest: (distance / near).log() / math.log(furthest)},
    "no near": {"share": lambda distance, near, furthest: distance.log() / math.log(furthest)},
}
CURVED = ("straight", "quarter", "rounded", "whole log", "no near")


def wrong(name: str) -> Callable[..., Tensor]:
    return bucket_like(**WRONG_WAYS[name])


def at(low: int, high: int, both_ways: bool, *names: str) -> Callable[[Generator], tuple]:
    """Distances of that size, to both sides, on which these wrong ways differ from the right one and from
    each other; and none so near a bucket's edge that rounding decides."""
    ways = {"right": {}} | {name: WRONG_WAYS[name] for name in names}

    def make(generator: Generator) -> tuple:
        count, furthest = (16, 24, 40)[whole(generator, 0, 2)], whole(generator, 80, 150)
        size = torch.randint(low, high + 1, (9,), generator=generator)
        return size * torch.tensor([-1, 1]).repeat(5)[:9], count, furthest, both_ways

    def clear(generator: Generator) -> tuple:
        different = all_different(make, [bucket_like(**way) for way in ways.values()])
        while True:
            given = different(generator)
            edges = ([bucket_like(**way, nudge=nudge) for nudge in (1e-4, -1e-4)] for way in ways.values())
            if all(torch.equal(above(*given), below(*given)) for above, below in edges):
                return given

    return clear


def near_by(generator: Generator) -> tuple:
    """All distances from -3 to 3 in any order; with 16 buckets each has its own."""
    return torch.randperm(7, generator=generator) - 3, 16, whole(generator, 80, 150), True


BUCKET = Part(
    "bucket",
    RIGHT_WAY,
    ("buckets (int64, in the shape of distance)",),
    (
        Case(
            "near distances have a bucket each, left and right apart",
            near_by,
            "Half of the buckets are for the left, half for the right; of each half the lower half is exact.",
            "Print your buckets of -3 to 3, with 16 buckets: 3 2 1 0 9 10 11.",
        ),
        Case(
            "far distances share buckets that widen",
            at(12, 75, True, "sides", "full", *CURVED),
            "From `near` on the bucket grows with the logarithm of the distance, and reaches the end at "
            "`furthest`.",
            "Print the share log(d / near) / log(furthest / near) for d = near and for d = furthest.",
            worth=2,
        ),
        Case(
            "beyond `furthest` all share the last one",
            at(2_000, 9_000, True, "sides", "one more", "no end"),
            "The last bucket takes all that is further.",
            "Call it with a distance of a million.",
        ),
        Case(
            "a decoder: the past has all buckets, the future none of its own",
            at(0, 70, False, "both pasts", "future", *CURVED),
            "What comes later is masked anyway; it falls into bucket 0.",
            "With 16 buckets and both_ways=False, print the buckets of -5 and of 5.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "sides-exchanged",
            "Left and right are exchanged",
            wrong("sides"),
            "The distance is key minus query: above zero the key stands to the right, in the upper half.",
            "Print the buckets of -1 and of 1.",
        ),
        Misconception(
            "not-halved",
            "Each side has all the buckets",
            wrong("full"),
            "Left and right share the table: half for each. Otherwise the two overlap.",
            "Is the largest bucket below n_buckets?",
        ),
        Misconception(
            "no-logarithm",
            "Buckets do not widen",
            wrong("straight"),
            "With one bucket a distance, 16 buckets end after 16 tokens.",
            "Print the buckets of 10, 20, 40 and 80.",
        ),
        Misconception(
            "future-has-buckets",
            "The decoder's future is counted like its past",
            wrong("both pasts"),
            "A key to the right is masked. In T5 it falls into bucket 0 with the token itself.",
            "With both_ways=False, print the buckets of 3 and -3.",
        ),
        Misconception(
            "a-quarter-exact",
            "Too few buckets are exact",
            wrong("quarter"),
            "Half of a side's buckets are exact, the other half widen.",
            "From which distance on do two distances share a bucket?",
        ),
        Misconception(
            "future-for-past",
            "The decoder counts the future, and the past falls into bucket 0",
            wrong("future"),
            "The distance is key minus query: below zero the key stands to the left, where a decoder looks.",
            "With both_ways=False, print the buckets of -5 and of 5.",
        ),
        Misconception(
            "zero-is-right",
            "A token is taken to stand to the right of itself",
            wrong("zero"),
            "Distance 0 is the token itself. Only above 0 does the upper half begin.",
            "Print the bucket of 0.",
        ),
        Misconception(
            "rounded",
            "Steps are rounded, not cut",
            wrong("rounded"),
            "A bucket begins where its whole step is reached: ⌊ ⌋ cuts off what is behind the point.",
            "What do 1.4 and 1.6 steps become in your code?",
        ),
        Misconception(
            "last-bucket-too-high",
            "The last bucket of a side is one too high",
            wrong("one more"),
            "Of `count` buckets the last is count - 1. Bucket `count` is the other side's first, or none.",
            "Call it with a distance of a million, to the left: is it below n_buckets / 2?",
        ),
        Misconception(
            "no-end",
            "Far distances get ever higher buckets",
            wrong("no end"),
            "Beyond `furthest` the formula goes on; what holds it back is the last bucket, count - 1.",
            "Call it with a distance of a million.",
        ),
        Misconception(
            "log-of-furthest",
            "The share is divided by log(furthest)",
            wrong("whole log"),
            "Then it does not reach 1 at `furthest`: both logarithms are of distances divided by `near`.",
            "Print the share for d = furthest.",
        ),
        Misconception(
            "near-not-divided-out",
            "`near` is missing in the logarithms",
            wrong("no near"),
            "Then the share does not begin with 0 at `near`, and buckets are skipped.",
            "Print the share for d = near.",
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


Scores = Callable[..., Tensor]


def hide(scores: Tensor, mask: Tensor | None) -> Tensor:
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def attend_like(
    score: Scores = lambda products, bias, root: products + bias,
    masked: Scores = hide,
    axis: int = -1,
    finish: Scores = lambda weights, bias, mask: weights,
) -> Callable[..., Tensor]:
    """`score` of products, bias and √D; `masked` scores; `finish` is what happens to the weights."""

    def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor | None = None) -> Tensor:
        products = torch.einsum("bhtd,bhsd->bhts", query, key)
        scores = score(products, bias, math.sqrt(query.shape[-1]))
        weights = finish(masked(scores, mask).softmax(axis), bias, mask)
        return torch.einsum("bhts,bhsd->bhtd", weights, value)

    return attend


def unbiased(products: Tensor, bias: Tensor, root: float) -> Tensor:
    return products


def cut_after(weights: Tensor, bias: Tensor, mask: Tensor | None) -> Tensor:
    return weights if mask is None else weights * mask


def parts(masked: bool, same: bool = False) -> Callable[[Generator], tuple]:
    """query, key (B, H, T, D), value (B, H, T, V), bias (1, H, T, T), and a mask (T, T) or None."""

    def make(generator: Generator) -> tuple:
        B, H, T, D, V = sizes(generator, 5, 3, 9)
        query, key = (normal(generator, B, H, T, D) for _ in range(2))
        bias = torch.full((1, H, T, T), 2.5) if same else 2 * normal(generator, 1, H, T, T)
        mask = some_allowed(generator, T, T) if masked else None
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
            "right with a mask",
            parts(masked=True),
            "What is not allowed gets no weight, whatever its bias.",
            "Print the weights beside the mask: where it is False, is the weight 0?",
        ),
    ),
    (
        Misconception(
            "after-the-softmax",
            "The bias is added after the softmax",
            attend_like(unbiased, finish=lambda weights, bias, mask: weights + bias),
            "Then rows no longer sum to one, and weights can be below zero.",
            "Print the sums of the rows of your weights.",
        ),
        Misconception(
            "divided-by-the-root",
            "The scores are divided by √D",
            attend_like(lambda products, bias, root: products / root + bias),
            "T5's initialisation takes care of the size. With released weights the division makes every "
            "head too flat.",
            "Which scale has `T5.from_hf`'s attention?",
        ),
        Misconception(
            "bias-not-used",
            "The bias is not used",
            attend_like(unbiased),
            "Without it the model has no positions at all: any order of the keys gives the same.",
            "Change the bias: does your output move?",
        ),
        Misconception(
            "bias-turned",
            "Rows and columns of the bias are exchanged",
            attend_like(lambda products, bias, root: products + bias.mT),
            "Rows are queries. Turned round, looking left becomes looking right.",
            "Let the bias be large in row 0, column 2: which query should look where?",
        ),
        Misconception(
            "all-divided-by-the-root",
            "Scores and bias together are divided by √D",
            attend_like(lambda products, bias, root: (products + bias) / root),
            "T5's initialisation takes care of the size. With released weights the division makes every "
            "head too flat.",
            "Which scale has `T5.from_hf`'s attention?",
        ),
        Misconception(
            "bias-multiplied",
            "The scores are multiplied by the bias",
            attend_like(lambda products, bias, root: products * bias),
            "A distance would then turn the sign of what the words say. The bias is added.",
            "Let query be zeros: does the bias still say where to look?",
        ),
        Misconception(
            "first-heads-bias",
            "Every head has the bias of the first",
            attend_like(lambda products, bias, root: products + bias[:, :1]),
            "Each head has numbers of its own: one may look back, another around itself.",
            "Change the bias of head 1 only: does your output move?",
        ),
        Misconception(
            "mask-not-used",
            "The mask is not used",
            attend_like(masked=lambda scores, mask: scores),
            "Then a decoder reads what it should predict.",
            "Forbid one key: does your output move?",
        ),
        Misconception(
            "mask-inverted",
            "What is allowed is hidden",
            attend_like(masked=lambda scores, mask: scores if mask is None else hide(scores, ~mask)),
            "In this course True means allowed.",
            "Print the weights beside the mask: where it is False, is the weight 0?",
        ),
        Misconception(
            "hidden-with-zero",
            "What is forbidden gets the score 0",
            attend_like(masked=lambda scores, mask: scores if mask is None else scores * mask),
            "0 is a score like others, and exp(0) is 1. Only minus infinity gives the weight 0.",
            "What is exp(0)? And exp of minus infinity?",
        ),
        Misconception(
            "mask-after-the-softmax",
            "Weights are cut after the softmax",
            attend_like(masked=lambda scores, mask: scores, finish=cut_after),
            "Forbidden keys have taken their share by then: what is left does not sum to one.",
            "Print the sums of the rows of your weights.",
        ),
        Misconception(
            "softmax-over-queries",
            "The softmax runs over the queries",
            attend_like(axis=-2),
            "Each query shares out its own attention among the keys: the last axis.",
            "Print the sums of the rows of your weights.",
        ),
        Misconception(
            "softmax-over-heads",
            "The softmax runs over the heads",
            attend_like(axis=1),
            "Each head shares out its own attention among the keys: the last axis.",
            "Print the sums of the rows of your weights.",
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
