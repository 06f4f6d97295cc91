"""Unit 09: noises on rows of words, a measure for repairs, and numbers to predict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

WORDS = ["비", "가", "온다", "오늘", "도", "the", "rain", "falls", "on", "roofs", "and", "I", "read", "a"]
WORDS += ["book", "about", "old", "towns", "by", "lamp", "light"]
MASK = "[MASK]"
Spans = list[tuple[int, int]]


def text(generator: Generator, n: int) -> list[str]:
    return [WORDS[i] for i in torch.randperm(len(WORDS), generator=generator)[:n]]


# ---- infilling ----


def infill_like(
    stands: Callable[[int, str], list[str]] = lambda length, mask: [mask], merged: bool = False
) -> Callable[..., list[str]]:
    """`stands`: what stands in the place of a span of that length."""

    def infill(tokens: list[str], spans: Spans, mask: str) -> list[str]:
        made, end, open_ = [], 0, False
        for start, length in spans:
            made += tokens[end:start]
            if not (merged and open_ and start == end):
                made += stands(length, mask)
            end, open_ = start + length, True
        return made + tokens[end:]

    return infill


def spans_of(lengths: Sequence[int], gaps: Sequence[int]) -> Callable[[Generator], tuple]:
    def make(generator: Generator) -> tuple:
        spans, start = [], 0
        for gap, length in zip(gaps, lengths):
            spans.append((start + gap, length))
            start += gap + length
        return text(generator, start + gaps[-1]), spans, MASK

    return make


INFILL = Task(
    (
        Part(
            "infill",
            infill_like(),
            ("the damaged text, a list",),
            (
                Case(
                    "a span becomes one mask, however long",
                    spans_of((3, 2), (1, 2, 2)),
                    "The model has to find out how much is missing.",
                    "Count the masks and the spans.",
                    worth=2,
                ),
                Case(
                    "an empty span puts a mask where nothing is missing",
                    spans_of((2, 0, 1), (1, 2, 1, 1)),
                    "A Poisson length may be 0: nothing goes, a mask comes.",
                    "Call it with the one span (1, 0): is the text longer by one?",
                    worth=2,
                ),
                Case(
                    "two spans that touch are two masks",
                    spans_of((2, 2), (2, 0, 2)),
                    "Each span was drawn by itself and has a mask of its own.",
                    "Call it with spans (1, 1) and (2, 1) on four words.",
                ),
            ),
            (
                Misconception(
                    "one-mask-a-token",
                    "Each hidden token becomes a mask",
                    infill_like(lambda length, mask: [mask] * length),
                    "That is masking. It tells the model how long the span was.",
                    "Count the masks and the spans.",
                ),
                Misconception(
                    "empty-spans-dropped",
                    "Empty spans leave no mask",
                    infill_like(lambda length, mask: [mask] if length else []),
                    "Then a mask always means that something is missing, and the model learns to write a "
                    "word at each.",
                    "Call it with the one span (1, 0).",
                ),
                Misconception(
                    "spans-deleted",
                    "The spans are taken out without a mask",
                    infill_like(lambda length, mask: []),
                    "That is deletion of spans: the model does not even learn where.",
                    "Count the masks and the spans.",
                ),
                Misconception(
                    "touching-spans-merged",
                    "Spans that touch share a mask",
                    infill_like(merged=True),
                    "Two spans were drawn, so two masks stand there.",
                    "Call it with spans (1, 1) and (2, 1) on four words.",
                ),
            ),
        ),
    ),
    (
        "Walk over the spans once and keep the place where the last one ended.",
        "Copy what stands between the last end and this start, then put one mask, whatever the length.",
        "`made += tokens[end:start] + [mask]`, `end = start + length`, and the rest behind the loop.",
    ),
    ("course_lib.objectives.denoising.text_infilling",),
)

# ---- order ----


def permute_like(
    keeps_rest: bool = True, stop_leads: bool = False, by_place: bool = False
) -> Callable[..., list]:
    def permute(tokens: list[str], order: list[int], stop: str = ".") -> list[str]:
        found: list[list[str]] = [[]]
        for token in tokens:
            if token == stop and stop_leads:
                found.append([token])
                continue
            found[-1].append(token)
            if token == stop and not stop_leads:
                found.append([])
        last = found.pop()
        if last and keeps_rest:
            found.append(last)
        chosen = [order.index(i) for i in range(len(order))] if by_place else order
        return [token for i in chosen if i < len(found) for token in found[i]]

    return permute


def day(ended: bool) -> Callable[[Generator], tuple]:
    """Four sentences; the last with or without a stop; an order that is not its own inverse."""

    def make(generator: Generator) -> tuple:
        words, tokens = text(generator, 14), []
        for n in (3, 2, 4, 3):
            tokens += [words.pop() for _ in range(n)] + ["."]
        orders = ([1, 2, 3, 0], [2, 3, 1, 0], [3, 0, 1, 2], [1, 3, 0, 2])
        return tokens if ended else tokens[:-1], orders[whole(generator, 0, 3)]

    return make


def rotate_like(cut: Callable[[list, int], list]) -> Callable[..., list]:
    return lambda tokens, start: cut(tokens, start)


def turn(generator: Generator) -> tuple:
    n = whole(generator, 7, 11)
    return text(generator, n), whole(generator, 2, n - 3)


def no_turn(generator: Generator) -> tuple:
    return text(generator, whole(generator, 4, 6)), 0


ORDER = Task(
    (
        Part(
            "permute",
            permute_like(),
            ("the sentences in that order, a list of tokens",),
            (
                Case(
                    "four sentences with their stops",
                    day(ended=True),
                    "A sentence ends with its stop; `order` names which sentence comes first, second …",
                    "Print your list of sentences before you order them.",
                    worth=2,
                ),
                Case(
                    "the last sentence has no stop",
                    day(ended=False),
                    "What stands behind the last stop is a sentence, too. Nothing may be lost.",
                    "Compare the number of tokens before and after.",
                ),
            ),
            (
                Misconception(
                    "rest-lost",
                    "A last sentence without a stop is lost",
                    permute_like(keeps_rest=False),
                    "A noise that loses words asks the model to guess them.",
                    "Compare the number of tokens before and after.",
                ),
                Misconception(
                    "stop-leads",
                    "The stop goes to the sentence behind it",
                    permute_like(stop_leads=True),
                    "A full stop ends its sentence and moves with it.",
                    "Print your list of sentences.",
                ),
                Misconception(
                    "order-inverted",
                    "`order` is read as where each sentence goes",
                    permute_like(by_place=True),
                    "order[0] is the number of the sentence that comes first.",
                    "Try order [1, 2, 0] on three sentences and say aloud which comes first.",
                ),
            ),
        ),
        Part(
            "rotate",
            rotate_like(lambda tokens, start: tokens[start:] + tokens[:start]),
            ("the rotated text, a list",),
            (
                Case(
                    "begins with the token at `start`, and loses none",
                    turn,
                    "What stood before it comes at the end, in its own order.",
                    "Turn the letters a b c d to begin with c.",
                    worth=2,
                ),
                Case(
                    "a turn by nothing changes nothing",
                    no_turn,
                    "start 0 is the text itself.",
                    "Try start 0.",
                ),
            ),
            (
                Misconception(
                    "front-lost",
                    "What stood in front is lost",
                    rotate_like(lambda tokens, start: tokens[start:]),
                    "Rotation only moves; a model can find the beginning again because all is there.",
                    "Compare the lengths.",
                ),
                Misconception(
                    "turned-the-other-way",
                    "The last tokens come to the front",
                    rotate_like(lambda tokens, start: tokens[-start:] + tokens[:-start] if start else tokens),
                    "The text has to begin with tokens[start].",
                    "Print your first token and tokens[start].",
                ),
                Misconception(
                    "front-reversed",
                    "The front comes back reversed",
                    rotate_like(lambda tokens, start: tokens[start:] + tokens[:start][::-1]),
                    "What stood before keeps its order.",
                    "Turn the letters a b c d to begin with c.",
                ),
            ),
        ),
    ),
    (
        "One is about sentences, one about tokens; in both nothing is lost.",
        "Collect sentences in a list of lists, a new one after each stop; what is left over is one more.",
        "Sentences: append to the last list, and open a new one after a stop. Rotation: two slices.",
    ),
    (
        "course_lib.objectives.denoising.sentence_permutation",
        "course_lib.objectives.denoising.document_rotation",
    ),
)

# ---- ROUGE-L ----


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for a in one:
        before = row[:]
        for j, b in enumerate(other):
            row[j + 1] = before[j] + 1 if a == b else max(before[j + 1], row[j])
    return row[-1]


def longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    best = 0
    for i in range(len(one)):
        for j in range(len(other)):
            n = 0
            while i + n < len(one) and j + n < len(other) and one[i + n] == other[j + n]:
                n += 1
            best = max(best, n)
    return best


def shared_words(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(min(one.count(word), other.count(word)) for word in set(one))


def rouge_like(
    common: Callable[[Sequence[str], Sequence[str]], int] = longest_common,
    both: Callable[[float, float], float] = lambda p, r: 2 * p * r / (p + r) if p + r else 0.0,
) -> Callable[..., float]:
    """`both` makes one number of precision and recall."""

    def rouge_l(written: list[str], wanted: list[str]) -> float:
        n = common(written, wanted)
        return float(both(n / len(written), n / len(wanted)))

    return rouge_l


def compared(generator: Generator) -> tuple[list[str], list[str]]:
    """A text and one that keeps some of its words in order, moves some, and has others between."""
    while True:
        words = text(generator, 14)
        wanted = words[:8]
        kept = [word for word in wanted if torch.rand((), generator=generator) < 0.7]
        written = kept[2:4] + kept[:2] + kept[4:] + words[8 : 8 + whole(generator, 1, 3)]
        written.insert(whole(generator, 1, len(written) - 1), words[12])
        numbers = {round(way(written, wanted), 4) for way in (rouge_like(), *WRONG_ROUGE.values())}
        if len(numbers) == 1 + len(WRONG_ROUGE):
            return written, wanted


def ten(generator: Generator) -> tuple[list[tuple[list[str], list[str]]]]:
    """One pair may come out right by luck; ten do not."""
    return ([compared(generator) for _ in range(10)],)


def each_of(answer: Callable[..., float], pairs: list[tuple[list[str], list[str]]]) -> torch.Tensor:
    return torch.tensor([float(answer(*pair)) for pair in pairs])


WRONG_ROUGE = {
    "one-run-only": rouge_like(longest_run),
    "order-ignored": rouge_like(shared_words),
    "recall-only": rouge_like(both=lambda p, r: r),
    "precision-only": rouge_like(both=lambda p, r: p),
    "plain-mean": rouge_like(both=lambda p, r: (p + r) / 2),
}

ROUGE = Task(
    (
        Part(
            "rouge_l",
            rouge_like(),
            ("ROUGE-L, a float from 0 to 1",),
            (
                Case(
                    "the same text has 1",
                    lambda generator: (words := text(generator, whole(generator, 4, 7)), list(words)),
                    "All words are there, in order: precision and recall are 1.",
                    "Call it with the same list twice.",
                    telling=False,
                ),
                Case(
                    "nothing in common has 0",
                    lambda generator: (text(generator, 6)[:3], ["x", "y"]),
                    "Then precision and recall are 0, and nothing may be divided by their sum.",
                    "Call it with [a] and [b].",
                    telling=False,
                ),
                Case(
                    "words kept, moved, left out and put in",
                    ten,
                    "The longest common subsequence: the same order, gaps allowed. Then F of both shares.",
                    "Find it by hand for a b c d and a x c d b.",
                    call=each_of,
                    names=("ROUGE-L of ten pairs",),
                    worth=2,
                ),
                Case(
                    "once more, with other words",
                    ten,
                    "Precision divides by what was written, recall by what was wanted.",
                    "Print the three numbers.",
                    call=each_of,
                    names=("ROUGE-L of ten pairs",),
                    worth=2,
                ),
            ),
            (
                Misconception(
                    "one-run-only",
                    "The words must stand side by side",
                    WRONG_ROUGE["one-run-only"],
                    "A subsequence may have gaps. The longest common *run* is another thing.",
                    "What is common to a b c and a x b x c?",
                ),
                Misconception(
                    "order-ignored",
                    "The order is ignored",
                    WRONG_ROUGE["order-ignored"],
                    "That is ROUGE-1: shared words, in any order.",
                    "Compare a b c with c b a.",
                ),
                Misconception(
                    "recall-only",
                    "Only recall is counted",
                    WRONG_ROUGE["recall-only"],
                    "Then whoever writes everything gets 1.",
                    "Put ten more words into `written`.",
                ),
                Misconception(
                    "precision-only",
                    "Only precision is counted",
                    WRONG_ROUGE["precision-only"],
                    "Then one right word is enough for 1.",
                    "Write only the first word.",
                ),
                Misconception(
                    "plain-mean",
                    "Precision and recall are averaged plainly",
                    WRONG_ROUGE["plain-mean"],
                    "F is their harmonic mean, 2pr / (p + r): one bad number pulls it down.",
                    "Compare for p = 1 and r = 0.1.",
                ),
            ),
        ),
    ),
    (
        "Two steps: how many words are common in order, and what share of each text that is.",
        "A table: best[i][j] for the first i words of one text and the first j of the other. Equal words: "
        "one more than diagonally before; else the better of the two neighbours.",
        "p = n / len(written), r = n / len(wanted), 2pr / (p + r), and 0 where n is 0.",
    ),
    ("course_lib.metrics.rouge",),
)

# ---- numbers to predict ----

RIGHT = {
    "masked": 100,
    "deleted": 70,
    "infilled": 80,
    "empty": round(math.exp(-3), 3),
    "orders": math.factorial(4),
    "written": 100,
}


def prediction(key: str) -> Callable[[Callable], Any]:
    def call(answer: Callable) -> Any:
        made = answer()
        if type(made) is not dict or key not in made:
            raise Unfit(f"no number for {key}: return a dict with the keys {', '.join(RIGHT)}")
        number = made[key]
        return round(float(number), 3) if key == "empty" and type(number) in (int, float) else number

    return call


def predicted(**changed: float) -> Callable[[], dict[str, float]]:
    return lambda: RIGHT | changed


def number_case(key: str, name: str, idea: str, experiment: str) -> Case:
    return Case(
        name,
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: None if got == RIGHT[key] else f"predicted was {got:,}",
        call=prediction(key),
        names=(f"the number for {key}",),
    )


PREDICT = Task(
    (
        Part(
            "predict",
            predicted(),
            ("a dict of numbers",),
            (
                number_case(
                    "masked",
                    "tokens after masking",
                    "A mask takes the place of its token.",
                    "Mask a short text and count.",
                ),
                number_case(
                    "deleted",
                    "tokens after deletion",
                    "30 of 100 go, and nothing comes in their place.",
                    "Delete from a short text and count.",
                ),
                number_case(
                    "infilled",
                    "tokens after infilling",
                    "30 tokens go in spans of 3 on average; each span leaves one mask.",
                    "How many spans hide 30 tokens?",
                ),
                number_case(
                    "empty",
                    "share of empty spans",
                    "A Poisson variable with mean λ is 0 in e^-λ of all cases.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                number_case(
                    "orders",
                    "orders of four sentences",
                    "Four choices for the first, three for the second …",
                    "Write down all orders of three.",
                ),
                number_case(
                    "written",
                    "tokens the decoder writes",
                    "Whatever the noise, the target is the whole text.",
                    "What are the labels of a denoising batch?",
                ),
            ),
            (
                Misconception(
                    "masks-take-no-room",
                    "Masked tokens are taken away",
                    predicted(masked=70),
                    "Masking keeps the length: that is what tells it from deletion.",
                    "Mask a short text and count.",
                ),
                Misconception(
                    "deletion-keeps-length",
                    "Deleted tokens leave something behind",
                    predicted(deleted=100),
                    "Nothing marks the place.",
                    "Delete from a short text and count.",
                ),
                Misconception(
                    "infilling-without-masks",
                    "The masks of infilling are not counted",
                    predicted(infilled=70),
                    "Each span leaves one mask.",
                    "How many spans hide 30 tokens?",
                ),
                Misconception(
                    "one-mask-for-all",
                    "One mask for all that is hidden",
                    predicted(infilled=71),
                    "One for each span: about ten of them.",
                    "How many spans hide 30 tokens?",
                ),
                Misconception(
                    "never-empty",
                    "A span is never empty",
                    predicted(empty=0.0),
                    "The law says otherwise, and an empty span teaches that a mask may hide nothing.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                Misconception(
                    "one-in-three",
                    "One span in three is empty",
                    predicted(empty=round(1 / 3, 3)),
                    "The probability of 0 is e to the minus λ.",
                    "Draw `torch.poisson(torch.full((10_000,), 3.0))` and count the zeros.",
                ),
                Misconception(
                    "squared",
                    "Orders are counted as squares",
                    predicted(orders=16),
                    "No sentence comes twice: 4 · 3 · 2 · 1.",
                    "Write down all orders of three.",
                ),
                Misconception(
                    "holes-only",
                    "The decoder writes only what was hidden",
                    predicted(written=30),
                    "That is T5. BART writes the text again, as it was.",
                    "What are the labels of a denoising batch?",
                ),
            ),
        ),
    ),
    (
        "Take ten tokens, hide three, and count by hand for each noise.",
        "Infilling: 30 tokens in spans of 3 are ten spans. Poisson: P(0) = e^-λ.",
        "100, 70, 100 - 30 + 10, e^-3, 4 · 3 · 2 · 1, 100.",
    ),
)
