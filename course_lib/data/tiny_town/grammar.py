"""Is a sentence grammatical, and how does it read in the plural?"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.splits import SIZES, check_split, fill, split_by
from course_lib.data.tiny_town.world import ADJECTIVES, PEOPLE, PLACES, article, listed

# By how the plural is formed; the nouns after the bar are kept for the test.
NOUNS = {
    "s": "dog cat bird horse robot teacher farmer singer rabbit tiger king spider | cow doctor monkey",
    "es": "fox witch boss ostrich coach walrus actress finch | princess duchess albatross",
    "ies": "pony puppy baby lady fairy spy enemy butterfly | bunny canary deputy",
    "ves": "wolf elf thief calf | werewolf",
    "irregular": "mouse:mice goose:geese child:children man:men woman:women ox:oxen sheep:sheep deer:deer |",
}
VERBS = {  # singular: plural
    "sleeps": "sleep", "runs": "run", "sings": "sing", "waits": "wait", "rests": "rest", "jumps": "jump",
    "dances": "dance", "watches": "watch", "cries": "cry", "is tired": "are tired", "is hungry": "are hungry",
    "was late": "were late", "has a hat": "have a hat", "goes home": "go home", 
    "does not move": "do not move",
}  # fmt: skip
DETERMINERS = {"the": "the", "this": "these", "that": "those", "a": "some"}
ADVERBS = listed("now often today again still")
PLAIN_VERBS = listed("sleep sing wait rest jump watch cry")  # these form -ing without a change
ERRORS = ("agreement", "order", "verb form", "missing word")


class Judgement(NamedTuple):
    """Label 1: grammatical. `kind` is the error, or the one that a sentence of this shape could have had."""

    text: str
    label: int
    kind: str


class Plural(NamedTuple):
    """A sentence about one, and the same about several."""

    singular: str
    plural: str
    rule: str


@functools.cache
def nouns() -> dict[str, tuple[str, str, bool]]:
    """{singular: (plural, rule, kept for the test)}"""
    found = {}
    for rule, line in NOUNS.items():
        for side, kept in zip(line.split("|"), (False, True)):
            for entry in side.split():
                singular, _, plural = entry.partition(":")
                cut = {"ies": 1, "ves": 2 if singular.endswith("fe") else 1}.get(rule, 0)
                found[singular] = (plural or singular[: len(singular) - cut] + rule, rule, kept)
    return found


def acceptability(split: str = "train") -> list[Judgement]:
    """Sentences, half of each kind corrupted; the test has new pairs of noun and verb."""
    check_split(split)
    return list(_acceptability()[split])


def plurals(split: str = "train") -> list[Plural]:
    """Pairs for text to text.

    The test has nouns that training never shows, each of a rule that it does show, and irregular nouns with
    new verbs.
    """
    check_split(split)
    return list(_plurals()[split])


def _subject(noun: str, several: bool, determiner: str, adjective: str) -> str:
    word = nouns()[noun][0] if several else noun
    if several:
        determiner = DETERMINERS[determiner]
    elif determiner == "a":
        determiner = article(f"{adjective}{word}")
    return " ".join(f"{determiner} {adjective} {word}".split())


@functools.cache
def _plurals() -> dict[str, list[Plural]]:
    def make(rng: random.Random) -> tuple[Plural, str]:
        rule = rng.choice(list(NOUNS))
        noun = rng.choice([noun for noun, (_, its, _) in nouns().items() if its == rule])
        verb = rng.choice(list(VERBS))
        determiner, adjective = rng.choice(list(DETERMINERS)), rng.choice([*ADJECTIVES, "", "", ""])
        tail = rng.choice([rng.choice(PLACES), rng.choice(ADVERBS), ""])
        one, many = (
            " ".join(f"{_subject(noun, several, determiner, adjective)} {what} {tail} .".split())
            for several, what in ((False, verb), (True, VERBS[verb]))
        )
        new = nouns()[noun][2] or (rule == "irregular" and draw("plural", noun, verb) % 8 == 0)
        return Plural(one, many, rule), split_by(one, new)

    return fill("plurals", Plural, make, lambda pair: pair.rule, len(NOUNS), SIZES)


@functools.cache
def _acceptability() -> dict[str, list[Judgement]]:
    return fill(
        "acceptability", Judgement, _judgement, lambda made: (made.kind, made.label), 2 * len(ERRORS), SIZES
    )


def _judgement(rng: random.Random) -> tuple[Judgement, str] | None:
    noun, other = rng.sample(list(nouns()), 2)
    several, beside = rng.random() < 0.5, rng.random() < 0.5
    verb = rng.choice(list(VERBS))
    new = draw("acceptability", noun, verb) % 8 == 0
    kind, label = rng.choice(ERRORS), rng.randrange(2)
    determiner = rng.choice(list(DETERMINERS))
    subject = _subject(noun, several, determiner, rng.choice(ADJECTIVES))
    # The noun nearest to the verb is another one, of a number of its own.
    near = f"near {_subject(other, beside, 'the', '')}"
    predicate = (VERBS[verb] if several else verb).split()
    tail = rng.choice([*PLACES, *ADVERBS])
    if kind == "agreement":
        if nouns()[noun][0] == noun and determiner == "the":
            return None  # "the sheep" is one or several
        wrong = verb if several else VERBS[verb]
        words = f"{subject} {near} {wrong if not label else ' '.join(predicate)} {tail} ."
    elif kind == "order":
        first, adjective, last = subject.split()
        said = (
            subject if label else rng.choice((f"{first} {last} {adjective}", f"{adjective} {first} {last}"))
        )
        words = f"{said} {near} {' '.join(predicate)} {tail} ."
    elif kind == "verb form":  # "did not sleep", "is sleeping": never "did not sleeping"
        plain = rng.choice(PLAIN_VERBS)
        new = draw("acceptability", noun, plain) % 8 == 0
        progressive, past = rng.random() < 0.5, "was" if not several else "were"
        good = f"{past} {plain}ing" if progressive else f"did not {plain}"
        bad = f"{past} {plain}" if progressive else f"did not {plain}ing"
        words = f"{subject} {near} {good if label else bad} {tail} ."
    else:
        whole = f"{subject} {near} {' '.join(predicate)} {tail} with {rng.choice(PEOPLE)} .".split()
        # Drop the noun of the subject, the noun after "near", or the name after "with".
        holes = (len(subject.split()) - 1, len(f"{subject} {near}".split()) - 1, len(whole) - 2)
        if not label:
            del whole[rng.choice(holes)]
        words = " ".join(whole)
    words = " ".join(words.split())
    return Judgement(words, label, kind), split_by(words, new)
