"""What BART and T5 share: read everything once, then write one token after the other."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from course_lib.attention import padding_mask
from course_lib.models.common import ModelCache, Output, run_blocks, score
from course_lib.models.hf import Model


def shift_right(labels: Tensor, start_id: int, pad_id: int) -> Tensor:
    """The decoder's input for these labels: `start_id`, then all but the last; padding for -100.

    labels (B, T) -> (B, T). From position t the decoder then predicts label t.
    """
    shifted = torch.cat([torch.full_like(labels[:, :1], start_id), labels[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == -100, pad_id)


class EncoderDecoder(Model):
    """An encoder, a decoder that attends to its output, and the loss on what the decoder should say.

    A child has `encoder_blocks`, `decoder_blocks`, `encoder_norm`, `decoder_norm`, and a `config` with
    `pad_id`, `start_id` (what the decoder begins with) and `n_layers` (of each side).
    """

    @abstractmethod
    def embed(self, ids: Tensor, past: int | None = None) -> tuple[Tensor, dict[str, Any]]:
        """The blocks' input (B, T, d_model), and what else they take: masks, position biases.

        Args:
            ids: (B, T).  past: positions before them in the decoder; None in the encoder.
        """

    @abstractmethod
    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, vocab_size) from the decoder's hidden (…, d_model)."""

    def encode(self, ids: Tensor, *, need_weights: bool = False) -> Output:
        """ids (B, S) -> Output; its `hidden` (B, S, d_model) is the decoder's memory. Padding is not seen."""
        x, options = self.embed(ids)
        mask = padding_mask(ids, self.config.pad_id)
        out = run_blocks(self.encoder_blocks, x, mask, **options, need_weights=need_weights)
        out.hidden = self.encoder_norm(out.hidden)
        return out

    def decode(
        self,
        decoder_ids: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        *,
        cache: ModelCache | None = None,
        last_only: bool = False,
        labels: Tensor | None = None,
        need_weights: bool = False,
    ) -> Output:
        """Predict what comes after each of `decoder_ids`.

        Args:
            decoder_ids: (B, T); with a cache, only the tokens that are new.
            memory: (B, S, d_model), from `encode`.
            memory_mask: (B, S), True where the input is real: ``ids != config.pad_id``.
            cache: what `new_cache` gave. The memory's keys and values are computed once, at the first call.
            last_only: compute the logits of the last position only.
            labels: (B, T), what to predict at each position, -100 where nothing.
            need_weights: also return the attention weights, onto oneself and onto the memory.

        Returns:
            `logits` (B, T, vocab_size), (B, 1, vocab_size) with `last_only`, or (N, vocab_size) at the N
            labelled places.
        """
        x, options = self.embed(decoder_ids, cache.length if cache else 0)
        out = run_blocks(
            self.decoder_blocks,
            x,
            **options,
            memory=memory,
            memory_mask=None if memory_mask is None else memory_mask[:, None, None, :],
            cache=cache,
            need_weights=need_weights,
        )
        out.hidden = self.decoder_norm(out.hidden)
        if labels is None:
            out.logits = self.head(out.hidden[:, -1:] if last_only else out.hidden)
        else:
            out.logits, out.loss = score(out.hidden, labels, self.head)
        return out

    def forward(
        self,
        ids: Tensor,
        decoder_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        last_only: bool = False,
        need_weights: bool = False,
    ) -> Output:
        """Encode `ids` (B, S), then decode; the rest as in `decode`. The result's `encoder` is `encode`'s.

        Without `decoder_ids` the decoder reads `labels`, shifted right.
        """
        if decoder_ids is None and labels is None:
            raise ValueError("the decoder has nothing to read: give decoder_ids, or labels to train on")
        encoded = self.encode(ids, need_weights=need_weights)
        out = self.decode(
            self.shift_right(labels) if decoder_ids is None else decoder_ids,
            encoded.hidden,
            ids != self.config.pad_id,
            labels=labels,
            last_only=last_only,
            need_weights=need_weights,
        )
        out.encoder = encoded
        return out

    def shift_right(self, labels: Tensor) -> Tensor:
        """The decoder's input for these labels (B, T)."""
        return shift_right(labels, self.config.start_id, self.config.pad_id)

    def new_cache(self) -> ModelCache:
        """An empty memory for decoding step by step."""
        return ModelCache(self.config.n_layers, crosses=True)
