"""Thirty strings that a page could take for more than text, in every view and export, in a real browser."""

from __future__ import annotations

import re
from base64 import b64encode

import nbformat
import pytest
from anywidget import AnyWidget
from hostile import HOSTILE, TOKENS
from hostile_views import FIGURES, VIEWS, html_of, typed
from lab import enlarge_head, wait_for_views

from course_lib import site as site_module
from course_lib.lessons import LESSONS
from course_lib.viz.frame import png
from course_lib.viz.labels import visible
from course_lib.viz.noise_draws import words_of

PRESSED = 80  # buttons of a view: what is chosen is told in words
pytestmark = [pytest.mark.filterwarnings("ignore:Glyph"), pytest.mark.slow]
# All that the views' own scripts make.
OWN = set(
    re.findall(
        r"\w+",
        """html head meta title style body div section h2 h3 p ul ol li dl dt dd span b i em s u sup small
        pre code br button label input output select option textarea table caption thead tbody tr th td canvas
        script details summary svg g line path rect circle polygon polyline text tspan defs marker pattern""",
    )
)
READ = """() => {
  const texts = [document.body.textContent], tags = new Set(), odd = [];
  for (const node of document.querySelectorAll("*")) {
    tags.add(node.tagName.toLowerCase());
    for (const { name, value } of node.attributes) {
      texts.push(value);
      if (/^(on.*|href|src|srcdoc|action|formaction|data)$/.test(name)) odd.push(`${name}=${value}`);
    }
    if ("value" in node && typeof node.value === "string") texts.push(node.value);
  }
  return { texts, tags: [...tags], odd, wide: document.documentElement.scrollWidth - innerWidth };
}"""


NEVER = "\ud83d\udc00\u202e\u2067\u200b\u00ad\x00\u3164"  # Shown by name, or left out


@pytest.fixture(scope="module")
def views():
    return {name: make(TOKENS) for name, make in VIEWS.items() if name != "explore_live"}


def labels(name):
    """What a view shows of the thirty tokens."""
    for kind, token in HOSTILE.items():
        if name == "tokenizer_playground" and not typed([token]):
            continue
        for word in words_of(token) if name == "noise_playground" else [token]:
            label = visible(word.strip() if name == "translate_playground" else word)
            if name in ("head_view", "model_view", "neuron_view"):
                label = label if len(label) <= 14 else label[:13] + "…"
            yield kind, label


def looked_at(frame, name):
    """What a frame holds, for every choice in its lists; an explorer says what the arrow keys reach."""
    found = [frame.evaluate(READ)]
    if name == "explore":
        lines = frame.locator("canvas[aria-label*='as lines']")
        lines.scroll_into_view_if_needed()  # out of sight, nothing is drawn
        for n, token in enumerate(TOKENS):
            lines.press("ArrowDown" if n else "ArrowUp")
            frame.locator(".readout b", has_text=visible(token)).wait_for()
            found.append(frame.evaluate(READ))
    found += frame.evaluate(f"""() => Array.from({{ length: {PRESSED} }}, (_, i) => {{
      document.querySelectorAll("button")[i]?.click();
      return {{ ...({READ})(), texts: [] }};
    }})""")
    if name == "model_view":  # the tokens stand beside a head that is enlarged
        assert enlarge_head(frame, 2)
        found.append(frame.evaluate(READ))
    for choice in frame.locator("select").all():
        for value in choice.locator("option").evaluate_all("options => options.map((one) => one.value)")[1:]:
            choice.select_option(value)
            found.append(frame.evaluate(READ))
    return found


def assert_text_only(found, wide=True):
    for one in found:
        assert set(one["tags"]) <= OWN
        assert one["odd"] == []
        assert one["wide"] <= 0 or not wide


