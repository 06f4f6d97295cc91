"""Answers survive an update of the course: they go to their task, wherever it stands now."""

import json
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from course_lib.build import as_text, is_edited
from course_lib.grading import carry as module
from course_lib.grading import runner
from course_lib.grading.carry import carried, carry
from course_lib.grading.catalog import UNITS
from course_lib.paths import course_root

UNIT = UNITS[0]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with one unit, whose exercise the tests may spoil."""
    root = tmp_path / "new"
    for folder in ("exercises", "solutions"):
        (root / folder).mkdir(parents=True)
        shutil.copy(course_root() / folder / f"{UNIT.name}.ipynb", root / folder)
    for one in (module, runner):
        monkeypatch.setattr(one, "course_root", lambda: root)
    (root / "exercises" / f"{UNIT.name}.ipynb").write_text(
        as_text(runner.fresh_exercise(root / "solutions" / f"{UNIT.name}.ipynb")), encoding="utf-8"
    )
    return root


def exercise(root):
    return root / "exercises" / f"{UNIT.name}.ipynb"


def answer_cells(notebook):
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]


def answered(root, change=lambda notebook: None):
    """An older course: two answers, a cell of the learner's own after the first; `change` makes it older."""
    old = root.parent / "old" / "exercises"
    old.mkdir(parents=True)
    notebook = nbformat.read(exercise(root), as_version=4)
    first, second = answer_cells(notebook)[:2]
    first.source, second.source = "answer = 1", "answer = '둘'"
    own = new_code_cell("my_own = 3", id="0badcafe")
    notebook.cells.insert(notebook.cells.index(first) + 1, own)
    change(notebook)
    path = old / f"{UNIT.name}.ipynb"
    path.write_text(as_text(notebook), encoding="utf-8")
    return path


def sources(root):
    return [cell.source for cell in nbformat.read(exercise(root), as_version=4).cells]


@pytest.mark.parametrize("where", ["course", "exercises", "notebook"])
def test_answers_and_own_cells_go_over_and_the_rest_is_the_new_release(course, where, capsys):
    path = answered(course)
    fresh = sources(course)
    place = {"course": path.parents[1], "exercises": path.parent, "notebook": path}[where]
    assert carry(str(place)) == 0
    now = sources(course)
    assert now[now.index("answer = 1") + 1] == "my_own = 3"
    assert "answer = '둘'" in now
    assert len(now) == len(fresh) + 1 and len(set(fresh) - set(now)) <= 2
    assert "2 answers carried over" in capsys.readouterr().out
    assert is_edited(exercise(course))


def test_an_old_text_is_replaced_and_an_old_check_is_not_kept(course):
    def older(notebook):
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade"):
                cell.source = "check('old')"
            elif cell.cell_type == "markdown":
                cell.source = "An older text."

    answered(course, older)
    carry(str(course.parent / "old"))
    assert "An older text." not in sources(course) and "check('old')" not in sources(course)


def test_an_answer_to_a_task_that_is_no_more_comes_last_as_text(course):
    def older(notebook):
        second = answer_cells(notebook)[1]
        second.metadata.nbgrader.grade_id = f"{UNIT.name[3:]}-dropped-answer"

    answered(course, older)
    carry(str(course.parent / "old"))
    notebook = nbformat.read(exercise(course), as_version=4)
    assert notebook.cells[-1].cell_type == "markdown" and "answer = '둘'" in notebook.cells[-1].source
    carry()
    again = nbformat.read(exercise(course), as_version=4)
    assert [c.source for c in again.cells] == [c.source for c in notebook.cells]


def test_what_the_exercise_held_is_kept_beside_it(course):
    path = answered(course)
    notebook = nbformat.read(exercise(course), as_version=4)
    answer_cells(notebook)[2].source = "newer = True"
    exercise(course).write_text(as_text(notebook), encoding="utf-8")
    carry(str(path))
    (kept,) = exercise(course).parent.glob("*-kept-*.ipynb")
    assert "newer = True" in kept.read_text(encoding="utf-8")
    assert path.is_file()


def test_nothing_to_carry_is_said_and_changes_nothing(course, capsys):
    before = exercise(course).read_text(encoding="utf-8")
    assert carry(str(course)) == 1
    assert "No exercise with answers" in capsys.readouterr().err
    assert carry(str(course / "nowhere")) == 1
    assert exercise(course).read_text(encoding="utf-8") == before


def test_carrying_twice_changes_nothing(course):
    path = answered(course)
    carry(str(path))
    before = exercise(course).read_text(encoding="utf-8")
    carry(str(path))
    assert exercise(course).read_text(encoding="utf-8") == before
    assert len(list(exercise(course).parent.iterdir())) == 1


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_fresh_exercise_of_every_unit_carries_to_itself(unit):
    path = course_root() / "exercises" / f"{unit.name}.ipynb"
    if is_edited(path):
        pytest.skip("it holds a learner's answers")
    notebook, moved, gone = carried(path, unit)
    assert (moved, gone) == (0, 0)
    assert json.loads(as_text(notebook)) == json.loads(path.read_text(encoding="utf-8"))
