"""Unit 10: how often each task comes up, and what a model would rather write."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.predictions import Predictions
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- mixing tasks ----


def mix_like(
    limited: bool = True,
    power: Callable[[float], float] = lambda temperature: 1 / temperature,
    summed: bool = True,
    limit_last: bool = False,
    soft: bool = False,
) -> Callable[..., Tensor]:
    def mix(counts: Tensor, limit: float, temperature: float) -> Tensor:
        sizes = counts.double()
        if limited and not limit_last:
            sizes = torch.minimum(sizes, torch.tensor(float(limit), dtype=torch.double))
        if soft:
            return (sizes / sizes.sum() / temperature).softmax(0).float()
        share = (sizes / sizes.sum()) ** power(temperature)
        if limit_last:
            share = torch.minimum(share * counts.sum(), torch.tensor(float(limit), dtype=torch.double))
        return (share / share.sum() if summed else share).float()

    return mix


def corpora(limited: bool, warm: bool) -> Callable[[Generator], tuple]:
    """Counts of four to six tasks, very unequal; a limit that cuts two of them, or none; a temperature."""

    def make(generator: Generator) -> tuple:
        n = whole(generator, 4, 6)
        counts = (10 ** (2 + 3 * torch.rand(n, generator=generator))).round()
        ordered = counts.sort().values
        limit = float((ordered[-3] + ordered[-2]) / 2) if limited else float(100 * counts.sum())
        temperature = 1.5 + 2 * torch.rand((), generator=generator).item() if warm else 1.0
        return counts, limit, temperature

    return make


MIX = Part(
    "mix",
    mix_like(),
    ("shares (N,), which sum to one",),
    (
        Case(
            "in proportion to the examples, at temperature 1 and without a limit that matters",
            corpora(limited=False, warm=False),
            "A task with twice the examples comes up twice as often.",
            "Try counts (1, 3), limit 100, temperature 1.",
        ),
        Case(
            "a large task counts as `limit` at most",
            corpora(limited=True, warm=False),
            "Otherwise a huge task drowns all others.",
            "Try counts (1, 99), limit 3, temperature 1: what should come out?",
            worth=2,
        ),
        Case(
            "temperature above 1 brings the shares nearer to each other",
            corpora(limited=False, warm=True),
            "Each share is raised to 1/T, and then they are made to sum to one again.",
            "Try counts (1, 9) at T = 2: the roots are 1 and 3.",
            worth=2,
        ),
        Case(
            "limit and temperature together",
            corpora(limited=True, warm=True),
            "First the limit, then shares, then the power, then shares again.",
            "Print after each of the four steps.",
        ),
    ),
    (
        Misconception(
            "no-limit",
            "The limit is not used",
            mix_like(limited=False),
            "One huge task then takes nearly all batches.",
            "Change `limit`: does your answer move?",
        ),
        Misconception(
            "power-of-t",
            "Shares are raised to T, not to 1/T",
            mix_like(power=lambda temperature: temperature),
            "That makes a large task larger still.",
            "Try counts (1, 9) at T = 2. Which way did the shares go?",
        ),
        Misconception(
            "not-normalised",
            "The shares do not sum to one",
            mix_like(summed=False),
            "After the power they have to be divided by their sum once more.",
            "Print the sum.",
        ),
        Misconception(
            "softmax-of-shares",
            "A softmax of the shares",
            mix_like(soft=True),
            "A softmax takes exp of them first: equal at high temperature, but at T = 1 not the shares.",
            "Try counts (1, 3) at T = 1.",
        ),
        Misconception(
            "limit-last",
            "The limit comes after the temperature",
            mix_like(limit_last=True),
            "It is a limit on the number of examples, so it comes first.",
            "Which number does the paper call K, and what is compared with it?",
        ),
    ),
)
MIXING = Task(
    (MIX,),
    (
        "Four steps, each a line: limit, shares, power, shares.",
        "Raffel et al. (2020), section 3.5.2: r = min(e, K) / Σ min(e, K), then r^(1/T), made to sum to one.",
        "`size = counts.clamp(max=limit)`; `share = (size / size.sum()) ** (1 / temperature)`; divide again.",
    ),
)

# ---- verbalisers ----

V = 11
LogitsOf = Callable[[list[int]], Tensor]


def small_decoder(generator: Generator) -> LogitsOf:
    """target ids -> logits (T, V); row t has seen the target before t, as in a decoder."""
    table, start = normal(generator, V, V), normal(generator, V)
    drift = normal(generator, 9, V) / 2

    def logits_of(target: list[int]) -> Tensor:
        if type(target) not in (list, tuple) or not target:
            raise Unfit("logits_of takes the ids of one candidate, a list")
        rows = [start] + [table[i] for i in target[:-1]]
        return torch.stack(rows) + drift[: len(target)]

    return logits_of


def shares_like(
    tokens: Callable[[Tensor], Tensor] = Tensor.sum,
    each: Callable[[Tensor], Tensor] = lambda logits: logits.log_softmax(-1),
    final: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(0),
    shifted: int = 0,
) -> Callable[..., Tensor]:
    def shares(logits_of: LogitsOf, candidates: list[list[int]]) -> Tensor:
        scores = []
        for ids in candidates:
            numbers = each(logits_of(ids))  # (T, V)
            at = [(i + shifted) % len(ids) for i in range(len(ids))]
            scores.append(tokens(torch.stack([numbers[t, i] for t, i in zip(at, ids)])))
        return final(torch.stack(scores))

    return shares


def asked(lengths: tuple[int, ...]) -> Callable[[Generator], tuple]:
    """A decoder and different candidates, drawn until it matters which row a token is looked up in."""

    def make(generator: Generator) -> tuple:
        while True:
            model = small_decoder(generator)
            candidates = [torch.randint(0, V, (n,), generator=generator).tolist() for n in lengths]
            late, right = (shares_like(shifted=shift)(model, candidates) for shift in (1, 0))
            told_apart = max(lengths) == 1 or (late - right).abs().max() > 0.01
            if told_apart and len(set(map(tuple, candidates))) == len(candidates):
                return model, candidates

    return make


SHARES = Part(
    "shares",
    shares_like(),
    ("q (C,), which sums to one",),
    (
        Case(
            "single tokens",
            asked((1, 1, 1)),
            "A softmax over the vocabulary gives each candidate a log-probability; the candidates alone then "
            "share what there is.",
            "Print the log-probabilities of the candidates, and the sum of your answer.",
            worth=2,
            telling=False,
        ),
        Case(
            "candidates of several tokens",
            asked((3, 2, 4)),
            "The probability of a text is a product over its tokens, so their logs are added.",
            "Print one log-probability for each token of one candidate.",
            worth=2,
        ),
        Case(
            "one token against three",
            asked((1, 3)),
            "Nothing is divided by the length: it is the probability of the whole answer.",
            "How many numbers do you add for the short candidate, how many for the long one?",
        ),
    ),
    (
        Misconception(
            "first-token-only",
            "Only the first token is scored",
            shares_like(tokens=lambda numbers: numbers[0]),
            "Two candidates that begin alike can then not be told apart.",
            "Give two candidates with the same first token.",
        ),
        Misconception(
            "mean-of-tokens",
            "The sum is divided by the number of tokens",
            shares_like(tokens=Tensor.mean),
            "That is no probability any more, and long candidates win.",
            "Compare a candidate with one that has three tokens.",
        ),
        Misconception(
            "over-the-vocabulary",
            "The probabilities are not shared among the candidates",
            shares_like(final=Tensor.exp),
            "q is a probability among the classes: the candidates' numbers have to sum to one.",
            "Print the sum of your answer.",
        ),
        Misconception(
            "raw-logits",
            "Logits are added, not log-probabilities",
            shares_like(each=lambda logits: logits),
            "Logits of different places have different zeros; only after log_softmax can they be added.",
            "Add 5 to one row of the logits: your answer should not move.",
        ),
        Misconception(
            "read-one-late",
            "Each token is looked up one place too late",
            shares_like(shifted=1),
            "Row t already is the prediction for token t: the decoder's input is shifted, not its output.",
            "Which row predicts the first token?",
        ),
    ),
)
VERBALISED = Task(
    (SHARES,),
    (
        "For each candidate one number; at the end the numbers are compared with each other.",
        "log_softmax over the vocabulary, row t at the id of token t, add up; a softmax over the candidates.",
        "`logits_of(ids).log_softmax(-1)[range(len(ids)), ids].sum()` for each; stack; `.softmax(0)`.",
    ),
)

# ---- numbers to predict ----

LENGTH, HEADS, BUCKETS_, CLASSES = 512, 8, 32, 3
HIDDEN = round(0.15 * LENGTH)
SPANS_ = round(HIDDEN / 3)
RIGHT = {
    "bert": HIDDEN,
    "bart": LENGTH,
    "t5": HIDDEN + SPANS_ + 1,
    "read": LENGTH - HIDDEN + SPANS_,
    "bias": 2 * BUCKETS_ * HEADS,
}
NUMBERS = Predictions(RIGHT)

PREDICTED = Task(
    (
        Part(
            "predict",
            NUMBERS.answer(),
            ("a dict of ints",),
            (
                NUMBERS.case(
                    "bert",
                    "what an MLM predicts",
                    "Only the chosen tokens are scored: 15 % of them, rounded.",
                    "Take 15 % of 512.",
                ),
                NUMBERS.case(
                    "bart",
                    "what BART writes",
                    "The decoder writes the whole text, whatever was hidden.",
                    "What are BART's labels?",
                ),
                NUMBERS.case(
                    "t5",
                    "what T5 writes",
                    "The hidden tokens, a sentinel for each span, and one sentinel more.",
                    "How many spans of 3 are 77 tokens?",
                ),
                NUMBERS.case(
                    "read",
                    "what T5's encoder reads",
                    "All tokens that stay, and a sentinel for each span.",
                    "Count it for the ten words of the paper's example first.",
                ),
                NUMBERS.case(
                    "bias",
                    "learned numbers for positions",
                    "One table a side, shared by all layers: a number for each bucket and head.",
                    "Print the shape of `RelativePositionBias(8).table.weight`.",
                ),
            ),
            (
                Misconception(
                    "bert-writes-all",
                    "An MLM is scored at every token",
                    NUMBERS.answer(bert=LENGTH),
                    "Labels are -100 where nothing was chosen.",
                    "Count the labels that are not -100 in lesson 05.",
                ),
                Misconception(
                    "bart-writes-holes",
                    "BART writes only what was hidden",
                    NUMBERS.answer(bart=HIDDEN),
                    "That would be T5. BART's target is the whole text.",
                    "Print the labels of a denoising batch.",
                ),
                Misconception(
                    "sentinels-not-counted",
                    "The sentinels of the target are not counted",
                    NUMBERS.answer(t5=HIDDEN),
                    "Each span is announced by its sentinel, and the last one ends the target.",
                    "Write the target of two spans of one word.",
                ),
                Misconception(
                    "last-sentinel-forgotten",
                    "The last sentinel is not counted",
                    NUMBERS.answer(t5=HIDDEN + SPANS_),
                    "One sentinel more than there are spans.",
                    "Write the target of two spans of one word.",
                ),
                Misconception(
                    "holes-are-not-read",
                    "The sentinels in the text are not counted",
                    NUMBERS.answer(read=LENGTH - HIDDEN),
                    "A sentinel stands in the place of each span.",
                    "Count what is read for one span.",
                ),
                Misconception(
                    "read-in-full",
                    "The encoder reads as many tokens as the text has",
                    NUMBERS.answer(read=LENGTH),
                    "With one [MASK] a token it would. A span shrinks to one sentinel.",
                    "Count what is read for one span of three.",
                ),
                Misconception(
                    "one-side",
                    "Only one side's table is counted",
                    NUMBERS.answer(bias=BUCKETS_ * HEADS),
                    "Encoder and decoder have a table each.",
                    "Search `T5` for RelativePositionBias: how often is one made?",
                ),
                Misconception(
                    "a-table-a-layer",
                    "Each layer has a table",
                    NUMBERS.answer(bias=2 * 6 * BUCKETS_ * HEADS),
                    "All layers of a side share one.",
                    "Search `T5` for RelativePositionBias: how often is one made?",
                ),
            ),
        ),
    ),
    (
        "Take a text of 20 tokens with two spans of three, and count by hand first.",
        "15 % of 512, rounded, is 77; in spans of 3 on average that is 26 spans.",
        "T5 writes hidden + spans + 1, reads 512 - hidden + spans; the bias has 2 · buckets · heads numbers.",
    ),
)
