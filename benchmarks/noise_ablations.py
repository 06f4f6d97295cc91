"""What each of BART's five noises is worth: lesson 09's table.

    python benchmarks/noise_ablations.py      # about 25 minutes on one core; writes noise_ablations.json
    python benchmarks/noise_ablations.py --minutes 9     # stops at a whole run; the same line goes on

Every run: 2 + 2 layers of 64 are pre-trained on Tiny Town with one noise and fine-tuned three times, from few
examples. The seed decides the first weights, the order, the damage and which examples.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from course_lib.data import tiny_town
from course_lib.data.batching import Batches
from course_lib.generation import generate
from course_lib.models import Bart
from course_lib.objectives import (
    document_rotation,
    sentence_permutation,
    text_infilling,
    token_deletion,
    token_masking,
)
from course_lib.objectives.denoising import denoise
from course_lib.recipes.bart_town import bart_texts, repair_batches, small_bart, town_tokenizer
from course_lib.tokenization.base import Tokenizer
from course_lib.training import Trainer, seed_everything

RATE = 0.3  # of the tokens, for each noise that hides or deletes
SETTINGS = {"learning_rate": 0.01, "optimizer": "muon", "warmup": 50, "floor": 0.02, "device": "cpu"}
TUNING = {"learning_rate": 0.003, "optimizer": "muon", "warmup": 20, "floor": 0.02, "device": "cpu"}
STEPS, BATCH, STORY_TIMES = 600, 64, 5
FEW = {"sentiment": 512, "plural": 64, "order": 256}  # examples to fine-tune on
TUNE_STEPS, TUNE_BATCH = 150, 32


def noises(tokenizer: Tokenizer) -> dict[str, Callable | None]:
    stops = (tokenizer.vocab["."],)
    mask = tokenizer.mask_id
    return {
        "from scratch": None,
        "masking": partial(token_masking, mask=mask, rate=RATE),
        "deletion": partial(token_deletion, rate=RATE),
        "infilling": partial(text_infilling, mask=mask, rate=RATE),
        "shuffling": partial(sentence_permutation, stops=stops),
        "rotation": document_rotation,
    }


def bart(tokenizer: Tokenizer) -> Bart:
    sizes = {"d_model": 64, "n_heads": 4, "d_ff": 256}
    return Bart(replace(small_bart(tokenizer, dropout=0.0).config, **sizes))


def run(arm: str, seed: int, steps: int) -> dict[str, float]:
    tokenizer = town_tokenizer()
    noise = noises(tokenizer)[arm]
    seed_everything(seed)
    model = bart(tokenizer)
    found = {}
    if noise is not None:
        data = repair_batches(
            tokenizer, bart_texts("train", STORY_TIMES), BATCH, seed, corrupt=denoise(noise)
        )
        trainer = Trainer(model, None, data, **SETTINGS).fit(steps)
        found["pretraining_loss"] = sum(row["loss"] for row in trainer.curve[-50:]) / 50
    return (
        found
        | sentiment_after(model, tokenizer, seed)
        | writing_after(model, tokenizer, "plural", plural_pairs, seed)
        | writing_after(model, tokenizer, "order", story_pairs, seed)
    )


# ---- understanding: one label a text, read off the decoder's last state ----


def sentiment_after(model: Bart, tokenizer: Tokenizer, seed: int) -> dict[str, float]:
    seed_everything(seed)
    tuned = model.with_classifier(2)
    few = random.Random(seed).sample(tiny_town.sentiment("train"), FEW["sentiment"])
    ids = [[*tokenizer.encode(one.text, add_special=False), tokenizer.sep_id] for one in few]
    data = Batches({"ids": ids, "labels": torch.tensor([one.label for one in few])}, TUNE_BATCH, seed)
    Trainer(tuned, None, data, **TUNING).fit(TUNE_STEPS)
    exam = tiny_town.sentiment("validation")
    rows, _ = tokenizer.pad(
        [[*tokenizer.encode(one.text, add_special=False), tokenizer.sep_id] for one in exam]
    )
    with torch.no_grad():
        said = tuned(rows).logits.argmax(-1)
    right = (said == torch.tensor([one.label for one in exam])).float()
    return {"sentiment": right.mean().item()}


# ---- generation: read one text, write another ----


def plural_pairs(split: str, rng: random.Random) -> list[tuple[str, str]]:
    return [(pair.singular, pair.plural) for pair in tiny_town.plurals(split)]


def story_pairs(split: str, rng: random.Random) -> list[tuple[str, str]]:
    """Sentences in disorder, and the story."""
    found = []
    for story in tiny_town.stories(split):
        mixed = rng.sample(story.sentences, len(story.sentences))
        found.append((" ".join(mixed), " ".join(story.sentences)))
    return found


def writing_after(
    model: Bart, tokenizer: Tokenizer, task: str, pairs: Callable, seed: int
) -> dict[str, float]:
    def columns(examples: list[tuple[str, str]]) -> dict[str, list]:
        both = [
            [[*tokenizer.encode(text, add_special=False), tokenizer.sep_id] for text in pair]
            for pair in examples
        ]
        return {"ids": [a for a, _ in both], "labels": [b for _, b in both]}

    seed_everything(seed)
    tuned = Bart(model.config)
    tuned.load_state_dict(model.state_dict())
    few = random.Random(seed).sample(pairs("train", random.Random(seed)), FEW[task])
    Trainer(tuned, None, Batches(columns(few), TUNE_BATCH, seed), **TUNING).fit(TUNE_STEPS)
    exam = columns(pairs("validation", random.Random(0))[:300])
    ids, _ = tokenizer.pad(exam["ids"])
    labels, real = tokenizer.pad(exam["labels"])
    with torch.no_grad():
        said = generate(tuned, ids, labels.shape[1])[:, 1:]
    said = F.pad(said, (0, labels.shape[1] - said.shape[1]))
    return {task: ((said == labels) | ~real).all(1).float().mean().item()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="begin no run that would end later")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    settings = {
        "steps": args.steps,
        "batch": BATCH,
        "rate": RATE,
        "few": FEW,
        "tune_steps": TUNE_STEPS,
        "tune_batch": TUNE_BATCH,
        **SETTINGS,
    }
    facts = {"script": "benchmarks/noise_ablations.py", "torch": torch.__version__, "settings": settings}
    arms = list(noises(town_tokenizer()))
    runs: dict[str, list] = {arm: [] for arm in arms}
    if args.out.is_file():
        there = json.loads(args.out.read_text(encoding="utf-8"))
        if there["settings"] == settings:
            runs |= there["runs"]
    begun, last = time.monotonic(), 0.0
    for seed, arm in itertools.product(range(args.seeds), arms):
        if len(runs[arm]) > seed:
            continue
        now = time.monotonic()
        if args.minutes and now - begun + last > 60 * args.minutes:
            return
        runs[arm].append({k: round(v, 4) for k, v in run(arm, seed, args.steps).items()})
        last = time.monotonic() - now
        print(arm, seed, runs[arm][-1], f"{time.monotonic() - now:.0f} s", flush=True)
        text = json.dumps({**facts, "runs": runs}, indent=1, ensure_ascii=False)
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
