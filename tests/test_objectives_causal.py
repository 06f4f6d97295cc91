"""The next-token loss, against transformers' and by hand."""

import math

import pytest
import torch

from course_lib.objectives import causal_lm_loss


def some(B=3, T=7, V=11, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, T, V, generator=generator), torch.randint(V, (B, T), generator=generator)


def test_it_is_transformers_loss():
    from transformers.loss.loss_utils import ForCausalLMLoss

    logits, ids = some()
    torch.testing.assert_close(causal_lm_loss(logits, ids), ForCausalLMLoss(logits, ids, vocab_size=11))


def test_with_padding_it_is_transformers_loss_with_the_padding_labelled_minus_100():
    from transformers.loss.loss_utils import ForCausalLMLoss

    logits, ids = some()
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3, [False] * 2 + [True] * 5])
    wanted = ForCausalLMLoss(logits, ids.masked_fill(~mask, -100), vocab_size=11)
    torch.testing.assert_close(causal_lm_loss(logits, ids, mask), wanted)


def test_it_is_the_mean_written_out():
    logits, ids = some(B=1, T=3, V=2)
    parts = [-math.log(logits[0, t].softmax(-1)[ids[0, t + 1]]) for t in range(2)]
    assert math.isclose(causal_lm_loss(logits, ids).item(), sum(parts) / 2, rel_tol=1e-6)


def test_the_last_position_and_the_first_token_do_not_count():
    logits, ids = some()
    loss = causal_lm_loss(logits, ids)
    changed, other = logits.clone(), ids.clone()
    changed[:, -1] += 5 * torch.randn(3, 11)
    other[:, 0] = (other[:, 0] + 1) % 11
    assert causal_lm_loss(changed, other) == loss


def test_knowing_nothing_costs_the_logarithm_of_the_vocabulary():
    _, ids = some(V=11)
    assert math.isclose(causal_lm_loss(torch.zeros(3, 7, 11), ids).item(), math.log(11), rel_tol=1e-6)


def test_padding_has_no_gradient():
    logits, ids = some()
    mask = torch.ones(3, 7, dtype=torch.bool)
    mask[1, 4:] = False
    logits.requires_grad_()
    causal_lm_loss(logits, ids, mask).backward()
    assert (logits.grad[1, 3:] == 0).all()  # position 3 would be scored on the padding after it
    assert (logits.grad[1, :3] != 0).any(-1).all()


def test_half_precision_is_summed_in_float32():
    logits, ids = some()
    loss = causal_lm_loss(logits.bfloat16(), ids)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, causal_lm_loss(logits.bfloat16().float(), ids))


@pytest.mark.parametrize("cut", [(slice(None), slice(1)), (slice(None), slice(None, -1))])
def test_labels_shifted_beforehand_are_refused(cut):
    logits, ids = some()
    with pytest.raises(ValueError, match="do not shift"):
        causal_lm_loss(logits, ids[cut])


def test_a_single_token_has_no_next_one():
    logits, ids = some(T=1)
    with pytest.raises(ValueError, match="at least two tokens"):
        causal_lm_loss(logits, ids)
