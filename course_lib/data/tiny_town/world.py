"""Who lives in Tiny Town, and what is there. All lower case, each word one token of `text.split()`."""

from __future__ import annotations

from typing import NamedTuple


def listed(text: str, between: str = " ") -> list[str]:
    """The entries of a list written as one string."""
    return text.split(between)


PEOPLE = listed(
    "mina joon sora minho yuna jisoo hana seojun dahye taemin emma leo nora oscar clara hugo alice felix "
    "rosa max ida otto vera theo"
)
PLACES = listed(
    "in the kitchen, at the market, in the garden, at the school, on the bridge, near the lake, "
    "in the attic, at the station, behind the barn, in the library",
    ", ",
)
TIMES = listed(
    "yesterday, on monday, on tuesday, on friday, on sunday, last week, this morning, at noon, after lunch, "
    "before dawn",
    ", ",
)
ADJECTIVES = listed("red blue green small big old new")

# kind -> what it is called more generally; its members follow.
KINDS = {
    "dog": ("animal", "poodle beagle terrier"),
    "bird": ("animal", "sparrow parrot robin"),
    "fish": ("animal", "trout salmon carp"),
    "fruit": ("ingredient", "pear plum peach"),
    "vegetable": ("ingredient", "carrot onion turnip"),
    "tool": ("thing", "hammer shovel ladder"),
    "toy": ("thing", "kite doll puzzle"),
    "instrument": ("thing", "flute violin trumpet"),
    "book": ("thing", "novel atlas diary"),
    "garment": ("thing", "scarf coat glove"),
}
CHAINS = {leaf: (leaf, kind, top) for kind, (top, leaves) in KINDS.items() for leaf in listed(leaves)}
ANIMALS, FOODS, THINGS = (
    [leaf for leaf, chain in CHAINS.items() if chain[2] == top] for top in ("animal", "ingredient", "thing")
)


class Verb(NamedTuple):
    """A verb, and another that means the same: each as base, past and participle."""

    base: str
    past: str
    participle: str
    synonym: tuple[str, str, str]
    objects: tuple[str, ...]

    def forms(self, synonym: bool) -> tuple[str, str, str]:
        """Base, past and participle of the verb or of its synonym."""
        return self.synonym if synonym else (self.base, self.past, self.participle)


def _verb(line: str, *objects: list[str]) -> Verb:
    one, two = ([*listed(word), listed(word)[-1]][:3] for word in line.split("/"))
    return Verb(*one, tuple(two), tuple(noun for nouns in objects for noun in nouns))


VERBS = (
    _verb("buy bought/purchase purchased", FOODS, THINGS, ANIMALS),
    _verb("find found/discover discovered", FOODS, THINGS, ANIMALS),
    _verb("draw drew drawn/sketch sketched", FOODS, THINGS, ANIMALS),
    _verb("see saw seen/notice noticed", FOODS, THINGS, ANIMALS),
    _verb("wash washed/clean cleaned", FOODS, THINGS, ANIMALS),
    _verb("hide hid hidden/conceal concealed", FOODS, THINGS),
    _verb("choose chose chosen/select selected", FOODS, THINGS),
    _verb("eat ate eaten/devour devoured", FOODS),
    _verb("cook cooked/prepare prepared", FOODS),
    _verb("fix fixed/repair repaired", THINGS),
    _verb("lose lost/misplace misplaced", THINGS),
    _verb("break broke broken/damage damaged", THINGS),
    _verb("chase chased/pursue pursued", ANIMALS),
    _verb("feed fed/nourish nourished", ANIMALS),
)
GIVING = (  # what one person does for another with a thing
    _verb("give gave given/hand handed", FOODS, THINGS),
    _verb("send sent/mail mailed", FOODS, THINGS),
    _verb("show showed shown/present presented", FOODS, THINGS),
)
MEETING = (  # what one person does to another
    _verb("help helped/assist assisted", PEOPLE),
    _verb("call called/phone phoned", PEOPLE),
    _verb("greet greeted/welcome welcomed", PEOPLE),
    _verb("teach taught/instruct instructed", PEOPLE),
)


def article(word: str) -> str:
    """ "a" or "an", by the letter the next word begins with."""
    return "an" if word[0] in "aeio" else "a"
