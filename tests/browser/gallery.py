"""Pictures of every view, as the README shows them: living, in light and in dark.

    python tests/browser/gallery.py                  all
    python tests/browser/gallery.py --only explore   one
    python tests/browser/gallery.py --only explore --out /tmp/pictures

A view that a lesson shows is taken from the lesson's saved output, so build the lessons first. What no lesson
shows is made here, with the same models.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from lab import Browser, Server, write_notebook

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "notebooks" / "images" / "views"
WIDTH = 760  # of a view, in CSS pixels
LARGEST = 70_000  # bytes of a picture
SENTENCE = "Apple is something that I like to eat."


@dataclass(frozen=True)
class Shot:
    """A view and what is done to it before its picture is taken.

    Attributes:
        made: "lesson#cell" whose saved output is the view, or a function that makes it.
        ready: a selector of what the view's script draws last.
        act: takes the view's frame; gives it a look worth a picture.
        width: in CSS pixels; the picture of a wider view is made smaller.
    """

    made: str | Callable[[], str]
    ready: str = ":is(.view, .playground, .translate) *"
    act: Callable = lambda frame: None
    width: int = WIDTH


def saved(where: str) -> str:
    """The HTML that a lesson's cell has put out."""
    lesson, cell_id = where.split("#")
    notebook = nbformat.read(next((ROOT / "notebooks").glob(f"{lesson}_*.ipynb")), as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    (html,) = (output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {}))
    return html


def neuron(frame) -> None:
    """Opens the third token's query: bertviz draws a plus beside the token that the mouse is on."""
    frame.locator(".token:visible").nth(2).hover()
    frame.locator(".plus-sign:visible").nth(2).click(force=True)
    frame.locator(".token:visible").nth(2).hover()


def choose(label: str) -> Callable:
    """Choose in the view's first menu, by what the entry says."""
    return lambda frame: frame.locator("select").first.select_option(label=label)


def press(name: str, exact: bool = True) -> Callable:
    return lambda frame: frame.get_by_role("button", name=name, exact=exact).first.click()


def model_view() -> str:
    import torch

    from course_lib import viz
    from course_lib.pretrained import load_minilm

    model, tokenizer = load_minilm()
    encoded = tokenizer.encode("I like apples.")
    with torch.no_grad():
        attentions = model(torch.tensor([encoded.ids]), need_weights=True).attentions
    return viz.model_view(attentions, encoded.tokens, include_heads=list(range(8)), html_action="return").html


def neuron_view() -> str:
    from course_lib import viz
    from course_lib.pretrained import load_minilm

    model, tokenizer = load_minilm()
    return viz.neuron_view(model, "bert", tokenizer, SENTENCE, layer=0, head=2, html_action="return").html


LIVE = """
from course_lib.pretrained.trained import load_trained
from course_lib.viz import explore_live
explore_live(*load_trained("bert-docs"), "return the number of [MASK].", head=1)
"""

SHOTS = {
    "explore": Shot("01#real-explore-python", ".explorer canvas"),
    "head_view": Shot("01#real-head-view-fruit", "svg line"),
    "model_view": Shot(model_view, "svg line"),
    "neuron_view": Shot(neuron_view, "svg line", neuron, 1060),
    "attention_playground": Shot("01#softmax-play"),
    "temperature_playground": Shot("02#temperature-play"),
    "tokenizer_playground": Shot(
        "04#play-cell", act=lambda frame: frame.get_by_text("##놀", exact=True).hover()
    ),
    "fill_mask": Shot("05#fill-view", act=press("bat")),
    "sampler_playground": Shot("06#sample-play", act=press("Draw 100")),
    "mask_playground": Shot("07#masks-play", act=press("XLNet")),
    "prompt_playground": Shot("08#playground-prompt"),
    "noise_playground": Shot(
        "09#noise-playground", act=choose("파이토치 한국어 튜토리얼에 오신 것을 환영합니다!")
    ),
    "translate_playground": Shot(
        "09#translate-playground", act=choose("man factory worker medium-light skin tone")
    ),
}


