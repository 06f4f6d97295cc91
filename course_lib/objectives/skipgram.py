"""Skip-gram with negative sampling: a word's vector is what tells its neighbours from noise (word2vec).

Mikolov et al. 2013a, "Efficient Estimation of Word Representations in Vector Space" (the pairs), and 2013b,
"Distributed Representations of Words and Phrases and their Compositionality" (the noise and the loss).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def skipgram_pairs(sentences: Sequence[Sequence[int] | Tensor], window: int) -> Tensor:
    """Each word with each word at most `window` places to its left or right, in the same sentence.

    No pair crosses from one sentence to the next, and no position is paired with itself; a word that stands
    twice within the window is paired with itself all the same. Mikolov et al. draw the window anew for each
    word, from 1 to its size; here it is always the full one.

    Args:
        sentences: ids of words, a sequence a sentence.
        window: places on each side.

    Returns:
        (N, 2) int64: centre, neighbour. Sorted by distance, nearest first.

    Raises:
        ValueError: a window below 1, or no sentence with two words.
    """
    if window < 1:
        raise ValueError(f"window is {window}: it must be at least 1, the word next to the centre")
    lengths = torch.tensor([len(sentence) for sentence in sentences], dtype=torch.long)
    if not (lengths > 1).any():
        raise ValueError(f"{len(lengths)} sentences, none of two words: a word alone has no neighbour")
    ids = torch.cat([torch.as_tensor(sentence, dtype=torch.long) for sentence in sentences])  # (all words,)
    sentence_of = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    pairs = []
    for distance in range(1, min(window, int(lengths.max()) - 1) + 1):
        same = sentence_of[:-distance] == sentence_of[distance:]
        left, right = ids[:-distance][same], ids[distance:][same]
        pairs += [torch.stack([left, right], dim=1), torch.stack([right, left], dim=1)]
    return torch.cat(pairs)


def noise_distribution(counts: Tensor, power: float = 0.75) -> Tensor:
    """How often each word serves as noise: its count to the `power`, over the sum (2013b, section 2.2).

    A power of 1 draws words as they come, 0 draws all alike; 3/4 lifts the rare ones a little.

    Args:
        counts: (vocab_size,) how often each word stands in the text; a word of count 0 is never drawn.

    Returns:
        (vocab_size,) probabilities.

    Raises:
        ValueError: counts below 0, or none above.
    """
    if counts.ndim != 1 or not len(counts) or counts.min() < 0 or counts.max() <= 0:
        raise ValueError(
            f"counts of shape {tuple(counts.shape)}: give one count a word, none below 0, one at least above"
        )
    counts = counts if counts.is_floating_point() else counts.float()
    weight = torch.where(counts > 0, counts**power, 0.0)
    return weight / weight.sum()


def skipgram_loss(centre: Tensor, neighbour: Tensor, noise: Tensor) -> Tensor:
    """Mean over the pairs of −log σ(u·v) − Σ_k log σ(−u_k·v) (Mikolov et al. 2013b, equation 4, negated).

    Args:
        centre: (B, d), v, from the table that is kept.
        neighbour: (B, d), u, from the other table: a word in the part of a neighbour.
        noise: (B, K, d), u_1 … u_K, from that other table too, for words drawn as noise.

    Raises:
        ValueError: shapes that do not belong together.
    """
    B, d = centre.shape[0], centre.shape[-1]
    if centre.ndim != 2 or neighbour.shape != (B, d) or noise.ndim != 3 or noise[:, 0].shape != (B, d):
        raise ValueError(
            f"centre {tuple(centre.shape)}, neighbour {tuple(neighbour.shape)}, noise {tuple(noise.shape)}: "
            "give (B, d), (B, d) and (B, K, d)"
        )
    true = (centre * neighbour).sum(dim=-1)  # (B,)
    false = torch.einsum("bd,bkd->bk", centre, noise)
    return -(F.logsigmoid(true) + F.logsigmoid(-false).sum(dim=-1)).mean()
