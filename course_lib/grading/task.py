"""What a graded task is made of. Plain data: `unitNN.py` fills it in, `checking.py` runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Unfit(Exception):
    """Raised by a case's `call` when the answer cannot be used; its text is shown as what was seen."""


@dataclass(frozen=True)
class Case:
    """One row of the feedback, with its own share of the points.

    Args:
        name: what holds when it passes ("each row of weights sums to one").
        inputs: a torch.Generator -> the arguments, fresh and with sizes that all differ.
        idea: what a wrong answer has not understood yet.
        experiment: what to try next.
        judge: (returned value, *arguments) -> None when right, else what was seen. Without one, the value
            must equal the reference's.
        call: how to run the answer, (answer, *arguments) -> value; the part's way when not given.
        names: what `call` makes the answer return, for messages; the part's `returns` without a `call`.
        telling: whether agreeing with a misconception on this case alone means something.
        worth: its share, relative to the task's other cases.
    """

    name: str
    inputs: Callable[..., tuple]
    idea: str
    experiment: str
    judge: Callable[..., str | None] | None = None
    call: Callable[..., Any] | None = None
    names: tuple[str, ...] = ()
    telling: bool = True
    worth: float = 1


@dataclass(frozen=True)
class Misconception:
    """A wrong idea, recognised by what it computes: `imposter` is the answer of someone who holds it."""

    id: str
    title: str
    imposter: Callable[..., Any]
    why: str
    experiment: str


def plain_call(answer: Callable[..., Any], *arguments: Any) -> Any:
    return answer(*arguments)


@dataclass(frozen=True)
class Part:
    """One thing the learner writes.

    Args:
        name: as in the notebook; from the second part on also the keyword of `check`.
        reference: an independent right answer.
        returns: what comes back, in words with shapes, one for each value.
        cases, misconceptions: as above, the likeliest first.
        call: how to run an answer, (answer, *arguments) -> value.
    """

    name: str
    reference: Callable[..., Any]
    returns: tuple[str, ...]
    cases: tuple[Case, ...]
    misconceptions: tuple[Misconception, ...]
    call: Callable[..., Any] = plain_call


@dataclass(frozen=True)
class Task:
    """A graded task: what to write, three hints, and what may not be called (dotted names)."""

    parts: tuple[Part, ...]
    hints: tuple[str, str, str]
    forbidden: tuple[str, ...] = ()
