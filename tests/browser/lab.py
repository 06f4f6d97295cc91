"""A real JupyterLab in headless Chromium, for tests and for looking at lessons.

    with Server(root) as server, Browser() as browser:
        notebook = browser.open(server, "lesson.ipynb")
        notebook.run_all()

Only loopback is allowed; other requests are refused and noted in `browser.outside`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

CHROMIUM_PLACES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "/usr/bin/chromium",
    "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
# --no-sandbox: containers and CI run as root, where Chromium's own sandbox cannot start.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-color-profile=srgb",
)
WIDGET = "window.jupyterapp.shell.currentWidget"


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome, `$CHROMIUM` first; None where there is none."""
    return next(
        (
            found
            for place in (os.environ.get("CHROMIUM", ""), *CHROMIUM_PLACES)
            if (found := shutil.which(place))
        ),
        None,
    )


def is_outside(url: str) -> bool:
    """Whether a request to `url` would leave this machine."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in (
        "127.0.0.1",
        "localhost",
        "::1",
    )


class Server:
    """JupyterLab on a free loopback port, with settings, trust store and workspaces of its own.

    Every cell is rendered at once (windowing off), so that screenshots and look-ups see the whole notebook.
    """

    def __init__(self, root: str | os.PathLike, dark: bool = False):
        self.root = Path(root).resolve()
        self.home = Path(tempfile.mkdtemp(prefix="course-lab-"))
        self.token = secrets.token_hex(16)
        self._settings("notebook-extension/tracker", {"windowingMode": "none"})
        self._settings("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})
        self._settings(
            "apputils-extension/themes", {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}
        )
        self._settings("docmanager-extension/plugin", {"autosave": False})
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        env = os.environ | {name: str(self.home / folder) for name, folder in folders.items()}
        env |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUTF8": "1"}
        self.log = self.home / "log.txt"
        options = [
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",  # gives window.jupyterapp: commands without clicking
            "--LabApp.extension_manager=readonly",
            "--ContentsManager.allow_hidden=True",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *options],
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.url = self._address()

    def _settings(self, plugin: str, values: dict) -> None:
        path = self.home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")

    def _address(self, seconds: float = 90) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            for info in self.home.glob("runtime/jpserver-*.json"):
                try:
                    return json.loads(info.read_text(encoding="utf-8"))["url"]
                except (OSError, ValueError):  # caught in the middle of being written
                    pass
            time.sleep(0.1)
        log = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        self.close()
        raise RuntimeError(f"JupyterLab did not start within {seconds:.0f} s. Its log ends:\n{log}")

    def close(self) -> None:
        """End the server and with it its kernels, and remove its folders."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Browser:
    """Headless Chromium; `outside` and `errors` gather what no lesson may cause.

    Args:
        width, height: size of the window in CSS pixels.
        dark: what the *system* prefers, apart from JupyterLab's own theme.
        scale: device pixels per CSS pixel.
    """

    def __init__(self, width: int = 1200, height: int = 1000, dark: bool = False, scale: float = 1):
        from playwright.sync_api import sync_playwright

        executable = find_chromium()
        if executable is None:
            raise RuntimeError("no Chromium found: install chromium or Chrome, or set CHROMIUM to its path")
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.home = Path(tempfile.mkdtemp(prefix="course-browser-"))
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(
            executable_path=executable, args=list(CHROMIUM_FLAGS), env=os.environ | self._fonts()
        )
        self.context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            device_scale_factor=scale,
            locale="en-US",
        )
        self.context.route(is_outside, self._refuse)

    def _fonts(self) -> dict[str, str]:
        """On a bare Linux no font has Hangul: lend Chromium the one the figures use."""
        spec = find_spec("koreanize_matplotlib")
        if not sys.platform.startswith("linux") or spec is None:
            return {}
        fonts = self.home / "fonts"
        fonts.mkdir()
        for font in Path(spec.origin).parent.glob("fonts/*.ttf"):
            shutil.copy(font, fonts)
        return {"XDG_DATA_HOME": str(self.home)}

    def _refuse(self, route) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def page(self):
        """A blank page whose errors and dialogs are noted."""
        page = self.context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console", lambda message: self.errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: self.errors.append(f"{error}\n{error.stack or ''}"[:3000]))
        page.on(
            "websocket", lambda socket: self.outside.append(socket.url) if is_outside(socket.url) else None
        )
        page.on("dialog", self._dialog)
        return page

    def _dialog(self, dialog) -> None:
        self.dialogs.append(f"{dialog.type}: {dialog.message}")
        dialog.accept() if dialog.type == "beforeunload" else dialog.dismiss()

    def open(self, server: Server, notebook: str) -> Notebook:
        """Open a notebook (path relative to the server's root) and wait until its kernel is idle."""
        page = self.page()
        page.goto(f"{server.url}lab/tree/{quote(notebook)}?reset&token={server.token}")
        return Notebook(page, notebook)

    def close(self) -> None:
        self.browser.close()
        self.playwright.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Notebook:
    """One notebook open in JupyterLab."""

    def __init__(self, page, path: str):
        self.page, self.path = page, path
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
        self._wait_for_kernel()
        page.evaluate(f"async () => {{ await {WIDGET}.context.ready; await {WIDGET}.revealed }}")

    def _wait_for_kernel(self, seconds: float = 90) -> None:
        """A notebook whose kernel is not installed asks which to use: take the default."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.page.evaluate(f"{WIDGET}?.sessionContext?.session?.kernel?.status") == "idle":
                return
            accept = self.page.query_selector(".jp-Dialog button.jp-mod-accept")
            if accept:
                accept.click()
            time.sleep(0.1)
        raise TimeoutError(f"the kernel of {self.path} was not idle after {seconds:.0f} s")

    def run_all(self, seconds: float = 600) -> None:
        """Run every cell; raises with the first error output, or when `seconds` have passed."""
        self.page.evaluate("""() => {
            window.runEnded = false;
            const run = window.jupyterapp.commands.execute('notebook:run-all-cells');
            run.finally(() => { window.runEnded = true });
        }""")
        self.page.wait_for_function("window.runEnded", timeout=seconds * 1000, polling=200)
        self.settle()
        failed = self.failures()
        if failed:
            raise AssertionError(f"{self.path}: " + "; ".join(failed))

    def failures(self) -> list[str]:
        """Error outputs, as "cell 3: ValueError: …"."""
        return self.page.evaluate(f"""() => {WIDGET}.model.toJSON().cells.flatMap((cell, i) =>
            (cell.outputs || []).filter(o => o.output_type === 'error')
                .map(o => `cell ${{i}}: ${{o.ename}}: ${{o.evalue}}`))""")

    def settle(self, seconds: float = 60) -> None:
        """Wait until pictures and frames have loaded and two frames were painted."""
        self.page.wait_for_function(
            "[...document.querySelectorAll('.jp-Notebook img')].every(image => image.complete)",
            timeout=seconds * 1000,
        )
        for frame in self.page.frames[1:]:
            if not frame.is_detached():
                frame.wait_for_load_state("load")
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        self.page.wait_for_timeout(300)

    def frames(self, title: str = "") -> list:
        """The views' frames whose iframe has a title that contains `title`, in the order of the notebook."""
        elements = self.page.query_selector_all(".jp-Notebook iframe")
        return [e.content_frame() for e in elements if title in (e.get_attribute("title") or "")]

    def restart(self) -> None:
        self.page.evaluate(f"async () => await {WIDGET}.sessionContext.session.kernel.restart()")
        self._wait_for_kernel()

    def save(self) -> None:
        self.page.evaluate("async () => await window.jupyterapp.commands.execute('docmanager:save')")

    def close(self, shutdown: bool = True) -> None:
        """Leave the page, and end the kernel unless told not to."""
        if shutdown:
            self.page.evaluate(f"async () => await {WIDGET}.sessionContext.shutdown()")
        self.page.close()

    @property
    def trusted(self) -> bool:
        """Whether JupyterLab trusts every code cell of the notebook."""
        return self.page.evaluate(
            f"() => [...{WIDGET}.content.model.cells].filter(c => c.type === 'code').every(c => c.trusted)"
        )

    def only_notebook(self) -> None:
        """Hide everything around the notebook: side bars, menu, tool bars, prompts' margins stay."""
        self.page.evaluate("""async () => {
            const { commands, shell } = window.jupyterapp;
            shell.mode = 'single-document'; shell.collapseLeft(); shell.collapseRight();
            const around = "#jp-top-panel, #jp-menu-panel, #jp-bottom-panel, .jp-SideBar, .jp-Toolbar";
            document.querySelectorAll(around).forEach(node => { node.style.display = 'none' });
            window.dispatchEvent(new Event('resize'));
        }""")
        self.page.wait_for_timeout(300)

    def screenshots(self, prefix: str, slice_height: int = 1800) -> list[str]:
        """The whole notebook as pictures `prefix-01.png`, …, each at most `slice_height` CSS pixels high."""
        self.only_notebook()
        self.page.set_viewport_size({"width": self.page.viewport_size["width"], "height": slice_height})
        self.page.wait_for_timeout(300)
        self.settle()
        panel = self.page.query_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer")
        # The panel pads its end, so that the last cell can be scrolled to the top: stop at the last cell.
        total = panel.evaluate("""outer => {
            const cells = outer.querySelectorAll('.jp-Cell'), last = cells[cells.length - 1];
            const top = outer.getBoundingClientRect().top - outer.scrollTop;
            return last.getBoundingClientRect().bottom - top + 16;
        }""")
        view = panel.evaluate("outer => outer.clientHeight")
        box = panel.bounding_box()
        pictures, top = [], 0
        while top < total:
            panel.evaluate("(outer, top) => { outer.scrollTop = top }", top)
            self.page.wait_for_timeout(250)
            reached = panel.evaluate("outer => outer.scrollTop")
            height = min(view, total - top)
            clip = {"x": box["x"], "y": box["y"] + top - reached, "width": box["width"], "height": height}
            path = f"{prefix}-{len(pictures) + 1:02d}.png"
            self.page.screenshot(path=path, clip=clip)
            pictures.append(path)
            top += view
        return pictures


