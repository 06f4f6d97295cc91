"""Unit 09: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit09_decoder import CROSS, SHIFT, STATE
from course_lib.grading.unit09_noise import INFILL, ORDER, PREDICT, ROUGE

TASKS: dict[str, Task] = {
    "bart.shift": SHIFT,
    "bart.cross": CROSS,
    "bart.infill": INFILL,
    "bart.order": ORDER,
    "bart.state": STATE,
    "bart.rouge": ROUGE,
    "bart.predict": PREDICT,
}
