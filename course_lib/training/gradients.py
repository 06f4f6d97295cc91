"""The gradient of a whole batch, piece by piece, in as many pieces as memory asks for."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from course_lib.training.pieces import cut, is_out_of_memory, tensors_of
from course_lib.training.randomness import get_random_state, set_random_state

if TYPE_CHECKING:
    from course_lib.training.trainer import Trainer


def batch_gradient(trainer: Trainer, batch: Any) -> float:
    """Leave the gradient of the batch's mean loss in the parameters of all processes; return that loss.

    Losses are summed over pieces and processes and divided once, by the number of things scored in the whole
    batch: a mean of the pieces' means would weigh a label more where its piece has few.

    Raises:
        torch.OutOfMemoryError: not even one row fits.
    """
    workers, device = trainer.workers, trainer.device
    n_rows = len(tensors_of(batch)[0])
    before = get_random_state(device)  # a second try draws the same dropout
    while True:
        trainer.model.zero_grad(set_to_none=True)
        summed, scored, failed = torch.zeros((), device=device), torch.zeros((), device=device), False
        try:
            for piece in cut(batch, workers.share(n_rows), trainer.micro_batches, device):
                loss, count = _summed_loss(trainer, piece)
                loss.backward()
                summed, scored = summed + loss.detach(), scored + count
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failed = True
        if not workers.any(failed):
            break
        _smaller_pieces(trainer, n_rows)
        set_random_state(before, device)

    parameters = [p for p in trainer.model.parameters() if p.requires_grad]
    if workers.size > 1:
        for p in parameters:  # every process must send as much as the others
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    gradients = [p.grad for p in parameters if p.grad is not None]
    sums = torch.stack([summed, scored])
    workers.add_up([*gradients, sums])
    total, count = sums.tolist()
    count = max(count, 1)  # a batch in which nothing is scored teaches nothing
    torch._foreach_div_(gradients, count)
    return total / count


def _summed_loss(trainer: Trainer, piece: Any) -> tuple[Tensor, Tensor | int]:
    bf16 = trainer.precision == "bf16"
    with torch.autocast(trainer.device.type, torch.bfloat16) if bf16 else nullcontext():
        answer = trainer.loss_fn(trainer.forward, piece)
    n_rows = len(tensors_of(piece)[0])
    loss, count = answer if isinstance(answer, tuple) else (answer, n_rows)
    if not isinstance(loss, Tensor) or loss.dim() or not loss.requires_grad:
        raise TypeError(
            "loss_fn must give one number that depends on the model's weights, as a tensor, or the pair "
            f"(summed loss, number of things scored); it gave {answer!r}"
        )
    return loss.float() * (1 if isinstance(answer, tuple) else n_rows), count


def _smaller_pieces(trainer: Trainer, n_rows: int) -> None:
    if trainer.device.type == "cuda":
        torch.cuda.empty_cache()
    if trainer.micro_batches >= n_rows / trainer.workers.size:
        raise torch.OutOfMemoryError(
            f"out of memory with one row at a time, of a batch of {n_rows}: shorten the rows, or make the "
            "model smaller"
        )
    trainer.micro_batches *= 2
    if trainer.workers.is_first:
        print(f"Out of memory: going on with {trainer.micro_batches} micro-batches of the same batch.")
