"""Grading a class: hostile and broken submissions, the CSV, the pages, and starting again."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from classes import HOSTILE, UNIT, cell_of, solution, write_class

from course_lib.grading.classroom import judge, report, run, wire
from course_lib.grading.classroom.run import grade_class
from course_lib.grading.classroom.submissions import find_submissions, student_of

DAILY = ["os-exit", "reads-solution", "always-equal", "markdown", "not-utf8"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path


def graded(folder, name):
    (one,) = [s for s in find_submissions(folder) if s.student == name]
    return one, judge.grade_submission(one, [folder])


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in DAILY else [pytest.mark.slow]) for n in HOSTILE]
)
def test_a_hostile_or_broken_submission_gets_the_right_status_and_harms_no_other_task(name, home):
    case = HOSTILE[name]
    one, grades = graded(write_class(home / "class", [name]), name)
    assert grades[0].status == case.status, grades[0]
    told = " ".join([grades[0].reason, *grades[0].misconceptions, *one.notes])
    assert case.says in told
    full = case.status == "ok" or name == "edited-check"
    assert grades[0].score == (grades[0].points if full else min(grades[0].score, 0.9 * grades[0].points))
    if case.untouched:
        others = [g for g in grades[1:] if g.task != "attention.heads"]  # whose answer calls the first one
        assert all(grade.status == "ok" and grade.score == grade.points for grade in others), others
    assert not Path("/tmp/course-was-here").exists()


@pytest.mark.slow
def test_nothing_of_a_flood_or_a_thread_is_left_running(home):
    import psutil

    folder = write_class(home / "class", ["fork-flood", "thread", "stubborn"])
    for name in ("fork-flood", "thread", "stubborn"):
        graded(folder, name)
    left = [p for p in psutil.Process().children(recursive=True) if "worker" in " ".join(p.cmdline())]
    assert not left


def test_the_right_notebook_gets_full_points_and_the_starter_is_missing(home):
    folder = home / "class"
    for student, source in (("kim", "solutions"), ("lee", "exercises")):
        (folder / student).mkdir(parents=True)
        text = (Path(source) / f"{UNIT}.ipynb").read_text(encoding="utf-8")
        (folder / student / "renamed by mail (1).ipynb").write_text(text, encoding="utf-8")
    _, right = graded(folder, "kim")
    assert all(grade.status == "ok" and grade.score == grade.points for grade in right)
    _, starter = graded(folder, "lee")
    assert all(grade.status in ("missing", "wrong") for grade in starter)
    assert sum(grade.status == "missing" for grade in starter) >= len(starter) - 1


def test_partial_credit_and_the_misconception_are_the_notebooks_own(home):
    from course_lib.grading import check

    notebook = solution()
    cell = cell_of(notebook, "attention-scores-answer")
    cell["source"] = "".join(cell["source"]).replace(" / math.sqrt(query.shape[-1])", "")
    folder = home / "class"
    folder.mkdir()
    (folder / "kim.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    _, grades = graded(folder, "kim")
    names: dict = {}
    exec("import math\nimport torch\n" + cell["source"], names)
    here = check("attention.scores", names["attend"])
    assert grades[0].status == "wrong" and 0 < grades[0].score < grades[0].points
    assert grades[0].score == here.score
    assert grades[0].misconceptions == [named.title for named in here.misconceptions] != []


def class_command(home, *more):
    return [
        sys.executable, "-m", "course_lib.cli", "class", "grade", str(home / "class"),
        "--csv", str(home / "grades.csv"), "--html", str(home / "report"), *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_killed_and_started_again_it_finishes_and_the_csv_is_whole_and_the_same(home):
    names = ["deleted-check", "foreign-kernel", "markdown", "always-equal", "liar"]
    write_class(home / "class", names)
    environment = {**os.environ, "COURSE_HOME": str(home / "home")}
    process = subprocess.Popen(class_command(home, "--jobs", "1"), env=environment, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list((home / "home" / "class").glob("*.json"))) >= 2
    assert not (home / "grades.csv").exists()
    subprocess.run(class_command(home), env=environment, check=True, stdout=subprocess.DEVNULL)
    whole = (home / "grades.csv").read_bytes()
    rows = list(csv.DictReader(whole.decode("utf-8-sig").splitlines()))
    assert {row["student"] for row in rows} == set(names) and len(rows) == 8 * len(names)
    began = time.monotonic()
    subprocess.run(class_command(home), env=environment, check=True, stdout=subprocess.DEVNULL)
    assert (home / "grades.csv").read_bytes() == whole
    fresh = {**os.environ, "COURSE_HOME": str(home / "other")}
    if time.monotonic() - began < 60:
        subprocess.run(class_command(home), env=fresh, check=True, stdout=subprocess.DEVNULL)
        assert (home / "grades.csv").read_bytes() == whole


def test_two_who_hand_in_the_same_file_at_the_same_time_are_both_recorded(home, monkeypatch):
    both_have_written, replace = threading.Barrier(2), os.replace

    def wait_and_replace(*paths):
        both_have_written.wait(30)
        replace(*paths)

    monkeypatch.setattr(run, "grade_submission", lambda *_: [judge.Grade("attention.scores", "ok", 5, 5)])
    monkeypatch.setattr(run.os, "replace", wait_and_replace)
    (home / "class").mkdir()
    for student in ("kim", "lee"):
        (home / "class" / f"{student}.ipynb").write_text(json.dumps(solution()), encoding="utf-8")
    assert grade_class(home / "class", home / "grades.csv", jobs=2) == 0
    rows = list(csv.DictReader((home / "grades.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["student"], row["points"]) for row in rows] == [("kim", "5"), ("lee", "5")]


HOSTILE_TEXT = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"=cmd|' /C calc'!A0"


def test_report_and_csv_escape_what_a_submission_says(home):
    folder = home / "class"
    folder.mkdir()
    notebook = solution()
    cell_of(notebook, "attention-scores-answer")["source"] = (
        f"def attend(*a, **k):\n    print({HOSTILE_TEXT!r})\n    raise ValueError({HOSTILE_TEXT!r})"
    )
    (folder / "=kim<b>.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert grade_class(folder, home / "grades.csv", home / "report", jobs=1) == 0
    for page in (home / "report").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text and "<img" not in text and "<b>" not in text
        assert "default-src 'none'" in text and "http://" not in text and "https://" not in text
    rows = list(csv.reader((home / "grades.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    pages = "".join(page.read_text(encoding="utf-8") for page in (home / "report").glob("*.html"))
    assert "&lt;script&gt;alert(1)" in pages


def test_similar_answers_are_found_under_other_names_and_layout():
    from course_lib.grading.classroom.submissions import Submission

    one = "def f(x, n):\n    total = 0\n    for i in range(n):\n        total = total + x[i] * 2\n"
    one += "    return total / n"
    copy = "# mine\ndef g(y, m):\n  acc = 0\n  for k in range(m):\n    acc = acc + y[k] * 2\n"
    copy += "\n  return acc / m\n"
    other = "def f(x, n):\n    return 2 * sum(x[j] for j in range(n) if j >= 0 and True) / max(n, 1) + 0 * 1"
    class_ = [
        report.Graded(Submission(name, Path(name), cells=[("unit-task", source)]), [])
        for name, source in (("a", one), ("b", copy), ("c", other))
    ]
    assert [(a, b) for _, a, b, _ in report.similar_answers(class_)] == [("a", "b")]
    not_begun = [judge.Grade("unit.task", "missing", 0, 1)]
    class_ = [report.Graded(one.submission, not_begun) for one in class_]
    assert not report.similar_answers(class_)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 7, -(2**80), 0.1, float("inf"), "나\x00<b>", [1, (2.5, "x")],
        {"a": torch.arange(6).view(2, 3)},
        torch.tensor(1.5), torch.empty(0, 3), torch.tensor([True, False]), torch.randn(2, 3).T,
        torch.tensor([float("nan")]), torch.tensor([1.0], dtype=torch.bfloat16),
    ],
)  # fmt: skip
def test_values_travel_unchanged(value):
    from course_lib.grading import compare

    back = wire.unpacked(json.loads(json.dumps(wire.packed(value))))
    assert type(back) is type(value)
    if isinstance(value, torch.Tensor):
        assert back.dtype == value.dtype and back.shape == value.shape
        assert torch.equal(back.nan_to_num(7), value.nan_to_num(7))
    else:
        assert value is None or compare.same(back, value)


@pytest.mark.parametrize(
    "packed",
    [
        7, "x", [], {}, {"int": "zz"}, {"tensor": "float32", "shape": [3], "data": "AAAA"}, {"pickle": "x"},
        {"tensor": "object", "shape": [0], "data": ""},
        {"tensor": "float32", "shape": [-1, -1], "data": "AAAAAA=="},
        {"text": "a", "int": "0x1"}, {"strange": "\x00"},
    ],
)  # fmt: skip
def test_what_no_worker_writes_is_refused(packed):
    with pytest.raises(wire.Malformed):
        wire.unpacked(packed)


def test_errors_travel_as_builtin_errors_only():
    assert type(wire.unpacked({"error": "ValueError", "text": "a"})) is ValueError
    assert type(wire.unpacked({"error": "print", "text": "a"})) is RuntimeError
    assert type(wire.unpacked({"error": "eval", "text": "1"})) is RuntimeError


@pytest.mark.parametrize(
    ("file", "student"),
    [("kim_01_attention.ipynb", "kim"), ("01_attention-lee.ipynb", "lee"),
     ("01_attention.ipynb", "01_attention"), ("박민지 05_bert_pretraining.ipynb", "박민지")],
)  # fmt: skip
def test_students_are_told_from_file_names(file, student):
    assert student_of(Path(file)) == student


def test_a_folder_without_notebooks_or_that_is_not_there_is_told_in_a_sentence(home, capsys):
    assert grade_class(home / "nowhere") == 1 and "no folder" in capsys.readouterr().err
    (home / "class").mkdir()
    assert grade_class(home / "class") == 1 and "no notebook" in capsys.readouterr().err
