"""Unit 09: a noise to choose and a damaged text to write; and the last task."""

from __future__ import annotations

import math
from collections.abc import Callable

from course_lib.grading.designs import faultless
from course_lib.grading.task import Misconception, Part, Task, Unfit
from course_lib.grading.unit09_predict import PREDICTED

# ---- a noise for paragraphs of 100 tokens ----

RATES = ("masking", "deletion", "infilling")
MOVES = ("permutation", "rotation")
KEYS = (*RATES, "mean_span", *MOVES)
SHARE, TOKENS, EMPTY = (0.3, 0.4), 75, 0.02
Settings = dict[str, float]


def noise_of(
    masking: float = 0.0,
    deletion: float = 0.0,
    infilling: float = 0.36,
    mean_span: float = 3.5,
    permutation: bool = True,
    rotation: bool = False,
) -> Callable[[], Settings]:
    values = (masking, deletion, infilling, mean_span, permutation, rotation)
    return lambda: dict(zip(KEYS, values, strict=True))


def settings_of(answer: Callable) -> Settings:
    """The choice, when it can be read."""
    made = answer()
    if type(made) is not dict or set(made) != set(KEYS):
        raise Unfit(f"wanted is a dict with the keys {', '.join(KEYS[:-1])} and {KEYS[-1]}")
    for key in (*RATES, "mean_span"):
        if type(made[key]) not in (int, float):
            raise Unfit(f"{key} is a {type(made[key]).__name__}; wanted is a number")
    for key in RATES:
        if not 0 <= made[key] < 1:
            raise Unfit(f"{key} = {made[key]:g}; a rate is a share, 0 or more and below 1: 30 % is 0.3")
    if not 0 < made["mean_span"] < math.inf:
        raise Unfit(f"mean_span = {made['mean_span']:g}; it has to be above 0")
    for key in MOVES:
        if type(made[key]) is not bool:
            raise Unfit(f"{key} is a {type(made[key]).__name__}; wanted is True or False")
    return made


def hidden(choice: Settings) -> float:
    """Share of the words that are not there any more."""
    return 1 - math.prod(1 - choice[key] for key in RATES)


def tokens_read(choice: Settings) -> float:
    """What is left of 100 tokens, masks counted: masked, then deleted, then infilled."""
    left = 1 - choice["infilling"] + choice["infilling"] / choice["mean_span"]
    return 100 * (1 - choice["deletion"]) * left


def stays_in_order(choice: Settings) -> str:
    if choice["rotation"]:
        still = "" if choice["permutation"] else "; the others follow each other as before"
        return f"the text begins at any token, so a sentence is cut in two{still}"
    return "" if choice["permutation"] else "the sentences stay in their order"


def gives_away(choice: Settings) -> str:
    if choice["deletion"] > 0:
        return "some words are gone without a [MASK]"
    if choice["masking"] > 0:
        return "some [MASK]s always stand for one word"
    return "" if choice["infilling"] > 0 else "no word is hidden"


def wrong_share(choice: Settings) -> str:
    low, high = SHARE
    if hidden(choice) < low - 1e-9:
        return f"fewer than {100 * low:.0f} of 100 words are hidden"
    return "" if hidden(choice) <= high + 1e-9 else f"more than {100 * high:.0f} of 100 words are hidden"


def too_long(choice: Settings) -> str:
    return "" if tokens_read(choice) <= TOKENS + 1e-9 else f"the encoder reads more than {TOKENS} tokens"


def too_sure(choice: Settings) -> str:
    if choice["infilling"] == 0:
        return "there are no spans"
    return "" if math.exp(-choice["mean_span"]) >= EMPTY else "fewer than one span in fifty is empty"


