"""Unit 07: perplexity over batches of uneven length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.compare import is_tensor
from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part

Batch = tuple[Tensor, Tensor]  # logits (B, T, V), ids (B, T)


def number(answer: Callable, *arguments: Any) -> Any:
    """What the answer returns; a tensor of one number is as good as the number."""
    got = answer(*arguments)
    return got.item() if is_tensor(got) and got.numel() == 1 else got


def padded(generator: Generator, lengths: list[int], V: int, pad_id: int, spread: float) -> Batch:
    """One batch of texts of these lengths, padded at the right."""
    B, T = len(lengths), max(lengths)
    ids = torch.randint(8, V, (B, T), generator=generator)
    ids[0, 0] = 0  # 0 is an ordinary token here
    ids[0, 1] = 0
    for row, length in enumerate(lengths):
        ids[row, length:] = pad_id
    return spread * normal(generator, B, T, V), ids


def uneven(generator: Generator) -> tuple[list[Batch], int]:
    """A large easy batch, and a small one that is hard and mostly padding."""
    V, pad_id = whole(generator, 12, 16), whole(generator, 3, 7)
    easy = padded(generator, [9, 8, 9, 7], V, pad_id, 1.0)
    b, t = (easy[1][:, 1:] != pad_id).nonzero(as_tuple=True)
    easy[0][b, t, easy[1][b, t + 1]] += 3
    return [easy, padded(generator, [6, 3], V, pad_id, 2.0)], pad_id


def one_text(generator: Generator) -> tuple[list[Batch], int]:
    V, pad_id = whole(generator, 12, 16), whole(generator, 3, 7)
    return [padded(generator, [whole(generator, 6, 9)], V, pad_id, 1.0)], pad_id


def one_batch(generator: Generator) -> tuple[list[Batch], int]:
    V, pad_id = whole(generator, 12, 16), whole(generator, 3, 7)
    return [padded(generator, [7, 3, 5], V, pad_id, 2.0)], pad_id


def all_alike(generator: Generator) -> tuple[list[Batch], int]:
    """Every token has the same probability."""
    V, pad_id = whole(generator, 12, 16), whole(generator, 3, 7)
    logits, ids = padded(generator, [6, 4, 3], V, pad_id, 1.0)
    return [(torch.zeros_like(logits), ids)], pad_id


def more_padding(answer: Callable, batches: list[Batch], pad_id: int) -> tuple[float, float, float]:
    """The answer as it is, with two more columns of padding, and of a model that is half as sure."""
    wider = [(F.pad(logits, (0, 0, 0, 2)), F.pad(ids, (0, 2), value=pad_id)) for logits, ids in batches]
    unsure = [(logits / 2, ids) for logits, ids in batches]
    return tuple(number(answer, given, pad_id) for given in (batches, wider, unsure))


def padding_is_nothing(got: tuple[float, float, float], *_: object) -> str | None:
    if math.isclose(got[0], got[2], rel_tol=1e-6):
        return f"{got[0]:.4g}, whatever the logits are"
    same = math.isclose(got[0], got[1], rel_tol=1e-4)
    return None if same else f"{got[0]:.4g} as it is, {got[1]:.4g} with two more columns of padding"


def over_tokens(groups: list[list[Tensor]]) -> float:
    return float(torch.cat([row for group in groups for row in group]).mean())


def over_texts(groups: list[list[Tensor]]) -> float:
    rows = [float(row.mean()) for group in groups for row in group]
    return sum(rows) / len(rows)


def over_batches(groups: list[list[Tensor]], power: Callable[[float], float] = float) -> float:
    means = [power(float(torch.cat(group).mean())) for group in groups]
    return sum(means) / len(means)


def with_first_tokens(groups: list[list[Tensor]]) -> float:
    rows = [row for group in groups for row in group]
    return float(torch.cat(rows).sum()) / sum(len(row) + 1 for row in rows)


def ppl_like(
    shift: int = 1,
    real: Callable[[Tensor, int], Tensor] = lambda ids, pad_id: ids != pad_id,
    pooled: Callable[[list[list[Tensor]]], float] = over_tokens,
    power: Callable[[float], float] = math.exp,
) -> Callable[[list[Batch], int], float]:
    """`pooled` gets, for each batch, the nats of each text's tokens."""

    def perplexity(batches: list[Batch], pad_id: int) -> float:
        groups = []
        for logits, ids in batches:
            B, T = ids.shape
            log_p = logits.double().log_softmax(-1)[:, : T - shift]
            wanted = ids[:, shift:]
            nats = -log_p.gather(-1, wanted[..., None])[..., 0]
            kept = real(wanted, pad_id)
            groups.append([nats[b][kept[b]] for b in range(B)])
        return power(pooled(groups))

    return perplexity


