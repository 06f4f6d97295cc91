"""Pairs for the tests of the models: a small random Hugging Face model, our copy, and one padded batch."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from course_lib.models import GPT, T5, Bart, Bert, Llama

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


@dataclass
class Twins:
    """Two models with one set of weights, and the same batch in the words of each."""

    theirs: Any
    ours: Any
    their_batch: dict[str, Tensor]
    our_batch: dict[str, Tensor]
    real: Tensor  # (B, T), the positions whose outputs must agree
    scored: Tensor | None  # boolean: the positions of their logits that ours computes with labels


def random_weights(model: nn.Module, seed: int) -> nn.Module:
    """Weights large enough for every part to matter: the usual 0.02 would hide a wrong bias or scale."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            is_scale = p.dim() == 1 and name.endswith("weight")
            p.copy_(1 + 0.1 * noise if is_scale else 0.5 * noise / p.shape[-1] ** 0.5)
    return model.eval()


def lengths(rng: random.Random, B: int, T: int) -> Tensor:
    """How many tokens of each row are real; one row is full."""
    return torch.tensor([T] + [rng.randint(2, T) for _ in range(B - 1)])


def right_padded(rng: random.Random, B: int, T: int, low: int, vocab_size: int, pad_id: int) -> Tensor:
    """Random ids (B, T) from `low` on, padded on the right."""
    ids = torch.tensor([[rng.randrange(low, vocab_size) for _ in range(T)] for _ in range(B)])
    return ids.where(torch.arange(T) < lengths(rng, B, T)[:, None], pad_id)


def some_labels(rng: random.Random, ids: Tensor, real: Tensor, share: float = 0.5) -> Tensor:
    """The ids at about this share of the real places and at the first place, -100 elsewhere."""
    keep = torch.tensor([[rng.random() < share for _ in row] for row in ids.tolist()])
    keep[:, 0] = True
    return ids.where(keep & real, -100)


def bert_twins(seed: int, head: str = "ForMaskedLM", family: str = "Bert", **settings: Any) -> Twins:
    rng = random.Random(seed)
    n_heads, vocab_size, T = rng.choice([1, 2, 3, 5]), rng.randrange(31, 71), rng.randint(3, 11)
    pad_id = 1 if family == "Roberta" else rng.choice([0, 3])
    config = getattr(transformers, f"{family}Config")(
        vocab_size=vocab_size,
        hidden_size=n_heads * rng.randint(3, 7),
        num_hidden_layers=rng.randint(1, 3),
        num_attention_heads=n_heads,
        intermediate_size=rng.randint(9, 31),
        max_position_embeddings=T + rng.randint(pad_id + 1, 9),
        type_vocab_size=1 if family == "Roberta" else rng.randint(2, 3),
        hidden_act=rng.choice(["gelu", "gelu_new", "relu"]) if family == "Bert" else "gelu",
        pad_token_id=pad_id,
        num_labels=rng.randint(2, 5),
        attn_implementation="eager",
        **settings,
    )
    theirs = random_weights(getattr(transformers, f"{family}{head}")(config), seed)
    B = rng.randint(2, 4)
    ids = right_padded(rng, B, T, 4, vocab_size, pad_id)
    real = ids != pad_id
    segments = torch.randint(config.type_vocab_size, ids.shape, generator=torch.Generator().manual_seed(seed))
    batch = {"input_ids": ids, "attention_mask": real.long(), "token_type_ids": segments}
    ours = {"ids": ids, "segments": segments}
    scored = None
    if head in ("ForMaskedLM", "ForPreTraining", "ForTokenClassification"):
        n_classes = config.num_labels if head == "ForTokenClassification" else vocab_size
        labels = some_labels(rng, ids % n_classes, real)
        batch["labels"] = ours["labels"] = labels
        scored = None if head == "ForTokenClassification" else labels != -100
    elif head == "ForSequenceClassification":
        batch["labels"] = ours["labels"] = torch.arange(B) % config.num_labels
    if head == "ForPreTraining":
        batch["next_sentence_label"] = ours["nsp_labels"] = torch.arange(B) % 2
    return Twins(theirs, Bert.from_hf(theirs), batch, ours, real, scored)


def roberta_twins(seed: int, head: str = "ForMaskedLM") -> Twins:
    return bert_twins(seed, head, "Roberta")


def decoder_twins(rng: random.Random, cls: type, theirs: Any, T: int, positions_offset: int = 0) -> Twins:
    """A batch padded on the left. Labels start at each row's second token: padding predicts nothing."""
    B, vocab_size = rng.randint(2, 4), theirs.config.vocab_size
    ids = torch.tensor([[rng.randrange(vocab_size) for _ in range(T)] for _ in range(B)])
    real = torch.arange(T) >= T - lengths(rng, B, T)[:, None]
    positions = (real.cumsum(dim=1) - 1).clamp(min=0)
    labels = some_labels(rng, ids, real, share=0.8)
    labels = labels.masked_fill(positions == 0, -100)
    labels[:, -1] = ids[:, -1]
    batch = {"input_ids": ids, "attention_mask": real.long(), "position_ids": positions, "labels": labels}
    scored = torch.cat([labels[:, 1:] != -100, torch.zeros(B, 1, dtype=torch.bool)], dim=1)
    return Twins(
        theirs, cls.from_hf(theirs), batch, {"ids": ids, "mask": real, "labels": labels}, real, scored
    )


