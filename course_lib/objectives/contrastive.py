"""Contrastive learning: which belongs to which? (van den Oord et al. 2018; Chen et al. 2020, SimCLR)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_matrix(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of every vector of `first` (…, N, D) with every one of `second` (…, M, D): (…, N, M)."""
    return F.normalize(first.float(), dim=-1) @ F.normalize(second.float(), dim=-1).transpose(-2, -1)


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE over a batch: each vector is to find its partner among all of the other side.

        s_ij = cos(first_i, second_j) / temperature
        loss = mean over i of -log softmax(s_i)_i,   and the same with the two sides exchanged, averaged

    Van den Oord et al. 2018, equation 4, with the similarity of Chen et al. 2020, equation 1. Pair i is the
    positive of row i, every other pair of the batch gives a negative. A batch of N pairs whose vectors
    say nothing has a loss of log N. (SimCLR also takes the N - 1 other vectors of the own side as negatives.)

    Args:
        first, second: (N, D), row i of one belongs to row i of the other. They need not have length one.
        temperature: divides the cosines; small makes the nearest negatives count alone.

    Returns:
        The loss in nats, a scalar.

    Raises:
        ValueError: shapes that do not match, fewer than two pairs, a temperature that is not above 0.
    """
    if first.dim() != 2 or first.shape != second.shape:
        raise ValueError(
            f"first {tuple(first.shape)} and second {tuple(second.shape)}: give (N, D) twice, row i of one "
            "belonging to row i of the other"
        )
    if len(first) < 2:
        raise ValueError(f"{len(first)} pair: the others of the batch are the negatives, so give at least 2")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}: it must be above 0, such as 0.1")
    scores = cosine_matrix(first, second) / temperature  # (N, N)
    partner = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, partner) + F.cross_entropy(scores.T, partner)) / 2
