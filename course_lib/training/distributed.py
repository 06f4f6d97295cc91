"""Data parallel training: the same script, started once a process by ``torchrun``.

Every process holds the whole model and reads the same batch, works on its share of the rows, and adds its
gradients to everybody's. The sum over processes is the gradient of the whole batch: the loss curve is that of
one process.
"""

from __future__ import annotations

import atexit
import os

import torch
import torch.distributed as dist
from torch import Tensor

from course_lib.training.device import pick_device


class Workers:
    """The processes of this run; a single one without torchrun."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = device
        if self.size > 1 and not dist.is_initialized():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(dist.destroy_process_group)

    @property
    def is_first(self) -> bool:
        """Whether this process does what only one must do: print, draw, save."""
        return self.rank == 0

    def share(self, n_rows: int) -> range:
        """This process's rows of a batch; none where there are fewer rows than processes."""
        return range(n_rows * self.rank // self.size, n_rows * (self.rank + 1) // self.size)

    def add_up(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one message."""
        if self.size == 1:
            return
        flat = torch.cat([t.detach().flatten().float() for t in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def same_everywhere(self, tensors: list[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        if self.size == 1:
            return flag
        answer = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(answer, op=dist.ReduceOp.MAX)
        return bool(answer)


def local_device() -> torch.device:
    """The device `pick_device` finds; under torchrun each process has a GPU of its own."""
    device = pick_device()
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device
