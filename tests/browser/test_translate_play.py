"""The translation playground in a real browser: hands on it, and the translator beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lab import assert_fits, assert_stranger_sees_picture, outputs_in_sight, write_notebook
from stand_ins import translate

from course_lib.viz import translate_playground

HOSTILE = "</script><img src=x onerror=alert(1)>"
TEXTS = ["woman cook", ("red heart", {"fr": "cœur rouge", "ko": "하트"}), f"woman {HOSTILE}"]
CODES = ("ko", "fr")
VIEW = translate_playground(None, None, TEXTS, translate=translate, live=False)


@pytest.fixture
def play(open_view):
    return open_view(VIEW, ".translate[data-results]")


def assert_right(scope) -> str:
    """All that is shown is what the translator says of the text that the view says it has."""
    text = scope.locator(".translate").get_attribute("data-text")
    panels = scope.locator(".translate section")
    assert panels.count() == len(CODES)
    for i, code in enumerate(CODES):
        right, panel = translate(None, None, text, code), panels.nth(i)
        assert panel.locator(".written").inner_text() == right.text
        for side, tokens in (("source", right.source), ("target", right.target)):
            assert panel.locator(f".{side} button span").all_text_contents() == tokens
        lines = panel.locator("line").evaluate_all("""lines => lines.map((line) => {
          const { source, target, share } = line.dataset, style = getComputedStyle(line);
          const [y1, y2] = ["y1", "y2"].map((name) => line[name].baseVal.value);
          const width = parseFloat(style.strokeWidth);
          return { source: +source, target: +target, share: +share, y1, y2, width };
        })""")
        drawn = torch.zeros_like(right.alignment)
        for line in lines:
            drawn[line["target"], line["source"]] = line["share"]
            assert line["width"] == pytest.approx(0.5 + 6 * line["share"], abs=0.01)
            assert (line["y1"], line["y2"]) == (26 * (line["source"] + 0.5), 26 * (line["target"] + 0.5))
        expected = right.alignment.where(right.alignment >= 0.0495, torch.tensor(0.0))
        torch.testing.assert_close(drawn, expected, atol=1e-3, rtol=0)
        # Lines end at the middle of their tokens.
        top = panel.locator("svg").bounding_box()["y"]
        for side in ("source", "target"):
            for n, token in enumerate(panel.locator(f".{side} button").all()):
                box = token.bounding_box()
                assert box["y"] + box["height"] / 2 - top == pytest.approx(26 * (n + 0.5), abs=1.5)
    return text


def test_it_starts_with_the_first_example(play):
    assert assert_right(play) == "woman cook"
    assert play.locator("section h3").all_inner_texts() == ["Korean", "French"]
    assert play.locator(".verdict").all_inner_texts() == ["", ""]


def test_examples_are_chosen_from_the_list_or_step_by_step(play):
    play.get_by_label("Example", exact=True).select_option("1")
    assert assert_right(play) == "red heart"
    assert play.locator(".verdict").all_inner_texts() == ["✗ reference: 하트", "✓ as in the reference"]
    play.get_by_role("button", name="Previous example").click()
    assert assert_right(play) == "woman cook"
    play.get_by_role("button", name="Previous example").press("Enter")
    assert assert_right(play) == TEXTS[2]
    play.get_by_role("button", name="Next example").click()
    assert assert_right(play) == "woman cook"


def test_a_token_shows_its_weights_by_mouse_and_keyboard(play):
    right = translate(None, None, "woman cook", "fr").alignment  # written: cuisinière femme </s>
    panel = play.locator("section").nth(1)
    panel.locator(".target button").nth(0).click()
    shown = panel.locator(".source small").all_inner_texts()
    assert shown == [f"{share:.2f}" for share in right[0].tolist()]
    assert panel.locator("line.on").count() == 3 and panel.locator("line.off").count() == 6
    note = play.locator(".note").inner_text()
    assert note.startswith(f"“cuisinière” attends to cook {right[0, 1]:.2f}, ")
    play.locator(".live", has_text=note).wait_for(state="attached")
    for key, expected in (
        ("ArrowDown", right[1]),
        ("ArrowUp", right[0]),
        ("End", right[2]),
        ("Home", right[0]),
    ):
        play.page.keyboard.press(key)
        assert panel.locator(".source small").all_inner_texts() == [f"{w:.2f}" for w in expected.tolist()]
    play.page.keyboard.press("ArrowLeft")  # over to what is read
    shown = panel.locator(".target small").all_inner_texts()
    assert shown == [f"{share:.2f}" for share in right[:, 0].tolist()]
    assert play.locator(".note").inner_text().startswith("“woman” is attended to by femme ")
    play.page.keyboard.press("Escape")
    assert panel.locator("line.on, line.off").count() == 0
    assert play.locator(".note").inner_text().startswith("Choose a token")


def test_pointing_is_enough(play):
    play.locator(".target button").nth(1).hover()
    assert play.locator(".note").inner_text().startswith("“요리사” attends to cook ")


def test_unknown_words_are_marked_and_hostile_ones_are_text(play):
    play.get_by_label("Example", exact=True).select_option("2")
    assert assert_right(play) == TEXTS[2]
    words = HOSTILE.split()
    assert play.locator("section").first.locator(".strange span").all_text_contents() == words
    message = play.locator(".message").inner_text()
    assert message.startswith("Unknown to the model: ") and all(f"“{word}”" in message for word in words)
    assert play.locator("img").count() == 0


def test_it_fits_every_width(play):
    assert_fits(play, assert_right)


CELL = f"""import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from stand_ins import translate
from course_lib.viz import translate_playground
translate_playground(None, None, {TEXTS!r}, translate=translate, title="Ask it")"""


@pytest.mark.slow
def test_words_of_ones_own_are_answered_and_the_examples_survive_reopening(root, server, browser):
    noted = browser.errors, browser.outside, browser.dialogs
    before = [len(notes) for notes in noted]
    write_notebook(root / "translate.ipynb", [CELL])
    notebook = browser.open(server, "translate.ipynb")
    notebook.run_all()
    page = notebook.page
    field = page.get_by_label("English words")
    assert not page.locator(".translate.asks section").first.is_visible()  # nothing was asked yet
    for text in ("red heart", "woman zebra", "cook"):
        field.fill(text)
        field.press("Enter")
        page.wait_for_selector(f".translate.asks[data-text='{text}']:not(.waits)")
        assert assert_right(page) == text
    field.fill(f"red {HOSTILE}")
    page.get_by_role("button", name="Translate", exact=True).click()
    page.wait_for_selector(".translate.asks .message.unknown")
    assert assert_right(page) == f"red {HOSTILE}" and page.locator(".translate.asks img").count() == 0
    for text, says in (
        ("", "Nothing to translate"),
        ("사과", "“사과” is not English"),
        ("a" * 101, "101 letters"),
    ):
        field.fill(text)
        field.press("Enter")
        page.locator(".translate.asks .message.problem", has_text=says).wait_for()
    field.press("d")  # the notebook's own keys must not act on it
    field.press("d")
    assert page.locator(".jp-CodeCell").count() == 1
    page.locator(".translate.asks .target button").first.click()
    notebook.save()
    notebook.close()
    assert [notes[n:] for notes, n in zip(noted, before)] == [[], [], []]

    notebook = browser.open(server, "translate.ipynb")
    notebook.settle()
    assert "".join(outputs_in_sight(notebook.page)).strip() == ""  # no "model not found" below the view
    frame = notebook.frames("Ask it")[0]
    frame.get_by_role("button", name="Next example").click()
    assert assert_right(frame) == "red heart"
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
    assert len(browser.outside) == before[1]


@pytest.mark.slow
def test_a_stranger_sees_the_picture(root, server, browser):
    assert_stranger_sees_picture(root, browser, "translate.ipynb", "Ask it")
