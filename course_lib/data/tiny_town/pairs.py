"""Pairs of sentences: does one follow from the other, and do two say the same?

Entailment is computed, not written: a statement is more general when its noun is (poodle, dog, animal), or
when it leaves out the colour or the place; "not" turns the direction round. Hypotheses are drawn before
labels, so that a hypothesis alone says nothing (in SNLI it says much: Gururangan et al. 2018).
"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.events import FORMS, Event, draw_event, text
from course_lib.data.tiny_town.splits import SIZES, check_split, fill, split_by
from course_lib.data.tiny_town.world import (
    ADJECTIVES,
    CHAINS,
    GIVING,
    KINDS,
    MEETING,
    PEOPLE,
    PLACES,
    TIMES,
    VERBS,
    Verb,
    article,
)

LABELS = ("entailment", "neutral", "contradiction")
CHANGES = ("roles", "agent", "thing", "place", "time")


class Entailment(NamedTuple):
    """Label 0: the hypothesis follows from the premise; 1: it may be true or not; 2: it cannot be true."""

    premise: str
    hypothesis: str
    label: int


class Paraphrase(NamedTuple):
    """`positive` says what `anchor` says in other words, `negative` another thing in nearly the same words.

    change: what the negative exchanges: who did it to whom ("roles"), the agent, thing, place or time.
    """

    anchor: str
    positive: str
    negative: str
    change: str


class Statement(NamedTuple):
    """Somebody did, or did not do, something with a thing of some kind. Adjective and place may be ""."""

    agent: str
    verb: Verb
    adjective: str
    noun: str
    place: str
    negated: bool

    def __str__(self) -> str:
        phrase = f"{self.adjective} {self.noun}".strip()
        did = f"did not {self.verb.base}" if self.negated else self.verb.past
        return " ".join(f"{self.agent} {did} {article(phrase)} {phrase} {self.place} .".split())


def entailment(split: str = "train") -> list[Entailment]:
    """Pairs, a third of each label; the test has new pairs of verb and noun."""
    check_split(split)
    return list(_entailment()[split])


def paraphrases(split: str = "train") -> list[Paraphrase]:
    """Triples for contrastive learning, equally many of each change; no event is told in two splits."""
    check_split(split)
    return list(_paraphrases()[split])


def includes(narrow: Statement, wide: Statement) -> bool:
    """Whether whatever makes `narrow` (as if not negated) true makes `wide` true as well."""
    same = narrow.agent == wide.agent and narrow.verb == wide.verb
    kind = wide.noun == narrow.noun or wide.noun in CHAINS.get(narrow.noun, _above(narrow.noun))
    return same and kind and wide.adjective in ("", narrow.adjective) and wide.place in ("", narrow.place)


def _above(noun: str) -> tuple[str, ...]:
    """What a kind ("dog") belongs to ("animal"); nothing for what is most general."""
    return next(((top,) for _, kind, top in CHAINS.values() if kind == noun), ())


def label_of(premise: Statement, hypothesis: Statement) -> int:
    """0, 1 or 2 as in LABELS, by logic."""
    narrow, wide = (premise, hypothesis) if not premise.negated else (hypothesis, premise)
    if premise.negated == hypothesis.negated:
        return 0 if includes(narrow, wide) else 1
    # They clash if what happened falls under what is said not to have happened.
    happened, denied = (hypothesis, premise) if premise.negated else (premise, hypothesis)
    return 2 if includes(happened, denied) else 1


@functools.cache
def _entailment() -> dict[str, list[Entailment]]:
    return fill("entailment", Entailment, _entailment_pair, lambda pair: pair.label, len(LABELS), SIZES)


def _entailment_pair(rng: random.Random) -> tuple[Entailment, str] | None:
    """A hypothesis, then a label, then a premise that gives this label."""
    verb = rng.choice(VERBS)
    leaf = rng.choice(verb.objects)
    world = Statement(rng.choice(PEOPLE), verb, rng.choice(ADJECTIVES), leaf, rng.choice(PLACES), False)
    hypothesis = rng.choice(_blurred(world))
    by_label: list[list[Statement]] = [[], [], []]
    for premise in _blurred(world):
        if premise != hypothesis:
            by_label[label_of(premise, hypothesis)].append(premise)
    if not all(by_label):
        return None  # a hypothesis that no premise entails would give its label away
    label = rng.randrange(len(LABELS))
    if label == 1 and rng.random() < 0.5:
        other = _blurred(_elsewhere(rng, world))
        by_label[1] = [premise for premise in other if label_of(premise, hypothesis) == 1] or by_label[1]
    premise = rng.choice(by_label[label])
    pair = Entailment(str(premise), str(hypothesis), label)
    return pair, split_by(f"{pair.premise} {pair.hypothesis}", _held_out(premise) or _held_out(hypothesis))


def _held_out(statement: Statement) -> bool:
    """Whether this verb with this kind of thing is kept for the test."""
    kind = CHAINS[statement.noun][1] if statement.noun in CHAINS else statement.noun
    return kind in KINDS and draw("entailment", statement.verb.base, kind) % 8 == 0


def _blurred(world: Statement) -> list[Statement]:
    """All one might say of it: with a more general noun, with fewer details, negated."""
    return [
        Statement(world.agent, world.verb, adjective, noun, place, negated)
        for noun in CHAINS[world.noun]
        for adjective in (world.adjective, "")
        for place in (world.place, "")
        for negated in (False, True)
    ]


def _elsewhere(rng: random.Random, world: Statement) -> Statement:
    """The same with one thing changed, so that neutral pairs are not only the general ones."""
    what = rng.choice(("agent", "adjective", "place"))
    return world._replace(
        **{what: rng.choice({"agent": PEOPLE, "adjective": ADJECTIVES, "place": PLACES}[what])}
    )


@functools.cache
def _paraphrases() -> dict[str, list[Paraphrase]]:
    return fill("paraphrases", Paraphrase, _paraphrase, lambda triple: triple.change, len(CHANGES), SIZES)


def _paraphrase(rng: random.Random) -> tuple[Paraphrase, str] | None:
    change = rng.choice(CHANGES)
    event = draw_event(
        rng, rng.choice((GIVING, MEETING)) if change == "roles" else rng.choice((VERBS, GIVING, MEETING))
    )
    other = _changed(rng, event, change)
    if other is None or (event.split == "train" and other.split != "train"):
        return None
    one, two = rng.sample(FORMS, 2)
    synonym = rng.random() < 0.5
    # The negative is said as the anchor is: its words are nearer to the anchor's than those of the positive.
    triple = Paraphrase(
        text(event, one, synonym), text(event, two, not synonym), text(other, one, synonym), change
    )
    return triple, event.split


def _changed(rng: random.Random, event: Event, change: str) -> Event | None:
    people = {event.agent, event.recipient, event.noun}
    if change == "roles":
        if event.verb in MEETING:
            return event._replace(agent=event.noun, noun=event.agent)
        return event._replace(agent=event.recipient, recipient=event.agent)
    if change == "agent":
        return event._replace(agent=rng.choice([p for p in PEOPLE if p not in people]))
    if change == "thing":
        if event.verb in MEETING:
            return None
        return event._replace(noun=rng.choice([noun for noun in event.verb.objects if noun != event.noun]))
    if change == "place":
        return event._replace(place=rng.choice([place for place in PLACES if place != event.place]))
    return event._replace(time=rng.choice([time for time in TIMES if time != event.time]))
