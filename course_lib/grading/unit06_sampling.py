"""Unit 06: from scores to the next token: temperature, top-k, and a draw."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- temperature and top-k ----


TEMPERATURES = 0.8, 1.7, 2.5  # not colder: the least likely token must still be seen


def scores_of(generator: Generator) -> tuple[Tensor, int, int]:
    """logits (B, V), B and V."""
    B, V = whole(generator, 2, 4), whole(generator, 9, 13)
    logits = 1.5 * normal(generator, B, V)
    logits[0] += 4  # scores may be shifted: rows must not be compared
    return logits, B, V


def with_k(temperature: float | None = None) -> Callable[[Generator], tuple[Tensor, float, int]]:
    def make(generator: Generator) -> tuple[Tensor, float, int]:
        logits, _, _ = scores_of(generator)
        chosen = temperature or TEMPERATURES[whole(generator, 0, 2)]
        return logits, chosen, whole(generator, 3, 6)

    return make


def all_tokens(generator: Generator) -> tuple[Tensor, float, int]:
    logits, _, V = scores_of(generator)
    return logits, TEMPERATURES[whole(generator, 0, 2)], V


def cold(generator: Generator) -> tuple[Tensor, float, int]:
    logits, _, _ = scores_of(generator)
    logits[:, 2] = logits.max() + 1  # at 0.02 its score is above 88, the last that exp can hold
    return logits, 0.02, 3


def kth(logits: Tensor, k: int) -> Tensor:
    """The k-th largest of each row, or the last."""
    return logits.sort(-1, descending=True).values[:, min(k, logits.shape[-1]) - 1, None]


def top(logits: Tensor, k: int) -> Tensor:
    """True where one of the k largest stands."""
    return logits >= kth(logits, k)


def chances_like(
    cooled: Callable[[Tensor, float], Tensor] = lambda logits, temperature: logits / temperature,
    kept: Callable[[Tensor, int], Tensor] = top,
    outside: float = -torch.inf,
    to_chances: Callable[[Tensor], Tensor] = lambda logits: logits.softmax(-1),
    afterwards: Callable[[Tensor], Tensor] = lambda chances: chances,
) -> Callable[[Tensor, float, int], Tensor]:
    def chances(logits: Tensor, temperature: float, k: int) -> Tensor:
        ruled_out = ~kept(logits, k)
        return afterwards(to_chances(cooled(logits, temperature).masked_fill(ruled_out, outside)))

    return chances


def zeroed_afterwards(logits: Tensor, temperature: float, k: int) -> Tensor:
    return (logits / temperature).softmax(-1) * top(logits, k)


def only_k_left(got: Tensor, logits: Tensor, temperature: float, k: int) -> str | None:
    count = (got > 0).sum(-1)
    if (count == k).all():
        return None
    return f"with k = {k}, {int(count[(count != k).nonzero()[0, 0]])} tokens have a chance"


def sums_to_one(got: Tensor, *_: object) -> str | None:
    if not got.isfinite().all():
        return "some chances are NaN or infinite"
    total = got.sum(-1)
    off = ~torch.isclose(total, torch.ones_like(total), atol=1e-4)
    return (
        f"the chances of row {int(off.nonzero()[0, 0])} sum to {float(total[off][0]):.3g}"
        if off.any()
        else None
    )


CHANCES = Part(
    "chances",
    chances_like(),
    ("chances (B, V)",),
    (
        Case(
            "chances sum to one",
            with_k(),
            "What is left shares the whole probability.",
            "Print the sum of each row.",
            judge=sums_to_one,
            telling=False,
        ),
        Case(
            "k tokens are left",
            with_k(1.0),
            "The k likeliest of each row stay; the others have the chance 0.",
            "Print how many of each row are above 0.",
            judge=only_k_left,
            telling=False,
        ),
        Case(
            "right for a temperature, all tokens left",
            all_tokens,
            "The temperature divides the scores, before the softmax.",
            "Take two scores, 1 and 0: at T = 0.5 their chances are those of 2 and 0.",
            worth=2,
        ),
        Case(
            "right for temperature and k",
            with_k(),
            "First the scores, then the softmax over those that are left.",
            "Take three tokens with k = 2 and compute by hand.",
        ),
        Case(
            "almost greedy at a temperature near 0",
            cold,
            "The likeliest takes everything. Large scores must not overflow.",
            "Try `torch.tensor([300.0, 0.0])` as logits.",
        ),
    ),
    (
        Misconception(
            "temperature-multiplied",
            "The scores are multiplied by the temperature",
            chances_like(cooled=lambda logits, temperature: logits * temperature),
            "Then a low temperature makes the model wilder, not surer.",
            "Print the largest chance at T = 0.5 and at T = 2.",
        ),
        Misconception(
            "temperature-on-chances",
            "The temperature is applied to probabilities",
            chances_like(cooled=lambda logits, temperature: logits.softmax(-1) / temperature),
            "Probabilities lie between 0 and 1: a softmax of these is almost flat.",
            "Print the result at T = 1: it should be the plain softmax.",
        ),
        Misconception(
            "temperature-cancels",
            "The temperature has no effect",
            chances_like(cooled=lambda logits, temperature: logits),
            "Dividing all chances by one number and making them sum to 1 again changes nothing, and neither "
            "does moving all scores alike.",
            "Print the largest chance at T = 0.5 and at T = 2.",
        ),
        Misconception(
            "not-renormalised",
            "What is left does not share what was taken",
            zeroed_afterwards,
            "The other tokens are struck out after the softmax, and their share is lost.",
            "Print the sum of each row.",
        ),
        Misconception(
            "ruled-out-with-zero",
            "Tokens are ruled out with the score 0",
            chances_like(outside=0.0),
            "exp(0) is 1: a score of 0 is an ordinary score. Only −∞ becomes the chance 0.",
            "Print the softmax of (2, 0) and of (2, −∞).",
        ),
        Misconception(
            "one-too-few",
            "One token too few is left",
            chances_like(kept=lambda logits, k: top(logits, k - 1)),
            "The k-th itself stays: `<` and `<=`, or an index that is one off.",
            "Print how many are left for k = 1 and k = 2.",
        ),
        Misconception(
            "one-too-many",
            "One token too many is left",
            chances_like(kept=lambda logits, k: top(logits, k + 1)),
            "Indices count from 0: the k-th largest stands at k − 1.",
            "Print how many are left for k = 1 and k = 2.",
        ),
        Misconception(
            "least-likely-kept",
            "The least likely tokens are left",
            chances_like(kept=lambda logits, k: top(-logits, k)),
            "The order is the wrong way round.",
            "Is the likeliest token still there?",
        ),
        Misconception(
            "one-order-for-all",
            "The rows share one threshold",
            chances_like(kept=lambda logits, k: logits >= kth(logits.reshape(1, -1), k)),
            "Each row of the batch keeps its own k tokens.",
            "Print how many of each row are above 0.",
        ),
        Misconception(
            "in-sorted-order",
            "Chances come out in sorted order",
            chances_like(afterwards=lambda chances: chances.sort(-1, descending=True).values),
            "Column i must still be token i, or a draw gives another token.",
            "Which token has the largest chance, before and after?",
        ),
        Misconception(
            "softmax-over-batch",
            "The softmax runs over the batch",
            chances_like(to_chances=lambda logits: logits.softmax(0)),
            "Tokens compete, the last axis; sentences do not.",
            "Print the sum of each row.",
        ),
        Misconception(
            "cold-overflows",
            "A low temperature overflows",
            chances_like(to_chances=lambda logits: logits.exp() / logits.exp().sum(-1, keepdim=True)),
            "exp(100) is too large for float32, and infinite over infinite is NaN.",
            "Try `torch.tensor([300.0, 0.0]).exp()`.",
        ),
    ),
)

# ---- a draw ----


def shares(generator: Generator, B: int, V: int) -> Tensor:
    return (1.5 * normal(generator, B, V)).softmax(-1)


def draws(generator: Generator) -> tuple[Tensor, Tensor]:
    """chances (B, V), unsorted, and u (B,)."""
    B, V = 12, whole(generator, 7, 10)
    return shares(generator, B, V), 0.02 + 0.96 * torch.rand(B, generator=generator)


def many_draws(generator: Generator) -> tuple[Tensor, Tensor]:
    """One and the same row, 200 times; u in even steps."""
    V = whole(generator, 5, 7)
    row = shares(generator, 1, V).add(0.05)
    u = (torch.arange(200)[torch.randperm(200, generator=generator)] + 0.5) / 200
    return (row / row.sum()).repeat(200, 1), u


def no_chance(generator: Generator) -> tuple[Tensor, Tensor]:
    """The first tokens have no chance, and u is 0."""
    B, V = whole(generator, 3, 5), whole(generator, 7, 10)
    chances = shares(generator, B, V)
    chances[:, :2] = 0
    chances[1:, 3] = 0
    return chances / chances.sum(-1, keepdim=True), torch.zeros(B)


def draw_like(
    token: Callable[[Tensor, Tensor], Tensor] = lambda chances, u: (chances.cumsum(-1) <= u[:, None]).sum(-1),
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda chances, u: token(chances, u)


def by_rank(chances: Tensor, u: Tensor) -> Tensor:
    return (chances.sort(-1, descending=True).values.cumsum(-1) <= u[:, None]).sum(-1)


def as_often(got: Tensor, chances: Tensor, u: Tensor) -> str | None:
    counts = torch.bincount(got.clamp(0, chances.shape[1] - 1), minlength=chances.shape[1])
    off = (counts / len(u) - chances[0]).abs()
    worst = int(off.argmax())
    if off[worst] < 0.02:
        return None
    return (
        f"in 200 draws token {worst} came {int(counts[worst])} times; its chance is {chances[0, worst]:.2f}"
    )


def has_a_chance(got: Tensor, chances: Tensor, u: Tensor) -> str | None:
    inside = (got >= 0) & (got < chances.shape[1])
    if not inside.all():
        return f"returned token {int(got[~inside][0])}; there are {chances.shape[1]}"
    taken = chances.gather(1, got[:, None])[:, 0]
    return "a token with the chance 0 was drawn" if (taken == 0).any() else None


DRAW = Part(
    "draw",
    draw_like(),
    ("tokens (B,), int64",),
    (
        Case(
            "the token whose stretch holds u",
            draws,
            "The chances lie side by side on a line from 0 to 1. The token under u is drawn.",
            "Take the chances 0.5, 0.3, 0.2: which token has u = 0.6, which u = 0.9?",
            worth=2,
        ),
        Case(
            "each token as often as its chance says",
            many_draws,
            "Where u spreads evenly, a token with the chance 0.3 comes in 3 of 10 draws.",
            "Draw a hundred times and count.",
            judge=as_often,
            telling=False,
        ),
        Case(
            "what has no chance is never drawn",
            no_chance,
            "A stretch of length 0 holds no u, not even u = 0.",
            "Try the chances 0, 1 and u = 0.",
            judge=has_a_chance,
            telling=False,
        ),
    ),
    (
        Misconception(
            "greedy",
            "The likeliest token is taken, whatever u is",
            draw_like(lambda chances, u: chances.argmax(-1)),
            "That is greedy choice. A draw also takes others, as often as their chance says.",
            "Change u: should the token change?",
        ),
        Misconception(
            "one-token-early",
            "The token before the right one is drawn",
            draw_like(lambda chances, u: (chances.cumsum(-1) <= u[:, None]).sum(-1) - 1),
            "As many stretches end at or below u, so many tokens are passed: their number is the index "
            "already.",
            "Try u = 0: which token is it?",
        ),
        Misconception(
            "one-token-late",
            "The token after the right one is drawn",
            draw_like(lambda chances, u: (chances.cumsum(-1) <= u[:, None]).sum(-1) + 1),
            "As many stretches end at or below u, so many tokens are passed: their number is the index "
            "already.",
            "Try u = 0: which token is it?",
        ),
        Misconception(
            "rank-for-token",
            "The rank is returned, not the token",
            draw_like(by_rank),
            "Sorting is no harm, but then the index must be turned back into a token.",
            "Let the last token have the chance 1: what is drawn?",
        ),
        Misconception(
            "each-against-u",
            "Each chance is compared with u by itself",
            draw_like(lambda chances, u: (chances > u[:, None]).int().argmax(-1)),
            "The stretches lie side by side: the second begins where the first ends.",
            "Try the chances 0.5, 0.3, 0.2 and u = 0.6.",
        ),
        Misconception(
            "all-alike",
            "All tokens are drawn equally often",
            draw_like(lambda chances, u: (u * chances.shape[-1]).long()),
            "u picks a place on the line from 0 to 1, on which likelier tokens have more room.",
            "Which of your arguments has no influence?",
        ),
        Misconception(
            "chanceless-drawn",
            "A token without a chance can be drawn",
            draw_like(lambda chances, u: (chances.cumsum(-1) < u[:, None]).sum(-1)),
            "Random numbers lie in [0, 1): 0 does happen. A stretch holds its left end, not its right one.",
            "Try the chances 0, 1 and u = 0.",
        ),
    ),
)

SAMPLING = Task(
    (CHANCES, DRAW),
    (
        "Three steps in a row: divide the scores, rule out all but k, softmax. For the draw, lay the chances "
        "side by side.",
        "`logits.topk(k).values[:, -1:]` is the score of the k-th; what is below it gets −∞. `cumsum` says "
        "where each token's stretch ends.",
        "`scores.masked_fill(scores < kth, -torch.inf).softmax(-1)`. The token is the number of stretches "
        "that end at or below u: `(chances.cumsum(-1) <= u[:, None]).sum(-1)`.",
    ),
    (
        "course_lib.generation.filter_logits",
        "course_lib.generation.generate",
        "torch.multinomial",
    ),
)
