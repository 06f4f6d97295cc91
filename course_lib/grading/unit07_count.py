"""Unit 07: count the parameters of GPT-2 and of a modern decoder."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Generator

from course_lib.grading.inputs import sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task


def numbers(*shapes: tuple[int, ...]) -> int:
    return sum(math.prod(shape) for shape in shapes)


def gpt2_reference(vocab_size: int, max_positions: int, d_model: int, n_heads: int, n_layers: int) -> int:
    """The shapes in OpenAI's checkpoint: wte, wpe; c_attn, c_proj, c_fc, c_proj, ln_1, ln_2; ln_f."""
    d = d_model
    attention = (d, 3 * d), (3 * d,), (d, d), (d,)
    mlp = (d, 4 * d), (4 * d,), (4 * d, d), (d,)
    layer = numbers(*attention, *mlp, (d,), (d,), (d,), (d,))
    return numbers((vocab_size, d), (max_positions, d), (d,), (d,)) + n_layers * layer


def llama_reference(
    vocab_size: int, d_model: int, n_heads: int, n_kv_heads: int, n_layers: int, d_ff: int
) -> int:
    """The shapes in SmolLM2's checkpoint: q, k, v, o; gate, up, down; two norms; the last norm."""
    d, kv = d_model, d_model // n_heads * n_kv_heads
    layer = numbers((d, d), (d, kv), (d, kv), (d, d), (d, d_ff), (d, d_ff), (d_ff, d), (d,), (d,))
    return numbers((vocab_size, d), (d,)) + n_layers * layer


GPT2_SMALL = (50_257, 1_024, 768, 12, 12)
GPT2_XL = (50_257, 1_024, 1_600, 25, 48)
SMOLLM2 = (49_152, 576, 9, 3, 30, 1_536)


def gpt2_plus(wrong: Callable[[int, int, int, int], int]) -> Callable[..., int]:
    """`wrong(vocab_size, max_positions, d_model, n_layers)` is added to the right number."""
    return lambda v, p, d, heads, n: gpt2_reference(v, p, d, heads, n) + wrong(v, p, d, n)


