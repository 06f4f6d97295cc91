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
