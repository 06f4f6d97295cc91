"""Translation with a pre-trained BART: a small new encoder in place of its token table.

Lewis et al. 2020, section 3.4. BART has learned to write clean text from a damaged one. The new encoder, with
a vocabulary of its own, turns a foreign text into vectors that BART takes for such a damaged text.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial

from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention, padding_mask
from course_lib.embeddings import InputEmbedding
from course_lib.layers import Block, FeedForward
from course_lib.models.bart import Bart, BartConfig
from course_lib.models.common import initialise, run_blocks


class SourceEncoder(nn.Module):
    """Stands where a token table stood: ids of another vocabulary -> vectors that know their neighbours.

    Args:
        vocab_size: of the source language.  config: BART's; its sizes, dropout and `pad_id` hold here, too.
        n_layers: of the new encoder.
    """

    def __init__(self, vocab_size: int, config: BartConfig, n_layers: int = 2) -> None:
        super().__init__()
        c, self.pad_id, self.num_embeddings = config, config.pad_id, vocab_size
        self.embedding = InputEmbedding(
            vocab_size, c.d_model, c.max_positions, pad_id=c.pad_id, eps=1e-5, dropout=c.dropout
        )
        self.blocks = nn.ModuleList(
            Block(
                MultiHeadAttention(c.d_model, c.n_heads),
                FeedForward(c.d_model, c.d_ff, activation=c.activation),
                partial(nn.LayerNorm, c.d_model),
                dropout=c.dropout,
            )
            for _ in range(n_layers)
        )
        self.apply(initialise)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) -> (B, S, d_model); padding is not seen."""
        return run_blocks(self.blocks, self.embedding(ids), padding_mask(ids, self.pad_id)).hidden


def with_source_encoder(bart: Bart, vocab_size: int, n_layers: int = 2) -> Bart:
    """A copy of `bart` that reads ids of another vocabulary; what it writes keeps its own.

    Padding must have the same id in both vocabularies.
    """
    copy = deepcopy(bart)
    # The decoder keeps the table that both sides shared.
    copy.encoder_embedding.token = SourceEncoder(vocab_size, bart.config, n_layers)
    return copy


def first_step_parameters(bart: Bart) -> list[nn.Parameter]:
    """What the paper trains first while all else is frozen.

    The new encoder, the positions, and the projections that feed self-attention in the first encoder layer.
    """
    attention = bart.encoder_blocks[0].attention
    parts = [
        bart.encoder_embedding.token,
        bart.encoder_embedding.position,
        bart.decoder_embedding.position,
        *(attention.query, attention.key, attention.value),
    ]
    return [parameter for part in parts for parameter in part.parameters()]
