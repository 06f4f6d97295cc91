"""Short stories in which the order of events matters, and pairs of sentences for next-sentence prediction.

A story has three to five sentences in a row out of the five steps of a script ("kneaded the dough", "put it
in the oven", "took it out"). Every sentence names the person and the thing, so that whether two sentences
follow each other can be told from them alone.
"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.splits import SPLITS, check_split, split_by
from course_lib.data.tiny_town.world import PEOPLE

# things / a line for each step, with two wordings
SCRIPTS = """
cake pie loaf pizza tart bagel
{p} wanted to bake a {o} . / {p} found a recipe for a {o} .
{p} mixed flour and butter for the {o} . / {p} kneaded the dough for the {o} .
{p} put the {o} in the hot oven . / {p} began to bake the {o} .
after an hour {p} took the {o} out of the oven . / {p} let the hot {o} cool down .
{p} ate a slice of the {o} . / {p} shared the {o} with the neighbors .

tulip sunflower pumpkin bean rose melon
{p} bought some {o} seeds . / {p} asked a friend for {o} seeds .
{p} dug a hole for the {o} seeds . / {p} planted the {o} seeds .
{p} watered the {o} plant every day . / {p} saw the first leaf of the {o} plant .
{p} saw the first flower of the {o} plant . / {p} took a picture of the tall {o} plant .
{p} won a prize for the {o} . / {p} gave the grown {o} to a friend .

paris busan rome jeju lisbon tokyo
{p} dreamed of seeing {o} . / {p} read a guide to {o} .
{p} bought a ticket to {o} . / {p} looked for a cheap flight to {o} .
{p} packed a bag for {o} . / {p} locked the door and left for {o} .
{p} arrived in {o} at night . / {p} walked through the streets of {o} .
{p} came home from {o} . / {p} told everyone about the days in {o} .

bicycle radio clock lamp toaster printer
{p} noticed that the {o} was broken . / one day the {o} of {p} stopped working .
{p} took the {o} apart . / {p} found the fault in the {o} .
{p} ordered a new part for the {o} . / {p} waited for the new part of the {o} .
{p} put the new part into the {o} . / {p} put the {o} together again .
{p} used the repaired {o} . / {p} was proud of the repaired {o} .

puppy kitten parrot rabbit pony hamster
{p} saw a lonely {o} at the shelter . / {p} wished for a {o} .
{p} signed the papers for the {o} . / {p} took the {o} home .
{p} chose a name for the {o} . / {p} showed the {o} its new bed .
{p} taught the {o} a trick . / {p} trained the {o} for months .
{p} won a show with the {o} . / {p} and the old {o} rested by the fire .

letter parcel drawing postcard package card
{p} wished to send a {o} . / {p} bought paper for a {o} .
{p} wrote an address on the {o} . / {p} put a stamp on the {o} .
{p} took the {o} to the post office . / {p} mailed the {o} .
the {o} from {p} arrived . / a friend opened the {o} from {p} .
the friend thanked {p} for the {o} . / {p} got an answer to the {o} .

math history music biology korean chemistry
{p} chose the {o} class . / {p} signed up for the {o} class .
{p} bought the {o} textbook . / {p} went to the first {o} lesson .
{p} studied for the {o} exam . / {p} did not sleep before the {o} exam .
{p} sat in the {o} exam . / {p} answered the last question of the {o} exam .
{p} got a good grade in {o} . / {p} forgot all about {o} .

cabin shed garage barn tower boat
{p} had the idea of building a {o} . / {p} drew a plan of a {o} .
{p} bought wood for the {o} . / {p} sawed the boards for the {o} .
{p} nailed the boards of the {o} together . / {p} built the sides of the {o} .
{p} painted the {o} . / {p} put the last nail into the {o} .
{p} had a party in the new {o} . / {p} spent a night in the finished {o} .

marathon triathlon relay sprint derby rally
{p} signed up for the {o} . / {p} decided to enter the {o} .
{p} trained for the {o} . / {p} bought new shoes for the {o} .
{p} stood at the start of the {o} . / {p} heard the gun that began the {o} .
{p} reached the finish of the {o} . / {p} came second in the {o} .
{p} got a medal for the {o} . / {p} slept for a day after the {o} .

wallet phone key passport ticket camera
{p} put the {o} in a pocket . / {p} went out with the {o} .
{p} noticed that the {o} was gone . / {p} could not find the {o} .
{p} searched every room for the {o} . / {p} asked everyone about the {o} .
{p} found the {o} under the sofa . / at last {p} had the {o} again .
{p} bought a chain for the {o} . / {p} promised never to lose the {o} again .

novel cookbook comic play diary biography
{p} had an idea for a {o} . / {p} wanted to write a {o} .
{p} wrote the first page of the {o} . / {p} worked on the {o} every night .
{p} finished the {o} . / {p} wrote the last line of the {o} .
{p} sent the {o} to a publisher . / {p} saw the {o} in print .
{p} signed copies of the {o} . / {p} read from the {o} to a crowd .

