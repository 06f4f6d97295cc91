"""Every model against transformers': logits, losses, gradients, sizes."""

import pytest
import torch
from model_twins import FAMILIES, Twins, bert_twins, random_weights, roberta_twins, t5_twins
from transformers import (
    BartForSequenceClassification,
    BertForQuestionAnswering,
    BertModel,
    GPT2Model,
)

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

SEEDS = range(8)


def close(ours: torch.Tensor, theirs: torch.Tensor, what: str = "") -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5, msg=lambda m: f"{what}: {m}")


def check_logits_and_loss(twins: Twins) -> None:
    theirs, ours = twins.theirs(**twins.their_batch), twins.ours(**twins.our_batch)
    close(ours.loss, theirs.loss, "loss")
    their_logits = getattr(theirs, "logits", None)
    if their_logits is None:
        their_logits = theirs.prediction_logits
        close(ours.nsp_logits, theirs.seq_relationship_logits, "next-sentence logits")
    if twins.scored is None:
        close(ours.logits, their_logits, "logits")
        return
    close(ours.logits, their_logits[twins.scored], "logits where there are labels")
    unlabelled = {k: v for k, v in twins.our_batch.items() if k != "labels"}
    if "decoder_input_ids" not in twins.their_batch and hasattr(twins.ours, "shift_right"):
        unlabelled["decoder_ids"] = twins.ours.shift_right(twins.our_batch["labels"])
    for need_weights in (False, True):
        logits = twins.ours(**unlabelled, need_weights=need_weights).logits
        close(logits[twins.real], their_logits[twins.real], f"all logits, need_weights={need_weights}")


def check_gradients(twins: Twins) -> None:
    twins.theirs(**twins.their_batch).loss.backward()
    twins.ours(**twins.our_batch).loss.backward()
    theirs = {name: p.grad for name, p in twins.theirs.named_parameters() if p.grad is not None}
    theirs = twins.ours.translate(theirs)
    for name, p in twins.ours.named_parameters():
        assert p.grad is not None, f"no gradient reaches {name}"
        close(p.grad, theirs[name], f"gradient of {name}")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_losses_and_gradients_equal_transformers(family, seed):
    twins = FAMILIES[family](seed)
    check_logits_and_loss(twins)
    check_gradients(twins)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("head", ["ForPreTraining", "ForSequenceClassification", "ForTokenClassification"])
def test_the_heads_of_bert_equal_transformers(head, seed):
    twins = bert_twins(seed, head)
    check_logits_and_loss(twins)
    check_gradients(twins)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForTokenClassification"])
def test_the_heads_of_roberta_equal_transformers(head, seed):
    twins = roberta_twins(seed, head)
    check_logits_and_loss(twins)
    check_gradients(twins)


@pytest.mark.parametrize("seed", range(3))
def test_the_classification_head_of_bart_equals_transformers(seed):
    twins = FAMILIES["bart"](seed)
    twins.theirs.config.num_labels = 3
    theirs = random_weights(BartForSequenceClassification(twins.theirs.config), seed)
    ids = twins.our_batch["ids"]
    lengths = (ids != 1).sum(dim=1)
    ids[:, 0] = 2  # the head must read the last eos, not the first
    ids[torch.arange(len(ids)), lengths - 1] = 2
    batch = {"input_ids": ids, "attention_mask": (ids != 1).long(), "labels": torch.arange(len(ids)) % 3}
    ours = Bart.from_hf(theirs)
    twins = Twins(theirs, ours, batch, {"ids": ids, "labels": batch["labels"]}, ids != 1, None)
    check_logits_and_loss(twins)
    check_gradients(twins)


@pytest.mark.parametrize("seed", range(3))
def test_t5_with_an_output_of_its_own_equals_transformers(seed):
    twins = t5_twins(seed, "gated-gelu", tie=False)
    twins.theirs.lm_head.weight = torch.nn.Parameter(torch.randn_like(twins.theirs.lm_head.weight))
    twins.ours = T5.from_hf(twins.theirs)
    assert not twins.ours.config.tied
    check_logits_and_loss(twins)
    check_gradients(twins)


