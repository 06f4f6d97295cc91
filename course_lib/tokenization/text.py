"""From text to words: BERT's way (clean, lowercase, split) and GPT-2's way (split into byte strings)."""

import re
import string
import unicodedata

import regex


def check_text(text: str) -> str:
    """Return `text` if it is a string that UTF-8 can hold."""
    if not isinstance(text, str):
        raise TypeError(f"a text is a str, not {type(text).__name__}: encode a list of texts with batch")
    lone = re.search("[\ud800-\udfff]", text)
    if lone:
        raise ValueError(
            f"character {lone.start()} is U+{ord(lone[0]):04X}, half of a surrogate pair: "
            "read the text as UTF-8, or replace it with text.encode('utf-8', 'replace').decode()"
        )
    return text


# BERT

CJK_RANGES = (  # Chinese characters, which are written without spaces; Hangul and kana are not among them
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def _clean(char: str) -> str:
    if char in "\t\n\r":
        return " "
    # Cn, "not assigned", is kept: a new emoji must not vanish because this Python is older than it.
    if char in "\0\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Co"):
        return ""
    if char.isspace():
        return " "
    return f" {char} " if any(first <= ord(char) <= last for first, last in CJK_RANGES) else char


def _drop_mark(char: str) -> str:
    return "" if unicodedata.category(char) == "Mn" else char


def _space_punctuation(char: str) -> str:
    # BERT counts all ASCII symbols as punctuation, also $ + < = > ^ ` | ~, which Unicode does not.
    is_punctuation = char in string.punctuation or unicodedata.category(char).startswith("P")
    return f" {char} " if is_punctuation else char


class _Table(dict):
    """A str.translate table that works out a code point when it first turns up."""

    def __init__(self, rule):
        self.rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = self.rule(chr(code))
        return self[code]


CLEAN, DROP_MARKS, SPACE_PUNCTUATION = _Table(_clean), _Table(_drop_mark), _Table(_space_punctuation)


def bert_normalize(text: str, lowercase: bool = True, strip_accents: bool = True) -> str:
    """BERT's normaliser: drop control characters, space Chinese characters out, strip accents, lowercase.

    Stripping accents decomposes (NFD) and drops the combining marks: é becomes e. It also takes a Hangul
    syllable apart into its letters (한 becomes three jamo) and leaves them so: train Korean without it.
    """
    text = text.translate(CLEAN)
    if strip_accents and not text.isascii():
        text = unicodedata.normalize("NFD", text).translate(DROP_MARKS)
    # Letter by letter, like `tokenizers`: str.lower alone writes a sigma at the end of a word as ς.
    return text.replace("Σ", "σ").lower() if lowercase else text


def bert_words(text: str) -> list[str]:
    """Split normalised text at spaces; every punctuation character is a word of its own."""
    return text.translate(SPACE_PUNCTUATION).split()


# GPT-2

# Contractions; then runs of letters, of digits, of other characters, each with one space before it; then
# spaces, of which the last is left to the word that follows (Radford et al., 2019, section 2.2).
GPT2_WORDS = regex.compile(r"'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
DIGIT = regex.compile(r"(\p{N})")


def _byte_alphabet() -> dict[int, str]:
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = {byte: chr(byte) for byte in visible}
    for byte in range(256):
        alphabet.setdefault(byte, chr(256 + len(alphabet) - len(visible)))
    return alphabet


# GPT-2 writes each byte as one visible character, so that tokens can be printed: the space, byte 32, is Ġ.
BYTE_TO_CHAR = _byte_alphabet()
CHAR_TO_BYTE = {char: byte for byte, char in BYTE_TO_CHAR.items()}


def gpt2_words(text: str, add_prefix_space: bool = False, split_digits: bool = False) -> list[str]:
    """Cut text with GPT-2's pattern; nothing is lost, the words joined are the text.

    Args:
        add_prefix_space: put a space before the text, so that its first word looks like any other.
        split_digits: each digit is a word (as in SmolLM2), so that 1,024 and 1,025 share their tokens.
    """
    words = []
    for piece in DIGIT.split(text) if split_digits else [text]:
        if add_prefix_space and piece and not piece.startswith(" "):
            piece = " " + piece
        words += GPT2_WORDS.findall(piece)
    return words


def to_byte_chars(word: str) -> str:
    """UTF-8 bytes of `word`, each written as one visible character."""
    return "".join(BYTE_TO_CHAR[byte] for byte in word.encode("utf-8"))
