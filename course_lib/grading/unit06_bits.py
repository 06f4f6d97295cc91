"""Unit 06: bits per byte, of a model and of a compressor."""

from __future__ import annotations

import gzip
import lzma
import math
from collections.abc import Callable

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

KOREAN = ("나는", "사과를", "먹는다", "다음", "글자를", "맞힌다", "바이트", "하나에", "몇", "비트")
ENGLISH = ("the", "model", "reads", "what", "came", "before", "and", "bets", "on", "next")


def some_text(generator: Generator, words: tuple[str, ...], count: int) -> str:
    return " ".join(words[whole(generator, 0, len(words) - 1)] for _ in range(count))


def batches(generator: Generator, *tokens: int) -> list[tuple[float, int]]:
    """(mean nats a token, tokens) of each batch; short batches are harder."""
    return [
        (round(float(1.5 + torch.rand((), generator=generator)) + 20 / count, 4), count) for count in tokens
    ]


def one_batch(generator: Generator) -> tuple[list[tuple[float, int]], str]:
    return batches(generator, whole(generator, 20, 30)), some_text(generator, ENGLISH, 22)


def hangul(generator: Generator) -> tuple[list[tuple[float, int]], str]:
    return batches(generator, whole(generator, 30, 40)), some_text(generator, KOREAN, 15)


def uneven(generator: Generator) -> tuple[list[tuple[float, int]], str]:
    counts = whole(generator, 30, 40), whole(generator, 25, 29), whole(generator, 5, 9)
    return batches(generator, *counts), some_text(generator, (*ENGLISH, *KOREAN), 40)


def nats(parts: list[tuple[float, int]]) -> float:
    return math.fsum(mean * count for mean, count in parts)


def bits_like(
    total: Callable[[list[tuple[float, int]]], float] = nats,
    unit: float = math.log(2),
    below: Callable[[list[tuple[float, int]], str], float] = lambda parts, text: len(text.encode()),
) -> Callable[[list[tuple[float, int]], str], float]:
    return lambda parts, text: total(parts) / unit / below(parts, text)


def tokens_of(parts: list[tuple[float, int]], text: str = "") -> int:
    return sum(count for _, count in parts)


def mean_of_means(parts: list[tuple[float, int]]) -> float:
    return tokens_of(parts) * sum(mean for mean, _ in parts) / len(parts)


MODEL = Part(
    "model_bits",
    bits_like(),
    ("bits per byte",),
    (
        Case(
            "one batch of English",
            one_batch,
            "Nats of all tokens, turned into bits, shared among the bytes.",
            "Take a model that gives each of 2 tokens the chance 1/4: 4 bits in all, whatever the text.",
        ),
        Case(
            "one batch of Korean",
            hangul,
            "A syllable of Hangul is 3 bytes in UTF-8. Bytes make scripts comparable.",
            'Print `len("가")` and `len("가".encode("utf-8"))`.',
        ),
        Case(
            "batches of different size",
            uneven,
            "Each token counts once. A batch of 5 tokens says less about the text than one of 40.",
            "Cut the same text into batches in two ways: the result must not change.",
        ),
    ),
    (
        Misconception(
            "mean-of-means",
            "The batches' means are averaged",
            bits_like(mean_of_means),
            "Then a token of the last, short batch counts several times as much as the others.",
            "Multiply each mean by its number of tokens, and add these up.",
        ),
        Misconception(
            "means-as-sums",
            "The number of tokens is left out",
            bits_like(lambda parts: sum(mean for mean, _ in parts)),
            "A mean says nothing about how many tokens the text has.",
            "Double the number of tokens of a batch: should the result stay?",
        ),
        Misconception(
            "nats-not-bits",
            "This is in nats",
            bits_like(unit=1.0),
            "A nat is 1 / ln 2 ≈ 1.44 bits.",
            "How many bits does a chance of 1/2 cost? And how many nats?",
        ),
        Misconception(
            "times-ln2",
            "Nats are multiplied by ln 2",
            bits_like(unit=1 / math.log(2)),
            "A nat is *more* than a bit, so there are more bits than nats.",
            "Turn ln 2 nats into bits: it should be 1.",
        ),
        Misconception(
            "per-token",
            "These are bits per token",
            bits_like(below=tokens_of),
            "A tokenizer with long tokens has fewer and harder ones. Per token, models cannot be compared.",
            "Which of your arguments is never used?",
        ),
        Misconception(
            "per-character",
            "These are bits per character",
            bits_like(below=lambda parts, text: len(text)),
            "In ASCII it is the same. A syllable of Hangul is 3 bytes, and gzip counts bytes.",
            'Print `len("가")` and `len("가".encode("utf-8"))`.',
        ),
        Misconception(
            "per-word",
            "These are bits per word",
            bits_like(below=lambda parts, text: len(text.split())),
            "What a word is depends on the language. Bytes are the same for all.",
            "How many words has 밥을 먹는다, and how many has *I eat rice*?",
        ),
    ),
)

