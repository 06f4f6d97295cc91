"""Attention against PyTorch's own, against the plain loop of its docstring, and against leaks."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention import (
    MultiHeadAttention,
    attention_entropy,
    banded_mask,
    causal_mask,
    fused_attention,
    merge_heads,
    padding_mask,
    permutation_mask,
    prefix_mask,
    scaled_dot_product_attention,
    split_heads,
)
from course_lib.cache import KeyValueCache

B, H, T, S, D, DV = 2, 3, 5, 7, 4, 6
MASK_SHAPES = [None, (T, S), (1, S), (B, 1, 1, S), (B, 1, T, S), (1, H, T, 1), (B, H, T, S)]
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-14}


def random_qkv(dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed)
    shapes = (B, H, T, D), (B, H, S, D), (B, H, S, DV)
    return [torch.randn(s, generator=g, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes]


def random_mask(shape, seed=1):
    if shape is None:
        return None
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask.view(-1, shape[-1])[0] = False  # at least one row with nothing allowed
    return mask


def loop_attention(query, key, value, mask):
    """The docstring's formula on lists, one number at a time."""
    output = []
    for i in range(len(query)):
        allowed = [j for j in range(len(key)) if mask[i][j]]
        score = [sum(a * b for a, b in zip(query[i], key[j])) / math.sqrt(len(query[i])) for j in allowed]
        total = sum(math.exp(s) for s in score)
        weight = [math.exp(s) / total for s in score]
        output.append([sum(w * value[j][d] for w, j in zip(weight, allowed)) for d in range(len(value[0]))])
    return output


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", MASK_SHAPES)
@pytest.mark.parametrize("ours", ["explicit", "fused"])
def test_outputs_and_gradients_equal_torch(dtype, shape, ours):
    mask = random_mask(shape)
    results = []
    for attend in (
        (lambda q, k, v: scaled_dot_product_attention(q, k, v, mask)[0])
        if ours == "explicit"
        else (lambda q, k, v: fused_attention(q, k, v, mask)),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
    ):
        qkv = random_qkv(dtype)
        output = attend(*qkv)
        upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(2), dtype=dtype)
        results.append([output, *torch.autograd.grad(output, qkv, upstream)])
    for mine, theirs in zip(*results):
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine, theirs, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


def test_the_plain_loop_gives_the_same():
    query, key, value = (x.detach()[0, 0] for x in random_qkv(torch.float64))
    mask = random_mask((T, S))
    output, _ = scaled_dot_product_attention(query, key, value, mask)
    by_hand = loop_attention(query.tolist(), key.tolist(), value.tolist(), mask.tolist())
    torch.testing.assert_close(output, torch.tensor(by_hand, dtype=torch.float64), atol=1e-14, rtol=0)


@pytest.mark.parametrize("shape", MASK_SHAPES[1:])
def test_weights_sum_to_one_where_something_is_allowed_and_are_zero_elsewhere(shape):
    query, key, value = random_qkv()
    mask = random_mask(shape).expand(B, H, T, S)
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    allowed = mask.any(-1)
    torch.testing.assert_close(weights.sum(-1), allowed.float())
    assert (weights[~mask] == 0).all()
    assert (~allowed).any() and (output[~allowed] == 0).all()


