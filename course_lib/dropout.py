"""Dropout that a laptop can afford."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Set a random share `p` of x (any shape) to zero and scale up the rest (Srivastava et al. 2014).

    The same as PyTorch's, which on a CPU spends more time on drawing than a layer spends on multiplying: it
    makes one random number for each element. Here one 64-bit number serves four, so p is a multiple of 2⁻¹⁶.
    """
    dropped = round(p * 2**16)
    if not training or not 0 < dropped < 2**16 or x.device.type != "cpu":
        return F.dropout(x, p, training)
    numbers = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    keep = numbers.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - 2**15
    return x * keep.to(x.dtype).mul_(2**16 / (2**16 - dropped))


class Dropout(nn.Dropout):
    """`dropout` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape -> the same shape; x itself in evaluation mode."""
        return dropout(x, self.p, self.training)
