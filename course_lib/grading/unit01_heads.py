"""Unit 01: split, attend in several heads, merge."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from course_lib.grading.inputs import normal, sizes, some_allowed
from course_lib.grading.task import Case, Misconception, Part, Task

RETURNS = ("output (B, T, d_model)", "weights (B, H, T, T)")
Pair = tuple[Tensor, Tensor]


def split(x: Tensor, n_heads: int) -> Tensor:
    """Head by head: head h takes the h-th slice of the width."""
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


def merge(x: Tensor) -> Tensor:
    return torch.cat(list(x.unbind(1)), dim=-1)


def reference(
    x: Tensor,
    w_query: Tensor,
    w_key: Tensor,
    w_value: Tensor,
    w_output: Tensor,
    n_heads: int,
    mask: Tensor | None = None,
) -> Pair:
    """PyTorch's module with the same matrices (it stores them transposed; its mask is True where
    forbidden)."""
    B, T, d_model = x.shape
    torch_heads = nn.MultiheadAttention(d_model, n_heads, bias=False, batch_first=True)
    with torch.no_grad():
        torch_heads.in_proj_weight.copy_(torch.cat([w_query, w_key, w_value], dim=1).T)
        torch_heads.out_proj.weight.copy_(w_output.T)
    forbidden = None if mask is None else ~mask.expand(B, n_heads, T, T).reshape(B * n_heads, T, T)
    output, weights = torch_heads(x, x, x, attn_mask=forbidden, average_attn_weights=False)
    return output.detach(), weights.detach()


def variant(
    scale: Callable[[int, int], int] = lambda d_head, d_model: d_head,
    cut: Callable[[Tensor, int], Tensor] = split,
    join: Callable[[Tensor], Tensor] = merge,
    project: Callable[[Tensor, Tensor], Tensor] = lambda x, w: x @ w,
    last: bool = True,
    masked: bool = True,
    order: tuple[int, int, int] = (0, 1, 2),
) -> Callable[..., Pair]:
    """Multi-head attention with one step replaced."""

    def attend(x, w_query, w_key, w_value, w_output, n_heads, mask=None):
        given = w_query, w_key, w_value
        query, key, value = (cut(project(x, given[i]), n_heads) for i in order)
        scores = query @ key.mT / scale(query.shape[-1], x.shape[-1]) ** 0.5
        if mask is not None and masked:
            scores = scores.masked_fill(~mask, -1e9)
        weights = scores.softmax(-1)
        output = join(weights @ value)
        return (project(output, w_output) if last else output), weights

    return attend


def one_wide_head(x, w_query, w_key, w_value, w_output, n_heads, mask=None) -> Pair:
    output, weights = variant()(x, w_query, w_key, w_value, w_output, 1, mask)
    return output, weights.expand(-1, n_heads, -1, -1)


def transposed(i: int) -> Callable[..., Pair]:
    """With the i-th of the four matrices transposed."""

    def attend(x, *given):
        matrices = [w.T if i == j else w for j, w in enumerate(given[:4])]
        return variant()(x, *matrices, *given[4:])

    return attend


def reshaped(x: Tensor, n_heads: int) -> Tensor:
    return x.reshape(x.shape[0], n_heads, x.shape[1], -1)


def interleaved(x: Tensor, n_heads: int) -> Tensor:
    return torch.stack([x[..., h::n_heads] for h in range(n_heads)], dim=1)


def wide(generator: Generator) -> tuple[Tensor, int]:
    B, T, H, D = sizes(generator, 4, 2, 7)
    return normal(generator, B, T, H * D), H


def sliced(generator: Generator) -> tuple[Tensor, int]:
    """A tensor whose rows do not lie one after the other in memory."""
    x, H = wide(generator)
    return normal(generator, x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1), H


def headed(generator: Generator) -> tuple[Tensor]:
    return (normal(generator, *sizes(generator, 4, 2, 7)),)


def matrices(generator: Generator) -> tuple:
    B, T, H, D = sizes(generator, 4, 3, 7)
    width = H * D
    return (
        normal(generator, B, T, width),
        *(normal(generator, width, width) / width**0.5 for _ in range(4)),
        H,
    )


def matrices_and_mask(generator: Generator) -> tuple:
    *given, H = matrices(generator)
    B, T, _ = given[0].shape
    return *given, H, some_allowed(generator, B, 1, T, T)


def there_and_back(answer: Callable, x: Tensor, n_heads: int) -> Tensor:
    """Each head, one beside the other again."""
    return torch.cat(list(answer(x, n_heads).unbind(1)), dim=-1)


def reversed_tokens(answer: Callable, x: Tensor, *others) -> Pair:
    """The outputs, and those of the tokens in reverse order, put back."""
    return answer(x, *others)[0], answer(x.flip(1), *others)[0].flip(1)


def alike(got: Pair, *_) -> str | None:
    difference = (got[0] - got[1]).abs().max()
    return None if difference < 1e-4 else "the vectors changed with the order"


SPLIT = Part(
    "split_heads",
    split,
    ("heads (B, H, T, D)",),
    (
        Case(
            "returns (B, H, T, D)",
            wide,
            "H heads beside the batch, each with T tokens of width D = d_model / H.",
            "Start from (B, T, H·D). Which axis is cut in two, and where does the new one belong?",
            judge=lambda got, x, H: None,
        ),
        Case(
            "heads side by side give the input back",
            wide,
            "Splitting moves numbers; it neither loses nor mixes any. A token keeps its place.",
            "Number the input: `torch.arange(12.).view(1, 2, 6)`, split in 3, and look for token 0.",
            judge=lambda got, x, H: None if torch.equal(got, x) else "another tensor comes back",
            call=there_and_back,
            names=("heads side by side (B, T, H·D)",),
        ),
        Case(
            "head h takes the h-th slice of every token, also of a transposed tensor",
            sliced,
            "`reshape` and `view` deal numbers out in the order in which they lie. Cut the last axis first, "
            "then move the axis of heads.",
            "Compare `split_heads(x, H)[:, 0]` with `x[..., :D]`.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "reshape-only",
            "The tokens are dealt out over the heads",
            reshaped,
            "One `reshape` to (B, H, T, D) has the right shape, but head 0 gets the first tokens whole "
            "rather than a slice of every token.",
            "Number the input: `torch.arange(12.).view(1, 2, 6)`, split in 3, print head 0.",
        ),
        Misconception(
            "view-only",
            "The tokens are dealt out over the heads",
            lambda x, n_heads: x.view(x.shape[0], n_heads, x.shape[1], -1),
            "One `view` to (B, H, T, D) has the right shape, but head 0 gets the first tokens whole rather "
            "than a slice of every token. It also fails on a tensor that was transposed before.",
            "Number the input: `torch.arange(12.).view(1, 2, 6)`, split in 3, print head 0.",
        ),
        Misconception(
            "interleaved-heads",
            "Every H-th number goes to a head",
            interleaved,
            "Cut (H·D) into (H, D), not into (D, H): a head owns D neighbours.",
            "Compare head 0 with `x[..., :D]`.",
        ),
        Misconception(
            "heads-not-moved",
            "The heads stay behind the tokens",
            lambda x, n_heads: split(x, n_heads).transpose(1, 2),
            "(B, T, H, D): attention works on the last two axes, so here it would compare heads with heads.",
            "Which two axes should the matrix product see?",
        ),
    ),
)

MERGE = Part(
    "merge_heads",
    merge,
    ("tokens (B, T, H·D)",),
    (
        Case(
            "returns (B, T, H·D)",
            headed,
            "One vector a token again, as wide as all heads together.",
            "Undo the two steps of the split, the last one first.",
            judge=lambda got, x: None,
        ),
        Case(
            "puts the heads of a token side by side",
            headed,
            "The numbers of one token come together, head after head.",
            "Number a tensor (1, 2, 2, 3), merge it, and look for the first token's two heads.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "reshape-only",
            "Tokens and heads are mixed",
            lambda x: x.reshape(x.shape[0], x.shape[2], -1),
            "The shape is right. But without moving the heads back behind the tokens, one vector gets "
            "numbers of several tokens.",
            "Does `merge_heads(split_heads(x, H))` give x back?",
        ),
        Misconception(
            "view-after-transpose",
            "`view` does not work after a transpose",
            lambda x: x.transpose(1, 2).view(x.shape[0], x.shape[2], -1),
            "The idea is right. But transposing moves no numbers, it only counts them in another order; "
            "`view` needs them side by side in memory.",
            "Read the error's last sentence, or look at `flatten`.",
        ),
        Misconception(
            "interleaved-heads",
            "The heads are shuffled together like cards",
            lambda x: x.permute(0, 2, 3, 1).flatten(-2),
            "The numbers alternate between heads. Head 0's D numbers come first, then head 1's.",
            "Merge a tensor that is 0 in head 0 and 1 in head 1.",
        ),
        Misconception(
            "heads-averaged",
            "The heads are averaged",
            lambda x: x.mean(1).repeat(1, 1, x.shape[1]),
            "Each head's finding is kept beside the others; the output matrix decides how to mix them.",
            "Merge a tensor that is 0 in head 0 and 1 in head 1.",
        ),
    ),
)

MULTI = Part(
    "multi_head",
    reference,
    RETURNS,
    (
        Case(
            "returns output (B, T, d_model) and weights (B, H, T, T)",
            matrices,
            "Each head has its own weights; the output is as wide as the input.",
            "Print the shape after each step.",
            judge=lambda got, *_: None,
        ),
        Case(
            "tokens in another order give the same vectors in that order",
            matrices,
            "Without positions, attention does not know the order of its tokens.",
            "Reverse the tokens and compare: which vectors moved?",
            judge=alike,
            call=reversed_tokens,
            names=("output", "output of the reversed tokens"),
        ),
        Case(
            "right without a mask",
            matrices,
            "Project, split, attend in each head with its own width D, merge, project (section 3.2.2).",
            "With n_heads = 1 it must equal plain attention between the projections. Start there.",
            worth=2,
        ),
        Case(
            "right with a mask of shape (B, 1, T, T)",
            matrices_and_mask,
            "All heads share the mask.",
            "Print the weights of one head beside the mask.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "scale-of-the-model",
            "The scale is that of the whole width",
            variant(scale=lambda d_head, d_model: d_model),
            "A head's dot product sums over D = d_model / H numbers, so that is what the root takes.",
            "Print `scores.std()` for 1 and for 8 heads.",
        ),
        Misconception(
            "one-wide-head",
            "There is only one head",
            one_wide_head,
            "All heads share the same weights: the width was not split before the scores.",
            "Print `weights[0, 0]` and `weights[0, 1]`: can two heads look at different tokens?",
        ),
        Misconception(
            "transposed-matrices",
            "The matrices are transposed",
            variant(project=lambda x, w: x @ w.T),
            "This is x Wᵀ, as nn.Linear stores it. The task's matrices are used as in the paper, x W.",
            "Take a matrix with a single 1 off the diagonal and see where it moves a number.",
        ),
        *(
            Misconception(
                f"transposed-{name}",
                f"`{name}` is transposed",
                transposed(i),
                "This is x Wᵀ, as nn.Linear stores it, for one of the four matrices. The task's matrices are "
                "used as in the paper, x W.",
                "Take a matrix with a single 1 off the diagonal and see where it moves a number.",
            )
            for i, name in enumerate(("w_query", "w_key", "w_value", "w_output"))
        ),
        Misconception(
            "no-output-projection",
            "The last projection is missing",
            variant(last=False),
            "Merged heads merely lie side by side. w_output lets them work together.",
            "Does the result change when you change `w_output`?",
        ),
        Misconception(
            "swapped-projections",
            "Keys and values are swapped",
            variant(order=(0, 2, 1)),
            "Scores come from queries and keys; values are what is averaged.",
            "Set `w_value` to zeros: what should the output be?",
        ),
        Misconception(
            "swapped-query-key",
            "Queries and keys are swapped",
            variant(order=(1, 0, 2)),
            "The weights are those of the other direction: who is asking and who is being asked has changed "
            "places.",
            "Print the scores for T = 2 and compute the entry [0, 1] by hand.",
        ),
        Misconception(
            "mask-ignored",
            "The mask is not used",
            variant(masked=False),
            "The output is the same with and without a mask.",
            "Hand the mask on to the attention of the heads.",
        ),
        Misconception(
            "reshape-only",
            "Tokens and heads are mixed when splitting",
            variant(cut=reshaped, join=lambda x: x.reshape(x.shape[0], x.shape[2], -1)),
            "A `reshape` alone gives head 0 the first tokens whole. A head is a slice of every token.",
            "Number the input and print head 0.",
        ),
        Misconception(
            "merge-reshape-only",
            "Tokens and heads are mixed when merging",
            variant(join=lambda x: x.reshape(x.shape[0], x.shape[2], -1)),
            "The weights are right. But the heads must move back behind the tokens before they are laid "
            "side by side.",
            "Does `merge_heads(split_heads(x, H))` give x back?",
        ),
    ),
)

HEADS = Task(
    (SPLIT, MERGE, MULTI),
    (
        "A head is a slice of every token's width. Splitting is two steps: cut the last axis in two, then "
        "move the axis of heads in front of the tokens.",
        "`x.unflatten(-1, (H, D))` cuts, `transpose` moves. Merging undoes both in the opposite order. "
        "Then: project three times, split, attend, merge, project.",
        "Queries, keys and values are `split_heads(x @ w_query, n_heads)` and so on. Call your `attend` (or "
        "the course's `scaled_dot_product_attention`) on the four-dimensional tensors with the mask; it "
        "returns output and weights.",
    ),
    (
        "course_lib.attention.split_heads",
        "course_lib.attention.merge_heads",
        "course_lib.attention.MultiHeadAttention",
        "torch.nn.MultiheadAttention",
        "torch.nn.functional.multi_head_attention_forward",
    ),
)
