"""Unit 06: GPT-1's fine-tuning: four kinds of question written as text, and what is read from the end."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

Texts = list[list[int]]

# ---- sequences ----


def question(kind: str) -> Callable[[Generator], tuple[str, Texts, int, int, int]]:
    def make(generator: Generator) -> tuple[str, Texts, int, int, int]:
        count = {"classification": 1, "choice": whole(generator, 4, 5)}.get(kind, 2)
        lengths = sizes(generator, count, 2, 6)
        texts = [torch.randint(10, 99, (n,), generator=generator).tolist() for n in lengths]
        start, delimiter, extract = (n + 1 for n in sizes(generator, 3, 0, 6))
        return kind, texts, start, delimiter, extract

    return make


def sequences_like(
    joined: Callable[..., list[int]] = lambda texts, s, d, e: [s, *_between(texts, d), e],
    orders: Callable[[Texts], list[Texts]] = lambda texts: [texts, texts[::-1]],
    choices: Callable[[Texts], list[Texts]] = lambda texts: [[texts[0], one] for one in texts[1:]],
    pair: Callable[[Texts], Texts] = lambda texts: texts,
) -> Callable[..., Texts]:
    def sequences(task: str, texts: Texts, start: int, delimiter: int, extract: int) -> Texts:
        inputs = {"similarity": orders, "choice": choices}.get(task, lambda texts: [pair(texts)])(texts)
        return [joined(one, start, delimiter, extract) for one in inputs]

    return sequences


def _between(texts: Texts, delimiter: int) -> list[int]:
    """The texts with a delimiter between each two."""
    out = list(texts[0])
    for text in texts[1:]:
        out += [delimiter, *text]
    return out


SEQUENCES = Part(
    "sequences",
    sequences_like(),
    ("a list of sequences, each a list of ids",),
    (
        Case(
            "classification: one text",
            question("classification"),
            "start, text, extract: one sequence.",
            "A list *of sequences* is wanted, also when there is only one.",
            telling=False,
        ),
        Case(
            "entailment: premise, delimiter, hypothesis",
            question("entailment"),
            "Which text is which, the model knows by their order and the delimiter between them.",
            "Write it for premise [11, 12] and hypothesis [13].",
        ),
        Case(
            "similarity: both orders",
            question("similarity"),
            "Neither text comes first by nature, so both orders are read.",
            "Print both sequences below each other.",
        ),
        Case(
            "multiple choice: a sequence for each answer",
            question("choice"),
            "Each answer is read after the same context.",
            "How many answers are there, and how many sequences?",
        ),
    ),
    (
        Misconception(
            "no-delimiter",
            "The delimiter is missing",
            sequences_like(lambda texts, s, d, e: [s, *(id for text in texts for id in text), e]),
            "Two texts run into one: nobody can tell where the second begins.",
            "Count the delimiters in each sequence of two texts.",
        ),
        Misconception(
            "delimiter-at-the-end",
            "A delimiter stands after each text",
            sequences_like(lambda texts, s, d, e: [s, *(id for text in texts for id in (*text, d)), e]),
            "That is BERT's way with [SEP]. Here it stands only *between* two texts.",
            "Count the delimiters in each sequence.",
        ),
        Misconception(
            "start-between",
            "The start token stands between the texts",
            sequences_like(lambda texts, s, d, e: [s, *_between(texts, s), e]),
            "The delimiter has a job of its own.",
            "Which of your arguments is never used?",
        ),
        Misconception(
            "no-start",
            "The start token is missing",
            sequences_like(lambda texts, s, d, e: [*_between(texts, d), e]),
            "Every sequence begins with it.",
            "Print the first id of each sequence.",
        ),
        Misconception(
            "no-extract",
            "The extract token is missing",
            sequences_like(lambda texts, s, d, e: [s, *_between(texts, d)]),
            "The answer is read from its vector. It is the only one that has seen everything.",
            "Print the last id of each sequence.",
        ),
        Misconception(
            "extract-in-front",
            "The extract token stands in front",
            sequences_like(lambda texts, s, d, e: [e, s, *_between(texts, d)]),
            "BERT's [CLS] may: it sees everything. Under a causal mask the first token sees only itself.",
            "What has the first token seen?",
        ),
        Misconception(
            "one-order-only",
            "Similarity is read in one order only",
            sequences_like(orders=lambda texts: [texts]),
            "The second text has seen the first, but not the other way round. So both orders are read.",
            "How many sequences do you return for two texts?",
        ),
        Misconception(
            "same-order-twice",
            "Similarity is read twice in the same order",
            sequences_like(orders=lambda texts: [texts, texts]),
            "The second time, the texts change places.",
            "Print both sequences below each other.",
        ),
        Misconception(
            "both-orders-in-one",
            "Both orders stand in one sequence",
            sequences_like(orders=lambda texts: [[*texts, *texts[::-1]]]),
            "They are two sequences; only their vectors are joined.",
            "How many sequences do you return for two texts?",
        ),
        Misconception(
            "answers-in-one",
            "All answers stand in one sequence",
            sequences_like(choices=lambda texts: [texts]),
            "Each answer is scored by itself; a later one must not see the earlier ones.",
            "How many answers are there, and how many sequences?",
        ),
        Misconception(
            "answers-without-context",
            "The context is missing before the answers",
            sequences_like(choices=lambda texts: [[one] for one in texts[1:]]),
            "An answer is good or bad only for its question.",
            "Print the first three ids of each sequence.",
        ),
        Misconception(
            "context-as-answer",
            "The context is taken as an answer, too",
            sequences_like(choices=lambda texts: [[texts[0], one] for one in texts]),
            "texts[0] is the context; the answers are the rest.",
            "How many answers are there, and how many sequences?",
        ),
        Misconception(
            "hypothesis-first",
            "The hypothesis comes first",
            sequences_like(pair=lambda texts: texts[::-1]),
            "Entailment has a direction: does the first text say the second?",
            "Print the sequence for premise [11, 12] and hypothesis [13].",
        ),
    ),
)

# ---- deciding ----


def read(kind: str) -> Callable[[Generator], tuple[str, Tensor, Tensor, Tensor]]:
    """task, hidden (N, T, D), lengths (N,), weight (C, D); padding is loud."""

    def make(generator: Generator) -> tuple[str, Tensor, Tensor, Tensor]:
        C, N, D = sizes(generator, 3, 3, 8)
        N = {"similarity": 2, "choice": N}.get(kind, 1)
        lengths = torch.tensor(sizes(generator, N, 4, 11))
        T = int(lengths.max()) + 2
        hidden = normal(generator, N, T, D)
        hidden[torch.arange(T) >= lengths[:, None]] *= 2
        weight = normal(generator, 1 if kind == "choice" else C, D) / D**0.5
        return kind, hidden, lengths, weight

    return make


def at_the_end(hidden: Tensor, lengths: Tensor) -> Tensor:
    return hidden[torch.arange(len(hidden)), lengths - 1]


def added(vectors: Tensor, weight: Tensor) -> Tensor:
    return (weight @ vectors.sum(0)).softmax(-1)


def among_the_choices(vectors: Tensor, weight: Tensor) -> Tensor:
    return (vectors @ weight[0]).softmax(-1)


def decide_like(
    place: Callable[[Tensor, Tensor], Tensor] = at_the_end,
    classes: Callable[[Tensor, Tensor], Tensor] = added,
    choices: Callable[[Tensor, Tensor], Tensor] = among_the_choices,
) -> Callable[[str, Tensor, Tensor, Tensor], Tensor]:
    def decide(task: str, hidden: Tensor, lengths: Tensor, weight: Tensor) -> Tensor:
        vectors = place(hidden, lengths)
        return (choices if task == "choice" else classes)(vectors, weight)

    return decide


def mean_of_words(hidden: Tensor, lengths: Tensor) -> Tensor:
    real = torch.arange(hidden.shape[1]) < lengths[:, None]
    return (hidden * real[..., None]).sum(1) / lengths[:, None]


DECIDE = Part(
    "decide",
    decide_like(),
    ("probabilities, one axis",),
    (
        Case(
            "one sequence",
            read("classification"),
            "The vector of the extract token, one linear map, a softmax over the classes.",
            "Print lengths and T: where does the extract token stand, where does padding begin?",
        ),
        Case(
            "two orders of one pair",
            read("similarity"),
            "The two vectors are added before the linear map.",
            "Exchange the two rows: the result must not change.",
        ),
        Case(
            "one of several answers",
            read("choice"),
            "Each sequence has one score. The answers share the probability.",
            "Print the scores, one a sequence, then their softmax.",
        ),
    ),
    (
        Misconception(
            "vector-of-the-first",
            "The first token's vector is read",
            decide_like(lambda hidden, lengths: hidden[:, 0]),
            "BERT does so. Under a causal mask the first token has seen nothing but itself.",
            "Which token has seen the whole sequence?",
        ),
        Misconception(
            "vector-of-padding",
            "The last column is read, which may be padding",
            decide_like(lambda hidden, lengths: hidden[:, -1]),
            "Sequences end at different places. The extract token stands at length − 1.",
            "Print lengths and T.",
        ),
        Misconception(
            "one-past-the-end",
            "The token after the last is read",
            decide_like(lambda hidden, lengths: hidden[torch.arange(len(hidden)), lengths % hidden.shape[1]]),
            "A sequence of n tokens ends at index n − 1.",
            "Where does a sequence of one token end?",
        ),
        Misconception(
            "mean-of-vectors",
            "The mean of all tokens is read",
            decide_like(mean_of_words),
            "Early tokens have seen little. GPT-1 reads the last one, which has seen everything.",
            "Change the vector of the first token: should the result move?",
        ),
        Misconception(
            "first-order-only",
            "Only the first order counts",
            decide_like(classes=lambda vectors, weight: (weight @ vectors[0]).softmax(-1)),
            "Both were read; both count alike.",
            "Exchange the two rows: the result must not change.",
        ),
        Misconception(
            "orders-averaged",
            "The two vectors are averaged",
            decide_like(classes=lambda vectors, weight: (weight @ vectors.mean(0)).softmax(-1)),
            "The paper adds them. Half the scores give a flatter answer.",
            "Print the scores before the softmax: they should be twice as large.",
        ),
        Misconception(
            "chances-averaged",
            "Two answers are averaged",
            decide_like(classes=lambda vectors, weight: (vectors @ weight.T).softmax(-1).mean(0)),
            "The *vectors* are added, before the linear map; then there is one softmax.",
            "How often does your softmax run?",
        ),
        Misconception(
            "softmax-per-choice",
            "Each answer has a softmax of its own",
            decide_like(choices=lambda vectors, weight: (vectors @ weight.T).softmax(-1)[:, 0]),
            "The softmax of a single score is 1, whatever the score. The answers compete with each other.",
            "Print the sum of your probabilities.",
        ),
        Misconception(
            "sigmoid-per-choice",
            "Each answer is judged by itself",
            decide_like(choices=lambda vectors, weight: (vectors @ weight[0]).sigmoid()),
            "Just one answer is right: the probabilities of all must sum to 1.",
            "Print the sum of your probabilities.",
        ),
        Misconception(
            "scores-only",
            "Scores come out, not probabilities",
            decide_like(
                classes=lambda vectors, weight: weight @ vectors.sum(0),
                choices=lambda vectors, weight: vectors @ weight[0],
            ),
            "A softmax is missing at the end.",
            "Print the sum of what you return.",
        ),
        Misconception(
            "answers-added",
            "The answers' vectors are added, too",
            decide_like(choices=lambda vectors, weight: (weight @ vectors.sum(0)).softmax(-1)),
            "That is for two orders of one pair. Answers are alternatives: each keeps its own score.",
            "How many probabilities do you return, and how many answers are there?",
        ),
    ),
)

INPUTS = Task(
    (SEQUENCES, DECIDE),
    (
        "Write all four by hand for tiny texts: start, something, extract. What is the something?",
        "Similarity gives two sequences, choice one for each answer; each is start, text, delimiter, text, "
        "extract. The vector to read stands at `lengths - 1` of each row.",
        "`hidden[torch.arange(N), lengths - 1]` is (N, D). For choice, times `weight[0]` and a softmax over "
        "N; else the sum over N, times `weight.T`, and a softmax over the classes.",
    ),
)
