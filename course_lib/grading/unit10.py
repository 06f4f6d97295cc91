"""Unit 10: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit10_bias import BIASED, BUCKETS
from course_lib.grading.unit10_bug import BUG
from course_lib.grading.unit10_design import PREDICTED
from course_lib.grading.unit10_restore import RESTORED
from course_lib.grading.unit10_spans import SPANS
from course_lib.grading.unit10_text import MIXING, VERBALISED

TASKS: dict[str, Task] = {
    "t5.spans": SPANS,
    "t5.restore": RESTORED,
    "t5.buckets": BUCKETS,
    "t5.bias": BIASED,
    "t5.mix": MIXING,
    "t5.shares": VERBALISED,
    "t5.bug": BUG,
    "t5.predict": PREDICTED,
}
