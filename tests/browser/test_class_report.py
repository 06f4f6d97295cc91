"""Pages of feedback opened from the disk: no script, no request, and hostile text shows as text."""

import pytest

from course_lib.grading.catalog import UNITS
from course_lib.grading.classroom.judge import Grade
from course_lib.grading.classroom.report import Graded, write_pages
from course_lib.grading.classroom.submissions import Submission
from course_lib.grading.result import Finding, Result
from course_lib.grading.runner import _page

UNIT = next(unit for unit in UNITS if unit.number == "01")
SCRIPT = "<script>document.title='taken'</script><img src=http://192.0.2.9/x.png onerror=alert(1)>"
TURNED = "invoice\u202egnp.exe\u202c"
LONG = "z" * 5000


def result(exercise):
    """Feedback that carries everything a submission may say."""
    return Result(
        exercise.id,
        exercise.title,
        exercise.points,
        headline=f"Your code stopped: ValueError: {SCRIPT}",
        findings=[Finding("a case", False, 0.0, 1.0, seen=f"{TURNED} `{SCRIPT}` {LONG}")],
        output=f"{SCRIPT}\n{TURNED}\n{LONG}\x1b[31mred\x07",
        link="../notebooks/01_attention.ipynb#x",
        section="Attention",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    graded = []
    for name in ("김민준", SCRIPT.replace("/", "-"), f"{TURNED} & co", "x" * 200):
        grades = [
            Grade(
                exercise.id, "wrong", 0.0, exercise.points, [SCRIPT], f"{SCRIPT} {LONG}",
                result(exercise)._repr_html_(),
            )
            for exercise in UNIT.exercises
        ]  # fmt: skip
        graded.append(Graded(Submission(name, folder / f"{name[:60]}.ipynb", UNIT, notes=[SCRIPT]), grades))
    write_pages(folder, graded)
    row = result(UNIT.exercises[0])
    rows = [
        {
            "id": row.id,
            "title": row.title,
            "points": row.points,
            "score": 0.0,
            "reason": "",
            "html": row._repr_html_(),
        }
    ]
    rows.append({**rows[0], "html": "", "reason": f"{SCRIPT} {TURNED}"})
    (folder / "learner.html").write_text(_page([(UNIT, rows)]), encoding="utf-8")
    return folder


@pytest.fixture
def page(browser):
    page = browser.page()
    before = [len(notes) for notes in (browser.errors, browser.outside, browser.dialogs)]
    yield page
    page.close()
    after = (browser.errors, browser.outside, browser.dialogs)
    assert [notes[n:] for notes, n in zip(after, before)] == [[], [], []]


@pytest.mark.parametrize("width", [360, 1200])
def test_no_page_asks_for_anything_runs_anything_or_outgrows_the_window(folder, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    pages = sorted(folder.glob("*.html"))
    assert len(pages) == 6
    for one in pages:
        asked.clear()
        page.goto(one.as_uri())
        assert asked == [one.as_uri()]
        assert page.locator("script, img, iframe, object, form").count() == 0
        assert page.title() != "taken"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), one.name


def test_hostile_text_shows_as_text(folder, page):
    page.goto((folder / "index.html").as_uri())
    body = page.locator("body").inner_text()
    assert SCRIPT.replace("/", "-") in body and "invoice[U+202E]gnp.exe[U+202C] & co" in body
    page.get_by_role("link", name="김민준").click()
    page.get_by_text("What your code printed").first.click()
    body = page.locator("body").inner_text()
    assert SCRIPT in body and "[U+001B][31mred[U+0007]" in body and "\u202e" not in body


def test_the_pages_follow_the_browsers_theme_and_keep_their_contrast(folder, page):
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    page.goto((folder / "learner.html").as_uri())
    page.emulate_media(color_scheme="light")
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colours)
    assert brightness(light[0]) > 240 and brightness(light[1]) < 60
    assert brightness(dark[0]) < 40 and brightness(dark[1]) > 200


def brightness(colour):
    return max(int(part) for part in colour.strip("rgb()").split(",")[:3])
