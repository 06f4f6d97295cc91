"""The grader itself: whatever an answer does, the kernel lives, and the learner gets an answer."""

import ast
import functools
import io
import math
import random
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from html.parser import HTMLParser

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import course_lib.attention as library
from course_lib.grading import check, hint, progress, sandbox
from course_lib.grading.catalog import EXERCISES
from course_lib.grading.mutate import mutants
from course_lib.grading.result import Finding, Result

SCORES = "attention.scores"


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "_complained", False)


def attend(query, key, value, mask=None):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if mask is None:
        weights = scores.softmax(-1)
    else:
        floor = torch.finfo(scores.dtype).min
        weights = scores.masked_fill(~mask, floor).softmax(-1).masked_fill(~mask, 0.0)
    return weights @ value, weights


def page(result):
    """The feedback as text, parsed as a browser would."""

    class Text(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.text = set(), ""

        def handle_starttag(self, tag, attributes):
            self.tags.add(tag)
            self.text += " " + " ".join(f"{k}={v}" for k, v in attributes if k.startswith("on"))

        def handle_data(self, data):
            self.text += data

    parser = Text()
    parser.feed(result._repr_html_())
    return parser


def is_sound(result):
    """A result with rows, whose every view works."""
    assert "The check itself failed" not in result.headline, result.headline
    assert 0 <= result.score < result.points
    assert not result.passed
    assert result.findings
    assert float(repr(result)) == result.score
    assert str(result) and page(result).text
    return result


# ---- answers that misbehave ----


def test_what_an_answer_prints_and_warns_reaches_only_the_feedback(capsys):
    def loud(*given):
        print("<b>hello</b> 안녕")
        print("to the error stream", file=sys.stderr)
        warnings.warn("mind the gap", stacklevel=1)
        return attend(*given)

    result = check(SCORES, loud)
    assert capsys.readouterr() == ("", "")
    assert result.passed
    for text in ("<b>hello</b> 안녕", "to the error stream", "UserWarning: mind the gap"):
        assert text in page(result).text
    assert "b" not in page(result).tags


def test_a_flood_of_output_is_cut():
    def flood(*given):
        print("x" * 5_000_000)

    result = is_sound(check(SCORES, flood))
    assert len(result._repr_html_()) < 40_000
    assert "… and more" in result.output


def test_other_threads_keep_their_output_during_a_check(capsys):
    started, go = threading.Event(), threading.Event()

    def slow(*given):
        started.set()
        go.wait(2)
        return attend(*given)

    def other():
        started.wait(5)
        print("from the trainer")
        go.set()

    thread = threading.Thread(target=other)
    thread.start()
    check(SCORES, slow)
    thread.join()
    assert capsys.readouterr().out == "from the trainer\n"


def endless(*given):
    while True:
        pass


def endless_in_tensors(query, *given):
    while True:
        query = query * 1.0


def endless_politely(*given):
    while True:
        try:
            time.sleep(0.001)
            sum(range(1000))
        except Exception:
            pass


@pytest.mark.parametrize("answer", [endless, endless_in_tensors, endless_politely])
def test_an_endless_loop_is_stopped(answer, monkeypatch):
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 2.0)
    before = threading.active_count()
    began = time.monotonic()
    result = is_sound(check(SCORES, answer))
    assert time.monotonic() - began < 6
    assert "was stopped" in result.headline
    time.sleep(0.1)
    assert threading.active_count() == before


def test_an_endless_loop_on_a_free_machine_takes_about_a_second():
    began = time.process_time()
    check(SCORES, endless)
    assert time.process_time() - began < 1.6


def test_a_loop_that_swallows_every_interrupt_is_left_behind_with_advice():
    free = threading.Event()

    def stubborn(*given):
        while not free.is_set():
            try:
                while not free.is_set():
                    pass
            except BaseException:
                pass

    result = is_sound(check(SCORES, stubborn))
    free.set()
    assert "Restart the kernel" in result.headline