NOISE = Part(
    "noise",
    noise_of(),
    ("what it lacks",),
    (
        faultless(
            settings_of,
            stays_in_order,
            "sentences change places and stay whole",
            "One noise moves whole sentences; the other cuts the text at any token.",
            "Do both to *a b . c d .* by hand.",
        ),
        faultless(
            settings_of,
            gives_away,
            "each gap has a [MASK], and none says how many words are missing",
            "Masking tells how many words are missing, deletion not even where.",
            "Do all three to a sentence of ten words by hand: what does the reader know?",
        ),
        faultless(
            settings_of,
            wrong_share,
            "30 to 40 of 100 words are hidden",
            "Each rate is the share of the words that it hides.",
            "Run the course's noises with your rates on a text of 1,000 words.",
        ),
        faultless(
            settings_of,
            too_long,
            f"the encoder reads {TOKENS} tokens or fewer, on average",
            "Hidden words go, and each span leaves a mask. Longer spans are fewer masks.",
            "Compute what is left of 100 tokens, as for `infilled` above.",
        ),
        faultless(
            settings_of,
            too_sure,
            "one span in fifty, or more, is empty",
            "The longer spans are on average, the rarer is an empty one: e^-λ.",
            "Compute e^-λ for λ = 2, 3, 4 and 5.",
        ),
    ),
    (
        Misconception(
            "too-many-masks",
            "What is hidden leaves too many masks",
            noise_of(infilling=0.3, mean_span=3.0),
            "Each span leaves a mask. Hide more words, or hide them in longer spans: the text shrinks by "
            "the rate times (1 - 1/λ).",
            "Compute what is left of 100 tokens, as for `infilled` above.",
        ),
        Misconception(
            "spans-too-long",
            "Spans are so long that none is empty",
            noise_of(infilling=0.3, mean_span=6.0),
            "It makes the text short, but then a [MASK] always hides something.",
            "Compute e^-λ for your λ.",
        ),
        Misconception(
            "masking-for-infilling",
            "Single words are masked, not spans",
            noise_of(masking=0.35, infilling=0.0),
            "One [MASK] a word tells how many are missing, and the text stays as long as it was.",
            "Count the tokens before and after masking.",
        ),
        Misconception(
            "deletion-for-infilling",
            "Words are deleted, not hidden",
            noise_of(deletion=0.35, infilling=0.0),
            "It makes the text short, but nothing marks the gaps.",
            "Delete two words of a sentence: can a reader see where?",
        ),
        Misconception(
            "turned-for-shuffled",
            "The text is turned, its sentences stay in order",
            noise_of(permutation=False, rotation=True),
            "A rotation has one cut. From there on the sentences follow each other as before, but for the "
            "one that was cut in two.",
            "Do both to *a b . c d . e f .* by hand.",
        ),
        Misconception(
            "both-moves",
            "The text is turned as well",
            noise_of(rotation=True),
            "Changing places is enough. The rotation cuts a sentence in two.",
            "Do both to *a b . c d . e f .* by hand.",
        ),
        Misconception(
            "order-kept",
            "Nothing moves",
            noise_of(permutation=False),
            "Whoever fills gaps in the right order never has to ask which sentence comes first.",
            "Which of the five noises ask for the order of sentences?",
        ),
        Misconception(
            "too-much-hidden",
            "Too much is hidden",
            noise_of(infilling=0.5, mean_span=3.0),
            "It makes the text short, but what is left must tell enough about what is gone.",
            "How many of 100 words are left to read?",
        ),
        Misconception(
            "too-little-hidden",
            "Too little is hidden",
            noise_of(infilling=0.15),
            "That is BERT's rate. Most of the text can be copied, and it stays too long.",
            "How many of 100 words have to be found?",
        ),
    ),
)

# ---- one damaged text, two originals ----

MASK = "[MASK]"
Trio = tuple[list[str], list[str], list[str]]


def trio(damaged: str, first: str, second: str) -> Callable[[], tuple[str, str, str]]:
    return lambda: (damaged, first, second)


def words_of(answer: Callable) -> Trio:
    """The damaged text and the two originals, as words."""
    made = answer()
    if type(made) not in (tuple, list) or len(made) != 3 or any(type(one) is not str for one in made):
        raise Unfit("wanted are three strings: the damaged text and two originals")
    damaged, first, second = (one.split() for one in made)
    if not first or not second:
        raise Unfit("an original is empty")
    if max(map(len, (damaged, first, second))) > 40:
        raise Unfit("a text is longer than 40 words; short ones show it better")
    return damaged, first, second


def fits(damaged: list[str], text: list[str]) -> bool:
    """Whether infilling can make `damaged` of `text`: each mask stands for any number of words."""
    ends = {0}  # how many words of the text the tokens so far may have covered
    for token in damaged:
        if token == MASK:
            ends = set(range(min(ends), len(text) + 1)) if ends else set()
        else:
            ends = {i + 1 for i in ends if i < len(text) and text[i] == token}
    return len(text) in ends


def with_an_empty_mask(damaged: list[str], text: list[str]) -> bool:
    """Whether it fits, too, when one of the masks hides nothing."""
    places = [i for i, token in enumerate(damaged) if token == MASK]
    return any(fits(damaged[:i] + damaged[i + 1 :], text) for i in places)


NOT_YET = "this can be said once the damaged text fits both"


def does_not_fit(texts: Trio) -> str:
    damaged, first, second = texts
    if MASK not in damaged:
        return "the damaged text has no [MASK]"
    if MASK in first + second:
        return "an original has a [MASK]"
    if not fits(damaged, first) or not fits(damaged, second):
        return "the words in sight do not fit both originals, one after the other"
    return ""


