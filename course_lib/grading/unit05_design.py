"""Unit 05: a bug hunt; counts to predict and an experiment to design."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, whole
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- bug ----


def exam(generator: Generator) -> tuple[Tensor, Tensor, Tensor, int]:
    """logits (B, T, V), ids, inputs (B, T), mask_id: about half of the hidden words found."""
    B, T, V, mask_id = 4, whole(generator, 9, 11), whole(generator, 14, 18), whole(generator, 3, 7)
    ids = torch.randint(8, V, (B, T), generator=generator)
    ids[0, 0] = 8
    logits = normal(generator, B, T, V)
    inputs = ids.clone()
    hidden = torch.rand(B, T, generator=generator) < 0.5
    hidden[0, :3] = hidden[0, 8] = True
    if hidden.sum() % 2 == 0:  # an odd number: never is just half of them found
        hidden[1, 0] = ~hidden[1, 0]
    inputs[hidden] = mask_id
    found = hidden & (torch.rand(B, T, generator=generator) < 0.5)
    found[0, :2] = True
    found[0, 2] = found[0, 8] = False
    b, t = found.nonzero(as_tuple=True)
    logits[b, t, ids[b, t]] += 9
    b, t = (hidden & ~found).nonzero(as_tuple=True)
    logits[b, t, (ids[b, t] - 8 + 1) % (V - 8) + 8] += 9
    b, t = (~hidden).nonzero(as_tuple=True)
    logits[b, t, ids[b, t]] += 9  # what it sees it says
    logits[0, 8, 0] = 30  # the best position for token 0 is 8: right by luck along the wrong axis
    return logits, ids, inputs, mask_id


def found_like(axis: int = -1, where: str = "hidden", against: str = "ids") -> Callable[..., Tensor]:
    def found(logits: Tensor, ids: Tensor, inputs: Tensor, mask_id: int) -> Tensor:
        guess = logits.argmax(axis)[..., : ids.shape[1]]
        places = {"hidden": inputs == mask_id, "seen": inputs != mask_id, "all": inputs >= 0}[where]
        return (guess == {"ids": ids, "inputs": inputs}[against])[places].float().mean()

    return found


BUG = Task(
    (
        Part(
            "repaired",
            found_like(),
            ("the share of hidden words found, a tensor without axes ()",),
            (
                Case(
                    "right on random sentences",
                    exam,
                    "Of the words that [MASK] hides, the share whose guess is the word that stood there.",
                    "Take one sentence of three words, hide one, and count by hand.",
                    worth=2,
                ),
                Case(
                    "words in plain sight do not help",
                    exam,
                    "Saying what one sees is no art. Only hidden words count.",
                    "Change the logits where nothing is hidden: does the result move?",
                ),
            ),
            (
                Misconception(
                    "counted-in-plain-sight",
                    "Words in plain sight are counted, hidden ones are not",
                    found_like(where="seen"),
                    "`!=` where `==` is meant: this is the share of *visible* words, too good to be true.",
                    "Print how many places your condition selects.",
                ),
                Misconception(
                    "compared-with-the-damaged",
                    "Guesses are compared with [MASK]",
                    found_like(against="inputs"),
                    "At a hidden place the inputs hold [MASK]; the word that stood there is in `ids`.",
                    "Print inputs, ids and guesses of one row below each other.",
                ),
                Misconception(
                    "best-over-the-wrong-axis",
                    "The best is taken over the positions",
                    found_like(axis=-2),
                    "A guess is the token with the highest score: the axis of the vocabulary.",
                    "Print `guess.shape`: it should be that of `ids`.",
                ),
                Misconception(
                    "counted-everywhere",
                    "All words are counted",
                    found_like(where="all"),
                    "Visible words are easy and many; they cover up what happens at the hidden ones.",
                    "Print how many places are counted, and how many are hidden.",
                ),
            ),
        ),
    ),
    (
        "Three lines, three questions: over which axis is the best token chosen, which places count, and "
        "what is the right answer there?",
        "The vocabulary is the last axis of the logits. `inputs` is what the model read, `ids` what it "
        "should say.",
        "`guess = logits.argmax(-1)`, `hidden = inputs == mask_id`, and compare `guess` with `ids`.",
    ),
)

# ---- predict and design ----

TOKENS, MARKERS = 1_000 * 22, 1_000 * 2  # a thousand sentences of 20 words, [CLS] and [SEP]


def counts(n: int, of_all: bool = False) -> dict[str, int]:
    chosen = n * 15 // 100
    base = n if of_all else chosen
    kinds = {"masked": base * 80 // 100, "random": base // 10, "kept": base // 10}
    return {"chosen": chosen, **kinds, "scored": chosen}


def count_case(key: str, idea: str, experiment: str) -> Case:
    def told(answer: Callable) -> int:
        got = answer()
        if type(got) is not dict or key not in got:
            raise Unfit("wanted is a dict with the keys chosen, masked, random, kept and scored")
        return got[key]

    return Case(
        f"{key} tokens",
        lambda generator: (),
        idea,
        experiment,
        judge=lambda got: None if got == counts(20_000)[key] else f"predicted were {got:,}",
        call=told,
        names=(f"{key} (an int)",),
    )


def design(first: str, second: str, word: str) -> Callable[[], tuple[str, str, str]]:
    return lambda: (first, second, word)


def looked_over(answer: Callable) -> tuple[bool, bool, bool]:
    """Is the word in both; is all up to it alike; does something differ after it?"""
    got = answer()
    if type(got) not in (tuple, list) or len(got) != 3 or any(type(one) is not str for one in got):
        raise Unfit("wanted are three strings: two sentences and the word")
    first, second, word = got[0].lower().split(), got[1].lower().split(), got[2].lower()
    if word not in first or word not in second:
        return False, False, False
    a, b = first.index(word), second.index(word)
    return True, first[: a + 1] == second[: b + 1], first[a + 1 :] != second[b + 1 :]


PREDICT = Task(
    (
        Part(
            "predict",
            lambda: counts(20_000),
            ("a dict with chosen, masked, random, kept and scored, each an int",),
            (
                count_case(
                    "chosen",
                    "15 % of the tokens that may be chosen; markers may not.",
                    "How many of the 22,000 tokens are words?",
                ),
                count_case("masked", "80 % of the chosen.", "Take 80 % of your first number."),
                count_case("random", "10 % of the chosen.", "Take 10 % of your first number."),
                count_case("kept", "10 % of the chosen stay as they are.", "Take 10 % of your first number."),
                count_case("scored", "All chosen tokens are scored.", "Are kept tokens scored?"),
            ),
            (
                Misconception(
                    "markers-counted",
                    "Markers are counted as words",
                    lambda: counts(22_000),
                    "[CLS] and [SEP] are never chosen.",
                    "How many of the 22,000 tokens are words?",
                ),
                Misconception(
                    "shares-of-all",
                    "80/10/10 is taken of all words",
                    lambda: counts(20_000, of_all=True),
                    "They are shares of the chosen 15 %.",
                    "Add up masked, random and kept.",
                ),
                Misconception(
                    "only-changed-scored",
                    "Kept tokens are not scored",
                    lambda: counts(20_000) | {"scored": 2_700},
                    "The model has to say the kept ones, too.",
                    "What is the label of a token that was chosen and kept?",
                ),
                Misconception(
                    "only-masks-are-scored",
                    "Only [MASK] is scored",
                    lambda: counts(20_000) | {"scored": 2_400},
                    "All chosen tokens are scored, whatever their fate.",
                    "What is the label of a token that was swapped?",
                ),
                Misconception(
                    "everything-scored",
                    "Every word is scored",
                    lambda: counts(20_000) | {"scored": 20_000},
                    "Words that were not chosen have the label -100.",
                    "Which label has a word that was not chosen?",
                ),
            ),
        ),
        Part(
            "twin_sentences",
            design("The bank raised its rates", "The bank was muddy", "bank"),
            ("first sentence", "second sentence", "word"),
            (
                Case(
                    "the word stands in both sentences",
                    lambda generator: (),
                    "The experiment compares one word's vector in two sentences.",
                    "Look for spelling, and for a full stop that sticks to the word.",
                    judge=lambda got: None if got[0] else "the word is not in both",
                ),
                Case(
                    "up to the word the sentences are alike",
                    lambda generator: (),
                    "Then a left-only model computes the same vector in both, whatever its weights.",
                    "Cover what follows the word: can you tell the sentences apart?",
                    judge=lambda got: None if got[1] else "they differ before the word",
                ),
                Case(
                    "after the word they differ",
                    lambda generator: (),
                    "Then a model that reads both ways can tell them apart.",
                    "What does a two-way model see that the left-only one does not?",
                    judge=lambda got: None if got[2] else "they are alike after the word",
                ),
            ),
            (
                Misconception(
                    "clue-before-the-word",
                    "The clue stands before the word",
                    design("He rowed to the bank .", "He robbed the bank !", "bank"),
                    "A left-only model has read it already. It must come after.",
                    "Cover what follows the word: can you tell the sentences apart?",
                ),
                Misconception(
                    "twice-the-same",
                    "The two sentences are the same",
                    design("I saw the bank .", "I saw the bank .", "bank"),
                    "No model can tell them apart, so nothing is measured.",
                    "What would a two-way model see?",
                ),
                Misconception(
                    "clue-only-before",
                    "The sentences differ only before the word",
                    design("He rowed to the bank", "He robbed the bank", "bank"),
                    "For a left-only model this is the easy kind.",
                    "Move the clue behind the word.",
                ),
                Misconception(
                    "word-missing",
                    "The word is missing in one sentence",
                    design("The bank raised its rates", "The shore was muddy", "bank"),
                    "Two different words have different vectors in any model.",
                    "Use one word with two senses in both sentences.",
                ),
            ),
            call=looked_over,
        ),
    ),
    (
        "Which tokens may be chosen at all? And of what are the 80, 10 and 10 % shares?",
        "20 words in each of 1,000 sentences may be chosen. Count these first, the rest follows.",
        "For the design: begin both sentences with the same words up to the ambiguous one, and let only what "
        "follows decide its sense.",
    ),
)
