"""Unit 09: what the decoder reads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

EOS = 2


def column(labels: Tensor, number: int) -> Tensor:
    """A first column (B, 1) of one number."""
    return torch.full_like(labels[:, :1], number)


def shift_like(
    first: Callable[[Tensor, int, int], Tensor] = lambda labels, start, pad: column(labels, start),
    rest: Callable[[Tensor], Tensor] = lambda labels: labels[:, :-1],
    fill: Callable[[int], int] = lambda pad: pad,
) -> Callable[..., Tensor]:
    """`first`: what stands in front of `rest`; `fill`: the pad id -> what stands in place of -100."""

    def shift(labels: Tensor, start_id: int, pad_id: int) -> Tensor:
        shifted = torch.cat([first(labels, start_id, pad_id), rest(labels)], dim=1)
        return shifted.masked_fill(shifted == -100, fill(pad_id))

    return shift


def nothing(labels: Tensor, start_id: int, pad_id: int) -> Tensor:
    return labels[:, :0]


def labels_of(padded: bool) -> Callable[[Generator], tuple]:
    """Labels (B, T) of different lengths, each ended by eos and filled up with -100; start and pad ids."""

    def make(generator: Generator) -> tuple:
        B, T = whole(generator, 2, 4), whole(generator, 6, 8)
        labels = torch.randint(10, 99, (B, T), generator=generator)
        lengths = [T - 2 - i % 2 if padded and i else T for i in range(B)]
        for row, n in zip(labels, lengths):
            row[n - 1], row[n:] = EOS, -100
        return labels, whole(generator, 3, 5), whole(generator, 6, 9)

    return make


SHIFT = Task(
    (
        Part(
            "shift_right",
            shift_like(),
            ("what the decoder reads (B, T)",),
            (
                Case(
                    "begins with the start token, then the labels one place later",
                    labels_of(padded=False),
                    "At place t the decoder has read all labels before t, and predicts label t.",
                    "Write labels and answer below each other: under each label stands the one before it.",
                    worth=2,
                ),
                Case(
                    "-100 becomes padding",
                    labels_of(padded=True),
                    "-100 is no token: an embedding has no row for it. pad_id has one.",
                    "Print the labels and your answer, and look at the ends of the shorter rows.",
                ),
            ),
            (
                Misconception(
                    "not-shifted",
                    "The labels are not shifted",
                    shift_like(nothing, lambda labels: labels),
                    "Then the decoder reads at place t what it is to predict there. Training looks perfect, "
                    "and it can write nothing.",
                    "Compare the first column with start_id.",
                ),
                Misconception(
                    "rolled-round",
                    "The last label comes round to the front",
                    shift_like(lambda labels, start, pad: labels[:, -1:]),
                    "The first place has to be the start token; the last label is predicted and never read.",
                    "Print the first column.",
                ),
                Misconception(
                    "one-too-long",
                    "The last label is read, too",
                    shift_like(rest=lambda labels: labels),
                    "T labels are predicted from T tokens that are read. After the last label nothing is "
                    "predicted, so nobody reads it.",
                    "Compare the shapes of labels and answer.",
                ),
                Misconception(
                    "first-overwritten",
                    "The start token takes the place of the first label",
                    shift_like(rest=lambda labels: labels[:, 1:]),
                    "From the second place on the decoder reads just what it is to predict; and the first "
                    "label is never read.",
                    "Is the first label anywhere in your answer?",
                ),
                Misconception(
                    "shifted-left",
                    "The labels are shifted to the left",
                    shift_like(lambda labels, start, pad: labels[:, 1:], lambda labels: labels[:, -1:]),
                    "Then the decoder reads what comes after.",
                    "What has a decoder read before it wrote its first word?",
                ),
                Misconception(
                    "shifted-twice",
                    "The labels are shifted twice",
                    shift_like(
                        lambda labels, start, pad: column(labels, start).expand(-1, 2),
                        lambda labels: labels[:, :-2],
                    ),
                    "Then at place t the newest label it has read is t - 2: it learns to skip a word.",
                    "Which label is predicted from the start token alone, and which one place later?",
                ),
                Misconception(
                    "padding-in-front",
                    "The decoder begins with padding",
                    shift_like(lambda labels, start, pad: column(labels, pad)),
                    "T5 does so: there the two are one token. BART has a start token of its own.",
                    "Compare the first column with start_id.",
                ),
                Misconception(
                    "minus-100-stays",
                    "-100 stays in what is read",
                    shift_like(fill=lambda pad: -100),
                    "-100 means not scored; the model cannot look it up.",
                    "Give your answer to `torch.nn.Embedding(100, 4)`.",
                ),
                Misconception(
                    "zero-for-padding",
                    "-100 becomes 0, whatever the padding is",
                    shift_like(fill=lambda pad: 0),
                    "Padding is 0 in some vocabularies only (in BART's it is 1). Here it is pad_id.",
                    "Is pad_id used anywhere in your function?",
                ),
            ),
        ),
    ),
    (
        "What has the decoder read before it predicts the first label?",
        "A column of start_id in front, the last column of labels left out, then pad_id where it is -100.",
        "`torch.cat([torch.full_like(labels[:, :1], start_id), labels[:, :-1]], dim=1)`, then `masked_fill`.",
    ),
    ("course_lib.models.encoder_decoder.shift_right",),
)
