"""BERT on Tiny Town."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import tiny_town
from course_lib.data.batching import Batches
from course_lib.models import Bert, BertConfig
from course_lib.objectives.mlm import MaskedBatches, mask_tokens
from course_lib.objectives.nsp import nsp_pairs
from course_lib.recipes.bert_docs import mlm_scores
from course_lib.recipes.parts import Parts
from course_lib.tokenization import WordPiece
from course_lib.tokenization.base import Tokenizer
from course_lib.training.device import seed_everything


def bert_town(seed: int, device: torch.device) -> Parts:
    """Two layers on Tiny Town's sentences, one by one and in pairs: hidden words and next sentences."""
    tokenizer = town_tokenizer()
    config = BertConfig(
        tokenizer.vocab_size,
        d_model=128,
        n_layers=2,
        n_heads=4,
        d_ff=512,
        max_positions=64,
        pad_id=tokenizer.pad_id,
        dropout=0.1,
        mlm=True,
        nsp=True,
    )
    seed_everything(seed)
    batches = Batches(
        town_columns(tokenizer, "train"), 64, seed, pad={"ids": tokenizer.pad_id}, device=device
    )
    held_out = {split: town_held_out(tokenizer, split, device) for split in ("validation", "test")}

    def report(model: nn.Module) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, parts in held_out.items()
            for name, value in town_scores(model, parts, tokenizer.mask_id).items()
        }

    return Parts(
        Bert(config),
        tokenizer,
        MaskedBatches(batches, tokenizer, seed),
        lambda model: {
            f"validation_{k}": v
            for k, v in town_scores(model, held_out["validation"], tokenizer.mask_id).items()
        },
        report,
        bert_loss,
    )


TOWN_TEXTS = (
    *("text", "first", "second", "sentences", "words", "premise", "hypothesis", "anchor", "positive"),
    *("negative", "passage", "question", "singular", "plural", "english"),
)


def town_tokenizer() -> WordPiece:
    """One token for each word that any task of Tiny Town uses in its training split."""
    words: set[str] = set()
    for task in tiny_town.TASKS.values():
        for example in task("train"):
            for name in TOWN_TEXTS:
                text = getattr(example, name, "")
                words |= set((text if isinstance(text, str) else " ".join(text)).split())
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return WordPiece({token: i for i, token in enumerate([*special, *sorted(words)])})


def town_columns(tokenizer: Tokenizer, split: str) -> dict[str, list]:
    """Every sentence alone, the pairs of the next-sentence task, and in training pairs cut from the stories.

    Alone, "nsp_labels" is -100.
    """
    columns = {"ids": [], "segments": [], "nsp_labels": []}

    def add(ids: list[int], segments: list[int], label: int) -> None:
        for name, value in zip(columns, (ids, segments, label), strict=True):
            columns[name].append(value)

    for sentence in tiny_town.sentences(split):
        ids = tokenizer.encode(sentence)
        add(ids, [0] * len(ids), -100)
    for pair in tiny_town.next_sentence(split):
        add(*tokenizer.encode_pair(pair.first, pair.second), 1 - pair.label)  # 0: follows
    for seed in range(2 if split == "train" else 0):  # each time with other sentences that do not follow
        cut = nsp_pairs([story.sentences for story in tiny_town.stories(split)], seed)
        for first, second, label in zip(cut.first, cut.second, cut.labels, strict=True):
            add(*tokenizer.encode_pair(first, second), label)
    return columns


def bert_loss(model: Bert, batch: dict[str, Tensor]) -> Tensor:
    """Hidden words, and next sentences for the rows that are pairs (Devlin et al. 2019, appendix A.2)."""
    out = model(batch["ids"], batch["segments"], labels=batch["labels"])
    pairs = batch["nsp_labels"] >= 0
    if not pairs.any():
        return out.loss
    return out.loss + F.cross_entropy(out.nsp_logits[pairs], batch["nsp_labels"][pairs])


def town_held_out(tokenizer: Tokenizer, split: str, device: torch.device) -> dict[str, Tensor]:
    columns = town_columns(tokenizer, split)
    ids, real = tokenizer.pad(columns["ids"])
    segments = torch.zeros_like(ids)
    segments[real] = torch.tensor(list(itertools.chain(*columns["segments"])))
    nsp = torch.tensor(columns["nsp_labels"])
    inputs, labels = mask_tokens(ids, tokenizer, generator=torch.Generator().manual_seed(0))
    parts = {"ids": ids, "inputs": inputs, "labels": labels, "segments": segments, "nsp": nsp}
    return {name: part.to(device) for name, part in parts.items()}


@torch.no_grad()
def town_scores(model: Bert, parts: dict[str, Tensor], mask_id: int) -> dict[str, float]:
    """`mlm_scores`, and the share of sentence pairs that are told right."""
    scores = mlm_scores(model, parts["inputs"], parts["labels"], mask_id, parts["segments"], 256)
    pairs = parts["nsp"] >= 0
    said = model(parts["ids"][pairs], parts["segments"][pairs]).nsp_logits.argmax(-1)
    return scores | {"nsp_accuracy": (said == parts["nsp"][pairs]).float().mean().item()}
