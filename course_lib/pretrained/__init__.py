"""Trained weights into the course's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_lib.pretrained.checkpoint import load, load_tokenizer
from course_lib.pretrained.packaged import packaged_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from course_lib.models import Bert, Llama

__all__ = ["load", "load_minilm", "load_smollm2", "load_tokenizer", "packaged_file"]


def load_minilm() -> tuple[Bert, Tokenizer]:
    """MiniLM-L6 (22.7 M parameters, English, uncased) and its WordPiece tokenizer; needs no network.

    A BERT of 6 layers and 12 heads, distilled from a larger one (Wang et al. 2020) and then trained to place
    sentences of similar meaning side by side (Reimers & Gurevych 2019). Apache-2.0.
    """
    from course_lib.models import Bert

    return load(Bert, "minilm"), load_tokenizer("minilm")


def load_smollm2() -> tuple[Llama, Tokenizer]:
    """SmolLM2-135M-Instruct (134.5 M parameters, English) and its byte-level BPE; needs no network.

    A Llama of 30 layers that was taught to follow instructions (Allal et al. 2025). Its weights are stored in
    4 bits each (GGUF Q4_1) and unpacked to float32. Apache-2.0.
    """
    from course_lib.models import Llama

    return load(Llama, "smollm2"), load_tokenizer("smollm2")
