"""Is my curve normal? Six answers, each from numbers that it names.

What each verdict is told by:

not learning            the loss never moved, or came down to guessing (how often each token comes) and stays
                        there, whatever the model is given to read
learning rate too high  the loss climbed far above what it had reached and stayed there; or it lies above the
                        band, at several times the recipe's learning rate
too slow                the loss falls, but lies above the band
labels shifted          the labels lie at the wrong offset to what the model reads, seen in a batch; or the
                        loss lies so far below the band that the answer must be in the input
overfitting             the validation loss has risen from its lowest while the training loss went on falling
normal                  none of these

Without a band, "too slow" cannot be told. From the curve alone, of all misplaced labels only those that let
the model copy are told: labels shifted twice make an ordinary curve that is merely higher, and a masked model
whose labels are off by one trains as well as a sound one. `Trainer.diagnose` looks at a batch, which tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from course_lib.training.curves import Band, Curve, column, smooth
from course_lib.training.probe import Probe

SHORTEST = 20  # rows: fewer say nothing
VERDICTS = (
    "normal",
    "too slow",
    "learning rate too high",
    "not learning",
    "labels shifted",
    "overfitting",
)


@dataclass(frozen=True)
class Diagnosis:
    """What a curve says: `verdict`, one of `VERDICTS`; `why`, with numbers; `try_next`; what is `unsure`."""

    verdict: str
    why: str
    try_next: str
    unsure: str = ""

    def __repr__(self) -> str:
        return "\n".join(f"{label}: {text}" if label else text for label, text in self._lines())

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "", f"{self.verdict[0].upper()}{self.verdict[1:]}. {self.why}"
        if self.try_next:
            yield "Try next", self.try_next
        if self.unsure:
            yield "Not told", self.unsure

    def _repr_html_(self) -> str:
        color = "#009E73" if self.verdict == "normal" else "#D55E00"  # Okabe and Ito's (2008)
        head = f"<strong>{escape(self.verdict[0].upper() + self.verdict[1:])}</strong>"
        rest = [("", self.why), *list(self._lines())[1:]]
        texts = "".join(f"<div>{_labelled(label)}{escape(text)}</div>" for label, text in rest)
        return (
            f'<div style="max-width:52rem;padding:.4rem .9rem;border-left:4px solid {color};line-height:1.5">'
            f"{head}{texts}</div>"
        )


def _labelled(label: str) -> str:
    return f"<em>{label}</em> " if label else ""


def diagnose(curve: Curve, band: Band | None = None, probe: Probe | None = None) -> Diagnosis:
    """Say whether a learning curve is normal.

    Args:
        curve: rows with "step" and "loss" and, where there are, "learning_rate" and what `evaluate` gave,
            such as "validation_loss": `Trainer.curve`.
        band: where the curves of this recipe lie. The verdict is on the last step that both have.
        probe: what a batch showed; `Trainer.diagnose` makes one.

    Raises:
        ValueError: fewer than 20 rows with a loss.
    """
    steps, losses = column(curve)
    if len(losses) < SHORTEST:
        raise ValueError(f"a curve of {len(losses)} steps: train for at least {SHORTEST} before asking")
    seen = _Seen(curve, band, probe or Probe())
    if not np.isfinite(losses).all():
        where = int(steps[~np.isfinite(losses)][0])
        return _too_high(seen, f"The loss is no number any more at step {where}.")
    for judge in (_labels, _overfitting, _unstable, _unmoved, _against_band, _guessing):
        found = judge(seen)
        if found:
            return found
    return _normal(seen)


class _Seen:
    """The numbers that the verdicts are made of."""

    def __init__(self, curve: Curve, band: Band | None, probe: Probe) -> None:
        self.curve, self.band, self.probe = curve, band, probe
        self.steps, self.losses = column(curve)
        self.last = float(min(self.steps[-1], band.steps) if band else self.steps[-1])
        self.start = float(self.losses[: 1 + len(self.losses) // 100].mean())
        self.now = self.loss_at(self.last)
        # from row to row the loss jumps by more than it falls: the median jump is that of the noise
        self.noise = 1.05 * float(np.median(np.abs(np.diff(self.losses[len(self.losses) // 2 :]))))

    def loss_at(self, step: float) -> float:
        """Smoothed."""
        return float(smooth(self.curve, [step])[0])

    def above(self, step: float) -> float:
        """How far the loss lies above the band, in widths of what is usual; 0 at its upper edge."""
        low, mean, high = self.band.columns["loss"].at(step)
        rows = max(1, int(((self.steps > 0.8 * step) & (self.steps <= step)).sum()))
        fall = self.band.columns["loss"].mean[0] - mean
        width = 1.5 * (high - low) + 0.03 * abs(fall) + 3 * self.noise / rows**0.5
        return (self.loss_at(step) - high) / max(width, 1e-9)

    def place(self) -> str:
        """Where the loss stands, against the band where there is one."""
        text = f"Loss {self.now:.2f} at step {self.last:.0f}, from {self.start:.2f}"
        if self.band is None:
            return text + "."
        low, _, high = self.band.columns["loss"].at(self.last)
        return (
            f"{text}; the recipe's {len(self.band.seeds) or 'other'} runs have {low:.2f} to {high:.2f} there."
        )

    def rate(self) -> float | None:
        """The learning rate in units of the recipe's, where both are known."""
        steps, rates = column(self.curve, "learning_rate")
        if self.band is None or "learning_rate" not in self.band.columns or not len(rates):
            return None
        until = steps <= self.last
        return float(rates[until].max() / max(self._band_rates(self.last)))

    def _band_rates(self, last: float) -> list[float]:
        rates = self.band.columns["learning_rate"]
        return [rate for step, rate in zip(rates.steps, rates.mean) if step <= last]

    def ignores_input(self) -> bool | None:
        """Whether the loss stays the same when the model is given another row to read; None: not known."""
        use = self.probe.use_of_input
        return None if use is None else use < 0.01 * self.now


