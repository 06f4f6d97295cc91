"""Handwritten digits of 8 x 8 pixels: small enough to see each, and to read an image as a row of tokens."""

from __future__ import annotations

import functools
import gzip

import numpy as np
import torch
from torch import Tensor

from course_lib.data.card import Card
from course_lib.data.store import package_folder, versions

SPLITS = ("train", "validation", "test")


def digits(split: str = "train") -> tuple[Tensor, Tensor]:
    """Images (N, 8, 8), float in 0 to 1, bright is ink, and their labels (N,), 0 to 9.

    Args:
        split: "train" (1,259), "validation" (179) or "test" (359).

    Raises:
        ValueError: no such split.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not a split: choose one of {', '.join(SPLITS)}")
    table = _table()
    order = np.random.default_rng(0).permutation(len(table))
    n_test, n_validation = len(table) // 5, len(table) // 10
    rows = {
        "test": order[:n_test],
        "validation": order[n_test : n_test + n_validation],
        "train": order[n_test + n_validation :],
    }[split]
    chosen = torch.from_numpy(table[rows])
    return chosen[:, :64].reshape(-1, 8, 8).float() / 16, chosen[:, 64].long()


def patches(images: Tensor, size: int = 2) -> Tensor:
    """Images (N, H, W) cut into squares, left to right and top to bottom: (N, H/size * W/size, size * size).

    Source: Dosovitskiy et al. 2021, section 3.1: an image is a sequence of flattened patches.

    Raises:
        ValueError: the squares do not tile the image.
    """
    n, height, width = images.shape
    if height % size or width % size:
        raise ValueError(
            f"patches of {size} x {size} do not tile an image of {height} x {width}: "
            "choose a size that divides both"
        )
    cut = images.reshape(n, height // size, size, width // size, size)
    return cut.transpose(2, 3).reshape(n, -1, size * size)


def unpatch(tokens: Tensor, height: int = 8) -> Tensor:
    """The inverse of `patches` for images of `height` rows: (N, P, size * size) -> (N, height, width)."""
    n, count, area = tokens.shape
    size = round(area**0.5)
    rows = height // size
    cut = tokens.reshape(n, rows, count // rows, size, size)
    return cut.transpose(2, 3).reshape(n, height, -1)


@functools.cache
def _table() -> np.ndarray:
    # Read from its file: importing scikit-learn takes longer than all the rest.
    folder = package_folder("sklearn", "handwritten digits")
    with gzip.open(folder / "datasets" / "data" / "digits.csv.gz", "rt", encoding="utf-8") as file:
        return np.loadtxt(file, delimiter=",")


def card() -> Card:
    """The data card."""
    return Card(
        name="Handwritten digits",
        what="an image of 8 x 8 pixels and the digit it shows",
        source="E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, the test part, "
        f"from scikit-learn {versions('scikit-learn')['scikit-learn']}",
        licence="CC BY 4.0 (data), BSD-3-Clause (package)",
        size=", ".join(f"{split} {len(digits(split)[1]):,}" for split in SPLITS),
        quirks=(
            "17 grey levels: each pixel counts the ink in a square of 4 x 4 of the scan.",
            "13 people wrote all of them, and the file does not say who wrote which: the split mixes "
            "writers, so the test score says nothing of a new hand.",
        ),
    )
