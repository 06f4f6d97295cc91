"""Unit 08: a prompt with examples, letter by letter, and which examples may stand in it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator

from course_lib.grading.inputs import whole
from course_lib.grading.task import Case, Misconception, Part, Task

WORDS = (
    ("사과", "apple"),
    ("바다", "sea"),
    ("구름", "cloud"),
    ("나무", "tree"),
    ("아침", "morning"),
    ("책", "book"),
    ("고양이", "cat"),
    ("비", "rain"),
    ("학교", "school"),
    ("치즈", "cheese"),
)
Pairs = list[tuple[str, str]]

# ---- the text ----


def shuffled(generator: Generator) -> Pairs:
    return [WORDS[i] for i in torch.randperm(len(WORDS), generator=generator).tolist()]


def asked(shots: int, instruction: str) -> Callable[[Generator], tuple[str, Pairs, str]]:
    def make(generator: Generator) -> tuple[str, Pairs, str]:
        words = shuffled(generator)
        return instruction, words[1 : 1 + shots], words[0][0]

    return make


TRANSLATE = "Translate Korean to English:"


def text_like(
    solved: Callable[[str, str], str] = lambda given, wanted: f"{given} => {wanted}",
    ending: Callable[[str], str] = lambda query: f"{query} =>",
    order: Callable[..., list[str]] = lambda instruction, solved, last: [instruction, *solved, last],
    between: str = "\n",
    skip: bool = True,
) -> Callable[[str, Pairs, str], str]:
    def few_shot(instruction: str, examples: Pairs, query: str) -> str:
        lines = order(instruction, [solved(*pair) for pair in examples], ending(query))
        return between.join(line for line in lines if line or not skip)

    return few_shot


def ends_open(got: str, instruction: str, examples: Pairs, query: str) -> str | None:
    return None if got.endswith(f"{query} =>") else f"the prompt ends in {got[-12:]!r}"


TEXT = Part(
    "few_shot",
    text_like(),
    ("the prompt",),
    (
        Case(
            "the prompt stops where the answer goes",
            asked(3, TRANSLATE),
            "A language model continues. Whatever stands last decides what it continues.",
            "Print `repr(prompt[-12:])`.",
            judge=ends_open,
        ),
        Case(
            "three examples, letter by letter",
            asked(3, TRANSLATE),
            "The instruction, a line for every solved example, and the query, still open.",
            "Print the prompt and compare it with the example of the task, line by line.",
            worth=2,
        ),
        Case(
            "no example: zero-shot",
            asked(0, TRANSLATE),
            "Then two lines are left, the instruction and the query.",
            "Call it with an empty list.",
        ),
        Case(
            "no instruction: no empty line",
            asked(2, ""),
            "An empty instruction leaves no trace.",
            'Call it with "" and look at `repr(prompt)`.',
        ),
    ),
    (
        Misconception(
            "answers-missing",
            "The examples have no answers",
            text_like(solved=lambda given, wanted: f"{given} =>"),
            "Without answers the prompt shows what is asked, but not what to do.",
            "Where in your prompt is the first example's translation?",
        ),
        Misconception(
            "query-not-opened",
            "The query stands there without its arrow",
            text_like(ending=lambda query: query),
            "The examples taught: word, arrow, answer. Without the arrow the model writes one itself, or "
            "goes on with the word.",
            "What would you write next after your last line?",
        ),
        Misconception(
            "space-at-the-end",
            "A space stands at the end",
            text_like(ending=lambda query: f"{query} => "),
            "Most tokens begin with their space: ' cheese' is one. After a space of its own the model has "
            "to go on with a token that it rarely saw in this place.",
            "Print `repr(prompt[-3:])`.",
        ),
        Misconception(
            "newline-at-the-end",
            "A line break stands at the end",
            text_like(ending=lambda query: f"{query} =>\n"),
            "The line is finished, so the model begins a new one.",
            "Print `repr(prompt[-3:])`.",
        ),
        Misconception(
            "query-before-the-examples",
            "The query stands before the examples",
            text_like(order=lambda instruction, solved, last: [instruction, last, *solved]),
            "The model continues what comes last, here an example that is solved already.",
            "What would you write next after your last line?",
        ),
        Misconception(
            "instruction-missing",
            "The instruction is missing",
            text_like(order=lambda instruction, solved, last: [*solved, last]),
            "Zero-shot, it is all the model has.",
            "Print the prompt for an empty list of examples.",
        ),
        Misconception(
            "instruction-every-time",
            "The instruction is repeated for every line",
            text_like(
                order=lambda instruction, solved, last: [
                    line for one in [*solved, last] for line in (instruction, one)
                ]
            ),
            "It stands once, before everything.",
            "Count the lines of your prompt.",
        ),
        Misconception(
            "all-in-one-line",
            "Everything stands in one line",
            text_like(between=" "),
            "Line breaks tell the model where an example ends.",
            'Count the `"\\n"` in your prompt.',
        ),
        Misconception(
            "blank-lines",
            "Blank lines stand between the lines",
            text_like(between="\n\n"),
            "A common choice, too, but another prompt: wording and spacing move the answers.",
            "Print `repr(prompt)`.",
        ),
        Misconception(
            "empty-instruction-line",
            "An empty instruction leaves an empty line",
            text_like(skip=False),
            "The prompt begins with a line break.",
            'Call it with "" and look at `repr(prompt)`.',
        ),
    ),
)

# ---- the examples ----


def pool_with_twins(generator: Generator) -> tuple[Pairs, str, int]:
    """The query stands twice among the first k pairs of the pool."""
    words, k = shuffled(generator), whole(generator, 3, 4)
    query = words.pop()
    places = torch.randperm(k, generator=generator)[:2].sort().values.tolist()
    for place in places:
        words.insert(place, query)
    return words, query[0], k


def pool_without(generator: Generator) -> tuple[Pairs, str, int]:
    words = shuffled(generator)
    return words[:-1], words[-1][0], whole(generator, 2, 5)


def without_first(pool: Pairs, query: str) -> Pairs:
    first = next((i for i, pair in enumerate(pool) if pair[0] == query), len(pool))
    return pool[:first] + pool[first + 1 :]


def others(pool: Pairs, query: str) -> Pairs:
    return [pair for pair in pool if pair[0] != query]


def not_shown(got: Pairs, pool: Pairs, query: str, k: int) -> str | None:
    if any(pair[0] == query for pair in got):
        return f"{query} is asked, and among the examples with its answer"
    return None


SHOTS = Part(
    "shots",
    lambda pool, query, k: others(pool, query)[:k],
    ("a list of k pairs",),
    (
        Case(
            "the query is not among its own examples",
            pool_with_twins,
            "Its answer would stand in the prompt: the model need only copy.",
            "Print the examples beside the query. Does the pool hold it twice?",
            judge=not_shown,
        ),
        Case(
            "still k examples",
            pool_with_twins,
            "Leave out first, then take the first k of the rest.",
            "Print `len` of what you return.",
            worth=2,
        ),
        Case(
            "a query from elsewhere takes the first k",
            pool_without,
            "Nothing has to be left out then.",
            "Call it with a query that the pool does not hold.",
        ),
    ),
    (
        Misconception(
            "query-among-examples",
            "The query is among its own examples",
            lambda pool, query, k: pool[:k],
            "This measures copying. With the answer in the prompt every model looks clever.",
            "Print the examples beside the query.",
        ),
        Misconception(
            "cut-before-left-out",
            "Examples are counted before the query is left out",
            lambda pool, query, k: others(pool[:k], query),
            "So some prompts have fewer examples than others.",
            "Print `len` of what you return.",
        ),
        Misconception(
            "one-spare",
            "Only one spare example is taken",
            lambda pool, query, k: others(pool[: k + 1], query)[:k],
            "The pool may hold the query more than once.",
            "Print `len` of what you return for a pool with the query twice.",
        ),
        Misconception(
            "second-copy-kept",
            "Only the first copy of the query is left out",
            lambda pool, query, k: without_first(pool, query)[:k],
            "The pool may hold it more than once. Duplicates are how test sets leak.",
            "Count how often the query stands in the pool.",
        ),
        Misconception(
            "only-the-query",
            "Everything but the query is left out",
            lambda pool, query, k: [pair for pair in pool if pair[0] == query][:k],
            "The condition is the wrong way round.",
            "Print the inputs of the pairs you return.",
        ),
        Misconception(
            "from-the-end",
            "The last k are taken",
            lambda pool, query, k: others(pool, query)[-k:],
            "The task asks for the first k of the rest.",
            "Print the pool and your choice.",
        ),
    ),
)

PROMPT = Task(
    (TEXT, SHOTS),
    (
        "Collect the lines in a list: instruction, one for each example, and the query. Join them at "
        "the end.",
        'An example is f"{given} => {wanted}", the query f"{query} =>" without anything behind it. Leave out '
        "the instruction when it is empty.",
        '`"\\n".join(line for line in lines if line)`. For shots: a list of the pairs whose first entry is '
        "not the query, and of these `[:k]`.",
    ),
    ("course_lib.prompting.few_shot_prompt",),
)
