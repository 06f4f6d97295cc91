"""Unit 04: score a pair as WordPiece does, and merge it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

LETTERS = "abcdefghijklmnopqrstuvwxyz가나다라마바사아자차카타파하"
LECTURE = ("aab", "ab", "abc", "bcd", "b", "c")
Words = list[list[str]]
Pair = tuple[str, str]


def letters(generator: Generator, n: int) -> list[str]:
    """So many different letters."""
    return [LETTERS[i] for i in torch.randperm(len(LETTERS), generator=generator)[:n].tolist()]


def spelt(template: str, names: Sequence[str]) -> str:
    """A word like the template, with other letters for a, b, c …"""
    return "".join(names["abcdefghijklmnop".index(char)] if char.isalpha() else char for char in template)


# ---- the score ----


def score_reference(words: Words, pair: Pair) -> float:
    """Equation by equation, in plain loops."""
    s, t = pair
    total = sum(len(word) for word in words)
    together = sum(1 for word in words for i in range(1, len(word)) if word[i - 1] == s and word[i] == t)
    first, second = (sum(word.count(symbol) for word in words) for symbol in pair)
    return (together / total) / (first / total) / (second / total)


def counted(words: Words, pair: Pair) -> tuple[int, int, int, int, int]:
    """Counts of the pair and of its two symbols; numbers of symbols and of pairs."""
    symbols = Counter(symbol for word in words for symbol in word)
    pairs = Counter(two for word in words for two in pairwise(word))
    return pairs[pair], symbols[pair[0]], symbols[pair[1]], symbols.total(), pairs.total()


def scored(formula: Callable[[int, int, int, int, int], float]) -> Callable[[Words, Pair], float]:
    return lambda words, pair: formula(*counted(words, tuple(pair)))


def each_word_once(words: Words, pair: Pair) -> float:
    return score_reference([list(word) for word in dict.fromkeys(map(tuple, words))], pair)


def letters_counted(words: Words, pair: Pair) -> float:
    """Counts in the text, as if nothing were merged."""
    texts = ["".join(word) for word in words]
    n, a, b = (sum(text.count(part) for text in texts) for part in ("".join(pair), *pair))
    total = sum(map(len, words))
    return n * total / (a * b)


def corpus(generator: Generator) -> tuple[Words, Pair]:
    """The lecture's words with other letters, two of them more than once, so often that it matters."""
    names = letters(generator, 4)
    while True:
        words = [*LECTURE, *["ab"] * whole(generator, 2, 4), *["bcd"] * whole(generator, 2, 4)]
        pair = [("a", "b"), ("b", "c"), ("c", "d")][whole(generator, 0, 2)]
        if abs(each_word_once(words, pair) - score_reference(words, pair)) > 0.01:
            return [list(spelt(word, names)) for word in words], tuple(spelt(part, names) for part in pair)


def merged_corpus(generator: Generator) -> tuple[Words, Pair]:
    """Symbols of two letters stand beside the letters they were made of."""
    names = letters(generator, 4)
    words = ["ab c", "a b c", "ab d", "b c", "ab c", "d ab c", "c a b"]
    return [spelt(word, names).split() for word in words], (spelt("ab", names), spelt("c", names))


def repeated(generator: Generator) -> tuple[Words, Pair]:
    names = letters(generator, 3)
    a = names[0]
    return [list(spelt(word, names)) for word in ("aaab", "abc", "caa", "b", "aa")], (a, a)


def never_together(generator: Generator) -> tuple[Words, Pair]:
    words, _ = corpus(generator)
    return words, (words[3][2], words[3][0])  # d before b