@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_and_attentions_equal_transformers(family):
    twins = FAMILIES[family](1)
    theirs = twins.theirs(**twins.their_batch, output_hidden_states=True, output_attentions=True)
    ours = twins.ours(**twins.our_batch, need_weights=True)
    sides = [(ours, theirs, twins.real, "")]
    if ours.encoder is not None:
        ids = twins.our_batch["ids"]
        sides = [
            (ours, theirs, twins.real, "decoder_"),
            (ours.encoder, theirs, ids != twins.ours.config.pad_id, "encoder_"),
        ]
        for mine, yours in zip(ours.cross_attentions, theirs.cross_attentions, strict=True):
            close(mine.transpose(1, 2)[twins.real], yours.transpose(1, 2)[twins.real], "cross-attention")
    for mine, yours, real, side in sides:
        states = yours[f"{side}hidden_states"]
        # Theirs replaces the last one by the state after the final norm: our `hidden`.
        for a, b in zip((*mine.hidden_states[:-1], mine.hidden), states, strict=True):
            close(a[real], b[real], f"{side}hidden states")
        for a, b in zip(mine.attentions, yours[f"{side}attentions"], strict=True):
            close(a.transpose(1, 2)[real], b.transpose(1, 2)[real], f"{side}attentions")


def test_bare_models_give_the_same_vectors():
    theirs = random_weights(BertModel(bert_twins(0).theirs.config), 0)
    ids = torch.randint(4, 31, (2, 3))
    out, reference = Bert.from_hf(theirs)(ids), theirs(ids, attention_mask=torch.ones_like(ids))
    close(out.hidden, reference.last_hidden_state)
    close(out.pooled, reference.pooler_output)
    assert out.logits is None
    theirs = random_weights(GPT2Model(FAMILIES["gpt2"](0).theirs.config), 0)
    ids = ids % theirs.config.vocab_size
    close(GPT.from_hf(theirs)(ids).hidden, theirs(ids).last_hidden_state)


# ---- sizes ----


