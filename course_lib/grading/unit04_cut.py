"""Unit 04: cut a word by greedy longest match; replay BPE's merges, without three bugs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Generator

from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit04_merge import Pair, letters, spelt

UNK = "[UNK]"


def cut_reference(word: str, vocab: dict[str, int]) -> list[str]:
    """By recursion on what is left."""

    def rest(left: str, mark: str) -> list[str] | None:
        if not left:
            return []
        fits = [mark + left[:n] for n in range(1, len(left) + 1) if mark + left[:n] in vocab]
        if not fits:
            return None
        longest = max(fits, key=len)
        after = rest(left[len(longest) - len(mark) :], "##")
        return None if after is None else [longest, *after]

    found = rest(word, "")
    return [UNK] if found is None else found


def variant(
    look: Callable[[str, bool], str] = lambda text, inside: "##" * inside + text,
    say: Callable[[str, bool], str] = lambda text, inside: "##" * inside + text,
    shortest: bool = False,
    fail: Callable[[list[str]], list[str]] = lambda pieces: [UNK],
    go_on: bool = False,
) -> Callable[[str, dict[str, int]], list[str]]:
    """Greedy match with one rule replaced."""

    def cut(word: str, vocab: dict[str, int]) -> list[str]:
        pieces: list[str] = []
        start = 0
        while start < len(word):
            ends = range(start + 1, len(word) + 1)
            for end in ends if shortest else reversed(ends):
                if look(word[start:end], start > 0) in vocab:
                    pieces.append(say(word[start:end], start > 0))
                    start = end
                    break
            else:
                if not go_on:
                    return fail(pieces)
                pieces.append(UNK)
                start += 1
        return pieces

    return cut


def from_the_end(word: str, vocab: dict[str, int]) -> list[str]:
    pieces: list[str] = []
    end = len(word)
    while end:
        for start in range(end):
            piece = "##" * (start > 0) + word[start:end]
            if piece in vocab:
                pieces.insert(0, piece)
                end = start
                break
        else:
            return [UNK]
    return pieces


def step_back(word: str, vocab: dict[str, int], start: int = 0) -> list[str]:
    """Takes a step back at a dead end, which greedy match does not."""
    if start == len(word):
        return []
    for end in range(len(word), start, -1):
        piece = "##" * (start > 0) + word[start:end]
        if piece in vocab:
            after = step_back(word, vocab, end)
            if after != [UNK]:
                return [piece, *after]
    return [UNK]


def with_vocab(word: str, pieces: str, whole_alphabet: str = "") -> Callable[[Generator], tuple]:
    """A word and a vocabulary, as templates; `whole_alphabet` adds single letters in both forms."""

    def make(generator: Generator) -> tuple[str, dict[str, int]]:
        names = letters(generator, 9)
        known = [*pieces.split(), *whole_alphabet, *(f"##{letter}" for letter in whole_alphabet)]
        return spelt(word, names), {spelt(piece, names): i for i, piece in enumerate(known)}

    return make


CUT = Task(
    (
        Part(
            "cut",
            cut_reference,
            ("pieces, a list of strings",),
            (
                Case(
                    "three pieces, the longest each time",
                    with_vocab("abcdefgh", "ab abc ##de ##def ##cdef ##gh gh def", "abcdefgh"),
                    "At each place the longest piece that fits is taken, with ## from the second on.",
                    "Cut pretraining with pre, pr, ##train, ##tr and ##ing by hand.",
                    worth=2,
                ),
                Case(
                    "a word that is in the vocabulary stays whole",
                    with_vocab("abcd", "ab abcd ##cd", "abcd"),
                    "The longest candidate is the whole word.",
                    "Which candidate do you try first?",
                ),
                Case(
                    "inside a word only pieces with ## count",
                    with_vocab("abcd", "ab cd ##c ##d"),
                    "cd and ##cd are two entries: the first one begins a word.",
                    "Cut abcd with ab, cd, ##c and ##d.",
                ),
                Case(
                    "at the start only pieces without ## count",
                    with_vocab("abcd", "##ab a ##b ##cd"),
                    "A piece with ## cannot begin a word.",
                    "Cut abcd with ##ab, a, ##b and ##cd.",
                ),
                Case(
                    "one letter without a piece: the whole word is [UNK]",
                    with_vocab("abcd", "a ab ##b ##d"),
                    "WordPiece is all or nothing. What was found before is dropped, too.",
                    "Cut abcd without any piece for c: one token should come out.",
                ),
                Case(
                    "the same when it is the last letter",
                    with_vocab("abcd", "ab abc ##c"),
                    "It is not enough that most of the word is covered.",
                    "Cut abcd with ab, abc and ##c.",
                ),
                Case(
                    "no step back from a dead end",
                    with_vocab("abcd", "ab abc ##cd ##c"),
                    "Greedy match takes abc and then needs ##d. It does not go back to ab.",
                    "Write down which piece is taken first, and what is left.",
                ),
            ),
            (
                Misconception(
                    "forgotten-marks",
                    "The ## is forgotten",
                    variant(look=lambda text, inside: text, say=lambda text, inside: text),
                    "Inside a word, train and ##train are different entries. Without the mark, nobody could "
                    "put the words together again.",
                    "Print each piece that you look up.",
                ),
                Misconception(
                    "marks-only-shown",
                    "The ## is written, but looked up without it",
                    variant(look=lambda text, inside: text),
                    "The vocabulary is asked for the plain piece; ## is put in front afterwards. The "
                    "result may "
                    "hold pieces that have no id.",
                    "Check that every piece you return is in `vocab`.",
                ),
                Misconception(
                    "marks-only-looked-up",
                    "The ## is looked up, but not returned",
                    variant(say=lambda text, inside: text),
                    "The right entries are found; the tokens are their names, with the ##.",
                    "Check that every piece you return is in `vocab`.",
                ),
                Misconception(
                    "shortest-match",
                    "The shortest piece is taken",
                    variant(shortest=True),
                    "Starting with one letter and stopping at the first hit gives the shortest. Longer "
                    "pieces "
                    "are never reached.",
                    "Print the order in which you try the ends.",
                ),
                Misconception(
                    "unknown-part",
                    "Only a part of the word becomes [UNK]",
                    variant(go_on=True),
                    "The letter without a piece is skipped and the rest is cut. In BERT the whole word "
                    "is one "
                    "[UNK].",
                    "Cut abcd without any piece for c.",
                ),
                Misconception(
                    "unknown-after-pieces",
                    "The pieces before the dead end are kept",
                    variant(fail=lambda pieces: [*pieces, UNK]),
                    "What was found so far is returned with [UNK] behind it. In BERT the whole word is "
                    "one [UNK].",
                    "Cut abcd with ab, abc and ##c: how many tokens?",
                ),
                Misconception(
                    "nothing-for-unknown",
                    "An unknown word disappears",
                    variant(fail=lambda pieces: []),
                    "A word that cannot be cut leaves a trace: [UNK].",
                    "Cut a word with an empty vocabulary.",
                ),
                Misconception(
                    "from-the-end",
                    "The word is cut from its end",
                    from_the_end,
                    "Longest match begins at the first letter. From the other side other pieces win.",
                    "Cut abcde with abc, ab, ##de, ##cde from both sides.",
                ),
                Misconception(
                    "steps-back",
                    "It goes back at a dead end",
                    step_back,
                    "That is cleverer than WordPiece, and so different from it: what was learned with greedy "
                    "cuts needs greedy cuts.",
                    "Cut abcd with ab, abc, ##cd and ##c the way the lesson does.",
                ),
            ),
        ),
    ),
    (
        "Two loops: the outer one over where a piece starts, the inner one over where it may end.",
        "Try the ends from the last letter backwards and stop at the first candidate that is in `vocab`. "
        "From "
        "the second piece on, the candidate begins with ##.",
        "Python's `for … else` fits: the `else` runs when no end was found. Then return ['[UNK]'] at once.",
    ),
    ("course_lib.tokenization.WordPiece", "course_lib.tokenization.train_wordpiece"),
)

# ---- replay BPE's merges: three bugs ----


def replay_reference(word: str, merges: list[Pair]) -> list[str]:
    """Every merge once, in the order it was learned: that is how training cut its own words."""
    symbols = list(word)
    for pair in merges:
        done: list[str] = []
        for symbol in symbols:
            if done and (done[-1], symbol) == tuple(pair):
                done[-1] = _Fresh(done[-1] + symbol)
            else:
                done.append(symbol)
        symbols = [str(symbol) for symbol in done]
    return symbols


class _Fresh(str):
    """A symbol made in this very round: it is not merged again before the next."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


