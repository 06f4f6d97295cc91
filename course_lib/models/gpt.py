"""GPT: a Transformer decoder that predicts the next token (Radford et al. 2018, 2019; Brown et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.embeddings import InputEmbedding
from course_lib.layers import Block, FeedForward
from course_lib.models.common import initialise
from course_lib.models.decoder import Decoder, count_positions, look_back
from course_lib.models.hf import hf_activation, read_config, refuse

GPT2_SIZES = {  # Radford et al. 2019, table 2: layers, width, heads
    "small": (12, 768, 12),
    "medium": (24, 1024, 16),
    "large": (36, 1280, 20),
    "xl": (48, 1600, 25),
}


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of GPT; the defaults are the smallest GPT-2 (Radford et al. 2019, table 2).

    d_ff: 4 · d_model when not given.
    pre_norm: normalise before each part and once at the end (GPT-2), or after each part (GPT-1).
    band: every second layer sees only this many positions back, oneself included, as in GPT-3 (Brown et al.
        2020, section 2.1); None lets all layers see everything.
    """

    vocab_size: int = 50_257
    d_model: int = 768
    n_layers: int = 12
    n_heads: int = 12
    d_ff: int | None = None
    max_positions: int = 1_024
    activation: str = "gelu_tanh"
    dropout: float = 0.1
    eps: float = 1e-5
    pre_norm: bool = True
    band: int | None = None

    @classmethod
    def gpt1(cls, **changes: Any) -> Self:
        """The first GPT: post-LN, 512 positions (Radford et al. 2018, section 4.1)."""
        return cls(**{"vocab_size": 40_478, "max_positions": 512, "pre_norm": False, **changes})

    @classmethod
    def gpt2(cls, size: str = "small", **changes: Any) -> Self:
        """GPT-2 small, medium, large or xl."""
        if size not in GPT2_SIZES:
            raise ValueError(f"GPT-2 has no size {size!r}: choose one of {', '.join(GPT2_SIZES)}")
        n_layers, d_model, n_heads = GPT2_SIZES[size]
        return cls(**{"n_layers": n_layers, "d_model": d_model, "n_heads": n_heads, **changes})


class GPT(Decoder):
    """Token and position embeddings, n_layers causal blocks, and the token embedding again as the output."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = c = config
        self.embedding = InputEmbedding(
            c.vocab_size, c.d_model, c.max_positions, norm=False, dropout=c.dropout
        )
        norm = partial(nn.LayerNorm, c.d_model, eps=c.eps)
        self.blocks = nn.ModuleList(
            Block(
                MultiHeadAttention(c.d_model, c.n_heads, dropout=c.dropout),
                FeedForward(c.d_model, c.d_ff or 4 * c.d_model, activation=c.activation),
                norm,
                pre_norm=c.pre_norm,
                dropout=c.dropout,
            )
            for _ in range(c.n_layers)
        )
        self.norm = norm() if c.pre_norm else nn.Identity()
        self.apply(initialise)
        if c.pre_norm:
            # Two parts a layer add to the residual stream: keep its variance from growing with depth (Radford
            # et al. 2019, section 2.3).
            for block in self.blocks:
                for last in (block.attention.output, block.feed_forward.down):
                    nn.init.normal_(last.weight, std=0.02 / (2 * c.n_layers) ** 0.5)

    def embed(self, ids: Tensor, past: int, real: Tensor | None) -> tuple[Tensor, dict[str, Any]]:
        x = self.embedding(ids, past=past, positions=count_positions(ids, real, past))
        mask = look_back(ids, past, real)
        if self.config.band is not None:
            narrow = look_back(ids, past, real, self.config.band)
            mask = [narrow if i % 2 else mask for i in range(self.config.n_layers)]
        return x, {"mask": mask}

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, vocab_size) from hidden (…, d_model): the token embedding, used backwards."""
        return F.linear(hidden, self.embedding.token.weight)

    hf_types = ("gpt2", "openai-gpt")
    hf_ignored = r"\.attn\.(masked_)?bias$|position_ids$"
    hf_tied = (("lm_head.weight", "embedding.token.weight"),)
    hf_names = (
        (r"^transformer\.", ""),
        (r"^(wte|tokens_embed)\.", "embedding.token."),
        (r"^(wpe|positions_embed)\.", "embedding.position."),
        (r"^h\.", "blocks."),
        (r"\.ln_1\.", ".attention_norm."),
        (r"\.ln_2\.", ".feed_forward_norm."),
        (r"^ln_f\.", "norm."),
        (r"\.attn\.c_proj\.", ".attention.output."),
        (r"\.mlp\.c_fc\.", ".feed_forward.up."),
        (r"\.mlp\.c_proj\.", ".feed_forward.down."),
    )

    @classmethod
    def translate(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn the weights their Conv1D keeps as (in, out), and cut query, key and value apart."""
        ours = {}
        for name, tensor in super().translate(state).items():
            turned = name.endswith((".attn.c_attn.weight", "output.weight", "up.weight", "down.weight"))
            tensor = tensor.T if turned else tensor
            if ".attn.c_attn." in name:
                for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                    ours[name.replace("attn.c_attn", f"attention.{part}")] = third
            else:
                ours[name] = tensor
        return ours

    @classmethod
    def config_from_hf(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> GPTConfig:
        refuse(config, add_cross_attention=False, scale_attn_by_inverse_layer_idx=False)
        refuse(config, scale_attn_weights=True, tie_word_embeddings=True)
        fields = read_config(
            config,
            vocab_size="vocab_size",
            d_model="n_embd",
            n_layers="n_layer",
            n_heads="n_head",
            d_ff="n_inner",
            max_positions="n_positions",
            dropout="resid_pdrop",
            eps="layer_norm_epsilon",
        )
        if config["model_type"] == "gpt2":
            activation = hf_activation(config.get("activation_function", "gelu_new"))
            return GPTConfig(**fields, activation=activation)
        # What GPT-1's config calls "gelu" is computed with the tanh approximation.
        activation = config.get("afn", "gelu")
        return GPTConfig(
            **fields,
            activation="gelu_tanh" if activation == "gelu" else hf_activation(activation),
            pre_norm=False,
        )