def of_page(browser: Browser, shot: Shot, html: str, dark: bool) -> bytes:
    """The view's frame on a page that says, as JupyterLab does, whether its theme is dark."""
    page = browser.page()
    page.set_viewport_size({"width": shot.width, "height": 1400})
    ground = "#111111" if dark else "#ffffff"
    page.set_content(
        f'<body data-jp-theme-light="{str(not dark).lower()}" style="margin:0;background:{ground}">{html}'
    )
    frame = page.frames[1]
    frame.wait_for_selector(shot.ready, state="attached")
    shot.act(frame)
    frame.wait_for_timeout(1200)  # transitions have ended
    taken = page.locator("iframe").screenshot()
    page.close()
    return taken


def of_lab(browser: Browser, server: Server, name: str) -> bytes:
    """The live explorer, which needs a kernel."""
    notebook = browser.open(server, name)
    notebook.run_all()
    notebook.only_notebook()
    page = notebook.page
    page.set_viewport_size({"width": WIDTH + 120, "height": 1400})
    page.wait_for_selector(".explorer .live", timeout=30_000)
    page.wait_for_timeout(500)
    view = page.locator(".explorer").first
    page.set_viewport_size({"width": round(2 * WIDTH + 120 - view.bounding_box()["width"]), "height": 1400})
    page.wait_for_timeout(500)
    off = page.get_by_role("button", name="Switch head 0.1 off")
    off.click()
    page.wait_for_function("document.querySelector('.predictions th:last-child').textContent === '1 off'")
    page.mouse.move(1, 1)
    page.wait_for_timeout(800)
    taken = view.screenshot()
    notebook.close()
    return taken


def small(picture: bytes) -> bytes:
    """The same picture with as many colours as fit; the most frequent ones, its grounds, stay exact."""
    with Image.open(BytesIO(picture)) as image:
        image = image.convert("RGB")
        if image.width > WIDTH:
            image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
    found, where, times = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    found = found.astype(np.int32)
    for n in (256, 192, 128, 96, 64, 48, 32):
        palette = found[spread(found, times, n)]
        nearest = np.concatenate(
            [((part[:, None] - palette) ** 2).sum(-1).argmin(1) for part in np.array_split(found, 64)]
        )
        flat = Image.fromarray(nearest[where.reshape(pixels.shape[:2])].astype(np.uint8), "P")
        flat.putpalette(palette.astype(np.uint8).tobytes())
        out = BytesIO()
        flat.save(out, format="png", optimize=True)
        if out.tell() < LARGEST:
            return out.getvalue()
    raise ValueError(f"{out.tell():,} bytes with {n} colours; up to {LARGEST:,}: choose a smaller view")


def spread(found: np.ndarray, times: np.ndarray, n: int) -> np.ndarray:
    """Which `n` of the colours make the palette: frequent ones, each at some distance from those before."""
    chosen, far = [], np.full(len(found), 1e9)
    for _ in range(min(n, len(found))):
        best = int((np.sqrt(times) * far).argmax())
        chosen.append(best)
        far = np.minimum(far, ((found - found[best]) ** 2).sum(-1))
    return np.array(chosen)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*SHOTS, "explore_live"]
    parser.add_argument("--only", choices=names, action="append", help="can be given more than once")
    parser.add_argument("--out", type=Path, default=PICTURES)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = args.only or names
    made = {
        name: saved(shot.made) if isinstance(shot.made, str) else shot.made()
        for name, shot in SHOTS.items()
        if name in wanted
    }
    noted = []
    for dark in (False, True):
        with Browser(WIDTH, 1400, dark) as browser:
            taken = {name: of_page(browser, SHOTS[name], html, dark) for name, html in made.items()}
            if "explore_live" in wanted:
                with tempfile.TemporaryDirectory() as folder, Server(folder, dark) as server:
                    write_notebook(Path(folder, "live.ipynb"), [LIVE])
                    taken["explore_live"] = of_lab(browser, server, "live.ipynb")
            for name, picture in taken.items():
                path = args.out / f"{name}{'-dark' if dark else ''}.png"
                path.write_bytes(small(picture))
                print(f"{path.name:34} {path.stat().st_size / 1000:5.1f} kB")
            noted += [*browser.errors, *browser.outside]
    print(*noted, sep="\n", end="")
    return 1 if noted else 0


if __name__ == "__main__":
    raise SystemExit(main())
