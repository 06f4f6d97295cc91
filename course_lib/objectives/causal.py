"""Causal language modelling: predict the next token (Radford et al. 2018, equation 1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from course_lib.objectives.mlm import NOT_SCORED


def causal_lm_loss(logits: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of each token given those before it, in nats a token.

    The shift happens here: position t is scored on token t + 1, and the last position on nothing.

    Args:
        logits: (B, T, vocab_size), computed from `ids` with a causal mask.
        ids: (B, T).
        mask: (B, T) boolean, True where a token is real; padding is not scored.

    Raises:
        ValueError: shapes that do not belong together, or fewer than two tokens.
    """
    if logits.shape[:-1] != ids.shape or ids.shape[-1] < 2:
        raise ValueError(
            f"logits {tuple(logits.shape)} and ids {tuple(ids.shape)}: give (B, T, vocab_size) and (B, T) of "
            "the same B and T, at least two tokens, and do not shift them before"
        )
    target = ids[:, 1:]
    if mask is not None:
        target = target.masked_fill(~mask[:, 1:], NOT_SCORED)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), target.flatten(), ignore_index=NOT_SCORED)
