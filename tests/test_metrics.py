"""Metrics against other libraries and hand calculations."""

import math
import subprocess
import sys

import numpy as np
import pytest
import sacrebleu
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from torch.nn.functional import cross_entropy

from course_lib.metrics import (
    accuracy,
    bits_per_byte,
    bits_per_character,
    bleu,
    chrf,
    exact_match,
    f1,
    matthews,
    normalize_answer,
    perplexity,
    rouge,
)

ENGLISH = ["the cat sat on the mat", "There is a cat on the mat.", "It was over quickly, she said!"]
TARGETS = ["a cat sat on the mat", "A cat is on the mat.", "It was quickly over, she said."]


# Language models


def test_a_uniform_guess_among_v_tokens_has_perplexity_v():
    assert perplexity(7 * math.log(50), 7) == pytest.approx(50)


def test_perplexity_is_exp_of_cross_entropy_over_all_tokens_not_of_a_mean_of_batch_means():
    torch.manual_seed(0)
    batches = [(torch.randn(n, 11, dtype=torch.float64) * 3, torch.randint(11, (n,))) for n in (2, 9, 30)]
    total = sum(cross_entropy(logits, labels, reduction="sum") for logits, labels in batches)
    logits, labels = (torch.cat(part) for part in zip(*batches, strict=True))
    assert perplexity(total, 41) == pytest.approx(cross_entropy(logits, labels).exp().item())
    mean_of_means = sum(cross_entropy(*batch).item() for batch in batches) / 3
    assert perplexity(total, 41) != pytest.approx(math.exp(mean_of_means))


def test_a_certain_model_has_perplexity_one_and_a_hopeless_one_infinity():
    assert perplexity(0.0, 5) == 1
    assert perplexity(1e6, 5) == math.inf


def test_bits_are_nats_over_ln_2():
    assert bits_per_byte(8 * math.log(2), "abcd") == pytest.approx(2)  # 8 bits over 4 bytes
    assert bits_per_byte(8 * math.log(2), 4) == pytest.approx(2)
    assert bits_per_character(8 * math.log(2), "abcd") == pytest.approx(2)
    assert bits_per_character(8 * math.log(2), 4) == pytest.approx(2)


def test_a_hangul_character_has_three_times_the_bits_of_its_bytes():
    assert bits_per_character(5.0, "한국어") == pytest.approx(3 * bits_per_byte(5.0, "한국어"))
    # 파 이 + é + 😀: 3 + 3 + 2 + 4 bytes over 4 characters
    assert bits_per_character(5.0, "파이é😀") == pytest.approx(12 / 4 * bits_per_byte(5.0, "파이é😀"))


@pytest.mark.parametrize("metric", [perplexity, bits_per_byte, bits_per_character])
def test_impossible_losses_and_counts_are_refused(metric):
    with pytest.raises(ValueError, match="there must be at least one"):
        metric(1.0, 0)
    with pytest.raises(ValueError, match="is -3: there must"):
        metric(1.0, -3)
    with pytest.raises(ValueError, match=r"total_nll is -1\.0.*sign"):
        metric(-1.0, 3)
    with pytest.raises(ValueError, match="total_nll is nan"):
        metric(math.nan, 3)


def test_an_empty_text_has_no_bits_per_byte():
    with pytest.raises(ValueError, match="number of bytes is 0"):
        bits_per_byte(1.0, "")


# Classes

pairs_of_classes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(pairs_of_classes)
def test_accuracy_and_matthews_equal_scikit_learn_s_and_the_textbook_s(pairs):
    predictions, labels = zip(*pairs, strict=True)
    assert accuracy(predictions, labels) == pytest.approx(sklearn.metrics.accuracy_score(labels, predictions))
    # Gorodkin, 2004: the covariance of the two one-hot assignments over the root of their variances
    got, wanted = np.eye(4)[list(predictions)], np.eye(4)[list(labels)]
    got, wanted = got - got.mean(0), wanted - wanted.mean(0)
    spread = math.sqrt((got * got).sum() * (wanted * wanted).sum())
    by_hand = (got * wanted).sum() / spread if spread else 0.0
    assert matthews(predictions, labels) == pytest.approx(by_hand, abs=1e-9)


def test_matthews_of_a_hand_made_table():
    # TP 6, TN 3, FP 1, FN 2: (18 - 2) / sqrt(7 x 8 x 4 x 5)
    predictions, labels = [1] * 6 + [0] * 3 + [1] + [0] * 2, [1] * 6 + [0] * 4 + [1] * 2
    assert matthews(predictions, labels) == pytest.approx(16 / math.sqrt(1120))


