"""Unit 07: zero-shot by asking: the log-probability of a last word."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part

# ---- a small tokenizer and a small language model ----

WORDS = {  # one token or several, the space in front belongs to the first
    "en": ["lighthouse", "sunrise", "river", "boat", "moonlight", "sea", "storm", "seahorse", "sun", "moon"],
    "ko": [
        "등대에서",
        "바다를",
        "사과나무",
        "학교에서",
        "바다",
        "등대",
        "사과",
        "바다에서",
        "학교를",
        "나무",
    ],
}
SPACED = (
    " sun| moon| sea| river| boat| light| st| the| old| we| saw| 등대| 바다| 사과| 학교| 나무| 우리는| 큰"
)
UNSPACED = "sun|moon|light|house|rise|horse|sea|orm|에서|를|나무|등대|바다"
CONTEXTS = {
    "en": ["we saw the", "the old boat saw the", "we saw the old", "the sea saw the old"],
    "ko": ["우리는 큰", "우리는 바다에서 큰", "우리는 학교를 큰", "큰 등대 큰"],
}
RESTS = {
    "en": [" saw the boat.", " we saw.", " the old sea saw we.", "."],
    "ko": [" 우리는 큰 나무.", " 바다에서.", " 큰 사과를 우리는.", "."],
}
TEXTS = [*CONTEXTS["en"], *CONTEXTS["ko"], *RESTS["en"], *RESTS["ko"], *WORDS["en"], *WORDS["ko"]]
PIECES = ["?", *SPACED.split("|"), *UNSPACED.split("|")]
PIECES += sorted(set(" ".join(TEXTS)))
IDS = {piece: i for i, piece in enumerate(PIECES)}
LONGEST = max(map(len, PIECES))


def encode(text: str) -> list[int]:
    """Cut before each space, then the longest known piece first; 0 for a character without a piece."""
    ids = []
    for chunk in re.findall(r" ?[^ ]+| ", text):
        while chunk:
            size = next(n for n in range(min(LONGEST, len(chunk)), 0, -1) if chunk[:n] in IDS or n == 1)
            ids.append(IDS.get(chunk[:size], 0))
            chunk = chunk[size:]
    return ids


def small_model(generator: Generator) -> Callable[[list[int]], Tensor]:
    """logits_of(ids) -> (T, V): row t is about the token that follows ids[: t + 1]."""
    D = 12
    table, out = normal(generator, len(PIECES), D), 0.7 * normal(generator, D, len(PIECES))

    @cache
    def read(ids: tuple[int, ...]) -> Tensor:
        place = torch.arange(len(ids))
        memory = (0.7 ** (place[:, None] - place)).tril()  # what was read longer ago counts less
        return torch.tanh(memory @ table[list(ids)]) @ out

    return lambda ids: read(tuple(map(int, ids))).clone()


Model = Callable[[list[int]], Tensor]
Encode = Callable[[str], list[int]]


def pick(generator: Generator, items: list[str]) -> str:
    return items[whole(generator, 0, len(items) - 1)]


def asked(language: str, several: bool) -> Callable[[Generator], tuple]:
    """logits_of, encode, a context and a word of one token or of several"""

    def make(generator: Generator) -> tuple[Model, Encode, str, str]:
        words = [word for word in WORDS[language] if (len(encode(" " + word)) > 1) == several]
        return small_model(generator), encode, pick(generator, CONTEXTS[language]), pick(generator, words)

    return make


# ---- the last word ----


def word_like(
    label: Callable[[str], str] = lambda word: " " + word,
    context: Callable[[str], str] = lambda context: context,
    shift: int = 1,
    scores: Callable[[Tensor], Tensor] = lambda logits: logits.log_softmax(-1),
    part: Callable[[Tensor, int], Tensor] = lambda each, n: each[-n:],
    pooled: Callable[[Tensor], Tensor] = Tensor.sum,
) -> Callable[[Model, Encode, str, str], Tensor]:
    """`part` chooses from the scores of all tokens but the first; the last n are the word's."""

    def log_p(logits_of: Model, encode: Encode, before: str, word: str) -> Tensor:
        tokens = encode(label(word))
        ids = encode(context(before)) + tokens
        rows = scores(logits_of(ids))
        each = torch.stack([rows[t - shift, ids[t]] for t in range(1, len(ids))])
        return pooled(part(each, len(tokens)))

    return log_p


