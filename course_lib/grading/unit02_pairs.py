"""Unit 02: labels made from the text itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

NOT_SCORED = -100
Pair = tuple[Tensor, Tensor]


def next_reference(ids: Tensor) -> Pair:
    numbers = ids.tolist()
    return torch.tensor(numbers[: len(numbers) - 1]), torch.tensor(numbers[1:])


def hidden_reference(ids: Tensor, chosen: Tensor, mask_id: int) -> Pair:
    pairs = list(zip(ids.tolist(), chosen.tolist(), strict=True))
    inputs = [mask_id if hide else token for token, hide in pairs]
    return torch.tensor(inputs), torch.tensor([token if hide else NOT_SCORED for token, hide in pairs])


def neighbours(
    keep: Callable[[int, int, int], bool] = lambda i, j, window: 0 < abs(i - j) <= window,
    flip: bool = False,
) -> Callable[[Tensor, int], Tensor]:
    """Pairs (centre, context) in reading order for which `keep(i, j, window)` holds."""

    def make(ids: Tensor, window: int) -> Tensor:
        numbers, n = ids.tolist(), len(ids)
        found = [(numbers[i], numbers[j]) for i in range(n) for j in range(n) if keep(i, j, window)]
        return torch.tensor([pair[::-1] if flip else pair for pair in found]).view(-1, 2)

    return make


def some_ids(generator: Generator) -> Tensor:
    """Different ids, so that no pair can be right by chance."""
    n = whole(generator, 7, 10)
    return torch.randperm(40, generator=generator)[:n] + 5


def hidden_inputs(generator: Generator) -> tuple[Tensor, Tensor, int]:
    ids = some_ids(generator)
    chosen = torch.zeros(len(ids), dtype=torch.bool)
    chosen[torch.randperm(len(ids), generator=generator)[: whole(generator, 2, 4)]] = True
    return ids, chosen, whole(generator, 1, 4)


def from_the_text(got: Pair, ids: Tensor) -> str | None:
    """Lengths were compared already; what is in the pair must stand in the text."""
    inputs, labels = got
    strange = ~torch.isin(torch.cat([inputs, labels]), ids)
    return f"{int(strange.sum())} entries do not stand in the text" if strange.any() else None


def only_chosen(got: Pair, ids: Tensor, chosen: Tensor, mask_id: int) -> str | None:
    scored = got[1] != NOT_SCORED
    if torch.equal(scored, chosen):
        return None
    return f"{int(scored.sum())} positions have a label; {int(chosen.sum())} were hidden"


PAIRS = Task(
    (
        Part(
            "next_pair",
            next_reference,
            ("inputs (T - 1,)", "labels (T - 1,)"),
            (
                Case(
                    "inputs and labels have one token fewer than the text",
                    lambda g: (some_ids(g),),
                    "The last token has no next one, and nothing comes before the first.",
                    "Write down the pairs for a text of three tokens.",
                    judge=from_the_text,
                ),
                Case(
                    "each label is the token that follows",
                    lambda g: (some_ids(g),),
                    "At each position the label is the next token of the same text.",
                    "Print inputs and labels one below the other for the ids 1, 2, 3, 4.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "copies-itself",
                    "The label is the input itself",
                    lambda ids: (ids[:-1], ids[:-1]),
                    "Nothing has to be predicted: copying is enough.",
                    "Print inputs and labels one below the other.",
                ),
                Misconception(
                    "predicts-the-past",
                    "The label is the token before",
                    lambda ids: (ids[1:], ids[:-1]),
                    "Shifted the other way: a model trained so would write backwards.",
                    "What is the label of the first token?",
                ),
                Misconception(
                    "labels-shifted-twice",
                    "The labels are shifted twice",
                    lambda ids: (ids[:-1], ids.roll(-2)[:-1]),
                    "The label is the token after the next.",
                    "Print inputs and labels one below the other for the ids 1, 2, 3, 4.",
                ),
                Misconception(
                    "wraps-around",
                    "The text is closed to a ring",
                    lambda ids: (ids, ids.roll(-1)),
                    "`roll` brings the first token back as the label of the last.",
                    "What is the label of the last input?",
                ),
            ),
        ),
        Part(
            "hidden_pair",
            hidden_reference,
            ("inputs (T,)", "labels (T,)"),
            (
                Case(
                    "a label stands just where a token was hidden",
                    hidden_inputs,
                    "What was not hidden can be copied. Scoring it would teach the model to copy.",
                    "Count `(labels != -100).sum()` and `chosen.sum()`.",
                    judge=only_chosen,
                ),
                Case(
                    "inputs and labels are right",
                    hidden_inputs,
                    "The input shows [MASK] where `chosen` is True; the label says what stood there.",
                    "Print ids, inputs and labels one below the other.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "loss-on-unmasked",
                    "Tokens that were not hidden are scored too",
                    lambda ids, chosen, mask_id: (ids.masked_fill(chosen, mask_id), ids),
                    "Every position has a label. Most can be copied from the input.",
                    "Print the labels: how many are -100?",
                ),
                Misconception(
                    "inverted-choice",
                    "What was chosen is shown, the rest is hidden",
                    lambda ids, chosen, mask_id: hidden_reference(ids, ~chosen, mask_id),
                    "`chosen` is True where a token is to be hidden.",
                    "Count the [MASK] in your inputs and `chosen.sum()`.",
                ),
                Misconception(
                    "labels-after-masking",
                    "The labels were taken after the masking",
                    lambda ids, chosen, mask_id: (
                        ids.masked_fill(chosen, mask_id),
                        torch.where(chosen, mask_id, NOT_SCORED),
                    ),
                    "The label of a hidden token is [MASK] itself: the answer is lost.",
                    "Print the labels that are not -100.",
                ),
                Misconception(
                    "label-zero",
                    "Positions that do not count are labelled 0",
                    lambda ids, chosen, mask_id: (
                        ids.masked_fill(chosen, mask_id),
                        ids.masked_fill(~chosen, 0),
                    ),
                    "0 is a token like any other to the cross-entropy; -100 is what it leaves out.",
                    "Look up `ignore_index` of `F.cross_entropy`.",
                ),
            ),
        ),
        Part(
            "neighbour_pairs",
            neighbours(),
            ("pairs (N, 2)",),
            (
                Case(
                    "right for a window of 1 to 3",
                    lambda g: (some_ids(g), whole(g, 2, 3)),
                    "Each word with all words at most `window` places away, left to right.",
                    "Write down the pairs of three tokens with window 1: there are four.",
                    worth=2,
                ),
                Case(
                    "a window wider than the text",
                    lambda g: (some_ids(g)[:4], 6),
                    "At the ends of a text a window is cut off; it does not go round.",
                    "A text of 4 tokens has 4 · 3 pairs at most.",
                ),
            ),
            (
                Misconception(
                    "only-the-right",
                    "Only neighbours on the right",
                    neighbours(lambda i, j, window: 0 < j - i <= window),
                    "A word's neighbours stand on both sides of it.",
                    "Which pairs have the last word as their centre?",
                ),
                Misconception(
                    "with-itself",
                    "Each word is its own neighbour",
                    neighbours(lambda i, j, window: abs(i - j) <= window),
                    "The pair (word, word) is there: predicting it takes no learning.",
                    "Look for pairs of equal ids.",
                ),
                Misconception(
                    "window-too-narrow",
                    "The window is one too narrow",
                    neighbours(lambda i, j, window: 0 < abs(i - j) < window),
                    "A word `window` places away belongs to it.",
                    "Count the pairs for window 1.",
                ),
                Misconception(
                    "centre-and-context-swapped",
                    "Centre and context are exchanged",
                    neighbours(flip=True),
                    "The first column is the centre, and centres come in reading order.",
                    "Print the first column.",
                ),
            ),
        ),
    ),
    (
        "Do it on paper first, with the text 1 2 3 4: write what the model sees and, below, what it "
        "shall say.",
        "next_pair: two slices of the same ids. hidden_pair: one choice for the inputs, one for the labels, "
        "both by `chosen`. neighbour_pairs: two loops over positions and one condition.",
        "`ids[:-1]` leaves out the last. `torch.where(chosen, a, b)` takes a where True. For the pairs, "
        "`range(max(0, i - window), …)` stays inside the text; skip the word itself.",
    ),
)