def replay_variant(order: bool = False, once: bool = False, doubled: bool = False) -> Callable:
    """With some of the three bugs left in."""

    def replay(word: str, merges: list[Pair]) -> list[str]:
        rank = {tuple(pair): i for i, pair in enumerate(merges)}
        symbols = list(word)
        while True:
            known = [two for two in pairwise(symbols) if two in rank]
            if not known:
                return symbols
            best = known[0] if order else min(known, key=rank.__getitem__)
            merged, i = [], 0
            while i < len(symbols):
                here = tuple(symbols[i : i + 2]) == best
                merged.append("".join(best) if here else symbols[i])
                i += 2 if here and not doubled else 1
            symbols = merged
            if once:
                return symbols

    return replay


def merges_case(word: str, merges: str) -> Callable[[Generator], tuple[str, list[Pair]]]:
    def make(generator: Generator) -> tuple[str, list[Pair]]:
        names = letters(generator, 6)
        pairs = [tuple(spelt(part, names) for part in pair.split("+")) for pair in merges.split()]
        return spelt(word, names), pairs

    return make


LEFT = {
    "order": "the pair that stands first in the word is merged, not the one learned first",
    "once": "it stops after one merge",
    "doubled": "the second half of a merged pair is still there",
}
TRY = {
    "order": "Encode abc with the merges (b, c), (a, b).",
    "once": "Encode abcd with the merges (a, b), (c, d): two symbols should be left.",
    "doubled": "Join the symbols to text: is it still the same word?",
}