SCORE = Task(
    (
        Part(
            "pair_score",
            score_reference,
            ("the score, a float",),
            (
                Case(
                    "right on the lecture's words, some more than once",
                    corpus,
                    "p(st) / (p(s) p(t)), and each p is a count divided by the number of symbols.",
                    "Take the lecture's corpus and (a, b): 3, 4, 5 and 13 should turn up, and 1.95 come out.",
                    worth=2,
                ),
                Case(
                    "right after some merges",
                    merged_corpus,
                    "What counts is symbols. The a inside the symbol ab is not an a any more.",
                    "Take `[['ab', 'c'], ['a', 'b']]` and count the a by hand.",
                ),
                Case(
                    "right for a symbol beside itself",
                    repeated,
                    "a a a has two pairs of neighbours: the first two and the last two.",
                    "Print all pairs of `['a', 'a', 'a']`.",
                ),
                Case(
                    "zero for a pair that never stands together",
                    never_together,
                    "A pair that was not seen has count 0. Order matters: (a, b) is not (b, a).",
                    "Ask for (b, a) in the lecture's corpus.",
                ),
            ),
            (
                Misconception(
                    "likelihood-without-denominator",
                    "Nothing is compared with chance",
                    scored(lambda n, a, b, N, P: n / N),
                    "This is p(st) alone. Frequent symbols stand together often by chance; the denominator "
                    "takes that away.",
                    "Compare the ranking of all pairs with the ranking by plain counts.",
                ),
                Misconception(
                    "count-of-bpe",
                    "The pair is only counted",
                    scored(lambda n, a, b, N, P: n),
                    "Ranking by count is BPE. WordPiece asks how much more often than by chance.",
                    "Which two other counts does the formula need?",
                ),
                Misconception(
                    "totals-cancelled",
                    "The numbers of symbols are cancelled against each other",
                    scored(lambda n, a, b, N, P: n / (a * b)),
                    "One total stands above the line and two below, so one is left. (The ranking within a "
                    "step is the same; the value is not: 1 should mean chance.)",
                    "Write the three fractions one below the other and cancel by hand.",
                ),
                Misconception(
                    "pairs-as-total",
                    "p(st) is divided by the number of pairs",
                    scored(lambda n, a, b, N, P: n / P / (a / N) / (b / N)),
                    "The lecture divides all three counts by the same number, that of the symbols.",
                    "Print the number of symbols and the number of pairs for the lecture's corpus: which "
                    "is 13?",
                ),
                Misconception(
                    "sum-below",
                    "The two probabilities are added",
                    scored(lambda n, a, b, N, P: (n / N) / (a / N + b / N)),
                    "Two independent things happen together with the product of their probabilities.",
                    "With p(s) = p(t) = 0.1, how often would they meet by chance?",
                ),
                Misconception(
                    "each-word-once",
                    "A word that occurs several times is counted once",
                    each_word_once,
                    "A frequent word gives its pairs more often. A set forgets that.",
                    "Score a pair in `words` and in `words + words[:1]`: the numbers should differ.",
                ),
                Misconception(
                    "letters-not-symbols",
                    "Letters of the text are counted, not symbols",
                    letters_counted,
                    "After a merge, ab is one symbol. Joining a word to text and counting in it forgets "
                    "where "
                    "the symbols end.",
                    "Count the symbol a in `[['ab', 'c'], ['a', 'b']]`.",
                ),
            ),
        ),
    ),
    (
        "Four counts are needed: of the pair, of each of its two symbols, and of all symbols.",
        "Go through each word with its neighbours, `zip(word, word[1:])`; a Counter of these and a "
        "Counter of "
        "symbols hold all you need.",
        "With counts n, a, b and N symbols in all, p(st) is n / N, and the two others a / N and b / N. "
        "Divide.",
    ),
    ("course_lib.tokenization.wordpiece.likelihood_ratio", "course_lib.tokenization.wordpiece.merge_steps"),
)

# ---- the merge ----


def joined(pair: Pair) -> str:
    return pair[0] + pair[1].removeprefix("##")


def merge_reference(word: list[str], pair: Pair) -> list[str]:
    """With a stack: the last symbol is open until it was merged or another came."""
    out: list[str] = []
    is_open = False
    for symbol in word:
        if is_open and (out[-1], symbol) == tuple(pair):
            out[-1], is_open = joined(pair), False
        else:
            out.append(symbol)
            is_open = True
    return out


def overlapping(word: list[str], pair: Pair) -> list[str]:
    """Every place where the pair begins becomes the new symbol; nothing is used up but the last symbol."""
    out, i = [], 0
    while i < len(word):
        here = tuple(word[i : i + 2]) == tuple(pair)
        out.append(joined(pair) if here else word[i])
        after = tuple(word[i + 1 : i + 3]) == tuple(pair)
        i += 2 if here and not after else 1
    return out


def first_only(word: list[str], pair: Pair) -> list[str]:
    for i in range(len(word) - 1):
        if (word[i], word[i + 1]) == tuple(pair):
            return [*word[:i], joined(pair), *word[i + 2 :]]
    return list(word)


def from_the_right(word: list[str], pair: Pair) -> list[str]:
    out, i = [], len(word) - 1
    while i >= 0:
        here = i > 0 and (word[i - 1], word[i]) == tuple(pair)
        out.append(joined(pair) if here else word[i])
        i -= 2 if here else 1
    return out[::-1]


def in_the_text(word: list[str], pair: Pair) -> list[str]:
    return " ".join(word).replace(" ".join(pair), joined(pair)).split(" ")


def marks_kept(word: list[str], pair: Pair) -> list[str]:
    return ["".join(pair) if symbol == "\0" else symbol for symbol in _with_hole(word, pair)]


def _with_hole(word: list[str], pair: Pair) -> list[str]:
    out, i = [], 0
    while i < len(word):
        here = tuple(word[i : i + 2]) == tuple(pair)
        out.append("\0" if here else word[i])
        i += 2 if here else 1
    return out


