"""What happens in Tiny Town: somebody does something with something, somewhere, at some time.

One event can be said in several ways: "mina bought a pear", "a pear was bought by mina", "it was mina who
bought a pear". Each way gives its words together with their parts of speech and their roles.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.splits import SIZES, check_split, fill, split_by
from course_lib.data.tiny_town.world import (
    ADJECTIVES,
    GIVING,
    MEETING,
    PEOPLE,
    PLACES,
    TIMES,
    VERBS,
    Verb,
    article,
)

POS = ("ADJ", "ADP", "ADV", "AUX", "DET", "NAME", "NOUN", "PART", "PRON", "PUNCT", "VERB")
ROLES = ("O", "ACTION", "AGENT", "PATIENT", "RECIPIENT", "PLACE", "TIME")
FORMS = ("active", "passive", "time first", "place first", "cleft")
FUNCTION_WORDS = {
    "in": "ADP", "at": "ADP", "on": "ADP", "near": "ADP", "behind": "ADP", "after": "ADP", "before": "ADP",
    "by": "ADP", "to": "ADP", "the": "DET", "a": "DET", "an": "DET", "this": "DET", "was": "AUX",
    "did": "AUX", "not": "PART", "it": "PRON", "who": "PRON", "yesterday": "ADV", "last": "ADJ",
    ".": "PUNCT", ",": "PUNCT",
}  # fmt: skip
# A word that is a noun here and a verb there, with what the verb takes.
TWO_WAYS = {
    "water": "the garden", "fish": "in the river", "paint": "the wall", "hammer": "a nail", "book": "a room",
    "drum": "on the table", "cook": "a soup", "guide": "the visitors", "plant": "a tree", "park": "the car",
    "light": "the lamp", "watch": "the birds", "dress": "the baby", "ring": "the bell", "match": "the colors",
    "seal": "the box",
}  # fmt: skip


class Event(NamedTuple):
    """Who did what with what. `recipient` and `adjective` may be ""."""

    agent: str
    verb: Verb
    noun: str
    adjective: str
    recipient: str
    place: str
    time: str

    @property
    def held_out(self) -> bool:
        """Whether this verb with this noun (or these two people) is kept for the test."""
        people = sorted((self.agent, self.noun)) if self.noun in PEOPLE else [self.noun]
        return draw("event", self.verb.base, *people) % 8 == 0

    @property
    def split(self) -> str:
        """The one split all sentences about this event belong to."""
        return split_by(" ".join((self.agent, self.verb.base, *self[2:])), self.held_out)


class Tagged(NamedTuple):
    """Words, and for each word its part of speech and its role in the event."""

    words: tuple[str, ...]
    pos: tuple[str, ...]
    roles: tuple[str, ...]


def tags(split: str = "train") -> list[Tagged]:
    """Sentences with a part of speech and a role for every word; the test has new pairs of verb and noun.

    Some words are noun or verb as their place decides: "minho did water the garden", "mina found the water".
    """
    check_split(split)
    return list(_tags()[split])


def draw_event(rng: random.Random, verbs: tuple[Verb, ...] = VERBS) -> Event:
    """An event with one of these verbs."""
    verb = rng.choice(verbs)
    agent, recipient = rng.sample(PEOPLE, 2)
    noun = recipient if verb in MEETING else rng.choice(verb.objects)
    return Event(
        agent,
        verb,
        noun,
        "" if verb in MEETING else rng.choice(ADJECTIVES),
        recipient if verb in GIVING else "",
        rng.choice(PLACES),
        rng.choice(TIMES),
    )


def thing(event: Event, determiner: str = "a") -> str:
    """The noun phrase for what an event is about: "a red pear", "the red pear", or a name."""
    if event.noun in PEOPLE:
        return event.noun
    phrase = f"{event.adjective} {event.noun}".strip()
    return f"{article(phrase) if determiner == 'a' else determiner} {phrase}"


def say(event: Event, form: str = "active", synonym: bool = False) -> Tagged:
    """An event as a sentence.

    Args:
        form: one of FORMS; "passive" of a gift begins with who received it or with the gift, by the event.
        synonym: use the other verb of the same meaning.
    """
    _, past, participle = event.verb.forms(synonym)
    agent, patient = ("AGENT", event.agent), ("PATIENT", thing(event))
    place, time, end = ("PLACE", event.place), ("TIME", event.time), ("O", ".")
    to = [("O", "to"), ("RECIPIENT", event.recipient)] if event.recipient else []
    if form == "passive":
        middle = [("O", "was"), ("ACTION", participle)]
        if event.recipient and draw("passive", *event[2:]) % 2:
            parts = [("RECIPIENT", event.recipient), *middle, patient]
        else:
            parts = [patient, *middle, *to]
        return _tagged([*parts, ("O", "by"), agent, place, time, end])
    core = [agent, ("ACTION", past), patient, *to]
    if form == "time first":
        return _tagged([time, *core, place, end])
    if form == "place first":
        return _tagged([place, ("O", ","), *core, time, end])
    if form == "cleft":
        core = [("O", "it was"), agent, ("O", "who"), *core[1:]]
    return _tagged([*core, place, time, end])


def text(event: Event, form: str = "active", synonym: bool = False) -> str:
    """The same as one string."""
    return " ".join(say(event, form, synonym).words)


def _tagged(parts: Iterable[tuple[str, str]]) -> Tagged:
    """Phrases with their roles -> words with parts of speech and roles."""
    rows = [
        (word, "VERB" if role == "ACTION" else _pos(word), role)
        for role, phrase in parts
        for word in phrase.split()
    ]
    return Tagged(*(tuple(column) for column in zip(*rows)))


def _pos(word: str) -> str:
    if word in FUNCTION_WORDS:
        return FUNCTION_WORDS[word]
    return "NAME" if word in PEOPLE else "ADJ" if word in ADJECTIVES else "NOUN"


def _two_ways(rng: random.Random) -> tuple[Tagged, str]:
    """A sentence with a word that is noun or verb."""
    word, person = rng.choice(list(TWO_WAYS)), rng.choice(PEOPLE)
    tail = [*rng.choice(([("PLACE", rng.choice(PLACES))], [])), ("TIME", rng.choice(TIMES)), ("O", ".")]
    past = rng.choice(("found", "saw", "drew", "noticed"))
    if rng.random() < 0.5:
        helper = rng.choice(("did", "did not"))
        new = draw("two ways", word, helper) % 6 == 0
        role = "PLACE" if TWO_WAYS[word].startswith(("in ", "on ")) else "PATIENT"
        parts = [("AGENT", person), ("O", helper), ("ACTION", word), (role, TWO_WAYS[word]), *tail[-2:]]
    else:
        new = draw("two ways", word, past) % 6 == 0
        parts = [("AGENT", person), ("ACTION", past), ("PATIENT", f"the {word}"), *tail]
    made = _tagged(parts)
    return made, split_by(" ".join(made.words), new)


@functools.cache
def _tags() -> dict[str, list[Tagged]]:
    def make(rng: random.Random) -> tuple[Tagged, str]:
        if rng.random() < 1 / 3:
            return _two_ways(rng)
        event = draw_event(rng, rng.choice((VERBS, VERBS, GIVING, MEETING)))
        return say(event, rng.choice(FORMS), rng.random() < 0.5), event.split

    return fill("tags", Tagged, make, lambda made: any(w in TWO_WAYS for w in made.words), 2, SIZES)
