"""The static site in a real browser, opened from the disk: every view lives, nothing is fetched."""

import pytest

from course_lib.lessons import LESSONS
from course_lib.site import site

THERE = [lesson for lesson in LESSONS if lesson.is_there()]
DRAWN = """() => {
  const canvas = document.querySelector("canvas");
  if (!canvas) return document.body.innerText.trim().length + document.querySelectorAll("svg *").length;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size - 1;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "site"
    assert site(folder) == 0
    return folder


@pytest.fixture
def page(browser):
    page = browser.context.new_page()
    page.troubles = []
    page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    before = len(browser.outside)
    yield page
    page.close()
    assert browser.outside[before:] == []


@pytest.mark.parametrize("lesson", THERE, ids=lambda lesson: lesson.name)
def test_every_view_of_a_page_draws_without_a_kernel(pages, page, lesson):
    page.goto((pages / f"{lesson.name}.html").as_uri())
    assert page.title() == f"{lesson.number} · {lesson.title}"
    frames = [handle.content_frame() for handle in page.query_selector_all("iframe")]
    for frame in frames:
        frame.wait_for_function(DRAWN, timeout=15_000)
    assert page.troubles == []
    assert not page.locator(".still").filter(visible=True).count()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_samplers_slider_answers_the_keyboard(pages, page):
    page.goto((pages / "06_gpt_causal_lm.html").as_uri())
    sampler = page.query_selector("iframe").content_frame()
    sampler.wait_for_function(DRAWN)
    slider = sampler.locator("input[type=range]").first
    before = sampler.locator("body").inner_text()
    slider.focus()
    for _ in range(8):
        slider.press("ArrowRight")
    assert sampler.locator("body").inner_text() != before


def test_math_takes_room_and_links_lead_to_the_next_page(pages, page):
    page.goto((pages / "01_attention.html").as_uri())
    boxes = [one.bounding_box() for one in page.locator("math[display=block]").all()]
    assert all(box["height"] > 15 and box["width"] > 60 for box in boxes)
    assert max(box["height"] for box in boxes) > 35  # a fraction stands on two lines
    page.locator("nav a[rel=next]").first.click()
    assert page.url.endswith("02_transfer_and_self_supervision.html")


def test_a_dark_browser_gets_a_dark_page(pages, page):
    page.emulate_media(color_scheme="dark")
    page.goto((pages / "01_attention.html").as_uri())
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{colour} !== {dark!r}")
    assert page.evaluate("document.body.dataset.jpThemeLight") == "true"
