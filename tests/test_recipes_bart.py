"""bart-town: damage on the source alone, and a shipped model that repairs."""

import pytest

from course_lib.pretrained.trained import about_trained, load_trained
from course_lib.recipes.bart_town import bart_texts, repair_batches, repair_scores, repaired


@pytest.fixture(scope="module")
def shipped_bart():
    return load_trained("bart-town")


def test_the_target_is_the_text_as_it_was(shipped_bart):
    _, tokenizer = shipped_bart
    texts = bart_texts("validation")[:40]
    data = repair_batches(tokenizer, texts, 40)
    batch = next(data)
    whole = {tuple(tokenizer.encode(text)[1:]) for text in texts}  # without [CLS], with [SEP]
    assert {tuple(i for i in row if i >= 0) for row in batch["labels"].tolist()} <= whole
    assert (batch["ids"] == tokenizer.mask_id).any() and not (batch["labels"] == tokenizer.mask_id).any()


def test_the_same_damage_at_every_examination(shipped_bart):
    model, tokenizer = shipped_bart
    data = repair_batches(tokenizer, bart_texts("validation")[:64], 32)
    first = repair_scores(model, data)
    next(data)
    assert repair_scores(model, data) == first


def test_the_shipped_model_scores_about_what_its_run_reported(shipped_bart):
    model, tokenizer = shipped_bart
    reported = about_trained("bart-town")["metrics"]
    data = repair_batches(tokenizer, bart_texts("validation")[:1_000], 100)
    assert repair_scores(model, data)["accuracy"] == pytest.approx(reported["validation_accuracy"], abs=0.04)
    few = repair_batches(tokenizer, bart_texts("validation")[:200], 100)
    assert repaired(model, few)["exact"] == pytest.approx(reported["validation_exact"], abs=0.12)
