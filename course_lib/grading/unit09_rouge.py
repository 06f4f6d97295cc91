"""Unit 09: a measure of repairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit09_words import text


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for a in one:
        before = row[:]
        for j, b in enumerate(other):
            row[j + 1] = before[j] + 1 if a == b else max(before[j + 1], row[j])
    return row[-1]


def longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    best = 0
    for i in range(len(one)):
        for j in range(len(other)):
            n = 0
            while i + n < len(one) and j + n < len(other) and one[i + n] == other[j + n]:
                n += 1
            best = max(best, n)
    return best


def shared_words(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(min(one.count(word), other.count(word)) for word in set(one))


def greedy(one: Sequence[str], other: Sequence[str]) -> int:
    """Each word of `one` takes the first match behind the last one, and keeps it."""
    found = place = 0
    for word in one:
        if word in other[place:]:
            place, found = other.index(word, place) + 1, found + 1
    return found


def in_a_set(one: Sequence[str], other: Sequence[str]) -> int:
    return len(set(one) & set(other))


def in_place(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(a == b for a, b in zip(one, other))


def at_first_places(one: Sequence[str], other: Sequence[str]) -> int:
    """Each word as the place where `other` has it first; the longest rising row of such places."""
    places = [other.index(word) for word in one if word in other]
    best: list[int] = []
    for i, place in enumerate(places):
        best.append(1 + max((best[j] for j in range(i) if places[j] < place), default=0))
    return max(best, default=0)


def in_one_row(one: Sequence[str], other: Sequence[str]) -> int:
    """The table of hint two, but all its rows are one and the same list."""
    row = [0] * (len(other) + 1)
    for a in one:
        for j, b in enumerate(other):
            row[j + 1] = row[j] + 1 if a == b else max(row[j + 1], row[j])
    return row[-1]


def in_blocks(one: Sequence[str], other: Sequence[str]) -> int:
    """The longest run first, then what fits before and behind it, as `difflib` does."""
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def rouge_like(
    common: Callable[[Sequence[str], Sequence[str]], int] = longest_common,
    both: Callable[[float, float], float] = lambda p, r: 2 * p * r / (p + r) if p + r else 0.0,
) -> Callable[..., float]:
    """`both` makes one number of precision and recall."""

    def rouge_l(written: list[str], wanted: list[str]) -> float:
        n = common(written, wanted)
        return float(both(n / len(written), n / len(wanted)))

    return rouge_l


def compared(generator: Generator, twice: bool) -> tuple[list[str], list[str]]:
    """A text, and one that keeps most of its words; a late one comes early, an early one late.

    With `twice` one word of the text is doubled, which the other text has once, and one comes again later.
    """
    while True:
        words = text(generator, 12)
        wanted, others = words[:9], words[9 : 10 + whole(generator, 0, 2)]
        if twice:
            wanted[4], wanted[whole(generator, 6, 8)] = wanted[3], wanted[1]
        written = [word for word in wanted if torch.rand((), generator=generator) < 0.85]
        if len(written) < 6:
            continue
        written.insert(whole(generator, 0, 1), written.pop(-whole(generator, 1, 3)))
        written.insert(-whole(generator, 1, 2), written.pop(whole(generator, 1, 2)))
        if twice and written.count(wanted[3]) == 2:
            written.remove(wanted[3])
        for other in others:
            written.insert(whole(generator, 0, len(written)), other)
        if all(differs(name, written, wanted) for name in WRONG_ROUGE if name not in ONLY_TWICE):
            return written, wanted


def differs(name: str, written: list[str], wanted: list[str]) -> bool:
    return abs(WRONG_ROUGE[name](written, wanted) - rouge_like()(written, wanted)) > 1e-4


def each_of(answer: Callable[..., float], pairs: list[tuple[list[str], list[str]]]) -> torch.Tensor:
    return torch.tensor([float(answer(*pair)) for pair in pairs])


def ten(twice: bool) -> Callable[[Generator], tuple[list[tuple[list[str], list[str]]]]]:
    """One pair may come out right by luck; ten do not, and with words twice they tell the mistakes apart."""

    def make(generator: Generator) -> tuple[list[tuple[list[str], list[str]]]]:
        ways = (rouge_like(), *WRONG_ROUGE.values(), SLIP)
        while True:
            pairs = [compared(generator, twice) for _ in range(10)]
            if not twice:
                return (pairs,)
            often = all(sum(differs(name, *pair) for pair in pairs) >= 3 for name in ONLY_TWICE)
            if often and len({tuple(each_of(way, pairs).tolist()) for way in ways}) == len(ways):
                return (pairs,)

    return make


def nothing_shared(answer: Callable[..., float], written: list[str], wanted: list[str]) -> float:
    """-1 for a division by zero, so that this slip does not hide what else is wrong."""
    try:
        return answer(written, wanted)
    except ZeroDivisionError:
        return -1.0


WRONG_ROUGE = {
    "one-run-only": rouge_like(longest_run),
    "greedy": rouge_like(greedy),
    "greedy-in-the-wanted": rouge_like(lambda written, wanted: greedy(wanted, written)),
    "order-ignored": rouge_like(shared_words),
    "sets-of-words": rouge_like(in_a_set),
    "same-place-only": rouge_like(in_place),
    "first-place-only": rouge_like(at_first_places),
    "rows-are-one-list": rouge_like(in_one_row),
    "recall-only": rouge_like(both=lambda p, r: r),
    "precision-only": rouge_like(both=lambda p, r: p),
    "plain-mean": rouge_like(both=lambda p, r: (p + r) / 2),
    "half-forgotten": rouge_like(both=lambda p, r: p * r / (p + r) if p + r else 0.0),
    "over-the-longer": rouge_like(both=min),
    "over-all-words": rouge_like(both=lambda p, r: p * r / (p + r - p * r) if p + r else 0.0),
}
ONLY_TWICE = {"first-place-only", "rows-are-one-list"}  # right as long as no word comes twice

SLIP = rouge_like(in_blocks)  # not worth a name, but wrong all the same

ROUGE = Task(
    (
        Part(
            "rouge_l",
            rouge_like(),
            ("ROUGE-L, a float from 0 to 1",),
            (
                Case(
                    "the same text has 1",
                    lambda generator: (words := text(generator, whole(generator, 4, 7)), list(words)),
                    "All words are there, in order: precision and recall are 1.",
                    "Call it with the same list twice.",
                    telling=False,
                ),
                Case(
                    "nothing in common has 0",
                    lambda generator: (text(generator, 6)[:3], ["x", "y"]),
                    "Then precision and recall are 0, and nothing may be divided by their sum.",
                    "Call it with [a] and [b].",
                    judge=lambda got, written, wanted: (
                        None if got == 0 else "it divides by 0" if got == -1 else f"returned {got:.6g}"
                    ),
                    call=nothing_shared,
                    names=("ROUGE-L (a float)",),
                    telling=False,
                ),
                Case(
                    "words kept, moved, left out and put in",
                    ten(twice=False),
                    "The longest common subsequence: the same order, gaps allowed. Then F of both shares.",
                    "Find it by hand for a b c d and a x c d b.",
                    call=each_of,
                    names=("ROUGE-L of ten pairs",),
                    worth=2,
                ),
                Case(
                    "texts in which words come twice",
                    ten(twice=True),
                    "A word that comes twice may be matched at either place; when both have it twice, twice.",
                    "Find it by hand for a b a and a a c.",
                    call=each_of,
                    names=("ROUGE-L of ten pairs",),
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "one-run-only",
                    "The words must stand side by side",
                    WRONG_ROUGE["one-run-only"],
                    "A subsequence may have gaps. The longest common *run* is another thing.",
                    "What is common to a b c and a x b x c?",
                ),
                Misconception(
                    "greedy",
                    "Each written word takes the first match it finds",
                    WRONG_ROUGE["greedy"],
                    "A word that was written too early uses up all that stands before its match.",
                    "What is common to d a b c and a b c d?",
                ),
                Misconception(
                    "greedy-in-the-wanted",
                    "Each wanted word takes the first match it finds",
                    WRONG_ROUGE["greedy-in-the-wanted"],
                    "A word that was written too late uses up all that stands before it.",
                    "What is common to b c d a and a b c d?",
                ),
                Misconception(
                    "order-ignored",
                    "The order is ignored",
                    WRONG_ROUGE["order-ignored"],
                    "That is ROUGE-1: shared words, in any order.",
                    "Compare a b c with c b a.",
                ),
                Misconception(
                    "sets-of-words",
                    "The texts are taken for sets of words",
                    WRONG_ROUGE["sets-of-words"],
                    "A set forgets the order, and that a word comes twice.",
                    "Compare a b c with c b a, and a a b with a a c.",
                ),
                Misconception(
                    "same-place-only",
                    "Only words at the same place count",
                    WRONG_ROUGE["same-place-only"],
                    "One word too many in front, and nothing stands at its place any more.",
                    "Compare a b c d with x a b c d.",
                ),
                Misconception(
                    "first-place-only",
                    "A word is looked for at its first place only",
                    WRONG_ROUGE["first-place-only"],
                    "`index` finds the first. A word that comes twice may be matched at the second.",
                    "What is common to a b a and b a?",
                ),
                Misconception(
                    "rows-are-one-list",
                    "All rows of the table are one list",
                    WRONG_ROUGE["rows-are-one-list"],
                    "`[row] * n` is n times the same list: whoever writes into one row writes into all. "
                    "Then a word may be matched twice.",
                    "Make such a table of two rows, write into the first, and print both.",
                ),
                Misconception(
                    "recall-only",
                    "Only recall is counted",
                    WRONG_ROUGE["recall-only"],
                    "Then whoever writes everything gets 1.",
                    "Put ten more words into `written`.",
                ),
                Misconception(
                    "precision-only",
                    "Only precision is counted",
                    WRONG_ROUGE["precision-only"],
                    "Then one right word is enough for 1.",
                    "Write only the first word.",
                ),
                Misconception(
                    "plain-mean",
                    "Precision and recall are averaged plainly",
                    WRONG_ROUGE["plain-mean"],
                    "F is their harmonic mean, 2pr / (p + r): one bad number pulls it down.",
                    "Compare for p = 1 and r = 0.1.",
                ),
                Misconception(
                    "half-forgotten",
                    "The 2 in front is forgotten",
                    WRONG_ROUGE["half-forgotten"],
                    "Two equal numbers have themselves as their mean: with p = r = 1 it has to be 1.",
                    "Call it with the same list twice.",
                ),
                Misconception(
                    "nothing-in-common-forgotten",
                    "Texts with nothing in common are forgotten",
                    rouge_like(both=lambda p, r: 2 * p * r / (p + r)),
                    "There precision and recall are 0, and 2pr / (p + r) divides by 0. The measure is 0.",
                    "Call it with [a] and [b].",
                ),
                Misconception(
                    "over-the-longer",
                    "The count is divided by the longer text",
                    WRONG_ROUGE["over-the-longer"],
                    "That is the smaller of precision and recall. F lies between the two.",
                    "Print precision, recall and your result.",
                ),
                Misconception(
                    "over-all-words",
                    "The count is divided by all words of both, common ones once",
                    WRONG_ROUGE["over-all-words"],
                    "That is the Jaccard index, n over the union. F is 2n over the sum of both lengths.",
                    "Compute both for a b c d and a x c d b.",
                ),
            ),
        ),
    ),
    (
        "Two steps: how many words are common in order, and what share of each text that is.",
        "A table: best[i][j] for the first i words of one text and the first j of the other. Equal words: "
        "one more than diagonally before; else the better of the two neighbours.",
        "p = n / len(written), r = n / len(wanted), 2pr / (p + r), and 0 where n is 0.",
    ),
    ("course_lib.metrics.rouge",),
)
