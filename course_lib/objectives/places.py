"""Batches that are changed at random, yet the same each time they are served again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from course_lib.data.batching import Batches, Blocks


class PlacedBatches(ABC):
    """Every place of every epoch has a seed of its own, so to resume only the place must be kept.

    A child says in `change` what becomes of a batch.

    Args:
        batches: what is changed.
        seed: of the changes.
    """

    def __init__(self, batches: Batches | Blocks, seed: int = 0) -> None:
        self.batches, self.seed = batches, seed

    @abstractmethod
    def change(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """The batch as the model gets it; all chances come from `generator`."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return self

    def __next__(self) -> dict[str, Tensor]:
        batch = next(self.batches)
        state = self.batches.state_dict()
        place = (self.seed * 1_000_003 + state["epoch"]) * 1_000_003 + state["position"]
        return self.change(batch, torch.Generator(self.device_of(batch)).manual_seed(place % 2**63))

    def device_of(self, batch: Mapping[str, Tensor]) -> torch.device | str:
        """Where chances are drawn."""
        return "cpu"

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch stands."""
        return {**self.batches.state_dict(), "change_seed": self.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ValueError: it was taken from other batches or another seed.
        """
        if state.get("change_seed") != self.seed:
            raise ValueError(
                f"these batches are changed with seed {self.seed}, the saved ones with "
                f"{state.get('change_seed')}: take the same seed, or start anew"
            )
        self.batches.load_state_dict({k: v for k, v in state.items() if k != "change_seed"})
