"""Unit 04: pack two sentences into a row; add up the three embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.compare import structure, values
from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

PACKED = ("ids (length,)", "segments (length,)", "mask (length,)")
Row = tuple[Tensor, Tensor, Tensor]


def pack_reference(a: list[int], b: list[int], cls_id: int, sep_id: int, pad_id: int, length: int) -> Row:
    """Position by position: what stands here is known from the two lengths."""
    ids = torch.full((length,), pad_id)
    end_a, end_b = 1 + len(a), 2 + len(a) + len(b)
    place = torch.arange(length)
    ids[0] = cls_id
    ids[1:end_a] = torch.tensor(a)
    ids[end_a] = ids[end_b] = sep_id
    ids[end_a + 1 : end_b] = torch.tensor(b)
    return ids, ((place > end_a) & (place <= end_b)).long(), place <= end_b


def packed(
    parts: Callable[..., tuple[list[int], list[int]]] = lambda a, b, c, s: (
        [c, *a, s, *b, s],
        [0] * (len(a) + 2) + [1] * (len(b) + 1),
    ),
    pad_segment: int = 0,
    keep: Callable[[Tensor, Row], Tensor] = lambda mask, row: mask,
    left: bool = False,
) -> Callable[..., Row]:
    """The row with one rule replaced."""

    def pack(a: list[int], b: list[int], cls_id: int, sep_id: int, pad_id: int, length: int) -> Row:
        ids, segments = parts(list(a), list(b), cls_id, sep_id)
        fill = length - len(ids)
        rows = [(ids, pad_id), (segments, pad_segment), ([True] * len(ids), False)]
        made = [torch.tensor([value] * fill + row if left else row + [value] * fill) for row, value in rows]
        special = (made[0] != cls_id) & (made[0] != sep_id)
        return made[0], made[1], keep(made[2], special)

    return pack


def two_sentences(generator: Generator, padding: int) -> tuple:
    n, m = sizes(generator, 2, 3, 8)
    ids = (torch.randperm(900, generator=generator) + 100).tolist()
    row = ids[:n], ids[n : n + m], ids[-1], ids[-2], ids[-3]
    return *row, n + m + 3 + padding


def padded(generator: Generator) -> tuple:
    return two_sentences(generator, whole(generator, 2, 6))


def full(generator: Generator) -> tuple:
    return two_sentences(generator, 0)


def only(index: int) -> Callable[..., str | None]:
    """Judge one of the three values."""

    def judge(got: Row, *inputs: Any) -> str | None:
        want = pack_reference(*inputs)[index]
        wrong = structure(got[index], want, (PACKED[index],)) or values(got[index], want)
        return f"{PACKED[index].partition(' (')[0]}: {wrong}" if wrong else None

    return judge


SEP_IDEA = (
    "A [SEP] ends the sentence before it and belongs to it: segment 0 up to and including the first [SEP], "
    "segment 1 from then on to the last."
)
PAIR = Task(
    (
        Part(
            "pack",
            pack_reference,
            PACKED,
            (
                Case(
                    "the ids are right",
                    padded,
                    "[CLS] first [SEP] second [SEP], then padding: one [CLS], two [SEP].",
                    "Print `ids` for a = [11, 12], b = [21] and length 8, and read it aloud.",
                    judge=only(0),
                    worth=2,
                ),
                Case(
                    "the segments are right",
                    padded,
                    SEP_IDEA,
                    "Print `ids` and `segments` one above the other.",
                    judge=only(1),
                    worth=2,
                ),
                Case(
                    "the mask is right",
                    padded,
                    "True means: this is a token, look at it. [CLS] and [SEP] are tokens; padding is not.",
                    "Print `ids` and `mask` one above the other.",
                    judge=only(2),
                ),
                Case(
                    "right when nothing is left to pad",
                    full,
                    "A row that is full has no padding and a mask of True.",
                    "Call it with length = len(a) + len(b) + 3.",
                ),
            ),
            (
                Misconception(
                    "segments-off-by-one",
                    "The first [SEP] is counted to the second sentence",
                    packed(lambda a, b, c, s: ([c, *a, s, *b, s], [0] * (len(a) + 1) + [1] * (len(b) + 2))),
                    "The segments change one place too early. " + SEP_IDEA,
                    "Print the token beside the first 1 in `segments`.",
                ),
                Misconception(
                    "all-one-segment",
                    "All tokens are in segment 0",
                    packed(lambda a, b, c, s: ([c, *a, s, *b, s], [0] * (len(a) + len(b) + 3))),
                    "Then the model cannot tell the two sentences apart, except by [SEP].",
                    "Print `segments`: which tokens should be 1?",
                ),
                Misconception(
                    "last-sep-forgotten",
                    "The second sentence has no [SEP]",
                    packed(lambda a, b, c, s: ([c, *a, s, *b], [0] * (len(a) + 2) + [1] * len(b))),
                    "[SEP] does not stand between the sentences; it ends each of them.",
                    "Count the [SEP] in your row.",
                ),
                Misconception(
                    "no-sep-between",
                    "Nothing stands between the sentences",
                    packed(lambda a, b, c, s: ([c, *a, *b, s], [0] * (len(a) + 1) + [1] * (len(b) + 1))),
                    "The first sentence is not ended.",
                    "Count the [SEP] in your row.",
                ),
                Misconception(
                    "second-cls",
                    "The second sentence has a [CLS] of its own",
                    packed(
                        lambda a, b, c, s: ([c, *a, s, c, *b, s], [0] * (len(a) + 2) + [1] * (len(b) + 2)),
                    ),
                    "There is one [CLS] a row: one vector for the whole pair.",
                    "Encode each sentence without special tokens first, then put the row together.",
                ),
                Misconception(
                    "padding-in-the-second",
                    "Padding is counted to the second sentence",
                    packed(pad_segment=1),
                    "Here, as in BERT's code, padding has segment 0. (The mask hides it, so it would do "
                    "no harm; "
                    "but the rows must be equal to be compared.)",
                    "Print the end of `segments`.",
                ),
                Misconception(
                    "mask-inverted",
                    "The mask is True on padding",
                    packed(keep=lambda mask, special: ~mask),
                    "True means allowed: tokens are looked at, padding is not.",
                    "Print `mask` beside `ids`.",
                ),
                Misconception(
                    "mask-without-markers",
                    "[CLS] and [SEP] are masked like padding",
                    packed(keep=lambda mask, special: mask & special),
                    "They are tokens, and [CLS] is the one whose vector is used most.",
                    "Print `mask` beside `ids`.",
                ),
                Misconception(
                    "padded-on-the-left",
                    "The padding stands in front",
                    packed(left=True),
                    "BERT pads on the right: [CLS] is always at position 0, where its vector is read.",
                    "Print `ids[0]`.",
                ),
            ),
        ),
    ),
    (
        "Write the row for a = [11, 12] and b = [21] on paper, with the segment and the mask below each "
        "token.",
        "Segment 0 covers [CLS], the first sentence and its [SEP]: that is two more than the sentence. "
        "Segment 1 "
        "covers the second sentence and its [SEP].",
        "Build three Python lists of the same length, add length − len(ids) times the padding value to each "
        "(pad_id, 0, False), and make tensors of them.",
    ),
    ("course_lib.tokenization.WordPiece",),
)

# ---- the three embeddings ----


def embed_reference(
    ids: Tensor,
    segments: Tensor,
    token: Tensor,
    segment: Tensor,
    position: Tensor,
    gain: Tensor,
    bias: Tensor,
    eps: float,
) -> Tensor:
    """One product of three-hot rows with the stacked tables; the norm by hand."""
    hot = [
        F.one_hot(ids, len(token)),
        F.one_hot(segments, len(segment)),
        F.one_hot(torch.arange(ids.shape[1]), len(position)).expand(*ids.shape, -1),
    ]
    x = torch.cat(hot, dim=-1).to(token.dtype) @ torch.cat([token, segment, position])
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() + bias


def summed(
    add: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda t, s, p: t + s + p,
    norm: Callable[..., Tensor] = lambda x, gain, bias, eps: F.layer_norm(x, x.shape[-1:], gain, bias, eps),
    first: int = 0,
) -> Callable[..., Tensor]:
    def embed(ids, segments, token, segment, position, gain, bias, eps):  # type: ignore[no-untyped-def]
        places = position[first : first + ids.shape[1]].expand(*ids.shape, -1)
        return norm(add(token[ids], segment[segments], places), gain, bias, eps)

    return embed


def all_positions(ids, segments, token, segment, position, gain, bias, eps):  # type: ignore[no-untyped-def]
    x = token[ids] + segment[segments] + position
    return F.layer_norm(x, x.shape[-1:], gain, bias, eps)


def norm_each(ids, segments, token, segment, position, gain, bias, eps):  # type: ignore[no-untyped-def]
    parts = token[ids], segment[segments], position[: ids.shape[1]]
    return sum(F.layer_norm(x, x.shape[-1:], gain, bias, eps) for x in parts)


def norm_by_sample(x: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`var` divides by n − 1 unless told otherwise."""
    return gain * (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + eps).sqrt() + bias


