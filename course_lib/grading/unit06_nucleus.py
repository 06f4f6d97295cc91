"""Unit 06: the nucleus, the smallest set of tokens that together hold p."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit06_sampling import sums_to_one


def spread(generator: Generator) -> tuple[Tensor, float]:
    """chances (B, V), rather even, and p: several tokens are needed, not all, and not just the first ones."""
    B, V = sizes(generator, 2, 9, 13)
    while True:
        chances = (0.7 * normal(generator, B // 3, V)).softmax(-1)
        p = [0.55, 0.6, 0.65][whole(generator, 0, 2)]
        if smallest_set(nucleus_like(sort=False)(chances, p), chances, p):
            return chances, p


ROW, SUMS_TO = torch.tensor([0.0625, 0.25, 0.1875, 0.375, 0.125]), 0.8125  # the three largest, exactly


def by_hand(p: float) -> Callable[[Generator], tuple[Tensor, float]]:
    """Chances that float32 adds up without rounding, in three orders."""
    order = torch.tensor([[0, 1, 2, 3, 4], [3, 0, 1, 4, 2], [4, 1, 3, 0, 2]])
    return lambda generator: (ROW[order], p)


def sure(generator: Generator) -> tuple[Tensor, float]:
    """One token holds more than p by itself."""
    V = whole(generator, 6, 9)
    chances = torch.full((2, V), 0.1 / (V - 1))
    chances[0, whole(generator, 2, V - 1)] = chances[1, 1] = 0.9
    return chances, 0.6


def in_order(chances: Tensor) -> tuple[Tensor, Tensor]:
    return chances.sort(dim=-1, descending=True, stable=True)


def up_to(p: float, ordered: Tensor) -> Tensor:
    """True for the tokens before which less than p has come together."""
    return ordered.cumsum(-1) - ordered < p - 1e-6


def must_exceed(p: float, ordered: Tensor) -> Tensor:
    return ordered.cumsum(-1) - ordered <= p + 1e-6


def crossing_cut(p: float, ordered: Tensor) -> Tensor:
    return ordered.cumsum(-1) <= p + 1e-6


def crossing_cut_but_one(p: float, ordered: Tensor) -> Tensor:
    keep = crossing_cut(p, ordered)
    keep[:, 0] = True
    return keep


def one_more(p: float, ordered: Tensor) -> Tensor:
    keep = up_to(p, ordered)
    return torch.cat([torch.ones_like(keep[:, :1]), keep[:, :-1]], dim=1)


def nucleus_like(
    keep: Callable[[float, Tensor], Tensor] = up_to,
    sign: int = 1,
    back: bool = True,
    shared: bool = True,
    sort: bool = True,
) -> Callable[[Tensor, float], Tensor]:
    """`sign`: -1 sorts upwards. `back`: the mask goes back to the tokens. `shared`: sums to one again."""

    def nucleus(chances: Tensor, p: float) -> Tensor:
        order = (sign * chances).argsort(dim=-1, descending=True, stable=True)
        if not sort:
            order = torch.arange(chances.shape[-1]).expand(chances.shape)
        kept = keep(p, chances.gather(-1, order))
        kept = kept.gather(-1, order.argsort(-1)) if back else kept
        left = chances * kept
        return left / left.sum(-1, keepdim=True) if shared else left

    return nucleus


def sorted_out(chances: Tensor, p: float) -> Tensor:
    return nucleus_like()(in_order(chances).values, p)


def each_by_itself(chances: Tensor, p: float) -> Tensor:
    left = chances * (chances >= 1 - p)
    return left / left.sum(-1, keepdim=True)


def first_row_for_all(chances: Tensor, p: float) -> Tensor:
    kept = nucleus_like()(chances[:1], p) > 0
    left = chances * kept
    return left / left.sum(-1, keepdim=True)


def smallest_set(got: Tensor, chances: Tensor, p: float) -> str | None:
    kept = got > 0
    for b in range(len(chances)):
        mass, least = chances[b, kept[b]].sum(), chances[b, kept[b]]
        if not len(least):
            return f"row {b}: no token is left"
        if mass < p - 1e-5:
            return f"row {b}: the tokens that are left hold {mass:.3f} of {p}"
        if mass - least.min() >= p + 1e-5:
            return f"row {b}: {mass:.3f} is kept; without the least likely token it is still {p} or more"
    return None


NUCLEUS = Task(
    (
        Part(
            "nucleus",
            nucleus_like(),
            ("chances (B, V)",),
            (
                Case(
                    "chances sum to one",
                    spread,
                    "What is left shares the whole probability.",
                    "Print the sum of each row.",
                    judge=sums_to_one,
                    telling=False,
                ),
                Case(
                    "the smallest set that holds p",
                    spread,
                    "Take the likeliest tokens one after the other, until they hold p or more. The one that "
                    "crosses p is in.",
                    "Print the chances that are left, and their sum before they share anew.",
                    judge=smallest_set,
                    telling=False,
                ),
                Case(
                    "the same set in any order",
                    by_hand(SUMS_TO + 0.03),
                    "Which tokens stay does not hang on where they stand.",
                    "Compute 0.375, 0.25, 0.1875, 0.125, 0.0625 with p = 0.84 by hand: four stay.",
                ),
                Case(
                    "a set that holds just p is enough",
                    by_hand(SUMS_TO),
                    "p *or more*: nobody else is needed.",
                    "Compute 0.375, 0.25, 0.1875, 0.125, 0.0625 with p = 0.8125 by hand: three stay.",
                    worth=0.5,
                ),
                Case(
                    "a sure token stays",
                    sure,
                    "When the likeliest holds more than p by itself, it is the whole set.",
                    "Try the chances 0.9, 0.1 with p = 0.6.",
                ),
                Case(
                    "right for every token",
                    spread,
                    "Column i is still token i.",
                    "Find the likeliest token before and after.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "crossing-token-cut",
                    "The token that crosses p is cut",
                    nucleus_like(crossing_cut),
                    "Those left then hold less than p, and where one token holds more than p nobody is left.",
                    "Try the chances 0.9, 0.1 with p = 0.6.",
                ),
                Misconception(
                    "crossing-token-cut-but-one",
                    "The token that crosses p is cut, but for the first",
                    nucleus_like(crossing_cut_but_one),
                    "Those left then hold less than p. Ask what had come together *before* a token.",
                    "Print the sum of the chances that are left: is it p or more?",
                ),
                Misconception(
                    "unsorted",
                    "The chances are added up unsorted",
                    nucleus_like(sort=False),
                    "Then token 0 always stays, however unlikely it is. The likeliest come first.",
                    "Put the likeliest token last: does it stay?",
                ),
                Misconception(
                    "least-likely-first",
                    "The least likely tokens are taken first",
                    nucleus_like(sign=-1),
                    "The order is the wrong way round: `sort` goes upwards unless told otherwise.",
                    "Print the sorted chances.",
                ),
                Misconception(
                    "mask-not-put-back",
                    "The choice is made in sorted order and used in the old one",
                    nucleus_like(back=False),
                    "The first places are kept, instead of the likeliest tokens. The choice has to go back, "
                    "for instance with `scatter` or a second `argsort`.",
                    "Put the likeliest token last: does it stay?",
                ),
                Misconception(
                    "comes-out-sorted",
                    "Chances come out in sorted order",
                    sorted_out,
                    "Column i must still be token i, or a draw gives another token.",
                    "Which token has the largest chance, before and after?",
                ),
                Misconception(
                    "nucleus-not-renormalised",
                    "What is left does not sum to one",
                    nucleus_like(shared=False),
                    "The share of those that were cut goes to those that are left.",
                    "Print the sum of each row.",
                ),
                Misconception(
                    "one-more",
                    "One token more than needed is left",
                    nucleus_like(one_more),
                    "The choice is shifted once too often: stop with the token that crosses p.",
                    "Try the chances 0.9, 0.1 with p = 0.6.",
                ),
                Misconception(
                    "must-exceed",
                    "A set that holds just p is not taken as enough",
                    nucleus_like(must_exceed),
                    "Wanted is the smallest set that holds p *or more*: `<` against `<=`.",
                    "Try the chances 0.5, 0.25, 0.25 with p = 0.75.",
                ),
                Misconception(
                    "each-by-itself",
                    "Each chance is compared with 1 − p by itself",
                    each_by_itself,
                    "p is a share that the kept tokens hold together.",
                    "Try ten tokens of 0.1 each with p = 0.6: six stay.",
                ),
                Misconception(
                    "first-row-for-all",
                    "All rows keep the tokens of the first",
                    first_row_for_all,
                    "Each row of the batch has a set of its own.",
                    "Print which columns are above 0 in each row.",
                ),
            ),
        ),
    ),
    (
        "Sort, add up, decide, and bring the decision back to the tokens' own places.",
        "A token stays when the likelier ones *before* it hold less than p: `cumsum` minus the token's own "
        "chance.",
        "`ordered, order = chances.sort(-1, descending=True)`, `keep = ordered.cumsum(-1) - ordered < p`; "
        "zero the others, put them back with `torch.zeros_like(chances).scatter(-1, order, …)`, and divide "
        "by the sum.",
    ),
    ("course_lib.generation.filter_logits", "course_lib.generation.generate"),
)
