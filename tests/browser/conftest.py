"""One JupyterLab and one Chromium for all browser tests."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from lab import Browser, Server, find_chromium


def pytest_collection_modifyitems(items):
    missing = [name for name in ("playwright", "jupyterlab") if find_spec(name) is None]
    if find_chromium() is None:
        missing.append("Chromium (install chromium or Chrome, or set CHROMIUM to its path)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """The folder that JupyterLab serves."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="session")
def server(root):
    with Server(root) as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture
def open_view(browser):
    """Puts a view into a page of its own and gives its frame; whatever a test does, its pages stay clean."""
    noted = browser.errors, browser.outside, browser.dialogs
    before = [len(notes) for notes in noted]
    pages = []

    def opened(view, ready):
        """`ready`: a selector of what the script makes last."""
        page = browser.page()
        pages.append(page)
        page.set_content(f"<body>{view.html}")
        frame = page.frames[1]
        frame.wait_for_selector(ready)
        return frame

    yield opened
    for page in pages:
        page.close()
    assert [notes[n:] for notes, n in zip(noted, before)] == [[], [], []]
