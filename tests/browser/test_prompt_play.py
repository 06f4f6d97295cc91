"""The prompt playground in a real browser: hands on it, and the table beside it."""

from __future__ import annotations

import json

import pytest
import torch
from lab import assert_fits, assert_stranger_sees_picture, write_notebook

from course_lib.prompting import few_shot_prompt
from course_lib.viz import prompt_view
from course_lib.viz.prompt_scores import CONTENT_FREE, PromptTable, orders

HOSTILE = "</script><img src=x onerror=alert(1)>"
EXAMPLES = (("A joy.", "up"), ("Dull.", "down"), (HOSTILE, "up"), ("사과가 달다", "down"))
QUERIES = (("I laughed.", "up"), (HOSTILE, "down"), ("It rained.", None))
WORDINGS = ("Review: {input}\nMood: {output}", "{input} It goes {output}.")


def made(labels=("up", "down"), n=4, subsets=True) -> PromptTable:
    """Random scores: what the model would say does not matter here."""
    generator = torch.Generator().manual_seed(len(labels))
    shape = (len(WORDINGS), len(QUERIES) + len(CONTENT_FREE), len(labels))
    log_p = {order: 2 * torch.randn(shape, generator=generator) for order in orders(n, subsets)}
    return PromptTable(EXAMPLES[:n], QUERIES, tuple(labels), WORDINGS, CONTENT_FREE, log_p)


TABLE = made()


@pytest.fixture
def play(open_view):
    return open_view(prompt_view(TABLE), ".view[data-order]")


def assert_right(frame, table=TABLE) -> tuple[tuple[int, ...], int]:
    """All that is shown agrees with the table, for the order and wording that the view says it has."""
    seen = frame.evaluate("({ ...document.querySelector('.view').dataset })")
    seen = {name: json.loads(value) for name, value in seen.items()}
    order, wording = tuple(seen["order"]), seen["wording"]
    expected = [table.probabilities(order, wording, calibrated=calibrated) for calibrated in (False, True)]
    for name, shares in zip(("asked", "calibrated"), expected):
        torch.testing.assert_close(torch.tensor(seen[name]), shares, atol=1e-3, rtol=0)
    right = [
        sum(table.labels[shares[i].argmax()] == label for i, (_, label) in enumerate(table.queries))
        for shares in expected
    ]
    assert seen["hits"] == right

    # What is drawn: the widths of the bars, row by row.
    drawn = frame.evaluate("""() => [...document.querySelectorAll(".right li:not(.empty) .bar")].map((bar) =>
      [...bar.querySelectorAll("i")].map((part) =>
        part.getBoundingClientRect().width / bar.getBoundingClientRect().width))""")
    rows = torch.stack(expected, dim=1).flatten(0, 1)  # as asked and calibrated in turn
    torch.testing.assert_close(torch.tensor(drawn), rows, atol=1 / 255, rtol=0)
    # The cards in the prompt, in its order, numbered; the others behind the border.
    cards = frame.locator(".card .text").all_inner_texts()
    texts = [text for text, _ in table.examples]
    assert cards[: len(order)] == [texts[i] for i in order] and sorted(cards) == sorted(texts)
    assert frame.locator(".card:not(.out)").count() == len(order)
    # What the model reads.
    prompt = few_shot_prompt(
        [table.examples[i] for i in order], table.queries[seen["query"]][0], template=table.wordings[wording]
    )
    assert frame.locator("pre").evaluate("pre => pre.textContent") == prompt
    return order, wording


def drag(frame, card: int, target, down: float = 0.0) -> None:
    """Take a card by its text and let it go on the middle of `target`, `down` pixels lower."""
    start, end = frame.locator(".card .text").nth(card).bounding_box(), target.bounding_box()
    mouse = frame.page.mouse
    mouse.move(start["x"] + 20, start["y"] + start["height"] / 2)
    mouse.down()
    mouse.move(end["x"] + 20, end["y"] + end["height"] / 2 + down, steps=6)
    mouse.up()


def test_it_starts_with_all_examples_in_the_order_given(play):
    assert assert_right(play) == ((0, 1, 2, 3), 0)


def test_an_example_is_dragged_down_up_and_out(play):
    drag(play, 0, play.locator(".card").nth(2), 8)
    assert assert_right(play)[0] == (1, 2, 0, 3)
    drag(play, 3, play.locator(".card").nth(0), -8)
    assert assert_right(play)[0] == (3, 1, 2, 0)
    drag(play, 1, play.locator(".border"), 14)
    assert assert_right(play)[0] == (3, 2, 0)
    drag(play, 3, play.locator(".card").nth(0), -8)
    assert assert_right(play)[0] == (1, 3, 2, 0)
    assert play.locator(".held").count() == 0
    play.page.mouse.move(5, 5)  # the card was let go
    assert assert_right(play)[0] == (1, 3, 2, 0)


def test_the_keyboard_does_all_that_the_mouse_does(play):
    keyboard = play.page.keyboard
    play.locator(".grip").nth(0).focus()
    for key, order in (
        ("ArrowDown", (1, 0, 2, 3)),
        ("ArrowDown", (1, 2, 0, 3)),
        ("ArrowUp", (1, 0, 2, 3)),
        ("ArrowDown", (1, 2, 0, 3)),
        ("ArrowDown", (1, 2, 3, 0)),
        ("ArrowDown", (1, 2, 3)),  # over the border
        ("ArrowDown", (1, 2, 3)),  # at the end
        ("ArrowUp", (1, 2, 3, 0)),
    ):
        keyboard.press(key)
        assert assert_right(play)[0] == order
        assert (
            play.evaluate("document.activeElement.parentNode.querySelector('.text').textContent") == "A joy."
        )
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert assert_right(play)[0] == (1, 2, 3)
    keyboard.press("Space")
    assert assert_right(play)[0] == (1, 2, 3, 0)


