"""The sampler playground in a real browser: hands on it, and `course_lib.generation` beside it."""

from __future__ import annotations

import json

import pytest
import torch
from lab import assert_fits, assert_stranger_sees_picture, write_notebook

from course_lib.generation import filter_logits
from course_lib.models import GPT, GPTConfig
from course_lib.tokenization import train_bpe
from course_lib.viz import sampler_playground
from course_lib.viz.sampler_play import LISTED, TEMPERATURES, TOP_K, TOP_P

HOSTILE = "</script><img src=x onerror=alert(1)>"
BYTES = train_bpe(["the cat sat on the mat", "나는 사과를 좋아한다", *[HOSTILE] * 3], 320)
PROMPTS = ["the cat sat", "나는", HOSTILE]
MODEL = """torch.manual_seed(0)
model = GPT(GPTConfig(len(BYTES), 32, 1, 2, max_positions=64, dropout=0.0)).eval()
with torch.no_grad():
    model.embedding.token.weight.mul_(12)
"""
torch.manual_seed(0)
model = GPT(GPTConfig(len(BYTES), 32, 1, 2, max_positions=64, dropout=0.0)).eval()
with torch.no_grad():
    model.embedding.token.weight.mul_(12)
VIEW = sampler_playground(model, BYTES, PROMPTS, seed=7)


@pytest.fixture
def play(open_view):
    return open_view(VIEW, ".view[data-kept]")


def uniforms(seed: int, n: int) -> list[float]:
    """mulberry32 (Tommy Ettinger's generator of 32 bits), written from its definition."""
    a, found = seed & 0xFFFFFFFF, []
    for _ in range(n):
        a = (a + 0x6D2B79F5) & 0xFFFFFFFF
        t = (a ^ a >> 15) * (a | 1) & 0xFFFFFFFF
        t ^= t + ((t ^ t >> 7) * (t | 61) & 0xFFFFFFFF) & 0xFFFFFFFF
        found.append((t ^ t >> 14) / 2**32)
    return found


def assert_right(frame) -> dict:
    """What is shown is what the library's filter leaves, and what the darts hit."""
    found = frame.evaluate("({ ...document.querySelector('.view').dataset })")
    seen = {name: json.loads(value) for name, value in found.items()}
    ids = BYTES.encode(PROMPTS[seen["chosen"]])
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, seen["at"]].double()
    temperature, top_p = TEMPERATURES[seen["temperature"]], TOP_P[seen["top_p"]]
    top_k = TOP_K[seen["top_k"]] if seen["top_k"] < len(TOP_K) else None
    left = filter_logits(logits, temperature, top_k, top_p)
    shares, order = left.softmax(0).sort(descending=True, stable=True)
    kept = int(left.isfinite().sum())
    assert seen["kept"] == kept
    torch.testing.assert_close(
        torch.tensor(seen["shares"], dtype=torch.float64), shares[: min(kept, LISTED)], atol=1e-4, rtol=1e-3
    )
    mass = (logits / temperature).softmax(0)[order[:kept]].sum().item() if temperature else 1.0
    assert seen["mass"] == pytest.approx(mass, abs=1e-4)
    ends = shares.cumsum(0)
    for u, token in zip(uniforms(seen["seed"], seen["drawn"]), seen["draws"], strict=True):
        hit = int(torch.searchsorted(ends, u, right=True))
        near = (ends - u).abs().min() < 1e-4  # on the border the fifth decimal decides
        assert near or token == (hit if hit < LISTED else -1)
    rows = frame.locator("li:not(.head):not(.sum) span").all_text_contents()
    assert len(rows) == 10
    return seen


def slide(frame, name: str, value: int) -> None:
    frame.get_by_label(name, exact=True).fill(str(value))


def test_it_starts_with_everything_kept_after_the_last_token(play):
    seen = assert_right(play)
    assert (seen["kept"], seen["mass"], seen["drawn"]) == (len(BYTES), 1, 0)
    assert seen["at"] == len(BYTES.encode(PROMPTS[0])) - 1
    assert play.locator("output").all_inner_texts() == ["1.0", "all", "1.00"]


