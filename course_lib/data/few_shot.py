"""Short sentences to label, for prompts with a few examples: reviews and headlines, written for this course.

    sentiment()           150 English reviews, positive or negative
    topics()              144 English sentences on sports, science, business or food
    korean_sentiment()    28 Korean reviews, positive or negative

The examples of a prompt come from the split "examples", prompts are chosen on "search", and the score that
counts is the one on "test".
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from course_lib.data.card import Card

SPLITS = ("examples", "search", "test")
_TASKS = ("sentiment", "topics", "korean")


@dataclass(frozen=True)
class Labelled:
    """A sentence, its label (an English word in lower case) and the split it belongs to."""

    text: str
    label: str
    split: str


def sentiment(split: str | None = None) -> list[Labelled]:
    """English reviews of films, food, hotels, books and gadgets, labelled "positive" or "negative".

    Args:
        split: "examples" (16), "search" (40) or "test" (94); None for all. The labels are balanced in each
            and take turns.
    """
    return _pick("sentiment", split)


def topics(split: str | None = None) -> list[Labelled]:
    """English sentences as in a newspaper, labelled "sports", "science", "business" or "food".

    Args:
        split: "examples" (16), "search" (40) or "test" (88); None for all. The labels are balanced in each
            and take turns.
    """
    return _pick("topics", split)


def korean_sentiment(split: str | None = None) -> list[Labelled]:
    """Korean reviews with the English labels "positive" and "negative".

    Args:
        split: "examples" (4), "search" (8) or "test" (16); None for all. The labels are balanced in each and
            take turns.
    """
    return _pick("korean", split)


def _pick(task: str, split: str | None) -> list[Labelled]:
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r}: choose one of {', '.join(SPLITS)}, or None for all")
    return [one for one in _read()[task] if split in (None, one.split)]


@functools.cache
def _read() -> dict[str, tuple[Labelled, ...]]:
    groups: dict[tuple[str, str, str], list[Labelled]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        if " | " in line:
            task, label, split = line.split(" | ")
            group = groups.setdefault((task, split, label), [])
        else:
            group.append(Labelled(line, label, split))
    found: dict[str, tuple[Labelled, ...]] = {}
    for task in _TASKS:
        for split in SPLITS:
            labels = [group for (t, s, _), group in groups.items() if (t, s) == (task, split)]
            turns = zip(*labels, strict=True)  # equally many of each label, one after the other
            found[task] = found.get(task, ()) + tuple(one for turn in turns for one in turn)
    return found


def card() -> Card:
    """The data card."""
    sizes = {task: Counter(one.split for one in _read()[task]) for task in _TASKS}
    return Card(
        name="Few-shot sentences",
        what="reviews, positive or negative (English, some Korean); English sentences on one of four topics",
        source="written for this course",
        licence="MIT, as the course",
        size="; ".join(f"{task} {' + '.join(str(sizes[task][split]) for split in SPLITS)}" for task in _TASKS)
        + f" ({', '.join(SPLITS)})",
        quirks=(
            "Clearer than real reviews and headlines, and by one author: scores run high.",
            "A test of 94 sentences: an accuracy of 0.80 is uncertain by ± 0.08. Show the interval.",
            "Within a split some reviews mirror each other, so that the subject alone tells nothing.",
            "The label words stand in no sentence; words that give it away, such as delicious or dirty, do.",
        ),
    )
