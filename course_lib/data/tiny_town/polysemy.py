"""Words with two senses, in sentences that decide them: *apple* the fruit, *apple* the company.

What decides stands before the word ("mina peeled the apple"), after it ("the apple tasted sour"), or on both
sides: a model that reads from left to right cannot know the second kind when it reads the word.

Each sense has siblings, words of the same kind with that one sense (pear, plum; samsung, nokia). They are
seen in every context. The ambiguous word is not: its test sentences decide the sense by a context that
training shows only with the siblings.
"""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.splits import SIZES, check_split, fill, split_by
from course_lib.data.tiny_town.world import PEOPLE, TIMES

CLUES = ("left", "right", "both")
N_HELD_OUT = 2  # of the seven contexts on each side of each sense
LEFT = ("{p} {left} {np} {time} .", "{time} {p} {left} {np} .", "{p} and {q} {left} {np} .")
RIGHT = ("{time} {np} {right} .", "{p} said that {np} {right} .", "{p} and {q} say that {np} {right} .")
BOTH = ("{p} {left} {np} {that} {right} .", "{p} and {q} {left} {np} {that} {right} .")


class Sense(NamedTuple):
    """A sentence with the place and the sense of one of its words: `text.split()[position] == word`."""

    text: str
    word: str
    position: int
    sense: str
    clue: str


class Entry(NamedTuple):
    """One sense of one word."""

    word: str
    sense: str
    phrase: str
    siblings: tuple[str, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]


@functools.cache
def lexicon() -> tuple[Entry, ...]:
    """All senses, in the order of senses.txt."""
    lines = Path(__file__).with_name("senses.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    entries = []
    for head, left, right in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        word, sense, phrase, siblings = head.split(" | ")
        entries.append(
            Entry(
                word,
                sense,
                phrase,
                tuple(siblings.split(", ")),
                tuple(left.removeprefix("< ").split("; ")),
                tuple(right.removeprefix("> ").split("; ")),
            )
        )
    return tuple(entries)


def senses(split: str = "train") -> list[Sense]:
    """Sentences with an ambiguous word, equally many of each sense and each kind of clue.

    Args:
        split: "train", "validation" or "test" (contexts that training shows with other words only).
    """
    check_split(split)
    return list(_filled()[split])


def siblings(split: str = "train") -> list[Sense]:
    """The same for the words with one sense only. They hold nothing out: the test split is empty."""
    check_split(split)
    return list(_siblings()[split])


@functools.cache
def held_out(entry: Entry) -> frozenset[str]:
    """The contexts, two of the seven on each side, that are kept from the ambiguous word in training."""
    sides = (
        sorted(side, key=lambda one: draw("sense", entry.word, one)) for side in (entry.left, entry.right)
    )
    return frozenset(context for side in sides for context in side[:N_HELD_OUT])


def _sentence(rng: random.Random, entry: Entry, phrase: str, clue: str, left: str, right: str) -> Sense:
    frame = rng.choice({"left": LEFT, "right": RIGHT, "both": BOTH}[clue])
    p, q = rng.sample(PEOPLE, 2)
    if "{q} {left}" in frame and left.startswith("was "):  # "mina was bitten", "mina and joon were bitten"
        left = "were" + left[3:]
    # A name takes the comma; "that" serves people as well as things.
    that = "that" if phrase.startswith("the ") else ", which"
    words = frame.format(p=p, q=q, time=rng.choice(TIMES), np="@", that=that, left=left, right=right).split()
    noun = phrase.split()
    at = words.index("@")
    words[at : at + 1] = noun
    return Sense(" ".join(words), noun[-1], at + len(noun) - 1, entry.sense, clue)


@functools.cache
def _filled() -> dict[str, list[Sense]]:
    def make(rng: random.Random) -> tuple[Sense, str]:
        entry, clue = rng.choice(lexicon()), rng.choice(CLUES)
        new = rng.random() < 0.3
        left, right = (
            rng.choice([one for one in side if (one in held_out(entry)) == new])
            for side in (entry.left, entry.right)
        )
        made = _sentence(rng, entry, entry.phrase, clue, left, right)
        return made, split_by(made.text, new)

    groups = len(lexicon()) * len(CLUES)
    sizes = {split: -(-size // groups) * groups for split, size in SIZES.items()}
    return fill("senses", Sense, make, lambda made: (made.word, made.sense, made.clue), groups, sizes)


@functools.cache
def _siblings() -> dict[str, list[Sense]]:
    def make(rng: random.Random) -> tuple[Sense, str]:
        entry, clue = rng.choice(lexicon()), rng.choice(CLUES)
        left, right = rng.choice(entry.left), rng.choice(entry.right)
        made = _sentence(rng, entry, rng.choice(entry.siblings), clue, left, right)
        return made, split_by(made.text, False)

    groups = len(lexicon()) * len(CLUES)
    sizes = {"train": 100 * groups, "validation": 8 * groups, "test": 0}
    return fill(
        "siblings",
        Sense,
        make,
        lambda made: (made.sense, _entry_of(made.word, made.sense).word, made.clue),
        groups,
        sizes,
    )


@functools.cache
def _entry_of(sibling: str, sense: str) -> Entry:
    return next(
        e for e in lexicon() if e.sense == sense and any(s.split()[-1] == sibling for s in e.siblings)
    )
