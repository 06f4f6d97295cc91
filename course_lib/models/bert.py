"""BERT: a Transformer encoder that looks both ways (Devlin et al. 2019), and RoBERTa (Liu et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention, padding_mask
from course_lib.dropout import Dropout
from course_lib.embeddings import InputEmbedding
from course_lib.layers import Block, FeedForward, get_activation
from course_lib.models.common import Output, class_loss, initialise, run_blocks, score
from course_lib.models.hf import USUAL_NAMES, Model, hf_activation, read_config, refuse


@dataclass(frozen=True)
class BertConfig:
    """Sizes of BERT; the defaults are bert-base-uncased (Devlin et al. 2019, section 3).

    position_offset: 0 counts every token from the start of the row. Otherwise only real tokens are counted,
        from this row of the position table on, and padding takes the row before (RoBERTa).
    pooler: the dense layer and tanh on [CLS].
    mlm, nsp: heads of the two pre-training tasks.
    n_labels: a classifier of so many classes on top, 0 for none.
    each_token: it answers for each token, not once for the text.
    """

    vocab_size: int = 30_522
    d_model: int = 768
    n_layers: int = 12
    n_heads: int = 12
    d_ff: int = 3_072
    max_positions: int = 512
    n_segments: int = 2
    pad_id: int = 0
    position_offset: int = 0
    activation: str = "gelu"
    dropout: float = 0.1
    eps: float = 1e-12
    pooler: bool = True
    mlm: bool = False
    nsp: bool = False
    n_labels: int = 0
    each_token: bool = False

    def __post_init__(self) -> None:
        if self.n_labels and (self.mlm or self.nsp):
            raise ValueError(
                f"n_labels = {self.n_labels} beside a pre-training head: `labels` could mean either; switch "
                "mlm and nsp off to fine-tune"
            )
        if (self.nsp or (self.n_labels and not self.each_token)) and not self.pooler:
            raise ValueError("a head on the whole text reads the pooled [CLS] vector: set pooler=True")

    @classmethod
    def roberta(cls, **changes: Any) -> Self:
        """roberta-base: BERT's body with byte-level BPE, one segment and no next-sentence task."""
        published = {"vocab_size": 50_265, "n_segments": 1, "pad_id": 1, "position_offset": 2, "eps": 1e-5}
        return cls(**{**published, **changes})


