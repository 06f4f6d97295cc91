"""Unit 08: choose a prompt on one half, report on the other, and say how sure that is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit
from course_lib.grading.unit08_common import all_different, number, several

# ---- choose ----


def choose_like(
    on: Callable[[Tensor, Tensor], Tensor] = lambda dev, test: dev,
    report: Callable[[Tensor, Tensor, int], Tensor] = lambda dev, test, best: test[best].float().mean(),
) -> Callable[[Tensor, Tensor], tuple[int, float]]:
    def choose(dev: Tensor, test: Tensor) -> tuple[int, float]:
        best = int(on(dev, test).float().mean(1).argmax())
        return best, float(report(dev, test, best))

    return choose


def both(dev: Tensor, test: Tensor) -> Tensor:
    return torch.cat([dev, test], dim=1)


def right_or_not(generator: Generator) -> tuple[Tensor, Tensor]:
    """dev (P, N) and test (P, M), True where a prompt's answer was right."""
    P, N, M = 5, whole(generator, 17, 20), whole(generator, 23, 27)
    skill = torch.rand(P, 1, generator=generator) * 0.5 + 0.4
    dev, test = (torch.rand(P, n, generator=generator) < skill for n in (N, M))
    return dev, test


CHOOSE_WRONG = (
    Misconception(
        "chosen-on-the-test-set",
        "The prompt is chosen on the test set",
        choose_like(on=lambda dev, test: test),
        "The best of many on these very items is best partly by luck, and that luck is in your number. "
        "Choose on dev; test answers once.",
        "Let all prompts guess at random. What accuracy does your best one have?",
    ),
    Misconception(
        "reported-on-dev",
        "The accuracy of the dev items is reported",
        choose_like(report=lambda dev, test, best: dev[best].float().mean()),
        "The prompt was chosen because it was good just there. The number promises too much.",
        "Let all prompts guess at random. What accuracy do you report?",
    ),
    Misconception(
        "reported-on-both",
        "The report includes the items of the choice",
        choose_like(report=lambda dev, test, best: both(dev, test)[best].float().mean()),
        "The dev half of it is too good, for it decided the choice.",
        "On how many items is your accuracy a mean?",
    ),
    Misconception(
        "chosen-on-both",
        "The prompt is chosen on all items",
        choose_like(on=both),
        "The test items had their say in the choice: they are no longer unseen.",
        "Change an entry of `test`: may the choice change?",
    ),
    Misconception(
        "best-of-the-test-set",
        "The best test accuracy is reported, whichever prompt has it",
        choose_like(report=lambda dev, test, best: test.float().mean(1).max()),
        "The accuracy must be that of the chosen prompt.",
        "Does the reported number belong to the prompt you return?",
    ),
    Misconception(
        "mean-of-all-prompts",
        "The mean of all prompts is reported",
        choose_like(report=lambda dev, test, best: test.float().mean()),
        "That tells how hard the task is, not how good the chosen prompt.",
        "Does the reported number change with the choice?",
    ),
    Misconception(
        "number-not-accuracy",
        "The number of right answers, not their share",
        choose_like(report=lambda dev, test, best: test[best].sum()),
        "An accuracy lies between 0 and 1.",
        "Is the result at most 1?",
    ),
)
election = all_different(right_or_not, [choose_like(), *(one.imposter for one in CHOOSE_WRONG)])


CHOSEN = ("the chosen prompt (an int)", "its accuracy on test (a float)")


def plainly(answer: Callable, dev: Tensor, test: Tensor) -> tuple:
    return tuple(map(number, several(answer(dev, test), CHOSEN)))


def chosen_by_dev(got: tuple, dev: Tensor, test: Tensor) -> str | None:
    if not 0 <= got[0] < len(dev):
        return f"{got[0]} is chosen; the prompts are numbered 0 to {len(dev) - 1}"
    if got[0] == choose_like()(dev, test)[0]:
        return None
    mine, best = int(dev[got[0]].sum()), int(dev.sum(1).max())
    return f"prompt {got[0]} is chosen; on dev it is right {mine} times, another one {best} times"


def reported(got: tuple, dev: Tensor, test: Tensor) -> str | None:
    best, accuracy = choose_like()(dev, test)
    if got[0] == best and abs(got[1] - accuracy) < 1e-5:
        return None
    return f"prompt {got[0]} is reported with {got[1]:.4g}"


def tied(generator: Generator) -> tuple[Tensor, Tensor]:
    """Two prompts equally good on dev, the first of them worse on test."""
    dev, test = right_or_not(generator)
    dev[:] = False
    dev[1, :9] = dev[3, 2:11] = True
    test[1, :], test[3, :], test[3, 0] = False, True, False
    test[1, 4] = True
    return dev, test


