"""The mask playground: one head's scores under the masks of BERT, GPT, UniLM, XLNet and sparse layers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.attention import banded_mask, causal_mask, padding_mask, permutation_mask, prefix_mask
from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted
from course_lib.viz.labels import visible

KINDS = ("BERT", "GPT", "UniLM", "XLNet", "banded")
MIN_TOKENS, MAX_TOKENS, MAX_LAYERS = 2, 16, 6
ORDERS = 24  # that the shuffle button goes through
HEIGHT, ROW = 570, 14  # CSS pixels: of a view with up to 11 tokens, and for each further one


def mask_playground(
    tokens: Sequence[str],
    scores: Any = None,
    *,
    kind: str = "GPT",
    prefix: int | None = None,
    width: int = 3,
    order: Sequence[int] | None = None,
    query_stream: bool = False,
    padding: int = 0,
    layers: int = 2,
    position: int | None = None,
    seed: int = 0,
    title: str | None = None,
) -> View:
    """One network, many readers: choose a mask and watch what each position sees; last in a cell.

        mask_playground(["나는", "사과를", "좋아한다", "."], kind="UniLM", prefix=2)

    Shown are the mask, the softmax of the same raw scores under it, and what is reached through several
    layers of it. Masks are those of `course_lib.attention`; a mask and padding are joined by "and". The view
    needs no kernel and no network.

    Through L layers a position is reached by a path of L steps that the mask allows: the mask's L-th power.
    A position's own vector comes up by the skip path as well, whatever the mask says; that is not shown.
    XLNet shows the content stream, where a position sees itself. Tick *query stream* for the one that
    predicts: it looks at those before it only, and its layers below are the content stream's.

    Args:
        tokens: 2 to 16 strings.
        scores: (T, T) tensor, array or list: one head's Q Kᵀ / √d before any mask, row looks at column. All
            alike when not given.
        kind: "BERT" (no mask), "GPT" (causal), "UniLM" (prefix), "XLNet" (permutation) or "banded".
        prefix: of UniLM, 0 to T; half of the tokens when not given.
        width: of the band, 1 to T, oneself included; T where it is larger.
        order: of XLNet, ``order[k]`` is the position whose turn is k-th; a shuffled one when not given.
        query_stream: whether XLNet starts with the query stream.
        padding: how many tokens at the end count as padding, 0 to T.
        layers: 1 to 6.
        position: the one that looks, 0 to T - 1; the last when not given.
        seed: of the orders that *Shuffle* goes through.
        title: stands above the view.

    Raises:
        ValueError: tokens, scores or settings that do not fit; the message names them.
    """
    if isinstance(tokens, str) or not MIN_TOKENS <= len(tokens) <= MAX_TOKENS:
        seen = f"the string {tokens[:40]!r}" if isinstance(tokens, str) else f"{len(tokens)} tokens"
        raise ValueError(f"{seen}; the view takes a list of {MIN_TOKENS} to {MAX_TOKENS} tokens: cut it")
    T = len(tokens)
    matrix = _matrix(scores, T)
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: choose one of {', '.join(map(repr, KINDS))}")
    start = {
        "kind": kind,
        "prefix": _within("prefix", T // 2 if prefix is None else prefix, 0, T),
        "width": min(T, _within("width", width, 1)),
        "padding": _within("padding", padding, 0, T),
        "layers": _within("layers", layers, 1, MAX_LAYERS),
        "at": _within("position", T - 1 if position is None else position, 0, T - 1),
        "stream": bool(query_stream),
    }
    orders = _orders(T, order, seed)
    title = visible(title) if title else "One network, many masks"
    names = [visible(token) for token in tokens]
    masks = [
        look(
            kind,
            T,
            prefix=start["prefix"],
            width=start["width"],
            order=orders[0],
            padding=padding,
            query_stream=stream,
        )
        for stream in (query_stream, False)
    ]
    found = reach(*masks, layers)
    said = _said(start, names, masks[0], found)
    return scripted(
        "mask_play",
        ("blue", "orange", "vermillion", "ink", "muted", "rule"),
        {
            "title": title,
            "tokens": names,
            "short": [_short(name) for name in names],
            "scores": [[round(x, 5) for x in row] for row in matrix.tolist()],
            "orders": orders,
            "most": MAX_LAYERS,
            "start": start,
        },
        summary=f"{title}: {said}",
        height=HEIGHT + ROW * max(0, T - 11),
        picture=_still(names, matrix, masks[0], found, f"{title}: {said}", layers),
    )


def look(
    kind: str,
    T: int,
    *,
    prefix: int,
    width: int,
    order: Sequence[int],
    padding: int = 0,
    query_stream: bool = False,
) -> Tensor:
    """(T, T), True where row may look at column: the kind's mask, and never at the last `padding` tokens."""
    is_padding = (torch.arange(T) >= T - padding).long()[None]
    mask = {
        "BERT": lambda: torch.ones(T, T, dtype=torch.bool),
        "GPT": lambda: causal_mask(T),
        "UniLM": lambda: prefix_mask(T, prefix),
        "XLNet": lambda: permutation_mask(order, include_self=not query_stream),
        "banded": lambda: banded_mask(T, width),
    }[kind]()
    return mask & padding_mask(is_padding, 1)[0, 0]


