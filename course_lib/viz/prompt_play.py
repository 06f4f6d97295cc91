"""The prompt playground: examples to drag, and the answers of a model that move with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted
from course_lib.viz.labels import visible
from course_lib.viz.prompt_scores import CONTENT_FREE, WORDINGS, PromptTable, prompt_table

ROW, REST, LEAST = 66, 204, 560  # CSS pixels: one query, everything else, the whole at least
COLORS = ("BLUE", "VERMILLION", "GREEN", "PURPLE")


def prompt_playground(
    model: Any,
    tokenizer: Any,
    examples: Sequence[tuple[str, str]],
    queries: Sequence[str | tuple[str, str]],
    labels: Sequence[str],
    *,
    wordings: Sequence[str] = WORDINGS,
    content_free: Sequence[str] = CONTENT_FREE,
    subsets: bool = True,
    title: str | None = None,
) -> View:
    """Drag a prompt's examples, leave some out, change its wording; put the call last in a cell.

        prompt_playground(model, tokenizer, [("A joy.", "positive"), ("Dull.", "negative")],
                          [("I laughed.", "positive")], ["positive", "negative"])

    Shown is how the model shares its belief among the labels for every query, as asked and after contextual
    calibration (Zhao et al. 2021); ticks mark what the other orders of the same examples would give. All
    prompts are scored when the view is made (`prompt_table`): it needs no kernel and no network afterwards.

    Args:
        model, tokenizer, examples, queries, labels, wordings, content_free, subsets: as in `prompt_table`.
        title: stands above the view.

    Raises:
        ValueError: what does not fit; the message names it.
    """
    table = prompt_table(
        model,
        tokenizer,
        examples,
        queries,
        labels,
        wordings=wordings,
        content_free=content_free,
        subsets=subsets,
    )
    return prompt_view(table, title=title)


def prompt_view(table: PromptTable, *, title: str | None = None) -> View:
    """The prompt playground of scores that are there already."""
    title = visible(title) if title else "Order, choice and wording of a few examples"
    state = {
        "title": title,
        "examples": [[visible(text), table.labels.index(label)] for text, label in table.examples],
        "queries": [
            [visible(text), None if label is None else table.labels.index(label)]
            for text, label in table.queries
        ],
        "labels": [visible(label) for label in table.labels],
        "wordings": [_lines(wording) for wording in table.wordings],
        "nothing": [visible(text) for text in table.content_free],
        "subsets": () in table.log_p,
        # Enough digits that a probability is right to 0.0001.
        "scores": {"".join(map(str, order)): _rounded(found) for order, found in table.log_p.items()},
    }
    order = tuple(range(len(table.examples)))
    summary = f"{title}: {_said(table, order)}"
    return scripted(
        "prompt_play",
        ("blue", "vermillion", "green", "purple", "ink", "muted", "rule"),
        state,
        summary=summary,
        height=max(LEAST, ROW * len(table.queries) + REST),
        picture=_still(table, order, title),
    )


def _lines(text: str) -> str:
    """A text whose lines stay lines, everything else made visible."""
    return "\n".join(visible(line) if line else "" for line in text.split("\n"))


def _rounded(found: Any) -> list:
    return [[[round(x, 4) for x in row] for row in wording] for wording in found.double().tolist()]


def _said(table: PromptTable, order: tuple[int, ...]) -> str:
    """The picture in a line of text."""
    wanted = [label for _, label in table.queries]
    n = sum(label is not None for label in wanted)
    if not n:
        return f"{len(table.log_p)} orders of {len(table.examples)} examples, {len(wanted)} queries"
    right = []
    for calibrated in (False, True):
        best = table.probabilities(order, calibrated=calibrated).argmax(dim=1).tolist()
        right.append(sum(table.labels[i] == label for i, label in zip(best, wanted, strict=True)))
    return f"{right[0]} of {n} queries right as asked, {right[1]} calibrated, in the order given"


def _still(table: PromptTable, order: tuple[int, ...], title: str) -> bytes:
    """The PNG that stands in for the living view: the order given, and what the other orders would say."""
    import warnings

    import matplotlib
    import torch
    from matplotlib.figure import Figure

    first = table.labels[0]
    others = [other for other in table.log_p if len(other) == len(order)]
    names = [visible(text) for text, _ in table.queries]
    names = [name if len(name) <= 44 else name[:43] + "…" for name in names]
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(8.6, 1.6 + 0.5 * len(names)))
        axes = figure.add_subplot()
        for calibrated, color, shift in ((False, style.GREY, -0.17), (True, style.BLUE, 0.17)):
            share = torch.stack([table.probabilities(other, calibrated=calibrated)[:, 0] for other in others])
            here = table.probabilities(order, calibrated=calibrated)[:, 0].tolist()
            for i, value in enumerate(here):
                every = share[:, i].tolist()
                axes.plot(every, [i + shift] * len(every), "|", color=color, alpha=0.6, markersize=8)
                name = ("calibrated" if calibrated else "as asked") if i == 0 else None
                axes.plot([value], [i + shift], "o", color=color, markersize=7, label=name)
        axes.axvline(0.5, color=style.RULE, linewidth=1)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.invert_yaxis()
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(f"p({visible(first)}) among the labels; strokes: the other orders", parse_math=False)
        axes.set_title(title[:80], parse_math=False, size=10)
        figure.legend(loc="outside lower right", ncols=2)
        return png(figure, colors=48)
