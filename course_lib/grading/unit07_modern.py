"""Unit 07: what a modern decoder does differently: RMSNorm, rotary positions, grouped queries."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part

# ---- RMSNorm ----


def vectors(generator: Generator) -> tuple[Tensor, Tensor, float]:
    """x (B, T, D) away from 0, weight (D,), eps"""
    B, T, D = sizes(generator, 3, 3, 8)
    return 2 + 3 * normal(generator, B, T, D), 1 + 0.5 * normal(generator, D), 1e-3


def unit_weight(generator: Generator) -> tuple[Tensor, Tensor, float]:
    x, weight, _ = vectors(generator)
    return x, torch.ones_like(weight), 1e-6


def tiny(generator: Generator) -> tuple[Tensor, Tensor, float]:
    """eps is as large as the mean square."""
    x, weight, _ = vectors(generator)
    return 0.03 * x, weight, 0.02


def one_in_rms(got: Tensor, x: Tensor, weight: Tensor, eps: float) -> str | None:
    rms = got.square().mean(-1).sqrt()
    if (rms - 1).abs().max() < 1e-3:
        return None
    return f"the root mean squares run from {float(rms.min()):.3f} to {float(rms.max()):.3f}"


def rms_like(
    centre: Callable[[Tensor], Tensor] = lambda x: x,
    scale: Callable[[Tensor, float], Tensor] = lambda x, eps: (
        x.square().mean(-1, keepdim=True) + eps
    ).sqrt(),
    weigh: Callable[[Tensor, Tensor], Tensor] = lambda x, weight: x * weight,
) -> Callable[[Tensor, Tensor, float], Tensor]:
    return lambda x, weight, eps: weigh(centre(x) / scale(centre(x), eps), weight)


def rms_reference(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    rows = [row / (sum(number**2 for number in row) / len(row) + eps) ** 0.5 for row in x.flatten(0, -2)]
    return torch.stack(rows).view_as(x) * weight


def centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


RMS = Part(
    "rms_norm",
    rms_reference,
    ("tensor like x (…, D)",),
    (
        Case(
            "each vector has a root mean square of 1",
            unit_weight,
            "Divide each vector by the root of the mean of its squares: one number a token.",
            "Print `x.square().mean(-1).sqrt()` before and after, with a weight of ones.",
            judge=one_in_rms,
        ),
        Case(
            "right with a weight",
            vectors,
            "One factor for each of the D numbers, learned; no mean is taken off, no bias is added.",
            "Give it the vector (3, 3, 3, 3): RMSNorm makes ones of it, LayerNorm zeros.",
            worth=2,
        ),
        Case(
            "right for tiny vectors, where eps counts",
            tiny,
            "eps is added to the mean of the squares, under the root.",
            "With x = 0.1 and eps = 0.01 everywhere, by what do you divide?",
        ),
    ),
    (
        Misconception(
            "mean-subtracted",
            "The mean is taken off",
            rms_like(centre=centred),
            "That is LayerNorm. RMSNorm leaves the mean where it is: one step less.",
            "Give it the vector (3, 3, 3, 3).",
        ),
        Misconception(
            "eps-outside-the-root",
            "eps is added outside the root",
            rms_like(scale=lambda x, eps: x.square().mean(-1, keepdim=True).sqrt() + eps),
            "With usual vectors nobody notices. Under the root, eps is a mean square; outside, a length.",
            "With x = 0.1 and eps = 0.01 everywhere, by what do you divide?",
        ),
        Misconception(
            "eps-forgotten",
            "eps is missing",
            rms_like(scale=lambda x, eps: x.square().mean(-1, keepdim=True).sqrt()),
            "A vector of zeros would become NaN.",
            "Give it zeros.",
        ),
        Misconception(
            "sum-of-squares",
            "Divided by the length of the vector",
            rms_like(scale=lambda x, eps: (x.square().sum(-1, keepdim=True) + eps).sqrt()),
            "The sum of squares grows with D. RMSNorm takes their mean.",
            "What is the result for (3, 3, 3, 3)? It should be ones.",
        ),
        Misconception(
            "no-root",
            "The root is missing",
            rms_like(scale=lambda x, eps: x.square().mean(-1, keepdim=True) + eps),
            "Twice as large a vector would come out half as large.",
            "Compare the results for x and for 2·x.",
        ),
        Misconception(
            "over-the-tokens",
            "The mean runs over the tokens",
            rms_like(scale=lambda x, eps: (x.square().mean(-2, keepdim=True) + eps).sqrt()),
            "Each token is normalised by itself, over its D numbers: the last axis.",
            "Print the shape of what you divide by.",
        ),
        Misconception(
            "one-for-all",
            "All vectors are divided by one number",
            rms_like(scale=lambda x, eps: (x.square().mean() + eps).sqrt()),
            "Without an axis, `mean` runs over the whole batch: every token then depends on all others.",
            "Print the shape of what you divide by: it should be (…, 1).",
        ),
        Misconception(
            "rms-without-weight",
            "The weight is missing",
            rms_like(weigh=lambda x, weight: x),
            "After the division each of the D numbers has a factor of its own.",
            "Which argument does your function not use?",
        ),
    ),
)

# ---- rotary positions ----


def turned(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Number i and number i + D/2 as one complex number, turned by position · base^(-2i/D)."""
    half = x.shape[-1] // 2
    speed = base ** (-2 * torch.arange(half, dtype=torch.float64) / x.shape[-1])
    angle = positions.double()[:, None] * speed
    z = torch.complex(x[..., :half].double(), x[..., half:].double())
    z = z * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], dim=-1).to(x.dtype)


