"""Which parameters are trained how."""

from __future__ import annotations

import torch
from torch import nn

from course_lib.training.muon import Muon


def make_optimizers(
    model: nn.Module,
    name: str = "adamw",
    learning_rate: float = 1e-3,
    weight_decay: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.95),
) -> list[torch.optim.Optimizer]:
    """AdamW for everything ("adamw"), or Muon for the matrices inside and AdamW for the rest ("muon").

    Matrices and tables decay; biases and norms do not (Radford et al. 2018, section 4.1). Muon is made for
    hidden matrices, those of the linear layers in a stack (`nn.ModuleList`): embeddings and output layers
    stay with AdamW. Parameters that need no gradient are left out.

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
        made.append(Muon(hidden, lr=learning_rate, weight_decay=weight_decay))
    return made


def _hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weights of the linear layers inside module lists, each once."""
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    linear = [m.weight for stack in stacks for m in stack.modules() if isinstance(m, nn.Linear)]
    return list({id(weight): weight for weight in linear if weight.requires_grad}.values())
