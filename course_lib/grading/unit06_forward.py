"""Unit 06: attention to the past, and GPT-1 by its three equations."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- attention to the past ----


def heads_of_tokens(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """query, key, value (B, H, T, D)."""
    B, H, D = sizes(generator, 3, 2, 4)
    T = whole(generator, 6, 8)
    query, key, value = (normal(generator, B, H, T, D) for _ in range(3))
    return 2 * query, 2 * key, value


def past(T: int, diagonal: int = 0) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).tril(diagonal)


def hide(scores: Tensor, allowed: Tensor) -> Tensor:
    return scores.masked_fill(~allowed, -torch.inf)


def attention_like(
    allowed: Callable[[int], Tensor] = past,
    scale: Callable[[int], float] = math.sqrt,
    masked: Callable[[Tensor, Tensor], Tensor] = hide,
    axis: int = -1,
    after: Callable[[Tensor, Tensor], Tensor] = lambda weights, allowed: weights,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        T, D = query.shape[-2:]
        scores = torch.einsum("bhtd,bhsd->bhts", query, key) / scale(D)
        weights = after(masked(scores, allowed(T)).softmax(axis), allowed(T))
        return torch.einsum("bhts,bhsd->bhtd", weights, value)

    return attention


def everywhere(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool)


def first_is_alone(got: Tensor, query: Tensor, key: Tensor, value: Tensor) -> str | None:
    """Position 0 may look at itself only: what comes out is its own value."""
    right = torch.allclose(got[:, :, 0], value[:, :, 0], atol=1e-5)
    return None if right else "what comes out at position 0 is not the value of position 0"


def with_other_future(
    answer: Callable, query: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The outputs; those up to the middle with other keys and values after it; and with others before it."""
    middle = query.shape[2] // 2
    later = (torch.arange(query.shape[2]) > middle)[:, None]
    first = (torch.arange(query.shape[2]) == 0)[:, None]
    out, other = answer(query, key, value), answer(query, key + later, value + 3 * later)
    earlier = answer(query, key, value + 3 * first)
    return out[:, :, : middle + 1], other[:, :, : middle + 1], earlier[:, :, : middle + 1]


def future_is_hidden(got: tuple[Tensor, Tensor, Tensor], *_: Tensor) -> str | None:
    if (got[0] - got[1]).abs().max() > 1e-5:
        return "outputs changed with what comes after them"
    return None if (got[0] - got[2]).abs().max() > 1e-5 else "outputs do not change with what came before"


ATTENTION = Part(
    "look_back",
    lambda query, key, value: F.scaled_dot_product_attention(query, key, value, is_causal=True),
    ("output (B, H, T, D)",),
    (
        Case(
            "position 0 sees only itself",
            heads_of_tokens,
            "All its weight, 1, lies on its own value.",
            "Print the first row of the weights: 1, 0, 0, …",
            judge=first_is_alone,
            telling=False,
        ),
        Case(
            "the past counts, the future does not",
            heads_of_tokens,
            "Query t may look at key s when s ≤ t.",
            "Print the weights of one head. Which triangle is full?",
            judge=future_is_hidden,
            call=with_other_future,
            names=("outputs", "outputs with another future", "outputs with another past"),
            telling=False,
        ),
        Case(
            "right for every position",
            heads_of_tokens,
            "softmax(QKᵀ / √D) V, and the future is hidden before the softmax.",
            "Print the sums of each row of weights: they should be 1.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "mask-after-softmax",
            "The mask comes after the softmax",
            attention_like(masked=lambda scores, allowed: scores, after=lambda w, allowed: w * allowed),
            "The future has taken its share already: the rows no longer sum to 1, and the share that is "
            "missing tells about the future.",
            "Print the sums of each row of weights.",
        ),
        Misconception(
            "inverted-mask",
            "The mask is inverted",
            attention_like(allowed=lambda T: ~past(T)),
            "The future is looked at, the past and the token itself are hidden.",
            "Print the mask next to the weights. What does True mean to `masked_fill`?",
        ),
        Misconception(
            "future-only",
            "Each position looks at itself and the future",
            attention_like(allowed=lambda T: past(T).T),
            "The wrong triangle: rows are queries, columns are keys.",
            "What may position 0 look at?",
        ),
        Misconception(
            "no-mask",
            "The future is visible",
            attention_like(allowed=everywhere),
            "Without a mask this is BERT's attention. A model that sees the answer learns nothing.",
            "Print the weights of one head.",
        ),
        Misconception(
            "not-itself",
            "A position does not see itself",
            attention_like(allowed=lambda T: past(T, -1)),
            "The first one then sees nothing at all, and the softmax of nothing is NaN.",
            "Print the diagonal of the weights.",
        ),
        Misconception(
            "one-ahead",
            "Each position also sees the next one",
            attention_like(allowed=lambda T: past(T, 1)),
            "One step is all it takes: the next token is the answer.",
            "Print the first row of the weights.",
        ),
        Misconception(
            "hidden-with-zero",
            "The future gets the score 0",
            attention_like(masked=lambda scores, allowed: scores.masked_fill(~allowed, 0.0)),
            "exp(0) is 1: a score of 0 is an ordinary score. Only −∞ becomes a weight of 0.",
            "Print the softmax of (2, 0) and of (2, −∞).",
        ),
        Misconception(
            "no-scale",
            "The scale is missing",
            attention_like(scale=lambda D: 1.0),
            "Scores of D numbers spread like √D; undivided, the softmax is too sharp.",
            "Print the largest weight of each row for D = 4 and D = 400.",
        ),
        Misconception(
            "scaled-by-width",
            "The scores are divided by D, not by its root",
            attention_like(scale=float),
            "The spread of the scores grows like √D.",
            "Print the standard deviation of the scores for D = 4 and D = 400.",
        ),
        Misconception(
            "softmax-over-queries",
            "The softmax runs over the queries",
            attention_like(axis=-2),
            "Each query shares its attention among the keys, the last axis.",
            "Print the sums over the last axis.",
        ),
    ),
)

