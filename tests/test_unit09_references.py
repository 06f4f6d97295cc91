"""What unit 09's checks hold for right agrees with the library, PyTorch, transformers and rouge-score."""

import itertools
import re

import pytest
import torch
import torch.nn.functional as F
from rouge_score.rouge_scorer import RougeScorer

from course_lib.grading import (
    unit09_bug,
    unit09_cross,
    unit09_design,
    unit09_infill,
    unit09_order,
    unit09_predict,
    unit09_rouge,
    unit09_shift,
    unit09_state,
    unit09_words,
)
from course_lib.models import Bart, BartConfig
from course_lib.models.encoder_decoder import shift_right
from course_lib.objectives.denoising import (
    document_rotation,
    infilling_spans,
    sentence_permutation,
    text_infilling,
    token_deletion,
    token_masking,
)

MASK = unit09_infill.MASK
SHAPE = {"vocab_size": 40, "d_model": 12, "max_position_embeddings": 20, "dropout": 0.0}
SIDES = ("encoder", "decoder")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(9)


def dice(seed):
    return torch.Generator().manual_seed(seed)


def only(task):
    """The reference of a task with one part."""
    (part,) = task.parts
    return part.reference


def their_config(**more):
    """A tiny BART as transformers describes it; its pad, start and eos ids are 1, 0 and 2."""
    from transformers import BartConfig as TheirConfig

    sizes = {f"{side}_{name}": n for side in SIDES for name, n in (("layers", 2), ("attention_heads", 3))}
    wide = {f"{side}_ffn_dim": 20 for side in SIDES}
    return TheirConfig(
        **SHAPE,
        **sizes,
        **wide,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
        **more,
    )


@pytest.mark.parametrize("padded", [False, True])
def test_the_shift_is_transformers_and_the_librarys(padded, generator):
    from transformers.models.bart.modeling_bart import shift_tokens_right

    labels, start_id, pad_id = unit09_shift.labels_of(padded)(generator)
    ours = only(unit09_shift.SHIFT)(labels, start_id, pad_id)
    assert torch.equal(ours, shift_tokens_right(labels, pad_id, start_id))
    assert torch.equal(ours, shift_right(labels, start_id, pad_id))


@pytest.mark.parametrize("padded", [False, True])
def test_cross_attention_is_pytorchs(padded, generator):
    x, memory, w_query, w_key, w_value, is_real = unit09_cross.sides(padded)(generator)
    ours = only(unit09_cross.CROSS)(x, memory, w_query, w_key, w_value, is_real)
    theirs = F.scaled_dot_product_attention(
        x @ w_query, memory @ w_key, memory @ w_value, is_real[:, None, :]
    )
    torch.testing.assert_close(ours, theirs)


def test_cross_attention_is_that_of_a_bart_layer(generator):
    """One head of width D in transformers, its matrices transposed, its output left as it is."""
    from transformers.models.bart.modeling_bart import BartAttention

    B, T, S, D = 2, 3, 5, 4
    config = their_config()
    config._attn_implementation = "eager"
    layer = BartAttention(D, 1, is_decoder=True, bias=False, config=config, layer_idx=0)
    matrices = [torch.randn(D, D, generator=generator) for _ in range(3)]
    for linear, matrix in zip((layer.q_proj, layer.k_proj, layer.v_proj), matrices, strict=True):
        linear.weight.data = matrix.T.contiguous()
    layer.out_proj.weight.data = torch.eye(D)
    x, memory = torch.randn(B, T, D, generator=generator), torch.randn(B, S, D, generator=generator)
    is_real = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    hidden = torch.zeros(B, 1, 1, S).masked_fill(~is_real[:, None, None, :], torch.finfo(torch.float).min)
    theirs = layer(x, key_value_states=memory, attention_mask=hidden.expand(B, 1, T, S))[0]
    ours = only(unit09_cross.CROSS)(x, memory, *matrices, is_real)
    torch.testing.assert_close(ours, theirs.detach())


def test_infilling_is_the_librarys(generator):
    tokens, seen = unit09_words.text(generator, 14), set()
    for seed in range(100):
        spans = infilling_spans(len(tokens), 0.5, 1.0, generator=dice(seed))
        seen |= {length for _, length in spans}
        theirs = text_infilling(tokens, MASK, 0.5, 1.0, generator=dice(seed))
        assert only(unit09_infill.INFILL)(tokens, spans, MASK) == theirs
    assert {0, 1, 2} < seen


