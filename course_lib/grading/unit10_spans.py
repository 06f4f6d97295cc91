"""Unit 10: spans behind sentinels, and the text put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit08_common import one_of

WORDS = ["고양이", "가", "매트", "위", "에", "앉아", "있다", "the", "cat", "sat", "on", "a", "mat"]
WORDS += ["and", "saw", "two", "birds", "in", "old", "trees"]
SENTINELS = [f"<{i}>" for i in range(9)]
Spans = list[tuple[int, int]]


def text(generator: Generator, n: int) -> list[str]:
    """n different tokens: words, so that no token can pass for a sentinel."""
    return [WORDS[i] for i in torch.randperm(len(WORDS), generator=generator)[:n]]


def spans_in(generator: Generator, lengths: Sequence[int], gaps: Sequence[int]) -> tuple[list[str], Spans]:
    """A text whose spans have these lengths; `gaps` tokens stand before, between and after them."""
    spans, start = [], 0
    for gap, length in zip(gaps, lengths):
        spans.append((start + gap, length))
        start += gap + length
    return text(generator, start + gaps[-1]), spans


Names = Sequence[Any]


def spans_like(
    hide: Callable[[Any, int], list] = lambda sentinel, length: [sentinel],
    tell: Callable[[Any, list], list] = lambda sentinel, words: [sentinel, *words],
    named: Callable[[Names], Names] = list,
    closing: Callable[[Names, int], list] = lambda names, n: [names[n]],
    stop: Callable[[int, int], int] = lambda start, length: start + length,
    rest: bool = True,
    whole_text: bool = False,
) -> Callable[..., tuple[list, list]]:
    """`hide` is what stands for a span in the text, `tell` what the target says of it, `stop` its end."""

    def corrupt(tokens: list, spans: Spans, sentinels: Names) -> tuple[list, list]:
        names, read, write, end = named(sentinels), [], [], 0
        for name, (start, length) in zip(names, spans):
            read = [*read, *tokens[end:start], *hide(name, length)]
            end = stop(start, length)
            write = [*write, *tell(name, tokens[start:end])]
        read = [*read, *tokens[end:]] if rest else read
        return read, list(tokens) if whole_text else [*write, *closing(names, len(spans))]

    return corrupt


def nothing(names: Names, n: int) -> list:
    return []


def cut_from_the_list(words_from_it: bool) -> Callable[..., tuple[list, list]]:
    """Spans are replaced one by one in a copy, which gets shorter, while the starts are those of the text."""

    def corrupt(tokens: list, spans: Spans, sentinels: Names) -> tuple[list, list]:
        read, write = list(tokens), []
        for name, (start, length) in zip(sentinels, spans):
            end = start + length
            write += [name, *(read if words_from_it else tokens)[start:end]]
            read[start:end] = [name]
        return read, [*write, sentinels[len(spans)]]

    return corrupt


def one(generator: Generator) -> tuple:
    made = spans_in(generator, (whole(generator, 2, 4),), (whole(generator, 2, 4), whole(generator, 2, 4)))
    return (*made, SENTINELS)


def several(generator: Generator) -> tuple:
    return (*spans_in(generator, (2, 1, 3), (2, 1, whole(generator, 2, 3), 1)), SENTINELS)


def at_the_ends(generator: Generator) -> tuple:
    return (*spans_in(generator, (2, 3), (0, whole(generator, 3, 5), 0)), SENTINELS)


def ids(generator: Generator) -> tuple:
    tokens, spans = spans_in(generator, (3, 2), (1, 2, 2))
    numbers = (torch.randperm(90, generator=generator)[: len(tokens)] + 100).tolist()
    return numbers, spans, [9_000 - i for i in range(5)]


RETURNS = ("read (a list)", "write (a list)")
EVERY = "Print both lists beside the text and follow them token by token."


def row(index: int, name: str, inputs: Callable[[Generator], tuple], idea: str, experiment: str) -> Case:
    """A row for one of the two lists, so that a mistake in the other does not hide what is right."""
    call = one_of(index, RETURNS, lambda value: value)
    return Case(name, inputs, idea, experiment, call=call, names=RETURNS[index : index + 1])


CORRUPT = Part(
    "corrupt",
    spans_like(),
    RETURNS,
    (
        row(
            0,
            "one span: what is read",
            one,
            "One sentinel stands for the whole span, however long it is.",
            "Print what is read beside the text and follow it token by token.",
        ),
        row(
            1,
            "one span: what is written",
            one,
            "The target says: sentinel, span, next sentinel.",
            "Print what is written beside the text and follow it token by token.",
        ),
        row(
            0,
            "several spans: what is read",
            several,
            "Sentinels are used in order, each once.",
            "Print the sentinels in what is read. Is each there once?",
        ),
        row(
            1,
            "several spans: what is written",
            several,
            "Each span follows its own sentinel, so that the target can say which hole it fills.",
            "Print the sentinels in what is written, beside those in what is read.",
        ),
        Case(
            "spans at the very start and at the very end",
            at_the_ends,
            "Nothing stands before the first or behind the last: the slices are empty, and that is fine.",
            "Call it with spans (0, 2) on four tokens.",
        ),
        Case(
            "ids in place of words",
            ids,
            "Tokens and sentinels may be anything; nothing here looks inside them.",
            "Does your code make strings, or take tokens as they are?",
        ),
    ),
    (
        Misconception(
            "one-sentinel-for-all",
            "The same sentinel stands for every span",
            spans_like(named=lambda sentinels: [sentinels[0]] * len(sentinels)),
            "Then nobody can say which hole a piece of the target belongs to.",
            "Put the text together again from your two lists: is it clear how?",
        ),
        Misconception(
            "one-sentinel-a-token",
            "Each hidden token has a sentinel in its place",
            spans_like(hide=lambda sentinel, length: [sentinel] * length),
            "That tells the model how long the span is. T5 has to find out.",
            "Count the tokens that are read, for one span of three.",
        ),
        Misconception(
            "no-last-sentinel",
            "The target has no last sentinel",
            spans_like(closing=nothing),
            "The last one says that the last span is complete.",
            "How would a model that reads your target know where the last span ends?",
        ),
        Misconception(
            "sentinel-behind",
            "The sentinel stands behind its words",
            spans_like(tell=lambda sentinel, words: [*words, sentinel]),
            "A decoder writes from left to right: first it says which hole it fills, then with what.",
            "Read your target aloud, from the left.",
        ),
        Misconception(
            "whole-text-written",
            "The target is the whole text",
            spans_like(whole_text=True),
            "That is BART. T5 writes only what is missing.",
            "Compare the lengths of target and text.",
        ),
        Misconception(
            "only-words-written",
            "The target has no sentinels",
            spans_like(tell=lambda sentinel, words: list(words), closing=nothing),
            "The words of several spans then run together.",
            "Put the text together again from your two lists: is it clear how?",
        ),
        Misconception(
            "last-used-closes",
            "The last sentinel is one that was used already",
            spans_like(closing=lambda names, n: [names[n - 1]]),
            "Written a second time, it opens its hole again. The one that closes stands in no text.",
            "Look for the last sentinel of the target in what is read: is it there?",
        ),
        Misconception(
            "very-last-closes",
            "The target ends with the last of all sentinels",
            spans_like(closing=lambda names, n: [names[-1]]),
            "It ends with the *next* one, which depends on how many spans there are.",
            "Give six sentinels for two spans: which comes after the first two?",
        ),
        Misconception(
            "pairs-are-ends",
            "The pairs are taken for (start, end)",
            spans_like(stop=lambda start, length: length),
            "The second number says how many tokens, not where they end.",
            "Print `tokens[start : …]` for the span (4, 1): it should be one token.",
        ),
        Misconception(
            "one-token-too-many",
            "Each span is one token too long",
            spans_like(stop=lambda start, length: start + length + 1),
            "A slice leaves its end out, so start + length is the end already.",
            "Print the words of the span (1, 2).",
        ),
        Misconception(
            "starts-not-moved",
            "Later spans are looked for in a list that has become shorter",
            cut_from_the_list(words_from_it=False),
            "Once a span of three has become one sentinel, all behind it stands two places further left. The "
            "starts still are those of the text.",
            "Print the list after the first span: where does the second one begin now?",
        ),
        Misconception(
            "words-from-the-shorter-list",
            "The words of later spans are taken from a list that has become shorter",
            cut_from_the_list(words_from_it=True),
            "Once a span of three has become one sentinel, all behind it stands two places further left. The "
            "starts still are those of the text.",
            "Take words and rest from `tokens`, which stays as it is. What changes?",
        ),
        Misconception(
            "from-the-end",
            "Sentinels are used from the last to the first",
            spans_like(named=lambda sentinels: sentinels[::-1]),
            "The first of the list stands for the first span; in what order the ids lie does not matter.",
            "Which sentinel stands first in what is read?",
        ),
        Misconception(
            "sentinels-sorted",
            "The sentinels are sorted",
            spans_like(named=sorted),
            "T5's first sentinel is the last token of its vocabulary: the ids fall. Take them as they come.",
            "Call it with the sentinels [99, 98, 97].",
        ),
        Misconception(
            "nothing-in-the-text",
            "Spans are cut out, and nothing stands in their place",
            spans_like(hide=lambda sentinel, length: []),
            "Then the reader cannot see where something is missing.",
            "Is each sentinel of the target, but the last, in what is read?",
        ),
        Misconception(
            "rest-lost",
            "What follows the last span is lost",
            spans_like(rest=False),
            "The loop copies what stands before each span. Behind the last one nobody copies any more.",
            "Compare the last token of the text with the last one that is read.",
        ),
    ),
)

SPANS = Task(
    (CORRUPT,),
    (
        "Walk over the spans once. What has to be copied before each of them, and what stands in its place?",
        "Keep the place where the last span ended. Between it and the start of the next one the tokens are "
        "copied; behind the last span comes the rest, and the target gets one sentinel more.",
        "In the loop over zip(sentinels, spans): `read += tokens[end:start] + [sentinel]`, then `write += "
        "[sentinel] + tokens[start:start + length]`, then move `end`.",
    ),
)
