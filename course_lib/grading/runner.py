"""`course grade` and `course reset`: run the learner's exercises, and put one back to its start.

The notebook runs in a process of its own with a time limit. Its answers are the learner's; the checks come
from the course, by grade id, whatever stands in the notebook's check cells.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.grading.catalog import UNITS, Unit, find_unit
from course_lib.grading.page import page, text
from course_lib.paths import course_root

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_SECONDS = 60
NOTEBOOK_SECONDS = 300


def grade(units: list[str] | None = None, html: str | None = None) -> int:
    """Grade exercise notebooks and print a table with reasons; return an exit code.

    Args:
        units: names or numbers; all that were begun when not given.
        html: a file for the full feedback.
    """
    try:
        chosen = [find_unit(name) for name in units] if units else [unit for unit in UNITS if _begun(unit)]
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if not chosen:
        print("No exercise has been begun yet. Open exercises/01_attention.ipynb and write an answer.")
        return 0
    reports = [(unit, grade_notebook(unit, _exercise(unit))) for unit in chosen]
    for unit, rows in reports:
        print(_table(unit, rows))
    if html:
        Path(html).write_text(_page(reports), encoding="utf-8")
        print(f"The feedback is in {html}")
    return 0


def reset(unit: str) -> int:
    """Put a unit's exercise back to its start; the learner's is kept beside it under a dated name."""
    from course_lib.build import as_text, is_edited, keep

    try:
        one = find_unit(unit)
        fresh = as_text(fresh_exercise(course_root() / "solutions" / f"{one.name}.ipynb"))
    except (LookupError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    path = _exercise(one)
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == fresh:
        print(f"exercises/{path.name} is at its start already.")
        return 0
    if path.is_file():
        edited = is_edited(path)
        kept = keep(path)
        print(
            f"{'Your answers are' if edited else 'The notebook as it was is'} kept in exercises/{kept.name}"
        )
    path.parent.mkdir(exist_ok=True)
    path.write_text(fresh, encoding="utf-8", newline="\n")
    print(f"exercises/{path.name} is fresh. Reload it if it is open in JupyterLab.")
    return 0


def fresh_exercise(solution: Path) -> NotebookNode:
    """The exercise of a solution as `course build` derives it, but without nbgrader: learners have none."""
    import nbformat

    from course_lib.build import STUB, checksum, tidy

    notebook = nbformat.read(solution, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "nbgrader" not in cell.metadata:
            continue
        meta = cell.metadata.nbgrader
        cell.source = re.sub(
            r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION$", rf"\1{STUB}", cell.source, flags=re.S | re.M
        )
        cell.metadata["deletable"] = False
        if not meta.solution:
            cell.metadata["editable"] = False
        meta.checksum, meta.cell_type = checksum(cell), cell.cell_type
    return tidy(notebook)


def grade_notebook(unit: Unit, path: Path, seconds: float = NOTEBOOK_SECONDS) -> list[dict]:
    """Run one notebook in its own process; a dict a task: id, title, points, score, reason, html."""
    results: dict[str, dict] = {}
    trouble = "" if path.is_file() else "the notebook is missing: `course reset` makes a fresh one"
    if not trouble:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            out = Path(scratch) / "results.jsonl"
            trouble = _run_in_process(unit, path, out, seconds)
            if out.is_file():
                for line in out.read_text(encoding="utf-8").splitlines():
                    result = json.loads(line)
                    results[result["id"]] = result
    return [_row(exercise, results.get(exercise.id), trouble) for exercise in unit.exercises]


def _run_in_process(unit: Unit, path: Path, out: Path, seconds: float) -> str:
    """Returns what went wrong, or "". Progress is not recorded: this is no new attempt."""
    environment = os.environ | {"COURSE_HOME": str(out.parent), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "course_lib.grading.runner", unit.name, str(path), str(out)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()  # its kernel watches for this and ends, too
        process.communicate()
        return f"not reached: the notebook was stopped after {seconds:g} seconds"
    if process.returncode:
        last = (errors.strip().splitlines() or ["no reason given"])[-1]
        return f"the notebook could not be run: {last[:200]}"
    return ""


def _row(exercise, result: dict | None, trouble: str) -> dict:
    row = {"id": exercise.id, "title": exercise.title, "points": exercise.points, "score": 0.0, "html": ""}
    if result is None:
        return row | {"reason": trouble or "no answer cell with this id is in the notebook"}
    return row | {
        "score": min(result["score"], exercise.points),
        "html": result["html"],
        "reason": _reason(result),
    }


def _reason(result: dict) -> str:
    """In one line: the misconception, or what is said first, or the first row that is not right yet."""
    if result["passed"]:
        return "right"
    if result["misconceptions"]:
        return result["misconceptions"][0]["title"]
    if result["headline"]:
        return result["headline"].partition(". ")[0].rstrip(".")
    row = next(row for row in result["findings"] if not row["passed"])
    return f"{row['name']}: {row['seen']}" if row["seen"] else row["name"]


def _begun(unit: Unit) -> bool:
    from course_lib.build import is_edited

    return is_edited(_exercise(unit))


def _exercise(unit: Unit) -> Path:
    return course_root() / "exercises" / f"{unit.name}.ipynb"


def _table(unit: Unit, rows: list[dict]) -> str:
    total = sum(row["score"] for row in rows)
    lines = [f"{unit.number}  {unit.title}: {total:g} of {unit.points} points", ""]
    for row in rows:
        lines.append(f"    {row['id']:<22} {row['score']:>5g} / {row['points']}   {row['reason'][:110]}")
    return "\n".join(lines) + "\n"


def _page(reports: list[tuple[Unit, list[dict]]]) -> str:
    body = []
    for unit, rows in reports:
        total = sum(row["score"] for row in rows)
        body.append(f"<h1>{text(unit.title)}</h1><p>{total:g} of {unit.points} points</p>")
        for row in rows:
            plain = f"<h2>{text(row['title'])}</h2><p>0 of {row['points']} points: {text(row['reason'])}</p>"
            body.append(row["html"] or plain)
    return page("Feedback", "".join(body))


# ---- in the process of its own ----


def _run(unit: Unit, path: Path, out: Path) -> None:
    """Run the notebook's cells, with the course's checks in place of its own; write each result at once."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError

    notebook = nbformat.read(path, as_version=4)
    official = official_checks(unit)
    notebook.cells = with_official_checks(notebook.cells, official, out)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        allow_errors=True,
        interrupt_on_timeout=True,
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute()
    except CellTimeoutError:
        raise SystemExit("a cell ran too long") from None


