"""Who sees what: the future, padding and caches, for every model, shape and mask."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_twins import random_weights
from torch import Tensor

from course_lib.models import (
    GPT,
    T5,
    Bart,
    BartConfig,
    Bert,
    BertConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    T5Config,
)

V = 29
SIZES = {"vocab_size": V, "d_model": 12, "n_layers": 2, "n_heads": 2, "d_ff": 15}
DECODERS = {
    "gpt1": lambda: GPT(GPTConfig.gpt1(**SIZES, max_positions=40)),
    "gpt2": lambda: GPT(GPTConfig(**SIZES, max_positions=40)),
    "gpt_banded": lambda: GPT(GPTConfig(**SIZES, max_positions=40, band=3)),
    "llama": lambda: Llama(LlamaConfig(**{**SIZES, "n_heads": 6, "n_kv_heads": 2}, max_positions=40)),
    "llama_tied": lambda: Llama(LlamaConfig(**SIZES, max_positions=40, tied=True)),
}
ENCODERS = {
    "bert": lambda: Bert(BertConfig(**SIZES, max_positions=40, mlm=True)),
    "roberta": lambda: Bert(BertConfig.roberta(**SIZES, max_positions=40, mlm=True)),
}
BOTH = {
    "bart": lambda: Bart(BartConfig(**SIZES, max_positions=40)),
    "t5": lambda: T5(T5Config(**SIZES, d_head=5, n_buckets=8, max_distance=10)),
    "t5_gated": lambda: T5(T5Config.v1_1(**SIZES, d_head=5, n_buckets=8, max_distance=10)),
}
MADE = {}


def get(name: str):
    if name not in MADE:
        MADE[name] = random_weights((DECODERS | ENCODERS | BOTH)[name](), 3)
    return MADE[name]


def random_ids(data: st.DataObject, B: int, T: int) -> Tensor:
    """Ids that are never padding."""
    torch.manual_seed(data.draw(st.integers(0, 2**31)))
    return torch.randint(4, V, (B, T))


def changed_from(ids: Tensor, t: int) -> Tensor:
    """Other tokens at t and after."""
    other = ids.clone()
    other[:, t:] = 4 + (ids[:, t:] - 4 + torch.randint(1, V - 4, ids[:, t:].shape)) % (V - 4)
    return other


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


many = settings(max_examples=15, deadline=None)
draw_T, draw_B, draw_flag = st.integers(2, 12), st.integers(1, 3), st.booleans()


@pytest.mark.parametrize("name", DECODERS)
@many
@given(draw_B, draw_T, draw_flag, st.data())
@torch.no_grad()
def test_a_decoder_does_not_see_the_future(name, B, T, need_weights, data):
    model, ids = get(name), random_ids(data, B, T)
    t = data.draw(st.integers(0, T - 1))
    before = model(ids, need_weights=need_weights)
    after = model(changed_from(ids, t), need_weights=need_weights)
    torch.testing.assert_close(before.logits[:, :t], after.logits[:, :t], rtol=0, atol=1e-6)
    assert (before.hidden != after.hidden)[:, t:].any(dim=-1).all()


@pytest.mark.parametrize("name", ENCODERS | BOTH)
@many
@given(draw_B, draw_T, draw_flag, st.data())
@torch.no_grad()
def test_an_encoder_sees_all_of_the_text_everywhere(name, B, T, need_weights, data):
    model, ids = get(name), random_ids(data, B, T)
    encode = getattr(model, "encode", model)
    t = data.draw(st.integers(0, T - 1))
    before = encode(ids, need_weights=need_weights).hidden
    after = encode(changed_from(ids, t), need_weights=need_weights).hidden
    assert (before != after).any(dim=-1).all()


@pytest.mark.parametrize("name", BOTH)
@many
@given(draw_B, draw_T, draw_T, draw_flag, st.data())
@torch.no_grad()
def test_a_decoder_with_a_memory_sees_the_past_and_the_memory(name, B, S, T, need_weights, data):
    model, ids, decoder_ids = get(name), random_ids(data, B, S), random_ids(data, B, T)
    t, s = data.draw(st.integers(0, T - 1)), data.draw(st.integers(0, S - 1))
    before = model(ids, decoder_ids, need_weights=need_weights).logits
    after = model(ids, changed_from(decoder_ids, t), need_weights=need_weights).logits
    torch.testing.assert_close(before[:, :t], after[:, :t], rtol=0, atol=1e-6)
    assert (before != after)[:, t:].any(dim=-1).all()
    elsewhere = model(changed_from(ids, s), decoder_ids, need_weights=need_weights).logits
    assert (before != elsewhere).any(dim=-1).all()


@pytest.mark.parametrize("name", DECODERS)
@many
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 4), draw_flag, st.data())
def test_padding_on_the_left_changes_nothing_in_a_decoder(name, lengths, extra, need_weights, data):
    model, T = get(name), max(lengths) + extra
    ids = random_ids(data, len(lengths), T)
    mask = torch.arange(T) >= T - torch.tensor(lengths)[:, None]
    together = model(ids, mask, need_weights=need_weights)
    assert together.hidden.isfinite().all()
    losses = []
    for b, length in enumerate(lengths):
        row = ids[b : b + 1, T - length :]
        same(together.logits[b, T - length :], model(row).logits[0])
        if length > 1:
            losses += [model(row, labels=row).loss] * (length - 1)
    if losses:  # the labels of padding are ignored, and padding predicts nothing
        model.zero_grad()
        loss = model(ids, mask, labels=ids).loss
        same(loss, torch.stack(losses).mean())
        loss.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ENCODERS | BOTH)
@many
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 4), draw_flag, st.data())
def test_padding_on_the_right_changes_nothing_in_an_encoder(name, lengths, extra, need_weights, data):
    model, T = get(name), max(lengths) + extra
    encode = getattr(model, "encode", model)
    ids = random_ids(data, len(lengths), T)
    for b, length in enumerate(lengths):
        ids[b, length:] = model.config.pad_id
    together = encode(ids, need_weights=need_weights).hidden
    for b, length in enumerate(lengths):
        same(together[b, :length], encode(ids[b : b + 1, :length]).hidden[0])


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_no_masked_token_loss(name):
    model = get(name)
    ids, pad_id = torch.tensor([[5, 9, 7]]), model.config.pad_id
    labels = torch.tensor([[-100, 8, 6]])
    padded = torch.cat([ids, torch.full((1, 4), pad_id)], dim=1)
    padded_labels = torch.cat([labels, torch.full((1, 4), -100)], dim=1)
    same(model(ids, labels=labels).loss, model(padded, labels=padded_labels).loss)


@pytest.mark.parametrize("name", BOTH)
@many
@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=3), st.data())
@torch.no_grad()
def test_padding_changes_nothing_in_an_encoder_decoder(name, lengths, data):
    model, B = get(name), len(lengths)
    S, T = (max(column) + 2 for column in zip(*lengths, strict=True))
    ids, labels = random_ids(data, B, S), random_ids(data, B, T)
    for b, (s, t) in enumerate(lengths):
        ids[b, s:], labels[b, t:] = model.config.pad_id, -100
    together = model(ids, model.shift_right(labels)).logits
    losses = []
    for b, (s, t) in enumerate(lengths):
        alone = model(ids[b : b + 1, :s], labels=labels[b : b + 1, :t])
        same(together[b, :t], alone.logits)
        losses += [alone.loss] * t
    same(model(ids, labels=labels).loss, torch.stack(losses).mean())


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("name", ENCODERS | BOTH)
def test_a_row_of_padding_alone_gives_numbers(name, need_weights):
    model = get(name)
    ids = torch.tensor([[5, 6, 7], [model.config.pad_id] * 3])
    encode = getattr(model, "encode", model)
    out = encode(ids, need_weights=need_weights)
    assert out.hidden.isfinite().all()
    model.zero_grad()
    out.hidden[0].square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


# ---- caches ----


@pytest.mark.parametrize("name", DECODERS)
@many
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4), st.lists(st.integers(1, 3), max_size=4), st.data()
)
@torch.no_grad()
def test_cached_decoding_equals_uncached(name, lengths, steps, data):
    model, prompt = get(name), max(lengths)
    ids = random_ids(data, len(lengths), prompt + sum(steps))
    padded = data.draw(st.booleans())
    mask = torch.arange(prompt) >= prompt - torch.tensor(lengths)[:, None] if padded else None
    cache, done = model.new_cache(), prompt
    logits = [model(ids[:, :prompt], mask, cache=cache).logits]
    for step in steps:
        assert cache.length == done
        new = ids[:, done : done + step]
        logits.append(model(new, cache=cache, need_weights=data.draw(st.booleans())).logits)
        done += step
    whole = mask if mask is None else torch.cat([mask, mask.new_ones(len(ids), sum(steps))], dim=1)
    expected = model(ids, whole).logits
    real = torch.ones_like(ids, dtype=torch.bool) if whole is None else whole
    same(torch.cat(logits, dim=1)[real], expected[real])


@pytest.mark.parametrize("name", BOTH)
@many
@given(draw_B, draw_T, st.lists(st.integers(1, 3), min_size=1, max_size=5), st.data())
@torch.no_grad()
def test_cached_decoding_from_a_memory_equals_uncached(name, B, S, steps, data):
    model, ids, decoder_ids = get(name), random_ids(data, B, S), random_ids(data, B, sum(steps))
    ids[0, 1:] = model.config.pad_id
    memory, memory_mask = model.encode(ids).hidden, ids != model.config.pad_id
    cache, logits, done = model.new_cache(), [], 0
    for step in steps:
        new = decoder_ids[:, done : done + step]
        logits.append(model.decode(new, memory, memory_mask, cache=cache).logits)
        done += step
    same(torch.cat(logits, dim=1), model(ids, decoder_ids).logits)


@pytest.mark.parametrize("name", DECODERS)
@torch.no_grad()
def test_a_continuation_is_scored_behind_a_cached_prefix_as_in_the_whole_text(name):
    model, ids = get(name), torch.randint(4, V, (2, 8))
    mask = torch.arange(8) >= torch.tensor([[0], [2]])
    labels = ids.clone()
    labels[:, :6] = -100  # of the continuation 5, 6, 7 the last two are predicted from within
    cache = model.new_cache()
    model(ids[:, :5], mask[:, :5], cache=cache)
    out = model(ids[:, 5:], cache=cache, labels=ids[:, 5:])
    whole = model(ids, mask, labels=labels)
    same(out.loss, whole.loss)
    same(out.logits, whole.logits)


@pytest.mark.parametrize("name", DECODERS)
@torch.no_grad()
def test_selected_rows_go_on_as_if_they_had_always_been_there(name):
    model = get(name)
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
    mask = torch.tensor([[True] * 4, [False] + [True] * 3, [False] * 2 + [True] * 2])
    cache, rows = model.new_cache(), torch.tensor([2, 0, 2, 1])
    model(ids, mask, cache=cache)
    cache.select(rows)
    new = torch.tensor([[17], [18], [19], [20]])
    whole = torch.cat([ids[rows], new], dim=1)
    expected = model(whole, torch.cat([mask[rows], torch.ones_like(new, dtype=torch.bool)], dim=1))
    same(model(new, cache=cache).logits[:, 0], expected.logits[:, -1])


@pytest.mark.parametrize("name", BOTH)
@torch.no_grad()
def test_selected_rows_keep_their_memory(name):
    model = get(name)
    ids, first = torch.tensor([[5, 6, 7], [9, 10, 11]]), torch.tensor([[4, 8], [4, 13]])
    mask, rows, new = (
        torch.ones_like(ids, dtype=torch.bool),
        torch.tensor([1, 1, 0]),
        torch.tensor([[17], [18], [19]]),
    )
    memory, cache = model.encode(ids).hidden, model.new_cache()
    model.decode(first, memory, mask, cache=cache)
    cache.select(rows)
    expected = model(ids[rows], torch.cat([first[rows], new], dim=1)).logits[:, -1]
    same(model.decode(new, memory[rows], mask[rows], cache=cache).logits[:, 0], expected)


# ---- only what is needed ----


@pytest.mark.parametrize("name", DECODERS | ENCODERS | BOTH)
def test_logits_are_computed_only_where_a_label_is(name):
    model = get(name)
    seen = []
    head, model.head = model.head, lambda hidden: seen.append(hidden.shape) or head(hidden)
    try:
        ids = torch.randint(4, V, (2, 5))
        labels = torch.full_like(ids, -100)
        labels[0, 2] = labels[1, 4] = labels[1, 3] = 7
        out = model(ids, labels=labels)
    finally:
        del model.head
    assert seen == [(3, 12)] and out.logits.shape == (3, V)


@pytest.mark.parametrize("name", DECODERS)
def test_the_last_logits_can_be_had_alone(name):
    ids = torch.randint(4, V, (2, 5))
    same(get(name)(ids, last_only=True).logits, get(name)(ids).logits[:, -1:])


@pytest.mark.parametrize("name", DECODERS | ENCODERS)
def test_no_label_at_all_gives_a_loss_of_zero_not_nan(name):
    ids = torch.randint(4, V, (2, 5))
    loss = get(name)(ids, labels=torch.full_like(ids, -100)).loss
    loss.backward()
    assert loss.item() == 0


# ---- GPT-3's bands, GPT-2's initialisation ----


@torch.no_grad()
def test_every_second_layer_of_a_banded_gpt_sees_a_band():
    """Brown et al. 2020, section 2.1: alternating dense and locally banded layers."""
    model = random_weights(GPT(GPTConfig(**{**SIZES, "n_layers": 4}, max_positions=40, band=3)), 0)
    ids = torch.randint(V, (1, 7))
    distance = torch.arange(7)[:, None] - torch.arange(7)
    for i, weights in enumerate(model(ids, need_weights=True).attentions):
        visible = (distance >= 0) & ((distance < 3) if i % 2 else True)
        assert torch.equal(weights[0, 0] > 0, visible)


def test_residual_projections_start_smaller_the_deeper_a_gpt2_is():
    """Radford et al. 2019, section 2.3: by 1/√N for N residual parts; two parts a layer."""
    torch.manual_seed(0)
    deep = GPT(GPTConfig(vocab_size=V, d_model=96, n_layers=8, n_heads=2))
    for block in deep.blocks:
        assert block.attention.output.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
        assert block.feed_forward.down.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
        assert block.feed_forward.up.weight.std().item() == pytest.approx(0.02, rel=0.05)


# ---- errors that help ----


@pytest.mark.parametrize("name", DECODERS | ENCODERS | {"bart": BOTH["bart"]})
def test_too_long_a_text_is_refused_with_the_way_out(name):
    model = get(name)
    with pytest.raises(ValueError, match="41 tokens; this model was made for 40: shorten"):
        getattr(model, "encode", model)(torch.full((1, 41), 5))


@pytest.mark.parametrize("name", DECODERS | ENCODERS | BOTH)
def test_an_id_outside_the_vocabulary_is_named(name):
    model = get(name)
    with pytest.raises(ValueError, match="token id 99"):
        getattr(model, "encode", model)(torch.tensor([[5, 99]]))


def test_a_mask_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"mask of shape \(1, 3\)"):
        get("gpt2")(torch.tensor([[5, 6]]), torch.ones(1, 3, dtype=torch.bool))


def test_unknown_sizes_and_contradicting_heads_are_refused():
    with pytest.raises(ValueError, match="small, medium, large, xl"):
        GPTConfig.gpt2("huge")
    with pytest.raises(ValueError, match="switch mlm and nsp off"):
        BertConfig(mlm=True, n_labels=2)
    with pytest.raises(ValueError, match="pooler=True"):
        BertConfig(nsp=True, pooler=False)
    with pytest.raises(ValueError, match="mlm=True"):
        Bert(BertConfig(**SIZES)).head(torch.zeros(1, 12))
    with pytest.raises(ValueError, match="give decoder_ids, or labels"):
        get("t5")(torch.tensor([[5]]))