CHOOSE = Part(
    "choose",
    choose_like(),
    CHOSEN,
    (
        Case(
            "dev chooses",
            election,
            "The prompt with the most right answers on dev, whatever test says.",
            "Change an entry of `test`: may the choice change?",
            judge=chosen_by_dev,
        ),
        Case(
            "test reports",
            election,
            "The chosen prompt's share of right answers on items that had no say.",
            "On which items is your accuracy a mean?",
            judge=reported,
        ),
        Case(
            "between equals, the first",
            tied,
            "Two prompts may be equally good on dev; test must not decide between them.",
            "Try two equal rows of dev.",
            judge=reported,
        ),
    ),
    CHOOSE_WRONG,
    call=plainly,
)

# ---- resample ----


def looked_at(answer: Callable, N: int, R: int) -> tuple[bool, bool, bool]:
    """Do all items come, do rows hold some item twice, do rows differ?"""
    rows = answer(N, R)
    if type(rows) is not Tensor or rows.shape != (R, N):
        shape = tuple(rows.shape) if type(rows) is Tensor else type(rows).__name__
        raise Unfit(f"returned {shape}; wanted is a tensor of shape (R, N), here ({R}, {N})")
    if rows.is_floating_point() or rows.dtype == torch.bool:
        raise Unfit(f"the entries are {rows.dtype}; wanted are whole numbers that index the items")
    found = set(rows.flatten().tolist())
    if outside := found - set(range(N)):
        raise Unfit(f"{min(outside)} is among the indices; the {N} items are numbered 0 to {N - 1}")
    twice = all(len(set(row)) < N for row in rows.tolist())
    return len(found) == N, twice, len({tuple(row) for row in rows.tolist()}) == R


def some_sizes(generator: Generator) -> tuple[int, int]:
    return whole(generator, 24, 30), whole(generator, 40, 50)


def drawn_rows(high: int = 0, replace: bool = True, one: bool = False) -> Callable[[int, int], Tensor]:
    def resample(N: int, R: int) -> Tensor:
        if not replace:
            return torch.stack([torch.randperm(N) for _ in range(R)])
        return torch.randint(N + high, (R, N)) if not one else torch.randint(N, (N,)).expand(R, N)

    return resample


RESAMPLE = Part(
    "resample",
    drawn_rows(),
    ("indices (R, N)",),
    (
        Case(
            "every item may come",
            some_sizes,
            "The indices are 0 to N - 1, all of them equally likely.",
            "Print the smallest and the largest index of many rows.",
            judge=lambda got, *given: None if got[0] else "some item comes in none of the rows",
        ),
        Case(
            "with replacement: an item may come twice",
            some_sizes,
            "Each row is a new test set that might have been: drawn from the items, each draw from all.",
            "Print a sorted row: is any number missing, does any come twice?",
            judge=lambda got, *given: None if got[1] else "a row holds every item just once",
        ),
        Case(
            "every row is another draw",
            some_sizes,
            "The spread between the rows is what the interval measures.",
            "Print the first two rows.",
            judge=lambda got, *given: None if got[2] else "two rows are the same",
        ),
    ),
    (
        Misconception(
            "without-replacement",
            "Drawn without replacement",
            drawn_rows(replace=False),
            "Each row holds all items in another order: every mean is the same, and the interval has "
            "width 0.",
            "Compute the accuracy of every row.",
        ),
        Misconception(
            "one-draw-for-all-rows",
            "All rows are the same draw",
            drawn_rows(one=True),
            "Then all means are equal, and the interval has width 0.",
            "Print the first two rows.",
        ),
        Misconception(
            "last-item-never-drawn",
            "The last item is never drawn",
            drawn_rows(high=-1),
            "`torch.randint(high, …)` draws below `high` already. No need to subtract one.",
            "Print the largest index of many rows.",
        ),
    ),
    call=looked_at,
)

# ---- the difference ----


