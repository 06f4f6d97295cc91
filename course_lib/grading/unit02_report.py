"""Unit 02: what was fitted and what was chosen must not have seen the test."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.compare import values
from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- fit on some rows, measure on others ----

Rows = tuple[Tensor, Tensor, Tensor, Tensor]


def two_lots(generator: Generator) -> Rows:
    """x (N, D), y (N, K), and new rows of both; N is small, so that a fit to the new rows shows."""
    D, K = sizes(generator, 2, 2, 5)
    N, M = whole(generator, 18, 22), 2 * whole(generator, 7, 9)
    x, new_x = normal(generator, N, D) + 0.5, normal(generator, M, D) + 0.5
    weight = normal(generator, D, K)
    y, new_y = (given @ weight + 2 + normal(generator, len(given), K) for given in (x, new_x))
    new_y[M // 2 :] += 3 * normal(generator, M // 2, K)  # the two halves differ much
    return x, y, new_x, new_y


def with_one(x: Tensor) -> Tensor:
    return F.pad(x, (0, 1), value=1.0)


def fit_and_measure(
    fitted: Callable[..., tuple[Tensor, Tensor]] = lambda x, y, new_x, new_y: (x, y),
    measured: Callable[..., tuple[Tensor, Tensor]] = lambda x, y, new_x, new_y: (new_x, new_y),
    widened: Callable[[Tensor], Tensor] = with_one,
    pooled: Callable[[Tensor], Tensor] = lambda off: off.square().mean(),
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """The right way through the pseudo-inverse, or one with a step replaced."""

    def unseen_error(*rows: Tensor) -> Tensor:
        x, y = (lot.double() for lot in fitted(*rows))
        weights = torch.linalg.pinv(widened(x)) @ y
        x, y = (lot.double() for lot in measured(*rows))
        return pooled(widened(x) @ weights - y).float()

    return unseen_error


def both_lots(x: Tensor, y: Tensor, new_x: Tensor, new_y: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([x, new_x]), torch.cat([y, new_y])


def in_halves(answer: Callable, x: Tensor, y: Tensor, new_x: Tensor, new_y: Tensor) -> tuple[Tensor, Tensor]:
    """The error on all new rows, and the mean of the errors on two halves of them."""
    first, second = (answer(x, y, a, b) for a, b in zip(new_x.chunk(2), new_y.chunk(2), strict=True))
    if not isinstance(first, Tensor) or first.dim():
        raise Unfit("wanted is the error, a tensor without axes ()")
    return answer(x, y, new_x, new_y), (first + second) / 2


def halves_agree(got: tuple[Tensor, Tensor], *_: Tensor) -> str | None:
    whole_lot, halves = map(float, got)
    if abs(whole_lot - halves) <= 1e-4 * abs(whole_lot):
        return None
    return f"the error on all new rows is {whole_lot:.4f}, the mean over two halves of them {halves:.4f}"


UNSEEN = Part(
    "unseen_error",
    fit_and_measure(),
    ("the error, a tensor without axes ()",),
    (
        Case(
            "the error of a new row does not depend on the other new rows",
            two_lots,
            "What is fitted must not see the new rows; then each of them has an error of its own.",
            "Hand over half of the new rows, then the other half: is the mean of both the error on all?",
            judge=halves_agree,
            call=in_halves,
            names=("error on all new rows", "mean of the errors on two halves"),
        ),
        Case(
            "right on new rows",
            two_lots,
            "Fit on x and y; square what is off on new_x and new_y; the mean over all numbers.",
            "Take x = 0, 1, 2 and y = 1, 3, 5: which error has the new row x = 3, y = 8?",
            worth=2,
        ),
    ),
    (
        Misconception(
            "test-rows-fitted",
            "New rows are used to fit",
            fit_and_measure(fitted=both_lots),
            "The new rows are in the fit, so their error is too small: nothing is left that is unseen.",
            "Which rows does your fit get? Change `new_y`: do the weights move?",
        ),
        Misconception(
            "fitted-on-test",
            "The fit is made on the new rows",
            fit_and_measure(fitted=lambda x, y, new_x, new_y: (new_x, new_y)),
            "Fitted and measured on the same rows: this is a training error under another name.",
            "Are `x` and `y` used at all?",
        ),
        Misconception(
            "training-error-told",
            "The error on the fitted rows is told",
            fit_and_measure(measured=lambda x, y, new_x, new_y: (x, y)),
            "A fit is at its best on its own rows. What it is worth shows on rows it never saw.",
            "Does the result move when you change `new_y`?",
        ),
        Misconception(
            "no-bias",
            "The bias is missing",
            fit_and_measure(widened=lambda x: x),
            "Without a column of ones the line must go through zero.",
            "Add 100 to all of y and new_y: the error should stay the same.",
        ),
        Misconception(
            "summed-not-averaged",
            "The squares are added, not averaged",
            fit_and_measure(pooled=lambda off: off.square().sum()),
            "More rows would mean a larger error.",
            "Hand over the new rows twice: the error should stay the same.",
        ),
        Misconception(
            "root-taken",
            "The root of the error is taken",
            fit_and_measure(pooled=lambda off: off.square().mean().sqrt()),
            "The root has its uses; the task, like the lesson, asks for the mean square.",
            "Multiply y and new_y by 2: a squared error becomes 4 times as large.",
        ),
    ),
)

# ---- which run counts? ----


def chosen(
    rate: Callable[[Tensor, Tensor], Tensor] = lambda validation, test: validation.mean(1).argmax(),
    told: Callable[[Tensor, Tensor, int], Tensor] = lambda validation, test, best: test[best].mean(),
) -> Callable[[Tensor, Tensor], tuple[int, float]]:
    """The learning rate taken and the accuracy told, by rules of one's own."""

    def report(validation: Tensor, test: Tensor) -> tuple[int, Tensor]:
        best = int(rate(validation, test))
        return best, told(validation, test, best)

    return report


