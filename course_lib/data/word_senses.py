"""Words with two senses in everyday English: 12 sentences a sense, written for this course.

For asking a model that has read much whether its vectors tell senses apart; far too few to train one.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from course_lib.data.card import Card


class WordSense(NamedTuple):
    """A sentence, one of its words, and the sense the word has there."""

    text: str
    word: str
    sense: str


def word_senses() -> list[WordSense]:
    """All sentences, word by word and sense by sense; `word` stands in each once, in lower case."""
    return list(_read())


@functools.cache
def _read() -> tuple[WordSense, ...]:
    found: list[WordSense] = []
    word = sense = ""
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if " | " in line and not line.startswith("#"):
            word, sense = line.split(" | ")
        elif line and not line.startswith("#"):
            found.append(WordSense(line, word, sense))
    return tuple(found)


def card() -> Card:
    """The data card."""
    words = {one.word for one in _read()}
    return Card(
        name="Word senses",
        what=f"{', '.join(sorted(words))}: English sentences that decide which of two senses is meant",
        source="written for this course",
        licence="MIT, as the course",
        size=f"{len(_read())} sentences, 12 a sense",
        quirks=(
            "Every sentence decides the sense: real text often does not.",
            "Few and by one author: a score moves by several points with the split. Show the spread.",
        ),
    )
