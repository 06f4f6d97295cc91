"""The gates of every exercise: what must fail fails, what is right gets all points, and mistakes are "
"named."""

import json
import random
import re
import time
from importlib import import_module

import nbformat
import pytest
import torch

from course_lib.build import as_text, checksum, is_edited, release
from course_lib.grading import check, hint
from course_lib.grading import hints as hints_module
from course_lib.grading.catalog import EXERCISES, UNITS
from course_lib.grading.hints import task_of
from course_lib.grading.mutate import mutants
from course_lib.grading.runner import fresh_exercise, official_checks
from course_lib.paths import course_root

ROOT = course_root()
WRONG = {unit.number: import_module(f"planted_unit{unit.number}") for unit in UNITS}
PLANTED = {task: parts for module in WRONG.values() for task, parts in module.PLANTED.items()}
TASKS = sorted(EXERCISES)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def cells(folder, unit):
    path = ROOT / folder / f"{unit.name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def role(cell):
    return cell["metadata"].get("nbgrader", {})


def namespace(folder, unit):
    """What the notebook's cells define, its checks not run."""
    names = {"__name__": "notebook"}
    for cell in cells(folder, unit):
        if cell["cell_type"] == "code" and not role(cell).get("grade"):
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return names


@pytest.fixture(scope="module")
def solved():
    return {unit.number: namespace("solutions", unit) for unit in UNITS}


def graded(task, names):
    unit, _ = EXERCISES[task]
    return eval(official_checks(unit)[task.replace(".", "-")], names)


def answers(task, names):
    """The right answers of a task by part."""
    return {part.name: names[part.name] for part in task_of(task).parts}


def check_with(task, right, part, answer):
    """Check a task whose parts are all right, but for one."""
    first, *_ = task_of(task).parts
    given = right | {part: answer}
    return check(task, given.pop(first.name), **given)


@pytest.mark.parametrize("task", TASKS)
def test_the_starter_gets_no_points_and_kind_words(task):
    unit, _ = EXERCISES[task]
    result = graded(task, namespace("exercises", unit))
    assert result.score == 0
    assert not result.passed
    assert "not written yet" in result.headline


@pytest.mark.parametrize("task", TASKS)
def test_the_solution_gets_full_points_each_time(task, solved):
    unit, exercise = EXERCISES[task]
    for _ in range(5):
        result = graded(task, solved[unit.number])
        assert result.passed, str(result)
        assert result.score == result.points == exercise.points


@pytest.mark.parametrize("task", TASKS)
def test_an_ordinary_answer_is_graded_within_a_second(task, solved):
    unit, _ = EXERCISES[task]
    graded(task, solved[unit.number])
    began = time.process_time()
    graded(task, solved[unit.number])
    assert time.process_time() - began < 1


@pytest.mark.parametrize("task", TASKS)
def test_there_are_three_different_hints_and_they_come_one_by_one(task, monkeypatch):
    monkeypatch.setattr(hints_module, "_given", {})
    hints = task_of(task).hints
    assert len({text.strip() for text in hints}) == 3
    assert all(len(text) > 30 for text in hints)
    for shown in (1, 2, 3, 3):
        text = hint(task)
        assert [one in text for one in hints] == [number < shown for number in range(3)]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_three_misconceptions_and_each_is_planted_a_second_time(task):
    known = {part.name: {one.id for one in part.misconceptions} for part in task_of(task).parts}
    assert sum(map(len, known.values())) >= 3
    assert {part: set(planted) for part, planted in PLANTED[task].items()} == known


@pytest.mark.parametrize(
    ("task", "part", "idea"),
    [(task, part, idea) for task in TASKS for part, ideas in PLANTED[task].items() for idea in ideas],
)
def test_a_planted_misconception_is_rejected_and_named(task, part, idea, solved):
    unit, _ = EXERCISES[task]
    answer = PLANTED[task][part][idea]
    for _ in range(2):
        result = check_with(task, answers(task, solved[unit.number]), part, answer)
        assert not result.passed
        assert [one.id for one in result.misconceptions] == [idea], str(result)


@pytest.mark.parametrize("task", TASKS)
def test_the_points_of_a_wrong_answer_do_not_hang_on_luck(task, solved):
    """Fresh inputs each time, but the same rows fail: at most one small row may go either way."""
    unit, exercise = EXERCISES[task]
    for part, planted in PLANTED[task].items():
        for idea, answer in planted.items():
            scores = [
                check_with(task, answers(task, solved[unit.number]), part, answer).score for _ in range(4)
            ]
            assert max(scores) - min(scores) <= 0.1 * exercise.points, (part, idea, scores)


def all_mutants():
    for unit in UNITS:
        for cell in cells("solutions", unit):
            if role(cell).get("solution"):
                task = role(cell)["grade_id"].removesuffix("-answer").replace("-", ".")
                for mutant in mutants("".join(cell["source"])):
                    yield unit, task, mutant