@pytest.fixture(scope="module")
def page(browser, views):
    """One page with every view."""
    page = browser.page()
    page.set_viewport_size({"width": 1000, "height": 900})
    noted = browser.errors, browser.outside, browser.dialogs
    before = [len(notes) for notes in noted]
    page.set_content("<body>" + "".join(html_of(one) for made in views.values() for one in made))
    wait_for_views(page)
    yield page
    page.close()
    assert [notes[n:] for notes, n in zip(noted, before)] == [[], [], []]


@pytest.fixture(scope="module")
def frames(page, views):
    """The frames of each view."""
    handles = iter(page.query_selector_all("iframe"))
    return {name: [next(handles).content_frame() for _ in made] for name, made in views.items()}


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "explore_live"])
def test_a_view_shows_every_token_as_text(frames, name):
    found = [one for frame in frames[name] for one in looked_at(frame, name)]
    # bertviz's drawings are as wide as they like: their frame scrolls.
    assert_text_only(found, wide=name not in ("model_view", "neuron_view"))
    seen = "\n".join(text for one in found for text in one["texts"])
    missing = {kind for kind, label in labels(name) if label not in seen}
    assert not missing


def test_what_the_tokenizer_playground_spells_is_what_python_spells(frames):
    texts = [
        *TOKENS,
        " ",
        "",
        "a  b",
        "\n\t",
        "한\u200d국",
        "❤\ufe0f",
        "\ufe0f\ufe0f",
        "🫨\u200d➡",
        "\u00a0",
        "ℹ\ufe0f",
    ]
    spelled = frames["tokenizer_playground"][0].evaluate("texts => texts.map(visible)", texts)
    assert spelled == [visible(text) for text in texts]


def test_the_live_explorer_shows_every_token_as_text(browser):
    """Its script with a stand-in for the kernel's end of the widget."""
    (widget,) = VIEWS["explore_live"](TOKENS)
    names = set(widget.trait_names(sync=True)) - set(AnyWidget.class_trait_names())
    state = {name: getattr(widget, name) for name in names}
    state |= {"message": visible(TOKENS[0]), "text": TOKENS[0], "weights": list(widget.weights)}
    page = browser.page()
    page.set_content(f"<style>{widget._css}</style><div id=place></div>")
    page.evaluate(
        """async ([script, state]) => {
          const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
          const { default: widget } = await import(address);
          state.weights = new DataView(Uint8Array.from(state.weights).buffer);
          const set = (name, value) => { state[name] = value; };
          const model = { get: (name) => state[name], set, on() {}, save_changes() {} };
          widget.render({ el: document.getElementById("place"), model });
        }""",
        [widget._esm, state],
    )
    page.wait_for_selector(".predictions td")
    found = looked_at(page.main_frame, "explore")
    page.close()
    assert_text_only(found)
    seen = "\n".join(text for one in found for text in one["texts"])
    assert all(visible(token) in seen for token in TOKENS)


# ---- exports --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def notebook(views):
    """A notebook as it was saved: every view, the figures, and the tokens as a program prints them."""
    printable = [
        token for token in TOKENS if token not in (HOSTILE["high surrogate"], HOSTILE["low surrogate"])
    ]
    made = {name: found[:1] for name, found in views.items()}
    shown = [{"text/html": html_of(one), "text/plain": repr(one)} for found in made.values() for one in found]
    for make in FIGURES.values():
        picture = b64encode(png(make(TOKENS)[0], dpi=40)).decode()
        shown.append({"image/png": picture, "text/plain": TOKENS[0]})
    outputs = [nbformat.v4.new_output("display_data", data) for data in shown]
    outputs.append(nbformat.v4.new_output("stream", name="stdout", text="\n".join(printable)))
    outputs.append(
        nbformat.v4.new_output("execute_result", {"text/plain": " ".join(printable)}, execution_count=1)
    )
    cells = [nbformat.v4.new_code_cell(f"# {n}", outputs=[one], id=f"c{n}") for n, one in enumerate(outputs)]
    return nbformat.v4.new_notebook(cells=cells)


