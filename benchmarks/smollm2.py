"""SmolLM2 twice, with one set of weights: the course's Llama and transformers' own."""

import platform

import torch
import transformers

from course_lib.models import Llama
from course_lib.pretrained import load_tokenizer
from course_lib.pretrained.checkpoint import read_checkpoint


def twins():
    """Ours, theirs, the tokenizer; both in float32."""
    config, state = read_checkpoint("smollm2")
    rope = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config, rope_parameters=rope))
    left_out = theirs.load_state_dict(state, strict=False)
    assert left_out.missing_keys == ["lm_head.weight"] and not left_out.unexpected_keys
    theirs.tie_weights()
    return Llama.from_state(config, state), theirs.eval(), load_tokenizer("smollm2")


def machine() -> str:
    """What the times depend on."""
    return (
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, {platform.machine()}, {torch.get_num_threads()} threads"
    )
