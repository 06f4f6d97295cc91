"""Submissions that are hostile or broken, made from the solution of unit 01."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.paths import course_root

UNIT = "01_attention"


def solution() -> dict:
    return json.loads((course_root() / "solutions" / f"{UNIT}.ipynb").read_text(encoding="utf-8"))


def cell_of(notebook: dict, grade_id: str) -> dict:
    return next(
        cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )


def code(source: str) -> dict:
    return {
        "cell_type": "code", "id": "mine", "metadata": {}, "source": source, "outputs": [],
        "execution_count": None,
    }  # fmt: skip


RIGHT = """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is None:
        weights = torch.softmax(scores, dim=-1)
    else:
        weights = torch.softmax(scores.masked_fill(~mask, -1e30), dim=-1)
        weights = torch.where(mask.any(-1, keepdim=True), weights, torch.zeros_like(weights))
    return weights @ value, weights
"""


def attend(body: str, before: str = "") -> Callable[[dict], None]:
    """Exchange the first answer."""

    def change(notebook: dict) -> None:
        cell = cell_of(notebook, "attention-scores-answer")
        cell["source"] = f"{before}\ndef attend(query, key, value, mask=None):\n{body}"

    return change


def first(body: str) -> Callable[[dict], None]:
    """Something hostile inside the answer, followed by the right one."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return attend(lines + RIGHT)


def extra(source: str) -> Callable[[dict], None]:
    """A cell of the learner's own, in front."""

    def change(notebook: dict) -> None:
        notebook["cells"].insert(2, code(source))

    return change


def edit_check(notebook: dict) -> None:
    cell_of(notebook, "attention-scores")["source"] = "5"


def delete_check(notebook: dict) -> None:
    notebook["cells"].remove(cell_of(notebook, "attention-scores"))


def double_check(notebook: dict) -> None:
    cell = copy.deepcopy(cell_of(notebook, "attention-scores"))
    cell["id"] = "again"
    notebook["cells"].append(cell)


def empty(notebook: dict) -> None:
    notebook["cells"] = []


def foreign_kernel(notebook: dict) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    notebook["metadata"]["language_info"] = {"name": "R"}


def in_markdown(notebook: dict) -> None:
    cell_of(notebook, "attention-scores-answer")["cell_type"] = "markdown"


def another_year(notebook: dict) -> None:
    for cell in notebook["cells"]:
        if meta := cell["metadata"].get("nbgrader"):
            meta["grade_id"] = "recurrence-" + meta["grade_id"].partition("-")[2]


@dataclass(frozen=True)
class Hostile:
    """change: what is done to the right notebook. status: of its first task. untouched: others stay right."""

    change: Callable[[dict], None] | bytes
    status: str
    says: str = ""
    untouched: bool = True


