"""BART on names: first it learns to repair them, then to translate them from English to French and Korean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.batching import Batches
from course_lib.data.country_names import KINDS, country_names
from course_lib.data.emoji_names import emoji_names, words
from course_lib.data.numbers import number_words
from course_lib.generation import generate
from course_lib.metrics import chrf
from course_lib.models import Bart, BartConfig
from course_lib.objectives import text_infilling, token_deletion
from course_lib.objectives.denoising import CorruptedBatches, denoise
from course_lib.pretrained.trained import load_trained
from course_lib.recipes.parts import Parts, write_all
from course_lib.tokenization import BPE, train_bpe
from course_lib.tokenization.base import Tokenizer
from course_lib.training.device import seed_everything

LANGUAGES = {"fr": "French", "ko": "Korean"}
SPECIAL = ("<pad>", "</s>", "<mask>", "<fr>", "<ko>")
LONGEST = 48  # tokens a name is given room for


def name_pairs(language: str) -> list[tuple[str, str]]:
    """All training pairs (English, `language`): names of emoji, countries, languages, currencies, numbers."""
    pairs = emoji_names(language, "train")
    for kind in KINDS:
        pairs += country_names(language, kind, "train")
    numbers = dict(number_words("en", "train"))
    spoken = dict(number_words(language, "train"))
    return pairs + [(numbers[n], spoken[n]) for n in numbers if int(n) <= 100]


@cache
def names_tokenizer() -> BPE:
    """Byte-level BPE over the training names of all three languages; a word is cut alike at every place."""
    texts = [side for language in LANGUAGES for pair in name_pairs(language) for side in pair]
    return train_bpe(texts, 4_096, special_tokens=SPECIAL, add_prefix_space=True, eos="</s>")


def names_config(tokenizer: Tokenizer) -> BartConfig:
    """Three layers of 128 on each side."""
    return BartConfig(
        tokenizer.vocab_size,
        d_model=128,
        n_layers=3,
        n_heads=4,
        d_ff=512,
        max_positions=64,
        dropout=0.1,
        pad_id=tokenizer.pad_id,
        eos_id=tokenizer.eos_id,
        start_id=tokenizer.eos_id,
    )


# ---- repairing names ----


def bart_names(seed: int, device: torch.device) -> Parts:
    """Names of the three languages, damaged by infilling or deletion, are to be written as they were."""
    tokenizer = names_tokenizer()
    texts = {side for language in LANGUAGES for pair in name_pairs(language) for side in pair}
    held_out = {
        side for language in LANGUAGES for pair in emoji_names(language, "validation") for side in pair
    }
    seed_everything(seed)
    batches = repair_batches(tokenizer, sorted(texts), seed, device)
    exam = next(repair_batches(tokenizer, sorted(held_out), 0, device, batch_size=256))

    @torch.no_grad()
    def judge(model: nn.Module) -> dict[str, float]:
        return {"validation_loss": model(**exam).loss.item()}

    return Parts(Bart(names_config(tokenizer)), tokenizer, batches, judge, judge, smoothed_loss)


def repair_batches(
    tokenizer: Tokenizer, texts: Sequence[str], seed: int, device: torch.device, batch_size: int = 64
) -> CorruptedBatches:
    """Each name, its language's mark in front on neither side, damaged in one of two ways."""
    infill = denoise(partial(text_infilling, mask=tokenizer.mask_id, rate=0.35, mean_span=2.0))
    delete = denoise(partial(token_deletion, rate=0.2))

    def corrupt(row: list[int], generator: torch.Generator) -> tuple[list[int], list[int]]:
        chosen = infill if torch.rand((), generator=generator) < 0.7 else delete
        return chosen(row, generator)

    rows = [tokenizer.encode(text, add_special=False) for text in texts]
    return CorruptedBatches(
        rows,
        corrupt,
        pad_id=tokenizer.pad_id,
        eos_id=tokenizer.eos_id,
        batch_size=batch_size,
        seed=seed,
        device=device,
    )


# ---- translating them ----


def pair_columns(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str, str]]) -> dict[str, list[list[int]]]:
    """(English, translation, language) as what the encoder reads and what the decoder is to write."""
    return {
        "ids": [[tokenizer.vocab[f"<{to}>"], *tokenizer.encode(source)] for source, _, to in pairs],
        "labels": [tokenizer.encode(target) for _, target, _ in pairs],
    }


