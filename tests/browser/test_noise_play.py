"""The noise playground in a real browser: hands on it, and the objectives beside it."""

from __future__ import annotations

import json

import pytest
import torch
from lab import assert_fits, assert_stranger_sees_picture, write_notebook

from course_lib.objectives import (
    document_rotation,
    mask_tokens,
    sentence_permutation,
    span_corruption,
    text_infilling,
    token_deletion,
    token_masking,
)
from course_lib.viz import noise_playground
from course_lib.viz.labels import visible
from course_lib.viz.noise_draws import DRAWS, MEANS, RATES, STOPS, generator_of, word_tokenizer, words_of

HOSTILE = "</script><img src=x onerror=alert(1)>"
TEXTS = [
    "I read. Then I played a game! Then I slept until 10.",
    "나는 사과를 좋아한다.",
    f"{HOSTILE} is text",
]
WORDS = [words_of(text) for text in TEXTS]
TOKENIZER = word_tokenizer(WORDS)
SENTINELS = [f"<{i}>" for i in range(40)]
SEED = 5


@pytest.fixture
def play(open_view):
    return open_view(noise_playground(TEXTS, seed=SEED), ".view[data-rows]")


def expected(text: int, draw: int, rate: float, mean: int) -> list[tuple[list[str], list[str], int]]:
    """(what is read, what is written, how much of that is not read) of each row, by the library."""
    words, names = WORDS[text], list(TOKENIZER.vocab)

    def chances() -> torch.Generator:
        return generator_of(SEED, draw)

    ids = torch.tensor([TOKENIZER.vocab[word] for word in words])
    inputs, labels = mask_tokens(ids, TOKENIZER, rate=rate, generator=chances())
    read, write = span_corruption(words, SENTINELS, rate, mean, generator=chances())
    places = list(range(len(words)))
    rows = [
        ([names[i] for i in inputs], [names[i] for i in labels if i >= 0], int((inputs != ids).sum())),
        (words, words[1:], len(words) - 1),
    ]
    for noise in (
        lambda row, mask: token_masking(row, mask, rate, generator=chances()),
        lambda row, mask: token_deletion(row, rate, generator=chances()),
        lambda row, mask: text_infilling(row, mask, rate, float(mean), generator=chances()),
        lambda row, _: sentence_permutation(
            row, [*STOPS, *(i for i in places if words[i] in STOPS)], generator=chances()
        ),
        lambda row, _: document_rotation(row, generator=chances()),
    ):
        unseen = set(places) - set(noise(places, -1))
        rows.append((noise(words, "[MASK]"), words, len(unseen)))
    return [*rows, (read, write, sum(word not in SENTINELS for word in write))]


def assert_right(frame) -> dict:
    """All that is shown is what the objectives make of the text, for the draw and the sliders it says."""
    found = frame.evaluate("({ ...document.querySelector('.view').dataset })")
    seen = {name: json.loads(value) for name, value in found.items()}
    rate, mean = RATES[seen["rate"]], MEANS[seen["mean"]]
    rows = expected(seen["text"], seen["draw"], rate, mean)
    assert [(row["read"], row["write"], row["unseen"]) for row in seen["rows"]] == rows
    assert frame.locator("output").all_inner_texts() == [f"{round(100 * rate)} %", f"{mean}"]
    # What is drawn: the tokens without the small numbers, and the costs.
    drawn = frame.evaluate("""() => [...document.querySelectorAll("li")].map((row) =>
      [...row.querySelectorAll(".tokens")].map((side) =>
        [...side.querySelectorAll(".token:not(.gone):not(.blank)")].map((token) =>
          [...token.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(""))))""")
    assert drawn == [[read, write] for read, write, _ in rows]
    for row, (_, write, unseen) in zip(frame.locator(".head > span").all_inner_texts(), rows, strict=True):
        assert row.endswith(f": {len(write)} to write, {unseen} to find")
    bars = frame.evaluate("""() => [...document.querySelectorAll(".bar")].map((bar) =>
      [...bar.querySelectorAll("i")].map((part) =>
        part.getBoundingClientRect().width / bar.getBoundingClientRect().width))""")
    longest = max(len(write) for _, write, _ in rows)
    for bar, (_, write, unseen) in zip(bars, rows, strict=True):
        assert bar[0] == pytest.approx(unseen / longest, abs=1 / 255)
        assert sum(bar) == pytest.approx(len(write) / longest, abs=1 / 255)
    return seen


