"""The hand-written sentences keep the promises of their card."""

import re
from collections import Counter

from course_lib.data import word_senses
from course_lib.data.word_senses import card


def test_each_sense_has_twelve_sentences_with_its_word_once():
    examples = word_senses.word_senses()
    assert set(Counter((one.word, one.sense) for one in examples).values()) == {12}
    assert len({one.text for one in examples}) == len(examples)
    for one in examples:
        assert len(re.findall(rf"\b{one.word}\b", one.text.lower())) == 1, one.text


def test_each_word_has_two_senses_and_the_caller_may_change_the_list():
    senses = {(one.word, one.sense) for one in word_senses.word_senses()}
    assert set(Counter(word for word, _ in senses).values()) == {2}
    word_senses.word_senses().clear()
    assert word_senses.word_senses()
    assert f"{len(word_senses.word_senses())} sentences" in str(card())