def test_a_long_sleep_is_left_behind(monkeypatch):
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.3)
    began = time.monotonic()
    result = is_sound(check(SCORES, lambda *given: time.sleep(4)))
    assert time.monotonic() - began < 2
    assert "Restart the kernel" in result.headline


def test_after_an_endless_loop_the_next_check_works():
    check(SCORES, endless)
    assert check(SCORES, attend).passed


def test_an_answer_is_not_interrupted_where_a_lock_of_pythons_imports_would_stay_locked():
    code = """
import _imp, threading
from course_lib.grading import sandbox
sandbox.WALL_SECONDS = 0.2
_imp.acquire_lock()
print(sandbox.run(lambda: __import__("tabnanny")).ended)
_imp.release_lock()
answers = [one for one in threading.enumerate() if one.name == "answer"]
for one in answers:
    one.join()
import wave
print("imported")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["abandoned", "imported"], done.stderr


def test_the_users_own_interrupt_gets_through_and_stops_the_answer():
    code = """
import sys, threading, time
from course_lib.grading import check, sandbox
sandbox.CPU_SECONDS = sandbox.WALL_SECONDS = 60
begun = threading.Event()
def interrupt():
    begun.wait()
    time.sleep(0.5)
    import _thread
    _thread.interrupt_main()
threading.Thread(target=interrupt).start()
def endless(*given):
    begun.set()
    while True: pass
try:
    check("attention.scores", endless)
except KeyboardInterrupt:
    time.sleep(0.1)
    print("interrupted", [t.name for t in threading.enumerate()])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=150)
    assert run.stdout == "interrupted ['MainThread']\n", run.stderr


class Liar:
    """An object that says whatever is wanted."""

    __name__ = "<img src=x onerror=alert(1)>"
    shape, dtype, ndim = (2, 3), torch.float32, 2

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __hash__(self):
        return 0

    def __repr__(self):
        return "<img src=x onerror=alert(1)>"

    _repr_html_ = __str__ = __repr__

    def __iter__(self):
        return iter([self, self])

    def __len__(self):
        return 2

    def __getattr__(self, name):
        raise SystemExit("no")


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


class Rude(Exception):
    def __str__(self):
        raise ValueError("not even this")


def raises(error):
    def answer(*given):
        raise error

    return answer


def deep(*given):
    return deep(*given)


RETURNS = {
    "None": None,
    "number": 3,
    "text": "</script><img src=x onerror=alert(1)>",
    "NaN": float("nan"),
    "numpy": np.ones((2, 3)),
    "list of lists": [[1.0, 2.0], [3.0, 4.0]],
    "empty tuple": (),
    "three": (1, 2, 3),
    "liar": Liar(),
    "two liars": (Liar(), Liar()),
    "tensor subclass": (torch.ones(2, 3).as_subclass(LyingTensor),) * 2,
    "sparse": (torch.ones(2, 3).to_sparse(),) * 2,
    "meta": (torch.ones(2, 3, device="meta"),) * 2,
    "complex": (torch.ones(2, 3, dtype=torch.complex64),) * 2,
    "integers": (torch.ones(2, 3, dtype=torch.int64),) * 2,
    "scalar": (torch.tensor(1.0),) * 2,
    "empty tensor": (torch.empty(0),) * 2,
    "generator": (x for x in range(3)),
    "class": Liar,
    "self-containing list": (lambda x: (x.append(x), x)[1])([]),
    "huge list": [0] * 1_000_000,
}


@pytest.mark.parametrize("value", RETURNS.values(), ids=RETURNS.keys())
@pytest.mark.parametrize("task", EXERCISES)
def test_whatever_is_returned_is_answered_with_words(task, value):
    result = is_sound(check(task, lambda *given, **named: value))
    assert result.score == 0
    assert "img" not in page(result).tags


