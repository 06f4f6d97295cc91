"""WordPiece (Schuster and Nakajima, 2012), BERT's tokenizer: trained by likelihood, applied greedily.

Training merges the pair of symbols that occurs together most often *compared with chance*:

    score(s, t) = p(st) / (p(s) p(t)),   p(x) = count(x) / number of symbols

A symbol that continues a word is written with ##, so ing and ##ing are different symbols.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.tokenization import files
from course_lib.tokenization.base import Tokenizer, count_words
from course_lib.tokenization.files import MAX_WORD_CHARS, PREFIX
from course_lib.tokenization.pairs import Pair, PairCounts
from course_lib.tokenization.text import bert_normalize, bert_words

if TYPE_CHECKING:
    import torch

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def cut_word(word: str, prefix: str = PREFIX) -> tuple[str, ...]:
    """hug becomes h ##u ##g."""
    return (word[0], *(prefix + char for char in word[1:]))


def join_pair(pair: Pair, prefix: str = PREFIX) -> str:
    """##u and ##g become ##ug."""
    return pair[0] + pair[1].removeprefix(prefix)


def pair_rank(counts: PairCounts, pair: Pair) -> tuple[float, int, Pair]:
    """Sort key of a pair, smallest first: highest score, then highest count, then alphabetical order.

    The number of symbols is the same for all pairs of a step, so the score is ranked without it.
    """
    count = counts.pairs[pair]
    return -count / (counts.symbols[pair[0]] * counts.symbols[pair[1]]), -count, pair


def likelihood_ratio(counts: PairCounts, pair: Pair) -> float:
    """The lecture's score, p(st) / (p(s) p(t)): 1 when s and t stand together as often as by chance."""
    s, t = pair
    return counts.pairs[pair] * counts.symbols.total() / (counts.symbols[s] * counts.symbols[t])


@dataclass(frozen=True)
class MergeStep:
    """One step of training, before its merge is made.

    Attributes:
        words: the corpus as it is cut now, with how often each word occurs.
        symbols: {symbol: count}.
        pairs: {(left, right): count}.
        scores: {(left, right): p(st) / (p(s) p(t))}, best first.
        best: the pair that this step merges.
        merged: the new symbol.
    """

    words: tuple[tuple[tuple[str, ...], int], ...]
    symbols: dict[str, int]
    pairs: dict[Pair, int]
    scores: dict[Pair, float]
    best: Pair
    merged: str


def merge_steps(words: Iterable[str], prefix: str = PREFIX) -> Iterator[MergeStep]:
    """Train by hand: every step with the scores of all pairs, until each word is one symbol.

    It recomputes all scores at each step, for a corpus of a slide's size; `train_wordpiece` makes the same
    merges and is quick. Give `prefix=""` to work with plain characters, as the lecture does: then the a that
    begins a word and the a inside one are one symbol, and the counts differ.
    """
    counts = PairCounts({cut_word(word, prefix): n for word, n in Counter(words).items()})
    while counts.pairs:
        ranked = sorted(counts.pairs, key=lambda pair: pair_rank(counts, pair))
        merged = join_pair(ranked[0], prefix)
        yield MergeStep(
            words=tuple((tuple(word), n) for word, n in zip(counts.words, counts.weights, strict=True)),
            symbols={symbol: n for symbol, n in counts.symbols.items() if n},
            pairs=dict(counts.pairs),
            scores={pair: likelihood_ratio(counts, pair) for pair in ranked},
            best=ranked[0],
            merged=merged,
        )
        counts.merge(ranked[0], merged)


def frequent_characters(words: Counter[str], n: int) -> set[str]:
    """The n characters that occur most often in a corpus."""
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for char in word:
            characters[char] += count
    return set(sorted(characters, key=lambda char: (-characters[char], char))[:n])


