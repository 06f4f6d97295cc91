"""How Hugging Face's weights come into the course's classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn


class Model(nn.Module):
    """What every member can do: count itself, and take its weights from Hugging Face's twin."""

    hf_types: ClassVar[tuple[str, ...]] = ()  # the "model_type"s of config.json it reads
    hf_names: ClassVar[tuple[tuple[str, Any], ...]] = ()  # patterns in their names, and ours; in this order
    hf_ignored: ClassVar[str] = r"$^"  # a pattern of names that hold nothing learned
    hf_tied: ClassVar[
        tuple[tuple[str, str], ...]
    ] = ()  # names that may hold a copy, and what they are a copy of

    def num_parameters(self) -> int:
        """How many numbers are learned; shared ones count once."""
        return sum(p.numel() for p in self.parameters())

    @classmethod
    def count_parameters(cls, config: Any) -> int:
        """`num_parameters` of a model of this config, without the memory for it."""
        with torch.device("meta"):
            return cls(config).num_parameters()

    @classmethod
    def from_pretrained(cls, name_or_path: str) -> Self:
        """Trained weights by name ("minilm", "smollm2", "gpt2", …) or from a folder or file."""
        from course_lib import pretrained  # it knows the models, so they may not know it sooner

        return pretrained.load(cls, name_or_path)

    @classmethod
    def from_hf(cls, hf_model: Any) -> Self:
        """A copy of a Hugging Face model, weights included, with the heads that it has."""
        config = {**hf_model.config.to_dict(), "architectures": [type(hf_model).__name__]}
        return cls.from_state(config, hf_model.state_dict())

    @classmethod
    def from_state(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """A model in evaluation mode from Hugging Face's config.json and tensors under its names.

        Raises:
            ValueError: another architecture, a setting this class does not compute, or tensors that are
                missing, left over or of another shape; each is named.
        """
        kind = config.get("model_type")
        if kind not in cls.hf_types:
            reads = (
                f"it reads {' and '.join(cls.hf_types)}" if cls.hf_types else "Hugging Face has no twin of it"
            )
            raise ValueError(f"{cls.__name__} cannot hold a model of type {kind!r}: {reads}")
        model = cls(cls.config_from_hf(config, state))
        ours, own = cls.translate(state), model.state_dict()
        for copy, source in cls.hf_tied:
            if copy in ours and copy not in own and torch.equal(ours[copy], ours[source]):
                del ours[copy]
        _check_fit(cls.__name__, own, ours)
        model.load_state_dict(ours)
        return model.eval()

    @classmethod
    def config_from_hf(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Any:
        """Our config from theirs; the state tells which heads there are."""
        raise NotImplementedError(f"{cls.__name__} does not say how to read a config")

    @classmethod
    def translate(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Their tensors (weights, or gradients) under our names and in our shapes."""
        ours = {}
        for name, tensor in state.items():
            if not re.search(cls.hf_ignored, name):
                for theirs, our in cls.hf_names:
                    name = re.sub(theirs, our, name)
                ours[name] = tensor
        return ours


def _check_fit(model: str, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    shapes = [
        f"{name} is {tuple(given[name].shape)}, not {tuple(own[name].shape)}"
        for name in own.keys() & given.keys()
        if given[name].shape != own[name].shape
    ]
    faults = [
        f"{what}: {', '.join(sorted(names)[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
        for what, names in (
            ("missing", own.keys() - given.keys()),
            ("unexpected", given.keys() - own.keys()),
            ("wrong shape", shapes),
        )
        if names
    ]
    if faults:
        raise ValueError(
            f"these weights do not fit this {model}: {'; '.join(faults)}. Take config and weights of one and "
            "the same model"
        )


USUAL_NAMES = {  # what most of their configs call the sizes
    "vocab_size": "vocab_size",
    "d_model": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "pad_id": "pad_token_id",
}


def read_config(config: Mapping[str, Any], **theirs: str) -> dict[str, Any]:
    """Our fields from the names they have in `config`; what it leaves out keeps our (published) default."""
    return {ours: config[name] for ours, name in theirs.items() if config.get(name) is not None}


def hf_activation(name: str) -> str:
    """Our name of an activation from theirs; one we do not know keeps its own."""
    return {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "swish": "silu"}.get(name, name)


def refuse(config: Mapping[str, Any], **supported: Any) -> None:
    """Raise on a setting that would change the computation in a way the course's class does not follow."""
    for name, value in supported.items():
        if config.get(name, value) not in (value, None):
            raise ValueError(
                f"{name} = {config[name]!r}: the course's model computes only {name} = {value!r}"
            )


def attention_part(attention: str) -> Callable[[re.Match[str]], str]:
    """Replaces what names one of the four projections, as q, k, v, o or out, by our name for it."""
    ours = {"q": "query", "k": "key", "v": "value", "o": "output", "out": "output"}
    return lambda found: f"{attention}.{ours[found[1]]}"
