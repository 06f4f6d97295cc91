"""How every task of Tiny Town is filled and split.

    train        what a model learns from
    validation   new examples of the same kind
    test         examples that hold a combination of words which training never shows

A task names the combinations it holds out. Everything else follows from a fixed draw on the example itself,
so an example can only ever fall into one split.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path

from course_lib.data.store import cached, draw

SPLITS = ("train", "validation", "test")
SIZES = {"train": 4_800, "validation": 600, "test": 600}


def split_by(identity: str, held_out: bool) -> str:
    """The split of an example, by what makes it itself and whether it holds a held-out combination."""
    if held_out:
        return "test"
    return "validation" if draw("validation", identity) % 10 == 0 else "train"


def check_split(split: str) -> None:
    """Raise a ValueError unless there is such a split."""
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not a split: choose one of {', '.join(SPLITS)}")


def fill(
    task: str,
    kind: type,
    make: Callable[[random.Random], tuple[tuple, str] | None],
    group: Callable[[tuple], Hashable],
    n_groups: int,
    sizes: dict[str, int] = SIZES,
) -> dict[str, list]:
    """Draw examples until every split is full, all different, equally many of each group; or from the cache.

    Args:
        kind: the named tuple an example is.
        make: gives one (example, split), or None when this draw came to nothing.
        group: what is balanced, its label for one.
        n_groups: how many groups there are; the sizes are divided by it.

    Raises:
        RuntimeError: the grammar is too poor to fill the splits (a bug in the task).
    """

    def build() -> dict[str, list]:
        return _draw_all(task, make, group, n_groups, sizes)

    folder = str(Path(__file__).parent)
    splits = cached(f"tiny_town-{task}", {"python": ".".join(map(str, sys.version_info[:2]))}, folder, build)
    # JSON knows no tuples.
    return {
        split: [kind(*(tuple(part) if isinstance(part, list) else part for part in row)) for row in rows]
        for split, rows in splits.items()
    }


def _draw_all(
    task: str, make: Callable, group: Callable, n_groups: int, sizes: dict[str, int]
) -> dict[str, list]:
    rng = random.Random(f"tiny town {task}")
    splits: dict[str, list] = {split: [] for split in SPLITS}
    counts: Counter = Counter()
    seen: set = set()
    missing = sum(size // n_groups for size in sizes.values()) * n_groups
    for _ in range(200 * missing):
        made = make(rng)
        if made is None or made[0] in seen:
            continue
        example, split = made
        cell = (split, group(example))
        if counts[cell] < sizes[split] // n_groups:
            counts[cell] += 1
            seen.add(example)
            splits[split].append(example)
            missing -= 1
            if not missing:
                for examples in splits.values():
                    rng.shuffle(examples)
                return splits
    raise RuntimeError(f"tiny town's {task} could not be filled: {missing} examples short, {dict(counts)}")
