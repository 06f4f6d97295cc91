"""Unit 05: pairs of sentences with segments and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- one pair as BERT reads it ----


def two_sentences(generator: Generator) -> tuple[list[int], list[int], int, int]:
    lengths = sizes(generator, 2, 3, 8)
    first, second = (torch.randint(10, 90, (n,), generator=generator).tolist() for n in lengths)
    return first, second, whole(generator, 1, 4), whole(generator, 5, 9)


def pair_like(
    ids: Callable[..., list[int]] = lambda a, b, cls, sep: [cls, *a, sep, *b, sep],
    segments: Callable[[int, int], list[int]] = lambda a, b: [0] * (a + 2) + [1] * (b + 1),
) -> Callable[..., tuple[Tensor, Tensor]]:
    def pair(a: list[int], b: list[int], cls: int, sep: int) -> tuple[Tensor, Tensor]:
        return torch.tensor(ids(a, b, cls, sep)), torch.tensor(segments(len(a), len(b)))

    return pair


PAIR = Part(
    "pair_input",
    pair_like(),
    ("ids (T,)", "segments (T,)"),
    (
        Case(
            "right tokens in the right order",
            two_sentences,
            "[CLS] first [SEP] second [SEP]: one marker in front, one after each sentence.",
            "Print your ids for a = [11, 12], b = [13], cls = 1, sep = 2.",
            judge=lambda got, *given: (
                None
                if torch.equal(got[0], pair_like()(*given)[0])
                else f"for {len(given[0])} and {len(given[1])} words the ids are {got[0].tolist()}"
            ),
        ),
        Case(
            "right segments",
            two_sentences,
            "Each [SEP] belongs to the sentence that it ends; [CLS] belongs to the first.",
            "Write the tokens and the segments below each other.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "first-sep-in-b",
            "The first [SEP] is counted to the second sentence",
            pair_like(segments=lambda a, b: [0] * (a + 1) + [1] * (b + 2)),
            "Off by one at [SEP]: it ends the first sentence and belongs to it.",
            "Write the tokens and the segments below each other.",
        ),
        Misconception(
            "last-sep-in-a",
            "The last [SEP] has segment 0",
            pair_like(segments=lambda a, b: [0] * (a + 2) + [1] * b + [0]),
            "It ends the second sentence and belongs to it.",
            "Print the last token and its segment.",
        ),
        Misconception(
            "b-one-late",
            "The second sentence begins one token late",
            pair_like(segments=lambda a, b: [0] * (a + 3) + [1] * b),
            "Off by one: the first word of the second sentence has segment 0.",
            "Which segment has the token after the first [SEP]?",
        ),
        Misconception(
            "no-last-sep",
            "The last [SEP] is missing",
            pair_like(lambda a, b, cls, sep: [cls, *a, sep, *b], lambda a, b: [0] * (a + 2) + [1] * b),
            "Both sentences end in [SEP].",
            "Count the [SEP] in your ids.",
        ),
        Misconception(
            "no-cls",
            "[CLS] is missing",
            pair_like(lambda a, b, cls, sep: [*a, sep, *b, sep], lambda a, b: [0] * (a + 1) + [1] * (b + 1)),
            "The next-sentence head reads the vector of [CLS]; it must be there.",
            "Print your first id.",
        ),
        Misconception(
            "segments-from-1",
            "Segments are counted from 1",
            pair_like(segments=lambda a, b: [1] * (a + 2) + [2] * (b + 1)),
            "They are rows of a table of two: 0 and 1.",
            "Print the largest segment.",
        ),
        Misconception(
            "segments-swapped",
            "The two segments are swapped",
            pair_like(segments=lambda a, b: [1] * (a + 2) + [0] * (b + 1)),
            "Sentence A is 0, sentence B is 1.",
            "Which segment has [CLS]?",
        ),
    ),
)

# ---- is it next? ----


def documents_and_draw(coin: bool) -> Callable[[Generator], tuple]:
    def make(generator: Generator) -> tuple[list[list[int]], int, int, bool, tuple[int, int]]:
        lengths = [6, *(n + 2 for n in sizes(generator, 4, 3, 7))]
        documents = [[100 * d + s for s in range(n)] for d, n in enumerate(lengths)]
        d, i = whole(generator, 1, 2), whole(generator, 1, 3)
        draw = (whole(generator, d + 1, 3), i + 1)  # beyond the own document, where counting differs
        return documents, d, i, coin, draw

    return make


def left_out(generator: Generator) -> tuple[list[list[int]], int, int, bool, tuple[int, int]]:
    """A draw that meets the sentence's own document unless that is left out."""
    documents, d, i, coin, _ = documents_and_draw(False)(generator)
    return documents, d, i, coin, (d, 0)


