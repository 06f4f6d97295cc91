"""The attention playground in a real browser: hands on it, and PyTorch beside it."""

from __future__ import annotations

import json
import time

import pytest
import torch
from lab import write_notebook

from course_lib.viz import attention_playground

HOSTILE = "</script><img src=x onerror=alert(1)>"
WORDS = ["competitors", "좋아하다", HOSTILE]
QUERY = torch.tensor([1.2, 0.3])
KEY = torch.tensor([[0.2, 1.6], [0.9, 0.6], [1.7, -0.2]])
VALUE = torch.tensor([[0.0, 1.0], [0.5, 0.2], [1.0, 0.6]])


@pytest.fixture
def play(open_view):
    return open_view(attention_playground(WORDS, QUERY, KEY, VALUE), ".playground[data-output]")


def state(frame) -> dict:
    found = frame.evaluate("({ ...document.querySelector('.playground').dataset })")
    return {name: torch.tensor(json.loads(found[name]), dtype=torch.float32) for name in found}


def assert_right(frame) -> dict:
    """What is shown agrees with PyTorch, for the query and the sharpness it says it has."""
    seen = state(frame)
    scores = seen["sharpness"] * (KEY @ seen["query"])
    weights = scores.softmax(dim=0)
    output = weights @ VALUE
    for name, expected in (("scores", scores), ("weights", weights), ("output", output)):
        torch.testing.assert_close(seen[name], expected, atol=1e-3, rtol=0)
    shown = frame.locator("section").nth(3).locator("li b").all_inner_texts()
    assert shown == [f"{w:.2f}" for w in seen["weights"].tolist()]
    a, b = (f"{x:.2f}".replace("-", "−") for x in seen["output"].tolist())
    assert frame.locator(".at").nth(1).inner_text() == f"output ({a}, {b})"
    return seen


def middle(locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(frame, dx: float, dy: float) -> tuple[float, float]:
    """Drag the tip by so many pixels; returns where it is then."""
    x, y = middle(frame.locator(".knob"))
    mouse = frame.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + dx, y + dy, steps=5)
    mouse.up()
    return middle(frame.locator(".knob"))


def until(holds, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def test_it_starts_with_the_given_query(play):
    seen = assert_right(play)
    assert seen["query"].tolist() == pytest.approx([1.2, 0.3]) and seen["sharpness"] == 1


def test_dragging_moves_the_tip_with_the_hand_and_all_numbers_follow(play):
    start, (x, y) = state(play), middle(play.locator(".knob"))
    tip = drag(play, 40, -60)
    assert tip == pytest.approx((x + 40, y - 60), abs=1.5)
    seen = assert_right(play)
    right, up = (seen["query"] - start["query"]).tolist()
    assert right > 0.3 and up == pytest.approx(1.5 * right, rel=0.03)  # y points up, same units
    assert (seen["weights"] - start["weights"]).abs().max() > 0.1
    drag(play, -150, 100)
    assert_right(play)


def test_the_cross_stands_where_the_output_is(play):
    def cross() -> torch.Tensor:
        return torch.tensor(middle(play.locator(".cross")))

    dots = torch.tensor([middle(play.locator(".value").nth(i)) for i in range(3)])
    for move in ((0, 0), (-90, -40), (20, 110)):
        drag(play, *move)
        torch.testing.assert_close(cross(), assert_right(play)["weights"] @ dots, atol=1.0, rtol=0)


def test_larger_weights_are_larger_points(play):
    drag(play, -60, -60)
    sizes = [box["width"] for box in (play.locator(".value").nth(i).bounding_box() for i in range(3))]
    weights = assert_right(play)["weights"].tolist()
    assert sorted(range(3), key=sizes.__getitem__) == sorted(range(3), key=weights.__getitem__)


def test_the_query_stays_where_a_hand_can_reach_it(play):
    x, y = drag(play, 450, -140)  # beyond the panel, inside the window
    assert state(play)["query"][0] > 2 and state(play)["query"][1] > 1.7
    box = play.locator("svg").first.bounding_box()
    assert box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]
    assert_right(play)


@pytest.mark.parametrize(
    ("key", "step"),
    [
        ("ArrowRight", (0.1, 0)),
        ("ArrowLeft", (-0.1, 0)),
        ("ArrowUp", (0, 0.1)),
        ("ArrowDown", (0, -0.1)),
        ("Shift+ArrowRight", (0.01, 0)),
        ("Shift+ArrowUp", (0, 0.01)),
    ],
)
def test_arrow_keys_move_the_query(play, key, step):
    play.locator(".tip").focus()
    play.page.keyboard.press(key)
    torch.testing.assert_close(assert_right(play)["query"], QUERY + torch.tensor(step))


