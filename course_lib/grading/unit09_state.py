"""Unit 09: which of the decoder's states classifies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

PAD = 0


def state_like(place: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """`place`: ids (B, T) -> for each row which position is read."""

    def state(hidden: Tensor, ids: Tensor, eos_id: int) -> Tensor:
        return hidden[torch.arange(len(ids)), place(ids, eos_id)]

    return state


def last_eos(ids: Tensor, eos_id: int) -> Tensor:
    return torch.tensor([max(i for i, one in enumerate(row) if one == eos_id) for row in ids.tolist()])


def first_eos(ids: Tensor, eos_id: int) -> Tensor:
    return (ids == eos_id).int().argmax(dim=1)


def beside(step: int) -> Callable[[Tensor, int], Tensor]:
    return lambda ids, eos_id: last_eos(ids, eos_id) + step


def last_of_the_batch(ids: Tensor, eos_id: int) -> Tensor:
    """One place for all rows: the last eos in any of them."""
    return last_eos(ids, eos_id).max().expand(len(ids))


def all_places(hidden: Tensor, ids: Tensor, eos_id: int) -> Tensor:
    """Every place from every row (B, B, D)."""
    return hidden[:, last_eos(ids, eos_id)]


def all_eos(hidden: Tensor, ids: Tensor, eos_id: int) -> Tensor:
    """The states of all eos, one below the other: more than there are rows."""
    return hidden[ids == eos_id]


def mean_like(counts: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """`counts`: ids (B, T) -> whether each place takes part in the mean."""

    def mean(hidden: Tensor, ids: Tensor, eos_id: int) -> Tensor:
        weights = counts(ids, eos_id).float()
        return (weights[:, :, None] * hidden).sum(1) / weights.sum(1, keepdim=True)

    return mean


def texts(pairs: bool) -> Callable[[Generator], tuple]:
    """hidden (B, T, D), padded ids; with `pairs` an eos stands between two sentences as well."""

    def make(generator: Generator) -> tuple:
        B, D = sizes(generator, 2, 2, 5)
        T, eos_id = whole(generator, 8, 10), whole(generator, 1, 9)
        ids = torch.randint(10, 99, (B, T), generator=generator)
        for i, row in enumerate(ids):
            n = T - 1 - i % 3
            row[n - 1], row[n:] = eos_id, PAD
            if pairs:
                row[2 + i % 2] = eos_id
        return normal(generator, B, T, D), ids, eos_id

    return make


STATE = Task(
    (
        Part(
            "final_state",
            state_like(last_eos),
            ("one vector a text (B, D)",),
            (
                Case(
                    "one sentence a row, padded",
                    texts(pairs=False),
                    "Rows have different lengths. The last token of the text is its eos, not the last place.",
                    "Print `ids` and mark the place you read.",
                    worth=2,
                ),
                Case(
                    "two sentences a row, each with its eos",
                    texts(pairs=True),
                    "Only the last eos has seen both sentences.",
                    "Where are the eos tokens of a row with two sentences?",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "last-place",
                    "The last place is read, padding or not",
                    state_like(lambda ids, eos_id: torch.full((len(ids),), ids.shape[1] - 1)),
                    "Rows are padded to one length: in most of them, the last place is padding.",
                    "Print `ids[:, -1]`.",
                ),
                Misconception(
                    "first-place",
                    "The first place is read, as in BERT",
                    state_like(lambda ids, eos_id: torch.zeros(len(ids), dtype=torch.long)),
                    "A decoder's first state has seen one token: it is causal.",
                    "What has position 0 of a decoder seen?",
                ),
                Misconception(
                    "first-eos",
                    "The first eos is read, not the last",
                    state_like(first_eos),
                    "With two sentences it has not seen the second.",
                    "Where are the eos tokens of a row with two sentences?",
                ),
                Misconception(
                    "all-places-of-all-rows",
                    "Every place is taken from every row",
                    all_places,
                    "With a colon in front, each of the B places is read in each of the B rows: (B, B, D). "
                    "Each row has to meet its own place.",
                    "Print the shape of your answer. How many vectors does each row get?",
                ),
                Misconception(
                    "all-eos",
                    "The states at all eos are returned",
                    all_eos,
                    "A row with two sentences has two of them, and only the last has seen both.",
                    "Count the eos in each row.",
                ),
                Misconception(
                    "mean-of-all",
                    "The mean of all states is taken, padding included",
                    mean_like(lambda ids, eos_id: ids >= 0),
                    "BART reads one state, the one that has seen all; and padding is no text.",
                    "Change a padded vector of hidden: may the answer move?",
                ),
                Misconception(
                    "mean-of-the-text",
                    "The mean of all states of the text is taken",
                    mean_like(lambda ids, eos_id: ids != PAD),
                    "Padding is left out, but most of these states have seen only a part of the text. One "
                    "has seen all.",
                    "Change the first vector of hidden: may the answer move?",
                ),
                Misconception(
                    "mean-of-eos",
                    "The mean of the states at all eos is taken",
                    mean_like(lambda ids, eos_id: ids == eos_id),
                    "The eos between two sentences has seen the first one only.",
                    "Where are the eos tokens of a row with two sentences?",
                ),
                Misconception(
                    "word-before-eos",
                    "The last word is read, not the eos behind it",
                    state_like(beside(-1)),
                    "The last token of the text is its eos; it has seen that the text is over, too.",
                    "Print the ids at the places you read.",
                ),
                Misconception(
                    "behind-the-eos",
                    "The place behind the last eos is read",
                    state_like(beside(1)),
                    "A text of n tokens ends at place n - 1. Behind it there is padding.",
                    "Print the ids at the places you read.",
                ),
                Misconception(
                    "one-place-for-all",
                    "All rows are read at the same place",
                    state_like(last_of_the_batch),
                    "Each text has its own length, and so a place of its own.",
                    "Print the places: there should be B of them, not all alike.",
                ),
            ),
        ),
    ),
    (
        "In a causal decoder one place of each text has seen all of it. Which?",
        "The last eos of each row. Turn the question round: which eos has no eos behind it?",
        "`place = (ids == eos_id).long() * torch.arange(T)`, its maximum in each row, then "
        "`hidden[torch.arange(B), place]`.",
    ),
)
