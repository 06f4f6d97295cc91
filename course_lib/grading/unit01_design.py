"""Unit 01: count parameters by formula; predict what heads do and design one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- parameters ----


def numbers(*shapes: tuple[int, ...]) -> int:
    return sum(math.prod(shape) for shape in shapes)


def layer_reference(d_model: int, n_heads: int, d_ff: int) -> int:
    """The shapes of PyTorch's TransformerEncoderLayer: attention, linear1, linear2, norm1, norm2."""
    d = d_model
    attention = (3 * d, d), (3 * d,), (d, d), (d,)
    return numbers(*attention, (d_ff, d), (d_ff,), (d, d_ff), (d,), (d,), (d,), (d,), (d,))


def bert_reference(
    vocab_size: int, max_positions: int, n_segments: int, d_model: int, n_heads: int, d_ff: int, n_layers: int
) -> int:
    d = d_model
    embeddings = (vocab_size, d), (max_positions, d), (n_segments, d), (d,), (d,)
    return numbers(*embeddings, (d, d), (d,)) + n_layers * layer_reference(d, n_heads, d_ff)


def layer_without(wrong: Callable[[int, int, int], int]) -> Callable[[int, int, int], int]:
    return lambda d, heads, ff: layer_reference(d, heads, ff) + wrong(d, heads, ff)


def bert_without(wrong: Callable[[int, int, int, int, int], int]) -> Callable[..., int]:
    """`wrong` gets vocab_size, max_positions, n_segments, d_model, n_layers."""
    return lambda v, p, s, d, heads, ff, n: bert_reference(v, p, s, d, heads, ff, n) + wrong(v, p, s, d, n)


def layer_sizes(generator: Generator) -> tuple[int, int, int]:
    heads, width, extra = sizes(generator, 3, 3, 9)
    return heads * width, heads, heads * width * 2 + extra


def bert_sizes(generator: Generator) -> tuple[int, ...]:
    d_model, heads, d_ff = layer_sizes(generator)
    return (
        whole(generator, 200, 400),
        whole(generator, 20, 90),
        whole(generator, 3, 6),
        d_model,
        heads,
        d_ff,
        whole(generator, 2, 7),
    )


def heads_do_not_matter(got: tuple[int, int, int], *_: int) -> str | None:
    if got[0] != got[1]:
        return f"with 6 heads {got[0]:,}, with 3 heads {got[1]:,}"
    return "the width does not matter either" if got[2] == got[0] else None


BERT_BASE = (30_522, 512, 2, 768, 12, 3_072, 12)

