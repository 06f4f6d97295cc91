"""The attention explorer: from the slider to the painted frame, the first paint, and what the output weighs.

6 layers x 12 heads: MiniLM, which reads Python's own documentation; and random weights, which pack worst.

    python benchmarks/explorer.py [--tokens 64 128 256] [--runs 20]

- Slider: a key pressed on it by the browser itself. "script" is what the page computes for that event.
  "frame" lasts from the event's own time stamp to the second animation frame after it: the first one comes
  before the new picture is painted, the second one after. Chromium without a limit on its frame rate gives
  the work alone; with its clock (16.7 ms a frame) much of the time is waiting for a tick, whatever the work.
  An event-timing entry would count the same in steps of 8 ms.
- First paint: from handing the HTML to the page to the frame's "first-contentful-paint".
"""

import argparse
import os
import platform
import sys
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab import CHROMIUM_FLAGS, find_chromium

from course_lib.pretrained import load_minilm
from course_lib.viz import explore
from course_lib.viz.attentions import run_model

FREE_FLAGS = ("--disable-frame-rate-limit", "--disable-gpu-vsync")
LAYERS, HEADS = 6, 12

SHOW = """html => new Promise(done => {
    const begin = performance.timeOrigin + performance.now();
    document.body.innerHTML = html;
    document.querySelector('iframe').addEventListener('load', () => done(begin));
})"""
FIRST_PAINT = """() => new Promise(done => new PerformanceObserver(list => list.getEntries().forEach(entry =>
    entry.name === 'first-contentful-paint' && done(performance.timeOrigin + entry.startTime)))
    .observe({ type: 'paint', buffered: true }))"""
WATCH = """() => {
    window.times = [];
    let begin;
    window.addEventListener('input', () => { begin = performance.now() }, true);
    window.addEventListener('input', event => {
        const script = performance.now() - begin;
        requestAnimationFrame(() => requestAnimationFrame(() =>
            times.push([script, performance.now() - event.timeStamp])));
    });
}"""


def views(n: int) -> dict[str, object]:
    """The explorer over n tokens, of a real text and of noise."""
    model, tokenizer = load_minilm()
    attentions, tokens = run_model(model, " ".join(topics.values())[:20_000], _Cut(tokenizer, n))
    noise = torch.randn(LAYERS, HEADS, n, n, generator=torch.Generator().manual_seed(0))
    return {"text": explore(attentions, tokens), "noise": explore((2 * noise).softmax(-1), tokens)}


class _Cut:
    """A tokenizer that stops after n tokens."""

    def __init__(self, tokenizer: object, n: int) -> None:
        self.tokenizer, self.n = tokenizer, n

    def encode(self, text: str) -> object:
        self.tokenizer.enable_truncation(self.n)
        try:
            return self.tokenizer.encode(text)
        finally:
            self.tokenizer.no_truncation()


def first_paint(browser: object, html: str, runs: int) -> float:
    """Median of milliseconds, each in a page of its own."""
    times = []
    for _ in range(runs):
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.set_content("<body>")
        begin = page.evaluate(SHOW, html)
        times.append(page.frames[1].evaluate(FIRST_PAINT) - begin)
        page.close()
    return median(times)


def slider(browser: object, html: str, runs: int) -> tuple[float, float]:
    """Medians of milliseconds: script, and event to painted frame."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.set_content(f"<body>{html}")
    frame = page.frames[1]
    frame.locator(".explorer").wait_for()
    frame.evaluate(WATCH)
    frame.get_by_label("Head", exact=True).focus()
    for i in range(runs + 2):
        page.keyboard.press("ArrowRight" if i % (2 * HEADS - 2) < HEADS - 1 else "ArrowLeft")
        frame.wait_for_function("n => times.length === n", arg=i + 1)
        page.wait_for_timeout(37)  # not in step with the frames
    times = frame.evaluate("times")[2:]
    page.close()
    return median(t[0] for t in times), median(t[1] for t in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        start = playwright.chromium.launch
        path = find_chromium()
        ticking = start(executable_path=path, args=list(CHROMIUM_FLAGS))
        free = start(executable_path=path, args=[*CHROMIUM_FLAGS, *FREE_FLAGS])
        print(
            f"{LAYERS} layers x {HEADS} heads, median of {args.runs}; Chromium {free.version}, {_machine()}"
        )
        print(
            "tokens  weights  output MB  first paint ms  slider: script ms  frame ms  frame ms with the clock"
        )
        for n in args.tokens:
            try:
                shown = views(n)
            except ValueError as error:
                print(f"{n:6}  {error}")
                continue
            for name, view in shown.items():
                paint = first_paint(free, view.html, max(5, args.runs // 2))
                script, frame = slider(free, view.html, args.runs)
                _, clocked = slider(ticking, view.html, args.runs)
                size = len(view.html.encode()) / 1e6
                times = f"{paint:14.0f}  {script:17.1f}  {frame:8.1f}  {clocked:23.1f}"
                print(f"{n:6}  {name:7}  {size:9.2f}  {times}")
        free.close()
        ticking.close()


def _machine() -> str:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{load}"


if __name__ == "__main__":
    main()