def test_labels_that_are_not_scored_do_not_count():
    predictions, labels = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[1, -100, 0], [4, -100, -100]])
    assert accuracy(predictions, labels) == pytest.approx(2 / 3)
    assert accuracy(["a", "b"], ["a", "c"]) == 0.5
    with pytest.raises(ValueError, match="all 2 labels are -100"):
        accuracy([1, 2], [-100, -100])


@pytest.mark.parametrize("metric", [accuracy, matthews])
def test_shapes_that_differ_and_nothing_at_all_are_refused(metric):
    with pytest.raises(ValueError, match=r"shape \(2,\), labels of shape \(3,\)"):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="no labels"):
        metric([], [])


# Answers: SQuAD's rules


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The  Cat!", "cat"),
        ("an Apple, a day", "apple day"),
        ("U.S.A.", "usa"),  # punctuation goes without leaving a space
        ("the-end", "theend"),  # and before the articles do
        ("theatre and Anna", "theatre and anna"),  # articles are whole words
        (" a the an ", ""),
        ("서울, 대한민국!", "서울 대한민국"),
        ("“quoted” — dash", "“quoted” — dash"),  # only ASCII punctuation is dropped, as published
    ],
)
def test_answers_are_normalised_by_squad_s_rules(text, expected):
    assert normalize_answer(text) == expected


def test_exact_match_and_f1_of_hand_made_answers():
    assert exact_match("The Eiffel Tower.", "eiffel tower") == 1
    assert exact_match("Eiffel", "eiffel tower") == 0
    assert f1("Eiffel", "the Eiffel Tower") == pytest.approx(2 / 3)  # precision 1, recall 1/2
    assert f1("in the north of France", "France") == pytest.approx(0.4)  # precision 1/4, recall 1
    assert f1("cat cat cat", "cat cat dog") == pytest.approx(
        2 / 3
    )  # a repeated word counts as often as in both
    assert f1("dog", "cat") == 0


def test_answers_are_averaged_and_the_best_alternative_counts():
    predictions, references = ["Paris", "blue", "no idea"], [["Lyon", "paris"], "green", ["idea", "no"]]
    assert exact_match(predictions, references) == pytest.approx(1 / 3)
    assert f1(predictions, references) == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert f1("Paris", ["Lyon", "paris"]) == 1


def test_an_empty_answer_agrees_only_with_an_empty_one():
    assert f1("", "") == exact_match("the", "") == f1("the", "") == 1
    assert f1("", "cat") == f1("cat", "") == 0


def test_korean_answers_share_characters_where_they_share_no_word():
    assert f1("서울은", "서울") == 0
    assert f1("서울은", "서울", characters=True) == pytest.approx(2 * 2 / 5)  # 2 shared of 3 and 2
    assert f1("서울 은", "서울은", characters=True) == 1


# Generated text


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_of_english_is_rouge_score_s_own(stem):
    texts, targets = (
        [*ENGLISH[:2], "its wheels stopped"],
        [*TARGETS[:2], "it wheel stops"],
    )  # its stays, too short
    own = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stem)
    scores = [own.score(target, text) for target, text in zip(targets, texts, strict=True)]
    ours = rouge(texts, targets, stem=stem)
    for kind in ("rouge1", "rouge2", "rougeL"):
        assert ours[kind] == pytest.approx(sum(score[kind].fmeasure for score in scores) / 3)


@given(st.text(st.characters(max_codepoint=127)), st.text(st.characters(max_codepoint=127)))
def test_rouge_of_any_ascii_is_rouge_score_s_own(text, target):
    own = RougeScorer(["rouge1", "rougeL"]).score(target, text)
    ours = rouge(text, target)
    assert ours["rouge1"] == pytest.approx(own["rouge1"].fmeasure)
    assert ours["rougeL"] == pytest.approx(own["rougeL"].fmeasure)


def test_rouge_of_a_hand_made_pair():
    # cat sat mat / cat on mat: 2 of 3 words, no word pair, longest common subsequence cat mat
    assert rouge("cat sat mat", "cat on mat") == pytest.approx(
        {"rouge1": 2 / 3, "rouge2": 0, "rougeL": 2 / 3}
    )