def official_checks(unit: Unit) -> dict[str, str]:
    """Grade id -> the check's source, from the course's solution."""
    path = course_root() / "solutions" / f"{unit.name}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {
        meta["grade_id"]: "".join(cell["source"])
        for cell in cells
        if (meta := cell["metadata"].get("nbgrader", {})).get("grade")
    }


def with_official_checks(cells: list, official: dict[str, str], out: Path) -> list:
    """The notebook's own cells without its checks; each official check follows the answer it belongs to.

    A check whose answer cell is gone comes last: it finds what is defined, or says that nothing is there.
    """
    from nbformat.v4 import new_code_cell

    kept, waiting = [], dict(official)

    def check(grade_id: str) -> None:
        source = waiting.pop(grade_id)
        kept.append(
            new_code_cell(_GUARDED.format(source=source, out=str(out), task=grade_id.replace("-", ".")))
        )

    for cell in cells:
        meta = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or meta.get("grade"):
            continue
        kept.append(cell)
        grade_id = str(meta.get("grade_id", "")).removesuffix("-answer")
        if meta.get("solution") and grade_id in waiting:
            check(grade_id)
    for grade_id in list(waiting):
        check(grade_id)
    return kept


_GUARDED = """
def _grade_one():
    import json
    from course_lib.grading import check
    try:
        result = {source}
    except NameError as error:
        result = check({task!r})
        result.headline = f"Nothing to check: {{error}}."
    with open({out!r}, "a", encoding="utf-8") as file:
        file.write(json.dumps(result.as_dict()) + "\\n")

_grade_one()
"""


if __name__ == "__main__":
    _run(find_unit(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
