"""What a teacher gets: a CSV with a row a student and task, and pages to read."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.grading.catalog import find_exercise
from course_lib.grading.classroom.judge import Grade
from course_lib.grading.classroom.submissions import Submission
from course_lib.grading.page import page, text

COLUMNS = ("student", "file", "unit", "task", "points", "of", "status", "misconception", "reason", "notes")
ALIKE = 0.9  # share of equal tokens from which two answers are shown side by side
SHORTEST = 25  # tokens; shorter answers are alike by nature


@dataclass(frozen=True)
class Graded:
    """One submission with its grades."""

    submission: Submission
    grades: Sequence[Grade]

    @property
    def score(self) -> float:
        return round(sum(grade.score for grade in self.grades), 2)

    @property
    def points(self) -> float:
        return sum(grade.points for grade in self.grades)


def write_csv(path: Path, graded: Sequence[Graded]) -> None:
    """A row a student and task. What a spreadsheet would run as a formula begins with an apostrophe."""
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in graded:
        unit = one.submission.unit.number if one.submission.unit else ""
        for grade in one.grades:
            row = [one.submission.student, one.submission.path.name, unit, grade.task, f"{grade.score:g}"]
            row += [f"{grade.points:g}", grade.status, "; ".join(grade.misconceptions), grade.reason]
            writer.writerow([_harmless(cell) for cell in [*row, " | ".join(one.submission.notes)]])
    path.write_text(rows.getvalue(), encoding="utf-8-sig", newline="\n")  # a BOM, so that Excel shows Hangul


def _harmless(cell: str) -> str:
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", str(cell)).encode("utf-8", "replace").decode("utf-8")
    return "'" + plain if plain[:1] in ("=", "+", "-", "@") else plain


def normal_form(source: str) -> tuple[str, ...]:
    """An answer's tokens without comments, layout and names: what stays when a copy is disguised."""
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                found.append(token.string if token.string in _KEPT else "name")
            elif token.type in (tokenize.OP, tokenize.NUMBER):
                found.append(token.string)
            elif token.type == tokenize.STRING:
                found.append("text")
    except (tokenize.TokenError, SyntaxError, ValueError):
        return ()
    return tuple(found)


_KEPT = {
    "def",
    "class",
    "return",
    "for",
    "in",
    "if",
    "else",
    "while",
    "lambda",
    "not",
    "and",
    "or",
    "is",
    "None",
}


def similar_answers(graded: Sequence[Graded]) -> list[tuple[str, str, str, float]]:
    """(task, student, student, share) of answers that are nearly the same, the likest first.

    Short answers are left out, those not begun, and tasks that half of the class solved in the same way.
    """
    answers: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in graded:
        missing = {grade.task.replace(".", "-") for grade in one.grades if grade.status == "missing"}
        for task, source in one.submission.cells:
            if task and task not in missing and len(form := normal_form(source)) >= SHORTEST:
                answers.setdefault(task, {})[one.submission.student] = form
    found = []
    for task, forms in answers.items():
        counts = Counter(forms.values())
        students = sorted(forms)
        for i, first in enumerate(students):
            if counts[forms[first]] > max(2, len(students) / 2):
                continue
            for second in students[i + 1 :]:
                matcher = difflib.SequenceMatcher(None, forms[first], forms[second], autojunk=False)
                if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
                    continue
                if (share := matcher.ratio()) >= ALIKE:
                    found.append((task.replace("-", "."), first, second, share))
    return sorted(found, key=lambda one: (-one[3], one[:3]))


