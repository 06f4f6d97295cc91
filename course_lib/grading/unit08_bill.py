"""Unit 08: a bug hunt in GPT-3's bill: epochs, computation, energy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.compare import short
from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit08_common import number, one_of


def purchase(generator: Generator) -> tuple[Tensor, Tensor, float, float, float]:
    """sizes (K,) in tokens, percent (K,), parameters, tokens, flops_per_joule"""
    K = whole(generator, 3, 5)
    sizes = (torch.rand(K, generator=generator) * 300 + 5) * 1e9
    shares = torch.rand(K, generator=generator) + 0.1
    parameters = whole(generator, 2, 90) * 1e9
    tokens = whole(generator, 100, 900) * 1e9
    return sizes, 100 * shares / shares.sum(), parameters, tokens, whole(generator, 20, 90) * 1e9


def bill_like(
    epochs: Callable[..., Tensor] = lambda sizes, percent, tokens: percent / 100 * tokens / sizes,
    per_parameter: float = 6,
    joules_per_kwh: float = 3.6e6,
) -> Callable[..., tuple[Tensor, float, float]]:
    def bill(
        sizes: Tensor, percent: Tensor, parameters: float, tokens: float, flops_per_joule: float
    ) -> tuple[Tensor, float, float]:
        flops = per_parameter * parameters * tokens
        return epochs(sizes, percent, tokens), flops, flops / flops_per_joule / joules_per_kwh

    return bill


def inverse(sizes: Tensor, percent: Tensor, tokens: float) -> Tensor:
    return sizes / (percent / 100 * tokens)


LEFT = {
    "epochs": ("the epochs upside down", {"epochs": inverse}),
    "flops": ("the forward pass only", {"per_parameter": 2}),
    "kwh": ("watt-hours, not kilowatt-hours", {"joules_per_kwh": 3600}),
}
WHY = {
    "epochs": "An epoch is one reading of a source: tokens drawn from it, divided by its size.",
    "flops": "2 operations a parameter and token are the forward pass; the backward pass costs twice as "
    "much. Training takes 6.",
    "kwh": "A kilowatt-hour is 1,000 watts for 3,600 seconds: 3.6 million joules.",
}
TRY = {
    "epochs": "A source of 3 billion tokens gives 9 billion: how often was it read?",
    "flops": "Which number stands for one forward and one backward pass?",
    "kwh": "How many joules does a heater of 1 kilowatt turn into heat in an hour?",
}


def left(*bugs: str) -> Misconception:
    what = " and ".join(LEFT[bug][0] for bug in bugs)
    title = f"A bug is left: {what}" if len(bugs) == 1 else f"{len(bugs)} bugs are left: {what}"
    changed = {key: value for bug in bugs for key, value in LEFT[bug][1].items()}
    why = " ".join(WHY[bug] for bug in bugs)
    return Misconception("bug-left-" + "-".join(bugs), title, bill_like(**changed), why, TRY[bugs[0]])


NAMES = ("epochs (K,)", "operations (a float)", "kilowatt-hours (a float)")


def row(name: str, part: int, idea: str, experiment: str) -> Case:
    def judge(got: Tensor | float, *given: object) -> str | None:
        mine, right = (torch.as_tensor(one).double() for one in (got, bill_like()(*given)[part]))
        ratio = (mine / right).flatten()
        if torch.allclose(ratio, torch.ones_like(ratio), rtol=1e-4):
            return None
        factors = ", ".join(f"{float(r):.3g}" for r in ratio[:3])
        return f"{what}: {factors} times what it should be"

    what = short(NAMES[part])
    call = one_of(part, NAMES, number)
    return Case(name, purchase, idea, experiment, judge=judge, call=call, names=NAMES[part : part + 1])


BUG = Task(
    (
        Part(
            "repaired",
            bill_like(),
            NAMES,
            (
                row("how often each source is read", 0, WHY["epochs"], TRY["epochs"]),
                row("operations of the whole training", 1, WHY["flops"], TRY["flops"]),
                row("energy in kilowatt-hours", 2, WHY["kwh"], TRY["kwh"]),
            ),
            (
                left("epochs"),
                left("flops"),
                left("kwh"),
                left("epochs", "flops"),
                left("epochs", "kwh"),
                left("flops", "kwh"),
                left("epochs", "flops", "kwh"),
                Misconception(
                    "percent-as-a-share",
                    "Percent are taken as a share",
                    bill_like(lambda sizes, percent, tokens: percent * tokens / sizes),
                    "60 % is 0.6. A hundred times too many epochs.",
                    "Add up the tokens drawn from all sources: do they exceed `tokens`?",
                ),
                Misconception(
                    "weight-forgotten",
                    "Every source is read as if all tokens came from it",
                    bill_like(lambda sizes, percent, tokens: tokens / sizes),
                    "Only its percentage of the tokens is drawn from a source.",
                    "Double one percentage: what should happen to its epochs?",
                ),
                Misconception(
                    "size-decides",
                    "All sources are read equally often",
                    bill_like(lambda sizes, percent, tokens: tokens / sizes.sum() + 0 * sizes),
                    "So it would be if each were drawn by its size. GPT-3's mixture prefers small good ones.",
                    "Double one percentage: what should happen to its epochs?",
                ),
                Misconception(
                    "backward-only",
                    "Only the backward pass is counted",
                    bill_like(per_parameter=4),
                    "The backward pass costs 4 operations a parameter and token, and the forward pass 2.",
                    "Which number stands for both passes?",
                ),
                Misconception(
                    "watt-seconds",
                    "The energy is in joules",
                    bill_like(joules_per_kwh=1),
                    "Operations by operations-per-joule are joules. A kilowatt-hour has 3.6 million of them.",
                    "How many joules does a heater of 1 kilowatt turn into heat in an hour?",
                ),
            ),
        ),
    ),
    (
        "Three numbers, three questions: drawn by size or size by drawn? One pass or both? Which unit?",
        "Epochs are tokens drawn from a source, divided by its size. Training costs 6 operations a parameter "
        "and token. A kilowatt-hour is 1,000 watts for 3,600 seconds.",
        "`percent / 100 * tokens / sizes`; `6 * parameters * tokens`; joules divided by 3.6e6.",
    ),
)
