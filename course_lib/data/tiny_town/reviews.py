"""Reviews in which the words alone do not tell: "not bad", "anything but boring", "good but too plain".

Five kinds, each half positive:

    plain      the service was great .
    negated    the service was not great .
    implied    the service was anything but great .
    double     nobody could say that the service was not great .
    contrast   the view was great but the service was awful .     (what is said after "but" counts, or in the
               although the view was great , the service was awful .   main clause)

Adjectives in RESERVED are met in plain reviews only, until the test: a model passes if it negates *any*
adjective.
"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from course_lib.data.store import draw
from course_lib.data.tiny_town.splits import SIZES, check_split, fill, split_by
from course_lib.data.tiny_town.world import listed

GOOD = listed(
    "good great lovely excellent wonderful pleasant brilliant superb nice impressive perfect delightful"
)
BAD = listed("bad awful terrible poor dreadful boring dull weak disappointing horrible mediocre unpleasant")
RESERVED = {"lovely", "superb", "delightful", "dull", "terrible", "unpleasant"}
ASPECTS = {
    "film": "acting plot music ending",
    "hotel": "room service breakfast view",
    "restaurant": "soup service dessert bread",
    "concert": "sound singer program hall",
    "book": "plot style ending cover",
    "museum": "guide cafe exhibition building",
    "game": "artwork story sound tutorial",
    "trip": "weather food guide schedule",
}
HOW = ("", "", "really ", "truly ")
AFTER_ALL = "the {a} was {y} but {x} ."
FRAMES = {
    "plain": ("the {a} was {how}{x} .", "we found the {a} {how}{x} .", "everyone called the {a} {how}{x} ."),
    "negated": (
        "the {a} was not {how}{x} .",
        "the {a} was never {how}{x} .",
        "we did not find the {a} {how}{x} .",
        "nobody called the {a} {how}{x} .",
    ),
    "implied": (
        "the {a} was anything but {x} .",
        "the {a} was far from {x} .",
        "the {a} was hardly {x} .",
        "calling the {a} {x} would be wrong .",
    ),
    "double": (
        "nobody could say that the {a} was not {x} .",
        "it is not true that the {a} was never {x} .",
        "the {a} never was anything but {x} .",
        "we do not know why anyone would not call the {a} {x} .",
    ),
    "contrast": (  # {x} counts, {y} does not
        "the {b} was {y} but the {a} was {how}{x} .",
        "although the {b} was {how}{y} , the {a} was {x} .",
        "the {a} was {how}{x} , although the {b} was {y} .",
        AFTER_ALL,
    ),
}
TOO = (
    "far too plain",
    "much too simple",
    "too predictable",
    "too ordinary",
)  # another way to say that it was bad


class Review(NamedTuple):
    """A sentence about something; label 1 is positive."""

    text: str
    label: int
    kind: str


def sentiment(split: str = "train") -> list[Review]:
    """Reviews, equally many of each kind and label.

    Args:
        split: "train", "validation" or "test" (reserved adjectives negated, and new pairs of adjective and
        aspect).
    """
    check_split(split)
    return list(_filled()[split])


@functools.cache
def _filled() -> dict[str, list[Review]]:
    return fill(
        "sentiment", Review, _make, lambda review: (review.kind, review.label), 2 * len(FRAMES), SIZES
    )


def _make(rng: random.Random) -> tuple[Review, str]:
    topic = rng.choice(list(ASPECTS))
    a, b = rng.sample(ASPECTS[topic].split(), 2)
    kind, label = rng.choice(list(FRAMES)), rng.randrange(2)
    flips = kind in ("negated", "implied")
    x = rng.choice(GOOD if label != flips else BAD)
    y = rng.choice(BAD if label else GOOD)
    frame = rng.choice(FRAMES[kind])
    if frame == AFTER_ALL:  # "too plain" on the side of what is bad
        x, y = (x, rng.choice(TOO)) if label else (rng.choice(TOO), y)
    said = frame.format(a=a, b=b, how=rng.choice(HOW), x=x, y=y)
    text = (
        rng.choice(("", "", "about the {topic} : ", "a review of the {topic} : ")).format(topic=topic) + said
    )
    used = [one for one in (x, y) if f" {one} " in text]
    new = any((kind != "plain" and one in RESERVED) or draw("review", one, a) % 10 == 0 for one in used)
    return Review(text, label, kind), split_by(text, new)
