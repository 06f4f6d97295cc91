"""Building exercises and outputs, grading notebooks, and putting them back to their start."""

import base64
import json
import socket
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib import build as build_module
from course_lib.build import BuildError, as_text, is_edited, keep, release, tidy
from course_lib.grading import runner
from course_lib.grading.catalog import UNITS, find_unit
from course_lib.paths import course_root

UNIT = UNITS[0]
SOLUTION = course_root() / "solutions" / f"{UNIT.name}.ipynb"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one unit in a folder of its own."""
    for folder in ("exercises", "solutions", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "solutions" / SOLUTION.name).write_bytes(SOLUTION.read_bytes())
    for module in (build_module, runner):
        monkeypatch.setattr(module, "course_root", lambda: tmp_path)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path


def cell_of(notebook, grade_id):
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def answered(path, solved):
    """Write the exercise with these answers taken from the solution, and a note of the learner's."""
    notebook, solution = release(SOLUTION), nbformat.read(SOLUTION, as_version=4)
    for grade_id in solved:
        cell_of(notebook, grade_id).source = cell_of(solution, grade_id).source
    nbformat.write(notebook, path)
    return notebook


# ---- outputs ----


def test_outputs_name_neither_machine_nor_folder_nor_address_nor_time():
    home, root, host = str(Path.home()), str(course_root()), socket.gethostname()
    text = f"{root}/notebooks/a.py {home}/x <function f at 0x7f12ab34cd56> \x1b[31mred\x1b[0m on {host}\n"
    cell = new_code_cell("x", execution_count=41, id="keep-me")
    cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    cell.outputs = [
        new_output("stream", name="stdout", text=text),
        new_output("stream", name="stdout", text="more"),
        new_output("execute_result", data={"text/plain": text, "text/html": text}, execution_count=41),
        new_output(
            "display_data",
            data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "widget"},
        ),
    ]
    notebook = new_notebook(cells=[new_markdown_cell("t", id="title"), cell])
    notebook.metadata["widgets"] = {"state": {}}
    notebook.metadata["language_info"] = {"version": "3.11.7"}
    clean = as_text(tidy(notebook))
    for trace in (home, root, "0x7f12", "\\u001b", "2026-", "widget", "3.11.7", "41"):
        assert trace not in clean, trace
    if len(host) > 3 and host not in ("localhost", "linux"):
        assert host not in clean
    assert [one.id for one in notebook.cells] == ["title", "keep-me"]
    assert notebook.cells[1].execution_count == notebook.cells[1].outputs[1].execution_count == 1
    assert notebook.cells[1].outputs[0].text.endswith("red on localhost\nmore") or "more" in clean
    assert len(notebook.cells[1].outputs) == 2
    nbformat.validate(notebook)


def test_a_notebook_that_is_too_big_is_refused_with_the_cell_to_blame(tmp_path):
    small, big = (new_code_cell("x", id=name) for name in ("small", "big"))
    big.outputs = [new_output("stream", name="stdout", text="x" * 2_000_000)]
    with pytest.raises(BuildError, match="2.00 MB, of them 2.00 in cell 'big'; a notebook may have 1.5 MB"):
        build_module._write(tmp_path / "a.ipynb", new_notebook(cells=[small, big]), check=False)


def test_build_writes_runs_and_checks(course, capsys, monkeypatch):
    notebook = new_notebook(cells=[new_code_cell("print(1 + 1)", id="sum")])
    nbformat.write(notebook, course / "notebooks" / "01_attention.ipynb")
    monkeypatch.setattr(build_module, "FOLDERS", ("notebooks",))
    assert build_module.build(check=True) == 1
    assert "stale" in capsys.readouterr().out
    assert build_module.build() == 0
    assert build_module.build(["01_attention"], check=True) == 0
    built = json.loads((course / "notebooks" / "01_attention.ipynb").read_text(encoding="utf-8"))
    assert built["cells"][0]["outputs"][0]["text"] == ["2\n"]
    assert build_module.build(["no such"]) == 1


def test_what_varies_is_kept_while_its_code_stays_and_pictures_keep_their_size(course, capsys, monkeypatch):
    picture = (
        "import os; from IPython.display import Image, display\n"
        "display(Image(open('dot.png', 'rb').read(), width=7))"
    )
    clock = "import time; print(time.time_ns(), 'kept' * bool(os.environ['COURSE_HOME']))"
    cells = [new_code_cell(picture, id="dot"), new_code_cell(clock, id="clock")]
    cells[1].metadata["tags"] = ["varies"]
    path = course / "notebooks" / "00_clock.ipynb"
    dot = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
    )
    (course / "notebooks" / "dot.png").write_bytes(dot)
    nbformat.write(new_notebook(cells=cells), path)
    assert build_module.build(["00_clock"]) == 0
    first = nbformat.read(path, as_version=4)
    assert first.cells[0].outputs[0].metadata["image/png"]["width"] == 7
    assert build_module.build(["00_clock"]) == 0
    second = nbformat.read(path, as_version=4)
    assert second.cells[1].outputs == first.cells[1].outputs != []
    second.cells[1].source += "  # changed"
    nbformat.write(second, path)
    assert build_module.build(["00_clock"]) == 0
    assert nbformat.read(path, as_version=4).cells[1].outputs != first.cells[1].outputs


def test_a_failing_cell_fails_the_build(course, capsys, monkeypatch):
    nbformat.write(new_notebook(cells=[new_code_cell("1 / 0")]), course / "notebooks" / "01_attention.ipynb")
    monkeypatch.setattr(build_module, "FOLDERS", ("notebooks",))
    assert build_module.build() == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


