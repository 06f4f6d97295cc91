"""Tokenizers from scratch, in plain Python: WordPiece (BERT) and byte-level BPE (GPT-2).

Both give `.encode(text) -> ids`, `.tokens(text)`, `.decode(ids)`, `.batch(texts)`, `.save(path)`,
`.load(path)`. Files are in the `tokenizers` library's JSON format.
"""

from course_lib.tokenization.bpe import BPE, train_bpe
from course_lib.tokenization.wordpiece import WordPiece, train_wordpiece

__all__ = ["BPE", "WordPiece", "train_bpe", "train_wordpiece"]
