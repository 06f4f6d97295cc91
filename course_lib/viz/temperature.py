"""The temperature playground: similarities, their softmax, and who is pushed, as the temperature moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from course_lib.viz import style
from course_lib.viz.assets import assets
from course_lib.viz.frame import View, frame, png
from course_lib.viz.labels import visible

MIN_PAIRS, MAX_PAIRS = 2, 8
COLDEST, HOTTEST = 0.01, 2.0
ROW, REST = 27, 186  # CSS pixels: one row of the matrices with its bar below, and everything else


def temperature_playground(
    similarity: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str | None = None,
    temperature: float = 0.1,
    height: int | None = None,
) -> View:
    """InfoNCE under a slider; put the call last in a cell.

        temperature_playground([[0.9, 0.2], [0.1, 0.7]], ["hello", "bye"], ["안녕", "잘 가"])

    Row i looks for column i. Shown are the cosines, softmax(cosines / temperature) row by row, the loss of
    each row (van den Oord et al. 2018, equation 4), and for one row how the gradient on its wrong partners is
    shared out. The view needs no kernel and no network.

    Args:
        similarity: (N, N) tensor, array or list of cosines, N from 2 to 8.
        rows, columns: N names each.
        title: stands above the view.
        temperature: where the slider starts, 0.01 to 2.
        height: of the view in CSS pixels.

    Raises:
        ValueError: sizes or numbers that do not fit; the message names them.
    """
    matrix = _matrix(similarity)
    n = len(matrix)
    for name, given in (("rows", rows), ("columns", columns)):
        if isinstance(given, str) or len(given) != n:
            seen = f"the string {given!r}" if isinstance(given, str) else f"{len(given)} names"
            raise ValueError(f"{name}: {seen} for a matrix of {n}; give a list of {n} strings")
    if not COLDEST <= temperature <= HOTTEST:
        raise ValueError(f"temperature is {temperature}: the slider goes from {COLDEST} to {HOTTEST:g}")
    row_names, column_names = [visible(name) for name in rows], [visible(name) for name in columns]
    title = visible(title) if title else "Move the temperature"

    shares, losses = look_for_partners(matrix, temperature)
    summary = f"{title}: at temperature {temperature:g} the loss is {losses.mean():.2f}"
    state = {
        "title": title,
        "rows": row_names,
        "columns": column_names,
        "similarity": matrix.tolist(),
        "temperature": temperature,
        "range": [COLDEST, HOTTEST],
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
            height=height or 2 * ROW * n + REST,
            picture=_still(matrix, shares, row_names, column_names, temperature),
        ),
        summary,
    )


def look_for_partners(matrix: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares (N, N), the softmax of each row, and losses (N,) in nats."""
    scores = matrix / temperature
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = raised / raised.sum(axis=1, keepdims=True)
    peak = scores.max(axis=1)
    losses = np.log(raised.sum(axis=1)) + peak - scores.diagonal()
    return shares, losses


def _matrix(given: Any) -> np.ndarray:
    way_out = "one row of cosines a sentence, one column a candidate"
    try:
        found = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"similarity is not a table of numbers: {way_out}") from None
    if found.ndim != 2 or found.shape[0] != found.shape[1] or not MIN_PAIRS <= len(found) <= MAX_PAIRS:
        raise ValueError(
            f"similarity of shape {found.shape}; the playground shows (N, N), N from {MIN_PAIRS} to "
            f"{MAX_PAIRS}: {way_out}"
        )
    if not np.isfinite(found).all() or np.abs(found).max() > 1 + 1e-4:
        raise ValueError(
            "similarity holds numbers that are no cosines, which lie between -1 and 1: divide each vector "
            "by its length before the product"
        )
    return found.clip(-1, 1).round(4)


def _assets() -> tuple[str, str]:
    return assets("temperature", "blue", "vermillion", "ink", "muted", "rule")


def _still(
    matrix: np.ndarray, shares: np.ndarray, rows: list[str], columns: list[str], temperature: float
) -> bytes:
    """The PNG that stands in for the living view."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    from course_lib.viz.plots import heatmap

    short = [[name if len(name) <= 12 else name[:11] + "…" for name in names] for names in (rows, columns)]
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(8.6, 3.8))
        left, right = figure.subplots(1, 2)
        names = {"xlabel": "candidate", "ylabel": "looks for its partner", "annotate": True}
        heatmap(matrix, *short, ax=left, title="Cosines", unit="cosine", limits=(-1, 1), **names)
        names["ylabel"] = ""
        heatmap(
            shares, *short, ax=right, title=f"Shares at τ = {temperature:g}", unit="share of a row", **names
        )
        return png(figure, colors=64)
