"""The tokenizer playground in a real browser: what it cuts is what Python's tokenizers cut."""

from __future__ import annotations

import json
import random
import time

import pytest
from lab import write_notebook

from course_lib.pretrained import load_minilm
from course_lib.tokenization import BPE, WordPiece, train_bpe, train_wordpiece
from course_lib.viz import tokenizer_playground

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b> &lt; \u202e"
CORPUS = [
    "the quick brown fox jumps over the lazy dog, and the dog thinks about it",
    "나는 사과를 좋아한다 그리고 나는 불꽃놀이를 좋아한다",
    "naïve cafés don't re-open in 2024; 10,000 people saw 42 apples",
]
TEXTS = [
    "",
    " ",
    "Let us start pretraining the model.",
    "나는 사과를 좋아한다",
    "불꽃놀이와 사과, 한국어!",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8",  # 한국 in jamo
    "Naïve CAFÉ résumé ÅÄÖ İstanbul ΣΊΣΥΦΟΣ",
    "I'll don't we've they're it's 'tis I'M",
    "2024 ½ ² ٣ 10,000.5",
    "a  b   c\t\td \n\n e\r\n  ",
    "你好,世界 한字混用 \u3000全角",
    "😋 👩‍🚀 🇰🇷 e\u0301 \u200b zero\u00adwidth \ufeff\u2028line\u0085next\u00a0nbsp\x0bvt\x1cfs\x00nul",
    "I like to [MASK] an apple [SEP] [CLS][PAD] [UNK] [mask] <|endoftext|>",
    "x" * 100 + " " + "y" * 101,
    "$ + < = > ^ ` | ~ « » — … ¿ § ¶ \u2212 a-b_c",
    "Σ ς ẞ ß Ǆ ﬁ Ⅷ \ufffd \ue000",
    HOSTILE,
]


def tokenizers() -> dict[str, WordPiece | BPE]:
    bert = WordPiece(load_minilm()[1].get_vocab())
    special = ("<s>", "</s>")
    return {
        "BERT uncased": bert,
        "WordPiece, cased, accents kept": train_wordpiece(
            CORPUS, 300, lowercase=False, strip_accents=False, min_frequency=1
        ),
        "byte-level BPE": train_bpe(CORPUS, 400, min_frequency=1),
        "BPE with options": train_bpe(
            CORPUS,
            400,
            special_tokens=special,
            add_prefix_space=True,
            split_digits=True,
            bos="<s>",
            eos="</s>",
        ),
    }


TOKENIZERS = tokenizers()


@pytest.fixture
def play(open_view):
    view = tokenizer_playground(TOKENIZERS, "pretraining 불꽃", samples=["사과", HOSTILE], title="Cut it")
    return open_view(view, ".playground[data-ids]")


def seen(frame, name: str) -> list:
    return json.loads(frame.locator(".playground").get_attribute(f"data-{name}"))


def type_in(frame, text: str) -> None:
    """As typing does, but all at once; a textarea by itself would turn \\r\\n into \\n, as Python's must."""
    frame.locator("textarea").evaluate(
        "(area, text) => { area.value = text; area.dispatchEvent(new Event('input')); }", text
    )


