"""What both tokenizers share: a vocabulary, special tokens, padding."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from course_lib.tokenization.text import check_text

if TYPE_CHECKING:
    import torch

# The names that a role goes by: BERT's, then RoBERTa's and BART's, then GPT's.
ROLES = {
    "pad": ("[PAD]", "<pad>"),
    "unk": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "mask": ("[MASK]", "<mask>"),
    "bos": ("<s>", "<bos>", "<|endoftext|>"),
    "eos": ("</s>", "<eos>", "<|endoftext|>"),
}
CACHE_LIMIT = 100_000  # words; natural text has far fewer that repeat


def count_words(texts: Iterable[str], words: Callable[[str], list[str]]) -> Counter[str]:
    """How often each word occurs in a corpus: a trainer looks at each distinct word once."""
    if isinstance(texts, str):
        raise TypeError("texts is one string, and would be read letter by letter: give a list of strings")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(check_text(text)))
    return counts


class Tokenizer:
    """A vocabulary with special tokens. A subclass says how to take a text apart: `words`, then `cut` a word.

    Args:
        vocab: {token: id}, ids 0 to len(vocab) - 1.
        special_tokens: tokens of `vocab` that are never cut.
    """

    def __init__(self, vocab: dict[str, int], special_tokens: Sequence[str]):
        if sorted(vocab.values()) != list(range(len(vocab))):
            raise ValueError(f"the ids of {len(vocab)} tokens must be 0 to {len(vocab) - 1}, each once")
        missing = [token for token in special_tokens if token not in vocab]
        if missing:
            raise ValueError(f"special tokens {missing} are not in the vocabulary: add them to it")
        self.vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
        self.special_tokens = tuple(special_tokens)
        self._token_of = list(self.vocab)
        self._special_ids = {vocab[token] for token in special_tokens}
        longest_first = sorted(special_tokens, key=len, reverse=True)
        self._special_pattern = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")
        self._cache: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.vocab)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included: the rows an embedding needs."""
        return len(self.vocab)

    pad_id = property(lambda self: self._role("pad"), doc="Id of the padding token.")
    unk_id = property(lambda self: self._role("unk"), doc="Id of the token for what has no other.")
    cls_id = property(lambda self: self._role("cls"), doc="Id of the token that stands first.")
    sep_id = property(lambda self: self._role("sep"), doc="Id of the token that ends a sentence.")
    mask_id = property(lambda self: self._role("mask"), doc="Id of the token that hides another.")
    bos_id = property(lambda self: self._role("bos"), doc="Id of the token that begins a text.")
    eos_id = property(lambda self: self._role("eos"), doc="Id of the token that ends a text.")

    def _role(self, role: str) -> int:
        for token in (getattr(self, role, None), *ROLES[role]):  # BPE has a bos and an eos of its own choice
            if token in self.special_tokens:
                return self.vocab[token]
        # AttributeError, so that getattr(tokenizer, "mask_id", None) works
        raise AttributeError(
            f"no {role} token, {' or '.join(ROLES[role])}, in this vocabulary: name it in special_tokens"
        )

    def _bare(self, text: str, allow_special: bool) -> list[int]:
        """Ids of a text, with nothing put around it."""
        check_text(text)
        ids = []
        # split puts what the pattern matched, the special tokens, at odd places
        pieces = self._special_pattern.split(text) if allow_special and self.special_tokens else [text]
        for i, piece in enumerate(pieces):
            if i % 2:
                ids.append(self.vocab[piece])
            else:
                for word in self.words(piece):
                    ids += self._cache.get(word) or self._cut_and_remember(word)
        return ids

    def _cut_and_remember(self, word: str) -> list[int]:
        ids = [self.vocab[token] for token in self.cut(word)]
        if len(self._cache) < CACHE_LIMIT:
            self._cache[word] = ids
        return ids

    @staticmethod
    def _room(max_length: int | None, n_special: int) -> int | None:
        """How many ids of a text fit between `n_special` special ones; None for any number."""
        if max_length is None:
            return None
        if max_length < n_special:
            raise ValueError(f"max_length={max_length} has no room for {n_special} special tokens: raise it")
        return max_length - n_special

    def tokens(self, text: str, **options) -> list[str]:
        """The tokens of `encode(text, **options)` as strings, one for each id."""
        return [self._token_of[i] for i in self.encode(text, **options)]

    def _kept_tokens(self, ids: Iterable[int], skip_special: bool) -> list[str]:
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        for i in ids:
            if not 0 <= i < len(self):
                raise ValueError(f"id {i} in a vocabulary of {len(self)}: was it made by another tokenizer?")
        return [self._token_of[i] for i in ids if not (skip_special and i in self._special_ids)]

    def batch(
        self, texts: Sequence[str], *, max_length: int | None = None
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Encode several texts and pad them on the right.

        Returns:
            ids (B, T) int64 and mask (B, T) bool, True on tokens and False on padding.
        """
        return self.pad([self.encode(text, max_length=max_length) for text in texts])

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Pad lists of ids on the right to the longest: ids (B, T) int64 and mask (B, T) bool.

        Without a padding token, as in GPT-2, the end-of-text token stands in: the mask hides it.
        """
        import torch

        if not rows:
            raise ValueError("an empty batch: give at least one text")
        pad_id = getattr(self, "pad_id", None)
        pad_id = self.eos_id if pad_id is None else pad_id
        ids = torch.full((len(rows), max(map(len, rows))), pad_id)  # (B, T)
        mask = torch.zeros(ids.shape, dtype=torch.bool)  # (B, T)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[i, : len(row)] = True
        return ids, mask
