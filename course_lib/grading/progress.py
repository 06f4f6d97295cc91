"""What was tried and reached, in a small SQLite file. No torch, no network, nothing leaves the machine.

The file is `.course/progress.sqlite` in the course's folder, or `progress.sqlite` in the folder that the
environment variable COURSE_HOME names. SQLite's journal keeps it whole when two notebooks write at once or a
kernel is killed in the middle of a write.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.grading.catalog import UNITS, Exercise, find_unit
from course_lib.grading.page import text, visible
from course_lib.paths import course_home, course_root

if TYPE_CHECKING:
    from course_lib.grading.result import Result

SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    at REAL NOT NULL DEFAULT (julianday('now')), task TEXT NOT NULL,
    score REAL NOT NULL, points REAL NOT NULL, seconds REAL NOT NULL, misconceptions TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hints (task TEXT NOT NULL, tier INTEGER NOT NULL, PRIMARY KEY (task, tier));
"""
PAUSE = 15 / (24 * 60)  # days; a longer gap between two attempts is not counted as work on the task
_complained = False


def folder() -> Path:
    """Where progress is kept."""
    return course_home()


@contextlib.contextmanager
def _open(create: bool) -> Iterator[sqlite3.Connection]:
    """A connection whose writes are kept together or not at all."""
    home = folder()
    if create and not home.is_dir():
        home.mkdir(parents=True)
        (home / ".gitignore").write_text("*\n", encoding="utf-8")
    mode = "rwc" if create else "ro"
    uri = (home / "progress.sqlite").absolute().as_uri() + f"?mode={mode}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=2)) as connection:
        if create:
            connection.executescript(SCHEMA)
        with connection:
            yield connection


def record(result: Result, seconds: float) -> str:
    """Keep one attempt. Returns "", or once a sentence when it cannot be kept. Never raises.

    Solutions that are run in their own folder are not the learner's attempts.
    """
    named = "\n".join(one.id for one in result.misconceptions)
    row = (result.id, result.score, result.points, seconds, named)
    return _write(
        "INSERT INTO attempts (task, score, points, seconds, misconceptions) VALUES (?, ?, ?, ?, ?)", row
    )


def record_hint(task: str, tier: int) -> None:
    """Keep that a hint was shown. Never raises."""
    _write("INSERT OR IGNORE INTO hints (task, tier) VALUES (?, ?)", (task, tier))


def _write(statement: str, row: tuple) -> str:
    global _complained
    try:
        if Path.cwd() == course_root() / "solutions":
            return ""
        with _open(create=True) as connection:
            connection.execute(statement, row)
    except (OSError, sqlite3.Error) as error:
        if _complained:
            return ""
        _complained = True
        return f"Your progress cannot be kept here ({error}). The check itself is not affected."
    return ""


def read(unit: str | None = None) -> list[dict]:
    """A dict a task, untried ones included: unit, id, title, points, best, attempts, minutes, hints, ideas.

    Raises:
        LookupError: no unit has this name.
        sqlite3.Error, OSError: the file is there but cannot be read.
    """
    units = UNITS if unit is None else (find_unit(unit),)
    attempts: list[tuple] = []
    hints: dict[str, int] = {}
    if (folder() / "progress.sqlite").is_file():
        with _open(create=False) as connection:
            attempts = connection.execute(
                "SELECT task, at, score, seconds, misconceptions FROM attempts ORDER BY at"
            ).fetchall()
            hints = dict(connection.execute("SELECT task, MAX(tier) FROM hints GROUP BY task"))
    minutes = _minutes(attempts)
    return [
        {
            "unit": one,
            "id": exercise.id,
            "title": exercise.title,
            "points": exercise.points,
            "best": min(max((a[2] for a in attempts if a[0] == exercise.id), default=0.0), exercise.points),
            "attempts": sum(a[0] == exercise.id for a in attempts),
            "minutes": minutes.get(exercise.id, 0.0),
            "hints": hints.get(exercise.id, 0),
            "ideas": _ideas(exercise, attempts),
        }
        for one in units
        for exercise in one.exercises
    ]


def _minutes(attempts: list[tuple]) -> dict[str, float]:
    """Time on each task: from the attempt before, on whatever task, if that was not a pause."""
    spent: dict[str, float] = {}
    before = None
    for task, at, _, seconds, _ in attempts:
        gap = at - before if before is not None and at - before < PAUSE else seconds / 86400
        spent[task] = spent.get(task, 0.0) + gap * 24 * 60
        before = at
    return spent


