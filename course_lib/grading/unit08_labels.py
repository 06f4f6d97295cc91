"""Unit 08: how likely a model finds each label: the right positions, all tokens, the leading space."""

from __future__ import annotations

import re
from collections.abc import Callable
from zlib import crc32

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- one label ----


def scored_text(generator: Generator, n_label: int) -> tuple[Tensor, Tensor, int]:
    """logits (T, V), ids (T,), start: the label is the last n_label tokens."""
    V, start = whole(generator, 20, 24), whole(generator, 4, 6)
    T = start + n_label
    return 2 * normal(generator, T, V), torch.randperm(V, generator=generator)[:T], start


def unlikely(generator: Generator) -> tuple[Tensor, Tensor, int]:
    """A label of two tokens whose probabilities vanish in float32."""
    logits, ids, start = scored_text(generator, 2)
    logits[start - 1, ids[start]] = -200
    logits[start, ids[start + 1]] = -150
    return logits, ids, start


def label_like(
    at: Callable[[int, int], int] = lambda t, start: t - 1,
    which: Callable[[int, int], range] = lambda start, length: range(start, length),
    scores: Callable[[Tensor], Tensor] = lambda logits: logits.log_softmax(-1),
    pooled: Callable[[Tensor], Tensor] = torch.sum,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """The right way, or one with a part exchanged. `at`: the position whose logits speak of token t."""

    def label_log_p(logits: Tensor, ids: Tensor, start: int) -> Tensor:
        log_p = scores(logits)
        each = [log_p[at(t, start), ids[t]] for t in which(start, len(ids))]
        return pooled(torch.stack(each)) if each else log_p.new_zeros(())

    return label_log_p


LABEL = Part(
    "label_log_p",
    label_like(),
    ("log p, a tensor without axes ()",),
    (
        Case(
            "a label of one token",
            lambda generator: scored_text(generator, 1),
            "The logits at position t speak of token t + 1. So a token is read one position before it.",
            "For a prompt of 5 tokens, which row of the logits speaks of the label's first token?",
        ),
        Case(
            "a label of several tokens",
            lambda generator: scored_text(generator, 3),
            "p(label) is a product, token by token, each given all before it. Its logarithm is a sum.",
            "Print the log-probability of each of the label's tokens.",
            worth=2,
        ),
        Case(
            "an unlikely label is not impossible",
            unlikely,
            "exp(-200) is 0 in float32, and the logarithm of 0 is minus infinity. log_softmax never forms "
            "the small number.",
            "Try `torch.tensor([0.0, -200.0]).softmax(0).log()`.",
        ),
    ),
    (
        Misconception(
            "read-at-its-own-position",
            "Each token is read at its own position",
            label_like(at=lambda t, start: t),
            "At position t the model has read token t already and speaks of the next one. Shift by one.",
            "For a prompt of 5 tokens, which row of the logits speaks of the label's first token?",
        ),
        Misconception(
            "first-token-only",
            "Only the label's first token is scored",
            label_like(which=lambda start, length: range(start, start + 1)),
            "Labels that begin alike could not be told apart, and a long word would be as likely as its "
            "first syllable.",
            "Change the last id of the label: does the result change?",
        ),
        Misconception(
            "last-token-only",
            "Only the label's last token is scored",
            label_like(which=lambda start, length: range(length - 1, length)),
            "Given its beginning, the end of a word is easy. The beginning is the decision.",
            "Change the first id of the label: does the result change?",
        ),
        Misconception(
            "mean-of-tokens",
            "The tokens are averaged",
            label_like(pooled=torch.mean),
            "That is a fair remedy when labels differ much in length, but no log-probability any more: the "
            "task asks for the sum.",
            "What is the log of 0.5 · 0.5?",
        ),
        Misconception(
            "prompt-scored-too",
            "The prompt's tokens are scored, too",
            label_like(which=lambda start, length: range(1, length)),
            "Wanted is p(label | prompt). The prompt is given.",
            "How many numbers do you add up for a label of one token?",
        ),
        Misconception(
            "one-position-for-all",
            "All tokens are read at the prompt's last position",
            label_like(at=lambda t, start: start - 1),
            "There the model speaks of the first label token only. The second one is read after the first.",
            "Print the positions you read for a label of three tokens.",
        ),
        Misconception(
            "logits-added",
            "Logits are added, not log-probabilities",
            label_like(scores=lambda logits: logits),
            "A logit means something only beside the others of its row. log_softmax compares it with them.",
            "Add 10 to all logits: no probability changes. Does your result?",
        ),
        Misconception(
            "probabilities-added",
            "Probabilities are added",
            label_like(scores=lambda logits: logits.softmax(-1)),
            "Tokens that follow each other multiply their probabilities. Only logarithms may be added.",
            "What is the probability of heads twice in a row?",
        ),
        Misconception(
            "softmax-over-positions",
            "The softmax runs over the positions",
            label_like(scores=lambda logits: logits.log_softmax(0)),
            "The candidates are the tokens of the vocabulary, the last axis.",
            "Print the sums of the probabilities along each axis.",
        ),
        Misconception(
            "minus-infinity",
            "An unlikely label becomes impossible",
            label_like(scores=lambda logits: logits.softmax(-1).log()),
            "The softmax rounds to 0 before the logarithm sees it.",
            "Try `torch.tensor([0.0, -200.0]).softmax(0).log()`.",
        ),
    ),
)

# ---- all labels, from texts ----

V = 501  # no two pieces of the texts below get the same id
FIRST = ("the plot was", "a film so", "music and light", "이 영화는", "an evening of")


def encode(text: str) -> list[int]:
    """A small tokenizer: a word takes the space before it along; after four characters a new token begins."""
    pieces = [
        word[i : i + 4] for word in re.findall(r" ?\w+|\n|[^\w\n]", text) for i in range(0, len(word), 4)
    ]
    return [crc32(piece.encode()) % V for piece in pieces]


def tiny_model(generator: Generator) -> Callable[[list[int]], Tensor]:
    """Logits (T, V) that hang on all tokens up to t, and on nothing later."""
    table = normal(generator, V, V)

    def read(ids: list[int]) -> Tensor:
        return table[torch.as_tensor(ids)].cumsum(0) / 2

    return read


def review(generator: Generator) -> tuple:
    """read, encode, prompt, labels: words of one to three tokens, two of them alike at first."""
    prompt = f"Review: {FIRST[whole(generator, 0, len(FIRST) - 1)]} long\nSentiment:"
    labels = ["great", "greasy", "terrible", "bad", "positive"]
    order = torch.randperm(len(labels), generator=generator).tolist()
    return tiny_model(generator), encode, prompt, [labels[i] for i in order]


def alike_at_first(generator: Generator) -> tuple:
    read, encode_, prompt, _ = review(generator)
    return read, encode_, prompt, ["great", "greasy", "greats"]


def score_all(
    joined: Callable[[Callable, str, str], tuple[list[int], int]] = lambda encode, prompt, label: (
        encode(f"{prompt} {label}"),
        len(encode(prompt)),
    ),
    scored: Callable[[Tensor, Tensor, int], Tensor] = LABEL.reference,
    after: Callable[[Tensor], Tensor] = lambda scores: scores,
) -> Callable[..., Tensor]:
    """`joined`: the tokens of prompt and label, and where the label begins."""

    def score(read: Callable, encode: Callable, prompt: str, labels: list[str]) -> Tensor:
        rows = [joined(encode, prompt, label) for label in labels]
        return after(torch.stack([scored(read(ids), torch.tensor(ids), start) for ids, start in rows]))

    return score


def told_apart(got: Tensor, *given: object) -> str | None:
    twins = [
        (i, j) for i in range(len(got)) for j in range(i) if torch.isclose(got[i], got[j], rtol=0, atol=1e-6)
    ]
    return f"{len(twins)} pairs of different labels get the same score" if twins else None


SCORE = Part(
    "score",
    score_all(),
    ("log p of each label (L,)",),
    (
        Case(
            "labels with the same first token are told apart",
            alike_at_first,
            "great and greasy begin alike: ' gre'. All tokens of a label count.",
            'Print `encode(" great")` and `encode(" greasy")`.',
            judge=told_apart,
        ),
        Case(
            "right for labels of one to three tokens",
            review,
            "Encode prompt, space and label as one text; the label begins where the prompt's tokens end.",
            'Print `encode("Sentiment: bad")`, `encode("Sentiment:")` and `encode(" bad")`.',
            worth=2,
        ),
    ),
    (
        Misconception(
            "label-without-its-space",
            "The labels have no space before them",
            score_all(lambda encode, prompt, label: (encode(prompt + label), len(encode(prompt)))),
            "'bad' and ' bad' are different tokens. In running text the one with the space follows; the "
            "other is rare here, so its score says little.",
            'Compare `encode("Sentiment:bad")` with `encode("Sentiment: bad")`.',
        ),
        Misconception(
            "space-as-a-token",
            "The space is a token of its own",
            score_all(
                lambda encode, prompt, label: (
                    encode(f"{prompt} ") + encode(label),
                    len(encode(f"{prompt} ")),
                )
            ),
            "Encoded apart, prompt and label do not join as in running text, where ' bad' is one token.",
            'Compare `encode("Sentiment: ") + encode("bad")` with `encode("Sentiment: bad")`.',
        ),
        Misconception(
            "begins-one-token-late",
            "The label's first token is not scored",
            score_all(
                lambda encode, prompt, label: (
                    encode(f"{prompt} {label}"),
                    len(encode(f"{prompt} ")),
                )
            ),
            "The prompt with a space has one token more; the label takes that space along and begins "
            "earlier. A label of one token gets log p = 0, as if it were certain.",
            'Print `len(encode("Sentiment:"))` and `len(encode("Sentiment: "))`.',
        ),
        Misconception(
            "only-first-tokens",
            "Only the first token of each label is scored",
            score_all(scored=label_like(which=lambda start, length: range(start, start + 1))),
            "Labels that begin alike cannot be told apart.",
            'Compare the scores of "great" and "greasy".',
        ),
        Misconception(
            "own-positions",
            "Each token is read at its own position",
            score_all(scored=label_like(at=lambda t, start: t)),
            "At position t the model has read token t already and speaks of the next one.",
            "Which row of the logits speaks of the label's first token?",
        ),
        Misconception(
            "means-of-tokens",
            "The tokens of a label are averaged",
            score_all(scored=label_like(pooled=torch.mean)),
            "The task asks for log p(label | prompt), a sum. (A mean helps when labels differ in length, "
            "and favours long ones.)",
            "What is the log of 0.5 · 0.5?",
        ),
        Misconception(
            "whole-text-scored",
            "The prompt is scored, too",
            score_all(scored=label_like(which=lambda start, length: range(1, length))),
            "The prompt is given. Its share is the same for all labels and hides their differences.",
            "From which token on do you add up?",
        ),
        Misconception(
            "labels-normalised",
            "The labels are made to sum to one",
            score_all(after=lambda scores: scores.log_softmax(0)),
            "Most of the probability goes to words that are no label; here it is asked how likely each label "
            "is among all words. Comparing the labels is the next task.",
            "Print `score(…).exp().sum()`: must it be 1?",
        ),
    ),
)

LABELS = Task(
    (LABEL, SCORE),
    (
        "Write the tokens in a row and below each the position whose logits speak of it. Where does the "
        "label's first token find its own?",
        "`logits[start - 1 : -1].log_softmax(-1)` holds a row for each label token; pick its id from each "
        "row and add up.",
        'score: for each label `ids = encode(prompt + " " + label)`, `start = len(encode(prompt))`, then '
        "`label_log_p(read(ids), torch.tensor(ids), start)`; stack.",
    ),
    ("course_lib.prompting.score_labels",),
)