def test_tab_reaches_slider_reset_and_tip_and_shows_where_it_is(play):
    play.locator("h2").click()
    reached = []
    for _ in range(3):
        play.page.keyboard.press("Tab")
        reached.append(
            play.evaluate("document.activeElement.getAttribute('class') ?? document.activeElement.tagName")
        )
    assert reached == ["INPUT", "BUTTON", "tip"]
    assert play.locator(".ring").evaluate("ring => getComputedStyle(ring).opacity") == "1"


def test_a_finger_drags_the_tip_and_does_not_scroll(browser):
    context = browser.browser.new_context(has_touch=True, viewport={"width": 900, "height": 400})
    page = context.new_page()
    page.set_content(f"<body>{attention_playground(WORDS, QUERY, KEY, VALUE).html}<p style='height:2000px'>")
    play = page.frames[1]
    play.wait_for_selector(".playground[data-output]")
    x, y = middle(play.locator(".knob"))
    client = context.new_cdp_session(page)

    def touch(kind: str, *points: dict) -> None:
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": x, "y": y})
    for i in range(1, 9):
        touch("touchMove", {"x": x - 5 * i, "y": y - 10 * i})
    touch("touchEnd")
    until(lambda: middle(play.locator(".knob")) == pytest.approx((x - 40, y - 80), abs=1.5))
    assert_right(play)
    assert page.evaluate("scrollY") == 0
    context.close()


def test_sharpness_multiplies_the_scores(play):
    slider = play.locator("input")
    slider.fill("8")
    assert assert_right(play)["weights"][2] > 0.99
    slider.fill("0")
    torch.testing.assert_close(assert_right(play)["weights"], torch.full((3,), 1 / 3))
    slider.focus()
    play.page.keyboard.press("ArrowRight")
    assert assert_right(play)["sharpness"].item() == pytest.approx(0.1)


def test_reset_brings_everything_back(play):
    before = play.locator(".playground").evaluate("root => JSON.stringify(root.dataset)")
    drag(play, -70, 30)
    play.locator("input").fill("3.5")
    assert state(play)["sharpness"] == 3.5
    play.get_by_role("button", name="Reset").click()
    assert play.locator(".playground").evaluate("root => JSON.stringify(root.dataset)") == before
    assert play.locator("input").input_value() == "1"
    assert play.locator(".trail").get_attribute("points") == ""


def test_a_screen_reader_hears_the_result_when_the_hand_rests(play):
    play.locator(".tip").focus()
    play.page.keyboard.press("ArrowLeft")
    assert play.locator(".tip").get_attribute("aria-valuetext") == "1.10, 0.30"
    a, b = (f"{x:.2f}" for x in state(play)["output"].tolist())
    spoken = play.locator("[role=status]")
    until(lambda: spoken.text_content().startswith(f"output {a}, {b}; weights competitors 0."))
    assert "좋아하다 0." in spoken.text_content()


def test_hostile_words_are_text(play):
    assert play.locator("img").count() == 0
    assert play.locator("li span").nth(2).text_content() == HOSTILE


def test_a_narrow_window_changes_the_drawing_and_no_number(play):
    before, size = state(play), play.page.viewport_size
    for width in (700, 380, 200, 1000):
        play.page.set_viewport_size({"width": width, "height": 900})
        play.wait_for_timeout(100)
        assert play.locator("svg").first.bounding_box()["width"] < width
        for name, numbers in assert_right(play).items():
            torch.testing.assert_close(numbers, before[name])
    play.page.set_viewport_size(size)


def test_all_equal_values_and_a_query_of_zero_are_drawn(browser):
    errors = len(browser.errors)
    page = browser.page()
    view = attention_playground(["a", "b"], [0, 0], [[0, 0], [0, 0]], [[3, 3], [3, 3]])
    page.set_content(view.html)
    frame = page.frames[1]
    frame.wait_for_selector(".playground[data-output]")
    assert state(frame)["output"].tolist() == [3, 3] and state(frame)["weights"].tolist() == [0.5, 0.5]
    drag(frame, 50, 50)
    assert state(frame)["query"].abs().min() > 0
    assert "NaN" not in frame.content()
    page.close()
    assert browser.errors[errors:] == []


def test_it_lives_in_jupyterlab(root, server, browser):
    cell = f"""from course_lib.viz import attention_playground
attention_playground({WORDS!r}, {QUERY.tolist()}, {KEY.tolist()}, {VALUE.tolist()}, title="Apple asks")"""
    write_notebook(root / "play.ipynb", [cell])
    notebook = browser.open(server, "play.ipynb")
    notebook.run_all()
    frame = notebook.frames("Apple asks")[0]
    frame.page.evaluate("document.querySelector('.jp-Notebook iframe').scrollIntoView()")
    before = state(frame)
    drag(frame, -40, 0)
    assert (assert_right(frame)["weights"] - before["weights"]).abs().max() > 0.02
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
