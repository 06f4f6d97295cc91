"""What the views accept as attentions, brought into one form: (L, H, T, T), checked."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np


def stacked(attentions: Any) -> np.ndarray:
    """Attention weights as a float array (L, H, T, T).

    Args:
        attentions: a list or tuple with one (H, T, T) or (1, H, T, T) a layer; or one tensor or array:
            (L, H, T, T) or (L, 1, H, T, T), (H, T, T) for one layer, (T, T) for one head.

    Raises:
        ValueError: another shape, a batch of several, values that are no attention weights.
    """
    if isinstance(attentions, (list, tuple)):
        if not attentions:
            raise ValueError("an empty list of attentions: pass one tensor (H, T, T) for each layer")
        layers = [_layer(_array(layer), number) for number, layer in enumerate(attentions)]
        shapes = {layer.shape for layer in layers}
        if len(shapes) > 1:
            raise ValueError(
                f"layers of different shapes, {' and '.join(map(str, sorted(shapes)))}: a view shows layers "
                "over the same tokens and with as many heads; pass one kind at a time"
            )
        weights = np.stack(layers)
    else:
        weights = _array(attentions)
        if weights.ndim == 5:
            weights = np.stack([_layer(layer, number) for number, layer in enumerate(weights)])
        while 2 <= weights.ndim < 4:
            weights = weights[None]
    if weights.ndim != 4 or 0 in weights.shape or weights.shape[-1] != weights.shape[-2]:
        raise ValueError(
            f"attentions of shape {weights.shape}; expected (layers, heads, T, T): for queries and keys of "
            "different length use heatmap(weights, row_tokens, column_tokens)"
        )
    _check_rows(weights)
    return weights


def head_numbers(
    weights: np.ndarray, tokens: Sequence[str], special: Sequence[int] = ()
) -> dict[str, list[list[float]] | None]:
    """What each head does in this text: a number a head, the mean over the queries that have it.

    Args:
        weights: (L, H, T, T), rows are queries.
        tokens: T.  special: positions of [CLS], [SEP] and their like.

    Returns:
        L lists of H numbers under each name; None where no query of the text has the number.
    """
    places = np.arange(len(tokens))
    same = np.array([[one == other for other in tokens] for one in tokens])
    after = np.zeros_like(same)
    after[:, 1:] = same[
        :, :-1
    ]  # key k follows a token that equals query q: prefix matching, Olsson et al. 2022
    after = np.tril(after)
    separators = [i for i in special if str(tokens[i]) in ("[SEP]", "</s>")]
    looks_at = {
        "previous token": np.eye(len(tokens), k=-1, dtype=bool),
        "the token itself": np.eye(len(tokens), dtype=bool),
        "first token": np.broadcast_to(places == 0, same.shape),
        "[SEP]": np.broadcast_to(np.isin(places, separators), same.shape),
        "special tokens": np.broadcast_to(np.isin(places, special), same.shape),
        "induction": after,
    }
    numbers = {}
    for name, keys in looks_at.items():
        queries = keys.any(1)
        numbers[name] = (
            np.einsum("lhqk,qk->lh", weights, keys * 1.0) / queries.sum() if queries.any() else None
        )
    surprise = -np.log2(np.where(weights > 0, weights, 1))
    numbers["entropy (bits)"] = np.einsum("lhqk,lhqk->lh", weights, surprise) / len(tokens)
    distance = abs(places[:, None] - places) / len(tokens)
    numbers["distance (tokens)"] = np.einsum("lhqk,qk->lh", weights, distance)
    return {
        name: None if found is None else (found.astype(float).round(4) + 0.0).tolist()
        for name, found in numbers.items()
    }


def run_model(model: Any, text: Any, tokenizer: Any) -> tuple[Any, list[str]]:
    """Attentions and tokens of `text`, a string or a pair, in a model of the course or of transformers.

    Raises:
        ValueError: no tokenizer or no text, or a model that gives no attentions.
    """
    output, tokens, _ = read_text(model, text, tokenizer)
    return output.attentions, tokens


def read_text(model: Any, text: Any, tokenizer: Any) -> tuple[Any, list[str], list[int]]:
    """As `run_model`, but the model's whole output, the tokens and their ids."""
    import torch

    if text is None or tokenizer is None:
        missing = "text" if text is None else "tokenizer"
        raise ValueError(
            f"a model, but no {missing}: explore(model, text='…', tokenizer=tokenizer), or "
            "explore(load_minilm(), text='…')"
        )
    pair = (text,) if isinstance(text, str) else tuple(text)
    ids, tokens, segments = _encode(tokenizer, pair)
    accepts = inspect.signature(model.forward).parameters
    more = {"need_weights": True} if "need_weights" in accepts else {"output_attentions": True}
    device = next(model.parameters()).device
    if segments is not None:
        name = "segments" if "segments" in accepts else "token_type_ids"
        more |= {name: torch.tensor([segments], device=device)}
    training = model.training
    model.eval()  # dropout would show weights that never rule a prediction
    try:
        with torch.inference_mode():
            output = model(torch.tensor([ids], device=device), **more)
    finally:
        model.train(training)
    if not getattr(output, "attentions", None):
        raise ValueError(
            f"{type(model).__name__} gave no attentions: load a transformers model with "
            "attn_implementation='eager', or pass the attentions yourself"
        )
    return output, tokens, ids


