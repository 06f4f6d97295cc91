"""Unit 07: bits per byte and per character, and the measures' task."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit07_perplexity import PERPLEXITY, number

ENGLISH = [
    "the",
    "harbour",
    "sleeps",
    "while",
    "lighthouse",
    "counts",
    "slow",
    "waves",
    "beyond",
    "old",
    "stone",
]
HANGUL = [
    "나는",
    "사과를",
    "먹는다",
    "바다는",
    "조용하고",
    "등대가",
    "파도를",
    "천천히",
    "세고",
    "있다",
    "학교에",
]


def text_of(words: list[str], end: str = "") -> Callable[[Generator], tuple[Tensor, str]]:
    """nats (N,), one number a token, and the text; N is neither its words, characters nor bytes."""

    def make(generator: Generator) -> tuple[Tensor, str]:
        n = whole(generator, 3, 5)
        picked = [words[i] for i in torch.randperm(len(words), generator=generator)[:n].tolist()]
        return 0.5 + 3 * torch.rand(n + 2, generator=generator), " ".join(picked) + end

    return make


def bits_like(
    length: Callable[[Tensor, str], int],
    pooled: Callable[[Tensor], Tensor] = Tensor.sum,
    unit: float = 1 / math.log(2),
) -> Callable[[Tensor, str], float]:
    return lambda nats, text: float(pooled(nats.double())) * unit / length(nats, text)


def count_bytes(nats: Tensor, text: str) -> int:
    return len(text.encode())


def count_characters(nats: Tensor, text: str) -> int:
    return len(text)


def count_tokens(nats: Tensor, text: str) -> int:
    return len(nats)


def bits_cases(english: str, hangul: str) -> tuple[Case, ...]:
    return (
        Case(
            "right for English",
            text_of(ENGLISH),
            "All bits of the text, divided by its length. One nat is 1 / ln 2 = 1.44 bits.",
            english,
        ),
        Case(
            "right for Hangul",
            text_of(HANGUL),
            "A syllable is one character and three bytes in UTF-8.",
            hangul,
            worth=2,
        ),
        Case(
            "right for both in one text, and a sign beyond 16 bits",
            text_of(ENGLISH + HANGUL, " 🍎"),
            "🍎 is one character and four bytes in UTF-8.",
            hangul,
        ),
    )


PER_BYTE = Part(
    "bits_per_byte",
    bits_like(count_bytes),
    ("bits per byte",),
    bits_cases(
        "Four tokens of 1 bit each, text `abcd`: what should come out?",
        "Print `len(text)` and `len(text.encode('utf-8'))` for 사과.",
    ),
    (
        Misconception(
            "characters-for-bytes",
            "Characters are counted, not bytes",
            bits_like(count_characters),
            "`len(text)` counts characters. In English nobody notices.",
            "Print `len('사과')` and `len('사과'.encode('utf-8'))`.",
        ),
        Misconception(
            "per-token-for-per-byte",
            "These are bits per token",
            bits_like(count_tokens),
            "A tokenizer with longer tokens would look worse, with the same model. Bytes are the same for "
            "all.",
            "By what do you divide, and does it depend on the tokenizer?",
        ),
        Misconception(
            "mean-for-sum",
            "The mean is divided by the bytes",
            bits_like(count_bytes, pooled=Tensor.mean),
            "Divided twice: by the tokens and by the bytes. The bits of the whole text belong on top.",
            "Two tokens of 1 nat, or one token of 2 nats: the result should be the same.",
        ),
        Misconception(
            "nats-per-byte",
            "These are nats, not bits",
            bits_like(count_bytes, unit=1),
            "ln 2 nats are one bit.",
            "One token with p = 1/2 on a text of one byte: that is 1 bit.",
        ),
        Misconception(
            "multiplied-by-ln-2",
            "Multiplied by ln 2 instead of divided",
            bits_like(count_bytes, unit=math.log(2)),
            "A text has more bits than nats: a bit is the smaller unit.",
            "One token with p = 1/2 on a text of one byte: that is 1 bit.",
        ),
        Misconception(
            "bytes-of-utf-16",
            "The bytes are those of UTF-16",
            bits_like(lambda nats, text: len(text.encode("utf-16-le"))),
            "Two bytes for a and for 가. The measure is defined on UTF-8.",
            "Print `len('a'.encode(…))` with your encoding.",
        ),
    ),
    call=number,
)

PER_CHARACTER = Part(
    "bits_per_character",
    bits_like(count_characters),
    ("bits per character",),
    bits_cases(
        "Four tokens of 1 bit each, text `abcd`: what should come out?",
        "Compare with bits per byte: for 사과 it should be three times that.",
    ),
    (
        Misconception(
            "bytes-for-characters",
            "Bytes are counted, not characters",
            bits_like(count_bytes),
            "Then it is bits per byte once more. For Hangul the two differ by a factor of three.",
            "Print `len('사과')` and `len('사과'.encode('utf-8'))`.",
        ),
        Misconception(
            "per-token-for-per-character",
            "These are bits per token",
            bits_like(count_tokens),
            "A tokenizer with longer tokens would look worse, with the same model.",
            "By what do you divide, and does it depend on the tokenizer?",
        ),
        Misconception(
            "spaces-left-out",
            "Spaces are not counted",
            bits_like(lambda nats, text: len(text.replace(" ", ""))),
            "The model has to predict them like any other character.",
            "Print the characters you count.",
        ),
        Misconception(
            "nats-per-character",
            "These are nats, not bits",
            bits_like(count_characters, unit=1),
            "ln 2 nats are one bit.",
            "One token with p = 1/2 on a text of one character: that is 1 bit.",
        ),
        Misconception(
            "per-word",
            "Words are counted, not characters",
            bits_like(lambda nats, text: len(text.split())),
            "Bits per word depend on where a language puts spaces.",
            "Print the number you divide by.",
        ),
    ),
    call=number,
)

MEASURES = Task(
    (PERPLEXITY, PER_BYTE, PER_CHARACTER),
    (
        "For each measure ask two things: what is added up, and by how many of what is it divided?",
        "Perplexity: keep a running sum of nats and a running count of tokens over all batches; divide and "
        "take exp once. Bits: `nats.sum()` divided by ln 2 and by a length of the text.",
        "`log_p = logits[:, :-1].log_softmax(-1)`, targets `ids[:, 1:]`, real where they are not pad_id. "
        "Bytes are `len(text.encode('utf-8'))`, characters `len(text)`.",
    ),
    (
        "torch.nn.functional.cross_entropy",
        "torch.nn.CrossEntropyLoss.forward",
        "course_lib.metrics.perplexity",
        "course_lib.metrics.bits_per_byte",
        "course_lib.metrics.bits_per_character",
    ),
)
