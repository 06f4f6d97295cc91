"""Unit 05: hide tokens as BERT does, anew in each epoch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

# ---- hide ----


def drawn(generator: Generator) -> tuple[Tensor, Tensor, int, Tensor, Tensor, Tensor]:
    """ids (B, T), special (B, T), mask_id, choice, fate, anything: with all kinds of tokens and fates."""
    B, T = whole(generator, 5, 7), whole(generator, 30, 36)
    mask_id = whole(generator, 3, 9)
    ids = torch.randint(10, 60, (B, T), generator=generator)
    special = torch.zeros(B, T, dtype=torch.bool)
    special[:, 0] = special[:, -3:] = True
    ids[special] = mask_id - 1
    choice, fate = (torch.rand(B, T, generator=generator) for _ in range(2))
    choice[:, 1:11] *= 0.14  # many chosen
    choice[:, 12:16] = 0.15 + 0.85 * choice[:, 12:16]
    fixed = {0: 0.4, 1: 0.31, 2: 0.83, 3: 0.97, 4: 0.8, 5: 0.9, 12: 0.2, 13: 0.84, 14: 0.96}
    for place, value in fixed.items():
        fate[:, place] = value
    choice[:, 16] = 0.15
    choice[:, 0] = choice[:, -2] = 0.05  # markers that a draw would choose
    fate[:, -3] = 0.85
    anything = ids.flip(0).roll(5, dims=1) + 100
    return ids, special, mask_id, choice, fate, anything


def hide_like(
    chosen: Callable[..., Tensor] = lambda ids, special, choice: ~special & (choice < 0.15),
    masked: Callable[[Tensor, Tensor], Tensor] = lambda chosen, fate: chosen & (fate < 0.8),
    swapped: Callable[[Tensor, Tensor], Tensor] = lambda chosen, fate: chosen & (fate >= 0.8) & (fate < 0.9),
    scored: Callable[..., Tensor] = lambda chosen, ids, inputs: chosen,
    label: Callable[[Tensor, Tensor], Tensor] = lambda ids, inputs: ids,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """The right rule, or one with a part exchanged."""

    def hide(
        ids: Tensor, special: Tensor, mask_id: int, choice: Tensor, fate: Tensor, anything: Tensor
    ) -> tuple[Tensor, Tensor]:
        mine = chosen(ids, special, choice)
        hidden, random = masked(mine, fate), swapped(mine, fate)
        inputs = torch.where(hidden, torch.full_like(ids, mask_id), torch.where(random, anything, ids))
        labels = torch.where(scored(mine, ids, inputs), label(ids, inputs), torch.full_like(ids, -100))
        return inputs, labels

    return hide


def special_left_alone(got: tuple[Tensor, Tensor], ids: Tensor, special: Tensor, *_: object) -> str | None:
    inputs, labels = got
    touched, scored = int((inputs != ids)[special].sum()), int((labels != -100)[special].sum())
    if touched or scored:
        return f"{touched} special tokens were replaced, {scored} have a label"
    return None


def chosen_only(got: tuple[Tensor, Tensor], *given: object) -> str | None:
    want = hide_like()(*given)[1]
    more = int(((got[1] != -100) & (want == -100)).sum())
    fewer = int(((got[1] == -100) & (want != -100)).sum())
    if more or fewer:
        return f"{more} tokens are scored that were not chosen; {fewer} chosen ones are not scored"
    return None


HIDE = Part(
    "hide",
    hide_like(),
    ("inputs (B, T)", "labels (B, T)"),
    (
        Case(
            "special tokens and padding are left alone",
            drawn,
            "Guessing a marker teaches nothing. `special` is True at [CLS], [SEP] and padding.",
            "Print `inputs[special]` and `ids[special]`.",
            judge=special_left_alone,
        ),
        Case(
            "labels stand at the chosen tokens, and only there",
            drawn,
            "All chosen tokens are scored, whatever became of them; all others have the label -100.",
            "Count `(labels != -100).sum()` and your chosen tokens.",
            judge=chosen_only,
        ),
        Case(
            "inputs and labels are right for every token",
            drawn,
            "A chosen token becomes [MASK], another token, or stays, by its fate: below 0.8, below 0.9, "
            "the rest.",
            "Write ids, choice, fate, inputs and labels of one row below each other.",
            worth=2,
        ),
    ),
    (
        Misconception(
            "special-tokens-hidden",
            "Special tokens are chosen as well",
            hide_like(chosen=lambda ids, special, choice: choice < 0.15),
            "[CLS], [SEP] and padding are drawn like words. BERT would learn to guess markers.",
            "Print `ids[labels != -100]`: which of these are markers?",
        ),
        Misconception(
            "only-special-tokens-hidden",
            "Only special tokens are chosen",
            hide_like(chosen=lambda ids, special, choice: special & (choice < 0.15)),
            "`special` is True where nothing may happen.",
            "Print `ids[labels != -100]`.",
        ),
        Misconception(
            "loss-on-unmasked",
            "Every token has a label",
            hide_like(scored=lambda chosen, ids, inputs: torch.ones_like(chosen)),
            "Then 85 % of the loss asks for words that stand in plain sight, and the model learns to copy.",
            "Count `(labels != -100).sum()`: about 15 % should be scored.",
        ),
        Misconception(
            "kept-not-scored",
            "Chosen tokens that stay have no label",
            hide_like(scored=lambda chosen, ids, inputs: chosen & (inputs != ids)),
            "The 10 % that stay are chosen, too: the model must say them although it sees them.",
            "What is the label of a chosen token with a fate of 0.95?",
        ),
        Misconception(
            "only-masks-scored",
            "Only [MASK] is scored",
            hide_like(scored=lambda chosen, ids, inputs: chosen & (inputs < 10)),
            "Tokens that were swapped or kept are chosen, too. Without them the model need not know any "
            "word it can see.",
            "What are the labels of chosen tokens with fates of 0.85 and 0.95?",
        ),
        Misconception(
            "random-share-of-all",
            "Tokens that were never chosen are swapped",
            hide_like(swapped=lambda chosen, fate: (fate >= 0.8) & (fate < 0.9)),
            "The 10 % are a share of the chosen tokens. Here 10 % of the whole text is replaced at random.",
            "Count `(inputs != ids).sum()`: it should be about 13.5 % of the words.",
        ),
        Misconception(
            "mask-share-of-all",
            "Tokens that were never chosen become [MASK]",
            hide_like(masked=lambda chosen, fate: fate < 0.8),
            "The fate is asked of chosen tokens alone. Here four fifths of the text are gone.",
            "Count `(inputs == mask_id).sum()`.",
        ),
        Misconception(
            "inverted-labels",
            "The chosen have no label, and all others do",
            hide_like(scored=lambda chosen, ids, inputs: ~chosen),
            "-100 says: do not score this.",
            "Print `labels` beside `inputs == mask_id`.",
        ),
        Misconception(
            "labels-of-the-damaged",
            "The labels are taken from the damaged text",
            hide_like(label=lambda ids, inputs: inputs),
            "The model would be asked to answer [MASK].",
            "Print `labels[inputs == mask_id]`.",
        ),
        Misconception(
            "always-mask",
            "Every chosen token becomes [MASK]",
            hide_like(masked=lambda chosen, fate: chosen, swapped=lambda chosen, fate: chosen & False),
            "That is 100 % [MASK]; BERT hides 80 %, swaps 10 % and keeps 10 %.",
            "What becomes of a chosen token with a fate of 0.95?",
        ),
        Misconception(
            "mask-overwritten",
            "[MASK] is overwritten by the swap",
            hide_like(
                masked=lambda chosen, fate: chosen & False,
                swapped=lambda chosen, fate: chosen & (fate < 0.9),
            ),
            "A fate below 0.8 is below 0.9, too: what was hidden a line earlier is swapped after all.",
            "Count `(inputs == mask_id).sum()`.",
        ),
        Misconception(
            "the-rest-is-swapped",
            "No chosen token stays as it is",
            hide_like(swapped=lambda chosen, fate: chosen & (fate >= 0.8)),
            "Fates from 0.9 on mean: keep it.",
            "What becomes of a chosen token with a fate of 0.95?",
        ),
    ),
)

# ---- epochs ----


def counting_run(answer: Callable, ids: Tensor, n: int) -> Tensor:
    """(n, B, T): what the answer makes of a hiding function whose result tells its call and its input."""
    calls = []

    def hide_once(given: Tensor) -> Tensor:
        calls.append(given)
        return given + 1000 * len(calls)

    got = answer(ids, n, hide_once)
    return torch.stack(list(got)) if type(got) in (list, tuple) and got else got


def epochs_reference(ids: Tensor, n: int, hide_once: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack([hide_once(ids) for _ in range(n)])


def hidden_once(ids: Tensor, n: int, hide_once: Callable[[Tensor], Tensor]) -> Tensor:
    one = hide_once(ids)
    return torch.stack([one for _ in range(n)])


def hidden_again(ids: Tensor, n: int, hide_once: Callable[[Tensor], Tensor]) -> Tensor:
    rows = []
    for _ in range(n):
        ids = hide_once(ids)
        rows.append(ids)
    return torch.stack(rows)


EPOCHS = Part(
    "epochs",
    epochs_reference,
    ("inputs of every epoch (n, B, T)",),
    (
        Case(
            "each epoch is hidden anew, from the whole text",
            lambda generator: (
                torch.randint(100, (whole(generator, 2, 3), whole(generator, 5, 7)), generator=generator),
                4,
            ),
            "A new draw for each epoch makes new questions from the same text.",
            "Let `hide_once` print something: how often is it called, and with what?",
            worth=2,
        ),
    ),
    (
        Misconception(
            "one-mask-for-all-epochs",
            "One draw serves all epochs",
            hidden_once,
            "The same words are asked in each epoch, and 85 % never. (RoBERTa draws anew.)",
            "How often is `hide_once` called?",
        ),
        Misconception(
            "hidden-on-top",
            "Each epoch hides more of what is hidden already",
            hidden_again,
            "The damage adds up: after a few epochs little is left, and labels are taken from damaged text.",
            "What does `hide_once` get in the second epoch?",
        ),
        Misconception(
            "first-epoch-plain",
            "The first epoch is not hidden",
            lambda ids, n, hide_once: torch.stack([ids, *(hide_once(ids) for _ in range(n - 1))]),
            "Without a gap there is nothing to learn from it.",
            "Compare the first of your results with `ids`.",
        ),
    ),
    call=counting_run,
)

MASKING = Task(
    (HIDE, EPOCHS),
    (
        "First a boolean tensor `chosen`. Everything else is said about it: `chosen & …`.",
        "A token is chosen where it is not special and its choice is below 0.15. Then `torch.where` or "
        "indexing puts [MASK] where chosen and fate below 0.8, and `anything` where fate is from 0.8 to 0.9.",
        "labels: `ids.masked_fill(~chosen, -100)`. epochs: call `hide_once(ids)` inside the loop, n times, "
        "always with the same ids, and stack.",
    ),
    (
        "course_lib.objectives.mlm.mask_tokens",
        "transformers.DataCollatorForLanguageModeling",
    ),
)
