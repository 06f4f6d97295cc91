"""nbgrader grades the course's notebooks by the commands of solutions/nbgrader.md, with partial credit."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "solutions" / "nbgrader.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^nbgrader (.+?)(?:  .*)?$", PAGE, re.M)
NAME = "01_attention.ipynb"


def answers(notebook):
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]


@pytest.mark.slow
def test_the_documented_commands_release_grade_and_export(tmp_path):
    pytest.importorskip("nbgrader")
    (tmp_path / "source" / "01").mkdir(parents=True)
    shutil.copy(ROOT / "solutions" / "nbgrader_config.py", tmp_path)
    shutil.copy(ROOT / "solutions" / NAME, tmp_path / "source" / "01")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def nbgrader(arguments):
        command = [sys.executable, "-m", "nbgrader", *arguments.split()]
        subprocess.run(command, cwd=tmp_path, env=os.environ | {"PATH": path}, check=True, timeout=120)

    release, *rest = COMMANDS
    assert [one.split()[0] for one in rest] == ["autograde", "generate_feedback", "export"]
    nbgrader(release)
    made = nbformat.read(tmp_path / "release" / "01" / NAME, as_version=4)
    ours = nbformat.read(ROOT / "exercises" / NAME, as_version=4)
    assert [c.source for c in made.cells] == [c.source for c in ours.cells]

    solution = nbformat.read(ROOT / "solutions" / NAME, as_version=4)
    for student, wrong in (("all-right", ""), ("no-root", "/ math.sqrt(query.shape[-1])"), ("empty", None)):
        for cell, right in zip(answers(made), answers(solution), strict=True):
            if wrong is not None:
                assert cell.metadata.nbgrader.grade_id == right.metadata.nbgrader.grade_id
                cell.source = right.source.replace(wrong, "") if wrong else right.source
        place = tmp_path / "submitted" / student / "01" / NAME
        place.parent.mkdir(parents=True)
        nbformat.write(made if wrong is not None else ours, place)
    for command in rest:
        nbgrader(command)
    with open(tmp_path / "grades.csv", encoding="utf-8") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    full = sum(
        c.metadata.nbgrader.points for c in solution.cells if "points" in c.metadata.get("nbgrader", {})
    )
    assert scores["all-right"] == full and scores["empty"] == 0
    assert full / 2 < scores["no-root"] < full
    assert (tmp_path / "feedback" / "no-root" / "01").is_dir()
