"""Adjacent symbol pairs of a word list, counted once and from then on only corrected.

Both trainers repeat: choose a pair, merge it everywhere, count again. Counting again from nothing reads the
whole word list for every merge. But a merge changes only the words that hold the pair. `PairCounts` remembers
where each pair lives and corrects just those words, so a merge costs as much as it changes.
"""

from collections import Counter, defaultdict
from itertools import pairwise

Pair = tuple[str, str]


def merge_symbols(symbols: list[str], pair: Pair, merged: str) -> list[str]:
    """Replace every occurrence of `pair` by `merged`, from left to right: a a a becomes aa a."""
    left, right = pair
    out, i, last = [], 0, len(symbols) - 1
    while i <= last:
        if i < last and symbols[i] == left and symbols[i + 1] == right:
            out.append(merged)
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


def adjacent(symbols: list[str]) -> list[Pair]:
    """The adjacent pairs of one word, left to right."""
    return list(pairwise(symbols))


class PairCounts:
    """Words cut into symbols, with the counts of their symbols and adjacent pairs.

    Args:
        words: {word cut into symbols: how often the word occurs}.

    Attributes:
        pairs: {(left, right): count}; a pair that no longer occurs has no entry.
        symbols: {symbol: count}.
    """

    def __init__(self, words: dict[tuple[str, ...], int]):
        self.words = [list(symbols) for symbols in words]
        self.weights = list(words.values())
        self.pairs: Counter[Pair] = Counter()
        self.symbols: Counter[str] = Counter()
        self._where: defaultdict[Pair, set[int]] = defaultdict(
            set
        )  # pair -> indices of the words that may hold it
        for index, (word, weight) in enumerate(zip(self.words, self.weights, strict=True)):
            for symbol in word:
                self.symbols[symbol] += weight
            for pair in adjacent(word):
                self.pairs[pair] += weight
                self._where[pair].add(index)

    def merge(self, pair: Pair, merged: str) -> set[Pair]:
        """Merge `pair` into the symbol `merged` in every word; return the pairs whose count changed."""
        change: Counter[Pair] = Counter()
        for index in self._where.pop(pair):
            old, weight = self.words[index], self.weights[index]
            new = self.words[index] = merge_symbols(old, pair, merged)
            n_merges = len(old) - len(new)  # 0 when an earlier merge took the pair away from this word
            self.symbols[merged] += weight * n_merges
            for symbol in pair:
                self.symbols[symbol] -= weight * n_merges
            for gone in adjacent(old):
                change[gone] -= weight
            for came in adjacent(new):
                change[came] += weight
                self._where[came].add(index)
        changed = {touched for touched, by in change.items() if by}
        for touched in changed:
            self.pairs[touched] += change[touched]
            if self.pairs[touched] == 0:
                del self.pairs[touched]
                self._where.pop(touched, None)
        return changed
