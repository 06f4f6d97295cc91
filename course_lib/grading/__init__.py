"""Checks that name the mistake, hints on request, and a record of what was reached.

    check("attention.scores", attend)     a graded answer, shown in the notebook
    hint("attention.scores")              the first of three hints; call again for the next
    report(), panel()                     what was reached so far, as text and for a notebook

Importing this loads no torch: each name is fetched from its file when it is first used.
"""

from importlib import import_module

_WHERE = {
    "check": "checking",
    "hint": "hints",
    "Result": "result",
    "report": "progress",
    "panel": "progress",
}
__all__ = ["Result", "check", "hint", "panel", "report"]


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
