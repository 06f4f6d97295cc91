"""The live plot: one picture, renewed at most so often, kept at the end, nothing outside a notebook."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.training.curves import Band
from course_lib.viz import live_plot
from course_lib.viz.live import curve_figure

MODEL = """
import torch
from torch import nn
from course_lib.training import Trainer
from course_lib.training.curves import Band
from course_lib.viz import live_plot

def trainer(*hooks):
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    def batches():
        while True:
            yield {"x": x, "y": x[:, 0].gt(0).long()}
    loss = lambda model, batch: nn.functional.cross_entropy(model(batch["x"]), batch["y"])
    return Trainer(nn.Linear(4, 2), loss, batches(), device="cpu", hooks=hooks,
                   evaluate=lambda model: {"validation_loss": 0.5, "accuracy": 0.9}, eval_every=10)
"""
STOP = """
def stop(t):
    if t.step == 12:
        raise KeyboardInterrupt
plot = live_plot(seconds=0)
t = trainer(plot, stop)
try:
    t.fit(30)
except KeyboardInterrupt:
    print("stopped at", t.step)
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Outputs of: a run, an interrupted one, the same going on, one that draws every step."""
    sources = [
        MODEL,
        "trainer(live_plot()).fit(40)",
        STOP,
        "t.hooks.remove(stop); t.fit(30)",
        "band = Band.from_curves([t.curve, t.curve]); trainer(live_plot(band, seconds=0)).fit(30);",
    ]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    path = tmp_path_factory.mktemp("live")
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path}}
    ).execute()
    nbformat.validate(notebook)
    return notebook.cells


def pictures(cell):
    return [out for out in cell.outputs if "image/png" in out.get("data", {})]


def test_a_run_leaves_one_picture_and_its_size(cells):
    for cell in cells[1:]:
        (picture,) = pictures(cell)
        assert len(picture.data["image/png"]) < 120_000
        assert 600 < picture.metadata["image/png"]["width"] < 1000
        assert not [out for out in cell.outputs if out.output_type in ("error", "stream")][1:]


def test_the_picture_says_where_training_stands_at_the_end(cells):
    (whole,), (stopped,), (more,) = (pictures(cell) for cell in cells[1:4])
    assert whole.data["text/plain"].startswith("<Learning curve: 40 steps, loss ")
    assert stopped.data["text/plain"].startswith("<Learning curve: Stopped after 12 of 30 steps, loss ")
    assert more.data["text/plain"].startswith("<Learning curve: 30 steps, loss ")
    assert "stopped at 12" in cells[2].outputs[-1].text


def test_in_a_terminal_nothing_is_drawn_and_ipython_is_not_needed():
    code = MODEL + (
        "import sys\n"
        "t = trainer(live_plot()).fit(15)\n"
        "assert t.step == 15 and 'IPython' not in sys.modules and 'matplotlib' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Clock:
    """A Trainer as the hook sees it, and a display that counts."""

    goal, tokens_per_second = 100, 1000.0

    def __init__(self):
        self.step, self.curve, self.workers = 0, [], self
        self.is_first = True


def test_pictures_are_at_least_so_far_apart_and_drawing_takes_a_tenth_at_most(monkeypatch):
    now, drawn = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr("course_lib.viz.live.in_notebook", lambda: True)
    plot, trainer = live_plot(seconds=0.5), Clock()
    cost = [0.01]

    def show(trainer, title):
        drawn.append(now[0])
        now[0] += cost[0]

    monkeypatch.setattr(plot, "_show", show)
    for _ in range(1000):  # a step a centisecond
        now[0] += 0.01
        plot(trainer)
    gaps = [b - a for a, b in itertools.pairwise(drawn)]
    assert 15 <= len(drawn) <= 21 and min(gaps) > 0.499  # 10 s, the first at once
    cost[0] = 0.4
    drawn.clear()
    for _ in range(1000):
        now[0] += 0.01
        plot(trainer)
    assert 0.4 * len(drawn) <= 0.15 * 10


def test_only_the_first_process_draws(monkeypatch):
    monkeypatch.setattr("course_lib.viz.live.in_notebook", lambda: True)
    plot, trainer = live_plot(), Clock()
    trainer.is_first = False
    trainer.curve = [{"step": 1, "loss": 1.0}]
    monkeypatch.setattr(plot, "_show", lambda *_: pytest.fail("drawn"))
    plot(trainer)
    plot.stopped(trainer)


def test_the_figure_names_axes_units_and_hostile_metrics_as_they_are():
    curve = [{"step": i + 1, "loss": 3.0 - i / 50, "tokens": i, "정확도 $x_": i / 100} for i in range(100)]
    band = Band.from_curves([curve, curve], seeds=[0, 1])
    figure = curve_figure(curve, band, goal=200, unit="nats a token")
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "loss (nats a token)")
    assert right.get_ylabel() == "정확도 $x_" and left.get_xlim() == (0, 200)
    assert [t.get_text() for t in left.get_legend().get_texts()] == [
        "2 runs of the recipe",
        "training, smoothed",
    ]
    figure.canvas.draw()  # mathematics in a name would raise here
    assert len(curve_figure([{"step": 1, "loss": 2.0}]).axes) == 1
    assert len(curve_figure([]).axes) == 1
