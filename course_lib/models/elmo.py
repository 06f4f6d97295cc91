"""ELMo: word vectors in context, from two language models, one a direction (Peters et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.dropout import Dropout
from course_lib.embeddings import check_ids
from course_lib.models.common import Output, score
from course_lib.models.hf import Model


@dataclass(frozen=True)
class ELMoConfig:
    """Sizes of ELMo; the defaults are the published model (Peters et al. 2018, section 3.4).

    vocab_size: words that the two language models predict; also the word table's, when words come in whole.
    d_model: width of one direction's state, of the projected words, and of the output.
    d_cell: width of an LSTM's cell, projected down to d_model.
    n_chars: how many characters there are; None takes whole words in instead, from a table.
    filters: (width, number) of each convolution over a word's characters.
    pad_id: the padding word.  pad_char: the padding character; a word of nothing else is padding.
    """

    vocab_size: int = 793_471
    d_model: int = 512
    n_layers: int = 2
    d_cell: int = 4_096
    n_chars: int | None = 262
    d_char: int = 16
    filters: tuple[tuple[int, int], ...] = (
        (1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1_024),
    )  # fmt: skip
    n_highway: int = 2
    dropout: float = 0.1
    pad_id: int = 0
    pad_char: int = 0

    def __post_init__(self) -> None:
        if self.d_cell < self.d_model:
            raise ValueError(
                f"cells of {self.d_cell} cannot be projected down to a state of {self.d_model}: make d_cell "
                "at least d_model"
            )


class CharacterEncoder(nn.Module):
    """A word from its characters: convolutions, the maximum over the word, highway layers, a projection.

    Kim et al. 2016, equations 5 to 8. No word is unknown. A window counts where it starts on a character of
    the word, and may reach over its end: so a word's vector does not depend on how far it was padded.
    """

    def __init__(self, config: ELMoConfig) -> None:
        super().__init__()
        c = config
        self.character = nn.Embedding(c.n_chars, c.d_char, padding_idx=c.pad_char)
        self.convolutions = nn.ModuleList(nn.Conv1d(c.d_char, n, width) for width, n in c.filters)
        d_filters = sum(n for _, n in c.filters)
        self.highways = nn.ModuleList(Highway(d_filters) for _ in range(c.n_highway))
        self.projection = nn.Linear(d_filters, c.d_model)

    def forward(self, chars: Tensor) -> Tensor:
        """chars (B, T, C) -> (B, T, d_model)"""
        check_ids(chars, self.character.num_embeddings)
        inside = (chars != self.character.padding_idx).flatten(0, 1)[:, None]  # (B·T, 1, C)
        x = self.character(chars.flatten(0, 1)).transpose(1, 2)  # (B·T, d_char, C)
        pooled = []
        for convolution in self.convolutions:
            windows = F.relu(convolution(F.pad(x, (0, convolution.kernel_size[0] - 1))))  # (B·T, n, C)
            pooled.append((windows * inside).amax(dim=-1))
        x = torch.cat(pooled, dim=-1)
        for highway in self.highways:
            x = highway(x)
        return self.projection(x).unflatten(0, chars.shape[:2])


class Highway(nn.Module):
    """g · relu(W x) + (1 − g) · x: a gate decides what to carry (Srivastava et al. 2015, equation 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transform, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, -1.0)  # begin by carrying

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) -> (…, width)"""
        gate = self.gate(x).sigmoid()
        return gate * F.relu(self.transform(x)) + (1 - gate) * x


class LayerMix(nn.Module):
    """γ Σ_j softmax(s)_j h_j: a task's own blend of the layers (Peters et al. 2018, equation 1)."""

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(n_layers))  # s
        self.scale = nn.Parameter(torch.ones(()))  # γ

    def forward(self, layers: tuple[Tensor, ...]) -> Tensor:
        """Tensors (…, d), one a layer -> (…, d)"""
        return self.scale * torch.einsum("l,l...d->...d", self.weights.softmax(dim=0), torch.stack(layers))


