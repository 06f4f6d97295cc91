"""BART on Tiny Town."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import tiny_town
from course_lib.generation import generate
from course_lib.models import Bart, BartConfig
from course_lib.objectives.denoising import CorruptedBatches, denoise, sentence_permutation, text_infilling
from course_lib.recipes.bert_town import town_tokenizer
from course_lib.recipes.parts import Parts, first_epoch, repair_scores
from course_lib.tokenization.base import Tokenizer
from course_lib.training.device import seed_everything

STORY_TIMES = 3  # about a sixth of the texts are stories, each damaged anew every time


def bart_town(seed: int, device: torch.device) -> Parts:
    """Two layers on each side, on Tiny Town's sentences and stories: sentences in disorder, spans hidden.

    The two noises, and how much is hidden, are the paper's large model's (Lewis et al. 2020, section 5).
    """
    tokenizer = town_tokenizer()
    seed_everything(seed)
    held_out = {split: repair_batches(tokenizer, bart_texts(split), 256) for split in ("validation", "test")}

    def report(model: nn.Module) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, data in held_out.items()
            for name, value in (repair_scores(model, data) | repaired(model, data)).items()
        }

    return Parts(
        small_bart(tokenizer),
        tokenizer,
        repair_batches(tokenizer, bart_texts("train", STORY_TIMES), 64, seed, device),
        lambda model: {f"validation_{k}": v for k, v in repair_scores(model, held_out["validation"]).items()},
        report,
    )


def small_bart(tokenizer: Tokenizer, dropout: float = 0.1) -> Bart:
    """The course's own size: 2 + 2 layers of 128. The decoder begins with [CLS], a text ends with [SEP]."""
    return Bart(
        BartConfig(
            tokenizer.vocab_size,
            d_model=128,
            n_layers=2,
            n_heads=4,
            d_ff=512,
            max_positions=128,
            dropout=dropout,
            pad_id=tokenizer.pad_id,
            eos_id=tokenizer.sep_id,
            start_id=tokenizer.cls_id,
        )
    )


def bart_texts(split: str, story_times: int = 1) -> list[str]:
    """Every sentence alone, those about one and those about several too, and every story as one text."""
    stories = [" ".join(story.sentences) for story in tiny_town.stories(split)]
    numbers = [sentence for pair in tiny_town.plurals(split) for sentence in (pair.singular, pair.plural)]
    return [*tiny_town.sentences(split), *numbers, *stories * story_times]


def paper_noise(tokenizer: Tokenizer) -> Callable:
    """Sentences in a random order, then spans of 30 % of the tokens hidden, λ = 3."""
    return denoise(
        partial(sentence_permutation, stops=(tokenizer.vocab["."],)),
        partial(text_infilling, mask=tokenizer.mask_id),
    )


def repair_batches(
    tokenizer: Tokenizer,
    texts: list[str],
    batch_size: int,
    seed: int = 0,
    device: str | torch.device = "cpu",
    corrupt: Callable | None = None,
) -> CorruptedBatches:
    """Texts damaged anew each epoch, by `paper_noise` when `corrupt` is not given."""
    return CorruptedBatches(
        [tokenizer.encode(text, add_special=False) for text in texts],
        corrupt or paper_noise(tokenizer),
        pad_id=tokenizer.pad_id,
        eos_id=tokenizer.sep_id,
        batch_size=batch_size,
        seed=seed,
        device=device,
    )


@torch.no_grad()
def repaired(model: Bart, data: CorruptedBatches) -> dict[str, float]:
    """Share of texts written back exactly, token for token, without help (greedy)."""
    right = n = 0
    device = next(model.parameters()).device
    for batch in first_epoch(data):
        ids, labels = batch["ids"].to(device), batch["labels"].to(device)
        said = generate(model, ids, labels.shape[1])[:, 1:]
        said = F.pad(said, (0, labels.shape[1] - said.shape[1]), value=model.config.pad_id)
        right += ((said == labels) | (labels == -100)).all(1).sum().item()
        n += len(ids)
    return {"exact": right / n}
