"""The noise playground: one text as MLM, a causal LM, BART's five noises and T5 would learn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted
from course_lib.viz.labels import visible
from course_lib.viz.noise_draws import (
    DRAWS,
    MASKED,
    MEANS,
    RATES,
    STAYS,
    SWAPPED,
    draw_all,
    sentence_starts,
    word_tokenizer,
    words_of,
)

TEXTS = (
    "I completed my assignment by evening. Then I started playing a game. I played the game until 10 PM. "
    "Then I went to sleep.",
    "I loved the book so much and I have read it so many times.",
    "Chelsea is my favorite football club.",
    "파이토치 한국어 튜토리얼에 오신 것을 환영합니다!",
)
MAX_TEXTS, LEAST_WORDS, MAX_WORDS = 8, 2, 40
REST, LINE, LEAST = 326, 19, 58  # CSS pixels: all but the rows, a line of tokens, a row at least
LETTERS = 46  # of a line, about


def noise_playground(
    text: str | Sequence[str] = TEXTS,
    *,
    seed: int = 0,
    title: str | None = None,
    rate: float = 0.3,
    mean_span: int = 3,
) -> View:
    """One text under eight objectives side by side: what is read, what must be written, what that costs.

        noise_playground("Chelsea is my favorite football club.")

    Shown are MLM (BERT), the causal LM (GPT), the five noises of BART and the span corruption of T5, as
    `course_lib.objectives` makes them; a token is a word or a mark at its end. Everything is drawn when the
    view is made: it needs no kernel and no network afterwards.

    Args:
        text: 2 to 40 tokens, or a list of up to 8 such texts to choose from.
        seed: of the chances, the same for all: MLM, masking and deletion choose the same tokens.
        title: stands above the view.
        rate: where the slider starts, 0.05 to 0.6 in twentieths.
        mean_span: mean length of spans, 1 to 6.

    Raises:
        ValueError: texts or settings that do not fit; the message names them.
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise ValueError(f"{len(texts)} texts; the view takes 1 to {MAX_TEXTS}: choose")
    cut = [words_of(one) for one in texts]
    for one, words in zip(texts, cut, strict=True):
        if not LEAST_WORDS <= len(words) <= MAX_WORDS:
            raise ValueError(
                f"{len(words)} tokens in {one[:40]!r}; the view takes {LEAST_WORDS} to {MAX_WORDS}: change it"
            )
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed {seed}: choose a whole number from 0 to {2**32 - 1}")
    start = {"rate": _step("rate", rate, RATES), "mean": _step("mean_span", mean_span, MEANS)}
    title = visible(title) if title else "One text, eight objectives"
    tokenizer = word_tokenizer(cut)
    found = [
        {
            "name": visible(one),
            "tokens": [visible(word) for word in words],
            "starts": sentence_starts(words),
            "draws": [draw_all(words, tokenizer, seed, draw) for draw in range(DRAWS)],
        }
        for one, words in zip(texts, cut, strict=True)
    ]
    state = {
        "title": title,
        "texts": found,
        "names": [visible(word) for word in tokenizer.vocab],
        "rates": RATES,
        "means": MEANS,
        "start": start,
    }
    rows = rows_of(found[0], state["names"], 0, start["rate"], start["mean"])
    costs = ", ".join(f"{row.name} {row.cost}" for row in rows)
    summary = f"{title}: tokens to write for {found[0]['name']!r}: {costs}"
    lines = max(1 + sum(len(word) + 1 for word in one["tokens"]) // LETTERS for one in found)
    return scripted(
        "noise_play",
        ("blue", "vermillion", "green", "purple", "orange", "ink", "muted", "rule"),
        state,
        summary=summary,
        height=REST + len(rows) * max(LEAST, 11 + LINE * lines),
        picture=_still(rows, f"{title}, rate {rate:g}, mean span {mean_span}"),
    )


@dataclass
class Row:
    """One objective: (kind, text) of what is read and written; see the legend of the view for the kinds."""

    name: str
    reader: str
    read: list[tuple[str, str]] = field(default_factory=list)
    write: list[tuple[str, str]] = field(default_factory=list)

    @property
    def cost(self) -> int:
        """Tokens to write."""
        return sum(kind != "blank" for kind, _ in self.write)


def rows_of(text: dict[str, Any], names: list[str], draw: int, rate: int, mean: int) -> list[Row]:
    """What the script shows, for the picture: at step `rate` and step `mean` of the sliders."""
    tokens, one = text["tokens"], text["draws"][draw]
    kept = [("kept", token) for token in tokens]

    mlm = Row("MLM", "encoder", list(kept), [("blank", "·")] * len(tokens))
    for place, fate in _pairs(one["mlm"][rate]):
        if fate != STAYS:
            mlm.read[place] = ("mask", "[MASK]") if fate == MASKED else ("swap", names[fate - SWAPPED])
        mlm.write[place] = ("copied" if fate == STAYS else "found", tokens[place])
    causal = Row("Causal LM", "decoder", kept, [("found", token) for token in tokens[1:]])

    def repairs(name: str, read: list[tuple[str, str]], hidden: Sequence[int] = ()) -> Row:
        gone = set(hidden)
        write = [("found" if i in gone else "copied", token) for i, token in enumerate(tokens)]
        return Row(name, "encoder", read, write)

    hidden, dropped = one["mask"][rate], one["drop"][rate]
    masked = [("mask", "[MASK]") if i in hidden else kept[i] for i in range(len(tokens))]
    left = [("gone", token) if i in dropped else kept[i] for i, token in enumerate(tokens)]
    spans = _pairs(one["infill"][rate][mean])
    filled, end = [], 0
    for start, length in spans:
        filled += [*kept[end:start], ("mask" if length else "insert", "[MASK]")]
        end = start + length
    filled += kept[end:]
    missing = [i for start, length in spans for i in range(start, start + length)]

    t5, end = Row("Span corruption", "encoder"), 0
    for i, (start, length) in enumerate(_pairs(one["spans"][rate][mean])):
        t5.read += [*kept[end:start], ("sentinel", f"<{i}>")]
        end = start + length
        t5.write += [("sentinel", f"<{i}>"), *(("found", token) for token in tokens[start:end])]
    t5.read += kept[end:]
    t5.write.append(("sentinel", f"<{len(one['spans'][rate][mean]) // 2}>"))
    shuffled, rotated = (
        [("kept" if i == at else "moved", tokens[i]) for at, i in enumerate(one[name])]
        for name in ("shuffle", "rotate")
    )
    return [
        mlm,
        causal,
        repairs("Token masking", masked, hidden),
        repairs("Token deletion", left, dropped),
        repairs("Text infilling", filled, missing),
        repairs("Sentence permutation", shuffled),
        repairs("Document rotation", rotated),
        t5,
    ]


def _pairs(flat: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _step(name: str, value: float, steps: Sequence[float]) -> int:
    """Which step of a slider a value is."""
    for i, step in enumerate(steps):
        if abs(step - value) < 1e-9:
            return i
    listed = ", ".join(f"{step:g}" for step in steps)
    raise ValueError(f"{name} {value}: the slider has the steps {listed}: choose one of them")


_INKS = {
    "mask": "white",
    "insert": style.PURPLE,
    "gone": style.VERMILLION,
    "swap": style.ORANGE,
    "sentinel": style.GREEN,
    "copied": style.MUTED,
    "blank": style.MUTED,
    "small": style.MUTED,
}
_BOXES = {  # shape, filling, line
    "mask": ("square,pad=0.12", style.BLUE, "-"),
    "insert": ("square,pad=0.12", "white", ":"),
    "swap": ("square,pad=0.12", "white", "-"),
    "sentinel": ("round,pad=0.12", "white", "-"),
}
_LINES = {"found": (5, style.BLUE, "-"), "gone": (0, style.VERMILLION, "-"), "moved": (5, style.PURPLE, ":")}
_BOLD = {"name", "found", "sentinel", "mask", "insert"}
SIZE, WIDE, LEFT, HALF = 7.5, 710, 116, 280  # points: of letters, the picture, and where its columns stand


def _still(rows: list[Row], title: str) -> bytes:
    """The PNG that stands in for the living view: eight rows, read on the left, written on the right."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    line, head = 12.5, 36
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        placed, y = [], head + line
        for row in rows:
            said = f"{row.reader} reads; {row.cost} to write"
            placed += [(0, y, row.name, "name", 0.0), (0, y + line, said, "small", 0.0)]
            lowest = y + line
            for left, side in ((LEFT, row.read), (LEFT + HALF + 14, row.write)):
                x, at = float(left), y
                for kind, label in side:
                    label = label if len(label) <= 24 else label[:23] + "…"
                    wide = _width(label, kind in _BOLD)
                    if x + wide > left + HALF:
                        x, at = left, at + line
                    placed.append((x, at, label, kind, wide))
                    x += wide + (6 if kind in _BOXES else 3.5)
                lowest = max(lowest, at)
            y = lowest + line + 7
        figure = Figure(figsize=(WIDE / 72, y / 72), layout="none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-6, WIDE - 6), ylim=(y, 0))
        axes.axis("off")
        axes.text(0, 10, title[:90], size=10, weight="bold", va="center", parse_math=False)
        for x, label in (
            (LEFT, "is read"),
            (LEFT + HALF + 14, "must be written; underlined: not read there"),
        ):
            axes.text(x, head - 8, label, size=SIZE, color=style.MUTED, va="center")
        for x, y, label, kind, wide in placed:
            ink = _INKS.get(kind, style.INK)
            weight = "bold" if kind in _BOLD else "normal"
            text = axes.text(x, y, label, size=SIZE, color=ink, weight=weight, va="center", parse_math=False)
            if kind in _BOXES:
                shape, fill, edge = _BOXES[kind]
                ink = style.BLUE if kind == "mask" else ink
                text.set_bbox({"boxstyle": shape, "fc": fill, "ec": ink, "ls": edge, "lw": 0.9})
            elif kind in _LINES:
                below, color, dashes = _LINES[kind]
                axes.plot([x, x + wide], [y + below] * 2, dashes, color=color, linewidth=1.2)
        return png(figure, colors=256)


def _width(text: str, bold: bool) -> float:
    """Of a token in the picture, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=SIZE, weight="bold" if bold else "normal")
    known = "".join(char for char in text if ord(char) < 0x1100)  # the others, Hangul above all, are square
    wide = text_to_path.get_text_width_height_descent(known, font, ismath=False)[0] if known else 0.0
    return wide + SIZE * (len(text) - len(known))
