"""Unit 02: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit02_contrast import BUG, INFO_NCE
from course_lib.grading.unit02_cosines import COSINES
from course_lib.grading.unit02_freeze import FREEZE
from course_lib.grading.unit02_groups import COUNT, GROUPS
from course_lib.grading.unit02_pairs import PAIRS
from course_lib.grading.unit02_report import REPORT

TASKS: dict[str, Task] = {
    "transfer.pairs": PAIRS,
    "transfer.count": COUNT,
    "transfer.freeze": FREEZE,
    "transfer.groups": GROUPS,
    "transfer.cosines": COSINES,
    "transfer.contrast": INFO_NCE,
    "transfer.bug": BUG,
    "transfer.report": REPORT,
}
