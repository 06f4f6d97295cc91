"""Unit 01: sinusoidal positions, and the encoder block."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from course_lib.grading.compare import a
from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- positions ----


def table(
    angle: Callable[[int, int, int], float] = lambda t, i, d: t / 10_000 ** (2 * (i // 2) / d),
    wave: Callable[[int, int, float], float] = lambda i, d, a: math.cos(a) if i % 2 else math.sin(a),
) -> Callable[[int, int], Tensor]:
    """The table, number by number, from the angle at (position t, column i, width d) and a wave of it."""

    def positions(T: int, d_model: int) -> Tensor:
        return torch.tensor(
            [[wave(i, d_model, angle(t, i, d_model)) for i in range(d_model)] for t in range(T)],
            dtype=torch.float32,
        )

    return positions


def halves(T: int, d_model: int) -> Tensor:
    usual = table()(T, d_model)
    return torch.cat([usual[:, 0::2], usual[:, 1::2]], dim=1)


def table_of(angles: Tensor) -> Tensor:
    """Sines and cosines of (T, d_model / 2), in float32 as most would write it."""
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def length_and_width(generator: Generator) -> tuple[int, int]:
    return whole(generator, 20, 30), 2 * whole(generator, 3, 8)


def first_row(got: Tensor, T: int, d_model: int) -> str | None:
    start = got[0]
    if start[0::2].abs().max() < 1e-6 and (start[1::2] - 1).abs().max() < 1e-6:
        return None
    return f"row 0 starts {', '.join(f'{number:.2f}' for number in start[:4].tolist())}"


def by_distance(got: Tensor, T: int, d_model: int) -> str | None:
    if not got.isfinite().all():
        return "some numbers are NaN or infinite"
    products = got @ got.T
    spread = max(float(products.diagonal(k).max() - products.diagonal(k).min()) for k in range(T))
    return None if spread < 0.2 else f"at one and the same distance the products differ by up to {spread:.2f}"


POSITIONS = Task(
    (
        Part(
            "sinusoidal_positions",
            table(),
            ("float32 tensor (T, d_model)",),
            (
                Case(
                    "returns float32 of shape (T, d_model)",
                    length_and_width,
                    "One row a position, one column for each number of a token's vector: the two are added.",
                    "Print the shape for T = 3, d_model = 8.",
                    judge=lambda got, T, d_model: None,
                ),
                Case(
                    "position 0 is 0, 1, 0, 1, …",
                    length_and_width,
                    "At t = 0 every angle is 0: the even columns hold sin 0 and the odd ones cos 0.",
                    "Print row 0.",
                    judge=first_row,
                ),
                Case(
                    "the dot product of two positions depends on their distance only",
                    length_and_width,
                    "sin a sin b + cos a cos b = cos(a - b): that needs a sine and a cosine of the same "
                    "angle.",
                    "Print `table @ table.T` and read along a diagonal.",
                    judge=by_distance,
                ),
                Case(
                    "right for every entry",
                    length_and_width,
                    "Columns 2i and 2i + 1 share the angle t / 10000^(2i / d_model) (section 3.5).",
                    "Compute the angles of t = 1 for d_model = 4 by hand: there are only two.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "sine-and-cosine-in-halves",
                    "All sines come first, then all cosines",
                    halves,
                    "The numbers are right, their columns are not: the paper alternates. (Some code does "
                    "use halves; weights trained one way do not fit the other.)",
                    "Print row 1: where is the second sine?",
                ),
                Misconception(
                    "sine-and-cosine-swapped",
                    "Sine and cosine are swapped",
                    table(wave=lambda i, d, a: math.sin(a) if i % 2 else math.cos(a)),
                    "Even columns hold the sine, odd ones the cosine.",
                    "Print row 0.",
                ),
                Misconception(
                    "own-angle-for-each-column",
                    "Every column has an angle of its own",
                    table(angle=lambda t, i, d: t / 10_000 ** (i / d)),
                    "Sine and cosine of a pair then turn at different speeds, so no pair is a clock hand "
                    "any more.",
                    "Compare sin² + cos² of columns 2 and 3: it should be 1.",
                ),
                Misconception(
                    "exponent-too-small",
                    "The exponent is half of what it should be",
                    table(angle=lambda t, i, d: t / 10_000 ** ((i // 2) / d)),
                    "In the paper i counts pairs, and the exponent is 2i / d_model. With i / d_model the "
                    "slowest wave is a hundred times too fast.",
                    "Compute the last column's exponent for d_model = 8.",
                ),
                Misconception(
                    "exponent-too-large",
                    "The exponent is twice what it should be",
                    table(angle=lambda t, i, d: t / 10_000 ** (4 * (i // 2) / d)),
                    "The two is there already when the columns are counted in steps of two.",
                    "Compute the last pair's exponent for d_model = 8: it must stay below 1.",
                ),
                Misconception(
                    "column-for-pair",
                    "The column's number is used where the pair's belongs",
                    table(angle=lambda t, i, d: t / 10_000 ** (2 * i / d)),
                    "In the formula i counts pairs: columns 2i and 2i + 1. Here every column has an angle "
                    "of its own, and the last ones hardly move.",
                    "Which i do columns 6 and 7 have?",
                ),
                Misconception(
                    "positions-from-one",
                    "The positions start at 1",
                    table(angle=lambda t, i, d: (t + 1) / 10_000 ** (2 * (i // 2) / d)),
                    "The first token stands at position 0.",
                    "Print row 0.",
                ),
                Misconception(
                    "angle-multiplied",
                    "The angles grow with the column",
                    table(angle=lambda t, i, d: t * 10_000 ** (2 * (i // 2) / d)),
                    "Multiplied instead of divided: the waves become faster and faster, down to noise.",
                    "Plot the last column against t. Is it a slow wave?",
                ),
                Misconception(
                    "angle-multiplied",
                    "The angles grow with the column",
                    lambda T, d_model: table_of(
                        torch.arange(T)[:, None] * 10_000 ** (torch.arange(0.0, d_model, 2) / d_model)
                    ),
                    "Multiplied instead of divided: the waves become faster and faster, down to noise.",
                    "Plot the last column against t. Is it a slow wave?",
                ),
            ),
        ),
    ),
    (
        "Each pair of columns is the hand of a clock. The first clock turns fast, the last hardly at all.",
        "Make a column of positions (T, 1) and a row of frequencies (d_model / 2,); their product are the "
        "angles. Fill the even columns with sines, the odd ones with cosines.",
        "`frequency = 10_000 ** (-torch.arange(0, d_model, 2) / d_model)`. Assign to `table[:, 0::2]` and "
        "`table[:, 1::2]`.",
    ),
    ("course_lib.embeddings.sinusoidal_positions",),
)

# ---- the encoder block ----


class Skeleton(nn.Module):
    """The parts as the task names them."""

    def __init__(self, d_model: int, n_heads: int, d_ff: int) -> None:
        from course_lib.attention import MultiHeadAttention

        super().__init__()
        self.attention = MultiHeadAttention(d_model, n_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, d_ff)
        self.narrow = nn.Linear(d_ff, d_model)
        self.feed_forward_norm = nn.LayerNorm(d_model)


class Reference:
    """PyTorch's encoder layer with the same weights."""

    def __init__(self, d_model: int, n_heads: int, d_ff: int) -> None:
        self.layer = nn.TransformerEncoderLayer(d_model, n_heads, d_ff, dropout=0.0, batch_first=True)
        self.n_heads = n_heads

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        def joined(kind: str) -> Tensor:
            return torch.cat([state[f"attention.{name}.{kind}"] for name in ("query", "key", "value")])

        theirs = {"self_attn.in_proj_weight": joined("weight"), "self_attn.in_proj_bias": joined("bias")}
        names = {
            "attention.output": "self_attn.out_proj",
            "attention_norm": "norm1",
            "widen": "linear1",
            "narrow": "linear2",
            "feed_forward_norm": "norm2",
        }
        for ours, name in names.items():
            for kind in ("weight", "bias"):
                theirs[f"{name}.{kind}"] = state[f"{ours}.{kind}"]
        self.layer.load_state_dict(theirs)

    def __call__(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B, T, _ = x.shape
        if mask is not None:
            mask = ~mask.expand(B, self.n_heads, T, T).reshape(-1, T, T)
        return self.layer(x, src_mask=mask)

    def parameters(self):
        return self.layer.parameters()


def variant(
    attend: Callable[[Skeleton, Tensor, Tensor], Tensor] = lambda block, x, a: block.attention_norm(x + a),
    think: Callable[[Skeleton, Tensor, Tensor], Tensor] = lambda block, x, f: block.feed_forward_norm(x + f),
    bend: Callable[[Tensor], Tensor] = F.relu,
    finish: Callable[[Tensor], Tensor] = lambda x: x,
    masked: bool = True,
    before: bool = False,
    original: bool = False,
    swapped: bool = False,
) -> type[Skeleton]:
    """A block with one step replaced; `attend` and `think` join input and branch."""

    class Variant(Skeleton):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            first = x
            for step in (1, 0) if swapped else (0, 1):
                if step == 0:
                    seen = self.attention_norm(x) if before else x
                    x = attend(self, x, self.attention(seen, mask=mask if masked else None)[0])
                else:
                    seen = self.feed_forward_norm(x) if before else x
                    thought = finish(self.narrow(bend(self.widen(seen))))
                    x = think(self, first if original else x, thought)
            return x

    return Variant


def block_inputs(generator: Generator) -> tuple:
    """x, mask, sizes, and random weights for every parameter: norms that do not resemble each other."""
    H, D, B, T = sizes(generator, 4, 2, 6)
    d_model, d_ff = H * D, H * D + whole(generator, 3, 9)
    shapes = {f"attention.{name}": (d_model, d_model) for name in ("query", "key", "value", "output")}
    shapes |= {"widen": (d_ff, d_model), "narrow": (d_model, d_ff)}
    state: dict[str, Tensor] = {}
    for name, (wide, narrow) in shapes.items():
        state[f"{name}.weight"] = normal(generator, wide, narrow) / narrow**0.5
        state[f"{name}.bias"] = normal(generator, wide) / 2
    for name in ("attention_norm", "feed_forward_norm"):
        state[f"{name}.weight"] = 0.5 + torch.rand(d_model, generator=generator)
        state[f"{name}.bias"] = normal(generator, d_model) / 2
    mask = torch.ones(B, 1, 1, T, dtype=torch.bool)
    mask[1:, ..., T - whole(generator, 1, T - 1) :] = False
    return normal(generator, B, T, d_model), mask, (d_model, H, d_ff), state


def unmasked_inputs(generator: Generator) -> tuple:
    x, _, given, state = block_inputs(generator)
    return x, None, given, state


def built(answer: Callable, given: tuple[int, int, int], state: dict[str, Tensor]) -> Callable:
    if not isinstance(answer, type):
        raise Unfit("wanted is the class itself, not an object made from it")
    block = answer(*given)
    try:
        block.load_state_dict(state)
    except (RuntimeError, AttributeError):
        raise Unfit(
            "the parts in __init__ have other names or sizes than the task's; leave them as they are"
        ) from None
    return block


def run_block(answer: Callable, x: Tensor, mask: Tensor | None, given: tuple, state: dict) -> Tensor:
    return built(answer, given, state)(x, mask)


def tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise Unfit(f"needs the block's one tensor; it returned {a(value)}")
    return value


def with_other_padding(
    answer: Callable, x: Tensor, mask: Tensor, given: tuple, state: dict
) -> tuple[Tensor, Tensor]:
    """The outputs at words, as they are and with other vectors at the padding."""
    block, words = built(answer, given, state), mask[:, 0, 0]
    return tensor(block(x, mask))[words], tensor(block(x + 3.0 * ~words[..., None], mask))[words]


def reached(answer: Callable, x: Tensor, mask: Tensor, given: tuple, state: dict) -> int:
    """How many parameter tensors get a gradient."""
    block = built(answer, given, state)
    x = x.clone().requires_grad_()
    out = tensor(block(x, mask))
    (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
    gradients = [parameter.grad for parameter in block.parameters()]
    if isinstance(block, Reference):  # it packs query, key and value into one tensor
        return len(state)
    return sum(gradient is not None and bool(gradient.abs().max() > 0) for gradient in gradients)


def words_alike(got: tuple, *_) -> str | None:
    return None if (got[0] - got[1]).abs().max() < 1e-4 else "words changed with the padding"


BLOCK = Task(
    (
        Part(
            "EncoderBlock",
            Reference,
            ("x (B, T, d_model)",),
            (
                Case(
                    "returns (B, T, d_model)",
                    block_inputs,
                    "A block gives back what it takes, so that blocks can be stacked.",
                    "`self.attention(x, mask=mask)` returns two things: output and weights.",
                    judge=lambda got, *_: None,
                ),
                Case(
                    "words do not change with the padding",
                    block_inputs,
                    "The mask goes to the attention; everything else looks at one position alone.",
                    "Change the vectors at padding and compare the outputs at words.",
                    judge=words_alike,
                    call=with_other_padding,
                    names=("words", "words with other padding"),
                ),
                Case(
                    "right without a mask",
                    unmasked_inputs,
                    "Post-LN: x = norm(x + attention(x)), then x = norm(x + feed_forward(x)) (section 3.1).",
                    "Print the mean and the spread of x after each of the two steps.",
                    worth=2,
                ),
                Case(
                    "right with a padding mask",
                    block_inputs,
                    "The same, and nobody looks at padding.",
                    "Compare the outputs at words with those of the sentence without its padding.",
                    worth=2,
                ),
                Case(
                    "gradients reach every parameter",
                    block_inputs,
                    "A part without a gradient is a part that is not used, or that was cut off with detach "
                    "or no_grad.",
                    "After `backward()`, print the names whose `.grad` is None.",
                    judge=lambda got, x, mask, given, state: (
                        None
                        if got == len(state)
                        else f"{got} of {len(state)} parameter tensors get a gradient"
                    ),
                    call=reached,
                    names=("parameter tensors with a gradient",),
                    telling=False,
                ),
            ),
            (
                Misconception(
                    "pre-ln",
                    "This is a pre-LN block",
                    variant(attend=lambda block, x, a: x + a, think=lambda block, x, f: x + f, before=True),
                    "It normalises before each part and never after the sum: that is GPT-2's order. The "
                    "original and BERT normalise the sum.",
                    "Print the spread of the output: after post-LN it is set by the norm's own weights.",
                ),
                Misconception(
                    "no-attention-residual",
                    "The attention has no residual connection",
                    variant(attend=lambda block, x, a: block.attention_norm(a)),
                    "The tokens' own vectors are lost after the first step: only what was gathered is left.",
                    "Set the attention's output projection to zeros. What should come out of this step?",
                ),
                Misconception(
                    "no-feed-forward-residual",
                    "The feed-forward network has no residual connection",
                    variant(think=lambda block, x, f: block.feed_forward_norm(f)),
                    "What attention had gathered is replaced instead of refined.",
                    "Set `narrow` to zeros. What should come out?",
                ),
                Misconception(
                    "no-residuals",
                    "There are no residual connections",
                    variant(
                        attend=lambda block, x, a: block.attention_norm(a),
                        think=lambda block, x, f: block.feed_forward_norm(f),
                    ),
                    "Each part replaces what came in. A deep stack of such blocks hardly trains.",
                    "Set `narrow` and the attention's output to zeros: the block should only normalise.",
                ),
                Misconception(
                    "residual-from-the-start",
                    "The second residual comes from the block's input",
                    variant(original=True),
                    "It jumps over the attention: what was gathered only reaches the output through the "
                    "feed-forward network.",
                    "Draw the two sums of figure 1 and mark what goes into the second.",
                ),
                Misconception(
                    "norm-of-the-branch",
                    "Only the branch is normalised",
                    variant(
                        attend=lambda block, x, a: x + block.attention_norm(a),
                        think=lambda block, x, f: x + block.feed_forward_norm(f),
                    ),
                    "x + norm(part(x)): here the sum itself is never normalised and grows from block to "
                    "block.",
                    "Where do the brackets of the norm close?",
                ),
                Misconception(
                    "no-activation",
                    "There is no activation",
                    variant(bend=lambda x: x),
                    "Two linear maps in a row are one linear map: the wide layer adds nothing.",
                    "What comes between `widen` and `narrow`?",
                ),
                Misconception(
                    "activation-last",
                    "The activation comes after both maps",
                    variant(bend=lambda x: x, finish=F.relu),
                    "Two linear maps with nothing between them are one. And a branch that can only add, "
                    "never take away, is half a branch.",
                    "Print the smallest number of the branch. What comes between `widen` and `narrow`?",
                ),
                Misconception(
                    "gelu-for-relu",
                    "The activation is GELU",
                    variant(bend=F.gelu),
                    "That is BERT's. This task follows the paper of 2017, with ReLU.",
                    "Compare the two at -1, 0 and 1.",
                ),
                Misconception(
                    "no-attention-norm",
                    "The norm after the attention is missing",
                    variant(attend=lambda block, x, a: x + a),
                    "The first sum goes on as it is. Both sums are normalised.",
                    "After `backward()`, which norm has no gradient?",
                ),
                Misconception(
                    "no-feed-forward-norm",
                    "The norm after the feed-forward network is missing",
                    variant(think=lambda block, x, f: x + f),
                    "The second sum leaves the block as it is. Both sums are normalised.",
                    "After `backward()`, which norm has no gradient?",
                ),
                Misconception(
                    "no-norms",
                    "There are no norms",
                    variant(attend=lambda block, x, a: x + a, think=lambda block, x, f: x + f),
                    "Every sum is larger than what went in, and the next block starts from there.",
                    "Print the spread of x after each of the two steps.",
                ),
                Misconception(
                    "one-norm-twice",
                    "One norm does both jobs",
                    variant(think=lambda block, x, f: block.attention_norm(x + f)),
                    "Each of the two has its own weights.",
                    "After `backward()`, which norm has no gradient?",
                ),
                Misconception(
                    "norms-swapped",
                    "The two norms are swapped",
                    variant(
                        attend=lambda block, x, a: block.feed_forward_norm(x + a),
                        think=lambda block, x, f: block.attention_norm(x + f),
                    ),
                    "Untrained norms are all alike, so nobody notices; with trained weights the result is "
                    "wrong.",
                    "Give the two norms different weights and follow one vector.",
                ),
                Misconception(
                    "mask-ignored",
                    "The mask is not handed on",
                    variant(masked=False),
                    "Words look at padding.",
                    "Where does `mask` go in your forward?",
                ),
                Misconception(
                    "feed-forward-first",
                    "The feed-forward network comes first",
                    variant(swapped=True),
                    "Figure 1 gathers first and thinks afterwards.",
                    "Read figure 1 from the bottom.",
                ),
            ),
            call=run_block,
        ),
    ),
    (
        "Two steps, both of the same form: a part, a residual connection around it, a norm over the sum.",
        "`self.attention(x, mask=mask)` gives output and weights; take the output. The feed-forward network "
        "is widen, ReLU, narrow.",
        "x = self.attention_norm(x + attended), and then the same with the feed-forward network of the new "
        "x and the other norm.",
    ),
    (
        "torch.nn.TransformerEncoderLayer",
        "torch._transformer_encoder_layer_fwd",
        "course_lib.layers.Block",
        "course_lib.layers.encoder_block",
    ),
)
