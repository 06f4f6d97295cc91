"""The recipes behind the course's own models: `course pretrain NAME` follows one from data to a checkpoint.

Each says what is trained on what, how long, and how it is judged. The lessons train shorter ones live.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import python_docs, tiny_town
from course_lib.data.batching import Batches, Blocks
from course_lib.models import Bert, BertConfig
from course_lib.objectives.mlm import MaskedBatches, frame, mask_tokens
from course_lib.objectives.nsp import nsp_pairs
from course_lib.pretrained.trained import BAND, SHIPPED, runs, save_trained, shipped
from course_lib.tokenization import WordPiece, train_wordpiece
from course_lib.tokenization.base import Tokenizer
from course_lib.training.curves import Band
from course_lib.training.device import pick_device, seed_everything
from course_lib.training.trainer import Trainer


@dataclass
class Parts:
    """What a recipe needs to train: made afresh for each seed.

    evaluate: called with the model while it trains; keep it short.
    report: called at the end, on all held-out text.
    """

    model: nn.Module
    tokenizer: Tokenizer
    batches: Iterator[dict[str, Tensor]]
    evaluate: Callable[[nn.Module], dict[str, float]]
    report: Callable[[nn.Module], dict[str, float]]
    loss_fn: Callable | None = None


@dataclass(frozen=True)
class Recipe:
    """How one model of the course is trained.

    minutes: on two cores of a laptop, about.  settings: what the `Trainer` is told.
    """

    name: str
    what: str
    lesson: str
    minutes: int
    steps: int
    prepare: Callable[[int, torch.device], Parts]
    settings: Mapping[str, Any] = field(default_factory=dict)
    eval_every: int = 100


# ---- BERT on the Python docs ----


def bert_docs(seed: int, device: torch.device) -> Parts:
    """Four layers, words hidden in runs of 62 tokens that may cross from one document to the next.

    30 % are hidden where the paper hides 15 %: a small model on little text learns more from each row (as
    Wettig et al. 2023 found for large ones). It is judged at 15 %.
    """
    tokenizer = train_wordpiece(python_docs.python_docs("train"), 4096)
    config = BertConfig(
        tokenizer.vocab_size,
        d_model=192,
        n_layers=4,
        n_heads=6,
        d_ff=768,
        max_positions=64,
        n_segments=1,
        pad_id=tokenizer.pad_id,
        dropout=0.0,  # eight epochs of a small model: it underfits
        pooler=False,
        mlm=True,
    )
    seed_everything(seed)
    blocks = Blocks(_row(tokenizer, python_docs.python_docs("train")), 62, 16, seed, device)
    held_out = {
        split: hidden_blocks(tokenizer, python_docs.python_docs(split), device)
        for split in ("validation", "test")
    }
    few = tuple(part[:256] for part in held_out["validation"])

    def report(model: nn.Module) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, (inputs, labels) in held_out.items()
            for name, value in mlm_scores(model, inputs, labels, tokenizer.mask_id).items()
        }

    return Parts(
        Bert(config),
        tokenizer,
        MaskedBatches(blocks, tokenizer, seed, framed=True, rate=0.3),
        lambda model: {f"validation_{k}": v for k, v in mlm_scores(model, *few, tokenizer.mask_id).items()},
        report,
    )


def _row(tokenizer: Tokenizer, documents: list[str]) -> Tensor:
    """All documents in one row of ids, [SEP] after each."""
    return torch.tensor([i for document in documents for i in tokenizer.encode(document)[1:]])


def hidden_blocks(tokenizer: Tokenizer, documents: list[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """Held-out text in rows of 64 with 15 % chosen as in the paper, the same ones each time."""
    row = _row(tokenizer, documents).to(device)
    rows = frame(row[: len(row) // 62 * 62].view(-1, 62), tokenizer)
    return mask_tokens(rows, tokenizer, generator=torch.Generator(device).manual_seed(0))


@torch.no_grad()
def mlm_scores(
    model: Bert,
    inputs: Tensor,
    labels: Tensor,
    mask_id: int,
    segments: Tensor | None = None,
    batch_size: int = 64,
) -> dict[str, float]:
    """How well hidden tokens are found.

    Returns:
        loss, in nats a chosen token; accuracy over all chosen tokens; mask_accuracy over those that [MASK]
        hid, which is the harder share.
    """
    total = right = right_hidden = n = n_hidden = 0.0
    for start in range(0, len(inputs), batch_size):
        part = slice(start, start + batch_size)
        ids, targets = inputs[part], labels[part]
        chosen = targets != -100
        if not chosen.any():
            continue
        out = model(ids, None if segments is None else segments[part], labels=targets)
        hits = out.logits.argmax(-1) == targets[chosen]
        is_hidden = ids[chosen] == mask_id
        total += F.cross_entropy(out.logits, targets[chosen], reduction="sum").item()
        right, n = right + hits.sum().item(), n + len(hits)
        right_hidden += hits[is_hidden].sum().item()
        n_hidden += is_hidden.sum().item()
    return {"loss": total / n, "accuracy": right / n, "mask_accuracy": right_hidden / max(n_hidden, 1)}


# ---- BERT on Tiny Town ----


def bert_town(seed: int, device: torch.device) -> Parts:
    """Two layers on Tiny Town's sentences, one by one and in pairs: hidden words and next sentences."""
    tokenizer = town_tokenizer()
    config = BertConfig(
        tokenizer.vocab_size,
        d_model=128,
        n_layers=2,
        n_heads=4,
        d_ff=512,
        max_positions=64,
        pad_id=tokenizer.pad_id,
        dropout=0.1,
        mlm=True,
        nsp=True,
    )
    seed_everything(seed)
    batches = Batches(
        town_columns(tokenizer, "train"), 64, seed, pad={"ids": tokenizer.pad_id}, device=device
    )
    held_out = {split: town_held_out(tokenizer, split, device) for split in ("validation", "test")}

    def report(model: nn.Module) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, parts in held_out.items()
            for name, value in town_scores(model, parts, tokenizer.mask_id).items()
        }

    return Parts(
        Bert(config),
        tokenizer,
        MaskedBatches(batches, tokenizer, seed),
        lambda model: {
            f"validation_{k}": v
            for k, v in town_scores(model, held_out["validation"], tokenizer.mask_id).items()
        },
        report,
        bert_loss,
    )


