"""What the checks of unit 10 hold for right agrees with the paper, the library, PyTorch and transformers."""

import pytest
import torch
import torch.nn.functional as F
from transformers import T5Config as HfConfig
from transformers import T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from course_lib.grading import (
    unit10_bias,
    unit10_bug,
    unit10_design,
    unit10_restore,
    unit10_spans,
    unit10_text,
)
from course_lib.models import T5, T5Config
from course_lib.objectives import span_corruption, token_masking
from course_lib.objectives.spans import corrupted_spans, restore_spans

PARTY = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week"]
NAMES = [f"<{i}>" for i in range(99)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(10)


@pytest.fixture(scope="module")
def small_t5():
    """transformers' T5 with random weights, large enough ones that its answers differ."""
    torch.manual_seed(10)
    sizes = {"vocab_size": 40, "d_model": 24, "d_kv": 5, "num_heads": 3, "d_ff": 30, "num_layers": 2}
    model = T5ForConditionalGeneration(HfConfig(**sizes, decoder_start_token_id=0, dropout_rate=0.0)).eval()
    for parameter in model.parameters():
        parameter.data = 0.4 * torch.randn_like(parameter)
    return model


def test_spans_are_those_of_the_papers_figure():
    read, write = unit10_spans.CORRUPT.reference(PARTY, [(2, 2), (8, 1)], ["<X>", "<Y>", "<Z>"])
    assert " ".join(read) == "Thank you <X> me to your party <Y> week"  # Raffel et al. 2020, Figure 2
    assert " ".join(write) == "<X> for inviting <Y> last <Z>"


@pytest.mark.parametrize("seed", range(20))
def test_spans_and_their_way_back_are_the_librarys(seed):
    def dice():
        return torch.Generator().manual_seed(seed)

    tokens = [f"w{i}" for i in range(10 + 7 * seed)]
    spans = corrupted_spans(len(tokens), 0.3, 2.0, generator=dice())
    read, write = unit10_spans.CORRUPT.reference(tokens, spans, NAMES)
    assert (read, write) == span_corruption(tokens, NAMES, 0.3, 2.0, generator=dice())
    assert unit10_restore.RESTORE.reference(read, write, NAMES) == tokens


@pytest.mark.parametrize("case", unit10_restore.RESTORE.cases, ids=lambda case: case.name)
def test_what_a_model_writes_wrongly_is_restored_as_in_the_library(case, generator):
    given = case.inputs(generator)
    assert unit10_restore.RESTORE.reference(*given) == restore_spans(*given)


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize(("n_buckets", "furthest"), [(32, 128), (16, 90), (40, 137)])
def test_buckets_are_those_of_transformers(both_ways, n_buckets, furthest):
    distance = torch.arange(-400, 401)
    theirs = T5Attention._relative_position_bucket(distance, both_ways, n_buckets, furthest)
    assert torch.equal(unit10_bias.BUCKET.reference(distance, n_buckets, furthest, both_ways), theirs)


def test_distances_in_the_checks_have_clear_buckets(generator):
    """No input lies so near an edge that float32 and float64 would disagree."""
    for case in unit10_bias.BUCKET.cases:
        for _ in range(50):
            distance, n_buckets, furthest, both_ways = case.inputs(generator)
            theirs = T5Attention._relative_position_bucket(distance, both_ways, n_buckets, furthest)
            ours = unit10_bias.BUCKET.reference(distance, n_buckets, furthest, both_ways)
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("case", unit10_bias.ATTEND.cases, ids=lambda case: case.name)
def test_attention_is_pytorchs_with_the_bias_as_its_mask(case, generator):
    query, key, value, bias, mask = case.inputs(generator)
    added = bias if mask is None else bias.masked_fill(~mask, -torch.inf)
    theirs = F.scaled_dot_product_attention(query, key, value, added, scale=1.0)
    torch.testing.assert_close(unit10_bias.ATTEND.reference(query, key, value, bias, mask), theirs)


def test_attention_is_a_layer_of_transformers_t5(small_t5, generator):
    layer = small_t5.encoder.block[0].layer[0].SelfAttention
    x = torch.randn(2, 7, 24, generator=generator)
    query, key, value = (part(x).view(2, 7, 3, 5).transpose(1, 2) for part in (layer.q, layer.k, layer.v))
    distance = torch.arange(7)[None, :] - torch.arange(7)[:, None]
    buckets = unit10_bias.BUCKET.reference(distance, 32, 128, True)
    bias = layer.relative_attention_bias(buckets).permute(2, 0, 1)[None]
    ours = unit10_bias.ATTEND.reference(query, key, value, bias).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer.o(ours), layer(x)[0])