def assert_right(frame, text: str) -> None:
    type_in(frame, text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for tokenizer, ids, tokens in zip(
        TOKENIZERS.values(), seen(frame, "ids"), seen(frame, "tokens"), strict=True
    ):
        assert ids == tokenizer.encode(text), text
        assert tokens == tokenizer.tokens(text), text


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_it_cuts_as_python_does(play, text):
    assert_right(play, text)


def test_it_cuts_random_text_as_python_does(play):
    rng = random.Random(4)
    blocks = [
        (0x20, 0x7E),
        (0xA1, 0x24F),
        (0x370, 0x3FF),
        (0xAC00, 0xD7A3),
        (0x1100, 0x11FF),
        (0x4E00, 0x4FFF),
    ]
    blocks += [(0x2000, 0x206F), (0x1F600, 0x1F64F), (0x300, 0x36F)]
    words = " ".join(CORPUS).split()
    for _ in range(60):
        text = ""
        for _ in range(rng.randint(1, 12)):
            if rng.random() < 0.4:
                text += rng.choice(words) + " "
            else:
                low, high = rng.choice(blocks)
                text += "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 4)))
        assert_right(play, text)


def test_it_starts_with_the_given_text_and_the_samples_replace_it(play):
    assert play.locator("textarea").input_value() == "pretraining 불꽃"
    play.get_by_role("button", name="사과").click()
    assert play.locator("textarea").input_value() == "사과"
    assert seen(play, "ids") == [tokenizer.encode("사과") for tokenizer in TOKENIZERS.values()]


def test_part_of_a_character_is_shown_by_its_bytes(play):
    type_in(play, "힣")  # ED 9E A3, never seen in training
    chips = play.locator("section").nth(2).locator(".chip")
    assert all("part" in chip for chip in chips.evaluate_all("nodes => nodes.map(node => node.className)"))
    shown = "".join(chips.all_inner_texts())
    assert shown.replace("›‹", " ") == "‹ED 9E A3›"
    chips.first.click()
    assert "of the 3 bytes of 힣" in play.locator(".detail").inner_text()
    type_in(play, "a b")
    assert play.locator("section").nth(2).locator(".part").count() == 0


def test_a_chosen_token_tells_its_id_and_how_its_word_was_cut(play):
    type_in(play, "pretraining")
    play.locator("section").first.locator(".chip").nth(2).click()
    told = play.locator(".detail").inner_text()
    assert f"id {TOKENIZERS['BERT uncased'].vocab['##train']} " in told.replace("\u00a0", " ")
    assert "(11 not found)" in told and "pretrain ✗" in told and "##train ✓" in told


def test_the_keyboard_reaches_every_token(play):
    type_in(play, "pretraining the model")
    play.locator("textarea").focus()
    for _ in range(3):  # two samples, then the first card
        play.page.keyboard.press("Tab")
    chosen = "[...document.querySelectorAll('.chip')].indexOf(document.activeElement)"
    assert play.evaluate(chosen) == 0
    play.page.keyboard.press("ArrowRight")
    play.page.keyboard.press("ArrowRight")
    assert play.evaluate(chosen) == 2
    assert "##train" in play.locator(".detail").inner_text()
    play.page.keyboard.press("ArrowDown")
    assert play.evaluate(
        "document.activeElement.closest('section') === document.querySelectorAll('section')[1]"
    )
    play.page.keyboard.press("End")
    assert "[SEP]" in play.locator(".detail").inner_text()
    assert play.locator(".chip[tabindex='0']").count() == len(TOKENIZERS)  # one stop a card


def test_hostile_text_is_text(play):
    assert_right(play, HOSTILE)
    assert play.locator("img, .chips script, .chips :not(.word, .chip, i)").count() == 0
    chips = play.locator("section").nth(2).locator(".chip").all_inner_texts()
    assert "<U+202E>" in "".join(chips) or "‹E2" in "".join(chips)


def test_a_long_text_is_cut_at_the_limit_and_is_quick(play):
    assert play.locator("textarea").get_attribute("maxlength") == "2000"
    text = ("나는 사과를 좋아한다 pretraining " * 80)[:2000]
    began = time.monotonic()
    assert_right(play, text)
    assert time.monotonic() - began < 10


def test_a_screen_reader_hears_the_counts(play):
    type_in(play, "apple")
    end = time.monotonic() + 5
    while not play.locator("[role=status]").text_content().startswith("BERT uncased: 3 tokens"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_nothing_overflows_a_narrow_window(play):
    size = play.page.viewport_size
    play.page.set_viewport_size({"width": 380, "height": 900})
    play.wait_for_timeout(100)
    assert play.evaluate("document.documentElement.scrollWidth <= innerWidth")
    play.page.set_viewport_size(size)


@pytest.mark.slow
def test_it_lives_in_jupyterlab(root, server, browser):
    cell = """from course_lib.tokenization import train_bpe
from course_lib.viz import tokenizer_playground
tokenizer_playground({"BPE": train_bpe(["a b a b"], 258)}, "사과", title="Cut it")"""
    write_notebook(root / "tokenizer.ipynb", [cell])
    notebook = browser.open(server, "tokenizer.ipynb")
    notebook.run_all()
    frame = notebook.frames("Cut it")[0]
    frame.wait_for_selector(".playground[data-ids]")
    assert len(seen(frame, "ids")[0]) == 6
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