def next_like(
    stranger: Callable[..., int] = lambda documents, d, i, o, s: documents[o + (o >= d)][s],
    labels: tuple[int, int] = (0, 1),
    step: int = 1,
    inverted: bool = False,
) -> Callable[..., tuple[int, int]]:
    def example(documents: list, d: int, i: int, coin: bool, draw: tuple[int, int]) -> tuple[int, int]:
        if coin != inverted:
            return documents[d][i + step], labels[0]
        return stranger(documents, d, i, *draw), labels[1]

    return example


def right_example(got: tuple[int, int], *given: Any) -> str | None:
    want = next_like()(*given)
    if tuple(got) == want:
        return None
    which = " and ".join(
        f"{name} {told}"
        for name, told, right in zip(("sentence", "label"), got, want, strict=True)
        if told != right
    )
    return f"returned {which}"


def stranger_is_strange(got: tuple[int, int], documents: list, d: int, *_: object) -> str | None:
    if got[0] in documents[d]:
        return f"the sentence {got[0]} is one of the same document"
    return None


NEXT = Part(
    "next_example",
    next_like(),
    ("the second sentence (an int)", "the label (an int)"),
    (
        Case(
            "heads: the next sentence, with label 0",
            documents_and_draw(True),
            "The course takes the released code's convention: 0 is *is next*.",
            "Call it with coin = True and print what comes back.",
            judge=right_example,
        ),
        Case(
            "tails: a drawn sentence, with label 1",
            documents_and_draw(False),
            "draw = (o, s) is sentence s of the o-th *other* document: count without document d.",
            "With d = 1 the others are documents 0, 2, 3, …: which is the one with o = 1?",
            judge=right_example,
            worth=2,
        ),
        Case(
            "the drawn sentence is of another document",
            left_out,
            "A sentence of the same document may be the next one after all: a wrong label.",
            "Call it with draw = (d, 0).",
            judge=stranger_is_strange,
        ),
    ),
    (
        Misconception(
            "labels-swapped",
            "The labels are swapped",
            next_like(labels=(1, 0)),
            "The slide has 1 for *is next*; here, as in the released code, *is next* is 0.",
            "Read the table of the task once more.",
        ),
        Misconception(
            "same-document",
            "The stranger comes from the same document",
            next_like(stranger=lambda documents, d, i, o, s: documents[d][s]),
            "That is the harder task of telling the order (ALBERT has one), and it may even be the next one.",
            "Print d and the document of your sentence.",
        ),
        Misconception(
            "own-document-not-left-out",
            "The own document is not left out",
            next_like(stranger=lambda documents, d, i, o, s: documents[o][s]),
            "o counts the other documents. From d on, all numbers are one further.",
            "Call it with draw = (d, 0).",
        ),
        Misconception(
            "coin-inverted",
            "The coin is read the wrong way round",
            next_like(inverted=True),
            "coin = True asks for the next sentence.",
            "Call it with coin = True.",
        ),
        Misconception(
            "itself-as-next",
            "The sentence is paired with itself",
            next_like(step=0),
            "The next one stands at i + 1.",
            "Print the two sentences of a pair with label 0.",
        ),
    ),
)

PAIRS = Task(
    (PAIR, NEXT),
    (
        "Count by hand first: for sentences of 2 and 1 words, how many tokens get segment 0, how many 1?",
        "[CLS], the first sentence and its [SEP] are `len(a) + 2` tokens; the rest is `len(b) + 1`.",
        "The o-th other document is number o when o < d, and o + 1 from there on. Return sentence and label.",
    ),
    (
        "course_lib.objectives.nsp.nsp_pairs",
        "course_lib.tokenization.wordpiece.WordPiece.encode_pair",
    ),
)