# ---- the three equations ----


def a_block(generator: Generator, D: int) -> Callable[[Tensor], Tensor]:
    """A small causal block: each position mixes what came before with itself, then bends."""
    mix, turn = normal(generator, D, D) / D**0.5, normal(generator, D, D) / D**0.5
    gain, shift = 0.5 + torch.rand(D, generator=generator), normal(generator, D)

    def block(h: Tensor) -> Tensor:
        so_far = h.cumsum(1) / torch.arange(1, h.shape[1] + 1)[:, None]
        return F.layer_norm(h + torch.tanh(so_far @ mix + h @ turn), h.shape[-1:], gain, shift)

    return block


def parts_of_gpt(generator: Generator) -> tuple[Tensor, Tensor, Tensor, list]:
    """ids (B, T), tokens (V, D), positions (P, D), blocks."""
    V, D = whole(generator, 11, 14), whole(generator, 5, 8)
    B, T, P = 2, whole(generator, 4, 7), V + whole(generator, 3, 6)
    tokens, positions = normal(generator, V, D), normal(generator, P, D)
    blocks = [a_block(generator, D) for _ in range(whole(generator, 3, 4))]
    ids = torch.randint(2, V - 2, (B, T), generator=generator)  # some tokens never come in
    return ids, tokens, positions, blocks


def chained(h: Tensor, blocks: list) -> Tensor:
    for block in blocks:
        h = block(h)
    return h


def gpt_like(
    place: Callable[[Tensor, Tensor], Tensor] = lambda ids, positions: positions[: ids.shape[1]],
    stack: Callable[[Tensor, list], Tensor] = chained,
    last: Callable[[Tensor], Tensor] = lambda h: h,
    out: Callable[[Tensor], Tensor] = lambda tokens: tokens,
    ends: Callable[[Tensor], Tensor] = lambda logits: logits.softmax(-1),
    factor: Callable[[int], float] = lambda D: 1.0,
) -> Callable[..., Tensor]:
    def gpt(ids: Tensor, tokens: Tensor, positions: Tensor, blocks: list) -> Tensor:
        h = F.embedding(ids, tokens) * factor(tokens.shape[1]) + place(ids, positions)
        return ends(F.linear(last(stack(h, blocks)), out(tokens)))

    return gpt


def table_gradient(answer: Callable, ids: Tensor, tokens: Tensor, positions: Tensor, blocks: list) -> Tensor:
    """Of the log-probabilities of each next token, with respect to the token table."""
    tokens = tokens.clone().requires_grad_()
    out = answer(ids, tokens, positions, blocks)
    if not isinstance(out, Tensor) or out.shape != (*ids.shape, len(tokens)) or not out.requires_grad:
        return torch.zeros_like(tokens)
    (out[:, :-1].clamp(min=0) + 1e-9).log().gather(-1, ids[:, 1:, None]).sum().backward()
    return torch.zeros_like(tokens) if tokens.grad is None else tokens.grad


def both_ends(got: Tensor, ids: Tensor, *rest: object) -> str | None:
    absent = torch.ones(len(got), dtype=torch.bool)
    absent[ids.flatten()] = False
    moved = got.abs().sum(1) > 0
    if not moved.any():
        return "no row of the table gets a gradient"
    return None if moved[absent].all() else "tokens that are not in the text get no gradient"


def sums_to_one(got: Tensor, *_: object) -> str | None:
    total = got.sum(-1)
    if torch.allclose(total, torch.ones_like(total), atol=1e-4) and (got >= 0).all():
        return None
    return f"the numbers of position 0 sum to {float(total[0, 0]):.3g}"


