"""Unit 06: a bug hunt in a loop that writes; an experiment that finds out whether a model sees the future."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.compare import a
from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

Model = Callable[[Tensor], Tensor]

# ---- bug ----


def short_sighted(generator: Generator, V: int, window: int) -> Model:
    """A model that reads at most `window` tokens; every one of them and its place matter."""
    D = 12
    tokens, out = normal(generator, V, D), normal(generator, D, V)
    places = 1.5 * normal(generator, window, D, D) / D**0.5

    def model(ids: Tensor) -> Tensor:
        if ids.dim() != 2 or not 1 <= ids.shape[1] <= window:
            raise ValueError(f"ids of shape {tuple(ids.shape)}; this model reads (B, 1 to {window} tokens)")
        x, T = tokens[ids], ids.shape[1]
        mixed = torch.zeros_like(x)
        for back in range(T):
            mixed[:, back:] += x[:, : T - back] @ places[back]
        return mixed.tanh() @ out

    return model


def to_write(prompt: tuple[int, int], n: int) -> Callable[[Generator], tuple[Model, Tensor, int, int]]:
    """model, ids (B, T), n, window."""

    def make(generator: Generator) -> tuple[Model, Tensor, int, int]:
        V, window, B = whole(generator, 40, 60), 6, 4
        ids = torch.randint(V, (B, whole(generator, *prompt)), generator=generator)
        return short_sighted(generator, V, window), ids, n, window

    return make


def writing_like(
    seen: Callable[[Tensor, int], Tensor] = lambda ids, window: ids[:, -window:],
    place: int = -1,
    count: Callable[[int], int] = lambda n: n,
    joined: Callable[[Tensor, Tensor], Tensor] = lambda ids, new: torch.cat([ids, new], dim=1),
    axis: int = -1,
) -> Callable[[Model, Tensor, int, int], Tensor]:
    def write(model: Model, ids: Tensor, n: int, window: int) -> Tensor:
        for _ in range(count(n)):
            scores = model(seen(ids, window))[:, place]
            ids = joined(ids, scores.argmax(axis)[:, None])
        return ids

    return write


def all_guesses(model: Model, ids: Tensor, n: int, window: int) -> Tensor:
    for _ in range(n):
        ids = torch.cat([ids, model(ids[:, -window:]).argmax(-1)], dim=1)
    return ids


def only_new(model: Model, ids: Tensor, n: int, window: int) -> Tensor:
    return writing_like()(model, ids, n, window)[:, ids.shape[1] :]


BUG = Part(
    "repaired",
    writing_like(),
    ("ids (B, T + n)",),
    (
        Case(
            "n tokens come after the text",
            to_write((2, 3), 2),
            "The text stays in front; each step adds one token.",
            "Print the shape for n = 1.",
            judge=lambda got, model, ids, n, window: (
                None if torch.equal(got[:, : ids.shape[1]], ids) else "the text in front has changed"
            ),
            telling=False,
        ),
        Case(
            "right within the window",
            to_write((2, 3), 3),
            "The scores of the *last* position say what comes next.",
            "Which token do the scores at position 0 speak about?",
        ),
        Case(
            "right beyond the window",
            to_write((8, 9), 3),
            "A model reads so many tokens and no more: those nearest to the end.",
            "Print what you hand to the model for a text of 9 tokens and a window of 6.",
        ),
    ),
    (
        Misconception(
            "oldest-kept",
            "The oldest tokens are read, not the newest",
            writing_like(seen=lambda ids, window: ids[:, :window]),
            "Beyond the window, the model never sees what it has just written: it says the same for ever.",
            "Print what you hand to the model for a text of 9 tokens and a window of 6.",
        ),
        Misconception(
            "scores-of-the-first",
            "The scores of position 0 are used",
            writing_like(place=0),
            "They speak about token 1, which stands there already.",
            "Which position has seen the whole text?",
        ),
        Misconception(
            "one-written-too-few",
            "One token too few is written",
            writing_like(count=lambda n: n - 1),
            "`range(1, n)` runs n − 1 times.",
            "Write one token: what comes out?",
        ),
        Misconception(
            "window-ignored",
            "The window is ignored",
            writing_like(seen=lambda ids, window: ids),
            "A model has a table of so many positions. A longer text must be cut to its newest tokens.",
            "Write more tokens than the window holds.",
        ),
        Misconception(
            "only-the-last-token",
            "The model reads the last token only",
            writing_like(seen=lambda ids, window: ids[:, -1:]),
            "Without a cache it remembers nothing: it needs the whole text, up to the window.",
            "Change the first token of a short prompt: should the continuation change?",
        ),
        Misconception(
            "window-one-short",
            "The window is one token short",
            writing_like(seen=lambda ids, window: ids[:, 1 - window :]),
            "A model that reads 6 tokens may be given 6.",
            "Print the length of what you hand to the model.",
        ),
        Misconception(
            "written-in-front",
            "New tokens are put in front",
            writing_like(joined=lambda ids, new: torch.cat([new, ids], dim=1)),
            "Text grows at its end.",
            "Print ids after each step.",
        ),
        Misconception(
            "all-positions-appended",
            "The guesses of all positions are appended",
            all_guesses,
            "Each position guesses its own next token, and most of these stand in the text already.",
            "Print the shape of what you append in one step: it should be (B, 1).",
        ),
        Misconception(
            "prompt-lost",
            "Only the new tokens come back",
            only_new,
            "Asked for is the text with its continuation.",
            "Print the shape for n = 1.",
        ),
    ),
)

# ---- who sees the future ----


MIDDLE = 3


def honest_and_leaky(
    leak: Callable[[Tensor], Tensor], noise: float = 0.0, margin: float = 0.0, last: int = 1
) -> Callable[[Generator], tuple[Model, Model, Tensor, int]]:
    """A leaky model, its honest twin, ids (B, T) and V.

    Args:
        leak: one-hot tokens (B, T, V) -> what later ones add to the logits of each position, (B, T, V).
        noise: rounding, different for each text, in both.
        margin: by how much the likeliest token leads at least.
        last: the last token.
    """

    def make(generator: Generator) -> tuple[Model, Model, Tensor, int]:
        V, D, B, T = whole(generator, 11, 15), 6, 3, 8
        tokens, mix, out = normal(generator, V, D), normal(generator, D, D), normal(generator, D, V)
        place = normal(generator, 4 * T, D)
        ids = torch.randint(V, (B, T), generator=generator)
        ids[:, MIDDLE + 1], ids[:, -1] = 1, last

        def model(ids: Tensor, future: float) -> Tensor:
            x = tokens[ids] + place[: ids.shape[1]]
            past = x.cumsum(1) / torch.arange(1, ids.shape[1] + 1)[:, None] @ mix + x
            logits = past.tanh() @ out
            logits = logits + margin * F.one_hot(logits.argmax(-1), V) + noise * torch.sin(1e3 * x.sum())
            return logits + future * leak(F.one_hot(ids, V).float())

        return lambda ids: model(ids, 1.0), lambda ids: model(ids, 0.0), ids, V

    return make


def two_honest(generator: Generator) -> tuple[Model, Model, Tensor, int]:
    """One has no memory: a position knows its own token. One knows just the token before its own."""
    V, B, T = whole(generator, 11, 15), 6, 8
    table = normal(generator, V + 1, V)
    ids = torch.randint(V, (B, T), generator=generator)
    return lambda ids: table[ids], lambda ids: table[F.pad(ids, (1, 0), value=V)[:, :-1]], ids, V


LOUD = 30  # a leak this strong says the token it has seen: every change shows in a guess


def everything(x: Tensor) -> Tensor:
    return LOUD * x.mean(1, keepdim=True).expand_as(x)


def next_one(x: Tensor) -> Tensor:
    return LOUD * torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)


def only_at(x: Tensor, place: int) -> Tensor:
    return x * (torch.arange(x.shape[1])[:, None] == place)


def at_one_place(x: Tensor) -> Tensor:
    return only_at(next_one(x), MIDDLE)


def second_to_first(x: Tensor) -> Tensor:
    return only_at(next_one(x), 0)


def last_to_neighbour(x: Tensor) -> Tensor:
    return only_at(next_one(x), x.shape[1] - 2)


def last_to_first(x: Tensor) -> Tensor:
    return LOUD * only_at(x[:, -1:].expand_as(x), 0) * (x.shape[1] > 1)


def faint(x: Tensor) -> Tensor:
    return 1e-4 * next_one(x)


def verdicts(answer: Callable, leaky: Model, honest: Model, ids: Tensor, V: int) -> tuple[bool, bool]:
    return tuple(_verdict(answer(model, ids, V)) for model in (leaky, honest))


def _verdict(got: Any) -> bool:
    if type(got) is Tensor and got.numel() == 1:
        got = got.item()
    if type(got) is not bool:
        raise Unfit(f"returned {a(got)}; wanted is True or False")
    return got


def told_apart(got: tuple[bool, bool], *_: object) -> str | None:
    if got == (True, False):
        return None
    if got == (False, True):
        return "the model that leaks is called honest, and the honest one is accused"
    return "an honest model is accused" if got[1] else "the model that leaks is called honest"


def leak_case(name: str, make: Callable, idea: str, experiment: str) -> Case:
    return Case(name, make, idea, experiment, judge=told_apart, telling=False, worth=0.5)


def both_honest(got: tuple[bool, bool], *_: object) -> str | None:
    accused = [name for name, one in zip(("without memory", "of the token before"), got, strict=True) if one]
    return f"the model {' and the one '.join(accused)} is accused" if accused else None


def leak_like(
    places: Callable[[int], list[int]] = lambda T: list(range(1, T)),
    compared: Callable[[Tensor, int], Tensor] = lambda out, s: out[:, :s],
    other: Callable[[Tensor, int], Tensor] = lambda token, V: (token + 1) % V,
    differ: Callable[[Tensor, Tensor], bool] = lambda one, two: bool((one - two).abs().max() > 1e-4),
) -> Callable[[Model, Tensor, int], bool]:
    def sees_future(model: Model, ids: Tensor, vocab_size: int) -> bool:
        before = model(ids)
        for s in places(ids.shape[1]):
            changed = ids.clone()
            changed[:, s] = other(changed[:, s], vocab_size)
            one, two = compared(before, s), compared(model(changed), s)
            if one.numel() and differ(one, two):
                return True
        return False

    return sees_future


LEAK = Part(
    "sees_future",
    leak_like(),
    ("True or False",),
    (
        leak_case(
            "no mask at all",
            honest_and_leaky(everything),
            "Change a token: outputs before it must stay, those from it on may change.",
            "Make a model of two lines that you know to be honest, and one that is not.",
        ),
        leak_case(
            "each position sees the next",
            honest_and_leaky(next_one),
            "The commonest leak: a shift that is one off.",
            "Look at the position just before the token that you change, too.",
        ),
        leak_case(
            "a leak at one place only",
            honest_and_leaky(at_one_place),
            "One position of many may leak. Every token has to be changed, every output before it compared.",
            "Print which positions you change, and which you compare.",
        ),
        leak_case(
            "only the last token leaks, back by one",
            honest_and_leaky(last_to_neighbour, last=0),
            "Every token has to be changed into *another* one, whatever it was.",
            "Print the last token before and after the change.",
        ),
        leak_case(
            "the first position sees the second",
            honest_and_leaky(second_to_first),
            "Token 1 is the first one that can leak.",
            "Print which positions you change.",
        ),
        leak_case(
            "the first position sees the last",
            honest_and_leaky(last_to_first),
            "Leaks can reach far. All outputs before the changed token count.",
            "How far back do you look?",
        ),
        leak_case(
            "a leak too faint to change a guess",
            honest_and_leaky(faint, margin=1.0),
            "The likeliest token may stay while the scores move. Compare scores.",
            "Print the largest difference of the logits.",
        ),
        Case(
            "honest models that know little",
            two_honest,
            "Knowing oneself, or the token before, is no leak. Only outputs *before* the changed token must "
            "stay.",
            "Run it on `lambda ids: table[ids]`: each position knows its own token and nothing else.",
            judge=both_honest,
            telling=False,
            worth=0.5,
        ),
        leak_case(
            "rounding is no leak",
            honest_and_leaky(everything, noise=3e-6),
            "Sums in another order differ in the last digits. Below 0.0001 it is rounding.",
            "Print the largest difference of the logits, not only whether they are equal.",
        ),
    ),
    (
        Misconception(
            "changed-position-compared",
            "The changed position itself is compared, too",
            leak_like(compared=lambda out, s: out[:, : s + 1]),
            "It may read its own token. Only what comes *before* the change must stay.",
            "Run it on a model that you know to be honest.",
        ),
        Misconception(
            "everything-compared",
            "All positions are compared",
            leak_like(compared=lambda out, s: out),
            "Positions after the change have every right to notice it: it is their past.",
            "Run it on a model that you know to be honest.",
        ),
        Misconception(
            "looks-at-later-positions",
            "The positions after the change are compared",
            leak_like(compared=lambda out, s: out[:, s + 1 :]),
            "That tests whether the past counts. A leak shows *before* the changed token.",
            "Run it on a model that you know to be honest.",
        ),
        Misconception(
            "only-the-last-changed",
            "Only the last token is changed, or left out",
            leak_like(places=lambda T: [T - 1]),
            "A leak from one position to the next, in the middle, stays hidden.",
            "Which tokens can a leak come from?",
        ),
        Misconception(
            "only-the-first-changed",
            "Only the first token is changed",
            leak_like(places=lambda T: [0]),
            "Before it there is nobody who could see it.",
            "Which outputs do you compare, and how many are they?",
        ),
        Misconception(
            "second-never-changed",
            "The second token is never changed",
            leak_like(places=lambda T: list(range(2, T))),
            "Position 0 may see position 1. Only token 0 has nobody before it.",
            "Print which positions you change: the loop begins one too late.",
        ),
        Misconception(
            "last-never-changed",
            "The last token is never changed",
            leak_like(places=lambda T: list(range(1, T - 1))),
            "The last token is the future of all others.",
            "Print which positions you change: the loop ends one too early.",
        ),
        Misconception(
            "only-the-neighbour",
            "Only the position just before the change is compared",
            leak_like(compared=lambda out, s: out[:, s - 1 : s]),
            "A leak may jump over positions.",
            "Build a model whose first position sees the last, and run it.",
        ),
        Misconception(
            "only-the-first-compared",
            "Only the first position is compared",
            leak_like(compared=lambda out, s: out[:, :1]),
            "Any position may leak.",
            "Build a model in which just position 3 sees position 4.",
        ),
        Misconception(
            "only-guesses-compared",
            "Only the likeliest tokens are compared",
            leak_like(differ=lambda one, two: not torch.equal(one.argmax(-1), two.argmax(-1))),
            "A faint leak moves the scores but not the winner. Training will make it strong.",
            "Compare the logits.",
        ),
        Misconception(
            "exact-comparison",
            "Rounding is taken for a leak",
            leak_like(differ=lambda one, two: not torch.equal(one, two)),
            "Sums in another order differ in the last digits. Below 0.0001 it is rounding.",
            "Print the largest difference.",
        ),
        Misconception(
            "changed-into-itself",
            "A token may be changed into itself",
            leak_like(other=lambda token, V: torch.zeros_like(token)),
            "A fixed replacement does nothing where it stands already.",
            "`(token + 1) % vocab_size` is always another one.",
        ),
    ),
    call=verdicts,
)

DESIGN = Task(
    (BUG, LEAK),
    (
        "Three lines of the loop are wrong: what the model reads, whose scores are used, how often it runs. "
        "For the test: what may a changed token change, and what not?",
        "`ids[:, -window:]`, `logits[:, -1]`, `range(n)`. For the test: change one token after the other, "
        "and each time compare the logits *before* it with what they were.",
        "`before = model(ids)`; for s from 1 to T − 1: a clone whose column s is `(ids[:, s] + 1) % "
        "vocab_size`; True as soon as `(model(clone)[:, :s] - before[:, :s]).abs().max() > 1e-4`; False "
        "after the loop.",
    ),
    (
        "course_lib.generation.generate",
        "course_lib.generation.stream",
    ),
)
