"""Unit 09: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit09_decoder import CROSS, SHIFT
from course_lib.grading.unit09_infill import INFILL
from course_lib.grading.unit09_order import ORDER
from course_lib.grading.unit09_predict import PREDICT
from course_lib.grading.unit09_rouge import ROUGE
from course_lib.grading.unit09_state import STATE

TASKS: dict[str, Task] = {
    "bart.shift": SHIFT,
    "bart.cross": CROSS,
    "bart.infill": INFILL,
    "bart.order": ORDER,
    "bart.state": STATE,
    "bart.rouge": ROUGE,
    "bart.predict": PREDICT,
}
