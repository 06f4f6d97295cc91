"""Understanding as a cloze, against a head on [CLS], from no label to 64: lesson 10's curves.

    python benchmarks/cloze.py            # about eight minutes on one core; goes on with what cloze.json has

Plain reviews of Tiny Town ("we found the room truly nice ."), half of them positive. Five seeds draw the
labelled reviews; judged on the test reviews. Wordings are compared, and the pattern and each arm's learning
rate are chosen, on the validation reviews. Then SmolLM2 on the course's real reviews.

    MLM     bert-town: no text that it read says a verdict beside its reasons
    MLM+    the same, after 120 more steps on reviews with a verdict behind, the verdict masked
    T5      t5-town: read reviews with a verdict behind while it was pre-trained
"""

from __future__ import annotations

import argparse
import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from course_lib.cloze import Cloze
from course_lib.data import few_shot, tiny_town
from course_lib.data.batching import Batches
from course_lib.models.hf import Model
from course_lib.pretrained import load_smollm2
from course_lib.pretrained.trained import load_trained
from course_lib.prompting import calibrate, score_labels
from course_lib.recipes.t5_town import verdicts
from course_lib.tokenization.base import Tokenizer
from course_lib.training import Trainer, seed_everything

LABELS = (2, 4, 8, 16, 32, 64)
STEPS, BATCH = 60, 16
RATES = (1e-4, 3e-4, 1e-3)
SETTINGS = {"warmup": 6, "floor": 0.1, "weight_decay": 0.01, "device": "cpu"}
MORE_STEPS, MORE_BATCH = 120, 64  # for MLM+
MORE_SETTINGS = {"learning_rate": 1e-3, "warmup": 12, "floor": 0.1, "device": "cpu"}
WORDS = ("bad", "good")  # of class 0 and class 1
WORDINGS = (
    ("{text} it was {blank} .", WORDS),
    ("{text} we found it {blank} .", WORDS),
    ("{text} everyone called it {blank} .", WORDS),
    ("{text} the trip was {blank} .", WORDS),
    ("it was {blank} . {text}", WORDS),
    ("{text} {blank} .", WORDS),
    ("{text} it was not {blank} .", WORDS[::-1]),  # "not good": negative
    ("{text} it was {blank} .", ("awful", "great")),
)
REAL_WORDINGS = (
    ("{text} It is", (" bad", " good")),
    ("{text} It was", (" bad", " good")),
    ("{text} It was", (" terrible", " great")),
    ("{text} In summary, it was", (" bad", " good")),
    ("{text} Would I go again?", (" No", " Yes")),
    ("Review: {text}\nSentiment:", (" negative", " positive")),
)
CONTENT_FREE = ("", "N/A", "[MASK]")


def reviews(split: str, kind: str = "plain") -> tuple[list[str], list[int]]:
    found = [one for one in tiny_town.sentiment(split) if one.kind == kind]
    return [one.text for one in found], [one.label for one in found]


