"""Unit 03: the pairs of skip-gram, its noise and its loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- pairs ----


def pairs_reference(sentence: Tensor, window: int) -> Tensor:
    """By distance: a (T, T) table of |i - j| says which places are neighbours."""
    place = torch.arange(len(sentence))
    distance = (place[:, None] - place).abs()
    centre, neighbour = ((distance > 0) & (distance <= window)).nonzero(as_tuple=True)
    return torch.stack([sentence[centre], sentence[neighbour]], dim=1)


def pairs_where(keep: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, int], Tensor]:
    """Pairs by another rule for j - i."""

    def pairs(sentence: Tensor, window: int) -> Tensor:
        place = torch.arange(len(sentence))
        centre, neighbour = keep(place - place[:, None], window).nonzero(as_tuple=True)
        return torch.stack([sentence[centre], sentence[neighbour]], dim=1)

    return pairs


def without_equal_words(sentence: Tensor, window: int) -> Tensor:
    found = pairs_reference(sentence, window)
    return found[found[:, 0] != found[:, 1]]


def a_sentence(generator: Generator) -> tuple[Tensor, int]:
    """Different words, much longer than the window."""
    window, extra = sizes(generator, 2, 2, 4)
    return torch.randperm(40, generator=generator)[: 2 * window + 3 + extra], window


def short_sentence(generator: Generator) -> tuple[Tensor, int]:
    return torch.randperm(40, generator=generator)[: whole(generator, 3, 4)], 9


def repeated_word(generator: Generator) -> tuple[Tensor, int]:
    sentence, window = a_sentence(generator)
    sentence[3] = sentence[2]
    return sentence, window


def only_neighbours(got: Tensor, sentence: Tensor, window: int) -> str | None:
    """Words are all different here, so a pair tells its two places."""
    place = {word: i for i, word in enumerate(sentence.tolist())}
    for first, second in got.tolist():
        if first not in place or second not in place:
            return f"the pair ({first}, {second}) has a word that is not in the sentence"
        if first == second:
            return "a word is paired with its own place"
        if abs(place[first] - place[second]) > window:
            return f"two words {abs(place[first] - place[second])} places apart are paired; window = {window}"
    return None


PAIRS = Task(
    (
        Part(
            "skipgram_pairs",
            pairs_reference,
            ("pairs (N, 2)",),
            (
                Case(
                    "right for a sentence of different words",
                    a_sentence,
                    "Each place is a centre once; its neighbours are the places up to `window` to the left "
                    "and to the right, itself left out.",
                    "Take five words and window = 1, and write the pairs down by hand: there are eight.",
                    worth=3,
                ),
                Case(
                    "no pair is out of the window, no place is paired with itself",
                    a_sentence,
                    "A neighbour stands at least one place away and at most `window`.",
                    "Print your pairs for `torch.arange(5)`: then words are places.",
                    judge=only_neighbours,
                    telling=False,
                ),
                Case(
                    "a window longer than the sentence",
                    short_sentence,
                    "Neighbours end where the sentence ends. A negative index counts from its end, quietly.",
                    "Print the first and last index your loop uses for the first word.",
                    worth=2,
                ),
                Case(
                    "a word that stands twice",
                    repeated_word,
                    "Places are compared, not words: the same word next to itself is a neighbour.",
                    "Try `torch.tensor([7, 7])` with window = 1.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "window-too-small",
                    "The window is one place too small on the right",
                    pairs_where(lambda d, w: (d != 0) & (d >= -w) & (d < w)),
                    "The last neighbour to the right is missing: `range` ends before its second number.",
                    "Print `list(range(2 - 1, 2 + 1))`.",
                ),
                Misconception(
                    "window-off-by-one",
                    "The window is one place too small on both sides",
                    pairs_where(lambda d, w: (d != 0) & (d.abs() < w)),
                    "A place exactly `window` away is still a neighbour.",
                    "With window = 1, how many neighbours does a word in the middle have?",
                ),
                Misconception(
                    "window-too-large",
                    "The window is one place too large",
                    pairs_where(lambda d, w: (d != 0) & (d.abs() <= w + 1)),
                    "A place more than `window` away is no neighbour.",
                    "With window = 1, how many neighbours does a word in the middle have?",
                ),
                Misconception(
                    "own-target",
                    "A place is paired with itself",
                    pairs_where(lambda d, w: d.abs() <= w),
                    "To predict a word from itself is no task: the model learns to copy.",
                    "Print the pairs of a sentence of one word. How many should there be?",
                ),
                Misconception(
                    "left-only",
                    "Only the words before the centre count",
                    pairs_where(lambda d, w: (d < 0) & (d >= -w)),
                    "That is a language model's view. Skip-gram looks to both sides.",
                    "Which pairs does the first word of a sentence have?",
                ),
                Misconception(
                    "right-only",
                    "Only the words after the centre count",
                    pairs_where(lambda d, w: (d > 0) & (d <= w)),
                    "Skip-gram looks to both sides.",
                    "Which pairs does the last word of a sentence have?",
                ),
                Misconception(
                    "columns-swapped",
                    "Centre and neighbour are swapped",
                    lambda sentence, window: pairs_reference(sentence, window).flip(1),
                    "The first column is the centre, the second its neighbour.",
                    "The first rows should all begin with the sentence's first word.",
                ),
                Misconception(
                    "words-compared",
                    "A word next to its own copy is left out",
                    without_equal_words,
                    "You compare words where places should be compared.",
                    "Try `torch.tensor([7, 7])` with window = 1.",
                ),
            ),
        ),
    ),
    (
        "Two loops: one over centres, one over places around the centre.",
        "From `max(0, i - window)` up to and with `i + window`, not beyond the sentence, and not i itself.",
        "Inner loop: `for j in range(max(0, i - window), min(T, i + window + 1))`, skip j == i, collect "
        "`[sentence[i], sentence[j]]`, and make one int64 tensor at the end.",
    ),
    ("course_lib.objectives.skipgram.skipgram_pairs",),
)


# ---- noise and loss ----


def noise_reference(counts: Tensor) -> Tensor:
    """By logarithms: a softmax of 3/4 log count."""
    return (0.75 * counts.double().log()).softmax(0).float()


def by_power(power: float) -> Callable[[Tensor], Tensor]:
    return lambda counts: counts.float() ** power / (counts.float() ** power).sum()


def unlike_counts(generator: Generator) -> tuple[Tensor]:
    size = whole(generator, 5, 9)
    return (torch.randint(1, 40, (size,), generator=generator) ** 2 + torch.arange(size),)


def counts_with_zero(generator: Generator) -> tuple[Tensor]:
    (counts,) = unlike_counts(generator)
    counts[2] = 0
    return (counts,)


def is_distribution(got: Tensor, counts: Tensor) -> str | None:
    if not got.isfinite().all() or got.min() < 0:
        return "some are negative, NaN or infinite"
    return None if abs(float(got.sum()) - 1) < 1e-4 else f"they sum to {float(got.sum()):.4g}"


def loss_reference(centre: Tensor, neighbour: Tensor, noise: Tensor) -> Tensor:
    """As a yes-or-no classifier: label 1 for the neighbour, 0 for noise."""
    words = torch.cat([neighbour[:, None], noise], dim=1)  # (B, 1 + K, d)
    logits = (words @ centre[:, :, None]).squeeze(-1)
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1.0
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1).mean()


def loss_variant(
    true_sign: float = 1.0,
    false_sign: float = -1.0,
    over_noise: Callable[[Tensor], Tensor] = lambda x: x.sum(-1),
    over_batch: Callable[[Tensor], Tensor] = lambda x: x.mean(),
    term: Callable[[Tensor], Tensor] = F.logsigmoid,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The loss with one step replaced."""

    def loss(centre: Tensor, neighbour: Tensor, noise: Tensor) -> Tensor:
        true = term(true_sign * (centre * neighbour).sum(-1))
        false = term(false_sign * (noise * centre[:, None]).sum(-1))
        return -over_batch(true + over_noise(false))

    return loss


