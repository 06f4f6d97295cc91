"""What decoding remembers, so that each position is computed once."""

from __future__ import annotations

from torch import Tensor


class KeyValueCache:
    """The keys and values of the positions one attention has already seen.

    Room is doubled when it runs out: a new token is written in place, and what came before is rarely copied.
    """

    def __init__(self) -> None:
        self.length = 0
        self._key: Tensor | None = None
        self._value: Tensor | None = None

    @property
    def key(self) -> Tensor:
        """(B, H, length, D)"""
        return self._key[:, :, : self.length]

    @property
    def value(self) -> Tensor:
        """(B, H, length, D)"""
        return self._value[:, :, : self.length]

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (B, H, T, D) of the next T positions; return all there are."""
        end = self.length + key.shape[-2]
        if self._key is None or end > self._key.shape[-2]:
            self._key, self._value = self._grown(self._key, key, end), self._grown(self._value, value, end)
        self._key[:, :, self.length : end] = key
        self._value[:, :, self.length : end] = value
        self.length = end
        return self.key, self.value

    def _grown(self, old: Tensor | None, new: Tensor, end: int) -> Tensor:
        room = new.new_empty(*new.shape[:-2], max(64, 2 * end), new.shape[-1])
        if old is not None:
            room[:, :, : self.length] = old[:, :, : self.length]
        return room

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order (beams that live on; a prefix shared by many)."""
        if self._key is not None:
            self._key, self._value = self._key[rows], self._value[rows]