def few(n: int, seed: int) -> tuple[list[str], list[int]]:
    """n labelled reviews, half of them positive; the first of a seed are the same for every n."""
    texts, labels = reviews("train")
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    kept = sorted(
        (place for label in (0, 1) for place in [i for i in order if labels[i] == label][: n // 2]),
        key=order.index,
    )
    return [texts[i] for i in kept], [labels[i] for i in kept]


def accuracy(cloze: Cloze, texts: list[str], labels: list[int]) -> float:
    return (cloze.score(texts).argmax(1).cpu() == torch.tensor(labels)).float().mean().item()


def by_cloze(
    model: Model, tokenizer: Tokenizer, pattern: str, n: int, seed: int, rate: float, split: str = "test"
) -> float:
    """Prompt-based fine-tuning on n labels, then the reviews of a split."""
    seed_everything(seed)
    cloze = Cloze(deepcopy(model), tokenizer, pattern, WORDS)
    if n:
        data = Batches(cloze.columns(*few(n, seed)), min(n, BATCH), seed)
        Trainer(cloze.model, cloze.loss, data, learning_rate=rate, **SETTINGS).fit(STEPS)
    return accuracy(cloze, *reviews(split))


def by_head(
    model: Model, tokenizer: Tokenizer, pattern: str, n: int, seed: int, rate: float, split: str = "test"
) -> float:
    """A fresh layer on [CLS], trained with the whole network; the pattern is not used. Then a split."""
    seed_everything(seed)
    tuned = model.with_classifier(2)
    texts, labels = few(n, seed)
    data = Batches(
        {"ids": [tokenizer.encode(t) for t in texts], "labels": torch.tensor(labels)}, min(n, BATCH), seed
    )
    Trainer(tuned, None, data, learning_rate=rate, **SETTINGS).fit(STEPS)
    texts, labels = reviews(split)
    with torch.no_grad():
        said = tuned(tokenizer.batch(texts)[0]).logits.argmax(1)
    return (said == torch.tensor(labels)).float().mean().item()


def with_verdicts(model: Model, tokenizer: Tokenizer, seed: int = 0, steps: int = MORE_STEPS) -> Model:
    """MLM+: a copy that has guessed some more masked words, those of the verdicts behind reviews."""
    seed_everything(seed)
    rows, labels = [], []
    for text in verdicts("train"):
        *before, word, stop, sep = tokenizer.encode(text)
        rows.append([*before, tokenizer.mask_id, stop, sep])
        labels.append([-100] * len(before) + [word, -100, -100])
    copy = deepcopy(model)
    data = Batches({"ids": rows, "labels": labels}, MORE_BATCH, seed)
    Trainer(copy, None, data, **MORE_SETTINGS).fit(steps)
    return copy


# ---- a real model: causal, so its blank stands last ----


def real(n_reviews: int | None = None) -> dict[str, Any]:
    model, tokenizer = load_smollm2()
    slide = "Pizza Hat is delicious!"
    rows = few_shot.sentiment("test")[:n_reviews]
    right = torch.tensor([["negative", "positive"].index(one.label) for one in rows])
    found = []
    for pattern, words in REAL_WORDINGS:
        prompts = [
            pattern.replace("{text}", text) for text in (slide, *CONTENT_FREE, *(o.text for o in rows))
        ]
        log_p = score_labels(model, tokenizer, prompts, list(words)).cpu()
        own, nothing, log_p = log_p[0], log_p[1 : 1 + len(CONTENT_FREE)], log_p[1 + len(CONTENT_FREE) :]
        fair = calibrate(log_p, nothing)
        found.append(
            {
                "pattern": pattern,
                "verbalisers": words,
                "slide": round(own.softmax(0)[1].item(), 4),
                "accuracy": round((log_p.argmax(1) == right).float().mean().item(), 4),
                "says_second": round(log_p.argmax(1).float().mean().item(), 4),
                "calibrated": round((fair.argmax(1) == right).float().mean().item(), 4),
            }
        )
        print(found[-1], flush=True)
    return {"model": "SmolLM2-135M-Instruct", "reviews": len(rows), "sentence": slide, "wordings": found}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reviews", type=int, help="real reviews; all 94 when not given")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    facts: dict[str, Any] = {"script": "benchmarks/cloze.py", "torch": torch.__version__}
    before = json.loads(args.out.read_text(encoding="utf-8")) if args.out.is_file() else {}

    def keep() -> None:
        args.out.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    mlm, words = load_trained("bert-town")
    models = {
        "MLM": (mlm, words),
        "MLM+": (with_verdicts(mlm, words), words),
        "T5": load_trained("t5-town"),
    }
    wordings = {
        name: [
            {
                "pattern": pattern,
                "verbalisers": verbalisers,
                "accuracy": round(accuracy(Cloze(*model, pattern, verbalisers), *reviews("validation")), 4),
            }
            for pattern, verbalisers in WORDINGS
        ]
        for name, model in models.items()
    }
    usual = [i for i, (_, verbalisers) in enumerate(WORDINGS) if verbalisers == WORDS]
    best = max(usual, key=lambda i: wordings["MLM+"][i]["accuracy"] + wordings["T5"][i]["accuracy"])
    pattern = WORDINGS[best][0]
    kinds = sorted({one.kind for one in tiny_town.sentiment("test")})
    by_kind = {
        name: {
            kind: round(accuracy(Cloze(*model, pattern, WORDS), *reviews("test", kind)), 4) for kind in kinds
        }
        for name, model in models.items()
    }
    settings = {"seeds": args.seeds, "steps": STEPS, "batch": BATCH, "rates": RATES, **SETTINGS}
    settings["test"] = len(reviews("test")[0])
    facts |= {
        "settings": settings,
        "pattern": pattern,
        "verbalisers": WORDS,
        "wordings": wordings,
        "kinds": by_kind,
    }
    print(json.dumps(facts, indent=1), flush=True)

    arms = {
        "MLM cloze": (by_cloze, models["MLM"]),
        "MLM head": (by_head, models["MLM"]),
        "MLM+ cloze": (by_cloze, models["MLM+"]),
        "MLM+ head": (by_head, models["MLM+"]),
        "T5 cloze": (by_cloze, models["T5"]),
    }
    same = all(before.get(name) == json.loads(json.dumps(facts[name])) for name in ("settings", "wordings"))
    facts |= {name: before.get(name, {}) if same else {} for name in ("rates", "runs")}
    rates, runs = facts["rates"], facts["runs"]
    for arm, (follow, model) in arms.items():
        if arm not in rates:
            found = {
                rate: sum(follow(*model, pattern, n, 100, rate, "validation") for n in (4, 32))
                for rate in RATES
            }
            rates[arm] = max(RATES, key=found.get)
            print(arm, found, flush=True)
    keep()
    for seed in range(args.seeds):
        for arm, (follow, model) in arms.items():
            for n in LABELS if follow is by_head else (0, *LABELS):
                scores = runs.setdefault(arm, {}).setdefault(str(n), [])
                if len(scores) == seed:
                    scores.append(round(follow(*model, pattern, n, seed, rates[arm]), 4))
            print(seed, arm, [scores[seed] for scores in runs[arm].values()], flush=True)
            keep()
    facts["real"] = before["real"] if same and "real" in before else real(args.reviews)
    keep()


if __name__ == "__main__":
    main()