def assert_page_shows(page, views, within="body"):
    """The views live in their frames, what was printed is text, nothing else is there."""
    frames = [handle.content_frame() for handle in page.query_selector_all("iframe")]
    assert len(frames) == len(views)
    for frame in frames:
        frame.wait_for_function(
            "document.body.innerText.trim().length > 0 || document.querySelector('canvas')"
        )
        assert_text_only([frame.evaluate(READ)], wide=False)
    text = page.evaluate("document.body.textContent")
    for kind in ("script end", "comment", "style end", "both quotes", "escaped twice", "markdown", "emoji"):
        assert HOSTILE[kind] in text, kind
    assert page.locator(f"{within} :is([onload], [onerror], [onmouseover], textarea)").count() == 0
    pictures = page.locator(f"{within} img").evaluate_all("all => all.map((one) => one.src.slice(0, 15))")
    assert set(pictures) == {"data:image/png;"}


def opened(browser, path):
    """A page from the disk, and what it asked for that is not there."""
    page = browser.page()
    before = [len(notes) for notes in (browser.errors, browser.outside, browser.dialogs)]
    page.goto(path.as_uri())
    wait_for_views(page)
    notes = (browser.errors, browser.outside, browser.dialogs)
    return page, lambda: [one[n:] for one, n in zip(notes, before)]


def test_the_static_site_shows_them_as_text(browser, notebook, views, tmp_path, monkeypatch):
    lesson = next(lesson for lesson in LESSONS if lesson.number == "01")
    root = tmp_path / "course"
    for folder in ("notebooks/images", "exercises"):
        (root / folder).mkdir(parents=True)
    nbformat.write(notebook, root / "notebooks" / f"{lesson.name}.ipynb")
    monkeypatch.setattr(site_module, "course_root", lambda: root)
    monkeypatch.setattr(site_module, "LESSONS", [lesson])
    assert site_module.site(tmp_path / "site") == 0
    page, noted = opened(browser, tmp_path / "site" / f"{lesson.name}.html")
    assert_page_shows(page, views)
    text = page.evaluate("document.body.textContent")
    assert "[U+202E]" in text and "\u202e" not in text
    page.close()
    assert noted() == [[], [], []]


def test_what_nbconvert_exports_shows_them_as_text(browser, notebook, views, tmp_path):
    """nbconvert's page itself asks for its libraries, such as MathJax: switched off, there is no network."""
    from nbconvert import HTMLExporter

    off = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")
    html, _ = HTMLExporter(template_name="lab", **off).from_notebook_node(notebook)
    path = tmp_path / "notebook.html"
    path.write_text(html, encoding="utf-8")
    page, noted = opened(browser, path)
    assert_page_shows(page, views)
    page.close()
    errors, outside, dialogs = noted()
    assert outside == [] and dialogs == []
    assert errors == []


def test_a_saved_notebook_shows_text_and_to_a_stranger_the_pictures(root, server, browser, notebook, views):
    before = [len(notes) for notes in (browser.errors, browser.outside, browser.dialogs)]
    nbformat.write(notebook, root / "hostile.ipynb")
    stranger = browser.open(server, "hostile.ipynb")
    stranger.settle()
    assert not stranger.trusted and stranger.frames() == []
    stills = stranger.page.locator(".jp-RenderedHTMLCommon img")
    shown = stills.evaluate_all("all => all.map((one) => one.alt)")
    assert shown == [made[0].summary for made in views.values()]
    stranger.close(shutdown=False)
    sign(server, root / "hostile.ipynb")
    friend = browser.open(server, "hostile.ipynb")
    friend.settle()
    assert friend.trusted
    assert_page_shows(friend.page, views, ".jp-Notebook")
    friend.close()
    after = (browser.errors, browser.outside, browser.dialogs)
    assert [notes[n:] for notes, n in zip(after, before)] == [[], [], []]


def sign(server, path):
    """As `jupyter trust` does, in the server's own store."""
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary(data_dir=str(server.home / "data"))
    notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()
