"""Unit 03: a probe with bugs, error reduction, predictions, and a design of one's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from course_lib.grading.compare import is_tensor
from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit


def number(answer: Callable, *arguments: Tensor) -> Tensor:
    """One number, as a tensor; a Python float will do."""
    value = answer(*arguments)
    if type(value) is float:
        return torch.tensor(value)
    if is_tensor(value) and value.is_floating_point() and value.numel() == 1:
        return value.float().reshape(())
    raise Unfit("wanted is one number: a float, or a tensor with one")


# ---- a probe with bugs ----


def probe_reference(x: Tensor, y: Tensor, is_train: Tensor) -> Tensor:
    """Row by row, with plain loops."""
    classes = sorted(set(y.tolist()))
    means = {c: x[is_train & (y == c)].mean(0) for c in classes}
    right = [
        float(min(classes, key=lambda c: float((row - means[c]).square().sum())) == label)
        for row, label, train in zip(x, y.tolist(), is_train.tolist(), strict=True)
        if not train
    ]
    return torch.tensor(sum(right) / len(right))


def probe_variant(leak: bool = False, ask: str = "new", far: bool = False) -> Callable[..., Tensor]:
    """The probe with some of its bugs left in."""

    def probe(x: Tensor, y: Tensor, is_train: Tensor) -> Tensor:
        learn = torch.ones_like(is_train) if leak else is_train
        classes = y.unique()
        means = torch.stack([x[learn & (y == c)].mean(0) for c in classes])
        distance = torch.cdist(x, means)
        said = classes[distance.argmax(1) if far else distance.argmin(1)]
        asked = {"new": ~is_train, "train": is_train, "all": torch.ones_like(is_train)}[ask]
        return (said == y)[asked].float().mean()

    return probe


def majority(x: Tensor, y: Tensor, is_train: Tensor) -> Tensor:
    return (y[~is_train] == y[is_train].mode().values).float().mean()


KINDS = [  # the first is right
    probe_variant(leak, ask, far)
    for leak, ask, far in itertools.product((False, True), ("new", "train", "all"), (False, True))
]


def occurrences(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Few noisy vectors, drawn until every way to do it gives another accuracy."""
    for _ in range(400):
        n, d = 41, sizes(generator, 1, 9, 14)[0]
        y = torch.randint(3, (n,), generator=generator) + 4
        is_train = torch.rand(n, generator=generator) < 0.45
        x = normal(generator, n, d)
        x[:, 0] += 0.9 * (y - 5)
        if any((is_train & (y == c)).sum() < 3 for c in (4, 5, 6)) or is_train.sum() > 28:
            continue
        shares = [float(kind(x, y, is_train)) for kind in [*KINDS, majority]]
        shares.append(1 - shares[0])  # half and half would hide an inverted comparison
        if len({round(share, 4) for share in shares}) == len(shares):
            return x, y, is_train
    raise RuntimeError("no inputs found that tell all probes apart")


