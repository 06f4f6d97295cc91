"""Batches: nothing lost, nothing twice, little padding, and the same order after an interruption."""

import itertools
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.batching import Batches, Blocks

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def sequences(sizes):
    """Example i is i + 1 repeated."""
    return [[i + 1] * size for i, size in enumerate(sizes)]


@given(sizes=lengths, batch_size=st.integers(1, 9), width=st.integers(1, 12), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_an_epoch_serves_every_example_once_whole_and_with_little_padding(sizes, batch_size, width, seed):
    batches = Batches(
        {"ids": sequences(sizes), "labels": list(range(len(sizes)))}, batch_size, seed, width=width
    )
    for _ in range(2):
        served = []
        for batch in itertools.islice(batches, len(batches)):
            real = (batch["ids"] > 0).sum(1)
            assert len(real) == len(batch["labels"]) <= batch_size
            assert batch["ids"].shape[1] == real.max()
            assert real.max() - real.min() < width
            for row, label, length in zip(batch["ids"], batch["labels"].tolist(), real.tolist()):
                assert row[:length].tolist() == [label + 1] * sizes[label]
                served.append(label)
        assert sorted(served) == list(range(len(sizes)))


@given(
    n=st.integers(20, 300), length=st.integers(1, 10), batch_size=st.integers(1, 9), seed=st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_blocks_touch_and_cover_the_text_but_for_its_ends(n, length, batch_size, seed):
    blocks = Blocks(list(range(n)), length, batch_size, seed)
    for _ in range(2):
        rows = torch.cat([batch["ids"] for batch in itertools.islice(blocks, len(blocks))])
        tokens = rows.flatten().sort().values
        assert torch.equal(
            tokens, torch.arange(tokens[0], tokens[0] + len(tokens))
        )  # each once, without a gap
        assert tokens[0] < length and n - 1 - tokens[-1] < 2 * length - 1
        assert n - len(tokens) < 2 * length
        assert torch.equal(rows, rows[:, :1] + torch.arange(length))


def build(kind, seed=3):
    if kind is Blocks:
        return Blocks(list(range(200)), 7, 4, seed)
    return Batches({"ids": sequences([3, 9, 20, 4, 11, 30, 8, 8, 2, 17] * 3)}, 4, seed)


@pytest.mark.parametrize("kind", [Blocks, Batches])
@given(before=st.integers(0, 40), after=st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_resumed_batches_are_those_of_an_uninterrupted_run(kind, before, after):
    alone, first, second = build(kind), build(kind), build(kind)
    for _ in range(before):
        next(alone), next(first)
    second.load_state_dict(first.state_dict())
    for _ in range(after):
        assert torch.equal(next(second)["ids"], next(alone)["ids"])


@pytest.mark.parametrize("kind", [Blocks, Batches])
def test_epochs_and_seeds_have_orders_of_their_own(kind):
    def epoch(batches):
        return [batch["ids"].tolist() for batch in itertools.islice(batches, len(batches))]

    batches = build(kind)
    first, second = epoch(batches), epoch(batches)
    assert first != second
    assert first != epoch(build(kind, seed=4))
    assert first == epoch(build(kind))


def test_state_is_small_plain_and_refuses_other_data():
    batches = build(Blocks)
    next(batches)
    state = batches.state_dict()
    assert all(type(value) is int for value in state.values())
    with pytest.raises(ValueError, match="have seed 4, the saved ones had 3"):
        build(Blocks, seed=4).load_state_dict(state)
    with pytest.raises(ValueError, match="the saved ones had"):
        Blocks(list(range(1, 201)), 7, 4, 3).load_state_dict(state)  # as many tokens, but others
    with pytest.raises(ValueError, match="the saved ones had None"):
        build(Batches).load_state_dict(state)


def test_labels_are_filled_up_with_what_is_not_scored():
    columns = {"ids": [[5], [6, 7]], "labels": [[5], [6, 7]], "decoder_ids": [[5], [6, 7]]}
    batch = next(Batches(columns, 2, pad={"decoder_ids": 9}))
    short = int((batch["ids"][:, 1] == 0).nonzero())
    assert batch["labels"][short].tolist() == [5, -100]
    assert batch["decoder_ids"][short].tolist() == [5, 9]


def test_columns_keep_together_and_each_is_cut_to_its_own_longest():
    columns = {"ids": [[1], [2, 2]], "labels": [[1] * 5, [2] * 3], "images": torch.tensor([[1.0], [2.0]])}
    batch = next(Batches(columns, 2))
    assert batch["ids"].shape == (2, 2) and batch["labels"].shape == (2, 5)
    assert batch["ids"][:, 0].tolist() == batch["labels"][:, 0].tolist() == batch["images"][:, 0].tolist()


def test_evaluation_goes_through_in_order_and_moves_nothing():
    batches = build(Batches)
    next(batches)
    before = batches.state_dict()
    firsts = [row[0].item() for batch in batches.once() for row in batch["ids"]]
    assert firsts == list(range(1, 31))
    assert batches.state_dict() == before


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match=r"ids of shape \(5,\) hold no two blocks of 3 tokens"):
        Blocks([1, 2, 3, 4, 5], 3, 1)
    with pytest.raises(ValueError, match="batch_size is 0"):
        Blocks(list(range(9)), 3, 0)
    with pytest.raises(ValueError, match="columns of {'ids': 1, 'labels': 2} examples"):
        Batches({"ids": [[1]], "labels": [0, 1]}, 1)


def test_the_order_is_the_same_in_another_process():
    code = (
        "from course_lib.data.batching import Blocks\n"
        "b = Blocks(list(range(500)), 5, 6, seed=11)\n"
        "print([next(b)['ids'].tolist() for _ in range(40)])"
    )
    here = Blocks(list(range(500)), 5, 6, seed=11)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([next(here)["ids"].tolist() for _ in range(40)])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_batches_are_the_same_on_a_gpu():
    on_gpu = Blocks(list(range(200)), 7, 4, 3, device="cuda")
    for _ in range(20):
        batch = next(on_gpu)["ids"]
        assert batch.is_cuda
    again = build(Blocks)
    assert all(torch.equal(next(on_gpu)["ids"].cpu(), b["ids"]) for b in itertools.islice(again, 20, 25))
