"""The recipes behind the course's own models: `course pretrain NAME` follows one from data to a checkpoint.

Each says what is trained on what, how long, and how it is judged. The lessons train shorter ones live.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from course_lib.pretrained.trained import BAND, SHIPPED, runs, save_trained, shipped
from course_lib.recipes.bart_town import bart_town
from course_lib.recipes.bert_docs import bert_docs, hidden_blocks, mlm_scores
from course_lib.recipes.bert_town import bert_loss, bert_town, town_held_out, town_scores, town_tokenizer
from course_lib.recipes.gpt_docs import docs_bits_per_byte, gpt_docs
from course_lib.recipes.names import bart_names, translator_from_bart_names
from course_lib.recipes.parts import Parts
from course_lib.recipes.t5_tasks import t5_tasks
from course_lib.recipes.t5_town import t5_town
from course_lib.training.curves import Band
from course_lib.training.device import pick_device
from course_lib.training.trainer import Trainer

__all__ = [
    "RECIPES",
    "Recipe",
    "band_of",
    "bert_loss",
    "docs_bits_per_byte",
    "find_recipe",
    "hidden_blocks",
    "list_recipes",
    "make_band",
    "mlm_scores",
    "pretrain",
    "say_evaluations",
    "thinned",
    "town_held_out",
    "town_scores",
    "town_tokenizer",
    "trainer_of",
]


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
        Recipe(
            "gpt-docs",
            "GPT, 4 layers of 192, the next token of the Python docs",
            "06, 07",
            75,
            4_500,
            gpt_docs,
            {"learning_rate": 0.01, "optimizer": "muon", "warmup": 200, "floor": 0.0},
            eval_every=250,
        ),
        Recipe(
            "bart-town",
            "BART, 2 + 2 layers of 128, repairs damaged sentences and stories of Tiny Town",
            "09",
            10,
            3_000,
            bart_town,
            {"learning_rate": 0.007, "optimizer": "muon", "warmup": 100, "floor": 0.02},
            eval_every=500,
        ),
        Recipe(
            "t5-town",
            "T5, 2 + 2 layers of 128, missing spans of Tiny Town's reviews, verdicts behind them",
            "10",
            3,
            1_000,
            t5_town,
            {"learning_rate": 0.007, "optimizer": "muon", "warmup": 100, "floor": 0.02},
            eval_every=100,
        ),
        Recipe(
            "bart-names",
            "BART, 3 + 3 layers of 128, repairs damaged names in English, French and Korean",
            "09",
            4,
            1_000,
            bart_names,
            {"learning_rate": 0.01, "optimizer": "muon", "warmup": 50, "floor": 0.02},
            eval_every=250,
        ),
        Recipe(
            "translator",
            "bart-names, taught to translate names from English to French and Korean",
            "09",
            8,
            2_000,
            translator_from_bart_names,
            {"learning_rate": 0.01, "optimizer": "muon", "warmup": 50, "floor": 0.02},
            eval_every=250,
        ),
        Recipe(
            "t5-tasks",
            "T5, 2 + 2 layers of 128, seven tasks as text to text",
            "10",
            10,
            3_000,
            t5_tasks,
            {"learning_rate": 0.005, "optimizer": "muon", "warmup": 100, "floor": 0.02},
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