def heads(generator: Generator) -> tuple[Tensor, Tensor, float]:
    """x (B, H, T, D), positions (T,) that do not begin at 0, base"""
    B, H, T = sizes(generator, 3, 2, 5)
    x = normal(generator, B, H, T, 2 * whole(generator, 3, 4))
    return x, torch.arange(T) + whole(generator, 2, 5), float(whole(generator, 4, 9))


def from_zero(generator: Generator) -> tuple[Tensor, Tensor, float]:
    x, positions, base = heads(generator)
    return x, positions - positions[0], base


def start_stays(got: Tensor, x: Tensor, *_: object) -> str | None:
    same = torch.allclose(got[:, :, 0], x[:, :, 0], atol=1e-5)
    return None if same else "the vectors at position 0 have changed"


def lengths_stay(got: Tensor, x: Tensor, *_: object) -> str | None:
    change = (got.norm(dim=-1) / x.norm(dim=-1) - 1).abs().max()
    return None if change < 1e-4 else f"lengths change by up to {float(change):.0%}"


def by_distance(answer: Callable, x: Tensor, positions: Tensor, base: float) -> bool:
    """Whether all dot products between positions are the same 11 tokens later."""
    here, later = answer(x, positions, base), answer(x, positions + 11, base)
    return bool(torch.allclose(here @ here.mT, later @ later.mT, atol=1e-3))


def only_distance(got: bool, *_: object) -> str | None:
    return None if got else "11 tokens later the dot products are others"


