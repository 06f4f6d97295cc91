"""Next sentence prediction (Devlin et al. 2019, section 3.1, task 2)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

# as in the released code and in `transformers`; the lecture's slide has 1 for *is next*
IS_NEXT, NOT_NEXT = 0, 1


@dataclass(frozen=True)
class NextSentencePairs:
    """Sentences in pairs: `first[i]` and `second[i]` with `labels[i]`, 0 where the second follows."""

    first: list[str]
    second: list[str]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.labels)


def nsp_pairs(documents: Sequence[Sequence[str]], seed: int = 0) -> NextSentencePairs:
    """Each sentence that has a next one, paired with it (0) or with one of another document (1), half each.

    Args:
        documents: each a list of sentences in order.
        seed: of the choice.

    Raises:
        ValueError: fewer than two documents, or none with two sentences.
    """
    full = [(number, document) for number, document in enumerate(documents) if document]
    if len(full) < 2 or not any(len(document) > 1 for _, document in full):
        raise ValueError(
            f"{len(full)} documents with a sentence: give at least two, and one of two sentences or more, so "
            "that there is a next sentence and another document to draw from"
        )
    rng = random.Random(seed)
    first, second, labels = [], [], []
    for place, (_, document) in enumerate(full):
        for sentence, following in itertools.pairwise(document):
            label = rng.choice((IS_NEXT, NOT_NEXT))
            if label == NOT_NEXT:
                other = rng.randrange(len(full) - 1)
                other += other >= place  # any document but this one
                choices = [one for one in full[other][1] if one != following]
                if not choices:  # the other document says just this: it would be a next sentence
                    label = IS_NEXT
                else:
                    following = rng.choice(choices)
            first.append(sentence)
            second.append(following)
            labels.append(label)
    return NextSentencePairs(first, second, labels)