# ---- the judges, in the order in which they are heard ----


def _labels(seen: _Seen) -> Diagnosis | None:
    """By how labels lie to the ids in a batch."""
    asked, blanks, ahead = seen.probe.asked_for, seen.probe.blanks, seen.probe.looks_ahead
    if not asked or not blanks:
        return None

    def found(why: str, try_next: str) -> Diagnosis:
        return Diagnosis("labels shifted", f"In a batch, {why} {seen.place()}", try_next)

    offset = max(asked, key=asked.get)
    share = f"{asked[offset]:.0%} of the labels are the token"
    if ahead is not True:
        if asked.get(1, 0) >= 0.9 or asked[offset] < 0.9:
            return None
        if offset == 0:
            return found(
                f"{share} that the model reads at the same place: it learns to copy.",
                "Shift by one: logits[:, :-1] against ids[:, 1:]. The models of the course do it themselves "
                "when they get labels=ids.",
            )
        if offset > 1:
            return found(
                f"{share} {offset} places on; the next token is never asked for.",
                "Shift once only: the models of the course shift inside, so give them labels=ids.",
            )
        return found(
            f"{share} {-offset} places back, which the model has read already.",
            "Shift the other way: position t is to predict token t + 1, logits[:, :-1] against ids[:, 1:].",
        )
    if asked[0] >= 0.8:
        return found(
            f"{share} that the model reads at the same place: nothing is hidden.",
            "Give the model the masked ids, and -100 as the label of every token that was not chosen.",
        )
    if offset != 0 and asked[offset] >= 0.5:
        if offset == 1 and asked[1] >= 0.9:
            return found(
                f"{share} that comes next, and the model can look ahead and read it there.",
                "Give the attention a causal mask.",
            )
        return found(
            f"{share} {_beside(offset)} of where it is asked for, in plain sight.",
            "Take labels and inputs from the same position: labels = ids where chosen, -100 elsewhere.",
        )
    hidden = max(blanks, key=blanks.get)
    if hidden != 0 and blanks[hidden] >= 0.5 and blanks[0] < 0.5 * blanks[hidden]:
        return found(
            f"{blanks[hidden]:.0%} of the labels have the masked place {_beside(hidden)} of them; only "
            f"{blanks[0]:.0%} stand at it.",
            "Do not shift: a masked model's label stands where the token was hidden, logits against labels.",
        )
    return None


