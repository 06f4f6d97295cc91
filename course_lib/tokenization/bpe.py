"""Byte-level byte-pair encoding (Sennrich et al., 2016; on bytes, Radford et al., 2019): GPT-2's tokenizer.

The alphabet is the 256 bytes, so every text in every language has an encoding and no token is unknown.
Training merges the most frequent pair of symbols, again and again; encoding replays those merges in the same
order.
"""

import heapq
from collections.abc import Iterable, Sequence
from pathlib import Path

from course_lib.tokenization import files
from course_lib.tokenization.base import Tokenizer, count_words
from course_lib.tokenization.pairs import Pair, PairCounts, adjacent, merge_symbols
from course_lib.tokenization.text import CHAR_TO_BYTE, gpt2_words, to_byte_chars

END_OF_TEXT = "<|endoftext|>"


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    *,
    special_tokens: Sequence[str] = (END_OF_TEXT,),
    min_frequency: int = 2,
    add_prefix_space: bool = False,
    split_digits: bool = False,
    bos: str | None = None,
    eos: str | None = None,
) -> "BPE":
    """Learn byte-level BPE merges: the most frequent pair first.

    Of pairs that are equally frequent the one with the smaller ids is merged, left id first, as in
    `tokenizers`.

    Args:
        texts: documents, as an iterable of strings.
        vocab_size: entries wanted, special tokens and the 256 bytes included. There are fewer when no pair
            occurs `min_frequency` times any more: use `len(tokenizer)`.
        special_tokens: get the first ids.
        add_prefix_space, split_digits, bos, eos: see `BPE`.

    Raises:
        ValueError: the special tokens and the 256 bytes alone exceed `vocab_size`.
    """
    tokens = [*special_tokens, *sorted(CHAR_TO_BYTE)]
    if len(tokens) > vocab_size:
        raise ValueError(
            f"{len(special_tokens)} special tokens and 256 bytes do not fit in vocab_size={vocab_size}: "
            f"raise it to {len(tokens)} or more"
        )
    words = count_words(texts, lambda text: gpt2_words(text, add_prefix_space, split_digits))
    counts = PairCounts({tuple(to_byte_chars(word)): n for word, n in words.items()})

    # The heap holds (-count, left id, right id): the most frequent pair is on top. A merge changes the counts
    # of a few pairs, which are pushed anew; an old entry shows by its count and is skipped when it comes up.
    id_of = {token: i for i, token in enumerate(tokens)}
    merges: list[Pair] = []
    heap: list[tuple[int, int, int]] = []

    def push(pairs: Iterable[Pair]) -> None:
        for left, right in pairs:
            if counts.pairs[left, right] >= min_frequency:
                heapq.heappush(heap, (-counts.pairs[left, right], id_of[left], id_of[right]))

    push(counts.pairs)
    while len(tokens) < vocab_size and heap:
        minus_count, left, right = heapq.heappop(heap)
        pair = tokens[left], tokens[right]
        if counts.pairs[pair] != -minus_count:
            continue
        merged = pair[0] + pair[1]
        if merged in id_of:  # spelt like a special token, which plain text must not become
            continue
        id_of[merged] = len(tokens)
        tokens.append(merged)
        merges.append(pair)
        push(counts.merge(pair, merged))
    return BPE(id_of, merges, special_tokens, add_prefix_space, split_digits, bos, eos)


class BPE(Tokenizer):
    """GPT-2's tokenizer. Decoding an encoded text gives exactly that text, whatever it holds.

    A special token typed in a text is plain characters, unless `allow_special=True`: a user cannot end a text
    by typing <|endoftext|>. (`tokenizers` reads it as the special token, unless `encode_special_tokens` is
    set there.)

    Args:
        vocab: {token: id}; bytes are written in GPT-2's alphabet, so a token that follows a space begins with
            Ġ.
        merges: pairs of tokens, the first to be merged first.
        special_tokens: tokens of `vocab` that are never cut.
        add_prefix_space: encode " hello" for "hello". Decoding keeps the space.
        split_digits: make a token of each digit, as SmolLM2 does.
        bos: token that `encode` puts before each text, as <s> in BART; GPT-2 has none.
        eos: token that `encode` puts after each text, as </s> in BART and T5.
    """

    def __init__(
        self,
        vocab: dict[str, int],
        merges: Iterable[Pair],
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        add_prefix_space: bool = False,
        split_digits: bool = False,
        bos: str | None = None,
        eos: str | None = None,
    ):
        super().__init__(vocab, special_tokens)
        self.merges = [tuple(pair) for pair in merges]
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self.add_prefix_space = add_prefix_space
        self.split_digits = split_digits
        self.bos, self.eos = bos, eos
        for token in (bos, eos):
            if token is not None and token not in self.special_tokens:
                raise ValueError(
                    f"{token!r} is put around texts, but is not in special_tokens {self.special_tokens}"
                )

    def words(self, text: str) -> list[str]:
        """Split a text with GPT-2's pattern; the space before a word belongs to it."""
        return gpt2_words(text, self.add_prefix_space, self.split_digits)

    def cut(self, word: str) -> list[str]:
        """Replay the merges on one word: of the pairs it holds, merge the one learned first; repeat."""
        symbols = list(to_byte_chars(word))
        while True:
            known = [pair for pair in adjacent(symbols) if pair in self._rank]
            if not known:
                return symbols
            best = min(known, key=self._rank.__getitem__)
            symbols = merge_symbols(symbols, best, best[0] + best[1])

    def encode(
        self,
        text: str,
        *,
        max_length: int | None = None,
        add_special: bool = True,
        allow_special: bool = False,
    ) -> list[int]:
        """Ids of the text, between `bos` and `eos` where this tokenizer has them.

        Args:
            max_length: cut the text so that the whole has at most so many ids.
            add_special: False leaves out `bos` and `eos`.
            allow_special: True reads a special token in the text as that token, not as characters.
        """
        before = [self.vocab[self.bos]] if add_special and self.bos else []
        after = [self.vocab[self.eos]] if add_special and self.eos else []
        room = self._room(max_length, len(before) + len(after))
        return [*before, *self._bare(text, allow_special)[:room], *after]

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """Text of ids (a list or a one-dimensional tensor).

        Bytes that are not UTF-8, for example a Hangul syllable cut short, become U+FFFD, �.
        """
        data = [
            token.encode("utf-8")
            if token in self.special_tokens
            else bytes(map(CHAR_TO_BYTE.__getitem__, token))
            for token in self._kept_tokens(ids, skip_special)
        ]
        return b"".join(data).decode("utf-8", errors="replace")

    def save(self, path: str | Path) -> None:
        """Write a tokenizer.json that `tokenizers.Tokenizer.from_file` reads."""
        options = self.add_prefix_space, self.split_digits, self.bos, self.eos
        files.write(path, self.vocab, self.special_tokens, files.bpe_parts(self.vocab, self.merges, *options))

    @classmethod
    def load(cls, path: str | Path) -> "BPE":
        """Read a tokenizer.json of a byte-level BPE with GPT-2's pattern, ours or the `tokenizers` library's.

        Raises:
            ValueError: the file is damaged, or holds another kind of tokenizer or a setting that we lack.
        """
        return cls(**files.read_bpe(path))