def write_pages(folder: Path, graded: Sequence[Graded]) -> None:
    """index.html: the class at a glance; one page a submission with its feedback. No script, no network."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {id(one): f"{_slug(one.submission)}.html" for one in graded}
    for one in graded:
        (folder / pages[id(one)]).write_text(_student_page(one), encoding="utf-8", newline="\n")
    (folder / "index.html").write_text(_class_page(graded, pages), encoding="utf-8", newline="\n")


def _slug(submission: Submission) -> str:
    name = f"{submission.student}/{submission.path.name}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _class_page(graded: Sequence[Graded], pages: dict[int, str]) -> str:
    tasks = sorted({g.task for one in graded for g in one.grades if g.task}, key=_place)
    head = "".join(f"<th>{_parts(task)}</th>" for task in tasks)
    rows = []
    for one in graded:
        of = {grade.task: grade for grade in one.grades}
        cells = "".join(_cell(of[task]) if task in of else "<td></td>" for task in tasks)
        trouble = f"<small>{text(one.submission.trouble)}</small>" if one.submission.trouble else ""
        rows.append(
            f'<tr><th><a class="who" href="{pages[id(one)]}">{text(one.submission.student)}</a>{trouble}</th>'
            f"<td class='number'>{one.score:g} / {one.points:g}</td>{cells}</tr>"
        )
    body = [
        f"<h1>{len(graded)} submissions</h1>",
        f"<p class='soft'>{_summary(graded)}</p>",
        f"<div class='wide'><table class='class'><thead><tr><th>student</th><th>points</th>{head}</tr>",
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>",
        "<p class='soft'>Green: all points. Yellow: some. Red: none. A name leads to the feedback.</p>",
        _missed(graded, tasks),
        _alike(graded),
    ]
    return page("The class", "".join(body), wide=True)


def _summary(graded: Sequence[Graded]) -> str:
    """Who has all, what the middle is, and how many need a look."""
    scores = [one.score for one in graded if one.points]
    if not scores:
        return "Nothing could be read."
    full = sum(one.score == one.points for one in graded if one.points)
    odd = sum(any(grade.status not in ("ok", "wrong", "missing") for grade in one.grades) for one in graded)
    return (
        f"{full} with all points · median {statistics.median(scores):g} points · "
        f"{odd} to look at (crash, timeout, memory, tampered or unreadable)"
    )


def _cell(grade: Grade) -> str:
    share = grade.score / grade.points if grade.points else 0
    title = text(grade.misconceptions[0] if grade.misconceptions else grade.reason)
    shown = f"{grade.score:g}"
    if grade.status not in ("ok", "wrong"):
        shown += f" <span class='status'>{grade.status}</span>"
    return f'<td class="{"ok" if share == 1 else "some" if share else "none"}" title="{title}">{shown}</td>'


def _missed(graded: Sequence[Graded], tasks: list[str]) -> str:
    """Which ideas the class missed: each misconception with the number of students who hold it."""
    rows = []
    for task in tasks:
        grades = [grade for one in graded for grade in one.grades if grade.task == task]
        right = sum(grade.status == "ok" for grade in grades)
        ideas = Counter(_plain(title) for grade in grades for title in dict.fromkeys(grade.misconceptions))
        named = "".join(f"<li>{text(title)}: {n}</li>" for title, n in ideas.most_common(5))
        mean = sum(grade.score for grade in grades) / max(len(grades), 1)
        rows.append(
            f"<tr><th>{text(_title(task))}<br><small>{_parts(task)}</small></th>"
            f"<td>{right} of {len(grades)}</td><td>{mean:.2f} / {grades[0].points:g}</td>"
            f"<td class='say'><ul>{named or '<li>none named</li>'}</ul></td></tr>"
        )
    return (
        "<h2>Ideas the class missed</h2><div class='wide'><table><thead><tr><th>task</th><th>right</th>"
        "<th>mean points</th><th>misconceptions, students</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _alike(graded: Sequence[Graded]) -> str:
    pairs = similar_answers(graded)
    if not pairs:
        return "<h2>Similar answers</h2><p>None.</p>"
    more = f"<details><summary>{len(pairs) - 20} more</summary>{_pairs(pairs[20:300])}</details>"
    return (
        "<h2>Similar answers</h2><p>Equal up to names, comments and layout. Short tasks have few right "
        f"answers: look before you judge.</p>{_pairs(pairs[:20])}{more if len(pairs) > 20 else ''}"
    )


def _pairs(pairs: list[tuple[str, str, str, float]]) -> str:
    rows = "".join(
        f"<tr><td>{_parts(task)}</td><td><span class='who'>{text(first)}</span></td>"
        f"<td><span class='who'>{text(second)}</span></td><td>{share:.0%}</td></tr>"
        for task, first, second, share in pairs
    )
    return (
        "<div class='wide'><table><thead><tr><th>task</th><th>one</th><th>other</th><th>alike</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _student_page(one: Graded) -> str:
    submission = one.submission
    body = [f"<p><a href='index.html'>The class</a></p><h1>{text(submission.student)}</h1>"]
    body.append(f"<p>{text(submission.path.name)}: {one.score:g} of {one.points:g} points</p>")
    body += [f"<p class='note'>{text(note)}</p>" for note in submission.notes]
    for grade in one.grades:
        say = f"{grade.status}{': ' + text(grade.reason) if grade.reason else ''}"
        if not grade.html:
            score = f"{grade.score:g} of {grade.points:g} points"
            body.append(f"<h2>{text(_title(grade.task))}</h2><p>{score}, {say}</p>")
            continue
        if grade.status not in ("ok", "wrong"):  # the feedback tells the rest
            body.append(f"<p class='note'>{text(_title(grade.task))}: {say}</p>")
        body.append(grade.html)
    return page(submission.student, "".join(body))


def _parts(task: str) -> str:
    """A task's id that may be broken after its dot, and nowhere else."""
    return text(task).replace(".", ".<wbr>")


def _title(task: str) -> str:
    try:
        return find_exercise(task)[1].title
    except KeyError:
        return task


def _place(task: str) -> tuple:
    try:
        unit, exercise = find_exercise(task)
        return unit.number, unit.exercises.index(exercise)
    except KeyError:
        return "99", task


def _plain(title: str) -> str:
    """ "The root is missing (2 of 5 rows)" -> "The root is missing"."""
    return re.sub(r" \(\d+ of \d+ rows\)$", "", title)
