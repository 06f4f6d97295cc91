"""Unit 07: an experiment to design; and the last task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from course_lib.grading.designs import faultless
from course_lib.grading.task import Misconception, Part, Task, Unfit
from course_lib.grading.unit07_predict import PREDICTED

KEYS = ("order", "layers", "rate", "seed", "steps")
CHOICES = {
    "order": ("pre", "post"),
    "layers": (2, 6, 12, 24),
    "rate": (1e-4, 3e-4, 1e-3, 3e-3),
    "steps": (200, 400),
}
BUDGET = 36


def grid(
    layers: tuple[int, ...] = (2, 12),
    seeds: int = 3,
    rates: dict[str, tuple[float, ...]] | tuple[float, ...] = (1e-4, 3e-4, 1e-3),
    steps: dict[str, int] | int = 400,
    orders: tuple[str, ...] = ("pre", "post"),
) -> Callable[[], list[dict]]:
    """Every combination; rates and steps may be an order's own."""

    def runs() -> list[dict]:
        return [
            {"order": order, "layers": depth, "rate": rate, "seed": seed, "steps": own_steps}
            for order in orders
            for own_steps in [steps[order] if isinstance(steps, dict) else steps]
            for depth in layers
            for rate in (rates[order] if isinstance(rates, dict) else rates)
            for seed in range(seeds)
        ]

    return runs


def rows_of(answer: Callable) -> list[tuple]:
    """The runs as rows of KEYS."""
    made = answer()
    if type(made) not in (list, tuple) or not made or any(type(run) is not dict for run in made):
        raise Unfit("wanted is a list of dicts, one a run")
    if strange := [run for run in made if set(run) != set(KEYS)]:
        raise Unfit(f"a run has the keys {', '.join(map(str, strange[0]))}; wanted are {', '.join(KEYS)}")
    for key, allowed in CHOICES.items():
        if strange := [run[key] for run in made if run[key] not in allowed]:
            raise Unfit(f"{key} = {strange[0]!r}; choose from {', '.join(map(str, allowed))}")
    if any(type(run["seed"]) is not int for run in made):
        raise Unfit("a seed is an int")
    return [tuple(run[key] for key in KEYS) for run in made]


def unfair(rows: list[tuple]) -> str:
    """What differs between the orders besides the order."""
    pre, post = ({row[1:] for row in rows if row[0] == order} for order in CHOICES["order"])
    if not pre or not post:
        return "one order is missing"
    uneven = [key for i, key in enumerate(KEYS[1:]) if {row[i] for row in pre} != {row[i] for row in post}]
    if uneven:
        return f"pre and post differ in {', '.join(uneven)} as well"
    return "" if pre == post else "pre and post have the same values, but not in the same combinations"


def depths(rows: list[tuple]) -> str:
    layers = {row[1] for row in rows}
    if len(layers) == 1:
        return "all runs have the same depth"
    return "" if layers & {2, 6} and layers & {12, 24} else "shallow and deep (12 or more) are not both there"


def fewest(rows: list[tuple], axis: int) -> int:
    """The smallest number of different values on `axis` among runs alike in what stands before it."""
    groups: dict[tuple, set] = {}
    for row in rows:
        groups.setdefault(row[:axis], set()).add(row[axis])
    return min(map(len, groups.values()))


def one_rate(rows: list[tuple]) -> str:
    return "" if fewest(rows, 2) > 1 else "an order at some depth has a single learning rate"


def few_seeds(rows: list[tuple]) -> str:
    return "" if fewest(rows, 3) > 2 else "some setting has fewer than three seeds"


def waste(rows: list[tuple]) -> str:
    if len(rows) > BUDGET:
        return f"there are more than {BUDGET} runs"
    return "" if len(set(rows)) == len(rows) else "some run is there twice"


runs_case = partial(faultless, rows_of, names="what the runs can show")


RUNS = Part(
    "runs",
    grid(),
    ("what the runs can show",),
    (
        runs_case(
            unfair,
            "both orders get the same runs",
            "Whatever differs besides the order could be the cause as well.",
            "Take the order out of each run: are the two halves the same?",
        ),
        runs_case(
            depths,
            "a shallow and a deep network",
            "The claim is about depth. One depth cannot show what depth changes.",
            "Which sentence about depth could your runs prove wrong?",
        ),
        runs_case(
            one_rate,
            "several learning rates in each setting",
            "Post-LN may just want a smaller learning rate. Each order is judged at its best.",
            "If post-LN fails at 1e-3, what do you know about 1e-4?",
        ),
        runs_case(
            few_seeds,
            "at least three seeds for each",
            "Two runs of one setting differ, too. Without a spread, no difference means anything.",
            "Count the runs that differ in nothing but the seed.",
        ),
        runs_case(
            waste,
            f"at most {BUDGET} runs, none twice",
            "Runs cost time. Spend them on what the question needs.",
            "Multiply: orders · depths · rates · seeds.",
        ),
    ),
    (
        Misconception(
            "one-seed",
            "Too few seeds",
            grid(seeds=1),
            "A lucky or an unlucky start would decide. From three on there is a spread to compare with.",
            "Count the runs that differ in nothing but the seed.",
        ),
        Misconception(
            "own-rates",
            "Each order has its own learning rate",
            grid(rates={"pre": (1e-3,), "post": (1e-4,)}),
            "If pre-LN wins, is it the order or the rate? Give both the same rates, and judge each at its "
            "best.",
            "Take the order out of each run: are the two halves the same?",
        ),
        Misconception(
            "one-rate",
            "Everything runs at one learning rate",
            grid(rates=(1e-3,)),
            "A rate that suits the one order may not suit the other.",
            "If post-LN fails at 1e-3, what do you know about 1e-4?",
        ),
        Misconception(
            "one-depth",
            "There is a single depth",
            grid(layers=(12,)),
            "You would learn which is better, not what depth has to do with it.",
            "Which sentence about depth could your runs prove wrong?",
        ),
        Misconception(
            "unequal-steps",
            "One order trains for longer",
            grid(steps={"pre": 400, "post": 200}),
            "More training is better for either.",
            "Take the order out of each run: are the two halves the same?",
        ),
        Misconception(
            "only-one-order",
            "Only one order is run",
            grid(orders=("post",)),
            "Without the other nothing is compared.",
            "List what differs between your runs.",
        ),
        Misconception(
            "too-expensive",
            "The budget is overspent",
            grid(layers=(2, 6, 12, 24)),
            "Two depths answer the question; four cost twice as much.",
            "Multiply: orders · depths · rates · seeds.",
        ),
    ),
)

PREDICT = Task(
    (PREDICTED, RUNS),
    (
        "Count each number on a tiny example first: T = 4, band 2, one layer. Then look for the formula.",
        "1 + 2 + … + T is T(T + 1)/2; in a band the first tokens see ever more, the others `width`; "
        "the cache holds keys and values of the key heads; 24 parts add to the stream of 12 layers.",
        "For the design: a loop over both orders, two depths, three rates, three seeds, all with the same "
        "steps, is 36 runs. `0.02 / math.sqrt(24)` is the spread.",
    ),
)
