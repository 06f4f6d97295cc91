"""Unit 04: the text so far of byte-level tokens; predict what a tokenizer sees, and set a trap for it."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable
from typing import Any

from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit
from course_lib.grading.unit04_cut import UNK, cut_reference, step_back

TextSoFar = tuple[str, int]


def so_far_reference(tokens: list[bytes]) -> TextSoFar:
    """Python's own incremental decoder knows what it is still waiting for."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    text = "".join(decoder.decode(token) for token in tokens)
    return text, len(decoder.getstate()[0])


def each_alone(tokens: list[bytes]) -> TextSoFar:
    return "".join(token.decode("utf-8", "replace") for token in tokens), 0


def broken_tokens_wait(tokens: list[bytes]) -> TextSoFar:
    text, waiting = "", 0
    for token in tokens:
        try:
            text += token.decode()
        except UnicodeDecodeError:
            waiting += len(token)
    return text, waiting


def replaced(tokens: list[bytes]) -> TextSoFar:
    return b"".join(tokens).decode("utf-8", "replace"), 0


def nothing_waits(tokens: list[bytes]) -> TextSoFar:
    return b"".join(tokens).decode("utf-8", "ignore"), 0


def all_or_nothing(tokens: list[bytes]) -> TextSoFar:
    data = b"".join(tokens)
    try:
        return data.decode("utf-8"), 0
    except UnicodeDecodeError:
        return "", len(data)


def token_dropped(tokens: list[bytes]) -> TextSoFar:
    """Drops whole tokens from the end until the rest can be read."""
    for n in range(len(tokens), -1, -1):
        try:
            return b"".join(tokens[:n]).decode("utf-8"), sum(map(len, tokens[n:]))
        except UnicodeDecodeError:
            continue
    return "", 0


def one_waits(tokens: list[bytes]) -> TextSoFar:
    text, waiting = so_far_reference(tokens)
    return text, int(waiting > 0)


SYLLABLES = "가나다라마바사아자차카타파하한국어밥꽃놀"


def hangul(generator: Generator, n: int) -> bytes:
    return "".join(SYLLABLES[whole(generator, 0, len(SYLLABLES) - 1)] for _ in range(n)).encode()


def plain(generator: Generator) -> tuple[list[bytes]]:
    return ([b"Let", b" us", b" start", b" ", hangul(generator, 2)],)


def torn(generator: Generator) -> tuple[list[bytes]]:
    """Whole at the end, torn in the middle."""
    data = b"BERT " + hangul(generator, 3)
    return ([data[:6], data[6:10], data[10:12], data[12:]],)


def unfinished(missing: int, last: str) -> Callable[[Generator], tuple[list[bytes]]]:
    """The last token begins with whole characters and ends inside one."""

    def make(generator: Generator) -> tuple[list[bytes]]:
        data = hangul(generator, 2) + (last or hangul(generator, 1).decode()).encode()
        return ([data[:1], data[1:3], data[3 : len(data) - missing]],)

    return make


