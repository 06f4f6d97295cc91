"""cloze.py against a loop that reads one text and one verbaliser at a time, and what it refuses."""

import pytest
import torch
from torch.testing import assert_close

from course_lib.cloze import Cloze
from course_lib.data.batching import Batches
from course_lib.models import GPT, T5, Bert, BertConfig, GPTConfig, T5Config
from course_lib.tokenization import WordPiece
from course_lib.training import Trainer, seed_everything

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<extra_id_0>", "<extra_id_1>"]
WORDS = ["the", "soup", "was", "good", "bad", "it", "not", "very", "never", "so", "dull", "##ish", "."]
TEXTS = ["the soup was good .", "it was not very good", "never so bad", "the soup"]
PATTERN = "{text} it was {blank} ."
WORD, PHRASES = ["bad", "good"], ["bad", "not very bad", "dullish", "not bad"]  # 1; 1, 3, 2, 2 tokens


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece({token: i for i, token in enumerate([*SPECIAL, *WORDS])}, SPECIAL)


def model_of(kind, tokenizer):
    seed_everything(1)
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "d_ff": 24}
    if kind is Bert:
        return Bert(BertConfig(len(tokenizer), max_positions=32, mlm=True, **sizes)).eval()
    ends = {"pad_id": tokenizer.pad_id, "eos_id": tokenizer.sep_id, "start_id": tokenizer.pad_id}
    return T5(T5Config(len(tokenizer), d_head=8, **sizes, **ends)).eval()


@torch.no_grad()
def by_hand(model, tokenizer, text, verbaliser):
    """One text, one verbaliser, no padding: the definition."""
    word = tokenizer.encode(verbaliser, add_special=False)
    if isinstance(model, Bert):
        blanks = " ".join(["[MASK]"] * len(word))
        ids = tokenizer.encode(f"{text} it was {blanks} .")
        places = [i for i, token in enumerate(ids) if token == tokenizer.mask_id]
        log_p = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        return sum(log_p[place, token].item() for place, token in zip(places, word, strict=True))
    ids = [*tokenizer.encode(f"{text} it was <extra_id_0> .", add_special=False), tokenizer.sep_id]
    said, total = [tokenizer.pad_id, tokenizer.vocab["<extra_id_0>"]], 0.0
    for token in word:
        logits = model(torch.tensor([ids]), torch.tensor([said])).logits
        total += logits[0, -1].log_softmax(-1)[token].item()
        said.append(token)
    return total


@pytest.mark.parametrize("kind", [Bert, T5])
@pytest.mark.parametrize("verbalisers", [WORD, PHRASES])
def test_scores_are_those_of_a_loop_over_texts_and_verbalisers(kind, verbalisers, tokenizer):
    model = model_of(kind, tokenizer)
    found = Cloze(model, tokenizer, PATTERN, verbalisers).score(TEXTS)
    wanted = [[by_hand(model, tokenizer, text, word) for word in verbalisers] for text in TEXTS]
    assert_close(found, torch.tensor(wanted), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [Bert, T5])
def test_neither_the_company_in_a_batch_nor_the_batch_size_changes_a_score(kind, tokenizer):
    cloze = Cloze(model_of(kind, tokenizer), tokenizer, PATTERN, PHRASES)
    together = cloze.score(TEXTS)
    assert_close(torch.cat([cloze.score([text]) for text in TEXTS]), together, atol=1e-4, rtol=0)
    assert_close(cloze.score(TEXTS, batch_size=3), together, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [Bert, T5])
def test_scores_of_all_words_at_a_blank_add_up_to_one(kind, tokenizer):
    words = [word for word in WORDS if not word.startswith("##")]
    cloze = Cloze(model_of(kind, tokenizer), tokenizer, PATTERN, words)
    log_p = cloze.score(TEXTS)
    assert (log_p.exp().sum(1) < 1).all()  # special tokens and ##ish have the rest
    some = Cloze(cloze.model, tokenizer, PATTERN, words[::-1]).score(TEXTS)
    assert_close(some.flip(1), log_p)  # and no word's score depends on the others asked for


@pytest.mark.parametrize("kind", [Bert, T5])
def test_the_loss_is_the_cross_entropy_over_the_verbalisers_and_training_lowers_it(kind, tokenizer):
    model = model_of(kind, tokenizer)
    cloze = Cloze(model, tokenizer, PATTERN, PHRASES)
    columns = cloze.columns(TEXTS, [0, 1, 2, 3])
    right = cloze.score(TEXTS).softmax(1).diagonal()
    assert_close(cloze.loss(model, columns), -right.log().mean())
    data = Batches(columns, 4)
    Trainer(model, cloze.loss, data, learning_rate=0.02, device="cpu").fit(100)
    assert cloze.score(TEXTS).softmax(1).diagonal().log().mean() > right.log().mean() / 2


@pytest.mark.parametrize("kind", [Bert, T5])
def test_scoring_leaves_dropout_as_it_found_it(kind, tokenizer):
    model = model_of(kind, tokenizer)
    cloze = Cloze(model, tokenizer, PATTERN, WORD)
    quiet = cloze.score(TEXTS)
    model.train()
    assert torch.equal(cloze.score(TEXTS), quiet) and model.training


def test_what_cannot_be_scored_is_refused_by_name(tokenizer):
    bert = model_of(Bert, tokenizer)
    gpt = GPT(GPTConfig(len(tokenizer), d_model=16, n_layers=1, n_heads=2))
    with pytest.raises(TypeError, match="GPT reads from left to right.*score_labels"):
        Cloze(gpt, tokenizer, PATTERN, WORD)
    with pytest.raises(ValueError, match="no masked-token head.*mlm=True"):
        Cloze(bert.with_classifier(2), tokenizer, PATTERN, WORD)
    with pytest.raises(ValueError, match="holds {blank} 0 times"):
        Cloze(bert, tokenizer, "{text} it was good", WORD)
    with pytest.raises(ValueError, match="holds {text} 2 times"):
        Cloze(bert, tokenizer, "{text} {text} {blank}", WORD)
    for verbalisers in ("good", ["good"], ["good", "good"]):
        with pytest.raises(ValueError, match="at least two, all different"):
            Cloze(bert, tokenizer, PATTERN, verbalisers)
    with pytest.raises(ValueError, match="cannot write the verbaliser 'superb'"):
        Cloze(bert, tokenizer, PATTERN, ["superb", "bad"])
    with pytest.raises(ValueError, match="'<mask>' is not in the vocabulary"):
        Cloze(bert, tokenizer, PATTERN, WORD, blank="<mask>")
    cloze = Cloze(bert, tokenizer, PATTERN, WORD)
    with pytest.raises(ValueError, match="at least one text"):
        cloze.score([])
    with pytest.raises(ValueError, match=r"2 blanks in .* may not hold '\[MASK\]' itself"):
        cloze.score(["the [MASK] was good"])
    with pytest.raises(ValueError, match="labels from 1 to 2 and 2 verbalisers"):
        cloze.columns(TEXTS[:2], [1, 2])


def test_braces_in_a_text_are_text(tokenizer):
    cloze = Cloze(model_of(Bert, tokenizer), tokenizer, PATTERN, WORD)
    assert cloze.score(["the {blank} {text} {0} soup"]).isfinite().all()
