"""`check`: run an answer on fresh inputs and say what is right, what is not yet, and why.

The verdicts come in this order: it exists and is the learner's own; type, rank and shape; invariants; values.
"""

from __future__ import annotations

import contextlib
import linecache
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any

import torch

from course_lib.grading import compare, progress, sandbox
from course_lib.grading.catalog import find_exercise
from course_lib.grading.drawing import Drawing, draw
from course_lib.grading.hints import task_of, unknown
from course_lib.grading.result import Finding, Named, Result
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

UNCHANGED = "leaves its inputs unchanged"


@dataclass
class Trial:
    """One case run on one answer."""

    part: Part
    case: Case
    arguments: tuple
    call: Callable[..., Any]
    value: Any = None
    error: BaseException | None = None
    where: str = ""
    ran: bool = False
    changed: bool = False

    @property
    def returns(self) -> tuple[str, ...]:
        """What comes back, in words."""
        return self.part.returns if self.case.call is None else self.case.names

    def outcome(self, answer: Callable[..., Any]) -> Any:
        """What one of the course's own functions makes of the same inputs: a value or an exception."""
        try:
            return compare.frozen(self.call(answer, *map(compare.copy_of, self.arguments)))
        except Exception as error:
            return error


def check(exercise_id: str, answer: Any = None, **named: Any) -> Result:
    """Grade an answer. Never raises, whatever the answer does; only the user's own interrupt gets through.

    Args:
        exercise_id: for instance "attention.scores".
        answer: the function or class written for the task.
        named: the task's further parts, by name.
    """
    began = time.monotonic()
    try:
        task = task_of(exercise_id)
    except (LookupError, TypeError):
        return Result("", title="Unknown task", headline=unknown(exercise_id))
    result = empty_result(exercise_id)
    try:
        with sandbox.usual_settings():
            _grade(result, task, answer, named)
    except Exception as error:  # our own mistake, not the learner's
        result.findings, result.misconceptions = [], []
        result.headline = (
            f"The check itself failed ({type(error).__name__}: {str(error)[:200]}). This is a fault of the "
            "course: please report it."
        )
        return result
    if result.started:
        result.note = progress.record(result, time.monotonic() - began)
    return result


def empty_result(exercise_id: str) -> Result:
    """A result with the task's title, points and link, and nothing judged yet."""
    unit, exercise = find_exercise(exercise_id)
    return Result(
        exercise.id,
        title=exercise.title,
        points=exercise.points,
        link=unit.lesson_link(exercise),
        section=f"{unit.title}: {exercise.section}",
    )


def _grade(result: Result, task: Task, answer: Any, named: dict[str, Any]) -> None:
    answers = {task.parts[0].name: answer, **named}
    known = [part.name for part in task.parts]
    if strange := [name for name in answers if name not in known]:
        result.headline = f"`check` does not know `{strange[0]}` here. This task takes: {', '.join(known)}."
    trials = make_trials(task, torch.Generator().manual_seed(secrets.randbits(60)))
    watched = run_trials(task, trials, answers)
    judge(result, task, trials, missing_parts(task, answers), watched)


def missing_parts(task: Task, answers: dict[str, Any]) -> dict[str, str]:
    """The parts that cannot be run: name -> why."""
    return {part.name: why for part in task.parts if (why := _not_there(part, answers.get(part.name)))}


def run_trials(
    task: Task, trials: list[Trial], answers: dict[str, Any], between: Callable[[], None] = lambda: None
) -> sandbox.Watched:
    """Run the answers on all trials in a watched thread, `between` after each; a trial keeps its outcome."""
    hidden = tuple(f for p in task.parts for f in (p.reference, *(m.imposter for m in p.misconceptions)))
    return sandbox.run(partial(_run_all, trials, answers, between), task.forbidden, hidden)


def judge(
    result: Result, task: Task, trials: list[Trial], empty: dict[str, str], watched: sandbox.Watched
) -> None:
    """Fill in the result from trials that were run, here or in another process.

    Args:
        empty: from `missing_parts`.
        watched: how the run ended, what it printed, and what it called that is forbidden.
    """
    result.output = "\n".join(watched.output.splitlines()[:12])
    if watched.output_dropped or len(result.output) < len(watched.output.rstrip()):
        result.output += "\n… and more"
    empty = dict(empty)
    for part in task.parts:
        if any(type(t.error) is NotImplementedError for t in trials if t.part is part):
            empty[part.name] = f"`{part.name}` is not written yet: it still raises NotImplementedError."
    refused = _refusal(task, watched.forbidden)
    seen: dict[int, tuple[str, bool]] = {}
    for trial in trials:
        outside = empty.get(trial.part.name) or refused or _time_up(trial, watched.ended)
        seen[id(trial)] = (outside, False) if outside else _verdict(trial)
        if trial.changed and not trial.error and seen[id(trial)][0]:
            seen[id(trial)] = (
                f"{seen[id(trial)][0]}; but it changed its inputs: see the last row first",
                False,
            )
    if not refused:
        _shorten_repeats(trials, seen)
    _fill_rows(result, task, trials, seen, quiet=len(empty) == len(task.parts))
    result.started = len(empty) < len(task.parts)
    if refused or len(empty) == len(task.parts):
        result.headline = result.headline or refused or _nothing_yet(empty)
        return
    if watched.ended != "done":
        result.headline = result.headline or _time_up_headline(watched.ended)
    for part in task.parts:
        own = [trial for trial in trials if trial.part is part and trial.ran]
        failed = [trial for trial in own if seen[id(trial)][0]]
        if failed and part.name not in empty:
            result.misconceptions += _misconceptions(part, own, failed)