def report_reference(validation: Tensor, test: Tensor) -> tuple[int, Tensor]:
    means = [sum(row) / len(row) for row in validation.tolist()]
    best = means.index(max(means))
    return best, torch.tensor(test[best].tolist()).double().mean().to(test.dtype)


def runs(generator: Generator) -> tuple[Tensor, Tensor]:
    """Accuracies of K rates and S seeds. Validation and test disagree on the best, and one seed shines."""
    K, S = sizes(generator, 2, 4, 7)
    best, lucky, tempting = torch.randperm(K, generator=generator)[:3].tolist()
    validation = 60 + normal(generator, K, S)
    test = 58 + normal(generator, K, S)
    validation[best] += 6
    validation[lucky] -= 8
    validation[lucky, (best + 1) % S] = 90.0  # the column is never `best`: rows and columns do not mix
    test[tempting] += 12
    test[best, 1] += 9
    return validation, test


def index_only(got: tuple[int, Tensor], validation: Tensor, test: Tensor) -> str | None:
    best = report_reference(validation, test)[0]
    return None if got[0] == best else f"rate {got[0]} was taken"


def honest(got: tuple[int, Tensor], validation: Tensor, test: Tensor) -> str | None:
    """The accuracy alone: the index has a row of its own."""
    wrong = values(got[1], report_reference(validation, test)[1])
    return f"the accuracy told is {float(got[1]):.2f}" if wrong else None


def usable(answer: Callable, validation: Tensor, test: Tensor) -> tuple[int, Tensor]:
    value = answer(validation, test)
    if type(value) not in (tuple, list) or len(value) != 2:
        raise Unfit("wanted are two values: the index of the rate, and the accuracy")
    best, told = value
    if isinstance(best, Tensor) and best.numel() == 1 and not best.is_floating_point():
        best = int(best)
    return best, told


REPORT = Task(
    (
        UNSEEN,
        Part(
            "report",
            report_reference,
            ("best (an int)", "accuracy (a tensor)"),
            (
                Case(
                    "the rate is taken on validation",
                    runs,
                    "Whatever is chosen must be chosen without the test set, and on all seeds.",
                    "Print `validation.mean(dim=1)`.",
                    judge=index_only,
                ),
                Case(
                    "the accuracy told is an honest one",
                    runs,
                    "The mean over all seeds, on data that chose nothing.",
                    "Which numbers took part in choosing? They are no longer a fair measure.",
                    worth=2,
                    judge=honest,
                ),
            ),
            (
                Misconception(
                    "chosen-on-test",
                    "The test set chose the rate",
                    chosen(rate=lambda validation, test: test.mean(1).argmax()),
                    "The best of many test scores is partly luck, and the luck is then reported as skill.",
                    "Would your choice change if the test scores were not there yet?",
                ),
                Misconception(
                    "best-single-run",
                    "One lucky run decides",
                    chosen(rate=lambda validation, test: validation.amax(1).argmax()),
                    "The rate with the best single seed is taken. With more seeds everybody gets lucky once.",
                    "Print the whole row of the rate you take.",
                ),
                Misconception(
                    "validation-score-told",
                    "The validation score is told",
                    chosen(told=lambda validation, test, best: validation[best].mean()),
                    "That score was the best of several: it is too high on average. Test was kept for this.",
                    "Compare validation and test of the rate you take.",
                ),
                Misconception(
                    "best-seed-told",
                    "The best seed is told",
                    chosen(told=lambda validation, test, best: test[best].max()),
                    "A reader who runs it again gets an average seed.",
                    "How many of the seeds reach the number you tell?",
                ),
            ),
            call=usable,
        ),
    ),
    (
        "Two questions, two sets: what to take, and how good it is. Which rows may answer which?",
        "unseen_error: add the column of ones to both lots; `torch.linalg.lstsq(a, b).solution` fits a @ w "
        "to b. report: seeds are chance, so average over them (dim 1) before you compare rates.",
        "unseen_error: fit on x and y alone, then the mean of the squares on new_x and new_y. report: the "
        "index of the largest mean on validation, as an int; then the mean of that row of test.",
    ),
)
