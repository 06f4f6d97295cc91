"""Unit 10: the text put together again from what was read and what was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit10_spans import EVERY, SENTINELS, Names, spans_in, spans_like


def restore_like(
    missing: Callable[[str], list[str]] = lambda sentinel: [],
    placed: Callable[[str, list[str]], list[str]] = lambda sentinel, words: words,
    by_order: bool = False,
    before: bool = False,
) -> Callable[..., list]:
    """`missing` is what a sentinel becomes that the target does not name, `placed` one that it does."""

    def restore(read: list, write: list, sentinels: Names) -> list:
        held: dict[Any, list] = {}
        current = None
        if before:
            current = next((token for token in read if token in sentinels), None)
            held[current] = []
        for token in write:
            if token in sentinels:
                current = token
                held.setdefault(current, [])
            elif current is not None:
                held[current].append(token)
        if by_order:
            said = list(held.values())
            places = [token for token in read if token in sentinels]
            held = dict(zip(places, said))
        whole_ = []
        for token in read:
            if token not in sentinels:
                whole_.append(token)
            else:
                whole_ += placed(token, held[token]) if token in held else missing(token)
        return whole_

    return restore


def run_on(read: list, write: list, sentinels: Names) -> list:
    """Behind its sentinel a hole gets all that follows."""
    whole_ = []
    for token in read:
        if token not in sentinels:
            whole_.append(token)
        elif token in write:
            whole_ += write[write.index(token) + 1 :]
    return whole_


def until_the_next_number(read: list, write: list, sentinels: Names) -> list:
    """The words between sentinel i and sentinel i + 1, wherever these two stand."""
    whole_ = []
    for token in read:
        if token in sentinels:
            following = sentinels[sentinels.index(token) + 1]
            whole_ += write[write.index(token) + 1 : write.index(following)]
        else:
            whole_.append(token)
    return whole_


def written_well(generator: Generator) -> tuple:
    tokens, spans = spans_in(generator, (2, 1, 3), (1, 2, whole(generator, 1, 3), 2))
    return (*spans_like()(tokens, spans, SENTINELS), SENTINELS)


def one_left_out(generator: Generator) -> tuple:
    read, write, names = written_well(generator)
    at = write.index(names[1])
    return read, write[:at] + write[at + 2 :], names


def another_order(generator: Generator) -> tuple:
    read, write, names = written_well(generator)
    first, second, third = (write.index(name) for name in names[:3])
    return read, [*write[second:third], *write[first:second], *write[third:]], names


def words_in_front(generator: Generator) -> tuple:
    read, write, names = written_well(generator)
    return read, ["uhm", "well", *write], names


RESTORE = Part(
    "restore",
    restore_like(),
    ("text (a list)",),
    (
        Case(
            "puts every span back",
            written_well,
            "Where a sentinel stands, the words behind it in the target belong. The sentinel itself goes.",
            EVERY,
        ),
        Case(
            "the target names the spans in another order",
            another_order,
            "A sentinel is a name. Where it comes in the target does not matter.",
            "Collect the target in a dict, sentinel to words, and print it.",
        ),
        Case(
            "the target leaves a sentinel out",
            one_left_out,
            "A model may forget a span. Then nothing stands there.",
            "Which words does your code put at the sentinel that was not named?",
        ),
        Case(
            "words before the first sentinel belong nowhere",
            words_in_front,
            "Nobody can say which hole they fill.",
            "What is the current sentinel before the first one came?",
        ),
    ),
    (
        Misconception(
            "sentinel-stays",
            "The sentinels stay in the text",
            restore_like(placed=lambda sentinel, words: [sentinel, *words]),
            "A sentinel stands for its words. When these are back, it goes.",
            "Is the restored text as long as the first one?",
        ),
        Misconception(
            "by-order",
            "Spans are put back by their order, not by their name",
            restore_like(by_order=True),
            "One span that is left out or exchanged, and all that follow stand in the wrong hole.",
            "Exchange two spans of a target: should the text change?",
        ),
        Misconception(
            "forgotten-sentinel-stays",
            "A sentinel that the target does not name stays in the text",
            restore_like(missing=lambda sentinel: [sentinel]),
            "The model has said nothing about it, so nothing stands there.",
            "Search the restored text for sentinels.",
        ),
        Misconception(
            "front-words-kept",
            "Words in front of the first sentinel fill the first hole",
            restore_like(before=True),
            "They belong to no sentinel: nobody can say where they go.",
            "Let the target begin with a word.",
        ),
        Misconception(
            "runs-on",
            "A hole gets everything behind its sentinel",
            run_on,
            "Its words end where the next sentinel stands, whichever that is.",
            "Print what your code puts into the first hole.",
        ),
        Misconception(
            "until-the-next-number",
            "Words are taken up to the sentinel with the next number",
            until_the_next_number,
            "In what a model writes, another sentinel may come next, or that one may never come.",
            "Which sentinel follows <0> when the spans come in another order?",
        ),
        Misconception(
            "last-word-only",
            "Only the last word of a span comes back",
            restore_like(placed=lambda sentinel, words: words[-1:]),
            "Each new word overwrites the one before. A hole holds a list.",
            "Print what you have collected for a sentinel with three words.",
        ),
        Misconception(
            "first-word-only",
            "Only the first word of a span comes back",
            restore_like(placed=lambda sentinel, words: words[:1]),
            "All words up to the next sentinel belong to the hole.",
            "Print what you have collected for a sentinel with three words.",
        ),
    ),
)

RESTORED = Task(
    (RESTORE,),
    (
        "Two passes: first collect what the target says, then walk over what was read.",
        "A dict from sentinel to list of words; a variable holds the sentinel that came last, None at first.",
        "In the second pass a token that is no sentinel is copied; a sentinel becomes `held.get(token, [])`.",
    ),
    ("course_lib.objectives.spans.restore_spans",),
)