class MaskedTokenHead(nn.Module):
    """Vector -> scores over the vocabulary: dense, activation, norm, and the transposed token embedding.

    Devlin et al.'s released code; the paper's section 3.1 names only the softmax over the vocabulary.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.d_model, config.d_model)
        self.norm = nn.LayerNorm(config.d_model, eps=config.eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.activation = get_activation(config.activation)

    def forward(self, hidden: Tensor, token_table: Tensor) -> Tensor:
        """hidden (…, d_model), token_table (vocab_size, d_model) -> (…, vocab_size)"""
        return F.linear(self.norm(self.activation(self.dense(hidden))), token_table, self.bias)


class Bert(Model):
    """Embeddings, then n_layers post-LN encoder blocks, then the heads the config asks for."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = c = config
        self.embedding = InputEmbedding(
            c.vocab_size,
            c.d_model,
            c.max_positions,
            n_segments=c.n_segments,
            pad_id=c.pad_id,
            position_offset=c.position_offset,
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
        self.pooler = nn.Linear(c.d_model, c.d_model) if c.pooler else None
        self.mlm = MaskedTokenHead(c) if c.mlm else None
        self.nsp = nn.Linear(c.d_model, 2) if c.nsp else None
        self.classifier = nn.Linear(c.d_model, c.n_labels) if c.n_labels else None
        self.dropout = Dropout(c.dropout)  # before the classifier
        self.apply(initialise)

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        nsp_labels: Tensor | None = None,
        need_weights: bool = False,
    ) -> Output:
        """Read the whole text at once.

        Args:
            ids: (B, T) token ids; padding is never attended to.
            segments: (B, T), 0 for sentence A and 1 for sentence B; all A when not given.
            mask: boolean, broadcastable to (B, H, T, T), joined with the padding mask. BERT needs none; a
                causal one shows what it loses.
            labels: with `mlm`, (B, T): the token to find at each masked place, -100 elsewhere. With
                `n_labels`, (B,) class numbers, or (B, T) with `each_token`.
            nsp_labels: (B,), 0 where sentence B follows A, 1 where it was drawn at random.
            need_weights: also return the attention weights.

        Returns:
            `logits` are (B, T, vocab_size) with `mlm`, but (N, vocab_size) at the N labelled places with
            `labels`; (B, n_labels) or (B, T, n_labels) with a classifier. `loss` sums the heads' losses.
        """
        real = padding_mask(ids, self.config.pad_id)
        x = self.embedding(ids, segments, positions=self._positions(ids))
        out = run_blocks(self.blocks, x, real if mask is None else real & mask, need_weights=need_weights)
        if self.pooler is not None:
            out.pooled = torch.tanh(self.pooler(out.hidden[:, 0]))

        losses = []
        if self.mlm is not None and labels is not None:
            out.logits, loss = score(out.hidden, labels, self.head)
            losses.append(loss)
        elif self.mlm is not None:
            out.logits = self.head(out.hidden)
        if self.classifier is not None:
            out.logits = self.classifier(self.dropout(out.hidden if self.config.each_token else out.pooled))
            if labels is not None:
                losses.append(class_loss(out.logits, labels))
        if self.nsp is not None:
            out.nsp_logits = self.nsp(out.pooled)
            if nsp_labels is not None:
                losses.append(F.cross_entropy(out.nsp_logits, nsp_labels))
        out.loss = sum(losses) if losses else None
        return out

    def head(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary (…, vocab_size) from hidden (…, d_model); needs ``mlm=True``."""
        if self.mlm is None:
            raise ValueError("this Bert has no masked-token head: make or load it with mlm=True")
        return self.mlm(hidden, self.embedding.token.weight)

    def with_classifier(self, n_labels: int, each_token: bool = False) -> Self:
        """A copy to fine-tune: the same encoder, a fresh classifier in place of the pre-training heads."""
        config = replace(
            self.config, n_labels=n_labels, each_token=each_token, mlm=False, nsp=False, pooler=not each_token
        )
        model = type(self)(config)
        kept = {
            k: v for k, v in self.state_dict().items() if not k.startswith(("mlm.", "nsp.", "classifier."))
        }
        if each_token:
            kept = {k: v for k, v in kept.items() if not k.startswith("pooler.")}
        model.load_state_dict(kept, strict=False)
        return model

    def _positions(self, ids: Tensor) -> Tensor | None:
        if not self.config.position_offset:
            return None
        real = ids != self.config.pad_id
        return real.cumsum(dim=1) * real - 1  # padding: -1, the row before the first

    hf_types = ("bert", "roberta")
    hf_ignored = r"position_ids$|token_type_ids$|(predictions|lm_head)\.decoder\."
    hf_names = (
        (r"^(bert|roberta)\.", ""),
        (r"\.gamma$", ".weight"),  # as in the first published files
        (r"\.beta$", ".bias"),
        (r"^cls\.predictions\.transform\.LayerNorm|^lm_head\.layer_norm", "mlm.norm"),
        (r"^cls\.predictions\.transform\.dense|^lm_head\.dense", "mlm.dense"),
        (r"^cls\.predictions\.bias|^lm_head\.bias", "mlm.bias"),
        (r"^cls\.seq_relationship", "nsp"),
        # RoBERTa's classifier is BERT's pooler and classifier under one name.
        (r"^classifier\.dense", "pooler"),
        (r"^classifier\.out_proj", "classifier"),
        (r"^pooler\.dense", "pooler"),
        (r"^embeddings\.word_embeddings", "embedding.token"),
        (r"^embeddings\.position_embeddings", "embedding.position"),
        (r"^embeddings\.token_type_embeddings", "embedding.segment"),
        (r"^embeddings\.LayerNorm", "embedding.norm"),
        (r"^encoder\.layer", "blocks"),
        (r"attention\.self\.", "attention."),
        (r"attention\.output\.dense", "attention.output"),
        (r"attention\.output\.LayerNorm", "attention_norm"),
        (r"intermediate\.dense", "feed_forward.up"),
        (r"(blocks\.\d+)\.output\.dense", r"\1.feed_forward.down"),
        (r"(blocks\.\d+)\.output\.LayerNorm", r"\1.feed_forward_norm"),
    )

    @classmethod
    def config_from_hf(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> BertConfig:
        refuse(config, is_decoder=False, add_cross_attention=False, position_embedding_type="absolute")
        ours = cls.translate(state)
        fields = read_config(
            config,
            **USUAL_NAMES,
            n_segments="type_vocab_size",
            dropout="hidden_dropout_prob",
            eps="layer_norm_eps",
        )
        if config["model_type"] == "roberta":
            fields["position_offset"] = fields["pad_id"] + 1
            fields["max_positions"] -= fields["position_offset"]  # theirs counts the rows that are never used
        return BertConfig(
            **fields,
            activation=hf_activation(config.get("hidden_act", "gelu")),
            pooler="pooler.weight" in ours,
            mlm="mlm.bias" in ours,
            nsp="nsp.weight" in ours,
            n_labels=len(ours["classifier.bias"]) if "classifier.bias" in ours else 0,
            each_token="TokenClassification" in "".join(config.get("architectures") or ()),
        )
