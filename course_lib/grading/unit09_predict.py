"""Unit 09: numbers to predict."""

from __future__ import annotations

import math

from course_lib.grading.predictions import Predictions
from course_lib.grading.task import Misconception, Part

RIGHT = {
    "masked": 100,
    "deleted": 70,
    "infilled": 80,
    "empty": round(math.exp(-3), 3),
    "orders": math.factorial(4),
    "written": 100,
}
NUMBERS = Predictions(RIGHT, places={"empty": 3})

PREDICTED = Part(
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
            "one-word-a-span",
            "Each span takes away one token",
            NUMBERS.answer(infilled=90),
            "A span of three takes three tokens and leaves one mask.",
            "Hide one span of three in a text of ten, and count.",
        ),
        Misconception(
            "masks-on-top",
            "The masks come on top of all tokens",
            NUMBERS.answer(infilled=110),
            "A mask stands in place of its span. 30 tokens are gone.",
            "Hide one span of three in a text of ten, and count.",
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
            "one-for-none",
            "This is the share of spans of one token",
            NUMBERS.answer(empty=round(3 * math.exp(-3), 3)),
            "P(n) is λ to the n, times e^-λ, over n!. An empty span has n = 0.",
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
            "pairs-of-sentences",
            "Pairs are counted, not orders",
            NUMBERS.answer(orders=6),
            "Six pairs can be taken from four sentences. An order places all four.",
            "Write down all orders of three.",
        ),
        Misconception(
            "as-long-as-the-source",
            "The decoder writes as many tokens as it read",
            NUMBERS.answer(written=80),
            "Source and target may differ in length: that is what the two sides are for.",
            "What are the labels of a denoising batch?",
        ),
        Misconception(
            "holes-only",
            "The decoder writes only what was hidden",
            NUMBERS.answer(written=30),
            "That is T5. BART writes the text again, as it was.",
            "What are the labels of a denoising batch?",
        ),
    ),
)
