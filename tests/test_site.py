"""The static site: every lesson a page that asks nobody for anything."""

import re
from html.parser import HTMLParser

import pytest

from course_lib import site as module
from course_lib.lessons import LESSONS
from course_lib.paths import course_root
from course_lib.site import site

THERE = [lesson for lesson in LESSONS if lesson.is_there()]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "site"
    assert site(folder) == 0
    return folder


class Reader(HTMLParser):
    """Links, ids and what would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.sources, self.math, self.alt = [], [], [], [], []
        self.inside = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []
        self.ids += [given["id"]] if "id" in given else []
        self.alt += [given.get("alt")] if tag == "img" else []
        self.inside += tag == "math"

    def handle_endtag(self, tag):
        self.inside -= tag == "math"

    def handle_data(self, data):
        self.math += [data] if self.inside else []


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def test_there_is_a_page_a_lesson_and_a_start(pages):
    assert {path.stem for path in pages.glob("*.html")} == {"index", *(lesson.name for lesson in THERE)}


@pytest.mark.parametrize("name", ["index", *(lesson.name for lesson in THERE)])
def test_a_page_fetches_nothing_from_elsewhere_and_its_links_lead_somewhere(pages, name):
    page = read(pages / f"{name}.html")
    for source in page.sources:
        assert source.startswith("data:") or (pages / source).is_file(), source[:80]
    text = (pages / f"{name}.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", text)
    for link in page.links:
        target, _, anchor = link.partition("#")
        if re.match(r"https?:|mailto:", link):
            continue
        path = pages / target if target else pages / f"{name}.html"
        assert path.is_file(), link
        if anchor and path.suffix == ".html":
            assert anchor in read(path).ids, link


@pytest.mark.parametrize("lesson", THERE, ids=lambda lesson: lesson.name)
def test_formulas_are_drawn_and_no_command_of_latex_is_left(pages, lesson):
    page = read(pages / f"{lesson.name}.html")
    source = (course_root() / "notebooks" / f"{lesson.name}.ipynb").read_text(encoding="utf-8")
    assert bool(page.math) == ("$" in "".join(re.findall(r'"markdown".*?(?="code"|$)', source, re.S)))
    assert not [text for text in page.math if "\\" in text]


def test_outputs_are_escaped_or_what_the_notebook_holds():
    from nbformat.v4 import new_output

    hostile = "</pre><script>alert(1)</script>"
    for output in (
        new_output("stream", text=hostile),
        new_output("display_data", data={"text/plain": hostile}),
        new_output("error", ename=hostile, evalue=hostile, traceback=[]),
        new_output("display_data", data={"image/png": "", "text/plain": f'"{hostile}'}),
    ):
        shown = module._output(output, None)
        assert "<script>" not in shown and '""' not in shown


def test_a_folder_with_other_files_is_left_alone_and_an_old_site_is_written_anew(pages, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert site(tmp_path) == 1
    assert "choose a new" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    (pages / "stale.html").touch()
    assert site(pages) == 0
    assert not (pages / "stale.html").exists()