# ---- running ----


def make_trials(task: Task, generator: torch.Generator) -> list[Trial]:
    """All cases of a task with their inputs; the same seed makes the same inputs."""
    return [
        Trial(part, case, case.inputs(generator), case.call or part.call)
        for part in task.parts
        for case in part.cases
    ]


def _run_all(trials: list[Trial], answers: dict[str, Any], between: Callable[[], None]) -> None:
    """Runs in the watched thread."""
    given_up: set[str] = set()
    for trial in trials:
        name = trial.part.name
        answer = answers.get(name)
        if not callable(answer) or name in given_up:
            continue
        mine = tuple(map(compare.copy_of, trial.arguments))
        try:
            trial.value = compare.frozen(trial.call(answer, *mine))
            trial.changed = not compare.unchanged(trial.arguments, mine)
        except sandbox.TimeUp:
            raise
        except BaseException as error:
            trial.error = _described(error)
            trial.where = _where(sys.exc_info()[2], answer)
            if type(error) is NotImplementedError:
                given_up.add(name)
        trial.ran = True
        between()


def _described(error: BaseException) -> BaseException:
    """An exception of a built-in class with plain text, whatever class the answer raised."""
    try:
        text = str(BaseException.__str__(error))[:300]
    except Exception:
        text = ""
    if type(error) is Unfit:
        return error
    if type(error).__module__ in ("builtins", "torch"):
        with contextlib.suppress(Exception):
            return type(error)(text)
    return RuntimeError(f"{compare.kind(error)}: {text}")


def _where(trace: TracebackType | None, answer: Any) -> str:
    """The line of the learner's own code that was running."""
    home = getattr(getattr(answer, "__code__", None), "co_filename", None)
    found = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if (
            code.co_filename == home
            or "ipykernel" in code.co_filename
            or "<ipython-input" in code.co_filename
        ):
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            found = (
                f"`{line[:100].replace('`', '')}`" if line else f"line {trace.tb_lineno} of {code.co_name}"
            )
        trace = trace.tb_next
    return found


# ---- judging ----


def _not_there(part: Part, answer: Any) -> str:
    if answer is None:
        return f"`{part.name}` is not there yet: nothing was handed to `check`."
    if not callable(answer):
        return f"`{part.name}` is {compare.a(answer)}, not a function. Hand over its name, without ( )."
    return ""


def _nothing_yet(empty: dict[str, str]) -> str:
    texts = list(empty.values())
    if len(texts) == 1 or not all("not written yet" in text for text in texts):
        return texts[0]
    names = ", ".join(f"`{name}`" for name in empty)
    return f"{names} are not written yet. The rows below are what will be checked."


def _refusal(task: Task, called: list[str]) -> str:
    """Kind words when the answer leans on the finished part."""
    if not called:
        return ""
    wanted = task.parts[0].name
    if "check's own" in called[0]:
        return f"This calls {called[0]}. Write `{wanted}` yourself: that is where the learning is."
    return (
        f"This calls `{called[0]}`, the finished part. It is a good thing to use afterwards; here the task "
        f"is to build `{wanted}` from smaller steps. Take a hint if you are stuck."
    )


def _time_up_headline(ended: str) -> str:
    if ended == "stopped":
        return (
            "Your code ran too long and was stopped. The inputs are tiny, so look for a loop that never "
            "ends or a wait."
        )
    return (
        "Your code ran too long and does not let itself be stopped: it waits outside Python, or a bare "
        "`except:` swallows the interrupt. It is still running. Restart the kernel, then mend the loop."
    )


def _time_up(trial: Trial, ended: str) -> str:
    if trial.ran:
        return ""
    return (
        "not reached: your code was stopped before it came to this" if ended != "done" else "could not be run"
    )


def _verdict(trial: Trial) -> tuple[str, bool]:
    """What was seen, and whether it says something about the case's own idea. "" when the case is right."""
    if trial.error is not None:
        return _stopped(trial), False
    want = trial.outcome(trial.part.reference)
    if isinstance(want, BaseException):
        raise want
    first = trial.case is trial.part.cases[0]
    if wrong := compare.structure(trial.value, want, trial.returns, strict=first):
        return wrong, first and compare.is_about_shape(wrong)
    if trial.case.judge is not None:
        return trial.case.judge(trial.value, *trial.arguments) or "", True
    return compare.values(trial.value, want, trial.returns) or "", True


