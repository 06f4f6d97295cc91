"""Masking: who is chosen, what becomes of it, what is scored; against the counts of the paper and another
library's."""

import pytest
import torch

from course_lib.data.batching import Batches, Blocks
from course_lib.objectives.mlm import MaskedBatches, frame, mask_tokens, ordinary_ids
from course_lib.tokenization import WordPiece

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Limits that a right sampler exceeds once in a thousand times (chi-square tables, Fisher & Yates).
LIMIT = {1: 10.83, 2: 13.82, 99: 148.23}


def words(n=995):
    """A vocabulary with the five special tokens in the middle: nobody may take them for the first five."""
    tokens = [f"w{i}" for i in range(n)]
    tokens[7:7] = SPECIAL
    return WordPiece({token: i for i, token in enumerate(tokens)})


TOKENIZER = words()


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def text(*shape, seed=5):
    """Ordinary tokens alone."""
    ordinary = ordinary_ids(TOKENIZER)
    return ordinary[torch.randint(len(ordinary), shape, generator=dice(seed))]


def chi_square(seen, expected):
    return sum((s - e) ** 2 / e for s, e in zip(seen, expected, strict=True))


def fates(ids, inputs, labels, mask_id):
    """How many of the chosen are hidden, swapped, kept."""
    chosen = labels != -100
    hidden = int((inputs[chosen] == mask_id).sum())
    kept = int((inputs[chosen] == ids[chosen]).sum())
    return hidden, int(chosen.sum()) - hidden - kept, kept


@pytest.mark.parametrize("seed", range(3))
def test_of_100_000_tokens_15_percent_are_chosen_and_their_fates_are_80_10_10(seed):
    ids = text(100_000)
    inputs, labels = mask_tokens(ids, TOKENIZER, generator=dice(seed))
    n = int((labels != -100).sum())
    assert chi_square((n, 100_000 - n), (15_000, 85_000)) < LIMIT[1]
    # a random token is the old one once in 995 times, and then looks kept
    random = 0.1 * (1 - 1 / 995)
    assert (
        chi_square(fates(ids, inputs, labels, TOKENIZER.mask_id), (0.8 * n, random * n, (0.2 - random) * n))
        < (LIMIT[2])
    )


def test_a_random_token_is_any_ordinary_one_alike():
    ids = torch.full((200_000,), TOKENIZER.vocab["w0"])
    inputs, labels = mask_tokens(ids, TOKENIZER, rate=1, mask_share=0, random_share=1, generator=dice())
    assert set(inputs.tolist()) == set(ordinary_ids(TOKENIZER).tolist())
    tenths = torch.bincount(inputs, minlength=1000).view(100, 10).sum(1)
    expected = torch.full((1000,), 200_000 / 995)
    expected[[TOKENIZER.vocab[token] for token in SPECIAL]] = 0
    assert chi_square(tenths.tolist(), expected.view(100, 10).sum(1).tolist()) < LIMIT[99]
    assert (labels == ids).all()


def test_places_are_chosen_independently_of_where_they_stand():
    ids = text(400, 100)
    _, labels = mask_tokens(ids, TOKENIZER, generator=dice())
    per_place = (labels != -100).sum(0).double()
    # each is binomial(400, 0.15); their squared deviations over the variance add up to a chi-square of 100
    assert ((per_place - 60) ** 2 / (400 * 0.15 * 0.85)).sum() < LIMIT[99] + 2


def test_special_tokens_and_padding_are_never_chosen_whatever_the_rate():
    special = torch.tensor([TOKENIZER.vocab[token] for token in SPECIAL])
    ids = text(50, 40)
    ids[:, ::3] = special[torch.arange(14) % 5]
    inputs, labels = mask_tokens(ids, TOKENIZER, rate=1.0)
    is_special = torch.isin(ids, special)
    assert torch.equal(inputs[is_special], ids[is_special])
    assert (labels[is_special] == -100).all()
    assert torch.equal(labels[~is_special], ids[~is_special])


def test_what_is_not_chosen_stays_and_is_not_scored():
    ids = text(64, 32)
    before = ids.clone()
    inputs, labels = mask_tokens(ids, TOKENIZER, generator=dice())
    chosen = labels != -100
    assert torch.equal(ids, before)
    assert torch.equal(inputs[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert inputs.shape == labels.shape == ids.shape
    assert inputs.dtype == labels.dtype == torch.int64


def test_the_generator_decides_and_without_one_torch_does():
    ids = text(30, 20)
    one, same, other = (mask_tokens(ids, TOKENIZER, generator=dice(seed)) for seed in (1, 1, 2))
    assert all(map(torch.equal, one, same))
    assert not torch.equal(one[1], other[1])
    torch.manual_seed(3)
    free = mask_tokens(ids, TOKENIZER)
    torch.manual_seed(3)
    assert all(map(torch.equal, free, mask_tokens(ids, TOKENIZER)))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rate": 0}, "rate is 0"),
        ({"rate": 1.5}, "rate is 1.5"),
        ({"mask_share": 0.8, "random_share": 0.3}, "together at most 1"),
        ({"mask_share": -0.1}, "at least 0"),
    ],
)
def test_shares_that_are_no_probabilities_are_refused_by_name(options, named):
    with pytest.raises(ValueError, match=named):
        mask_tokens(text(4, 4), TOKENIZER, **options)


