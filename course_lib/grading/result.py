"""What `check` gives back: points, a row a case, and feedback to read in the notebook."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from html import escape

from course_lib.grading.drawing import Drawing
from course_lib.grading.hints import Hint, hint, marked
from course_lib.grading.page import visible


@dataclass(frozen=True)
class Finding:
    """One row: what was tested, and when it is not yet right: what was seen, the idea behind, what to try."""

    name: str
    passed: bool
    points: float
    worth: float
    seen: str = ""
    idea: str = ""
    experiment: str = ""
    part: str = ""
    drawing: Drawing | None = None


@dataclass(frozen=True)
class Named:
    """A misconception that explains the answer."""

    id: str
    title: str
    why: str
    experiment: str


@dataclass
class Result:
    """The graded answer. In a notebook it shows its feedback; `print` shows the same as text.

    Args:
        id: of the task.  title: its heading.
        points: what it is worth.
        headline: what to say before all else, for instance that nothing is written yet.
        findings: a row a case.  misconceptions: named ideas that explain what was seen, the likeliest first.
        output: what the answer printed while it was checked.
        link: the lesson's section.  note: about the machine, not the answer.
    """

    id: str
    title: str = ""
    points: float = 0.0
    headline: str = ""
    findings: list[Finding] = field(default_factory=list)
    misconceptions: list[Named] = field(default_factory=list)
    output: str = ""
    link: str = ""
    section: str = ""
    note: str = ""
    started: bool = True

    @property
    def score(self) -> float:
        """Points earned."""
        if self.findings and all(row.passed for row in self.findings):
            return float(self.points)
        return round(sum(row.points for row in self.findings), 2)

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return bool(self.findings) and all(row.passed for row in self.findings)

    def hint(self) -> Hint:
        """The next of three hints for this task; each call shows one more."""
        return hint(self.id)

    def as_dict(self) -> dict:
        """Plain data for reports."""
        return asdict(self) | {"score": self.score, "passed": self.passed, "html": self._repr_html_()}

    def __repr__(self) -> str:
        """The points alone: nbgrader reads a cell's value as partial credit."""
        return str(self.score)

    def __str__(self) -> str:
        lines = [f"{self.title or self.id}: {_number(self.score)} of {_number(self.points)} points"]
        lines += [self.headline] if self.headline else []
        for named in self.misconceptions:
            lines += [f"{named.title}. {named.why}", f"    Try: {named.experiment}"]
        told = {self.headline}
        for row in self.findings:
            lines.append(f"  {'ok     ' if row.passed else 'not yet'}  {row.name}")
            lines += [f"           {text}" for _, text in _details(row, told)]
        if self.output:
            lines += ["Your code printed:", *(f"  | {line}" for line in self.output.splitlines())]
        lines += [self.note] if self.note else []
        return visible("\n".join(lines))

    def _repr_html_(self) -> str:
        told = {self.headline}
        share = 100 * self.score / self.points if self.points else 0
        state = "all" if self.passed else "some" if self.score else "none"
        parts = [
            STYLE,
            f'<div class="grade grade-{state}"><div class="grade-head">'
            f"<strong>{marked(self.title or self.id)}</strong>"
            f"<span>{_number(self.score)} of {_number(self.points)} points</span></div>"
            f'<div class="grade-bar"><div style="width:{share:.0f}%"></div></div>',
        ]
        if self.headline:
            parts.append(f'<p class="grade-headline">{marked(self.headline)}</p>')
        for named in self.misconceptions:
            parts.append(
                f'<div class="grade-named"><strong>{marked(named.title)}</strong><p>{marked(named.why)}</p>'
                f"<p><em>Try next</em> {marked(named.experiment)}</p></div>"
            )
        if self.findings:
            rows = "".join(_row(row, told, bool(self.misconceptions)) for row in self.findings)
            parts.append(f'<table class="grade-rows">{rows}</table>')
        if self.output:
            parts.append(
                "<details><summary>What your code "
                f"printed</summary><pre>{escape(self.output)}</pre></details>"
            )
        foot = []
        if self.link:
            foot.append(f'Read again: <a href="{escape(self.link)}">{marked(self.section)}</a>')
        if self.points and not self.passed:
            foot.append(f'Stuck? <code>hint("{escape(self.id)}")</code>')
        if foot:
            parts.append(f'<p class="grade-foot">{" · ".join(foot)}</p>')
        if self.note:
            parts.append(f'<p class="grade-foot">{marked(self.note)}</p>')
        return visible("".join(parts)) + "</div>"