# ---- the learner's answers are never lost ----


def test_an_exercise_is_edited_when_an_answer_differs_from_what_was_handed_out(tmp_path):
    path = tmp_path / "01.ipynb"
    assert not is_edited(path)
    nbformat.write(release(SOLUTION), path)
    assert not is_edited(path)
    answered(path, ["attention-bug-answer"])
    assert is_edited(path)


def test_keep_never_overwrites(tmp_path):
    kept = set()
    for number in range(3):
        (tmp_path / "01.ipynb").write_text(str(number), encoding="utf-8")
        kept.add(keep(tmp_path / "01.ipynb"))
    assert sorted(path.read_text(encoding="utf-8") for path in kept) == ["0", "1", "2"]


def test_reset_gives_a_fresh_exercise_and_keeps_the_answers(course, capsys):
    path = course / "exercises" / SOLUTION.name
    assert runner.reset("01") == 0  # there was none
    fresh = path.read_text(encoding="utf-8")
    assert fresh == as_text(release(SOLUTION))
    assert runner.reset("1") == 0 and "already" in capsys.readouterr().out
    answered(path, ["attention-bug-answer"])
    mine = path.read_text(encoding="utf-8")
    assert runner.reset("attention") == 0
    assert path.read_text(encoding="utf-8") == fresh
    kept = list(path.parent.glob("*-kept-*.ipynb"))
    assert [one.read_text(encoding="utf-8") for one in kept] == [mine]
    assert runner.reset("99") == 1
    assert "01_attention" in capsys.readouterr().err


# ---- grading a notebook ----


def test_checks_come_from_the_course_whatever_the_notebook_says(tmp_path):
    notebook = release(SOLUTION)
    cell_of(notebook, "attention-bug").source = "5.0"  # a learner's own "check"
    notebook.cells.remove(cell_of(notebook, "attention-heads"))
    notebook.cells.remove(cell_of(notebook, "attention-masks-answer"))
    official = runner.official_checks(UNIT)
    cells = runner.with_official_checks(notebook.cells, official, tmp_path / "out")
    sources = [cell.source for cell in cells]
    assert "5.0" not in sources
    checks = [source for source in sources if "_grade_one" in source]
    assert len(checks) == len(UNIT.exercises)
    for source in official.values():
        assert sum(source in check for check in checks) == 1
    assert official["attention-masks"] in checks[-1]  # its answer is gone: it comes last
    after = sources.index(next(s for s in sources if s.startswith("def repaired"))) + 1
    assert official["attention-bug"] in sources[after]


@pytest.mark.slow
def test_a_notebook_is_graded_task_by_task_with_reasons(course, capsys):
    path = course / "exercises" / SOLUTION.name
    notebook = answered(path, ["attention-positions-answer", "attention-parameters-answer"])
    cell_of(
        notebook, "attention-bug-answer"
    ).source = "def repaired(query, key, value):\n    while True: pass"
    cell_of(notebook, "attention-scores-answer").source = "raise SystemExit('<b>enough</b>')"
    notebook.cells.remove(cell_of(notebook, "attention-predict-answer"))
    nbformat.write(notebook, path)
    html = course / "report.html"
    assert runner.grade(None, html=str(html)) == 0
    table = {
        line.split()[0]: line
        for line in capsys.readouterr().out.splitlines()
        if line.strip().startswith("attention.")
    }
    assert "3 / 3   right" in table["attention.positions"]
    assert "4 / 4   right" in table["attention.parameters"]
    assert "0 / 3   Your code ran too long" in table["attention.bug"]
    assert "0 / 5   Nothing to check: name 'attend' is not defined" in table["attention.scores"]
    assert "0 / 3   Nothing to check" in table["attention.predict"]
    assert "not written yet" in table["attention.masks"]
    page = html.read_text(encoding="utf-8")
    assert "<b>enough" not in page and "http" not in page.replace("http-equiv", "")
    assert not (course / "home").exists()  # grading is no attempt


@pytest.mark.slow
def test_a_notebook_that_kills_its_kernel_or_never_ends_still_gets_a_report(course):
    path = course / "exercises" / SOLUTION.name
    cells = [new_code_cell("import os; os._exit(1)")]
    nbformat.write(new_notebook(cells=cells), path)
    rows = runner.grade_notebook(UNIT, path)
    assert {row["score"] for row in rows} == {0.0}
    assert all("could not be run" in row["reason"] for row in rows)
    loop = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    nbformat.write(new_notebook(cells=[new_code_cell(loop)]), path)
    rows = runner.grade_notebook(UNIT, path, seconds=8)
    assert all("stopped after 8 seconds" in row["reason"] for row in rows)
    path.write_text("{ no json", encoding="utf-8")
    assert all("could not be run" in row["reason"] for row in runner.grade_notebook(UNIT, path))
    path.unlink()
    assert all("course reset" in row["reason"] for row in runner.grade_notebook(UNIT, path))


def test_units_are_found_by_any_of_their_names():
    for name in ("01", "1", "01_attention", "attention", "01_attention.ipynb", "Attention"):
        assert find_unit(name) is UNIT
    with pytest.raises(LookupError, match="no unit '99': choose one of 01_attention"):
        find_unit("99")


def test_grading_an_unknown_unit_says_so(capsys):
    assert runner.grade(["99"]) == 1
    assert "choose one of" in capsys.readouterr().err
