"""Unit 01: scaled dot-product attention with a mask, and the same with three bugs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.compare import is_tensor, values
from course_lib.grading.inputs import normal, sizes, some_allowed
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

RETURNS = ("output (…, T, V)", "weights (…, T, S)")
Pair = tuple[Tensor, Tensor]


def reference(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Pair:
    """PyTorch's fused kernel, which knows no weights: with the identity as values, the output is the
    weights."""
    identity = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-2], -1, -1)
    return (
        F.scaled_dot_product_attention(query, key, value, mask),
        F.scaled_dot_product_attention(query, key, identity, mask),
    )


def variant(
    scale: Callable[[Tensor, Tensor, Tensor], float] = lambda q, k, v: q.shape[-1] ** -0.5,
    hide: Callable[[Tensor, Tensor], Tensor] = lambda scores, mask: scores.masked_fill(~mask, -torch.inf),
    normalise: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(-1),
    repair: Callable[[Tensor, Tensor], Tensor] = lambda weights, mask: weights.masked_fill(~mask, 0.0),
) -> Callable[..., Pair]:
    """Attention with one step replaced."""

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Pair:
        scores = query @ key.transpose(-2, -1) * scale(query, key, value)
        if mask is not None:
            scores = hide(scores, mask)
        weights = normalise(scores)
        if mask is not None:
            weights = repair(weights, mask)
        return weights @ value, weights

    return attend


def no_transpose(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Pair:
    return query @ key, value


def all_axes_reversed(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Pair:
    backwards = key.permute(*reversed(range(key.dim())))
    return variant()(query, backwards.transpose(-2, -1), value, mask)


def keys_by_queries(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Pair:
    scores = key @ query.transpose(-2, -1)
    weights = (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)
    return weights @ value, weights


def plain_exponential(scores: Tensor) -> Tensor:
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


# ---- inputs ----


def qkv(generator: Generator, before: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value with `before` axes in front."""
    T, S, D, V, *front = sizes(generator, 4 + before, 3, 9)
    return (
        normal(generator, *front, T, D),
        normal(generator, *front, S, D),
        normal(generator, *front, S, V),
    )


