"""Unit 02: labels made from the text, the mean of the real tokens, and how a result is chosen honestly."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

NOT_SCORED = -100
Pair = tuple[Tensor, Tensor]

# ---- pairs of input and label ----


def next_reference(ids: Tensor) -> Pair:
    numbers = ids.tolist()
    return torch.tensor(numbers[: len(numbers) - 1]), torch.tensor(numbers[1:])


def hidden_reference(ids: Tensor, chosen: Tensor, mask_id: int) -> Pair:
    pairs = list(zip(ids.tolist(), chosen.tolist(), strict=True))
    inputs = [mask_id if hide else token for token, hide in pairs]
    return torch.tensor(inputs), torch.tensor([token if hide else NOT_SCORED for token, hide in pairs])


def neighbours(
    keep: Callable[[int, int, int], bool] = lambda i, j, window: 0 < abs(i - j) <= window,
    flip: bool = False,
) -> Callable[[Tensor, int], Tensor]:
    """Pairs (centre, context) in reading order for which `keep(i, j, window)` holds."""

    def make(ids: Tensor, window: int) -> Tensor:
        numbers, n = ids.tolist(), len(ids)
        found = [(numbers[i], numbers[j]) for i in range(n) for j in range(n) if keep(i, j, window)]
        return torch.tensor([pair[::-1] if flip else pair for pair in found]).view(-1, 2)

    return make


def some_ids(generator: Generator) -> Tensor:
    """Different ids, so that no pair can be right by chance."""
    n = whole(generator, 7, 10)
    return torch.randperm(40, generator=generator)[:n] + 5


def hidden_inputs(generator: Generator) -> tuple[Tensor, Tensor, int]:
    ids = some_ids(generator)
    chosen = torch.zeros(len(ids), dtype=torch.bool)
    chosen[torch.randperm(len(ids), generator=generator)[: whole(generator, 2, 4)]] = True
    return ids, chosen, whole(generator, 1, 4)


def length_shrinks(got: Pair, ids: Tensor) -> str | None:
    return None  # the structure was compared already


def only_chosen(got: Pair, ids: Tensor, chosen: Tensor, mask_id: int) -> str | None:
    scored = got[1] != NOT_SCORED
    if torch.equal(scored, chosen):
        return None
    return f"{int(scored.sum())} positions have a label; {int(chosen.sum())} were hidden"


PAIRS = Task(
    (
        Part(
            "next_pair",
            next_reference,
            ("inputs (T - 1,)", "labels (T - 1,)"),
            (
                Case(
                    "inputs and labels have one token fewer than the text",
                    lambda g: (some_ids(g),),
                    "The last token has no next one, and nothing comes before the first.",
                    "Write down the pairs for a text of three tokens.",
                    judge=length_shrinks,
                ),
                Case(
                    "each label is the token that follows",
                    lambda g: (some_ids(g),),
                    "At each position the label is the next token of the same text.",
                    "Print inputs and labels one below the other for the ids 1, 2, 3, 4.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "copies-itself",
                    "The label is the input itself",
                    lambda ids: (ids[:-1], ids[:-1]),
                    "Nothing has to be predicted: copying is enough.",
                    "Print inputs and labels one below the other.",
                ),
                Misconception(
                    "predicts-the-past",
                    "The label is the token before",
                    lambda ids: (ids[1:], ids[:-1]),
                    "Shifted the other way: a model trained so would write backwards.",
                    "What is the label of the first token?",
                ),
                Misconception(
                    "labels-shifted-twice",
                    "The labels are shifted twice",
                    lambda ids: (ids[:-1], ids.roll(-2)[:-1]),
                    "The label is the token after the next.",
                    "Print inputs and labels one below the other for the ids 1, 2, 3, 4.",
                ),
                Misconception(
                    "wraps-around",
                    "The text is closed to a ring",
                    lambda ids: (ids, ids.roll(-1)),
                    "`roll` brings the first token back as the label of the last.",
                    "What is the label of the last input?",
                ),
            ),
        ),
        Part(
            "hidden_pair",
            hidden_reference,
            ("inputs (T,)", "labels (T,)"),
            (
                Case(
                    "a label stands just where a token was hidden",
                    hidden_inputs,
                    "What was not hidden can be copied. Scoring it would teach the model to copy.",
                    "Count `(labels != -100).sum()` and `chosen.sum()`.",
                    judge=only_chosen,
                ),
                Case(
                    "inputs and labels are right",
                    hidden_inputs,
                    "The input shows [MASK] where `chosen` is True; the label says what stood there.",
                    "Print ids, inputs and labels one below the other.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "loss-on-unmasked",
                    "Tokens that were not hidden are scored too",
                    lambda ids, chosen, mask_id: (ids.masked_fill(chosen, mask_id), ids),
                    "Every position has a label. Most can be copied from the input.",
                    "Print the labels: how many are -100?",
                ),
                Misconception(
                    "inverted-choice",
                    "What was chosen is shown, the rest is hidden",
                    lambda ids, chosen, mask_id: hidden_reference(ids, ~chosen, mask_id),
                    "`chosen` is True where a token is to be hidden.",
                    "Count the [MASK] in your inputs and `chosen.sum()`.",
                ),
                Misconception(
                    "labels-after-masking",
                    "The labels were taken after the masking",
                    lambda ids, chosen, mask_id: (
                        ids.masked_fill(chosen, mask_id),
                        torch.where(chosen, mask_id, NOT_SCORED),
                    ),
                    "The label of a hidden token is [MASK] itself: the answer is lost.",
                    "Print the labels that are not -100.",
                ),
                Misconception(
                    "label-zero",
                    "Positions that do not count are labelled 0",
                    lambda ids, chosen, mask_id: (
                        ids.masked_fill(chosen, mask_id),
                        ids.masked_fill(~chosen, 0),
                    ),
                    "0 is a token like any other to the cross-entropy; -100 is what it leaves out.",
                    "Look up `ignore_index` of `F.cross_entropy`.",
                ),
            ),
        ),
        Part(
            "neighbour_pairs",
            neighbours(),
            ("pairs (N, 2)",),
            (
                Case(
                    "right for a window of 1 to 3",
                    lambda g: (some_ids(g), whole(g, 2, 3)),
                    "Each word with all words at most `window` places away, left to right.",
                    "Write down the pairs of three tokens with window 1: there are four.",
                    worth=2,
                ),
                Case(
                    "a window wider than the text",
                    lambda g: (some_ids(g)[:4], 6),
                    "At the ends of a text a window is cut off; it does not go round.",
                    "A text of 4 tokens has 4 · 3 pairs at most.",
                ),
            ),
            (
                Misconception(
                    "only-the-right",
                    "Only neighbours on the right",
                    neighbours(lambda i, j, window: 0 < j - i <= window),
                    "A word's neighbours stand on both sides of it.",
                    "Which pairs have the last word as their centre?",
                ),
                Misconception(
                    "with-itself",
                    "Each word is its own neighbour",
                    neighbours(lambda i, j, window: abs(i - j) <= window),
                    "The pair (word, word) is there: predicting it takes no learning.",
                    "Look for pairs of equal ids.",
                ),
                Misconception(
                    "window-too-narrow",
                    "The window is one too narrow",
                    neighbours(lambda i, j, window: 0 < abs(i - j) < window),
                    "A word `window` places away belongs to it.",
                    "Count the pairs for window 1.",
                ),
                Misconception(
                    "centre-and-context-swapped",
                    "Centre and context are exchanged",
                    neighbours(flip=True),
                    "The first column is the centre, and centres come in reading order.",
                    "Print the first column.",
                ),
            ),
        ),
    ),
    (
        "Do it on paper first, with the text 1 2 3 4: write what the model sees and, below, what it "
        "shall say.",
        "next_pair: two slices of the same ids. hidden_pair: one choice for the inputs, one for the labels, "
        "both by `chosen`. neighbour_pairs: two loops over positions and one condition.",
        "`ids[:-1]` leaves out the last. `torch.where(chosen, a, b)` takes a where True. For the pairs, "
        "`range(max(0, i - window), …)` stays inside the text; skip the word itself.",
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
    validation[lucky] -= 6
    validation[lucky, 0] = 90.0
    test[tempting] += 12
    test[best, 1] += 9
    return validation, test


def index_only(got: tuple[int, Tensor], validation: Tensor, test: Tensor) -> str | None:
    best = report_reference(validation, test)[0]
    return None if got[0] == best else f"rate {got[0]} was taken"


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
        "Two questions, two sets: which rate to take, and how good it is. Which set may answer which?",
        "Seeds are chance: average over them (dim 1) before you compare rates.",
        "The index of the largest mean on validation, as an int; then the mean of that row of test.",
    ),
)