TOWN_TEXTS = (
    *("text", "first", "second", "sentences", "words", "premise", "hypothesis", "anchor", "positive"),
    *("negative", "passage", "question", "singular", "plural", "english"),
)


def town_tokenizer() -> WordPiece:
    """One token for each word that any task of Tiny Town uses in its training split."""
    words: set[str] = set()
    for task in tiny_town.TASKS.values():
        for example in task("train"):
            for name in TOWN_TEXTS:
                text = getattr(example, name, "")
                words |= set((text if isinstance(text, str) else " ".join(text)).split())
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return WordPiece({token: i for i, token in enumerate([*special, *sorted(words)])})


def town_columns(tokenizer: Tokenizer, split: str) -> dict[str, list]:
    """Every sentence alone, the pairs of the next-sentence task, and in training pairs cut from the stories.

    Alone, "nsp_labels" is -100.
    """
    columns = {"ids": [], "segments": [], "nsp_labels": []}

    def add(ids: list[int], segments: list[int], label: int) -> None:
        for name, value in zip(columns, (ids, segments, label), strict=True):
            columns[name].append(value)

    for sentence in tiny_town.sentences(split):
        ids = tokenizer.encode(sentence)
        add(ids, [0] * len(ids), -100)
    for pair in tiny_town.next_sentence(split):
        add(*tokenizer.encode_pair(pair.first, pair.second), 1 - pair.label)  # 0: follows
    for seed in range(2 if split == "train" else 0):  # each time with other sentences that do not follow
        cut = nsp_pairs([story.sentences for story in tiny_town.stories(split)], seed)
        for first, second, label in zip(cut.first, cut.second, cut.labels, strict=True):
            add(*tokenizer.encode_pair(first, second), label)
    return columns


