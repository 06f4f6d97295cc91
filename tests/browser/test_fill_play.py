"""The fill-mask view in a real browser: hands on it, and PyTorch beside it."""

from __future__ import annotations

import json

import pytest
import torch
from lab import assert_fits, write_notebook

from course_lib.models import Bert, BertConfig
from course_lib.tokenization import WordPiece
from course_lib.viz import fill_mask

HOSTILE = "</script><img src=x onerror=alert(1)>"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "bat", "flew", "사과", "away", ".")
TEXTS = ["the bat flew away .", "the [MASK] flew .", "사과 flew"]
TOP = 5
LEVEL = 1 / 255  # numbers may be off by one step of a byte


def tiny_bert() -> tuple[Bert, WordPiece]:
    """Random weights, and a vocabulary with a token that would be markup if it were not text."""
    tokenizer = WordPiece({token: i for i, token in enumerate([*SPECIAL, *WORDS, HOSTILE])})
    torch.manual_seed(0)
    config = BertConfig(
        len(tokenizer), d_model=16, n_layers=1, n_heads=2, d_ff=32, max_positions=16, mlm=True, pooler=False
    )
    model = Bert(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()  # far apart, so that every place has its own order
        model.mlm.bias[tokenizer.vocab[HOSTILE]] = 3.0  # among the candidates everywhere
    return model, tokenizer


MODEL, TOKENIZER = tiny_bert()


def shares(text: str, at: int) -> torch.Tensor:
    """Each token's probability at place `at` when that alone is hidden (V,)."""
    ids = torch.tensor([TOKENIZER.encode(text)])
    ids[0, at] = TOKENIZER.mask_id
    with torch.no_grad():
        return MODEL(ids).logits[0, at].softmax(dim=-1)


@pytest.fixture
def play(open_view):
    return open_view(fill_mask(MODEL, TOKENIZER, TEXTS, top=TOP, title="Hide"), ".view[data-at]")


def number(text: str) -> float:
    return float(text.removesuffix(" %")) / 100


def assert_right(frame) -> dict:
    """Candidates, bars and the note agree with PyTorch, for the sentence and the place shown."""
    seen = frame.evaluate("({ ...document.querySelector('.view').dataset })")
    text, at = TEXTS[int(seen["chosen"])], int(seen["at"])
    share, ids = shares(text, at), TOKENIZER.encode(text)
    names = list(TOKENIZER.vocab)
    best = share.topk(TOP)
    shown = frame.locator("li span").all_text_contents()
    assert shown == [names[i] for i in best.indices.tolist()]
    assert seen["best"] == shown[0]
    told = torch.tensor([number(one) for one in frame.locator("li b").all_text_contents()])
    torch.testing.assert_close(told, best.values, atol=LEVEL + 0.005, rtol=0)  # written in whole percent
    drawn = frame.evaluate("""[...document.querySelectorAll('li i')].map(bar =>
        bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width)""")
    torch.testing.assert_close(torch.tensor(drawn), best.values, atol=LEVEL, rtol=0)
    words = frame.locator(".words > *").all_text_contents()
    assert words == ["[MASK]" if i == at else names[token] for i, token in enumerate(ids)]
    note = frame.locator(".note").text_content()
    if ids[at] == TOKENIZER.mask_id:
        assert "no right answer" in note and frame.locator("li.right").count() == 0
    else:
        assert f"“{names[ids[at]]}”" in note
        said = number(note.split("gives it ")[1].removesuffix("."))
        assert said == pytest.approx(share[ids[at]].item(), abs=LEVEL + 0.005)
        right = frame.locator("li.right span").all_text_contents()
        assert right == ([names[ids[at]]] if names[ids[at]] in shown else [])
    return seen | {"at": at, "text": text}


def test_it_starts_in_the_middle_of_the_first_sentence(play):
    assert assert_right(play)["at"] == 3
    assert play.locator("h2").inner_text() == "Hide"
    assert play.locator("[aria-pressed=true]").count() == 1


def test_every_word_can_be_hidden_with_the_mouse_and_no_marker_can(play):
    for i, at in enumerate((1, 2, 3, 4, 5)):
        play.locator(".words button").nth(i).click()
        assert assert_right(play)["at"] == at
    assert play.locator(".words button").count() == 5
    assert play.locator(".words .special").all_text_contents() == ["[CLS]", "[SEP]"]


def test_arrows_move_the_gap_and_stop_at_the_ends(play):
    play.locator("[aria-pressed=true]").focus()
    for key, at in (("ArrowRight", 4), ("ArrowRight", 5), ("ArrowRight", 5), ("ArrowLeft", 4)):
        play.page.keyboard.press(key)
        assert assert_right(play)["at"] == at
    assert play.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"


def test_another_sentence_starts_at_its_own_gap(play):
    for i, at in ((1, 2), (2, 2), (0, 3)):
        play.locator("select").select_option(str(i))
        seen = assert_right(play)
        assert seen["text"] == TEXTS[i] and seen["at"] == at


def test_what_is_told_to_a_screen_reader_is_what_is_shown(play):
    play.locator(".words button").first.click()
    told = play.locator(".live").text_content()
    assert told.startswith(play.locator("li span").first.text_content())
    assert play.locator(".note").text_content() in told


def test_hostile_tokens_are_text(play):
    assert HOSTILE in play.locator("li span").all_text_contents()
    assert play.locator("img").count() == 0


def test_without_scripts_a_picture_stands_in(browser):
    html = fill_mask(MODEL, TOKENIZER, TEXTS, top=TOP).html
    page = browser.page()
    page.set_content(html.replace("<iframe", "<template").replace("</iframe", "</template"))
    picture = page.locator("img")
    assert picture.count() == 1
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
    assert "place 3" in picture.get_attribute("alt") and page.locator("img[src=x]").count() == 0
    page.close()


def test_nothing_is_cut_off_at_any_width(play):
    assert_fits(play, assert_right, (1000, 620, 480))


@pytest.mark.slow
def test_it_lives_in_jupyterlab(root, server, browser):
    noted = len(browser.errors), len(browser.outside)
    vocab = {token: i for i, token in enumerate([*SPECIAL, *WORDS, HOSTILE])}
    cell = f"""import torch
from course_lib.models import Bert, BertConfig
from course_lib.tokenization import WordPiece
from course_lib.viz import fill_mask
tokenizer = WordPiece({json.dumps(vocab, ensure_ascii=False)})
torch.manual_seed(0)
sizes = dict(d_model=16, n_layers=1, n_heads=2, d_ff=32, max_positions=16)
model = Bert(BertConfig(len(tokenizer), **sizes, mlm=True, pooler=False)).eval()
with torch.no_grad():
    for parameter in model.parameters():
        parameter.normal_()
    model.mlm.bias[-1] = 3.0
fill_mask(model, tokenizer, {TEXTS!r}, top={TOP}, title="Find the word")"""
    write_notebook(root / "fill.ipynb", [cell])
    notebook = browser.open(server, "fill.ipynb")
    notebook.run_all()
    frame = notebook.frames("Find the word")[0]
    frame.locator(".words button").nth(1).click()
    assert assert_right(frame)["at"] == 2
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
    assert (len(browser.errors), len(browser.outside)) == noted