GPT1 = Part(
    "gpt1",
    gpt_like(),
    ("probabilities (B, T, V)",),
    (
        Case(
            "probabilities at each position",
            parts_of_gpt,
            "Equation 3 ends in a softmax over the vocabulary.",
            "Print the sums over the last axis: they should be 1.",
            judge=sums_to_one,
            telling=False,
        ),
        Case(
            "right by the three equations",
            parts_of_gpt,
            "Token and position are added, the blocks follow one after the other, the token table gives "
            "the scores.",
            "Call it with `blocks=[]` and compare with two lines by hand; then with one block.",
            worth=2,
        ),
        Case(
            "the token table learns from both ends",
            parts_of_gpt,
            "One table reads and writes. Its gradient comes from the output, too, even for tokens that are "
            "not in the text.",
            "Set `tokens.requires_grad_()`, call `backward()`, and print which rows of `tokens.grad` are 0.",
            judge=both_ends,
            call=table_gradient,
            names=("gradient of the token table (V, D)",),
        ),
    ),
    (
        Misconception(
            "tied-in-value-only",
            "The output holds a copy of the table",
            gpt_like(out=lambda tokens: tokens.detach().clone()),
            "The numbers are equal today. A copy does not learn with the table: after one step they differ.",
            "Look for `detach`, `.data`, `clone` or a new `nn.Linear` or `nn.Parameter`.",
        ),
        Misconception(
            "no-positions",
            "The positions are missing",
            gpt_like(place=lambda ids, positions: torch.zeros_like(positions[: ids.shape[1]])),
            "Equation 1 has two terms: h₀ = UWₑ + Wₚ.",
            "Which of your arguments is never used?",
        ),
        Misconception(
            "positions-from-one",
            "The positions are counted from 1",
            gpt_like(place=lambda ids, positions: positions[1 : ids.shape[1] + 1]),
            "The first token takes row 0.",
            "Print the row numbers that you use.",
        ),
        Misconception(
            "same-position",
            "All tokens stand at position 0",
            gpt_like(place=lambda ids, positions: positions[:1]),
            "Each place has a row of its own.",
            "Print the shape of what you add: it should have T rows.",
        ),
        Misconception(
            "positions-by-token",
            "Positions are looked up by token",
            gpt_like(place=lambda ids, positions: positions[ids]),
            "A row of W_p says *where* a token stands, not which it is.",
            "Exchange two tokens: which rows of W_p should be used now?",
        ),
        Misconception(
            "blocks-side-by-side",
            "Every block reads h₀",
            gpt_like(stack=lambda h, blocks: blocks[-1](h)),
            "Block l reads what block l − 1 gave. Here only the last one counts.",
            "What do you hand to the second block?",
        ),
        Misconception(
            "one-block",
            "Only the first block is used",
            gpt_like(stack=lambda h, blocks: blocks[0](h)),
            "n blocks follow one after the other. Does a `return` stand inside the loop?",
            "Print in the loop how often it runs.",
        ),
        Misconception(
            "blocks-backwards",
            "The blocks run from the last to the first",
            gpt_like(stack=lambda h, blocks: chained(h, blocks[::-1])),
            "h₁ comes from the first block of the list.",
            "Print the order in which they run.",
        ),
        Misconception(
            "residual-around-blocks",
            "The blocks' results are added",
            gpt_like(stack=lambda h, blocks: h + sum(block(h) for block in blocks)),
            "Residual connections are inside a block already; hₗ replaces hₗ₋₁.",
            "Call it with one block and compare.",
        ),
        Misconception(
            "final-norm",
            "A norm too many before the output",
            gpt_like(last=lambda h: F.layer_norm(h, h.shape[-1:])),
            "That is GPT-2's, whose blocks end without one. GPT-1's equations have none there.",
            "Call it with `blocks=[]` and compare with two lines by hand.",
        ),
        Misconception(
            "scaled-embedding",
            "The token vectors are multiplied by √D",
            gpt_like(factor=math.sqrt),
            "The Transformer of 2017 does that; GPT does not.",
            "Compare with equation 1, term by term.",
        ),
        Misconception(
            "no-softmax",
            "Scores come out, not probabilities",
            gpt_like(ends=lambda logits: logits),
            "Equation 3: P(u) = softmax(hₙ Wₑᵀ).",
            "Is any number negative?",
        ),
        Misconception(
            "softmax-over-time",
            "The softmax runs over the positions",
            gpt_like(ends=lambda logits: logits.softmax(1)),
            "At each position the tokens of the vocabulary compete: the last axis.",
            "Print the sums over the last axis.",
        ),
    ),
)

FORWARD = Task(
    (ATTENTION, GPT1),
    (
        "Attention: scores first, then hide the future, then the softmax. GPT-1: one line for each equation.",
        "`torch.ones(T, T).tril()` is 1 where a query may look. Hide the rest with −∞. One-hot rows times a "
        "table is the same as taking rows: `tokens[ids]`.",
        "`scores.masked_fill(~allowed, -torch.inf).softmax(-1) @ value`. Then `h = tokens[ids] + "
        "positions[:T]`, `for block in blocks: h = block(h)`, and a softmax of `h @ tokens.T`.",
    ),
    (
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.functional.multi_head_attention_forward",
        "course_lib.attention.scaled_dot_product_attention",
        "course_lib.models.gpt.GPT.forward",
    ),
)