@pytest.mark.parametrize("wrong", [-1, 1000])
def test_an_id_of_another_tokenizer_is_refused(wrong):
    with pytest.raises(ValueError, match="another tokenizer"):
        mask_tokens(torch.tensor([3, wrong]), TOKENIZER)


def test_no_token_at_all_is_no_error():
    inputs, labels = mask_tokens(torch.zeros(0, 5, dtype=torch.long), TOKENIZER)
    assert inputs.shape == labels.shape == (0, 5)


def test_shares_are_those_of_transformers_own_collator():
    """Two samples of 100,000 tokens, tested for one distribution (2 x 4 table: three degrees of freedom)."""
    from tokenizers import Tokenizer, models
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    fast = Tokenizer(models.WordLevel(dict(TOKENIZER.vocab), unk_token="[UNK]"))
    names = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    )
    theirs = DataCollatorForLanguageModeling(PreTrainedTokenizerFast(tokenizer_object=fast, **names))
    ids = text(1000, 102)
    ids[:, 0], ids[:, -1] = TOKENIZER.cls_id, TOKENIZER.sep_id
    special = torch.isin(ids, torch.tensor([TOKENIZER.vocab[token] for token in SPECIAL]))
    torch.manual_seed(0)
    rows = []
    for inputs, labels in (
        theirs.torch_mask_tokens(ids.clone(), special_tokens_mask=special),
        mask_tokens(ids, TOKENIZER, generator=dice()),
    ):
        assert (labels[special] == -100).all()
        parts = fates(ids, inputs, labels, TOKENIZER.mask_id)
        rows.append([*parts, 100_000 - sum(parts)])
    expected = [(a + b) / 2 for a, b in zip(*rows, strict=True)]
    assert sum(chi_square(row, expected) for row in rows) < 16.27


# ---- batches ----


def batches(seed=0, mask_seed=0, **options):
    ids = text(103, 12)
    return MaskedBatches(Batches({"ids": ids}, 10, seed), TOKENIZER, mask_seed, **options)


def take(data, n):
    return [next(data) for _ in range(n)]


def alike(one, other):
    return all(torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a)


def test_every_epoch_hides_other_tokens_of_the_same_text():
    data = batches()
    first, second = ({}, {})
    for epoch in (first, second):
        for batch in take(data, len(data)):
            whole = torch.where(batch["labels"] == -100, batch["ids"], batch["labels"])
            for row, labels in zip(whole.tolist(), batch["labels"], strict=True):
                epoch[tuple(row)] = labels != -100
    assert len(first) == 103
    assert first.keys() == second.keys()
    assert sum(not torch.equal(first[row], second[row]) for row in first) > 80


def test_batches_of_one_epoch_are_not_hidden_alike():
    ids = text(1, 12).repeat(40, 1)
    data = MaskedBatches(Batches({"ids": ids}, 4), TOKENIZER)
    patterns = {tuple((labels != -100).tolist()) for batch in take(data, 10) for labels in batch["labels"]}
    assert len(patterns) > 15


@pytest.mark.parametrize("stop", [1, 7, 11, 15])  # within an epoch, at its end, in the next
def test_it_resumes_exactly_where_it_was_left(stop):
    data = batches()
    take(data, stop)
    state, wanted = data.state_dict(), take(data, 9)
    resumed = batches()
    resumed.load_state_dict(state)
    assert alike(take(resumed, 9), wanted)


def test_what_others_draw_in_between_changes_nothing():
    data, other = batches(), batches()
    wanted = take(data, 5)
    seen = []
    for _ in range(5):
        torch.rand(17)
        seen += take(other, 1)
    assert alike(seen, wanted)


def test_another_seed_hides_other_tokens_and_will_not_resume_this_one():
    data, other = batches(), batches(mask_seed=1)
    assert not alike(take(data, 3), take(other, 3))
    with pytest.raises(ValueError, match="changed with seed 1"):
        other.load_state_dict(data.state_dict())


def test_the_shares_reach_mask_tokens_and_other_columns_come_along():
    columns = {"ids": text(20, 9), "segments": torch.ones(20, 9, dtype=torch.long)}
    data = MaskedBatches(Batches(columns, 20), TOKENIZER, rate=1.0, mask_share=1.0, random_share=0.0)
    batch = next(data)
    assert (batch["ids"] == TOKENIZER.mask_id).all()
    assert batch["segments"].sum() == 180


def test_blocks_are_framed_and_the_frame_is_never_hidden():
    data = MaskedBatches(Blocks(text(500), 8, 6), TOKENIZER, framed=True, rate=1.0)
    batch = next(data)
    assert batch["ids"].shape == (6, 10)
    assert (batch["ids"][:, 0] == TOKENIZER.cls_id).all()
    assert (batch["ids"][:, -1] == TOKENIZER.sep_id).all()
    assert (batch["labels"][:, [0, -1]] == -100).all()


def test_frame_puts_cls_before_and_sep_after():
    framed = frame(torch.tensor([[3, 4], [5, 6]]), TOKENIZER)
    cls, sep = TOKENIZER.cls_id, TOKENIZER.sep_id
    assert framed.tolist() == [[cls, 3, 4, sep], [cls, 5, 6, sep]]
