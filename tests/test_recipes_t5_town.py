"""t5-town: what it reads, what is hidden from it, and what the shipped one knows."""

from functools import cache

import torch

from course_lib.data import tiny_town
from course_lib.objectives.spans import restore_spans
from course_lib.pretrained.trained import about_trained, load_trained
from course_lib.recipes.t5_town import (
    SENTINELS,
    VERDICTS,
    repair_scores,
    span_batches,
    t5_tokenizer,
    town_texts,
    verdicts,
    zero_shot,
)

tokenizer = cache(t5_tokenizer)
ENDS = tuple(verdict.format(word) for verdict in VERDICTS for word in ("good", "bad"))


def test_a_verdict_says_what_its_review_is_labelled():
    labels = {review.text: review.label for review in tiny_town.sentiment("train")}
    for text in verdicts("train"):
        (end,) = (end for end in ENDS if text.endswith(f" {end}"))
        assert labels[text.removesuffix(f" {end}")] == ("good" in end)


def test_what_is_hidden_put_back_is_the_text_and_many_verdicts_are_hidden_alone():
    texts = verdicts("validation")[:200]
    words = tokenizer()
    sentinels = [words.vocab[token] for token in SENTINELS]
    batch = next(span_batches(words, texts, 200))
    wanted = {tuple(words.encode(text, add_special=False)) for text in texts}
    alone = 0
    for read, write in zip(batch["ids"].tolist(), batch["labels"].tolist(), strict=True):
        read = [i for i in read if i not in (words.pad_id, words.sep_id)]
        write = [i for i in write if i not in (-100, words.sep_id)]
        assert tuple(restore_spans(read, write, sentinels)) in wanted
        alone += len(write) == 3 and write[1] in (words.vocab["good"], words.vocab["bad"])
    assert alone > 0.5 * len(batch["ids"])


def test_the_shipped_model_scores_what_its_run_reported():
    model, words = load_trained("t5-town")
    reported = about_trained("t5-town")["metrics"]
    assert abs(zero_shot(model, words, "test") - reported["test_zero_shot"]) < 0.02
    found = repair_scores(model, span_batches(words, town_texts("test"), 256))
    assert abs(found["loss"] - reported["test_loss"]) < 0.02


def test_sentinels_are_tokens_of_their_own_and_words_keep_their_ids():
    words = tokenizer()
    town = load_trained("bert-town")[1]
    assert words.encode("it was <extra_id_0> .", add_special=False)[2] == words.vocab["<extra_id_0>"]
    assert all(words.vocab[token] == i for token, i in town.vocab.items())
    assert torch.equal(words.batch(["the room"])[0], town.batch(["the room"])[0])