def survivors(chosen, solved):
    alive = []
    for unit, task, mutant in chosen:
        names = dict(solved[unit.number])
        try:
            exec(compile(mutant.source, "mutant", "exec"), names)
        except Exception:
            continue
        result = graded(task, names)
        assert "The check itself failed" not in result.headline, (mutant, result.headline)
        if result.passed:
            alive.append((task, mutant.change))
    return alive


def is_equivalent(task, change):
    """Whether the planted module of the task's unit lists this change as one that computes the same."""
    unit, _ = EXERCISES[task]
    return any(re.search(pattern, change) for pattern in WRONG[unit.number].EQUIVALENT.values())


def test_a_sample_of_automatic_mutants_is_rejected(solved):
    chosen = random.sample(list(all_mutants()), 40)
    assert [one for one in survivors(chosen, solved) if not is_equivalent(*one)] == []


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_all_automatic_mutants_are_rejected(unit, solved):
    chosen = [one for one in all_mutants() if one[0] == unit]
    assert len(chosen) > 50
    alive = survivors(chosen, solved)
    assert [one for one in alive if not is_equivalent(*one)] == []
    for reason, pattern in WRONG[unit.number].EQUIVALENT.items():  # no reason outlives its mutant
        assert any(re.search(pattern, change) for _, change in alive), reason


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_exercise_is_what_nbgrader_makes_of_the_solution(unit):
    exercise, solution = (ROOT / folder / f"{unit.name}.ipynb" for folder in ("exercises", "solutions"))
    if is_edited(exercise):
        pytest.skip("it holds a learner's answers")
    kept = exercise.read_text(encoding="utf-8")
    assert kept == as_text(release(solution)), "run `course build`"
    assert as_text(fresh_exercise(solution)) == kept


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_points_ids_and_links_agree_with_the_catalog(unit):
    graded_cells = {
        role(cell)["grade_id"]: role(cell) for cell in cells("solutions", unit) if role(cell).get("grade")
    }
    assert {name.replace("-", "."): meta["points"] for name, meta in graded_cells.items()} == {
        exercise.id: exercise.points for exercise in unit.exercises
    }
    lesson = json.loads((ROOT / "notebooks" / f"{unit.name}.ipynb").read_text(encoding="utf-8"))
    headings = re.findall(
        r"^#+ (.+)$",
        "\n".join("".join(cell["source"]) for cell in lesson["cells"] if cell["cell_type"] == "markdown"),
        re.M,
    )
    for exercise in unit.exercises:
        assert exercise.section in headings


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_our_checksum_is_nbgraders(unit):
    from nbgrader.utils import compute_checksum

    notebook = nbformat.read(ROOT / "exercises" / f"{unit.name}.ipynb", as_version=4)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(marked) >= 2 * len(unit.exercises)
    for cell in marked:
        assert checksum(cell) == compute_checksum(cell)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_forbidden_exists(task):
    from course_lib.grading.sandbox import _resolve

    for name in task_of(task).forbidden:
        assert callable(_resolve(name)), name


def test_the_bert_count_is_that_of_pytorchs_modules_and_of_the_published_model():
    from torch import nn

    from course_lib.grading.unit01_design import BERT_BASE, bert_reference, layer_reference

    layer = nn.TransformerEncoderLayer(24, 4, 50)
    assert layer_reference(24, 4, 50) == sum(parameter.numel() for parameter in layer.parameters())
    assert bert_reference(*BERT_BASE) == 109_482_240  # bert-base-uncased without its pre-training heads


def test_the_heads_to_predict_are_those_of_the_notebook(solved):
    from course_lib.grading.unit01_design import run_heads

    names = solved["01"]
    x = torch.eye(len(names["words"]))
    seen = {}
    for name, (w_query, w_key, mask) in names["heads"].items():
        scores = (x @ w_query) @ (x @ w_key).T
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        seen[name] = int(scores[names["words"].index("like")].argmax())
    assert seen == run_heads()


def test_references_agree_with_the_course_library():
    from course_lib.attention import banded_mask, causal_mask, padding_mask, scaled_dot_product_attention
    from course_lib.grading import unit01_attend, unit01_masks
    from course_lib.grading.compare import values

    generator = torch.Generator().manual_seed(1)
    for make in (unit01_attend.with_mask, unit01_attend.with_padding, unit01_attend.with_empty_row):
        given = make(generator)
        assert values(scaled_dot_product_attention(*given), unit01_attend.reference(*given)) is None
    assert torch.equal(causal_mask(6), unit01_masks.CAUSAL.reference(6))
    assert torch.equal(banded_mask(7, 3), unit01_masks.BANDED.reference(7, 3))
    ids, pad_id = unit01_masks.padded_ids(generator)
    assert torch.equal(padding_mask(ids, pad_id), unit01_masks.padding_reference(ids, pad_id))
