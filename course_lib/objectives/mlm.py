"""Masked language modelling: hide some tokens, find them again (Devlin et al. 2019, section 3.1, task 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

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


class MaskedBatches:
    """Batches with words hidden, other ones each time; for the `Trainer`, which resumes them exactly.

    What is hidden is a function of the seed and of where the batches stand, so nothing else must be kept.

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
        self.batches, self.tokenizer, self.seed = batches, tokenizer, seed
        self.framed, self.masking = framed, masking

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return self

    def __next__(self) -> dict[str, Tensor]:
        batch = next(self.batches)
        ids = batch["ids"]
        if self.framed:
            ids = frame(ids, self.tokenizer)
        state = self.batches.state_dict()
        # every place of every epoch has a seed of its own
        place = (self.seed * 1_000_003 + state["epoch"]) * 1_000_003 + state["position"]
        generator = torch.Generator(ids.device).manual_seed(place % 2**63)
        inputs, labels = mask_tokens(ids, self.tokenizer, generator=generator, **self.masking)
        return {**batch, "ids": inputs, "labels": labels}

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch stands."""
        return {**self.batches.state_dict(), "mask_seed": self.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ValueError: it was taken from other batches or another seed.
        """
        if state.get("mask_seed") != self.seed:
            raise ValueError(
                f"these batches are masked with seed {self.seed}, the saved ones with "
                f"{state.get('mask_seed')}: take the same seed, or start anew"
            )
        self.batches.load_state_dict({k: v for k, v in state.items() if k != "mask_seed"})


def frame(ids: Tensor, tokenizer: Tokenizer) -> Tensor:
    """[CLS] before each row and [SEP] after it: (B, T) -> (B, T + 2)."""
    first, last = (ids.new_full((len(ids), 1), i) for i in (tokenizer.cls_id, tokenizer.sep_id))
    return torch.cat([first, ids, last], dim=1)
