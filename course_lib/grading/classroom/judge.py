"""Grade one submission: run it in processes of its own, judge here what came back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from course_lib.grading import checking, compare, sandbox
from course_lib.grading.classroom import wire
from course_lib.grading.classroom.submissions import Submission
from course_lib.grading.hints import task_of
from course_lib.grading.result import Result
from course_lib.grading.runner import official_checks
from course_lib.paths import course_root

START_SECONDS = 90.0  # torch on a cold disk
CELL_SECONDS = 20.0
TASK_SECONDS = 20.0
WHOLE_SECONDS = 240.0
PROCESSES = 8  # a submission may have; more is a flood
LONGEST_LINE = 40_000_000  # bytes of one event
_JUDGING = threading.Lock()  # torch's settings are the whole process's


@dataclass
class Grade:
    """One task of one student. status: ok, wrong, timeout, crash, memory, tampered, missing or unreadable."""

    task: str
    status: str
    score: float
    points: float
    misconceptions: list[str] = field(default_factory=list)
    reason: str = ""
    html: str = ""


class Talk:
    """A worker process, its events, and its end."""

    def __init__(self, job: dict, home: Path) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "SYSTEMROOT", "LANG", "LC_ALL")
        }
        environment |= {
            "COURSE_HOME": str(home), "HOME": str(home), "TMPDIR": str(home), "MPLCONFIGDIR": str(home),
            "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "PYTHONHASHSEED": "0",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "course_lib.grading.classroom.worker"],
            cwd=home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(job).encode("ascii"))
            self.process.stdin.close()

    def _read(self) -> None:
        for line in iter(lambda: self.process.stdout.readline(LONGEST_LINE), b""):
            self.lines.put(line)
        self.lines.put(b"")

    def next(self, seconds: float) -> dict | str:
        """The next event, or what went wrong: "timeout", "crash", "flood", "malformed"."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                line = self.lines.get(timeout=0.2)
            except queue.Empty:
                if len(self.family()) > PROCESSES:
                    return "flood"
                continue
            if not line:
                return "crash"
            try:
                event = json.loads(line)
                return event if isinstance(event, dict) and "event" in event else "malformed"
            except (ValueError, RecursionError):
                return "malformed"
        return "timeout"

    def family(self) -> list[Any]:
        """All processes that descend from the worker, itself included."""
        import psutil

        with contextlib.suppress(psutil.Error):
            one = psutil.Process(self.process.pid)
            return [one, *one.children(recursive=True)]
        return []

    def end(self) -> int | None:
        """Kill the worker, its session and its descendants; the exit code when it had ended by itself."""
        code = self.process.poll()
        if code is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(0.3) if self.lines.empty() else None
        family = self.family()
        with contextlib.suppress(OSError, AttributeError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for one in family:
            with contextlib.suppress(Exception):
                one.kill()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        return code


def grade_submission(submission: Submission, secrets: list[Path] = ()) -> list[Grade]:
    """Grade every task of the submission's unit.

    Args:
        secrets: folders its code may not read, beside the solutions and the checks: the other submissions.
    """
    if submission.trouble:
        exercises = submission.unit.exercises if submission.unit else ()
        rows = [(exercise.id, exercise.points) for exercise in exercises] or [("", 0)]
        return [Grade(task, "unreadable", 0.0, points, reason=submission.trouble) for task, points in rows]
    return _Grading(submission, list(secrets)).run()


class _Grading:
    """One submission on its way: what is still to do, and what became of the rest."""

    def __init__(self, submission: Submission, secrets: list[Path]) -> None:
        self.submission, self.unit = submission, submission.unit
        root = course_root()
        self.secrets = [root / "solutions", root / "tests", *secrets]
        self.secrets += sorted((root / "course_lib" / "grading").glob("unit*.py"))
        self.checks = official_checks(self.unit)
        self.skip: set[int] = set()
        self.cell_trouble: dict[str, tuple[str, str]] = {}  # task -> status, what happened in its cell
        self.tampering: dict[str, str] = {}
        self.grades: dict[str, Grade] = {}
        self.current: dict = {}

    def run(self) -> list[Grade]:
        until = time.monotonic() + WHOLE_SECONDS
        for _ in range(len(self.unit.exercises) + len(self.submission.cells) + 1):
            if not self.open() or not self._one_process(until):
                break
        for exercise in self.open():
            self._close(exercise, "timeout", "not reached: the whole notebook took too long")
        return [self.grades[exercise.id] for exercise in self.unit.exercises]

    def open(self) -> list:
        return [exercise for exercise in self.unit.exercises if exercise.id not in self.grades]

    def seed(self, exercise_id: str) -> int:
        """Of a task's inputs, the same here and in the worker."""
        text = f"{exercise_id} {self.submission.digest}"
        return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2**60

    def _one_process(self, until: float) -> bool:
        """Run what is open in one process; False when no further one would help."""
        job = {
            "cells": self.submission.cells,
            "skip": sorted(self.skip),
            "secrets": [str(path) for path in self.secrets],
            "tasks": [
                {"id": e.id, "seed": self.seed(e.id), "check": self.checks[e.id.replace(".", "-")]}
                for e in self.open()
            ],
        }
        self.current = {}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="course-") as home:
            talk = Talk(job, Path(home))
            try:
                end = self._listen(talk, until)
            finally:
                code = talk.end()
        if end == "end":
            return bool(self.open())
        return self._blame(end, code)

    def _listen(self, talk: Talk, until: float) -> str:
        """Take events in until the end, or until something goes wrong; return which."""
        ready = False
        while True:
            doing = {"cell": CELL_SECONDS, "task": TASK_SECONDS}.get(self.current.get("event"), 5.0)
            event = talk.next(min(doing if ready else START_SECONDS, until - time.monotonic()))
            if isinstance(event, str):
                return event
            ready = True
            try:
                if event["event"] == "end":
                    return "end"
                if event["event"] in ("cell", "task"):
                    self.current = event
                elif event["event"] == "cell-done":
                    self._cell_done(event)
                    self.current = {}
                elif event["event"] == "task-done":
                    self._task_done(event)
                    self.current = {}
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                self.current.setdefault("event", "")
                return f"malformed: {error}"[:100]

    def _blame(self, end: str, code: int | None) -> bool:
        """A process ended before its work: whose fault was it? The next one leaves that out."""
        status = {"timeout": "timeout", "crash": "crash", "flood": "tampered"}.get(end, "tampered")
        what = {
            "timeout": "ran too long and was stopped",
            "crash": f"ended the whole process (exit code {code})"
            if code is not None
            else "ended the process",
            "flood": "started a flood of processes",
        }.get(end, "sent the grader what no answer sends")
        if self.current.get("event") == "cell":
            index = int(self.current.get("index", -1))
            if index in self.skip or not 0 <= index < len(self.submission.cells):
                return False
            self.skip.add(index)
            task = self._task_of_cell(index)
            if task:
                exercise = next(e for e in self.unit.exercises if e.id == task)
                self._close(exercise, status, f"the answer's cell {what}")
            else:
                self.submission.notes.append(f"code cell {index + 1} {what}; it was left out")
            return True
        if self.current.get("event") == "task":
            exercise = next((e for e in self.open() if e.id == self.current.get("id")), None)
            if exercise:
                self._close(exercise, status, f"the answer {what}")
                return True
        for exercise in self.open():
            self._close(exercise, status, f"the notebook {what}")
        return False

    def _task_of_cell(self, index: int) -> str:
        return self.submission.cells[index][0].replace("-", ".")

    def _close(self, exercise: Any, status: str, reason: str) -> None:
        self.grades[exercise.id] = Grade(exercise.id, status, 0.0, exercise.points, reason=reason)

    def _cell_done(self, event: dict) -> None:
        task = self._task_of_cell(int(event["index"]))
        if reach := _reached(event):
            for name in [task] if task else [exercise.id for exercise in self.unit.exercises]:
                self.tampering[name] = reach
        if event["trouble"] and task:
            trouble = str(event["trouble"])[:200]
            self.cell_trouble[task] = ("memory" if trouble.startswith("MemoryError") else "wrong", trouble)

    def _task_done(self, event: dict) -> None:
        exercise = next(e for e in self.open() if e.id == event["id"])
        if reach := _reached(event):
            self.tampering[exercise.id] = reach
        result, memory = self._judge(exercise.id, event)
        status = "ok" if result.passed else "wrong"
        if not result.started:
            status = "missing"
        elif event["ended"] != "done":
            status = "timeout"
        elif memory:
            status = "memory"
        reason = "" if result.passed else _why(result)
        if exercise.id in self.cell_trouble and not result.passed:
            status, trouble = self.cell_trouble[exercise.id]
            reason = f"the answer's cell stopped with {trouble}"
            result.headline = f"The cell with the answer stopped with {trouble}."
        score = min(max(result.score, 0.0), exercise.points)
        if exercise.id in self.tampering:
            status, score = "tampered", 0.0
            reason = f"the answer {self.tampering[exercise.id]}"
        elif any("check's own" in str(name) for name in event["forbidden"]):
            status, score = "tampered", 0.0
        elif exercise.id.replace(".", "-") in self.submission.tampered:
            status = "tampered"
            reason = f"the check cell was edited; graded with the course's own. {reason}".strip()
        self.grades[exercise.id] = Grade(
            exercise.id,
            status,
            score,
            exercise.points,
            [named.title for named in result.misconceptions],
            reason,
            result._repr_html_(),
        )

    def _judge(self, exercise_id: str, event: dict) -> tuple[Result, bool]:
        """The same judging as in the learner's notebook, on inputs made here from the same seed."""
        task, result = task_of(exercise_id), checking.empty_result(exercise_id)
        generator = torch.Generator().manual_seed(self.seed(exercise_id))
        memory = False
        with _JUDGING, sandbox.usual_settings():
            trials = checking.make_trials(task, generator)
            for trial, packed in zip(trials, event["trials"], strict=True):
                trial.ran, trial.changed = packed["ran"] is True, packed["changed"] is True
                trial.where = str(packed["where"])[:200]
                if "error" in packed:
                    trial.error = wire.unpacked_error(packed["error"])
                    memory |= _is_memory(trial.error)
                else:
                    trial.value = wire.unpacked(packed["value"])
            watched = sandbox.Watched(
                str(event["ended"]),
                str(event["output"])[: sandbox.KEPT_OUTPUT],
                int(event["dropped"]),
                [str(name)[:100] for name in event["forbidden"]],
            )
            empty = {str(name): str(why)[:300] for name, why in event["empty"].items()}
            try:
                checking.judge(result, task, trials, empty, watched)
            except Exception as error:  # a value that no check foresaw
                result.headline = f"The check could not judge this value ({compare.kind(error)})."
                result.findings, result.misconceptions = [], []
        return result, memory


def _is_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "can't allocate memory" in text or "not enough memory" in text


def _reached(event: dict) -> str:
    """What the code reached for that no answer needs."""
    if event["refused"]:
        return ", ".join(str(what)[:80] for what in event["refused"][:3])
    if event["patched"]:
        return "exchanges functions of others: " + ", ".join(str(name)[:60] for name in event["patched"][:3])
    return ""


def _why(result: Result) -> str:
    """In one line what is not right yet."""
    if result.misconceptions:
        return result.misconceptions[0].title
    if result.headline:
        return result.headline
    row = next((row for row in result.findings if not row.passed), None)
    return f"{row.name}: {row.seen}" if row else ""
