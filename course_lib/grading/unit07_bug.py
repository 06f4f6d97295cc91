"""Unit 07: a bug hunt in a block with a gated feed-forward network."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit07_block import Step, attention_of, norm_of


def gated(attends: bool = True) -> Callable[[Generator], tuple]:
    """x (B, T, D), then attention, gate, up, down, norm_1, norm_2 as functions"""

    def make(generator: Generator) -> tuple:
        B, T, D, width = sizes(generator, 4, 3, 8)
        attention = attention_of(generator, D) if attends else torch.zeros_like
        gate, up = (normal(generator, D, width) / D**0.5 for _ in range(2))
        down = normal(generator, width, D) / width**0.5
        maps = tuple(lambda x, matrix=matrix: x @ matrix for matrix in (gate, up, down))
        return normal(generator, B, T, D), attention, *maps, norm_of(generator, D), norm_of(generator, D)

    return make


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
                    "right when attention adds nothing",
                    gated(attends=False),
                    "SwiGLU: silu of the gate opens or closes what `up` has computed.",
                    "Let `attention` and `down` be `torch.zeros_like`-like: x should pass unchanged.",
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