@pytest.mark.parametrize(
    "answer",
    [
        raises(SystemExit(3)),
        raises(KeyboardInterrupt()),
        raises(Rude()),
        raises(GeneratorExit()),
        raises(type("<img src=x>", (Exception,), {})("<img src=x onerror=alert(1)>")),
        raises(StopIteration()),
        deep,
        lambda: None,
        lambda *given: sys.exit(),
        lambda *given: input("?"),
        Liar(),
        Liar,
        42,
        "text",
        [attend],
        torch.ones(3),
        nn.Linear(2, 3),
        print,
        torch.matmul,
        int,
    ],
    ids=lambda answer: type(answer).__name__,  # repr holds an address, and workers must agree
)
@pytest.mark.parametrize("task", [SCORES, "attention.block", "attention.parameters"])
def test_whatever_is_handed_over_is_answered_with_words(task, answer):
    result = is_sound(check(task, answer))
    assert "img" not in page(result).tags
    assert "Traceback" not in str(result)


@pytest.mark.parametrize(
    "name", [None, 3, "", "attention", "attention.score", ["x"], Liar(), "<img>", "x" * 10**6]
)
def test_an_unknown_id_is_answered_with_those_close_to_it(name):
    result = check(name, attend)
    assert any(task in result.headline for task in EXERCISES)
    assert repr(result) in ("0", "0.0")
    assert any(task in hint(name) for task in EXERCISES)
    assert len(page(result).text) < 4000


def test_an_unknown_part_is_named_with_those_there_are():
    assert (
        "causal_mask, padding_mask, banded_mask" in check("attention.masks", attend, padding=attend).headline
    )


def test_nan_is_called_nan():
    result = is_sound(check(SCORES, lambda *given: tuple(x * math.nan for x in attend(*given))))
    assert "NaN" in str(result)


def test_another_float_type_costs_only_the_row_that_asks_for_it():
    result = check(SCORES, lambda *given: tuple(x.double() for x in attend(*given)))
    assert [row.name for row in result.findings if not row.passed] == [result.findings[0].name]
    assert "float64" in result.findings[0].seen


def test_a_tensor_class_of_ones_own_is_refused_even_with_right_numbers():
    class Mine(torch.Tensor):
        pass

    result = is_sound(check(SCORES, lambda *given: tuple(x.as_subclass(Mine) for x in attend(*given))))
    assert result.score == 0
    assert "not a class of your own" in str(result)


def test_changing_an_input_is_a_finding_of_its_own():
    def careless(query, key, value, mask=None):
        answer = attend(query, key, value, mask)
        with torch.no_grad():
            value.zero_()
        return answer

    result = is_sound(check(SCORES, careless))
    row = result.findings[-1]
    assert "unchanged" in row.name and not row.passed and row.experiment
    assert result.findings[3].passed  # the numbers are right all the same


def test_a_row_that_fails_because_an_input_was_changed_points_at_that():
    def careless(query, key, value, mask=None):
        with torch.no_grad():
            query *= 2
        return attend(query / 2, key, value, mask)

    result = is_sound(check(SCORES, careless))
    row = next(row for row in result.findings if "another order" in row.name)
    assert "it changed its inputs" in row.seen and not row.idea


def test_only_the_first_failing_row_of_a_part_tells_its_idea():
    def three_times(*given):
        output, weights = attend(*given)
        return 3 * output, weights

    failed = [row for row in check(SCORES, three_times).findings if not row.passed]
    assert len(failed) > 3
    assert failed[0].idea and failed[0].experiment
    assert all(row.seen and not row.idea and not row.experiment for row in failed[1:])


def test_every_wrong_prediction_tells_its_idea():
    result = check("attention.predict", lambda: dict.fromkeys("ABCD", 0), previous_token_head=None)
    rows = [row for row in result.findings if row.name.startswith("predict: head")]
    assert len(rows) == 4 and all(row.idea for row in rows)


def test_the_idea_of_the_shapes_is_told_for_shapes_only():
    flat = check(SCORES, lambda *given: tuple(x[0] for x in attend(*given))).findings[0]
    assert flat.seen.startswith("output: rank 3") and flat.idea
    for answer in (lambda *given: None, lambda *given: attend(*given)[1], lambda *given: [[1.0], [2.0]]):
        row = check(SCORES, answer).findings[0]
        assert not row.passed and "wanted" in row.seen and not row.idea


