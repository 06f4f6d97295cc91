"""Where the course lies on this machine."""

import os
from pathlib import Path


def course_root() -> Path:
    """The folder with the lessons, the exercises and start.py.

    Raises:
        FileNotFoundError: course_lib was copied or installed without the course around it.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / "start.py").is_file():
        raise FileNotFoundError(
            f"no start.py in {root}: course_lib is installed without the course around it; install it from a "
            "clone of the course with `pip install -e .`"
        )
    return root


def course_home() -> Path:
    """Where the course keeps progress and caches; COURSE_HOME moves it. It may not be there yet."""
    own = os.environ.get("COURSE_HOME")
    return Path(own) if own else course_root() / ".course"
