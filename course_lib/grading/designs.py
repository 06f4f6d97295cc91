"""Tasks in which something is designed: many answers are right, and each row is a fault that it may have."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.grading.task import Case


def faultless(
    read: Callable[[Callable], object],
    fault: Callable,
    name: str,
    idea: str,
    experiment: str,
    names: str = "what it lacks",
) -> Case:
    """A row that passes when `fault`, of what `read` makes of the answer, has nothing to say."""
    return Case(
        name,
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: got or None,
        call=lambda answer: fault(read(answer)),
        names=(names,),
    )
