"""Short stories whose last word needs the whole story: LAMBADA's task (Paperno et al. 2016) in miniature.

The last sentence alone fits every candidate; who reads what comes before knows the word. The stories were
written for this course; none is from LAMBADA.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from course_lib.data.card import Card

N_CANDIDATES = 10


@dataclass(frozen=True)
class Passage:
    """A story and the word that ends it.

    Attributes:
        context: two to four sentences.
        last_sentence: the next one, without its last word, the space before it and the full stop after it.
        word: the last word, a noun in lower case or a name.
        candidates: ten words of its kind, `word` among them; all make an English sentence.
        kind: "noun" or "name".
    """

    context: str
    last_sentence: str
    word: str
    candidates: tuple[str, ...]
    kind: str

    @property
    def prompt(self) -> str:
        """All that is read before the word; a word to score begins with a space."""
        return f"{self.context} {self.last_sentence}"


def passages() -> list[Passage]:
    """All passages, nouns and names in turn as far as the nouns and names go."""
    return list(_read())


@functools.cache
def _read() -> tuple[Passage, ...]:
    pools: dict[str, list[str]] = {}
    found: dict[str, list[Passage]] = {"noun": [], "name": []}
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    lines = iter([line for line in text.splitlines() if line and not line.startswith("#")])
    for line in lines:
        head, _, tail = line.partition(" | ")
        if head.startswith("= "):
            pools[head[2:]] = tail.split()
            continue
        kind = "name" if head == "name" else "noun"
        context, last = next(lines), next(lines)
        candidates = _candidates(pools[head], tail, context, len(found[kind]))
        found[kind].append(Passage(context, last, tail, candidates, kind))
    pairs = zip(*found.values(), strict=False)
    turns = [one for pair in pairs for one in pair]
    rest = max(found.values(), key=len)[len(turns) // 2 :]
    return (*turns, *rest)


def _candidates(pool: list[str], word: str, context: str, n: int) -> tuple[str, ...]:
    """Ten of a pool: the word, whatever else the context names, then the next ones; the word at place n."""
    start = pool.index(word) + 1
    others = pool[start:] + pool[: start - 1]
    others.sort(key=lambda other: not re.search(rf"\b{other}s?\b", context))  # stable: named ones first
    chosen = others[: N_CANDIDATES - 1]
    chosen.sort(key=pool.index)
    place = 7 * n % N_CANDIDATES  # every place equally often
    return (*chosen[:place], word, *chosen[place:])


def card() -> Card:
    """The data card."""
    kinds = Counter(one.kind for one in _read())
    return Card(
        name="Passages",
        what="short stories without their last word, ten candidates for it; the last sentence fits them all",
        source="written for this course, after the task of LAMBADA (Paperno et al. 2016)",
        licence="MIT, as the course",
        size=f"{len(_read())} passages: {kinds['noun']} end in a noun, {kinds['name']} in a name",
        quirks=(
            "Few and by one author: an accuracy is uncertain by ± 0.12 at worst. Show the interval.",
            "Every name and half of the nouns stand in the context; the other nouns only follow from it.",
            "Usually the context names other candidates too; the one named last is the word in about half.",
            "LAMBADA lets a model say any word; choosing one of ten is easier.",
        ),
    )
