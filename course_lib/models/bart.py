"""BART: an encoder and a decoder that learn to repair damaged text (Lewis et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.dropout import Dropout
from course_lib.embeddings import InputEmbedding
from course_lib.layers import Block, FeedForward
from course_lib.models.common import Output, class_loss, initialise
from course_lib.models.encoder_decoder import EncoderDecoder
from course_lib.models.hf import attention_part, hf_activation, read_config, refuse


@dataclass(frozen=True)
class BartConfig:
    """Sizes of BART; the defaults are bart-base (Lewis et al. 2020, section 2.1).

    n_layers, n_heads, d_ff: of the encoder and of the decoder, alike.
    start_id: what the decoder begins with.  eos_id: what ends a text.
    n_labels: a classifier of so many classes instead of the next token, 0 for none.
    """

    vocab_size: int = 50_265
    d_model: int = 768
    n_layers: int = 6
    n_heads: int = 12
    d_ff: int = 3_072
    max_positions: int = 1_024
    activation: str = "gelu"
    dropout: float = 0.1
    pad_id: int = 1
    eos_id: int = 2
    start_id: int = 2
    n_labels: int = 0

    @classmethod
    def large(cls, **changes: Any) -> Self:
        """bart-large."""
        return cls(**{"d_model": 1_024, "n_layers": 12, "n_heads": 16, "d_ff": 4_096, **changes})


class ClassificationHead(nn.Module):
    """Vector -> class scores through one hidden layer, as in the released code."""

    def __init__(self, d_model: int, n_labels: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, n_labels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d_model) -> (B, n_labels)"""
        return self.output(self.dropout(torch.tanh(self.dense(self.dropout(x)))))


class Bart(EncoderDecoder):
    """The original Transformer (post-LN, both sides) with GELU, learned positions and one token table."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.config = c = config
        embedding = partial(
            InputEmbedding,
            c.vocab_size,
            c.d_model,
            c.max_positions,
            pad_id=c.pad_id,
            position_offset=2,  # two rows that are never used: a leftover of the released code
            eps=1e-5,
            dropout=c.dropout,
        )
        self.encoder_embedding, self.decoder_embedding = embedding(), embedding()
        self.decoder_embedding.token = self.encoder_embedding.token
        attention = partial(MultiHeadAttention, c.d_model, c.n_heads)

        def block(crosses: bool) -> Block:
            return Block(
                attention(),
                FeedForward(c.d_model, c.d_ff, activation=c.activation),
                partial(nn.LayerNorm, c.d_model),
                cross_attention=attention() if crosses else None,
                dropout=c.dropout,
            )

        self.encoder_blocks = nn.ModuleList(block(crosses=False) for _ in range(c.n_layers))
        self.decoder_blocks = nn.ModuleList(block(crosses=True) for _ in range(c.n_layers))
        self.encoder_norm, self.decoder_norm = nn.Identity(), nn.Identity()  # post-LN ends on one anyway
        self.register_buffer("final_logits_bias", torch.zeros(1, c.vocab_size))  # zero in most releases
        self.classifier = ClassificationHead(c.d_model, c.n_labels, c.dropout) if c.n_labels else None
        self.apply(initialise)

    def embed(self, ids: Tensor, past: int | None = None) -> tuple[Tensor, dict[str, Any]]:
        if past is None:
            return self.encoder_embedding(ids), {}
        return self.decoder_embedding(ids, past=past), {"causal": True}

    def forward(self, ids: Tensor, decoder_ids: Tensor | None = None, **options: Any) -> Output:
        """Repair a text, or classify it.

        With `n_labels`, `labels` are class numbers (B,): encoder and decoder read the same text, and the
        classifier reads the decoder's state at the last eos, which has seen it all (section 3.1).
        """
        if self.classifier is None:
            return super().forward(ids, decoder_ids, **options)
        is_eos = ids == self.config.eos_id
        if not is_eos.any(dim=1).all():
            raise ValueError(
                f"a text without an end: the classifier reads the last token {self.config.eos_id} (eos); add "
                "it to every row"
            )
        labels = options.pop("labels", None)
        out = super().forward(ids, self.shift_right(ids), last_only=True, **options)
        last = ids.shape[1] - 1 - is_eos.flip(1).int().argmax(dim=1)
        out.logits = self.classifier(out.hidden[torch.arange(len(ids), device=ids.device), last])
        out.loss = None if labels is None else class_loss(out.logits, labels)
        return out

    def head(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.decoder_embedding.token.weight) + self.final_logits_bias

    def with_classifier(self, n_labels: int) -> Self:
        """A copy to fine-tune: the same encoder and decoder, a fresh classifier on top."""
        model = type(self)(replace(self.config, n_labels=n_labels))
        kept = {k: v for k, v in self.state_dict().items() if not k.startswith("classifier.")}
        model.load_state_dict(kept, strict=False)
        return model

    hf_types = ("bart",)
    hf_ignored = r"^lm_head\.|(en|de)coder\.version$"
    hf_names = (
        (r"^model\.", ""),
        (r"^(shared|(en|de)coder\.embed_tokens)\.", "encoder_embedding.token."),
        (r"^(en|de)coder\.embed_positions\.", r"\1coder_embedding.position."),
        (r"^(en|de)coder\.layernorm_embedding\.", r"\1coder_embedding.norm."),
        (r"^(en|de)coder\.layers\.", r"\1coder_blocks."),
        (r"self_attn_layer_norm", "attention_norm"),
        (r"encoder_attn_layer_norm", "cross_norm"),
        (r"final_layer_norm", "feed_forward_norm"),
        (r"self_attn\.(q|k|v|out)_proj", attention_part("attention")),
        (r"encoder_attn\.(q|k|v|out)_proj", attention_part("cross_attention")),
        (r"fc1", "feed_forward.up"),
        (r"fc2", "feed_forward.down"),
        (r"^classification_head\.dense", "classifier.dense"),
        (r"^classification_head\.out_proj", "classifier.output"),
    )

    @classmethod
    def translate(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Their tensors under our names; both embeddings name the one token table."""
        ours = super().translate(state)
        if "encoder_embedding.token.weight" in ours:
            table = ours["encoder_embedding.token.weight"]
            ours["decoder_embedding.token.weight"] = table
            ours.setdefault("final_logits_bias", table.new_zeros(1, len(table)))
        return ours

    @classmethod
    def config_from_hf(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> BartConfig:
        refuse(config, scale_embedding=False, tie_word_embeddings=True)
        for side in ("layers", "attention_heads", "ffn_dim"):
            refuse(config, **{f"decoder_{side}": config[f"encoder_{side}"]})
        fields = read_config(
            config,
            vocab_size="vocab_size",
            d_model="d_model",
            n_layers="encoder_layers",
            n_heads="encoder_attention_heads",
            d_ff="encoder_ffn_dim",
            max_positions="max_position_embeddings",
            dropout="dropout",
            pad_id="pad_token_id",
            eos_id="eos_token_id",
            start_id="decoder_start_token_id",
        )
        head = state.get("classification_head.out_proj.bias")
        return BartConfig(
            **fields,
            activation=hf_activation(config.get("activation_function", "gelu")),
            n_labels=0 if head is None else len(head),
        )
