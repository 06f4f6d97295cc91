"""Understanding as a cloze: a blank in a text, and how likely a model finds each word that could fill it.

A *pattern* writes the input with a blank behind it, a *verbaliser* is the word that stands for a class
(Schick & Schütze 2021, PET, section 3.1): "Pizza Hat is delicious! It is {blank}" with "good" and "bad". No
layer is added, so the model can be asked as it is, or trained on a few labels. For causal models:
`course_lib.prompting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.models import Bert
from course_lib.models.encoder_decoder import EncoderDecoder
from course_lib.models.hf import Model


class Cloze:
    """A pattern and its verbalisers, for one model.

        cloze = Cloze(model, tokenizer, "{text} it was {blank} .", ["bad", "good"])
        cloze.score(texts).argmax(1)                                    # zero-shot
        data = Batches(cloze.columns(texts, labels), 16)
        Trainer(model, cloze.loss, data, learning_rate=1e-3).fit(50)    # prompt-based fine-tuning

    A `Bert` with a masked-token head reads one [MASK] for each token of the verbaliser, and the tokens' log p
    are added as if they did not know of each other. An encoder-decoder such as `T5` reads a sentinel and is
    asked how likely it writes the verbaliser behind that sentinel, token by token: its pre-training task
    (Raffel et al. 2020, section 3.1.4).

    Args:
        model: a Bert with ``mlm=True``, or an encoder-decoder.
        tokenizer: the model's, ours or one of the `tokenizers` library.
        pattern: holds "{text}" and "{blank}", each once.
        verbalisers: one for each class, in the order of the class numbers.
        blank: the token for the blank; "[MASK]" or "<extra_id_0>" when not given.

    Raises:
        TypeError: a causal model.  ValueError: a pattern, verbaliser or blank that cannot be; the message
            says what is wrong.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Any,
        pattern: str,
        verbalisers: Sequence[str],
        *,
        blank: str | None = None,
    ) -> None:
        self.writes = isinstance(model, EncoderDecoder)
        if not self.writes and not isinstance(model, Bert):
            raise TypeError(
                f"{type(model).__name__} reads from left to right: its blank stands last, and "
                "course_lib.prompting.score_labels scores it; here give a Bert or a T5"
            )
        if not self.writes and model.mlm is None:
            raise ValueError("this Bert has no masked-token head: make or load it with mlm=True")
        for part in ("{text}", "{blank}"):
            if pattern.count(part) != 1:
                raise ValueError(
                    f"pattern {pattern!r} holds {part} {pattern.count(part)} times: write it once"
                )
        if isinstance(verbalisers, str) or len(set(verbalisers)) < max(2, len(verbalisers)):
            raise ValueError(f"verbalisers {verbalisers!r}: give a list of at least two, all different")
        self.model, self.tokenizer, self.pattern, self.verbalisers = (
            model,
            tokenizer,
            pattern,
            list(verbalisers),
        )
        self.blank = blank or ("<extra_id_0>" if self.writes else "[MASK]")
        vocab = tokenizer.vocab if hasattr(tokenizer, "vocab") else tokenizer.get_vocab()
        if self.blank not in vocab:
            raise ValueError(
                f"the blank {self.blank!r} is not in the vocabulary: name the token that stands for what is "
                "missing in this model's pre-training"
            )
        self.blank_id = vocab[self.blank]
        self.words = [self._ids(word) for word in self.verbalisers]
        for word, ids in zip(self.verbalisers, self.words, strict=True):
            if not ids or vocab.get("[UNK]") in ids:
                raise ValueError(f"the vocabulary cannot write the verbaliser {word!r}: choose another word")

    def columns(self, texts: Sequence[str], labels: Sequence[int] | None = None) -> dict[str, Tensor]:
        """The texts in the pattern, as `Batches` and `loss` take them.

        Returns:
            "ids" (N, K, T): each text once for each number of blanks that a verbaliser needs (K is 1 when all
            are of one length, and for an encoder-decoder); with `labels` also "labels" (N,).

        Raises:
            ValueError: no texts, a text that holds the blank itself, or a label without a verbaliser.
        """
        if isinstance(texts, str) or not texts:
            raise ValueError(f"texts {texts!r}: give a list with at least one text")
        rows = [self._fill(text, n) for text in texts for n in self._numbers()]
        width = max(map(len, rows))
        pad_id = self.model.config.pad_id
        ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in rows])
        columns = {"ids": ids.view(len(texts), -1, width)}
        if labels is not None:
            columns["labels"] = torch.as_tensor(labels)
            if not 0 <= columns["labels"].min() <= columns["labels"].max() < len(self.words):
                low, high = columns["labels"].min(), columns["labels"].max()
                raise ValueError(
                    f"labels from {low} to {high} and {len(self.words)} verbalisers: number the classes "
                    "from 0 in the verbalisers' order"
                )
        return columns

    @torch.no_grad()
    def score(self, texts: Sequence[str], *, batch_size: int = 128) -> Tensor:
        """log p(verbaliser at the blank | text), in nats: (n_texts, n_verbalisers), without dropout.

        Over the whole vocabulary: ``.softmax(1)`` gives each class's share, ``.argmax(1)`` the answer.
        """
        trains = self.model.training
        self.model.eval()
        try:
            device = next(self.model.parameters()).device
            batches = self.columns(texts)["ids"].split(batch_size)
            return torch.cat([self.log_p(self.model, ids.to(device)) for ids in batches])
        finally:
            self.model.train(trains)

    def loss(self, model: Model, batch: dict[str, Tensor]) -> Tensor:
        """Cross-entropy over the verbalisers (Schick & Schütze 2021, section 3.1): prompt-based fine-tuning.

        Their paper adds a little of the masked-token loss (section 3.2); this is the plain one.
        """
        return F.cross_entropy(self.log_p(model, batch["ids"]), batch["labels"])

    def log_p(self, model: Model, ids: Tensor) -> Tensor:
        """ids (B, K, T) from `columns` -> log p of the verbalisers (B, n_verbalisers), with gradients."""
        return self._written(model, ids[:, 0]) if self.writes else self._masked(model, ids)

    def _masked(self, model: Bert, ids: Tensor) -> Tensor:
        B, scores = len(ids), {}
        for rows, n in zip(ids.unbind(1), self._numbers(), strict=True):
            at_blanks = torch.where(rows == self.blank_id, 0, -100)  # logits are computed only there
            log_p = model(rows, labels=at_blanks).logits.log_softmax(-1).view(B, n, -1)
            for i, word in enumerate(self.words):
                if len(word) == n:
                    scores[i] = log_p[:, torch.arange(n), word].sum(1)
        return torch.stack([scores[i] for i in range(len(self.words))], dim=1)

    def _written(self, model: EncoderDecoder, ids: Tensor) -> Tensor:
        B, longest = len(ids), max(map(len, self.words))
        # What is to be written, the blank's sentinel first; -100 after the end of a short verbaliser.
        targets = torch.tensor(
            [[self.blank_id, *word] + [-100] * (longest - len(word)) for word in self.words]
        )
        # Verbalisers that begin alike are read once: words of one token all share the sentinel.
        read, place = model.shift_right(targets).unique(dim=0, return_inverse=True)
        read, place, targets = (part.to(ids.device) for part in (read, place, targets))
        memory = model.encode(ids).hidden.repeat_interleave(len(read), dim=0)
        real = (ids != model.config.pad_id).repeat_interleave(len(read), dim=0)
        log_p = model.decode(read.repeat(B, 1), memory, real).logits[:, 1:].log_softmax(-1)
        log_p = log_p.view(B, len(read), longest, -1)[:, place]  # (B, n_verbalisers, longest, vocab_size)
        words = targets[:, 1:].clamp(min=0).expand(B, -1, -1)
        found = log_p.gather(-1, words[..., None])[..., 0]
        return found.masked_fill(targets[:, 1:] == -100, 0.0).sum(-1)

    def _numbers(self) -> list[int]:
        """How many blanks are read in a row, each number once."""
        return [1] if self.writes else sorted({len(word) for word in self.words})

    def _fill(self, text: str, n: int) -> list[int]:
        filled = self.pattern.replace("{blank}", " ".join([self.blank] * n)).replace("{text}", text)
        ids = self._ids(filled, whole=True)
        if ids.count(self.blank_id) != n:
            raise ValueError(
                f"{ids.count(self.blank_id)} blanks in {filled!r}, expected {n}: the text may not hold "
                f"{self.blank!r} itself"
            )
        return ids

    def _ids(self, text: str, whole: bool = False) -> list[int]:
        """Ids of a text; `whole`: with what the model expects around its input."""
        around = whole and not self.writes
        if hasattr(self.tokenizer, "vocab"):
            ids = self.tokenizer.encode(text, add_special=around)
        else:
            ids = self.tokenizer.encode(text, add_special_tokens=around).ids
        return [*ids, self.model.config.eos_id] if whole and self.writes else list(ids)