def test_shares_are_a_softmax_of_logs_and_the_papers_limits(generator):
    counts, limit, temperature = unit10_text.corpora(cut=True, warm=True)(generator)
    mix = unit10_text.MIX.reference
    logs = counts.clamp(max=limit).log()
    torch.testing.assert_close(mix(counts, limit, temperature), (logs / temperature).softmax(0))
    # section 3.5.2: T = 1 is examples-proportional mixing; as T grows it comes near to equal mixing
    torch.testing.assert_close(mix(counts, 1e9, 1.0), counts / counts.sum())
    torch.testing.assert_close(mix(counts, 1e9, 1e7), torch.full_like(counts, 1 / len(counts)))


@torch.no_grad()
def test_candidates_are_scored_like_labels_of_transformers(small_t5):
    read = torch.tensor([[5, 9, 3, 1]])
    candidates = [[7, 8, 2], [7, 4], [30]]

    def logits_of(ids):
        return small_t5(input_ids=read, labels=torch.tensor([ids])).logits[0]

    losses = [small_t5(input_ids=read, labels=torch.tensor([ids])).loss for ids in candidates]
    log_p = torch.stack([-loss * len(ids) for loss, ids in zip(losses, candidates)])
    q = unit10_text.SHARES.reference(logits_of, candidates)
    torch.testing.assert_close(q, log_p.exp() / log_p.exp().sum())


@torch.no_grad()
def test_the_mended_loss_is_that_of_transformers_and_of_the_library(small_t5):
    read = torch.tensor([[5, 30, 9, 31, 1], [8, 30, 6, 1, 0]])
    write = torch.tensor([[30, 7, 31, 8, 32, 1], [30, 4, 31, 1, 0, 0]])
    labels = write.masked_fill(write == 0, -100)

    def model(read, decoder_ids):
        return small_t5(input_ids=read, attention_mask=read != 0, decoder_input_ids=decoder_ids).logits

    (part,) = unit10_bug.BUG.parts
    ours = part.reference(model, read, write, 0, 1)
    theirs = small_t5(input_ids=read, attention_mask=read != 0, labels=labels).loss
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours, T5.from_hf(small_t5).eval()(read, labels=labels).loss)


def test_the_small_model_of_the_bug_hunt_does_not_see_the_future(generator):
    model = unit10_bug.small_model(generator, 20)
    read, ids = torch.randint(20, (2, 5), generator=generator), torch.randint(20, (2, 6), generator=generator)
    other = torch.cat([ids[:, :4], (ids[:, 4:] + 1) % 20], dim=1)
    torch.testing.assert_close(model(read, ids)[:, :4], model(read, other)[:, :4])
    assert not torch.allclose(model(read, ids)[:, 4:], model(read, other)[:, 4:])


def test_the_numbers_to_predict_are_counted(generator):
    tokens = [f"w{i}" for i in range(512)]
    read, write = span_corruption(tokens, NAMES, generator=generator)
    masked = [token_masking(tokens, "[MASK]", 0.15, generator=generator) for _ in range(300)]
    sides = T5(T5Config(30, d_model=16, d_head=2, d_ff=8))  # T5-small's layers, heads and buckets
    tables = [p.numel() for name, p in sides.named_parameters() if "positions" in name]
    right = unit10_design.NUMBERS.right
    assert abs(right["bert"] - sum(one.count("[MASK]") for one in masked) / 300) < 2  # drawn, so on average
    assert right == {
        "bert": right["bert"],
        "bart": len(tokens),
        "t5": len(write),
        "read": len(read),
        "bias": sum(tables),
    }


@pytest.mark.parametrize("spans", [[(3, 1), (10, 14)], [(4, 9), (16, 1), (20, 8)], [(3, 14), (56, 1)]])
def test_many_plans_will_do(spans):
    tokens = [f"w{i}" for i in range(unit10_design.TOKENS)]
    for plan in (spans, unit10_design.PLAN.reference()):
        read, write = unit10_spans.CORRUPT.reference(tokens, plan, NAMES[: unit10_design.NAMES])
        assert len(write) <= unit10_design.WRITTEN and len(read) <= unit10_design.READ
        for case in unit10_design.PLAN.cases:
            assert case.judge(case.call(lambda plan=plan: plan)) is None, case.name


@pytest.mark.parametrize("hidden", range(12, 24))
@pytest.mark.parametrize("n_spans", range(2, 6))
def test_a_budget_is_kept_or_broken_as_the_lists_say(hidden, n_spans):
    """Counted on the real lists, whatever the faults' arithmetic says."""
    lengths = [hidden - n_spans + 1] + [1] * (n_spans - 1)
    spans, start = [], 3
    for length in lengths:
        spans.append((start, length))
        start += length + 3
    read, write = unit10_spans.CORRUPT.reference(list(range(60)), spans, NAMES)
    assert (unit10_design.written(spans) == "") == (len(write) <= 22)
    assert (unit10_design.read(spans) == "") == (len(read) <= 47)
    assert (unit10_design.names(spans) == "") == (n_spans + 1 <= 4)
    assert (unit10_design.lengths(spans) == "") == (max(lengths) >= 6)
    assert unit10_design.disorder(spans) == unit10_design.context(spans) == ""
