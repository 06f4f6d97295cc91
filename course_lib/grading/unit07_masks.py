"""Unit 07: one network, three more masks: prefix, permutation, banded."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task


def table(T: int, allowed: Callable[[int, int], bool]) -> Tensor:
    """The mask in which query i may look at key j when `allowed(i, j)`."""
    return torch.tensor([[bool(allowed(i, j)) for j in range(T)] for i in range(T)])


# ---- prefix ----


def length_and_prefix(generator: Generator) -> tuple[int, int]:
    return whole(generator, 7, 9), whole(generator, 3, 4)


def prefix_like(allowed: Callable[[int, int, int], bool]) -> Callable[[int, int], Tensor]:
    return lambda T, prefix: table(T, lambda i, j: allowed(i, j, prefix))


def no_answer_ahead(got: Tensor, T: int, prefix: int) -> str | None:
    ahead = int(got.triu(1)[:, prefix:].sum())
    return f"{ahead} looks at later tokens of the answer are allowed" if ahead else None


PREFIX = Part(
    "prefix_mask",
    prefix_like(lambda i, j, prefix: j <= i or j < prefix),
    ("boolean mask (T, T)",),
    (
        Case(
            "nobody sees an answer that is not written yet",
            length_and_prefix,
            "What comes after the prefix is written token by token: it is seen by later tokens only.",
            "Print `prefix_mask(5, 2).int()` and read the first row aloud.",
            judge=no_answer_ahead,
        ),
        Case(
            "right for every entry",
            length_and_prefix,
            "The prefix is there from the start, so its tokens see each other both ways, and everybody sees "
            "them.",
            "Print `prefix_mask(5, 2).int()`: which columns are all ones?",
            worth=2,
        ),
        Case(
            "without a prefix it is the causal mask",
            lambda generator: (whole(generator, 4, 6), 0),
            "GPT is the special case of a prefix of 0.",
            "Print `prefix_mask(4, 0).int()`.",
        ),
    ),
    (
        Misconception(
            "prefix-causal",
            "The prefix is causal, too",
            prefix_like(lambda i, j, prefix: j <= i),
            "This is GPT's mask. A prefix that is given anyway may be read both ways, as in an encoder.",
            "May token 0 look at token 1 of the prefix?",
        ),
        Misconception(
            "prefix-sees-all",
            "The prefix sees the answer",
            prefix_like(lambda i, j, prefix: j <= i or i < prefix),
            "Rows and columns are mixed up: whole rows are True. The columns of the prefix are what all "
            "may see.",
            "Print the first row: how far does it reach?",
        ),
        Misconception(
            "prefix-one-too-long",
            "The prefix is one too long",
            prefix_like(lambda i, j, prefix: j <= i or j <= prefix),
            "Positions count from 0: a prefix of 3 is 0, 1, 2. Here the first token of the answer is given "
            "away.",
            "How many columns of `prefix_mask(5, 2)` are all ones?",
        ),
        Misconception(
            "prefix-one-too-short",
            "The prefix is one too short",
            prefix_like(lambda i, j, prefix: j <= i or j < prefix - 1),
            "Positions count from 0: a prefix of 3 is 0, 1, 2.",
            "How many columns of `prefix_mask(5, 2)` are all ones?",
        ),
        Misconception(
            "prefix-apart",
            "The answer does not see the prefix",
            prefix_like(lambda i, j, prefix: j < prefix if i < prefix else prefix <= j <= i),
            "Two separate texts. The answer is to be written with the prefix in view.",
            "Print the last row: which columns does it see?",
        ),
    ),
)

# ---- permutation ----


def any_order(include_self: bool) -> Callable[[Generator], tuple[list[int], bool]]:
    """An order that is not its own inverse, so that order and rank are told apart."""

    def make(generator: Generator) -> tuple[list[int], bool]:
        while True:
            order = torch.randperm(whole(generator, 5, 7), generator=generator)
            if not torch.equal(order, order.argsort()):
                return order.tolist(), include_self

    return make


def permutation_like(
    allowed: Callable[[int, int], bool] = lambda one, other: other < one,
    rank: Callable[[list[int]], list[int]] = lambda order: [order.index(i) for i in range(len(order))],
    own: Callable[[bool], bool] = lambda include_self: include_self,
) -> Callable[[list[int], bool], Tensor]:
    def mask(order: list[int], include_self: bool) -> Tensor:
        turn = rank(order)
        return table(len(order), lambda i, j: own(include_self) if i == j else allowed(turn[i], turn[j]))

    return mask


def diagonal(got: Tensor, order: list[int], include_self: bool) -> str | None:
    seen = int(got.diagonal().sum())
    return None if seen == len(order) * include_self else f"{seen} of {len(order)} positions see themselves"


PERMUTATION = Part(
    "permutation_mask",
    permutation_like(),
    ("boolean mask (T, T)",),
    (
        Case(
            "right when a position sees itself",
            any_order(True),
            "Position i may look at position j when j has its turn before i. `order[k]` is the position "
            "with turn k; the mask needs the turn of each position.",
            "Take order [2, 0, 1]: position 2 comes first. Which row has a single True?",
            worth=2,
        ),
        Case(
            "right when it does not",
            any_order(False),
            "The query stream predicts a token, so it must not see that token.",
            "Take order [2, 0, 1]: which row has no True at all?",
        ),
        Case(
            "oneself is seen in the one stream and not in the other",
            any_order(False),
            "The content stream knows its own token, the query stream is to guess it.",
            "Print the diagonal for both values of `include_self`.",
            judge=diagonal,
        ),
    ),
    (
        Misconception(
            "reading-order",
            "The order is ignored",
            permutation_like(rank=lambda order: list(range(len(order)))),
            "This is the plain causal mask: left to right.",
            "Change the order: does the mask change?",
        ),
        Misconception(
            "order-for-rank",
            "The order is taken for the turns",
            permutation_like(rank=lambda order: order),
            "`order[k]` says who has turn k. What is compared is the other way round: the turn of position "
            "i, that is `argsort` of the order.",
            "Take order [2, 0, 1]. Which turn has position 2, and what is order[2]?",
        ),
        Misconception(
            "later-ones-seen",
            "Everybody sees those that come later",
            permutation_like(allowed=lambda one, other: other > one),
            "The comparison is the wrong way round: rows are those who look.",
            "The first in the order has seen nothing yet: how many True has its row?",
        ),
        Misconception(
            "always-oneself",
            "The query stream sees its own token",
            permutation_like(own=lambda include_self: True),
            "Then the answer is in plain sight and nothing is learned.",
            "Print the diagonal for `include_self=False`.",
        ),
        Misconception(
            "never-oneself",
            "Nobody sees itself",
            permutation_like(own=lambda include_self: False),
            "The content stream may: it hands its token on to later ones.",
            "Print the diagonal for `include_self=True`.",
        ),
        Misconception(
            "flag-inverted",
            "`include_self` is read the wrong way round",
            permutation_like(own=lambda include_self: not include_self),
            "True is where attention is allowed.",
            "Print the diagonal for both values of `include_self`.",
        ),
    ),
)

# ---- banded layers ----


def layers(generator: Generator) -> tuple[int, int, int]:
    T, n_layers = whole(generator, 7, 9), whole(generator, 4, 5)
    return n_layers, T, whole(generator, 2, 3)


def layers_like(
    band: Callable[[int, int, int], bool] = lambda i, j, width: i - width < j <= i,
    banded: Callable[[int], bool] = lambda layer: layer % 2 == 1,
) -> Callable[[int, int, int], Tensor]:
    def masks(n_layers: int, T: int, width: int) -> Tensor:
        one = [
            table(T, (lambda i, j: band(i, j, width)) if banded(layer) else (lambda i, j: j <= i))
            for layer in range(n_layers)
        ]
        return torch.stack(one)

    return masks


def no_future(got: Tensor, *_: int) -> str | None:
    ahead = int(got.triu(1).sum())
    return f"{ahead} entries allow a look at a later key" if ahead else None


LAYERS = Part(
    "layer_masks",
    layers_like(),
    ("boolean masks (n_layers, T, T)",),
    (
        Case(
            "no layer sees the future",
            layers,
            "A band is a causal mask with a short memory.",
            "Print `layer_masks(2, 5, 2).int()`.",
            judge=no_future,
        ),
        Case(
            "right for every layer",
            layers,
            "Layers 0, 2, 4, … see all of the past, layers 1, 3, 5, … only the last `width` positions, "
            "oneself included.",
            "Sum the last row of each layer's mask.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "band-one-too-wide",
            "The band is one too wide",
            layers_like(lambda i, j, width: i - width <= j <= i),
            "`width` positions in all, oneself included: `width − 1` before it.",
            "Sum the last row of layer 1.",
        ),
        Misconception(
            "band-one-too-narrow",
            "The band is one too narrow",
            layers_like(lambda i, j, width: i - width + 1 < j <= i),
            "`width` positions in all, oneself included; with a width of 1 one would see nothing.",
            "Sum the last row of layer 1.",
        ),
        Misconception(
            "band-looks-ahead",
            "The band looks ahead",
            layers_like(lambda i, j, width: abs(i - j) < width),
            "It lies on both sides of the diagonal. In a decoder only the past is known.",
            "Print the first row of layer 1.",
        ),
        Misconception(
            "all-layers-banded",
            "All layers are banded",
            layers_like(banded=lambda layer: True),
            "GPT-3 alternates: every second layer sees everything, so that far tokens are one step away.",
            "Print the sum of each layer's mask.",
        ),
        Misconception(
            "first-layer-banded",
            "The wrong half of the layers is banded",
            layers_like(banded=lambda layer: layer % 2 == 0),
            "The task begins with a layer that sees everything: layer 0.",
            "Print the sum of each layer's mask.",
        ),
        Misconception(
            "no-layer-banded",
            "No layer is banded",
            layers_like(banded=lambda layer: False),
            "This is GPT-2: every layer sees all of the past.",
            "Print the sum of each layer's mask.",
        ),
    ),
)

MASKS = Task(
    (PREFIX, PERMUTATION, LAYERS),
    (
        "Write each rule first: query i may look at key j when … Then compare a column of i with a row of j.",
        "With `i = torch.arange(T)[:, None]` and `j = torch.arange(T)`: prefix is `j <= i` or `j < prefix`. "
        "For a permutation compare turns, not positions: `torch.tensor(order).argsort()`.",
        "Permutation: `turn[:, None] >= turn`, or `>` without oneself. Layers: a list of masks, "
        "`(j <= i) & (i - j < width)` in the odd ones, and `torch.stack`.",
    ),
    (
        "course_lib.attention.causal_mask",
        "course_lib.attention.prefix_mask",
        "course_lib.attention.permutation_mask",
        "course_lib.attention.banded_mask",
    ),
)
