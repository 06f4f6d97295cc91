"""The script and the style sheet of a playground."""

from functools import cache
from pathlib import Path

from course_lib.viz import style


@cache
def assets(name: str, *colors: str) -> tuple[str, str]:
    """`name`.js, and `name`.css after CSS variables for these colours of `style` ("blue" gives --blue)."""
    folder = Path(__file__).parent
    variables = "".join(f"--{color}:{getattr(style, color.upper())};" for color in colors)
    css = (folder / f"{name}.css").read_text(encoding="utf-8")
    return (folder / f"{name}.js").read_text(encoding="utf-8"), f":root{{{variables}}}{css}"
