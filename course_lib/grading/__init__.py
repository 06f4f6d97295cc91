"""Checks that name the mistake, hints on request, and a record of what was reached.

    check("attention.scores", attend)     a graded answer, shown in the notebook
    hint("attention.scores")              the first of three hints; call again for the next
    report(), panel()                     what was reached so far, as text and for a notebook

Importing this loads no torch: each name is fetched from its file when it is first used.
"""

from course_lib.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "check": "checking",
        "hint": "hints",
        "Result": "result",
        "report": "progress",
        "panel": "progress",
    },
)
