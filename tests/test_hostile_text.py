"""Thirty strings that a page could take for more than text, in every view and every page that shows text."""

import re
import warnings
from functools import cache

import matplotlib
import pytest
from hostile import HOSTILE, TOKENS
from hostile_views import FIGURES, OWN_WORDS, VIEWS, Page, html_of, typed

import course_lib.viz
from course_lib.grading import check, progress
from course_lib.grading.catalog import UNITS
from course_lib.grading.classroom.judge import Grade
from course_lib.grading.classroom.report import Graded, write_pages
from course_lib.grading.classroom.submissions import Submission
from course_lib.grading.drawing import Drawing
from course_lib.grading.page import visible as spelled
from course_lib.grading.result import Finding, Named, Result
from course_lib.grading.runner import _page
from course_lib.viz import style
from course_lib.viz.labels import visible
from course_lib.viz.noise_draws import words_of

HARMLESS = tuple(f"word{i}" for i in range(len(TOKENS)))
# Half characters, what turns or hides text, what ends a line or rings a bell.
NEVER = re.compile(
    "[\ud800-\udfff\u202a-\u202e\u2066-\u2069\u200b\u200c\u200e\u200f\u2060\ufeff\x00\x07\x1b\u2028]"
)


@cache
def made(name, given=TOKENS):
    """The HTML of a view, and what a parser makes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = [html_of(one) for one in VIEWS[name](given)]
    return found, [Page(html) for html in found]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def test_no_view_is_left_out():
    helpers = {"prompt_table", "use_style"}
    same = {"prompt_playground"}  # prompt_view, after the scores are there
    assert {*VIEWS, *FIGURES, *OWN_WORDS} == set(course_lib.viz.__all__) - helpers - same


@pytest.mark.parametrize("name", VIEWS)
def test_no_element_and_no_attribute_comes_from_a_token(name):
    (_, hostile), (_, harmless) = made(name), made(name, HARMLESS)
    assert [page.tags for page in hostile] == [page.tags for page in harmless]


@pytest.mark.parametrize("name", VIEWS)
def test_every_token_is_in_the_view_as_people_can_read_it(name):
    told = [text for page in made(name)[1] for text in page.data]
    for token in TOKENS:
        words = words_of(token) if name == "noise_playground" else [token]
        for word in words:
            label = visible(word.strip() if name == "translate_playground" else word)
            if name in ("head_view", "model_view", "neuron_view"):
                label = label if len(label) <= 14 else label[:13] + "…"
            if name == "tokenizer_playground":  # which cuts and spells in the browser
                label = word
            assert label in told, label


@pytest.mark.parametrize("name", VIEWS)
def test_nothing_in_a_view_turns_the_text_or_hides(name):
    for html, page in zip(*made(name)):
        html.encode("utf-8")
        assert not NEVER.search(html)
        for text in [*page.text, *(() if name == "tokenizer_playground" else page.data)]:
            assert not NEVER.search(text), text


@pytest.mark.parametrize("name", VIEWS)
def test_ten_thousand_letters_do_not_make_a_view_large(name):
    for html, page in zip(*made(name)):
        assert len(html) < 250_000
        for text in [*page.text, *(() if name == "tokenizer_playground" else page.data)]:
            assert HOSTILE["long"][:300] not in text and len(text) < 1_500


@pytest.mark.parametrize("name", FIGURES)
def test_figures_show_every_token_as_it_is(name):
    shown = set()
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for figure in FIGURES[name](TOKENS):
            figure.canvas.draw()  # a formula that is none would raise
            texts = figure.findobj(matplotlib.text.Text)
            assert not any(NEVER.search(text.get_text()) for text in texts)
            assert not any("$" in text.get_text() and text.get_parse_math() for text in texts)
            shown |= {text.get_text() for text in texts}
            if name == "token_strips":
                boxes = [text.get_window_extent() for text in texts if text.get_text() and text.get_visible()]
                assert max(box.x1 for box in boxes) <= figure.bbox.width + 1
                assert min(box.x0 for box in boxes) >= -1
    for token in TOKENS:
        label = visible(token).replace("_", " ") if name == "live_plot" else visible(token)
        longest = {"heatmap": 18, "token_strips": 40, "live_plot": 32}[name]
        assert (label if len(label) <= longest else label[: longest - 1] + "…") in shown


def test_pictures_say_nothing_but_text_in_their_place():
    """What stands in for a view: the words of a picture, and a line of plain text."""
    for name in VIEWS:
        for page in made(name)[1]:
            (alt,) = [names for tag, names in page.tags if tag == "img"]
            assert alt == ("alt", "width", "src")


# ---- pages that show what a learner wrote -----------------------------------------------------------------


def tags(html):
    """Elements and attributes without those that a message's own marks make: `code` and *emphasis*."""
    return [one for one in Page(html).tags if one[0] not in ("code", "i")]


