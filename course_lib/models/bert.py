"""BERT: a Transformer encoder that looks both ways (Devlin et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention, padding_mask
from course_lib.embeddings import InputEmbedding
from course_lib.layers import Block, FeedForward


@dataclass(frozen=True)
class BertConfig:
    """Sizes of BERT; the defaults are bert-base-uncased (Devlin et al. 2019, section 3)."""

    vocab_size: int = 30_522
    d_model: int = 768
    n_layers: int = 12
    n_heads: int = 12
    d_ff: int = 3_072
    max_positions: int = 512
    n_segments: int = 2
    pad_id: int = 0
    activation: str = "gelu"
    dropout: float = 0.1
    eps: float = 1e-12


@dataclass
class BertOutput:
    """What a forward pass gives.

    hidden: (B, T, d_model), a vector for each token in its context.
    pooled: (B, d_model), [CLS] through a dense layer and tanh: what sentence-level heads read.
    hidden_states: the input of layer 1, then the output of each layer; n_layers + 1 tensors like `hidden`.
    attentions: one (B, H, T, T) a layer, or None unless asked for.
    """

    hidden: Tensor
    pooled: Tensor
    hidden_states: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...] | None


class Bert(nn.Module):
    """Embeddings, then n_layers post-LN encoder blocks, then the pooler."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = c = config
        self.embedding = InputEmbedding(
            c.vocab_size,
            c.d_model,
            c.max_positions,
            n_segments=c.n_segments,
            pad_id=c.pad_id,
            eps=c.eps,
            dropout=c.dropout,
        )
        self.blocks = nn.ModuleList(
            Block(
                MultiHeadAttention(c.d_model, c.n_heads, dropout=c.dropout),
                FeedForward(c.d_model, c.d_ff, activation=c.activation),
                partial(nn.LayerNorm, c.d_model, eps=c.eps),
                dropout=c.dropout,
            )
            for _ in range(c.n_layers)
        )
        self.pooler = nn.Linear(c.d_model, c.d_model)
        self.apply(_initialise)

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        need_weights: bool = False,
    ) -> BertOutput:
        """Read the whole text at once.

        Args:
            ids: (B, T) token ids; padding is never attended to.
            segments: (B, T), 0 for sentence A and 1 for sentence B; all A when not given.
            mask: boolean, broadcastable to (B, H, T, T), joined with the padding mask. BERT needs none; a
                causal one shows what it loses.
            need_weights: also return the attention weights.
        """
        hidden_mask = padding_mask(ids, self.config.pad_id)
        mask = hidden_mask if mask is None else hidden_mask & mask
        x = self.embedding(ids, segments)
        hidden_states, attentions = [x], []
        for block in self.blocks:
            x, weights, _ = block(x, mask, need_weights=need_weights)
            hidden_states.append(x)
            attentions.append(weights)
        return BertOutput(
            hidden=x,
            pooled=torch.tanh(self.pooler(x[:, 0])),
            hidden_states=tuple(hidden_states),
            attentions=tuple(attentions) if need_weights else None,
        )

    def num_parameters(self) -> int:
        """How many numbers are learned."""
        return sum(p.numel() for p in self.parameters())

    @classmethod
    def from_hf(cls, hf_model: Any) -> Bert:
        """A copy of a Hugging Face ``BertModel``, weights included."""
        return cls.from_state(hf_model.config.to_dict(), hf_model.state_dict())

    @classmethod
    def from_state(cls, config: dict[str, Any], state: dict[str, Tensor]) -> Bert:
        """A model from Hugging Face's config.json and tensors, as they lie in a model.safetensors."""
        model = cls(
            BertConfig(
                vocab_size=config["vocab_size"],
                d_model=config["hidden_size"],
                n_layers=config["num_hidden_layers"],
                n_heads=config["num_attention_heads"],
                d_ff=config["intermediate_size"],
                max_positions=config["max_position_embeddings"],
                n_segments=config["type_vocab_size"],
                pad_id=config["pad_token_id"],
                activation=config["hidden_act"],
                dropout=config["hidden_dropout_prob"],
                eps=config["layer_norm_eps"],
            )
        )
        model.load_state_dict({_our_name(k): v for k, v in state.items() if not k.endswith("position_ids")})
        return model.eval()


_OUR_NAMES = {
    "embeddings.word_embeddings": "embedding.token",
    "embeddings.position_embeddings": "embedding.position",
    "embeddings.token_type_embeddings": "embedding.segment",
    "embeddings.LayerNorm": "embedding.norm",
    "encoder.layer": "blocks",
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "feed_forward.up",
    "output.dense": "feed_forward.down",
    "output.LayerNorm": "feed_forward_norm",
    "pooler.dense": "pooler",
}


def _our_name(theirs: str) -> str:
    """Hugging Face's parameter name in our words; order matters, the longer names come first."""
    for old, new in _OUR_NAMES.items():
        theirs = theirs.replace(old, new)
    return theirs


def _initialise(module: nn.Module) -> None:
    """Normal with standard deviation 0.02, biases zero (Devlin et al.'s released code)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
        if module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])
