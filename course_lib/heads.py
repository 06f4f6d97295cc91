"""What single heads do: scores that name a head's habit, and switching heads off to see what they are for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def previous_token_scores(attentions: Sequence[Tensor]) -> Tensor:
    """How much each head looks at the token just before: its mean weight there.

    Args:
        attentions: one (B, H, T, T) a layer, as models give them with ``need_weights=True``.

    Returns:
        (n_layers, H), from 0 to 1.
    """
    weights = torch.stack(list(attentions))  # (L, B, H, T, T)
    return weights.diagonal(offset=-1, dim1=-2, dim2=-1).mean(dim=(1, 3))


def induction_scores(attentions: Sequence[Tensor], ids: Tensor) -> Tensor:
    """How much each head looks at what came *after* earlier occurrences of the current token.

    That is where the answer stands when a text repeats itself (Olsson et al. 2022, "prefix matching"). The
    mean is taken over the tokens that have occurred before.

    Args:
        attentions: one (B, H, T, T) a layer.  ids: (B, T), the tokens that were read.

    Returns:
        (n_layers, H), from 0 to 1.

    Raises:
        ValueError: no token of `ids` occurs twice in its row.
    """
    weights = torch.stack(list(attentions))  # (L, B, H, T, T)
    after = torch.zeros(*ids.shape, ids.shape[1], dtype=torch.bool, device=ids.device)
    after[:, :, 1:] = ids[:, :, None] == ids[:, None, :-1]  # key s follows a token that equals query t
    after = after.tril()  # it must have been read; (B, T, T)
    again = after.any(dim=-1)  # (B, T)
    if not again.any():
        raise ValueError(f"ids {tuple(ids.shape)} repeat no token: score heads on a text that repeats itself")
    on_it = (weights * after[:, None]).sum(dim=-1)  # (L, B, H, T)
    return (on_it * again[:, None]).sum(dim=(1, 3)) / again.sum()


def without_heads(model: M, heads: Iterable[tuple[int, int]]) -> M:
    """A copy of a GPT, Llama or Bert in which some heads add nothing (zero ablation).

    A head speaks through its own columns of the output projection; these are set to zero.

    Args:
        heads: pairs (layer, head), both counted from 0.

    Raises:
        ValueError: the model has no such head.
    """
    copy = deepcopy(model)
    for columns in _columns(copy, heads):
        columns.zero_()
    return copy


@contextlib.contextmanager
def heads_off(model: nn.Module, heads: Iterable[tuple[int, int]]) -> Iterator[None]:
    """Switch heads of the model itself off for as long as the block lasts; `without_heads` without a copy."""
    columns = _columns(model, heads)
    kept = [one.clone() for one in columns]
    for one in columns:
        one.zero_()
    try:
        yield
    finally:
        for one, before in zip(columns, kept, strict=True):
            one.copy_(before)


def _columns(model: nn.Module, heads: Iterable[tuple[int, int]]) -> list[Tensor]:
    """Each head's columns of the output projection (d_model, d_head), as views, without a gradient."""
    found = []
    for layer, head in sorted(set(map(tuple, heads))):
        if not 0 <= layer < len(model.blocks) or not 0 <= head < model.blocks[layer].attention.n_heads:
            raise ValueError(
                f"no head ({layer}, {head}): this model has layers 0 to {len(model.blocks) - 1} with heads 0 "
                f"to {model.blocks[0].attention.n_heads - 1}"
            )
        attention = model.blocks[layer].attention
        weight = attention.output.weight.detach()
        found.append(weight[:, head * attention.d_head : (head + 1) * attention.d_head])
    return found


class _Nothing(nn.Module):
    """A part that adds nothing to the residual stream."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def attention_only(model: M) -> M:
    """The model itself without its feed-forward networks: all that is left to compute with is attention.

    The models in which induction heads were found first (Elhage et al. 2021).
    """
    for block in model.blocks:
        block.feed_forward, block.feed_forward_norm = _Nothing(), nn.Identity()
    return model