def test_two_values_in_another_order_are_called_so():
    def swapped(x, w_query, w_key, w_value, w_output, n_heads, mask=None):
        batch, length, _ = x.shape
        return torch.rand(batch, n_heads, length, length), x

    result = check("attention.heads", None, multi_head=swapped)
    rows = [row for row in result.findings if row.name.startswith("multi_head: returns")]
    assert "in another order" in rows[0].seen


def test_memory_nobody_wrote_to_is_never_right_by_luck():
    def forgets_the_cosines(T, d_model):
        angles = torch.arange(T)[:, None] / 10_000 ** (torch.arange(0, d_model, 2) / d_model)
        table = torch.empty(T, d_model)
        table[:, 0::2] = angles.sin()
        return table

    before = torch.get_deterministic_debug_mode()
    seen = {str(check("attention.positions", forgets_the_cosines).findings[1].seen) for _ in range(3)}
    assert seen == {"row 0 starts 0.00, nan, 0.00, nan"}
    assert torch.get_deterministic_debug_mode() == before


def test_an_answer_cannot_change_its_value_after_it_returned():
    given_back = []

    def sly(*given):
        output, weights = attend(*given)
        for tensor in given_back[:-4]:  # of earlier cases
            tensor.data.zero_()
        given_back.extend([output, weights])
        return output, weights

    assert check(SCORES, sly).passed


# ---- the library's own function ----


class Wrapped:
    def __init__(self):
        self.inside = library.scaled_dot_product_attention

    def __call__(self, *given):
        return self.inside(*given)


def swallowing(*given):
    try:
        return library.scaled_dot_product_attention(*given)
    except BaseException:
        return attend(*given)


def fused(query, key, value, mask=None, by=F.scaled_dot_product_attention):
    return by(query, key, value, mask), attend(query, key, value, mask)[1]


def checks_own(*given):
    from course_lib.grading.unit01_attend import reference

    return reference(*given)


@pytest.mark.parametrize(
    "answer",
    [
        library.scaled_dot_product_attention,
        functools.partial(library.scaled_dot_product_attention),
        lambda *given: library.scaled_dot_product_attention(*given),
        Wrapped(),
        swallowing,
        fused,
        functools.partial(fused, by=functools.partial(F.scaled_dot_product_attention)),
        functools.partial(
            fused, by=lambda *given: next(map(F.scaled_dot_product_attention, *([x] for x in given)))
        ),
        functools.partial(fused, by=torch.ops.aten.scaled_dot_product_attention),
        functools.partial(fused, by=torch._C._nn.scaled_dot_product_attention),
        checks_own,
    ],
)
def test_the_finished_function_is_refused_kindly_however_it_is_called(answer):
    result = is_sound(check(SCORES, answer))
    assert result.score == 0
    assert result.headline.startswith("This calls")


def test_the_finished_block_is_refused_also_as_a_base_class():
    class EncoderBlock(nn.TransformerEncoderLayer):
        def __init__(self, d_model, n_heads, d_ff):
            super().__init__(d_model, n_heads, d_ff, batch_first=True)

        def load_state_dict(self, state):
            pass

    result = is_sound(check("attention.block", EncoderBlock))
    assert "TransformerEncoderLayer" in result.headline


# ---- the kernel afterwards ----


def test_the_kernel_is_as_it_was():
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    threads, streams = (
        torch.get_num_threads(),
        (sys.stdout, sys.stderr, warnings.showwarning, sys.getprofile()),
    )

    def vandal(*given):
        torch.manual_seed(0), random.seed(0), np.random.seed(0)
        torch.set_num_threads(threads + 1)
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(True)
        sys.setrecursionlimit(10_000)
        sys.stdout = io.StringIO()
        return attend(*given)

    limit = sys.getrecursionlimit()
    expected = [torch.rand(1).item(), random.random(), np.random.rand()]
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    try:
        check(SCORES, vandal)
        assert [torch.rand(1).item(), random.random(), np.random.rand()] == expected
        assert torch.get_default_dtype() == torch.float64
        assert not torch.is_grad_enabled()
        assert torch.get_num_threads() == threads
        assert sys.getrecursionlimit() == limit
        assert (sys.stdout, sys.stderr, warnings.showwarning, sys.getprofile()) == streams
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


