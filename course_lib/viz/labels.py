"""Tokens as people can read them, whatever they hold."""

from __future__ import annotations

import unicodedata

LONGEST = 200
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", " ": "␣", "": "∅"}
# Control, format (bidi, zero-width), surrogate, private, unassigned; separators; odd spaces.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
# Letters by category that draw nothing: Hangul fillers and a braille blank.
_BLANK = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}
_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"


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


def _seen(text: str, i: int) -> str:
    char = text[i]
    if char == " " or (char.isascii() and char.isprintable()):
        return char
    category = unicodedata.category(char)
    if (
        char == _JOINER
        and 0 < i < len(text) - 1
        and _is_pictorial(text[i - 1])
        and _is_pictorial(text[i + 1])
    ):
        return char
    if char == _EMOJI_STYLE and i > 0 and not text[i - 1].isspace():
        return char
    if category in _UNSEEN or char in _BLANK or char == _EMOJI_STYLE:
        return _ESCAPES.get(char) or f"<U+{ord(char):04X}>"
    if category.startswith("M") and i == 0:
        return "◌" + char
    return char


def _is_pictorial(char: str) -> bool:
    return char == _EMOJI_STYLE or unicodedata.category(char) in {"So", "Sk"}
