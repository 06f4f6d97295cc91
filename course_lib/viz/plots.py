"""A heat map of attention weights, or of any small matrix with named rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from course_lib.viz.labels import visible, visible_lines
from course_lib.viz.style import INK, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Beyond this many rows or columns the labels could not be read.
MAX_LABELS = 128


def heatmap(
    weights: Any,
    row_tokens: Sequence[str] | None = None,
    column_tokens: Sequence[str] | None = None,
    *,
    title: str | None = None,
    xlabel: str = "key (attended to)",
    ylabel: str = "query (attends)",
    unit: str = "attention weight",
    ax: Axes | None = None,
    annotate: bool = False,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a matrix as coloured squares, with its tokens beside it and a colour bar.

    Args:
        weights: (T, S) tensor, array or nested list; rows ask, columns answer.
        row_tokens, column_tokens: T and S labels; columns take the rows' when T = S and none are given.
        unit: what a colour stands for, written at the colour bar.
        ax: where to draw; a new figure of fitting size when not given.
        annotate: also write each number into its square.
        limits: the values of the lightest and the darkest colour; 0 and 1 for weights, else the data's own.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: weights that are not a matrix of finite numbers, labels that do not fit it.
    """
    import numpy as np

    matrix = np.asarray(
        weights.detach().cpu().float() if hasattr(weights, "detach") else weights, dtype=float
    )
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"weights of shape {matrix.shape}; a heat map shows one matrix (T, S): pick a layer and a head, "
            "as in attentions[layer][0, head]"
        )
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"weights hold {int((~np.isfinite(matrix)).sum())} values that are NaN or infinite; a heat map "
            "shows finite numbers: look for a softmax over nothing"
        )
    n_rows, n_columns = matrix.shape
    if max(n_rows, n_columns) > MAX_LABELS and (row_tokens is not None or column_tokens is not None):
        raise ValueError(
            f"{max(n_rows, n_columns)} labelled positions; a heat map names up to {MAX_LABELS}: show a "
            "slice, or leave the tokens out"
        )
    if column_tokens is None and n_rows == n_columns:
        column_tokens = row_tokens
    for name, tokens, size in (
        ("row_tokens", row_tokens, n_rows),
        ("column_tokens", column_tokens, n_columns),
    ):
        if tokens is not None and len(tokens) != size:
            raise ValueError(
                f"{len(tokens)} {name} for {size} {name.split('_')[0]}s of weights: give one token for each"
            )
    if limits is None:
        inside = matrix.min() >= 0 and matrix.max() <= 1
        limits = (0.0, 1.0) if inside else (matrix.min(), matrix.max())

    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=figure_size(n_rows, n_columns, row_tokens, column_tokens))
    diverging = limits[0] < 0 < limits[1]
    if diverging:
        limits = (-max(-limits[0], limits[1]), max(-limits[0], limits[1]))
    image = ax.imshow(
        matrix, vmin=limits[0], vmax=limits[1], cmap="PuOr_r" if diverging else "Blues", aspect="equal"
    )
    _label(ax, n_rows, n_columns, row_tokens, column_tokens)
    ax.set_xlabel(visible_lines(xlabel), parse_math=False)
    ax.set_ylabel(visible_lines(ylabel), parse_math=False)
    if title:
        ax.set_title(visible_lines(title), parse_math=False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=min(1, 3 / max(n_rows, 3) + 0.4), aspect=16, pad=0.03)
    bar.set_label(visible_lines(unit), parse_math=False)
    bar.outline.set_visible(False)
    if annotate:
        low, high = limits
        for i, j in np.ndindex(matrix.shape):
            share = abs(matrix[i, j]) / high if diverging else (matrix[i, j] - low) / ((high - low) or 1)
            size = 8 if max(n_rows, n_columns) < 12 else 6
            text = f"{matrix[i, j]:.2f}".replace("-", "−")
            ax.text(j, i, text, ha="center", va="center", size=size, color="white" if share > 0.55 else INK)
    return ax


