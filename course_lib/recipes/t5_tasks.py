"""One T5, seven tasks, one loss: a text with a prefix in, a text out (Raffel et al. 2020, section 2.4)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import nn

from course_lib.data import tiny_town
from course_lib.data.batching import Batches
from course_lib.data.emoji_names import emoji_names
from course_lib.data.numbers import number_words
from course_lib.models import T5, T5Config
from course_lib.recipes.parts import Parts, write_all
from course_lib.tokenization import BPE, train_bpe
from course_lib.tokenization.base import Tokenizer
from course_lib.training.device import seed_everything

SENTINELS = tuple(f"<{i}>" for i in range(16))
SPECIAL = ("<pad>", "</s>", *SENTINELS)
LONGEST = 64  # tokens an answer is given room for
LIMIT = 3_000  # training examples a task at most: no task drowns another (their section 3.5.2)
WORDS = {0: "no", 1: "yes"}

Pairs = list[tuple[str, str]]


def _translate(language: str) -> Callable[[str], Pairs]:
    # validation is drawn from compositions as well, so test is called compositions there
    return lambda split: emoji_names(language, "compositions" if split == "test" else split)


def _numbers(language: str) -> Callable[[str], Pairs]:
    return lambda split: number_words(language, split)


def _labels(task: Callable, names: dict[int, str]) -> Callable[[str], Pairs]:
    return lambda split: [(one.text, names[one.label]) for one in task(split)]


TASKS: dict[str, Callable[[str], Pairs]] = {
    "translate to French": _translate("fr"),
    "translate to Korean": _translate("ko"),
    "number in English": _numbers("en"),
    "number in Korean": _numbers("ko"),
    "sentiment": _labels(tiny_town.sentiment, {0: "negative", 1: "positive"}),
    "acceptable": _labels(tiny_town.acceptability, WORDS),
    "plural": lambda split: [(one.singular, one.plural) for one in tiny_town.plurals(split)],
}
MARK = ": "  # between the prefix, which names the task, and the text


def task_pairs(task: str, split: str) -> Pairs:
    """(text with its prefix, answer) of one task; of the training split at most `LIMIT`.

    Raises:
        LookupError: there is no such task; the message lists those there are.
    """
    if task not in TASKS:
        raise LookupError(f"no task {task!r}: choose one of {', '.join(TASKS)}")
    pairs = TASKS[task](split)
    if split == "train" and len(pairs) > LIMIT:
        pairs = random.Random(task).sample(pairs, LIMIT)
    return [(f"{task}{MARK}{text}", answer) for text, answer in pairs]


@cache
def tasks_tokenizer() -> BPE:
    """Byte-level BPE over the training texts of all tasks; digits stand alone: numbers can be read."""
    texts = [side for task in TASKS for pair in task_pairs(task, "train") for side in pair]
    return train_bpe(
        texts, 2_048, special_tokens=SPECIAL, add_prefix_space=True, split_digits=True, eos="</s>"
    )


def tasks_config(tokenizer: Tokenizer) -> T5Config:
    """Two layers of 128 on each side."""
    return T5Config(
        tokenizer.vocab_size,
        d_model=128,
        n_layers=2,
        n_heads=4,
        d_head=32,
        d_ff=512,
        dropout=0.0,  # with 0.1, nearly all plurals were still wrong after 1,500 steps
        pad_id=tokenizer.pad_id,
        eos_id=tokenizer.eos_id,
        start_id=tokenizer.pad_id,
    )


def task_columns(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> dict[str, list[list[int]]]:
    """What the encoder reads and the decoder is to write, both with their end."""
    return {
        "ids": [tokenizer.encode(text) for text, _ in pairs],
        "labels": [tokenizer.encode(answer) for _, answer in pairs],
    }


def t5_tasks(seed: int, device: torch.device, tasks: Sequence[str] = tuple(TASKS)) -> Parts:
    """All tasks mixed in proportion to their examples; or only some, for the comparison."""
    tokenizer = tasks_tokenizer()
    pairs = [pair for task in tasks for pair in task_pairs(task, "train")]
    seed_everything(seed)
    batches = Batches(task_columns(tokenizer, pairs), 64, seed, pad={"ids": tokenizer.pad_id}, device=device)
    model = T5(tasks_config(tokenizer))

    def judge(split: str, most: int) -> Callable[[nn.Module], dict[str, float]]:
        return lambda model: {
            f"{split}_{task}": answer_share(model, tokenizer, task_pairs(task, split)[:most])
            for task in tasks
        }

    return Parts(model, tokenizer, batches, judge("validation", 60), judge("test", 400))


def answer(model: T5, tokenizer: Tokenizer, texts: Sequence[str], num_beams: int = 1) -> list[str]:
    """What the model writes for each text, prefixes included."""
    return write_all(model, tokenizer, [tokenizer.encode(text) for text in texts], LONGEST, num_beams)


def answer_share(model: T5, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> float:
    """Share of answers that are exactly right."""
    texts, wanted = zip(*pairs)
    return sum(one == other for one, other in zip(answer(model, tokenizer, texts), wanted)) / len(wanted)
