"""What a recipe needs to train, and how an encoder-decoder is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.generation import generate
from course_lib.models.encoder_decoder import EncoderDecoder
from course_lib.objectives.places import PlacedBatches
from course_lib.tokenization.base import Tokenizer


@dataclass
class Parts:
    """What a recipe needs to train: made afresh for each seed.

    evaluate: called with the model while it trains; keep it short.
    report: called at the end, on all held-out text.
    """

    model: nn.Module
    tokenizer: Tokenizer
    batches: Iterator[dict[str, Tensor]]
    evaluate: Callable[[nn.Module], dict[str, float]]
    report: Callable[[nn.Module], dict[str, float]]
    loss_fn: Callable | None = None


def first_epoch(data: PlacedBatches) -> list[dict[str, Tensor]]:
    """All batches with the damage of the first epoch, the same at every call."""
    data.load_state_dict({**data.state_dict(), "epoch": 0, "position": 0})
    return [next(data) for _ in range(len(data))]


@torch.no_grad()
def repair_scores(model: nn.Module, data: PlacedBatches) -> dict[str, float]:
    """Mean loss in nats and share of tokens right, each predicted from the true ones before it."""
    loss = right = n = 0.0
    device = next(model.parameters()).device
    for batch in first_epoch(data):
        batch = {name: part.to(device) for name, part in batch.items()}
        labels = batch["labels"][batch["labels"] != -100]
        logits = model(**batch).logits  # (N, vocab_size), at the labelled places
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        right += (logits.argmax(-1) == labels).sum().item()
        n += len(labels)
    return {"loss": loss / n, "accuracy": right / n}


@torch.no_grad()
def write_all(
    model: EncoderDecoder,
    tokenizer: Tokenizer,
    rows: Sequence[Sequence[int]],
    longest: int,
    num_beams: int = 1,
) -> list[str]:
    """What the model writes for each row of ids, as text; rows of alike length share a batch.

    Args:
        longest: tokens an answer is given room for.
    """
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    written: dict[int, str] = {}
    for start in range(0, len(order), 100):
        chosen = order[start : start + 100]
        made = generate(model, [rows[i] for i in chosen], longest, num_beams=num_beams)[:, 1:]
        written |= {i: tokenizer.decode(row).strip() for i, row in zip(chosen, made.tolist())}
    return [written[i] for i in range(len(rows))]