def train_wordpiece(
    texts: Iterable[str],
    vocab_size: int,
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
    min_frequency: int | None = None,
    max_alphabet: int = 1000,
) -> "WordPiece":
    """Learn a WordPiece vocabulary by the likelihood score.

    The score alone merges the rarest first: two symbols seen once, together, score the most there is. With
    `min_frequency=1`, the bare rule, 4,000 entries learned from 5 MB of Python documentation are scraps of
    rare words, and a word of unseen text takes 3.2 tokens. So a pair must also be frequent enough. The
    default starts with one occurrence in a thousand words and halves this whenever no pair is left: 1.11
    tokens a word, against 1.10 for the `tokenizers` library, which ranks by count. For fewer than 2,000 words
    the default is the bare rule.

    Args:
        texts: documents, as an iterable of strings.
        vocab_size: entries wanted, special tokens and single characters included. There are fewer when no
            pair is left to merge: use `len(tokenizer)`.
        lowercase: as in BERT uncased.
        strip_accents: drop accents; None does what `lowercase` does, as in BERT. For Korean give False:
            stripping takes syllables apart.
        special_tokens: get the first ids; must hold [UNK].
        min_frequency: a pair that occurs less often is never merged; None for the falling limit described
            above.
        max_alphabet: only so many characters, the most frequent, are kept. A word with another is [UNK].

    Raises:
        ValueError: the special tokens and single characters alone exceed `vocab_size`.
    """
    strip_accents = lowercase if strip_accents is None else strip_accents
    words = count_words(texts, lambda text: bert_words(bert_normalize(text, lowercase, strip_accents)))
    alphabet = frequent_characters(words, max_alphabet)
    usable = [word for word in words if len(word) <= MAX_WORD_CHARS and alphabet.issuperset(word)]
    counts = PairCounts({cut_word(word): words[word] for word in usable})
    # Each character in both forms, so that no word of known characters is [UNK]. But punctuation and Chinese
    # characters are words of their own and never continue one.
    inside = [c for c in alphabet if len(bert_words(bert_normalize("a" + c, False, False))) == 1]
    letters = sorted([*alphabet, *(PREFIX + c for c in inside)])
    vocab = dict.fromkeys([*special_tokens, *letters])  # a dict keeps its order
    if len(vocab) > vocab_size:
        raise ValueError(
            f"{len(vocab)} special tokens and single characters do not fit in vocab_size={vocab_size}: "
            "raise vocab_size or lower max_alphabet"
        )

    limit = max(1, words.total() // 1000) if min_frequency is None else min_frequency
    # The best pair is on top of a heap. A merge makes its two symbols rarer, so every pair that holds one of
    # them scores differently and is pushed anew. The old entry stays; when it comes up it is skipped, because
    # it is no longer the pair's rank.
    heap: list[tuple[float, int, Pair]] = []
    pairs_of: defaultdict[str, set[Pair]] = defaultdict(set)

    def push(pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if counts.pairs[pair] >= limit:
                heapq.heappush(heap, pair_rank(counts, pair))

    def note(pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            for symbol in pair:
                pairs_of[symbol].add(pair)

    note(counts.pairs)
    push(counts.pairs)
    while len(vocab) < vocab_size:
        if not heap:
            if min_frequency is not None or limit == 1:
                break
            limit //= 2
            push(counts.pairs)
            continue
        rank = heapq.heappop(heap)
        best = rank[2]
        if counts.pairs[best] == 0 or rank != pair_rank(counts, best):
            continue
        merged = join_pair(best)
        vocab[merged] = None
        changed = counts.merge(best, merged)
        note(changed)
        push(changed | pairs_of[best[0]] | pairs_of[best[1]])
    return WordPiece({token: i for i, token in enumerate(vocab)}, special_tokens, lowercase, strip_accents)


class WordPiece(Tokenizer):
    """BERT's tokenizer (Devlin et al., 2019): words, cut greedily into the longest pieces the vocabulary has.

    A special token typed in a text *is* that token, as in BERT: "a [MASK] day" holds the mask.
    `allow_special=False` reads it as plain characters. A word longer than 100 characters, or with a part that
    no piece covers, is [UNK].

    Args:
        vocab: {token: id}; pieces that continue a word begin with ##.
        special_tokens: tokens of `vocab` that are never cut; must hold [UNK].
        lowercase: lowercase the text first.
        strip_accents: drop accents first; None does what `lowercase` does.
    """

    def __init__(
        self,
        vocab: dict[str, int],
        special_tokens: Sequence[str] = SPECIAL_TOKENS,
        lowercase: bool = True,
        strip_accents: bool | None = None,
    ):
        if "[UNK]" not in special_tokens:
            raise ValueError("special_tokens must hold [UNK], for the words no piece covers")
        super().__init__(vocab, special_tokens)
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents

    def words(self, text: str) -> list[str]:
        """Clean and split a text: "Let us start!" becomes let us start !"""
        return bert_words(bert_normalize(text, self.lowercase, self.strip_accents))

    def cut(self, word: str) -> list[str]:
        """Greedy longest match on one normalised word: pretraining becomes pre ##train ##ing."""
        pieces, start = [], 0
        while start < len(word) <= MAX_WORD_CHARS:
            for end in range(len(word), start, -1):
                piece = PREFIX * (start > 0) + word[start:end]
                if piece in self.vocab:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return ["[UNK]"]
        return pieces or ["[UNK]"]

    def encode(
        self,
        text: str,
        *,
        max_length: int | None = None,
        add_special: bool = True,
        allow_special: bool = True,
    ) -> list[int]:
        """Ids of [CLS] text [SEP].

        Args:
            max_length: cut the text so that the whole has at most so many ids.
            add_special: False leaves out [CLS] and [SEP].
            allow_special: False reads a [MASK] in the text as three plain words.
        """
        ids = self._bare(text, allow_special)
        if not add_special:
            return ids[:max_length]
        return [self.cls_id, *ids[: self._room(max_length, 2)], self.sep_id]

    def encode_pair(
        self, first: str, second: str, *, max_length: int | None = None, allow_special: bool = True
    ) -> tuple[list[int], list[int]]:
        """Ids of [CLS] first [SEP] second [SEP], and segment ids: 0 up to the first [SEP], then 1.

        What exceeds `max_length` is taken from the end of the longer text, one token at a time.
        """
        a, b = self._bare(first, allow_special), self._bare(second, allow_special)
        room = self._room(max_length, 3)
        if room is not None and len(a) + len(b) > room:
            short = min(len(a), len(b), room // 2)
            if len(a) <= len(b):
                a, b = a[:short], b[: room - short]
            else:
                a, b = a[: room - short], b[:short]
        ids = [self.cls_id, *a, self.sep_id, *b, self.sep_id]
        return ids, [0] * (len(a) + 2) + [1] * (len(b) + 1)

    def batch_pairs(
        self, first: Sequence[str], second: Sequence[str], *, max_length: int | None = None
    ) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
        """Encode pairs of texts: ids (B, T) int64, mask (B, T) bool, segment ids (B, T) int64."""
        rows = [self.encode_pair(a, b, max_length=max_length) for a, b in zip(first, second, strict=True)]
        ids, mask = self.pad([row for row, _ in rows])
        segments = ids.new_zeros(ids.shape)  # (B, T)
        for i, (_, row) in enumerate(rows):
            segments[i, : len(row)] = segments.new_tensor(row)
        return ids, mask, segments

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """Text of ids (a list or a one-dimensional tensor).

        Case, accents and spacing that `encode` dropped stay lost; . ? ! and , join the word before them.
        """
        text = ""
        for token in self._kept_tokens(ids, skip_special):
            if not text or token in (".", "?", "!", ","):
                text += token
            else:
                text += token.removeprefix(PREFIX) if token.startswith(PREFIX) else " " + token
        return text

    def save(self, path: str | Path) -> None:
        """Write a tokenizer.json that `tokenizers.Tokenizer.from_file` reads."""
        parts = files.wordpiece_parts(self.vocab, self.special_tokens, self.lowercase, self.strip_accents)
        files.write(path, self.vocab, self.special_tokens, parts)

    @classmethod
    def load(cls, path: str | Path) -> "WordPiece":
        """Read a tokenizer.json, ours or the `tokenizers` library's.

        Raises:
            ValueError: the file is damaged, or holds another kind of tokenizer or a setting that we lack.
        """
        return cls(**files.read_wordpiece(path))