@pytest.mark.parametrize("stop", [".", "!"])
def test_permutation_and_rotation_are_the_librarys(stop, generator):
    permute, rotate = (part.reference for part in unit09_order.ORDER.parts)
    tokens, *_ = unit09_order.day(True, stop)(generator)
    for seed in range(50):
        order = torch.randperm(4, generator=dice(seed)).tolist()
        theirs = sentence_permutation(tokens, (stop,), generator=dice(seed))
        assert permute(tokens, order, stop) == theirs
        start = int(torch.rand((), generator=dice(seed)).item() * len(tokens))
        assert rotate(tokens, start) == document_rotation(tokens, generator=dice(seed))


def test_the_state_is_the_one_that_transformers_classifies(generator):
    from transformers import BartForSequenceClassification

    torch.manual_seed(9)
    model = BartForSequenceClassification(their_config(num_labels=3)).eval()
    _, ids, eos_id = unit09_state.texts(pairs=True)(generator)
    ids = torch.where(ids == eos_id, 2, torch.where(ids == unit09_state.PAD, 1, ids % 30 + 5))
    with torch.no_grad():
        real = ids != 1
        out = model(ids, attention_mask=real, output_hidden_states=True)
        state = only(unit09_state.STATE)(out.decoder_hidden_states[-1], ids, 2)
        torch.testing.assert_close(model.classification_head(state), out.logits)


class Spaces:
    """For rouge-score: words are what stands between spaces, in any script."""

    @staticmethod
    def tokenize(text):
        return text.split()


@pytest.mark.parametrize("twice", [False, True])
def test_rouge_is_that_of_rouge_score(twice, generator):
    scorer = RougeScorer(["rougeL"], tokenizer=Spaces())
    (pairs,) = unit09_rouge.ten(twice)(generator)
    assert any(len(set(wanted)) < len(wanted) for _, wanted in pairs) == twice
    for written, wanted in pairs:
        theirs = scorer.score(" ".join(wanted), " ".join(written))["rougeL"].fmeasure
        assert only(unit09_rouge.ROUGE)(written, wanted) == pytest.approx(theirs)


def padded_texts(generator, pad_id):
    """Damaged (3, 7) and whole (3, 9), each of its own length."""
    damaged, whole = (torch.randint(5, 40, (3, n), generator=generator) for n in (7, 9))
    for row, n in zip(damaged, (7, 4, 6), strict=True):
        row[n:] = pad_id
    for row, n in zip(whole, (5, 9, 7), strict=True):
        row[n:] = pad_id
    return damaged, whole


def test_the_mended_step_is_the_librarys_loss(generator):
    torch.manual_seed(9)
    sizes = {"d_model": 12, "d_ff": 20, "n_layers": 2, "n_heads": 3, "dropout": 0.0}
    bart = Bart(BartConfig(40, max_positions=20, pad_id=1, eos_id=2, start_id=3, **sizes)).eval()
    damaged, whole = padded_texts(generator, pad_id=1)
    ours = only(unit09_bug.BUG)(
        lambda ids: bart.encode(ids).hidden,
        lambda read, memory, is_real: bart.decode(read, memory, is_real).logits,
        damaged,
        whole,
        3,
        1,
    )
    theirs = bart(damaged, labels=whole.masked_fill(whole == 1, -100)).loss
    torch.testing.assert_close(ours, theirs)


def test_the_mended_step_is_transformers_loss(generator):
    from transformers import BartForConditionalGeneration

    torch.manual_seed(9)
    model = BartForConditionalGeneration(their_config()).eval()
    damaged, whole = padded_texts(generator, pad_id=1)

    def encode(ids):
        return model.model.encoder(ids, attention_mask=ids != 1).last_hidden_state

    def decode(read, memory, is_real):
        decoder = model.model.decoder
        out = decoder(read, encoder_hidden_states=memory, encoder_attention_mask=is_real, use_cache=False)
        return model.lm_head(out.last_hidden_state) + model.final_logits_bias

    with torch.no_grad():
        ours = only(unit09_bug.BUG)(encode, decode, damaged, whole, 2, 1)
        labels = whole.masked_fill(whole == 1, -100)
        theirs = model(damaged, attention_mask=damaged != 1, labels=labels).loss
    torch.testing.assert_close(ours, theirs)


