"""Unit 07: a bug hunt in a block with a gated feed-forward network."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit07_block import Step, attention_of, norm_of


def gated(
    adds: bool = True, norms: tuple[bool, bool] = (True, True), opens: bool = True
) -> Callable[[Generator], tuple]:
    """x (B, T, D), then attention, gate, up, down, norm_1, norm_2 as functions; each may be made harmless."""

    def make(generator: Generator) -> tuple:
        B, T, D, width = sizes(generator, 4, 3, 8)
        gate, up = (normal(generator, D, width) / D**0.5 for _ in range(2))
        down = normal(generator, width, D) / width**0.5
        attention = attention_of(generator, D)
        first, second = (norm_of(generator, D) if norm else same for norm in norms)
        return (
            normal(generator, B, T, D),
            attention if adds else torch.zeros_like,
            lambda x: x @ gate,
            (lambda x: x @ up) if opens else (lambda x: torch.ones_like(x @ up)),
            (lambda x: x @ down) if adds else (lambda x: torch.zeros_like(x @ down)),
            first,
            second,
        )

    return make


def same(x: Tensor) -> Tensor:
    return x


def gated_like(
    open_: Callable[[Tensor, Tensor], Tensor] = lambda gate, up: F.silu(gate) * up,
    stream: Callable[[Tensor, Step], Tensor] = lambda x, norm: x,
    same_norm: bool = False,
) -> Callable[..., Tensor]:
    def block(
        x: Tensor, attention: Step, gate: Step, up: Step, down: Step, norm_1: Step, norm_2: Step
    ) -> Tensor:
        second = norm_1 if same_norm else norm_2
        x = stream(x, norm_1) + attention(norm_1(x))
        return x + down(open_(gate(second(x)), up(second(x))))

    return block


BUG = Task(
    (
        Part(
            "repaired",
            gated_like(),
            ("x (B, T, D)",),
            (
                Case(
                    "when no part adds anything, x passes unchanged",
                    gated(adds=False),
                    "Only the parts read a normed x; the sum begins with x itself.",
                    "Follow x through the first two lines when `attention` returns zeros.",
                ),
                Case(
                    "each part has its own norm",
                    gated(norms=(False, True), opens=False),
                    "norm_1 stands before attention, norm_2 before the feed-forward network.",
                    "Is norm_2 used anywhere?",
                ),
                Case(
                    "the gate opens and closes what `up` has computed",
                    gated(norms=(False, False)),
                    "SwiGLU: silu of the gate, times `up`.",
                    "Compare silu(2 · 3) with silu(2) · 3.",
                ),
                Case(
                    "right for random parts",
                    gated(),
                    "Pre-LN: x + part(norm(x)), each part with its own norm.",
                    "Write the three lines of the formula beside those of the code.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "stream-normed",
                    "The residual stream is normalised",
                    gated_like(stream=lambda x, norm: norm(x)),
                    "Only the part reads norm(x). The sum begins with x itself.",
                    "Let all parts add nothing: is the result x?",
                ),
                Misconception(
                    "first-norm-twice",
                    "One norm does both jobs",
                    gated_like(same_norm=True),
                    "Each part has a norm of its own. Untrained ones are alike, so no test on fresh weights "
                    "sees it.",
                    "Change norm_2: does the result move?",
                ),
                Misconception(
                    "silu-of-the-product",
                    "SiLU is taken of the product",
                    gated_like(open_=lambda gate, up: F.silu(gate * up)),
                    "The gate alone is bent; `up` stays linear and is multiplied in.",
                    "Where does the bracket of `silu` close?",
                ),
                Misconception(
                    "silu-of-up",
                    "SiLU is taken of `up`, not of the gate",
                    gated_like(open_=lambda gate, up: gate * F.silu(up)),
                    "While both matrices are fresh it is all the same; with released weights it is not.",
                    "Which of the two matrices is called gate in the formula?",
                ),
                Misconception(
                    "sigmoid-gate",
                    "The gate is a sigmoid",
                    gated_like(open_=lambda gate, up: torch.sigmoid(gate) * up),
                    "That is GLU. SwiGLU takes silu(x) = x · sigmoid(x).",
                    "Print `F.silu` and `torch.sigmoid` of 2.",
                ),
            ),
        ),
    ),
    (
        "Three questions: with what does the first sum begin, which norm stands before which part, and what "
        "goes into silu?",
        "Compare with x + attention(norm_1(x)), and then x + down(silu(gate(h)) ∘ up(h)) with h = norm_2(x).",
        "Keep x: `x = x + attention(norm_1(x))`; `h = norm_2(x)`; `F.silu(gate(h)) * up(h)`.",
    ),
)