def perplexity_reference(batches: list[Batch], pad_id: int) -> float:
    total, n_tokens = 0.0, 0
    for logits, ids in batches:
        wanted = ids[:, 1:]
        scores = logits[:, :-1].double().flatten(0, 1)
        total += float(F.cross_entropy(scores, wanted.flatten(), ignore_index=pad_id, reduction="sum"))
        n_tokens += int((wanted != pad_id).sum())
    return math.exp(total / n_tokens)


PERPLEXITY = Part(
    "perplexity",
    perplexity_reference,
    ("the perplexity",),
    (
        Case(
            "right for one text",
            one_text,
            "The logits at position t are about the token at t + 1. The mean of minus the log-probability, "
            "then exp.",
            "Take a text of two tokens: there is a single probability, and the perplexity is 1 over it.",
        ),
        Case(
            "as many choices as there are tokens, when all are alike",
            all_alike,
            "Perplexity is the number of equally likely tokens that would be as hard to guess.",
            "Give it logits of zeros: the answer should be V.",
        ),
        Case(
            "padding changes nothing",
            one_batch,
            "Padding is no text: it belongs neither in the sum nor in the count.",
            "Append a column of padding to a batch: does the result move?",
            judge=padding_is_nothing,
            call=more_padding,
            names=("perplexity", "perplexity with more padding", "perplexity of other logits"),
        ),
        Case(
            "right for batches of uneven length",
            uneven,
            "Add up all nats and all tokens first. Divide once, at the end.",
            "Count the scored tokens of each batch. Does a token weigh the same in both?",
            worth=2,
        ),
    ),
    (
        Misconception(
            "mean-of-batches",
            "A mean over batches of means",
            ppl_like(pooled=over_batches),
            "A token in a small batch weighs more than one in a large batch, so the result depends on how "
            "the text was cut.",
            "Put all texts into one batch: the result should be the same.",
        ),
        Misconception(
            "mean-of-perplexities",
            "A mean of perplexities",
            ppl_like(pooled=lambda groups: over_batches(groups, math.exp), power=float),
            "exp comes last, once. A mean of exponentials is larger than the exponential of the mean.",
            "Where do you call exp: inside the loop or behind it?",
        ),
        Misconception(
            "mean-of-texts",
            "A mean over texts of means",
            ppl_like(pooled=over_texts),
            "A token in a short text weighs more than one in a long text.",
            "Use one text of nine tokens and one of three.",
        ),
        Misconception(
            "padding-counted",
            "Padding is scored",
            ppl_like(real=lambda ids, pad_id: ids >= 0),
            "What fills up a batch is no text.",
            "Print how many tokens you divide by, and count the real ones.",
        ),
        Misconception(
            "padding-taken-for-zero",
            "The padding is taken to be id 0",
            ppl_like(real=lambda ids, pad_id: ids != 0),
            "Id 0 is an ordinary token here (in GPT-2 it is the exclamation mark); `pad_id` says what fills "
            "up.",
            "Print `pad_id` and one padded row.",
        ),
        Misconception(
            "two-to-the-nats",
            "2 is raised to nats",
            ppl_like(power=lambda mean: 2**mean),
            "log_softmax gives nats, so the way back is exp. 2 ** … belongs to bits.",
            "Give it logits of zeros: the answer should be V.",
        ),
        Misconception(
            "not-shifted",
            "A token is looked up at its own position",
            ppl_like(shift=0),
            "The model has read the token at t when it writes the logits at t. They are about t + 1.",
            "Write ids and the ids you look up below each other.",
        ),
        Misconception(
            "shifted-twice",
            "The targets are shifted twice",
            ppl_like(shift=2),
            "The logits at t are about t + 1, not t + 2.",
            "Write ids and the ids you look up below each other.",
        ),
        Misconception(
            "first-token-in-the-count",
            "The first tokens are counted, but not scored",
            ppl_like(pooled=with_first_tokens),
            "Nothing predicts the first token of a text, so it is in no sum and in no count.",
            "Print how many tokens you divide by, and how many nats you add.",
        ),
        Misconception(
            "no-exponential",
            "This is the loss, not its exponential",
            ppl_like(power=float),
            "The mean in nats is the loss. Perplexity is exp of it.",
            "Give it logits of zeros: the answer should be V.",
        ),
        Misconception(
            "sign-lost",
            "The sign is lost",
            ppl_like(power=lambda mean: math.exp(-mean)),
            "This is the (geometric) mean probability of a token; perplexity is 1 over it.",
            "Can a perplexity be below 1?",
        ),
    ),
    call=number,
)