def llama_plus(wrong: Callable[..., int]) -> Callable[..., int]:
    """`wrong(vocab_size, d_model, width of the keys, n_layers, d_ff)` is added to the right number."""
    return lambda v, d, heads, kv, n, ff: (
        llama_reference(v, d, heads, kv, n, ff) + wrong(v, d, d // heads * kv, n, ff)
    )


def gpt2_sizes(generator: Generator) -> tuple[int, ...]:
    heads, width = sizes(generator, 2, 3, 9)
    return whole(generator, 200, 400), whole(generator, 20, 90), heads * width, heads, whole(generator, 2, 7)


def llama_sizes(generator: Generator) -> tuple[int, ...]:
    kv, group, width = sizes(generator, 3, 2, 6)
    d_model = kv * group * width
    return (
        whole(generator, 200, 400),
        d_model,
        kv * group,
        kv,
        whole(generator, 2, 7),
        2 * d_model + whole(generator, 3, 9),
    )


GPT2 = Part(
    "gpt2_parameters",
    gpt2_reference,
    ("the number of parameters",),
    (
        Case(
            "right for a random size",
            gpt2_sizes,
            "Two tables, the layers, one last norm. The output is the token table again.",
            "Take everything as 1 and count by hand; then double one argument at a time.",
            worth=2,
        ),
        Case(
            "GPT-2 small has 124,439,808",
            lambda generator: GPT2_SMALL,
            "The count of the released weights; the paper's 117 M was a slip.",
            "Print the share of the tables and of one layer.",
        ),
        Case(
            "GPT-2 XL has 1,557,611,200",
            lambda generator: GPT2_XL,
            "The same formula at 48 layers of width 1,600.",
            "Print the share of the tables and of one layer.",
        ),
    ),
    (
        Misconception(
            "tied-twice",
            "The token table is counted twice",
            gpt2_plus(lambda v, p, d, n: v * d),
            "GPT-2 turns vectors into logits with the very table that turned ids into vectors. It is there "
            "once.",
            "Print the share of the token table in GPT-2 small.",
        ),
        Misconception(
            "no-position-table",
            "The position table is missing",
            gpt2_plus(lambda v, p, d, n: -p * d),
            "GPT-2 learns its positions, a row each.",
            "Which argument does your formula not use?",
        ),
        Misconception(
            "gpt2-no-last-norm",
            "The last norm is missing",
            gpt2_plus(lambda v, p, d, n: -2 * d),
            "Pre-LN needs one more norm behind the last layer.",
            "How far are you from 124,439,808? What in the model is just as large?",
        ),
        Misconception(
            "no-biases",
            "The biases are missing",
            gpt2_plus(lambda v, p, d, n: -n * (4 * d + 4 * d + d)),
            "GPT-2's linear maps all add a bias. (Llama's do not.)",
            "Print the shapes of `nn.Linear(3, 5).parameters()`.",
        ),
        Misconception(
            "no-norms",
            "The norms of the layers are missing",
            gpt2_plus(lambda v, p, d, n: -n * 4 * d),
            "Two LayerNorms a layer, each with a factor and a shift for every number.",
            "Print the shapes of `nn.LayerNorm(8).parameters()`.",
        ),
        Misconception(
            "only-matrices",
            "Only matrices are counted",
            gpt2_plus(lambda v, p, d, n: -n * 13 * d - 2 * d),
            "Biases and norms are few, but they are parameters, too.",
            "Print the names of all parameters of a block.",
        ),
        Misconception(
            "norms-without-shift",
            "The norms have no shift",
            gpt2_plus(lambda v, p, d, n: -(2 * n + 1) * d),
            "A LayerNorm learns a factor and a shift. Only RMSNorm leaves the shift out.",
            "Print the shapes of `nn.LayerNorm(8).parameters()`.",
        ),
        Misconception(
            "no-output-projection",
            "The attention's last projection is missing",
            gpt2_plus(lambda v, p, d, n: -n * (d * d + d)),
            "Query, key and value make three. The merged heads go through a fourth.",
            "Count the Linear layers of `MultiHeadAttention`.",
        ),
        Misconception(
            "one-layer",
            "Only one layer is counted",
            lambda v, p, d, heads, n: gpt2_reference(v, p, d, heads, 1),
            "Every layer has weights of its own.",
            "Double n_layers: what should happen?",
        ),
    ),
)

LLAMA = Part(
    "llama_parameters",
    llama_reference,
    ("the number of parameters",),
    (
        Case(
            "right for a random size",
            llama_sizes,
            "One table, the layers, one last norm, no bias anywhere.",
            "Write the shapes of the seven matrices of a layer below each other.",
            worth=2,
        ),
        Case(
            "SmolLM2-135M has 134,515,008",
            lambda generator: SMOLLM2,
            "The count of the released weights.",
            "Print the share of the table, of the attentions, of the feed-forward networks.",
        ),
    ),
    (
        Misconception(
            "keys-for-every-head",
            "Keys and values are as wide as queries",
            llama_plus(lambda v, d, kv, n, ff: n * 2 * d * (d - kv)),
            "Several query heads share a key head: the maps to keys and values end at n_kv_heads · d_head.",
            "How wide is one head, and how many of them have the keys?",
        ),
        Misconception(
            "no-gate",
            "The gate of the feed-forward network is missing",
            llama_plus(lambda v, d, kv, n, ff: -n * d * ff),
            "SwiGLU has three matrices: gate and up widen, down narrows.",
            "Print the shapes in `FeedForward(8, 20, activation='silu', gated=True, bias=False)`.",
        ),
        Misconception(
            "norms-with-shift",
            "The norms have a shift",
            llama_plus(lambda v, d, kv, n, ff: (2 * n + 1) * d),
            "RMSNorm learns a factor only.",
            "Print the shapes of `RMSNorm(8).parameters()`.",
        ),
        Misconception(
            "llama-with-biases",
            "Biases are counted",
            llama_plus(lambda v, d, kv, n, ff: n * (2 * d + 2 * kv + 2 * ff + d)),
            "Llama's linear maps have none.",
            "How far are you from 134,515,008? What in the model is just as large?",
        ),
        Misconception(
            "output-of-its-own",
            "The token table is counted twice",
            llama_plus(lambda v, d, kv, n, ff: v * d),
            "This model is tied, like GPT-2. (Larger Llamas are not.)",
            "Print the share of the token table.",
        ),
        Misconception(
            "llama-no-last-norm",
            "The last norm is missing",
            llama_plus(lambda v, d, kv, n, ff: -d),
            "A pre-LN model has one more norm behind the last layer.",
            "How far are you from 134,515,008? What in the model is just as large?",
        ),
    ),
)

COUNT = Task(
    (GPT2, LLAMA),
    (
        "A Linear from a to b has a·b weights and, if it has biases, b of them; a LayerNorm over d has 2·d, "
        "an RMSNorm d, a table of n rows n·d.",
        "A layer of GPT-2: four Linear from d to d, one from d to 4·d, one back, two norms. One more norm at "
        "the end; the output costs nothing.",
        "A layer of Llama: query and output d·d each, key and value d·(d / n_heads · n_kv_heads) each, three "
        "matrices d·d_ff, two norms of d. One table, and one more norm of d.",
    ),
    (
        "course_lib.models.gpt.GPT.__init__",
        "course_lib.models.llama.Llama.__init__",
    ),
)
