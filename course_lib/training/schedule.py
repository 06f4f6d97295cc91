"""How the learning rate moves over a run."""

from __future__ import annotations

import math


def warmup_cosine(step: int, steps: int, warmup: int, floor: float = 0.1) -> float:
    """Factor on the peak learning rate at `step` of `steps`: a straight line up, half a cosine down.

    It starts at 1/warmup, reaches 1 after `warmup` steps and ends at `floor` (Loshchilov & Hutter 2017,
    equation 5, with the warm-up of Vaswani et al. 2017, section 5.3). Steps count from 0; beyond the end it
    stays at `floor`.

    Raises:
        ValueError: a warm-up that is longer than the run.
    """
    if not 0 <= warmup <= steps:
        raise ValueError(
            f"warm-up of {warmup} steps in a run of {steps}: choose a warm-up from 0 to the number of steps"
        )
    if step < warmup:
        return (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))
