"""Which accelerator to compute on, and where randomness starts."""

from __future__ import annotations

import os
import random

import numpy as np
import torch

WISH = "COURSE_DEVICE"  # set this environment variable to cpu, cuda or mps to choose by hand


def pick_device(verbose: bool = False) -> torch.device:
    """The fastest device PyTorch can use here: an NVIDIA or AMD GPU (cuda), an Apple GPU (mps), or the CPU.

    ``verbose=True`` prints the choice and why. The environment variable COURSE_DEVICE overrides the choice.

    Raises:
        ValueError: COURSE_DEVICE asks for a device that is not here.
    """
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wish = os.environ.get(WISH, "").strip().lower()
    if wish and not found.get(wish):
        there = ", ".join(name for name, is_there in found.items() if is_there)
        raise ValueError(
            f"{WISH}={wish}, but PyTorch finds only {there}: choose one of these or unset {WISH}"
        )
    name = wish or next(name for name, is_there in found.items() if is_there)
    device = torch.device(name)
    if verbose:
        print(f"{name}: {f'chosen by {WISH}' if wish else _reason(name)}")
    return device


def _reason(name: str) -> str:
    if name == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        return f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"
    if name == "mps":
        return "an Apple GPU"
    why = "this build of PyTorch has no CUDA" if torch.version.cuda is None else "PyTorch finds no CUDA GPU"
    return f"{why} and there is no Apple GPU. Every lesson is made to run on two CPU cores"


def seed_everything(seed: int) -> None:
    """Start Python's, NumPy's and PyTorch's random numbers (CPU and GPU) from `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def default_precision(device: torch.device) -> str:
    """ "bf16" where the GPU computes in it itself (NVIDIA: since Ampere, 2020), else "fp32"."""
    has = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has else "fp32"


# Dense bf16 peak of one GPU in FLOP/s, from NVIDIA's data sheets (without sparsity).
PEAK_FLOPS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}


def model_flops_utilization(
    model: torch.nn.Module, tokens_per_second: float, length: int | None, device: torch.device
) -> float | None:
    """Achieved share of the GPU's peak arithmetic, 0 to 1 (Chowdhery et al. 2022, appendix B).

    A token costs 6 operations a parameter, forward and backward, and 12 · layers · width · length for
    attention. None where the peak or the length is not known.
    """
    if device.type != "cuda" or not length:
        return None
    name = torch.cuda.get_device_name(device)
    peak = next((flops for gpu, flops in PEAK_FLOPS.items() if gpu in name), None)
    if peak is None:
        return None
    config = getattr(model, "config", None)
    attention = 12 * getattr(config, "n_layers", 0) * getattr(config, "d_model", 0) * length
    parameters = sum(p.numel() for p in model.parameters())
    return tokens_per_second * (6 * parameters + attention) / peak
