"""What a model answers behind every choice and order of a few examples: numbers for the prompt playground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

WORDINGS = (
    "Review: {input}\nSentiment: {output}",
    "{input}\nPositive or negative? {output}",
)
CONTENT_FREE = ("N/A", "", "[MASK]")  # as Zhao et al. 2021
MAX_EXAMPLES, MAX_QUERIES, MAX_WORDINGS = 4, 8, 4
MIN_LABELS, MAX_LABELS = 2, 4


@dataclass(frozen=True)
class PromptTable:
    """Scores of all prompts that some examples can make.

    Attributes:
        examples: pairs of a text and its label.
        queries: pairs of a text and its label, None where nobody said which.
        labels, wordings, content_free: as given to `prompt_table`.
        log_p: for each order, log p(label) in nats: (n_wordings, n_queries + n_content_free, n_labels). An
            order is a tuple: (2, 0) is the third example and then the first.
    """

    examples: tuple[tuple[str, str], ...]
    queries: tuple[tuple[str, str | None], ...]
    labels: tuple[str, ...]
    wordings: tuple[str, ...]
    content_free: tuple[str, ...]
    log_p: dict[tuple[int, ...], Tensor]

    def probabilities(self, order: Sequence[int], wording: int = 0, *, calibrated: bool = False) -> Tensor:
        """(n_queries, n_labels), shared out among the labels.

        Args:
            order: which examples the prompt holds, in which order; () for none.
            wording: number of the wording.
            calibrated: the labels' bias divided out (`course_lib.prompting.calibrate`).
        """
        from course_lib.prompting import calibrate

        if tuple(order) not in self.log_p:
            raise ValueError(
                f"order {tuple(order)} was not scored; the table has {len(self.log_p)} orders of "
                f"{len(self.examples)} examples: number them from 0, each at most once"
            )
        scores = self.log_p[tuple(order)][wording]
        asked, nothing = scores[: len(self.queries)], scores[len(self.queries) :]
        return (calibrate(asked, nothing) if calibrated else asked).softmax(dim=-1)


def prompt_table(
    model: Any,
    tokenizer: Any,
    examples: Sequence[tuple[str, str]],
    queries: Sequence[str | tuple[str, str]],
    labels: Sequence[str],
    *,
    wordings: Sequence[str] = WORDINGS,
    content_free: Sequence[str] = CONTENT_FREE,
    subsets: bool = True,
) -> PromptTable:
    """Score every query behind every choice and order of the examples, in every wording.

    Four examples have 65 ordered choices (one of none, 4, 12, 24 and 24); with two wordings, six queries and
    three inputs without content that is 1,170 prompts. What the prompts of one order share is read once.

    Args:
        model: a decoder, GPT or Llama; tokenizer: its own.
        examples: 1 to 4 pairs of a text and its label.
        queries: 1 to 8 texts, or pairs of a text and its label.
        labels: 2 to 4 words, without a space before.
        wordings: 1 to 4 templates for `course_lib.prompting.few_shot_prompt`.
        content_free: inputs that say nothing, for calibration.
        subsets: False scores only the orders of all examples (24 of 4).

    Raises:
        ValueError: texts, labels or numbers that do not fit; the message names them.
    """
    pairs = tuple((query, None) if isinstance(query, str) else tuple(query) for query in queries)
    _check(examples, queries, labels, wordings, content_free, [label for _, label in pairs])
    import torch

    from course_lib.prompting import few_shot_prompt, score_labels

    texts = [*(text for text, _ in pairs), *content_free]
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # alike side by side: less padding
    back = torch.tensor(by_length).argsort()
    log_p = {}
    for order in orders(len(examples), subsets):
        shots = [tuple(examples[i]) for i in order]
        scores = []
        for template in wordings:
            gap = " " if template.partition("{output}")[0].endswith(" ") else ""
            prompts = [few_shot_prompt(shots, texts[i], template=template) for i in by_length]
            found = score_labels(model, tokenizer, prompts, [gap + word for word in labels], batch_size=5)
            scores.append(found.float().cpu()[back])
        log_p[order] = torch.stack(scores)
    return PromptTable(
        tuple((text, label) for text, label in examples),
        pairs,
        tuple(labels),
        tuple(wordings),
        tuple(content_free),
        log_p,
    )


def orders(n: int, subsets: bool = True) -> Iterator[tuple[int, ...]]:
    """Every order of n examples, and of every choice of them with `subsets`: shorter ones first."""
    for length in range(0 if subsets else n, n + 1):
        yield from permutations(range(n), length)


def _check(
    examples: Sequence[tuple[str, str]],
    queries: Sequence[Any],
    labels: Sequence[str],
    wordings: Sequence[str],
    content_free: Sequence[str],
    wanted: Sequence[str | None],
) -> None:
    limits = {
        "examples": (examples, 1, MAX_EXAMPLES),
        "queries": (queries, 1, MAX_QUERIES),
        "labels": (labels, MIN_LABELS, MAX_LABELS),
        "wordings": (wordings, 1, MAX_WORDINGS),
        "content_free": (content_free, 1, MAX_QUERIES),
    }
    for name, (given, low, high) in limits.items():
        if isinstance(given, str) or not low <= len(given) <= high:
            seen = f"the string {given[:40]!r}" if isinstance(given, str) else f"{len(given)} of them"
            raise ValueError(f"{name}: {seen}; the table takes a list of {low} to {high}: choose")
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels {list(labels)}: one comes twice; each is shown once")
    for label in [*(label for _, label in examples), *(label for label in wanted if label is not None)]:
        if label not in labels:
            raise ValueError(f"label {label!r} is none of {', '.join(labels)}: add it to labels, or mend it")