@pytest.mark.parametrize(
    "setting",
    [torch.no_grad(), torch.inference_mode(), torch.device("meta")],
    ids=["no_grad", "inference", "device"],
)
def test_the_kernels_settings_do_not_change_the_verdict(setting):
    with setting:
        assert check(SCORES, attend).passed


# ---- the result ----


def grade_cell(result):
    """What nbgrader makes of a check cell that shows this result."""
    from IPython.core.interactiveshell import InteractiveShell
    from nbgrader.utils import determine_grade

    data, _ = InteractiveShell.instance().display_formatter.format(result)
    cell = nbformat.v4.new_code_cell(
        "check(…)",
        metadata={
            "nbgrader": {
                "grade": True,
                "solution": False,
                "locked": True,
                "grade_id": "x",
                "points": result.points,
            }
        },
        outputs=[nbformat.v4.new_output("execute_result", data=data, execution_count=1)],
    )
    return determine_grade(cell)


def test_nbgrader_reads_the_score_as_partial_credit():
    partial = check(SCORES, lambda q, k, v, mask=None: attend(q, k, v))
    assert 0 < partial.score < 5
    assert grade_cell(partial) == (partial.score, 5)
    assert grade_cell(check(SCORES, attend)) == (5, 5)
    assert grade_cell(check(SCORES, None)) == (0, 5)


def test_the_rows_worths_add_up_to_the_points():
    for task, (_, exercise) in EXERCISES.items():
        result = check(task, None)
        assert math.isclose(sum(row.worth for row in result.findings), exercise.points)


def test_messages_and_hints_show_code_and_emphasis_and_nothing_else():
    from course_lib.grading.hints import Hint, marked

    assert marked("0 is *is next*, `x * y`") == "0 is <i>is next</i>, <code>x * y</code>"
    assert marked("3 * 4 * 5, a*b*c, `odd") == "3 * 4 * 5, a*b*c, `odd"
    assert marked("*<b>*") == "<i>&lt;b&gt;</i>"
    assert "<code>chosen</code>" in Hint("Hint 1\nlook at `chosen`")._repr_html_()


def test_feedback_escapes_all_it_is_given():
    bad = "</style><script>alert(1)</script>`<img src=x onerror=alert(1)>`"
    row = Finding(bad, False, 0, 1, bad, bad + "1", bad + "2", bad)
    result = Result(bad, bad, 1, bad, [row], [], bad, 'x" onclick="alert(1)', bad, bad)
    parsed = page(result)
    assert not parsed.tags & {"script", "img"}
    assert "onclick" not in parsed.text.replace('x" onclick', "")


def test_hints_come_one_more_at_a_time_from_the_result_too():
    result = check("attention.bug", None)
    first, second = result.hint(), result.hint()
    assert str(first).count("\n") + 1 == str(second).count("\n")
    assert first._repr_html_()


# ---- progress ----


def attempts(folder):
    with sqlite3.connect(folder / "progress.sqlite") as connection:
        return connection.execute("SELECT task, score, misconceptions FROM attempts").fetchall()


def test_attempts_best_score_ideas_and_hints_are_kept(tmp_path):
    check(SCORES, lambda q, k, v, mask=None: attend(q, k, v))
    check(SCORES, attend)
    check(SCORES, lambda *given: None)
    hint(SCORES)
    row = next(row for row in progress.read() if row["id"] == SCORES)
    assert (row["best"], row["attempts"], row["ideas"], row["hints"] > 0) == (5, 3, {"mask-ignored": 1}, True)
    text = progress.report("01")
    assert "5 of 30 points" in text and "mask ignored (met 1 time)" in text
    assert "Scaled dot-product" in progress.panel()._repr_html_()


