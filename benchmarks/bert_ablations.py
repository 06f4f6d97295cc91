"""What each choice of BERT's pre-training is worth, in a town of six ambiguous words: lesson 05's table.

    python benchmarks/bert_ablations.py            # about six minutes on one core; writes bert_ablations.json

Every run: 2 layers of 64, 400 steps of 128 sentences, AdamW and Muon, three seeds. The lesson trains some of
these live, one seed, with the same settings.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from course_lib.attention import causal_mask
from course_lib.data import tiny_town
from course_lib.data.batching import Batches
from course_lib.data.tiny_town.polysemy import Sense, lexicon
from course_lib.models import Bert, BertConfig
from course_lib.objectives import causal_lm_loss, mask_tokens, nsp_pairs
from course_lib.objectives.mlm import MaskedBatches
from course_lib.recipes import bert_loss, mlm_scores
from course_lib.tokenization import WordPiece
from course_lib.training import Trainer, seed_everything

SIX = ("apple", "python", "bank", "bat", "mouse", "star")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SETTINGS = {"learning_rate": 0.01, "optimizer": "muon", "warmup": 30, "floor": 0.02, "device": "cpu"}
STEPS, BATCH = 400, 128


def word_tokenizer(texts: Sequence[str]) -> WordPiece:
    """One token a word."""
    words = sorted({word for text in texts for word in text.split()})
    return WordPiece({token: i for i, token in enumerate([*SPECIAL, *words])})


def town(split: str) -> list[Sense]:
    """Sentences with one of the six words, or with a sibling of theirs."""
    kin = {s.split()[-1] for e in lexicon() if e.word in SIX for s in e.siblings}
    found = [*tiny_town.senses(split), *tiny_town.siblings(split)]
    return [one for one in found if one.word in kin | set(SIX)]


def tiny_bert(tokenizer: WordPiece, seed: int, **heads: bool) -> Bert:
    seed_everything(seed)
    sizes = {"d_model": 64, "n_layers": 2, "n_heads": 4, "d_ff": 256, "max_positions": 64, "dropout": 0.0}
    return Bert(BertConfig(len(tokenizer), pad_id=tokenizer.pad_id, mlm=True, **sizes, **heads))


def both_ways(ids: Tensor) -> None:
    return None


def left_only(ids: Tensor) -> Tensor:
    return causal_mask(ids.shape[1])


def next_token_loss(model: Bert, batch: dict[str, Tensor]) -> Tensor:
    ids = batch["ids"]
    return causal_lm_loss(model(ids, mask=left_only(ids)).logits, ids, ids != model.config.pad_id)


# ---- one network, in the town of six words ----


def words_arm(arm: str, seed: int, steps: int) -> dict[str, float]:
    """ "80/10/10" and "100 % [MASK]" read both ways; "left to right" predicts the next token."""
    texts = [one.text for one in town("train")]
    tokenizer = word_tokenizer(texts)
    batches = Batches({"ids": [tokenizer.encode(text) for text in texts]}, BATCH, seed)
    shares = {"mask_share": 1.0, "random_share": 0.0} if arm == "100 % [MASK]" else {}
    model = tiny_bert(tokenizer, seed)
    reads = left_only if arm == "left to right" else both_ways
    if arm == "left to right":
        Trainer(model, next_token_loss, batches, **SETTINGS).fit(steps)
    else:
        data = MaskedBatches(batches, tokenizer, seed, **shares)
        Trainer(model, None, data, **SETTINGS).fit(steps)
    found = sense_scores(model, tokenizer, reads)
    if arm != "left to right":
        ids, _ = tokenizer.batch([one.text for one in town("validation")])
        inputs, labels = mask_tokens(ids, tokenizer, generator=torch.Generator().manual_seed(0))
        found |= fates(model, inputs, labels, tokenizer.mask_id)
    return found


@torch.no_grad()
def fates(model: Bert, inputs: Tensor, labels: Tensor, mask_id: int) -> dict[str, float]:
    """Accuracy on chosen tokens that are hidden, swapped for another, or still there."""
    chosen = labels != -100
    seen, wanted = inputs[chosen], labels[chosen]
    right = (model(inputs, labels=labels).logits.argmax(-1) == wanted).float()
    kinds = {"hidden": seen == mask_id, "kept": seen == wanted}
    kinds["swapped"] = ~kinds["hidden"] & ~kinds["kept"]
    return {name: right[rows].mean().item() for name, rows in kinds.items()}


@torch.no_grad()
def sense_scores(
    model: Bert, tokenizer: WordPiece, reads: Callable[[Tensor], Tensor | None]
) -> dict[str, float]:
    """Share of unseen sentences whose word lies nearer to its own sense's mean vector, by where the clue is.

    Words whose two senses take another article (apple, python) are left out: it would give them away.
    """
    phrases: dict[str, set[str]] = {}
    for entry in lexicon():
        phrases.setdefault(entry.word, set()).add(entry.phrase)
    fair = [word for word in SIX if len(phrases[word]) == 1]

    def vectors(split: str) -> tuple[list[Sense], Tensor]:
        rows = [one for one in tiny_town.senses(split) if one.word in fair]
        ids, _ = tokenizer.batch([one.text for one in rows])
        hidden = model(ids, mask=reads(ids)).hidden
        return rows, hidden[torch.arange(len(rows)), [one.position + 1 for one in rows]]

    rows, vector = vectors("train")
    means = {
        key: vector[[(one.word, one.sense) == key for one in rows]].mean(0)
        for key in {(one.word, one.sense) for one in rows}
    }
    hits: dict[str, list[bool]] = {}
    for split in ("validation", "test"):
        rows, vector = vectors(split)
        for one, v in zip(rows, vector, strict=True):
            near = min((key for key in means if key[0] == one.word), key=lambda key: (v - means[key]).norm())
            hits.setdefault(f"{split}_{one.clue}", []).append(near[1] == one.sense)
    return {name: sum(found) / len(found) for name, found in sorted(hits.items())}


# ---- with and without the next sentence, on stories ----


def pairs_arm(arm: str, seed: int, steps: int) -> dict[str, float]:
    """ "MLM" and "MLM + NSP" read the same pairs; then entailment is learned from 1,024 labels."""
    pairs = {
        split: nsp_pairs([s.sentences for s in tiny_town.stories(split)]) for split in ("train", "validation")
    }
    tasks = {split: tiny_town.entailment(split) for split in ("train", "validation")}
    alone = [one.premise for one in tasks["train"]]
    texts = [
        *pairs["train"].first,
        *pairs["train"].second,
        *alone,
        *(one.hypothesis for one in tasks["train"]),
    ]
    tokenizer = word_tokenizer(texts)

    def columns(split: str) -> dict[str, list]:
        both = [
            tokenizer.encode_pair(a, b) for a, b in zip(pairs[split].first, pairs[split].second, strict=True)
        ]
        return {
            "ids": [ids for ids, _ in both],
            "segments": [segments for _, segments in both],
            "nsp_labels": pairs[split].labels,
        }

    train = columns("train")
    for text in alone:
        ids = tokenizer.encode(text)
        for name, value in (("ids", ids), ("segments", [0] * len(ids)), ("nsp_labels", -100)):
            train[name].append(value)
    model = tiny_bert(tokenizer, seed, nsp=True)

    def words_only(model: Bert, batch: dict[str, Tensor]) -> Tensor:
        return model(batch["ids"], batch["segments"], labels=batch["labels"]).loss

    data = MaskedBatches(Batches(train, BATCH, seed), tokenizer, seed)
    Trainer(model, bert_loss if arm == "MLM + NSP" else words_only, data, **SETTINGS).fit(steps)

    held = columns("validation")
    (ids, _), (segments, _) = tokenizer.pad(held["ids"]), tokenizer.pad(held["segments"])
    inputs, labels = mask_tokens(ids, tokenizer, generator=torch.Generator().manual_seed(0))
    found = {"hidden": mlm_scores(model, inputs, labels, tokenizer.mask_id, segments)["mask_accuracy"]}
    with torch.no_grad():
        said = model(ids, segments).nsp_logits.argmax(-1)
    found["next_sentence"] = (said == torch.tensor(held["nsp_labels"])).float().mean().item()
    return found | entailment_after(model, tokenizer, tasks, seed, steps)


def entailment_after(
    model: Bert, tokenizer: WordPiece, tasks: dict, seed: int, steps: int
) -> dict[str, float]:
    tuned = model.with_classifier(3)
    few = random.Random(seed).sample(tasks["train"], 1024)
    both = [tokenizer.encode_pair(one.premise, one.hypothesis) for one in few]
    columns = {"ids": [a for a, _ in both], "segments": [b for _, b in both]}
    data = Batches(columns | {"labels": torch.tensor([one.label for one in few])}, 32, seed)
    Trainer(tuned, None, data, learning_rate=1e-3, warmup=20, device="cpu").fit(min(steps, 160))
    both = [tokenizer.encode_pair(one.premise, one.hypothesis) for one in tasks["validation"]]
    ids, segments = tokenizer.pad([a for a, _ in both])[0], tokenizer.pad([b for _, b in both])[0]
    with torch.no_grad():
        said = tuned(ids, segments).logits.argmax(-1)
    right = said == torch.tensor([one.label for one in tasks["validation"]])
    return {"entailment": right.float().mean().item()}


ARMS = {
    "80/10/10": words_arm,
    "100 % [MASK]": words_arm,
    "left to right": words_arm,
    "MLM": pairs_arm,
    "MLM + NSP": pairs_arm,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    runs = {arm: [] for arm in ARMS}
    for seed in range(args.seeds):
        for arm, follow in ARMS.items():
            runs[arm].append({k: round(v, 4) for k, v in follow(arm, seed, args.steps).items()})
            print(arm, seed, runs[arm][-1], flush=True)
            facts = {"script": "benchmarks/bert_ablations.py", "torch": torch.__version__}
            settings = {"steps": args.steps, "batch": BATCH, "seeds": seed + 1, **SETTINGS}
            text = json.dumps({**facts, "settings": settings, "runs": runs}, indent=1, ensure_ascii=False)
            args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
