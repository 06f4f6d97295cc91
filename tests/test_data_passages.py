"""The hand-written passages keep the promises of their card."""

import re
from collections import Counter

from course_lib.data import passages
from course_lib.data.passages import card

PASSAGES = passages.passages()


def named(word, text):
    return re.search(rf"\b{word}(s|es|'s)?\b", text) is not None


def test_there_are_enough_and_both_kinds_are_well_represented():
    kinds = Counter(one.kind for one in PASSAGES)
    assert len(PASSAGES) >= 64 and set(kinds) == {"noun", "name"} and min(kinds.values()) >= 28
    assert f"{len(PASSAGES)} passages" in str(card()) and len(card().quirks) >= 2
    first = [one.kind for one in PASSAGES[:20]]
    assert Counter(first) == {"noun": 10, "name": 10}  # whoever takes the first few gets both


def test_nouns_are_lower_case_and_names_capitalised():
    for one in PASSAGES:
        pattern = r"[A-Z][a-z]+" if one.kind == "name" else r"[a-z]+"
        assert all(re.fullmatch(pattern, word) for word in one.candidates), one


def test_the_word_is_one_of_ten_candidates_and_its_place_varies():
    places = Counter()
    for one in PASSAGES:
        assert len(set(one.candidates)) == 10 and one.word in one.candidates, one
        places[one.candidates.index(one.word)] += 1
    assert set(places) == set(range(10)) and max(places.values()) - min(places.values()) <= 2


def test_contexts_and_last_sentences_are_distinct_and_well_formed():
    assert (
        len({one.context for one in PASSAGES})
        == len({one.last_sentence for one in PASSAGES})
        == len(PASSAGES)
    )
    for one in PASSAGES:
        sentences = re.split(r'(?<=[.!?])"?(?<!Mr\.) +(?=["A-Z])', one.context)
        assert 2 <= len(sentences) <= 4, (len(sentences), one.context)
        assert one.context[-1] in '.!?"' and one.last_sentence[-1] not in " .", one
        assert 5 <= len(one.last_sentence.split()) <= 25, one
        assert one.prompt == f"{one.context} {one.last_sentence}"


def test_the_last_sentence_names_no_candidate_of_a_noun_and_never_the_word():
    for one in PASSAGES:
        assert not named(one.word, one.last_sentence), one
        if one.kind == "noun":
            assert not any(named(other, one.last_sentence) for other in one.candidates), one


def test_the_last_sentence_ends_alike_for_all_candidates():
    """No article gives the word away: "an" ends none, "a" only where all begin with a consonant."""
    for one in PASSAGES:
        end = one.last_sentence.split()[-1]
        assert end != "an"
        if end == "a":
            assert not any(word[0] in "aeiou" for word in one.candidates), one


def test_every_name_stands_in_its_context_with_another_candidate():
    for one in PASSAGES:
        if one.kind == "name":
            assert named(one.word, one.context), one
            assert any(named(other, one.context) for other in one.candidates if other != one.word), one


def test_being_named_does_not_single_the_word_out():
    """Of the candidates that the context names, the word is rarely the only one, and last in about half."""
    only = last = 0
    for one in PASSAGES:
        mentioned = [word for word in one.candidates if named(word, one.context)]
        only += mentioned == [one.word]
        ends = {word: max(m.start() for m in re.finditer(rf"\b{word}", one.context)) for word in mentioned}
        last += bool(ends) and max(ends, key=ends.get) == one.word
    assert only <= len(PASSAGES) / 8, only
    assert 0.4 < last / len(PASSAGES) < 0.6, last


def test_half_of_the_nouns_only_follow_from_the_context():
    nouns = [one for one in PASSAGES if one.kind == "noun"]
    assert 0.4 < sum(named(one.word, one.context) for one in nouns) / len(nouns) < 0.6


def test_many_words_are_the_answer_and_none_of_them_often():
    """A model that always says its favourite stays near chance."""
    answers = Counter(one.word for one in PASSAGES)
    assert len(answers) >= 50 and max(answers.values()) <= 2
    offered = Counter(word for one in PASSAGES for word in one.candidates)
    assert all(offered[word] > answers[word] for word in answers)  # each answer is elsewhere a wrong one


def test_the_list_is_the_callers_own():
    passages.passages().clear()
    assert passages.passages() == PASSAGES
