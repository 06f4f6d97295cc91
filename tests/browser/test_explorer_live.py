"""The live explorer in JupyterLab: a typed sentence is read, a head is switched off, the prediction moves."""

import shutil

import nbformat
import pytest
from lab import Server, outputs_in_sight, write_notebook

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
    notebook.save()
    yield notebook.page
    notebook.close()


def rows(page):
    return page.locator(".predictions tr").all_inner_texts()


def test_it_draws_with_its_table(page, browser):
    assert page.locator(".explorer canvas:visible").count() == 3
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


def test_the_widget_lives_alone_and_leaves_the_rest_of_the_page_as_it_is(page):
    assert page.locator(".above-widget iframe").is_hidden()
    assert len(outputs_in_sight(page)) == 1 and "Switch head" in outputs_in_sight(page)[0]
    sizing = page.evaluate("""() => ['.explorer', 'body'].map(place => {
        const one = document.querySelector(place).appendChild(document.createElement('i'));
        const sizing = getComputedStyle(one).boxSizing;
        one.remove();
        return sizing;
    })""")
    assert sizing == ["border-box", "content-box"]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["a fresh kernel", "no kernel at all"])
def test_a_reopened_notebook_shows_the_living_view_and_no_error_line(page, kernel, root, server, browser):
    notebook = nbformat.read(root / "live.ipynb", as_version=4)
    assert [next(iter(output.data)) for output in notebook.cells[0].outputs] == [
        "text/html",
        "application/vnd.jupyter.widget-view+json",
    ]
    noted = len(browser.errors)
    shutil.copy(root / "live.ipynb", root / "again.ipynb")
    again = browser.open(server, "again.ipynb")
    if kernel == "no kernel at all":
        again.page.evaluate("async () => await jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        again.page.evaluate("async () => await jupyterapp.shell.currentWidget.context.revert()")
    again.settle()
    again.page.get_by_text("Error displaying widget").wait_for(state="attached")  # it is there, but not seen
    assert again.trusted and "".join(outputs_in_sight(again.page)).strip() == ""
    frame = again.frames("Attention of GPT")[0]
    frame.get_by_label("Head", exact=True).press("End")
    assert frame.evaluate("document.querySelector('.explorer').dataset.head") == "3"
    assert frame.locator("canvas:visible").count() == 3
    again.close(shutdown=kernel == "a fresh kernel")
    # JupyterLab's own notes: of the widget, and of its debugger when the kernel is taken away.
    known = ("widget model not found", "debugger state")
    assert all(any(note in error for note in known) for error in browser.errors[noted:])
    del browser.errors[noted:]


@pytest.mark.slow
def test_an_untrusted_notebook_shows_the_picture_and_no_error_line(page, root, browser):
    with Server(root) as stranger:  # its trust store has never seen this notebook
        opened = browser.open(stranger, "live.ipynb")
        opened.settle()
        assert not opened.trusted and opened.frames() == []
        picture = opened.page.locator(".jp-OutputArea-output img[alt*='Attention of GPT']")
        assert picture.is_visible() and picture.evaluate("image => image.naturalWidth") > 300
        assert "".join(outputs_in_sight(opened.page)).strip() == ""
        assert opened.page.get_by_text("Error displaying widget").count() == 0
        opened.close()


def test_a_page_of_the_site_shows_the_living_view(page, root, browser):
    """From a notebook as a learner saved it, with the widget's output still in it."""
    from course_lib.site import _frame, _output

    outputs = nbformat.read(root / "live.ipynb", as_version=4).cells[0].outputs
    body = "".join(_output(output, None) for output in outputs)
    (root / "page.html").write_text(_frame("page", body, ""), encoding="utf-8")
    shown = browser.page()
    shown.goto((root / "page.html").as_uri())
    frame = next(one for one in shown.frames if one.query_selector(".explorer"))
    frame.get_by_label("Layer", exact=True).press("End")
    assert frame.evaluate("document.querySelector('.explorer').dataset.layer") == "2"
    assert "widget" not in shown.inner_text("body") and "LiveExplorer" not in shown.inner_text("body")
    shown.close()
    assert browser.errors == [] and browser.outside == []
