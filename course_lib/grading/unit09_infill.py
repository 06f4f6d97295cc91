"""Unit 09: spans hidden behind one mask each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Generator

from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit09_words import text

MASK = "[MASK]"
Spans = list[tuple[int, int]]


def infill_like(
    stands: Callable[[int, str], list[str]] = lambda length, mask: [mask],
    merged: bool = False,
    least: int = 0,
) -> Callable[..., list[str]]:
    """`stands`: what stands in the place of a span of that length; `least`: how many words a span hides."""

    def infill(tokens: list[str], spans: Spans, mask: str) -> list[str]:
        made, end, open_ = [], 0, False
        for start, length in spans:
            made += tokens[end:start]
            if not (merged and open_ and start == end):
                made += stands(length, mask)
            end, open_ = start + max(length, least), True
        return made + tokens[end:]

    return infill


def in_moving_places(tokens: list[str], spans: Spans, mask: str) -> list[str]:
    """Span by span in the same list, whose places have moved since the spans were drawn."""
    made = list(tokens)
    for start, length in spans:
        made = [*made[:start], mask, *made[start + length :]]
    return made


def spans_of(lengths: Sequence[int], gaps: Sequence[int]) -> Callable[[Generator], tuple]:
    def make(generator: Generator) -> tuple:
        spans, start = [], 0
        for gap, length in zip(gaps, lengths):
            spans.append((start + gap, length))
            start += gap + length
        return text(generator, start + gaps[-1]), spans, MASK

    return make


INFILL = Task(
    (
        Part(
            "infill",
            infill_like(),
            ("the damaged text, a list",),
            (
                Case(
                    "a span becomes one mask, however long",
                    spans_of((3, 2), (1, 2, 2)),
                    "The model has to find out how much is missing.",
                    "Count the masks and the spans.",
                    worth=2,
                ),
                Case(
                    "an empty span puts a mask where nothing is missing",
                    spans_of((2, 0, 1), (1, 2, 1, 1)),
                    "A Poisson length may be 0: nothing goes, a mask comes.",
                    "Call it with the one span (1, 0): is the text longer by one?",
                    worth=2,
                ),
                Case(
                    "two spans that touch are two masks",
                    spans_of((2, 2), (2, 0, 2)),
                    "Each span was drawn by itself and has a mask of its own.",
                    "Call it with spans (1, 1) and (2, 1) on four words.",
                ),
            ),
            (
                Misconception(
                    "one-mask-a-token",
                    "Each hidden token becomes a mask",
                    infill_like(lambda length, mask: [mask] * length),
                    "That is masking. It tells the model how long the span was.",
                    "Count the masks and the spans.",
                ),
                Misconception(
                    "places-have-moved",
                    "After the first mask the places no longer fit",
                    in_moving_places,
                    "A mask in place of three words makes the list shorter by two: what follows has moved.",
                    "Print the list after each span. Does the next start still point to the same word?",
                ),
                Misconception(
                    "empty-spans-hide-one",
                    "An empty span hides a word",
                    infill_like(least=1),
                    "Its length is 0: no word goes, and all the same a mask comes.",
                    "Call it with the one span (1, 0): is the text longer by one?",
                ),
                Misconception(
                    "empty-spans-dropped",
                    "Empty spans leave no mask",
                    infill_like(lambda length, mask: [mask] if length else []),
                    "Then a mask always means that something is missing, and the model learns to write a "
                    "word at each.",
                    "Call it with the one span (1, 0).",
                ),
                Misconception(
                    "spans-deleted",
                    "The spans are taken out without a mask",
                    infill_like(lambda length, mask: []),
                    "That is deletion of spans: the model does not even learn where.",
                    "Count the masks and the spans.",
                ),
                Misconception(
                    "touching-spans-merged",
                    "Spans that touch share a mask",
                    infill_like(merged=True),
                    "Two spans were drawn, so two masks stand there.",
                    "Call it with spans (1, 1) and (2, 1) on four words.",
                ),
            ),
        ),
    ),
    (
        "Walk over the spans once and keep the place where the last one ended.",
        "Copy what stands between the last end and this start, then put one mask, whatever the length.",
        "`made += tokens[end:start] + [mask]`, `end = start + length`, and the rest behind the loop.",
    ),
    ("course_lib.objectives.denoising.text_infilling",),
)
