"""The live explorer in JupyterLab: a typed sentence is read, a head is switched off, the prediction moves."""

import pytest
from lab import write_notebook

CELL = """
import torch
from course_lib.models import GPT, GPTConfig
from course_lib.tokenization import WordPiece
from course_lib.viz import explore_live
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "sees", "a", "cat", "<b>bold</b>"]
tokenizer = WordPiece({word: i for i, word in enumerate(words)})
torch.manual_seed(0)
gpt = GPT(GPTConfig(len(words), d_model=24, n_layers=3, n_heads=4, max_positions=20, dropout=0.0)).eval()
live = explore_live(gpt, tokenizer, "the dog sees a cat")
live
"""


@pytest.fixture(scope="module")
def page(root, server, browser):
    write_notebook(root / "live.ipynb", [CELL])
    notebook = browser.open(server, "live.ipynb")
    notebook.run_all()
    notebook.page.wait_for_selector(".explorer .live", timeout=30_000)
    yield notebook.page
    notebook.close()


def rows(page):
    return page.locator(".predictions tr").all_inner_texts()


def test_it_draws_with_its_table(page, browser):
    assert page.locator(".explorer canvas").count() == 4
    assert rows(page)[0].split("\t")[0].strip() == "next token" and len(rows(page)) == 6
    assert browser.errors == [] and browser.outside == []


def test_a_head_switched_off_moves_the_prediction_and_comes_back(page):
    before = rows(page)
    page.get_by_role("button", name="Switch head 0.0 off").click()
    page.wait_for_function("document.querySelector('.predictions th:last-child').textContent === '1 off'")
    during = rows(page)
    assert during[1:] != before[1:]
    assert any(len({part.strip() for part in row.split("\t")[1:]}) == 2 for row in during[1:])
    page.get_by_role("button", name="All heads on").click()
    page.wait_for_function("document.querySelector('.predictions th:last-child').textContent === 'as it is'")
    assert rows(page) == before


def test_a_typed_sentence_is_read_and_markup_stays_text(page, browser):
    field = page.get_by_label("sentence to read")
    field.fill("a dog <img src=x onerror=alert(1)>")
    field.press("Enter")
    page.wait_for_function("!document.querySelector('.explorer .size').textContent.includes(' 7 tokens')")
    assert browser.dialogs == [] and page.locator(".explorer img").count() == 0
    field.fill("   ")
    field.press("Enter")
    page.wait_for_function(
        "document.querySelector('.explorer .message').textContent.includes('type a sentence')"
    )
    assert browser.errors == []
