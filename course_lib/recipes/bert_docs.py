"""BERT on the Python docs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import python_docs
from course_lib.data.batching import Blocks
from course_lib.models import Bert, BertConfig
from course_lib.objectives.mlm import MaskedBatches, frame, mask_tokens
from course_lib.recipes.parts import Parts
from course_lib.tokenization import train_wordpiece
from course_lib.tokenization.base import Tokenizer
from course_lib.training.device import seed_everything


def bert_docs(seed: int, device: torch.device) -> Parts:
    """Four layers, words hidden in runs of 62 tokens that may cross from one document to the next.

    30 % are hidden where the paper hides 15 %: a small model on little text learns more from each row (as
    Wettig et al. 2023 found for large ones). It is judged at 15 %.
    """
    tokenizer = train_wordpiece(python_docs.python_docs("train"), 4096)
    config = BertConfig(
        tokenizer.vocab_size,
        d_model=192,
        n_layers=4,
        n_heads=6,
        d_ff=768,
        max_positions=64,
        n_segments=1,
        pad_id=tokenizer.pad_id,
        dropout=0.0,  # eight epochs of a small model: it underfits
        pooler=False,
        mlm=True,
    )
    seed_everything(seed)
    blocks = Blocks(_row(tokenizer, python_docs.python_docs("train")), 62, 16, seed, device)
    held_out = {
        split: hidden_blocks(tokenizer, python_docs.python_docs(split), device)
        for split in ("validation", "test")
    }
    few = tuple(part[:256] for part in held_out["validation"])

    def report(model: nn.Module) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, (inputs, labels) in held_out.items()
            for name, value in mlm_scores(model, inputs, labels, tokenizer.mask_id).items()
        }

    return Parts(
        Bert(config),
        tokenizer,
        MaskedBatches(blocks, tokenizer, seed, framed=True, rate=0.3),
        lambda model: {f"validation_{k}": v for k, v in mlm_scores(model, *few, tokenizer.mask_id).items()},
        report,
    )


def _row(tokenizer: Tokenizer, documents: list[str]) -> Tensor:
    """All documents in one row of ids, [SEP] after each."""
    return torch.tensor([i for document in documents for i in tokenizer.encode(document)[1:]])


def hidden_blocks(tokenizer: Tokenizer, documents: list[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """Held-out text in rows of 64 with 15 % chosen as in the paper, the same ones each time."""
    row = _row(tokenizer, documents).to(device)
    rows = frame(row[: len(row) // 62 * 62].view(-1, 62), tokenizer)
    return mask_tokens(rows, tokenizer, generator=torch.Generator(device).manual_seed(0))


@torch.no_grad()
def mlm_scores(
    model: Bert,
    inputs: Tensor,
    labels: Tensor,
    mask_id: int,
    segments: Tensor | None = None,
    batch_size: int = 64,
) -> dict[str, float]:
    """How well hidden tokens are found.

    Returns:
        loss, in nats a chosen token; accuracy over all chosen tokens; mask_accuracy over those that [MASK]
        hid, which is the harder share.
    """
    total = right = right_hidden = n = n_hidden = 0.0
    for start in range(0, len(inputs), batch_size):
        part = slice(start, start + batch_size)
        ids, targets = inputs[part], labels[part]
        chosen = targets != -100
        if not chosen.any():
            continue
        out = model(ids, None if segments is None else segments[part], labels=targets)
        hits = out.logits.argmax(-1) == targets[chosen]
        is_hidden = ids[chosen] == mask_id
        total += F.cross_entropy(out.logits, targets[chosen], reduction="sum").item()
        right, n = right + hits.sum().item(), n + len(hits)
        right_hidden += hits[is_hidden].sum().item()
        n_hidden += is_hidden.sum().item()
    return {"loss": total / n, "accuracy": right / n, "mask_accuracy": right_hidden / max(n_hidden, 1)}