def translator(seed: int, device: torch.device, start: Bart | None = None) -> Parts:
    """English names to French and Korean; the weights start as those of `start`, else at random."""
    tokenizer = names_tokenizer()
    pairs = [(source, target, to) for to in LANGUAGES for source, target in name_pairs(to)]
    seed_everything(seed)
    batches = Batches(pair_columns(tokenizer, pairs), 64, seed, pad={"ids": tokenizer.pad_id}, device=device)
    model = Bart(names_config(tokenizer))
    if start is not None:
        model.load_state_dict(start.state_dict())

    def report(model: nn.Module) -> dict[str, float]:
        exams = {
            f"{split}_{to}": (emoji_names(to, split), to)
            for split in ("validation", "compositions", "novel")
            for to in LANGUAGES
        } | {f"{kind}_{to}": (country_names(to, kind, "test"), to) for kind in KINDS for to in LANGUAGES}
        return {
            f"{exam}_{name}": value
            for exam, (pairs, to) in exams.items()
            for name, value in translation_scores(model, tokenizer, pairs, to).items()
        }

    def judge(model: nn.Module) -> dict[str, float]:
        return {
            f"validation_{to}_exact": translation_scores(model, tokenizer, emoji_names(to, "validation"), to)[
                "exact"
            ]
            for to in LANGUAGES
        }

    return Parts(model, tokenizer, batches, judge, report, smoothed_loss)


def translator_from_bart_names(seed: int, device: torch.device) -> Parts:
    """`translator`, from the weights of the shipped bart-names."""
    return translator(seed, device, load_trained("bart-names")[0])


def smoothed_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy with a tenth of each label spread over all tokens, so that no token becomes certain."""
    labels = batch["labels"]
    return F.cross_entropy(model(**batch).logits, labels[labels != -100], label_smoothing=0.1)


def translate_all(
    model: Bart, tokenizer: Tokenizer, texts: Sequence[str], language: str, num_beams: int = 1
) -> list[str]:
    """Translations of many names."""
    mark = tokenizer.vocab[f"<{language}>"]
    rows = [[mark, *tokenizer.encode(text)] for text in texts]
    return write_all(model, tokenizer, rows, LONGEST, num_beams)


def translation_scores(
    model: Bart, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], language: str, num_beams: int = 1
) -> dict[str, float]:
    """Share of names exactly right, and chrF."""
    sources, targets = zip(*pairs)
    written = translate_all(model, tokenizer, sources, language, num_beams)
    right = sum(one == other for one, other in zip(written, targets)) / len(targets)
    return {"exact": right, "chrf": chrf(written, list(targets))}


@dataclass(frozen=True)
class Translation:
    """What a translator made of a name.

    source, target: the tokens read (after the language's mark) and written, each with its end.
    alignment: (T, S) for T target and S source tokens, rows sum to at most 1: cross-attention of the last
        layer, mean over heads.
    unknown: words of the input that no training name holds.
    """

    text: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    alignment: Tensor
    unknown: tuple[str, ...]


@torch.no_grad()
def translate(model: Bart, tokenizer: Tokenizer, text: str, language: str, num_beams: int = 1) -> Translation:
    """Translate one name, and say what each piece of it was read from.

    Args:
        language: "fr" or "ko".

    Raises:
        ValueError: another language, an empty text, or one that is longer than the model can read.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r}: this model writes {', '.join(LANGUAGES)}")
    text = " ".join(text.split())
    ids = tokenizer.encode(text, add_special=False)
    limit = model.config.max_positions - 2
    if not 1 <= len(ids) <= limit:
        raise ValueError(f"{len(ids)} tokens: give a name of 1 to {limit}, such as 'sleepy cat'")
    read = torch.tensor([[tokenizer.vocab[f"<{language}>"], *ids, tokenizer.eos_id]])
    read = read.to(next(model.parameters()).device)
    written = generate(model, read, LONGEST, num_beams=num_beams)
    out = model(read, written[:, :-1], need_weights=True)
    alignment = out.cross_attentions[-1][0].mean(0)[:, 1:]
    known = known_words()
    return Translation(
        tokenizer.decode(written[0, 1:].tolist()).strip(),
        tuple(tokenizer.decode([i], skip_special=False) for i in read[0, 1:].tolist()),
        tuple(tokenizer.decode([i], skip_special=False) for i in written[0, 1:].tolist()),
        alignment,
        tuple(word for word in dict.fromkeys(words(text.lower())) if word not in known),
    )


@cache
def known_words() -> frozenset[str]:
    """Every English word of a training name, lower case."""
    return frozenset(w for to in LANGUAGES for source, _ in name_pairs(to) for w in words(source.lower()))