def bugs_left(*left: str) -> Misconception:
    count = {1: "One bug is left", 2: "Two bugs are left", 3: "All three bugs are still in"}[len(left)]
    return Misconception(
        "bug-left-" + "-".join(left),
        count,
        replay_variant(**dict.fromkeys(left, True)),
        f"What is computed: {', and '.join(LEFT[name] for name in left)}.",
        TRY[left[0]],
    )


BUG = Task(
    (
        Part(
            "repaired",
            replay_reference,
            ("symbols, a list of strings",),
            (
                Case(
                    "one merge",
                    merges_case("cab", "a+b"),
                    "Two symbols become one, so there is one symbol less.",
                    "Encode cab with the single merge (a, b).",
                ),
                Case(
                    "merges build on each other",
                    merges_case("abcdab", "a+b c+d ab+cd"),
                    "Encoding goes on until no neighbours are left that were ever merged.",
                    "Print the symbols after each round.",
                    worth=2,
                ),
                Case(
                    "what was learned first is merged first",
                    merges_case("abcabd", "b+c a+b bc+a"),
                    "The merges are a list in order. An early one may take a symbol away from a later one.",
                    "Encode abc with the merges (b, c), (a, b): the word does not decide, the list does.",
                    worth=2,
                ),
                Case(
                    "a word that nothing was learned for",
                    merges_case("fed", "a+b b+c"),
                    "Then every letter stays alone.",
                    "Encode a word with an empty list of merges.",
                    telling=False,
                ),
            ),
            tuple(
                bugs_left(*left)
                for left in (
                    ("order",),
                    ("once",),
                    ("doubled",),
                    ("order", "once"),
                    ("order", "doubled"),
                    ("once", "doubled"),
                    ("order", "once", "doubled"),
                )
            ),
        ),
    ),
    (
        "Run it on small words and print the symbols of every round. Three things go wrong: which pair, how "
        "often, and what is left over.",
        "One bug is in the choice of the pair, one in when the function returns, one in how far the index "
        "moves on.",
        "`min` with the rank as its key finds the merge learned first; return only when no known pair is "
        "left; "
        "after a merge step over two symbols.",
    ),
    (
        "course_lib.tokenization.BPE",
        "course_lib.tokenization.train_bpe",
        "course_lib.tokenization.pairs.merge_symbols",
    ),
)
