"""Unit 07: numbers to predict."""

from __future__ import annotations

import math

from course_lib.grading.predictions import Predictions
from course_lib.grading.task import Misconception, Part

T, BAND = 1_000, 100
LAYERS, QUERY_HEADS, KEY_HEADS, HEAD = 30, 9, 3, 64  # SmolLM2-135M
RIGHT = {
    "dense": T * (T + 1) // 2,
    "banded": BAND * (BAND + 1) // 2 + (T - BAND) * BAND,
    "cached": 2 * LAYERS * KEY_HEADS * HEAD,
    "std": round(0.02 / math.sqrt(2 * 12), 3),
}
NUMBERS = Predictions(RIGHT, places={"std": 3})

PREDICTED = Part(
    "predict",
    NUMBERS.answer(),
    ("a dict with dense, banded and cached, each an int, and std, a number",),
    (
        NUMBERS.case(
            "dense",
            "looks in a dense layer",
            "Token t looks at t + 1 tokens, itself included: 1 + 2 + … + T.",
            "Count for T = 4 on your fingers, then look for the formula.",
        ),
        NUMBERS.case(
            "banded",
            "looks in a banded layer",
            "From token 99 on, each looks at 100; before that, at all there are.",
            "Draw a band of width 3 over 6 tokens, and count.",
        ),
        NUMBERS.case(
            "cached",
            "numbers kept for each token",
            "A key and a value, in each layer, for each key head.",
            "Which tensors of a layer are needed again at the next token?",
        ),
        NUMBERS.case(
            "std",
            "the spread of the last matrices",
            "2 · n_layers parts add to the stream. Each starts smaller by the root of that number.",
            "How often does a network of 12 layers add to its stream?",
        ),
    ),
    (
        Misconception(
            "whole-square",
            "The future is counted",
            NUMBERS.answer(dense=T * T),
            "The upper half is masked.",
            "Print `prefix_mask(4, 0).sum()`, your own from task 6.",
        ),
        Misconception(
            "diagonal-left-out",
            "A token does not look at itself",
            NUMBERS.answer(dense=T * (T - 1) // 2),
            "The diagonal is allowed: T more looks.",
            "Print `prefix_mask(4, 0).sum()`, your own from task 6.",
        ),
        Misconception(
            "band-from-the-start",
            "The first tokens are counted like the others",
            NUMBERS.answer(banded=T * BAND),
            "The first 99 tokens have fewer than 100 to look at.",
            "Print `layer_masks(2, 6, 3)[1].sum(1)`, your own from task 6.",
        ),
        Misconception(
            "all-heads-cached",
            "Keys are counted for every query head",
            NUMBERS.answer(cached=2 * LAYERS * QUERY_HEADS * HEAD),
            "Three query heads share a key head: that is what grouping is for.",
            "Which size do `key` and `value` have in a layer?",
        ),
        Misconception(
            "values-not-cached",
            "Values are not counted",
            NUMBERS.answer(cached=LAYERS * KEY_HEADS * HEAD),
            "The weights of the next token need the keys, its output needs the values.",
            "Which tensors of a layer are needed again at the next token?",
        ),
        Misconception(
            "one-layer-cached",
            "Only one layer is counted",
            NUMBERS.answer(cached=2 * KEY_HEADS * HEAD),
            "Every layer has keys and values of its own.",
            "Double the number of layers: what should happen?",
        ),
        Misconception(
            "one-part-a-layer",
            "Each layer is counted once",
            NUMBERS.answer(std=0.02 / math.sqrt(12)),
            "Attention and the feed-forward network both add to the stream: two parts a layer.",
            "How often does `x = x + …` run in a network of 12 layers?",
        ),
        Misconception(
            "root-forgotten",
            "The root is missing",
            NUMBERS.answer(std=0.02 / 24),
            "Variances add up, so spreads shrink by the root of the number of parts.",
            "What is the spread of the sum of 24 independent numbers with spread 1?",
        ),
        Misconception(
            "not-scaled",
            "The last matrices start like all others",
            NUMBERS.answer(std=0.02),
            "That is GPT-1. GPT-2 shrinks the matrices that write to the stream.",
            "What is the spread of the sum of 24 independent numbers with spread 1?",
        ),
    ),
)