def test_every_step_of_every_slider_shows_what_the_filter_leaves(play):
    for name, key, steps in (
        ("Temperature", "temperature", 21),
        ("Top-k", "top_k", 17),
        ("Top-p", "top_p", 20),
    ):
        for value in range(0, steps, 3):
            slide(play, name, value)
            assert assert_right(play)[key] == value
        play.get_by_role("button", name="Reset").click()


def test_sliders_together_and_the_order_of_the_cuts(play):
    for temperature, top_k, top_p in ((14, 8, 10), (20, 16, 18), (7, 5, 15), (20, 16, 12), (0, 3, 4)):
        slide(play, "Temperature", temperature)
        slide(play, "Top-k", top_k)
        slide(play, "Top-p", top_p)
        assert_right(play)
    assert assert_right(play)["kept"] == 1  # temperature 0 is greedy


def test_the_same_seed_throws_the_same_darts(play):
    for _ in range(3):
        play.get_by_role("button", name="Draw", exact=True).click()
    play.get_by_role("button", name="Draw 100").click()
    first = assert_right(play)["draws"]
    assert len(first) == 103
    play.locator(".seed").fill("8")
    assert assert_right(play)["draws"] != first
    play.locator(".seed").fill("7")
    assert assert_right(play)["draws"] == first
    play.locator(".seed").fill("-3")
    assert assert_right(play)["seed"] == 7  # a seed that is none changes nothing
    slide(play, "Temperature", 4)
    assert assert_right(play)["drawn"] == 103
    assert play.locator("em").all_inner_texts()[-1] == "0"  # what is cut is never drawn
    play.get_by_role("button", name="Clear").click()
    assert assert_right(play)["draws"] == []


def test_prompt_and_place_are_chosen_by_mouse_or_keyboard(play):
    play.locator("select").select_option("1")
    assert assert_right(play)["chosen"] == 1
    play.locator(".words button").first.click()
    assert assert_right(play)["at"] == 0
    assert "follows" in play.locator(".note").inner_text()
    play.page.keyboard.press("ArrowRight")
    assert assert_right(play)["at"] == 1
    play.page.keyboard.press("Tab")  # from the words to the first slider
    for _ in range(20):
        if play.evaluate("document.activeElement.type") == "range":
            break
        play.page.keyboard.press("Tab")
    play.page.keyboard.press("ArrowLeft")
    assert assert_right(play)["temperature"] == 9


def test_hostile_tokens_are_text(play):
    play.locator("select").select_option("2")
    assert_right(play)
    assert play.locator("img").count() == 0
    assert "".join(play.locator(".words button").all_text_contents()) == HOSTILE.replace(" ", "␣")


def test_nothing_is_cut_off_at_any_width(play):
    assert_fits(play, assert_right, (1000, 620, 480))


@pytest.mark.slow
def test_it_lives_in_jupyterlab_and_its_picture_stands_in_when_untrusted(root, server, browser):
    cell = f"""import torch
from course_lib.models import GPT, GPTConfig
from course_lib.tokenization import train_bpe
from course_lib.viz import sampler_playground
BYTES = train_bpe(["the cat sat on the mat", "나는 사과를 좋아한다", *[{HOSTILE!r}] * 3], 320)
{MODEL}sampler_playground(model, BYTES, {PROMPTS!r}, seed=7, title="Throw darts")"""
    write_notebook(root / "sampler.ipynb", [cell])
    notebook = browser.open(server, "sampler.ipynb")
    notebook.run_all()
    frame = notebook.frames("Throw darts")[0]
    slide(frame, "Top-p", 12)
    frame.get_by_role("button", name="Draw 100").click()
    assert_right(frame)
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.save()
    notebook.close()
    assert_stranger_sees_picture(root, browser, "sampler.ipynb", "Throw darts", 500)
