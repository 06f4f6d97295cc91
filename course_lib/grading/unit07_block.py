"""Unit 07: where the norm stands: a post-LN block, a pre-LN block, and GPT-2 around the blocks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task

Step = Callable[[Tensor], Tensor]


def norm_of(generator: Generator, D: int) -> Step:
    """A LayerNorm with weights of its own."""
    weight, bias = 1 + 0.5 * normal(generator, D), 0.5 * normal(generator, D)
    return lambda x: F.layer_norm(x, (D,), weight, bias)


def attention_of(generator: Generator, D: int) -> Step:
    """The mean of oneself and what came before, through a matrix."""
    mix = normal(generator, D, D) / D**0.5
    return lambda x: x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None] @ mix


def feed_forward_of(generator: Generator, D: int) -> Step:
    wide, narrow = normal(generator, D, 2 * D) / D**0.5, normal(generator, 2 * D, D) / D**0.5
    return lambda x: F.gelu(x @ wide) @ narrow


def block(attends: bool = True, thinks: bool = True) -> Callable[[Generator], tuple]:
    """x (B, T, D) and the four parts; a part that is switched off adds zeros."""

    def make(generator: Generator) -> tuple:
        B, T, D = sizes(generator, 3, 3, 8)
        attention = attention_of(generator, D) if attends else torch.zeros_like
        feed_forward = feed_forward_of(generator, D) if thinks else torch.zeros_like
        return (
            normal(generator, B, T, D),
            attention,
            feed_forward,
            norm_of(generator, D),
            norm_of(generator, D),
        )

    return make


def both(first: Callable[..., Tensor], second: Callable[..., Tensor] | None = None) -> Callable[..., Tensor]:
    """Two steps of one form, `first(x, part, norm)`; the second may have another."""
    second = second or first
    return lambda x, attention, feed_forward, norm_1, norm_2: second(
        first(x, attention, norm_1), feed_forward, norm_2
    )


def swapped(way: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, attention, feed_forward, norm_1, norm_2: way(
        way(x, attention, norm_2), feed_forward, norm_1
    )


def after(x: Tensor, part: Step, norm: Step) -> Tensor:
    return norm(x + part(x))


def before(x: Tensor, part: Step, norm: Step) -> Tensor:
    return x + part(norm(x))


def of_the_branch(x: Tensor, part: Step, norm: Step) -> Tensor:
    return x + norm(part(x))


def normed_residual(x: Tensor, part: Step, norm: Step) -> Tensor:
    return norm(x) + part(norm(x))


BRANCH = Misconception(
    "norm-of-the-branch",
    "The norm stands behind the part",
    both(of_the_branch),
    "x + norm(part(x)) is neither of the two orders.",
    "Where does the bracket of the norm open, and where does it close?",
)

POST = Part(
    "post_ln",
    both(after),
    ("x (B, T, D)",),
    (
        Case(
            "when the parts add nothing, the two norms are left",
            block(attends=False, thinks=False),
            "The residual connection comes first, the norm is taken of the sum.",
            "Let both parts be `torch.zeros_like`: what should come out?",
        ),
        Case(
            "right for random parts",
            block(),
            "x ← norm(x + part(x)), twice, each time with its own norm.",
            "Let `feed_forward` be `torch.zeros_like` and compare the first step with your formula.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "pre-for-post",
            "This is a pre-LN block",
            both(before),
            "It normalises what a part reads. GPT-1 and BERT normalise the sum.",
            "Let both parts be `torch.zeros_like`: a post-LN block still normalises.",
        ),
        BRANCH,
        Misconception(
            "no-residual",
            "There is no residual connection",
            both(lambda x, part, norm: norm(part(x))),
            "A part replaces what came in instead of adding to it.",
            "Let both parts be `torch.zeros_like`: x is gone.",
        ),
        Misconception(
            "post-norms-swapped",
            "The two norms are swapped",
            swapped(after),
            "Untrained norms are all alike, so nobody notices; with trained weights the result is wrong.",
            "Let norm_2 be `torch.zeros_like`: what should come out?",
        ),
        Misconception(
            "second-from-the-start",
            "The second sum begins with the block's input",
            lambda x, attention, feed_forward, norm_1, norm_2: norm_2(
                x + feed_forward(norm_1(x + attention(x)))
            ),
            "It jumps over the first step: what attention gathered is added nowhere.",
            "Which x stands in the second sum: the block's, or that of the first step?",
        ),
    ),
)

PRE = Part(
    "pre_ln",
    both(before),
    ("x (B, T, D)",),
    (
        Case(
            "when the parts add nothing, x passes unchanged",
            block(attends=False, thinks=False),
            "From the embedding to the output runs a path without any norm: the residual stream.",
            "Let both parts be `torch.zeros_like`: is the result `x`?",
        ),
        Case(
            "right when only attention adds",
            block(thinks=False),
            "Attention reads norm_1(x); what it finds is added to x itself.",
            "Compare with `x + attention(norm_1(x))`.",
        ),
        Case(
            "right for random parts",
            block(),
            "x ← x + part(norm(x)), twice, each time with its own norm.",
            "Let `attention` be `torch.zeros_like` and check the second step alone.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "post-for-pre",
            "This is a post-LN block",
            both(after),
            "It normalises the sum, and so the residual stream: GPT-2 no longer does.",
            "Let both parts be `torch.zeros_like`: is the result `x`?",
        ),
        Misconception(
            "residual-from-the-normed",
            "The sum begins with the normed x",
            both(normed_residual),
            "Only the part reads norm(x). The residual connection takes x as it is; else the norm stands in "
            "the stream again.",
            "After `x = norm_1(x)`, is the old x still there?",
        ),
        BRANCH,
        Misconception(
            "side-by-side",
            "Both parts read the block's input",
            lambda x, attention, feed_forward, norm_1, norm_2: (
                x + attention(norm_1(x)) + feed_forward(norm_2(x))
            ),
            "Some later models do this (GPT-J); in GPT-2 the feed-forward network reads what attention has "
            "added.",
            "What does `norm_2` get: the block's x, or the x of the first step?",
        ),
        Misconception(
            "second-part-not-normed",
            "The feed-forward network reads x without a norm",
            both(before, lambda x, part, norm: x + part(x)),
            "Each part has its norm in front. Without it the part reads a stream that grows with depth.",
            "Is norm_2 used anywhere?",
        ),
        Misconception(
            "pre-norms-swapped",
            "The two norms are swapped",
            swapped(before),
            "Untrained norms are all alike, so nobody notices; with trained weights the result is wrong.",
            "Let norm_1 be `torch.zeros_like`: attention should read zeros.",
        ),
    ),
)

# ---- around the blocks ----


def network(n_blocks: int, norm: bool = True) -> Callable[[Generator], tuple]:
    """ids (B, T), token (V, D), position (P, D), blocks, last_norm (which may do nothing)"""

    def make(generator: Generator) -> tuple:
        B, T, D, V = sizes(generator, 4, 3, 9)
        mixes = [0.5 * normal(generator, D, D) for _ in range(n_blocks)]
        blocks = [lambda x, mix=mix: x + torch.tanh(x @ mix) for mix in mixes]
        token, position = normal(generator, V, D), normal(generator, T + V, D)
        ids = torch.randint(V, (B, T), generator=generator)
        return ids, token, position, blocks, norm_of(generator, D) if norm else lambda x: x

    return make


def logits_like(
    start: Callable[..., Tensor] = lambda token, position, ids: token[ids] + position[: ids.shape[1]],
    order: int = 1,
    first: bool = False,
    each: bool = False,
    last: bool = True,
    end: Callable[[Tensor], Tensor] = lambda logits: logits,
) -> Callable[..., Tensor]:
    def logits(ids: Tensor, token: Tensor, position: Tensor, blocks: list[Step], last_norm: Step) -> Tensor:
        x = start(token, position, ids)
        x = last_norm(x) if first else x
        for step in blocks[::order]:
            x = last_norm(step(x)) if each else step(x)
        x = last_norm(x) if last else x
        return end(torch.einsum("btd,vd->btv", x, token))

    return logits


LOGITS = Part(
    "gpt2_logits",
    logits_like(),
    ("logits (B, T, V)",),
    (
        Case(
            "right without any block, and with a norm that does nothing",
            network(0, norm=False),
            "A token's vector plus that of its place, then the token table once more.",
            "With `blocks = []` and `last_norm = lambda x: x`, which two lines are left?",
        ),
        Case(
            "right without any block",
            network(0),
            "Token plus position, the last norm, the token table once more.",
            "With `blocks = []` only four things are left. Which?",
        ),
        Case(
            "right with three blocks",
            network(3),
            "The blocks one after the other; then one norm, which pre-LN needs, because nobody has "
            "normalised the stream yet.",
            "Print `x.std()` after each block, and after the norm.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "no-last-norm",
            "The last norm is missing",
            logits_like(last=False),
            "With pre-LN the stream is never normalised on its way. GPT-2 does it once, at the end.",
            "Print `x.std()` before the output: it grows with the number of blocks.",
        ),
        Misconception(
            "norm-in-front",
            "The norm stands in front of the blocks",
            logits_like(first=True, last=False),
            "BERT normalises its embeddings. GPT-2's extra norm stands behind the last block.",
            "Print `x.std()` right before the output.",
        ),
        Misconception(
            "norm-after-each-block",
            "The norm stands behind each block",
            logits_like(each=True, last=False),
            "Then the stream is normalised again and again, as in post-LN.",
            "How often is `last_norm` called with three blocks?",
        ),
        Misconception(
            "no-positions",
            "The positions are missing",
            logits_like(start=lambda token, position, ids: token[ids]),
            "Attention by itself does not know where a token stands.",
            "Which argument does your function not use?",
        ),
        Misconception(
            "positions-by-token",
            "Positions are looked up by token",
            logits_like(start=lambda token, position, ids: token[ids] + position[ids]),
            "Row t of the table belongs to place t, whichever token stands there.",
            "Which rows of `position` do you add for the ids 7, 7, 7?",
        ),
        Misconception(
            "blocks-backwards",
            "The blocks run in the wrong order",
            logits_like(order=-1),
            "The first block reads the embeddings, the last one writes for the output.",
            "Print which block you call first.",
        ),
        Misconception(
            "softmax-in-the-logits",
            "These are probabilities",
            logits_like(end=lambda logits: logits.softmax(-1)),
            "Logits are scores before the softmax; the loss takes the softmax itself.",
            "Print `.sum(-1)` of what you return.",
        ),
    ),
)

BLOCK = Task(
    (POST, PRE, LOGITS),
    (
        "Write each step as one line, x = … In the one order the norm is outside, in the other inside.",
        "Post-LN: the norm of (x plus the part of x). Pre-LN: x plus the part of the norm of x. The second "
        "step goes on with the x of the first.",
        "gpt2_logits: `x = token[ids] + position[:T]`, each block in turn, `last_norm(x) @ token.T`.",
    ),
    ("course_lib.layers.Block", "course_lib.models.decoder.Decoder"),
)