def test_a_bias_is_added_to_the_scores_before_the_softmax():
    query, key, value = random_qkv(torch.float64)
    bias = torch.randn(1, H, T, S, dtype=torch.float64)
    mask = random_mask((T, S))
    expected = F.scaled_dot_product_attention(
        query, key, value, attn_mask=bias.masked_fill(~mask, -torch.inf), scale=0.7
    )
    explicit, _ = scaled_dot_product_attention(query, key, value, mask, bias=bias, scale=0.7)
    fused = fused_attention(query, key, value, mask, bias=bias, scale=0.7)
    torch.testing.assert_close(explicit, expected, atol=1e-14, rtol=1e-12)
    torch.testing.assert_close(fused, expected, atol=1e-14, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(T=st.integers(1, 9), d=st.integers(1, 8), seed=st.integers(0, 10_000), data=st.data())
def test_what_the_mask_forbids_never_leaks(T, d, seed, data):
    """Change every key and value a query may not see: its output does not move."""
    g = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(T, d, generator=g) for _ in range(3))
    mask = data.draw(
        st.sampled_from(
            [
                causal_mask(T),
                prefix_mask(T, T // 2),
                banded_mask(T, 1 + seed % T),
                permutation_mask(torch.randperm(T, generator=g).tolist(), include_self=bool(seed % 2)),
                torch.rand(T, T, generator=g) < 0.5,
            ]
        )
    )
    before, _ = scaled_dot_product_attention(query, key, value, mask)
    for i in range(T):
        noise = torch.randn(T, d, generator=g).masked_fill(mask[i][:, None], 0) * 100
        after, _ = scaled_dot_product_attention(query, key + noise, value + noise, mask)
        torch.testing.assert_close(after[i], before[i], atol=0, rtol=0)


# ---- masks ----


def test_causal_mask_is_the_lower_triangle_and_counts_the_past():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert causal_mask(2, past=2).tolist() == [[True, True, True, False], [True, True, True, True]]


def test_padding_mask_hides_padding_from_everyone():
    mask = padding_mask(torch.tensor([[5, 6, 0], [7, 0, 0]]), pad_id=0)
    assert mask.shape == (2, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[True, True, False], [True, False, False]]


def test_prefix_mask_reads_the_prefix_both_ways():
    assert prefix_mask(4, 2).int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert torch.equal(prefix_mask(4, 0), causal_mask(4))
    assert prefix_mask(4, 4).all()


def test_permutation_mask_follows_the_order():
    """Order 2, 0, 1: position 2 sees itself, 0 sees 2 and itself, 1 sees all."""
    assert permutation_mask([2, 0, 1]).int().tolist() == [[1, 0, 1], [1, 1, 1], [0, 0, 1]]
    assert permutation_mask([2, 0, 1], include_self=False).int().tolist() == [[0, 0, 1], [1, 0, 1], [0, 0, 0]]
    assert torch.equal(permutation_mask(range(6)), causal_mask(6))


def test_banded_mask_sees_the_last_few():
    assert banded_mask(4, 2).int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert torch.equal(banded_mask(5, 5), causal_mask(5))
    assert torch.equal(banded_mask(5, 99), causal_mask(5))


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: causal_mask(0), "0"),
        (lambda: prefix_mask(4, 5), "5"),
        (lambda: banded_mask(4, 0), "0"),
        (lambda: permutation_mask([0, 0, 1]), r"\[0, 0, 1\]"),
        (lambda: MultiHeadAttention(10, 3), "10 .* 3"),
        (lambda: MultiHeadAttention(12, 6, n_kv_heads=4), "6 .* 4"),
        (lambda: split_heads(torch.zeros(1, 2, 7), 2), "7 .* 2"),
        (lambda: scaled_dot_product_attention(*(torch.zeros(2, n) for n in (3, 4, 4))), "3 .* 4"),
        (
            lambda: scaled_dot_product_attention(torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(5, 3)),
            "4 .* 5",
        ),
    ],
)
def test_bad_input_is_named(call, names):
    with pytest.raises(ValueError, match=names):
        call()


def test_a_mask_of_numbers_is_refused():
    query, key, value = random_qkv()
    with pytest.raises(TypeError, match="float32.*True where attention is allowed"):
        scaled_dot_product_attention(query, key, value, torch.zeros(T, S))


# ---- heads ----


def test_split_and_merge_undo_each_other_and_keep_a_head_together():
    x = torch.arange(2 * 3 * 8).view(2, 3, 8)
    heads = split_heads(x, 4)
    assert heads.shape == (2, 4, 3, 2)
    assert heads[1, 2, 0].tolist() == x[1, 0, 4:6].tolist()  # head 2 owns numbers 4 and 5
    assert torch.equal(merge_heads(heads), x)


