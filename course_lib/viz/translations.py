"""What the translation playground shows of a text: words, weights between them, or what is the matter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch

from course_lib.viz.labels import visible

MAX_LETTERS = 100
_MARK = re.compile(r"</?\w+>")


class Interpreter:
    """Answers a text with its translations, or with what is the matter with it."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        languages: Sequence[str],
        translate: Callable[..., Any],
        num_beams: int = 1,
    ) -> None:
        self.model, self.tokenizer, self.languages = model, tokenizer, list(languages)
        self.translate, self.num_beams = translate, num_beams

    def __call__(self, text: str, references: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What the script shows, made visible: text, problem or None, unknown words, a result a language."""
        text = " ".join(text.split())
        found = {
            "text": visible(text) if text else "",
            "problem": problem(text),
            "unknown": [],
            "results": [],
        }
        if found["problem"]:
            return found
        try:
            results = [
                self.translate(self.model, self.tokenizer, text, language, num_beams=self.num_beams)
                for language in self.languages
            ]
        except ValueError as error:
            return found | {"problem": visible(error)}
        found["unknown"] = list(dict.fromkeys(visible(word) for one in results for word in one.unknown))
        for language, one in zip(self.languages, results, strict=True):
            found["results"].append(_result(one, text, (references or {}).get(language)))
        return found


def translate_name(model: Any, tokenizer: Any, text: str, language: str, num_beams: int = 1) -> Any:
    """`course_lib.recipes.names.translate`, with capitals as in training: Woman Cook as woman cook.

    To a tokenizer that keeps capitals, a known word with another first letter is a row of strange pieces.
    """
    from course_lib.recipes.names import translate

    def usual(word: str) -> str:
        spellings = _spellings().get(word.lower())
        return (
            word if not spellings or word in spellings else min(spellings, key=lambda w: (-spellings[w], w))
        )

    return translate(model, tokenizer, " ".join(map(usual, text.split())), language, num_beams)


@cache
def _spellings() -> dict[str, Counter[str]]:
    """How often training spells an English word with which capitals: {"south": {"South": 7}}."""
    from course_lib.recipes.names import LANGUAGES, name_pairs

    found: dict[str, Counter[str]] = {}
    for name in {name for language in LANGUAGES for name, _ in name_pairs(language)}:
        for word in name.split():
            found.setdefault(word.lower(), Counter())[word] += 1
    return found


def problem(text: str) -> str | None:
    """Why a text is not English words to translate; None where nothing is the matter."""
    if not text.strip():
        return "Nothing to translate: type some English words, such as woman cook."
    if len(text) > MAX_LETTERS:
        return f"{len(text):,} letters; at most {MAX_LETTERS} can be translated at once: shorten the text."
    # Latin letters end at U+024F: é is English enough, Hangul is not.
    foreign = "".join(char for char in text if char.isalpha() and char > "\u024f")
    if foreign:
        return (
            f"“{visible(foreign[:12])}” is not English, and the model reads nothing else: type English words."
        )
    if not any(char.isalnum() for char in text):
        return f"“{visible(text[:12])}” holds no word: type English words, such as woman cook."
    return None


def held_out_names(languages: Sequence[str]) -> list[tuple[str, dict[str, str], str]]:
    """A dozen names that no training showed, with their references: eight compositions, four novel ones."""
    from course_lib.data.emoji_names import emoji_table

    found = []
    for split, said, n in (("compositions", "new composition", 8), ("novel", "new word in it", 4)):
        rows = [row for row in emoji_table(split) if len(row["en"].split()) <= 6]
        for row in rows[:: max(1, len(rows) // n)][:n]:
            found.append((row["en"], {code: row[code] for code in languages if code in row}, said))
    return found


def _result(one: Any, text: str, reference: str | None) -> dict[str, Any]:
    """A translation of `text`, word by word and made visible; weights to three decimals."""
    source, target = pieces_of(one.source, text), pieces_of(one.target, one.text)
    weights = torch.as_tensor(one.alignment).float().cpu()  # (T, S)
    if weights.shape != (len(one.target), len(one.source)):
        raise RuntimeError(
            f"an alignment of shape {tuple(weights.shape)} for {len(one.target)} tokens written and "
            f"{len(one.source)} read: the translator must give (T, S)"
        )
    # A word looks as its pieces do on average, and is looked at as much as all its pieces together.
    rows = torch.stack([weights[places].mean(0) for _, places in target])
    shares = torch.stack([rows[:, places].sum(1) for _, places in source], dim=1)
    unknown = {word.lower() for word in one.unknown}
    return {
        "text": visible(one.text) if one.text else "",
        "source": [visible(word) for word, _ in source],
        "target": [visible(word) for word, _ in target],
        "alignment": [[round(share, 3) for share in row] for row in shares.tolist()],
        "unknown": [
            i
            for i, (word, _) in enumerate(source)
            if {word.lower(), *re.findall(r"\w+", word.lower())} & unknown
        ],
        "reference": None if reference is None else visible(reference),
        "right": None if reference is None else one.text == reference,
    }


def pieces_of(tokens: Sequence[str], text: str) -> list[tuple[str, list[int]]]:
    """The words of a row of tokens, and the places of each one's pieces.

    A piece that begins with a space begins a word, and so do marks such as </s>; where no piece has a space,
    each is a word. Where a piece holds half a syllable, the word comes from `text`.
    """
    spaced = any(token[:1].isspace() for token in tokens)
    words: list[list[int]] = []
    for i, token in enumerate(tokens):
        begins = not spaced or token[:1].isspace() or _MARK.fullmatch(token)
        if i == 0 or begins or _MARK.fullmatch(tokens[i - 1]):
            words.append([])
        words[-1].append(i)
    spelled = ["".join(tokens[i] for i in places).strip() or " " for places in words]
    letters = [n for n, places in enumerate(words) if not _MARK.fullmatch(tokens[places[0]])]
    if len(letters) == len(text.split()):
        for n, word in zip(letters, text.split(), strict=True):
            spelled[n] = word if "\N{REPLACEMENT CHARACTER}" in spelled[n] else spelled[n]
    return list(zip(spelled, words, strict=True))
