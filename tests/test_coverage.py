"""notebooks/coverage.yml keeps its promises: what is marked as delivered is in the notebooks."""

import json
from pathlib import Path

import pytest
import yaml

from course_lib.lessons import LESSONS

ROOT = Path(__file__).parent.parent
COVERAGE = yaml.safe_load((ROOT / "notebooks" / "coverage.yml").read_text(encoding="utf-8"))
# The lecture's rows by part: language models, auto-encoders, auto-regressive models, encoder-decoders.
ROWS = {"A": 5, "B": 8, "C": 11, "D": 15, "E": 7}
PROMISES = [(row, lesson) for row, entry in COVERAGE.items() for lesson in entry["lessons"]]


def code_cells(lesson: str) -> set[str]:
    path = ROOT / "notebooks" / f"{lesson}.ipynb"
    if not path.is_file():
        return set()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return {cell["id"] for cell in notebook["cells"] if cell["cell_type"] == "code"}


def test_every_row_of_the_lecture_is_there():
    expected = {f"{part}{i}" for part, last in ROWS.items() for i in range(1, last + 1)}
    assert expected == set(COVERAGE)


@pytest.mark.parametrize(("row", "lesson"), PROMISES)
def test_a_row_is_delivered_by_cells_of_a_lesson_that_exists(row, lesson):
    assert lesson in {one.name for one in LESSONS}
    promised, there = COVERAGE[row]["lessons"][lesson], code_cells(lesson)
    if there:
        assert promised, f"{lesson} is written, but no cell of it delivers {row}"
    missing = [cell for cell in promised if cell not in there]
    assert not missing, f"{row}: no code cell {missing} in {lesson}"


def test_every_lesson_that_exists_delivers_something():
    for lesson in LESSONS:
        if lesson.is_there():
            assert any(entry["lessons"].get(lesson.name) for entry in COVERAGE.values()), lesson.name


def test_the_readme_lists_the_lessons_as_they_are():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in LESSONS:
        linked = f"[{lesson.title}](notebooks/{lesson.name}.ipynb)"
        name, state = (linked, "") if lesson.is_there() else (lesson.title, "to come")
        assert f"| {lesson.number} | {name} | {lesson.what} | {state} |" in readme