def reverse_rows(x: Tensor, lengths: Tensor) -> Tensor:
    """x (B, T, …) with the first `lengths` positions of each row reversed; padding stays where it is."""
    place = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - place
    index = torch.where(mirrored >= 0, mirrored, place)  # (B, T)
    return x[torch.arange(len(x), device=x.device)[:, None], index]


class ELMo(Model):
    """Two stacks of LSTMs, one reading forwards, one backwards, between one word encoder and one softmax."""

    def __init__(self, config: ELMoConfig) -> None:
        super().__init__()
        self.config = c = config
        whole_words = c.n_chars is None
        self.encoder = (
            nn.Embedding(c.vocab_size, c.d_model, padding_idx=c.pad_id)
            if whole_words
            else CharacterEncoder(c)
        )

        def stack() -> nn.ModuleList:
            return nn.ModuleList(
                nn.LSTM(
                    c.d_model, c.d_cell, batch_first=True, proj_size=c.d_model if c.d_cell > c.d_model else 0
                )
                for _ in range(c.n_layers)
            )

        self.forward_lstms, self.backward_lstms = stack(), stack()
        self.output = nn.Linear(c.d_model, c.vocab_size)
        self.mix = LayerMix(c.n_layers + 1)
        self.dropout = Dropout(c.dropout)

    def forward(self, ids: Tensor, *, labels: Tensor | None = None) -> Output:
        """Vectors for each word in its sentence.

        Args:
            ids: (B, T, C) characters, or (B, T) words where `n_chars` is None; padded on the right.
            labels: (B, T), the words themselves, -100 where not to be scored.

        Returns:
            `hidden` (B, T, 2·d_model), the mix of all layers. `hidden_states`, n_layers + 1 tensors
            (B, T, 2·d_model): the word twice, then of each layer the forward half and the backward half; at t
            the former has read up to t, the latter from the end back to t. `loss`, the mean of the two
            language models' (section 3.1 adds them): the forward half at t predicts word t + 1, the backward
            half t − 1. Logits come from `head`, for one half at a time.
        """
        words = ids.dim() == 2
        if words != (self.config.n_chars is None):
            wants = "words (B, T)" if self.config.n_chars is None else "characters (B, T, C)"
            raise ValueError(f"ids of shape {tuple(ids.shape)}: this ELMo reads {wants}")
        real = ids != self.config.pad_id if words else (ids != self.config.pad_char).any(dim=-1)
        lengths = real.sum(dim=1)
        if words:
            check_ids(ids, self.config.vocab_size)
        x = self.dropout(self.encoder(ids))  # (B, T, d_model)

        onward = self._read(self.forward_lstms, x)
        back = [reverse_rows(h, lengths) for h in self._read(self.backward_lstms, reverse_rows(x, lengths))]
        layers = tuple(torch.cat(pair, dim=-1) for pair in zip(onward, back, strict=True))
        out = Output(hidden=self.mix(layers), hidden_states=layers)
        if labels is not None:
            pairs = real[:, 1:]  # padding is not predicted, and predicts nothing
            following = labels[:, 1:].masked_fill(~pairs, -100)
            preceding = labels[:, :-1].masked_fill(~pairs, -100)
            _, forward_loss = score(onward[-1][:, :-1], following, self.head)
            _, backward_loss = score(back[-1][:, 1:], preceding, self.head)
            out.loss = (forward_loss + backward_loss) / 2
        return out

    def head(self, half: Tensor) -> Tensor:
        """Logits (…, vocab_size) from one direction's half (…, d_model) of the last layer."""
        return self.output(half)

    def _read(self, lstms: nn.ModuleList, x: Tensor) -> list[Tensor]:
        """x, then what each LSTM gave, (B, T, d_model); from the second on with a residual connection."""
        states = [x]
        for i, lstm in enumerate(lstms):
            h = self.dropout(lstm(states[-1])[0])
            states.append(h + states[-1] if i else h)
        return states
