"""What the checks of unit 07 hold for right agrees with the library, PyTorch and the published numbers."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import metrics
from course_lib.attention import MultiHeadAttention, banded_mask, causal_mask, permutation_mask, prefix_mask
from course_lib.embeddings import RotaryEmbedding, rotate
from course_lib.grading import (
    unit07_bits,
    unit07_block,
    unit07_bug,
    unit07_cloze,
    unit07_count,
    unit07_design,
    unit07_groups,
    unit07_masks,
    unit07_modern,
    unit07_perplexity,
    unit07_predict,
    unit07_words,
)
from course_lib.layers import Block, FeedForward, RMSNorm
from course_lib.models import GPT, GPTConfig, Llama, LlamaConfig


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


def shaken(module):
    """The module with all its numbers random, so that no two norms are alike."""
    generator = torch.Generator().manual_seed(8)
    for parameter in module.parameters():
        parameter.data = 0.5 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


def attend(block):
    return lambda x: block.attention(x, causal=True)[0]


@pytest.mark.parametrize("pre_norm", [False, True])
def test_both_blocks_are_the_librarys(pre_norm, generator):
    norm = partial(nn.LayerNorm, 12)
    block = shaken(Block(MultiHeadAttention(12, 3), FeedForward(12, 20), norm, pre_norm=pre_norm))
    x = torch.randn(2, 5, 12, generator=generator)
    part = unit07_block.PRE if pre_norm else unit07_block.POST
    ours = part.reference(x, attend(block), block.feed_forward, block.attention_norm, block.feed_forward_norm)
    torch.testing.assert_close(ours, block(x, causal=True)[0])


def test_logits_around_the_blocks_are_gpts(generator):
    sizes = {"d_model": 12, "n_layers": 3, "n_heads": 3, "max_positions": 9, "dropout": 0.0}
    model = shaken(GPT(GPTConfig(20, **sizes)))
    ids = torch.randint(20, (2, 6), generator=generator)
    blocks = [lambda x, block=block: block(x, causal=True)[0] for block in model.blocks]
    tables = model.embedding.token.weight, model.embedding.position.weight
    ours = unit07_block.LOGITS.reference(ids, *tables, blocks, model.norm)
    torch.testing.assert_close(ours, model(ids).logits)


def test_the_counts_are_those_of_the_models():
    for size, published in (("small", 124_439_808), ("xl", 1_557_611_200)):
        c = GPTConfig.gpt2(size)
        ours = unit07_count.gpt2_reference(c.vocab_size, c.max_positions, c.d_model, c.n_heads, c.n_layers)
        assert ours == GPT.count_parameters(c) == published
    c = LlamaConfig.smollm2()
    ours = unit07_count.llama_reference(c.vocab_size, c.d_model, c.n_heads, c.n_kv_heads, c.n_layers, c.d_ff)
    assert ours == Llama.count_parameters(c) == 134_515_008


def test_the_measures_are_those_of_metrics(generator):
    batches, pad_id = unit07_perplexity.uneven(generator)
    total, n_tokens = 0.0, 0
    for logits, ids in batches:
        labels = ids[:, 1:].masked_fill(ids[:, 1:] == pad_id, -100)
        total += float(F.cross_entropy(logits[:, :-1].mT, labels, reduction="sum"))
        n_tokens += int((labels != -100).sum())
    ours = unit07_perplexity.perplexity_reference(batches, pad_id)
    assert ours == pytest.approx(metrics.perplexity(total, n_tokens), rel=1e-5)
    nats, text = unit07_bits.text_of(unit07_bits.HANGUL)(generator)
    for part, measure in (
        (unit07_bits.PER_BYTE, metrics.bits_per_byte),
        (unit07_bits.PER_CHARACTER, metrics.bits_per_character),
    ):
        assert part.reference(nats, text) == pytest.approx(measure(float(nats.sum()), text), rel=1e-5)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_candidate_and_the_rest_are_scored_like_one_long_word(language, generator):
    logits_of, encode, stories = unit07_cloze.stories(language)(generator)
    for before, candidates, after in stories:
        scores = [
            float(unit07_words.word_reference(logits_of, encode, before, word + after)) for word in candidates
        ]
        assert unit07_cloze.CLOZE.reference(logits_of, encode, before, candidates, after) == scores.index(
            max(scores)
        )


def test_the_words_logits_do_not_see_the_future(generator):
    logits_of = unit07_words.small_model(generator)
    ids = unit07_words.encode("we saw the lighthouse")
    torch.testing.assert_close(logits_of(ids)[:4], logits_of([*ids[:4], 0])[:4])


def test_rms_norm_is_pytorchs_and_the_librarys(generator):
    x, weight, eps = unit07_modern.tiny(generator)
    ours = unit07_modern.RMS.reference(x, weight, eps)
    torch.testing.assert_close(ours, F.rms_norm(x, (len(weight),), weight, eps))
    layer = RMSNorm(len(weight), eps)
    layer.weight.data = weight
    torch.testing.assert_close(ours, layer(x))


def test_rope_is_the_librarys(generator):
    x, positions, base = unit07_modern.heads(generator)
    theirs = rotate(x, *RotaryEmbedding(x.shape[-1], base)(positions))
    torch.testing.assert_close(unit07_modern.ROPE.reference(x, positions, base), theirs)


def test_grouped_attention_is_pytorchs(generator):
    query, key, value, turn, mask = unit07_groups.grouped(turns=True, causal=True)(generator)
    theirs = F.scaled_dot_product_attention(turn(query), turn(key), value, mask, enable_gqa=True)
    ours = unit07_groups.GROUPED.reference(query, key, value, turn, mask)
    torch.testing.assert_close(ours, theirs)


def test_the_masks_are_the_librarys():
    assert torch.equal(unit07_masks.PREFIX.reference(8, 3), prefix_mask(8, 3))
    for own in (False, True):
        order = [3, 0, 4, 1, 2]
        assert torch.equal(unit07_masks.PERMUTATION.reference(order, own), permutation_mask(order, own))
    layers = unit07_masks.LAYERS.reference(4, 8, 3)
    assert torch.equal(layers, torch.stack([causal_mask(8), banded_mask(8, 3)] * 2))


def test_the_mended_block_is_the_librarys(generator):
    feed_forward = FeedForward(12, 20, activation="silu", gated=True, bias=False)
    block = shaken(Block(MultiHeadAttention(12, 3), feed_forward, partial(RMSNorm, 12), pre_norm=True))
    x = torch.randn(2, 5, 12, generator=generator)
    maps = feed_forward.gate, feed_forward.up, feed_forward.down
    norms = block.attention_norm, block.feed_forward_norm
    (part,) = unit07_bug.BUG.parts
    torch.testing.assert_close(part.reference(x, attend(block), *maps, *norms), block(x, causal=True)[0])


def test_the_numbers_to_predict_are_counted():
    right = unit07_predict.RIGHT
    assert right["dense"] == int(causal_mask(1000).sum())
    assert right["banded"] == int(banded_mask(1000, 100).sum())
    c = LlamaConfig.smollm2()
    assert right["cached"] == 2 * c.n_layers * c.n_kv_heads * (c.d_model // c.n_heads)
    torch.manual_seed(0)
    model = GPT(GPTConfig(30, d_model=64, n_layers=12, n_heads=4, max_positions=8))
    ends = torch.cat([block.feed_forward.down.weight.flatten() for block in model.blocks])
    assert right["std"] == round(float(ends.detach().std()), 3)


def test_the_budget_is_just_enough_for_the_reference():
    assert len(unit07_design.RUNS.reference()) == unit07_design.BUDGET