def of_one_length(texts: Trio) -> str:
    _, first, second = texts
    return "both originals have the same number of words" if len(first) == len(second) else ""


def nothing_empty(texts: Trio) -> str:
    damaged, first, second = texts
    if does_not_fit(texts):
        return NOT_YET
    found = any(with_an_empty_mask(damaged, text) for text in (first, second))
    return "" if found else "each [MASK] hides a word in either original"


def too_dark(texts: Trio) -> str:
    damaged, *originals = texts
    if does_not_fit(texts):
        return NOT_YET
    seen = sum(token != MASK for token in damaged)
    return "more than half of an original is hidden" if any(2 * seen < len(o) for o in originals) else ""


TWINS = Part(
    "twins",
    trio("나는 [MASK] 물을 마신다", "나는 물을 마신다", "나는 아침마다 물을 마신다"),
    ("what it lacks",),
    (
        faultless(
            words_of,
            does_not_fit,
            "infilling can make the damaged text of either",
            "Put words for each [MASK], or none: that has to give the one original and the other.",
            "Write the damaged text and an original below each other. Does a full stop stick to a word?",
        ),
        faultless(
            words_of,
            of_one_length,
            "the originals differ in length",
            "Only then it is infilling's own: masking never gives two lengths the same damaged text.",
            "Count the words of both.",
        ),
        faultless(
            words_of,
            nothing_empty,
            "in one of them a [MASK] hides nothing",
            "A Poisson length may be 0.",
            "Take the [MASK] out of the damaged text: is that one of your originals?",
        ),
        faultless(
            words_of,
            too_dark,
            "at least half of each original is in sight",
            "A single [MASK] fits any text, and so says nothing.",
            "Count the words in sight, and those of the longer original.",
        ),
    ),
    (
        Misconception(
            "one-word-a-mask",
            "Each [MASK] stands for one word",
            trio("나는 [MASK] 마신다", "나는 물을 마신다", "나는 차를 마신다"),
            "That is masking: the two differ in *which* word is missing. Infilling also leaves open *how "
            "many*.",
            "What else could your [MASK] hide: two words? None?",
        ),
        Misconception(
            "never-empty",
            "A [MASK] always hides something",
            trio("나는 [MASK] 마신다", "나는 물을 마신다", "나는 찬 물을 마신다"),
            "A span may be empty. Then the [MASK] stands between two words that were neighbours.",
            "Take the [MASK] out of the damaged text: is that a sentence, too?",
        ),
        Misconception(
            "words-in-sight-differ",
            "The words in sight are not those of both",
            trio("나는 [MASK] 물을 마신다", "나는 물을 마신다", "너는 아침마다 물을 마신다"),
            "Infilling hides words. It never changes one that stays in sight.",
            "Write the damaged text and an original below each other, equal words under equal words.",
        ),
        Misconception(
            "deleted",
            "The words are gone without a [MASK]",
            trio("나는 물을 마신다", "나는 찬 물을 마신다", "나는 아침마다 찬 물을 마신다"),
            "That is deletion. Infilling leaves a [MASK] for each span.",
            "How many [MASK]s does infilling leave for one span?",
        ),
        Misconception(
            "mask-in-an-original",
            "An original is damaged itself",
            trio("나는 [MASK] 물을 마신다", "나는 [MASK] 물을 마신다", "나는 물을 마신다"),
            "The originals are what stood there before. A [MASK] comes with the noise.",
            "Write words for the [MASK], or nothing.",
        ),
        Misconception(
            "twice-the-same",
            "Both originals have the same words",
            trio("나는 [MASK] 마신다", "나는 마신다", "나는 마신다"),
            "Then there is nothing to confuse.",
            "What else could your [MASK] hide?",
        ),
        Misconception(
            "nearly-all-hidden",
            "Most of a text is hidden",
            trio("[MASK] 마신다", "마신다", "나는 아침마다 물을 마신다"),
            "So little is in sight that nearly any text would fit.",
            "Count the words in sight, and those of the longer original.",
        ),
    ),
)

PREDICT = Task(
    (PREDICTED, NOISE, TWINS),
    (
        "Take ten tokens, hide three, and count by hand for each noise.",
        "Infilling: 30 tokens in spans of 3 are ten spans; P(0) = e^-λ. For `noise`: which two of the five "
        "noises are wanted, and how do rate and λ change the three numbers? For `twins`: begin with a "
        "sentence that is right with and without some words in the middle.",
        "100, 70, 100 - 30 + 10, e^-3, 4 · 3 · 2 · 1, 100. `noise`: 100 (1 - r + r/λ) ≤ 75 with r up to 0.4, "
        "and e^-λ ≥ 0.02. `twins`: a sentence, the same with one more word in it, and a [MASK] where that "
        "stands.",
    ),
)
