"""What the checks of unit 06 hold for right agrees with the library, by way of whole models."""

import gzip
import math

import pytest
import torch

from course_lib.attention import scaled_dot_product_attention
from course_lib.generation import filter_logits, generate
from course_lib.grading import (
    unit06_bits,
    unit06_cache,
    unit06_design,
    unit06_forward,
    unit06_inputs,
    unit06_loss,
    unit06_nucleus,
    unit06_sampling,
)
from course_lib.metrics import bits_per_byte
from course_lib.models import GPT, GPTConfig
from course_lib.objectives import causal_lm_loss


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(6)


@pytest.fixture
def gpt():
    """A small GPT-1 whose weights are large enough to matter."""
    torch.manual_seed(6)
    sizes = {"vocab_size": 37, "d_model": 24, "n_layers": 3, "n_heads": 4, "max_positions": 12}
    model = GPT(GPTConfig.gpt1(**sizes)).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape)
    return model


def test_the_loss_is_the_librarys(generator):
    logits, ids, real = unit06_loss.padded_sentences(generator)
    assert not real.all()
    expected = causal_lm_loss(logits, ids, real)
    torch.testing.assert_close(unit06_loss.reference(logits, ids, real), expected)
    torch.testing.assert_close(unit06_loss.loss_like()(logits, ids, real), expected)


def test_attention_to_the_past_is_the_librarys_under_a_triangle(generator):
    given = unit06_forward.heads_of_tokens(generator)
    mask = unit06_forward.past(given[0].shape[2])
    expected, _ = scaled_dot_product_attention(*given, mask)
    torch.testing.assert_close(unit06_forward.ATTENTION.reference(*given), expected)
    torch.testing.assert_close(unit06_forward.attention_like()(*given), expected)


def test_the_three_equations_are_the_librarys_gpt_1(gpt):
    ids = torch.randint(37, (2, 9))
    blocks = [lambda h, block=block: block(h, causal=True)[0] for block in gpt.blocks]
    tables = gpt.embedding.token.weight, gpt.embedding.position.weight
    with torch.no_grad():
        got = unit06_forward.GPT1.reference(ids, *tables, blocks)
        torch.testing.assert_close(got, gpt(ids).logits.softmax(-1))


def test_bits_per_byte_are_the_librarys_and_those_of_a_text_that_gzip_stored(generator):
    batches, text = unit06_bits.uneven(generator)
    total = sum(mean * count for mean, count in batches)
    assert math.isclose(unit06_bits.MODEL.reference(batches, text), bits_per_byte(total, text))
    assert unit06_bits.GZIP.reference("가나다", lambda data: data) == 8
    assert unit06_bits.GZIP.reference("a" * 1000, gzip.compress) < 0.5


def test_temperature_and_top_k_are_the_librarys(generator):
    logits, temperature, k = unit06_sampling.with_k()(generator)
    expected = filter_logits(logits, temperature, top_k=k).softmax(-1)
    torch.testing.assert_close(unit06_sampling.CHANCES.reference(logits, temperature, k), expected)


def test_a_draw_comes_as_often_as_its_chance(generator):
    chances = torch.tensor([[0.125, 0.5, 0.0, 0.375]]).expand(8000, 4)
    got = unit06_sampling.DRAW.reference(chances, torch.rand(8000, generator=generator))
    shares = torch.bincount(got, minlength=4) / 8000
    torch.testing.assert_close(shares, chances[0], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "make", [unit06_nucleus.spread, unit06_nucleus.sure, unit06_nucleus.by_hand(unit06_nucleus.SUMS_TO)]
)
def test_the_nucleus_is_the_librarys(make, generator):
    chances, p = make(generator)
    expected = filter_logits(chances.log(), top_p=p - 1e-4).softmax(-1)  # log and softmax round
    torch.testing.assert_close(unit06_nucleus.NUCLEUS.parts[0].reference(chances, p), expected)


def test_a_step_with_a_memory_is_attention_over_everything(generator):
    ids, weights = unit06_cache.text_to_read(generator)
    x = weights["tokens"][ids] + weights["positions"][: ids.shape[1]]
    query, key, value = (x @ weights[name] for name in ("query", "key", "value"))
    mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
    expected, _ = scaled_dot_product_attention(query, key, value, mask)
    at_once, in_steps = unit06_cache.whole_and_steps(unit06_cache.step_like(), ids, weights)
    torch.testing.assert_close(at_once, expected)
    torch.testing.assert_close(in_steps, expected)


def test_the_four_inputs_are_those_of_the_papers_figure_1():
    sequences = unit06_inputs.SEQUENCES.reference
    assert sequences("classification", [[7]], 1, 2, 3) == [[1, 7, 3]]
    assert sequences("entailment", [[7, 8], [9]], 1, 2, 3) == [[1, 7, 8, 2, 9, 3]]
    assert sequences("similarity", [[7], [9]], 1, 2, 3) == [[1, 7, 2, 9, 3], [1, 9, 2, 7, 3]]
    assert sequences("choice", [[7], [8], [9]], 1, 2, 3) == [[1, 7, 2, 8, 3], [1, 7, 2, 9, 3]]


def test_greedy_writing_is_the_librarys(gpt):
    ids = torch.randint(37, (2, 4))
    with torch.no_grad():
        got = unit06_design.BUG.reference(lambda ids: gpt(ids).logits, ids, 6, 12)
    assert got.tolist() == generate(gpt, ids, 6).tolist()


def test_the_leak_test_trusts_a_gpt_and_finds_a_mask_that_is_one_off(gpt):
    ids = torch.randint(37, (2, 7))
    one_ahead = torch.ones(7, 7, dtype=torch.bool).tril(1)

    def leaky(ids):
        x, _ = gpt.embed(ids, 0, None)
        for block in gpt.blocks:
            x = block(x, one_ahead)[0]
        return gpt.head(gpt.norm(x))

    with torch.no_grad():
        assert unit06_design.LEAK.reference(leaky, ids, 37)
        assert not unit06_design.LEAK.reference(lambda ids: gpt(ids).logits, ids, 37)
