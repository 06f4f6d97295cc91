"""Unit 02: learning rates for body and head; count what is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit
from course_lib.grading.unit02_freeze import Tagger, three_sizes

# ---- learning rates ----


def rates(generator: Generator) -> tuple[int, int, int, float, float]:
    body_rate = whole(generator, 1, 9) / 8192
    return *three_sizes(generator), 32 * body_rate, body_rate


def found_rates(answer: Callable, *given: Any) -> Tensor:
    """The learning rate of each parameter tensor in order; -1 where there is none, -2 where there are two."""
    *dims, head_rate, body_rate = given
    model = Tagger(*dims)
    groups = answer(model, head_rate, body_rate)
    if type(groups) not in (tuple, list) or not all(type(group) is dict for group in groups):
        raise Unfit("wanted is a list of dicts, as an optimizer takes it")
    place = {id(parameter): i for i, parameter in enumerate(model.parameters())}
    found = torch.full((len(place),), -1.0, dtype=torch.float64)
    for group in groups:
        if "params" not in group or "lr" not in group:
            raise Unfit('each dict needs the keys "params" and "lr"')
        if isinstance(group["params"], nn.Module):
            raise Unfit('"params" holds a module; an optimizer wants its parameters')
        members = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        for parameter in members:
            if id(parameter) not in place:
                raise Unfit('"params" holds something that is no parameter of the model')
            i = place[id(parameter)]
            found[i] = float(group["lr"]) if found[i] == -1 else -2.0
    return found


def each_once(got: Tensor, *_: Any) -> str | None:
    missing, twice = int((got == -1).sum()), int((got == -2).sum())
    if missing or twice:
        return f"{missing} parameter tensors are in no group, {twice} in more than one"
    return None


def right_rates(got: Tensor, *given: Any) -> str | None:
    want = found_rates(grouping(), *given)
    wrong = (~torch.isclose(got, want, rtol=1e-6, atol=0)).nonzero().flatten().tolist()
    if not wrong:
        return None
    name = list(dict(Tagger(*given[:3]).named_parameters()))[wrong[0]]
    rate = {-1.0: "no rate", -2.0: "two rates"}.get(float(got[wrong[0]]), f"the rate {got[wrong[0]]:.4g}")
    return f"{len(wrong)} of {len(got)} tensors have a wrong rate; the first is {name} with {rate}"


def grouping(
    head: Callable[[nn.Module], Iterable[Tensor]] = lambda model: model.head.parameters(),
    body: Callable[[nn.Module], Iterable[Tensor]] = lambda model: model.body.parameters(),
    of: Callable[[float, float], tuple[float, float]] = lambda h, b: (h, b),
) -> Callable[[nn.Module, float, float], list[dict]]:
    def parameter_groups(model: nn.Module, head_rate: float, body_rate: float) -> list[dict]:
        one, two = of(head_rate, body_rate)
        found = [{"params": list(head(model)), "lr": one}, {"params": list(body(model)), "lr": two}]
        return [group for group in found if group["params"]]

    return parameter_groups


GROUPS = Task(
    (
        Part(
            "parameter_groups",
            grouping(),
            ("groups, a list of dicts",),
            (
                Case(
                    "every parameter is in one group, and only one",
                    rates,
                    "What is in no group is never moved; what is in two would be moved twice.",
                    "Count the tensors in your groups and in `model.parameters()`.",
                    judge=each_once,
                ),
                Case(
                    "each has its learning rate",
                    rates,
                    "The new head learns fast, the pre-trained body slowly, all of it.",
                    "Print `[(len(g['params']), g['lr']) for g in groups]`.",
                    judge=right_rates,
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "rates-swapped",
                    "The rates are exchanged",
                    grouping(of=lambda h, b: (b, h)),
                    "The body takes the large steps: what it has learned is washed away.",
                    "Print the rates of your groups.",
                ),
                Misconception(
                    "one-rate",
                    "One rate for all: the head's",
                    grouping(of=lambda h, b: (h, h)),
                    "`body_rate` is not used.",
                    "Print the rates of your groups.",
                ),
                Misconception(
                    "body-left-out",
                    "The body is in no group",
                    grouping(body=lambda model: ()),
                    "The optimizer does not know it: it stays frozen.",
                    "Count the tensors in your groups and in `model.parameters()`.",
                ),
                Misconception(
                    "head-in-both",
                    "The head is in both groups",
                    grouping(body=lambda model: model.parameters()),
                    "`model.parameters()` includes the head. The optimizer refuses such groups.",
                    "Hand your groups to `torch.optim.AdamW`.",
                ),
                Misconception(
                    "only-matrices",
                    "Biases and norms are in no group",
                    grouping(body=lambda model: [p for p in model.body.parameters() if p.dim() > 1]),
                    "The vectors of the body were left out: they never move.",
                    "Print the shapes of what your groups leave out.",
                ),
            ),
            call=found_rates,
        ),
    ),
    (
        "An optimizer takes a list of dicts. Which keys does each need? See the lesson's `groups`.",
        'One dict for `model.head.parameters()`, one for `model.body.parameters()`, each with "params" '
        'and "lr".',
        "Make lists of the parameters: a generator is empty after it was read once.",
    ),
)

# ---- counting ----


class Partly(nn.Module):
    """A table shared by input and output, a frozen layer, a norm with buffers, a head."""

    def __init__(self, d_in: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(d_in, width)
        self.frozen = nn.Linear(width, width + 1).requires_grad_(False)
        self.norm = nn.BatchNorm1d(width + 1)  # its running averages are no parameters
        self.head = nn.Linear(width + 1, n_classes)
        self.output = nn.Linear(width, d_in, bias=False)
        self.output.weight = self.table.weight


def on_partly(answer: Callable, *given: int) -> tuple[int, int]:
    return answer(Partly(*given))


def count_reference(model: nn.Module) -> tuple[int, int]:
    seen = {
        id(p): (p.shape.numel(), p.requires_grad)
        for p in model.state_dict(keep_vars=True).values()
        if isinstance(p, nn.Parameter)
    }
    return sum(n for n, trained in seen.values() if trained), sum(n for n, _ in seen.values())


def first_right(got: Any, *given: int) -> str | None:
    want = count_reference(Partly(*given))[0]
    return None if got[0] == want else f"{got[0]:,} trained: too {'many' if got[0] > want else 'few'}"


COUNT = Task(
    (
        Part(
            "count",
            count_reference,
            ("trained (an int)", "total (an int)"),
            (
                Case(
                    "what is trained",
                    three_sizes,
                    "A frozen parameter gets no gradient. A shared one is one parameter.",
                    "Print names, shapes and `requires_grad` of `model.named_parameters()`.",
                    judge=first_right,
                ),
                Case(
                    "both numbers",
                    three_sizes,
                    "Parameters, frozen ones included; buffers are not parameters.",
                    "Add up the shapes by hand.",
                ),
            ),
            (
                Misconception(
                    "frozen-counted",
                    "Frozen parameters are counted as trained",
                    lambda model: (count_reference(model)[1],) * 2,
                    "Nothing looks at `requires_grad`.",
                    "Freeze everything and count again.",
                ),
                Misconception(
                    "tensors-counted",
                    "Tensors are counted, not numbers",
                    lambda model: (
                        sum(p.requires_grad for p in model.parameters()),
                        len(list(model.parameters())),
                    ),
                    "A matrix of 3 × 5 is one tensor and 15 numbers.",
                    "Count `nn.Linear(3, 5)`: 15 weights and 5 biases.",
                ),
                Misconception(
                    "frozen-forgotten",
                    "The total leaves out what is frozen",
                    lambda model: (count_reference(model)[0],) * 2,
                    "A frozen parameter is not trained, but it is still there.",
                    "Freeze everything: what should the total be?",
                ),
                Misconception(
                    "buffers-and-ties",
                    "The total counts a state dict",
                    lambda model: (
                        count_reference(model)[0],
                        sum(t.numel() for t in model.state_dict().values()),
                    ),
                    "A state dict lists a shared table twice, and buffers too.",
                    "Compare the names of `state_dict()` and of `named_parameters()`.",
                ),
                Misconception(
                    "counts-swapped",
                    "The two numbers are exchanged",
                    lambda model: count_reference(model)[::-1],
                    "First what is trained, then the total.",
                    "Which of the two can be larger?",
                ),
            ),
            call=on_partly,
        ),
    ),
    (
        "`p.numel()` is the number of numbers in a tensor.",
        "`model.parameters()` gives each parameter once, a shared one too, and no buffers.",
        "Two sums over `model.parameters()`: one of those with `requires_grad`, one of all.",
    ),
)
