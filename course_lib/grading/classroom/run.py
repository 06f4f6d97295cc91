"""`course class grade FOLDER`: all submissions, several at once; what was graded stays graded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import get_ident

from course_lib.grading.catalog import find_unit
from course_lib.grading.classroom.judge import Grade, grade_submission
from course_lib.grading.classroom.report import Graded, write_csv, write_pages
from course_lib.grading.classroom.submissions import Submission, find_submissions
from course_lib.paths import course_home, course_root


def grade_class(
    folder: Path, csv: Path | None = None, html: Path | None = None, unit: str | None = None, jobs: int = 0
) -> int:
    """Grade every notebook in `folder`; return an exit code.

    Killed and started again, it goes on with what was left. A submission, check or solution that changed is
    graded anew.

    Args:
        csv: the file for the grades.  html: the folder for the pages.
        unit: of all notebooks; found out from each one when not given.
        jobs: submissions at once; one a core when 0.
    """
    try:
        submissions = find_submissions(folder, find_unit(unit) if unit else None)
    except (LookupError, ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    state = course_home() / "class"
    state.mkdir(parents=True, exist_ok=True)
    version, results = checks_version(), {}
    jobs = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_graded_once, s, folder, state, version): i for i, s in enumerate(submissions)}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                i = futures[future]
                results[i] = Graded(submissions[i], future.result())
                print(_line(done, len(submissions), results[i]), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print("Interrupted: what is graded is kept; the same command goes on.", file=sys.stderr)
            return 130
    graded = [results[i] for i in range(len(submissions))]
    if csv:
        write_csv(csv, graded)
        print(f"The grades are in {csv}")
    if html:
        write_pages(html, graded)
        print(f"The report is in {html / 'index.html'}")
    return 0


def _line(done: int, total: int, one: Graded) -> str:
    odd = sorted({grade.status for grade in one.grades} - {"ok", "wrong"})
    name = "".join(c if c.isprintable() else "?" for c in one.submission.student)
    return f"{done:4} of {total}  {name[:40]:<40} {one.score:g} / {one.points:g}  {', '.join(odd)}".rstrip()


def _graded_once(one: Submission, folder: Path, state: Path, version: str) -> list[Grade]:
    """From the record when these checks have graded this very file before; else graded and recorded."""
    key = hashlib.sha256(f"{version} {one.digest} {one.unit and one.unit.name}".encode()).hexdigest()
    record = state / f"{key}.json"
    if one.digest and record.is_file():
        try:
            kept = json.loads(record.read_text(encoding="utf-8"))
            one.notes[:] = kept["notes"]
            return [Grade(**grade) for grade in kept["grades"]]
        except (ValueError, TypeError, KeyError):
            pass  # half written: graded again
    grades = grade_submission(one, [folder])
    if one.digest and not one.trouble:
        scratch = record.with_suffix(f".{os.getpid()}-{get_ident()}.part")  # two may hand in the same file
        kept = {"notes": one.notes, "grades": [dataclasses.asdict(grade) for grade in grades]}
        scratch.write_text(json.dumps(kept), encoding="utf-8")
        os.replace(scratch, record)
    return grades


def checks_version() -> str:
    """Changes when a check or a solution does."""
    root = course_root()
    files = [*(root / "course_lib" / "grading").rglob("*.py"), *(root / "solutions").glob("*.ipynb")]
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(file.name.encode() + file.read_bytes())
    return total.hexdigest()