def slide(frame, name: str, value: int) -> None:
    frame.get_by_label(name).fill(str(value))


def test_it_starts_with_the_first_text_at_the_given_settings(play):
    seen = assert_right(play)
    assert (seen["text"], seen["draw"], RATES[seen["rate"]], MEANS[seen["mean"]]) == (0, 0, 0.3, 3)
    assert play.locator("li h3").all_inner_texts() == [
        "MLM",
        "Causal LM",
        "Token masking",
        "Token deletion",
        "Text infilling",
        "Sentence permutation",
        "Document rotation",
        "Span corruption",
    ]


def test_every_step_of_the_sliders_and_every_draw_is_the_librarys(play):
    for step in range(len(RATES)):
        slide(play, "Rate", step)
        assert assert_right(play)["rate"] == step
    for step in range(len(MEANS)):
        slide(play, "Mean span", step)
        assert assert_right(play)["mean"] == step
    for draw in range(1, DRAWS + 1):
        play.get_by_role("button", name="Again").click()
        assert assert_right(play)["draw"] == draw % DRAWS
    play.get_by_role("button", name="Reset").click()
    assert RATES[assert_right(play)["rate"]] == 0.3


def test_texts_are_chosen_and_hangul_stays_whole(play):
    play.get_by_label("Text", exact=True).select_option("1")
    assert assert_right(play)["text"] == 1
    assert play.locator(".words button").all_inner_texts() == ["나는", "사과를", "좋아한다", "."]


def test_kinds_are_told_apart_by_shape_too(play):
    slide(play, "Rate", 11)
    kinds = set()
    for _ in range(DRAWS):
        play.get_by_role("button", name="Again").click()
        kinds |= set(
            play.evaluate(
                "() => [...document.querySelectorAll('li .token')].flatMap((token) => [...token.classList])"
            )
        )
    assert kinds >= {*("mask", "insert", "gone", "swap", "stays", "moved", "sentinel", "found", "copied")}
    styles = play.evaluate("""() => [...document.querySelectorAll('.legend .token')].map((token) => {
      const style = getComputedStyle(token);
      return ["borderStyle", "borderRadius", "textDecorationLine", "textDecorationStyle", "backgroundImage",
              "fontWeight"].map((name) => style[name]).join();
    })""")
    assert len(styles) == len(set(styles)) == 9


def test_hiding_the_marks_leaves_what_the_model_gets(play):
    play.locator("input[type=checkbox]").uncheck()
    seen = json.loads(play.locator(".view").get_attribute("data-rows"))
    for row, read in zip(play.locator("li").all(), (row["read"] for row in seen), strict=True):
        assert [text for text in row.locator(".read .token").all_inner_texts()] == read
    assert play.locator("li .gone").count() == 0


def test_a_token_is_followed_by_mouse_and_keyboard(play):
    play.locator(".words button").nth(4).click()
    assert assert_right(play)["word"] == 4
    for row in play.locator("li").all():  # it stands, or is hidden, in every row
        assert row.locator(".on").count() >= 1
    note = play.locator(".note").inner_text()
    assert note.startswith("“I” — MLM: ") and note.count(" · ") == 7
    play.locator(".live", has_text=note).wait_for(state="attached")
    for key, word in (("ArrowRight", 5), ("ArrowLeft", 4), ("Home", 0), ("ArrowLeft", 0), ("End", 14)):
        play.page.keyboard.press(key)
        assert assert_right(play)["word"] == word
        assert (
            play.evaluate("[...document.querySelectorAll('.words button')].indexOf(document.activeElement)")
            == word
        )
    play.page.keyboard.press("Escape")
    assert assert_right(play)["word"] is None and play.locator("li .on").count() == 0