def torch_twin(ours: MultiHeadAttention, d_model: int) -> torch.nn.MultiheadAttention:
    theirs = torch.nn.MultiheadAttention(d_model, ours.n_heads, batch_first=True, dtype=torch.float64)
    parts = ours.query, ours.key, ours.value
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    return theirs


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("n_heads", [1, 3, 12])
def test_multi_head_attention_equals_torch(n_heads, cross, need_weights):
    torch.manual_seed(0)
    ours = MultiHeadAttention(12, n_heads).double()
    theirs = torch_twin(ours, 12)
    x = torch.randn(B, T, 12, dtype=torch.float64)
    memory = torch.randn(B, S, 12, dtype=torch.float64) if cross else x
    mask = torch.rand(T, memory.shape[1]) < 0.7
    mask[:, 0] = True  # torch's module gives NaN for a row with nothing allowed
    output, weights = ours(x, memory if cross else None, mask=mask, need_weights=need_weights)
    expected, expected_weights = theirs(x, memory, memory, attn_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(output, expected, atol=1e-13, rtol=0)
    if need_weights:
        torch.testing.assert_close(weights, expected_weights, atol=1e-13, rtol=0)
    else:
        assert weights is None


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_is_the_causal_mask(need_weights):
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2)
    x = torch.randn(B, T, 8)
    padding = torch.ones(B, 1, 1, T, dtype=torch.bool)
    padding[0, ..., 1] = False
    for extra in (None, padding):
        mask = causal_mask(T) if extra is None else causal_mask(T) & extra
        by_mask, _ = attention(x, mask=mask, need_weights=need_weights)
        by_flag, _ = attention(x, mask=extra, causal=True, need_weights=need_weights)
        torch.testing.assert_close(by_flag, by_mask)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
def test_grouped_queries_equal_repeated_keys(n_kv_heads, need_weights):
    torch.manual_seed(0)
    grouped = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads)
    full = MultiHeadAttention(16, 4)
    full.load_state_dict(
        {
            name: p.unflatten(0, (n_kv_heads, -1)).repeat_interleave(4 // n_kv_heads, 0).flatten(0, 1)
            if name.startswith(("key", "value"))
            else p
            for name, p in grouped.state_dict().items()
        }
    )
    x = torch.randn(B, T, 16)
    ours, _ = grouped(x, causal=True, need_weights=need_weights)
    expected, _ = full(x, causal=True)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("pieces", [[1] * 7, [3, 4], [2, 1, 3, 1], [7]])
def test_cached_pieces_give_what_one_pass_gives(pieces, need_weights):
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2)
    x = torch.randn(B, 7, 8)
    with torch.no_grad():
        whole, _ = attention(x, causal=True)
        cache = KeyValueCache()
        parts = [
            attention(part, causal=True, cache=cache, need_weights=need_weights)[0]
            for part in x.split(pieces, dim=1)
        ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert cache.length == 7


def test_a_cache_outgrows_its_first_room_and_keeps_its_content():
    key, value = torch.randn(2, B, H, 300, D)
    cache = KeyValueCache()
    for t in range(300):
        cache.append(key[:, :, t : t + 1], value[:, :, t : t + 1])
    assert torch.equal(cache.key, key) and torch.equal(cache.value, value)
    cache.select(torch.tensor([1, 1, 0]))
    assert torch.equal(cache.key, key[[1, 1, 0]])


def test_cross_attention_reads_its_memory_once():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2)
    x, memory, cache = torch.randn(B, 2, 8), torch.randn(B, S, 8), KeyValueCache()
    with torch.no_grad():
        first, _ = attention(x, memory, cache=cache)
        again, _ = attention(x, torch.zeros_like(memory), cache=cache)  # the cache answers, not the zeros
    torch.testing.assert_close(first, again)
    assert cache.length == S


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(B, T, 8)
    for need_weights in (True, False):
        attention.train()
        a, b = (attention(x, need_weights=need_weights)[0] for _ in range(2))
        assert not torch.allclose(a, b)
        attention.eval()
        a, b = (attention(x, need_weights=need_weights)[0] for _ in range(2))
        assert torch.equal(a, b)


def test_entropy_is_zero_for_one_token_and_log2_for_all_alike():
    weights = torch.tensor([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    torch.testing.assert_close(attention_entropy(weights), torch.tensor([0.0, 2.0, 1.0]))
