"""Training, on whatever machine there is. Importing this is cheap; each name is loaded when it is used."""

from importlib import import_module
from typing import Any

_HOMES = {
    "pick_device": "device",
    "seed_everything": "device",
    "Trainer": "trainer",
    "model_loss": "pieces",
    "warmup_cosine": "schedule",
    "make_optimizers": "optimizers",
    "DamagedCheckpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
