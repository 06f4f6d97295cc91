"""One text under every objective: what each draw hides, drops, moves, all by `course_lib.objectives`.

The objectives work on places 0 … T-1 instead of words, so that every token can be traced to where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch

from course_lib.objectives import (
    document_rotation,
    mask_tokens,
    sentence_permutation,
    token_deletion,
    token_masking,
)
from course_lib.objectives.denoising import infilling_spans
from course_lib.objectives.spans import corrupted_spans
from course_lib.tokenization import WordPiece

RATES = tuple(i / 20 for i in range(1, 13))  # 0.05 to 0.6
MEANS = (1, 2, 3, 4, 5, 6)
DRAWS = 12
STOPS = (".", "!", "?")
MASKED, STAYS, SWAPPED = 0, 1, 2  # the fates of a token that MLM chose; SWAPPED + i: word i came in its place
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def words_of(text: str) -> list[str]:
    """What stands between spaces, with the punctuation at its end as a token of its own."""
    return re.findall(r"[^\s.,!?;:]+(?:[.,!?;:]+[^\s.,!?;:]+)*|[.,!?;:]", text)


def word_tokenizer(texts: Sequence[Sequence[str]]) -> WordPiece:
    """A token a word; the random words of MLM come from here."""
    words = (word for text in texts for word in text)
    return WordPiece({token: i for i, token in enumerate(dict.fromkeys([*_SPECIAL, *words]))})


def generator_of(seed: int, draw: int) -> torch.Generator:
    """Where the chances of a draw come from: the same for every objective.

    So MLM, masking and deletion choose the same tokens, and a higher rate adds to those of a lower one.
    """
    return torch.Generator().manual_seed(seed * DRAWS + draw)


def draw_all(words: Sequence[str], tokenizer: WordPiece, seed: int, draw: int) -> dict[str, Any]:
    """What one draw does to a text of T words.

    Returns:
        mlm: for each rate [place, fate, place, fate …] of the chosen tokens.
        mask, drop: for each rate the places that token masking hides and token deletion leaves out.
        infill, spans: for each rate and each mean length [start, length, start, length …].
        shuffle, rotate: the places in their new order.
    """
    places = list(range(len(words)))

    def chances() -> torch.Generator:
        return generator_of(seed, draw)

    masked = [token_masking(places, -1, rate, generator=chances()) for rate in RATES]
    left = [token_deletion(places, rate, generator=chances()) for rate in RATES]
    stops = [i for i in places if words[i] in STOPS]
    return {
        "mlm": [_mlm(words, tokenizer, rate, chances()) for rate in RATES],
        "mask": [[i for i in places if row[i] == -1] for row in masked],
        "drop": [[i for i in places if i not in row] for row in left],
        "infill": [
            [_flat(infilling_spans(len(words), r, float(m), generator=chances())) for m in MEANS]
            for r in RATES
        ],
        "spans": [
            [_flat(corrupted_spans(len(words), r, m, generator=chances())) for m in MEANS] for r in RATES
        ],
        "shuffle": sentence_permutation(places, stops, generator=chances()),
        "rotate": document_rotation(places, generator=chances()),
    }


def sentence_starts(words: Sequence[str]) -> list[int]:
    """Where sentences begin, as `sentence_permutation` cuts them."""
    return [i for i in range(len(words)) if i == 0 or words[i - 1] in STOPS]


def _mlm(words: Sequence[str], tokenizer: WordPiece, rate: float, generator: torch.Generator) -> list[int]:
    ids = torch.tensor([tokenizer.vocab[word] for word in words])
    inputs, labels = mask_tokens(ids, tokenizer, rate=rate, generator=generator)
    found = []
    for i in (labels >= 0).nonzero()[:, 0].tolist():
        seen = int(inputs[i])
        fate = MASKED if seen == tokenizer.mask_id else STAYS if seen == ids[i] else SWAPPED + seen
        found += [i, fate]
    return found


def _flat(spans: list[tuple[int, int]]) -> list[int]:
    return [number for span in spans for number in span]