def norm_over_row(x: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
    return gain * F.layer_norm(x, x.shape[-2:], eps=eps) + bias


def tables(generator: Generator) -> tuple:
    B, T, V, d = sizes(generator, 4, 4, 10)
    ids = torch.randint(V, (B, T), generator=generator)
    segments = (torch.arange(T) > whole(generator, 1, T - 2)).long().expand(B, -1).clone()
    eps = whole(generator, 2, 6) / 10
    rows = normal(generator, V, d), normal(generator, 2, d), normal(generator, T + 4, d)
    return ids, segments, *rows, normal(generator, d), normal(generator, d), eps


def segment_zero(generator: Generator) -> tuple:
    ids, segments, *rest = tables(generator)
    return ids, torch.zeros_like(segments), *rest


def one_token(generator: Generator) -> tuple:
    """A row of one and the same token: only position and segment can tell places apart."""
    ids, *rest = tables(generator)
    return torch.full_like(ids, 1), *rest


def swapped(answer: Callable, *inputs: Any) -> tuple[Tensor, Tensor]:
    """The input vectors of a row, and of the row with the order of its tokens reversed, put back in order."""
    ids, *rest = inputs
    straight, turned = answer(ids, *rest), answer(ids.flip(1), *rest)
    if type(straight) is not Tensor or type(turned) is not Tensor or straight.dim() < 2:
        raise Unfit("wanted is a tensor (B, T, d)")
    return straight, turned.flip(1)


def knows_order(got: tuple[Tensor, Tensor], *_: Any) -> str | None:
    return None if values(*got) else "the vectors of the tokens are the same wherever they stand"


EMBED = Task(
    (
        Part(
            "embed",
            embed_reference,
            ("input vectors (B, T, d)",),
            (
                Case(
                    "right for one sentence",
                    segment_zero,
                    "Look up three rows of d numbers, add them number by number, normalise the sum.",
                    "Take d = 2, one token, and small whole numbers in the tables.",
                    worth=2,
                ),
                Case(
                    "right for two sentences",
                    tables,
                    "The segment of each token picks one of two rows.",
                    "Print `segment[segments].shape`: one vector a token.",
                    worth=2,
                ),
                Case(
                    "the same token has another vector at another place",
                    one_token,
                    "Row t of the position table is added to the token at place t, whatever the token.",
                    "Embed a row of one and the same token and compare its vectors.",
                ),
                Case(
                    "the order of the tokens matters",
                    segment_zero,
                    "Without positions, a sentence would be a bag of words.",
                    "Reverse the tokens and see whether each keeps its vector.",
                    judge=knows_order,
                    call=swapped,
                    names=("vectors", "vectors with the tokens turned round"),
                    telling=False,
                ),
            ),
            (
                Misconception(
                    "concatenated",
                    "The three vectors are put side by side",
                    summed(lambda t, s, p: torch.cat([t, s, p], -1), lambda x, gain, bias, eps: x),
                    "BERT adds them: d numbers in, d numbers out. The tables have the same width for "
                    "that reason.",
                    "Print the last size of your result and of `token`.",
                ),
                Misconception(
                    "positions-not-cut",
                    "All rows of the table of positions are added",
                    all_positions,
                    "The table has a row for every place there may be. A text of T tokens needs the first T.",
                    "Print `position.shape` and `ids.shape`.",
                ),
                Misconception(
                    "scaled-by-root",
                    "The token vectors are scaled by √d",
                    summed(lambda t, s, p: t * t.shape[-1] ** 0.5 + s + p),
                    "The Transformer of 2017 did that; BERT does not.",
                    "Write down the formula of the task again and compare it term by term.",
                ),
                Misconception(
                    "no-norm",
                    "The sum is not normalised",
                    summed(norm=lambda x, gain, bias, eps: x),
                    "LayerNorm comes after the sum.",
                    "Which arguments does your function not use?",
                ),
                Misconception(
                    "norm-of-each",
                    "Each part is normalised before the sum",
                    norm_each,
                    "That would make a position as loud as a token. BERT normalises once, the sum.",
                    "How often does your code normalise?",
                ),
                Misconception(
                    "norm-over-the-sentence",
                    "Mean and variance are taken over the whole sentence",
                    summed(norm=norm_over_row),
                    "Each token is normalised by its own d numbers; what its neighbours are does not matter.",
                    "Embed a row, then its first token alone: is the vector the same?",
                ),
                Misconception(
                    "sample-variance",
                    "The variance is divided by d − 1",
                    summed(norm=norm_by_sample),
                    "LayerNorm divides by d. `var` divides by d − 1 unless you say `unbiased=False`.",
                    "Compare with `F.layer_norm` for d = 4.",
                ),
                Misconception(
                    "no-position",
                    "The positions are missing",
                    summed(lambda t, s, p: t + s),
                    "Attention takes a set; the order comes in here or not at all.",
                    "Which arguments does your function not use?",
                ),
                Misconception(
                    "no-segment",
                    "The segments are missing",
                    summed(lambda t, s, p: t + p),
                    "Each token also gets the vector of its sentence, in a row with one sentence as well.",
                    "Which arguments does your function not use?",
                ),
                Misconception(
                    "counted-from-one",
                    "The positions are counted from 1",
                    summed(first=1),
                    "[CLS] stands at position 0 and gets row 0.",
                    "Print which row of `position` the first token gets.",
                ),
                Misconception(
                    "averaged",
                    "The three vectors are averaged",
                    summed(lambda t, s, p: (t + s + p) / 3),
                    "It is a plain sum. (Without eps LayerNorm would hide the difference.)",
                    "Compare `x` before the norm with the sum of three rows by hand.",
                ),
            ),
        ),
    ),
    (
        "Three look-ups, one sum, one LayerNorm. Write the shape of each part as a comment.",
        "`table[indices]` looks up rows. The positions are 0 … T − 1 for every sentence, so the first T "
        "rows of "
        "`position`, which broadcast over the batch.",
        "`F.layer_norm(x, (d,), gain, bias, eps)` normalises the last axis, after the sum.",
    ),
    ("course_lib.embeddings.InputEmbedding",),
)