def _row(row: Finding, told: set[str], folded: bool) -> str:
    mark = ("&#10003;", "ok") if row.passed else ("&#9675;", "not yet")
    details = [f"<p><em>{label}</em> {marked(text)}</p>" for label, text in _details(row, told)]
    if folded and len(details) > 1:  # the named idea above says it better
        details[1:] = ["<details><summary>More</summary>", *details[1:], "</details>"]
    more = "".join(details) + (row.drawing.html() if row.drawing else "")
    return (
        f'<tr class="{"grade-ok" if row.passed else "grade-not"}"><td>{mark[0]}&nbsp;{mark[1]}</td>'
        f"<td>{marked(row.name)}{more}</td><td>{_number(row.points)}&#8239;/&#8239;{_number(row.worth)}</td></tr>"
    )


def _details(row: Finding, told: set[str]) -> list[tuple[str, str]]:
    """What to say under a row; what an earlier row has said already is left out."""
    if row.passed:
        return []
    labelled = (("Seen", row.seen), ("Idea", row.idea), ("Try next", row.experiment))
    fresh = [(label, text) for label, text in labelled if text and text not in told]
    told.update(text for _, text in fresh)
    return fresh


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


# Colours come from JupyterLab's theme where there is one, so that light and dark both read well.
STYLE = """<style>
.grade{--line:var(--jp-border-color2,#8886);--soft:var(--jp-ui-font-color2,inherit);--good:#2a8f5c;
--open:#c77700;
max-width:52rem;padding:.8rem 1rem;border:1px solid var(--line);border-radius:8px;
color:var(--jp-content-font-color1,inherit);font-family:var(--jp-content-font-family,system-ui,sans-serif);
font-size:14px;line-height:1.5;overflow-wrap:anywhere}
.grade p{margin:.25rem 0}
.grade-head{display:flex;justify-content:space-between;gap:1rem;align-items:baseline}
.grade-head strong{font-size:16px}.grade-head span{white-space:nowrap;font-variant-numeric:tabular-nums}
.grade-bar{height:6px;margin:.45rem 0 .7rem;border-radius:3px;background:var(--jp-layout-color3,#8883);
overflow:hidden}
.grade-bar div{height:100%;background:var(--open)}.grade-all .grade-bar div{background:var(--good)}
.grade .grade-headline{margin:.4rem 0 .6rem;font-size:15px}
.grade-named{margin:.6rem 0;padding:.55rem .8rem;border-left:4px solid var(--open);
border-radius:0 6px 6px 0;
background:color-mix(in srgb,var(--open) 11%,transparent)}
.grade em{font-style:normal;font-weight:600;color:var(--soft);margin-right:.35rem}
.grade table.grade-rows{width:100%;margin:.5rem 0;border-collapse:collapse;border:0;table-layout:auto;
font-size:14px}
.grade table.grade-rows tr,.grade table.grade-rows tr:hover{background:none!important}
.grade table.grade-rows td{padding:.4rem .5rem;border:0;border-top:1px solid var(--line);text-align:left;
vertical-align:top;white-space:normal;max-width:none}
.grade table.grade-rows td:first-child{width:5.2rem;white-space:nowrap;font-weight:600;padding-left:0}
.grade table.grade-rows td:last-child{width:5rem;white-space:nowrap;text-align:right;padding-right:0;
color:var(--soft);
font-variant-numeric:tabular-nums}
.grade-ok td:first-child{color:var(--good)}.grade-not td:first-child{color:var(--open)}
.grade code{font-size:13px;padding:0 .2em;border-radius:3px;background:var(--jp-layout-color2,#8882)}
.grade pre{max-height:12rem;overflow:auto;margin:.4rem 0;padding:.5rem;
background:var(--jp-layout-color2,#8882);
white-space:pre-wrap;font-size:13px}
.grade .grade-drawing{margin:.4rem 0;color:var(--soft);font-size:13px}
.grade-drawing>div{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem}
.grade-grid{display:grid;gap:2px;margin:.1rem 0}
.grade-grid i{height:18px;border-radius:2px;text-align:center;font:11px/18px system-ui,sans-serif;
box-shadow:inset 0 0 0 1px var(--line);background:color-mix(in srgb,#3b7dd8 var(--full),transparent)}
.grade-grid i.differs{box-shadow:inset 0 0 0 2px var(--open)}
.grade summary{cursor:pointer;color:var(--soft)}
[data-jp-theme-light="false"] .grade{--good:#58c08b;--open:#eda24a}
.grade .grade-foot{margin-top:.6rem;color:var(--soft)}
</style>"""