def test_all_controls_are_reached_by_keyboard(play):
    play.get_by_role("button", name="Again").focus()
    play.page.keyboard.press("Enter")
    assert assert_right(play)["draw"] == 1
    play.page.keyboard.press("Tab")
    play.page.keyboard.press("ArrowLeft")
    assert RATES[assert_right(play)["rate"]] == 0.25
    play.page.keyboard.press("Tab")
    play.page.keyboard.press("ArrowRight")
    assert MEANS[assert_right(play)["mean"]] == 4
    play.page.keyboard.press("Tab")
    play.page.keyboard.press("Space")
    assert not play.locator("input[type=checkbox]").is_checked()


def test_screen_readers_hear_what_is_drawn(play):
    rows = json.loads(play.locator(".view").get_attribute("data-rows"))
    said = play.locator(".read").nth(1).get_attribute("aria-label")
    assert said == "decoder reads: " + " ".join(rows[1]["read"])
    said = play.locator(".read").nth(3).get_attribute("aria-label")
    assert said.startswith("encoder reads: ") and said.count("(left out)") == rows[3]["unseen"]
    said = play.locator(".write").nth(2).get_attribute("aria-label")
    assert said.startswith("decoder writes: ") and said.count("(to find)") == rows[2]["unseen"]
    play.locator(".live", has_text="draw 1 of 12, rate 30 %, mean span 3. To write: MLM ").wait_for(
        state="attached"
    )


def test_hostile_tokens_are_text(play):
    play.get_by_label("Text", exact=True).select_option("2")
    assert_right(play)
    assert play.locator("img").count() == 0
    assert " ".join(play.locator(".words button").all_inner_texts()) == TEXTS[2]


def test_every_kind_of_strange_word_is_shown_as_text(open_view):
    text = (
        "<!--<script> </style> '\"><svg onload=alert(1)> &lt [CLS] [MASK] <0> ${x} {{x}} ]]> $x$ `x` \\n %s "
        f"javascript:alert(1) constructor __proto__ {'W' * 10_000} a\u202eb \u200b \ud800 \u0301x \ue000 "
        "👩\u200d🚀 ㅎㅏㄴ"
    )
    words = words_of(text)
    assert len(words) == 26
    frame = open_view(noise_playground(text, rate=0.6), ".view[data-rows]")
    shown = [visible(word) for word in words]
    for _ in range(3):
        assert frame.locator(".words button").all_text_contents() == shown
        assert frame.locator("li").nth(1).locator(".read .token").all_text_contents() == shown
        assert frame.locator("img, svg").count() == 0
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        frame.get_by_role("button", name="Again").click()


def test_it_fits_every_width(play):
    assert_fits(play, assert_right)


@pytest.mark.slow
def test_it_lives_in_jupyterlab_and_survives_reopening(root, server, browser):
    before = len(browser.errors), len(browser.outside)
    cell = f"""from course_lib.viz import noise_playground
noise_playground({TEXTS!r}, seed={SEED}, title="Make noise")"""
    write_notebook(root / "noise.ipynb", [cell])
    notebook = browser.open(server, "noise.ipynb")
    notebook.run_all()
    notebook.save()
    notebook.close()
    notebook = browser.open(server, "noise.ipynb")
    notebook.settle()
    frame = notebook.frames("Make noise")[0]
    frame.get_by_role("button", name="Again").click()
    slide(frame, "Rate", 3)
    assert assert_right(frame)["draw"] == 1
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")  # no scroll bar
    notebook.close()
    assert (len(browser.errors), len(browser.outside)) == before


@pytest.mark.slow
def test_a_stranger_sees_the_picture(root, server, browser):
    assert_stranger_sees_picture(root, browser, "noise.ipynb", "Make noise")