PACKERS = (lambda data: gzip.compress(data, 9, mtime=0), lzma.compress)


def to_pack(words: tuple[str, ...], factor: int) -> Callable[[Generator], tuple[str, Callable]]:
    def make(generator: Generator) -> tuple[str, Callable]:
        text = some_text(generator, words, whole(generator, 30, 60)) * factor
        return text, PACKERS[whole(generator, 0, 1)]

    return make


def packed_like(
    share: Callable[[int, int, str], float] = lambda small, large, text: 8 * small / large,
) -> Callable[[str, Callable[[bytes], bytes]], float]:
    def packed(text: str, compress: Callable[[bytes], bytes]) -> float:
        data = text.encode()
        return share(len(compress(data)), len(data), text)

    return packed


GZIP = Part(
    "packed_bits",
    packed_like(),
    ("bits per byte",),
    (
        Case(
            "English, packed",
            to_pack(ENGLISH, 3),
            "What it became, in bits, shared among the bytes there were.",
            "A text that does not shrink at all takes 8 bits per byte.",
        ),
        Case(
            "Korean, packed",
            to_pack(KOREAN, 3),
            "A compressor takes and gives bytes; both lengths are bytes.",
            'Print `len("가".encode("utf-8"))`.',
        ),
    ),
    (
        Misconception(
            "bytes-not-bits",
            "This is bytes per byte",
            packed_like(lambda small, large, text: small / large),
            "A byte is 8 bits.",
            "A text that does not shrink at all takes 8 bits per byte. What do you give?",
        ),
        Misconception(
            "packed-per-character",
            "These are bits per character",
            packed_like(lambda small, large, text: 8 * small / len(text)),
            "The length of a string counts characters.",
            'Print `len("가")` and `len("가".encode("utf-8"))`.',
        ),
        Misconception(
            "upside-down",
            "The fraction stands upside down",
            packed_like(lambda small, large, text: 8 * large / small),
            "Less should be better: a text that packs well takes few bits per byte.",
            "Pack a text of a thousand equal letters.",
        ),
        Misconception(
            "saved-share",
            "This is what was saved",
            packed_like(lambda small, large, text: 8 * (1 - small / large)),
            "Asked for is what it takes now.",
            "Pack a text of a thousand equal letters: the result should be small.",
        ),
    ),
)

BITS = Task(
    (MODEL, GZIP),
    (
        "Write down three units: what the loss is in, what is asked for above the line, and what below it.",
        "Sum of nats = mean × number of tokens, added up over the batches. One bit is ln 2 nats. Bytes: "
        '`text.encode("utf-8")`.',
        "`sum(mean * n for mean, n in batches) / math.log(2) / len(text.encode())`. For the compressor: 8 × "
        "the length of what `compress` gives, over the length of what it got.",
    ),
    ("course_lib.metrics.bits_per_byte", "course_lib.metrics.bits_per_character"),
)
