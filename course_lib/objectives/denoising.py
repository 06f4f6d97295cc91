"""Denoising: damage a text, learn to write it as it was (BART: Lewis et al. 2020, section 2.2).

The five noises work on any row of tokens: ids or words, a list or a tensor (T,). Special tokens are best
added afterwards, or they would be damaged too. Chances come from `generator`, torch's own when not given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.data.batching import Batches
from course_lib.objectives.places import PlacedBatches
from course_lib.objectives.rows import Row, as_list, check_mean, check_share, like


def token_masking(
    tokens: Row, mask: Any, rate: float = 0.15, *, generator: torch.Generator | None = None
) -> Row:
    """Each token is replaced by `mask` with probability `rate`; the length stays."""
    hidden = _chosen(len(tokens), rate, generator)
    return like(tokens, [mask if gone else token for token, gone in zip(as_list(tokens), hidden)])


def token_deletion(tokens: Row, rate: float = 0.15, *, generator: torch.Generator | None = None) -> Row:
    """Each token is left out with probability `rate`; the model must also find out where."""
    gone = _chosen(len(tokens), rate, generator)
    return like(tokens, [token for token, out in zip(as_list(tokens), gone) if not out])


def text_infilling(
    tokens: Row,
    mask: Any,
    rate: float = 0.3,
    mean_span: float = 3.0,
    *,
    generator: torch.Generator | None = None,
) -> Row:
    """Each of the spans that `infilling_spans` draws becomes one single `mask`; an empty one inserts it."""
    row, damaged, end = as_list(tokens), [], 0
    for start, length in infilling_spans(len(row), rate, mean_span, generator=generator):
        damaged += [*row[end:start], mask]
        end = start + length
    return like(tokens, damaged + row[end:])


def infilling_spans(
    n_tokens: int, rate: float = 0.3, mean_span: float = 3.0, *, generator: torch.Generator | None = None
) -> list[tuple[int, int]]:
    """Spans that hide about `rate` of `n_tokens` tokens, their lengths drawn from a Poisson law.

    Lengths are drawn until they add up to the share; the last is cut to fit. Then all ways to place the spans
    are equally likely: they never overlap, but may touch.

    Args:
        rate: share of the tokens to hide, 0.3 in the paper's large model.
        mean_span: λ, 3 in the paper. A Poisson variable is 0 in e^-λ of all cases: nothing is missing there.

    Returns:
        [(start, length)] in order.
    """
    check_share(rate)
    check_mean(mean_span)
    exact = rate * n_tokens
    budget = int(exact) + (_uniform(generator) < exact % 1)  # right on average for short rows too
    lengths: list[int] = []
    while sum(lengths) < budget:
        drawn = int(torch.poisson(torch.tensor(mean_span), generator=generator))
        lengths.append(min(drawn, budget - sum(lengths)))
    # The last drawn is never empty and often cut: it must not always stand last in the text.
    lengths = [lengths[i] for i in torch.randperm(len(lengths), generator=generator)]
    # The spans and the tokens that stay, in any order: which of the places are spans?
    places = n_tokens - budget + len(lengths)
    order = torch.randperm(places, generator=generator)[: len(lengths)].sort().values.tolist()
    spans, hidden = [], 0
    for i, (place, length) in enumerate(zip(order, lengths, strict=True)):
        spans.append((place - i + hidden, length))
        hidden += length
    return spans


def sentence_permutation(
    tokens: Row, stops: Collection[Any] = (".",), *, generator: torch.Generator | None = None
) -> Row:
    """The sentences in a random order. A sentence ends after a token of `stops`, the last one anyway."""
    sentences: list[list] = [[]]
    for token in as_list(tokens):
        sentences[-1].append(token)
        if token in stops:
            sentences.append([])
    sentences = [sentence for sentence in sentences if sentence]
    order = torch.randperm(len(sentences), generator=generator).tolist()
    return like(tokens, [token for i in order for token in sentences[i]])


def document_rotation(tokens: Row, *, generator: torch.Generator | None = None) -> Row:
    """The row begins with any of its tokens; what stood before that comes at the end."""
    row = as_list(tokens)
    start = int(_uniform(generator) * len(row))
    return like(tokens, row[start:] + row[:start])


class CorruptedBatches(PlacedBatches):
    """Batches for an encoder-decoder: it reads a damaged row and is to write another; for the `Trainer`.

    Every epoch damages each row anew. Both sides end with `eos_id`.

    Args:
        rows: the texts as lists of ids, without special tokens.
        corrupt: takes (row, generator), gives (what is read, what is to be written), both lists of ids; see
            `denoise` for BART and `course_lib.objectives.spans.span_corruption` for T5.
        pad_id, eos_id: of the tokenizer.
        batch_size, seed, options: as `Batches` takes them.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        corrupt: Callable[[list[int], torch.Generator], tuple[list[int], list[int]]],
        *,
        pad_id: int,
        eos_id: int,
        batch_size: int = 64,
        seed: int = 0,
        **options: Any,
    ) -> None:
        numbers = {"row": list(range(len(rows))), "ids": rows}  # the ids sort the rows by length
        super().__init__(Batches(numbers, batch_size, seed, pad={"ids": pad_id}, **options), seed)
        self.rows, self.corrupt = [list(row) for row in rows], corrupt
        self.pad_id, self.eos_id = pad_id, eos_id

    def change(self, batch: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """{"ids": (B, S) padded, "labels": (B, T), -100 for padding}, on the batch's device."""
        pairs = [self.corrupt(self.rows[i], generator) for i in batch["row"].tolist()]
        ids, labels = (
            torch.nn.utils.rnn.pad_sequence(
                [torch.tensor([*row, self.eos_id]) for row in side], batch_first=True, padding_value=fill
            ).to(batch["ids"].device)
            for side, fill in zip(zip(*pairs), (self.pad_id, -100))
        )
        return {"ids": ids, "labels": labels}


def denoise(
    *noises: Callable[..., Row],
) -> Callable[[list[int], torch.Generator], tuple[list[int], list[int]]]:
    """What `CorruptedBatches` asks for: the noises, one after the other, and the row as it was.

    Each takes (row, generator=…), such as ``functools.partial(text_infilling, mask=tokenizer.mask_id)``.
    """

    def corrupt(row: list[int], generator: torch.Generator) -> tuple[list[int], list[int]]:
        damaged = row
        for noise in noises:
            damaged = noise(damaged, generator=generator)
        return damaged, row

    return corrupt


def _chosen(n: int, rate: float, generator: torch.Generator | None) -> list[bool]:
    check_share(rate)
    return (torch.rand(n, generator=generator) < rate).tolist()


def _uniform(generator: torch.Generator | None) -> float:
    return torch.rand((), generator=generator).item()