def feedback(token):
    """A result that says a token wherever learner text may come."""
    drawing = Drawing(f"`{token}`", [[0.0]], [[1.0]], [[True]])
    row = Finding(
        token, False, 0, 1, seen=token, idea=f"about {token}", experiment=f"try {token}", drawing=drawing
    )
    named = [Named("id", token, f"because {token}", f"see {token}")]
    output = f"{token}\nmore"
    return Result(
        "a.b", token, 1, f"Your code stopped: {token}", [row], named, output, "x.ipynb", token, token
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_feedback_shows_it_as_text(kind):
    token = HOSTILE[kind]
    result = feedback(token)
    html = result._repr_html_()
    html.encode("utf-8")
    assert tags(html) == tags(feedback("word")._repr_html_())
    assert not NEVER.search(html) and not NEVER.search(str(result))
    assert spelled(token).replace("`", "") in "".join(Page(html).text).replace("`", "")


def test_a_check_says_it_as_text():
    def answer(query, key, value, mask=None):
        print(*TOKENS, sep="\n")
        raise ValueError(" ".join(TOKENS))

    found = check("attention.scores", answer)
    assert "ValueError: </script><img src=x onerror=alert(1)>" in str(found) and not found.passed
    html = found._repr_html_()
    assert not NEVER.search(html) and not NEVER.search(str(found)) and len(html) < 60_000
    assert {tag for tag, _ in tags(html)}.isdisjoint({"img", "svg", "script", "iframe", "textarea", "title"})


def test_the_progress_panel_shows_it_as_text(tmp_path):
    pages = []
    for given in (typed(HARMLESS), typed(TOKENS)):
        (tmp_path / "progress.sqlite").unlink(missing_ok=True)
        for token in given[:3] * 2 + given:  # the first three are met most, and so shown
            progress.record(Result("attention.scores", misconceptions=[Named(token, "", "", "")]), 1.0)
        pages.append(progress.panel()._repr_html_())
    assert tags(pages[0]) == tags(pages[1])
    assert "<script>alert(1)</script>" in "".join(Page(pages[1]).text)
    assert not NEVER.search(pages[1]) and not NEVER.search(progress.report())


def test_reports_show_it_as_text(tmp_path):
    unit = UNITS[1]
    for given in (HARMLESS, TOKENS):
        folder = tmp_path / str(given is TOKENS)
        graded = []
        for n, token in enumerate(given):
            html = feedback(token)._repr_html_() if n % 2 else ""
            grades = [Grade(unit.exercises[0].id, "wrong", 0.0, 1.0, [token], token, html)]
            path = folder / f"{token[:60].replace('/', '-')}.ipynb".replace("\0", "0")
            graded.append(Graded(Submission(token, path, unit, notes=[token], trouble=token), grades))
        write_pages(folder, graded)
        rows = [
            {"id": "a.b", "title": token, "points": 1, "score": 0.0, "reason": token, "html": ""}
            for token in given
        ]
        (folder / "learner.html").write_text(_page([(unit, rows)]), encoding="utf-8")
    pages = [
        {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / one).iterdir()}
        for one in ("False", "True")
    ]
    assert [len(one) for one in pages] == [32, 32]
    for name in ("index.html", "learner.html"):
        assert tags(pages[0][name]) == tags(pages[1][name])
    assert sorted(map(str, (tags(html) for html in pages[0].values()))) == sorted(
        map(str, (tags(html) for html in pages[1].values()))
    )
    for html in pages[1].values():
        assert not NEVER.search(html)
