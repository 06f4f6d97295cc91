"""Models trained by the course's own recipes: the shipped ones, and yours.

A folder holds `model.safetensors` (16 bits a number), `tokenizer.json`, and `model.json`: the class and its
config, the recipe, the seed, the versions, the held-out metrics and the learning curve.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.paths import course_home

if TYPE_CHECKING:
    from course_lib.models.hf import Model
    from course_lib.tokenization.base import Tokenizer

WEIGHTS, TOKENIZER, ABOUT = "model.safetensors", "tokenizer.json", "model.json"
BAND = "band.json"  # where the learning curves of the recipe lie, over five seeds
SHIPPED = Path(__file__).parent / "shipped"
LIMIT = 12_000_000  # bytes of a shipped model's weights; a test holds them to it


def shipped() -> list[str]:
    """The names of the models that come with the course."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{ABOUT}"))


def runs() -> Path:
    """Where `course pretrain` writes."""
    return course_home() / "runs"


def find_trained(name_or_path: str | Path) -> Path | None:
    """The folder of a shipped model or of one's own; None where there is none."""
    places = (SHIPPED / name_or_path, Path(name_or_path).expanduser())
    return next((place for place in places if (place / ABOUT).is_file()), None)


def save_trained(folder: str | Path, model: Model, tokenizer: Tokenizer, about: Mapping[str, Any]) -> Path:
    """Write a trained model with all that is known of it; a folder that is there is kept under its date.

    Args:
        about: anything JSON can hold; what tells the recipe, the seed, the metrics.
    """
    import torch
    from safetensors.torch import save_file

    folder = Path(folder)
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    own = dict(model.named_parameters()) | dict(model.named_buffers())  # tied weights once
    kept = {name: tensor for name, tensor in model.state_dict().items() if name in own}
    save_file(
        {
            name: (tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor).cpu().contiguous()
            for name, tensor in kept.items()
        },
        scratch / WEIGHTS,
    )
    tokenizer.save(scratch / TOKENIZER)
    facts = {
        "class": type(model).__name__,
        "config": dataclasses.asdict(model.config),
        "tokenizer": type(tokenizer).__name__,
        "parameters": model.num_parameters(),
        **about,
    }
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    (scratch / ABOUT).write_text(text + "\n", encoding="utf-8")
    if folder.exists():
        stamp = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        folder.rename(folder.with_name(f"{folder.name}-{stamp}"))
    scratch.rename(folder)
    return folder


def about_trained(name_or_path: str | Path) -> dict[str, Any]:
    """What is known of a trained model: class, config, recipe, seed, versions, metrics, curve.

    Raises:
        FileNotFoundError: no such model.  ValueError: its model.json is damaged.
    """
    folder = find_trained(name_or_path)
    if folder is None:
        raise FileNotFoundError(
            f"no trained model {str(name_or_path)!r}: shipped are {', '.join(shipped()) or 'none'}; "
            "`course pretrain --list` shows what you can train, and a folder that it wrote loads by its path"
        )
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / ABOUT} is damaged ({error}): train it again, or fetch it") from None


def load_trained(name_or_path: str | Path) -> tuple[Model, Tokenizer]:
    """A model trained by a recipe of the course, in evaluation mode and float32, and its tokenizer.

    Args:
        name_or_path: a shipped model, such as "bert-docs", or a folder that `course pretrain` wrote.

    Raises:
        FileNotFoundError: no such model.  ValueError: its files are damaged or do not fit.
    """
    from course_lib import tokenization

    about = about_trained(name_or_path)
    folder = find_trained(name_or_path)
    kinds = {"WordPiece": tokenization.WordPiece, "BPE": tokenization.BPE}
    return load_model(folder, about), kinds[about["tokenizer"]].load(folder / TOKENIZER)


def load_model(folder: Path, about: Mapping[str, Any]) -> Model:
    """The model alone."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from course_lib import models

    if about["class"] not in ("Bert", "GPT", "Bart", "T5", "Llama", "ELMo"):
        raise ValueError(f"{folder / ABOUT} names the class {about['class']!r}, which the course has not")
    kind, config = getattr(models, about["class"]), getattr(models, f"{about['class']}Config")
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder / WEIGHTS} is damaged or missing ({error}): fetch it again") from None
    model = kind(config(**about["config"]))
    found = model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    missing = set(found.missing_keys) & {name for name, _ in model.named_parameters()}
    if missing or found.unexpected_keys:
        raise ValueError(
            f"{folder}: the weights do not fit model.json: missing {sorted(missing)[:3]}, unexpected "
            f"{found.unexpected_keys[:3]}. Take both files from one run"
        )
    return model.eval()