def softmax_loss(centre: Tensor, neighbour: Tensor, noise: Tensor) -> Tensor:
    words = torch.cat([neighbour[:, None], noise], dim=1)
    return -torch.einsum("bd,bkd->bk", centre, words).log_softmax(-1)[:, 0].mean()


def vectors(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    B, K, d = sizes(generator, 3, 3, 8)
    return normal(generator, B, d), normal(generator, B, d), normal(generator, B, K, d)


def far_off(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Dot products of several hundred, on the wrong side."""
    centre, _, noise = vectors(generator)
    centre = 10 * centre.sign()
    return centre, -4 * centre, noise


SAMPLING = Task(
    (
        Part(
            "noise_distribution",
            noise_reference,
            ("probabilities (V,)",),
            (
                Case(
                    "they are probabilities: none negative, sum one",
                    unlike_counts,
                    "Divide by the sum of what you have *after* the power.",
                    "Print the sum of what you return.",
                    judge=is_distribution,
                ),
                Case(
                    "right for counts that differ much",
                    unlike_counts,
                    "Each word's share is its count to the power 3/4, over the sum of these.",
                    "Counts of 16 and 81: their powers are 8 and 27.",
                    worth=2,
                ),
                Case(
                    "a word of count zero is never drawn",
                    counts_with_zero,
                    "Zero to the power 3/4 is zero.",
                    "Print what you return for `torch.tensor([0, 16, 81])`.",
                ),
            ),
            (
                Misconception(
                    "plain-counts",
                    "Words are drawn as often as they occur",
                    by_power(1.0),
                    "The power is missing: *the* would be most of the noise.",
                    "Counts of 16 and 81 should give 8 to 27, not 16 to 81.",
                ),
                Misconception(
                    "wrong-power",
                    "The power is 4/3 instead of 3/4",
                    by_power(4 / 3),
                    "That makes frequent words more frequent still.",
                    "Does a rare word gain or lose against its plain share?",
                ),
                Misconception(
                    "square-root",
                    "The power is one half",
                    by_power(0.5),
                    "The idea is right, the power is another: Mikolov et al. found 3/4 best.",
                    "What is 16 to the power 3/4?",
                ),
                Misconception(
                    "uniform",
                    "All words are equally likely",
                    by_power(0.0),
                    "The counts take no part.",
                    "Print it for `torch.tensor([1, 1000])`.",
                ),
                Misconception(
                    "no-denominator",
                    "What is raised is not divided by its own sum",
                    lambda counts: (counts / counts.sum()) ** 0.75,
                    "Shares first, power afterwards: these no longer sum to one.",
                    "Print the sum of what you return.",
                ),
                Misconception(
                    "never-divided",
                    "Nothing is divided at all",
                    lambda counts: counts.float() ** 0.75,
                    "These are weights, not yet probabilities.",
                    "Print the sum of what you return.",
                ),
            ),
        ),
        Part(
            "sampling_loss",
            loss_reference,
            ("the loss, a tensor with one number",),
            (
                Case(
                    "right for random vectors",
                    vectors,
                    "log σ(u·v) for the neighbour, log σ(−u·v) for each noise word; sum over noise, mean "
                    "over the batch, minus in front.",
                    "All vectors zero: each of the 1 + K terms is log 2.",
                    worth=3,
                ),
                Case(
                    "stays finite when a dot product is far off",
                    far_off,
                    "σ(−400) is 0 in float32 and its logarithm minus infinity; torch has a function that "
                    "takes both steps in one.",
                    "Print `torch.sigmoid(torch.tensor(-400.0)).log()`.",
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "noise-attracted",
                    "The noise is pulled near, like the neighbour",
                    loss_variant(false_sign=1.0),
                    "There is nothing to tell the two apart then: all vectors run into one point.",
                    "Which sign stands in front of the dot product with noise?",
                ),
                Misconception(
                    "neighbour-repelled",
                    "The neighbour is pushed away and the noise pulled near",
                    loss_variant(true_sign=-1.0, false_sign=1.0),
                    "Both signs are the wrong way round.",
                    "Should the loss fall or rise when u·v of a real pair grows?",
                ),
                Misconception(
                    "noise-forgotten",
                    "Only the real pairs count",
                    loss_variant(over_noise=lambda x: 0.0),
                    "Without noise the loss falls to zero when all vectors are alike.",
                    "Change `noise` and see whether the loss moves.",
                ),
                Misconception(
                    "noise-averaged",
                    "The noise is averaged, not summed",
                    loss_variant(over_noise=lambda x: x.mean(-1)),
                    "Equation 4 adds up all K noise words.",
                    "All vectors zero and K = 4: the loss should be 5 log 2.",
                ),
                Misconception(
                    "batch-summed",
                    "The batch is summed, not averaged",
                    loss_variant(over_batch=lambda x: x.sum()),
                    "The step would grow with the batch.",
                    "Give the same pair twice: the loss should not move.",
                ),
                Misconception(
                    "no-logarithm",
                    "The logarithm is missing",
                    loss_variant(term=torch.sigmoid),
                    "A likelihood is a product of probabilities; its logarithm is a sum.",
                    "All vectors zero: you add halves. What should you add?",
                ),
                Misconception(
                    "softmax",
                    "A softmax over neighbour and noise",
                    softmax_loss,
                    "That is another loss, InfoNCE (lesson 02). Here each word is a yes-or-no question "
                    "of its own.",
                    "Does your term for the neighbour change when only the noise changes?",
                ),
                Misconception(
                    "overflow",
                    "The logarithm of zero",
                    loss_variant(term=lambda x: x.sigmoid().log()),
                    "Ordinary numbers come out right. Far off, the sigmoid rounds to zero.",
                    "Look for a torch function that is log and sigmoid in one.",
                ),
            ),
        ),
    ),
    (
        "Noise: power first, then divide by the sum. Loss: a yes-or-no question for each of the 1 + K words.",
        "The dot product of (B, d) with (B, K, d): give the first an axis, multiply, sum over the last.",
        "`F.logsigmoid(x)`; plus sign inside for the neighbour, minus for noise; sum over K, mean over B, "
        "and a minus in front of it all.",
    ),
    (
        "course_lib.objectives.skipgram.noise_distribution",
        "course_lib.objectives.skipgram.skipgram_loss",
    ),
)
