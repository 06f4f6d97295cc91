"""The mask playground in a real browser: hands on it, and the library's masks beside it."""

from __future__ import annotations

import json
from itertools import cycle

import pytest
import torch
from lab import assert_stranger_sees_picture, write_notebook

from course_lib.attention import (
    banded_mask,
    causal_mask,
    padding_mask,
    permutation_mask,
    prefix_mask,
    scaled_dot_product_attention,
)
from course_lib.site import site
from course_lib.viz import mask_playground
from course_lib.viz.labels import visible
from course_lib.viz.mask_play import KINDS, ORDERS

TOKENS = ["나는", "어제", "새", "책을", "다", "읽었다", "."]
T = len(TOKENS)
ORDER = [3, 0, 6, 1, 5, 2, 4]
SCORES = 3 * torch.randn(T, T, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
READY = ".view[data-position] .reach"


@pytest.fixture
def play(open_view):
    return open_view(mask_playground(TOKENS, SCORES, order=ORDER), READY)


def expected(seen: dict, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mask, weights and reach by the library, for what the view says it shows."""
    size = len(scores)
    masks = {
        "BERT": torch.ones(size, size, dtype=torch.bool),
        "GPT": causal_mask(size),
        "UniLM": prefix_mask(size, seen["prefix"]),
        "XLNet": permutation_mask(seen["order"], include_self=not seen["query"]),
        "banded": banded_mask(size, seen["width"]),
    }
    ids = torch.tensor([[1] * (size - seen["padding"]) + [0] * seen["padding"]])
    real = padding_mask(ids, 0)[0, 0]
    mask = masks[seen["kind"]] & real
    below = (permutation_mask(seen["order"]) if seen["kind"] == "XLNet" else masks[seen["kind"]]) & real
    paths = mask.double() @ torch.linalg.matrix_power(below.double(), seen["layers"] - 1)
    one = torch.eye(size, dtype=torch.float64)
    _, weights = scaled_dot_product_attention(scores.double(), one, one, mask, scale=1)
    return mask, weights, paths > 0


def assert_right(frame, scores: torch.Tensor = SCORES) -> dict:
    """All that is shown is the library's mask, softmax and reach, for the settings that are shown."""
    found = frame.evaluate("({ ...document.querySelector('.view').dataset })")
    seen = {name: json.loads(value) for name, value in found.items()}
    mask, weights, reach = expected(seen, scores)
    size, at = len(scores), seen["position"]
    assert seen["mask"] == mask.tolist() and seen["reach"] == reach.tolist()
    torch.testing.assert_close(
        torch.tensor(seen["weights"], dtype=torch.float32), weights.float(), atol=1e-4, rtol=0
    )

    # What is drawn: every cell of the three matrices, and the sentence.
    cells = frame.evaluate("""() => ["mask", "weights", "reach"].map((name) =>
      [...document.querySelectorAll(`.${name} .cell`)].map((cell) =>
        [cell.classList[1], Number(cell.getAttribute("fill-opacity"))]))""")
    drawn = [dict(zip(("kind", "opacity"), zip(*matrix, strict=True), strict=True)) for matrix in cells]
    direct, through = mask.flatten().tolist(), reach.flatten().tolist()
    assert list(drawn[0]["kind"]) == ["direct" if yes else "no" for yes in direct]
    assert list(drawn[1]["kind"]) == ["share" if yes else "no" for yes in direct]
    shown = torch.tensor(drawn[1]["opacity"], dtype=torch.float32) * mask.flatten()
    torch.testing.assert_close(shown, weights.flatten().float(), atol=1e-4, rtol=0)
    kinds = ["direct" if a else "through" if b else "no" for a, b in zip(direct, through, strict=True)]
    assert list(drawn[2]["kind"]) == kinds

    words = frame.locator(".words button")
    row = [kind if kind != "no" else "unseen" for kind in kinds[at * size : (at + 1) * size]]
    classes = frame.evaluate(
        "() => [...document.querySelectorAll('.words button')].map((one) => one.className)"
    )
    padding = ["" if j < size - seen["padding"] else " padding" for j in range(size)]
    assert classes == [kind + extra for kind, extra in zip(row, padding, strict=True)]
    shares = [text.splitlines()[-1] for text in words.all_inner_texts()]
    for j, share in enumerate(shares):
        assert (
            (float(share) == pytest.approx(weights[at, j].item(), abs=0.0051))
            if mask[at, j]
            else share == "–"
        )
    turns = [text.strip() for text in frame.locator(".words b").all_text_contents()]
    if seen["kind"] == "XLNet":
        assert [int(turn[:-2]) for turn in turns] == [seen["order"].index(j) + 1 for j in range(size)]
    else:
        assert turns == [""] * size
    said = frame.locator(".note").inner_text()
    if mask[at].any():
        assert f"position {at} “" in said and f"sees {mask[at].sum()} of {size} tokens directly" in said
        assert (f", {reach[at].sum()} through {seen['layers']} layers" in said) == (seen["layers"] > 1)
    else:
        assert "sees nothing: all its weights are zero" in said
    # A row that sees nothing says so, in each matrix.
    empty = int((~mask.any(dim=1)).sum())
    for name, text in (("mask", "sees nothing"), ("weights", "all zero"), ("reach", "sees nothing")):
        notes = frame.locator(f".{name} .nothing").all_text_contents()
        assert len(notes) == empty and set(notes) <= {text, "∅"}
    return seen


def choose(frame, kind: str) -> None:
    frame.locator(".kinds").get_by_role("button", name=kind, exact=True).click()


def slide(frame, name: str, value: int) -> None:
    frame.get_by_label(name, exact=True).fill(str(value))


def test_it_starts_as_told(play):
    seen = assert_right(play)
    assert (seen["kind"], seen["position"], seen["layers"], seen["order"]) == ("GPT", T - 1, 2, ORDER)
    assert play.locator(".words span").all_inner_texts() == TOKENS
    assert play.locator(".kinds button").all_inner_texts() == list(KINDS)
    assert play.locator(".kinds [aria-pressed=true]").all_inner_texts() == ["GPT"]


@pytest.mark.slow
def test_every_prefix_width_and_padding_gives_the_librarys_mask(play):
    layers, at = cycle([1, 3, 2, 6, 4, 5]), cycle([6, 0, 3, 5])
    knobs = {
        "BERT": [None],
        "GPT": [None],
        "UniLM": [("Prefix", step) for step in range(T + 1)],
        "banded": [("Width", step) for step in range(1, T + 1)],
    }
    for kind, steps in knobs.items():
        choose(play, kind)
        for knob in steps:
            if knob:
                slide(play, *knob)
            for padding in range(T + 1):
                slide(play, "Padding", padding)
                slide(play, "Layers", next(layers))
                play.locator(".words button").nth(next(at)).click()
                seen = assert_right(play)
                assert (seen["kind"], seen["padding"]) == (kind, padding)
                assert knob is None or seen[knob[0].lower()] == knob[1]


@pytest.mark.slow
def test_every_order_and_both_streams_are_the_librarys(play):
    choose(play, "XLNet")
    orders = []
    for n in range(ORDERS):
        slide(play, "Padding", n % 3)
        slide(play, "Layers", 1 + n % 6)
        for _ in range(2):
            play.locator("input[type=checkbox]").click()
            seen = assert_right(play)
        orders.append(tuple(seen["order"]))
        play.get_by_role("button", name="Shuffle").click()
    assert orders[0] == tuple(ORDER) and len(set(orders)) > ORDERS // 2
    assert assert_right(play)["order"] == ORDER  # all the way round


def test_a_token_is_moved_in_the_order_by_keyboard(play):
    choose(play, "XLNet")
    play.locator(".words button").nth(1).click()  # its turn is the fourth
    play.get_by_role("button", name="Earlier turn").focus()
    for turn in (2, 1, 0, 0):  # the first stays the first
        play.page.keyboard.press("Enter")
        assert assert_right(play)["order"].index(1) == turn
        focused = play.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == "Earlier turn"
    assert seen_of(play)["order"] == [1, 3, 0, 6, 5, 2, 4]
    play.page.keyboard.press("Tab")
    for turn in (1, 2, 3, 4, 5, 6, 6):
        play.page.keyboard.press("Space")
        assert assert_right(play)["order"].index(1) == turn
    play.get_by_role("button", name="Reset").click()
    seen = assert_right(play)
    assert (seen["kind"], seen["order"]) == ("GPT", ORDER)


def seen_of(frame) -> dict:
    found = frame.evaluate("({ ...document.querySelector('.view').dataset })")
    return {name: json.loads(value) for name, value in found.items()}


def test_a_position_is_chosen_by_mouse_and_keyboard(play):
    play.locator(".words button").nth(2).click()
    assert assert_right(play)["position"] == 2
    for key, at in (("ArrowRight", 3), ("ArrowLeft", 2), ("ArrowUp", 1), ("ArrowDown", 2), ("Home", 0)):
        play.page.keyboard.press(key)
        assert assert_right(play)["position"] == at
    play.page.keyboard.press("ArrowLeft")  # there is none before
    play.page.keyboard.press("End")
    assert assert_right(play)["position"] == T - 1
    focused = "[...document.querySelectorAll('.words button')].indexOf(document.activeElement)"
    assert play.evaluate(focused) == T - 1
    for name in ("mask", "weights", "reach"):
        for i in (4, 1):
            play.locator(f".{name} .cell").nth(i * T + 2).click()
            assert assert_right(play)["position"] == i


def test_all_controls_are_reached_by_keyboard(play):
    reached = []
    for kind in ("UniLM", "XLNet", "banded"):
        play.locator(".kinds button").first.focus()
        for _ in range(KINDS.index(kind)):
            play.page.keyboard.press("Tab")
        play.page.keyboard.press("Enter")
        assert assert_right(play)["kind"] == kind
        for _ in range(4 - KINDS.index(kind) + 1):  # past the other kinds
            play.page.keyboard.press("Tab")
        reached.append([])
        while not play.evaluate("document.activeElement.closest('.words') !== null"):
            name = "one.ariaLabel ?? one.closest('label, button').innerText"
            reached[-1].append(
                play.evaluate(f"() => {{ const one = document.activeElement; return {name} }}").strip()
            )
            if reached[-1][-1] == "query stream":
                play.page.keyboard.press("Space")
                assert assert_right(play)["query"]
            elif reached[-1][-1] in ("Prefix", "Width", "Padding", "Layers"):
                before = seen_of(play)[reached[-1][-1].lower()]
                play.page.keyboard.press("ArrowRight")
                assert assert_right(play)[reached[-1][-1].lower()] == before + 1
            play.page.keyboard.press("Tab")
        play.page.keyboard.press("ArrowLeft")
        assert assert_right(play)["position"] == T - 2
        play.page.keyboard.press("ArrowRight")
    assert reached == [
        ["Prefix", "Padding", "Layers", "Reset"],
        ["Shuffle", "Earlier turn", "Later turn", "query stream", "Padding", "Layers", "Reset"],
        ["Width", "Padding", "Layers", "Reset"],
    ]


def test_a_row_with_nothing_allowed_says_so(play):
    choose(play, "XLNet")
    play.locator("input[type=checkbox]").check()
    play.locator(".words button").nth(ORDER[0]).click()
    seen = assert_right(play)
    assert not any(seen["mask"][ORDER[0]]) and seen["weights"][ORDER[0]] == [0] * T
    assert play.locator(".weights .nothing").all_text_contents() == ["all zero"]
    assert (
        "XLNet, 1st turn, query stream: position 3 “책을” sees nothing" in play.locator(".note").inner_text()
    )
    slide(play, "Padding", T)
    assert play.locator(".mask .nothing").count() == T
    assert_right(play)
    note = play.locator(".note").inner_text()
    assert "Nobody sees padding." in note and "It is padding itself." in note


def test_the_slide_by_hand(open_view):
    """Width 2: through L layers L back; the weights of two equal scores are one half each."""
    frame = open_view(mask_playground(["a", "b", "c", "d", "e"], kind="banded", width=2, layers=1), READY)
    for layers in (1, 2, 3, 4):
        slide(frame, "Layers", layers)
        row = seen_of(frame)["reach"][4]
        assert row == [j >= 4 - layers for j in range(5)]
    assert seen_of(frame)["weights"][4] == [0, 0, 0, 0.5, 0.5]


def test_screen_readers_hear_what_is_drawn(play):
    choose(play, "banded")
    slide(play, "Width", 2)
    play.locator(".words button").nth(4).click()
    seen = assert_right(play)
    labels = [one.get_attribute("aria-label") for one in play.locator(".words button").all()]
    assert labels[1] == "position 1, 어제: not seen"
    assert labels[2] == "position 2, 새: seen through other tokens"
    assert labels[3] == f"position 3, 책을: seen directly, weight {seen['weights'][4][3]:.2f}"
    said = "banded, width 2: position 4 “다” sees 2 of 7 tokens directly, 3 through 2 layers."
    assert said in play.locator("svg").get_attribute("aria-label")
    play.locator(".live[role=status]", has_text=said).wait_for(state="attached")
    choose(play, "XLNet")
    assert play.locator(".words button").nth(6).get_attribute("aria-label").endswith(", 3rd turn")


def test_kinds_are_told_apart_by_shape_too(play):
    choose(play, "banded")
    styles = play.evaluate("""() => [...document.querySelectorAll('.legend i')].map((one) => {
      const style = getComputedStyle(one);
      return [style.borderStyle, style.borderWidth, style.backgroundImage === "none"].join();
    })""")
    assert len(set(styles)) == 4
    fill = "getComputedStyle(document.querySelector('.reach .through')).fill"
    assert "#stripes" in play.evaluate(fill)


@pytest.mark.parametrize("start", [0, 13])
def test_every_kind_of_strange_token_is_shown_as_text(open_view, start):
    tokens = [
        *(
            "</script><img src=x onerror=alert(1)>",
            "<!--",
            "<script>",
            "</style>",
            "'\">",
            "<svg onload=alert(1)>",
        ),
        *(
            "&lt",
            "[PAD]",
            "${x}",
            "{{x}}",
            "]]>",
            "$x$",
            "`x`",
            "\\n",
            "%s",
            "javascript:alert(1)",
            "__proto__",
        ),
        *("W" * 10_000, "a\u202eb", "\u200b", "\ud800", "\u0301x", "\ue000", "👩\u200d🚀", "ㅎㅏㄴ", "", " "),
    ][start : start + 14]
    frame = open_view(mask_playground(tokens, title=tokens[0], kind="XLNet"), READY)
    shown = [visible(token) for token in tokens]
    assert frame.locator(".words span").all_text_contents() == shown
    assert frame.locator("h2").text_content() == shown[0]
    assert frame.locator("img, iframe").count() == 0 and frame.locator("svg").count() == 1
    for i in range(len(tokens)):
        frame.locator(".words button").nth(i).click()
        assert_right(frame, torch.zeros(len(tokens), len(tokens)))
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("n", [2, 7, 16])
def test_it_fits_every_width(open_view, n):
    tokens = [f"{word}{i}" for i, word in zip(range(n), cycle(["토큰을", "word", "longer-word"]))]
    scores = torch.zeros(n, n)
    frame = open_view(mask_playground(tokens, scores), READY)
    size = frame.page.viewport_size
    for width in (1000, 700, 480, 360):
        frame.page.set_viewport_size({"width": width, "height": 900})
        frame.wait_for_timeout(100)
        for kind in KINDS:
            choose(frame, kind)
            assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight"), (width, kind)
            assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, kind)
            assert_right(frame, scores)
            inside = """() => {
              const { right, bottom } = document.querySelector(".stage").getBoundingClientRect();
              const all = [...document.querySelectorAll("svg rect.looks, svg rect.cell")];
              return all.map((one) => one.getBoundingClientRect()).every((box) =>
                box.right <= right + 0.5 && box.bottom <= bottom + 0.5 && box.width >= 3);
            }"""
            assert frame.evaluate(inside), (width, kind)
    frame.page.set_viewport_size(size)


@pytest.mark.slow
def test_it_lives_in_jupyterlab_and_survives_reopening(root, server, browser):
    before = len(browser.errors), len(browser.outside)
    cell = f"""from course_lib.viz import mask_playground
mask_playground({TOKENS!r}, {SCORES.tolist()!r}, title="See and be seen")"""
    write_notebook(root / "masks.ipynb", [cell])
    notebook = browser.open(server, "masks.ipynb")
    notebook.run_all()
    notebook.save()
    notebook.close()
    notebook = browser.open(server, "masks.ipynb")
    notebook.settle()
    frame = notebook.frames("See and be seen")[0]
    choose(frame, "XLNet")
    frame.get_by_role("button", name="Shuffle").click()
    frame.locator(".words button").nth(2).click()
    frame.page.keyboard.press("ArrowRight")
    assert assert_right(frame)["position"] == 3
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
    assert (len(browser.errors), len(browser.outside)) == before


@pytest.mark.slow
def test_a_stranger_sees_the_picture(root, server, browser):
    assert_stranger_sees_picture(root, browser, "masks.ipynb", "See and be seen")


def test_it_lives_on_the_lessons_exported_page(browser, tmp_path):
    before = len(browser.errors), len(browser.outside)
    assert site(tmp_path / "site") == 0
    shown = browser.page()
    shown.goto((tmp_path / "site" / "07_gpt2_zero_shot.html").as_uri())
    frame = shown.query_selector("iframe[title*='GPT: position']").content_frame()
    frame.wait_for_selector(READY)
    scores = torch.tensor(frame.evaluate("scores"))
    for kind in KINDS:
        choose(frame, kind)
        assert_right(frame, scores)
    shown.close()
    assert (len(browser.errors), len(browser.outside)) == before
