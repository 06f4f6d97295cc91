"""Unit 07: zero-shot by comparing: which candidate fits the gap; and the words' task."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit07_perplexity import number
from course_lib.grading.unit07_words import (
    CONTEXTS,
    RESTS,
    WORD,
    WORDS,
    Encode,
    Model,
    encode,
    pick,
    small_model,
)

Story = tuple[str, list[str], str]  # before, candidates, after


def story(generator: Generator, language: str) -> Story:
    words = WORDS[language]
    order = torch.randperm(len(words), generator=generator)[:4].tolist()
    return pick(generator, CONTEXTS[language]), [words[i] for i in order], pick(generator, RESTS[language])


def cloze_like(
    scored: Callable[[int, int, int], slice] = lambda context, word, rest: slice(context - 1, None),
    pooled: Callable[[Tensor], Tensor] = Tensor.sum,
    label: Callable[[str], str] = lambda word: " " + word,
    best: Callable[[Tensor], Tensor] = Tensor.argmax,
) -> Callable[..., int]:
    """`scored` gets the numbers of tokens of context, candidate and rest; the first token has no score."""

    def cloze(logits_of: Model, encode: Encode, before: str, candidates: list[str], after: str) -> int:
        totals = []
        for candidate in candidates:
            pieces = [encode(before), encode(label(candidate)), encode(after)]
            ids = [token for piece in pieces for token in piece]
            log_p = logits_of(ids).log_softmax(-1)
            each = log_p[range(len(ids) - 1), ids[1:]]  # of each token but the first
            totals.append(pooled(each[scored(*map(len, pieces))]))
        return int(best(torch.stack(totals)))

    return cloze


def rest_ignored(context: int, word: int, rest: int) -> slice:
    return slice(context - 1, context - 1 + word)


def rest_only(context: int, word: int, rest: int) -> slice:
    return slice(context - 1 + word, None)


WRONG_CHOICES = {
    "rest-ignored": cloze_like(rest_ignored),
    "rest-only": cloze_like(rest_only),
    "mean-of-tokens": cloze_like(pooled=Tensor.mean),
    "least-likely": cloze_like(best=Tensor.argmin),
    "candidates-without-space": cloze_like(label=lambda word: word),
}


def choices(answer: Callable, logits_of: Model, encode: Encode, stories: list[Story]) -> list[int]:
    return [number(answer, logits_of, encode, *one) for one in stories]


def stories(language: str) -> Callable[[Generator], tuple[Model, Encode, list[Story]]]:
    """A model, and eight stories in which each wrong way of choosing goes wrong in its own way."""

    def make(generator: Generator) -> tuple[Model, Encode, list[Story]]:
        while True:
            model = small_model(generator)
            told = [story(generator, language) for _ in range(8)]
            made = [choices(way, model, encode, told) for way in (cloze_like(), *WRONG_CHOICES.values())]
            if len(set(map(tuple, made))) == len(made):
                return model, encode, told

    return make


def right_choices(got: list[int], logits_of: Model, encode: Encode, told: list[Story]) -> str | None:
    want = choices(cloze_like(), logits_of, encode, told)
    wrong = [i for i in range(len(want)) if got[i] != want[i]]
    return f"another candidate is likelier in {len(wrong)} of {len(want)} stories" if wrong else None


def story_case(name: str, language: str, worth: int) -> Case:
    return Case(
        name,
        stories(language),
        "A candidate has to fit what came before, and what comes after has to fit the candidate.",
        "Take one story and print, for each candidate, the log-probability of the candidate and of the rest.",
        judge=right_choices,
        call=choices,
        names=("the number of the chosen candidate",),
        worth=worth,
    )


CLOZE = Part(
    "cloze",
    cloze_like(),
    ("the number of the candidate",),
    (story_case("right in eight stories", "en", 2), story_case("right in eight Korean stories", "ko", 1)),
    (
        Misconception(
            "rest-ignored",
            "What follows the gap is ignored",
            WRONG_CHOICES["rest-ignored"],
            "A left-to-right model uses what comes after the gap in one way only: it reads on, and is "
            "surprised when the candidate does not fit.",
            "Change `after`: can your choice change?",
        ),
        Misconception(
            "rest-only",
            "Only what follows the gap is scored",
            WRONG_CHOICES["rest-only"],
            "The candidate's own log-probability belongs in the sum.",
            "Let `after` be a full stop: the candidates should still differ.",
        ),
        Misconception(
            "mean-of-tokens",
            "The sum is divided by the number of tokens",
            WRONG_CHOICES["mean-of-tokens"],
            "The probability of a text is a product over its tokens. The mean favours long words, whose last "
            "tokens are easy.",
            "Compare the numbers of tokens of the candidates.",
        ),
        Misconception(
            "least-likely",
            "The least likely candidate is chosen",
            WRONG_CHOICES["least-likely"],
            "Of log-probabilities the largest wins, of losses the smallest.",
            "Print the scores and the choice.",
        ),
        Misconception(
            "candidates-without-space",
            "The candidates are scored without their space",
            WRONG_CHOICES["candidates-without-space"],
            "Glued to the word before, a candidate is the end of another word.",
            "Print the text you score.",
        ),
    ),
)

WORDS_TASK = Task(
    (WORD, CLOZE),
    (
        "Write out the ids of context and word, and below each the row of the logits that is about it.",
        "`ids = encode(context) + encode(' ' + word)`. Row t of `logits_of(ids)` is about ids[t + 1]; of all "
        "rows you need as many as the word has tokens.",
        "`log_p = logits_of(ids).log_softmax(-1)`; add `log_p[t - 1, ids[t]]` for t from "
        "`len(encode(context))` to the end. For cloze the same, with `after` appended to the candidate.",
    ),
    ("course_lib.prompting.score_labels", "torch.nn.functional.cross_entropy"),
)
