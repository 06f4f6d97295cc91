"""Three hints a task, one more on each call."""

from __future__ import annotations

import re
from difflib import get_close_matches
from html import escape
from importlib import import_module

from course_lib.grading import progress
from course_lib.grading.catalog import EXERCISES, PRACTICE, find_exercise
from course_lib.grading.task import Task

_given: dict[str, int] = {}  # how many hints this kernel has shown, for each task


EMPHASIS = re.compile(r"(?<![\w*])\*(\S|\S[^*]*\S)\*(?![\w*])")  # *so*, but not 3 * 4 * 5


def marked(text: str) -> str:
    """HTML of a message: escaped, with `code` between backticks and *emphasis* between stars."""
    pieces = escape(text).split("`")
    if len(pieces) % 2 == 0:  # an odd backtick is just a backtick
        return escape(text)
    return "".join(
        f"<code>{piece}</code>" if i % 2 else EMPHASIS.sub(r"<i>\1</i>", piece)
        for i, piece in enumerate(pieces)
    )


class Hint(str):
    """Text that a notebook shows as prose."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        first, *rest = self.split("\n")
        paragraphs = "".join(f'<p style="margin:.3rem 0">{marked(line)}</p>' for line in rest)
        return (
            '<div style="max-width:52rem;padding:.5rem .9rem;border-left:4px solid #3b78c4;font-size:14px">'
            f"<strong>{escape(first)}</strong>{paragraphs}</div>"
        )


def task_of(exercise_id: str) -> Task:
    """The checks of a task.

    Raises:
        LookupError: no task has this id.
    """
    if exercise_id not in EXERCISES and exercise_id not in PRACTICE:
        raise LookupError(unknown(exercise_id))
    unit, _ = find_exercise(exercise_id)
    return import_module(f"course_lib.grading.unit{unit.number}").TASKS[exercise_id]


def unknown(exercise_id: object) -> str:
    """What to say of an id that no task has."""
    if type(exercise_id) is not str:
        return 'The first argument is the task\'s id, a text such as "attention.scores".'
    text = exercise_id[:60]
    near = get_close_matches(text, EXERCISES, n=3, cutoff=0.4) or list(EXERCISES)[:3]
    return f"There is no task {text!r}. Close to it: {', '.join(near)}."


def hint(exercise_id: str) -> Hint:
    """The next hint for a task. Call again for one more; there are three. Never raises."""
    try:
        hints = task_of(exercise_id).hints
    except (LookupError, TypeError):
        return Hint(unknown(exercise_id))
    shown = min(_given.get(exercise_id, 0) + 1, len(hints))
    _given[exercise_id] = shown
    progress.record_hint(exercise_id, shown)
    more = "Call again for the next." if shown < len(hints) else "That was the last one."
    return Hint("\n".join([f"Hint {shown} of {len(hints)}", *hints[:shown], more]))
