"""Countries, languages and currencies in every language that names them (Unicode CLDR, from babel)."""

from __future__ import annotations

import functools
import unicodedata

from course_lib.data.card import Card
from course_lib.data.store import cached, draw, package_folder, versions

KINDS = ("countries", "languages", "currencies")
SPLITS = ("train", "validation", "test")


def country_names(
    language: str = "fr", kind: str = "countries", split: str = "train", source: str = "en"
) -> list[tuple[str, str]]:
    """Pairs (name in `source`, name in `language`), as CLDR spells them.

    Args:
        language, source: any locale that babel knows: "fr", "ko", "ja", "pt_BR" …
        kind: "countries", "languages" or "currencies".
        split: "train", "validation" or "test"; the same things are held out in every language.

    Raises:
        ValueError: no such language, kind or split.
        ModuleNotFoundError: the package babel is not installed.
    """
    if kind not in KINDS or split not in SPLITS:
        raise ValueError(
            f"kind={kind!r}, split={split!r}: kind is one of {', '.join(KINDS)}, "
            f"split one of {', '.join(SPLITS)}"
        )
    ours, theirs, groups = _names(source)[kind], _names(language)[kind], _names("en")[kind]
    return [
        (name, theirs[code])
        for code, name in ours.items()
        if code in theirs and code in groups and _split(groups[code]) == split
    ]


def _split(english: str) -> str:
    """By the last word in English, so that "Canadian French" and "Swiss French" stay together."""
    drawn = draw("country", english.split()[-1].rstrip("s").lower()) % 10
    return {0: "validation", 1: "test", 2: "test"}.get(drawn, "train")


@functools.cache
def _names(language: str) -> dict[str, dict[str, str]]:
    package_folder("babel", "country names")
    return cached(f"country_names-{language}", versions("babel"), __file__, lambda: _build(language))


def _build(language: str) -> dict[str, dict[str, str]]:
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"babel has no language {language!r}: try 'fr', 'ko' or 'pt_BR'") from None
    # Three digits are regions such as "Western Africa"; ZZ, XA and the like stand for no country.
    countries = {c: n for c, n in locale.territories.items() if c.isalpha() and c not in {"ZZ", "XA", "XB"}}
    languages = {c: n for c, n in locale.languages.items() if c not in {"und", "mul", "zxx", "root", "mis"}}
    # CLDR puts the years of dead currencies in brackets; those are dropped.
    currencies = {
        c: n for c, n in locale.currencies.items() if "(" not in n and "（" not in n and c[0] != "X"
    }
    found = {}
    for kind, names in zip(KINDS, (countries, languages, currencies)):
        rows: dict[str, str] = {}
        taken = set()
        for code, name in sorted(names.items()):
            name = unicodedata.normalize("NFC", name).strip()
            if name and name != code and name not in taken:
                rows[code] = name
                taken.add(name)
        found[kind] = rows
    return found


def card() -> Card:
    """The data card."""
    sizes = [
        f"{kind} " + " + ".join(f"{len(country_names('ko', kind, split))} {split}" for split in SPLITS)
        for kind in KINDS
    ]
    return Card(
        name="Country, language and currency names",
        what="the name of one country, language or currency in two languages",
        source=f"Unicode CLDR, from the package babel {versions('babel')['babel']}",
        licence="Unicode License v3 (data), BSD-3-Clause (package)",
        size="English to Korean: " + "; ".join(sizes),
        quirks=(
            "Names are proper nouns: a held-out one can be spelled by sound, hardly composed.",
            "Many names are alike in English and French; copying scores well there, and nothing in Korean.",
            "Split by the last English word: no 'Australian Dollar' here and 'Canadian Dollar' there.",
            "Dead currencies (with years in brackets) and regions are left out; names are as CLDR has them.",
        ),
    )
