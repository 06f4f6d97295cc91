"""Skip-gram against its definitions, written out word by word."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.objectives.skipgram import noise_distribution, skipgram_loss, skipgram_pairs

texts = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=5).filter(
    lambda rows: any(len(row) > 1 for row in rows)
)


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(1, 9))
def test_the_pairs_are_those_of_two_loops_over_each_sentence(sentences, window):
    expected = [
        (centre, sentence[j])
        for sentence in sentences
        for i, centre in enumerate(sentence)
        for j in range(len(sentence))
        if i != j and abs(i - j) <= window
    ]
    assert sorted(map(tuple, skipgram_pairs(sentences, window).tolist())) == sorted(expected)


def test_sentences_may_be_tensors_and_no_pair_crosses_a_border():
    pairs = skipgram_pairs([torch.tensor([1, 2]), torch.tensor([3])], window=5)
    assert pairs.tolist() == [[1, 2], [2, 1]]
    assert pairs.dtype == torch.long


def test_the_noise_lifts_rare_words_by_the_power_of_three_quarters():
    """16 to the 3/4 is 8, 1 stays 1, 81 to the 3/4 is 27: shares of 36."""
    share = noise_distribution(torch.tensor([16, 1, 0, 81]))
    torch.testing.assert_close(share, torch.tensor([8.0, 1.0, 0.0, 27.0]) / 36)


def test_power_one_gives_the_counts_and_zero_gives_all_alike_but_never_an_absent_word():
    counts = torch.tensor([3, 0, 1])
    torch.testing.assert_close(noise_distribution(counts, 1.0), torch.tensor([0.75, 0.0, 0.25]))
    torch.testing.assert_close(noise_distribution(counts, 0.0), torch.tensor([0.5, 0.0, 0.5]))


def test_the_loss_is_equation_4_term_by_term():
    torch.manual_seed(0)
    B, K, d = 3, 4, 5
    centre, neighbour, noise = torch.randn(B, d), torch.randn(B, d), torch.randn(B, K, d)
    total = 0.0
    for b in range(B):
        dot = sum(float(v) * float(u) for v, u in zip(centre[b], neighbour[b], strict=True))
        total -= math.log(1 / (1 + math.exp(-dot)))
        for k in range(K):
            dot = sum(float(v) * float(u) for v, u in zip(centre[b], noise[b, k], strict=True))
            total -= math.log(1 / (1 + math.exp(dot)))
    assert float(skipgram_loss(centre, neighbour, noise)) == pytest.approx(total / B, rel=1e-5)


def test_untrained_vectors_of_zero_cost_log_two_a_term():
    zero = torch.zeros(2, 3)
    assert float(skipgram_loss(zero, zero, torch.zeros(2, 5, 3))) == pytest.approx(6 * math.log(2))


def test_a_far_off_pair_gives_a_finite_loss_and_gradient():
    centre = torch.full((1, 4), 100.0, requires_grad=True)
    loss = skipgram_loss(centre, -centre.detach(), centre.detach()[:, None])
    loss.backward()
    assert loss.isfinite() and centre.grad.isfinite().all() and centre.grad.any()


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="window is 0"):
        skipgram_pairs([[1, 2]], 0)
    with pytest.raises(ValueError, match="no neighbour"):
        skipgram_pairs([[1], []], 2)
    with pytest.raises(ValueError, match="counts"):
        noise_distribution(torch.tensor([1, -1]))
    with pytest.raises(ValueError, match="counts"):
        noise_distribution(torch.zeros(3))
    with pytest.raises(ValueError, match=r"\(B, K, d\)"):
        skipgram_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3))
