"""Rows of tokens as coloured boxes: what a noise has done to a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from course_lib.viz.labels import visible
from course_lib.viz.style import BLUE, COLORS, INK, MUTED, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# kind of token: fill, colour of the text, colour of the frame, dashed?
KINDS = {
    "kept": ("#EEF1F4", INK, "#EEF1F4", False),
    "hidden": (BLUE, "white", BLUE, False),
    "gone": ("white", "#9C4300", VERMILLION, True),
    "inserted": ("white", BLUE, BLUE, False),
    "new": ("#FBE3D3", INK, VERMILLION, False),
}
Kind = str | int
ROW, LINE, GAP, PAD = 30, 25, 4, 5  # points: a row, a further line of a row, between boxes, inside a box
LONGEST_NAME, LONGEST_TOKEN = 24, 40  # letters


def token_strips(
    rows: Mapping[str, Sequence[tuple[str, Kind]]],
    *,
    title: str | None = None,
    groups: str = "sentence",
    width: float = 9.0,
) -> Axes:
    """Draw one or more rows of tokens, each token in a box coloured by its kind.

        token_strips({"read": [("I", "kept"), ("[MASK]", "hidden"), ("it", "kept")]})

    Args:
        rows: {name: [(token, kind), …]}. A kind is "kept", "hidden", "gone", "inserted" (a mask that hides
            nothing) or "new"; or a number from 0: tokens of a number belong together, such as a sentence.
        groups: what such a number counts, for the legend.
        width: of the figure in inches; longer rows go on in a further line.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: no rows, or a kind that is not known.
    """
    if not rows:
        raise ValueError("no rows to draw: give at least one, {name: [(token, kind), …]}")
    kinds = {kind for row in rows.values() for _, kind in row}
    unknown = [k for k in kinds if k not in KINDS and not (isinstance(k, int) and 0 <= k < len(COLORS))]
    if unknown:
        raise ValueError(
            f"kind {unknown[0]!r}: choose one of {', '.join(KINDS)}, or a number from 0 to {len(COLORS) - 1}"
        )
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch, Patch

    figure = plt.figure(figsize=(width, 1))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    points = 72 * width
    axes.set_xlim(0, points)
    renderer = figure.canvas.get_renderer()

    def span(text: str, size: float) -> float:
        drawn = axes.text(0, 0, text, size=size, parse_math=False)
        found = drawn.get_window_extent(renderer).width * 72 / figure.dpi
        drawn.remove()
        return found

    left = max(span(_short(name, LONGEST_NAME), 9.5) for name in rows) + 14
    y = -10 if title else ROW - 18
    for name, row in rows.items():
        y -= ROW
        axes.text(2, y, _short(name, LONGEST_NAME), size=9.5, va="center", color=MUTED, parse_math=False)
        x = left
        for token, kind in row:
            text = _short(token, LONGEST_TOKEN)
            wide = span(text, 10) + 2 * PAD
            if x + wide > points - 4 and x > left:
                x, y = left, y - LINE
            fill, ink, edge, dashed = _look(kind)
            axes.add_patch(
                FancyBboxPatch(
                    (x + 2, y - 7),
                    wide - 4,
                    14,
                    boxstyle="round,pad=2,rounding_size=3",
                    facecolor=fill,
                    edgecolor=edge,
                    linestyle=(0, (2, 1.5)) if dashed else "-",
                    linewidth=1,
                )
            )
            axes.text(
                x + wide / 2, y, text, size=10, color=ink, ha="center", va="center_baseline", parse_math=False
            )
            x += wide + GAP
    handles = []
    for kind in sorted(kinds, key=lambda k: (isinstance(k, int), list(KINDS).index(k) if k in KINDS else k)):
        fill, _, edge, dashed = _look(kind)
        label = f"{visible(groups)} {kind + 1}" if isinstance(kind, int) else kind
        handles.append(Patch(facecolor=fill, edgecolor=edge, linestyle="--" if dashed else "-", label=label))
    y -= ROW + 8
    axes.set_ylim(y, 0)
    figure.set_size_inches(width, -y / 72)
    legend = axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(left / points - 0.01, 0),
        ncols=len(handles),
        frameon=False,
        columnspacing=1.2,
        handlelength=1.4,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    if title:
        axes.text(2, -12, visible(title), size=12, weight="bold", va="center", color=INK, parse_math=False)
    return axes


def _short(text: str, longest: int) -> str:
    text = visible(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _look(kind: Kind) -> tuple[str, str, str, bool]:
    if isinstance(kind, str):
        return KINDS[kind]
    return _tint(COLORS[kind]), INK, COLORS[kind], False


def _tint(color: str) -> str:
    """The colour, mixed with white: dark text stays readable on it."""
    parts = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - 0.3 * (255 - part)):02X}" for part in parts)