def assert_fits(frame, assert_right=lambda frame: None, widths=(1000, 700, 480, 360)) -> None:
    """A view of one page has no scroll bar at any width of the window, and passes `assert_right` there."""
    page = frame.page
    size = page.viewport_size
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        frame.wait_for_timeout(100)
        for side, limit in (("scrollHeight", "innerHeight"), ("scrollWidth", "innerWidth")):
            found = frame.evaluate(f"[document.documentElement.{side}, {limit}]")
            assert found[0] <= found[1], (width, side, found)
        assert_right(frame)
    page.set_viewport_size(size)


def assert_stranger_sees_picture(root, browser, notebook: str, title: str, width: int = 800) -> None:
    """Where a notebook is not trusted, a picture of `width` pixels at least stands for the view `title`."""
    with Server(root) as stranger:  # its trust store has never seen this notebook
        opened = browser.open(stranger, notebook)
        opened.settle()
        assert not opened.trusted and opened.frames() == []
        picture = opened.page.locator(f".jp-OutputArea img[alt*='{title}']")
        assert picture.is_visible() and picture.evaluate("image => image.naturalWidth") > width
        opened.close()


def write_notebook(path: str | os.PathLike, cells: list[str], markdown: dict[int, str] | None = None) -> None:
    """A notebook of code cells; `markdown` maps positions to cells of text."""
    markdown = markdown or {}
    made = [
        {"cell_type": "markdown", "id": f"c{i}", "metadata": {}, "source": source}
        if i in markdown
        else {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    Path(path).write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")


def outputs_in_sight(page) -> list[str]:
    """The texts of what stands below the cells and takes up room."""
    return page.evaluate("""() => [...document.querySelectorAll('.jp-OutputArea-child')]
        .filter(one => one.offsetHeight).map(one => one.innerText)""")


def enlarge_head(frame, n: int) -> int:
    """Click picture n of bertviz's model view until its tokens show; how many texts that added.

    While the page settles, a click can come too early.
    """
    texts = frame.locator("svg text")
    before = texts.count()
    for _ in range(40):
        frame.locator("svg rect").nth(n).click(force=True)
        frame.page.wait_for_timeout(100)
        if texts.count() != before:
            break
    return texts.count() - before


def wait_for_views(page) -> None:
    """Until the script of every frame of the page has made something."""
    made = "() => document.body?.innerText.trim().length || document.querySelectorAll('svg *, canvas').length"
    for handle in page.query_selector_all("iframe"):
        handle.content_frame().wait_for_function(made)
