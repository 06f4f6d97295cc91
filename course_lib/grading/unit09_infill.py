"""Unit 09: spans hidden behind one mask each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Generator

from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit09_words import became, text

MASK = "[MASK]"
Spans = list[tuple[int, int]]


def infill_like(
    stands: Callable[[int, str], list[str]] = lambda length, mask: [mask],
    ends: Callable[[int, int], int] = lambda start, length: start + length,
    merged: bool = False,
    tail: bool = True,
) -> Callable[..., list[str]]:
    """`stands`: what stands in place of a span of that length; `ends`: where the text goes on behind it."""

    def infill(tokens: list[str], spans: Spans, mask: str) -> list[str]:
        made, end, open_ = [], 0, False
        for start, length in spans:
            made += tokens[end:start]
            if not (merged and open_ and start == end):
                made += stands(length, mask)
            end, open_ = ends(start, length), True
        return made + tokens[end:] if tail else made

    return infill


def in_moving_places(tokens: list[str], spans: Spans, mask: str) -> list[str]:
    """Span by span in the same list, whose places have moved since the spans were drawn."""
    made = list(tokens)
    for start, length in spans:
        made = [*made[:start], mask, *made[start + length :]]
    return made


def from_first_to_last(tokens: list[str], spans: Spans, mask: str) -> list[str]:
    """One mask for everything from the first span to the end of the last."""
    return [*tokens[: spans[0][0]], mask, *tokens[sum(spans[-1]) :]]


def spans_of(lengths: Sequence[int], gaps: Sequence[int]) -> Callable[[Generator], tuple]:
    def make(generator: Generator) -> tuple:
        spans, start = [], 0
        for gap, length in zip(gaps, lengths):
            spans.append((start + gap, length))
            start += gap + length
        return text(generator, start + gaps[-1]), spans, MASK

    return make


def seen(got: list[str], tokens: list[str], spans: Spans, mask: str) -> str | None:
    if list(got) == infill_like()(tokens, spans, mask):
        return None
    return f"with the spans {', '.join(map(str, spans))} {became(tokens, got)}"


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
                    judge=seen,
                ),
                Case(
                    "an empty span puts a mask where nothing is missing",
                    spans_of((2, 0, 1), (1, 2, 1, 1)),
                    "A Poisson length may be 0: nothing goes, a mask comes.",
                    "Call it with the one span (1, 0): is the text longer by one?",
                    worth=2,
                    judge=seen,
                ),
                Case(
                    "two spans that touch are two masks",
                    spans_of((2, 2), (2, 0, 2)),
                    "Each span was drawn by itself and has a mask of its own.",
                    "Call it with spans (1, 1) and (2, 1) on four words.",
                    judge=seen,
                ),
                Case(
                    "a span at the very beginning, an empty one at the very end",
                    spans_of((2, 0), (0, 3, 0)),
                    "The first and the last place are places like any other.",
                    "Call it with spans (0, 1) and (3, 0) on three words.",
                    judge=seen,
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
                    infill_like(ends=lambda start, length: start + max(length, 1)),
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
                Misconception(
                    "rest-lost",
                    "What stands behind the last span is lost",
                    infill_like(tail=False),
                    "A noise hides the spans and nothing else.",
                    "Call it with the one span (0, 1) on three words.",
                ),
                Misconception(
                    "length-read-as-end",
                    "The length is read as the place where the span ends",
                    infill_like(ends=lambda start, length: length),
                    "A span is (start, length): it ends `length` places after its start.",
                    "Which words does the span (4, 2) hide?",
                ),
                Misconception(
                    "end-included",
                    "A span hides one word too many",
                    infill_like(ends=lambda start, length: start + length + 1),
                    "(1, 2) hides the words 1 and 2. The word at start + length is the first that stays.",
                    "Call it with the one span (1, 0): is a word missing?",
                ),
                Misconception(
                    "words-stay",
                    "The masks come, but the words stay",
                    infill_like(ends=lambda start, length: start),
                    "A mask stands in place of its words. Beside them it hides nothing.",
                    "Count the words before and after.",
                ),
                Misconception(
                    "one-mask-for-everything",
                    "One mask covers all spans and what stands between",
                    from_first_to_last,
                    "What stands between two spans was not chosen: it stays in sight.",
                    "Count the masks and the spans.",
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
