"""`course carry`: answers written into an older copy of an exercise go into this course's, by grade id.

A new release of the course may change the text around a task, add tasks or drop some. What the learner
wrote stays: answers go to the cell of the same grade id, own cells follow the cell they followed, and an
answer to a task that is no more comes last, as text.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.build import as_text, checksum, is_edited, keep
from course_lib.grading.catalog import UNITS, Unit
from course_lib.grading.runner import fresh_exercise
from course_lib.paths import course_root

if TYPE_CHECKING:
    from nbformat import NotebookNode

GONE = "## Answers to tasks that are no more"


def carry(source: str | None = None) -> int:
    """Bring the answers of an older course, or of one notebook, into this course's exercises.

    What a notebook held before is kept beside it under a dated name.

    Args:
        source: the old course's folder, its exercises, or a notebook; this course's own exercises when not
            given, which then get the text and the checks of this release around the same answers.

    Returns:
        An exit code: 1 where nothing was found.
    """
    place = Path(source) if source else course_root() / "exercises"
    found = [(unit, path) for unit in UNITS if (path := _old(place, unit)) is not None]
    if not found:
        print(f"No exercise with answers in {place}: give a notebook, or a course's folder.", file=sys.stderr)
        return 1
    for unit, path in found:
        target = course_root() / "exercises" / f"{unit.name}.ipynb"
        notebook, moved, gone = carried(path, unit)
        text = as_text(notebook)
        if target.is_file() and target.read_text(encoding="utf-8", errors="replace") == text:
            print(f"exercises/{target.name}: as it should be already")
            continue
        print(f"exercises/{target.name}: {moved} answer{'s' * (moved != 1)} carried over")
        if gone:
            print(f"  {gone} to tasks that are no more stand at its end, as text")
        if is_edited(target):
            print(f"  what it held is kept in exercises/{keep(target).name}")
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    return 0


def carried(old: Path, unit: Unit) -> tuple[NotebookNode, int, int]:
    """This release's exercise with the answers of `old` in it; how many went over, how many have no place."""
    import nbformat
    from nbformat.v4 import new_markdown_cell

    fresh = fresh_exercise(course_root() / "solutions" / f"{unit.name}.ipynb")
    place_of = {_key(cell): cell for cell in fresh.cells}
    moved, gone, own, last = 0, [], {}, None  # own: {key of the cell before: cells}
    cells = nbformat.read(old, as_version=4).cells
    ours = _came_with_it(cells)
    for cell in cells:
        key, meta = _key(cell), cell.metadata.get("nbgrader", {})
        if cell.metadata.get("carried"):
            gone.append(cell)
        elif key in place_of:
            last = key
            if meta.get("solution") and meta.get("checksum") != checksum(cell):
                place_of[key].source = cell.source
                moved += 1
        elif meta.get("solution"):
            if meta.get("checksum") != checksum(cell):
                gone.append(
                    new_markdown_cell(f"{GONE}\n\n`{meta.grade_id}`\n\n```python\n{cell.source}\n```")
                )
                gone[-1].id, gone[-1].metadata = f"{meta.grade_id}-gone"[:64], {"carried": True}
        elif not meta and key not in ours and cell.source.strip():
            own.setdefault(last, []).append(cell)
    cells = list(own.pop(None, []))
    for cell in fresh.cells:
        cells += [cell, *own.pop(_key(cell), [])]
    fresh.cells = cells + gone
    return fresh, moved, len(gone)


def _key(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id") or cell.get("id", "")


def _came_with_it(cells: list[NotebookNode]) -> set[str]:
    """Ids of the cells that an older release brought itself: "pairs" belongs to "contextual-pairs-answer"."""
    graded = [cell.metadata.nbgrader.grade_id for cell in cells if "nbgrader" in cell.metadata]
    tasks = tuple(one.split("-")[1] for one in graded if "-" in one)
    own = {cell.get("id", "") for cell in cells}
    return {"title", "setup", "end"} | {
        i for i in own if i in tasks or i.startswith(tuple(f"{t}-" for t in tasks))
    }


def _old(place: Path, unit: Unit) -> Path | None:
    """The unit's edited notebook in a course's folder or its exercises, or `place` itself if it is one."""
    from course_lib.grading.classroom.submissions import read_submission

    if place.is_file():
        one = read_submission("", place)
        return place if one.unit == unit and is_edited(place) else None
    for path in (place / "exercises" / f"{unit.name}.ipynb", place / f"{unit.name}.ipynb"):
        if is_edited(path):
            return path
    return None