def still(weights: Any, rows: Sequence[str], columns: Sequence[str], title: str) -> bytes:
    """The PNG that stands in for a living view; a large matrix goes without labels."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    from course_lib.viz.frame import png
    from course_lib.viz.style import rc

    names = (rows, columns) if max(weights.shape) <= 48 else (None, None)
    with matplotlib.rc_context(rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=figure_size(*weights.shape, *names))
        axes = heatmap(weights, *names, ax=figure.add_subplot(), limits=(0, float(weights.max()) or 1.0))
        axes.set_title(title if len(title) <= 60 else title[:59] + "…", parse_math=False)
        return png(figure)


def mosaic(weights: Any, title: str) -> bytes:
    """All heads of (L, H, T, S) weights in one PNG, each from 0 to its own largest weight."""
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    from course_lib.viz.frame import png
    from course_lib.viz.style import rc

    n_layers, n_heads, rows, columns = weights.shape
    sheet = np.full((n_layers * (rows + 1) - 1, n_heads * (columns + 1) - 1), np.nan)
    for i in range(n_layers):
        for j in range(n_heads):
            y, x = i * (rows + 1), j * (columns + 1)
            sheet[y : y + rows, x : x + columns] = weights[i, j] / (weights[i, j].max() or 1)
    with matplotlib.rc_context(rc()):
        figure = Figure(figsize=(0.62 * n_heads + 1, 0.62 * n_layers * rows / columns + 1))
        axes = figure.add_subplot()
        axes.imshow(sheet, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        axes.set_xticks([j * (columns + 1) + columns / 2 - 0.5 for j in range(n_heads)], range(n_heads))
        axes.set_yticks([i * (rows + 1) + rows / 2 - 0.5 for i in range(n_layers)], range(n_layers))
        axes.set(xlabel="head", ylabel="layer")
        axes.set_title(title, parse_math=False)
        axes.grid(False)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return png(figure)


def figure_size(
    n_rows: int, n_columns: int, rows: Sequence | None, columns: Sequence | None
) -> tuple[float, float]:
    """Inches that give squares of equal size and room for the labels."""
    square = max(0.09, min(0.36, 6 / max(n_rows, n_columns)))
    margins = [
        0.085 * max((min(len(visible(t)), 18) for t in tokens or [""]), default=0)
        for tokens in (rows, columns)
    ]
    return max(3.2, n_columns * square + margins[0] + 1.6), max(2.4, n_rows * square + margins[1] + 1.0)


def _label(ax: Axes, n_rows: int, n_columns: int, rows: Sequence | None, columns: Sequence | None) -> None:
    # parse_math: a token such as $x$ is shown as it is.
    size = 10 if max(n_rows, n_columns) <= 24 else max(4, 240 / max(n_rows, n_columns))
    if columns is not None:
        slant = (
            {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
            if n_columns <= 24
            else {"rotation": 90}
        )
        ax.set_xticks(range(n_columns), [_short(t) for t in columns], size=size, parse_math=False, **slant)
    if rows is not None:
        ax.set_yticks(range(n_rows), [_short(t) for t in rows], size=size, parse_math=False)
    ax.tick_params(length=0, labelcolor=INK)
    ax.grid(False)
    # White gaps between squares, unless they would eat the squares.
    if max(n_rows, n_columns) <= 40:
        ax.set_xticks([i - 0.5 for i in range(1, n_columns)], minor=True)
        ax.set_yticks([i - 0.5 for i in range(1, n_rows)], minor=True)
        ax.grid(True, which="minor", color="white", linewidth=0.8)
        ax.tick_params(which="minor", length=0)
    for spine in ax.spines.values():
        spine.set(visible=True, color=RULE)


def _short(token: str) -> str:
    text = visible(token)
    return text if len(text) <= 18 else text[:17] + "…"
