"""Which parameters are trained how."""

from __future__ import annotations

import torch
from torch import nn


def make_optimizers(
    model: nn.Module,
    name: str = "adamw",
    learning_rate: float = 1e-3,
    weight_decay: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.95),
) -> list[torch.optim.Optimizer]:
    """AdamW for everything ("adamw"), or Muon for the matrices inside and AdamW for the rest ("muon").

    Matrices and tables decay; biases and norms do not (Radford et al. 2018, section 4.1). Muon turns each
    update into one whose directions weigh alike (Jordan et al. 2024); it is made for hidden matrices, those
    of the linear layers in a stack (`nn.ModuleList`): embeddings and output layers stay with AdamW.
    Parameters that need no gradient are left out.

    Raises:
        ValueError: an unknown name, or nothing to train.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if name not in ("adamw", "muon"):
        raise ValueError(f"optimizer {name!r}: choose adamw or muon")
    if not trained:
        raise ValueError("no parameter of the model needs a gradient: unfreeze what shall be trained")
    hidden = _hidden_matrices(model) if name == "muon" else []
    if name == "muon" and not hidden:
        raise ValueError(
            "optimizer 'muon': no linear layer of the model is in an nn.ModuleList; choose adamw"
        )
    taken = {id(p) for p in hidden}
    rest = [p for p in trained if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    made: list[torch.optim.Optimizer] = []
    if groups:
        fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in rest)
        made.append(torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=fused))
    if hidden:
        # scaled so that one learning rate serves both: an update as large as AdamW's (Liu et al. 2025)
        made.append(
            torch.optim.Muon(
                hidden, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    return made


def _hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weights of the linear layers inside module lists, each once; none that is an embedding too."""
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    linear = [m.weight for stack in stacks for m in stack.modules() if isinstance(m, nn.Linear)]
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    once = {id(w): w for w in linear if w.requires_grad and id(w) not in tables}
    return list(once.values())
