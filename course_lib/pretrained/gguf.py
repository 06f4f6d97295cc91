"""GGUF, the file that llama.cpp reads: metadata, then tensors packed into a few bits a number.

The layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The header is read here, because the
`gguf` package takes seconds over a vocabulary; unpacking the numbers is left to it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# value type -> struct's letter: u8 i8 u16 i16 u32 i32 f32 bool, and 64 bits wide u64 i64 f64
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass
class GGUF:
    """What a file holds: metadata as plain Python values, tensors as float32 under GGUF's names."""

    metadata: dict[str, Any]
    tensors: dict[str, Tensor]


class _Cursor:
    """A place in the file that moves on as values are read."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.at = data, path, 0

    def damaged(self, what: str) -> ValueError:
        return ValueError(f"{self.path.name} is damaged or cut off ({what}): fetch the file again")

    def take(self, n: int) -> bytes:
        piece = self.data[self.at : self.at + n]
        if len(piece) < n:
            raise self.damaged(f"it ends at byte {len(self.data)}, the header goes on")
        self.at += n
        return piece

    def scalars(self, letters: str) -> tuple[Any, ...]:
        layout = "<" + letters
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def string(self) -> str:
        try:
            return self.take(self.scalars("Q")[0]).decode("utf-8")
        except UnicodeDecodeError:
            raise self.damaged(f"text before byte {self.at} is not UTF-8") from None

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.scalars(_SCALARS[kind])[0]
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            inner, n = self.scalars("IQ")
            if inner in _SCALARS:
                numbers = np.dtype("<" + _SCALARS[inner])
                return np.frombuffer(self.take(n * numbers.itemsize), numbers).tolist()
            return [self.value(inner) for _ in range(n)]
        raise self.damaged(f"a value of type {kind} before byte {self.at}")


def read_gguf(path: str | Path, tensors: bool = True) -> GGUF:
    """All metadata and, unless told otherwise, all tensors of a GGUF file, unpacked to float32.

    Raises:
        ValueError: not a GGUF file, damaged, or packed in a way that `gguf` does not know.
    """
    path = Path(path)
    cursor = _Cursor(path.read_bytes(), path)
    if cursor.data[:4] != b"GGUF":
        raise ValueError(f"{path.name} does not begin with GGUF: it is another kind of file")
    cursor.at = 4
    version, n_tensors, n_values = cursor.scalars("IQQ")
    if version not in (2, 3):
        raise ValueError(f"{path.name} is GGUF version {version}; versions 2 and 3 are read here: convert it")
    metadata = {}
    for _ in range(n_values):
        name = cursor.string()
        metadata[name] = cursor.value(cursor.scalars("I")[0])
    table = []
    for _ in range(n_tensors):
        name = cursor.string()
        shape = cursor.scalars("Q" * cursor.scalars("I")[0])[::-1]  # the file lists the innermost first
        table.append((name, shape, *cursor.scalars("IQ")))
    alignment = metadata.get("general.alignment", 32)
    start = math.ceil(cursor.at / alignment) * alignment
    gguf = GGUF(metadata, {})
    for name, shape, packing, offset in table if tensors else ():
        cursor.at = start + offset
        gguf.tensors[name] = _unpack(cursor, name, shape, packing)
    return gguf


def _unpack(cursor: _Cursor, name: str, shape: tuple[int, ...], packing: int) -> Tensor:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        packing = GGMLQuantizationType(packing)
        block, n_bytes = GGML_QUANT_SIZES[packing]  # so many numbers in so many bytes
        rows = np.frombuffer(cursor.take(math.prod(shape) // block * n_bytes), np.uint8)
        numbers = dequantize(rows.reshape(*shape[:-1], -1), packing)
        return torch.from_numpy(np.require(numbers, np.float32, "W").reshape(shape))
    except NotImplementedError:
        raise ValueError(
            f"{name} is packed as {packing.name}, which cannot be unpacked here: take the same model as "
            "Q8_0, Q4_1 or F16"
        ) from None
    except ValueError as error:
        raise cursor.damaged(f"tensor {name}: {error}") from None


def llama_from_gguf(gguf: GGUF) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """config.json and tensors of a Llama as Hugging Face lays them out: what `Llama.from_state` takes."""
    data = gguf.metadata
    if data.get("general.architecture") != "llama":
        raise ValueError(
            f"a GGUF file of architecture {data.get('general.architecture')!r}: only llama is read from GGUF"
        )
    if "llama.rope.scaling.type" in data or "rope_freqs.weight" in gguf.tensors:
        raise ValueError(
            "this Llama stretches its rotary positions, which is not built here: take one without"
        )
    n_heads = data["llama.attention.head_count"]
    n_kv_heads = data.get("llama.attention.head_count_kv", n_heads)
    config = {
        "model_type": "llama",
        "vocab_size": len(gguf.tensors["token_embd.weight"]),
        "hidden_size": data["llama.embedding_length"],
        "num_hidden_layers": data["llama.block_count"],
        "num_attention_heads": n_heads,
        "num_key_value_heads": n_kv_heads,
        "head_dim": data.get("llama.attention.key_length", data["llama.embedding_length"] // n_heads),
        "intermediate_size": data["llama.feed_forward_length"],
        "max_position_embeddings": data["llama.context_length"],
        "rope_theta": data.get("llama.rope.freq_base", 10_000.0),
        "rms_norm_eps": data["llama.attention.layer_norm_rms_epsilon"],
        "hidden_act": "silu",
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        "bos_token_id": data.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": data.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": data.get("tokenizer.ggml.padding_token_id"),
    }
    state = {}
    for name, tensor in gguf.tensors.items():
        if ".attn_q." in name or ".attn_k." in name:
            tensor = _unpair(tensor, n_heads if ".attn_q." in name else n_kv_heads)
        state[_hugging_face_name(name)] = tensor
    return config, state


def _unpair(weight: Tensor, n_heads: int) -> Tensor:
    """llama.cpp turns rows 2i and 2i + 1 of a head together; Hugging Face, and we, rows i and i + D/2."""
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).reshape(weight.shape)


_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "blk": "model.layers",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "output": "lm_head",
}


def _hugging_face_name(name: str) -> str:
    return ".".join(_NAMES.get(part, part) for part in name.split("."))
