"""Unit 02: InfoNCE, and the same with three bugs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit
from course_lib.grading.unit02_cosines import FORBIDDEN, cosine_reference, unit

# ---- InfoNCE ----


def variant(
    scale: Callable[[Tensor, float], Tensor] = lambda s, t: s / t,
    normalise: Callable[[Tensor], Tensor] = unit,
    score: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    labels: Callable[[int], Tensor] = torch.arange,
    sides: str = "both",
) -> Callable[[Tensor, Tensor, float], Tensor]:
    """InfoNCE with one step replaced."""

    def loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
        scores = scale(normalise(first) @ normalise(second).T, temperature)
        target = labels(len(scores))
        rows, columns = score(scores, target), score(scores.T, target)
        return {"both": (rows + columns) / 2, "rows": rows, "columns": columns, "sum": rows + columns}[sides]

    return loss


def written_out(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Equation 4 of van den Oord et al. (2018) as it stands, for both sides."""
    f = (cosine_reference(first.double(), second.double()) / temperature).exp()
    rows = -(f.diagonal() / f.sum(1)).log().mean()
    return ((rows - (f.diagonal() / f.sum(0)).log().mean()) / 2).to(first.dtype)


def without_positive(scores: Tensor, target: Tensor) -> Tensor:
    others = scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), -torch.inf)
    return (others.logsumexp(1) - scores.diagonal()).mean()


def zeros(n: int) -> Tensor:
    return torch.zeros(n, dtype=torch.long)


def pairs(generator: Generator) -> tuple[Tensor, Tensor, float]:
    N, D = sizes(generator, 2, 4, 9)
    first = 2 * normal(generator, N, D)
    temperature = 0.2 + 0.3 * float(torch.rand((), generator=generator))
    return first, 0.7 * (first + 1.5 * normal(generator, N, D)), temperature


def cold(generator: Generator) -> tuple[Tensor, Tensor, float]:
    """Everybody's nearest is a neighbour's partner: the loss is far from 0, and its exponents are large."""
    first, _, _ = pairs(generator)
    return first, first.roll(1, dims=0) + 0.1 * normal(generator, *first.shape), 0.004


def survives(got: Tensor, *_: object) -> str | None:
    """Only overflow is looked for; whether the loss is right is another row's business."""
    if not got.isfinite():
        return "the loss is NaN or infinite"
    return None if got > 1 else f"the loss is {float(got):.3g}, although nobody finds their partner"


