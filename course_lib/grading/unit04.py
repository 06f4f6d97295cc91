"""Unit 04: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit04_bytes import BYTES, TRAP
from course_lib.grading.unit04_cut import BUG, CUT
from course_lib.grading.unit04_input import EMBED, PAIR
from course_lib.grading.unit04_merge import MERGE, SCORE

TASKS: dict[str, Task] = {
    "input.score": SCORE,
    "input.merge": MERGE,
    "input.cut": CUT,
    "input.pair": PAIR,
    "input.embed": EMBED,
    "input.bytes": BYTES,
    "input.bug": BUG,
    "input.trap": TRAP,
}
