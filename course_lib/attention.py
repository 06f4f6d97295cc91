"""Attention: one formula, its masks, and several heads side by side.

A boolean mask is True where attention is *allowed*, as in PyTorch's ``scaled_dot_product_attention``. A query
that may look at nothing gets zeros, never NaN. Sizes: B batch, T queries, S keys, H heads, D width of a head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.cache import KeyValueCache
from course_lib.dropout import dropout as drop


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """softmax(Q Kᵀ / √d) V, written out (Vaswani et al. 2017, equation 1).

    Each query takes the average of the values, weighted by how well it matches their keys:

        for i in range(T):
            score = [dot(query[i], key[j]) / sqrt(d) for j in range(S) if mask[i][j]]
            weight = [exp(s) / sum(exp(t) for t in score) for s in score]
            output[i] = sum(w * value[j] for w, j in zip(weight, allowed[i]))

    Args:
        query: (..., T, D).  key: (..., S, D).  value: (..., S, Dv).
        mask: boolean, broadcastable to (..., T, S); True where attention is allowed.
        bias: added to the scores before the softmax, broadcastable to (..., T, S).
        scale: factor on the scores; 1/√D when not given.
        dropout: share of the weights that the output goes without.

    Returns:
        output (..., T, Dv) and weights (..., T, S). A row of weights sums to one; where nothing is allowed it
        is all zeros. Dropout does not show in them.
    """
    _check_inputs(query, key, value, mask)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale  # (..., T, S)
    if bias is not None:
        scores = scores + bias
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        # A finite floor, not -inf: a row of -inf has no softmax, and its gradient is NaN even when unused.
        floor = torch.finfo(scores.dtype).min
        weights = scores.masked_fill(~mask, floor).softmax(dim=-1).masked_fill(~mask, 0.0)
    return (drop(weights, dropout) if dropout else weights) @ value, weights


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """The same output from PyTorch's fused kernel: faster and in less memory, because no weights are stored.

    Shapes as in `scaled_dot_product_attention`, with four dimensions; key and value may have fewer heads than
    query, each then shared by a group of query heads (Ainslie et al. 2023). `causal` stands for
    ``mask=causal_mask(T)`` without building it, where T = S and no other mask is given. `dropout` is the
    share of weights dropped.
    """
    _check_inputs(query, key, value, mask)
    if bias is not None:  # the kernel takes one additive mask: fold the two into it
        mask = bias if mask is None else bias.masked_fill(~mask, -torch.inf)
    grouped = query.dim() == 4 and key.shape[1] != query.shape[1]
    return F.scaled_dot_product_attention(
        query, key, value, mask, dropout_p=dropout, is_causal=causal, scale=scale, enable_gqa=grouped
    )


def _check_inputs(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query is {query.shape[-1]} wide and key {key.shape[-1]}: a dot product needs equal widths; "
            "project both to the same d"
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{key.shape[-2]} keys but {value.shape[-2]} values: every key needs its value; take both from "
            "one sequence"
        )
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(
            f"mask of dtype {mask.dtype}: a mask is boolean, True where attention is allowed; use "
            "mask.bool(), or pass numbers to add as bias="
        )


# ---- masks: who may look at whom ----


def causal_mask(T: int, past: int = 0, device: torch.device | str | None = None) -> Tensor:
    """(T, past + T): every position sees itself and what came before (GPT).

    `past` counts positions that lie before the first query, as when decoding with cached keys.
    """
    _check_length("T", T)
    return torch.ones(T, past + T, dtype=torch.bool, device=device).tril(diagonal=past)


def padding_mask(ids: Tensor, pad_id: int) -> Tensor:
    """(B, 1, 1, S) from ids (B, S): nobody looks at padding.

    It broadcasts over heads and queries; ``padding_mask(ids, pad_id) & causal_mask(T)`` joins two masks.
    """
    return (ids != pad_id)[:, None, None, :]


def prefix_mask(T: int, prefix: int, device: torch.device | str | None = None) -> Tensor:
    """(T, T): the first `prefix` positions see each other both ways, the rest is causal.

    UniLM's sequence-to-sequence mask (Dong et al. 2019, figure 1).
    """
    _check_length("T", T)
    if not 0 <= prefix <= T:
        raise ValueError(f"prefix of {prefix} in a sequence of {T}: choose a prefix from 0 to {T}")
    mask = causal_mask(T, device=device)
    mask[:, :prefix] = True
    return mask


def permutation_mask(
    order: Sequence[int], include_self: bool = True, device: torch.device | str | None = None
) -> Tensor:
    """(T, T): positions are predicted in any `order`; each sees those that came before it *in that order*.

    XLNet's mask (Yang et al. 2019, section 2.3). ``order[k]`` is the position predicted k-th, so
    ``permutation_mask(range(T))`` is `causal_mask`. With ``include_self=False`` a position does not see its
    own content (the query stream).
    """
    order = torch.as_tensor(list(order), device=device)
    if sorted(order.tolist()) != list(range(len(order))):
        raise ValueError(
            f"order {order.tolist()}: name each position from 0 to {len(order) - 1} exactly once"
        )
    rank = order.argsort()  # rank[i]: when position i gets its turn
    return rank[:, None] >= rank[None, :] if include_self else rank[:, None] > rank[None, :]


def banded_mask(T: int, width: int, device: torch.device | str | None = None) -> Tensor:
    """(T, T): causal, but only the last `width` positions, oneself included.

    The locally banded layers of GPT-3 (Brown et al. 2020, section 2.1; Child et al. 2019).
    """
    _check_length("T", T)
    if width < 1:
        raise ValueError(
            f"band of width {width}: a position sees at least itself; choose a width of 1 or more"
        )
    return causal_mask(T, device=device).triu(diagonal=1 - width)


def _check_length(name: str, length: int) -> None:
    if length < 1:
        raise ValueError(f"{name} = {length}: a mask needs at least one position")


# ---- several heads side by side ----


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """(B, T, H·D) -> (B, H, T, D): cut the width into heads, and put the heads beside the batch."""
    if x.shape[-1] % n_heads:
        raise ValueError(
            f"width {x.shape[-1]} does not divide into {n_heads} heads: choose a number of heads that "
            "divides it"
        )
    return x.unflatten(-1, (n_heads, -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, D) -> (B, T, H·D): the way back."""
    return x.transpose(-3, -2).flatten(-2)


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in its own projection (Vaswani et al. 2017, section 3.2.2).

    Args:
        d_model: width of inputs and output.
        n_heads: number of query heads; must divide d_model unless `d_head` is given.
        n_kv_heads: number of key and value heads, each shared by a group of query heads (grouped-query
            attention, Ainslie et al. 2023).
        d_head: width of one head; d_model / n_heads when not given.
        bias: whether the four projections add a bias.
        dropout: share of attention weights dropped in training.
        scale: factor on the scores; 1/√d_head when not given.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        n_kv_heads = n_kv_heads or n_heads
        if d_head is None and d_model % n_heads:
            raise ValueError(
                f"d_model {d_model} does not divide into {n_heads} heads: choose a number of heads that "
                "divides it, or give d_head"
            )
        if n_heads % n_kv_heads:
            raise ValueError(
                f"{n_heads} query heads do not share {n_kv_heads} key heads evenly: choose a number of key "
                "heads that divides the query heads"
            )
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        self.d_head = d_head or d_model // n_heads
        self.scale = self.d_head**-0.5 if scale is None else scale
        self.dropout = dropout
        self.query = nn.Linear(d_model, n_heads * self.d_head, bias=bias)
        self.key = nn.Linear(d_model, n_kv_heads * self.d_head, bias=bias)
        self.value = nn.Linear(d_model, n_kv_heads * self.d_head, bias=bias)
        self.output = nn.Linear(n_heads * self.d_head, d_model, bias=bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        bias: Tensor | None = None,
        rotate: Callable[[Tensor], Tensor] | None = None,
        cache: KeyValueCache | None = None,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Let every position of `query` look at `key` (cross-attention), or at `query` itself without one.

        Args:
            query: (B, T, d_model).
            key: (B, S, d_model), what is looked at; `query` when not given.
            value: (B, S, d_model), what is fetched from there; `key` when not given.
            mask: boolean, broadcastable to (B, H, T, S); True where attention is allowed.
            causal: look only at oneself and what came before; cached positions count as before.
            bias: added to the scores, broadcastable to (B, H, T, S).
            rotate: applied to the queries and keys of each head (rotary positions).
            cache: keys and values so far; this call's are appended. In cross-attention it is filled once and
                then read.
            need_weights: False takes the fused kernel, which gives the same output and no weights.

        Returns:
            output (B, T, d_model) and weights (B, H, T, S), or None in their place.
        """
        crosses = key is not None
        key = query if key is None else key
        value = key if value is None else value
        q = split_heads(self.query(query), self.n_heads)  # (B, H, T, D)
        if crosses and cache is not None and cache.length:
            k, v = cache.key, cache.value
        else:
            k = split_heads(self.key(key), self.n_kv_heads)  # (B, Hkv, S, D)
            v = split_heads(self.value(value), self.n_kv_heads)
            if rotate is not None:
                q, k = rotate(q), rotate(k)
            if cache is not None:
                k, v = cache.append(k, v)

        T, S = q.shape[-2], k.shape[-2]
        causal = causal and T > 1  # a single newest position may see all there is
        dropout = self.dropout if self.training else 0.0
        # On a CPU no fused kernel knows dropout: PyTorch too would go the explicit way, drawing more slowly.
        explicit = need_weights or (dropout > 0 and q.device.type == "cpu")
        if causal and (explicit or mask is not None or bias is not None or S > T):
            own = causal_mask(T, past=S - T, device=q.device)
            mask, causal = own if mask is None else own & mask, False

        if explicit:
            group = self.n_heads // self.n_kv_heads
            if group > 1:
                k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
            heads, weights = scaled_dot_product_attention(
                q, k, v, mask, bias=bias, scale=self.scale, dropout=dropout
            )
        else:
            heads = fused_attention(
                q, k, v, mask, causal=causal, bias=bias, scale=self.scale, dropout=dropout
            )
        return self.output(merge_heads(heads)), weights if need_weights else None

    def extra_repr(self) -> str:
        return f"n_heads={self.n_heads}, d_head={self.d_head}, scale={self.scale:.4g}"


def attention_entropy(weights: Tensor) -> Tensor:
    """Entropy of each row of attention weights, in bits: 0 looks at one token, log2(S) at all alike.

    Args:
        weights: (..., T, S), rows that sum to one.
    Returns:
        (..., T)
    """
    return torch.special.entr(weights).sum(dim=-1) / math.log(2)
