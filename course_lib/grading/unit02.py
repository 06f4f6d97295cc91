"""Unit 02: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit02_contrast import BUG, COSINES, INFO_NCE
from course_lib.grading.unit02_data import PAIRS, REPORT
from course_lib.grading.unit02_transfer import COUNT, FREEZE, GROUPS

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
