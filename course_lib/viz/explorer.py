"""The attention explorer: every head at a glance, one head in detail, in the browser alone."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.viz.attentions import head_numbers, run_model, stacked
from course_lib.viz.frame import View, frame
from course_lib.viz.labels import visible
from course_lib.viz.plots import still

# One byte a weight, then packed: 6 layers x 12 heads x 256 tokens of a text are about 1.4 MB in the notebook.
MAX_WEIGHTS = 5_000_000
_SPECIAL = re.compile(r"\[(CLS|SEP|PAD|BOS|EOS)\]|</?(s|pad|bos|eos|cls|sep)>|<\|[^|]+\|>")

# Stands in for anywidget's model where there is no kernel.
_HOST = """
const state = JSON.parse(document.getElementById("state").textContent);
const text = atob(document.getElementById("weights").textContent), packed = new Uint8Array(text.length);
for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
new Response(unpacked).arrayBuffer().then((weights) => {
  state.weights = new DataView(weights);
  const set = (name, value) => { state[name] = value; };
  const model = { get: (name) => state[name], set, on() {}, save_changes() {} };
  render({ model, el: document.getElementById("explorer") });
});
"""


def explore(
    model_or_attentions: Any,
    tokens: Sequence[str] | None = None,
    *,
    text: str | tuple[str, str] | None = None,
    tokenizer: Any = None,
    layer: int = 0,
    head: int = 0,
    compare: Any = None,
    height: int | None = None,
    title: str | None = None,
) -> View:
    """Look into every attention head; put the call last in a cell.

        explore(load_minilm(), text="The dog chased the cat.", layer=2, head=3)
        explore(attentions, tokens)

    Choose a head in the grid or with the sliders; point at a square or a token for its weight; click a token
    to follow it through the layers (attention roll-out, Abnar & Zuidema 2020). The list below the grid names
    the strongest weights, or sorts the heads by what they do. Weights are exact to 1/510, the numbers of the
    heads to 0.0001. The view needs no kernel and no network, and survives reopening.

    Args:
        model_or_attentions: a model, or the pair (model, tokenizer); or attention weights: one (H, T, T) or
            (1, H, T, T) a layer, or stacked (L, H, T, T). Rows are queries.
        tokens: T token strings, for attention weights.
        text: what the model shall read: a string, or two for a pair of sentences.
        tokenizer: from `tokenizers`, `transformers` or the course.
        layer, head: what is shown first, counted from 0.
        compare: a second thing to switch to, or to see side by side: a text, another model for the same text,
            or a pair (attentions, tokens) with as many layers and heads.
        height: of the view in CSS pixels.

    Raises:
        ValueError: shapes that do not fit, rows that do not sum to 1, a layer or head that is not there, more
            weights than a notebook should hold.
    """
    first = model_or_attentions
    if _is_model(first) or (isinstance(first, tuple) and len(first) == 2 and _is_model(first[0])):
        model, tokenizer = first if isinstance(first, tuple) else (first, tokenizer)
        examples = [(_name(text), *run_model(model, text, tokenizer))]
        if _is_model(compare):
            examples = [(f"{type(model).__name__} (first)", *examples[0][1:])]
            examples.append((f"{type(compare).__name__} (second)", *run_model(compare, text, tokenizer)))
        elif isinstance(compare, str):
            examples.append((_name(compare), *run_model(model, compare, tokenizer)))
        elif compare is not None:
            examples.append((_name(compare[1]), *compare))
        title = title or f"Attention of {type(model).__name__}"
    else:
        if tokens is None:
            raise ValueError(
                "attentions, but no tokens: explore(attentions, tokens) names the rows and columns"
            )
        examples = [(_name(tokens), first, tokens)]
        if compare is not None:
            if not isinstance(compare, tuple) or len(compare) != 2:
                raise ValueError(
                    f"compare is a {type(compare).__name__}; beside attentions it is (attentions, tokens)"
                )
            examples.append((_name(compare[1]), *compare))
        title = title or "Attention"
    return _view(examples, layer, head, height, visible(title))


def _view(
    examples: list[tuple[str, Any, Sequence[str]]], layer: int, head: int, height: int | None, title: str
) -> View:
    state, raw, weights = prepare(examples, layer, head, height, title)
    tokens = list(examples[0][2])
    body = (
        '<div id="explorer"></div>'
        f'<script type="application/json" id="state">{_json(state)}</script>'
        f'<script type="text/plain" id="weights">{base64.b64encode(zlib.compress(raw)).decode()}</script>'
    )
    summary = f"{title}: {state['n_layers']} layers × {state['n_heads']} heads, {len(tokens)} tokens"
    script, style = assets_of_explorer()
    script = script.replace("export default { render };", "")
    picture = still(weights[layer, head], tokens, tokens, f"{title}: layer {layer}, head {head}")
    markup = frame(
        body,
        [script + _HOST],
        style="body{margin:0}" + style,
        title=summary,
        height=height or state["size"] + 168,
        picture=picture,
    )
    return View(markup, summary)


def prepare(
    examples: list[tuple[str, Any, Sequence[str]]], layer: int, head: int, height: int | None, title: str
) -> tuple[dict[str, Any], bytes, np.ndarray]:
    """What the renderer is told: its state, a byte a weight, and the first example's weights (L, H, T, T).

    Args:
        examples: (name, attentions, tokens) each.  layer, head, height: as in `explore`.
    """
    prepared = [(name, stacked(attentions), list(tokens)) for name, attentions, tokens in examples]
    n_layers, n_heads = prepared[0][1].shape[:2]
    for _, weights, tokens in prepared:
        if weights.shape[:2] != (n_layers, n_heads):
            raise ValueError(
                f"{weights.shape[0]} layers of {weights.shape[1]} heads beside {n_layers} of {n_heads}: only "
                "models of the same layout can be compared in one view; show two views"
            )
        if len(tokens) != weights.shape[-1]:
            raise ValueError(
                f"{len(tokens)} tokens for {weights.shape[-1]} positions: give one for each, special ones too"
            )
    for name, value, limit in (("layer", layer, n_layers), ("head", head, n_heads)):
        if not 0 <= value < limit:
            raise ValueError(f"{name} {value}; this model has {name}s 0 to {limit - 1}")
    longest = max(len(tokens) for _, _, tokens in prepared)
    total = sum(weights.size for _, weights, _ in prepared)
    if total > MAX_WEIGHTS:
        raise ValueError(
            f"{total:,} attention weights ({n_layers} layers, {n_heads} heads, {longest} tokens); a view "
            f"holds up to {MAX_WEIGHTS:,}: pass fewer layers, as in attentions[:2], or a shorter text"
        )
    size = height - 168 if height else int(np.clip(23 * longest + 90, 320, 470))
    state = {
        "examples": [
            {
                "name": visible(name),
                "tokens": [visible(token) for token in tokens],
                "special": (special := _specials(tokens)),
                "numbers": head_numbers(weights, tokens, special),
            }
            for name, weights, tokens in prepared
        ],
        "n_layers": n_layers,
        "n_heads": n_heads,
        "layer": layer,
        "head": head,
        "size": max(size, 160),
        "title": title,
    }
    raw = b"".join((w.clip(0, 1) * 255).round().astype(np.uint8).tobytes() for _, w, _ in prepared)
    return state, raw, prepared[0][1]


@cache
def assets_of_explorer() -> tuple[str, str]:
    """The renderer as an ES module, and its style."""
    folder = Path(__file__).parent
    return tuple((folder / f"explorer.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))


def _specials(tokens: Sequence[str]) -> list[int]:
    return [i for i, token in enumerate(tokens) if _SPECIAL.fullmatch(str(token))]


def _json(value: Any) -> str:
    # Inside a script element only "<" could matter.
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _is_model(value: Any) -> bool:
    return callable(value) and hasattr(value, "parameters")


def _name(text: Any) -> str:
    words = text if isinstance(text, str) else " ".join(map(str, text or []))
    return words if len(words) <= 60 else words[:59] + "…"
