"""The course's data sets. None needs a network, and each has a `card()`: what, where from, licence, quirks.

    tiny_town       a small grammar: senses, sentiment, stories, entailment, questions, tags …
    python_docs     8 MB of English from the documentation of numpy, matplotlib, scikit-learn and torch
    emoji_names     emoji names in six languages
    country_names   countries, languages and currencies in every language
    numbers         numbers in words in English, French and Korean
    digits          handwritten digits
    word_senses     English sentences with words of two senses
    few_shot        reviews and headlines to label, for prompts with a few examples
    passages        short stories whose last word needs the whole story
    batching        batches in a fixed order that can be left and taken up again

`from course_lib.data import tiny_town` loads that one and no other. `print(cards())` shows all cards.
"""

from __future__ import annotations

import importlib
from types import ModuleType

SETS = (
    "tiny_town",
    "python_docs",
    "emoji_names",
    "country_names",
    "numbers",
    "digits",
    "word_senses",
    "few_shot",
    "passages",
)
__all__ = [*SETS, "batching", "cards"]


def cards() -> str:
    """The cards of all data sets, one after the other. Builds what was never loaded: a minute at first."""
    return "\n\n".join(str(importlib.import_module(f"{__name__}.{name}").card()) for name in SETS)


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
