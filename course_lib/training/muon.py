"""Muon: updates whose directions weigh alike (Jordan et al. 2024).

A gradient's matrix is mostly a few strong directions. Muon keeps its singular vectors and brings its singular
values near one, so that the weak directions are learned too.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """For the matrices of hidden layers. The same as ``torch.optim.Muon(adjust_lr_fn="match_rms_adamw")``.

    PyTorch's computes in bfloat16 and a matrix at a time, which on a CPU takes longer than the model. Here
    matrices of one shape go together, and in bfloat16 only on a GPU.

    Args:
        params: matrices.
        lr: shared with AdamW: updates are scaled to be as large (Liu et al. 2025, equation 4).
        weight_decay: decoupled, as in AdamW.
        momentum: share of the former direction that is kept (Nesterov's).
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        """Move each matrix that has a gradient."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            alike: dict[tuple, list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                average = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
                direction = p.grad.lerp(average, momentum)
                wide = direction if len(p) <= p.shape[1] else direction.T
                alike.setdefault((wide.shape, p.device), []).append((p, wide))
            for (shape, _), pairs in alike.items():
                updates = orthogonalize(torch.stack([wide for _, wide in pairs]))
                for (p, _), update in zip(pairs, updates, strict=True):
                    p.mul_(1 - rate * group["weight_decay"])
                    p.sub_(update if p.shape == shape else update.T, alpha=rate * 0.2 * max(shape) ** 0.5)


def orthogonalize(wide: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of each matrix to between about 0.7 and 1.2, by Newton-Schulz iteration.

    The quintic and its coefficients are Jordan et al.'s (2024): X <- aX + bAX + cA²X with A = XXᵀ.

    Args:
        wide: (N, rows, columns), no more rows than columns.

    Returns:
        The same shape and kind.
    """
    a, b, c = 3.4445, -4.775, 2.0315
    x = wide.bfloat16() if wide.is_cuda else wide
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.to(wide.dtype)
