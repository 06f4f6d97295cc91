"""Blocks, norms and embeddings against PyTorch's own and against hand-worked numbers."""

import math

import pytest
import torch
from torch import nn

from course_lib.attention import MultiHeadAttention, causal_mask
from course_lib.embeddings import (
    InputEmbedding,
    RelativePositionBias,
    RotaryEmbedding,
    rotate,
    sinusoidal_positions,
)
from course_lib.layers import Block, FeedForward, RMSNorm, encoder_block


def copy_into_torch(ours: Block, theirs: nn.TransformerEncoderLayer) -> None:
    a = ours.attention
    pairs = {
        "self_attn.in_proj_weight": torch.cat([a.query.weight, a.key.weight, a.value.weight]),
        "self_attn.in_proj_bias": torch.cat([a.query.bias, a.key.bias, a.value.bias]),
    }
    modules = {
        "self_attn.out_proj": a.output,
        "linear1": ours.feed_forward.up,
        "linear2": ours.feed_forward.down,
        "norm1": ours.attention_norm,
        "norm2": ours.feed_forward_norm,
    }
    for name, module in modules.items():
        pairs |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
    theirs.load_state_dict(pairs)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_a_block_equals_torchs_encoder_layer(pre_norm):
    torch.manual_seed(0)
    block = Block(
        MultiHeadAttention(12, 3),
        FeedForward(12, 20, activation="relu"),
        lambda: nn.LayerNorm(12),
        pre_norm=pre_norm,
    )
    theirs = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, norm_first=pre_norm, batch_first=True)
    copy_into_torch(block, theirs)
    x = torch.randn(2, 5, 12)
    output, weights, cross = block(x, causal_mask(5), need_weights=True)
    torch.testing.assert_close(output, theirs(x, src_mask=~causal_mask(5)), atol=2e-6, rtol=0)
    assert weights.shape == (2, 3, 5, 5) and cross is None


def test_encoder_block_is_the_one_of_the_paper():
    torch.manual_seed(0)
    block = encoder_block(12, 3, 20)
    theirs = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, batch_first=True)
    copy_into_torch(block, theirs)
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(block(x)[0], theirs(x), atol=2e-6, rtol=0)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_a_block_with_a_memory_equals_torchs_decoder_layer(pre_norm):
    torch.manual_seed(0)
    block = Block(
        MultiHeadAttention(12, 3),
        FeedForward(12, 20, activation="relu"),
        lambda: nn.LayerNorm(12),
        pre_norm=pre_norm,
        cross_attention=MultiHeadAttention(12, 3),
    )
    theirs = nn.TransformerDecoderLayer(12, 3, 20, dropout=0.0, norm_first=pre_norm, batch_first=True)
    state = {}
    for name, a in {"self_attn": block.attention, "multihead_attn": block.cross_attention}.items():
        state[f"{name}.in_proj_weight"] = torch.cat([a.query.weight, a.key.weight, a.value.weight])
        state[f"{name}.in_proj_bias"] = torch.cat([a.query.bias, a.key.bias, a.value.bias])
        state |= {f"{name}.out_proj.weight": a.output.weight, f"{name}.out_proj.bias": a.output.bias}
    modules = {
        "linear1": block.feed_forward.up,
        "linear2": block.feed_forward.down,
        "norm1": block.attention_norm,
        "norm2": block.cross_norm,
        "norm3": block.feed_forward_norm,
    }
    for name, module in modules.items():
        nn.init.normal_(module.weight)  # norms start alike: make each its own
        nn.init.normal_(module.bias)
        state |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
    theirs.load_state_dict(state)
    x, memory = torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    output, _, cross = block(x, causal=True, memory=memory, need_weights=True)
    expected = theirs(x, memory, tgt_mask=~causal_mask(5))
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
    assert cross.shape == (2, 3, 5, 7)


def test_rms_norm_equals_torchs_and_survives_half_precision():
    x = torch.randn(3, 16) * 5
    ours, theirs = RMSNorm(16, eps=1e-6), nn.RMSNorm(16, eps=1e-6)
    nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))
    assert torch.isfinite(ours.half()(torch.full((1, 16), 1000.0).half())).all()  # 1000² overflows float16


