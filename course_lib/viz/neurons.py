"""Models and tokenizers of the course in the form that bertviz's neuron view asks for."""

from __future__ import annotations

from typing import Any

# About 1.5 MB in the notebook, the two libraries included.
MAX_NUMBERS = 150_000


def check_size(total: int, way_out: str) -> None:
    if total > MAX_NUMBERS:
        raise ValueError(
            f"{total:,} numbers to draw; a bertviz view stays readable and small up to {MAX_NUMBERS:,}: "
            f"{way_out}, use a shorter text, or explore(...), which holds far more"
        )


class TokenizerForBertviz:
    """What bertviz asks of a tokenizer, answered by one of `tokenizers`."""

    cls_token, sep_token = "[CLS]", "[SEP]"

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def tokenize(self, text: str) -> list[str]:
        return self.tokenizer.encode(text, add_special_tokens=False).tokens

    def convert_tokens_to_ids(self, tokens: list[str]) -> list[int]:
        return [self.tokenizer.token_to_id(token) for token in tokens]


class QueriesAndKeys:
    """A model of the course that answers like bertviz's own: with queries and keys of every head."""

    def __init__(self, model: Any) -> None:
        from course_lib.attention import MultiHeadAttention

        self.model = model
        self.parts = [m for m in model.modules() if isinstance(m, MultiHeadAttention)]
        if not self.parts:
            raise ValueError(
                f"{type(model).__module__}.{type(model).__name__} has none of the course's attention layers: "
                "copy its weights first, as in Bert.from_hf(model)"
            )

    def eval(self) -> None:
        self.model.eval()

    def __call__(self, ids: Any, token_type_ids: Any = None) -> tuple[list[dict[str, Any]]]:
        import torch

        n = ids.shape[1]
        numbers = sum(part.n_heads * (n * n + 2 * n * part.d_head) for part in self.parts)
        check_size(numbers * (2 if token_type_ids is not None else 1), f"{n} tokens are too many")
        seen: dict[Any, Any] = {}
        hooks = [
            layer.register_forward_hook(lambda layer, _, output: seen.__setitem__(layer, output))
            for part in self.parts
            for layer in (part.query, part.key)
        ]
        device = next(self.model.parameters()).device
        more = () if token_type_ids is None else (token_type_ids.to(device),)
        try:
            with torch.inference_mode():
                output = self.model(ids.to(device), *more, need_weights=True)
        finally:
            for hook in hooks:
                hook.remove()

        def heads(part: Any, layer: Any, count: int) -> Any:
            split = seen[layer].unflatten(-1, (count, part.d_head)).transpose(1, 2)  # (B, H, T, D)
            return split.repeat_interleave(part.n_heads // count, 1).float()

        return (
            [
                {
                    "attn": weights.float(),
                    "queries": heads(part, part.query, part.n_heads),
                    "keys": heads(part, part.key, part.n_kv_heads),
                }
                for part, weights in zip(self.parts, output.attentions, strict=True)
            ],
        )
