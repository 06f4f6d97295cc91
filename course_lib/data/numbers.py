"""Numbers in digits and in words: "4,071" read aloud in English, French and Korean."""

from __future__ import annotations

import functools
import random
import unicodedata

from course_lib.data.card import Card
from course_lib.data.store import cached, draw, package_folder, versions

LANGUAGES = ("en", "fr", "ko")
SPLITS = ("train", "validation", "test", "longer")
NATIVE_ONES = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")


def number_words(language: str = "en", split: str = "train") -> list[tuple[str, str]]:
    """Pairs (digits, words).

    Numbers below 100 are all in the training split. The others, up to 99,999, are split by chance. "longer"
    has six digits, of which training shows none: does the model read, or has it learned a length?

    Args:
        language: "en", "fr" or "ko".
        split: "train", "validation", "test" or "longer".

    Raises:
        ValueError: no such language or split.
        ModuleNotFoundError: the package num2words is not installed.
    """
    if language not in LANGUAGES or split not in SPLITS:
        raise ValueError(
            f"language={language!r}, split={split!r}: language is one of {', '.join(LANGUAGES)}, "
            f"split one of {', '.join(SPLITS)}"
        )
    return [(str(n), _words(language)[str(n)]) for n in numbers_of(split)]


def native_korean(n: int) -> str:
    """How Korean counts things and years of age: 21 is 스물하나, where the Sino-Korean reading is 이십일.

    Raises:
        ValueError: `n` is not in 1 to 99: native numerals end there.
    """
    if not 1 <= n <= 99:
        raise ValueError(f"{n} has no native Korean name: they go from 1 to 99")
    return NATIVE_TENS[n // 10] + NATIVE_ONES[n % 10]


@functools.cache
def numbers_of(split: str) -> tuple[int, ...]:
    """The numbers of a split, the same in every language."""
    rng = random.Random("numbers")
    drawn = set(range(1_000)) | set(rng.sample(range(1_000, 10_000), 3_000))
    drawn |= set(rng.sample(range(10_000, 100_000), 4_000))
    if split == "longer":
        return tuple(sorted(rng.sample(range(100_000, 1_000_000), 500)))
    return tuple(n for n in sorted(drawn) if _split(n) == split)


def _split(n: int) -> str:
    if n < 100:
        return "train"
    return {0: "validation", 1: "test"}.get(draw("number", n) % 10, "train")


@functools.cache
def _words(language: str) -> dict[str, str]:
    package_folder("num2words", "number names")
    return cached(f"number_words-{language}", versions("num2words"), __file__, lambda: _build(language))


def _build(language: str) -> dict[str, str]:
    from num2words import num2words

    every = (n for split in SPLITS for n in numbers_of(split))
    return {str(n): unicodedata.normalize("NFC", num2words(n, lang=language)) for n in every}


def card() -> Card:
    """The data card."""
    return Card(
        name="Number names",
        what="a whole number in digits, and in words in English, French or Korean",
        source=f"computed by the package num2words {versions('num2words')['num2words']}",
        licence="LGPL-2.1 (package); the words are facts",
        size=", ".join(f"{split} {len(numbers_of(split)):,}" for split in SPLITS),
        quirks=(
            "French counts 71 as sixty-eleven and 97 as four-twenty-seventeen: no word for 70, 80 or 90.",
            "Korean is Sino-Korean (이십일), grouped by ten thousands: 12345 is 만 이천삼백사십오. "
            "For native numerals (스물하나, to count things) there is native_korean().",
            "English has British 'and' and a comma after thousand.",
        ),
    )
