"""The hand-written sentences to label keep the promises of their card."""

import re
from collections import Counter
from itertools import combinations

import pytest

from course_lib.data import few_shot

TASKS = {
    "sentiment": (few_shot.sentiment, ("positive", "negative"), (16, 40, 94)),
    "topics": (few_shot.topics, ("sports", "science", "business", "food"), (16, 40, 88)),
    "korean": (few_shot.korean_sentiment, ("positive", "negative"), (4, 8, 16)),
}
LEAKS = {
    "sentiment": r"\b(good|bad|great|terrible|awful|excellent|positive\w*|negative\w*)\b",
    "topics": r"\b(sport\w*|scien\w*|business\w*|foods?)\b",
    "korean": r"긍정|부정",
}


def words(text):
    return set(re.findall(r"\w+", text.lower()))


def overlap(a, b):
    """Shared words over all words (Jaccard)."""
    return len(words(a) & words(b)) / len(words(a) | words(b))


@pytest.mark.parametrize("task", TASKS)
def test_every_split_has_its_size_and_as_many_of_each_label(task):
    load, labels, sizes = TASKS[task]
    assert [one for split in few_shot.SPLITS for one in load(split)] == load()
    for split, size in zip(few_shot.SPLITS, sizes, strict=True):
        part = load(split)
        assert len(part) == size and {one.split for one in part} == {split}
        assert Counter(one.label for one in part) == dict.fromkeys(labels, size // len(labels))
        assert tuple(one.label for one in part[: len(labels)]) == labels  # the labels take turns


@pytest.mark.parametrize("task", TASKS)
def test_no_sentence_comes_twice_and_none_is_nearly_another_in_another_split(task):
    sentences = TASKS[task][0]()
    assert len({one.text for one in sentences}) == len(sentences)
    for a, b in combinations(sentences, 2):
        if a.split != b.split:
            assert overlap(a.text, b.text) < 0.45, (a.text, b.text)


@pytest.mark.parametrize("task", TASKS)
def test_no_sentence_holds_a_label_word(task):
    load, labels, _ = TASKS[task]
    for one in load():
        assert not re.search(LEAKS[task], one.text.lower()), one.text
        assert not words(one.text) & set(labels), one.text


@pytest.mark.parametrize("task", ["sentiment", "topics"])
def test_sentences_differ_in_length_and_in_how_they_begin(task):
    sentences = [one.text for one in TASKS[task][0]()]
    lengths = [len(text.split()) for text in sentences]
    assert min(lengths) <= 6 and max(lengths) >= 12
    begins = Counter(" ".join(text.split()[:2]) for text in sentences)
    assert begins.most_common(1)[0][1] <= 8
    assert all(text[0].isupper() and text[-1] in ".!" for text in sentences)


def test_length_does_not_give_the_sentiment_away():
    """A threshold on the number of words, the best one, must stay near chance."""
    sentences = few_shot.sentiment()
    best = max(
        abs(sum((len(one.text.split()) > cut) == (one.label == "positive") for one in sentences) / 150 - 0.5)
        for cut in range(20)
    )
    assert best < 0.1


def test_negations_stand_under_both_labels():
    negated = Counter(
        one.label
        for one in few_shot.sentiment()
        if words(one.text) & {"not", "never", "no", "nobody", "nothing", "none", "without"}
    )
    assert min(negated.values()) >= 10 and len(negated) == 2


def test_korean_sentences_are_korean():
    for one in few_shot.korean_sentiment():
        assert re.fullmatch(r"[가-힣 .]+", one.text), one.text


def test_the_lists_are_the_callers_own_and_an_unknown_split_is_refused():
    few_shot.sentiment().clear()
    assert len(few_shot.sentiment()) == 150
    assert "sentiment 16 + 40 + 94" in str(few_shot.card()) and len(few_shot.card().quirks) >= 2
    with pytest.raises(ValueError, match="split 'train': choose one of examples, search, test"):
        few_shot.topics("train")
