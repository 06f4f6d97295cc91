"""GPT on the Python docs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import python_docs
from course_lib.data.batching import Blocks
from course_lib.models import GPT, GPTConfig
from course_lib.objectives import causal_lm_loss
from course_lib.recipes.parts import Parts
from course_lib.tokenization import train_bpe
from course_lib.tokenization.base import Tokenizer
from course_lib.training.device import seed_everything

CONTEXT = 256
BETWEEN = "\n\n"  # stands between two documents, as between two paragraphs


def gpt_docs(seed: int, device: torch.device) -> Parts:
    """Four layers that predict the next byte-level token in runs of 256, across documents."""
    documents = python_docs.python_docs("train")
    tokenizer = train_bpe(documents, 4096)
    config = GPTConfig(
        tokenizer.vocab_size,
        d_model=192,
        n_layers=4,
        n_heads=6,
        max_positions=CONTEXT,
        dropout=0.0,  # few epochs of a small model: it underfits
    )
    seed_everything(seed)
    batches = Blocks(tokenizer.encode(BETWEEN.join(documents)), CONTEXT, 8, seed, device)
    held_out = {split: BETWEEN.join(python_docs.python_docs(split)) for split in ("validation", "test")}
    few = held_out["validation"][:60_000]

    def report(model: nn.Module) -> dict[str, float]:
        return {
            f"{split}_bits_per_byte": docs_bits_per_byte(model, tokenizer, text)
            for split, text in held_out.items()
        }

    return Parts(
        GPT(config),
        tokenizer,
        batches,
        lambda model: {"validation_bits_per_byte": docs_bits_per_byte(model, tokenizer, few)},
        report,
        lambda model, batch: causal_lm_loss(model(batch["ids"]).logits, batch["ids"]),
    )


@torch.no_grad()
def docs_bits_per_byte(
    model: GPT, tokenizer: Tokenizer, text: str, stride: int | None = None, batch_size: int = 16
) -> float:
    """Bits a model spends on each UTF-8 byte of a text, as a compressor would.

    The text is read in windows as long as the model's context, each `stride` further on; a token is scored in
    the first window that holds it, so it sees at least context - stride tokens before it, but for those at
    the very start. The first token, which nothing predicts, is charged log2(vocab_size) bits.

    Args:
        stride: half the context when not given.

    Raises:
        ValueError: a stride that leaves no token before the first that a window scores.
    """
    length = model.config.max_positions
    stride = stride or length // 2
    if not 1 <= stride < length:
        raise ValueError(f"stride {stride}: windows of {length} tokens must overlap, give 1 to {length - 1}")
    ids = torch.tensor(tokenizer.encode(text), device=next(model.parameters()).device)
    whole = range(0, max(len(ids) - length, 0) + 1, stride)
    rows = [ids[start : start + length] for start in whole]
    batches = list(torch.stack(rows).split(batch_size))
    if whole[-1] + length < len(ids):
        batches.append(ids[None, whole[-1] + stride :])  # what is left
    nats, done, start = math.log(model.config.vocab_size), 1, 0
    for batch in batches:
        losses = F.cross_entropy(model(batch).logits[:, :-1].mT, batch[:, 1:], reduction="none")  # (B, T - 1)
        for loss in losses:  # loss[i] is that of token start + i + 1
            nats += loss[max(done - start - 1, 0) :].sum().item()
            done, start = start + len(loss) + 1, start + stride
    return nats / math.log(2) / len(text.encode())
