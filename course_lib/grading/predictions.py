"""Tasks in which numbers are predicted: the learner returns a dict, and each number is a row of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from course_lib.grading.task import Case, Unfit


@dataclass(frozen=True)
class Predictions:
    """The numbers of such a task.

    right: {key: number}.  places: {key: decimal places that are asked for}; all other numbers are exact.
    """

    right: Mapping[str, float]
    places: Mapping[str, int] = field(default_factory=dict)

    def answer(self, **changed: float) -> Callable[[], dict[str, float]]:
        """An answer: the right numbers, or those of somebody who has some of them wrong."""
        return lambda: {**self.right, **changed}

    def case(self, key: str, name: str, idea: str, experiment: str) -> Case:
        """The row of one number."""
        return Case(
            name,
            lambda generator: (),
            idea,
            experiment,
            judge=lambda got: None if got == self.right[key] else f"predicted was {got:,}",
            call=lambda answer: self._number(answer, key),
            names=(f"the number for {key}",),
        )

    def _number(self, answer: Callable, key: str) -> Any:
        made = answer()
        if type(made) is not dict or key not in made:
            *first, last = self.right
            raise Unfit(f"no number for {key}: return a dict with the keys {', '.join(first)} and {last}")
        number = made[key]
        asked = key in self.places and type(number) in (int, float)
        return round(float(number), self.places[key]) if asked else number
