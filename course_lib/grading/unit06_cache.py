"""Unit 06: one step of decoding with remembered keys and values."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task

Weights = dict[str, Tensor]


def weights_of(generator: Generator) -> tuple[Weights, int, int]:
    """The tables and matrices, V and D."""
    V, D = whole(generator, 11, 15), whole(generator, 5, 8)
    matrices = {name: 1.5 * normal(generator, D, D) / D**0.5 for name in ("query", "key", "value")}
    return {"tokens": normal(generator, V, D), "positions": normal(generator, 24, D), **matrices}, V, D


def given(new: tuple[int, int], old: tuple[int, int]) -> Callable[[Generator], tuple]:
    """ids (B, T), keys and values (B, S, D) and weights, T and S between the bounds."""

    def make(generator: Generator) -> tuple[Tensor, Tensor, Tensor, Weights]:
        weights, V, D = weights_of(generator)
        B, T, S = 3, whole(generator, *new), whole(generator, *old)
        ids = torch.randint(V, (B, T), generator=generator)
        return ids, normal(generator, B, S, D), normal(generator, B, S, D), weights

    return make


def look(query: Tensor, keys: Tensor, values: Tensor, allowed: Tensor, scale: float) -> Tensor:
    scores = torch.einsum("btd,bsd->bts", query, keys) / scale
    return torch.einsum("bts,bsd->btd", scores.masked_fill(~allowed, -torch.inf).softmax(-1), values)


def behind(past: Tensor, new: Tensor) -> Tensor:
    return torch.cat([past, new], dim=1)


def may_see(T: int, S: int) -> Tensor:
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)


def step_like(
    offset: Callable[[int], int] = lambda S: S,
    joined: Callable[[Tensor, Tensor], Tensor] = behind,
    kept: Callable[[Tensor, Tensor], Tensor] = behind,
    allowed: Callable[[int, int], Tensor] = may_see,
    scale: Callable[[int], float] = math.sqrt,
    key_from: str = "key",
    swapped: bool = False,
    same_place: bool = False,
) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """`joined`: what is looked at. `kept`: what is handed on."""

    def step(ids: Tensor, keys: Tensor, values: Tensor, weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
        (T, S), D = (ids.shape[1], keys.shape[1]), weights["tokens"].shape[1]
        start = offset(S)
        x = weights["tokens"][ids] + weights["positions"][start : start + (1 if same_place else T)]
        key, value = x @ weights[key_from] if key_from else x, x @ weights["value"]
        all_keys, all_values = joined(keys, key), joined(values, value)
        out = look(x @ weights["query"], all_keys, all_values, allowed(T, all_keys.shape[1]), scale(D))
        back = kept(keys, key), kept(values, value)
        return out, *(back[::-1] if swapped else back)

    return step


def nothing_yet(weights: Weights, B: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(B, 0, weights["tokens"].shape[1]), torch.zeros(B, 0, weights["tokens"].shape[1])


def text_to_read(generator: Generator) -> tuple[Tensor, Weights]:
    weights, V, _ = weights_of(generator)
    return torch.randint(V, (2, whole(generator, 6, 8)), generator=generator), weights


def whole_and_steps(answer: Callable, ids: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """The outputs of one call for all tokens; and of a call for two tokens, then one for each."""
    at_once = answer(ids, *nothing_yet(weights, len(ids)), weights)[0]
    memory, pieces = nothing_yet(weights, len(ids)), []
    for piece in (ids[:, :2], *ids[:, 2:].split(1, dim=1)):
        out, *memory = answer(piece, *memory, weights)
        pieces.append(out)
    return at_once, torch.cat(pieces, dim=1)


def alike(got: tuple[Tensor, Tensor], *_: object) -> str | None:
    off = ~torch.isclose(got[0], got[1], atol=1e-4).all(-1)
    if not off.any():
        return None
    return f"position {int(off.nonzero()[:, 1].min())} is the first where the two differ"


RETURNS = ("output (B, T, D)", "keys (B, S + T, D)", "values (B, S + T, D)")

CACHE = Task(
    (
        Part(
            "step",
            step_like(),
            RETURNS,
            (
                Case(
                    "one new token after several",
                    given((1, 1), (3, 6)),
                    "The new token stands at position S, sees everything before it and itself, and is "
                    "remembered after the others.",
                    "Print S, the position you add, and the shapes of the keys before and after.",
                    worth=2,
                ),
                Case(
                    "a prompt, with nothing remembered",
                    given((4, 6), (0, 0)),
                    "With S = 0 this is plain causal attention.",
                    "Print the weights: the upper triangle must be 0.",
                ),
                Case(
                    "several new tokens after several",
                    given((3, 4), (3, 6)),
                    "New token t stands at S + t. It sees all S of the past, and the new ones up to itself.",
                    "Print the weights for T = 2 and S = 3: row 0 has one 0, at its end; row 1 has none.",
                ),
                Case(
                    "step by step is the same as all at once",
                    text_to_read,
                    "A cache saves work and changes nothing.",
                    "Read a text of three tokens in one call, then in three, and print both outputs.",
                    judge=alike,
                    call=whole_and_steps,
                    names=("outputs at once (B, T, D)", "outputs step by step (B, T, D)"),
                    worth=2,
                    telling=False,
                ),
            ),
            (
                Misconception(
                    "position-from-zero",
                    "New tokens are counted from position 0",
                    step_like(offset=lambda S: 0),
                    "What is remembered stands before them: the first new token is at position S.",
                    "Print the rows of the position table that you take.",
                ),
                Misconception(
                    "position-one-late",
                    "The position is one too large",
                    step_like(offset=lambda S: S + 1),
                    "S tokens stand at 0 … S − 1. The next is at S.",
                    "With nothing remembered, where does the first token stand?",
                ),
                Misconception(
                    "position-one-early",
                    "The position is one too small",
                    step_like(offset=lambda S: S - 1),
                    "S tokens stand at 0 … S − 1. The next is at S, not where the last one stands.",
                    "Which position has the last token that is remembered?",
                ),
                Misconception(
                    "one-position-for-all",
                    "All new tokens stand at the same position",
                    step_like(same_place=True),
                    "A single row of the table is added to all of them. T new tokens take T rows.",
                    "Print the shape of what you add, for T = 3.",
                ),
                Misconception(
                    "overwritten",
                    "The memory is overwritten",
                    step_like(joined=lambda past, new: new, kept=lambda past, new: new),
                    "The new keys and values take the place of the old ones: the token sees itself only.",
                    "Print the shape of the keys you return: S + T?",
                ),
                Misconception(
                    "returned-without-the-past",
                    "Only the new keys and values are handed on",
                    step_like(kept=lambda past, new: new),
                    "This step is right; the next one has forgotten everything before.",
                    "Print the shape of the keys you return: S + T?",
                ),
                Misconception(
                    "not-remembered",
                    "The new keys and values are not handed on",
                    step_like(kept=lambda past, new: past),
                    "This step is right; the next one does not know that there was this token.",
                    "Print the shape of the keys you return: S + T?",
                ),
                Misconception(
                    "does-not-see-itself",
                    "The new tokens look at the past only",
                    step_like(joined=lambda past, new: past, allowed=lambda T, S: torch.ones(T, S) > 0),
                    "They also see themselves and the new ones before. With nothing remembered there would "
                    "be nobody to look at.",
                    "Append first, then look.",
                ),
                Misconception(
                    "put-in-front",
                    "The new ones are put in front of the old",
                    step_like(
                        joined=lambda past, new: torch.cat([new, past], 1),
                        kept=lambda past, new: torch.cat([new, past], 1),
                    ),
                    "The memory is in the order of the text, and the mask counts on it.",
                    "Print your keys for S = 1 and T = 1.",
                ),
                Misconception(
                    "no-mask-within-the-piece",
                    "New tokens see those that come after them",
                    step_like(allowed=lambda T, S: torch.ones(T, S) > 0),
                    "One at a time there is nothing to hide. A prompt is read in one go, and needs the mask.",
                    "Print the weights for a prompt of three tokens.",
                ),
                Misconception(
                    "mask-without-offset",
                    "The mask forgets what is remembered",
                    step_like(allowed=lambda T, S: torch.ones(T, S).tril() > 0),
                    "New token t stands at S + t, and its row begins with S columns for the past.",
                    "Print the weights for T = 1 and S = 3: all four should be above 0.",
                ),
                Misconception(
                    "keys-and-values-swapped",
                    "Keys and values are handed on in the wrong order",
                    step_like(swapped=True),
                    "Both have the same shape, so nothing stops you but the results.",
                    "Compare the first S rows of what you return with what you were given.",
                ),
                Misconception(
                    "vectors-for-keys",
                    "Token vectors are remembered, not their keys",
                    step_like(key_from=""),
                    "What is remembered has gone through `w_key` already.",
                    "Compare your last key with `x @ weights['key']`.",
                ),
                Misconception(
                    "cache-no-scale",
                    "The scale is missing",
                    step_like(scale=lambda D: 1.0),
                    "Scores are divided by √D, with a memory as without.",
                    "Compare with your `look_back` of task 2 for a prompt.",
                ),
            ),
        ),
    ),
    (
        "Ask three questions of the first new token: where does it stand, whom does it see, and who must see "
        "it later?",
        "S = keys.shape[1]. Take rows S … S + T − 1 of the positions; `torch.cat([keys, new], dim=1)`; query "
        "t may see columns up to S + t.",
        "`torch.ones(T, S + T).tril(S)` is the mask. Scores are query times *all* keys over √D; the output "
        "is weights times *all* values. Return it with all keys and all values.",
    ),
    (
        "torch.nn.functional.scaled_dot_product_attention",
        "course_lib.attention.scaled_dot_product_attention",
        "course_lib.cache.KeyValueCache.append",
    ),
)
