"""Unit 07: attention in which several query heads share a key head, with rotary positions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit07_modern import RMS, ROPE, turned

Turn = Callable[[Tensor], Tensor]


def grouped(turns: bool, causal: bool) -> Callable[[Generator], tuple]:
    """query (B, H, T, D), key and value (B, G, T, D), turn, mask (T, T)"""

    def make(generator: Generator) -> tuple[Tensor, Tensor, Tensor, Turn, Tensor]:
        while True:
            B, G, T, half = sizes(generator, 4, 2, 5)
            group = 3 if G == 2 else 2
            if G * group // T != group:  # heads counted from the wrong axis must not fit by luck
                break
        positions = torch.arange(T)
        query, key, value = (normal(generator, B, n, T, 2 * half) for n in (G * group, G, G))
        mask = torch.ones(T, T, dtype=torch.bool)
        turn = (lambda x: turned(x, positions, 20.0)) if turns else (lambda x: x)
        return query, key, value, turn, mask.tril() if causal else mask

    return make


def grouped_like(
    shared: Callable[[int, int], int] = lambda h, group: h // group,
    turn_query: bool = True,
    turn_key: bool = True,
    turn_value: bool = False,
    masked: bool = True,
    scaled: bool = True,
    mixed: bool = False,
) -> Callable[..., Tensor]:
    """`shared(h, group)` is the key head that query head h looks at."""

    def attention(query: Tensor, key: Tensor, value: Tensor, turn: Turn, mask: Tensor) -> Tensor:
        H, G, width = query.shape[1], key.shape[1], query.shape[-1]
        query = turn(query) if turn_query else query
        key = turn(key) if turn_key else key
        value = turn(value) if turn_value else value
        if mixed:
            key, value = (x.mean(1, keepdim=True).expand_as(x) for x in (key, value))
        out = []
        for h in range(H):
            g = shared(h, H // G) % G
            scores = torch.einsum("btd,bsd->bts", query[:, h], key[:, g])
            scores = scores / width**0.5 if scaled else scores
            if masked:
                scores = scores.masked_fill(~mask, -torch.inf)
            out.append(torch.einsum("bts,bsd->btd", scores.softmax(-1), value[:, g]))
        return torch.stack(out, dim=1)

    return attention


GROUPED = Part(
    "grouped_attention",
    grouped_like(),
    ("output (B, H, T, D)",),
    (
        Case(
            "each query head looks at its own group's keys",
            grouped(turns=False, causal=False),
            "With 6 query heads and 2 key heads, heads 0, 1, 2 share key head 0, heads 3, 4, 5 key head 1.",
            "Give key head 0 zeros: which query heads look everywhere alike?",
            worth=2,
        ),
        Case(
            "queries and keys turn, values do not",
            grouped(turns=True, causal=False),
            "Positions decide who looks at whom. What is fetched is the value as it is.",
            "Give it a single position: the output should be the value.",
        ),
        Case(
            "right with a mask",
            grouped(turns=True, causal=True),
            "True is where attention is allowed; softmax(Q Kᵀ / √D) V in each head.",
            "Print the weights of the first query under a causal mask.",
        ),
    ),
    (
        Misconception(
            "heads-tiled",
            "The key heads are laid out in turn",
            grouped_like(shared=lambda h, group: h),
            "`repeat` gives 0, 1, 0, 1, 0, 1; the weights expect 0, 0, 0, 1, 1, 1: `repeat_interleave`. The "
            "shapes are the same.",
            "Print `torch.arange(2).repeat(3)` and `torch.arange(2).repeat_interleave(3)`.",
        ),
        Misconception(
            "first-key-head-for-all",
            "All query heads look at key head 0",
            grouped_like(shared=lambda h, group: 0),
            "That is multi-query attention, with a single key head. Here there are several.",
            "Change the last key head: does any output move?",
        ),
        Misconception(
            "key-heads-averaged",
            "The key heads are averaged",
            grouped_like(mixed=True),
            "Each group keeps a key head of its own.",
            "Print `key.shape` before the dot product.",
        ),
        Misconception(
            "values-turned",
            "The values turn, too",
            grouped_like(turn_value=True),
            "What is fetched would depend on where it stands. Only who looks at whom should.",
            "Give it a single position other than 0: the output should be the value.",
        ),
        Misconception(
            "keys-not-turned",
            "Only the queries turn",
            grouped_like(turn_key=False),
            "The distance comes from the difference of two rotations; one alone gives the position.",
            "On which tensors do you call `turn`?",
        ),
        Misconception(
            "nothing-turned",
            "Nothing turns",
            grouped_like(turn_query=False, turn_key=False),
            "Without positions attention sees a bag of words.",
            "On which tensors do you call `turn`?",
        ),
        Misconception(
            "group-mask-ignored",
            "The mask is ignored",
            grouped_like(masked=False),
            "Each token sees its future.",
            "Which argument does your function not use?",
        ),
        Misconception(
            "group-no-scale",
            "The scores are not divided by √D",
            grouped_like(scaled=False),
            "Grouping changes nothing in the formula of a head.",
            "Compare with softmax(Q Kᵀ / √D) V in one head.",
        ),
    ),
)

MODERN = Task(
    (RMS, ROPE, GROUPED),
    (
        "RMSNorm is one line. For RoPE write down a rotation of two numbers. For groups, ask which key head "
        "query head h needs.",
        "RoPE: `a, b = x.chunk(2, dim=-1)`, angles (T, D/2), then (a cos − b sin, b cos + a sin). Groups: "
        "repeat each key head H / G times, in place, before the usual attention.",
        "RMSNorm: `x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight`. RoPE's angles: "
        "`positions[:, None] * base ** (-2 * torch.arange(D // 2) / D)`. Groups: "
        "`key.repeat_interleave(H // G, dim=1)`, and the same for value.",
    ),
    (
        "course_lib.layers.RMSNorm",
        "torch.nn.functional.rms_norm",
        "course_lib.embeddings.rotate",
        "course_lib.embeddings.RotaryEmbedding",
        "course_lib.attention.fused_attention",
        "torch.nn.functional.scaled_dot_product_attention",
    ),
)
