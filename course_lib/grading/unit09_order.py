"""Unit 09: sentences in another order, a text turned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit09_words import became, text


def permute_like(
    keeps_rest: bool = True,
    stop_leads: bool = False,
    keeps_stops: bool = True,
    adds_stop: bool = False,
    by_place: bool = False,
    inside: bool = False,
    only: str = "",
) -> Callable[..., list]:
    """`inside`: the words of each sentence are turned, too; `only`: the one stop that is known."""

    def permute(tokens: list[str], order: list[int], stop: str = ".") -> list[str]:
        found, stop = [[]], only or stop
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
        if not keeps_stops:
            found = [[token for token in sentence if token != stop] for sentence in found]
        if adds_stop and last:
            found[-1] = [*last, stop]
        if inside:
            found = [sentence[::-1] for sentence in found]
        chosen = [order.index(i) for i in range(len(order))] if by_place else order
        return [token for i in chosen for token in found[i]]

    return permute


def day(ended: bool, stop: str = ".") -> Callable[[Generator], tuple]:
    """Four sentences; the last with or without a stop; an order that is not its own inverse.

    With another stop than "." such a one stands inside of each sentence.
    """

    def make(generator: Generator) -> tuple:
        words, tokens = text(generator, 14), []
        for n in (3, 2, 4, 3):
            sentence = [words.pop() for _ in range(n)]
            tokens += [*sentence[:1], *([] if stop == "." else ["."]), *sentence[1:], stop]
        orders = ([1, 2, 3, 0], [2, 3, 1, 0], [3, 0, 1, 2], [1, 3, 0, 2])
        order = orders[whole(generator, 0, 3)]
        return tokens if ended else tokens[:-1], order, *([] if stop == "." else [stop])

    return make


def rotate_like(cut: Callable[[list, int], list]) -> Callable[..., list]:
    return lambda tokens, start: cut(tokens, start)


def turn(generator: Generator) -> tuple:
    n = 2 * whole(generator, 3, 5) + 1  # odd: half an even text turned either way is the same
    return text(generator, n), whole(generator, 2, n - 3)


def no_turn(generator: Generator) -> tuple:
    return text(generator, whole(generator, 4, 6)), 0


MISSING = ["IndexError"]


def permutes(answer: Callable[..., list], *given: Any) -> list:
    """MISSING for an index out of range, so that a lost sentence does not hide what else is wrong."""
    try:
        return answer(*given)
    except IndexError:
        return MISSING


def permuted(got: list[str], tokens: list[str], order: list[int], *stop: str) -> str | None:
    if list(got) == permute_like()(tokens, order, *stop):
        return None
    if list(got) == MISSING:
        return f"stopped with IndexError: no sentence {max(order)} was found in `{' '.join(tokens)}`"
    return f"in the order {order} {became(tokens, got)}"


def rotated(got: list[str], tokens: list[str], start: int) -> str | None:
    if list(got) == tokens[start:] + tokens[:start]:
        return None
    return f"with start {start} {became(tokens, got)}"


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
                    judge=permuted,
                ),
                Case(
                    "the last sentence has no stop",
                    day(ended=False),
                    "What stands behind the last stop is a sentence, too. Nothing may be lost.",
                    "Compare the number of tokens before and after.",
                    judge=permuted,
                ),
                Case(
                    "sentences that end with another mark",
                    day(ended=True, stop="!"),
                    "`stop` says what ends a sentence; a point may stand inside, as in *3 . 5 km !*",
                    'Call it with stop="!" on *a . b ! c !* and order [1, 0].',
                    judge=permuted,
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
                    "stops-lost",
                    "The stops are lost",
                    permute_like(keeps_stops=False),
                    "A stop belongs to its sentence. Without it nobody can tell where one ended.",
                    "Compare the number of tokens before and after.",
                ),
                Misconception(
                    "stop-added",
                    "A last sentence without a stop gets one",
                    permute_like(adds_stop=True),
                    "The noise only moves what is there. Put a stop where one was, and nowhere else.",
                    "Compare the number of tokens before and after.",
                ),
                Misconception(
                    "point-only",
                    "Only a point ends a sentence",
                    permute_like(only="."),
                    "What ends a sentence is handed over as `stop`.",
                    "Is `stop` used anywhere in your function?",
                ),
                Misconception(
                    "words-turned",
                    "The words of each sentence are in another order, too",
                    permute_like(inside=True),
                    "Sentences change places; inside of each nothing moves.",
                    "Compare one sentence before and after.",
                ),
                Misconception(
                    "order-inverted",
                    "`order` is read as where each sentence goes",
                    permute_like(by_place=True),
                    "order[0] is the number of the sentence that comes first.",
                    "Try order [1, 2, 0] on three sentences and say aloud which comes first.",
                ),
            ),
            permutes,
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
                    judge=rotated,
                ),
                Case(
                    "a turn by nothing changes nothing",
                    no_turn,
                    "start 0 is the text itself.",
                    "Try start 0.",
                    judge=rotated,
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
                Misconception(
                    "one-too-far",
                    "The text is turned one place too far",
                    rotate_like(lambda tokens, start: tokens[start + 1 :] + tokens[: start + 1]),
                    "It has to begin with tokens[start], not with the token behind it.",
                    "Print your first token and tokens[start].",
                ),
                Misconception(
                    "cut-out",
                    "The token at `start` is lost",
                    rotate_like(lambda tokens, start: tokens[start + 1 :] + tokens[:start]),
                    "Rotation only moves: all tokens are there again.",
                    "Compare the lengths.",
                ),
                Misconception(
                    "two-swapped",
                    "Two tokens change places",
                    rotate_like(
                        lambda tokens, start: [
                            tokens[{0: start, start: 0}.get(i, i)] for i in range(len(tokens))
                        ]
                    ),
                    "The text is turned as a whole: what stood behind tokens[start] still stands behind it.",
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