def _ideas(exercise: Exercise, attempts: list[tuple]) -> dict[str, int]:
    """How often each misconception was met on a task."""
    met: dict[str, int] = {}
    for task, *_, named in attempts:
        if task == exercise.id:
            for one in filter(None, named.split("\n")):
                met[one] = met.get(one, 0) + 1
    return met


def _shown_idea(idea: str) -> str:
    return visible(idea).replace("-", " ")


def report(unit: str | None = None) -> str:
    """A table for the terminal: points, attempts, minutes and hints a task, then which ideas were hard."""
    try:
        rows = read(unit)
    except LookupError as error:
        return str(error)
    except (OSError, sqlite3.Error) as error:
        return f"The progress file {folder() / 'progress.sqlite'} cannot be read: {error}"
    lines, ideas = [], {}
    for one in {row["unit"].number: row["unit"] for row in rows}.values():
        mine = [row for row in rows if row["unit"] is one]
        best = sum(row["best"] for row in mine)
        lines += [f"{one.number}  {one.title}: {best:g} of {one.points} points", ""]
        lines.append(f"    {'task':<22} {'points':>9} {'tries':>6} {'minutes':>8} {'hints':>6}")
        for row in mine:
            points = f"{row['best']:g} / {row['points']}"
            tried = (
                f"{row['attempts']:>6} {row['minutes']:>8.0f} {row['hints']:>6}" if row["attempts"] else ""
            )
            lines.append(f"    {row['id']:<22} {points:>9} {tried}".rstrip())
            for idea, times in row["ideas"].items():
                ideas[idea] = ideas.get(idea, 0) + times
        lines.append("")
    if ideas:
        lines.append("Ideas that were hard:")
        ranked = sorted(ideas.items(), key=lambda pair: -pair[1])
        lines += [
            f"    {_shown_idea(idea)} (met {times} time{'s' * (times > 1)})" for idea, times in ranked[:8]
        ]
    elif not any(row["attempts"] for row in rows):
        lines.append("Nothing tried yet. Open an exercise, write an answer, and run its check.")
    return "\n".join(lines).rstrip()


class Panel:
    """The learner's progress as a notebook shows it; `print` shows the same as text."""

    def __init__(self, unit: str | None = None) -> None:
        self.unit = unit

    def __repr__(self) -> str:
        return report(self.unit)

    def _repr_html_(self) -> str:
        try:
            rows = read(self.unit)
        except (LookupError, OSError, sqlite3.Error):
            return f"<p>{text(report(self.unit))}</p>"
        body = []
        for row in rows:
            share = 100 * row["best"] / row["points"]
            often = sorted(row["ideas"], key=row["ideas"].get, reverse=True)[:3]
            ideas = ", ".join(escape(_shown_idea(idea)) for idea in often)
            tried = f"{row['attempts']}" if row["attempts"] else "–"
            path = f"../exercises/{row['unit'].name}.ipynb"
            body.append(
                f'<tr><td><a href="{path}">{escape(row["title"])}</a></td>'
                f'<td><div class="bar"><div style="width:{share:.0f}%"></div></div></td>'
                f"<td>{row['best']:g} / {row['points']}</td><td>{tried}</td><td>{ideas}</td></tr>"
            )
        head = "".join(f"<th>{name}</th>" for name in ("Task", "", "Points", "Tries", "Ideas that were hard"))
        return f'{PANEL_STYLE}<table class="progress-panel"><tr>{head}</tr>{"".join(body)}</table>'


def panel(unit: str | None = None) -> Panel:
    """Progress to show as the last line of a cell."""
    return Panel(unit)


PANEL_STYLE = """<style>
table.progress-panel{max-width:52rem;border-collapse:collapse;font-size:14px;
color:var(--jp-content-font-color1,inherit)}
table.progress-panel tr,table.progress-panel tr:hover{background:none!important}
table.progress-panel td,table.progress-panel th{padding:.35rem .6rem;border:0;
text-align:left!important;max-width:none;
border-bottom:1px solid var(--jp-border-color2,#8886)}
.progress-panel .bar{width:8rem;height:6px;border-radius:3px;background:var(--jp-layout-color3,#8883)}
.progress-panel .bar div{height:100%;border-radius:3px;background:#2a8f5c}
</style>"""