PARAMETERS = Task(
    (
        Part(
            "layer_parameters",
            layer_reference,
            ("the number of parameters",),
            (
                Case(
                    "right for a random layer",
                    layer_sizes,
                    "Four projections, two linear maps, two norms, each with its biases.",
                    "List the shapes with `[p.shape for p in EncoderBlock(8, 2, 32).parameters()]` and add "
                    "up by hand.",
                    worth=2,
                ),
                Case(
                    "the number of heads does not matter",
                    lambda generator: (24, 6, whole(generator, 40, 60)),
                    "Heads share the width: H heads of d_model / H columns are d_model columns.",
                    "Count with n_heads = 1 and n_heads = 6.",
                    judge=heads_do_not_matter,
                    call=lambda answer, d, heads, ff: (
                        answer(d, heads, ff),
                        answer(d, heads // 2, ff),
                        answer(2 * d, heads, ff),
                    ),
                    names=("count with 6 heads", "count with 3 heads", "count with twice the width"),
                ),
            ),
            (
                Misconception(
                    "no-biases",
                    "The biases are missing",
                    layer_without(lambda d, h, ff: -(4 * d + ff + d)),
                    "Only the matrices of the linear maps are counted. Each also adds one number to every "
                    "output.",
                    "Print the names and shapes of `nn.Linear(3, 5).parameters()`.",
                ),
                Misconception(
                    "no-norms",
                    "4 · d_model numbers are missing",
                    layer_without(lambda d, h, ff: -4 * d),
                    "Two things in a layer are as many: the two norms, each with a factor and a shift for "
                    "every number of the vector, and the biases of the four projections.",
                    "Print the shapes of the parameters of `nn.LayerNorm(8)` and of `nn.Linear(8, 8)`.",
                ),
                Misconception(
                    "one-norm",
                    "2 · d_model numbers are missing",
                    layer_without(lambda d, h, ff: -2 * d),
                    "That is half of the norms': there are two, one after each step, and each learns a "
                    "factor and a shift.",
                    "Count the norms in figure 1, left, then the tensors in `nn.LayerNorm(8).parameters()`.",
                ),
                Misconception(
                    "no-biases-no-norms",
                    "Only matrices are counted",
                    layer_without(lambda d, h, ff: -(4 * d + ff + d) - 4 * d),
                    "Biases and norms are few, but they are parameters too.",
                    "List the names of all parameters of a block.",
                ),
                Misconception(
                    "no-output-projection",
                    "The attention's last projection is missing",
                    layer_without(lambda d, h, ff: -(d * d + d)),
                    "Query, key and value make three. The merged heads go through a fourth.",
                    "Count the Linear layers of `MultiHeadAttention`.",
                ),
                Misconception(
                    "times-heads",
                    "Every head has projections as wide as the model",
                    layer_without(lambda d, h, ff: (h - 1) * 3 * (d * d + d)),
                    "A head projects to d_model / H numbers. All heads together project to d_model.",
                    "Count with n_heads = 1 and n_heads = 8.",
                ),
                Misconception(
                    "times-heads",
                    "Every head has projections as wide as the model",
                    layer_without(lambda d, h, ff: (h - 1) * 4 * (d * d + d)),
                    "A head projects to d_model / H numbers. All heads together project to d_model.",
                    "Count with n_heads = 1 and n_heads = 8.",
                ),
                Misconception(
                    "one-head-only",
                    "Only one head is counted",
                    layer_without(lambda d, h, ff: 4 * (d * d // h - d * d)),
                    "d_model · d_model / H numbers are one head's share of a projection. There are H heads.",
                    "Count with n_heads = 1 and n_heads = 8.",
                ),
                Misconception(
                    "one-feed-forward-matrix",
                    "One matrix of the feed-forward network is missing",
                    layer_without(lambda d, h, ff: -d * ff),
                    "It widens and narrows again: two matrices.",
                    "Print the shapes of `widen` and `narrow`.",
                ),
            ),
        ),
        Part(
            "bert_parameters",
            bert_reference,
            ("the number of parameters",),
            (
                Case(
                    "right for a random size",
                    bert_sizes,
                    "Three tables, their norm, the layers, and the pooler.",
                    "Take everything as 1: vocab_size = max_positions = n_segments = d_model = n_heads = "
                    "d_ff = n_layers = 1.",
                    worth=2,
                ),
                Case(
                    "BERT-base has as many as the paper's 110 M says",
                    lambda generator: BERT_BASE,
                    "The known figure for bert-base-uncased, without the heads for pre-training.",
                    "Print the share of the embeddings and of one layer.",
                ),
            ),
            (
                Misconception(
                    "no-pooler",
                    "The pooler is missing",
                    bert_without(lambda v, p, s, d, n: -(d * d + d)),
                    "BERT ends with a linear map (and tanh) on the vector of [CLS].",
                    "Read the task's list of parts once more, from the end.",
                ),
                Misconception(
                    "no-embedding-norm",
                    "The norm of the embeddings is missing",
                    bert_without(lambda v, p, s, d, n: -2 * d),
                    "The sum of the three embeddings is normalised before the first layer.",
                    "Print the names of the first parameters of a BERT.",
                ),
                Misconception(
                    "no-segments",
                    "The segment table is missing",
                    bert_without(lambda v, p, s, d, n: -s * d),
                    "A vector for the first and one for the second sentence.",
                    "Which arguments does your formula not use?",
                ),
                Misconception(
                    "no-positions",
                    "The position table is missing",
                    bert_without(lambda v, p, s, d, n: -p * d),
                    "BERT learns its positions: a row each.",
                    "Which arguments does your formula not use?",
                ),
                Misconception(
                    "output-table-twice",
                    "The token table is counted twice",
                    bert_without(lambda v, p, s, d, n: v * d),
                    "A language-model head would share the token table; the plain encoder has no such head "
                    "at all.",
                    "Print the share of the embeddings.",
                ),
                Misconception(
                    "one-layer",
                    "Only one layer is counted",
                    lambda v, p, s, d, h, ff, n: bert_reference(v, p, s, d, h, ff, 1),
                    "Every layer has weights of its own. (ALBERT shares them.)",
                    "Double n_layers: what should happen?",
                ),
            ),
        ),
    ),
    (
        "A Linear from a to b has a·b + b parameters, a LayerNorm over d has 2·d, a table of n rows has n·d.",
        "A layer: four Linear from d_model to d_model, one from d_model to d_ff, one back, two norms. The "
        "number of heads cuts the width and adds nothing.",
        "BERT: (vocab_size + max_positions + n_segments) rows of d_model, one norm, n_layers layers, one "
        "Linear from d_model to d_model for the pooler.",
    ),
)

# ---- predict and design a head ----

WORDS = ("Apple", "is", "something", "that", "I", "like", "to", "eat")
QUERY = WORDS.index("like")


def looked_at(w_query: Tensor, w_key: Tensor, causal: bool = False) -> int:
    """Where the word "like" looks most, when each word is a one-hot vector of its position."""
    scores = w_query @ w_key.T
    if causal:
        scores = scores.masked_fill(~torch.ones_like(scores).tril().bool(), -torch.inf)
    return int(scores[QUERY].argmax())


def run_heads() -> dict[str, int]:
    """The four heads of the task, run."""
    n = len(WORDS)
    one = torch.eye(n)
    ramp = torch.arange(float(n))[:, None]
    return {
        "A": looked_at(one, one),
        "B": looked_at(one, one.roll(1, dims=0)),
        "C": looked_at(torch.ones(n, 1), ramp),
        "D": looked_at(torch.ones(n, 1), ramp, causal=True),
    }


def pattern(answer: Callable, n: int) -> tuple[Tensor, Tensor]:
    """For each position but the first: where it looks most, and whether with nine tenths of its weight."""
    matrices = answer(n)
    if (
        type(matrices) not in (tuple, list)
        or len(matrices) != 2
        or any(type(m) is not Tensor for m in matrices)
    ):
        raise Unfit("wanted are two tensors, w_query and w_key")
    w_query, w_key = (matrix.float() for matrix in matrices)
    if w_query.dim() != 2 or w_query.shape != w_key.shape or len(w_query) != n:
        raise Unfit(
            f"shapes {tuple(w_query.shape)} and {tuple(w_key.shape)}; wanted is ({n}, d) for both: a row a "
            "position"
        )
    weights = (w_query @ w_key.T).softmax(-1)
    if not weights.isfinite().all():
        raise Unfit("some weights are NaN: the numbers in w_query or w_key are too large, or no numbers")
    return weights[1:].argmax(-1), weights[1:].max(-1).values > 0.9


def looks_back(got: tuple[Tensor, Tensor], n: int) -> str | None:
    right = got[0] == torch.arange(n - 1)
    if right.all():
        return None
    t = int((~right).nonzero()[0]) + 1
    return f"position {t} looks most at {int(got[0][t - 1])}"


def sharply(got: tuple[Tensor, Tensor], n: int) -> str | None:
    if wrong := looks_back(got, n):
        return wrong
    return (
        None
        if got[1].all()
        else f"{int((~got[1]).sum())} of {n - 1} positions give less than 0.9 to one position"
    )


def head_case(name: str, idea: str, experiment: str) -> Case:
    return Case(
        f"head {name}",
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: (
            None if got == run_heads()[name] else f"you predict {got}; when it runs, the head looks elsewhere"
        ),
        call=lambda answer: prediction(answer(), name),
        names=("the position at which 'like' looks most",),
    )


def prediction(made: Any, name: str) -> Any:
    if type(made) is not dict or name not in made:
        raise Unfit(f"no prediction for {name}: return a dict with the keys A, B, C and D")
    return made[name]


def soft_head(n: int) -> tuple[Tensor, Tensor]:
    return torch.eye(n), torch.eye(n).roll(-1, dims=0)


def number_of_positions(generator: Generator) -> tuple[int]:
    return (whole(generator, 5, 9),)


PREDICT = Task(
    (
        Part(
            "predict",
            run_heads,
            ("{'A': position, 'B': position, 'C': position, 'D': position}",),
            (
                head_case(
                    "A",
                    "Query and key are equal just where a position meets itself.",
                    "Print row 5 of the scores.",
                ),
                head_case(
                    "B",
                    "Row j of w_key is what key j answers to. Find the key whose row equals the query's.",
                    "Print `torch.eye(4).roll(1, dims=0)` and find the row that equals row 2 of "
                    "`torch.eye(4)`.",
                ),
                head_case(
                    "C",
                    "When all queries are alike, everybody looks at the key with the largest number.",
                    "Print the one column of w_key.",
                ),
                head_case(
                    "D",
                    "A mask takes away choices; the head then takes the best of what is left.",
                    "Which positions may 'like' look at? Which of them has the largest number?",
                ),
            ),
            (
                Misconception(
                    "counted-from-one",
                    "The positions are counted from 1",
                    lambda: {name: position + 1 for name, position in run_heads().items()},
                    "Apple is position 0.",
                    "Print `list(enumerate(words))`.",
                ),
                Misconception(
                    "rolled-the-other-way",
                    "Head B is read the other way round",
                    lambda: run_heads() | {"B": QUERY - 1},
                    "You rolled the queries in mind; it is the keys that are rolled. Row j of w_key says "
                    "which query finds key j.",
                    "Print `torch.eye(4).roll(1, dims=0)`: which row has its 1 in column 2?",
                ),
                Misconception(
                    "mask-forgotten",
                    "Head D looks into the future",
                    lambda: run_heads() | {"D": run_heads()["C"]},
                    "It cannot: D is head C under a causal mask.",
                    "Cross out the words after 'like'.",
                ),
                Misconception(
                    "future-only",
                    "Head D is cut off from itself",
                    lambda: run_heads() | {"D": QUERY - 1},
                    "A causal mask leaves a position its past and itself.",
                    "Print the row of `causal_mask(8)` for 'like'.",
                ),
            ),
        ),
        Part(
            "previous_token_head",
            lambda n: (30 * torch.eye(n), torch.eye(n).roll(-1, dims=0)),
            ("w_query (n, d)", "w_key (n, d)"),
            (
                Case(
                    "every position but the first looks most at the one before",
                    number_of_positions,
                    "Query t and key t - 1 must agree: the same numbers in row t of w_query and row t - 1 "
                    "of w_key.",
                    "Print `(w_query @ w_key.T).argmax(-1)`.",
                    judge=looks_back,
                ),
                Case(
                    "with at least 0.9 of its weight",
                    number_of_positions,
                    "A softmax is sharp when the winning score is far above the others.",
                    "Print `(w_query @ w_key.T).softmax(-1)`. What happens when you multiply w_query by 10?",
                    judge=sharply,
                ),
            ),
            (
                Misconception(
                    "next-token-head",
                    "This head looks at the next token",
                    lambda n: (30 * torch.eye(n), torch.eye(n).roll(1, dims=0)),
                    "Key j should answer the query after it, position j + 1, not the one before.",
                    "Print `(w_query @ w_key.T).argmax(-1)` for n = 4.",
                ),
                Misconception(
                    "own-token-head",
                    "This head looks at its own token",
                    lambda n: (30 * torch.eye(n), torch.eye(n)),
                    "Every query finds the key of its own position.",
                    "Shift one of the two matrices by one row.",
                ),
                Misconception(
                    "soft-head",
                    "The right pattern, but too soft",
                    soft_head,
                    "The previous position wins with a score of only one above the others, and shares its "
                    "weight with them.",
                    "Multiply w_query by 2, 5, 10 and print the largest weight.",
                ),
                Misconception(
                    "soft-own-token-head",
                    "This head looks at its own token, and softly",
                    lambda n: (torch.eye(n), torch.eye(n)),
                    "Every query finds the key of its own position.",
                    "Shift one of the two matrices by one row, then make the scores larger.",
                ),
                Misconception(
                    "soft-next-token-head",
                    "This head looks at the next token, and softly",
                    lambda n: (torch.eye(n), torch.eye(n).roll(1, dims=0)),
                    "Key j should answer the query after it, position j + 1, and much more than all others.",
                    "Print `(w_query @ w_key.T).argmax(-1)` for n = 4.",
                ),
            ),
            call=pattern,
        ),
    ),
    (
        "With one-hot positions, `x @ w_query` is w_query itself: row t is the query of position t. So "
        "compare rows of w_query with rows of w_key.",
        "`roll(1, dims=0)` moves every row down by one: row j then holds what row j - 1 held.",
        "For the design: row t of w_query and row t - 1 of w_key must be the same one-hot vector, times a "
        "number large enough that the softmax becomes sharp (try 10).",
    ),
)
