"""Unit 08: majority and recency measured over orders; effects to predict, orders to design."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit
from course_lib.grading.unit08_common import all_different, number, one_of

# ---- measure ----


def runs(generator: Generator) -> tuple[Tensor, Tensor]:
    """orders (R, 4) and predictions (R, N), 1 for positive: balanced and unbalanced runs, shuffled."""
    fixed = ["1100", "1010", "0011", "0101", "0110", "1001", "1011", "0111", "1110", "0001", "0100", "0010"]
    orders = torch.tensor([[int(c) for c in run] for run in fixed])
    more = torch.randint(2, (whole(generator, 1, 3), 4), generator=generator)
    orders = torch.cat([orders, more])
    orders = orders[torch.randperm(len(orders), generator=generator)]
    pull = 0.35 + 0.15 * orders[:, -1:] + 0.08 * orders.sum(1, keepdim=True)
    predictions = torch.rand(len(orders), whole(generator, 6, 8), generator=generator) < pull
    return orders, predictions.long()


def agreement(predictions: Tensor, labels: Tensor) -> Tensor:
    return (predictions == labels[:, None]).float().mean()


def majority_like(
    counted: Callable[[Tensor], Tensor] = lambda ones: ones != 2,
    flip: bool = False,
    label: Callable[[Tensor], Tensor] | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    def majority(orders: Tensor, predictions: Tensor) -> Tensor:
        rows = counted(orders.sum(1))
        wanted = label(orders) if label else (orders.sum(1) > 2).long()
        share = agreement(predictions[rows], wanted[rows])
        return 1 - share if flip else share

    return majority


def recency_like(
    counted: Callable[[Tensor], Tensor] = lambda ones: ones == 2,
    column: int = -1,
    sign: int = 1,
    baseline: bool = True,
) -> Callable[[Tensor, Tensor], Tensor]:
    def recency(orders: Tensor, predictions: Tensor) -> Tensor:
        rows = counted(orders.sum(1))
        said, told = predictions[rows].float(), orders[rows][:, column]
        after_positive, after_negative = said[told == 1].mean(), said[told == 0].mean()
        return sign * (after_positive - after_negative) if baseline else after_positive

    return recency


MAJORITY, RECENCY = majority_like(), recency_like()


def effects_like(
    majority: Callable[[Tensor, Tensor], Tensor] = MAJORITY,
    recency: Callable[[Tensor, Tensor], Tensor] = RECENCY,
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return lambda orders, predictions: (majority(orders, predictions), recency(orders, predictions))


def agrees_with_last(orders: Tensor, predictions: Tensor) -> Tensor:
    rows = orders.sum(1) == 2
    return agreement(predictions[rows], orders[rows, -1])


EFFECTS_WRONG = (
    Misconception(
        "ties-have-a-majority",
        "Balanced runs are counted for the majority",
        effects_like(majority_like(counted=lambda ones: ones >= 0)),
        "Two against two has no majority. Counted as one, they pull the share towards chance.",
        "How many runs do you count, and how many of them are balanced?",
    ),
    Misconception(
        "minority-counted",
        "This is the share of the minority's label",
        effects_like(majority_like(flip=True)),
        "The label of most examples is meant.",
        "For P P P N, which label is it?",
    ),
    Misconception(
        "positive-for-majority",
        "The positive label is counted, whichever has the majority",
        effects_like(majority_like(label=lambda orders: torch.ones_like(orders[:, 0]))),
        "In some runs the negative examples are more. Without them you measure a liking for positive.",
        "For N N N P, which label do you count?",
    ),
    Misconception(
        "only-positive-majorities",
        "Only runs with a positive majority are counted",
        effects_like(majority_like(counted=lambda ones: ones > 2)),
        "A model that always says positive would look as if it followed the majority. Count the runs with a "
        "negative majority, too.",
        "Try a model that always answers positive.",
    ),
    Misconception(
        "first-example-for-last",
        "The first example is taken for the last",
        effects_like(recency=recency_like(column=0)),
        "Recency asks for the example nearest to the question: the last one.",
        "Print `orders[:, 0]` and `orders[:, -1]`.",
    ),
    Misconception(
        "recency-sign",
        "The difference has the wrong sign",
        effects_like(recency=recency_like(sign=-1)),
        "Share of positive answers after a positive example minus that after a negative one: a model that "
        "copies gives +1.",
        "Try a model that always answers like the last example.",
    ),
    Misconception(
        "agreement-for-recency",
        "This is how often the answer equals the last example",
        effects_like(recency=agrees_with_last),
        "A model without any recency agrees by chance, about half of the time. A difference is 0 then.",
        "Try a model that always answers positive.",
    ),
    Misconception(
        "no-comparison",
        "Only runs with a positive end are counted",
        effects_like(recency=recency_like(baseline=False)),
        "A model that likes positive anyway would look as if it followed the last example. Compare with "
        "the runs that end in a negative one.",
        "Try a model that always answers positive.",
    ),
    Misconception(
        "unbalanced-runs-counted",
        "Unbalanced runs are counted for recency",
        effects_like(recency=recency_like(counted=lambda ones: ones >= 0)),
        "Where positives are more, the last one is more often positive, too: the majority's pull is counted "
        "as recency.",
        "How many of the runs that you count are balanced?",
    ),
    Misconception(
        "only-unbalanced-runs",
        "Recency is measured on the unbalanced runs",
        effects_like(recency=recency_like(counted=lambda ones: ones != 2)),
        "Just there the majority pulls, too. Take the balanced ones.",
        "How many of the runs that you count are balanced?",
    ),
)
SLIPS = [  # not worth a name, but wrong all the same
    effects_like(recency=recency_like(column=1)),
    effects_like(recency=recency_like(column=2)),
    effects_like(majority_like(label=lambda orders: torch.zeros_like(orders[:, 0]))),
]
measured = all_different(runs, [effects_like(), *(one.imposter for one in EFFECTS_WRONG), *SLIPS])


BOTH = ("majority", "recency")


def to_number(value: Any) -> Any:
    """A float, rounded so that the order of a sum does not show."""
    value = number(value)
    return round(float(value), 5) if type(value) in (int, float) else value


def effect(index: int, name: str, idea: str, experiment: str) -> Case:
    call = one_of(index, BOTH, to_number)
    return Case(name, measured, idea, experiment, call=call, names=BOTH[index : index + 1])


EFFECTS = Part(
    "effects",
    effects_like(),
    BOTH,
    (
        effect(
            0,
            "the pull of the majority",
            "In the runs whose examples are not balanced: how often does the answer equal the label of most "
            "examples?",
            "Take two runs, P P P N and P N P N, with two answers each, and count by hand.",
        ),
        effect(
            1,
            "the pull of the last example",
            "In the balanced runs: the share of positive answers after a positive last example minus that "
            "after a negative one.",
            "Which number should a model get that always answers positive? And one that copies?",
        ),
    ),
    EFFECTS_WRONG,
)

# ---- predict ----

SIX = ["".join(order) for order in sorted(set(permutations("PPNN")))]


def answers_of(model: str) -> list[list[float]]:
    """What each of four models says, in every order, about a positive and about a negative text."""
    says = {
        "copies_last": lambda order, text: order[-1] == "P",
        "copies_first": lambda order, text: order[0] == "P",
        "always_positive": lambda order, text: True,
        "perfect": lambda order, text: text == "P",
    }[model]
    return [[float(says(order, text)) for text in "PN"] for order in SIX]


def recency_of(model: str) -> float:
    after: dict[str, list[float]] = {"P": [], "N": []}
    for order, said in zip(SIX, answers_of(model), strict=True):
        after[order[-1]] += said
    return sum(after["P"]) / len(after["P"]) - sum(after["N"]) / len(after["N"])


MODELS = ("copies_last", "always_positive", "perfect", "copies_first")


def measured_effects() -> dict[str, float]:
    """The recency effect of the four models, run."""
    return {model: recency_of(model) for model in MODELS}


def rounded(answer: Callable) -> dict[str, float]:
    made = answer()
    if type(made) is not dict or any(name not in made for name in MODELS):
        raise Unfit(f"wanted is a dict with the keys {', '.join(MODELS)}")
    if wrong := [name for name in MODELS if type(made[name]) not in (int, float)]:
        raise Unfit(f"{wrong[0]} is a {type(made[wrong[0]]).__name__}; wanted is a number")
    return {name: round(float(made[name]), 2) + 0.0 for name in MODELS}


def model_case(name: str, idea: str, experiment: str) -> Case:
    return Case(
        name,
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: (
            None
            if abs(got[name] - measured_effects()[name]) < 0.015
            else f"for {name} you predict {got[name]:g}; counted out, it is another number"
        ),
    )


PREDICT = Part(
    "predict",
    measured_effects,
    ("a number for each of copies_last, always_positive, perfect, copies_first",),
    (
        model_case(
            "copies_last",
            "After a positive last example it always says positive, after a negative one never.",
            "Write the two shares below each other and subtract.",
        ),
        model_case(
            "always_positive",
            "The last example changes nothing.",
            "Write the two shares below each other and subtract.",
        ),
        model_case(
            "perfect",
            "Half of the texts are positive, whatever stands last.",
            "Write the two shares below each other and subtract.",
        ),
        model_case(
            "copies_first",
            "With two P and two N, a P at the end leaves one P and two N for the other places.",
            "Write down the three orders that end in P. In how many of them does P stand first?",
        ),
    ),
    (
        Misconception(
            "agreement-predicted",
            "These are shares of agreement with the last example",
            lambda: {"copies_last": 1, "always_positive": 0.5, "perfect": 0.5, "copies_first": 1 / 3},
            "The effect is a difference of two shares: 0 when the last example does not matter.",
            "For the model that always says positive: which two shares are subtracted?",
        ),
        Misconception(
            "first-cannot-matter",
            "First and last are taken to be independent",
            lambda: measured_effects() | {"copies_first": 0},
            "Among all six orders they are not: where P stands last, only one P is left, and it stands "
            "first in one of three orders.",
            "Write down the three orders that end in P. In how many of them does P stand first?",
        ),
        Misconception(
            "first-has-the-same-sign",
            "The sign of the last number is lost",
            lambda: measured_effects() | {"copies_first": 1 / 3},
            "P first goes with N last more often than not: the effect is negative.",
            "In how many of the orders that end in N does P stand first?",
        ),
        Misconception(
            "accuracies-predicted",
            "These are accuracies",
            lambda: {"copies_last": 0.5, "always_positive": 0.5, "perfect": 1, "copies_first": 0.5},
            "Accuracy tells how good the answers are, not what drives them.",
            "For the perfect model: which two shares are subtracted?",
        ),
        Misconception(
            "liking-is-recency",
            "A liking for one label is taken for recency",
            lambda: measured_effects() | {"always_positive": 1},
            "It says positive after a negative last example, too: 1 - 1.",
            "What does it say in the orders that end in N?",
        ),
    ),
    call=rounded,
)

# ---- design ----


def share_first(orders: list[str], last: str) -> float:
    """Among the orders that end in `last`, the share that begins with P."""
    ending = [order for order in orders if order[-1] == last]
    return sum(order[0] == "P" for order in ending) / len(ending)


def looked_over(answer: Callable) -> tuple[bool, bool, float]:
    """All balanced? As many end in P as in N? How much does the first label tell of the last?"""
    orders = answer()
    if type(orders) not in (list, tuple) or not orders or any(type(one) is not str for one in orders):
        raise Unfit('wanted is a list of strings such as "PNNP"')
    if wrong := [one for one in orders if len(one) != 4 or set(one) - {"P", "N"}]:
        raise Unfit(f"{wrong[0]!r} is no order of four letters P and N")
    balanced = all(order.count("P") == 2 for order in orders)
    last = [order[-1] for order in orders]
    if len(set(last)) == 1:
        return balanced, False, 0.0
    return balanced, last.count("P") * 2 == len(last), share_first(orders, "P") - share_first(orders, "N")


def untangled(got: tuple[bool, bool, float]) -> str | None:
    if not got[1]:
        return "first the orders need both endings, equally often"
    if abs(got[2]) < 1e-9:
        return None
    return f"after ends in P and in N, the shares that begin with P differ by {got[2]:+.2f}"


DESIGN = Part(
    "orders",
    lambda: ["PNNP", "NPNP", "PNPN", "NPPN"],
    ("a list of orders such as 'PNNP'",),
    (
        Case(
            "no order has a majority",
            lambda generator: (),
            "Two P and two N in each, or the majority pulls as well.",
            "Count the letters of each order.",
            judge=lambda got: None if got[0] else "an order has more of one label",
        ),
        Case(
            "as many end in P as in N",
            lambda generator: (),
            "The two groups are compared; both must be there.",
            "Sort your orders by their last letter.",
            judge=lambda got: None if got[1] else "the two endings are not equally often there",
        ),
        Case(
            "the first label tells nothing of the last",
            lambda generator: (),
            "Else a model that copies the first label gets a recency effect, as you predicted above.",
            "Compute the effect of the model `copies_first` for your orders.",
            judge=untangled,
        ),
    ),
    (
        Misconception(
            "every-order",
            "All six orders are taken",
            lambda: SIX,
            "The natural choice, and the trap: where P stands last, it stands first in one of three orders; "
            "where N does, in two of three.",
            "Which of the six would you leave out?",
        ),
        Misconception(
            "first-equals-last",
            "The first label is always the last one, too",
            lambda: ["PNNP", "NPPN"],
            "Nobody could say whether the first or the last example pulls.",
            "Compute the effect of the model `copies_first` for your orders.",
        ),
        Misconception(
            "first-opposes-last",
            "The first label is always the other one",
            lambda: ["PPNN", "NNPP"],
            "A model that avoids the first label would look as if it followed the last.",
            "Compute the effect of the model `copies_first` for your orders.",
        ),
        Misconception(
            "unbalanced-orders",
            "The orders are not balanced",
            lambda: ["PPNP", "NPPP", "NPNN", "PNNN"],
            "Where P stands last it has the majority as well: two biases, one number.",
            "Count the letters of each order.",
        ),
        Misconception(
            "one-ending-only",
            "All orders have the same ending",
            lambda: ["PNNP", "NPNP", "NNPP"],
            "Without the other ending there is nothing to compare with.",
            "Sort your orders by their last letter.",
        ),
    ),
    call=looked_over,
)

BIAS = Task(
    (EFFECTS, PREDICT, DESIGN),
    (
        "Count the positives of each run: `orders.sum(1)`. Which runs can speak of the majority, which of "
        "the last example without it?",
        "Balanced runs have 2 positives. Among these, `predictions[orders[:, -1] == 1]` are the answers "
        "after a positive last example. Both shares are means; subtract.",
        "For predict and the design write down all six orders of P P N N, those that end in P on the left, "
        "those that end in N on the right, and look at their first letters. Two of the six have to go.",
    ),
)
