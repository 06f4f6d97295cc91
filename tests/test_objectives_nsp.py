"""Pairs of sentences: what is paired, with which label, and in which convention."""

import pytest

from course_lib.objectives import nsp_pairs
from course_lib.objectives.nsp import IS_NEXT, NOT_NEXT

DOCUMENTS = [[f"document {d} sentence {s}" for s in range(3 + d % 4)] for d in range(300)]


def place(sentence):
    _, document, _, number = sentence.split()
    return int(document), int(number)


def test_every_sentence_that_has_a_next_one_comes_first_once_in_order():
    pairs = nsp_pairs(DOCUMENTS)
    assert pairs.first == [one for document in DOCUMENTS for one in document[:-1]]
    assert len(pairs) == len(pairs.first) == len(pairs.second) == len(pairs.labels)


def test_label_0_follows_and_label_1_is_of_another_document():
    pairs = nsp_pairs(DOCUMENTS)
    for first, second, label in zip(pairs.first, pairs.second, pairs.labels, strict=True):
        (document, number), (other, at) = place(first), place(second)
        if label == IS_NEXT:
            assert (other, at) == (document, number + 1)
        else:
            assert label == NOT_NEXT
            assert other != document


def test_half_of_the_pairs_follow():
    """About 1,050 fair draws: a right sampler is further than 3.3 standard deviations off once in 1,000."""
    labels = nsp_pairs(DOCUMENTS, seed=4).labels
    n = len(labels)
    assert abs(sum(labels) - n / 2) < 3.3 * (n / 4) ** 0.5


def test_strangers_come_from_all_documents_and_all_their_places():
    pairs = nsp_pairs(DOCUMENTS)
    drawn = [place(s) for s, label in zip(pairs.second, pairs.labels, strict=True) if label == NOT_NEXT]
    assert len({document for document, _ in drawn}) > 200
    assert {0, 1, 2} <= {number for _, number in drawn}


def test_a_stranger_is_never_word_for_word_the_next_sentence():
    documents = [["a", "same", "b"], ["c", "same", "d"], ["e", "same"]]
    for seed in range(50):
        pairs = nsp_pairs(documents, seed)
        following = [after for document in documents for after in document[1:]]
        for label, second, after in zip(pairs.labels, pairs.second, following, strict=True):
            assert (label == IS_NEXT) == (second == after)


def test_the_seed_decides():
    assert nsp_pairs(DOCUMENTS, 1) == nsp_pairs(DOCUMENTS, 1)
    assert nsp_pairs(DOCUMENTS, 1) != nsp_pairs(DOCUMENTS, 2)


def test_empty_documents_are_passed_over():
    pairs = nsp_pairs([[], ["a", "b"], [], ["c", "d"]], seed=3)
    assert pairs.first == ["a", "c"]


@pytest.mark.parametrize("documents", [[], [["a", "b", "c"]], [["a"], ["b"]], [["a", "b"], []]])
def test_too_few_documents_or_sentences_are_refused_with_what_is_missing(documents):
    with pytest.raises(ValueError, match="at least two"):
        nsp_pairs(documents)


def test_the_convention_is_that_of_transformers():
    """`transformers` documents 0 as 'sequence B is a continuation of sequence A'; the two losses agree."""
    import torch
    from transformers import BertConfig as TheirConfig
    from transformers import BertForNextSentencePrediction

    from course_lib.models import Bert

    torch.manual_seed(0)
    small = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    theirs = BertForNextSentencePrediction(
        TheirConfig(vocab_size=40, max_position_embeddings=16, **small)
    ).eval()
    ours = Bert.from_hf(theirs).eval()
    ids, segments = torch.randint(1, 40, (3, 9)), (torch.arange(9) > 4).long().expand(3, 9)
    labels = torch.tensor([IS_NEXT, NOT_NEXT, IS_NEXT])
    with torch.no_grad():
        wanted = theirs(input_ids=ids, token_type_ids=segments, labels=labels).loss
        torch.testing.assert_close(ours(ids, segments, nsp_labels=labels).loss, wanted)
    assert "0 indicates sequence B is a continuation" in BertForNextSentencePrediction.forward.__doc__