def _beside(offset: int) -> str:
    return f"{abs(offset)} to the {'right' if offset > 0 else 'left'}"


def _overfitting(seen: _Seen) -> Diagnosis | None:
    """By a validation loss that rises while the training loss falls."""
    keys = dict.fromkeys(key for row in seen.curve for key in row)
    name = next((key for key in keys if "loss" in key and key != "loss"), None)
    if name is None:
        return None
    steps, values = column(seen.curve, name)
    if len(values) < 3:
        return None
    best = int(values.argmin())
    later = values[best + 1 :]
    fell = seen.loss_at(steps[best]) - seen.loss_at(steps[-1])
    if len(later) < 2 or later[-2:].min() < 1.05 * values[best] or fell <= 0:
        return None
    return Diagnosis(
        "overfitting",
        f"{name} rose from {values[best]:.2f} at step {steps[best]:.0f} to {values[-1]:.2f} at step "
        f"{steps[-1]:.0f}, while the training loss fell from {seen.loss_at(steps[best]):.2f} to "
        f"{seen.loss_at(steps[-1]):.2f}.",
        f"Stop near step {steps[best]:.0f}, or give it more text, dropout, weight decay or a smaller model.",
    )


def _unstable(seen: _Seen) -> Diagnosis | None:
    """By a loss that climbs far above what it had reached, and not for a moment only."""
    smoothed = smooth(seen.curve, seen.steps)
    climb = smoothed - np.minimum.accumulate(smoothed)
    far = max(0.1 * seen.start, 6 * seen.noise)
    share = float((climb > far).mean())
    if share < 0.1 or (seen.band is not None and seen.above(seen.last) <= 1):
        return None
    top = int(climb.argmax())
    return _too_high(
        seen,
        f"The loss climbed by {climb[top]:.2f} until step {seen.steps[top]:.0f} and was far above what it "
        f"had reached for {share:.0%} of the steps.",
    )


def _too_high(seen: _Seen, why: str) -> Diagnosis:
    rates = column(seen.curve, "learning_rate")[1]
    norms = column(seen.curve, "gradient_norm")[1]
    if len(norms):
        why += (
            f" The gradient's norm reached {np.nanmax(norms):.1f}; its median is {np.nanmedian(norms):.1f}."
        )
    by = "" if not len(rates) else f" It was {rates.max():.2g} at its highest: try {rates.max() / 10:.2g}."
    return Diagnosis(
        "learning rate too high",
        f"{why} {seen.place()}",
        f"Divide the learning rate by 3 to 10, warm up for longer, and clip gradients.{by}",
    )


def _unmoved(seen: _Seen) -> Diagnosis | None:
    """By a loss that is where it was at the start."""
    fell = seen.start - seen.loss_at(seen.steps[-1])
    usual = seen.start if seen.band is None else seen.start - seen.band.columns["loss"].at(seen.last)[1]
    if len(seen.losses) < 50 and seen.band is None:
        return None
    if fell > 0.02 * usual or seen.start < 0.1:
        return None
    return Diagnosis(
        "not learning",
        f"The loss has not moved. {seen.place()}",
        "Look whether the weights change: are the optimizer's parameters those of this model, do they need "
        "gradients, and is the learning rate far too small? Then train on one batch: its loss must go to 0.",
    )