def partner_left(word: list[str], pair: Pair) -> list[str]:
    """The second symbol of the pair stays beside the new one."""
    out = []
    for symbol in _with_hole(word, pair):
        out += [joined(pair), pair[1]] if symbol == "\0" else [symbol]
    return out


def symbols_case(*templates: str) -> Callable[[Generator], tuple[list[str], Pair]]:
    """The word, then the two symbols of the pair, as templates."""

    def make(generator: Generator) -> tuple[list[str], Pair]:
        names = letters(generator, 6)
        word, first, second = (spelt(template, names) for template in templates)
        return word.split(), (first, second)

    return make


MERGE = Task(
    (
        Part(
            "merge",
            merge_reference,
            ("the word's symbols, a list of strings",),
            (
                Case(
                    "a pair inside a word",
                    symbols_case("a ##b ##c ##d", "##b", "##c"),
                    "Two symbols become one. The ## says that a symbol continues a word; it stands in front, "
                    "once.",
                    "Merge ('##b', '##c') in `['a', '##b', '##c', '##d']` by hand.",
                    worth=2,
                ),
                Case(
                    "a pair that begins a word",
                    symbols_case("a ##b ##c ##d", "a", "##b"),
                    "What begins a word has no ##, so the merged symbol has none either.",
                    "Merge ('a', '##b') in `['a', '##b', '##c']` by hand.",
                ),
                Case(
                    "every place, not only the first",
                    symbols_case("a ##b ##c ##a ##b ##c ##e", "##b", "##c"),
                    "A merge is made wherever the pair stands.",
                    "Try a word that holds the pair twice.",
                ),
                Case(
                    "a symbol is used once, from left to right",
                    symbols_case("b ##a ##a ##a ##c", "##a", "##a"),
                    "In a a a the first two are merged, and the third is left over: the middle one is taken.",
                    "Merge ('##a', '##a') in `['b', '##a', '##a', '##a', '##c']`: four symbols are left.",
                ),
                Case(
                    "symbols that only end like the pair are left alone",
                    symbols_case("ea ##b ##c ##a ##b", "a", "##b"),
                    "Symbols are equal or they are not; the end of another symbol does not count.",
                    "Merge ('a', '##b') in `['ea', '##b']`: nothing should happen.",
                ),
                Case(
                    "a word without the pair, and a single symbol",
                    symbols_case("d", "##b", "##c"),
                    "Nothing to merge, nothing changes.",
                    "Try `merge(['a'], ('a', '##b'))`.",
                ),
            ),
            (
                Misconception(
                    "overlapping-pairs",
                    "Overlapping pairs are both merged",
                    overlapping,
                    "In a a a the middle symbol goes into two new ones: a letter was doubled.",
                    "Join the result to text: is it still the same word?",
                ),
                Misconception(
                    "first-only",
                    "Only the first place is merged",
                    first_only,
                    "After the first merge the rest of the word is not looked at.",
                    "Try a word that holds the pair twice.",
                ),
                Misconception(
                    "from-the-right",
                    "The word is read from the right",
                    from_the_right,
                    "For most words this is the same. For a a a it is not, and training and encoding must "
                    "agree.",
                    "Merge ('##a', '##a') in `['b', '##a', '##a', '##a']`.",
                ),
                Misconception(
                    "part-of-a-symbol",
                    "The pair is searched in the text",
                    in_the_text,
                    "Joined with spaces and replaced as text, the pair also matches where a longer "
                    "symbol ends "
                    "like it.",
                    "Merge ('a', '##b') in `['ea', '##b']`.",
                ),
                Misconception(
                    "marks-inside",
                    "The second ## is kept",
                    marks_kept,
                    "The symbols were joined as they are, so a ## stands in the middle of the new one.",
                    "Print the merged symbol of ('##b', '##c').",
                ),
                Misconception(
                    "partner-left",
                    "The second symbol of the pair is still there",
                    partner_left,
                    "The new symbol was put in, but its right half was not skipped.",
                    "Join the result to text: is it still the same word?",
                ),
            ),
        ),
    ),
    (
        "Walk through the word with an index. At each place either the pair begins here, or it does not.",
        "If it does, append the new symbol and step over two; if not, append the symbol and step over one. "
        "At the last symbol no pair can begin.",
        "The new symbol is the first one followed by the second without its leading ##: "
        "`removeprefix('##')`.",
    ),
    (
        "course_lib.tokenization.pairs.merge_symbols",
        "course_lib.tokenization.wordpiece.join_pair",
        "course_lib.tokenization.wordpiece.merge_steps",
    ),
)
assert math.isclose(score_reference([list(word) for word in LECTURE], ("a", "b")), 1.95)
