"""The start page's task answers like any other, and every task points at a section that exists."""

import json
from pathlib import Path

import pytest
import torch

from course_lib.grading import check, report
from course_lib.grading.catalog import EXERCISES, PRACTICE

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def test_a_right_softmax_gets_all_points_and_counts_nowhere():
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        return powers / powers.sum(-1, keepdim=True)

    assert check("start.softmax", softmax).passed
    assert "start.softmax" not in report()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (lambda s: torch.exp(s) / torch.exp(s).sum(), "sum-over-everything"),
        (lambda s: torch.exp(s) / torch.exp(s).sum(-2, keepdim=True), "softmax-over-rows"),
        (lambda s: s / s.sum(-1)[..., None], "no-exponential"),
    ],
)
def test_the_usual_mistakes_are_named(wrong, name):
    result = check("start.softmax", wrong)
    assert not result.passed
    assert [one.id for one in result.misconceptions] == [name]


def test_torchs_own_softmax_is_refused_kindly():
    result = check("start.softmax", lambda scores: torch.softmax(scores, -1))
    assert result.score == 0 and "finished part" in result.headline


@pytest.mark.parametrize("task", [*EXERCISES, *PRACTICE])
def test_the_section_a_task_links_to_is_a_heading_of_its_lesson(task):
    unit, exercise = (EXERCISES | PRACTICE)[task]
    notebook = json.loads((ROOT / "notebooks" / f"{unit.name}.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in notebook["cells"] for line in "".join(cell["source"]).splitlines()]
    assert {f"## {exercise.section}", f"### {exercise.section}"} & set(lines)