def _drawing(trial: Trial) -> Drawing | None:
    """Yours beside the wanted, where the kind and shape are right and the numbers are not."""
    if trial.error is not None or trial.case.judge is not None:
        return None
    want = trial.outcome(trial.part.reference)
    if compare.structure(trial.value, want, trial.returns, strict=False):
        return None
    return draw(trial.value, want, trial.returns)


def _stopped(trial: Trial) -> str:
    name, text = type(trial.error).__name__, compare.first_line(trial.error).rstrip(". ")
    if isinstance(trial.error, Unfit):
        return text
    if name in ("SystemExit", "KeyboardInterrupt"):
        return f"ended with {name}; a function should return"
    told = f"stopped with {name}: {text[:200]}" + (f" at {trial.where}" if trial.where else "")
    if name == "TypeError" and "tuple" in text and "Tensor" in text:
        told += ". A tuple holds several results: which call returned it, and which of them do you need?"
    if name == "RuntimeError" and any(say in text for say in ("must match", "multiplied", "Expected size")):
        told += ". Print the shapes that meet there."
    return told


def _shorten_repeats(trials: list[Trial], seen: dict[int, tuple[str, bool]]) -> None:
    """The same error in the same line, or the same wrong kind of value, is told once for each part."""
    told: set[tuple] = set()
    for trial in trials:
        text, about = seen[id(trial)]
        if not text or not trial.ran or (about and trial.case is not trial.part.cases[0]):
            continue
        name = type(trial.error).__name__ if trial.error else "wrong kind or shape"
        if (key := (trial.part.name, name, trial.where)) in told and not isinstance(trial.error, Unfit):
            seen[id(trial)] = f"the same: {name}", False
        told.add(key)


def _fill_rows(
    result: Result, task: Task, trials: list[Trial], seen: dict[int, tuple[str, bool]], quiet: bool
) -> None:
    """A row a case. Rows build on those before them: in each part only the first that fails tells its idea.

    Cases without inputs are predictions: each is a question of its own.
    """
    several = len(task.parts) > 1
    share = result.points / (sum(trial.case.worth for trial in trials) + 1)  # one for unchanged inputs
    drawn: set[str] = set()  # one picture a part is enough
    failed: set[str] = set()
    for trial in trials:
        (text, about), case = seen[id(trial)], trial.case
        tells = text and about and not (trial.arguments and trial.part.name in failed)
        if text:
            failed.add(trial.part.name)
        wanted = text and about and trial.ran and trial.part.name not in drawn
        drawing = _drawing(trial) if wanted else None
        if drawing:
            drawn.add(trial.part.name)
        result.findings.append(
            Finding(
                name=f"{trial.part.name}: {case.name}" if several else case.name,
                passed=not text,
                points=0.0 if text else case.worth * share,
                worth=case.worth * share,
                seen="" if quiet else text,
                idea=case.idea if tells else "",
                experiment=case.experiment if tells else "",
                part=trial.part.name,
                drawing=drawing,
            )
        )
    changed = next((trial for trial in trials if trial.changed), None)
    right = changed is None and any(row.passed for row in result.findings)
    row = Finding(UNCHANGED, right, share if right else 0.0, share)
    if changed is None and not right and not quiet:
        row = replace(row, seen="it did not write into them; this counts once another row is right")
    if changed is not None:
        row = replace(
            row,
            seen=f"`{changed.part.name}` wrote into what it was given",
            idea="Whoever called still needs it as it was: other heads, other layers, the backward pass.",
            experiment="Look for `+=`, `x[...] =`, a method that ends in `_`, or a list's `append` and "
            "`sort`; make something new instead.",
        )
    result.findings.append(row)


def _misconceptions(part: Part, ran: list[Trial], failed: list[Trial]) -> list[Named]:
    """The wrong ideas that compute just what this answer computes.

    Best is one that agrees with the answer on every case and differs from the right one somewhere. Two
    mistakes at once agree with no single idea everywhere; then ideas that explain some cases are named.
    """

    def agrees(one: Misconception, trial: Trial) -> bool:
        return compare.same(trial.outcome(one.imposter), trial.error or trial.value)

    def explains(one: Misconception, trial: Trial) -> bool:
        """Whether the imposter fails this case, too, and in the same way."""
        if not agrees(one, trial):
            return False
        fake = replace(trial, value=trial.outcome(one.imposter), error=None)
        return isinstance(fake.value, BaseException) or bool(_verdict(fake)[0])

    for one in part.misconceptions:
        if all(agrees(one, trial) for trial in ran) and any(explains(one, trial) for trial in failed):
            return [_named(one)]
    if any(trial.error for trial in failed):
        return []
    found, open_cases = [], [trial for trial in failed if trial.case.telling]
    while open_cases:
        count, best = max(
            ((sum(explains(one, trial) for trial in open_cases), one) for one in part.misconceptions),
            key=lambda pair: pair[0],
        )
        if count == 0:
            break
        found.append(_named(best, "" if count == len(failed) else f" ({count} of {len(failed)} rows)"))
        open_cases = [trial for trial in open_cases if not explains(best, trial)]
    return found


def _named(one: Misconception, rows: str = "") -> Named:
    return Named(one.id, one.title + rows, one.why, one.experiment)
