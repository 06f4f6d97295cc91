"""Unit 09: numbers to predict."""

from __future__ import annotations

import math

from course_lib.grading.predictions import Predictions
from course_lib.grading.task import Misconception, Part, Task

RIGHT = {
    "masked": 100,
    "deleted": 70,
    "infilled": 80,
    "empty": round(math.exp(-3), 3),
    "orders": math.factorial(4),
    "written": 100,
}
NUMBERS = Predictions(RIGHT, places={"empty": 3})

PREDICT = Task(
    (
        Part(
            "predict",
            NUMBERS.answer(),
            ("a dict of numbers",),
            (
                NUMBERS.case(
                    "masked",
                    "tokens after masking",
                    "A mask takes the place of its token.",
                    "Mask a short text and count.",
                ),
                NUMBERS.case(
                    "deleted",
                    "tokens after deletion",
                    "30 of 100 go, and nothing comes in their place.",
                    "Delete from a short text and count.",
                ),
                NUMBERS.case(
                    "infilled",
                    "tokens after infilling",
                    "30 tokens go in spans of 3 on average; each span leaves one mask.",
                    "How many spans hide 30 tokens?",
                ),
                NUMBERS.case(
                    "empty",
                    "share of empty spans",
                    "A Poisson variable with mean λ is 0 in e^-λ of all cases.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                NUMBERS.case(
                    "orders",
                    "orders of four sentences",
                    "Four choices for the first, three for the second …",
                    "Write down all orders of three.",
                ),
                NUMBERS.case(
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
                    NUMBERS.answer(masked=70),
                    "Masking keeps the length: that is what tells it from deletion.",
                    "Mask a short text and count.",
                ),
                Misconception(
                    "deletion-keeps-length",
                    "Deleted tokens leave something behind",
                    NUMBERS.answer(deleted=100),
                    "Nothing marks the place.",
                    "Delete from a short text and count.",
                ),
                Misconception(
                    "infilling-without-masks",
                    "The masks of infilling are not counted",
                    NUMBERS.answer(infilled=70),
                    "Each span leaves one mask.",
                    "How many spans hide 30 tokens?",
                ),
                Misconception(
                    "one-mask-for-all",
                    "One mask for all that is hidden",
                    NUMBERS.answer(infilled=71),
                    "One for each span: about ten of them.",
                    "How many spans hide 30 tokens?",
                ),
                Misconception(
                    "never-empty",
                    "A span is never empty",
                    NUMBERS.answer(empty=0.0),
                    "The law says otherwise, and an empty span teaches that a mask may hide nothing.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                Misconception(
                    "one-in-three",
                    "One span in three is empty",
                    NUMBERS.answer(empty=round(1 / 3, 3)),
                    "The probability of 0 is e to the minus λ.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                Misconception(
                    "squared",
                    "Orders are counted as squares",
                    NUMBERS.answer(orders=16),
                    "No sentence comes twice: 4 · 3 · 2 · 1.",
                    "Write down all orders of three.",
                ),
                Misconception(
                    "holes-only",
                    "The decoder writes only what was hidden",
                    NUMBERS.answer(written=30),
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