def two_prompts(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """a, b (N,) right or not, mostly on the same items; draws (R, N)."""
    N, R = whole(generator, 70, 80), whole(generator, 90, 110)
    a = torch.rand(N, generator=generator) < 0.6
    change = torch.rand(N, generator=generator) < 0.25
    b = torch.where(change, ~a, a)
    a[:3], b[:3], b[3:6] = False, True, a[3:6]
    return a, b, torch.randint(N, (R, N), generator=generator)


def means(right: Tensor, draws: Tensor) -> Tensor:
    """Accuracy of each resampled test set (R,)."""
    return right.double()[draws].mean(1)


def ends(values: Tensor, low: float = 0.025, high: float = 0.975) -> Tensor:
    return torch.quantile(values.double(), torch.tensor([low, high]).double()).float()


def paired(a: Tensor, b: Tensor, draws: Tensor, low: float = 0.025, high: float = 0.975) -> Tensor:
    return ends(means(b, draws) - means(a, draws), low, high)


def observed(a: Tensor, b: Tensor) -> Tensor:
    return b.float().mean() - a.float().mean()


def errors_around(times: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def interval(a: Tensor, b: Tensor, draws: Tensor) -> Tensor:
        spread = (means(b, draws) - means(a, draws)).std().float() * times
        return torch.stack([observed(a, b) - spread, observed(a, b) + spread])

    return interval


def crossed(a: Tensor, b: Tensor, draws: Tensor) -> Tensor:
    of_a, of_b = ends(means(a, draws)), ends(means(b, draws))
    return torch.stack([of_b[0] - of_a[1], of_b[1] - of_a[0]])


DIFFERENCE_WRONG = (
    Misconception(
        "two-intervals-crossed",
        "Two intervals are subtracted, as if the prompts had met different items",
        crossed,
        "Both prompts answered the same items: a hard item is hard for both, and in b - a that cancels. "
        "Unpaired, the interval is far too wide.",
        "What is your interval when b is a?",
    ),
    Misconception(
        "ends-subtracted",
        "The ends of two intervals are subtracted",
        lambda a, b, draws: ends(means(b, draws)) - ends(means(a, draws)),
        "An interval of differences is not the difference of intervals: it comes out far too narrow.",
        "First b - a for every draw, then the percentiles.",
    ),
    Misconception(
        "one-standard-error",
        "The interval is plus and minus one standard error",
        errors_around(1.0),
        "That covers about two thirds of the draws, not 95 %.",
        "How many of the R differences lie in your interval?",
    ),
    Misconception(
        "two-standard-errors",
        "The interval is 1.96 standard errors wide, not from percentile to percentile",
        errors_around(1.96),
        "A fair approximation when the differences are bell-shaped. The task asks for the percentiles, which "
        "need not be symmetric.",
        "Use `torch.quantile`.",
    ),
    Misconception(
        "a-minus-b",
        "This is a - b",
        lambda a, b, draws: paired(b, a, draws),
        "The task asks how much better b is: b - a.",
        "Take a b that is always right and an a that never is.",
    ),
    Misconception(
        "ninety-percent",
        "The interval covers 90 %",
        lambda a, b, draws: paired(a, b, draws, 0.05, 0.95),
        "Five percent cut off at each end leave 90. For 95 % cut 2.5 at each end.",
        "How many of the R differences lie outside?",
    ),
    Misconception(
        "smallest-and-largest",
        "The interval runs from the smallest to the largest",
        lambda a, b, draws: paired(a, b, draws, 0.0, 1.0),
        "It grows with the number of draws. Take the 2.5th and the 97.5th percentile.",
        "What happens to your interval with ten times as many draws?",
    ),
    Misconception(
        "percentiles-of-items",
        "The percentiles are those of single items",
        lambda a, b, draws: ends(b.float() - a.float()),
        "A single item is right or wrong, so this is mostly from -1 to 1. Wanted is the spread of the "
        "mean over the items.",
        "Use `draws`: a mean for each of its rows.",
    ),
    Misconception(
        "only-b",
        "This is the interval of b alone",
        lambda a, b, draws: ends(means(b, draws)),
        "How good b is tells nothing of how much better it is.",
        "Change `a`: does the interval move?",
    ),
)
comparison = all_different(two_prompts, [paired, *(one.imposter for one in DIFFERENCE_WRONG)])


def prompts_alike(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    a, _, draws = two_prompts(generator)
    return a, a.clone(), draws


DIFFERENCE = Part(
    "difference",
    paired,
    ("low and high (2,)",),
    (
        Case(
            "right for two prompts",
            comparison,
            "For each row of draws: accuracy of b minus accuracy of a on the same drawn items. Then the "
            "2.5th and 97.5th percentile of these R numbers.",
            "Print the R differences: how many are there, and what is their mean?",
            worth=2,
        ),
        Case(
            "a prompt is not better than itself, for certain",
            prompts_alike,
            "On the same items the difference is always 0. So is the interval: from 0 to 0.",
            "Call it with b = a.",
        ),
    ),
    DIFFERENCE_WRONG,
)

LUCK = Task(
    (CHOOSE, RESAMPLE, DIFFERENCE),
    (
        "Three separate questions: which items choose, which report, and how far could the report have "
        "fallen with other items of the same kind?",
        "`dev.float().mean(1).argmax()` chooses. `torch.randint` draws with replacement. `a.float()[draws]` "
        "is (R, N): a resampled test set in each row.",
        "difference: `(b.float()[draws] - a.float()[draws]).mean(1)`, and `torch.quantile` of it at "
        "`torch.tensor([0.025, 0.975])`.",
    ),
)
