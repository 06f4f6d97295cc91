"""All random states at once: Python's, NumPy's, PyTorch's on the CPU and on the accelerator."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def get_random_state(device: torch.device) -> dict[str, Any]:
    """Where all generators stand."""
    state = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put all generators back to where they stood; one of an accelerator that is not here is left out."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def to_json(state: dict[str, Any]) -> dict[str, Any]:
    """The same in what JSON can hold."""
    kind, keys, *rest = state["numpy"]
    plain = {name: value.tolist() for name, value in state.items() if isinstance(value, Tensor)}
    return {"python": state["python"], "numpy": [kind, keys.tolist(), *rest], **plain}


def from_json(plain: dict[str, Any]) -> dict[str, Any]:
    """Undo `to_json`, after a way through JSON."""
    version, internal, gauss = plain["python"]
    kind, keys, *rest = plain["numpy"]
    state = {
        name: torch.tensor(v, dtype=torch.uint8)
        for name, v in plain.items()
        if name not in ("python", "numpy")
    }
    state["python"] = (version, tuple(internal), gauss)
    state["numpy"] = (kind, np.array(keys, dtype=np.uint32), *rest)
    return state