def _encode(tokenizer: Any, pair: tuple[str, ...]) -> tuple[list[int], list[str], list[int] | None]:
    if hasattr(tokenizer, "convert_ids_to_tokens"):  # transformers
        encoded = tokenizer(*pair)
        segments = encoded["token_type_ids"] if len(pair) > 1 else None
        return encoded["input_ids"], tokenizer.convert_ids_to_tokens(encoded["input_ids"]), segments
    encoded = tokenizer.encode(*pair)
    if hasattr(encoded, "ids"):  # tokenizers
        return encoded.ids, encoded.tokens, encoded.type_ids if len(pair) > 1 else None
    return list(encoded), [name_of(tokenizer, i) for i in encoded], None


def name_of(tokenizer: Any, i: int) -> str:
    """A token as text; a special one, which decoding leaves out, by its name."""
    if hasattr(tokenizer, "id_to_token"):  # tokenizers
        return tokenizer.decode([i]) or str(tokenizer.id_to_token(i))
    return tokenizer.decode([i]) or tokenizer.decode([i], skip_special=False)


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):  # bfloat16 has no NumPy counterpart
        values = values.detach().cpu().float().numpy()
    return np.asarray(values, dtype=np.float32)


def _layer(layer: np.ndarray, number: int) -> np.ndarray:
    if layer.ndim == 4 and layer.shape[0] == 1:
        return layer[0]
    if layer.ndim == 4:
        raise ValueError(
            f"layer {number} holds a batch of {layer.shape[0]} texts; a view shows one: pass [layer[:1] for "
            "layer in attentions]"
        )
    if layer.ndim != 3:
        raise ValueError(f"layer {number} of shape {layer.shape}; expected (heads, T, T) or (1, heads, T, T)")
    return layer


def _check_rows(weights: np.ndarray) -> None:
    if not np.isfinite(weights).all():
        layer, head, query, _ = np.argwhere(~np.isfinite(weights))[0]
        raise ValueError(
            f"NaN or infinity in layer {layer}, head {head}, row {query}: a row with every key masked gives "
            "NaN in a plain softmax; give such rows zeros"
        )
    sums = weights.sum(-1)
    # A row of zeros is one with nothing allowed. 0.02 is what half precision can lose.
    wrong = (np.abs(sums - 1) > 0.02) & (np.abs(sums) > 1e-6) | (weights.min(-1) < -1e-4)
    if wrong.any():
        layer, head, query = np.argwhere(wrong)[0]
        raise ValueError(
            f"row {query} of layer {layer}, head {head} sums to {sums[layer, head, query]:.3f}, its smallest "
            f"value is {weights[layer, head, query].min():.3f}; attention weights are >= 0 and sum to 1: "
            "pass weights after the softmax, taken over the last dimension (dim=-1) and without dropout"
        )
