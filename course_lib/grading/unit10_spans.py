"""Unit 10: spans behind sentinels, and the text put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

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


def spans_like(
    hide: Callable[[str, int], list[str]] = lambda sentinel, length: [sentinel],
    tell: Callable[[str, list[str]], list[str]] = lambda sentinel, words: [sentinel, *words],
    named: Callable[[Sequence[str]], Sequence[str]] = lambda sentinels: sentinels,
    last: bool = True,
    whole_text: bool = False,
) -> Callable[..., tuple[list, list]]:
    """`hide` is what stands for a span in the text, `tell` what the target says of it."""

    def corrupt(tokens: list, spans: Spans, sentinels: Sequence[str]) -> tuple[list, list]:
        names, read, write, end = named(sentinels), [], [], 0
        for name, (start, length) in zip(names, spans):
            read = [*read, *tokens[end:start], *hide(name, length)]
            write = [*write, *tell(name, tokens[start : start + length])]
            end = start + length
        closing = [names[len(spans)]] if last else []
        return [*read, *tokens[end:]], list(tokens) if whole_text else [*write, *closing]

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


RETURNS = ("what is read, a list", "what is to be written, a list")
EVERY = "Print both lists beside the text and follow them token by token."
CORRUPT = Part(
    "corrupt",
    spans_like(),
    RETURNS,
    (
        Case(
            "one span",
            one,
            "One sentinel stands for the whole span. The target says: sentinel, span, next sentinel.",
            EVERY,
            worth=2,
        ),
        Case(
            "several spans, each behind its own sentinel",
            several,
            "Sentinels are used in order, each once, so that the target can say which hole it fills.",
            "Print the sentinels in what is read. Is each there once?",
            worth=2,
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
            spans_like(last=False),
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
            spans_like(tell=lambda sentinel, words: list(words), last=False),
            "The words of several spans then run together.",
            "Put the text together again from your two lists: is it clear how?",
        ),
    ),
)


def restore_like(
    missing: Callable[[str], list[str]] = lambda sentinel: [],
    placed: Callable[[str, list[str]], list[str]] = lambda sentinel, words: words,
    by_order: bool = False,
    before: bool = False,
) -> Callable[..., list]:
    """`missing` is what a sentinel becomes that the target does not name, `placed` one that it does."""

    def restore(read: list, write: list, sentinels: Sequence[str]) -> list:
        held: dict[Any, list] = {}
        current = None
        if before:
            current = next((token for token in read if token in sentinels), None)
            held[current] = []
        for token in write:
            if token in sentinels:
                current = token
                held.setdefault(current, [])
            elif current is not None:
                held[current].append(token)
        if by_order:
            said = list(held.values())
            places = [token for token in read if token in sentinels]
            held = dict(zip(places, said))
        whole_ = []
        for token in read:
            if token not in sentinels:
                whole_.append(token)
            else:
                whole_ += placed(token, held[token]) if token in held else missing(token)
        return whole_

    return restore


def written_well(generator: Generator) -> tuple:
    tokens, spans = spans_in(generator, (2, 1, 3), (1, 2, whole(generator, 1, 3), 2))
    return (*spans_like()(tokens, spans, SENTINELS), SENTINELS)


def one_left_out(generator: Generator) -> tuple:
    read, write, names = written_well(generator)
    at = write.index(names[1])
    return read, write[:at] + write[at + 2 :], names


def another_order(generator: Generator) -> tuple:
    read, write, names = written_well(generator)
    first, second, third = (write.index(name) for name in names[:3])
    return read, [*write[second:third], *write[first:second], *write[third:]], names


def words_in_front(generator: Generator) -> tuple:
    read, write, names = written_well(generator)
    return read, ["uhm", "well", *write], names


RESTORE = Part(
    "restore",
    restore_like(),
    ("the whole text, a list",),
    (
        Case(
            "puts every span back",
            written_well,
            "Where a sentinel stands, the words behind it in the target belong. The sentinel itself goes.",
            EVERY,
        ),
        Case(
            "the target names the spans in another order",
            another_order,
            "A sentinel is a name. Where it comes in the target does not matter.",
            "Collect the target in a dict, sentinel to words, and print it.",
        ),
        Case(
            "the target leaves a sentinel out",
            one_left_out,
            "A model may forget a span. Then nothing stands there.",
            "Which words does your code put at the sentinel that was not named?",
        ),
        Case(
            "words before the first sentinel belong nowhere",
            words_in_front,
            "Nobody can say which hole they fill.",
            "What is the current sentinel before the first one came?",
        ),
    ),
    (
        Misconception(
            "sentinel-stays",
            "The sentinels stay in the text",
            restore_like(placed=lambda sentinel, words: [sentinel, *words]),
            "A sentinel stands for its words. When these are back, it goes.",
            "Is the restored text as long as the first one?",
        ),
        Misconception(
            "by-order",
            "Spans are put back by their order, not by their name",
            restore_like(by_order=True),
            "One span that is left out or exchanged, and all that follow stand in the wrong hole.",
            "Exchange two spans of a target: should the text change?",
        ),
        Misconception(
            "forgotten-sentinel-stays",
            "A sentinel that the target does not name stays in the text",
            restore_like(missing=lambda sentinel: [sentinel]),
            "The model has said nothing about it, so nothing stands there.",
            "Search the restored text for sentinels.",
        ),
        Misconception(
            "front-words-kept",
            "Words in front of the first sentinel fill the first hole",
            restore_like(before=True),
            "They belong to no sentinel: nobody can say where they go.",
            "Let the target begin with a word.",
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
RESTORED = Task(
    (RESTORE,),
    (
        "Two passes: first collect what the target says, then walk over what was read.",
        "A dict from sentinel to list of words; a variable holds the sentinel that came last, None at first.",
        "In the second pass a token that is no sentinel is copied; a sentinel becomes `held.get(token, [])`.",
    ),
)