def bert_loss(model: Bert, batch: dict[str, Tensor]) -> Tensor:
    """Hidden words, and next sentences for the rows that are pairs (Devlin et al. 2019, appendix A.2)."""
    out = model(batch["ids"], batch["segments"], labels=batch["labels"])
    pairs = batch["nsp_labels"] >= 0
    if not pairs.any():
        return out.loss
    return out.loss + F.cross_entropy(out.nsp_logits[pairs], batch["nsp_labels"][pairs])


def town_held_out(tokenizer: Tokenizer, split: str, device: torch.device) -> dict[str, Tensor]:
    columns = town_columns(tokenizer, split)
    ids, real = tokenizer.pad(columns["ids"])
    segments = torch.zeros_like(ids)
    segments[real] = torch.tensor(list(itertools.chain(*columns["segments"])))
    nsp = torch.tensor(columns["nsp_labels"])
    inputs, labels = mask_tokens(ids, tokenizer, generator=torch.Generator().manual_seed(0))
    parts = {"ids": ids, "inputs": inputs, "labels": labels, "segments": segments, "nsp": nsp}
    return {name: part.to(device) for name, part in parts.items()}


@torch.no_grad()
def town_scores(model: Bert, parts: dict[str, Tensor], mask_id: int) -> dict[str, float]:
    """`mlm_scores`, and the share of sentence pairs that are told right."""
    scores = mlm_scores(model, parts["inputs"], parts["labels"], mask_id, parts["segments"], 256)
    pairs = parts["nsp"] >= 0
    said = model(parts["ids"][pairs], parts["segments"][pairs]).nsp_logits.argmax(-1)
    return scores | {"nsp_accuracy": (said == parts["nsp"][pairs]).float().mean().item()}


# ---- following a recipe ----

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "bert-town",
            "BERT, 2 layers of 128, masked words and next sentences on Tiny Town",
            "02, 03, 05",
            12,
            4000,
            bert_town,
            {"learning_rate": 0.007, "optimizer": "muon", "warmup": 100, "floor": 0.02},
            eval_every=500,
        ),
        Recipe(
            "bert-docs",
            "BERT, 4 layers of 192, masked words on the Python docs",
            "05",
            75,
            16_000,
            bert_docs,
            {"learning_rate": 1.5e-3, "betas": (0.9, 0.98), "warmup": 500, "floor": 0.02},
            eval_every=500,
        ),
    )
}


