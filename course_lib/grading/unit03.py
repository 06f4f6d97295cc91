"""Unit 03: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit03_elmo import MIX, REVERSE, SHIFT
from course_lib.grading.unit03_probe import PREDICT, PROBE, REDUCTION
from course_lib.grading.unit03_skipgram import PAIRS, SAMPLING

TASKS: dict[str, Task] = {
    "contextual.pairs": PAIRS,
    "contextual.sampling": SAMPLING,
    "contextual.shift": SHIFT,
    "contextual.reverse": REVERSE,
    "contextual.mix": MIX,
    "contextual.probe": PROBE,
    "contextual.reduction": REDUCTION,
    "contextual.predict": PREDICT,
}
