"""What a learner should know of a data set before training on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A data card; `print(card)` shows it.

    Attributes:
        name: what the set is called in the lessons.
        what: what one example is.
        source: where it comes from, with the versions found on this machine.
        licence: of the data, not of the course.
        size: counted, a split at a time.
        quirks: what would surprise a careful reader.
    """

    name: str
    what: str
    source: str
    licence: str
    size: str
    quirks: tuple[str, ...]

    def __str__(self) -> str:
        rows = [("what", self.what), ("from", self.source), ("licence", self.licence), ("size", self.size)]
        lines = [self.name, *(f"  {label:<8} {text}" for label, text in rows)]
        lines += [f"  {'quirks' if i == 0 else '':<8} {text}" for i, text in enumerate(self.quirks)]
        return "\n".join(lines)
