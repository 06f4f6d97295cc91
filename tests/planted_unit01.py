"""Every misconception of unit 01 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.attention import MultiHeadAttention

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "swapping two axes is symmetric": r"transpose\((-2, -1|1, 2)\)  ->  .*transpose\((-1, -2|2, 1)\)",
    "four axes: the third is also the last but one": r"^-2  ->  2$",
    "2 + 2 is 2 * 2": r"^2 \* 2  ->  2 \+ 2$",
    "a head may be a little more or less sharp": r"^20  ->  (19|21)$",
}

# ---- scores: einsum and an explicit softmax ----


def attend(query, key, value, mask=None, by=None, over=-1, low=float("-inf"), after=None):
    scores = torch.einsum("...td,...sd->...ts", query, key) / (by or math.sqrt)(query.size(-1))
    if mask is not None:
        scores = torch.where(mask, scores, torch.full_like(scores, low))
    shifted = torch.exp(scores - scores.amax(dim=over, keepdim=True))
    weights = shifted / shifted.sum(dim=over, keepdim=True)
    if mask is not None:
        weights = after(weights, mask) if after else torch.where(mask, weights, torch.zeros_like(weights))
    return torch.einsum("...ts,...sv->...tv", weights, value), weights


def root_of_length(query, key, value, mask=None):
    return attend(query * math.sqrt(query.size(-1) / key.size(-2)), key, value, mask)


def softmax_without_axis(query, key, value, mask=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -math.inf)
    weights = F.softmax(scores, 1)
    if mask is not None:
        weights = weights.masked_fill(mask.logical_not(), 0)
    return weights @ value, weights


def softmax_of_first_axis(query, key, value, mask=None):
    return attend(query, key, value, mask, over=0, low=-1e30)


def no_softmax(query, key, value, mask=None):
    weights = torch.matmul(query, key.mT).div(query.size(-1) ** 0.5)
    if mask is not None:
        weights = weights * mask
    return torch.matmul(weights, value), weights


def inverted(query, key, value, mask=None):
    return attend(query, key, value, None if mask is None else mask.logical_not())


def mask_after(query, key, value, mask=None):
    weights = attend(query, key, value)[1]
    if mask is not None:
        weights = weights * mask.to(weights.dtype)
    return weights @ value, weights


def score_zero(query, key, value, mask=None):
    return attend(query, key, value, mask, low=0.0, after=lambda weights, mask: weights)


def mask_added(query, key, value, mask=None):
    scores = query @ key.mT * query.size(-1) ** -0.5
    weights = torch.softmax(scores if mask is None else scores + mask.float(), -1)
    return weights @ value, weights


def nan_row(query, key, value, mask=None):
    return attend(query, key, value, mask, after=lambda weights, mask: weights)


def nan_gradient(query, key, value, mask=None):
    scores = query @ key.mT / query.size(-1) ** 0.5
    if mask is not None:
        scores = scores + mask.float().log()
    weights = F.softmax(scores, dim=-1)
    weights = torch.where(weights.isnan(), 0.0, weights)
    return weights @ value, weights


def uniform_row(query, key, value, mask=None):
    return attend(query, key, value, mask, low=-1e30, after=lambda weights, mask: weights)


def overflow(query, key, value, mask=None):
    up = torch.exp(query @ key.mT / query.size(-1) ** 0.5)
    if mask is not None:
        up = up * mask
    weights = up / up.sum(-1, keepdim=True).clamp(min=1e-30)
    return weights @ value, weights


def key_t(query, key, value, mask=None):
    scores = torch.matmul(query, key.T).div(query.size(-1) ** 0.5)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ value, weights


def key_query(query, key, value, mask=None):
    scores = torch.matmul(key, query.mT) / math.sqrt(query.size(-1))
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -1e9)
    weights = torch.softmax(scores, dim=-1)
    return torch.matmul(weights, value), weights


def matmul_key(query, key, value, mask=None):
    scores = torch.matmul(query, key)
    return scores, value


SCORES = {
    "attend": {
        "missing-square-root": lambda q, k, v, mask=None: attend(q, k, v, mask, by=lambda d: 1),
        "divided-by-d": lambda q, k, v, mask=None: attend(q, k, v, mask, by=float),
        "root-of-length": root_of_length,
        "root-of-queries": lambda q, k, v, mask=None: attend(q, k, v, mask, by=lambda d: q.size(-2) ** 0.5),
        "root-of-values": lambda q, k, v, mask=None: attend(q, k, v, mask, by=lambda d: v.size(-1) ** 0.5),
        "root-of-axis-1": lambda q, k, v, mask=None: attend(q, k, v, mask, by=lambda d: q.size(1) ** 0.5),
        "scaled-up": lambda q, k, v, mask=None: attend(q, k, v, mask, by=lambda d: d**-0.5),
        "wrong-axis": lambda q, k, v, mask=None: attend(q, k, v, mask, over=-2),
        "softmax-over-axis-1": softmax_without_axis,
        "softmax-over-axis-0": softmax_of_first_axis,
        "no-softmax": no_softmax,
        "inverted-mask": inverted,
        "mask-after-softmax": mask_after,
        "masked-score-zero": score_zero,
        "mask-added": mask_added,
        "mask-ignored": lambda q, k, v, mask=None: attend(q, k, v),
        "empty-row-nan": nan_row,
        "empty-row-nan-gradient": nan_gradient,
        "empty-row-uniform": uniform_row,
        "overflow": overflow,
        "only-the-output": lambda q, k, v, mask=None: attend(q, k, v, mask)[0],
        "weights-first": lambda q, k, v, mask=None: tuple(reversed(attend(q, k, v, mask))),
        "all-axes-reversed": key_t,
        "keys-by-queries": key_query,
        "missing-transpose": matmul_key,
    }
}

# ---- masks: loops and index arithmetic ----


def from_ones(change):
    def mask(T, width=0):
        full = torch.zeros(T, T)
        for i in range(T):
            full[i, change(i, T, width)] = 1
        return full.bool()

    return mask


MASKS = {
    "causal_mask": {
        "mask-of-the-future": from_ones(lambda i, T, w: slice(i + 1, T)),
        "transposed-mask": from_ones(lambda i, T, w: slice(i, T)),
        "blind-to-itself": from_ones(lambda i, T, w: slice(0, i)),
        "one-ahead": from_ones(lambda i, T, w: slice(0, i + 2)),
        "additive-mask": lambda T: torch.zeros(T, T).masked_fill(torch.ones(T, T).triu(1) == 1, -math.inf),
    },
    "padding_mask": {
        "inverted-mask": lambda ids, pad_id: ids.eq(pad_id).unsqueeze(1).unsqueeze(1),
        "padding-shape": lambda ids, pad_id: ~ids.eq(pad_id),
        "padding-of-queries": lambda ids, pad_id: ids.ne(pad_id).unsqueeze(1).unsqueeze(-1),
        "pad-id-taken-for-zero": lambda ids, pad_id: ids.bool()[:, None, None],
    },
    "banded_mask": {
        "band-too-wide": lambda T, width: torch.ones(T, T).tril().triu(-width).bool(),
        "band-too-narrow": lambda T, width: torch.ones(T, T).tril().triu(2 - width).bool(),
        "band-both-sides": lambda T, width: torch.ones(T, T).tril(width - 1).triu(1 - width).bool(),
        "band-outside": lambda T, width: torch.ones(T, T).tril(-width).bool(),
    },
}

# ---- heads: view, permute and one loop over the heads ----


def loop_heads(x, w_query, w_key, w_value, w_output, n_heads, mask=None, root=None, shared=False):
    width = x.shape[-1] // n_heads
    outputs, weights = [], []
    for h in range(n_heads):
        part = slice(None) if shared else slice(h * width, (h + 1) * width)
        q, k, v = ((x @ w)[..., part] for w in (w_query, w_key, w_value))
        one_mask = None if mask is None else mask[:, 0]
        output, weight = attend(q, k, v, one_mask, by=root)
        outputs.append(output[..., h * width : (h + 1) * width] if shared else output)
        weights.append(weight)
    return torch.cat(outputs, -1) @ w_output, torch.stack(weights, 1)


def in_heads(split, merge):
    def multi_head(x, w_query, w_key, w_value, w_output, n_heads, mask=None):
        q, k, v = (split(x @ w, n_heads) for w in (w_query, w_key, w_value))
        output, weights = attend(q, k, v, mask)
        return merge(output) @ w_output, weights

    return multi_head


def good_split(x, n):
    return x.reshape(x.size(0), x.size(1), n, -1).permute(0, 2, 1, 3)


def mixed_merge(x):
    return x.contiguous().view(x.size(0), x.size(2), x.size(1) * x.size(3))


def mixed_split(x, n):
    return x.contiguous().view(x.size(0), n, x.size(1), -1)


HEADS = {
    "split_heads": {
        "reshape-only": mixed_split,
        "view-only": lambda x, n: x.view(x.size(0), n, -1, x.size(2) // n),
        "interleaved-heads": lambda x, n: x.reshape(*x.shape[:2], -1, n).permute(0, 3, 1, 2),
        "heads-not-moved": lambda x, n: x.unflatten(2, (n, -1)),
    },
    "merge_heads": {
        "reshape-only": mixed_merge,
        "view-after-transpose": lambda x: x.permute(0, 2, 1, 3).view(x.size(0), x.size(2), -1),
        "interleaved-heads": lambda x: torch.stack(list(x.unbind(1)), -1).flatten(2),
        "heads-averaged": lambda x: torch.cat([x.sum(1) / x.size(1)] * x.size(1), -1),
    },
    "multi_head": {
        "scale-of-the-model": lambda x, *rest: loop_heads(x, *rest, root=lambda d: x.shape[-1] ** 0.5),
        "one-wide-head": lambda *given: loop_heads(*given, shared=True),
        "transposed-matrices": lambda x, q, k, v, o, n, mask=None: loop_heads(x, q.T, k.T, v.T, o.T, n, mask),
        "transposed-w_query": lambda x, q, *rest: loop_heads(x, q.T, *rest),
        "transposed-w_key": lambda x, q, k, *rest: loop_heads(x, q, k.T, *rest),
        "transposed-w_value": lambda x, q, k, v, *rest: loop_heads(x, q, k, v.T, *rest),
        "transposed-w_output": lambda x, q, k, v, o, *rest: loop_heads(x, q, k, v, o.T, *rest),
        "no-output-projection": lambda x, q, k, v, o, n, mask=None: loop_heads(
            x, q, k, v, torch.eye(len(o)), n, mask
        ),
        "swapped-projections": lambda x, q, k, v, *rest: loop_heads(x, q, v, k, *rest),
        "swapped-query-key": lambda x, q, k, v, *rest: loop_heads(x, k, q, v, *rest),
        "mask-ignored": lambda x, q, k, v, o, n, mask=None: loop_heads(x, q, k, v, o, n),
        "reshape-only": in_heads(mixed_split, mixed_merge),
        "merge-reshape-only": in_heads(good_split, mixed_merge),
    },
}

# ---- positions: tensors, not loops ----


def angles(T, d, exponent):
    return torch.arange(T).double()[:, None] / 10_000 ** exponent(torch.arange(0, d, 2).double(), d)


def waves(T, d, exponent=lambda i, d: i / d, start=0):
    angle = angles(T + start, d, exponent)[start:]
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).float()


def by_column(power):
    def positions(T, d):
        column = torch.arange(d).double()
        angle = torch.arange(T).double()[:, None] / 10_000 ** (power * column / d)
        return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()

    return positions


POSITIONS = {
    "sinusoidal_positions": {
        "sine-and-cosine-in-halves": lambda T, d: torch.cat([waves(T, d)[:, ::2], waves(T, d)[:, 1::2]], 1),
        "sine-and-cosine-swapped": lambda T, d: waves(T, d).unflatten(1, (-1, 2)).flip(-1).flatten(1),
        "own-angle-for-each-column": by_column(1),
        "exponent-too-small": lambda T, d: waves(T, d, lambda i, d: i / d / 2),
        "exponent-too-large": lambda T, d: waves(T, d, lambda i, d: 2 * i / d),
        "column-for-pair": by_column(2),
        "positions-from-one": lambda T, d: waves(T, d, start=1),
        "angle-multiplied": lambda T, d: waves(T, d, lambda i, d: -i / d),
    }
}

# ---- the block: one forward a misconception ----


def block(forward):
    class EncoderBlock(nn.Module):
        def __init__(self, d_model, n_heads, d_ff):
            super().__init__()
            self.attention = MultiHeadAttention(d_model, n_heads)
            self.attention_norm = nn.LayerNorm(d_model)
            self.widen = nn.Linear(d_model, d_ff)
            self.narrow = nn.Linear(d_ff, d_model)
            self.feed_forward_norm = nn.LayerNorm(d_model)

        def look(self, x, mask):
            return self.attention(x, mask=mask)[0]

        def think(self, x, bend=torch.relu):
            return self.narrow(bend(self.widen(x)))

    EncoderBlock.forward = lambda self, x, mask=None: forward(
        self, x, mask, self.attention_norm, self.feed_forward_norm
    )
    return EncoderBlock


def pre_ln(b, x, mask, one, two):
    x = x + b.look(one(x), mask)
    return x + b.think(two(x))


def branch_norm(b, x, mask, one, two):
    x = x + one(b.look(x, mask))
    return x + two(b.think(x))


def usual(bend=torch.relu, masked=True):
    def forward(b, x, mask, one, two):
        x = one(x + b.look(x, mask if masked else None))
        return two(x + b.think(x, bend))

    return block(forward)


def joined(first, second):
    def forward(b, x, mask, one, two):
        middle = first(b, x, b.look(x, mask), one, two)
        return second(b, x, middle, b.think(middle), one, two)

    return block(forward)


def activation_last(b, x, mask, one, two):
    x = one(x + b.look(x, mask))
    return two(x + torch.relu(b.narrow(b.widen(x))))


def thinks_first(b, x, mask, one, two):
    x = two(x + b.think(x))
    return one(x + b.look(x, mask))


BLOCK = {
    "EncoderBlock": {
        "pre-ln": block(pre_ln),
        "no-attention-residual": joined(
            lambda b, x, a, one, two: one(a), lambda b, x, m, f, one, two: two(m + f)
        ),
        "no-feed-forward-residual": joined(
            lambda b, x, a, one, two: one(x + a), lambda b, x, m, f, one, two: two(f)
        ),
        "no-residuals": joined(lambda b, x, a, one, two: one(a), lambda b, x, m, f, one, two: two(f)),
        "residual-from-the-start": joined(
            lambda b, x, a, one, two: one(x + a), lambda b, x, m, f, one, two: two(x + f)
        ),
        "norm-of-the-branch": block(branch_norm),
        "no-activation": usual(bend=lambda x: x),
        "activation-last": block(activation_last),
        "gelu-for-relu": usual(bend=nn.GELU()),
        "no-attention-norm": joined(lambda b, x, a, one, two: x + a, lambda b, x, m, f, one, two: two(m + f)),
        "no-feed-forward-norm": joined(
            lambda b, x, a, one, two: one(x + a), lambda b, x, m, f, one, two: m + f
        ),
        "no-norms": joined(lambda b, x, a, one, two: x + a, lambda b, x, m, f, one, two: m + f),
        "one-norm-twice": joined(
            lambda b, x, a, one, two: one(x + a), lambda b, x, m, f, one, two: one(m + f)
        ),
        "norms-swapped": joined(
            lambda b, x, a, one, two: two(x + a), lambda b, x, m, f, one, two: one(m + f)
        ),
        "mask-ignored": usual(masked=False),
        "feed-forward-first": block(thinks_first),
    }
}

# ---- parameters: polynomials ----

PARAMETERS = {
    "layer_parameters": {
        "no-biases": lambda d, h, ff: 4 * d**2 + 2 * d * ff + 4 * d,
        "no-norms": lambda d, h, ff: 4 * d**2 + 4 * d + 2 * d * ff + ff + d,
        "one-norm": lambda d, h, ff: 4 * d**2 + 4 * d + 2 * d * ff + ff + d + 2 * d,
        "no-biases-no-norms": lambda d, h, ff: 4 * d**2 + 2 * d * ff,
        "no-output-projection": lambda d, h, ff: 3 * d**2 + 3 * d + 2 * d * ff + ff + d + 4 * d,
        "times-heads": lambda d, h, ff: (3 * h + 1) * (d**2 + d) + 2 * d * ff + ff + d + 4 * d,
        "one-head-only": lambda d, h, ff: 4 * d * (d // h) + 4 * d + 2 * d * ff + ff + d + 4 * d,
        "one-feed-forward-matrix": lambda d, h, ff: 4 * d**2 + 4 * d + d * ff + ff + d + 4 * d,
    },
    "bert_parameters": {
        name: lambda v, p, s, d, h, ff, n, missing=missing, layers=layers: (
            (v + p + s) * d
            + 2 * d
            + d**2
            + d
            + (layers or n) * (4 * d**2 + 2 * d * ff + 9 * d + ff)
            - missing(v, p, s, d)
        )
        for name, missing, layers in (
            ("no-pooler", lambda v, p, s, d: d * (d + 1), 0),
            ("no-embedding-norm", lambda v, p, s, d: 2 * d, 0),
            ("no-segments", lambda v, p, s, d: s * d, 0),
            ("no-positions", lambda v, p, s, d: p * d, 0),
            ("output-table-twice", lambda v, p, s, d: -v * d, 0),
            ("one-layer", lambda v, p, s, d: 0, 1),
        )
    },
}

# ---- three bugs: the given code with some lines mended ----


def with_bugs(root=False, triangle=False, axis=False, diagonal=0):
    def repaired(query, key, value):
        T = query.shape[-2]
        scores = query @ key.transpose(-2, -1) / math.sqrt(T if root else query.shape[-1])
        future = torch.triu(torch.ones(T, T), diagonal=1 - diagonal) > 0
        scores = scores.masked_fill(torch.logical_not(future) if triangle else future, float("-inf"))
        weights = torch.softmax(scores, dim=-2 if axis else -1)
        return weights @ value, weights

    return repaired


BUG = {
    "repaired": {
        "bug-left-root": with_bugs(root=True),
        "bug-left-triangle": with_bugs(triangle=True),
        "bug-left-axis": with_bugs(axis=True),
        "bug-left-root-triangle": with_bugs(root=True, triangle=True),
        "bug-left-root-axis": with_bugs(root=True, axis=True),
        "bug-left-triangle-axis": with_bugs(triangle=True, axis=True),
        "bug-left-root-triangle-axis": with_bugs(True, True, True),
        "blind-to-itself": with_bugs(diagonal=1),
    }
}

# ---- predictions and heads, written out ----


def one_hot_pair(n, shift, size):
    query = torch.zeros(n, n)
    key = torch.zeros(n, n)
    for t in range(n):
        query[t, t] = size
        key[(t + shift) % n, t] = size
    return query, key


PREDICT = {
    "predict": {
        "counted-from-one": lambda: {"A": 6, "B": 7, "C": 8, "D": 6},
        "rolled-the-other-way": lambda: {"A": 5, "B": 4, "C": 7, "D": 5},
        "mask-forgotten": lambda: {"A": 5, "B": 6, "C": 7, "D": 7},
        "future-only": lambda: {"A": 5, "B": 6, "C": 7, "D": 4},
    },
    "previous_token_head": {
        "next-token-head": lambda n: one_hot_pair(n, 1, 6.0),
        "own-token-head": lambda n: one_hot_pair(n, 0, 6.0),
        "soft-head": lambda n: one_hot_pair(n, -1, 1.2),
        "soft-own-token-head": lambda n: one_hot_pair(n, 0, 1.2),
        "soft-next-token-head": lambda n: one_hot_pair(n, 1, 1.2),
    },
}

PLANTED = {
    "attention.scores": SCORES,
    "attention.masks": MASKS,
    "attention.heads": HEADS,
    "attention.positions": POSITIONS,
    "attention.block": BLOCK,
    "attention.parameters": PARAMETERS,
    "attention.bug": BUG,
    "attention.predict": PREDICT,
}
