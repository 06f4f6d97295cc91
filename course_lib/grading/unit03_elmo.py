"""Unit 03: labels of two language models, sentences turned round, the layer mix."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task

Pair = tuple[Tensor, Tensor]

# ---- labels ----


def labels_reference(ids: Tensor, pad_id: int) -> Pair:
    """Word by word."""
    forward, backward = torch.full_like(ids, -100), torch.full_like(ids, -100)
    for b, row in enumerate(ids.tolist()):
        for t in range(len(row)):
            if row[t] == pad_id:
                continue
            if t + 1 < len(row) and row[t + 1] != pad_id:
                forward[b, t] = row[t + 1]
            if t > 0:
                backward[b, t] = row[t - 1]
    return forward, backward


def shifted(
    ids: Tensor,
    pad_id: int,
    ends: bool = True,
    score_padding: bool = False,
    from_padding: bool = False,
) -> Pair:
    """The labels with one care left out."""
    forward, backward = ids.roll(-1, 1), ids.roll(1, 1)
    if ends:
        forward[:, -1] = backward[:, 0] = -100
    if not score_padding:
        forward = forward.masked_fill(forward == pad_id, -100)
    if not from_padding:
        nothing = ids == pad_id
        if not score_padding:
            forward = forward.masked_fill(nothing, -100)
        backward = backward.masked_fill(nothing, -100)
    return forward, backward


def own_word(ids: Tensor, pad_id: int) -> Pair:
    label = ids.masked_fill(ids == pad_id, -100)
    return label, label.clone()


def two_steps(ids: Tensor, pad_id: int) -> Pair:
    forward, backward = (torch.full_like(ids, -100) for _ in range(2))
    forward[:, :-2], backward[:, 2:] = ids[:, 2:], ids[:, :-2]
    nothing = ids == pad_id
    return forward.masked_fill(forward == pad_id, -100), backward.masked_fill(nothing, -100)


def full_rows(generator: Generator) -> tuple[Tensor, int]:
    B, T = sizes(generator, 2, 3, 7)
    return torch.randint(1, 90, (B, T), generator=generator), 0


def padded_rows(generator: Generator) -> tuple[Tensor, int]:
    """Rows of different lengths; the padding id is not always 0."""
    B, extra, pad_id = sizes(generator, 3, 3, 6)
    ids = torch.randint(10, 90, (B, B + extra), generator=generator)
    for b in range(B):
        ids[b, len(ids[0]) - b :] = pad_id
    return ids, pad_id


def never_padding(got: Pair, ids: Tensor, pad_id: int) -> str | None:
    for name, label in zip(("forward", "backward"), got, strict=True):
        if (label == pad_id).any():
            return f"{name} asks for padding at {int((label == pad_id).sum())} places"
        if (label[ids == pad_id] != -100).any():
            return f"{name} has labels where padding is read"
    return None


SHIFT = Task(
    (
        Part(
            "two_way_labels",
            labels_reference,
            ("forward (B, T)", "backward (B, T)"),
            (
                Case(
                    "right without padding",
                    full_rows,
                    "Forward at t says word t + 1, backward at t says word t − 1.",
                    "Write both rows for 나는 사과를 먹는다 under the words.",
                    worth=2,
                ),
                Case(
                    "padding is never asked for, and never asked",
                    padded_rows,
                    "Padding is no word: it is not to be predicted, and predicts nothing.",
                    "Print `ids` and both labels of the shortest row one above the other.",
                    judge=never_padding,
                    telling=False,
                ),
                Case(
                    "right with padding",
                    padded_rows,
                    "The last real word has no following word; −100 stands there, and all over the padding.",
                    "Print `ids` and both labels of the shortest row one above the other.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "wrong-way",
                    "The labels are shifted the wrong way",
                    lambda ids, pad_id: labels_reference(ids, pad_id)[::-1],
                    "Forward is asked for the word before, which it has read: that is no prediction.",
                    "At the first word, which of the two has something to predict?",
                ),
                Misconception(
                    "looks-at-the-answer",
                    "The label is the word that was just read",
                    own_word,
                    "Each model has its own word as input at t. It would learn to copy.",
                    "Compare your labels with `ids`.",
                ),
                Misconception(
                    "both-forward",
                    "Both models are asked for the next word",
                    lambda ids, pad_id: (labels_reference(ids, pad_id)[0],) * 2,
                    "The backward model has read everything from the end back to t, the next word included.",
                    "What has the backward model not read yet, when it is at t?",
                ),
                Misconception(
                    "wraps-round",
                    "The shift wraps round",
                    lambda ids, pad_id: shifted(ids, pad_id, ends=False),
                    "`roll` brings the first word to the end: the last word is asked for the start of its "
                    "own sentence.",
                    "Print `torch.arange(4).roll(-1)`.",
                ),
                Misconception(
                    "predicts-padding",
                    "Padding is to be predicted",
                    lambda ids, pad_id: shifted(ids, pad_id, score_padding=True),
                    "The loss would fall by learning where sentences were filled up.",
                    "Print the forward labels of the shortest row.",
                ),
                Misconception(
                    "asked-at-padding",
                    "The backward model is asked at padding",
                    lambda ids, pad_id: shifted(ids, pad_id, from_padding=True),
                    "The first place after the sentence gets its last word as label, though nothing was read "
                    "there.",
                    "Print the backward labels of the shortest row.",
                ),
                Misconception(
                    "padding-scored",
                    "Padding is treated like a word",
                    lambda ids, pad_id: shifted(ids, pad_id, score_padding=True, from_padding=True),
                    "Padding fills up rows; it is no word. It is not predicted and predicts nothing.",
                    "Print `ids` and both labels of the shortest row one above the other.",
                ),
                Misconception(
                    "shifted-twice",
                    "The labels are shifted twice",
                    two_steps,
                    "Forward skips a word. That happens when labels are shifted and the loss shifts again.",
                    "Which word follows the first? Which one is its label?",
                ),
            ),
        ),
    ),
    (
        "Begin with two tensors full of −100 and write into slices of them.",
        "`forward[:, :-1]` takes `ids[:, 1:]`; the backward labels are the mirror of that.",
        "Last step: −100 wherever the word at t is padding, in both; and where the label itself is padding.",
    ),
)


# ---- turn round ----


def reverse_reference(x: Tensor, lengths: Tensor) -> Tensor:
    return torch.stack(
        [torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths.tolist(), strict=True)]
    )


def padding_first(x: Tensor, lengths: Tensor) -> Tensor:
    return x.flip(1)


def zeros_behind(x: Tensor, lengths: Tensor) -> Tensor:
    real = torch.arange(x.shape[1]) < lengths[:, None]
    return reverse_reference(x, lengths) * real[..., None]


def one_off(x: Tensor, lengths: Tensor) -> Tensor:
    return reverse_reference(x, (lengths + 1).clamp(max=x.shape[1]))


def first_length(x: Tensor, lengths: Tensor) -> Tensor:
    n = int(lengths.max())
    return torch.cat([x[:, :n].flip(1), x[:, n:]], dim=1)


def rows_of_vectors(generator: Generator) -> tuple[Tensor, Tensor]:
    B, extra, d = sizes(generator, 3, 3, 6)
    T = B + extra + 1
    return normal(generator, B, T, d), torch.arange(T - B - 1, T - 1)


def all_full(generator: Generator) -> tuple[Tensor, Tensor]:
    B, T, d = sizes(generator, 3, 3, 7)
    return normal(generator, B, T, d), torch.full((B,), T)


def back_again(got: Tensor, x: Tensor, lengths: Tensor) -> str | None:
    return None if torch.equal(got, x) else "turned round twice, the rows are not what they were"


REVERSE = Task(
    (
        Part(
            "reverse_rows",
            reverse_reference,
            ("x (B, T, d), turned round",),
            (
                Case(
                    "right when no row is padded",
                    all_full,
                    "Without padding, the order of all positions is reversed, and the vectors stay whole.",
                    "Take `torch.arange(6.0).view(1, 3, 2)` and print the result.",
                ),
                Case(
                    "right when rows have different lengths",
                    rows_of_vectors,
                    "Only a row's first `length` positions are turned round. Padding stays where it is.",
                    "A row of 3 real words and 2 of padding: position 0 gets what stood at 2.",
                    worth=2,
                ),
                Case(
                    "twice gives back the original",
                    rows_of_vectors,
                    "The states of the backward model are brought back by the same function.",
                    "Compare `reverse_rows(reverse_rows(x, lengths), lengths)` with x.",
                    judge=back_again,
                    call=lambda answer, x, lengths: answer(answer(x, lengths), lengths),
                    names=("x (B, T, d)",),
                    telling=False,
                ),
            ),
            (
                Misconception(
                    "padding-first",
                    "Padding comes first",
                    padding_first,
                    "The whole row is flipped, so the backward model reads padding before it reads a word.",
                    "Print the lengths, and where row 0's padding is afterwards.",
                ),
                Misconception(
                    "not-reversed",
                    "Nothing is turned round",
                    lambda x, lengths: x.clone(),
                    "The backward model would read forwards.",
                    "Compare position 0 before and after.",
                ),
                Misconception(
                    "one-length",
                    "All rows are turned round at one length",
                    first_length,
                    "The longest row is right; in shorter ones padding moves in.",
                    "Print the result row by row next to `lengths`.",
                ),
                Misconception(
                    "length-off-by-one",
                    "One position too many is turned round",
                    one_off,
                    "The last real word of a row of n words stands at n − 1.",
                    "For n = 3: which position goes to 0?",
                ),
                Misconception(
                    "padding-zeroed",
                    "The padding is overwritten with zeros",
                    zeros_behind,
                    "What stands behind the sentence is not yours to change.",
                    "Compare the last positions before and after.",
                ),
                Misconception(
                    "vectors-reversed",
                    "The numbers inside the vectors are turned round",
                    lambda x, lengths: x.flip(-1),
                    "It is the order of the words that changes, not that of the numbers.",
                    "Print `x.shape`: which axis is the position?",
                ),
            ),
        ),
    ),
    (
        "For each row, position t takes what stood at length − 1 − t, as long as t is inside the sentence.",
        "A loop over rows is fine: flip the first part of the row, leave the rest, put them together.",
        "`torch.cat([row[:n].flip(0), row[n:]])` for each row, then `torch.stack`.",
    ),
    ("course_lib.models.elmo.reverse_rows",),
)


# ---- the mix ----


def mix_reference(layers: Tensor, s: Tensor, gamma: Tensor) -> Tensor:
    shares = torch.stack([row.double().softmax(0) for row in s]).float()
    return torch.stack([
        g * sum(share * layer for share, layer in zip(row, layers, strict=True))
        for row, g in zip(shares, gamma, strict=True)
    ])  # fmt: skip


def mix_variant(shares: Callable[[Tensor, Tensor], Tensor], scale: bool = True) -> Callable[..., Tensor]:
    def mix(layers: Tensor, s: Tensor, gamma: Tensor) -> Tensor:
        mixed = torch.einsum("kl,lbtd->kbtd", shares(s, gamma), layers)
        return gamma[:, None, None, None] * mixed if scale else mixed

    return mix


def a_mix(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    K, L, B, T, d = sizes(generator, 5, 2, 6)
    return (
        normal(generator, L, B, T, d),
        2 * normal(generator, K, L),
        0.5 + torch.rand(K, generator=generator),
    )


def equal_layers(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    layers, s, gamma = a_mix(generator)
    return layers[:1].expand_as(layers).clone(), s, torch.ones_like(gamma)


def large_s(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    layers, s, gamma = a_mix(generator)
    s[:, 0] = 120.0
    return layers, s, gamma


MIX = Task(
    (
        Part(
            "mix_layers",
            mix_reference,
            ("vectors (K, B, T, d)",),
            (
                Case(
                    "right for random layers",
                    a_mix,
                    "softmax(s) over the layers, weighted sum of the layers, times γ (equation 1).",
                    "Two layers, s = (0, 0), γ = 2: the sum of both layers.",
                    worth=3,
                ),
                Case(
                    "if all layers are alike and γ is one, nothing changes",
                    equal_layers,
                    "Each task's shares sum to one over the layers: a mix of equals is the same again.",
                    "Print the sum of your shares for each task.",
                ),
                Case(
                    "large weights do not overflow",
                    large_s,
                    "exp(120) is beyond float32. The softmax of torch takes care of that.",
                    "Print `torch.tensor(120.0).exp()`.",
                ),
            ),
            (
                Misconception(
                    "wrong-axis",
                    "The softmax runs over the tasks",
                    mix_variant(lambda s, g: s.softmax(0)),
                    "The tasks compete for a layer. Each task should divide its mix over the layers.",
                    "Print `shares.sum(dim=0)` and `shares.sum(dim=1)`.",
                ),
                Misconception(
                    "no-softmax",
                    "The weights are used as they are",
                    mix_variant(lambda s, g: s),
                    "They may be negative and sum to anything.",
                    "Print the sum of the weights of one task.",
                ),
                Misconception(
                    "only-divided",
                    "The weights are divided by their sum, with no exponential",
                    mix_variant(lambda s, g: s / s.sum(1, keepdim=True)),
                    "A negative weight stays negative, and a sum near zero blows up.",
                    "Try s = (1, −1).",
                ),
                Misconception(
                    "not-normalised",
                    "The exponentials are not divided by their sum",
                    mix_variant(lambda s, g: s.exp()),
                    "The softmax has a denominator.",
                    "Print the sum of your shares.",
                ),
                Misconception(
                    "overflow",
                    "The exponential overflows",
                    mix_variant(lambda s, g: s.exp() / s.exp().sum(1, keepdim=True)),
                    "Ordinary weights come out right; large ones give infinite by infinite.",
                    "Which function of torch does this safely?",
                ),
                Misconception(
                    "no-gamma",
                    "The scale γ is missing",
                    mix_variant(lambda s, g: s.softmax(1), scale=False),
                    "Shares sum to one, so without γ the mix cannot be longer than its layers.",
                    "Call it with γ = 0. What should come out?",
                ),
                Misconception(
                    "gamma-inside",
                    "γ stands inside the softmax",
                    mix_variant(lambda s, g: (g[:, None] * s).softmax(1), scale=False),
                    "There it makes the choice of layers sharper; it should scale the result.",
                    "Call it with γ = 0. What should come out?",
                ),
                Misconception(
                    "plain-mean",
                    "All layers count alike",
                    mix_variant(lambda s, g: torch.full_like(s, 1 / s.shape[1])),
                    "s takes no part.",
                    "Change s and see whether the result moves.",
                ),
            ),
        ),
    ),
    (
        "Three steps: shares from s, weighted sum over the layers, scale by γ.",
        "The shares are (K, L), the layers (L, B, T, d): the layer is the axis they have in common.",
        '`torch.einsum("kl,lbtd->kbtd", shares, layers)`, with the softmax over dim 1, and γ with three new '
        "axes behind.",
    ),
    ("course_lib.models.elmo.LayerMix",),
)
