"""Tiny Town: a small world with a grammar, for experiments in which cause and effect can be seen.

    senses, siblings    a word with two senses, in a context that decides
    sentiment           reviews with negation and contrast
    stories             events in order
    next_sentence       does the second sentence follow the first?
    tags                part of speech and role of every word
    entailment          does the hypothesis follow from the premise?
    paraphrases         the same in other words, another thing in nearly the same words
    questions           answers as spans of a passage
    acceptability       grammatical or corrupted
    plurals             one to several, text to text
    translations        English to Korean
    sentences           all sentences of the training split, as a corpus

Every text is lower case, and `text.split()` gives its tokens. Each task takes a split: "train", "validation"
(new examples of the same kind) or "test" (combinations of words that training never shows).
"""

from __future__ import annotations

import functools
import random

from course_lib.data.card import Card
from course_lib.data.tiny_town.events import Event, Tagged, tags
from course_lib.data.tiny_town.grammar import Judgement, Plural, acceptability, plurals
from course_lib.data.tiny_town.korean import Translation, particle, translations
from course_lib.data.tiny_town.pairs import Entailment, Paraphrase, entailment, paraphrases
from course_lib.data.tiny_town.passages import Question, questions
from course_lib.data.tiny_town.polysemy import Sense, senses, siblings
from course_lib.data.tiny_town.reviews import Review, sentiment
from course_lib.data.tiny_town.splits import SPLITS, check_split
from course_lib.data.tiny_town.storytelling import Pair, Story, next_sentence, stories

TASKS = {
    "senses": senses,
    "siblings": siblings,
    "sentiment": sentiment,
    "stories": stories,
    "next_sentence": next_sentence,
    "tags": tags,
    "entailment": entailment,
    "paraphrases": paraphrases,
    "questions": questions,
    "acceptability": acceptability,
    "plurals": plurals,
    "translations": translations,
}


def sentences(split: str = "train") -> list[str]:
    """A corpus: the sentences of senses, siblings, sentiment, stories and tags, each once, shuffled."""
    check_split(split)
    return list(_sentences(split))


@functools.cache
def _sentences(split: str) -> tuple[str, ...]:
    found = {one.text for task in (senses, siblings, sentiment) for one in task(split)}
    found |= {sentence for story in stories(split) for sentence in story.sentences}
    found |= {" ".join(tagged.words) for tagged in tags(split)}
    corpus = sorted(found)
    random.Random(f"tiny town sentences {split}").shuffle(corpus)
    return tuple(corpus)


def card() -> Card:
    """The data card."""
    sizes = (
        f"{name} {' + '.join(f'{len(task(split)):,}' for split in SPLITS)}" for name, task in TASKS.items()
    )
    return Card(
        name="Tiny Town",
        what="sentences from a small grammar, with what is to be learned about them",
        source="written for this course; drawn with a fixed seed",
        licence="MIT, as the course",
        size="train + validation + test: "
        + ", ".join(sizes)
        + "; drawn from 949 thousand sentences with senses, 44 million events and many more passages",
        quirks=(
            "A grammar is not language: a score here says what a model can learn, not how well it reads.",
            "The article gives senses away: without 'the', apple is the company and python the language.",
            "A pair that skips a step of a story counts as not next, though people would accept some.",
            "Colours and sizes are drawn by chance: there are blue carrots and old puppies.",
            "Test scores are of new combinations, which is harder than new sentences: report both.",
        ),
    )


__all__ = [
    "SPLITS",
    "TASKS",
    "Entailment",
    "Event",
    "Judgement",
    "Pair",
    "Paraphrase",
    "Plural",
    "Question",
    "Review",
    "Sense",
    "Story",
    "Tagged",
    "Translation",
    "acceptability",
    "card",
    "entailment",
    "next_sentence",
    "paraphrases",
    "particle",
    "plurals",
    "questions",
    "senses",
    "sentences",
    "sentiment",
    "siblings",
    "stories",
    "tags",
    "translations",
]
