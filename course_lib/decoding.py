"""What every way of writing needs: a batch of prompts, the model's memory of them, and the next logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from course_lib.models.encoder_decoder import EncoderDecoder

Ids = Tensor | Sequence[int] | Sequence[Sequence[int]]


class Text:
    """What is read and written so far, and the model's memory of it."""

    def __init__(
        self,
        model: Any,
        ids: Ids,
        mask: Tensor | None,
        max_new_tokens: int,
        eos_id: int | Sequence[int] | None,
        pad_id: int | None,
    ) -> None:
        if not hasattr(model, "new_cache"):
            raise TypeError(f"{type(model).__name__} does not write: take a GPT, Llama, Bart or T5")
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens {max_new_tokens}: ask for 1 or more")
        config = model.config
        self.model, self.max_new_tokens, self.cache = model, max_new_tokens, model.new_cache()
        eos_id = getattr(config, "eos_id", None) if eos_id is None else eos_id
        self.eos_ids = [] if eos_id is None else [eos_id] if isinstance(eos_id, int) else list(eos_id)
        pad_id = getattr(config, "pad_id", None) if pad_id is None else pad_id
        self.pad_id = pad_id if pad_id is not None else self.eos_ids[0] if self.eos_ids else 0
        reads_first = isinstance(model, EncoderDecoder)
        ids, mask = as_batch(ids, mask, self.pad_id, left=not reads_first)
        device = next(model.parameters()).device
        ids, mask = ids.to(device), None if mask is None else mask.to(device)
        if reads_first:
            if mask is not None:
                ids = ids.masked_fill(~mask, config.pad_id)
            with reading(model):
                self.memory = model.encode(ids).hidden
            self.memory_mask = ids != config.pad_id
            ids, mask = ids.new_full((len(ids), 1), config.start_id), None
        else:
            self.memory = None
        self.ids, self.mask = ids, mask
        limit = getattr(config, "max_positions", None)
        length = ids.shape[1] + max_new_tokens - 1  # the last token is written but never read
        if limit is not None and length > limit:
            room = limit + 1 - ids.shape[1]
            raise ValueError(
                f"{ids.shape[1]} tokens and {max_new_tokens} new ones; this model was made for {limit}: "
                + (f"ask for at most {room}" if room > 0 else f"shorten the prompt to {limit} or fewer")
            )

    def read(self, new: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (B, vocab_size) of what comes after the new tokens (B, T)."""
        with reading(self.model):
            if self.memory is None:
                out = self.model(new, mask, cache=self.cache, last_only=True)
            else:
                out = self.model.decode(new, self.memory, self.memory_mask, cache=self.cache, last_only=True)
        return out.logits[:, -1].float()

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order."""
        self.cache.select(rows)
        if self.memory is not None:
            self.memory, self.memory_mask = self.memory[rows], self.memory_mask[rows]

    def seen(self, vocab_size: int) -> Tensor:
        """(B, vocab_size), True for each token that stands in the text; padding does not."""
        seen = torch.zeros(len(self.ids), vocab_size, dtype=torch.int, device=self.ids.device)
        real = torch.ones_like(self.ids) if self.mask is None else self.mask
        return seen.scatter_add_(1, self.ids, real.int()) > 0


@contextmanager
def reading(model: Any) -> Iterator[None]:
    """Without gradients, and without dropout even in the middle of training."""
    training = [module for module in model.modules() if module.training] if model.training else []
    for module in training:
        module.training = False
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def as_batch(ids: Ids, mask: Tensor | None, pad_id: int, left: bool) -> tuple[Tensor, Tensor | None]:
    """(B, T) ids and mask; rows of unequal length are padded."""
    if not isinstance(ids, Tensor):
        rows = (
            [list(row) for row in ids] if len(ids) and isinstance(ids[0], Sequence | Tensor) else [list(ids)]
        )
        if mask is not None:
            raise ValueError("a list of rows is padded and masked here: leave the mask out, or give a tensor")
        T = max(map(len, rows))
        ids = torch.tensor(
            [[pad_id] * (T - len(r)) + r if left else r + [pad_id] * (T - len(r)) for r in rows]
        )
        lengths = torch.tensor([len(row) for row in rows])[:, None]
        place = torch.arange(T).expand(len(rows), T)
        mask = place >= T - lengths if left else place < lengths
        mask = None if mask.all() else mask
    ids = ids[None] if ids.dim() == 1 else ids
    empty = ids.numel() == 0 if mask is None else not mask.any(dim=1).all()
    if empty:
        raise ValueError("a prompt without tokens: give at least one, such as the token that begins a text")
    if left and mask is not None and (mask[:, :-1] & ~mask[:, 1:]).any():
        raise ValueError(
            "padding after a prompt's tokens: what is written would come after it. Pad on the left, or give "
            "a list of lists, which is padded here"
        )
    return ids, mask


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make seen tokens less likely: divide what is positive, multiply what is negative (Keskar et al. 2019).

    Args:
        logits: (B, vocab_size).  seen: (B, vocab_size), True for tokens that stand in the text.
        penalty: above 1 avoids repetition, 1 changes nothing.
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def check_penalty(penalty: float) -> None:
    """Refuse a penalty that cannot divide."""
    if penalty <= 0:
        raise ValueError(
            f"repetition_penalty {penalty}: it divides logits; choose above 0, where 1 changes nothing"
        )
