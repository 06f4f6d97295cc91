"""Unit 08: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit08_bias import BIAS
from course_lib.grading.unit08_bill import BUG
from course_lib.grading.unit08_calibrate import CALIBRATION
from course_lib.grading.unit08_labels import LABELS
from course_lib.grading.unit08_luck import LUCK
from course_lib.grading.unit08_prompt import PROMPT
from course_lib.grading.unit08_repeat import INDUCTION, SEGMENTS

TASKS: dict[str, Task] = {
    "gpt3.segments": SEGMENTS,
    "gpt3.induction": INDUCTION,
    "gpt3.prompt": PROMPT,
    "gpt3.labels": LABELS,
    "gpt3.calibration": CALIBRATION,
    "gpt3.luck": LUCK,
    "gpt3.bug": BUG,
    "gpt3.bias": BIAS,
}
