"""What GPT and Llama share: one direction, one token after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.attention import banded_mask, causal_mask
from course_lib.models.common import ModelCache, Output, run_blocks, score
from course_lib.models.hf import Model


class Decoder(Model):
    """Causal blocks over embedded tokens, and the loss on each next token.

    A child has `blocks`, `norm`, and a `config` with `n_layers`.
    """

    @abstractmethod
    def embed(self, ids: Tensor, past: int, real: Tensor | None) -> tuple[Tensor, dict[str, Any]]:
        """The blocks' input (B, T, d_model), and what else they take: masks, rotations.

        Args:
            ids: (B, T), the new tokens.  past: positions before them.
            real: (B, past + T), True where a position is no padding; None when all are.
        """

    @abstractmethod
    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, vocab_size) from hidden (…, d_model)."""

    def forward(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        *,
        cache: ModelCache | None = None,
        labels: Tensor | None = None,
        last_only: bool = False,
        need_weights: bool = False,
    ) -> Output:
        """Predict each next token from what came before (Radford et al. 2018, equations 1 and 2).

        Args:
            ids: (B, T); with a cache, only the tokens that are new.
            mask: (B, T), True where a token is real; all are when not given. Padding stands on the left.
            cache: what `new_cache` gave; this call's keys and values are added.
            labels: (B, T), the ids themselves, -100 where not to be scored; shifted by one in here.
            last_only: compute the logits of the last position only.
            need_weights: also return the attention weights.

        Returns:
            `logits` (B, T, vocab_size), (B, 1, vocab_size) with `last_only`, or (N, vocab_size) at the N
            scored places with `labels`.
        """
        past = cache.length if cache else 0
        real = remember_mask(ids, mask, cache)
        x, options = self.embed(ids, past, real)
        out = run_blocks(self.blocks, x, **options, causal=True, cache=cache, need_weights=need_weights)
        out.hidden = self.norm(out.hidden)
        return score_next(out, labels, self.head, real, last_only)

    def new_cache(self) -> ModelCache:
        """An empty memory for decoding step by step."""
        return ModelCache(self.config.n_layers)


def remember_mask(ids: Tensor, mask: Tensor | None, cache: ModelCache | None) -> Tensor | None:
    """(B, S), which of all positions so far are real; None when all are.

    Args:
        ids: (B, T), the new tokens.  mask: (B, T), which of these are real.  cache: keeps what is returned.
    """
    if mask is not None and (mask.shape != ids.shape or mask.dtype != torch.bool):
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} and {mask.dtype} for ids of shape {tuple(ids.shape)}: give a "
            "boolean for each of these ids, True where the token is real"
        )
    before = cache.mask if cache else None
    if mask is None and before is None:
        return None
    if before is None:
        before = ids.new_ones(len(ids), cache.length if cache else 0, dtype=torch.bool)
    mask = torch.cat([before, torch.ones_like(ids, dtype=torch.bool) if mask is None else mask], dim=1)
    if cache:
        cache.mask = mask
    return mask


def count_positions(ids: Tensor, real: Tensor | None, past: int) -> Tensor:
    """Each token's place: (T,) without padding, else (B, T), where padding is not counted."""
    T = ids.shape[1]
    if real is None:
        return torch.arange(past, past + T, device=ids.device)
    return (real.cumsum(dim=1) - 1).clamp(min=0)[:, -T:]


def look_back(ids: Tensor, past: int, real: Tensor | None, band: int | None = None) -> Tensor | None:
    """The mask of a decoder, broadcastable to (B, 1, T, past + T); None where plain causal attention will do.

    Args:
        ids: (B, T), the new tokens.  past: positions before them.
        real: (B, past + T), as `remember_mask` gives it.
        band: see only this many positions, oneself included.
    """
    if real is None and band is None:
        return None
    T, device = ids.shape[1], ids.device
    mask = causal_mask(T, past, device) if band is None else banded_mask(past + T, band, device)[past:]
    return mask if real is None else mask & real[:, None, None, :]


def score_next(
    out: Output, labels: Tensor | None, head: Callable[[Tensor], Tensor], real: Tensor | None, last_only: bool
) -> Output:
    """Fill in a decoder's logits, and its loss: position t is scored on the label of t + 1."""
    if labels is None:
        out.logits = head(out.hidden[:, -1:] if last_only else out.hidden)
        return out
    following = labels[:, 1:]
    if real is not None:  # padding predicts nothing, not even the first token
        real = real[:, -labels.shape[1] :]
        following = following.masked_fill(~(real[:, :-1] & real[:, 1:]), -100)
    out.logits, out.loss = score(out.hidden[:, :-1], following, head)
    return out