def reach(mask: Tensor, below: Tensor, layers: int) -> Tensor:
    """(T, T), True where `layers` steps lead from row to column: first one of `mask`, then of `below`."""
    found = mask
    for _ in range(layers - 1):
        found = found.int() @ below.int() > 0
    return found


def _matrix(scores: Any, T: int) -> Tensor:
    if scores is None:
        return torch.zeros(T, T, dtype=torch.float64)
    way_out = "give one head's Q Kᵀ / √d, a row and a column a token"
    try:
        found = torch.as_tensor(scores).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"scores are not a table of numbers: {way_out}") from None
    if found.shape != (T, T):
        raise ValueError(f"scores of shape {tuple(found.shape)} for {T} tokens: {way_out}")
    if not found.isfinite().all():
        raise ValueError(f"scores hold {found[~found.isfinite()][0]}: {way_out}, before any mask")
    return found


def _within(name: str, value: int, low: int, high: int | None = None) -> int:
    if isinstance(value, int) and low <= value and (high is None or value <= high):
        return value
    limits = f"of {low} or more" if high is None else f"from {low} to {high}"
    raise ValueError(f"{name} {value!r}: choose a whole number {limits}")


def _orders(T: int, order: Sequence[int] | None, seed: int) -> list[list[int]]:
    """The orders of the shuffle button, the given one first; none equals its neighbour."""
    chance = random.Random(seed)
    found = [] if order is None else [[int(place) for place in order]]
    if found and sorted(found[0]) != list(range(T)):
        raise ValueError(f"order {found[0]}: name each position from 0 to {T - 1} exactly once")
    while len(found) < ORDERS:
        drawn = chance.sample(range(T), T)
        if not found or drawn != found[-1]:
            found.append(drawn)
    return found


def _short(name: str, longest: int = 12) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _said(start: dict[str, Any], names: list[str], mask: Tensor, found: Tensor) -> str:
    """The view in a line."""
    at, kind, T = start["at"], start["kind"], len(names)
    knob = {"UniLM": f", prefix {start['prefix']}", "banded": f", width {start['width']}"}.get(kind, "")
    padding = f", padding {start['padding']}" if start["padding"] else ""
    direct, through = int(mask[at].sum()), int(found[at].sum())
    said = f"{kind}{knob}{padding}: position {at} “{_short(names[at])}” sees {direct} of {T} tokens directly"
    return said + (f", {through} through {start['layers']} layers" if start["layers"] > 1 else "")


def _still(names: list[str], scores: Tensor, mask: Tensor, found: Tensor, title: str, layers: int) -> bytes:
    """The PNG that stands in for the living view: mask, weights, and reach."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    from course_lib.attention import scaled_dot_product_attention

    T = len(names)
    one = torch.eye(T, dtype=torch.float64)
    _, weights = scaled_dot_product_attention(scores, one, one, mask, scale=1)  # scores · 1ᵀ are the scores
    panels = (
        ("Mask", mask, "Blues", 1.4),
        ("Weights: softmax of the scores", weights, "Blues", 1.0),
        ("Reach through 1 layer" if layers == 1 else f"Reach through {layers} layers", found, "Oranges", 1.4),
    )
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(9.6, 1.5 + 0.21 * max(T, 8)))
        figure.suptitle(title[:110], parse_math=False, size=9.5, weight="bold", x=0.01, ha="left")
        for i, (axes, (name, values, colors, top)) in enumerate(
            zip(figure.subplots(1, 3), panels, strict=True)
        ):
            axes.pcolormesh(
                values.double(), cmap=colors, vmin=0, vmax=top, edgecolors=style.RULE, linewidth=0.5
            )
            axes.set(aspect="equal", xlabel="is seen", ylabel="" if i else "looks")
            axes.set_title(name, size=9.5)
            axes.invert_yaxis()
            axes.grid(False)
            middles = [place + 0.5 for place in range(T)]
            axes.set_xticks(middles, range(T), size=7.5)
            rows = [f"{_short(token)}  {place}" for place, token in enumerate(names)]
            axes.set_yticks(middles, rows if i == 0 else [""] * T, parse_math=False, size=8)
        return png(figure, colors=64)
