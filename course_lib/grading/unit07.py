"""Unit 07: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit07_bits import MEASURES
from course_lib.grading.unit07_block import BLOCK
from course_lib.grading.unit07_bug import BUG
from course_lib.grading.unit07_cloze import WORDS_TASK
from course_lib.grading.unit07_count import COUNT
from course_lib.grading.unit07_design import PREDICT
from course_lib.grading.unit07_groups import MODERN
from course_lib.grading.unit07_masks import MASKS

TASKS: dict[str, Task] = {
    "gpt2.block": BLOCK,
    "gpt2.count": COUNT,
    "gpt2.measures": MEASURES,
    "gpt2.words": WORDS_TASK,
    "gpt2.modern": MODERN,
    "gpt2.masks": MASKS,
    "gpt2.bug": BUG,
    "gpt2.predict": PREDICT,
}
