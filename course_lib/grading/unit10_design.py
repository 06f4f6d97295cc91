"""Unit 10: numbers to predict, and spans to choose."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.grading.designs import faultless
from course_lib.grading.predictions import Predictions
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit

# ---- numbers to predict ----

LENGTH, HEADS, BUCKETS, CLASSES = 512, 8, 32, 3
HIDDEN = round(0.15 * LENGTH)
N_SPANS = round(HIDDEN / 3)
RIGHT = {
    "bert": HIDDEN,
    "bart": LENGTH,
    "t5": HIDDEN + N_SPANS + 1,
    "read": LENGTH - HIDDEN + N_SPANS,
    "bias": 2 * BUCKETS * HEADS,
}
NUMBERS = Predictions(RIGHT)

NUMBERS_PART = Part(
    "predict",
    NUMBERS.answer(),
    ("a dict of ints",),
    (
        NUMBERS.case(
            "bert",
            "what an MLM predicts",
            "Only the chosen tokens are scored: 15 % of them, rounded.",
            "Take 15 % of 512.",
        ),
        NUMBERS.case(
            "bart",
            "what BART writes",
            "The decoder writes the whole text, whatever was hidden.",
            "What are BART's labels?",
        ),
        NUMBERS.case(
            "t5",
            "what T5 writes",
            "The hidden tokens, a sentinel for each span, and one sentinel more.",
            "How many spans of 3 are 77 tokens?",
        ),
        NUMBERS.case(
            "read",
            "what T5's encoder reads",
            "All tokens that stay, and a sentinel for each span.",
            "Count it for the ten words of the paper's example first.",
        ),
        NUMBERS.case(
            "bias",
            "learned numbers for positions",
            "One table a side, shared by all layers: a number for each bucket and head.",
            "Print the shape of `RelativePositionBias(8).table.weight`.",
        ),
    ),
    (
        Misconception(
            "bert-writes-all",
            "An MLM is scored at every token",
            NUMBERS.answer(bert=LENGTH),
            "Labels are -100 where nothing was chosen.",
            "Count the labels that are not -100 in lesson 05.",
        ),
        Misconception(
            "bart-writes-holes",
            "BART writes only what was hidden",
            NUMBERS.answer(bart=HIDDEN),
            "That would be T5. BART's target is the whole text.",
            "Print the labels of a denoising batch.",
        ),
        Misconception(
            "sentinels-not-counted",
            "The sentinels of the target are not counted",
            NUMBERS.answer(t5=HIDDEN),
            "Each span is announced by its sentinel, and the last one ends the target.",
            "Write the target of two spans of one word.",
        ),
        Misconception(
            "last-sentinel-forgotten",
            "The last sentinel is not counted",
            NUMBERS.answer(t5=HIDDEN + N_SPANS),
            "One sentinel more than there are spans.",
            "Write the target of two spans of one word.",
        ),
        Misconception(
            "holes-are-not-read",
            "The sentinels in the text are not counted",
            NUMBERS.answer(read=LENGTH - HIDDEN),
            "A sentinel stands in the place of each span.",
            "Count what is read for one span.",
        ),
        Misconception(
            "read-in-full",
            "The encoder reads as many tokens as the text has",
            NUMBERS.answer(read=LENGTH),
            "With one [MASK] a token it would. A span shrinks to one sentinel.",
            "Count what is read for one span of three.",
        ),
        Misconception(
            "one-side",
            "Only one side's table is counted",
            NUMBERS.answer(bias=BUCKETS * HEADS),
            "Encoder and decoder have a table each.",
            "Search `T5` for RelativePositionBias: how often is one made?",
        ),
        Misconception(
            "a-table-a-layer",
            "Each layer has a table",
            NUMBERS.answer(bias=2 * 6 * BUCKETS * HEADS),
            "All layers of a side share one.",
            "Search `T5` for RelativePositionBias: how often is one made?",
        ),
        Misconception(
            "a-number-a-distance",
            "Each distance up to 128 has a number",
            NUMBERS.answer(bias=2 * 128 * HEADS),
            "Far distances share a bucket: a head has as many numbers as there are buckets.",
            "Print the shape of `RelativePositionBias(8).table.weight`.",
        ),
        Misconception(
            "heads-not-counted",
            "The heads share their numbers",
            NUMBERS.answer(bias=2 * BUCKETS),
            "Each head has a number of its own for each bucket.",
            "Print the shape of `RelativePositionBias(8).table.weight`.",
        ),
        Misconception(
            "t5-writes-all",
            "T5 is taken to write the whole text",
            NUMBERS.answer(t5=LENGTH),
            "That would be BART. T5 writes what is missing, each piece behind its sentinel.",
            "Write the target of two spans of one word.",
        ),
        Misconception(
            "cut-not-rounded",
            "The numbers are cut, not rounded",
            NUMBERS.answer(
                bert=HIDDEN - 1, t5=HIDDEN - 1 + N_SPANS - 1 + 1, read=LENGTH - HIDDEN + 1 + N_SPANS - 1
            ),
            "15 % of 512 is 76.8, and that is nearer to 77; so with the spans.",
            "Take 15 % of 512, then a third of it, on paper.",
        ),
    ),
)


# ---- spans to choose ----

Spans = list[tuple[int, int]]
TOKENS, NAMES, BESIDE, LONG = 60, 4, 3, 6
WRITTEN, READ = 22, 47


def spans_of(answer: Callable) -> Spans:
    made = answer()
    if type(made) not in (list, tuple) or not made:
        raise Unfit("wanted is a list of pairs (start, length), one a span")
    for pair in made:
        if type(pair) not in (list, tuple) or len(pair) != 2 or any(type(one) is not int for one in pair):
            raise Unfit(f"{repr(pair)[:60]} is no span; wanted is a pair of ints, (start, length)")
    return [tuple(pair) for pair in made]


def kept(spans: Spans) -> list[int]:
    """Tokens that stay before, between and behind the spans; below zero where they overlap."""
    starts = [start for start, _ in spans] + [TOKENS]
    ends = [0] + [start + length for start, length in spans]
    return [start - end for start, end in zip(starts, ends)]


def disorder(spans: Spans) -> str:
    """Why these are no spans of the text; nothing can be counted then."""
    if any(length < 1 for _, length in spans):
        return "a span is empty"
    if min(kept(spans)) >= 0:
        return ""
    as_ends = [(start, end - start) for start, end in spans]
    if min(kept(as_ends)) >= 0 and all(length > 0 for _, length in as_ends):
        return "as (start, length) they overlap or leave the text; as (start, end) they would not"
    return "the spans overlap, leave the text, or are not in order"


def context(spans: Spans) -> str:
    if 0 in kept(spans)[1:-1]:
        return "two spans touch"
    return "" if min(kept(spans)) >= BESIDE else f"beside some hole fewer than {BESIDE} tokens are left"


def lengths(spans: Spans) -> str:
    single, clause = 1 in {n for _, n in spans}, max(n for _, n in spans) >= LONG
    if single and clause:
        return ""
    no_clause = f"no span has {LONG} tokens or more"
    if clause:
        return "no span is a single token"
    return no_clause if single else f"no span is a single token, and {no_clause}"


def names(spans: Spans) -> str:
    if len(spans) == NAMES:
        return "every sentinel stands for a span, and none is left for the end"
    return "there are more spans than sentinels" if len(spans) > NAMES else ""


def written(spans: Spans) -> str:
    hidden = sum(length for _, length in spans)
    if hidden > WRITTEN:
        return f"the hidden tokens alone are more than {WRITTEN}"
    if hidden + len(spans) > WRITTEN:
        return f"with a sentinel for each span they are more than {WRITTEN}"
    return "" if hidden + len(spans) < WRITTEN else "with the last sentinel it is one token too many"


def read(spans: Spans) -> str:
    stays = TOKENS - sum(length for _, length in spans)
    if stays > READ:
        return f"the tokens that stay are more than {READ} already"
    return "" if stays + len(spans) <= READ else f"with the sentinels they are more than {READ}"


def plan_case(fault: Callable[[Spans], str], name: str, idea: str, experiment: str) -> Case:
    def found(spans: Spans) -> str:
        return disorder(spans) or fault(spans)

    return faultless(spans_of, found, name, idea, experiment, "what the spans do")


def chosen(*spans: tuple[int, int]) -> Callable[[], Spans]:
    return lambda: list(spans)


PLAN = Part(
    "plan",
    chosen((5, 6), (20, 1), (30, 10)),
    ("spans, a list of (start, length)",),
    (
        plan_case(
            context,
            f"{BESIDE} tokens at least on either side of each hole",
            "What stands beside a hole is all there is to fill it from.",
            "List how many tokens stand before, between and behind your spans.",
        ),
        plan_case(
            lengths,
            f"a single token, and a span of {LONG} or more",
            "A model that only ever filled holes of one length expects that length.",
            "List your lengths.",
        ),
        plan_case(
            names,
            f"{NAMES} sentinels are enough",
            "The target needs one more than there are spans.",
            "Write the target of your plan: which sentinel closes it?",
        ),
        plan_case(
            written,
            f"the decoder writes {WRITTEN} tokens at most",
            "It writes what is hidden, a sentinel for each span, and the last one.",
            "Run your own `corrupt` on sixty tokens and take the length of what is written.",
        ),
        plan_case(
            read,
            f"the encoder reads {READ} tokens at most",
            "It reads what stays, and a sentinel for each span. Many short spans hardly make a text shorter.",
            "Run your own `corrupt` on sixty tokens and take the length of what is read.",
        ),
    ),
    (
        Misconception(
            "ends-for-lengths",
            "The pairs are (start, end)",
            chosen((5, 11), (20, 21), (30, 40)),
            "A span is its start and its length, as in the first task.",
            "What is the last token of your last span?",
        ),
        Misconception(
            "touching",
            "Two spans touch",
            chosen((5, 6), (11, 1), (30, 10)),
            "In the text two sentinels then stand side by side: one gap, and nothing says where it is cut.",
            "Make one span of the two.",
        ),
        Misconception(
            "no-context",
            "A hole has too little beside it",
            chosen((0, 6), (20, 1), (30, 10)),
            "The edges of the text count, too: before its first word stands nothing.",
            "List how many tokens stand before, between and behind your spans.",
        ),
        Misconception(
            "all-long",
            "All spans are long",
            chosen((5, 6), (20, 5), (40, 6)),
            "A few long spans are cheap to read, but single words are asked for as well.",
            "Make one span a single token, and another longer by what is lost.",
        ),
        Misconception(
            "the-papers-setting",
            "15 % in spans of 3, as in the paper",
            chosen((5, 3), (20, 3), (40, 3)),
            "Good for pre-training; here holes of other lengths are asked for, and a shorter text.",
            "How many tokens does the encoder read for one span of 3, how many for one of 10?",
        ),
        Misconception(
            "no-sentinel-for-the-end",
            "No sentinel is left for the end",
            chosen((5, 6), (17, 1), (25, 5), (40, 5)),
            "The target closes with a sentinel that stands for no span.",
            "Call your own `corrupt` with your spans and four sentinels.",
        ),
        Misconception(
            "sentinels-not-written",
            "Only the words of the target are counted",
            chosen((5, 9), (20, 1), (30, 10)),
            "The decoder writes the sentinels as well: one a span, and the last one.",
            "Run your own `corrupt` on sixty tokens and take the length of what is written.",
        ),
        Misconception(
            "end-not-written",
            "The last sentinel is not counted",
            chosen((5, 8), (20, 1), (30, 10)),
            "One sentinel more than there are spans.",
            "Run your own `corrupt` on sixty tokens and take the length of what is written.",
        ),
        Misconception(
            "sentinels-not-read",
            "The sentinels in the text are not counted",
            chosen((5, 6), (20, 1), (30, 7)),
            "Each span leaves a sentinel behind, and the encoder reads it.",
            "Run your own `corrupt` on sixty tokens and take the length of what is read.",
        ),
    ),
)

PREDICTED = Task(
    (NUMBERS_PART, PLAN),
    (
        "Take a text of 20 tokens with two spans of three, and count by hand first: what is read, what is "
        "written?",
        "15 % of 512, rounded, is 77; in spans of 3 on average that is 26 spans. For the plan: what do h "
        "hidden tokens in s spans make the decoder write, and the encoder read?",
        "T5 writes hidden + spans + 1, reads text - hidden + spans; the bias has 2 · buckets · heads "
        "numbers. A plan with three spans hides 16 to 18 tokens.",
    ),
)
