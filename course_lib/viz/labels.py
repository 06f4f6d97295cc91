"""Tokens as people can read them, whatever they hold."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", " ": "␣", "": "∅"}
# Control, format (bidi, zero-width), surrogate, private, unassigned; separators; odd spaces.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
# Letters and marks by category that draw nothing: fillers, a braille blank, joiners, variation selectors.
_BLANK = re.compile(
    "[\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_PLAIN = re.compile(r"[ -~]")
# What holds an emoji together: the letters of a flag, joiners between pictures, the mark of a keycap.
_FLAG_LETTERS = 8
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f")
_JOINER, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"


def visible(token: object) -> str:
    """The token's text with everything invisible spelled out, at most about 200 characters.

    A newline becomes ``\\n``, a lone space ``␣``, a zero-width space ``<U+200B>``; a combining mark with
    nothing to sit on gets a dotted circle. Emoji sequences and spaces between words stay whole.
    """
    text = str(token)
    if text in _ESCAPES:
        return _ESCAPES[text]
    rest = len(text) - LONGEST
    if rest > 0:
        text = text[:LONGEST]
    shown = "".join(_seen(text, i) for i in range(len(text)))
    return f"{shown}… ({LONGEST + rest:,} characters)" if rest > 0 else shown


def visible_lines(text: object) -> str:
    """As `visible`, but line breaks stay: for titles and prompts."""
    return "\n".join(visible(line) if line else "" for line in str(text).split("\n"))


def is_hidden(text: str, i: int) -> bool:
    """Whether the character at place `i` draws nothing and no emoji around it needs it."""
    char = text[i]
    if _PLAIN.match(char) or "\U0001f000" <= char <= "\U0001faff":  # the latter may be newer than Python
        return False
    draws_nothing = _BLANK.match(char) or unicodedata.category(char) in _UNSEEN
    return bool(draws_nothing) and not _holds_emoji(text, i)


def _seen(text: str, i: int) -> str:
    char = text[i]
    if is_hidden(text, i):
        return _ESCAPES.get(char) or f"<U+{ord(char):04X}>"
    return "◌" + char if i == 0 and unicodedata.category(char).startswith("M") else char


def _holds_emoji(text: str, i: int) -> bool:
    """Whether a character that draws nothing belongs to the emoji around it."""
    char, before, after = text[i], text[i - 1 : i], text[i + 1 : i + 2]
    if char == _JOINER:
        return _is_pictorial(after) and (before == _EMOJI_STYLE or _is_pictorial(before))
    if char == _EMOJI_STYLE:
        signs = before > "\x7f" and unicodedata.category(before)[0] in "SP"
        return signs or before == "ℹ" or (after == _KEYCAP and before in set("0123456789#*"))
    near = _FLAG.finditer(text, max(0, i - _FLAG_LETTERS), i + _FLAG_LETTERS)
    return any(found.start() <= i < found.end() for found in near)


def _is_pictorial(char: str) -> bool:
    """Emoji stand in blocks of their own, which new ones fill up, and among the older symbols."""
    if "\U0001f000" <= char <= "\U0001faff" or char == "↔":
        return True
    return char > "\u2000" and unicodedata.category(char) == "So"
