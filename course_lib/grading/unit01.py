"""Unit 01: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit01_attend import BUG, SCORES
from course_lib.grading.unit01_block import BLOCK, POSITIONS
from course_lib.grading.unit01_design import PARAMETERS, PREDICT
from course_lib.grading.unit01_heads import HEADS
from course_lib.grading.unit01_masks import MASKS

TASKS: dict[str, Task] = {
    "attention.scores": SCORES,
    "attention.masks": MASKS,
    "attention.heads": HEADS,
    "attention.positions": POSITIONS,
    "attention.block": BLOCK,
    "attention.parameters": PARAMETERS,
    "attention.bug": BUG,
    "attention.predict": PREDICT,
}
