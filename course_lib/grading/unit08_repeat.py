"""Unit 08: sequences that repeat themselves, and the heads that notice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- segments ----


def drawn(generator: Generator) -> tuple[Tensor, Tensor, int]:
    """segments (B, W), periods (B,) that all differ, T: at least two whole segments and a bit."""
    W = whole(generator, 11, 13)
    ordered = sorted(sizes(generator, 4, 4, 9))
    periods = torch.tensor([ordered[i] for i in (2, 0, 3, 1)])  # the first is neither shortest nor longest
    segments = torch.stack([torch.randperm(80, generator=generator)[:W] + 10 for _ in periods])
    return segments, periods, 2 * int(periods.max()) + whole(generator, 2, 4)


def cut_short(generator: Generator) -> tuple[Tensor, Tensor, int]:
    """A first row whose segment is longer than the sequence, a last one that just fits."""
    segments, periods, _ = drawn(generator)
    periods[0], periods[1], periods[2], periods[3] = 10, 3, 4, 8
    return segments, periods, 8


def repeat_like(
    place: Callable[[int, int, int, int], int] = lambda t, period, width, length: t % period,
    period_of: Callable[[Tensor, int], int] = lambda periods, b: int(periods[b]),
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """`place`: which token of the segment stands at t; -1 for none."""

    def repeated(segments: Tensor, periods: Tensor, T: int) -> Tensor:
        rows = []
        for b, segment in enumerate(segments.tolist()):
            places = [place(t, period_of(periods, b), len(segment), T) for t in range(T)]
            rows.append([segment[p] if p >= 0 else 0 for p in places])
        return torch.tensor(rows)

    return repeated


def there_and_back(t: int, period: int, *_: int) -> int:
    t %= 2 * period
    return t if t < period else 2 * period - 1 - t


REPEATED = Part(
    "repeated",
    repeat_like(),
    ("ids (B, T)",),
    (
        Case(
            "each row says its own segment over and over",
            drawn,
            "Row b repeats the first periods[b] tokens of segments[b], until T tokens are there.",
            "Print one row for a period of 3 and T = 8: the tokens 0 1 2 0 1 2 0 1 of its segment.",
        ),
        Case(
            "a segment longer than the sequence is cut",
            cut_short,
            "T says how long the rows are, whatever the period.",
            "Try a period of 10 with T = 8.",
        ),
    ),
    (
        Misconception(
            "one-period-for-all",
            "All rows have the period of the first",
            repeat_like(period_of=lambda periods, b: int(periods[0])),
            "With one period a model need not look at the tokens at all: it learns to look back so many "
            "positions. Different lengths force it to search.",
            "Print two rows with different periods below each other.",
        ),
        Misconception(
            "whole-row-as-segment",
            "The whole row of `segments` is repeated",
            repeat_like(lambda t, period, width, length: t % width),
            "Only the first periods[b] tokens of it are the segment; the rest is spare.",
            "Which token stands at position periods[b]?",
        ),
        Misconception(
            "segment-once",
            "The segment stands there once, then nothing",
            repeat_like(lambda t, period, width, length: t if t < period else -1),
            "There is nothing to be noticed in a sequence that never repeats.",
            "Print a row, and look behind its first segment.",
        ),
        Misconception(
            "tokens-repeated",
            "Each token is repeated, not the segment",
            repeat_like(lambda t, period, width, length: t // -(-length // period)),
            "a a b b c c is not a b c a b c. Repeating single tokens is what `repeat_interleave` does.",
            "Compare `x.repeat(2)` with `x.repeat_interleave(2)`.",
        ),
        Misconception(
            "there-and-back",
            "Every second segment runs backwards",
            repeat_like(there_and_back),
            "The order has to stay: what followed a token once must follow it again.",
            "Which token follows the first one, and which at its second visit?",
        ),
        Misconception(
            "period-one-short",
            "Each segment is one token short",
            repeat_like(lambda t, period, width, length: t % (period - 1)),
            "A period of P has the tokens 0 to P - 1.",
            "How many different tokens has a row with a period of 5?",
        ),
    ),
)


def rows_said(generator: Generator) -> tuple[Tensor, Tensor]:
    segments, periods, T = drawn(generator)
    return repeat_like()(segments, periods, T), periods


def rows_cut(generator: Generator) -> tuple[Tensor, Tensor]:
    segments, periods, T = cut_short(generator)
    return repeat_like()(segments, periods, T), periods


def known_like(
    counts: Callable[[int, int, int], bool] = lambda t, period, length: period <= t < length - 1,
    said: int = 1,
    period_of: Callable[[Tensor, int], int] = lambda periods, b: int(periods[b]),
) -> Callable[[Tensor, Tensor], Tensor]:
    """`counts`: whether position t has a label; `said`: how far on the token is that it should say."""

    def known(ids: Tensor, periods: Tensor) -> Tensor:
        T = ids.shape[1]
        labels = torch.full_like(ids, -100)
        for b in range(len(ids)):
            for t in range(T):
                if counts(t, period_of(periods, b), T):
                    labels[b, t] = ids[b, (t + said) % T]
        return labels

    return known


def guesses_left_out(got: Tensor, ids: Tensor, periods: Tensor) -> str | None:
    new = torch.arange(ids.shape[1]) < periods[:, None]
    if wrong := int((got != -100)[new].sum()):
        return f"{wrong} positions with a token seen for the first time have a label"
    if wrong := int((got[:, -1] != -100).sum()):
        return f"{wrong} rows have a label at their last position"
    return None


KNOWN = Part(
    "known",
    known_like(),
    ("labels (B, T)",),
    (
        Case(
            "what can only be guessed has no label",
            rows_said,
            "Below periods[b] each token is new: nobody can know what follows it. And nothing follows the "
            "last one.",
            "Write ids and labels of one row below each other.",
            judge=guesses_left_out,
        ),
        Case(
            "everything else is to say the next token",
            rows_said,
            "From position periods[b] on the token was seen one period ago, and so was what follows it.",
            "For a period of 3 and T = 8, which positions have a label? 3, 4, 5 and 6.",
            worth=2,
        ),
        Case(
            "also when nothing repeats",
            rows_cut,
            "A row that ends within its first segment has no labels at all.",
            "Try a period of 10 with T = 8.",
        ),
    ),
    (
        Misconception(
            "first-segment-scored",
            "The first segment is scored, too",
            known_like(lambda t, period, length: t < length - 1),
            "Its tokens are random: no model can know them. They only cover up how well the rest is known.",
            "Count the labels below periods[b].",
        ),
        Misconception(
            "scored-one-early",
            "The labels begin one position early",
            known_like(lambda t, period, length: period - 1 <= t < length - 1),
            "At position P - 1 the last token of the segment is seen for the first time. That the segment "
            "is over there, nothing tells.",
            "Is the token at your first label one that was seen before?",
        ),
        Misconception(
            "scored-one-late",
            "The labels begin one position late",
            known_like(lambda t, period, length: period < t < length - 1),
            "At position P the first token comes for the second time: what follows it is known.",
            "Which token stands at position P, and where was it seen before?",
        ),
        Misconception(
            "says-itself",
            "Each position is to say itself",
            known_like(said=0),
            "It sees itself: copying would be enough.",
            "Write ids and labels of one row below each other.",
        ),
        Misconception(
            "says-the-previous",
            "Each position is to say the token before it",
            known_like(said=-1),
            "The past is known already; what comes next is asked.",
            "Write ids and labels of one row below each other.",
        ),
        Misconception(
            "first-period-for-all",
            "All rows are scored from the first row's period on",
            known_like(period_of=lambda periods, b: int(periods[0])),
            "Every row has its own period.",
            "Print the first label's position of each row beside `periods`.",
        ),
        Misconception(
            "round-the-corner",
            "The last position is to say the first token",
            known_like(lambda t, period, length: t >= period),
            "`roll` brings the first token round to the end. Nothing follows the last position: -100.",
            "Print the last label of each row.",
        ),
        Misconception(
            "only-the-first-segment",
            "The first segment is scored, and nothing else",
            known_like(lambda t, period, length: t < min(period, length - 1)),
            "Just the other way round: what repeats can be known.",
            "Print `labels != -100` of one row beside its ids.",
        ),
    ),
)

SEGMENTS = Task(
    (REPEATED, KNOWN),
    (
        "Write a row by hand: segment 7 5 9, period 3, T = 8. Which token of the segment stands at "
        "position t?",
        "The place in the segment is t % period: a (B, T) tensor of places from `torch.arange(T)` and "
        "`periods[:, None]`. A position has a label when t >= period and something follows it.",
        "`segments.gather(1, torch.arange(T) % periods[:, None])`. For the labels start with "
        "`torch.full_like(ids, -100)`, put `ids[:, 1:]` into all columns but the last, and hide with "
        "`masked_fill` what lies below the period.",
    ),
    (
        "course_lib.objectives.induction.repeated_segments",
        "course_lib.objectives.induction.times_seen",
    ),
)

# ---- induction ----


def causal_weights(generator: Generator, B: int, H: int, T: int) -> Tensor:
    scores = 2 * normal(generator, B, H, T, T)
    return scores.masked_fill(~torch.ones(T, T).tril().bool(), -torch.inf).softmax(-1)


def attended(generator: Generator) -> tuple[Tensor]:
    B, H, T = sizes(generator, 3, 2, 5)
    return (causal_weights(generator, B, H, T + 4),)


def attended_twice(generator: Generator) -> tuple[Tensor, int]:
    B, H, period = sizes(generator, 3, 3, 6)
    return causal_weights(generator, B, H, 2 * period), period


def pure_heads(generator: Generator) -> tuple[Tensor, int]:
    """Four heads that do one thing each: continue, previous token, same token, itself."""
    period = whole(generator, 4, 6)
    T = 2 * period
    weights = torch.zeros(2, 4, T, T)
    for t in range(T):
        back = {0: period - 1, 1: 1, 2: period, 3: 0}
        for head, distance in back.items():
            known = t >= period or (head == 1 and t > 0)
            weights[:, head, t, t - distance if known else t] = 1
    return weights, period


def score_like(
    pairs: Callable[[int, int], list[tuple[int, int]]],
    pooled: Callable[[Tensor, int], Tensor] = lambda found, length: found.mean(-1),
    best: bool = False,
) -> Callable[..., Tensor]:
    """Weights at (query, key) pairs; over sequences the mean is taken, `pooled` says what over positions."""

    def score(weights: Tensor, period: int = 0) -> Tensor:
        T = weights.shape[-1]
        if best:
            weights = torch.zeros_like(weights).scatter(-1, weights.argmax(-1, keepdim=True), 1.0)
        found = torch.stack([weights[..., t, s] for t, s in pairs(T, period)], dim=-1).mean(0)
        return pooled(found, T)

    return score


def previous(length: int, period: int) -> list[tuple[int, int]]:
    return [(t, t - 1) for t in range(1, length)]


def back(distance: int, begin: int = 0) -> Callable[[int, int], list[tuple[int, int]]]:
    """From position period + begin on, to the key so much nearer than one period ago."""
    return lambda length, period: [(t, t - period + distance) for t in range(period + begin, length)]


def flipped(pairs: Callable[[int, int], list[tuple[int, int]]]) -> Callable[..., list[tuple[int, int]]]:
    return lambda length, period: [(s, t) for t, s in pairs(length, period)]


def over_all_positions(found: Tensor, length: int) -> Tensor:
    return found.sum(-1) / length


def heads_together(found: Tensor, length: int) -> Tensor:
    return found.mean()


PREVIOUS = Part(
    "previous_score",
    score_like(previous),
    ("a score for each head (H,)",),
    (
        Case(
            "right for every head",
            attended,
            "The weight from t to t - 1, its mean over the sequences and over the positions from 1 on.",
            "Take one sequence, one head and T = 3: which two of the nine weights count?",
            worth=2,
        ),
    ),
    (
        Misconception(
            "weight-on-itself",
            "This is the weight on the token itself",
            score_like(lambda length, period: [(t, t) for t in range(length)]),
            "That is the main diagonal; the previous token lies one below it.",
            "Try `torch.arange(9).view(3, 3).diagonal(offset=…)` with -1, 0 and 1.",
        ),
        Misconception(
            "weight-on-the-next",
            "Rows and columns are swapped",
            score_like(flipped(previous)),
            "Rows are queries, columns are keys. This asks how much a token looks at the next one: under "
            "a causal mask always 0.",
            "Try `torch.arange(9).view(3, 3).diagonal(offset=…)` with -1, 0 and 1.",
        ),
        Misconception(
            "heads-averaged",
            "The heads are averaged away",
            score_like(previous, heads_together),
            "One good head among eight poor ones would look like nothing. Each head has its own score.",
            "Which axes of (B, H, T, T) should be left?",
        ),
        Misconception(
            "first-position-counted",
            "The first position counts as a miss",
            score_like(previous, over_all_positions),
            "Position 0 has no previous token. A perfect head could not reach 1.",
            "What is the score of a head that always looks one back?",
        ),
        Misconception(
            "sum-over-positions",
            "The positions are added up",
            score_like(previous, lambda found, length: found.sum(-1)),
            "The score would grow with the length. Take the mean.",
            "Is each score between 0 and 1?",
        ),
        Misconception(
            "share-of-wins",
            "Wins are counted, not weights",
            score_like(previous, best=True),
            "How often the previous token gets the largest weight is a fair question, but another one.",
            "What does your score say of a head with weights 0.4, 0.3, 0.3?",
        ),
    ),
)

CONTINUES = back(1)  # the key after the same token one period ago

INDUCED = Part(
    "induction_score",
    score_like(CONTINUES),
    ("a score for each head (H,)",),
    (
        Case(
            "right for every head",
            attended_twice,
            "From t, the same token stood at t - P. An induction head looks at what came after it.",
            "For P = 3: at which key should position 4 look? Write out the tokens a b c a b c.",
            worth=2,
        ),
        Case(
            "1 for a perfect induction head, 0 for three other heads",
            pure_heads,
            "The first head of this test always continues; the others look at the previous token, at the "
            "same token one period ago, and at themselves.",
            "Build such weights by hand for the tokens a b c a b c.",
        ),
    ),
    (
        Misconception(
            "the-same-token",
            "The head is asked for the same token, not for the one after it",
            score_like(back(0)),
            "A distance of P finds the token itself, one period ago. What came after it lies P - 1 back.",
            "In a b c a b, where does the last b look to find out that c follows?",
        ),
        Misconception(
            "one-too-far",
            "The head is asked for the second token after the match",
            score_like(back(2)),
            "A distance of P - 2 is one token too near.",
            "In a b c a b, where does the last b look to find out that c follows?",
        ),
        Misconception(
            "begins-one-early",
            "Position P - 1 counts",
            score_like(back(1, -1)),
            "There the token is new. A whole diagonal holds this pair, too: its first entry has to go.",
            "How many entries has your diagonal, and how many positions t have P <= t < T?",
        ),
        Misconception(
            "first-segment-counted",
            "The first segment counts as a miss",
            score_like(CONTINUES, over_all_positions),
            "Nothing can be continued there. A perfect head could not reach 1.",
            "By how many positions do you divide?",
        ),
        Misconception(
            "induction-rows-and-columns",
            "Rows and columns are swapped",
            score_like(flipped(CONTINUES)),
            "Rows are queries, columns are keys; under a causal mask this is always 0.",
            "Print which row and which column you read for t = P.",
        ),
        Misconception(
            "induction-heads-averaged",
            "The heads are averaged away",
            score_like(CONTINUES, heads_together),
            "Induction is the work of few heads. Each has its own score.",
            "Which axes of (B, H, T, T) should be left?",
        ),
        Misconception(
            "induction-share-of-wins",
            "Wins are counted, not weights",
            score_like(CONTINUES, best=True),
            "How often the right key gets the largest weight is a fair question, but another one.",
            "What does your score say of a head with weights 0.4, 0.3, 0.3?",
        ),
        Misconception(
            "induction-sum",
            "The positions are added up",
            score_like(CONTINUES, lambda found, length: found.sum(-1)),
            "The score would grow with the length. Take the mean.",
            "Is each score between 0 and 1?",
        ),
    ),
)

INDUCTION = Task(
    (PREVIOUS, INDUCED),
    (
        "Both scores read weights at pairs (t, s): s = t - 1 for the first. Write a b c a b c on paper: "
        "which s for the second?",
        "`weights.diagonal(offset=-n, dim1=-2, dim2=-1)` gives all weights from t to t - n, (B, H, T - n). "
        "The same token stood P back, and what followed it P - 1 back.",
        "`diagonal(offset=1 - period, …)`, without its first entry (position P - 1), and the mean over axes "
        "0 and 2.",
    ),
    (
        "course_lib.heads.previous_token_scores",
        "course_lib.heads.induction_scores",
    ),
)
