"""Repeated segments, the scores of heads, switching heads off, and what two layers learn that one cannot."""

import time

import pytest
import torch

from course_lib.heads import attention_only, induction_scores, previous_token_scores, without_heads
from course_lib.models import GPT, GPTConfig, Llama, LlamaConfig
from course_lib.objectives.induction import RepeatedSegments, repeated_segments, times_seen
from course_lib.training import Trainer, seed_everything

LENGTH, VOCAB = 40, 32
LENGTHS = {"shortest": 4, "longest": 16}


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- the data ----


def test_a_row_is_one_segment_of_distinct_tokens_over_and_over():
    ids, lengths = repeated_segments(300, 20, 31, 3, 11, dice())
    assert set(lengths.tolist()) == set(range(3, 12))
    assert ids.min() == 0 and ids.max() == 19
    for row, k in zip(ids.tolist(), lengths.tolist()):
        assert len(set(row[:k])) == k
        assert all(row[t] == row[t - k] for t in range(k, 31))


def test_shots_count_how_often_the_answer_stood_behind_the_same_token():
    ids, lengths = repeated_segments(50, 20, 31, 3, 11, dice(1))
    shots = times_seen(lengths, 31)
    for row, counts in zip(ids.tolist(), shots.tolist()):
        for t in range(1, 31):
            pair = (row[t - 1], row[t])
            assert counts[t] == sum((row[s - 1], row[s]) == pair for s in range(1, t))
        assert counts[0] == 0


def test_only_what_was_seen_is_scored_and_a_seed_gives_the_same_batches():
    one, other = (RepeatedSegments(20, 8, 31, seed=3, shortest=3, longest=11) for _ in range(2))
    first = next(one)
    assert torch.equal(first["ids"], next(other)["ids"])
    assert not torch.equal(first["ids"], next(one)["ids"])
    for row, labels in zip(first["ids"].tolist(), first["labels"].tolist()):
        for t in range(31):
            seen = any((row[s - 1], row[s]) == (row[t - 1], row[t]) for s in range(1, t))
            assert labels[t] == (row[t] if seen else -100)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"vocab_size": 8, "longest": 9}, "segments of 4 to 9 distinct tokens from a vocabulary of 8"),
        ({"vocab_size": 50, "length": 20, "longest": 19}, "not repeated in a row of 20"),
    ],
)
def test_segments_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        repeated_segments(2, **arguments)


# ---- scores ----