def test_the_small_decoder_sees_no_future_and_no_padding(generator):
    encode, decode = unit09_bug.small_model(generator)
    read, ids = torch.tensor([[3, 6, 7, 8]]), torch.tensor([[9, 10, 11]])
    real = torch.tensor([[True, True, False]])
    before = decode(read, encode(ids), real)
    other_end, other_pad = torch.tensor([[3, 6, 7, 12]]), torch.tensor([[9, 10, 13]])
    torch.testing.assert_close(decode(other_end, encode(ids), real)[:, :3], before[:, :3])
    torch.testing.assert_close(decode(read, encode(other_pad), real), before)
    assert not torch.allclose(decode(read, encode(ids.flip(1)), real), before)


def test_the_numbers_to_predict_are_counted():
    right, tokens, draws = unit09_predict.RIGHT, list(range(100)), range(300)
    means = {
        "masked": [len(token_masking(tokens, MASK, 0.3, generator=dice(s))) for s in draws],
        "deleted": [len(token_deletion(tokens, 0.3, generator=dice(s))) for s in draws],
    }
    for key, lengths in means.items():
        assert sum(lengths) / len(lengths) == pytest.approx(right[key], abs=1)
    spans = infilling_spans(100_000, 0.3, 3.0, generator=dice(0))
    assert (100_000 - 30_000 + len(spans)) / 1_000 == pytest.approx(right["infilled"], abs=0.3)
    empty = sum(length == 0 for _, length in spans) / len(spans)
    assert empty == pytest.approx(right["empty"], abs=0.006)
    assert right["orders"] == len(list(itertools.permutations("abcd")))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"infilling": 0.4, "mean_span": 2.8},
        {"masking": 0.2, "deletion": 0.25, "infilling": 0.3, "mean_span": 3.0},
    ],
)
def test_what_a_noise_hides_and_leaves_is_counted(settings):
    choice = unit09_design.noise_of(**settings)()
    tokens = list(range(50_000))
    masked = token_masking(tokens, MASK, choice["masking"], generator=dice(1))
    left = token_deletion(masked, choice["deletion"], generator=dice(2))
    read = text_infilling(left, "[SPAN]", choice["infilling"], choice["mean_span"], generator=dice(3))
    words = sum(type(token) is int for token in read)
    assert 1 - words / len(tokens) == pytest.approx(unit09_design.hidden(choice), abs=0.01)
    assert 100 * len(read) / len(tokens) == pytest.approx(unit09_design.tokens_read(choice), abs=1)


def test_the_papers_settings_will_not_do_and_others_will():
    """So the text says; and both ends of the rate's range can be had."""
    faults = [
        unit09_design.stays_in_order,
        unit09_design.gives_away,
        unit09_design.wrong_share,
        unit09_design.too_long,
        unit09_design.too_sure,
    ]

    def wrong(**settings):
        choice = unit09_design.noise_of(**settings)()
        return [fault.__name__ for fault in faults if fault(choice)]

    assert wrong(infilling=0.3, mean_span=3.0) == ["too_long"]
    assert all(wrong(infilling=0.3, mean_span=span / 10) for span in range(1, 100))
    for rate, span in ((0.34, 3.9), (0.36, 3.5), (0.4, 2.7), (0.4, 3.9)):
        assert wrong(infilling=rate, mean_span=span) == []


def test_what_infilling_has_made_fits_and_a_text_fits_as_a_pattern_says(generator):
    fitted = 0
    for seed in range(300):
        text, other = (
            [unit09_words.WORDS[i] for i in torch.randint(2, (n,), generator=generator)] for n in (7, 6)
        )
        damaged = text_infilling(text, MASK, 0.5, 1.5, generator=dice(seed))
        assert unit09_design.fits(damaged, text)
        pattern = "".join(r"(?:\S+ )*" if token == MASK else f"{token} " for token in damaged)
        expected = re.fullmatch(pattern, " ".join(other) + " ") is not None
        assert unit09_design.fits(damaged, other) == expected, (damaged, other)
        fitted += expected
    assert 30 < fitted < 270
