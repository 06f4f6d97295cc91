"""Unit 09: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit09_bug import BUG
from course_lib.grading.unit09_cross import CROSS
from course_lib.grading.unit09_design import PREDICT
from course_lib.grading.unit09_infill import INFILL
from course_lib.grading.unit09_order import ORDER
from course_lib.grading.unit09_rouge import ROUGE
from course_lib.grading.unit09_shift import SHIFT
from course_lib.grading.unit09_state import STATE

TASKS: dict[str, Task] = {
    "bart.shift": SHIFT,
    "bart.cross": CROSS,
    "bart.infill": INFILL,
    "bart.order": ORDER,
    "bart.state": STATE,
    "bart.rouge": ROUGE,
    "bart.bug": BUG,
    "bart.predict": PREDICT,
}