def test_every_choice_down_to_none_has_its_numbers(play):
    for left in ((1, 2, 3), (2, 3), (3,), ()):
        play.locator(".toggle").first.click()
        assert assert_right(play)[0] == left
    play.locator(".toggle").nth(2).click()
    assert len(assert_right(play)[0]) == 1
    play.get_by_role("button", name="Reset").click()
    assert assert_right(play) == ((0, 1, 2, 3), 0)


def test_the_wording_and_the_query_are_chosen(play):
    play.get_by_label("Wording").first.select_option("1")
    assert assert_right(play) == ((0, 1, 2, 3), 1)
    play.get_by_role("button", name="It rained.").focus()
    play.page.keyboard.press("Enter")
    assert play.locator(".pick[aria-pressed=true]").inner_text() == "It rained."
    assert_right(play)
    assert play.locator("pre").inner_text().endswith("It rained. It goes")


def test_strokes_mark_all_orders_of_the_same_examples(play):
    for _ in range(2):
        play.locator(".toggle").nth(0).click()
    order, _ = assert_right(play)
    assert order == (2, 3)
    seen = play.locator(".right .bar").first.evaluate(
        "bar => [...bar.querySelectorAll('s')].map(tick => parseFloat(tick.style.left) / 100)"
    )
    expected = [TABLE.probabilities(one)[0, 0].item() for one in (order, order[::-1])]
    assert sorted(seen) == pytest.approx(sorted(expected), abs=1e-3)
    counts = [
        sum(TABLE.probabilities(one)[i].argmax() == ("up", "down").index(QUERIES[i][1]) for i in range(2))
        for one in (order, order[::-1])
    ]
    low, high = int(min(counts)), int(max(counts))
    said = f"{low}" if low == high else f"{low} to {high}"
    assert f"All 2 orders of these examples: {said} as asked" in play.locator(".note").inner_text()


def test_screen_readers_hear_what_is_drawn(play):
    shares = TABLE.probabilities((0, 1, 2, 3))[0]
    verdict = "right" if shares.argmax() == 0 else "wrong"
    text = [f"{'up' if i == 0 else 'down'} {round(100 * p)} %" for i, p in enumerate(shares.tolist())]
    assert play.locator(".bar").first.get_attribute("aria-label") == f"as asked: {', '.join(text)}, {verdict}"
    grip = play.get_by_role("button", name="“A joy.”, up: example 1 of 4. Arrow keys move it.")
    grip.press("ArrowDown")
    play.locator(".live", has_text="Examples 2, 1, 3, 4. Right: ").wait_for(state="attached")


def test_hostile_texts_are_text(play):
    assert play.locator("img").count() == 0 and play.locator("script").count() == 4
    assert HOSTILE in play.locator(".card .text").all_inner_texts()
    assert HOSTILE in play.locator(".pick").all_inner_texts()


def test_it_fits_every_width(play):
    assert_fits(play, assert_right)


def test_more_labels_fewer_examples_and_no_subsets(open_view):
    for table in (made(("up", "down", "level", "none")), made(n=2, subsets=False)):
        frame = open_view(prompt_view(table), ".view[data-order]")
        assert_right(frame, table)
        frame.locator(".grip").nth(0).press("ArrowDown")
        assert assert_right(frame, table)[0][:2] == (1, 0)
        assert frame.locator(".toggle").count() == (len(table.examples) if () in table.log_p else 0)


CELL = """import torch
from course_lib.viz import prompt_view
from course_lib.viz.prompt_scores import PromptTable, orders
log_p = {order: torch.tensor([[[len(order) / 4, 0.5], [0.2, 0.3]]]) for order in orders(2)}
table = PromptTable((("A joy.", "up"), ("Dull.", "down")), (("I laughed.", "up"),), ("up", "down"),
                    ("{input} It goes {output}",), ("N/A",), log_p)
prompt_view(table, title="Move the examples")"""


@pytest.mark.slow
def test_it_lives_in_jupyterlab_and_survives_reopening(root, server, browser):
    before = len(browser.errors), len(browser.outside)
    write_notebook(root / "prompts.ipynb", [CELL])
    notebook = browser.open(server, "prompts.ipynb")
    notebook.run_all()
    notebook.save()
    notebook.close()
    notebook = browser.open(server, "prompts.ipynb")
    notebook.settle()
    frame = notebook.frames("Move the examples")[0]
    frame.locator(".grip").nth(0).press("ArrowDown")
    assert frame.locator(".view").get_attribute("data-order") == "[1,0]"
    drag(frame, 0, frame.locator(".card").nth(1), 8)
    assert frame.locator(".view").get_attribute("data-order") == "[0,1]"
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
    assert (len(browser.errors), len(browser.outside)) == before


@pytest.mark.slow
def test_a_stranger_sees_the_picture(root, server, browser):
    assert_stranger_sees_picture(root, browser, "prompts.ipynb", "Move the examples")
