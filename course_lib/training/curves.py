"""Learning curves: smoothing, and the band in which the curves of a recipe lie.

A recipe that is trained with five seeds gives five curves. Their band, kept as a small JSON file, is what a
learner's own curve is held against: see `course_lib.training.diagnosis`.

    band = Band.from_curves([trainer.curve for trainer in five_trainers], recipe="bert-town", seeds=range(5))
    band.save("band.json")
    Trainer(...).fit(1_500).diagnose(Band.load("band.json"))
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SPACING = 1.2  # each chosen step is so many times the one before
WINDOW = 0.2  # a smoothed value is the mean over this last share of the steps so far

Curve = Sequence[Mapping[str, float]]


def column(curve: Curve, name: str = "loss") -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of the rows that have `name`, as `Trainer.curve` holds them."""
    rows = [(row["step"], row[name]) for row in curve if row.get(name) is not None]
    steps, values = np.array(rows, dtype=float).reshape(-1, 2).T
    return steps, values


def smooth(curve: Curve, steps: Iterable[float], name: str = "loss") -> np.ndarray:
    """The column's mean over the last fifth of the steps up to each of `steps`; NaN before its first row.

    The window grows with the step: a curve falls fast at first, and what was early says little later.
    """
    at, values = column(curve, name)
    total = np.concatenate([[0.0], np.cumsum(values)])
    wanted = np.asarray(list(steps), dtype=float)
    stop = np.searchsorted(at, wanted, side="right")
    start = np.minimum(np.searchsorted(at, (1 - WINDOW) * wanted, side="right"), np.maximum(stop - 1, 0))
    with np.errstate(invalid="ignore"):
        return np.where(stop > 0, (total[stop] - total[start]) / np.maximum(stop - start, 1), math.nan)


def chosen_steps(last: int) -> list[int]:
    """1, 2, 3, 4, 5, 6, 8, … and `last`: dense where a curve is steep."""
    count = 1 + math.ceil(math.log(max(last, 1)) / math.log(SPACING))
    return sorted({min(last, math.ceil(SPACING**i)) for i in range(count + 1)})


@dataclass(frozen=True)
class Spread:
    """One column of several curves: at each of `steps`, the lowest, the mean and the highest of them."""

    steps: list[int]
    low: list[float]
    mean: list[float]
    high: list[float]

    def at(self, step: float) -> tuple[float, float, float]:
        """Low, mean and high at `step`, on straight lines between the steps there are."""
        low, mean, high = (float(np.interp(step, self.steps, v)) for v in (self.low, self.mean, self.high))
        return low, mean, high


@dataclass(frozen=True)
class Band:
    """Where the curves of a recipe lie.

    recipe: its name.  seeds: of the runs.
    columns: {name: its `Spread`}. The loss, the gradient's norm and the learning rate are smoothed, at chosen
        steps; what `evaluate` gave is as it was, at the steps at which it was called.
    """

    recipe: str
    seeds: list[int]
    columns: dict[str, Spread] = field(repr=False)

    @property
    def steps(self) -> int:
        """How far the band goes."""
        return self.columns["loss"].steps[-1]

    @classmethod
    def from_curves(cls, curves: Sequence[Curve], recipe: str = "", seeds: Iterable[int] = ()) -> Band:
        """The band of runs that differ in their seed alone.

        Raises:
            ValueError: fewer than two curves, or curves of different length.
        """
        ends = {curve[-1]["step"] if curve else 0 for curve in curves}
        if len(curves) < 2 or len(ends) > 1 or 0 in ends:
            raise ValueError(
                f"{len(curves)} curves that end at steps {sorted(ends)}: give at least two, of runs of the "
                "same length, such as those of five seeds"
            )
        last = int(ends.pop())
        columns = {}
        for name in dict.fromkeys(key for row in curves[0] for key in row):
            if name in ("step", "tokens"):
                continue
            if name in ("loss", "gradient_norm", "learning_rate"):
                steps = chosen_steps(last)
                values = np.array([smooth(curve, steps, name) for curve in curves])
            else:
                at = [column(curve, name) for curve in curves]
                steps = sorted(set.intersection(*(set(where.astype(int).tolist()) for where, _ in at)))
                values = np.array([np.interp(steps, *one) for one in at])
            if len(steps):
                low, mean, high = (
                    np.round(v, 5).tolist() for v in (values.min(0), values.mean(0), values.max(0))
                )
                columns[name] = Spread(list(steps), low, mean, high)
        return cls(recipe, [int(seed) for seed in seeds], columns)

    def save(self, path: str | Path) -> Path:
        """Write it as JSON."""
        path = Path(path)
        text = json.dumps({"band": 1, **asdict(self)}, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Band:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: nothing is there.  ValueError: the file is no band.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            record: dict[str, Any] = json.loads(text)
            columns = {name: Spread(**one) for name, one in record["columns"].items()}
            sizes = {
                (len(one.steps) > 0, *({len(v) for v in asdict(one).values()})) for one in columns.values()
            }
            if record["band"] != 1 or "loss" not in columns or any(len(size) != 2 for size in sizes):
                raise ValueError(f"version {record['band']}, columns {', '.join(columns)}")
            return cls(record["recipe"], record["seeds"], columns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} is no band of learning curves ({error}): make it with Band.save"
            ) from None
