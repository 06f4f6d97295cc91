"""Questions about a short passage, answered by a span of its words."""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.events import FORMS, Event, draw_event, text, thing
from course_lib.data.tiny_town.splits import SIZES, check_split, fill, split_by
from course_lib.data.tiny_town.world import PEOPLE

KINDS = ("who", "what", "where", "when")


class Question(NamedTuple):
    """`passage.split()[start:end]` is the answer.

    kind: "who", "what", "where" or "when".
    """

    passage: str
    question: str
    answer: str
    start: int
    end: int
    kind: str


def questions(split: str = "train") -> list[Question]:
    """Questions, equally many of each kind.

    A passage tells four events of two people, all with different verbs, things, places and times, so the kind
    of the question leaves two or four candidates. Questions may use the other verb of the same meaning. In
    the test the event asked for has a pair of verb and thing that training never shows.
    """
    check_split(split)
    return list(_questions()[split])


@functools.cache
def _questions() -> dict[str, list[Question]]:
    return fill("questions", Question, _question, lambda question: question.kind, len(KINDS), SIZES)


def _question(rng: random.Random) -> tuple[Question, str] | None:
    people = rng.sample(PEOPLE, 2)
    want_test = rng.random() < 0.2
    events: list[Event] = []
    while len(events) < 4:
        event = draw_event(rng)._replace(agent=people[len(events) % 2])
        old = [(e.verb, e.noun, e.place, e.time) for e in events]
        clash = any(one in row for row in old for one in (event.verb, event.noun, event.place, event.time))
        # Held-out pairs stay out of training passages altogether.
        if not clash and event.held_out == (want_test and not events):
            events.append(event)
    asked = events[0]
    rng.shuffle(events)
    passage = " ".join(text(event, rng.choice(FORMS), rng.random() < 0.5) for event in events)
    kind = rng.choice(KINDS)
    base, past, _ = asked.verb.forms(rng.random() < 0.5)
    the = thing(asked, "the")
    question, answer = {
        "who": (f"who {past} {the} ?", asked.agent),
        "what": (f"what did {asked.agent} {base} {asked.place} ?", thing(asked)),
        "where": (f"where did {asked.agent} {base} {the} ?", asked.place),
        "when": (f"when did {asked.agent} {base} {the} ?", asked.time),
    }[kind]
    words, wanted = passage.split(), answer.split()
    spans = [i for i in range(len(words)) if words[i : i + len(wanted)] == wanted]
    if kind == "who":  # a name stands in two sentences: the one of the event asked for counts
        ends = [i for i, word in enumerate(words) if word == "."]
        at = events.index(asked)
        spans = [i for i in spans if (ends[at - 1] if at else -1) < i < ends[at]]
    if len(spans) != 1:
        return None
    made = Question(passage, question, answer, spans[0], spans[0] + len(wanted), kind)
    return made, split_by(f"{draw(passage)} {question}", want_test)
