"""What the members of the family share: their output, their cache and their loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.cache import KeyValueCache


@dataclass
class Output:
    """What a forward pass gives. Fields a model has no use for stay None.

    hidden: (B, T, d_model), a vector for each token in its context, after the final normalisation.
    logits: scores before the softmax; a model says for which positions.
    loss: mean cross-entropy over the labels, in nats.
    hidden_states: the input of layer 1, then the output of each layer; n_layers + 1 tensors like `hidden`.
    attentions: one (B, H, T, S) a layer, only when asked for.  cross_attentions: the same, onto the encoder.
    pooled: (B, d_model), BERT's summary of the whole input.  nsp_logits: (B, 2), its next-sentence scores.
    encoder: the encoder's own output, from an encoder-decoder.
    """

    hidden: Tensor
    logits: Tensor | None = None
    loss: Tensor | None = None
    hidden_states: tuple[Tensor, ...] = ()
    attentions: tuple[Tensor, ...] | None = None
    cross_attentions: tuple[Tensor, ...] | None = None
    pooled: Tensor | None = None
    nsp_logits: Tensor | None = None
    encoder: Output | None = None


class ModelCache:
    """What a model remembers while it decodes: each layer's keys and values, and which positions are real."""

    def __init__(self, n_layers: int, crosses: bool = False) -> None:
        self.own = [KeyValueCache() for _ in range(n_layers)]
        self.cross = [KeyValueCache() for _ in range(n_layers)] if crosses else [None] * n_layers
        self.mask: Tensor | None = None  # (B, length), True where real; None when all are

    @property
    def length(self) -> int:
        """Positions so far, padding included."""
        return self.own[0].length

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order (beams that live on; a prefix shared by many)."""
        for layer in (*self.own, *self.cross):
            if layer is not None:
                layer.select(rows)
        if self.mask is not None:
            self.mask = self.mask[rows]


def run_blocks(
    blocks: Iterable[nn.Module],
    x: Tensor,
    mask: Tensor | list[Tensor | None] | None = None,
    *,
    causal: bool = False,
    cache: ModelCache | None = None,
    need_weights: bool = False,
    **options: Any,
) -> Output:
    """One block after the other, remembering what each gave.

    `mask` may be a list, one a layer. Where there is one it rules alone; where there is none, `causal` does.
    """
    hidden_states, attentions, cross_attentions = [x], [], []
    for i, block in enumerate(blocks):
        seen = mask[i] if isinstance(mask, list) else mask
        x, weights, cross_weights = block(
            x,
            seen,
            causal=causal and seen is None,
            cache=cache.own[i] if cache else None,
            cross_cache=cache.cross[i] if cache else None,
            need_weights=need_weights,
            **options,
        )
        hidden_states.append(x)
        attentions.append(weights)
        cross_attentions.append(cross_weights)
    crossed = need_weights and cross_attentions[-1] is not None
    return Output(
        hidden=x,
        hidden_states=tuple(hidden_states),
        attentions=tuple(attentions) if need_weights else None,
        cross_attentions=tuple(cross_attentions) if crossed else None,
    )


def score(hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Logits (N, vocab_size) at the N positions that have a label (not -100), and their mean cross-entropy.

    Turning a vector into logits is the dearest step of a small model, so it is done nowhere else. Without any
    label the loss is 0, not NaN: a batch in which nothing was masked must not end a training run.
    """
    scored = labels != -100
    logits = head(hidden[scored])
    loss = F.cross_entropy(logits, labels[scored], reduction="sum") / max(len(logits), 1)
    return logits, loss


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy on class numbers (-100: not scored); squared error where labels are real numbers."""
    if labels.is_floating_point():
        return F.mse_loss(logits.squeeze(-1), labels)
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def initialise(module: nn.Module) -> None:
    """Normal with standard deviation 0.02, biases zero (BERT's, GPT's and BART's released code)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx])
