"""Unit 05: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit05_design import BUG, PREDICT
from course_lib.grading.unit05_heads import HEADS
from course_lib.grading.unit05_hide import MASKING
from course_lib.grading.unit05_loss import LOSS
from course_lib.grading.unit05_pairs import PAIRS
from course_lib.grading.unit05_reading import READING

TASKS: dict[str, Task] = {
    "bert.masking": MASKING,
    "bert.loss": LOSS,
    "bert.pairs": PAIRS,
    "bert.reading": READING,
    "bert.heads": HEADS,
    "bert.bug": BUG,
    "bert.predict": PREDICT,
}
