"""A translator that is known by heart, for tests of what shows translations."""

from __future__ import annotations

from types import SimpleNamespace

import torch

KNOWN = {
    "woman": {"ko": "여자", "fr": "femme"},
    "cook": {"ko": "요리사", "fr": "cuisinière"},
    "red": {"ko": "빨간색", "fr": "rouge"},
    "heart": {"ko": "하트", "fr": "cœur"},
}


def translate(model, tokenizer, text, language, num_beams=1):
    """Word by word; French from the end. A word that is not known comes back with a question mark."""
    words = text.split()
    order = range(len(words)) if language == "ko" else range(len(words) - 1, -1, -1)
    target = [KNOWN.get(words[i], {}).get(language, f"{words[i]}?") for i in order] + ["</s>"]
    scores = torch.full((len(target), len(words) + 1), 1.0)
    for t, s in enumerate([*order, len(words)]):
        scores[t, s] = 2.0 + num_beams
    return SimpleNamespace(
        text=" ".join(target[:-1]),
        source=[*words, "</s>"],
        target=target,
        alignment=scores.softmax(dim=-1),
        unknown=[word for word in words if word not in KNOWN],
    )
