"""Llama: what changed in decoders since GPT-2 (Touvron et al. 2023).

RMSNorm for layer norm, rotary positions for a table of them, SwiGLU for GELU, fewer key and value heads than
query heads, no biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.embeddings import RotaryEmbedding, check_ids, check_length, rotate
from course_lib.layers import Block, FeedForward, RMSNorm
from course_lib.models.common import initialise
from course_lib.models.decoder import Decoder, count_positions, look_back
from course_lib.models.hf import USUAL_NAMES, attention_part, hf_activation, read_config, refuse


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of Llama; the defaults are Llama 2 7B (Touvron et al. 2023b, table 1 and appendix A).

    n_kv_heads: heads of keys and values, each shared by a group of query heads; n_heads when not given.
    d_head: d_model / n_heads when not given.
    rope_base: the slowest wave of the rotary positions turns once in about 2π · rope_base tokens.
    tied: whether the token embedding is also the output.
    pad_id: this token's vector is not trained; which tokens are padding, `mask` says.
    """

    vocab_size: int = 32_000
    d_model: int = 4_096
    n_layers: int = 32
    n_heads: int = 32
    n_kv_heads: int | None = None
    d_head: int | None = None
    d_ff: int = 11_008
    max_positions: int = 4_096
    rope_base: float = 10_000.0
    activation: str = "silu"
    eps: float = 1e-5
    tied: bool = False
    pad_id: int | None = None

    @classmethod
    def smollm2(cls, **changes: Any) -> Self:
        """SmolLM2-135M (Ben Allal et al. 2025): narrow, deep, three query heads to one key head."""
        published = {
            "vocab_size": 49_152,
            "d_model": 576,
            "n_layers": 30,
            "n_heads": 9,
            "n_kv_heads": 3,
            "d_ff": 1_536,
            "max_positions": 8_192,
            "rope_base": 100_000.0,
            "tied": True,
        }
        return cls(**{**published, **changes})


class Llama(Decoder):
    """Token embedding, n_layers causal blocks with rotary positions, RMSNorm, output."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = c = config
        self.token = nn.Embedding(c.vocab_size, c.d_model, padding_idx=c.pad_id)
        norm = partial(RMSNorm, c.d_model, eps=c.eps)
        self.blocks = nn.ModuleList(
            Block(
                MultiHeadAttention(
                    c.d_model, c.n_heads, n_kv_heads=c.n_kv_heads, d_head=c.d_head, bias=False
                ),
                FeedForward(c.d_model, c.d_ff, activation=c.activation, gated=True, bias=False),
                norm,
                pre_norm=True,
            )
            for _ in range(c.n_layers)
        )
        self.rotary = RotaryEmbedding(c.d_head or c.d_model // c.n_heads, c.rope_base)
        self.norm = norm()
        self.output = None if c.tied else nn.Linear(c.d_model, c.vocab_size, bias=False)
        self.apply(initialise)

    def embed(self, ids: Tensor, past: int, real: Tensor | None) -> tuple[Tensor, dict[str, Any]]:
        check_ids(ids, self.config.vocab_size)
        check_length(past + ids.shape[1], self.config.max_positions)
        positions = count_positions(ids, real, past)
        cosine, sine = self.rotary(positions if real is None else positions[:, None])
        turn = partial(rotate, cosine=cosine, sine=sine)
        return self.token(ids), {"mask": look_back(ids, past, real), "rotate": turn}

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, vocab_size) from hidden (…, d_model)."""
        return F.linear(hidden, self.token.weight) if self.output is None else self.output(hidden)

    hf_types = ("llama",)
    hf_ignored = r"rotary_emb\.inv_freq$"
    hf_tied = (("output.weight", "token.weight"),)
    hf_names = (
        (r"^model\.", ""),
        (r"^embed_tokens\.", "token."),
        (r"^layers\.", "blocks."),
        (r"^lm_head\.", "output."),
        (r"self_attn\.([qkvo])_proj", attention_part("attention")),
        (r"input_layernorm", "attention_norm"),
        (r"post_attention_layernorm", "feed_forward_norm"),
        (r"mlp\.(up|gate|down)_proj", r"feed_forward.\1"),
    )

    @classmethod
    def config_from_hf(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> LlamaConfig:
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        refuse(rope, rope_type="default", type="default")
        refuse(config, attention_bias=False, mlp_bias=False)
        fields = read_config(
            config,
            **USUAL_NAMES,
            n_kv_heads="num_key_value_heads",
            d_head="head_dim",
            eps="rms_norm_eps",
        )
        return LlamaConfig(
            **fields,
            rope_base=rope.get("rope_theta") or config.get("rope_theta") or 10_000.0,
            activation=hf_activation(config.get("hidden_act", "silu")),
            tied=config.get("tie_word_embeddings") or False,
        )
