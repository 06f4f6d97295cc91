"""From ids to vectors: tokens, segments, and four ways to say where a token stands."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_lib.dropout import Dropout


def sinusoidal_positions(T: int, d_model: int) -> Tensor:
    """(T, d_model): sine and cosine of ever slower waves (Vaswani et al. 2017, section 3.5).

        table[t, 2i] = sin(t / 10000^(2i / d_model))      table[t, 2i + 1] = cos(the same)

    An odd d_model ends on a sine.
    """
    if T < 1 or d_model < 1:
        raise ValueError(f"positions of shape ({T}, {d_model}): both sizes must be at least 1")
    frequency = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    angle = torch.arange(T)[:, None] * frequency  # (T, ceil(d_model / 2))
    table = torch.empty(T, d_model)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()[:, : d_model // 2]
    return table


class InputEmbedding(nn.Module):
    """Token + position (+ segment), summed: the input of BERT (Devlin et al. 2019, figure 2), GPT and BART.

    Positions are a learned table. The original Transformer computes sinusoids instead.

    Args:
        vocab_size, d_model: sizes of the token table.
        max_positions: rows of the position table; longer input is refused.
        n_segments: rows of the segment table; 0 for models without segments.
        pad_id: this token's vector stays zero.
        position_offset: the first token's row in the position table (RoBERTa and BART start at 2).
        norm: normalise the sum; eps: the normalisation's epsilon.
        dropout: share of the sum dropped in training.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        max_positions: int,
        *,
        n_segments: int = 0,
        pad_id: int | None = None,
        position_offset: int = 0,
        norm: bool = True,
        eps: float = 1e-12,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model, padding_idx=pad_id)
        self.position = nn.Embedding(max_positions + position_offset, d_model)
        self.segment = nn.Embedding(n_segments, d_model) if n_segments else None
        self.norm = nn.LayerNorm(d_model, eps=eps) if norm else nn.Identity()
        self.dropout = Dropout(dropout)
        self.max_positions, self.position_offset = max_positions, position_offset

    def forward(
        self, ids: Tensor, segments: Tensor | None = None, *, past: int = 0, positions: Tensor | None = None
    ) -> Tensor:
        """ids (B, T), segments (B, T) or None for all zeros -> (B, T, d_model).

        `past` counts tokens already in a cache; `positions` (B, T) names each token's place outright.
        """
        T = ids.shape[-1]
        check_ids(ids, self.token.num_embeddings)
        check_length(past + T, self.max_positions)
        if positions is None:
            positions = torch.arange(past, past + T, device=ids.device)
        x = self.token(ids) + self.position(positions + self.position_offset)
        if self.segment is not None:
            x = x + self.segment(torch.zeros_like(ids) if segments is None else segments)
        return self.dropout(self.norm(x))


def check_ids(ids: Tensor, vocab_size: int) -> None:
    """Name an id outside the vocabulary, which the look-up itself would call "index out of range in self"."""
    if ids.device.type == "cpu" and ids.numel() and not torch.compiler.is_compiling():
        low, high = ids.aminmax()
        if low < 0 or high >= vocab_size:
            bad = int(low) if low < 0 else int(high)
            raise ValueError(
                f"token id {bad} in a model whose vocabulary has ids 0 to {vocab_size - 1}: encode the text "
                "with this model's own tokenizer"
            )


def check_length(T: int, max_positions: int) -> None:
    """Refuse a sequence that is longer than a model can tell positions apart."""
    if max_positions < T:
        raise ValueError(
            f"sequence of {T} tokens; this model was made for {max_positions}: shorten the text or raise "
            "max_positions"
        )


class RotaryEmbedding(nn.Module):
    """Turn each pair of a head's numbers by an angle that grows with the position.

    The dot product of two turned vectors depends on how far apart they stand, not on where (RoPE, Su et al.
    2021, equation 34).
    """

    def __init__(self, d_head: int, base: float = 10_000.0) -> None:
        super().__init__()
        if d_head % 2:
            raise ValueError(f"d_head {d_head} is odd: rotary positions turn pairs; choose an even width")
        frequency = base ** (-torch.arange(0, d_head, 2) / d_head)
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """positions (T,) or (B, 1, T) -> cosine and sine (…, T, d_head)"""
        angle = positions[..., None].float() * self.frequency
        angle = torch.cat([angle, angle], dim=-1)
        return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn x (B, H, T, D): number i is paired with number i + D/2, as Llama's weights expect."""
    left, right = x.chunk(2, dim=-1)
    return (x * cosine + torch.cat([-right, left], dim=-1) * sine).to(x.dtype)


class RelativePositionBias(nn.Module):
    """A learned number for each distance and head, added to the scores (T5, Raffel et al. 2020, section 2.1).

    Near distances have a bucket each, far ones share buckets that widen logarithmically up to `max_distance`.
    """

    def __init__(
        self, n_heads: int, n_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(n_buckets, n_heads)
        self.max_distance, self.bidirectional = max_distance, bidirectional

    def bucket(self, distance: Tensor) -> Tensor:
        """key position minus query position -> bucket, the same shape."""
        n_buckets = self.table.num_embeddings
        if self.bidirectional:  # half of the buckets for each direction
            n_buckets //= 2
            offset = (distance > 0) * n_buckets
            distance = distance.abs()
        else:
            offset = 0
            distance = (-distance).clamp(min=0)
        near = n_buckets // 2
        far = near + (
            (distance.float().clamp(min=1) / near).log()
            / math.log(self.max_distance / near)
            * (n_buckets - near)
        ).long().clamp(max=n_buckets - near - 1)
        return offset + torch.where(distance < near, distance, far)

    def forward(self, T: int, S: int) -> Tensor:
        """(1, H, T, S) for queries at the last T of S positions (S > T when decoding with a cache)."""
        device = self.table.weight.device
        query = torch.arange(S - T, S, device=device)[:, None]
        key = torch.arange(S, device=device)[None, :]
        return self.table(self.bucket(key - query)).permute(2, 0, 1)[None]