def _against_band(seen: _Seen) -> Diagnosis | None:
    """By where the curve ends, above or far below its recipe's."""
    if seen.band is None:
        return None
    low = seen.band.columns["loss"].at(seen.last)[0]
    if seen.now < 0.4 * low and seen.probe.asked_for is None and low > 0.1:
        return Diagnosis(
            "labels shifted",
            f"The loss is too good to be true. {seen.place()}",
            "Print one row of inputs and labels side by side: the answer seems to stand in the input. Is the "
            "loss of a causal model on the next token, is the causal mask there, are chosen tokens masked?",
            "Few examples learned by heart look the same: give the Trainer evaluate= to see.",
        )
    if seen.above(seen.last) <= 1:
        return None
    rate = seen.rate()
    compared = f" The learning rate is {rate:.2g} times the recipe's." if rate else ""
    if rate and rate >= 2.5:
        return _too_high(seen, compared.strip())
    return _guessing(seen) or Diagnosis(
        "too slow",
        f"{seen.place()} {_pace(seen)}{compared}",
        "Raise the learning rate by 3, and compare batch size, warm-up and optimizer with the recipe's."
        + ("" if rate and rate < 0.4 else " If these agree: do inputs, labels and masks?"),
        ""
        if seen.probe.asked_for
        else "Labels shifted twice look the same: Trainer.diagnose() would see it.",
    )


def _pace(seen: _Seen) -> str:
    """When the recipe was where the curve is now."""
    usual = seen.band.columns["loss"]
    reached = next((s for s, loss in zip(usual.steps, usual.mean) if loss <= seen.now), None)
    return f"The recipe is as low after {reached} steps." if reached else ""


def _guessing(seen: _Seen) -> Diagnosis | None:
    """By a loss that came down as usual, stopped, and does not depend on what the model reads."""
    early = smooth(seen.curve, [seen.last / 2])[0]
    fall = seen.start - seen.now
    if seen.ignores_input() is False or fall <= 0 or early - seen.now > 0.05 * fall + 3 * seen.noise:
        return None
    if seen.band is None:
        if not seen.ignores_input():
            return None
    elif seen.above(seen.last) <= 1 or _behind_early(seen):
        return None
    used = seen.probe.use_of_input
    why = "The loss came down to that of guessing and stays there."
    if used is not None:
        why += f" Given another row to read, it changes by {abs(used):.2f}: the input is not used."
    return Diagnosis(
        "not learning",
        f"{why} {seen.place()}",
        "Do inputs and labels belong together, row by row? Print one of each. Then train on one batch: its "
        "loss must go to 0. If it does, try a smaller learning rate with a longer warm-up.",
    )


def _behind_early(seen: _Seen) -> bool:
    """Whether the curve left the band above while the recipe made the first third of its way."""
    usual = seen.band.columns["loss"]
    goal = usual.mean[0] - (usual.mean[0] - usual.at(seen.last)[1]) / 3
    step = next((s for s, loss in zip(usual.steps, usual.mean) if loss <= goal), seen.last)
    return seen.above(step) > 1


def _normal(seen: _Seen) -> Diagnosis:
    unsure = []
    why = seen.place()
    if seen.band is None:
        also = "" if seen.probe.use_of_input is not None else " or only guesses"
        unsure.append(f"whether it is too slow{also}: that needs the band of a recipe.")
    elif seen.now < seen.band.columns["loss"].at(seen.last)[0]:
        why += " It is better than the recipe."
    if seen.probe.asked_for is None:
        unsure.append("whether labels lie where they should: Trainer.diagnose() looks at a batch.")
    if not any("loss" in key and key != "loss" for row in seen.curve for key in row):
        unsure.append("whether it overfits: give the Trainer evaluate=.")
    if seen.now < 0.02 * seen.start:
        why += " That is nearly nothing: right where there is one right answer, too good for a text."
    return Diagnosis("normal", why, "", " ".join(unsure))
