"""T5: every task as text to text (Raffel et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention, causal_mask
from course_lib.dropout import Dropout
from course_lib.embeddings import RelativePositionBias, check_ids
from course_lib.layers import Block, FeedForward, RMSNorm
from course_lib.models.encoder_decoder import EncoderDecoder
from course_lib.models.hf import attention_part, hf_activation, read_config


@dataclass(frozen=True)
class T5Config:
    """Sizes of T5; the defaults are t5-small (Raffel et al. 2020, section 3.7).

    n_layers: of the encoder and of the decoder, alike.  d_head: width of a head; n_heads · d_head may differ
        from d_model.
    n_buckets, max_distance: of the relative positions.
    gated: a gated feed-forward network, as in version 1.1.
    tied: the token embedding is also the output.  scale_logits: the decoder's state is divided by √d_model
        before it.
    start_id: what the decoder begins with; T5 begins with padding.
    """

    vocab_size: int = 32_128
    d_model: int = 512
    n_layers: int = 6
    n_heads: int = 8
    d_head: int = 64
    d_ff: int = 2_048
    n_buckets: int = 32
    max_distance: int = 128
    activation: str = "relu"
    gated: bool = False
    dropout: float = 0.1
    eps: float = 1e-6
    tied: bool = True
    scale_logits: bool = True
    pad_id: int = 0
    eos_id: int = 1
    start_id: int = 0

    @classmethod
    def v1_1(cls, **changes: Any) -> Self:
        """Version 1.1, small: gated GELU, and an output of its own (Shazeer 2020 and the released notes)."""
        published = {"n_layers": 8, "n_heads": 6, "d_ff": 1_024, "activation": "gelu_tanh", "gated": True}
        return cls(**{**published, "tied": False, "scale_logits": False, **changes})


class T5(EncoderDecoder):
    """Pre-LN on both sides, no biases; positions enter only as a bias on the scores, shared by all layers."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = c = config
        self.token = nn.Embedding(c.vocab_size, c.d_model)
        norm = partial(RMSNorm, c.d_model, eps=c.eps)
        attention = partial(
            MultiHeadAttention,
            c.d_model,
            c.n_heads,
            d_head=c.d_head,
            bias=False,
            dropout=c.dropout,
            scale=1.0,  # no 1/√d: the initialisation below makes up for it
        )

        def block(crosses: bool) -> Block:
            return Block(
                attention(),
                FeedForward(
                    c.d_model, c.d_ff, activation=c.activation, gated=c.gated, bias=False, dropout=c.dropout
                ),
                norm,
                pre_norm=True,
                cross_attention=attention() if crosses else None,
                dropout=c.dropout,
            )

        self.encoder_blocks = nn.ModuleList(block(crosses=False) for _ in range(c.n_layers))
        self.decoder_blocks = nn.ModuleList(block(crosses=True) for _ in range(c.n_layers))
        position = partial(RelativePositionBias, c.n_heads, c.n_buckets, c.max_distance)
        self.encoder_positions, self.decoder_positions = position(), position(bidirectional=False)
        self.encoder_norm = nn.Sequential(norm(), Dropout(c.dropout))
        self.decoder_norm = nn.Sequential(norm(), Dropout(c.dropout))
        self.output = None if c.tied else nn.Linear(c.d_model, c.vocab_size, bias=False)
        self.dropout = Dropout(c.dropout)
        self.apply(self._initialise)

    def embed(self, ids: Tensor, past: int | None = None) -> tuple[Tensor, dict[str, Any]]:
        check_ids(ids, self.config.vocab_size)
        x, T = self.dropout(self.token(ids)), ids.shape[1]
        if past is None:
            return x, {"bias": self.encoder_positions(T, T)}
        bias = self.decoder_positions(T, past + T)
        return x, {"bias": bias, "mask": causal_mask(T, past, ids.device)}

    def head(self, hidden: Tensor) -> Tensor:
        if self.config.scale_logits:
            hidden = hidden * self.config.d_model**-0.5
        return F.linear(hidden, self.token.weight if self.output is None else self.output.weight)

    @torch.no_grad()
    def _initialise(self, module: nn.Module) -> None:
        """Standard deviations of the released code: each product starts at about unit variance."""
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=1.0 if module is self.token else self.config.d_model**-0.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.0 if module is self.output else module.in_features**-0.5)
        elif isinstance(module, MultiHeadAttention):  # after its parts: here the missing 1/√d comes in
            nn.init.normal_(module.query.weight, std=(self.config.d_model * self.config.d_head) ** -0.5)

    hf_types = ("t5",)
    hf_ignored = r"EncDecAttention\.relative_attention_bias"
    hf_tied = (("output.weight", "token.weight"),)
    hf_names = (
        (r"^(shared|(en|de)coder\.embed_tokens)\.", "token."),
        (r"^lm_head\.", "output."),
        (r"^(en|de)coder\.final_layer_norm\.", r"\1coder_norm.0."),
        (
            r"^(en|de)coder\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias",
            r"\1coder_positions.table",
        ),
        (r"layer\.0\.layer_norm", "attention_norm"),
        (r"^(encoder.*)layer\.1\.layer_norm", r"\1feed_forward_norm"),
        (r"layer\.1\.layer_norm", "cross_norm"),
        (r"layer\.2\.layer_norm", "feed_forward_norm"),
        (r"layer\.0\.SelfAttention\.([qkvo])", attention_part("attention")),
        (r"layer\.1\.EncDecAttention\.([qkvo])", attention_part("cross_attention")),
        (r"layer\.\d\.DenseReluDense\.wi(_1)?\.", "feed_forward.up."),
        (r"layer\.\d\.DenseReluDense\.wi_0\.", "feed_forward.gate."),
        (r"layer\.\d\.DenseReluDense\.wo\.", "feed_forward.down."),
        (r"^(en|de)coder\.block\.", r"\1coder_blocks."),
    )

    @classmethod
    def config_from_hf(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> T5Config:
        n_decoder_layers = config.get("num_decoder_layers") or config["num_layers"]
        if n_decoder_layers != config["num_layers"]:
            raise ValueError(
                f"{config['num_layers']} encoder and {n_decoder_layers} decoder layers: the course's T5 has "
                "as many of one as of the other"
            )
        fields = read_config(
            config,
            vocab_size="vocab_size",
            d_model="d_model",
            n_layers="num_layers",
            n_heads="num_heads",
            d_head="d_kv",
            d_ff="d_ff",
            n_buckets="relative_attention_num_buckets",
            max_distance="relative_attention_max_distance",
            dropout="dropout_rate",
            eps="layer_norm_epsilon",
            pad_id="pad_token_id",
            eos_id="eos_token_id",
            start_id="decoder_start_token_id",
        )
        *gated, activation = config.get("feed_forward_proj", "relu").split("-")
        if gated and activation == "gelu":
            activation = "gelu_new"  # "gated-gelu" has always been computed with the tanh approximation
        ours = cls.translate(state)
        tied = "output.weight" not in ours or torch.equal(ours["output.weight"], ours["token.weight"])
        return T5Config(
            **fields,
            activation=hf_activation(activation),
            gated=bool(gated),
            tied=tied,
            scale_logits=config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)),
        )
