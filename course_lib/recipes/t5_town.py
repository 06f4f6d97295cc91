"""T5 on Tiny Town."""

from __future__ import annotations

import random

import torch
from torch import nn

from course_lib.cloze import Cloze
from course_lib.data import tiny_town
from course_lib.models import T5, T5Config
from course_lib.objectives.denoising import CorruptedBatches
from course_lib.objectives.spans import span_corruption
from course_lib.recipes.bert_town import town_tokenizer
from course_lib.recipes.parts import Parts, repair_scores
from course_lib.tokenization import WordPiece
from course_lib.training.device import seed_everything

SENTINELS = tuple(f"<extra_id_{i}>" for i in range(16))
SALIENT = 0.7  # share of the verdicts that are hidden alone, in place of spans drawn blindly
VERDICTS = ("it was {} .", "we found it {} .")
TIMES = 5  # verdicts on each plain review


def t5_town(seed: int, device: torch.device) -> Parts:
    """Two layers on each side, on reviews of Tiny Town with their verdicts and other sentences."""
    tokenizer = t5_tokenizer()
    config = T5Config(
        tokenizer.vocab_size,
        d_model=128,
        n_layers=2,
        n_heads=4,
        d_head=32,
        d_ff=512,
        dropout=0.1,
        pad_id=tokenizer.pad_id,
        eos_id=tokenizer.sep_id,
        start_id=tokenizer.pad_id,
    )
    seed_everything(seed)
    held_out = {split: span_batches(tokenizer, town_texts(split), 256) for split in ("validation", "test")}

    def scores(model: nn.Module, split: str) -> dict[str, float]:
        found = repair_scores(model, held_out[split]) | {"zero_shot": zero_shot(model, tokenizer, split)}
        return {f"{split}_{name}": value for name, value in found.items()}

    return Parts(
        T5(config),
        tokenizer,
        span_batches(tokenizer, town_texts("train"), 64, seed, device),
        lambda model: scores(model, "validation"),
        lambda model: scores(model, "validation") | scores(model, "test"),
    )


def t5_tokenizer() -> WordPiece:
    """`town_tokenizer`, and the sentinels behind it."""
    town = town_tokenizer()
    tokens = [*town.vocab, *SENTINELS]
    return WordPiece({token: i for i, token in enumerate(tokens)}, [*town.special_tokens, *SENTINELS])


def town_texts(split: str) -> list[str]:
    """Plain reviews with their verdicts, and half as many other sentences."""
    reviews = verdicts(split)
    return [*reviews, *tiny_town.sentences(split)[: len(reviews) // 2]]


def verdicts(split: str) -> list[str]:
    """Plain reviews with what the visitor makes of it behind: "the room was truly nice . we found it good ."

    Only here does a text of Tiny Town say the verdict beside its reasons. The label chooses the word, as a
    visitor's own opinion does in text of the web.
    """
    rng = random.Random(f"verdicts {split}")
    plain = [review for review in tiny_town.sentiment(split) if review.kind == "plain"] * TIMES
    rng.shuffle(plain)
    return [f"{one.text} {rng.choice(VERDICTS).format('good' if one.label else 'bad')}" for one in plain]


def span_batches(
    tokenizer: WordPiece,
    texts: list[str],
    batch_size: int,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> CorruptedBatches:
    """Texts with spans hidden anew each epoch, for a T5: 15 % in spans of 3 as in the paper, or the verdict.

    REALM hides what tells most, names and dates, more often than chance would ("salient spans": Guu et al.
    2020). Without, so small a model would need hours to find out what a verdict goes with.
    """
    sentinels = [tokenizer.vocab[token] for token in SENTINELS]
    ends = {
        tuple(tokenizer.encode(verdict.format(word), add_special=False))
        for verdict in VERDICTS
        for word in ("good", "bad")
    }

    def corrupt(row: list[int], generator: torch.Generator) -> tuple[list[int], list[int]]:
        is_verdict = any(tuple(row[-len(end) :]) == end and len(row) > len(end) for end in ends)
        if not is_verdict or torch.rand((), generator=generator) > SALIENT:
            return span_corruption(row, sentinels, generator=generator)
        return [*row[:-2], sentinels[0], row[-1]], [sentinels[0], row[-2], sentinels[1]]

    return CorruptedBatches(
        [tokenizer.encode(text, add_special=False) for text in texts],
        corrupt,
        pad_id=tokenizer.pad_id,
        eos_id=tokenizer.sep_id,
        batch_size=batch_size,
        seed=seed,
        device=device,
    )


def zero_shot(model: nn.Module, tokenizer: WordPiece, split: str) -> float:
    """Share of the plain reviews for which the right one of "good" and "bad" fills the blank better."""
    plain = [review for review in tiny_town.sentiment(split) if review.kind == "plain"]
    cloze = Cloze(model, tokenizer, "{text} it was {blank} .", ["bad", "good"])
    said = cloze.score([review.text for review in plain]).argmax(1).tolist()
    return sum(word == review.label for word, review in zip(said, plain, strict=True)) / len(plain)