BYTES = Task(
    (
        Part(
            "so_far",
            so_far_reference,
            ("the text, a string", "the number of bytes that wait"),
            (
                Case(
                    "tokens of whole characters",
                    plain,
                    "Bytes are joined, then decoded as UTF-8. Nothing waits.",
                    "Try it on [b'Let', b' us'].",
                ),
                Case(
                    "characters torn between tokens, whole at the end",
                    torn,
                    "A token need not be a character. Join all bytes before you decode any.",
                    "Split '한'.encode() into three tokens of one byte.",
                    worth=2,
                ),
                Case(
                    "the last syllable lacks one byte",
                    unfinished(1, ""),
                    "What can be read is read; the bytes of the unfinished character wait.",
                    "Take '한국'.encode()[:-1]: one syllable can be read, two bytes wait.",
                    worth=2,
                ),
                Case(
                    "the last syllable lacks two bytes",
                    unfinished(2, ""),
                    "One byte of a syllable waits.",
                    "Take '한국'.encode()[:-2].",
                ),
                Case(
                    "an emoji lacks its last byte",
                    unfinished(1, "😋"),
                    "An emoji has four bytes, so up to three may wait.",
                    "Take '😋'.encode()[:-1].",
                ),
            ),
            (
                Misconception(
                    "each-token-alone",
                    "Each token is decoded by itself",
                    each_alone,
                    "A token may hold half a character. Alone it is no valid UTF-8, beside its neighbour "
                    "it is.",
                    "Count the � in your text, and compare with the whole decoded at once.",
                ),
                Misconception(
                    "broken-tokens-wait",
                    "Every token that is no text by itself waits",
                    broken_tokens_wait,
                    "The bytes of one character may lie in two tokens: side by side they are whole.",
                    "Split '한'.encode() into b'\\xed\\x95' and b'\\x9c'.",
                ),
                Misconception(
                    "replacement-shown",
                    "The unfinished character is shown as �",
                    replaced,
                    "A � once printed stays, though the missing byte may be on its way.",
                    "What would you print when the next token comes?",
                ),
                Misconception(
                    "nothing-waits",
                    "The unfinished bytes are dropped",
                    nothing_waits,
                    "The text is right, but nobody knows that bytes are waiting.",
                    "Encode your text again: how many bytes of the input are missing?",
                ),
                Misconception(
                    "all-or-nothing",
                    "One unfinished character hides the whole text",
                    all_or_nothing,
                    "Everything before the unfinished character can be read already.",
                    "Take '한국'.encode()[:-1].",
                ),
                Misconception(
                    "whole-token-waits",
                    "The whole last token waits",
                    token_dropped,
                    "A token can hold the end of one character and the beginning of the next. Only the "
                    "last bytes "
                    "wait.",
                    "Take the tokens [b'a' + '한'.encode()[:2]].",
                ),
                Misconception(
                    "waiting-counted-as-one",
                    "The unfinished character is counted, not its bytes",
                    one_waits,
                    "Asked for is how many bytes there are already, one to three.",
                    "Take '한'.encode()[:2].",
                ),
            ),
        ),
    ),
    (
        "Join first, decode then. If the whole cannot be decoded, how many bytes at its end can be to blame?",
        "At most three: a UTF-8 character has up to four bytes. Try to leave out 0, 1, 2, 3 bytes at the "
        "end.",
        "`bytes.decode('utf-8')` raises UnicodeDecodeError on an unfinished character: catch it and try "
        "with one "
        "byte less. The number left out is the number that waits.",
    ),
    ("codecs.getincrementaldecoder", "course_lib.tokenization.BPE"),
)

# ---- predict and trap ----

QUESTIONS = {"A": "사과나무", "B": "사과나무", "C": "BERT가", "D": "é😋"}
WORD = "abcd"


def run_questions() -> dict[str, int]:
    """The four questions of the task, run."""
    counts = {name: len(text.encode("utf-8")) for name, text in QUESTIONS.items()}
    return counts | {"B": len(unicodedata.normalize("NFD", QUESTIONS["B"]))}


def prediction(made: Any, name: str) -> Any:
    if type(made) is not dict or name not in made:
        raise Unfit(f"no prediction for {name}: return a dict with the keys A, B, C and D")
    return made[name]


def question(name: str, idea: str, experiment: str) -> Case:
    return Case(
        f"question {name}",
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: (
            None if got == run_questions()[name] else f"you predict {got}; when it runs, it is another number"
        ),
        call=lambda answer: prediction(answer(), name),
        names=("a number",),
    )


def sprung(answer: Callable[[], Any]) -> tuple[bool, bool, bool]:
    """Does greedy match fail; is there a cut at all; is there one when ## is ignored?"""
    made = answer()
    if type(made) not in (list, tuple, set) or not all(type(piece) is str for piece in made):
        raise Unfit("wanted is a list of pieces, all strings")
    if len(made) > 20 or any(len(piece) > 20 for piece in made):
        raise Unfit("at most 20 pieces of at most 20 letters, please: four are enough")
    vocab = {piece: i for i, piece in enumerate(made)}
    bare = [piece.removeprefix("##") for piece in made]
    careless = {mark + piece: 0 for piece in bare for mark in ("", "##") if piece}
    greedy = cut_reference(WORD, vocab) == [UNK]
    return greedy, step_back(WORD, vocab) != [UNK], step_back(WORD, careless) != [UNK]