def test_rouge_sees_hangul_and_accents_where_the_library_s_tokenizer_sees_nothing():
    assert RougeScorer(["rouge1"]).score("고양이가 잔다", "고양이가 잔다")["rouge1"].fmeasure == 0
    assert rouge("고양이가 잔다", "고양이가 잔다") == {"rouge1": 1, "rouge2": 1, "rougeL": 1}
    assert rouge("고양이가 잔다", "개가 잔다")["rouge1"] == pytest.approx(1 / 2)
    # 고양이가잔다 against 개가잔다: 가 잔 다 of 6 and 4
    assert rouge("고양이가 잔다", "개가 잔다", characters=True)["rouge1"] == pytest.approx(2 * 3 / 10)
    assert rouge("été", "t")["rouge1"] == 0
    assert rouge("e\u0301te\u0301", "été")["rouge1"] == 1  # decomposed and composed
    assert rouge("हिन्दी", "हुन्दा")["rouge1"] == 0  # a vowel sign is part of its word, not an end of it


def test_rouge_takes_the_best_of_several_references():
    assert rouge("cat sat", ["dog ran", "cat sat"])["rouge2"] == 1


def test_bleu_and_chrf_of_english_are_sacrebleu_s_own():
    assert bleu(ENGLISH, TARGETS) == pytest.approx(sacrebleu.corpus_bleu(ENGLISH, [TARGETS]).score)
    assert chrf(ENGLISH, TARGETS) == pytest.approx(sacrebleu.corpus_chrf(ENGLISH, [TARGETS]).score)
    assert 20 < bleu(ENGLISH, TARGETS) < 100 and bleu(TARGETS, TARGETS) == pytest.approx(100)


def test_bleu_of_a_hand_made_sentence():
    # 8 words, the last wrong: precisions 7/8 6/7 5/6 4/5, whose product is 4/8; no brevity penalty
    assert bleu("a b c d e f g X", "a b c d e f g h") == pytest.approx(100 * (4 / 8) ** (1 / 4))
    # the first 7 of 8: all precisions 1, brevity penalty exp(1 - 8/7)
    assert bleu("a b c d e f g", "a b c d e f g h") == pytest.approx(100 * math.exp(1 - 8 / 7))


def test_bleu_counts_over_all_sentences_not_as_a_mean():
    assert bleu(ENGLISH, TARGETS) != pytest.approx(np.mean([bleu(*pair) for pair in zip(ENGLISH, TARGETS)]))


def test_sentences_may_have_different_numbers_of_references():
    references = [["the cat sat on a mat", "the cat sat on the mat"], ["A cat is on the mat."], TARGETS[2:]]
    by_rank = [[refs[0] for refs in references], ["the cat sat on the mat", None, None]]
    assert bleu(ENGLISH, references) == pytest.approx(sacrebleu.corpus_bleu(ENGLISH, by_rank).score)
    assert chrf(ENGLISH, references) == pytest.approx(sacrebleu.corpus_chrf(ENGLISH, by_rank).score)
    assert bleu("the cat sat on the mat", references[0]) == pytest.approx(100)


def test_korean_bleu_counts_characters_unless_told_otherwise():
    text, target = "고양이가 매트 위에 앉았다", "고양이는 매트 위에 앉았다"
    by_character = sacrebleu.corpus_bleu([text], [[target]], tokenize="char").score
    by_word = sacrebleu.corpus_bleu([text], [[target]], tokenize="13a").score
    assert bleu(text, target) == pytest.approx(by_character)
    assert bleu(text, target, tokenize="13a") == pytest.approx(by_word)
    # 11 characters, one wrong, the fourth: 10/11 8/10 6/9 4/8
    assert by_character == pytest.approx(100 * (10 / 11 * 8 / 10 * 6 / 9 * 4 / 8) ** (1 / 4))


@pytest.mark.parametrize("metric", [exact_match, f1, rouge, bleu, chrf])
def test_texts_that_do_not_pair_up_are_refused(metric):
    with pytest.raises(ValueError, match="2 predictions, 1 references"):
        metric(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="no predictions"):
        metric([], [])
    with pytest.raises(ValueError, match="prediction 1 has no reference"):
        metric(["a", "b"], ["a", []])
    with pytest.raises(TypeError, match="a reference for each"):
        metric(["a"], "a")
    with pytest.raises(TypeError, match="not int: decode ids first"):
        metric([1], ["a"])


def test_importing_the_metrics_loads_no_heavy_library():
    heavy = {"torch", "sklearn", "sacrebleu", "nltk"}
    code = f"import sys, course_lib.metrics; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
