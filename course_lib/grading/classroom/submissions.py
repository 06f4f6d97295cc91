"""What lies in a folder of submissions. Notebooks are read as data here; nothing of them is run."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.grading.catalog import UNITS, Unit
from course_lib.grading.runner import official_checks

LARGEST = 20_000_000  # bytes of a notebook
MOST_CELLS = 500
LONGEST_CELL = 100_000  # characters


@dataclass
class Submission:
    """One notebook of one student.

    Attributes:
        student: the folder it lies in, or its file's name.
        trouble: why it cannot be read; "" when it can.
        cells: (grade id or "", source) of its own code cells in their order, without checks.
        notes: what a teacher may want to know, for instance that a check cell was edited.
    """

    student: str
    path: Path
    unit: Unit | None = None
    trouble: str = ""
    cells: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tampered: set[str] = field(default_factory=set)
    digest: str = ""


def find_submissions(folder: Path, unit: Unit | None = None) -> list[Submission]:
    """All notebooks in a folder: flat files, or a folder a student. A folder without any is listed, too.

    Args:
        unit: read every notebook as this unit's; found out from the grade ids when not given.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no notebook.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
            found += [read_submission(path.name, one, unit) for one in inside]
            if not inside:
                found.append(Submission(path.name, path, unit, "no notebook in this folder"))
        elif path.suffix == ".ipynb":
            found.append(read_submission(student_of(path), path, unit))
    if not found:
        raise ValueError(f"no notebook (*.ipynb) in {folder}")
    return found


def student_of(path: Path) -> str:
    """ "kim_minji_01_attention.ipynb" -> "kim_minji"; "01_attention.ipynb" stays as it is."""
    for unit in UNITS:
        name = re.sub(rf"[ _-]*{re.escape(unit.name)}[ _-]*", "", path.stem)
        if name and name != path.stem:
            return name
    return path.stem


def read_submission(student: str, path: Path, unit: Unit | None = None) -> Submission:
    """Read one notebook. Never raises for what stands in it: `trouble` tells."""
    one = Submission(student, path, unit)
    try:
        if path.is_symlink() or not path.is_file():
            one.trouble = "not an ordinary file"
            return one
        if path.stat().st_size > LARGEST:
            one.trouble = f"{path.stat().st_size / 1e6:.0f} MB; {LARGEST / 1e6:.0f} MB are the limit"
            return one
        raw = path.read_bytes()
        one.digest = hashlib.sha256(raw).hexdigest()
        cells = _cells(json.loads(raw.decode("utf-8-sig")))
    except UnicodeDecodeError:
        one.trouble = "not UTF-8 text"
    except (OSError, ValueError, RecursionError) as error:
        one.trouble = f"not a notebook: {str(error)[:100]}"
    if not one.trouble:
        _understand(one, cells)
    return one


def _cells(notebook: object) -> list[tuple[str, dict, str]]:
    """(kind, nbgrader's metadata, source) of each cell."""
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError("it has no list of cells")
    if len(notebook["cells"]) > MOST_CELLS:
        raise ValueError(f"{len(notebook['cells'])} cells; {MOST_CELLS} are the limit")
    found = []
    for cell in notebook["cells"]:
        if not isinstance(cell, dict):
            raise ValueError("a cell is no object")
        source = cell.get("source", "")
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if len(source) > LONGEST_CELL:
            raise ValueError(f"a cell of {len(source):,} characters; {LONGEST_CELL:,} are the limit")
        metadata = cell.get("metadata")
        meta = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        found.append((str(cell.get("cell_type")), meta if isinstance(meta, dict) else {}, source))
    return found


def _understand(one: Submission, cells: list[tuple[str, dict, str]]) -> None:
    """Find the unit, keep the student's cells, and compare the check cells with the course's."""
    ids = {str(meta.get("grade_id", "")).removesuffix("-answer") for _, meta, _ in cells}
    if one.unit is None:
        of = {unit.name: sum(e.id.replace(".", "-") in ids for e in unit.exercises) for unit in UNITS}
        best = max(UNITS, key=lambda unit: of[unit.name])
        if not of[best.name]:
            one.trouble = "its cells belong to no unit of this course"
            return
        one.unit = best
    tasks = {exercise.id.replace(".", "-") for exercise in one.unit.exercises}
    strange = sorted(i for i in ids - tasks if i and re.fullmatch(r"[a-z]+-[a-z0-9]+", i))
    if strange and not ids & tasks:
        one.trouble = f"its cells ({', '.join(strange[:3])}) do not belong to {one.unit.name}"
        return
    if strange:
        one.notes.append(f"cells that this unit does not have: {', '.join(strange[:5])}")
    official, seen, answers = official_checks(one.unit), set(), set()
    for kind, meta, source in cells:
        grade_id = str(meta.get("grade_id", ""))
        task = grade_id.removesuffix("-answer")
        if meta.get("grade") or grade_id in official:  # a check: the course's own is used
            if task in official and source.strip() != official[task].strip():
                one.tampered.add(task)
                one.notes.append(f"{task}: the check cell was edited (the course's own was used)")
            if task in seen:
                one.notes.append(f"{task}: the check cell stands there twice")
            seen.add(task)
            continue
        if kind != "code":
            if grade_id.endswith("-answer"):
                one.notes.append(f"{task}: the answer stands in a text cell and was not run")
            continue
        if grade_id.endswith("-answer") and task in tasks:
            if task in answers:
                one.notes.append(f"{task}: there are two answer cells; both were run, the later one counts")
            answers.add(task)
            one.cells.append((task, source))
        else:
            one.cells.append(("", source))
