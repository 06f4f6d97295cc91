"""The process a submission runs in: `python -m course_lib.grading.classroom.worker`, started by `judge`.

It reads a job from standard input, runs the submission's cells, then its answers on the checks' inputs, and
writes one line of JSON an event. It judges nothing.
"""

from __future__ import annotations

import ctypes
import json
import linecache
import os
import sys
import threading
from pathlib import Path
from typing import Any

CELLS = "<cell "  # file names of a submission's code begin so


def main() -> None:
    job = json.load(sys.stdin)
    home = Path.cwd()
    out = os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    sys.dont_write_bytecode = True

    def say(**event: Any) -> None:
        data = (json.dumps(event) + "\n").encode("ascii")
        while data:
            data = data[os.write(out, data) :]

    import torch

    from course_lib.grading import checking, compare, sandbox
    from course_lib.grading.classroom import wire
    from course_lib.grading.classroom.guard import Guard, Refused, limit
    from course_lib.grading.hints import task_of

    torch.set_num_threads(1)
    # A thread that a submission leaves behind then holds up each of torch's calls by 0.1 ms, not by 5.
    sys.setswitchinterval(1e-4)
    _ = ctypes.pythonapi.PyThreadState_SetAsyncExc  # the sandbox's, looked up before the watch begins
    tasks = {one["id"]: task_of(one["id"]) for one in job["tasks"]}
    with sandbox.usual_settings():
        trials = {
            one["id"]: checking.make_trials(tasks[one["id"]], torch.Generator().manual_seed(one["seed"]))
            for one in job["tasks"]
        }
    namespace = namespace_of_cells()
    pristine = public_functions()
    guard = Guard(home, [Path(path) for path in job["secrets"]], CELLS)
    limit()
    known = set(threading.enumerate())

    def stop_threads() -> None:
        """Those an answer left behind: computing, they would hold up all that follows."""
        for thread in set(threading.enumerate()) - known - {threading.current_thread()}:
            sandbox.interrupt(thread.ident)

    say(event="ready")

    for index, (task_id, source) in enumerate(job["cells"]):
        if index in job["skip"]:
            continue
        say(event="cell", index=index)
        guard.seen.clear()
        trouble = ""
        try:
            with guard.awake():
                run_cell(source, f"{CELLS}{index + 1}>", namespace)
        except Refused:
            pass
        except MemoryError:
            trouble = "MemoryError: more memory than the limit"
        except BaseException as error:
            trouble = f"{compare.kind(error)}: {first_line(error)}"
        patched = changed_functions(pristine)
        say(
            event="cell-done",
            index=index,
            task=task_id,
            trouble=trouble[:300],
            refused=guard.seen,
            patched=patched[:5],
        )

    for one in job["tasks"]:
        say(event="task", id=one["id"])
        guard.seen.clear()
        task = tasks[one["id"]]
        answers, trouble = answers_of(one["check"], namespace, task.parts[0].name)
        with guard.awake(), sandbox.usual_settings():
            watched = checking.run_trials(task, trials[one["id"]], answers, stop_threads)
        say(
            event="task-done",
            id=one["id"],
            trouble=trouble,
            empty=checking.missing_parts(task, answers),
            trials=[packed_trial(trial, wire) for trial in trials[one["id"]]],
            ended=watched.ended,
            output=watched.output,
            dropped=watched.output_dropped,
            forbidden=watched.forbidden,
            refused=guard.seen,
            patched=changed_functions(pristine)[:5],
        )
        if watched.ended == "abandoned" or set(threading.enumerate()) - known:
            break  # a thread still burns: the rest is done by a fresh process
    say(event="end")
    os._exit(0)  # threads left behind end here


def namespace_of_cells() -> dict[str, Any]:
    """What a cell finds before the first line: a notebook's names, without a notebook."""

    class Shell:
        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: None

    shell = Shell()
    return {
        "__name__": "__main__",
        "__builtins__": __builtins__,
        "get_ipython": lambda: shell,
        "display": lambda *_, **__: None,
    }


def run_cell(source: str, name: str, namespace: dict[str, Any]) -> None:
    """Run one cell as IPython would; lines that begin with % or ! do nothing."""
    from IPython.core.inputtransformer2 import TransformerManager

    plain = TransformerManager().transform_cell(source)
    linecache.cache[name] = (len(plain), None, plain.splitlines(keepends=True), name)
    exec(compile(plain, name, "exec"), namespace)


def answers_of(check: str, namespace: dict[str, Any], first: str) -> tuple[dict[str, Any], str]:
    """What the course's check cell would hand over: part -> answer, and why there is nothing."""
    got: dict[str, Any] = {}

    def capture(exercise_id: str, answer: Any = None, **named: Any) -> None:
        got.update({first: answer, **named})

    try:
        exec(compile(check, "<check>", "exec"), {**namespace, "check": capture})
    except BaseException as error:
        return {}, f"nothing to check: {first_line(error)}"[:300]
    return got, ""


def first_line(error: BaseException) -> str:
    try:
        return BaseException.__str__(error).partition("\n")[0]
    except Exception:
        return ""


def packed_trial(trial: Any, wire: Any) -> dict:
    value = {"error": wire.packed_error(trial.error)} if trial.error else {"value": wire.packed(trial.value)}
    return value | {"ran": trial.ran, "changed": trial.changed, "where": trial.where[:200]}


def public_functions() -> dict[tuple[str, str], tuple[Any, Any]]:
    """Each function an answer may lean on, to see later which were exchanged."""
    import builtins
    import operator

    import torch

    places = [builtins, operator, torch, torch.Tensor, torch.nn, torch.nn.Module, torch.nn.functional]
    places += [module for name, module in sys.modules.items() if name.startswith("course_lib.")]
    return {
        (place.__name__, name): (place, thing)
        for place in places
        if place is not None
        for name, thing in list(vars(place).items())
        if callable(thing)
    }


def changed_functions(pristine: dict) -> list[str]:
    """Names that stand for something else now; told once."""
    changed = []
    for (place_name, name), (place, before) in list(pristine.items()):
        now = vars(place).get(name)
        if now is not before:
            changed.append(f"{place_name}.{name}")
            pristine[place_name, name] = (place, now)
    return changed


if __name__ == "__main__":
    main()
