"""Unit 10: how often each task comes up, and what a model would rather write."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- mixing tasks ----


def limited(counts: Tensor, limit: float) -> Tensor:
    return torch.minimum(counts, torch.tensor(limit, dtype=counts.dtype))


def to_one(x: Tensor) -> Tensor:
    return x / x.sum()


def mix_like(
    size: Callable[[Tensor, float], Tensor] = limited,
    warm: Callable[[Tensor, float], Tensor] = lambda share, temperature: share ** (1 / temperature),
    last: Callable[[Tensor], Tensor] = to_one,
) -> Callable[..., Tensor]:
    """`size` of a task by its count and the limit; `warm` of the shares; `last` what is done in the end."""

    def mix(counts: Tensor, limit: float, temperature: float) -> Tensor:
        return last(warm(to_one(size(counts.double(), float(limit))), temperature)).float()

    return mix


def limit_last(counts: Tensor, limit: float, temperature: float) -> Tensor:
    warm = to_one(counts.double()) ** (1 / temperature) * counts.sum()
    return to_one(limited(warm, float(limit))).float()


def power_first(counts: Tensor, limit: float, temperature: float) -> Tensor:
    return to_one(limited(counts.double() ** (1 / temperature), float(limit))).float()


def corpora(cut: bool, warm: bool) -> Callable[[Generator], tuple]:
    """Counts of four to six tasks, very unequal; a limit that cuts two of them, or none; a temperature."""

    def make(generator: Generator) -> tuple:
        while True:
            counts = (10 ** (2 + 3 * torch.rand(whole(generator, 4, 6), generator=generator))).round()
            ordered = counts.sort().values
            if ordered.diff().min() > 50:  # no two tasks alike, whatever is done to them
                break
        limit = float((ordered[-3] + ordered[-2]) / 2) if cut else float(100 * counts.sum())
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
            corpora(cut=False, warm=False),
            "A task with twice the examples comes up twice as often.",
            "Try counts (1, 3), limit 100, temperature 1.",
        ),
        Case(
            "a large task counts as `limit` at most",
            corpora(cut=True, warm=False),
            "Otherwise a huge task drowns all others.",
            "Try counts (1, 99), limit 3, temperature 1: what should come out?",
            worth=2,
        ),
        Case(
            "temperature above 1 brings the shares nearer to each other",
            corpora(cut=False, warm=True),
            "Each share is raised to 1/T, and then they are made to sum to one again.",
            "Try counts (1, 9) at T = 2: the roots are 1 and 3.",
            worth=2,
        ),
        Case(
            "limit and temperature together",
            corpora(cut=True, warm=True),
            "First the limit, then shares, then the power, then shares again.",
            "Print after each of the four steps.",
        ),
    ),
    (
        Misconception(
            "no-limit",
            "The limit is not used",
            mix_like(size=lambda counts, limit: counts),
            "One huge task then takes nearly all batches.",
            "Change `limit`: does your answer move?",
        ),
        Misconception(
            "power-of-t",
            "Shares are raised to T, not to 1/T",
            mix_like(warm=lambda share, temperature: share**temperature),
            "That makes a large task larger still.",
            "Try counts (1, 9) at T = 2. Which way did the shares go?",
        ),
        Misconception(
            "not-normalised",
            "The shares do not sum to one",
            mix_like(last=lambda power: power),
            "After the power they have to be divided by their sum once more.",
            "Print the sum.",
        ),
        Misconception(
            "softmax-of-shares",
            "A softmax of the shares",
            mix_like(warm=lambda share, temperature: (share / temperature).softmax(0)),
            "A softmax takes exp of them first: equal at high temperature, but at T = 1 not the shares.",
            "Try counts (1, 3) at T = 1.",
        ),
        Misconception(
            "limit-last",
            "The limit comes after the temperature",
            limit_last,
            "It is a limit on the number of examples, so it comes first.",
            "Which number does the paper call K, and what is compared with it?",
        ),
        Misconception(
            "power-first",
            "The limit comes after the roots",
            power_first,
            "A root makes counts small; the limit then meets hardly any of them.",
            "Which number does the paper call K, and what is compared with it?",
        ),
        Misconception(
            "divided-by-t",
            "Shares are divided by T",
            mix_like(warm=lambda share, temperature: share / temperature),
            "A common factor is gone once they sum to one again: the temperature has no effect.",
            "Change the temperature: does your answer move?",
        ),
        Misconception(
            "limit-as-floor",
            "The limit holds from below",
            mix_like(size=lambda counts, limit: counts.clamp(min=limit)),
            "Small tasks then count as `limit`, and huge ones as they are.",
            "Try counts (1, 99), limit 3, temperature 1: what should come out?",
        ),
        Misconception(
            "large-tasks-left-out",
            "Tasks above the limit are left out",
            mix_like(size=lambda counts, limit: counts * (counts <= limit)),
            "They count as `limit`: still among the largest.",
            "Try counts (1, 99), limit 3, temperature 1: what should come out?",
        ),
        Misconception(
            "largest-is-one",
            "The shares are divided by the largest",
            mix_like(last=lambda power: power / power.max()),
            "They are to sum to one, so that one can draw from them.",
            "Print the sum.",
        ),
        Misconception(
            "softmax-of-counts",
            "A softmax of the counts",
            lambda counts, limit, temperature: (limited(counts, limit) / temperature).softmax(0),
            "exp of thousands: the largest task takes everything.",
            "Try counts (1, 3) at T = 1: should the second really come up seven times as often?",
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
    rows: Callable[[int], list[int]] = lambda n: list(range(n)),
) -> Callable[..., Tensor]:
    """`rows` says in which row of the logits each of n tokens is looked up; the last ones, if fewer."""

    def shares(logits_of: LogitsOf, candidates: list[list[int]]) -> Tensor:
        scores = []
        for ids in candidates:
            numbers, at = each(logits_of(ids)), rows(len(ids))  # (T, V)
            scores.append(tokens(numbers[at, ids[len(ids) - len(at) :]]))
        return final(torch.stack(scores))

    return shares


def one_late(n: int) -> list[int]:
    return [(i + 1) % n for i in range(n)]


def shift_again(n: int) -> list[int]:
    return list(range(n - 1))


WAYS = {  # the right one, and wrong ones
    "right": shares_like(),
    "not shared": shares_like(final=Tensor.exp),
    "logs": shares_like(final=lambda scores: scores.log_softmax(0)),
    "divided": shares_like(final=to_one),
    "shifted": shares_like(rows=shift_again),
    "first": shares_like(tokens=lambda numbers: numbers[0]),
    "last": shares_like(tokens=lambda numbers: numbers[-1]),
    "mean": shares_like(tokens=Tensor.mean),
    "raw": shares_like(each=lambda logits: logits),
    "late": shares_like(rows=one_late),
    "added": shares_like(each=lambda logits: logits.softmax(-1), final=to_one),
    "positions": shares_like(each=lambda logits: logits.log_softmax(0)),
}
AT_ONE_TOKEN = tuple(WAYS)[:5]  # these differ even where each candidate is a single token


def asked(lengths: tuple[int, ...]) -> Callable[[Generator], tuple]:
    """A decoder and candidates, drawn until no two ways agree, not even by luck."""
    ways = [WAYS[name] for name in (AT_ONE_TOKEN if max(lengths) == 1 else WAYS)]

    def make(generator: Generator) -> tuple:
        while True:
            model = small_decoder(generator)
            candidates = [torch.randint(0, V, (n,), generator=generator).tolist() for n in lengths]
            found = [way(model, candidates) for way in ways]
            if all((one - other).abs().max() > 1e-3 for one, other in combinations(found, 2)):
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
            WAYS["first"],
            "Two candidates that begin alike can then not be told apart.",
            "Give two candidates with the same first token.",
        ),
        Misconception(
            "mean-of-tokens",
            "The sum is divided by the number of tokens",
            WAYS["mean"],
            "That is no probability any more, and long candidates win.",
            "Compare a candidate with one that has three tokens.",
        ),
        Misconception(
            "over-the-vocabulary",
            "The probabilities are not shared among the candidates",
            WAYS["not shared"],
            "q is a probability among the classes: the candidates' numbers have to sum to one.",
            "Print the sum of your answer.",
        ),
        Misconception(
            "raw-logits",
            "Logits are added, not log-probabilities",
            WAYS["raw"],
            "Logits of different places have different zeros; only after log_softmax can they be added.",
            "Add 5 to one row of the logits: your answer should not move.",
        ),
        Misconception(
            "read-one-late",
            "Each token is looked up one place too late",
            WAYS["late"],
            "Row t already is the prediction for token t: the decoder's input is shifted, not its output.",
            "Which row predicts the first token?",
        ),
        Misconception(
            "shifted-again",
            "It is shifted once more: the first token is not scored",
            WAYS["shifted"],
            "That is right for a model that reads the candidate itself. Here row t is for token t already.",
            "How many numbers do you add for a candidate of one token?",
        ),
        Misconception(
            "last-token-only",
            "Only the last token is scored",
            WAYS["last"],
            "By then the candidate is nearly written; how likely its beginning is, says the beginning.",
            "How many numbers do you add for a candidate of three tokens?",
        ),
        Misconception(
            "probabilities-added",
            "Probabilities of the tokens are added",
            WAYS["added"],
            "Two tokens, one *and* the other: probabilities are multiplied, so their logs are added.",
            "Can the sum of your numbers for one candidate exceed 1?",
        ),
        Misconception(
            "logs-divided",
            "Log-probabilities are divided by their sum",
            WAYS["divided"],
            "All are below zero, so the least likely candidate gets the largest share.",
            "Two candidates with log p -1 and -3: which should get more?",
        ),
        Misconception(
            "logs-returned",
            "These are logarithms of the shares",
            WAYS["logs"],
            "q is a probability among the classes.",
            "Print the sum of your answer.",
        ),
        Misconception(
            "over-the-positions",
            "The softmax runs over the tokens of the candidate",
            WAYS["positions"],
            "Each row is a choice among the words of the vocabulary: the last axis.",
            "Print the probabilities of one row, and their sum.",
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
