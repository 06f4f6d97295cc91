"""The learning curve, drawn while a model trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_lib.viz.labels import visible
from course_lib.viz.style import BLUE, COLORS, GREY, INK, MUTED, VERMILLION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from course_lib.training.curves import Band
    from course_lib.training.trainer import Trainer

SHARE = 0.1  # of the time may go into drawing


def live_plot(band: Band | None = None, *, seconds: float = 0.5, unit: str = "nats") -> LivePlot:
    """A hook that draws loss and metrics while a `Trainer` trains, and leaves one picture.

        Trainer(model, None, batches, hooks=(live_plot(),)).fit(1_000)

    In a notebook one picture is renewed in place; it stays when training is interrupted, and goes on in the
    cell that goes on. Anywhere else, a terminal for instance, nothing is drawn. A test with nbval sees the
    first picture alone. Tag the cell `varies`.

    Args:
        band: where the curves of this recipe lie, shown behind.
        seconds: at least so much between two pictures; more where drawing would take over a tenth
            of the time.
        unit: of the loss.
    """
    return LivePlot(band, seconds, unit)


class LivePlot:
    """What `live_plot` gives: called by the Trainer after each step, and told when it stops."""

    def __init__(self, band: Band | None, seconds: float, unit: str) -> None:
        self.band, self.seconds, self.unit = band, seconds, unit
        self._shown: Any = None
        self._next = 0.0

    def __call__(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now >= self._next and in_notebook() and trainer.workers.is_first:
            speed = f"{trainer.tokens_per_second:,.0f} tokens/s"
            self._show(trainer, f"Step {trainer.step:,} of {trainer.goal:,}, {speed}")
            took = time.monotonic() - now
            self._next = now + max(self.seconds, took / SHARE)

    def stopped(self, trainer: Trainer) -> None:
        """Draw the last picture: training has ended, or was interrupted."""
        if trainer.curve and in_notebook() and trainer.workers.is_first:
            from course_lib.training.curves import smooth

            loss = smooth(trainer.curve, [trainer.step])[0]
            steps = f"{trainer.step:,} steps"
            if trainer.step < trainer.goal:
                steps = f"Stopped after {trainer.step:,} of {trainer.goal:,} steps"
            self._show(trainer, f"{steps}, loss {loss:.2f}")
        self._shown, self._next = None, 0.0

    def _show(self, trainer: Trainer, title: str) -> None:
        from IPython.display import display

        picture = _Picture(curve_figure(trainer.curve, self.band, trainer.goal, title, self.unit), title)
        if self._shown is None:
            self._shown = display(picture, display_id=True)
        else:
            self._shown.update(picture)


class _Picture:
    """A figure that a notebook shows without pyplot, and so without a second copy at the end of the cell."""

    def __init__(self, figure: Figure, title: str) -> None:
        self.figure, self.title = figure, title

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        import warnings

        import matplotlib

        from course_lib.viz.style import notebook_png, rc

        with matplotlib.rc_context(rc()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            picture, size = notebook_png(self.figure)
        return {"image/png": picture, "text/plain": f"<Learning curve: {self.title}>"}, {"image/png": size}


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this, so that pictures can be shown."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def curve_figure(
    curve: Sequence[Mapping[str, float]],
    band: Band | None = None,
    goal: int | None = None,
    title: str = "",
    unit: str = "nats",
) -> Figure:
    """A learning curve: the losses on the left; on the right, where `evaluate` gives others, the metrics.

    Args:
        curve: as `Trainer.curve`.  band: shown behind.  goal: the last step to come.
    """
    import matplotlib
    from matplotlib.figure import Figure

    from course_lib.training.curves import column, smooth
    from course_lib.viz.style import rc

    known = ("step", "loss", "learning_rate", "gradient_norm", "tokens")
    names = [name for name in dict.fromkeys(key for row in curve for key in row) if name not in known]
    others = [name for name in names if "loss" not in name]
    with matplotlib.rc_context(rc()):
        figure = Figure(figsize=(8.6, 3.4) if others else (6.4, 3.4))
        left, *right = figure.subplots(1, 2 if others else 1, squeeze=False)[0]
        left.set_xlabel("step")
        left.set_ylabel(f"loss ({visible(unit)})", parse_math=False)
        if band is not None:
            _shade(left, band, "loss", f"{len(band.seeds) or 'other'} runs of the recipe")
        steps, losses = column(curve)
        left.plot(steps, losses, color=BLUE, alpha=0.3, linewidth=0.8)
        left.plot(steps, smooth(curve, steps), color=BLUE, label="training, smoothed")
        colors = iter([VERMILLION, *COLORS[2:]] * (1 + len(names)))
        for name in names:
            axes, color = (right[0], next(colors)) if name in others else (left, next(colors))
            if band is not None and name in band.columns:
                _shade(axes, band, name)
            label = visible(name).replace("_", " ")
            label = label if len(label) <= 32 else label[:31] + "…"
            axes.plot(*column(curve, name), "o-", color=color, markersize=4, label=label)
        if others:
            right[0].set(xlabel="step")
            right[0].set_ylabel(visible(others[0])[:32] if len(others) == 1 else "metrics", parse_math=False)
        for axes in (left, *right):
            axes.set_xlim(0, max(goal or 0, steps[-1] if len(steps) else 1))
            for text in axes.legend(labelcolor=INK).get_texts():
                text.set_parse_math(False)
        figure.suptitle(visible(title), x=0.01, ha="left", size=11, color=MUTED, parse_math=False)
    return figure


def _shade(axes: Any, band: Band, name: str, label: str | None = None) -> None:
    spread = band.columns[name]
    axes.fill_between(spread.steps, spread.low, spread.high, color=GREY, alpha=0.3, linewidth=0, label=label)