violin cello guitar flute trumpet piano
{p} heard a {o} on the radio . / {p} fell in love with the sound of the {o} .
{p} got a {o} as a gift . / {p} saved money and bought a {o} .
{p} took lessons on the {o} . / {p} practiced the {o} for a year .
{p} played the {o} on a stage . / {p} gave a concert on the {o} .
people clapped for {p} and the {o} . / {p} bowed and put the {o} down .
"""
N_STEPS = 5
N_STORIES = {"train": 2_400, "validation": 300, "test": 300}
N_PAIRS = {"train": 4_800, "validation": 600, "test": 600}
KINDS = ("same story", "same script", "other script")


class Story(NamedTuple):
    """Sentences in order; `first_step` is the step of its script the story begins with."""

    sentences: tuple[str, ...]
    script: int
    first_step: int


class Pair(NamedTuple):
    """Two sentences; label 1: the second follows the first in a story.

    kind: "next", or where the second comes from: the "same story" (earlier, or a step too late), the "same
    script" lived by somebody else with something else, or an "other script".
    """

    first: str
    second: str
    label: int
    kind: str


@functools.cache
def scripts() -> tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...]:
    """All scripts: (things, steps), a step being its wordings."""
    blocks = [block.splitlines() for block in SCRIPTS.strip().split("\n\n")]
    return tuple(
        (tuple(head.split()), tuple(tuple(step.split(" / ")) for step in steps)) for head, *steps in blocks
    )


def stories(split: str = "train") -> list[Story]:
    """Stories of three to five sentences; "test" has things that training never meets in that script."""
    check_split(split)
    return list(_stories()[split])


def next_sentence(split: str = "train") -> list[Pair]:
    """Pairs, half of them next, the others equally of three kinds.

    Pairs that are not next are made by exchanging the second sentences of two pairs that are: each side alone
    says nothing about the label.
    """
    check_split(split)
    return list(_pairs()[split])


def world_split(script: int, thing: str, person: str) -> str:
    """The split of all that happens to one person with one thing."""
    things = scripts()[script][0]
    held_out = thing == min(things, key=lambda one: draw("story", script, one))
    return split_by(f"story {script} {thing} {person}", held_out)


@functools.cache
def _worlds() -> dict[str, list[tuple[int, str, str]]]:
    worlds: dict[str, list] = {split: [] for split in SPLITS}
    for script, (things, _) in enumerate(scripts()):
        for thing in things:
            for person in PEOPLE:
                worlds[world_split(script, thing, person)].append((script, thing, person))
    return worlds


def _say(rng: random.Random, world: tuple[int, str, str], step: int) -> str:
    script, thing, person = world
    return rng.choice(scripts()[script][1][step]).format(p=person, o=thing)


@functools.cache
def _stories() -> dict[str, list[Story]]:
    made: dict[str, list[Story]] = {}
    for split, size in N_STORIES.items():
        rng = random.Random(f"tiny town stories {split}")
        found: dict[Story, None] = {}
        while len(found) < size:
            world, length = rng.choice(_worlds()[split]), rng.randint(3, N_STEPS)
            first = rng.randint(0, N_STEPS - length)
            sentences = tuple(_say(rng, world, step) for step in range(first, first + length))
            found[Story(sentences, world[0], first)] = None
        made[split] = list(found)
    return made


@functools.cache
def _pairs() -> dict[str, list[Pair]]:
    made: dict[str, list[Pair]] = {}
    for split, size in N_PAIRS.items():
        rng = random.Random(f"tiny town pairs {split}")
        found: dict[tuple[str, str], Pair] = {}
        wanted = dict.fromkeys(KINDS, size // 2 // len(KINDS))
        while any(wanted.values()):
            kind = rng.choice([kind for kind, left in wanted.items() if left])
            worlds = _worlds()[split]
            one = rng.choice(worlds)
            if kind == "same story":
                other, (step, other_step) = one, rng.sample(range(N_STEPS - 1), 2)
            else:
                alike = [w for w in worlds if (w[0] == one[0]) == (kind == "same script") and w[2] != one[2]]
                other = rng.choice([w for w in alike if w[1] != one[1]] or alike)
                step = rng.randrange(N_STEPS - 1)
                other_step = step if kind == "same script" else rng.randrange(N_STEPS - 1)
            firsts = _say(rng, one, step), _say(rng, other, other_step)
            seconds = _say(rng, one, step + 1), _say(rng, other, other_step + 1)
            new = [
                *(Pair(first, second, 1, "next") for first, second in zip(firsts, seconds)),
                *(Pair(first, second, 0, kind) for first, second in zip(firsts, reversed(seconds))),
            ]
            keys = [(pair.first, pair.second) for pair in new]
            if len(set(keys)) == 4 and not found.keys() & set(keys) and all(a != b for a, b in keys):
                found.update(zip(keys, new))
                wanted[kind] = max(0, wanted[kind] - 2)
        pairs = list(found.values())
        rng.shuffle(pairs)
        made[split] = pairs
    return made
