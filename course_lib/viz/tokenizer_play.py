"""The tokenizer playground: type a text, and several tokenizers take it apart side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from course_lib.tokenization import BPE, WordPiece
from course_lib.tokenization.text import CHAR_TO_BYTE, check_text
from course_lib.viz import style
from course_lib.viz.assets import assets
from course_lib.viz.frame import View, frame, png
from course_lib.viz.labels import visible

MAX_TOKENIZERS = 4
MAX_TEXT = 2_000  # characters: what a textarea can hold and a glance can take in
TOP, CARD, DETAIL = 150, 96, 142  # CSS pixels
STILL_TOKENS = 60  # of each tokenizer, in the picture


def tokenizer_playground(
    tokenizers: Mapping[str, WordPiece | BPE],
    text: str,
    *,
    samples: Sequence[str] = (),
    title: str | None = None,
    height: int | None = None,
) -> View:
    """Tokenizers side by side, cutting whatever is typed; put the call last in a cell.

        tokenizer_playground({"BERT": bert, "byte-level BPE": bpe}, "Let us start pretraining.")

    The tokenizers run in the browser, from the vocabulary and merges of those given: the view needs no kernel
    and no network. A token that is no whole character is shown by its bytes. Point at a token, or reach it
    with Tab and the arrow keys, to see its id, its bytes, and how its word was cut.

    Args:
        tokenizers: {name: tokenizer}, 1 to 4 of the course's own.
        text: what stands there at first, up to 2,000 characters.
        samples: other texts, offered as buttons.
        title: stands above the view.
        height: of the view in CSS pixels.

    Raises:
        ValueError: other than 1 to 4 tokenizers, a text that is too long.
        TypeError: a tokenizer of another kind.
    """
    if not 1 <= len(tokenizers) <= MAX_TOKENIZERS:
        raise ValueError(
            f"{len(tokenizers)} tokenizers; the playground shows 1 to {MAX_TOKENIZERS} side by side: choose"
        )
    for one in (text, *samples):
        if len(check_text(one)) > MAX_TEXT:
            raise ValueError(
                f"a text of {len(one)} characters; the playground takes up to {MAX_TEXT}: shorten it"
            )
    descriptions = [description(tokenizer) for tokenizer in tokenizers.values()]
    names = [visible(name) for name in tokenizers]
    title = visible(title) if title else "Take a text apart"
    counts = ", ".join(f"{name} {len(t.encode(text))}" for name, t in zip(names, tokenizers.values()))
    summary = f"{title}: tokens of {visible(text)!r}: {counts}"
    state = {
        "title": title,
        "text": text,
        "samples": list(samples),
        "longest": MAX_TEXT,
        "tokenizers": [{"name": name} | one for name, one in zip(names, descriptions, strict=True)],
    }
    script, css = _assets()
    return View(
        frame(
            '<div id="playground"></div>',
            [script],
            data=json.dumps(state, ensure_ascii=False, separators=(",", ":")),
            style=css,
            title=summary,
            height=height or TOP + CARD * len(tokenizers) + DETAIL,
            picture=_still(dict(zip(names, tokenizers.values(), strict=True)), text, title),
        ),
        summary,
    )


def description(tokenizer: WordPiece | BPE) -> dict:
    """All that the browser needs to encode as this tokenizer does."""
    if not isinstance(tokenizer, WordPiece | BPE):
        raise TypeError(
            f"a {type(tokenizer).__name__} is not a tokenizer of the course: make a WordPiece or a BPE of it"
        )
    common = {"tokens": list(tokenizer.vocab), "special": list(tokenizer.special_tokens)}
    if isinstance(tokenizer, WordPiece):
        ends = [token for token in ("[CLS]", "[SEP]") if token in tokenizer.special_tokens]
        if len(ends) < 2:
            raise ValueError("a WordPiece without [CLS] and [SEP] cannot encode a text: add both")
        options = {"lowercase": tokenizer.lowercase, "strip": tokenizer.strip_accents}
        return common | options | {"kind": "wordpiece"}
    merges = [tokenizer.vocab[token] for pair in tokenizer.merges for token in pair]
    options = {"prefix": tokenizer.add_prefix_space, "digits": tokenizer.split_digits}
    return common | options | {"kind": "bpe", "merges": merges, "ends": [tokenizer.bos, tokenizer.eos]}


def shown(token: str, tokenizer: WordPiece | BPE) -> str:
    """A token as a chip shows it: bytes that make no whole character are written in hexadecimal."""
    if isinstance(tokenizer, WordPiece) or token in tokenizer.special_tokens:
        return visible(token)
    text = bytes(CHAR_TO_BYTE[char] for char in token).decode("utf-8", errors="surrogateescape")
    # surrogateescape hides bytes that are not UTF-8 in U+DC80 … U+DCFF
    parts = [
        f"‹{' '.join(f'{ord(char) - 0xDC00:02X}' for char in part)}›" if i % 2 else visible(part)
        for i, part in enumerate(re.split("([\udc80-\udcff]+)", text))
        if part
    ]
    return "".join(parts).replace(" ", "␣")


def _assets() -> tuple[str, str]:
    return assets("tokenizer_play", "blue", "vermillion", "ink", "muted", "rule")


def _still(tokenizers: Mapping[str, WordPiece | BPE], text: str, title: str) -> bytes:
    """The PNG that stands in for the living view: a row of chips a tokenizer."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    width, line = 92, 1.7  # in letters and lines of the picture
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        placed, y = [], 0.0
        for name, tokenizer in tokenizers.items():
            tokens = tokenizer.tokens(text)
            name = name if len(name) <= 60 else name[:59] + "…"
            placed.append((0, y, f"{name}: {len(tokens)} tokens", None))
            x, y = 0.0, y + line
            for i, token in enumerate(tokens[:STILL_TOKENS]):
                label = shown(token, tokenizer)
                label = label if len(label) <= 24 else label[:23] + "…"
                wide = sum(1.8 if ord(char) > 0x1100 else 1.0 for char in label) + 1.6
                if x + wide > width:
                    x, y = 0.0, y + line
                placed.append((x, y, label, style.BLUE if i % 2 else style.MUTED))
                x += wide + 0.4
            y += line + 0.5
        figure = Figure(figsize=(7.6, 0.5 + 0.17 * y))
        axes = figure.add_subplot()
        axes.set(xlim=(0, width + 4), ylim=(y, -0.6))
        axes.axis("off")
        axes.set_title(f"{title[:60]}: {visible(text)[:60]}", parse_math=False, size=10.5)
        for x, y, label, color in placed:
            if color is None:
                axes.text(x, y, label, size=9, color=style.INK, weight="bold", parse_math=False)
            else:
                box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": color, "lw": 0.9}
                axes.text(x + 0.5, y, label, size=8, color=style.INK, parse_math=False, bbox=box)
        return png(figure, colors=48)
