"""Batches in a fixed order that can be left at any point and taken up again.

The order of an epoch is a function of the seed and the epoch, so all there is to remember is how many batches
of it were served: `state_dict()` is a few numbers. Everything is one tensor on one device, indexed once a
batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

NOT_SCORED = -100  # what torch's cross entropy leaves out


class _Endless:
    """Serves batches for ever, epoch after epoch."""

    def __init__(self, batch_size: int, seed: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
        self.batch_size, self.seed = batch_size, seed
        self.epoch = self.position = 0
        self._served: tuple[int, list[np.ndarray]] | None = None

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return self

    def __next__(self) -> dict[str, Tensor]:
        order = self._order()
        if self.position == len(order):
            self.epoch, self.position = self.epoch + 1, 0
            order = self._order()
        self.position += 1
        return self._take(order[self.position - 1])

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._order())

    def state_dict(self) -> dict[str, int]:
        """Where the next batch stands, and what it must be taken from."""
        return {"epoch": self.epoch, "position": self.position, **self._fingerprint()}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ValueError: it was taken from other data, another batch size or another seed.
        """
        for name, mine in self._fingerprint().items():
            if state.get(name) != mine:
                raise ValueError(
                    f"these batches have {name} {mine}, the saved ones had {state.get(name)}: "
                    "build them from the same data with the same settings, or start anew"
                )
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _order(self) -> list[np.ndarray]:
        """The batches of the current epoch, each the indices of its rows."""
        if self._served is None or self._served[0] != self.epoch:
            self._served = self.epoch, self._shuffled(np.random.default_rng([self.seed, self.epoch]))
        return self._served[1]

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        return [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]

    def _shuffled(self, rng: np.random.Generator) -> list[np.ndarray]:
        raise NotImplementedError

    def _take(self, rows: np.ndarray) -> dict[str, Tensor]:
        raise NotImplementedError

    def _fingerprint(self) -> dict[str, int]:
        raise NotImplementedError


class Blocks(_Endless):
    """Blocks of a long row of token ids, for language models: ``{"ids": (B, length)}``.

    An epoch cuts the row from a random start into blocks that touch and serves each once: nearly every token
    once an epoch (less than two blocks at the ends are left out), each time in other company.

    Args:
        ids: (N,) all tokens of the text.
        length: tokens in a block. The models shift labels themselves, so ``labels=batch["ids"]``.
        batch_size: blocks in a batch; the last batch of an epoch may be smaller.
        seed: of the order.
        device: where the tokens are kept.

    Raises:
        ValueError: the text is shorter than two blocks.
    """

    def __init__(
        self,
        ids: Tensor | Sequence[int],
        length: int,
        batch_size: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(batch_size, seed)
        self.ids = torch.as_tensor(ids, dtype=torch.long, device=device)
        if length < 1 or self.ids.ndim != 1 or len(self.ids) < 2 * length:
            raise ValueError(
                f"ids of shape {tuple(self.ids.shape)} hold no two blocks of {length} tokens: "
                "take a longer text or shorter blocks"
            )
        self.length = length
        self._within = torch.arange(length, device=self.ids.device)
        self._content = _digest(self.ids)

    def _shuffled(self, rng: np.random.Generator) -> list[np.ndarray]:
        start = rng.integers(self.length)
        n_blocks = (len(self.ids) - self.length + 1) // self.length  # as many from any start
        return self._cut(start + self.length * rng.permutation(n_blocks))

    def _take(self, rows: np.ndarray) -> dict[str, Tensor]:
        starts = torch.from_numpy(rows).to(self.ids.device)
        return {"ids": self.ids[starts[:, None] + self._within]}  # (B, length)

    def _fingerprint(self) -> dict[str, int]:
        sizes = {"tokens": len(self.ids), "length": self.length, "content": self._content}
        return {**sizes, "batch_size": self.batch_size, "seed": self.seed}


class Batches(_Endless):
    """Examples of several columns, such as ids and labels, padded as little as may be.

    Examples of about equal length share a batch. An epoch serves every example once; a bucket's last batch
    may be smaller.

    Args:
        columns: {name: one entry an example}. An entry is a sequence of ids, or a number, or a row of a
        tensor.
            Name them as the model names its arguments: ``model(**batch)``.
        batch_size: examples in a batch.
        seed: of the order.
        pad: {name: what to fill up with}. Not named: -100 for "labels" (not scored), else 0.
        width: in a batch the longest example of the first column of sequences is less than this many tokens
        longer
            than the shortest.
        device: where everything is kept.

    Raises:
        ValueError: the columns are empty or differ in length.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence | Tensor],
        batch_size: int,
        seed: int = 0,
        *,
        pad: Mapping[str, int] | None = None,
        width: int = 8,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(batch_size, seed)
        sizes = {name: len(column) for name, column in columns.items()}
        if len(set(sizes.values())) != 1 or not next(iter(sizes.values())):
            raise ValueError(f"columns of {sizes} examples: give each the same number, at least one")
        if width < 1:
            raise ValueError(f"width is {width}: it must be at least 1")
        self.width = width
        self.columns: dict[str, Tensor] = {}
        self.lengths: dict[str, np.ndarray] = {}  # of the columns of sequences
        for name, column in columns.items():
            if isinstance(column, Tensor):
                self.columns[name] = column.to(device)
            elif isinstance(column[0], Sequence | Tensor | np.ndarray):
                fill = {"labels": NOT_SCORED, **(pad or {})}.get(name, 0)
                self.columns[name], self.lengths[name] = _padded(column, fill)
                self.columns[name] = self.columns[name].to(device)
            else:
                self.columns[name] = torch.tensor(column, device=device)
        self._content = _digest(*self.columns.values())

    def once(self) -> Iterator[dict[str, Tensor]]:
        """Every example once, in the order given, for evaluation. Changes no position."""
        for rows in self._cut(np.arange(len(next(iter(self.columns.values()))))):
            yield self._take(rows)

    def _shuffled(self, rng: np.random.Generator) -> list[np.ndarray]:
        rows = rng.permutation(len(next(iter(self.columns.values()))))
        if not self.lengths:
            return self._cut(rows)
        bucket = next(iter(self.lengths.values()))[rows] // self.width
        batches = [batch for one in np.unique(bucket) for batch in self._cut(rows[bucket == one])]
        return [batches[i] for i in rng.permutation(len(batches))]

    def _take(self, rows: np.ndarray) -> dict[str, Tensor]:
        batch = {}
        for name, column in self.columns.items():
            chosen = column[torch.from_numpy(rows).to(column.device)]
            batch[name] = chosen[:, : self.lengths[name][rows].max()] if name in self.lengths else chosen
        return batch

    def _fingerprint(self) -> dict[str, int]:
        sizes = {
            "examples": len(next(iter(self.columns.values()))),
            "width": self.width,
            "content": self._content,
        }
        return {**sizes, "batch_size": self.batch_size, "seed": self.seed}


def _digest(*tensors: Tensor) -> int:
    """A number that tells one set of tensors from another."""
    total = 0
    for tensor in tensors:
        total = zlib.crc32(tensor.cpu().contiguous().numpy().data, total)
    return total


def _padded(column: Sequence, fill: int) -> tuple[Tensor, np.ndarray]:
    """Sequences of ids as one tensor (N, longest), and their lengths (N,)."""
    lengths = np.array([len(entry) for entry in column])
    table = np.full((len(column), lengths.max()), fill, dtype=np.int64)
    table[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(
        [np.asarray(entry) for entry in column]
    )
    return torch.from_numpy(table), lengths