def count(hf_model: torch.nn.Module) -> int:
    return sum(p.numel() for p in hf_model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_equal_transformers(family):
    for seed in range(4):
        twins = FAMILIES[family](seed)
        assert twins.ours.num_parameters() == count(twins.theirs)
        assert type(twins.ours).count_parameters(twins.ours.config) == count(twins.theirs)


@pytest.mark.parametrize(
    ("model", "config", "published"),
    [
        (Bert, BertConfig(), 109_482_240),
        (GPT, GPTConfig.gpt1(), 116_534_784),
        (GPT, GPTConfig.gpt2(), 124_439_808),
        (GPT, GPTConfig.gpt2("medium"), 354_823_168),
        (GPT, GPTConfig.gpt2("large"), 774_030_080),
        (GPT, GPTConfig.gpt2("xl"), 1_557_611_200),
        (Bart, BartConfig(), 139_420_416),
        (Bart, BartConfig.large(), 406_291_456),
        (T5, T5Config(), 60_506_624),
        (T5, T5Config.v1_1(), 76_961_152),
        (Llama, LlamaConfig(), 6_738_415_616),
        (Llama, LlamaConfig.smollm2(), 134_515_008),
    ],
)
def test_published_sizes_come_out_of_published_configs(model, config, published):
    assert model.count_parameters(config) == published


def test_counting_allocates_nothing():
    """70 billion float32 weights would be 280 GB."""
    config = LlamaConfig(d_model=8192, n_layers=80, n_heads=64, n_kv_heads=8, d_ff=28_672)
    assert Llama.count_parameters(config) == 68_976_648_192  # Llama 2 70B, as its model card's files sum up


# ---- weights that do not fit ----


def test_an_unknown_architecture_is_named():
    with pytest.raises(
        ValueError, match="Bert cannot hold a model of type 'gpt2': it reads bert and roberta"
    ):
        Bert.from_hf(FAMILIES["gpt2"](0).theirs)


def test_missing_left_over_and_misshapen_weights_are_named():
    theirs = FAMILIES["llama"](0).theirs
    config, state = theirs.config.to_dict(), theirs.state_dict()
    lost = dict(state)
    del lost["model.layers.0.self_attn.q_proj.weight"]
    with pytest.raises(ValueError, match=r"missing: blocks\.0\.attention\.query\.weight"):
        Llama.from_state(config, lost)
    with pytest.raises(ValueError, match=r"unexpected: score\.weight"):
        Llama.from_state(config, {**state, "score.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=r"wrong shape: norm\.weight is \(3,\), not"):
        Llama.from_state(config, {**state, "model.norm.weight": torch.ones(3)})
    with pytest.raises(ValueError, match="qa_outputs"):
        Bert.from_hf(BertForQuestionAnswering(bert_twins(0).theirs.config))


@pytest.mark.parametrize(
    ("family", "setting", "value"),
    [
        ("gpt2", "scale_attn_by_inverse_layer_idx", True),
        ("bart", "scale_embedding", True),
        ("bart", "decoder_layers", 7),
        ("t5", "num_decoder_layers", 7),
        ("bert", "is_decoder", True),
        ("llama", "rope_parameters", {"rope_type": "llama3", "rope_theta": 5e5}),
        ("llama", "attention_bias", True),
    ],
)
def test_a_setting_that_would_be_computed_otherwise_is_refused(family, setting, value):
    twins = FAMILIES[family](0)
    config = {**twins.theirs.config.to_dict(), setting: value}
    with pytest.raises(ValueError, match="the course's"):
        type(twins.ours).from_state(config, twins.theirs.state_dict())


def test_the_first_published_names_of_layer_norms_are_read():
    twins = bert_twins(0)
    state = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in twins.theirs.state_dict().items()
    }
    model = Bert.from_state(twins.theirs.config.to_dict(), state)
    close(model(**twins.our_batch).loss, twins.ours(**twins.our_batch).loss)


def test_an_old_llama_config_tells_its_rope_base():
    theirs = FAMILIES["llama"](0).theirs
    config = {**theirs.config.to_dict(), "rope_theta": 123.0, "rope_scaling": None}
    del config["rope_parameters"]
    assert Llama.from_state(config, theirs.state_dict()).config.rope_base == 123.0


def test_a_copy_shares_no_memory_with_the_original():
    twins = FAMILIES["gpt2"](0)
    before = twins.ours(**twins.our_batch).loss.item()
    with torch.no_grad():
        for p in twins.theirs.parameters():
            p.zero_()
    assert twins.ours(**twins.our_batch).loss.item() == before


# ---- fine-tuning ----


@pytest.mark.parametrize("each_token", [False, True])
def test_a_classifier_starts_from_the_pre_trained_encoder(each_token):
    trained = bert_twins(0, "ForPreTraining").ours
    model = trained.with_classifier(4, each_token)
    ids = torch.randint(4, 31, (2, 3))
    out = model(ids)
    assert out.logits.shape == ((2, 3, 4) if each_token else (2, 4))
    close(model.eval()(ids).hidden, trained.eval()(ids).hidden)
    assert model.mlm is None and model.nsp is None


def test_barts_classifier_starts_from_the_pre_trained_model():
    trained = FAMILIES["bart"](0).ours
    model = trained.with_classifier(4).eval()
    ids = torch.tensor([[5, 6, 2], [7, 2, 1]])
    assert model(ids).logits.shape == (2, 4)
    close(model(ids).hidden, trained(ids, trained.shift_right(ids)).hidden)
    with pytest.raises(ValueError, match="without an end"):
        model(torch.tensor([[5, 6, 7]]))