def word_reference(logits_of: Model, encode: Encode, context: str, word: str) -> Tensor:
    ids, total = encode(context), torch.zeros(())
    for token in encode(" " + word):
        total = total + logits_of(ids)[-1].log_softmax(-1)[token]
        ids = [*ids, token]
    return total


def right_word(got: Tensor, *given: object) -> str | None:
    if torch.isclose(got, word_reference(*given), rtol=1e-4, atol=1e-4):
        return None
    return f"returned {float(got):.2f} for `{given[3]}` after `{given[2]}`"


WORD = Part(
    "word_log_p",
    word_reference,
    ("log-probability, a tensor without axes ()",),
    (
        Case(
            "right for a word of one token",
            asked("en", several=False),
            "The last row of the context's logits is about the next token: the word, with its space.",
            "Print `encode(' river')` and `encode('river')`.",
            judge=right_word,
        ),
        Case(
            "right for a word of several tokens",
            asked("en", several=True),
            "p(a b | context) = p(a | context) · p(b | context a): logarithms add up.",
            "Print the row and the token of each step for ` lighthouse`.",
            judge=right_word,
            worth=2,
        ),
        Case(
            "right for Korean words",
            asked("ko", several=True),
            "A stem and its particle are two tokens, 등대 and 에서; both have to be predicted.",
            "Print `encode(' 등대에서')`.",
            judge=right_word,
        ),
    ),
    (
        Misconception(
            "no-leading-space",
            "The word is scored without its space",
            word_like(label=lambda word: word),
            "In running text the space belongs to the word's first token. `sun` without it continues a word, "
            "and the model has other ideas of that.",
            "Print `encode(' sun')` and `encode('sun')`.",
        ),
        Misconception(
            "space-left-at-the-context",
            "The space stands at the end of the context",
            word_like(label=lambda word: word, context=lambda context: context + " "),
            "A lone space is a token that hardly ever stands before a word in training. The space belongs to "
            "the word's first token.",
            "Print the last id of your context.",
        ),
        Misconception(
            "own-position",
            "Each token is looked up at its own position",
            word_like(shift=0),
            "The row at position t is about the token at t + 1: this asks a model that has already read the "
            "answer.",
            "Write ids and the rows you use below each other.",
        ),
        Misconception(
            "one-too-early",
            "Each token is looked up one position too early",
            word_like(shift=2),
            "The row right before a token is about it, not the one before that.",
            "Write ids and the rows you use below each other.",
        ),
        Misconception(
            "context-scored",
            "The context's tokens are in the sum",
            word_like(part=lambda each, n: each),
            "The context is given. What it costs says nothing about the word.",
            "How many numbers do you add up, and how many tokens has the word?",
        ),
        Misconception(
            "mean-of-the-word",
            "The sum is divided by the number of tokens",
            word_like(pooled=Tensor.mean),
            "The probability of a word is a product over its tokens, and its logarithm a sum. (The mean has "
            "its uses; it is no probability of the word.)",
            "Compare a word of one token with a word of two.",
        ),
        Misconception(
            "first-token-only",
            "Only the word's first token is scored",
            word_like(part=lambda each, n: each[-n]),
            "A model that expects ` lightning` gives ` light` a high probability, too.",
            "How many numbers do you add up for ` lighthouse`?",
        ),
        Misconception(
            "last-token-only",
            "Only the word's last token is scored",
            word_like(part=lambda each, n: each[-1]),
            "After ` light` the rest is easy. The first token is the real question.",
            "How many numbers do you add up for ` lighthouse`?",
        ),
        Misconception(
            "logits-added",
            "Logits are added",
            word_like(scores=lambda logits: logits),
            "Logits of different positions have no common zero. Take log_softmax of each row first.",
            "Is the result below 0? A log-probability always is.",
        ),
        Misconception(
            "probabilities-added",
            "Probabilities are added",
            word_like(scores=lambda logits: logits.softmax(-1)),
            "Probabilities of one after the other multiply; their logarithms add up.",
            "Is the result below 0? A log-probability always is.",
        ),
        Misconception(
            "word-minus-sign",
            "The sign is lost",
            word_like(pooled=lambda each: -each.sum()),
            "This is the loss of the word. A log-probability is at most 0.",
            "Which of two words is likelier when your numbers are 3 and 5?",
        ),
    ),
)
