"""The five noises of BART and the spans of T5: what each may change, on any row, and how often."""

import itertools
import math
from collections import Counter
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.objectives import (
    document_rotation,
    sentence_permutation,
    span_corruption,
    text_infilling,
    token_deletion,
    token_masking,
)
from course_lib.objectives.denoising import CorruptedBatches, denoise, infilling_spans
from course_lib.objectives.spans import corrupted_spans, restore_spans

MASK = "[MASK]"
ROWS = st.lists(st.sampled_from(["a", "b", "c", ".", "?"]), max_size=40)
RATES = st.floats(0, 1)
SEEDS = st.integers(0, 10_000)
NOISES = [
    partial(token_masking, mask=MASK),
    token_deletion,
    partial(text_infilling, mask=MASK),
    sentence_permutation,
    document_rotation,
]


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def is_subsequence(short, long):
    rest = iter(long)
    return all(token in rest for token in short)


# ---- properties that hold on any row ----


@given(ROWS, RATES, SEEDS)
def test_masking_keeps_the_length_and_every_other_token(row, rate, seed):
    damaged = token_masking(row, MASK, rate, generator=dice(seed))
    assert len(damaged) == len(row)
    assert all(new in (old, MASK) for new, old in zip(damaged, row))


@given(ROWS, RATES, SEEDS)
def test_deletion_keeps_the_order(row, rate, seed):
    assert is_subsequence(token_deletion(row, rate, generator=dice(seed)), row)


@given(ROWS, RATES, st.floats(0.2, 8), SEEDS)
def test_infilling_hides_the_share_and_leaves_the_rest_in_order(row, rate, mean, seed):
    damaged = text_infilling(row, MASK, rate, mean, generator=dice(seed))
    kept = [token for token in damaged if token != MASK]
    assert is_subsequence(kept, row)
    assert abs(len(row) - len(kept) - rate * len(row)) < 1


@given(ROWS, RATES, st.floats(0.2, 8), SEEDS)
def test_infilling_spans_are_in_order_and_do_not_overlap(row, rate, mean, seed):
    spans = infilling_spans(len(row), rate, mean, generator=dice(seed))
    assert all(start + length <= after for (start, length), (after, _) in itertools.pairwise(spans))
    assert all(start >= 0 and start + length <= len(row) for start, length in spans)
    damaged = text_infilling(row, MASK, rate, mean, generator=dice(seed))
    assert damaged.count(MASK) == len(spans)


@given(ROWS, SEEDS)
def test_permutation_loses_nothing_and_keeps_each_sentence_whole(row, seed):
    damaged = sentence_permutation(row, (".", "?"), generator=dice(seed))
    assert Counter(damaged) == Counter(row)

    def sentences(tokens):
        text = "".join(tokens).replace(".", ".|").replace("?", "?|")
        return [s for s in text.split("|") if s]

    whole = sentences(row)
    if whole and whole[-1][-1] in ".?":
        assert Counter(sentences(damaged)) == Counter(whole)


@given(ROWS, SEEDS)
def test_rotation_loses_nothing_and_turning_on_gives_the_row_back(row, seed):
    damaged = document_rotation(row, generator=dice(seed))
    assert len(damaged) == len(row)
    assert not row or any(damaged[i:] + damaged[:i] == row for i in range(len(row)))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60), RATES, st.floats(0.5, 8), SEEDS)
def test_span_corruption_round_trips(row, rate, mean, seed):
    sentinels = list(range(1_000, 1_100))
    read, write = span_corruption(row, sentinels, rate, mean, generator=dice(seed))
    assert restore_spans(read, write, sentinels) == row
    used = [token for token in read if token in sentinels]
    assert used == sentinels[: len(used)]  # in order, each once
    assert [token for token in write if token in sentinels] == sentinels[: len(used) + 1]
    assert write[-1] == sentinels[len(used)]
    # spans never touch: two sentinels side by side could be one
    assert all(not (a in sentinels and b in sentinels) for a, b in itertools.pairwise(read))
    hidden = len(row) - (len(read) - len(used))
    assert hidden == min(max(round(rate * len(row)), 1), len(row) - 1)


@pytest.mark.parametrize("noise", NOISES)
def test_a_list_gives_a_list_a_tensor_a_tensor_and_neither_is_changed(noise):
    if isinstance(noise, partial):
        noise = partial(noise.func, mask=99)
    ids = torch.arange(30)
    damaged = noise(ids, generator=dice(3))
    assert isinstance(damaged, torch.Tensor) and damaged.dtype == ids.dtype
    assert damaged.tolist() == noise(ids.tolist(), generator=dice(3))
    assert ids.tolist() == list(range(30))
    assert noise([], generator=dice(0)) in ([], [99])


@pytest.mark.parametrize("noise", [*NOISES, partial(span_corruption, sentinels=["<0>", "<1>", "<2>"])])
def test_one_string_and_a_table_are_refused(noise):
    with pytest.raises(TypeError, match="one string"):
        noise("a b c d", generator=dice())
    with pytest.raises(ValueError, match="one row"):
        noise(torch.zeros(2, 3), generator=dice())


# ---- how often ----


@pytest.mark.parametrize("noise", [partial(token_masking, mask=-1), token_deletion])
def test_of_100_000_tokens_15_percent_are_chosen(noise):
    row = list(range(100_000))
    hit = len(row) - len(set(noise(row, generator=dice(1))) - {-1})
    assert abs(hit - 15_000) < 4 * math.sqrt(100_000 * 0.15 * 0.85)


