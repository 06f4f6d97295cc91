"""Unit 09: how the decoder looks into the source."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit


def hidden_scores(scores: Tensor, is_real: Tensor, value: float = -torch.inf) -> Tensor:
    """Scores (B, T, S), those of the source's padding replaced by one value."""
    return scores.masked_fill(~is_real[:, None, :], value)


def weights_like(
    scale: Callable[[int], float] = math.sqrt,
    hide: Callable[[Tensor, Tensor], Tensor] = hidden_scores,
    axis: int = -1,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    return lambda scores, is_real, D: hide(scores / scale(D), is_real).softmax(axis)


def zeroed(scores: Tensor, is_real: Tensor, D: int) -> Tensor:
    """Padding loses its weight after the softmax: what is left no longer sums to one."""
    return (scores / math.sqrt(D)).softmax(-1) * is_real[:, None, :]


def causal(scores: Tensor, is_real: Tensor) -> Tensor:
    later = torch.ones(scores.shape[1:]).triu(1).bool()
    return hidden_scores(scores, is_real).masked_fill(later, -1e4)


WEIGHTS = weights_like()


def cross_like(
    weigh: Callable[[Tensor, Tensor, int], Tensor] = WEIGHTS,
    sides: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda x, memory: (x, memory),
    matrices_swapped: bool = False,
) -> Callable[..., Tensor]:
    """`weigh`: (scores, is_real, D) -> weights; `sides`: who asks, and who answers."""

    def cross(
        x: Tensor, memory: Tensor, w_query: Tensor, w_key: Tensor, w_value: Tensor, is_real: Tensor
    ) -> Tensor:
        asks, answers = sides(x, memory)
        if matrices_swapped:
            w_query, w_key = w_key, w_query
        scores = torch.einsum("btd,bsd->bts", asks @ w_query, answers @ w_key)
        return weigh(scores, is_real, w_query.shape[-1]) @ (answers @ w_value)

    return cross


UNHIDDEN = weights_like(hide=lambda scores, is_real: scores)


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
                    cross_like(UNHIDDEN),
                    "Then the same sentence has another meaning in a batch with a longer one.",
                    "Change a padded vector of memory: does the output move?",
                ),
                Misconception(
                    "no-column-for-the-source",
                    "The scores have no column for each source token",
                    cross_like(sides=lambda x, memory: (x, x)),
                    "is_real (B, S) hides columns of the scores, so they have to be (B, T, S): x asks, "
                    "memory is asked.",
                    "Print `scores.shape` and `is_real.shape`. Which text do the keys come from?",
                ),
                Misconception(
                    "roles-swapped",
                    "The source asks, and the decoder answers",
                    cross_like(UNHIDDEN, sides=lambda x, memory: (memory, x)),
                    "Then there is an answer for each source token, and none for the word to be written.",
                    "Compare the rows of your output with T and S.",
                ),
                Misconception(
                    "looks-at-itself",
                    "The decoder looks at its own text",
                    cross_like(UNHIDDEN, sides=lambda x, memory: (x, x)),
                    "That is self-attention. Without the memory the decoder writes whatever was read.",
                    "Change memory: does the output move?",
                ),
                Misconception(
                    "causal-mask",
                    "A causal mask lies on the source",
                    cross_like(weights_like(hide=causal)),
                    "Causal is the decoder towards its own text. The source was read to its end before.",
                    "Which source tokens may the first row see?",
                ),
                Misconception(
                    "not-scaled",
                    "The scores are not divided by √D",
                    cross_like(weights_like(scale=lambda D: 1)),
                    "It is the attention of lesson 01, with two texts.",
                    "Compare with lesson 01's formula.",
                ),
                Misconception(
                    "root-forgotten",
                    "The scores are divided by D, without the root",
                    cross_like(weights_like(scale=float)),
                    "A dot product of D random numbers spreads like √D. Divided by D, the weights come out "
                    "too even.",
                    "Compare with lesson 01's formula.",
                ),
                Misconception(
                    "mask-inverted",
                    "Only padding is attended to",
                    cross_like(weights_like(hide=lambda scores, real: hidden_scores(scores, ~real))),
                    "is_real is True where the source has a token: there it is allowed to look.",
                    "Which scores does your mask set to -inf? Print it for one row.",
                ),
                Misconception(
                    "hidden-after-the-softmax",
                    "Padding is taken away after the softmax",
                    cross_like(zeroed),
                    "It has had its share by then: what is left no longer sums to one.",
                    "Print `weights.sum(dim=-1)`.",
                ),
                Misconception(
                    "padding-scored-zero",
                    "Padding gets the score 0",
                    cross_like(weights_like(hide=lambda scores, real: hidden_scores(scores, real, 0.0))),
                    "A score of 0 is a score like any other: e to the 0 is 1. Which score has the weight 0?",
                    "Print the weights of a padded row.",
                ),
                Misconception(
                    "softmax-over-those-who-ask",
                    "The softmax runs over those who ask",
                    cross_like(weights_like(axis=1)),
                    "Each place of the decoder spreads its own attention over the source. So each row sums "
                    "to one, not each column.",
                    "Print `weights.sum(dim=-1)`.",
                ),
                Misconception(
                    "matrices-swapped",
                    "w_query and w_key have changed places",
                    cross_like(matrices_swapped=True),
                    "The shapes fit, but each matrix was trained for its side: w_query for what asks.",
                    "Write under each matrix which text it is applied to.",
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