def test_a_gated_feed_forward_is_swiglu():
    torch.manual_seed(0)
    layer = FeedForward(6, 10, activation="silu", gated=True, bias=False)
    x = torch.randn(4, 6)
    gate, up, down = (w.weight for w in (layer.gate, layer.up, layer.down))
    g = x @ gate.T
    torch.testing.assert_close(layer(x), (g * g.sigmoid() * (x @ up.T)) @ down.T)


def test_an_unknown_activation_lists_the_known():
    with pytest.raises(ValueError, match="'swish'.*relu.*silu"):
        FeedForward(4, 8, activation="swish")


def test_sinusoids_equal_the_formula_number_by_number():
    for T, d in [(7, 8), (3, 5), (1, 1)]:
        table = sinusoidal_positions(T, d)
        for t in range(T):
            for i in range(d):
                angle = t / 10_000 ** (2 * (i // 2) / d)
                wave = math.sin(angle) if i % 2 == 0 else math.cos(angle)
                assert table[t, i].item() == pytest.approx(wave, abs=1e-5)


def test_the_input_embedding_adds_token_position_and_segment():
    torch.manual_seed(0)
    layer = InputEmbedding(11, 6, max_positions=5, n_segments=2, position_offset=2)
    ids, segments = torch.tensor([[3, 4, 5]]), torch.tensor([[0, 0, 1]])
    total = layer.token.weight[[3, 4, 5]] + layer.position.weight[[2, 3, 4]] + layer.segment.weight[[0, 0, 1]]
    torch.testing.assert_close(layer(ids, segments)[0], nn.functional.layer_norm(total, (6,), eps=1e-12))
    torch.testing.assert_close(layer(ids), layer(ids, torch.zeros_like(ids)))
    torch.testing.assert_close(layer(ids)[:, 2:], layer(ids[:, 2:], past=2))


def test_too_long_an_input_and_a_foreign_id_are_named():
    layer = InputEmbedding(11, 6, max_positions=5)
    with pytest.raises(ValueError, match="6 tokens.*made for 5"):
        layer(torch.zeros(1, 6, dtype=torch.long))
    with pytest.raises(ValueError, match="token id 11 .*0 to 10"):
        layer(torch.tensor([[1, 11]]))
    with pytest.raises(ValueError, match="token id -100"):
        layer(torch.tensor([[-100, 3]]))


def test_rotary_scores_depend_on_the_distance_only():
    rotary = RotaryEmbedding(8)
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 8).double()
    scores = {}
    for i in range(6):
        for j in range(6):
            turned = [rotate(x, *rotary(torch.tensor([p]))) for x, p in ((q, i), (k, j))]
            scores.setdefault(i - j, []).append((turned[0] * turned[1]).sum().item())
    for same_distance in scores.values():
        assert max(same_distance) - min(same_distance) < 1e-5
    assert len({round(s[0], 4) for s in scores.values()}) == len(scores)  # and distances do differ


def test_rotary_turns_a_pair_by_its_angle():
    """Position 3, the fastest pair turns 3 rad: (1, 0) -> (cos 3, sin 3)."""
    x = torch.zeros(1, 1, 1, 4)
    x[..., 0] = 1.0
    turned = rotate(x, *RotaryEmbedding(4)(torch.tensor([3])))
    expected = torch.tensor([math.cos(3), 0, math.sin(3), 0])
    torch.testing.assert_close(turned[0, 0, 0], expected)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_relative_buckets_equal_t5s(bidirectional):
    from transformers.models.t5.modeling_t5 import T5Attention

    for n_buckets, max_distance in [(32, 128), (8, 20)]:
        ours = RelativePositionBias(2, n_buckets, max_distance, bidirectional)
        distance = torch.arange(-300, 301)
        theirs = T5Attention._relative_position_bucket(distance, bidirectional, n_buckets, max_distance)
        assert torch.equal(ours.bucket(distance), theirs)


def test_relative_bias_of_the_last_queries_is_the_end_of_the_whole():
    bias = RelativePositionBias(2, bidirectional=False)
    torch.testing.assert_close(bias(2, 9), bias(9, 9)[:, :, -2:])