TRAP = Task(
    (
        Part(
            "predict",
            run_questions,
            ("{'A': number, 'B': number, 'C': number, 'D': number}",),
            (
                question(
                    "A",
                    "A Hangul syllable is one character and three bytes in UTF-8.",
                    "Print `len('사'.encode('utf-8'))`.",
                ),
                question(
                    "B",
                    "Decomposed, a syllable is two or three jamo: with or without a final consonant.",
                    "Print `list(unicodedata.normalize('NFD', '사'))`, and the same for 한.",
                ),
                question(
                    "C",
                    "ASCII letters are one byte each, whatever stands beside them.",
                    "Print `'T가'.encode('utf-8')`.",
                ),
                question(
                    "D",
                    "é is beyond ASCII, 😋 beyond the first 65,536 characters.",
                    "Print `'é'.encode('utf-8')`.",
                ),
            ),
            (
                Misconception(
                    "characters-counted",
                    "Characters are counted",
                    lambda: {name: len(text) for name, text in QUESTIONS.items()},
                    "A byte-level tokenizer does not see characters; only ASCII has one byte a character.",
                    "Print `'사'.encode('utf-8')`.",
                ),
                Misconception(
                    "two-bytes-a-syllable",
                    "Hangul is counted with two bytes",
                    lambda: run_questions() | {"A": 8, "C": 6},
                    "Two bytes a syllable is EUC-KR, or UTF-16. UTF-8 needs three.",
                    "Print `'사'.encode('euc-kr')` and `'사'.encode('utf-8')`.",
                ),
                Misconception(
                    "three-jamo-always",
                    "Every syllable is counted with three jamo",
                    lambda: run_questions() | {"B": 3 * len(QUESTIONS["B"])},
                    "A syllable without a final consonant, like 사, has two.",
                    "Print the jamo of 사 and of 산.",
                ),
                Misconception(
                    "jamo-in-bytes",
                    "The bytes of the jamo are counted",
                    lambda: (
                        run_questions() | {"B": len(unicodedata.normalize("NFD", QUESTIONS["B"]).encode())}
                    ),
                    "Question B asks how many letters there are after decomposing: WordPiece reads "
                    "characters.",
                    "Read question B once more: len of which string?",
                ),
            ),
        ),
        Part(
            "trap",
            lambda: ["ab", "abc", "##cd"],
            ("pieces, a list of strings",),
            (
                Case(
                    "greedy longest match ends in [UNK]",
                    lambda generator: (),
                    "The trap: a long first piece, after which nothing fits.",
                    "Run your own `cut('abcd', pieces)`.",
                    judge=lambda got: None if got[0] else "greedy longest match finds a way through",
                    call=sprung,
                    names=("greedy ends in [UNK]", "another cut exists", "another cut exists without marks"),
                ),
                Case(
                    "another cut of the word exists",
                    lambda generator: (),
                    "Somebody who steps back would find pieces for the whole word, the first without ## "
                    "and all "
                    "others with it.",
                    "Write down that other cut, and look up each of its pieces.",
                    judge=lambda got: None if got[1] else "there is no cut of abcd into these pieces",
                    call=sprung,
                    names=("greedy ends in [UNK]", "another cut exists", "another cut exists without marks"),
                ),
            ),
            (
                Misconception(
                    "trap-without-marks",
                    "The second piece has no ##",
                    lambda: ["ab", "abc", "cd"],
                    "Without its mark the piece can only begin a word, so the other cut does not exist.",
                    "Look up each piece of the other cut with its ##.",
                ),
                Misconception(
                    "nothing-fits",
                    "No cut exists at all",
                    lambda: ["ab", "abc"],
                    "That is an ordinary unknown word. The trap is that there would be a way.",
                    "Which pieces would somebody use who is allowed to step back?",
                ),
                Misconception(
                    "no-trap",
                    "Greedy match finds a way",
                    lambda: ["ab", "##cd"],
                    "The longest first piece leads on. Something longer must lure it away.",
                    "Which longer first piece would leave a rest that nobody has?",
                ),
            ),
        ),
    ),
    (
        "Bytes: ASCII one, most European letters two, Hangul three, emoji four. Jamo: how many letters "
        "do you "
        "write to spell the syllable?",
        "The trap needs a good cut of two pieces, and one more piece that is longer than the first of them.",
        "Let the good cut be ab ##cd. Add a first piece that takes one letter more, and give the letter "
        "that is "
        "then left no piece of its own.",
    ),
)
