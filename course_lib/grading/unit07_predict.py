"""Unit 07: numbers to predict."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from course_lib.grading.task import Case, Misconception, Part, Unfit

T, BAND = 1_000, 100
LAYERS, QUERY_HEADS, KEY_HEADS, HEAD = 30, 9, 3, 64  # SmolLM2-135M
RIGHT = {
    "dense": T * (T + 1) // 2,
    "banded": BAND * (BAND + 1) // 2 + (T - BAND) * BAND,
    "cached": 2 * LAYERS * KEY_HEADS * HEAD,
    "std": round(0.02 / math.sqrt(2 * 12), 3),
}


def prediction(key: str) -> Callable[[Callable], Any]:
    """The learner's number for `key`; `std` to three places."""

    def call(answer: Callable) -> Any:
        made = answer()
        if type(made) is not dict or key not in made:
            raise Unfit(f"no number for {key}: return a dict with the keys dense, banded, cached and std")
        number = made[key]
        return round(float(number), 3) if key == "std" and type(number) in (int, float) else number

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


PREDICTED = Part(
    "predict",
    predicted(),
    ("a dict with dense, banded and cached, each an int, and std, a number",),
    (
        number_case(
            "dense",
            "looks in a dense layer",
            "Token t looks at t + 1 tokens, itself included: 1 + 2 + … + T.",
            "Count for T = 4 on your fingers, then look for the formula.",
        ),
        number_case(
            "banded",
            "looks in a banded layer",
            "From token 99 on, each looks at 100; before that, at all there are.",
            "Draw a band of width 3 over 6 tokens, and count.",
        ),
        number_case(
            "cached",
            "numbers kept for each token",
            "A key and a value, in each layer, for each key head.",
            "Which tensors of a layer are needed again at the next token?",
        ),
        number_case(
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
            predicted(dense=T * T),
            "The upper half is masked.",
            "Print `prefix_mask(4, 0).sum()`, your own from task 6.",
        ),
        Misconception(
            "diagonal-left-out",
            "A token does not look at itself",
            predicted(dense=T * (T - 1) // 2),
            "The diagonal is allowed: T more looks.",
            "Print `prefix_mask(4, 0).sum()`, your own from task 6.",
        ),
        Misconception(
            "band-from-the-start",
            "The first tokens are counted like the others",
            predicted(banded=T * BAND),
            "The first 99 tokens have fewer than 100 to look at.",
            "Print `layer_masks(2, 6, 3)[1].sum(1)`, your own from task 6.",
        ),
        Misconception(
            "all-heads-cached",
            "Keys are counted for every query head",
            predicted(cached=2 * LAYERS * QUERY_HEADS * HEAD),
            "Three query heads share a key head: that is what grouping is for.",
            "Which size do `key` and `value` have in a layer?",
        ),
        Misconception(
            "values-not-cached",
            "Values are not counted",
            predicted(cached=LAYERS * KEY_HEADS * HEAD),
            "The weights of the next token need the keys, its output needs the values.",
            "Which tensors of a layer are needed again at the next token?",
        ),
        Misconception(
            "one-layer-cached",
            "Only one layer is counted",
            predicted(cached=2 * KEY_HEADS * HEAD),
            "Every layer has keys and values of its own.",
            "Double the number of layers: what should happen?",
        ),
        Misconception(
            "one-part-a-layer",
            "Each layer is counted once",
            predicted(std=0.02 / math.sqrt(12)),
            "Attention and the feed-forward network both add to the stream: two parts a layer.",
            "How often does `x = x + …` run in a network of 12 layers?",
        ),
        Misconception(
            "root-forgotten",
            "The root is missing",
            predicted(std=0.02 / 24),
            "Variances add up, so spreads shrink by the root of the number of parts.",
            "What is the spread of the sum of 24 independent numbers with spread 1?",
        ),
        Misconception(
            "not-scaled",
            "The last matrices start like all others",
            predicted(std=0.02),
            "That is GPT-1. GPT-2 shrinks the matrices that write to the stream.",
            "What is the spread of the sum of 24 independent numbers with spread 1?",
        ),
    ),
)