def test_a_head_that_always_looks_one_back_scores_one():
    weights = torch.zeros(2, 3, 5, 5)
    weights[:, 0, 0, 0] = 1
    weights[:, 0, range(1, 5), range(4)] = 1  # head 0 looks one back
    weights[:, 1] = torch.eye(5)  # head 1 at itself
    weights[:, 2] = torch.ones(5, 5).tril() / torch.arange(1, 6)[:, None]  # head 2 everywhere
    expected = torch.tensor([[1, 0, (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4]])
    torch.testing.assert_close(previous_token_scores([weights]), expected)


def test_the_induction_score_is_the_weight_behind_earlier_occurrences():
    """By hand: a b a c a. At t = 2 the answer stands at 1; at t = 4 at 1 and 3; b and c never come again."""
    ids = torch.tensor([[7, 1, 7, 2, 7]])
    weights = torch.zeros(1, 2, 5, 5)
    weights[0, 0, 2, 1], weights[0, 0, 4, 1], weights[0, 0, 4, 3] = 0.5, 0.25, 0.5
    weights[0, 1, 2, 0], weights[0, 1, 4, 2], weights[0, 1, 3, 1] = 1.0, 1.0, 1.0
    torch.testing.assert_close(induction_scores([weights], ids), torch.tensor([[(0.5 + 0.75) / 2, 0.0]]))


def test_a_text_without_repetition_has_no_induction_score():
    with pytest.raises(ValueError, match="repeat no token"):
        induction_scores([torch.ones(1, 1, 3, 3) / 3], torch.tensor([[0, 1, 2]]))


# ---- heads switched off ----


@pytest.mark.parametrize("family", ["gpt", "llama"])
def test_a_head_switched_off_adds_nothing(family):
    """The reference: the attention's heads before the output projection, with the head's part left out."""
    seed_everything(0)
    if family == "gpt":
        model = GPT(GPTConfig(VOCAB, d_model=24, n_layers=2, n_heads=3, max_positions=LENGTH)).eval()
    else:
        model = Llama(
            LlamaConfig(VOCAB, d_model=24, n_layers=2, n_heads=6, n_kv_heads=2, d_ff=30, max_positions=LENGTH)
        )
    ids = torch.randint(VOCAB, (2, 9), generator=dice())
    copy = without_heads(model, [(1, 2), (0, 0)])
    d = model.blocks[0].attention.d_head
    hooks = []
    for layer, head in ((1, 2), (0, 0)):

        def drop(module, inputs, head=head):
            heads = inputs[0].clone()
            heads[..., head * d : (head + 1) * d] = 0
            return (heads,)

        hooks.append(model.blocks[layer].attention.output.register_forward_pre_hook(drop))
    with torch.no_grad():
        expected = model(ids).logits
        torch.testing.assert_close(copy(ids).logits, expected)
        for hook in hooks:
            hook.remove()
        assert (model(ids).logits - expected).abs().max() > 1e-3  # the model itself is as it was


def test_a_head_that_is_not_there_cannot_be_switched_off():
    model = GPT(GPTConfig(VOCAB, d_model=24, n_layers=2, n_heads=3, max_positions=LENGTH))
    with pytest.raises(ValueError, match=r"no head \(0, 3\): this model has layers 0 to 1 with heads 0 to 2"):
        without_heads(model, [(0, 3)])


def test_attention_only_leaves_the_sum_of_attentions():
    seed_everything(0)
    model = attention_only(Llama(LlamaConfig(VOCAB, d_model=24, n_layers=1, n_heads=3, d_ff=30)))
    ids = torch.randint(VOCAB, (2, 9), generator=dice())
    block = model.blocks[0]
    x = model.token(ids)
    x, _, _ = block(x, causal=True, rotate=model.embed(ids, 0, None)[1]["rotate"])
    attended, _ = block.attention(
        block.attention_norm(model.token(ids)), causal=True, rotate=model.embed(ids, 0, None)[1]["rotate"]
    )
    torch.testing.assert_close(x, model.token(ids) + attended)


# ---- what is learned ----


def attention_model(n_layers: int, seed: int) -> Llama:
    seed_everything(seed)
    sizes = {"d_model": 64, "n_heads": 4, "d_ff": 1, "max_positions": LENGTH, "rope_base": 100.0}
    return attention_only(Llama(LlamaConfig(VOCAB, n_layers=n_layers, **sizes)))


def trained(n_layers: int, seed: int, steps: int) -> tuple[Llama, float]:
    """The model, and the processor seconds its training took."""
    model = attention_model(n_layers, seed)
    data = RepeatedSegments(VOCAB, 64, LENGTH, seed, **LENGTHS)
    begin = time.process_time()
    Trainer(model, None, data, learning_rate=0.02, optimizer="muon", warmup=20, device="cpu").fit(steps)
    return model, time.process_time() - begin


@torch.no_grad()
def accuracy_of(model: Llama) -> float:
    ids, lengths = repeated_segments(200, VOCAB, LENGTH, **LENGTHS, generator=dice(999))
    right = model(ids).logits[:, :-1].argmax(-1) == ids[:, 1:]
    return right[times_seen(lengths, LENGTH)[:, 1:] > 0].float().mean().item()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_layers_grow_induction_heads_and_one_layer_cannot():
    """Five seeds; two layers in 300 steps, one layer in 600. Switched off, nothing of the ability is left."""
    ids, lengths = repeated_segments(200, VOCAB, LENGTH, **LENGTHS, generator=dice(999))
    chance = (1 / lengths[:, None].expand_as(ids)[times_seen(lengths, LENGTH) > 0]).mean().item()
    held = []
    for seed in range(5):
        two, seconds = trained(2, seed, 300)
        one, seconds_of_one = trained(1, seed, 600)
        with torch.no_grad():
            scores = induction_scores(two(ids, need_weights=True).attentions, ids)
        heads = [(1, h) for h in range(4) if scores[1, h] > 0.2]
        off = accuracy_of(without_heads(two, heads))
        row = (accuracy_of(two), accuracy_of(one), off, seconds, seconds_of_one)
        print(
            f"seed {seed}: two {row[0]:.3f}, one {row[1]:.3f}, off {off:.3f}, {len(heads)} heads, {row[3:]} s"
        )
        held.append(
            row[0] > 0.95 and row[1] < 0.5 and off < chance + 0.05 and max(seconds, seconds_of_one) < 90
        )
    assert sum(held) >= 4
