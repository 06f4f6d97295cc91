"""The attention playground: drag the query, and scores, weights and output follow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from course_lib.viz import style
from course_lib.viz.assets import assets
from course_lib.viz.frame import View, frame, png
from course_lib.viz.labels import visible

MAX_WORDS = 6
LARGEST = 1000.0
PANEL, ROW, REST = 290, 24, 134  # CSS pixels: the drawings, a row of bars, everything else


def attention_playground(
    words: Sequence[str],
    query: Any,
    key: Any,
    value: Any,
    *,
    title: str | None = None,
    height: int | None = None,
) -> View:
    """One query, a few keys and values in the plane; put the call last in a cell.

        attention_playground(["like", "eat"], query=[1, 0], key=[[0, 1], [1, 0]], value=[[0, 1], [1, 1]])

    Drag the query's tip, or move it with the arrow keys (Shift: finer steps). Weights are
    softmax(sharpness · key @ query), the output is weights @ value: equation 1 of Vaswani et al. (2017)
    for one query, with a slider in the place of 1/√d. The view needs no kernel and no network.

    Args:
        words: 2 to 6 strings, one a key.
        query: (2,) tensor, array or list: where the query starts.
        key, value: (n, 2), a row a word.
        title: stands above the view.
        height: of the view in CSS pixels.

    Raises:
        ValueError: other than 2 to 6 words, shapes that do not fit, numbers not finite or beyond 1000.
    """
    if isinstance(words, str) or not 2 <= len(words) <= MAX_WORDS:
        seen = f"the string {words!r}" if isinstance(words, str) else f"{len(words)} words"
        raise ValueError(
            f"{seen}; the playground shows 2 to {MAX_WORDS} words: pass a list of as many strings"
        )
    n = len(words)
    query = _numbers("query", query, (2,), "a query is one point of the plane, as in [1.2, 0.3]")
    way_out = f"one row of two numbers for each of the {n} words"
    key, value = _numbers("key", key, (n, 2), way_out), _numbers("value", value, (n, 2), way_out)
    names = [visible(word) for word in words]
    short = [name if len(name) <= 14 else name[:13] + "…" for name in names]
    title = visible(title) if title else "Drag the query"

    scores, weights, output = attend(query, key, value)
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(short, weights))
    summary = f"{title}: output {output[0]:.2f}, {output[1]:.2f}; weights {shares}"
    state = {
        "title": title,
        "words": names,
        "short": short,
        "query": query.tolist(),
        "key": key.tolist(),
        "value": value.tolist(),
        "hull": hull(value),
        "size": max(160, height - ROW * n - REST) if height else PANEL,
    }
    # Inside a script element only "<" could matter.
    data = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    body = f'<div id="playground"></div><script type="application/json" id="state">{data}</script>'
    script, css = _assets()
    return View(
        frame(
            body,
            [script],
            style=css,
            title=summary,
            height=height or PANEL + ROW * n + REST,
            picture=_still(short, query, key, value, scores, weights, output),
        ),
        summary,
    )


def attend(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, ...]:
    """Scores (n,), weights (n,) and output (2,) of one query."""
    scores = key @ query
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    return scores, weights, weights @ value


def hull(points: np.ndarray) -> list[int]:
    """The corners of the (n, 2) points' convex hull, in turn (monotone chain; Andrew, 1979)."""

    def half(order: list[int]) -> list[int]:
        chain: list[int] = []
        for i in order:
            while len(chain) > 1 and _turn(*points[chain[-2:]], points[i]) <= 0:
                chain.pop()
            chain.append(i)
        return chain[:-1]

    order = sorted({tuple(point): i for i, point in enumerate(points.tolist())}.items())
    found = [i for _, i in order]
    return half(found) + half(found[::-1]) if len(found) > 1 else found


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _numbers(name: str, given: Any, shape: tuple[int, ...], way_out: str) -> np.ndarray:
    try:
        array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not a table of numbers: {way_out}") from None
    if array.shape != shape:
        raise ValueError(f"{name} of shape {array.shape}; the playground needs {shape}: {way_out}")
    if not np.isfinite(array).all() or np.abs(array).max() > LARGEST:
        raise ValueError(
            f"{name} holds {array.flat[np.nanargmax(np.where(np.isfinite(array), np.abs(array), np.inf))]}; "
            f"the playground draws numbers up to {LARGEST:.0f}: scale them down"
        )
    # float32 1.2 is 1.2000000477 in float64: go by way of its shortest decimal.
    return np.array([float(str(x)) for x in array.flat]).reshape(shape)


def _assets() -> tuple[str, str]:
    return assets("playground", "blue", "vermillion", "ink", "muted", "rule")


def _still(
    names: list[str],
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray,
    output: np.ndarray,
) -> bytes:
    """The PNG that stands in for the living view."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    names = [name if len(name) <= 12 else name[:7] + "…" for name in names]
    text = {"textcoords": "offset points", "parse_math": False, "size": 9.5}
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Long words would squeeze the axes to nothing if they had a say in the layout.
        figure = Figure(figsize=(6.8, 3.0))
        left, right = figure.subplots(1, 2)
        for tip, color, label in [
            *((k, style.BLUE, f"{name}  {score:.2f}") for k, name, score in zip(key, names, scores)),
            (query, style.VERMILLION, "query"),
        ]:
            left.annotate(
                "", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2.4, "shrinkA": 0}
            )
            x, y = (1 if part >= 0 else -1 for part in tip)
            outward = {"ha": "left" if x > 0 else "right", "va": "center"}
            note = left.annotate(label, tip, xytext=(6 * x, 6 * y), color=color, **outward, **text)
            note.set_in_layout(False)
        reach = np.vstack([key, query, np.zeros(2)])
        left.scatter(*reach.T, alpha=0)  # makes the limits fit: arrows do not
        left.set(title="Keys and query", xlabel="first number", ylabel="second number")
        corners = value[hull(value)]
        right.fill(*corners.T, color=style.BLUE, alpha=0.12)
        right.scatter(*value.T, s=20 + 420 * weights, color=style.BLUE, zorder=2)
        for v, name, weight in zip(value, names, weights):
            above = (0, 7 + 11 * weight**0.5)
            note = right.annotate(
                f"{name}  {weight:.2f}", v, xytext=above, color=style.INK, ha="center", **text
            )
            note.set_in_layout(False)
        right.scatter(*output, marker="X", s=130, color=style.VERMILLION, edgecolor="white", zorder=3)
        right.set(title="Values and output", xlabel="first number")
        for axes in (left, right):
            axes.margins(0.42, 0.2)
        return png(figure, colors=40)
