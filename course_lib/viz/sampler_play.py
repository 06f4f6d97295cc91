"""The sampler playground: what temperature, top-k and top-p leave of a model's next-token distribution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted
from course_lib.viz.labels import visible

MAX_PROMPTS, MAX_TOKENS = 8, 24
LISTED = 200  # tokens of a distribution that have a name in the view; of the rest it knows the sums
TEMPERATURES = tuple(i / 10 for i in range(21))  # 0 is greedy
TOP_P = tuple(i / 20 for i in range(1, 21))  # 1 cuts nothing
TOP_K = (1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200)  # and all
HEIGHT = 616  # CSS pixels
SHOWN = 10  # rows of tokens


def sampler_playground(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    title: str | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> View:
    """Move temperature, top-k and top-p, see which tokens are cut, and draw; put the call last in a cell.

        sampler_playground(model, tokenizer, ["The default value is", "numpy is"])

    The distribution after each token of each prompt is computed when the view is made: it needs no kernel and
    no network afterwards. What remains is what `course_lib.generation.filter_logits` leaves. The draws follow
    from the seed: the same seed throws the same darts at whatever distribution is on show.

    Args:
        model: a decoder, such as `GPT`; tokenizer: the model's own, from the course.
        prompts: 1 to 8 texts of at most 24 tokens; choose among them above the view.
        title: stands above the view.
        temperature: where the slider starts, 0 (greedy) to 2 in tenths.
        top_k: one of 1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, or None for all.
        top_p: 0.05 to 1 in twentieths, or None for 1.
        seed: of the draws, 0 to 2**32 - 1.

    Raises:
        ValueError: prompts or settings that do not fit; the message names them.
    """
    if isinstance(prompts, str) or not 1 <= len(prompts) <= MAX_PROMPTS:
        seen = f"the string {prompts[:40]!r}" if isinstance(prompts, str) else f"{len(prompts)} prompts"
        raise ValueError(f"{seen}; the view takes a list of 1 to {MAX_PROMPTS} texts: choose")
    start = {
        "temperature": _step("temperature", temperature, TEMPERATURES),
        "top_k": _step("top_k", top_k, TOP_K),
        "top_p": _step("top_p", 1.0 if top_p is None else top_p, TOP_P),
        "seed": seed,
    }
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed {seed}: choose a whole number from 0 to {2**32 - 1}")
    title = visible(title) if title else "Temperature, top-k and top-p"
    names: dict[int, str] = {}
    found = [_prompt(model, tokenizer, text, names) for text in prompts]
    where = {token: i for i, token in enumerate(names)}
    for one in found:
        for place in one["places"]:
            place["ids"] = [where[i] for i in place["ids"]]
    state = {
        "title": title,
        "names": list(names.values()),
        "prompts": found,
        "temperatures": TEMPERATURES,
        "top_k": TOP_K,
        "top_p": TOP_P,
        "start": start,
        "shown": SHOWN,
        "vocabulary": len(tokenizer),
    }
    kept = _kept(found[0]["places"][-1], state["names"], temperature, top_k, top_p)
    best = ", ".join(f"{name} {share:.2f}" for name, share, _ in kept[:3])
    summary = f"{title}: after {visible(prompts[0])!r} at temperature {temperature:g}: {best}"
    return scripted(
        "sampler_play",
        ("blue", "sky", "vermillion", "green", "ink", "muted", "rule"),
        state,
        summary=summary,
        height=HEIGHT,
        picture=_still(kept, f"{title}: {visible(prompts[0])}", temperature, top_k, top_p),
    )


def _step(name: str, value: float | None, steps: Sequence[float]) -> int:
    """Which step of a slider a value is; one past the last for None."""
    if value is None:
        return len(steps)
    for i, step in enumerate(steps):
        if abs(step - value) < 1e-9:
            return i
    listed = ", ".join(f"{step:g}" for step in steps)
    raise ValueError(f"{name} {value}: the slider has the steps {listed}: choose one of them")


def _prompt(model: Any, tokenizer: Any, text: str, names: dict[int, str]) -> dict[str, Any]:
    """The tokens of a text, and the distribution after each of them."""
    import torch

    from course_lib.decoding import reading
    from course_lib.viz.tokenizer_play import shown

    ids = tokenizer.encode(text)
    if not 1 <= len(ids) <= MAX_TOKENS:
        raise ValueError(f"{len(ids)} tokens in {text[:40]!r}; the view takes 1 to {MAX_TOKENS}: change it")
    device = next(model.parameters()).device
    with reading(model):
        logits = model(torch.tensor([ids], device=device)).logits[0].double().cpu()  # (T, vocabulary)
    spelled = list(tokenizer.vocab)
    places = [_place(row, *ids[t + 1 : t + 2]) for t, row in enumerate(logits)]
    for i in (i for place in places for i in place["ids"]):
        if i not in names:
            names[i] = shown(spelled[i], tokenizer)
    return {"tokens": [shown(spelled[i], tokenizer) for i in ids], "places": places}


def _place(logits: Any, right: int | None = None) -> dict[str, Any]:
    """One distribution: the likeliest tokens by name, of all others what the sliders need to know.

    rest: for each temperature above 0, the logarithm of the others' sum of exp(logit / temperature).
    beyond: {"temperature step, top-p step": [others that top-p keeps, the log of their sum]}, where any is.
    """
    import torch

    ordered, order = logits.sort(descending=True, stable=True)
    n, limits = min(LISTED, len(order)), torch.tensor(TOP_P[:-1], dtype=logits.dtype)
    rest, beyond = [], {}
    if n < len(order):
        for t, temperature in enumerate(TEMPERATURES[1:], 1):
            scores = ordered / temperature
            rest.append(round(scores[n:].logsumexp(0).item(), 5))
            share = scores.softmax(0)
            before = share.cumsum(0) - share
            kept = torch.searchsorted(before, limits)  # for each top-p
            for p, more in enumerate((kept - n).tolist()):
                if more > 0:
                    beyond[f"{t},{p}"] = [more, round(scores[n : n + more].logsumexp(0).item(), 5)]
    ids = order[:n].tolist()
    return {
        "ids": ids,
        "logits": [round(x, 5) for x in ordered[:n].tolist()],
        "others": len(order) - n,
        "rest": rest,
        "beyond": beyond,
        "right": ids.index(right) if right in ids else None if right is None else -1,
    }


def _kept(
    place: dict[str, Any], names: list[str], temperature: float, top_k: int | None, top_p: float | None
) -> list[tuple[str, float, bool]]:
    """Name, probability before the cut and whether it is kept, of the listed tokens, likeliest first."""
    if temperature == 0:
        return [(names[i], float(n == 0), n == 0) for n, i in enumerate(place["ids"])]
    from math import exp

    logits = place["logits"]
    raised = [exp((x - logits[0]) / temperature) for x in logits]
    t = TEMPERATURES.index(temperature) - 1
    rest = exp(place["rest"][t] - logits[0] / temperature) if place["rest"] else 0.0
    total = sum(raised) + rest
    within = [top_k is None or x >= logits[min(top_k, len(logits)) - 1] for x in logits]
    mass = total if top_k is None else sum(r for r, inside in zip(raised, within, strict=True) if inside)
    before = [0.0, *accumulate(raised)]
    limit = 1.0 if top_p is None else top_p
    return [
        (names[i], raised[n] / total, within[n] and (limit == 1 or n == 0 or before[n] < limit * mass))
        for n, i in enumerate(place["ids"])
    ]


def _still(
    kept: list[tuple[str, float, bool]],
    title: str,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> bytes:
    """The PNG that stands in for the living view: the likeliest tokens, those that are cut in grey."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    rows = kept[: SHOWN + 4]
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(7.6, 1.0 + 0.27 * len(rows)))
        axes = figure.add_subplot()
        colors = [style.BLUE if stays else style.RULE for _, _, stays in rows]
        axes.barh(range(len(rows)), [share for _, share, _ in rows], color=colors)
        axes.set_yticks(range(len(rows)), [name[:24] for name, _, _ in rows], parse_math=False)
        axes.invert_yaxis()
        said = f"temperature {temperature:g}, top-k {top_k or 'all'}, top-p {top_p or 1:g}"
        axes.set_xlabel(f"probability at {said}; grey is cut")
        axes.set_title(title[:80], parse_math=False, size=9.5)
        return png(figure, colors=48)