def random_labels(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Labels that have nothing to do with the vectors: many numbers, few rows."""
    y = torch.arange(400) % 2
    is_train = torch.arange(400) % 4 < 2
    return normal(generator, 400, 600), y, is_train


def near_chance(got: Tensor, *_: Tensor) -> str | None:
    value = float(got)
    return None if 0.34 < value < 0.66 else f"the accuracy on labels drawn at random is {value:.2f}"


BUGS = {
    "leak": "the probe learns from the sentences it is asked about",
    "train": "it is scored on the sentences it learned from",
    "far": "it names the sense whose mean is farthest",
}


def left_in(*names: str) -> Misconception:
    count = {1: "One bug is left", 2: "Two bugs are left", 3: "All three bugs are still in"}[len(names)]
    wrong = probe_variant("leak" in names, "train" if "train" in names else "new", "far" in names)
    return Misconception(
        "bug-left-" + "-".join(names),
        count,
        wrong,
        f"What is computed: {', and '.join(BUGS[name] for name in names)}.",
        "Give every sentence a random label: an honest probe is then right half of the time.",
    )


PROBE = Task(
    (
        Part(
            "repaired_probe",
            probe_reference,
            ("accuracy, one number",),
            (
                Case(
                    "right for three senses and an uneven split",
                    occurrences,
                    "Means from the training rows, the nearest mean for each other row, and the share of the "
                    "others that is right.",
                    "Four vectors on a line, two of them training rows: do it by hand.",
                    worth=3,
                ),
                Case(
                    "near chance where labels are drawn at random",
                    random_labels,
                    "What is not in the vectors cannot be read from them. If a probe finds it, it has seen "
                    "the answers.",
                    "Count the rows that are used for the means and for the score. Do the two sets meet?",
                    judge=near_chance,
                    telling=False,
                ),
            ),
            (
                left_in("leak"),
                left_in("train"),
                left_in("far"),
                left_in("leak", "train"),
                left_in("leak", "far"),
                left_in("train", "far"),
                left_in("leak", "train", "far"),
                Misconception(
                    "scored-on-all",
                    "It is scored on all sentences, the training ones included",
                    probe_variant(ask="all"),
                    "Part of the score is from sentences the probe has seen.",
                    "How many rows does your score average over?",
                ),
                Misconception(
                    "leaked-and-scored-on-all",
                    "The split is not used at all",
                    probe_variant(leak=True, ask="all"),
                    "It learns from all sentences and is scored on all.",
                    "Search your code for `is_train`.",
                ),
                Misconception(
                    "majority",
                    "The most frequent sense is named each time",
                    majority,
                    "That is the baseline to beat; the vectors take no part.",
                    "Change x and see whether the accuracy moves.",
                ),
            ),
            call=number,
        ),
    ),
    (
        "Two sets of rows: those to learn from and those to be asked about. Which rows does each line use?",
        "One bug is where the means are made, one in the choice among distances, one in the last line.",
        "Means from `x[is_train & (y == c)]`; the smallest distance wins; the score is over `~is_train`.",
    ),
)

# ---- error reduction ----


def reduction_reference(before: Tensor, after: Tensor) -> Tensor:
    return 100 - 100 * (100 - after) / (100 - before)


def scores(generator: Generator) -> tuple[Tensor, Tensor]:
    n = sizes(generator, 1, 4, 8)[0]
    before = 30 + 60 * torch.rand(n, generator=generator)
    return before, before + (100 - before) * (0.1 + 0.7 * torch.rand(n, generator=generator))


def worse(generator: Generator) -> tuple[Tensor, Tensor]:
    before, after = scores(generator)
    return after, before


REDUCTION = Task(
    (
        Part(
            "error_reduction",
            reduction_reference,
            ("percent (n,)",),
            (
                Case(
                    "right for random scores",
                    scores,
                    "The share of the remaining errors, 100 − baseline, that went away, in percent.",
                    "From 80 to 90: how many of the 20 points of error are gone?",
                    worth=2,
                ),
                Case(
                    "negative where the score fell",
                    worse,
                    "A model that got worse has more errors than before.",
                    "From 90 to 80: errors went from 10 to 20.",
                ),
            ),
            (
                Misconception(
                    "relative-to-score",
                    "The gain is divided by the baseline's score",
                    lambda before, after: 100 * (after - before) / before,
                    "That is the relative gain of the score. The slide divides by what was missing.",
                    "SQuAD: 81.1 to 85.8 should give 24.9.",
                ),
                Misconception(
                    "relative-to-new-errors",
                    "The gain is divided by the errors that are left",
                    lambda before, after: 100 * (after - before) / (100 - after),
                    "The errors there were to begin with are those of the baseline.",
                    "From 80 to 90 should give 50.",
                ),
                Misconception(
                    "absolute",
                    "This is the gain in points",
                    lambda before, after: after - before,
                    "The slide's first number; the second one is relative.",
                    "SQuAD: 81.1 to 85.8 should give 24.9.",
                ),
                Misconception(
                    "fraction",
                    "A fraction instead of percent",
                    lambda before, after: (after - before) / (100 - before),
                    "Right but for the unit.",
                    "From 80 to 90 should give 50.",
                ),
                Misconception(
                    "errors-left",
                    "This is the share of errors that is left",
                    lambda before, after: 100 * (100 - after) / (100 - before),
                    "The two shares sum to 100 percent.",
                    "From 80 to 80: nothing is gained. What should come out?",
                ),
            ),
        ),
    ),
    (
        "How many points of error had the baseline? How many of them are gone?",
        "The errors of a score are what is missing to 100: write both in these terms.",
        "`100 * (after - before) / (100 - before)`.",
    ),
)

# ---- predict, and design ----

TRUTH = {"A": 50, "B": 50, "C": 100, "D": 100, "E": 50}


def situation(name: str, idea: str, experiment: str) -> Case:
    return Case(
        f"situation {name}",
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: None if got == TRUTH[name] else f"you predict {got}; measured, it is another",
        call=lambda answer: predicted(answer(), name),
        names=("percent",),
    )


def predicted(made: Any, name: str) -> Any:
    if type(made) is not dict or name not in made:
        raise Unfit(f"no prediction for {name}: return a dict with the keys A, B, C, D and E")
    return made[name]


def designed(answer: Callable) -> Tensor:
    rows = answer()
    if not is_tensor(rows) or rows.dtype != torch.int64 or rows.dim() != 2 or rows.shape[1] != 3:
        raise Unfit("wanted is an int64 tensor (n, 3): left, middle, right")
    if not 4 <= len(rows) <= 1000:
        raise Unfit(f"{len(rows)} sentences; wanted are 4 to 1,000")
    left, middle, right = (rows[:, i].unique(return_inverse=True)[1] for i in range(3))
    both = left * (int(right.max()) + 1) + right
    blind = middle.bincount().max() / len(rows)
    return torch.stack([blind, told(left, middle), told(right, middle), surest(both, middle)])


def shares(given: Tensor, middle: Tensor) -> Tensor:
    """A row for each value of `given`: how often each middle word stands beside it."""
    table = torch.zeros(int(given.max()) + 1, int(middle.max()) + 1)
    table.index_put_((given, middle), torch.ones(len(given)), accumulate=True)
    table = table[table.sum(1) > 0]
    return table / table.sum(1, keepdim=True)


def told(given: Tensor, middle: Tensor) -> Tensor:
    """How far the middle's shares move when `given` is known: 0 when it tells nothing."""
    plain = shares(torch.zeros_like(given), middle)
    return (shares(given, middle) - plain).abs().max()


def surest(given: Tensor, middle: Tensor) -> Tensor:
    """The least sure case: 1 when `given` always decides the middle."""
    return shares(given, middle).max(1).values.min()


def varied(got: Tensor) -> str | None:
    if got[0] > 0.75:
        return f"the middle word is the same in {got[0]:.0%} of the sentences; wanted is at most 75 %"
    return None


def one_side_blind(got: Tensor) -> str | None:
    if wrong := varied(got):
        return wrong
    for name, share in zip(("left", "right"), got[1:3], strict=True):
        if share > 1e-4:
            return f"knowing the {name} word alone moves the chances of a middle word by {share:.0%}"
    return None


def both_sides_see(got: Tensor) -> str | None:
    if wrong := varied(got):
        return wrong
    return None if got[3] > 1 - 1e-6 else "the same left and right words stand around different middles"


def table_of(middle: Callable[[int, int], int]) -> Callable[[], Tensor]:
    return lambda: torch.tensor([[a, middle(a, b), b] for a in (0, 1) for b in (0, 1)])


def coin() -> Tensor:
    return torch.tensor(list(itertools.product((0, 1), repeat=3)))


PREDICT = Task(
    (
        Part(
            "predict",
            lambda: dict(TRUTH),
            ("{'A': percent, 'B': percent, 'C': percent, 'D': percent, 'E': percent}",),
            (
                situation(
                    "A",
                    "One vector for a word gives a probe one input, and so one answer.",
                    "Skip-gram: print the vectors of two occurrences.",
                ),
                situation(
                    "B",
                    "The forward half at t has read the words up to t.",
                    "Cross out what comes after the word. Is the clue still there?",
                ),
                situation(
                    "C",
                    "The backward half at t has read from the end back to t.",
                    "Cross out what comes before the word. Is the clue still there?",
                ),
                situation(
                    "D",
                    "Side by side, the halves hold what either of them holds.",
                    "If one half is enough, are two?",
                ),
                situation(
                    "E",
                    "Layer 0 is the word before anything was read.",
                    "Print layer 0 of two occurrences of one word.",
                ),
            ),
            (
                Misconception(
                    "sides-swapped",
                    "The halves are swapped",
                    lambda: TRUTH | {"B": 100, "C": 50},
                    "Forward means: reads from the left. The clue on the right is still to come.",
                    "Which words has the forward half read when it reaches the word?",
                ),
                Misconception(
                    "fixed-is-enough",
                    "A fixed vector is taken to know the sense",
                    lambda: TRUTH | {"A": 100, "E": 100},
                    "It is the same in every sentence, whatever it was trained on.",
                    "Print the vectors of two occurrences.",
                ),
                Misconception(
                    "layer-zero",
                    "Layer 0 is taken for a contextual vector",
                    lambda: TRUTH | {"E": 100},
                    "No word has been read yet: layer 0 is the embedding.",
                    "Print layer 0 of two occurrences of one word.",
                ),
                Misconception(
                    "halves-average",
                    "Two halves are taken to score between the two",
                    lambda: TRUTH | {"D": 75},
                    "The probe may read the half that knows and leave the other alone.",
                    "If one half is enough, are two?",
                ),
                Misconception(
                    "halves-see-all",
                    "A half is taken to see both sides",
                    lambda: TRUTH | {"B": 100},
                    "The forward half has not read what comes after the word.",
                    "Cross out what comes after the word. Is the clue still there?",
                ),
            ),
        ),
        Part(
            "hard_for_elmo",
            table_of(lambda a, b: a ^ b),
            ("sentences (n, 3)",),
            (
                Case(
                    "one side alone tells nothing about the middle",
                    lambda generator: (),
                    "For each left word, all middle words must be as likely as they are anyway; the same for "
                    "each right word.",
                    "List your sentences by their first word and count the middles in each group.",
                    judge=one_side_blind,
                ),
                Case(
                    "both sides together decide the middle",
                    lambda generator: (),
                    "The same left and right words never stand around two different middles.",
                    "List your sentences by first and last word: is there one middle in each group?",
                    judge=both_sides_see,
                ),
            ),
            (
                Misconception(
                    "copies-left",
                    "The middle follows from the left word alone",
                    table_of(lambda a, b: a),
                    "The forward model solves this.",
                    "Cover the right word. Can you still tell the middle?",
                ),
                Misconception(
                    "copies-right",
                    "The middle follows from the right word alone",
                    table_of(lambda a, b: b),
                    "The backward model solves this.",
                    "Cover the left word. Can you still tell the middle?",
                ),
                Misconception(
                    "and",
                    "One side tells a part of the answer",
                    table_of(lambda a, b: a & b),
                    "With *and*, a left 0 already decides the middle.",
                    "Cover the right word, and take a sentence that begins with 0.",
                ),
                Misconception(
                    "coin",
                    "Nothing decides the middle",
                    coin,
                    "It is hard for everybody: no reader of both sides can know it either.",
                    "Find two sentences with the same first and last words.",
                ),
                Misconception(
                    "constant",
                    "The middle is always the same",
                    table_of(lambda a, b: 0),
                    "Then nobody needs to read at all.",
                    "Count the different middle words.",
                ),
            ),
            call=designed,
        ),
    ),
    (
        "For each situation: which words has this vector seen, and is the clue among them?",
        "A probe sees only the vector. Where all occurrences share one vector, its answer is one; where the "
        "clue is in it, a good probe finds it.",
        "For the design: four sentences are enough. Let two coins fall; the middle says whether they agree.",
    ),
)
