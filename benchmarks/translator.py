"""Does denoising pre-training help a translator, and how do the paper's two ways compare? Lesson 09's table.

    python benchmarks/translator.py               # about 20 minutes on one core; writes translator.json
    python benchmarks/translator.py --minutes 9   # stops after a whole run; the same line goes on

Every run: 2 + 2 layers of 96, as the lesson trains live, but to both languages; Muon; judged on the two
held-out sets. The seed decides the first weights, the order and the damage.

    scratch           TUNE steps of translating, from random weights
    scratch, longer   PRE + TUNE steps: as long as pre-training and translating together
    pre-trained       PRE steps of repairing names in three languages, then TUNE steps of translating
    new encoder       PRE steps of repairing French and Korean names; then a new encoder with an English
                      vocabulary in place of the token table: a third of TUNE on what the paper trains first,
                      the rest on everything
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from course_lib.data.batching import Batches
from course_lib.data.emoji_names import emoji_names
from course_lib.models import Bart
from course_lib.models.source_encoder import first_step_parameters, with_source_encoder
from course_lib.recipes.names import (
    LANGUAGES,
    name_pairs,
    names_config,
    names_tokenizer,
    pair_columns,
    repair_batches,
    smoothed_loss,
    translation_scores,
)
from course_lib.tokenization import BPE, train_bpe
from course_lib.training import Trainer, seed_everything

OUT = Path(__file__).with_suffix(".json")
SETTINGS = {"learning_rate": 0.01, "optimizer": "muon", "warmup": 30, "floor": 0.02, "device": "cpu"}
PRE, TUNE = 200, 400
SEEDS = (0, 1, 2)
CPU = torch.device("cpu")


def small_bart(tokenizer: BPE) -> Bart:
    return Bart(replace(names_config(tokenizer), d_model=96, d_ff=384, n_layers=2))


def repairing(seed: int, languages: tuple[str, ...]) -> Bart:
    """PRE steps of repairing names; "en" among the languages or not."""
    tokenizer = names_tokenizer()
    texts = {
        pair[side]
        for to in LANGUAGES
        for pair in name_pairs(to)
        for side, language in ((0, "en"), (1, to))
        if language in languages
    }
    seed_everything(seed)
    model = small_bart(tokenizer)
    Trainer(model, smoothed_loss, repair_batches(tokenizer, sorted(texts), seed, CPU), **SETTINGS).fit(PRE)
    return model


def translating(model: Bart, columns: dict, seed: int, steps: int) -> Bart:
    batches = Batches(columns, 64, seed, pad={"ids": model.config.pad_id})
    Trainer(model, smoothed_loss, batches, **SETTINGS).fit(steps)
    return model


def training_pairs() -> list[tuple[str, str, str]]:
    return [(source, target, to) for to in LANGUAGES for source, target in name_pairs(to)]


def english_tokenizer() -> BPE:
    """English names alone, with the language marks; padding keeps its id."""
    texts = [source for to in LANGUAGES for source, _ in name_pairs(to)]
    special = ("<pad>", "</s>", "<fr>", "<ko>")
    return train_bpe(texts, 2_048, special_tokens=special, add_prefix_space=True, eos="</s>")


class TwoVocabularies:
    """What `translation_scores` asks of a tokenizer: it reads English with one, writes with the other."""

    def __init__(self, reads: BPE, writes: BPE) -> None:
        self.encode, self.vocab, self.eos_id = reads.encode, reads.vocab, reads.eos_id
        self.decode = writes.decode


def scratch(seed: int, steps: int = TUNE) -> tuple[Bart, object]:
    tokenizer = names_tokenizer()
    seed_everything(seed)
    model = small_bart(tokenizer)
    return translating(model, pair_columns(tokenizer, training_pairs()), seed, steps), tokenizer


def pretrained(seed: int) -> tuple[Bart, object]:
    tokenizer = names_tokenizer()
    model = repairing(seed, ("en", *LANGUAGES))
    return translating(model, pair_columns(tokenizer, training_pairs()), seed, TUNE), tokenizer


def new_encoder(seed: int) -> tuple[Bart, object]:
    reads, writes = english_tokenizer(), names_tokenizer()
    bart = repairing(seed, tuple(LANGUAGES))
    model = with_source_encoder(bart, reads.vocab_size)
    columns = {
        "ids": pair_columns(reads, training_pairs())["ids"],
        "labels": [writes.encode(target) for _, target, _ in training_pairs()],
    }
    first = {id(parameter) for parameter in first_step_parameters(model)}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in first)
    translating(model, columns, seed, TUNE // 3)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return translating(model, columns, seed, TUNE - TUNE // 3), TwoVocabularies(reads, writes)


ARMS = {
    "scratch": scratch,
    "scratch, longer": partial(scratch, steps=PRE + TUNE),
    "pre-trained": pretrained,
    "new encoder": new_encoder,
}

# Every way once; then the question that needs its three seeds most, with and without pre-training.
ORDER = [(arm, 0) for arm in ARMS]
ORDER += [(arm, seed) for seed in SEEDS[1:] for arm in ("scratch", "pre-trained")]
ORDER += [(arm, seed) for seed in SEEDS[1:] for arm in ("new encoder", "scratch, longer")]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=600, help="stop after a whole run")
    end = time.monotonic() + 60 * options.parse_args().minutes
    torch.set_num_threads(1)
    found = (
        json.loads(OUT.read_text(encoding="utf-8"))
        if OUT.is_file()
        else {"pre": PRE, "tune": TUNE, "runs": []}
    )
    done = {(run["arm"], run["seed"]) for run in found["runs"]}
    for arm, seed in ORDER:
        if (arm, seed) in done or time.monotonic() > end:
            continue
        model, tokenizer = ARMS[arm](seed)
        model.eval()
        scores = {
            f"{split} {to} {name}": round(value, 4)
            for split in ("compositions", "novel")
            for to in LANGUAGES
            for name, value in translation_scores(model, tokenizer, emoji_names(to, split), to).items()
        }
        found["runs"].append({"arm": arm, "seed": seed, **scores})
        OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(arm, seed, scores, flush=True)


if __name__ == "__main__":
    main()