def after_a_step(
    answer: Callable, first: Tensor, second: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Mean cosine of partners before and after a small step downhill."""
    u, v = first.clone().requires_grad_(), second.clone().requires_grad_()
    loss = answer(u, v, temperature)
    if not isinstance(loss, Tensor) or loss.dim() or not loss.requires_grad:
        raise Unfit("wanted is a scalar tensor through which gradients flow")
    du, dv = torch.autograd.grad(loss, (u, v))
    step = 0.05 / (du.norm() + dv.norm() + 1e-9)
    moved = F.cosine_similarity(first - step * du, second - step * dv).mean()
    return F.cosine_similarity(first, second).mean(), moved


def nearer(got: tuple[Tensor, Tensor], *_: object) -> str | None:
    return None if got[1] > got[0] else "after a step downhill partners are farther apart than before"


def exchanged(answer: Callable, first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    return answer(first, second, temperature), answer(second, first, temperature)


def alike(got: tuple[Tensor, Tensor], *_: object) -> str | None:
    return None if abs(float(got[0] - got[1])) < 2e-5 else f"{got[0]:.5f} one way, {got[1]:.5f} the other"


CASES = (
    Case(
        "a step downhill draws partners together",
        pairs,
        "Partners get a small distance, the others a large one.",
        "Make two pairs that fit well and two that do not: which loss is smaller?",
        judge=nearer,
        call=after_a_step,
        names=("cosine before", "cosine after"),
        worth=0.4,  # little: everybody's partner the first may draw partners together by chance
    ),
    Case(
        "the two sides may be exchanged",
        pairs,
        "Each first looks for its second, and each second for its first; both count alike.",
        "Swap the arguments and compare.",
        judge=alike,
        call=exchanged,
        names=("loss", "loss with the sides exchanged"),
    ),
    Case(
        "the loss is right",
        pairs,
        "Cross-entropy over the rows of cosines / temperature, the label of row i being i.",
        "Take two pairs at a right angle and do it by hand.",
        worth=2,
    ),
)
IDEAS = (
    Misconception(
        "one-direction",
        "Only the rows look for a partner",
        variant(sides="rows"),
        "The second side never has to choose.",
        "Swap the arguments: is the loss the same?",
    ),
    Misconception(
        "summed-directions",
        "The two directions are added, not averaged",
        variant(sides="sum"),
        "The loss is twice too large: vectors that say nothing should cost log N.",
        "Call it with N equal vectors.",
    ),
    Misconception(
        "no-temperature",
        "The temperature is missing",
        variant(scale=lambda s, t: s),
        "Cosines are at most 1, so the softmax stays nearly flat.",
        "Call it with temperatures 0.1 and 1.",
    ),
    Misconception(
        "temperature-multiplied",
        "Multiplied by the temperature",
        variant(scale=lambda s, t: s * t),
        "A low temperature should make the choice sharper; here it makes it flatter.",
        "Call it with temperatures 0.1 and 1: which loss is smaller for good vectors?",
    ),
    Misconception(
        "pushed-apart",
        "Partners are pushed apart",
        variant(scale=lambda s, t: -s / t),
        "A distance stands where a similarity belongs: the softmax prefers the farthest.",
        "Which loss is smaller: for equal partners, or for opposite ones?",
    ),
    Misconception(
        "sign-lost",
        "The loss has the wrong sign",
        lambda a, b, t: -variant()(a, b, t),
        "Going downhill makes partners less likely.",
        "Is your loss negative?",
    ),
    Misconception(
        "not-normalised",
        "Dot products, not cosines",
        variant(normalise=lambda x: x),
        "Long vectors win whatever their direction.",
        "Call it with `10 * first`: the loss should not move.",
    ),
    Misconception(
        "wrong-axis",
        "Normalised over the pairs",
        variant(normalise=lambda x: F.normalize(x, dim=0)),
        "A vector's length then depends on the others of the batch.",
        "Print the norms along the last axis after your normalisation.",
    ),
    Misconception(
        "whole-matrix",
        "Divided by the length of the whole matrix",
        variant(normalise=lambda x: x / x.norm()),
        "`norm()` without an axis gives one number for all vectors together: the cosines are far too small.",
        "Print the shape of what you divide by.",
    ),
    Misconception(
        "labels-all-zero",
        "Everybody's partner is the first",
        variant(labels=zeros),
        "The label of row i is i: the partners stand on the diagonal.",
        "Print the labels for four pairs.",
    ),
    Misconception(
        "softmax-twice",
        "The softmax is taken twice",
        variant(scale=lambda s, t: (s / t).softmax(1)),
        "`F.cross_entropy` takes scores and does the softmax itself.",
        "Call it with perfect vectors at temperature 0.01: the loss should be nearly 0.",
    ),
    Misconception(
        "partner-left-out",
        "The partner is missing in the denominator",
        variant(score=without_positive),
        "The softmax runs over all candidates, the right one included.",
        "Can your loss be negative?",
    ),
)
INFO_NCE = Task(
    (
        Part(
            "contrast",
            written_out,
            ("loss (a scalar)",),
            (
                *CASES,
                Case(
                    "a very low temperature",
                    cold,
                    "Here everybody's nearest is the wrong one, so the loss is large. exp of such scores is "
                    "beyond float32: let cross_entropy or logsumexp do the softmax.",
                    "Print `torch.exp(torch.tensor(250.0))`.",
                    judge=survives,
                    telling=False,
                ),
            ),
            IDEAS,
        ),
    ),
    (
        "It is a classification: row i of the scores has N classes, and the right one is i.",
        "Cosines (N, N), divided by the temperature; `F.cross_entropy(scores, torch.arange(N))` for the "
        "rows.",
        "The same with `scores.T` for the columns, then the mean of the two.",
    ),
    FORBIDDEN[:2],
)

# ---- find three bugs ----

BUGS = {
    "axis": "vectors are normalised over the batch",
    "scale": "the temperature works the wrong way",
    "label": "every row has the same partner",
}
TRY = {
    "axis": "Print the norms of the normalised vectors along the last axis.",
    "scale": "Compute the loss of perfect vectors at 0.1 and at 1.",
    "label": "Print the labels for four pairs.",
}


def with_bugs(*left: str) -> Callable[[Tensor, Tensor, float], Tensor]:
    return variant(
        scale=(lambda s, t: s * t) if "scale" in left else (lambda s, t: s / t),
        normalise=(lambda x: F.normalize(x, dim=0)) if "axis" in left else unit,
        labels=zeros if "label" in left else torch.arange,
    )


def bugs_left(left: tuple[str, ...]) -> Misconception:
    count = {1: "One bug is left", 2: "Two bugs are left", 3: "All three bugs are still in"}[len(left)]
    seen = ", and ".join(BUGS[name] for name in left)
    return Misconception(
        "bug-left-" + "-".join(left), count, with_bugs(*left), f"What is computed: {seen}.", TRY[left[0]]
    )


BUG = Task(
    (
        Part(
            "repaired",
            written_out,
            ("loss (a scalar)",),
            CASES,
            tuple(bugs_left(left) for k in (1, 2, 3) for left in itertools.combinations(BUGS, k)),
        ),
    ),
    (
        "The code runs and gives a number. What should the loss be for N pairs of equal vectors? For "
        "perfect ones?",
        "One bug is in the normalisation, one in the temperature, one in the labels. Print each step's "
        "result.",
        "Each sentence has a length: the last axis. A temperature divides. Row i belongs to column i.",
    ),
    FORBIDDEN[:2],
)
