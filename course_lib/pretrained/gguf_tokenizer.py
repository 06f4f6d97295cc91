"""The tokenizer that a GGUF file carries in its metadata: byte-level BPE."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

_CONTROL, _USER_DEFINED = 3, 4  # llama.cpp's token types


def tokenizer_from_gguf(metadata: dict[str, Any]) -> Tokenizer:
    """Vocabulary, merges, special tokens, and the way text is cut before BPE.

    SmolLM2 cuts off every digit ("smollm" in llama.cpp). transformers' GGUF loader leaves that out: where a
    digit follows two spaces it gives other tokens than the model was trained on.

    Raises:
        ValueError: another kind of tokenizer, or another way to cut.
    """
    kind, cut = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    cuts = {
        "gpt-2": byte_level,
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level]),
    }
    if kind != "gpt2" or cut not in cuts:
        raise ValueError(
            f"a GGUF tokenizer of kind {kind!r} that cuts text like {cut!r}: read here are kind 'gpt2' with "
            f"{' or '.join(map(repr, cuts))}"
        )
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = cuts[cut]
    tokenizer.decoder = decoders.ByteLevel()
    types = metadata.get("tokenizer.ggml.token_type", [])
    whole = [(t, kind) for t, kind in zip(tokens, types, strict=False) if kind in (_CONTROL, _USER_DEFINED)]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t, kind in whole if kind == _CONTROL])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, kind in whole if kind == _USER_DEFINED])
    return tokenizer
