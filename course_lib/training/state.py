"""What a checkpoint of a run holds: weights, optimizers, random states, place in the data, curve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from course_lib.training.randomness import from_json, get_random_state, set_random_state, to_json

if TYPE_CHECKING:
    from course_lib.training.trainer import Trainer


def collect(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name (``model.…`` and ``optimizer.…``), and the rest, for `save_checkpoint`."""
    tensors = {f"model.{name}": tensor for name, tensor in trainer.model.state_dict().items()}
    for name, parameter, optimizer in _trained(trainer):
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{name}.{key}"] = torch.as_tensor(value)
    return tensors, {
        "curve": trainer.curve,
        "tokens": trainer.tokens,
        "micro_batches": trainer.micro_batches,
        "optimizer": trainer.optimizer,
        "random": to_json(get_random_state(trainer.device)),
        "data": trainer.data.state_dict() if hasattr(trainer.data, "state_dict") else None,
        "torch": torch.__version__,
    }


def restore(trainer: Trainer, folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Bring a trainer to where `collect` was called. Nothing is changed where an error is raised.

    Raises:
        ValueError: the checkpoint is of another model, another optimizer or other data.
    """
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    mine = {name: tuple(t.shape) for name, t in trainer.model.state_dict().items()}
    theirs = {name: tuple(t.shape) for name, t in weights.items()}
    if mine != theirs:
        name = next(n for n in {**mine, **theirs} if mine.get(n) != theirs.get(n))
        raise ValueError(
            f"the checkpoint in {folder} is of another model: {name} has shape {theirs.get(name)} there and "
            f"{mine.get(name)} here (None: it has none). Build the same model, or use another folder"
        )
    if state["optimizer"] != trainer.optimizer:
        raise ValueError(
            f"the checkpoint in {folder} was trained with {state['optimizer']}, this trainer uses "
            f"{trainer.optimizer}: choose the same, or another folder"
        )
    if state["data"] is not None and hasattr(trainer.data, "load_state_dict"):
        trainer.data.load_state_dict(state["data"])
    elif trainer.workers.is_first:
        print("The data cannot be taken up where it was (no state_dict): it goes on from where it stands.")
    trainer.model.load_state_dict(weights)
    for optimizer in trainer.optimizers:
        optimizer.state.clear()
    for name, parameter, optimizer in _trained(trainer):
        prefix = f"optimizer.{name}."
        for key, tensor in tensors.items():
            if key.startswith(prefix) and "." not in key.removeprefix(prefix):
                optimizer.state[parameter][key.removeprefix(prefix)] = tensor.to(trainer.device)
    set_random_state(from_json(state["random"]), trainer.device)
    trainer.curve, trainer.tokens = state["curve"], state["tokens"]
    trainer.micro_batches = state["micro_batches"]


def _trained(trainer: Trainer) -> Iterator[tuple[str, nn.Parameter, torch.optim.Optimizer]]:
    """Each trained parameter, its name, and the optimizer that has it and has seen it."""
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield names[id(parameter)], parameter, optimizer