def large(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """One query and one key agree so well that exp of their score is beyond float32."""
    query, key, value = qkv(generator)
    query[0] = key[0] = 20.0
    return query, key, value


def with_heads(generator: Generator) -> tuple:
    return qkv(generator, before=2)


def with_mask(generator: Generator) -> tuple:
    query, key, value = with_heads(generator)
    return query, key, value, some_allowed(generator, query.shape[-2], key.shape[-2])


def with_padding(generator: Generator) -> tuple:
    query, key, value = with_heads(generator)
    return query, key, value, some_allowed(generator, query.shape[0], 1, 1, key.shape[-2])


def with_empty_row(generator: Generator) -> tuple:
    query, key, value = qkv(generator)
    mask = some_allowed(generator, query.shape[-2], key.shape[-2])
    mask[1] = False
    return query, key, value, mask


# ---- ways to run an answer, and to judge what came back ----


def both(value: Any) -> Pair:
    """Output and weights, or a complaint."""
    if type(value) not in (tuple, list) or len(value) != 2 or not all(map(is_tensor, value)):
        raise Unfit("needs both tensors, output and weights")
    return tuple(value)


def shuffled(answer: Callable, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    """The output as it is, and with keys, values and the mask's columns in reverse order."""
    backwards = both(answer(query, key.flip(-2), value.flip(-2), mask.flip(-1)))
    return both(answer(query, key, value, mask))[0], backwards[0]


def disturbed(answer: Callable, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    """The output as it is, and with other keys and values in the masked places."""
    hidden = ~mask[..., 0, :].expand(*key.shape[:-1]).unsqueeze(-1)
    other = both(answer(query, key + 3.0 * hidden, value - 5.0 * hidden, mask))
    return both(answer(query, key, value, mask))[0], other[0]


def gradients(answer: Callable, *tensors: Tensor) -> tuple[Tensor, ...]:
    *floats, mask = tensors
    leaves = [tensor.clone().requires_grad_() for tensor in floats]
    output, _ = both(answer(*leaves, mask))
    if not output.requires_grad:
        raise Unfit("the output is cut off: no gradient flows back from it")
    direction = torch.linspace(-1, 1, output.numel()).view(output.shape)
    found = torch.autograd.grad(output, leaves, direction, allow_unused=True)
    if any(gradient is None for gradient in found):
        raise Unfit("no gradient reaches one of query, key and value")
    return found


def shape_only(got: Pair, *_: Tensor) -> None:
    return None


def sums_to_one(got: Pair, *_: Tensor) -> str | None:
    weights = got[1]
    if not weights.isfinite().all():
        return "some weights are NaN or infinite"
    if weights.min() < 0:
        return f"the smallest weight is {weights.min():.3f}"
    sums = weights.double().sum(-1)
    off = (sums - 1).abs() > 1e-5
    if not off.any():
        return None
    return f"{int(off.sum())} of {off.numel()} rows do not; they sum to {sums.min():.5g} … {sums.max():.5g}"


def alike(got: Pair, *_: Tensor) -> str | None:
    if not got[0].isfinite().all():
        return "the output has NaN or infinite numbers"
    return "the output changed" if values(got[0], got[1]) else None


def survives(got: Pair, *inputs: Tensor) -> str | None:
    """Large scores cost float32 some digits, so the numbers are compared loosely."""
    if not all(tensor.isfinite().all() for tensor in got):
        return "the output has NaN or infinite numbers"
    right = reference(*(tensor.double() for tensor in inputs))
    off = max(float((mine - other).abs().max()) for mine, other in zip(got, right, strict=True))
    return f"numbers are off by up to {off:.2g}" if off > 1e-2 else None


def zeros_in_row(got: Pair, *_: Tensor) -> str | None:
    output, weights = got[0][1], got[1][1]
    if weights.isnan().any() or output.isnan().any():
        return "the row that may look at nothing is NaN"
    if weights.abs().max() > 0:
        return f"its weights are {weights[0]:.3f}, … and sum to {weights.sum():.3f}"
    return "its weights are zero, its output is not" if output.abs().max() > 0 else None


MASK_IDEA = (
    "True means allowed. A key that is not allowed takes no part in the softmax: its weight is zero, and "
    "the others still sum to one."
)
CASES = (
    Case(
        "returns output (…, T, V) and weights (…, T, S)",
        with_heads,
        "T queries, S keys, D wide; values may be V wide. Every query has one weight a key.",
        "Print the shape after each step: scores, weights, output. Which is the first to surprise you?",
        judge=shape_only,
    ),
    Case(
        "each row of weights sums to one, none is negative",
        with_heads,
        "A query divides its attention over the keys: the weights are a probability distribution over keys.",
        "Print `weights.sum(dim=-1)` and `weights.sum(dim=-2)`. Which of the two should be ones?",
        judge=sums_to_one,
    ),
    Case(
        "keys and values in another order give the same output",
        with_mask,
        "Attention is a weighted sum over keys; a sum does not know the order of its terms.",
        "Swap two keys together with their values and compare the outputs.",
        judge=alike,
        call=shuffled,
        names=("output", "output of the shuffled keys"),
    ),
    Case(
        "right without a mask, one sequence",
        qkv,
        "softmax(QKᵀ/√D) V: compare, scale, softmax over keys, average the values (equation 1).",
        "Take T = 1, S = 2, D = 4 and do the four steps by hand.",
        worth=2,
    ),
    Case(
        "right without a mask, with batch and heads in front",
        with_heads,
        "Only the last two axes take part; those before them are kept.",
        "Count axes from the end: `-1`, `-2`. Compare one batch entry with a call on that entry alone.",
        worth=2,
    ),
    Case(
        "what is masked has no influence",
        with_padding,
        MASK_IDEA,
        "Change a masked key by a lot and see whether the output moves.",
        judge=alike,
        call=disturbed,
        names=("output", "output with other masked keys"),
    ),
    Case(
        "right with a mask of shape (T, S)",
        with_mask,
        MASK_IDEA,
        "Print `weights` next to `mask` for T = 2, S = 3. Where are the zeros?",
        worth=2,
    ),
    Case(
        "right with a mask of shape (B, 1, 1, S)",
        with_padding,
        "A mask broadcasts: sizes of one stand for every head and every query.",
        "Print `scores.shape` and `mask.shape` one above the other, aligned at the right.",
        worth=2,
    ),
    Case(
        "a query that may look at nothing gets zeros",
        with_empty_row,
        "With nothing to choose from there is no average. Zeros add nothing to what follows; NaN spoils it "
        "all.",
        "Call it with `mask = torch.zeros(2, 3, dtype=torch.bool)` and print the weights.",
        judge=zeros_in_row,
        worth=2,
    ),
    Case(
        "gradients reach query, key and value, and stay finite beside an empty row",
        with_empty_row,
        "Backward goes through every step: a NaN that is replaced afterwards still has a NaN gradient, and "
        "wrong numbers have wrong gradients.",
        "Call `output.sum().backward()` with an empty row in the mask and print `query.grad`.",
        call=gradients,
        names=("gradient of query", "gradient of key", "gradient of value"),
    ),
    Case(
        "large scores do not overflow",
        large,
        "exp(100) is beyond float32. A softmax first takes the largest score away from all.",
        "Print `scores.max()` and then `scores.max().exp()`.",
        judge=survives,
    ),
)

MISCONCEPTIONS = (
    Misconception(
        "missing-square-root",
        "The scores are not scaled",
        variant(scale=lambda q, k, v: 1.0),
        "These are softmax(QKᵀ) V. Dot products grow with the width D, so the softmax puts nearly all "
        "weight on one key and its gradient dies.",
        "Print `scores.std()` for random inputs with D = 4 and D = 400. What would keep it the same?",
    ),
    Misconception(
        "divided-by-d",
        "The scores are divided by the width itself",
        variant(scale=lambda q, k, v: 1 / q.shape[-1]),
        "A sum of D random products spreads like the square root of D, not like D. Divided by D, all scores "
        "come close to zero and the weights close to uniform.",
        "Print `scores.std()` for D = 4 and D = 400: it should stay near 1.",
    ),
    Misconception(
        "root-of-length",
        "The scale comes from the number of keys",
        variant(scale=lambda q, k, v: k.shape[-2] ** -0.5),
        "A longer sentence would then have flatter weights. What makes dot products large is how many "
        "numbers each one sums over.",
        "Print the shapes of `query` and `key`: over which axis does the dot product sum?",
    ),
    Misconception(
        "root-of-queries",
        "The scale comes from the number of queries",
        variant(scale=lambda q, k, v: q.shape[-2] ** -0.5),
        "A longer sentence would then have flatter weights. What makes dot products large is how many "
        "numbers each one sums over.",
        "Print the shapes of `query` and `key`: over which axis does the dot product sum?",
    ),
    Misconception(
        "root-of-values",
        "The scale comes from the width of the values",
        variant(scale=lambda q, k, v: v.shape[-1] ** -0.5),
        "Often the values are as wide as the keys, but they need not be: the scores do not even see them.",
        "Print the shapes of `query`, `key` and `value`: over which axis does the dot product sum?",
    ),
    Misconception(
        "root-of-axis-1",
        "The scale comes from axis 1, whatever that is",
        variant(scale=lambda q, k, v: q.shape[1] ** -0.5),
        "With two axes, axis 1 is the width. With batch and heads in front it is the heads.",
        "Print `query.shape` for both kinds of input and mark the axis of the width.",
    ),
    Misconception(
        "scaled-up",
        "The scores are multiplied by the root",
        variant(scale=lambda q, k, v: q.shape[-1] ** 0.5),
        "That makes large dot products even larger.",
        "Print `scores.std()` before and after the scaling.",
    ),
    Misconception(
        "wrong-axis",
        "The softmax runs over the queries",
        variant(normalise=lambda scores: scores.softmax(-2)),
        "Each column sums to one instead of each row: the queries compete for a key. Every query should "
        "divide its attention over the keys.",
        "Print `weights.sum(dim=-1)` with T = 2 and S = 3.",
    ),
    Misconception(
        "softmax-over-axis-1",
        "The softmax runs over axis 1, whatever that is",
        variant(normalise=lambda scores: scores.softmax(1)),
        "With two axes, axis 1 is the keys. With batch and heads in front it is the heads.",
        "Print `scores.shape` for both kinds of input and mark the axis of the keys.",
    ),
    Misconception(
        "softmax-over-axis-0",
        "The softmax runs over axis 0, whatever that is",
        variant(normalise=lambda scores: scores.softmax(0)),
        "With two axes, axis 0 is the queries. With batch and heads in front it is the batch.",
        "Print `scores.shape` for both kinds of input and mark the axis of the keys.",
    ),
    Misconception(
        "no-softmax",
        "There is no softmax",
        variant(normalise=lambda scores: scores, hide=lambda scores, mask: scores),
        "These are the scaled scores themselves. They may be negative and sum to anything.",
        "Print a row of `weights` and its sum.",
    ),
    Misconception(
        "inverted-mask",
        "The mask is read the wrong way round",
        variant(
            hide=lambda scores, mask: scores.masked_fill(mask, -torch.inf),
            repair=lambda weights, mask: weights.nan_to_num(0.0),
        ),
        "Here True means allowed. You hide what is allowed and look at what is hidden. (`masked_fill` fills "
        "where its mask is True; other libraries name their masks the other way.)",
        "Use a mask that allows only key 0 and print the weights.",
    ),
    Misconception(
        "mask-after-softmax",
        "The mask comes after the softmax",
        variant(hide=lambda scores, mask: scores),
        "Masked keys have already taken their share, so what is left sums to less than one.",
        "Print `weights.sum(dim=-1)` with half of the keys masked.",
    ),
    Misconception(
        "masked-score-zero",
        "Masked scores are set to zero",
        variant(hide=lambda scores, mask: scores * mask, repair=lambda weights, mask: weights),
        "Zero is an ordinary score: exp(0) = 1. A masked key then often gets more weight than an allowed "
        "one with a negative score.",
        "Which score s has exp(s) = 0?",
    ),
    Misconception(
        "mask-added",
        "The mask is added to the scores as 0 and 1",
        variant(hide=lambda scores, mask: scores + mask, repair=lambda weights, mask: weights),
        "That favours the allowed keys a little, and leaves the masked ones in.",
        "Print `weights` for a mask with a single False.",
    ),
    Misconception(
        "mask-ignored",
        "The mask is not used",
        variant(hide=lambda scores, mask: scores, repair=lambda weights, mask: weights),
        "The output is the same with and without a mask.",
        "Compare `attend(query, key, value)` with `attend(query, key, value, mask)`.",
    ),
    Misconception(
        "empty-row-nan",
        "A row with nothing allowed becomes NaN",
        variant(repair=lambda weights, mask: weights),
        "If all scores are minus infinity, the softmax divides zero by zero.",
        "Print the weights for `mask = torch.zeros(2, 3, dtype=torch.bool)`. What should a query with no "
        "choice get?",
    ),
    Misconception(
        "empty-row-nan-gradient",
        "The zeros are right, their gradient is NaN",
        variant(
            hide=lambda scores, mask: scores + torch.zeros(mask.shape).masked_fill(~mask, -torch.inf),
            repair=lambda weights, mask: weights.nan_to_num(0.0),
        ),
        "The row was NaN first and was replaced afterwards. Forward that helps; backward the NaN comes back.",
        "Look for a way in which no NaN arises at all: what if the masked scores were very low, but finite?",
    ),
    Misconception(
        "empty-row-uniform",
        "A row with nothing allowed looks at everything",
        variant(
            hide=lambda scores, mask: scores.masked_fill(~mask, -1e9),
            repair=lambda weights, mask: weights,
        ),
        "When all scores are equally low, the softmax makes them equal weights: this query attends to every "
        "key it must not see.",
        "Print the weights for a mask of all False.",
    ),
    Misconception(
        "overflow",
        "The exponential overflows",
        variant(normalise=plain_exponential),
        "exp of a large score is infinite, and infinite by infinite is NaN. Ordinary scores come out right.",
        "Shift a row of scores by a constant: do the weights change? Which shift keeps exp small?",
    ),
    Misconception(
        "only-the-output",
        "Only the output is returned",
        lambda query, key, value, mask=None: variant()(query, key, value, mask)[0],
        "The weights are wanted, too: they show where each query looked.",
        "Unpack the result: `output, weights = attend(query, key, value)`.",
    ),
    Misconception(
        "weights-first",
        "Weights and output are in the wrong order",
        lambda query, key, value, mask=None: variant()(query, key, value, mask)[::-1],
        "The output comes first, then the weights.",
        "Print both shapes.",
    ),
    Misconception(
        "all-axes-reversed",
        "All axes of the keys are reversed",
        all_axes_reversed,
        "`key.T` is right for a matrix. With batch and heads in front it turns those round, too.",
        "Print `key.shape` and `key.T.shape` with four axes.",
    ),
    Misconception(
        "keys-by-queries",
        "Keys and queries have changed places",
        keys_by_queries,
        "These scores are (S, T): a row for each key. Wanted is a row for each query, (T, S).",
        "Print `scores.shape` for T = 2 and S = 3.",
    ),
    Misconception(
        "missing-transpose",
        "The keys are not transposed",
        no_transpose,
        "Query (T, D) times key (S, D): the inner sizes do not meet. Each score is the dot product of one "
        "query with one key.",
        "Write the two shapes side by side. Which axis of `key` must come last but one?",
    ),
)

SCORES = Task(
    (Part("attend", reference, RETURNS, CASES, MISCONCEPTIONS),),
    (
        "Four steps: compare every query with every key, scale, softmax over the keys, average the values.",
        "`query @ key.transpose(-2, -1)` gives (…, T, S). Scale by the square root of the width that was "
        "summed over, hide what is not allowed before the softmax, and think of the row in which nothing is "
        "allowed.",
        "Fill hidden scores with a very low but finite number (`torch.finfo(scores.dtype).min`), take the "
        "softmax over the last axis, then set the weights of hidden keys to zero. That answers the empty "
        "row and its gradient.",
    ),
    (
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.functional.multi_head_attention_forward",
        "torch.nn.MultiheadAttention",
        "course_lib.attention.scaled_dot_product_attention",
        "course_lib.attention.fused_attention",
        "course_lib.attention.MultiHeadAttention",
    ),
)


# ---- find three bugs ----


def causal_reference(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    T = query.shape[-2]
    return reference(query, key, value, torch.ones(T, T, dtype=torch.bool).tril())


def causal_variant(
    root: bool = False, triangle: bool = False, axis: bool = False, own: bool = True
) -> Callable[..., Pair]:
    """Causal attention with some of the three bugs left in, or blind to oneself."""

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Pair:
        T = query.shape[-2]
        scores = query @ key.transpose(-2, -1) / math.sqrt(T if root else query.shape[-1])
        past = torch.ones(T, T, dtype=torch.bool).tril(0 if own else -1)
        scores = scores.masked_fill(past if triangle else ~past, -torch.inf)
        weights = scores.softmax(-2 if axis else -1)
        return weights @ value, weights

    return attend


def one_length(generator: Generator) -> tuple:
    T, D, V, B = sizes(generator, 4, 3, 9)
    return normal(generator, B, T, D), normal(generator, B, T, D), normal(generator, B, T, V)


def no_future(answer: Callable, query: Tensor, key: Tensor, value: Tensor) -> Pair:
    """The output without its last position, as it is and with another last key and value."""
    last = torch.zeros(key.shape[-2], 1)
    last[-1] = 4.0
    as_is = both(answer(query, key, value))[0][..., :-1, :]
    return as_is, both(answer(query, key + last, value + last))[0][..., :-1, :]


LEFT = {
    "root": "the scale depends on the length of the sentence",
    "triangle": "the past is hidden and the future is seen",
    "axis": "rows of weights do not sum to one",
}
TRY = {
    "root": "Run it on the same tokens once alone and once with more behind them: does `scores.std()` "
    "change?",
    "triangle": "Change the last token and watch the first output.",
    "axis": "Print `weights.sum(dim=-1)`.",
}


def bugs_left(*left: str) -> Misconception:
    count = {1: "One bug is left", 2: "Two bugs are left", 3: "All three bugs are still in"}[len(left)]
    seen = ", and ".join(LEFT[name] for name in left)
    return Misconception(
        "bug-left-" + "-".join(left),
        count,
        causal_variant(**dict.fromkeys(left, True)),
        f"What is computed: {seen}.",
        TRY[left[0]],
    )


BUG = Task(
    (
        Part(
            "repaired",
            causal_reference,
            ("output (…, T, V)", "weights (…, T, T)"),
            (
                Case(
                    "each row of weights sums to one",
                    one_length,
                    "Each query divides its attention over the keys it may see.",
                    "Print `weights.sum(dim=-1)`.",
                    judge=sums_to_one,
                ),
                Case(
                    "no position sees the future",
                    one_length,
                    "In causal attention an output depends on its own position and those before it.",
                    "Change the last key and value, and compare all outputs but the last.",
                    judge=alike,
                    call=no_future,
                    names=("output", "output with another last token"),
                ),
                Case(
                    "the weights and the output are right",
                    one_length,
                    "Equation 1 with a causal mask: scaled by the width of a head, oneself allowed.",
                    "Compare with your own `attend` and a causal mask on the same inputs.",
                    worth=2,
                ),
            ),
            (
                bugs_left("root"),
                bugs_left("triangle"),
                bugs_left("axis"),
                bugs_left("root", "triangle"),
                bugs_left("root", "axis"),
                bugs_left("triangle", "axis"),
                bugs_left("root", "triangle", "axis"),
                Misconception(
                    "blind-to-itself",
                    "A position does not see itself",
                    causal_variant(own=False),
                    "The triangle leaves out its diagonal: the first position may then look at nothing at "
                    "all.",
                    "Print the mask for T = 3. What should its first row be?",
                ),
                Misconception(
                    "blind-to-itself",
                    "A position does not see itself",
                    lambda q, k, v: variant()(q, k, v, torch.ones(q.shape[-2], q.shape[-2]).tril(-1).bool()),
                    "The triangle leaves out its diagonal: the first position may then look at nothing at "
                    "all.",
                    "Print the mask for T = 3. What should its first row be?",
                ),
            ),
        ),
    ),
    (
        "The code runs, so read it against the equation, a line at a time. What does each line make of a "
        "3-token input?",
        "One bug is in the scale, one in what is hidden, one in the softmax. Print `weights` and compare "
        "its rows with what a causal head may do.",
        "`sqrt` should take the width the dot product sums over. `masked_fill` fills where its mask is "
        "True. A row is one query.",
    ),
    SCORES.forbidden,
)