HOSTILE = {
    "endless": Hostile(first("while True:\n    pass"), "timeout"),
    "stubborn": Hostile(
        first("while True:\n    try:\n        while True: pass\n    except BaseException: pass"), "timeout"
    ),
    "endless-cell": Hostile(attend(RIGHT, "while True: pass"), "timeout"),
    "os-exit": Hostile(first("import os\nos._exit(0)"), "crash"),
    "sys-exit": Hostile(first("import sys\nsys.exit(0)"), "wrong", "SystemExit"),
    "sys-exit-cell": Hostile(attend(RIGHT, "import sys; sys.exit()"), "wrong", "SystemExit"),
    "sigkill": Hostile(first("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"), "crash"),
    "memory": Hostile(first("x = torch.ones(20 * 2**30 // 4)"), "memory"),
    "memory-list": Hostile(first("x = [0] * (20 * 2**30 // 8)"), "memory"),
    "fork-flood": Hostile(first("import os\nwhile True:\n    os.fork()"), "tampered", "starts a process"),
    "subprocess": Hostile(
        first("import subprocess\nsubprocess.run(['true'])"), "tampered", "starts a process"
    ),
    "thread": Hostile(
        first(
            "import threading, time\n"
            "threading.Thread(target=lambda: [time.sleep(0.01) for _ in iter(int, 1)]).start()"
        ),
        "ok",
    ),
    "thread-computing": Hostile(
        first("import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"), "ok"
    ),
    "output": Hostile(first("import os\nfor _ in range(100):\n    print('x' * 10**7)"), "ok"),
    "raw-output": Hostile(first("import os\nfor _ in range(20):\n    os.write(1, b'x' * 10**6)"), "ok"),
    "writes": Hostile(first("open('/tmp/course-was-here', 'w').write('x')"), "tampered", "writes files"),
    "big-file": Hostile(
        first("f = open('big', 'wb')\nfor _ in range(100):\n    f.write(b'x' * 10**6)"), "wrong", "OSError"
    ),
    "network": Hostile(
        first("import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)"), "tampered", "network"
    ),
    "patched-allclose": Hostile(
        attend("    return query, key", "torch.allclose = torch.isclose = lambda *a, **k: True"),
        "tampered",
        "exchanges functions",
    ),
    "patched-check": Hostile(
        attend("    return query, key", "import course_lib.grading.checking as c\nc.judge = lambda *a: None"),
        "tampered",
        "exchanges functions",
    ),
    "always-equal": Hostile(
        attend(
            "    return Yes(), Yes()",
            "class Yes:\n    shape = (1,)\n    def __eq__(self, other): return True\n"
            "    def __getattr__(self, name): return lambda *a, **k: True",
        ),
        "wrong",
        "Yes",
    ),
    "liar": Hostile(
        attend(
            "    return Liar(query), Liar(query)",
            "class Liar(torch.Tensor):\n    @classmethod\n"
            "    def __torch_function__(cls, *a, **k): return True",
        ),
        "wrong",
        "Liar",
    ),
    "reads-solution": Hostile(
        first(
            "from course_lib.paths import course_root\n"
            "text = (course_root() / 'solutions' / '01_attention.ipynb').read_text()"
        ),
        "tampered",
        "reads the solutions",
    ),
    "reads-frames": Hostile(
        first("import sys\nreference = sys._getframe(1).f_globals"), "tampered", "looks into"
    ),
    "reads-frames-elsewhere": Hostile(
        first(
            "import sys\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "ThreadPoolExecutor(1).submit(sys._current_frames).result()"
        ),
        "tampered",
        "looks into",
    ),
    "reads-traceback": Hostile(
        first("try:\n    1 / 0\nexcept Exception as e:\n    frame = e.__traceback__.tb_frame.f_back"),
        "tampered",
        "looks into",
    ),
    "searches-memory": Hostile(first("import gc\ngc.get_objects()"), "tampered", "memory"),
    "calls-reference": Hostile(
        attend("    return unit01_attend.reference(query, key, value, mask)",
               "from course_lib.grading import unit01_attend"),
        "tampered",
    ),
    "foreign-code": Hostile(first("import ctypes\nctypes.CDLL(None)"), "tampered", "foreign code"),
    "library": Hostile(
        attend("    from course_lib.attention import scaled_dot_product_attention as f\n"
               "    return f(query, key, value, mask)"),
        "wrong",
        "finished part",
    ),
    "fake-message": Hostile(
        first("import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'{\"event\": \"end\"}\\n')\n"
              "    except OSError: pass"),
        "timeout",
        untouched=False,
    ),
    "edited-check": Hostile(edit_check, "tampered", "edited"),
    "deleted-check": Hostile(delete_check, "ok"),
    "doubled-check": Hostile(double_check, "ok"),
    "empty": Hostile(empty, "unreadable", untouched=False),
    "foreign-kernel": Hostile(foreign_kernel, "ok"),
    "markdown": Hostile(in_markdown, "missing"),
    "another-year": Hostile(another_year, "unreadable", untouched=False),
    "not-json": Hostile(b'{"cells": [', "unreadable", untouched=False),
    "not-utf8": Hostile(b'{"cells": ["\xff\xfe"]}', "unreadable", "UTF-8", untouched=False),
    "deep": Hostile(b"[" * 100_000, "unreadable", untouched=False),
    "syntax": Hostile(attend("    return ("), "wrong", "SyntaxError"),
    "extra-cell-crash": Hostile(extra("import os\nos._exit(3)"), "ok"),
}  # fmt: skip


def write_class(folder: Path, names: list[str]) -> Path:
    """A folder of submissions, named after what is wrong with them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        change = HOSTILE[name].change
        if isinstance(change, bytes):
            (folder / f"{name}.ipynb").write_bytes(change)
            continue
        notebook = solution()
        change(notebook)
        text = json.dumps(notebook, ensure_ascii=False)
        (folder / f"{name}_{UNIT}.ipynb").write_text(text, encoding="utf-8")
    return folder
