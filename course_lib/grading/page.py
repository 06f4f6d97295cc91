"""The frame of every page of feedback: no script, no request, light and dark, narrow and wide."""

from __future__ import annotations

import re
from html import escape
from unicodedata import category

from course_lib.viz.labels import is_hidden

_ODD = re.compile(r"[^\n\t -~]")


def text(value: object) -> str:
    """Escaped for HTML; characters that draw nothing become visible, such as `[U+202E]`."""
    return escape(visible(str(value)))


def visible(value: str) -> str:
    """The string with its control, bidirectional and zero-width characters as `[U+202E]`; escapes nothing.

    Lines, tabs, spaces of any width and emoji stay.
    """
    return _ODD.sub(_named, value)


def _named(found: re.Match[str]) -> str:
    char = found[0]
    shown = category(char) == "Zs" or not is_hidden(found.string, found.start())
    return char if shown else f"[U+{ord(char):04X}]"


def page(title: str, body: str, wide: bool = False) -> str:
    """A whole document around `body`, which is HTML already; `title` is plain text.

    A page may lie anywhere: feedback's link to a lesson, relative to the exercise, becomes its text.
    """
    body = _LESSON.sub(r"\1\2", visible(body.replace("\r", "")))
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text(title)}</title>
<style>{_STYLE}</style>
<body{' class="broad"' if wide else ""}>{body}</body></html>
"""


_LESSON = re.compile(r"(Read again: )<a href=\"[^\"]*\">([^<]*)</a>")

_STYLE = """:root{color-scheme:light dark;--line:#8885;--soft:#5c6570;--link:#0b63b5;--back:#fff;
--ink:#1c2127;--ok:#0f7a4a;--warn:#9a5b00;--bad:#b3400a}
@media(prefers-color-scheme:dark){:root{--soft:#a3adb8;--link:#7db8f5;--back:#15181c;--ink:#e4e7eb;
--ok:#58c08b;--warn:#eda24a;--bad:#f08a5b}body .grade{--good:#58c08b;--open:#eda24a}}
*{box-sizing:border-box}
body{max-width:54rem;margin:0 auto;padding:1.5rem 1rem 4rem;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,"Noto Sans KR","Noto Sans CJK KR",sans-serif;overflow-wrap:anywhere}
body.broad{max-width:80rem}
h1{margin:.2rem 0 .3rem;font-size:1.7rem;line-height:1.25}h2{margin:2.2rem 0 .4rem;font-size:1.2rem}
a{color:var(--link)}small,.soft{color:var(--soft)}small{font-weight:400}
.wide{overflow-x:auto;margin:1rem 0;border:1px solid var(--line);border-radius:8px}
.wide>table{width:100%;border-collapse:collapse;font-size:14px}
.wide th,.wide td{padding:.4rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
.wide tbody tr:last-child>*{border-bottom:0}
.wide th{font-weight:600;min-width:9rem;max-width:20rem}
.wide thead th{color:var(--soft);font-size:13px;min-width:5.5rem;vertical-align:bottom;
overflow-wrap:normal}
.number{white-space:nowrap}
.who{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow:hidden}
.grade{max-width:none!important}
.wide td{font-variant-numeric:tabular-nums}.wide ul{margin:0;padding-left:1.1rem}
.wide .say{min-width:16rem}
.class th:first-child{position:sticky;left:0;background:var(--back);box-shadow:1px 0 var(--line)}
.class .ok,.class .some,.class .none{border-left:3px solid var(--line)}
.class .ok{border-left-color:var(--ok);background:#2a8f5c22}
.class .some{border-left-color:var(--warn);background:#eda24a22}
.class .none{border-left-color:var(--bad);background:#d55e0022}
.status{display:block;color:var(--soft);font-size:12px}
.note{border-left:4px solid var(--warn);padding:.1rem .7rem}.grade{margin:1rem 0}
@media(max-width:40rem){.wide th{min-width:7rem;max-width:9rem}}
@media print{.wide{overflow:visible}}"""
