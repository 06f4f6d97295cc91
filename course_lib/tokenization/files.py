"""Tokenizer files, in the JSON format of the `tokenizers` library: either side reads what the other writes.

A file that asks for something our classes do not do is refused, because it would load and then encode
differently.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

PREFIX = "##"  # marks a WordPiece that continues a word
MAX_WORD_CHARS = 100  # a longer word is [UNK], in WordPiece


def write(path: str | Path, vocab: dict[str, int], special_tokens: Sequence[str], parts: dict) -> None:
    """Write a tokenizer.json from the parts that `wordpiece_parts` or `bpe_parts` made."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": vocab[token], "content": token} | flags for token in special_tokens]
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added} | parts
    Path(path).write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")


def wordpiece_parts(
    vocab: dict[str, int], special_tokens: Sequence[str], lowercase: bool, strip_accents: bool
) -> dict:
    """The parts of a WordPiece file; the arguments are those of `WordPiece`."""
    around = None
    if {"[CLS]", "[SEP]"} <= set(special_tokens):
        pair = [("[CLS]", 0), ("A", 0), ("[SEP]", 0), ("B", 1), ("[SEP]", 1)]
        around = _template(pair[:3], pair, vocab)
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": PREFIX}
    return {
        "normalizer": normalizer | {"strip_accents": strip_accents, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": around,
        "decoder": {"type": "WordPiece", "prefix": PREFIX, "cleanup": True},
        "model": model | {"max_input_chars_per_word": MAX_WORD_CHARS, "vocab": vocab},
    }


def read_wordpiece(path: str | Path) -> dict:
    """The arguments of `WordPiece` from a file."""
    parts, arguments = _read(path, "WordPiece")
    model = parts["model"]
    normalizer = parts.get("normalizer") or {}
    _expect(path, "normalizer", normalizer.get("type"), "BertNormalizer")
    _expect(path, "clean_text", normalizer["clean_text"], True)
    _expect(path, "handle_chinese_chars", normalizer["handle_chinese_chars"], True)
    _expect(path, "pre_tokenizer", (parts.get("pre_tokenizer") or {}).get("type"), "BertPreTokenizer")
    _expect(path, "continuing_subword_prefix", model["continuing_subword_prefix"], PREFIX)
    _expect(path, "max_input_chars_per_word", model["max_input_chars_per_word"], MAX_WORD_CHARS)
    _expect(path, "unk_token", model["unk_token"], "[UNK]")
    return arguments | {"lowercase": normalizer["lowercase"], "strip_accents": normalizer["strip_accents"]}


def bpe_parts(
    vocab: dict[str, int],
    merges: Sequence[tuple[str, str]],
    add_prefix_space: bool,
    split_digits: bool,
    bos: str | None,
    eos: str | None,
) -> dict:
    """The parts of a byte-level BPE file; the arguments are those of `BPE`."""
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    pre_tokenizer = byte_level | {"add_prefix_space": add_prefix_space}
    if split_digits:
        digits = {"type": "Digits", "individual_digits": True}
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [digits, pre_tokenizer]}
    single = [(name, 0) for name in (bos, "A", eos) if name is not None]
    off = dict.fromkeys(["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"])
    off |= dict.fromkeys(["fuse_unk", "byte_fallback", "ignore_merges"], False)
    return {
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": _template(single, [("A", 0), ("B", 1)], vocab) if bos or eos else None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {"type": "BPE", **off, "vocab": vocab, "merges": [list(pair) for pair in merges]},
    }


def read_bpe(path: str | Path) -> dict:
    """The arguments of `BPE` from a file."""
    parts, arguments = _read(path, "BPE")
    model, pre = parts["model"], parts.get("pre_tokenizer") or {}
    for affix in ("continuing_subword_prefix", "end_of_word_suffix"):
        _expect(path, affix, model.get(affix) or "", "")
    for option in ("dropout", "byte_fallback", "ignore_merges"):
        _expect(path, option, model.get(option) or False, False)
    _expect(path, "normalizer", parts.get("normalizer"), None)
    *before, byte_level = pre["pretokenizers"] if pre.get("type") == "Sequence" else [pre]
    _expect(path, "pre_tokenizer", byte_level.get("type"), "ByteLevel")
    _expect(path, "use_regex", byte_level.get("use_regex", True), True)
    _expect(path, "pre_tokenizer", before, [], [{"type": "Digits", "individual_digits": True}])
    bos, eos = _read_template(path, parts.get("post_processor"))
    # Files before tokenizers 0.20 write a merge as "left right".
    merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    options = {"add_prefix_space": byte_level["add_prefix_space"], "split_digits": bool(before)}
    return arguments | options | {"merges": merges, "bos": bos, "eos": eos}


def _read(path: str | Path, model_type: str) -> tuple[dict, dict]:
    """The parts of a file, and the arguments that all tokenizers have: vocab and special_tokens.

    Truncation and padding that a file sets are left out: here they are arguments of `encode` and `batch`.
    """
    try:
        parts = json.loads(Path(path).read_text(encoding="utf-8"))
        model, added = parts["model"], parts["added_tokens"] or []
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a tokenizer.json, or is damaged: {error}") from error
    _expect(path, "model type", model.get("type"), model_type)
    for token in added:
        flags = [flag for flag in ("single_word", "lstrip", "rstrip") if token.get(flag)]
        _expect(path, f"flags of {token['content']}", flags, [])
        _expect(path, f"'special' of {token['content']}", token.get("special"), True)
    special = {token["content"]: token["id"] for token in added}
    return parts, {"vocab": model["vocab"] | special, "special_tokens": tuple(special)}


def _expect(path: str | Path, what: str, found: object, *supported: object) -> None:
    if found not in supported:
        wanted = " or ".join(map(repr, supported))
        raise ValueError(
            f"{path}: {what} is {found!r}, only {wanted} is supported: use tokenizers.Tokenizer.from_file"
        )


def _template(single: Iterable, pair: Iterable, vocab: dict[str, int]) -> dict:
    """What stands around one text A, and around two, A and B; each item with its segment."""

    def items(template: Iterable[tuple[str, int]]) -> list[dict]:
        kind = {"A": "Sequence", "B": "Sequence"}
        return [{kind.get(name, "SpecialToken"): {"id": name, "type_id": part}} for name, part in template]

    names = {name: None for name, _ in [*single, *pair] if name not in ("A", "B")}
    special = {name: {"id": name, "ids": [vocab[name]], "tokens": [name]} for name in names}
    return {
        "type": "TemplateProcessing",
        "single": items(single),
        "pair": items(pair),
        "special_tokens": special,
    }


def _read_template(path: str | Path, post: dict | None) -> tuple[str | None, str | None]:
    """The tokens that a BPE file puts before and after a text."""
    if post is None or post["type"] == "ByteLevel":
        return None, None
    _expect(path, "post_processor", post["type"], "TemplateProcessing")
    names = [item["SpecialToken"]["id"] if "SpecialToken" in item else None for item in post["single"]]
    before, after = names[: names.index(None)], names[names.index(None) + 1 :]
    _expect(path, "number of tokens around a text", (len(before), len(after)), (0, 0), (0, 1), (1, 0), (1, 1))
    return (before or [None])[0], (after or [None])[0]
