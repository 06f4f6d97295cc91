"""Dropout against what its definition says about shares, scales and gradients."""

import pytest
import torch

from course_lib.attention import MultiHeadAttention
from course_lib.dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1_000_003,), (101, 103, 97)])
def test_the_share_dropped_is_p_and_the_mean_stays(p, shape):
    torch.manual_seed(0)
    y = dropout(torch.ones(shape, dtype=torch.float64), p)
    n = y.numel()
    share = (y == 0).double().mean().item()
    assert abs(share - p) < 5 * (p * (1 - p) / n) ** 0.5 + 2**-17  # five standard deviations
    kept = y[y != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - p)), rtol=2**-12)


def test_neighbours_are_dropped_independently():
    """One drawn number serves four elements: they must not know of each other."""
    torch.manual_seed(0)
    zero = (dropout(torch.ones(400_000, 4), 0.3) == 0).double()
    centred = zero - zero.mean(dim=0)
    correlation = centred.T @ centred / len(zero) / 0.21
    assert (correlation - torch.eye(4)).abs().max() < 5 / 400_000**0.5 + 0.005
    assert (zero.mean(dim=0) - 0.3).abs().max() < 0.005


def test_the_gradient_passes_where_the_value_did():
    x = torch.randn(50, 7, requires_grad=True)
    y = dropout(x, 0.4)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x, y)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_nothing_and_everything_can_be_dropped(p):
    x = torch.randn(5, 3)
    assert torch.equal(dropout(x, p), x * (1 - p))


def test_evaluation_changes_nothing_and_a_seed_repeats():
    x, layer = torch.randn(9, 5), Dropout(0.5)
    assert layer.eval()(x) is x
    layer.train()
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(first, layer(x))
    assert layer(x.bfloat16()).dtype == torch.bfloat16


def test_attention_drops_weights_but_shows_them_whole():
    torch.manual_seed(0)
    attention, x = MultiHeadAttention(12, 3, dropout=0.5), torch.randn(2, 7, 12)
    torch.manual_seed(2)
    shown, weights = attention(x, causal=True)
    torch.manual_seed(2)
    quick, nothing = attention(x, causal=True, need_weights=False)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 3, 7))
    torch.testing.assert_close(shown, quick)
    assert nothing is None
    assert not torch.allclose(shown, attention.eval()(x, causal=True)[0])
