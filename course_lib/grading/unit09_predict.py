"""Unit 09: numbers to predict."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

RIGHT = {
    "masked": 100,
    "deleted": 70,
    "infilled": 80,
    "empty": round(math.exp(-3), 3),
    "orders": math.factorial(4),
    "written": 100,
}


def prediction(key: str) -> Callable[[Callable], Any]:
    def call(answer: Callable) -> Any:
        made = answer()
        if type(made) is not dict or key not in made:
            raise Unfit(f"no number for {key}: return a dict with the keys {', '.join(RIGHT)}")
        number = made[key]
        return round(float(number), 3) if key == "empty" and type(number) in (int, float) else number

    return call


def predicted(**changed: float) -> Callable[[], dict[str, float]]:
    return lambda: RIGHT | changed


def number_case(key: str, name: str, idea: str, experiment: str) -> Case:
    return Case(
        name,
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: None if got == RIGHT[key] else f"predicted was {got:,}",
        call=prediction(key),
        names=(f"the number for {key}",),
    )


PREDICT = Task(
    (
        Part(
            "predict",
            predicted(),
            ("a dict of numbers",),
            (
                number_case(
                    "masked",
                    "tokens after masking",
                    "A mask takes the place of its token.",
                    "Mask a short text and count.",
                ),
                number_case(
                    "deleted",
                    "tokens after deletion",
                    "30 of 100 go, and nothing comes in their place.",
                    "Delete from a short text and count.",
                ),
                number_case(
                    "infilled",
                    "tokens after infilling",
                    "30 tokens go in spans of 3 on average; each span leaves one mask.",
                    "How many spans hide 30 tokens?",
                ),
                number_case(
                    "empty",
                    "share of empty spans",
                    "A Poisson variable with mean λ is 0 in e^-λ of all cases.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                number_case(
                    "orders",
                    "orders of four sentences",
                    "Four choices for the first, three for the second …",
                    "Write down all orders of three.",
                ),
                number_case(
                    "written",
                    "tokens the decoder writes",
                    "Whatever the noise, the target is the whole text.",
                    "What are the labels of a denoising batch?",
                ),
            ),
            (
                Misconception(
                    "masks-take-no-room",
                    "Masked tokens are taken away",
                    predicted(masked=70),
                    "Masking keeps the length: that is what tells it from deletion.",
                    "Mask a short text and count.",
                ),
                Misconception(
                    "deletion-keeps-length",
                    "Deleted tokens leave something behind",
                    predicted(deleted=100),
                    "Nothing marks the place.",
                    "Delete from a short text and count.",
                ),
                Misconception(
                    "infilling-without-masks",
                    "The masks of infilling are not counted",
                    predicted(infilled=70),
                    "Each span leaves one mask.",
                    "How many spans hide 30 tokens?",
                ),
                Misconception(
                    "one-mask-for-all",
                    "One mask for all that is hidden",
                    predicted(infilled=71),
                    "One for each span: about ten of them.",
                    "How many spans hide 30 tokens?",
                ),
                Misconception(
                    "never-empty",
                    "A span is never empty",
                    predicted(empty=0.0),
                    "The law says otherwise, and an empty span teaches that a mask may hide nothing.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                Misconception(
                    "one-in-three",
                    "One span in three is empty",
                    predicted(empty=round(1 / 3, 3)),
                    "The probability of 0 is e to the minus λ.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                Misconception(
                    "squared",
                    "Orders are counted as squares",
                    predicted(orders=16),
                    "No sentence comes twice: 4 · 3 · 2 · 1.",
                    "Write down all orders of three.",
                ),
                Misconception(
                    "holes-only",
                    "The decoder writes only what was hidden",
                    predicted(written=30),
                    "That is T5. BART writes the text again, as it was.",
                    "What are the labels of a denoising batch?",
                ),
            ),
        ),
    ),
    (
        "Take ten tokens, hide three, and count by hand for each noise.",
        "Infilling: 30 tokens in spans of 3 are ten spans. Poisson: P(0) = e^-λ.",
        "100, 70, 100 - 30 + 10, e^-3, 4 · 3 · 2 · 1, 100.",
    ),
)
