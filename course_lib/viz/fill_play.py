"""The fill-mask view: hide a word of a sentence, and see what the model would put there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted
from course_lib.viz.labels import visible

MAX_TEXTS, MAX_TOKENS = 12, 48
TOP, ROW = 176, 25  # CSS pixels


def fill_mask(
    model: Any, tokenizer: Any, texts: Sequence[str], *, top: int = 7, title: str | None = None
) -> View:
    """Choose a sentence, click a word: it is hidden, and the model's candidates appear with probabilities.

        fill_mask(model, tokenizer, ["the bat flew out of the cave ."])

    Each token of each text is replaced by [MASK] in turn, alone, when the view is made: it needs no kernel
    and no network afterwards. A [MASK] in a text is a place with no right answer.

    Args:
        model: with a masked-token head, such as a `Bert` with ``mlm=True``; tokenizer: its own.
        texts: 1 to 12 of at most 48 tokens.
        top: candidates shown.
        title: stands above the view.

    Raises:
        ValueError: other than 1 to 12 texts, or one that is too long.
    """
    if isinstance(texts, str) or not 1 <= len(texts) <= MAX_TEXTS:
        raise ValueError(f"{len(texts)} texts; the view takes a list of 1 to {MAX_TEXTS}: choose")
    title = visible(title) if title else "Hide a word"
    examples = [_example(model, tokenizer, text, top) for text in texts]
    first = examples[0]
    at = first["start"]
    said = ", ".join(f"{token} {p:.2f}" for token, p in first["places"][at]["best"][:3])
    summary = f"{title}: {visible(texts[0])!r}, place {at}: {said}"
    return scripted(
        "fill_play",
        ("blue", "green", "ink", "muted"),
        {"title": title, "examples": examples},
        summary=summary,
        height=TOP + ROW * top,
        picture=_still(first, title),
    )


def _example(model: Any, tokenizer: Any, text: str, top: int) -> dict[str, Any]:
    """Tokens of a text, and for each ordinary place the candidates where it alone is hidden."""
    import torch

    ids = tokenizer.encode(text)
    if len(ids) > MAX_TOKENS:
        raise ValueError(f"{len(ids)} tokens in {text[:40]!r}; the view takes up to {MAX_TOKENS}: shorten it")
    names = list(tokenizer.vocab)
    ends = {tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id}
    places = [i for i, token in enumerate(ids) if token not in ends]
    rows = torch.tensor(ids).repeat(len(places), 1)  # (places, T)
    rows[torch.arange(len(places)), places] = tokenizer.mask_id
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    with torch.no_grad():
        hidden = model(rows.to(device)).hidden[torch.arange(len(places)), places]
        share, best = model.head(hidden).softmax(dim=-1).cpu().topk(top)
        found = model.head(hidden).softmax(dim=-1).cpu()[torch.arange(len(places)), [ids[i] for i in places]]
    model.train(training)
    return {
        "tokens": [visible(names[i]) for i in ids],
        "start": next((i for i in places if ids[i] == tokenizer.mask_id), places[len(places) // 2]),
        "places": {
            i: {
                "best": [
                    (visible(names[j]), round(p, 4))
                    for j, p in zip(best[n].tolist(), share[n].tolist(), strict=True)
                ],
                "right": None if ids[i] == tokenizer.mask_id else round(found[n].item(), 4),
            }
            for n, i in enumerate(places)
        },
    }


def _still(example: dict[str, Any], title: str) -> bytes:
    """The PNG that stands in for the living view: the first sentence with one word hidden."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    at = example["start"]
    tokens, best = example["tokens"], example["places"][at]["best"]
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(7.6, 0.9 + 0.3 * len(best)))
        axes = figure.add_subplot()
        right = tokens[at] if example["places"][at]["right"] is not None else None
        colors = [style.GREEN if token == right else style.BLUE for token, _ in best]
        axes.barh(range(len(best)), [p for _, p in best], color=colors)
        axes.set_yticks(range(len(best)), [token[:24] for token, _ in best], parse_math=False)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel="probability")
        shown = " ".join("[MASK]" if i == at else token for i, token in enumerate(tokens))
        axes.set_title(f"{title}: {shown[:80]}", parse_math=False, size=9.5)
        return png(figure, colors=48)
