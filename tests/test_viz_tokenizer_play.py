"""The tokenizer playground, without a browser: what is in it, what it refuses, how large it is."""

import base64
import json
import re
import tomllib
import zlib
from html import unescape
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from course_lib.tokenization import train_bpe, train_wordpiece
from course_lib.viz import tokenizer_playground
from course_lib.viz.tokenizer_play import shown

CORPUS = ["the cat sat on the mat", "나는 사과를 좋아한다"]
PIECES = train_wordpiece(CORPUS, 200, strip_accents=False)
BYTES = train_bpe(CORPUS, 300)
HOSTILE = '</script><img src=x onerror="alert(1)">'


def state(view):
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    packed = re.search(r'id="packed">([^<]*)<', document)[1]
    return json.loads(json.loads(zlib.decompress(base64.b64decode(packed)))["data"])


def test_it_carries_the_whole_vocabulary_and_all_merges():
    given = state(tokenizer_playground({"pieces": PIECES, "bytes": BYTES}, "the cat"))
    pieces, merges = given["tokenizers"]
    assert pieces["tokens"] == list(PIECES.vocab) and pieces["special"] == list(PIECES.special_tokens)
    assert (pieces["lowercase"], pieces["strip"]) == (True, False)
    pairs = zip(merges["merges"][::2], merges["merges"][1::2], strict=True)
    assert [tuple(merges["tokens"][i] for i in pair) for pair in pairs] == BYTES.merges


def test_the_line_of_text_counts_the_tokens():
    view = tokenizer_playground({"pieces": PIECES}, "the cat", title="Cut")
    assert repr(view) == f"Cut: tokens of 'the cat': pieces {len(PIECES.encode('the cat'))}"


def test_the_same_view_gives_the_same_bytes():
    one, two = (tokenizer_playground({"bytes": BYTES}, "사과", samples=["a"]).html for _ in range(2))
    assert one == two and len(one) < 120_000


@pytest.mark.filterwarnings("error")
def test_names_texts_and_samples_are_escaped():
    view = tokenizer_playground(
        {HOSTILE: BYTES, "b\u202e": PIECES}, HOSTILE, samples=[HOSTILE], title=HOSTILE
    )
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html
    assert state(view)["tokenizers"][1]["name"] == "b<U+202E>"


def test_a_picture_stands_in_for_the_frame():
    view = tokenizer_playground({"pieces": PIECES, "bytes": BYTES}, "the cat 불꽃 " * 20)
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "bytes" in alt and len(data) > 5000


def test_bytes_that_make_no_character_are_shown_in_hexadecimal():
    # 힣 is ED 9E A3 in UTF-8; the corpus never shows it, so each byte is a token
    assert [shown(token, BYTES) for token in BYTES.tokens("힣")] == ["‹ED›", "‹9E›", "‹A3›"]
    assert shown("Ġthe", BYTES) == "␣the"
    assert shown("##at", PIECES) == "##at"


@pytest.mark.parametrize(
    ("tokenizers", "text", "error", "says"),
    [
        ({}, "a", ValueError, "0 tokenizers; the playground shows 1 to 4"),
        (dict.fromkeys("abcde", BYTES), "a", ValueError, "5 tokenizers"),
        ({"a": BYTES}, "a" * 2001, ValueError, "2001 characters; the playground takes up to 2000"),
        ({"a": BYTES}, b"a", TypeError, "a text is a str, not bytes"),
        (
            {"a": Tokenizer.from_str('{"model": {"type": "BPE", "vocab": {}, "merges": []}}')},
            "",
            TypeError,
            "a Tokenizer is not a tokenizer",
        ),
        (
            {"a": train_wordpiece(CORPUS, 200, special_tokens=["[UNK]"])},
            "a",
            ValueError,
            r"without \[CLS\] and \[SEP\]",
        ),
    ],
)
def test_what_does_not_fit_is_explained(tokenizers, text, error, says):
    with pytest.raises(error, match=says):
        tokenizer_playground(tokenizers, text)


def test_its_files_travel_with_the_package():
    root = Path(__file__).parents[1]
    patterns = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = patterns["tool"]["setuptools"]["package-data"]["course_lib"]
    names = {path.name for pattern in patterns for path in (root / "course_lib").glob(pattern)}
    assert {"tokenizer_play.js", "tokenizer_play.css"} <= names
