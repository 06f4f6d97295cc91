"""Masked language modelling: hide some tokens, find them again (Devlin et al. 2019, section 3.1, task 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course_lib.objectives.places import PlacedBatches

if TYPE_CHECKING:
    from course_lib.data.batching import Batches, Blocks
    from course_lib.tokenization.base import Tokenizer

NOT_SCORED = -100  # what torch's cross entropy leaves out


def mask_tokens(
    ids: Tensor,
    tokenizer: Tokenizer,
    *,
    rate: float = 0.15,
    mask_share: float = 0.8,
    random_share: float = 0.1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose tokens at random and hide them; special tokens and padding are never chosen.

    Each token is chosen by itself with probability `rate`. A chosen one is replaced by [MASK] with
    probability `mask_share`, by a random token that is not special with `random_share`, and stays as it is
    otherwise; in all three cases the model is to say which token stood there. Call it anew for each batch,
    so that every epoch hides other tokens (RoBERTa: Liu et al. 2019, section 4.1).

    Args:
        ids: (…) int64.
        tokenizer: says which ids are special, and which hides.
        rate, mask_share, random_share: 0.15, 0.8 and 0.1 in the paper.
        generator: where the chances come from; torch's own when not given.

    Returns:
        inputs (…), what the model reads; labels (…), the token where one was chosen and -100 elsewhere.

    Raises:
        ValueError: shares that are no probabilities, or an id that the tokenizer does not have.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"rate is {rate}: choose a share above 0 and at most 1, such as 0.15")
    if min(mask_share, random_share) < 0 or mask_share + random_share > 1:
        raise ValueError(
            f"mask_share {mask_share} and random_share {random_share}: both are shares of the chosen tokens, "
            "at least 0 and together at most 1"
        )
    ordinary = ordinary_ids(tokenizer, ids.device)
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < len(tokenizer):
        raise ValueError(
            f"ids from {int(ids.min())} to {int(ids.max())} and a vocabulary of {len(tokenizer)}: were they "
            "made by another tokenizer?"
        )

    def chance() -> Tensor:
        return torch.rand(ids.shape, generator=generator, device=ids.device)

    is_ordinary = torch.zeros(len(tokenizer), dtype=torch.bool, device=ids.device)
    is_ordinary[ordinary] = True
    chosen = is_ordinary[ids] & (chance() < rate)
    fate = chance()
    hidden = chosen & (fate < mask_share)
    swapped = chosen & ~hidden & (fate < mask_share + random_share)
    anything = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator, device=ids.device)]
    inputs = torch.where(hidden, tokenizer.mask_id, torch.where(swapped, anything, ids))
    return inputs, torch.where(chosen, ids, NOT_SCORED)


def ordinary_ids(tokenizer: Tokenizer, device: torch.device | str = "cpu") -> Tensor:
    """The ids that are not special, in order: (vocab_size - n_special,)."""
    special = {tokenizer.vocab[token] for token in tokenizer.special_tokens}
    return torch.tensor([i for i in range(len(tokenizer)) if i not in special], device=device)


class MaskedBatches(PlacedBatches):
    """Batches with words hidden, other ones each time; for the `Trainer`, which resumes them exactly.

    Args:
        batches: they have "ids" (B, T).
        tokenizer, masking: as `mask_tokens` takes them.
        seed: of the choices.
        framed: whether to put [CLS] before each row and [SEP] after it.
    """

    def __init__(
        self,
        batches: Batches | Blocks,
        tokenizer: Tokenizer,
        seed: int = 0,
        *,
        framed: bool = False,
        **masking: float,
    ) -> None:
        super().__init__(batches, seed)
        self.tokenizer, self.framed, self.masking = tokenizer, framed, masking

    def device_of(self, batch: Mapping[str, Tensor]) -> torch.device:
        return batch["ids"].device

    def change(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """The batch with "ids" as the model reads them, and "labels"."""
        ids = frame(batch["ids"], self.tokenizer) if self.framed else batch["ids"]
        inputs, labels = mask_tokens(ids, self.tokenizer, generator=generator, **self.masking)
        return {**batch, "ids": inputs, "labels": labels}


def frame(ids: Tensor, tokenizer: Tokenizer) -> Tensor:
    """[CLS] before each row and [SEP] after it: (B, T) -> (B, T + 2)."""
    first, last = (ids.new_full((len(ids), 1), i) for i in (tokenizer.cls_id, tokenizer.sep_id))
    return torch.cat([first, ids, last], dim=1)
