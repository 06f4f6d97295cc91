"""bertviz (Vig 2019) as it is, but with no network, in a sealed frame, and small.

bertviz fetches d3 and jQuery from a CDN when a view is shown, which fails in JupyterLab. Here its markup,
script and data are caught on their way to the notebook and put into a frame that carries both libraries.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from course_lib.viz.attentions import stacked
from course_lib.viz.frame import View, frame
from course_lib.viz.labels import visible
from course_lib.viz.neurons import QueriesAndKeys, TokenizerForBertviz, check_size
from course_lib.viz.plots import mosaic, still

_STYLE = """body{margin:12px 14px;background:#fff;font:14px "Helvetica Neue",Helvetica,Arial,sans-serif}
select{font:inherit;padding:2px 4px;margin:0 10px 6px 2px}
svg text{font-family:"Helvetica Neue",Helvetica,Arial,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR",
NanumGothic,sans-serif}"""
# An opened neuron view is wider than many a notebook, and would be cut off: now it can be scrolled.
_WIDE = "#vis svg{min-width:1010px}"
# What bertviz expects of require.js, in one line.
_REQUIRE = (
    "window.require = { config() {} }; window.requirejs = (names, start) => start(window.jQuery, window.d3);"
)
_DATA = 'JSON.parse(document.getElementById("data").textContent)'


def head_view(
    attention: Sequence[Any] | None = None, tokens: Sequence[str] | None = None, **options: Any
) -> View | None:
    """bertviz's head view: lines between tokens, a colour a head; choose layers, click colours, hover tokens.

    Takes bertviz's own arguments: `attention` (one (1, H, T, T) tensor a layer) with `tokens`; or
    `encoder_attention`, `decoder_attention`, `cross_attention` with `encoder_tokens`, `decoder_tokens`; and
    `sentence_b_start`, `prettify_tokens`, `layer`, `heads`, `include_layers`. Layers and heads count from 0.
    `html_action="return"` gives the view back instead of showing it.

    Raises:
        ValueError: shapes that do not fit; more weights than a notebook should hold.
    """
    return _attention_view("head_view", attention, tokens, options, lambda n, *_: 23 * n + 96)


def model_view(
    attention: Sequence[Any] | None = None, tokens: Sequence[str] | None = None, **options: Any
) -> View | None:
    """bertviz's model view: every head of every layer as a thumbnail; click one to enlarge it.

    Takes bertviz's own arguments, as `head_view` does, and `include_heads`.

    Raises:
        ValueError: shapes that do not fit; more weights than a notebook should hold.
    """
    # bertviz starts dark; the frame follows JupyterLab's theme by itself.
    options.setdefault("display_mode", "light")

    def height(n: int, n_layers: int, n_heads: int) -> int:
        # The sizes model_view.js computes: thumbnails of 7 pixels a token when there are 12 heads.
        return int(max(n_layers * (n * 84 / n_heads + 10) + 42, n * 18 + 60) + 34)

    return _attention_view("model_view", attention, tokens, options, height)


def neuron_view(
    model: Any,
    model_type: str,
    tokenizer: Any,
    sentence_a: str,
    sentence_b: str | None = None,
    display_mode: str = "light",
    layer: int | None = None,
    head: int | None = None,
    html_action: str = "view",
) -> View | None:
    """bertviz's neuron view: queries and keys number by number; hover a token, click its plus.

    The arguments of `bertviz.neuron_view.show`. `model` is an encoder or decoder of the course with learned
    positions (bertviz's own work too); `tokenizer` comes from `tokenizers` or `transformers`.

    Args:
        model_type: "bert" adds [CLS] and [SEP] and sees both ways; "gpt2" adds nothing and sees the past.

    Raises:
        ValueError: a model without the course's attention, or a text too long for one view.
    """
    module = importlib.import_module("bertviz.neuron_view")
    if not hasattr(tokenizer, "convert_tokens_to_ids"):
        tokenizer = TokenizerForBertviz(tokenizer)
    if not type(model).__module__.startswith("bertviz."):
        model = QueriesAndKeys(model)
    data, body, scripts = _caught(
        module,
        lambda: module.show(
            model,
            model_type,
            tokenizer,
            sentence_a,
            sentence_b,
            display_mode,
            layer,
            head,
            html_action="view",
        ),
    )
    shown = data["attention"]["all"]
    n_layers, n_heads, n = np.shape(shown["attn"])[:3]
    for part in data["attention"].values():
        part["left_text"], part["right_text"] = _short(part["left_text"]), _short(part["right_text"])
    layer, head = layer or 0, head or 0
    summary = f"Neuron view: {n_layers} layers × {n_heads} heads, {n} tokens"
    picture = still(
        np.array(shown["attn"][layer][head]),
        shown["left_text"],
        shown["right_text"],
        f"Layer {layer}, head {head}",
    )
    return _finish(data, body, scripts, summary, 26 * n + 195, picture, html_action, _WIDE)


def _attention_view(
    name: str, attention: Any, tokens: Any, options: dict[str, Any], height: Callable[[int, int, int], int]
) -> View | None:
    action = options.pop("html_action", "view")
    if action not in ("view", "return"):
        raise ValueError(f"html_action {action!r}; bertviz knows 'view' and 'return'")
    layers = options.get("include_layers")
    if attention is not None:
        weights = stacked(attention)
        if tokens is not None and len(tokens) != weights.shape[-1]:
            raise ValueError(
                f"{len(tokens)} tokens for {weights.shape[-1]} positions: give one token for each"
            )
        attention = list(_tensors(weights))
    kinds = ("encoder_attention", "decoder_attention", "cross_attention")
    given = (
        [attention] if attention is not None else [options[k] for k in kinds if options.get(k) is not None]
    )
    _check_layers(layers, [len(one) for one in given])
    total = sum(one[i].numel() for one in given for i in (range(len(one)) if layers is None else layers))
    check_size(
        total * (2 if options.get("sentence_b_start") else 1), "choose layers, as in include_layers=[0, 1]"
    )
    for kind in ("encoder_tokens", "decoder_tokens"):
        if options.get(kind) is not None:
            options[kind] = _short(options[kind])

    module = importlib.import_module(f"bertviz.{name}")
    view = getattr(module, name)
    short = None if tokens is None else _short(tokens)
    data, body, scripts = _caught(module, lambda: view(attention, short, html_action="view", **options))
    first = data["attention"][0]
    weights = np.array(first["attn"])
    n_layers, n_heads = weights.shape[:2]
    n = max(weights.shape[2:])
    summary = f"{name.replace('_', ' ').capitalize()}: {n_layers} layers × {n_heads} heads, {n} tokens"
    if name == "model_view":
        picture = mosaic(weights, summary)
    else:
        layer = data["layer"] or data["include_layers"][0]
        chosen = weights[data["include_layers"].index(layer)]
        heads = data["heads"] or list(range(n_heads))
        words = f"head {heads[0]}" if len(heads) == 1 else f"mean of {len(heads)} heads"
        mean = chosen[heads].mean(0)
        picture = still(mean, first["left_text"], first["right_text"], f"Layer {layer}, {words}")
    # Thumbnails are as small for a few chosen heads as for all.
    room = height(n, n_layers, data.get("total_heads", n_heads))
    return _finish(data, body, scripts, summary, room, picture, action)


def _caught(module: Any, show: Callable[[], None]) -> tuple[dict[str, Any], str, list[str]]:
    """What a bertviz view would have displayed: its data, its markup, and its scripts without the data.

    Relies on bertviz displaying HTML and Javascript objects, passing its data through json.dumps, and making
    its element's id with uuid4; tests hold it to that.
    """
    from IPython.display import HTML, Javascript

    displayed, kept = [], []

    def dumps(data: dict[str, Any]) -> str:
        kept.append(data)
        return _DATA

    fixed = SimpleNamespace(uuid4=lambda: SimpleNamespace(hex="0"))  # one view a frame: any id will do
    with (
        mock.patch.object(module, "display", displayed.append),
        mock.patch.object(module, "json", SimpleNamespace(dumps=dumps)),
        mock.patch.object(module, "uuid", fixed),
    ):
        show()
    markup = "".join(one.data for one in displayed if isinstance(one, HTML) and "<script" not in one.data)
    scripts = [re.sub(r" // HACK: .*", "", one.data) for one in displayed if isinstance(one, Javascript)]
    return kept[0], markup, scripts


def _finish(
    data: dict[str, Any],
    body: str,
    scripts: list[str],
    summary: str,
    height: int,
    picture: bytes,
    action: str,
    style: str = "",
) -> View | None:
    markup = frame(
        body,
        [*_libraries(), _REQUIRE, *scripts],
        data=json.dumps(_rounded(data), separators=(",", ":")),
        style=_STYLE + style,
        title=summary,
        height=height,
        picture=picture,
    )
    view = View(markup, summary)
    if action == "return":
        return view
    from IPython.display import display

    display(view)
    return None


def _rounded(value: Any, digits: int = 3) -> Any:
    if isinstance(value, float):
        return round(value, digits) or 0
    if isinstance(value, dict):
        # Queries and keys are only shown as shades, and there are many of them.
        return {key: _rounded(one, 2 if key in ("queries", "keys") else digits) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one, digits) for one in value]
    return value


def _short(tokens: Sequence[str], longest: int = 14) -> list[str]:
    """bertviz leaves 110 pixels for a token and draws on."""
    seen = [visible(token) for token in tokens]
    return [token if len(token) <= longest else token[: longest - 1] + "…" for token in seen]


def _check_layers(layers: Sequence[int] | None, counts: list[int]) -> None:
    wrong = [i for i in layers or [] if not 0 <= i < min(counts)]
    if wrong:
        raise ValueError(f"include_layers holds {wrong[0]}; this model has layers 0 to {min(counts) - 1}")


def _tensors(weights: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(weights)[:, None]


@cache
def _libraries() -> tuple[str, ...]:
    folder = Path(__file__).parent / "vendor"
    return tuple(
        (folder / name).read_text(encoding="utf-8") for name in ("jquery-3.7.1.min.js", "d3-5.7.0.min.js")
    )