def test_a_task_not_begun_is_no_attempt(tmp_path):
    check(SCORES, raises(NotImplementedError()))
    check(SCORES, None)
    assert not (tmp_path / "progress.sqlite").exists()
    assert "Nothing tried yet" in progress.report()


def test_solutions_run_in_their_folder_are_no_attempts(tmp_path, monkeypatch):
    monkeypatch.chdir(progress.course_root() / "solutions")
    check(SCORES, attend)
    assert not (tmp_path / "progress.sqlite").exists()


def test_where_progress_cannot_be_kept_the_check_works_and_says_so_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file" / "below"))
    first, second = check(SCORES, attend), check(SCORES, attend)
    assert first.passed and "cannot be kept" in first.note and first.note in page(first).text
    assert second.passed and not second.note


def test_a_damaged_progress_file_stops_neither_check_nor_report(tmp_path):
    (tmp_path / "progress.sqlite").write_bytes(b"not a database" * 100)
    assert check(SCORES, attend).passed
    assert "cannot be read" in progress.report()
    assert "cannot be read" in progress.panel()._repr_html_()


WRITER = """
import sys
from course_lib.grading import progress
from course_lib.grading.result import Finding, Result
print("ready", flush=True)
for i in range(int(sys.argv[1])):
    result = Result("attention.scores", points=5, findings=[Finding("row", True, 5, 5)])
    assert progress.record(result, 0.1) == "", i
    print(i, flush=True)
"""


def writer(count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_two_notebooks_can_write_at_once(tmp_path):
    both = [writer(60), writer(60)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert errors == ["", ""]
    assert len(attempts(tmp_path)) == 120


def test_progress_survives_a_kill_in_the_middle_of_writing(tmp_path):
    written = 0
    for _ in range(4):
        process = writer(100_000)
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.02, 0.2))
        process.kill()
        written += sum(line.strip().isdigit() for line in process.communicate()[0].splitlines())
        kept = len(attempts(tmp_path)) if (tmp_path / "progress.sqlite").exists() else 0
        assert written <= kept <= written + 4  # what was acknowledged is there
    assert written > 0
    check(SCORES, attend)
    assert len(attempts(tmp_path)) == kept + 1


def test_a_write_cut_off_by_a_kill_leaves_no_half_row(tmp_path):
    check(SCORES, attend)
    code = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
for i in range(5000):
    connection.execute("INSERT INTO attempts VALUES (1, 'attention.scores', 1, 5, 1, ?)", ("x" * 500,))
print("in the middle", flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "progress.sqlite")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout.readline() == "in the middle\n"
    process.kill()
    process.communicate()
    assert (tmp_path / "progress.sqlite-journal").exists()  # the kill did come in the middle
    assert len(attempts(tmp_path)) == 1
    check(SCORES, attend)
    assert len(attempts(tmp_path)) == 2


def test_neither_the_package_nor_progress_loads_torch():
    code = (
        "import sys, course_lib.grading, course_lib.grading.progress as p; p.report(); "
        "p.panel()._repr_html_(); print([m for m in ('torch', 'numpy', 'IPython', 'nbformat') if m in "
        "sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert run.stdout == "[]\n", run.stderr


# ---- mutants ----


def test_mutants_make_the_mistakes_people_make():
    source = """
def f(q, k, d=2):
    'doc'
    s = q @ k / d**0.5
    if s < 1:
        return -s
    return g(s, k)
"""
    made = [mutant.source for mutant in mutants(source)]
    for change in ("k @ q", "q * k", "* d ** 0.5", "s <= 1", "s > 1", "s < 2", "return s", "g(k, s)", "d=3"):
        assert any(change in text for text in made), change
    assert any("s =" not in text for text in made)  # a line left out
    assert len(set(made)) == len(made) >= 12
    assert all(ast.get_docstring(ast.parse(text).body[0]) == "doc" for text in made)