def list_recipes() -> str:
    """A table of the recipes: name, minutes, whether the course ships the model, what it is."""
    rows = [f"{'recipe':12} {'lesson':11} {'minutes':>7}  {'shipped':7}  {'band':4}  what"]
    for recipe in RECIPES.values():
        is_shipped = "yes" if recipe.name in shipped() else "no"
        has_band = "yes" if band_of(recipe.name) else "no"
        size = f"{recipe.lesson:11} {recipe.minutes:>7}"
        rows.append(f"{recipe.name:12} {size}  {is_shipped:7}  {has_band:4}  {recipe.what}")
    return "\n".join([*rows, "Minutes: on two cores of a laptop, about."])


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        LookupError: there is none; the message lists those there are.
    """
    if name not in RECIPES:
        raise LookupError(f"no recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def trainer_of(recipe: Recipe, parts: Parts, device: torch.device, **options: Any) -> Trainer:
    """The `Trainer` that the recipe asks for."""
    return Trainer(
        parts.model,
        parts.loss_fn,
        parts.batches,
        **{"device": device, "evaluate": parts.evaluate, "eval_every": recipe.eval_every}
        | dict(recipe.settings)
        | options,
    )


def pretrain(name: str, *, seed: int = 0, steps: int | None = None, folder: str | Path | None = None) -> Path:
    """Follow a recipe to its end and write the model; an interrupted run goes on where it stopped.

    Args:
        name: of the recipe.  seed: of everything random.  steps: fewer or more than the recipe has.
        folder: where the model goes; `.course/runs/NAME` when not given. What is there is kept, dated.

    Returns:
        The folder, which `load_trained` reads.
    """
    recipe = find_recipe(name)
    folder = Path(folder) if folder else runs() / name
    steps = steps or recipe.steps
    device = pick_device()
    parts = recipe.prepare(seed, device)
    checkpoints = folder.with_name(f"{folder.name}-seed{seed}-{steps}-checkpoints")
    trainer = trainer_of(
        recipe,
        parts,
        device,
        warmup=recipe.settings["warmup"] * steps // recipe.steps,  # its share of a shorter run
        folder=checkpoints,
        save_every=recipe.eval_every,
        hooks=(say_evaluations,),
    )
    if trainer.resume():
        print(f"Going on after step {trainer.step}.")
    print(f"{recipe.what}: {parts.model.num_parameters():,} parameters on {device}, {steps} steps.")
    trainer.fit(steps)
    if not trainer.workers.is_first:
        return folder
    parts.model.eval()
    about = {
        "recipe": recipe.name,
        "what": recipe.what,
        "seed": seed,
        "steps": steps,
        "tokens": trainer.tokens,
        "settings": dict(recipe.settings),
        "versions": {
            "torch": torch.__version__,
            "course": importlib.metadata.version("transformer-variants"),
        },
        "metrics": {k: round(v, 4) for k, v in parts.report(parts.model).items()},
        "curve": thinned(trainer.curve),
    }
    place = save_trained(folder, parts.model, parts.tokenizer, about)
    print(json.dumps(about["metrics"], indent=1))
    print(f"Written to {place}")
    return place


class _Enough(Exception):
    """The band goes no further."""


def make_band(name: str, seeds: Iterable[int] = range(5), steps: int | None = None) -> Band:
    """Where the curves of a recipe lie: one run a seed, the recipe's schedule, up to `steps`.

    Args:
        steps: fewer than the recipe has, for a recipe of an hour; the schedule stays the whole run's.
    """
    recipe = find_recipe(name)
    until = min(steps or recipe.steps, recipe.steps)

    def enough(trainer: Trainer) -> None:
        if trainer.step == until and until < recipe.steps:
            raise _Enough

    seeds = list(seeds)
    curves, device = [], pick_device()
    for seed in seeds:
        trainer = trainer_of(recipe, recipe.prepare(seed, device), device, hooks=(enough, say_evaluations))
        with contextlib.suppress(_Enough):
            trainer.fit(recipe.steps)
        curves.append(trainer.curve)
        print(f"seed {seed}: loss {trainer.curve[-1]['loss']:.3f} after step {trainer.step}", flush=True)
    return Band.from_curves(curves, name, seeds)


def band_of(name: str) -> Band | None:
    """The shipped band of a recipe, for ``trainer.diagnose(band_of(name))``; None where there is none."""
    find_recipe(name)
    path = SHIPPED / name / BAND
    return Band.load(path) if path.is_file() else None


def say_evaluations(trainer: Trainer) -> None:
    """A hook that prints a line at each evaluation, for runs that no one watches."""
    row = trainer.curve[-1]
    seen = [f"{name} {value:.3f}" for name, value in row.items() if name.startswith("validation")]
    if seen and trainer.workers.is_first:
        speed = f"{trainer.tokens_per_second:,.0f} tokens/s"
        print(f"step {row['step']:>6}  loss {row['loss']:.3f}  {'  '.join(seen)}  {speed}", flush=True)


def thinned(curve: list[dict[str, float]], rows: int = 100) -> list[dict[str, float]]:
    """About `rows` rows of a curve: the loss averaged over the steps between; rows with a metric all kept."""
    every = max(1, len(curve) // rows)
    kept = []
    for end in range(every, len(curve) + 1, every):
        part = curve[end - every : end]
        row = {"step": part[-1]["step"], "loss": sum(r["loss"] for r in part) / len(part)}
        row["learning_rate"] = part[-1]["learning_rate"]
        for one in part:
            row |= {k: v for k, v in one.items() if k.startswith("validation")}
        kept.append({k: round(v, 6) for k, v in row.items()})
    return kept