def gpt1_twins(seed: int) -> Twins:
    rng = random.Random(seed)
    n_heads, T = rng.choice([1, 2, 3, 5]), rng.randint(3, 11)
    config = transformers.OpenAIGPTConfig(
        vocab_size=rng.randrange(31, 71),
        n_positions=T + rng.randint(0, 5),
        n_embd=n_heads * rng.randint(3, 7),
        n_layer=rng.randint(1, 3),
        n_head=n_heads,
        attn_implementation="eager",
    )
    theirs = random_weights(transformers.OpenAIGPTLMHeadModel(config), seed)
    return decoder_twins(rng, GPT, theirs, T)


def gpt2_twins(seed: int) -> Twins:
    rng = random.Random(seed)
    n_heads, T = rng.choice([1, 2, 3, 5]), rng.randint(3, 11)
    config = transformers.GPT2Config(
        vocab_size=rng.randrange(31, 71),
        n_positions=T + rng.randint(0, 5),
        n_embd=n_heads * rng.randint(3, 7),
        n_layer=rng.randint(1, 3),
        n_head=n_heads,
        n_inner=rng.choice([None, 17]),
        activation_function=rng.choice(["gelu_new", "relu", "gelu"]),
        attn_implementation="eager",
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = random_weights(transformers.GPT2LMHeadModel(config), seed)
    return decoder_twins(rng, GPT, theirs, T)


def llama_twins(seed: int) -> Twins:
    rng = random.Random(seed)
    n_kv_heads, T = rng.choice([1, 2, 3]), rng.randint(3, 11)
    n_heads = n_kv_heads * rng.choice([1, 2, 3])
    d_model = n_heads * 2 * rng.randint(1, 4)
    config = transformers.LlamaConfig(
        vocab_size=rng.randrange(31, 71),
        hidden_size=d_model,
        intermediate_size=rng.randint(9, 31),
        num_hidden_layers=rng.randint(1, 3),
        num_attention_heads=n_heads,
        num_key_value_heads=n_kv_heads,
        head_dim=rng.choice([None, 6]),
        max_position_embeddings=T + rng.randint(0, 5),
        rms_norm_eps=rng.choice([1e-5, 1e-6]),
        rope_parameters={"rope_type": "default", "rope_theta": rng.choice([100.0, 10_000.0, 100_000.0])},
        tie_word_embeddings=rng.choice([True, False]),
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="eager",
    )
    theirs = random_weights(transformers.LlamaForCausalLM(config), seed)
    return decoder_twins(rng, Llama, theirs, T)


def encoder_decoder_twins(rng: random.Random, cls: type, theirs: Any) -> Twins:
    c = theirs.config
    B, S, T = rng.randint(2, 4), rng.randint(3, 9), rng.randint(3, 9)
    ids = right_padded(rng, B, S, 4, c.vocab_size, c.pad_token_id)
    labels = right_padded(rng, B, T, 4, c.vocab_size, -100)
    batch = {"input_ids": ids, "attention_mask": (ids != c.pad_token_id).long(), "labels": labels}
    real = labels != -100
    return Twins(theirs, cls.from_hf(theirs), batch, {"ids": ids, "labels": labels}, real, real)


def bart_twins(seed: int) -> Twins:
    rng = random.Random(seed)
    n_heads, n_layers, d_ff = rng.choice([1, 2, 3, 5]), rng.randint(1, 3), rng.randint(9, 31)
    config = transformers.BartConfig(
        vocab_size=rng.randrange(31, 71),
        d_model=n_heads * rng.randint(3, 7),
        max_position_embeddings=rng.randint(9, 13),
        activation_function=rng.choice(["gelu", "relu"]),
        **{f"{side}_layers": n_layers for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": n_heads for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": d_ff for side in ("encoder", "decoder")},
        attn_implementation="eager",
    )
    theirs = random_weights(transformers.BartForConditionalGeneration(config), seed)
    theirs.final_logits_bias.normal_(generator=torch.Generator().manual_seed(seed))
    return encoder_decoder_twins(rng, Bart, theirs)


def t5_twins(seed: int, feed_forward: str = "relu", tie: bool = True) -> Twins:
    rng = random.Random(seed)
    config = transformers.T5Config(
        vocab_size=rng.randrange(31, 71),
        d_model=rng.randint(7, 23),
        d_kv=rng.randint(3, 7),
        d_ff=rng.randint(9, 31),
        num_layers=rng.randint(1, 3),
        num_heads=rng.choice([1, 2, 3, 5]),
        relative_attention_num_buckets=rng.choice([4, 8, 32]),
        relative_attention_max_distance=rng.choice([6, 20, 128]),
        feed_forward_proj=feed_forward,
        tie_word_embeddings=tie,
        decoder_start_token_id=0,
        attn_implementation="eager",
    )
    theirs = random_weights(transformers.T5ForConditionalGeneration(config), seed)
    return encoder_decoder_twins(rng, T5, theirs)


def t5_v1_1_twins(seed: int) -> Twins:
    return t5_twins(seed, "gated-gelu", tie=False)


FAMILIES: dict[str, Callable[[int], Twins]] = {
    "bert": bert_twins,
    "roberta": roberta_twins,
    "gpt1": gpt1_twins,
    "gpt2": gpt2_twins,
    "bart": bart_twins,
    "t5": t5_twins,
    "t5_v1_1": t5_v1_1_twins,
    "llama": llama_twins,
}
