"""Batches and their pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.models.decoder import Decoder

NOT_SCORED = -100


def model_loss(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor | int]:
    """The loss of ``model(**batch)`` for a model of `course_lib.models`: its sum, and the number scored.

    A decoder's labels are the ids themselves when not given.
    """
    if "labels" not in batch and isinstance(getattr(model, "_orig_mod", model), Decoder):
        batch = {**batch, "labels": batch["ids"]}
    output = model(**batch)
    if output.loss is None:
        raise ValueError(f"a batch of {', '.join(batch)} gave no loss: add labels, or give a loss_fn")
    # with labels, most models compute logits only where they are scored: (N, vocab_size)
    n_scored = len(output.logits) if output.logits.dim() == 2 else (batch["labels"] != NOT_SCORED).sum()
    return output.loss * n_scored, n_scored


def tensors_of(batch: Any) -> list[Tensor]:
    """The tensors of a batch: itself, or a tuple's, list's or dict's.

    Raises:
        TypeError: the batch is something else.  ValueError: its tensors differ in the number of rows.
    """
    parts = list(batch.values()) if isinstance(batch, dict) else batch
    parts = list(parts) if isinstance(parts, list | tuple) else [parts]
    if not parts or not all(isinstance(part, Tensor) and part.dim() for part in parts):
        raise TypeError(
            f"a batch of {type(batch).__name__}: give a tensor, or a tuple or dict of tensors, rows first"
        )
    if len({len(part) for part in parts}) > 1:
        raise ValueError(
            f"a batch whose tensors have {[len(part) for part in parts]} rows: give each the same number"
        )
    return parts


def cut(batch: Any, rows: range, n_pieces: int, device: torch.device) -> Iterator[Any]:
    """These rows of a batch in `n_pieces` pieces of about equal size, each brought to `device`."""
    size = -(-len(rows) // n_pieces) or 1
    for start in range(rows.start, rows.stop, size):
        stop = min(start + size, rows.stop)
        yield _map(batch, lambda t, a=start, b=stop: t[a:b].to(device, non_blocking=True))


def _map(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {name: change(tensor) for name, tensor in batch.items()}
    return tuple(change(tensor) for tensor in batch)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an accelerator, or the machine, had no memory left."""
    # Apple's GPU and the CPU raise a plain RuntimeError
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)
    )
