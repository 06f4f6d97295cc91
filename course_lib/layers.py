"""What stands between the attentions: feed-forward networks, normalisation, and the block that joins them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, MultiHeadAttention
from course_lib.dropout import Dropout

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),  # what GPT-1, GPT-2 and T5 v1.1 compute
    "silu": F.silu,
    "tanh": torch.tanh,
}


def get_activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function called `name`; a ValueError lists the names there are."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is unknown: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


class FeedForward(nn.Module):
    """Each position by itself: widen, bend, narrow (Vaswani et al. 2017, equation 2).

    With ``gated=True`` a second projection opens or closes each inner unit: act(xW_gate) ∘ xW_up, then W_down
    (Shazeer 2020, "GLU variants"; SwiGLU is ``activation="silu", gated=True``).
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        *,
        activation: str = "gelu",
        gated: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = get_activation(activation)
        self.up = nn.Linear(d_model, d_ff, bias=bias)
        self.gate = nn.Linear(d_model, d_ff, bias=bias) if gated else None
        self.down = nn.Linear(d_ff, d_model, bias=bias)
        self.dropout = Dropout(dropout)  # inside, after the activation; most models leave it at 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d_model) -> (B, T, d_model)"""
        inner = (
            self.activation(self.up(x)) if self.gate is None else self.activation(self.gate(x)) * self.up(x)
        )
        return self.down(self.dropout(inner))


class RMSNorm(nn.Module):
    """x / rms(x) · weight: a layer norm without the mean and the bias (Zhang & Sennrich 2019, equation 4).

    Computed in float32, whatever x is: a mean of squares overflows half precision.
    """

    def __init__(self, d_model: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(…, d_model) -> (…, d_model)"""
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normed.to(x.dtype)


class Block(nn.Module):
    """One layer of any Transformer here: attend to oneself, maybe to a memory, then think each position over.

    Every part is wrapped in a residual connection and a normalisation, in one of two orders:

        post-LN (2017, BERT, GPT-1, BART)    x = norm(x + part(x))
        pre-LN  (GPT-2, T5, Llama)           x = x + part(norm(x))

    Args:
        attention, feed_forward: the parts.
        norm: makes one normalisation layer, called once for each part.
        pre_norm: which of the two orders.
        cross_attention: for decoders that read an encoder's output.
        dropout: share of each part's output dropped in training, before it is added.
    """

    def __init__(
        self,
        attention: MultiHeadAttention,
        feed_forward: nn.Module,
        norm: Callable[[], nn.Module],
        *,
        pre_norm: bool = False,
        cross_attention: MultiHeadAttention | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention, self.attention_norm = attention, norm()
        self.cross_attention = cross_attention
        self.cross_norm = norm() if cross_attention is not None else None
        self.feed_forward, self.feed_forward_norm = feed_forward, norm()
        self.pre_norm = pre_norm
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        bias: Tensor | None = None,
        rotate: Callable[[Tensor], Tensor] | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        cross_cache: KeyValueCache | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """One step up.

        Args:
            x: (B, T, d_model).  mask, causal, bias, rotate, cache: as in `MultiHeadAttention`.
            memory: (B, S, d_model), the encoder's output.  memory_mask: broadcastable to (B, H, T, S).

        Returns:
            x (B, T, d_model), weights (B, H, T, T) or None, cross-attention weights (B, H, T, S) or None.
        """
        attended, weights = self.attention(
            self._before(x, self.attention_norm),
            mask=mask,
            causal=causal,
            bias=bias,
            rotate=rotate,
            cache=cache,
            need_weights=need_weights,
        )
        x = self._after(x, attended, self.attention_norm)
        cross_weights = None
        if self.cross_attention is not None:
            attended, cross_weights = self.cross_attention(
                self._before(x, self.cross_norm),
                memory,
                mask=memory_mask,
                cache=cross_cache,
                need_weights=need_weights,
            )
            x = self._after(x, attended, self.cross_norm)
        thought = self.feed_forward(self._before(x, self.feed_forward_norm))
        return self._after(x, thought, self.feed_forward_norm), weights, cross_weights

    def _before(self, x: Tensor, norm: nn.Module) -> Tensor:
        return norm(x) if self.pre_norm else x

    def _after(self, x: Tensor, part: Tensor, norm: nn.Module) -> Tensor:
        x = x + self.dropout(part)
        return x if self.pre_norm else norm(x)


def encoder_block(d_model: int, n_heads: int, d_ff: int, dropout: float = 0.0, eps: float = 1e-5) -> Block:
    """The block of the original encoder: post-LN, ReLU (Vaswani et al. 2017, figure 1 left)."""
    return Block(
        MultiHeadAttention(d_model, n_heads, dropout=dropout),
        FeedForward(d_model, d_ff, activation="relu", dropout=dropout),
        partial(nn.LayerNorm, d_model, eps=eps),
        dropout=dropout,
    )
