"""Unit 06: the checks of every task, by id."""

from course_lib.grading.task import Task
from course_lib.grading.unit06_bits import BITS
from course_lib.grading.unit06_cache import CACHE
from course_lib.grading.unit06_design import DESIGN
from course_lib.grading.unit06_forward import FORWARD
from course_lib.grading.unit06_inputs import INPUTS
from course_lib.grading.unit06_loss import LOSS
from course_lib.grading.unit06_nucleus import NUCLEUS
from course_lib.grading.unit06_sampling import SAMPLING

TASKS: dict[str, Task] = {
    "gpt.loss": LOSS,
    "gpt.forward": FORWARD,
    "gpt.bits": BITS,
    "gpt.sampling": SAMPLING,
    "gpt.nucleus": NUCLEUS,
    "gpt.cache": CACHE,
    "gpt.inputs": INPUTS,
    "gpt.leak": DESIGN,
}