def rope_like(
    speed: Callable[[Tensor, int], Tensor] = lambda i, D: -2 * i / D,
    sign: int = 1,
    pairs: Callable[[Tensor], tuple[Tensor, Tensor]] = lambda x: x.chunk(2, dim=-1),
    joined: Callable[[Tensor, Tensor], Tensor] = lambda a, b: torch.cat([a, b], dim=-1),
    place: Callable[[Tensor], Tensor] = lambda positions: positions,
    minus: int = -1,
) -> Callable[[Tensor, Tensor, float], Tensor]:
    def rope(x: Tensor, positions: Tensor, base: float) -> Tensor:
        D = x.shape[-1]
        angle = sign * place(positions)[:, None] * base ** speed(torch.arange(D // 2), D)
        a, b = pairs(x)
        cos, sin = angle.cos(), angle.sin()
        return joined(a * cos + minus * b * sin, b * cos + a * sin)

    return rope


def neighbours_with_halves(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Angles for pairs of neighbours, numbers paired by halves."""
    D = x.shape[-1]
    angle = positions[:, None] * (base ** (-2 * torch.arange(D // 2) / D)).repeat_interleave(2)
    a, b = x.chunk(2, dim=-1)
    return x * angle.cos() + torch.cat([-b, a], dim=-1) * angle.sin()


def sinusoids_added(x: Tensor, positions: Tensor, base: float) -> Tensor:
    D = x.shape[-1]
    angle = positions[:, None] * base ** (-2 * torch.arange(D // 2) / D)
    return x + torch.cat([angle.sin(), angle.cos()], dim=-1)


ROPE = Part(
    "rope",
    lambda x, positions, base: turned(x, positions, base),
    ("tensor like x (B, H, T, D)",),
    (
        Case(
            "position 0 stays as it is",
            from_zero,
            "The angle is position · base^(−2i/D): at position 0 nothing turns.",
            "Print cosine and sine at position 0.",
            judge=start_stays,
        ),
        Case(
            "lengths stay as they are",
            heads,
            "A rotation of two numbers (a, b): (a cos − b sin, b cos + a sin). One of the signs is a minus.",
            "Compare `x.norm(dim=-1)` before and after.",
            judge=lengths_stay,
        ),
        Case(
            "dot products depend on the distance only",
            heads,
            "Both vectors turn; what counts is how much further one has turned than the other.",
            "Compute a dot product at positions (2, 5) and at (12, 15).",
            judge=only_distance,
            call=by_distance,
            names=("whether the dot products stay",),
            telling=False,
        ),
        Case(
            "right for every number",
            heads,
            "Number i is paired with number i + D/2, and pair i turns by position · base^(−2i/D).",
            "Take D = 4, position 1, base 100: the two angles are 1 and 0.1. Turn (1, 0, 0, 0).",
            worth=2,
        ),
    ),
    (
        Misconception(
            "neighbours-paired",
            "Neighbours are paired",
            rope_like(
                pairs=lambda x: (x[..., 0::2], x[..., 1::2]),
                joined=lambda a, b: torch.stack([a, b], dim=-1).flatten(-2),
            ),
            "That is the paper's pairing, (0, 1), (2, 3), …; Llama's weights expect i with i + D/2. Weights "
            "trained one way do not fit the other.",
            "Turn (1, 0, 0, 0): where does the sine appear?",
        ),
        Misconception(
            "neighbours-angles-for-halves",
            "The angles are those of neighbours, the pairs are halves",
            neighbours_with_halves,
            "The two numbers of a pair then turn by different angles: that is no rotation.",
            "Print the angles of numbers i and i + D/2: they must be equal.",
        ),
        Misconception(
            "turned-backwards",
            "The sign of the angle is reversed",
            rope_like(sign=-1),
            "Nobody notices while the model trains, but the released weights do: they were trained with "
            "(a cos − b sin, b cos + a sin).",
            "Turn (1, 0) by a small angle: the second number should be positive.",
        ),
        Misconception(
            "minus-forgotten",
            "A minus is missing",
            rope_like(minus=1),
            "(a cos + b sin, b cos + a sin) is no rotation: lengths change.",
            "Turn (1, 1) by 90 degrees.",
        ),
        Misconception(
            "exponent-halved",
            "The exponent lacks the 2",
            rope_like(speed=lambda i, D: -i / D),
            "i counts pairs, of which there are D/2, so the exponent runs from 0 to nearly −1: −2i/D.",
            "Print the last angle at position 1 for D = 4 and base 100: it should be 0.1.",
        ),
        Misconception(
            "faster-and-faster",
            "The sign of the exponent is lost",
            rope_like(speed=lambda i, D: 2 * i / D),
            "The first pair turns fastest, by 1 a position; later ones turn ever more slowly.",
            "Print the angles at position 1.",
        ),
        Misconception(
            "positions-from-zero",
            "The positions are counted from 0",
            rope_like(place=lambda positions: torch.arange(len(positions))),
            "With a cache the first new token does not stand at 0. `positions` says where it stands.",
            "Call it with positions 5, 6, 7: does anything change?",
        ),
        Misconception(
            "positions-from-one",
            "The positions are one too large",
            rope_like(place=lambda positions: positions + 1),
            "Position 0 turns by 0.",
            "Print cosine and sine at position 0.",
        ),
        Misconception(
            "sinusoids-added",
            "Sines and cosines are added",
            sinusoids_added,
            "That is how the Transformer of 2017 places its tokens. RoPE turns queries and keys instead.",
            "Compare `x.norm(dim=-1)` before and after.",
        ),
    ),
)
