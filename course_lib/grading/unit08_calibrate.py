"""Unit 08: what a model prefers before it has read anything, and taking that out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes
from course_lib.grading.task import Case, Misconception, Part, Task


def log_probabilities(generator: Generator, rows: int, labels: int) -> Tensor:
    """(rows, labels): of the labels among all words, so their probabilities sum to less than one."""
    return normal(generator, rows, labels).mul(1.5).log_softmax(-1) - 1 - normal(generator, rows, 1).abs()


# ---- without content ----


def nothing_asked(generator: Generator) -> tuple[Tensor]:
    n, L = sizes(generator, 2, 3, 6)
    log_p = log_probabilities(generator, n, L)
    log_p[0] += 0.7  # one input whose labels are much likelier than the others'
    return (log_p,)


def free_like(
    each: Callable[[Tensor], Tensor] = lambda log_p: log_p.softmax(-1),
    pooled: Callable[[Tensor], Tensor] = lambda p: p.mean(0),
) -> Callable[[Tensor], Tensor]:
    return lambda log_p: pooled(each(log_p))


def sums_to_one(got: Tensor, *given: object) -> str | None:
    total = got.sum(-1)
    if torch.isclose(total, torch.ones(()), atol=1e-4).all():
        return None
    return f"the probabilities sum to {float(total.flatten()[0]):.4g}"


FREE = Part(
    "without_content",
    free_like(),
    ("p of each label (L,)",),
    (
        Case(
            "probabilities among the labels",
            nothing_asked,
            "Each input's labels are compared with each other first, so that they sum to one.",
            "Print the sum of what you return.",
            judge=sums_to_one,
        ),
        Case(
            "right for several inputs",
            nothing_asked,
            "Normalise each input's labels, then take the mean of the probabilities over the inputs.",
            "Take two inputs and two labels, and compute by hand.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "mean-of-logarithms",
            "Logarithms are averaged",
            free_like(pooled=lambda p: p.log().mean(0).softmax(0)),
            "That is the geometric mean: a label that one input finds almost impossible loses everything. "
            "The method averages probabilities.",
            "Average 0.9 and 0.1, once as they are, once as logarithms.",
        ),
        Misconception(
            "never-normalised",
            "The labels of an input do not sum to one",
            free_like(each=lambda log_p: log_p.exp()),
            "These are probabilities among all words. Only the labels are to be compared.",
            "Print the sum of what you return.",
        ),
        Misconception(
            "normalised-at-the-end",
            "The mean is normalised, not each input",
            free_like(each=lambda log_p: log_p.exp(), pooled=lambda p: p.mean(0) / p.mean(0).sum()),
            "An input that makes all labels likely would count for more than the others.",
            "Give one input all log-probabilities 3 higher: does the result change?",
        ),
        Misconception(
            "softmax-over-the-inputs",
            "The softmax runs over the inputs",
            free_like(each=lambda log_p: log_p.softmax(0)),
            "Compared are the labels, the last axis.",
            "Print the sums along each axis.",
        ),
        Misconception(
            "summed-inputs",
            "The inputs are added up",
            free_like(pooled=lambda p: p.sum(0)),
            "n inputs give probabilities that sum to n. Take the mean.",
            "Print the sum of what you return.",
        ),
        Misconception(
            "first-input-only",
            "Only the first input counts",
            free_like(pooled=lambda p: p[0]),
            "Every content-free text has a taste of its own; several together are steadier.",
            "Change the second row: does the result move?",
        ),
        Misconception(
            "logarithm-returned",
            "Logarithms come back",
            free_like(pooled=lambda p: p.mean(0).log()),
            "The task asks for probabilities.",
            "Is each number between 0 and 1?",
        ),
    ),
)

# ---- calibration ----


def to_calibrate(generator: Generator) -> tuple[Tensor, Tensor]:
    """log_p (N, L) and free (L,), far from even."""
    N, L = sizes(generator, 2, 3, 7)
    free = (torch.arange(L).mul(0.8) + normal(generator, L) / 4).softmax(0)
    return log_probabilities(generator, N, L), free[torch.randperm(L, generator=generator)]


def nothing_to_judge(generator: Generator) -> tuple[Tensor, Tensor]:
    """Prompts that say just what the content-free one says, each with another share of all words."""
    _, free = to_calibrate(generator)
    shares = torch.tensor([[0.9], [0.05]])  # two prompts, and at least three labels
    return (shares * free).log(), free


def calibrated_like(
    corrected: Callable[[Tensor, Tensor], Tensor] = lambda log_p, free: log_p.softmax(-1) / free,
    normalised: Callable[[Tensor], Tensor] = lambda p: p / p.sum(-1, keepdim=True),
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda log_p, free: normalised(corrected(log_p, free))


CALIBRATED = Part(
    "calibrated",
    calibrated_like(),
    ("p of each label for each prompt (N, L)",),
    (
        Case(
            "each prompt's probabilities sum to one",
            to_calibrate,
            "After the division they no longer do: normalise once more.",
            "Print the sums of your rows.",
            judge=sums_to_one,
        ),
        Case(
            "what says no more than nothing becomes even",
            nothing_to_judge,
            "A prompt that the model answers as it answers N/A has told it nothing: every label gets 1 / L.",
            "Call it with log_p = log(free).",
        ),
        Case(
            "right on random prompts",
            to_calibrate,
            "Each label's probability is divided by what the label gets for nothing.",
            "p = (0.8, 0.2), without content (0.9, 0.1): 0.889 to 2, so (0.31, 0.69).",
            worth=2,
        ),
    ),
    (
        Misconception(
            "multiplied-by-the-bias",
            "The preference is multiplied in, not divided out",
            calibrated_like(lambda log_p, free: log_p.softmax(-1) * free),
            "What the model likes anyway gets still more.",
            "p = (0.8, 0.2), without content (0.9, 0.1): which label should gain?",
        ),
        Misconception(
            "not-normalised-again",
            "The result is not normalised again",
            calibrated_like(normalised=lambda p: p),
            "The order of the labels is right already, but these are no probabilities.",
            "Print the sums of your rows.",
        ),
        Misconception(
            "probability-for-logarithm",
            "The bias is subtracted as a probability from a logarithm",
            calibrated_like(lambda log_p, free: (log_p - free).exp()),
            "Dividing probabilities is subtracting logarithms: log p - log free. Here free itself is "
            "subtracted, a number between 0 and 1.",
            "Compare `0.2 / 0.1` with `math.exp(math.log(0.2) - 0.1)`.",
        ),
        Misconception(
            "subtracted-probabilities",
            "Probabilities are subtracted",
            calibrated_like(
                lambda log_p, free: log_p.softmax(-1) - free,
                lambda p: p,
            ),
            "The difference may be negative. The method scales: p / free.",
            "Is each number between 0 and 1?",
        ),
        Misconception(
            "calibrated-with-the-test-items",
            "The prompts themselves serve as content-free",
            calibrated_like(lambda log_p, free: log_p.softmax(-1) / log_p.softmax(-1).mean(0)),
            "The items to be judged decide on the correction: it looks at the whole test set, and forces "
            "its answers to be even. `free` needs no test item.",
            "Judge a single prompt: what does your correction do to it?",
        ),
        Misconception(
            "bias-ignored",
            "The preference is not taken out",
            calibrated_like(lambda log_p, free: log_p.softmax(-1)),
            "Normalised, but not calibrated.",
            "Change `free`: does the result move?",
        ),
        Misconception(
            "logarithms-divided",
            "Logarithms are divided",
            calibrated_like(lambda log_p, free: log_p / free.log()),
            "Dividing belongs to probabilities; logarithms are subtracted.",
            "Compare log(0.8 / 0.4) with log(0.8) / log(0.4).",
        ),
        Misconception(
            "normalised-over-prompts",
            "The labels' columns sum to one, not the prompts' rows",
            calibrated_like(normalised=lambda p: p / p.sum(0)),
            "Prompts are judged one by one; they know nothing of each other.",
            "Print the sums of your rows.",
        ),
        Misconception(
            "calibrated-logarithms",
            "Logarithms come back",
            calibrated_like(normalised=lambda p: (p / p.sum(-1, keepdim=True)).log()),
            "The task asks for probabilities.",
            "Is each number between 0 and 1?",
        ),
    ),
)

CALIBRATION = Task(
    (FREE, CALIBRATED),
    (
        "Do it with numbers first: p = (0.8, 0.2) and, without content, (0.9, 0.1). Which label gets more "
        "than it would for nothing?",
        "`log_p.softmax(-1)` compares the labels of each row. For the content-free inputs: their mean over "
        "axis 0.",
        "Divide `log_p.softmax(-1)` by `free`, then by the sum of each row, with keepdim=True.",
    ),
    ("course_lib.prompting.calibrate",),
)
