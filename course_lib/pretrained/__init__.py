"""Trained weights into the course's own classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from course_lib.pretrained.packaged import packaged_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from course_lib.models import Bert

__all__ = ["load_minilm", "packaged_file"]


def load_minilm() -> tuple[Bert, Tokenizer]:
    """MiniLM-L6 (22.7 M parameters, English, uncased) and its WordPiece tokenizer; needs no network.

    A BERT of 6 layers and 12 heads, distilled from a larger one (Wang et al. 2020) and then trained to place
    sentences of similar meaning side by side (Reimers & Gurevych 2019). Apache-2.0.
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    from course_lib.models import Bert

    weights = packaged_file("minilm")
    config = json.loads((weights.parent / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(weights.parent / "tokenizer.json"))
    tokenizer.no_truncation()  # the file cuts at 128 and pads to 128 by itself: say so where you want it
    tokenizer.no_padding()
    return Bert.from_state(config, load_file(weights)), tokenizer
