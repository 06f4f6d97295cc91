"""Emoji names in several languages: "woman juggling dark skin tone", "jongleuse peau foncée".

The Unicode Common Locale Data Repository names every emoji in every language, and most names are composed of
few words. So two questions can be asked apart. *Compositions*: every word was seen in training, but not
together. *Novel*: the name holds a word that training never shows, in any variant.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter

from course_lib.data.card import Card
from course_lib.data.store import cached, draw, package_folder, versions

LANGUAGES = ("en", "fr", "ko", "ja", "es", "de")
SPLITS = ("train", "validation", "compositions", "novel")
N_COMPOSITIONS, N_VALIDATION = 400, 200
COMMON = 40  # a word in more names than this (man, skin, tone, face) is never chosen as novel
NOVEL_PERCENT = 12  # of the other words


def emoji_names(language: str = "fr", split: str = "train", source: str = "en") -> list[tuple[str, str]]:
    """Pairs (name in `source`, name in `language`), lower case. The split is the same for every language.

    Args:
        language: one of "en", "fr", "ko", "ja", "es", "de".
        split: "train", "validation" (compositions to tune on), "compositions" or "novel".

    Raises:
        ValueError: no such language or split.
        ModuleNotFoundError: the package emoji is not installed.
    """
    for given, known in ((language, LANGUAGES), (source, LANGUAGES), (split, SPLITS)):
        if given not in known:
            raise ValueError(f"{given!r} is not here: choose one of {', '.join(known)}")
    return [(row[source], row[language]) for row in _splits()[split]]


def emoji_table(split: str = "train") -> list[dict[str, str]]:
    """The same names in all languages: a dict {language: name} an emoji, with the emoji itself as "emoji"."""
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not a split: choose one of {', '.join(SPLITS)}")
    return [dict(row) for row in _splits()[split]]


def stem(word: str) -> str:
    """What the singular, plural and -ing form of an English word share: enough to keep them together."""
    for ending in ("ing", "es", "ed", "er", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word  # running, run


def words(name: str) -> list[str]:
    """The words of a name, without punctuation."""
    return re.findall(r"\w+", name)


@functools.cache
def _splits() -> dict[str, list[dict[str, str]]]:
    package_folder("emoji", "emoji names")
    return cached("emoji_names", versions("emoji"), __file__, _build)


def _build() -> dict[str, list[dict[str, str]]]:
    rows = _read()
    in_names = Counter(s for row in rows for s in {stem(w) for w in words(row["en"])})
    novel_stems = {
        s
        for s, count in in_names.items()
        if count <= COMMON and len(s) > 2 and not s.isdigit() and draw("emoji", s) % 100 < NOVEL_PERCENT
    }
    splits: dict[str, list] = {name: [] for name in SPLITS}
    known = []
    for row in rows:
        new = novel_stems & {stem(w) for w in words(row["en"])}
        (splits["novel"] if new else known).append(row)
    known.sort(key=lambda row: draw("emoji", row["en"]))
    seen = Counter(piece for row in known for piece in _pieces(row))
    for row in known:
        pieces = _pieces(row)
        wanted = "compositions" if len(splits["compositions"]) < N_COMPOSITIONS else "validation"
        full = len(splits["validation"]) == N_VALIDATION
        if not full and len(words(row["en"])) > 1 and all(seen[piece] > 2 for piece in pieces):
            splits[wanted].append(row)
            seen.subtract(pieces)  # what is held out no longer counts as seen
        else:
            splits["train"].append(row)
    return splits


def _read() -> list[dict[str, str]]:
    """One row a distinct English name. Flags are left out: they are country names, each a word of its own."""
    import emoji

    emoji.config.load_language([language for language in LANGUAGES if language != "en"])
    rows: dict[str, dict[str, str]] = {}
    for character, entry in emoji.EMOJI_DATA.items():
        is_flag = 0x1F1E6 <= ord(character[0]) <= 0x1F1FF or "\U000e0067" in character
        if is_flag or any(language not in entry for language in LANGUAGES):
            continue
        row = {language: _clean(entry[language]) for language in LANGUAGES}
        if all(row.values()):
            rows.setdefault(row["en"], {"emoji": character, **row})
    return list(rows.values())


def _clean(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip(":").replace("_", " ").replace("’", "'").lower()).strip()


def _pieces(row: dict[str, str]) -> set[tuple[str, str]]:
    """All words of all languages; of Japanese, which writes no spaces, all characters."""
    return {
        (language, piece)
        for language in LANGUAGES
        for piece in (row[language] if language == "ja" else words(row[language]))
    }


def card() -> Card:
    """The data card."""
    counts = {split: len(rows) for split, rows in _splits().items()}
    return Card(
        name="Emoji names",
        what=f"the name of one emoji in {', '.join(LANGUAGES)}",
        source=f"Unicode CLDR, from the package emoji {versions('emoji')['emoji']}",
        licence="Unicode License v3 (data), BSD-3-Clause (package)",
        size=", ".join(f"{split} {count:,}" for split, count in counts.items()),
        quirks=(
            "The package's 5,200 entries hold some 3,700 names: the others differ in an invisible code.",
            "Most names are one of five skin tones or three genders of another name, compositions above all.",
            "Colons and commas are gone: 'man: dark skin tone, bald' is 'man dark skin tone bald'.",
            "A novel English word may have a known translation: 'biking' is new, 'vélo' may not be.",
            "Flags are left out; country names are a set of their own.",
        ),
    )
