"""The README's gallery: every view is in it or in a lesson, every picture is there, in light and in dark."""

import ast
import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from course_lib import viz
from course_lib.paths import course_root

ROOT = course_root()
README = (ROOT / "README.md").read_text(encoding="utf-8")
VIEWS = "notebooks/images/views/"
PARTS = {"prompt_table", "prompt_view"}  # what prompt_playground is made of: its picture shows both


class Pictures(HTMLParser):
    """`pairs`: (source in dark, source in light, alternative text) of each <picture>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str, str]] = []
        self.dark = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "source" and given.get("media") == "(prefers-color-scheme: dark)":
            self.dark = given["srcset"]
        if tag == "img":
            self.pairs.append((self.dark, given["src"], given.get("alt", "")))

    def handle_endtag(self, tag):
        if tag == "picture":
            self.dark = None


PAIRS = Pictures(README).pairs
SHOWN = [light.removeprefix(VIEWS).removesuffix(".png") for _, light, _ in PAIRS]


def called_in_lessons() -> set[str]:
    """Names of all functions that a lesson's code calls."""
    names = set()
    for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "%" not in source[:1]:
                calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
                names |= {getattr(func, "id", getattr(func, "attr", "")) for func in calls}
    return names


def test_every_view_is_in_the_gallery_or_in_a_lesson():
    assert set(viz.__all__) - PARTS - set(SHOWN) - called_in_lessons() == set()
    assert set(SHOWN) <= set(viz.__all__) and len(SHOWN) == len(set(SHOWN)) > 0


@pytest.mark.parametrize("dark, light, text", PAIRS, ids=SHOWN)
def test_a_picture_is_small_described_and_has_its_dark_twin(dark, light, text):
    assert dark == light.replace(".png", "-dark.png") and len(text) > 20
    ground = {}
    for path in (light, dark):
        assert (ROOT / path).stat().st_size < 80_000
        with Image.open(ROOT / path) as image:
            assert 700 <= image.width <= 820
            pixels = image.convert("L").histogram()
            ground[path] = max(range(256), key=pixels.__getitem__)
            bright = sum(pixels[240:]) / sum(pixels)
            assert bright > 0.5 if path == light else bright < 0.01  # no white box in the dark
    assert ground[light] > 240 and ground[dark] < 50


def test_the_readme_names_pictures_that_are_there_and_all_of_the_gallery():
    named = set(re.findall(r"notebooks/images/[\w/-]+\.png", README))
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / VIEWS).glob("*.png")}
    assert there == {path for path in named if path.startswith(VIEWS)}