def test_lengths_of_infilled_spans_follow_the_poisson_law_the_empty_ones_too():
    spans = infilling_spans(300_000, 0.3, 3.0, generator=dice(2))
    lengths = Counter(min(length, 9) for _, length in spans)
    n = sum(lengths.values())
    law = [math.exp(-3) * 3**k / math.factorial(k) for k in range(9)]
    law.append(1 - sum(law))
    chi = sum((lengths[k] - n * p) ** 2 / (n * p) for k, p in enumerate(law))
    assert chi < 27.88  # 9 degrees of freedom, once in a thousand
    assert sum(length for _, length in spans) == 90_000


def test_short_rows_lose_their_share_on_average():
    lost = [5 - len(text_infilling(list("abcde"), MASK, 0.3, generator=dice(i))) for i in range(2_000)]
    hidden = [sum(length for _, length in infilling_spans(5, 0.3, generator=dice(i))) for i in range(2_000)]
    assert abs(sum(hidden) / 2_000 - 1.5) < 0.05
    assert min(lost) < 0  # an empty span makes the text longer


def test_a_span_can_lie_anywhere_an_empty_one_at_the_end_too():
    seen = {span for i in range(400) for span in infilling_spans(5, 0.3, 1.5, generator=dice(i))}
    assert seen >= {(0, 2), (1, 1), (3, 1), (5, 0)}


def test_orders_and_rotations_are_all_equally_likely():
    row = ["a", ".", "b", ".", "c", "."]
    orders = Counter(tuple(sentence_permutation(row, generator=dice(i))) for i in range(3_000))
    assert len(orders) == 6
    assert sum((n - 500) ** 2 / 500 for n in orders.values()) < 20.52  # 5 degrees of freedom
    turns = Counter(document_rotation(list("abcd"), generator=dice(i))[0] for i in range(3_000))
    assert sum((n - 750) ** 2 / 750 for n in turns.values()) < 16.27  # 3 degrees of freedom


def test_spans_of_t5_lie_anywhere_the_ends_included():
    seen = [corrupted_spans(12, 0.25, 1.5, generator=dice(i)) for i in range(2_000)]
    assert {len(spans) for spans in seen} == {2}
    starts = {spans[0][0] for spans in seen}
    assert starts >= {0, 1, 5} and any(start + n == 12 for spans in seen for start, n in spans)


def test_the_papers_example_can_be_made():
    words = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week"]
    for i in range(20_000):
        read, write = span_corruption(words, ["<X>", "<Y>", "<Z>"], 0.3, 1.5, generator=dice(i))
        if " ".join(read) == "Thank you <X> me to your party <Y> week":
            assert " ".join(write) == "<X> for inviting <Y> last <Z>"
            return
    pytest.fail("Figure 2 of Raffel et al. never came up")


# ---- errors ----


def test_errors_name_the_value_and_the_way_out():
    for noise in (partial(token_masking, mask=MASK), token_deletion, partial(text_infilling, mask=MASK)):
        with pytest.raises(ValueError, match=r"rate is 1\.5.*0 to 1"):
            noise(["a"], rate=1.5)
    with pytest.raises(ValueError, match="mean_span is 0"):
        text_infilling(["a"], MASK, mean_span=0)
    with pytest.raises(ValueError, match="give at least 2"):
        span_corruption(["a"], ["<0>", "<1>"])
    with pytest.raises(ValueError, match="1 sentinels"):
        span_corruption(["a"] * 20, ["<0>"])
    with pytest.raises(ValueError, match="'<0>' stands in the text"):
        span_corruption(["a", "<0>", "b"], ["<0>", "<1>"])


def test_what_a_model_wrote_wrongly_is_put_back_as_far_as_it_goes():
    sentinels = ["<0>", "<1>", "<2>"]
    assert restore_spans(["a", "<0>", "b", "<1>"], ["x", "<1>", "y"], sentinels) == ["a", "b", "y"]
    assert restore_spans(["a", "<0>"], ["<0>", "x", "<0>", "z"], sentinels) == ["a", "z"]


# ---- batches ----

TEXTS = [list(range(10, 10 + n)) for n in (3, 7, 7, 8, 12, 5, 9, 4)]


def batches(seed=0, corrupt=None):
    corrupt = corrupt or denoise(partial(text_infilling, mask=5))
    return CorruptedBatches(TEXTS, corrupt, pad_id=0, eos_id=2, batch_size=3, seed=seed)


def test_batches_end_both_sides_and_leave_padding_unscored():
    data = batches(corrupt=denoise(document_rotation))
    seen = []
    for _ in range(len(data)):
        batch = next(data)
        for ids, labels in zip(batch["ids"].tolist(), batch["labels"].tolist()):
            ids, labels = [i for i in ids if i != 0], [i for i in labels if i != -100]
            assert ids[-1] == labels[-1] == 2
            assert sorted(ids) == sorted(labels)
            seen.append(labels[:-1])
    assert sorted(seen) == sorted(TEXTS)


def test_each_epoch_damages_anew_and_resuming_gives_the_same_damage():
    data = batches()
    first = {tuple(row) for _ in range(len(data)) for row in next(data)["ids"].tolist()}
    state = data.state_dict()
    second = [next(data)["ids"] for _ in range(len(data))]
    assert first != {tuple(row) for ids in second for row in ids.tolist()}
    other = batches()
    other.load_state_dict(state)
    for ids in second:
        torch.testing.assert_close(next(other)["ids"], ids)
    with pytest.raises(ValueError, match="changed with seed 1"):
        batches(seed=1).load_state_dict(state)


def test_noises_can_be_put_one_after_the_other():
    corrupt = denoise(partial(sentence_permutation, stops=(9,)), partial(token_masking, mask=-1, rate=1.0))
    read, write = corrupt([1, 9, 2, 9], dice())
    assert read == [-1] * 4 and write == [1, 9, 2, 9]
