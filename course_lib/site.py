"""`course site`: all lessons as static pages, as they were last run: views work, no kernel, no network.

The pages can be opened from a disk or put on any web server, GitHub Pages for one. Formulas become MathML,
which browsers draw by themselves.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat

from course_lib.grading.page import text
from course_lib.lessons import LESSONS, Lesson
from course_lib.paths import course_root

MARK = ".course-site"  # in a folder that this module wrote, and may write again
KEPT_TAGS = ("text/html", "image/png", "image/svg+xml", "text/markdown", "text/plain")  # the first is shown


def site(folder: str | Path = "site") -> int:
    """Write the pages; return an exit code.

    Args:
        folder: where they go. What an earlier run wrote is replaced; any other folder must be empty.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        print(f"{folder} holds other files: choose a new or an empty folder.", file=sys.stderr)
        return 1
    lessons = [lesson for lesson in LESSONS if lesson.is_there()]
    try:
        pages = {lesson.name: page(lesson, lessons) for lesson in lessons}
    except ModuleNotFoundError as error:
        print(f"{error}: the site needs the authors' packages, pip install -e .[dev]", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("written by `course site`\n", encoding="utf-8")
    (folder / ".nojekyll").touch()  # GitHub Pages shall take the files as they are
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8", newline="\n")
    (folder / "index.html").write_text(_start(lessons), encoding="utf-8", newline="\n")
    root = course_root()
    shutil.copytree(root / "notebooks" / "images", folder / "images")
    _copy_font(folder / "fonts")
    (folder / "exercises").mkdir()
    for path in sorted((root / "exercises").glob("[0-9][0-9]_*.ipynb")):
        if "-kept-" not in path.name:
            shutil.copy(path, folder / "exercises")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{len(pages)} lessons, {size / 1e6:.1f} MB. Open {folder / 'index.html'}")
    return 0


def _copy_font(folder: Path) -> None:
    """Nanum Gothic (SIL Open Font License), as in the figures, for readers whose system has no Hangul."""
    spec = find_spec("koreanize_matplotlib")
    folder.mkdir()
    shutil.copy(Path(spec.origin).parent / "fonts" / "NanumGothic.ttf", folder)


def page(lesson: Lesson, lessons: Iterable[Lesson]) -> str:
    """A lesson as one HTML page, with the outputs that its notebook holds."""
    notebook = nbformat.read(course_root() / "notebooks" / f"{lesson.name}.ipynb", as_version=4)
    markdown, highlight = _renderers()
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(f'<section id="{escape(cell.id)}">{markdown(cell.source)}</section>')
        elif cell.cell_type == "code":
            outputs = "".join(_output(output, markdown) for output in cell.outputs)
            parts.append(
                f'<section id="{escape(cell.id)}" class="code">{highlight(cell.source)}'
                f"{f'<div class=outputs>{outputs}</div>' if outputs else ''}</section>"
            )
    return _frame(f"{lesson.number} · {lesson.title}", _links("".join(parts)), _around(lesson, list(lessons)))


def _renderers() -> tuple[Any, Any]:
    """Markdown and Python as HTML; formulas as MathML."""
    from latex2mathml.converter import convert
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    class Renderer(IPythonRenderer):
        def block_math(self, body: str) -> str:
            return convert(body.strip(), display="block")

        def inline_math(self, body: str) -> str:
            return convert(body.strip())

        def latex_environment(self, name: str, body: str) -> str:
            return convert(f"\\begin{{{name}}}{body}\\end{{{name}}}", display="block")

    markdown = MarkdownWithMath(Renderer(escape=False, anchor_link_text="#"))
    lexer, formatter = PythonLexer(), HtmlFormatter(cssclass="source")
    return markdown, lambda text: highlight(text, lexer, formatter)


def _output(output: Any, markdown: Any) -> str:
    if output.output_type == "stream":
        return f"<pre>{text(output.text)}</pre>"
    if output.output_type == "error":
        return f"<pre>{text(output.ename)}: {text(output.evalue)}</pre>"
    kind = next((kind for kind in KEPT_TAGS if kind in output.data), None)
    if kind is None:
        return ""
    data = output.data[kind]
    if kind == "image/png":
        size = output.metadata.get(kind, {})
        width = f' width="{int(size["width"])}"' if "width" in size else ""
        alt = text(output.data.get("text/plain", "figure"))
        return f'<img alt="{alt}"{width} src="data:{kind};base64,{data.strip()}">'
    if kind == "text/markdown":
        return markdown(data)
    return f"<pre>{text(data)}</pre>" if kind == "text/plain" else data


def _links(text: str) -> str:
    """Links between lessons lead to pages; exercises are files to save."""
    text = re.sub(r'href="(?:\.\./notebooks/)?(\d\d_\w+)\.ipynb', r'href="\1.html', text)
    return re.sub(r'href="\.\./(exercises/\d\d_\w+\.ipynb)"', r'href="\1" download', text)


def _around(lesson: Lesson, lessons: list[Lesson]) -> str:
    i = lessons.index(lesson)
    links = ['<a href="index.html">All lessons</a>']
    if i:
        links.insert(
            0, f'<a rel="prev" href="{lessons[i - 1].name}.html">← {escape(lessons[i - 1].title)}</a>'
        )
    if i + 1 < len(lessons):
        links.append(f'<a rel="next" href="{lessons[i + 1].name}.html">{escape(lessons[i + 1].title)} →</a>')
    return "".join(links)


def _start(lessons: list[Lesson]) -> str:
    rows = []
    for lesson in LESSONS:
        name = escape(lesson.title)
        if lesson in lessons:
            name = f'<a href="{lesson.name}.html">{name}</a>'
        rows.append(f"<tr><td>{lesson.number}</td><td>{name}</td><td>{escape(lesson.what)}</td></tr>")
    body = (
        "<h1>Transformer Variants</h1>"
        "<p>An interactive course: every step built, tested and looked at. These "
        "are the lessons as they were last run. The views answer here; to change the code and to do the "
        f"exercises, open the course in JupyterLab.</p><table>{''.join(rows)}</table>"
    )
    return _frame("Transformer Variants", body, "")


def _frame(title: str, body: str, around: str) -> str:
    from pygments.formatters import HtmlFormatter

    colours = HtmlFormatter(cssclass="source", style="default").get_style_defs(".source")
    dark = HtmlFormatter(cssclass="source", style="github-dark").get_style_defs(
        '[data-jp-theme-light="false"] .source'
    )
    style = (Path(__file__).parent / "site.css").read_text(encoding="utf-8")
    bars = f"<nav>{around}</nav>" if around else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{colours}\n{dark}\n{style}</style></head><body><script>{THEME}</script>"
        f"{bars}<main>{body}</main>{bars}</body></html>\n"
    )


# The views look for JupyterLab's mark of a dark theme; here the browser's own wish sets it.
THEME = (
    'const dark = matchMedia("(prefers-color-scheme: dark)");'
    "const set = () => (document.body.dataset.jpThemeLight = !dark.matches);"
    'set(); dark.addEventListener("change", set);'
)
