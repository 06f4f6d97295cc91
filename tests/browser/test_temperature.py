"""The temperature playground in a real browser: hands on it, and PyTorch beside it."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from lab import assert_fits, write_notebook

from course_lib.viz import temperature_playground

HOSTILE = "</script><img src=x onerror=alert(1)>"
SIMILARITY = torch.tensor([[0.9, 0.2, -0.1], [0.1, 0.7, 0.6], [0.0, 0.4, 0.5]])
ROWS, COLUMNS = ["study hard", "사과", HOSTILE], ["much to learn", "apple", HOSTILE]


@pytest.fixture
def play(open_view):
    return open_view(temperature_playground(SIMILARITY, ROWS, COLUMNS), ".playground[data-loss]")


def assert_right(frame) -> dict:
    """What is shown agrees with PyTorch, for the temperature and the row it says it has."""
    found = frame.evaluate("({ ...document.querySelector('.playground').dataset })")
    seen = {name: torch.tensor(json.loads(found[name])) for name in found}
    scores = SIMILARITY / seen["temperature"]
    losses = F.cross_entropy(scores, torch.arange(3), reduction="none")
    off = scores.masked_fill(torch.eye(3, dtype=torch.bool), -torch.inf)
    for name, expected in (
        ("shares", scores.softmax(1)),
        ("losses", losses),
        ("loss", losses.mean()),
        ("pushes", off.softmax(1)),
    ):
        torch.testing.assert_close(seen[name].float(), expected, atol=1e-3, rtol=1e-3)
    cells = frame.locator(".shares tbody td:not(.end)").all_inner_texts()
    assert cells == [f"{share:.2f}" for share in seen["shares"].flatten().tolist()]
    assert frame.locator(".mean b").inner_text() == f"{seen['loss'].item():.3f}"
    row = int(seen["row"])
    bars = frame.locator("li:not(.head) b:nth-of-type(1)").all_inner_texts()
    assert bars == [f"{share:.2f}" for share in seen["shares"][row].tolist()]
    return seen


def test_it_starts_at_the_given_temperature_on_the_first_row(play):
    seen = assert_right(play)
    assert seen["temperature"].item() == pytest.approx(0.1) and seen["row"] == 0
    assert play.locator("output").inner_text() == "0.10"


def test_the_slider_reaches_both_ends_and_all_numbers_follow(play):
    slider = play.locator("input")
    for value, temperature in (("0", 0.01), ("100", 2.0), ("40", None)):
        slider.fill(value)
        seen = assert_right(play)
        if temperature:
            assert seen["temperature"].item() == pytest.approx(temperature)
    before = seen["temperature"].item()
    slider.focus()
    play.page.keyboard.press("ArrowRight")
    assert before < assert_right(play)["temperature"].item() < 1.05 * before


def test_hotter_is_flatter(play):
    spread = []
    for value in ("0", "30", "60", "100"):
        play.locator("input").fill(value)
        spread.append(assert_right(play)["shares"].std().item())
    assert spread == sorted(spread, reverse=True) and spread[0] > 5 * spread[-1]


def test_a_row_is_chosen_by_mouse_or_keyboard(play):
    play.locator(".shares tbody tr").nth(1).locator("td").first.click()
    assert assert_right(play)["row"] == 1
    assert play.locator("h3").inner_text() == "“사과” looks for its partner"
    play.get_by_role("button", name="study hard").focus()
    play.page.keyboard.press("Enter")
    assert assert_right(play)["row"] == 0
    assert play.locator(".pick[aria-pressed=true]").count() == 1


def test_the_partner_is_never_pushed(play):
    for row in range(3):
        play.locator(".pick").nth(row).click()
        assert play.locator("li.partner b").nth(1).inner_text() == "partner"
        assert assert_right(play)["pushes"][row, row] == 0


def test_reset_brings_everything_back(play):
    before = play.locator(".playground").evaluate("root => JSON.stringify(root.dataset)")
    play.locator("input").fill("80")
    play.locator(".pick").nth(2).click()
    play.get_by_role("button", name="Reset").click()
    assert play.locator(".playground").evaluate("root => JSON.stringify(root.dataset)") == before
    assert_right(play)


def test_hostile_names_are_text(play):
    assert play.locator("img").count() == 0
    assert HOSTILE in play.locator(".pick").nth(2).text_content()


def test_nothing_is_cut_off_at_any_width(play):
    assert_fits(play, assert_right, (1000, 620, 480))


@pytest.mark.slow
def test_it_lives_in_jupyterlab(root, server, browser):
    cell = f"""from course_lib.viz import temperature_playground
temperature_playground({SIMILARITY.tolist()}, {ROWS!r}, {COLUMNS!r}, title="Find the partner")"""
    write_notebook(root / "temperature.ipynb", [cell])
    notebook = browser.open(server, "temperature.ipynb")
    notebook.run_all()
    frame = notebook.frames("Find the partner")[0]
    frame.locator("input").fill("20")
    assert_right(frame)
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
